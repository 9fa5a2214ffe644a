"""On-disk cache of results that are slow to make: compiled models, programs, synthesis counts, data files.

Place
    ROOT/KIND/KEY/, an entry. ROOT is $FINN_IMEC_CACHE, or else ~/.cache/finn_imec; KIND is one of `KINDS`;
    KEY is the `digest` of everything that the entry is made from. Folders have mode 0700, because compiled
    code is loaded from them. Next to the entries are KEY.lock while one is built, building-* where it is
    built, and KEY.log if a build failed.

Entry
    The files of the result, and entry.json: format version, kind, key, and size and SHA-256 of each file. An
    entry is written elsewhere and renamed, so it is complete or absent. Each read checks it; a damaged entry
    is built again.

Processes
    A lock on KEY.lock makes other processes wait for the one that builds. It only saves work: on a file
    system without locks several build the same entry, and the first to finish wins.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finn_imec.util.errors import ImecError

KINDS = ("verilator", "cppsim", "yosys", "place", "data")
#: Version of the entry format. Part of every key, so versions of this package can share a cache.
FORMAT = 1
_ABOUT = "entry.json"
_LOG = logging.getLogger(__name__)


class CacheError(ImecError, RuntimeError):
    """The cache folder cannot be made or written."""


@dataclass(frozen=True)
class Entry:
    """folder: with the result's files. cached: whether they existed already."""

    folder: Path
    cached: bool


def root() -> Path:
    """The folder of the whole cache: $FINN_IMEC_CACHE, or else ~/.cache/finn_imec."""
    named = os.environ.get("FINN_IMEC_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "finn_imec").resolve()


def digest(**parts: Any) -> str:
    """Key of an entry: 32 hexadecimal digits that depend on all of the named parts.

    parts: strings, bytes, numbers, None, and lists, tuples and mappings of them. The order of mappings
    does not matter, that of lists does. Raises TypeError for anything else.
    """
    text = json.dumps([FORMAT, parts], sort_keys=True, default=_bytes_as_json)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _bytes_as_json(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    raise TypeError(f"key: {value!r}; expected text, bytes, numbers, or lists and mappings of them")


def folder_digests(folder: Path, suffixes: Collection[str]) -> dict[str, str]:
    """Path in the folder -> SHA-256, for all files in and below it with these suffixes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in suffixes and path.is_file()
    }


def get_or_build(kind: str, key: str, build: Callable[[Path], None]) -> Entry:
    """The entry of this kind and key, built if it is absent or damaged.

    build: writes the result's files into the new folder passed to it, without subfolders. Its exceptions are
    passed on, and no entry is left. key: a `digest`. Raises CacheError if an entry must be built and the
    cache cannot be written.
    """
    folder = _kind_folder(kind) / key
    if not _fault(folder, kind, key):
        return Entry(folder, cached=True)
    _make(folder.parent)
    with _lock(folder.with_name(f"{key}.lock")):
        fault = _fault(folder, kind, key)
        if not fault:  # built while we waited
            return Entry(folder, cached=True)
        if folder.exists():
            _LOG.warning("cache entry %s is damaged and built again: %s", folder, fault)
        with tempfile.TemporaryDirectory(prefix="building-", dir=folder.parent) as scratch:
            built = Path(scratch) / "built"
            built.mkdir(mode=0o700)
            build(built)
            _describe(built, kind, key)
            if folder.exists() and _fault(folder, kind, key):
                os.rename(folder, Path(scratch) / "damaged")
            _move(built, folder)
    return Entry(folder, cached=False)


def store(files: Mapping[str, bytes]) -> Path:
    """Store small files, name -> content; return their folder, which is shared by equal contents."""

    def write(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return get_or_build("data", digest(files=files), write).folder


def log_path(kind: str, key: str) -> Path:
    """The file in which a failing build leaves its tools' output. To be called inside `build`."""
    return _kind_folder(kind) / f"{key}.log"


def _kind_folder(kind: str) -> Path:
    if kind not in KINDS:
        raise ValueError(f"kind: {kind!r}; accepted are {', '.join(KINDS)}")
    return root() / kind


def _make(folder: Path) -> None:
    """Make the folders of the cache and of a kind, private to the user; existing ones are not changed."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as err:
        raise CacheError(
            f"cache folder {folder}: {err.strerror}; expected a folder to write in, "
            "which FINN_IMEC_CACHE may name"
        ) from err


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock against other processes and threads, if the file system has locks."""
    with path.open("w") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Processes that wait on the removed file find the entry. Closing alone would leave the lock with
            # a process that was forked in the meantime.
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)


def _describe(folder: Path, kind: str, key: str) -> None:
    """Write entry.json of a result."""
    files = {path.name: _checksum(path) for path in sorted(folder.iterdir())}
    about = {"format": FORMAT, "kind": kind, "key": key, "files": files}
    (folder / _ABOUT).write_text(json.dumps(about, indent=1) + "\n")


def _fault(folder: Path, kind: str, key: str) -> str:
    """Why a folder is not this entry as written; "" if it is."""
    try:
        about = json.loads((folder / _ABOUT).read_text())
        if (about["format"], about["kind"], about["key"]) != (FORMAT, kind, key):
            return f"{_ABOUT} is another entry's"
        changed = [name for name, was in about["files"].items() if _checksum(folder / name) != was]
    except OSError as err:
        return f"{err.filename}: {err.strerror}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"{_ABOUT} is not readable"
    return f"{', '.join(changed)}: other content than was written" if changed else ""


def _checksum(path: Path) -> dict[str, int | str]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _move(built: Path, folder: Path) -> None:
    try:
        os.rename(built, folder)
    except OSError as err:
        if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Without locks another process was first; its entry is equal.
