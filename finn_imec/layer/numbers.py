"""Integers out of ONNX' floats, without loss."""

from __future__ import annotations

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_imec.util.errors import UnsupportedError

#: Distance from an integer that QONNX takes for an error of float arithmetic in activations.
ROUNDING = 1e-3
#: Largest integer up to which float32 holds all of them.
FLOAT32_INTEGERS = 2**24


def whole_numbers(
    values: np.ndarray, what: str, datatype: BaseDataType | None = None, tolerance: float = 0.0
) -> np.ndarray:
    """Values as int64, of any shape.

    what: their name in errors. datatype: an integer type that must hold them. tolerance: greatest distance
    from an integer, as of activations that floats computed (ROUNDING). Raises UnsupportedError with the first
    value that is no integer, or not of the datatype.
    """
    values = np.asarray(values)
    name = "integers" if datatype is None else datatype.name
    if values.dtype.kind not in "iubf":
        raise UnsupportedError(f"{what}: values of type {values.dtype}: accepted are {name}")
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = np.rint(values)
            wrong = ~(np.abs(values - whole) <= tolerance) | ~(np.abs(values) < 2.0**63)
        if wrong.any():
            raise UnsupportedError(f"{what}: the value {values[wrong].flat[0]:g}: accepted are {name}")
        values = whole
    result = values.astype(np.int64)
    if datatype is not None:
        wrong = (result < int(datatype.min())) | (result > int(datatype.max()))
        if datatype.min() == -1 and datatype.bitwidth() == 1:  # BIPOLAR
            wrong |= result == 0
        if wrong.any():
            raise UnsupportedError(f"{what}: the value {result[wrong].flat[0]}: accepted are {name}")
    return result
