"""The C++ compiler that simulations use."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

from finn_imec.util.errors import MissingToolError


def compiler() -> tuple[tuple[str, ...], str]:
    """($CXX, else g++, else clang++, as words; the first line of its --version).

    Raises MissingToolError naming it if it is not there, or does not run.
    """
    named = os.environ.get("CXX", "").strip()
    try:
        command = shlex.split(named) or [next(filter(shutil.which, ("g++", "clang++")), "g++")]
    except ValueError as err:
        raise MissingToolError(f"C++ compiler CXX={named!r}: {err}; expected a command") from err
    if shutil.which(command[0]) is None:
        raise MissingToolError(f"C++ compiler '{command[0]}' is not on the PATH; simulation needs it")
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise MissingToolError(
            f"C++ compiler '{shlex.join(command)}': '--version' ends with exit code {done.returncode}; "
            "CXX may name another"
        )
    return tuple(command), (done.stdout.splitlines() or [""])[0]
