"""The unit that holds a layer's live pixels, and the cheapest folding that is fast enough with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.through import Through, passes_through
from finn_imec.layer.window import WindowUnit


@lru_cache(maxsize=4096)
def storage(layer: ConvGeometry) -> LineBuffer | WindowUnit | Through:
    """The unit of a layer; equal layers share one object, which caches its cycles."""
    if passes_through(layer):
        return Through(layer)
    return WindowUnit(layer) if layer.parallel_window else LineBuffer(layer)


def cheapest_folding(
    layer: ConvGeometry, max_cycles: int, accepted: Callable[[ConvGeometry], bool] | None = None
) -> tuple[int, int] | None:
    """The (SIMD, PE) with the fewest multipliers whose cycles_per_frame is at most max_cycles.

    accepted: whether a folded layer may be chosen; None: all may.

    Ties go to the larger SIMD (fewer accumulators and thresholds, a shallower buffer), but to one with a
    gearbox behind those without, and to SIMD > C last, because it keeps whole windows in registers. None if
    there is none.
    """
    input_cycles = layer.input_dim[0] * layer.input_dim[1] * layer.ifm_channels // layer.simd_in
    if input_cycles > max_cycles:
        return None
    channels = layer.ifm_channels
    for _, _, _, negative_simd, pe in sorted(
        (simd * pe, simd > channels, channels % simd > 0, -simd, pe) for simd, pe in layer.legal_foldings()
    ):
        folded = layer.with_folding(-negative_simd, pe)
        if folded.compute_cycles > max_cycles or not (accepted is None or accepted(folded)):
            continue  # The exact count takes longer to compute than its lower bound.
        if storage(folded).cycles_per_frame <= max_cycles:
            return folded.simd, folded.pe
    return None
