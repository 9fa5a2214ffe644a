"""What every convolution algorithm of this package takes and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, UnsupportedError


@dataclass(frozen=True)
class ConvResult:
    """An output feature map and the lowering memory that it took.

    ofm: (N, OH, OW, M), int64 for integer inputs, else NumPy's result type of input and weights.
    lowering_bytes: size of the array that the algorithm lowered into, as NumPy allocated it.
    element_bytes: size of one of its elements; lowering_bytes / element_bytes is their number.
    """

    ofm: np.ndarray
    lowering_bytes: int
    element_bytes: int

    @classmethod
    def of(cls, ofm: np.ndarray, lowering: np.ndarray) -> ConvResult:
        """The result of an algorithm whose only buffer is `lowering`, used for every frame anew."""
        return cls(ofm, lowering.nbytes, lowering.itemsize)


@dataclass(frozen=True)
class Algorithm:
    """A convolution algorithm and the closed formula of its lowering memory.

    convolve(ifm, weights, geometry) -> ConvResult. It gets what `__call__` has checked: ifm
    (N, H, W, C) in the caller's type, and weights (K_h*K_w*C, M), rows in (kh, kw, c) order, in the
    accumulator type, which the ofm must have too.
    lowering_elements(geometry) -> elements, whatever the number of frames.
    depthwise: whether it takes depthwise layers, with weights (K_h*K_w, C).
    """

    convolve: Callable[[np.ndarray, np.ndarray, ConvGeometry], ConvResult]
    lowering_elements: Callable[[ConvGeometry], int]
    depthwise: bool = False

    def __call__(self, ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> ConvResult:
        """Convolve ifm (N, H, W, C) with weights (K_h*K_w*C, M): integers or floats.

        H, W are geometry.input_dim; the algorithm gets the padded input.
        Integers are accumulated in int64, floats in NumPy's result type of both.
        Raises GeometryError for a shape that is not the geometry's, UnsupportedError for a type
        that is neither float nor an integer that int64 can hold.
        """
        if geometry.depthwise and not self.depthwise:
            raise UnsupportedError("depthwise=True: only the direct algorithm takes depthwise layers")
        ifm, weights = np.asarray(ifm), np.asarray(weights)
        pixel_shape = (*geometry.input_dim, geometry.ifm_channels)
        if ifm.ndim != 4 or ifm.shape[1:] != pixel_shape:
            expected = ", ".join(map(str, pixel_shape))
            raise GeometryError(f"ifm has shape {ifm.shape}: expected (N, H, W, C) = (N, {expected})")
        if weights.shape != (geometry.mw, geometry.mh):
            raise GeometryError(
                f"weights have shape {weights.shape}: expected (K_h*K_w*C, M) = {(geometry.mw, geometry.mh)}"
            )
        for name, array in (("ifm", ifm), ("weights", weights)):
            if array.dtype.kind not in "iuf" or array.dtype == np.uint64:
                raise UnsupportedError(
                    f"{name} has dtype {array.dtype}: accepted are floats, and integers that int64 can hold"
                )
        floats = "f" in (ifm.dtype.kind, weights.dtype.kind)
        accumulator = np.result_type(ifm, weights) if floats else np.int64
        # Column order: NumPy's integer matrix product walks down the columns.
        weights = np.asarray(weights, accumulator, order="F")
        return self.convolve(pad(ifm, geometry), weights, geometry)


def pad(ifm: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """ifm (N, *input_dim, C) with the geometry's padding: (N, *ifm_dim, C). No copy without any."""
    if not any(geometry.padding):
        return ifm
    top, left, bottom, right = geometry.padding
    return np.pad(ifm, ((0, 0), (top, bottom), (left, right), (0, 0)))
