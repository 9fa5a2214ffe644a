"""Whole CNV networks in one simulation, with FINN's pairs and with IMECConv: rate and wall time.

    python benchmarks/partition.py CNV.npz images.npz [--photos N] [--fifo-depth N] [--resources] [--json]

Prints, for both, the cycles per photo in steady state beside what the slowest node needs, the latency,
the words that the FIFOs must hold at most, and the seconds to compile and to simulate. Exit code 1 if
a logit differs from the expected one. --resources adds Yosys' figures of all convolutions and of everything
else, like networks.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from networks import count_resources, count_rest, show_sums
from rich.console import Console
from rich.table import Table

from finn_imec.networks import cnv
from finn_imec.partition import simulate
from finn_imec.synthesis.stamp import code_digest
from finn_imec.transformation.infer_imec_conv import swap_pairs

SIDES = {"FINN": "finn", "IMECConv": "imec"}


def measure(network: Path, images: Path, photos: int, fifo_depth: int, resources: bool) -> list[dict]:
    """A row for FINN's pairs, and one for IMECConv."""
    expected = cnv.load_images(images)
    inputs = cnv.quantize_images(expected.images[:photos])
    rows, depths = [], {}
    for side, prepare in (("FINN", lambda model: model), ("IMECConv", swap_pairs)):
        run, outputs = simulate(prepare(cnv.build_cnv(network)), inputs, fifo_depth)
        depths[SIDES[side]] = {fifo.node: max(2, fifo.peak) for fifo in run.fifos}
        logits = cnv.class_logits(outputs)
        rows.append(
            {
                "side": side,
                "code": code_digest(),
                "exact": int((logits == expected.logits[network.stem][:photos]).all(axis=1).sum()),
                "cycles_per_frame": run.interval,
                "slowest_node": max(node.expected_cycles for node in run.nodes),
                "latency": run.latency,
                "fifo_words": sum(fifo.peak for fifo in run.fifos),
                "compile_s": run.compile_s,
                "simulate_s": run.simulate_s,
                "kilocycles_per_second": run.cycles / 1000 / run.simulate_s,
            }
        )
    if resources:
        totals = count_resources(swap_pairs(cnv.build_cnv(network)))["totals"]
        rest = count_rest(cnv.build_cnv(network), depths)
        for row in rows:
            side = SIDES[row["side"]]
            row["convolutions"] = {key: both[side] for key, both in totals.items()}
            row["rest"] = rest[side]
    return rows


def main(
    network: Annotated[Path, typer.Argument()],
    images: Annotated[Path, typer.Argument()],
    photos: Annotated[int, typer.Option(min=2)] = 6,
    fifo_depth: int = 512,
    resources: Annotated[bool, typer.Option("--resources")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    rows = measure(network, images, photos, fifo_depth, resources)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        console, columns = Console(), [key for key in rows[0] if key not in ("convolutions", "rest")]
        table = Table(*columns, title=f"{network.stem}, {photos} photos, FIFOs of {fifo_depth}")
        for row in rows:
            values = (row[key] for key in columns)
            table.add_row(*(f"{v:,.1f}" if isinstance(v, float) else str(v) for v in values))
        console.print(table)
        if resources:
            sides = {row["side"]: (row["convolutions"], row["rest"]) for row in rows}
            show_sums(console, network.stem, sides)
    raise SystemExit(any(row["exact"] != photos for row in rows))


if __name__ == "__main__":
    typer.run(main)
