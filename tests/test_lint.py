"""The RTL of generated layers in Verilator's lint, and in slang, stricter about IEEE 1800."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benches import BY_LAYOUT, PRIMITIVES, layer_by_layout
from lint import verilator_lint

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.rtl.generate import ImecRtl
from finn_imec.verification.cases import Parameters, random_case

#: The wrapper's PRIMITIVES: as simulation and as synthesis for Xilinx read the RTL.
VIEWS = {"simulation": 0, "synthesis": 2}
#: Layers in the slices of newer families: bits of both operands, slice.
IN_DSP = {"DSP48E2": (4, "DSP48E2"), "DSP58": (4, "DSP58"), "DSP58, three products": (8, "DSP58")}
#: Layers that random ones hardly are.
RARE = {
    "shared sums": Parameters(
        ConvGeometry((2, 2), (4, 4), 3, 16, simd=3, pe=16),
        "UINT8",
        "BIPOLAR",
        output_datatype="UINT2",
        steps=3,
    ),
    "ternary weights in five bits, a line buffer in parts": Parameters(
        ConvGeometry(
            (3, 3), (3, 4), 128, 64, simd=4, pe=1, buffer_style="distributed", buffer_ports=1, buffer_banks=1
        ),
        "BINARY",
        "TERNARY",
        res_type="lut",
        output_datatype="UINT2",
        steps=3,
    ),
    "many chains": Parameters(
        ConvGeometry((2, 2), (4, 4), 24, 4, simd=24, pe=4), "UINT3", "INT4", res_type="dsp"
    ),
}
SLANG_WAIVED = (
    "packed-array-conv",  # a word as the vector of its elements is how words are taken apart
    "sign-conversion",  # of equal width: $clog2 and $countones are signed, and so are sums
    "shadow-hierarchy",  # a generate block inside another one may have the name of one outside
    "useless-cast",  # to a width that only some parameters need
)


def sources(folder: Path, case: int | str) -> tuple[Path, ...]:
    """Of a random layer, one of IN_DSP or RARE, or one for a layout of weights; its top module is `top`."""
    if case in IN_DSP:
        bits, block = IN_DSP[case]
        g = ConvGeometry((3, 3), (4, 4), 8, 4, simd=8, pe=4)
        rtl = ImecRtl("top", Parameters(g, f"UINT{bits}", f"INT{bits}", dsp_block=block).datapath())
    elif case in RARE:
        rtl = ImecRtl("top", RARE[case].datapath())
    elif isinstance(case, str):
        rtl = layer_by_layout(case, "dsp" if case.startswith("spilt") else "lut")
    else:
        rtl = ImecRtl("top", random_case(3, case).datapath)
    return (*rtl.generate(folder).sources, *PRIMITIVES)


@pytest.mark.parametrize(
    ("case", "view"),
    [
        (case, view)
        for case in [*range(12), *IN_DSP, *RARE, *BY_LAYOUT]
        for view in VIEWS
        # Verilator takes minutes over it, and a table that is not as wide has the same modules.
        if (case, view) != ("wide table", "synthesis")
    ],
)
def test_verilator_finds_nothing(tmp_path, case, view):
    assert verilator_lint("top", sources(tmp_path, case), {"PRIMITIVES": VIEWS[view]}) == []


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("case", [*range(12), *IN_DSP, *RARE])
def test_slang_finds_nothing(tmp_path, capfd, case, view):
    driver = pytest.importorskip("pyslang.driver", reason="needs slang: pip install 'finn-imec[dev]'")
    options = ["--top", "top", "--timescale", "1ns/1ps", "-Wextra", "-Wconversion"]
    options += [f"-Wno-{name}" for name in SLANG_WAIVED]
    options += ["-G", f"PRIMITIVES={VIEWS[view]}"]
    slang = driver.Driver()
    slang.addStandardArgs()
    assert slang.parseCommandLine(" ".join(["slang", *options, *map(str, sources(tmp_path, case))]))
    assert slang.processOptions() and slang.parseAllSources()
    passed = slang.runFullCompilation(True)
    found = re.findall(r"(\w+\.s?v:\d+):\d+: ((?:warning|error): .*)", capfd.readouterr().err)
    assert sorted(set(found)) == []
    assert passed
