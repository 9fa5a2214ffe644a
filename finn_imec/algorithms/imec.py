"""IMEC, inverse memory-efficient convolution: Wadhwa, Khandelwal, Shreejith, ASAP 2022.

DOI 10.1109/ASAP54787.2022.00027. MEC lowers columns; IMEC lowers rows, in the order in which a
raster stream brings them, and holds no more than one output row needs. Three forms:

row      the paper's Algorithm 1: the lines of one output row, one line per kernel position.
gather   the form that this project builds: the strip of input rows from which those lines are cut,
         of which only the live pixels exist, in a circular buffer overwritten in place.
scatter  the same products without any input memory: each arriving pixel is multiplied by all
         kernel positions that it meets, and added to the live rows of partial sums.

Printed Algorithm 1 indexes the output by kernel position (`O[m,n]`); here it is output column q.
The paper has one output channel, stride 1 and no dilation; all forms take the general case.
"""

from __future__ import annotations

import numpy as np

from finn_imec.algorithms.base import ConvResult
from finn_imec.layer.geometry import ConvGeometry


def row(ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> ConvResult:
    """Algorithm 1: for each output row m, fill L (K_h, K_w, OW, C), then accumulate line by line."""
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    oh, ow = geometry.ofm_dim
    taps = weights.reshape(kh, kw, geometry.ifm_channels, geometry.mh)
    lines = np.empty((kh, kw, ow, geometry.ifm_channels), ifm.dtype)
    ofm = np.zeros((len(ifm), oh, ow, geometry.mh), weights.dtype)
    for frame, out in zip(ifm, ofm, strict=True):
        for m in range(oh):
            for n, p in np.ndindex(kh, kw):  # stage 1
                lines[n, p] = frame[m * sh + n * dh, p * dw :: sw][:ow]
            sums = out[m]
            for n, p in np.ndindex(kh, kw):  # stage 2
                sums += lines[n, p].astype(weights.dtype, copy=False) @ taps[n, p]
    return ConvResult.of(ofm, lines)


def row_elements(geometry: ConvGeometry) -> int:
    """K_h * K_w * OW * C."""
    return geometry.ofm_dim[1] * geometry.mw


def gather(ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> ConvResult:
    """Stream the pixels through a circular buffer (live_pixels, C); cut each window out of it.

    Every pixel is written once, in raster order and across frame borders, and only over a pixel
    that no later window reads.
    """
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    (h, w), (oh, ow), depth = geometry.ifm_dim, geometry.ofm_dim, geometry.live_pixels
    stream = ifm.reshape(-1, geometry.ifm_channels)
    strip = np.empty((depth, geometry.ifm_channels), ifm.dtype)
    offsets = np.add.outer(np.arange(kh) * dh * w, np.arange(kw) * dw).ravel()
    ofm = np.empty((len(ifm), oh, ow, geometry.mh), weights.dtype)
    written = 0
    for frame, y, x in np.ndindex(len(ifm), oh, ow):
        first = frame * h * w + y * sh * w + x * sw
        for pixel in range(written, first + depth):
            strip[pixel % depth] = stream[pixel]
        written = first + depth
        window = strip[(first + offsets) % depth]
        ofm[frame, y, x] = window.ravel().astype(weights.dtype, copy=False) @ weights
    return ConvResult.of(ofm, strip)


def gather_elements(geometry: ConvGeometry) -> int:
    """((K_h-1)*d_h*W + (K_w-1)*d_w + 1) * C."""
    return geometry.live_pixels * geometry.ifm_channels


def scatter(ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> ConvResult:
    """Add each arriving pixel's products to partial sums (live rows, OW, M); emit complete rows.

    Kernel position outer, output column inner. A row's pixels arrive together here, only so that
    NumPy does the inner loop: no product needs a second pixel.
    """
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    (oh, ow), live_rows = geometry.ofm_dim, _live_rows(geometry)
    taps = weights.reshape(kh, kw, geometry.ifm_channels, geometry.mh)
    sums = np.zeros((live_rows, ow, geometry.mh), weights.dtype)
    ofm = np.empty((len(ifm), oh, ow, geometry.mh), weights.dtype)
    for frame, out in zip(ifm, ofm, strict=True):
        for arriving, pixels in enumerate(frame):
            for n in range(kh):
                m, between = divmod(arriving - n * dh, sh)
                if between or not 0 <= m < oh:
                    continue
                live = sums[m % live_rows]
                for p in range(kw):
                    live += pixels[p * dw :: sw][:ow].astype(weights.dtype, copy=False) @ taps[n, p]
                if n == kh - 1:
                    out[m] = live
                    live[...] = 0
    return ConvResult.of(ofm, sums)


def scatter_elements(geometry: ConvGeometry) -> int:
    """Partial sums: min(OH, ceil(span_h/s_h)) * OW * M, with span_h = (K_h-1)*d_h + 1."""
    return _live_rows(geometry) * geometry.ofm_dim[1] * geometry.mh


def _live_rows(geometry: ConvGeometry) -> int:
    """Output rows that have begun and are not complete, at most, while one input row arrives."""
    span = (geometry.kernel[0] - 1) * geometry.dilation[0] + 1
    return min(geometry.ofm_dim[0], -(-span // geometry.stride[0]))
