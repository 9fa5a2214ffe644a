"""Whole FINN dataflow partitions in one simulation."""

from finn_imec.partition.deadlock import DeadlockError
from finn_imec.partition.graph import hardware_part, in_python, specialized
from finn_imec.partition.netlist import Netlist
from finn_imec.partition.network import prepare_network, run_network
from finn_imec.partition.partition import Partition, simulate
from finn_imec.partition.run import Run
from finn_imec.util.deprecation import deprecated_names

__all__ = [
    "DeadlockError",
    "Netlist",
    "Partition",
    "Run",
    "hardware_part",
    "in_python",
    "prepare_network",
    "run_network",
    "simulate",
    "specialized",
]
__getattr__ = deprecated_names(__name__, {"specialised": f"{__name__}.specialized"})
