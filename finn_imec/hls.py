"""Generation of an IMECConv in C++ for Vitis HLS, and its C simulation ("cppsim") with any compiler.

`ImecHls` writes what Vitis HLS needs: imec.hpp, parameters, a top level, a synthesis script.
`build` compiles the same top levels with the machine's C++ compiler, `run` feeds the result with
stream words, which are those of the RTL (`finn_imec.rtl.encode`).

The headers ap_int.h and hls_stream.h come from Vitis HLS where it is installed, else from the wheel of
hls4ml, whose ap_types are Xilinx' simulation headers of 2018 under the Apache licence.
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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np

from finn_imec.datapath import Datapath, Operand, smallest_datatype
from finn_imec.errors import ImecError, MissingToolError, UnsupportedError
from finn_imec.geometry import RAM_STYLES, resolved_style
from finn_imec.rtl import AUTO_ROM_WORDS
from finn_imec.templates import render

#: FINN's limit of an ap_int's width (finn/util/basic.py, MAX_ALLOWED_AP_INT_W).
MAX_WORD_BITS = 8191
FLAGS = ("-std=c++14", "-O1", "-Wno-unknown-pragmas", "-w")
#: Vitis HLS: command (its name since 2024.2 first) -> arguments before the script.
TOOLS = {"vitis-run": ("--mode", "hls", "--tcl"), "vitis_hls": ("-f",)}


class HlsError(ImecError, RuntimeError):
    """The compiler rejected the C++, or the compiled C++ misbehaved; names the log."""


def library_path() -> Path:
    """Folder of imec.hpp inside the installed package."""
    return Path(str(resources.files("finn_imec") / "hlslib"))


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


def require_vitis(what: str) -> None:
    """Raise MissingToolError, naming the RTL variant, unless Vitis HLS is on the PATH."""
    if not any(shutil.which(tool) for tool in TOOLS):
        raise MissingToolError(
            f"{what} needs Vitis HLS, and neither {' nor '.join(TOOLS)} is on the PATH; IMECConv_rtl "
            "(preferred_impl_style=rtl) computes the same and simulates without Xilinx tools"
        )


def _braces(values: np.ndarray) -> str:
    """A C++ initialiser, a line for each entry of the first dimension."""

    def nested(value: object) -> str:
        if isinstance(value, list):
            return "{" + ",".join(map(nested, value)) + "}"
        return f"{value}ULL" if value >= 2**63 else str(value)

    return "{\n" + ",\n".join(map(nested, values.tolist())) + "\n}"


@dataclass(frozen=True, eq=False)
class ImecHls:
    """One IMECConv in C++.

    top: name of the top function and part of its files' names. ram_style: weight memory, one of
    RAM_STYLES but "ultra". Raises UnsupportedError naming the attribute otherwise.
    """

    top: str
    datapath: Datapath
    ram_style: str = "auto"

    def __post_init__(self) -> None:
        accepted = [style for style in RAM_STYLES if style != "ultra"]
        if self.ram_style not in accepted:
            raise UnsupportedError(
                f"ram_style={self.ram_style!r}: IMECConv_hls accepts {', '.join(accepted)}"
            )
        if self.max_bits > MAX_WORD_BITS:
            raise UnsupportedError(
                f"words of {self.max_bits} bits: IMECConv_hls accepts {MAX_WORD_BITS}; lower SIMD or PE"
            )

    @property
    def in_bits(self) -> int:
        """Bits of an input word."""
        return self.datapath.geometry.simd_in * self.datapath.activation.bits

    @property
    def out_bits(self) -> int:
        """Bits of an output word."""
        return self.datapath.geometry.pe * self.datapath.output_bits

    @property
    def max_bits(self) -> int:
        """AP_INT_MAX_W: the widest word, at least the headers' default of 1024."""
        strip_bits = self.datapath.geometry.word_channels * self.datapath.activation.bits
        return max(1024, self.in_bits, self.out_bits, strip_bits)

    @cached_property
    def acc_datatype(self):
        """QONNX datatype that holds every accumulator and, with thresholds, one more."""
        low, high = self.datapath.accumulator_range
        return smallest_datatype(int(low.min()), int(high.max()) + bool(self.datapath.steps))

    def weight_limbs(self) -> np.ndarray:
        """Weights as imec::weight_array: uint64 (SF*NF, PE, limbs), whole weights in a limb."""
        path, g = self.datapath, self.datapath.geometry
        bits = path.weight.bits
        stored = (path.weights > 0) if path.weight.bipolar else path.weights & (2**bits - 1)
        # As Datapath.weight_words: (MW, MH) -> (SF, SIMD, NF, PE) -> (NF, SF, PE, SIMD)
        folded = stored.reshape(g.sf, g.simd, g.nf, g.pe).transpose(2, 0, 3, 1).astype(np.uint64)
        lanes = min(g.simd, 64 // bits)
        limbs = -(-g.simd // lanes)
        padded = np.zeros((g.nf * g.sf, g.pe, limbs * lanes), np.uint64)
        padded[..., : g.simd] = folded.reshape(g.nf * g.sf, g.pe, g.simd)
        shifts = np.arange(lanes, dtype=np.uint64) * np.uint64(bits)
        shifted = padded.reshape(*padded.shape[:2], limbs, lanes) << shifts
        return np.bitwise_or.reduce(shifted, axis=-1)

    def threshold_values(self) -> np.ndarray | None:
        """Thresholds as imec::thresholds.values: int64 (NF, PE, steps), within the accumulator's type."""
        path, g = self.datapath, self.datapath.geometry
        if not path.steps:
            return None
        lowest, highest = path.accumulator_range
        low, high = int(lowest.min()), int(highest.max())
        return path.thresholds.clip(low, high + 1).reshape(g.nf, g.pe, path.steps)

    def sources(self) -> dict[str, str]:
        """File name -> text of header library, parameters and top level."""
        path, g, thresholds = self.datapath, self.datapath.geometry, self.threshold_values()
        odt = path.output_datatype
        weight_style = resolved_style(self.ram_style, g.weight_words, AUTO_ROM_WORDS)
        context = {
            "top": self.top,
            "max_bits": self.max_bits,
            "g": g,
            "activation_type": _element(path.activation, path.counts_equal_bits),
            "weight_type": _element(path.weight, path.counts_equal_bits),
            "acc_type": _element(Operand(self.acc_datatype.bitwidth(), self.acc_datatype.signed(), False)),
            "output_type": _element(Operand(path.output_bits, bool(odt.signed()), False)),
            "output_bits": path.output_bits,
            "steps": path.steps,
            "base": path.rtl_act_val(),
            "thresholds": None if thresholds is None else _braces(thresholds),
            "weights": _braces(self.weight_limbs()),
            "buffer_ram": f"ram_{g.strip_style}",
            "weight_impl": f" impl={'bram' if weight_style == 'block' else 'lutram'}",
        }
        templates = library_path()
        return {
            "imec.hpp": (library_path() / "imec.hpp").read_text(),
            f"{self.top}_params.hpp": render(templates / "imec_params.hpp.j2", **context),
            f"top_{self.top}.cpp": render(templates / "imec_top.cpp.j2", **context),
        }

    def generate(self, folder: Path) -> None:
        """Write header library, parameters and top level into `folder`."""
        _write(folder, self.sources())

    def generate_project(self, folder: Path, part: str, clock: float, directives: Iterable[str]) -> None:
        """`generate`, and hls_syn_TOP.tcl, with which Vitis HLS makes an IP for `part`; clock in ns."""
        folder = Path(folder).resolve()
        text = render(
            library_path() / "imec_synthesis.tcl.j2",
            top=self.top,
            folder=folder,
            part=part,
            clock=clock,
            directives=list(directives),
        )
        _write(folder, {**self.sources(), f"hls_syn_{self.top}.tcl": text})


def _element(operand: Operand, counts_equal_bits: bool = False) -> str:
    """The C++ type of an element."""
    if operand.bipolar:
        return "imec::xnor" if counts_equal_bits else "imec::bipolar"
    return f"ap_{'' if operand.signed else 'u'}int<{operand.bits}>"


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


# ---- C simulation -------------------------------------------------------------------------------


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
        _write(Path(work), files)
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

    words: uint8 (words, bytes), see finn_imec.simulation.words; so is the result. top: which
    design; the first by default. Raises HlsError if the program fails or does not keep to whole frames.
    """
    command = [str(program), *([top] if top else [])]
    done = subprocess.run(command, input=np.ascontiguousarray(words).tobytes(), capture_output=True)
    size = (out_bits + 7) // 8
    if done.returncode or len(done.stdout) % size:
        message = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise HlsError(f"C simulation {program}: {message}")
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, size)
