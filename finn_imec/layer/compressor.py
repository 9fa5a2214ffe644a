"""The compressor trees of imec_dot_heap.sv, imec_dot_series.sv and imec_compress.sv.

Column heights level by level, and LUTs.
"""

from __future__ import annotations

from functools import cache
from math import ceil
from typing import NamedTuple

#: Bits of the largest counters, imec_compress' COUNTER: in dot products, and of comparisons with thresholds.
DOT_COUNTER, THRESHOLD_COUNTER = 7, 6
#: Most chains of DSP slices that imec_sum adds (imec_dot_dsp); imec_heap_sum adds more. Most bits of a column
#: at its register between counters, without a register before the addition and with one.
MOST_ADDED, HEAP_SUM_MIDDLE = 4, (4, 7)


class Level(NamedTuple):
    """A level of counters: numbers of the largest and of those of two or three bits, and heights after it."""

    largest: int
    smaller: int
    heights: tuple[int, ...]


def _products(simd: int, a_bits: int, w_bits: int) -> list[int]:
    """Numbers of partial products of each weight, from 1 on."""
    weights = a_bits + w_bits - 1
    return [simd * min(e + 1, a_bits, w_bits, weights - e) for e in range(weights)]


@cache
def product_heights(simd: int, a_bits: int, w_bits: int, series: int = 0) -> tuple[int, ...]:
    """Column heights after the first LUTs, all for partial products of equal weight.

    Those of imec_dot_heap: two for three products. Of imec_dot_series, if `series`: one for two.
    """
    products = _products(simd, a_bits, w_bits)
    if series:
        ones = [*(ceil(ceil(n / 2) / series) for n in products), 0]
        twos = [0, *(ceil(n / 2) if n > 1 else 0 for n in products)]
    else:
        ones = [*(ceil(n / 3) for n in products), 0]
        twos = [0, *(ceil((n - 1) / 3) for n in products)]
    return tuple(map(sum, zip(ones, twos, strict=True)))


@cache
def levels(heights: tuple[int, ...], counter: int = DOT_COUNTER) -> tuple[Level, ...]:
    """imec_compress' levels of counters, down to two rows."""
    found = []
    while max(heights) > 2:
        found.append(_level(heights, counter))
        heights = found[-1].heights
    return tuple(found)


def _level(heights: tuple[int, ...], counter: int) -> Level:
    highest = max(heights)
    heights += (0, 0)  # where carries go
    largest = [(h + counter - 5) // counter if highest > 3 else 0 for h in heights]
    smaller = [3 if h % counter in (3, 4) else 0 for h in heights]  # bits that one more counter takes
    if highest == 3:
        carry = 0
        for c, h in enumerate(heights):
            full = h == 3 and carry
            carry = int(h + carry > 2)
            smaller[c] = 3 if full else 2 * carry
    counters = [n + (bits > 0) for n, bits in zip(largest, smaller, strict=True)]
    passed = [max(0, h - counter * n - bits) for h, n, bits in zip(heights, largest, smaller, strict=True)]
    columns = zip(passed, counters, [0, *counters], [0, 0, *largest], strict=False)
    after = list(map(sum, columns))
    while after[-1] == 0:
        after.pop()
    return Level(sum(largest), sum(n > 0 for n in smaller), tuple(after))


class TreeLuts(NamedTuple):
    """LUTs of a compressor tree: counters, instantiated as LUTs, and sums, which may merge."""

    counters: int
    sums: int


@cache
def compressor_luts(heights: tuple[int, ...], counter: int = DOT_COUNTER) -> TreeLuts:
    """LUTs of imec_compress for columns of these heights: counters, and the adder."""
    tree = levels(heights, counter)
    rows = tree[-1].heights if tree else heights
    largest = 2 if counter == 7 else 3
    return TreeLuts(sum(largest * level.largest + level.smaller for level in tree), rows.count(2))


@cache
def partial_product_luts(simd: int, a_bits: int, w_bits: int, series: int = 0) -> TreeLuts:
    """LUTs of imec_dot_heap, or of imec_dot_series: those of product_heights, and imec_compress."""
    heights = product_heights(simd, a_bits, w_bits, series)
    adders = sum(ceil(n / 2) for n in _products(simd, a_bits, w_bits))
    rest = compressor_luts(heights)
    return TreeLuts((adders if series else sum(heights)) + rest.counters, rest.sums)
