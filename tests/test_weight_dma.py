"""External weights: the DMA before IMECConv, and FINN's partitions and driver with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from stitching import PYNQ_SETTINGS, V0_10, make_path, pynq_driver, remove_initializer

from finn_imec.custom_op import imec_nodes
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import UnsupportedError

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

LAYER = make_path(ConvGeometry((3, 3), (6, 6), 4, 8, simd=2, pe=4, simd_in=2), "UINT2", "INT2", "UINT2")
EXTERNAL = {"mem_mode": "external", "device_id": 1}

GEARED = make_path(ConvGeometry((3, 3), (6, 6), 4, 8, simd=3, pe=4, simd_in=4), "UINT2", "INT2", "UINT2")
DEPTHWISE = make_path(
    ConvGeometry((3, 3), (6, 6), 32, 32, pe=8, simd_in=8, depthwise=True), "UINT2", "INT2", "UINT2"
)


@pytest.fixture
def swapped(make_pair_model):
    """Model of an IMECConv_rtl with external weights."""
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    def make(path):
        model = make_pair_model(path, backend="rtl", mvau=EXTERNAL)
        return model.transform(InferIMECConv(cycle_tolerance=100))

    return make


@pytest.fixture
def external(swapped):
    return swapped(LAYER)


@pytest.mark.parametrize("path", [LAYER, GEARED, DEPTHWISE], ids=["dense", "geared", "depthwise"])
def test_dma_streams_the_words_that_the_rtl_reads(swapped, path):
    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    external = swapped(path)
    geometry = getCustomOp(external.graph.node[0]).geometry
    assert geometry.geared == (path is GEARED)
    words = getCustomOp(external.graph.node[0]).weight_words(path.weights)
    model = external.transform(InsertWeightDMA(32))
    dma, conv = model.graph.node
    assert (dma.op_type, conv.op_type) == ("IODMA_hls", "IMECConv_rtl")
    assert dma.output[0] == conv.input[1]
    image = model.get_initializer(dma.input[0]).astype(int) % 4  # two bits each
    digits = ["".join(f"{weight:02b}" for weight in word) for word in image]
    assert [int(word, 2) for word in digits] == words
    op = getCustomOp(dma)
    assert op.get_nodeattr("intfWidth") == 32
    assert op.get_nodeattr("device_id") == getCustomOp(conv).get_nodeattr("device_id") == 1
    width = -geometry.pe * geometry.simd * 2 // 8 * -8
    assert op.get_nodeattr("streamWidth") == getCustomOp(conv).get_instream_width_padded(1) == width
    assert op.get_nodeattr("numInputVectors") == [geometry.weight_words]
    assert op.get_nodeattr("NumChannels") == geometry.pe * geometry.simd
    # Once is enough.
    again = model.transform(InsertWeightDMA())
    assert [node.op_type for node in again.graph.node] == ["IODMA_hls", "IMECConv_rtl"]


@pytest.mark.parametrize("shell", ["VIVADO_ZYNQ", "VITIS_ALVEO"])
def test_a_build_inserts_the_dma_for_a_bitfile(external, shell):
    config = pytest.importorskip("finn.builder.build_dataflow_config")
    from finn_imec.builder.steps import step_insert_weight_dma

    fields = {"output_dir": "", "synth_clk_period_ns": 5.0}
    fields["shell_flow_type"] = getattr(config.ShellFlowType, shell)
    outputs = config.DataflowOutputType
    estimates = config.DataflowBuildConfig(generate_outputs=[outputs.ESTIMATE_REPORTS], **fields)
    before = external.model.SerializeToString()
    assert step_insert_weight_dma(external, estimates).model.SerializeToString() == before
    bitfile = config.DataflowBuildConfig(generate_outputs=[outputs.BITFILE], **fields)
    model = step_insert_weight_dma(external, bitfile)
    assert [node.op_type for node in model.graph.node] == ["IODMA_hls", "IMECConv_rtl"]
    # 288 weights of two bits
    assert getCustomOp(model.graph.node[0]).get_nodeattr("intfWidth") == 64


def test_internal_weights_need_no_dma(make_pair_model):
    from finn_imec.transformation.infer_imec_conv import InferIMECConv
    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    model = make_pair_model(LAYER, backend="rtl").transform(InferIMECConv(cycle_tolerance=100))
    before = model.model.SerializeToString()
    assert model.transform(InsertWeightDMA()).model.SerializeToString() == before


def test_weights_must_be_whole_bytes(make_pair_model):
    from finn_imec.transformation.infer_imec_conv import InferIMECConv
    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    odd = make_path(ConvGeometry((3, 3), (6, 6), 1, 1), "UINT2", "INT2", "UINT2")  # 18 bits
    model = make_pair_model(odd, backend="rtl", mvau=EXTERNAL)
    model = model.transform(InferIMECConv(cycle_tolerance=100))
    with pytest.raises(UnsupportedError, match="IMECConv_rtl_0: 9 weights of 2 bits are no whole"):
        model.transform(InsertWeightDMA())


def test_the_fifo_after_the_dma_is_as_deep_as_finns(make_pair_model, external):
    from finn.transformation.fpgadataflow.insert_iodma import InsertIODMA

    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    pair = make_pair_model(LAYER, backend="rtl", mvau=EXTERNAL)
    pair = pair.transform(InsertIODMA(64, insert_input=False, insert_output=False))
    model = external.transform(InsertWeightDMA(64))
    theirs, ours = (getCustomOp(each.graph.node[-1]).get_nodeattr("inFIFODepths") for each in (pair, model))
    assert [node.op_type for node in model.graph.node] == ["IODMA_hls", "IMECConv_rtl"]
    assert list(theirs) == list(ours) == [2, 8]


@pytest.mark.parametrize(("simd", "swapped"), [(2, True), (3, False)])
def test_weights_of_a_dma_keep_their_folding(make_pair_model, simd, swapped):
    """With SIMD=3 of 4 channels IMECConv reads weights in another order than the DMA's words have."""
    if V0_10:
        pytest.skip("FINN v0.10.1's DMA of weights has no shape that ONNX agrees with")
    from finn.transformation.fpgadataflow.insert_iodma import InsertIODMA
    from qonnx.transformation.general import GiveUniqueNodeNames

    from finn_imec.transformation.fold_imec_conv import FoldIMECConv
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    attributes = {**EXTERNAL, "SIMD": simd, "PE": 2}
    model = make_pair_model(LAYER, backend="rtl", mvau=attributes)
    model = model.transform(InsertIODMA(64, insert_input=False, insert_output=False))
    model = model.transform(GiveUniqueNodeNames())
    infer = InferIMECConv()
    model = model.transform(infer)
    (report,) = infer.report
    if not swapped:
        assert "its weights come from IODMA_hls_0, made for SIMD=3 and PE=2" in report.reason
        assert not imec_nodes(model)
        return
    assert (report.simd, report.pe, report.refolded) == (2, 2, False)
    fold = FoldIMECConv(10**6)
    model.transform(fold)
    assert (fold.report[0].simd, fold.report[0].pe) == (2, 2)


def test_finns_driver_gets_the_weights(make_pair_model, external, tmp_path):
    """The same files as for FINN's own pair, but for the weights' stream."""
    from finn.transformation.fpgadataflow.create_dataflow_partition import CreateDataflowPartition
    from finn.transformation.fpgadataflow.floorplan import Floorplan
    from finn.transformation.fpgadataflow.insert_iodma import InsertIODMA

    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    def driver(model, name: str) -> tuple[Path, ModelWrapper]:
        for step in (
            InsertIODMA(64),
            Floorplan(),
            CreateDataflowPartition(partition_model_dir=str(tmp_path / name)),
            pynq_driver(),
        ):
            model = model.transform(step)
        return Path(model.get_metadata_prop("pynq_driver_dir")), model

    theirs, _ = driver(make_pair_model(LAYER, backend="rtl", mvau=EXTERNAL), "pair")
    ours, model = driver(external.transform(InsertWeightDMA(64)), "imec")
    (their_weights,), (our_weights,) = (
        list((folder / "runtime_weights").iterdir()) for folder in (theirs, ours)
    )
    assert our_weights.name == their_weights.name
    np.testing.assert_array_equal(np.load(our_weights), np.load(their_weights))
    (settings,) = (name for name in PYNQ_SETTINGS if (theirs / name).is_file())
    assert (ours / settings).read_text() == (theirs / settings).read_text()

    # The partition of the convolution has the weights' stream among its inputs.
    partitions = [getCustomOp(node).get_nodeattr("model") for node in model.graph.node]
    (inner,) = (
        inner
        for inner in map(ModelWrapper, partitions)
        if [node.op_type for node in inner.graph.node] == ["IMECConv_rtl"]
    )
    assert [tensor.name for tensor in inner.graph.input] == list(inner.graph.node[0].input[:2])
    assert inner.get_initializer(inner.graph.node[0].input[1]) is None


def test_a_depthwise_node_is_expanded_before_its_weights_get_a_dma(swapped):
    """VVAU's weights are (C, 1, K_h, K_w), the stream's (MW, MH)."""
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    model = swapped(DEPTHWISE)
    expanded = model.transform(ExpandIMECConv())
    vvau = expanded.graph.node[1]
    assert getCustomOp(vvau).get_nodeattr("mem_mode") == "external"
    np.testing.assert_array_equal(
        expanded.get_initializer(vvau.input[1]), DEPTHWISE.weights.T.reshape(32, 1, 3, 3)
    )
    with pytest.raises(UnsupportedError, match="IMECConv_rtl_0: input .* is not a constant, and VVAU"):
        model.transform(InsertWeightDMA()).transform(ExpandIMECConv())


def test_a_geared_node_is_expanded_before_its_weights_get_a_dma(swapped):
    """MVAU reads them in another order."""
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    model = swapped(GEARED)
    expanded = model.transform(ExpandIMECConv())
    mvau = expanded.graph.node[1]
    assert (getCustomOp(mvau).get_nodeattr("mem_mode"), getCustomOp(mvau).get_nodeattr("SIMD")) == (
        "external",
        3,
    )
    np.testing.assert_array_equal(expanded.get_initializer(mvau.input[1]), GEARED.weights)
    with pytest.raises(UnsupportedError, match="is not a constant, and with SIMD=3 MVAU takes its weights"):
        model.transform(InsertWeightDMA()).transform(ExpandIMECConv())


@pytest.mark.parametrize(("simd", "kept"), [(2, True), (3, False)])
def test_weights_that_enter_the_graph_keep_their_folding(make_pair_model, simd, kept):
    """As in a partition, whose DMA is outside: its words are in FINN's order and for the pair's folding."""
    from onnx import TensorProto, helper

    from finn_imec.transformation.fold_imec_conv import FoldIMECConv
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    model = make_pair_model(LAYER, backend="rtl", mvau={**EXTERNAL, "SIMD": simd, "PE": 2})
    name = "weights"
    shape = model.get_tensor_shape(name)
    remove_initializer(model, name)
    model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    infer, fold = InferIMECConv(), FoldIMECConv(10**6)
    model = model.transform(infer)
    (report,) = infer.report
    assert bool(imec_nodes(model)) == kept
    if not kept:
        assert "its weights come from input weights, made for SIMD=3 and PE=2" in report.reason
        return
    model.transform(fold)
    assert (fold.report[0].simd, fold.report[0].pe) == (2, 2)
