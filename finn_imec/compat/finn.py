"""What differs between FINN's branches, and how to use FINN's parts outside its own command."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from finn_imec.util.errors import MissingToolError

#: Target of code generation where the user names none: BNN-PYNQ's device, 200 MHz.
FPGA_PART = "xc7z020clg400-1"
CLOCK_NS = 5.0


@contextlib.contextmanager
def finn_build_dir(folder: Path) -> Iterator[None]:
    """FINN's transformations put what they generate below `folder`, which exists.

    finn-plus asks a global settings object for it, upstream FINN the environment.
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
    """Make finn-plus' global settings, which its code generation asks for, unless FINN itself runs us."""
    settings = _finn_plus_settings()
    if settings and settings._SETTINGS is None:
        settings.initialize_dummy_settings()


def finn_rtllib() -> Path:
    """FINN's RTL library: finn-plus has it in its settings, upstream FINN below $FINN_ROOT.

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
    raise MissingToolError(
        "FINN's RTL library is not installed; install it with: pip install 'finn-imec[finn]'"
    )


def memstream_sources() -> tuple[Path, ...]:
    """FINN's weight streamer `memstream_axi` with all it needs, from the user's finn-rtllib."""
    library = finn_rtllib()
    axilite = library / "axi" / "hdl" / "axilite.sv"
    if not axilite.is_file():  # upstream FINN
        axilite = library / "memstream" / "hdl" / "axilite_if.v"
    names = ("memstream.sv", "memstream_axi.sv")
    return (axilite, *(library / "memstream" / "hdl" / name for name in names))


def memstream_has_sets(sources: tuple[Path, ...]) -> bool:
    """True if memstream_axi takes a choice of weight sets and a second clock, as finn-plus's does."""
    return "SETS" in sources[-1].read_text()


def axilite_address_bits(words: int, width: int) -> int:
    """Bits of a byte address in FINN's memstream: a power of two of 32-bit words per weight word."""
    return (words * words_per_line(width) - 1).bit_length() + 2


def words_per_line(width: int) -> int:
    """32-bit words that FINN's memstream and its driver spend on a weight word of `width` bits."""
    return 1 << (ceil(width / 32) - 1).bit_length()
