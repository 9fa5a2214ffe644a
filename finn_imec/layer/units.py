"""The unit that holds a layer's live pixels, and the cheapest folding that is fast enough with it."""

from __future__ import annotations

from functools import lru_cache

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.window import WindowUnit


@lru_cache(maxsize=4096)
def storage(layer: ConvGeometry) -> LineBuffer | WindowUnit:
    """The unit of a layer; equal layers share one object, which caches its cycles."""
    return WindowUnit(layer) if layer.parallel_window else LineBuffer(layer)


def cheapest_folding(layer: ConvGeometry, max_cycles: int) -> tuple[int, int] | None:
    """The (SIMD, PE) with the fewest multipliers whose cycles_per_frame is at most max_cycles.

    Ties go to the larger SIMD (fewer accumulators and thresholds, a shallower buffer), but to SIMD > C last,
    because it keeps whole windows in registers. None if even the widest folding is too slow.
    """
    input_cycles = layer.input_dim[0] * layer.input_dim[1] * layer.ifm_channels // layer.simd_in
    if input_cycles > max_cycles:
        return None
    for _, _, negative_simd, pe in sorted(
        (simd * pe, simd > layer.ifm_channels, -simd, pe) for simd, pe in layer.legal_foldings()
    ):
        folded = layer.with_folding(-negative_simd, pe)
        # The exact count takes longer to compute than its lower bound.
        if folded.compute_cycles <= max_cycles and storage(folded).cycles_per_frame <= max_cycles:
            return folded.simd, folded.pe
    return None
