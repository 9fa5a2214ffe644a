"""`finn-imec algorithms`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from finn_imec.cli.options import AsJson, Geometry, parse_geometry
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.terminal import console, print_json, print_table, progress_bar
from finn_imec.util.errors import ImecError, require


def algorithms(
    layer: Annotated[str | None, typer.Option(help="One of MEC's benchmark layers, cv1 to cv12.")] = None,
    geometry: Geometry = None,
    run: Annotated[bool, typer.Option(help="Also run, check and time each algorithm.")] = False,
    backend: Annotated[
        str, typer.Option(help="numpy: memory by formula; torch: measured memory and time.")
    ] = "numpy",
    device: Annotated[str, typer.Option(help="With torch: cpu or cuda.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="With torch: float32, float16, bfloat16 or int8.")] = "float32",
    batch: Annotated[int, typer.Option(help="With torch: images per batch.")] = 1,
    groups: Annotated[int, typer.Option(help="With torch: groups of channels.")] = 1,
    chart: Annotated[Path | None, typer.Option(help="With torch: chart to write, .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the lowering memory of im2col, MEC and IMEC, by default on all of MEC's layers."""
    from finn_imec.algorithms import ALGORITHMS
    from finn_imec.algorithms import run as run_algorithm
    from finn_imec.algorithms.mec_benchmark import LAYERS, memory_table

    if layer and geometry:
        raise typer.BadParameter("--layer and --geometry exclude each other")
    if layer and layer not in LAYERS:
        raise typer.BadParameter(f"--layer {layer}: accepted are {', '.join(LAYERS)}")
    layers = LAYERS
    if layer:
        layers = {layer: LAYERS[layer]}
    elif geometry:
        layers = {"layer": parse_geometry(geometry)}
    if backend not in ("numpy", "torch"):
        raise typer.BadParameter(f"--backend {backend}: accepted are numpy, torch")
    if backend == "torch":
        options = {"device": device, "dtype": dtype, "batch": batch, "groups": groups}
        measure_algorithms(layers, options, chart, as_json)
        return
    rows = memory_table(layers)
    if run:
        with progress_bar("running", len(layers) * len(ALGORITHMS)) as advance:
            for row in rows:
                row["runs"] = []
                for name in ALGORITHMS:
                    row["runs"].append(run_algorithm(name, layers[row["layer"]]))
                    advance()
    if as_json:
        print_json(rows)
    else:
        table = Table("layer", title="Lowering memory, kB at 4 B per element (times below im2col)")
        lowering = [name for name in ALGORITHMS if f"{name}_bytes" in rows[0]]
        for name in lowering:
            table.add_column(name, justify="right")
        for row in rows:
            cells = [f"{row[f'{name}_bytes'] / 1000:,.0f} ({row[f'{name}_ratio']:.2f})" for name in lowering]
            table.add_row(row["layer"], *cells)
        print_table(table)
        for row in rows:
            for result in row.get("runs", []):
                verdict = "correct" if result["correct"] else "WRONG"
                console.print(
                    f"{row['layer']} {result['algorithm']}: {verdict}, {result['seconds']:.2f} s, "
                    f"{result['lowering_bytes']:,} B allocated"
                )
    if any(not result["correct"] for row in rows for result in row.get("runs", [])):
        raise ImecError("an algorithm gave a wrong result")


def measure_algorithms(
    layers: Mapping[str, ConvGeometry], options: dict[str, Any], chart: Path | None, as_json: bool
) -> None:
    """`algorithms --backend torch`: measure, print, draw; ImecError if a result is wrong."""
    from finn_imec.algorithms.timing import compare as compare_algorithms
    from finn_imec.algorithms.timing import environment, names
    from finn_imec.algorithms.timing_report import draw, table, wrong

    device = options["device"]
    if chart is not None:
        require("matplotlib", "plot")
        if chart.suffix not in (".png", ".svg"):
            raise typer.BadParameter(f"--chart {chart}: accepted are names in .png and .svg")
    stamp = environment(device)
    with progress_bar("measuring", len(layers) * len(names(device))) as advance:
        rows = list(compare_algorithms(layers, progress=lambda label: advance(label=label), **options))
    result = {"environment": stamp, "layers": rows}
    if chart is not None:
        draw(result, chart)
    if as_json:
        print_json(result)
    else:
        for title, header, lines in table(result):
            shown = Table(*header[:1], title=title)
            for column in header[1:]:
                shown.add_column(column, justify="right", overflow="fold")
            for line in lines:
                shown.add_row(*line)
            print_table(shown)
        if device == "cpu":
            console.print("CPU only: --device cuda adds the Triton kernel, cuBLAS and cuDNN.")
    if bad := wrong(result):
        raise ImecError(f"wrong results: {', '.join(bad)}")
