"""Digests of generated text and figures, to prove that a change of structure changes nothing else.

    python tests/generated.py            compare with tests/generated.json, print differences
    python tests/generated.py --write    accept the present digests

Random layers, the layers of CNV and, where FINN_IMEC_DATA has them, the nodes of the trained networks: for
each the RTL wrapper with its memory files, the HLS sources without the library, cycles and estimates.
A digest that changes on purpose is rewritten in a separate commit that says why.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from qonnx.core.datatype import DataType

from finn_imec.hls.generate import ImecHls
from finn_imec.layer import baseline
from finn_imec.layer.core import DEFAULT_DSP_BLOCK
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.memories import MEM_MODES
from finn_imec.layer.structure import Structure
from finn_imec.layer.units import storage
from finn_imec.rtl.generate import ImecRtl
from finn_imec.synthesis.layer_sets import cnv_layers, padded_layers
from finn_imec.verification.cases import random_case

RECORD = Path(__file__).with_name("generated.json")
#: Campaign seed of the random layers, and their number.
SEED, CASES = 170, 168
#: Layers whose Yosys counts are also recorded: random ones, and two of CNV's with block RAM.
COUNTED = (
    *(f"random {number}" for number in (0, 3, 7, 12, 21, 33, 45, 60, 81, 100)),
    "cnv-w2a2 2 bit lut L5",
    "cnv-w2a2 4 bit dsp L5",
)
TRAINED = ("cnvW1A1", "cnvW1A2", "cnvW2A2")


def designs() -> Iterator[tuple[str, ImecRtl]]:
    """(name, IMECConv in RTL) of all layers except the trained networks'."""
    for number in range(CASES):
        case = random_case(SEED, number, MEM_MODES)
        path = case.datapath
        if case.mem_mode == "internal_decoupled" and number % 2:
            odt = path.output_datatype if path.structure.steps else DataType["INT64"]
            path = replace(path, runtime_weights=True, output_datatype=odt)
        yield f"random {number}", ImecRtl("top", path, mem_mode=case.mem_mode)
    for folding, bits, core in (
        ("cnv-w1a1", 1, "lut"),
        ("cnv-w2a2", 2, "lut"),
        ("cnv-w2a2", 4, "dsp"),
        ("cnv-w1a1", 4, "dsp"),
    ):
        for i, layer in enumerate(cnv_layers(folding, bits)):
            path = replace(layer.datapath(), res_type=core)
            yield f"{folding} {bits} bit {core} L{i}", ImecRtl("top", path)
    for i, layer in enumerate(padded_layers(4)):
        yield f"padded L{i}", ImecRtl("top", layer.datapath())


def trained_designs() -> Iterator[tuple[str, ImecRtl, dict[str, int]]]:
    """(name, IMECConv in RTL, estimates given to FINN) of each node of the available trained networks."""
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.custom_op import imec_nodes
    from finn_imec.networks.cnv import build_cnv
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    for network in TRAINED:
        file = data_folder() / "cnv-cifar10" / f"{network}.npz"
        if not file.is_file():
            continue
        model = swap_pairs(build_cnv(file))
        for node in imec_nodes(model):
            inst = getCustomOp(node)
            told = {
                name: int(getattr(inst, name)())
                for name in (
                    *("get_exp_cycles", "lut_estimation", "bram_estimation", "dsp_estimation"),
                    *("get_instream_width", "get_outstream_width", "calc_wmem", "calc_tmem"),
                )
            }
            yield f"{network} {node.name}", ImecRtl("top", inst.constant_datapath(model)), told


def data_folder() -> Path:
    """The folder where tests and benchmarks look for trained networks."""
    here = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("FINN_IMEC_DATA", here))


def estimate(rtl: ImecRtl) -> Estimate:
    """Estimates of a design from a node's attributes."""
    path, known = rtl.datapath, rtl.structure
    return Estimate(
        Structure.of_any_weights(
            path.geometry,
            path.core.activation,
            path.core.weight,
            known.acc_bits,
            known.output_bits,
            known.steps,
            path.runtime_weights,
            path.res_type,
            path.dsp_block,
            mem_mode=rtl.mem_mode,
        )
    )


def record(rtl: ImecRtl) -> dict[str, str]:
    """Kind of generated output -> digest."""
    path: Datapath = rtl.datapath
    g, guess, stages = path.geometry, estimate(rtl), path.structure.pipeline_stages
    unit = storage(g)
    with tempfile.TemporaryDirectory() as folder:
        rtl.generate(Path(folder))
        here = str(Path(folder).resolve())
        files = {p.name: p.read_text().replace(here, "") for p in sorted(Path(folder).iterdir())}
    result = {
        "rtl": _digest(files),
        "cycles": _digest([unit.cycles_per_frame, path.total_cycles(3), baseline.pair_cycles(g)]),
        "latency": _digest([stages, unit.first_output_latency(stages)]),
        "buffers": _digest(
            [
                unit.words,
                baseline.generator_bits(g, 4),
                baseline.replay_bits(g, 4),
                unit.dual_port,
            ]
        ),
        "estimate": _digest(
            [guess.luts, guess.core_luts, guess.memory_luts, guess.bram18, guess.dsp, guess.uram]
        ),
    }
    if not path.runtime_weights and rtl.mem_mode == "internal_embedded":
        sources = ImecHls("top", path).sources()
        sources.pop("imec.hpp")  # the library, no generated text
        result["hls"] = _digest(sources)
    return result


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def counts(rtl: ImecRtl) -> dict[str, int]:
    """Cells that Yosys maps the design to, by type, with the block RAM and the DSP slices of 7-series."""
    from finn_imec.synthesis.yosys import count

    path, g = replace(rtl.datapath, dsp_block=DEFAULT_DSP_BLOCK), rtl.datapath.geometry
    if g.buffer_style == "ultra":
        path = replace(path, geometry=replace(g, buffer_style="block"))
    rtl = replace(rtl, datapath=path)
    with tempfile.TemporaryDirectory() as folder:
        return count(rtl.generate(Path(folder)), flows=("default",))["cells"]


def all_records() -> dict[str, dict[str, str]]:
    """Layer -> `record`, in order, without Yosys."""
    records = {name: record(rtl) for name, rtl in designs()}
    for name, rtl, told in trained_designs():
        records[name] = record(rtl) | {"node": _digest(told)}
    return records


def main() -> int:
    """Compare or write; 1 if something differs."""
    now = {
        "digests": all_records(),
        "cells": {name: counts(rtl) for name, rtl in designs() if name in COUNTED},
    }
    if "--write" in sys.argv:
        RECORD.write_text(json.dumps(now, indent=1) + "\n")
        return 0
    before = json.loads(RECORD.read_text())
    changed = [
        f"{part}, {name}"
        for part in before
        for name in before[part] | now[part]
        if before[part].get(name) != now[part].get(name)
    ]
    print("\n".join(changed) or "nothing changed")
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
