"""Signals to every command at many moments: exit code, time, processes and files that are left.

    python benchmarks/interrupts.py [--moments 6] [--latest 12] [--json FILE]

Each command starts on a fresh cache, in folders of its own, and gets SIGINT, SIGTERM or SIGHUP after 0 to
`--latest` seconds; then SIGKILL, and the same command again, which must remove what that left.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import small
import typer

import finn_imec
from finn_imec.util.output import UNFINISHED

#: Name -> arguments; MODEL, CONFIG, FOLDED, OUT, RESULTS are files and folders; BUILT is of a build.
COMMANDS = {
    "algorithms": "algorithms --run",
    "torch": "algorithms --backend torch --batch 4",
    "compare": "compare --geometry 12,12,4,4,3,3 --output OUT",
    "build": "build MODEL --config CONFIG -o OUT",
    "measured-build": "build MODEL --config FOLDED -o OUT --measure",
    "simulate": "simulate MODEL --frames 2",
    "swap": "simulate MODEL --swap --frames 2",
    "per-layer": "simulate MODEL --per-layer --frames 2",
    "verify": "verify --cases 40",
    "verify --jobs": "verify --cases 200 --jobs 2",
    "demo": "demo --output OUT",
    "paper": "paper --quick --results RESULTS --output OUT",
    "report": "report OUT",
    "vivado": "vivado OUT --geometry 12,12,4,4,3,3",
    "compare-built": "compare BUILT",
    "simulate-built": "simulate BUILT --frames 2",
    "report-built": "report BUILT",
}
#: Configuration of a build with target_fps.
FOLDED = f"{small.BUILD_CONFIG}target_fps: 100000\n"
#: What Python says of an interrupt while it starts, before it runs any code of this package.
PYTHON_STARTS = "Fatal Python error: init_"
RESULTS = Path(__file__).parent / "results"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Outcome:
    """after: seconds until the signal. took: seconds from it to the end. left: files and processes.

    too_early: Python itself was not up yet.
    """

    command: str
    signal: str
    after: float
    code: int
    took: float
    left: tuple[str, ...]
    finished: bool = False
    too_early: bool = False

    @property
    def good(self) -> bool:
        """As it should be; one that was faster than the signal must have succeeded, or found nothing."""
        if self.too_early:
            return not self.left
        if self.finished:
            return self.code == 0 or self.command == "report"
        return self.code == 128 + signal.Signals[self.signal] and self.took < 2 and not self.left


@functools.cache
def built_once() -> Path:
    """The folder of a build, for commands that go on from there; it goes with this process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    model, config = small.write(folder / "input", layers=2)
    command = [sys.executable, "-m", "finn_imec", "build", model, "--config", config, "-o", folder / "built"]
    package = str(Path(finn_imec.__file__).parents[1])
    subprocess.run(command, env={**os.environ, "PYTHONPATH": package}, check=True, capture_output=True)
    return folder / "built"


class Case:
    """Folders, models and environment of runs of one command."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder, self.command = folder, command
        model, config = small.write(folder / "input", layers=2)
        self.temporary, self.work, self.cache = (folder / name for name in ("temporary", "work", "cache"))
        for made in (self.temporary, self.work):
            made.mkdir()
        folded, self.built = folder / "folded.yaml", folder / "built"
        folded.write_text(FOLDED)
        places = {"MODEL": model, "CONFIG": config, "FOLDED": folded, "BUILT": self.built}
        places |= {"OUT": self.work / "out", "RESULTS": RESULTS}
        words = COMMANDS[command].split()
        self.arguments = [str(places.get(word, word)) for word in words]
        if "BUILT" in words:
            shutil.copytree(built_once(), self.built)
        self.session = 0

    def start(self) -> subprocess.Popen:
        package = str(Path(finn_imec.__file__).parents[1])
        environment = {
            **os.environ,
            "PYTHONPATH": package,
            "TMPDIR": str(self.temporary),
            "FINN_IMEC_CACHE": str(self.cache),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "finn_imec", *self.arguments],
            cwd=self.work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # The background of a shell ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.session = process.pid
        return process

    def interrupt(self, number: int, after: float, whole_group: bool = False) -> Outcome:
        """Start the command, and send the signal after some seconds."""
        process = self.start()
        try:
            process.wait(after)
            finished = True
        except subprocess.TimeoutExpired:
            finished = False
        at = time.perf_counter()
        if not finished:
            (os.killpg if whole_group else os.kill)(process.pid, number)
        _, said = process.communicate(timeout=60)
        took = time.perf_counter() - at
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        left = self.left() if number != signal.SIGKILL else []
        too_early = PYTHON_STARTS in said
        if not too_early and ("Traceback" in said or (code == 1 and not finished)):
            left.append(said)
        name = signal.Signals(number).name
        return Outcome(self.command, name, after, code, round(took, 3), tuple(left), finished, too_early)

    def left(self) -> list[str]:
        """Files and processes that the command should have taken with it."""
        found = [str(path) for path in self.temporary.rglob("*")]
        complete = (self.work / "out" / "model.onnx").is_file()  # of a build that was measured next
        found += [str(path) for path in self.work.rglob(f"{UNFINISHED}*" if complete else "*")]
        found += [str(path) for path in self.built.rglob(f"{UNFINISHED}*")]
        found += [str(path) for path in self.cache.rglob("building-*")]
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == self.session and state != "Z":
                found.append(f"process {path.parent.name}: {(path.parent / 'cmdline').read_text()[:80]}")
        return found


def kill_and_rerun(case: Case, after: float) -> Outcome:
    """SIGKILL, then SIGTERM to the same command in the same folders after the same time."""
    case.interrupt(signal.SIGKILL, after)
    for path in Path("/proc").glob("[0-9]*/stat"):  # children of a killed process end by themselves
        try:
            if int(path.read_text().rpartition(")")[2].split()[3]) == case.session:
                os.kill(int(path.parent.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue
    return case.interrupt(signal.SIGTERM, after + 1)


def main(
    moments: Annotated[int, typer.Option(help="Moments per command.")] = 6,
    latest: Annotated[float, typer.Option(help="Last moment, in seconds.")] = 12,
    commands: Annotated[str, typer.Option(help="Commands, comma separated.")] = ",".join(COMMANDS),
    seed: Annotated[int, typer.Option(help="Seed of moments and signals.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to write the outcomes.")] = None,
) -> None:
    """Interrupt every command, and print what is not as it should be."""
    rng, outcomes = random.Random(seed), []
    for command in commands.split(","):
        for moment in range(moments):
            after = latest * (moment + rng.random()) / moments if moment else rng.uniform(0.05, 0.6)
            for kill in (False, True) if moment == moments - 1 else (False,):
                with tempfile.TemporaryDirectory() as folder:
                    case = Case(Path(folder), command)
                    if kill:
                        outcome = kill_and_rerun(case, after)
                    else:
                        outcome = case.interrupt(rng.choice(SIGNALS), after, rng.random() < 0.3)
                outcomes.append(outcome)
                print("good" if outcome.good else "BAD", outcome, flush=True)
    bad = [outcome for outcome in outcomes if not outcome.good]
    ends = sum(o.finished for o in outcomes)
    early = sum(o.too_early for o in outcomes)
    print(f"{len(outcomes)} interrupts, {early} while Python started, {ends} after the end, {len(bad)} bad")
    if json_file:
        json_file.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    raise typer.Exit(bool(bad))


if __name__ == "__main__":
    typer.run(main)
