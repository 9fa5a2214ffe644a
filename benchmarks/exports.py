"""Brevitas exports of the kinds that users build, each through build, simulate, compare and report.

    python benchmarks/exports.py [-o benchmarks/out/exports] [NAME ...] [--compare]
                                 [--no-simulate] [--no-report] [--old-exporter] [--again]
    python benchmarks/exports.py -o benchmarks/results --markdown

All networks of benchmarks/zoo/exports.py, if none is named. For each: export to QONNX, `finn-imec build`, the
built graph in Python beside the export on random inputs, `finn-imec simulate`, `finn-imec report`, and, if
asked for, `finn-imec compare`, minutes a layer in Yosys. FOLDER holds NAME.onnx, the build's folder NAME, and
exports.jsonl, whose last line of a network counts: what has been run with this version and exporter is not
run again without --again.

Prints a table, with --markdown only that of the lines that are there. Exit code 1 if a network that builds
differs from its export.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pages
import typer
from pages import recorded

from finn_imec.partition.export import difference_from_export, python_outputs
from finn_imec.partition.load import load_build

if TYPE_CHECKING:
    from finn_imec.transformation.infer_imec_conv import PairReport

IMAGES = 3
#: Of the largest output: Python's float32 scales round differently before and after streamlining.
TOLERANCE = 1e-5
LINES = "exports.jsonl"


def difference(folder: Path) -> float:
    """Largest difference between an export and what was built from it, relative to the largest output."""
    network = load_build(folder)
    shape = network.get_tensor_shape(network.graph.input[0].name)[1:]
    frames = np.random.default_rng(0).normal(size=(IMAGES, *shape)).astype(np.float32)
    found = difference_from_export(folder, frames, python_outputs(network, frames))
    assert found is not None, f"{folder} has no export"
    return found


def command(*arguments: str | Path) -> tuple[str, dict[str, Any] | list[Any]]:
    """Run `finn-imec`: "ok" and its JSON, or the last line of its error."""
    run = subprocess.run(
        [sys.executable, "-m", "finn_imec", *map(str, arguments), "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode == 0:
        return "ok", json.loads(run.stdout)
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else f"exit code {run.returncode}", {}


def went_on(step: str, folder: Path) -> dict[str, Any]:
    """What came of simulate, compare or report of a build's folder, and its figures."""
    start = time.perf_counter()
    outcome, found = command(step, folder)
    line: dict[str, Any] = {step: outcome, f"{step}_seconds": round(time.perf_counter() - start, 1)}
    if outcome == "ok" and step == "simulate":
        line["interval"] = found["interval"]
        line["slowest"] = max(node["expected_cycles"] for node in found["nodes"])
    if outcome == "ok" and step == "compare":
        line["counted"] = len(found)
        line["lut"] = [sum(row[side]["lut"] for row in found) for side in ("finn", "imec")]
    return line


def became(pairs: Sequence[PairReport]) -> dict[str, Any]:
    """How many pairs kept their folding, got another, were left; MVAUs alone; multipliers of both sides."""
    swapped = [pair for pair in pairs if pair.swapped]
    of_pairs = [pair for pair in swapped if pair.swg]
    multipliers = [
        sum(getattr(pair, f"multipliers_{when}") or 0 for pair in of_pairs) for when in ("before", "after")
    ]
    return {
        "kept": sum(not pair.refolded for pair in of_pairs),
        "refolded": sum(pair.refolded for pair in of_pairs),
        "left": sum(not pair.swapped and pair.swg is not None and pair.mvau is not None for pair in pairs),
        "alone": len(swapped) - len(of_pairs),
        "multipliers": multipliers,
    }


def measure(name: str, folder: Path, old_exporter: bool) -> dict[str, Any]:
    """One network's line, up to the comparison in Python."""
    from zoo import exports

    from finn_imec.builder import build
    from finn_imec.util.errors import ImecError

    path, start = folder / f"{name}.onnx", time.perf_counter()
    exports.export(name, path, dynamo=not old_exporter)
    line: dict[str, Any] = {"network": name, "old_exporter": old_exporter}
    line["export_seconds"] = round(time.perf_counter() - start, 1)
    start = time.perf_counter()
    try:
        built = build(path, {}, folder / name)
    except ImecError as err:
        line["build"] = str(err).partition("; log:")[0]
    else:
        line |= {"build": "ok", "notes": list(built.notes), **became(built.pairs)}
    line["seconds"] = round(time.perf_counter() - start, 1)
    if line["build"] == "ok":
        line["difference"] = difference(folder / name)
    return line


#: Columns of `cells`.
COLUMNS = (
    *("network", "build", "pairs kept / refolded / left", "MVAUs alone", "multipliers"),
    *("in Python", "in RTL", "cycles a frame / slowest node", "compare: LUTs", "report"),
)


def cells(line: dict[str, Any]) -> list[str]:
    """A network's row of the table, by COLUMNS."""
    if line["build"] != "ok":
        return [line["network"], line["build"], *[""] * (len(COLUMNS) - 2)]
    before, after = line["multipliers"]
    compared = line.get("compare", "-")
    if compared == "ok":
        (finn, imec), layers = line["lut"], line["kept"] + line["refolded"] + line["alone"]
        compared = f"{finn:,} to {imec:,}, {1 - imec / finn:.0%} fewer"
        compared += f", {line['counted']} of {layers} layers" if line["counted"] < layers else ""
    return [
        line["network"],
        "ok",
        f"{line['kept']} / {line['refolded']} / {line['left']}",
        f"{line['alone']}",
        f"{before} to {after}",
        "equal" if line["difference"] <= TOLERANCE else "differs",
        "exact" if line.get("simulate") == "ok" else line.get("simulate", "-"),
        f"{line['interval']:,} / {line['slowest']:,}" if "interval" in line else "-",
        compared,
        line.get("report", "-"),
    ]


def markdown(lines: list[dict[str, Any]]) -> str:
    """Their table."""
    return pages.markdown(COLUMNS, [cells(line) for line in lines], left=len(COLUMNS))


def main(
    networks: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("benchmarks/out/exports"),
    simulate: Annotated[bool, typer.Option("--simulate/--no-simulate")] = True,
    compare: Annotated[bool, typer.Option("--compare")] = False,
    report: Annotated[bool, typer.Option("--report/--no-report")] = True,
    old_exporter: Annotated[bool, typer.Option("--old-exporter")] = False,
    again: Annotated[bool, typer.Option("--again")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown")] = False,
) -> None:
    from zoo import exports

    from finn_imec import __version__

    path = output / LINES
    if as_markdown:
        print(markdown(recorded(path)), end="")
        return
    logging.disable(logging.ERROR)
    for name in networks or ():
        if name not in exports.NETWORKS:
            raise typer.BadParameter(f"{name}: accepted are {', '.join(exports.NETWORKS)}")
    asked = {"simulate": simulate, "compare": compare, "report": report}
    output.mkdir(parents=True, exist_ok=True)
    same = {"version": __version__, "old_exporter": old_exporter}
    done = {line["network"]: line for line in recorded(path) if not again and same.items() <= line.items()}
    lines = []
    for name in networks or exports.NETWORKS:
        line = dict(done.get(name, {}))
        if not line:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, Brevitas and FINN, about parts of theirs
                line = measure(name, output, old_exporter)
        for step, wanted in asked.items():
            if line["build"] == "ok" and wanted and step not in line:
                line |= went_on(step, output / name)
        line |= same
        if line != done.get(name):
            with path.open("a") as out:
                out.write(json.dumps(line) + "\n")
        lines.append(line)
    print(markdown(lines), end="")
    if any(line.get("difference", 0) > TOLERANCE for line in lines):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
