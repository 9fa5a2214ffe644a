"""The window unit, imec_window.sv, in place of a line buffer if SIMD > C.

A whole window is read SIMD channels at a time. So the pixels of a window are in registers: columns of
K_h pixels move through a chain, each made of an arriving pixel and those above it, which a line
memory of K_h - 1 rows holds. While a window is read, the chain moves on to the next one.

Between frames, and where a stride skips rows, pixels pass that end no window. The time that takes is
hidden if the lines may run ahead of the chain: by the columns of a queue, where that is worth it. A
queue of windows, after the chain, also hides the columns at the start of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np

from finn_imec.layer import baseline
from finn_imec.layer.memories import LUT_BUFFER_WORDS, resolved_style
from finn_imec.layer.storage import FULL_SPEED, Storage


class Queues(NamedTuple):
    """How many columns and windows may wait, in imec_queue.sv before and after the chain."""

    columns: int
    windows: int


#: What is chosen from, the cheapest first: LUT memories with two ports, RAM32M and RAM64M.
QUEUES = (Queues(0, 0), Queues(32, 0), Queues(64, 0), Queues(0, 32))


@dataclass(frozen=True)
class WindowUnit(Storage):
    """The window unit of a layer with SIMD > C. Its memory holds lines, a word a column of them."""

    # ---- memory -------------------------------------------------------------------------------

    @property
    def dual_port(self) -> bool:
        """False: lines are read and written at one address."""
        return False

    @property
    def style(self) -> str:
        """buffer_style, with "auto" decided by the depth of the lines."""
        return resolved_style(self.layer.buffer_style, self.words, LUT_BUFFER_WORDS)

    @property
    def words(self) -> int:
        """Depth of the line memory: the image's width."""
        return self.layer.ifm_dim[1]

    @property
    def channels(self) -> int:
        """Channels of a word of the line memory."""
        return self.line_pixels * self.layer.ifm_channels

    def bits(self, act_bits: int) -> int:
        """Bits of all memories and registers of the unit, whether live or not."""
        (kh, kw), lines = self.layer.kernel, self.words * self.line_pixels
        waiting = self.queues.columns * kh + self.queues.windows * kh * kw
        return (lines + waiting + self.register_pixels) * self.layer.ifm_channels * act_bits

    @property
    def fold_step(self) -> int:
        """1, modulo `words`: reads of a window follow each other; of no use to the hardware."""
        return 1 % self.words

    @property
    def line_pixels(self) -> int:
        """Pixels in a word of the line memory."""
        return (self.layer.kernel[0] - 1) * self.layer.dilation[0]

    @property
    def register_pixels(self) -> int:
        """Pixels in registers: the chain, without the newest column, and the window that is read."""
        (kh, kw), dw = self.layer.kernel, self.layer.dilation[1]
        return kh * ((kw - 1) * dw + kw)

    @cached_property
    def queues(self) -> Queues:
        """The cheapest of QUEUES that are about as fast as FINN's pair, else the fastest."""
        limit = FULL_SPEED * baseline.pair_cycles(self.layer)
        fast = (some for some in QUEUES if self.interval(some) <= limit)
        chosen = next(fast, None)
        return chosen or min(QUEUES, key=self.interval)

    # ---- cycles -------------------------------------------------------------------------------

    @property
    def cycles_per_frame(self) -> int:
        """Exact steady-state interval between frames, in cycles."""
        return self.interval(self.queues)

    def interval(self, queues: Queues) -> int:
        """cycles_per_frame with other queues."""
        g = self.layer
        if not any(queues) and not any(g.padding):
            # From one window to the next: its reads, or the pixels that come until it is complete.
            pixels = (advance * g.cycles_per_word for advance in g.advance_words)
            steps = zip(g.window_steps, pixels, strict=True)
            return sum(times * max(g.weight_words, cycles) for times, cycles in steps)
        # With full queues, at the latest, it is steady.
        frames = 3 + queues.columns // (g.ofm_dim[0] * g.ifm_dim[1]) + queues.windows // g.windows
        starts = self.schedule(frames, queues)[1]
        return starts[-1] - starts[-1 - g.windows]

    def last_reads(self, frames: int) -> list[int]:
        """Cycle, from 1, of each frame's last read."""
        folds = self.layer.windows * self.layer.nf
        return [int(cycle) + 1 for cycle in self.cycles(frames)[1][folds - 1 :: folds]]

    def cycles(self, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Cycle, from 0, in which each pixel but those of padding is taken, each fold read last."""
        g = self.layer
        taken, starts = self.schedule(frames, self.queues)
        last_of_fold = g.sf * np.arange(1, g.nf + 1) - 1
        first_read = np.array(starts) + (g.sf > 1)  # out of the hold register
        return np.array(taken), (first_read[:, np.newaxis] + last_of_fold).ravel()

    def schedule(self, frames: int, queues: Queues) -> tuple[list[int], list[int]]:
        """Cycle in which each pixel of `cycles` is taken, and in which each window goes to be read.

        The rules of imec_window.sv, unstalled: a pixel comes a cycle after the one before, or when its
        stream words are all there; columns and windows wait for those before them, and for room in the
        next queue; a window is taken in the cycle of the last read of the one before.
        """
        g, arrivals = self.layer, self.arrivals
        row_ends, column_ends = (self._window_ends(axis) for axis in (0, 1))
        h, w = g.ifm_dim
        pixel = g.cycles_per_word
        now, image_pixel = arrivals.start - 1, -1  # last arrivals: of any pixel, of one of the image
        taken = []
        columns = [-2] * max(1, queues.columns)  # when each left its queue, -2: long ago
        windows = [-2 - g.weight_words] * max(1, queues.windows)
        for i, padding in enumerate(islice(arrivals.words(frames), frames * h * w)):
            y, x = divmod(i % (h * w), w)
            now += 1
            if not padding:
                now = max(now, image_pixel + pixel)
            if row_ends[y]:
                if queues.columns:
                    now = max(now, columns[-queues.columns] + 1)
                column = max(now + 1, columns[-1] + 1) if queues.columns else now
                if column_ends[x]:
                    window = windows[-1] + g.weight_words
                    if queues.windows:
                        column = max(column, windows[-queues.windows] + 1)
                        window = max(window, column + 1)
                    else:
                        column = window = max(window, column)
                    windows.append(window)
                columns.append(column)
                if not queues.columns:
                    now = column
            if not padding:
                taken.append(now)
                image_pixel = now
        return taken, windows[max(1, queues.windows) :]

    def _window_ends(self, axis: int) -> list[bool]:
        """For each position on an axis whether it is the last of a window."""
        g = self.layer
        span = (g.kernel[axis] - 1) * g.dilation[axis] + 1
        ends = range(span - 1, g.ifm_dim[axis], g.stride[axis])
        return [position in ends for position in range(g.ifm_dim[axis])]
