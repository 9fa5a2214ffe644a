"""SIGINT, SIGTERM and SIGHUP end a command at once: its processes and unfinished files with it.

A command is not unwound: it may be in compiled code, in a queue of compilers, or in a library that catches
everything. A thread of its own hears of the signal, stops what other threads do next, lets descendants that
catch SIGTERM remove what they have not finished, kills all others, removes unfinished folders, and exits with
128 + the signal's number. For a process that uses the package from Python nothing changes until it calls
`install`.

Folders of a killed process (SIGKILL) stay. Each holds a lock as long as its process lives, so that the next
one can tell and removes them.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from multiprocessing import parent_process
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What FINN and Verilator write into files without quoting it.
UNQUOTED = '"\\\n'
#: Start of the names of temporary folders of a command.
SESSION = "finn_imec-"
_PR_SET_CHILD_SUBREAPER = 36
_SHOW_CURSOR = b"\x1b[?25h"
#: Descriptors kept back for the removal of each unfinished folder: as many as it is deep, and a few.
_SPARE = 12
#: Seconds that descendants which catch SIGTERM have to end by themselves.
_GRACE_S = 1.0

#: Unfinished folders of this process -> descriptors, the last with the lock, and a folder made for it.
_unfinished: dict[Path, tuple[list[int], Path | None]] = {}
#: Held while an end would leave half of something; how often this is so in the main thread.
_critical = threading.RLock()
_depth = 0
_installed = False


def install() -> None:
    """Let the signals end this process, unless they are ignored, as in the background of a shell script."""
    global _installed
    if _installed:
        return
    _installed = True
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _wait)
    os.register_at_fork(after_in_child=_forget)
    threading.Thread(target=_listen, args=(reading,), name="interrupts", daemon=True).start()


def _wait(number: int, frame: object) -> None:
    """In the main thread: let `_listen` end the process, unless that waits for this thread."""
    if not _depth:
        threading.Event().wait()


def _forget() -> None:
    """In a fork: the signals, and what is unfinished, are its parent's."""
    global _critical
    _critical = threading.RLock()
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        if signal.getsignal(number) == _wait:
            signal.signal(number, signal.SIG_DFL)
    _unfinished.clear()


def _listen(reading: int) -> None:
    while True:
        (number,) = os.read(reading, 1)
        if number in SIGNALS:
            end(number)


def end(number: int) -> None:
    """End this process as a signal of this number asks for."""
    with _critical:
        ending = threading.get_ident()

        def wait(event: str, arguments: object) -> None:
            """What opens, starts or removes anything in another thread goes no further."""
            if threading.get_ident() != ending:
                threading.Event().wait()

        sys.addaudithook(wait)
        try:
            for descriptors, _ in _unfinished.values():
                _close(descriptors[:-1])
                del descriptors[:-1]
            _end_descendants()
            for folder in list(_unfinished):
                remove(folder)
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)
            if parent_process() is None:  # a worker's is said by its parent
                os.write(2, b"interrupted: nothing unfinished is kept\n")
        finally:
            os._exit(128 + number)


def _end_descendants() -> None:
    """End all processes that this one has started, and those that they have."""
    with contextlib.suppress(OSError, AttributeError):  # orphans become our children: they are found, too
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _send(signal.SIGTERM, filter(_catches_term, _descendants()))
    end = time.monotonic() + _GRACE_S
    while time.monotonic() < end and any(map(_catches_term, _descendants())):
        time.sleep(0.01)
    for _ in range(100):
        descendants = _descendants()
        if not descendants:
            return
        _send(signal.SIGKILL, descendants)


def _send(number: int, processes: Iterable[int]) -> None:
    """Send a signal to processes, and forget those that have ended."""
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
    for process in processes:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, os.WNOHANG)


def _catches_term(process: int) -> bool:
    """True if a process has a handler of SIGTERM, on Linux."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/status").read_text(errors="replace").splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def _descendants() -> list[int]:
    """Living descendants of this process, on Linux."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        with contextlib.suppress(OSError, ValueError, IndexError):
            # PID (NAME) STATE PARENT ...; the name may hold anything
            stat = Path(f"/proc/{int(name)}/stat").read_text(errors="replace")
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(name))
    found = children.get(os.getpid(), [])
    for process in found:
        found += children.get(process, [])
    return found


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A block, of milliseconds, that the signals do not cut in half."""
    global _depth
    main = threading.current_thread() is threading.main_thread()
    with _critical:
        _depth += main
        try:
            yield
        finally:
            _depth -= main


# ---- unfinished folders -------------------------------------------------------------------------


def make_unfinished(parent: Path, prefix: str, created: Path | None = None) -> Path:
    """A new folder in `parent`, which goes if this process ends early; `remove` ends that.

    Removes what killed processes of this user have left there under that prefix. created: an empty folder
    that goes with it. Raises OSError, also if too few descriptors are left to remove the folder again.
    """
    for left in parent.glob(f"{glob.escape(prefix)}*"):
        remove_if_left(left)
    while True:
        with uninterrupted():
            descriptors = _spare_descriptors(parent)
            try:
                folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
                os.close(descriptors.pop())
                descriptors.append(os.open(folder, os.O_RDONLY))
            except OSError:
                _close(descriptors)
                raise
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptors[-1], fcntl.LOCK_EX)
            if folder.is_dir():
                _unfinished[folder] = descriptors, created
                return folder
            _close(descriptors)  # another process took it for one that was left, before it was locked


def _spare_descriptors(folder: Path) -> list[int]:
    """_SPARE descriptors and one more; OSError naming the folder, and none, if there are not as many."""
    descriptors: list[int] = []
    try:
        for _ in range(_SPARE + 1):
            descriptors.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as err:
        _close(descriptors)
        raise OSError(err.errno, err.strerror, str(folder)) from err
    return descriptors


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Remove an unfinished folder, and one that was made for it if that is empty now."""
    if folder not in _unfinished:  # of the process that this one was forked from
        return
    descriptors, created = _unfinished.pop(folder)
    _close(descriptors[:-1])  # the removal needs some
    shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptors[-1])
    if created is not None:
        with contextlib.suppress(OSError):
            created.rmdir()


def remove_if_left(folder: Path) -> bool:
    """Remove a folder of `make_unfinished`, of this user, whose process is gone; whether it was one."""
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # alive, or a file system without locks
        return False
    finally:
        os.close(descriptor)
    return True


@contextlib.contextmanager
def session() -> Iterator[None]:
    """Temporary files of this process and its children in one folder, which goes with them.

    Not in a folder whose name FINN could not write into Verilog. Raises OSError if there is no place for one.
    """
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    places = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    place = next(place for place in places if not set(place) & set(UNQUOTED))
    folder = make_unfinished(Path(place), SESSION)
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[1]
        remove(folder)
