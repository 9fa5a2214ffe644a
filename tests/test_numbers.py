"""Integers stay exact between ONNX' float32, numpy and RTL; what is not an integer is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.numbers import ROUNDING, whole_numbers
from finn_imec.simulation.stimulus import SimulationError
from finn_imec.util.errors import ImecError, UnsupportedError

INT16 = DataType["INT16"]
GEOMETRY = ConvGeometry((3, 3), (6, 5), 8, 4, simd=4, pe=2)


@pytest.mark.parametrize(
    ("values", "datatype", "message"),
    [
        ([1, 0.5], "INT8", "x: the value 0.5: accepted are INT8"),
        ([np.nan], "INT8", "x: the value nan"),
        ([-np.inf], "INT8", "x: the value -inf"),
        ([2.0**63], None, "x: the value 9.22337e[+]18: accepted are integers"),
        ([0, 128], "INT8", "x: the value 128: accepted are INT8"),
        ([1, 0], "BIPOLAR", "x: the value 0: accepted are BIPOLAR"),
        (["1"], None, "x: values of type <U1: accepted are integers"),
    ],
)
def test_what_is_no_integer_of_the_type_is_refused(values, datatype, message):
    with pytest.raises(UnsupportedError, match=message):
        whole_numbers(np.array(values), "x", datatype and DataType[datatype])


def test_integers_are_kept():
    values = np.array([[-(2.0**53) + 1, 3.0], [2.0**31, -0.0]])
    assert whole_numbers(values, "x").tolist() == [[-(2**53) + 1, 3], [2**31, 0]]
    assert whole_numbers(np.array([2.9995], np.float32), "x", None, ROUNDING).tolist() == [3]
    assert whole_numbers(np.empty((0, 2)), "x", DataType["INT2"]).shape == (0, 2)
    assert whole_numbers(np.array([True]), "x", DataType["BINARY"]).tolist() == [1]


def wide_path(odt: str = "INT40") -> Datapath:
    """A layer of 16 bits; its accumulators have 37."""
    weights = random_values(INT16, (GEOMETRY.mw, GEOMETRY.mh), np.random.default_rng(0))
    return Datapath(GEOMETRY, INT16, INT16, DataType[odt], weights)


@pytest.fixture
def frames() -> np.ndarray:
    return random_values(INT16, (2, *GEOMETRY.input_dim, GEOMETRY.ifm_channels), np.random.default_rng(1))


def swapped(make_pair_model):
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    return swap_pairs(make_pair_model(wide_path()))


def test_accumulators_beyond_float32_in_a_partition(make_pair_model, frames):
    from finn_imec import partition

    _, outputs = partition.simulate(swapped(make_pair_model), frames)
    expected = reference(wide_path(), frames)
    assert np.abs(expected).max() > 2**24
    np.testing.assert_array_equal(outputs.astype(np.int64), expected)


def test_accumulators_beyond_float32_layer_by_layer(make_pair_model, frames, tmp_path):
    from finn_imec.partition.network import prepare_network, run_network

    outputs, (layer,) = run_network(prepare_network(swapped(make_pair_model), tmp_path), frames)
    assert layer["words_checked"] == 2 * GEOMETRY.windows * GEOMETRY.nf
    np.testing.assert_array_equal(outputs.astype(np.int64), reference(wide_path(), frames))


def test_finns_pair_computes_exactly(make_pair_model, frames):
    from finn_imec.partition.exact import execute

    context = execute(make_pair_model(wide_path()), {"ifm": frames[:1].astype(np.float32)})
    np.testing.assert_array_equal(context["ofm"].astype(np.int64), reference(wide_path(), frames[:1]))


@pytest.mark.parametrize("op_type", ["Identity", "DuplicateStreams"])
def test_what_float32_cannot_hold_is_not_judged(make_pair_model, frames, op_type):
    """Of onnxruntime, or of FINN's layers that give float32 themselves."""
    from finn_imec.partition.exact import execute

    model = make_pair_model(wide_path())
    shape = model.get_tensor_shape("ofm")
    attributes = {}
    if op_type == "DuplicateStreams":
        attributes = {
            "domain": "finn.custom_op.fpgadataflow", "backend": "fpgadataflow", "NumChannels": 4, "PE": 1,
            "NumOutputStreams": 2, "inputDataType": "INT40", "numInputVectors": shape[:-1],
            "outFIFODepths": [2, 2],
        }  # fmt: skip
    names = ["same", "again"][: 1 + bool(attributes)]
    model.graph.node.append(helper.make_node(op_type, ["ofm"], names, name="Last", **attributes))
    model.graph.value_info.append(model.graph.output[0])
    del model.graph.output[:]
    for name in names:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        model.set_tensor_datatype(name, DataType["INT40"])
    with pytest.raises(SimulationError, match=r"Last \(.*has integers beyond 2\*\*24.* cannot be checked"):
        execute(model, {"ifm": frames[:1].astype(np.float32)})
    small = execute(model, {"ifm": np.ones_like(frames[:1], np.float32)})
    assert np.abs(small["same"]).max() < 2**24


def test_fractions_under_an_integer_type(make_pair_model):
    """In weights and inputs."""
    from finn_imec import partition

    model = swapped(make_pair_model)
    inst = getCustomOp(model.graph.node[0])
    ifm = np.ones((1, *GEOMETRY.input_dim, GEOMETRY.ifm_channels), np.float32)
    context = {"ifm": ifm, "weights": model.get_initializer("weights")}
    ifm[0, 2, 3, 1] = 0.5
    with pytest.raises(UnsupportedError, match="IMECConv_0: input ifm: the value 0.5: accepted are INT16"):
        inst.execute_node(context, model.graph)
    with pytest.raises(ImecError, match="INT16"):
        partition.simulate(model, ifm)
    weights = model.get_initializer("weights").copy()
    weights[3, 1] = 0.5
    for refused in (inst.weight_words, lambda values: inst.datapath(values, None)):
        with pytest.raises(UnsupportedError, match=r"weights.*: the value 0.5"):
            refused(weights)


def test_weights_that_the_memory_does_not_hold(make_pair_model):
    model = swapped(make_pair_model)
    inst = getCustomOp(model.graph.node[0])
    with pytest.raises(UnsupportedError, match="weights hold values from 0 to 32768: accepted are -32768 to"):
        inst.weight_words(np.where(np.eye(GEOMETRY.mw, GEOMETRY.mh), 2**15, 0))


def test_compared_layers_have_the_accumulators_that_they_need(make_pair_model):
    from finn_imec.synthesis.comparison import layers_of_model, random_layer

    for geometry, bits in ((GEOMETRY, 37), (ConvGeometry((1, 1), (4, 4), 1, 1), 31)):
        layer = random_layer("layer", geometry, "INT16", "INT16")
        assert layer.datapath().output_datatype.bitwidth() in (bits, bits + 1)
    model = swapped(make_pair_model)
    weights = model.get_initializer("weights").copy()
    weights[0, 0] = 0.5
    model.set_initializer("weights", weights)
    with pytest.raises(UnsupportedError, match="weights of IMECConv_0: the value 0.5"):
        layers_of_model(model)
