"""Random verification of the RTL: geometry x folding x datatype x memory mode x stalls x resets.

Many parameter sets are compiled into one Verilator model and run together. Each case is checked bit-exactly
against plain numpy convolution (`algorithms.direct`), and its unstalled cycle count against the cycle model.
A failing case is reduced to a simpler one that still fails.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import numpy as np

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.datapath import weight_words
from finn_imec.layer.units import storage
from finn_imec.rtl.generate import ImecRtl
from finn_imec.simulation.model import Model
from finn_imec.simulation.stimulus import Result, SimulationError, Stall, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.words import decode, encode
from finn_imec.util.errors import ImecError
from finn_imec.util.workers import each
from finn_imec.verification.cases import Case

FRAMES = 3
#: Stall patterns that run_cases applies to each side.
STALLS = ("none", "random", "3-of-4", "long stall")
#: Reads of a frame's first window after which FINN's memstream has certainly started.
MEMSTREAM_START = 8


class VerificationError(ImecError, AssertionError):
    """The RTL output or cycle count of a `case` is wrong; names the case and how to reproduce it."""

    def __init__(self, what: str, kind: str, case: Case):
        super().__init__(f"{kind}: {what}\n{case}\n{case.command}")
        self.what, self.kind, self.case = what, kind, case

    def __reduce__(self) -> tuple[type[VerificationError], tuple[str, str, Case]]:
        """Pickled, from a worker process, as it was made."""
        return type(self), (self.what, self.kind, self.case)


def stall(name: str, seed: int, words: int) -> Stall:
    """The stall pattern with this name for a stream of `words` words."""
    return {
        "none": Stall.none(),
        "random": Stall.random(0.5, seed),
        "3-of-4": Stall.duty(3, 4),
        "long stall": Stall.pause(words // 2, 300),
    }[name]


def build_cases(cases: Sequence[Case], folder: Path) -> Model:
    """Generate all cases into `folder` and compile them into one model."""
    return build(
        [
            ImecRtl(f"case_{i}", case.datapath, mem_mode=case.mem_mode).generate(folder)
            for i, case in enumerate(cases)
        ],
        optimized=False,  # small layers
    )


def run_cases(model: Model, cases: Sequence[Case]) -> int:
    """Run each case unstalled, under every stall pattern and rate, and with resets; return the run count.

    The stimulus depends on the case alone. Raises VerificationError for the first failing case.
    """
    expected, words, rngs = [], [], []
    for case in cases:
        g, d = case.geometry, case.datapath
        rng = np.random.default_rng((*case.parameters.seed, 1))
        ifm = random_values(d.input_datatype, (FRAMES, *g.input_dim, g.ifm_channels), rng)
        expected.append(reference(d, ifm).reshape(-1, g.pe))
        words.append({"in0_V": encode(ifm, d.input_datatype, g.simd_in)})
        if case.mem_mode == "external":
            words[-1]["in1_V"] = weight_words(g, d.core.weight, d.weights) * (FRAMES * g.windows)
        rngs.append(rng)

    runs = 0
    for kind, stimulus in _stimuli():
        stimuli = [
            replace(stimulus(c, w, len(e), rng), allow_extra=Arrivals(c.geometry).runs_ahead)
            for c, w, e, rng in zip(cases, words, expected, rngs, strict=True)
        ]
        try:
            results = model.run(stimuli)
        except SimulationError as err:
            culprit = next((c for i, c in enumerate(cases) if f"case_{i} " in str(err)), cases[0])
            raise VerificationError(str(err), kind, culprit) from err
        for case, result, want in zip(cases, results, expected, strict=True):
            _check(case, kind, result, want)
        runs += len(cases)
    return runs


def _stimuli() -> Iterable[tuple[str, Callable]]:
    """(name, function (case, input words, output count, generator) -> Stimulus) of each kind of run."""

    def plain(side_in: str, side_out: str) -> Callable:
        def make(case: Case, words: dict, n_out: int, rng: np.random.Generator) -> Stimulus:
            seeds = [int(seed) for seed in rng.integers(2**31, size=1 + len(words))]
            stalls = {
                name: stall(side_in, seed, len(of))
                for (name, of), seed in zip(words.items(), seeds[1:], strict=True)
            }
            return Stimulus(words, {"out0_V": n_out}, stalls, stall(side_out, seeds[0], n_out))

        return make

    def rate(slower: int) -> Callable:
        """Input words at the window rate, or one cycle faster or slower per word."""

        def make(case: Case, words: dict, n_out: int, rng: np.random.Generator) -> Stimulus:
            interval = case.geometry.compute_cycles * FRAMES // len(words["in0_V"])
            stalls = dict.fromkeys(words, Stall.none())
            stalls["in0_V"] = Stall.every(max(1, interval + slower))
            return Stimulus(words, {"out0_V": n_out}, stalls)

        return make

    def reset(case: Case, words: dict, n_out: int, rng: np.random.Generator) -> Stimulus:
        cycles = [int(v) for v in rng.integers(1, case.datapath.total_cycles(2), 2)]
        return Stimulus(words, {"out0_V": n_out}, reset_at=cycles)

    def waiting(case: Case, words: dict, n_out: int, rng: np.random.Generator) -> Stimulus:
        return Stimulus(words, {"out0_V": n_out}, output_stall=Stall.after_valid())

    yield "none/none", plain("none", "none")
    for side_in in STALLS:
        for side_out in STALLS:
            if (side_in, side_out) != ("none", "none"):
                yield f"{side_in}/{side_out}", plain(side_in, side_out)
    for slower, name in ((-1, "faster than"), (0, "at"), (1, "slower than")):
        yield f"input {name} the window rate", rate(slower)
    yield "reset mid-frame", reset
    yield "ready after valid", waiting


def _check(case: Case, kind: str, result: Result, want: np.ndarray) -> None:
    got = decode(result.outputs["out0_V"], case.datapath.output_datatype, case.geometry.pe)
    if got.shape != want.shape or (got != want).any():
        bad = np.argwhere((got != want).any(axis=1)).ravel() if got.shape == want.shape else [-1]
        what = f"{len(bad)} of {len(want)} output words differ, first {bad[0]}"
        raise VerificationError(what, kind, case)
    filled = case.geometry.live_words if storage(case.geometry).words else 0  # words before the first read
    starts_late = case.mem_mode == "internal_decoupled" and filled <= MEMSTREAM_START
    # A first window of padding alone waits for the first streamed weights, which the model does not know.
    unknown = case.mem_mode == "external" and Arrivals(case.geometry).runs_ahead
    if kind == "none/none" and not unknown:
        rtl = ImecRtl("imec", case.datapath, mem_mode=case.mem_mode)
        model = rtl.structure.total_cycles(FRAMES)
        if not 0 <= result.cycles - model <= MEMSTREAM_START * starts_late:
            raise VerificationError(f"{result.cycles} cycles, the model says {model}", kind, case)


def verify(
    cases: Sequence[Case],
    batch: int = 50,
    progress: Callable[[int], None] | None = None,
    executor: Executor | None = None,
) -> int:
    """Verify the cases, `batch` per Verilator model; return the run count.

    executor: runs the models, see `finn_imec.util.workers`; None: here, one by one. Raises VerificationError
    for a failing case, without one the first.
    """
    batches = [cases[start : start + batch] for start in range(0, len(cases), batch)]

    def finished(index: int, runs: int) -> None:
        if progress:
            progress(len(batches[index]))

    return sum(each(_build_and_run, batches, executor, finished))


def _build_and_run(cases: Sequence[Case]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return run_cases(build_cases(cases, Path(folder)), cases)


def reduce(failure: VerificationError) -> VerificationError:
    """The failure of the simplest case reached: none of its own simplifications fails."""
    while True:
        simpler = [Case(parameters) for parameters in failure.case.parameters.simpler()]
        try:
            _build_and_run(simpler)
        except VerificationError as smaller:
            failure = smaller
        else:
            return failure
