"""The clock of both sides, placed and routed on an ECP5, beside the model without placement.

    python benchmarks/routed.py [--clock 3] [--cells w1a1:4:1,...] [--json]

Layers L2 to L5 of CNV at the foldings of its 1-bit and its 2-bit network, at 1 and 2 bits, complete nodes,
LUT cores, five seeds a side. IMECConv is built for a clock that no 7-series reaches, so it has all registers
that help: an ECP5 has 4-input LUTs, and takes longer. Hours for all 16 cells; netlists and seeds that were
routed are in the cache, so that a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from finn_imec.report.table import ratio_text
from finn_imec.synthesis.comparison import compare_layer
from finn_imec.synthesis.layer_sets import named_layers
from finn_imec.synthesis.rows import SIDES, Row

#: Period in ns that IMECConv is built for.
CLOCK_NS = 3.0
CELLS = tuple(
    f"{network}:{number}:{bits}" for network in ("w1a1", "w2a2") for bits in (1, 2) for number in (2, 3, 4, 5)
)


def measured(cell: str, clock_ns: float) -> Row:
    """Both sides of one of CELLS, resources, modeled period, cycles and routed clock."""
    network, number, bits = cell.split(":")
    layer = named_layers(f"cnv-{network}", int(bits))[int(number)]
    return compare_layer(layer, "lut", clock_ns=clock_ns, routed=True)


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's, of numbers that differ; None for a single one."""
    if len(a) < 2:
        return None
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def summary(rows: Sequence[Row]) -> dict[str, float | None]:
    """Geometric mean of IMECConv's routed clock over FINN's, and how well the model orders clocks.

    sides: rank correlation of modeled and routed clocks of all sides; ratios: of IMECConv's over FINN's.
    """
    clocks = np.array([[getattr(row, side).routed_mhz for side in SIDES] for row in rows])
    modeled = np.array([[1000 / getattr(row, side).period_ns for side in SIDES] for row in rows])
    ratios, modeled_ratios = clocks[:, 1] / clocks[:, 0], modeled[:, 1] / modeled[:, 0]
    return {
        "routed_ratio": float(np.exp(np.log(ratios).mean())),
        "modeled_ratio": float(np.exp(np.log(modeled_ratios).mean())),
        "rank_correlation_sides": rank_correlation(modeled.ravel(), clocks.ravel()),
        "rank_correlation_ratios": rank_correlation(modeled_ratios, ratios),
    }


def show(console: Console, rows: Sequence[Row]) -> None:
    """A row per cell, and the summary."""
    table = Table("layer", "bits", title="Clock in MHz: modeled for 7-series, routed on an ECP5")
    for title in ("FINN modeled", "routed", "IMECConv modeled", "routed", "routed ratio"):
        table.add_column(title, justify="right")
    for row in rows:
        cells = [
            text
            for side in (row.finn, row.imec)
            for text in (f"{1000 / side.period_ns:.0f}", f"{side.routed_mhz:.0f}")
        ]
        table.add_row(row.layer, row.bits, *cells, f"{row.imec.routed_mhz / row.finn.routed_mhz:.2f}")
    console.print(table)
    for name, value in summary(rows).items():
        console.print(f"{name}: {ratio_text(value)}")


def main(
    clock: Annotated[float, typer.Option(help="Period in ns that IMECConv is built for.")] = CLOCK_NS,
    cells: Annotated[str, typer.Option(help="NETWORK:LAYER:BITS, comma separated.")] = ",".join(CELLS),
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    chosen = cells.split(",")
    if unknown := [cell for cell in chosen if cell not in CELLS]:
        raise typer.BadParameter(f"--cells: {unknown[0]!r}; accepted are {', '.join(CELLS)}")
    rows = [measured(cell, clock) for cell in track(chosen, "cells", console=Console(stderr=True))]
    if as_json:
        result: dict[str, Any] = {"rows": [row.as_dict() for row in rows], "summary": summary(rows)}
        print(json.dumps(result, indent=2))
    else:
        show(Console(), rows)


if __name__ == "__main__":
    typer.run(main)
