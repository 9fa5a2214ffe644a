"""FINN's RTL in open tools: copies of its files with the few edits that the tools need."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from finn_imec.util.errors import UnsupportedError

#: Name of FINN's MVAU's weight file.
WEIGHT_FILE = "memblock.dat"
#: Simulation-only sources, and a core for another device.
_LEFT_OUT = ("fifo_gauge.sv", "mvu_vvu_8sx9_dsp58.sv")


def copy_patched(
    sources: Sequence[Path], folder: Path, lut_product: str | None = None, depthwise: bool = False
) -> list[str]:
    """Copy RTL into `folder` with the edits below; returns the file names, packages first.

    lut_product: PRODUCT of finn_lut_core (depthwise: finn_lut_vvu), which replaces FINN's core; None keeps
    FINN's core. Raises UnsupportedError for a finn-rtllib that is not as expected.
    """
    patches = {
        "add_multi.sv": _patch_add_multi,
        "fifo.sv": _patch_fifo,
        "mvu.sv": _patch_mvu,
        "thresholding.sv": _patch_thresholding,
    }
    if lut_product is not None:
        patches["mvu_vvu_axi.sv"] = partial(_patch_wrapper, lut_product, depthwise)
    names = []
    for source in sources:
        if source.name in (*_LEFT_OUT, *names):  # two FIFOs have the same source
            continue
        text = source.read_text()
        # A directive inside a module body is an error to slang and to Verilator.
        text = re.sub(r"^\s*`default_nettype.*\n", "", text, flags=re.MULTILINE)
        # A default that the top overrides: a path in the scratch folder, new each time.
        text = re.sub(rf'"[^"]*/{WEIGHT_FILE}"', f'"{WEIGHT_FILE}"', text)
        if source.name in patches:
            text = patches[source.name](text)
        (folder / source.name).write_text(text)
        names.append(source.name)
    return sorted(names, key=lambda name: not name.endswith("_pkg.sv"))


def _substitute(pattern: str, replacement: str | Callable, text: str, file: str) -> str:
    """Replace exactly one match; UnsupportedError if this finn-rtllib is not as expected."""
    text, matches = re.subn(pattern, replacement, text, flags=re.DOTALL)
    if matches != 1:
        raise UnsupportedError(
            f"finn-rtllib's {file} is not as in finn-plus 1.6.1 (no unique match of {pattern!r})"
        )
    return text


def _patch_add_multi(text: str) -> str:
    """Move the constant function out of the generate block that uses it."""
    cut: list[str] = []

    def take(match: re.Match) -> str:
        cut.append(match[0])
        return ""

    pattern = r"\n\t\t// Compute the count of.*?LEAF_LOAD = init_leaf_loads\(\);\n"
    text = _substitute(pattern, take, text, "add_multi.sv")
    return _substitute(r"\n\tuwire \[SUM_WIDTH-1:0\]  sum0;", lambda m: cut[0] + m[0], text, "add_multi.sv")


def _patch_fifo(text: str) -> str:
    """Pack the struct that a constant function returns; Verilator evaluates only packed ones."""
    return _substitute(r"typedef struct \{", "typedef struct packed {", text, "fifo.sv")


def _patch_mvu(text: str) -> str:
    """Drop the start-up watchdog and the check of narrow weights, both simulation-only."""
    text = _substitute(r"\tif\(1\) begin : blkRecoveryWatch.*?end : blkRecoveryWatch\n", "", text, "mvu.sv")
    return _substitute(
        r"\n(\t+)if\(NARROW_WEIGHTS\) begin : genNarrowCheck.*?\n\1end\n", "\n", text, "mvu.sv"
    )


def _patch_thresholding(text: str) -> str:
    """Use a shift where the first stage's part select would be [M-1:M], which slang rejects."""
    return _substitute(r"p\.ptr\[M-1:SN\+1\] <", "(p.ptr[M-1:0] >> (SN+1)) <", text, "thresholding.sv")


def _patch_wrapper(product: str, depthwise: bool, text: str) -> str:
    """Instantiate this package's core in place of FINN's, and size the output queue for its latency."""
    core, replacement = ("mvu_vvu_8sx9_dsp58", "vvu") if depthwise else ("mvu", "core")
    text = _substitute(
        rf"\b{core} #\(",
        f'finn_lut_{replacement} #(\n\t\t\t\t.PRODUCT("{product}"),',
        text,
        "mvu_vvu_axi.sv",
    )
    return _substitute(r"CORE_PIPELINE_DEPTH =.*?;", "CORE_PIPELINE_DEPTH = 2;", text, "mvu_vvu_axi.sv")
