"""MEC, memory-efficient convolution: Cho and Brand, ICML 2017, arXiv 1706.06873, Algorithm 1.

The input is cut into OW column strips of width K_w. In a strip, the K_h rows of one output row lie
next to each other, and those of the next output row start s_h rows later, so that OH overlapping
matrices read the same memory.
"""

from __future__ import annotations

import numpy as np

from finn_imec.algorithms.base import ConvResult
from finn_imec.layer.geometry import ConvGeometry


def convolve(ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> ConvResult:
    """Lower each frame to L (OW, H, K_w, C), then one matrix product on a part of L per output row.

    Frames are lowered one after the other. The paper has no dilation: rows with
    equal remainder mod d_h are stored together, so that a
    dilated window's rows are neighbors as well; without dilation that is the input's own order.
    """
    kw, (sh, sw), (dh, dw) = geometry.kernel[1], geometry.stride, geometry.dilation
    (h, _), (oh, ow) = geometry.ifm_dim, geometry.ofm_dim
    stored_rows = np.argsort(np.arange(h) % dh, kind="stable")
    place = np.argsort(stored_rows)
    row_words = kw * geometry.ifm_channels

    lowered = np.empty((ow, h, kw, geometry.ifm_channels), ifm.dtype)
    matrices = lowered.reshape(ow, h * row_words)
    ofm = np.empty((len(ifm), oh, ow, geometry.mh), weights.dtype)
    for frame, out in zip(ifm, ofm, strict=True):
        for p in range(kw):
            columns = frame[:, p * dw :: sw][:, :ow]
            lowered[:, place, p] = columns.swapaxes(0, 1)
        for y in range(oh):
            start = place[y * sh] * row_words
            np.matmul(matrices[:, start : start + geometry.mw], weights, out=out[y])
    return ConvResult.of(ofm, lowered)


def lowering_elements(geometry: ConvGeometry) -> int:
    """OW * H * K_w * C."""
    return geometry.ofm_dim[1] * geometry.ifm_dim[0] * geometry.kernel[1] * geometry.ifm_channels
