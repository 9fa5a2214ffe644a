"""Small networks, and FINN's CreateStitchedIP with vivado_stub.tcl in place of Vivado."""

from __future__ import annotations

import importlib.util
import inspect
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from finn_imec.algorithms.reference import random_values
from finn_imec.compat.finn import CLOCK_NS, FPGA_PART, finn_rtllib
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.streams.design import Design, Stream

DOMAIN = "finn.custom_op.fpgadataflow"
STUB = Path(__file__).with_name("vivado_stub.tcl")


@dataclass(frozen=True, eq=False)
class StitchedIp:
    """The output of CreateStitchedIP: its model, Vivado's project, and the stub's netlist as RTL."""

    model: Any
    project: Path
    rtl: Design


def make_path(geometry: ConvGeometry, idt: str, wdt: str, odt: str, seed: int = 0) -> Datapath:
    """Random weights, and thresholds at the quantiles of accumulators of random inputs."""
    rng = np.random.default_rng(seed)
    types = [DataType[name] for name in (idt, wdt, odt)]
    weights = random_values(types[1], (geometry.mw, geometry.mh), rng)
    levels = types[2].get_num_possible_values()
    sums = random_values(types[0], (100, geometry.mw), rng) @ weights
    thresholds = np.quantile(sums, np.arange(1, levels) / levels, axis=0, method="nearest").T
    return Datapath(geometry, *types, weights, thresholds, int(types[2].min()))


def padded_chain(paths: Sequence[Datapath], padding: int):
    """FMPadding, then one abstract IMECConv per Datapath: (1, H, W, C) -> (1, OH, OW, M).

    The first layer's ifm_dim includes the padding, `padding` pixels on each side.
    """
    from onnx import TensorProto, helper
    from qonnx.util.basic import qonnx_make_model

    def tensor(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    first = paths[0].geometry
    size = [extent - 2 * padding for extent in first.ifm_dim]
    tensors = [
        tensor("ifm", (1, *size, first.ifm_channels)),
        tensor("padded", (1, *first.ifm_dim, first.ifm_channels)),
        *(tensor(f"ofm{i}", (1, *path.geometry.ofm_dim, path.geometry.mh)) for i, path in enumerate(paths)),
    ]
    nodes = [
        helper.make_node(
            "FMPadding",
            ["ifm"],
            ["padded"],
            name="FMPadding_0",
            domain=DOMAIN,
            backend="fpgadataflow",
            ImgDim=size,
            Padding=[padding] * 4,
            NumChannels=first.ifm_channels,
            SIMD=first.simd_in,
            inputDataType=paths[0].input_datatype.name,
        )
    ]
    for i, path in enumerate(paths):
        g = path.geometry
        parameters = [f"weights{i}", *([f"thresholds{i}"] if path.structure.steps else [])]
        nodes.append(
            helper.make_node(
                "IMECConv",
                [nodes[-1].output[0], *parameters],
                [f"ofm{i}"],
                name=f"IMECConv_{i}",
                domain=DOMAIN,
                backend="fpgadataflow",
                ConvKernelDim=g.kernel,
                IFMChannels=g.ifm_channels,
                IFMDim=g.ifm_dim,
                OFMDim=g.ofm_dim,
                Stride=g.stride,
                Dilation=g.dilation,
                MW=g.mw,
                MH=g.mh,
                SIMD=g.simd,
                SIMD_in=g.simd_in,
                PE=g.pe,
                inputDataType=path.input_datatype.name,
                weightDataType=path.weight_datatype.name,
                outputDataType=path.output_datatype.name,
                accDataType=f"INT{path.acc_bits}",
                noActivation=int(not path.structure.steps),
                ActVal=path.act_val,
            )
        )
    graph = helper.make_graph(nodes, "chain", tensors[:1], tensors[-1:], value_info=tensors[1:-1])
    model = ModelWrapper(qonnx_make_model(graph))
    for name in ("ifm", "padded"):
        model.set_tensor_datatype(name, paths[0].input_datatype)
    for i, path in enumerate(paths):
        model.set_tensor_datatype(f"ofm{i}", path.output_datatype)
        model.set_initializer(f"weights{i}", path.weights.astype(np.float32))
        model.set_tensor_datatype(f"weights{i}", path.weight_datatype)
        if path.structure.steps:
            model.set_initializer(f"thresholds{i}", path.thresholds.astype(np.float32))
    return model


def network(convolutions: int = 2):
    """3x3 convolutions of 2-bit weights and activations with thresholds, 6x6x4 -> (6-2n)x..x8.

    As FINN's streamlining leaves them: Im2Col, MatMul, MultiThreshold. 0 convolutions: one 1x1.
    """
    from onnx import TensorProto, helper
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.util.basic import qonnx_make_model

    random = np.random.default_rng(1)
    nodes, tensors, constants = [], [], {}
    size, channels, filters = 6, 4, 8
    x = "global_in"
    source = helper.make_tensor_value_info(x, TensorProto.FLOAT, (1, size, size, channels))
    for i in range(convolutions or 1):
        width = channels
        if convolutions:
            nodes.append(
                helper.make_node(
                    "Im2Col",
                    [x],
                    [f"windows{i}"],
                    domain="qonnx.custom_op.general",
                    kernel_size=[3, 3],
                    stride=[1, 1],
                    input_shape=f"(1,{size},{size},{channels})",
                )
            )
            size, width, x = size - 2, 9 * channels, f"windows{i}"
        nodes.append(helper.make_node("MatMul", [x, f"weights{i}"], [f"sums{i}"]))
        nodes.append(
            helper.make_node(
                "MultiThreshold",
                [f"sums{i}", f"thresholds{i}"],
                [f"activations{i}"],
                domain="qonnx.custom_op.general",
                out_dtype="UINT2",
                data_layout="NHWC",
            )
        )
        constants[f"weights{i}"] = random.integers(-2, 2, (width, filters)), "INT2"
        constants[f"thresholds{i}"] = np.sort(random.integers(-40, 20, (filters, 3))), "INT8"
        tensors += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, size, size, last))
            for name, last in ((x, width), (f"sums{i}", filters), (f"activations{i}", filters))
        ]
        x, channels = f"activations{i}", filters
    result = tensors.pop()
    inner = {t.name: t for t in tensors if t.name not in ("global_in", result.name)}
    graph = helper.make_graph(nodes, "tiny", [source], [result], value_info=[*inner.values()])
    model = ModelWrapper(qonnx_make_model(graph))
    for name, (values, datatype) in constants.items():
        model.set_initializer(name, values.astype(np.float32))
        model.set_tensor_datatype(name, DataType[datatype])
    model.set_tensor_datatype("global_in", DataType["UINT2"])
    return model.transform(InferDataTypes())


def with_fifos(model):
    """FINN's width converters and FIFOs of the depths that the nodes name, RTL nodes, final names."""
    from qonnx.transformation.general import GiveReadableTensorNames

    from finn_imec.partition import specialized

    return specialized(model).transform(GiveReadableTensorNames())


def generated(model):
    """The model with its IP generated, by FINN's own transformations."""
    from finn.transformation.fpgadataflow.hlssynth_ip import HLSSynthIP
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    return model.transform(PrepareIP(FPGA_PART, CLOCK_NS)).transform(HLSSynthIP())


FINN_PLUS = bool(importlib.util.find_spec("finn") and importlib.util.find_spec("finn.util.settings"))
#: FINN v0.10.1, by its qonnx.
V0_10 = not hasattr(ModelWrapper, "del_initializer")
#: Settings files of FINN's PYNQ driver: finn-plus', upstream's.
PYNQ_SETTINGS = ("settings.json", "driver.py")


def pynq_driver():
    """FINN's transformation that makes it; skips where this FINN has none of that name."""
    drivers = pytest.importorskip("finn.transformation.fpgadataflow.make_driver")
    finn_plus = "driver_type" in inspect.signature(drivers.MakePYNQDriver).parameters
    return drivers.MakePYNQDriver("zynq-iodma", *(["FINNDMAOverlay"] if finn_plus else []))


def remove_initializer(model, name: str) -> None:
    """ModelWrapper.del_initializer, which FINN v0.10.1's qonnx does not have."""
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    model.graph.initializer.remove(tensor)


def vivado_on_path(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put the stub on the PATH as `vivado`, and set what FINN's own start script sets."""
    program = folder / "vivado"
    program.write_text(f'#!/bin/sh\nexec tclsh "{STUB}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    patch.setenv("PATH", str(folder), prepend=os.pathsep)
    patch.setenv("FINN_RTLLIB", str(finn_rtllib()))


def stitched(model, folder: Path) -> StitchedIp:
    """Stitch a generated model; the netlist and its sources are copied into the new `folder`.

    FINN's files get the edits that Verilator needs.
    """
    from finn.transformation.fpgadataflow.create_stitched_ip import CreateStitchedIP
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.baseline_rtl.patches import copy_patched

    model = model.transform(CreateStitchedIP(FPGA_PART, CLOCK_NS))
    project = Path(model.get_metadata_prop("vivado_stitch_proj"))
    sources = [Path(line) for line in (project / "all_verilog_srcs.txt").read_text().splitlines()]
    folder.mkdir()
    nodes = [getCustomOp(node) for node in model.graph.node]
    rtl = Design(
        top="finn_design_wrapper",
        sources=tuple(folder / name for name in copy_patched(sources, folder)),
        inputs=(Stream("s_axis_0", nodes[0].get_instream_width_padded()),),
        outputs=(Stream("m_axis_0", nodes[-1].get_outstream_width_padded()),),
        data_files=tuple(
            path
            for node in nodes
            for path in sorted(Path(node.get_nodeattr("code_gen_dir_ipgen")).glob("*.dat"))
        ),
        # finn-plus' way of ending an xsim run
        tied={"sim_finish": (1, 0)} if "input sim_finish" in sources[-1].read_text() else {},
    )
    return StitchedIp(model, project, rtl)
