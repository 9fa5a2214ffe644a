"""finn-imec fit on CNV, a MobileNet- and a ResNet-style network, on two parts, beside FINN's SetFolding.

    python benchmarks/fit.py [-o benchmarks/out/fit] [CNV.npz] [--part PART ...] [--measure] [--again]
    python benchmarks/fit.py -o benchmarks/results --markdown

For each network and part: frames/s, estimated resources and seconds of the fit, and what SetFolding reaches
at the same budget by the same estimates, with FINN's pairs and with the swap behind it. --measure counts the
nodes of each choice in Yosys, too. The networks are of zoo/exports.py; CNV's layers if its weights are given.
FOLDER gets fit.jsonl, whose last line of a network and part counts: what is there is not run again without
--again.

Prints a table, with --markdown only that of the lines that are there. Exit code 1 if SetFolding is faster
anywhere.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import pages
import typer
from pages import recorded

from finn_imec.fit import fit, part_named
from finn_imec.fit.measure import SUM
from finn_imec.fit.parts import BUDGETED

NETWORKS = ("mobilenet_v2", "tiny_resnet")
PARTS = ("xc7z020clg400-1", "xczu3eg-sbva484-1-e")
LINES = "fit.jsonl"
#: What a line is of.
KEYS = ("network", "part")
COLUMNS = (
    *("network", "part", "fit, frames/s", "SetFolding and the swap", "SetFolding, FINN's pairs"),
    *("LUT / FF / BRAM18 / DSP, estimated", "counted", "seconds"),
)
#: Resources shown; no network here takes UltraRAM.
SHOWN = tuple(key for key in BUDGETED if key != "uram")


def model_of(name: str, folder: Path, cnv: Path | None) -> Path:
    """The file of a network."""
    path = folder / f"{name}.onnx"
    if cnv is not None and name == cnv.stem:
        from finn_imec.networks.cnv import build_cnv

        build_cnv(cnv).save(str(path))
    else:
        from zoo.exports import export

        export(name, path, dynamo=False)
    return path


def measured(name: str, part: str, cnv: Path | None, measure: bool) -> dict[str, Any]:
    """The line of one network on one part."""
    with tempfile.TemporaryDirectory() as folder:
        path = model_of(name, Path(folder), cnv)
        found = fit(path, part_named(part), Path(folder) / "fit", measure=measure).as_dict()
    line = {"network": name, "part": part, "fit": found["chosen"], **found["finn"]}
    counted = found["measured"].get(SUM)
    # The solver and the estimates: not Yosys.
    seconds = sum(value for stage, value in found["seconds"].items() if stage != "yosys")
    return {**line, "counted": counted, "seconds": round(seconds)}


def cells(line: dict[str, Any]) -> list[str]:
    """A line's row of the table, by COLUMNS."""
    speeds = [
        "-" if line[side] is None else f"{line[side]['fps']:,.0f}" for side in ("fit", "swapped", "pairs")
    ]
    counted = line["counted"]
    sums = [
        "-" if figures is None else " / ".join(f"{figures[key]:,}" for key in SHOWN)
        for figures in (line["fit"], counted)
    ]
    if counted and counted["reason"]:
        sums[1] += f", {counted['reason']}"
    return [f"`{line['network']}`", line["part"], *speeds, *sums, f"{line['seconds']:,}"]


def markdown(lines: list[dict[str, Any]]) -> str:
    """Their table."""
    return pages.markdown(COLUMNS, [cells(line) for line in lines], left=2)


def main(
    cnv: Annotated[Path | None, typer.Argument()] = None,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("benchmarks/out/fit"),
    part: Annotated[list[str] | None, typer.Option()] = None,
    measure: Annotated[bool, typer.Option("--measure")] = False,
    again: Annotated[bool, typer.Option("--again")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown")] = False,
) -> None:
    path = output / LINES
    lines = recorded(path, KEYS)
    if not as_markdown:
        output.mkdir(parents=True, exist_ok=True)
        done = {
            (line["network"], line["part"])
            for line in lines
            if not again and not (measure and line["counted"] is None)
        }
        for name in (*([cnv.stem] if cnv else ()), *NETWORKS):
            for each in part or PARTS:
                if (name, each) not in done:
                    line = measured(name, each, cnv, measure)
                    with path.open("a") as out:
                        out.write(json.dumps(line) + "\n")
        lines = recorded(path, KEYS)
    print(markdown(lines), end="")
    sides = [(line[side], line["fit"]) for line in lines for side in ("swapped", "pairs")]
    raise SystemExit(any(finn and finn["cycles"] < ours["cycles"] for finn, ours in sides))


if __name__ == "__main__":
    typer.run(main)
