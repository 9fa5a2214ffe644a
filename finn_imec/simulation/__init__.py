"""Cycle-exact simulation of streaming designs with Verilator."""

from finn_imec.simulation.model import Model
from finn_imec.simulation.stimulus import (
    Activity,
    Result,
    SimulationError,
    Stall,
    Stimulus,
    Violation,
)
from finn_imec.simulation.verilator import build

__all__ = [
    "Activity",
    "Model",
    "Result",
    "SimulationError",
    "Stall",
    "Stimulus",
    "Violation",
    "build",
]
