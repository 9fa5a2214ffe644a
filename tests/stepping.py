"""Cycles per frame of FINN's pair, one word after the other: the reference of finn_imec.layer.pair_cycles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import inf, prod

from finn_imec.layer import baseline
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import power_of_two
from finn_imec.layer.pair_cycles import FIFO_CYCLES, FIFO_WORDS, FRAMES


def stepped(layer: ConvGeometry, simd: int, pe: int, word: int, whole_windows: bool = False) -> int:
    """Cycles per frame in steady state, with the arguments of pair_cycles."""
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
