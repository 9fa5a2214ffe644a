"""Both sides of layers in Vivado: a folder with RTL and scripts, and the reports read back from it.

`write` makes the folder, `run` starts Vivado on each side that has no reports yet, `results` reads the
reports. The folder holds no absolute path, so it can be copied to a machine with Vivado and back.

    vivado.json                     part, clock, layers
    run_all.sh                      what `run` does, without finn_imec
    layers/00_NAME/finn, imec       RTL, memory files, run.tcl, clock.xdc
        utilization.rpt, timing.rpt, vivado.log     from Vivado
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finn_imec.compat.finn import dsp_block
from finn_imec.streams.design import Design
from finn_imec.synthesis.comparison import CLOCK_NS, COUNTED_BLOCKS, Layer, default_core, generate_both
from finn_imec.synthesis.rows import SIDES
from finn_imec.util.errors import ImecError, ModelError, UnsupportedError
from finn_imec.util.templates import render

PART = "xc7z020clg400-1"
#: The folder's description, and the script that runs all of it.
SETTINGS, RUN_ALL = "vivado.json", "run_all.sh"
LAYERS = "layers"
#: Of each side: what Vivado reads, what it writes.
SCRIPT, CONSTRAINTS = "run.tcl", "clock.xdc"
UTILIZATION, TIMING, LOG = "utilization.rpt", "timing.rpt", "vivado.log"
REPORTS = (UTILIZATION, TIMING)


class VivadoError(ImecError, RuntimeError):
    """Vivado ended with an error; names layer, side, its first error line and the log."""


@dataclass(frozen=True)
class RoutedSide:
    """One side after routing. memory: LUTs used as memory. wns_ns: worst negative slack at clock_ns."""

    lut_logic: int
    memory: int
    ff: int
    ramb36: int
    ramb18: int
    dsp: int
    clock_ns: float
    wns_ns: float

    @property
    def lut(self) -> int:
        return self.lut_logic + self.memory

    @property
    def bram18(self) -> int:
        """Block RAMs of 18 kbit; a RAMB36 is two."""
        return 2 * self.ramb36 + self.ramb18

    @property
    def period_ns(self) -> float:
        """The shortest period at which the routed side has no negative slack."""
        return round(self.clock_ns - self.wns_ns, 3)

    def as_dict(self) -> dict[str, Any]:
        """As in JSON: the reports' figures, and lut, bram18, period_ns, fmax_mhz."""
        derived = {"lut": self.lut, "bram18": self.bram18, "period_ns": self.period_ns}
        return {**asdict(self), **derived, "fmax_mhz": round(1000 / self.period_ns, 1)}


@dataclass(frozen=True)
class VivadoLayer:
    """A layer in the folder. folder: of its sides, relative. finn, imec: their top modules.

    Others: as in Row; pipeline is IMECConv's.
    """

    layer: str
    bits: str
    simd: int
    pe: int
    core: str
    steps: int
    pipeline: int
    folder: str
    finn: str
    imec: str


@dataclass(frozen=True)
class VivadoFolder:
    """What `write` wrote: its place, part, target period, layers."""

    path: Path
    part: str
    clock_ns: float
    layers: tuple[VivadoLayer, ...]

    def sides(self) -> Iterator[tuple[VivadoLayer, str, Path]]:
        """(layer, "finn" or "imec", folder) of every side."""
        for layer in self.layers:
            for side in SIDES:
                yield layer, side, self.path / layer.folder / side

    @property
    def pending(self) -> list[Path]:
        """Reports that are not there."""
        reports = (folder / name for _, _, folder in self.sides() for name in REPORTS)
        return [path for path in reports if not path.is_file()]


# ---- the folder -----------------------------------------------------------------------------------


def check_part(part: str) -> str:
    """The part, if it can be one's name; else UnsupportedError. It goes into a Tcl script."""
    if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", part):
        raise UnsupportedError(f"part={part!r}: accepted is the name of a device, such as {PART}")
    return part


def write(
    layers: Sequence[Layer],
    folder: Path,
    *,
    core: str = "auto",
    part: str = PART,
    clock_ns: float = CLOCK_NS,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write RTL and scripts of both sides of each layer into the existing `folder`.

    core: as for `comparison.compare`. part: any device of Vivado's, but on Versal both sides are the RTL for
    7-series. clock_ns: period to meet, for which IMECConv is pipelined, too. progress gets the name of each
    finished layer.
    """
    check_part(part)
    family = part if dsp_block(part) in COUNTED_BLOCKS else PART
    written = []
    for number, layer in enumerate(layers):
        name = re.sub(r"\W+", "_", layer.name, flags=re.ASCII).strip("_")[:40]
        path = f"{LAYERS}/{number:02}_{name}"
        chosen = default_core(layer) if core == "auto" else core
        g = layer.geometry
        with tempfile.TemporaryDirectory(prefix="finn_imec_vivado_") as scratch:
            pair, conv = generate_both(layer, chosen, Path(scratch), clock_ns, family)
            designs = dict(zip(SIDES, (pair.design, conv.design), strict=True))
            for side, design in designs.items():
                _write_side(design, folder / path / side, part, clock_ns)
        tops = {side: design.top for side, design in designs.items()}
        named = (layer.name, layer.bits, g.simd, g.pe, chosen, layer.steps, conv.pipeline)
        written.append(VivadoLayer(*named, path, **tops))
        if progress:
            progress(layer.name)
    settings = {"part": part, "clock_ns": clock_ns, "layers": [asdict(each) for each in written]}
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")
    folders = [f"{each.folder}/{side}" for each in written for side in SIDES]
    names = {"script": SCRIPT, "utilization": UTILIZATION, "timing": TIMING, "log": LOG}
    (folder / RUN_ALL).write_text(_render("vivado_run_all.sh.j2", folders=folders, **names))


def _write_side(design: Design, folder: Path, part: str, clock_ns: float) -> None:
    """RTL, memory files, script and constraints of one side; files name each other without a folder."""
    folder.mkdir(parents=True)
    memories = [Path(path) for path in design.data_files]
    for path in map(Path, design.sources):
        text = path.read_bytes()
        for memory in memories:
            text = text.replace(f'"{memory}"'.encode(), f'"{memory.name}"'.encode())
            text = text.replace(f'"{memory.parent}/"'.encode(), b'"./"')  # FINN's prefix of names
        (folder / path.name).write_bytes(text)
    for memory in memories:
        shutil.copyfile(memory, folder / memory.name)
    script = _render(
        "vivado_run.tcl.j2",
        top=design.top,
        part=part,
        sources=[Path(path).name for path in design.sources],
        memories=[memory.name for memory in memories],
        constraints=CONSTRAINTS,
        utilization=UTILIZATION,
        timing=TIMING,
    )
    (folder / SCRIPT).write_text(script)
    (folder / CONSTRAINTS).write_text(
        f"create_clock -period {clock_ns:.3f} -name {design.clk} [get_ports {design.clk}]\n"
    )


def _render(template: str, **values: Any) -> str:
    return render(Path(__file__).with_name(template), **values)


def keep_reports(earlier: Path, new: Path) -> None:
    """Copy logs and reports of an earlier folder to `new`, for sides whose files are the same in both."""
    for script in new.glob(f"{LAYERS}/*/*/{SCRIPT}"):
        side = script.parent
        old = earlier / side.relative_to(new)
        if all(_same(old / path.name, path) for path in side.iterdir()):
            for name in (*REPORTS, LOG):
                if (old / name).is_file():
                    shutil.copy2(old / name, side / name)


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def load(folder: Path) -> VivadoFolder:
    """The folder that `write` wrote. ModelError naming the file that is missing or damaged."""
    path = Path(folder) / SETTINGS
    text = _read(path, "`finn-imec vivado` with layers writes it")
    try:
        settings = json.loads(text)
        layers = tuple(VivadoLayer(**layer) for layer in settings["layers"])
        return VivadoFolder(Path(folder), settings["part"], settings["clock_ns"], layers)
    except (ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{path}: damaged ({err}); `finn-imec vivado` with layers writes it anew") from err


# ---- Vivado ---------------------------------------------------------------------------------------


def run(folder: VivadoFolder, program: str, progress: Callable[[str], None] | None = None) -> None:
    """Run Vivado, one process per side, on the sides without both reports; their output is in LOG.

    program: Vivado's. progress gets a label of each side that has its reports. Raises VivadoError at the
    first side that fails.
    """
    for layer, side, path in folder.sides():
        if not all((path / name).is_file() for name in REPORTS):
            log = path / LOG
            command = [program, "-mode", "batch", "-nojournal", "-nolog", "-source", SCRIPT]
            with log.open("wb") as out:
                code = subprocess.run(
                    command,
                    cwd=path,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
            if code:
                lines = log.read_text(errors="replace").splitlines()
                error = next((line for line in lines if line.startswith("ERROR")), None)
                reason = error or f"it ended with status {code}"
                raise VivadoError(f"Vivado failed on {layer.layer}, {side}: {reason}; log: {log}")
        if progress:
            progress(f"{layer.layer}, {side}")


def results(folder: VivadoFolder) -> list[tuple[VivadoLayer, RoutedSide, RoutedSide]]:
    """(layer, FINN's pair, IMECConv) of each layer; ModelError naming a missing or malformed report."""
    routed = []
    for layer in folder.layers:
        sides = (
            read_side(folder.path / layer.folder / side, top)
            for side, top in ((SIDES[0], layer.finn), (SIDES[1], layer.imec))
        )
        routed.append((layer, *sides))
    return routed


# ---- reports --------------------------------------------------------------------------------------

#: Figure -> row of report_utilization: of 7-series, UltraScale and Versal. A * refers to a footnote.
_ROWS = {
    "lut_logic": r"LUT as Logic",
    "memory": r"LUT as Memory",
    "ff": r"Register as Flip Flop",
    "ramb36": r"RAMB36(?:/FIFO|E5)?",
    "ramb18": r"RAMB18(?:E5)?",
    "dsp": r"DSPs|DSP Slices",
}


def read_side(folder: Path, top: str) -> RoutedSide:
    """The figures of a side's two reports, which must be of the routed `top`."""
    clock_ns, wns_ns = read_timing(folder / TIMING, top)
    return RoutedSide(**read_utilization(folder / UTILIZATION, top), clock_ns=clock_ns, wns_ns=wns_ns)


def read_utilization(path: Path, top: str) -> dict[str, int]:
    """lut_logic, memory (LUTs), ff, ramb36, ramb18, dsp of a report of `report_utilization`."""
    text = _report(path, top)
    figures = {}
    for figure, name in _ROWS.items():
        row = re.search(rf"^\|\s*(?:{name})\*?\s*\|\s*(\d+)\s*\|", text, re.MULTILINE)
        if row is None:
            raise ModelError(f"{path}: no row {name!r} with a number; expected Vivado's report_utilization")
        figures[figure] = int(row[1])
    return figures


def read_timing(path: Path, top: str) -> tuple[float, float]:
    """Period of the one clock and worst negative slack, ns, of a report of `report_timing_summary`."""
    text = _report(path, top)
    rule = r"[ \t]*-+[- \t]*\n"
    slack = re.search(rf"^[ \t]*WNS\(ns\).*\n{rule}[ \t]*(\S+)[ \t]", text, re.MULTILINE)
    clock = re.search(
        rf"^Clock[ \t]+Waveform\(ns\).*\n{rule}\S+[ \t]+\{{[^}}]*\}}[ \t]+(\S+)[ \t]", text, re.MULTILINE
    )
    if slack is None or clock is None:
        table = "Design Timing Summary" if slack is None else "Clock Summary"
        raise ModelError(f"{path}: no table {table}; expected Vivado's report_timing_summary")
    try:
        period_ns, wns_ns = float(clock[1]), float(slack[1])
    except ValueError:
        period_ns = wns_ns = math.nan
    if not math.isfinite(period_ns - wns_ns):
        raise ModelError(
            f"{path}: period {clock[1]}, WNS {slack[1]}; expected numbers, as of a design with registers"
        )
    return period_ns, wns_ns


def _report(path: Path, top: str) -> str:
    """The text of a report; ModelError if its head names another design than `top`, or one not routed."""
    text = _read(path, "Vivado writes it; see the log beside it")
    head = dict(re.findall(r"^\| (Design|Design State)\s*: (.*?)\s*$", text, re.MULTILINE))
    head.setdefault("Design State", "Routed")  # not every version's timing report has it
    for key, expected in (("Design", top), ("Design State", "Routed")):
        if head.get(key) != expected:
            raise ModelError(
                f"{path}: {key!r} in its head is {head.get(key, 'missing')!r}; expected {expected!r}"
            )
    return text


def _read(path: Path, written_by: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as err:
        raise ModelError(f"{path}: cannot be read ({err.strerror}); {written_by}") from err
