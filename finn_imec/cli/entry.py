"""The commands, and how each ends."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import traceback
import warnings
from typing import Annotated

import typer

from finn_imec import __version__
from finn_imec.cli.algorithms import algorithms
from finn_imec.cli.build import build
from finn_imec.cli.compare import compare
from finn_imec.cli.demo import demo
from finn_imec.cli.fifos import fifos
from finn_imec.cli.fit import fit
from finn_imec.cli.pages import paper, report
from finn_imec.cli.simulate import simulate
from finn_imec.cli.verify import verify
from finn_imec.cli.vivado import vivado
from finn_imec.terminal import Command, console, log
from finn_imec.util import interrupts
from finn_imec.util.errors import ImecError, one_line

#: In the order of the help.
COMMANDS = (algorithms, compare, vivado, build, fit, simulate, fifos, verify, demo, report, paper)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Memory-lean convolution hardware for quantized neural networks, in FINN.",
    rich_markup_mode="rich" if sys.stdout.isatty() and sys.stderr.isatty() else None,  # no boxes in a file
)

for command in COMMANDS:
    app.command(cls=Command)(command)


def print_version(asked: bool) -> None:
    """Print the version and exit, if asked."""
    if asked:
        console.print(f"finn-imec {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: every error is one line; exit code 2 for usage, 1 for failure.

    130, 143, 129 after SIGINT, SIGTERM, SIGHUP: outputs are complete or absent, and a rerun uses the caches.
    """
    interrupts.install()
    warnings.showwarning = warn
    try:
        os.getcwd()
    except OSError:
        fail("the current folder does not exist any more")
    try:
        with interrupts.session():
            app()
    except ImecError as err:
        fail(str(err))
    except OSError as err:
        what = err.strerror or one_line(err)
        fail(f"{err.filename}: {what}" if err.filename else what)
    except Exception as err:
        fail(f"unforeseen: {one_line(err)}; {_log_of(err)}")


def _log_of(err: Exception) -> str:
    """Where the traceback is, for a report of the error."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="finn_imec_error_", suffix=".log", delete=False, encoding="utf-8", errors="replace"
        ) as log:
            log.write(shlex.join(sys.argv) + "\n\n")
            traceback.print_exception(err, file=log)
    except OSError as why:
        return f"its log cannot be written: {why.strerror or why}"
    return f"log: {log.name}"


def warn(message: Warning | str, *_: object) -> None:
    """Print a warning as a line, without the place in the code that Python adds."""
    _say("[bold yellow]warning:[/]", " ".join(str(message).split()))


def fail(message: str) -> None:
    """Print the message and exit with code 1."""
    _say("[bold red]error:[/]", message)
    sys.exit(1)


def _say(kind: str, message: str) -> None:
    """A line on standard error, never wrapped."""
    log.print(kind, end=" ")
    log.print(message, markup=False, highlight=False, soft_wrap=True)
