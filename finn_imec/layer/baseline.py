"""FINN's pair by formula: its two activation memories and its cycles.

The pair is ConvolutionInputGenerator and MVAU (depthwise: VVAU) at the layer's folding.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, log2

from finn_imec.layer.geometry import ConvGeometry

#: Windows in flight after FINN's window generator if the MVU replays them, measured.
WINDOWS_AHEAD = 2.6
#: Windows between FINN's window generator and its multipliers with parallel_window: five in a StreamingFIFO
#: of depth two (its shift register is no shorter), and the one that MVAU_rtl replays.
PARALLEL_WINDOWS_AHEAD = 6


def replay_bits(layer: ConvGeometry, act_bits: int) -> int:
    """Bits of the replay buffer of FINN's MVU (finn-rtllib/mvu/replay_buffer.sv).

    0 if PE = MH, and for depthwise layers, where each window word is used once.
    """
    if layer.nf == 1 or layer.depthwise:
        return 0
    return int(2 ** ceil(log2(layer.sf))) * layer.simd * act_bits


def generator_bits(layer: ConvGeometry, act_bits: int) -> int:
    """Bits of the buffer of FINN's RTL generator, "default" style; "parallel" if SIMD > C.

    FINN rtl/convolutioninputgenerator_rtl.py, get_buffer_depth: the live pixels, plus slack so that inputs
    skipped by a stride load early; two words for a 1x1 kernel. "parallel" style has one pixel more than the
    live ones, in registers except for the rest of each line.
    """
    if layer.parallel_window:
        return (layer.live_pixels + 1) * layer.ifm_channels * act_bits
    if layer.kernel == (1, 1):
        return 2 * layer.word_channels * act_bits
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    slack = max(0, sw - 1 - kh * kw) + max(0, (sh - 1) * layer.ifm_dim[1] - kh * kw)
    return (layer.live_pixels + slack) * layer.ifm_channels * act_bits


@lru_cache(maxsize=4096)
def pair_cycles(layer: ConvGeometry) -> int:
    """Approximate cycles per frame of the pair in steady state, from measurements.

    The generator refills its buffer for each frame. The last window hides part of that and, if the MVU
    replays windows, so do the windows in flight.
    """
    if layer.parallel_window:
        return _parallel_window_cycles(layer)
    windows = 0 if layer.depthwise else layer.nf + WINDOWS_AHEAD * (layer.nf > 1)
    fill = max(0, layer.live_words - int(windows * layer.sf))
    h, w = layer.input_dim
    return max(layer.compute_cycles + fill, h * w * layer.ifm_channels // layer.simd_in)


def _parallel_window_cycles(layer: ConvGeometry) -> int:
    """Approximate cycles per frame of a pair with parallel_window=1.

    Bounded by the MVAU, by the input or, at the end of a row or frame, by the pixels until the next window,
    of which PARALLEL_WINDOWS_AHEAD hide some. A width converter in between adds some cycles.
    """
    (rows, columns), reads, row = layer.input_dim, layer.weight_words, layer.ofm_dim[1]
    seen = max(0, row - 1 - PARALLEL_WINDOWS_AHEAD) * reads  # reads of a row before the pixels
    cycles = sum(
        times * max(row * reads, seen + advance * layer.cycles_per_word + 2)
        for times, advance in zip(layer.window_steps[1:], layer.advance_words[1:], strict=True)
    )
    return max(cycles, rows * columns * layer.cycles_per_word)
