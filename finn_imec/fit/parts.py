"""What the parts hold that FINN's users have: LUTs, flip-flops, block RAM, UltraRAM, DSP slices.

From AMD's data sheets: DS190 (Zynq-7000), DS180 (7 series), DS891 (Zynq UltraScale+), DS889 (Zynq UltraScale+
RFSoC), DS987 (Kria K26), DS890 and DS962 (Alveo), which list whole devices. A shell takes its share of them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from finn_imec.util.errors import ModelError

#: Resources of a budget, by their names in a build's report, and how `--resources` and people call them.
BUDGETED = {"lut": "LUT", "ff": "FF", "bram18": "BRAM18", "uram": "URAM", "dsp": "DSP"}

#: Start of a part's name -> LUTs, blocks of 36 kbit RAM, UltraRAM, DSP slices. Every LUT has two flip-flops.
DEVICES: Mapping[str, tuple[int, int, int, int]] = {
    # Zynq-7000
    "xc7z007s": (14_400, 50, 0, 66),
    "xc7z010": (17_600, 60, 0, 80),
    "xc7z012s": (34_400, 72, 0, 120),
    "xc7z014s": (40_600, 107, 0, 170),
    "xc7z015": (46_200, 95, 0, 160),
    "xc7z020": (53_200, 140, 0, 220),
    "xc7z030": (78_600, 265, 0, 400),
    "xc7z035": (171_900, 500, 0, 900),
    "xc7z045": (218_600, 545, 0, 900),
    "xc7z100": (277_400, 755, 0, 2_020),
    # 7 series without processors
    "xc7a35t": (20_800, 50, 0, 90),
    "xc7a50t": (32_600, 75, 0, 120),
    "xc7a75t": (47_200, 105, 0, 180),
    "xc7a100t": (63_400, 135, 0, 240),
    "xc7a200t": (134_600, 365, 0, 740),
    "xc7k325t": (203_800, 445, 0, 840),
    # Zynq UltraScale+
    "xczu2": (47_232, 150, 0, 240),
    "xczu3": (70_560, 216, 0, 360),
    "xczu4": (87_840, 128, 48, 728),
    "xczu5": (117_120, 144, 64, 1_248),
    "xczu6": (214_604, 714, 0, 1_973),
    "xczu7": (230_400, 312, 96, 1_728),
    "xczu9": (274_080, 912, 0, 2_520),
    "xczu11": (298_560, 600, 80, 2_928),
    "xczu15": (341_280, 744, 112, 3_528),
    "xczu19": (522_720, 984, 128, 1_968),
    "xczu28dr": (425_280, 1_080, 80, 4_272),
    "xczu48dr": (425_280, 1_080, 80, 4_272),
    "xck26": (117_120, 144, 64, 1_248),
    # Alveo
    "xcu50": (871_680, 1_344, 640, 5_952),
    "xcu55c": (1_303_680, 2_016, 960, 9_024),
    "xcu200": (1_182_240, 2_160, 960, 6_840),
    "xcu250": (1_728_000, 2_688, 1_280, 12_288),
    "xcu280": (1_303_680, 2_016, 960, 9_024),
}
#: What follows the device in a part's name: the kind of a Zynq UltraScale+, package, grades.
_REST = re.compile(r"(?:[ce]g|ev|dr)?(?:-?[a-z]{2,4}[0-9]{2,4}.*)?")


@dataclass(frozen=True)
class Part:
    """A part, or a budget by itself; resources: each of BUDGETED."""

    name: str
    resources: Mapping[str, int]


def part_named(name: str) -> Part:
    """The part of a name such as xc7z020clg400-1. ModelError listing the devices if it is unknown."""
    device = next(
        (
            each
            for each in sorted(DEVICES, key=len, reverse=True)
            if name.lower().startswith(each) and _REST.fullmatch(name.lower().removeprefix(each))
        ),
        None,
    )
    if device is None:
        close = difflib.get_close_matches(name.lower()[:8], DEVICES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ModelError(
            f"part '{name}' is not known; {hint}accepted are parts that begin with {', '.join(DEVICES)}, and "
            "others with their figures in --resources"
        )
    luts, blocks, uram, dsp = DEVICES[device]
    return Part(name, dict(zip(BUDGETED, (luts, 2 * luts, 2 * blocks, uram, dsp), strict=True)))


def part_with(name: str, text: str) -> Part:
    """A part with resources given as text: LUT=53200,BRAM18=280; two flip-flops for each LUT unless given.

    Raises ModelError naming what is wrong. What is not given is 0.
    """
    names = {shown: key for key, shown in BUDGETED.items()}
    found: dict[str, int] = {}
    for entry in text.split(","):
        shown, _, value = entry.partition("=")
        shown = shown.strip().upper()
        key = names.get({"BRAM": "BRAM18"}.get(shown, shown))
        if key is None or key in found or not value.strip().isdecimal():
            raise ModelError(
                f"--resources {text}: '{entry}' is not accepted; accepted is a whole number for each of "
                f"{', '.join(names)} at most once, such as LUT=53200,BRAM18=280,DSP=220; LUT is needed"
            )
        found[key] = int(value)
    if "lut" not in found:
        raise ModelError(f"--resources {text}: LUT is needed")
    return Part(name, {"ff": 2 * found["lut"]} | {key: 0 for key in BUDGETED if key != "ff"} | found)
