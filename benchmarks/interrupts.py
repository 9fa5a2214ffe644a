"""Signals to every command at many moments: exit code, time, processes and files that are left.

    python benchmarks/interrupts.py [--moments 6] [--latest 12] [--json FILE]

Each command starts on a fresh cache, in folders of its own, and gets SIGINT, SIGTERM or SIGHUP after 0 to
`--latest` seconds; then SIGKILL, and the same command again, which must remove what that left.
"""

from __future__ import annotations

import json
import os
import random
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

#: Name -> arguments; MODEL, CONFIG, OUT and RESULTS are files and folders.
COMMANDS = {
    "algorithms": "algorithms --run",
    "torch": "algorithms --backend torch --batch 4",
    "compare": "compare --geometry 12,12,4,4,3,3 --output OUT",
    "build": "build MODEL --config CONFIG -o OUT",
    "simulate": "simulate MODEL --frames 2",
    "swap": "simulate MODEL --swap --frames 2",
    "per-layer": "simulate MODEL --per-layer --frames 2",
    "verify": "verify --cases 40",
    "verify --jobs": "verify --cases 200 --jobs 2",
    "demo": "demo --output OUT",
    "paper": "paper --quick --results RESULTS --output OUT",
    "report": "report OUT",
}
RESULTS = Path(__file__).parent / "results"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Outcome:
    """after: seconds until the signal. took: seconds from it to the end. left: files and processes."""

    command: str
    signal: str
    after: float
    code: int
    took: float
    left: tuple[str, ...]
    finished: bool = False

    @property
    def good(self) -> bool:
        """As it should be; one that was faster than the signal must have succeeded, or found nothing."""
        if self.finished:
            return self.code == 0 or self.command == "report"
        return self.code == 128 + signal.Signals[self.signal] and self.took < 2 and not self.left


class Case:
    """Folders, models and environment of runs of one command."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder, self.command = folder, command
        model, config = small.write(folder / "input", layers=2)
        self.temporary, self.work, self.cache = (folder / name for name in ("temporary", "work", "cache"))
        for made in (self.temporary, self.work):
            made.mkdir()
        places = {"MODEL": model, "CONFIG": config, "OUT": self.work / "out", "RESULTS": RESULTS}
        self.arguments = [str(places.get(word, word)) for word in COMMANDS[command].split()]
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
        if "Traceback" in said or (code == 1 and not finished):
            left.append(said)
        return Outcome(
            self.command, signal.Signals(number).name, after, code, round(took, 3), tuple(left), finished
        )

    def left(self) -> list[str]:
        """Files and processes that the command should have taken with it."""
        found = [str(path) for path in (*self.temporary.rglob("*"), *self.work.rglob("*"))]
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
    print(f"{len(outcomes)} interrupts, {sum(o.finished for o in outcomes)} after the end, {len(bad)} bad")
    if json_file:
        json_file.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    raise typer.Exit(bool(bad))


if __name__ == "__main__":
    typer.run(main)
