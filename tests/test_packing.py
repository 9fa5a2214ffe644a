"""Packing of channels into DSP slices: every sum in its field, no more slices than FINN."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finn_imec.layer.packing import MAX_CHAIN, Packing, finn_fields


@st.composite
def layers(draw: st.DrawFn) -> tuple[np.ndarray, int, int, bool, int, bool]:
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
    return weights, w_bits, a_bits, draw(st.booleans()), max_chain, draw(st.booleans())


@given(layers())
def test_any_sum_of_a_chain_is_read_off_its_field(layer):
    """The sums of a column's slices, for activations that drive each sum to its extremes."""
    weights, _, a_bits, a_signed, _, may_center = layer
    packing = Packing.of(*layer)
    if packing is None:
        assert not (a_signed or may_center)
        return
    words, pe, simd = weights.shape
    fields = packing.fields
    filled = np.pad(weights, ((0, 0), (0, -pe % fields), (0, 0))).reshape(words, -1, fields, simd)
    packed = sum(filled[:, :, f] << f * packing.spacing for f in range(fields))
    assert packed.min() >= -(2**24)
    assert packed.max() < 2**24

    rng = np.random.default_rng(0)
    positive = weights.reshape(-1, simd) > 0
    low = -(2 ** (a_bits - 1)) if a_signed or packing.centered else 0
    high = low + 2**a_bits - 1
    vectors = np.concatenate([
        np.where(positive, high, low), np.where(positive, low, high),
        rng.integers(low, high + 1, (20, simd)),
    ])  # fmt: skip
    biases = sum(packing.bias << f * packing.spacing for f in range(fields))
    for first in range(packing.chains):
        lanes = slice(first, None, packing.chains)
        products = packed[..., lanes] @ vectors[:, lanes].T + biases  # (words, columns, vectors)
        for f in range(fields):
            read = products >> f * packing.spacing & 2**packing.field_bits - 1
            want = filled[:, :, f, lanes] @ vectors[:, lanes].T
            np.testing.assert_array_equal(read - packing.bias, want)


@given(layers())
def test_it_takes_no_more_slices_than_finn(layer):
    weights, w_bits, a_bits, _, max_chain, _ = layer
    _, pe, simd = weights.shape
    packing = Packing.of(*layer)
    assume(packing)
    narrow = weights.min() > -(2 ** (w_bits - 1))
    assert packing.slices(pe, simd) <= ceil(pe / finn_fields(a_bits, w_bits, narrow)) * simd
    assert ceil(simd / packing.chains) <= max_chain


@pytest.mark.parametrize(
    ("a_bits", "w_bits", "narrow", "fields"),
    [(2, 2, True, 8), (4, 4, True, 4), (4, 4, False, 3), (8, 2, True, 3), (8, 4, True, 2),
     (8, 8, True, 2), (8, 8, False, 2), (16, 16, True, 1)],
)  # fmt: skip
def test_finns_lanes(a_bits, w_bits, narrow, fields):
    """NUM_LANES of mvu.sv for these widths."""
    assert finn_fields(a_bits, w_bits, narrow) == fields


def test_small_weights_make_long_chains():
    """Fewest chains whose sums fit the 17 bits between two 8-bit weights."""
    weights = np.full((1, 2, 16), 127)
    signed = Packing.of(weights, 8, 8, True, 16, True)
    assert (signed.fields, signed.spacing, signed.chains) == (2, 17, 4)  # 4*127*255 < 2^17
    assert Packing.of(weights, 8, 8, False, 16, True).chains == 4
    assert Packing.of(weights // 4, 8, 8, True, 16, True).chains == 1
    assert Packing.of(weights // 4, 8, 8, True, 8, True).chains == 2


@given(st.integers(1, 40), st.integers(1, 40))
def test_weight_parts_follow_the_cascade(simd, chains):
    """Lanes of a part are the slices 2*part and 2*part + 1 of all chains, counted from the tail's end."""
    chains = min(simd, chains)
    length = ceil(simd / chains)
    parts = Packing(1, 48, 1, chains, 0).weight_parts(simd)
    lanes = [[lane for lane in range(simd) if (length - 1 - lane // chains) // 2 == part]
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
