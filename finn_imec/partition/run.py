"""Results of a simulated partition: outputs, cycles, streams, FIFOs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from finn_imec.partition.graph import PythonNode


@dataclass(frozen=True)
class NodeReport:
    """origin: of its RTL, see parts. expected_cycles: FINN's or IMECConv's cycles per frame."""

    node: str
    op_type: str
    origin: str
    expected_cycles: int


@dataclass(frozen=True)
class EdgeReport:
    """A stream and its traffic over all frames. producer, consumer: nodes, "" at the ends.

    stream: its name in waveforms. blocked, starved: share of cycles in which a word waits for the consumer,
    and in which the consumer waits for a word.
    """

    producer: str
    consumer: str
    stream: str
    words: int
    blocked: float
    starved: float


@dataclass(frozen=True)
class FifoReport:
    """depth: the node's attribute. peak: most words ever in it, its output register included."""

    node: str
    depth: int
    peak: int


def interval_of(frames_out: Sequence[int]) -> int | None:
    """Cycles per frame in steady state, by the cycles of the frames' last words; None with one frame.

    The larger one of the last two intervals: no frame follows the last one and takes cycles from it.
    """
    return max((int(b - a) for a, b in pairwise(frames_out[-3:])), default=None)


@dataclass(frozen=True)
class Run:
    """Results of `frames` frames, offered as fast as the partition takes them.

    outputs: tensor -> (frames, ...), integers. network_outputs: of the whole model, in its order, host nodes
    included: tensor -> (frames, ...). latency: cycles from the first input word offered to
    the last output word of the first frame. interval: see `interval_of`. cycles: of the whole run. compile_s,
    simulate_s: wall time of Verilator's compilation, or of finding the model in the cache, and of the run.
    frames_out: the cycle, from 0, of each frame's last output word.
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
    in_python: tuple[PythonNode, ...] = ()
    network_outputs: dict[str, np.ndarray] = field(default_factory=dict)
    frames_out: tuple[int, ...] = ()

    def frames_per_second(self, clock_ns: float) -> float | None:
        """In steady state; None with one frame."""
        return None if self.interval is None else 1e9 / (clock_ns * self.interval)

    def as_json(self, clock_ns: float) -> dict[str, Any]:
        """All fields except the outputs, plus frames per second."""
        fields = {k: v for k, v in vars(self).items() if k not in ("outputs", "network_outputs")}
        lists = {k: [asdict(each) for each in fields[k]] for k in ("nodes", "edges", "fifos", "in_python")}
        per_second = self.frames_per_second(clock_ns)
        return {**fields, "clock_ns": clock_ns, "frames_per_second": per_second, **lists}
