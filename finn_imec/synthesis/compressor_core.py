"""FINN's coming LUT core, a compressor tree, in a generated pair of FINN.

FINN's pull request 1560 brings a generator of compressor trees for MVAU_rtl. It is run here from a checkout
that the user names; nothing of it is in this package. FINN uses it for operands of two bits and more. For
BIPOLAR ones the same generator gets their bit products here, which FINN's flow does not do.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from finn_imec.baseline_rtl.finn_pair import FinnPair
from finn_imec.util.errors import ModelError, UnsupportedError
from finn_imec.util.templates import render

#: The folder of the generator's package in a checkout of FINN, and a file of it.
_SOURCES, _GENERATOR = Path("src", "finn"), Path("compressor", "src", "dotp_finn.py")
_CORE, _MVU = "finn_lut_core.sv", "mvu_vvu_axi.sv"
_PRIMITIVES, _TEMPLATE = "finn_compressor_primitives.sv", "finn_compressor_core.sv.j2"
#: Runs the generator; its last line is the tree's pipeline depth.
_DRIVER = """
import json, sys
from compressor.src.dotp_finn import generate_comp_module
from compressor.src.main import generate_compressor
from compressor.src.target import resolve_target
from compressor.src.utils.shape import Shape

call = json.loads(sys.argv[1])
target, tree = resolve_target("xc7z020clg400-1"), call["tree"]
if "operands" in call:
    delay = generate_comp_module(target, *call["operands"], call["accumulator"], 1, ".", tree)[2]
else:
    shape = Shape(map(len, call["gates"]))
    delay = generate_compressor(
        target, shape, tree, 1, True, call["accumulator"], call["gates"], call["constants"],
        tree + ".sv", False, True,
    )
print(delay)
"""

#: A bit of a lane: of its activation "a" or its weight "w"; None is 0.
Bit = tuple[str, int] | None
#: Name, bits and sign of a lane's activation or weight.
Operand = tuple[str, int, bool]
#: The inputs of a gate of two: the lower and the higher one of its truth table.
Gate = tuple[Bit, Bit]


def with_compressor_core(pair: FinnPair, checkout: Path) -> FinnPair:
    """The pair, generated with core="lut", with FINN's compressor tree as its core, in its folder.

    checkout: of FINN's pull request 1560 (github.com/Xilinx/finn, ref pull/1560/head) or later. The tree has
    a register behind every level, as FINN generates it.

    Raises ModelError if `checkout` has no such generator or if that fails, UnsupportedError for a pair with
    another core, and for a depthwise one.
    """
    sources = {path.name: path for path in map(Path, pair.design.sources)}
    if _CORE not in sources or "finn_lut_vvu.sv" in sources:
        raise UnsupportedError(
            "FINN's compressor tree: accepted are layers that are not depthwise, with core 'lut'"
        )
    generator = Path(checkout) / _SOURCES / _GENERATOR
    if not generator.is_file():
        raise ModelError(
            f"checkout={checkout} has no {_SOURCES / _GENERATOR}: accepted is a checkout of FINN's pull "
            "request 1560 (git fetch https://github.com/Xilinx/finn pull/1560/head)"
        )
    folder, mvu = sources[_CORE].parent, sources[_MVU].read_text()
    numbers = {
        name: int(value)
        for name, value in re.findall(
            r"\bparameter\s+(\w+) = (\d+),", sources["finn_mvu_wrapper.v"].read_text()
        )
    }
    product = re.findall(r'\.PRODUCT\("(\w+)"\)', mvu)[0]
    simd, accumulator = numbers["SIMD"], numbers["ACCU_WIDTH"]
    widths = numbers["ACTIVATION_WIDTH"], numbers["WEIGHT_WIDTH"], bool(numbers["SIGNED_ACTIVATIONS"])
    lane = _columns(product, *widths)
    tree = f"finn_compressor_{product.lower()}_{simd}x{widths[0]}x{widths[1]}"
    call = {"tree": tree, "accumulator": accumulator}
    if product == "SIGNED":
        (_, na, sa), (_, nb, sb) = _by_width(*widths)
        call["operands"] = [simd, na, nb, sa, sb]
    else:
        gates, constant = _gates(product, *widths)
        sum_of_constants = simd * constant % 2**accumulator
        call["gates"] = [list(column) * simd for column in gates]
        call["constants"] = [sum_of_constants >> i & 1 for i in range(accumulator)] if constant else []
    delay = _generate(Path(checkout), folder, call)
    core = render(
        Path(__file__).with_name(_TEMPLATE),
        name=tree, simd=simd, accumulator=accumulator, delay=delay, bits=_wires(lane, simd),
    )  # fmt: skip
    (folder / _CORE).write_text(core)
    (folder / _PRIMITIVES).write_bytes(files(__package__).joinpath(_PRIMITIVES).read_bytes())
    sources[_MVU].write_text(mvu.replace("CORE_PIPELINE_DEPTH = 2;", f"CORE_PIPELINE_DEPTH = {delay};"))
    generated = folder / f"{tree}.sv"
    generated.write_text(_small_luts_as_logic(generated.read_text()))
    added = (folder / _PRIMITIVES, generated)
    return replace(pair, design=replace(pair.design, sources=(*added, *pair.design.sources)))


def _generate(checkout: Path, folder: Path, call: dict) -> int:
    """Run the generator in `folder`; returns the tree's pipeline depth."""
    result = subprocess.run(
        [sys.executable, "-c", _DRIVER, json.dumps(call)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str((checkout / _SOURCES).resolve())},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no output"])[-1]
        raise ModelError(f"checkout={checkout}: its compressor generator failed: {reason}")
    return int(result.stdout.split()[-1])


def _small_luts_as_logic(text: str) -> str:
    """A generated tree with formulas in place of LUT2 and LUT5, for which Yosys has no black box here."""
    for n in (2, 5):
        text, found = re.subn(rf"\bLUT{n} #", f"finn_compressor_lut{n} #", text)
        if found:
            ports = [f"I{i}" for i in range(n)]
            text += (
                f"\nmodule finn_compressor_lut{n} #(bit [{2**n - 1}:0]  INIT = 0)"
                f"(output logic  O, input logic  {', '.join(ports)});\n"
                f"	assign	O = INIT[{{ {', '.join(reversed(ports))} }}];\nendmodule\n"
            )
    return text


def _columns(product: str, activation_bits: int, weight_bits: int, signed: bool) -> list[list[Gate]]:
    """The gates of one lane by their power of two.

    SIGNED: as FINN's mul_comp_map numbers them. A sum of BIPOLAR products +-x is one of x ^ m and m, with m
    all ones for -1.
    """
    if product == "XNOR":
        return [[(("a", 0), ("w", 0))]]
    if product == "SIGNED":
        (x, nx, sx), (y, ny, sy) = _by_width(activation_bits, weight_bits, signed)
        columns: list[list[Gate]] = [
            [((y, j), (x, column - j)) for j in range(max(0, column - nx + 1), min(ny - 1, column) + 1)]
            for column in range(nx + ny - 1)
        ]
        if sy:
            columns[ny].insert(0, ((y, ny - 1), (x, 0)))
            if not sx:
                columns.append([((y, ny - 1), None)])
        return columns
    x, sign, bits, signed = _signs(product, activation_bits, weight_bits, signed)
    columns = [[((x, i), sign)] for i in range(bits)]
    columns[0].append((sign, sign))
    return columns if signed else [*columns, [(sign, sign)]]


def _by_width(activation_bits: int, weight_bits: int, signed: bool) -> tuple[Operand, Operand]:
    """The multiplicand, the wider operand, and the multiplier. Weights are signed."""
    a, w = ("a", activation_bits, signed), ("w", weight_bits, True)
    return (w, a) if weight_bits >= activation_bits else (a, w)


def _gates(product: str, *widths: int) -> tuple[list[list[str]], int]:
    """Truth tables of BIPOLAR products' gates, in the order of _columns, and the constant of a lane."""
    if product == "XNOR":
        return [["9"]], 0
    *_, bits, signed = _signs(product, *widths)
    columns = [["9"] for _ in range(bits)]  # x ^ !sign
    columns[0].append("7")  # !sign
    if signed:  # the highest bit counts -2**(bits-1): its inverse counts that more
        columns[-1][0] = "6"
        return columns, -(2 ** (bits - 1))
    return [*columns, ["8"]], -(2**bits)


def _signs(product: str, activation_bits: int, weight_bits: int, signed: bool) -> tuple[str, Bit, int, bool]:
    """The operand that a BIPOLAR one keeps or negates, that one's bit, and the operand's width and sign."""
    if product == "BIPOLAR":
        return "a", ("w", 0), activation_bits, signed
    return "w", ("a", 0), weight_bits, True


def _wires(lane: Sequence[Sequence[Gate]], simd: int) -> list[tuple[str, str]]:
    """Both inputs of all gates of the tree, in SystemVerilog: by column, then by lane."""

    def wire(bit: Bit, number: int) -> str:
        if bit is None:
            return "1'b0"
        operand, index = bit
        return f"{'w[pe]' if operand == 'w' else 'a'}[{number}][{index}]"

    return [
        (wire(low, number), wire(high, number))
        for column in lane
        for number in range(simd)
        for low, high in column
    ]
