"""LUTs of the activation: IMECConv with its thresholds less IMECConv without, beside FINN's Thresholding_rtl.

    python benchmarks/activation.py [TABLE ...] [--json]

TABLE names tables of benchmarks/results, all of CNV at 5 ns by default. IMECConv's difference is of two
whole units, each mapped by itself for the table's clock: what thresholds share with the accumulator is in
it, and the wider output register without them. FINN's figure is that of its own node, in the netlist of the
complete pair. Counts are in the cache: what was interrupted goes on where it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tables import RESULTS, layers_of, named

from finn_imec.synthesis import yosys
from finn_imec.synthesis.comparison import FLOWS, Layer, generate_imec


def luts_without(layer: Layer, core: str, clock_ns: float) -> int:
    """LUTs of IMECConv for one layer, counted as `finn-imec compare` does."""
    with TemporaryDirectory() as folder:
        side = generate_imec(layer, core, Path(folder) / "imec", clock_ns)
        options: dict[str, Any] = {"parts": side.parts, "flows": FLOWS, "dsp": core == "dsp"}
        fast, smallest = (yosys.count(side.design, clock_ns=clock, **options) for clock in (clock_ns, None))
    return int((fast if fast["period_ns"] <= clock_ns else smallest)["lut"])


def measured(table: str) -> list[dict[str, Any]]:
    """A row per layer of one table of benchmarks/results."""
    found = []
    for layer, row, core in layers_of(table, steps=0):
        activation = row["imec"]["lut"] - luts_without(layer, core, row["clock_ns"])
        finn = row["finn"]["activation"]["lut"]
        found.append(
            {
                "layer": f"{row['layer']}, {row['bits']} bit, {core}",
                "clock_ns": row["clock_ns"],
                "steps": row["steps"],
                "cycles_per_fold": layer.geometry.sf,
                "lut": row["imec"]["lut"],
                "activation": activation,
                "thresholding_rtl": finn,
                "ratio": round(activation / finn, 3),
                "code": row["code"],
            }
        )
    return found


def main(
    tables: Annotated[list[str] | None, typer.Argument(metavar="TABLE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a row per layer, and the means."""
    chosen = named(tables, sorted(path.stem for path in RESULTS.glob("cnv-*bit.json")))
    bar = track(chosen, "tables", console=Console(stderr=True))
    found = {table: measured(table) for table in bar}
    if as_json:
        print(json.dumps(found, indent=2))
        return
    rows = [row for table in found.values() for row in table]
    shown = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    *columns, _ = rows[0]
    for name in columns:
        shown.add_column(name, no_wrap=True)
    for row in rows:
        shown.add_row(*(str(row[name]) for name in columns))
    Console(width=110).print(shown)
    ratios = np.array([row["ratio"] for row in rows])
    print(f"ratio {ratios.mean():.2f} on average, {ratios.max():.2f} at most, of {len(rows)} layers")


if __name__ == "__main__":
    typer.run(main)
