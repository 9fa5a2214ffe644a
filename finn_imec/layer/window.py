"""The window unit, imec_window.sv, which replaces the line buffer if SIMD > C.

SIMD channels of a whole window are read at a time, so its pixels are in registers. Columns of K_h pixels move
through a chain; each is an arriving pixel and those above it, from a line memory of K_h - 1 rows. While a
window is read, the chain moves on to the next one.

Between frames, and where a stride skips rows, pixels arrive that complete no window. A queue of columns lets
the lines run ahead of the chain and hides that time, where it is worth its cost. A queue of windows, after
the chain, also hides the columns at the start of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from finn_imec.layer import baseline
from finn_imec.layer.memories import LUT_BUFFER_WORDS, resolved_style
from finn_imec.layer.storage import FULL_SPEED, Storage


class Queues(NamedTuple):
    """Depth of the queues (imec_queue.sv) of columns before and of windows after the chain."""

    columns: int
    windows: int


#: Choices, the cheapest first: dual-port LUT memories, RAM32M and RAM64M.
QUEUES = (Queues(0, 0), Queues(32, 0), Queues(64, 0), Queues(0, 32))


@dataclass(frozen=True)
class WindowUnit(Storage):
    """The window unit of a layer with SIMD > C. A word of its memory is one column of the lines."""

    # ---- memory -------------------------------------------------------------------------------

    @property
    def dual_port(self) -> bool:
        """False: lines are read and written at the same address."""
        return False

    @property
    def style(self) -> str:
        """buffer_style, with "auto" resolved by the depth of the lines."""
        return resolved_style(self.layer.buffer_style, self.words, LUT_BUFFER_WORDS)

    @property
    def words(self) -> int:
        """Depth of the line memory: the image's width."""
        return self.layer.ifm_dim[1]

    @property
    def channels(self) -> int:
        """Channels per word of the line memory."""
        return self.line_pixels * self.layer.ifm_channels

    def bits(self, act_bits: int) -> int:
        """Bits of all memories and registers of the unit, live or not."""
        (kh, kw), lines = self.layer.kernel, self.words * self.line_pixels
        waiting = self.queues.columns * kh + self.queues.windows * kh * kw
        return (lines + waiting + self.register_pixels) * self.layer.ifm_channels * act_bits

    @property
    def fold_step(self) -> int:
        """1, modulo `words`; the hardware does not use it."""
        return 1 % self.words

    @property
    def line_pixels(self) -> int:
        """Pixels per word of the line memory."""
        return (self.layer.kernel[0] - 1) * self.layer.dilation[0]

    @property
    def register_pixels(self) -> int:
        """Pixels in registers: the chain without its newest column, and the window being read."""
        (kh, kw), dw = self.layer.kernel, self.layer.dilation[1]
        return kh * ((kw - 1) * dw + kw)

    @cached_property
    def queues(self) -> Queues:
        """The cheapest of QUEUES within FULL_SPEED of FINN's pair, else the fastest."""
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
        """cycles_per_frame with these queues."""
        g = self.layer
        if not any(queues) and not any(g.padding):
            # From one window to the next: its reads, or the pixels until it is complete.
            pixels = (advance * g.cycles_per_word for advance in g.advance_words)
            steps = zip(g.window_steps, pixels, strict=True)
            return sum(times * max(g.weight_words, cycles) for times, cycles in steps)
        # The state is steady at the latest when the queues are full.
        frames = 3 + queues.columns // (g.ofm_dim[0] * g.ifm_dim[1]) + queues.windows // g.windows
        starts = self.schedule(frames, queues)[1]
        return int(starts[-1] - starts[-1 - g.windows])

    def last_reads(self, frames: int) -> list[int]:
        """Cycle, from 1, of each frame's last read."""
        folds = self.layer.windows * self.layer.nf
        return [int(cycle) + 1 for cycle in self.cycles(frames)[1][folds - 1 :: folds]]

    def cycles(self, frames: int, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Cycle, from 0, in which each pixel (padding excluded) is taken, and of each fold's last read.

        each: of every `each`-th pixel only.
        """
        g = self.layer
        taken, starts = self.schedule(frames, self.queues)
        last_of_fold = g.sf * np.arange(1, g.nf + 1) - 1
        first_read = starts + (g.sf > 1)  # out of the hold register
        return taken[each - 1 :: each], (first_read[:, np.newaxis] + last_of_fold).ravel()

    def schedule(self, frames: int, queues: Queues) -> tuple[np.ndarray, np.ndarray]:
        """Cycles in which each pixel of `cycles` is taken, and in which each window is loaded to be read.

        The rules of imec_window.sv, unstalled: a pixel arrives one cycle after the previous one, or when all
        its stream words have arrived. Columns and windows wait for those before them and for room in the next
        queue. A window is loaded in the cycle of the previous window's last read.
        """
        g = self.layer
        row_ends, _ = self._window_ends
        (h, w), (top, left, bottom, right) = g.ifm_dim, g.padding
        inside = np.arange(w)
        inside = ((inside >= left) & (inside < w - right)).tolist()
        now, image_pixel = self.arrivals.start - 1, -1  # last arrival of any pixel, of an image pixel
        columns = (-3,) * max(1, queues.columns)  # when each left its queue, -3: long ago
        windows = (-3 - g.weight_words,) * max(1, queues.windows)
        long_ago = -3 - max(g.weight_words, g.cycles_per_word)
        known: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        taken, starts = [], []
        for y in range(frames * h):
            of_image = top <= y % h < h - bottom
            # The same again, later, if it starts as an earlier row did.
            relative = tuple(max(long_ago, t - now) for t in (image_pixel, *columns, *windows))
            key = (of_image, row_ends[y % h], relative)
            row = known.get(key)
            if row is None:
                split = 1 + len(columns)
                padding = [not (of_image and each) for each in inside]
                state = relative[0], relative[1:split], relative[split:]
                row = known[key] = self._row(padding, row_ends[y % h], queues, *state)
            row_taken, row_starts, passed, last, row_columns, row_windows = row
            taken.append(now + row_taken)
            starts.append(now + row_starts)
            image_pixel = now + last
            columns, windows = (tuple(now + t for t in queue) for queue in (row_columns, row_windows))
            now += passed
        return np.concatenate(taken), np.concatenate(starts)

    def _row(
        self,
        padding: list[bool],
        ends: bool,
        queues: Queues,
        image_pixel: int,
        columns: Sequence[int],
        windows: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray, int, int, tuple[int, ...], tuple[int, ...]]:
        """`schedule` of one row. Cycles are relative to the arrival of the last pixel before it.

        ends: whether windows end in this row. image_pixel: last arrival of an image pixel. columns, windows:
        when those in the queue left it. Returns the pixels taken, the windows loaded, and the arrival of the
        row's last pixel, then the last three arguments after this row.
        """
        g = self.layer
        column_ends = self._window_ends[1]
        now, taken, loaded = 0, [], len(windows)
        columns, windows = list(columns), list(windows)
        for x, is_padding in enumerate(padding):
            now += 1
            if not is_padding:
                now = max(now, image_pixel + g.cycles_per_word)
            if ends:
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
            if not is_padding:
                taken.append(now)
                image_pixel = now
        starts = np.array(windows[loaded:], np.int64)
        last = tuple(columns[-max(1, queues.columns) :]), tuple(windows[-max(1, queues.windows) :])
        return np.array(taken, np.int64), starts, now, image_pixel, *last

    @cached_property
    def _window_ends(self) -> tuple[list[bool], list[bool]]:
        """For each row, and for each column, whether windows end in it."""
        g = self.layer
        ends = []
        for axis in (0, 1):
            span = (g.kernel[axis] - 1) * g.dilation[axis] + 1
            of_windows = range(span - 1, g.ifm_dim[axis], g.stride[axis])
            ends.append([position in of_windows for position in range(g.ifm_dim[axis])])
        return ends[0], ends[1]
