"""What a layer consists of, at the values where that changes."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest

from finn_imec.layer import adders
from finn_imec.layer.adders import heap_heights
from finn_imec.layer.clock import (
    KEPT_CLOCKS_NS,
    MIDDLE_SLACK,
    _paths,
    adder_cuts,
    middle_bits,
    middle_heights,
    middle_level,
    period_ns,
    pipeline_for,
    series,
)
from finn_imec.layer.compressor import levels, partial_product_luts
from finn_imec.layer.core import Core, Operand
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import (
    Memory,
    kept_words,
    part_words,
    power_of_two,
    rom_bank_words,
    rom_layout,
    rom_spill,
    spilled_widths,
    ternary_split,
)
from finn_imec.layer.structure import MAX_PIPELINE, REGISTERS, Search, Structure
from finn_imec.layer.units import storage
from finn_imec.rtl.generate import mac_parameters
from finn_imec.util.errors import UnsupportedError

INT4, BIPOLAR = Operand(4, True, False), Operand(1, False, True)


def structure(channels: int, outputs: int = 1, steps: int = 0) -> Structure:
    """A 1x1 layer without parallelism: C live words, C * M weight words."""
    layer = ConvGeometry((1, 1), (4, 4), channels, outputs)
    return Structure.of_any_weights(layer, INT4, INT4, 16, 8, steps, res_type="lut")


@pytest.mark.parametrize(("depth", "style"), [(256, "distributed"), (257, "block")])
def test_auto_buffers_are_luts_up_to_a_ram256x1s(depth, style):
    assert structure(depth, 2).storage.style == style
    lines = ConvGeometry((3, 3), (3, depth), 1, 1, simd=9)  # a word of lines for each column
    assert storage(lines).style == style


@pytest.mark.parametrize(("depth", "style"), [(128, "distributed"), (129, "block")])
def test_auto_weights_are_luts_up_to_two_lut6_and_a_muxf7(depth, style):
    assert structure(depth).resolved_ram_style == style


@pytest.mark.parametrize(("outputs", "style"), [(64, "distributed"), (65, "block")])
def test_auto_thresholds_are_luts_up_to_four_lut6(outputs, style):
    """Four words for the three thresholds of each channel, 256 and 260 of them."""
    search = structure(8, outputs, steps=3).search
    assert (search.memory.words, search.memory.style) == (4 * outputs, style)


def blocks(depth: int, widths: list[int]) -> int:
    return sum(Memory(depth, width, "block").bram18 for width in widths)


@pytest.mark.parametrize(
    ("depth", "widths", "spill", "before", "after"),
    [
        (512, [48, 48], 12, 4, 3),  # rows of 36 bits: 60 and 36
        (513, [20, 20], 2, 4, 3),  # rows of 18 bits: 22 and 18
        (1024, [20, 20], 2, 4, 3),
        (1024, [20, 20, 20], 2, 6, 4),  # 24, 18 and 18
        (1024, [18, 18], 0, 2, 2),
        (1024, [40, 16], 0, 4, 4),
        (1025, [20, 20], 0, 6, 6),  # rows of 9 bits
    ],
)
def test_spilt_bits_save_blocks(depth, widths, spill, before, after):
    """before, after: RAMB18, by the shapes of UG473."""
    assert rom_spill(depth, widths, "block", "plain") == spill
    assert blocks(depth, widths) == before
    assert blocks(depth, spilled_widths(widths, spill)) == after


@pytest.mark.parametrize(
    ("res_type", "a_bits", "w_bits", "kind"),
    [
        ("auto", 4, 4, "dsp"),  # FINN's builder takes DSPs from four bits on
        ("auto", 8, 3, "gates"),
        ("auto", 1, 3, "planes"),
        ("dsp", 3, 2, "dsp"),
        ("dsp", 2, 2, "gates"),  # four partial products are cheaper in LUTs
        ("lut", 8, 8, "gates"),
        ("lut", 8, 9, "product"),
    ],
)
def test_what_multiplies(res_type, a_bits, w_bits, kind):
    layer = ConvGeometry((3, 3), (8, 8), 4, 4, simd=4, pe=4)
    assert Core.of(layer, Operand(a_bits, True, False), Operand(w_bits, True, False), res_type).kind == kind


def test_an_unknown_dsp_slice_is_refused():
    layer = ConvGeometry((3, 3), (8, 8), 4, 4, simd=4, pe=4)
    with pytest.raises(UnsupportedError, match="dsp_block='DSP48': accepted are DSP48E1, DSP48E2, DSP58"):
        Core.of(layer, INT4, INT4, dsp_block="DSP48")


@pytest.mark.parametrize(
    ("least", "pe", "thresholds", "runtime", "kind", "digits"),
    [
        (-1, 4, True, False, "gates", 1),  # ternary by its values
        (-2, 4, True, False, "gates", 2),
        (-1, 4, False, False, "gates", 1),  # one fold: start values are constants
        (-1, 2, False, False, "planes", 0),  # start values of two folds would take LUTs
        (-1, 4, True, True, "planes", 0),  # constants would depend on weights that change
    ],
)
def test_gated_additions_where_they_save_luts(least, pe, thresholds, runtime, kind, digits):
    layer = ConvGeometry((1, 1), (8, 8), 8, 4, simd=8, pe=pe)
    weights = np.resize([least, 0, 1], (8, 4))
    operand = Operand(2, True, False)
    core = Core.of(layer, operand, operand, "lut", runtime, weights, thresholds=thresholds)
    assert (core.kind, core.digits) == (kind, digits)


@pytest.mark.parametrize(
    ("pe", "activation", "thresholds", "sign", "kind", "offsets"),
    [
        (16, Operand(8, True, False), False, False, "shared", False),
        (8, Operand(8, True, False), False, False, "gates", True),  # too few channels for their sums
        (16, Operand(8, False, False), False, False, "shared", False),
        (16, Operand(8, False, False), True, False, "shared", True),  # lowered: thresholds take the constants
        (16, Operand(8, True, False), True, True, "gates", True),  # start values would take LUTs of their own
        (16, Operand(2, True, False), False, False, "gates", True),
    ],
)
def test_shared_sums_where_they_save_luts(pe, activation, thresholds, sign, kind, offsets):
    layer = ConvGeometry((3, 3), (8, 8), 3, 2 * pe, simd=3, pe=pe)
    core = Core.of(layer, activation, Operand(1, False, True), thresholds=thresholds, sign=sign)
    assert (core.kind, core.channel_offsets) == (kind, offsets)


@pytest.mark.parametrize(("simd", "a_bits", "digits"), [(16, 2, 1), (16, 4, 4), (3, 8, 1), (1, 4, 4)])
@pytest.mark.parametrize("pipeline", range(MAX_PIPELINE + 1))
def test_gated_additions_have_the_registers_of_their_level(simd, a_bits, digits, pipeline):
    layer = ConvGeometry((3, 3), (8, 8), simd, 4, simd=simd, pe=4)
    core = Core(Operand(a_bits, True, False), Operand(4, True, False), False, None, digits)
    levels = len(adders.levels(simd, a_bits, digits))
    cuts = adder_cuts(Structure(layer, core, 16, 4, 15, pipeline=pipeline))
    assert len(set(cuts)) == min(REGISTERS[pipeline].dot_steps, levels + 1)
    assert set(cuts) <= set(range(levels + 1))


@pytest.mark.parametrize(
    ("reads", "steps", "cycles"),
    [(6, 16, 5), (5, 16, None), (5, 15, 4), (6, 31, 5), (6, 32, None), (3, 3, 2), (2, 3, None), (2, 2, None)],
)
def test_thresholds_are_searched_where_a_fold_leaves_time(reads, steps, cycles):
    """A cycle for each bit of the count and one more, within the reads of the next fold."""
    search = structure(reads, 4, steps).search
    assert (search.cycles if search and not search.staged else None) == cycles


@pytest.mark.parametrize(
    ("steps", "style", "staged"),
    [
        (1, "auto", None),
        (2, "auto", None),
        (3, "auto", 2),
        (15, "auto", 4),
        (15, "block", None),
        (127, "auto", None),
    ],
)
def test_thresholds_have_a_stage_for_each_bit_where_a_fold_leaves_no_time(steps, style, staged):
    """Four folds of one read: the tables of 127 thresholds are too deep."""
    node = replace(structure(1, 4, steps), ram_style_thresholds=style)
    assert (node.search and (node.search.staged, node.search.cycles)) == (staged and (True, staged))
    assert node.sign == (steps == 1)


def searched(
    pe: int, nf: int, sf: int, steps: int, style: str = "auto", acc_bits: int = 16, pipeline: int = 0
) -> Search | None:
    layer = ConvGeometry((1, 1), (4, 4), sf, nf * pe, pe=pe)
    return Structure.of_any_weights(
        layer, INT4, INT4, acc_bits, 8, steps, res_type="lut", ram_style_thresholds=style, pipeline=pipeline
    ).search


@pytest.mark.parametrize(
    ("layer", "engines", "words", "read", "fast"),
    [
        ((16, 4, 36, 3), 1, 256, 0, 0),  # 16 channels in turn, 2 cycles each
        ((16, 4, 32, 3), 2, 128, 0, 0),
        ((8, 16, 72, 15), 2, 1024, 1, 0),  # 4 channels in turn, 9 cycles each
        ((4, 128, 144, 15, "auto", 17), 1, 8192, 2, 0),  # several rows of block RAM: 13 cycles
        ((16, 4, 9, 255), 16, 1024, 1, 1),  # 8 cycles
        ((16, 4, 9, 255, "auto", 16, 2), 16, 1024, 1, 2),  # for a faster clock
        ((6, 2, 40, 3, "block"), 1, 64, 1, 0),  # room for 8 channels: 5 cycles each
    ],
)
def test_as_few_engines_as_a_fold_has_cycles_for(layer, engines, words, read, fast):
    search = searched(*layer)
    assert (search.engines, search.memory.words, search.read, search.fast) == (engines, words, read, fast)
    assert search.cycles < layer[2]


@pytest.mark.parametrize("core", ["lut", "dsp"])
def test_more_registers_make_a_faster_clock(core):
    """From block RAM into the multipliers without a register in between; with one; and faster than both."""
    slow = {"lut": 20.0, "dsp": 10.0}[core]
    layer = ConvGeometry((3, 3), (8, 8), 64, 64, simd=32, pe=4)
    plain = Structure.of_any_weights(layer, INT4, INT4, 16, 16, res_type=core)
    assert plain.resolved_ram_style == "block"
    levels = {clk: pipeline_for(plain, clk) for clk in (slow, 5.0, 1.0)}
    periods = {clk: period_ns(replace(plain, pipeline=level))[0] for clk, level in levels.items()}
    assert periods[slow] <= slow and periods[5.0] <= 5 < periods[slow]
    assert periods[1.0] == min(period_ns(replace(plain, pipeline=p))[0] for p in range(MAX_PIPELINE + 1))
    assert REGISTERS[levels[5.0]].memory and not REGISTERS[levels[slow]].memory


@pytest.mark.parametrize("pipeline", [2, 4, 5])
def test_the_register_between_counters_halves_their_path(pipeline):
    """No other place has a longest path that is much shorter, or a little longer one and fewer bits."""
    layer = ConvGeometry((3, 3), (8, 8), 32, 32, simd=32, pe=4)
    node = Structure.of_any_weights(layer, INT4, INT4, 16, 4, 15, res_type="lut", pipeline=pipeline)
    tree = levels(heap_heights(32, 4, 4))
    assert node.core.heap and 0 < middle_level(node) < len(tree)
    assert middle_bits(node) == max(tree[middle_level(node) - 1].heights)
    found = {}
    for before in range(len(tree) + 1):
        with patch("finn_imec.layer.clock.middle_level", return_value=before):
            longest = max(ns for path, ns in _paths(node).items() if "counters" in path)
            found[before] = longest, sum(middle_heights(node))
    longest, bits = found[middle_level(node)]
    shortest = min(ns for ns, _ in found.values())
    assert longest <= MIDDLE_SLACK * shortest
    assert bits == min(bits for ns, bits in found.values() if ns <= MIDDLE_SLACK * shortest)


@pytest.mark.parametrize("pipeline", range(MAX_PIPELINE + 1))
@pytest.mark.parametrize(("simd", "pe"), [(1, 4), (8, 1), (16, 8), (32, 4), (64, 64)])
def test_adders_in_series_keep_the_clock(simd, pe, pipeline):
    """Without them, the longest path keeps no faster one of 5, 6.67, 10 and 20 ns; LUTs are never more."""
    layer = ConvGeometry((3, 3), (8, 8), 64, 64, simd=simd, pe=pe)
    node = Structure.of_any_weights(layer, BIPOLAR, BIPOLAR, 10, 1, 1, pipeline=pipeline)
    chain = series(node)
    with patch("finn_imec.layer.clock.series", return_value=0):
        before = period_ns(node)[0]
    after = period_ns(node)[0]
    assert after <= next((clock for clock in KEPT_CLOCKS_NS if before <= clock), before)
    if pipeline == MAX_PIPELINE:
        assert after <= before
    assert sum(partial_product_luts(simd, 1, 1, chain)) <= sum(partial_product_luts(simd, 1, 1))


def test_adders_in_series_are_chosen_where_they_pay():
    """For 32 lanes of single bits at 5 ns, two; not for gated additions or a single product."""
    layer = ConvGeometry((3, 3), (8, 8), 64, 64, simd=32, pe=4)
    node = Structure.of_any_weights(layer, BIPOLAR, BIPOLAR, 10, 1, 1)
    fast = replace(node, pipeline=pipeline_for(node, 5.0))
    assert series(fast) == 2 and period_ns(fast)[0] <= 5
    assert mac_parameters(fast)["SERIES"] == 2
    assert series(Structure.of_any_weights(replace(layer, simd=1), BIPOLAR, BIPOLAR, 10, 1, 1)) == 0
    assert series(Structure.of_any_weights(layer, INT4, INT4, 16, 4, 15, res_type="lut")) == 0


@pytest.mark.parametrize(
    ("depth", "widths", "bank"),
    [
        (9216, [128, 128], 4096),  # no more blocks, and a multiplexer of three
        (18432, [64], 2048),  # nine whole banks
        (73728, [16], 4096),
    ],
)
def test_banks_take_the_fewest_blocks(depth, widths, bank):
    assert rom_bank_words(depth, widths) == bank


@pytest.mark.parametrize(
    ("depth", "weights", "packed"),
    [
        (73728, 8, True),  # 20 LUTs in place of 96, and a block less
        (18432, 32, True),
        (9216, 32, False),  # a multiplexer of three costs less than what unpacks
        (73728, 1, False),  # two bits for one weight: more blocks
        (65536, 8, False),  # in one memory
    ],
)
def test_ternary_weights_are_packed_where_that_takes_fewer_luts(depth, weights, packed):
    assert ternary_split(depth, weights, "block") == packed
    assert not ternary_split(depth, weights, "distributed")


def test_only_ternary_weights_are_packed():
    """Of two bits, some of them 0, in LUTs, and in a ROM."""
    layer = ConvGeometry((3, 3), (3, 3), 256, 256, simd=8, pe=1, buffer_style="distributed")
    two, weights = Operand(2, True, False), np.zeros((2304, 256), np.int64)
    cores = [Core.of(layer, two, two, weights=w) for w in (weights, weights - 3, None)]
    nodes = [Structure(layer, core, 13, 13) for core in cores]
    assert [node.rom_layout for node in nodes] == ["split", "banked", "banked"]
    assert nodes[0].weight_memories == [*[Memory(65536, 2, "block")] * 7, Memory(8192, 14, "block")]
    assert [sum(memory.bram18 for memory in node.weight_memories) for node in nodes] == [63, 64, 64]
    assert replace(nodes[0], mem_mode="internal_decoupled").rom_layout == "plain"
    three = Operand(3, True, False)
    assert not Core.of(layer, two, three, weights=weights).ternary
    assert not Core.of(layer, two, two, weights=weights + 1).ternary  # a bit is constant, without zeros


@pytest.mark.parametrize(
    ("words", "parts"),
    [(288, [256, 32]), (400, [256, 128, 16]), (448, [256, 128, 64]), (449, [256, 193]), (512, [256, 256])],
)
def test_parts_of_a_line_buffer_leave_no_lut_empty(words, parts):
    assert part_words(words) == parts
    memories = [Memory(part, 4, "distributed", 1) for part in parts]
    assert sum(memory.ram_luts for memory in memories) <= Memory(words, 4, "distributed", 1).ram_luts


@pytest.mark.parametrize(
    ("depth", "width", "layout"),
    [(1152, 256, "through"), (2304, 128, "paired"), (2304, 4, "plain"), (1152, 8, "plain")],
)
def test_a_row_to_spare_saves_the_multiplexer(depth, width, layout):
    """Where a word more in the other memory would cost no block: 257 of 512 rows, but not 513."""
    assert rom_layout(depth, width, "block") == layout


@pytest.mark.parametrize(
    ("depth", "kept"), [(9, 6), (1100, 896), (1151, 896), (1152, 768), (1153, 768), (1279, 768), (4608, 3072)]
)
def test_words_whose_high_half_is_in_the_first_memory_are_a_round_number(depth, kept):
    """The other memory keeps its rows: for 1152 words, 257 to 512 of them, in 512."""
    most = power_of_two(depth) - depth - 1
    assert kept_words(depth, "through") == kept <= most
    assert power_of_two(depth - kept) == power_of_two(depth - most)


def test_two_reads_at_once_take_no_words_of_both_ports():
    assert [Memory(512, 36, "block", reads=reads).bram18 for reads in (1, 2)] == [1, 2]
    assert [Memory(2048, 22, "block", reads=reads).bram18 for reads in (1, 2)] == [3, 3]


def test_a_clock_of_5_ns_needs_both_candidates_of_a_fast_search():
    """255 thresholds in the nine cycles of CNV's first layer."""
    layer = ConvGeometry((3, 3), (32, 32), 3, 64, simd=3, pe=8)
    eight = Operand(8, True, False)
    node = Structure.of_any_weights(layer, eight, eight, 22, 8, 255, res_type="dsp")
    slow, quick = (replace(node, pipeline=pipeline_for(node, clk)) for clk in (10.0, 5.0))
    assert (slow.search.fast, quick.search.fast) == (1, 2)
    assert period_ns(quick)[0] <= 5.0 < period_ns(slow)[0]


def test_a_line_buffer_of_many_banks_needs_its_address_a_cycle_early():
    layer = ConvGeometry((3, 3), (3, 3), 256, 256, simd=8, pe=1, buffer_style="distributed")
    node = Structure.of_any_weights(layer, INT4, INT4, 16, 16, res_type="dsp")
    assert node.memory_steps == 1
    late, early = (dict(_paths(replace(node, pipeline=level)))["line buffer"] for level in (0, 3))
    assert late > early + 1
