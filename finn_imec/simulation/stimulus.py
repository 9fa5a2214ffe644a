"""What a simulated design receives, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from finn_imec.util.errors import ImecError


class SimulationError(ImecError, RuntimeError):
    """A model that does not compile, or a run that broke a rule, stopped early or went on."""


@dataclass(frozen=True)
class Stall:
    """When a producer offers its next word, or a consumer is ready. Build it with the methods.

    A producer never withdraws a word that it has offered. A consumer may.
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
        """One word at most in every `cycles` cycles: handshakes are that far apart, or further."""
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
        """Consumers only: TREADY stays low until the cycle after TVALID was seen, per word."""
        return cls(5)


@dataclass(frozen=True)
class Stimulus:
    """What one design receives in a run, and how much it is expected to return.

    inputs: per input stream its words: a uint8 array (words, ceil(width / 8)) as from `pack`, or
        a sequence of non-negative integers below 2**width.
    n_outputs: per output stream the number of words expected.
    input_stall, output_stall: one `Stall` for all streams, or one per named stream.
    reset_at: cycles in which the reset goes low again, each counted from the cycle 0 that the
        previous reset led to. The inputs then start over, at the word `restart` names (default
        0), and all of n_outputs is expected after the last reset.
    reset_cycles: length of every reset, the first included.
    timeout: cycles without any handshake, at probes neither, waits of known length not counted,
        after which missing outputs are a deadlock.
    drain: cycles without any handshake, waits of known length not counted, that end the run
        once all outputs have come.
    allow_extra: a further output word before that is no error. FINN's FMPadding, for example,
        returns the upper border of the next frame before it sees any of its words.
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

    cycle: from -2 down in reset, -1 in the first cycle after it.
    """

    port: str
    cycle: int
    segment: int
    rule: str


@dataclass(frozen=True)
class Activity:
    """What a probe saw since the last reset, until the last expected output word had come.

    words: handshakes. first, last: cycles of the first and the last one, -1 without any.
    blocked, starved: cycles in which only TVALID or only TREADY was high.
    peak: most words that were ever between this stream and the one that drains it.
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
    """What one design did. Cycles and words are those after the last reset, unless said otherwise.

    outputs: per output stream uint8 (words, ceil(width / 8)), the words that came, at most
        n_outputs.
    cycles: from cycle 0 up to and including the last expected output handshake; 0 if none came.
    output_cycle, input_cycle: per stream int64 (words,), the cycle of every handshake.
    before_reset: per mid-run reset the words that came before it, at most n_outputs.
    extra: per output stream the number of words beyond n_outputs.
    status: "complete", "deadlock" or "out of cycles".
    stuck: unless complete, the streams that wait: inputs whose TVALID sees no TREADY, outputs
        with words missing.
    violations: the first 16 violations of the stream rules; n_violations counts all.
    activity: what each probe saw.
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
