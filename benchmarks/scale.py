"""Swap, folding and estimates on a graph of ResNet-50's size: time and memory.

    python benchmarks/scale.py [--fps 50] [--clk-ns 5] [--json FILE]

The graph is FINN's, as its steps leave it before folding: FMPadding, ConvolutionInputGenerator,
MVAU, Pool, ElementwiseAdd, DuplicateStreams and Thresholding nodes of ResNet-50 (v1.5), with random
4-bit weights. Peak memory is the process', imports and weights included.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from onnx import NodeProto, TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import qonnx_make_model

from finn_imec.synthesis.stamp import code_digest

DOMAIN = "finn.custom_op.fpgadataflow"
#: (inner channels, blocks, stride of the first one) of the four stages.
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
STEPS = 15  # thresholds of a 4-bit output


class Graph:
    """ResNet-50's layers, one after the other."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.tensors: dict[str, tuple[tuple[int, ...], str]] = {}
        self.initializers: dict[str, np.ndarray] = {}
        self.rng = np.random.default_rng(50)

    def node(self, op_type: str, inputs: list[str], shape: tuple[int, ...], datatype: str,
             outputs: int = 1, **attributes: object) -> list[str]:  # fmt: skip
        """Append a node; the names of its outputs, all of that shape."""
        name = f"{op_type}_{len(self.nodes)}"
        names = [f"{name}_out{i}" for i in range(outputs)]
        self.tensors |= dict.fromkeys(names, (shape, datatype))
        attributes = {"name": name, "domain": DOMAIN, "backend": "fpgadataflow", **attributes}
        self.nodes.append(helper.make_node(op_type, inputs, names, **attributes))
        return names

    def constant(self, name: str, values: np.ndarray, datatype: str) -> str:
        self.initializers[name] = values.astype(np.float32)
        self.tensors[name] = (values.shape, datatype)
        return name

    def conv(self, source: str, outputs: int, kernel: int, stride: int, residual: bool = False) -> str:
        """Padding, window and matrix unit; accumulators of INT18 if residual, else UINT4."""
        (_, size, _, channels), idt = self.tensors[source]
        out, mw = (size - 1) // stride + 1, kernel**2 * channels
        if kernel > 1 or stride > 1:
            source = self.windows(source, kernel, stride)
        name = f"conv{len(self.nodes)}"
        weights = self.constant(f"{name}_weights", self.rng.integers(-7, 8, (mw, outputs)), "INT4")
        inputs, odt = [source, weights], "INT18" if residual else "UINT4"
        if not residual:
            levels = np.sort(self.rng.integers(-(2**11), 2**11, (outputs, STEPS)), axis=1)
            inputs.append(self.constant(f"{name}_thresholds", levels, "INT16"))
        return self.node(
            "MVAU", inputs, (1, out, out, outputs), odt, MW=mw, MH=outputs, SIMD=1, PE=1,
            inputDataType=idt, weightDataType="INT4", outputDataType=odt, accDataType="INT24",
            noActivation=int(residual), numInputVectors=[1, out, out],
        )[0]  # fmt: skip

    def windows(self, source: str, kernel: int, stride: int, depthwise: int = 0) -> str:
        """Padding, as for an output of ceil(size/stride), and the sliding window unit."""
        (_, size, _, channels), idt = self.tensors[source]
        out, pad = (size - 1) // stride + 1, kernel // 2
        padded = size + 2 * pad
        if pad:
            (source,) = self.node(
                "FMPadding", [source], (1, padded, padded, channels), idt, SIMD=1,
                ImgDim=[size] * 2, Padding=[pad] * 4, NumChannels=channels, inputDataType=idt,
            )  # fmt: skip
        return self.node(
            "ConvolutionInputGenerator", [source], (1, out, out, kernel**2 * channels), idt, SIMD=1,
            ConvKernelDim=[kernel] * 2, IFMChannels=channels, IFMDim=[padded] * 2, OFMDim=[out] * 2,
            Stride=[stride] * 2, Dilation=[1, 1], inputDataType=idt, outputDataType=idt,
            depthwise=depthwise,
        )[0]  # fmt: skip

    def block(self, source: str, channels: int, stride: int, shortcut: bool) -> str:
        """A bottleneck block."""
        shape, idt = self.tensors[source]
        main, side = self.node(
            "DuplicateStreams", [source], shape, idt, outputs=2, NumChannels=shape[-1], PE=1,
            NumOutputStreams=2, inputDataType=idt, numInputVectors=shape[:-1], outFIFODepths=[2, 2],
        )  # fmt: skip
        main = self.conv(main, channels, 1, 1)
        main = self.conv(main, channels, 3, stride)
        main = self.conv(main, 4 * channels, 1, 1, residual=True)
        if shortcut:
            side = self.conv(side, 4 * channels, 1, stride, residual=True)
        shape = self.tensors[main][0]
        (total,) = self.node(
            "ElementwiseAdd", [main, side], shape, "INT19", PE=1, lhs_dtype="INT18",
            rhs_dtype=self.tensors[side][1], out_dtype="INT19", lhs_shape=shape, rhs_shape=shape,
            out_shape=shape,
        )  # fmt: skip
        levels = np.sort(self.rng.integers(-(2**11), 2**11, (shape[-1], STEPS)), axis=1)
        thresholds = self.constant(f"{total}_thresholds", levels, "INT19")
        return self.node(
            "Thresholding", [total, thresholds], shape, "UINT4", NumChannels=shape[-1], PE=1,
            numSteps=STEPS, inputDataType="INT19", weightDataType="INT19", outputDataType="UINT4",
            numInputVectors=shape[:-1],
        )[0]  # fmt: skip

    def model(self, source: str, sink: str) -> ModelWrapper:
        def info(name: str) -> object:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, self.tensors[name][0])

        inner = [info(name) for name in self.tensors if name not in (source, sink)]
        graph = helper.make_graph(self.nodes, "resnet50", [info(source)], [info(sink)], value_info=inner)
        model = ModelWrapper(qonnx_make_model(graph))
        for name, values in self.initializers.items():
            model.set_initializer(name, values)
        for name, (_, datatype) in self.tensors.items():
            model.set_tensor_datatype(name, DataType[datatype])
        return model


def resnet50() -> ModelWrapper:
    """The convolutions and additions of ResNet-50, 224x224x3 in, 7x7x2048 out."""
    graph = Graph()
    graph.tensors["image"] = ((1, 224, 224, 3), "UINT8")
    x = graph.conv("image", 64, 7, 2)
    (x,) = graph.node(
        "Pool", [graph.windows(x, 3, 2, depthwise=1)], (1, 56, 56, 64), "UINT4", Channels=64, PE=1,
        KernelSize=[3, 3], Function="MaxPool", OutImgDims=[56, 56], InputDataType="UINT4",
        OutputDataType="UINT4",
    )  # fmt: skip
    for channels, blocks, stride in STAGES:
        for number in range(blocks):
            x = graph.block(x, channels, stride if number == 0 else 1, number == 0)
    return graph.model("image", x)


def main(
    fps: Annotated[float, typer.Option(help="Target frames per second.")] = 50,
    clk_ns: Annotated[float, typer.Option(help="Clock period in ns.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Time and peak memory of the plugin's steps."""
    from finn.analysis.fpgadataflow.exp_cycles_per_layer import exp_cycles_per_layer
    from finn.analysis.fpgadataflow.res_estimation import res_estimation

    from finn_imec.custom_op import imec_nodes, register
    from finn_imec.transformation.fold_imec_conv import FoldIMECConv
    from finn_imec.transformation.infer_imec_conv import InferIMECConv
    from finn_imec.transformation.specialize_imec_conv import SpecializeIMECConv

    register()
    model = resnet50()
    rows, figures = len(model.graph.node), {}
    cycles = int(1e9 / clk_ns / fps)

    def timed(what: str, function: object) -> object:
        start = time.perf_counter()
        result = function()
        figures[f"{what}_s"] = round(time.perf_counter() - start, 2)
        return result

    infer, fold = InferIMECConv(pointwise=False), FoldIMECConv(cycles)  # not folded yet: nothing to save
    model = timed("swap", lambda: model.transform(infer))
    model = timed("fold", lambda: model.transform(fold))
    model = timed("specialize", lambda: model.transform(SpecializeIMECConv()))
    timed("cycles", lambda: model.analysis(exp_cycles_per_layer))
    estimates = timed("resources", lambda: res_estimation(model, "xczu7ev-ffvc1156-2-e"))
    nodes = [node.name for node in imec_nodes(model)]
    figures |= {
        "code": code_digest(),
        "nodes": rows,
        "swapped": len(nodes),
        "left": {pair.swg: pair.reason for pair in infer.report if not pair.swapped},
        "luts": round(sum(estimates[name]["LUT"] for name in nodes)),
        "total_s": round(sum(v for k, v in figures.items() if k.endswith("_s")), 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    print(json.dumps(figures, indent=2))
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")
    if figures["total_s"] > 30 or figures["peak_gb"] > 4 or len(nodes) < len(infer.report) - 1:  # max pool
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
