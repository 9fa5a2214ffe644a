"""Whole FINN dataflow partitions in one simulation."""

from finn_imec.partition.network import prepare_network, run_network
from finn_imec.partition.partition import (
    DeadlockError,
    Partition,
    Run,
    hardware_part,
    simulate,
    specialized,
)
from finn_imec.util.deprecation import deprecated_names

__all__ = [
    "DeadlockError",
    "Partition",
    "Run",
    "hardware_part",
    "prepare_network",
    "run_network",
    "simulate",
    "specialized",
]
__getattr__ = deprecated_names(__name__, {"specialised": f"{__name__}.specialized"})
