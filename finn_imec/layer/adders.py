"""Additions of dot products: levels of adders, their LUTs, and registers between them.

Those of imec_dot_gates.sv, gated and summed up for each channel, and of imec_dot_shared.sv, whose channels
choose from the same sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import ceil
from typing import NamedTuple

from finn_imec.layer.compressor import compressor_luts


class Level(NamedTuple):
    """A level of imec_tree, over all digits.

    words, bits: what it adds. in_series: most LUTs between its inputs and a carry chain.
    """

    words: int
    bits: int
    in_series: int
    luts: int


@cache
def gate_luts(simd: int, a_bits: int) -> int:
    """LUTs of imec_gates for a digit of `simd` weights: one per bit of a pair, and of a third lane."""
    return ceil(simd / 2) * a_bits


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


def heap_heights(simd: int, a_bits: int, digits: int) -> tuple[int, ...]:
    """Column heights of imec_dot_gates' HEAP."""
    groups, bits = max(1, simd // 2), ((1 if simd == 1 else 2 + simd % 2) * (2**a_bits - 1)).bit_length()
    heights = [0] * (bits + digits - 1)
    for digit in range(digits):
        for bit in range(bits):
            heights[digit + bit] += groups if bit <= a_bits else 1
    return tuple(heights)


def heap_luts(simd: int, a_bits: int, digits: int) -> int:
    """LUTs of imec_dot_gates with HEAP for one channel."""
    return digits * gate_luts(simd, a_bits) + sum(compressor_luts(heap_heights(simd, a_bits, digits)))


def cut_bits(simd: int, a_bits: int, digits: int, cuts: Iterable[int]) -> int:
    """Bits of the registers of imec_dot_gates' CUTS for one channel; a cut is how many levels follow."""
    tree = levels(simd, a_bits, digits)
    y_bits = (simd * (2**a_bits - 1) * (2**digits - 1)).bit_length()
    return sum(tree[-k].words * tree[-k].bits if k else y_bits for k in cuts)


def shared_bits(simd: int, x_bits: int) -> int:
    """Bits of a sum of imec_dot_shared; x_bits: those of a signed activation."""
    return x_bits + (simd - 1).bit_length()


def shared_luts(simd: int, x_bits: int, pe: int) -> int:
    """LUTs of imec_dot_shared: the sums, and a multiplexer of 2^(simd-1) of them for each channel."""
    sums = sum((1 << lane) * shared_bits(lane + 1, x_bits) for lane in range(1, simd))
    return sums + pe * shared_bits(simd, x_bits) * ceil((1 << simd - 1) / 4)


def shared_registers(simd: int, a_bits: int, x_bits: int, pe: int, steps: int) -> int:
    """Bits of the registers of imec_dot_shared."""
    bits = shared_bits(simd, x_bits)
    places = ((1 << simd - 1) * bits + pe * simd, pe * (bits + 1), simd * a_bits + pe * simd)
    return sum(places[:steps])


def _tree(n: int, most: int, shift: int) -> list[Level]:
    """Levels of imec_tree for n words up to `most`, each `shift` bits above the one before.

    Two words take a LUT for each bit that both have. Without shift, the last word may be shorter.
    """
    found, last = [], most
    while n > 1:
        bits, operands = most.bit_length(), 2 if shift else 3
        threes, rest = divmod(n, 3) if operands == 3 else (0, 0)
        pairs = rest == 2 if operands == 3 else n // 2
        add3 = _add3(bits)
        both = min(bits, last.bit_length()) if operands == 3 else bits - shift
        found.append(Level(n, bits, add3.in_series if threes else 1, threes * add3.luts + pairs * both))
        last += (n - 1) % operands * most
        most = sum(most << i * shift for i in range(min(n, operands)))
        n, shift = ceil(n / operands), operands * shift
    return found


class _Add3(NamedTuple):
    """imec_add3: LUTs, and most of them in series."""

    luts: int
    in_series: int


def _add3(bits: int) -> _Add3:
    groups = 1 if bits < 5 else (bits + 1) // 3
    columns = ceil(bits / groups)
    later = min(columns, bits - columns)  # of the largest of the other groups
    return _Add3(bits + groups - 1, max(columns, 1 + later if groups > 1 else 0))
