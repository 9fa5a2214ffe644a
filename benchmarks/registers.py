"""The chosen pipelining beside the best: every level of each layer, counted, at one clock.

    python benchmarks/registers.py [TABLE ...] [--json]

`pipeline=-1` takes the level that a model of the clock expects to meet it with the fewest flip-flops. Here
each level is mapped, and the best is the one with the fewest flip-flops of those whose netlist meets the
clock. TABLE: names of tables in benchmarks/results. Counts are in the cache: what was interrupted goes on.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tables import layers_of, named

from finn_imec.layer.structure import MAX_PIPELINE
from finn_imec.rtl import ImecRtl
from finn_imec.synthesis import yosys
from finn_imec.synthesis.comparison import FLOWS, Layer

TABLES = ("cnv-w2a2-lut-2bit", "cnv-w2a2-dsp-4bit")


def counted(layer: Layer, core: str, clock_ns: float, level: int) -> dict[str, Any]:
    """lut, ff (without absorbable ones) and period_ns of IMECConv at one pipelining level."""
    geometry = replace(layer.geometry, buffer_style="distributed")
    path = replace(layer.datapath(), geometry=geometry, res_type=core, pipeline=level)
    with TemporaryDirectory() as folder:
        design = ImecRtl("imecconv", path).generate(Path(folder) / "imec")
        count = yosys.count(design, flows=FLOWS, dsp=core == "dsp", clock_ns=clock_ns)
    return {"lut": count["lut"], "ff": count["ff"] - count["ff_absorbable"], "period_ns": count["period_ns"]}


def measured(table: str) -> list[dict[str, Any]]:
    """A row per layer of one table: the chosen level, the best, and all figures."""
    found = []
    for layer, row, core in layers_of(table):
        clock = row["clock_ns"]
        levels = [counted(layer, core, clock, level) for level in range(MAX_PIPELINE + 1)]
        fast = [level for level, figures in enumerate(levels) if figures["period_ns"] <= clock]
        best = min(fast or range(len(levels)), key=lambda level: (levels[level]["ff"], levels[level]["lut"]))
        found.append(
            {
                "layer": f"{row['layer']}, {row['bits']} bit, {core}",
                "clock_ns": clock,
                "chosen": row["pipeline"],
                "best": best,
                "chosen_figures": levels[row["pipeline"]],
                "best_figures": levels[best],
                "levels": levels,
            }
        )
    return found


def main(
    tables: Annotated[list[str] | None, typer.Argument(metavar="TABLE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a row per layer, and how often the best was chosen."""
    bar = track(named(tables, TABLES), "tables", console=Console(stderr=True))
    rows = [row for table in bar for row in measured(table)]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    shown = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("layer", "clock", "chosen", "LUT", "FF", "ns", "best", "LUT", "FF", "ns"):
        shown.add_column(name, no_wrap=True)
    for row in rows:
        sides = [(row[side], *row[f"{side}_figures"].values()) for side in ("chosen", "best")]
        shown.add_row(row["layer"], *map(str, (row["clock_ns"], *sides[0], *sides[1])))
    Console(width=110).print(shown)
    extra = sum(row["chosen_figures"]["ff"] for row in rows) / sum(row["best_figures"]["ff"] for row in rows)
    same = sum(row["chosen"] == row["best"] for row in rows)
    print(f"the best in {same} of {len(rows)} layers; flip-flops of all, chosen over best: {extra:.3f}")


if __name__ == "__main__":
    typer.run(main)
