"""docs/algorithms.md: memory and time of im2col, MEC and IMEC on PyTorch, MEC's twelve layers.

    python benchmarks/algorithms.py measure --device cuda --dtype float16 --batch 32
    python benchmarks/algorithms.py table benchmarks/results/algorithms/cuda-float16-32.json
    python benchmarks/algorithms.py page > docs/algorithms.md
    python benchmarks/algorithms.py chart benchmarks/results/algorithms/cuda-float16-32.json CHART.png

`measure` writes DEVICE-TYPE-BATCH.json; what it measured before is overwritten. On a CPU, two threads.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

# Else threads that wait for each other keep the cores from other programs' threads, and from their own.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from finn_imec.algorithms import timing
from finn_imec.algorithms.mec_benchmark import LAYERS
from finn_imec.algorithms.torch_backend import torch_module

RESULTS = Path(__file__).parent / "results" / "algorithms"
PAGE = Path(__file__).with_name("algorithms.md.j2")
CPU_THREADS = 2
#: The layer whose image grows until the memory is full, and the memory: on a CPU, on a GPU.
GROWN, MEMORY = "cv9", {"cpu": 256 * 2**20, "cuda": 4 * 2**30}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure(
    device: Annotated[str, typer.Option()] = "cpu",
    dtype: Annotated[str, typer.Option()] = "float32",
    batch: Annotated[int, typer.Option()] = 1,
    seconds: Annotated[float, typer.Option(help="Per algorithm and layer.")] = timing.SECONDS,
    largest: Annotated[bool, typer.Option(help="Also the largest image that fits.")] = False,
    results: Annotated[Path, typer.Option(help="Folder to write into.")] = RESULTS,
) -> None:
    """Measure all layers; write one JSON."""
    timing.check_device(device)
    if device == "cpu":
        torch_module().set_num_threads(CPU_THREADS)
    result: dict[str, Any] = {
        "environment": timing.environment(device),
        "device": device,
        "dtype": dtype,
        "batch": batch,
        "layers": [],
    }
    for row in timing.compare(
        LAYERS, device=device, dtype=dtype, batch=batch, seconds=seconds,
        progress=lambda label: print(label, file=sys.stderr, flush=True),
    ):  # fmt: skip
        result["layers"].append(row)
    if largest:
        result["largest"] = {"layer": GROWN, "memory_bytes": MEMORY[device], "images": []}
        for name in timing.names(device):
            print(f"largest image, {name}", file=sys.stderr, flush=True)
            image = timing.largest_image(
                name, LAYERS[GROWN], MEMORY[device], device=device, dtype=dtype
            )
            result["largest"]["images"].append(image)
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{device}-{dtype}-{batch}.json"
    text = json.dumps(result, indent=1)
    path.with_suffix(".part").write_text(text + "\n")
    path.with_suffix(".part").replace(path)
    wrong = [
        f"{row['layer']} {each['algorithm']}"
        for row in result["layers"]
        for each in row["results"]
        if not each.get("correct", True)
    ]
    if wrong:
        raise SystemExit(f"wrong: {', '.join(wrong)}")


if __name__ == "__main__":
    app()
