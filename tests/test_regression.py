"""The benchmark of FINN's regression networks, on the smallest of them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")
pytest.importorskip("brevitas", reason="needs Brevitas: pip install 'finn-imec[train]'")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/regression.py as a module, which imports its neighbors."""
    import importlib

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("regression")


@pytest.fixture
def files(tmp_path) -> Path:
    """finn-plus' files of the smallest network, by their form."""
    folder = tmp_path / "finn-regression"
    folder.mkdir()
    folding = {f"MVAU_hls_{i}": {"SIMD": 8, "PE": pe} for i, pe in enumerate((16, 8, 8, 10))}
    folding |= {"Thresholding_rtl_0": {"PE": 28}, "StreamingFIFO_rtl_0": {"depth": 8}, "Defaults": {}}
    layers = {f"MVAU_{i}": {"preferred_impl_style": "hls"} for i in range(4)}
    synth = {"LUT": 10, "FF": 20, "SRL": 1, "DSP": 0, "BRAM_18K": 1, "BRAM_36K": 2, "URAM": 0}
    board = {"network": "bnn-pynq", "model": "tfc-w1a1_qonnx.onnx", "synth": synth, "measured": None}
    for name, content in (
        *(("tfc-w1a1_folding", folding), ("tfc-w1a1_specialize", layers)),
        ("vivado_board", [board]),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Brevitas and FINN, about parts of theirs
def test_a_network_from_export_to_page(benchmark, files, tmp_path):
    """Every tensor equal; what is done is not done again; the page has the network's figures."""
    said: list[str] = []
    arguments = "tfc-w1a1", files, tmp_path, tmp_path / "out", False, False
    result = benchmark.measure(*arguments, False, said.append)
    assert "export" in said
    assert result["nodes"]["finn"]["MVAU_hls"] == 4
    assert result["python"]["different"] == [] and result["python"]["tensors"] >= 6
    assert result["python"]["distinct"] > 1  # no tensor is a constant
    pairs = result["pairs"]
    assert next(pair["folding_before"] for pair in pairs if pair["imecconv"]) == [8, 16]
    assert result["total"]["imec"]["lut"] < result["total"]["finn"]["lut"]
    assert result["cycles"]["imec"]["cycles"] <= 1.02 * result["cycles"]["finn"]["cycles"]

    said.clear()
    assert benchmark.measure(*arguments, False, said.append) == json.loads(json.dumps(result))
    assert said == []

    (loaded,) = benchmark.load(tmp_path / "out")
    page = benchmark.page([loaded])
    ratio = result["total"]["imec"]["lut"] / result["total"]["finn"]["lut"]
    assert f"({ratio:.2f})" in page and f"| tfc-w1a1 | 10 / {result['total']['finn']['lut']:,} | " in page


@pytest.mark.parametrize("name", ["vgg10", "mobilenetv1"])
def test_files_of_finn_get_todays_names(benchmark, tmp_path, name):
    (tmp_path / f"{name}_folding.json").write_text(
        json.dumps({"Defaults": {}, "ChannelwiseOp_hls_0": {"PE": 1}, "StreamingDataWidthConverter_1": {}})
    )
    path = benchmark.configured(name, "folding", tmp_path, tmp_path)
    assert json.loads(path.read_text()) == {"Defaults": {}, "ElementwiseAdd_hls_0": {"PE": 1}}


def test_the_documentation_tells_these_results(benchmark):
    results = benchmark.load(benchmark.RESULTS)
    assert results and (ROOT / "docs" / "regression.md").read_text() == benchmark.page(results)
    assert not any(result["python"]["different"] for result in results)


def test_the_complete_partition(benchmark):
    """Swapped nodes and all others, behavioral models apart; nothing before all swapped nodes are counted."""
    figures = dict.fromkeys(benchmark.RESOURCES, 10)
    fifo = figures | {"origin": "FINN's RTL"}
    label = figures | {"lut": 30, "origin": "behavioral model"}
    thresholds = {"origin": "FINN's RTL", "reason": "Yosys stops"}
    both = {"fifo": fifo, "label": label, "thresholds": thresholds}
    result = {
        "network": "net",
        "pairs": [{"imecconv": "IMECConv_rtl_0"}, {"imecconv": None}],
        "rows": {
            "IMECConv_rtl_0": {"layer": "IMECConv_rtl_0", "finn": figures, "imec": figures | {"lut": 4}}
        },
        "rest": {"finn": both | {"fifo_2": fifo}, "imec": both},
    }
    sides = benchmark.partition_of(result)
    assert (sides["finn"]["lut"], sides["imec"]["lut"]) == (60, 44)
    assert sides["imec"]["behavioral"] == 30 and sides["imec"]["unread"] == ["thresholds"]
    assert "| net | 60 / 44 (0.73) |" in benchmark.partition_table([result])
    result["pairs"].append({"imecconv": "IMECConv_rtl_1"})
    assert benchmark.partition_of(result) is None and benchmark.partition_table([result]) == ""


def test_fifos_between_the_nodes_of_a_pair_are_part_of_it(benchmark):
    """Those before and after it are not."""

    kinds = (
        "StreamingFIFO",
        "SWG",
        "StreamingFIFO",
        "StreamingDataWidthConverter",
        "MVAU",
        "StreamingFIFO",
        "Pool",
    )
    nodes = [SimpleNamespace(name=f"{kind}_{i}", op_type=kind, input=[str(i)], output=[str(i + 1)])
             for i, kind in enumerate(kinds)]  # fmt: skip
    part = SimpleNamespace(
        graph=SimpleNamespace(node=nodes),
        find_producer=lambda name: next((node for node in nodes if node.output == [name]), None),
        find_consumer=lambda name: next((node for node in nodes if node.input == [name]), None),
    )
    pair = {"imecconv": "new", "fmpadding": None, "swg": "SWG_1", "mvau": "MVAU_4", "thresholding": None}
    found = benchmark.in_rows(part, {"pairs": [pair], "rows": {"new": {"layer": "new"}}})
    assert {node.name for node in nodes} & found == {
        *("SWG_1", "StreamingFIFO_2", "StreamingDataWidthConverter_3", "MVAU_4"),
    }
