"""The cache: entries are complete or absent, checked when read, built once, private."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from finn_imec.util import cache, interrupts

KEY = cache.digest(of="this test")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """A cache of this test alone, and a folder for temporary ones."""
    folder = tmp_path / "new" / "cache"
    monkeypatch.setenv("FINN_IMEC_CACHE", str(folder))
    monkeypatch.setattr(cache, "_instead", {})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return folder


def write(folder: Path) -> None:
    (folder / "a.txt").write_text("A")
    (folder / "b.bin").write_bytes(bytes(range(256)))


def refuse(folder: Path) -> None:
    raise AssertionError("built again")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_root_is_the_environments_or_the_users(monkeypatch, tmp_path, root):
    assert cache.root() == root
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINN_IMEC_CACHE", "here")
    assert cache.root() == tmp_path / "here"
    for unset in (
        lambda: monkeypatch.setenv("FINN_IMEC_CACHE", ""),
        lambda: monkeypatch.delenv("FINN_IMEC_CACHE"),
    ):
        unset()
        assert cache.root() == Path.home().resolve() / ".cache" / "finn_imec"


def test_an_entry_is_built_once_and_says_what_it_holds(root):
    first = cache.get_or_build("yosys", KEY, write)
    assert first == cache.Entry(root / "yosys" / KEY, cached=False)
    assert cache.get_or_build("yosys", KEY, refuse) == cache.Entry(first.folder, cached=True)
    assert names(root) == ["yosys"]
    assert names(root / "yosys") == [KEY]
    assert names(first.folder) == ["a.txt", "b.bin", "entry.json"]
    assert json.loads((first.folder / "entry.json").read_text()) == {
        "format": cache.FORMAT,
        "kind": "yosys",
        "key": KEY,
        "files": {
            "a.txt": {
                "bytes": 1,
                "sha256": "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd",
            },
            "b.bin": {
                "bytes": 256,
                "sha256": "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880",
            },
        },
    }


def test_a_build_that_fails_leaves_its_log_alone(root):
    def fail(folder: Path) -> None:
        write(folder)
        assert (root / "yosys" / f"{KEY}.lock").exists()
        cache.log_path("yosys", KEY).write_text("what the tool said")
        raise RuntimeError("no result")

    with pytest.raises(RuntimeError, match="no result"):
        cache.get_or_build("yosys", KEY, fail)
    assert names(root / "yosys") == [f"{KEY}.log"]
    assert not cache.get_or_build("yosys", KEY, write).cached


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edited(old: str, new: str):
    def edit(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return edit


def as_pipe(path: Path) -> None:
    """Reading it would not end."""
    path.unlink()
    os.mkfifo(path)


def without_files(path: Path) -> str:
    return json.dumps(json.loads(path.read_text()) | {"files": {}})


@pytest.mark.parametrize(
    ("file", "harm", "message"),
    [
        ("b.bin", flip_a_bit, "b.bin: other content than was written"),
        ("b.bin", empty, "b.bin: other content"),
        ("a.txt", Path.unlink, "a.txt: No such file or directory"),
        ("entry.json", Path.unlink, "entry.json: No such file or directory"),
        ("entry.json", empty, "entry.json is not readable"),
        ("entry.json", lambda path: path.write_text("[]"), "entry.json is not readable"),
        ("entry.json", lambda path: path.write_bytes(b"\xff"), "entry.json is not readable"),
        ("entry.json", edited('"yosys"', '"cppsim"'), "entry.json is another entry's"),
        ("entry.json", edited(KEY, "0" * 32), "entry.json is another entry's"),
        ("entry.json", edited('"format": 1', '"format": 0'), "entry.json is another entry's"),
        ("entry.json", lambda path: path.write_text("[" * 100_000), "entry.json is not readable"),
        ("entry.json", edited('"a.txt"', '"c.txt"'), "c.txt: No such file or directory"),
        ("entry.json", lambda path: path.write_text(without_files(path)), "entry.json names no file"),
        ("entry.json", as_pipe, "entry.json: no regular file"),
        ("a.txt", as_pipe, "a.txt: other content"),
        ("b.bin", lambda path: path.chmod(0o666), "b.bin is writable by others (mode 666)"),
        ("entry.json", lambda path: path.parent.chmod(0o777), "is writable by others (mode 777)"),
    ],
)
def test_a_damaged_entry_is_built_again_and_said_so(root, caplog, file, harm, message):
    folder = cache.get_or_build("yosys", KEY, write).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    harm(folder / file)
    assert not cache.get_or_build("yosys", KEY, write).cached
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert (
        f"cache entry {folder} is damaged and built again: " in record.message and message in record.message
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(root / "yosys") == [KEY]
    assert cache.get_or_build("yosys", KEY, refuse).cached


def test_folders_are_private(root):
    umask = os.umask(0)
    try:
        folder = cache.get_or_build("yosys", KEY, write).folder
    finally:
        os.umask(umask)
    for made in (root, folder.parent, folder):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700, made


def test_nothing_of_another_user_is_read(root, caplog):
    if os.geteuid():
        pytest.skip("needs root, to give files away")
    folder = cache.get_or_build("yosys", KEY, write).folder
    os.chown(folder / "b.bin", 1234, -1)
    assert not cache.get_or_build("yosys", KEY, write).cached
    assert f"{folder}/b.bin belongs to user 1234" in caplog.text
    caplog.clear()
    os.chown(root, 1234, -1)
    works_without(root, caplog, f"{root} belongs to user 1234")


def test_a_cache_that_others_write_is_not_used(root, caplog):
    root.mkdir(parents=True)
    root.chmod(0o777)
    works_without(root, caplog, f"{root} is writable by others (mode 777)")


def test_entries_are_private_whatever_the_umask_is():
    before = os.umask(0)
    try:
        folder = cache.get_or_build("yosys", KEY, write).folder
    finally:
        os.umask(before)
    assert not any(path.stat().st_mode & 0o022 for path in folder.iterdir())
    assert cache.get_or_build("yosys", KEY, refuse).cached


def test_an_entry_that_does_not_load_is_built_again(root, caplog):
    """By what its user says of it, although it is as written."""
    loads = []

    def check(folder: Path) -> None:
        if not loads:
            raise OSError("no library of this machine")

    def build(folder: Path) -> None:
        loads.append(folder)
        write(folder)

    folder = cache.get_or_build("yosys", KEY, write).folder
    assert not cache.get_or_build("yosys", KEY, build, check).cached
    assert f"{folder} is damaged and built again: no library of this machine" in caplog.text
    loads.clear()
    with pytest.raises(cache.CacheError, match=f"cache folder {root} and .*: no library of this machine"):
        cache.get_or_build("yosys", KEY, write, check)


#: What is done on a file system of its own, in Python: the root of a cache is in CACHE.
_ON_A_MOUNT = """
import os, sys
from pathlib import Path
from finn_imec.util import cache
before = sorted(os.listdir(os.environ["FINN_IMEC_CACHE"]))
def write(folder):
    (folder / "program").write_bytes(b"#!/bin/sh\\n" + bytes(int(sys.argv[1])))
    (folder / "program").chmod(0o755)
def check(folder):
    if not os.access(folder / "program", os.X_OK):
        raise PermissionError(13, "not to be run")
entry = cache.get_or_build("cppsim", "0" * 32, write, check)
assert (entry.folder / "program").stat().st_size == 10 + int(sys.argv[1])
print(entry.folder)
assert sorted(os.listdir(os.environ["FINN_IMEC_CACHE"])) in (before, ["cppsim"])
assert not [*Path(os.environ["FINN_IMEC_CACHE"]).rglob("building-*")]
"""


@pytest.mark.parametrize(
    ("options", "size", "why"),
    [
        ("size=8m", 100, ""),
        ("size=2m", 3_000_000, "No space left on device"),
        ("size=64k", 30_000, ""),
        ("size=8m,noexec", 100, "not to be run"),
        ("size=8m,ro", 100, "Read-only file system"),
    ],
)
def test_a_cache_on_another_file_system(tmp_path, root, options, size, why):
    """Full, read-only, or without execution: another one is used, and goes with the process."""
    root.mkdir(parents=True)
    mount = ["unshare", "--mount", "sh", "-c"]
    script = f'mount -t tmpfs -o {options},mode=700 none "$0" && exec "$@"'
    if subprocess.run([*mount, script, root, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    program = [sys.executable, "-c", _ON_A_MOUNT, str(size)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(
        [*mount, script, root, *program], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(root) == (not why)
    assert done.stderr.count("\n") == bool(why)
    assert why in done.stderr and (not why or f"cache folder {root} is not used" in done.stderr)
    assert not names(tmp_path / "temporary")


def test_what_a_killed_process_left_is_removed(root):
    """But not what another one is building."""
    kind = root / "yosys"
    kind.mkdir(parents=True)
    left = kind / f"{cache.BUILDING}1"
    (left / "built").mkdir(parents=True)
    other = interrupts.make_unfinished(kind, cache.BUILDING)
    left.mkdir()
    cache.get_or_build("yosys", KEY, write)
    assert names(kind) == sorted([KEY, other.name])
    interrupts.remove(other)


def test_a_folder_that_exists_keeps_its_permissions(root):
    root.mkdir(parents=True)
    root.chmod(0o755)
    cache.get_or_build("yosys", KEY, write)
    assert stat.S_IMODE(root.stat().st_mode) == 0o755


def _build_slowly(together, queue) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "half").write_text("1")
        time.sleep(0.5)
        (folder / "other_half").write_text("2")

    together.wait()
    folder = cache.get_or_build("yosys", KEY, build).folder
    queue.put((len(built), names(folder), folder.stat().st_ino))


def processes_at_once(number: int) -> list[int]:
    """How often each of the processes built the entry; all found the same one, complete."""
    context = multiprocessing.get_context("fork")
    together, queue = context.Barrier(number), context.Queue()
    processes = [context.Process(target=_build_slowly, args=(together, queue)) for _ in range(number)]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=20) for _ in processes]
    for process in processes:
        process.join()
    assert all(found == ["entry.json", "half", "other_half"] for _, found, _ in answers)
    assert len({inode for _, _, inode in answers}) == 1
    return [times for times, _, _ in answers]


@pytest.mark.parametrize("number", [2, 8])
def test_processes_at_once_build_an_entry_once(root, number):
    assert sorted(processes_at_once(number)) == [0] * (number - 1) + [1]
    assert names(root / "yosys") == [KEY]


def test_without_locks_the_first_entry_stays(root, monkeypatch):
    def no_locks(*args) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(cache.fcntl, "flock", no_locks)
    assert sum(processes_at_once(3)) > 1
    assert names(root / "yosys") == [KEY]


def test_a_lock_that_a_killed_process_left_holds_nobody_up(root):
    (root / "yosys").mkdir(parents=True)
    (root / "yosys" / f"{KEY}.lock").touch()
    assert not cache.get_or_build("yosys", KEY, write).cached


def test_stored_files_are_known_by_name_and_content(root):
    first = cache.store({"a": b"1", "b": b"2"})
    assert first.parent == root / "data"
    assert cache.store({"b": b"2", "a": b"1"}) == first
    assert {(first / name).read_bytes() for name in "ab"} == {b"1", b"2"}
    others = [cache.store(files) for files in ({"a": b"1"}, {"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"})]
    assert len({first, *others}) == 4


def test_a_digest_changes_with_every_part(monkeypatch):
    parts = {"text": "a", "bytes": b"a", "numbers": [1, 2], "map": {"x": None, "y": ("z",)}}
    changes = [
        {"text": "b"},
        {"bytes": b"b"},
        {"bytes": "a"},
        {"numbers": [2, 1]},
        {"map": {"x": None, "y": ("w",)}},
        {"more": 0},
    ]
    digests = {cache.digest(**{**parts, **change}) for change in ({}, *changes)}
    assert len(digests) == 1 + len(changes)
    assert cache.digest(**dict(reversed(parts.items()))) in digests
    assert all(len(each) == 32 for each in digests)
    monkeypatch.setattr(cache, "FORMAT", 0)
    assert cache.digest(**parts) not in digests
    with pytest.raises(TypeError, match=r"key: PosixPath\('x'\); expected text, bytes, numbers"):
        cache.digest(file=Path("x"))


def test_digests_of_a_folder(tmp_path):
    (tmp_path / "below").mkdir()
    for name in ("one.h", "below/two.h", "below/other.txt"):
        (tmp_path / name).write_text(name)
    before = cache.folder_digests(tmp_path, (".h",))
    assert list(before) == ["below/two.h", "one.h"]
    (tmp_path / "below" / "other.txt").write_text("changed")
    assert cache.folder_digests(tmp_path, (".h",)) == before
    (tmp_path / "below" / "two.h").write_text("changed")
    after = cache.folder_digests(tmp_path, (".h",))
    assert after["one.h"] == before["one.h"] and after["below/two.h"] != before["below/two.h"]


def works_without(root: Path, caplog, why: str) -> None:
    """An entry is built in a temporary cache, once, with one line that names the cache."""
    first = cache.get_or_build("yosys", KEY, write)
    assert not first.folder.is_relative_to(root) and names(first.folder) == ["a.txt", "b.bin", "entry.json"]
    assert cache.get_or_build("yosys", KEY, refuse) == cache.Entry(first.folder, cached=True)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"cache folder {root} is not used: " in record.message and why in record.message
    assert "FINN_IMEC_CACHE may name another" in record.message


def test_a_cache_that_is_no_folder(root, caplog):
    root.parent.mkdir()
    root.touch()
    works_without(root, caplog, "File exists")


def test_a_cache_where_nothing_can_be_made(monkeypatch, caplog):
    monkeypatch.setenv("FINN_IMEC_CACHE", "/proc/finn_imec")
    works_without(Path("/proc/finn_imec"), caplog, "No such file or directory")


def test_a_kind_that_does_not_exist():
    with pytest.raises(
        ValueError, match="kind: 'models'; accepted are verilator, cppsim, yosys, place, fifos, data"
    ):
        cache.get_or_build("models", KEY, write)
