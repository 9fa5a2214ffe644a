"""C simulation ("cppsim") of IMECConv's C++ with any compiler.

`build` compiles the top levels of `finn_imec.hls.generate` with the machine's C++ compiler, `run` feeds the
result with stream words, which are those of the RTL (`finn_imec.streams.encode`).

The headers ap_int.h and hls_stream.h come from Vitis HLS where it is installed, else from the wheel of
hls4ml, whose ap_types are Xilinx' simulation headers of 2018 under the Apache license.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finn_imec.hls.generate import ImecHls, library_path, write_files
from finn_imec.util.errors import ImecError, MissingToolError
from finn_imec.util.templates import render

FLAGS = ("-std=c++14", "-O1", "-Wno-unknown-pragmas", "-w")


class HlsError(ImecError, RuntimeError):
    """The compiler rejected the C++, or the compiled C++ misbehaved; names the log."""


def header_path() -> Path:
    """Folder of ap_int.h and hls_stream.h: of Vitis HLS, else of hls4ml.

    $XILINX_HLS, $HLS_PATH and $VITIS_PATH are asked in this order, as FINN's branches do.
    Raises MissingToolError if neither is installed.
    """
    for name in ("XILINX_HLS", "HLS_PATH", "VITIS_PATH"):
        folder = Path(os.environ.get(name) or os.devnull) / "include"
        if (folder / "ap_int.h").is_file():
            return folder
    # Importing hls4ml would import its converters.
    wheel = importlib.util.find_spec("hls4ml")
    for location in (wheel and wheel.submodule_search_locations) or ():
        folder = Path(location) / "templates" / "vivado" / "ap_types"
        if (folder / "ap_int.h").is_file():
            return folder
    raise MissingToolError(
        "cppsim needs ap_int.h and hls_stream.h, and neither Vitis HLS (XILINX_HLS, HLS_PATH or "
        "VITIS_PATH) nor hls4ml is installed; install the latter with: pip install 'finn-imec[hls]'"
    )


def simulation_sources(designs: Sequence[ImecHls], main: str = "cppsim.cpp") -> dict[str, str]:
    """File name -> text of a program that simulates the designs; `main` includes all others."""
    files: dict[str, str] = {}
    for design in designs:
        files |= design.sources()
    files[main] = render(
        library_path() / "imec_cppsim.cpp.j2",
        tops=[d.top for d in designs],
        max_bits=max(d.max_bits for d in designs),
    )
    return files


def compiler() -> list[str]:
    """The C++ compiler's command: $CXX, else g++, else clang++. MissingToolError if there is none."""
    command = shlex.split(os.environ.get("CXX", "")) or [shutil.which("g++") or "clang++"]
    if not shutil.which(command[0]):
        raise MissingToolError(f"cppsim needs a C++14 compiler, and {command[0]} is not on the PATH")
    return command


def default_cache_dir() -> Path:
    """$FINN_IMEC_CACHE/cppsim, or else ~/.cache/finn_imec/cppsim."""
    named = os.environ.get("FINN_IMEC_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "finn_imec") / "cppsim"


def compile_program(
    files: dict[str, str], main: str, flags: Sequence[str] = FLAGS, cache_dir: Path | None = None
) -> Path:
    """Compile `main` among these files (name -> text) to a program, or take it from the cache.

    The cache knows a program by the content of the files, the compiler's version, the flags and
    the folder of the ap_int headers. Raises HlsError with the compiler's first error and the log's
    path, MissingToolError without compiler or headers.
    """
    cache = cache_dir or default_cache_dir()
    command, headers = compiler(), header_path()
    version = subprocess.run([*command, "--version"], capture_output=True, text=True).stdout
    about = json.dumps([sorted(files.items()), main, version, list(flags), str(headers)])
    key = hashlib.sha256(about.encode()).hexdigest()[:32]
    program, log = cache / key, cache / f"{key}.log"
    if program.is_file():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        write_files(Path(work), files)
        done = subprocess.run(
            [*command, *flags, "-isystem", str(headers), main, "-o", "program"],
            cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        if done.returncode:
            log.write_text(shlex.join(done.args) + "\n" + done.stdout)
            lines = done.stdout.splitlines() or [f"exit status {done.returncode}"]
            first = next((line for line in lines if "error" in line), lines[0])
            raise HlsError(f"C++ compiler: {first} (log: {log})")
        os.replace(Path(work) / "program", program)
    return program


def build(designs: Sequence[ImecHls], cache_dir: Path | None = None) -> Path:
    """Compile designs, with different tops, into one program for `run`."""
    return compile_program(simulation_sources(designs), "cppsim.cpp", cache_dir=cache_dir)


def run(program: Path, words: np.ndarray, out_bits: int, top: str | None = None) -> np.ndarray:
    """Feed whole frames of input words through a program of `build`; the output words.

    words: uint8 (words, bytes), see finn_imec.streams.words; so is the result. top: which
    design; the first by default. Raises HlsError if the program fails or does not keep to whole frames.
    """
    command = [str(program), *([top] if top else [])]
    done = subprocess.run(command, input=np.ascontiguousarray(words).tobytes(), capture_output=True)
    size = (out_bits + 7) // 8
    if done.returncode or len(done.stdout) % size:
        message = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise HlsError(f"C simulation {program}: {message}")
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, size)
