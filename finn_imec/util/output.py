"""Output folders that are complete or absent."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from finn_imec.util import interrupts
from finn_imec.util.errors import ModelError

#: Start of the names of folders inside an output folder, in which its files are written.
UNFINISHED = ".unfinished-"

#: Errors of a write without space; other errors inside a block are not the folder's.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def output_folder(output: Path, marker: str) -> Iterator[Path]:
    """A folder to write into; its files move to `output` if the block succeeds.

    `output` is new, empty, or from an earlier run, as its file `marker` proves. Nothing in it changes before
    success, and an exception leaves nothing there. Raises ModelError naming `output` if it has other files or
    cannot be written.
    """
    output = Path(output).absolute()
    scratch = make_scratch(output, {marker})
    try:
        yield scratch
        try:
            relocate(scratch, output)
            replace_files(scratch, output)
        except OSError as err:
            raise _unwritable(output, err) from err
    except OSError as err:
        if err.errno not in _NO_ROOM:
            raise
        raise _unwritable(output, err) from err
    finally:
        interrupts.remove(scratch)


def make_scratch(output: Path, markers: set[str]) -> Path:
    """A fresh folder inside `output` to write in; `interrupts.remove` removes it, and `output` if empty.

    Inside, not next to it: `output` may be a mount point, or its parent read-only.
    """
    created = False
    try:
        created = not output.exists()
        output.mkdir(parents=True, exist_ok=True)
        entries = {path.name for path in output.iterdir()}
        left = {
            name
            for name in entries
            if name.startswith(UNFINISHED) and interrupts.remove_if_left(output / name)
        }
        entries -= left
        if any(name.startswith(UNFINISHED) for name in entries):
            raise ModelError(f"output folder {output} is being written by another process: accepted is one")
        if entries and not entries & markers:
            raise ModelError(
                f"output folder {output} holds other files; accepted is a new or empty folder, or "
                "the output of an earlier run"
            )
        ours = created or (left and not entries)  # made by this run, or by a killed one
        return interrupts.make_unfinished(output, UNFINISHED, output if ours else None)
    except OSError as err:
        if created:
            with contextlib.suppress(OSError):
                output.rmdir()
        raise _unwritable(output, err) from err


def _unwritable(output: Path, err: OSError) -> ModelError:
    return ModelError(f"output folder {output}: cannot be written ({err.strerror})")


def replace_files(scratch: Path, output: Path, stale: Collection[str] = ()) -> None:
    """Move everything from `scratch` to `output`, replacing the files of an earlier run.

    Other files in `output` stay, but for those named in `stale`. Replaced files end up in `scratch`.
    """
    earlier = scratch / "earlier"
    earlier.mkdir()
    with interrupts.uninterrupted():
        made = [path for path in scratch.iterdir() if path != earlier]
        for new in made:
            old = output / new.name
            if os.path.lexists(old):
                os.replace(old, earlier / new.name)
            os.replace(new, old)
        for name in set(stale) - {path.name for path in made}:
            if os.path.lexists(output / name):
                os.replace(output / name, earlier / name)


def relocate(scratch: Path, output: Path) -> None:
    """Change the absolute paths that FINN wrote into models, Verilog and scripts to the final ones."""
    import onnx

    old, new = str(scratch).encode(), str(output).encode()

    def relocate_properties(holder: onnx.ModelProto | onnx.GraphProto) -> None:
        for entry in getattr(holder, "metadata_props", ()):  # graphs have them from ONNX 1.16 on
            entry.value = entry.value.replace(str(scratch), str(output))

    def relocate_graph(graph: onnx.GraphProto) -> None:
        relocate_properties(graph)
        for attribute in (a for node in graph.node for a in node.attribute):
            if attribute.HasField("s"):  # setting it on another type, even to nothing, makes that invalid
                attribute.s = attribute.s.replace(old, new)
            attribute.strings[:] = [s.replace(old, new) for s in attribute.strings]
            if attribute.HasField("g"):
                relocate_graph(attribute.g)

    for path in scratch.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if old not in content:
            continue
        if path.suffix == ".onnx":
            model = onnx.load_from_string(content)
            relocate_graph(model.graph)
            relocate_properties(model)
            path.write_bytes(model.SerializeToString())
        elif b"\0" not in content:
            path.write_bytes(content.replace(old, new))
