"""A digest of the code that measurements depend on: tables of other code are out of date."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
#: What is generated, RTL library included, and FINN's side; and what counts and simulates both.
_FOLDERS = ("layer", "rtl", "baseline_rtl")
_COUNTING = ("attribution", "comparison", "delays", "layer_sets", "timing", "ultrascale", "yosys")
#: Of a layer, but nothing is generated from them.
_ESTIMATES = ("estimate", "pair_cycles", "pair_estimate")
_SUFFIXES = (".py", ".sv", ".v", ".j2")


@cache
def code_digest() -> str:
    """16 hexadecimal digits that change with this code, but not with its comments and docstrings."""
    digest = hashlib.sha256()
    for path in stamped_files():
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0{code_of(path)}\0".encode())
    return digest.hexdigest()[:16]


def stamped_files() -> Iterator[Path]:
    """The files of which the digest is."""
    for folder in _FOLDERS:
        found = sorted(p for p in (_PACKAGE / folder).rglob("*") if p.suffix in _SUFFIXES)
        yield from (path for path in found if path.stem not in _ESTIMATES)
    here = Path(__file__).parent
    yield from sorted(
        p for p in here.iterdir() if p.suffix in _SUFFIXES and (p.suffix != ".py" or p.stem in _COUNTING)
    )


def code_of(path: Path) -> str:
    """A file's text without comments, docstrings and empty lines."""
    text = path.read_text()
    if path.suffix != ".py":
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
        return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            docstring = node.body[0]
            for number in range(docstring.lineno - 1, docstring.end_lineno or docstring.lineno):
                lines[number] = ""
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
