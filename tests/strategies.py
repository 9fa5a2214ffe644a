"""Hypothesis strategies that several test modules draw from."""

from __future__ import annotations

from hypothesis import strategies as st

from finn_imec.layer.geometry import ConvGeometry, divisors


@st.composite
def axes(draw: st.DrawFn, max_kernel: int, max_extra: int) -> tuple[int, int, int, int]:
    """(kernel, input size, stride, dilation) of one axis: from one pixel to stride > kernel."""
    kernel = draw(st.integers(1, max_kernel))
    dilation = draw(st.integers(1, 3))
    size = (kernel - 1) * dilation + 1 + draw(st.integers(0, max_extra))
    return kernel, size, draw(st.integers(1, max_kernel + 2)), dilation


@st.composite
def geometries(
    draw: st.DrawFn,
    max_kernel: int = 3,
    max_extra: int = 5,
    max_channels: int = 6,
    with_depthwise: bool = False,
    with_padding: bool = False,
) -> ConvGeometry:
    """Any small layer: non-square, one-dimensional, strided, dilated, folded, padded."""
    point = st.just((1, 1, 1, 1))
    rows = draw(axes(max_kernel, max_extra) | point)
    columns = draw(axes(max_kernel, max_extra) | point)
    kernel, ifm_dim, stride, dilation = zip(rows, columns, strict=True)
    channels, ofm_channels = (draw(st.integers(1, max_channels)) for _ in range(2))
    depthwise = draw(st.sampled_from([False, False, True])) if with_depthwise else False
    if depthwise:
        ofm_channels = channels
    padding = (0, 0, 0, 0)
    if with_padding and draw(st.booleans()):
        top, left = (draw(st.integers(0, min(3, size - 1))) for size in ifm_dim)
        bottom = draw(st.integers(0, min(3, ifm_dim[0] - 1 - top)))
        padding = (top, left, bottom, draw(st.integers(0, min(3, ifm_dim[1] - 1 - left))))
    return ConvGeometry(
        kernel=kernel,
        ifm_dim=ifm_dim,
        ifm_channels=channels,
        ofm_channels=ofm_channels,
        stride=stride,
        dilation=dilation,
        simd=1 if depthwise else draw(st.sampled_from(divisors(channels))),
        pe=draw(st.sampled_from(divisors(ofm_channels))),
        simd_in=draw(st.sampled_from(divisors(channels))),
        depthwise=depthwise,
        padding=padding,
    )
