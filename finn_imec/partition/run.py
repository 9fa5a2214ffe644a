"""What a simulated partition did: outputs, cycles, streams, FIFOs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class NodeReport:
    """origin: whose RTL it is. expected_cycles: what FINN or IMECConv says of a frame."""

    node: str
    op_type: str
    origin: str
    expected_cycles: int


@dataclass(frozen=True)
class EdgeReport:
    """A stream and what passed in all frames. producer, consumer: nodes, "" at the ends.

    stream: its name in waveforms. blocked, starved: share of the cycles in which a word waits for
    the consumer, or the consumer for a word.
    """

    producer: str
    consumer: str
    stream: str
    words: int
    blocked: float
    starved: float


@dataclass(frozen=True)
class FifoReport:
    """depth: as the node says; peak: most words that were in it, its output register included."""

    node: str
    depth: int
    peak: int


@dataclass(frozen=True)
class Run:
    """What a partition did with `frames` frames given as fast as it takes them.

    outputs: tensor -> (frames, ...), integers. latency: cycles from the first input word offered to
    the last output word of the first frame. interval: cycles from the last word of the last but one
    frame to that of the last, None with one frame. cycles: of the whole run. compile_s, simulate_s:
    wall time of Verilator's compilation, or of finding the model in the cache, and of the run.
    """

    frames: int
    outputs: dict[str, np.ndarray]
    cycles: int
    latency: int
    interval: int | None
    nodes: tuple[NodeReport, ...]
    edges: tuple[EdgeReport, ...]
    fifos: tuple[FifoReport, ...]
    compile_s: float
    simulate_s: float

    def frames_per_second(self, clock_ns: float) -> float | None:
        """In steady state; None with one frame."""
        return None if self.interval is None else 1e9 / (clock_ns * self.interval)

    def as_json(self, clock_ns: float) -> dict[str, Any]:
        """All but the outputs, and frames per second."""
        fields = {k: v for k, v in vars(self).items() if k != "outputs"}
        lists = {k: [asdict(each) for each in fields[k]] for k in ("nodes", "edges", "fifos")}
        per_second = self.frames_per_second(clock_ns)
        return {**fields, "clock_ns": clock_ns, "frames_per_second": per_second, **lists}
