"""Which nodes of a network become hardware layers, and which stay for the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finn_imec.frontend.graph import dynamic_inputs, label
from finn_imec.util.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from onnx import NodeProto, ValueInfoProto
    from qonnx.core.modelwrapper import ModelWrapper

HARDWARE = "finn.custom_op.fpgadataflow"
#: Nodes that scale, shift and rearrange outputs: the host runs them if nothing but such nodes comes after.
_HOST = ("Mul", "Add", "Transpose", "Reshape", "Flatten", "Softmax", "Sigmoid")


@dataclass(frozen=True)
class Tail:
    """Nodes removed from the end of a model, in their order, with what `attach_tail` needs of it.

    inputs: what the nodes read, in the order of the outputs that the model has without them.
    """

    nodes: list[NodeProto]
    inputs: list[str]
    outputs: list[ValueInfoProto]
    constants: dict[str, tuple[np.ndarray, Any]]


def detach_tail(model: ModelWrapper) -> Tail:
    """Remove the nodes that the host runs after the last hardware layer; the model is changed in place.

    The model's outputs are then what these nodes read, and its own outputs that they do not make.
    """
    nodes: list[NodeProto] = []
    for node in reversed(model.graph.node):
        sources = [model.find_producer(name) for name in dynamic_inputs(model, node)]
        host = node.op_type in _HOST and len(sources) == 1 and sources[0] is not None
        host |= node.op_type == "Concat" and all(s is not None and s.op_type in _HOST for s in sources)
        if host and all(consumer in nodes for consumer in model.find_consumers(node.output[0])):
            nodes.insert(0, node)
    made = {name for node in nodes for name in node.output}
    read = [name for node in nodes for name in dynamic_inputs(model, node) if name not in made]
    inputs = [o.name for o in model.graph.output if o.name not in made]
    inputs += [name for name in dict.fromkeys(read) if name not in inputs]
    constants = {
        name: (model.get_initializer(name), model.get_tensor_datatype(name))
        for node in nodes
        for name in node.input
        if model.get_initializer(name) is not None
    }
    tail = Tail(nodes, inputs, list(model.graph.output), constants)
    ends = [model.get_tensor_valueinfo(name) for name in inputs]
    for node in nodes:
        model.graph.node.remove(node)
    del model.graph.output[:]
    model.graph.output.extend(ends)
    for end in ends:
        if end in model.graph.value_info:
            model.graph.value_info.remove(end)
    return tail


def attach_tail(model: ModelWrapper, tail: Tail) -> None:
    """Put a tail back behind the model's outputs, whatever they are called now; in place."""
    ends = dict(zip(tail.inputs, list(model.graph.output), strict=True))
    made = {name for node in tail.nodes for name in node.output}
    outputs = [output if output.name in made else ends[output.name] for output in tail.outputs]
    for node in tail.nodes:
        for index, name in enumerate(node.input):
            if name in ends:
                node.input[index] = ends[name].name
    inner = [end for end in ends.values() if end not in outputs]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    model.graph.value_info.extend(inner)
    model.graph.node.extend(tail.nodes)
    for name, (value, datatype) in tail.constants.items():
        model.set_initializer(name, value)
        model.set_tensor_datatype(name, datatype)


def check_hardware(model: ModelWrapper) -> None:
    """Raise UnsupportedError naming each node between hardware layers that became none."""
    reached: set[str] = set()
    for node in model.graph.node:
        if node.domain.startswith(HARDWARE) or reached.intersection(node.input):
            reached.update(node.output)
    needed: set[str] = set()
    stuck = []
    for node in reversed(model.graph.node):
        hardware = node.domain.startswith(HARDWARE)
        if not hardware and needed.intersection(node.output) and reached.intersection(node.output):
            stuck.insert(0, f"{label(node)} ({_cause(model, node)})")
        if hardware or needed.intersection(node.output):
            needed.update(node.input)
    if stuck:
        raise UnsupportedError(
            f"FINN has no hardware layer for {', '.join(stuck)}, between other hardware layers; "
            "docs/reference/front-end.md lists what it has"
        )
    if not reached:
        raise UnsupportedError("FINN has a hardware layer for no node of this network")


def float_layers(model: ModelWrapper) -> list[str]:
    """A line for each hardware layer that sums or multiplies branches in float32, and how to avoid that."""
    lines = []
    for node in model.graph.node:
        inputs = dynamic_inputs(model, node)
        floats = [name for name in inputs if model.get_tensor_datatype(name).name == "FLOAT32"]
        if node.op_type.startswith("Elementwise") and len(inputs) > 1 and floats:
            lines.append(
                f"{label(node)}: combines branches of different scales in float32, an HLS layer without RTL; "
                "a quantizer that both share, e.g. one brevitas.nn.QuantIdentity, makes it one of integers"
            )
    return lines


def _cause(model: ModelWrapper, node: NodeProto) -> str:
    """Why FINN has no layer for a node, as far as its inputs tell."""
    inputs = dynamic_inputs(model, node)
    if len(inputs) > 1 and not all(model.get_tensor_datatype(name).is_integer() for name in inputs):
        return "its inputs are no integers of one scale: let them share a quantizer"
    shape = tuple(model.get_tensor_shape(inputs[0]) or ())
    return f"input {inputs[0]} of shape {shape}, {model.get_tensor_datatype(inputs[0]).name}"
