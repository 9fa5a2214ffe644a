"""Where memories are, how a ROM is laid out, and what a memory takes on 7-series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

#: Where a memory may be, as FINN's ram_style.
RAM_STYLES = ("auto", "block", "distributed", "ultra")
#: FINN's names of where the weights are: a ROM; FINN's memstream, whose contents may be written at run
#: time; a stream from outside.
MEM_MODES = ("internal_embedded", "internal_decoupled", "external")
#: A line buffer's "auto" is LUT memory up to this depth: RAM256X1S is the deepest with one port in one slice.
#: Beyond, block RAM has two ports anyway.
LUT_BUFFER_WORDS = 256
#: A ROM's "auto" is LUTs up to this depth, block RAM beyond: 128 words are what two LUT6 and a MUXF7
#: hold, and about where FINN's memstream moves to block RAM.
AUTO_ROM_WORDS = 128
#: ROMs in LUTs that are tables, see imec_rom: as many words are one or two LUT6 a bit, where fewer words
#: have bits in common that synthesis finds; and bits in all, which the wrapper passes as one parameter:
#: Vivado's limit of a variable (its message Synth 8-4556).
TABLE_WORDS = range(17, 81)
MOST_TABLE_BITS = 10**6
#: Words from which on ROMs in block RAM are banked, see imec_rom.
BANKED_WORDS = 4096
#: RAMB18 shapes, depth x width. A RAMB36 is two of the same width, or 4096 words of 9 bits.
RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def address_bits(words: int) -> int:
    """Bits that address `words` words; at least 1, as HDL vectors need one."""
    return max(1, (words - 1).bit_length())


def power_of_two(words: int) -> int:
    """The least power of two that is as many."""
    return 1 << (words - 1).bit_length()


def resolved_style(style: str, words: int, most_distributed: int) -> str:
    """A ram_style, with "auto" decided by the memory's depth."""
    if style != "auto":
        return style
    return "distributed" if words <= most_distributed else "block"


def rom_layout(depth: int, width: int, style: str) -> str:
    """imec_rom's LAYOUT of `depth` words of `width` bits in a resolved ram_style.

    Block RAM takes 2**n words. Depths up to a quarter beyond, such as the 9 * 2**n of 3x3 kernels, are
    worth a memory of its own for the rest.
    """
    if style == "distributed":
        return "table" if depth in TABLE_WORDS and depth * width <= MOST_TABLE_BITS else "plain"
    far = power_of_two(depth)
    if style != "block" or depth > far * 5 // 8 or far <= 1024:
        return "plain"
    if depth > BANKED_WORDS:
        return "banked"
    return "paired" if width > 1 else "plain"


def rom_bank_words(depth: int) -> int:
    """Words of a bank of imec_rom in layout "banked"."""
    return 2048 if depth <= 2**15 else 4096


def rom_spill(depth: int, widths: Sequence[int], style: str, layout: str) -> int:
    """imec_conv's WEIGHT_SPILL for memories of `depth` words, widths[i] bits each.

    style: a resolved ram_style. A memory takes whole blocks of RAM, so that several may take more than
    their bits would in one. Where that is so, what the later ones have in their last block goes to the
    first.
    """
    if style != "block" or layout != "plain" or depth > 1024:
        return 0
    row = 36 if depth <= 512 else 18  # bits of a row of half a RAMB36E1 (UG473)

    def blocks(spill: int) -> int:
        return sum(ceil(width / row) for width in spilled_widths(widths, spill))

    candidates = {width % row for width in widths[1:] if width > row}
    return min(sorted({0, *candidates}), key=blocks)


def spilled_widths(widths: Sequence[int], spill: int) -> list[int]:
    """Bits of each memory's word after `spilled`."""
    first, *later = widths
    return [first + len(later) * spill, *(width - spill for width in later)]


def spilled(
    memories: Sequence[list[int]], widths: Sequence[int], spill: int
) -> tuple[list[list[int]], list[int]]:
    """Words and widths of memories with the `spill` highest bits of each later one in the first."""
    first, *later = memories
    first = list(first)
    low = [width - spill for width in widths]
    for i, words in enumerate(later):
        lsb = widths[0] + i * spill
        first = [v | (word >> low[i + 1]) << lsb for v, word in zip(first, words, strict=True)]
    rest = [[word & (1 << bits) - 1 for word in words] for words, bits in zip(later, low[1:], strict=True)]
    return [first, *rest], spilled_widths(widths, spill)


def rom_images(words: Sequence[int], width: int, layout: str) -> dict[str, tuple[list[int], int]]:
    """Contents of imec_rom's files, {"" or "_rest": (words, bits per word)}, see there."""
    depth = len(words)
    if layout == "banked":
        per_bank = rom_bank_words(depth)
        banks = depth // per_bank
        rows = [
            sum(words[bank * per_bank + row] << bank * width for bank in range(banks))
            for row in range(per_bank)
        ]
        rest = _wrapped(words, banks * per_bank)
        return {"": (rows, banks * width)} | ({"_rest": (rest, width)} if rest else {})
    if layout == "paired":
        far, half = power_of_two(depth), (width + 1) // 2
        high = [word >> half for word in words]
        rows = [word & (1 << half) - 1 for word in words] + high[: far - depth][::-1]
        return {"": (rows, half), "_rest": (_wrapped(high, far - depth), half)}
    return {"": (list(words), width)}


def _wrapped(words: Sequence[int], first: int) -> list[int]:
    """words[first:] in 2**m rows, each at its index modulo 2**m."""
    rest = words[first:]
    rows = [0] * (power_of_two(len(rest)) if rest else 0)
    for i, word in enumerate(rest, first):
        rows[i % len(rows)] = word
    return rows


class Blocks(NamedTuple):
    """RAMB18 of a memory, in so many rows of as many each."""

    number: int
    rows: int


@dataclass(frozen=True)
class Memory:
    """A memory of `words` words of `bits` bits.

    style: where it is, one of RAM_STYLES but auto. ports: of one that is written, 1 or 2; 0: a ROM.
    table: a ROM in LUTs that are tables, see imec_rom.
    """

    words: int
    bits: int
    style: str
    ports: int = 0
    table: bool = False

    @property
    def ram_luts(self) -> int:
        """LUT sites of one that is written.

        RAM32M and RAM64M hold 32 or 64 words in four sites, of 6 or 3 bits with two ports, of 8 or 4
        with one. Deeper ones with one port take a site for a bit of 64 words.
        """
        if self.style != "distributed" or self.ports == 0 or self.words == 1:
            return 0
        if self.ports == 1 and self.words > 64:
            return ceil(self.words / 64) * self.bits
        bits_per_four = (4 if self.ports == 1 else 3) * (2 if self.words <= 32 else 1)
        return 4 * ceil(self.words / 64) * ceil(self.bits / bits_per_four)

    @property
    def choice_luts(self) -> int:
        """LUTs between rows of block RAMs, of RAM64M with two ports, of RAM256X1S with one."""
        rows = self._blocks.rows
        if self.ram_luts:
            rows = ceil(self.words / (256 if self.ports == 1 else 64))
        return self.bits * ceil((rows - 1) / 3)

    @property
    def rom_luts(self) -> float:
        """LUT6 that hold a ROM of random words. Of few words, some bits are always the same as others."""
        if self.style != "distributed" or self.ports or self.words == 1:
            return 0
        different = self.bits
        if self.words <= 16:
            functions = 2**self.words
            different = (functions - 2) * (1 - (1 - 1 / functions) ** self.bits)
        return ceil(self.words / 64) * different

    @property
    def bram18(self) -> int:
        """RAMB18 blocks, in the shape that takes fewest."""
        return self._blocks.number

    @property
    def _blocks(self) -> Blocks:
        """RAMB18 blocks, in the shape that takes fewest, of those the deepest."""
        if self.style != "block":
            return Blocks(0, 1)
        nines, rest = divmod(self.bits, 9)
        rows = ceil(self.words / 4096)
        in_nines = Blocks(rows * (2 * nines + ceil(rest / 4)), rows)
        rows_of = ((ceil(self.words / depth), width) for depth, width in RAMB18)
        return min(in_nines, *(Blocks(rows * ceil(self.bits / w), rows) for rows, w in rows_of))

    @property
    def uram(self) -> int:
        """UltraRAM blocks."""
        return ceil(self.words / 4096) * ceil(self.bits / 72) if self.style == "ultra" else 0
