"""The IMECConv nodes: in numpy, in FINN's flow, and as RTL in FINN's rtlsim."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from stitching import remove_initializer

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.compat.finn import dsp_block
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.packing import DSP_BLOCKS
from finn_imec.layer.units import storage
from finn_imec.rtl.generate import ImecRtl
from finn_imec.util.errors import ImecError, UnsupportedError
from finn_imec.verification.cases import random_case

PART = "xc7z020clg400-1"
LAYER = ConvGeometry((3, 2), (6, 5), 4, 6, (1, 2), (1, 2), simd=2, pe=3, simd_in=4)


def make_path(
    idt: str, wdt: str, odt: str = "INT32", steps: int = 0, act_val: int = 0, geometry=LAYER, seed=0
) -> Datapath:
    """Random weights, and thresholds in the middle of the accumulators' range."""
    rng = np.random.default_rng(seed)
    xnor = idt == wdt == "BINARY"
    types = DataType[idt], DataType[wdt]
    weights = random_values(types[1], (geometry.mw, geometry.mh), rng)
    if not steps:
        return Datapath(geometry, *types, DataType[odt], weights, xnor=xnor)
    wide = Datapath(geometry, *types, DataType["INT32"], weights, xnor=xnor)
    low, high = (r[:, None] for r in wide.accumulator_range)
    thresholds = np.sort(rng.integers(low, high + 1, (geometry.mh, steps)), axis=1)
    return Datapath(geometry, *types, DataType[odt], weights, thresholds, act_val, xnor)


def random_input(path: Datapath, seed: int = 0) -> np.ndarray:
    g, rng = path.geometry, np.random.default_rng(seed)
    return random_values(path.input_datatype, (1, *g.input_dim, g.ifm_channels), rng)


def execute(model, ifm: np.ndarray) -> np.ndarray:
    (source,), (result,) = (list(each) for each in (model.graph.input, model.graph.output))
    return execute_onnx(model, {source.name: ifm.astype(np.float32)})[result.name]


@pytest.fixture(scope="module")
def make_imec(make_pair_model):
    """The one-node model of a Datapath: IMECConv, or with backend="rtl" IMECConv_rtl."""
    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    def make(path: Datapath, backend: str = ""):
        model = make_pair_model(path, backend=backend).transform(InferIMECConv(cycle_tolerance=100))
        assert [n.op_type for n in model.graph.node] == [f"IMECConv{backend and '_' + backend}"]
        return model

    return make


@pytest.fixture
def node(make_imec):
    """A fresh IMECConv node of LAYER: INT4 x INT3, three thresholds, INT2."""
    (node,) = make_imec(make_path("INT4", "INT3", "INT2", 3, -2)).graph.node
    return getCustomOp(node)


# ---------------------------------------------------------------------------------------------
# Function

DATATYPES = [
    # activation, weight, output, thresholds, ActVal
    ("BIPOLAR", "BIPOLAR", "INT32", 0, 0),
    ("BIPOLAR", "BIPOLAR", "BIPOLAR", 1, 0),
    ("BINARY", "BINARY", "UINT8", 0, 0),  # XNOR mode
    ("BINARY", "BINARY", "BIPOLAR", 1, 0),  # XNOR mode
    ("BINARY", "BIPOLAR", "BINARY", 1, 0),
    ("BIPOLAR", "INT4", "INT2", 3, -2),
    ("BIPOLAR", "TERNARY", "INT32", 0, 0),
    ("TERNARY", "TERNARY", "TERNARY", 2, -1),
    ("TERNARY", "BIPOLAR", "UINT2", 3, 0),
    ("INT2", "INT2", "INT32", 0, 0),
    ("UINT2", "INT2", "UINT2", 3, 0),
    ("UINT4", "INT4", "UINT4", 15, 0),
    ("INT8", "INT8", "INT4", 15, -8),
    ("UINT8", "BIPOLAR", "INT32", 0, 0),
    ("INT8", "UINT2", "INT32", 0, 0),
    ("UINT8", "INT2", "UINT2", 3, 0),
]


@pytest.mark.parametrize(("idt", "wdt", "odt", "steps", "act_val"), DATATYPES)
def test_equals_finns_pair_and_plain_convolution(make_pair_model, make_imec, idt, wdt, odt, steps, act_val):
    path = make_path(idt, wdt, odt, steps, act_val)
    ifm = random_input(path)
    expected = execute(make_pair_model(path), ifm)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(execute(make_imec(path), ifm), expected)
    np.testing.assert_array_equal(reference(path, ifm), expected)


@pytest.mark.parametrize("number", range(30))
def test_random_layers_equal_finns_pair_and_plain_convolution(make_pair_model, make_imec, number):
    path = random_case(20, number).datapath
    if (np.array(path.geometry.stride) > path.geometry.ifm_dim).any():
        pytest.skip("FINN's window generator refuses strides beyond the image")
    ifm = random_input(path, number)
    expected = reference(path, ifm)
    np.testing.assert_array_equal(execute(make_imec(path), ifm), expected)
    if not (path.xnor and path.geometry.depthwise):  # FINN's VVAU multiplies 0 and 1 in Python
        np.testing.assert_array_equal(execute(make_pair_model(path), ifm), expected)


# ---------------------------------------------------------------------------------------------
# Shapes, streams, estimates


def test_shapes_and_streams(node):
    assert node.get_normal_input_shape() == (1, 6, 5, 4)
    assert node.get_normal_input_shape(1) == (24, 6)
    assert node.get_normal_output_shape() == (1, 4, 2, 6)
    assert node.get_folded_input_shape() == (1, 6, 5, 1, 4)
    assert node.get_folded_input_shape(1) == (8, 24, 6)
    assert node.get_folded_output_shape() == (1, 4, 2, 2, 3)
    assert node.get_instream_width() == 4 * 4
    assert node.get_instream_width(1) == node.get_instream_width(2) == 0
    assert node.get_outstream_width() == 3 * 2
    assert node.get_outstream_width_padded() == 8
    assert node.get_number_output_values() == 4 * 2 * 2
    assert [node.get_input_datatype(i).name for i in (0, 1)] == ["INT4", "INT3"]
    assert node.get_weight_datatype() == DataType["INT3"]
    assert node.get_output_datatype() == DataType["INT2"]
    assert (node.calc_wmem(), node.calc_tmem()) == (24, 2)
    assert node.verify_node() == ["All necessary attributes exist"]


def test_interface_names_are_those_finn_connects(node):
    names = node.get_verilog_top_module_intf_names()
    assert names["s_axis"] == [("in0_V", 16)]
    assert names["m_axis"] == [("out0_V", 8)]
    assert (names["clk"], names["rst"]) == (["ap_clk"], ["ap_rst_n"])
    assert not names["aximm"]
    assert not names["axilite"]


def test_minimization_chooses_what_the_mvau_chooses(make_pair_model, make_imec):
    path = make_path("UINT4", "INT8")
    small = Datapath(LAYER, DataType["UINT4"], DataType["INT8"], DataType["INT32"], path.weights // 20)
    pair, imec = make_pair_model(small), make_imec(small)
    mvau, node = getCustomOp(pair.graph.node[1]), getCustomOp(imec.graph.node[0])
    assert node.minimize_weight_bit_width(imec) == mvau.minimize_weight_bit_width(pair)
    assert node.minimize_accumulator_width(imec) == mvau.minimize_accumulator_width(pair)
    names = ("weightDataType", "accDataType", "outputDataType")
    assert [node.get_nodeattr(n) for n in names] == [mvau.get_nodeattr(n) for n in names]
    assert node.get_nodeattr("weightDataType") == "INT4"


def test_finns_cycle_and_operation_analyses(make_pair_model, make_imec):
    from finn.analysis.fpgadataflow.exp_cycles_per_layer import exp_cycles_per_layer
    from finn.analysis.fpgadataflow.op_and_param_counts import op_and_param_counts

    path = make_path("INT4", "INT3", "INT2", 3, -2)
    model = make_imec(path, "rtl")
    (name,) = (n.name for n in model.graph.node)
    assert exp_cycles_per_layer(model) == {name: storage(LAYER).cycles_per_frame}
    counts = op_and_param_counts(model)
    assert counts[name]["op_mac_3bx4b"] == LAYER.macs
    assert counts[name] == op_and_param_counts(make_pair_model(path))["MVAU_0"]


@pytest.mark.parametrize("style", ["auto", "block", "distributed", "ultra"])
def test_finns_resource_analysis(make_imec, style):
    from finn.analysis.fpgadataflow.res_estimation import res_estimation

    geometry = ConvGeometry((3, 3), (8, 8), 16, 64, simd=16, pe=4)  # 144 words of 256 bits
    model = make_imec(make_path("INT4", "INT4", geometry=geometry), "rtl")
    node = getCustomOp(model.graph.node[0])
    node.set_nodeattr("ram_style", style)
    (estimate,) = res_estimation(model, PART).values()
    assert estimate["DSP"] == 32  # 16 for each 3 channels: a weight may be -8
    assert estimate["BRAM_18K"] == (8 if style in ("auto", "block") else 0)  # 256 bits / 36
    assert estimate["URAM"] == (4 if style == "ultra" else 0)  # 256 bits / 72
    assert estimate["LUT"] > 64  # the line buffer alone takes a site for each bit of its word
    node.set_nodeattr("resType", "lut")
    (in_luts,) = res_estimation(model, PART).values()
    assert in_luts["DSP"] == 0
    assert in_luts["LUT"] > estimate["LUT"]


@pytest.mark.parametrize(
    ("part", "block", "slices"),
    [
        (PART, "DSP48E1", 32),
        ("xczu7ev-ffvc1156-2-e", "DSP48E2", 16),  # four channels each
        ("xcvc1902-vsva2197-2MP-e-S", "DSP58", 16),
    ],
)
def test_the_part_chooses_the_dsp_slice(make_imec, part, block, slices):
    from finn.analysis.fpgadataflow.res_estimation import res_estimation
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    geometry = ConvGeometry((3, 3), (8, 8), 16, 64, simd=16, pe=4)
    model = make_imec(make_path("INT4", "INT4", geometry=geometry), "rtl")
    (estimate,) = res_estimation(model, part).values()
    assert estimate["DSP"] == slices
    model = model.transform(PrepareIP(part, 5.0))
    node = getCustomOp(model.graph.node[0])
    assert node.get_nodeattr("dsp_block") == block
    assert node.estimate.dsp == node.constant_datapath(model).core.packing.slices(4, 16) == slices
    wrapper = Path(node.get_nodeattr("ip_path"), f"{node.get_nodeattr('gen_top_module')}.v").read_text()
    assert f".DSP_VERSION({DSP_BLOCKS[block].version})," in wrapper


@pytest.mark.parametrize("part", ["", "7", "ice40"])
def test_what_is_no_part_has_no_dsp_slice(part):
    with pytest.raises(UnsupportedError, match=f"part='{part}': accepted are parts such as xc7z020"):
        dsp_block(part)


# ---------------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("SIMD", 5, r"simd=5 does not divide MW=24: accepted are \[1, 2, 3, 4, 6, 8, 12, 24\]"),
        ("SIMD", 0, "simd=0: .*at least 1"),
        ("SIMD_in", 3, r"simd_in=3 does not divide ifm_channels=4: accepted are \[1, 2, 4\]"),
        ("PE", 4, r"pe=4 does not divide ofm_channels=6: accepted are \[1, 2, 3, 6\]"),
        ("MW", 36, "MW=36 contradicts the other attributes, from which it is 24"),
        ("OFMDim", [4, 3], r"OFMDim=\[4, 3\] contradicts .* \[4, 2\]"),
        ("IFMDim", [2, 5], r"kernel=\(3, 2\) .*ifm_dim=\(2, 5\)"),
        ("Padding", [2, 0, 4, 0], r"padding=\(2, 0, 4, 0\) leaves nothing of ifm_dim=\(6, 5\)"),
        ("IFMDim", [6], r"ifm_dim=\(6,\): expected \(height, width\)"),
        ("Stride", [0, 2], r"stride=\(0, 2\).*at least 1"),
        ("ConvKernelDim", [3, 2, 1], r"kernel=\(3, 2, 1\): expected \(height, width\)"),
    ],
)
def test_bad_attributes_name_node_attribute_value_and_what_is_accepted(node, attribute, value, message):
    node.set_nodeattr(attribute, value)
    for use in (node.verify_node, node.get_exp_cycles, node.get_normal_output_shape):
        with pytest.raises(ImecError, match=f"^{node.onnx_node.name}: {message}"):
            use()


@pytest.mark.parametrize("bad", ["FLOAT32", "INT32"])
@pytest.mark.parametrize(("attribute", "tensor"), [("inputDataType", 0), ("weightDataType", 1)])
@pytest.mark.parametrize("steps", [0, 3])
def test_unsupported_datatypes_are_rejected(make_imec, attribute, tensor, bad, steps):
    path = make_path("INT4", "INT3", "UINT2" if steps else "INT32", steps)
    model = make_imec(path)
    node = getCustomOp(model.graph.node[0])
    node.set_nodeattr(attribute, bad)
    message = f"^{node.onnx_node.name}: {attribute}={bad} is not supported: accepted are BIPOLAR"
    with pytest.raises(UnsupportedError, match=message):
        node.datapath(path.weights, path.thresholds)


def test_padding_needs_a_datatype_with_zero(node):
    path = make_path("INT4", "INT3", "INT2", 3, -2)
    node.set_nodeattr("IFMDim", [8, 5])
    node.set_nodeattr("OFMDim", [6, 2])
    node.set_nodeattr("Padding", [1, 0, 1, 0])
    assert node.get_normal_input_shape() == (1, 6, 5, 4)
    assert node.get_folded_input_shape() == (1, 6, 5, 1, 4)
    assert node.datapath(path.weights, path.thresholds)
    node.set_nodeattr("inputDataType", "BIPOLAR")
    message = (
        r"^IMECConv_0: inputDataType=BIPOLAR with Padding=\[1, 0, 1, 0\]: accepted are datatypes that "
        "hold 0, the value of padding"
    )
    with pytest.raises(UnsupportedError, match=message):
        node.datapath(path.weights, path.thresholds)


def test_weights_outside_their_datatype_are_rejected(make_imec):
    path = make_path("INT4", "INT3")
    model = make_imec(path)
    model.set_initializer("weights", 4 * np.ones_like(path.weights, np.float32))
    with pytest.raises(UnsupportedError, match="IMECConv_0: weights .*weightDataType=INT3"):
        execute(model, random_input(path))


def test_wrong_number_of_inputs_is_rejected(node):
    del node.onnx_node.input[2]
    with pytest.raises(UnsupportedError, match="IMECConv_0: 2 inputs, expected 3 .*noActivation=0"):
        node.verify_node()


def test_rtl_needs_constant_weights(make_imec, tmp_path):
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    model = make_imec(make_path("INT4", "INT3"), "rtl")
    remove_initializer(model, "weights")
    with pytest.raises(UnsupportedError, match="IMECConv_rtl_0: weights .*must be constants"):
        model.transform(PrepareIP(PART, 5.0))


def test_steps_of_rtl_simulation_in_wrong_order(make_imec):
    node = getCustomOp(make_imec(make_path("INT4", "INT3"), "rtl").graph.node[0])
    with pytest.raises(UnsupportedError, match="IMECConv_rtl_0: no RTL yet; .*PrepareIP"):
        node.code_generation_ipi()
    with pytest.raises(UnsupportedError, match="IMECConv_rtl_0: .*PrepareRTLSim first"):
        node.get_rtlsim()


# ---------------------------------------------------------------------------------------------
# RTL in FINN's flow

RTL_CASES = {
    "thresholds": make_path("UINT4", "INT3", "INT2", 3, -2),
    "xnor": make_path(
        "BINARY", "BINARY", "BIPOLAR", 1, geometry=ConvGeometry((3, 3), (5, 5), 8, 4, simd=8, pe=2)
    ),
    "accumulators": make_path(
        "INT8",
        "INT5",
        "INT16",
        geometry=ConvGeometry((2, 2), (5, 4), 6, 4, simd=6, pe=4, simd_in=2),
    ),
}


@pytest.fixture(scope="module", params=RTL_CASES)
def generated(request, make_imec):
    """(Datapath with the node's level of pipelining, model of one IMECConv_rtl after FINN's PrepareIP)."""
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    path = RTL_CASES[request.param]
    model = make_imec(path, "rtl").transform(PrepareIP(PART, 5.0))
    return replace(path, pipeline=getCustomOp(model.graph.node[0]).get_nodeattr("pipeline")), model


def test_rtlsim_through_finn_is_exact_in_values_and_cycles(generated):
    from finn.core.onnx_exec import execute_onnx as finn_execute
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode

    path, model = generated
    model = model.transform(PrepareRTLSim()).transform(SetExecMode("rtlsim"))
    node = getCustomOp(model.graph.node[0])
    assert Path(node.get_nodeattr("rtlsim_so")).is_file()
    for seed in range(2):
        ifm = random_input(path, seed)
        ofm = finn_execute(model, {"ifm": ifm.astype(np.float32)})["ofm"]
        np.testing.assert_array_equal(ofm, reference(path, ifm))
        assert ofm.dtype == np.float32
        assert node.get_nodeattr("cycles_rtlsim") == path.total_cycles(1)


def test_rtlsim_trace_writes_waveforms(make_imec, tmp_path):
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode

    path = next(iter(RTL_CASES.values()))
    model = make_imec(path, "rtl").transform(PrepareIP(PART, 5.0))
    getCustomOp(model.graph.node[0]).set_nodeattr("rtlsim_trace", str(tmp_path / "node.wdb"))
    model = model.transform(PrepareRTLSim()).transform(SetExecMode("rtlsim"))
    ifm = random_input(path)
    np.testing.assert_array_equal(execute(model, ifm), reference(path, ifm))
    assert "out0_V_TVALID" in (tmp_path / "node.vcd").read_text()


def test_rtlsim_of_a_batch_and_finns_io_dict(generated):
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim

    from finn_imec.streams.words import encode

    path, model = generated
    model = model.transform(PrepareRTLSim())
    node = getCustomOp(model.graph.node[0])
    ifm = np.concatenate([random_input(path, seed) for seed in range(3)])
    words = encode(ifm, path.input_datatype, path.geometry.simd_in)
    integers = [int.from_bytes(word.tobytes(), "little") for word in words]
    io_dict = {"inputs": {"in0": integers}, "outputs": {"out0": []}}
    node.rtlsim_multi_io(node.get_rtlsim(), io_dict)
    expected = encode(reference(path, ifm), path.output_datatype, path.geometry.pe)
    assert io_dict["outputs"]["out0"] == [int.from_bytes(w.tobytes(), "little") for w in expected]
    assert node.get_nodeattr("cycles_rtlsim") == path.total_cycles(3)


def test_generated_files_and_ip_integrator_commands(generated):
    path, model = generated
    node = getCustomOp(model.graph.node[0])
    folder, top = Path(node.get_nodeattr("code_gen_dir_ipgen")), node.get_nodeattr("gen_top_module")
    assert node.get_nodeattr("ip_path") == node.get_nodeattr("ipgen_path") == str(folder)
    kinds = {f"weight{i or ''}s" for i in range(len(path.structure.weight_parts))}
    if ImecRtl(top, path).structure.rom_layout == "table":
        kinds = set()
    structure = path.structure
    if structure.steps > 1 and not (structure.search and structure.search.memory.table):
        kinds.add("thresholds")
    if structure.biased and not structure.starts_in_table:
        kinds.add("starts")
    assert {f.name for f in folder.iterdir()} == {f"{top}.v"} | {f"{top}_{k}.dat" for k in kinds}
    assert f"module {top} " in (folder / f"{top}.v").read_text()

    *adds, create = node.code_generation_ipi()
    files = []
    for line in adds:
        command, option, file = line.split(" ")
        assert (command, option) == ("add_files", "-norecurse")
        assert Path(file).is_file()
        files.append(file)
    assert files == node.get_rtl_file_list(abspath=True)
    assert len(set(files)) == len(files)
    assert [Path(f).name for f in files] == node.get_rtl_file_list()
    assert create == f"create_bd_cell -type module -reference {top} {node.onnx_node.name}"


def test_generation_is_reproducible(generated, make_imec):
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    path, model = generated
    again = make_imec(path, "rtl").transform(PrepareIP(PART, 5.0))
    folders = [Path(getCustomOp(m.graph.node[0]).get_nodeattr("code_gen_dir_ipgen")) for m in (model, again)]
    assert folders[0] != folders[1]
    first, second = (
        {f.name: f.read_text().replace(str(folder), "") for f in folder.iterdir()} for folder in folders
    )
    assert first == second


# ---------------------------------------------------------------------------------------------
# Registration


def test_specialize_layers_makes_it_rtl(make_imec):
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    path = make_path("INT4", "INT3", "INT2", 3, -2)
    model = make_imec(path).transform(SpecializeLayers(PART))
    (node,) = model.graph.node
    assert (node.op_type, node.domain) == ("IMECConv_rtl", "finn.custom_op.fpgadataflow.rtl")
    ifm = random_input(path)
    for mode in ("", "cppsim"):  # FINN's RTL nodes compute in Python in cppsim
        getCustomOp(node).set_nodeattr("exec_mode", mode)
        np.testing.assert_array_equal(execute(model, ifm), reference(path, ifm))


def test_a_fresh_process_runs_a_saved_model(make_imec, tmp_path):
    """The import hook registers IMECConv in processes that import FINN but not finn_imec."""
    path = make_path("INT4", "INT3", "INT2", 3, -2)
    ifm = random_input(path)
    make_imec(path, "rtl").save(str(tmp_path / "model.onnx"))
    np.save(tmp_path / "ifm.npy", ifm.astype(np.float32))
    script = """
import sys
from finn_imec import import_hook
import_hook.install()
import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
assert "finn_imec.custom_op" not in sys.modules
model = ModelWrapper("model.onnx")
np.save("ofm.npy", execute_onnx(model, {"ifm": np.load("ifm.npy")})["ofm"])
"""
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{script}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "ofm.npy"), reference(path, ifm))
