"""Random verification of the RTL: geometry x folding x datatype x stalls x resets.

Many parameter sets are compiled into one Verilator model and run together. Each case is checked
bit-exact against plain numpy convolution (`algorithms.direct`), and its unstalled cycle count
against ConvGeometry.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.algorithms import direct
from finn_imec.datapath import RES_TYPES, Datapath, smallest_datatype
from finn_imec.errors import ImecError
from finn_imec.geometry import ConvGeometry, divisors
from finn_imec.rtl import ImecRtl, decode, encode
from finn_imec.simulation.verilator import Model, Result, SimulationError, Stall, Stimulus, build

FRAMES = 3
ACTIVATIONS = ("BIPOLAR", "BINARY", "TERNARY", *(f"{s}INT{b}" for s in ("", "U") for b in range(2, 9)))
WEIGHTS = ("BIPOLAR", "BINARY", "TERNARY", *(f"INT{b}" for b in range(2, 9)), "UINT2", "UINT4")
#: Names of the stall patterns that run_cases applies to each side.
STALLS = ("none", "random", "3-of-4", "long stall")


@dataclass(frozen=True, eq=False)
class Case:
    """One convolution to verify; `number` and `seed` reproduce it."""

    seed: int
    number: int
    datapath: Datapath

    @property
    def geometry(self) -> ConvGeometry:
        return self.datapath.geometry

    def __str__(self) -> str:
        d, g = self.datapath, self.geometry
        activation = f"{d.steps} thresholds" if d.steps else "no activation"
        return (
            f"{d.input_datatype.name} x {d.weight_datatype.name}{' xnor' if d.xnor else ''} -> "
            f"{d.output_datatype.name}, {activation}, {g}"
        )

    @property
    def command(self) -> str:
        """Command line that runs this case alone."""
        return f"finn-imec verify --seed {self.seed} --case {self.number}"


class VerificationError(ImecError, AssertionError):
    """A case whose RTL output or cycle count is wrong; says which and how to reproduce it."""


def random_values(datatype: BaseDataType, shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Integers that the datatype allows, its extremes included. int64."""
    if datatype == DataType["BIPOLAR"]:
        return rng.integers(0, 2, shape) * 2 - 1
    return rng.integers(int(datatype.min()), int(datatype.max()) + 1, shape)


def random_case(seed: int, number: int) -> Case:
    """The case with this number of the campaign with this seed."""
    rng = np.random.default_rng([seed, number])

    def pick(values: Sequence) -> object:
        return values[int(rng.integers(len(values)))]

    while True:
        kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        dilation = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        stride = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        if rng.random() < 0.4:
            stride = (1, 1)
        if rng.random() < 0.6:
            dilation = (1, 1)
        ifm_dim = (int(rng.integers(1, 10)), int(rng.integers(1, 10)))
        channels, outputs = pick((1, 2, 3, 4, 6, 8, 12)), pick((1, 2, 3, 4, 6, 8, 10))
        if any((k - 1) * d + 1 > i for k, d, i in zip(kernel, dilation, ifm_dim, strict=True)):
            continue
        depthwise = bool(rng.random() < 0.2)
        if depthwise:
            outputs = channels
        geometry = ConvGeometry(
            kernel, ifm_dim, channels, outputs, stride, dilation,
            simd=1 if depthwise else pick(divisors(channels)), pe=pick(divisors(outputs)),
            simd_in=0 if rng.random() < 0.6 else pick(divisors(channels)),
            strip_ports=pick((0, 0, 1, 2)), depthwise=depthwise,
        )  # fmt: skip
        if geometry.compute_cycles < 4000:
            break
    xnor = bool(rng.random() < 0.15)
    idt = DataType["BINARY" if xnor else pick(ACTIVATIONS)]
    wdt = DataType["BINARY" if xnor else pick(WEIGHTS)]
    weights = random_values(wdt, (geometry.mw, geometry.mh), rng)
    wide = Datapath(geometry, idt, wdt, DataType["INT32"], weights, xnor=xnor)
    low, high = wide.accumulator_range
    low, high = int(low.min()), int(high.max())
    if rng.random() < 0.5:
        odt = smallest_datatype(low, high)
        datapath = Datapath(geometry, idt, wdt, odt, weights, xnor=xnor, res_type=pick(RES_TYPES))
        return Case(seed, number, datapath)
    bits = pick((1, 2, 3, 4, 5, 6, 7, 8))
    steps = 2**bits - 1 - (int(rng.integers(2 ** (bits - 1))) if rng.random() < 0.2 else 0)
    rows = 1 if rng.random() < 0.2 else geometry.mh
    thresholds = rng.integers(low - 2, high + 3, (rows, steps))
    if rng.random() < 0.7:  # close together where most accumulators are
        middle = (low + high) // 2
        thresholds = middle + (thresholds - middle) // isqrt(geometry.mw)
    thresholds = np.sort(thresholds, axis=1)
    act_val, name = 0, "BINARY" if bits == 1 else f"UINT{bits}"
    if bits == 1 and rng.random() < 0.5:
        name = "BIPOLAR"
    elif bits > 1 and rng.random() < 0.5:
        act_val, name = -(2 ** (bits - 1)), f"INT{bits}"
    datapath = Datapath(
        geometry, idt, wdt, DataType[name], weights, thresholds, act_val, xnor, res_type=pick(RES_TYPES)
    )
    return Case(seed, number, datapath)


def reference(datapath: Datapath, ifm: np.ndarray) -> np.ndarray:
    """Expected output (N, OH, OW, M) for an input (N, H, W, C), by plain convolution."""
    g, weights = datapath.geometry, datapath.weights
    if datapath.xnor:  # BINARY stands for -1/+1
        ifm, weights = 2 * ifm - 1, 2 * weights - 1
    accumulators = direct.convolve(ifm, weights, g).ofm
    if datapath.counts_equal_bits:  # of MW products of -1 and +1
        accumulators = (accumulators + g.mw) // 2
    return datapath.activate(accumulators)


def stall(name: str, seed: int, words: int) -> Stall:
    """The stall pattern of that name for a stream of `words` words."""
    return {
        "none": Stall.none(),
        "random": Stall.random(0.5, seed),
        "3-of-4": Stall.duty(3, 4),
        "long stall": Stall.pause(words // 2, 300),
    }[name]


def build_cases(cases: Sequence[Case], folder: Path) -> Model:
    """Generate all cases into `folder` and compile them into one model."""
    return build([ImecRtl(f"case_{c.number}", c.datapath).generate(folder) for c in cases])


def run_cases(model: Model, cases: Sequence[Case], seed: int = 0) -> int:
    """Run each case unstalled, under every stall pattern, rate and with resets; return the runs.

    Raises VerificationError for the first case that fails, naming it and its command.
    """
    rng = np.random.default_rng(seed)
    ifms, expected, words = [], [], []
    for case in cases:
        g, d = case.geometry, case.datapath
        ifm = random_values(d.input_datatype, (FRAMES, *g.ifm_dim, g.ifm_channels), rng)
        ifms.append(ifm)
        expected.append(reference(d, ifm).reshape(-1, g.pe))
        words.append(encode(ifm, d.input_datatype, g.simd_in))

    runs = 0
    for kind, stimulus in _stimuli(rng):
        stimuli = [stimulus(c, w, len(e)) for c, w, e in zip(cases, words, expected, strict=True)]
        try:
            results = model.run(stimuli)
        except SimulationError as err:
            culprit = next((c for c in cases if f"case_{c.number} " in str(err)), cases[0])
            raise VerificationError(f"{kind}: {err}\n{culprit}\n{culprit.command}") from err
        for case, result, want in zip(cases, results, expected, strict=True):
            _check(case, kind, result, want)
        runs += len(cases)
    return runs


def _stimuli(rng: np.random.Generator) -> Iterable[tuple[str, Callable]]:
    """(name, function of case, input words and output count -> Stimulus) for each kind of run."""

    def plain(side_in: str, side_out: str) -> Callable:
        def make(case: Case, words: np.ndarray, n_out: int) -> Stimulus:
            seed = int(rng.integers(2**31))
            return Stimulus(
                {"in0_V": words},
                {"out0_V": n_out},
                stall(side_in, seed, len(words)),
                stall(side_out, seed + 1, n_out),
            )

        return make

    def rate(slower: int) -> Callable:
        """Input words at the window rate, or one cycle faster or slower per word."""

        def make(case: Case, words: np.ndarray, n_out: int) -> Stimulus:
            g = case.geometry
            interval = g.compute_cycles * g.simd_in // (g.ifm_dim[0] * g.ifm_dim[1] * g.ifm_channels)
            return Stimulus({"in0_V": words}, {"out0_V": n_out}, Stall.every(max(1, interval + slower)))

        return make

    def reset(case: Case, words: np.ndarray, n_out: int) -> Stimulus:
        cycles = [int(v) for v in rng.integers(1, case.datapath.total_cycles(2), 2)]
        return Stimulus({"in0_V": words}, {"out0_V": n_out}, reset_at=cycles)

    def waiting(case: Case, words: np.ndarray, n_out: int) -> Stimulus:
        return Stimulus({"in0_V": words}, {"out0_V": n_out}, output_stall=Stall.after_valid())

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
    where = f"{kind}: {case}\n{case.command}"
    if got.shape != want.shape or (got != want).any():
        bad = np.argwhere((got != want).any(axis=1)).ravel() if got.shape == want.shape else [-1]
        raise VerificationError(f"{len(bad)} of {len(want)} output words differ, first {bad[0]}; {where}")
    if kind == "none/none":
        model = case.datapath.total_cycles(FRAMES)
        if result.cycles != model:
            raise VerificationError(f"{result.cycles} cycles, the model says {model}; {where}")


def verify(
    numbers: Sequence[int], seed: int, batch: int = 50, progress: Callable[[int], None] | None = None
) -> int:
    """Verify the cases with these numbers, `batch` per Verilator model; return the runs made."""
    runs = 0
    for start in range(0, len(numbers), batch):
        cases = [random_case(seed, n) for n in numbers[start : start + batch]]
        with tempfile.TemporaryDirectory() as folder:
            runs += run_cases(build_cases(cases, Path(folder)), cases, seed)
        if progress:
            progress(len(cases))
    return runs
