"""Random layers to verify: their parameters, how they are drawn, and simpler variants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import gcd, isqrt, prod

import numpy as np
from qonnx.core.datatype import DataType

from finn_imec.algorithms.reference import random_values
from finn_imec.layer.core import DEFAULT_DSP_BLOCK, RES_TYPES
from finn_imec.layer.datapath import Datapath, smallest_datatype
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.memories import MEM_MODES, RAM_STYLES
from finn_imec.layer.packing import DSP_BLOCKS
from finn_imec.layer.structure import MAX_PIPELINE
from finn_imec.util.errors import GeometryError, UnsupportedError

SIGNS = ("", "U")
ACTIVATIONS = (
    "BIPOLAR", "BINARY", "TERNARY", *(f"{s}INT{b}" for s in SIGNS for b in (*range(2, 9), 16)),
)  # fmt: skip
#: Memory modes of a campaign, mostly the one with the most variants.
CAMPAIGN_MEM_MODES = ("internal_embedded",) * 8 + ("internal_decoupled", "external")
WEIGHTS = (
    "BIPOLAR",
    "BINARY",
    "TERNARY",
    *(f"INT{b}" for b in (*range(2, 9), 16)),
    "UINT2",
    "UINT4",
)
#: Longest frame in cycles; keeps a campaign of thousands of cases short.
MAX_CYCLES = 4000
#: Most weights of a layer that is given.
MAX_WEIGHTS = 2**24
#: Most multipliers; keeps its compilation short.
MAX_LANES = 300


@dataclass(frozen=True)
class Parameters:
    """The parameters of a case, also as JSON. Weights and thresholds are drawn with `seed`.

    output_datatype: None for accumulators; else of `steps` thresholds per channel, shared by all channels if
    one_row. pipeline, dsp_block: like Datapath's. mem_mode: where the weights are, one of layer.MEM_MODES.
    """

    geometry: ConvGeometry
    input_datatype: str
    weight_datatype: str
    output_datatype: str | None = None
    steps: int = 0
    one_row: bool = False
    xnor: bool = False
    pipeline: int = 0
    res_type: str = "auto"
    mem_mode: str = "internal_embedded"
    seed: tuple[int, ...] = (0,)
    dsp_block: str = DEFAULT_DSP_BLOCK

    def json(self) -> str:
        """In one line, without default values."""
        return json.dumps(_changed(self) | {"geometry": _changed(self.geometry)})

    @classmethod
    def from_json(cls, text: str) -> Parameters:
        """Inverse of `json`. Raises UnsupportedError with the reason."""
        try:
            given = json.loads(text)
            given["geometry"] = ConvGeometry(**given["geometry"])
            if "seed" in given:
                given["seed"] = tuple(given["seed"])
            result = cls(**given)
            result._check()
            return result
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
            accepted = ", ".join(f.name for f in fields(cls))
            raise UnsupportedError(f"parameters={text!r}: {err}; accepted is JSON of {accepted}") from err

    def _check(self) -> None:
        """Raise ValueError or TypeError for what JSON may hold and a layer not."""
        kinds = {"bool": bool, "int": int, "str": str, "str | None": str | None}
        for f in fields(self):
            value, kind = getattr(self, f.name), kinds.get(str(f.type))
            if kind is not None and (
                not isinstance(value, kind) or (kind is int and isinstance(value, bool))
            ):
                raise TypeError(f"{f.name}={value!r} is no {f.type}")
        for name, most in (("steps", 2**16 - 1), ("pipeline", MAX_PIPELINE)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}={getattr(self, name)}: from 0 to {most}")
        if not all(type(value) is int and value >= 0 for value in self.seed):
            raise ValueError(f"seed={self.seed}: integers from 0 on")
        for name, accepted in (("mem_mode", MEM_MODES), ("dsp_block", DSP_BLOCKS)):
            if getattr(self, name) not in accepted:
                raise ValueError(f"{name}={getattr(self, name)}: one of {', '.join(accepted)}")
        if self.geometry.mw * self.geometry.mh > MAX_WEIGHTS:
            raise ValueError(
                f"geometry with {self.geometry.mw * self.geometry.mh} weights: {MAX_WEIGHTS} at most"
            )
        for datatype in (self.input_datatype, self.weight_datatype, self.output_datatype or "INT2"):
            DataType[datatype]

    def datapath(self) -> Datapath:
        """The layer, with its weights and thresholds."""
        g, rng = self.geometry, np.random.default_rng(self.seed)
        idt, wdt = DataType[self.input_datatype], DataType[self.weight_datatype]
        weights = random_values(wdt, (g.mw, g.mh), rng)
        wide = Datapath(
            g, idt, wdt, DataType["INT64"], weights, xnor=self.xnor, res_type=self.res_type,
            pipeline=self.pipeline, runtime_weights=self.mem_mode == "external", dsp_block=self.dsp_block,
        )  # fmt: skip
        lowest, highest = wide.accumulator_range
        low, high = int(lowest.min()), int(highest.max())
        if self.output_datatype is None:
            return replace(wide, output_datatype=smallest_datatype(low, high))
        odt = DataType[self.output_datatype]
        thresholds = rng.integers(low - 2, high + 3, (1 if self.one_row else g.mh, self.steps))
        if rng.random() < 0.7:  # close together where most accumulators are
            middle = (low + high) // 2
            thresholds = middle + (thresholds - middle) // isqrt(g.mw)
        act_val = int(odt.min()) if odt.signed() and self.output_datatype != "BIPOLAR" else 0
        thresholds = np.sort(thresholds, axis=1)
        return replace(wide, output_datatype=odt, thresholds=thresholds, act_val=act_val)

    def simpler(self) -> Iterator[Parameters]:
        """Parameters with one thing removed or reduced, to reduce a failing case."""
        for geometry in _simpler_geometries(self.geometry):
            yield replace(self, geometry=geometry)
        if self.pipeline:
            yield replace(self, pipeline=0)
        if self.mem_mode != "internal_embedded":
            yield replace(self, mem_mode="internal_embedded")
        if self.dsp_block != DEFAULT_DSP_BLOCK:
            yield replace(self, dsp_block=DEFAULT_DSP_BLOCK)
        if self.output_datatype is not None:
            yield replace(self, output_datatype=None, steps=0, one_row=False)
            if self.steps > 1:
                yield replace(self, steps=self.steps // 2)
        for name, simplest in (("input_datatype", "UINT2"), ("weight_datatype", "INT2")):
            if not self.xnor and getattr(self, name) != simplest:
                yield replace(self, **{name: simplest})


def _changed(instance: Parameters | ConvGeometry) -> dict[str, object]:
    """The fields of a dataclass that differ from their defaults."""
    values = {f.name: getattr(instance, f.name) for f in fields(instance)}
    return {f.name: values[f.name] for f in fields(instance) if values[f.name] != f.default}


def _simpler_geometries(g: ConvGeometry) -> Iterator[ConvGeometry]:
    for name in ("kernel", "ifm_dim", "stride", "dilation", "padding"):
        values = getattr(g, name)
        for i, value in enumerate(values):
            for smaller in _smaller(value, 0 if name == "padding" else 1):
                changed = (*values[:i], smaller, *values[i + 1 :])
                yield from _if_legal(g, {name: changed})
    if g.buffer_style != "auto":
        yield from _if_legal(g, {"buffer_style": "auto"})
    if g.buffer_banks:
        yield from _if_legal(g, {"buffer_banks": 0})
    for name in ("ifm_channels", "ofm_channels", "simd", "pe", "simd_in"):
        for smaller in _smaller(getattr(g, name), 1):
            yield from _if_legal(g, {name: smaller})


def _smaller(value: int, least: int) -> list[int]:
    return sorted({v for v in (least, value // 2, value - 1) if least <= v < value})


def _if_legal(g: ConvGeometry, changes: dict[str, object]) -> Iterator[ConvGeometry]:
    """`g` with the changes, channels and folding adapted, unless that is no legal layer."""
    new = {f.name: getattr(g, f.name) for f in fields(g)} | changes
    if g.depthwise:
        new["ofm_channels"] = new["ifm_channels"]
    new["pe"] = gcd(new["pe"], new["ofm_channels"])
    new["simd_in"] = gcd(new["simd_in"], new["ifm_channels"])
    if new["simd"] <= g.ifm_channels and not g.geared:
        new["simd"] = gcd(new["simd"], new["ifm_channels"])
    try:
        yield ConvGeometry(**new)
    except GeometryError:
        return


@dataclass(frozen=True, eq=False)
class Case:
    """One convolution to verify, and the command line that runs it alone."""

    parameters: Parameters
    command: str = field(default="")

    def __post_init__(self) -> None:
        if not self.command:
            command = f"finn-imec verify --parameters '{self.parameters.json()}'"
            object.__setattr__(self, "command", command)

    @cached_property
    def datapath(self) -> Datapath:
        return self.parameters.datapath()

    @property
    def geometry(self) -> ConvGeometry:
        return self.parameters.geometry

    @property
    def mem_mode(self) -> str:
        return self.parameters.mem_mode

    def __str__(self) -> str:
        d, p = self.datapath, self.parameters
        steps = d.structure.steps
        activation = f"{steps} thresholds" if steps else "no activation"
        core = f"{p.dsp_block}, " if d.core.packing else ""
        return (
            f"{p.input_datatype} x {p.weight_datatype}{' xnor' if p.xnor else ''} -> "
            f"{d.output_datatype.name}, {activation}, {core}{p.mem_mode}, {p.geometry}"
        )


def random_case(seed: int, number: int, mem_modes: Sequence[str] = ("internal_embedded",)) -> Case:
    """Case `number` of the campaign with this seed, weights in one of mem_modes."""
    rng = np.random.default_rng([seed, number])

    def pick(values: Sequence) -> object:
        return values[int(rng.integers(len(values)))]

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    def pair(most: int) -> tuple[int, int]:
        return int(rng.integers(1, most + 1)), int(rng.integers(1, most + 1))

    while True:
        kernel, dilation, stride, ifm_dim = pair(4), pair(2), pair(4), pair(9)
        if chance(0.4):
            stride = (1, 1)
        if chance(0.6):
            dilation = (1, 1)
        channels, outputs = pick((1, 2, 3, 4, 6, 8, 12)), pick((1, 2, 3, 4, 6, 8, 10))
        depthwise = chance(0.2)
        if depthwise:
            outputs = channels
        padding = tuple(int(n) for n in rng.integers(0, pick((1, 1, 1, 2, 2, 4)), 4))
        simds = divisors(channels)
        if chance(0.3):  # one or more whole pixels at once
            simds = [simd for simd in divisors(prod(kernel) * channels) if simd >= channels]
        try:
            geometry = ConvGeometry(
                kernel, ifm_dim, channels, outputs, stride, dilation,
                simd=1 if depthwise else pick(simds), pe=pick(divisors(outputs)),
                simd_in=0 if chance(0.6) else pick(divisors(channels)),
                buffer_ports=pick((0, 0, 1, 2)), depthwise=depthwise, padding=padding,
            )  # fmt: skip
        except GeometryError:
            continue
        if geometry.compute_cycles < MAX_CYCLES and geometry.simd * geometry.pe <= MAX_LANES:
            break
    geometry = _perhaps_geared(geometry, np.random.default_rng([seed, number, 1]))
    xnor = chance(0.15)
    parameters = Parameters(
        geometry,
        "BINARY" if xnor else pick(ACTIVATIONS[any(padding) :]),  # BIPOLAR has no 0
        "BINARY" if xnor else pick(WEIGHTS),
        xnor=xnor,
        pipeline=pick((0, 0, 0, *range(1, MAX_PIPELINE + 1))),
        res_type=pick(RES_TYPES),
        mem_mode=pick(mem_modes),
        seed=(seed, number),
    )
    if chance(0.5):
        bits = pick((1, 2, 3, 4, 5, 6, 7, 8))
        fewer = int(rng.integers(2 ** (bits - 1))) if chance(0.2) else 0
        signed = chance(0.5)
        name = ("BINARY", "BIPOLAR")[signed] if bits == 1 else f"{'' if signed else 'U'}INT{bits}"
        parameters = replace(parameters, output_datatype=name, steps=2**bits - 1 - fewer, one_row=chance(0.2))
    style = pick(("auto", *RAM_STYLES))  # of the line buffer, which decides its slack
    banks = (0, 2)[int(np.random.default_rng([seed, number, 2]).integers(2))]
    parameters = replace(parameters, geometry=replace(geometry, buffer_style=style, buffer_banks=banks))
    parameters = replace(parameters, dsp_block=pick(list(DSP_BLOCKS)))
    return Case(parameters, f"finn-imec verify --seed {seed} --case {number}")


def _perhaps_geared(g: ConvGeometry, rng: np.random.Generator) -> ConvGeometry:
    """Some of the layers with SIMD up to C at one that needs a gearbox instead, if there is any."""
    foldings = [
        replace(g, simd=simd) for simd in g.legal_simd if not g.parallel_window and simd < g.ifm_channels
    ]
    geared = [folded for folded in foldings if folded.geared and folded.compute_cycles < MAX_CYCLES]
    return geared[int(rng.integers(len(geared)))] if geared and rng.random() < 0.4 else g
