"""Graph changes around a partition: hardware nodes extracted, specialized, or made abstract again."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from finn_imec.compat.finn import FPGA_PART
from finn_imec.util.errors import ModelError
from finn_imec.util.onnx_model import transformed

FINN_DOMAIN = "finn.custom_op.fpgadataflow"


def in_hardware(node: Any) -> bool:
    """True if a node is one of FINN's hardware layers, abstract or specialized."""
    return node.domain.startswith(FINN_DOMAIN)


def hardware_part(model: Any) -> Any:
    """The hardware nodes of a model as a separate model; other nodes may come before and after them.

    Raises ModelError if there are none, or if another node is between them.
    """
    hardware = [node for node in model.graph.node if in_hardware(node)]
    if not hardware:
        raise ModelError("no FINN hardware layer in the model; expected a dataflow partition")
    _check_connected(model, hardware)
    taken, given = _ends(model, hardware)
    part = copy.deepcopy(model)
    _replace(part.graph.node, filter(in_hardware, part.graph.node))
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


def _ends(model: Any, hardware: list[Any]) -> tuple[list[str], list[str]]:
    """Input tensors of the hardware nodes, constants excluded, and their output tensors."""
    made = {name for node in hardware for name in node.output}
    constants = {each.name for each in model.graph.initializer}
    used = {name for node in model.graph.node if not in_hardware(node) for name in node.input}
    used |= {value.name for value in model.graph.output}
    taken = [name for node in hardware for name in node.input if name not in made | constants]
    given = [name for node in hardware for name in node.output if name in used]
    return taken, given


def _replace(values: Any, by: Iterable[Any]) -> None:
    """Replace the elements of a repeated protobuf field; the new ones may be some of the old."""
    kept = [copy.deepcopy(value) for value in by]
    del values[:]
    values.extend(kept)


def specialized(model: Any, fifo_depth: int | Mapping[str, int] = 2) -> Any:
    """Abstract nodes specialized to FINN's RTL and HLS nodes, with width converters and FIFOs.

    FIFO depths are the nodes' inFIFODepths and outFIFODepths, at least fifo_depth, or are given by FIFO name
    in fifo_depth. A model without abstract nodes is returned unchanged. Raises ModelError with FINN's
    objection.
    """
    if not any(node.domain == FINN_DOMAIN for node in model.graph.node):
        return model
    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
    from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.general import GiveUniqueNodeNames

    for transformation in (
        SpecializeLayers(FPGA_PART),
        InsertDWC(),
        InsertFIFO(create_shallow_fifos=True),
        SpecializeLayers(FPGA_PART),
        GiveUniqueNodeNames(),
    ):
        model = transformed(model, transformation)
    for fifo in model.get_nodes_by_op_type("StreamingFIFO_rtl"):
        inst = getCustomOp(fifo)
        if isinstance(fifo_depth, Mapping):
            inst.set_nodeattr("depth", fifo_depth[fifo.name])
        else:
            inst.set_nodeattr("depth", max(fifo_depth, inst.get_nodeattr("depth")))
    return model


def in_python(model: Any) -> Any:
    """The model with abstract nodes, which FINN executes in Python."""
    model = copy.deepcopy(model)
    for node in model.graph.node:
        if in_hardware(node):
            node.op_type = re.sub("_(rtl|hls)$", "", node.op_type)
            node.domain = FINN_DOMAIN
    return model
