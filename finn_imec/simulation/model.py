"""A compiled model: loads it, lays out the stimulus for its harness, reads the results."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from finn_imec.simulation.stimulus import Activity, Result, SimulationError, Stall, Stimulus, Violation
from finn_imec.streams.design import Design
from finn_imec.streams.words import as_words, round_up_to_bytes

_CHUNK = 1 << 16  # clock cycles between two chances to interrupt or report progress
_LAST_CYCLE = 2**64 - 1
_MAX_VIOLATIONS = 16


class _StreamRun(ctypes.Structure):
    _fields_ = [
        ("words", ctypes.c_void_p),
        ("cycles", ctypes.c_void_p),
        ("moved", ctypes.c_void_p),
        ("n_words", ctypes.c_uint64),
        ("restart", ctypes.c_uint64),
        ("stall_kind", ctypes.c_uint64),
        ("stall_a", ctypes.c_uint64),
        ("stall_b", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
        ("extra", ctypes.c_uint64),
        ("stuck", ctypes.c_uint64),
    ]


class _ProbeRun(ctypes.Structure):
    _fields_ = [
        ("drained_by", ctypes.c_int64),
        ("words", ctypes.c_uint64),
        ("first", ctypes.c_int64),
        ("last", ctypes.c_int64),
        ("blocked", ctypes.c_uint64),
        ("starved", ctypes.c_uint64),
        ("peak", ctypes.c_uint64),
        ("valid", ctypes.c_uint64),
        ("ready", ctypes.c_uint64),
    ]


class _Violation(ctypes.Structure):
    _fields_ = [
        ("output", ctypes.c_uint64),
        ("rule", ctypes.c_uint64),
        ("segment", ctypes.c_uint64),
        ("cycle", ctypes.c_int64),
    ]


class _DesignRun(ctypes.Structure):
    _fields_ = [
        ("inputs", ctypes.POINTER(_StreamRun)),
        ("outputs", ctypes.POINTER(_StreamRun)),
        ("probes", ctypes.POINTER(_ProbeRun)),
        ("reset_at", ctypes.POINTER(ctypes.c_int64)),
        ("n_resets", ctypes.c_uint64),
        ("reset_cycles", ctypes.c_int64),
        ("timeout", ctypes.c_uint64),
        ("drain", ctypes.c_uint64),
        ("max_cycles", ctypes.c_int64),
        ("violations", ctypes.POINTER(_Violation)),
        ("max_violations", ctypes.c_uint64),
        ("n_violations", ctypes.c_uint64),
        ("status", ctypes.c_uint64),
    ]


_RULES = (
    "TVALID is high during reset or in the first cycle after",
    "TVALID went low before TREADY",
    "TDATA changed while TVALID waited for TREADY",
)
_STATUS = ("running", "complete", "deadlock", "out of cycles")


class _StreamIo:
    """The buffers of one stream in one run; `run` is the harness's view of them."""

    def __init__(self, run: _StreamRun, name: str, words: np.ndarray, n_words: int, segments: int) -> None:
        self.run = run
        self.name = name
        self.words = words
        self.first = run.restart if segments > 1 else 0
        self.cycles = np.zeros((segments, n_words), np.int64)
        self.moved = np.zeros(segments, np.uint64)
        run.words = words.ctypes.data
        run.cycles = self.cycles.ctypes.data
        run.moved = self.moved.ctypes.data
        run.n_words = n_words

    def stall(self, stall: Stall, index: int) -> None:
        self.run.stall_kind, self.run.stall_a, self.run.stall_b = stall.kind, stall.a, stall.b
        self.run.seed = stall.seed * 1_000_003 + index  # streams of one seed stall independently

    def handshakes(self) -> np.ndarray:
        return self.cycles[-1, : int(self.moved[-1])].copy()

    def captured(self, segment: int) -> np.ndarray:
        return self.words[segment, : int(self.moved[segment])].copy()


class _DesignIo:
    """One design's stimulus, checked and laid out for the harness in `run`, and its result."""

    def __init__(self, design: Design, stimulus: Stimulus, run: _DesignRun) -> None:
        _check_stimulus(design, stimulus)
        self.design = design
        self.run = run
        self.allow_extra = stimulus.allow_extra
        self.segments = segments = 1 + len(stimulus.reset_at)
        inputs = (_StreamRun * len(design.inputs))()
        self.inputs = []
        for stream, fields in zip(design.inputs, inputs, strict=True):
            words = as_words(stream.name, stream.width, stimulus.inputs[stream.name])
            restart = stimulus.restart.get(stream.name, 0)
            if not 0 <= restart <= len(words):
                raise ValueError(f"restart of {stream.name}: {restart}; expected 0 .. {len(words)}")
            fields.restart = restart
            self.inputs.append(_StreamIo(fields, stream.name, words, len(words), segments))
        outputs = (_StreamRun * len(design.outputs))()
        self.outputs = []
        for stream, fields in zip(design.outputs, outputs, strict=True):
            n_words = stimulus.n_outputs[stream.name]
            words = np.zeros((segments, n_words, round_up_to_bytes(stream.width) // 8), np.uint8)
            self.outputs.append(_StreamIo(fields, stream.name, words, n_words, segments))
        for side, stalls in (
            (self.inputs, stimulus.input_stall),
            (self.outputs, stimulus.output_stall),
        ):
            for i, io in enumerate(side):
                stall = stalls if isinstance(stalls, Stall) else stalls.get(io.name, Stall())
                io.stall(stall, 2 * i + (side is self.outputs))

        numbers = {probe.name: i for i, probe in enumerate(design.probes)}
        self.probes = (_ProbeRun * len(numbers))()
        for probe, fields in zip(design.probes, self.probes, strict=True):
            fields.drained_by = -1 if probe.drained_by is None else numbers.get(probe.drained_by, -1)
        self.violations = (_Violation * _MAX_VIOLATIONS)()
        run.inputs, run.outputs, run.probes = inputs, outputs, self.probes
        run.reset_at = (ctypes.c_int64 * (segments - 1))(*stimulus.reset_at)
        run.n_resets = segments - 1
        run.reset_cycles = stimulus.reset_cycles
        run.timeout = stimulus.timeout
        run.drain = stimulus.drain
        run.max_cycles = stimulus.max_cycles or 0
        run.violations = self.violations
        run.max_violations = _MAX_VIOLATIONS

    def result(self) -> Result:
        output_cycle = {io.name: io.handshakes() for io in self.outputs}
        n_violations = int(self.run.n_violations)
        return Result(
            outputs={io.name: io.captured(-1) for io in self.outputs},
            cycles=max((int(c[-1]) + 1 for c in output_cycle.values() if len(c)), default=0),
            output_cycle=output_cycle,
            input_cycle={io.name: io.handshakes() for io in self.inputs},
            before_reset=tuple(
                {io.name: io.captured(segment) for io in self.outputs} for segment in range(self.segments - 1)
            ),
            extra={io.name: int(io.run.extra) for io in self.outputs},
            status=_STATUS[self.run.status],
            stuck=tuple(io.name for io in self.inputs + self.outputs if io.run.stuck),
            violations=tuple(
                Violation(self.outputs[v.output].name, v.cycle, v.segment, _RULES[v.rule])
                for v in self.violations[: min(n_violations, _MAX_VIOLATIONS)]
            ),
            n_violations=n_violations,
            activity={
                probe.name: Activity(
                    *(seen.words, seen.first, seen.last, seen.blocked, seen.starved, seen.peak),
                    *(bool(seen.valid), bool(seen.ready)),
                )
                for probe, seen in zip(self.design.probes, self.probes, strict=True)
            },
        )

    def problems(self, result: Result) -> list[str]:
        found = [
            f"{v.port}, cycle {v.cycle}{f' after reset {v.segment}' if v.segment else ''}: {v.rule}"
            for v in result.violations
        ]
        if result.status != "complete":
            moved = ", ".join(
                f"{io.name} {io.moved[-1]} of {io.run.n_words - io.first} words"
                for io in self.inputs + self.outputs
            )
            found.append(f"{result.status}: stuck on {', '.join(result.stuck)} ({moved})")
        if not self.allow_extra:
            found += [f"{name}: {n} words too many" for name, n in result.extra.items() if n]
        return found


def _check_stimulus(design: Design, stimulus: Stimulus) -> None:
    """Raise ValueError for an invalid stimulus; the words themselves are checked elsewhere."""
    inputs = {stream.name for stream in design.inputs}
    outputs = {stream.name for stream in design.outputs}
    for what, given, streams, partial in (
        ("inputs", stimulus.inputs, inputs, False),
        ("n_outputs", stimulus.n_outputs, outputs, False),
        ("restart", stimulus.restart, inputs, True),
        ("input_stall", stimulus.input_stall, inputs, True),
        ("output_stall", stimulus.output_stall, outputs, True),
    ):
        if isinstance(given, Stall):
            continue
        if not (set(given) <= streams if partial else set(given) == streams):
            raise ValueError(f"{what} of {design.top}: streams {sorted(given)}; expected {sorted(streams)}")
    given = stimulus.input_stall
    if Stall.after_valid() in ([given] if isinstance(given, Stall) else given.values()):
        raise ValueError(f"input_stall of {design.top}: after_valid is for outputs only")
    if stimulus.reset_cycles < 2:
        raise ValueError(f"reset_cycles: {stimulus.reset_cycles}; expected at least 2")
    if any(cycle < 0 for cycle in stimulus.reset_at):
        raise ValueError(f"reset_at: {tuple(stimulus.reset_at)}; expected cycles from 0 on")
    for name in ("timeout", "drain", "max_cycles"):
        value = getattr(stimulus, name)
        if value is not None and value < 1:
            raise ValueError(f"{name}: {value}; expected at least 1")
    if any(n < 0 for n in stimulus.n_outputs.values()):
        raise ValueError(f"n_outputs: {dict(stimulus.n_outputs)}; expected 0 or more words")


class Model:
    """Compiled designs. Every run starts from power-up, so runs are independent.

    path: the shared library; log: Verilator's output; cached: whether the model was in the cache; trace:
    format of the waveforms that runs can write, "" for none; kilocycles_per_second: speed of the last run, in
    clock cycles of the whole model.
    """

    def __init__(self, path: Path, log: Path, designs: Sequence[Design], cached: bool, trace: str) -> None:
        self.path = path
        self.log = log
        self.designs = tuple(designs)
        self.cached = cached
        self.trace = trace
        self.kilocycles_per_second = 0.0
        lib = ctypes.CDLL(str(path))
        lib.sim_open.restype = ctypes.c_void_p
        lib.sim_open.argtypes = [
            ctypes.POINTER(_DesignRun),
            ctypes.c_uint64,
            ctypes.c_char_p,
            ctypes.c_uint64,
            ctypes.c_uint64,
            ctypes.c_char_p,
            ctypes.c_uint64,
        ]
        lib.sim_advance.argtypes = [
            ctypes.c_void_p,
            ctypes.c_uint64,
            ctypes.c_char_p,
            ctypes.c_uint64,
        ]
        lib.sim_cycles.restype = ctypes.c_uint64
        lib.sim_cycles.argtypes = [ctypes.c_void_p]
        lib.sim_close.argtypes = [ctypes.c_void_p]
        self._lib = lib

    @property
    def warnings(self) -> tuple[str, ...]:
        """Verilator's warnings about the designs, one line each."""
        return tuple(line for line in self.log.read_text().splitlines() if line.startswith("%Warning"))

    def run(
        self,
        stimuli: Sequence[Stimulus],
        *,
        check: bool = True,
        seed: int = 1,
        waves: Path | None = None,
        waves_cycles: tuple[int, int] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Result]:
        """Run all designs together, each on its stimulus, until each has finished.

        seed: for the random initial state of registers and memories without initial value.
        waves: file for the waveforms; needs a model built with trace="vcd" or "fst".
        waves_cycles: (first, end), cycles of the first design, `end` excluded, whose changes are in
            the file, after the state before them; default: all, the reset included.
        progress: called at intervals with the number of clock cycles done.
        Raises SimulationError if a design breaks a rule, deadlocks, runs out of cycles or
        returns more words than expected, unless check is False; always if a design stops the
        simulation ($finish, $error, a failing assertion, a data file that cannot be read).
        """
        if len(stimuli) != len(self.designs):
            raise ValueError(f"stimuli: {len(stimuli)}; expected {len(self.designs)}, one a design")
        if waves is not None and not self.trace:
            raise ValueError('waves: this model has none; build it with trace="vcd" or "fst"')
        runs = (_DesignRun * len(self.designs))()
        ios = [_DesignIo(*each) for each in zip(self.designs, stimuli, runs, strict=True)]
        window = (0, _LAST_CYCLE)
        if waves_cycles is not None:
            before = stimuli[0].reset_cycles + 1
            first, beyond = waves_cycles
            window = before + first, before + beyond
        self._simulate(runs, seed, waves, window, progress)
        results = [io.result() for io in ios]
        if check:
            problems = [
                f"{io.design.top} (design {i}): {problem}"
                for i, (io, result) in enumerate(zip(ios, results, strict=True))
                for problem in io.problems(result)
            ]
            if problems:
                raise SimulationError("\n".join(problems))
        return results

    def _simulate(
        self,
        runs: ctypes.Array[_DesignRun],
        seed: int,
        waves: Path | None,
        window: tuple[int, int],
        progress: Callable[[int], None] | None,
    ) -> None:
        error = ctypes.create_string_buffer(4096)
        name = None if waves is None else os.fsencode(waves)
        started = time.perf_counter()
        sim = self._lib.sim_open(runs, seed, name, *window, error, len(error))
        if not sim:
            raise SimulationError(error.value.decode(errors="replace"))
        try:
            while True:
                done = self._lib.sim_advance(sim, _CHUNK, error, len(error))
                cycles = self._lib.sim_cycles(sim)
                if done < 0:
                    raise SimulationError(
                        f"stopped in clock cycle {cycles}: {error.value.decode(errors='replace')}"
                    )
                if progress:
                    progress(cycles)
                if done:
                    break
        finally:
            self._lib.sim_close(sim)
        self.kilocycles_per_second = cycles / 1000 / (time.perf_counter() - started)
