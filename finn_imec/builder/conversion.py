"""The report of a build's swap: what each pair was, what it became, and what that saves."""

from __future__ import annotations

import shlex
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.layer.estimate import RESOURCES
from finn_imec.util.errors import ModelError
from finn_imec.util.json_file import read_json

if TYPE_CHECKING:
    from finn_imec.transformation.infer_imec_conv import PairReport

#: Written by step_convert_to_imec and step_fold_imec, relative to the build's output_dir.
REPORT = "report/imec_conversion.json"
#: Commands that go on with a build's folder.
NEXT = ("simulate", "compare", "report")


@dataclass(frozen=True)
class Conversion:
    """A build's swap. part, clock_ns: what it is built for; None in reports that do not say.

    pairs: one per ConvolutionInputGenerator. next: commands that go on from here. equals_export: whether the
    built network computes what the export does, None if not compared; export_check: a line about that.
    joins: a line for each layer at which branches join, and one if FIFOs are not sized; None if nothing
    looked for them.
    """

    pairs: tuple[PairReport, ...]
    part: str | None = None
    clock_ns: float | None = None
    next: tuple[str, ...] = ()
    equals_export: bool | None = None
    export_check: str | None = None
    joins: tuple[str, ...] | None = None

    @property
    def total(self) -> dict[str, dict[str, int] | None]:
        """Estimates summed over the swapped pairs: {finn: .., imec: ..}, None without any."""
        swapped = [pair for pair in self.pairs if pair.swapped]
        return {side: _sum([getattr(pair, side) for pair in swapped]) for side in ("finn", "imec")}

    def as_dict(self) -> dict[str, Any]:
        """As in JSON."""
        return {
            "part": self.part,
            "clock_ns": self.clock_ns,
            "pairs": [asdict(pair) for pair in self.pairs],
            "total": self.total,
            "next": list(self.next),
            "equals_export": self.equals_export,
            "export_check": self.export_check,
            "joins": None if self.joins is None else list(self.joins),
        }


def _sum(estimates: Sequence[Mapping[str, int] | None]) -> dict[str, int] | None:
    """None unless every pair has an estimate."""
    if not estimates or None in estimates:
        return None
    return {key: sum(each[key] for each in estimates if each) for key in estimates[0] or {}}


def next_commands(folder: Path | str) -> tuple[str, ...]:
    """Commands that go on with the folder of a build."""
    return tuple(shlex.join(["finn-imec", command, str(folder)]) for command in NEXT)


def load_conversion(path: Path) -> Conversion:
    """A build's REPORT, also one from before it said anything but its pairs.

    Raises ModelError naming the file if it is missing or damaged.
    """
    content = read_json(path, (list, dict))
    if isinstance(content, list):
        return Conversion(pairs_of(content, path))
    pairs = pairs_of(content.get("pairs"), path)
    others = {
        "part": str | None,
        "clock_ns": float | int | None,
        "next": list[str] | None,
        "equals_export": bool | None,
        "export_check": str | None,
        "joins": list[str] | None,
    }
    for name, hint in others.items():
        _check(path, name, content.get(name), hint)
    fields = {name: content.get(name) for name in others}
    joins = fields["joins"]
    lists = {"next": tuple(fields["next"] or ()), "joins": None if joins is None else tuple(joins)}
    return Conversion(pairs, **{**fields, **lists})


def pairs_of(entries: Any, path: Path) -> tuple[PairReport, ...]:
    """The pairs of a file's JSON; ModelError naming the file if they are not the swap's report."""
    from finn_imec.transformation.infer_imec_conv import PairReport

    hints = typing.get_type_hints(PairReport)
    try:
        pairs = tuple(PairReport(**entry) for entry in entries)
    except TypeError as err:
        raise ModelError(f"{path}: not the swap's report ({err})") from err
    for pair in pairs:
        for name, value in vars(pair).items():
            _check(path, name, value, hints[name])
        for side in (pair.finn, pair.imec):
            if side is not None and set(side) != set(RESOURCES):
                raise ModelError(f"{path}: not the swap's report (resources are {', '.join(RESOURCES)})")
    return pairs


def _check(path: Path, name: str, value: Any, hint: Any) -> None:
    """Raise ModelError unless a value is of a type: one or more of JSON's, of lists and of objects."""
    accepted = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if not any(_is(value, each) for each in accepted):
        raise ModelError(f"{path}: not the swap's report ({name}={value!r})")


def _is(value: Any, hint: Any) -> bool:
    items = typing.get_args(hint)
    if not items:
        return isinstance(value, hint)
    if not isinstance(value, typing.get_origin(hint)):
        return False
    return all(isinstance(item, items[-1]) for item in (value.values() if len(items) == 2 else value))
