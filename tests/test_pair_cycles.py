"""Cycles of FINN's pair: the same as those of stepping through every word."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stepping import stepped
from strategies import geometries

from finn_imec.layer import pair_cycles as module
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.pair_cycles import pair_cycles

Folding = tuple[ConvGeometry, int, int, int, bool]


@st.composite
def pairs(draw: st.DrawFn) -> Folding:
    """A layer's arguments of pair_cycles: any folding, width converters and whole windows included."""
    layer = draw(geometries(4, 24, 4, with_depthwise=True))
    whole = not layer.depthwise and draw(st.integers(0, 3)) == 0
    pe = draw(st.sampled_from(divisors(layer.mh)))
    word = layer.ifm_channels if whole else draw(st.sampled_from([pe, *divisors(layer.ifm_channels)]))
    if layer.ifm_channels % word:
        word = layer.ifm_channels
    simds = [1, *divisors(layer.mw)] if layer.depthwise else [word, *divisors(layer.mw)]
    return layer, draw(st.sampled_from(simds)), pe, word, whole


@settings(max_examples=400)
@given(pairs())
@example((ConvGeometry((3, 1), (13, 29), 2, 12, (1, 4), (3, 1), simd_in=1), 3, 3, 1, False))
@example((ConvGeometry((1, 4), (11, 17), 2, 2, (1, 3), (1, 2), simd_in=1, depthwise=True), 1, 1, 2, False))
def test_cycles_are_those_of_every_word(pair):
    assert pair_cycles(*pair) == stepped(*pair)


LARGE = [
    (ConvGeometry((3, 3), (60, 20), 8, 8, (2, 2), (2, 2)), 2, 4, 2),
    (ConvGeometry((3, 3), (34, 34), 16, 16, simd_in=2), 4, 4, 4),
    (ConvGeometry((3, 3), (57, 57), 3, 32, (2, 2)), 3, 16, 1),
    (ConvGeometry((3, 3), (41, 41), 16, 16, (2, 2), depthwise=True, simd_in=2), 1, 4, 4),
    (ConvGeometry((3, 3), (30, 30), 8, 8, simd_in=8), 72, 4, 8, True),
    (ConvGeometry((1, 1), (40, 40), 8, 8, (3, 3)), 2, 4, 2),
    (ConvGeometry((1, 5), (1, 500), 4, 8, (1, 2)), 2, 4, 4),
    (ConvGeometry((5, 1), (500, 1), 4, 8), 4, 2, 4),
    (ConvGeometry((2, 2), (47, 45), 4, 8, (5, 4), simd_in=1), 4, 2, 4),
]


@pytest.mark.parametrize("pair", LARGE)
def test_cycles_where_most_windows_are_skipped(pair):
    assert pair_cycles(*pair) == stepped(*pair)


def test_image_sizes_take_no_longer():
    """ResNet's and MobileNet's largest layers, unfolded and folded; word by word they take seconds each."""
    pair_cycles.cache_clear()
    start = time.process_time()
    for channels, simd, pe in ((64, 1, 1), (64, 8, 1), (64, 64, 16)):
        assert pair_cycles(ConvGeometry((3, 3), (226, 226), channels, channels), simd, pe, simd)
    for stride in (1, 2):
        layer = ConvGeometry((3, 3), (114, 114), 64, 64, (stride, stride), depthwise=True)
        assert pair_cycles(layer, 1, 8, 8)
        assert pair_cycles(ConvGeometry((7, 7), (230, 230), 3, 64, (2, 2)), stride, 16, 3)
    assert time.process_time() - start < 2


def test_too_large_an_image_has_no_cycles(monkeypatch):
    layer = ConvGeometry((3, 3), (10, 2_000), 64, 64)
    assert pair_cycles(layer, 1, 1, 1) is None
    assert pair_cycles(layer, 2, 1, 2) is not None
    pair_cycles.cache_clear()
    monkeypatch.setattr(module, "MOST_WINDOWS", 5)
    assert pair_cycles(layer, 2, 1, 2) is None
    pair_cycles.cache_clear()
