"""Memories that go into LUTs, so that a swap takes no more block RAM than FINN's nodes."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import DataType
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp

from finn_imec.algorithms.reference import random_values
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.transformation.block_ram import cheapest
from finn_imec.transformation.infer_imec_conv import InferIMECConv

#: FINN keeps these lines in LUTs; IMECConv's line buffer has more than 256 words.
DEEP = ConvGeometry((3, 3), (8, 150), 4, 4, simd=4, pe=4, simd_in=4)


@pytest.fixture
def model(make_pair_model):
    rng = np.random.default_rng(5)
    weights = random_values(DataType["INT4"], (DEEP.mw, DEEP.mh), rng)
    thresholds = np.sort(rng.integers(-60, 60, (DEEP.mh, 3)), axis=1)
    types = (DataType[name] for name in ("UINT4", "INT4", "UINT2"))
    path = Datapath(DEEP, *types, weights, thresholds)
    return lambda style="distributed": make_pair_model(path, swg={"ram_style": style})


def infer(model, **options):
    transformation = InferIMECConv(**options)
    model = model.transform(transformation)
    (report,) = transformation.report
    return getCustomOp(model.graph.node[-1]), model, report


def test_no_more_block_ram_than_the_pair(model):
    """The node says so, its report too; its estimate is the report's, and it computes the same."""
    node, fused, report = infer(model())
    assert report.finn["bram18"] == report.imec["bram18"] == 0
    assert report.imec["lut"] < report.finn["lut"]
    assert node.get_nodeattr("buffer_ram_style") == "distributed"
    assert report.in_luts == ["line buffer"] and "line buffer in LUTs, to save block RAM" in str(report)
    assert node.estimate_for(fused, 5.0).resources == report.imec
    assert node.get_exp_cycles() == report.cycles <= 1.003 * report.pair_cycles
    ifm = random_values(DataType["UINT4"], (1, *DEEP.input_dim, DEEP.ifm_channels), np.random.default_rng(1))
    results = [execute_onnx(each, {"ifm": ifm.astype(np.float32)})["ofm"] for each in (model(), fused)]
    np.testing.assert_array_equal(*results)


def test_block_ram_that_the_user_chose_or_allows_stays(model):
    node, _, report = infer(model("block"))
    assert node.get_nodeattr("buffer_ram_style") == "block" and not report.in_luts
    node, _, report = infer(model(), allow_larger=True)
    assert node.get_nodeattr("buffer_ram_style") == "auto" and report.imec["bram18"] > report.finn["bram18"]


FIGURES = st.tuples(st.integers(1, 6), st.integers(0, 9))


@given(st.lists(st.lists(FIGURES, max_size=3), max_size=4), st.integers(0, 12), st.integers(0, 20))
def test_the_cheapest_moves_among_all(figures, blocks, most_luts):
    """Enough blocks for the fewest LUTs, else the most blocks; one move of each node at most."""
    choices = [
        [SimpleNamespace(node=node, blocks=saved, luts=luts) for saved, luts in each]
        for node, each in enumerate(figures)
    ]
    taken = cheapest(choices, blocks, most_luts)
    assert len({move.node for move in taken}) == len(taken)

    def cost(moves) -> tuple[int, int]:
        return -min(blocks, sum(move.blocks for move in moves)), sum(move.luts for move in moves)

    every = ([move for move in some if move] for some in product(*([None, *each] for each in choices)))
    assert cost(taken) == min(cost(some) for some in every if cost(some)[1] <= most_luts)
