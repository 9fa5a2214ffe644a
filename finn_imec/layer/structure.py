"""The structure of an IMECConv: every choice that RTL, HLS and estimates share, without tensors.

A `Structure` follows from the geometry, the number formats and a few facts about the values: the packing of
DSP slices (in its `Core`), the accumulator width, and whether there are per-channel biases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

from finn_imec.layer.core import DEFAULT_DSP_BLOCK, Core, Operand
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.memories import (
    AUTO_ROM_WORDS,
    HALVED,
    LUTS_PER_RAMB18,
    MEM_MODES,
    MOST_SEARCHED_WORDS,
    MOST_TABLE_BITS,
    MOST_TABLE_WORDS,
    RAM_STYLES,
    RAMB18,
    Memory,
    banked,
    finn_threshold_blocks,
    kept_words,
    power_of_two,
    resolved_style,
    rom_bank_words,
    rom_layout,
    rom_spill,
    spilled_widths,
    split,
    ternary_split,
    trit_bits,
)
from finn_imec.layer.storage import PIPELINE_STAGES
from finn_imec.layer.through import Through
from finn_imec.layer.units import storage
from finn_imec.layer.window import WindowUnit
from finn_imec.util.errors import UnsupportedError


class Registers(NamedTuple):
    """Where the pipelining of a level puts registers, see imec_rom, imec_dot_heap and imec_dot_gates."""

    memory: bool  # behind block RAM
    middle: bool  # between counters of a dot product in LUTs
    rows: bool  # before its last addition
    sum: bool  # behind it

    @property
    def dot_steps(self) -> int:
        """Registers in a dot product in LUTs."""
        return self.middle + self.rows + self.sum


#: The pipelining levels, imec_dot_heap's PIPELINE.
REGISTERS = (
    Registers(False, False, False, False),
    Registers(False, False, False, True),
    Registers(False, True, False, True),
    Registers(True, False, True, False),
    Registers(True, True, True, False),
    Registers(True, True, True, True),
)
#: Block RAMs that searched thresholds may take beyond FINN's: other layers of a network save more.
MORE_BLOCKS = 4
#: Most pipelining, see Structure.pipeline.
MAX_PIPELINE = len(REGISTERS) - 1


@dataclass(frozen=True)
class Search:
    """imec_threshold_search of one layer.

    engines: each has `memory` and searches the thresholds of PE/engines channels. read: cycles from address
    to threshold, 0 for a table. fast: ports of block RAM by which a step takes one cycle, 2 for a faster
    clock; 0: it takes more. cycles: from a result's arrival to its output, one less than from result to
    result. staged: imec_threshold_stages instead, which takes a result a cycle; an engine for each PE then
    has a comparator for each bit of the count. top: bits of a threshold above those of `memory`, for which
    it would take one block RAM more: each engine has them in a table in LUTs.
    """

    engines: int
    memory: Memory
    read: int
    fast: int
    cycles: int
    staged: bool = False
    top: int = 0

    def luts(self, pe: int) -> int:
        """About how many LUTs it takes besides its memories."""
        if self.staged:
            return pe * self.cycles * self.memory.bits
        each = pe // self.engines
        return self.engines * (self.memory.bits * (1 + ceil((each - 1) / 3)) + 6)

    def cost(self, pe: int) -> float:
        """About how many LUTs it takes, block RAM included."""
        memories = self.memories
        luts = sum(memory.rom_luts + LUTS_PER_RAMB18 * memory.bram18 for memory in memories)
        return self.luts(pe) + self.engines * luts

    @property
    def memories(self) -> list[Memory]:
        """Those of an engine: the table of the top bits behind its block RAM."""
        tops = [Memory(self.memory.words, self.top, "distributed", 0, table=True)] if self.top else []
        return [self.memory, *tops]


@dataclass(frozen=True)
class Structure:
    """The structure of one IMECConv.

    acc_bits, output_bits: width of an accumulator and of an output element. steps: thresholds per channel, 0
    for none. biased: accumulators start from a per-channel value. pipeline: for how fast a clock, 0 to
    MAX_PIPELINE, an index of REGISTERS. mem_mode: where the weights
    are, one of MEM_MODES. ram_style, ram_style_thresholds: memory type of the weights and of searched
    thresholds, each one of RAM_STYLES.

    Raises UnsupportedError naming the attribute and what is accepted.
    """

    geometry: ConvGeometry
    core: Core
    acc_bits: int
    output_bits: int
    steps: int = 0
    biased: bool = False
    pipeline: int = 0
    mem_mode: str = "internal_embedded"
    ram_style: str = "auto"
    ram_style_thresholds: str = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.pipeline <= MAX_PIPELINE:
            raise UnsupportedError(f"pipeline={self.pipeline}: accepted are 0 to {MAX_PIPELINE}")
        for name, accepted in (
            ("mem_mode", MEM_MODES),
            ("ram_style", RAM_STYLES),
            ("ram_style_thresholds", RAM_STYLES),
        ):
            if getattr(self, name) not in accepted:
                raise UnsupportedError(f"{name}={getattr(self, name)!r}: accepted are {', '.join(accepted)}")
        wanted = {"internal_embedded": False, "external": True}.get(self.mem_mode)
        if wanted not in (None, self.core.runtime_weights):
            raise UnsupportedError(
                f"mem_mode={self.mem_mode}: accepted is a Datapath with runtime_weights={wanted}"
            )

    @staticmethod
    def of_any_weights(
        geometry: ConvGeometry,
        activation: Operand,
        weight: Operand,
        acc_bits: int,
        output_bits: int,
        steps: int = 0,
        runtime_weights: bool = False,
        res_type: str = "auto",
        dsp_block: str = DEFAULT_DSP_BLOCK,
        **others: Any,
    ) -> Structure:
        """The structure for all weights of the operand, from a node's attributes alone.

        others: pipeline, mem_mode, ram_style, ram_style_thresholds.
        """
        core = Core.of(
            geometry, activation, weight, res_type, runtime_weights,
            dsp_block=dsp_block, thresholds=steps > 0, sign=steps == 1,
        )  # fmt: skip
        biased = steps == 1 or (steps == 0 and core.channel_offsets)
        return Structure(geometry, core, acc_bits, output_bits, steps, biased, **others)

    @property
    def storage(self) -> LineBuffer | WindowUnit | Through:
        """The unit that holds the live pixels."""
        return storage(self.geometry)

    @property
    def pairs(self) -> bool:
        """True if products and accumulators are imec_pairs.sv: of one lane and weights of four bits."""
        core = self.core
        a, w = core.factors
        plain = core.kind == "planes" and not (a.bipolar or w.bipolar or core.widen)
        return self.geometry.depthwise and plain and w.bits == 4 and a.bits > 1 and not self.biased

    # ---- activation ---------------------------------------------------------------------------

    @property
    def count_bits(self) -> int:
        """Bits of the number of thresholds reached, 0..steps."""
        return self.steps.bit_length()

    @property
    def sign(self) -> bool:
        """True if accumulators start from their single threshold's negative, and their sign is the output."""
        return self.steps == 1

    @cached_property
    def search(self) -> Search | None:
        """The cheapest search of the thresholds that a fold leaves time for, else a pipelined one.

        Where weights are in LUTs, it takes hardly more block RAM than FINN's Thresholding_rtl if one does;
        that of a depthwise layer takes none where weights are in block RAM, if one does.

        None for less than three thresholds, and for too many for its tables: imec_threshold then compares
        with all at once, unless `sign`.
        """
        g, bits = self.geometry, self.count_bits
        if self.steps < 2:
            return None
        found = []
        for engines in divisors(g.pe):
            each = g.pe // engines
            words = g.nf << ((each - 1).bit_length() + bits)
            # One channel's block RAM costs less than a large table.
            most = MOST_TABLE_WORDS if g.pe == 1 else MOST_SEARCHED_WORDS
            table = words <= most and words * engines * self.acc_bits <= MOST_TABLE_BITS
            if table and self.ram_style_thresholds in ("auto", "distributed"):
                memory = Memory(words, self.acc_bits, "distributed", 0, table=True)
                found.append(Search(engines, memory, 0, 0, each * bits))
            if not table or self.ram_style_thresholds != "distributed":
                style = "ultra" if self.ram_style_thresholds == "ultra" else "block"
                memory = Memory(words, self.acc_bits, style)
                read = 2 if memory.block_rows > 1 else 1
                found.append(Search(engines, memory, read, 0, each * ((read + 1) * bits + 1)))
                if each == 1:
                    ports = 2 if self.pipeline > 1 else 1
                    found.append(Search(engines, replace(memory, reads=ports), 1, ports, bits))
                    found += self._split(replace(found[-1], memory=replace(memory, reads=2), fast=2))
        fitting = [search for search in found if search.cycles < g.sf]
        if fitting:
            if self.rom_style == "distributed":  # no weights in block RAM that could make up for more
                most = MORE_BLOCKS + finn_threshold_blocks(g.pe, g.nf, self.steps, self.acc_bits)
                lean = [search for search in fitting if search.engines * search.memory.bram18 <= most]
                fitting = lean or fitting
            elif g.depthwise:  # FINN's VVAU has as few block RAMs for its weights
                fitting = [search for search in fitting if search.memory.table] or fitting
            # Large tables take the place of several small ones, not of block RAM.
            small = [s for s in fitting if not (s.memory.table and s.memory.words > MOST_TABLE_WORDS)]
            cheapest = min(small or fitting, key=lambda search: search.cost(g.pe))
            return min(fitting, key=lambda search: search.cost(g.pe)) if cheapest.memory.table else cheapest
        words = g.nf << bits
        most = min(MOST_TABLE_WORDS, MOST_TABLE_BITS // (g.pe * self.acc_bits))
        if self.steps == 2 or words > most or self.ram_style_thresholds not in ("auto", "distributed"):
            return None
        return Search(
            g.pe, Memory(words, self.acc_bits, "distributed", 0, table=True), 0, 0, bits, staged=True
        )

    def _split(self, search: Search) -> list[Search]:
        """The search with the top bits of its thresholds in LUTs, if this saves block RAM."""
        memory = search.memory
        top = self.acc_bits % RAMB18[1][1]
        if memory.style != "block" or memory.words > MOST_SEARCHED_WORDS or not 0 < top < self.acc_bits:
            return []
        low = replace(memory, bits=self.acc_bits - top)
        return [replace(search, memory=low, top=top)] if low.bram18 < memory.bram18 else []

    # ---- latency ------------------------------------------------------------------------------

    @property
    def memory_steps(self) -> int:
        """Steps from an address to its word: 2 if a block RAM's output register is used."""
        blocks = [
            *self.buffer_memories,
            *(self.weight_memories if self.mem_mode == "internal_embedded" else ()),
        ]
        return 2 if REGISTERS[self.pipeline].memory and any(m.style != "distributed" for m in blocks) else 1

    @property
    def starts_in_table(self) -> bool:
        """True if the accumulators' start values are a parameter, see imec_table."""
        words = self.geometry.nf
        return words <= MOST_TABLE_WORDS and words * self.geometry.pe * self.acc_bits <= MOST_TABLE_BITS

    @property
    def output_words(self) -> int:
        """imec_output's WORDS: accumulators without activation are wide, and one word is enough for them."""
        return 1 if self.steps == 0 and self.geometry.sf > 1 else 2

    @property
    def pipeline_stages(self) -> int:
        """Registers from the input to a fold's output word, past its last read."""
        packing = self.core.packing
        dot = packing.steps(self.geometry.simd) if packing else REGISTERS[self.pipeline].dot_steps
        activation = self.search.cycles if self.search else int(self.steps > 1)
        gearbox = int(self.geometry.geared)
        return PIPELINE_STAGES + gearbox + self.memory_steps - 1 + dot - 1 + activation

    def total_cycles(self, frames: int = 1) -> int:
        """Storage.total_cycles with this number of pipeline stages."""
        return self.storage.total_cycles(frames, self.pipeline_stages)

    # ---- ports --------------------------------------------------------------------------------

    @property
    def in_bits(self) -> int:
        """Bits of an input word."""
        return self.geometry.simd_in * self.core.activation.bits

    @property
    def out_bits(self) -> int:
        """Bits of an output word."""
        return self.geometry.pe * self.output_bits

    @property
    def weight_bits(self) -> int:
        """Bits of a word of PE*SIMD weights."""
        return self.geometry.pe * self.geometry.simd * self.core.weight.bits

    @property
    def axilite(self) -> bool:
        """True if weights are written through s_axilite."""
        return self.mem_mode == "internal_decoupled" and self.core.runtime_weights

    # ---- memories -----------------------------------------------------------------------------

    @property
    def resolved_ram_style(self) -> str:
        """ram_style, with "auto" resolved by depth; FINN's memstream leaves "auto" to Vivado."""
        if self.mem_mode == "internal_decoupled":
            return self.ram_style
        return self.rom_style

    @property
    def rom_style(self) -> str:
        """ram_style, with "auto" resolved by depth."""
        return resolved_style(self.ram_style, self.geometry.weight_words, AUTO_ROM_WORDS)

    @property
    def rom_layout(self) -> str:
        """imec_rom's LAYOUT of the weights, the same for all parts of a DSP core."""
        if self.mem_mode != "internal_embedded":
            return "plain"
        if self.rom_trits:
            return "split"
        return rom_layout(self.geometry.weight_words, self.weight_bits, self.resolved_ram_style)

    @cached_property
    def rom_trits(self) -> bool:
        """True if the ROM's words are packed by imec_trits, in layout "split"."""
        if self.mem_mode != "internal_embedded" or not self.core.ternary:
            return False
        g = self.geometry
        return ternary_split(g.weight_words, g.pe * g.simd, self.rom_style)

    @property
    def rom_bank(self) -> int:
        """imec_rom's BANK of the weights, if the layout is "banked"."""
        return rom_bank_words(self.geometry.weight_words, self.part_bits)

    @property
    def rom_spill(self) -> int:
        """imec_conv's WEIGHT_SPILL."""
        style = self.resolved_ram_style
        return rom_spill(self.geometry.weight_words, self.block_bits, style, self.rom_layout)

    @cached_property
    def rom_lut_bits(self) -> int:
        """imec_conv's WEIGHT_LUT_BITS: top bits of each word that a table in LUTs holds, not a block RAM.

        Block RAMs are mostly empty if their words are few. With searched thresholds in more of them than
        FINN's Thresholding_rtl takes, as many as that go.
        """
        words = self.geometry.weight_words
        chosen = self.mem_mode == "internal_embedded" and self.ram_style == "auto"
        if not chosen or (self.rom_layout, self.rom_style) != ("plain", "block"):
            return 0
        if words > MOST_TABLE_WORDS or words * self.weight_bits > MOST_TABLE_BITS:
            return 0
        searched = sum(memory.bram18 for memory in self.searched_memories)
        finn = finn_threshold_blocks(self.geometry.pe, self.geometry.nf, self.steps, self.acc_bits)
        width = RAMB18[0][1]
        return min(max(0, searched - finn) * width, (self.part_bits[-1] - 1) // width * width)

    @property
    def weight_parts(self) -> list[slice]:
        """Lanes of each weight memory."""
        simd = self.geometry.simd
        embedded = self.mem_mode == "internal_embedded"
        return self.core.weight_parts(simd) if embedded else [slice(0, simd)]

    @property
    def part_bits(self) -> list[int]:
        """Bits per word of each of `weight_parts`."""
        lane = self.geometry.pe * self.core.weight.bits
        return [lane * (part.stop - part.start) for part in self.weight_parts]

    @property
    def block_bits(self) -> list[int]:
        """`part_bits` in block RAM: packed, or without those that a table holds, the last part's highest."""
        if self.rom_trits:
            return [trit_bits(self.geometry.pe * self.geometry.simd)]
        *others, last = self.part_bits
        return [*others, last - self.rom_lut_bits]

    @property
    def memories(self) -> list[Memory]:
        """Weights, buffer or lines, queues, searched thresholds; thresholds compared in parallel excluded."""
        return [*self.weight_memories, *self.buffer_memories, *self.queue_memories, *self.searched_memories]

    @cached_property
    def weight_memories(self) -> list[Memory]:
        """Memories of the weights, as imec_rom splits them."""
        words, style, layout = self.geometry.weight_words, self.rom_style, self.rom_layout
        if self.mem_mode == "external":
            return []
        found = []
        if self.rom_lut_bits:
            found.append(Memory(words, self.rom_lut_bits, "distributed", 0, table=True))
        spill = rom_spill(words, self.block_bits, style, layout)
        for bits in spilled_widths(self.block_bits, spill):
            if layout == "banked":
                found += banked(words, bits, self.rom_bank, style)
            elif layout == "split":
                found += split(words, bits, style)
            elif layout in HALVED:
                rest = power_of_two(words - kept_words(words, layout))
                found += [Memory(n, ceil(bits / 2), style) for n in (power_of_two(words), rest)]
            else:
                found.append(Memory(words, bits, style, 0, layout == "table"))
        return found

    @cached_property
    def buffer_memories(self) -> list[Memory]:
        """Memory of the line buffer or, if SIMD > C, of the lines; empty if it has no bits."""
        unit = self.storage
        bits = unit.channels * self.core.activation.bits
        if isinstance(unit, LineBuffer):
            return unit.memories(self.core.activation.bits)
        return [Memory(unit.words, bits, unit.style, 1 + unit.dual_port)] if bits else []

    @cached_property
    def queue_memories(self) -> list[Memory]:
        """Queues of columns and of windows, if SIMD > C."""
        unit, g = self.storage, self.geometry
        if not isinstance(unit, WindowUnit):
            return []
        column = g.kernel[0] * g.ifm_channels
        sizes = zip(unit.queues, (column, column * g.kernel[1]), strict=True)
        bits = self.core.activation.bits
        return [Memory(words, n * bits, "distributed", 2) for words, n in sizes if words]

    @cached_property
    def searched_memories(self) -> list[Memory]:
        """Memories of imec_threshold_search; empty if it is not used."""
        return self.search.memories * self.search.engines if self.search else []
