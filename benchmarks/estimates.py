"""Estimates against Yosys: measures random layers, fits the coefficients of both sides' estimates to them.

    python benchmarks/estimates.py measure [--points 330] [--timeout-s 240]    hours; resumes
    python benchmarks/estimates.py pairs [--points 90] [--timeout-s 120]       an hour; resumes
    python benchmarks/estimates.py ultrascale [--points 20] [--timeout-s 120]  a quarter of it; resumes
                     all: [--jobs N] or, on a dask scheduler's workers, [--cluster ADDRESS]
    python benchmarks/estimates.py fit

`measure` adds to benchmarks/results/estimates.jsonl, a line for each layer: how it is made, and Yosys'
counts (flow "alu") unless that took longer than --timeout-s. `pairs` does the same for FINN's pair and
IMECConv of smaller layers, as `finn-imec compare` builds them, into pairs.jsonl; `ultrascale` counts every
fourth of them for UltraScale+, into pairs-ultrascale.jsonl, to which nothing is fitted. `fit` prints the
non-negative coefficients of least relative error, in the form of finn_imec/layer/estimate.py and
pair_estimate.py, and the errors on held-out layers: each fifth is estimated with coefficients fitted to the
other four. A layer that stands in several tables is left out of all at once. IMECConv is fitted to both files
and the tables for 5 ns, FINN's pair to pairs.jsonl and the tables; to what was counted, with its registers.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, replace
from functools import partial
from itertools import count as count_up
from itertools import islice
from math import gcd
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from finn_imec.compat.finn import FPGA_PART, dsp_block
from finn_imec.layer.core import RES_TYPES
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.memories import AUTO_ROM_WORDS
from finn_imec.layer.pair_estimate import PairEstimate
from finn_imec.layer.structure import MAX_PIPELINE, Structure
from finn_imec.layer.units import storage
from finn_imec.rtl.generate import ImecRtl
from finn_imec.synthesis import ultrascale
from finn_imec.synthesis.comparison import Layer, generate_both
from finn_imec.synthesis.comparison import random_layer as random_layer_to_compare
from finn_imec.synthesis.layer_sets import named_layers
from finn_imec.synthesis.rows import PARTS
from finn_imec.synthesis.stamp import code_digest
from finn_imec.synthesis.yosys import SynthesisError, count
from finn_imec.util.errors import GeometryError
from finn_imec.util.workers import each, workers
from finn_imec.verification.cases import Parameters

RESULTS = Path(__file__).parent / "results" / "estimates.jsonl"
PAIRS = RESULTS.with_name("pairs.jsonl")
ULTRASCALE = RESULTS.with_name("pairs-ultrascale.jsonl")
ULTRASCALE_PART = "xczu7ev-ffvc1156-2-e"
COUNTS = ("lut", "ff", "bram18", "dsp")
#: Of both sides of a line of PAIRS, and of their parts.
PAIR_COUNTS = (*COUNTS, "lutram", "srl")
#: Limits, above which Yosys takes minutes: bits of products per cycle, bits of thresholds compared per cycle,
#: bits of ROMs in LUTs if requested and if chosen by "auto", thresholds searched.
MOST_PRODUCTS, MOST_THRESHOLDS, MOST_LUT_ROM, MOST_AUTO_ROM = 1500, 2500, 2**14, 2**15
MOST_SEARCHED = 2**13
#: What Yosys 0.70 says of some single-port LUT RAMs on UltraScale+, which it chooses but cannot map.
UNMAPPED = "invalid OPTION_ABITS/WIDTH"
#: The same of pairs, of which many are measured: bits of products per cycle, and of weights or buffer.
MOST_PAIR_PRODUCTS, MOST_PAIR_WEIGHTS = 400, 2**14
FIFTHS = 5
#: Weight of a coefficient's distance from 1, relative to relative errors. Most of IMECConv's stand for bits
#: of registers or LUTs that the RTL has, FINN's also for whole units.
PRIOR, PAIR_PRIOR = 0.05, 0.002
#: Relative error above which a layer counts as an outlier.
OUTLIER = 0.05

app = typer.Typer(help=__doc__)


def random_layer(number: int) -> tuple[Parameters, str]:
    """Layer `number` of the sample, and its ram_style."""
    rng = np.random.default_rng([2026, number])

    def pick(*values: object) -> object:
        return values[int(rng.integers(len(values)))]

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    while True:
        k = pick(1, 3, 3, 3, 5)
        size, channels = pick(6, 8, 14, 16, 28, 32), pick(3, 8, 16, 24, 32, 64)
        outputs = pick(8, 16, 32, 64)
        depthwise = chance(0.1)
        outputs = channels if depthwise else outputs
        a, w = pick(1, 2, 2, 3, 4, 4, 6, 8), pick(1, 2, 2, 3, 4, 4, 6, 8)
        padded = a > 1 and chance(0.25)
        simd = 1 if depthwise else pick(*divisors(channels))
        if not depthwise and k > 1 and chance(0.12):
            simd = channels * pick(*divisors(k * k)[1:])
        try:
            geometry = ConvGeometry(
                (k, k), (size, size), channels, outputs, pick((1, 1), (1, 1), (2, 2)),
                dilation=(2, 2) if chance(0.08) else (1, 1), simd=simd, pe=pick(*divisors(outputs)),
                simd_in=0 if chance(0.7) else gcd(channels, pick(1, 2, 4, 8)),
                depthwise=depthwise, padding=(k // 2,) * 4 if padded else (0,) * 4,
            )  # fmt: skip
        except GeometryError:
            continue
        if 8 <= geometry.pe * geometry.simd * a * w <= MOST_PRODUCTS:
            break
    steps = 0 if chance(0.4) else 2 ** pick(1, 2, 2, 3, 4, 4, 8) - 1
    search = steps > 1 and geometry.sf > steps.bit_length()
    if search and steps * outputs > MOST_SEARCHED:
        steps = 31
    if not search and steps * geometry.pe * (8 + a + w) > MOST_THRESHOLDS:
        steps = 0
    output = "BIPOLAR" if steps == 1 else f"UINT{steps.bit_length()}"
    weight_bits = geometry.weight_words * geometry.pe * geometry.simd * w
    rom = "block" if geometry.weight_words > 80 and weight_bits > MOST_AUTO_ROM else "auto"
    if chance(0.2):  # Yosys moves deeper ones to block RAM anyway
        small = geometry.weight_words <= AUTO_ROM_WORDS and weight_bits <= MOST_LUT_ROM
        rom = pick("block", "distributed" if small else "block")
    buffer = "auto"
    if chance(0.2):
        buffer = pick("block", "distributed" if storage(geometry).words <= 1024 else "block")
    parameters = Parameters(
        replace(geometry, buffer_style=buffer),
        "BIPOLAR" if a == 1 else pick("", "U") + f"INT{a}",
        "BIPOLAR" if w == 1 else f"INT{w}",
        output_datatype=output if steps else None,
        steps=steps,
        pipeline=pick(0, 0, *range(1, MAX_PIPELINE + 1)),
        res_type=pick(*RES_TYPES),
        mem_mode="external" if chance(0.1) else "internal_embedded",
        seed=(2026, number),
    )
    return parameters, rom


def random_pair(number: int) -> tuple[Layer, str]:
    """Small layer `number` of the sample of pairs, and the MAC core of both sides."""
    rng = np.random.default_rng([2027, number])

    def pick(*values: object) -> object:
        return values[int(rng.integers(len(values)))]

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    while True:
        kernel = pick((3, 3), (3, 3), (3, 3), (5, 5), (2, 2), (3, 1), (1, 1))
        size = pick((6, 6), (8, 8), (12, 12), (16, 16), (32, 32), (24, 10))
        channels, outputs = pick(2, 3, 4, 8, 16, 32, 64), pick(4, 8, 16, 32, 64)
        depthwise = chance(0.15)
        outputs = channels if depthwise else outputs
        a, w = pick(1, 2, 2, 3, 4, 4, 6, 8), pick(1, 2, 2, 3, 4, 4, 6, 8)
        padded = a > 1 and kernel in ((3, 3), (5, 5)) and chance(0.3)
        simd = 1 if depthwise else pick(*divisors(channels))
        if not depthwise and kernel != (1, 1) and channels <= 8 and chance(0.1):
            simd = channels * pick(*divisors(kernel[0] * kernel[1])[1:])
        try:
            geometry = ConvGeometry(
                kernel, size, channels, outputs, (2, 2) if kernel == (1, 1) else pick((1, 1), (1, 1), (2, 2)),
                dilation=(2, 2) if kernel == (3, 3) and chance(0.08) else (1, 1),
                simd=simd, pe=pick(*divisors(outputs)), depthwise=depthwise,
                simd_in=0 if depthwise or chance(0.7) else gcd(channels, pick(1, 2, 4, 8)),
                padding=(kernel[0] // 2,) * 4 if padded else (0,) * 4,
            )  # fmt: skip
        except GeometryError:
            continue
        weights = geometry.mw * geometry.mh * w
        if (
            8 <= geometry.pe * geometry.simd * a * w <= MOST_PAIR_PRODUCTS
            and weights <= MOST_PAIR_WEIGHTS
            and geometry.live_pixels * channels * a <= MOST_PAIR_WEIGHTS
        ):
            break
    steps = pick(0, 0, 1, 3, 7, 15)
    steps = 0 if steps * geometry.pe * (8 + a + w) > MOST_THRESHOLDS else steps
    dsp = not depthwise and min(a, w) > 1 and chance(0.4)
    types = "BIPOLAR" if a == 1 else pick("", "U") + f"INT{a}", "BIPOLAR" if w == 1 else f"INT{w}"
    layer = random_layer_to_compare(f"pair {number}", geometry, *types, seed=number)
    low, high = layer.datapath().accumulator_range
    steps = steps if (high - low > 2 * steps).all() else 0  # else some coincide
    return layer.with_random_thresholds(steps, number), "dsp" if dsp else "lut"


def measured_pair(number: int, timeout_s: int, part: str = FPGA_PART) -> dict:
    """Both sides of pair `number` as a line of PAIRS; without counts if Yosys takes too long or fails.

    part: of 7-series or UltraScale+, whose DSP slices the layers get and for which Yosys counts.
    """
    layer, core = random_pair(number)
    counter = count if part == FPGA_PART else ultrascale.count
    row = {
        "number": number,
        "geometry": {key: value for key, value in asdict(layer.geometry).items() if value},
        "input_datatype": layer.input_datatype.name,
        "weight_datatype": layer.weight_datatype.name,
        "steps": layer.steps,
        "core": core,
    }
    with tempfile.TemporaryDirectory() as folder:
        finn, imec = generate_both(layer, core, Path(folder), part=part)
        row |= {"acc_bits": layer.datapath().structure.acc_bits, "pipeline": imec.pipeline}
        try:
            for name, side in (("finn", finn), ("imec", imec)):
                options = {"parts": side.parts, "flows": ("alu",), "dsp": core == "dsp"}
                counted = counter(side.design, timeout_s=timeout_s, **options)
                row[name] = {key: counted[key] for key in PAIR_COUNTS}
                for part in PARTS:
                    if part in counted:
                        row[name][part] = {key: counted[part][key] for key in PAIR_COUNTS}
        except SynthesisError as err:
            if "did not finish" not in str(err) and UNMAPPED not in str(err):
                raise
            return {"number": number}
    return row | {"code": code_digest()}


def measured(number: int, timeout_s: int) -> dict:
    """Layer `number` as a line of RESULTS; without COUNTS if it takes too long."""
    parameters, ram_style = random_layer(number)
    path = parameters.datapath()
    rtl = ImecRtl("imecconv", path, ram_style, mem_mode=parameters.mem_mode)
    row = {"number": number, "parameters": json.loads(parameters.json())}
    row |= {} if ram_style == "auto" else {"ram_style": ram_style}
    with tempfile.TemporaryDirectory() as folder:
        design = rtl.generate(Path(folder))
        try:
            counted = count(design, flows=("alu",), dsp=path.core.kind == "dsp", timeout_s=timeout_s)
        except SynthesisError as err:
            if "did not finish" not in str(err):
                raise
            return row
    return row | {name: counted[name] for name in COUNTS} | {"code": code_digest()}


def load(path: Path = RESULTS) -> list[dict]:
    """The lines of RESULTS, also those without counts; empty without the file."""
    return list(map(json.loads, path.read_text().splitlines())) if path.is_file() else []


def estimate(row: dict) -> Estimate:
    """The estimate for the layer of a line."""
    parameters = Parameters.from_json(json.dumps(row["parameters"]))
    path = parameters.datapath()
    known = path.structure
    return Estimate(
        Structure.of_any_weights(
            path.geometry, path.core.activation, path.core.weight, known.acc_bits, known.output_bits,
            known.steps, path.runtime_weights, path.res_type, mem_mode=parameters.mem_mode,
            ram_style=row.get("ram_style", "auto"),
        )
    )  # fmt: skip


def measured_structure(row: dict) -> Structure:
    """What was measured for a line: with its pipelining, and the packing of its weights."""
    parameters = Parameters.from_json(json.dumps(row["parameters"]))
    known = parameters.datapath().structure
    return replace(known, mem_mode=parameters.mem_mode, ram_style=row.get("ram_style", "auto"))


def generator_word(geometry: ConvGeometry) -> int:
    """Channels per word of FINN's generator, as in baseline_rtl."""
    if geometry.parallel_window:
        return geometry.ifm_channels
    return geometry.pe if geometry.depthwise else geometry.simd_in


class Fit:
    """Non-negative coefficients of features with the least relative errors; layers along the first axis.

    fixed: what of the counts no feature stands for. groups: layers of the same one are left out together.
    prior: how much coefficients are pulled to 1, relative to relative errors.
    """

    def __init__(
        self,
        features: Sequence[Mapping[str, float]],
        counts: Sequence[int],
        fixed: Sequence[int],
        groups: Sequence[Hashable],
        prior: float,
    ) -> None:
        self.names = list(features[0])
        self.features = np.array([list(each.values()) for each in features], float)
        self.counts = np.array(counts, float)
        self.fixed = np.array(fixed, float)
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        self.groups = np.array([numbers[group] for group in groups])
        self.prior = prior

    def coefficients(self, layers: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Errors above OUTLIER count linearly, smaller ones squared.

        So effects of a layer's values, such as thresholds that are close together, do not distort the fit.
        """
        from scipy.optimize import least_squares

        counts, ones = self.counts[layers], np.ones(len(self.names))
        shares = np.vstack([self.features[layers] / counts[:, None], np.diag(self.prior * ones)])
        wanted = np.concatenate([1 - self.fixed[layers] / counts, self.prior * ones])
        return least_squares(
            lambda coefficients: shares @ coefficients - wanted, ones, lambda _: shares,
            bounds=(0, np.inf), loss="soft_l1", f_scale=OUTLIER,
        ).x  # fmt: skip

    def held_out_errors(self) -> np.ndarray:
        """Estimate / count - 1 of each layer, with coefficients of the FIFTHS that do not contain it."""
        part, errors = self.groups % FIFTHS, np.empty(len(self.counts))
        for left_out in range(FIFTHS):
            out = part == left_out
            estimates = self.fixed[out] + self.features[out] @ self.coefficients(~out)
            errors[out] = estimates / self.counts[out] - 1
        return errors

    def show(self, name: str, what: str) -> None:
        """Print the coefficients in the form of the package, and the errors."""
        sizes = np.abs(self.held_out_errors())
        print(f"{name}: Mapping[str, float] = {{")
        for feature, value in zip(self.names, self.coefficients(), strict=True):
            print(f'    "{feature}": {value:.3f},')
        print("}")
        print(f"# {what}, {len(sizes)} layers, a fifth of them left out at a time: {errors_text(sizes)}")


def errors_text(sizes: np.ndarray) -> str:
    """Mean, median, ninth decile and worst of relative errors."""
    ninety = np.quantile(sizes, 0.9)
    return (
        f"{sizes.mean():.1%} on average, {np.median(sizes):.1%} in the median, {ninety:.1%} or less in nine "
        f"of ten, {sizes.max():.1%} at worst"
    )


class Sample:
    """IMECConv: estimates for the lines that have counts, as a node's attributes give them and as built."""

    def __init__(self, rows: Sequence[dict]) -> None:
        self.rows = [row for row in rows if "lut" in row]
        self.estimates = [estimate(row) for row in self.rows]
        self.built = [Estimate(measured_structure(row)) for row in self.rows]

    def exact(self, block: str) -> float:
        """Share of layers whose estimate of "bram18" or "dsp" is the count."""
        pairs = zip(self.estimates, self.rows, strict=True)
        return float(np.mean([getattr(e, block) == row[block] for e, row in pairs]))


Jobs = Annotated[int, typer.Option(min=1, help="Processes that synthesize.")]
Cluster = Annotated[str | None, typer.Option(help="Synthesize on this dask scheduler's workers.")]


@app.command()
def measure(
    points: Annotated[int, typer.Option(min=1, help="Layers to have counts of.")] = 330,
    timeout_s: Annotated[int, typer.Option(min=1, help="Longest synthesis, in seconds.")] = 240,
    output: Annotated[Path, typer.Option(help="Where they are added.")] = RESULTS,
    jobs: Jobs = 1,
    cluster: Cluster = None,
) -> None:
    """Synthesize further layers, until `points` are counted."""
    with workers(jobs, cluster) as executor:
        _add(partial(measured, timeout_s=timeout_s), "lut", points, output, executor)


@app.command()
def pairs(
    points: Annotated[int, typer.Option(min=1, help="Layers to have counts of both sides of.")] = 90,
    timeout_s: Annotated[int, typer.Option(min=1, help="Longest synthesis, in seconds.")] = 120,
    output: Annotated[Path, typer.Option(help="Where they are added.")] = PAIRS,
    jobs: Jobs = 1,
    cluster: Cluster = None,
) -> None:
    """Synthesize FINN's pair and IMECConv of further layers, until `points` are counted."""
    with workers(jobs, cluster) as executor:
        _add(partial(measured_pair, timeout_s=timeout_s), "imec", points, output, executor)


@app.command(name="ultrascale")
def count_ultrascale(
    points: Annotated[int, typer.Option(min=1, help="Layers to have counts of both sides of.")] = 20,
    timeout_s: Annotated[int, typer.Option(min=1, help="Longest synthesis, in seconds.")] = 120,
    output: Annotated[Path, typer.Option(help="Where they are added.")] = ULTRASCALE,
    jobs: Jobs = 1,
    cluster: Cluster = None,
) -> None:
    """Synthesize every fourth layer of `pairs` for UltraScale+, until `points` are counted."""
    with workers(jobs, cluster) as executor:
        counted = partial(measured_pair, timeout_s=timeout_s, part=ULTRASCALE_PART)
        _add(counted, "imec", points, output, executor, each_number=4)


def _add(
    measured: Callable[[int], dict],
    key: str,
    points: int,
    output: Path,
    executor: Executor,
    each_number: int = 1,
) -> None:
    """Add lines of every `each_number`-th number to a file, in this order, until `points` have `key`."""
    rows = load(output)
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
    )

    def add(index: int, row: dict) -> None:
        rows.append(row)
        partial_file = output.with_suffix(".partial")
        lines = (json.dumps(line) for line in sorted(rows, key=lambda line: line["number"]))
        partial_file.write_text("".join(f"{line}\n" for line in lines))
        os.replace(partial_file, output)
        bar.update(task, advance=key in row)

    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("layers", total=points, completed=sum(key in row for row in rows))
        while (missing := points - sum(key in row for row in rows)) > 0:
            known = {row["number"] for row in rows}
            further = (n for n in count_up(0, each_number) if n not in known)
            each(measured, islice(further, missing), executor, add)


#: Tables that nothing is fitted to.
HELD_OUT = ("cnv-w1a1-lut-4bit", "cnv-w1a1-dsp-8bit")


class PairSample:
    """Both sides of the lines of PAIRS that have counts, and of the layers of the tables beside it.

    finn, imec: estimates. counts: of each side, by layer. groups: which layer it is, one
    for all tables. held_out: nothing but the tables of HELD_OUT, which are in no other sample. tables: with
    them. part: whose DSP slices the layers have.
    """

    def __init__(
        self, rows: Sequence[dict], held_out: bool = False, tables: bool = True, part: str = FPGA_PART
    ) -> None:
        self.part = part
        self.finn: list[PairEstimate] = []
        self.imec: list[Estimate] = []
        self.counts: dict[str, list[dict]] = {"finn": [], "imec": []}
        self.groups: list[Hashable] = []
        for row in rows:
            if "imec" in row:
                self.groups.append(row["number"])
                self._add(*random_pair(row["number"]), row)
        for path in sorted(PAIRS.parent.glob("*bit.json")) if tables else ():
            if (path.stem in HELD_OUT) != held_out:
                continue
            name, bits = re.fullmatch(r"(.+)-(?:lut|dsp|auto)-(\d)bit", path.stem).groups()
            for layer, row in zip(named_layers(name, int(bits)), json.loads(path.read_text()), strict=True):
                g = layer.geometry
                self.groups.append((g.kernel, g.ifm_dim, g.ifm_channels, g.ofm_channels))
                self._add(layer, row["core"], row)

    def _add(self, layer: Layer, core: str, row: dict) -> None:
        path = layer.datapath()
        geometry = replace(layer.geometry, buffer_style="distributed")
        block = dsp_block(self.part)
        imec = replace(
            path, geometry=geometry, res_type=core, pipeline=row["pipeline"], dsp_block=block
        ).structure
        self.imec.append(Estimate(imec))
        self.finn.append(
            PairEstimate(
                geometry, geometry.simd, geometry.pe, generator_word(geometry), path.core.activation,
                path.core.weight, imec.acc_bits, layer.steps, core, narrow=True,
                whole_windows=geometry.parallel_window, dsp_block=block,
            )
        )  # fmt: skip
        for side in ("finn", "imec"):
            counted = row[side]
            memory = counted["lutram"] + counted["srl"]
            self.counts[side].append({**{key: counted[key] for key in COUNTS}, "memory": memory})

    def errors(self, side: str, key: str) -> np.ndarray:
        """Estimate / count - 1 of each layer, of what is not fitted."""
        estimates = np.array([each.resources[key] for each in getattr(self, side)])
        counts = np.array([counted[key] for counted in self.counts[side]])
        return np.where(estimates == counts, 0, estimates / np.maximum(counts, 1) - 1)


def ultrascale_sample() -> PairSample:
    """The lines of ULTRASCALE, which nothing is fitted to."""
    return PairSample(load(ULTRASCALE), tables=False, part=ULTRASCALE_PART)


def fits(sample: Sample, pairs: PairSample) -> dict[str, tuple[str, Fit]]:
    """The fit of each of the package's coefficients, and what it estimates."""
    imec, finn = [*sample.built, *pairs.imec], pairs.finn
    imec_counts, finn_counts = [*sample.rows, *pairs.counts["imec"]], pairs.counts["finn"]
    imec_groups = [*(("sample", row["number"]) for row in sample.rows), *pairs.groups]

    def fitted(estimates: list, counts: list[dict], groups: list, kind: str, prior: float) -> Fit:
        """Without lines that say the same of a layer: tables may, of other bits or cores."""
        layers = zip(groups, counts, estimates, strict=True)
        kept = {(group, row["lut"], row["ff"]): (group, row, e) for group, row, e in layers}.values()
        features = "features" if isinstance(estimates[0], Estimate) and kind == "lut" else f"{kind}_features"
        return Fit(
            [getattr(e, features) for _, _, e in kept],
            [row[kind] for _, row, _ in kept],
            [getattr(e, f"counted_{kind}s") for _, _, e in kept],
            [group for group, _, _ in kept],
            prior,
        )

    return {
        "LUT_COEFFICIENTS": ("LUTs of IMECConv", fitted(imec, imec_counts, imec_groups, "lut", PRIOR)),
        "FF_COEFFICIENTS": ("flip-flops of IMECConv", fitted(imec, imec_counts, imec_groups, "ff", PRIOR)),
        "PAIR_LUTS": ("LUTs of FINN's pair", fitted(finn, finn_counts, pairs.groups, "lut", PAIR_PRIOR)),
        "PAIR_FFS": ("flip-flops of FINN's pair", fitted(finn, finn_counts, pairs.groups, "ff", PAIR_PRIOR)),
    }


@app.command()
def fit(
    data: Annotated[Path, typer.Option(help="What `measure` wrote.")] = RESULTS,
    both: Annotated[Path, typer.Option(help="What `pairs` wrote.")] = PAIRS,
) -> None:
    """Coefficients of the measured layers, and the error on layers left out."""
    sample, pairs = Sample(load(data)), PairSample(load(both))
    for name, (what, fitted) in fits(sample, pairs).items():
        fitted.show(name, what)
    held_out, known = PairSample([], held_out=True), ultrascale_sample()
    for side in ("finn", "imec"):
        for key in ("lut", "ff"):
            print(f"# tables held out, {side}, {key}: {errors_text(np.abs(held_out.errors(side, key)))}")
            print(f"# UltraScale+, {side}, {key}: {errors_text(np.abs(known.errors(side, key)))}")
    for side in ("finn", "imec"):
        for key in ("lut", "memory", "bram18", "dsp"):
            errors = np.abs(pairs.errors(side, key))
            print(f"# {side}, {key}: {errors_text(errors)}; {(errors == 0).mean():.0%} exact")
    print(*(f"# IMECConv, {block}: {sample.exact(block):.1%} exact" for block in ("bram18", "dsp")), sep="\n")


if __name__ == "__main__":
    app()
