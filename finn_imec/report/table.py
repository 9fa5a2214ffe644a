"""The comparison as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

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
    table = Table(
        title="FINN's SWG + MVAU beside IMECConv at the same folding",
        caption="Yosys, 7-series. paired: LUTs after sharing dual-output sites; mem: LUTs used as "
        "LUTRAM or SRL; BRAM: 18 kbit; depth: LUT levels",
        box=box.SIMPLE,
        pad_edge=False,
    )
    table.add_column("layer", no_wrap=True)
    table.add_column("")
    for title in COLUMNS.values():
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        lines = (
            (row.layer, "FINN", row.finn, number_text),
            (f"{row.bits} bit, {row.core}", "IMEC", row.imec, number_text),
            (f"PE {row.pe}, SIMD {row.simd}", "ratio", row.ratio, ratio_text),
        )
        for left, side, values, text in lines:
            table.add_row(left, side, *(text(values[key]) for key in COLUMNS))
        table.add_section()
    means = geometric_means(rows)
    table.add_row("geometric mean", "ratio", *(ratio_text(means[key]) for key in COLUMNS))
    return table


def number_text(value: int | None) -> str:
    """1,234; - for None."""
    return "-" if value is None else f"{value:,}"


def ratio_text(value: float | None) -> str:
    """0.12; - for None."""
    return "-" if value is None else f"{value:.2f}"
