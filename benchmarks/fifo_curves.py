"""Cycles a frame against the memory that buys them: FINN's pairs beside IMECConv, for whole networks.

    python benchmarks/fifo_curves.py [NAME ...] [--finn-regression DIR] [--out benchmarks/out/fifos]
                                     [--cnv DIR] [--again]
    python benchmarks/fifo_curves.py --page --picture docs/assets/fifo-curves.png > docs/fifo-curves.md

All of NETWORKS, if none is named: networks of zoo/regression.py at the regression's foldings, DIR as for
regression.py, and of zoo/exports.py, which finn-plus folds for a number of frames/s. `finn-imec build` builds
each; then the FIFOs of the graphs before and after the swap are sized in simulation for ever slower targets,
as `finn-imec fifos --curve` does: FINN's side first, and IMECConv's for the cycles that FINN's points take.

Of each network, NAME.json in --out is written after each side; a side that is there and of this code is not
run again, and one that was interrupted goes on by the trials in the cache. --page prints the page of the
documentation with all that is in --out, by default benchmarks/results/fifos then, and --picture draws it;
neither runs anything.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import regression
import typer
from pages import markdown
from regression import BOARD, CLOCK_NS, DATA, SIDES, models
from rich.console import Console
from zoo import exports

from finn_imec.fifos.cost import LUTS_PER_BRAM
from finn_imec.fifos.memory import FACTORS, Point, at_most, bits_of, curve, luts_of, within
from finn_imec.fifos.sizing import VERIFIED
from finn_imec.report.chart import curve_chart
from finn_imec.synthesis.stamp import code_digest
from finn_imec.util.errors import ImecError
from finn_imec.util.templates import render

RESULTS, OUT = (Path(__file__).parent / folder / "fifos" for folder in ("results", "out"))
LIMIT = 500  # of trials for each point
#: Of `Point` -> titles.
MEMORY = {"bits": "bits", "lut": "LUT", "bram18": "BRAM18"}
#: Unit -> how much memory a point has.
MEASURES = {"bits": bits_of, "LUTs": luts_of}


@dataclass(frozen=True)
class Network:
    """How a network's curve is made.

    fps: of networks of zoo/exports.py, frames/s to fold for. frames: of a trial. factors, fine: see `curve`.
    """

    fps: int | None = None
    frames: int = 4
    factors: tuple[float, ...] = FACTORS
    fine: bool = True


NETWORKS = {
    "tfc-w2a2": Network(frames=8),
    "cnv-w2a2": Network(frames=3, factors=(1.0, 1.1), fine=False),
    "binary": Network(fps=20_000),
    "inception": Network(fps=20_000),
}


def measure(
    name: str, files: Path, cnv: Path, out: Path, again: bool, stage: Callable[[str], None]
) -> dict[str, Any]:
    """What NAME.json says after both sides."""
    from qonnx.core.modelwrapper import ModelWrapper

    network, path, folder = NETWORKS[name], out / f"{name}.json", out / "builds" / name
    code = code_digest()
    known = json.loads(path.read_text()) if path.is_file() and not again else {}
    options = json.loads(json.dumps(asdict(network)))
    if known.get("code") == code and known.get("options") == options and "imec" in known["sides"]:
        return dict(known)
    folder.mkdir(parents=True, exist_ok=True)
    about = built(name, files, cnv, folder, stage)
    done: dict[str, Any] = {"network": name, "code": code, "options": options, **about, "sides": {}}
    if known.get("code") == code and known.get("options") == options:
        done["sides"] = known["sides"]
    for side, graph in zip(SIDES, models(folder), strict=True):
        if side not in done["sides"]:
            points = curve(
                ModelWrapper(str(graph)),
                done["part"],
                network.frames,
                LIMIT,
                network.factors if side == "finn" else (),
                lambda what, side=side: stage(f"{side}, {what}"),
                CLOCK_NS,
                [point["interval"] for point in done["sides"].get("finn", ())],
                network.fine,
            )
            done["sides"][side] = [asdict(point) for point in points]
            scratch = path.with_suffix(".part")
            scratch.write_text(json.dumps(done, indent=1) + "\n")
            os.replace(scratch, path)
    return done


def built(name: str, files: Path, cnv: Path, folder: Path, stage: Callable[[str], None]) -> dict[str, Any]:
    """Build a network below `folder`: part, clock, weights."""
    fps = NETWORKS[name].fps
    if fps is None:
        result = regression.built(name, files, cnv, folder, stage)
        return {key: result[key] for key in ("part", "clock_ns", "weights")}
    from finn_imec.builder import build

    export = folder / f"{name}.onnx"
    stage("export")
    exports.export(name, export, dynamo=False)
    fields = {"board": BOARD, "synth_clk_period_ns": CLOCK_NS, "target_fps": fps}
    result = build(export, fields, folder / "build", lambda number, steps, step: stage(step))
    return {"part": result.conversion.part, "clock_ns": CLOCK_NS, "weights": "random"}


# ---- the page -----------------------------------------------------------------------------------


def load(folder: Path) -> dict[str, dict[str, Any]]:
    """The results in a folder of which both sides are there, by name, in the order of NETWORKS."""
    paths = {name: folder / f"{name}.json" for name in NETWORKS}
    found = {name: json.loads(path.read_text()) for name, path in paths.items() if path.is_file()}
    return {name: result for name, result in found.items() if "imec" in result["sides"]}


def points_of(result: Mapping[str, Any]) -> dict[str, tuple[Point, ...]]:
    """{side: its curve}."""
    return {side: tuple(Point(**point) for point in points) for side, points in result["sides"].items()}


def curve_table(result: Mapping[str, Any]) -> str:
    """A row per point of FINN's: cycles and memory, and those of the point of IMECConv that is as fast."""
    sides = points_of(result)
    rows = []
    for point in sides["finn"]:
        other = within(sides["imec"], point.interval) or sides["imec"][0]
        cells = [_both(point.interval, other.interval)]
        cells += [_both(*(getattr(each, key) for each in (point, other))) for key in MEMORY]
        ratios = (at_equal(sides["imec"], point, measure) for measure in MEASURES.values())
        cells += ["-" if ratio is None else f"{ratio:.3f}" for ratio in ratios]
        rows.append(cells)
    return markdown(["cycles a frame", *MEMORY.values(), *(f"at equal {unit}" for unit in MEASURES)], rows)


def _both(finn: int, imec: int) -> str:
    return f"{finn:,} / {imec:,}"


def at_equal(imec: Sequence[Point], point: Point, measure: Callable[[Point], int]) -> float | None:
    """IMECConv's cycles a frame over those of a point of FINN's, with no more memory."""
    cycles = at_most(imec, measure(point), measure)
    return None if cycles is None else cycles / point.interval


def above(name: str, result: Mapping[str, Any], unit: str) -> str:
    """At how many of FINN's points IMECConv is slower with as much memory, and how much it needs more."""
    sides, measure = points_of(result), MEASURES[unit]
    finn, imec = sides["finn"], sides["imec"]
    slower = [p for p in finn if (ratio := at_equal(imec, p, measure)) is None or ratio > 1]
    if not slower:
        return ""
    ratios = [ratio for p in slower if (ratio := at_equal(imec, p, measure))]
    text = f"{name}, at {len(slower)} of {len(finn)} sizes"
    if ratios:
        text += f", by up to {max(ratios) - 1:.1%}"
    if missing := len(slower) - len(ratios):
        fewest = min(measure(p) for p in imec)
        text += f"; at {missing} of them it does not fit: it takes {fewest:,} {unit} at least"
        text += f", FINN's pairs {min(measure(p) for p in finn):,}"
    return f"{text}."


def about(name: str, result: Mapping[str, Any]) -> str:
    """What the network is, and how it was simulated."""
    network = NETWORKS[name]
    text = f"FINN's regression network, {result['weights']} weights"
    if network.fps:
        text = f"{exports.NETWORKS[name].kind}, folded for {network.fps:,} frames/s"
    how = f"{network.frames} frames a trial, {VERIFIED * network.frames} for each point"
    if not network.fine:
        how += ", FIFOs of as many words as were in them"
    return f"{text}; {how}."


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """docs/fifo-curves.md."""
    lines = {unit: [above(name, result, unit) for name, result in results.items()] for unit in MEASURES}
    return render(
        Path(__file__).with_suffix(".md.j2"),
        board=BOARD,
        clock=f"{CLOCK_NS:g} ns",
        luts_per_bram=LUTS_PER_BRAM,
        tables={name: curve_table(result) for name, result in results.items()},
        about={name: about(name, result) for name, result in results.items()},
        above={unit: [line for line in found if line] for unit, found in lines.items()},
    )


def main(
    networks: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    finn_regression: Path = DATA / "finn-regression",
    out: Path | None = None,
    cnv: Path = DATA / "cnv-cifar10",
    again: Annotated[bool, typer.Option("--again")] = False,
    page_: Annotated[bool, typer.Option("--page")] = False,
    picture: Annotated[Path | None, typer.Option(help="Where to draw the curves.")] = None,
) -> None:
    if page_ or picture:
        results = load(out or RESULTS)
        if page_:
            print(page(results), end="")
        if picture:
            curve_chart({name: drawn(result) for name, result in results.items()}, picture)
        return
    out, log, failed = out or OUT, Console(stderr=True), False
    if unknown := set(networks or ()) - set(NETWORKS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: accepted are {', '.join(NETWORKS)}")
    for name in networks or NETWORKS:

        def stage(what: str, name: str = name) -> None:
            log.print(f"{name}: {what}", highlight=False, markup=False)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Brevitas, torch and FINN, about parts of theirs
            try:
                print(f"## {name}\n\n{curve_table(measure(name, finn_regression, cnv, out, again, stage))}")
            except ImecError as err:
                failed = True
                stage(f"failed: {err}")
    if failed:
        raise typer.Exit(1)


def drawn(result: Mapping[str, Any]) -> dict[str, list[tuple[int, int, int]]]:
    """{side: bits, LUTs and cycles of each point}."""
    return {
        side: [(bits_of(point), luts_of(point), point.interval) for point in points]
        for side, points in points_of(result).items()
    }


if __name__ == "__main__":
    typer.run(main)
