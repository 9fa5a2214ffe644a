"""C++ of an IMECConv for Vitis HLS: imec.hpp, parameters, a top level, a synthesis script."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_imec.layer.core import Operand
from finn_imec.layer.datapath import Datapath, smallest_datatype, stored_weights
from finn_imec.layer.memories import RAM_STYLES
from finn_imec.layer.structure import Structure
from finn_imec.util.errors import MissingToolError, UnsupportedError
from finn_imec.util.names import check_top
from finn_imec.util.templates import render

#: FINN's limit on the width of an ap_int (finn/util/basic.py, MAX_ALLOWED_AP_INT_W).
MAX_WORD_BITS = 8191
#: Vitis HLS: command (its name since 2024.2 first) -> arguments before the script.
TOOLS = {"vitis-run": ("--mode", "hls", "--tcl"), "vitis_hls": ("-f",)}


def library_path() -> Path:
    """Folder of imec.hpp inside the installed package."""
    return Path(str(resources.files("finn_imec") / "hls" / "hlslib"))


def require_vitis(what: str) -> None:
    """Raise MissingToolError, naming the RTL variant, unless Vitis HLS is on the PATH."""
    if not any(shutil.which(tool) for tool in TOOLS):
        raise MissingToolError(
            f"{what} needs Vitis HLS, and neither {' nor '.join(TOOLS)} is on the PATH; IMECConv_rtl "
            "(preferred_impl_style=rtl) computes the same and simulates without Xilinx tools"
        )


def _braces(values: np.ndarray) -> str:
    """A C++ initializer, one line per entry of the first dimension."""

    def nested(value: list[Any] | int) -> str:
        if isinstance(value, list):
            return "{" + ",".join(map(nested, value)) + "}"
        return f"{value}ULL" if value >= 2**63 else str(value)

    return "{\n" + ",\n".join(map(nested, values.tolist())) + "\n}"


@dataclass(frozen=True, eq=False)
class ImecHls:
    """One IMECConv in C++.

    top: name of the top function and part of its files' names. ram_style: of the weight memory, one of
    RAM_STYLES except "ultra". Raises UnsupportedError naming the attribute for other values.
    """

    top: str
    datapath: Datapath
    ram_style: str = "auto"

    def __post_init__(self) -> None:
        check_top(self.top)
        accepted = [style for style in RAM_STYLES if style != "ultra"]
        if self.ram_style not in accepted:
            raise UnsupportedError(
                f"ram_style={self.ram_style!r}: IMECConv_hls accepts {', '.join(accepted)}"
            )
        if self.max_bits > MAX_WORD_BITS:
            raise UnsupportedError(
                f"words of {self.max_bits} bits: IMECConv_hls accepts {MAX_WORD_BITS}; lower SIMD or PE"
            )

    @cached_property
    def structure(self) -> Structure:
        """The datapath's structure with its weights in this ram_style."""
        return replace(self.datapath.structure, ram_style=self.ram_style)

    @property
    def max_bits(self) -> int:
        """AP_INT_MAX_W: the widest word, at least the headers' default of 1024."""
        s = self.structure
        buffer_bits = s.geometry.word_channels * s.core.activation.bits
        return max(1024, s.in_bits, s.out_bits, buffer_bits)

    @cached_property
    def acc_datatype(self) -> BaseDataType:
        """QONNX datatype that holds every accumulator and, with thresholds, one more."""
        low, high = self.datapath.accumulator_range
        return smallest_datatype(int(low.min()), int(high.max()) + bool(self.structure.steps))

    def weight_limbs(self) -> np.ndarray:
        """Weights as imec::weight_array: uint64 (SF*NF, PE, limbs), no weight split between limbs."""
        path, g, bits = self.datapath, self.structure.geometry, self.structure.core.weight.bits
        assert path.weights is not None
        stored = stored_weights(g, self.structure.core.weight, path.weights).astype(np.uint64)
        lanes = min(g.simd, 64 // bits)
        limbs = -(-g.simd // lanes)
        padded = np.zeros((g.nf * g.sf, g.pe, limbs * lanes), np.uint64)
        padded[..., : g.simd] = stored
        shifts = np.arange(lanes, dtype=np.uint64) * np.uint64(bits)
        shifted = padded.reshape(*padded.shape[:2], limbs, lanes) << shifts
        return np.asarray(np.bitwise_or.reduce(shifted, axis=-1))

    def threshold_values(self) -> np.ndarray | None:
        """Thresholds as imec::thresholds.values: int64 (NF, PE, steps), within the accumulator's type."""
        path, g = self.datapath, self.structure.geometry
        if path.thresholds is None:
            return None
        lowest, highest = path.accumulator_range
        low, high = int(lowest.min()), int(highest.max())
        return path.thresholds.clip(low, high + 1).reshape(g.nf, g.pe, self.structure.steps)

    def sources(self) -> dict[str, str]:
        """File name -> text of the header library, parameters and top level."""
        path, s, thresholds = self.datapath, self.structure, self.threshold_values()
        odt, core = path.output_datatype, self.structure.core
        context = {
            "top": self.top,
            "max_bits": self.max_bits,
            "g": s.geometry,
            "activation_type": _element(core.activation, core.counts_equal_bits),
            "weight_type": _element(core.weight, core.counts_equal_bits),
            "acc_type": _element(Operand(self.acc_datatype.bitwidth(), self.acc_datatype.signed(), False)),
            "output_type": _element(Operand(s.output_bits, bool(odt.signed()), False)),
            "output_bits": s.output_bits,
            "steps": s.steps,
            "base": path.rtl_act_val(),
            "thresholds": None if thresholds is None else _braces(thresholds),
            "weights": _braces(self.weight_limbs()),
            "buffer_ram": f"ram_{s.geometry.buffer_style}",
            "weight_impl": f" impl={'bram' if s.rom_style == 'block' else 'lutram'}",
        }
        templates = library_path()
        return {
            "imec.hpp": (library_path() / "imec.hpp").read_text(),
            f"{self.top}_params.hpp": render(templates / "imec_params.hpp.j2", **context),
            f"top_{self.top}.cpp": render(templates / "imec_top.cpp.j2", **context),
        }

    def generate(self, folder: Path) -> None:
        """Write the header library, parameters and top level into `folder`."""
        write_files(folder, self.sources())

    def generate_project(self, folder: Path, part: str, clock: float, directives: Iterable[str]) -> None:
        """`generate`, plus hls_syn_TOP.tcl, with which Vitis HLS makes an IP for `part`; clock in ns."""
        folder = Path(folder).resolve()
        text = render(
            library_path() / "imec_synthesis.tcl.j2",
            top=self.top,
            folder=folder,
            part=part,
            clock=clock,
            directives=list(directives),
        )
        write_files(folder, {**self.sources(), f"hls_syn_{self.top}.tcl": text})


def _element(operand: Operand, counts_equal_bits: bool = False) -> str:
    """The C++ type of an element."""
    if operand.bipolar:
        return "imec::xnor" if counts_equal_bits else "imec::bipolar"
    return f"ap_{'' if operand.signed else 'u'}int<{operand.bits}>"


def write_files(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
