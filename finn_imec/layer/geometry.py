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

With SIMD > C more than a pixel is read in a cycle, and the unit of finn_imec.layer.window takes the strip's
place. Of what is said of a strip, only this then holds: words of C channels, pixels, arrive.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from itertools import repeat
from math import ceil, gcd, log2

import numpy as np

from finn_imec.layer.memories import LUT_STRIP_WORDS, RAM_STYLES, resolved_style
from finn_imec.layer.window import WORTH_IT, WindowUnit
from finn_imec.util.errors import GeometryError

#: Bits of LUT memory with two ports that a bit of FINN's queues costs: one SRL, where RAM64M keeps 48 bits
#: per LUT; and how many bits of an activation a weight has at least.
FINN_QUEUE_BITS, WEIGHT_SHARE = 48, 1 / 4
#: Windows that are on their way behind FINN's SWG if the MVU replays them, measured.
FINN_WINDOWS_AHEAD = 2.6
#: What a strip of one port may cost where two ports are no better: this much of their cycles.
ONE_PORT_BEYOND_TWO = 1.0005

#: Registers from a strip read to the output word: strip and weight, product, accumulator.
PIPELINE_STAGES = 3


def divisors(n: int) -> list[int]:
    """All positive divisors of n, ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]


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
class PaddingRuns:
    """In what order strip words of input and of padding come.

    `first` of padding before the first frame; then in each frame `runs` runs of `run` input words, with
    `gap` of padding between two and `between` behind the last, up to the next frame's first.
    """

    first: int
    run: int
    runs: int
    gap: int
    between: int


@dataclass
class _Progress:
    """Where a schedule is: the cycle, free strip words, cycles in which the next word was collected,
    and words that arrived since reset."""

    cycle: int
    free: int
    collected: int
    arrived: int = 0

    def repeat(
        self,
        what: Callable[[_Progress], None],
        times: int,
        words: int,
        alike: Callable[[int], int],
    ) -> None:
        """Do `what` so many times. Each takes `words` words of input in the long run.

        Once it leaves as many free as it found, all further times are the same, as long as only words
        alike come: alike(word) says how many there are from that one on.
        """
        while times:
            cycle, free, collected, arrived = self.cycle, self.free, self.collected, self.arrived
            what(self)
            times -= 1
            if (self.free, self.collected, self.arrived) == (free, collected, arrived + words):
                same = max(0, min(times, (alike(arrived) - 1) // words - 1))
                self.cycle += same * (self.cycle - cycle)
                self.arrived += same * words
                times -= same


@dataclass(frozen=True)
class ConvGeometry:
    """One convolution layer and its folding.

    kernel, ifm_dim, stride, dilation are (height, width), as FINN's ConvKernelDim, IFMDim, Stride,
    Dilation. `simd` input channels are read and `pe` output channels computed per cycle (FINN's SIMD
    and PE); `simd_in` channels arrive per stream word (0: equal to word_channels). `strip_ports` is 1,
    2 or 0: the fewest that keep the throughput; `strip_style` is where the strip is, one of RAM_STYLES.
    A `depthwise` layer computes each output channel from the input channel of the same number, `pe` of
    them side by side (FINN's VVAU with SIMD=1).

    ifm_dim is the size that windows are cut from, `padding` (top, left, bottom, right) included: zeros
    that the unit adds itself. An image of input_dim arrives.

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
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    strip_style: str = "auto"

    def __post_init__(self) -> None:
        if self.strip_style not in RAM_STYLES:
            raise GeometryError(f"strip_style={self.strip_style!r}: accepted are {', '.join(RAM_STYLES)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "strip_style":
                continue
            least = 0 if field.name in ("simd_in", "strip_ports", "depthwise", "padding") else 1
            count = field.type.count("int") or 1
            shapes = {1: "an integer", 2: "(height, width)", 4: "(top, left, bottom, right)"}
            try:
                numbers = tuple(map(operator.index, value if count > 1 else (value,)))
            except TypeError:
                numbers = ()
            if len(numbers) != count or min(numbers) < least:
                raise GeometryError(
                    f"{field.name}={value!r}: expected {shapes[count]}, every value at least {least}"
                )
            object.__setattr__(self, field.name, numbers if count > 1 else numbers[0])
        if self.simd_in == 0:
            object.__setattr__(self, "simd_in", self.word_channels)
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
        if (self.mw if self.simd > self.ifm_channels else self.ifm_channels) % self.simd:
            raise GeometryError(
                f"simd={self.simd} does not divide ifm_channels={self.ifm_channels}, and is no larger "
                f"divisor of MW={self.mw}: accepted are {self.legal_simd}"
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
        if self.strip_ports > 2:
            raise GeometryError(f"strip_ports={self.strip_ports}: accepted are 0 (choose), 1 and 2")

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
        """Channels of a strip word: SIMD, or PE if depthwise; C with SIMD > C."""
        return self.pe if self.depthwise else min(self.simd, self.ifm_channels)

    @cached_property
    def window(self) -> WindowUnit | None:
        """What there is in place of a strip if SIMD > C."""
        return WindowUnit(self) if self.simd > self.ifm_channels else None

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
        """SIMD values that the engine accepts, 1 if depthwise.

        Divisors of C, and divisors of MW that are larger: see finn_imec.layer.window.
        """
        if self.depthwise:
            return [1]
        larger = (simd for simd in divisors(self.mw) if simd > self.ifm_channels)
        return [*divisors(self.ifm_channels), *larger]

    @property
    def legal_pe(self) -> list[int]:
        """PE values that the engine accepts: divisors of the output channels."""
        return divisors(self.ofm_channels)

    def legal_foldings(self) -> list[tuple[int, int]]:
        """All (SIMD, PE) that the engine accepts."""
        return [(simd, pe) for simd in self.legal_simd for pe in self.legal_pe]

    def cheapest_folding(self, max_cycles: int) -> tuple[int, int] | None:
        """The (SIMD, PE) of least multipliers whose cycles_per_frame is at most max_cycles.

        Ties go to the larger SIMD: fewer accumulators and thresholds, a shallower strip. But last to
        SIMD > C, which keeps whole windows in registers. None when even the widest folding is too slow.
        """
        input_cycles = self.input_dim[0] * self.input_dim[1] * self.ifm_channels // self.simd_in
        if input_cycles > max_cycles:
            return None
        for _, _, negative_simd, pe in sorted(
            (simd * pe, simd > self.ifm_channels, -simd, pe) for simd, pe in self.legal_foldings()
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
        if self.window:
            return False
        if self.strip_ports:
            return self.strip_ports == 2
        one, two = (replace(self, strip_ports=ports).cycles_per_frame for ports in (1, 2))
        if self.resolved_strip_style != "distributed":
            return two < one
        return one > max(WORTH_IT * self.finn_cycles, ONE_PORT_BEYOND_TWO * two)

    @cached_property
    def slack_words(self) -> int:
        """Strip words beyond the live ones: how far the input runs ahead, with two ports.

        What dies at a step of the window and cannot be replaced during the last neuron fold holds the
        reads, unless it came ahead. As many as keep this within WORTH_IT of FINN's pair, but in no
        more LUTs than FINN's line buffer, FIFO, replay buffer and queue of weights together. Then what
        is left of the memory primitives.
        """
        if not self.dual_port:
            return 0
        waits = [advance - (self.sf - 1) for advance in self.advance_words]

        def fast(slack: int) -> bool:
            held = sum(t * max(0, w - slack) for t, w in zip(self.window_steps, waits, strict=True))
            return self.compute_cycles + held <= WORTH_IT * self.finn_cycles

        wanted = bisect_left(range(max(0, *waits)), True, key=fast)
        finn_words = (self.swg_bits(1) + self.replay_bits(1)) // self.word_channels
        in_luts = self.resolved_strip_style == "distributed"
        most = finn_words + int(in_luts * FINN_QUEUE_BITS * (1 + WEIGHT_SHARE * self.pe))
        words = max(self.live_words, min(self.live_words + wanted, most))
        # RAM32M, RAM64M, RAMB18
        granule = 32 if in_luts and words <= 32 else 64 if in_luts else 512
        return ceil(words / granule) * granule - self.live_words

    @property
    def resolved_strip_style(self) -> str:
        """strip_style, with "auto" decided by the live words, or with SIMD > C by the lines' depth."""
        words = self.ifm_dim[1] if self.window else self.live_words
        return resolved_style(self.strip_style, words, LUT_STRIP_WORDS)

    @property
    def strip_words(self) -> int:
        """Depth of the strip memory, or with SIMD > C of the line memory: the image's width."""
        return self.ifm_dim[1] if self.window else self.live_words + self.slack_words

    @property
    def strip_channels(self) -> int:
        """Channels of a word of that memory."""
        return self.window.line_pixels * self.ifm_channels if self.window else self.word_channels

    def strip_bits(self, act_bits: int) -> int:
        """Bits of the strip memory, or with SIMD > C of all that holds pixels, registers included."""
        if self.window:
            return self.window.pixels * self.ifm_channels * act_bits
        return self.strip_words * self.strip_channels * act_bits

    def replay_bits(self, act_bits: int) -> int:
        """Bits of the replay buffer of FINN's MVU (finn-rtllib/mvu/replay_buffer.sv).

        0 if PE = MH, and for depthwise layers, where each window word is used once.
        """
        if self.nf == 1 or self.depthwise:
            return 0
        return 2 ** ceil(log2(self.sf)) * self.simd * act_bits

    def swg_bits(self, act_bits: int) -> int:
        """Bits of the buffer of FINN's RTL SWG, "default" style; "parallel" (parallel_window=1) if SIMD > C.

        FINN rtl/convolutioninputgenerator_rtl.py, get_buffer_depth: the live strip, plus slack so
        that inputs skipped by a stride load early. "parallel" style has one pixel more than the
        live ones, all but lines' rests in registers; two words for a 1x1 kernel.
        """
        if self.window:
            return (self.strip_pixels + 1) * self.ifm_channels * act_bits
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
        if self.window:
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
        column, row, frame = (self._dying_folds * min(run, advance) for advance in self.advance_words)
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

    @cached_property
    def finn_cycles(self) -> int:
        """About what FINN's pair takes per frame in steady state, by measurements of layers.

        Its SWG fills its buffer anew with each frame. That hides behind the last window and, where the
        MVU replays windows, behind those on their way.
        """
        if self.window:
            return self.window.finn_cycles
        windows = 0 if self.depthwise else self.nf + FINN_WINDOWS_AHEAD * (self.nf > 1)
        fill = max(0, self.live_words - int(windows * self.sf))
        h, w = self.input_dim
        return max(self.compute_cycles + fill, h * w * self.ifm_channels // self.simd_in)

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
        if self.window:
            return self.window.cycles_per_frame
        if not self.dual_port and self.cycles_per_strip_word == 1:
            return self.compute_cycles + self.write_only_cycles
        last = self._last_read_cycles(4)
        return last[2] - last[1]

    def first_output_latency(self, stages: int = PIPELINE_STAGES) -> int:
        """Cycles from the first input word taken to the first output word offered, both included.

        stages: registers from a strip read to the output word, see Datapath.pipeline_stages.
        """
        taken, offered = self.stream_cycles(1, stages)
        return int(offered[0] - taken[0]) + 1

    @property
    def cycles_per_strip_word(self) -> int:
        """Cycles in which the input stream brings one strip word: SIMD/gcd(SIMD, SIMD_in) if dense.

        One of padding is there at once.
        """
        return self.word_channels // gcd(self.word_channels, self.simd_in)

    @property
    def padding_runs(self) -> PaddingRuns:
        """The order of input and padding, for imec_pad.sv."""
        (rows, columns), (top, left, bottom, right) = self.input_dim, self.padding
        gap = (left + right) * self.cf
        if gap == 0:
            rows, columns = 1, rows * columns
        first, after = ((y * self.ifm_dim[1] + x) * self.cf for y, x in ((top, left), (bottom, right)))
        return PaddingRuns(first, columns * self.cf, rows, gap, first + after)

    @property
    def runs_ahead(self) -> bool:
        """True if padding alone fills a frame's first window: its output does not wait for input."""
        return self.padding_runs.first >= self.live_words

    @property
    def _start(self) -> int:
        """The cycle in which the strip gets its first word, counted from when input may come first.

        AXI4-Stream keeps input back for one cycle after reset, and padding does not wait.
        """
        return -1 if self.padding_runs.first else 0

    @property
    def _frame_words(self) -> int:
        """Strip words of a frame, padding included."""
        return self.ifm_dim[0] * self.ifm_dim[1] * self.cf

    def _all_words(self, frames: int) -> int:
        """Strip words that come with so many frames: theirs, and the next one's first padding."""
        return frames * self._frame_words + self.padding_runs.first

    def _run(self, word: int) -> tuple[int, bool]:
        """(how many strip words from this one on are of its kind at least, whether it is padding).

        word: its number since reset, frames back to back.
        """
        (h, w), (top, left, bottom, right) = self.ifm_dim, self.padding
        pixel, passed = divmod(word % self._frame_words, self.cf)
        y, x = divmod(pixel, w)
        padding = not top <= y < h - bottom
        if padding or left + right == 0:
            end = w * next(end for end in (top, h - bottom, h) if y < end)
        else:
            padding = not left <= x < w - right
            end = y * w + next(end for end in (left, w - right, w) if x < end)
        return (end - pixel) * self.cf - passed, padding

    def _image_rows(self, word: int) -> int:
        """How many strip words from this one on are of rows of its kind: above, of or below the image."""
        (h, w), (top, _, bottom, _) = self.ifm_dim, self.padding
        word %= self._frame_words
        y = word // (w * self.cf)
        end = next(end for end in (top, h - bottom, h) if y < end)
        return end * w * self.cf - word

    def _words(self, frames: int) -> Iterator[bool]:
        """For each strip word as it comes whether it is one of padding."""
        word, total = 0, self._all_words(frames)
        while word < total:
            words, padding = self._run(word)
            yield from repeat(padding, min(words, total - word))
            word += words

    def total_cycles(self, frames: int = 1, stages: int = PIPELINE_STAGES) -> int:
        """Exact cycles until the last output word is taken, from when input may come first.

        Unstalled, `frames` frames back to back; equals FINN's cycles_rtlsim attribute for a batch.
        stages: registers from a strip read to the output word, see Datapath.pipeline_stages.
        """
        if frames < 1:
            raise GeometryError(f"frames={frames}: must be at least 1")
        return self._last_read_cycles(frames)[-1] + stages

    def _last_read_cycles(self, frames: int) -> list[int]:
        """Cycle of each frame's last strip read, by the rules of imec_sequencer.sv.

        Input always valid until all frames are in, but a strip word is complete only every
        cycles_per_strip_word cycles. Of padding, one is there in every cycle.
        """
        if self.window:
            return self.window.last_reads(frames)
        if not self.dual_port and self.cycles_per_strip_word == 1:
            # Those of the last window that are replaced after its last read
            trailing = self.advance_words[2] - self.in_place_words[2]
            start = self._start + self.live_words - trailing
            return [start + frame * self.cycles_per_frame for frame in range(1, frames + 1)]
        (oh, ow), (sh, sw), total = self.ofm_dim, self.stride, self._all_words(frames)
        one_port = partial(self._window_one_port, total=total)
        column = self._window_two_ports if self.dual_port else one_port
        now, result = _Progress(self._start, self.strip_words, self._start), []

        def alike(word: int) -> int:
            return self._run(word)[0]

        def columns(now: _Progress, step: int) -> None:
            now.repeat(partial(column, step=0), ow - 1, sw * self.cf, alike)
            column(now, step=step)

        for _ in range(frames):
            now.repeat(partial(columns, step=1), oh - 1, sh * self.ifm_dim[1] * self.cf, self._image_rows)
            columns(now, step=2)
            result.append(now.cycle)
        return result

    def _steps(self, frames: int) -> Iterator[int]:
        """For each window of `frames` frames what follows it: 0 a column, 1 a row, 2 a frame."""
        oh, ow = self.ofm_dim
        row = [0] * (ow - 1)
        return iter(([*row, 1] * (oh - 1) + [*row, 2]) * frames)

    def _window_two_ports(self, now: _Progress, step: int) -> None:
        """Read a window where words are free from the first read of the last fold on.

        Reads never wait for a word that comes after the last frame, so the input may be endless.
        """
        word, reads = self.cycles_per_strip_word, self.nf * self.sf

        def write(room: int, cycles: int) -> tuple[int, int]:
            """(words written, cycles passed) until there is no room or those cycles are over."""
            written, passed = 0, 0
            while written < room and passed < cycles:
                left, padding = self._run(now.arrived)
                first, each = (0, 1) if padding else (word - 1 - now.collected, word)
                words = min(room - written, left, max(0, (cycles - passed - 1 - first) // each + 1))
                took = first + (words - 1) * each + 1 if words else cycles - passed
                now.collected = 0 if words and not padding else min(now.collected + took, word - 1)
                now.arrived += words
                written, passed = written + words, passed + took
            return written, passed

        def write_during(cycles: int) -> int:
            """Words written in so many cycles."""
            written, passed = write(now.free, cycles)
            now.collected = min(now.collected + cycles - passed, word - 1)
            return written

        missing = now.free - self.slack_words
        if missing > 0:
            now.cycle += write(missing, missing * word + 1)[1]
            now.free = self.slack_words
        now.free -= write_during(reads - self.sf + 1)
        now.free += self.advance_words[step]
        now.free -= write_during(self.sf - 1)
        now.cycle += reads

    def _window_one_port(self, now: _Progress, step: int, total: int) -> None:
        """Read a window where words are free once read, and writes beyond those hold reads.

        Of `total` words that come in all.
        """
        complete_at = self.cycles_per_strip_word - 1
        reads = self.nf * self.sf
        folds_before = self.nf - self._dying_folds
        in_place = self.in_place_words[step]
        per_fold = in_place // self._dying_folds
        left, padding = self._run(now.arrived)
        read = 0
        while read < reads:
            if now.free > 0 and read == 0 and not padding:  # the window is incomplete
                now.cycle += complete_at - now.collected
                now.collected = complete_at
            fold, place = divmod(read, self.sf)
            dies = fold >= folds_before and place < per_fold
            # Until a word dies, reads follow each other if nothing is owed.
            if now.free == 0 and not dies:
                undisturbed = min(reads, max(fold + 1, folds_before) * self.sf) - read
                read += undisturbed
                now.cycle += undisturbed
                now.collected = min(now.collected + undisturbed, complete_at)
                continue
            now.cycle += 1
            complete = now.arrived < total and (padding or now.collected == complete_at)
            now.collected = min(now.collected + 1, complete_at)
            write_only = now.free > 0 and complete
            reads_now = not write_only and not (now.free > 0 and read == 0)
            if write_only or (reads_now and dies and complete):
                now.collected = now.collected if padding else 0
                now.arrived += 1
                left -= 1
                if left == 0:
                    left, padding = self._run(now.arrived)
            now.free += (reads_now and dies and not complete) - write_only
            read += reads_now
        now.free += self.advance_words[step] - in_place

    # ---- streams ------------------------------------------------------------------------------

    def stream_cycles(self, frames: int = 1, stages: int = PIPELINE_STAGES) -> tuple[np.ndarray, np.ndarray]:
        """Cycle, from 0, in which each input word is taken and each output word offered. int64.

        Unstalled: `frames` frames back to back, every word as soon as possible; input may come from
        cycle 0 on. The last output word is that of total_cycles(frames, stages).
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
        """Cycle, from 0, in which each strip word but those of padding is written, each fold read last.

        The rules of imec_sequencer.sv as _last_read_cycles has them, but one cycle at a time.
        """
        if self.window:
            return self.window.cycles(frames)
        words = frames * self.input_dim[0] * self.input_dim[1] * self.cf
        arrivals = self._words(frames)
        padding = next(arrivals, None)
        complete_at = self.cycles_per_strip_word - 1
        reads = self.nf * self.sf
        folds_before = self.nf - self._dying_folds
        steps = self._steps(frames)
        step = next(steps, None)
        free, slack = self.strip_words, self.slack_words
        written, folds = [], []
        read, collected, cycle = 0, self._start, self._start
        while step is not None or len(written) < words:
            complete = padding or (padding is False and collected == complete_at)
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
            collected = 0 if write and not padding else min(collected + 1, complete_at)
            if write:
                if not padding:
                    written.append(cycle)
                padding = next(arrivals, None)
            if reads_now:
                read += 1
                if read % self.sf == 0:
                    folds.append(cycle)
                if read == reads:
                    read, step = 0, next(steps, None)
            cycle += 1
        return np.array(written), np.array(folds)
