"""Convolution algorithms in NumPy, side by side: what they compute and the memory they lower into.

    from finn_imec.algorithms import ALGORITHMS, run
    result = ALGORITHMS["imec_gather"](ifm, weights, geometry)   # result.ofm, .lowering_bytes
    run("imec_gather", geometry, batch=2, seed=1)                # checked, timed, memory beside formula

To test an algorithm of your own, write the two functions of an `Algorithm` and register it:

    def convolve(ifm, weights, geometry):           # (N, H, W, C), (K_h*K_w*C, M), ConvGeometry
        lowered = np.empty(..., ifm.dtype)          # the memory to be measured, reused by each frame
        ofm = np.empty((len(ifm), *geometry.ofm_dim, geometry.mh), weights.dtype)
        ...
        return ConvResult.of(ofm, lowered)

    def lowering_elements(geometry):                # what `lowered.size` must be
        return ...

    ALGORITHMS["mine"] = Algorithm(convolve, lowering_elements)
    assert run("mine", geometry)["correct"]

The lowering memory is that of one frame, as frames are lowered one after the other; it holds inputs,
or, with imec_scatter, accumulators. Not counted, as every algorithm has them: input, weights, output,
and the operands of the product being computed, which NumPy may convert.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from finn_imec.algorithms import direct, im2col, imec, mec
from finn_imec.algorithms.base import Algorithm, ConvResult
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, UnsupportedError

__all__ = ["ALGORITHMS", "Algorithm", "ConvResult", "get_algorithm", "lowering_elements", "run"]

ALGORITHMS: dict[str, Algorithm] = {
    "direct": Algorithm(direct.convolve, direct.lowering_elements, depthwise=True),
    "im2col": Algorithm(im2col.convolve, im2col.lowering_elements),
    "mec": Algorithm(mec.convolve, mec.lowering_elements),
    "imec_row": Algorithm(imec.row, imec.row_elements),
    "imec_gather": Algorithm(imec.gather, imec.gather_elements),
    "imec_scatter": Algorithm(imec.scatter, imec.scatter_elements),
}


def get_algorithm(name: str) -> Algorithm:
    """The algorithm registered as `name`; raises UnsupportedError naming those that are."""
    if name not in ALGORITHMS:
        raise UnsupportedError(f"algorithm={name!r}: accepted are {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]


def lowering_elements(name: str, geometry: ConvGeometry) -> int:
    """Elements of the lowering memory of algorithm `name`, by its formula."""
    return get_algorithm(name).lowering_elements(geometry)


def run(name: str, geometry: ConvGeometry, batch: int = 1, seed: int = 0) -> dict[str, Any]:
    """Run an algorithm on `batch` frames of random int8 inputs and weights.

    Returns algorithm, geometry (fields by name), batch, seed, seconds, reference (the algorithm that
    it was compared with: direct, or im2col for direct itself), correct (equal in every element and
    lowering_bytes as the formula says), lowering_bytes (allocated) and formula_bytes.
    Raises UnsupportedError for an unknown name, GeometryError for a batch or seed out of range.
    """
    algorithm = get_algorithm(name)
    if batch < 1:
        raise GeometryError(f"batch={batch}: must be at least 1")
    if seed < 0:
        raise GeometryError(f"seed={seed}: must be at least 0")
    rng = np.random.default_rng(seed)
    frames = (batch, *geometry.input_dim, geometry.ifm_channels)
    ifm = rng.integers(-128, 128, frames, dtype=np.int8)
    weights = rng.integers(-128, 128, (geometry.mw, geometry.mh), dtype=np.int8)

    start = time.perf_counter()
    result = algorithm(ifm, weights, geometry)
    seconds = time.perf_counter() - start

    reference = "im2col" if name == "direct" else "direct"
    expected = ALGORITHMS[reference](ifm, weights, geometry).ofm
    formula_bytes = algorithm.lowering_elements(geometry) * result.element_bytes
    return {
        "algorithm": name,
        "geometry": asdict(geometry),
        "batch": batch,
        "seed": seed,
        "seconds": seconds,
        "reference": reference,
        "correct": np.array_equal(result.ofm, expected) and result.lowering_bytes == formula_bytes,
        "lowering_bytes": result.lowering_bytes,
        "formula_bytes": formula_bytes,
    }
