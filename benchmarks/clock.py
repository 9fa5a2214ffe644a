"""The model of the clock beside the tables: IMECConv's period, modeled and counted, in every layer of CNV.

    python benchmarks/clock.py [--json]

finn_imec.layer.clock models the period from a layer's structure; the tables in benchmarks/results have that
of its mapped netlist, by finn_imec.synthesis.timing.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from tables import RESULTS, layers_of

from finn_imec.layer.clock import period_ns


def compared(results: Path = RESULTS) -> list[dict]:
    """A row per layer of each table: clock, pipeline, periods in ns, what the modeled path passes."""
    found = []
    for path in sorted(results.glob("cnv-*bit*.json")):
        for layer, row, core in layers_of(path.stem, results=results):
            datapath = layer.datapath()
            geometry = replace(datapath.geometry, buffer_style="distributed")
            datapath = replace(datapath, geometry=geometry, res_type=core, pipeline=row["pipeline"])
            modeled, through = period_ns(datapath.structure)
            counted = row["imec"]["period_ns"]
            found.append(
                {
                    "layer": f"{row['layer']}, {row['bits']} bit, {core}",
                    "clock_ns": row["clock_ns"],
                    "pipeline": row["pipeline"],
                    "modeled_ns": round(modeled, 2),
                    "counted_ns": counted,
                    "error": round(modeled / counted - 1, 3),
                    "path": through,
                }
            )
    return found


def main(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the comparison, and the mean of the errors' sizes."""
    rows = compared()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in rows[0]:
        table.add_column(name.removesuffix("_ns"), no_wrap=True)
    for row in rows:
        table.add_row(*map(str, row.values()))
    errors = np.abs([row["error"] for row in rows])
    Console(width=110).print(table)
    print(f"error {errors.mean():.1%} on average, {errors.max():.1%} at most, of {len(rows)} layers")


if __name__ == "__main__":
    typer.run(main)
