"""FIFO depths of whole partitions, by simulation."""

from finn_imec.fifos.cost import Cost
from finn_imec.fifos.memory import Point, curve
from finn_imec.fifos.sizing import FifoSize, Sizing, set_depths, size_fifos, with_depths
from finn_imec.fifos.steps import step_insert_fifos, step_size_fifos

__all__ = [
    "Cost",
    "FifoSize",
    "Point",
    "Sizing",
    "curve",
    "set_depths",
    "size_fifos",
    "step_insert_fifos",
    "step_size_fifos",
    "with_depths",
]
