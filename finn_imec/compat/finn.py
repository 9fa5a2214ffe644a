"""Differences between FINN's branches, and use of FINN's parts outside its own command."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from finn_imec.util.errors import MissingToolError, UnsupportedError, install_line, require

#: Default target of code generation: BNN-PYNQ's device, 200 MHz.
FPGA_PART = "xc7z020clg400-1"
CLOCK_NS = 5.0


def dsp_block(fpgapart: str) -> str:
    """The DSP slice of a part by FINN's rules, one of layer.DSP_BLOCKS.

    Raises UnsupportedError for what is no part of Xilinx, which FINN's function does not ask, and
    MissingToolError without FINN.
    """
    if not re.match(r"x[a-z]{1,3}\w", fpgapart, re.I):
        raise UnsupportedError(f"part={fpgapart!r}: accepted are parts such as {FPGA_PART}")
    return str(require("finn.util.basic", "finn").get_dsp_block(fpgapart.lower()))


@contextlib.contextmanager
def finn_build_dir(folder: Path) -> Iterator[None]:
    """Let FINN's transformations generate files below `folder`, which must exist.

    finn-plus reads the folder from a global settings object, upstream FINN from the environment.
    """
    before = os.environ.get("FINN_BUILD_DIR")
    os.environ["FINN_BUILD_DIR"] = str(folder)
    settings = _finn_plus_settings()
    saved = settings._SETTINGS if settings else None
    if settings:
        settings.initialize_dummy_settings()
    try:
        yield
    finally:
        if settings:
            settings._SETTINGS = saved
        if before is None:
            del os.environ["FINN_BUILD_DIR"]
        else:
            os.environ["FINN_BUILD_DIR"] = before


def _finn_plus_settings() -> Any:
    """finn-plus' module of global settings; None in upstream FINN and without FINN."""
    try:
        return importlib.import_module("finn.util.settings")
    except ModuleNotFoundError:
        return None


def keep_finn_plus_settings() -> None:
    """Create finn-plus' global settings, which its code generation reads, unless FINN already has."""
    settings = _finn_plus_settings()
    if settings and settings._SETTINGS is None:
        settings.initialize_dummy_settings()


def finn_rtllib() -> Path:
    """FINN's RTL library: from finn-plus' settings, or below $FINN_ROOT for upstream FINN.

    Raises MissingToolError without FINN.
    """
    settings = _finn_plus_settings()
    if settings:
        saved = settings._SETTINGS
        if saved is None:
            settings.initialize_dummy_settings()
        try:
            return Path(settings.get_settings().finn_rtllib)
        finally:
            settings._SETTINGS = saved
    if "FINN_ROOT" in os.environ:
        return Path(os.environ["FINN_ROOT"]) / "finn-rtllib"
    raise MissingToolError(f"FINN's RTL library is not installed; {install_line('finn')}")


def memstream_sources() -> tuple[Path, ...]:
    """Sources of FINN's weight streamer `memstream_axi`, from the user's finn-rtllib."""
    library = finn_rtllib()
    axilite = library / "axi" / "hdl" / "axilite.sv"
    if not axilite.is_file():  # upstream FINN
        axilite = library / "memstream" / "hdl" / "axilite_if.v"
    names = ("memstream.sv", "memstream_axi.sv")
    return (axilite, *(library / "memstream" / "hdl" / name for name in names))


def memstream_has_sets(sources: tuple[Path, ...]) -> bool:
    """True if memstream_axi has weight set selection and a second clock, as in finn-plus."""
    return "SETS" in sources[-1].read_text()


def axilite_address_bits(words: int, width: int) -> int:
    """Byte address bits of FINN's memstream: a power of two of 32-bit words per weight word."""
    return (words * words_per_line(width) - 1).bit_length() + 2


def words_per_line(width: int) -> int:
    """32-bit words per weight word of `width` bits in FINN's memstream and its driver."""
    return 1 << (ceil(width / 32) - 1).bit_length()
