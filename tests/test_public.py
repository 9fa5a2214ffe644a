"""Public names: what `__all__` lists is there, and the docs' reference shows exactly that."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from test_strata import STRATA

import finn_imec


def test_the_package_reexports_lazily():
    """No part of it is imported before a name is used: every interpreter loads the package at its start."""
    code = "import finn_imec, sys; print(*(m for m in sys.modules if m.startswith('finn_imec.')))"
    command = [sys.executable, "-S", "-c", code]  # without site, whose .pth file imports the hook
    run = subprocess.run(command, cwd=Path(finn_imec.__file__).parents[1], capture_output=True, text=True)
    assert (run.returncode, run.stdout.split()) == (0, [])
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = finn_imec.nothing


@pytest.mark.parametrize("name", finn_imec.__all__)
def test_names_of_the_package(name, finn):
    package = importlib.import_module(f"finn_imec.{finn_imec._PACKAGES[name]}")
    assert getattr(finn_imec, name) is getattr(package, name)
    assert name in dir(finn_imec)


@pytest.mark.parametrize("name", STRATA)
def test_names_of_the_packages(name, finn):
    package = importlib.import_module(f"finn_imec.{name}")
    for public in getattr(package, "__all__", ()):
        assert getattr(package, public) is not None
