"""Vivado's figures of both sides of each layer, beside those of Yosys where a comparison is in the folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from finn_imec.synthesis.rows import SIDES, Row, Side
from finn_imec.synthesis.vivado import RoutedSide, VivadoFolder, VivadoLayer

#: Figures by which the two sides are compared.
FIGURES = ("lut", "memory", "ff", "bram18", "dsp", "period_ns")


def merged(
    folder: VivadoFolder,
    routed: Sequence[tuple[VivadoLayer, RoutedSide, RoutedSide]] | None,
    rows: Sequence[Row],
) -> dict[str, Any]:
    """What `finn-imec vivado --json` prints. routed: of `vivado.results`, None if nothing was synthesized.

    rows: of a comparison by Yosys; a layer has "yosys" if one of them is of the same layer, bits, folding,
    core and RTL.
    """
    layers = []
    for layer, *sides in routed or [(layer,) for layer in folder.layers]:
        entry: dict[str, Any] = asdict(layer)
        for side in SIDES:
            del entry[side]  # the name of its top module
        if sides:
            entry |= _compared(*(side.as_dict() for side in sides))
            if row := _row_of(layer, rows):
                entry["yosys"] = _compared(*(_yosys(side) for side in (row.finn, row.imec)))
        layers.append(entry)
    named = {"part": folder.part, "clock_ns": folder.clock_ns, "synthesized": routed is not None}
    return {**named, "layers": layers}


def _row_of(layer: VivadoLayer, rows: Sequence[Row]) -> Row | None:
    """The row of the same RTL."""
    names = ("layer", "bits", "simd", "pe", "core", "steps", "pipeline")
    same = (r for r in rows if all(getattr(r, name) == getattr(layer, name) for name in names))
    return next((r for r in same if not r.finn_core), None)


def _yosys(side: Side) -> dict[str, Any]:
    return {key: getattr(side, key) for key in FIGURES}


def _compared(finn: dict[str, Any], imec: dict[str, Any]) -> dict[str, Any]:
    """Both sides and IMECConv over FINN's pair; None where there is no ratio."""
    ratio = {}
    for key in FIGURES:
        known = finn[key] is not None and imec[key] is not None
        ratio[key] = (
            1.0 if finn[key] == imec[key] == 0 else imec[key] / finn[key] if known and finn[key] else None
        )
    return {"finn": finn, "imec": imec, "ratio": ratio}
