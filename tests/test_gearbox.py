"""The gearbox: which words it reads, the order of weights that follows, and pairs that keep their folding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from finn_imec.algorithms.reference import random_values
from finn_imec.layer.clock import _paths
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.gearbox import gearbox_ffs, gearbox_luts, period, pieces, read_cycles, weight_rows
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.memories import address_bits
from finn_imec.layer.units import cheapest_folding, storage


@given(st.integers(2, 40), st.data())
def test_every_channel_is_multiplied_once(word, data):
    simd = data.draw(st.integers(1, word - 1))
    rows = ConvGeometry((simd, 1), (simd, 1), word, 1, simd=simd)
    if rows.geared and rows.word_channels == word:
        assert sorted(weight_rows(rows)) == list(range(rows.mw))
        assert sum(read_cycles(rows)) * word == len(read_cycles(rows)) * simd
        assert not read_cycles(rows)[-1]
        assert max(cycle.piece for cycle in period(word, simd)) < pieces(word, simd)


def test_without_a_gearbox_weights_are_in_order_of_finn():
    for simd in (4, 16, 48):
        assert weight_rows(ConvGeometry((3, 3), (5, 5), 16, 4, simd=simd)).tolist() == list(range(144))


@pytest.mark.parametrize("channels", [7, 16, 32, 48])
def test_words_are_the_least_divisor_that_is_wide_enough(channels):
    for simd in divisors(9 * channels):
        g = ConvGeometry((3, 3), (5, 5), channels, 4, simd=simd)
        wide = [n for n in divisors(channels) if n >= simd] or [channels]
        assert (g.word_channels, g.geared) == (wide[0], simd < wide[0])
        assert g.sf * simd == 9 * channels


def test_a_folding_without_a_gearbox_comes_first():
    g = ConvGeometry((3, 3), (8, 8), 16, 12, simd_in=16)
    geared, plain = (storage(g.with_folding(*folding)).cycles_per_frame for folding in ((12, 1), (4, 3)))
    assert cheapest_folding(g, max(geared, plain)) == (4, 3)
    assert cheapest_folding(replace(g, ofm_channels=11), 36 * 12 * 11 + 200) == (12, 1)


@pytest.mark.parametrize(
    ("channels", "simd", "lut", "ff", "ns"), [(16, 12, 35, 65, 4.925), (32, 18, 56, 123, 5.217)]
)
def test_the_gearbox_and_the_control_that_yosys_counted(channels, simd, lut, ff, ns):
    """Of 2-bit layers with random weights; the address of the weights is the gearbox's, too."""
    from finn_imec.synthesis.comparison import random_layer

    g = ConvGeometry((3, 3), (12, 12), channels, channels // 2, simd=simd, pe=4, simd_in=channels)
    structure = random_layer("", g, "UINT2", "INT2").datapath().structure
    assert gearbox_luts(g, 2) == pytest.approx(lut, rel=0.1)
    assert gearbox_ffs(g, 2, 1) + address_bits(g.weight_words) == pytest.approx(ff, rel=0.05)
    assert _paths(structure)["control"] == pytest.approx(ns, rel=0.07)


@pytest.mark.parametrize("between", [(), ("StreamingDataWidthConverter",)], ids=["abstract", "converter"])
@pytest.mark.parametrize(("channels", "simd"), [(16, 12), (16, 9), (32, 3), (32, 6), (32, 9), (32, 18)])
def test_pairs_keep_their_folding(make_pair_model, channels, simd, between):
    """At no more multipliers and, within the swap's tolerance, cycles than the pair takes."""
    from finn_imec.transformation.infer_imec_conv import CYCLE_TOLERANCE, InferIMECConv

    g = ConvGeometry((3, 3), (8, 8), channels, 8, simd=1, pe=2, simd_in=channels, padding=(1, 1, 1, 1))
    weights = random_values(DataType["INT2"], (g.mw, g.mh), np.random.default_rng(0))
    path = Datapath(g, DataType["UINT2"], DataType["INT2"], DataType["INT16"], weights)
    backend = "rtl" if between else ""
    model = make_pair_model(path, between, backend, mvau={"SIMD": simd, "PE": 2})
    swap = InferIMECConv()
    (node,) = model.transform(swap).graph.node
    (report,) = swap.report
    inst = getCustomOp(node)
    assert (inst.geometry.simd, inst.geometry.pe, inst.geometry.simd_in) == (simd, 2, channels)
    assert not report.refolded
    assert inst.get_exp_cycles() == storage(inst.geometry).cycles_per_frame
    assert inst.get_exp_cycles() <= CYCLE_TOLERANCE * report.pair_cycles
