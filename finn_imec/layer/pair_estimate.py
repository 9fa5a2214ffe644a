"""Resource estimates of FINN's pair: memories from its structure, other LUTs and registers fitted.

Like `finn_imec.layer.estimate` for IMECConv, and fitted to counts by the same flow of Yosys, so that the two
can be compared. The pair is that of `finn_imec.baseline_rtl`: [FMPadding,] generator, FIFO, MVAU or VVAU with
its weights in FINN's memstream, and Thresholding. Multipliers in LUTs are the core that package describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from finn_imec.layer import baseline
from finn_imec.layer.core import AUTO_DSP_BITS, DEFAULT_DSP_BLOCK, Operand
from finn_imec.layer.estimate import RESOURCES, fitted
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import LUT_BUFFER_WORDS, Memory, address_bits, power_of_two, resolved_style
from finn_imec.layer.packing import DOT_BITS, DSP_BLOCKS, DspBlock, finn_fields, finn_slices

#: Mean error of each estimate on layers that its fit did not see (`python benchmarks/estimates.py fit`).
PAIR_MEAN_ERROR: Mapping[str, float] = {"lut": 0.058, "ff": 0.058}
#: LUTs per unit of each of `PairEstimate.lut_features`, and flip-flops per unit of each of `ff_features`,
#: both fitted by benchmarks/estimates.py. Over 156 layers, a fifth of them held out of the fit at a time, the
#: error is 5.8% on average and at most 32% for LUTs, 5.8% and 28% for flip-flops.
PAIR_LUTS: Mapping[str, float] = {
    "multipliers": 1.771,
    "negations": 1.565,
    "counted_bits": 0.633,
    "slice_products": 5.728,
    "slice_sums": 0.714,
    "slice_accumulators": 0.541,
    "thresholding": 28.047,
    "comparisons": 0.711,
    "pointers": 0.063,
    "stored_thresholds": 1.067,
    "pair": 29.270,
    "weight_words": 0.641,
    "addresses": 14.583,
    "counters": 5.827,
    "output_words": 0.314,
    "replays": 2.385,
    "converted_words": 1.087,
    "padding": 16.352,
    "padded_words": 1.501,
    "multiplexers": 1.569,
}
PAIR_FFS: Mapping[str, float] = {
    "products": 1.384,
    "accumulators": 0.305,
    "slice_products": 5.919,
    "slice_sums": 1.500,
    "slice_accumulators": 1.530,
    "thresholding": 13.987,
    "comparisons": 1.448,
    "pointers": 4.177,
    "stored_thresholds": 0.000,
    "pair": 27.329,
    "weight_words": 1.467,
    "addresses": 4.543,
    "counters": 4.699,
    "output_words": 1.835,
    "replays": 4.838,
    "converted_words": 2.604,
    "padding": 20.673,
    "padded_words": 3.022,
    "input_words": 1.938,
    "windows": 0.289,
}
#: Synthesis puts weights into block RAM above these numbers of words and of bits, windows to replay from the
#: same words on, and thresholds above these words.
AUTO_WORDS, AUTO_BITS = 128, 2500
MOST_THRESHOLD_WORDS = 512


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
        return sum(m.bram18 for m in self.memories) + self._threshold_pe * sum(
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
        return self.memory_luts + fitted(PAIR_LUTS, self.lut_features)

    @property
    def ffs(self) -> int:
        """Flip-flops."""
        return fitted(PAIR_FFS, self.ff_features)

    @property
    def resources(self) -> dict[str, int]:
        """Each of RESOURCES."""
        values = self.luts, self.ffs, self.memory_luts, self.bram18, self.uram, self.dsp
        return dict(zip(RESOURCES, values, strict=True))

    @property
    def lut_features(self) -> dict[str, float]:
        """Uses of LUTs other than as memory, in units of PAIR_LUTS."""
        a, w = self.activation.bits, self.weight.bits
        products = self.pe * self.simd
        one_bit, xnor = self.activation.bipolar or self.weight.bipolar, self._product_bits == 1
        lut = not self.in_dsp
        return {
            "multipliers": products * a * w * (lut and not one_bit),
            "negations": products * (a + w) * (lut and one_bit and not xnor),
            "counted_bits": self._tree_bits * xnor,
            "slice_products": products * (self.in_dsp and self._fields > 1),
            "slice_sums": self._tree_bits * self.in_dsp,
            "slice_accumulators": self.pe * self.acc_bits * (self.in_dsp and self.simd > 1),
            **self._shared_features,
            "multiplexers": sum(memory.choice_luts for memory in self.memories),
        }

    @property
    def ff_features(self) -> dict[str, float]:
        """Uses of registers, in units of PAIR_FFS."""
        a, products, lut = self.activation.bits, self.pe * self.simd, not self.in_dsp
        return {
            "products": products * self._product_bits * lut,
            "accumulators": self.pe * self.acc_bits * lut,
            "slice_products": products * self.in_dsp,
            "slice_sums": self._tree_bits * self.in_dsp,
            "slice_accumulators": self.pe * self.acc_bits * self.in_dsp,
            **self._shared_features,
            "input_words": self._lanes * a,
            "windows": prod(self.layer.kernel) * self.word * a * self.whole_windows,
        }

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

    @property
    def _threshold_memories(self) -> list[Memory]:
        """Of one PE: a memory for each stage."""
        words = [self._folds << stage for stage in range(self.steps.bit_length())]
        styles = ["block" if n > MOST_THRESHOLD_WORDS else "distributed" for n in words]
        return [Memory(n, self.acc_bits, style) for n, style in zip(words, styles, strict=True)]

    @property
    def _shared_features(self) -> dict[str, float]:
        """Of FINN's Thresholding_rtl, which has a stage for each bit of the output; generator; streams."""
        stages = self.steps.bit_length()
        pointer = address_bits(self._folds) * (self._folds > 1) + stages
        stored = sum(m.rom_luts for m in self._threshold_memories if m.style != "block")
        g, a = self.layer, self.activation.bits
        given = self.word * (prod(g.kernel) if self.whole_windows else 1)
        ring = max(memory.words for memory in [*self.memories, Memory(1, 0, "distributed")])
        counted = [*g.kernel, *g.ofm_dim, g.ifm_channels // self.word]
        wide = max(given, self._lanes) if given != self._lanes else 0
        wide += max(self.word, g.simd_in) if self.word != g.simd_in else 0
        return {
            "thresholding": int(stages > 0),
            "comparisons": self._threshold_pe * stages * self.acc_bits,
            "pointers": self._threshold_pe * stages * pointer,
            "stored_thresholds": self._threshold_pe * stored,
            "pair": 1,
            "weight_words": 0 if self.streamed else self._weight_bits,
            "addresses": address_bits(ring) * self.generator,
            "counters": sum(address_bits(n) for n in counted if n > 1) * self.generator,
            "output_words": self.pe * self.acc_bits,
            "replays": address_bits(self._reads) if self._passes > 1 else 0,
            "converted_words": wide * a,
            "padding": int(any(g.padding)),
            "padded_words": g.simd_in * a * any(g.padding),
        }


def ram_luts(memory: Memory) -> int:
    """LUT sites of a writable memory whose last rows may be a smaller one."""
    if memory.style != "distributed" or memory.words <= 1:
        return 0
    if memory.ports == 1 and memory.words > 64:
        return memory.ram_luts
    rows, rest = divmod(memory.words, 64)
    parts = [64] * rows + [rest] * (rest > 0)
    return sum(Memory(words, memory.bits, memory.style, memory.ports).ram_luts for words in parts)
