"""Packing of channels into DSP slices: every sum in its field, no more slices than FINN."""

from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finn_imec.layer.packing import (
    DSP48E1,
    DSP48E2,
    DSP58,
    DSP_BLOCKS,
    MAX_CHAIN,
    STREAMED_CHAIN,
    DspBlock,
    Packing,
    finn_fields,
    finn_slices,
)

Layer = tuple[np.ndarray, int, int, bool, int, bool, None, DspBlock]


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """Arguments of Packing.of: weights of any width and distribution, any activations."""
    words, pe, simd = (draw(st.integers(1, n)) for n in (4, 9, 18))
    w_bits, a_bits = draw(st.integers(2, 16)), draw(st.integers(2, 16))
    limit = 2 ** (w_bits - 1)
    low, high = (draw(st.sampled_from(ends)) for ends in (
        (-limit, 1 - limit, -1, 0), (0, 1, limit // 3, limit - 1)
    ))  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = rng.integers(low, high + 1, (words, pe, simd))
    if draw(st.booleans()):
        weights = rng.choice([low, high], weights.shape)
    max_chain = draw(st.integers(1, MAX_CHAIN))
    block = draw(st.sampled_from(list(DSP_BLOCKS.values())))
    return weights, w_bits, a_bits, draw(st.booleans()), max_chain, draw(st.booleans()), None, block


@given(layers())
def test_any_sum_of_a_chain_is_read_off_its_field(layer):
    """The sums of a column's slices, for activations that drive each sum to its extremes."""
    weights, w_bits, a_bits, a_signed, _, may_center, _, block = layer
    packing = Packing.of(*layer)
    if packing is None:
        assert not (a_signed or may_center)
        return
    words, pe, simd = weights.shape
    fields = packing.fields
    filled = np.pad(weights, ((0, 0), (0, -pe % fields), (0, 0))).reshape(words, -1, fields, simd)
    packed = sum(filled[:, :, f] << f * packing.spacing for f in range(fields))
    assert packed.min() >= -(2 ** (block.weight_bits - 1))
    assert packed.max() < 2 ** (block.weight_bits - 1)
    assert (fields - 1) * packing.spacing + packing.field_bits <= block.sum_bits

    rng = np.random.default_rng(0)
    positive = weights.reshape(-1, simd) > 0
    low = -(2 ** (a_bits - 1)) if a_signed or packing.centered else 0
    high = low + 2**a_bits - 1
    if packing.lanes > 1:  # operands of the dot product
        assert (block, fields, w_bits <= 8, low >= -256, high < 256) == (DSP58, 1, True, True, True)
    vectors = np.concatenate([
        np.where(positive, high, low), np.where(positive, low, high),
        rng.integers(low, high + 1, (20, simd)),
    ])  # fmt: skip
    biases = sum(packing.bias << f * packing.spacing for f in range(fields))
    chain_of_lane = np.arange(simd) // packing.lanes % packing.chains
    for chain in range(packing.chains):
        lanes = chain_of_lane == chain
        products = packed[..., lanes] @ vectors[:, lanes].T + biases  # (words, columns, vectors)
        for f in range(fields):
            read = products >> f * packing.spacing & 2**packing.field_bits - 1
            want = filled[:, :, f, lanes] @ vectors[:, lanes].T
            np.testing.assert_array_equal(read - packing.bias, want)


@given(layers())
def test_it_takes_no_more_slices_than_finn(layer):
    weights, w_bits, a_bits, a_signed, max_chain, _, _, block = layer
    _, pe, simd = weights.shape
    packing = Packing.of(*layer)
    assume(packing)
    narrow = weights.min() > -(2 ** (w_bits - 1))
    assume(a_signed or a_bits < 9 or packing.centered)  # FINN's sums of such unsigned numbers are wrong
    assert packing.slices(pe, simd) <= finn_slices(pe, simd, a_bits, w_bits, narrow, block)
    assert ceil(ceil(simd / packing.lanes) / packing.chains) <= max_chain


@pytest.mark.parametrize("block", DSP_BLOCKS.values(), ids=lambda block: block.name)
@pytest.mark.parametrize("chain", [MAX_CHAIN, STREAMED_CHAIN])
def test_all_widths_and_foldings_take_no_more_slices_than_finn(block, chain):
    """Weights of all values, so that any others are packed, too."""
    for a_bits, w_bits, narrow in product(range(2, 10), range(2, 10), (False, True)):
        limit = 2 ** (w_bits - 1)
        for pe, simd, a_signed in product((1, 2, 3, 4, 5, 7, 8, 9, 16), (1, 2, 3, 4, 16), (False, True)):
            weights = np.broadcast_to(np.reshape([-limit + narrow, limit - 1], (2, 1, 1)), (2, pe, 1))
            packing = Packing.of(weights, w_bits, a_bits, a_signed, chain, True, simd, block)
            assert packing.slices(pe, simd) <= finn_slices(pe, simd, a_bits, w_bits, narrow, block)


@pytest.mark.parametrize(
    ("a_bits", "w_bits", "narrow", "fields"),
    [(2, 2, True, 8), (4, 4, True, 4), (4, 4, False, 3), (8, 2, True, 3), (8, 4, True, 2),
     (8, 8, True, 2), (8, 8, False, 2), (16, 16, True, 1)],
)  # fmt: skip
def test_finns_lanes(a_bits, w_bits, narrow, fields):
    """NUM_LANES of mvu.sv for these widths."""
    assert finn_fields(a_bits, w_bits, narrow) == fields


@pytest.mark.parametrize(
    ("bits", "block", "slices"),
    [((2, 2), DSP48E1, 32), ((2, 2), DSP48E2, 32), ((4, 4), DSP48E1, 64), ((4, 4), DSP48E2, 64),
     ((4, 4), DSP58, 64), ((8, 4), DSP48E1, 128), ((8, 4), DSP48E2, 96), ((8, 4), DSP58, 96),
     ((8, 8), DSP48E2, 128), ((8, 8), DSP58, 96), ((16, 8), DSP58, 256)],
)  # fmt: skip
def test_finns_slices(bits, block, slices):
    """16 PEs of 16 lanes; Versal's take three products if mvu.sv has no more than three lanes."""
    assert finn_slices(16, 16, *bits, narrow=True, block=block) == slices


def test_a_versal_slice_adds_three_products_where_that_takes_fewer():
    """8 PEs of 16 lanes: 6 slices each, or two 8-bit weights in each of 4*16; alone a PE takes 3, not 9."""
    weights = np.full((1, 8, 16), 127)
    dot = Packing.of(weights, 8, 8, True, 8, True, block=DSP58)
    assert (dot.lanes, dot.fields, dot.slices(8, 16)) == (3, 1, 48)
    narrow = Packing.of(np.full((1, 4, 1), 7), 4, 4, True, 8, True, block=DSP58)
    assert (narrow.lanes, narrow.fields, narrow.slices(4, 1)) == (1, 4, 1)
    alone = Packing.of(np.full((1, 1, 9), 7), 4, 4, True, 8, True, block=DSP58)
    assert (alone.lanes, alone.slices(1, 9), finn_slices(1, 9, 4, 4, True, DSP58)) == (3, 3, 9)
    assert Packing.of(weights, 9, 8, True, 8, True, block=DSP58).lanes == 1
    assert Packing.of(weights, 8, 9, False, 8, True, block=DSP58).centered


def test_small_weights_make_long_chains():
    """Fewest chains whose sums fit the 17 bits between two 8-bit weights."""
    weights = np.full((1, 2, 16), 127)
    signed = Packing.of(weights, 8, 8, True, 16, True)
    assert (signed.fields, signed.spacing, signed.chains) == (2, 17, 4)  # 4*127*255 < 2^17
    assert Packing.of(weights, 8, 8, False, 16, True).chains == 4
    assert Packing.of(weights // 4, 8, 8, True, 16, True).chains == 1
    assert Packing.of(weights // 4, 8, 8, True, 8, True).chains == 2


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_weight_parts_follow_the_cascade(simd, chains, each):
    """Lanes of a part are the slices 2*part and 2*part + 1 of all chains, counted from the tail's end."""
    chains = min(ceil(simd / each), chains)
    length = ceil(ceil(simd / each) / chains)
    parts = Packing(1, 48, 1, chains, 0, lanes=each).weight_parts(simd)
    lanes = [[lane for lane in range(simd) if (length - 1 - lane // each // chains) // 2 == part]
             for part in range(len(parts))]  # fmt: skip
    assert [list(range(part.start, part.stop)) for part in parts] == lanes
    assert sum(map(len, lanes)) == simd


@pytest.mark.parametrize(
    ("simd", "chains", "steps"),
    [(1, 1, 3), (8, 1, 10), (2, 2, 4), (4, 4, 4), (5, 5, 5), (16, 16, 5), (17, 17, 6), (16, 8, 6)],
)
def test_steps_of_chains(simd, chains, steps):
    """A slice has three registers, each further one of a chain adds one; four sums are added in a step."""
    assert Packing(1, 48, 1, chains, 0).steps(simd) == steps


def test_narrow_fields_center_unsigned_activations():
    """+-7 * 15 needs 8 bits, +-7 * 8 only the 7 between four 4-bit weights."""
    weights = np.full((1, 4, 2), 7) * [1, -1]
    packing = Packing.of(weights, 4, 4, False, 8, True)
    assert (packing.fields, packing.spacing, packing.centered) == (4, 7, True)
    assert not Packing.of(np.full((1, 4, 2), 3), 4, 4, False, 8, True).centered
    assert Packing.of(weights, 4, 4, False, 8, False) is None
