"""A few hundred broken inputs of benchmarks/fuzz.py, always the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "cases"),
    [
        ("bytes,npz,config,results,options", 120),
        ("attribute,tensor,topology", 40),
        ("environment", 3),
    ],
)
def test_broken_input_gives_a_right_answer_or_one_message(finn, kinds, cases):
    pytest.importorskip("finn.util.settings", reason="`finn-imec build` runs finn-plus")
    arguments = ["--cases", str(cases), "--seed", "7", "--kinds", kinds]
    done = subprocess.run(
        [sys.executable, str(FUZZ), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(FUZZ.parents[1])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"\n{cases} cases, 0 bad\n")
