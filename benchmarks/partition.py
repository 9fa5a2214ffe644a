"""Whole CNV networks in one simulation, with FINN's pairs and with IMECConv: rate and wall time.

    python benchmarks/partition.py CNV.npz images.npz [--photos N] [--fifo-depth N] [--json]

Prints, for both, the cycles per photo in steady state beside what the slowest node needs, the latency,
the words that the FIFOs must hold at most, and the seconds to compile and to simulate. Exit code 1 if
a logit differs from the expected one.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from finn_imec.networks import cnv
from finn_imec.simulation.partition import simulate
from finn_imec.transformation import swap_pairs


def measure(network: Path, images: Path, photos: int, fifo_depth: int) -> list[dict]:
    """A row for FINN's pairs, and one for IMECConv."""
    expected = cnv.load_images(images)
    inputs = cnv.quantise_images(expected.images[:photos])
    rows = []
    for side, prepare in (("FINN", lambda model: model), ("IMECConv", swap_pairs)):
        began: dict[str, float] = {}
        run, outputs = simulate(
            prepare(cnv.build_cnv(network)),
            inputs,
            fifo_depth,
            stage=lambda name, began=began: began.setdefault(name.split()[0], time.perf_counter()),
        )
        done = time.perf_counter()
        logits = cnv.class_logits(outputs)
        rows.append(
            {
                "side": side,
                "exact": int((logits == expected.logits[network.stem][:photos]).all(axis=1).sum()),
                "cycles_per_frame": run.interval,
                "slowest_node": max(node.expected_cycles for node in run.nodes),
                "latency": run.latency,
                "fifo_words": sum(fifo.peak for fifo in run.fifos),
                "compile_s": began["frame"] - began["compiling"],
                "simulate_s": done - began["simulating,"],
                "kilocycles_per_second": run.cycles / 1000 / (done - began["simulating,"]),
            }
        )
    return rows


def main(
    network: Annotated[Path, typer.Argument()],
    images: Annotated[Path, typer.Argument()],
    photos: Annotated[int, typer.Option(min=2)] = 6,
    fifo_depth: int = 512,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    rows = measure(network, images, photos, fifo_depth)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        table = Table(*rows[0], title=f"{network.stem}, {photos} photos, FIFOs of {fifo_depth}")
        for row in rows:
            table.add_row(*(f"{v:,.1f}" if isinstance(v, float) else str(v) for v in row.values()))
        Console().print(table)
    raise SystemExit(any(row["exact"] != photos for row in rows))


if __name__ == "__main__":
    typer.run(main)
