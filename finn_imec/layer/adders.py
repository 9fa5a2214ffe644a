"""The gated additions of imec_dot_gates.sv: levels of adders, their LUTs, and registers between them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import ceil
from typing import NamedTuple


#: Most columns of imec_add3 whose carries go from LUT to LUT.
GROUP = 4


class Level(NamedTuple):
    """A level of imec_tree, over all digits.

    words, bits: what it adds. operands: of its largest adder, two or three. columns: whose carries go from
    LUT to LUT before the carry chain.
    """

    words: int
    bits: int
    operands: int
    columns: int
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


def cut_bits(simd: int, a_bits: int, digits: int, cuts: Iterable[int]) -> int:
    """Bits of the registers of imec_dot_gates' CUTS for one channel; a cut is how many levels follow."""
    tree = levels(simd, a_bits, digits)
    y_bits = (simd * (2**a_bits - 1) * (2**digits - 1)).bit_length()
    return sum(tree[-k].words * tree[-k].bits if k else y_bits for k in cuts)


def _tree(n: int, most: int, shift: int) -> list[Level]:
    """Levels of imec_tree for n words up to `most`, each `shift` bits above the one before."""
    found = []
    while n > 1:
        bits, threes, rest = most.bit_length(), n // 3, n % 3
        columns = bits + min(shift, 1)  # of imec_add3 with a LUT
        groups = ceil(columns / GROUP)
        luts = threes * (columns + groups - 1) + (rest == 2) * bits
        found.append(Level(n, bits, min(n, 3), ceil(columns / groups) if threes else 1, luts))
        most = sum(most << i * shift for i in range(min(n, 3)))
        n, shift = ceil(n / 3), 3 * shift
    return found
