"""Memory types, ROM layouts, and the resources of a memory on 7-series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

#: Memory types, FINN's ram_style.
RAM_STYLES = ("auto", "block", "distributed", "ultra")
#: FINN's mem_mode, where the weights are: a ROM; FINN's memstream, which may be writable at run time; an
#: external stream.
MEM_MODES = ("internal_embedded", "internal_decoupled", "external")
#: "auto" puts a line buffer in LUT memory up to this depth: RAM256X1S is the deepest single-port memory in
#: one slice. Deeper ones are in block RAM, which has two ports anyway.
LUT_BUFFER_WORDS = 256
#: "auto" puts a ROM in LUTs up to this depth, else in block RAM: two LUT6 and a MUXF7 hold 128 words, and
#: FINN's memstream moves to block RAM at about this depth.
AUTO_ROM_WORDS = 128
#: ROMs in LUTs that are tables, see imec_table. Words: these depths take one or two LUT6 per bit of a weight;
#: with fewer words, synthesis finds bits in common. A table has at most MOST_TABLE_WORDS, and MOST_TABLE_BITS
#: because the wrapper passes it as one parameter, within Vivado's limit for a variable (Synth 8-4556).
TABLE_WORDS = range(17, 129)
MOST_TABLE_WORDS = 256
#: Of a table of searched thresholds, imec_table's limit.
MOST_SEARCHED_WORDS = 1024
MOST_TABLE_BITS = 10**6
#: imec_rom's layouts of words in halves.
HALVED = ("paired", "through")
#: Least depth of banked ROMs in block RAM, see imec_rom.
BANKED_WORDS = 4096
#: Words of a RAMB36 with one bit each.
DEEPEST_BLOCK = 32768
#: Bits of each deep memory of imec_rom in layout "split": words of nine bits would not take fewer blocks.
SPLIT_MEMORY = 2**17
#: Least words of a stage of FINN's Thresholding_rtl that synthesis puts into block RAM.
FINN_THRESHOLD_WORDS = 512
#: Price of a RAMB18 in LUTs: those of an XC7Z020 over its blocks.
LUTS_PER_RAMB18 = 53200 // 280
#: RAMB18 shapes, depth x width. A RAMB36 is two of the same width, or 4096 words of 9 bits.
RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def address_bits(words: int) -> int:
    """Address bits for `words` words; at least 1, because an HDL vector needs one."""
    return max(1, (words - 1).bit_length())


def power_of_two(words: int) -> int:
    """`words`, rounded up to a power of two."""
    return 1 << (words - 1).bit_length()


def resolved_style(style: str, words: int, most_distributed: int) -> str:
    """A ram_style, with "auto" resolved by the memory's depth."""
    if style != "auto":
        return style
    return "distributed" if words <= most_distributed else "block"


def part_words(words: int) -> list[int]:
    """Words of each part of imec_parts: as many as a slice holds, and the rest so that no LUT is empty."""
    whole, rest = divmod(words, LUT_BUFFER_WORDS)
    return [LUT_BUFFER_WORDS] * whole + ([128, rest - 128] if 128 < rest <= 192 else [rest] if rest else [])


def trit_bits(weights: int) -> int:
    """Bits of ternary weights, as imec_trits has them: three in five bits, those left in two each."""
    threes, left = divmod(weights, 3)
    return 5 * threes + 2 * left


def trit_luts(weights: int) -> int:
    """LUTs of imec_trits."""
    return weights // 3 * 3


def ternary_split(depth: int, weights: int, style: str) -> bool:
    """True if imec_rom's words of ternary weights are to be packed by imec_trits, in layout "split".

    In place of layout "banked", where this takes fewer LUTs and no more block RAM.
    """
    width, packed = 2 * weights, trit_bits(weights)
    if rom_layout(depth, width, style) != "banked":
        return False
    bank = rom_bank_words(depth, [width])
    luts = width * mux_luts(ceil(depth / bank)), packed * split_mux_luts(depth) + trit_luts(weights)
    blocks = [sum(m.bram18 for m in found) for found in (banked(depth, width, bank), split(depth, packed))]
    return luts[1] < luts[0] and blocks[1] <= blocks[0]


def split(depth: int, width: int, style: str = "block") -> list[Memory]:
    """Memories of imec_rom in layout "split"."""
    first = power_of_two(depth) // 2
    whole, left = divmod(width, each := split_bits(depth))
    deep = [Memory(first, bits, style) for bits in (*[each] * whole, left) if bits]
    return [*deep, Memory(power_of_two(depth - first), width, style)]


def split_bits(depth: int) -> int:
    """Bits of a word in each of the deep memories in layout "split"."""
    return max(1, SPLIT_MEMORY // (power_of_two(depth) // 2))


def split_mux_words(depth: int) -> int:
    """Words that a multiplexer chooses from in layout "split": of each DEEPEST_BLOCK, and of the rest."""
    return ceil(power_of_two(depth) // 2 / DEEPEST_BLOCK) + 1


def split_mux_luts(depth: int) -> int:
    """LUTs of that multiplexer for each bit."""
    return mux_luts(split_mux_words(depth))


def rom_layout(depth: int, width: int, style: str) -> str:
    """imec_rom's LAYOUT of `depth` words of `width` bits in a resolved ram_style.

    Block RAM holds 2**n words. If the depth is up to a quarter above that, such as the 9 * 2**n of 3x3
    kernels, a separate memory for the rest is cheaper. It joins the other without a multiplexer ("through")
    if a word more costs it no block. Few bits take fewer blocks in one memory.
    """
    if style == "distributed":
        return "table" if depth in TABLE_WORDS and depth * width <= MOST_TABLE_BITS else "plain"
    far = power_of_two(depth)
    if style != "block" or depth > far * 5 // 8 or far <= 1024:
        return "plain"
    if depth > BANKED_WORDS:
        return "banked"
    if width == 1:
        return "plain"
    rest, half = 2 * depth - far, ceil(width / 2)
    paired, through = (Memory(power_of_two(words), half, style).bram18 for words in (rest, rest + 1))
    if Memory(depth, width, style).bram18 < Memory(far, half, style).bram18 + paired:
        return "plain"
    return "through" if through == paired else "paired"


def kept_words(depth: int, layout: str) -> int:
    """Words whose high half is in the first memory of imec_rom in one of the layouts HALVED.

    As many as fit; in layout "through", of those that leave the other memory as it is the multiple of the
    highest power of two, with which addresses are compared in few LUTs.
    """
    far = power_of_two(depth)
    if layout != "through":
        return far - depth
    most = far - depth - 1
    least = max(1, depth - power_of_two(depth - most))
    zeros = (most ^ (least - 1)).bit_length() - 1
    return most >> zeros << zeros


def rom_bank_words(depth: int, widths: Sequence[int]) -> int:
    """Words per bank of imec_rom in layout "banked", for memories of these widths.

    Half a RAMB36 has 2048 words of 9 bits, a whole one 4096: those that take fewer blocks, then fewer banks.
    """

    def blocks(bank: int) -> int:
        return sum(memory.bram18 for width in widths for memory in banked(depth, width, bank))

    return min((4096, 2048), key=blocks)


def banked(depth: int, width: int, bank: int, style: str = "block") -> list[Memory]:
    """Memories of imec_rom in layout "banked": banks in nines of bits, the bits left, and the rest."""
    banks, rest = divmod(depth, bank)
    left = banks * width % 9
    sizes = (bank, banks * width - left), (bank, left), (power_of_two(rest) if rest else 0, width)
    return [Memory(words, bits, style) for words, bits in sizes if words and bits]


def mux_luts(words: int) -> int:
    """LUTs of imec_mux for each bit."""
    if words <= 2:
        return words - 1
    if words <= 16:
        return ceil(words / 4)
    slices, rest = divmod(words, 16)
    return 4 * slices + (mux_luts(rest) if rest else 0) + mux_luts(slices + (rest > 0))


def rom_spill(depth: int, widths: Sequence[int], style: str, layout: str) -> int:
    """imec_conv's WEIGHT_SPILL for memories of `depth` words, widths[i] bits each.

    style: a resolved ram_style. Each memory takes whole block RAMs, so several may take more than one memory
    of all their bits. In that case the bits in the last block of each later memory move to the first.
    """
    if style != "block" or layout != "plain" or depth > 1024:
        return 0
    row = 36 if depth <= 512 else 18  # bits of a row of half a RAMB36E1 (UG473)

    def blocks(spill: int) -> int:
        return sum(ceil(width / row) for width in spilled_widths(widths, spill))

    candidates = {width % row for width in widths[1:] if width > row}
    return min(sorted({0, *candidates}), key=blocks)


def spilled_widths(widths: Sequence[int], spill: int) -> list[int]:
    """Bits per word of each memory after `spilled`."""
    first, *later = widths
    return [first + len(later) * spill, *(width - spill for width in later)]


def spilled(
    memories: Sequence[list[int]], widths: Sequence[int], spill: int
) -> tuple[list[list[int]], list[int]]:
    """Words and widths after the `spill` highest bits of each later memory moved to the first."""
    first, *later = memories
    first = list(first)
    low = [width - spill for width in widths]
    for i, words in enumerate(later):
        lsb = widths[0] + i * spill
        first = [v | (word >> low[i + 1]) << lsb for v, word in zip(first, words, strict=True)]
    rest = [[word & (1 << bits) - 1 for word in words] for words, bits in zip(later, low[1:], strict=True)]
    return [first, *rest], spilled_widths(widths, spill)


def rom_images(
    words: Sequence[int], width: int, layout: str, bank: int = 2048
) -> dict[str, tuple[list[int], int]]:
    """Contents of imec_rom's files: {"", "_left" or "_rest": (words, bits per word)}.

    bank: words of a bank, in layout "banked".
    """
    depth = len(words)
    if layout == "banked":
        banks = depth // bank
        rows = [sum(words[i * bank + row] << i * width for i in range(banks)) for row in range(bank)]
        left = banks * width % 9
        nines, rest = banks * width - left, _wrapped(words, banks * bank)
        images = {
            "": ([row & (1 << nines) - 1 for row in rows], nines),
            "_left": ([row >> nines for row in rows], left),
            "_rest": (rest, width),
        }
        return {name: image for name, image in images.items() if image[0] and image[1]}
    if layout in HALVED:
        half, kept = (width + 1) // 2, kept_words(depth, layout)
        spare = power_of_two(depth) - depth - kept
        high = [word >> half for word in words]
        rows = [word & (1 << half) - 1 for word in words] + [0] * spare + high[:kept][::-1]
        return {"": (rows, half), "_rest": (_wrapped(high, kept), half)}
    return {"": (list(words), width)}


def split_images(words: Sequence[int], width: int) -> dict[str, list[tuple[list[int], int]]]:
    """Contents of imec_rom's files in layout "split": "_split" has several."""
    first, each = power_of_two(len(words)) // 2, split_bits(len(words))
    deep = []
    for lsb in range(0, width, each):
        bits = min(each, width - lsb)
        deep.append(([word >> lsb & (1 << bits) - 1 for word in words[:first]], bits))
    return {"_split": deep, "_rest": [(_wrapped(words, first), width)]}


def _wrapped(words: Sequence[int], first: int) -> list[int]:
    """words[first:] in 2**m rows, each at its index modulo 2**m."""
    rest = words[first:]
    rows = [0] * (power_of_two(len(rest)) if rest else 0)
    for i, word in enumerate(rest, first):
        rows[i % len(rows)] = word
    return rows


class Blocks(NamedTuple):
    """RAMB18 blocks of a memory: rows, and blocks per row."""

    number: int
    rows: int


def finn_threshold_blocks(pe: int, folds: int, steps: int, bits: int) -> int:
    """RAMB18 of FINN's Thresholding_rtl, which has a memory for each PE and bit of the count, `bits` wide."""
    stages = [folds << stage for stage in range(steps.bit_length())]
    in_blocks = [Memory(words, bits, "block") for words in stages if words >= FINN_THRESHOLD_WORDS]
    return pe * sum(memory.bram18 for memory in in_blocks)


@dataclass(frozen=True)
class Memory:
    """A memory of `words` words of `bits` bits.

    style: one of RAM_STYLES except auto. ports: 1 or 2 of a writable memory, 0 for a ROM. table: a ROM in
    LUTs as a table, see imec_rom. reads: words read at once, 1 or 2.
    """

    words: int
    bits: int
    style: str
    ports: int = 0
    table: bool = False
    reads: int = 1

    @property
    def ram_luts(self) -> int:
        """LUT sites of a writable memory.

        Four sites, RAM32M or RAM64M, hold 32 words of 6 bits or 64 words of 3 bits with two ports; 8 or 4
        bits with one. Deeper single-port memories take one site per bit of 64 words.
        """
        if self.style != "distributed" or self.ports == 0 or self.words == 1:
            return 0
        if self.ports == 1 and self.words > 64:
            return ceil(self.words / 64) * self.bits
        bits_per_four = (4 if self.ports == 1 else 3) * (2 if self.words <= 32 else 1)
        return 4 * ceil(self.words / 64) * ceil(self.bits / bits_per_four)

    @property
    def choice_luts(self) -> int:
        """LUTs that multiplex rows of block RAM, RAM64M (two ports) or RAM256X1S (one port)."""
        rows = self._blocks.rows
        if self.ram_luts:
            rows = ceil(self.words / (256 if self.ports == 1 else 64))
        return self.bits * ceil((rows - 1) / 3)

    @property
    def rom_luts(self) -> float:
        """LUT6 of a ROM of random words. With few words, some bits always equal others."""
        if self.style != "distributed" or self.ports or self.words == 1:
            return 0
        different = self.bits
        if self.words <= 16:
            functions = 2**self.words
            different = (functions - 2) * (1 - (1 - 1 / functions) ** self.bits)
        joined = self.table and self.words > 512  # a wider multiplexer than fits before what reads it
        return (ceil(self.words / 64) + joined) * different

    @property
    def bram18(self) -> int:
        """RAMB18 blocks in the shape that takes the fewest."""
        return self._blocks.number

    @property
    def block_rows(self) -> int:
        """Block RAMs, one above the other, that a multiplexer chooses from."""
        return self._blocks.rows

    @property
    def _blocks(self) -> Blocks:
        """RAMB18 blocks in the shape that takes the fewest, the deepest of those."""
        if self.style != "block":
            return Blocks(0, 1)
        nines, rest = divmod(self.bits, 9)
        rows = ceil(self.words / 4096)
        in_nines = Blocks(rows * (2 * nines + ceil(rest / 4)), rows)
        # The words of 36 bits take both ports.
        rows_of = ((ceil(self.words / depth), width) for depth, width in RAMB18[self.reads - 1 :])
        return min(in_nines, *(Blocks(rows * ceil(self.bits / w), rows) for rows, w in rows_of))

    @property
    def uram(self) -> int:
        """UltraRAM blocks."""
        return ceil(self.words / 4096) * ceil(self.bits / 72) if self.style == "ultra" else 0
