"""The tables of CNV in benchmarks/results, by name, and the layers that they are of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from finn_imec.synthesis.comparison import Layer
from finn_imec.synthesis.layer_sets import named_layers

RESULTS = Path(__file__).parent / "results"


def named(tables: Sequence[str] | None, default: Sequence[str]) -> list[str]:
    """The tables that a command line names, or the default. Raises BadParameter for one that is not there."""
    known = sorted(path.stem for path in RESULTS.glob("cnv-*bit*.json"))
    if unknown := [name for name in tables or () if name not in known]:
        raise typer.BadParameter(f"TABLE: {unknown[0]!r}; accepted are {', '.join(known)}")
    return list(tables or default)


def layers_of(
    table: str, steps: int | None = None, results: Path = RESULTS
) -> Iterator[tuple[Layer, dict[str, Any], str]]:
    """Each layer of a table, the table's row of it, and its MAC core. steps: see named_layers."""
    folding, core, width = table.removesuffix("-10ns").rsplit("-", 2)
    layers = named_layers(folding, int(width.removesuffix("bit")), steps)
    rows = json.loads((results / f"{table}.json").read_text())
    for layer, row in zip(layers, rows, strict=True):
        yield layer, row, core
