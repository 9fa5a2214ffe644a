"""Cycles per frame of FINN's pair and of IMECConv on random layers, both in RTL simulation.

    python benchmarks/throughput.py [--layers 60] [--jobs 2] [--json]

Layers of 500 to 40,000 cycles: kernels 1, 3, 5, stride 1 and 2, padded and not, dense and depthwise, any
folding. Both sides run three frames back to back, input always valid, output always ready; every word is
compared with plain convolution. Prints a row per layer and how the ratios are distributed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.storage import FULL_SPEED
from finn_imec.synthesis.comparison import generate_both, random_layer, simulate_both
from finn_imec.synthesis.stamp import code_digest
from finn_imec.util.errors import GeometryError

CYCLES = range(500, 40_000)
MOST_LANES = 64


def random_geometry(number: int) -> ConvGeometry:
    """Layer `number` of the sample; its line buffer is in LUTs, like FINN's buffers."""
    rng = np.random.default_rng([2027, number])

    def pick(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    while True:
        k, size = pick(1, 3, 3, 3, 5), pick(6, 8, 10, 14, 16, 24, 32)
        channels, outputs = pick(3, 4, 8, 16, 32), pick(8, 16, 32)
        depthwise = pick(False, False, False, False, False, True)
        outputs = channels if depthwise else outputs
        padding = pick(0, k // 2)
        try:
            geometry = ConvGeometry(
                (k, k), (size + 2 * padding,) * 2, channels, outputs, pick((1, 1), (1, 1), (2, 2)),
                simd=1 if depthwise else pick(*divisors(channels)), pe=pick(*divisors(outputs)),
                depthwise=depthwise, padding=(padding,) * 4, buffer_style="distributed",
            )  # fmt: skip
        except GeometryError:
            continue
        # FINN's replay buffer has had a fault with windows of one word (finn #894)
        if (
            geometry.simd * geometry.pe <= MOST_LANES
            and geometry.compute_cycles in CYCLES
            and geometry.sf > 1
        ):
            return geometry


def measured(number: int) -> dict[str, Any]:
    """{number, geometry, compute, finn, imec, code}: cycles per frame in steady state."""
    layer = random_layer(f"layer {number}", random_geometry(number), "UINT2", "INT2", seed=number)
    with tempfile.TemporaryDirectory() as folder:
        sides = simulate_both(layer, *generate_both(layer, "lut", Path(folder)))
    return {
        "number": number,
        "geometry": asdict(layer.geometry),
        "compute": layer.geometry.compute_cycles,
        **{side: int(figures["cycles"]) for side, figures in sides.items()},
        "code": code_digest(),
    }


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """How the ratios of IMECConv to FINN's pair are distributed."""
    ratios = np.array([row["imec"] / row["finn"] for row in rows])
    mean = np.exp(np.log(ratios).mean())
    return (
        f"{len(rows)} layers: IMECConv / FINN's pair {mean:.4f} on average, {ratios.min():.3f} to "
        f"{ratios.max():.3f}; {(ratios <= 1).sum()} not slower, {(ratios <= FULL_SPEED).sum()} within "
        f"{FULL_SPEED - 1:.1%}"
    )


def show(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """A row per layer, and the summary."""
    table = Table("layer", "kernel, stride, padding", "SIMD x PE", "multiplying", "FINN", "IMECConv")
    for row in rows:
        g = ConvGeometry(**row["geometry"])
        h, w = g.input_dim
        table.add_row(
            f"{h}x{w}x{g.ifm_channels} " + ("depthwise" if g.depthwise else f"to {g.ofm_channels}"),
            f"{g.kernel[0]}, {g.stride[0]}, {g.padding[0]}",
            f"{g.simd} x {g.pe}",
            *(f"{row[key]:,}" for key in ("compute", "finn", "imec")),
        )
    console.print(table)
    console.print(summary(rows))


def main(
    layers: Annotated[int, typer.Option(min=1)] = 60,
    jobs: Annotated[int, typer.Option(min=1)] = 2,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        found = pool.map(measured, range(layers))
        rows = list(track(found, "layers", layers, console=Console(stderr=True)))
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        show(Console(), rows)


if __name__ == "__main__":
    typer.run(main)
