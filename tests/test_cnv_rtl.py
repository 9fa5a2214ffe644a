"""The trained CNV networks, every convolution in RTL at BNN-PYNQ's folding: exact logits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finn_imec.cli import app

DATA = Path(os.environ.get("FINN_IMEC_DATA", Path(__file__).parents[2] / "shared" / "data")) / "cnv-cifar10"

pytestmark = [
    pytest.mark.simulation,
    pytest.mark.skipif(
        not DATA.is_dir(), reason=f"no trained networks at {DATA}; set FINN_IMEC_DATA to their folder"
    ),
]


@pytest.mark.parametrize("network", ["cnvW1A1", "cnvW2A2"])
def test_photos_have_exactly_the_expected_logits(network):
    run = CliRunner().invoke(
        app,
        [
            *("simulate", str(DATA / f"{network}.npz"), "--per-layer"),
            *("--images", str(DATA / "images.npz"), "--json"),
        ],
    )
    assert run.exit_code == 0, run.output
    result = json.loads(run.stdout)
    assert result["logits_exact"] == result["inputs"] == 6
    assert len(result["layers"]) == 6
    for layer in result["layers"]:
        assert layer["cycles_rtlsim"] == layer["cycles_model"]
