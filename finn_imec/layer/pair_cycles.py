"""Cycles per frame of FINN's pair, stepped as its RTL does.

FINN's window generator is one of two (finn-rtllib/swg). `swg_template_default.sv` writes words into a ring
and fetches those of the windows, each up to once per cycle: a word waits until the one in its place will not
be fetched again, and a fetch waits for its word. `swg_template_parallel.sv`, for whole windows and for 1x1
kernels, shifts words in, and stops with each window until it is taken. In both, a frame begins when the last
word of the one before has been taken. A FIFO follows, and the multipliers, which replay each window if they
have fewer PEs than output channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from math import inf, prod

from finn_imec.layer import baseline
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import power_of_two

#: Words that a FIFO of FINN's least depth holds, and cycles from its input to the multipliers'.
FIFO_WORDS, FIFO_CYCLES = 4, 2
#: Frames until the cycles of each are the same.
FRAMES = 3
#: Most words to step through. In a larger image, some rows are; the others take as long as the last of them.
MOST_WORDS = 100_000
ROWS = 4


@lru_cache(maxsize=1024)
def pair_cycles(
    layer: ConvGeometry, simd: int, pe: int, word: int, whole_windows: bool = False
) -> int | None:
    """Cycles per frame in steady state of FINN's pair; None if that takes long to say.

    Input is always valid and output always ready. layer: its folding does not matter, except that simd_in is
    the first node's. simd, pe: of the MVAU or VVAU. word: channels per word of the generator. whole_windows:
    FINN's parallel_window.
    """
    row = FRAMES * layer.ofm_dim[1] * prod(layer.kernel) * (layer.ifm_channels // word)
    rows = layer.ofm_dim[0]
    if row * min(rows, ROWS + 1) > 8 * MOST_WORDS:
        return None
    folding = simd, pe, word, whole_windows
    if row * rows <= MOST_WORDS or rows <= ROWS + 1:
        return _stepped(layer, *folding)
    few, more = (_stepped(_with_rows(layer, n), *folding) for n in (ROWS, ROWS + 1))
    return more + (rows - ROWS - 1) * (more - few)


def _with_rows(layer: ConvGeometry, rows: int) -> ConvGeometry:
    """The layer with this many of its output rows; input rows that no window reads stay."""
    height = layer.ifm_dim[0] - (layer.ofm_dim[0] - rows) * layer.stride[0]
    return replace(layer, ifm_dim=(height, layer.ifm_dim[1]), padding=(0, 0, 0, 0))


def _stepped(layer: ConvGeometry, simd: int, pe: int, word: int, whole_windows: bool) -> int:
    shifts = whole_windows or layer.kernel == (1, 1)
    unit = _Unit(layer, simd, pe, word, whole_windows)
    frame = (_shifting if shifts else _fetching)(layer, word, unit)
    begin, ends = 0, []
    for _ in range(FRAMES):
        begin = frame(begin)
        ends.append(unit.done)
    return ends[-1] - ends[-2]


def _fetching(layer: ConvGeometry, word: int, unit: _Unit) -> Callable[[int], int]:
    """The cycle in which a frame of swg_template_default.sv begins -> the next one's."""
    ring = baseline.generator_bits(layer.with_folding(1, 1), 1) // word
    arrival, words = _arrival(layer, word)
    fetches = list(_fetches(layer, word))

    def frame(begin: int) -> int:
        written: list[int] = []  # cycles in which words are written
        fetched: list[int] = []
        free = 0  # fetches until the next word's place is free
        taken = begin
        for number in range(len(fetches) + 1):
            wanted = fetches[number][0] if number < len(fetches) else words - 1
            while len(written) <= wanted:
                while free < len(fetches) and fetches[free][1] <= len(written) - ring:
                    free += 1
                after = fetched[free - 1] + 1 if free else begin
                written.append(max(written[-1] + arrival if written else begin, after))
            if number < len(fetches):
                fetched.append(max(taken, written[wanted] + 1, fetched[-1] + 1 if fetched else begin))
                taken = unit.take(fetched[-1] + 1)
        return max(taken, written[-1]) + 1

    return frame


def _shifting(layer: ConvGeometry, word: int, unit: _Unit) -> Callable[[int], int]:
    """The cycle in which a frame of swg_template_parallel.sv begins -> the next one's."""
    arrival, words = _arrival(layer, word)
    folds = layer.ifm_channels // word
    last = (layer.live_pixels - 1) * folds  # from a window's first word to its last
    complete = [start + last + fold for start in _starts(layer, folds) for fold in range(folds)]

    def frame(begin: int) -> int:
        cycle, taken, windows = begin - arrival, begin - 1, iter([*complete, None])
        window = next(windows)
        for number in range(words):
            at = cycle + arrival
            if number - 1 == window:
                taken = unit.take(max(cycle, taken) + 1)
                at, window = max(at, taken), next(windows)
            cycle = at
        if window is not None:
            taken = unit.take(max(cycle, taken) + 1)
        return max(cycle, taken) + 1

    return frame


def _arrival(layer: ConvGeometry, word: int) -> tuple[int, int]:
    """Cycles per word of the generator's input, and words of a frame."""
    return max(1, word // layer.simd_in), prod(layer.ifm_dim) * layer.ifm_channels // word


def _starts(layer: ConvGeometry, folds: int) -> list[int]:
    """First word of each window."""
    (rows, columns), (down, right), width = layer.ofm_dim, layer.stride, layer.ifm_dim[1]
    return [(y * down * width + x * right) * folds for y in range(rows) for x in range(columns)]


def _fetches(layer: ConvGeometry, word: int) -> Iterator[tuple[int, float]]:
    """Each fetch of a frame: its word, and the first word that is needed from then on."""
    (kh, kw), (dh, dw), width = layer.kernel, layer.dilation, layer.ifm_dim[1]
    folds = layer.ifm_channels // word
    pixels = [(y * dh * width + x * dw) * folds for y in range(kh) for x in range(kw)]
    # Runs of fetches, after the first of which the run's first word is no longer needed
    if layer.depthwise:
        runs = [[pixel + fold for pixel in pixels] for fold in range(folds)]
    else:
        runs = [[pixel + fold for pixel in pixels for fold in range(folds)]]
    starts = [*_starts(layer, folds), inf]
    for start, after in pairwise(starts):
        for fold, run in enumerate(runs, 1):
            following = after if fold == len(runs) else start + fold
            for offset in run:
                yield int(start) + offset, min(start + offset, following)


class _Unit:
    """FIFO, replay buffer and multipliers: when they take the generator's words, and are done with them."""

    def __init__(self, layer: ConvGeometry, simd: int, pe: int, word: int, whole_windows: bool) -> None:
        channels = prod(layer.kernel) * layer.ifm_channels  # of a window
        self.given = channels // (prod(layer.kernel) * word if whole_windows else word)
        self.used = channels // (pe * simd if layer.depthwise else simd)
        self.passes = 1 if layer.depthwise else layer.mh // pe
        self.held = FIFO_WORDS + (power_of_two(self.used) if self.passes > 1 else 0)
        if self.given != self.used:  # a width converter holds one of its wider words
            self.held += max(1, self.used // self.given)
        self.freed: list[int] = []  # of each word for the multipliers
        self.taken = 0
        self.done = -1  # cycle of the last multiplication

    def take(self, cycle: int) -> int:
        """The cycle in which a word that is there in `cycle` is taken."""
        before, after = (n * self.used // self.given for n in (self.taken, self.taken + 1))
        self.taken += 1
        if after > self.held:
            cycle = max(cycle, self.freed[after - self.held - 1] + 1)
        for _ in range(after - before):
            self.done = max(self.done, cycle + FIFO_CYCLES) + 1
            if self.passes == 1:
                self.freed.append(self.done)
        if self.passes > 1 and self.taken % self.given == 0:
            self.done += (self.passes - 1) * self.used
            self.freed += range(self.done - self.used + 1, self.done + 1)
        return cycle
