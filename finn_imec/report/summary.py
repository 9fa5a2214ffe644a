"""What a report shows first: figures of both sides by layer, counted or estimated, and their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from finn_imec.report.results import Results
from finn_imec.report.table import COLUMNS, TITLES
from finn_imec.synthesis.rows import Row
from finn_imec.transformation.infer_imec_conv import PairReport

#: A figure of FINN's pair and of IMECConv; None where it is not known.
Both = tuple[float | None, float | None]

#: Figure -> title, in the order of the page.
FIGURES = {
    **{key: TITLES[key] for key in ("lut", "lut_paired", "memory", "ff", "bram18")},
    "uram": "URAM",
    **{key: TITLES[key] for key in ("dsp", "depth")},
    "period_ns": "longest path, ns",
    "cycles": TITLES["cycles"],
}
#: Figures that add up over layers.
_ADD_UP = ("lut", "memory", "ff", "bram18", "uram", "dsp")


@dataclass(frozen=True)
class Line:
    """One convolution: its name, what it is, and its figures by the names in FIGURES."""

    name: str
    notes: tuple[str, ...]
    figures: Mapping[str, Both]


def lines(results: Results) -> tuple[Line, ...]:
    """A line per row that was counted; without rows, one per swapped pair with estimates of both sides."""
    if results.rows is not None:
        timed = all(side.period_ns is not None for row in results.rows for side in (row.finn, row.imec))
        return tuple(_counted(row, timed) for row in results.rows)
    pairs = [pair for pair in results.pairs or () if pair.swapped and pair.finn and pair.imec]
    return tuple(_estimated(pair) for pair in pairs)


def not_counted(results: Results) -> tuple[Line, ...]:
    """Estimates of swapped layers beside rows that do not count them."""
    counted = {row.layer for row in results.rows or ()}
    swapped = [pair for pair in results.pairs or () if pair.swapped and pair.imecconv not in counted]
    known = [pair for pair in swapped if pair.finn and pair.imec] if results.rows is not None else []
    return tuple(replace(_estimated(pair), notes=("whose FINN side cannot be counted",)) for pair in known)


def _counted(row: Row, timed: bool) -> Line:
    # The period says more than levels of LUTs.
    keys = [key for key in (*COLUMNS, *(["period_ns"] if timed else [])) if not (timed and key == "depth")]
    notes = [f"{row.bits} bit, {row.core} core", f"PE {row.pe}, SIMD {row.simd}"]
    if row.finn_folding:
        notes.append("FINN's PE {1}, SIMD {0}".format(*row.finn_folding))
    if row.finn_core:
        notes.append("FINN's compressor tree")
    return Line(row.layer, tuple(notes), {key: (row.finn[key], row.imec[key]) for key in keys})


def _estimated(pair: PairReport) -> Line:
    figures = {key: (pair.finn[key], pair.imec[key]) for key in _ADD_UP}
    figures["cycles"] = pair.pair_cycles, pair.cycles
    return Line(pair.imecconv or "", (f"PE {pair.pe}, SIMD {pair.simd}",), figures)


def columns(shown: Sequence[Line]) -> dict[str, str]:
    """Figure -> title, of the figures that every line has; URAM only where there is any."""
    if not shown:
        return {}
    used = {key: title for key, title in FIGURES.items() if all(key in line.figures for line in shown)}
    if not any(any(line.figures.get("uram", ())) for line in shown):
        used.pop("uram", None)
    return used


def sums(shown: Sequence[Line]) -> dict[str, Both]:
    """Sums over all lines of the figures that add up; of cycles and period the greatest."""
    found: dict[str, Both] = {}
    for key in columns(shown):
        sides = list(zip(*(line.figures[key] for line in shown), strict=True))
        if key in (*_ADD_UP, "cycles", "period_ns") and all(None not in side for side in sides):
            finn, imec = (sum(side) if key in _ADD_UP else max(side) for side in sides)
            found[key] = finn, imec
    return found


def change_text(finn: float, imec: float) -> str:
    """-47 %; "same" if nothing changes, "nearly same" below 0.05 %, +3 from 0."""
    if finn == imec:
        return "same"
    if not finn:
        return f"+{imec:,}"
    percent = 100 * (imec - finn) / finn
    if abs(percent) < 0.05:
        return "nearly same"
    digits = 0 if abs(percent) >= 1 else 1
    return f"{percent:+.{digits}f} %".replace("-", "\N{MINUS SIGN}")


def headline(total: Mapping[str, Both]) -> str:
    """The sum that was saved, in LUTs."""
    finn, imec = total["lut"]
    change = change_text(finn, imec)
    if change.endswith("same"):
        return f"{'As' if change == 'same' else 'About as'} many LUTs as FINN's pairs"
    return f"{change[1:]} {'fewer' if imec < finn else 'more'} LUTs"
