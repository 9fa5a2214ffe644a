"""The gated additions of imec_dot_gates.sv: levels of adders, their LUTs, and registers between them."""

from __future__ import annotations

from functools import cache
from math import ceil
from typing import NamedTuple


class Level(NamedTuple):
    """A level of imec_tree, over all digits: words before it, bits of each, most in an adder, and LUTs."""

    words: int
    bits: int
    operands: int
    luts: int


@cache
def gate_luts(simd: int, a_bits: int) -> int:
    """LUTs of imec_gates for a digit of `simd` weights: one per bit of a pair, another of a third lane."""
    if simd == 1:
        return a_bits
    return simd // 2 * a_bits + simd % 2 * (a_bits + 1)


@cache
def levels(simd: int, a_bits: int, digits: int) -> tuple[Level, ...]:
    """The levels of a dot product: those of the lanes, side by side for all digits, and of the digits."""
    most = 2**a_bits - 1
    of_lanes = _tree(max(1, simd // 2), (1 if simd == 1 else 2 + simd % 2) * most, 0)
    side_by_side = (each._replace(words=digits * each.words, luts=digits * each.luts) for each in of_lanes)
    return (*side_by_side, *_tree(digits, simd * most, 1))


def dot_luts(simd: int, a_bits: int, digits: int) -> int:
    """LUTs of imec_dot_gates for one channel."""
    gates = digits * gate_luts(simd, a_bits)
    return gates + sum(level.luts for level in levels(simd, a_bits, digits))


def cuts(number: int, middle: bool, rows: bool) -> set[int]:
    """Which of so many levels have a register before them, counted from the last one: imec_dot_gates' CUTS."""
    half = number // 2 if rows else max(0, number - 1) // 2
    wanted = {0} if rows else set()
    return {k for k in wanted | ({half} if middle else set()) if k < number}


def cut_bits(tree: tuple[Level, ...], before: set[int]) -> int:
    """Bits of the registers before these levels, as `cuts` counts them."""
    return sum(tree[-1 - k].words * tree[-1 - k].bits for k in before)


def _tree(n: int, most: int, shift: int) -> list[Level]:
    """Levels of imec_tree for n words up to `most`, each `shift` bits above the one before."""
    found = []
    while n > 1:
        bits, groups, rest = most.bit_length(), n // 3, n % 3
        luts = groups * (bits + min(shift, 1)) + (rest == 2) * bits
        found.append(Level(n, bits, min(n, 3), luts))
        most = sum(most << i * shift for i in range(min(n, 3)))
        n, shift = ceil(n / 3), 3 * shift
    return found
