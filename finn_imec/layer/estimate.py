"""Resource estimates of IMECConv: blocks from its structure, LUTs fitted to Yosys' counts.

`finn-imec compare` measures; this only predicts, for FINN's estimate reports and to compare foldings
by. LUTs are those of LUT memories, and what else the structure of a layer counts, `Estimate.features`,
times LUT_COEFFICIENTS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from math import ceil, sqrt
from typing import TYPE_CHECKING, NamedTuple

from finn_imec.layer.datapath import MAX_PARALLEL_STEPS, MAX_PLANES, Operand, packing
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import (
    AUTO_ROM_WORDS,
    Memory,
    _power_of_two,
    address_bits,
    resolved_style,
    rom_layout,
    rom_spill,
    spilt_widths,
)
from finn_imec.layer.packing import Packing

if TYPE_CHECKING:
    from finn_imec.custom_op.imecconv import IMECConv

#: LUTs per unit of each of `Estimate.features`, as benchmarks/estimates.py fits them. LUTs
#: of 300 layers, a fifth of them left out of the fit at a time, are estimated with
#: errors of 5.6% on average, 3.5% in the median, 12.2% or less in nine of ten;
#: of those without activation 4.3% on average. How close together thresholds are is not known.
LUT_COEFFICIENTS: Mapping[str, float] = {
    "heap_counters": 0.994,
    "heap_sums": 0.847,
    "constant_heaps": 0.980,
    "multipliers": 1.000,
    "product_sums": 1.000,
    "chain_sums": 0.904,
    "delays": 1.149,
    "accumulators": 1.032,
    "control": 3.365,
    "counters": 1.473,
    "stepped_addresses": 2.209,
    "wrapped_addresses": 0.513,
    "weight_addresses": 1.531,
    "windows": 1.135,
    "window_words": 1.506,
    "narrowed_words": 0.618,
    "padded_words": 1.157,
    "rams": 1.151,
    "roms": 1.006,
    "deep_roms": 3.938,
    "offsets": 0.915,
    "comparators": 0.583,
    "constant_comparators": 0.787,
    "comparator_roms": 0.914,
    "comparator_sums": 0.621,
    "searches": 1.002,
}
#: A slice has two registers for each LUT.
LUTS_PER_FF = 0.5
#: Bits that FINN reckons per RAMB18 and per UltraRAM.
RAMB18_BITS, URAM_BITS = 512 * 36, 4096 * 72
#: What a block is worth in LUTs: the device's LUTs over its blocks. XC7Z020; UltraRAM: XCZU7EV.
LUTS_PER_RAMB18, LUTS_PER_DSP, LUTS_PER_URAM = 53200 // 280, 53200 // 220, 230400 // 96


@dataclass(frozen=True)
class Estimate:
    """Resources of an IMECConv, from all of Datapath's and ImecRtl's fields but memories' contents.

    activation, weight: as stored. acc_bits: width of an accumulator. steps: thresholds per channel.
    Weights may be any of their datatype.
    """

    geometry: ConvGeometry
    activation: Operand
    weight: Operand
    acc_bits: int
    steps: int = 0
    runtime_weights: bool = False
    res_type: str = "auto"
    mem_mode: str = "internal_embedded"
    ram_style: str = "auto"
    ram_style_thresholds: str = "auto"

    # ---- blocks ---------------------------------------------------------------------------------

    @property
    def dsp(self) -> int:
        """DSP slices of the dot products; never more than FINN's MVAU_rtl takes."""
        return self._packing.slices(self.geometry.pe, self.geometry.simd) if self._packing else 0

    @property
    def bram18(self) -> int:
        """RAMB18 blocks of weights, strip and searched thresholds."""
        return sum(memory.bram18 for memory in self.memories)

    @property
    def uram(self) -> int:
        """UltraRAM blocks, likewise."""
        return sum(memory.uram for memory in self.memories)

    def stored_bits(self, style: str) -> int:
        """Bits of weights, strip and searched thresholds in memories of that style."""
        stored = [*self._strip, *self._searched]
        if self.mem_mode != "external":
            g = self.geometry
            stored.append(Memory(g.weight_words, self._word_bits, self._weight_style))
        return sum(memory.words * memory.bits for memory in stored if memory.style == style)

    # ---- LUTs -----------------------------------------------------------------------------------

    @property
    def luts(self) -> int:
        """LUT sites."""
        return self.memory_luts + _fitted(self.features)

    @property
    def core_luts(self) -> int:
        """LUT sites of dot products and accumulators; never more than `luts`."""
        return _fitted(self._core_features)

    @property
    def memory_luts(self) -> int:
        """LUT sites that need no coefficient: of memories that are written, and between imec_rom's."""
        banks = ceil(self.geometry.weight_words / self._bank_words)
        choices = {"paired": 1 / 2, "banked": ceil((banks - 1) / 3)}.get(self._layout, 0)
        return ceil(self._word_bits * choices) + sum(m.ram_luts for m in self.memories)

    @property
    def features(self) -> dict[str, float]:
        """What other LUTs are spent on, in units of LUT_COEFFICIENTS."""
        return self._core_features | self._surrounding_features

    @property
    def _core_features(self) -> dict[str, float]:
        """Those of dot products and accumulators."""
        g, packed, (a, w) = self.geometry, self._packing, self._factors
        planes = not packed and (a.bits * w.bits <= MAX_PLANES or a.bipolar or w.bipolar)
        lanes = 0 if packed or planes else g.pe * g.simd
        heap = heap_luts(g.simd, a.bits, w.bits) if planes else HeapLuts(0, 0)
        # Weights' bits that are the same in all words of a ROM
        constant = 2.0 ** (1 - g.weight_words) if self.mem_mode == "internal_embedded" else 0
        late = self._weight_lanes[2:]  # of the activations, and of the weights' addresses
        return {
            "heap_counters": g.pe * heap.counters * (1 - constant),
            "heap_sums": g.pe * heap.sums * (1 - constant),
            "constant_heaps": g.pe * sum(heap) * constant,
            "multipliers": lanes * a.bits * w.bits,
            "product_sums": lanes * (a.bits + w.bits),
            "chain_sums": g.pe * sum_luts(packed.chains, packed.field_bits) if packed else 0,
            "delays": sum(late) * a.bits + len(late) * address_bits(g.weight_words),
            "accumulators": g.pe * self.acc_bits * (g.sf > 1),
        }

    @property
    def _surrounding_features(self) -> dict[str, float]:
        """Those of all but dot products and accumulators."""
        g, (a, w), padding = self.geometry, self._factors, self.geometry.padding_runs
        nest, word_bits = g.loop_nest, g.word_channels * self.activation.bits
        address = 0 if g.window or g.strip_words == 1 else address_bits(g.strip_words)
        loops = [nest.run, nest.inner, nest.outer, g.nf, *(g.ifm_dim if g.window else g.ofm_dim)]
        loops += [padding.run, padding.runs] if padding.between else []
        loops += [max(g.simd_in, g.word_channels) // min(g.simd_in, g.word_channels)]
        biased = self._packing.centred if self._packing else a.bipolar != w.bipolar
        offsets = g.pe * self.acc_bits * (biased and not self.steps and not self.runtime_weights)
        roms = [*self._weights, *self._searched]
        deep = [m for m in roms if m.words > 64 and not m.table]
        parallel = 0 if self._searched else g.pe * self.steps
        return {
            "control": 1,
            "counters": sum(address_bits(n) for n in loops if n > 1),
            "stepped_addresses": address * (g.kernel != (1, 1) or g.stride != (1, 1)),
            "wrapped_addresses": address * (g.strip_words != _power_of_two(g.strip_words)),
            "weight_addresses": address_bits(g.weight_words) if g.weight_words > 1 else 0,
            "windows": int(g.window is not None),
            "window_words": g.simd * self.activation.bits * (g.sf - 1) / 3 if g.window else 0,
            "narrowed_words": word_bits * max(0, g.simd_in // g.word_channels - 1) / 3,
            "padded_words": word_bits if padding.between else 0,
            "rams": sum(m.choice_luts for m in self.memories),
            "roms": sum(m.rom_luts for m in roms if m not in deep),
            "deep_roms": sum(m.rom_luts for m in deep),
            "offsets": Memory(g.nf, offsets, "distributed").rom_luts,
            "comparators": parallel * self.acc_bits * (g.nf > 1),
            # With constants, those of a channel have logic in common
            "constant_comparators": parallel * self.acc_bits / sqrt(self.steps or 1) * (g.nf == 1),
            "comparator_roms": Memory(g.nf, parallel * self.acc_bits, "distributed").rom_luts,
            "comparator_sums": g.pe * sum(compressor_luts((self.steps,))) if parallel else 0,
            "searches": g.pe * (self.acc_bits + 2 * self.steps.bit_length()) * bool(self._searched),
        }

    # ---- structure ------------------------------------------------------------------------------

    @cached_property
    def _factors(self) -> tuple[Operand, Operand]:
        """Datapath.factors."""
        stored = self.activation, self.weight
        if not self.runtime_weights or self.activation.bipolar == self.weight.bipolar:
            return stored
        return tuple(Operand(2, True, False) if o.bipolar else o for o in stored)

    @cached_property
    def _packing(self) -> Packing | None:
        """Datapath.packing for any weights."""
        fixed = not self.runtime_weights
        return packing(self.geometry, *self._factors, self.res_type, None, fixed)

    @property
    def memories(self) -> list[Memory]:
        """Weights, strip or lines, queues, searched thresholds; not those compared with in parallel."""
        return [*self._weights, *self._strip, *self._queues, *self._searched]

    @property
    def _word_bits(self) -> int:
        """Bits of a word of weights."""
        return self.geometry.pe * self.geometry.simd * self.weight.bits

    @property
    def _weight_style(self) -> str:
        return resolved_style(self.ram_style, self.geometry.weight_words, AUTO_ROM_WORDS)

    @cached_property
    def _weight_lanes(self) -> list[int]:
        """Lanes of each weight memory."""
        simd = self.geometry.simd
        if self.mem_mode != "internal_embedded" or not self._packing:
            return [simd]
        return [part.stop - part.start for part in self._packing.weight_parts(simd)]

    @cached_property
    def _layout(self) -> str:
        """ImecRtl.rom_layout."""
        if self.mem_mode != "internal_embedded":
            return "plain"
        return rom_layout(self.geometry.weight_words, self._word_bits, self._weight_style)

    @cached_property
    def _weights(self) -> list[Memory]:
        """Memories of weights, those that imec_rom makes of one."""
        words, style = self.geometry.weight_words, self._weight_style
        if self.mem_mode == "external":
            return []
        found = []
        widths = [self._word_bits // self.geometry.simd * lanes for lanes in self._weight_lanes]
        spill = rom_spill(words, widths, style, self._layout)
        for bits in spilt_widths(widths, spill):
            if self._layout == "banked":
                banks, rest = divmod(words, self._bank_words)
                found.append(Memory(self._bank_words, banks * bits, style))
                found += [Memory(_power_of_two(rest), bits, style)] if rest else []
            elif self._layout == "paired":
                far, half = _power_of_two(words), ceil(bits / 2)
                found += [Memory(n, half, style) for n in (far, _power_of_two(2 * words - far))]
            else:
                found.append(Memory(words, bits, style, 0, self._layout == "table"))
        return found

    @property
    def _bank_words(self) -> int:
        """Words of a bank of imec_rom."""
        return 2048 if self.geometry.weight_words <= 2**15 else 4096

    @cached_property
    def _strip(self) -> list[Memory]:
        """Memory of the strip or, with SIMD > C, of lines, if there are any."""
        g = self.geometry
        bits = g.strip_channels * self.activation.bits
        return [Memory(g.strip_words, bits, g.resolved_strip_style, 1 + g.dual_port)] if bits else []

    @cached_property
    def _queues(self) -> list[Memory]:
        """Queues of columns and of windows that there are with SIMD > C."""
        g = self.geometry
        if not g.window:
            return []
        column = g.kernel[0] * g.ifm_channels
        sizes = zip(g.window.queues, (column, column * g.kernel[1]), strict=True)
        bits = self.activation.bits
        return [Memory(words, n * bits, "distributed", 2) for words, n in sizes if words]

    @cached_property
    def _searched(self) -> list[Memory]:
        """Memories of imec_threshold_search, empty if that is not used (Datapath.search)."""
        g, bits = self.geometry, self.steps.bit_length()
        if self.steps <= MAX_PARALLEL_STEPS or g.sf < bits:
            return []
        style = resolved_style(self.ram_style_thresholds, g.nf << bits, AUTO_ROM_WORDS)
        return [Memory(g.nf << bits, self.acc_bits, style)] * g.pe


def lut_equivalents(node: IMECConv) -> int:
    """The node's estimates as one number, to compare foldings by: its blocks priced in LUTs.

    Registers come with the LUTs of what they stand behind, but for those of whole windows.
    """
    g, estimate = node.geometry, node.estimate
    registers = g.window.register_pixels * g.ifm_channels if g.window else 0
    return (
        estimate.luts
        + ceil(LUTS_PER_FF * registers * estimate.activation.bits)
        + LUTS_PER_RAMB18 * estimate.bram18
        + LUTS_PER_DSP * estimate.dsp
        + LUTS_PER_URAM * estimate.uram
    )


def _fitted(features: Mapping[str, float]) -> int:
    return round(sum(LUT_COEFFICIENTS[name] * value for name, value in features.items()))


class HeapLuts(NamedTuple):
    """LUTs that count the bits of a heap: LUT6 that the RTL instantiates; logic, which may merge."""

    counters: int
    sums: int


@cache
def heap_luts(simd: int, a_bits: int, w_bits: int) -> HeapLuts:
    """Those of imec_dot_heap: two for three products of equal weight, and imec_compress."""
    weights = range(a_bits + w_bits - 1)
    products = [simd * min(e + 1, a_bits, w_bits, len(weights) - e) for e in weights]
    ones = [*(ceil(n / 3) for n in products), 0]
    twos = [0, *(ceil((n - 1) / 3) for n in products)]
    heights = tuple(map(sum, zip(ones, twos, strict=True)))
    rest = compressor_luts(heights)
    return HeapLuts(sum(heights) + rest.counters, rest.sums)


@cache
def compressor_luts(heights: tuple[int, ...]) -> HeapLuts:
    """Those of imec_compress for columns of so many bits: 6:3 counters; smaller ones and the addition."""
    highest = max(heights)
    if highest <= 2:
        return HeapLuts(0, heights.count(2))
    heights += (0, 0)  # where carries go
    sixes = [(h + 1) // 6 if highest > 3 else 0 for h in heights]
    smaller = [3 if h % 6 in (3, 4) else 0 for h in heights]  # bits that one more counter takes
    if highest == 3:
        carry = 0
        for c, h in enumerate(heights):
            full = h == 3 and carry
            carry = int(h + carry > 2)
            smaller[c] = 3 if full else 2 * carry
    counters = [n + (bits > 0) for n, bits in zip(sixes, smaller, strict=True)]
    passed = [max(0, h - 6 * n - bits) for h, n, bits in zip(heights, sixes, smaller, strict=True)]
    columns = zip(passed, counters, [0, *counters], [0, 0, *sixes], strict=False)
    rest = compressor_luts(tuple(map(sum, columns)))
    return HeapLuts(rest.counters + 3 * sum(sixes), rest.sums + 2 * sum(n > 0 for n in smaller))


def sum_luts(n: int, bits: int) -> int:
    """LUTs of imec_sum for n numbers of so many bits: additions, up to three in a step."""
    if n == 1:
        return 0
    groups, rest = divmod(n, 4)
    luts = groups * (3 * bits + 1) + (0, 0, bits, 2 * bits + 1)[rest]
    return luts + sum_luts(ceil(n / 4), bits + (2 if n > 2 else 1))
