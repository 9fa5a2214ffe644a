"""Geometry, folding, schedule, memory and cycle arithmetic of a streaming convolution.

Everything in the project that needs a shape, a fold, an address step, a memory depth or a cycle
count asks this module: the numpy algorithms, the FINN nodes, and the RTL generation.
It imports nothing of FINN.

Reading order. IMEC (Wadhwa, Khandelwal, Shreejith, ASAP 2022) keeps the row strip L of the input
from which the windows of one output row are cut. Only its live part exists here, a circular buffer

    strip_pixels = (K_h-1)*d_h*W + (K_w-1)*d_w + 1                      (pixels)

which is exactly the distance from a window's first to its last pixel in raster order. A window is
read in (kh, kw, c) order, FINN's own weight row order, so the weights need no permutation, and
wherever consecutive window positions are neighbours in memory the walk is a plain +1.

The strip memory has one port or two. With one port a word is overwritten while it is read for the
last time, and whatever dies unread costs a cycle that only writes. With two ports the writer follows
the reader through the last neuron fold, and some slack_words let it run ahead of a stride.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import ceil, gcd, inf, log2

import numpy as np

from finn_imec.errors import GeometryError

#: Deepest strip that is LUT memory when nobody says otherwise: RAM256X1S is the deepest with one port
#: in one slice. Beyond, block RAM has two ports anyway.
LUT_STRIP_WORDS = 256
#: (up to so many words, a memory with two ports comes in steps of so many): RAM32M, RAM64M, RAMB18.
DUAL_PORT_GRANULES = ((32, 32), (LUT_STRIP_WORDS, 64), (inf, 512))
#: What a strip of one port may cost: this much of the cycles that only read, or, where two ports are
#: no better, of theirs.
ONE_PORT_CYCLES, ONE_PORT_BEYOND_TWO = 1.003, 1.0005

#: Registers from a strip read to the output word: strip and weight, product, accumulator.
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
    and PE); `simd_in` channels arrive per stream word (0: equal to word_channels). `strip_ports` is 1,
    2 or 0: the fewest that keep the throughput. A `depthwise` layer computes each output channel
    from the input channel of the same number, `pe` of them side by side (FINN's VVAU with SIMD=1).
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
    strip_ports: int = 0
    depthwise: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in ("simd_in", "strip_ports", "depthwise") else 1
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
            object.__setattr__(self, "simd_in", self.word_channels)
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
        if self.depthwise and (self.ofm_channels != self.ifm_channels or self.simd != 1):
            raise GeometryError(
                f"depthwise with ifm_channels={self.ifm_channels}, ofm_channels={self.ofm_channels}, "
                f"simd={self.simd}: accepted are as many output as input channels, and simd=1"
            )
        if self.strip_ports > 2:
            raise GeometryError(f"strip_ports={self.strip_ports}: accepted are 0 (choose), 1 and 2")

    def with_folding(self, simd: int, pe: int, simd_in: int | None = None) -> ConvGeometry:
        """The same layer at another folding."""
        return replace(self, simd=simd, pe=pe, simd_in=self.simd_in if simd_in is None else simd_in)

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
        """Rows of the weight matrix, K_h*K_w*C (FINN's MW), K_h*K_w if depthwise."""
        return self.kernel[0] * self.kernel[1] * (1 if self.depthwise else self.ifm_channels)

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
    def word_channels(self) -> int:
        """Channels of a strip word: SIMD, or PE if depthwise."""
        return self.pe if self.depthwise else self.simd

    @property
    def cf(self) -> int:
        """Channel fold: strip words per pixel."""
        return self.ifm_channels // self.word_channels

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
        """SIMD values that the engine accepts: divisors of the input channels, 1 if depthwise."""
        return [1] if self.depthwise else divisors(self.ifm_channels)

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
    def live_words(self) -> int:
        """Strip words from a window's first to its last in raster order."""
        return self.strip_pixels * self.cf

    @cached_property
    def dual_port(self) -> bool:
        """True if the strip has a write port of its own."""
        if self.strip_ports:
            return self.strip_ports == 2
        one, two = (replace(self, strip_ports=ports).cycles_per_frame for ports in (1, 2))
        if self.live_words > LUT_STRIP_WORDS:
            return two < one
        return one > max(ONE_PORT_CYCLES * self.compute_cycles, ONE_PORT_BEYOND_TWO * two)

    @cached_property
    def slack_words(self) -> int:
        """Strip words beyond the live ones: how far the input runs ahead, with two ports.

        As many as die at a stride's step and cannot be replaced during the last neuron fold, but
        never more than make FINN's line and replay buffer together. Then what is left of the
        memory primitives.
        """
        if not self.dual_port:
            return 0
        steps = zip(self.window_steps[:2], self.advance_words, strict=False)
        wanted = max((advance for times, advance in steps if times), default=0) - (self.sf - 1)
        finn_words = (self.swg_bits(1) + self.replay_bits(1)) // self.word_channels
        words = max(self.live_words, min(self.live_words + wanted, finn_words))
        granule = next(words_each for up_to, words_each in DUAL_PORT_GRANULES if words <= up_to)
        return ceil(words / granule) * granule - self.live_words

    @property
    def strip_words(self) -> int:
        """Depth of the strip memory, in words of word_channels."""
        return self.live_words + self.slack_words

    def strip_bits(self, act_bits: int) -> int:
        """Bits of the strip memory at `act_bits` per channel."""
        return self.strip_words * self.word_channels * act_bits

    def replay_bits(self, act_bits: int) -> int:
        """Bits of the replay buffer of FINN's MVU (finn-rtllib/mvu/replay_buffer.sv).

        0 if PE = MH, and for depthwise layers, where each window word is used once.
        """
        if self.nf == 1 or self.depthwise:
            return 0
        return 2 ** ceil(log2(self.sf)) * self.simd * act_bits

    def swg_bits(self, act_bits: int) -> int:
        """Bits of the line buffer of FINN's RTL SWG, "default" style with parallel_window=0.

        FINN rtl/convolutioninputgenerator_rtl.py, get_buffer_depth: the live strip, plus slack so
        that inputs skipped by a stride load early. A 1x1 kernel has two words in "parallel" style.
        """
        if self.kernel == (1, 1):
            return 2 * self.word_channels * act_bits
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
        run = 1 if self.depthwise else cf
        column = dw * cf - (run - 1)
        row = (dh * w - (kw - 1) * dw) * cf - (run - 1)
        inner, inner_step, outer, outer_step = kw, column, kh, row
        if inner == 1 or inner_step == 1:
            run, inner, inner_step = run * inner, 1, 1
        if inner == 1 and (outer == 1 or outer_step == 1):
            run, outer, outer_step = run * outer, 1, 1
        return LoopNest(run, inner, inner_step, outer, outer_step)

    @property
    def fold_step(self) -> int:
        """Words from the last one of a neuron fold to the first one of the next, modulo strip_words.

        Back to the window's first word; if depthwise, to the next channels of its first pixel.
        """
        back = self.slack_words + 1
        return (back + self.cf if self.depthwise else back) % self.strip_words

    def read_offsets(self, fold: int = 0) -> np.ndarray:
        """Word offset from the window's first word, for each of a fold's SF reads. Shape (SF,), int64."""
        (kh, kw), (dh, dw), w = self.kernel, self.dilation, self.ifm_dim[1]
        pixel = (np.arange(kh)[:, None] * dh * w + np.arange(kw) * dw).ravel()
        words = [fold] if self.depthwise else np.arange(self.cf)
        return (pixel[:, None] * self.cf + words).ravel()

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

        Of a strip with one port. The writer fills the strip in raster order, so in the last neuron
        fold it follows the reader for as long as the reader walks in raster order too: the window's
        first run. In a depthwise layer each fold reads words of its own for the last time.
        """
        run = self.loop_nest.run
        column, row, frame = (
            self._dying_folds * min(run, advance) for advance in self.advance_words
        )
        return column, row, frame

    @property
    def _dying_folds(self) -> int:
        """Neuron folds of a window, its last ones, in which words are read for the last time."""
        return self.nf if self.depthwise else 1

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
        """Cycles per frame, in steady state, in which a strip with one port is only written."""
        return sum(
            times * (advance - in_place)
            for times, advance, in_place in zip(
                self.window_steps, self.advance_words, self.in_place_words, strict=True
            )
        )

    @cached_property
    def cycles_per_frame(self) -> int:
        """Exact steady-state interval between frames, in cycles.

        Input always valid, output always ready. One port and input words as wide as the strip's are
        a formula; otherwise the schedule is stepped through.
        """
        if not self.dual_port and self.cycles_per_strip_word == 1:
            return self.compute_cycles + self.write_only_cycles
        last = self._last_read_cycles(4)
        return last[2] - last[1]

    def first_output_latency(self, stages: int = PIPELINE_STAGES) -> int:
        """Cycles from the first input word taken to the first output word offered, both included.

        stages: registers from a strip read to the output word, see Datapath.pipeline_stages.
        """
        return int(self.stream_cycles(1, stages)[1][0]) + 1

    @property
    def cycles_per_strip_word(self) -> int:
        """Cycles in which the input stream brings one strip word: SIMD/gcd(SIMD, SIMD_in) if dense."""
        return self.word_channels // gcd(self.word_channels, self.simd_in)

    @property
    def _fill_cycles(self) -> int:
        """Cycles until the first window has wholly arrived."""
        return self.live_words * self.cycles_per_strip_word

    def total_cycles(self, frames: int = 1, stages: int = PIPELINE_STAGES) -> int:
        """Exact cycles from the first input word taken to the last output word taken, both included.

        Unstalled, `frames` frames back to back; equals FINN's cycles_rtlsim attribute for a batch.
        stages: registers from a strip read to the output word, see Datapath.pipeline_stages.
        """
        if frames < 1:
            raise GeometryError(f"frames={frames}: must be at least 1")
        return self._last_read_cycles(frames)[-1] + stages

    def _last_read_cycles(self, frames: int) -> list[int]:
        """Cycle of each frame's last strip read, by the rules of imec_sequencer.sv.

        Input always valid until all frames are in, but a strip word is complete only every
        cycles_per_strip_word cycles.
        """
        if self.dual_port:
            return self._last_reads_two_ports(frames)
        if self.cycles_per_strip_word > 1:
            return self._last_reads_one_port(frames)
        trailing = self.advance_words[2] - self.in_place_words[2]  # replaced after the last read
        start = self._fill_cycles - trailing
        return [start + frame * self.cycles_per_frame for frame in range(1, frames + 1)]

    def _steps(self, frames: int) -> Iterator[int]:
        """For each window of `frames` frames what follows it: 0 a column, 1 a row, 2 a frame."""
        oh, ow = self.ofm_dim
        row = [0] * (ow - 1)
        return iter(([*row, 1] * (oh - 1) + [*row, 2]) * frames)

    def _last_reads_two_ports(self, frames: int) -> list[int]:
        """_last_read_cycles where words are free from the first read of the last fold on.

        Reads never wait for a word that comes after the last frame, so the input may be endless.
        """
        word = self.cycles_per_strip_word
        reads = self.nf * self.sf
        free, collected, cycle, result = self.strip_words, 0, 0, []

        def write(cycles: int) -> int:
            """Words written in so many cycles with room for `free`; moves `collected` on."""
            nonlocal collected
            first = word - 1 - collected  # cycles before the next word is complete
            written = min(free, max(0, (cycles - 1 - first) // word + 1))
            collected = cycles - 1 - first - (written - 1) * word if written else collected + cycles
            collected = min(collected, word - 1)
            return written

        for step in self._steps(frames):
            missing = free - self.slack_words
            if missing > 0:
                cycle += missing * word - collected
                free, collected = self.slack_words, 0
            free -= write(reads - self.sf + 1)
            free += self.advance_words[step]
            free -= write(self.sf - 1)
            cycle += reads
            if step == 2:
                result.append(cycle)
        return result

    def _last_reads_one_port(self, frames: int) -> list[int]:
        """_last_read_cycles where words are free once read, and writes beyond those hold reads."""
        complete_at = self.cycles_per_strip_word - 1
        to_come = frames * self.ifm_dim[0] * self.ifm_dim[1] * self.cf
        reads = self.nf * self.sf
        folds_before = self.nf - self._dying_folds
        owed, collected, cycle, result = self.strip_words, 0, 0, []
        for step in self._steps(frames):
            advance, in_place = self.advance_words[step], self.in_place_words[step]
            per_fold = in_place // self._dying_folds
            read = 0
            while read < reads:
                fold, place = divmod(read, self.sf)
                dies = fold >= folds_before and place < per_fold
                # Until a word dies, reads follow each other if nothing is owed.
                if owed == 0 and not dies:
                    undisturbed = min(reads, max(fold + 1, folds_before) * self.sf) - read
                    read += undisturbed
                    cycle += undisturbed
                    collected = min(collected + undisturbed, complete_at)
                    continue
                cycle += 1
                complete = collected == complete_at and to_come > 0
                collected = min(collected + 1, complete_at)
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

    # ---- streams ------------------------------------------------------------------------------

    def stream_cycles(
        self, frames: int = 1, stages: int = PIPELINE_STAGES
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cycle, from 0, in which each input word is taken and each output word offered. int64.

        Unstalled: `frames` frames back to back, every word as soon as possible. The last output word
        is that of total_cycles(frames, stages).
        """
        written, read = self._strip_cycles(frames)
        # Input and strip words consist of pieces of as many channels as divide both. The last piece of
        # a strip word is taken when that is written, the others right after the word before.
        pieces = np.repeat(written[:, np.newaxis], self.cycles_per_strip_word, axis=1)
        others = self.cycles_per_strip_word - 1
        pieces[:, :others] = np.append(0, written[:-1] + 1)[:, np.newaxis] + np.arange(others)
        per_input = self.simd_in // gcd(self.word_channels, self.simd_in)
        return pieces.ravel()[per_input - 1 :: per_input], read + stages

    def _strip_cycles(self, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Cycle, from 0, of each strip write and of each fold's last read.

        The rules of imec_sequencer.sv as _last_read_cycles has them, but one cycle at a time.
        """
        words = frames * self.ifm_dim[0] * self.ifm_dim[1] * self.cf
        complete_at = self.cycles_per_strip_word - 1
        reads = self.nf * self.sf
        folds_before = self.nf - self._dying_folds
        steps = self._steps(frames)
        step = next(steps, None)
        free, slack = self.strip_words, self.slack_words
        written, folds = [], []
        read = collected = cycle = 0
        while step is not None or len(written) < words:
            complete = collected == complete_at and len(written) < words
            starts = step is not None and (read > 0 or free <= slack)
            advance = self.advance_words[step or 0]
            if self.dual_port:
                reads_now, write = starts, complete and free > 0
                freed = advance * (reads_now and read == reads - self.sf)
            else:
                in_place = self.in_place_words[step or 0]
                fold, place = divmod(read, self.sf)
                write_only = complete and free > 0
                reads_now = starts and not write_only
                in_run = place < in_place // self._dying_folds
                dies = reads_now and fold >= folds_before and in_run
                write = write_only or (complete and dies)
                freed = dies + (advance - in_place) * (reads_now and read == reads - 1)
            free += freed - write
            collected = 0 if write else min(collected + 1, complete_at)
            if write:
                written.append(cycle)
            if reads_now:
                read += 1
                if read % self.sf == 0:
                    folds.append(cycle)
                if read == reads:
                    read, step = 0, next(steps, None)
            cycle += 1
        return np.array(written), np.array(folds)
