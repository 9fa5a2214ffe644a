"""A network whose IMECConv nodes run in RTL, with every output of these nodes checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.layer.numbers import whole_numbers
from finn_imec.layer.units import storage
from finn_imec.partition.exact import execute
from finn_imec.partition.graph import in_python, with_own_names
from finn_imec.simulation.stimulus import SimulationError
from finn_imec.util.onnx_model import naming, transformed


def run_network(
    model: Any, inputs: np.ndarray, progress: Callable[[int], None] = lambda number: None
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """`run_all_outputs` of a model of prepare_network, with its first output (N, ...) only."""
    outputs, layers = run_all_outputs(model, inputs, progress)
    return next(iter(outputs.values())), layers


def run_all_outputs(
    model: Any, inputs: np.ndarray, progress: Callable[[int], None] = lambda number: None
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Run inputs (N, H, W, C) one by one: IMECConv_rtl nodes in Verilator, other nodes in Python.

    model: of prepare_network. progress is called with the number of each input, from 1, when it starts.
    Returns the outputs, tensor -> (N, ...) in the model's order, and, per node: node, words_checked,
    cycles_rtlsim (one frame), cycles_model, cycles_per_frame (steady state). Raises SimulationError if an
    output differs from plain convolution or a cycle count from the model.
    """
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.algorithms.reference import reference

    nodes = [node for node in model.graph.node if node.op_type == "IMECConv_rtl"]
    for node in nodes:
        getCustomOp(node).set_nodeattr("exec_mode", "rtlsim")
    source = model.graph.input[0].name
    outputs: dict[str, list[np.ndarray]] = {value.name: [] for value in model.graph.output}
    for number, image in enumerate(inputs, 1):
        progress(number)
        context = execute(model, {source: image[np.newaxis].astype(np.float32)})
        for name, values in outputs.items():
            values.append(context[name][0])
        for node in nodes:
            inst = getCustomOp(node)
            thresholds = context[node.input[2]] if len(node.input) > 2 else None
            datapath = inst.datapath(context[node.input[1]], thresholds)
            ifm, ofm = (whole_numbers(context[t], f"tensor {t}") for t in (node.input[0], node.output[0]))
            if (ofm != reference(datapath, ifm)).any():
                raise SimulationError(f"{node.name}: RTL differs from plain convolution on input {number}")
            cycles, modeled = inst.get_nodeattr("cycles_rtlsim"), inst.modeled_cycles(datapath)
            if cycles != modeled:
                raise SimulationError(f"{node.name}: {cycles} cycles, the model says {modeled}")
    layers = [
        {
            "node": node.name,
            "words_checked": len(inputs) * inst.get_number_output_values(),
            "cycles_rtlsim": inst.get_nodeattr("cycles_rtlsim"),
            "cycles_model": inst.modeled_cycles(inst.constant_datapath(model)),
            "cycles_per_frame": storage(inst.geometry).cycles_per_frame,
        }
        for node, inst in ((node, getCustomOp(node)) for node in nodes)
    ]
    return {name: np.stack(values) for name, values in outputs.items()}, layers


def prepare_network(model: Any, folder: Path) -> Any:
    """Generate the RTL of all IMECConv nodes below the existing `folder`, and compile it.

    Other nodes are made abstract: FINN executes them in Python, and they need no code.
    """
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.compat.finn import CLOCK_NS, FPGA_PART, finn_build_dir
    from finn_imec.transformation.specialize_imec_conv import SpecializeIMECConv

    model = with_own_names(transformed(model, SpecializeIMECConv()))
    with finn_build_dir(folder):
        for node in model.graph.node:
            if node.op_type != "IMECConv_rtl":
                continue
            inst, code = getCustomOp(node), folder / node.name
            code.mkdir()
            inst.set_nodeattr("code_gen_dir_ipgen", str(code))
            with naming(node):
                inst.code_generation_ipgen(model, FPGA_PART, CLOCK_NS)
                inst.prepare_rtlsim()
    return in_python(model, keep=("IMECConv_rtl",))
