"""Values of attributes and constants that FINN's steps take: one error names node, value, what is accepted.

What is wrong here ends in FINN, onnxruntime or ONNX' shape inference with an error that names no node, in a
division by zero, or in a network that computes something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from qonnx.transformation.base import Transformation

from finn_imec.frontend.graph import QUANTIZERS, attribute, is_constant, label, on_the_way_to
from finn_imec.util.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: Largest size, stride or padding: more than any image has, and far from what overflows.
MOST = 2**20
#: A test of a value, and what passes it.
_Rule = tuple[Callable[[Any], bool], str]


def _sizes(least: int) -> _Rule:
    def test(values: Any) -> bool:
        return isinstance(values, list) and all(isinstance(v, int) and least <= v <= MOST for v in values)

    return test, f"integers from {least} to {MOST}"


def _one_of(*accepted: Any) -> _Rule:
    return lambda value: value in accepted, " or ".join(map(str, accepted))


_FLAG = _one_of(0, 1)
_WINDOWS = {
    **dict.fromkeys(("kernel_shape", "strides", "dilations"), _sizes(1)),
    **dict.fromkeys(("pads", "output_padding"), _sizes(0)),
    "auto_pad": _one_of("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
    "group": (lambda value: isinstance(value, int) and value > 0, "integers from 1"),
}
_POSITIVE = (lambda value: isinstance(value, float) and 0 < value < np.inf, "finite numbers above 0")
#: Op type -> attribute -> rule; a node may leave each of them out.
RULES: dict[str, dict[str, _Rule]] = {
    "Conv": _WINDOWS,
    "ConvTranspose": _WINDOWS,
    "MaxPool": {**_WINDOWS, "ceil_mode": _FLAG, "storage_order": _one_of(0)},
    "AveragePool": {**_WINDOWS, "ceil_mode": _FLAG, "count_include_pad": _FLAG},
    "Gemm": {"alpha": _one_of(1.0), "beta": _one_of(1.0), "transA": _one_of(0), "transB": _FLAG},
    "LeakyRelu": {"alpha": _POSITIVE},
    "BatchNormalization": {"epsilon": _POSITIVE, "training_mode": _one_of(0)},
    "Quant": {"signed": _FLAG, "narrow": _FLAG},
    "TopK": {"largest": _one_of(1)},
}


class CheckAttributes(Transformation):
    """Attributes of convolutions, pooling, activations and quantizers are in RULES.

    Comes before shape inference, which a stride of 0 ends with a signal. Raises UnsupportedError naming the
    node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each node; the model stays."""
        for node in model.graph.node:
            for name, (test, accepted) in RULES.get(node.op_type, {}).items():
                value = attribute(node, name)
                if value is not None and not test(value):
                    raise UnsupportedError(f"{label(node)}: {name}={value}; accepted are {accepted}")
        return model, False


class CheckShapes(Transformation):
    """No size is open, and none is negative, as behind a kernel larger than its image.

    After shape inference. Raises UnsupportedError naming the input or the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check the inputs, and the outputs of each node; the model stays."""
        for tensor in model.graph.input:
            sizes = [each.dim_param or each.dim_value or "?" for each in tensor.type.tensor_type.shape.dim]
            if not all(isinstance(size, int) for size in sizes):
                raise UnsupportedError(
                    f"input {tensor.name}: its shape is ({', '.join(map(str, sizes))}); accepted are numbers "
                    "for all sizes but that of the batch"
                )
        for node in model.graph.node:
            for name in node.output:
                shape = model.get_tensor_shape(name) if name else None
                if shape and min(shape) < 0:  # 0: unknown
                    before = model.get_tensor_shape(node.input[0]) if node.input else None
                    raise UnsupportedError(
                        f"{label(node)}: its input of shape {before} gives an output of shape {shape}; "
                        "accepted are kernels within the padded image"
                    )
        return model, False


class CheckConstants(Transformation):
    """Constants are finite, scales above 0, bit widths of 1 or more, bounds in order, divisors not 0.

    Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check the constants that each node reads; the model stays."""
        for node in model.graph.node:
            values = [model.get_initializer(name) if name else None for name in node.input]
            wrong = _wrong_constants(model, node, values)
            if wrong is not None:
                raise UnsupportedError(f"{label(node)}: {wrong}")
        return model, False


def _wrong_constants(model: ModelWrapper, node: NodeProto, values: list[np.ndarray | None]) -> str | None:
    """What is wrong with a node's constants, and what is accepted; None if nothing is."""
    kind = node.op_type
    if kind == "Clip":
        bounds = [attribute(node, "min", -np.inf), attribute(node, "max", np.inf)]  # up to opset 10
        for index, value in enumerate(values[1:]):
            if value is not None:
                if value.size != 1:
                    return (
                        f"its bound {node.input[index + 1]} has shape {value.shape}; accepted is one number"
                    )
                bounds[index] = value.item()
        return None if bounds[0] <= bounds[1] else f"its bounds are {bounds}; accepted are least and greatest"
    for name, value in zip(node.input, values, strict=True):
        if value is not None and value.dtype.kind == "f" and not np.isfinite(value).all():
            return f"a value of {name} is infinite or no number; accepted are finite numbers"
    if kind in (*QUANTIZERS, "Trunc"):
        scale = values[1]
        if scale is not None and np.any(scale <= 0):
            return f"its scale is {_first(scale, scale <= 0):g}; accepted are numbers above 0"
    if kind == "Quant":
        bits = values[3]
        if bits is not None and np.any(bits < 1):
            return f"its bit width is {_first(bits, bits < 1):g}; accepted are 1 or more"
        one = bits is not None and np.all(bits == 1) and not is_constant(model, node.output[0])
        if one and values[1] is not None and np.any(values[1] != 1):
            return (
                f"its bit width is 1 with a scale of {np.ravel(values[1])[0]:g}; accepted are 2 bits or "
                "more, or -1 and 1: a brevitas quantizer of QuantType.BINARY"
            )
    if kind == "BatchNormalization" and values[4] is not None:
        variance, epsilon = values[4], attribute(node, "epsilon", 1e-5)
        if np.any(variance + epsilon <= 0):
            least = variance.min()
            return f"a variance is {least:g}, with epsilon={epsilon:g}; accepted are sums above 0"
    if kind == "Div" and values[1] is not None and np.any(values[1] == 0):
        return "divides by 0; accepted are other numbers"
    if kind == "Dropout" and len(values) > 2 and values[2] is not None and np.any(values[2]):
        return "training_mode is 1; accepted is 0: export the network in evaluation mode"
    return None


def _first(values: np.ndarray, where: np.ndarray) -> float:
    return float(np.ravel(values[where])[0])


class CheckWindows(Transformation):
    """Windows are within the padded image, and weights fit channels, groups and kernel_shape.

    Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each convolution and pooling, whose attributes are written out; the model stays."""
        for node in model.graph.node:
            if node.op_type in ("Conv", "ConvTranspose"):
                self._check_weights(model, node)
            if node.op_type in ("Conv", "MaxPool", "AveragePool"):
                image, pads = model.get_tensor_shape(node.input[0])[2:], attribute(node, "pads")
                kernel, dilations = attribute(node, "kernel_shape"), attribute(node, "dilations")
                spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
                sizes = [size + sum(pads[axis :: len(image)]) for axis, size in enumerate(image)]
                if any(span > size > 0 for span, size in zip(spans, sizes, strict=True)):
                    raise UnsupportedError(
                        f"{label(node)}: windows of {spans} in a padded image of {sizes}; accepted are "
                        "windows within it"
                    )
        return model, False

    @staticmethod
    def _check_weights(model: ModelWrapper, node: NodeProto) -> None:
        weights, kernel = model.get_tensor_shape(node.input[1]), attribute(node, "kernel_shape")
        channels, group = model.get_tensor_shape(node.input[0])[1], attribute(node, "group")
        expected = [channels // group if node.op_type == "Conv" else channels, *kernel]
        own = [weights[1] if node.op_type == "Conv" else weights[0], *weights[2:]]
        if own != expected or channels % group or (node.op_type == "Conv" and weights[0] % group):
            raise UnsupportedError(
                f"{label(node)}: weights of shape {tuple(weights)} with {channels} input channels, "
                f"group={group} and kernel_shape={kernel}; accepted are weights that fit these"
            )


class CheckSums(Transformation):
    """Constants of sums and products before a layer are one number, or one for each channel of an image.

    FINN merges others into thresholds as if they were that. Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each Add, Sub, Mul and Div of an image that something quantizes later; the model stays."""
        quantized = on_the_way_to(model, QUANTIZERS)
        for node in model.graph.node:
            if node.op_type not in ("Add", "Sub", "Mul", "Div") or node.output[0] not in quantized:
                continue
            value = model.get_initializer(node.input[1])
            image = len(model.get_tensor_shape(node.output[0]) or ()) == 4
            if image and value is not None and _beside_channels(value.shape):
                raise UnsupportedError(
                    f"{label(node)}: its constant {node.input[1]} has shape {value.shape}; accepted are one "
                    "number, or one for each channel, (1, C, 1, 1)"
                )
            if node.op_type == "Div" and value is None:
                raise UnsupportedError(
                    f"{label(node)}: divides values of the network by each other; accepted are values "
                    "divided by a constant"
                )
        return model, False


def _beside_channels(shape: Iterable[int]) -> bool:
    return any(size > 1 for axis, size in enumerate(shape) if axis != 1)


class CheckTopK(Transformation):
    """Of a TopK along the last axis only the indices are read: FINN has a layer for these.

    Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each TopK; the model stays."""
        ends = {value.name for value in model.graph.output}
        for node in model.graph.node:
            if node.op_type != "TopK":
                continue
            shape, axis = model.get_tensor_shape(node.input[0]), attribute(node, "axis", -1)
            if axis not in (-1, len(shape) - 1):
                raise UnsupportedError(f"{label(node)}: axis={axis} of shape {shape}; accepted is the last")
            if node.output[0] in ends or model.find_consumers(node.output[0]):
                raise UnsupportedError(
                    f"{label(node)}: its values {node.output[0]} are read; accepted are its indices alone"
                )
        return model, False
