"""SIGINT, SIGTERM and SIGHUP end a command at once, and nothing of it is left.

benchmarks/interrupts.py does it with every command at many moments.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from interrupts import Case, kill_and_rerun

from finn_imec.util import interrupts
from finn_imec.util.errors import ModelError
from finn_imec.util.output import UNFINISHED, make_scratch, output_folder

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


# As in a terminal: what runs under nohup ignores SIGHUP, and so do its children.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.slow  # each runs a command for some seconds
@pytest.mark.parametrize(
    ("command", "number", "after", "whole_group"),
    [
        ("verify", INT, 0.2, False),  # imports
        ("verify", TERM, 0.3, False),
        ("demo", HUP, 0.4, True),
        ("compare", TERM, 4, True),  # compiles, synthesizes
        ("simulate", INT, 3, True),
        ("verify", HUP, 3, False),
        ("build", TERM, 3, False),
        ("verify --jobs", INT, 8, True),
    ],
)
def test_a_signal_ends_a_command(tmp_path, command, number, after, whole_group):
    outcome = Case(tmp_path, command).interrupt(number, after, whole_group)
    assert outcome.good and not outcome.finished, outcome


@pytest.mark.slow
def test_a_killed_command_is_cleaned_up_after(tmp_path):
    outcome = kill_and_rerun(Case(tmp_path, "demo"), 3)
    assert outcome.good and not outcome.finished, outcome


def python(program: str, *, ignore: int = 0) -> subprocess.CompletedProcess:
    """Run a program after `install`, with a signal ignored."""
    start = "import os, signal, time, threading\nfrom finn_imec.util import interrupts\n"
    ignored = f"signal.signal({ignore}, signal.SIG_IGN)\n" if ignore else ""
    source = f"{start}{ignored}interrupts.install()\n{program}"
    # the background of a shell starts with it ignored
    return subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=lambda: signal.signal(INT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_exit_codes(number):
    done = python(f"os.kill(os.getpid(), {number})\ntime.sleep(20)")
    assert done.returncode == 128 + number
    assert done.stderr == "interrupted: nothing unfinished is kept\n"


def test_an_ignored_signal_stays_ignored():
    """nohup's SIGHUP."""
    done = python(f"os.kill(os.getpid(), {HUP})\ntime.sleep(0.3)\nprint('done')", ignore=HUP)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    "busy",
    [
        "import ctypes\nctypes.CDLL(None).sleep(20)",  # compiled code does not return for a signal
        "try:\n    time.sleep(20)\nexcept BaseException:\n    time.sleep(20)",
        "[t.join() for t in [threading.Thread(target=time.sleep, args=(20,))] if not t.start()]",
    ],
)
def test_whatever_the_main_thread_does(busy):
    start = time.monotonic()
    done = python(f"threading.Timer(0.3, os.kill, (os.getpid(), {TERM})).start()\n{busy}")
    assert done.returncode == 128 + TERM
    assert time.monotonic() - start < 2.5


def test_processes_and_their_children_end():
    """Also those that a thread would start next, and orphans."""
    program = f"""
import subprocess
def start():
    while True:
        subprocess.run(["sh", "-c", "sleep 4321 & sleep 4322"])
threads = [threading.Thread(target=start, daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
time.sleep(0.5)
os.kill(os.getpid(), {TERM})
time.sleep(20)
"""
    assert python(program).returncode == 128 + TERM
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert "sleep 432" not in listed


def test_signals_of_a_fork_are_its_own():
    """Its parent lives on, and keeps its unfinished folders: multiprocessing ends its workers so."""
    program = f"""
import pathlib, sys, tempfile
parent = pathlib.Path(tempfile.mkdtemp())
folder = interrupts.make_unfinished(parent, "part-")
child = os.fork()
if not child:
    interrupts.remove(folder)
    os.kill(os.getpid(), {TERM})
    time.sleep(20)
assert os.waitpid(child, 0)[1] == {TERM}
time.sleep(0.2)
assert folder.is_dir()
interrupts.remove(folder)
parent.rmdir()
print("alive")
"""
    done = python(program)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_files_are_not_replaced_by_half(tmp_path):
    program = f"""
with interrupts.uninterrupted():
    os.kill(os.getpid(), {TERM})
    time.sleep(0.3)
    open({str(tmp_path / "whole")!r}, "w").close()
time.sleep(20)
"""
    assert python(program).returncode == 128 + TERM
    assert (tmp_path / "whole").exists()


def test_temporary_files_are_in_one_folder_that_goes(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / f"{interrupts.SESSION}killed"
    killed.mkdir()
    with interrupts.session():
        (folder,) = tmp_path.iterdir()
        assert folder.name.startswith(interrupts.SESSION) and folder != killed
        assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(folder)
        with interrupts.session():
            assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_in_an_output_folder(tmp_path):
    left = tmp_path / "out" / f"{UNFINISHED}1"
    left.mkdir(parents=True)
    with output_folder(tmp_path / "out", "marker") as folder:
        assert not left.exists()
        with pytest.raises(ModelError, match="is being written by another process"):
            make_scratch(tmp_path / "out", {"marker"})
        (folder / "marker").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["marker"]
    (tmp_path / "precious").mkdir()
    (tmp_path / "out" / f"{UNFINISHED}2").symlink_to(tmp_path / "precious")
    with pytest.raises(ModelError), output_folder(tmp_path / "out", "marker"):
        pass
    assert (tmp_path / "precious").is_dir()


def test_unfinished_folders_go_where_no_file_can_be_opened(tmp_path):
    """At the end of a program that has opened as many as it may."""
    program = f"""
import pathlib, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
parent = pathlib.Path({str(tmp_path)!r})
folder = interrupts.make_unfinished(parent, "part-")
(folder / "a/b/c/d/e").mkdir(parents=True)
(folder / "a/b/c/d/e/file").touch()
held = []
try:
    while True:
        held.append(open(os.devnull))
except OSError:
    pass
if {{signal}}:
    os.kill(os.getpid(), {{signal}})
    time.sleep(20)
interrupts.remove(folder)
try:
    held += [open(os.devnull) for _ in range(interrupts._SPARE)]
    interrupts.make_unfinished(parent, "part-")
except OSError as err:
    print(err.strerror)
"""
    done = python(program.replace("{signal}", "0"))
    assert (done.returncode, done.stdout) == (0, "Too many open files\n"), done.stderr
    assert list(tmp_path.iterdir()) == []
    assert python(program.replace("{signal}", str(TERM))).returncode == 128 + TERM
    assert list(tmp_path.iterdir()) == []
    program = f"""
import pathlib, resource
from finn_imec.util.errors import ModelError
from finn_imec.util.output import make_scratch
resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))
try:
    make_scratch(pathlib.Path({str(tmp_path / "out")!r}), set())
except ModelError as err:
    print(err)
"""
    assert python(program).stdout.endswith("cannot be written (Too many open files)\n")
    assert list(tmp_path.iterdir()) == []


def test_locks_of_a_fork_do_not_outlive_the_folder(tmp_path):
    """A folder of the parent that a fork still locks is not taken for one that was left."""
    folder = interrupts.make_unfinished(tmp_path, "part-")
    assert not interrupts.remove_if_left(folder)
    interrupts.remove(folder)
    assert not folder.exists()
