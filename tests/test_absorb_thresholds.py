"""A standalone Thresholding behind a pair, or behind an MVAU alone, becomes the IMECConv's activation."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from stitching import make_path

from finn_imec.algorithms.reference import random_values
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
from finn_imec.transformation.infer_imec_conv import InferIMECConv
from finn_imec.transformation.pair import unit_behind

DOMAIN = "finn.custom_op.fpgadataflow"
GEOMETRY = ConvGeometry((3, 3), (6, 5), 4, 8, simd=2, pe=2)


def apart(model, pe=None, backend="", **attributes):
    """A model whose last node is an MVAU or VVAU with thresholds, with these in a Thresholding."""
    unit = model.graph.node[-1]
    inst, (output, name) = getCustomOp(unit), (unit.output[0], unit.input[2])
    thresholds, shape = model.get_initializer(name), model.get_tensor_shape(output)
    values = {
        "NumChannels": shape[-1], "PE": pe or inst.get_nodeattr("PE"), "numSteps": thresholds.shape[1],
        "inputDataType": inst.get_nodeattr("accDataType"), "weightDataType": "INT20",
        "outputDataType": inst.get_nodeattr("outputDataType"),
        "ActVal": 0 if inst.get_nodeattr("outputDataType") == "BIPOLAR" else inst.get_nodeattr("ActVal"),
        "numInputVectors": list(shape[:-1]),
    }  # fmt: skip
    op_type = f"Thresholding_{backend}" if backend else "Thresholding"
    domain = f"{DOMAIN}.{backend}" if backend else DOMAIN
    node = helper.make_node(
        op_type, ["sums", name], [output], name=f"{op_type}_0", domain=domain, backend="fpgadataflow",
        **values | attributes,
    )  # fmt: skip
    del unit.input[2]
    unit.output[0] = "sums"
    for attribute, value in (("noActivation", 1), ("ActVal", 0), ("outputDataType", values["inputDataType"])):
        inst.set_nodeattr(attribute, value)
    model.graph.value_info.append(helper.make_tensor_value_info("sums", TensorProto.FLOAT, shape))
    model.set_tensor_datatype("sums", DataType[values["inputDataType"]])
    model.set_tensor_datatype(name, DataType["INT20"])
    model.graph.node.append(node)
    return model


def make(make_pair_model, geometry=GEOMETRY, result="UINT2", backend="", pe=None, **attributes):
    path = make_path(geometry, "INT4", "INT3", result)
    mvau = {"mem_mode": "internal_decoupled", "accDataType": "INT16"}
    return apart(make_pair_model(path, backend=backend, mvau=mvau), pe, backend, **attributes)


def infer(model, **options):
    transformation = InferIMECConv(100, **options)
    return model.transform(transformation), transformation.report


def execute(model, x):
    """FINN's specialized nodes, too, in Python."""
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode

    model = model.transform(SetExecMode("cppsim"))
    return execute_onnx(model, {"ifm": x})["ofm"]


def image(geometry):
    return random_values(DataType["INT4"], (1, *geometry.input_dim, geometry.ifm_channels), RNG).astype("f4")


RNG = np.random.default_rng(5)
DEPTHWISE = ConvGeometry((3, 3), (6, 5), 4, 4, simd=1, pe=2, depthwise=True)


@pytest.mark.parametrize("geometry", [GEOMETRY, DEPTHWISE], ids=["dense", "depthwise"])
@pytest.mark.parametrize("result", ["UINT2", "INT2", "BIPOLAR"])
@pytest.mark.parametrize("backend", ["", "rtl"])
def test_same_function_there_and_back(make_pair_model, geometry, result, backend):
    """Abstract and specialized; expanding gives the standalone node back, between the same tensors."""
    model = make(make_pair_model, geometry, result, backend)
    x = image(geometry)
    expected = execute(model, x)
    assert len(np.unique(expected)) > 1
    swapped, (report,) = infer(model)
    assert report.swapped and report.thresholding == model.graph.node[-1].name, report
    assert report.thresholding_reason is None and report.thresholding in str(report)
    (node,) = swapped.graph.node
    assert node.op_type == ("IMECConv_rtl" if backend else "IMECConv")
    np.testing.assert_array_equal(execute(swapped, x), expected)
    expanded = swapped.transform(ExpandIMECConv())
    unit = "VVAU" if geometry.depthwise else "MVAU"
    assert [n.op_type for n in expanded.graph.node] == ["ConvolutionInputGenerator", unit, "Thresholding"]
    np.testing.assert_array_equal(execute(expanded, x), expected)
    mvau, thresholding = map(getCustomOp, expanded.graph.node[1:])
    assert mvau.get_nodeattr("noActivation") == 1
    assert mvau.get_nodeattr("outputDataType") == thresholding.get_nodeattr("inputDataType") == "INT16"
    for name in ("NumChannels", "PE", "numSteps", "ActVal", "outputDataType", "numInputVectors"):
        before = getCustomOp(model.graph.node[-1]).get_nodeattr(name)
        assert np.array_equal(thresholding.get_nodeattr(name), before), name
    again, (report,) = infer(expanded)
    assert report.thresholding and len(again.graph.node) == 1
    assert unit_behind(expanded, "ofm").thresholding.name == thresholding.onnx_node.name


def test_only_where_asked_for(make_pair_model):
    model, (report,) = infer(make(make_pair_model), absorb_thresholds=False)
    assert [n.op_type for n in model.graph.node] == ["IMECConv", "Thresholding"]
    assert report.swapped and report.thresholding is None and report.thresholding_reason is None


def test_an_mvau_with_its_own_thresholds_comes_back_with_them(make_pair_model):
    path = make_path(GEOMETRY, "INT4", "INT3", "UINT2")
    model, (report,) = infer(make_pair_model(path))
    assert report.thresholding is None
    expanded = model.transform(ExpandIMECConv())
    assert [n.op_type for n in expanded.graph.node] == ["ConvolutionInputGenerator", "MVAU"]


def test_a_slow_thresholding_counts(make_pair_model):
    """FINN's side then takes the cycles, registers and block RAM of its Thresholding's own PE."""
    _, (fast,) = infer(make(make_pair_model))
    geometry = ConvGeometry((3, 3), (6, 5), 4, 8, simd=4, pe=8)
    _, (slow,) = infer(make(make_pair_model, geometry, pe=1))
    _, (wide,) = infer(make(make_pair_model, geometry))
    windows = geometry.windows
    assert slow.pair_cycles >= 8 * windows and slow.finn["ff"] < wide.finn["ff"]
    assert fast.finn["lut"] > 0


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"runtime_writeable_weights": 1}, "runtime_writeable_weights=1 of Thresholding_0 is not supp"),
        ({"PE": 3}, "PE=3 of Thresholding_0 is no folding of NumChannels=8: accepted are "),
        ({"inputDataType": "INT17"}, "inputDataType=INT17 of Thresholding_0 is not supp"),
        ({"outputDataType": "UINT1"}, "outputDataType=BINARY cannot hold ActVal + 0..3 thresholds"),
    ],
)  # fmt: skip
def test_why_it_stays(make_pair_model, attributes, reason):
    """The pair in front of it is swapped nevertheless."""
    model, (report,) = infer(make(make_pair_model, **attributes))
    assert [n.op_type for n in model.graph.node] == ["IMECConv", "Thresholding"]
    assert report.swapped and report.thresholding is None
    assert report.thresholding_reason.startswith(reason)
    assert f"; the thresholding stays, {reason}" in str(report)


def test_accumulators_that_others_need_stay(make_pair_model):
    model = make(make_pair_model)
    model.graph.output.append(helper.make_tensor_value_info("sums", TensorProto.FLOAT, (1, 4, 3, 8)))
    _, (report,) = infer(model)
    assert report.swapped and report.thresholding_reason == "MVAU_0 feeds a graph output"


def test_it_stays_where_that_costs_more(make_pair_model):
    """255 thresholds of each of 4 channels in 1 cycle, beside one FINN comparator of 8 stages."""
    geometry = ConvGeometry((3, 3), (6, 5), 4, 8, simd=36, pe=4)
    path = make_path(geometry, "INT4", "INT3", "UINT8")
    model = make_pair_model(path, swg={"SIMD": 4, "parallel_window": 1}, mvau={"accDataType": "INT16"})
    _, (report,) = infer(apart(model, pe=1))
    assert report.swapped and report.thresholding is None
    assert report.thresholding_reason.startswith(
        "an IMECConv with these thresholds would take more by the estimates: "
    )


@pytest.mark.simulation
@pytest.mark.parametrize("pe", [1, 2])
def test_rtl_beside_finns(make_pair_model, pe):
    """MVAU_rtl and Thresholding_rtl, as FINN specializes them: every word equal, no more cycles."""
    from finn_imec import partition

    model = make(make_pair_model, result="INT2", backend="rtl", pe=pe)
    frames = np.concatenate([image(GEOMETRY) for _ in range(3)])
    theirs, expected = partition.simulate(model, frames)
    assert {node.origin for node in theirs.nodes} == {"FINN"}
    swapped, (report,) = infer(model)
    assert report.thresholding == "Thresholding_rtl_0"
    ours, ofm = partition.simulate(swapped, frames)
    np.testing.assert_array_equal(ofm, expected)
    assert ours.interval == report.cycles <= 1.02 * report.pair_cycles
