"""Weights that are streamed or written at run time: Datapath, RTL, AXI4-Lite port, FINN's flow."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lint import verilator_lint
from qonnx.core.datatype import DataType
from stitching import FINN_PLUS, PYNQ_SETTINGS, V0_10, pynq_driver, remove_initializer

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.compat.finn import words_per_line
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.datapath import Datapath, smallest_datatype, weight_words
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.rtl.generate import ImecRtl
from finn_imec.simulation.stimulus import Stall, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.design import Design, Stream
from finn_imec.streams.words import decode, encode
from finn_imec.util.errors import ModelError, UnsupportedError
from finn_imec.verification.campaign import MEMSTREAM_START
from finn_imec.verification.cases import random_case

pytest.importorskip("finn", reason="needs finn-plus: pip install 'finn-imec[finn]'")

from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp

pytestmark = pytest.mark.simulation

TESTBENCHES = Path(__file__).parent / "rtl"
FRAMES = 3
KINDS = ("external", "memstream", "writable")
PAIRS = [  # activation, weight: all kinds of arithmetic
    ("BIPOLAR", "BIPOLAR"), ("BINARY", "BINARY"),  # XNOR mode
    ("BIPOLAR", "INT3"), ("BIPOLAR", "TERNARY"), ("BIPOLAR", "UINT2"),
    ("INT4", "BIPOLAR"), ("UINT8", "BIPOLAR"), ("TERNARY", "BIPOLAR"), ("INT12", "BIPOLAR"),
    ("UINT4", "INT3"), ("INT8", "INT8"), ("TERNARY", "TERNARY"),
]  # fmt: skip


def at_run_time(path: Datapath) -> Datapath:
    """The same layer for any weights; accumulators as outputs become as wide as these need."""
    wide = replace(path, output_datatype=DataType["INT32"], thresholds=None, runtime_weights=True)
    low, high = (int(ends[0]) for ends in wide.accumulator_range)
    odt = path.output_datatype if path.structure.steps else smallest_datatype(low, high)
    return replace(path, output_datatype=odt, runtime_weights=True)


def random_weights(path: Datapath, rng: np.random.Generator) -> np.ndarray:
    return random_values(path.weight_datatype, (path.geometry.mw, path.geometry.mh), rng)


def random_frames(path: Datapath, rng: np.random.Generator) -> np.ndarray:
    g = path.geometry
    return random_values(path.input_datatype, (FRAMES, *g.input_dim, g.ifm_channels), rng)


# ---------------------------------------------------------------------------------------------
# Datapath


@pytest.mark.parametrize(("idt", "wdt"), PAIRS)
def test_no_constant_depends_on_weights_that_may_change(idt, wdt):
    geometry = replace(random_case(1, 1).geometry, padding=(0, 0, 0, 0))
    rng, types = np.random.default_rng(5), (DataType[idt], DataType[wdt], DataType["INT32"])
    first = Datapath(geometry, *types, None, xnor=idt == wdt == "BINARY", runtime_weights=True)
    low, high = first.accumulator_range
    for weights in (
        *(random_weights(first, rng) for _ in range(3)),
        *(np.full((geometry.mw, geometry.mh), value(types[1])) for value in (_least, _most)),
    ):
        fixed = replace(first, weights=weights, runtime_weights=False)
        changed = replace(first, weights=weights)
        assert (changed.offsets == first.offsets).all()
        assert (changed.accumulator_range[0] == low).all()
        assert (fixed.accumulator_range[0] >= low).all()
        assert (fixed.accumulator_range[1] <= high).all()
        assert not changed.structure.biased
    assert len(np.unique(first.offsets)) == 1


def _least(datatype) -> int:
    return int(datatype.min())


def _most(datatype) -> int:
    return int(datatype.max())


# ---------------------------------------------------------------------------------------------
# RTL


def layers() -> list[tuple[str, Datapath]]:
    """Random layers and where their weights are: all arithmetic, all streamed modes."""
    result = []
    for number, (idt, wdt) in enumerate(PAIRS):
        case = random_case(36, number).datapath
        types = DataType[idt], DataType[wdt], DataType["INT32"]
        xnor = idt == wdt == "BINARY"
        geometry = replace(case.geometry, padding=(0, 0, 0, 0))  # BIPOLAR has no 0
        path = Datapath(geometry, *types, None, xnor=xnor, runtime_weights=True)
        result.append(("external", at_run_time(path)))
    for number in range(18):
        path, kind = random_case(35, number).datapath, KINDS[number % 3]
        result.append((kind, path if kind == "memstream" else at_run_time(path)))
    return result


def streamed_design(name: str, kind: str, path: Datapath, folder: Path) -> Design:
    mode = "external" if kind == "external" else "internal_decoupled"
    return ImecRtl(name, path, mem_mode=mode).generate(folder)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """(Verilator model of all `layers`, the layers)."""
    folder = tmp_path_factory.mktemp("streamed")
    paths = layers()
    return build([streamed_design(f"case_{i}", *p, folder) for i, p in enumerate(paths)]), paths


STALLS = {
    "unstalled": (Stall.none(), Stall.none(), Stall.none()),
    "all random": (Stall.random(0.4, 1), Stall.random(0.4, 2), Stall.random(0.4, 3)),
    "scarce weights": (Stall.none(), Stall.every(4), Stall.none()),
    "late weights": (Stall.none(), Stall.pause(0, 400), Stall.none()),
    "weights pause": (Stall.none(), Stall.pause(17, 300), Stall.random(0.3, 4)),
    "scarce pixels": (Stall.every(9), Stall.random(0.5, 5), Stall.none()),
    "slow output": (Stall.none(), Stall.random(0.2, 6), Stall.every(11)),
    "output pauses": (Stall.none(), Stall.duty(3, 4), Stall.pause(2, 300)),
    "ready after valid": (Stall.none(), Stall.random(0.5, 7), Stall.after_valid()),
}


def stimuli(paths, rng, stalls, resets: int = 0):
    """Random frames for each design, external weights that change with each frame; (stimuli, expected)."""
    each, expected = [], []
    for kind, path in paths:
        g = path.geometry
        frames = random_frames(path, rng)
        inputs = {"in0_V": encode(frames, path.input_datatype, g.simd_in)}
        input_stall = {"in0_V": stalls[0]}
        matrices = [path.weights] * FRAMES
        if kind == "external":
            matrices = [random_weights(path, rng) for _ in range(FRAMES)]
            words = [weight_words(g, path.core.weight, matrix) * g.windows for matrix in matrices]
            inputs["in1_V"] = list(chain.from_iterable(words))
            input_stall["in1_V"] = stalls[1]
        outputs = [
            reference(replace(path, weights=matrix), frame[np.newaxis])
            for matrix, frame in zip(matrices, frames, strict=True)
        ]
        expected.append(np.concatenate(outputs).reshape(-1, g.pe))
        reset_at = [int(v) for v in rng.integers(1, path.total_cycles(2), resets)]
        each.append(
            Stimulus(
                inputs, {"out0_V": len(expected[-1])}, input_stall, stalls[2], reset_at=reset_at,
                allow_extra=Arrivals(g).runs_ahead,
            )
        )  # fmt: skip
    return each, expected


def check(paths, results, expected) -> None:
    for (kind, path), result, want in zip(paths, results, expected, strict=True):
        got = decode(result.outputs["out0_V"], path.output_datatype, path.geometry.pe)
        np.testing.assert_array_equal(got, want, err_msg=f"{kind}: {path.geometry}")


@pytest.mark.parametrize("stalls", STALLS)
def test_streamed_weights_are_exact_under_stalls(streamed, stalls):
    model, paths = streamed
    each, expected = stimuli(paths, np.random.default_rng(len(stalls)), STALLS[stalls])
    results = model.run(each)
    check(paths, results, expected)
    for (kind, path), result in zip(paths, results, strict=True):
        if kind == "external":  # no word lost, none left
            assert len(result.input_cycle["in1_V"]) == FRAMES * path.geometry.compute_cycles
        if stalls == "unstalled" and not (kind == "external" and Arrivals(path.geometry).runs_ahead):
            late = result.cycles - path.total_cycles(FRAMES)
            starts_late = kind != "external" and path.geometry.live_words <= MEMSTREAM_START
            assert 0 <= late <= MEMSTREAM_START * starts_late


@pytest.mark.parametrize("seed", range(4))
def test_streamed_weights_restart_with_a_reset(streamed, seed):
    model, paths = streamed
    stalls = STALLS["all random" if seed % 2 else "unstalled"]
    each, expected = stimuli(paths, np.random.default_rng(seed), stalls, resets=2)
    check(paths, model.run(each), expected)


@pytest.mark.parametrize("number", [0, 2, 5, 12, 13, 14])
def test_lint_finds_nothing(tmp_path, number):
    """In this package's files; FINN's own are FINN's."""
    design = streamed_design("top", *layers()[number], tmp_path)
    found = verilator_lint("top", design.sources)
    assert [hit for hit in found if "finn-rtllib" not in hit] == []


# ---------------------------------------------------------------------------------------------
# AXI4-Lite


def axilite_lines(path: Datapath, weights: np.ndarray) -> list[int]:
    """Contents of s_axilite at addresses 0, 4, 8...; words beyond a weight word's width are 0."""
    bits = path.geometry.pe * path.geometry.simd * path.core.weight.bits
    shifts = range(0, 32 * words_per_line(bits), 32)
    words = weight_words(path.geometry, path.core.weight, weights)
    return [word >> shift & 0xFFFFFFFF for word in words for shift in shifts]


@pytest.fixture(scope="module", params=["one 32-bit word", "three of four", "bipolar", "windows"])
def writable(request, tmp_path_factory):
    """(Verilator model, Datapath) of a layer whose s_axilite channels are streams of the model."""
    types, geometry = {
        "one 32-bit word": (("UINT4", "INT3"), {"simd": 2, "pe": 3}),
        "three of four": (("INT2", "INT4"), {"simd": 4, "pe": 6}),
        "bipolar": (("INT4", "BIPOLAR"), {"simd": 4, "pe": 2}),
        "windows": (("INT2", "INT4"), {"simd": 12, "pe": 2}),
    }[request.param]
    layer = ConvGeometry((3, 2), (6, 5), 4, 6, simd_in=2, **geometry)
    rng = np.random.default_rng(8)
    wdt = DataType[types[1]]
    weights = random_values(wdt, (layer.mw, layer.mh), rng)
    path = at_run_time(Datapath(layer, DataType[types[0]], wdt, DataType["INT32"], weights))
    rtl = ImecRtl("imec_writable", path, mem_mode="internal_decoupled")
    design = rtl.generate(tmp_path_factory.mktemp("writable"))
    (source,), (sink,) = design.inputs, design.outputs
    streams = [("in1_V", rtl.axilite_bits), ("in2_V", 32), ("in3_V", rtl.axilite_bits)]
    bench = replace(
        design,
        top="imec_writable_tb",
        sources=(*design.sources, TESTBENCHES / "imec_writable_tb.sv"),
        inputs=(source, *(Stream(*each) for each in streams)),
        outputs=(sink, Stream("out1_V", 2), Stream("out2_V", 34)),
        parameters={
            "IN_BITS": source.width, "OUT_BITS": sink.width, "ADDR_BITS": rtl.axilite_bits,
        },
        tied={},
    )  # fmt: skip
    return build([bench]), path


@pytest.mark.parametrize("seed", range(3))
def test_weights_written_at_run_time_are_used_and_read_back(writable, seed):
    """Frame 0 with the first weights, then the writes, a frame that flushes, then the new ones."""
    model, path = writable
    g, rng = path.geometry, np.random.default_rng(seed)
    weights = random_weights(path, rng)
    frames = random_values(path.input_datatype, (4, *g.input_dim, g.ifm_channels), rng)
    words = encode(frames, path.input_datatype, g.simd_in)
    lines = axilite_lines(path, weights)
    addresses = [4 * line for line in range(len(lines))]

    def slow(cycles: int) -> Stall:
        return Stall.random(0.5, seed) if seed and not cycles else Stall.pause(0, cycles)

    written = path.total_cycles(1) + 100
    checked = written + 20 * len(lines)
    one_frame = len(words) // 4
    result = model.run(
        [
            Stimulus(
                {"in0_V": words, "in1_V": addresses, "in2_V": lines, "in3_V": addresses},
                {"out0_V": 4 * g.windows * g.nf, "out1_V": len(lines), "out2_V": len(lines)},
                {
                    "in0_V": Stall.pause(one_frame, checked + 20 * len(lines)),
                    "in1_V": slow(written + 9 * (seed == 1)),  # the address first, or the data
                    "in2_V": slow(written + 9 * (seed == 2)),
                    "in3_V": slow(checked),
                },
                {"out0_V": slow(0), "out1_V": slow(0), "out2_V": slow(0)},
            )
        ]
    )[0]
    assert result.input_cycle["in2_V"][-1] < checked, "the stimulus reads before all is written"
    assert (result.outputs["out1_V"] == 0).all()  # OKAY
    assert [int.from_bytes(w.tobytes(), "little") for w in result.outputs["out2_V"]] == lines

    got = decode(result.outputs["out0_V"], path.output_datatype, g.pe).reshape(4, -1, g.mh)
    changed = reference(replace(path, weights=weights), frames).reshape(4, -1, g.mh)
    np.testing.assert_array_equal(got[0], reference(path, frames[:1]).reshape(-1, g.mh))
    np.testing.assert_array_equal(got[2:], changed[2:])
    assert (got[1] != changed[1]).any() or (got[0] != changed[0]).any()


# ---------------------------------------------------------------------------------------------
# Node in FINN's flow

PART, VERSAL = "xc7z020clg400-1", "xcvc1902-vsva2197-2MP-e-S"
LAYER = ConvGeometry((3, 2), (6, 5), 4, 6, (1, 2), (1, 2), simd=2, pe=3, simd_in=4)
DEPTHWISE = ConvGeometry((3, 2), (6, 5), 6, 6, (1, 2), (1, 2), pe=3, simd_in=3, depthwise=True)
BOTH = pytest.mark.parametrize("layer", [LAYER, DEPTHWISE], ids=["dense", "depthwise"])
MODES = {  # mem_mode and runtime_writeable_weights of the MVAU -> of the IMECConv
    ("internal_embedded", 0): ("internal_embedded", 0),
    ("internal_decoupled", 0): ("internal_embedded", 0),
    ("internal_decoupled", 1): ("internal_decoupled", 1),
    ("external", 0): ("external", 0),
}


def layer_path(idt: str = "UINT4", wdt: str = "INT3", geometry: ConvGeometry = LAYER) -> Datapath:
    rng, types = np.random.default_rng(2), (DataType[idt], DataType[wdt], DataType["UINT2"])
    weights = random_values(types[1], (geometry.mw, geometry.mh), rng)
    thresholds = np.sort(rng.integers(-40, 40, (geometry.mh, 3)), axis=1)
    if idt == wdt == "BIPOLAR":
        thresholds = np.abs(thresholds)
    return Datapath(geometry, *types, weights, np.sort(thresholds, axis=1))


@pytest.fixture
def make_node(make_pair_model):
    """A pair's model, swapped, and its IMECConv_rtl."""
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    def make(path: Datapath, mode: str, writable: int = 0, backend: str = "rtl"):
        mvau = {"mem_mode": mode, "runtime_writeable_weights": writable}
        model = make_pair_model(path, backend=backend, mvau=mvau)
        model = model.transform(InferIMECConv(cycle_tolerance=100))
        (node,) = model.graph.node
        return model, getCustomOp(node)

    return make


def mode_of(node) -> tuple[str, int]:
    return node.get_nodeattr("mem_mode"), node.get_nodeattr("runtime_writeable_weights")


@BOTH
@pytest.mark.parametrize(("pair", "ours"), MODES.items())
def test_swap_and_expansion_keep_what_the_user_chose(make_node, pair, ours, layer):
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    path = layer_path(geometry=layer)
    model, node = make_node(path, *pair, backend="")
    assert mode_of(node) == ours
    assert list(node.get_nodeattr("inFIFODepths")) == ([2, 2] if ours[0] == "external" else [2])
    ifm = random_frames(path, np.random.default_rng(1))[:1].astype(np.float32)
    expected = reference(path, ifm.astype(int))
    np.testing.assert_array_equal(execute_onnx(model, {"ifm": ifm})["ofm"], expected)
    expanded = model.transform(ExpandIMECConv())
    assert mode_of(getCustomOp(expanded.graph.node[1])) == (
        ours if ours[0] != "internal_embedded" else ("internal_decoupled", 0)
    )
    again = expanded.transform(InferIMECConv(cycle_tolerance=100))
    assert mode_of(getCustomOp(again.graph.node[0])) == ours


@BOTH
def test_swap_and_expansion_keep_both_fifos(make_pair_model, layer):
    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    external = {"mem_mode": "external", "inFIFODepths": [2, 32]}
    model = make_pair_model(layer_path(geometry=layer), swg={"inFIFODepths": [16]}, mvau=external)
    fused = model.transform(InferIMECConv(cycle_tolerance=100))
    depths = [
        list(getCustomOp(node).get_nodeattr("inFIFODepths"))
        for each in (fused, fused.transform(ExpandIMECConv()))
        for node in each.graph.node
    ]
    assert depths == [[16, 32], [16], [2, 32]]


@BOTH
@pytest.mark.parametrize("mode", MODES)
def test_interfaces_are_the_mvaus(make_pair_model, make_node, mode, layer):
    path = layer_path(geometry=layer)
    _, node = make_node(path, *mode)
    attributes = {"mem_mode": mode[0], "runtime_writeable_weights": mode[1]}
    mvau = getCustomOp(make_pair_model(path, backend="rtl", mvau=attributes).graph.node[1])
    ours, theirs = (each.get_verilog_top_module_intf_names() for each in (node, mvau))
    if V0_10:  # which calls its streams out_V
        theirs["m_axis"] = [("out0_V", width) for _, width in theirs["m_axis"]]
    for kind in ("m_axis", "axilite", "aximm"):
        assert ours[kind] == theirs[kind], kind
    if node.get_nodeattr("mem_mode") != "internal_embedded":
        # v0.10.1 has a method of its own for it
        width = getattr(mvau, "get_weightstream_width", lambda: mvau.get_instream_width(1))
        assert node.get_instream_width(1) == width()
    if not layer.depthwise:  # upstream's VVAU names in1_V where it is inside, too, and twice elsewhere
        assert ours["s_axis"][1:] == theirs["s_axis"][1:] or V0_10  # weights_V
    # VVAU leaves out that they come for each window; upstream's MVAU has no shape of those inside
    shaped = ("internal_decoupled", "external") if FINN_PLUS else ("external",)
    if node.get_nodeattr("mem_mode") in shaped and not layer.depthwise:
        ours, theirs = (np.prod(each.get_folded_input_shape(1)) for each in (node, mvau))
        assert ours == theirs


@pytest.mark.parametrize("form", ["decoupled_verilog_dat", "decoupled_runtime"])
@pytest.mark.parametrize("wdt", ["BIPOLAR", "TERNARY", "INT3", "INT8"])
@pytest.mark.parametrize(
    "layer",
    [
        *(LAYER.with_folding(*folding) for folding in ((1, 1), (2, 3), (4, 6), (12, 3))),
        *(DEPTHWISE.with_folding(1, pe) for pe in (1, 3, 6)),
    ],
    ids=lambda g: f"{'depthwise ' * g.depthwise}SIMD {g.simd} PE {g.pe}",
)
def test_weight_files_are_the_mvaus(make_pair_model, make_node, tmp_path, form, wdt, layer):
    path = layer_path(wdt=wdt, geometry=layer)
    model, node = make_node(path, "internal_decoupled", 1)
    mvau = {"mem_mode": "internal_decoupled", "runtime_writeable_weights": 1}
    pair = make_pair_model(path, backend="rtl", mvau=mvau)
    for each, of, name in ((node, model, "ours"), (getCustomOp(pair.graph.node[1]), pair, "theirs")):
        weights = of.get_initializer(each.onnx_node.input[1])
        each.make_weight_file(weights, form, str(tmp_path / name))
    assert (tmp_path / "ours").read_text() == (tmp_path / "theirs").read_text()


@pytest.mark.parametrize("mode", [("internal_decoupled", 0), ("internal_decoupled", 1), ("external", 0)])
@pytest.mark.parametrize(
    ("types", "layer"),
    [
        (("UINT4", "INT3"), LAYER),
        (("INT4", "BIPOLAR"), LAYER),
        (("BIPOLAR", "BIPOLAR"), LAYER),
        (("UINT4", "INT3"), LAYER.with_folding(12, 3)),
        (("UINT4", "INT3"), LAYER.with_folding(24, 3)),
        (("UINT4", "INT3"), DEPTHWISE),
        (("BIPOLAR", "BIPOLAR"), DEPTHWISE),
    ],
)
def test_rtlsim_through_finn(make_node, mode, types, layer):
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim

    path = layer_path(*types, layer)
    model, node = make_node(path, *mode)
    assert node.geometry == path.geometry
    node.set_nodeattr("mem_mode", mode[0])
    model = model.transform(PrepareIP(PART, 5.0)).transform(PrepareRTLSim())
    node = getCustomOp(model.graph.node[0])
    node.set_nodeattr("exec_mode", "rtlsim")
    frames = random_frames(path, np.random.default_rng(3))
    for ifm in frames:
        ofm = execute_onnx(model, {"ifm": ifm[np.newaxis].astype(np.float32)})["ofm"]
        np.testing.assert_array_equal(ofm, reference(path, ifm[np.newaxis]))
        pipelined = replace(path, pipeline=node.get_nodeattr("pipeline"))
        assert node.get_nodeattr("cycles_rtlsim") == pipelined.total_cycles()

    words = [int.from_bytes(w, "little") for w in encode(frames, path.input_datatype, layer.simd_in)]
    io_dict = {"inputs": {"in0": words}, "outputs": {"out0": []}}
    if mode[0] == "external":
        io_dict["inputs"]["in1"] = path.weight_words() * layer.windows * FRAMES
    node.rtlsim_multi_io(node.get_rtlsim(), io_dict)
    expected = encode(reference(path, frames), path.output_datatype, layer.pe)
    assert io_dict["outputs"]["out0"] == [int.from_bytes(w, "little") for w in expected]

    *adds, create = node.code_generation_ipi()
    names = [Path(line.split(" ")[2]).name for line in adds]
    assert ("memstream_axi.sv" in names) == (mode[0] == "internal_decoupled")
    assert all(Path(line.split(" ")[2]).is_file() for line in adds)
    assert create == (
        f"create_bd_cell -type module -reference {node.get_nodeattr('gen_top_module')} IMECConv_rtl_0"
    )


def test_external_weights_need_no_initializer(make_node):
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from onnx import TensorProto, helper

    path = layer_path()
    model, _ = make_node(path, "external")
    remove_initializer(model, "weights")
    model.graph.value_info.remove(model.get_tensor_valueinfo("weights"))
    info = helper.make_tensor_value_info("weights", TensorProto.FLOAT, path.weights.shape)
    model.graph.input.append(info)
    model = model.transform(PrepareIP(PART, 5.0))
    ifm = random_frames(path, np.random.default_rng(1))[:1]
    inputs = {"ifm": ifm.astype(np.float32), "weights": path.weights.astype(np.float32)}
    np.testing.assert_array_equal(execute_onnx(model, inputs)["ofm"], reference(path, ifm))


@BOTH
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("types", [("UINT4", "INT3"), ("INT4", "BIPOLAR")])
def test_minimized_accumulators_hold_any_weights(make_pair_model, make_node, mode, types, layer):
    path = replace(layer_path(*types, layer), thresholds=None, output_datatype=DataType["INT32"])
    model, node = make_node(path, *mode)
    attributes = {"mem_mode": mode[0], "runtime_writeable_weights": mode[1]}
    pair = make_pair_model(path, backend="rtl", mvau=attributes)
    mvau = getCustomOp(pair.graph.node[1])
    for each, its_model in ((node, model), (mvau, pair)):
        each.minimize_weight_bit_width(its_model)
        each.minimize_accumulator_width(its_model)
    for name in ("weightDataType", "accDataType", "outputDataType"):
        assert node.get_nodeattr(name) == mvau.get_nodeattr(name)
    low, high = node.constant_datapath(model).accumulator_range
    assert node.get_accumulator_datatype().min() <= low.min()
    assert high.max() <= node.get_accumulator_datatype().max()


def test_xnor_without_weights_counts_all_bits(make_node):
    rng, types = np.random.default_rng(4), [DataType["BINARY"]] * 2
    weights = rng.integers(0, 2, (LAYER.mw, LAYER.mh))
    path = Datapath(LAYER, *types, DataType["UINT8"], weights, xnor=True)
    model, node = make_node(path, "external")
    remove_initializer(model, "weights")
    node.minimize_accumulator_width(model)
    assert node.get_accumulator_datatype().max() >= LAYER.mw
    assert node.constant_datapath(model).weights is None


# ---------------------------------------------------------------------------------------------
# FINN's driver


@pytest.fixture
def make_driver(make_pair_model, tmp_path):
    """Folder of FINN's PYNQ driver for a pair with writable weights, swapped or not, and the model."""
    from finn.transformation.fpgadataflow.create_dataflow_partition import CreateDataflowPartition
    from finn.transformation.fpgadataflow.floorplan import Floorplan
    from finn.transformation.fpgadataflow.insert_iodma import InsertIODMA

    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    def make(path: Datapath, swap: bool, writable: int = 1):
        mvau = {"mem_mode": "internal_decoupled", "runtime_writeable_weights": writable}
        model = make_pair_model(path, backend="rtl", mvau=mvau)
        if swap:
            model = model.transform(InferIMECConv(cycle_tolerance=100))
        partitions = CreateDataflowPartition(partition_model_dir=str(tmp_path / f"partitions{swap}"))
        for step in (InsertIODMA(64), Floorplan(), partitions):
            model = model.transform(step)
        model = model.transform(pynq_driver())
        return Path(model.get_metadata_prop("pynq_driver_dir")), model

    return make


def test_finns_driver_finds_the_weights(make_driver):
    from finn_imec.transformation.write_runtime_weights import WriteRuntimeWeights

    path = layer_path()
    pair, _ = make_driver(path, swap=False)
    swapped, model = make_driver(path, swap=True)
    (theirs,) = (pair / "runtime_weights").iterdir()
    if FINN_PLUS:
        assert not (swapped / "runtime_weights").exists()
    assert not list((swapped / "runtime_weights").glob("*"))  # upstream makes the folder
    for _ in range(2):  # repeating it changes nothing
        model = model.transform(WriteRuntimeWeights())
        (ours,) = (swapped / "runtime_weights").iterdir()
        assert ours.name == "1_0_IMECConv_rtl_0.dat"  # in the partition after the input DMA's
        assert ours.read_text() == theirs.read_text()
    (settings,) = (name for name in PYNQ_SETTINGS if (pair / name).is_file())
    assert (swapped / settings).read_text() == (pair / settings).read_text()


def test_build_step_completes_the_driver(make_driver, make_node, tmp_path):
    from finn_imec.builder.steps import step_write_runtime_weights

    path, cfg = layer_path(), SimpleNamespace(output_dir=str(tmp_path))
    without, node = make_node(path, "internal_decoupled", 1)
    assert step_write_runtime_weights(without, cfg) is without
    folder, model = make_driver(path, swap=True)
    shutil.copytree(folder, tmp_path / "driver")
    step_write_runtime_weights(model, cfg)
    node.make_weight_file(path.weights, "decoupled_runtime", tmp_path / "expected")
    (written,) = (tmp_path / "driver" / "runtime_weights").iterdir()
    assert written.read_bytes() == (tmp_path / "expected").read_bytes()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_weights_that_stay_are_not_the_drivers(make_driver, make_node):
    from finn_imec.transformation.write_runtime_weights import WriteRuntimeWeights

    folder, model = make_driver(layer_path(), swap=True, writable=0)
    before = contents(folder)
    model.transform(WriteRuntimeWeights())
    assert contents(folder) == before
    model, _ = make_node(layer_path(), "internal_decoupled", 1)
    with pytest.raises(ModelError, match="no pynq_driver_dir; apply FINN's MakePYNQDriver first"):
        model.transform(WriteRuntimeWeights())


# ---------------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize("mode", ["internal_embedded", "external"])
def test_writable_weights_need_the_memstream(make_node, mode):
    model, node = make_node(layer_path(), mode)
    node.set_nodeattr("runtime_writeable_weights", 1)
    message = f"IMECConv_rtl_0: runtime_writeable_weights=1 with mem_mode={mode}: accepted is "
    for use in (node.verify_node, lambda: node.constant_datapath(model)):
        with pytest.raises(UnsupportedError, match=message + "mem_mode=internal_decoupled"):
            use()


@pytest.mark.parametrize("mode", ["internal_embedded", "internal_decoupled"])
def test_internal_weights_must_be_constants(make_node, mode):
    model, node = make_node(layer_path(), "internal_embedded")
    node.set_nodeattr("mem_mode", mode)
    remove_initializer(model, "weights")
    with pytest.raises(UnsupportedError, match=rf"weights .*must be constants \(mem_mode={mode}\)"):
        node.constant_datapath(model)


def test_ultraram_is_initialized_only_where_it_can_be(make_node, tmp_path):
    model, node = make_node(layer_path(), "internal_decoupled", 1)
    node.set_nodeattr("ram_style", "ultra")
    for part, files in ((PART, []), (VERSAL, ["weights"])):
        folder = tmp_path / part
        node.set_nodeattr("code_gen_dir_ipgen", str(folder))
        node.generate_hdl(model, part, 5.0)
        names = [path.name for path in sorted(folder.glob("*.dat"))]
        assert names == [f"IMECConv_rtl_0_{kind}.dat" for kind in files]
        assert '.RAM_STYLE("ultra")' in (folder / "IMECConv_rtl_0.v").read_text()
    node.set_nodeattr("runtime_writeable_weights", 0)
    for mode in ("internal_decoupled", "internal_embedded"):
        node.set_nodeattr("mem_mode", mode)
        with pytest.raises(UnsupportedError, match="ram_style=ultra .*runtime_writeable_weights=1"):
            node.generate_hdl(model, PART, 5.0)
    node.generate_hdl(model, VERSAL, 5.0)
    assert '.RAM_STYLE("ultra")' not in (folder / "IMECConv_rtl_0.v").read_text()
    assert '.WEIGHT_RAM_STYLE("ultra")' in (folder / "IMECConv_rtl_0.v").read_text()


def test_thresholds_in_ultraram_need_a_device_that_initializes_it(make_node, tmp_path):
    geometry = ConvGeometry((2, 2), (3, 3), 4, 4, simd=1, pe=2)
    rng = np.random.default_rng(3)
    weights = rng.integers(-8, 8, (geometry.mw, geometry.mh))
    thresholds = np.sort(rng.integers(-100, 100, (geometry.mh, 255)))
    path = Datapath(geometry, *(DataType[name] for name in ("INT4", "INT4", "UINT8")), weights, thresholds)
    assert path.structure.search
    model, node = make_node(path, "internal_embedded")
    node.set_nodeattr("ram_style_thresholds", "ultra")
    node.set_nodeattr("code_gen_dir_ipgen", str(tmp_path))
    with pytest.raises(UnsupportedError, match="ram_style_thresholds=ultra: .*auto, block, dist"):
        node.generate_hdl(model, PART, 5.0)
    assert not list(tmp_path.iterdir())
    node.generate_hdl(model, VERSAL, 5.0)
    assert '.THRESHOLD_RAM_STYLE("ultra")' in (tmp_path / "IMECConv_rtl_0.v").read_text()


def test_hls_has_embedded_weights_only(make_node, tmp_path):
    model, node = make_node(layer_path(), "external")
    node.onnx_node.op_type, node.onnx_node.domain = (
        "IMECConv_hls",
        "finn.custom_op.fpgadataflow.hls",
    )
    hls = getCustomOp(node.onnx_node)
    hls.set_nodeattr("code_gen_dir_cppsim", str(tmp_path))
    with pytest.raises(UnsupportedError, match="mem_mode=external: IMECConv_hls accepts internal_emb"):
        hls.code_generation_cppsim(model)
    assert not list(tmp_path.iterdir())


def test_other_weight_file_forms_are_rejected(make_node, tmp_path):
    _, node = make_node(layer_path(), "external")
    with pytest.raises(UnsupportedError, match="weight_file_mode='hls_header': accepted are decoup"):
        node.make_weight_file(layer_path().weights, "hls_header", tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_rtl_rejects_modes_that_contradict_the_datapath():
    path = layer_path()
    for mode, datapath in (("external", path), ("internal_embedded", at_run_time(path))):
        with pytest.raises(UnsupportedError, match=f"mem_mode={mode}: accepted is a Datapath with"):
            ImecRtl("top", datapath, mem_mode=mode)
    with pytest.raises(UnsupportedError, match="mem_mode='dynamic': accepted are internal_embedded"):
        ImecRtl("top", path, mem_mode="dynamic")
