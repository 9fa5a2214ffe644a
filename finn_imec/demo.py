"""The whole flow: train, convert, swap, generate, simulate, synthesize, compare."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finn_imec.util.errors import ImecError, ModelError, require
from finn_imec.util.output import output_folder

#: (SIMD, PE) of the four convolutions and the classifier: a few hundred cycles per layer.
FOLDING = {0: (1, 8), 1: (8, 8), 2: (8, 8), 3: (16, 4), 4: (8, 1)}


class DemoError(ImecError, RuntimeError):
    """A stage of the demo gave a wrong result."""


def run_demo(
    output: Path,
    seed: int = 0,
    images: int = 20,
    stage: Callable[[str], None] = lambda name: None,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Run the demo and write models, RTL, demo.json and comparison.png into `output`.

    images: number of test images that go through the RTL of every IMECConv; all test images are classified in
    numpy, before and after the swap. Returns the content of demo.json.

    Raises ModelError for more images than there are, SimulationError if any output of any layer differs from
    plain convolution or a cycle count from the model, DemoError if the swap changes a logit.
    """
    for module, extra in (("brevitas", "train"), ("sklearn", "train"), ("finn", "finn")):
        require(module, extra)
    from finn_imec.networks import digits

    with output_folder(output, marker="demo.json") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from Brevitas and torch, about optional dependencies
        logging.getLogger("torch").setLevel(logging.ERROR)
        available = len(digits.load_data(seed)[2])
        if images > available:
            raise ModelError(f"images={images}: accepted are 1 to {available}, the test images")
        stage("training")
        trained = digits.train(
            seed,
            progress=lambda epoch, epochs, loss, accuracy: stage(f"training {epoch}/{epochs}"),
        )
        log(f"trained: accuracy {trained.accuracy:.2%} on {len(trained.x_test)} test images")
        result = {"accuracy": {"test_images": len(trained.x_test), "brevitas": trained.accuracy}}
        stage("export to QONNX")
        digits.export_qonnx(trained, folder / "digits_qonnx.onnx")
        (folder / "rtl").mkdir()
        _convert_and_simulate(folder, trained, images, result, stage, log)
        (folder / "demo.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def _convert_and_simulate(
    folder: Path,
    trained: Any,
    images: int,
    result: dict[str, Any],
    stage: Callable[[str], None],
    log: Callable[[str], None],
) -> None:
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.networks import lowering
    from finn_imec.partition.network import prepare_network, run_network
    from finn_imec.report.chart import comparison_chart
    from finn_imec.synthesis.comparison import compare, layers_of_model
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    stage("conversion to FINN hardware layers")
    pairs = lowering.to_hardware(ModelWrapper(str(folder / "digits_qonnx.onnx")))
    pairs = lowering.minimize_bit_widths(lowering.fold(pairs, FOLDING))
    pairs.save(str(folder / "digits_finn.onnx"))

    stage("swap")
    swap = InferIMECConv(pointwise=False)  # its table is of convolutions
    fused = ModelWrapper(str(folder / "digits_finn.onnx")).transform(swap)
    for pair in swap.report:
        log(str(pair))
    result["pairs"] = [vars(pair) for pair in swap.report]

    stage("classifying in numpy")
    logits = {
        name: lowering.execute(model, trained.x_test).reshape(len(trained.x_test), -1)
        for name, model in (("finn", pairs), ("imec", fused))
    }
    if (logits["finn"] != logits["imec"]).any():
        raise DemoError("the swap changed a logit")
    result["accuracy"] |= {
        name: float((values.argmax(axis=1) == trained.y_test).mean()) for name, values in logits.items()
    }

    stage("compiling the RTL")
    fused = prepare_network(fused, folder / "rtl")
    rtl_logits, result["layers"] = run_network(
        fused,
        trained.x_test[:images],
        lambda number: stage(f"RTL simulation, image {number}/{images}"),
    )
    if (rtl_logits.reshape(images, -1) != logits["finn"][:images]).any():
        raise DemoError("logits through RTL differ from FINN's")
    result["accuracy"]["rtl_images"] = images
    fused.save(str(folder / "digits_imec.onnx"))

    layers = layers_of_model(fused)
    done: list[str] = []

    def synthesized(name: str) -> None:
        done.append(name)
        stage(f"synthesis {len(done)}/{len(layers)}")

    stage(f"synthesis 0/{len(layers)}")
    rows = compare(layers, progress=synthesized)
    result["comparison"] = [row.as_dict() for row in rows]
    comparison_chart(rows, folder / "comparison.png")
