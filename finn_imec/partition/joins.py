"""Where the branches of a network join: what enters, how deep the FIFOs are, and whether they are sized."""

from __future__ import annotations

import json
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from finn_imec.builder.conversion import REPORT, load_conversion
from finn_imec.partition.graph import before_glue, in_hardware
from finn_imec.partition.load import load_build
from finn_imec.util.onnx_model import free_inputs, naming
from finn_imec.util.output import write_text

_REMEDY = "`auto_fifo_depths: true` in the build's configuration, or `finn-imec fifos`, sizes them"
#: Behind the lines of a build without FIFOs.
NOT_SIZED = (
    "these FIFOs are not sized: if they are too shallow, the branches wait for each other and the network "
    f"stops; {_REMEDY}"
)
#: The only line of such a build in which no branches join.
SHALLOW = (
    "FIFOs are not sized: with those of depth 2 a frame may take more cycles than the slowest layer; "
    f"{_REMEDY}"
)
#: Attributes that say whether weights are streamed, and whether these are another layer's output.
_OF_WEIGHTS = ("mem_mode", "dynamic_input")


def note_joins(folder: str | Path) -> tuple[str, ...]:
    """The lines of `joins` for a build; also `joins` of the build's REPORT."""
    lines = joins(load_build(folder))
    path = Path(folder) / REPORT
    if path.is_file():
        report = replace(load_conversion(path), joins=lines)
        write_text(path, json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n")
    return lines


def joins(model: Any) -> tuple[str, ...]:
    """A line for each hardware layer that takes several streams: from where, words a frame, FIFO depths.

    Depths are those of FIFOs in the model, or else those that FINN's InsertFIFO takes from the layers; then
    a last line says that they are not sized, also of layers in a row. Empty for one layer.
    """
    from qonnx.custom_op.registry import getCustomOp

    found = []
    for node in filter(in_hardware, model.graph.node):
        with naming(node):
            inst = getCustomOp(node)
            streams = [i for i, name in enumerate(node.input) if name and model.get_initializer(name) is None]
            if len(streams) < 2 or _streams_weights(inst):
                continue
            branches = [
                f"{_source(model, node.input[i])} ({prod(inst.get_folded_input_shape(i)[:-1]):,} words a "
                f"frame, FIFO depth {_depth(model, node, i):,})"
                for i in streams
            ]
        found.append(f"{node.name} joins {' and '.join(branches)}")
    layers = [node.op_type for node in model.graph.node if in_hardware(node)]
    if len(layers) > 1 and not any(layer.startswith("StreamingFIFO") for layer in layers):
        found.append(NOT_SIZED if found else SHALLOW)
    return tuple(found)


def _streams_weights(inst: Any) -> bool:
    """True if the layer's second stream is of weights, as from a DMA, and no branch."""
    known = {name: inst.get_nodeattr(name) for name in inst.get_nodeattr_types() if name in _OF_WEIGHTS}
    return known.get("mem_mode") == "external" and not known.get("dynamic_input")


def _source(model: Any, tensor: str) -> str:
    """The layer whose values a tensor carries."""
    tensor = before_glue(model, tensor)
    producer = model.find_producer(tensor)
    return "the input" if producer is None or tensor in free_inputs(model) else producer.name


def _depth(model: Any, node: Any, stream: int) -> int:
    """Words of the FIFO in front of a node's input."""
    from qonnx.custom_op.registry import getCustomOp

    tensor, inst = node.input[stream], getCustomOp(node)
    producer = model.find_producer(tensor)
    if producer is not None and producer.op_type.startswith("StreamingFIFO"):
        return int(getCustomOp(producer).get_nodeattr("depth"))
    depths = [2, _attribute(inst, "inFIFODepths", stream)]
    if producer is not None and in_hardware(producer):
        depths.append(_attribute(getCustomOp(producer), "outFIFODepths", list(producer.output).index(tensor)))
    return max(depths)


def _attribute(inst: Any, name: str, index: int) -> int:
    """An entry of a list attribute; FINN's lists may be shorter than a layer's streams."""
    values = list(inst.get_nodeattr(name))
    return int(values[index]) if index < len(values) else 0
