"""Small FINN models and files that the programs here feed to the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import qonnx_make_model

DOMAIN = "finn.custom_op.fpgadataflow"
#: Configuration of a build that starts with FINN's hardware layers.
BUILD_CONFIG = "start_step: step_specialize_layers\nstop_step: step_convert_to_imec\n"


def chain(layers: int = 1, channels: int = 2, size: int = 6) -> ModelWrapper:
    """`layers` convolutions 3x3 with 2-bit thresholds, as ConvolutionInputGenerator and MVAU each."""
    rng = np.random.default_rng(0)
    nodes, infos, constants, types = [], [], {}, {"ifm": "UINT2"}

    def info(name: str, shape: tuple[int, ...]) -> None:
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    common = {"domain": DOMAIN, "backend": "fpgadataflow"}
    source = "ifm"
    info(source, (1, size, size, channels))
    for i in range(layers):
        out, mw = size - 2, 9 * channels
        windows, weights, thresholds, ofm = (f"{n}{i}" for n in ("windows", "weights", "thresholds", "ofm"))
        nodes.append(
            helper.make_node(
                "ConvolutionInputGenerator", [source], [windows], name=f"ConvolutionInputGenerator_{i}",
                ConvKernelDim=[3, 3], IFMChannels=channels, IFMDim=[size] * 2, OFMDim=[out] * 2,
                SIMD=channels, Stride=[1, 1], Dilation=[1, 1], inputDataType="UINT2", outputDataType="UINT2",
                depthwise=0, **common,
            )
        )  # fmt: skip
        nodes.append(
            helper.make_node(
                "MVAU", [windows, weights, thresholds], [ofm], name=f"MVAU_{i}", MW=mw, MH=channels,
                SIMD=channels, PE=1, inputDataType="UINT2", weightDataType="INT2", outputDataType="UINT2",
                accDataType="INT8", noActivation=0, ActVal=0, numInputVectors=[1, out, out], **common,
            )
        )  # fmt: skip
        info(windows, (1, out, out, mw))
        info(ofm, (1, out, out, channels))
        constants[weights] = rng.integers(-2, 2, (mw, channels))
        constants[thresholds] = np.sort(rng.integers(-20, 20, (channels, 3)), axis=1)
        types |= {windows: "UINT2", weights: "INT2", thresholds: "INT8", ofm: "UINT2"}
        source, size = ofm, out
    graph = helper.make_graph(nodes, "chain", infos[:1], infos[-1:], value_info=infos[1:-1])
    model = ModelWrapper(qonnx_make_model(graph))
    for name, values in constants.items():
        model.set_initializer(name, values.astype(np.float32))
    for name, datatype in types.items():
        model.set_tensor_datatype(name, DataType[datatype])
    return model


def write(folder: Path, layers: int = 1) -> tuple[Path, Path]:
    """chain.onnx and build.yaml in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    model, config = folder / "chain.onnx", folder / "build.yaml"
    chain(layers).save(str(model))
    config.write_text(BUILD_CONFIG)
    return model, config
