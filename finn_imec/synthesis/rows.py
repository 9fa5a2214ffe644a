"""Rows of a comparison: figures of FINN's pair and IMECConv for one layer, and their ratios."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finn_imec.compat.finn import FPGA_PART
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, ModelError

SIDES = ("finn", "imec")
#: The resource figures of each side, in table order.
FIGURES = ("lut", "lut_logic", "lutram", "srl", "lut_paired", "ff", "bram18", "dsp", "depth")
#: The MAC core, the thresholds, and everything around both, each with these figures.
PARTS, PART_FIGURES = ("core", "activation", "surround"), ("lut", "ff")
#: Figures of a Side that not all rows have.
_OPTIONAL = ("ff_absorbable", "period_ns", "path", "lut_by_flow", "routed_mhz")
#: Figures of a Side by which the two sides are compared.
RATIOS = (
    *FIGURES,
    "memory",
    "ff_own",
    "period_ns",
    "cycles",
    *(f"{part}_{key}" for part in PARTS for key in PART_FIGURES),
)


@dataclass(frozen=True)
class Side:
    """Figures of one side of a layer; side["lut"] is a figure by its name in RATIOS.

    Resources are as in `yosys.count`. core_*: the MAC core; activation_*: the thresholds, which some rows
    do not have; surround_*: the rest. cycles: steady-state interval between frames. ff_absorbable,
    period_ns, path: see `yosys.count`; None or empty in rows measured before these were counted.
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
    activation_lut: int = 0
    activation_ff: int = 0
    ff_absorbable: int | None = None
    period_ns: float | None = None
    path: str = ""
    lut_by_flow: Mapping[str, int] | None = None
    routed_mhz: float | None = None

    @property
    def memory(self) -> int:
        """LUTs used as memory."""
        return self.lutram + self.srl

    @property
    def ff_own(self) -> int:
        """Flip-flops besides those that block RAM or DSP slices can take in."""
        return self.ff - (self.ff_absorbable or 0)

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def as_dict(self) -> dict[str, Any]:
        """As in JSON: figures, memory, core and surround as nested objects, cycles."""
        parts = {part: {key: self[f"{part}_{key}"] for key in PART_FIGURES} for part in PARTS}
        figures = {key: self[key] for key in (*FIGURES, "memory")}
        routed = {} if self.routed_mhz is None else {"routed_mhz": self.routed_mhz}
        return {**figures, **parts, "cycles": self.cycles, **self._timing(), **routed}

    def _timing(self) -> dict[str, Any]:
        """What as_dict says of the clock; nothing where it was not modeled."""
        if self.period_ns is None:
            return {}
        return {
            "ff_absorbable": self.ff_absorbable,
            "period_ns": self.period_ns,
            "fmax_mhz": round(1000 / self.period_ns, 1),
            "path": self.path,
            **({} if self.lut_by_flow is None else {"lut_by_flow": dict(self.lut_by_flow)}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str) -> Side:
        """Inverse of as_dict; ModelError naming `name` and the missing figure."""
        figures = {key: _entry(values, key, int, name) for key in (*FIGURES, "cycles")}
        for part in PARTS:
            if part == "activation" and part not in values:
                continue
            numbers = _entry(values, part, dict, name)
            of_part = {key: _entry(numbers, key, int, f"{name}, {part}") for key in PART_FIGURES}
            figures |= {f"{part}_{key}": value for key, value in of_part.items()}
        modeled = {key: values[key] for key in _OPTIONAL if key in values}
        return cls(**figures, **modeled)


#: A row's fields about its layer, and their JSON types.
_NAMED = {"layer": str, "bits": str, "simd": int, "pe": int, "core": str, "pipeline": int, "steps": int}


@dataclass(frozen=True)
class Row:
    """Both sides of one layer.

    bits: of activations and weights, e.g. "2x1". core: of the multipliers, "lut" or "dsp". pipeline:
    level of IMECConv's pipelining. steps: thresholds per channel, 0 if both sides output accumulators.
    geometry, clock_ns: None if they were not kept; clock_ns: the period that was to be met.
    code: stamp.code_digest() of the code that measured it, or empty. simd, pe: IMECConv's folding;
    finn_folding: SIMD and PE of FINN's side, None if they are the same. part: that both sides are for.
    finn_core: "compressor" if FINN's side has its compressor tree as LUT core.
    """

    layer: str
    bits: str
    simd: int
    pe: int
    core: str
    pipeline: int
    steps: int
    finn: Side
    imec: Side
    geometry: ConvGeometry | None = None
    clock_ns: float | None = None
    code: str = ""
    finn_folding: tuple[int, int] | None = None
    part: str = FPGA_PART
    finn_core: str = ""

    def __post_init__(self) -> None:
        if self.finn_folding is not None:
            same = tuple(self.finn_folding) == (self.simd, self.pe)
            object.__setattr__(self, "finn_folding", None if same else tuple(self.finn_folding))

    @property
    def operand_bits(self) -> tuple[int, int]:
        """Bits of an activation and of a weight."""
        activation, weight = self.bits.split("x")
        return int(activation), int(weight)

    def misses_clock(self, side: str) -> bool:
        """Whether a side is too slow for clock_ns, by the model of its period."""
        period = getattr(self, side).period_ns
        return self.clock_ns is not None and period is not None and period > self.clock_ns

    @property
    def ratio(self) -> dict[str, float | None]:
        """IMECConv over FINN for each of RATIOS; 1 if both are 0, None if only FINN's is."""
        return {key: _ratio(self.imec[key], self.finn[key]) for key in RATIOS}

    def as_dict(self) -> dict[str, Any]:
        """As `finn-imec compare --json` prints it, ratios included."""
        named = {key: getattr(self, key) for key in _NAMED}
        sides = {side: getattr(self, side).as_dict() for side in SIDES}
        geometry = {} if self.geometry is None else {"geometry": asdict(self.geometry)}
        clock = {} if self.clock_ns is None else {"clock_ns": self.clock_ns}
        code = {"code": self.code} if self.code else {}
        folding = {"finn_folding": list(self.finn_folding)} if self.finn_folding else {}
        part = {} if self.part == FPGA_PART else {"part": self.part}
        core = {"finn_core": self.finn_core} if self.finn_core else {}
        return {**named, **core, **folding, **clock, **part, **sides, "ratio": self.ratio, **geometry, **code}

    @classmethod
    def from_dict(cls, row: Any, name: str = "row") -> Row:
        """Inverse of as_dict, also from JSON; ratios are recomputed.

        Raises ModelError naming `name` and the entry that is missing or has the wrong type.
        """
        row = {"steps": 0, **row} if isinstance(row, Mapping) else row  # which older rows do not have
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
        kept = ("clock_ns", "code", "finn_folding", "part", "finn_core")
        others = {key: row[key] for key in kept if key in row}
        return cls(**named, **sides, geometry=geometry, **others)


def _entry(values: Any, key: str, kind: type, name: str) -> Any:
    if not isinstance(values, Mapping) or key not in values:
        raise ModelError(f"{name} has no {key!r}")
    if not isinstance(values[key], kind):
        raise ModelError(f"{name} has {key}={values[key]!r}; expected a JSON {_JSON[kind]}")
    return values[key]


_JSON = {str: "string", int: "integer", dict: "object"}


def _ratio(imec: float | None, finn: float | None) -> float | None:
    if imec is None or finn is None:
        return None
    if finn == 0:
        return 1.0 if imec == 0 else None
    return imec / finn


def geometric_means(rows: Sequence[Row]) -> dict[str, float | None]:
    """Geometric mean of each ratio over rows; None if a ratio is 0 or undefined."""
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
