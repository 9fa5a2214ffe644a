"""Resource estimates of IMECConv: blocks from its structure, LUTs fitted to Yosys' counts.

`finn-imec compare` measures; this module predicts, for FINN's estimate reports and to compare foldings. LUTs
are those of LUT memories and of the gearbox, plus `Estimate.features`, counted from the layer's structure,
times LUT_COEFFICIENTS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt

from finn_imec.layer.adders import cut_bits, dot_luts, heap_luts
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.clock import adder_cuts, middle_heights
from finn_imec.layer.compressor import THRESHOLD_COUNTER, TreeLuts, compressor_luts, partial_product_luts
from finn_imec.layer.gearbox import gearbox_ffs, gearbox_luts
from finn_imec.layer.memories import LUTS_PER_RAMB18, Memory, address_bits, mux_luts, power_of_two
from finn_imec.layer.structure import REGISTERS, Structure
from finn_imec.layer.window import WindowUnit

#: Mean error of each estimate on layers that its fit did not see (`python benchmarks/estimates.py fit`).
MEAN_ERROR: Mapping[str, float] = {"lut": 0.057, "ff": 0.060}
#: LUTs per unit of each of `Estimate.features`, fitted by benchmarks/estimates.py. Over 70 layers, a fifth
#: of them held out of the fit at a time, the error is 5.7% on average, 3.5% in the median and at most 11.6%
#: for nine layers in ten; 4.2% on average without activation. How close together thresholds are is not known.
LUT_COEFFICIENTS: Mapping[str, float] = {
    "gates": 0.970,
    "tree_counters": 0.995,
    "tree_sums": 0.906,
    "constant_trees": 1.223,
    "multipliers": 1.000,
    "product_sums": 1.000,
    "chain_sums": 0.969,
    "delays": 0.982,
    "accumulators": 0.937,
    "control": 1.593,
    "counters": 2.277,
    "stepped_addresses": 2.953,
    "wrapped_addresses": 0.211,
    "weight_addresses": 1.952,
    "windows": 1.035,
    "window_words": 1.187,
    "narrowed_words": 0.351,
    "padded_words": 1.203,
    "rams": 1.633,
    "roms": 1.003,
    "deep_roms": 1.000,
    "offsets": 0.001,
    "comparators": 1.000,
    "constant_comparators": 1.000,
    "comparator_roms": 1.000,
    "comparator_sums": 1.000,
    "searches": 0.723,
    "outputs": 2.032,
}
#: Flip-flops per unit of each of `Estimate.ff_features`, fitted the same way to 226 layers. The error is 6.0%
#: on average, 4.1% in the median and at most 12.2% for nine layers in ten.
FF_COEFFICIENTS: Mapping[str, float] = {
    "control": 20.369,
    "counters": 0.776,
    "addresses": 3.291,
    "weight_addresses": 3.486,
    "input_words": 0.758,
    "buffer_words": 1.300,
    "windows": 0.872,
    "weight_words": 1.060,
    "memory_steps": 1.117,
    "gates": 1.040,
    "tree_middles": 0.923,
    "tree_rows": 1.024,
    "tree_sums": 0.673,
    "chain_sums": 0.398,
    "delays": 3.001,
    "accumulators": 0.861,
    "thresholds": 1.225,
    "searches": 0.252,
    "outputs": 0.978,
    "padding": 7.227,
}
#: Resources of an estimate, by their names in a build's report; memory: LUTs used as memory.
RESOURCES = ("lut", "ff", "memory", "bram18", "uram", "dsp")
#: A slice has two registers for each LUT.
LUTS_PER_FF = 0.5
#: Bits that FINN counts per RAMB18 and per UltraRAM.
RAMB18_BITS, URAM_BITS = 512 * 36, 4096 * 72
#: Price of a block in LUTs: the device's LUTs over its blocks. XC7Z020; UltraRAM: XCZU7EV.
LUTS_PER_DSP, LUTS_PER_URAM = 53200 // 220, 230400 // 96


@dataclass(frozen=True)
class Estimate:
    """Resources of an IMECConv of this structure, independent of memory contents."""

    structure: Structure

    # ---- blocks ---------------------------------------------------------------------------------

    @property
    def dsp(self) -> int:
        """DSP slices of the dot products; never more than FINN's MVAU_rtl takes."""
        s = self.structure
        return s.core.packing.slices(s.geometry.pe, s.geometry.simd) if s.core.packing else 0

    @property
    def bram18(self) -> int:
        """RAMB18 blocks of weights, buffer and searched thresholds."""
        return sum(memory.bram18 for memory in self.structure.memories)

    @property
    def uram(self) -> int:
        """UltraRAM blocks of the same memories."""
        return sum(memory.uram for memory in self.structure.memories)

    def stored_bits(self, style: str) -> int:
        """Bits of weights, buffer and searched thresholds in memories of this style."""
        s = self.structure
        stored = [*s.buffer_memories, *s.searched_memories]
        if s.mem_mode != "external":
            stored.append(Memory(s.geometry.weight_words, s.weight_bits, s.rom_style))
        return sum(memory.words * memory.bits for memory in stored if memory.style == style)

    # ---- LUTs -----------------------------------------------------------------------------------

    @property
    def luts(self) -> int:
        """LUT sites."""
        gearbox = gearbox_luts(self.structure.geometry, self.structure.core.activation.bits)
        return self.memory_luts + gearbox + fitted(LUT_COEFFICIENTS, self.features)

    @property
    def core_luts(self) -> int:
        """LUT sites of dot products and accumulators; never more than `luts`."""
        return fitted(LUT_COEFFICIENTS, self._core_features)

    @property
    def memory_luts(self) -> int:
        """LUT sites that need no coefficient: writable memories, and multiplexers of imec_rom."""
        s = self.structure
        banks = ceil(s.geometry.weight_words / s.rom_bank)
        choices = {"paired": 1 / 2, "banked": mux_luts(banks)}.get(s.rom_layout, 0)
        return ceil(s.weight_bits * choices) + self.ram_luts

    @property
    def ram_luts(self) -> int:
        """LUT sites used as memory."""
        return sum(memory.ram_luts for memory in self.structure.memories)

    @property
    def ffs(self) -> int:
        """Flip-flops."""
        s = self.structure
        gearbox = gearbox_ffs(s.geometry, s.core.activation.bits, s.memory_steps)
        return gearbox + fitted(FF_COEFFICIENTS, self.ff_features)

    @property
    def resources(self) -> dict[str, int]:
        """Each of RESOURCES."""
        values = self.luts, self.ffs, self.ram_luts, self.bram18, self.uram, self.dsp
        return dict(zip(RESOURCES, values, strict=True))

    @property
    def lut_equivalents(self) -> int:
        """All resources as one number, to compare foldings by: blocks priced in LUTs.

        Registers share slices with the LUTs that drive them, except those of whole windows.
        """
        unit, g = self.structure.storage, self.structure.geometry
        registers = unit.register_pixels * g.ifm_channels if isinstance(unit, WindowUnit) else 0
        return (
            self.luts
            + ceil(LUTS_PER_FF * registers * self.structure.core.activation.bits)
            + LUTS_PER_RAMB18 * self.bram18
            + LUTS_PER_DSP * self.dsp
            + LUTS_PER_URAM * self.uram
        )

    @property
    def features(self) -> dict[str, float]:
        """Uses of all other LUTs, in units of LUT_COEFFICIENTS."""
        return self._core_features | self._buffer_features | self._output_features

    @property
    def ff_features(self) -> dict[str, float]:
        """Uses of flip-flops, in units of FF_COEFFICIENTS."""
        s, g, unit = self.structure, self.structure.geometry, self.structure.storage
        a, registers, packed = s.core.activation.bits, REGISTERS[s.pipeline], s.core.packing
        whole = unit.register_pixels * g.ifm_channels * a if isinstance(unit, WindowUnit) else 0
        word_bits = 0 if whole else g.word_channels * a
        block = s.mem_mode == "internal_embedded" and s.rom_style != "distributed"  # has a register
        late = sum(part.stop - part.start for part in s.weight_parts[2:])
        counted = self._buffer_features
        planes, gates, tree = not packed, 0, s.core.kind == "planes" or s.core.heap
        if s.core.digits and not s.core.heap:
            planes, gates = False, cut_bits(g.simd, a, s.core.digits, adder_cuts(s))
        return {
            "control": 1,
            "counters": counted["counters"],
            "addresses": 0 if whole or unit.words == 1 else address_bits(unit.words),
            "weight_addresses": counted["weight_addresses"],
            "input_words": s.in_bits,
            "buffer_words": word_bits,
            "windows": whole,
            "weight_words": 0 if block else s.weight_bits,
            "memory_steps": (s.memory_steps - 1) * (word_bits + s.weight_bits),
            "gates": g.pe * gates,
            "tree_middles": g.pe * sum(middle_heights(s)) if tree and registers.middle else 0,
            "tree_rows": planes * registers.rows * g.pe * 2 * (a + s.core.weight.bits),
            "tree_sums": planes * registers.sum * g.pe * s.acc_bits,
            "chain_sums": g.pe * packed.chains * packed.field_bits if packed else 0,
            "delays": late * a,
            "accumulators": g.pe * s.acc_bits * (g.sf > 1),
            "thresholds": g.pe * s.acc_bits * (s.steps > 1),
            "searches": s.search.engines * s.acc_bits if s.search else 0,
            "outputs": s.out_bits * s.output_words,
            "padding": int(any(g.padding)),
        }

    @property
    def _core_features(self) -> dict[str, float]:
        """Features of dot products and accumulators."""
        s, g, packed = self.structure, self.structure.geometry, self.structure.core.packing
        a, w = s.core.factors
        lanes = g.pe * g.simd if s.core.kind == "product" else 0
        tree = partial_product_luts(g.simd, a.bits, w.bits) if s.core.kind == "planes" else TreeLuts(0, 0)
        # Expected share of weight bits that are the same in all words of a ROM
        constant = 2.0 ** (1 - g.weight_words) if s.mem_mode == "internal_embedded" else 0
        # Lanes whose activations and weight addresses are delayed
        late = [part.stop - part.start for part in s.weight_parts[2:]]
        return {
            "gates": g.pe * (heap_luts if s.core.heap else dot_luts)(g.simd, a.bits, s.core.digits),
            "tree_counters": g.pe * tree.counters * (1 - constant),
            "tree_sums": g.pe * tree.sums * (1 - constant),
            "constant_trees": g.pe * sum(tree) * constant,
            "multipliers": lanes * a.bits * w.bits,
            "product_sums": lanes * (a.bits + w.bits),
            "chain_sums": g.pe * sum_luts(packed.chains, packed.field_bits) if packed else 0,
            "delays": sum(late) * a.bits + len(late) * address_bits(g.weight_words),
            "accumulators": g.pe * s.acc_bits * (g.sf > 1),
        }

    @property
    def _buffer_features(self) -> dict[str, float]:
        """Features of the unit that holds the live pixels, and of control."""
        s, g, unit = self.structure, self.structure.geometry, self.structure.storage
        padding, nest, bits = Arrivals(g).runs, g.loop_nest, s.core.activation.bits
        word_bits = g.word_channels * bits
        address = 0 if g.parallel_window or unit.words == 1 else address_bits(unit.words)
        loops = [nest.run, nest.inner, nest.outer, g.nf, *(g.ifm_dim if g.parallel_window else g.ofm_dim)]
        loops += [padding.run, padding.runs] if padding.between else []
        loops += [max(g.simd_in, g.word_channels) // min(g.simd_in, g.word_channels)]
        return {
            "control": 1,
            "counters": sum(address_bits(n) for n in loops if n > 1),
            "stepped_addresses": address * (g.kernel != (1, 1) or g.stride != (1, 1)),
            "wrapped_addresses": address * (unit.words != power_of_two(unit.words)),
            "weight_addresses": address_bits(g.weight_words) if g.weight_words > 1 else 0,
            "windows": int(g.parallel_window),
            "window_words": g.simd * bits * (g.sf - 1) / 3 if g.parallel_window else 0,
            "narrowed_words": word_bits * max(0, g.simd_in // g.word_channels - 1) / 3,
            "padded_words": word_bits if padding.between else 0,
            "rams": sum(m.choice_luts for m in s.memories),
        }

    @property
    def _output_features(self) -> dict[str, float]:
        """Features of ROMs, per-channel biases and thresholds."""
        s, g = self.structure, self.structure.geometry
        roms = [*s.weight_memories, *s.searched_memories]
        deep = [m for m in roms if m.words > 64 and not m.table]
        parallel = 0 if s.search or s.sign else g.pe * s.steps
        biases = Memory(g.nf, g.pe * s.acc_bits * s.biased, "distributed")
        return {
            "roms": sum(m.rom_luts for m in roms if m not in deep),
            "deep_roms": sum(m.rom_luts for m in deep),
            "offsets": biases.rom_luts,
            "comparators": parallel * s.acc_bits * (g.nf > 1),
            # Comparisons of one channel with constants share logic
            "constant_comparators": parallel * s.acc_bits / sqrt(s.steps or 1) * (g.nf == 1),
            "comparator_roms": Memory(g.nf, parallel * s.acc_bits, "distributed").rom_luts,
            "comparator_sums": g.pe * sum(compressor_luts((s.steps,), THRESHOLD_COUNTER)) if parallel else 0,
            "searches": s.search.luts(g.pe) if s.search else 0,
            "outputs": s.out_bits * (s.output_words > 1),
        }


def fitted(coefficients: Mapping[str, float], features: Mapping[str, float]) -> int:
    """The sum of features, each times its coefficient."""
    return round(sum(coefficients[name] * value for name, value in features.items()))


def sum_luts(n: int, bits: int) -> int:
    """LUTs of imec_sum for n numbers of `bits` bits: additions, up to three numbers in a step."""
    if n == 1:
        return 0
    groups, rest = divmod(n, 4)
    luts = groups * (3 * bits + 1) + (0, 0, bits, 2 * bits + 1)[rest]
    return luts + sum_luts(ceil(n / 4), bits + (2 if n > 2 else 1))
