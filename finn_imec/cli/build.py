"""`finn-imec build`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from finn_imec.cli.compare import counted_rows
from finn_imec.cli.models import load_model
from finn_imec.cli.options import AsJson
from finn_imec.terminal import console, log, print_json, print_table, progress_bar
from finn_imec.util.errors import UnsupportedError


def build(
    model: Annotated[Path, typer.Argument(help="QONNX export, or what the first step accepts as .onnx.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the results; default: the output_dir of the config."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML or JSON: fields of FINN's DataflowBuildConfig.")
    ] = None,
    allow_larger: Annotated[
        bool,
        typer.Option(
            "--allow-larger",
            help="Also swap pairs whose IMECConv needs a folding that costs more LUTs or DSPs.",
        ),
    ] = False,
    pointwise: Annotated[
        bool,
        typer.Option(
            help="Also swap MVAUs alone, of dense layers and 1x1 convolutions, where that saves LUTs.",
        ),
    ] = True,
    absorb_thresholds: Annotated[
        bool,
        typer.Option(help="Make standalone thresholds behind a pair part of the IMECConv, where that saves."),
    ] = True,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Count both sides in Yosys, too, as compare does: minutes a layer."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run finn-plus' build steps, including the swap, without Vivado; show what the swap saves.

    The built network is executed in Python for a random frame; other outputs than the export's are an error.
    """
    from finn_imec.builder import build as run_build
    from finn_imec.builder import load_conversion
    from finn_imec.builder.conversion import REPORT
    from finn_imec.partition.export import check_build
    from finn_imec.partition.joins import note_joins
    from finn_imec.report.table import savings_table

    with progress_bar("build", None) as advance:
        result = run_build(
            model,
            config if config is not None else {},
            output,
            lambda number, steps, name: advance(label=name, total=steps),
            allow_larger,
            announce=lambda settings: log.print(str(settings), highlight=False, markup=False),
            pointwise=pointwise,
            absorb_thresholds=absorb_thresholds,
        )
        advance(0, label="one frame in Python")
        equal = check_build(result.output_dir)
    joins = note_joins(result.output_dir)
    conversion = result.conversion and load_conversion(result.output_dir / REPORT)
    rows = measured_build(result) if measure and conversion else []
    if as_json:
        print_json(
            {
                "output_dir": str(result.output_dir),
                "model": str(result.model),
                "settings": asdict(result.settings),
                "seconds": result.seconds,
                **(conversion.as_dict() if conversion else {"pairs": []}),
                "rows": [row.as_dict() for row in rows],
                "foldings": [asdict(folding) for folding in result.foldings],
                "notes": list(result.notes),
                "slower_than_target": result.slower_than_target,
                "reports": {name: str(path) for name, path in result.reports.items()},
            }
        )
        return
    console.print(f"model: {result.model}", markup=False, soft_wrap=True)
    console.print(f"reports: {result.output_dir / 'report'}", markup=False, soft_wrap=True)
    for line in (*result.notes, *result.foldings):
        console.print(str(line), markup=False)
    for name, cycles in result.slower_than_target.items():
        target = f"{result.settings.target_cycles:,} of target_fps"
        console.print(f"{name} takes {cycles:,} cycles a frame, more than the {target}", markup=False)
    if conversion is None:
        for line in (*joins, equal):
            console.print(line, markup=False, highlight=False)
        return
    if conversion.total["finn"]:
        print_table(savings_table(conversion, rows))
    for pair in conversion.pairs:
        if pair.refolded or not pair.swapped or pair.stays:
            console.print(str(pair), markup=False)
    for line in (*joins, equal):
        console.print(line, markup=False, highlight=False)
    console.print("next:")
    for command in conversion.next:
        console.print(f"  {command}", markup=False, soft_wrap=True)


def measured_build(result: Any) -> list[Any]:
    """Both sides of a build's swapped layers, counted, each at its own folding; written into its folder."""
    from finn_imec.report.results import COMPARISON, write_rows
    from finn_imec.synthesis import comparison

    if not any(pair.swapped for pair in result.pairs):
        log.print("nothing to measure: no layer was swapped", highlight=False)
        return []
    folder, clock = result.output_dir, result.conversion.clock_ns
    layers = comparison.layers_of_model(load_model(result.model), result.pairs, as_built=True)
    try:
        rows, refused = counted_rows(layers, clock_ns=clock)
    except UnsupportedError as err:
        log.print(f"nothing to measure: {err}", highlight=False, markup=False)
        return []
    for name, why in refused.items():
        log.print(f"{name} is not counted: {why}", highlight=False, markup=False)
    write_rows(rows, shlex.join(["finn-imec", "compare", str(folder)]), folder / COMPARISON)
    return rows
