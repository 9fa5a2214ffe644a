"""QONNX exports into FINN's layers: what is converted computes the same, what is refused names its node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")

from exports import LINES, TOLERANCE, difference, markdown, recorded
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.basic import qonnx_make_model

from finn_imec.builder import BuildError, build, front_end_steps
from finn_imec.frontend import prepare, streamline
from finn_imec.util.errors import UnsupportedError
from finn_imec.util.onnx_model import load_onnx

GENERAL = "qonnx.custom_op.general"
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / LINES


class Graph:
    """A QONNX graph, node by node; each method returns the name of its output."""

    def __init__(self, *shape: int | str) -> None:
        self.shape, self.nodes, self.constants, self.count = shape, [], {}, 0
        self.random = np.random.default_rng(0)

    def constant(self, value, dtype=np.float32) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.array(value, dtype=dtype)
        return name

    def node(self, op_type: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes) -> str:
        names = [f"t{self.count + each}" for each in range(outputs)]
        self.count += outputs
        name = f"{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, names, name, domain=domain, **attributes))
        return names[0]

    def quant(self, x: str, scale=0.11, bits=4, zero=0, signed=1, narrow=0, mode="ROUND") -> str:
        values = (self.constant(each) for each in (scale, zero, bits))
        attributes = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
        return self.node("Quant", x, *values, domain=GENERAL, **attributes)

    def weights(self, *shape: int, scale=0.2) -> str:
        return self.quant(self.constant(self.random.normal(size=shape)), scale, narrow=1)

    def conv(self, x: str, outputs: int, inputs: int, *kernel: int, **attributes) -> str:
        return self.node("Conv", x, self.weights(outputs, inputs, *kernel), **attributes)

    def model(self, *outputs: str, opset: int = 13) -> ModelWrapper:
        """Outputs without shapes: shape inference finds them."""
        source = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "network", [source], results)
        model = ModelWrapper(qonnx_make_model(graph, opset_imports=[helper.make_opsetid("", opset)]))
        for name, value in self.constants.items():
            model.set_initializer(name, value)
        return model


def outputs(model: ModelWrapper, image: np.ndarray) -> list[np.ndarray]:
    from qonnx.transformation.infer_shapes import InferShapes

    model = model.transform(InferShapes())
    source = model.graph.input[0].name
    results = execute_onnx(model, {source: image.reshape(model.get_tensor_shape(source))})
    return [results[each.name] for each in model.graph.output]


# ---- conversions --------------------------------------------------------------------------------


def bare_convolution(auto_pad: str | None = None, **attributes):
    """Without the attributes that ONNX lets out."""
    g = Graph(1, 3, 7, 6)
    options = attributes if auto_pad is None else {"auto_pad": auto_pad, **attributes}
    return g.model(g.conv(g.quant("x"), 4, 3, 3, 2, **options))


def sequences():
    """Conv1d, batch norm, pooling, a constant for each channel, Flatten."""
    g = Graph(1, 2, 12)
    x = g.conv(g.quant("x"), 4, 2, 3, pads=[1, 1])
    norms = (g.constant(g.random.uniform(0.5, 1, 4)) for _ in range(4))
    x = g.node("BatchNormalization", x, *norms)
    x = g.node("Mul", x, g.constant([[[1.0], [2.0], [0.5], [1.0]]]))
    x = g.node("MaxPool", g.quant(g.node("Relu", x), signed=0), kernel_shape=[2], strides=[2])
    x = g.node("Concat", x, g.node("AveragePool", x, kernel_shape=[1]), axis=-2)
    x = g.node("Flatten", x, axis=1)
    return g.model(g.node("MatMul", x, g.weights(48, 3)))


def causal():
    g = Graph(1, 2, 12)
    pads = g.constant([0, 0, 2, 0, 0, 0], np.int64)
    return g.model(g.conv(g.node("Pad", g.quant("x"), pads), 4, 2, 3))


def groups(group: int, inputs: int, outputs: int):
    g = Graph(1, inputs, 5, 5)
    return g.model(g.conv(g.quant("x"), outputs, inputs // group, 3, 3, group=group))


def means(keepdims: int, opset: int):
    g = Graph(1, 3, 4, 5)
    x, axes = g.quant("x"), [-1, 2]
    if opset < 18:
        x = g.node("ReduceMean", x, axes=axes, keepdims=keepdims)
    else:
        x = g.node("ReduceMean", x, g.constant(axes, np.int64), keepdims=keepdims)
    x = x if not keepdims else g.node("Flatten", x)
    return g.model(g.node("Gemm", x, g.weights(2, 3), transB=1), opset=opset)


def averages():
    g = Graph(1, 3, 6, 6)
    options = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 0], "count_include_pad": 1}
    x = g.quant(g.node("AveragePool", g.quant("x"), **options), scale=0.07)
    return g.model(g.conv(x, 2, 3, 1, 1))


def global_maximum():
    g = Graph(1, 3, 4, 5)
    x = g.node("GlobalMaxPool", g.quant("x"))
    return g.model(g.conv(x, 2, 3, 1, 1))


def shared_weights():
    g = Graph(1, 3, 5, 5)
    x, weights = g.quant("x"), g.weights(3, 3, 3, 3)
    x = g.node("Conv", x, weights, pads=[1] * 4)
    return g.model(g.node("Conv", g.quant(x), weights))


def quantized_bias():
    g = Graph(1, 3, 5, 5)
    bias = g.quant(g.constant([0.33, -0.41, 0.05, 0.2]), scale=0.01, bits=8)
    return g.model(g.node("Conv", g.quant("x"), g.weights(4, 3, 3, 3), bias))


def signed_after_relu():
    g = Graph(1, 3, 5, 5)
    return g.model(g.conv(g.quant(g.node("Relu", g.quant("x", bits=8))), 4, 3, 3, 3))


def scaled_signs():
    g = Graph(1, 3, 5, 5)
    x = g.node("BipolarQuant", g.quant("x", bits=8), g.constant(0.25), domain=GENERAL)
    return g.model(g.conv(x, 4, 3, 3, 3))


def repeated_pixels(by_sizes: bool = False, **options):
    """Twice the height, three times the width."""
    g = Graph(1, 3, 4, 5)
    scales, sizes = g.constant([1, 1, 2, 3]), g.constant([1, 3, 8, 15], np.int64)
    inputs = ("", "", sizes) if by_sizes else (g.constant([]), scales)
    x = g.node("Resize", g.quant("x"), *inputs, mode="nearest", **options)
    return g.model(g.conv(x, 2, 3, 1, 1))


def slices():
    g = Graph(1, 4, 3, 3)
    x = g.quant("x")
    bounds = [[g.constant([each], np.int64) for each in (start, stop, 1)] for start, stop in ((3, 9), (0, 3))]
    last, first = (g.node("Slice", x, *each) for each in bounds)
    return g.model(g.conv(first, 2, 3, 1, 1), g.conv(last, 2, 1, 1, 1))


def plain_constants():
    """Constants before values, and of lower rank, on both sides of an addition."""
    g = Graph(1, 3, 5, 5)
    x, each = g.quant("x"), g.constant(np.array([2.0, -1.0, 0.5, 1.0]).reshape(4, 1, 1))
    first = g.node("Mul", each, g.conv(x, 4, 3, 3, 3))
    second = g.node("Sub", g.constant(0.3), g.conv(x, 4, 3, 3, 3))
    first = g.quant(g.node("Add", each, first), scale=0.17)
    return g.model(g.conv(g.quant(g.node("Add", first, g.quant(second, scale=0.17))), 2, 4, 1, 1))


def padded(*inputs, opset: int = 13, mode: str = "constant", **attributes):
    """inputs: (value, type) of the Pad's constants."""
    g = Graph(1, 3, 5, 5)
    constants = (g.constant(*each) if each else "" for each in inputs)
    x = g.node("Pad", g.quant("x"), *constants, mode=mode, **attributes)
    return g.model(g.conv(x, 4, 3, 3, 3, pads=[1] * 4), opset=opset)


def transposed_by_default():
    g = Graph(1, 3, 4, 4)
    return g.model(g.node("Transpose", g.conv(g.quant("x"), 4, 3, 1, 1)))


CONVERTED = {
    "transposition": transposed_by_default,
    "no attributes": bare_convolution,
    "auto_pad upper": lambda: bare_convolution("SAME_UPPER", strides=[2, 1]),
    "auto_pad lower": lambda: bare_convolution("SAME_LOWER", strides=[1, 3]),
    "auto_pad valid": lambda: bare_convolution("VALID", strides=[3, 2]),
    "sequences": sequences,
    "padding of the past": causal,
    "padding as attribute": lambda: padded(opset=10, pads=[0, 0, 1, 0, 0, 0, 0, 2]),
    "padding of some axes": lambda: padded(([0, 1, 2, 1], np.int64), None, ([3, 2], np.int64), opset=18),
    "groups": lambda: groups(2, 4, 6),
    "channel multiplier": lambda: groups(3, 3, 6),
    "depthwise": lambda: groups(3, 3, 3),
    "mean, axes as attribute": lambda: means(1, 13),
    "mean, axes as input": lambda: means(1, 18),
    "mean without dimensions": lambda: means(0, 13),
    "average of windows": averages,
    "global maximum": global_maximum,
    "shared weights": shared_weights,
    "quantized bias": quantized_bias,
    "signed after relu": signed_after_relu,
    "scaled signs": scaled_signs,
    "upsampling": repeated_pixels,
    "upsampling, asymmetric": lambda: repeated_pixels(
        coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "slices": slices,
    "constants": plain_constants,
}
#: Op types after the conversion, of some.
OPS = {
    "sequences": {"Conv", "MaxPool", "Mul"},
    "padding of the past": {"Conv"},
    "mean, axes as attribute": {"GlobalAveragePool"},
    "mean, axes as input": {"GlobalAveragePool"},
    "mean without dimensions": {"GlobalAveragePool", "Flatten"},
    "global maximum": {"MaxPool"},
    "slices": {"Split"},
}


@pytest.mark.parametrize("name", CONVERTED)
def test_conversions_compute_the_same(name):
    model = CONVERTED[name]()
    shape = model.get_tensor_shape("x")
    images = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    expected = [outputs(model, image) for image in images]
    prepared, _ = prepare(model)
    types = {node.op_type for node in prepared.graph.node}
    assert OPS.get(name, set()) <= types
    assert not types & {"ReduceMean", "Slice", "Pad", "AveragePool", "GlobalMaxPool"}
    for image, wanted in zip(images, expected, strict=True):
        for got, want in zip(outputs(prepared, image), wanted, strict=True):
            np.testing.assert_allclose(got.reshape(want.shape), want, atol=1e-5)


@pytest.mark.parametrize("name", CONVERTED)
def test_attributes_are_written_out(name):
    for node in prepare(CONVERTED[name]())[0].graph.node:
        if node.op_type in ("Conv", "MaxPool"):
            values = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            lengths = [len(values[key]) for key in ("kernel_shape", "strides", "dilations", "pads")]
            assert lengths == [2, 2, 2, 4]
            assert "auto_pad" not in values
            assert node.op_type != "Conv" or values["group"] > 0


def test_a_truncated_average_stays_valid():
    """Up to opset 18 an AveragePool has no dilations."""
    g = Graph(1, 3, 6, 6)
    x = g.node("AveragePool", g.quant("x", scale=0.125, signed=0), kernel_shape=[2, 2], strides=[2, 2])
    x = g.node(
        "Trunc", x, *map(g.constant, (0.125, 0, 6, 4)), domain=GENERAL, rounding_mode="FLOOR", signed=0
    )
    model = g.model(g.conv(x, 4, 3, 1, 1))
    image = np.random.default_rng(1).normal(size=(1, 3, 6, 6)).astype(np.float32)
    (got,), (want,) = outputs(prepare(model)[0], image), outputs(model, image)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_prepare_says_what_it_did():
    notes = [note for name in CONVERTED for note in prepare(CONVERTED[name]())[1]]
    dense = "became a dense convolution with zeros between groups, of"
    assert notes == [
        "x: its shape (1, 2, 12) became (1, 2, 12, 1)",
        "AveragePool AveragePool_8: averages of 1x1 became a depthwise convolution with equal weights",
        "x: its shape (1, 2, 12) became (1, 2, 12, 1)",
        "t3: its shape (1, 4, 12) became (1, 4, 12, 1)",
        f"Conv Conv_2: its 2 groups (4 to 6 channels) {dense} 2 times the multiplications",
        f"Conv Conv_2: its 3 groups (3 to 6 channels) {dense} 3 times the multiplications",
        "AveragePool AveragePool_1: averages of 3x2 became a depthwise convolution with equal weights",
    ]


def test_upsampling_by_sizes():
    """QONNX does not execute it as it is."""
    image = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32)
    by_sizes, by_scales = (prepare(repeated_pixels(each))[0] for each in (True, False))
    np.testing.assert_array_equal(outputs(by_sizes, image), outputs(by_scales, image))


@pytest.mark.parametrize("batch", [4, "N"])
def test_a_batch_becomes_one_image(batch):
    g = Graph(batch, 3, 5, 5)
    x = g.conv(g.quant("x"), 4, 3, 3, 3)
    x = g.node("Reshape", x, g.constant([4 if batch == 4 else -1, 36], np.int64))
    model = g.model(g.node("MatMul", g.quant(x), g.weights(36, 2)))
    images = np.random.default_rng(0).normal(size=(4, 3, 5, 5)).astype(np.float32)
    if batch == 4:
        (expected,) = outputs(model, images)
    prepared, notes = prepare(model)
    of = "4" if batch == 4 else "any number of"
    assert notes == [f"input x: its batch of {of} images became 1"]
    assert prepared.get_tensor_shape("x") == [1, 3, 5, 5]
    assert prepared.get_tensor_shape(prepared.graph.output[0].name) == [1, 2]
    if batch == 4:
        got = [outputs(prepared, image)[0] for image in images]
        np.testing.assert_allclose(np.concatenate(got), expected, rtol=1e-6)


def test_zero_points_for_each_channel_and_the_other_name_of_quant():
    """Both as a scalar zero point of a Quant, beyond which FINN reads none."""
    g = Graph(1, 3, 5, 5)
    model = g.model(g.conv(g.quant("x", zero=np.zeros((1, 3, 1, 1))), 4, 3, 3, 3))
    for node in model.graph.node:
        node.op_type = node.op_type.replace("Quant", "IntQuant")
    image = np.random.default_rng(0).normal(size=(1, 3, 5, 5)).astype(np.float32)
    prepared, notes = prepare(model)
    quants = [node for node in prepared.graph.node if node.op_type == "Quant"]
    assert len(quants) == 2 and notes == []
    assert all(prepared.get_initializer(node.input[2]).shape == () for node in quants)
    np.testing.assert_array_equal(outputs(prepared, image), outputs(model, image))


# ---- refusals -----------------------------------------------------------------------------------


def refused_input():
    g = Graph(1, 3, 5, 5)
    return g.model(g.conv("x", 4, 3, 3, 3))


def refused_activation():
    g = Graph(1, 3, 5, 5)
    x = g.node("Sigmoid", g.conv(g.quant("x"), 4, 3, 3, 3))
    return g.model(g.conv(g.node("MaxPool", x, kernel_shape=[2, 2]), 4, 4, 1, 1))


def refused_weights(per_input: bool):
    g = Graph(1, 3, 5, 5)
    if per_input:
        weights = g.weights(4, 3, 3, 3, scale=np.full((1, 3, 1, 1), 0.1))
    else:
        weights = g.constant(np.ones((4, 3, 3, 3)))
    return g.model(g.node("Conv", g.quant("x"), weights))


def computed_weights():
    g = Graph(1, 3, 3, 3)
    x = g.quant("x")
    return g.model(g.node("Conv", x, x))


def quantizer_with(**options):
    g = Graph(1, 3, 5, 5)
    return g.model(g.conv(g.quant("x", **options), 4, 3, 3, 3))


def computed_scale():
    g = Graph(1, 3, 5, 5)
    x = g.node("Quant", "x", g.node("ReduceMax", "x"), g.constant(0), g.constant(4), domain=GENERAL)
    return g.model(g.conv(x, 4, 3, 3, 3))


def volumes():
    g = Graph(1, 3, 5, 5, 5)
    return g.model(g.conv(g.quant("x"), 4, 3, 3, 3, 3))


def bipolar_groups():
    g = Graph(1, 4, 5, 5)
    weights = g.node("BipolarQuant", g.constant(np.ones((4, 2, 3, 3))), g.constant(1), domain=GENERAL)
    return g.model(g.node("Conv", g.quant("x"), weights, group=2))


def padded_signs():
    g = Graph(1, 3, 5, 5)
    x = g.node("BipolarQuant", "x", g.constant(1), domain=GENERAL)
    return g.model(g.conv(g.node("MaxPool", x, kernel_shape=[2, 2]), 4, 3, 3, 3, pads=[1] * 4))


def padded_apart():
    g = Graph(1, 3, 5, 5)
    x = g.node("BipolarQuant", "x", g.constant(1), domain=GENERAL)
    pads = g.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    return g.model(g.conv(g.node("Pad", x, pads), 4, 3, 3, 3))


def averaged_signs():
    g = Graph(1, 3, 6, 6)
    x = g.node("BipolarQuant", "x", g.constant(1), domain=GENERAL)
    options = {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}
    return g.model(g.conv(g.quant(g.node("AveragePool", x, **options)), 4, 3, 1, 1))


def reciprocal():
    g = Graph(1, 3, 5, 5)
    return g.model(g.node("Div", g.constant(1), g.conv(g.quant("x"), 4, 3, 3, 3)))


def silu():
    g = Graph(1, 3, 5, 5)
    x = g.conv(g.quant("x"), 4, 3, 3, 3)
    return g.model(g.conv(g.quant(g.node("Mul", x, g.node("Sigmoid", x))), 4, 4, 1, 1))


def transposed_groups():
    g = Graph(1, 4, 5, 5)
    return g.model(g.node("ConvTranspose", g.quant("x"), g.weights(4, 1, 2, 2), group=2, strides=[2, 2]))


def between(op_type: str):
    g = Graph(1, 3, 5, 5)
    x = g.node(op_type, g.conv(g.quant("x"), 4, 3, 3, 3))
    return g.model(g.conv(g.quant(x), 4, 4, 1, 1))


def pooled(op_type: str, signed: int = 1, **options):
    g = Graph(1, 3, 5, 5)
    return g.model(g.conv(g.node(op_type, g.quant("x", signed=signed), **options), 4, 3, 1, 1))


def interpolated():
    g = Graph(1, 3, 4, 4)
    x = g.node("Resize", g.quant("x"), g.constant([]), g.constant([1, 1, 2, 2]), mode="linear")
    return g.model(g.conv(x, 4, 3, 1, 1))


def mixed_batch():
    g = Graph(2, 3, 5, 5)
    return g.model(g.conv(g.node("Transpose", g.quant("x"), perm=[1, 0, 2, 3]), 4, 2, 1, 1))


def transposed_sequence():
    g = Graph(1, 2, 12)
    x = g.conv(g.quant("x"), 4, 2, 3)
    return g.model(g.node("Unsqueeze", x, g.constant([0], np.int64)))


def gemm(**attributes):
    g = Graph(1, 3, 4, 4)
    return g.model(
        g.node(
            "Gemm", g.node("Flatten", g.quant("x")), g.weights(48, 2), g.constant([0.3, -0.2]), **attributes
        )
    )


def function(op_type: str, *constants, opset: int = 13, **attributes):
    """Between a convolution and a quantizer."""
    g = Graph(1, 3, 5, 5)
    x = g.node(op_type, g.conv(g.quant("x"), 4, 3, 3, 3), *map(g.constant, constants), **attributes)
    return g.model(g.conv(g.quant(x), 2, 4, 1, 1), opset=opset)


def normalized(scale=1.0, variance=1.0, **attributes):
    return function("BatchNormalization", *(np.full(4, v) for v in (scale, 0, 0, variance)), **attributes)


def convolved(**attributes):
    g = Graph(1, 4, 5, 5)
    return g.model(g.conv(g.quant("x"), 4, 4, 3, 3, **attributes))


def quantized_weights(value: float = 1.0, **options):
    g = Graph(1, 3, 5, 5)
    weights = np.ones((4, 3, 3, 3))
    weights[0, 0, 0, 0] = value
    return g.model(g.node("Conv", g.quant("x"), g.quant(g.constant(weights), **options)))


def signs(scale: float):
    g = Graph(1, 3, 5, 5)
    return g.model(g.conv(g.node("BipolarQuant", "x", g.constant(scale), domain=GENERAL), 4, 3, 3, 3))


def largest(values: bool = False, **attributes):
    g = Graph(1, 3, 4, 4)
    x = g.node("MatMul", g.node("Flatten", g.quant("x")), g.weights(48, 5))
    x = g.node("TopK", x, g.constant([1], np.int64), outputs=2, **attributes)
    return g.model(x if values else g.nodes[-1].output[1])


def padded_before_a_quantizer():
    g = Graph(1, 3, 5, 5)
    x = g.node("Pad", g.conv(g.quant("x"), 4, 3, 3, 3), g.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    return g.model(g.conv(g.quant(x), 2, 4, 1, 1))


def open_sizes():
    g = Graph("N", 3, "H", 5)
    return g.model(g.conv(g.quant("x"), 4, 3, 3, 3))


def read_output(layer: bool):
    g = Graph(1, 3, 5, 5)
    x = g.conv(g.quant("x"), 4, 3, 3, 3)
    after = g.conv(g.quant(x), 2, 4, 1, 1) if layer else g.node("Softmax", x, axis=1)
    return g.model(x, after)


BAD_VALUES = {
    "input x: its shape is (1, 3, H, 5); accepted are numbers for all sizes but": open_sizes,
    "Quant Quant_3: its input t2 is an output of the network, too; accepted are": lambda: read_output(True),
    "Softmax Softmax_3: its input t2 is an output of the network": lambda: read_output(False),
    "Gemm Gemm_3: alpha=0.5; accepted are 1.0": lambda: gemm(alpha=0.5),
    "Gemm Gemm_3: beta=0.0; accepted are 1.0": lambda: gemm(beta=0.0),
    "Gemm Gemm_3: transA=1; accepted are 0": lambda: gemm(transA=1),
    "LeakyRelu LeakyRelu_3: alpha=0.0; accepted are finite": lambda: function("LeakyRelu", alpha=0.0),
    "LeakyRelu LeakyRelu_3: alpha=nan; accepted are finite": lambda: function(
        "LeakyRelu", alpha=float("nan")
    ),
    "Clip Clip_3: its bounds are [1.0, -1.0]; accepted are least and": lambda: function("Clip", 1.0, -1.0),
    "Clip Clip_3: its bounds are [nan, 1.0]; accepted are": lambda: function("Clip", float("nan"), 1.0),
    "Clip Clip_3: its bounds are [0.5, -0.5]; accepted": lambda: function(
        "Clip", opset=10, min=0.5, max=-0.5
    ),
    "Clip Clip_3: its bound constant7 has shape (2,); accepted is one": lambda: function("Clip", [0.0, 0.1]),
    "Dropout Dropout_3: training_mode is 1; accepted is 0": lambda: function("Dropout", 0.5, True),
    "BatchNormalization BatchNormalization_3: training_mode=1; accepted are 0": lambda: normalized(
        training_mode=1
    ),
    "BatchNormalization BatchNormalization_3: epsilon=-1.0; accepted are": lambda: normalized(epsilon=-1.0),
    "BatchNormalization BatchNormalization_3: a variance is -1, with epsilon=1e-05": lambda: normalized(
        variance=-1.0
    ),
    "BatchNormalization BatchNormalization_3: a value of constant7 is infinite or no number": lambda: (
        normalized(np.nan)
    ),
    "Conv Conv_2: strides=[0, 0]; accepted are integers from 1 to": lambda: convolved(strides=[0, 0]),
    "Conv Conv_2: dilations=[0, 1]; accepted are integers from 1": lambda: convolved(dilations=[0, 1]),
    "Conv Conv_2: pads=[-1, 0, 0, 0]; accepted are integers from 0": lambda: convolved(pads=[-1, 0, 0, 0]),
    "Conv Conv_2: group=0; accepted are integers from 1": lambda: convolved(group=0),
    "Conv Conv_2: auto_pad=SAME; accepted are NOTSET or": lambda: convolved(auto_pad="SAME"),
    "Conv Conv_2: weights of shape (4, 4, 3, 3) with 4 input channels, group=3 and": lambda: convolved(
        group=3
    ),
    "Conv Conv_2: weights of shape (4, 4, 3, 3) with 4 input channels, group=1 and kernel_shape=[2, 2]": (
        lambda: convolved(kernel_shape=[2, 2])
    ),
    "Conv Conv_2: its input of shape [1, 4, 5, 5] gives an output of shape [1, 4, -3, -3]": lambda: convolved(
        dilations=[4, 4]
    ),
    "MaxPool MaxPool_1: windows of [6, 1] in a padded image of [5, 5]; accepted are windows": lambda: pooled(
        "MaxPool", kernel_shape=[6, 1]
    ),
    "MaxPool MaxPool_1: strides=[0, 0]; accepted are integers from 1": lambda: pooled(
        "MaxPool", kernel_shape=[2, 2], strides=[0, 0]
    ),
    "MaxPool MaxPool_1: storage_order=1; accepted are 0": lambda: pooled(
        "MaxPool", kernel_shape=[2, 2], storage_order=1
    ),
    "AveragePool AveragePool_1: strides=[0, 1]; accepted are": lambda: pooled(
        "AveragePool", kernel_shape=[2, 2], strides=[0, 1]
    ),
    "Quant Quant_0: its scale is 0; accepted are numbers above 0": lambda: quantizer_with(scale=0.0),
    "Quant Quant_0: its scale is -0.1; accepted are numbers above 0": lambda: quantizer_with(scale=-0.1),
    "Quant Quant_0: a value of constant0 is infinite or no": lambda: quantizer_with(scale=float("inf")),
    "Quant Quant_0: its bit width is 0; accepted are 1 or more": lambda: quantizer_with(bits=0),
    "Quant Quant_0: a value of constant2 is infinite or no": lambda: quantizer_with(bits=float("nan")),
    "Quant Quant_0: its bit width is 1 with a scale of 0.11; accepted are 2": lambda: quantizer_with(bits=1),
    "Quant Quant_0: signed=2; accepted are 0 or 1": lambda: quantizer_with(signed=2),
    "Quant Quant_1: its scale is 0; accepted are": lambda: quantized_weights(scale=0.0),
    "Quant Quant_1: a value of constant3 is infinite": lambda: quantized_weights(np.nan),
    "Quant Quant_1: its bit width is 0; accepted": lambda: quantized_weights(bits=0),
    "BipolarQuant BipolarQuant_0: its scale is -1; accepted are numbers above 0": lambda: signs(-1.0),
    "Mul Mul_3: a value of constant7 is infinite or no number": lambda: function("Mul", np.inf),
    "Div Div_3: divides by 0; accepted are other numbers": lambda: function("Div", 0.0),
    "Add Add_3: its constant constant7 has shape (1, 1, 3, 3); accepted are one number": lambda: function(
        "Add", np.ones((1, 1, 3, 3))
    ),
    "Div Div_7: divides values of the network by each other": lambda: joined("Div", 0.09, 0.09),
    "TopK TopK_4: largest=0; accepted are 1": lambda: largest(largest=0),
    "TopK TopK_4: axis=0 of shape [1, 5]; accepted is the last": lambda: largest(axis=0),
    "TopK TopK_4: its values t4 are read; accepted are its indices alone": lambda: largest(values=True),
    "Pad Pad_3: Quant Quant_4 reads what it pads; accepted is padding that only": padded_before_a_quantizer,
}
REFUSED = {
    "Conv Conv_1: its input x is not quantized: it comes from the network's input x; put a": refused_input,
    "Conv Conv_6: its input t4 is not quantized: it comes from Sigmoid Sigmoid_3; put a": refused_activation,
    "Conv Conv_1: its weights constant0 are not quantized (FLOAT32); use": lambda: refused_weights(False),
    "Conv Conv_2: the scales of its weights have shape (1, 3, 1, 1); accepted are one scale, or one for each "
    "output channel": lambda: refused_weights(True),
    "Conv Conv_1: its weights t0 are computed in the network; accepted are constants": computed_weights,
    "Quant Quant_0: its zero point is 3; accepted is 0: use a symmetric quantizer": lambda: quantizer_with(
        zero=3
    ),
    "Quant Quant_0: rounding_mode is FLOOR; accepted is ROUND": lambda: quantizer_with(mode="FLOOR"),
    "Quant Quant_0: its bit width is 2.5; accepted is one integer": lambda: quantizer_with(bits=2.5),
    "Quant Quant_0: its bit width is 12; accepted are 8 for activations": lambda: quantizer_with(bits=12),
    "Quant Quant_1: its scale t0 is computed in the network; accepted are constants": computed_scale,
    "Conv Conv_2: its input t0 has shape [1, 3, 5, 5, 5]; accepted are images (1, C, H, W)": volumes,
    "Conv Conv_2: group=2 with 4 input channels, 4 output channels and bipolar weights": bipolar_groups,
    "Conv Conv_3: pads=[1, 1, 1, 1] around values of -1 and 1, and FINN pads with 0; accepted": padded_signs,
    "Conv Conv_3: pads=[1, 1, 1, 1] around values of -1 and 1, and FINN pads": padded_apart,
    "Conv AveragePool_1: pads=[1, 1, 1, 1] around values of -1 and 1, and FINN pads": averaged_signs,
    "Pad Pad_1: mode=constant, value [0.44], pads [0, 0, 1, 1, 0, 0, 1, 1]; accepted": lambda: padded(
        ([0, 0, 1, 1, 0, 0, 1, 1], np.int64), ([0.44],)
    ),
    "Pad Pad_1: mode=constant, value 0.5, pads [0, 0, 1, 1, 0, 0, 1, 1]; accepted": lambda: padded(
        opset=10, pads=[0, 0, 1, 1, 0, 0, 1, 1], value=0.5
    ),
    "Pad Pad_1: mode=constant, value 0, pads [0, 0, -1, 0, 0, 0, 0, 0]; accepted": lambda: padded(
        ([0, 0, -1, 0, 0, 0, 0, 0], np.int64)
    ),
    "Pad Pad_1: mode=reflect, value 0, pads [0, 0, 1, 1, 0, 0, 1, 1]; accepted": lambda: padded(
        ([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect"
    ),
    "Sigmoid Sigmoid_3: FINN has no layer for Sigmoid; accepted is a Sigmoid that only quantizers read"
    ", e.g. brevitas.nn.QuantSigmoid": silu,
    "Div Div_3: divides a constant by values of the network": reciprocal,
    "ConvTranspose ConvTranspose_2: group=2, dilations=[1, 1], kernel_shape=[2, 2], pads=[0, 0, 0, 0]; "
    "accepted are one group": transposed_groups,
    "Elu Elu_3: FINN has no layer for Elu; accepted between layers are Add, ": lambda: between("Elu"),
    "MaxPool MaxPool_1: pads=[1, 1, 1, 1] around values that may be negative": lambda: pooled(
        "MaxPool", kernel_shape=[3, 3], pads=[1] * 4
    ),
    "MaxPool MaxPool_1: strides=[3, 3] beyond kernel_shape=[2, 2]": lambda: pooled(
        "MaxPool", kernel_shape=[2, 2], strides=[3, 3]
    ),
    "MaxPool MaxPool_1: dilations=[2, 2]; accepted are 1": lambda: pooled(
        "MaxPool", kernel_shape=[2, 2], dilations=[2, 2]
    ),
    "MaxPool MaxPool_1: ceil_mode=1 with incomplete windows of an image [5, 5]": lambda: pooled(
        "MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1
    ),
    "AveragePool AveragePool_1: pads=[1, 1, 1, 1], ceil_mode=0, count_include_pad=0: windows": lambda: pooled(
        "AveragePool", kernel_shape=[3, 3], pads=[1] * 4
    ),
    "Resize Resize_1: mode=linear from (1, 3, 4, 4) to (1, 3, 8, 8); accepted is mode=nearest": interpolated,
    "Transpose Transpose_1: mixes the 2 images of a batch; accepted is a batch of 1": mixed_batch,
    "Unsqueeze Unsqueeze_3: works on sequences of shape (1, 4, 10)": transposed_sequence,
}


@pytest.mark.parametrize("message", [*REFUSED, *BAD_VALUES])
def test_refusals_name_the_node(message):
    with pytest.raises(UnsupportedError) as error:
        prepare((REFUSED | BAD_VALUES)[message]())
    assert str(error.value).startswith(message)


def test_bit_widths_follow_the_configuration():
    assert prepare(quantizer_with(bits=12), most_bits=12)[1] == []


def test_a_refused_network_leaves_only_the_log(tmp_path):
    path = tmp_path / "network.onnx"
    refused_input().save(str(path))
    message = r"^step_prepare_network failed: Conv Conv_1: its input x is not quantized: .*build_failed.log$"
    with pytest.raises(BuildError, match=message):
        build(path, {}, tmp_path / "out")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["build_failed.log"]


# ---- streamlining -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "attributes", "constants"),
    [
        ("Sigmoid", {}, ()),
        ("Tanh", {}, ()),
        ("Relu", {}, ()),
        ("LeakyRelu", {"alpha": 0.2}, ()),
        ("Clip", {}, (-0.25, 0.5)),
        ("Clip", {}, (-0.3,)),
        ("Clip", {"min": -0.25, "max": 0.5}, ()),
    ],
)
@pytest.mark.parametrize("signed", [0, 1])
def test_functions_go_into_thresholds(function, attributes, constants, signed):
    """Far values, too, and the quantizer's range both within and beyond the function's."""
    from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN

    g = Graph(1, 1, 1, 400)
    x = g.node(function, "x", *map(g.constant, constants), **attributes)
    opset = 10 if "max" in attributes else 13
    model = prepare(g.model(g.quant(x, scale=0.09, signed=signed), opset=opset))[0]
    image = np.linspace(-12, 12, 400, dtype=np.float32)
    (expected,) = outputs(model, image)
    streamlined = streamline(model.transform(ConvertQONNXtoFINN()))
    types = [node.op_type for node in streamlined.graph.node]
    assert types[:2] == ["Transpose", "MultiThreshold"]
    assert set(types) == {"Transpose", "MultiThreshold", "Mul"}
    np.testing.assert_allclose(outputs(streamlined, image)[0], expected, atol=1e-6)


def test_functions_in_a_row_go_into_several_thresholds():
    from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN

    g = Graph(1, 1, 1, 100)
    x = g.node("Clip", g.node("Tanh", "x"), g.constant(-0.5), g.constant(0.75))
    model = prepare(g.model(g.quant(x), g.quant(x, scale=0.05)))[0]
    image = np.linspace(-3, 3, 100, dtype=np.float32)
    expected = outputs(model, image)
    streamlined = streamline(model.transform(ConvertQONNXtoFINN()))
    assert {node.op_type for node in streamlined.graph.node} <= {"MultiThreshold", "Mul", "Transpose"}
    for got, want in zip(outputs(streamlined, image), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def transposed(kernel, **attributes):
    g = Graph(1, 3, 4, 5)
    x = g.node("ConvTranspose", g.quant("x"), g.weights(3, 2, *kernel), **attributes)
    return g.model(g.conv(g.quant(x, scale=0.31), 2, 2, 1, 1))


def joined(op_type: str, *scales: float, **attributes):
    g = Graph(1, 3, 5, 5)
    x = g.quant("x")
    branches = [g.quant(g.conv(x, 4, 3, 3, 3, pads=[1] * 4), scale) for scale in scales]
    x = g.quant(g.node(op_type, *branches, **attributes), scale=0.071, bits=5)
    return g.model(g.conv(x, 2, 8 if op_type == "Concat" else 4, 1, 1))


STREAMLINED = {
    "transposed": lambda: transposed((2, 2), strides=[2, 2]),
    "transposed, padded": lambda: transposed((3, 3), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
    "transposed, sides differ": lambda: transposed((3, 2), strides=[1, 3], pads=[2, 0, 0, 1]),
    "transposed, 1x1": lambda: transposed((1, 1), strides=[2, 1]),
    "sum": lambda: joined("Add", 0.09, 0.09),
    "concatenation": lambda: joined("Concat", 0.09, 0.09, axis=1),
    "concatenation, scales differ": lambda: joined("Concat", 0.09, 0.13, axis=1),
    "slices": slices,
    "constants": plain_constants,
}


@pytest.mark.parametrize("name", STREAMLINED)
def test_streamlining_leaves_integers(name):
    """The same outputs; scales and transpositions are gone but for the network's ends."""
    from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN

    model = STREAMLINED[name]()
    image = np.random.default_rng(1).normal(size=model.get_tensor_shape("x")).astype(np.float32)
    expected = outputs(model, image)
    streamlined = streamline(prepare(model)[0].transform(ConvertQONNXtoFINN()))
    for got, want in zip(outputs(streamlined, image), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)
    ends = len(expected)
    types = [node.op_type for node in streamlined.graph.node]
    assert types.count("Mul") == ends
    assert types.count("Transpose") == 1 + ends
    assert not {"Conv", "ConvTranspose", "Slice"} & set(types)


def test_front_end_replaces_finns_steps_in_a_list():
    def step_convert_to_hw(model, cfg):  # a user's own
        return model

    steps = ["step_qonnx_to_finn", "step_tidy_up", "mine.step_streamline", "step_apply_folding_config"]
    names = [getattr(step, "__module__", step) for step in front_end_steps([*steps, step_convert_to_hw])]
    ours = "finn_imec.builder.front_end"
    assert names == [ours, *steps[:2], steps[2], steps[3], __name__]
    names = [getattr(step, "__module__", step) for step in front_end_steps(["step_streamline"])]
    assert names == [ours]


# ---- whole builds -------------------------------------------------------------------------------

#: Networks of benchmarks/zoo/exports.py: nodes after the build, notes, host nodes after the layers.
BUILT = {
    "yolo_heads": ({"IMECConv_rtl": 3, "MVAU_rtl": 2, "MVAU_hls": 1}, 0),
    "causal_tcn": ({"IMECConv_rtl": 3, "ElementwiseAdd_hls": 3}, 4),
    "squeeze_excite": ({"IMECConv_rtl": 2, "GlobalAccPool_hls": 2, "ElementwiseMul_hls": 1}, 0),
    "unet": ({"IMECConv_rtl": 5, "StreamingConcat_hls": 2, "UpsampleNearestNeighbour_hls": 2}, 0),
    "pointwise": ({"IMECConv_rtl": 1, "MVAU_rtl": 1}, 1),
}


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """A folder with the QONNX files of BUILT."""
    pytest.importorskip("brevitas", reason="needs Brevitas: pip install 'finn-imec[train]'")
    from zoo import exports

    folder = tmp_path_factory.mktemp("exports")
    for name in BUILT:
        exports.export(name, folder / f"{name}.onnx", dynamo=False)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of FINN, about layouts it infers later
@pytest.mark.parametrize("name", BUILT)
def test_exports_build_and_compute_the_same(exported, name, tmp_path):
    nodes, notes = BUILT[name]
    built = build(exported / f"{name}.onnx", {}, tmp_path / "out", pointwise=False)
    assert all(pair.swapped for pair in built.pairs if pair.mvau)
    types = [node.op_type for node in ModelWrapper(str(built.model)).graph.node]
    assert {kind: types.count(kind) for kind in nodes} == nodes
    assert len(built.notes) == notes
    assert load_onnx(built.export) == load_onnx(exported / f"{name}.onnx")
    assert difference(built.output_dir) < TOLERANCE


def test_the_documentation_tells_what_came_of_each_network():
    lines = recorded(RESULTS)
    page = RESULTS.parents[2] / "docs" / "reference" / "front-end.md"
    assert markdown(lines) in page.read_text()
    built = [line for line in lines if line["build"] == "ok"]
    assert len(built) >= 20 and all(len(line["build"]) > 20 for line in lines if line not in built)
    for line in built:
        assert line["difference"] <= TOLERANCE and (line["simulate"], line["report"]) == ("ok", "ok")
        assert line["interval"] >= line["slowest"], line["network"]


def test_sums_say_of_how_many_layers_they_are():
    line = {
        "network": "n", "build": "ok", "kept": 1, "refolded": 1, "left": 0, "alone": 2, "multipliers": [2, 2],
        "difference": 0, "compare": "ok", "counted": 3, "lut": [100, 40],
    }  # fmt: skip
    assert "| 100 to 40, 60% fewer, 3 of 4 layers |" in markdown([line])
    assert "| 100 to 40, 60% fewer |" in markdown([line | {"alone": 1}])


def test_the_zoo_has_two_dozen_kinds():
    pytest.importorskip("brevitas", reason="needs Brevitas: pip install 'finn-imec[train]'")
    from zoo import exports

    lines = {line["network"]: line for line in recorded(RESULTS)}
    assert len(exports.NETWORKS) == 24 and set(lines) == set(exports.NETWORKS)
    assert all(each.kind for each in exports.NETWORKS.values())
