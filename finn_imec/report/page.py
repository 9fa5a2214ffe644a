"""The results of a folder as one self-contained HTML page, styles and charts included."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from finn_imec import __version__
from finn_imec.report.chart import memory_chart
from finn_imec.report.results import BUILD_MODEL, Results, load_results
from finn_imec.report.table import TITLES, number_text, ratio_text
from finn_imec.synthesis.rows import SIDES, Row, geometric_means
from finn_imec.util.output import output_folder

PAGE = "report.html"


def write_report(folder: str | Path) -> dict[str, Any]:
    """Write PAGE into a folder that `finn-imec demo`, `build` or `compare` wrote.

    Returns what the page shows: page (its path), command, pairs, graph, rows, means, memory,
    cycles. Raises ModelError like load_results, and if the folder cannot be written.
    """
    results = load_results(folder)
    means = geometric_means(results.rows) if results.rows else None
    text = render(results, means)
    with output_folder(results.folder, marker=Path(results.files[0]).parts[0]) as scratch:
        (scratch / PAGE).write_text(text, encoding="utf-8")
    return {
        "page": str(results.folder / PAGE),
        "command": results.command,
        "pairs": results.pairs and [asdict(pair) for pair in results.pairs],
        "graph": results.graph and [[[asdict(n) for n in side] for side in row] for row in results.graph],
        "rows": results.rows and [row.as_dict() for row in results.rows],
        "means": means,
        "memory": {name: asdict(layer) for name, layer in results.memory.items()},
        "cycles": results.cycles,
        "accuracy": results.accuracy,
    }


def render(results: Results, means: Mapping[str, float | None] | None) -> str:
    """The page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text())
    chart = memory_chart(results.memory, results.cycles) if results.memory else None
    return template.render(
        version=__version__,
        results=results,
        columns=TITLES,
        longest=_longest(results.rows or ()),
        means=means,
        titles=TITLES,
        number=number_text,
        ratio=ratio_text,
        chart=chart and Markup(chart),
        commands=_commands(results),
    )


def _longest(rows: Sequence[Row]) -> dict[str, int]:
    """The largest value of each column, at least 1: the full length of its bars."""
    sides = [getattr(row, side) for row in rows for side in SIDES]
    return {key: max([1, *(side[key] for side in sides)]) for key in TITLES}


def _commands(results: Results) -> list[str]:
    folder = shlex.quote(str(results.folder))
    commands = [results.command]
    if results.rows is None:
        commands.append(f"finn-imec compare {folder}/{BUILD_MODEL} --output {folder}")
    return [*commands, f"finn-imec report {folder}"]
