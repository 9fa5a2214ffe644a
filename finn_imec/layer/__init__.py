"""Numbers of one convolution: shapes, folding, schedule, memories, arithmetic, estimates."""

from finn_imec.layer.datapath import Datapath, Operand, smallest_datatype
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.memories import MEM_MODES, RAM_STYLES
from finn_imec.layer.packing import Packing

__all__ = [
    "MEM_MODES",
    "RAM_STYLES",
    "ConvGeometry",
    "Datapath",
    "Estimate",
    "Operand",
    "Packing",
    "divisors",
    "smallest_datatype",
]
