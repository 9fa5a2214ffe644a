"""How the command talks: tables, progress, and options that only some of its modes use.

In a terminal there are bars, and lines as wide as it is. In a file nothing is wrapped, and each stage and
layer is a line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperCommand


def _width(stream: TextIO) -> int | None:
    """None: as wide as the terminal; else wider than any line."""
    return None if stream.isatty() or "COLUMNS" in os.environ else 100_000


console = Console(markup=False, width=_width(sys.stdout))
log = Console(stderr=True, width=_width(sys.stderr))


def print_table(table: Table) -> None:
    """A table on standard output; in a file its title and caption are lines of their own."""
    if console.is_terminal:
        console.print(table)
        return
    title, caption = table.title, table.caption
    table.title = table.caption = None  # they would be wrapped to the width of the table
    for part in (title, table, caption):
        if part:
            console.print(part, soft_wrap=part is not table)


def print_json(value: Any) -> None:
    """Indented JSON on standard output."""
    print(json.dumps(value, indent=2))


# ---- progress -----------------------------------------------------------------------------------


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Progress on standard error: a bar, or lines if that is no terminal; gives a function that advances it.

    The function takes the number of steps done, a label of what comes now or was just done, and, if it was
    unknown, the total.
    """
    screen = Console(file=sys.stderr)  # this one, also while FINN has its own
    if not screen.is_terminal:
        yield _progress_lines(what, total, screen)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(steps: int = 1, label: str | None = None, total: int | None = None) -> None:
            description = f"{what}: {label}" if label else what
            bar.update(task, advance=steps, description=description, total=total)

        yield advance


def _progress_lines(what: str, total: int | None, screen: Console) -> Callable[..., None]:
    """A line for each label; steps without one are a line per tenth of them."""
    done = 0

    def advance(steps: int = 1, label: str | None = None, total: int | None = total) -> None:
        nonlocal done
        before, done = done, done + steps
        if label is None and steps and total and before * 10 // total == done * 10 // total:
            return
        count = f" {done}/{total}" if total else ""
        line = f"{what}{count}: {label}" if label else f"{what}{count}"
        screen.print(line, markup=False, highlight=False, soft_wrap=True)

    advance(0)
    return advance


# ---- options ------------------------------------------------------------------------------------

_NEW_LAYERS = (
    ("bits", "layers"),
    ("simd pe depthwise activation weight", "geometry"),
)
#: Command -> (options, what they need): one of these parameters, "name=value", or, with "!", that a parameter
#: is not given. Each option that is given is used, or is an error.
ONLY_WITH = {
    "algorithms": (("device dtype batch groups chart", "backend=torch"), ("run", "backend=numpy")),
    "compare": (*_NEW_LAYERS, ("same_folding", "model")),
    "vivado": (("steps core part clock", "model geometry layers"), *_NEW_LAYERS),
    "simulate": (
        ("frames", "!images"),
        ("frames", "!input_file"),
        ("images", "!input_file"),
        ("fifo_depth trace trace_cycles clock_ns", "!per_layer"),
        ("trace_cycles", "trace"),
    ),
    "fit": (("fps", "!fastest"),),
    "verify": (("cases seed case", "!parameters"), ("cases", "!case")),
}


class Command(TyperCommand):
    """A command that refuses options which its mode does not use, by ONLY_WITH."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            for options, needs in ONLY_WITH.get(self.name or "", ()):
                self._check(ctx, options.split(), needs)
        return rest

    def _check(self, ctx: Any, options: list[str], needs: str) -> None:
        flags = {
            p.name: p.name.upper() if p.param_type_name == "argument" else p.opts[0] for p in self.params
        }

        def given(name: str) -> bool:
            return bool(ctx.get_parameter_source(name).name == "COMMANDLINE")

        name, _, value = needs.removeprefix("!").partition("=")
        if value:
            used, condition = ctx.params[name] == value, f"is used only with {flags[name]} {value}"
        elif needs.startswith("!"):
            used, condition = not given(name), f"is not used with {flags[name]}"
        else:
            names = name.split()
            used = any(given(each) for each in names)
            condition = f"is used only with {' or '.join(flags[each] for each in names)}"
        for option in options:
            if not used and given(option):
                raise typer.BadParameter(f"{flags[option]} {condition}", ctx=ctx)
