"""MVAUs without a window generator as IMECConv: fully connected layers and 1x1 convolutions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import qonnx_make_model

from finn_imec.algorithms.reference import random_values
from finn_imec.builder.node_config import kept_units
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
from finn_imec.transformation.infer_imec_conv import InferIMECConv

DOMAIN = "finn.custom_op.fpgadataflow"
RNG = np.random.default_rng(2027)


def layer(vectors, rows, columns, simd, pe, steps=3, op_type="MVAU", **attributes):
    """x (*vectors, rows) -> MVAU or VVAU of 4-bit values -> y (*vectors, columns)."""
    result = f"UINT{steps.bit_length()}" if steps else "INT16"
    shape = (rows, columns) if op_type == "MVAU" else (columns, 1, *attributes["Kernel"])
    inputs = {"w": (random_values(DataType["INT4"], shape, RNG), "INT4")}
    if steps:
        inputs["t"] = np.sort(RNG.integers(-150, 150, (columns, steps)), axis=1), "INT16"
    if op_type == "MVAU":
        attributes |= {"MW": rows, "MH": columns, "numInputVectors": list(vectors)}
    else:
        attributes |= {"Channels": columns, "Dim": list(vectors[1:])}
    node = helper.make_node(
        op_type, ["x", *inputs], ["y"], name=f"{op_type}_0", domain=DOMAIN, backend="fpgadataflow",
        SIMD=simd, PE=pe, inputDataType="UINT4", weightDataType="INT4", outputDataType=result,
        accDataType="INT16", noActivation=int(not steps), ActVal=0, mem_mode="internal_decoupled",
        **attributes,
    )  # fmt: skip
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [*vectors, c])
        for n, c in (("x", rows), ("y", columns))
    ]
    model = ModelWrapper(qonnx_make_model(helper.make_graph([node], "g", ends[:1], ends[1:])))
    for name, (values, datatype) in inputs.items():
        model.set_initializer(name, values.astype(np.float32))
        model.set_tensor_datatype(name, DataType[datatype])
    model.set_tensor_datatype("x", DataType["UINT4"])
    model.set_tensor_datatype("y", DataType[result])
    return model


def infer(model, **options):
    transformation = InferIMECConv(**options)
    return model.transform(transformation), transformation.report


def execute(model, x):
    return execute_onnx(model, {"x": x.astype(np.float32)})["y"]


@pytest.mark.parametrize(
    ("vectors", "folding"),
    [((1,), (4, 2)), ((1,), (32, 2)), ((5,), (8, 4)), ((1, 3, 4), (8, 2)), ((2, 3, 4), (4, 1))],
)
@pytest.mark.parametrize("steps", [0, 3])
def test_same_function_shapes_and_cycles(vectors, folding, steps):
    """Against the plain product; FINN's MVAU comes back."""
    model = layer(vectors, 32, 16, *folding, steps)
    x = random_values(DataType["UINT4"], (*vectors, 32), RNG)
    weights, thresholds = model.get_initializer("w"), model.get_initializer("t")
    expected = x @ weights.astype(np.int64)
    if steps:
        expected = (expected[..., np.newaxis] >= thresholds).sum(axis=-1)
    np.testing.assert_array_equal(execute(model, x), expected)
    cycles = getCustomOp(model.graph.node[0]).get_exp_cycles()
    swapped, (report,) = infer(model)
    assert report.swapped and report.swg is None and report.mvau == "MVAU_0" and not report.refolded
    assert report.cycles == report.pair_cycles == cycles
    assert report.imec["lut"] < report.finn["lut"] and report.imec["bram18"] <= report.finn["bram18"]
    (node,) = swapped.graph.node
    assert node.op_type == "IMECConv"
    inst = getCustomOp(node)
    assert inst.get_normal_input_shape() == (*vectors, 32) and inst.get_normal_output_shape() == (
        *vectors,
        16,
    )
    assert inst.get_folded_input_shape() == (*vectors, 32 // folding[0], folding[0])
    np.testing.assert_array_equal(execute(swapped, x), expected)
    (back,) = (expanded := swapped.transform(ExpandIMECConv())).graph.node
    assert back.op_type == "MVAU"
    original = getCustomOp(model.graph.node[0])
    for name in ("MW", "MH", "SIMD", "PE", "numInputVectors", "noActivation", "accDataType", "mem_mode"):
        assert np.array_equal(getCustomOp(back).get_nodeattr(name), original.get_nodeattr(name)), name
    np.testing.assert_array_equal(execute(expanded, x), expected)


def test_shape_of_the_tensors():
    """FINN's step leaves numInputVectors=[1] where the tensors are (1, 1, 1, C)."""
    model = layer((1, 1, 1), 32, 16, 4, 2)
    getCustomOp(model.graph.node[0]).set_nodeattr("numInputVectors", [1])
    x = random_values(DataType["UINT4"], (1, 1, 1, 32), RNG)
    swapped, (report,) = infer(model)
    assert report.swapped
    assert getCustomOp(swapped.graph.node[0]).get_normal_output_shape() == (1, 1, 1, 16)
    assert execute(swapped, x).shape == (1, 1, 1, 16)
    model.set_tensor_shape("y", (1, 16))  # as where FINN drops a Flatten
    swapped, (report,) = infer(model)
    assert report.swapped and getCustomOp(swapped.graph.node[0]).get_normal_output_shape() == (1, 16)
    expected = execute(model, x).reshape(1, 16)
    np.testing.assert_array_equal(execute(swapped, x), expected)
    model.set_tensor_shape("x", (1, 2, 2, 8))
    swapped, (report,) = infer(model)
    assert report.swapped
    np.testing.assert_array_equal(execute(swapped, x.reshape(1, 2, 2, 8)), expected)
    model.set_tensor_shape("x", (2, 32))
    _, (report,) = infer(model)
    assert report.reason == "its input shape is (2, 32), not (1, 32) of its attributes"


def test_vvau_alone():
    """Only with a 1x1 kernel: otherwise its input is windows, which no IMECConv takes."""
    model = layer((1, 3, 4), 8, 8, 1, 2, op_type="VVAU", Kernel=[1, 1])
    x = random_values(DataType["UINT4"], (1, 3, 4, 8), RNG)
    swapped, (report,) = infer(model)
    if report.swapped:
        np.testing.assert_array_equal(execute(swapped, x), execute(model, x))
        assert [n.op_type for n in swapped.transform(ExpandIMECConv()).graph.node] == ["VVAU"]
    else:
        assert "save too little" in report.reason
    _, (report,) = infer(layer((1, 3, 4), 72, 8, 1, 2, op_type="VVAU", Kernel=[3, 3]))
    assert report.reason == "Kernel=[3, 3] without a sliding window unit: accepted is [1, 1]"


def test_left_where_nothing_is_saved():
    """Words of 4 bits, of which a ROM takes two more block RAMs than FINN's streamer."""
    swapped, (report,) = infer(layer((1, 3, 4), 512, 64, 1, 1, 15))
    assert [n.op_type for n in swapped.graph.node] == ["MVAU"]
    assert "would save too little by the estimates: " in report.reason
    assert " bram18 in place of " in report.reason


def test_left_where_not_wanted():
    transformation = InferIMECConv(pointwise=False)
    model = layer((1,), 32, 16, 4, 2).transform(transformation)
    assert not transformation.report and model.graph.node[0].op_type == "MVAU"


def test_left_where_the_folding_configuration_names_it_beside_imecconv_nodes(tmp_path):
    """As it is of a graph in which this one stayed, at another folding."""
    model = layer((1,), 32, 16, 4, 2)
    name = model.graph.node[0].name = "MVAU_rtl_0"
    config = tmp_path / "folding.json"
    for others, left in ({}, []), ({"IMECConv_rtl_0": {}}, [name]):
        config.write_text(json.dumps({"Defaults": {}, name: {"SIMD": 4}, **others}))
        assert kept_units(config) == left
        swapped, (report,) = infer(model, keep=kept_units(config))
        assert swapped.graph.node[0].op_type == ("MVAU" if left else "IMECConv")
        assert bool(left) == (report.reason == "the folding configuration names it beside IMECConv nodes")


def test_sums_are_no_signs():
    model = layer((1,), 32, 16, 4, 2)
    getCustomOp(model.graph.node[0]).set_nodeattr("accDataType", "BIPOLAR")
    _, (report,) = infer(model)
    assert report.reason == "accDataType=BIPOLAR: accepted are integers other than BIPOLAR"


def test_illegal_folding_is_the_reason():
    _, (report,) = infer(layer((1,), 32, 16, 5, 2))
    assert "SIMD=5 of MVAU_0 is no folding of " in report.reason


@pytest.mark.simulation
@pytest.mark.parametrize(("vectors", "folding"), [((1,), (4, 2)), ((1, 3, 4), (16, 4))])
def test_rtl(vectors, folding):
    """Bit-exact, and no slower than its model, between the streams of FINN's MVAU."""
    from finn_imec import partition

    model, _ = infer(layer(vectors, 16, 8, *folding))
    frames = random_values(DataType["UINT4"], (3, *vectors[1:], 16), RNG)
    run, y = partition.simulate(model, frames.reshape(3 * vectors[0], *vectors[1:], 16))
    (node,) = run.nodes
    assert node.origin == "finn_imec" and run.interval == node.expected_cycles
    assert y.shape == (3, *vectors[1:], 8)


@pytest.mark.parametrize(("vectors", "folding"), [((1,), (4, 2)), ((1, 3, 4), (16, 4))])
def test_compare_counts_them_beside_finns_mvau_alone(vectors, folding, tmp_path):
    """Both sides exact; FINN's has no window generator, and a converter where words are wider."""
    from finn_imec.synthesis.comparison import generate_both, layers_of_model, simulate_both

    model, _ = infer(layer(vectors, 32, 16, *folding))
    (one,) = layers_of_model(model)
    pair, imec = generate_both(one, "lut", tmp_path / "both")
    names = {path.name for path in pair.design.sources}
    assert "finn_mvu_wrapper.v" in names and not any("swg" in name for name in names)
    assert {*simulate_both(one, pair, imec)} == {"finn", "imec"}
    wide = replace(one, geometry=replace(one.geometry, simd_in=32), name="wide")
    pair, imec = generate_both(wide, "lut", tmp_path / "wide")
    assert any("dwc" in path.name for path in pair.design.sources)
    assert {*simulate_both(wide, pair, imec)} == {"finn", "imec"}


def test_a_model_of_mvaus_alone_is_swapped_to_be_compared():
    from finn_imec.synthesis.comparison import layers_of_model

    assert [one.alone for one in layers_of_model(layer((1,), 32, 16, 4, 2))] == [True]


def test_only_pixels_need_no_window_generator(tmp_path):
    from finn_imec.baseline_rtl.finn_pair import generate

    g, int2 = ConvGeometry((3, 3), (5, 5), 4, 4, simd=4), DataType["INT2"]
    with pytest.raises(ValueError, match="alone=True: accepted are geometries whose windows are pixels"):
        generate(tmp_path / "pair", g, int2, int2, np.zeros((36, 4), int), core="lut", alone=True)
