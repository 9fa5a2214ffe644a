"""The results of a folder as one self-contained HTML page, styles and charts included."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from finn_imec import __version__
from finn_imec.builder.conversion import next_commands
from finn_imec.report.chart import memory_charts
from finn_imec.report.results import Results, load_results
from finn_imec.report.summary import Line, change_text, columns, headline, lines, not_counted, sums
from finn_imec.report.table import ratio_text
from finn_imec.synthesis.rows import geometric_means
from finn_imec.transformation.infer_imec_conv import PairReport
from finn_imec.util.output import output_folder

PAGE = "report.html"
#: Characters of a name that fit in any column.
SHORT = 14


def write_report(folder: str | Path) -> dict[str, Any]:
    """Write PAGE into a folder that `finn-imec demo`, `build` or `compare` wrote.

    Returns what the page shows: page (its path), command, sums, counted (false: they are estimates),
    not_counted (swapped layers that the sums then lack), part, clock_ns, pairs, graph, rows, means, memory,
    cycles, accuracy. Raises ModelError like load_results, and if the
    folder cannot be written.
    """
    results = load_results(folder)
    shown = lines(results)
    means = geometric_means(results.rows) if results.rows else None
    text = render(results, shown)
    with output_folder(results.folder, marker=Path(results.files[0]).parts[0]) as scratch:
        (scratch / PAGE).write_text(text, encoding="utf-8")
    return {
        "page": str(results.folder / PAGE),
        "command": results.command,
        "sums": {key: {"finn": finn, "imec": imec} for key, (finn, imec) in sums(shown).items()},
        "counted": results.rows is not None,
        "not_counted": [line.name for line in not_counted(results)],
        "part": results.conversion and results.conversion.part,
        "clock_ns": results.conversion and results.conversion.clock_ns,
        "pairs": results.pairs and [asdict(pair) for pair in results.pairs],
        "graph": results.graph and [[[asdict(n) for n in side] for side in row] for row in results.graph],
        "rows": results.rows and [row.as_dict() for row in results.rows],
        "means": means,
        "memory": {name: asdict(layer) for name, layer in results.memory.items()},
        "cycles": results.cycles,
        "accuracy": results.accuracy,
    }


def environment() -> jinja2.Environment:
    """For the templates of this folder."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: files(__package__).joinpath(name).read_text()),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"name": breakable, "quoted": quoted, "number": number_text, "ratio": ratio_text}
    return made


def render(results: Results, shown: Sequence[Line]) -> str:
    """The page; shown: lines(results)."""
    template = environment().get_template("report.html.j2")
    total = sums(shown)
    charts = memory_charts(results.memory, results.cycles) if results.memory else {}
    return template.render(
        version=__version__,
        results=results,
        lines=shown,
        estimated=not_counted(results),
        columns=columns(shown),
        longest=_longest(shown),
        total=total,
        headline=headline(total) if "lut" in total else None,
        change=change_text,
        foldings=_foldings,
        clock=_clock(results, total),
        charts={title: Markup(svg) for title, svg in charts.items()},
        commands=_commands(results),
    )


def breakable(name: str) -> Markup:
    """A name that, if it is long, may go on in the next line behind one of _./ or before a capital."""
    if len(name) <= SHORT:
        return escape(name)
    parts = re.split(r"(?<=[_./])(?=[^_./])|(?<=[a-z])(?=[A-Z])", name)
    return Markup("<wbr>").join(map(escape, parts))


def quoted(line: str) -> Markup:
    """A line in which `what is quoted so` is code."""
    parts = line.split("`")
    if len(parts) % 2 == 0:  # an apostrophe of its own
        return breakable(line)
    code = [Markup("<code>{}</code>").format(breakable(part)) for part in parts[1::2]]
    text = list(map(breakable, parts[::2]))
    return Markup("").join([text[0], *(each for pair in zip(code, text[1:]) for each in pair)])


def number_text(value: float | None) -> str:
    """1,234, 4.81, - for None."""
    return "-" if value is None else f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def _clock(results: Results, total: Mapping[str, Any]) -> tuple[str, str] | None:
    """The clock, and whether it is met as far as that is known."""
    rows = results.rows or ()
    clocks = {row.clock_ns for row in rows if row.clock_ns}
    if not clocks and results.conversion and results.conversion.clock_ns:
        clocks = {results.conversion.clock_ns}
    if not clocks:
        return None
    text = ", ".join(f"{clock:g} ns" for clock in sorted(clocks))
    late = sum(row.misses_clock("imec") for row in rows)
    if "period_ns" not in total:
        return text, "the target; paths are not counted here"
    path = f"longest path {total['period_ns'][1]:.2f} ns, {total['period_ns'][0]:.2f} in FINN's pairs"
    return text, f"{'missed by ' + str(late) if late else 'met by all'} of {len(rows)}; {path}"


def _foldings(pair: PairReport) -> list[tuple[str, str]]:
    """(folding, multipliers) of the pair, if the new node's differs, and of the new node."""
    before = [pair.folding_before] if pair.refolded and pair.folding_before else []
    after = [(pair.simd, pair.pe)] if pair.simd and pair.pe else []
    return [(f"SIMD {simd}, PE {pe}", number_text(simd * pe)) for simd, pe in (*before, *after)]


def _longest(shown: Sequence[Line]) -> dict[str, float]:
    """The largest value of each column, at least 1: the full length of its bars."""
    return {key: max([1, *(v or 0 for line in shown for v in line.figures[key])]) for key in columns(shown)}


def _commands(results: Results) -> list[str]:
    """What made the page, or for a build whose layers are not counted yet what goes on from there."""
    if results.rows is None:
        return list(next_commands(results.folder))
    return [results.command, shlex.join(["finn-imec", "report", str(results.folder)])]
