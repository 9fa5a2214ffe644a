"""Direct convolution: the definition, one output pixel at a time. The reference of all others."""

from __future__ import annotations

import numpy as np

from finn_imec.algorithms.base import ConvResult
from finn_imec.layer.geometry import ConvGeometry


def convolve(ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> ConvResult:
    """Cut each window out of ifm (N, H, W, C) and multiply it by weights (K_h*K_w*C, M).

    Depthwise, the weights are (K_h*K_w, C).
    """
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    ofm = np.empty((len(ifm), *geometry.ofm_dim, geometry.mh), weights.dtype)
    for y, x in np.ndindex(*geometry.ofm_dim):
        top, left = y * sh, x * sw
        window = ifm[:, top : top + kh * dh : dh, left : left + kw * dw : dw]
        window = window.astype(weights.dtype, copy=False)
        if geometry.depthwise:
            ofm[:, y, x] = (window.reshape(len(ifm), *weights.shape) * weights).sum(axis=1)
        else:
            ofm[:, y, x] = window.reshape(len(ifm), geometry.mw) @ weights
    return ConvResult.of(ofm, lowering=np.empty(0, ifm.dtype))


def lowering_elements(geometry: ConvGeometry) -> int:
    """None: the input is read in place."""
    return 0
