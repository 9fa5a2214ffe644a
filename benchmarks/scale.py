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


def root_mean_square(datatype: str) -> float:
    """Of all values of a type, -8 of INT4 and its like left out."""
    of = DataType[datatype]
    if datatype == "BIPOLAR":
        return 1.0
    values = np.arange(-int(of.max()) if of.signed() else 0, int(of.max()) + 1)
    return float(np.sqrt(np.mean(values**2)))


class Graph:
    """ResNet-50's layers, one after the other, with weights and activations of these types."""

    def __init__(self, weights: str, activations: str) -> None:
        self.weights, self.activations = weights, activations
        self.steps = int(DataType[activations].max())  # thresholds
        self.spread: dict[str, float] = {}  # root mean square of a tensor's values, of accumulators
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

    def conv(self, source: str, outputs: int, kernel: int, stride: int, residual: bool = False,
             wdt: str = "") -> str:  # fmt: skip
        """Padding, window and matrix unit; accumulators of INT18 if residual, else activations."""
        wdt = wdt or self.weights
        highest, step = int(DataType[wdt].max()), 2 if wdt == "BIPOLAR" else 1
        (_, size, _, channels), idt = self.tensors[source]
        out, mw = (size - 1) // stride + 1, kernel**2 * channels
        if kernel > 1 or stride > 1:
            source = self.windows(source, kernel, stride)
        name = f"conv{len(self.nodes)}"
        values = step * self.rng.integers(-highest // step, highest // step + 1, (mw, outputs)) + step - 1
        weights = self.constant(f"{name}_weights", values, wdt)
        inputs, odt = [source, weights], "INT18" if residual else self.activations
        spread = float(np.sqrt(mw)) * root_mean_square(idt) * root_mean_square(wdt)
        if not residual:
            inputs.append(self.thresholds(f"{name}_thresholds", outputs, spread, "INT24"))
        (result,) = self.node(
            "MVAU", inputs, (1, out, out, outputs), odt, MW=mw, MH=outputs, SIMD=1, PE=1,
            inputDataType=idt, weightDataType=wdt, outputDataType=odt, accDataType="INT24",
            noActivation=int(residual), numInputVectors=[1, out, out],
        )  # fmt: skip
        self.spread[result] = spread if residual else root_mean_square(odt)
        return result

    def thresholds(self, name: str, channels: int, spread: float, datatype: str) -> str:
        """Random ones where values of this root mean square are."""
        high = max(1, int(spread))
        levels = np.sort(self.rng.integers(-high, high + 1, (channels, self.steps)), axis=1)
        return self.constant(name, levels, datatype)

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
        spread = float(np.hypot(*(self.spread.get(each, root_mean_square(idt)) for each in (main, side))))
        thresholds = self.thresholds(f"{total}_thresholds", shape[-1], spread, "INT19")
        return self.node(
            "Thresholding", [total, thresholds], shape, self.activations, NumChannels=shape[-1], PE=1,
            numSteps=self.steps, inputDataType="INT19", weightDataType="INT19",
            outputDataType=self.activations,
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


def resnet50(weights: str = "INT4", activations: str = "UINT4", first: str = "INT4") -> ModelWrapper:
    """The convolutions and additions of ResNet-50, 224x224x3 in, 7x7x2048 out; first: the first weights."""
    graph = Graph(weights, activations)
    graph.tensors["image"] = ((1, 224, 224, 3), "UINT8")
    x = graph.conv("image", 64, 7, 2, wdt=first)
    (x,) = graph.node(
        "Pool", [graph.windows(x, 3, 2, depthwise=1)], (1, 56, 56, 64), activations, Channels=64, PE=1,
        KernelSize=[3, 3], Function="MaxPool", OutImgDims=[56, 56], InputDataType=activations,
        OutputDataType=activations,
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
