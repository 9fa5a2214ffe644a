"""The schedule of imec_sequencer.sv: in which cycles a line buffer is read and written.

The rules, unstalled: a window takes nf*sf reads, one word per cycle, once its last word has arrived. With one
port the word that has just arrived may overwrite a word in the cycle of its last read. Slots that could not
be refilled then are owed, and write-only cycles fill them. With two ports every word is written as soon as
there is room; if they are those of two banks, as soon as its bank is not read, too.

With a gearbox, nothing is read in some cycles of a fold (`finn_imec.layer.gearbox`). One port then writes
what is owed; with two ports the sequencer stands still.

Both `last_reads` and `cycles` step through windows and skip repetitions; `cycles` also records what happens
in them. tests/test_geometry.py steps through every cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.gearbox import read_cycles
from finn_imec.layer.geometry import ConvGeometry


def bank_of(word: Any, cf: int) -> Any:
    """Bank of imec_banks.sv that holds a word, numbered from the first of a pixel of cf words; or of each."""
    return (word // cf + word % cf) % 2


class _Record:
    """Cycles of events, in order, in parts: added one by one, or copied. Only every `each`-th is kept."""

    def __init__(self, each: int = 1) -> None:
        self.parts: list[np.ndarray] = []
        self.each = each
        self._until_next = each - 1  # events to pass over

    def add(self, cycles: Sequence[int]) -> None:
        """More events."""
        self.parts.append(np.array(cycles[self._until_next :: self.each], np.int64))
        self._until_next = (self._until_next - len(cycles)) % self.each

    def copy(self, since: int, times: int, period: int) -> None:
        """Repeat all parts from number `since` on, each time `period` cycles later.

        They hold a multiple of `each` events.
        """
        once = self.all(since)
        self.parts.append((period * np.arange(1, times + 1)[:, np.newaxis] + once).ravel())

    def all(self, since: int = 0) -> np.ndarray:
        """The events of all parts from number `since` on. int64."""
        return np.concatenate([np.empty(0, np.int64), *self.parts[since:]])


@dataclass
class _Progress:
    """State of a schedule: cycle, free words, cycles spent collecting the next word, words arrived.

    records: of the cycles in which words are written (padding excluded) and folds end, if they are wanted.
    """

    cycle: int
    free: int
    collected: int
    arrived: int = 0
    records: tuple[_Record, _Record] | None = None

    def repeat(
        self,
        what: Callable[[_Progress], None],
        times: int,
        words: int,
        alike: Callable[[int], int],
    ) -> None:
        """Do `what` `times` times. Each takes `words` words of input in the long run.

        Once it has led back to an earlier state, what follows is the same again, while the words that arrive
        are of the same kind; alike(word) is the number of such words from `word` on.
        """
        seen: dict[tuple[int, int, int, int], _Seen] = {}
        done = 0
        while done < times:
            left = alike(self.arrived)
            # The last number stays the same as long as the words are of one kind.
            state = self.free, self.collected, self.arrived - done * words, self.arrived + left
            before = seen.get(state)
            period = done - before.done if before else 1
            same = min(times - done, (left - 1) // words) // period if before else 0
            if before and same > 0:
                for record, since in zip(self.records or (), before.parts):
                    record.copy(since, same, self.cycle - before.cycle)
                self.cycle += same * (self.cycle - before.cycle)
                self.arrived += same * period * words
                done += same * period
                continue
            seen[state] = _Seen(done, self.cycle, tuple(len(r.parts) for r in self.records or ()))
            what(self)
            done += 1


class _Seen(NamedTuple):
    """When a state was seen: after how many times, in which cycle, after how many parts of the records."""

    done: int
    cycle: int
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Sequencer:
    """The sequencer of a line buffer of `words` words, `slack` of them beyond the live ones.

    in_place: words overwritten in the cycle of their last read, before a (column, row, frame) step;
    retiring_folds: number of a window's last neuron folds in which that happens. Both only matter with one
    port. banked: the two ports are those of two banks.
    """

    layer: ConvGeometry
    words: int
    slack: int
    dual_port: bool
    in_place: tuple[int, int, int]
    retiring_folds: int
    banked: bool = False

    @cached_property
    def _arrivals(self) -> Arrivals:
        return Arrivals(self.layer)

    # ---- window by window ---------------------------------------------------------------------

    def last_reads(self, frames: int) -> list[int]:
        """Cycle, from 1, of each frame's last read."""
        return self._run(frames, self._start())

    def cycles(self, frames: int, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Cycle, from 0, of every `each`-th word's write, and of each fold's last read. int64.

        Words of padding do not count. each: a divisor of the words per pixel.
        """
        g, now, records = self.layer, self._start(), (_Record(each), _Record())
        now.records = records
        self._run(frames, now)
        words = frames * g.input_dim[0] * g.input_dim[1] * g.cf
        # The last frame's words that no window reads
        missing = frames * self._arrivals.frame_words - now.arrived
        if missing > 0:
            self._write(now, missing, missing * (g.cycles_per_word + 1))
        return records[0].all()[: words // each], records[1].all()

    def _start(self) -> _Progress:
        start = self._arrivals.start
        return _Progress(start, self.words, start)

    def _run(self, frames: int, now: _Progress) -> list[int]:
        g, arrivals = self.layer, self._arrivals
        (oh, ow), (sh, sw), total = g.ofm_dim, g.stride, arrivals.total(frames)
        one_port = partial(self._window_one_port, total=total)
        two_ports = self._window_two_banks if self.banked else self._window_two_ports
        column = two_ports if self.dual_port else one_port
        if g.geared:
            column = partial(self._window_geared, total=total)
        result = []

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
        if now.records is not None:
            now.records[1].add(range(now.cycle + g.sf - 1, now.cycle + reads, g.sf))
        now.free -= self._write_during(now, reads - g.sf + 1)
        now.free += g.advance_words[step]
        now.free -= self._write_during(now, g.sf - 1, reads - g.sf + 1)
        now.cycle += reads

    @cached_property
    def _read_banks(self) -> list[int]:
        """Bank of each read of a window, from that of the window's first word on."""
        g = self.layer
        offsets = [g.read_offsets(fold) for fold in range(g.nf if g.depthwise else 1)]
        banks = [bank for fold in offsets for bank in bank_of(fold, g.cf).tolist()]
        return banks * (1 if g.depthwise else g.nf)

    def _window_two_banks(self, now: _Progress, step: int) -> None:
        """Read a window as with two ports; a word waits while its bank is read."""
        g, read_banks = self.layer, self._read_banks
        reads, complete_at = g.nf * g.sf, g.cycles_per_word - 1
        missing = now.free - self.slack
        if missing > 0:
            now.cycle += self._write(now, missing, missing * g.cycles_per_word + 1)[1]
            now.free = self.slack
        freed_at = reads - g.sf + 1  # reads after which words are free
        place = self.words - now.free  # of the next word to write, from the window's first on
        left, padding = self._arrivals.run(now.arrived)
        written: list[int] = []
        read = 0
        while read < reads:
            quiet = 0 if padding else complete_at - now.collected
            if now.free == 0:
                quiet = reads
            if quiet:  # nothing is written
                passed = min(quiet, (freed_at if read < freed_at else reads) - read)
                now.collected = min(now.collected + passed, complete_at)
            else:
                passed = 1
                now.collected = min(now.collected + 1, complete_at)
                if bank_of(place, g.cf) != read_banks[read]:
                    now.collected = now.collected if padding else 0
                    now.arrived += 1
                    now.free -= 1
                    place += 1
                    left -= 1
                    if not padding:
                        written.append(now.cycle + read)
                    if left == 0:
                        left, padding = self._arrivals.run(now.arrived)
            now.free += g.advance_words[step] * (read < freed_at <= read + passed)
            read += passed
        if now.records is not None:
            now.records[0].add(written)
            now.records[1].add(range(now.cycle + g.sf - 1, now.cycle + reads, g.sf))
        now.cycle += reads

    def _write(self, now: _Progress, room: int, cycles: int, since: int = 0) -> tuple[int, int]:
        """(words written, cycles passed) until there is no room or `cycles` have passed.

        The first of them is `since` cycles after now.cycle.
        """
        word, written, passed = self.layer.cycles_per_word, 0, 0
        while written < room and passed < cycles:
            left, padding = self._arrivals.run(now.arrived)
            first, each = (0, 1) if padding else (word - 1 - now.collected, word)
            words = min(room - written, left, max(0, (cycles - passed - 1 - first) // each + 1))
            took = first + (words - 1) * each + 1 if words else cycles - passed
            if now.records is not None and words and not padding:
                start = now.cycle + since + passed + first
                now.records[0].add(range(start, start + words * each, each))
            now.collected = 0 if words and not padding else min(now.collected + took, word - 1)
            now.arrived += words
            written, passed = written + words, passed + took
        return written, passed

    def _write_during(self, now: _Progress, cycles: int, since: int = 0) -> int:
        """Words written in `cycles` cycles, the first of them `since` cycles after now.cycle."""
        written, passed = self._write(now, now.free, cycles, since)
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
        written: list[int] = []
        folds: list[int] = []
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
                if now.records is not None:
                    folds += range(now.cycle + g.sf - place - 1, now.cycle + undisturbed, g.sf)
                read += undisturbed
                now.cycle += undisturbed
                now.collected = min(now.collected + undisturbed, complete_at)
                continue
            complete = now.arrived < total and (padding or now.collected == complete_at)
            now.collected = min(now.collected + 1, complete_at)
            write_only = now.free > 0 and complete
            reads_now = not write_only and not (now.free > 0 and read == 0)
            if write_only or (reads_now and retires and complete):
                now.collected = now.collected if padding else 0
                now.arrived += 1
                left -= 1
                if not padding:
                    written.append(now.cycle)
                if left == 0:
                    left, padding = self._arrivals.run(now.arrived)
            now.free += (reads_now and retires and not complete) - write_only
            read += reads_now
            if reads_now and place == g.sf - 1:
                folds.append(now.cycle)
            now.cycle += 1
        now.free += g.advance_words[step] - in_place
        if now.records is not None:
            for record, cycles in zip(now.records, (written, folds)):
                record.add(cycles)

    def _window_geared(self, now: _Progress, step: int, total: int) -> None:
        """Read a window through a gearbox, which does without a word in some cycles.

        `total` words arrive in all.
        """
        g, reads_in = self.layer, read_cycles(self.layer)
        complete_at, sf, round_cycles = g.cycles_per_word - 1, g.sf, len(reads_in)
        cycles = g.nf * sf
        last_fold = cycles - sf
        last_read = max(i for i in range(round_cycles) if reads_in[i]) + cycles - round_cycles
        in_place = self.in_place[step]
        freed = g.advance_words[step] - (0 if self.dual_port else in_place)
        freeing = last_fold if self.dual_port else last_read  # the read at whose end slots become free
        left, padding = self._arrivals.run(now.arrived)
        written: list[int] = []
        folds: list[int] = []
        done = place = 0
        while done < cycles:
            incomplete = done == 0 and now.free > self.slack
            if done < last_fold and not incomplete:
                quiet = 0  # cycles of the folds before the last in which nothing is written
                if now.free == 0 or now.arrived == total:
                    quiet = last_fold - done
                elif not padding:
                    quiet = min(last_fold - done, complete_at - now.collected)
                if quiet:
                    if now.records is not None:
                        folds += range(now.cycle + sf - 1 - done % sf, now.cycle + quiet, sf)
                    now.collected = min(now.collected + quiet, complete_at)
                    now.cycle += quiet
                    done += quiet
                    continue
            wanted = reads_in[done % round_cycles]
            complete = now.arrived < total and (padding or now.collected == complete_at)
            if self.dual_port:
                reads, retires = wanted and not incomplete, False
                write = complete and now.free > 0 and (wanted or (now.free > self.slack and done > last_read))
            else:
                write_only = complete and now.free > 0
                reads = wanted and not write_only and not incomplete
                retires = reads and done >= last_fold and place < in_place
                write = write_only or (complete and retires)
            now.free += retires - write + freed * (reads and done == freeing)
            now.collected = min(now.collected + 1, complete_at)
            if write:
                now.collected = now.collected if padding else 0
                now.arrived += 1
                left -= 1
                if not padding:
                    written.append(now.cycle)
                if left == 0:
                    left, padding = self._arrivals.run(now.arrived)
            if reads or not wanted:
                place += reads and done >= last_fold
                if done % sf == sf - 1:
                    folds.append(now.cycle)
                done += 1
            now.cycle += 1
        if now.records is not None:
            for record, events in zip(now.records, (written, folds)):
                record.add(events)
