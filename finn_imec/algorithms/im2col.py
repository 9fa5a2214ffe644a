"""im2col: one matrix with a row per output pixel, then one matrix product (Chellapilla 2006)."""

from __future__ import annotations

import numpy as np

from finn_imec.algorithms.base import ConvResult
from finn_imec.layer.geometry import ConvGeometry


def convolve(ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> ConvResult:
    """Lower each frame to (OH, OW, K_h, K_w, C), then multiply by weights (K_h*K_w*C, M)."""
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    oh, ow = geometry.ofm_dim
    lowered = np.empty((oh, ow, kh, kw, geometry.ifm_channels), ifm.dtype)
    ofm = np.empty((len(ifm), oh, ow, geometry.mh), weights.dtype)
    for frame, out in zip(ifm, ofm, strict=True):
        for n, p in np.ndindex(kh, kw):
            lowered[:, :, n, p] = frame[n * dh :: sh, p * dw :: sw][:oh, :ow]
        np.matmul(lowered.reshape(oh, ow, geometry.mw), weights, out=out)
    return ConvResult.of(ofm, lowered)


def lowering_elements(geometry: ConvGeometry) -> int:
    """OH * OW * K_h * K_w * C."""
    return geometry.windows * geometry.mw
