"""im2col, MEC and IMEC on PyTorch tensors, on CPU or GPU; the multiplications are BLAS' or cuBLAS'.

    from finn_imec.algorithms.torch_backend import convolve, pack_weights
    ofm = convolve("imec_gather", ifm, pack_weights(weight), geometry)

The layouts are those of finn_imec.algorithms: ifm (N, H, W, C) without padding, weights
(K_h*K_w*C/groups, M) with rows in (kh, kw, c) order, ofm (N, OH, OW, M). Output channel m reads the
input channels of group m // (M/groups), as in torch.nn.functional.conv2d.

Frames are lowered one after the other and so are groups, each into the same buffer, whose size
`lowering_elements` gives. Padding is never copied in front: zeros go where a buffer has them.

direct       no buffer: one product per kernel position, on the input as it lies, summed in the output.
im2col       (OH, OW, K_h, K_w, C), one product (Chellapilla 2006).
mec          (OW, H, K_w, C), overlapping products, one per output row (Cho and Brand 2017, Algorithm 1).
imec_row     (OW, K_h, K_w, C), the lines of an output row (IMEC, Algorithm 1), one product per row.
imec_gather  (span_h, W, C), a circular strip of input rows overwritten in place, read in place: one
             product per kernel position and output row. NumPy's form advances by pixels and holds
             K_h-1 rows and K_w pixels; this one advances by rows, for BLAS, and holds K_h of them.

Sums: float32 for float32, int32 for int8. In float16 and bfloat16 a product sums in float32, but
direct and imec_gather add K_h*K_w products in the output, each rounded to its type.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, UnsupportedError, require

__all__ = ["convolve", "pack_weights", "unpack_weights"]

if TYPE_CHECKING:
    from torch import Tensor

#: Types of input and weights, and largest ||ofm - exact|| / ||exact|| (0: equal in every element).
TOLERANCES = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2, "int8": 0.0}


def torch_module() -> Any:
    """The package torch; raises MissingToolError naming the extra."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # else its profiler tells each start and stop
    return require("torch", "torch")


def group_count(geometry: ConvGeometry, groups: int = 1) -> int:
    """Groups of a layer: `groups`, or its channels if depthwise. GeometryError if they do not divide."""
    if geometry.depthwise:
        if groups not in (1, geometry.ifm_channels):
            raise GeometryError(
                f"groups={groups} with depthwise=True: accepted are 1 (not given) and "
                f"ifm_channels={geometry.ifm_channels}"
            )
        return geometry.ifm_channels
    for name in ("ifm_channels", "ofm_channels"):
        if groups < 1 or getattr(geometry, name) % groups:
            raise GeometryError(
                f"groups={groups} does not divide {name}={getattr(geometry, name)}: accepted are "
                "divisors of both numbers of channels"
            )
    return groups


def weight_rows(geometry: ConvGeometry, groups: int = 1) -> int:
    """Rows of the weight matrix, K_h*K_w*C/groups."""
    kh, kw = geometry.kernel
    return kh * kw * geometry.ifm_channels // group_count(geometry, groups)


def pack_weights(weight: Tensor) -> Tensor:
    """torch's weight (M, C/groups, K_h, K_w) as the matrix (K_h*K_w*C/groups, M) of this package."""
    return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0]).contiguous()


def unpack_weights(weights: Tensor, geometry: ConvGeometry) -> Tensor:
    """The inverse of pack_weights: (M, C/groups, K_h, K_w)."""
    kh, kw = geometry.kernel
    return weights.reshape(kh, kw, -1, weights.shape[1]).permute(3, 2, 0, 1).contiguous()


def sum_type(dtype: Any) -> Any:
    """Type of the output: int32 for int8, else that of the operands."""
    torch = torch_module()
    return torch.int32 if dtype == torch.int8 else dtype


def convolve(name: str, ifm: Tensor, weights: Tensor, geometry: ConvGeometry, groups: int = 1) -> Tensor:
    """Convolve ifm (N, H, W, C) with weights (K_h*K_w*C/groups, M) by algorithm `name`.

    ifm and weights: float32, float16, bfloat16 or int8, both the same, on one device; H, W are
    geometry.input_dim. Returns (N, OH, OW, M), int32 for int8.
    Raises UnsupportedError for an unknown name, another type, or an int8 product that the device has
    not got; GeometryError for shapes that are not the geometry's.
    """
    algorithm = get_algorithm(name)
    check_operands(ifm, weights, geometry, groups)
    return algorithm(ifm, weights, geometry, group_count(geometry, groups))


def check_operands(ifm: Tensor, weights: Tensor, geometry: ConvGeometry, groups: int = 1) -> None:
    """Raises as `convolve` says."""
    pixel_shape = (*geometry.input_dim, geometry.ifm_channels)
    if ifm.ndim != 4 or tuple(ifm.shape[1:]) != pixel_shape:
        raise GeometryError(
            f"ifm has shape {tuple(ifm.shape)}: expected (N, H, W, C) = "
            f"(N, {', '.join(map(str, pixel_shape))})"
        )
    expected = (weight_rows(geometry, groups), geometry.ofm_channels)
    if tuple(weights.shape) != expected:
        raise GeometryError(
            f"weights have shape {tuple(weights.shape)}: expected (K_h*K_w*C/groups, M) = {expected}"
        )
    if type_name(ifm.dtype) not in TOLERANCES or ifm.dtype != weights.dtype:
        raise UnsupportedError(
            f"ifm has dtype {ifm.dtype}, weights {weights.dtype}: accepted is one of "
            f"{', '.join(TOLERANCES)} for both"
        )
    if ifm.device != weights.device:
        raise UnsupportedError(f"ifm is on {ifm.device}, weights on {weights.device}: accepted is one device")


def type_name(dtype: Any) -> str:
    """float32 of torch.float32."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class TorchAlgorithm:
    """A convolution on PyTorch tensors and the closed formula of its lowering memory.

    convolve(frame, weights, out, buffer, geometry) adds nothing to what it finds: it writes `out`
    (OH, OW, M/groups) from one frame (H, W, C/groups) and one group's weights. `buffer` has
    `lowering_elements(geometry, groups)` elements of the input's type, whatever they hold.
    """

    convolve: Callable[[Tensor, Tensor, Tensor, Tensor, ConvGeometry], None]
    lowering_elements: Callable[[ConvGeometry, int], int]

    def __call__(self, ifm: Tensor, weights: Tensor, geometry: ConvGeometry, groups: int) -> Tensor:
        """All frames and groups, of operands that are checked."""
        ofm = ifm.new_empty((len(ifm), *geometry.ofm_dim, geometry.ofm_channels), dtype=sum_type(ifm.dtype))
        buffer = ifm.new_empty(self.lowering_elements(geometry, groups))
        channels, outputs = geometry.ifm_channels // groups, geometry.ofm_channels // groups
        for frame, out in zip(ifm, ofm, strict=True):
            for group in range(groups):
                inside = slice(group * channels, (group + 1) * channels)
                across = slice(group * outputs, (group + 1) * outputs)
                self.convolve(frame[..., inside], weights[:, across], out[..., across], buffer, geometry)
        return ofm


# ---- the algorithms: one frame (H, W, C), one group -------------------------------------------------


def _direct(frame: Tensor, weights: Tensor, out: Tensor, buffer: Tensor, geometry: ConvGeometry) -> None:
    (sh, sw), taps = geometry.stride, _taps(weights, geometry)
    out.zero_()
    for n, p in np.ndindex(*geometry.kernel):
        rows, columns = _inside(geometry, 0, n), _inside(geometry, 1, p)
        if not len(rows.outputs) or not len(columns.outputs):
            continue
        pixels = frame[rows.first :: sh, columns.first :: sw]
        pixels = pixels[: len(rows.outputs), : len(columns.outputs)]
        _add_product(pixels, taps[n, p], out[_slice(rows.outputs), _slice(columns.outputs)])


def _im2col(frame: Tensor, weights: Tensor, out: Tensor, buffer: Tensor, geometry: ConvGeometry) -> None:
    windows = buffer.view(*geometry.ofm_dim, *geometry.kernel, frame.shape[2])
    top, left, *_ = geometry.padding
    _copy_windows(windows, frame, (-top, -left), geometry.stride, geometry.dilation)
    if out.is_contiguous():
        _product(buffer.view(geometry.windows, -1), weights, out.view(geometry.windows, -1))
    else:  # one group of several: rows of the output lie apart, but at equal distances
        rows = out.as_strided((geometry.windows, out.shape[2]), (out.stride(1), 1), out.storage_offset())
        _product(buffer.view(geometry.windows, -1), weights, rows)


def _mec(frame: Tensor, weights: Tensor, out: Tensor, buffer: Tensor, geometry: ConvGeometry) -> None:
    """Rows with equal remainder mod d_h are stored together, so that a window's are neighbors."""
    kw, (sh, sw), (dh, dw) = geometry.kernel[1], geometry.stride, geometry.dilation
    (h, _), (oh, ow), (top, left, *_) = geometry.ifm_dim, geometry.ofm_dim, geometry.padding
    channels = frame.shape[2]
    row_words = kw * channels
    lowered = buffer.view(ow, h, kw, channels)
    stored = 0
    for remainder in range(min(dh, h)):
        rows = range(remainder, h, dh)
        strips = lowered[:, stored : stored + len(rows)].transpose(0, 1).unsqueeze(2)
        _copy_windows(strips, frame, (remainder - top, -left), (dh, sw), (1, dw))
        first = next((y for y in range(min(oh, dh)) if y * sh % dh == remainder), None)
        if first is not None:
            # Output rows with this remainder: every `period`-th, `step` stored rows apart.
            period = dh // int(np.gcd(sh, dh))
            step, begin = sh * period // dh, stored + first * sh // dh
            results = out[first::period]
            matrices = buffer.as_strided(
                (len(results), ow, weights.shape[0]),
                (step * row_words, h * row_words, 1),
                begin * row_words,
            )
            _product(matrices, weights, results)
        stored += len(rows)


def _imec_row(frame: Tensor, weights: Tensor, out: Tensor, buffer: Tensor, geometry: ConvGeometry) -> None:
    (oh, ow), (top, left, *_) = geometry.ofm_dim, geometry.padding
    lines = buffer.view(1, ow, *geometry.kernel, frame.shape[2])
    matrix = buffer.view(ow, -1)
    for m in range(oh):
        _copy_windows(lines, frame, (m * geometry.stride[0] - top, -left), geometry.stride, geometry.dilation)
        _product(matrix, weights, out[m])


def _imec_gather(frame: Tensor, weights: Tensor, out: Tensor, buffer: Tensor, geometry: ConvGeometry) -> None:
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    (_, w), (oh, ow), (top, left, *_) = geometry.ifm_dim, geometry.ofm_dim, geometry.padding
    taps, span = _taps(weights, geometry), _span(geometry)
    strip = buffer.view(span, w, frame.shape[2])
    written = 0
    out.zero_()
    for m in range(oh):
        for y in range(max(written, m * sh), m * sh + span):
            line = strip[y % span].view(1, w, 1, 1, frame.shape[2])
            _copy_windows(line, frame, (y - top, -left), (1, 1), (1, 1))
        written = m * sh + span
        for n, p in np.ndindex(*geometry.kernel):
            pixels = strip[(m * sh + n * dh) % span, p * dw :: sw][:ow]
            _add_product(pixels, taps[n, p], out[m])


def _span(geometry: ConvGeometry) -> int:
    """Input rows from the first to the last of a window, (K_h-1)*d_h + 1."""
    return (geometry.kernel[0] - 1) * geometry.dilation[0] + 1


def _taps(weights: Tensor, geometry: ConvGeometry) -> Tensor:
    """The weight matrix as (K_h, K_w, C/groups, M/groups), a view."""
    return weights.unflatten(0, (*geometry.kernel, -1))


def _elements(of_channels: Callable[[ConvGeometry], int]) -> Callable[[ConvGeometry, int], int]:
    """A formula of positions as one of elements: times the channels of a group."""
    return lambda geometry, groups: of_channels(geometry) * (geometry.ifm_channels // groups)


ALGORITHMS: dict[str, TorchAlgorithm] = {
    "direct": TorchAlgorithm(_direct, lambda geometry, groups: 0),
    "im2col": TorchAlgorithm(_im2col, _elements(lambda g: g.windows * g.kernel[0] * g.kernel[1])),
    "mec": TorchAlgorithm(_mec, _elements(lambda g: g.ofm_dim[1] * g.ifm_dim[0] * g.kernel[1])),
    "imec_row": TorchAlgorithm(_imec_row, _elements(lambda g: g.ofm_dim[1] * g.kernel[0] * g.kernel[1])),
    "imec_gather": TorchAlgorithm(_imec_gather, _elements(lambda g: _span(g) * g.ifm_dim[1])),
}


def get_algorithm(name: str) -> TorchAlgorithm:
    """The algorithm registered as `name`; raises UnsupportedError naming those that are."""
    if name not in ALGORITHMS:
        raise UnsupportedError(f"algorithm={name!r}: accepted are {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]


# ---- what they are made of --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Inside:
    """Output positions on an axis whose input at a kernel position is no padding, and the first's."""

    outputs: range
    first: int


def _inside(geometry: ConvGeometry, axis: int, tap: int) -> _Inside:
    start = tap * geometry.dilation[axis] - geometry.padding[axis]
    outputs = _clip(start, geometry.stride[axis], geometry.ofm_dim[axis], geometry.input_dim[axis])
    return _Inside(outputs, start + outputs.start * geometry.stride[axis])


def _clip(start: int, step: int, count: int, size: int) -> range:
    """The i below `count` with 0 <= start + i*step < size."""
    first = max(0, -(start // step))
    return range(first, max(first, min(count, -((start - size) // step))))


def _slice(positions: range) -> slice:
    return slice(positions.start, positions.stop)


def _copy_windows(
    windows: Tensor,
    frame: Tensor,
    start: tuple[int, int],
    step: tuple[int, int],
    dilation: tuple[int, int],
) -> None:
    """windows[y, x, n, p] = frame[start + (y, x)*step + (n, p)*dilation], 0 outside the frame.

    windows (Y, X, K_h, K_w, C), frame (H, W, C). Where nothing is outside, it is one strided copy.
    """
    counts, kernel, size = windows.shape[:2], windows.shape[2:4], frame.shape[:2]
    last = [start[i] + (counts[i] - 1) * step[i] + (kernel[i] - 1) * dilation[i] for i in range(2)]
    if min(start) >= 0 and all(last[i] < size[i] for i in range(2)):
        row, pixel, channel = frame.stride()
        strides = (step[0] * row, step[1] * pixel, dilation[0] * row, dilation[1] * pixel, channel)
        offset = frame.storage_offset() + start[0] * row + start[1] * pixel
        windows.copy_(frame.as_strided(windows.shape, strides, offset))
        return
    windows.zero_()
    for n, p in np.ndindex(*kernel):
        first = start[0] + n * dilation[0], start[1] + p * dilation[1]
        ys, xs = (_clip(first[i], step[i], counts[i], size[i]) for i in range(2))
        if len(ys) and len(xs):
            pixels = frame[first[0] + ys.start * step[0] :: step[0]]
            pixels = pixels[: len(ys), first[1] + xs.start * step[1] :: step[1]]
            windows[_slice(ys), _slice(xs), n, p] = pixels[:, : len(xs)]


def _product(left: Tensor, right: Tensor, out: Tensor) -> None:
    """out = left @ right, of matrices, or of a batch on the left."""
    if str(left.dtype) == "torch.int8":
        for matrix, result in _matrices(left, out):
            result.copy_(_int8_product(matrix, right))
    elif left.ndim == 2:
        torch_module().mm(left, right, out=out)
    else:
        torch_module().bmm(left, right.expand(len(left), *right.shape), out=out)


def _add_product(left: Tensor, right: Tensor, out: Tensor) -> None:
    """out += left @ right, of matrices, or of a batch on the left."""
    if str(left.dtype) == "torch.int8":
        for matrix, result in _matrices(left, out):
            result.add_(_int8_product(matrix, right))
    elif left.ndim == 2:
        out.addmm_(left, right)
    else:
        out.baddbmm_(left, right.expand(len(left), *right.shape))


def _matrices(left: Tensor, out: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    if left.ndim == 2:
        yield left, out
    else:
        yield from zip(left, out, strict=True)


def _int8_product(left: Tensor, right: Tensor) -> Tensor:
    """int32 sums. On CUDA of those sizes and strides only that cuBLASLt has."""
    torch = torch_module()
    try:
        return torch._int_mm(left, right)
    except RuntimeError as err:
        if not left.is_cuda or isinstance(err, torch.OutOfMemoryError):
            raise
        (rows, inner), columns = left.shape, right.shape[1]
        raise UnsupportedError(
            f"int8 product of {rows} x {inner} by {inner} x {columns} on CUDA: cuBLASLt has none of this "
            "shape; accepted are more than 16 rows, multiples of 8 for the rest, and not all strides; "
            "imec_triton takes every shape"
        ) from err
