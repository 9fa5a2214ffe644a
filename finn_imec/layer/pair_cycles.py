"""Cycles per frame of FINN's pair, as its RTL takes them.

FINN's window generator is one of two (finn-rtllib/swg). `swg_template_default.sv` writes words into a ring
and fetches those of the windows, each up to once per cycle: a word waits until the one in its place will not
be fetched again, and a fetch waits for its word. `swg_template_parallel.sv`, for whole windows and for 1x1
kernels, shifts words in, and stops with each window until it is taken. In both, a frame begins when the last
word of the one before has been taken. A FIFO follows, and the multipliers, which replay each window if they
have fewer PEs than output channels.

All words of a window are computed at once. Only the first window of a row is not like the others, and only
the first row of a frame. So when all that later cycles depend on is what it was some windows or rows before,
those that follow take as long as the ones since then, and are skipped. The result is that of stepping through
every word, as tests/stepping.py does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from math import prod

import numpy as np

from finn_imec.layer import baseline
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import power_of_two

#: Words that a FIFO of FINN's least depth holds, and cycles from its input to the multipliers'.
FIFO_WORDS, FIFO_CYCLES = 4, 2
#: Frames until the cycles of each are the same.
FRAMES = 3
#: Most words of a row, written or fetched, and most windows, of all frames, to compute.
MOST_WORDS, MOST_WINDOWS = 1_000_000, 20_000
#: A cycle long before the first.
NEVER = -(2**60)

Words = np.ndarray  # of cycles or numbers, int64


@lru_cache(maxsize=1024)
def pair_cycles(
    layer: ConvGeometry, simd: int, pe: int, word: int, whole_windows: bool = False
) -> int | None:
    """Cycles per frame in steady state of FINN's pair; None if that takes long to say.

    Input is always valid and output always ready. layer: its folding does not matter, except that simd_in is
    the first node's. simd, pe: of the MVAU or VVAU. word: channels per word of the generator. whole_windows:
    FINN's parallel_window.
    """
    read, given = layer.ofm_dim[1] * prod(layer.kernel), layer.stride[0] * layer.ifm_dim[1]
    if max(read, given) * layer.ifm_channels // word > MOST_WORDS:
        return None
    shifts = whole_windows or layer.kernel == (1, 1)
    unit = _Unit(layer, simd, pe, word, whole_windows)
    generator = (_Shifting if shifts else _Fetching)(layer, word, unit)
    ends = []
    try:
        for _ in range(FRAMES):
            generator.frame()
            ends.append(unit.done)
    except _TooLongError:
        return None
    return ends[-1] - ends[-2]


class _TooLongError(Exception):
    """More than MOST_WINDOWS."""


class _Unit:
    """FIFO, replay buffer and multipliers: when they take the words of a window, and are done with it."""

    def __init__(self, layer: ConvGeometry, simd: int, pe: int, word: int, whole_windows: bool) -> None:
        channels = prod(layer.kernel) * layer.ifm_channels  # of a window
        self.given = channels // (prod(layer.kernel) * word if whole_windows else word)
        self.used = channels // (pe * simd if layer.depthwise else simd)
        self.passes = 1 if layer.depthwise else layer.mh // pe
        self.held = FIFO_WORDS + (power_of_two(self.used) if self.passes > 1 else 0)
        if self.given != self.used:  # a width converter holds one of its wider words
            self.held += max(1, self.used // self.given)
        self.numbers = np.arange(self.used)
        #: Of a window's given words: how many used ones are complete with each; and which completes each.
        self.complete = np.arange(1, self.given + 1) * self.used // self.given
        self.completing = np.searchsorted(self.complete, self.numbers, "right")
        self.done = -1  # cycle of the last multiplication
        self.freed = np.full(self.held + 1, NEVER)  # cycles in which the places of used words were, the last

    def take(self, taken: Callable[[Words], Words]) -> Words:
        """The cycles in which the words of a window are taken. taken: these, by the first that has room."""
        freed = np.concatenate([self.freed, np.full(self.used, NEVER)])
        while True:
            room = freed[self.complete] + 1
            cycles = taken(room)
            ready = np.maximum(cycles[self.completing] + FIFO_CYCLES, self.done) - self.numbers
            done = np.maximum.accumulate(ready) + self.numbers + 1
            if self.passes > 1:
                done = done[-1] + (self.passes - 2) * self.used + self.numbers + 1
            freed[self.held + 1 :] = done
            # Words may wait for others of their window: then again, with what is known of those.
            if self.used <= self.held or np.array_equal(freed[self.complete] + 1, room):
                break
        self.done, self.freed = int(done[-1]), freed[self.used :]
        return cycles

    def state(self, now: int) -> bytes:
        """All that later windows depend on, seen from the cycle of the last word taken."""
        return (np.append(np.maximum(self.freed, now), self.done) - now).tobytes()

    def later(self, cycles: int) -> None:
        """The same state, so many cycles later."""
        self.done += cycles
        self.freed += cycles


class _Repeats:
    """Steps that are all of the same kind: where the state behind one is that behind an earlier one."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen: dict[bytes, tuple[int, int]] = {}

    def behind(self, number: int, state: bytes, now: int) -> tuple[int, int, int]:
        """How often the steps since an earlier one come again, how many they are, and their cycles."""
        earlier, then = self.seen.setdefault(state, (number, now))
        steps = number - earlier
        return (self.count - number) // steps if steps else 0, steps, now - then


class _Generator(ABC):
    """The windows of one frame after the other, but for those that only repeat."""

    #: First column from which on the windows of a row differ in nothing but their place.
    settled = 1

    def __init__(self, layer: ConvGeometry, word: int, unit: _Unit) -> None:
        (down, right), width, self.folds = layer.stride, layer.ifm_dim[1], layer.ifm_channels // word
        self.unit = unit
        self.rows, self.columns = layer.ofm_dim
        self.arrival = max(1, word // layer.simd_in)  # cycles per word of the input
        self.row_words = down * width * self.folds  # from a window to the one below
        #: Of the windows in a row: the first word, and the first one behind.
        self.starts = np.arange(self.columns) * right * self.folds
        self.behind = self.starts + layer.live_pixels * self.folds
        #: Words behind the last window of a frame.
        self.rest = prod(layer.ifm_dim) * self.folds - (self.rows - 1) * self.row_words - int(self.behind[-1])
        self.begin = 0  # cycle in which the frame begins
        self.taken = 0  # cycle in which a window's last word was taken
        self.windows = 0  # computed

    def frame(self) -> None:
        """The windows of a frame; `begin` is then the next one's."""
        self.start()
        row, repeats = 0, _Repeats(self.rows)
        while row < self.rows:
            self._row(row == 0)
            row += 1
            times, rows, cycles = repeats.behind(row, self.state(self.columns), self.taken)
            if times:
                self.skip_rows(times * cycles)
                row += times * rows
        self.begin = self.end() + 1

    def _row(self, first: bool) -> None:
        column, repeats = 0, _Repeats(self.columns)
        while column < self.columns:
            self.windows += 1
            if self.windows > MOST_WINDOWS:
                raise _TooLongError
            self.window(column, first and column == 0)
            column += 1
            if self.settled <= column < self.columns:
                times, windows, cycles = repeats.behind(column, self.state(column), self.taken)
                if times:
                    self.skip_windows(column, times, windows, cycles)
                    column += times * windows

    @abstractmethod
    def start(self) -> None:
        """Begin a frame."""

    @abstractmethod
    def window(self, column: int, first: bool) -> None:
        """The next window, of this column. first: of the frame."""

    @abstractmethod
    def state(self, column: int) -> bytes:
        """All that the windows from this column on depend on, seen from the cycle of the last word taken."""

    def skip_windows(self, column: int, times: int, windows: int, cycles: int) -> None:
        """Repeat the last `windows` before the column, which took `cycles`, so many times."""
        self.later(times * cycles)

    def skip_rows(self, cycles: int) -> None:
        """Rows that take so many cycles in all, after which the state is the same."""
        self.later(cycles)

    def later(self, cycles: int) -> None:
        """The same state, so many cycles later."""
        self.taken += cycles
        self.unit.later(cycles)

    @abstractmethod
    def end(self) -> int:
        """What follows the last window: the last cycle of the frame."""


class _Fetching(_Generator):
    """swg_template_default.sv."""

    def __init__(self, layer: ConvGeometry, word: int, unit: _Unit) -> None:
        super().__init__(layer, word, unit)
        (kh, kw), (dh, dw), width = layer.kernel, layer.dilation, layer.ifm_dim[1]
        pixels = (np.arange(kh)[:, None] * dh * width + np.arange(kw) * dw).reshape(-1, 1) * self.folds
        words = pixels + np.arange(self.folds)
        offsets = (words.T if layer.depthwise else words).ravel()  # of each fetch in a window
        self.window_fetches, self.row_fetches = offsets.size, self.columns * offsets.size
        self.numbers = np.arange(offsets.size)
        # The first word that is needed from each fetch on: its own, or the one behind the first of its run
        needed = self.starts[:, None] + offsets
        behind = np.repeat(np.append(self.starts[1:], self.row_words)[:, None], offsets.size, 1)
        if layer.depthwise:
            run = kh * kw
            behind[:, :-run] = self.starts[:, None] + np.repeat(np.arange(1, self.folds), run)
        self.needed = np.minimum(needed, behind).ravel()
        # Of the words written for each window and behind the last: the fetches that free their places, and
        # those of the window that wait for them
        self.ring = baseline.generator_bits(layer.with_folding(1, 1), 1) // word
        written = [self.behind[-1] - self.row_words, *self.behind]
        self.freeing = [self._freeing(np.arange(first, end)) for first, end in pairwise(written)]
        self.new = [self._new(needed[column], written[column]) for column in range(min(2, self.columns))]
        self.new_in_frame = self._new(offsets, 0)
        self.freeing_rest = self._freeing(self.behind[-1] + np.arange(self.rest))
        first = min(words[0] for words in (*self.freeing, self.freeing_rest) if words.size)
        #: Fetches of the rows before that still matter; the cycles of these and of the row's.
        self.before = -min(first // self.row_fetches, -1) * self.row_fetches
        self.fetched = np.empty(self.before + self.row_fetches, np.int64)
        self.settled = self._settled()

    def _freeing(self, words: Words) -> Words:
        """The fetch that frees each word's place, counted from the first of the row."""
        rows, words = np.divmod(words - self.ring, self.row_words)
        return rows * self.row_fetches + np.searchsorted(self.needed, words, "right") - 1

    def _settled(self) -> int:
        if self.columns == 1:
            return 1
        freeing = np.array(self.freeing[1:])
        ago = freeing - self.window_fetches * np.arange(1, self.columns)[:, None]
        other = np.nonzero((ago != ago[-1]).any(axis=1) | (freeing[:, 0] < 0))[0]
        return int(other[-1]) + 2 if other.size else 1

    @staticmethod
    def _new(words: Words, first: int) -> tuple[Words, Words]:
        """Of a window's fetches, those of words from the first one on, and which ones these are."""
        fetches = np.nonzero(words >= first)[0]
        return fetches, words[fetches] - first

    def start(self) -> None:
        self.fetched[:] = NEVER
        self.written = self.begin - self.arrival  # cycle of the last word
        self.taken = self.begin

    def window(self, column: int, first: bool) -> None:
        if column == 0:
            self.fetched[: self.before] = self.fetched[self.row_fetches :]
        if first:
            written = self._write(np.full(self.behind[0], NEVER))
            fetches, words = self.new_in_frame
        else:
            written = self._write(self.fetched[self.before + self.freeing[column]])
            fetches, words = self.new[min(column, 1)]
        ready = np.full(self.window_fetches, NEVER)  # when each fetched word could be taken
        ready[fetches] = written[words] + 2
        ready[0] = max(ready[0], self.taken + 1)
        taken = self.unit.take(
            lambda room: np.maximum.accumulate(np.maximum(ready, room) - self.numbers) + self.numbers
        )
        at = self.before + column * self.window_fetches
        before = np.append(self.taken, taken[:-1])
        self.fetched[at : at + self.window_fetches] = np.maximum(ready - 1, before)
        self.taken = int(taken[-1])

    def _write(self, freed: Words) -> Words:
        """The cycles in which the next words are written, whose places are free after these cycles."""
        passed = self.arrival * np.arange(freed.size)
        free = freed + 1 - passed
        free[0] = max(free[0], self.written + self.arrival)
        written = np.maximum.accumulate(free) + passed
        self.written = int(written[-1])
        return written

    def state(self, column: int) -> bytes:
        row, following = divmod(column, self.columns)
        first = self.before + row * self.row_fetches + self.freeing[following][0]
        fetched = self.fetched[first : self.before + column * self.window_fetches]
        fetched = np.maximum(fetched, self.written + self.arrival - 1)
        now = self.taken
        return (np.append(fetched, self.written) - now).tobytes() + self.unit.state(now)

    def skip_windows(self, column: int, times: int, windows: int, cycles: int) -> None:
        end, count = self.before + column * self.window_fetches, windows * self.window_fetches
        later = cycles * np.arange(1, times + 1)[:, None]
        self.fetched[end : end + times * count] = (self.fetched[end - count : end] + later).ravel()
        super().skip_windows(column, times, windows, cycles)

    def skip_rows(self, cycles: int) -> None:
        self.fetched += cycles
        super().skip_rows(cycles)

    def later(self, cycles: int) -> None:
        super().later(cycles)
        self.written += cycles

    def end(self) -> int:
        if self.rest:
            self._write(self.fetched[self.before + self.freeing_rest])
        return max(self.taken, self.written)


class _Shifting(_Generator):
    """swg_template_parallel.sv."""

    def start(self) -> None:
        self.shifted = self.begin - self.arrival  # cycle in which the last word taken was there
        self.taken = self.begin - 1

    def window(self, column: int, first: bool) -> None:
        behind = self.behind[column - 1] - (0 if column else self.row_words)  # the window before
        begin = self._shift(int(self.behind[column] - self.folds - (0 if first else behind)))
        passed = self.arrival * np.arange(self.folds)
        there = passed  # the cycles in which the window's words are

        def taken(room: Words) -> Words:
            nonlocal there
            there = np.maximum.accumulate(np.append(begin, room[:-1] - passed[1:])) + passed
            cycles: Words = np.maximum(there + 1, room)
            return cycles

        self.taken = int(self.unit.take(taken)[-1])
        self.shifted = int(there[-1])

    def _shift(self, skipped: int) -> int:
        """The cycle in which the word behind so many is there."""
        return max(self.shifted + self.arrival, self.taken) + self.arrival * skipped

    def state(self, column: int) -> bytes:
        shifted = max(self.shifted - self.taken, -self.arrival)
        return str(shifted).encode() + self.unit.state(self.taken)

    def later(self, cycles: int) -> None:
        super().later(cycles)
        self.shifted += cycles

    def end(self) -> int:
        return max(self.taken, self._shift(self.rest - 1) if self.rest else 0)
