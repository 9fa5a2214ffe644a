"""Whole FINN dataflow partitions in one simulation."""

from finn_imec.partition.network import prepare_network, run_network
from finn_imec.partition.partition import (
    DeadlockError,
    Partition,
    Run,
    hardware_part,
    simulate,
    specialised,
)

__all__ = [
    "DeadlockError",
    "Partition",
    "Run",
    "hardware_part",
    "prepare_network",
    "run_network",
    "simulate",
    "specialised",
]
