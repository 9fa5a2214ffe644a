"""Inputs of a network: frames from a file, or random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.algorithms.reference import random_values
from finn_imec.layer.numbers import whole_numbers
from finn_imec.util.errors import ModelError, one_line
from finn_imec.util.onnx_model import free_inputs


def random_frames(model: Any, frames: int, seed: int = 0) -> np.ndarray:
    """Random values (frames, ...) of a model's first input, of all its datatype allows.

    Floats, which the network itself quantizes, are spread evenly over the range of the thresholds that
    encode them and a tenth beyond; without such thresholds they are of the standard normal distribution.
    """
    rng = np.random.default_rng(seed)
    tensor, shape = _input(model)
    datatype = model.get_tensor_datatype(tensor)
    if datatype.is_integer():
        return random_values(datatype, (frames, *shape), rng)
    thresholds = _encoder(model, tensor)
    if thresholds is None:
        return rng.standard_normal((frames, *shape)).astype(np.float32)
    low, high = float(thresholds.min()), float(thresholds.max())
    margin = (high - low) / 10 or 1.0
    return rng.uniform(low - margin, high + margin, (frames, *shape)).astype(np.float32)


def read_frames(path: Path, model: Any) -> np.ndarray:
    """The frames of a .npy or one-array .npz file: (N, ...) of a model's first input, or one frame.

    Raises ModelError naming file, shape or value that the input does not accept.
    """
    tensor, shape = _input(model)
    try:
        values = np.load(path, allow_pickle=False)
        if not isinstance(values, np.ndarray):
            with values as arrays:
                if len(arrays.files) != 1:
                    raise ModelError(f"{path}: holds the arrays {arrays.files}: accepted is one")
                values = arrays[arrays.files[0]]
    except ModelError:
        raise
    except Exception as err:  # of any type, by what is broken
        raise ModelError(f"{path}: not readable as .npy or .npz ({one_line(err)})") from err
    if values.shape == shape:
        values = values[np.newaxis]
    if values.shape[1:] != shape or not len(values):
        raise ModelError(
            f"{path}: shape {values.shape}: accepted is (N, {', '.join(map(str, shape))}), N >= 1, "
            f"of input {tensor}"
        )
    if values.dtype.kind not in "iubf":
        raise ModelError(f"{path}: values of type {values.dtype}: accepted are numbers")
    if not np.isfinite(values).all():
        raise ModelError(f"{path}: a value is infinite or no number")
    datatype = model.get_tensor_datatype(tensor)
    if datatype.is_integer():
        return whole_numbers(values, str(path), datatype)
    return values.astype(np.float32)


def _input(model: Any) -> tuple[str, tuple[int, ...]]:
    """A model's first input without constants: its name, and its shape without the batch axis."""
    names = free_inputs(model)
    if not names:
        raise ModelError("the model has no input")
    return names[0], tuple(model.get_tensor_shape(names[0])[1:])


def _encoder(model: Any, tensor: str) -> np.ndarray | None:
    """The thresholds of the first node that has any, on the only path from a tensor."""
    while (node := model.find_consumer(tensor)) is not None:
        if "Threshold" in node.op_type:
            return model.get_initializer(node.input[1])
        if node.op_type != "Transpose":
            return None
        tensor = node.output[0]
    return None
