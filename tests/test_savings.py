"""What a swap saves: the pair's cycles and resources, verdicts, the build's report, its table."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp
from rich.console import Console
from test_transformation import infer, make_path

from finn_imec.builder.conversion import Conversion, load_conversion, next_commands
from finn_imec.cli.build import measured_build
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.pair_cycles import pair_cycles
from finn_imec.layer.units import storage
from finn_imec.transformation.infer_imec_conv import PairReport
from finn_imec.util.errors import ModelError

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

# ---- cycles of FINN's pair ----------------------------------------------------------------------


def generator_word(geometry: ConvGeometry) -> int:
    if geometry.parallel_window:
        return geometry.ifm_channels
    return geometry.pe if geometry.depthwise else geometry.simd_in


def stepped(geometry: ConvGeometry, simd: int | None = None) -> int | None:
    word, whole = generator_word(geometry), geometry.parallel_window
    return pair_cycles(geometry, simd or geometry.simd, geometry.pe, word, whole)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*bit.json")), ids=lambda path: path.stem)
def test_cycles_are_those_of_the_tables(path):
    """Measured in Verilator: with and without replay, padded, strided, depthwise."""
    rows = json.loads(path.read_text())
    found = [stepped(ConvGeometry(**row["geometry"])) for row in rows]
    assert found == [row["finn"]["cycles"] for row in rows]


#: Cycles per frame in Verilator, FINN's pair as finn_imec.baseline_rtl generates it: small images, in which
#: the generator's fill counts; the MVAU's SIMD where it is beyond the channels without parallel_window.
MEASURED = [
    (ConvGeometry((4, 4), (4, 4), 8, 8, depthwise=True), None, 235),
    (ConvGeometry((1, 1), (8, 6), 4, 4, (2, 2), simd=2, pe=2), None, 96),
    (ConvGeometry((1, 1), (17, 17), 16, 16, (2, 2), simd=4, pe=4), None, 1616),
    (ConvGeometry((1, 1), (9, 9), 8, 8, (2, 2), simd=8, pe=2), None, 100),
    (ConvGeometry((2, 2), (12, 12), 8, 16, (3, 3), simd=4, pe=16), None, 288),
    (ConvGeometry((3, 3), (8, 8), 4, 4, (2, 2), simd=4, pe=4), None, 93),
    (ConvGeometry((3, 3), (8, 8), 8, 8, simd=2, pe=4, simd_in=1), None, 2674),
    (ConvGeometry((3, 3), (10, 10), 8, 8, simd=4, pe=8, simd_in=2, padding=(1, 1, 1, 1)), None, 2362),
    (ConvGeometry((3, 3), (9, 9), 4, 4, (2, 2), (2, 2), simd=2, pe=2), None, 324),
    (ConvGeometry((3, 1), (12, 5), 8, 8, (2, 1), simd=2, pe=4, simd_in=4), None, 600),
    (ConvGeometry((3, 1), (20, 1), 4, 4, simd=2, pe=2), None, 216),
    (ConvGeometry((3, 3), (8, 7), 4, 6, simd=36, pe=6, simd_in=4), None, 57),
    (ConvGeometry((3, 3), (9, 9), 4, 4, (2, 2), simd=12, pe=4, simd_in=2), None, 162),
    (ConvGeometry((1, 3), (1, 30), 4, 4, simd=12, pe=2, simd_in=4), None, 56),
    (ConvGeometry((3, 3), (7, 7), 4, 6, simd=1, pe=1, simd_in=1), 12, 934),
    (ConvGeometry((3, 3), (7, 7), 4, 6, simd=2, pe=2, simd_in=2), 18, 468),
    (ConvGeometry((3, 3), (7, 7), 4, 6, simd=4, pe=1, simd_in=4), 36, 235),
]


@pytest.mark.parametrize(("geometry", "simd", "cycles"), MEASURED)
def test_cycles_of_small_images(geometry, simd, cycles):
    assert stepped(geometry, simd) == cycles


def test_a_converter_of_whole_windows_is_a_cycle_off():
    assert stepped(ConvGeometry((3, 3), (8, 7), 4, 6, simd=18, pe=3, simd_in=4)) == 124 + 1


# ---- verdicts -----------------------------------------------------------------------------------


def without_activation(geometry: ConvGeometry, idt: str = "UINT4", wdt: str = "INT4") -> Datapath:
    return replace(make_path(geometry, idt, wdt), thresholds=None, output_datatype=DataType["INT32"])


@pytest.mark.parametrize("backend", ["", "rtl"])
@pytest.mark.parametrize(
    ("geometry", "cycles", "after"),
    [
        (ConvGeometry((1, 1), (8, 6), 4, 4, (2, 2), simd=2, pe=2), (96, 96), [2, 2]),
        (ConvGeometry((1, 1), (16, 16), 16, 32, (2, 2), simd=16, pe=32), (256, 256), [16, 32]),
        (ConvGeometry((2, 2), (32, 32), 8, 16, (3, 3), simd=4, pe=16), (2070, 2048), [4, 16]),
        (ConvGeometry((3, 3), (8, 8), 4, 4, (2, 2), simd=4, pe=4), (93, 88), [4, 4]),
        (ConvGeometry((4, 4), (4, 4), 8, 8, depthwise=True), (235, 176), [1, 2]),
    ],
    ids=["strided 1x1", "shortcut", "stride beyond the kernel", "kept", "slower"],
)
def test_verdict_on_a_pair_abstract_or_specialized(make_pair_model, geometry, cycles, after, backend):
    """By the cycles that the pair takes: FINN's estimates for the two differ."""
    model = make_pair_model(without_activation(geometry), backend=backend, mvau={"resType": "lut"})
    _, (pair,) = infer(model, 1.02)
    assert (pair.pair_cycles, pair.cycles) == cycles
    assert pair.folding_after == after == [pair.simd, pair.pe]
    assert pair.folding_before == [geometry.simd, geometry.pe]
    assert (pair.multipliers_before, pair.multipliers_after) == (geometry.simd * geometry.pe, np.prod(after))
    assert pair.refolded == (pair.why_refolded is not None) == (after != pair.folding_before)
    assert pair.refolded == (
        "refolded from SIMD=1, PE=1: at SIMD=1, PE=1 IMECConv would need 248" in str(pair)
    )


def test_a_pair_stays_if_another_folding_costs_more(make_pair_model):
    """Its multipliers are to be DSP slices, which FINN's VVAU does not have."""
    geometry = ConvGeometry((4, 4), (4, 4), 8, 8, depthwise=True)
    model = make_pair_model(make_path(geometry), mvau={"resType": "dsp"})
    _, (pair,) = infer(model, 1.02)
    assert not pair.swapped
    assert "at SIMD=1, PE=1 IMECConv would need 248 cycles, the pair needs 235, and no folding" in pair.reason
    assert "that is as fast costs no more: SIMD=1, PE=2 takes about" in pair.reason
    _, (larger,) = infer(model, 1.02, allow_larger=True)
    assert (larger.folding_after, larger.refolded) == ([1, 2], True)
    assert larger.imec["dsp"] > larger.finn["dsp"] == 0


@pytest.mark.parametrize(("part", "res_type"), [(None, "lut"), ("xcvc1902-vsva2197-2MP-e-S", "auto")])
def test_a_depthwise_pair_takes_no_dsp_slices_that_finns_has_not(make_pair_model, part, res_type):
    """FINN's VVAU multiplies in LUTs, but on Versal."""
    model = make_pair_model(make_path(ConvGeometry((3, 3), (8, 8), 16, 16, depthwise=True, pe=16)))
    model, (pair,) = infer(model, fpgapart=part)
    assert getCustomOp(model.graph.node[0]).get_nodeattr("resType") == res_type
    assert pair.imec["dsp"] <= pair.finn["dsp"] and pair.imec["lut"] < pair.finn["lut"]


@pytest.mark.parametrize(("simd", "pe"), [(36, 6), (12, 6), (9, 3), (6, 2), (18, 1)])
def test_a_refolded_pair_costs_no_more(make_pair_model, simd, pe):
    """MVAUs whose SIMD is beyond the channels, as FINN's own folding chooses it."""
    geometry = ConvGeometry((3, 3), (10, 10), 4, 12, simd_in=4)
    _, (pair,) = infer(make_pair_model(without_activation(geometry), mvau={"SIMD": simd, "PE": pe}), 1.02)
    assert pair.cycles <= 1.02 * pair.pair_cycles
    assert all(pair.imec[key] <= pair.finn[key] for key in ("lut", "dsp"))


@pytest.mark.parametrize(
    ("columns", "style", "ours", "blocks"),
    [
        (70, "distributed", "distributed", 0),
        (70, "auto", "auto", 1),
        (70, "block", "block", 1),
        (1500, "distributed", "auto", 3),
    ],
    ids=["FINN's in LUTs", "FINN's in block RAM", "asked for", "too slow in LUTs"],
)
def test_a_line_buffer_takes_block_ram_where_finns_does(make_pair_model, columns, style, ours, blocks):
    """Of 564 words and more, in block RAM by themselves. They are in LUTs as FINN's by default, unless that
    misses the clock of 5 ns: words come through a multiplexer."""
    geometry = ConvGeometry((3, 3), (8, columns), 4, 2)
    swg = {"ram_style": style}
    model, (pair,) = infer(make_pair_model(make_path(geometry), swg=swg), 1.02)
    assert getCustomOp(model.graph.node[0]).get_nodeattr("buffer_ram_style") == ours
    assert pair.imec["bram18"] == blocks
    assert pair.imec["lut"] < pair.finn["lut"]
    assert pair.cycles <= 1.02 * pair.pair_cycles


@pytest.mark.parametrize(("asked", "ours", "blocks"), [("auto", "distributed", 0), ("block", "block", 1)])
def test_a_few_deep_weights_are_in_luts_where_finns_are(make_pair_model, asked, ours, blocks):
    """144 words are in block RAM by themselves; FINN's memstream has so few bits in LUTs."""
    path = make_path(ConvGeometry((3, 3), (8, 8), 16, 16, depthwise=True))
    model, (pair,) = infer(make_pair_model(path, mvau={"resType": "lut", "ram_style": asked}), 1.02)
    assert getCustomOp(model.graph.node[0]).get_nodeattr("ram_style") == ours
    assert pair.imec["bram18"] == pair.finn["bram18"] == blocks
    assert pair.imec["lut"] < pair.finn["lut"]


def test_swap_and_cheapest_folding_agree_beyond_the_channels(make_pair_model):
    """A window of two pixels at once is as fast as the pair and has the fewest multipliers: it is kept."""
    from finn_imec.layer.units import cheapest_folding

    geometry = ConvGeometry((1, 2), (5, 6), 4, 2, simd_in=4)
    _, (pair,) = infer(make_pair_model(without_activation(geometry), mvau={"SIMD": 8, "PE": 1}), 1.02)
    assert pair.folding_after == list(cheapest_folding(geometry, int(1.02 * pair.pair_cycles)))
    assert pair.refolded == (pair.folding_after != [8, 1])


def test_estimates_do_not_depend_on_how_far_finn_is(make_pair_model):
    geometry = ConvGeometry((3, 3), (12, 12), 8, 8, simd=4, pe=4)
    abstract, specialized = (
        infer(make_pair_model(make_path(geometry), backend=backend))[1][0] for backend in ("", "rtl")
    )
    assert (abstract.finn, abstract.imec) == (specialized.finn, specialized.imec)
    assert abstract.imec["lut"] < abstract.finn["lut"]
    assert set(abstract.finn) == set(abstract.imec) == {"lut", "ff", "memory", "bram18", "uram", "dsp"}


# ---- the build's report -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs(make_pair_model) -> tuple[PairReport, ...]:
    """A swapped pair, a refolded one, one that stays."""
    first = make_pair_model(make_path(ConvGeometry((3, 3), (12, 12), 8, 8, simd=4, pe=4)))
    path = without_activation(ConvGeometry((4, 4), (4, 4), 8, 8, depthwise=True))
    depthwise = make_pair_model(path, mvau={"resType": "lut"})
    left = make_pair_model(make_path(), mvau={"pumpedMemory": 1})
    found = [infer(model, 1.02)[1][0] for model in (first, depthwise, left)]
    return found[0], replace(found[1], imecconv="IMECConv_1"), found[2]


def test_the_report_says_what_is_saved(pairs, tmp_path):
    conversion = Conversion(pairs, "xc7z020clg400-1", 5.0, next_commands(tmp_path / "a build"))
    content = conversion.as_dict()
    for side in ("finn", "imec"):
        total = content["total"][side]
        assert total == {key: sum(asdict(p)[side][key] for p in pairs[:2]) for key in total}
    assert content["next"][0] == f"finn-imec simulate '{tmp_path}/a build'"
    path = tmp_path / "imec_conversion.json"
    path.write_text(json.dumps(content))
    assert load_conversion(path) == conversion


ENTRY = {"swg": "a", "mvau": "b", "imecconv": "c", "reason": None, "simd": 2, "pe": 1}


def test_an_older_report_is_read(tmp_path):
    path = tmp_path / "imec_conversion.json"
    path.write_text(json.dumps([ENTRY]))
    conversion = load_conversion(path)
    assert [pair.imecconv for pair in conversion.pairs] == ["c"]
    assert conversion.total == {"finn": None, "imec": None}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("3", "holds a int"),
        ('{"pairs": [{"swg": 1}]}', "not the swap's report"),
        ("{}", "not the swap's report"),
        ('{"pairs": [], "next": 3}', r"not the swap's report \(next=3"),
        ('{"pairs": [], "clock_ns": "5"}', r"not the swap's report \(clock_ns='5'"),
        (json.dumps({"pairs": [ENTRY | {"finn": {"lut": 1}}]}), "resources are lut, ff"),
        (json.dumps({"pairs": [ENTRY | {"folding_before": [1, "2"]}]}), "folding_before"),
    ],
)
def test_a_damaged_report(tmp_path, text, reason):
    path = tmp_path / "imec_conversion.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=f"{path}: .*{reason}"):
        load_conversion(path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_conversion(tmp_path / "none.json")


def test_the_table_of_a_build(pairs):
    from finn_imec.report.table import savings_table

    conversion = Conversion(pairs, "xc7z020clg400-1", 5.0)
    console = Console(width=80, record=True)
    console.print(savings_table(conversion))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    for pair in pairs[:2]:
        for name, (simd, pe), figures in (
            (pair.mvau, pair.folding_before, pair.finn),
            (pair.imecconv, pair.folding_after, pair.imec),
        ):
            (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
            assert f"{simd} x {pe} = {simd * pe}" in line
            assert line.split()[-5] == f"{figures['lut']:,}"
    total = conversion.total
    assert f"{1 - total['imec']['lut'] / total['finn']['lut']:.0%}" in text.split("saved ")[1]
    assert "xc7z020clg400-1, 5 ns" in text


# ---- compare ------------------------------------------------------------------------------------


def test_each_side_at_its_own_folding(make_pair_model):
    """FINN's is the pair's: an MVAU's SIMD beyond the channels, or another PE."""
    from finn_imec.synthesis.comparison import layers_of_model

    geometry = ConvGeometry((3, 3), (8, 8), 4, 6, simd_in=2)
    model = make_pair_model(without_activation(geometry), mvau={"SIMD": 9, "PE": 3})
    (own,) = layers_of_model(model, as_built=True)
    (same,) = layers_of_model(model)
    assert own.finn_folding == (9, 3)
    assert same.finn_folding == (same.geometry.simd, same.geometry.pe) != (9, 3)
    assert (own.finn.simd_in, own.finn.parallel_window, own.geometry.simd_in) == (2, False, 2)
    swapped, report = infer(model, 1.02)
    assert layers_of_model(swapped, report, as_built=True)[0].finn_folding == (9, 3)
    assert layers_of_model(swapped, as_built=True)[0].finn_folding == same.finn_folding


def test_a_pair_that_collects_windows_is_not_counted_as_one_with_parallel_window(make_pair_model):
    """Though the folding is the same. Its generator's words are not always those of its input."""
    from finn_imec.synthesis.comparison import layers_of_model

    geometry = ConvGeometry((1, 2), (5, 6), 4, 2, simd_in=2)
    model = make_pair_model(without_activation(geometry), swg={"SIMD": 4}, mvau={"SIMD": 8, "PE": 1})
    swapped, (pair,) = infer(model, 100, allow_larger=True)
    (layer,) = layers_of_model(swapped, [replace(pair, folding_before=[8, 1])], as_built=True)
    assert (layer.finn_folding, layer.finn.parallel_window) == ((8, 1), False)
    assert layer.finn.simd_in == pair.generator_simd == 4


@pytest.mark.synthesis
def test_counts_of_two_foldings():
    """Both sides compute the same, each in the cycles of its folding."""
    from finn_imec.report.table import comparison_table
    from finn_imec.synthesis.comparison import compare_layer, random_layer
    from finn_imec.synthesis.rows import Row

    layer = random_layer("layer", ConvGeometry((2, 2), (4, 4), 2, 4, simd=2, pe=1), "INT2", "INT2")
    wider = replace(layer, finn_geometry=layer.geometry.with_folding(1, 2, 2), finn_simd=4)
    own = compare_layer(wider, flows=("alu",))
    assert own.finn_folding == (4, 2)
    assert own.imec["cycles"] == storage(layer.geometry).cycles_per_frame > own.finn["cycles"]
    assert own.finn["cycles"] == pair_cycles(wider.finn, 4, 2, 2)
    assert Row.from_dict(json.loads(json.dumps(own.as_dict()))).finn_folding == (4, 2)
    console = Console(width=110, record=True)
    console.print(comparison_table([own]))
    text = console.export_text()
    assert "each at its own folding" in text and "PE 1, SIMD 2, FINN's PE 2, SIMD 4" in text


def test_a_build_of_which_nothing_can_be_counted_measures_nothing(make_pair_model, tmp_path, capsys):
    """The build is there all the same; FINN's RTL has no unsigned weights."""
    geometry = ConvGeometry((3, 3), (6, 6), 4, 4, simd=4, pe=4)
    model, report = infer(make_pair_model(make_path(geometry, wdt="BINARY")))
    model.save(str(tmp_path / "model.onnx"))
    conversion = Conversion(tuple(report), "xc7z020clg400-1", 5.0)
    result = SimpleNamespace(
        output_dir=tmp_path, model=tmp_path / "model.onnx", pairs=conversion.pairs, conversion=conversion
    )
    assert measured_build(result) == []
    assert not (tmp_path / "comparison.json").exists()
    assert "nothing to measure: IMECConv_0: weight_datatype=BINARY: accepted are" in capsys.readouterr().err
    result.pairs = (replace(report[0], imecconv=None),)
    assert measured_build(result) == []
    assert "nothing to measure: no layer was swapped" in capsys.readouterr().err
