"""Trained networks through FINN's builder with the swap, every output compared.

    python benchmarks/networks.py [digits] [mobilenet] [resnet] [--images 20] [--epochs 20]
                                  [--target-fps 100000] [--json]

Each network (all, if none is named) is trained, exported, lowered to FINN's hardware layers and built,
with FINN's folding for the target. All test images go through Brevitas, through FINN's graph before the
swap, and through the graph behind it, in Python. Then the first --images go through the RTL of every
IMECConv, node by node, every word of each compared with plain convolution, and through the C++ of every
IMECConv that imec.hpp takes. Prints a line per network and one per pair. Exit code 1 if an output
differs.
"""

from __future__ import annotations

import copy
import importlib
import json
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

NETWORKS = ("digits", "mobilenet", "resnet")


def measure(name: str, images: int, epochs: int, target_fps: int, folder: Path) -> dict[str, Any]:
    """All figures of one network, as --json prints them; `folder` is for intermediate files."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.builder import build
    from finn_imec.compat import CLOCK_NS
    from finn_imec.networks import lowering, training
    from finn_imec.simulation.network import prepare_network, run_network
    from finn_imec.simulation.partition import in_python

    trained = importlib.import_module(f"finn_imec.networks.{name}").train(epochs=epochs)
    qonnx = training.export_qonnx(trained, folder / "qonnx.onnx")
    lowering.to_hardware(ModelWrapper(str(qonnx))).save(str(folder / "hardware.onnx"))
    config = {
        "start_step": "step_create_dataflow_partition",
        "synth_clk_period_ns": CLOCK_NS,
        "target_fps": target_fps,
    }
    built = build(folder / "hardware.onnx", config, folder / "build")
    before = built.output_dir / "intermediate_models" / "step_minimize_bit_width.onnx"
    models = {"finn": ModelWrapper(str(before)), "imec": ModelWrapper(str(built.model))}
    slowest = {
        side: max(int(getCustomOp(node).get_exp_cycles()) for node in model.graph.node)
        for side, model in models.items()
    }

    x, y = trained.x_test, trained.y_test
    # The hardware's outputs are logits in units of the scale that the parent graph multiplies with.
    parent = ModelWrapper(str(built.parent))
    scale = parent.get_initializer(parent.graph.node[-1].input[1])
    outputs = {"brevitas": np.round(training.logits(trained.model, x) / scale)}
    for side, model in models.items():
        models[side] = in_python(model)
        outputs[side] = lowering.execute(models[side], x)
    outputs["cppsim"] = lowering.execute(in_cppsim(models["imec"], folder / "cpp"), x[:images])
    (folder / "rtl").mkdir()
    model = prepare_network(models["imec"], folder / "rtl")
    outputs["rtl"], layers = run_network(model, x[:images])
    outputs = {side: values.reshape(len(values), -1) for side, values in outputs.items()}
    return {
        "network": name,
        "sides": {
            side: {
                "images": len(values),
                "accuracy": float((values.argmax(1) == y[: len(values)]).mean()),
                "equal_to_brevitas": int(
                    (values == outputs["brevitas"][: len(values)]).all(1).sum()
                ),
            }
            for side, values in outputs.items()
        },
        "slowest_layer_cycles": slowest,
        "pairs": [vars(pair) for pair in built.pairs],
        "layers": layers,
    }


def in_cppsim(model: Any, folder: Path) -> Any:
    """A copy in which every IMECConv that imec.hpp takes is a compiled IMECConv_hls."""
    from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
    from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.compat import finn_build_dir

    model = copy.deepcopy(model)
    for node in model.graph.node:
        if node.op_type == "IMECConv" and not getCustomOp(node).geometry.window:
            node.op_type, node.domain = "IMECConv_hls", "finn.custom_op.fpgadataflow.hls"
    folder.mkdir()
    with finn_build_dir(folder):
        for step in (PrepareCppSim(), CompileCppSim(), SetExecMode("cppsim")):
            model = model.transform(step)
    return model


def show(console: Console, results: list[dict[str, Any]]) -> None:
    """A table of the networks, and one of each network's pairs."""
    table = Table("network", "run by", "images", "equal", "accuracy", "slowest layer, cycles")
    for result in results:
        for side, values in result["sides"].items():
            table.add_row(
                *(result["network"], side, str(values["images"]), str(values["equal_to_brevitas"])),
                *(f"{values['accuracy']:.2%}", str(result["slowest_layer_cycles"].get(side, ""))),
            )
    console.print(table)
    for result in results:
        table = Table(
            *("pair of", "node", "padding", "SIMD x PE", "FINN", "IMECConv", "first frame"),
            title=f"{result['network']}: cycles per frame, FINN's estimate, model, first frame in RTL",
        )
        first = {layer["node"]: layer["cycles_rtlsim"] for layer in result["layers"]}
        for pair in result["pairs"]:
            padding = pair["padding_reason"] or ("absorbed" if pair["fmpadding"] else "none")
            table.add_row(
                *(pair["mvau"] or pair["swg"], pair["imecconv"] or pair["reason"], padding),
                f"{pair['simd']} x {pair['pe']}{', refolded' if pair['refolded'] else ''}",
                *(str(pair["pair_cycles"]), str(pair["cycles"]), str(first.get(pair["imecconv"]))),
            )
        console.print(table)


def main(
    networks: Annotated[list[str] | None, typer.Argument()] = None,
    images: int = 20,
    epochs: int = 20,
    target_fps: int = 100_000,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    logging.getLogger("torch").setLevel(logging.ERROR)
    results = []
    for name in networks or NETWORKS:
        if name not in NETWORKS:
            raise typer.BadParameter(f"{name}: accepted are {', '.join(NETWORKS)}")
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Brevitas and torch, about optional parts of theirs
            results.append(measure(name, images, epochs, target_fps, Path(folder)))
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        show(Console(), results)
    sides = [side for result in results for side in result["sides"].values()]
    if any(side["equal_to_brevitas"] != side["images"] for side in sides):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
