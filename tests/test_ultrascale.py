"""Counts on UltraScale+, and both sides of a comparison on its DSP slices."""

from __future__ import annotations

import re

import pytest

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.synthesis import ultrascale, yosys
from finn_imec.synthesis.comparison import (
    counted_block,
    default_core,
    generate_both,
    generate_imec,
    random_layer,
)
from finn_imec.synthesis.rows import FIGURES, PART_FIGURES, PARTS, Row, Side
from finn_imec.util.errors import UnsupportedError

PART = "xczu7ev-ffvc1156-2-e"
#: Eight bits by four: three channels in a DSP48E2, two in a DSP48E1.
LAYER = random_layer("layer", ConvGeometry((1, 1), (4, 4), 4, 12, simd=4, pe=6), "INT8", "INT4")


@pytest.mark.parametrize(
    ("kind", "figure", "units"),
    [
        ("CARRY8", "carry", 2), ("RAM32M16", "lutram", 8), ("RAM64M8", "lutram", 8),
        ("RAM64X1S", "lutram", 1), ("RAM512X1S", "lutram", 8), ("RAMB36E2", "bram18", 2),
        ("RAMB18E2", "bram18", 1), ("DSP48E2", "dsp", 1), ("LUT6", "lut_logic", 1),
        ("SRLC32E", "srl", 1), ("FDRE", "ff", 1),
    ],
)  # fmt: skip
def test_sites_of_its_cells(kind, figure, units):
    """Eight LUTs share a slice, and a memory's ports."""
    assert ultrascale._sites([{"type": kind}])[figure] == units


@pytest.mark.synthesis
def test_both_sides_take_its_dsp_slices(tmp_path):
    """Both are mapped for UltraScale+, and take the slices of its wider port."""
    core = default_core(LAYER)
    pair, imec = generate_both(LAYER, core, tmp_path, part=PART)
    (wrapper,) = (path for path in pair.design.sources if path.name.endswith("mvu_wrapper.v"))
    assert re.search(r"parameter\s+VERSION = 2,", wrapper.read_text())
    for side in (pair, imec):
        counted = ultrascale.count(side.design, parts=side.parts, flows=("default",))
        assert counted["dsp"] == counted["cells"]["DSP48E2"] == 2 * 4
        assert counted["lut"] == counted["lut_logic"] + counted["lutram"] + counted["srl"] > 0
        for key in yosys.SITES:
            assert counted["core"][key] + counted["surround"][key] == counted[key]
        assert counted["core"]["dsp"] == counted["dsp"]


def test_a_part_of_versal_is_refused():
    with pytest.raises(
        UnsupportedError, match="part='xcvc1902' has DSP58: accepted are parts of 7-series, Ultra"
    ):
        counted_block("xcvc1902")


@pytest.mark.parametrize(("part", "slices"), [("xc7z020", 12), (PART, 8), ("xcvc1902", 8)])
def test_imec_is_of_the_part(tmp_path, part, slices):
    side = generate_imec(LAYER, "dsp", tmp_path, part=part)
    version = {12: 1}.get(slices, 3 if part == "xcvc1902" else 2)
    assert f".DSP_VERSION({version})" in side.design.sources[-1].read_text()


def test_a_row_keeps_its_part():
    """In JSON, too; without one it was of 7-series."""
    of_parts = (f"{part}_{key}" for part in PARTS for key in PART_FIGURES)
    figures = dict.fromkeys((*FIGURES, *of_parts, "cycles"), 1)
    row = Row("layer", "8x4", 4, 6, "dsp", 0, 0, Side(**figures), Side(**figures), part=PART)
    assert Row.from_dict(row.as_dict()) == row
    assert Row.from_dict({k: v for k, v in row.as_dict().items() if k != "part"}).part == "xc7z020clg400-1"
