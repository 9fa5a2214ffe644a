"""Brevitas' CNV at more than two bits, lowered to FINN's layers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")
pytest.importorskip("brevitas", reason="needs Brevitas: pip install 'finn-imec[train]'")
pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'finn-imec[train]'")

import torch
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from zoo import cnv_brevitas

from finn_imec.networks import lowering, training
from finn_imec.transformation.infer_imec_conv import swap_pairs

pytestmark = pytest.mark.training


def test_untrained_network_lowered_and_swapped(tmp_path):
    """Six convolutions, folded like BNN-PYNQ's 2-bit CNV; the logits are Brevitas', before and after."""
    torch.manual_seed(0)
    _, _, images, labels = training.load_data(bits=8, scale=4, channels=3)
    assert images.shape[1:] == (32, 32, 3)
    assert (images == images[..., :1]).all()
    trained = training.Trained(cnv_brevitas.build_model(4), images[:2], labels[:2], 0.0, 8)
    path = training.export_qonnx(trained, tmp_path / "cnv.onnx")
    model = lowering.to_hardware(ModelWrapper(str(path)))
    assert Counter(node.op_type for node in model.graph.node) == {
        **{"Thresholding": 1, "ConvolutionInputGenerator": 8, "Pool": 2, "MVAU": 9},
        "Mul": 1,
    }
    model = lowering.minimize_bit_widths(lowering.fold(model, cnv_brevitas.FOLDING))
    fused = swap_pairs(model)
    convs = [getCustomOp(node).geometry for node in fused.get_nodes_by_op_type("IMECConv")]
    assert [(g.simd, g.pe) for g in convs] == [cnv_brevitas.FOLDING[i] for i in range(6)]
    expected = training.logits(trained.model, trained.x_test)
    assert np.ptp(expected) > 0.1
    for each in (model, fused):
        got = lowering.execute(each, trained.x_test).reshape(2, -1)
        np.testing.assert_allclose(got, expected, atol=1e-4)
