"""Resource estimates of IMECConv: blocks from its structure, LUTs and flip-flops fitted to Yosys' counts.

`finn-imec compare` measures; this module predicts, for FINN's estimate reports and to compare foldings. What
the RTL instantiates is counted from the layer's structure: dot products, accumulators, memories, tables, the
gearbox. The rest, which synthesis maps, is `Estimate.features` times LUT_COEFFICIENTS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, gcd, sqrt

from finn_imec.layer.adders import (
    cut_bits,
    heap_heights,
    shared_luts,
    shared_registers,
)
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.clock import LUTS_PER_FF, adder_cuts, middle_heights, series
from finn_imec.layer.compressor import (
    HEAP_SUM_MIDDLE,
    MOST_ADDED,
    THRESHOLD_COUNTER,
    compressor_luts,
    levels,
    product_heights,
)
from finn_imec.layer.gearbox import gearbox_ffs, gearbox_luts
from finn_imec.layer.memories import (
    HALVED,
    LUTS_PER_RAMB18,
    MOST_TABLE_WORDS,
    Memory,
    address_bits,
    mux_luts,
    power_of_two,
    split_mux_luts,
    trit_luts,
)
from finn_imec.layer.structure import REGISTERS, Structure
from finn_imec.layer.window import WindowUnit

#: Mean error of each estimate on layers that its fit did not see (`python benchmarks/estimates.py fit`).
MEAN_ERROR: Mapping[str, float] = {"lut": 0.033, "ff": 0.02}
#: LUTs per unit of each of `Estimate.features`, fitted by benchmarks/estimates.py. Over 216 layers, a fifth
#: of them held out of the fit at a time, the error is 3.3% on average, 1.8% in the median and at most 8.4%
#: for nine layers in ten.
LUT_COEFFICIENTS: Mapping[str, float] = {
    "control": 2.204,
    "counters": 1.491,
    "counter_ends": 3.639,
    "stepped_addresses": 0.765,
    "wrapped_addresses": 0.590,
    "running_addresses": 0.929,
    "shared_ports": 1.130,
    "owed_words": 1.177,
    "weight_addresses": 1.081,
    "mirrored_addresses": 0.904,
    "delays": 0.632,
    "windows": 1.097,
    "window_words": 2.070,
    "narrowed_words": 0.571,
    "padding_counters": 1.293,
    "padded_words": 1.151,
    "rams": 1.141,
    "ram_rows": 1.191,
    "start_values": 0.724,
    "few_start_values": 0.394,
    "outputs": 1.071,
    "searches": 1.101,
    "search_comparators": 0.695,
    "search_pairs": 1.280,
    "search_channels": 1.247,
    "search_counts": 1.943,
    "stages": 0.695,
    "comparators": 1.000,
    "constant_comparators": 1.000,
    "comparator_roms": 1.000,
    "comparator_sums": 1.000,
}
#: Flip-flops per unit of each of `Estimate.ff_features`, fitted the same way. The error is 2.0% on average,
#: 1.2% in the median and at most 4.5% for nine layers in ten.
FF_COEFFICIENTS: Mapping[str, float] = {
    "control": 1.585,
    "counters": 0.998,
    "counter_ends": 1.890,
    "addresses": 1.039,
    "owed_words": 1.664,
    "weight_addresses": 1.391,
    "valid_steps": 1.225,
    "padding_counters": 1.174,
    "buffer_words": 1.032,
    "memory_steps": 0.880,
    "windows": 1.059,
    "weights": 0.981,
    "late_weights": 0.981,
    "streamed_weights": 2.028,
    "gates": 1.017,
    "tree_middles": 1.024,
    "tree_rows": 0.996,
    "tree_sums": 0.981,
    "products": 1.000,
    "chain_sums": 1.018,
    "searches": 0.963,
    "searched_words": 1.015,
    "search_counts": 0.844,
    "search_channels": 0.859,
    "search_reads": 0.848,
    "earlier_counts": 1.020,
    "stages": 1.144,
    "comparators": 1.000,
    "outputs": 0.979,
}
#: Resources of an estimate, by their names in a build's report; memory: LUTs used as memory.
RESOURCES = ("lut", "ff", "memory", "bram18", "uram", "dsp")
#: Words up to which synthesis finds bits of a ROM in common, and merges it with what reads it.
SMALL_TABLE = 16
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
        return self.counted_luts + fitted(LUT_COEFFICIENTS, self.features)

    @property
    def counted_luts(self) -> int:
        """LUT sites that need no coefficient: the core, memories, tables, the gearbox."""
        gearbox = gearbox_luts(self.structure.geometry, self.structure.core.activation.bits)
        return self.core_luts + self.memory_luts + self.table_luts + gearbox

    @property
    def core_luts(self) -> int:
        """LUT sites of dot products and accumulators, as imec_mac has them."""
        g, core, packed = self.structure.geometry, self.structure.core, self.structure.core.packing
        a, _ = core.factors
        if packed:
            dot = chain_luts(packed.chains, packed.field_bits)
        elif core.shared:
            return shared_luts(g.simd, core.summed_bits, g.pe) + g.pe * self.structure.acc_bits
        elif self.structure.pairs:
            dot = 2 * (a.bits + 1)
        else:
            dot = core.dot_luts(g.simd, series(self.structure))
            if core.heap and g.simd == 1:  # the addition merges with the accumulator's
                dot -= compressor_luts(heap_heights(1, a.bits, core.digits)).sums
        return g.pe * (dot + self.structure.acc_bits)

    @property
    def table_luts(self) -> int:
        """LUT sites of ROMs in LUTs. Tables of thresholds up to SMALL_TABLE merge with their comparators."""
        searched = [memory for memory in self._threshold_tables if memory.words > SMALL_TABLE]
        return round(sum(memory.rom_luts for memory in (*self.structure.weight_memories, *searched)))

    @property
    def memory_luts(self) -> int:
        """LUT sites of writable memories, and of multiplexers of imec_rom."""
        s = self.structure
        words, weights = s.geometry.weight_words, s.geometry.pe * s.geometry.simd
        if s.rom_trits:
            return s.block_bits[0] * split_mux_luts(words) + trit_luts(weights) + self.ram_luts
        banks = ceil(words / s.rom_bank)
        choices = {"paired": 1 / 2, "banked": mux_luts(banks)}.get(s.rom_layout, 0)
        return ceil(s.weight_bits * choices) + self.ram_luts

    @property
    def ram_luts(self) -> int:
        """LUT sites used as memory."""
        return sum(memory.ram_luts for memory in self.structure.memories)

    @property
    def ffs(self) -> int:
        """Flip-flops."""
        return self.counted_ffs + fitted(FF_COEFFICIENTS, self.ff_features)

    @property
    def counted_ffs(self) -> int:
        """Flip-flops that need no coefficient: input words, widened ones, accumulators, the gearbox."""
        s, g, bits = self.structure, self.structure.geometry, self.structure.core.activation.bits
        widened = (g.word_channels - gcd(g.simd_in, g.word_channels)) * bits
        return s.in_bits + widened + g.pe * s.acc_bits + gearbox_ffs(g, bits, s.memory_steps)

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

    # ---- what synthesis maps --------------------------------------------------------------------

    @property
    def features(self) -> dict[str, float]:
        """Uses of all other LUTs, in units of LUT_COEFFICIENTS."""
        s, g, unit = self.structure, self.structure.geometry, self.structure.storage
        bits, line = s.core.activation.bits, not g.parallel_window
        padding, steps = Arrivals(g).runs.between > 0, not self._single_step
        common = gcd(g.simd_in, g.word_channels)
        address, wrapped = self._address_bits, unit.words != power_of_two(unit.words)
        # Lanes whose activations, weight addresses and streamed weights are delayed by shift registers
        late = [part.stop - part.start for part in s.core.weight_parts(g.simd)[2:]]
        late_bits = bits + (g.pe * s.core.weight.bits if s.mem_mode == "external" else 0)
        starts = g.pe * s.acc_bits * s.biased
        ram_rows = [_ram_rows(memory) for memory in s.buffer_memories]
        return {
            "control": 1,
            "counters": sum(self._counters),
            "counter_ends": len(self._counters),
            "stepped_addresses": address * steps,
            "wrapped_addresses": address * (steps and wrapped),
            "running_addresses": address * (not steps),
            "shared_ports": address * (2 if unit.banked else line and not unit.dual_port),
            "owed_words": self._debt_bits,
            "weight_addresses": self._weight_address_bits,
            "mirrored_addresses": self._weight_address_bits * (s.rom_layout in HALVED) * len(s.weight_parts),
            "delays": sum(late) * late_bits + len(late) * self._weight_address_bits,
            "windows": int(not line),
            "window_words": 0 if line else g.simd * bits * (g.sf - 1) / 3,
            "narrowed_words": common * bits * (g.simd_in // common - 1) / 3,
            "padding_counters": self._padding_bits,
            "padded_words": g.word_channels * bits * padding,
            "rams": self._ram_choices,
            "ram_rows": len(s.buffer_memories) if unit.parted else sum(rows for rows in ram_rows if rows > 1),
            # Up to eight start values merge with the multiplexer before the accumulator
            "start_values": starts * ceil(g.nf / 64) * (g.nf > SMALL_TABLE),
            "few_start_values": starts * (8 < g.nf <= SMALL_TABLE),
            "outputs": s.out_bits * (s.output_words > 1),
            **self._activation_features,
        }

    @property
    def _ram_choices(self) -> int:
        """LUTs that choose between memories, or between rows of one."""
        s, parts = self.structure, self.structure.buffer_memories
        joined = parts[0].bits * ceil((len(parts) - 1) / 3) if s.storage.parted else 0
        counted = len(s.weight_memories) if s.rom_trits else 0  # by memory_luts
        return joined + sum(memory.choice_luts for memory in s.memories[counted:])

    @property
    def _activation_features(self) -> dict[str, float]:
        """Features of thresholds."""
        s, g, search = self.structure, self.structure.geometry, self.structure.search
        engines = search.engines if search and not search.staged else 0
        compared = engines * s.acc_bits
        choices = mux_luts(g.pe // engines) if engines else 0
        parallel = 0 if search or s.sign else g.pe * s.steps
        # Of two thresholds read at once, or of a table in several slices: a subtraction behind a multiplexer
        chosen = search and (
            search.fast == 2 or (search.memory.table and search.memory.words > MOST_TABLE_WORDS)
        )
        return {
            "searches": int(engines > 0),
            "search_comparators": compared * (not chosen),
            "search_pairs": compared * bool(chosen),
            "search_channels": compared * choices,
            "search_counts": engines * s.count_bits,
            "stages": g.pe * s.count_bits * s.acc_bits if search and search.staged else 0,
            "comparators": parallel * s.acc_bits * (g.nf > 1),
            # Comparisons of one channel with constants share logic
            "constant_comparators": parallel * s.acc_bits / sqrt(s.steps or 1) * (g.nf == 1),
            "comparator_roms": Memory(g.nf, parallel * s.acc_bits, "distributed").rom_luts,
            "comparator_sums": g.pe * sum(compressor_luts((s.steps,), THRESHOLD_COUNTER)) if parallel else 0,
        }

    @property
    def ff_features(self) -> dict[str, float]:
        """Uses of flip-flops besides `counted_ffs`, in units of FF_COEFFICIENTS."""
        s, g, unit = self.structure, self.structure.geometry, self.structure.storage
        core, packed, search, registers = s.core, s.core.packing, s.search, REGISTERS[s.pipeline]
        a, line, more = core.activation.bits, not g.parallel_window, s.memory_steps - 1
        word, address = (g.word_channels if line else g.simd) * a, self._address_bits
        in_luts = s.rom_style == "distributed"
        early = 2 * address + 1 if unit.style == "distributed" and unit.words > 1 else 0
        held = 2 if unit.words == 1 else int(unit.style == "distributed")
        engines = search.engines if search and not search.staged else 0
        paused = engines * s.acc_bits * bool(search and search.read and not search.fast)
        external = s.mem_mode == "external"
        return {
            "control": 1,
            "counters": sum(self._counters),
            "counter_ends": len(self._counters),
            "addresses": 3 * address + (address > 0 and unit.words != power_of_two(unit.words)),
            "owed_words": self._debt_bits,
            "weight_addresses": self._weight_address_bits * len(s.weight_parts),
            "valid_steps": s.memory_steps + self._dot_steps,
            "padding_counters": self._padding_bits,
            "buffer_words": word * (held if line else 1),
            "memory_steps": more * (word + line * early),
            "windows": 0 if line else self._window_bits,
            "weights": sum(map(different_bits, s.weight_memories)),
            "late_weights": more * (self._weight_address_bits if in_luts else s.weight_bits) * (not external),
            "streamed_weights": s.weight_bits * s.memory_steps * external,
            "gates": self._cut_bits,
            "tree_middles": g.pe * sum(middle_heights(s)) * registers.middle if self._tree else 0,
            "tree_rows": g.pe * sum(self._tree_rows) * registers.rows,
            "tree_sums": g.pe * self._sum_bits * registers.sum if self._tree else 0,
            "products": g.pe * s.acc_bits * self._dot_steps * (core.kind == "product"),
            "chain_sums": g.pe * chain_ffs(packed.chains, packed.field_bits) if packed else 0,
            "searches": int(engines > 0),
            "searched_words": g.pe * s.acc_bits + _bits(g.nf) if engines else 0,
            "search_counts": (engines + 1) * s.count_bits if engines else 0,
            "search_channels": paused if g.pe > engines else 0,
            "search_reads": paused if search and search.read == 2 else 0,
            "earlier_counts": (g.pe - engines) * s.count_bits if engines else 0,
            "stages": self._stage_bits if search and search.staged else 0,
            "comparators": 0 if search or s.sign else g.pe * s.steps,
            "outputs": s.out_bits * s.output_words,
        }

    # ---- parts ----------------------------------------------------------------------------------

    @cached_property
    def _counters(self) -> list[int]:
        """Bits of each imec_counter of more than one step."""
        s, g, nest = self.structure, self.structure.geometry, self.structure.geometry.loop_nest
        column, row, frame = g.advance_words
        steps = [nest.run, nest.inner, nest.outer, g.nf]
        if g.parallel_window:
            steps += g.ifm_dim
        else:  # of windows that advance alike, none counts
            steps += [g.ofm_dim[1] * (not column == row == frame), g.ofm_dim[0] * (row != frame)]
        steps.append(g.nf * (s.biased or s.steps > 1))  # of the output
        common = gcd(g.simd_in, g.word_channels)
        steps += [g.simd_in // common, g.word_channels // common]
        return [_bits(n) for n in steps if n > 1]

    @property
    def _single_step(self) -> bool:
        """True if the line buffer's address only ever steps by one."""
        g = self.structure.geometry
        return len(set(g.advance_words)) == 1 and g.loop_nest.inner == g.loop_nest.outer == 1

    @property
    def _address_bits(self) -> int:
        """Bits of an address of the line buffer; 0 without one."""
        return 0 if self.structure.geometry.parallel_window else _bits(self.structure.storage.words)

    @property
    def _debt_bits(self) -> int:
        """imec_sequencer's DEBT_BITS; 0 without it."""
        g, words = self.structure.geometry, self.structure.storage.words
        if g.parallel_window or not words:
            return 0
        return 1 + max(words, *g.advance_words).bit_length()

    @property
    def _weight_address_bits(self) -> int:
        """Bits of an address of the ROM; 0 without one."""
        s = self.structure
        return 0 if s.mem_mode == "external" else _bits(s.geometry.weight_words)

    @property
    def _padding_bits(self) -> int:
        """Bits of imec_pad's counters."""
        runs = Arrivals(self.structure.geometry).runs
        return 1 + _bits(max(runs.run, runs.between)) + _bits(runs.runs) if runs.between else 0

    @property
    def _window_bits(self) -> int:
        """Bits of imec_window's registers: the chain without its newest column, a window while it is read."""
        g = self.structure.geometry
        (kh, kw), dw = g.kernel, g.dilation[1]
        pixels = kh * ((kw - 1) * dw + kw * (g.sf > 1))
        return pixels * g.ifm_channels * self.structure.core.activation.bits

    @property
    def _tree(self) -> bool:
        """True if a compressor tree adds up the dot products."""
        core = self.structure.core
        return not core.packing and not self.structure.pairs and (core.kind == "planes" or core.heap)

    @property
    def _tree_rows(self) -> tuple[int, ...]:
        """Heights of the columns that a compressor tree's last addition has; empty without one."""
        g, core = self.structure.geometry, self.structure.core
        a, w = core.factors
        if not self._tree:
            return ()
        if core.heap:
            heights = heap_heights(g.simd, a.bits, core.digits)
        else:
            heights = product_heights(g.simd, a.bits, w.bits, series(self.structure))
        tree = levels(heights)
        return tree[-1].heights if tree else heights

    @property
    def _sum_bits(self) -> int:
        """Bits of a dot product of a compressor tree."""
        g, (a, w) = self.structure.geometry, self.structure.core.factors
        return min(self.structure.acc_bits, a.bits + w.bits + (g.simd - 1).bit_length())

    @property
    def _cut_bits(self) -> int:
        """Bits of the registers in additions."""
        s, g, core = self.structure, self.structure.geometry, self.structure.core
        if core.shared:
            steps = REGISTERS[s.pipeline].dot_steps
            return shared_registers(g.simd, core.activation.bits, core.summed_bits, g.pe, steps)
        if s.pairs:
            steps = REGISTERS[s.pipeline].dot_steps
            steps *= steps < 3  # three in a row are shift registers in LUTs
            return g.pe * 2 * (core.activation.bits + 2) * steps
        if core.kind != "gates" or core.heap:
            return 0
        return g.pe * cut_bits(g.simd, core.activation.bits, core.digits, adder_cuts(s))

    @property
    def _dot_steps(self) -> int:
        """Registers in the dot products."""
        s, packed = self.structure, self.structure.core.packing
        return packed.steps(s.geometry.simd) if packed else REGISTERS[s.pipeline].dot_steps

    @property
    def _stage_bits(self) -> int:
        """Registers of imec_threshold_stages: results, folds and the bits decided, of each stage."""
        s, g, stages = self.structure, self.structure.geometry, self.structure.count_bits
        return (stages - 1) * (g.pe * s.acc_bits + _bits(g.nf)) + g.pe * stages * (stages + 1) // 2

    @property
    def _threshold_tables(self) -> list[Memory]:
        """ROMs of searched thresholds; those of imec_threshold_stages stage by stage."""
        s, g = self.structure, self.structure.geometry
        if not (s.search and s.search.staged):
            return s.searched_memories
        words = [g.nf << stage for stage in range(s.count_bits)] * g.pe
        return [Memory(n, s.acc_bits, "distributed", 0, table=True) for n in words]


def _bits(n: int) -> int:
    """Bits that count `n` steps; 0 for one."""
    return address_bits(n) if n > 1 else 0


def _ram_rows(memory: Memory) -> int:
    """Rows of LUT RAM of which a write chooses one; 0 for none."""
    return ceil(memory.words / (256 if memory.ports == 1 else 64)) if memory.ram_luts else 0


def different_bits(memory: Memory) -> float:
    """Output registers of a ROM in LUTs: of few words, some bits equal others."""
    if memory.style != "distributed" or memory.words == 1:
        return 0
    return min(memory.bits, memory.rom_luts) if memory.words <= SMALL_TABLE else memory.bits


def fitted(coefficients: Mapping[str, float], features: Mapping[str, float]) -> int:
    """The sum of features, each times its coefficient."""
    return round(sum(coefficients[name] * value for name, value in features.items()))


def chain_luts(chains: int, bits: int) -> int:
    """LUTs of the sum of imec_dot_dsp's chains."""
    return sum(compressor_luts((chains,) * bits)) if chains > MOST_ADDED else sum_luts(chains, bits)


def chain_ffs(chains: int, bits: int) -> int:
    """Flip-flops of the sum of imec_dot_dsp's chains."""
    if chains <= MOST_ADDED:
        return sum_ffs(chains, bits)
    sum_bits = (chains - 1).bit_length()
    steps = (sum_bits + 1) // 2
    rows = steps > 2
    heights = (chains,) * bits
    tree = [level.heights for level in levels(heights)]
    middle = next(after for after in (heights, *tree) if max(after) <= HEAP_SUM_MIDDLE[rows])
    return sum(middle) + rows * sum(tree[-1]) + (steps - 1 - rows) * (bits + sum_bits)


def sum_luts(n: int, bits: int) -> int:
    """LUTs of imec_sum for n numbers of `bits` bits: additions, of which imec_add3 makes two at once."""
    if n == 1:
        return 0
    groups, rest = divmod(n, 4)
    three = bits + (bits - 1) // 2  # with a LUT between two columns and the next two
    luts = groups * (three + bits) + (0, 0, bits, three)[rest]
    return luts + sum_luts(ceil(n / 4), bits + (2 if n > 2 else 1))


def sum_ffs(n: int, bits: int) -> int:
    """Flip-flops of imec_sum for n numbers of `bits` bits: a register behind each four of them."""
    if n == 1:
        return 0
    groups, more = ceil(n / 4), 2 if n > 2 else 1
    return groups * (bits + more) + sum_ffs(groups, bits + more)
