"""What the transformations of this folder need of a graph: attributes, constants, names for messages."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: Nodes with weights at input 1.
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
QUANTIZERS = ("Quant", "BipolarQuant")


def label(node: NodeProto) -> str:
    """The node as messages name it: op type, and its name or that of its output."""
    return f"{node.op_type} {node.name or node.output[0]}"


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value: int, float, list, or str; the default if the node has none."""
    from onnx import helper

    for each in node.attribute:
        if each.name == name:
            value = helper.get_attribute_value(each)
            return value.decode() if isinstance(value, bytes) else value
    return default


def set_attributes(node: NodeProto, **values: Any) -> None:
    """Set attributes; None removes one."""
    from onnx import helper

    kept = [each for each in node.attribute if each.name not in values]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(k, v) for k, v in values.items() if v is not None)


def dynamic_inputs(model: ModelWrapper, node: NodeProto) -> list[str]:
    """Inputs that depend on the network's input: no constants, nor what quantizers make of constants."""
    return [name for name in node.input if name and not is_constant(model, name)]


def on_the_way_to(model: ModelWrapper, kinds: Collection[str]) -> set[str]:
    """Tensors that nodes of these op types read, also through others."""
    found: set[str] = set()
    for node in reversed(model.graph.node):
        if node.op_type in kinds or found.intersection(node.output):
            found.update(node.input)
    return found


def is_constant(model: ModelWrapper, name: str) -> bool:
    """True for a constant, and for the output of nodes that have only constant inputs."""
    if model.get_initializer(name) is not None:
        return True
    producer = model.find_producer(name)
    return producer is not None and all(is_constant(model, each) for each in producer.input if each)


def quantizer(model: ModelWrapper, name: str) -> NodeProto | None:
    """The quantizer that makes this tensor, if its input is a constant."""
    node = model.find_producer(name)
    found = node is not None and node.op_type in QUANTIZERS and is_constant(model, name)
    return node if found else None


def rank(model: ModelWrapper, name: str) -> int:
    """Number of dimensions; 0 if the shape is unknown."""
    return len(model.get_tensor_shape(name) or ())


def forget_shapes(model: ModelWrapper) -> None:
    """Remove the shapes of all tensors but inputs, outputs and constants; datatypes stay."""
    del model.graph.value_info[:]


def axes_of(model: ModelWrapper, node: NodeProto, dimensions: int) -> list[int] | None:
    """Axes of a reduction, from an attribute or, in newer opsets, input 1; not negative; None: all."""
    axes = attribute(node, "axes")
    if axes is None and len(node.input) > 1 and node.input[1]:
        axes = np.atleast_1d(model.get_initializer(node.input[1])).tolist()
    return None if axes is None else sorted(int(axis) % dimensions for axis in axes)
