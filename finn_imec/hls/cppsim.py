"""C simulation ("cppsim") of IMECConv's C++ with any compiler.

`build` compiles the top levels of `finn_imec.hls.generate` with the machine's C++ compiler; `run` feeds the
program the same stream words as the RTL (`finn_imec.streams.encode`).

The headers ap_int.h and hls_stream.h come from Vitis HLS if it is installed, else from the wheel of hls4ml,
whose ap_types are Xilinx' simulation headers of 2018 under the Apache license.
"""

from __future__ import annotations

import errno
import functools
import importlib.util
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finn_imec.hls.generate import ImecHls, library_path, write_files
from finn_imec.streams.words import round_up_to_bytes
from finn_imec.util import cache
from finn_imec.util.compiler import compiler
from finn_imec.util.errors import ImecError, MissingToolError, install_line
from finn_imec.util.templates import render

FLAGS = ("-std=c++14", "-O1", "-Wno-unknown-pragmas", "-w")


class HlsError(ImecError, RuntimeError):
    """The compiler rejected the C++, or the program failed; names the log."""


def header_path() -> Path:
    """Folder of ap_int.h and hls_stream.h, in Vitis HLS or else in hls4ml.

    $XILINX_HLS, $HLS_PATH and $VITIS_PATH are tried in this order; FINN's branches use these.
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
        f"VITIS_PATH) nor hls4ml is installed; of the latter, {install_line('hls')}"
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


def compile_program(files: dict[str, str], main: str, flags: Sequence[str] = FLAGS) -> Path:
    """Compile `main`, one of these files (name -> text), or take the program from the cache.

    Programs are cache entries of the kind "cppsim" (see `finn_imec.util.cache`), keyed by the content of the
    files and of the ap_int headers, the compiler, its version and the flags. Raises HlsError with the
    compiler's first error and the log's path, MissingToolError without compiler or headers.
    """
    (command, version), headers = compiler(), header_path()
    key = cache.digest(
        files=files,
        main=main,
        compiler=[command, version],
        flags=flags,
        headers=_header_digests(headers),
    )

    def compile_to(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            write_files(Path(work), files)
            done = subprocess.run(
                [*command, *flags, "-isystem", str(headers), main, "-o", str(folder / "program")],
                cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )  # fmt: skip
        if done.returncode:
            log = cache.log_path("cppsim", key)
            log.write_text(shlex.join(done.args) + "\n" + done.stdout)
            lines = done.stdout.splitlines() or [f"exit status {done.returncode}"]
            first = next((line for line in lines if "error" in line), lines[0])
            raise HlsError(f"C++ compiler: {first} (log: {log})")

    def check(folder: Path) -> None:
        if not os.access(folder / "program", os.X_OK):
            raise PermissionError(errno.EACCES, "programs cannot be run there", str(folder))

    return cache.get_or_build("cppsim", key, compile_to, check).folder / "program"


@functools.cache
def _header_digests(folder: Path) -> dict[str, str]:
    """Computed once per process, because Vitis HLS has many headers."""
    return cache.folder_digests(folder, (".h",))


def build(designs: Sequence[ImecHls]) -> Path:
    """Compile designs, each with a different top, into one program for `run`."""
    return compile_program(simulation_sources(designs), "cppsim.cpp")


def run(program: Path, words: np.ndarray, out_bits: int, top: str | None = None) -> np.ndarray:
    """Feed whole frames of input words through a program of `build`; return the output words.

    words and result: uint8 (words, bytes), see finn_imec.streams.words. top: name of the design, the first by
    default. Raises HlsError if the program fails or does not process whole frames.
    """
    command = [str(program), *([top] if top else [])]
    done = subprocess.run(command, input=np.ascontiguousarray(words).tobytes(), capture_output=True)
    size = round_up_to_bytes(out_bits) // 8
    if done.returncode or len(done.stdout) % size:
        message = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise HlsError(f"C simulation {program}: {message}")
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, size)
