"""The stimulus of a simulated design, and its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from finn_imec.util.errors import ImecError


class SimulationError(ImecError, RuntimeError):
    """A model that does not compile, or a run that broke a rule, stopped early or did not stop."""


@dataclass(frozen=True)
class Stall:
    """When a producer offers its next word, or a consumer is ready. Built with the class methods.

    A producer never withdraws an offered word. A consumer may withdraw its TREADY.
    """

    kind: int = 0
    a: int = 0
    b: int = 0
    seed: int = 0

    @classmethod
    def none(cls) -> Stall:
        """Always active."""
        return cls()

    @classmethod
    def random(cls, probability: float, seed: int = 0) -> Stall:
        """Stalled in each cycle with `probability`, 0 <= probability < 1."""
        if not 0 <= probability < 1:
            raise ValueError(f"probability: {probability}; expected 0 <= probability < 1")
        return cls(1, int(probability * 2**32), 0, seed)

    @classmethod
    def duty(cls, active: int = 3, period: int = 4) -> Stall:
        """Active in the first `active` of every `period` cycles, counted from cycle 0."""
        if not 1 <= active <= period:
            raise ValueError(f"active, period: {active}, {period}; expected 1 <= active <= period")
        return cls(2, active, period)

    @classmethod
    def every(cls, cycles: int) -> Stall:
        """At most one word in `cycles` cycles: handshakes are at least that far apart."""
        if cycles < 1:
            raise ValueError(f"cycles: {cycles}; expected at least 1")
        return cls(3, cycles)

    @classmethod
    def pause(cls, word: int, cycles: int) -> Stall:
        """One stall of `cycles` cycles after `word` words have moved; restarts with a reset."""
        if word < 0 or cycles < 0:
            raise ValueError(f"word, cycles: {word}, {cycles}; expected non-negative integers")
        return cls(4, word, cycles)

    @classmethod
    def after_valid(cls) -> Stall:
        """Consumers only: for each word TREADY stays low until the cycle after TVALID was seen."""
        return cls(5)


@dataclass(frozen=True)
class Stimulus:
    """The input of one design in a run, and the expected amount of output.

    inputs: per input stream its words: a uint8 array (words, ceil(width / 8)) as from `pack`, or
        a sequence of non-negative integers below 2**width.
    n_outputs: per output stream the number of words expected.
    input_stall, output_stall: one `Stall` for all streams, or one per named stream.
    reset_at: cycles in which the reset goes low again, each counted from cycle 0 of the previous
        reset. The inputs then start over at word `restart` (default 0), and all of n_outputs is
        expected after the last reset.
    reset_cycles: length of every reset, the first included.
    timeout: cycles without any handshake, probes included, not counting waits of known length,
        after which missing outputs are a deadlock.
    drain: cycles without any handshake, not counting waits of known length, that end the run once
        all outputs have arrived.
    allow_extra: further output words before that are no error. FINN's FMPadding, for example,
        outputs the upper border of the next frame before it sees any of its words.
    max_cycles: hard limit, None for none.
    """

    inputs: Mapping[str, Any]
    n_outputs: Mapping[str, int]
    input_stall: Stall | Mapping[str, Stall] = Stall()
    output_stall: Stall | Mapping[str, Stall] = Stall()
    reset_at: Sequence[int] = ()
    restart: Mapping[str, int] = field(default_factory=dict)
    reset_cycles: int = 4
    timeout: int = 10_000
    drain: int = 64
    allow_extra: bool = False
    max_cycles: int | None = None


@dataclass(frozen=True)
class Violation:
    """A broken rule of AXI4-Stream; `segment` counts the mid-run resets before it.

    cycle: -2 and below in reset, -1 in the first cycle after it.
    """

    port: str
    cycle: int
    segment: int
    rule: str


@dataclass(frozen=True)
class Activity:
    """What a probe saw from the last reset until the last expected output word.

    words: handshakes. first, last: cycles of the first and last one, -1 if none.
    blocked, starved: cycles in which only TVALID or only TREADY was high.
    peak: most words ever between this stream and the one that drains it.
    valid, ready: TVALID and TREADY at the end.
    """

    words: int
    first: int
    last: int
    blocked: int
    starved: int
    peak: int
    valid: bool
    ready: bool


@dataclass(frozen=True)
class Result:
    """The results of one design. Cycles and words are after the last reset unless stated otherwise.

    outputs: per output stream uint8 (words, ceil(width / 8)), the words received, at most
        n_outputs.
    cycles: from cycle 0 up to and including the last expected output handshake; 0 without one.
    output_cycle, input_cycle: per stream int64 (words,), the cycle of every handshake.
    before_reset: per mid-run reset the words received before it, at most n_outputs.
    extra: per output stream the number of words beyond n_outputs.
    status: "complete", "deadlock" or "out of cycles".
    stuck: unless complete, the waiting streams: inputs whose TVALID sees no TREADY, outputs with
        missing words.
    violations: the first 16 violations of the stream rules; n_violations counts all.
    activity: of each probe.
    """

    outputs: dict[str, np.ndarray]
    cycles: int
    output_cycle: dict[str, np.ndarray]
    input_cycle: dict[str, np.ndarray]
    before_reset: tuple[dict[str, np.ndarray], ...]
    extra: dict[str, int]
    status: str
    stuck: tuple[str, ...]
    violations: tuple[Violation, ...]
    n_violations: int
    activity: dict[str, Activity]

    @property
    def deadlock(self) -> bool:
        return self.status == "deadlock"
