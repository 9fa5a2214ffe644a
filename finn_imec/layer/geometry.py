"""Shapes, folding and loop nest of a streaming convolution.

IMEC (Wadhwa, Khandelwal, Shreejith, ASAP 2022) keeps the input rows that the windows of one output row are
cut from. Here only the live pixels are kept,

    live_pixels = (K_h-1)*d_h*W + (K_w-1)*d_w + 1                      (pixels)

from a window's first to its last pixel in raster order. A window is read in (kh, kw, c) order, which is
FINN's weight row order: weights need no permutation, and the address step between memory neighbors is +1.

Everything here follows from the layer and its folding. The unit that holds the live pixels, and its cycles,
are in `finn_imec.layer.line_buffer` or, if SIMD > C, in `finn_imec.layer.window`.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields, replace
from math import gcd, isqrt

import numpy as np

from finn_imec.layer.memories import RAM_STYLES
from finn_imec.util.errors import GeometryError

#: Largest value of a parameter, and largest count of weights or activations: RTL counts in 32 bits.
LARGEST = 2**31 - 1


def divisors(n: int) -> list[int]:
    """All positive divisors of n, ascending."""
    candidates = np.arange(1, isqrt(n) + 1)
    low: list[int] = candidates[n % candidates == 0].tolist()
    return low + [n // d for d in reversed(low) if d * d != n]


@dataclass(frozen=True)
class LoopNest:
    """The read addresses of one window: three nested loops of word reads.

    `run` words are adjacent (step +1), `inner` runs are `inner_step` apart, and `outer` groups of runs are
    `outer_step` apart. Steps are from the last word of a run to the first word of the next. run*inner*outer
    words are read in a fold.
    """

    run: int
    inner: int
    inner_step: int
    outer: int
    outer_step: int


@dataclass(frozen=True)
class ConvGeometry:
    """One convolution layer and its folding.

    kernel, ifm_dim, stride, dilation are (height, width), like FINN's ConvKernelDim, IFMDim, Stride,
    Dilation. `simd` input channels are read and `pe` output channels computed per cycle (FINN's SIMD and PE);
    `simd_in` channels arrive per stream word (0: word_channels). `buffer_ports` is the number of ports of the
    line buffer, 1 or 2 (0: the fewest that keep the throughput); `buffer_style`, one of RAM_STYLES, is its
    memory type. `buffer_banks`: 2 splits a line buffer with two ports in LUTs into two banks with one port
    each, wherever that is possible, 1 does not (0: where it is cheaper and `buffer_ports` is 0 too).

    A `depthwise` layer computes each output channel from the input channel of the same number, `pe` of them
    in parallel (FINN's VVAU with SIMD=1).

    ifm_dim includes `padding` (top, left, bottom, right), zeros that the unit itself adds to the input image,
    which has input_dim.

    Raises GeometryError naming the field and what is accepted.
    """

    kernel: tuple[int, int]
    ifm_dim: tuple[int, int]
    ifm_channels: int
    ofm_channels: int
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    simd: int = 1
    pe: int = 1
    simd_in: int = 0
    buffer_ports: int = 0
    depthwise: bool = False
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    buffer_style: str = "auto"
    buffer_banks: int = 0

    def __post_init__(self) -> None:
        if self.buffer_style not in RAM_STYLES:
            raise GeometryError(f"buffer_style={self.buffer_style!r}: accepted are {', '.join(RAM_STYLES)}")
        self._make_integers()
        if self.simd_in == 0:
            object.__setattr__(self, "simd_in", self.word_channels)
        self._check_shape()
        self._check_folding()

    def _make_integers(self) -> None:
        """Check the form of each field, and convert integer types to int."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "buffer_style":
                continue
            least = (
                0 if field.name in ("simd_in", "buffer_ports", "buffer_banks", "depthwise", "padding") else 1
            )
            count = str(field.type).count("int") or 1
            shapes = {1: "an integer", 2: "(height, width)", 4: "(top, left, bottom, right)"}
            try:
                numbers = tuple(map(operator.index, value if count > 1 else (value,)))
            except TypeError:
                numbers = ()
            if len(numbers) != count or min(numbers) < least or max(numbers) > LARGEST:
                raise GeometryError(
                    f"{field.name}={value!r}: expected {shapes[count]}, every value at least {least} and at "
                    f"most {LARGEST}"
                )
            object.__setattr__(self, field.name, numbers if count > 1 else numbers[0])

    def _check_shape(self) -> None:
        (kh, kw), (h, w), channels = self.kernel, self.ifm_dim, self.ifm_channels
        for name, count in (("K_h*K_w*C", kh * kw * channels), ("H*W*C", h * w * channels)):
            if count > LARGEST:
                raise GeometryError(
                    f"{name}={count} of kernel={self.kernel}, ifm_dim={self.ifm_dim}, "
                    f"ifm_channels={channels}: accepted is at most {LARGEST}"
                )
        for axis, name in enumerate(("height", "width")):
            span = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            if span > self.ifm_dim[axis]:
                raise GeometryError(
                    f"kernel={self.kernel} with dilation={self.dilation} spans {span} in {name}, "
                    f"more than ifm_dim={self.ifm_dim}: the span must fit into the input"
                )
        if min(self.input_dim) < 1:
            raise GeometryError(
                f"padding={self.padding} leaves nothing of ifm_dim={self.ifm_dim}, which includes it: "
                "accepted is what leaves a pixel of the input"
            )

    def _check_folding(self) -> None:
        if self.mw % self.simd and not self.depthwise:
            raise GeometryError(
                f"simd={self.simd} does not divide MW={self.mw}: accepted are {self.legal_simd}"
            )
        for name, whole, total in (
            ("simd_in", "ifm_channels", self.ifm_channels),
            ("pe", "ofm_channels", self.ofm_channels),
        ):
            if total % getattr(self, name):
                raise GeometryError(
                    f"{name}={getattr(self, name)} does not divide {whole}={total}: "
                    f"accepted are {divisors(total)}"
                )
        if self.depthwise and (self.ofm_channels != self.ifm_channels or self.simd != 1):
            raise GeometryError(
                f"depthwise with ifm_channels={self.ifm_channels}, ofm_channels={self.ofm_channels}, "
                f"simd={self.simd}: accepted are as many output as input channels, and simd=1"
            )
        for name in ("buffer_ports", "buffer_banks"):
            if getattr(self, name) > 2:
                raise GeometryError(f"{name}={getattr(self, name)}: accepted are 0 (choose), 1 and 2")

    def with_folding(self, simd: int, pe: int, simd_in: int | None = None) -> ConvGeometry:
        """The same layer at another folding."""
        return replace(self, simd=simd, pe=pe, simd_in=self.simd_in if simd_in is None else simd_in)

    # ---- shapes -------------------------------------------------------------------------------

    @property
    def input_dim(self) -> tuple[int, int]:
        """(height, width) of the image that arrives: ifm_dim without padding."""
        (h, w), (top, left, bottom, right) = self.ifm_dim, self.padding
        return h - top - bottom, w - left - right

    @property
    def pointwise(self) -> bool:
        """True if windows are pixels, one after the other: FINN has no window generator then."""
        return self.kernel == self.stride == (1, 1) and not any(self.padding)

    @property
    def ofm_dim(self) -> tuple[int, int]:
        """(OH, OW); rows and columns that no window reads are dropped, as in FINN and ONNX."""
        oh, ow = (
            (self.ifm_dim[i] - (self.kernel[i] - 1) * self.dilation[i] - 1) // self.stride[i] + 1
            for i in (0, 1)
        )
        return oh, ow

    @property
    def windows(self) -> int:
        """Output pixels per frame, OH*OW."""
        return self.ofm_dim[0] * self.ofm_dim[1]

    @property
    def mw(self) -> int:
        """Rows of the weight matrix (FINN's MW): K_h*K_w*C, or K_h*K_w if depthwise."""
        return self.kernel[0] * self.kernel[1] * (1 if self.depthwise else self.ifm_channels)

    @property
    def mh(self) -> int:
        """Columns of the weight matrix (FINN's MH): the output channels."""
        return self.ofm_channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates per frame."""
        return self.windows * self.mw * self.mh

    @property
    def live_pixels(self) -> int:
        """Pixels from a window's first to its last in raster order."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (kh - 1) * dh * self.ifm_dim[1] + (kw - 1) * dw + 1

    # ---- folding ------------------------------------------------------------------------------

    @property
    def parallel_window(self) -> bool:
        """True if SIMD > C: several pixels of a window are read at once (FINN's parallel_window)."""
        return self.simd > self.ifm_channels

    @property
    def word_channels(self) -> int:
        """Channels per word of the buffer: the least divisor of C from SIMD on, else C; PE if depthwise."""
        if self.depthwise or self.ifm_channels % self.simd == 0:
            return self.pe if self.depthwise else self.simd
        return next((n for n in divisors(self.ifm_channels) if n > self.simd), self.ifm_channels)

    @property
    def geared(self) -> bool:
        """True if SIMD < C does not divide C: a gearbox makes SIMD channels of wider words."""
        return not self.depthwise and self.simd < self.word_channels

    @property
    def cf(self) -> int:
        """Channel fold: words per pixel."""
        return self.ifm_channels // self.word_channels

    @property
    def sf(self) -> int:
        """Synapse fold: cycles per window, MW/SIMD."""
        return self.mw // self.simd

    @property
    def fold_reads(self) -> int:
        """Words of the buffer, or of the window unit, that a fold reads: SF, or fewer if geared."""
        return self.mw // self.word_channels if self.geared else self.sf

    @property
    def nf(self) -> int:
        """Neuron fold: times each window is read, MH/PE."""
        return self.mh // self.pe

    @property
    def legal_simd(self) -> list[int]:
        """SIMD values that the engine accepts; only 1 if depthwise.

        Divisors of MW: those of C, those between them (see finn_imec.layer.gearbox), and those above C (see
        finn_imec.layer.window).
        """
        return [1] if self.depthwise else divisors(self.mw)

    @property
    def legal_pe(self) -> list[int]:
        """PE values that the engine accepts: divisors of the output channels."""
        return divisors(self.ofm_channels)

    def legal_foldings(self) -> list[tuple[int, int]]:
        """All (SIMD, PE) that the engine accepts."""
        return [(simd, pe) for simd in self.legal_simd for pe in self.legal_pe]

    # ---- words --------------------------------------------------------------------------------

    @property
    def live_words(self) -> int:
        """Words from a window's first to its last in raster order."""
        return self.live_pixels * self.cf

    @property
    def weight_words(self) -> int:
        """Depth of the weight memory: SF*NF words of PE*SIMD weights."""
        return self.sf * self.nf

    @property
    def compute_cycles(self) -> int:
        """Words of weights per frame, OH*OW*SF*NF: FINN's MVAU cycles."""
        return self.windows * self.sf * self.nf

    @property
    def cycles_per_word(self) -> int:
        """Input cycles per word of the buffer: its channels, divided by the gcd of them and SIMD_in.

        Padding words are available at once.
        """
        return self.word_channels // gcd(self.word_channels, self.simd_in)

    @property
    def loop_nest(self) -> LoopNest:
        """The reads of one window in (kh, kw, c) order, with memory neighbors merged into runs."""
        if self.parallel_window:
            return LoopNest(self.sf, 1, 1, 1, 1)
        (kh, kw), (dh, dw), w, cf = self.kernel, self.dilation, self.ifm_dim[1], self.cf
        run = 1 if self.depthwise else cf
        column = dw * cf - (run - 1)
        row = (dh * w - (kw - 1) * dw) * cf - (run - 1)
        inner, inner_step, outer, outer_step = kw, column, kh, row
        if inner == 1 or inner_step == 1:
            run, inner, inner_step = run * inner, 1, 1
        if inner == 1 and (outer == 1 or outer_step == 1):
            run, outer, outer_step = run * outer, 1, 1
        return LoopNest(run, inner, inner_step, outer, outer_step)

    def read_offsets(self, fold: int = 0) -> np.ndarray:
        """Word offset of each of a fold's reads from the window's first word. Shape (fold_reads,), int64."""
        (kh, kw), (dh, dw), w = self.kernel, self.dilation, self.ifm_dim[1]
        pixel = (np.arange(kh)[:, None] * dh * w + np.arange(kw) * dw).ravel()
        words = np.array([fold]) if self.depthwise else np.arange(self.cf)
        return (pixel[:, None] * self.cf + words).ravel()

    @property
    def advance_words(self) -> tuple[int, int, int]:
        """Words retired when the window moves to the next (column, row, frame)."""
        (sh, sw), (h, w), (oh, ow) = self.stride, self.ifm_dim, self.ofm_dim
        column = sw
        row = sh * w - (ow - 1) * sw
        frame = h * w - (oh - 1) * sh * w - (ow - 1) * sw
        return column * self.cf, row * self.cf, frame * self.cf

    @property
    def window_steps(self) -> tuple[int, int, int]:
        """How often per frame the window moves to the next (column, row, frame)."""
        oh, ow = self.ofm_dim
        return oh * (ow - 1), oh - 1, 1
