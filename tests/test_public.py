"""Public names: what `__all__` lists is there, and the docs' reference shows exactly that."""

from __future__ import annotations

import ast
import importlib
import re
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


#: Modules that a package does not import itself: errors, and what needs torch or Triton.
PUBLIC_MODULES = ("algorithms.torch_backend", "algorithms.triton_kernel", "util.errors")


def listed(path: Path) -> list[str]:
    """The `__all__` of a file, read without importing what the file imports."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return []


def test_the_reference_shows_the_public_names():
    """All of them, and no others; `finn_imec` itself only repeats names of its packages."""
    package = Path(finn_imec.__file__).parent
    files = {name: package / name / "__init__.py" for name in STRATA}
    files |= {name: package.joinpath(*name.split(".")).with_suffix(".py") for name in PUBLIC_MODULES}
    public = sorted(f"finn_imec.{name}.{each}" for name, path in files.items() for each in listed(path))
    page = package.parent / "docs" / "reference" / "python.md"
    assert sorted(re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)) == public
