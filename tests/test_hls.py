"""IMECConv in C++: the header's testbench, generated code in C simulation, and FINN's cppsim flow."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_imec import hls
from finn_imec.algorithms.reference import random_values, reference
from finn_imec.hls import cppsim
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.units import storage
from finn_imec.streams.words import decode, encode
from finn_imec.util.errors import MissingToolError, UnsupportedError
from finn_imec.verification.cases import random_case

pytestmark = pytest.mark.simulation

PART = "xc7z020clg400-1"
LAYER = ConvGeometry((3, 2), (6, 5), 4, 6, (1, 2), (1, 2), simd=2, pe=3, simd_in=4)
DEPTHWISE = ConvGeometry((3, 2), (6, 5), 6, 6, (1, 2), (1, 2), pe=2, simd_in=2, depthwise=True)
FRAMES = 3

try:
    HEADERS = cppsim.header_path()
except MissingToolError as err:
    pytest.skip(str(err), allow_module_level=True)


def make_path(idt, wdt, odt="INT40", steps=0, act_val=0, geometry=LAYER, xnor=False, seed=0) -> Datapath:
    """Random weights, and thresholds that accumulators reach."""
    rng = np.random.default_rng(seed)
    idt, wdt = DataType[idt], DataType[wdt]
    weights = random_values(wdt, (geometry.mw, geometry.mh), rng)
    wide = Datapath(geometry, idt, wdt, DataType["INT40"], weights, xnor=xnor)
    if not steps:
        return Datapath(geometry, idt, wdt, DataType[odt], weights, xnor=xnor)
    low, high = (v[:, None] for v in wide.accumulator_range)
    thresholds = np.sort(rng.integers(low, high + 1, (geometry.mh, steps)), axis=1)
    return Datapath(geometry, idt, wdt, DataType[odt], weights, thresholds, act_val, xnor)


def random_input(path: Datapath, frames: int = FRAMES, seed: int = 1) -> np.ndarray:
    g, rng = path.geometry, np.random.default_rng(seed)
    return random_values(path.input_datatype, (frames, *g.input_dim, g.ifm_channels), rng)


def simulate(program: Path, design: hls.ImecHls, ifm: np.ndarray) -> np.ndarray:
    path, g = design.datapath, design.datapath.geometry
    words = encode(ifm, path.input_datatype, g.simd_in)
    out = hls.run(program, words, design.structure.out_bits, design.top)
    return decode(out, path.output_datatype, g.pe).reshape(len(ifm), *g.ofm_dim, g.mh)


# ---- the header ---------------------------------------------------------------------------------


def compile_testbench(target: Path, *flags: str) -> subprocess.CompletedProcess:
    library = hls.library_path()
    sources = [library / "imec_tb.cpp", library / "imec_example.cpp"]
    command = [*cppsim.compiler()[0], "-std=c++14", "-isystem", str(HEADERS), *flags]
    return subprocess.run([*command, *map(str, sources), "-o", str(target)], capture_output=True, text=True)


# Vitis reads the pragmas; ap_int's own default constructor reads itself in the 2018 headers.
WARNINGS = ("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-uninitialized", "-Wno-maybe-uninitialized")

# Without "shift": the 2018 headers sign-extend by shifting negative numbers left.
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize=shift", "-fno-sanitize-recover")


@pytest.mark.parametrize(
    "flags",
    [("-O1", *WARNINGS, "-Werror"), ("-O0", *SANITIZERS)],
    ids=["warnings", "sanitizers"],
)
def test_testbench_passes(tmp_path, flags):
    compiled = compile_testbench(tmp_path / "tb", *flags)
    assert compiled.returncode == 0, compiled.stderr[:4000]
    done = subprocess.run([tmp_path / "tb"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "all checks passed\n", "")


def test_testbench_notices_a_wrong_buffer_address(tmp_path):
    library = tmp_path / "hlslib"
    shutil.copytree(hls.library_path(), library)
    header = library / "imec.hpp"
    text = header.read_text()
    assert text.count("G::ROW_STEP % DEPTH") == 1
    header.write_text(text.replace("G::ROW_STEP % DEPTH", "1 % DEPTH"))
    command = [*cppsim.compiler()[0], "-std=c++14", "-O0", "-w", "-isystem", str(HEADERS)]
    sources = ["imec_tb.cpp", "imec_example.cpp"]
    subprocess.run([*command, *sources, "-o", "tb"], cwd=library, check=True)
    done = subprocess.run([library / "tb"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "imec_example: " in done.stdout and "FAILED" in done.stdout


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("imec::geometry<3,3, 2,8, 4,4>", "must not be higher than the input"),
        ("imec::geometry<3,3, 8,8, 4,4, 1,1, 1,4>", "must not be wider than the input"),
        ("imec::geometry<3,3, 8,8, 4,4, 1,1, 1,1, 5>", "SIMD must divide the window's"),
        ("imec::geometry<3,3, 8,8, 4,4, 1,1, 1,1, 4,3>", "PE must divide the output channels"),
        ("imec::geometry<3,3, 8,8, 4,4, 0,1>", "must be at least 1"),
        ("imec::geometry<3,3, 8,8, 4,8, 1,1, 1,1, 1,4, 4, true>", "as many output as input channels"),
        ("imec::geometry<3,3, 8,8, 4,4, 1,1, 1,1, 4,4, 4, true>", "DEPTHWISE needs SIMD 1"),
    ],
)
def test_wrong_geometry_is_a_readable_compiler_error(layer, message):
    files = {
        "imec.hpp": (hls.library_path() / "imec.hpp").read_text(),
        "wrong.cpp": f'#include "imec.hpp"\nint main() {{ return {layer}::C; }}\n',
    }
    with pytest.raises(hls.HlsError, match=message) as error:
        cppsim.compile_program(files, "wrong.cpp")
    log = Path(str(error.value).split("(log: ")[1].rstrip(")"))
    assert message in log.read_text()


def test_iterations_of_the_header_are_the_models():
    """The constant ITERATIONS, compiled, against ConvGeometry's cycles."""
    cases = [random_case(3, number) for number in range(8)]
    checks = []
    for case in cases:
        g = case.geometry
        numbers = [*g.kernel, *g.ifm_dim, g.ifm_channels, g.mh, *g.stride, *g.dilation]
        numbers += [g.simd, g.pe, g.simd_in, int(g.depthwise), *g.padding]
        layer = f"imec::geometry<{','.join(map(str, numbers))}>"
        if g.parallel_window:
            expected = g.compute_cycles + g.ifm_dim[0] * g.ifm_dim[1] - g.windows
        else:
            expected = g.compute_cycles + LineBuffer(g).write_only_cycles + LineBuffer(g).in_place_words[2]
            checks.append(f'static_assert({layer}::RUN == {g.loop_nest.run}, "run");')
        checks += [
            f'static_assert({layer}::ITERATIONS == {expected}, "iterations");',
            f'static_assert({layer}::DEPTH == {g.live_words}, "depth");',
        ]
    text = '#include "imec.hpp"\n' + "\n".join(checks) + "\nint main() {}\n"
    files = {"imec.hpp": (hls.library_path() / "imec.hpp").read_text(), "counts.cpp": text}
    assert cppsim.compile_program(files, "counts.cpp").is_file()


def test_bits_and_registers_of_the_header():
    """No wider counters than needed; a strip that is read up to 3 iterations after a write has no memory."""
    short = {
        "3,1, 9,8, 2,4": 3,
        "1,2, 9,8, 4,4, 1,1, 1,1, 4": 2,
        "1,2, 9,8, 4,4, 1,1, 1,1, 2": 4,
        "3,3, 9,8, 2,4": 9,
    }
    checks = [
        f'static_assert(imec::geometry<{layer}>::DISTANCE == {distance}, "distance");'
        for layer, distance in short.items()
    ]
    for distance in (1, 2, 3, 4, 9):
        memory = "registers" if distance <= 3 else "ram_block"
        checks.append(
            f"static_assert(std::is_same<imec::storage<{distance}, imec::ram_block>, imec::{memory}>::value, "
            '"storage");'
        )
    for words, bits in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)):
        checks.append(f'static_assert(imec::index<{words}>::width == {bits}, "bits");')
    text = '#include "imec.hpp"\n' + "\n".join(checks) + "\nint main() {}\n"
    files = {"imec.hpp": (hls.library_path() / "imec.hpp").read_text(), "registers.cpp": text}
    assert cppsim.compile_program(files, "registers.cpp").is_file()


@pytest.mark.parametrize(
    "g",
    [
        ConvGeometry((3, 1), (9, 8), 2, 4, simd=2, pe=2),
        ConvGeometry((1, 2), (4, 7), 4, 4, (1, 2), simd=4, pe=4),
        ConvGeometry((1, 1), (5, 5), 4, 4, (2, 2), simd=2, pe=2),
        ConvGeometry((2, 1), (7, 1), 2, 2, (3, 1), simd=2, pe=1),
        ConvGeometry((2, 2), (5, 3), 2, 4, simd=8, pe=2),  # lines
    ],
    ids=lambda g: f"{g.kernel}",
)
def test_short_distances_are_bit_exact(g):
    path = make_path("INT3", "INT2", "INT12", geometry=g)
    design = hls.ImecHls("short_distance", path)
    ifm = random_input(path)
    assert np.array_equal(simulate(hls.build([design]), design, ifm), reference(path, ifm))


# ---- generated code -----------------------------------------------------------------------------


def test_random_cases_are_bit_exact():
    cases = [random_case(0, number) for number in range(300, 312)]
    designs = [hls.ImecHls(f"case_{i}", c.datapath) for i, c in enumerate(cases)]
    program = hls.build(designs)
    for case, design in zip(cases, designs, strict=True):
        ifm = random_input(case.datapath)
        assert np.array_equal(simulate(program, design, ifm), reference(case.datapath, ifm)), str(case)


PAIRS = [
    make_path("BIPOLAR", "BIPOLAR", "INT16"),
    make_path("BINARY", "BINARY", "UINT5", xnor=True),
    make_path("BINARY", "BINARY", "BINARY", steps=1, xnor=True),
    make_path("BIPOLAR", "INT16"),
    make_path("TERNARY", "TERNARY", "BIPOLAR", steps=1),
    make_path("UINT16", "UINT16"),
    make_path("INT16", "INT16"),
    make_path("UINT16", "INT16", "INT4", steps=15, act_val=-8),
    make_path("INT3", "BINARY"),
    make_path("UINT2", "INT2", "UINT3", steps=7, geometry=LAYER.with_folding(4, 6, 1)),
    make_path("INT8", "INT8", geometry=ConvGeometry((2, 2), (3, 3), 12, 2, simd=12, pe=2, simd_in=4)),
    make_path("INT4", "INT4", geometry=ConvGeometry((3, 2), (7, 6), 2, 6, simd=12, pe=6)),
    make_path(
        "BIPOLAR",
        "BIPOLAR",
        "BIPOLAR",
        steps=1,
        geometry=ConvGeometry((3, 3), (9, 8), 4, 6, (2, 1), (1, 2), simd=6, pe=3, simd_in=2),
    ),
    make_path("INT3", "INT2", geometry=ConvGeometry((3, 3), (5, 4), 16, 2, simd=9, pe=1, simd_in=8)),
    make_path(
        "UINT4",
        "INT4",
        geometry=ConvGeometry((3, 3), (7, 6), 4, 4, (2, 1), simd=3, pe=2, padding=(1, 0, 1, 0)),
    ),
    make_path("INT3", "INT2", geometry=ConvGeometry((1, 4), (3, 9), 3, 2, (2, 3), simd=6, pe=1)),
    make_path(
        "UINT4",
        "INT4",
        geometry=ConvGeometry((3, 1), (7, 1), 2, 2, simd=6, pe=2, padding=(1, 0, 1, 0)),
    ),
]


@pytest.fixture(scope="module")
def pairs_program():
    designs = [hls.ImecHls(f"pair_{i}", path) for i, path in enumerate(PAIRS)]
    return hls.build(designs), designs


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_every_kind_of_datatype_is_bit_exact(pairs_program, number):
    program, designs = pairs_program
    ifm = random_input(PAIRS[number])
    assert np.array_equal(simulate(program, designs[number], ifm), reference(PAIRS[number], ifm))


def test_weights_are_in_the_order_of_the_rtl():
    design = hls.ImecHls("top", make_path("UINT4", "INT3"))
    g, bits = LAYER, 3
    words = [
        sum(int(pe[0]) << (i * g.simd * bits) for i, pe in enumerate(word)) for word in design.weight_limbs()
    ]
    assert words == design.datapath.weight_words()


def test_a_threshold_beyond_all_accumulators_has_its_place():
    """Of 0 to 3, none reaches 9; as 4 it still is above all of them, and takes a third bit."""
    geometry = ConvGeometry((1, 1), (2, 2), 1, 1)
    types = (DataType[name] for name in ("UINT2", "INT2", "BINARY"))
    sums = Datapath(geometry, *types, np.ones((1, 1)), np.array([[9]]))
    design = hls.ImecHls("top", sums)
    assert design.threshold_values().tolist() == [[[4]]]
    assert design.acc_datatype.name == "UINT3"


def test_frames_are_independent_and_must_be_whole(pairs_program):
    program, designs = pairs_program
    design, path = designs[0], PAIRS[0]
    ifm = random_input(path, frames=4)
    together = simulate(program, design, ifm)
    alone = [simulate(program, design, frame[None])[0] for frame in ifm]
    assert np.array_equal(together, np.stack(alone))
    words = encode(ifm, path.input_datatype, path.geometry.simd_in)
    with pytest.raises(hls.HlsError, match="no whole number of frames"):
        hls.run(program, words[:-1], design.structure.out_bits, design.top)
    with pytest.raises(hls.HlsError, match="nowhere: no such node"):
        hls.run(program, words, design.structure.out_bits, "nowhere")


def test_ram_styles_reach_the_code():
    path = make_path("UINT4", "INT3")
    path = replace(path, geometry=replace(path.geometry, buffer_style="ultra"))
    sources = hls.ImecHls("top", path, "block").sources()
    assert "type=rom_1p impl=bram" in sources["top_top.cpp"]
    assert "using buffer_ram = imec::ram_ultra;" in sources["top_params.hpp"]
    assert "impl=lutram" in hls.ImecHls("top", path, "auto").sources()["top_top.cpp"]
    with pytest.raises(UnsupportedError, match="ram_style='ultra'.*auto, block, distributed"):
        hls.ImecHls("top", path, "ultra")


def test_words_beyond_ap_int_are_refused():
    geometry = ConvGeometry((1, 1), (1, 1), 16, 1024, simd=1, pe=512)
    types = (DataType[name] for name in ("INT8", "INT4", "INT17"))
    path = Datapath(geometry, *types, np.ones((16, 1024)))
    with pytest.raises(UnsupportedError, match="words of 8704 bits: IMECConv_hls accepts 8191"):
        hls.ImecHls("top", path)


def test_programs_are_cached_by_content(tmp_path, monkeypatch):
    monkeypatch.setenv("FINN_IMEC_CACHE", str(tmp_path))
    files = {"main.cpp": "int main() { return 0; }\n"}
    first = cppsim.compile_program(files, "main.cpp")
    stamp = first.stat().st_mtime_ns
    assert cppsim.compile_program(files, "main.cpp") == first
    assert first.stat().st_mtime_ns == stamp
    other = {"main.cpp": "int main() { return 1; }\n"}
    assert cppsim.compile_program(other, "main.cpp") != first
    compiler = tmp_path / "g++"
    compiler.write_text('#!/bin/sh\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert cppsim.compile_program(files, "main.cpp") != first


def test_headers_of_vitis_come_first(tmp_path, monkeypatch):
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "ap_int.h").touch()
    monkeypatch.delenv("XILINX_HLS", raising=False)
    monkeypatch.setenv("VITIS_PATH", str(tmp_path))
    assert cppsim.header_path() == tmp_path / "include"


def test_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(MissingToolError, match="'no-such-compiler' is not on the PATH"):
        cppsim.compile_program({"main.cpp": ""}, "main.cpp")


# ---- in FINN ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def make_hls(make_pair_model):
    """The one-node IMECConv_hls model of a Datapath, by FINN's SpecializeLayers."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.general import GiveUniqueNodeNames

    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    def make(path: Datapath, style: str = "hls"):
        model = make_pair_model(path).transform(InferIMECConv(cycle_tolerance=100))
        if style:
            getCustomOp(model.graph.node[0]).set_nodeattr("preferred_impl_style", style)
        model = model.transform(SpecializeLayers(PART))
        return model.transform(GiveUniqueNodeNames())  # upstream FINN's SpecializeLayers drops them

    return make


@pytest.mark.parametrize(("style", "expected"), [("", "rtl"), ("rtl", "rtl"), ("hls", "hls")])
def test_specialize_layers_picks_rtl_unless_asked_for_hls(make_hls, style, expected):
    (node,) = make_hls(make_path("UINT4", "INT3"), style).graph.node
    assert (node.op_type, node.domain) == (
        f"IMECConv_{expected}",
        f"finn.custom_op.fpgadataflow.{expected}",
    )


@pytest.mark.parametrize(
    "path",
    [
        make_path("BIPOLAR", "INT3", "BIPOLAR", steps=1),
        make_path("UINT4", "INT3", "INT14"),
        make_path("UINT4", "INT3", "UINT2", steps=3, geometry=DEPTHWISE),
    ],
    ids=["thresholds", "accumulators", "depthwise"],
)
def test_cppsim_in_finn(make_hls, path, tmp_path, monkeypatch):
    from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
    from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.custom_op.registry import getCustomOp

    monkeypatch.delenv("XILINX_HLS", raising=False)
    model = make_hls(path)
    ifm = random_input(path, frames=1)
    feed = {model.graph.input[0].name: ifm.astype(np.float32)}
    result = model.graph.output[0].name
    assert np.array_equal(execute_onnx(model, feed)[result], reference(path, ifm))  # numpy

    inst = getCustomOp(model.graph.node[0])
    inst.set_nodeattr("exec_mode", "cppsim")
    with pytest.raises(UnsupportedError, match=r"apply FINN's PrepareCppSim and CompileCppSim first"):
        inst.execute_node(
            dict.fromkeys(())
            | {name: model.get_initializer(name) for name in model.graph.node[0].input[1:]}
            | feed,
            None,
        )

    model = model.transform(PrepareCppSim()).transform(CompileCppSim()).transform(SetExecMode("cppsim"))
    model.save(str(tmp_path / "saved.onnx"))
    model = ModelWrapper(str(tmp_path / "saved.onnx"))
    program = Path(getCustomOp(model.graph.node[0]).get_nodeattr("executable_path"))
    assert os.access(program, os.X_OK)
    assert np.array_equal(execute_onnx(model, feed)[result], reference(path, ifm))


def test_ip_generation_writes_what_vitis_needs_and_names_it_when_missing(make_hls, monkeypatch):
    from finn.transformation.fpgadataflow.hlssynth_ip import HLSSynthIP
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
    from qonnx.custom_op.registry import getCustomOp

    model = make_hls(make_path("UINT2", "INT3", "INT2", steps=3, act_val=-2))
    model = model.transform(PrepareIP(PART, 5.0))
    inst = getCustomOp(model.graph.node[0])
    name, folder = model.graph.node[0].name, Path(inst.get_nodeattr("code_gen_dir_ipgen"))
    assert {p.name for p in folder.iterdir()} == {
        "imec.hpp", f"{name}_params.hpp", f"top_{name}.cpp", f"hls_syn_{name}.tcl",
    }  # fmt: skip
    script = (folder / f"hls_syn_{name}.tcl").read_text()
    for line in (f"set_top {name}", f"set_part {PART}", "create_clock -period 5.0 -name default"):
        assert line in script.splitlines()
    files = {p.name: p.read_text() for p in folder.iterdir()}
    files["main.cpp"] = f'#include "top_{name}.cpp"\nint main() {{}}\n'
    assert cppsim.compile_program(files, "main.cpp").is_file()

    monkeypatch.setenv("PATH", str(folder))
    for step in (HLSSynthIP(PART, num_workers=1), PrepareRTLSim(num_workers=1)):
        with pytest.raises(MissingToolError, match=r"neither vitis-run nor vitis_hls.*IMECConv_rtl"):
            model.transform(step)
    inst.set_nodeattr("exec_mode", "rtlsim")
    ifm = random_input(make_path("UINT2", "INT3"), frames=1)
    with pytest.raises(MissingToolError, match="rtlsim needs Vitis HLS"):
        inst.execute_node({model.graph.node[0].input[0]: ifm}, None)


@pytest.mark.parametrize("g", [LAYER, DEPTHWISE], ids=["dense", "depthwise"])
def test_estimates(make_hls, g):
    """Cycles are the header's iterations; resources equal the abstract node's."""
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.custom_op.imecconv import IMECConv

    inst = getCustomOp(make_hls(make_path("UINT4", "INT3", geometry=g)).graph.node[0])
    expected = g.compute_cycles + LineBuffer(g).write_only_cycles + LineBuffer(g).in_place_words[2]
    assert inst.get_exp_cycles() == expected > storage(g).cycles_per_frame
    assert inst.lut_estimation(PART) == IMECConv.lut_estimation(inst, PART) > 0


def test_wrong_ram_style_names_the_node(make_hls):
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from qonnx.custom_op.registry import getCustomOp

    model = make_hls(make_path("UINT4", "INT3"))
    getCustomOp(model.graph.node[0]).set_nodeattr("ram_style", "ultra")
    with pytest.raises(UnsupportedError, match=r"IMECConv_hls_0: ram_style='ultra'"):
        model.transform(PrepareIP(PART, 5.0))


@pytest.mark.parametrize(
    "mode", [{"mem_mode": "external"}, {"mem_mode": "internal_decoupled", "runtime_writeable_weights": 1}]
)
def test_weights_that_change_are_refused_when_finn_specializes(make_pair_model, mode):
    """Not when code is generated, after every other layer's."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.transformation.infer_imec_conv import InferIMECConv

    model = make_pair_model(make_path("UINT4", "INT3", "INT14"), mvau=mode).transform(InferIMECConv(100))
    (node,) = model.graph.node
    getCustomOp(node).set_nodeattr("preferred_impl_style", "hls")
    reason = (
        f"preferred_impl_style=hls with mem_mode={mode['mem_mode']}: IMECConv_hls accepts internal_embedded"
    )
    with pytest.raises(UnsupportedError, match=reason):
        model.transform(SpecializeLayers(PART))
