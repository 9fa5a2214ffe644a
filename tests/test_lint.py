"""The RTL of generated layers in slang, which holds it to IEEE 1800 more strictly than Verilator.

test_rtl.py has Verilator's lint.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finn_imec.rtl.generate import ImecRtl
from finn_imec.verification.cases import random_case

driver = pytest.importorskip("pyslang.driver", reason="needs slang: pip install pyslang")

PRIMITIVES = [Path(__file__).parent / "rtl" / name for name in ("LUT6.sv", "DSP48E1.sv")]
WAIVED = (
    "packed-array-conv",  # a word as the vector of its elements is how words are taken apart
    "sign-conversion",  # of equal width: $clog2 and $countones are signed, and so are sums
    "useless-cast",  # to a width that only some parameters need
)


@pytest.mark.parametrize("view", ["simulation", "synthesis"])
@pytest.mark.parametrize("number", range(12))
def test_slang_finds_nothing(tmp_path, capfd, number, view):
    design = ImecRtl("top", random_case(3, number).datapath).generate(tmp_path)
    options = ["--top", "top", "--timescale", "1ns/1ps", "-Wextra", "-Wconversion"]
    options += [f"-Wno-{name}" for name in WAIVED]
    options += ["-DSYNTHESIS"] if view == "synthesis" else []
    slang = driver.Driver()
    slang.addStandardArgs()
    sources = map(str, (*design.sources, *PRIMITIVES))
    assert slang.parseCommandLine(" ".join(["slang", *options, *sources]))
    assert slang.processOptions() and slang.parseAllSources()
    passed = slang.runFullCompilation(True)
    found = re.findall(r"(\w+\.s?v:\d+):\d+: ((?:warning|error): .*)", capfd.readouterr().err)
    assert sorted(set(found)) == []
    assert passed
