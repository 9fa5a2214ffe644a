"""The HTML page of a results folder: its figures, its safety, its errors, its look in a browser."""

from __future__ import annotations

import html.parser
import io
import json
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp
from rich.console import Console
from typer.testing import CliRunner

from finn_imec.builder.steps import step_convert_to_imec
from finn_imec.cli import app, main
from finn_imec.cli.compare import counted_rows, not_counted
from finn_imec.layer import baseline
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.units import storage
from finn_imec.report.page import write_report
from finn_imec.report.results import DEMO_MODELS, comparison_folder, load_results, write_rows
from finn_imec.report.summary import change_text, headline
from finn_imec.report.table import COLUMNS, comparison_table
from finn_imec.synthesis.comparison import compare, random_layer
from finn_imec.synthesis.rows import RATIOS, Row, Side, geometric_means, totals
from finn_imec.util.errors import MissingToolError, ModelError, UnsupportedError

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'finn-imec[plot]'")

#: Measured figures of each side; two follow from others, and these rows have no clock.
MEASURED = [key for key in RATIOS if key not in ("memory", "ff_own", "period_ns")]
PART = "xc7z020clg400-1"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">&$\\frac$"


def row_of(name: str, geometry: ConvGeometry, finn: dict[str, int], imec: dict[str, int]) -> Row:
    """A row as compare() gives it, its geometry kept."""
    return Row(name, "2x3", geometry.simd, geometry.pe, "lut", 0, 3, Side(**finn), Side(**imec), geometry)


@pytest.fixture
def rows():
    """Two layers; every figure differs, so that a swapped one shows."""
    figures = iter(range(1234, 9999, 17))
    geometries = (
        ConvGeometry((3, 3), (9, 7), 4, 8, simd=2, pe=4),
        ConvGeometry((1, 1), (5, 5), 8, 8, simd=8, pe=8),
    )
    return [
        row_of(name, g, *({key: next(figures) for key in MEASURED} for _ in range(2)))
        for name, g in zip((HOSTILE, "plain"), geometries)
    ]


@pytest.fixture
def compared(tmp_path, rows):
    """A folder as `finn-imec compare --output` leaves it."""
    with comparison_folder(tmp_path / "compared") as folder:
        write_rows(rows, "finn-imec compare --layers here", folder / "comparison.json")
    return tmp_path / "compared"


@pytest.fixture
def make_built(tmp_path, make_pair_model):
    """Builder of a folder as `finn-imec build` leaves it, by the step that it runs."""

    def make(**swg):
        geometry = ConvGeometry((3, 3), (9, 9), 4, 8, simd=4, pe=2)
        weights = np.ones((geometry.mw, geometry.mh), int)
        types = (DataType[name] for name in ("INT2", "INT3", "INT16"))
        model = make_pair_model(Datapath(geometry, *types, weights), swg=swg)
        for node, name in zip(model.graph.node, (HOSTILE, "mvau")):
            node.name = name
        folder = tmp_path / "built"
        (folder / "intermediate_models").mkdir(parents=True)
        model.save(str(folder / "intermediate_models" / "step_minimize_bit_width.onnx"))
        target = {"synth_clk_period_ns": 5.0, "board": "Pynq-Z1", "_resolve_fpga_part": lambda: PART}
        cfg = SimpleNamespace(output_dir=str(folder), folding_config_file=None, **target)
        model = step_convert_to_imec(model, cfg)
        model.save(str(folder / "intermediate_models" / "step_convert_to_imec.onnx"))
        model.save(str(folder / "model.onnx"))
        return folder, model

    return make


class Page(html.parser.HTMLParser):
    """Texts of table cells by table and line, all text, and every attribute of a page."""

    def __init__(self, path):
        super().__init__()
        self.tables, self.attributes, self.tags, self.text = [], [], [], ""
        self.in_cell = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.in_cell = True
        elif tag in ("div", "br", "b", "dt", "dd", "p"):
            self.handle_data(" ")

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.tables[-1][-1][-1] += data

    @property
    def body(self) -> str:
        """Text behind the styles."""
        return self.text.partition("break-inside: avoid } }")[2]

    def table(self, *heading: str) -> list[list[str]]:
        """Lines of the table whose first heads are these, whitespace folded."""
        for lines in self.tables:
            texts = [[" ".join(cell.split()) for cell in line] for line in lines]
            if texts[0][: len(heading)] == list(heading):
                return texts[1:]
        raise AssertionError(f"no table {heading}")


def numbers(cell: str) -> tuple[str, ...]:
    """FINN's, IMECConv's and the ratio of a cell, as they are written."""
    return re.fullmatch(r"FINN (\S+) IMECConv (\S+) ratio (\S+)", cell).groups()


def test_every_figure_of_the_rows_is_on_the_page(compared, rows):
    result = write_report(compared)
    page = Page(compared / "report.html")
    *lines, last = page.table("layer", "LUT", "LUT, paired")
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows):
        assert row.layer in line[0]
        for text, key in zip(line[1:], COLUMNS, strict=True):
            finn, imec, ratio = numbers(text)
            values = row.finn[key], row.imec[key]
            assert (finn, imec) == tuple(f"{value:,}" for value in values)
            assert float(ratio) == pytest.approx(values[1] / values[0], abs=0.005)
    assert result["means"] == geometric_means(rows)
    assert "finn-imec compare --layers here" in page.text
    for text, key in zip(last[1:], COLUMNS, strict=True):
        if key in ("lut_paired", "depth"):
            assert not text.strip()
            continue
        both = [max(row[side].cycles for row in map(vars, rows)) for side in ("finn", "imec")]
        finn, imec = both if key == "cycles" else totals(rows, key)
        assert result["sums"][key] == {"finn": finn, "imec": imec}
        assert text.split() == [f"{finn:,}", f"{imec:,}", f"{imec / finn:.2f}"]


def test_the_sum_comes_first(compared, rows):
    """In the heading, in LUTs; then of each resource."""
    finn, imec = totals(rows, "lut")
    write_report(compared)
    text = " ".join(Page(compared / "report.html").body.split())
    percent = f"{100 * (imec - finn) / finn:.0f} %"
    assert text.startswith(f"{percent} more LUTs {imec:,} in place of {finn:,}, in 2 convolutions ")
    assert "Counted by Yosys" in text and "Estimates" not in text
    assert re.search(rf"LUTs \+{percent} {finn:,} → {imec:,} LUTs as memory \+", text)


def test_the_page_says_whose_folding_it_is(compared, rows):
    write_report(compared)
    text = Page(compared / "report.html").text
    assert "Both sides have the same folding; thresholds are included" in text
    with comparison_folder(compared) as folder:
        write_rows(
            [replace(row, finn_folding=(3, 1), steps=0) for row in rows], "", folder / "comparison.json"
        )
    write_report(compared)
    page = Page(compared / "report.html")
    assert "Each side has its own folding; there are no thresholds" in page.text
    assert "FINN's PE 1, SIMD 3" in page.table("layer", "LUT")[0][0]


@pytest.mark.parametrize(
    ("finn", "imec", "change", "heading"),
    [
        (1000, 530, "\N{MINUS SIGN}47 %", "47 % fewer LUTs"),
        (1000, 1200, "+20 %", "20 % more LUTs"),
        (1000, 997, "\N{MINUS SIGN}0.3 %", "0.3 % fewer LUTs"),
        (7, 7, "same", "As many LUTs as FINN's pairs"),
        (10_000, 10_004, "nearly same", "About as many LUTs as FINN's pairs"),
        (0, 1200, "+1,200", "1,200 more LUTs"),
    ],
)
def test_changes_in_words(finn, imec, change, heading):
    assert (change_text(finn, imec), headline({"lut": (finn, imec)})) == (change, heading)


def test_rows_as_compare_prints_them(tmp_path, rows):
    """`finn-imec compare --json > comparison.json` works as well."""
    (tmp_path / "comparison.json").write_text(json.dumps([row.as_dict() for row in rows]))
    assert write_report(tmp_path)["means"] == geometric_means(rows)


def test_means_are_those_of_ratios_that_there_are():
    """Halved and doubled is no change; of a ratio of 0, or over 0, there is no mean."""
    g = ConvGeometry((1, 1), (5, 5), 8, 8)
    same = dict.fromkeys(MEASURED, 8)
    first = row_of("a", g, same | {"dsp": 0, "srl": 0}, same | {"lut": 4, "ff": 2, "bram18": 0, "srl": 0})
    other = row_of("b", g, same, same | {"lut": 16})
    assert (first.ratio["bram18"], first.ratio["dsp"], first.ratio["srl"]) == (0, None, 1)
    means = geometric_means([first, other])
    assert (means["lut"], means["ff"], means["srl"]) == pytest.approx((1, 1 / 2, 1))
    assert means["bram18"] is means["dsp"] is None


def test_memory_is_the_geometrys(compared, rows):
    write_report(compared)
    lines = Page(compared / "report.html").table("layer", "FINN line buffer")
    for line, row in zip(lines, rows, strict=True):
        g = row.geometry
        bits = baseline.generator_bits(g, 2), baseline.replay_bits(g, 2), storage(g).bits(2)
        assert line[1:4] == [f"{b:,}" for b in bits]
        assert line[5] == f"{g.mw * g.mh * 3:,}"
        assert line[6:] == [f"{side.cycles:,}" for side in (row.finn, row.imec)]


def test_page_of_a_build(make_built):
    folder, model = make_built()
    result = write_report(folder)
    (pair,), node = result["pairs"], getCustomOp(model.graph.node[0])
    page = Page(folder / "report.html")
    assert not pair["refolded"]
    assert page.table("FINN's units") == [
        [
            f"{HOSTILE} + mvau",
            pair["imecconv"],
            f"SIMD {node.get_nodeattr('SIMD')}, PE {node.get_nodeattr('PE')}",
            f"{pair['pair_cycles']:,}",
            f"{node.get_exp_cycles():,}",
        ]
    ]
    assert page.table("before: FINN") == [
        [
            f"{HOSTILE} ConvolutionInputGenerator, SIMD=4 mvau MVAU, SIMD=4, PE=2",
            f"{pair['imecconv']} IMECConv, SIMD={pair['simd']}, PE={pair['pe']}",
        ]
    ]
    (line,) = page.table("layer", "FINN line buffer")
    assert line[3] == f"{storage(node.geometry).bits(2):,}"
    for command in ("simulate", "compare", "report"):
        assert f"finn-imec {command} {folder}" in page.text


def edited(folder, **fields) -> None:
    """Set fields of the first pair in a build's report of the swap."""
    path = folder / "report" / "imec_conversion.json"
    content = json.loads(path.read_text())
    content["pairs"][0] |= fields
    path.write_text(json.dumps(content))


def test_a_build_of_an_older_version_goes_on_as_any_build(make_built):
    folder, _ = make_built()
    path = folder / "report" / "imec_conversion.json"
    path.write_text(json.dumps(json.loads(path.read_text())["pairs"]))
    write_report(folder)
    commands = [f"finn-imec {command} {folder}" for command in ("simulate", "compare", "report")]
    assert " ".join(commands) in " ".join(Page(folder / "report.html").body.split())


def test_a_build_shows_estimates_until_layers_are_counted(make_built):
    folder, model = make_built()
    finn = {"lut": 2000, "ff": 900, "memory": 300, "bram18": 2, "uram": 0, "dsp": 4}
    imec = {"lut": 1000, "ff": 300, "memory": 30, "bram18": 2, "uram": 0, "dsp": 4}
    edited(folder, finn=finn, imec=imec)
    result = write_report(folder)
    page = Page(folder / "report.html")
    text = " ".join(page.body.split())
    assert text.startswith("50 % fewer LUTs 1,000 in place of 2,000, in 1 convolution that ")
    assert "Estimates, not counts" in text and "Counted" not in text
    moved = folder.rename(folder.with_name("moved"))
    write_report(moved)
    commands = [f"finn-imec {command} {moved}" for command in ("simulate", "compare", "report")]
    assert " ".join(commands) in " ".join(Page(moved / "report.html").body.split())
    moved.rename(folder)
    assert (result["counted"], result["part"]) == (False, PART)
    assert f"Part {PART}" in text and "clock 5 ns" in text
    (line, _) = page.table("layer", "LUT", "LUTs as memory", "FF", "BRAM18", "DSP", "cycles")
    assert [numbers(cell) for cell in line[1:4]] == [
        ("2,000", "1,000", "0.50"),
        ("300", "30", "0.10"),
        ("900", "300", "0.33"),
    ]
    name, g = model.graph.node[0].name, getCustomOp(model.graph.node[0]).geometry
    with comparison_folder(folder) as scratch:
        counted = (dict.fromkeys(MEASURED, value) for value in (1000, 600))
        write_rows([row_of(name, g, *counted)], "", scratch / "comparison.json")
    assert write_report(folder)["counted"]
    text = " ".join(Page(folder / "report.html").body.split())
    assert text.startswith("40 % fewer LUTs") and "Estimates" not in text


def test_layers_that_are_not_counted_are_named(make_built):
    """Their estimates are not in the counted sums."""
    folder, model = make_built()
    figures = {"lut": 2000, "ff": 900, "memory": 300, "bram18": 2, "uram": 0, "dsp": 4}
    edited(folder, finn=figures, imec=figures | {"lut": 1234})
    path = folder / "report" / "imec_conversion.json"
    content = json.loads(path.read_text())
    alone = content["pairs"][0] | {"swg": None, "mvau": "dense", "imecconv": "IMECConv_9"}
    path.write_text(json.dumps(content | {"pairs": [*content["pairs"], alone]}))
    assert write_report(folder)["not_counted"] == []
    text = " ".join(Page(folder / "report.html").body.split())
    assert "in 2 layers that IMECConv " in text and "or of an MVAU alone." in text
    name, g = model.graph.node[0].name, getCustomOp(model.graph.node[0]).geometry
    rows = [row_of(name, g, *(dict.fromkeys(MEASURED, value) for value in (1000, 600)))]
    with comparison_folder(folder) as scratch:
        write_rows(rows, "", scratch / "comparison.json")
    result = write_report(folder)
    assert result["not_counted"] == ["IMECConv_9"] and result["sums"]["lut"] == {"finn": 1000, "imec": 600}
    text = " ".join(Page(folder / "report.html").body.split())
    assert "400 in place" not in text and "in 1 counted convolution that" in text
    assert "IMECConv_9, whose FINN side cannot be counted; by the estimates 2,000 → 1,234 LUTs" in text
    assert not_counted(load_results(folder).pairs, {"IMECConv_9": "no core"}) == [
        "IMECConv_9 is not counted: no core; by the estimates 2,000 to 1,234 LUTs"
    ]


def test_the_page_says_that_an_mvau_alone_was_counted(make_built):
    folder, model = make_built()
    edited(folder, swg=None)
    inst = getCustomOp(model.graph.node[0])
    row = row_of(
        model.graph.node[0].name, inst.geometry, *(dict.fromkeys(MEASURED, value) for value in (1000, 600))
    )
    with comparison_folder(folder) as scratch:
        write_rows([row], "", scratch / "comparison.json")
    write_report(folder)
    text = " ".join(Page(folder / "report.html").body.split())
    assert "in 1 layer that IMECConv " in text and "or of an MVAU alone." in text


def test_the_page_says_that_finns_side_has_its_compressor_tree(compared, rows):
    with comparison_folder(compared) as folder:
        write_rows([replace(row, finn_core="compressor") for row in rows], "", folder / "comparison.json")
    write_report(compared)
    lines = Page(compared / "report.html").table("layer", "LUT")[:-1]
    assert all(line[0].endswith("FINN's compressor tree") for line in lines)


@pytest.fixture
def counts(monkeypatch):
    """compare() without Yosys and Verilator: unsigned weights are refused, as by FINN's side."""
    figures = dict.fromkeys(MEASURED, 8)

    def compare_layer(layer, **options):
        if not layer.weight_datatype.signed():
            raise UnsupportedError("no core")
        return replace(row_of(layer.name, layer.geometry, figures, figures), bits=layer.bits, geometry=None)

    monkeypatch.setattr("finn_imec.synthesis.comparison.compare_layer", compare_layer)


def test_layers_of_several_widths_have_the_same_names(counts):
    """As those of --layers cnv-w2a2 --bits 1,2, of which some may be refused at one width only."""
    geometries = [ConvGeometry((size, 2), (4, 4), 2, 4, simd=2, pe=1) for size in (1, 2)]
    layers = [
        random_layer("L", g, "INT2", weight) for g, weight in zip(geometries, ("BINARY", "INT2"), strict=True)
    ]
    rows, refused = counted_rows(layers)
    assert [(row.bits, row.geometry) for row in rows] == [("2x2", geometries[1])]
    assert refused == {"L": "no core"}


def test_json_of_compare_leaves_no_layer_out_silently(counts, monkeypatch):
    layers = [random_layer(w, ConvGeometry((1, 2), (4, 4), 2, 4), "INT2", w) for w in ("BINARY", "INT2")]
    monkeypatch.setattr("finn_imec.cli.compare.chosen_layers", lambda *options: layers)
    run = CliRunner().invoke(app, ["compare", "--layers", "padded", "--json"])
    assert [row["layer"] for row in json.loads(run.stdout)] == ["INT2"]
    assert "BINARY is not counted: no core" in run.stderr


@pytest.mark.synthesis
def test_a_layer_that_cannot_be_counted_leaves_the_others():
    """Unsigned weights, as of average pooling: FINN's RTL has signed ones."""
    geometry = ConvGeometry((2, 2), (4, 4), 2, 4, simd=2, pe=1)
    layers = [random_layer(weight, geometry, "INT2", weight) for weight in ("BINARY", "INT2")]
    rows, refused = counted_rows(layers, flows=("alu",))
    assert [(row.layer, row.geometry) for row in rows] == [("INT2", geometry)]
    assert refused == {"BINARY": "weight_datatype=BINARY: accepted are signed ones and BIPOLAR"}
    (line,) = not_counted([], refused)
    assert line == f"BINARY is not counted: {refused['BINARY']}"
    with pytest.raises(UnsupportedError, match="^BINARY: weight_datatype=BINARY: accepted are"):
        counted_rows(layers[:1])
    with pytest.raises(UnsupportedError, match="^BINARY: weight_datatype=BINARY: accepted are"):
        compare(layers)


def test_joins_are_on_the_page(make_built):
    folder, _ = make_built()
    write_report(folder)
    assert "Branches and FIFOs" not in Page(folder / "report.html").body
    path = folder / "report" / "imec_conversion.json"
    lines = [f"{HOSTILE} joins a and b", "`finn-imec fifos`, or `c`, sizes it"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"joins": lines}))
    write_report(folder)
    text = " ".join(Page(folder / "report.html").body.split())
    assert f"Branches and FIFOs {HOSTILE} joins a and b" in text
    html = (folder / "report.html").read_text().replace("<wbr>", "")
    assert "<li><code>finn-imec fifos</code>, or <code>c</code>, sizes it</li>" in html


@pytest.mark.parametrize(("equal", "text"), [(True, "equal"), (False, "differs"), (None, None)])
def test_the_page_says_whether_the_output_is_the_exports(make_built, equal, text):
    folder, _ = make_built()
    path = folder / "report" / "imec_conversion.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"equals_export": equal}))
    write_report(folder)
    words = " ".join(Page(folder / "report.html").text.split())
    assert (f"output {text} beside the export" in words) == (text is not None)


def test_a_build_without_estimates_has_no_sum(make_built):
    folder, _ = make_built()
    edited(folder, finn=None, imec=None)
    assert write_report(folder)["sums"] == {}
    text = " ".join(Page(folder / "report.html").body.split())
    assert text.startswith("FINN's sliding window and MVAU as one IMECConv")
    assert "Not known in this folder" in text


def test_refolded_pairs_show_both_foldings_and_why(make_built):
    folder, _ = make_built()
    why = "SIMD 27 does not divide 3 channels"
    edited(folder, refolded=True, folding_before=[27, 1], simd=3, pe=8, why_refolded=why)
    write_report(folder)
    ((_, _, folding, *_),) = Page(folder / "report.html").table("FINN's units", "became")
    assert folding == f"SIMD 27, PE 1, 27 multipliers → SIMD 3, PE 8, 24 multipliers {why}"


def test_pair_that_stays_shows_its_reason(make_built):
    folder, _ = make_built(dynamic_mode=1)
    (pair,) = write_report(folder)["pairs"]
    page = Page(folder / "report.html")
    assert "dynamic_mode=1" in pair["reason"]
    (line,) = page.table("FINN's units", "stay because")
    names = " + ".join(filter(None, (pair["swg"], pair["mvau"])))
    assert HOSTILE in names
    assert line == [names, pair["reason"]]
    assert "0 of 1" in page.text and "why 1 stays" in page.text


def test_comparison_of_a_build(make_built):
    """`compare -o` into a build's folder completes its page; rows of another folding are refused."""
    folder, model = make_built()
    name, g = model.graph.node[0].name, getCustomOp(model.graph.node[0]).geometry
    values = [dict.fromkeys(MEASURED, v) for v in (5000, 2500)]
    for geometry, accepted in ((g, True), (g.with_folding(1, 1), False)):
        with comparison_folder(folder) as scratch:
            write_rows([row_of(name, geometry, *values)], "", scratch / "comparison.json")
        if accepted:
            write_report(folder)
            ((title, *cells), _) = Page(folder / "report.html").table("layer", "LUT")
            assert title.startswith(name)
            found = dict(zip(COLUMNS, map(numbers, cells), strict=True))
            assert found.pop("memory") == ("10,000", "5,000", "0.50")
            assert set(found.values()) == {("5,000", "2,500", "0.50")}
        else:
            with pytest.raises(ModelError, match="SIMD=1, PE=1 is not in the folder's model"):
                write_report(folder)


def test_nodes_between_a_pair_belong_to_its_row(make_pair_model):
    """Also where another branch's node stands between them in the list."""
    from onnx import helper

    from finn_imec.report.results import align

    def graph(*nodes):
        made = [helper.make_node(*n, name=n[2][0]) for n in nodes]
        return helper.make_model(helper.make_graph(made, "g", [], []))

    before = graph(
        ("SWG", ["x"], ["a"]),
        ("Other", ["x"], ["o"]),
        ("DWC", ["a"], ["b"]),
        ("MVAU", ["b"], ["c"]),
    )
    after = graph(("Other", ["x"], ["o"]), ("IMECConv", ["x"], ["c"]))
    rows = [[[n.op_type for n in side] for side in row] for row in align(before, after)]
    assert rows == [[["Other"], ["Other"]], [["SWG", "DWC", "MVAU"], ["IMECConv"]]]


@pytest.mark.parametrize("kind", ["compared", "built"])
def test_page_needs_nothing_from_outside(kind, request, make_built):
    folder = request.getfixturevalue("compared") if kind == "compared" else make_built()[0]
    write_report(folder)
    text = (folder / "report.html").read_text()
    page = Page(folder / "report.html")
    assert "svg" in page.tags
    assert not {"script", "img", "link", "iframe", "object"} & set(page.tags)
    targets = [value for name, value in page.attributes if re.fullmatch("(xlink:)?href|src", name)]
    assert all(value.startswith("#") for value in targets)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert all(url.startswith("#") for url in re.findall(r"url\(\s*['\"]?([^)]*)", text))
    assert not re.search(r"https?:|@import|data:", text)


def test_page_in_a_browser(browser, compared, tmp_path):
    """Bars and charts are drawn in our colors, and hostile names run no script."""
    from matplotlib.image import imread

    write_report(compared)
    page = browser.new_page(viewport={"width": 1280, "height": 1700})
    page.goto((compared / "report.html").resolve().as_uri())
    assert page.title() == "IMECConv report: compared"
    assert not page.query_selector_all("img")
    page.screenshot(path=tmp_path / "page.png")
    page.close()
    pixels = (imread(tmp_path / "page.png")[..., :3] * 255).round().astype(int)
    blue = (pixels == (0x0B, 0x6E, 0x99)).all(axis=2)
    gray = (pixels == (0x8A, 0x8F, 0x98)).all(axis=2)
    # Chart bars are in the lower half, right of their labels, on both sides.
    assert min(blue[850:, 100:].sum(), gray[850:, 100:].sum()) > 2000


#: Words of names that go over two lines.
BROKEN_WORDS = """() => {
  const broken = [];
  for (const code of document.querySelectorAll("code")) {
    const walk = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    for (let text = walk.nextNode(); text; text = walk.nextNode())
      for (const word of text.data.matchAll(/[A-Za-z]+/g)) {
        const range = document.createRange();
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1) broken.push(word[0]);
      }
  }
  return broken;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 500, 900, 1400])
def test_the_page_is_readable(browser, width, theme, make_built):
    """axe-core finds nothing: contrast of 4.5, roles, labels. Nothing is wider than the window, and names
    break between words only."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs finn-imec[dev]")
    folder, _ = make_built()
    long = "StreamingDataflowPartition_1_ConvolutionInputGenerator_rtl_0"
    sides = {"lut": 2000, "ff": 900, "memory": 300, "bram18": 2, "uram": 1, "dsp": 4}
    edited(folder, swg=long, finn=sides, imec=sides | {"lut": 1000, "dsp": 5})
    path = folder / "report" / "imec_conversion.json"
    content = json.loads(path.read_text())
    stays = {"swg": long, "mvau": None, "imecconv": None, "reason": f"feeds {long}, not one MVAU"}
    path.write_text(json.dumps(content | {"pairs": [*content["pairs"], stays]}))
    write_report(folder)

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    page.goto((folder / "report.html").resolve().as_uri())
    found = axe.Axe().run(page)
    assert not found.violations_count, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(BROKEN_WORDS) == []
    dark = sum(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))))
    assert (dark < 3 * 64) == (theme == "dark")
    page.close()


# ---- errors -------------------------------------------------------------------------------------


def test_demo_without_a_model_names_file_and_command(tmp_path, rows):
    (tmp_path / "demo.json").write_text(json.dumps({"comparison": [row.as_dict() for row in rows]}))
    with pytest.raises(ModelError, match=f"{DEMO_MODELS[0]}: no such file; `finn-imec demo"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON, or truncated"),
        ("3", "holds a int"),
        ("[]", "holds no rows of `finn-imec compare --json`"),
        ('[{"layer": "a"}]', "row 0 has no 'bits'"),
        (
            '[{"layer": "a", "bits": "2x2", "simd": 1, "pe": 1, "core": "lut", "pipeline": 0, '
            '"finn": {"lut": 1}, "imec": {}}]',
            "row 0, finn has no 'lut_logic'; write the file anew",
        ),
        ('[{"layer": "a", "bits": 2}]', "row 0 has bits=2; expected a JSON string"),
    ],
)
def test_damaged_rows(tmp_path, content, message):
    (tmp_path / "comparison.json").write_text(content)
    with pytest.raises(ModelError, match=f"comparison.json: .*{message}"):
        write_report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.json"]


def run_cli(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    monkeypatch.setattr("sys.argv", ["finn-imec", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    output = capsys.readouterr()
    return end.value.code or 0, output.out, output.err


def test_command(compared, rows, monkeypatch, capsys):
    code, out, _ = run_cli(monkeypatch, capsys, "report", compared, "--json")
    assert code == 0
    result = json.loads(out)
    assert result["rows"] == json.loads(json.dumps([row.as_dict() for row in rows]))
    assert result["page"] == str(compared / "report.html")
    assert (compared / "report.html").is_file()


def test_command_names_what_is_missing(tmp_path, monkeypatch, capsys):
    code, _, err = run_cli(monkeypatch, capsys, "report", tmp_path)
    assert code == 1
    text = " ".join(err.split())
    for name, command in (("demo.json", "demo"), ("imec_conversion.json", "build")):
        assert name in text
        assert f"finn-imec {command}" in text
    assert list(tmp_path.iterdir()) == []
    code, _, err = run_cli(monkeypatch, capsys, "report", tmp_path / "absent")
    assert (code, "no such folder" in err) == (1, True)


def test_a_build_without_finn_is_one_message(make_built, monkeypatch):
    folder, _ = make_built()
    for name in [name for name in sys.modules if name.split(".")[0] == "finn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "finn", None)
    with pytest.raises(MissingToolError, match=r"'finn' is not installed.*finn-imec\[finn\]"):
        write_report(folder)


def test_compare_refuses_a_folder_of_others_before_it_measures(tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.tex").write_text("precious")
    code, _, err = run_cli(monkeypatch, capsys, "compare", "--geometry", "4,4,1,1,3,3", "--output", tmp_path)
    assert code == 1
    assert "holds other files" in " ".join(err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


# ---- the table of the terminal ------------------------------------------------------------------


def test_the_table_tells_nodes_and_clock(rows):
    """Complete nodes or not; a side that misses the clock is marked, also in a row that was read back."""
    sides = {"finn": replace(rows[1].finn, period_ns=7.0), "imec": replace(rows[1].imec, period_ns=5.25)}
    row = Row.from_dict(json.loads(json.dumps(replace(rows[1], **sides, clock_ns=5.5).as_dict())))

    def shown(*rows: Row) -> str:
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(comparison_table(rows))
        return " ".join(console.export_text().split())

    text = shown(row)
    assert "Complete nodes, thresholds per channel: 3. Clock: 5.5 ns; ! misses it." in text
    assert " 7.00! " in text and " 5.25 " in text
    assert " 5.25! " in shown(replace(row, clock_ns=5.2))
    assert "Without thresholds. Yosys" in shown(replace(rows[1], steps=0))
