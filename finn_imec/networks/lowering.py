"""From a QONNX network to FINN's hardware layers, with FINN's own transformations.

The sequence is that of FINN's builder up to `step_minimize_bit_width` (step_qonnx_to_finn,
step_tidy_up, step_streamline, step_convert_to_hw; finn/builder/build_dataflow_steps.py), plus what residual
blocks, depthwise convolutions and global average pooling need. It runs without the builder, so it needs no
Vivado, no board and no output directory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from finn_imec.compat.transformations import infer_layer, infer_stream_additions
from finn_imec.frontend.streamline import convert_pooling, streamline
from finn_imec.util.deprecation import deprecated_names
from finn_imec.util.errors import GeometryError, ModelError, UnsupportedError, require

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

FINN_DOMAIN = "finn.custom_op.fpgadataflow"


def _apply(model: ModelWrapper, *transformations: Transformation) -> ModelWrapper:
    for transformation in transformations:
        model = model.transform(transformation)
    return model


def _require_finn() -> None:
    require("qonnx", "finn")
    require("finn", "finn")


def lowering_stages(model: ModelWrapper) -> Iterator[tuple[str, ModelWrapper]]:
    """Lower a QONNX convolutional network step by step; yield (name, model) after each step.

    Stages: "channels_last" (the QONNX network with its input changed from NCHW to NHWC), "finn_onnx", "tidy",
    "streamlined", "hardware". All compute the same function; `model` itself is not changed.

    model: one NCHW input of shape (1, C, H, W) whose datatype annotation is an integer type.
    Raises UnsupportedError for another input, ModelError if a layer between the first and the
    last hardware layer has no counterpart in FINN, MissingToolError without finn-plus.
    """
    _require_finn()
    from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
    from qonnx.transformation.fold_constants import FoldConstants
    from qonnx.transformation.general import (
        GiveReadableTensorNames,
        GiveUniqueNodeNames,
        GiveUniqueParameterTensors,
        RemoveStaticGraphInputs,
    )
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.transformation.make_input_chanlast import MakeInputChannelsLast

    source = model.graph.input[0].name
    shape, datatype = model.get_tensor_shape(source), model.get_tensor_datatype(source)
    if shape is None or len(shape) != 4 or shape[0] != 1:
        raise UnsupportedError(f"input '{source}' has shape {shape}; accepted is (1, C, H, W)")
    if not datatype.is_integer():
        raise UnsupportedError(
            f"input '{source}' is annotated {datatype.name}; an integer type such as UINT8 is needed"
        )

    model = _apply(model, MakeInputChannelsLast())
    yield "channels_last", model

    model = _apply(model, ConvertQONNXtoFINN())
    yield "finn_onnx", model

    model = _apply(
        model,
        InferShapes(),
        FoldConstants(),
        GiveUniqueParameterTensors(),
        GiveUniqueNodeNames(),
        GiveReadableTensorNames(),
        InferDataTypes(),
        RemoveStaticGraphInputs(),
    )
    yield "tidy", model

    model = streamline(model)
    yield "streamlined", model

    yield "hardware", convert_to_hw(model)


def to_hardware(model: ModelWrapper) -> ModelWrapper:
    """Lower a QONNX network to FINN's hardware layers: the last of `lowering_stages`.

    Every convolution becomes [FMPadding ->] ConvolutionInputGenerator -> MVAU, or VVAU if depthwise; a 1x1
    convolution of stride 1 becomes an MVAU alone. Thresholds are fused, nothing is folded (PE = 1, SIMD = 1,
    the generator at SIMD = C). Residual additions are separate layers. The input is NHWC. Scales after the
    last layer stay as plain ONNX nodes for the host. Raises what `lowering_stages` raises.
    """
    return dict(lowering_stages(model))["hardware"]


def convert_to_hw(model: ModelWrapper) -> ModelWrapper:
    """Convert a streamlined model (Im2Col, MatMul, MultiThreshold, ...) to FINN's hardware layers.

    The part of FINN's step_convert_to_hw that convolutional classifiers use, with
    standalone_thresholds=False. Raises ModelError naming other nodes between the hardware layers.
    """
    _require_finn()
    from finn.transformation.move_reshape import RemoveCNVtoFCFlatten
    from finn.transformation.streamline import absorb
    from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames
    from qonnx.transformation.infer_data_layouts import InferDataLayouts
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    model = _apply(
        convert_pooling(model),
        infer_stream_additions(),
        infer_layer("InferBinaryMatrixVectorActivation", "binary_matrix_vector_activation"),
        infer_layer("InferQuantizedMatrixVectorActivation", "quantized_matrix_vector_activation"),
        infer_layer("InferVectorVectorActivation", "vector_vector_activation"),
        infer_layer("InferThresholdingLayer", "thresholding"),
        infer_layer("InferPool", "pool"),
        infer_layer("InferConvInpGen", "conv_inp_gen"),
        infer_layer("InferDuplicateStreamsLayer", "duplicate_streams"),
        absorb.AbsorbConsecutiveTransposes(),
        RemoveCNVtoFCFlatten(),
        GiveUniqueNodeNames(),
        GiveReadableTensorNames(),
        InferDataLayouts(),
        InferDataTypes(),
        InferShapes(),
    )
    nodes = list(model.graph.node)
    hardware = [i for i, node in enumerate(nodes) if node.domain == FINN_DOMAIN]
    if not hardware:
        raise ModelError("no layer of the model has a counterpart among FINN's hardware layers")
    # Host nodes are accepted only after the last layer (the scale of the logits).
    stuck = [f"{n.op_type} {n.name}" for n in nodes[: hardware[-1]] if n.domain != FINN_DOMAIN]
    if stuck:
        raise ModelError(f"not converted to hardware layers: {', '.join(stuck)}")
    return model


def fold(model: ModelWrapper, foldings: Mapping[str | int, tuple[int, int]]) -> ModelWrapper:
    """Fold MVAUs, and the generator, padding and pooling around them to matching stream widths.

    foldings: {MVAU node name, or its index among the MVAUs in graph order: (SIMD, PE)}.
    A ConvolutionInputGenerator and an FMPadding before a folded MVAU take the widest SIMD that divides both
    their channels and the MVAU's SIMD. A pooling layer after it (depthwise ConvolutionInputGenerator -> Pool)
    takes the MVAU's PE, so the stream keeps its width. The model is changed in place and returned.

    Raises GeometryError if a node does not exist, SIMD does not divide MW or PE does not divide MH.
    """
    from qonnx.custom_op.registry import getCustomOp

    mvaus = model.get_nodes_by_op_type("MVAU")
    by_key = {node.name: node for node in mvaus} | dict(enumerate(mvaus))
    for key, (simd, pe) in foldings.items():
        if key not in by_key:
            raise GeometryError(
                f"no MVAU {key!r}; the model has {', '.join(n.name for n in mvaus)} (0..{len(mvaus) - 1})"
            )
        mvau = getCustomOp(by_key[key])
        for field, value, whole in (("SIMD", simd, "MW"), ("PE", pe, "MH")):
            size = mvau.get_nodeattr(whole)
            if value < 1 or size % value:
                raise GeometryError(
                    f"{field} of {by_key[key].name} is {value}; accepted are divisors of {whole} = {size}"
                )

    for key, (simd, pe) in foldings.items():
        node = by_key[key]
        getCustomOp(node).set_nodeattr("SIMD", int(simd))
        getCustomOp(node).set_nodeattr("PE", int(pe))

        before = model.find_producer(node.input[0])
        while before is not None and before.op_type in ("ConvolutionInputGenerator", "FMPadding"):
            op = getCustomOp(before)
            channels = op.get_normal_input_shape()[-1]
            op.set_nodeattr("SIMD", math.gcd(int(simd), channels))
            before = model.find_producer(before.input[0])

        consumer = model.find_consumer(node.output[0])
        if consumer is not None and consumer.op_type == "ConvolutionInputGenerator":
            generator = getCustomOp(consumer)
            if generator.get_nodeattr("depthwise"):
                generator.set_nodeattr("SIMD", int(pe))
                getCustomOp(model.find_consumer(consumer.output[0])).set_nodeattr("PE", int(pe))
    return model


def minimize_bit_widths(model: ModelWrapper, weights: bool = True) -> ModelWrapper:
    """Apply FINN's step_minimize_bit_width with one correction.

    Weight and accumulator types shrink to what the values need, thresholds become integers inside
    the accumulator's range. FINN's weight pass never chooses BIPOLAR or TERNARY: it writes INT2 for
    both; weights=False keeps the weight types as they are.

    The correction: in binaryXnorMode the accumulator counts equal bits, 0..MW, but FINN's pass bounds the dot
    product with 0/1 inputs, e.g. INT10 for MW = 576. Such accumulators get the unsigned type that holds MW;
    otherwise thresholds above the bound would be clipped.
    """
    _require_finn()
    from finn.transformation.fpgadataflow.minimize_accumulator_width import (
        MinimizeAccumulatorWidth,
    )
    from finn.transformation.fpgadataflow.minimize_weight_bit_width import MinimizeWeightBitWidth
    from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
    from qonnx.core.datatype import DataType
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.infer_datatypes import InferDataTypes

    if weights:
        model = model.transform(MinimizeWeightBitWidth())
    model = model.transform(MinimizeAccumulatorWidth())
    for mvau in map(getCustomOp, model.get_nodes_by_op_type("MVAU")):
        if mvau.get_nodeattr("binaryXnorMode"):
            accumulator = DataType.get_smallest_possible(mvau.get_nodeattr("MW")).name
            mvau.set_nodeattr("accDataType", accumulator)
            if mvau.get_nodeattr("noActivation"):
                mvau.set_nodeattr("outputDataType", accumulator)
    return _apply(model, InferDataTypes(), RoundAndClipThresholds(), InferDataTypes())


def execute(model: ModelWrapper, images: np.ndarray) -> np.ndarray:
    """Run a model with batch size 1 on images one by one, in Python (qonnx's execute_onnx).

    images: integers (N, H, W, C), or N times the shape of the model's input without its batch axis. Returns
    float32 (N, ...), the model's outputs without their batch axis. Raises ModelError if the shape of the
    images does not fit the model's input.
    """
    onnx_exec = require("qonnx.core.onnx_exec", "finn")
    source, result = model.graph.input[0].name, model.graph.output[0].name
    shape = tuple(model.get_tensor_shape(source))
    if images.shape[1:] != shape[1:]:
        raise ModelError(f"images have shape {images.shape}; the model takes (N, *{shape[1:]})")
    images = images.astype(np.float32)
    return np.concatenate(
        [onnx_exec.execute_onnx(model, {source: image[np.newaxis]})[result] for image in images]
    )


__getattr__ = deprecated_names(__name__, {"minimise_bit_widths": f"{__name__}.minimize_bit_widths"})
