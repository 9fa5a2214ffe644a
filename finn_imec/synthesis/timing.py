"""Static timing of a mapped 7-series netlist before placement: cell delays of Yosys, wires by fan-out.

    period = max over paths of (clock to output + cells + wires + setup)

A wire costs WIRE_NS + WIRE_NS_PER_DOUBLING * log2(fan-out), or nothing if source and sink are in one slice:
LUT to its carry chain, multiplexer or register, carry to carry. Inputs come from registers outside, outputs
go to registers outside. Cell delays are those of speed grade -1 (`delays`). There is no placement, no clock
skew and no congestion: the period tells whether a clock is within reach, not what Vivado will report.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finn_imec.synthesis.delays import cell_delays

#: Wire model, see above.
WIRE_NS, WIRE_NS_PER_DOUBLING = 0.45, 0.05
#: Registers, and cells that are LUTs or are read like LUTs.
FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1")
_LUT_OUTPUTS = ("LUT", "INV")
_MEMORY_OUTPUTS = ("RAM32", "RAM64", "RAM128", "RAM256", "SRL")

Cells = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Hop:
    """A point of a path: output pin of a cell, or a port; fan-out of its net, and its arrival time in ns."""

    cell: str
    kind: str
    pin: str
    fanout: int
    at_ns: float


@dataclass(frozen=True)
class TimingPath:
    """A path from a register or input to a register or output. ns: its delay, setup included."""

    ns: float
    hops: tuple[Hop, ...]
    end: str
    end_kind: str
    end_pin: str

    @property
    def ends(self) -> tuple[str, str]:
        """("input" or "register", "output" or "register")."""
        start = "input" if self.hops[0].kind == "port" else "register"
        return start, "output" if self.end_kind == "port" else "register"

    def __str__(self) -> str:
        lines = [
            f"{hop.at_ns:7.3f} ns  {hop.kind:9} fan-out {hop.fanout:<5} {hop.cell}{hop.pin and '.'}{hop.pin}"
            for hop in self.hops
        ]
        return "\n".join(
            [*lines, f"{self.ns:7.3f} ns  {self.end_kind:9} setup          {self.end}.{self.end_pin}"]
        )


@dataclass(frozen=True)
class Timing:
    """paths: the longest for each kind of ends, the longest first."""

    paths: tuple[TimingPath, ...]

    @property
    def period_ns(self) -> float:
        """Delay of the longest path."""
        return self.paths[0].ns if self.paths else 0.0

    @property
    def passes_through(self) -> bool:
        """True if a path leads from an input to an output without a register."""
        return any(path.ends == ("input", "output") for path in self.paths)


def analyze(module: Mapping[str, Any]) -> Timing:
    """Timing of one flattened, mapped module of a Yosys JSON netlist.

    Raises UnsupportedError for a cell that is not a 7-series cell.
    """
    return _Netlist(module["cells"], module["ports"]).timing()


def wire_ns(fanout: int) -> float:
    """Delay of a wire between slices."""
    return WIRE_NS + WIRE_NS_PER_DOUBLING * math.log2(max(1, fanout))


@dataclass(frozen=True)
class _End:
    net: int
    cell: str
    kind: str
    pin: str
    setup: float


class _Netlist:
    """The timing graph of a netlist: nets, their drivers, arcs through cells, and end points of paths."""

    def __init__(self, cells: Cells, ports: Cells) -> None:
        self.driver: dict[int, tuple[str, str, str]] = {}  # net -> (cell, type, pin)
        self.fanout: dict[int, int] = defaultdict(int)
        self.start: dict[int, float] = {}  # net -> arrival time after the clock
        self.arcs: dict[int, list[tuple[int, float, str, str]]] = defaultdict(list)
        self.ends: list[_End] = []
        for name, cell in cells.items():
            if cell["type"] != "$scopeinfo":
                self._add_cell(name, cell)
        clocks = self._clocks(cells)
        for name, port in ports.items():
            self._add_port(name, port, clocks)

    def _add_cell(self, name: str, cell: Mapping[str, Any]) -> None:
        kind, directions = cell["type"], cell["port_directions"]
        delays = cell_delays(kind, cell.get("parameters", {}))
        inputs: dict[tuple[str, int | None], int] = {}
        for pin, bits in cell["connections"].items():
            for i, net in enumerate(bits):
                if not isinstance(net, int):
                    continue
                if directions[pin] == "output":
                    self.driver[net] = name, kind, pin
                    if pin in delays.clocked:
                        self.start[net] = delays.clocked[pin]
                    continue
                self.fanout[net] += 1
                for key in ((pin, i), (pin, None)):
                    if key in delays.setup:
                        self.ends.append(_End(net, name, kind, pin, delays.setup[key]))
                        break
                inputs[pin, i] = net
        for (pin, bit), sources in delays.arcs.items():
            outputs = cell["connections"].get(pin, ())
            for output in outputs if bit is None else outputs[bit : bit + 1]:
                if isinstance(output, int):
                    self._add_arcs(output, sources, inputs, name)

    def _add_arcs(
        self,
        output: int,
        sources: Mapping[tuple[str, int | None], float],
        inputs: Mapping[tuple[str, int | None], int],
        cell: str,
    ) -> None:
        for (pin, i), net in inputs.items():
            delay = sources.get((pin, i), sources.get((pin, None)))
            if delay is not None:
                self.arcs[output].append((net, delay, cell, pin))

    @staticmethod
    def _clocks(cells: Cells) -> set[int]:
        """Nets of clocks."""
        pins = ("C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK")
        return {net for cell in cells.values() for pin in pins for net in cell["connections"].get(pin, ())}

    def _add_port(self, name: str, port: Mapping[str, Any], clocks: set[int]) -> None:
        launched = cell_delays("FDRE", {}).clocked["Q"]
        for net in port["bits"]:
            if not isinstance(net, int) or net in clocks:
                continue
            if port["direction"] == "input":
                self.driver[net] = name, "port", ""
                self.start[net] = launched
            else:
                self.ends.append(_End(net, name, "port", "", 0.0))

    # ---- delays -------------------------------------------------------------------------------

    def _wire(self, net: int, kind: str, pin: str) -> float:
        """Delay from the net's driver to a pin of a cell of type `kind`."""
        if net not in self.driver:
            return 0.0
        source, output = self.driver[net][1:]
        lut = source.startswith(_LUT_OUTPUTS)
        register = kind in FLIP_FLOPS and pin == "D"
        if source == "CARRY4" and kind == "CARRY4" and pin == "CI":
            return 0.0
        if register and (lut or (source == "CARRY4" and output == "O")):
            return 0.0
        if self.fanout[net] == 1:
            into_carry = kind == "CARRY4" and pin in ("S", "DI")
            into_mux = kind in ("MUXF7", "MUXF8") and pin != "S"
            if lut and (into_carry or into_mux):
                return 0.0
            if source in ("MUXF7", "MUXF8") and (register or (kind == "MUXF8" and pin != "S")):
                return 0.0
            if register and source.startswith(_MEMORY_OUTPUTS):
                return 0.0
        return wire_ns(self.fanout[net])

    def timing(self) -> Timing:
        """The longest path for each kind of ends."""
        longest: dict[tuple[str, str], TimingPath] = {}
        arrival = {kind: self._arrivals(kind == "input") for kind in ("input", "register")}
        for start, (at, previous) in arrival.items():
            for finish, ends in (("register", False), ("output", True)):
                worst = max(self._lengths(at, ends), key=lambda each: each[0], default=None)
                if worst:
                    longest[start, finish] = self._path(*worst, at, previous)
        return Timing(tuple(sorted(longest.values(), key=lambda path: -path.ns)))

    def _lengths(self, at: Mapping[int, float | None], outputs: bool) -> Iterator[tuple[float, _End]]:
        for end in self.ends:
            arrived = at.get(end.net)
            if arrived is not None and (end.kind == "port") == outputs:
                yield arrived + self._wire(end.net, end.kind, end.pin) + end.setup, end

    def _arrivals(self, inputs: bool) -> tuple[dict[int, float | None], dict[int, int]]:
        """Arrival time of nets reached from registers or inputs, and the net before on the longest path."""
        at: dict[int, float | None] = {}
        previous: dict[int, int] = {}
        kinds = {cell: kind for cell, kind, _ in self.driver.values()}
        for root in dict.fromkeys(end.net for end in self.ends):
            stack = [root]
            while stack:
                net = stack[-1]
                if net in at:
                    stack.pop()
                    continue
                waiting = [source for source, *_ in self.arcs.get(net, ()) if source not in at]
                if waiting:
                    stack += waiting
                    continue
                from_input = net in self.driver and self.driver[net][1] == "port"
                best = self.start.get(net) if from_input == inputs else None
                for source, delay, cell, pin in self.arcs.get(net, ()):
                    arrived = at[source]
                    if arrived is None:
                        continue
                    through = arrived + self._wire(source, kinds[cell], pin) + delay
                    if best is None or through > best:
                        best, previous[net] = through, source
                at[net] = best
                stack.pop()
        return at, previous

    def _path(
        self, ns: float, end: _End, at: Mapping[int, float | None], previous: Mapping[int, int]
    ) -> TimingPath:
        nets = [end.net]
        while nets[-1] in previous:
            nets.append(previous[nets[-1]])
        hops = tuple(Hop(*self.driver[net], self.fanout[net], at[net] or 0.0) for net in reversed(nets))
        return TimingPath(ns, hops, end.cell, end.kind, end.pin)
