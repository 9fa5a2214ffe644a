"""The gearbox, imec_gearbox.sv: SIMD channels a cycle from words of the least divisor of C above SIMD.

Channels move in groups of gcd(SIMD, WORD). A period has WORD/group cycles and reads SIMD/group words. A word
is read in each cycle that finds fewer than SIMD channels left of the words before it. Which lane multiplies
which channel does not matter, as the lanes are added up: the weights follow.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd
from typing import NamedTuple

import numpy as np

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import address_bits, mux_luts


class Cycle(NamedTuple):
    """One cycle of a period, in groups of channels.

    reads: whether a word is read. fresh: lanes of groups that come from it, the lowest ones. piece: the
    others come from the word before, which is cut from its top into pieces as wide as all lanes: from this
    one."""

    reads: bool
    fresh: int
    piece: int


@lru_cache(maxsize=4096)
def period(word: int, simd: int) -> tuple[Cycle, ...]:
    """The cycles of a period, for words of `word` channels; a single one, which reads, if both are equal."""
    group = gcd(word, simd)
    n, m = word // group, simd // group
    left = piece = 0
    cycles = []
    for _ in range(n):
        reads = left < m
        cycles.append(Cycle(reads, m - left if reads else 0, piece))
        left += n - m if reads else -m
        piece = 0 if reads else piece + 1
    return tuple(cycles)


def pieces(word: int, simd: int) -> int:
    """Number of different pieces of a word, imec_gearbox's PIECES; 0 without a gearbox."""
    group = gcd(word, simd)
    return (word // group - 2) // (simd // group) + 1 if word > simd else 0


def gearbox_luts(layer: ConvGeometry, bits: int) -> int:
    """LUTs of imec_gearbox for channels of `bits` bits: multiplexers, plan, counter; 0 without a gearbox."""
    if not layer.geared:
        return 0
    word, simd = layer.word_channels, layer.simd
    group = gcd(word, simd)
    n, m = word // group, simd // group
    kept = [sum(n + lane > (piece + 1) * m for piece in range(pieces(word, simd))) for lane in range(m)]
    # Two pieces and the new word share a LUT.
    chosen = sum(1 if choices <= 2 else 1 + mux_luts(choices) for choices in kept)
    return group * bits * chosen + (m + 3) * ceil(n / 64) + address_bits(n)


def gearbox_ffs(layer: ConvGeometry, bits: int, memory_steps: int) -> int:
    """Flip-flops of imec_gearbox: SIMD channels, all groups of a word but one, and control."""
    if not layer.geared:
        return 0
    word, simd = layer.word_channels, layer.simd
    group = gcd(word, simd)
    delayed = 1 + simd // group + (pieces(word, simd) - 1).bit_length()
    return (simd + word - group) * bits + memory_steps * delayed + address_bits(word // group) + 5


def read_cycles(layer: ConvGeometry) -> tuple[bool, ...]:
    """For each cycle of a period, whether a word is read."""
    return (
        tuple(cycle.reads for cycle in period(layer.word_channels, layer.simd)) if layer.geared else (True,)
    )


def weight_rows(layer: ConvGeometry) -> np.ndarray:
    """The row of the weight matrix that each lane multiplies in each cycle of a fold. Shape (MW,), int64.

    Lane l of cycle s is at s*SIMD + l. It is s*SIMD + l itself, FINN's order, unless the layer is geared.
    """
    g = layer
    if not g.geared:
        return np.arange(g.mw)
    word = -1
    lane = np.arange(g.simd)
    rows = []
    for cycle in period(g.word_channels, g.simd):
        word += cycle.reads
        fresh = lane < cycle.fresh * gcd(g.word_channels, g.simd)
        kept = (word - cycle.reads + 1) * g.word_channels - (cycle.piece + 1) * g.simd
        rows.append(np.where(fresh, word * g.word_channels, kept) + lane)
    once = np.concatenate(rows)
    return (np.arange(0, g.mw, once.size)[:, np.newaxis] + once).ravel()
