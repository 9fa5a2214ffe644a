"""Wheel and sdist: complete, and installed with nothing but the declared dependencies, they work."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytest.importorskip("build", reason="needs pip install 'finn-imec[dev]'")
pytest.importorskip("hatchling", reason="needs pip install 'finn-imec[dev]'")

import finn_imec

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> tuple[Path, Path]:
    """(wheel, sdist): the sdist of this tree, and the wheel of that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def requirements(of: Requirement) -> dict[str, importlib.metadata.Distribution]:
    """By name, every distribution that this requirement brings along, itself included."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = [of]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        dist = importlib.metadata.distribution(wanted.name)
        found[wanted.name] = dist
        for line in dist.requires or ():
            needed = Requirement(line)
            extras = [{"extra": extra} for extra in ("", *wanted.extras)]
            if needed.marker is None or any(needed.marker.evaluate(e) for e in extras):
                waiting.append(needed)
    return found


@pytest.fixture(scope="module")
def installed(distributions, tmp_path_factory) -> Path:
    """bin/ of an environment with the wheel, and links to its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    needed = requirements(Requirement("finn-imec"))
    del needed["finn-imec"]
    for dist in needed.values():
        tops = {file.parts[0] for file in dist.files if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            link = packages / top
            if not link.exists():
                link.symlink_to(dist.locate_file(top))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    run = subprocess.run([*pip, "--no-index", str(distributions[0])], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return python.parent


def run_in(installed: Path, tmp_path: Path, program: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FINN"))}
    return subprocess.run(
        [installed / program, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_wheel_holds_the_whole_package(distributions):
    package = Path(finn_imec.__file__).parent
    expected = {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {n for n in zipfile.ZipFile(distributions[0]).namelist() if ".dist-info/" not in n}
    measured = {name for name in names if name.startswith("finn_imec/report/measured/")}
    assert names == expected | measured | {"finn_imec.pth"}
    assert {Path(name).suffix for name in names} >= {
        ".sv",
        ".hpp",
        ".j2",
        ".h",
        ".cpp",
        ".v",
        ".pth",
    }


def test_sdist_can_be_developed(distributions):
    with tarfile.open(distributions[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for path in (
        "Makefile",
        "scripts/setup.sh",
        "mkdocs.yml",
        "docs/index.md",
        "tests/conftest.py",
    ):
        assert path in names
    for folder in ("tests", "notebooks", "docs", "scripts"):
        there = {str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*.*") if p.suffix != ".pyc"}
        assert {name for name in there if "__pycache__" not in name} <= names


def test_command_without_finn(installed, tmp_path):
    run = run_in(installed, tmp_path, "finn-imec", "algorithms", "--layer", "cv5", "--run", "--json")
    assert run.returncode == 0, run.stderr
    assert all(result["correct"] for result in json.loads(run.stdout)[0]["runs"])


def test_generates_rtl_and_c_without_finn(installed, tmp_path):
    program = """
import sys
from pathlib import Path
import numpy as np
from qonnx.core.datatype import DataType
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.hls import ImecHls
from finn_imec.import_hook import RegisterOnImport
from finn_imec.rtl import ImecRtl

assert RegisterOnImport in sys.meta_path  # by finn_imec.pth
assert "finn" not in sys.modules
g = ConvGeometry((3, 3), (5, 5), 2, 4, simd=2, pe=2)
path = Datapath(g, *(DataType[t] for t in ("INT2", "INT2", "INT8")), np.ones((g.mw, g.mh), int))
design = ImecRtl("layer", path).generate(Path("rtl"))
assert all(source.is_file() for source in design.sources)
ImecHls("layer", path).generate(Path("hls"))
"""
    run = run_in(installed, tmp_path, "python", "-c", program)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "rtl" / "layer.v").is_file()
    assert (tmp_path / "hls" / "imec.hpp").is_file()


def test_paper_finds_its_measurements(distributions, installed, tmp_path):
    """The wheel has all files of benchmarks/results that the paper's tables need, unchanged."""
    program = """
from finn_imec.report import paper
from finn_imec.report.results import load_rows

folder = paper.shipped_results()
rows = [row for path in folder.glob("*bit.json") for row in load_rows(path)]
for bits in (1, 2):
    measured = paper._cnv(rows, folder, bits, quick=True, progress=print)
    assert not measured["lacking"] and measured["whole"] and measured["totals"]["toggles"]
"""
    run = run_in(installed, tmp_path, "python", "-c", program)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(distributions[0]) as wheel:
        for name in wheel.namelist():
            if name.startswith("finn_imec/report/measured/"):
                committed = ROOT / "benchmarks" / "results" / name.split("/", 3)[3]
                assert wheel.read(name) == committed.read_bytes()


# ---- docker/install.sh --------------------------------------------------------------------------

#: pip of FINN's container: `list` gives one list after the other, `install` only notes what it is told.
PIP = """#!/bin/sh
echo "$@" >> "$STUB/calls"
case "$*" in
*"pip list"*) head -n "$(grep -c 'pip list' "$STUB/calls")" "$STUB/lists" | tail -n 1 | tr ' ' '\\n' ;;
*--constraint*) while [ "$1" != --constraint ]; do shift; done; cp "$2" "$STUB/constraints" ;;
esac
"""


def install_in_container(tmp_path: Path, before: str, after: str) -> subprocess.CompletedProcess:
    (tmp_path / "python3").write_text(PIP)
    (tmp_path / "python3").chmod(0o755)
    (tmp_path / "lists").write_text(f"{before}\n{after}\n")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "STUB": str(tmp_path)}
    script = ["sh", str(ROOT / "docker" / "install.sh")]
    return subprocess.run(script, env=environment, capture_output=True, text=True)


def test_install_leaves_finns_pins(tmp_path):
    """Each call of pip's either takes no dependencies, or every version that FINN has as a constraint."""
    before = "numpy==1.24.1 onnx==1.17.0 qonnx==1.0.0 pytest==7.4.0"
    run = install_in_container(tmp_path, before, f"{before} finn-imec==0.2.0 rich==13.9.4")
    assert run.returncode == 0, run.stderr
    calls = [line for line in (tmp_path / "calls").read_text().splitlines() if " install " in line]
    assert [("--no-deps" in call, "--constraint" in call) for call in calls] == [(True, False), (False, True)]
    assert not any(word in call for call in calls for word in ("--upgrade", "-U", "--force-reinstall"))
    assert (tmp_path / "constraints").read_text().split() == before.split()


def test_install_says_what_it_changed(tmp_path):
    run = install_in_container(tmp_path, "numpy==1.24.1 onnx==1.17.0", "numpy==2.0.0 onnx==1.17.0")
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == "numpy==1.24.1"


# ---- finn_imec.pth ------------------------------------------------------------------------------

IMPORT_FINN = """
import finn.custom_op.fpgadataflow.hls, finn.custom_op.fpgadataflow.rtl
from finn.custom_op.fpgadataflow import custom_op
print("FINN:", *custom_op)
"""


@pytest.fixture
def damaged(tmp_path) -> Path:
    """site-packages of an environment with finn_imec.pth, a FINN of three empty domains, and no finn_imec."""
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = tmp_path.glob("venv/lib/python*/site-packages")
    shutil.copy(ROOT / "finn_imec.pth", packages)
    for domain in ("", "hls", "rtl"):
        folder = packages / "finn" / "custom_op" / "fpgadataflow" / domain
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("custom_op = {}\n")
    return packages


def start(packages: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    run = run_in(tmp_path / "venv" / "bin", tmp_path, "python", *arguments)
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    return run


@pytest.mark.parametrize("left", ["nothing", "an empty folder", "a module that fails"])
def test_python_starts_without_the_package(damaged, tmp_path, left):
    """The hook cannot be loaded: one warning, which a filter can silence, and FINN as without it."""
    if left != "nothing":
        (damaged / "finn_imec").mkdir()
    if left == "a module that fails":
        (damaged / "finn_imec" / "import_hook.py").write_text("import nothing_like_this\n")
    run = start(damaged, tmp_path, "-c", IMPORT_FINN)
    assert run.stdout == "FINN:\n"
    assert run.stderr.count("RuntimeWarning: finn_imec.pth: FINN will not know IMECConv") == 1
    assert "ModuleNotFoundError: No module named" in run.stderr and "Install it again" in run.stderr
    assert start(damaged, tmp_path, "-W", "ignore", "-c", IMPORT_FINN).stderr == ""


@pytest.mark.parametrize("left", ["no custom_op", "a custom_op that fails"])
def test_finn_loads_with_half_of_the_package(damaged, tmp_path, left):
    """The hook is there, what it registers is not: one warning for three domains, none without FINN."""
    (damaged / "finn_imec").mkdir()
    for name in ("__init__.py", "import_hook.py"):
        shutil.copy(ROOT / "finn_imec" / name, damaged / "finn_imec")
    if left != "no custom_op":
        (damaged / "finn_imec" / "custom_op.py").write_text("raise OSError('unreadable')\n")
    assert start(damaged, tmp_path, "-c", "").stderr == ""
    run = start(damaged, tmp_path, "-c", IMPORT_FINN)
    assert run.stdout == "FINN:\n"
    assert run.stderr.count("RuntimeWarning: FINN does not know IMECConv, because finn-imec is damaged") == 1
    strict = start(damaged, tmp_path, "-W", "error", "-c", IMPORT_FINN)
    assert (strict.stdout, strict.stderr.count("warning: FINN does not know IMECConv")) == ("FINN:\n", 1)


@pytest.mark.parametrize(
    ("command", "extra"),
    [("demo --output out", "train"), ("compare --geometry 8,8,4,4,3,3 --output out", "finn")],
)
def test_missing_extra_is_named(installed, tmp_path, command, extra):
    run = run_in(installed, tmp_path, "finn-imec", *command.split())
    assert run.returncode == 1
    line = f"pip install 'finn-imec[{extra}]', in a checkout: pip install '.[{extra}]'"
    assert line in " ".join(run.stderr.split())
    assert not (tmp_path / "out").exists()
