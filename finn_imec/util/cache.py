"""On-disk cache of results that are slow to make: compiled models, programs, synthesis counts, data files.

Place
    ROOT/KIND/KEY/, an entry. ROOT is $FINN_IMEC_CACHE, or else ~/.cache/finn_imec; KIND is one of `KINDS`;
    KEY is the `digest` of everything that the entry is made from. Next to the entries are KEY.lock while one
    is built, building-* where it is built, and KEY.log if a build failed.

Entry
    The files of the result, and entry.json: format version, kind, key, and size and SHA-256 of each file. An
    entry is written elsewhere and renamed, so it is complete or absent. Each read checks it; a damaged or
    foreign entry is built again, and a line says so.

Trust
    Compiled code is loaded from entries. Folders have mode 0700, and nothing is read that belongs to another
    user than root, or that others may write.

Processes
    A lock on KEY.lock makes other processes wait for the one that builds. It only saves work: on a file
    system without locks several build the same entry, and the first to finish wins. A killed process leaves
    its building-*, which the next one that builds anything removes.

Without it
    A cache that cannot be used (read-only, full, of another user, on a file system without execution) is
    replaced by a temporary one, for this process, and a line says so.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finn_imec.util import interrupts
from finn_imec.util.errors import ImecError
from finn_imec.util.interrupts import UNQUOTED

KINDS = ("verilator", "cppsim", "yosys", "place", "fifos", "data")
#: Version of the entry format. Part of every key, so versions of this package can share a cache.
FORMAT = 1
_ABOUT = "entry.json"
#: Starts of the names of folders in which entries are built, and of temporary caches.
BUILDING, TEMPORARY = "building-", "finn_imec_cache_"
#: Bytes that must fit for a cache not to count as full.
_ROOM = 1_000_000
_LOG = logging.getLogger(__name__)


#: Caches that cannot be used -> what is used instead, by this process.
_instead: dict[Path, Path] = {}


class CacheError(ImecError, RuntimeError):
    """Neither the cache nor a temporary one can be used."""


class _Unusable(Exception):
    """Why a cache cannot be used."""


@dataclass(frozen=True)
class Entry:
    """folder: with the result's files. cached: whether they existed already."""

    folder: Path
    cached: bool


def root() -> Path:
    """The folder of the whole cache: $FINN_IMEC_CACHE, or else ~/.cache/finn_imec.

    Or the temporary one, if that cannot be used. Raises CacheError if there is neither the variable nor a
    home.
    """
    named = os.environ.get("FINN_IMEC_CACHE")
    try:
        folder = (Path(named) if named else Path.home() / ".cache" / "finn_imec").resolve()
    except (OSError, RuntimeError, ValueError) as err:
        raise CacheError(
            f"cache folder {named or '~/.cache/finn_imec'}: {err}; FINN_IMEC_CACHE may name another"
        ) from err
    return _instead.get(folder, folder)


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


def get_or_build(
    kind: str, key: str, build: Callable[[Path], None], check: Callable[[Path], object] = lambda folder: None
) -> Entry:
    """The entry of this kind and key, built if it is absent or damaged.

    build: writes the result's files into the new folder passed to it, without subfolders. Its exceptions are
    passed on, and no entry is left. check: raises OSError for an entry's folder that cannot be used, by what
    checksums do not tell: a library that does not load. key: a `digest`. Raises CacheError if an entry must
    be built and neither the cache nor a temporary one can be written.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: {kind!r}; accepted are {', '.join(KINDS)}")
    try:
        return _get_or_build(kind, key, build, check)
    except _Unusable as why:
        named = root()
        if named in _instead.values():
            raise CacheError(f"cache folder {named}: {why}; expected a folder to write in") from why
        _LOG.warning(
            "cache folder %s is not used: %s; results are kept in a temporary one for now, "
            "FINN_IMEC_CACHE may name another",
            named,
            why,
        )
        _instead[named] = _temporary()
    try:
        return _get_or_build(kind, key, build, check)
    except _Unusable as why:
        raise CacheError(f"cache folder {named} and {root()}: {why}; expected a folder to write in") from why


def _temporary() -> Path:
    """A cache that goes with this process."""
    try:
        folder = interrupts.make_unfinished(Path(tempfile.gettempdir()), TEMPORARY)
    except OSError as err:
        raise CacheError(f"temporary folder: {err.strerror or err}") from err
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in its forks
            interrupts.remove(folder)

    atexit.register(remove)
    return folder.resolve()


def _get_or_build(
    kind: str, key: str, build: Callable[[Path], None], check: Callable[[Path], object]
) -> Entry:
    """get_or_build in the present cache; raises _Unusable for what is wrong with that itself."""
    folder = root() / kind / key
    if not _fault(folder, kind, key, check):
        return Entry(folder, cached=True)
    with _usable():
        _make(folder.parent)
    with _lock(folder.with_name(f"{key}.lock")):
        fault = _fault(folder, kind, key, check)
        if not fault:  # built while we waited
            return Entry(folder, cached=True)
        if os.path.lexists(folder):
            _LOG.warning("cache entry %s is damaged and built again: %s", folder, fault)
        with _usable():
            scratch = interrupts.make_unfinished(folder.parent, BUILDING)
        try:
            built = scratch / "built"
            with _usable():
                built.mkdir(mode=0o700)
            try:
                build(built)
            except Exception as err:
                _check_room(folder.parent, err)
                raise
            with _usable():
                _describe(built, kind, key)
                if os.path.lexists(folder) and _fault(folder, kind, key, check):
                    os.rename(folder, scratch / "damaged")
                _move(built, folder)
            with _usable():
                check(folder)
        finally:
            interrupts.remove(scratch)
    return Entry(folder, cached=False)


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    """Errors of the file system in its block are the cache's."""
    try:
        yield
    except OSError as err:
        raise _Unusable(err.strerror or str(err)) from err


def _check_room(folder: Path, why: Exception) -> None:
    """Raise _Unusable if a build may have failed because the cache is full."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
            file.flush()
    except OSError as err:
        raise _Unusable(err.strerror) from why


def store(files: Mapping[str, bytes]) -> Path:
    """Store small files, name -> content; return their folder, which is shared by equal contents."""

    def write(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return get_or_build("data", digest(files=files), write).folder


def log_path(kind: str, key: str) -> Path:
    """The file in which a failing build leaves its tools' output. To be called inside `build`."""
    return root() / kind / f"{key}.log"


def _make(folder: Path) -> None:
    """Make the folders of the cache and of a kind, private to the user; existing ones are not changed."""
    if set(str(folder)) & set(UNQUOTED):
        raise OSError(
            errno.EINVAL, "Verilator takes no quotes, backslashes and line ends in names of folders"
        )
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    for made in (folder.parent, folder):
        if why := _foreign(made):
            raise OSError(errno.EPERM, why)


def _foreign(path: Path) -> str:
    """Why a file or folder may hold what others wrote; "" if it does not."""
    status = path.lstat()
    if status.st_uid not in (os.geteuid(), 0):
        return f"{path} belongs to user {status.st_uid}"
    if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o022:
        return f"{path} is writable by others (mode {stat.S_IMODE(status.st_mode):o})"
    return ""


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock against other processes and threads, if the file system has locks."""
    with contextlib.ExitStack() as held:
        while True:
            with _usable():
                file = held.enter_context(path.open("w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                break
            # The one before removed the file: another process may lock a new one by now.
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    break
            file.close()
        try:
            yield
        finally:
            # Closing alone would leave the lock with a process that was forked in the meantime.
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)


def _describe(folder: Path, kind: str, key: str) -> None:
    """Write entry.json of a result, which others cannot write whatever the umask is."""
    files = {path.name: _checksum(path) for path in sorted(folder.iterdir())}
    about = {"format": FORMAT, "kind": kind, "key": key, "files": files}
    (folder / _ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    for path in folder.iterdir():
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022)


def _fault(folder: Path, kind: str, key: str, check: Callable[[Path], object]) -> str:
    """Why a folder is not this entry as written; "" if it is."""
    try:
        for part in (folder.parent.parent, folder.parent, folder, folder / _ABOUT):
            if why := _foreign(part):
                return why
        about = json.loads(_read(folder / _ABOUT))
        if (about["format"], about["kind"], about["key"]) != (FORMAT, kind, key):
            return f"{_ABOUT} is another entry's"
        if not about["files"]:
            return f"{_ABOUT} names no file"
        for name, was in about["files"].items():
            if why := _foreign(folder / name):
                return why
            if (folder / name).stat().st_size != was["bytes"] or _checksum(folder / name) != was:
                return f"{name}: other content than was written"
        check(folder)
    except OSError as err:
        return f"{err.filename}: {err.strerror}" if err.filename else str(err)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return f"{_ABOUT} is not readable"
    return ""


def _read(path: Path) -> bytes:
    """A regular file's content: a pipe would not end."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return path.read_bytes()


def _checksum(path: Path) -> dict[str, int | str]:
    content = _read(path)
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _move(built: Path, folder: Path) -> None:
    try:
        os.rename(built, folder)
    except OSError as err:
        if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Without locks another process was first; its entry is equal.
