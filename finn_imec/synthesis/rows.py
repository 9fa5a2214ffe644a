"""Rows of a comparison: what FINN's pair and IMECConv take for one layer, and their ratios."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, ModelError

SIDES = ("finn", "imec")
#: The resource figures of either side, in the order of the tables.
FIGURES = ("lut", "lut_logic", "lutram", "srl", "lut_paired", "ff", "bram18", "dsp", "depth")
#: The MAC core alone, and all around it, each with these figures.
PARTS, PART_FIGURES = ("core", "surround"), ("lut", "ff")
#: What the two sides are compared by: the names of a Side's figures.
RATIOS = (
    *FIGURES,
    "memory",
    "cycles",
    *(f"{part}_{key}" for part in PARTS for key in PART_FIGURES),
)


@dataclass(frozen=True)
class Side:
    """What one side of a layer takes, side["lut"] for a figure by its name in RATIOS.

    The resources are those of `yosys.count`. core_*, surround_*: of the MAC core alone, and of all
    around it. cycles: steady-state interval between frames.
    """

    lut: int
    lut_logic: int
    lutram: int
    srl: int
    lut_paired: int
    ff: int
    bram18: int
    dsp: int
    depth: int
    core_lut: int
    core_ff: int
    surround_lut: int
    surround_ff: int
    cycles: int

    @property
    def memory(self) -> int:
        """LUTs used as memory."""
        return self.lutram + self.srl

    def __getitem__(self, key: str) -> int:
        return getattr(self, key)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: figures, memory, core and surround as objects of their own, cycles."""
        parts = {part: {key: self[f"{part}_{key}"] for key in PART_FIGURES} for part in PARTS}
        return {**{key: self[key] for key in (*FIGURES, "memory")}, **parts, "cycles": self.cycles}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str) -> Side:
        """The side that as_dict gave; ModelError naming `name` and the figure that is missing."""
        figures = {key: _entry(values, key, int, name) for key in (*FIGURES, "cycles")}
        for part in PARTS:
            numbers = _entry(values, part, dict, name)
            of_part = {key: _entry(numbers, key, int, f"{name}, {part}") for key in PART_FIGURES}
            figures |= {f"{part}_{key}": value for key, value in of_part.items()}
        return cls(**figures)


#: What a row says of its layer, and the JSON type of each.
_NAMED = {"layer": str, "bits": str, "simd": int, "pe": int, "core": str, "pipeline": int}


@dataclass(frozen=True)
class Row:
    """Both sides of one layer at the same folding.

    bits: of activations and weights, e.g. "2x1". core: of the multipliers, "lut" or "dsp". pipeline:
    registers inside IMECConv's dot products. geometry: None where it was not kept.
    """

    layer: str
    bits: str
    simd: int
    pe: int
    core: str
    pipeline: int
    finn: Side
    imec: Side
    geometry: ConvGeometry | None = None

    @property
    def operand_bits(self) -> tuple[int, int]:
        """Bits of an activation, and of a weight."""
        activation, weight = self.bits.split("x")
        return int(activation), int(weight)

    @property
    def ratio(self) -> dict[str, float | None]:
        """IMECConv over FINN by RATIOS, 1 where both have 0, None where only FINN has."""
        return {key: _ratio(self.imec[key], self.finn[key]) for key in RATIOS}

    def as_dict(self) -> dict[str, Any]:
        """As `finn-imec compare --json` prints it, ratios included."""
        named = {key: getattr(self, key) for key in _NAMED}
        sides = {side: getattr(self, side).as_dict() for side in SIDES}
        geometry = {} if self.geometry is None else {"geometry": asdict(self.geometry)}
        return {**named, **sides, "ratio": self.ratio, **geometry}

    @classmethod
    def from_dict(cls, row: Any, name: str = "row") -> Row:
        """The row that as_dict gave, from JSON too; its ratios are computed anew.

        Raises ModelError naming `name` and the entry that is missing or of another type.
        """
        named = {key: _entry(row, key, kind, name) for key, kind in _NAMED.items()}
        sides = {side: Side.from_dict(_entry(row, side, dict, name), f"{name}, {side}") for side in SIDES}
        geometry = None
        if "geometry" in row:
            try:
                geometry = ConvGeometry(**_entry(row, "geometry", dict, name))
            except (GeometryError, TypeError) as err:
                raise ModelError(f"{name}, layer {named['layer']}: {err}") from err
        if not re.fullmatch(r"\d+x\d+", named["bits"]):
            raise ModelError(f"{name} has bits={named['bits']!r}; expected such as '2x1'")
        return cls(**named, **sides, geometry=geometry)


def _entry(values: Any, key: str, kind: type, name: str) -> Any:
    if not isinstance(values, Mapping) or key not in values:
        raise ModelError(f"{name} has no {key!r}")
    if not isinstance(values[key], kind):
        raise ModelError(f"{name} has {key}={values[key]!r}; expected a JSON {_JSON[kind]}")
    return values[key]


_JSON = {str: "string", int: "integer", dict: "object"}


def _ratio(imec: int, finn: int) -> float | None:
    if finn == 0:
        return 1.0 if imec == 0 else None
    return imec / finn


def geometric_means(rows: Sequence[Row]) -> dict[str, float | None]:
    """Geometric mean of each ratio over rows; None where a ratio is 0 or not defined."""
    means = {}
    ratios = [row.ratio for row in rows]
    for key in RATIOS:
        values = [ratio[key] for ratio in ratios]
        usable = all(v is not None and v > 0 for v in values)
        means[key] = math.exp(sum(map(math.log, values)) / len(values)) if usable else None
    return means


def totals(rows: Sequence[Row], key: str) -> tuple[int, int]:
    """Sum of a figure over rows: (FINN, IMECConv)."""
    return sum(row.finn[key] for row in rows), sum(row.imec[key] for row in rows)
