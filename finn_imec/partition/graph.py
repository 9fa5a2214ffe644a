"""Graph changes around a partition: hardware nodes extracted, specialized, or made abstract again."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from finn_imec.compat.finn import FPGA_PART
from finn_imec.util.errors import ModelError, UnsupportedError
from finn_imec.util.names import identifier
from finn_imec.util.onnx_model import free_inputs, transformed

FINN_DOMAIN = "finn.custom_op.fpgadataflow"


def in_hardware(node: Any) -> bool:
    """True if a node is one of FINN's hardware layers, abstract or specialized."""
    return node.domain.startswith(FINN_DOMAIN)


@dataclass(frozen=True)
class PythonNode:
    """A hardware node that a simulation runs in Python, and why.

    place: "before" or "after" the simulated RTL, or "between" its nodes.
    """

    node: str
    op_type: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.node}, {self.place} the RTL: {self.reason}"


def hardware_part(model: Any) -> Any:
    """The hardware nodes of a model as a separate model; other nodes may come before and after them.

    Raises ModelError if there are none, or if another node is between them.
    """
    hardware = [node for node in model.graph.node if in_hardware(node)]
    if not hardware:
        raise ModelError("no FINN hardware layer in the model; expected a dataflow partition")
    _check_connected(model, hardware)
    return _cut(model, hardware)


def rtl_part(model: Any, reasons: Mapping[str, str]) -> tuple[Any, tuple[PythonNode, ...]]:
    """The nodes that are simulated in RTL as a separate model, and those that are not.

    model: hardware nodes only, with unique names. reasons: name of a node without RTL -> why. Such nodes
    before the first and after the last node with RTL are left out; those in between stay. Raises
    UnsupportedError with the reasons if nothing is left.
    """
    nodes = list(model.graph.node)
    before = _reached(nodes, reasons, "input", "output")
    after = _reached(nodes[::-1], reasons, "output", "input")
    kept = [node for node in nodes if node.name not in before | after]
    if all(node.name in reasons or _is_glue(node) for node in kept):
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise UnsupportedError(f"no node of the partition can be simulated: {why}")
    place = dict.fromkeys(before, "before") | dict.fromkeys(after, "after")
    in_python = (
        PythonNode(node.name, node.op_type, place.get(node.name, "between"), reasons[node.name])
        for node in nodes
        if node.name in reasons
    )
    return _cut(model, kept), tuple(in_python)


def joined(parent: Any, part: Any) -> Any:
    """FINN's parent graph with the nodes of its only StreamingDataflowPartition in place of that node.

    part: that partition's model, at any later stage of the build. Raises ModelError if the parent has not
    exactly one partition, or if their ends differ.
    """
    holders = parent.get_nodes_by_op_type("StreamingDataflowPartition")
    if len(holders) != 1:
        raise ModelError(f"the parent graph has {len(holders)} StreamingDataflowPartition nodes, not one")
    (holder,) = holders
    whole, inner = copy.deepcopy(parent), copy.deepcopy(part)
    ends = [
        (free_inputs(inner), holder.input),
        ([v.name for v in inner.graph.output], holder.output),
    ]
    for mine, theirs in ends:
        if len(mine) != len(theirs):
            raise ModelError(f"the partition has {len(mine)} ends {mine}, its parent {list(theirs)}")
    outer = {mine: theirs for names in ends for mine, theirs in zip(*names)}
    taken = {name for node in parent.graph.node for name in (*node.input, *node.output)}
    for name in {name for node in inner.graph.node for name in (*node.input, *node.output)}:
        if name in taken and name not in outer:
            inner.rename_tensor(name, f"{name}_inside")
    for mine in outer:  # which may be names of others
        inner.rename_tensor(mine, f"{mine}_end")
    for mine, theirs in outer.items():
        inner.rename_tensor(f"{mine}_end", theirs)
    position = list(parent.graph.node).index(holder)
    nodes = list(whole.graph.node)
    _replace(whole.graph.node, [*nodes[:position], *inner.graph.node, *nodes[position + 1 :]])
    known = {v.name for v in (*whole.graph.value_info, *whole.graph.input, *whole.graph.output)}
    ends_of_part = (*inner.graph.input, *inner.graph.output)
    fresh = (v for v in (*inner.graph.value_info, *ends_of_part) if v.name not in known)
    whole.graph.value_info.extend(fresh)
    whole.graph.initializer.extend(inner.graph.initializer)
    for each in inner.graph.quantization_annotation:
        whole.set_tensor_datatype(each.tensor_name, inner.get_tensor_datatype(each.tensor_name))
    return whole


def before_glue(model: Any, tensor: str) -> str:
    """The tensor that FIFOs and width converters carry to this one: the same values."""
    while (producer := model.find_producer(tensor)) is not None and _is_glue(producer):
        tensor = producer.input[0]
    return tensor


def _is_glue(node: Any) -> bool:
    """True of FIFOs and width converters, which leave a stream's values as they are."""
    return node.op_type.startswith(("StreamingFIFO", "StreamingDataWidthConverter"))


def _reached(nodes: Iterable[Any], reasons: Mapping[str, str], near: str, far: str) -> set[str]:
    """Nodes without RTL that one end of the graph reaches through none that has it.

    nodes: in the order from that end. near, far: "input" or "output", the nodes' sides.
    """
    found: set[str] = set()
    side = {name: node.name for node in nodes for name in getattr(node, far)}
    for node in nodes:
        neighbors = {side[name] for name in getattr(node, near) if name in side}
        if neighbors <= found and node.name in reasons:
            found.add(node.name)
    return found


def _cut(model: Any, nodes: list[Any]) -> Any:
    """These nodes of a model as a model of their own."""
    taken, given = _ends(model, nodes)
    part = copy.deepcopy(model)
    _replace(part.graph.node, nodes)
    inner = (value for value in part.graph.value_info if value.name not in {*taken, *given})
    _replace(part.graph.value_info, inner)
    for values, names in ((part.graph.input, taken), (part.graph.output, given)):
        infos = map(model.get_tensor_valueinfo, dict.fromkeys(names))
        _replace(values, (info for info in infos if info is not None))
    return part


def _check_connected(model: Any, hardware: list[Any]) -> None:
    """Raise ModelError if another kind of node is between two hardware nodes."""
    after = {name for node in hardware for name in node.output}
    for node in model.graph.node:
        if set(node.input) & after and not in_hardware(node):
            after.update(node.output)
    for node in hardware:
        for name in node.input:
            producer = model.find_producer(name)
            if name in after and not in_hardware(producer):
                raise ModelError(
                    f"{producer.name} ({producer.op_type}) stands between hardware layers; accepted "
                    "are other nodes before the first and after the last"
                )


def _ends(model: Any, nodes: list[Any]) -> tuple[list[str], list[str]]:
    """Input tensors of some of a model's nodes, constants excluded, and their output tensors."""
    made = {name for node in nodes for name in node.output}
    constants = {each.name for each in model.graph.initializer}
    used = {name for node in model.graph.node if node not in nodes for name in node.input}
    used |= {value.name for value in model.graph.output}
    taken = [name for node in nodes for name in node.input if name and name not in made | constants]
    given = [name for node in nodes for name in node.output if name in used]
    return taken, given


def _replace(values: Any, by: Iterable[Any]) -> None:
    """Replace the elements of a repeated protobuf field; the new ones may be some of the old."""
    kept = [copy.deepcopy(value) for value in by]
    del values[:]
    values.extend(kept)


def with_own_names(model: Any) -> Any:
    """A copy in which every node's name is an identifier and its own: files and modules are named so."""
    model = copy.deepcopy(model)
    given: set[str] = set()
    for i, node in enumerate(model.graph.node):
        name = identifier(node.name or node.op_type)
        if name in given:
            name = identifier(f"{name} of node {i}")
        node.name = name
        given.add(name)
    return model


def specialized(model: Any, fifo_depth: int | Mapping[str, int] | None = None) -> Any:
    """Abstract nodes specialized to FINN's RTL and HLS nodes, `with_fifos`."""
    return with_fifos(specialized_layers(model), fifo_depth)


def specialized_layers(model: Any) -> Any:
    """Abstract nodes specialized to FINN's RTL and HLS nodes. Raises ModelError with FINN's objection."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.transformation.general import GiveUniqueNodeNames

    if not any(node.domain == FINN_DOMAIN for node in model.graph.node):
        return model
    return transformed(model, SpecializeLayers(FPGA_PART), GiveUniqueNodeNames())


def with_fifos(model: Any, fifo_depth: int | Mapping[str, int] | None = None) -> Any:
    """`with_all_fifos`, but a single node stays alone."""
    return model if len(model.graph.node) == 1 else with_all_fifos(model, fifo_depth)


def with_all_fifos(model: Any, fifo_depth: int | Mapping[str, int] | None = None) -> Any:
    """Specialized nodes with width converters and FIFOs in between, and at the ends; unchanged with FIFOs.

    FIFO depths are the nodes' inFIFODepths and outFIFODepths, at least fifo_depth, or are given by FIFO name
    in fifo_depth. None: at least 2, and where a node joins several streams, a frame of each: without that
    the branches of a residual block wait for each other. Raises ModelError with FINN's objection.
    """
    if any(node.op_type.startswith("StreamingFIFO") for node in model.graph.node):
        return model
    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
    from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.custom_op.registry import getCustomOp

    insert_fifos = InsertFIFO(create_shallow_fifos=True)
    model = transformed(model, InsertDWC(), insert_fifos, SpecializeLayers(FPGA_PART))
    counts: Counter[str] = Counter()
    for node in filter(_is_glue, model.graph.node):
        node.name = f"{node.op_type}_{counts[node.op_type]}"
        counts[node.op_type] += 1
    for fifo in model.get_nodes_by_op_type("StreamingFIFO_rtl"):
        inst = getCustomOp(fifo)
        if isinstance(fifo_depth, Mapping):
            inst.set_nodeattr("depth", fifo_depth[fifo.name])
        else:
            least = fifo_depth or (_frame(inst) if _joins(model, fifo.output[0]) else 2)
            inst.set_nodeattr("depth", max(least, inst.get_nodeattr("depth")))
    return model


def _joins(model: Any, tensor: str) -> bool:
    """True if the node that takes this stream takes another one, too."""
    consumer = model.find_consumer(tensor)
    if consumer is None:
        return False
    others = [name for name in consumer.input if name and model.get_initializer(name) is None]
    return len(others) > 1


def _frame(inst: Any) -> int:
    """Words of a frame that passes this FIFO."""
    return int(prod(inst.get_folded_output_shape()[:-1]))


def in_python(model: Any, keep: Collection[str] = ()) -> Any:
    """The model with abstract nodes, which FINN executes in Python; op_types of `keep` stay."""
    model = copy.deepcopy(model)
    for node in model.graph.node:
        if in_hardware(node) and node.op_type not in keep:
            node.op_type = re.sub("_(rtl|hls)$", "", node.op_type)
            node.domain = FINN_DOMAIN
    return model
