"""Execution of a model in Python in which hardware layers compute exactly.

ONNX' tensors are float32, which holds all integers to 2**24; accumulators of 16-bit layers are larger. FINN's
layers take what numpy type they get, so they get integers as float64, which is exact to 2**53. Other nodes
are onnxruntime's and stay float32; a value that this would round ends the execution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from finn_imec.layer.numbers import FLOAT32_INTEGERS
from finn_imec.partition.graph import in_hardware
from finn_imec.simulation.stimulus import SimulationError
from finn_imec.util.errors import ImecError, ModelError, one_line


def execute(model: Any, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All tensors of a model, from those of `feed`; integers of FINN's layers as float64.

    As QONNX' execute_onnx. Raises SimulationError naming the node if a value is too large to be exact, and
    ModelError with what FINN, QONNX or onnxruntime says of a node.
    """
    from qonnx.analysis.topology import nodes_topologically_sorted
    from qonnx.core.onnx_exec import execute_node
    from qonnx.util.basic import get_preferred_qonnx_opset, sanitize_quant_values

    if not model.check_all_tensor_shapes_specified():
        raise ModelError("the model has tensors without a shape; QONNX' InferShapes gives them one")
    if not model.analysis(nodes_topologically_sorted)["nodes_topologically_sorted"]:
        raise ModelError("the nodes of the model are not in the order of computation, or in a ring")
    context = model.make_empty_exec_context()
    for name, values in feed.items():
        if context[name].shape != values.shape:
            raise ModelError(f"input {name} has shape {context[name].shape}, not {values.shape}")
        context[name] = values
    versions = model.get_opset_imports()
    for node in model.graph.node:
        hardware = in_hardware(node)
        version = versions.get(node.domain, get_preferred_qonnx_opset())
        # Some of FINN's layers use onnxruntime, too, and fail in float64.
        for exact in (True, False) if hardware else (False,):
            for name in (*node.input, *(node.output if hardware else ())):
                if context.get(name) is not None and context[name].dtype.kind == "f":
                    wide = exact and model.get_tensor_datatype(name).is_integer()
                    context[name] = _as_type(context[name], np.float64 if wide else np.float32, node, name)
            try:
                sanitize_quant_values(model, node.input, context)
                execute_node(node, context, model.graph, version, return_full_exec_context=True)
                sanitize_quant_values(model, node.output, context)
                break
            except ImecError:
                raise
            except Exception as err:
                if not exact:
                    raise ModelError(f"{node.name} ({node.op_type}): {one_line(err)}") from err
        for name in node.output if hardware else ():
            values = context[name]
            integer = model.get_tensor_datatype(name).is_integer()
            if integer and values.dtype == np.float32 and np.abs(values).max(initial=0) > FLOAT32_INTEGERS:
                raise SimulationError(_beyond(node, name))
    return context


def _as_type(values: np.ndarray, dtype: type, node: Any, name: str) -> np.ndarray:
    """Raises SimulationError if the values change."""
    result = values.astype(dtype)
    whole = np.abs(values) > FLOAT32_INTEGERS
    if dtype == np.float32 and (result != values)[whole].any():
        raise SimulationError(_beyond(node, name))
    return result


def _beyond(node: Any, name: str) -> str:
    return (
        f"{node.name} ({node.op_type}): tensor {name} has integers beyond 2**24, which ONNX' float32 does "
        "not hold: the result cannot be checked"
    )
