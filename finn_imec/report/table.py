"""The comparison as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from finn_imec.builder.conversion import Conversion
from finn_imec.layer.pair_estimate import PAIR_MEAN_ERROR
from finn_imec.synthesis.rows import Row, geometric_means

#: Figure -> column title; "mem" is LUTs used as memory, LUTRAM and SRL.
COLUMNS = {
    "lut": "LUT",
    "lut_paired": "paired",
    "memory": "mem",
    "ff": "FF",
    "bram18": "BRAM",
    "dsp": "DSP",
    "depth": "depth",
    "cycles": "cycles",
}
#: Of them, those of `vivado_table`.
VIVADO_COLUMNS = ("lut", "memory", "ff", "bram18", "dsp")
#: Additional columns for wide tables.
TITLES = COLUMNS | {
    "lut_paired": "LUT, paired",
    "memory": "LUTs as memory",
    "bram18": "BRAM18",
    "depth": "LUT levels",
    "surround_lut": "LUT around the MAC core",
    "surround_ff": "FF around it",
}


def comparison_table(rows: Sequence[Row]) -> Table:
    """Per layer a line each for FINN's pair, IMECConv and the ratio; geometric means last."""
    timed = all(side.period_ns is not None for row in rows for side in (row.finn, row.imec))
    own = any(row.finn_folding for row in rows)
    folding = "each at its own folding" if own else "at the same folding"
    tree = " with its compressor tree" if any(row.finn_core for row in rows) else ""
    table = Table(
        title=f"FINN's SWG + MVAU + Thresholding{tree} beside IMECConv, {folding}",
        caption=_caption(rows),
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("layer", no_wrap=True)
    table.add_column("")
    # The period says more than levels of LUTs, and 80 columns have no room for both.
    columns = [key for key in COLUMNS if not (timed and key == "depth")]
    routed = all(side.routed_mhz is not None for row in rows for side in (row.finn, row.imec))
    for title in (*map(COLUMNS.get, columns), *(["ns"] if timed else []), *(["MHz"] if routed else [])):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        folded = f"PE {row.pe}, SIMD {row.simd}"
        if row.finn_folding:
            folded += ", FINN's PE {1}, SIMD {0}".format(*row.finn_folding)
        lines = (
            (row.layer, "FINN", row.finn, number_text),
            (f"{row.bits} bit, {row.core}", "IMEC", row.imec, number_text),
            (folded, "ratio", row.ratio, ratio_text),
        )
        for left, side, values, text in lines:
            cells = [text(values[key]) for key in columns]
            if timed:
                cells.append(_period(row, side))
            if routed:
                cells.append(_clock(row, side))
            table.add_row(left, side, *cells)
        table.add_section()
    means = geometric_means(rows)
    table.add_row("geometric mean", "ratio", *(ratio_text(means[key]) for key in columns))
    return table


#: Behind a period that is longer than the clock's.
_LATE = "!"
#: Figures of `savings_table`: of an estimate, and of a Side.
SAVED = ("lut", "ff", "memory", "bram18", "dsp")


def savings_table(conversion: Conversion, rows: Sequence[Row] = ()) -> Table:
    """What a build's swap saves: per pair a line for FINN's, a line for IMECConv; sums, and their difference.

    rows: of the swapped pairs, each at its own folding, if they were counted; else the figures are estimates.
    """
    counted = {row.layer: row for row in rows}
    table = Table(
        title="What the swap saves: " + ("counted by Yosys" if rows else "estimates"),
        caption=_savings_caption(conversion, bool(rows)),
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("pair", overflow="fold")
    table.add_column("SIMD x PE", justify="right", no_wrap=True)
    for title in ("cycles", *map(COLUMNS.get, SAVED)):
        table.add_column(title, justify="right", no_wrap=True)
    sums = []
    for pair in conversion.pairs:
        if not pair.swapped:
            continue
        row = counted.get(pair.imecconv)
        finn, imec = (row.finn, row.imec) if row else (pair.finn, pair.imec)
        cycles = (finn["cycles"], imec["cycles"]) if row else (pair.pair_cycles, pair.cycles)
        sums.append([[side[key] for key in SAVED] for side in (finn, imec)])
        mark = "" if row or not rows else ", estimated"
        for name, folding, taken, figures in (
            (f"{pair.mvau}{mark}", pair.folding_before, cycles[0], sums[-1][0]),
            (f"{pair.imecconv}{mark}", pair.folding_after, cycles[1], sums[-1][1]),
        ):
            shown = f"{folding[0]} x {folding[1]} = {prod(folding)}"
            table.add_row(escape(name), shown, number_text(taken), *map(number_text, figures))
        table.add_section()
    before, after = ([sum(column) for column in zip(*side)] for side in zip(*sums))
    table.add_row("all pairs", "", "", *map(number_text, before))
    table.add_row("all IMECConv", "", "", *map(number_text, after))
    saved = list(map(_saved_text, before, after))
    table.add_row("saved", "", "", *saved, style="bold")
    return table


def _saved_text(before: int, after: int) -> str:
    """12%, or 5% more; - for 0 before and after."""
    if not before:
        return f"{after:,} more" if after else "-"
    return f"{after / before - 1:.0%} more" if after > before else f"{1 - after / before:.0%}"


def _savings_caption(conversion: Conversion, counted: bool) -> str:
    by = (
        "Counted by Yosys for 7-series, buffers of both sides in LUTs, other memories where ram_style=auto is"
        if counted
        else f"By models fitted to Yosys' counts for 7-series, {PAIR_MEAN_ERROR['lut']:.0%} off on average; "
        "--measure counts them"
    )
    return (
        f"{conversion.part}, {conversion.clock_ns:g} ns. A pair: its generator, FIFO, MVAU or VVAU, and "
        f"thresholds. {by}. cycles: per frame; mem: LUTs used as memory; BRAM: 18 kbit"
    )


def _caption(rows: Sequence[Row]) -> str:
    """What is counted, of which nodes, for which clock."""
    steps = ", ".join(str(number) for number in sorted({row.steps for row in rows}))
    clocks = ", ".join(f"{ns:g} ns" for ns in sorted({row.clock_ns for row in rows if row.clock_ns}))
    families = " and ".join(sorted({"7-series" if row.part[2] == "7" else "UltraScale+" for row in rows}))
    nodes = f"Complete nodes, thresholds per channel: {steps}. " if steps != "0" else "Without thresholds. "
    clock = f"Clock: {clocks}; {_LATE} misses it. " if clocks else ""
    return (
        f"{nodes}{clock}Yosys, {families}. paired: LUTs after sharing dual-output sites; "
        "mem: LUTs used as LUTRAM or SRL; BRAM: 18 kbit; depth: LUT levels; ns: period by cell delays; "
        "MHz: routed on an ECP5"
    )


def _period(row: Row, side: str) -> str:
    """Modeled period of a side in ns, or IMECConv's over FINN's."""
    sides = {"FINN": "finn", "IMEC": "imec"}
    if side in sides:
        late = _LATE if row.misses_clock(sides[side]) else ""
        return f"{getattr(row, sides[side]).period_ns:.2f}{late}"
    finn, imec = row.finn.period_ns or 0.0, row.imec.period_ns or 0.0
    return ratio_text(imec / finn if finn else None)


def _clock(row: Row, side: str) -> str:
    """Routed clock of a side in MHz, or IMECConv's over FINN's."""
    clocks = {"FINN": row.finn.routed_mhz, "IMEC": row.imec.routed_mhz}
    return f"{clocks[side]:.1f}" if side in clocks else ratio_text(clocks["IMEC"] / clocks["FINN"])


def number_text(value: int | None) -> str:
    """1,234; - for None."""
    return "-" if value is None else f"{value:,}"


def ratio_text(value: float | None) -> str:
    """0.12; - for None."""
    return "-" if value is None else f"{value:.2f}"


def vivado_table(result: Mapping[str, Any]) -> Table:
    """`vivado.merged` as a table: per layer a line for FINN's pair, IMECConv and the ratio, by each tool."""
    steps = ", ".join(map(str, sorted({layer["steps"] for layer in result["layers"]})))
    table = Table(
        title="FINN's SWG + MVAU + Thresholding beside IMECConv at the same folding",
        caption=f"Vivado, routed out of context on {result['part']} for {result['clock_ns']:g} ns; ns: that "
        "less the slack. Yosys, 7-series, before placement. mem: LUTs used as memory; BRAM: 18 kbit. "
        f"Thresholds per channel, on both sides: {steps}",
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for title in ("layer", "by", ""):
        table.add_column(title, no_wrap=True)
    for key in (*VIVADO_COLUMNS, "ns"):
        table.add_column(COLUMNS.get(key, key), justify="right", no_wrap=True)
    for layer in result["layers"]:
        names = iter(
            (
                escape(layer["layer"]),
                f"{layer['bits']} bit, {layer['core']}",
                f"PE {layer['pe']}, SIMD {layer['simd']}",
            )
        )
        for tool, values in (("Vivado", layer), ("Yosys", layer.get("yosys"))):
            for side, title in (("finn", "FINN"), ("imec", "IMEC"), ("ratio", "ratio")) if values else ():
                figures = values[side]
                text = ratio_text if side == "ratio" else number_text
                period = ratio_text(figures["period_ns"])  # two digits, too
                cells = [text(figures[key]) for key in VIVADO_COLUMNS]
                table.add_row(next(names, ""), tool, title, *cells, period)
        table.add_section()
    return table
