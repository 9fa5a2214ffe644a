"""Plain convolution of a layer, the golden model of every check, and random operands for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.algorithms import direct
from finn_imec.algorithms.base import ConvResult, pad
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry


def random_values(datatype: BaseDataType, shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Integers that the datatype allows, its extremes included. int64."""
    if datatype == DataType["BIPOLAR"]:
        return rng.integers(0, 2, shape) * 2 - 1
    return rng.integers(int(datatype.min()), int(datatype.max()) + 1, shape)


def reference(
    datapath: Datapath,
    ifm: np.ndarray,
    convolve: Callable[[np.ndarray, np.ndarray, ConvGeometry], ConvResult] = direct.convolve,
    accumulator: type = np.int64,
) -> np.ndarray:
    """Expected output (N, OH, OW, M) for integers (N, H, W, C), by plain convolution.

    convolve: that of an `Algorithm`. accumulator: the type it computes in; np.float64 goes through BLAS
    and is exact, since no accumulator comes near 2**53.
    """
    g, weights = datapath.geometry, datapath.weights
    ifm = pad(ifm, g)
    if datapath.xnor:  # BINARY stands for -1/+1
        ifm, weights = 2 * ifm - 1, 2 * weights - 1
    accumulators = convolve(ifm, weights.astype(accumulator), g).ofm.astype(np.int64)
    if datapath.core.counts_equal_bits:  # of MW products of -1 and +1
        accumulators = (accumulators + g.mw) // 2
    return datapath.activate(accumulators)
