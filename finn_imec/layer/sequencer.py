"""The schedule of imec_sequencer.sv: in which cycles a line buffer is read and written.

The rules, unstalled: a window takes nf*sf reads, one word per cycle, once its last word has arrived. With one
port the word that has just arrived may overwrite a word in the cycle of its last read. Slots that could not
be refilled then are owed, and write-only cycles fill them. With two ports every word is written as soon as
there is room.

`last_reads` steps through windows and skips repetitions; `cycles` steps through every cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.geometry import ConvGeometry


@dataclass
class _Progress:
    """State of a schedule: cycle, free words, cycles spent collecting the next word, words arrived."""

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
        """Do `what` `times` times. Each takes `words` words of input in the long run.

        Once it leaves the state as it found it, all further times are the same while the words that arrive
        are of the same kind; alike(word) is the number of such words from `word` on.
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
class Sequencer:
    """The sequencer of a line buffer of `words` words, `slack` of them beyond the live ones.

    in_place: words overwritten in the cycle of their last read, before a (column, row, frame) step;
    retiring_folds: number of a window's last neuron folds in which that happens. Both only matter with one
    port.
    """

    layer: ConvGeometry
    words: int
    slack: int
    dual_port: bool
    in_place: tuple[int, int, int]
    retiring_folds: int

    @cached_property
    def _arrivals(self) -> Arrivals:
        return Arrivals(self.layer)

    # ---- window by window ---------------------------------------------------------------------

    def last_reads(self, frames: int) -> list[int]:
        """Cycle, from 1, of each frame's last read."""
        g, arrivals = self.layer, self._arrivals
        (oh, ow), (sh, sw), total = g.ofm_dim, g.stride, arrivals.total(frames)
        one_port = partial(self._window_one_port, total=total)
        column = self._window_two_ports if self.dual_port else one_port
        now, result = _Progress(arrivals.start, self.words, arrivals.start), []

        def alike(word: int) -> int:
            return arrivals.run(word)[0]

        def columns(now: _Progress, step: int) -> None:
            now.repeat(partial(column, step=0), ow - 1, sw * g.cf, alike)
            column(now, step=step)

        for _ in range(frames):
            now.repeat(partial(columns, step=1), oh - 1, sh * g.ifm_dim[1] * g.cf, arrivals.image_rows)
            columns(now, step=2)
            result.append(now.cycle)
        return result

    def _window_two_ports(self, now: _Progress, step: int) -> None:
        """Read a window; its retired words are free from the first read of the last fold on.

        Reads never wait for a word after the last frame, so the input may be endless.
        """
        g = self.layer
        reads = g.nf * g.sf
        missing = now.free - self.slack
        if missing > 0:
            now.cycle += self._write(now, missing, missing * g.cycles_per_word + 1)[1]
            now.free = self.slack
        now.free -= self._write_during(now, reads - g.sf + 1)
        now.free += g.advance_words[step]
        now.free -= self._write_during(now, g.sf - 1)
        now.cycle += reads

    def _write(self, now: _Progress, room: int, cycles: int) -> tuple[int, int]:
        """(words written, cycles passed) until there is no room or `cycles` have passed."""
        word, written, passed = self.layer.cycles_per_word, 0, 0
        while written < room and passed < cycles:
            left, padding = self._arrivals.run(now.arrived)
            first, each = (0, 1) if padding else (word - 1 - now.collected, word)
            words = min(room - written, left, max(0, (cycles - passed - 1 - first) // each + 1))
            took = first + (words - 1) * each + 1 if words else cycles - passed
            now.collected = 0 if words and not padding else min(now.collected + took, word - 1)
            now.arrived += words
            written, passed = written + words, passed + took
        return written, passed

    def _write_during(self, now: _Progress, cycles: int) -> int:
        """Words written in `cycles` cycles."""
        written, passed = self._write(now, now.free, cycles)
        now.collected = min(now.collected + cycles - passed, self.layer.cycles_per_word - 1)
        return written

    def _window_one_port(self, now: _Progress, step: int, total: int) -> None:
        """Read a window; words are free once read, and further writes stall the reads.

        `total` words arrive in all.
        """
        g = self.layer
        complete_at = g.cycles_per_word - 1
        reads = g.nf * g.sf
        folds_before = g.nf - self.retiring_folds
        in_place = self.in_place[step]
        per_fold = in_place // self.retiring_folds
        left, padding = self._arrivals.run(now.arrived)
        read = 0
        while read < reads:
            if now.free > 0 and read == 0 and not padding:  # the window is incomplete
                now.cycle += complete_at - now.collected
                now.collected = complete_at
            fold, place = divmod(read, g.sf)
            retires = fold >= folds_before and place < per_fold
            # Until a word is retired, reads are back to back if nothing is owed.
            if now.free == 0 and not retires:
                undisturbed = min(reads, max(fold + 1, folds_before) * g.sf) - read
                read += undisturbed
                now.cycle += undisturbed
                now.collected = min(now.collected + undisturbed, complete_at)
                continue
            now.cycle += 1
            complete = now.arrived < total and (padding or now.collected == complete_at)
            now.collected = min(now.collected + 1, complete_at)
            write_only = now.free > 0 and complete
            reads_now = not write_only and not (now.free > 0 and read == 0)
            if write_only or (reads_now and retires and complete):
                now.collected = now.collected if padding else 0
                now.arrived += 1
                left -= 1
                if left == 0:
                    left, padding = self._arrivals.run(now.arrived)
            now.free += (reads_now and retires and not complete) - write_only
            read += reads_now
        now.free += g.advance_words[step] - in_place

    # ---- cycle by cycle -----------------------------------------------------------------------

    def cycles(self, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Cycle, from 0, of each word's write (padding excluded), and of each fold's last read."""
        g, arrivals = self.layer, self._arrivals
        words = frames * g.input_dim[0] * g.input_dim[1] * g.cf
        coming = arrivals.words(frames)
        padding = next(coming, None)
        complete_at = g.cycles_per_word - 1
        reads = g.nf * g.sf
        folds_before = g.nf - self.retiring_folds
        steps = self._steps(frames)
        step = next(steps, None)
        free = self.words
        written: list[int] = []
        folds: list[int] = []
        read, collected, cycle = 0, arrivals.start, arrivals.start
        while step is not None or len(written) < words:
            complete = padding or (padding is False and collected == complete_at)
            starts = step is not None and (read > 0 or free <= self.slack)
            advance = g.advance_words[step or 0]
            if self.dual_port:
                reads_now, write = starts, complete and free > 0
                freed = advance * (reads_now and read == reads - g.sf)
            else:
                in_place = self.in_place[step or 0]
                fold, place = divmod(read, g.sf)
                write_only = complete and free > 0
                reads_now = starts and not write_only
                in_run = place < in_place // self.retiring_folds
                retires = reads_now and fold >= folds_before and in_run
                write = write_only or (complete and retires)
                freed = retires + (advance - in_place) * (reads_now and read == reads - 1)
            free += freed - write
            collected = 0 if write and not padding else min(collected + 1, complete_at)
            if write:
                if not padding:
                    written.append(cycle)
                padding = next(coming, None)
            if reads_now:
                read += 1
                if read % g.sf == 0:
                    folds.append(cycle)
                if read == reads:
                    read, step = 0, next(steps, None)
            cycle += 1
        return np.array(written), np.array(folds)

    def _steps(self, frames: int) -> Iterator[int]:
        """For each window of `frames` frames, the step that follows: 0 column, 1 row, 2 frame."""
        oh, ow = self.layer.ofm_dim
        row = [0] * (ow - 1)
        return iter(([*row, 1] * (oh - 1) + [*row, 2]) * frames)
