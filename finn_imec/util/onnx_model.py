"""ONNX models: reading a file, and constants of a graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from finn_imec.util.errors import ImecError, ModelError, one_line

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.base import Transformation

#: Most values of a tensor: more do not fit into memory.
MOST_VALUES = 2**32


def load_onnx(path: Path, external_data: bool = True) -> ModelProto:
    """The model in a file. external_data: also load tensors stored in other files.

    Raises ModelError naming the file if it cannot be read, is no ONNX model, or has no nodes.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), format="protobuf", load_external_data=external_data)
    except OSError as err:
        raise ModelError(f"{path}: cannot be read ({err.strerror or err})") from err
    except DecodeError as err:
        raise ModelError(f"{path}: not an ONNX model, or truncated ({err})") from err
    except onnx.checker.ValidationError as err:  # a file of tensors is missing
        raise ModelError(f"{path}: {err}") from err
    if not model.graph.node:
        raise ModelError(f"{path}: not an ONNX model, or one without nodes")
    try:
        _check_graph(model.graph, external_data)
    except ModelError as err:
        raise ModelError(f"{path}: {err}") from err
    return model


def _check_graph(graph: GraphProto, external_data: bool) -> None:
    """Raise ModelError for what ONNX allows to be written, and numpy or QONNX do not read."""
    from onnx import helper, numpy_helper

    for node in graph.node:
        for text in (node.name, node.op_type, node.domain, *node.input, *node.output):
            if not isinstance(text, str):
                raise ModelError(f"node {node.name!r}: the name {text!r} is not readable as UTF-8")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _check_graph(attribute.g, external_data)
    check_no_ring(graph)
    for annotation in graph.quantization_annotation:
        for entry in annotation.quant_parameter_tensor_names:
            if entry.key == "finn_datatype":
                _check_datatype(annotation.tensor_name, entry.value)
    for tensor in graph.initializer:
        if tensor.data_location and not external_data:
            continue
        try:
            numpy_helper.to_array(tensor)
        except Exception as err:  # of any type, by what is broken
            raise ModelError(f"tensor {tensor.name!r}: {one_line(err)}") from err
    for value in (*graph.input, *graph.output, *graph.value_info):
        kind = value.type.tensor_type
        sizes = [dimension.dim_value for dimension in kind.shape.dim]
        if value.type.HasField("tensor_type"):
            try:
                helper.tensor_dtype_to_np_dtype(kind.elem_type)
            except Exception as err:
                raise ModelError(f"tensor {value.name!r}: {kind.elem_type} is no type of elements") from err
        if any(size < 0 for size in sizes) or prod(sizes) > MOST_VALUES:
            raise ModelError(
                f"tensor {value.name!r}: its shape is {sizes}: accepted are {MOST_VALUES} values"
            )


def check_no_ring(graph: GraphProto) -> None:
    """Raise ModelError naming the nodes whose inputs depend on their own outputs."""
    producers: dict[str, list[int]] = {}
    for number, node in enumerate(graph.node):
        for tensor in filter(None, node.output):
            producers.setdefault(tensor, []).append(number)
    before = {
        number: {each for tensor in node.input for each in producers.get(tensor, ())}
        for number, node in enumerate(graph.node)
    }
    try:
        TopologicalSorter(before).prepare()
    except CycleError as err:
        ring = (graph.node[number] for number in err.args[1][:-1])
        names = ", ".join(node.name or f"a node ({node.op_type})" for node in ring)
        raise ModelError(f"the graph has a ring: what {names} takes in depends on what it gives out") from err


def _check_datatype(tensor: str, name: str) -> None:
    """Raise ModelError naming the tensor unless QONNX knows its datatype, where QONNX is installed."""
    try:
        from qonnx.core.datatype import DataType
    except ImportError:
        return
    try:
        DataType[name]
    except Exception as err:  # of any type, by what is broken
        raise ModelError(
            f"tensor {tensor!r}: its datatype annotation is {name!r}: accepted are QONNX datatypes, e.g. INT4"
        ) from err


@contextlib.contextmanager
def naming(node: NodeProto) -> Iterator[None]:
    """Whatever FINN, QONNX or numpy raise on a node becomes a ModelError that names it."""
    try:
        yield
    except ImecError:
        raise
    except Exception as err:
        raise ModelError(f"{node.name or 'a node'} ({node.op_type}): {one_line(err)}") from err


def transformed(model: ModelWrapper, *transformations: Transformation) -> ModelWrapper:
    """The model after FINN's or QONNX' transformations; ModelError with what they object to."""
    for transformation in transformations:
        try:
            model = model.transform(transformation)
        except ImecError:
            raise
        except Exception as err:  # of any type
            raise ModelError(f"{type(transformation).__name__}: {one_line(err)}") from err
    return model


def free_inputs(model: ModelWrapper) -> list[str]:
    """Inputs of a graph that are no constants: older ONNX lists these among the inputs, too."""
    return [value.name for value in model.graph.input if model.get_initializer(value.name) is None]


def constant(model: ModelWrapper, name: str) -> np.ndarray | None:
    """A tensor's constant values; None if it has none, or if a node such as a DMA produces them."""
    return None if model.find_producer(name) is not None else model.get_initializer(name)
