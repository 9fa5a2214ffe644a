"""`finn-imec fit`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from finn_imec.cli.options import AsJson, Cluster, Jobs
from finn_imec.compat.finn import CLOCK_NS, FPGA_PART
from finn_imec.terminal import console, print_json, print_table, progress_bar


def fit(
    model: Annotated[
        Path, typer.Argument(help="QONNX export, or an .onnx of FINN layers or of the graph after the swap.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "imec_fit"
    ),
    part: Annotated[str, typer.Option(help="Part to fit.")] = FPGA_PART,
    resources: Annotated[
        str | None,
        typer.Option(help="Its resources in place of known ones, e.g. LUT=53200,BRAM18=280,DSP=220."),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second to reach at least cost.")] = None,
    fastest: Annotated[
        bool, typer.Option("--fastest", help="As many frames per second as fit; the default.")
    ] = False,
    utilization: Annotated[
        float, typer.Option(help="Part of each resource that may be used.", min=0.01, max=1)
    ] = 0.7,
    clock: Annotated[float, typer.Option(help="Clock period in ns.", min=0.1, max=1000)] = CLOCK_NS,
    measure: Annotated[
        bool, typer.Option("--measure", help="Count the nodes of the choice in Yosys, too: minutes each.")
    ] = False,
    jobs: Jobs = 2,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Fold a network for a part: as fast as fits, or at least cost, by estimates and an integer program.

    Writes FINN's folding configuration, a table and a chart of throughput against each resource, and a page.
    """
    from finn_imec.fit import fit as run_fit
    from finn_imec.fit import part_named, part_with
    from finn_imec.fit.parts import BUDGETED
    from finn_imec.report.fit_page import next_commands, write_fit_report
    from finn_imec.util.workers import workers

    chosen = part_named(part) if resources is None else part_with(part, resources)
    with (
        progress_bar("fit", None) as advance,
        workers(jobs, cluster) if measure else nullcontext() as executor,
    ):
        run_fit(
            model, chosen, output, fps, utilization, clock, measure,
            shlex.join(["finn-imec", *sys.argv[1:]]), lambda what: advance(0, label=what), executor,
        )  # fmt: skip
        result = write_fit_report(output)
    if as_json:
        print_json(result)
        return
    print_table(_point_table(result))
    print_table(_pareto_table(result))
    if result["measured"]:
        print_table(_counted_table(result))
        for key, more in result["counted_beyond"].items():
            console.print(
                f"Yosys counts {more:,} {BUDGETED[key]} more than --utilization {result['utilization']:g} "
                "allows: a smaller one leaves room for that",
                markup=False,
            )
    console.print(
        "\n  ".join(["next:", *next_commands(result, output)]) + f"\neverything is in {output}",
        markup=False,
        soft_wrap=True,
    )


def _columns(table: Table, result: Mapping[str, Any]) -> list[str]:
    from finn_imec.report.fit_page import used

    for title in ("frames/s", "cycles", *used(result).values()):
        table.add_column(title, justify="right")
    table.add_column("slowest", overflow="fold")
    return list(used(result))


def _cells(point: Mapping[str, Any], keys: list[str]) -> list[str]:
    return [
        f"{point['fps']:,.1f}",
        f"{point['cycles']:,}",
        *(f"{point[key]:,}" for key in keys),
        point["slowest"],
    ]


def _point_table(result: Mapping[str, Any]) -> Table:
    """The choice, FINN's results, and what the part allows."""
    from finn_imec.report.fit_page import beside

    title = f"{result['part']} at {result['clock_ns']:g} ns, {result['utilization']:.0%} of it, estimates"
    table = Table("", title=title)
    keys = _columns(table, result)
    for name, point in beside(result).items():
        if point is None:
            table.add_row(name, "no target fits")
        else:
            table.add_row(name if point["fits"] else f"{name}: does not fit", *_cells(point, keys))
    table.add_row("at most", "", "", *(f"{result['budget'][key]:,}" for key in keys), "")
    return table


def _pareto_table(result: Mapping[str, Any]) -> Table:
    """The cheapest choices at other throughputs."""
    table = Table("fits", title="Throughput against each resource: the choices of least cost")
    keys = _columns(table, result)
    for point in result["table"]:
        table.add_row("yes" if point["fits"] else "no", *_cells(point, keys))
    return table


def _counted_table(result: Mapping[str, Any]) -> Table:
    """What Yosys counted."""
    from finn_imec.report.fit_page import used

    table = Table("node", title="Counted by Yosys, for 7-series")
    for title in used(result).values():
        table.add_column(title, justify="right")
    table.add_column("RTL", overflow="fold")
    for name, figures in result["measured"].items():
        numbers = ("-" if figures[key] is None else f"{figures[key]:,}" for key in used(result))
        table.add_row(name, *numbers, figures["reason"] or figures["origin"])
    most = (f"{int(result['resources'][key] * result['utilization']):,}" for key in used(result))
    table.add_row("at most", *most, "")
    return table
