"""The clock period that a structure can be expected to reach, and the registers to choose for one.

A model of the longest paths of a netlist mapped to 7-series, speed grade -1, with the delays of
`finn_imec.synthesis.timing`: cells as in Yosys' models, 0.45 + 0.05*log2(fan-out) ns for a wire.
`benchmarks/clock.py` compares it with counted netlists.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from math import ceil, log2

from finn_imec.layer import adders
from finn_imec.layer.compressor import levels, product_heights
from finn_imec.layer.memories import LUT_BUFFER_WORDS, Memory, split_mux_words
from finn_imec.layer.structure import MAX_PIPELINE, REGISTERS, Structure

#: Delays in ns: from the clock to a register's and a block RAM's output, through a LUT, from a LUT's input
#: through the carry chain of an addition, for each bit of it, and to a DSP slice's pre-adder.
REGISTER_NS, BLOCK_RAM_NS, LUT_NS, ADDER_NS, CARRY_NS, PREADDER_NS = 0.3, 2.45, 0.125, 0.75, 0.03, 2.46
#: From a LUT's output through the carry chain of a 7:3 counter.
COUNTER_NS = 0.6
#: How much longer a path may be if it saves registers between counters, at most.
MIDDLE_SLACK = 1.05
#: Most full adders in series before counters, and clocks in ns: a path that they make longer keeps the first
#: of these that it kept before.
MOST_SERIES, KEPT_CLOCKS_NS = 6, (5.0, 20 / 3, 10.0, 20.0)
#: A register's price in LUTs: a slice has two for each.
LUTS_PER_FF = 0.5
#: From the highest input of a carry chain to its output.
CHAIN_END_NS = 0.25
#: The control's longest path with few loads of its enable, and for each doubling of them.
CONTROL_NS, CONTROL_LOAD_NS = 3.75, 0.065
#: From a block RAM of thresholds through the comparison to the next address, in one cycle; with both
#: candidates read at once, but for the bits that are compared.
FAST_SEARCH_NS, BOTH_READ_NS = 6.1, 4.25
#: Through the MUXF7 or MUXF8 of a slice, beyond its LUTs.
MUXF_NS = 0.33
#: Through a RAM64 and a RAM256, and from the control to their address.
RAM64_NS, RAM256_NS, ADDRESS_NS = 0.64, 1.1, 1.82


def wire_ns(fan_out: float = 1) -> float:
    """Delay of a wire to `fan_out` loads."""
    return 0.45 + 0.05 * log2(max(1, fan_out))


def period_ns(structure: Structure) -> tuple[float, str]:
    """The longest path: its ns, and what it leads through, in words."""
    return max((ns, path) for path, ns in _paths(structure).items())


def pipeline_for(structure: Structure, clk_ns: float) -> int:
    """The level of REGISTERS with the fewest flip-flops that reaches this clock, or the fastest.

    Where levels differ in adders in series, the one with the fewest LUTs and flip-flops.
    """
    candidates = [replace(structure, pipeline=level) for level in range(len(REGISTERS))]
    fast = [s for s in candidates if period_ns(s)[0] <= clk_ns]
    if fast:
        return min(fast, key=lambda s: (_registers(s) + _tree_luts(s) / LUTS_PER_FF, s.pipeline)).pipeline
    return min(candidates, key=lambda s: (period_ns(s)[0], s.pipeline)).pipeline


def _paths(structure: Structure) -> dict[str, float]:
    s, core = structure, structure.core
    registers = REGISTERS[s.pipeline]
    level = wire_ns(3) + LUT_NS
    paths = {"control": _control_ns(s)}
    late, multiplexer = _late(s), _multiplexer_ns(s)
    if registers.memory and _in_blocks(s):
        paths["weight memory"] = BLOCK_RAM_NS + multiplexer + wire_ns()
    word = _word_ns(s)
    if core.kind == "planes" or core.heap:
        paths |= _tree_paths(s, series(s))
    elif core.kind == "gates":
        paths["gated additions"] = _additions_ns(s, adder_cuts(s))
    elif core.kind == "shared":
        paths["shared sums"] = _shared_ns(s)
    elif core.kind == "product":
        paths["multipliers"] = word + 12 * level
        if not registers.dot_steps:
            paths["multipliers"] += wire_ns() + LUT_NS + ADDER_NS + CARRY_NS * s.acc_bits
    else:
        paths["weights to DSP slices"] = word + wire_ns() + (PREADDER_NS if late else 1.5)
        if core.packing and core.packing.chains > 2:
            three = 3 * level + ADDER_NS  # imec_add3 in groups of two columns
            fourth = level + ADDER_NS + CARRY_NS * core.packing.field_bits / 2
            paths["sums of chains"] = REGISTER_NS + three + fourth
    for memory in s.buffer_memories:
        if memory.ram_luts:
            address = REGISTER_NS if s.memory_steps == 2 else ADDRESS_NS
            choice = wire_ns(memory.bits) + LUT_NS if s.storage.banked else 0  # of an address of two
            in_parts = s.storage.parted or s.storage.banked
            parts = len(s.buffer_memories) * ceil(memory.words / LUT_BUFFER_WORDS) if in_parts else 0
            paths["line buffer"] = address + choice + _buffer_ns(memory, parts)
    if s.search and s.search.fast:
        rows = s.search.memory.block_rows
        compared = BOTH_READ_NS + CARRY_NS * s.acc_bits if s.search.fast == 2 else FAST_SEARCH_NS
        paths["search of thresholds"] = compared + ceil(log2(rows) / 2) * (wire_ns() + LUT_NS)
    return paths


def _control_ns(structure: Structure) -> float:
    """The longest path of the control."""
    s, g = structure, structure.geometry
    loads = g.pe * s.acc_bits + s.weight_bits + g.word_channels * s.core.activation.bits
    # A gearbox's cycle starts with a read, or without one.
    return CONTROL_NS + CONTROL_LOAD_NS * log2(loads) + g.geared * (wire_ns(3) + LUT_NS)


def _tree_paths(structure: Structure, chain: int) -> dict[str, float]:
    """Paths through a compressor tree behind `chain` full adders in series, and through its addition."""
    s, registers = structure, REGISTERS[structure.pipeline]
    first, rest = _counters_ns(s, chain)[middle_level(s, chain) if registers.middle else -1]
    adder = _adder_ns(s)
    if registers.rows:
        additions = REGISTER_NS + adder + wire_ns(3) + LUT_NS
        return {"products and counters": first, "counters": rest, "additions": additions}
    if registers.middle:
        return {"products and counters": first, "counters and addition": rest + adder}
    return {"products, counters and addition": first + adder}


@lru_cache(1024)
def series(structure: Structure) -> int:
    """Full adders in series at the start of imec_dot_planes, its SERIES; 0 for imec_dot_heap.

    As many as take the fewest LUTs and registers, but the longest path keeps the first of KEPT_CLOCKS_NS
    that it keeps without them. With all registers, it gets no longer, or as long as the control's.
    """
    s = structure
    if s.core.kind != "planes" or s.pairs:
        return 0
    without = max(_tree_paths(s, 0).values())
    kept = next((clock for clock in KEPT_CLOCKS_NS if without <= clock), without)
    most = max(without, _control_ns(s)) if s.pipeline == MAX_PIPELINE else kept

    def cost(chain: int) -> float:
        middle = sum(middle_heights(s, chain)) if REGISTERS[s.pipeline].middle else 0
        return s.core.dot_luts(s.geometry.simd, chain) + LUTS_PER_FF * middle

    chains = [n for n in range(2, MOST_SERIES + 1) if max(_tree_paths(s, n).values()) <= most]
    return min((0, *chains), key=cost)


def _tree_luts(structure: Structure) -> int:
    """LUTs that depend on the level."""
    g, core = structure.geometry, structure.core
    return g.pe * core.dot_luts(g.simd, series(structure)) if core.kind == "planes" else 0


def _in_blocks(structure: Structure) -> bool:
    """True if weights or buffer are in block RAM."""
    unit = structure.storage
    if unit.channels and unit.style != "distributed":
        return True
    return any(memory.style != "distributed" for memory in structure.weight_memories)


def _late(structure: Structure) -> bool:
    """True if words come from block RAM without its output register."""
    return _in_blocks(structure) and not REGISTERS[structure.pipeline].memory


def _multiplexer_ns(structure: Structure) -> float:
    """Through the multiplexer behind the weights' block RAMs."""
    words = structure.geometry.weight_words
    banks, deep = ceil(words / structure.rom_bank), split_mux_words(words)
    chosen = {"paired": 2, "banked": banks, "split": deep}.get(structure.rom_layout, 1)
    return ceil(log2(chosen) / 4) * (wire_ns() + LUT_NS) + (MUXF_NS if chosen > 4 else 0)


@lru_cache(1024)
def _word_ns(structure: Structure) -> float:
    """From the clock to a word of weights."""
    word = BLOCK_RAM_NS + _multiplexer_ns(structure) if _late(structure) else REGISTER_NS
    return word + structure.rom_trits * (wire_ns() + LUT_NS)


def _heights(structure: Structure, chain: int) -> tuple[int, ...]:
    """Column heights of a dot product's compressor tree, behind `chain` full adders in series."""
    core, simd = structure.core, structure.geometry.simd
    a, w = core.factors
    if core.heap:
        return adders.heap_heights(simd, a.bits, core.digits)
    return product_heights(simd, a.bits, w.bits, chain)


def middle_level(structure: Structure, chain: int | None = None) -> int:
    """How many levels of counters are before imec_dot_heap's register between them.

    Of the places whose longest path is within MIDDLE_SLACK of the shortest, the one with the fewest bits.
    chain: full adders in series, by default as chosen.
    """
    chain = series(structure) if chain is None else chain
    heights = _heights(structure, chain)
    adder = 0.0 if REGISTERS[structure.pipeline].rows else _adder_ns(structure)

    paths = [max(first, rest + adder) for first, rest in _counters_ns(structure, chain)]
    near = [before for before, ns in enumerate(paths) if ns <= MIDDLE_SLACK * min(paths)]
    return min(near, key=lambda before: sum(_heights_at(heights, before)))


def middle_heights(structure: Structure, chain: int | None = None) -> tuple[int, ...]:
    """Column heights at that register."""
    chain = series(structure) if chain is None else chain
    return _heights_at(_heights(structure, chain), middle_level(structure, chain))


def middle_bits(structure: Structure) -> int:
    """Most bits of a column at that register, imec_dot_heap's MIDDLE."""
    return max(middle_heights(structure))


def _adder_ns(structure: Structure) -> float:
    """From the rows of a compressor tree to the register behind their addition, or to the accumulator."""
    addition = wire_ns() + LUT_NS + ADDER_NS + CARRY_NS * structure.acc_bits
    return addition * (1 if REGISTERS[structure.pipeline].sum else 1.8)


def _heights_at(heights: tuple[int, ...], level: int) -> tuple[int, ...]:
    """Column heights of a compressor tree behind this many levels of counters."""
    return levels(heights)[level - 1].heights if level else heights


def _counters_ns(structure: Structure, chain: int) -> list[tuple[float, float]]:
    """The paths up to a register behind 0, 1, .. and all levels of counters, and through the others."""
    s, g, core = structure, structure.geometry, structure.core
    a, w = core.factors
    delays = [wire_ns(3) + LUT_NS + COUNTER_NS * (level.largest > 0) for level in levels(_heights(s, chain))]
    loads = 2 * g.pe * (a.bits if core.heap else w.bits)
    products = _word_ns(s) + wire_ns(loads) + LUT_NS + core.heap * (wire_ns() + ADDER_NS)
    products += max(0, chain - 1) * (wire_ns() + LUT_NS)
    return [(products + sum(delays[:n]), REGISTER_NS + sum(delays[n:])) for n in range(len(delays) + 1)]


def adder_cuts(structure: Structure) -> tuple[int, ...]:
    """Where imec_dot_gates has its registers, as how many levels follow each.

    Level 1, for slow clocks, has the place with the fewest bits. Others have those with the shortest longest
    path and, of these, with the fewest bits. There are as many as dot_steps, or one after each level if these
    are fewer.
    """
    s, g, core = structure, structure.geometry, structure.core
    bits = core.activation.bits
    places = range(len(adders.levels(g.simd, bits, core.digits)) + 1)
    number = min(REGISTERS[s.pipeline].dot_steps, len(places))

    def cost(cuts: tuple[int, ...]) -> tuple[float, float]:
        ns, width = round(_additions_ns(s, cuts), 1), adders.cut_bits(g.simd, bits, core.digits, cuts)
        return (width, ns) if s.pipeline == 1 else (ns, width)

    return min(combinations(places, number), key=cost)


def _additions_ns(structure: Structure, cuts: Collection[int]) -> float:
    """The longest path in imec_dot_gates with these registers and the accumulators."""
    s, g, core = structure, structure.geometry, structure.core
    bits = core.activation.bits
    paths = [_word_ns(s) + wire_ns(2 * g.pe * bits) + LUT_NS + ADDER_NS + CARRY_NS * bits]
    if g.simd > 1 and g.simd % 2:  # a third lane is added behind a pair
        paths[0] += wire_ns() + LUT_NS + ADDER_NS + CARRY_NS
    tree = adders.levels(g.simd, bits, core.digits)
    for follow, level in zip(range(len(tree), 0, -1), tree, strict=True):
        if follow in cuts:
            paths.append(REGISTER_NS)
        chain = ADDER_NS if level.in_series == 1 else CHAIN_END_NS
        paths[-1] += level.in_series * (wire_ns(2) + LUT_NS) + wire_ns(2) + chain
    if 0 in cuts:
        paths.append(REGISTER_NS)
    paths[-1] += wire_ns() + LUT_NS + ADDER_NS + CARRY_NS * s.acc_bits
    return max(paths)


def _shared_ns(structure: Structure) -> float:
    """The longest path in imec_dot_shared and the accumulators."""
    s, g, core = structure, structure.geometry, structure.core
    steps = REGISTERS[s.pipeline].dot_steps
    addition = wire_ns(2) + LUT_NS + ADDER_NS
    choice = wire_ns(g.pe) + LUT_NS + (MUXF_NS if g.simd > 3 else 0)
    paths = [_word_ns(s)]
    if steps > 2:
        paths.append(REGISTER_NS)
    paths[-1] += (g.simd - 1) * (addition + CARRY_NS) + CARRY_NS * core.summed_bits
    if steps > 0:
        paths.append(REGISTER_NS)
    paths[-1] += choice
    if steps > 1:
        paths.append(REGISTER_NS)
    paths[-1] += wire_ns(s.acc_bits) + LUT_NS + ADDER_NS + CARRY_NS * s.acc_bits
    return max(paths)


def _buffer_ns(memory: Memory, parts: int) -> float:
    """From the address of a memory in LUTs to its word: a RAM256X1S, or a multiplexer of banks.

    parts: those of the line buffer that are RAM256X1S, of one bank or two; 0 if it is in no parts.
    """
    if parts:
        return wire_ns(memory.ram_luts) + RAM256_NS + ceil(log2(parts) / 2) * (wire_ns() + LUT_NS)
    whole = memory.words <= 64 or (memory.ports == 1 and memory.words <= 256)
    banks = 1 if whole else ceil(memory.words / 64)
    ram = RAM64_NS if memory.words <= 64 or banks > 1 else RAM256_NS
    return wire_ns(memory.ram_luts) + ram + ceil(log2(banks) / 2) * (wire_ns() + LUT_NS)


def _registers(structure: Structure) -> float:
    """Flip-flops that depend on the level."""
    s, g, core = structure, structure.geometry, structure.core
    registers = REGISTERS[s.pipeline]
    bits = 0.0
    if s.memory_steps == 2:
        in_block = all(memory.style != "distributed" for memory in s.weight_memories)
        # A block RAM's own register costs nothing, one behind a multiplexer does.
        behind = {"paired": 0.5, "banked": 1, "split": 1}.get(s.rom_layout, 0)
        stored = s.block_bits[0] if s.rom_trits else s.weight_bits
        bits += stored * behind if in_block else 8
        if any(memory.style == "distributed" for memory in s.buffer_memories):
            bits += g.word_channels * core.activation.bits
    if core.kind == "planes" or core.heap:
        chain = series(s)
        heights = _heights(s, chain)
        middle = sum(middle_heights(s, chain)) if registers.middle else 0
        sum_bits = sum(height << column for column, height in enumerate(heights)).bit_length()
        bits += g.pe * (sum_bits * (2 * registers.rows + registers.sum) + middle)
    elif core.kind == "gates":
        bits += g.pe * adders.cut_bits(g.simd, core.activation.bits, core.digits, adder_cuts(s))
    elif core.kind == "shared":
        a_bits, steps = core.activation.bits, registers.dot_steps
        bits += adders.shared_registers(g.simd, a_bits, core.summed_bits, g.pe, steps)
    return bits
