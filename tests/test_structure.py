"""What a layer consists of, at the values where that changes."""

from __future__ import annotations

import pytest

from finn_imec.layer.core import Core, Operand
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import Memory, rom_spill, spilled_widths
from finn_imec.layer.structure import Structure
from finn_imec.layer.units import storage

INT4 = Operand(4, True, False)


def structure(channels: int, outputs: int = 1, steps: int = 0) -> Structure:
    """A 1x1 layer without parallelism: C live words, C * M weight words."""
    layer = ConvGeometry((1, 1), (4, 4), channels, outputs)
    return Structure.of_any_weights(layer, INT4, INT4, 16, 8, steps, res_type="lut")


@pytest.mark.parametrize(("depth", "style"), [(256, "distributed"), (257, "block")])
def test_auto_buffers_are_luts_up_to_a_ram256x1s(depth, style):
    assert structure(depth).storage.style == style
    lines = ConvGeometry((3, 3), (3, depth), 1, 1, simd=9)  # a word of lines for each column
    assert storage(lines).style == style


@pytest.mark.parametrize(("depth", "style"), [(128, "distributed"), (129, "block")])
def test_auto_weights_are_luts_up_to_two_lut6_and_a_muxf7(depth, style):
    assert structure(depth).resolved_ram_style == style


@pytest.mark.parametrize(("outputs", "style"), [(64, "distributed"), (65, "block")])
def test_auto_thresholds_are_luts_up_to_the_same_depth(outputs, style):
    """Two words for the one threshold of each channel, 128 and 130 of them."""
    assert structure(8, outputs, steps=1).resolved_ram_style_thresholds == style


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
        ("auto", 8, 3, "planes"),
        ("dsp", 3, 2, "dsp"),
        ("dsp", 2, 2, "planes"),  # four partial products are cheaper in LUTs
        ("lut", 8, 8, "planes"),
        ("lut", 8, 9, "product"),
    ],
)
def test_what_multiplies(res_type, a_bits, w_bits, kind):
    layer = ConvGeometry((3, 3), (8, 8), 4, 4, simd=4, pe=4)
    assert Core.of(layer, Operand(a_bits, True, False), Operand(w_bits, True, False), res_type).kind == kind


@pytest.mark.parametrize(
    ("reads", "steps", "search"),
    [(5, 16, True), (4, 16, False), (5, 15, False), (5, 31, True), (5, 32, False)],
)
def test_thresholds_are_searched_where_a_fold_leaves_time(reads, steps, search):
    """A cycle for each bit of the count, 5 up to 31 thresholds, within the reads of the next fold."""
    assert structure(reads, 4, steps).search == search
