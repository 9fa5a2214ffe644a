"""`finn-imec compare`, by Yosys and Verilator."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from finn_imec.cli.models import built
from finn_imec.cli.options import (
    Activation,
    AsJson,
    Bits,
    Cluster,
    Depthwise,
    FullRange,
    Geometry,
    Jobs,
    LayerSet,
    MacCore,
    Pe,
    Simd,
    Steps,
    Weight,
    chosen_layers,
)
from finn_imec.compat.finn import CLOCK_NS, FPGA_PART
from finn_imec.terminal import console, log, print_json, print_table, progress_bar


def compare(
    model: Annotated[
        Path | None, typer.Argument(help="Folder of a build, .onnx of FINN layers, or a CNV .npz.")
    ] = None,
    geometry: Geometry = None,
    layers: LayerSet = None,
    bits: Bits = "2",
    simd: Simd = None,
    pe: Pe = None,
    depthwise: Depthwise = False,
    activation: Activation = "INT2",
    weight: Weight = "INT2",
    steps: Steps = None,
    full_range: FullRange = False,
    core: MacCore = "auto",
    compressor: Annotated[
        Path | None,
        typer.Option(help="Checkout of FINN whose compressor tree (pull request 1560) is FINN's LUT core."),
    ] = None,
    same_folding: Annotated[
        bool,
        typer.Option(
            "--same-folding", help="With MODEL: FINN's pairs at IMECConv's folding, where theirs was another."
        ),
    ] = False,
    clock: Annotated[
        float | None,
        typer.Option(
            help="Period in ns to meet with fewest LUTs, by a model before placement; default: that of the "
            f"build, or {CLOCK_NS:g}.",
            min=0.1,
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(help="Device: of 7-series, or of UltraScale or UltraScale+, counted without a period."),
    ] = FPGA_PART,
    place: Annotated[
        bool, typer.Option("--place", help="Also place and route both sides, on an ECP5: minutes a layer.")
    ] = False,
    path: Annotated[bool, typer.Option("--path", help="Also print the longest path of each side.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for comparison.json; may be that of a build, and is if one is given.",
        ),
    ] = None,
    jobs: Jobs = 2,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Compare FINN's SWG + MVAU + Thresholding with IMECConv: resources by Yosys, cycles by Verilator.

    Each side of MODEL has its own folding: FINN's that of the pair that became the IMECConv.
    """
    from finn_imec.report.results import COMPARISON, comparison_folder, write_rows
    from finn_imec.report.table import comparison_table

    conversion = None
    if model is not None and model.is_dir():
        model, conversion = built(model)
        output = output or model.parent
    chosen = chosen_layers(
        model, geometry, layers, bits, simd, pe, depthwise, activation, weight, steps, core,
        conversion.pairs if conversion else (), not same_folding, full_range,
    )  # fmt: skip
    clock = clock or (conversion and conversion.clock_ns) or CLOCK_NS
    with comparison_folder(output) if output else nullcontext() as folder:
        rows, refused = counted_rows(
            chosen, core, cluster, clock_ns=clock, routed=place, jobs=jobs, part=part, compressor=compressor
        )
        if folder is not None:
            write_rows(rows, shlex.join(["finn-imec", *sys.argv[1:]]), folder / COMPARISON)
    left_out = not_counted(conversion.pairs if conversion else (), refused)
    if as_json:
        print_json([row.as_dict() for row in rows])
        for line in left_out:
            log.print(line, highlight=False, markup=False)
    else:
        print_table(comparison_table(rows))
        if model is not None:
            console.print(which_folding(rows, same_folding), markup=False)
        for line in left_out:
            console.print(line, markup=False)
        for row in rows if path else ():
            for side in (row.finn, row.imec):
                console.print(f"{row.layer}, {'FINN' if side is row.finn else 'IMECConv'}:", markup=False)
                console.print(side.path, markup=False, highlight=False, soft_wrap=True)


def counted_rows(
    layers: Sequence[Any], core: str = "auto", cluster: str | None = None, **options: Any
) -> tuple[list[Any], dict[str, str]]:
    """comparison.compare, on a cluster if one is named, with a progress bar.

    Returns the rows with their geometry, and the reasons, by name, why other layers are not counted.
    """
    from finn_imec.synthesis import comparison
    from finn_imec.util.workers import workers

    refused: dict[str, str] = {}
    with (
        workers(cluster=cluster) if cluster else nullcontext() as executor,
        progress_bar("synthesis and simulation", len(layers)) as advance,
    ):
        rows = comparison.compare(
            layers,
            core,
            progress=lambda name: advance(label=name),
            stage=lambda name: advance(0, label=name),
            executor=executor,
            refused=refused,
            **options,
        )
    # A set of layers has the same names at every width.
    geometries = {(layer.name, layer.bits): layer.geometry for layer in layers}
    return [replace(row, geometry=geometries[row.layer, row.bits]) for row in rows], refused


def not_counted(pairs: Sequence[Any], refused: Mapping[str, str]) -> list[str]:
    """A line for each layer that `compare` does not count, with its estimates if it is of a build's `pairs`.

    refused: reasons by name, see `counted_rows`.
    """
    swapped = {pair.imecconv: pair for pair in pairs if pair.swapped}
    lines = []
    for name, why in refused.items():
        pair = swapped.get(name)
        known = pair and pair.finn and pair.imec
        luts = f"; by the estimates {pair.finn['lut']:,} to {pair.imec['lut']:,} LUTs" if known else ""
        lines.append(f"{name} is not counted: {why}{luts}")
    return lines


def which_folding(rows: Sequence[Any], same_folding: bool) -> str:
    """At which folding `compare MODEL` counts FINN's side."""
    if same_folding:
        return "FINN's side is counted at IMECConv's folding; without --same-folding, at that of its pairs."
    other = sum(row.finn_folding is not None for row in rows)
    return (
        f"FINN's side is counted at the folding of its pairs, of which {other} of {len(rows)} differ from "
        "IMECConv's; --same-folding counts both sides at IMECConv's."
    )
