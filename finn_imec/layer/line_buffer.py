"""The line buffer: the live pixels of the image, updated in place.

The memory has one port or two. With one port a word is overwritten in the cycle of its last read, and each
word that is retired without such a read costs a write-only cycle. With two ports the writer follows the
reader through the last neuron fold, and slack_words let it run ahead of a stride.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, lcm

import numpy as np

from finn_imec.layer import baseline
from finn_imec.layer.memories import (
    LUT_BUFFER_WORDS,
    Memory,
    address_bits,
    part_words,
    power_of_two,
    resolved_style,
)
from finn_imec.layer.sequencer import Sequencer
from finn_imec.layer.storage import FULL_SPEED, Storage

#: Cost of a bit of FINN's queues in bits of dual-port LUT memory: one SRL, while RAM64M holds 48 bits per
#: LUT; and the least width of a weight as a fraction of an activation's.
FINN_QUEUE_BITS, WEIGHT_SHARE = 48, 1 / 4
#: One port is kept if two would not save more than this factor of the cycles.
ONE_PORT_BEYOND_TWO = 1.0005
#: Bits of an activation for which one bank or two are chosen, and about how many LUTs tell the two apart.
USUAL_BITS, BANK_LUTS = 4, 8


@dataclass(frozen=True)
class LineBuffer(Storage):
    """The line buffer of a layer with SIMD <= C, or depthwise.

    A circular memory with word_channels channels per word: imec_strip.sv, imec_ring.sv and imec_sequencer.sv.
    With two ports it may be in two banks.
    """

    # ---- memory -------------------------------------------------------------------------------

    @cached_property
    def dual_port(self) -> bool:
        """True if the buffer has a separate write port."""
        if self.layer.buffer_ports:
            return self.layer.buffer_ports == 2
        one, two = (
            LineBuffer(replace(self.layer, buffer_ports=ports, buffer_banks=1)).cycles_per_frame
            for ports in (1, 2)
        )
        if self.style != "distributed":
            return two < one
        return one > max(FULL_SPEED * baseline.pair_cycles(self.layer), ONE_PORT_BEYOND_TWO * two)

    @cached_property
    def banked(self) -> bool:
        """True if the two ports are those of two banks in LUTs with one port each, see imec_banks.sv."""
        g = self.layer
        told_apart = g.cf % 2 == 1 or g.cf == power_of_two(g.cf)  # words of a pixel, by the address
        if (
            self.style != "distributed"
            or g.geared
            or not told_apart
            or g.buffer_banks == 1
            or not self.dual_port
        ):
            return False
        if g.buffer_banks or g.buffer_ports:
            return g.buffer_banks == 2
        one, two = (LineBuffer(replace(g, buffer_ports=2, buffer_banks=banks)) for banks in (1, 2))
        if one.words <= LUT_BUFFER_WORDS or two._luts >= one._luts:
            return False
        limit = max(FULL_SPEED * baseline.pair_cycles(g), ONE_PORT_BEYOND_TWO * one.cycles_per_frame)
        return two.cycles_per_frame <= limit

    @property
    def parted(self) -> bool:
        """True if the memory has one port and more words than a slice's, see imec_parts.sv."""
        return self.style == "distributed" and not self.dual_port and self.words > LUT_BUFFER_WORDS

    @property
    def skew(self) -> int:
        """Address bit that tells even pixels from odd ones, see imec_banks.sv; 0 if their words are odd."""
        return self.layer.cf.bit_length() - 1 if self.layer.cf % 2 == 0 else 0

    @property
    def _luts(self) -> int:
        """About how many LUTs the memory takes, multiplexers included."""
        luts = sum(m.ram_luts + m.choice_luts for m in self.memories(USUAL_BITS))
        bits = self.channels * USUAL_BITS
        return luts + self.banked * (bits + 2 * address_bits(self.words) + BANK_LUTS)

    @cached_property
    def slack_words(self) -> int:
        """Words beyond the live ones: how far the input can run ahead, with two ports.

        Words retired by a window step stall the reads if the last neuron fold is too short to replace them,
        unless their replacements came ahead. The slack keeps the cycles within FULL_SPEED of FINN's pair, but
        takes no more LUTs than FINN's line buffer, FIFO, replay buffer and weight queue together. It is then
        rounded up to whole memory primitives.
        """
        if not self.dual_port:
            return 0
        g = self.layer
        waits = [advance - (g.fold_reads - 1) for advance in g.advance_words]

        def fast(slack: int) -> bool:
            held = sum(t * max(0, w - slack) for t, w in zip(g.window_steps, waits, strict=True))
            return g.compute_cycles + held <= FULL_SPEED * baseline.pair_cycles(g)

        wanted = bisect_left(range(max(0, *waits)), True, key=fast)
        finn_words = (baseline.generator_bits(g, 1) + baseline.replay_bits(g, 1)) // g.word_channels
        in_luts = self.style == "distributed"
        most = finn_words + int(in_luts * FINN_QUEUE_BITS * (1 + WEIGHT_SHARE * g.pe))
        words = max(g.live_words, min(g.live_words + wanted, most))
        # RAM32M, RAM64M, RAMB18; or a whole number of LUTs, and of pairs of pixels, in each bank
        granule = 32 if in_luts and words <= 32 else 64 if in_luts else 512
        if self.banked:
            granule = lcm(128 if words > 64 else 4, 2 * g.cf)
        return ceil(words / granule) * granule - g.live_words

    @property
    def style(self) -> str:
        """buffer_style, with "auto" resolved by the number of live words."""
        return resolved_style(self.layer.buffer_style, self.layer.live_words, LUT_BUFFER_WORDS)

    @property
    def words(self) -> int:
        """Depth of the memory: live words and slack."""
        return self.layer.live_words + self.slack_words

    @property
    def channels(self) -> int:
        """Channels per word."""
        return self.layer.word_channels

    def bits(self, act_bits: int) -> int:
        """Bits of the memory for activations of act_bits bits."""
        return self.words * self.channels * act_bits

    def memories(self, act_bits: int) -> list[Memory]:
        """Its memories, for activations of act_bits bits."""
        bits = self.channels * act_bits
        if self.banked:
            return [Memory(self.words // 2, bits, self.style, 1)] * 2
        if self.parted:
            return [Memory(words, bits, self.style, 1) for words in part_words(self.words)]
        return [Memory(self.words, bits, self.style, 1 + self.dual_port)]

    # ---- addresses ----------------------------------------------------------------------------

    @property
    def fold_step(self) -> int:
        """Address step from the last word of a neuron fold to the first word of the next, modulo `words`.

        It leads back to the window's first word or, if depthwise, to the next channels of its first pixel.
        """
        back = self.slack_words + 1
        return (back + self.layer.cf if self.layer.depthwise else back) % self.words

    @property
    def in_place_words(self) -> tuple[int, int, int]:
        """Words overwritten in the cycle of their last read, before a (column, row, frame) step; one port.

        The writer fills the buffer in raster order. So in the last neuron fold it follows the reader while
        the reader is in raster order too: in the window's first run. In a depthwise layer each fold retires
        words of its own.
        """
        run = self.layer.loop_nest.run
        column, row, frame = (
            self._retiring_folds * min(run, advance) for advance in self.layer.advance_words
        )
        return column, row, frame

    @property
    def _retiring_folds(self) -> int:
        """Number of a window's last neuron folds in which words are retired."""
        return self.layer.nf if self.layer.depthwise else 1

    # ---- cycles -------------------------------------------------------------------------------

    @property
    def write_only_cycles(self) -> int:
        """Write-only cycles per frame in steady state, with one port."""
        return sum(
            times * (advance - in_place)
            for times, advance, in_place in zip(
                self.layer.window_steps, self.layer.advance_words, self.in_place_words, strict=True
            )
        )

    @cached_property
    def cycles_per_frame(self) -> int:
        """Exact steady-state interval between frames, in cycles.

        A formula for one port and input words as wide as the buffer's, without a gearbox; otherwise the
        schedule is stepped through.
        """
        if self._is_formula:
            return self.layer.compute_cycles + self.write_only_cycles
        last = self.last_reads(4)
        return last[2] - last[1]

    def last_reads(self, frames: int) -> list[int]:
        """Cycle, from 1, of each frame's last read, by the rules of imec_sequencer.sv."""
        if not self._is_formula:
            return self._sequencer.last_reads(frames)
        # Words of the last window that are replaced after its last read
        trailing = self.layer.advance_words[2] - self.in_place_words[2]
        start = self.arrivals.start + self.layer.live_words - trailing
        return [start + frame * self.cycles_per_frame for frame in range(1, frames + 1)]

    def cycles(self, frames: int, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Cycle of every `each`-th word's write (padding excluded), and of each fold's last read. int64."""
        return self._sequencer.cycles(frames, each)

    @property
    def _is_formula(self) -> bool:
        gap = self.arrivals.runs.first == 1  # a cycle without a word after the first, of padding
        dense = self.layer.cycles_per_word == 1 and not self.layer.geared
        return not self.dual_port and dense and not gap

    @property
    def _sequencer(self) -> Sequencer:
        return Sequencer(
            self.layer,
            self.words,
            self.slack_words,
            self.dual_port,
            self.in_place_words,
            self._retiring_folds,
            self.banked,
        )
