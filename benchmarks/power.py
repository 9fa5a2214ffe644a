"""A proxy for dynamic power: signal toggles in RTL simulation, FINN's pair beside IMECConv.

    python benchmarks/power.py [cnv-w1a1] [--bits 1] [--layers 0,1,2,3,4,5] [--json]
    python benchmarks/power.py --vivado-report FINN.rpt --vivado-report IMEC.rpt [--json]

A layer set of `finn-imec compare --layers` with random weights; the same frames through both sides,
unstalled, every output compared with plain convolution. Counts how often the bits of all signals change
in the second of two frames, which is steady state. No capacitances, no netlist: a ratio of activity, not
of watts. With texts of Vivado's report_power their watts are printed instead.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from toggles import count_toggles, parse_vivado_power

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.layer.arrivals import Arrivals
from finn_imec.simulation.model import Model
from finn_imec.simulation.stimulus import SimulationError, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.words import encode, round_up_to_bytes, unpack
from finn_imec.synthesis.comparison import Layer, default_core, generate_both
from finn_imec.synthesis.layer_sets import named_layers
from finn_imec.synthesis.stamp import code_digest

TITLE = "proxy: signal toggles in RTL simulation, no capacitance"
FRAMES = 2


def measure(layer: Layer, folder: Path) -> dict[str, Any]:
    """{layer, bits, finn: {cycles, bits, toggles}, imec: {..}, ratio}; toggles of the second frame."""
    g, path = layer.geometry, layer.datapath()
    rng = np.random.default_rng(1)
    ifm = random_values(layer.input_datatype, (FRAMES, *g.input_dim, g.ifm_channels), rng)
    expected = reference(path, ifm).reshape(-1, g.pe)
    stimulus = Stimulus(
        {"in0_V": encode(ifm, layer.input_datatype, g.simd_in)},
        {"out0_V": len(expected)},
        timeout=20_000,
        allow_extra=Arrivals(g).runs_ahead,
    )
    pair, imec = generate_both(layer, default_core(layer), folder)
    row: dict[str, Any] = {"layer": layer.name, "bits": layer.bits}
    for side, of in (("finn", pair), ("imec", imec)):
        model, vcd = build([of.design], trace="vcd"), folder / f"{side}.vcd"
        result = _run(model, stimulus)
        words = result.outputs["out0_V"][:, : round_up_to_bytes(g.pe * of.out_bits) // 8]
        signed = bool(path.output_datatype.signed())
        if (unpack(words, g.pe, of.out_bits, signed) != expected).any():
            raise SimulationError(f"{layer.name}: {side} output differs from plain convolution")
        # The last word of a frame ends it.
        first, last = (result.output_cycle["out0_V"].reshape(FRAMES, -1)[:, -1] + 1).tolist()
        _run(model, stimulus, waves=vcd, waves_cycles=(first, last))
        row[side] = {"cycles": last - first, **vars(count_toggles(vcd))}
        vcd.unlink()
    row["ratio"] = row["imec"]["toggles"] / row["finn"]["toggles"]
    return row


def _run(model: Model, stimulus: Stimulus, **options: Any) -> Any:
    (result,) = model.run([stimulus], **options)
    return result


def show(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table("layer", "bits", "", "cycles", "signal bits", "toggles a frame", title=TITLE)
    for row in rows:
        for side in ("finn", "imec"):
            numbers = (f"{row[side][key]:,}" for key in ("cycles", "bits", "toggles"))
            table.add_row(row["layer"], row["bits"], side, *numbers)
        table.add_row("", "", "ratio", "", "", f"{row['ratio']:.2f}")
    console.print(table)


def main(
    name: Annotated[str, typer.Argument()] = "cnv-w1a1",
    bits: int = 1,
    layers: str = "0,1,2,3,4,5",
    vivado_report: Annotated[list[Path] | None, typer.Option(exists=True, dir_okay=False)] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    if vivado_report:
        watts = {str(path): parse_vivado_power(path.read_text()) for path in vivado_report}
        print(json.dumps(watts, indent=2))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(layer, Path(folder, str(number)))
            for number, layer in enumerate(chosen(name, bits, layers))
        ]
    if as_json:
        print(json.dumps({"proxy": TITLE, "code": code_digest(), "rows": rows}, indent=2))
    else:
        show(Console(), rows)


def chosen(name: str, bits: int, numbers: str) -> list[Layer]:
    """The layers of a set that --layers names."""
    known = dict(enumerate(named_layers(name, bits)))
    indices = [int(text) if text.isdecimal() else text for text in numbers.split(",")]
    if unknown := [index for index in indices if index not in known]:
        raise typer.BadParameter(f"--layers: {unknown[0]!r}; accepted are {[*known]}")
    return [known[index] for index in indices]


if __name__ == "__main__":
    typer.run(main)
