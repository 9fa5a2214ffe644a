"""Resource estimates of FINN's pair: memories from its structure, other LUTs and registers fitted.

Like `finn_imec.layer.estimate` for IMECConv, and fitted to counts by the same flow of Yosys, so that the two
can be compared. The pair is that of `finn_imec.baseline_rtl`: [FMPadding,] generator, FIFO, MVAU or VVAU with
its weights in FINN's memstream, and Thresholding; features follow their modules in FINN's rtllib. Multipliers
in LUTs are the core that package describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, prod
from typing import NamedTuple

from finn_imec.layer import baseline
from finn_imec.layer.core import AUTO_DSP_BITS, DEFAULT_DSP_BLOCK, Operand
from finn_imec.layer.estimate import RESOURCES, SMALL_TABLE, different_bits, fitted
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import LUT_BUFFER_WORDS, Memory, address_bits, power_of_two, resolved_style
from finn_imec.layer.packing import DOT_BITS, DSP_BLOCKS, DspBlock, finn_fields, finn_slices

#: Mean error of each estimate on layers that its fit did not see (`python benchmarks/estimates.py fit`).
PAIR_MEAN_ERROR: Mapping[str, float] = {"lut": 0.043, "ff": 0.029}
#: LUTs per unit of each of `PairEstimate.lut_features`, and flip-flops per unit of each of `ff_features`,
#: both fitted by benchmarks/estimates.py. Over 156 layers, a fifth of them held out of the fit at a time, the
#: error is 4.3% on average and at most 8.8% for nine layers in ten for LUTs, 2.9% and 6.7% for flip-flops.
PAIR_LUTS: Mapping[str, float] = {
    "narrow_products": 1.772,
    "products": 1.962,
    "signed_products": 4.910,
    "negations": 0.771,
    "counted_bits": 0.848,
    "slice_canaries": 6.380,
    "slice_sums": 0.972,
    "slice_carries": 0.267,
    "slice_totals": 0.987,
    "threshold_folds": 11.333,
    "comparisons": 0.889,
    "queued_results": 1.420,
    "small_thresholds": 0.321,
    "thresholds": 1.043,
    "deep_thresholds": 2.038,
    "pair": 49.374,
    "generator": 33.897,
    "point_generator": 15.647,
    "window_generator": 0.000,
    "ring_addresses": 8.673,
    "elements": 4.157,
    "weight_addresses": 2.290,
    "reads": 1.248,
    "replays": 3.000,
    "converters": 14.394,
    "padding_counters": 2.192,
    "padded_words": 1.441,
    "narrowed_words": 3.502,
    "ram_rows": 0.809,
    "multiplexers": 1.269,
    "deep_weights": 1.917,
}
PAIR_FFS: Mapping[str, float] = {
    "slice_canaries": 10.559,
    "slice_sums": 0.872,
    "slice_totals": 1.268,
    "slice_steps": 0.459,
    "stages": 9.305,
    "stage_folds": 0.813,
    "compared_words": 1.286,
    "thresholds": 1.002,
    "results": 10.221,
    "queued_results": 0.629,
    "pair": 14.653,
    "generator": 20.510,
    "point_generator": 0.000,
    "window_generator": 1.015,
    "ring_addresses": 1.401,
    "elements": 3.015,
    "weight_addresses": 2.718,
    "reads": 1.890,
    "replays": 3.503,
    "converters": 0.000,
    "padding_counters": 2.026,
    "padded_words": 3.295,
    "loops": 1.116,
    "generated_words": 1.213,
    "windows": 1.941,
    "input_words": 0.735,
    "replayed_words": 1.020,
    "passes": 1.825,
    "weight_words": 1.972,
    "lut_weights": 1.098,
    "output_words": 0.964,
    "converted_words": 1.748,
}
#: Features of Thresholding.
THRESHOLDING_LUTS = (
    "threshold_folds", "comparisons", "queued_results", "small_thresholds", "thresholds", "deep_thresholds",
)  # fmt: skip
THRESHOLDING_FFS = ("stages", "stage_folds", "compared_words", "thresholds", "results", "queued_results")
#: Synthesis puts weights into block RAM above these numbers of words and of bits, windows to replay from the
#: same words on, and a stage's thresholds above these bits.
AUTO_WORDS, AUTO_BITS = 128, 2500
MOST_THRESHOLD_BITS = 2**13
#: LUTs of a product of 2x2 bits; bits of an operand that save a LUT for each of the other's.
SMALL_PRODUCT, PRODUCT_EDGE = 3, 2 / 3


@dataclass(frozen=True)
class PairEstimate:
    """Resources of FINN's pair, independent of memory contents.

    layer: its folding does not matter, except that simd_in is the first node's. simd, pe: of the MVAU or
    VVAU. word: channels per word of the generator. steps: thresholds per channel, 0 for none. res_type: of
    the multipliers, one of RES_TYPES. narrow: no weight has the most negative value. whole_windows: FINN's
    parallel_window. generator: there is a window generator; an MVAU alone has a 1x1 kernel. streamed: weights
    come from outside. ring_style, weight_style: ram_style of the generator and of the weights. dsp_block: the
    part's DSP slice, one of DSP_BLOCKS. threshold_pe: PE of Thresholding, if it is not the MVAU's.
    """

    layer: ConvGeometry
    simd: int
    pe: int
    word: int
    activation: Operand
    weight: Operand
    acc_bits: int
    steps: int = 0
    res_type: str = "auto"
    narrow: bool = False
    whole_windows: bool = False
    generator: bool = True
    streamed: bool = False
    ring_style: str = "distributed"
    weight_style: str = "auto"
    dsp_block: str = DEFAULT_DSP_BLOCK
    threshold_pe: int | None = None

    # ---- what it is made of ---------------------------------------------------------------------

    @property
    def in_dsp(self) -> bool:
        """True if DSP slices multiply: FINN's VVAU has them on Versal only, its MVAU from two bits on."""
        bits = self.activation.bits, self.weight.bits
        narrow = min(bits)
        if self.res_type == "lut" or narrow < 2:
            return False
        if self.layer.depthwise and (
            self._block.lanes == 1 or bits[0] > DOT_BITS[0] or bits[1] > DOT_BITS[1]
        ):
            return False
        return self.res_type == "dsp" or narrow >= AUTO_DSP_BITS

    @property
    def _lanes(self) -> int:
        """Activations per word of the MVAU or VVAU."""
        return self.simd * (self.pe if self.layer.depthwise else 1)

    @property
    def _reads(self) -> int:
        """Words of a window."""
        return prod(self.layer.kernel) * self.layer.ifm_channels // self._lanes

    @property
    def _passes(self) -> int:
        """Times each window is read."""
        return 1 if self.layer.depthwise else self.layer.mh // self.pe

    @property
    def _threshold_pe(self) -> int:
        return self.threshold_pe or self.pe

    @property
    def _folds(self) -> int:
        """Words of a pixel that Thresholding takes."""
        return self.layer.mh // self._threshold_pe

    @property
    def _weight_bits(self) -> int:
        return self.pe * self.simd * self.weight.bits

    @cached_property
    def memories(self) -> list[Memory]:
        """Ring or lines of the generator, replay buffer, weights."""
        g, a, found = self.layer, self.activation.bits, []
        if self.whole_windows:
            words = (g.dilation[0] * g.ifm_dim[1]) - (g.kernel[1] - 1) * g.dilation[1] - 1
            lines = Memory(max(1, words), self.word * a, self._style(self.ring_style, words), 2)
            found += [lines] * (g.kernel[0] - 1)
        elif g.kernel != (1, 1):
            words = baseline.generator_bits(g.with_folding(1, 1), 1) // self.word
            found.append(Memory(words, self.word * a, self._style(self.ring_style, words), 2))
        if self._passes > 1:
            words, bits = power_of_two(self._reads), self._lanes * a
            style = "block" if words >= AUTO_WORDS and words * bits > AUTO_BITS else "distributed"
            found.append(Memory(words, bits, style, 2))
        if not self.streamed:
            words, bits = self._reads * self._passes, self._weight_bits
            few = AUTO_WORDS if words * bits > AUTO_BITS else words
            found.append(Memory(words, bits, resolved_style(self.weight_style, words, few), 1))
        return found

    @staticmethod
    def _style(style: str, words: int) -> str:
        return resolved_style(style, words, LUT_BUFFER_WORDS)

    # ---- blocks ---------------------------------------------------------------------------------

    @property
    def dsp(self) -> int:
        """DSP slices of mvu.sv, or of the VVAU's mvu_vvu_8sx9_dsp58.sv."""
        if not self.in_dsp:
            return 0
        if self.layer.depthwise:
            return self.pe * ceil(self.simd / self._block.lanes)
        bits = self.activation.bits, self.weight.bits
        return finn_slices(self.pe, self.simd, *bits, self.narrow, self._block)

    @property
    def _block(self) -> DspBlock:
        return DSP_BLOCKS[self.dsp_block]

    @property
    def _fields(self) -> int:
        """Output channels of a DSP slice."""
        return min(self.pe, finn_fields(self.activation.bits, self.weight.bits, self.narrow, self._block))

    @property
    def bram18(self) -> int:
        """RAMB18 blocks."""
        return sum(map(_bram18, self.memories)) + self._threshold_pe * sum(
            m.bram18 for m in self._threshold_memories
        )

    @property
    def uram(self) -> int:
        """UltraRAM blocks."""
        return sum(memory.uram for memory in self.memories)

    # ---- LUTs and registers ---------------------------------------------------------------------

    @property
    def memory_luts(self) -> int:
        """LUTs used as memory: LUT RAM, and the shift registers of FIFOs and of streams' buffers."""
        g, a = self.layer, self.activation.bits
        shifts = self._lanes * a * self.generator + self._weight_bits + self.pe * self.acc_bits
        shifts += g.simd_in * a if any(g.padding) else 0
        return shifts + sum(ram_luts(memory) for memory in self.memories)

    @property
    def luts(self) -> int:
        """LUT sites."""
        return self.counted_luts + fitted(PAIR_LUTS, self.lut_features)

    @property
    def counted_luts(self) -> int:
        """LUT sites that need no coefficient: memory; sums, accumulators, products of 2x2 bits in LUTs."""
        luts = self.memory_luts
        if self.in_dsp:
            return luts
        if self.layer.mw > self.simd or self._passes > 1:
            luts += self.pe * self.acc_bits
        if self._product_bits > 1:
            luts += self._tree_bits + self.pe * (self.simd > 1)
        small = max(self.activation.bits, self.weight.bits) == 2 and not self._bipolar
        return luts + SMALL_PRODUCT * self._products * small

    @property
    def ffs(self) -> int:
        """Flip-flops."""
        return self.counted_ffs + fitted(PAIR_FFS, self.ff_features)

    @property
    def counted_ffs(self) -> int:
        """Flip-flops of the core in LUTs: products and accumulators."""
        return 0 if self.in_dsp else self._products * self._product_bits + self.pe * self.acc_bits

    @property
    def resources(self) -> dict[str, int]:
        """Each of RESOURCES."""
        values = self.luts, self.ffs, self.memory_luts, self.bram18, self.uram, self.dsp
        return dict(zip(RESOURCES, values, strict=True))

    @property
    def thresholding(self) -> tuple[int, int]:
        """LUTs and flip-flops of its Thresholding."""
        luts = {name: self.lut_features[name] for name in THRESHOLDING_LUTS}
        ffs = {name: self.ff_features[name] for name in THRESHOLDING_FFS}
        return fitted(PAIR_LUTS, luts), fitted(PAIR_FFS, ffs)

    @property
    def lut_features(self) -> dict[str, float]:
        """Uses of all other LUTs, in units of PAIR_LUTS."""
        a, w, products = self.activation.bits, self.weight.bits, self._products
        few, many = sorted((a, w))
        multiplied = not self.in_dsp and not self._bipolar
        negated = not self.in_dsp and self._bipolar and self._product_bits > 1
        stages, folds = self.steps.bit_length(), address_bits(self._folds) * (self._folds > 1)
        tables = [memory for memory in self._threshold_memories if memory.style != "block"]
        small, middle, deep = (
            self._threshold_pe * sum(m.rom_luts for m in tables if low < m.words <= high)
            for low, high in ((1, SMALL_TABLE), (SMALL_TABLE, 64), (64, inf))
        )
        lanes = self._slice_lanes
        return {
            "narrow_products": products * many * (multiplied and few == 2 < many),
            "products": products * (a - PRODUCT_EDGE) * (w - PRODUCT_EDGE) * (multiplied and few > 2),
            "signed_products": products * (few - 3) * (multiplied and few > 3 and self.activation.signed),
            "negations": products * (many - 1) * negated,
            "counted_bits": self._tree_bits * (self._product_bits == 1),
            "slice_canaries": self.simd * sum(lane.follows for lane in lanes),
            "slice_sums": sum(lane.low_adders for lane in lanes),
            "slice_carries": sum(lane.high_adders + lane.high for lane in lanes),
            "slice_totals": self.acc_bits * sum((lane.high > 0) + lane.follows for lane in lanes),
            "threshold_folds": folds * (stages > 0),
            "comparisons": self._threshold_pe * stages * self.acc_bits,
            "queued_results": self._threshold_pe * stages * ceil((stages + 2) / 3),
            "small_thresholds": small,
            "thresholds": middle,
            "deep_thresholds": deep,
            **self._stream_features,
            "narrowed_words": sum(wide for wide, narrow in self._conversions if wide > narrow),
            "ram_rows": sum(ceil(m.words / 64) for m in self.memories if m.ports == 2 and _in_rows(m)),
            "multiplexers": sum(map(_choice_luts, self.memories)),
            "deep_weights": sum(m.bits for m in self.memories if m.style == "block" and m.words > 4096),
        }

    @property
    def ff_features(self) -> dict[str, float]:
        """Uses of all other registers, in units of PAIR_FFS."""
        g, a, lanes = self.layer, self.activation.bits, self._slice_lanes
        stages, folds = self.steps.bit_length(), address_bits(self._folds) * (self._folds > 1)
        tables = [memory for memory in self._threshold_memories if memory.style != "block"]
        default = self.generator and not self.whole_windows
        loops = [*g.ofm_dim, *g.kernel, g.ifm_channels // self.word]
        return {
            "slice_canaries": self.simd * sum(lane.follows for lane in lanes),
            "slice_sums": sum(lane.low_registers for lane in lanes),
            "slice_totals": self.pe * self.acc_bits * self.in_dsp,
            "slice_steps": (self.simd - 1).bit_length() * self.in_dsp,
            "stages": stages,
            "stage_folds": folds * stages,
            "compared_words": self._threshold_pe * stages * self.acc_bits,
            "thresholds": self._threshold_pe * sum(map(different_bits, tables)),
            "results": self._threshold_pe * stages * (stages - 1) // 2,
            "queued_results": self._threshold_pe * stages * (stages + 3),
            **self._stream_features,
            "loops": sum(n.bit_length() for n in loops if n > 1) * default,
            "generated_words": self.word * a * default,
            "windows": prod(g.kernel) * self.word * a * self.whole_windows,
            "input_words": self._lanes * a * self.generator,
            "replayed_words": self._lanes * a * (self._passes > 1),
            "passes": (self._passes - 1).bit_length(),
            "weight_words": 0 if self.streamed else self._weight_bits,
            "lut_weights": sum(m.bits for m in self.memories if m.ports == 1 and m.style == "distributed"),
            "output_words": self.pe * self.acc_bits,
            "converted_words": sum(map(max, self._conversions)),
        }

    # ---- parts ----------------------------------------------------------------------------------

    @property
    def _bipolar(self) -> bool:
        return self.activation.bipolar or self.weight.bipolar

    @property
    def _products(self) -> int:
        """Products per cycle."""
        return self.pe * self.simd

    @property
    def _product_bits(self) -> int:
        xnor = self.activation.bipolar and self.weight.bipolar
        return 1 if xnor else self.activation.bits + self.weight.bits

    @property
    def _tree_bits(self) -> int:
        """Bits of the additions of a binary tree over SIMD products, for all PEs."""
        terms, bits, total = self.simd, self._product_bits, 0
        while terms > 1:
            bits += 1
            total += terms // 2 * bits
            terms = ceil(terms / 2)
        return self.pe * total

    @cached_property
    def _slice_lanes(self) -> list[_Lane]:
        """The lanes of mvu.sv that have a PE, of all slices; none in LUTs."""
        if not self.in_dsp:
            return []
        lows = self._lane_bits
        last = len(lows) - 1
        highs = [self._carry_bits(lows[: i + 1], i == last) for i in range(last + 1)]
        lanes = []
        for first in range(0, self.pe, last + 1):
            unused = last + 1 - min(last + 1, self.pe - first)
            lanes += [_Lane.of(self.simd, lows[i], highs[i], i > unused) for i in range(unused, last + 1)]
        return lanes

    @property
    def _lane_bits(self) -> list[int]:
        """Bits of each lane of a slice's sum, mvu.sv's lo_width."""
        a, w, block = self.activation.bits, self.weight.bits, self._block
        lanes, least = finn_fields(a, w, self.narrow, block), w + a - 1
        slack = block.weight_bits - (not self.narrow) - w - (lanes - 1) * least
        found = []
        for left in range(lanes - 1, 0, -1):
            extra = ceil(slack / left)
            found.append(least + extra)
            slack -= extra
        return [*found, min(self.acc_bits, block.sum_bits - sum(found))]

    def _carry_bits(self, lows: list[int], last: bool) -> int:
        """Bits above a lane's, the last of `lows`: mvu.sv's hi_width. last: no lane follows in the slice."""
        above = self.acc_bits - lows[-1]
        if above <= 0:
            return 0 if last else 1 + (self.simd - 1).bit_length()
        if (self.simd - 1).bit_length() < above - 1:
            return 1 + above
        lower = [self.acc_bits - sum(lows[i:]) for i in range(len(lows))]
        return 1 + (sum(1 << max(0, bits - 1) for bits in lower) + self.simd - 1).bit_length()

    @property
    def _threshold_memories(self) -> list[Memory]:
        """Of one PE: a memory for each stage."""
        words = [self._folds << stage for stage in range(self.steps.bit_length())]
        blocks = [n * self.acc_bits > MOST_THRESHOLD_BITS for n in words]
        styles = ["block" if block else "distributed" for block in blocks]
        return [Memory(n, self.acc_bits, style) for n, style in zip(words, styles, strict=True)]

    @property
    def _conversions(self) -> list[tuple[int, int]]:
        """Bits of the words before and behind each width converter."""
        given = self.word * (prod(self.layer.kernel) if self.whole_windows else 1)
        pairs = (self.layer.simd_in, self.word), (given, self._lanes)
        a = self.activation.bits
        return [(before * a, behind * a) for before, behind in pairs if before != behind]

    @property
    def _stream_features(self) -> dict[str, float]:
        """Of the generator, the padding, and the streams between the units."""
        g, default = self.layer, self.generator and not self.whole_windows
        point, padded = g.kernel == (1, 1), any(g.padding)
        words = g.ifm_channels // self.word
        ring = 2 if point else baseline.generator_bits(g.with_folding(1, 1), 1) // self.word
        elements = g.ifm_dim[0] * g.ifm_dim[1] * words
        return {
            "pair": 1,
            "generator": int(default and not point),
            "point_generator": int(default and point),
            "window_generator": int(self.generator and self.whole_windows),
            "ring_addresses": address_bits(ring) * default,
            "elements": elements.bit_length() * default,
            "weight_addresses": 0 if self.streamed else (self._reads * self._passes - 1).bit_length(),
            "reads": (self._reads - 1).bit_length(),
            "replays": ((self._reads - 1).bit_length() + 1) * (self._passes > 1),
            "converters": len(self._conversions),
            "padding_counters": sum(address_bits(n) for n in g.ifm_dim) * padded,
            "padded_words": g.simd_in * self.activation.bits * padded,
        }


def converter(given: int, taken: int) -> tuple[int, int]:
    """LUTs and flip-flops of a width converter from words of `given` bits to words of `taken`."""
    narrowed = given if given > taken else 0
    luts = fitted(PAIR_LUTS, {"converters": 1, "narrowed_words": narrowed})
    return luts, fitted(PAIR_FFS, {"converters": 1, "converted_words": max(given, taken)})


class _Lane(NamedTuple):
    """A lane of mvu.sv for all SIMD products.

    follows: another lane is below it in its slice. high: bits above the lane's. low_adders, high_adders: bits
    that the additions of a tree take; low_registers: those behind them.
    """

    follows: bool
    high: int
    low_adders: int
    high_adders: int
    low_registers: int

    @staticmethod
    def of(simd: int, low: int, high: int, follows: bool) -> _Lane:
        """With a tree of add_multi.sv for `simd` sums of `low` bits, and one for their carries."""
        leaves = [1] * (2 * simd - 1)
        for i in reversed(range(simd - 1)):
            leaves[i] = leaves[2 * i + 1] + leaves[2 * i + 2]
        larger = [max(leaves[2 * i + 1 : 2 * i + 3]) for i in range(simd - 1)]
        sums = [_sum_bits(n, low) for n in leaves[: simd - 1]] if simd > 1 else [low]
        carries = sum(1 + n.bit_length() for n in larger) if high else 0
        return _Lane(follows, high, sum(_sum_bits(n, low) for n in larger), carries, sum(sums))


def _sum_bits(n: int, bits: int) -> int:
    """Bits of the sum of n unsigned numbers of `bits` bits."""
    return (n * ((1 << bits) - 1)).bit_length()


def _in_rows(memory: Memory) -> bool:
    return memory.style == "distributed" and memory.words > 64


class _Blocks(NamedTuple):
    """RAMB18 of a memory, and the LUTs that multiplex their rows."""

    bram18: int
    choice_luts: int


def _blocks(memory: Memory) -> _Blocks:
    """As they are mapped: all words alike or, if it takes fewer, the words above a power of two apart."""
    alike = _Blocks(memory.bram18, memory.choice_luts)
    near = power_of_two(memory.words + 1) // 2
    if memory.style != "block" or near == memory.words or near < 512:
        return alike
    parts = [Memory(n, memory.bits, "block") for n in (near, memory.words - near)]
    rows = sum(part.block_rows for part in parts)
    return min(alike, _Blocks(sum(part.bram18 for part in parts), memory.bits * ceil((rows - 1) / 3)))


def _bram18(memory: Memory) -> int:
    return _blocks(memory).bram18


def _choice_luts(memory: Memory) -> int:
    return _blocks(memory).choice_luts


def ram_luts(memory: Memory) -> int:
    """LUT sites of a writable memory whose last rows may be a smaller one."""
    if memory.style != "distributed" or memory.words <= 1:
        return 0
    if memory.ports == 1 and memory.words > 64:
        return memory.ram_luts
    rows, rest = divmod(memory.words, 64)
    parts = [64] * rows + [rest] * (rest > 0)
    return sum(Memory(words, memory.bits, memory.style, memory.ports).ram_luts for words in parts)
