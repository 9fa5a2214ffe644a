"""Geometry, folding, schedule, memory and cycle arithmetic of a streaming convolution.

Everything in the project that needs a shape, a fold, an address step, a memory depth or a cycle
count asks this module: the numpy algorithms, the FINN nodes, and the RTL generation.
It imports nothing of FINN.

Reading order. IMEC (Wadhwa, Khandelwal, Shreejith, ASAP 2022) keeps the row strip L of the input
from which the windows of one output row are cut. Only its live part exists here, a circular buffer

    strip_pixels = (K_h-1)*d_h*W + (K_w-1)*d_w + 1                      (pixels)

which is exactly the distance from a window's first to its last pixel in raster order. A window is
read in (kh, kw, c) order, FINN's own weight row order, so the weights need no permutation, and
wherever consecutive window positions are neighbours in memory the walk is a plain +1. Because a
window's first and last word are strip_words - 1 apart, going back to the first word for the next
neuron fold is +1 as well, modulo the depth.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields
from functools import cached_property
from math import ceil, gcd, log2

import numpy as np

from finn_imec.errors import GeometryError

#: Registers between a strip read and the accumulator's new value: strip/weight, product, accumulator.
PIPELINE_STAGES = 3


def divisors(n: int) -> list[int]:
    """All positive divisors of n, ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]


def address_bits(words: int) -> int:
    """Bits that address `words` words; at least 1, as HDL vectors need one."""
    return max(1, (words - 1).bit_length())


@dataclass(frozen=True)
class LoopNest:
    """How one window is walked through the strip: three nested loops of word reads.

    `run` words lie next to each other (step +1); `inner` runs follow each other at `inner_step`,
    and `outer` groups of those at `outer_step`. Steps are from the last word of one run to the
    first of the next. run*inner*outer = SF.
    """

    run: int
    inner: int
    inner_step: int
    outer: int
    outer_step: int


@dataclass(frozen=True)
class ConvGeometry:
    """One convolution layer and its folding.

    kernel, ifm_dim, stride, dilation are (height, width), as FINN's ConvKernelDim, IFMDim, Stride,
    Dilation. `simd` input channels are read and `pe` output channels computed per cycle (FINN's SIMD
    and PE); `simd_in` channels arrive per stream word (0: equal to simd).
    There is no padding: FINN puts an FMPadding node in front.

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

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "simd_in" else 1
            is_pair = field.type.startswith("tuple")
            expected = "(height, width)" if is_pair else "an integer"
            try:
                numbers = tuple(map(operator.index, value if is_pair else (value,)))
            except TypeError:
                numbers = ()
            if len(numbers) != (2 if is_pair else 1) or min(numbers) < least:
                raise GeometryError(
                    f"{field.name}={value!r}: expected {expected}, every value at least {least}"
                )
            object.__setattr__(self, field.name, numbers if is_pair else numbers[0])
        if self.simd_in == 0:
            object.__setattr__(self, "simd_in", self.simd)
        for axis, name in enumerate(("height", "width")):
            span = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            if span > self.ifm_dim[axis]:
                raise GeometryError(
                    f"kernel={self.kernel} with dilation={self.dilation} spans {span} in {name}, "
                    f"more than ifm_dim={self.ifm_dim}: the span must fit into the input"
                )
        for name, whole, total in (
            ("simd", "ifm_channels", self.ifm_channels),
            ("simd_in", "ifm_channels", self.ifm_channels),
            ("pe", "ofm_channels", self.ofm_channels),
        ):
            if total % getattr(self, name):
                raise GeometryError(
                    f"{name}={getattr(self, name)} does not divide {whole}={total}: "
                    f"accepted are {divisors(total)}"
                )

    def with_folding(self, simd: int, pe: int, simd_in: int | None = None) -> ConvGeometry:
        """The same layer at another folding."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        keep = self.simd_in if simd_in is None else simd_in
        return ConvGeometry(**{**values, "simd": simd, "pe": pe, "simd_in": keep})

    # ---- shapes -------------------------------------------------------------------------------

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
        """Rows of the weight matrix, K_h*K_w*C (FINN's MW)."""
        return self.kernel[0] * self.kernel[1] * self.ifm_channels

    @property
    def mh(self) -> int:
        """Columns of the weight matrix, the output channels (FINN's MH)."""
        return self.ofm_channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates per frame."""
        return self.windows * self.mw * self.mh

    # ---- folding ------------------------------------------------------------------------------

    @property
    def cf(self) -> int:
        """Channel fold: strip words per pixel, C/SIMD."""
        return self.ifm_channels // self.simd

    @property
    def sf(self) -> int:
        """Synapse fold: strip words per window, MW/SIMD."""
        return self.mw // self.simd

    @property
    def nf(self) -> int:
        """Neuron fold: times each window is read, MH/PE."""
        return self.mh // self.pe

    @property
    def legal_simd(self) -> list[int]:
        """SIMD values that the engine accepts: divisors of the input channels."""
        return divisors(self.ifm_channels)

    @property
    def legal_pe(self) -> list[int]:
        """PE values that the engine accepts: divisors of the output channels."""
        return divisors(self.ofm_channels)

    def legal_foldings(self) -> list[tuple[int, int]]:
        """All (SIMD, PE) that the engine accepts."""
        return [(simd, pe) for simd in self.legal_simd for pe in self.legal_pe]

    def cheapest_folding(self, max_cycles: int) -> tuple[int, int] | None:
        """The (SIMD, PE) of least multipliers whose cycles_per_frame is at most max_cycles.

        Ties go to the larger SIMD: fewer accumulators and thresholds, a shallower strip.
        None when even the widest folding is too slow.
        """
        input_cycles = self.ifm_dim[0] * self.ifm_dim[1] * self.ifm_channels // self.simd_in
        if input_cycles > max_cycles:
            return None
        for _, negative_simd, pe in sorted(
            (simd * pe, -simd, pe) for simd, pe in self.legal_foldings()
        ):
            folded = self.with_folding(-negative_simd, pe)
            # The exact count is dearer than its lower bound.
            if folded.compute_cycles <= max_cycles and folded.cycles_per_frame <= max_cycles:
                return folded.simd, folded.pe
        return None

    # ---- memory -------------------------------------------------------------------------------

    @property
    def strip_pixels(self) -> int:
        """Pixels from a window's first to its last in raster order: the live part of the strip."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (kh - 1) * dh * self.ifm_dim[1] + (kw - 1) * dw + 1

    @property
    def strip_words(self) -> int:
        """Depth of the strip memory, in words of SIMD channels."""
        return self.strip_pixels * self.cf

    def strip_bits(self, act_bits: int) -> int:
        """Bits of the strip memory at `act_bits` per channel."""
        return self.strip_words * self.simd * act_bits

    def replay_bits(self, act_bits: int) -> int:
        """Bits of the replay buffer of FINN's MVU (finn-rtllib/mvu/replay_buffer.sv); 0 if PE = MH."""
        return 0 if self.nf == 1 else 2 ** ceil(log2(self.sf)) * self.simd * act_bits

    def swg_bits(self, act_bits: int) -> int:
        """Bits of the line buffer of FINN's RTL SWG, "default" style with parallel_window=0.

        FINN rtl/convolutioninputgenerator_rtl.py, get_buffer_depth: the live strip, plus slack so
        that inputs skipped by a stride load early. A 1x1 kernel has two words in "parallel" style.
        """
        if self.kernel == (1, 1):
            return 2 * self.simd * act_bits
        (kh, kw), (sh, sw) = self.kernel, self.stride
        slack = max(0, sw - 1 - kh * kw) + max(0, (sh - 1) * self.ifm_dim[1] - kh * kw)
        return (self.strip_pixels + slack) * self.ifm_channels * act_bits

    @property
    def weight_words(self) -> int:
        """Depth of the weight memory, SF*NF words of PE*SIMD weights."""
        return self.sf * self.nf

    # ---- schedule -----------------------------------------------------------------------------

    @cached_property
    def loop_nest(self) -> LoopNest:
        """The walk of one window in (kh, kw, c) order, with memory neighbours merged into runs."""
        (kh, kw), (dh, dw), w, cf = self.kernel, self.dilation, self.ifm_dim[1], self.cf
        column = (dw - 1) * cf + 1
        row = (dh * w - (kw - 1) * dw - 1) * cf + 1
        run, inner, inner_step, outer, outer_step = cf, kw, column, kh, row
        if inner == 1 or inner_step == 1:
            run, inner, inner_step = run * inner, 1, 1
        if inner == 1 and (outer == 1 or outer_step == 1):
            run, outer, outer_step = run * outer, 1, 1
        return LoopNest(run, inner, inner_step, outer, outer_step)

    def read_offsets(self) -> np.ndarray:
        """Word offset from the window's first word, for each of the SF reads. Shape (SF,), int64."""
        (kh, kw), (dh, dw), w = self.kernel, self.dilation, self.ifm_dim[1]
        pixel = (np.arange(kh)[:, None] * dh * w + np.arange(kw) * dw).ravel()
        return (pixel[:, None] * self.cf + np.arange(self.cf)).ravel()

    @property
    def advance_words(self) -> tuple[int, int, int]:
        """Words that die when the window moves on: (to the next column, row, frame)."""
        (sh, sw), (h, w), (oh, ow) = self.stride, self.ifm_dim, self.ofm_dim
        column = sw
        row = sh * w - (ow - 1) * sw
        frame = h * w - (oh - 1) * sh * w - (ow - 1) * sw
        return column * self.cf, row * self.cf, frame * self.cf

    @property
    def in_place_words(self) -> tuple[int, int, int]:
        """Words overwritten while they are read for the last time, before a (column, row, frame) step.

        The writer fills the strip in raster order, so in the last neuron fold it follows the reader
        for as long as the reader walks in raster order too: the window's first run.
        """
        column, row, frame = self.advance_words
        run = self.loop_nest.run
        return min(run, column), min(run, row), min(run, frame)

    @property
    def window_steps(self) -> tuple[int, int, int]:
        """How often per frame a window moves on to the next (column, row, frame)."""
        oh, ow = self.ofm_dim
        return oh * (ow - 1), oh - 1, 1

    # ---- cycles -------------------------------------------------------------------------------

    @property
    def compute_cycles(self) -> int:
        """Strip reads per frame, OH*OW*SF*NF: FINN's MVAU cycles."""
        return self.windows * self.sf * self.nf

    @property
    def write_only_cycles(self) -> int:
        """Cycles per frame, in steady state, in which the strip is only written."""
        return sum(
            times * (advance - in_place)
            for times, advance, in_place in zip(
                self.window_steps, self.advance_words, self.in_place_words, strict=True
            )
        )

    @property
    def cycles_per_frame(self) -> int:
        """Exact steady-state interval between frames, in cycles.

        Input always valid, output always ready. Stream words narrower than SIMD cannot refill the
        strip in consecutive cycles, so that case is stepped through; the rest is a formula.
        """
        if self.cycles_per_strip_word > 1:
            last = self._last_read_cycles(4)
            return last[2] - last[1]
        return self.compute_cycles + self.write_only_cycles

    @property
    def first_output_latency(self) -> int:
        """Cycles from the first input word taken to the first output word offered, both included."""
        return self._fill_cycles + self.sf + PIPELINE_STAGES

    @property
    def cycles_per_strip_word(self) -> int:
        """Cycles in which the input stream brings one strip word: SIMD/gcd(SIMD, SIMD_in)."""
        return self.simd // gcd(self.simd, self.simd_in)

    @property
    def _fill_cycles(self) -> int:
        """Cycles until the first window has wholly arrived."""
        return self.strip_words * self.cycles_per_strip_word

    def total_cycles(self, frames: int = 1) -> int:
        """Exact cycles from the first input word taken to the last output word taken, both included.

        Unstalled, `frames` frames back to back; equals FINN's cycles_rtlsim attribute for a batch.
        """
        if frames < 1:
            raise GeometryError(f"frames={frames}: must be at least 1")
        if self.cycles_per_strip_word > 1:
            return self._last_read_cycles(frames)[-1] + PIPELINE_STAGES
        trailing = self.advance_words[2] - self.in_place_words[2]
        return (
            self._fill_cycles + frames * self.cycles_per_frame - trailing + PIPELINE_STAGES
        )

    def _last_read_cycles(self, frames: int) -> list[int]:
        """Cycle of each frame's last strip read, by stepping through the rules of imec_sequencer.sv.

        Input always valid until all frames are in, but a strip word is complete only every
        cycles_per_strip_word cycles.
        """
        oh, ow = self.ofm_dim
        complete_at = self.cycles_per_strip_word - 1
        to_come = frames * self.ifm_dim[0] * self.ifm_dim[1] * self.cf
        owed, collected, cycle, result = self.strip_words, 0, 0, []
        for window in range(1, frames * oh * ow + 1):
            step = 2 if window % (oh * ow) == 0 else 1 if window % ow == 0 else 0
            advance, in_place = self.advance_words[step], self.in_place_words[step]
            reads = self.nf * self.sf
            first_dying = reads - self.sf
            read = 0
            while read < reads:
                # Until a word dies, reads follow each other if nothing is owed.
                undisturbed = first_dying - read if read < first_dying else reads - read
                if owed == 0 and not first_dying <= read < first_dying + in_place:
                    read += undisturbed
                    cycle += undisturbed
                    collected = min(collected + undisturbed, complete_at)
                    continue
                cycle += 1
                complete = collected == complete_at and to_come > 0
                collected = min(collected + 1, complete_at)
                dies = first_dying <= read < first_dying + in_place
                write_only = owed > 0 and complete
                reads_now = not write_only and not (owed > 0 and read == 0)
                if write_only or (reads_now and dies and complete):
                    collected = 0
                    to_come -= 1
                owed += (reads_now and dies and not complete) - write_only
                read += reads_now
            owed += advance - in_place
            if step == 2:
                result.append(cycle)
        return result
