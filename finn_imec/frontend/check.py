"""What FINN needs of a QONNX network: one error that names the node, the cause and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from finn_imec.frontend.convert import ELEMENTWISE, WINDOWS
from finn_imec.frontend.graph import (
    LAYERS,
    QUANTIZERS,
    attribute,
    dynamic_inputs,
    is_constant,
    label,
    quantizer,
    rank,
)
from finn_imec.util.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: Nodes whose values are integers times one scale if those of all their inputs are.
_KEEP_INTEGERS = (
    *("MaxPool", "GlobalMaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Relu", "Trunc"),
    *("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Split", "Slice", "Pad"),
    *("Resize", "Upsample", "Identity", "Dropout", "Add", "Sub", "Mul", "Div"),
)
#: Nodes that FINN has layers for, or that it merges with others; those of QONNX and FINN come besides.
_EXPRESSIBLE = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "MaxPool", "AveragePool"),
    *("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"),
    *("Concat", "Split", "Pad", "Resize", "Upsample"),
    *ELEMENTWISE,
)
#: Functions that become a part of the thresholds of the quantizers after them.
_BEFORE_QUANTIZERS = ("Sigmoid", "Tanh", "Clip", "LeakyRelu")


class CheckRanks(Transformation):
    """Convolutions and pooling work on images (1, C, H, W) or sequences (1, C, L).

    Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each Conv and pooling node; the model stays."""
        for node in model.graph.node:
            if node.op_type in WINDOWS and rank(model, node.input[0]) not in (3, 4):
                raise UnsupportedError(
                    f"{label(node)}: its input {node.input[0]} has shape "
                    f"{model.get_tensor_shape(node.input[0])}; accepted are images (1, C, H, W) and "
                    "sequences (1, C, L)"
                )
        return model, False


class CheckQuantizers(Transformation):
    """Quantizers are of a kind that FINN turns into thresholds or integer weights.

    Scales and bit widths are constants, zero points are 0, values are rounded to the nearest, activations
    have at most `most_bits` bits. Raises UnsupportedError naming the node.
    """

    def __init__(self, most_bits: int) -> None:
        super().__init__()
        self.most_bits = most_bits

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each quantizer; the model stays."""
        for node in model.graph.node:
            if node.op_type == "Trunc":
                mode = attribute(node, "rounding_mode", "FLOOR")
                if mode.upper() != "FLOOR":
                    raise UnsupportedError(
                        f"{label(node)}: rounding_mode is {mode}; accepted is FLOOR, e.g. "
                        "brevitas.nn.TruncAvgPool2d(..., float_to_int_impl_type='floor')"
                    )
            if node.op_type not in QUANTIZERS:
                continue
            for what, name in zip(("scale", "zero point", "bit width"), node.input[1:], strict=False):
                if model.get_initializer(name) is None:
                    raise UnsupportedError(
                        f"{label(node)}: its {what} {name} is computed in the network; accepted are "
                        "constants: export the network in evaluation mode, with static quantizers"
                    )
            if node.op_type == "Quant":
                self._check(model, node)
        return model, False

    def _check(self, model: ModelWrapper, node: NodeProto) -> None:
        zero, bits = (model.get_initializer(name) for name in node.input[2:4])
        mode = attribute(node, "rounding_mode", "ROUND")
        if np.any(zero != 0):
            raise UnsupportedError(
                f"{label(node)}: its zero point is {np.ravel(zero[zero != 0])[0]:g}; accepted is 0: use a "
                "symmetric quantizer, e.g. brevitas.quant.Int8ActPerTensorFloat or Uint8ActPerTensorFloat"
            )
        if bits.size != 1 or float(bits.item()) != int(bits.item()):
            raise UnsupportedError(f"{label(node)}: its bit width is {bits}; accepted is one integer")
        if bits > self.most_bits and not is_constant(model, node.output[0]):
            raise UnsupportedError(
                f"{label(node)}: its bit width is {int(bits.item())}; accepted are {self.most_bits} for "
                "activations, or what max_multithreshold_bit_width says in the build's configuration"
            )
        if mode.upper() not in ("ROUND", "HALF_EVEN", "HALF_UP"):
            raise UnsupportedError(f"{label(node)}: rounding_mode is {mode}; accepted is ROUND")


class CheckLayers(Transformation):
    """Weights and inputs of layers are quantized.

    Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each Conv, Gemm and MatMul; the model stays."""
        for node in model.graph.node:
            if node.op_type in LAYERS:
                self._check_weights(model, node)
                cause = _not_integers(model, node.input[0])
                if cause is not None:
                    raise UnsupportedError(
                        f"{label(node)}: its input {node.input[0]} is not quantized: it comes from "
                        f"{cause}; put a quantizer before this layer, e.g. "
                        "brevitas.nn.QuantIdentity(bit_width=8), or annotate the network's input with an "
                        "integer type such as UINT8"
                    )
        return model, False

    def _check_weights(self, model: ModelWrapper, node: NodeProto) -> None:
        name = node.input[1]
        if not is_constant(model, name):
            raise UnsupportedError(
                f"{label(node)}: its weights {name} are computed in the network; accepted are constants"
            )
        quant = quantizer(model, name)
        if quant is None:
            if not model.get_tensor_datatype(name).is_integer():
                raise UnsupportedError(
                    f"{label(node)}: its weights {name} are not quantized (FLOAT32); use a quantized layer, "
                    f"e.g. brevitas.nn.{'QuantConv2d' if node.op_type == 'Conv' else 'QuantLinear'}"
                )
            return
        scale = model.get_initializer(quant.input[1])
        axes = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0 if attribute(node, "transB", 0) else 1}
        outputs = axes.get(node.op_type, rank(model, name) - 1)
        aligned = (1,) * (rank(model, name) - scale.ndim) + scale.shape
        if any(size > 1 for axis, size in enumerate(aligned) if axis != outputs):
            raise UnsupportedError(
                f"{label(node)}: the scales of its weights have shape {scale.shape}; accepted are one scale, "
                "or one for each output channel"
            )


class CheckOutputs(Transformation):
    """No node reads an output of the network: FINN forks no tensor that leaves it.

    Raises UnsupportedError naming node and output.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check the readers of each output; the model stays."""
        for output in model.graph.output:
            for reader in model.find_consumers(output.name):
                raise UnsupportedError(
                    f"{label(reader)}: its input {output.name} is an output of the network, too; accepted "
                    "are outputs that no node reads"
                )
        return model, False


class CheckPadding(Transformation):
    """Padding, which is by zeros, is one of the inputs' values. Raises UnsupportedError naming the node."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each convolution, also those that pooling and Pad nodes became; the model stays."""
        for node in model.graph.node:
            zeros = node.op_type == "ConvTranspose"
            zeros |= node.op_type == "Conv" and any(attribute(node, "pads", []))
            if zeros and _bipolar(model, node.input[0]):
                raise UnsupportedError(
                    f"{label(node)}: pads={attribute(node, 'pads')} around values of -1 and 1, and FINN "
                    "pads with 0; accepted are no padding, or activations of 2 bits or more"
                )
        return model, False


class CheckTransposed(Transformation):
    """Transposed convolutions are of a kind that FINN writes as a convolution among inserted zeros.

    One group, no dilation, and padding below the kernel. Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each ConvTranspose, whose attributes are written out; the model stays."""
        for node in model.graph.node:
            if node.op_type != "ConvTranspose":
                continue
            names = ("group", "dilations", "kernel_shape", "pads")
            group, dilations, kernel, pads = (attribute(node, name) for name in names)
            less = all(pad < size for pad, size in zip(pads, (*kernel, *kernel), strict=True))
            if group > 1 or max(dilations) > 1 or not less:
                raise UnsupportedError(
                    f"{label(node)}: group={group}, dilations={dilations}, kernel_shape={kernel}, "
                    f"pads={pads}; accepted are one group, dilations of 1 and pads below the kernel"
                )
        return model, False


class CheckPooling(Transformation):
    """Max pooling is of a kind that FINN's pooling layer computes.

    No dilation, no incomplete windows, strides within the kernel, and padding, which is by zeros, only where
    no value is below 0. Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check each MaxPool, whose attributes are written out; the model stays."""
        for node in model.graph.node:
            if node.op_type != "MaxPool":
                continue
            kernel, strides, pads = (attribute(node, name) for name in ("kernel_shape", "strides", "pads"))
            image = model.get_tensor_shape(node.input[0])[2:]
            sizes = [
                i + sum(pads[axis::2]) - k for axis, (i, k) in enumerate(zip(image, kernel, strict=True))
            ]
            dilations, ceil = attribute(node, "dilations"), attribute(node, "ceil_mode", 0)
            rests = [size % s for size, s in zip(sizes, strides, strict=True)]
            if max(dilations) > 1:
                wrong = f"dilations={dilations}; accepted are 1"
            elif any(s > k for s, k in zip(strides, kernel, strict=True)):
                wrong = (
                    f"strides={strides} beyond kernel_shape={kernel}; accepted are strides up to the kernel"
                )
            elif ceil and any(rests):
                wrong = f"ceil_mode=1 with incomplete windows of an image {image}; accepted is ceil_mode=0"
            elif any(pads) and _signed(model, node.input[0]):
                wrong = (
                    f"pads={pads} around values that may be negative, which FINN pads with 0; accepted are "
                    "unsigned values, e.g. after a brevitas.nn.QuantReLU"
                )
            else:
                continue
            raise UnsupportedError(f"{label(node)}: {wrong}")
        return model, False


class CheckNodes(Transformation):
    """Between the first and the last layer lie only ONNX nodes that FINN can express.

    Raises UnsupportedError naming the node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Check the op types; the model stays."""
        fed: set[str] = set()
        for node in model.graph.node:
            if node.op_type in LAYERS or fed.intersection(node.input):
                fed.update(node.output)
        feeding: set[str] = set()
        for node in reversed(model.graph.node):
            between = fed.intersection(node.output) and feeding.intersection(node.output)
            if node.op_type in LAYERS or feeding.intersection(node.output):
                feeding.update(node.input)
            standard = node.domain in ("", "ai.onnx")
            if standard and (between or node.op_type in LAYERS) and node.op_type not in _EXPRESSIBLE:
                raise UnsupportedError(
                    f"{label(node)}: FINN has no layer for {node.op_type}; accepted between layers are "
                    f"{', '.join(sorted(_EXPRESSIBLE))}"
                )
            if between and node.op_type in _BEFORE_QUANTIZERS and not _before_quantizers(model, node):
                raise UnsupportedError(
                    f"{label(node)}: FINN has no layer for {node.op_type}; accepted is a {node.op_type} that "
                    "only quantizers read, e.g. brevitas.nn.QuantSigmoid"
                )
        return model, False


def _before_quantizers(model: ModelWrapper, node: NodeProto) -> bool:
    """True if only quantizers read what a node makes, also behind further functions."""
    after = model.find_consumers(node.output[0])
    functions = (*_BEFORE_QUANTIZERS, "Relu", "Dropout", "Identity")
    return bool(after) and all(
        each.op_type in QUANTIZERS or (each.op_type in functions and _before_quantizers(model, each))
        for each in after
    )


def _not_integers(model: ModelWrapper, name: str) -> str | None:
    """None if a tensor holds integers times a scale, and else which node or input is the cause."""
    if model.get_tensor_datatype(name).is_integer() or is_constant(model, name):
        return None
    node = model.find_producer(name)
    if node is None:
        return f"the network's input {name}"
    if node.op_type in (*QUANTIZERS, "MultiThreshold"):
        return None
    if node.op_type not in _KEEP_INTEGERS:
        return label(node)
    for each in node.input:
        value = model.get_initializer(each) if each else None
        if value is not None and value.size > 1 and node.op_type in ("Add", "Sub", "Mul", "Div"):
            return label(node)
        if each and value is None:
            cause = _not_integers(model, each)
            if cause is not None:
                return cause
    return None


def _signed(model: ModelWrapper, name: str) -> bool:
    """True if a quantized tensor may hold values below 0."""
    datatype, node = model.get_tensor_datatype(name), model.find_producer(name)
    if datatype.is_integer() or node is None:
        return datatype.signed()
    if node.op_type in ("Quant", "Trunc"):
        return bool(attribute(node, "signed", 1))
    if node.op_type in ("Relu", "Sigmoid"):
        return False
    return node.op_type == "BipolarQuant" or any(_signed(model, each) for each in dynamic_inputs(model, node))


def _bipolar(model: ModelWrapper, name: str) -> bool:
    """True if a quantized tensor may hold -1 and 1 only."""
    datatype, node = model.get_tensor_datatype(name), model.find_producer(name)
    if datatype.name == "BIPOLAR":
        return True
    if datatype.is_integer() or node is None or node.op_type in ("Quant", "Relu", "Add", "Sub"):
        return False
    return node.op_type == "BipolarQuant" or any(
        _bipolar(model, each) for each in dynamic_inputs(model, node)
    )
