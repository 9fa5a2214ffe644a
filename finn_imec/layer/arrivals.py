"""The order in which a layer's input words arrive, padding included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

from finn_imec.layer.geometry import ConvGeometry


@dataclass(frozen=True)
class PaddingRuns:
    """The order as runs, for imec_pad.sv.

    `first` padding words come before the first frame. Each frame has `runs` runs of `run` input words, with
    `gap` padding words between two runs and `between` after the last one, up to the next frame's first run.
    """

    first: int
    run: int
    runs: int
    gap: int
    between: int


@dataclass(frozen=True)
class Arrivals:
    """The input words of a layer in order of arrival, frames back to back.

    Words are those of the buffer, word_channels each, numbered from reset.
    """

    layer: ConvGeometry

    @property
    def runs(self) -> PaddingRuns:
        """The order of input and padding in imec_pad.sv."""
        g = self.layer
        (rows, columns), (top, left, bottom, right) = g.input_dim, g.padding
        gap = (left + right) * g.cf
        if gap == 0:
            rows, columns = 1, rows * columns
        first, after = ((y * g.ifm_dim[1] + x) * g.cf for y, x in ((top, left), (bottom, right)))
        return PaddingRuns(first, columns * g.cf, rows, gap, first + after)

    @property
    def runs_ahead(self) -> bool:
        """True if padding alone fills a frame's first window: its output does not wait for input."""
        return self.runs.first >= self.layer.live_words

    @property
    def start(self) -> int:
        """The cycle in which the first word is written; input is in its register from cycle 0 on.

        That is two cycles after reset, one of them because AXI4-Stream holds input back. Padding does not
        wait.
        """
        return -2 if self.runs.first else 0

    @property
    def frame_words(self) -> int:
        """Words of a frame, padding included."""
        return self.layer.ifm_dim[0] * self.layer.ifm_dim[1] * self.layer.cf

    def total(self, frames: int) -> int:
        """Words that arrive with `frames` frames, including the padding before the next one."""
        return frames * self.frame_words + self.runs.first

    def run(self, word: int) -> tuple[int, bool]:
        """(at least how many words from this one on are of the same kind, whether it is padding)."""
        g = self.layer
        (h, w), (top, left, bottom, right) = g.ifm_dim, g.padding
        pixel, passed = divmod(word % self.frame_words, g.cf)
        y, x = divmod(pixel, w)
        padding = not top <= y < h - bottom
        if padding or left + right == 0:
            end = w * next(end for end in (top, h - bottom, h) if y < end)
        else:
            padding = not left <= x < w - right
            end = y * w + next(end for end in (left, w - right, w) if x < end)
        return (end - pixel) * g.cf - passed, padding

    def image_rows(self, word: int) -> int:
        """Words left in rows of the same kind as this word's: above, in or below the image."""
        g = self.layer
        (h, w), (top, _, bottom, _) = g.ifm_dim, g.padding
        word %= self.frame_words
        y = word // (w * g.cf)
        end = next(end for end in (top, h - bottom, h) if y < end)
        return end * w * g.cf - word

    def words(self, frames: int) -> Iterator[bool]:
        """For each word in order of arrival, whether it is padding."""
        word, total = 0, self.total(frames)
        while word < total:
            words, padding = self.run(word)
            yield from repeat(padding, min(words, total - word))
            word += words
