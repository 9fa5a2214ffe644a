"""Broken input of every kind to the commands: a right answer, or one message and exit code 1 or 2.

    python benchmarks/fuzz.py [--cases 5000] [--seed 0] [--kinds attribute,tensor] [--case N] [--out FILE]
                              [--jobs N] [--cluster ADDRESS]

Case N of a seed is always the same: a valid input, broken in one to three ways. It is bad if it ends with a
traceback, a signal, another exit code or not within a minute, says more than one message, leaves a temporary
file, writes anything but its output folder or half of that, or if a swapped model computes something else.
`--out` keeps a line per case, and a rerun goes on behind the last one. Cases run in forks of one process that
has imported everything; those of the environment are processes of their own. With `--jobs` or `--cluster`
every CHUNK cases have such a process; a cluster's workers need this file under the same path.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import small
import typer
from onnx import TensorProto, helper, numpy_helper

from finn_imec.util.workers import each, workers

#: Seconds and bytes of address space that a case may take.
TIME, MEMORY = 60, 12 * 2**30
#: Cases of a task of a worker.
CHUNK = 25
#: Integers that attributes and options get.
INTEGERS = (0, -1, 1, 2, 3, 5, 7, 17, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63))
WORDS = (
    "",
    "INT",
    "INT0",
    "INT-3",
    "UINT99999",
    "FLOAT32",
    "BIPOLAR",
    "INT4",
    "../x",
    "é\n",
    "[red]",
    "a" * 999,
)
FIX8 = np.array([0.5, np.nan, np.inf, -np.inf, 1e30, -1e30, 3.0, 2.0**24 + 2, 1e-40, -0.0, 255.0, 1e300])


@dataclass
class Case:
    """A command to run in `folder`, where it may make OUT. ulimits: shell commands before it."""

    arguments: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    own_process: bool = False
    before: str = ""

    @property
    def unheard(self) -> bool:
        """Nobody can read what it prints."""
        return self.before in ("exec >&-", "exec >/dev/full")


# ---- models ---------------------------------------------------------------------------------------


def damage_bytes(rng: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat or insert."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(5)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[at:]
        elif what == 2:
            del data[at : at + rng.randint(1, 20)]
        elif what == 3:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        else:
            data[at:at] = data[at : at + 30]
    return bytes(data)


def damage_attribute(rng: random.Random, model: onnx.ModelProto) -> None:
    node = rng.choice(model.graph.node)
    attribute = rng.choice(node.attribute)
    others = [a for a in node.attribute if a is not attribute]
    kept, name = list(others), attribute.name
    what = rng.randrange(6)
    value: object = None
    if what == 1:
        value = rng.choice(INTEGERS)
    elif what == 2:
        value = [rng.choice(INTEGERS) for _ in range(rng.randint(1, 4))]
    elif what == 3:
        value = rng.choice(WORDS)
    elif what == 4:
        value = rng.choice([0.5, float("nan"), float("inf")])
    elif what == 5:  # of the same type
        value = helper.get_attribute_value(attribute)
        if isinstance(value, int):
            value = rng.choice([value + 1, value * 2, -value, value // 2, rng.choice(INTEGERS)])
        elif isinstance(value, bytes):
            value = rng.choice(WORDS)
        else:
            value = [rng.choice([v, v + 1, *INTEGERS]) for v in value]
    if what:
        kept.append(helper.make_attribute(name, value))
    kept = [onnx.AttributeProto.FromString(a.SerializeToString()) for a in kept]
    del node.attribute[:]
    node.attribute.extend(kept)


def damage_tensor(rng: random.Random, model: onnx.ModelProto) -> None:
    tensor = rng.choice(model.graph.initializer)
    values = numpy_helper.to_array(tensor).copy()
    what = rng.randrange(8)
    if what == 0:
        values.flat[rng.randrange(values.size)] = rng.choice(FIX8.tolist())
    elif what == 1:
        values = values * rng.choice([0.5, 1e6, 2.0**24 + 2, float("nan")])
    elif what == 2:
        shapes = [values.T, values.ravel(), values[:-1], values[:, :1], values[np.newaxis], values[:0]]
        values = rng.choice([*shapes, np.float32(3)])
    elif what == 3:
        kinds = (np.float64, np.float16, np.int64, np.int8, np.uint8, bool)
        with np.errstate(invalid="ignore", over="ignore"):
            values = values.astype(rng.choice(kinds))
    elif what == 4:
        values = np.zeros_like(values)
    elif what == 5:  # data in a file that is missing, or outside
        name = tensor.name
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        where = rng.choice(["missing.bin", "../../etc/passwd", "/etc/passwd", ""])
        tensor.external_data.add(key="location", value=where)
        tensor.name = name
        return
    elif what == 6:
        model.graph.initializer.remove(tensor)
        return
    else:
        for annotation in model.graph.quantization_annotation:
            if annotation.tensor_name == tensor.name:
                annotation.quant_parameter_tensor_names[0].value = rng.choice(WORDS)
        return
    new = numpy_helper.from_array(np.asarray(values), tensor.name)
    tensor.CopyFrom(new)


def damage_topology(rng: random.Random, model: onnx.ModelProto) -> None:
    graph = model.graph
    node, other = rng.choice(graph.node), rng.choice(graph.node)
    infos = [*graph.input, *graph.output, *graph.value_info]
    info = rng.choice(infos)
    dims = info.type.tensor_type.shape.dim
    what = rng.randrange(16)
    if what == 0:
        node.input[0] = other.output[0] if other.output else "nothing"  # a ring, perhaps of one
    elif what == 1:
        node.output[0] = "elsewhere"
    elif what == 2:
        node.input[rng.randrange(len(node.input))] = rng.choice(["nothing", "", "ifm"])
    elif what == 3 and len(node.input) > 1 and len(other.input) > 1:
        node.input[1] = other.input[1]  # shared weights
    elif what == 4 and dims:
        rng.choice(dims).dim_param = "N"
    elif what == 5 and dims:
        rng.choice(dims).dim_value = rng.choice(INTEGERS)
    elif what == 6 and dims:
        dims[0].dim_value = 4
    elif what == 7:
        graph.node.remove(node)
    elif what == 8:
        graph.node.append(onnx.NodeProto.FromString(node.SerializeToString()))
    elif what == 9:
        node.op_type = rng.choice(["MVAU", "VVAU", "Conv", "Relu", "IMECConv", "Nothing", "FMPadding", ""])
    elif what == 10:
        node.domain = rng.choice(
            ["", "finn.custom_op.fpgadataflow.rtl", "os.path", "finn", "qonnx.custom_op.general"]
        )
    elif what == 11:
        node.name = rng.choice(["", "../../../escaped", 'a"b', "a b", "x\ny", other.name, "a" * 999])
    elif what == 12:
        graph.node.insert(0, onnx.NodeProto.FromString(graph.node[-1].SerializeToString()))
        del graph.node[-1]
    elif what == 13:
        info.name = rng.choice(["x", "", "ifm"])
    elif what == 14:
        info.type.tensor_type.elem_type = rng.choice([0, 7, 11, 8, 99])
    else:
        del node.output[:]


def with_model(
    damage: Callable[[random.Random, onnx.ModelProto], None],
) -> Callable[[random.Random, Path], Case]:
    """Cases of a command on a model that is broken one to three times."""

    def make(rng: random.Random, folder: Path) -> Case:
        layers = rng.choice([1, 1, 2])
        path, _ = small.write(folder, layers)
        model = onnx.load(str(path))
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            if not model.graph.node or not model.graph.initializer:
                break
            try:
                damage(rng, model)
            except Exception:  # nothing there to break any more, or too broken
                continue
        path.write_bytes(model.SerializeToString())
        return on_model(rng, folder)

    return make


def on_model(rng: random.Random, folder: Path) -> Case:
    """A command that reads chain.onnx."""
    command = rng.random()
    if command < 0.75:
        return Case(["build", "chain.onnx", "--config", "build.yaml", "-o", "OUT"], folder)
    return Case(
        ["simulate", "chain.onnx", "--frames", "1", *rng.choice([["--swap"], ["--per-layer"]])], folder
    )


def make_bytes(rng: random.Random, folder: Path) -> Case:
    path, _ = small.write(folder)
    path.write_bytes(damage_bytes(rng, path.read_bytes()))
    return on_model(rng, folder)


# ---- other files ----------------------------------------------------------------------------------


def make_npz(rng: random.Random, folder: Path) -> Case:
    """Networks of a few channels, which end at the missing logits of the images."""
    channels, arrays = [3, 2, 2, 2, 2, 2, 2, 2, 2, 10], {}
    for i in range(9):
        width = channels[i] * (9 if i < 6 else 1)
        arrays[f"W{i}"] = np.ones((channels[i + 1], width), np.int8)
        arrays[f"fold{i}"] = np.array([1, 1])
        if i < 8:
            arrays[f"T{i}"] = np.zeros((channels[i + 1], 1), np.int16)
    images = {
        "images": np.zeros((1, 32, 32, 3), np.uint8),
        "names": np.array(["a"]),
        "classes": np.array(["b"]),
    }
    for _ in range(rng.randint(0, 2)):
        broken = rng.choice([arrays, images])
        name = rng.choice(list(broken))
        old = np.asarray(broken[name])
        choices = [old[:0], old.T, np.array(7), np.array([{}], object), old.astype(str)]
        choices += [np.full(old.shape, rng.choice(INTEGERS[:10])), np.full(old.shape, 0.5)]
        if rng.random() < 0.2:
            del broken[name]
        else:
            broken[name] = choices[rng.randrange(len(choices))]
    for name, content in (("net.npz", arrays), ("images.npz", images)):
        try:
            np.savez(folder / name, **content)
        except (ValueError, TypeError):
            (folder / name).write_bytes(b"")
        if rng.random() < 0.4:
            (folder / name).write_bytes(damage_bytes(rng, (folder / name).read_bytes()))
    return Case(["simulate", "net.npz", "--images", "images.npz"], folder)


def make_config(rng: random.Random, folder: Path) -> Case:
    """Configurations of builds, in YAML and JSON, and the files that they name."""
    _, path = small.write(folder)
    values = [*INTEGERS, *WORDS, None, True, [], {}, [1], {"a": 1}, 0.5, "chain.onnx", "/", "nothing.json"]
    names = [
        "start_step",
        "stop_step",
        "steps",
        "target_fps",
        "board",
        "fpga_part",
        "generate_outputs",
        "output_dir",
    ]
    names += [
        "synth_clk_period_ns",
        "folding_config_file",
        "inject_steps_after",
        "save_intermediate_models",
        "x",
        "",
    ]
    fields = {"start_step": "step_specialize_layers", "stop_step": "step_convert_to_imec"}
    for _ in range(rng.randint(0, 3)):
        fields[rng.choice(names)] = rng.choice(values)
    text = json.dumps(fields)
    if rng.random() < 0.3:
        folding = {"Defaults": {}, "MVAU_0": {rng.choice(["PE", "SIMD", "x"]): rng.choice(values)}}
        (folder / "folding.json").write_bytes(damage_bytes(rng, json.dumps(folding).encode()))
        text = json.dumps({**fields, "folding_config_file": "folding.json"})
    content = text.encode()
    if rng.random() < 0.5:
        content = damage_bytes(rng, rng.choice([content, small.BUILD_CONFIG.encode()]))
    name = rng.choice(["build.yaml", "build.json"])
    path.unlink()
    (folder / name).write_bytes(content)
    return Case(["build", "chain.onnx", "--config", name, "-o", "OUT"], folder)


def make_results(rng: random.Random, folder: Path) -> Case:
    """Folders for `finn-imec report`."""
    source = Path(__file__).parent / "results"
    out = folder / "OUT"
    out.mkdir()
    rows = json.loads(rng.choice(sorted(source.glob("cnv-*.json"))).read_text())
    text = json.dumps(rows if isinstance(rows, dict) else {"command": "x", "rows": rows}).encode()
    name = rng.choice(["comparison.json", "demo.json", "report/imec_conversion.json"])
    (out / name).parent.mkdir(exist_ok=True)
    if rng.random() < 0.5:
        text = damage_bytes(rng, text)
    else:
        document = json.loads(text)
        at = document
        while isinstance(at, (dict, list)) and at:
            key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
            if rng.random() < 0.3 or not isinstance(at[key], (dict, list)):
                at[key] = rng.choice([*INTEGERS, *WORDS, None, [], {}, 0.5, float("nan")])
                break
            at = at[key]
        text = json.dumps(document).encode()
    (out / name).write_bytes(text)
    return Case(["report", "OUT"], folder)


def make_options(rng: random.Random, folder: Path) -> Case:
    """Command lines."""

    def number() -> str:
        return str(rng.choice([*INTEGERS, 1, 2, 3, 4, 5, 6, 8, "x", "", "1.5", "1e9", "٣"]))

    geometry = ",".join(number() for _ in range(rng.choice([0, 1, 6, 6, 6, 8, 10, 14, 15])))
    command = rng.randrange(4)
    if command == 0:
        return Case(
            ["algorithms", "--geometry", geometry, *rng.choice([[], ["--json"], ["--layer", "cv1"]])], folder
        )
    if command == 1:
        options = ["--simd", number(), "--pe", number(), "--weight", rng.choice(WORDS)]
        return Case(["compare", "--geometry", geometry, *options], folder)
    if command == 2:
        return Case(["verify", "--cases", "1", "--parameters", parameters(rng)], folder)
    names = ["simulate", "build", "report", "demo", "paper", "nothing", "--version", "-h", ""]
    return Case([rng.choice(names), rng.choice(["nothing.onnx", "", "/", "\0"[:0], "a\nb"])], folder)


def parameters(rng: random.Random) -> str:
    """Parameters of a random layer, broken: valid ones would be simulated."""
    from finn_imec.verification.cases import CAMPAIGN_MEM_MODES, random_case

    fields = json.loads(random_case(0, rng.randrange(100), CAMPAIGN_MEM_MODES).parameters.json())
    name = rng.choice(list(fields))
    if rng.random() < 0.3:
        return damage_bytes(rng, json.dumps(fields).encode()).decode(errors="replace").replace("\0", "")
    fields[name] = rng.choice([*(i for i in INTEGERS if abs(i) > 2**31), "é", None, [], {}, [0], {"a": 0}])
    return json.dumps(fields)


def make_environment(rng: random.Random, folder: Path) -> Case:
    """Surroundings of a command that is right, in a process of its own."""
    small.write(folder)
    simulate = ["simulate", "chain.onnx", "--swap", "--frames", "1"]
    build = ["build", "chain.onnx", "--config", "build.yaml", "-o", "OUT"]
    environments = [{"CXX": command} for command in ("", "false", "true", "'", "/", "cat", "g++ -x")]
    environments += [{"HOME": home} for home in ("", "/nothing", "/dev/null")]
    environments += [{"LC_ALL": "C"}, {"LC_ALL": "xx_YY"}, {"PYTHONIOENCODING": "ascii"}, {"TERM": "nothing"}]
    environments += [{"TMPDIR": place} for place in ("/nothing", "/dev/null")]
    environments += [{"FINN_IMEC_CACHE": cache} for cache in ("/dev/null", "/proc/x", "\n")]
    environments += [{name: "/nothing"} for name in ("PATH", "FINN_BUILD_DIR", "FINN_ROOT")]
    environments += [{"COLUMNS": "x"}, {"COLUMNS": "1"}]
    limits = [
        "ulimit -f 1",
        "ulimit -f 100",
        "ulimit -n 20",
        "ulimit -n 8",
        "ulimit -v 3000000",
        "ulimit -t 3",
    ]
    limits += [
        "exec <&-",
        "exec >/dev/full",
        "exec >&-",
        "rm -r ../gone; mkdir ../gone; cd ../gone; rmdir ../gone",
    ]
    environment, before = rng.choice(environments), ""
    if rng.random() < 0.3:
        environment, before = {}, rng.choice(limits)
    return Case(rng.choice([simulate, build]), folder, environment, own_process=True, before=before)


KINDS: dict[str, tuple[int, Callable[[random.Random, Path], Case]]] = {
    # name -> (weight, how)
    "bytes": (15, make_bytes),
    "attribute": (25, with_model(damage_attribute)),
    "tensor": (20, with_model(damage_tensor)),
    "topology": (20, with_model(damage_topology)),
    "npz": (10, make_npz),
    "config": (15, make_config),
    "results": (10, make_results),
    "options": (15, make_options),
    "environment": (2, make_environment),
}


# ---- running them ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """kind, number: of the case. bad: what is wrong with how it ended, "" if nothing."""

    number: int
    kind: str
    command: str
    code: int
    seconds: float
    message: str
    bad: str = ""


def run(number: int, kind: str, case: Case, cache: Path, temporary: Path) -> Outcome:
    before = snapshot(case.folder)
    temporary.mkdir(exist_ok=True)
    environment = {
        "FINN_IMEC_CACHE": str(cache),
        "TMPDIR": str(temporary),
        "COLUMNS": "200",
        **case.environment,
    }
    said = case.folder.with_name("said")
    start = time.monotonic()
    with said.open("wb") as file:
        process = (start_process if case.own_process else start_fork)(case, environment, file.fileno())
        code = wait(process)
    seconds = round(time.monotonic() - start, 2)
    text = said.read_text(errors="replace")
    bad = [*judge(case, code, text), *changed(case, code, before)]
    if "ulimit" not in case.before:  # without files or time nothing can be removed, by this run
        bad += [f"left {path.name} in TMPDIR" for path in temporary.iterdir() if path.suffix != ".log"]
    logs = [path.read_text(errors="replace")[-700:] for path in temporary.glob("*.log")]
    shutil.rmtree(temporary)
    if code == 0 and case.arguments[0] == "build" and not bad:
        bad += different(case.folder)
    message = " ".join(text[text.rfind("error:") :].split())[:300] + "".join(logs)
    return Outcome(number, kind, " ".join(case.arguments)[:300], code, seconds, message, "; ".join(bad))


def start_process(case: Case, environment: dict[str, str], output: int) -> int:
    import finn_imec

    package = str(Path(finn_imec.__file__).parents[1])
    script = f'{case.before or ":"}\nexec "$0" "$@"'
    command = [
        shutil.which("bash") or "bash",
        "-c",
        script,
        sys.executable,
        "-m",
        "finn_imec",
        *case.arguments,
    ]
    return subprocess.Popen(
        command,
        cwd=case.folder,
        env={**os.environ, "PYTHONPATH": package, **environment},
        stdout=output,
        stderr=output,
        start_new_session=True,
    ).pid


def start_fork(case: Case, environment: dict[str, str], output: int, modules: Path | None = None) -> int:
    """modules: a file for the names of all modules that the case imports."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(case.folder)
        os.environ.update(environment)
        tempfile.tempdir = None
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        sys.argv = ["finn-imec", *case.arguments]
        from finn_imec import cli

        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 98
    except BaseException:
        traceback.print_exc()
    finally:
        if modules is not None:
            modules.write_text("\n".join(sys.modules))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(process: int) -> int:
    """Exit code; negative for a signal, -SIGALRM if it took too long."""
    end = time.monotonic() + TIME
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return -signal.SIGALRM


def judge(case: Case, code: int, text: str) -> list[str]:
    bad = []
    limited = "ulimit" in case.before  # the system's own signals
    if code not in (0, 1, 2) and not (limited and code < 0):
        bad.append(f"exit code {code}")
    if "Traceback" in text:
        bad.append("traceback")
    if "unforeseen:" in text and "MemoryError" not in text and not limited:
        bad.append("unforeseen")
    messages = sum(line.startswith("error:") for line in text.splitlines()) + text.count("Usage: finn-imec")
    if code in (1, 2) and messages != 1 and not case.unheard and not limited:
        bad.append(f"{messages} messages")
    if code == 0 and messages and "Usage" not in text:
        bad.append("message, but exit code 0")
    return bad


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder.parent)): path.read_bytes() if path.is_file() else b""
        for path in folder.parent.rglob("*")
        if path.name not in ("said", "temporary") and "temporary" not in path.parts
    }


def changed(case: Case, code: int, before: dict[str, bytes]) -> list[str]:
    """What the case wrote beside its output folder, and half of an output."""
    after = snapshot(case.folder)
    out = str(Path(case.folder.name, "OUT"))
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    bad = [f"changed {name}" for name in sorted(names) if name != out and not name.startswith(out + "/")]
    if code < 0 and "ulimit" in case.before:
        return []
    whole = case.unheard and f"{out}/model.onnx" in names  # only its table could not be printed
    if case.arguments[0] == "build" and code and not whole and names - {out, f"{out}/build_failed.log"}:
        bad.append("half an output")
    if ".unfinished-" in " ".join(after):
        bad.append("unfinished output")
    return bad


def different(folder: Path) -> list[str]:
    """Whether the model of a build computes what the one before it does, if both compute at all."""
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.partition.exact import execute
    from finn_imec.partition.graph import in_python

    results = []
    for path in (folder / "chain.onnx", folder / "OUT" / "model.onnx"):
        try:
            model = in_python(ModelWrapper(str(path)))
            name = model.graph.input[0].name
            shape = model.get_tensor_shape(name)
            values = np.random.default_rng(0).integers(0, 2, shape).astype(np.float32)
            results.append(execute(model, {name: values})[model.graph.output[0].name])
        except Exception as err:
            results.append(err)
    if isinstance(results[0], Exception):
        return []
    if isinstance(results[1], Exception):
        return [f"the built model does not compute: {results[1]}"]
    return [] if np.array_equal(*results) else ["the built model computes something else"]


def prepare(place: Path) -> None:
    """Import what the commands import: forks of them tell."""
    from finn_imec.custom_op import register

    register()
    model, config = small.write(place / "model")
    for number, arguments in enumerate((["build", model, "--config", config, "-o", place / "out"], ["-h"])):
        case = Case([str(argument) for argument in arguments], place)
        told = place / f"modules{number}"
        with open(os.devnull, "wb") as nowhere:
            wait(start_fork(case, {"FINN_IMEC_CACHE": str(place / "cache")}, nowhere.fileno(), told))
        for name in told.read_text().split():
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    shutil.rmtree(place / "out")


def main(
    cases: Annotated[int, typer.Option(help="Number of cases.")] = 5000,
    seed: Annotated[int, typer.Option(help="Seed of the campaign.")] = 0,
    kinds: Annotated[str, typer.Option(help=f"Of {', '.join(KINDS)}.")] = ",".join(KINDS),
    case: Annotated[str | None, typer.Option(help="Run only these numbers, comma separated.")] = None,
    out: Annotated[Path | None, typer.Option(help="A line per case; goes on if it exists.")] = None,
    minutes: Annotated[float, typer.Option(help="Stop after these.")] = 1e9,
    jobs: Annotated[int, typer.Option(help="Processes that run cases.", min=1)] = 1,
    cluster: Annotated[str | None, typer.Option(help="Run them on this dask scheduler's workers.")] = None,
) -> None:
    """Run the campaign; exit code 1 if a case is bad."""
    logging_off()
    chosen = kinds.split(",")
    done: list[Outcome] = []
    if out is not None and out.exists():
        done = [Outcome(**json.loads(line)) for line in out.read_text().splitlines()]
    known = {outcome.number for outcome in done}
    numbers = [int(n) for n in case.split(",")] if case else [n for n in range(cases) if n not in known]
    alone, end = len(numbers) == 1, time.time() + 60 * minutes

    def add(outcome: Outcome) -> None:
        done.append(outcome)
        if outcome.bad or alone:
            print(json.dumps(asdict(outcome)), flush=True)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("a") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")

    if jobs > 1 or cluster:
        chunks = [(seed, kinds, numbers[i : i + CHUNK], end) for i in range(0, len(numbers), CHUNK)]
        with workers(jobs, cluster) as executor:
            each(run_chunk, chunks, executor, lambda index, outcomes: [add(Outcome(**o)) for o in outcomes])
    else:
        for outcome in outcomes_of(seed, chosen, numbers, end, show=alone):
            add(outcome)
    for kind in chosen:
        of_kind = [outcome for outcome in done if outcome.kind == kind]
        codes = Counter(outcome.code for outcome in of_kind)
        bad = sum(bool(outcome.bad) for outcome in of_kind)
        print(f"{kind}: {len(of_kind)} cases, exit codes {dict(sorted(codes.items()))}, {bad} bad")
    bad = sum(bool(outcome.bad) for outcome in done)
    print(f"{len(done)} cases, {bad} bad")
    raise typer.Exit(bool(bad))


def outcomes_of(
    seed: int, kinds: Sequence[str], numbers: Sequence[int], end: float = inf, show: bool = False
) -> Iterator[Outcome]:
    """Run these cases, none that would start after `end`, of time.time; show: print what they say."""
    weights = [KINDS[kind][0] for kind in kinds]
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        cache = Path(place, "cache")
        for number in numbers:
            if time.time() > end:
                return
            rng = random.Random(f"{seed}/{number}")
            kind = rng.choices(kinds, weights)[0]
            folder = Path(place, str(number), "case")
            folder.mkdir(parents=True)
            made = KINDS[kind][1](rng, folder)
            yield run(number, kind, made, cache, folder.with_name("temporary"))
            if show:
                print(folder.with_name("said").read_text(errors="replace"))
            shutil.rmtree(folder.parent)


def run_chunk(task: tuple[int, str, Sequence[int], float]) -> list[dict]:
    """Run the cases of a task in a process of their own; their Outcomes as dictionaries."""
    seed, kinds, numbers, end = task
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        options = {"seed": seed, "kinds": kinds, "case": ",".join(map(str, numbers)), "out": out}
        options["minutes"] = max(0, end - time.time()) / 60
        command = [sys.executable, __file__, *(f"--{name}={value}" for name, value in options.items())]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
        return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def logging_off() -> None:
    """FINN and QONNX warn while models are compared."""
    import warnings

    warnings.simplefilter("ignore")


if __name__ == "__main__":
    typer.run(main)
