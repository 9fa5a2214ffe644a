"""The RTL's random cases through numpy, cppsim and rtlsim, the same vectors through all three.

    python benchmarks/hls_campaign.py [--cases 300] [--seed 0] [--batch 25] [--no-rtl]

The cases are those of `finn-imec verify --seed S`, with embedded weights. A batch of cases is one C++
program and one Verilator model. Prints every case that differs; exit code 1 if there is one.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import typer

from finn_imec import hls
from finn_imec.algorithms.reference import random_values, reference
from finn_imec.simulation.stimulus import Stimulus
from finn_imec.streams.words import encode
from finn_imec.verification.campaign import FRAMES, build_cases
from finn_imec.verification.cases import random_case


def main(cases: int = 300, seed: int = 0, batch: int = 25, rtl: bool = True) -> None:
    differing, start = [], time.perf_counter()
    for first in range(0, cases, batch):
        chosen = [random_case(seed, n) for n in range(first, min(first + batch, cases))]
        rng = np.random.default_rng([seed, first])
        ifms = [
            random_values(
                c.datapath.input_datatype, (FRAMES, *c.geometry.input_dim, c.geometry.ifm_channels), rng
            )
            for c in chosen
        ]
        words = [
            encode(x, c.datapath.input_datatype, c.geometry.simd_in)
            for c, x in zip(chosen, ifms, strict=True)
        ]
        expected = [
            encode(reference(c.datapath, x), c.datapath.output_datatype, c.geometry.pe)
            for c, x in zip(chosen, ifms, strict=True)
        ]
        designs = [hls.ImecHls(f"case_{i}", c.datapath) for i, c in enumerate(chosen)]
        with tempfile.TemporaryDirectory() as folder:
            program = hls.build(designs)
            sides = [
                [
                    hls.run(program, w, d.structure.out_bits, d.top)
                    for d, w in zip(designs, words, strict=True)
                ]
            ]
            if rtl:
                stimuli = [
                    Stimulus({"in0_V": w}, {"out0_V": len(e)}) for w, e in zip(words, expected, strict=True)
                ]
                results = build_cases(chosen, Path(folder)).run(stimuli)
                sides.append([result.outputs["out0_V"] for result in results])
        for name, outputs in zip(("cppsim", "rtlsim"), sides, strict=False):
            for case, out, want in zip(chosen, outputs, expected, strict=True):
                if not np.array_equal(out[:, : want.shape[1]], want):  # TDATA is whole bytes
                    differing.append(case)
                    print(f"{name} differs from numpy: {case}")
        print(f"{first + len(chosen)} cases, {time.perf_counter() - start:.0f} s", flush=True)
    sides = "numpy, cppsim and rtlsim" if rtl else "numpy and cppsim"
    print(f"{cases} cases x {FRAMES} frames: {sides}, {len(differing)} differences")
    if differing:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
