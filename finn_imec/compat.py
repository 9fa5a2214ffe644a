"""What differs between FINN's branches, and how to use FINN's parts outside its own command."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

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
    settings = None
    with contextlib.suppress(ModuleNotFoundError):
        import finn.util.settings as settings

        saved = settings._SETTINGS
        settings.initialize_dummy_settings()
    try:
        yield
    finally:
        if settings is not None:
            settings._SETTINGS = saved
        if before is None:
            del os.environ["FINN_BUILD_DIR"]
        else:
            os.environ["FINN_BUILD_DIR"] = before
