"""The window unit's arithmetic. test_rtl.py holds its schedule against imec_window.sv."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import geometries

from finn_imec.layer import baseline
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.storage import FULL_SPEED
from finn_imec.layer.units import cheapest_folding, storage
from finn_imec.layer.window import QUEUES, Queues
from finn_imec.util.errors import GeometryError

LAYER = ConvGeometry((3, 3), (16, 16), 4, 8, simd=36, pe=8)


@st.composite
def window_layers(draw: st.DrawFn, with_padding: bool = False) -> ConvGeometry:
    """Any small layer with SIMD > C."""
    drawn = geometries(max_kernel=4, max_extra=6, max_channels=3, with_padding=with_padding)
    layer = draw(drawn.filter(lambda g: g.mw > g.ifm_channels))
    simd = draw(st.sampled_from([s for s in divisors(layer.mw) if s > layer.ifm_channels]))
    return replace(layer, simd=simd)


@settings(max_examples=100)
@given(window_layers(with_padding=True))
def test_frames_follow_each_other_in_cycles_per_frame(geometry):
    last = storage(geometry).last_reads(30)
    assert {b - a for a, b in pairwise(last[-10:])} == {storage(geometry).cycles_per_frame}
    assert storage(geometry).cycles_per_frame >= geometry.compute_cycles
    assert storage(geometry).cycles_per_frame >= geometry.ifm_dim[0] * geometry.ifm_dim[1]
    taken, offered = storage(geometry).stream_cycles(2)
    rows, columns = geometry.input_dim
    assert len(taken) == 2 * rows * columns * geometry.ifm_channels // geometry.simd_in
    assert len(offered) == 2 * geometry.windows * geometry.nf
    assert all((cycles[1:] > cycles[:-1]).all() for cycles in (taken, offered))


@settings(max_examples=100)
@given(window_layers())
def test_the_formula_without_queues_is_the_schedule_without_queues(geometry):
    unit = storage(geometry)
    starts = unit.schedule(3, Queues(0, 0))[1]
    assert unit.interval(Queues(0, 0)) == starts[-1] - starts[-1 - geometry.windows]


@settings(max_examples=100)
@given(window_layers())
def test_the_cheapest_queues_that_are_as_fast_as_finns_pair(geometry):
    unit = storage(geometry)
    cycles = [unit.interval(queues) for queues in QUEUES]
    limit = FULL_SPEED * baseline.pair_cycles(geometry)
    fast = [queues for queues, each in zip(QUEUES, cycles, strict=True) if each <= limit]
    assert unit.queues == fast[0] if fast else unit.cycles_per_frame == min(cycles)


@pytest.mark.parametrize(
    ("change", "finn", "imec"),
    [
        ({}, 257, 256),
        ({"pe": 4}, 418, 406),
        ({"pe": 2}, 796, 784),
        ({"simd": 18}, 439, 406),
        ({"simd": 12}, 621, 588),
        (
            {"kernel": (5, 5), "ifm_dim": (32, 32), "ifm_channels": 1, "simd": 25, "pe": 4},
            1692,
            1664,
        ),
        ({"ifm_dim": (15, 15), "stride": (2, 2), "pe": 4}, 226, 225),
    ],
)
def test_no_slower_than_finns_pair(change, finn, imec):
    """finn: measured on its generated RTL, parallel_window=1, by compare.simulate_both.

    The formula is at most 3 cycles below, but for the width converter that parts of windows need.
    """
    geometry = replace(LAYER, **change, simd_in=0)
    assert storage(geometry).cycles_per_frame == imec
    below = 3 if geometry.sf == 1 else 0.06 * finn
    assert finn - below <= baseline.pair_cycles(geometry) <= finn


def test_queue_of_windows_where_columns_do_not_do():
    """A 7x7 window read twice leaves no time for the six columns before it at the start of a row."""
    layer = replace(LAYER, kernel=(7, 7), ifm_dim=(32, 32), ifm_channels=3, simd=147, pe=4, simd_in=3)
    unit = storage(layer)
    assert [unit.interval(queues) for queues in QUEUES] == [1674, 1619, 1562, 1487]
    assert unit.queues == Queues(0, 32)


@pytest.mark.parametrize(("simd", "last_read"), [(36, 9), (18, 11), (12, 12), (6, 15)])
def test_whole_windows_are_read_as_they_are_complete(simd, last_read):
    """Nine pixels in nine cycles; read at once in the ninth, part by part from the register after it."""
    one_window = replace(LAYER, ifm_dim=(3, 3), simd=simd)
    assert storage(one_window).last_reads(1) == [last_read]


def test_memory():
    assert storage(LAYER).queues == (0, 0)
    lines, chain, hold = 16 * 2, 3 * 2, 9
    assert (storage(LAYER).words, storage(LAYER).channels) == (16, 2 * 4)
    assert storage(LAYER).bits(3) == (lines + chain + hold) * 4 * 3
    queued = replace(LAYER, pe=2)
    assert storage(queued).queues == (32, 0)
    assert storage(queued).bits(3) == (lines + 32 * 3 + chain + hold) * 4 * 3
    dilated = replace(LAYER, dilation=(2, 3), pe=8)
    assert storage(dilated).line_pixels == 4
    assert storage(dilated).register_pixels == 3 * 2 * 3 + 9
    assert baseline.generator_bits(LAYER, 3) == (2 * 16 + 2 + 1 + 1) * 4 * 3


def test_legal_simd():
    assert LAYER.legal_simd == [1, 2, 3, 4, 6, 9, 12, 18, 36]
    assert replace(LAYER, simd=1, ofm_channels=4, pe=1, depthwise=True).legal_simd == [1]
    for simd in LAYER.legal_simd:
        folded = LAYER.with_folding(simd, 4)
        assert folded.parallel_window == (simd > 4)
        assert folded.compute_cycles * simd * 4 == folded.macs
    with pytest.raises(GeometryError, match="simd=8 does not divide MW=36: accepted"):
        LAYER.with_folding(8, 4)


def test_cheapest_folding_prefers_a_line_buffer():
    """SIMD=4 with PE=8 needs fewer cycles than allowed, and no window in registers."""
    assert cheapest_folding(LAYER, 9 * 14 * 14 + 100) == (4, 8)
    assert cheapest_folding(LAYER, 3 * 14 * 14 + 10) == (12, 8)
