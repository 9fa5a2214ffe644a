"""Dynamic power: a proxy from simulation, or Vivado's report.

Toggles are of signals in an RTL simulation, not of a placed netlist, and without capacitances: they compare
two designs that do the same work, and are no watts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from finn_imec.util.errors import ModelError

#: Lines of the summary in Vivado's report_power.
_SUMMARY = {
    "total_w": "Total On-Chip Power (W)",
    "dynamic_w": "Dynamic (W)",
    "static_w": "Device Static (W)",
}


@dataclass(frozen=True)
class SwitchingActivity:
    """bits: of all signals that change, names of one identifier once; toggles: changes of these bits."""

    bits: int
    toggles: int


def count_toggles(vcd: Path) -> SwitchingActivity:
    """Changes between 0 and 1 after the initial state of the file.

    vcd: of two-valued signals, as Verilator writes it. Verilator leaves out memories of more than 32
    words; the registers and signals around them are there. It gives one identifier to what it inlines
    to one signal; a port of a module that it does not inline counts beside the net it is connected to.
    """
    widths: dict[bytes, int] = {}
    values: dict[bytes, int] = {}
    changed: set[bytes] = set()
    toggles = 0
    with open(vcd, "rb") as file:
        for line in file:
            kind = line[:1]
            if kind == b"b":
                digits, name = line[1:].split()
                value = int(digits, 2)
                if name in values:
                    toggles += (value ^ values[name]).bit_count()
                    changed.add(name)
                values[name] = value
            elif kind in (b"0", b"1"):  # there only if it changed
                name = line[1:].rstrip()
                if name in values:
                    toggles += 1
                    changed.add(name)
                values[name] = 0
            elif b"$var" in line:
                _, _, width, name, *_ = line.split()
                widths[name] = int(width)
    return SwitchingActivity(sum(widths[name] for name in changed), toggles)


def parse_vivado_power(text: str) -> dict[str, float]:
    """The summary of Vivado's report_power in watts: {total_w, dynamic_w, static_w}.

    Raises ModelError naming the line that is missing.
    """
    watts = {}
    for key, title in _SUMMARY.items():
        line = re.search(rf"^\|\s*{re.escape(title)}\s*\|\s*([\d.]+)", text, re.MULTILINE)
        if line is None:
            raise ModelError(f"no line '{title}': not a text of Vivado's report_power")
        watts[key] = float(line[1])
    return watts
