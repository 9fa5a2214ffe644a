"""Digits: trained, exported, lowered, exact at every stage. CNV: exact logits on the photographs."""

from __future__ import annotations

import copy
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from finn_imec.networks import cnv, digits, lowering, training
from finn_imec.util.errors import GeometryError, ModelError, UnsupportedError

pytest.importorskip("finn", reason="finn-plus is not installed")

pytestmark = pytest.mark.training

DATA = Path(os.environ.get("FINN_IMEC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
CNV_DATA = DATA / "cnv-cifar10"
needs_cnv_data = pytest.mark.skipif(
    not (CNV_DATA / "images.npz").is_file(),
    reason=f"no trained CNV networks in {CNV_DATA}; set FINN_IMEC_DATA to the data folder",
)


def attributes(model, op_type: str, *names: str) -> list[tuple]:
    from qonnx.custom_op.registry import getCustomOp

    ops = [getCustomOp(node) for node in model.graph.node if node.op_type == op_type]
    return [tuple(op.get_nodeattr(name) for name in names) for op in ops]


# Digits


@pytest.fixture(scope="module")
def trained():
    for package in ("torch", "brevitas", "sklearn"):
        pytest.importorskip(package)
    calls = []
    network = digits.train(seed=0, epochs=6, progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(epoch, 6) for epoch in range(1, 7)]
    assert calls[-1][2] < calls[0][2], "the training loss did not fall"
    assert calls[-1][3] == network.accuracy
    return network


@pytest.fixture(scope="module")
def qonnx_model(trained, tmp_path_factory):
    from qonnx.core.modelwrapper import ModelWrapper

    folder = tmp_path_factory.mktemp("digits")
    path = digits.export_qonnx(trained, folder / "digits.onnx")
    assert list(folder.iterdir()) == [path]
    return ModelWrapper(str(path))


@pytest.fixture(scope="module")
def hardware(qonnx_model):
    return lowering.to_hardware(qonnx_model)


def test_digits_learn(trained):
    assert trained.accuracy >= 0.93
    assert trained.x_test.dtype == np.uint8
    assert trained.x_test.shape == (360, 8, 8, 1)
    assert trained.x_test.max() == 15
    right = digits.logits(trained.model, trained.x_test).argmax(1) == trained.y_test
    assert right.mean() == trained.accuracy


def test_images_of_other_sizes_and_bits():
    """Bilinear: the corners stay; gray levels grow by 16, the last one clipped to 8 bits."""
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    small, large = training.load_data()[2], training.load_data(bits=8, scale=2)[2]
    assert small.shape == (360, 8, 8, 1)
    assert large.shape == (360, 16, 16, 1)
    assert large.max() == 255
    corner, same = (x[:, [0, 0, -1, -1], [0, -1, 0, -1]] for x in (small, large))
    assert (corner > 0).any()
    np.testing.assert_array_equal(same, np.where(corner == 15, same, 16 * corner))


def test_digits_training_is_deterministic():
    torch = pytest.importorskip("torch")
    pytest.importorskip("brevitas")
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    first, second, other = (digits.train(seed=seed, epochs=1) for seed in (3, 3, 4))
    x = first.x_test
    np.testing.assert_array_equal(digits.logits(first.model, x), digits.logits(second.model, x))
    assert (digits.logits(first.model, x) != digits.logits(other.model, x)).any()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_digits_train_refuses_zero_epochs():
    with pytest.raises(ValueError, match="epochs is 0"):
        digits.train(epochs=0)


def test_every_lowering_stage_computes_the_trained_network(trained, qonnx_model):
    x = trained.x_test[:12]
    expected = digits.logits(trained.model, x)
    names = []
    for name, model in lowering.lowering_stages(qonnx_model):
        names.append(name)
        np.testing.assert_allclose(lowering.execute(model, x), expected, rtol=1e-5, atol=1e-5, err_msg=name)
    assert names == ["channels_last", "finn_onnx", "tidy", "streamlined", "hardware"]
    assert qonnx_model.get_tensor_shape("global_in") == [1, 1, 8, 8], "the argument was changed"


def test_digits_hardware_is_integer_exact(trained, hardware):
    """The accumulators of the last layer are the logits divided by one scale, on 100 images."""
    x = trained.x_test[:100]
    scale_node = hardware.graph.node[-1]
    assert scale_node.op_type == "Mul"
    scale = float(hardware.get_initializer(scale_node.input[1]))
    in_units = digits.logits(trained.model, x) / scale
    np.testing.assert_allclose(in_units, np.round(in_units), atol=1e-3)
    got = lowering.execute(hardware, x) / scale
    np.testing.assert_array_equal(np.round(got), np.round(in_units))


def test_digits_hardware_structure(hardware):
    conv = ["ConvolutionInputGenerator", "MVAU"]
    assert [node.op_type for node in hardware.graph.node] == [
        *["FMPadding", *conv],
        *conv,
        *["FMPadding", *conv],
        *conv,
        "MVAU",
        "Mul",
    ]
    assert hardware.get_tensor_datatype("global_in").name == "UINT4"
    assert hardware.get_tensor_shape("global_in") == [1, 8, 8, 1]
    generators = attributes(
        hardware, "ConvolutionInputGenerator", "ConvKernelDim", "Stride", "IFMChannels", "OFMDim"
    )
    assert [tuple(map(list, (k, s))) + (c, list(o)) for k, s, c, o in generators] == [
        ([3, 3], [1, 1], 1, [8, 8]),
        ([3, 3], [1, 1], 16, [6, 6]),
        ([3, 3], [2, 2], 32, [3, 3]),
        ([3, 3], [1, 1], 32, [1, 1]),
    ]
    mvaus = attributes(hardware, "MVAU", "inputDataType", "outputDataType", "noActivation")
    assert [mvau[0] for mvau in mvaus] == ["UINT4", "UINT2", "UINT2", "UINT3", "UINT2"]
    assert [mvau[2] for mvau in mvaus] == [0, 0, 0, 0, 1]
    steps = [
        hardware.get_initializer(node.input[2]).shape[1]
        for node in hardware.graph.node
        if node.op_type == "MVAU" and len(node.input) == 3
    ]
    assert steps == [3, 3, 7, 3]


def test_fold_and_minimize_keep_the_function(trained, hardware):
    from qonnx.core.datatype import DataType

    x = trained.x_test[:5]
    expected = lowering.execute(hardware, x)
    model = copy.deepcopy(hardware)
    folded = lowering.fold(model, {0: (3, 4), "MVAU_1": (36, 8), 2: (16, 2)})
    folded = lowering.minimize_bit_widths(folded)
    np.testing.assert_array_equal(lowering.execute(folded, x), expected)
    assert attributes(folded, "MVAU", "SIMD", "PE") == [(3, 4), (36, 8), (16, 2), (1, 1), (1, 1)]
    generators = attributes(folded, "ConvolutionInputGenerator", "SIMD")
    assert generators == [(1,), (4,), (16,), (32,)]
    assert attributes(folded, "FMPadding", "SIMD") == [(1,), (16,)]
    weight_types = [name for (name,) in attributes(folded, "MVAU", "weightDataType")]
    assert weight_types == ["INT4", "INT2", "INT2", "INT2", "INT4"]  # BIPOLAR -> INT2 is FINN's
    for node in folded.graph.node:
        if node.op_type == "MVAU" and len(node.input) == 3:
            thresholds = folded.get_initializer(node.input[2])
            np.testing.assert_array_equal(thresholds, np.round(thresholds))
    for (name,) in attributes(folded, "MVAU", "accDataType"):
        assert DataType[name].bitwidth() <= 12


@pytest.mark.parametrize(
    ("folding", "message"),
    [
        ({9: (1, 1)}, r"no MVAU 9; the model has MVAU_0, .*\(0\.\.4\)"),
        ({"MVAU_7": (1, 1)}, "no MVAU 'MVAU_7'"),
        ({1: (7, 1)}, "SIMD of MVAU_1 is 7; accepted are divisors of MW = 144"),
        ({"MVAU_1": (1, 5)}, "PE of MVAU_1 is 5; accepted are divisors of MH = 32"),
        ({1: (0, 1)}, "SIMD of MVAU_1 is 0"),
    ],
)
def test_fold_refuses(hardware, folding, message):
    with pytest.raises(GeometryError, match=message):
        lowering.fold(hardware, folding)


def test_lowering_refuses_a_float_input(qonnx_model):
    from qonnx.core.datatype import DataType

    model = copy.deepcopy(qonnx_model)
    model.set_tensor_datatype("global_in", DataType["FLOAT32"])
    with pytest.raises(UnsupportedError, match="'global_in' is annotated FLOAT32"):
        lowering.to_hardware(model)


def test_execute_refuses_another_shape(hardware):
    with pytest.raises(ModelError, match=r"images have shape \(2, 1, 8, 8\)"):
        lowering.execute(hardware, np.zeros((2, 1, 8, 8)))


# CNV arithmetic


def test_quantize_images_rounds_exactly():
    """All 256 levels against exact fractions; no level lies on a tie except the clipped end."""
    levels = np.arange(256, dtype=np.uint8)
    exact = [(Fraction(int(x), 255) * 2 - 1) * 128 for x in levels]
    expected = [min(max(round(value), -128), 127) for value in exact]
    np.testing.assert_array_equal(cnv.quantize_images(levels), expected)


def test_quantize_images_refuses_floats():
    with pytest.raises(ModelError, match="images are float64"):
        cnv.quantize_images(np.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize("first_layer", [True, False])
def test_finn_thresholds_are_exact(first_layer):
    t, a = np.meshgrid(np.arange(-9, 10), np.arange(-20, 21))
    acc = 2 * a if first_layer else a
    np.testing.assert_array_equal(t < acc, a >= cnv.finn_thresholds(t, first_layer))


# CNV with small random weights against plain numpy


SMALL_ROWS = (8, 8, 8, 8, 16, 16, 16, 16, 12)


def random_arrays(kind: str, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    weight_values = (-1, 1) if kind.startswith("W1") else (-1, 0, 1)
    binary = kind.endswith("A1")
    arrays, channels = {}, 3
    for i, rows in enumerate(SMALL_ROWS):
        width = channels * (9 if i < 6 else 1)
        arrays[f"W{i}"] = rng.choice(weight_values, (rows, width)).astype(np.int8)
        if i < 8:
            # Near the middle of the accumulator, so that both outcomes of a comparison happen ...
            middle = width // 2 if binary and i > 0 else 0
            reach = 600 if i == 0 else round(np.sqrt(width))
            thresholds = middle + rng.integers(-reach, reach, (rows, 1 if binary else 2))
            if binary and i > 0:
                thresholds[0] = width - 1  # ... except one that only a full count passes
            arrays[f"T{i}"] = np.sort(thresholds, axis=1).astype(np.int32)
        arrays[f"fold{i}"] = np.array([4, width // channels if i < 6 else 2], dtype=np.int32)
        channels = rows
    return arrays


def reference_logits(arrays: dict[str, np.ndarray], q: np.ndarray) -> np.ndarray:
    """The published arithmetic on one int8 image (32, 32, 3), in integers."""
    binary = arrays["T0"].shape[1] == 1
    x = q.astype(np.int64)
    for i in range(9):
        weights = arrays[f"W{i}"].astype(np.int64)
        if i < 6:
            windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))
            x = windows.transpose(0, 1, 3, 4, 2).reshape(*windows.shape[:2], -1)
        else:
            x = x.reshape(-1)
        acc = x @ weights.T
        if i == 8:
            return acc
        if i == 0:
            acc = 2 * acc
        elif binary:
            acc = (acc + weights.shape[1]) // 2
        count = (arrays[f"T{i}"] < acc[..., np.newaxis]).sum(axis=-1)
        x = 2 * count - 1 if binary else count - 1
        if i in (1, 3):
            height, width, channels = x.shape
            x = x.reshape(height // 2, 2, width // 2, 2, channels).max(axis=(1, 3))
    raise AssertionError("unreachable")


@pytest.fixture
def write_npz(tmp_path):
    def write(arrays: dict[str, np.ndarray]) -> Path:
        path = tmp_path / "network.npz"
        np.savez(path, **arrays)
        return path

    return write


@pytest.mark.parametrize("kind", ["W1A1", "W1A2", "W2A2"])
def test_small_cnv_equals_numpy(kind, write_npz):
    arrays = random_arrays(kind)
    model = cnv.build_cnv(write_npz(arrays))
    q = np.random.default_rng(1).integers(-128, 128, (3, 32, 32, 3), dtype=np.int8)
    expected = np.stack([reference_logits(arrays, image) for image in q])
    assert len(np.unique(expected, axis=0)) > 1, "the reference does not depend on the image"
    got = lowering.execute(model, q)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(cnv.class_logits(got), expected[:, :10])


def test_small_cnv_structure(write_npz):
    model = cnv.build_cnv(write_npz(random_arrays("W1A1")))
    conv, pool = ["ConvolutionInputGenerator", "MVAU"], ["ConvolutionInputGenerator", "Pool"]
    assert [node.op_type for node in model.graph.node] == [
        *(conv * 2 + pool) * 2,
        *conv * 2,
        *["MVAU"] * 3,
        *["Mul", "Add"],
    ]
    depthwise = attributes(model, "ConvolutionInputGenerator", "depthwise", "SIMD")
    assert depthwise == [(0, 3), (0, 1), (1, 4), (0, 1), (0, 1), (1, 4), (0, 1), (0, 1)]
    assert attributes(model, "Pool", "PE") == [(4,), (4,)]
    assert attributes(model, "MVAU", "SIMD", "PE") == [(9, 4)] * 6 + [(2, 4)] * 3
    assert attributes(model, "MVAU", "binaryXnorMode") == [(0,)] + [(1,)] * 8
    vectors = [list(v) for (v,) in attributes(model, "MVAU", "numInputVectors")]
    assert vectors[0] == [1, 30, 30]
    assert vectors[6:] == [[1]] * 3


def test_popcount_accumulators_hold_every_count(write_npz):
    """FINN bounds 0/1 dot products: too small for a popcount, it would clip these thresholds."""
    from qonnx.core.datatype import DataType

    arrays = random_arrays("W1A1")
    model = cnv.build_cnv(write_npz(arrays))
    mvaus = attributes(model, "MVAU", "accDataType", "MW", "outputDataType")
    for accumulator, mw, _ in mvaus[1:]:
        assert DataType[accumulator].name == f"UINT{mw.bit_length()}"
    assert mvaus[-1][2] == mvaus[-1][0]
    nodes = [node for node in model.graph.node if node.op_type == "MVAU"]
    for i, node in enumerate(nodes[1:8], start=1):
        np.testing.assert_array_equal(
            model.get_initializer(node.input[2]), arrays[f"T{i}"] + 1, err_msg=f"T{i}"
        )


def broken(name: str, change) -> dict[str, np.ndarray]:
    arrays = random_arrays("W1A1")
    arrays[name] = change(arrays[name])
    return arrays


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({k: v for k, v in random_arrays("W2A2").items() if k != "T3"}, "array T3 is missing"),
        (broken("W2", lambda w: w[:, :-1]), r"W2 is int8 \(8, 71\); expected \(M, 72\)"),
        (broken("W4", lambda w: w * 2), r"W4 .* with values \(-1, 1\)"),
        (broken("W4", lambda w: w * 0), r"W4 .* with values \(-1, 1\)"),
        (broken("W8", lambda w: w[:8]), "W8 .* at least 10 rows"),
        (broken("T5", lambda t: t[:-1]), r"T5 .* expected integers \(16, 1\)"),
        (broken("T0", lambda t: np.tile(t, 3)), r"T0 .* expected integers \(8, 1 or 2\)"),
        (broken("T1", lambda t: t / 2), "T1 is float64"),
        (broken("fold6", lambda f: f * 0), r"fold6 .* \[PE, SIMD\], positive integers"),
        (broken("fold6", lambda f: f * 3), "fold6 .* PE a divisor of 16 and SIMD a divisor of 16"),
    ],
)
def test_bad_arrays(arrays, message, write_npz):
    with pytest.raises(ModelError, match=message):
        cnv.build_cnv(write_npz(arrays))


def truncated(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 2])


def damaged(path: Path, content: bytes) -> None:
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])


def text(path: Path, content: bytes) -> None:
    path.write_text("not a network")


def plain_array(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def absent(path: Path, content: bytes) -> None:
    path.unlink()


@pytest.mark.parametrize("spoil", [truncated, damaged, text, plain_array, absent])
@pytest.mark.parametrize("load", [cnv.build_cnv, cnv.load_images])
def test_unreadable_files(load, spoil, tmp_path):
    path = tmp_path / "network.npz"
    np.savez_compressed(path, noise=np.random.default_rng(0).integers(0, 256, 5000))
    spoil(path, path.read_bytes())
    with pytest.raises(ModelError, match=r"network\.npz: not a readable \.npz file"):
        load(path)


def image_arrays() -> dict[str, np.ndarray]:
    return {
        "images": np.zeros((2, 32, 32, 3), dtype=np.uint8),
        "names": np.array(["cat", "dog"]),
        "classes": np.array([f"class {i}" for i in range(10)]),
        **{f"logits_{name}": np.zeros((2, 10), dtype=np.int32) for name in cnv.NETWORKS},
    }


def test_load_images(write_npz):
    images = cnv.load_images(write_npz(image_arrays()))
    assert images.images.shape == (2, 32, 32, 3)
    assert images.names == ("cat", "dog")
    assert set(images.logits) == set(cnv.NETWORKS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 28, 28, 1), dtype=np.uint8)}, "images is uint8"),
        ({"images": np.zeros((2, 32, 32, 3))}, "images is float64"),
        ({"logits_cnvW1A2": np.zeros((3, 10))}, "logits_cnvW1A2 has shape"),
    ],
)
def test_bad_images(change, message, write_npz):
    with pytest.raises(ModelError, match=message):
        cnv.load_images(write_npz(image_arrays() | change))


# The published networks


@needs_cnv_data
@pytest.mark.parametrize("name", cnv.NETWORKS)
def test_published_cnv_gives_the_expected_logits(name):
    photos = cnv.load_images(CNV_DATA / "images.npz")
    model = cnv.build_cnv(CNV_DATA / f"{name}.npz")
    output = lowering.execute(model, cnv.quantize_images(photos.images))
    assert output.shape == (6, 64)
    np.testing.assert_array_equal(cnv.class_logits(output), photos.logits[name])
    if name == "cnvW1A1":
        found = [photos.classes[i].lower() for i in output[:, : cnv.CLASSES].argmax(1)]
        assert found == list(photos.names)


@needs_cnv_data
def test_what_counts_as_a_convolution():
    """In CNV: its six pairs or IMECConvs, neither pooling windows nor their Pool nodes."""
    import runpy

    from finn_imec.partition import hardware_part, specialized
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    folder = Path(__file__).parents[1] / "benchmarks"
    convolutions = runpy.run_path(str(folder / "networks.py"))["convolutions"]
    pairs = cnv.build_cnv(CNV_DATA / "cnvW1A1.npz")
    for model, op_types in (
        (pairs, {"ConvolutionInputGenerator_rtl", "MVAU_hls"}),
        (swap_pairs(pairs), {"IMECConv_rtl"}),
    ):
        part = specialized(hardware_part(model))
        counted = convolutions(part)
        nodes = [node for node in part.graph.node if node.name in counted]
        kinds = [node.op_type for node in nodes if not node.op_type.startswith("Streaming")]
        assert sorted(kinds) == sorted([*op_types] * 6)
