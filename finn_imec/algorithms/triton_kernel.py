"""IMEC as one Triton kernel: the row strip is on chip, windows are read out of it, nothing is lowered.

    from finn_imec.algorithms.triton_kernel import convolve
    ofm = convolve(ifm, weights, geometry)                    # the strip on chip
    ofm = convolve(ifm, weights, geometry, windows="cache")   # for comparison: implicit im2col

A program computes a tile of BLOCK_R output rows x BLOCK_Q output columns x BLOCK_M output channels.
For each block of BLOCK_C input channels it loads the strip, the input rows and pixels that the tile's
windows cover, from global memory once, and takes every window's every element out of it: IMEC's stage
1. Stage 2 are dot products of BLOCK_K elements, (kh, kw, c) order, with the weights.

What Triton lets one say, and what not. Its language has no pointers into shared memory and no slices
of a block, so a shifted window cannot be *viewed* in a tile that stays there, as hand-written CUDA
would. What it has is tl.gather: an index into a block that is on chip. The strip is therefore a block
in registers, and each gather passes it through shared memory: the compiler stores the strip there,
and each thread loads the elements of its windows. So it holds that an input element comes from global
memory once per strip, whatever the number of kernel positions that read it; but the copy in shared
memory is written again for each BLOCK_K elements of the windows, which a view would save. With
`whole` a strip has all rows of the tile's windows; without, one kernel row at a time, smaller
but, if BLOCK_R > 1, with rows of the tile loaded once per kernel row. An image wider than BLOCK_Q
windows has a strip per tile, and K_w - s_w neighboring pixels are in two of them; weights blocks of more
than BLOCK_M output channels each have a program, and so a strip, of their own.

windows="cache" loads each element of a window from global memory, as an implicit im2col does, and
relies on the caches for what IMEC keeps: the same kernel in all else, to weigh the strip against.

Sums are float32, for int8 int32. On a GPU float32 products are three of TF32 (tf32x3). CPU tensors run
in Triton's interpreter, which computes the same in NumPy, very slowly: for correctness, not for time;
bfloat16, which its products lack, as float32 there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.interpreter import InterpretedFunction

from finn_imec.algorithms.torch_backend import (
    TOLERANCES,
    check_operands,
    group_count,
    sum_type,
    type_name,
)
from finn_imec.algorithms.torch_reference import difference, exact
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import UnsupportedError

__all__ = ["Tile", "convolve"]

#: Where a program takes its windows from.
WINDOWS = ("strip", "cache")
#: Most bytes of a strip: as many as a program's registers hold beside its sums.
LARGEST_STRIP = 64 * 1024


def _tile(  # type: ignore[no-untyped-def]  # Triton's own types
    ifm, weights, ofm,
    height, width, oh, ow, top, left,
    CHANNELS: tl.constexpr, GROUP: tl.constexpr, OUTPUTS: tl.constexpr, GROUP_OUTPUTS: tl.constexpr,
    K_H: tl.constexpr, K_W: tl.constexpr, S_H: tl.constexpr, S_W: tl.constexpr,
    D_H: tl.constexpr, D_W: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr,
    BLOCK_C: tl.constexpr, WHOLE: tl.constexpr, ON_CHIP: tl.constexpr,
    STRIP_ROWS: tl.constexpr, STRIP_PIXELS: tl.constexpr, STRIP: tl.constexpr,
    SUM: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One tile. GROUP, GROUP_OUTPUTS: channels of a group; STRIP: the strip's elements, to a power of 2.

    Of the strip, STRIP_ROWS x STRIP_PIXELS x BLOCK_C elements, row i is the tile's i-th input row; without
    WHOLE, the one that output row i reads.
    """
    across = (ow + BLOCK_Q - 1) // BLOCK_Q
    down = (oh + BLOCK_R - 1) // BLOCK_R
    place = tl.program_id(0)
    frame = (place // (across * down)).to(tl.int64)
    first_row = place // across % down * BLOCK_R
    first_column = place % across * BLOCK_Q
    blocks: tl.constexpr = (GROUP_OUTPUTS + BLOCK_M - 1) // BLOCK_M
    group = tl.program_id(1) // blocks
    outputs = tl.program_id(1) % blocks * BLOCK_M + tl.arange(0, BLOCK_M)
    real_output = outputs < GROUP_OUTPUTS
    outputs += group * GROUP_OUTPUTS

    position = tl.arange(0, BLOCK_R * BLOCK_Q)
    row, column = position // BLOCK_Q, position % BLOCK_Q
    step = tl.arange(0, BLOCK_K)
    rows_at_once: tl.constexpr = K_H if WHOLE else 1
    elements: tl.constexpr = rows_at_once * K_W * BLOCK_C
    row_in_strip = row * S_H if WHOLE else row

    image = ifm + frame * height * width * CHANNELS + group * GROUP
    sums = tl.full((BLOCK_R * BLOCK_Q, BLOCK_M), 0, SUM)
    for n in range(0, K_H, rows_at_once):
        for c0 in range(0, GROUP, BLOCK_C):
            if ON_CHIP:
                element = tl.arange(0, STRIP)
                strip_row = element // (STRIP_PIXELS * BLOCK_C)
                strip_c = c0 + element % BLOCK_C
                y = first_row * S_H + n * D_H - top + strip_row * (1 if WHOLE else S_H)
                x = first_column * S_W - left + element // BLOCK_C % STRIP_PIXELS
                real = (strip_row < STRIP_ROWS) & (strip_c < GROUP)
                real &= (y >= 0) & (y < height) & (x >= 0) & (x < width)
                strip = tl.load(image + (y * width + x) * CHANNELS + strip_c, mask=real, other=0)
            for k0 in range(0, elements, BLOCK_K):
                k = k0 + step
                c = k % BLOCK_C
                p = k // BLOCK_C % K_W
                kernel_row = k // (BLOCK_C * K_W)
                real_k = (k < elements) & (c0 + c < GROUP)
                if ON_CHIP:
                    at_row = row_in_strip[:, None] + (kernel_row * D_H)[None, :]
                    at_pixel = (column * S_W)[:, None] + (p * D_W)[None, :]
                    at = (at_row * STRIP_PIXELS + at_pixel) * BLOCK_C + c[None, :]
                    at = tl.where(real_k[None, :], at, 0)
                    window = tl.gather(strip, tl.reshape(at, (BLOCK_R * BLOCK_Q * BLOCK_K,)), 0)
                    window = tl.reshape(window, (BLOCK_R * BLOCK_Q, BLOCK_K))
                    window = tl.where(real_k[None, :], window, 0)
                else:
                    y = (first_row + row)[:, None] * S_H - top + ((n + kernel_row) * D_H)[None, :]
                    x = (first_column + column)[:, None] * S_W - left + (p * D_W)[None, :]
                    real = real_k[None, :] & (y >= 0) & (y < height) & (x >= 0) & (x < width)
                    window = tl.load(
                        image + (y * width + x) * CHANNELS + (c0 + c)[None, :], mask=real, other=0
                    )
                weight_row = ((n + kernel_row) * K_W + p) * GROUP + c0 + c
                taps = tl.load(
                    weights + weight_row[:, None] * OUTPUTS + outputs[None, :],
                    mask=real_k[:, None] & real_output[None, :],
                    other=0,
                )
                sums = tl.dot(window, taps, sums, input_precision=PRECISION, out_dtype=SUM)

    y, x = first_row + row, first_column + column
    target = ofm + frame * oh * ow * OUTPUTS
    tl.store(
        target + (y * ow + x)[:, None] * OUTPUTS + outputs[None, :],
        sums.to(ofm.dtype.element_ty),
        mask=((y < oh) & (x < ow))[:, None] & real_output[None, :],
    )


_compiled = triton.jit(_tile)
_interpreted = InterpretedFunction(_tile)


@dataclass(frozen=True)
class Tile:
    """The sizes of a program's tile and strip, see above, and how the compiler is to spread it.

    rows, columns, outputs, step: BLOCK_R, _Q, _M, _K; channels: most of BLOCK_C.
    """

    rows: int
    columns: int
    outputs: int
    step: int
    channels: int
    whole: bool
    warps: int = 4
    stages: int = 2

    def strip(self, geometry: ConvGeometry, groups: int) -> tuple[int, int, int]:
        """(rows, pixels, channels) of the strip."""
        (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
        rows = (self.rows - 1) * sh + (kh - 1) * dh + 1 if self.whole else self.rows
        pixels = (self.columns - 1) * sw + (kw - 1) * dw + 1
        return rows, pixels, min(self.channels, geometry.ifm_channels // groups)


#: The tiles to choose from, the first in the interpreter: on one of MEC's layers, in one type, with one
#: source of windows, each was among the fastest on an H200. So was Tile(4, 8, 64, 64, 64, whole=True),
#: two stages, which gave wrong sums once (docs/algorithms.md).
TILES = [
    Tile(1, 16, 32, 32, 32, whole=False),
    Tile(1, 64, 64, 64, 64, whole=False, stages=3),
    Tile(1, 64, 128, 64, 32, whole=False),
    Tile(2, 8, 64, 64, 64, whole=False, stages=3),
    Tile(2, 8, 64, 64, 64, whole=True, stages=3),
    Tile(2, 8, 64, 64, 64, whole=True, warps=8, stages=3),
    Tile(2, 32, 64, 64, 64, whole=False),
    Tile(4, 8, 64, 64, 64, whole=False, stages=3),
    Tile(4, 8, 64, 64, 64, whole=True, stages=3),
    Tile(4, 16, 64, 32, 32, whole=True, stages=3),
    Tile(4, 16, 64, 64, 64, whole=False, stages=3),
    Tile(4, 16, 64, 64, 64, whole=True, stages=3),
    Tile(8, 8, 64, 64, 64, whole=False),
    Tile(8, 8, 64, 64, 64, whole=False, stages=3),
    Tile(8, 8, 64, 64, 64, whole=True, stages=3),
    Tile(8, 16, 64, 32, 32, whole=False, stages=3),
    Tile(8, 16, 64, 32, 32, whole=True),
    Tile(8, 16, 128, 64, 64, whole=False, warps=8),
    Tile(8, 16, 128, 64, 64, whole=True, warps=8),
]


def tiles(geometry: ConvGeometry, groups: int, element_bytes: int, windows: str = "strip") -> list[Tile]:
    """Those of TILES that are worth a trial for a layer: none much larger than it, no strip too large.

    Raises UnsupportedError if there is none.
    """
    outputs = geometry.ofm_channels // groups
    chosen = []
    for tile in TILES:
        rows, pixels, channels = tile.strip(geometry, groups)
        if _power_of_2(rows * pixels * channels) * element_bytes > LARGEST_STRIP and windows == "strip":
            continue
        if tile != TILES[0] and (
            tile.outputs >= 2 * max(32, outputs)
            or tile.columns >= 2 * max(8, geometry.ofm_dim[1])
            or tile.rows >= 2 * geometry.ofm_dim[0]
        ):
            continue
        chosen.append(tile)
    if not chosen:
        rows, pixels, channels = TILES[0].strip(geometry, groups)
        raise UnsupportedError(
            f"kernel={geometry.kernel} with dilation={geometry.dilation}, stride={geometry.stride}: the "
            f"least strip has {rows * pixels * channels * element_bytes} B; accepted are {LARGEST_STRIP}"
        )
    return chosen


def convolve(
    ifm: Tensor,
    weights: Tensor,
    geometry: ConvGeometry,
    groups: int = 1,
    windows: str = "strip",
    tile: Tile | None = None,
) -> Tensor:
    """Convolve ifm (N, H, W, C) with weights (K_h*K_w*C/groups, M): (N, OH, OW, M), int32 for int8.

    Operands and errors as of torch_backend.convolve; every size is accepted in every type. windows: one
    of WINDOWS. The tile is the given one, or the fastest of `tiles` that is right on this GPU, which the
    first call with a layer measures.
    """
    if windows not in WINDOWS:
        raise UnsupportedError(f"windows={windows!r}: accepted are {', '.join(WINDOWS)}")
    check_operands(ifm, weights, geometry, groups)
    groups = group_count(geometry, groups)
    ifm, weights = ifm.contiguous(), weights.contiguous()
    ofm = ifm.new_empty((len(ifm), *geometry.ofm_dim, geometry.ofm_channels), dtype=sum_type(ifm.dtype))
    if tile is None:
        tile = best_tile(ifm, weights, geometry, groups, windows)
    _launch(ifm, weights, ofm, geometry, groups, windows, tile)
    return ofm


def best_tile(ifm: Tensor, weights: Tensor, geometry: ConvGeometry, groups: int, windows: str) -> Tile:
    """The fastest right tile on a GPU, measured once per layer, type and batch; on a CPU the first.

    Each is tried on the operands given, and the first frame compared with float64: Triton 3.6.0 has made
    a wrong program of one tile for one layer (docs/algorithms.md). UnsupportedError if none is right.
    """
    chosen = tiles(geometry, groups, ifm.element_size(), windows)
    if not ifm.is_cuda:
        return chosen[0]
    key = (geometry, groups, windows, ifm.dtype, len(ifm), ifm.device.index)
    if key not in _best:
        ofm = ifm.new_empty((len(ifm), *geometry.ofm_dim, geometry.ofm_channels), dtype=sum_type(ifm.dtype))

        def call(tile: Tile) -> None:
            _launch(ifm, weights, ofm, geometry, groups, windows, tile)

        def milliseconds(tile: Tile) -> float:
            try:
                return triton.testing.do_bench(lambda: call(tile), warmup=5, rep=20, return_mode="median")
            except (triton.runtime.errors.OutOfResources, triton.runtime.errors.PTXASError):
                return float("inf")

        expected = exact(ifm[:1], weights, geometry, groups)
        times = sorted((milliseconds(tile), number) for number, tile in enumerate(chosen))
        fastest = (chosen[number] for time, number in times if time < float("inf"))
        best = next((tile for tile in fastest if is_right(call, tile, ofm, expected)), None)
        if best is None:
            raise UnsupportedError(
                f"{geometry.kernel} on {geometry.ifm_dim}: none of {len(chosen)} tiles runs on this GPU "
                "and gives the right sums"
            )
        _best[key] = best
    return _best[key]


def is_right(call: Callable[[Tile], None], tile: Tile, ofm: Tensor, expected: Tensor) -> bool:
    """Whether call(tile) writes all of ofm, and of its first frame what is expected."""
    floats = ofm.dtype.is_floating_point
    ofm.fill_(float("nan") if floats else torch.iinfo(ofm.dtype).min)
    call(tile)
    least = TOLERANCES[type_name(ofm.dtype) if floats else "int8"]
    written = not (ofm.isnan() if floats else ofm == torch.iinfo(ofm.dtype).min).any()
    return bool(written) and difference(ofm[:1], expected) <= least


_best: dict[Any, Tile] = {}


def _launch(
    ifm: Tensor,
    weights: Tensor,
    ofm: Tensor,
    geometry: ConvGeometry,
    groups: int,
    windows: str,
    tile: Tile,
) -> None:
    oh, ow = geometry.ofm_dim
    outputs = geometry.ofm_channels // groups
    grid = (
        len(ifm) * -(-oh // tile.rows) * -(-ow // tile.columns),
        groups * -(-outputs // tile.outputs),
    )
    kernel = _compiled if ifm.is_cuda else _interpreted
    if not ifm.is_cuda and ifm.dtype == torch.bfloat16:  # the interpreter's products take its bits
        result = ofm.float()
        _launch(ifm.float(), weights.float(), result, geometry, groups, windows, tile)
        ofm.copy_(result)
        return
    top, left, *_ = geometry.padding
    kernel[grid](
        ifm, weights, ofm, *geometry.input_dim, oh, ow, top, left,
        **_constants(geometry, groups, windows, tile, str(ifm.dtype)),
        num_warps=tile.warps, num_stages=tile.stages,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _constants(geometry: ConvGeometry, groups: int, windows: str, tile: Tile, dtype: str) -> dict[str, Any]:
    """What _tile is compiled for."""
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    rows, pixels, channels = tile.strip(geometry, groups)
    integers = dtype == "torch.int8"
    return {
        "CHANNELS": geometry.ifm_channels,
        "GROUP": geometry.ifm_channels // groups,
        "OUTPUTS": geometry.ofm_channels,
        "GROUP_OUTPUTS": geometry.ofm_channels // groups,
        **{"K_H": kh, "K_W": kw, "S_H": sh, "S_W": sw, "D_H": dh, "D_W": dw},
        "BLOCK_R": tile.rows,
        "BLOCK_Q": tile.columns,
        "BLOCK_M": tile.outputs,
        "BLOCK_K": tile.step,
        "BLOCK_C": channels,
        "WHOLE": tile.whole,
        "ON_CHIP": windows == "strip",
        "STRIP_ROWS": rows,
        "STRIP_PIXELS": pixels,
        "STRIP": _power_of_2(rows * pixels * channels),
        "SUM": tl.int32 if integers else tl.float32,
        "PRECISION": "tf32x3" if dtype == "torch.float32" else None,
    }


def _power_of_2(size: int) -> int:
    return 1 << (size - 1).bit_length()


def algorithm(windows: str) -> Callable[..., Tensor]:
    """convolve with `windows`, called as torch_backend's algorithms are."""

    def run(ifm: Tensor, weights: Tensor, geometry: ConvGeometry, groups: int = 1) -> Tensor:
        return convolve(ifm, weights, geometry, groups, windows)

    return run
