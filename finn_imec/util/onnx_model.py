"""ONNX models: reading a file, and constants of a graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finn_imec.util.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto
    from qonnx.core.modelwrapper import ModelWrapper


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
    return model


def constant(model: ModelWrapper, name: str) -> np.ndarray | None:
    """A tensor's constant values; None if it has none, or if a node such as a DMA produces them."""
    return None if model.find_producer(name) is not None else model.get_initializer(name)
