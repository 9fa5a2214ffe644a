"""`finn-imec vivado`: scripts that run in a Tcl interpreter at any path, reports of the documented format.

No Vivado runs here: vivado_run_stub.tcl has its place, and the reports are made up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from finn_imec import cli
from finn_imec.report.results import COMPARISON, comparison_folder, load_rows, write_rows
from finn_imec.synthesis import vivado
from finn_imec.synthesis.rows import Row, Side
from finn_imec.util.errors import ModelError, UnsupportedError

STUB = Path(__file__).with_name("vivado_run_stub.tcl")
HOSTILE = "a b$HOME [exit] {c \"d' ; é\\ü"
GEOMETRY = ["--geometry", "6,6,4,4,3,3", "--simd", "2", "--pe", "2"]
ROW_NAMES = {
    "7-series": ("Slice LUTs", "Slice Registers", "RAMB36/FIFO*", "RAMB18", "DSPs"),
    "UltraScale+": ("CLB LUTs*", "CLB Registers", "RAMB36/FIFO*", "RAMB18", "DSPs"),
    "Versal": ("CLB LUTs", "Registers", "RAMB36E5", "RAMB18E5*", "DSP Slices"),
}
FINN = {"lut_logic": 4102, "memory": 310, "ff": 5017, "ramb36": 3, "ramb18": 1, "dsp": 16}
IMEC = {"lut_logic": 1523, "memory": 64, "ff": 872, "ramb36": 2, "ramb18": 3, "dsp": 12}


def table(*rows: tuple[str, object]) -> str:
    """A table of report_utilization."""
    rule = f"+{'-' * 28}+{'-' * 7}+-------+------------+-----------+-------+"
    lines = [f"| {name:<26} | {used:>5} |     0 |          0 |     53200 |  1.58 |" for name, used in rows]
    head = f"| {'Site Type':^26} | {'Used':>5} | Fixed | Prohibited | Available | Util% |"
    return "\n".join([rule, head, rule, *lines, rule])


def head(command: str, top: str, state: str) -> str:
    rule = "-" * 90
    return (
        "Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.\n"
        f"{rule}\n| Tool Version : Vivado v.2022.2 (lin64) Build 0 Thu Jan 1 00:00:00 MDT 1970\n"
        f"| Command      : {command} -file x.rpt\n| Design       : {top}\n| Device       : 7z020-clg400\n"
        f"{state}{rule}\n\n"
    )


def utilization(figures: dict[str, int], top: str = "top", family: str = "7-series") -> str:
    """A report of report_utilization, as UG906 shows one."""
    luts, registers, ramb36, ramb18, dsps = ROW_NAMES[family]
    logic = table(
        (luts, figures["lut_logic"] + figures["memory"]),
        ("  LUT as Logic", figures["lut_logic"]),
        ("  LUT as Memory", figures["memory"]),
        ("    LUT as Distributed RAM", figures["memory"]),
        ("    LUT as Shift Register", 0),
        (registers, figures["ff"]),
        ("  Register as Flip Flop", figures["ff"]),
        ("  Register as Latch", 0),
    )
    memory = table(
        ("Block RAM Tile", figures["ramb36"] + figures["ramb18"] / 2),
        (f"  {ramb36}", figures["ramb36"]),
        ("    RAMB36E1 only", figures["ramb36"]),
        (f"  {ramb18}", figures["ramb18"]),
        ("    RAMB18E1 only", figures["ramb18"]),
    )
    dsp = table((dsps, figures["dsp"]), ("  DSP48E1 only", figures["dsp"]))
    state = "| Speed File   : -1\n| Design State : Routed\n"
    tables = {"1. Slice Logic": logic, "2. Memory": memory, "3. DSP": dsp}
    body = "".join(f"{title}\n{'-' * len(title)}\n\n{text}\n\n\n" for title, text in tables.items())
    primitives = "| Ref Name | Used | Functional Category |\n| RAMB36E1 |   99 |        Block Memory |\n"
    return head("report_utilization", top, state) + "Utilization Design Information\n\n" + body + primitives


def timing(wns: str, period: str = "5.000", top: str = "top", clock: str = "ap_clk") -> str:
    """A report of report_timing_summary, as UG906 shows one."""
    columns = ("WNS(ns)", "TNS(ns)", "TNS Failing Endpoints", "TNS Total Endpoints", "WHS(ns)", "THS(ns)")
    rules = ("-" * len(column) for column in columns)
    values = (wns, "0.000", "0", "2345", "0.050", "0.000")
    rows = ("".join(f"{v:>{len(c) + 4}}" for v, c in zip(row, columns)) for row in (columns, rules, values))
    rule = "-" * 90
    return (
        head("report_timing_summary", top, "")
        + "Timing Summary Report\n\n"
        + f"{rule}\n| Design Timing Summary\n| ---------------------\n{rule}\n\n"
        + "\n".join(f"{row}  " for row in rows)
        + "\n\n\nAll user specified timing constraints are met.\n\n\n"
        + f"{rule}\n| Clock Summary\n| -------------\n{rule}\n\n"
        + "Clock   Waveform(ns)         Period(ns)      Frequency(MHz)\n"
        + "-----   ------------         ----------      --------------\n"
        + f"{clock}  {{0.000 2.500}}        {period}           200.000         \n\n"
    )


def reports(folder: Path, utilization_text: str, timing_text: str) -> Path:
    (folder / vivado.UTILIZATION).write_text(utilization_text)
    (folder / vivado.TIMING).write_text(timing_text)
    return folder


@pytest.mark.parametrize("family", ROW_NAMES)
@pytest.mark.parametrize(("wns", "period", "fmax"), [("1.250", 3.75, 266.7), ("-0.311", 5.311, 188.3)])
def test_figures_of_reports(tmp_path, family, wns, period, fmax):
    side = vivado.read_side(reports(tmp_path, utilization(FINN, family=family), timing(wns)), "top")
    assert side.as_dict() == {
        **FINN, "clock_ns": 5.0, "wns_ns": float(wns),
        "lut": 4412, "bram18": 7, "period_ns": period, "fmax_mhz": fmax,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "message"),
    [
        ("utilization", r"(?s).*", "", "'Design' in its head is 'missing'; expected 'top'"),
        ("utilization", r"Design       : top", "Design       : other", "'other'; expected 'top'"),
        ("utilization", r"State : Routed", "State : Synthesized", "'Synthesized'; expected 'Routed'"),
        ("utilization", r"(?s)2\. Memory.*", "", "no row 'RAMB36"),
        ("utilization", r"LUT as Logic( +)\| +\d+", r"LUT as Logic\1|  many", "no row 'LUT as Logic'"),
        ("utilization", r"\|   Register as Flip Flop.*\n", "", "no row 'Register as Flip Flop'"),
        ("timing", r"Design       : top", "Design       : other", "'other'; expected 'top'"),
        ("timing", r"(?s)\| Design Timing Summary.*", "", "no table Design Timing Summary"),
        ("timing", r"(?s)\| Clock Summary.*", "", "no table Clock Summary"),
        ("timing", r" 0\.125 ", "    NA ", "WNS NA; expected numbers"),
        ("timing", r" 0\.125 ", "   inf ", "WNS inf; expected numbers"),
    ],
)
def test_malformed_reports_are_named(tmp_path, name, pattern, replacement, message):
    texts = {"utilization": utilization(FINN), "timing": timing("0.125")}
    texts[name], edits = re.subn(pattern, replacement, texts[name], count=1)
    assert edits
    with pytest.raises(ModelError, match=message) as caught:
        vivado.read_side(reports(tmp_path, *texts.values()), "top")
    assert f"{tmp_path}/{name}.rpt: " in str(caught.value)


def test_missing_report_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"timing\.rpt: cannot be read \(No such file"):
        vivado.read_side(tmp_path, "top")


@pytest.mark.parametrize("part", ["", "xc7z020; exec rm", "[exit]", "xc7z020-", "a b", "$p"])
def test_part_is_checked(part):
    with pytest.raises(UnsupportedError, match="accepted is the name of a device"):
        vivado.check_part(part)


# ---- the command ------------------------------------------------------------------------------------


@pytest.fixture
def command(finn, monkeypatch, capsys):
    """finn-imec vivado in this process: its exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PATH", os.defpath)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["finn-imec", "vivado", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return end.value.code or 0, said.out, said.err

    return run


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """The stub as `vivado` on the PATH, which gives these reports."""
    if shutil.which("tclsh") is None:
        pytest.skip("needs tclsh: apt-get install tcl")
    bin = tmp_path / "bin"
    bin.mkdir()
    for top, figures, wns in (("finn_pair", FINN, "0.500"), ("imecconv", IMEC, "1.400")):
        (bin / f"{top}.utilization.rpt").write_text(utilization(figures, top))
        (bin / f"{top}.timing.rpt").write_text(timing(wns, top=top))

    def install() -> None:
        program = bin / "vivado"
        program.write_text(f'#!/bin/sh\necho run >> "{bin}/runs"\nexec tclsh "{STUB}" "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(bin), prepend=os.pathsep)
        monkeypatch.setenv("VIVADO_REPORTS", str(bin))

    install.runs = lambda: len((bin / "runs").read_text().split())
    return install


def check(result: dict) -> None:
    """The JSON of the stub's reports."""
    (layer,) = result["layers"]
    assert result["synthesized"] and result["part"] == "xc7z020clg400-1" and result["clock_ns"] == 5.0
    assert layer["steps"] == 3 and layer["pipeline"] >= 0
    named = {"layer": "layer", "bits": "2x2", "simd": 2, "pe": 2, "core": "lut", "steps": 3}
    assert {key: layer[key] for key in named} == named
    assert {key: layer["finn"][key] for key in FINN} == FINN
    assert {key: layer["imec"][key] for key in IMEC} == IMEC
    assert (layer["finn"]["period_ns"], layer["imec"]["period_ns"]) == (4.5, 3.6)
    assert layer["ratio"]["ff"] == 872 / 5017 and layer["ratio"]["period_ns"] == 3.6 / 4.5


def test_without_vivado_scripts_are_written(command, tmp_path):
    code, out, err = command(tmp_path / HOSTILE, *GEOMETRY)
    assert code == 0 and all(line.startswith("RTL of both sides") for line in err.splitlines()), err
    assert "Nothing was synthesized: 'vivado' is not on the PATH" in out and "run_all.sh" in out
    code, out, err = command(tmp_path / HOSTILE, *GEOMETRY, "--json")
    (layer,) = json.loads(out)["layers"]
    assert code == 0 and not json.loads(out)["synthesized"] and "finn" not in layer
    assert "Nothing was synthesized" in err
    written = "".join(path.read_text() for path in (tmp_path / HOSTILE).rglob("*") if path.is_file())
    assert str(tmp_path) not in written and "finn_imec_vivado_" not in written
    code, _, err = command(tmp_path / HOSTILE)  # to read reports, of which there are none
    assert code == 1 and "timing.rpt: cannot be read" in err


def test_with_vivado_both_sides_are_run_at_any_path(command, on_path, tmp_path):
    on_path()
    code, out, err = command(tmp_path / HOSTILE, *GEOMETRY, "--json")
    assert code == 0, err
    check(json.loads(out))
    logs = [path.parent.name for path in (tmp_path / HOSTILE).rglob("vivado.log")]
    assert sorted(logs) == ["finn", "imec"] and on_path.runs() == 2
    code, out, _ = command(tmp_path / HOSTILE, *GEOMETRY)  # the same again: nothing to do
    assert code == 0 and on_path.runs() == 2
    assert re.search(r"layer +Vivado +FINN +4,412 +310 +5,017 +7 +16 +4\.50", out)
    assert re.search(r"2x2 bit, lut +Vivado +IMEC +1,587 +64 +872 +7 +12 +3\.60", out)
    assert re.search(r"PE 2, SIMD 2 +Vivado +ratio +0\.36 +0\.21 +0\.17 +1\.00 +0\.75 +0\.80", out)
    code, out, _ = command(tmp_path / HOSTILE, *GEOMETRY, "--clock", "4")  # other scripts: anew
    assert code == 0 and on_path.runs() == 4


def test_the_shell_script_does_the_same_elsewhere(command, on_path, tmp_path):
    command(tmp_path / "written", *GEOMETRY)
    there = tmp_path / HOSTILE
    shutil.copytree(tmp_path / "written", there)
    on_path()
    done = subprocess.run(["sh", str(there / "run_all.sh")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["layers/00_layer/finn", "layers/00_layer/imec"]
    (tmp_path / "bin" / "vivado").unlink()
    code, out, err = command(there, "--json")
    assert code == 0, err
    check(json.loads(out))


def test_a_failure_names_the_log_and_the_rest_goes_on_later(command, on_path, tmp_path, monkeypatch):
    on_path()
    monkeypatch.setenv("VIVADO_FAILS", "place_design")
    code, out, err = command(tmp_path / "out", *GEOMETRY)
    log = tmp_path / "out" / "layers" / "00_layer" / "imec" / "vivado.log"
    message = f"Vivado failed on layer, imec: ERROR: [Stub 1-1] place_design fails; log: {log}"
    assert (code, out) == (1, "") and message in " ".join(err.split())
    assert "some line before" in log.read_text()
    done = subprocess.run(["sh", str(tmp_path / "out" / "run_all.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "failed; log: layers/00_layer/imec/vivado.log\n")
    monkeypatch.delenv("VIVADO_FAILS")
    runs = on_path.runs()
    code, out, err = command(tmp_path / "out", "--json")
    assert code == 0 and on_path.runs() == runs + 1, err
    check(json.loads(out))


@pytest.mark.parametrize(
    ("change", "beside"),
    [
        ({}, True),
        ({"pipeline": 5}, False),
        ({"pe": 4}, False),
        ({"steps": 7}, False),
        ({"core": "dsp"}, False),
        ({"finn_core": "compressor"}, False),
    ],
)
def test_beside_yosys(command, on_path, tmp_path, change, beside):
    """Of the same RTL only; and in the folder of `finn-imec compare --output`, in either order."""
    names = [
        name
        for name in Side.__dataclass_fields__
        if name not in ("period_ns", "path", "lut_by_flow", "routed_mhz")
    ]
    finn = Side(**{name: 100 + i for i, name in enumerate(names)}, period_ns=6.0)
    imec = Side(**{name: 50 + i for i, name in enumerate(names)}, period_ns=4.5)
    (layer,) = json.loads(command(tmp_path / "scripts", *GEOMETRY, "--json")[1])["layers"]
    assert layer["pipeline"] < 5
    row = replace(Row("layer", "2x2", 2, 2, "lut", layer["pipeline"], 3, finn, imec), **change)
    on_path()
    for again in range(2):
        with comparison_folder(tmp_path / "out") as folder:
            write_rows([row], "finn-imec compare", folder / COMPARISON)
        code, out, err = command(tmp_path / "out", *GEOMETRY, "--json")
        assert code == 0, err
        check(json.loads(out))
        assert on_path.runs() == 2, again
    assert load_rows(tmp_path / "out" / COMPARISON) == (row,)
    (layer,) = json.loads(out)["layers"]
    assert ("yosys" in layer) == beside
    _, out, _ = command(tmp_path / "out")
    assert bool(re.search(r"Yosys +ratio +0\.50 .* 0\.75", out)) == beside
    if beside:
        assert layer["yosys"]["finn"]["lut"] == finn.lut and layer["yosys"]["ratio"]["period_ns"] == 0.75


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 1, "vivado.json: cannot be read (No such file or directory); `finn-imec vivado` with layers"),
        (["--clock", "3"], 2, "--clock is used only with --model or --geometry or --layers"),
        ([*GEOMETRY, "--layers", "padded"], 2, "give one of"),
        ([*GEOMETRY, "--part", "xc7[exit]"], 1, "part='xc7[exit]': accepted is the name of a device"),
        ([*GEOMETRY, "--clock", "0"], 2, "--clock"),
    ],
)
def test_errors(command, tmp_path, arguments, code, message):
    got, _, err = command(tmp_path / "out", *arguments)
    assert got == code
    assert message in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"part": "x", "clock_ns": 5, "layers": [{}]}'])
def test_damaged_settings(command, tmp_path, text):
    (tmp_path / vivado.SETTINGS).write_text(text)
    code, _, err = command(tmp_path)
    assert code == 1 and "vivado.json: damaged" in err and "writes it anew" in err


def test_files_of_others_stay(command, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    code, _, err = command(tmp_path, *GEOMETRY)
    assert code == 1 and "holds other files" in err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
