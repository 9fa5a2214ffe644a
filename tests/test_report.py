"""The HTML page of a results folder: its figures, its safety, its errors, its look in a browser."""

from __future__ import annotations

import html.parser
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp
from rich.console import Console

from finn_imec.builder.steps import step_convert_to_imec
from finn_imec.cli import main
from finn_imec.layer import baseline
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.units import storage
from finn_imec.report.page import write_report
from finn_imec.report.results import DEMO_MODELS, comparison_folder, load_results, write_rows
from finn_imec.report.table import TITLES, comparison_table
from finn_imec.synthesis.rows import RATIOS, Row, Side, geometric_means
from finn_imec.util.errors import ModelError

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'finn-imec[plot]'")

#: Measured figures of each side; two follow from others, and these rows have no clock.
MEASURED = [key for key in RATIOS if key not in ("memory", "ff_own", "period_ns")]
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
        target = {
            "synth_clk_period_ns": 5.0,
            "board": "Pynq-Z1",
            "_resolve_fpga_part": lambda: "xc7z020clg400-1",
        }
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
        elif tag in ("div", "br"):
            self.handle_data(" ")

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.tables[-1][-1][-1] += data

    def table(self, *heading: str) -> list[list[str]]:
        """Lines of the table whose first heads are these, whitespace folded."""
        for lines in self.tables:
            texts = [[" ".join(cell.split()) for cell in line] for line in lines]
            if texts[0][: len(heading)] == list(heading):
                return texts[1:]
        raise AssertionError(f"no table {heading}")


def test_every_figure_of_the_rows_is_on_the_page(compared, rows):
    result = write_report(compared)
    page = Page(compared / "report.html")
    *lines, mean = page.table("layer", "LUT", "LUT, paired")
    means = geometric_means(rows)
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows):
        assert row.layer in line[0]
        for text, key in zip(line[1:], TITLES, strict=True):
            finn, imec, ratio = text.split()
            values = row.finn[key], row.imec[key]
            assert (finn, imec) == tuple(f"{value:,}" for value in values)
            assert float(ratio) == pytest.approx(values[1] / values[0], abs=0.005)
    assert mean[1:] == [f"{means[key]:.2f}" for key in TITLES]
    assert result["means"] == means
    assert "finn-imec compare --layers here" in page.text


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
    assert page.table("sliding window unit + MVAU") == [
        [
            f"{HOSTILE} + mvau",
            f"swapped {pair['imecconv']}",
            f"SIMD={node.get_nodeattr('SIMD')}, PE={node.get_nodeattr('PE')}"
            + (", refolded" if pair["refolded"] else ""),
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
    assert "Not measured in this folder" in page.text


def test_pair_that_stays_shows_its_reason(make_built):
    folder, _ = make_built(dynamic_mode=1)
    (pair,) = write_report(folder)["pairs"]
    page = Page(folder / "report.html")
    assert "dynamic_mode=1" in pair["reason"]
    (line,) = page.table("sliding window unit + MVAU")
    names = " + ".join(filter(None, (pair["swg"], pair["mvau"])))
    assert HOSTILE in names
    assert line == [names, f"left as it is {pair['reason']}"]
    assert "0 of 1" in page.text


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
            memory = cells.pop(list(TITLES).index("memory"))
            assert (set(cells), memory) == ({"5,000 2,500 0.50"}, "10,000 5,000 0.50")
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


def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("needs a headless Chromium: apt-get install chromium")


def chromium(tmp_path, page, *options: str) -> str:
    """Standard output of a headless run on a page."""
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,1700", *options]
    run = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_page_in_a_browser(tmp_path, compared):
    """Bars and charts are drawn in our colors, and hostile names run no script."""
    from matplotlib.image import imread

    write_report(compared)
    page = (compared / "report.html").resolve()
    dom = chromium(tmp_path, page, "--dump-dom", "--virtual-time-budget=2000")
    assert "<title>IMECConv report: compared</title>" in dom
    assert "<img" not in dom
    shot = tmp_path / "page.png"
    chromium(tmp_path, page, f"--screenshot={shot}")
    pixels = (imread(shot)[..., :3] * 255).round().astype(int)
    assert pixels.shape == (1700, 1280, 3)
    blue = (pixels == (0x0B, 0x6E, 0x99)).all(axis=2)
    gray = (pixels == (0x8A, 0x8F, 0x98)).all(axis=2)
    # Chart bars are in the lower half, right of their labels, on both sides.
    assert min(blue[850:, 100:].sum(), gray[850:, 100:].sum()) > 2000


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
