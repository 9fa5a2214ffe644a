"""docs/algorithms.md: memory and time of im2col, MEC and IMEC on PyTorch, MEC's twelve layers.

    python benchmarks/algorithms.py measure --device cuda --dtype float16 --batch 32
    python benchmarks/algorithms.py table benchmarks/results/algorithms/cuda-float16-32.json
    python benchmarks/algorithms.py page > docs/algorithms.md
    python benchmarks/algorithms.py chart benchmarks/results/algorithms/cuda-float16-32.json CHART.png

`measure` writes DEVICE-TYPE-BATCH.json; what it measured before is overwritten. On a CPU, two threads.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import pages
import typer

# Else threads that wait for each other keep the cores from other programs' threads, and from their own.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from finn_imec.algorithms import timing
from finn_imec.algorithms.mec_benchmark import LAYERS
from finn_imec.algorithms.timing_report import algorithms_of, draw, largest_table, wrong
from finn_imec.algorithms.timing_report import table as tables_of
from finn_imec.algorithms.torch_backend import torch_module

RESULTS = Path(__file__).parent / "results" / "algorithms"
PAGE = Path(__file__).with_name("algorithms.md.j2")
#: The results that the page shows.
SHOWN = ("cpu-float32-1", "cuda-float32-1", "cuda-float32-32", "cuda-float16-32", "cuda-int8-1")
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
            image = timing.largest_image(name, LAYERS[GROWN], MEMORY[device], device=device, dtype=dtype)
            result["largest"]["images"].append(image)
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{device}-{dtype}-{batch}.json"
    text = json.dumps(result, indent=1)
    path.with_suffix(".part").write_text(text + "\n")
    path.with_suffix(".part").replace(path)
    if bad := wrong(result):
        raise SystemExit(f"wrong: {', '.join(bad)}")


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@app.command()
def table(result: Annotated[Path, typer.Argument(help="Written by `measure`.")]) -> None:
    """Print the tables of a result."""
    print(markdown(load(result)), end="")


@app.command()
def chart(
    result: Annotated[Path, typer.Argument(help="Written by `measure`.")],
    path: Annotated[Path, typer.Argument(help="PNG or SVG.")],
) -> None:
    """Draw memory and time."""
    draw(load(result), path)


@app.command()
def page(
    results: Annotated[Path, typer.Option(help="Where the measurements are.")] = RESULTS,
) -> None:
    """Print docs/algorithms.md."""
    print(page_text(results), end="")


def page_text(results: Path = RESULTS) -> str:
    """docs/algorithms.md from the JSON files in `results`."""
    from finn_imec.util.templates import render

    measured = {name: load(results / f"{name}.json") for name in SHOWN}
    return render(
        PAGE,
        tables={name: markdown(result) for name, result in measured.items()},
        environments={name: environment_text(result) for name, result in measured.items()},
        int8=int8_sentence(measured["cuda-int8-1"]),
        wrong={name: wrong(result) for name, result in measured.items()},
        factors=factors(measured["cuda-float32-1"]),
        half=factors(measured["cuda-float16-32"]),
    )


def markdown(result: dict[str, Any]) -> str:
    """The tables of a result, each with its title."""
    tables = tables_of(result)
    if "largest" in result:
        tables.append(largest_table(result))
    text = ""
    for title, header, rows in tables:
        text += f"**{title}**\n\n{pages.markdown(header, rows)}\n"
    return text


def environment_text(result: dict[str, Any]) -> str:
    """One line of device, versions and digest."""
    e = result["environment"]
    parts = [e["device"], f"torch {e['torch']}", f"Python {e['python']}"]
    if e["threads"]:
        parts.insert(1, f"{e['threads']} threads")
    if "cuda" in e:
        parts += [f"Triton {e['triton']}", f"CUDA {e['cuda']}", f"cuDNN {e['cudnn']}"]
    return ", ".join(parts) + f"; code {e['code']}"


def int8_sentence(result: dict[str, Any]) -> str:
    """How many layers each algorithm can in int8."""
    counts = {
        name: sum("unsupported" not in row["results"][number] for row in result["layers"])
        for number, name in enumerate(algorithms_of(result))
    }
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def factors(result: dict[str, Any]) -> dict[str, str]:
    """Geometric means over the layers where both are right: time of kernels over imec_triton's."""
    names = algorithms_of(result)
    triton = names.index(timing.TRITON)
    means = {}
    for number, name in enumerate(names):
        ratios = [
            math.log(each["device_milliseconds"] / kernel["device_milliseconds"])
            for row in result["layers"]
            for each, kernel in [(row["results"][number], row["results"][triton])]
            if each.get("device_milliseconds") and each["correct"] and kernel["correct"]
        ]
        means[name] = f"{math.exp(sum(ratios) / len(ratios)):.2f}" if ratios else "-"
    return means


if __name__ == "__main__":
    app()
