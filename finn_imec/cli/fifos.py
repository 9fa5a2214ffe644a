"""`finn-imec fifos`."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from finn_imec.cli.models import built, load_model
from finn_imec.cli.options import AsJson
from finn_imec.compat.finn import CLOCK_NS, FPGA_PART
from finn_imec.terminal import console, print_json, print_table, progress_bar
from finn_imec.util.errors import ModelError
from finn_imec.util.output import write_text


def fifos(
    model: Annotated[Path, typer.Argument(help="A build's folder, an .onnx of FINN layers, or a CNV .npz.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File for the depths, FINN's fifo_config_file.")
    ] = Path("fifo_config.json"),
    cycles: Annotated[
        int | None,
        typer.Option(help="Cycles a frame that are enough; default: those with FIFOs of any depth.", min=1),
    ] = None,
    swap: Annotated[bool, typer.Option("--swap", help="Swap FINN's pairs for IMECConv first.")] = False,
    frames: Annotated[int, typer.Option(help="Random frames of each trial.", min=3)] = 4,
    limit: Annotated[int, typer.Option(help="Most trials.", min=1)] = 500,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Cycles a frame against memory instead, of IMECConv and of FINN's pairs; no file."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Size a partition's FIFOs by simulation: the smallest depths that keep its frames per second."""
    network = load_model(model)
    conversion = built(model)[1] if model.is_dir() else None
    part = (conversion and conversion.part) or FPGA_PART
    clock = (conversion and conversion.clock_ns) or CLOCK_NS
    if curve:
        show_curves(network, part, clock, frames, limit, as_json)
        return
    from finn_imec.custom_op import imec_nodes
    from finn_imec.fifos import size_fifos
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    if swap and not imec_nodes(network):
        network = swap_pairs(network)
    with progress_bar("FIFOs", None) as advance:
        sizing = size_fifos(network, cycles, part, frames, limit, lambda name: advance(0, label=name), clock)
    write_text(output, json.dumps(sizing.config(), indent=2) + "\n")
    if as_json:
        print_json({"model": str(model), "output": str(output), **asdict(sizing)})
        return
    print_table(fifo_table(sizing))
    console.print(
        f"{sizing.interval:,} cycles a frame over {sizing.frames} frames, {sizing.unlimited:,} with FIFOs of "
        f"any depth; {sizing.latency:,} cycles latency; {sizing.simulations} trials"
    )
    if not sizing.complete:
        console.print(f"stopped at --limit {limit}: these depths keep the rate, smaller ones may, too")
    console.print(f"fifo_config_file: {output}", markup=False, soft_wrap=True)


def fifo_table(sizing: Any) -> Table:
    """A sizing's FIFOs, each with the nodes before and behind it."""
    total = sum(fifo.bits for fifo in sizing.fifos)
    caption = f"fill: most words in a FIFO of any depth; together {total:,} bits, costs by FINN's estimates"
    table = Table("FIFO", "from", "to", caption=caption, box=box.SIMPLE_HEAD)
    for column in ("bits wide", "words a frame", "fill", "depth"):
        table.add_column(column, justify="right")
    table.add_column("cost")
    for fifo in sizing.fifos:
        ends = (fifo.producer or "input", fifo.consumer or "output")
        numbers = (fifo.width, fifo.words, fifo.fill, fifo.depth)
        table.add_row(fifo.node, *ends, *(f"{number:,}" for number in numbers), str(fifo.cost))
    return table


def show_curves(network: Any, part: str, clock: float, frames: int, limit: int, as_json: bool) -> None:
    """`fifos --curve`: both sides of a network, and where IMECConv's is the slower one at equal memory."""
    from finn_imec.custom_op import imec_nodes
    from finn_imec.fifos.memory import FACTORS, luts_of, slower_at, within
    from finn_imec.fifos.memory import curve as measure
    from finn_imec.partition.graph import hardware_part
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    if any(node.op_type.startswith("StreamingFIFO") for node in network.graph.node):
        raise ModelError("the model has FIFOs; --curve is for a model without")
    network = hardware_part(network)
    swapped = network if imec_nodes(network) else swap_pairs(network)
    pairs = network.transform(ExpandIMECConv()) if swapped is network else network

    def side(name: str, model: Any, **options: Any) -> Any:
        with progress_bar(name, None) as advance:
            say = partial(advance, 0)
            return measure(
                model, part, frames, limit, stage=lambda what: say(label=what), clock_ns=clock, **options
            )

    finn = side("FINN's pairs", pairs, factors=FACTORS)
    imec = side("IMECConv", swapped, factors=(), targets=[point.interval for point in finn])
    slower = {"bits": slower_at(imec, finn), "luts": slower_at(imec, finn, luts_of)}
    curves = {"FINN's pairs": finn, "IMECConv": imec}
    if as_json:
        shown = {name: [asdict(point) for point in points] for name, points in curves.items()}
        about = {"part": part, "clock_ns": clock, "frames": frames}
        print_json({**about, "curves": shown, "slower_at": slower["bits"], "slower_at_luts": slower["luts"]})
        return
    table = Table(
        "cycles a frame", title="Memory that is enough for so many cycles a frame", box=box.SIMPLE_HEAD
    )
    for name in curves:
        table.add_column(f"{name}:\nbits", justify="right")
        table.add_column("\nLUTs, RAMB18", justify="right")
    for interval in sorted({point.interval for points in curves.values() for point in points}):
        cells = []
        for point in (within(points, interval) for points in curves.values()):
            cells += [f"{point.bits:,}", f"{point.lut:,}, {point.bram18:,}"] if point else ["", ""]
        table.add_row(f"{interval:,}", *cells)
    print_table(table)
    for unit, sizes in slower.items():
        where = f"with {', '.join(f'{size:,}' for size in sizes)}" if sizes else "at none of these sizes in"
        console.print(f"IMECConv is slower than FINN's pairs {where} {unit if unit == 'bits' else 'LUTs'}")
    if not all(point.complete for points in curves.values() for point in points):
        console.print(f"stopped at --limit {limit}: smaller depths may do, too")
