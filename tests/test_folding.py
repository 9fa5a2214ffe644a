"""Folding to a target, minimization and FINN's reports, on graphs with pairs and with IMECConv.

FINN's own transformations and build steps on the graph of pairs are the reference.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import json
import logging
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("finn", reason="needs finn-plus: pip install 'finn-imec[finn]'")

from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.util.basic import qonnx_make_model
from stitching import V0_10

from finn_imec.algorithms.reference import random_values
from finn_imec.builder.steps import step_fold_imec
from finn_imec.custom_op import is_imec_conv
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.units import storage
from finn_imec.networks import lowering
from finn_imec.util.errors import GeometryError

PART = "xc7z020clg400-1"
GENERAL = "qonnx.custom_op.general"


class Network:
    """Nodes and tensors of a streamlined network that grows layer by layer."""

    def __init__(self, size: int, channels: int, datatype: str) -> None:
        self.rng = np.random.default_rng(3)
        self.nodes, self.constants = [], {}
        self.shapes = {"in": (1, size, size, channels)}
        self.at, self.datatype = "in", datatype

    def add(self, op_type: str, shape: tuple, constants: tuple = (), **attributes) -> None:
        name = f"{op_type}_{len(self.nodes)}"
        domain = "" if op_type == "MatMul" else GENERAL
        self.nodes.append(
            helper.make_node(op_type, [self.at, *constants], [name], domain=domain, **attributes)
        )
        self.shapes[name], self.at = shape, name

    def convolution(self, filters: int, kernel: int = 3, pad: int = 0, weights: str = "INT2"):
        """Im2Col (not for 1x1), MatMul, MultiThreshold with three steps."""
        _, size, _, channels = self.shapes[self.at]
        width = kernel**2 * channels
        if kernel > 1:
            _, *ifm = self.shapes[self.at]
            size = size + 2 * pad - kernel + 1
            self.add(
                "Im2Col", (1, size, size, width), kernel_size=[kernel] * 2, stride=[1, 1],
                pad_amount=[pad] * 4, input_shape=f"(1,{ifm[0]},{ifm[1]},{ifm[2]})",
            )  # fmt: skip
        layer = len(self.nodes)
        values = random_values(DataType[weights], (width, filters), self.rng)
        self.constants[f"weights{layer}"] = values, weights
        self.add("MatMul", (1, size, size, filters), (f"weights{layer}",))
        steps = np.sort(self.rng.integers(-3 * width // 4, width // 2, (filters, 3)))
        self.constants[f"thresholds{layer}"] = steps, "INT16"
        self.add(
            "MultiThreshold", (1, size, size, filters), (f"thresholds{layer}",),
            out_dtype="UINT2", data_layout="NHWC",
        )  # fmt: skip

    def pool(self) -> None:
        _, size, _, channels = self.shapes[self.at]
        self.add(
            "MaxPoolNHWC", (1, size // 2, size // 2, channels), kernel_shape=[2, 2], strides=[2, 2],
            pads=[0] * 4,
        )  # fmt: skip

    def hardware(self) -> ModelWrapper:
        """FINN's layers, unfolded and abstract."""
        infos = {
            name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in self.shapes.items()
        }
        first, last = infos.pop("in"), infos.pop(self.at)
        graph = helper.make_graph(self.nodes, "net", [first], [last], value_info=[*infos.values()])
        model = ModelWrapper(qonnx_make_model(graph))
        for name, (values, datatype) in self.constants.items():
            model.set_initializer(name, values.astype(np.float32))
            model.set_tensor_datatype(name, DataType[datatype])
        model.set_tensor_datatype("in", DataType[self.datatype])
        return lowering.convert_to_hw(model.transform(InferDataTypes()))


@pytest.fixture(scope="module")
def hardware(finn) -> ModelWrapper:
    """Padding, convolution, pooling, convolution, and two fully connected layers per pixel."""
    network = Network(8, 4, "UINT2")
    network.convolution(8, pad=1)
    network.pool()
    network.convolution(16)
    network.convolution(12, kernel=1)
    network.convolution(10, kernel=1, weights="INT4")
    return network.hardware()


@pytest.fixture(scope="module")
def special(hardware) -> ModelWrapper:
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    return hardware.transform(SpecializeLayers(PART))


@pytest.fixture(scope="module")
def swapped(special) -> ModelWrapper:
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    return special.transform(InferIMECConv(pointwise=False))


def config(folder, target=None, relax=True, width=36, file=None):
    """The fields of FINN's DataflowBuildConfig that folding reads."""
    return SimpleNamespace(
        output_dir=str(folder),
        _resolve_cycles_per_frame=lambda: target,
        _resolve_fpga_part=lambda: PART,
        mvau_wwidth_max=width,
        folding_two_pass_relaxation=relax,
        folding_config_file=file,
        synth_clk_period_ns=10,
    )


def instances(model, prefix="IMECConv"):
    return [getCustomOp(n) for n in model.graph.node if n.op_type.startswith(prefix)]


def attributes(node) -> dict:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def fold_pairs(model, target, relax=True, width=36):
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    return model.transform(SetFolding(target, mvau_wwidth_max=width, two_pass_relaxation=relax))


# ---- one node -----------------------------------------------------------------------------------


def fold(model, target):
    """(folded model, report of FoldIMECConv)"""
    from finn_imec.transformation.fold_imec_conv import FoldIMECConv

    transformation = FoldIMECConv(target)
    return model.transform(transformation), transformation.report


def imec_model(make_pair_model, geometry, idt="UINT2", wdt="INT2", odt="INT16", backend="rtl"):
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    rng = np.random.default_rng(4)
    weights = random_values(DataType[wdt], (geometry.mw, geometry.mh), rng)
    path = Datapath(geometry, *(DataType[name] for name in (idt, wdt, odt)), weights)
    return make_pair_model(path, backend=backend).transform(InferIMECConv(100))


@pytest.mark.parametrize("target", [40000, 1500, 400, 170])
@pytest.mark.parametrize("backend", ["", "rtl"])
def test_the_cheapest_folding_that_meets_the_target(make_pair_model, target, backend):
    model = imec_model(make_pair_model, ConvGeometry((3, 3), (6, 6), 4, 8), backend=backend)
    folded, (report,) = fold(model, target)
    inst = getCustomOp(folded.graph.node[0])
    assert report.met
    assert "SIMD=" in str(report)
    assert report.cycles == inst.get_exp_cycles() == inst.get_nodeattr("cycles_estimate") <= target
    chosen = inst.geometry
    assert (chosen.simd, chosen.pe, chosen.simd_in) == (report.simd, report.pe, report.simd_in)
    costs = []
    for simd, pe in chosen.legal_foldings():
        for simd_in in (1, 2, 4):
            for name, value in (("SIMD", simd), ("PE", pe), ("SIMD_in", simd_in)):
                inst.set_nodeattr(name, value)
            if inst.get_exp_cycles() <= target:
                costs.append(inst.estimate.lut_equivalents)
    for name, value in (("SIMD", chosen.simd), ("PE", chosen.pe), ("SIMD_in", chosen.simd_in)):
        inst.set_nodeattr(name, value)
    assert inst.estimate.lut_equivalents == min(costs)
    assert len(set(costs)) > 1 or target < 200


def test_depthwise(make_pair_model):
    geometry = ConvGeometry((3, 3), (8, 8), 12, 12, depthwise=True)
    for target, met in ((2000, True), (900, True), (400, True), (50, False)):
        folded, (report,) = fold(imec_model(make_pair_model, geometry), target)
        inst = getCustomOp(folded.graph.node[0])
        assert report.met is met
        assert report.cycles == inst.get_exp_cycles()
        slower = [storage(g).cycles_per_frame for pe in (1, 2, 3, 4, 6) if pe < report.pe
                  for g in [geometry.with_folding(1, pe, 12)]]  # fmt: skip
        assert min(slower, default=target + 1) > target


@pytest.mark.parametrize("simd_in", [1, 512])
def test_a_large_layer_takes_seconds(make_pair_model, simd_in):
    """Each folding's cycles are stepped through, where the input is narrower than SIMD."""
    geometry = ConvGeometry((3, 3), (16, 16), 512, 512, simd_in=simd_in)
    model = imec_model(make_pair_model, geometry)
    start = time.process_time()
    _, (report,) = fold(model, 500000)
    assert report.met
    assert time.process_time() - start < 20


def test_only_foldings_that_may_be_cheaper_are_stepped_through(make_pair_model, monkeypatch):
    """Most of the foldings have a gearbox: without the bound these are 155 schedules."""
    from finn_imec.layer.sequencer import Sequencer

    stepped, run = [], Sequencer._run
    monkeypatch.setattr(Sequencer, "_run", lambda self, *args: stepped.append(self) or run(self, *args))
    _, (report,) = fold(imec_model(make_pair_model, ConvGeometry((3, 3), (16, 16), 48, 48)), 500_000)
    assert report.met
    assert len(stepped) < 40


def test_a_target_beyond_reach_gets_the_fastest_folding_and_a_warning(make_pair_model, caplog):
    model = imec_model(make_pair_model, ConvGeometry((3, 3), (6, 6), 6, 12))
    with caplog.at_level(logging.INFO, "build_dataflow"):
        folded, (report,) = fold(model, 30)
    inst = getCustomOp(folded.graph.node[0])
    widest = inst.geometry.with_folding(max(inst.geometry.legal_simd), 12, 6)
    assert not report.met
    assert inst.get_exp_cycles() == report.cycles == storage(widest).cycles_per_frame == 36
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message == str(report)
    assert f"no folding needs at most 30 cycles per frame; the fastest, SIMD={report.simd}" in str(report)


def test_an_input_that_is_the_bottleneck_is_not_met_by_more_multipliers(make_pair_model):
    """Four of 36 pixels start a window: the input takes longer than the widest dot product."""
    model = imec_model(make_pair_model, ConvGeometry((1, 1), (6, 6), 8, 8, (3, 3)))
    _, (report,) = fold(model, 20)
    assert report.cycles >= 36
    assert report.simd_in == 8
    assert report.simd * report.pe < 64


def test_a_target_that_is_none(finn):
    with pytest.raises(GeometryError, match="target_cycles_per_frame=0: must be at least 1"):
        from finn_imec.transformation.fold_imec_conv import FoldIMECConv

        FoldIMECConv(0)


# ---- a graph ------------------------------------------------------------------------------------


def pair_cycles(pairs, node) -> int:
    """Cycles of the pair that ends where `node` ends."""
    from finn_imec.transformation.pair import Pair

    mvau = pairs.find_producer(node.output[0])
    return Pair.find(pairs, pairs.find_producer(mvau.input[0])).cycles


@pytest.mark.parametrize("relax", [True, False])
@pytest.mark.parametrize(
    ("target", "width"),
    [(5000, 36), (1000, 36), (300, 36), (100, 36), (64, 36), (10, 36), (300, 4)],
)
def test_other_layers_are_folded_as_beside_pairs(special, swapped, tmp_path, target, relax, width):
    """FINN's step first, which slows the other layers down, or step_fold_imec in its place."""
    from finn.analysis.fpgadataflow.dataflow_performance import dataflow_performance

    pairs = fold_pairs(special, target, relax, width)
    slowest = pairs.analysis(dataflow_performance)["max_cycles"]
    cfg = config(tmp_path, target, relax, width)
    for start in (fold_pairs(swapped, target, relax, width), swapped):
        before = start.model.SerializeToString()
        folded = step_fold_imec(start, cfg)
        assert start.model.SerializeToString() == before, "the original has changed"
        others = [n for n in folded.graph.node if not is_imec_conv(n)]
        report = json.loads((tmp_path / "report" / "imec_folding.json").read_text())
        expanded = [line for line in report if line["expanded"]]
        assert len(report) == 2
        padding = [n for n in others if n.op_type == "FMPadding_rtl"]  # of the first pair
        assert len(padding) <= len(expanded)
        assert len(others) == 4 + 2 * len(expanded) + len(padding)
        ends = {inst.onnx_node.output[0] for inst in instances(swapped)}
        for node in others:
            twin = pairs.find_producer(node.output[0])
            if twin is None or node.output[0] in ends:  # of a pair that came back
                continue
            assert attributes(node) == attributes(twin)
        limit = max(target, slowest) if relax else target
        for inst in instances(folded):
            (line,) = (each for each in report if each["imecconv"] == inst.onnx_node.name)
            assert line["target"] == limit
            assert line["pair_cycles"] == pair_cycles(pairs, inst.onnx_node)
            assert line["cycles"] == inst.get_exp_cycles() <= max(limit, line["pair_cycles"])
        for line in expanded:
            assert line["imecconv"] is None
            mvau = folded.get_node_from_name(line["expanded"][1])
            assert line["pair_cycles"] == pair_cycles(folded, mvau)
            assert line["cycles"] > max(limit, line["pair_cycles"])


def test_a_pair_that_is_faster_comes_back(make_pair_model, tmp_path, caplog):
    """A depthwise layer: FINN multiplies all kernel positions in parallel, IMECConv one by one."""
    geometry = ConvGeometry((3, 3), (8, 8), 4, 4, depthwise=True)
    swapped = imec_model(make_pair_model, geometry, backend="rtl")
    with caplog.at_level(logging.WARNING, "build_dataflow"):
        folded = step_fold_imec(swapped, config(tmp_path, 100))
    swg, vvau = (getCustomOp(node) for node in folded.graph.node)
    assert (swg.get_nodeattr("parallel_window"), vvau.get_nodeattr("SIMD")) == (1, 9)
    assert (
        "a pair again, 65 cycles; no folding needs at most 100 cycles per frame; the fastest, SIMD=1, "
        "PE=4, SIMD_in=4, needs"
    ) in caplog.text


def assert_same_results(expected, model) -> None:
    """Both compute the same in Python, on a random input."""
    ifm = np.random.default_rng(6).integers(0, 4, (1, 8, 8, 4)).astype(np.float32)
    results = []
    for each in (expected, model):
        each = abstract(each)
        (result,) = execute_onnx(each, {each.graph.input[0].name: ifm}).values()
        results.append(result)
    assert len(np.unique(results[0])) > 2
    np.testing.assert_array_equal(*results)


def abstract(model):
    """FINN's layers made abstract again, which execute in Python."""
    model = copy.deepcopy(model)
    for node in model.graph.node:
        if not is_imec_conv(node) and node.domain.endswith((".hls", ".rtl")):
            node.op_type, node.domain = node.op_type[:-4], node.domain[:-4]
    return model


def test_an_mvau_alone_comes_back_where_nothing_is_saved(special, tmp_path, monkeypatch):
    """Swapped before FINN folds, where it saved something."""
    from finn_imec.transformation import pair
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    model = special.transform(InferIMECConv())
    alone = [inst.onnx_node.name for inst in instances(model) if inst.geometry.pointwise]
    assert alone
    monkeypatch.setattr(pair, "SAVING", 0.0)
    folded = step_fold_imec(model, config(tmp_path, target=2000))
    assert len(instances(folded)) == len(instances(model)) - len(alone)
    assert not any(inst.geometry.pointwise for inst in instances(folded))
    report = json.loads((tmp_path / "report" / "imec_folding.json").read_text())
    assert len([line for line in report if line["expanded"]]) == len(alone)


def test_unfolded_nodes_slow_finns_own_step_down(special, swapped):
    """The reason for step_fold_imec."""
    folds = []
    for model in (special, swapped):
        folded = fold_pairs(model, 300)
        last = getCustomOp(folded.graph.node[-1])
        folds.append(last.get_nodeattr("SIMD") * last.get_nodeattr("PE"))
    assert folds[0] > folds[1]


@pytest.mark.parametrize("target", [3000, 400, 80])
def test_a_depthwise_layer_in_a_graph(make_pair_model, tmp_path, target):
    """Its pair has a VVAU, which FINN folds in its own way."""
    geometry = ConvGeometry((3, 3), (8, 8), 12, 12, depthwise=True)
    model = imec_model(make_pair_model, geometry)
    folded = step_fold_imec(model, config(tmp_path, target))
    (line,) = json.loads((tmp_path / "report" / "imec_folding.json").read_text())
    if line["expanded"]:
        assert [n.op_type[:4] for n in folded.graph.node] == ["Conv", "VVAU"]
        assert line["cycles"] > max(line["target"], line["pair_cycles"])
    else:
        (inst,) = instances(folded)
        assert inst.get_exp_cycles() == line["cycles"] <= max(line["target"], line["pair_cycles"])


def test_the_input_word_is_the_producers(special, tmp_path):
    """No width converter where the producer's word is fast enough."""
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    after_padding = special.transform(InferIMECConv(absorb_padding=False))
    folded = step_fold_imec(after_padding, config(tmp_path, 1000))
    padding, *_ = folded.graph.node
    assert instances(folded)[0].get_nodeattr("SIMD_in") == getCustomOp(padding).get_nodeattr("SIMD")


def test_results_stay(hardware, swapped, tmp_path):
    assert_same_results(hardware, step_fold_imec(swapped, config(tmp_path, 300)))


# ---- minimization -------------------------------------------------------------------------------

LAYER = ConvGeometry((3, 3), (6, 6), 4, 6, simd=4, pe=3)


@pytest.fixture(scope="module")
def minimize(finn):
    """FINN's step_minimize_bit_width, as a function of the model and cfg.minimize_bit_width."""
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("finn.xsi"):  # its module imports what only Vivado has
            patch.setitem(vars(importlib.import_module("finn.xsi")), "SimEngine", object)
        from finn.builder.build_dataflow_steps import step_minimize_bit_width

    def run(model, enabled=True):
        cfg = SimpleNamespace(minimize_bit_width=enabled, _resolve_verification_steps=list)
        return step_minimize_bit_width(model, cfg)

    return run


def swap(model):
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    return model.transform(InferIMECConv(100))


def layer(idt, wdt, odt, weights, thresholds=None, act_val=0):
    """A Datapath; weights and thresholds: (lowest, highest) of random values, or the values."""
    rng = np.random.default_rng(7)
    if isinstance(weights, tuple):
        weights = rng.integers(*weights, (LAYER.mw, LAYER.mh), endpoint=True)
    if isinstance(thresholds, tuple):
        thresholds = np.sort(rng.integers(*thresholds, (LAYER.mh, 3)), axis=1)
    types = (DataType[name] for name in (idt, wdt, odt))
    return Datapath(LAYER, *types, weights, thresholds, act_val)


SIGNS = np.random.default_rng(8).choice([-1, 1], (LAYER.mw, LAYER.mh))
REACHED = np.sort(np.random.default_rng(9).uniform(-40, 40, (LAYER.mh, 3)), axis=1)
LAYERS = {
    "accumulators, weights with slack": layer("UINT4", "INT8", "INT32", (-3, 2)),
    "positive only": layer("UINT2", "UINT8", "UINT32", (0, 5)),
    "largest weight positive": layer("INT4", "INT8", "INT32", (-2, 7)),
    "thresholds": layer("INT4", "INT8", "UINT2", (-4, 3), (-60, 60)),
    "thresholds out of reach": layer("UINT2", "INT4", "INT3", (-4, 3), (-5000, 5000), -4),
    "positive only, thresholds out of reach": layer("UINT2", "INT4", "UINT2", (0, 3), (-90, 5000)),
    "bipolar weights": layer("INT4", "BIPOLAR", "UINT2", SIGNS, (-20, 20)),
    "bipolar out": layer("INT2", "TERNARY", "BIPOLAR", (-1, 1), np.zeros((LAYER.mh, 1))),
    "bipolar in": layer("BIPOLAR", "INT4", "UINT2", (-3, 3), (-20, 20)),
}


def with_thresholds(model, thresholds):
    """The model with other thresholds, annotated FLOAT32, as a float scale leaves them."""
    name = model.graph.node[-1].input[2]
    model.set_initializer(name, thresholds.astype(np.float32))
    model.set_tensor_datatype(name, DataType["FLOAT32"])
    return model


@pytest.mark.parametrize("backend", ["", "rtl", "hls"])
@pytest.mark.parametrize("name", [*LAYERS, "float thresholds", "one row of float thresholds"])
def test_minimization_commutes_with_the_swap(make_pair_model, minimize, name, backend):
    pair = make_pair_model(LAYERS.get(name, LAYERS["thresholds"]), backend=backend)
    if "float" in name:
        if V0_10:
            pytest.skip("its MVAU takes whole numbers only")
        pair = with_thresholds(pair, REACHED[:1] if "one row" in name else REACHED)
    before = copy.deepcopy(pair)
    late, early = swap(minimize(pair)), minimize(swap(pair))
    assert_same_types(late, early, thresholds_too=backend != "hls")
    changed = [getCustomOp(m.graph.node[-1]) for m in (before, early)]
    assert len({inst.get_nodeattr("accDataType") for inst in changed}) == 2
    ifm = random_values(early.get_tensor_datatype("ifm"), (1, *LAYER.ifm_dim, 4), np.random.default_rng(10))
    results = [execute_onnx(abstract(m), {"ifm": ifm.astype(np.float32)})["ofm"] for m in (before, early)]
    assert len(np.unique(results[0])) > 1
    np.testing.assert_array_equal(*results)


def assert_same_types(late, early, thresholds_too=True) -> None:
    """thresholds_too: MVAU_hls annotates its thresholds differently from all other layers."""
    for one, other in zip(instances(late), instances(early), strict=True):
        names = ("inputDataType", "weightDataType", "accDataType", "outputDataType")
        types = [[inst.get_nodeattr(name) for name in names] for inst in (one, other)]
        assert types[0] == types[1]
        tensors = [inst.onnx_node.output[0] for inst in (one, other)]
        assert late.get_tensor_datatype(tensors[0]) == early.get_tensor_datatype(tensors[1])
        if not one.get_nodeattr("noActivation"):
            first, second = (inst.onnx_node.input[2] for inst in (one, other))
            np.testing.assert_array_equal(late.get_initializer(first), early.get_initializer(second))
            assert late.get_initializer(first).dtype == early.get_initializer(second).dtype
            if thresholds_too and not V0_10:  # whose MVAU leaves their datatype
                assert late.get_tensor_datatype(first) == early.get_tensor_datatype(second)


def test_minimization_of_a_graph_commutes_with_the_swap(hardware, special, minimize):
    for model in (hardware, special):
        late, early = swap(minimize(model)), minimize(swap(model))
        assert_same_types(late, early, model is hardware)
        others = [[n for n in m.graph.node if "IMEC" not in n.op_type] for m in (late, early)]
        for one, other in zip(*others, strict=True):
            assert attributes(one) == attributes(other)
        assert {i.get_nodeattr("accDataType") for i in instances(early)} != {"INT32"}
        assert_same_results(hardware, early)


def test_without_minimization_the_results_are_the_same(make_pair_model, minimize):
    """FINN then rounds thresholds in its own layers only; ours compare with integers anyway."""
    pair = with_thresholds(make_pair_model(LAYERS["thresholds"]), REACHED)
    late, early = swap(minimize(pair, False)), minimize(swap(pair), False)
    ifm = random_values(DataType["INT4"], (1, *LAYER.ifm_dim, 4), np.random.default_rng(10))
    results = [execute_onnx(m, {"ifm": ifm.astype(np.float32)})["ofm"] for m in (pair, late, early)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_datatypes_alone_leave_weights_and_thresholds(make_pair_model):
    """finn-plus' first pass, which bounds accumulators by datatypes."""
    from finn.transformation.fpgadataflow.minimize_accumulator_width import (
        MinimizeAccumulatorWidth,
    )
    from finn.transformation.fpgadataflow.minimize_weight_bit_width import MinimizeWeightBitWidth

    if "datatype_only" not in inspect.signature(MinimizeWeightBitWidth).parameters:
        pytest.skip("this FINN has no such pass")

    def first_pass(model):
        model = model.transform(MinimizeWeightBitWidth(datatype_only=True))
        return model.transform(MinimizeAccumulatorWidth(datatype_only=True))

    pair = make_pair_model(LAYERS["thresholds out of reach"])
    late, early = swap(first_pass(pair)), first_pass(swap(pair))
    assert_same_types(late, early)
    (inst,) = instances(early)
    assert inst.get_nodeattr("accDataType") == "INT11"  # 36 products of 0..3 and -8..7: -864..756
    name = inst.onnx_node.input[2]
    np.testing.assert_array_equal(early.get_initializer(name), pair.get_initializer("thresholds"))
