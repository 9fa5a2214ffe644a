"""Speed of the flow itself: a build, swap and generation, the model cache, simulation beside FINN's pair.

    python benchmarks/speed.py CNV.npz [--json]

CNV.npz is one of the CNV networks (weights W0.., thresholds T0.., foldings fold0..). Prints seconds
and peak memory of `finn-imec build`, all steps from the dataflow partition on; seconds for swapping and
generating the RTL of its six convolutions, seconds to compile all Verilator models with an empty and
with a filled cache, and kilocycles per second of IMECConv beside FINN's SWG + MVAU for each layer, both
in this run.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import typer
from qonnx.core.modelwrapper import ModelWrapper
from rich.console import Console
from rich.table import Table

from finn_imec.synthesis.stamp import code_digest


def seconds(function, *arguments):
    """(seconds, result) of a call."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def whole_build(model: ModelWrapper, folder: Path) -> dict[str, Any]:
    """Seconds, of each step too, and peak memory of `finn-imec build` in a process of its own."""
    from finn_imec.compat.finn import CLOCK_NS

    source, config = folder / "network.onnx", folder / "build.json"
    model.save(str(source))
    options = {"start_step": "step_create_dataflow_partition", "synth_clk_period_ns": CLOCK_NS}
    config.write_text(json.dumps(options))
    command = [sys.executable, "-m", "finn_imec", "build", str(source), "-o", str(folder / "out")]
    command += ["--config", str(config), "--json"]
    took, run = seconds(lambda: subprocess.run(command, check=True, capture_output=True))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    steps = json.loads(run.stdout)["seconds"]
    return {"build_s": took, "build_steps_s": steps, "build_peak_gb": peak}


def main(network: Path, as_json: bool = typer.Option(False, "--json")) -> None:
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim

    from finn_imec.cli.models import load_model
    from finn_imec.compat.finn import CLOCK_NS, FPGA_PART, finn_build_dir
    from finn_imec.synthesis.comparison import (
        default_core,
        generate_both,
        layers_of_model,
        simulate_both,
    )
    from finn_imec.transformation.infer_imec_conv import swap_pairs
    from finn_imec.transformation.specialize_imec_conv import SpecializeIMECConv

    def swap_and_generate(model):
        return swap_pairs(model).transform(SpecializeIMECConv()).transform(PrepareIP(FPGA_PART, CLOCK_NS))

    with tempfile.TemporaryDirectory() as folder:
        os.environ["FINN_IMEC_CACHE"] = f"{folder}/cache"
        (Path(folder) / "build").mkdir()
        with finn_build_dir(Path(folder) / "build"):
            model = load_model(network)
            build = whole_build(model, Path(folder))
            generate, model = seconds(swap_and_generate, model)
            first, model = seconds(lambda m: m.transform(PrepareRTLSim()), model)
            second, model = seconds(lambda m: m.transform(PrepareRTLSim()), model)
        rows = []
        for layer in layers_of_model(model):
            sides = simulate_both(
                layer, *generate_both(layer, default_core(layer), Path(folder) / layer.name)
            )
            rows.append({"layer": layer.name, **{k: v["kilocycles_per_second"] for k, v in sides.items()}})
            rows[-1]["ratio"] = rows[-1]["imec"] / rows[-1]["finn"]
    result = {
        "network": network.stem,
        "code": code_digest(),
        **build,
        "swap_and_generate_s": generate,
        "compile_s": first,
        "compile_again_s": second,
        "simulation_kilocycles_per_s": rows,
        "geometric_mean_ratio": float(np.exp(np.mean([np.log(row["ratio"]) for row in rows]))),
    }
    if as_json:
        print(json.dumps(result, indent=2))
        return
    console = Console()
    console.print(f"build: {build['build_s']:.1f} s, {build['build_peak_gb']:.1f} GB at most")
    slowest = sorted(build["build_steps_s"].items(), key=lambda step: -step[1])[:3]
    console.print("slowest steps: " + ", ".join(f"{name} {took:.1f} s" for name, took in slowest))
    console.print(f"swap and generate RTL: {generate:.1f} s; compile: {first:.1f} s, again: {second:.2f} s")
    table = Table("layer", "FINN kc/s", "IMECConv kc/s", "ratio", title="Simulation in Verilator")
    for row in rows:
        table.add_row(row["layer"], f"{row['finn']:.0f}", f"{row['imec']:.0f}", f"{row['ratio']:.2f}")
    console.print(table)
    console.print(f"geometric mean ratio {result['geometric_mean_ratio']:.2f}")


if __name__ == "__main__":
    typer.run(main)
