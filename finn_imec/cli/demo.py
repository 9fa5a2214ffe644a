"""`finn-imec demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finn_imec.cli.options import AsJson
from finn_imec.cli.simulate import layer_line
from finn_imec.terminal import console, log, print_json, print_table, progress_bar


def demo(
    output: Annotated[Path, typer.Option(help="Folder for models, RTL, tables and chart.")] = Path(
        "imec_demo"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the training.", min=0)] = 0,
    images: Annotated[int, typer.Option(help="Number of test images to run in RTL.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Train a small network, swap its convolutions for IMECConv, simulate and measure them."""
    from finn_imec.demo import run_demo
    from finn_imec.report.table import comparison_table
    from finn_imec.synthesis.rows import Row

    with progress_bar("demo", None) as advance:
        result = run_demo(
            output,
            seed,
            images,
            stage=lambda name: advance(0, label=name),
            log=lambda line: log.print(line, markup=False),
        )
    if as_json:
        print_json(result)
        return
    print_table(comparison_table([Row.from_dict(row) for row in result["comparison"]]))
    for layer in result["layers"]:
        console.print(layer_line(layer))
    accuracy = result["accuracy"]
    console.print(
        f"accuracy on {accuracy['test_images']} test images: {accuracy['brevitas']:.2%} in Brevitas, "
        f"{accuracy['finn']:.2%} with FINN's pairs, {accuracy['imec']:.2%} with IMECConv; "
        f"{accuracy['rtl_images']} images through RTL: logits identical"
    )
    console.print(f"everything is in {output}")
