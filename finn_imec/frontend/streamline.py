"""Streamlining of networks with branches: FINN's transformations, repeated until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from finn_imec.compat.transformations import infer_layer
from finn_imec.frontend.graph import attribute, set_attributes

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: Thresholds that all values reach, or none; scaled, they are still floats.
FAR = 1e30
#: Most rounds of transformations; a network takes one for each branch in a row of them.
ROUNDS = 100


class ActivationsIntoThresholds(Transformation):
    """Merge a monotonic function into the thresholds after it: f(x) >= t where x >= f's inverse of t."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Merge each Sigmoid, Tanh, Relu, LeakyRelu and Clip that only MultiThreshold nodes read."""
        for node in reversed(list(model.graph.node)):
            after = model.find_consumers(node.output[0])
            if not after or any(each.op_type != "MultiThreshold" for each in after):
                continue
            inverse = _inverse(model, node)
            if inverse is None:
                continue
            for each in after:
                steps = model.get_initializer(each.input[1]).astype(np.float64)
                values = np.clip(inverse(steps), -FAR, FAR).astype(np.float32)
                model.set_initializer(each.input[1], values)
                each.input[0] = node.input[0]
            model.graph.node.remove(node)
        return model, False


def _inverse(model: ModelWrapper, node: NodeProto) -> Callable[[np.ndarray], np.ndarray] | None:
    """The least inputs with which a node's function reaches given values; None for other nodes."""
    low, high = -np.inf, np.inf  # of the function
    if node.op_type == "Sigmoid":
        low, high = 0, np.nextafter(1, 0)
        invert = lambda t: np.log(t / (1 - t))  # noqa: E731
    elif node.op_type == "Tanh":
        low, high = -1, np.nextafter(1, 0)
        invert = np.arctanh
    elif node.op_type == "LeakyRelu":
        slope = attribute(node, "alpha", 0.01)
        if slope <= 0:
            return None
        invert = lambda t: np.where(t < 0, t / slope, t)  # noqa: E731
    elif node.op_type in ("Relu", "Clip"):
        constants = [model.get_initializer(name) if name else None for name in node.input[1:]]
        bounds = [(low, high)[index] if c is None else c.item() for index, c in enumerate(constants)]
        if node.op_type == "Relu":
            low = 0
        elif bounds:
            low, high = (*bounds, high)[:2]
        else:  # up to opset 10
            low, high = attribute(node, "min", low), attribute(node, "max", high)
        invert = np.positive
    else:
        return None

    def inverse(values: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values <= low, -np.inf, np.where(values > high, np.inf, invert(values)))

    return inverse


class ScalesOfConcats(Transformation):
    """Give a concatenation whose inputs have different scales one for each channel, where thresholds follow.

    FINN moves those past it and into the thresholds.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Repeat the constants of the Mul nodes before each Concat of channels."""
        for node in model.graph.node:
            if node.op_type != "Concat" or attribute(node, "axis") != 1:
                continue
            before = [model.find_producer(name) for name in node.input]
            scaled = all(b is not None and b.op_type == "Mul" and not model.is_fork_node(b) for b in before)
            after = model.find_consumers(node.output[0])
            if not scaled or any(consumer.op_type != "MultiThreshold" for consumer in after):
                continue
            scales = [model.get_initializer(b.input[1]) for b in before]
            if (
                any(scale is None or scale.size != 1 for scale in scales)
                or len({s.item() for s in scales}) < 2
            ):
                continue
            for mul, scale in zip(before, scales, strict=True):
                shape = model.get_tensor_shape(mul.input[0])
                each = np.full((1, shape[1], *[1] * (len(shape) - 2)), scale.item(), dtype=np.float32)
                model.set_initializer(mul.input[1], each)
        return model, False


class ChannelsLast(Transformation):
    """Transpose images at the network's inputs to channels last and back; the way back then moves on."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Insert two nodes at each input of rank 4, unless a Transpose reads it."""
        from onnx import helper

        for end in model.graph.input:
            shape, consumers = model.get_tensor_shape(end.name), model.find_consumers(end.name)
            if len(shape) != 4 or any(each.op_type == "Transpose" for each in consumers):
                continue
            datatype = model.get_tensor_datatype(end.name)
            last, first = (model.make_new_valueinfo_name() for _ in range(2))
            for name, size in ((last, [shape[i] for i in (0, 2, 3, 1)]), (first, shape)):
                model.set_tensor_shape(name, size)
                model.set_tensor_datatype(name, datatype)
            for each in consumers:
                each.input[:] = [first if name == end.name else name for name in each.input]
            nodes = (
                helper.make_node("Transpose", [end.name], [last], perm=[0, 2, 3, 1]),
                helper.make_node("Transpose", [last], [first], perm=[0, 3, 1, 2]),
            )
            for place, node in enumerate(nodes):
                model.graph.node.insert(place, node)
        return model, False


class ThresholdsOfUnsigned(Transformation):
    """Set negative thresholds of unsigned inputs to 0, which these reach as well; FINN refuses others."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Change the constants of each MultiThreshold."""
        for node in model.graph.node:
            if node.op_type == "MultiThreshold":
                datatype = model.get_tensor_datatype(node.input[0])
                if datatype.is_integer() and not datatype.signed():
                    steps = model.get_initializer(node.input[1])
                    model.set_initializer(node.input[1], np.maximum(steps, 0))
        return model, False


def streamline(model: ModelWrapper) -> ModelWrapper:
    """Streamline a FINN-ONNX network, also one with residual blocks, concatenations and upsampling.

    Convolutions become Im2Col and MatMul on channels-last tensors; scales move into thresholds or to the
    outputs. What FINN's step_streamline does, and what branches need: scales move into all of them and past
    where they meet, transpositions likewise.
    """
    from finn.transformation.streamline import absorb, reorder
    from qonnx.transformation.bipolar_to_xnor import ConvertBipolarMatMulToXnorPopcount
    from qonnx.transformation.general import RemoveUnusedTensors
    from qonnx.transformation.infer_data_layouts import InferDataLayouts
    from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul

    model = _apply(model, (ActivationsIntoThresholds(), absorb.AbsorbScalarBiasIntoMultiThreshold()))
    model = _settle(model, _scales())
    if model.get_nodes_by_op_type("ConvTranspose"):
        model = _settle(model, (reorder.MoveScalarMulPastConvTranspose(), *_scales()))
        model = _lower_transposed(model)
    model = _settle(_apply(model, (LowerConvsToMatMul(), ChannelsLast(), InferDataLayouts())), _layouts())
    model = _settle(_apply(model, (ConvertBipolarMatMulToXnorPopcount(),)), _scales())
    last = (absorb.AbsorbScalarMulAddIntoTopK(), ThresholdsOfUnsigned(), InferDataLayouts())
    return _apply(model, (*last, RemoveUnusedTensors()))


def convert_pooling(model: ModelWrapper) -> ModelWrapper:
    """Turn GlobalAveragePool and Resize into FINN's layers, of a streamlined model without other such layers.

    The divisor of an average moves on like any other scale.
    """
    model = model.transform(infer_layer("InferUpsample", "upsample"))
    if not model.get_nodes_by_op_type("GlobalAveragePool"):
        return model
    from finn.transformation.streamline import absorb
    from qonnx.transformation.infer_data_layouts import InferDataLayouts

    pools = (InferDataLayouts(), infer_layer("InferGlobalAccPoolLayer", "global_acc_pool"))
    model = _settle(_apply(model, pools), _layouts())
    model = _settle(_apply(model, (absorb.AbsorbTransposeIntoFlatten(),)), _scales())
    return model.transform(ThresholdsOfUnsigned())


def _lower_transposed(model: ModelWrapper) -> ModelWrapper:
    """Each ConvTranspose as FINN's FMPadding_Pixel, which inserts zeros, before a convolution.

    FINN pads all sides alike; here each as the node says, and as output_padding does.
    """
    from finn.transformation.fpgadataflow.infer_pixel_padding_deconv import InferPixelPaddingDeconv

    paddings = []
    for node in model.get_nodes_by_op_type("ConvTranspose"):
        kernel, pads, more = (attribute(node, name) for name in ("kernel_shape", "pads", "output_padding"))
        sides = zip((*kernel, *kernel), pads, (0, 0, *more), strict=True)
        paddings.append([size - 1 - pad + extra for size, pad, extra in sides])
    model = model.transform(InferPixelPaddingDeconv())
    for node, padding in zip(model.get_nodes_by_op_type("FMPadding_Pixel"), paddings, strict=True):
        after = model.find_consumer(node.output[0])
        if after.op_type == "Im2Col":  # not for a kernel of 1x1
            set_attributes(after, pad_amount=padding)
    return model


def _scales() -> tuple[Transformation, ...]:
    from finn.transformation.streamline import Streamline, reorder

    return (
        Streamline(),
        reorder.MoveLinearPastFork(),
        reorder.MoveLinearPastEltwiseAdd(),
        ScalesOfConcats(),
        reorder.MoveMulPastJoinConcat(),
        reorder.MoveAddPastJoinConcat(),
        reorder.MoveMulPastJoinMul(),
        reorder.MoveScalarLinearPastSplit(),
    )


def _layouts() -> tuple[Transformation, ...]:
    from finn.transformation.streamline import absorb, reorder
    from qonnx.transformation.infer_data_layouts import InferDataLayouts

    return (
        reorder.MakeMaxPoolNHWC(),
        absorb.AbsorbTransposeIntoMultiThreshold(),
        reorder.MakeScaleResizeNHWC(),
        absorb.AbsorbConsecutiveTransposes(),
        reorder.MoveTransposePastEltwise(),
        reorder.MoveTransposePastJoinAdd(),
        reorder.MoveTransposePastJoinMul(),
        reorder.MoveTransposePastJoinConcat(),
        reorder.MoveTransposePastSplit(),
        reorder.MoveTransposePastFork(),
        InferDataLayouts(),
    )


def _apply(model: ModelWrapper, transformations: Iterable[Transformation]) -> ModelWrapper:
    for transformation in transformations:
        model = model.transform(transformation)
    return model


def _settle(model: ModelWrapper, transformations: tuple[Transformation, ...]) -> ModelWrapper:
    """Apply all in turn until the nodes and what they read stay."""
    before = None
    for _ in range(ROUNDS):
        model = _apply(model, transformations)
        after = [(node.op_type, tuple(node.input), tuple(node.output)) for node in model.graph.node]
        if after == before:
            break
        before = after
    return model
