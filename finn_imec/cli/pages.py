"""`finn-imec report` and `finn-imec paper`: pages, tables and figures of what others measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from finn_imec.cli.options import AsJson
from finn_imec.terminal import console, print_json, print_table, progress_bar


def report(
    folder: Annotated[Path, typer.Argument(help="Folder written by demo, build, compare --output or fit.")],
    as_json: AsJson = False,
) -> None:
    """Write the results in a folder as one HTML page that works offline, report.html."""
    from finn_imec.report.fit_page import is_fit, write_fit_report
    from finn_imec.report.page import write_report

    with progress_bar("report", None):
        result = write_fit_report(folder) if is_fit(folder) else write_report(folder)
    if as_json:
        print_json(result)
    else:
        console.print(result["page"], markup=False, soft_wrap=True)


def paper(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables, figures and JSON.")
    ] = Path("imec_paper"),
    results: Annotated[
        Path | None,
        typer.Option(help="Folder of measurements; default: those in the wheel."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Skip what takes hours.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the IMEC paper's tables and figures again: published, today's FINN, IMECConv."""
    from finn_imec.report.paper import reproduce

    with progress_bar("paper", None) as advance:
        result, tables = reproduce(output, results, quick, lambda name: advance(label=name))
    if as_json:
        print_json(result)
        return
    for each in tables:
        table = Table(*each.columns[:1], title=each.title, caption=each.note or None)
        for column in each.columns[1:]:
            table.add_column(column, justify="right")
        for line in each.lines:
            table.add_row(*line)
        print_table(table)
    for line in result["differences"]:
        console.print(f"- {line}", markup=False)
    console.print(f"everything is in {output}")
