"""Which cells of a mapped netlist belong to a part of the design, such as its multipliers.

Synthesis keeps names of registers, memories and some other nets, but not their module: a net that leaves a
module keeps one of its names. The design as it was read still has every name, and $buf cells from a net to
its copies in other modules. A named net of the mapped netlist belongs to the part in which it is driven
there. A cell without a named output, such as most LUTs, belongs to a part if all its readers do and a net
that the part sees is among what it computes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Module = Mapping[str, Any]


def cells_of_parts(mapped: Module, read: Module, parts: Mapping[str, str]) -> dict[str, set[str]]:
    """Part -> names of its cells in `mapped`, a flattened and mapped module of a Yosys JSON netlist.

    read: the same module as it was read, flattened. parts: part -> pattern (fnmatch) of the paths of its
    instances; without an instance the part has no cells.
    """
    names = _Names(read)
    return {part: _Part(mapped, names, pattern).cells() for part, pattern in parts.items()}


class _Names:
    """The nets of a design as it was read: their names, and where they come from."""

    def __init__(self, module: Module) -> None:
        self.bits: dict[tuple[str, int], int] = {}
        self.names: dict[int, list[str]] = defaultdict(list)
        for name, wire in module["netnames"].items():
            if wire.get("hide_name") and "." not in name:
                continue  # of an expression
            for i, net in enumerate(wire["bits"]):
                if isinstance(net, int):
                    self.bits[name, i] = net
                    self.names[net].append(name.removeprefix("$"))
        self.copied: dict[int, int] = {}  # net -> the net of which it is a copy
        for cell in module["cells"].values():
            if cell["type"] == "$buf":
                pins = cell["connections"]
                self.copied.update(
                    (copy, net) for net, copy in zip(pins["A"], pins["Y"]) if isinstance(net, int)
                )

    def source(self, net: int) -> int:
        """The first net with a name of which `net` is a copy."""
        first = net
        while net in self.copied:
            net = self.copied[net]
            first = net if net in self.names else first
        return first


#: The reader of an output of the design.
_OUTSIDE = ""


class _Part:
    """The cells of one part."""

    def __init__(self, mapped: Module, names: _Names, pattern: str) -> None:
        inner = {
            net
            for net, known in names.names.items()
            if any(fnmatchcase(name, f"{pattern}.*") for name in known)
        }
        seen = {names.source(net) for net in inner}
        self.named: dict[int, bool] = {}  # net of the mapped netlist -> it is driven in the part
        self.seen: set[int] = set()  # nets of the mapped netlist that the part sees
        for name, wire in mapped["netnames"].items():
            for i, net in enumerate(wire["bits"]):
                if not isinstance(net, int) or (name, i) not in names.bits:
                    continue
                source = names.source(names.bits[name, i])
                self.named[net] = self.named.get(net, False) or source in inner
                if source in seen:
                    self.seen.add(net)
        self.driver: dict[int, str] = {}
        self.readers: dict[int, list[str]] = defaultdict(list)
        self.inputs: dict[str, list[int]] = {}
        self.outputs: dict[str, list[int]] = {}
        for name, cell in mapped["cells"].items():
            self.inputs[name], self.outputs[name] = [], []
            for pin, bits in cell["connections"].items():
                nets = [net for net in bits if isinstance(net, int)]
                if cell["port_directions"][pin] == "output":
                    self.outputs[name] += nets
                    self.driver.update((net, name) for net in nets)
                else:
                    self.inputs[name] += nets
                    for net in nets:
                        self.readers[net].append(name)
        for port in mapped["ports"].values():
            for net in port["bits"]:
                if port["direction"] == "output":
                    self.readers[net].append(_OUTSIDE)
        self.anonymous = {net for net, name in self.driver.items() if self._by_name(name) is None}

    def cells(self) -> set[str]:
        """Names of the cells."""
        named = {name: inside for name in self.inputs if (inside := self._by_name(name)) is not None}
        anonymous = [name for name in self.inputs if name not in named]
        computed = _resolve(anonymous, self._sources, self._computes_from_seen, {})
        found = _resolve(
            anonymous,
            lambda name: [reader for net in self.outputs[name] for reader in self.readers[net]],
            lambda name, readers: computed[name] and bool(readers) and all(readers),
            {**named, _OUTSIDE: False},
        )
        return {name for name, inside in found.items() if inside}

    def _by_name(self, cell: str) -> bool | None:
        """Whether a cell is in the part by the names of its outputs; None without a name."""
        known = [self.named[net] for net in self.outputs[cell] if net in self.named]
        return any(known) if known else None

    def _sources(self, cell: str) -> list[str]:
        """Cells without a named output that drive an input."""
        return [self.driver[net] for net in self.inputs[cell] if net in self.anonymous]

    def _computes_from_seen(self, cell: str, sources: list[bool]) -> bool:
        return any(sources) or any(net in self.seen for net in self.inputs[cell])


def _resolve(
    names: Iterable[str],
    needed: Callable[[str], list[str]],
    value: Callable[[str, list[bool]], bool],
    known: Mapping[str, bool],
) -> dict[str, bool]:
    """`value` of each name from the values of those that it needs; False in a loop."""
    found, begun = dict(known), set()
    for root in names:
        stack = [root]
        while stack:
            name = stack[-1]
            if name in found:
                stack.pop()
                continue
            begun.add(name)
            others = needed(name)
            waiting = [other for other in others if other not in found and other not in begun]
            if waiting:
                stack += waiting
                continue
            found[name] = value(name, [found.get(other, False) for other in others])
            stack.pop()
    return found
