"""Brevitas exports of the kinds that users build, each through build and simulate.

    python benchmarks/exports.py [-o benchmarks/out/exports] [NAME ...] [--compare] [--report]
                                 [--no-simulate] [--old-exporter] [--again]

All networks of benchmarks/zoo/exports.py, if none is named. For each: export to QONNX, `finn-imec build`, the
built graph in Python beside the export on random inputs, `finn-imec simulate`, and, if asked for, `compare`
and `report`. FOLDER holds NAME.onnx, the build's folder NAME, and exports.jsonl, whose last line
of a network counts: what has been run with this version and exporter is not run again without --again.

Prints a table. Exit code 1 if a network that builds differs from its export.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from finn_imec.partition.export import difference_from_export, python_outputs
from finn_imec.partition.load import load_build

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


def command(*arguments: str | Path) -> str:
    """Run `finn-imec`; "ok", or the last line of its error."""
    run = subprocess.run(
        [sys.executable, "-m", "finn_imec", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    lines = [line for line in (run.stderr or run.stdout).splitlines() if line.strip()]
    reason = lines[-1].removeprefix("error: ") if lines else f"exit code {run.returncode}"
    return "ok" if run.returncode == 0 else reason


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
        line |= {"build": "ok", "notes": list(built.notes)}
        line["swapped"] = sum(pair.swapped for pair in built.pairs)
        line["kept"] = sum(not pair.swapped and pair.mvau is not None for pair in built.pairs)
    line["seconds"] = round(time.perf_counter() - start, 1)
    if line["build"] == "ok":
        line["difference"] = difference(folder / name)
    return line


def show(lines: list[dict[str, Any]], later: list[str]) -> None:
    table = Table("network", "build", "pairs swapped / kept", "in Python", *later, "build, s")
    for line in lines:
        equal = "" if "difference" not in line else "equal" if line["difference"] <= TOLERANCE else "differs"
        pairs = f"{line['swapped']} / {line['kept']}" if "swapped" in line else ""
        rest = [
            "exact" if (each, line.get(each)) == ("simulate", "ok") else line.get(each, "") for each in later
        ]
        table.add_row(line["network"], line["build"], pairs, equal, *rest, f"{line['seconds']:.0f}")
    Console().print(table)


def main(
    networks: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("benchmarks/out/exports"),
    simulate: Annotated[bool, typer.Option("--simulate/--no-simulate")] = True,
    compare: Annotated[bool, typer.Option("--compare")] = False,
    report: Annotated[bool, typer.Option("--report")] = False,
    old_exporter: Annotated[bool, typer.Option("--old-exporter")] = False,
    again: Annotated[bool, typer.Option("--again")] = False,
) -> None:
    from zoo import exports

    from finn_imec import __version__

    logging.disable(logging.ERROR)
    for name in networks or ():
        if name not in exports.NETWORKS:
            raise typer.BadParameter(f"{name}: accepted are {', '.join(exports.NETWORKS)}")
    asked = {"simulate": simulate, "compare": compare, "report": report}
    later = [each for each, wanted in asked.items() if wanted]
    output.mkdir(parents=True, exist_ok=True)
    path = output / LINES
    known = [json.loads(text) for text in path.read_text().splitlines()] if path.is_file() else []
    same = {"version": __version__, "old_exporter": old_exporter}
    done = {line["network"]: line for line in known if not again and same.items() <= line.items()}
    lines = []
    for name in networks or exports.NETWORKS:
        line = dict(done.get(name, {}))
        if not line:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, Brevitas and FINN, about parts of theirs
                line = measure(name, output, old_exporter)
        if line["build"] == "ok":
            line |= {each: command(each, output / name) for each in later if each not in line}
        line |= same
        if line != done.get(name):
            with path.open("a") as out:
                out.write(json.dumps(line) + "\n")
        lines.append(line)
    show(lines, later)
    if any(line.get("difference", 0) > TOLERANCE for line in lines):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
