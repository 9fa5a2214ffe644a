"""Every default step of the installed FINN, finn-plus or upstream, on a small network with the swap.

Two graphs: IMECConv in RTL only, swapped where imec_build_steps does it, and an RTL and an HLS one,
swapped before FINN specializes. vivado_stub.tcl replaces Vivado. After each step that changes the graph its
outputs are computed in Python and compared; FINN runs its own verification where it needs no Vivado; the
stitched netlist is simulated. Vitis HLS is not needed until an HLS node becomes an IP.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from stitching import network, stitched, vivado_on_path

pytest.importorskip("finn.builder.build_dataflow_config", reason="needs FINN")
if shutil.which("tclsh") is None:
    pytest.skip("needs tclsh: apt-get install tcl", allow_module_level=True)

from finn.builder import build_dataflow_config as config
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp

from finn_imec.builder.steps import imec_build_steps, step_convert_to_imec, step_name
from finn_imec.partition import in_python
from finn_imec.simulation.stimulus import Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.words import decode, encode

FINN_PLUS = hasattr(config.AutoFIFOSizingMethod, "FORCE_MINIMAL_FIFOS")
#: FINN's own verification without xsim; finn-plus' verification in RTL comes after its FIFOs.
VERIFIED = ["streamlined_python"]
if not FINN_PLUS and hasattr(config.VerificationStepType, "NODE_BY_NODE_RTLSIM"):
    VERIFIED.append("node_by_node_rtlsim")
#: Steps that do nothing unless Vivado's results are requested; the driver belongs to a bitfile.
NOT_ASKED_FOR = {
    *("step_measure_rtlsim_performance", "step_out_of_context_synthesis", "step_prepare_synthesis"),
    *("step_synthesize_bitfile", "step_make_driver", "step_make_pynq_driver"),
    *("step_deployment_package", "step_insert_weight_dma"),
}


def settings(folder: Path, **fields):
    """FINN's configuration of a build without synthesis, verified against folder's expected.npy."""
    outputs = config.DataflowOutputType
    values = {
        "output_dir": str(folder),
        "synth_clk_period_ns": 5.0,
        "board": "Pynq-Z1",
        "shell_flow_type": config.ShellFlowType.VIVADO_ZYNQ,
        "target_fps": 100_000,
        "generate_outputs": [outputs.ESTIMATE_REPORTS, outputs.STITCHED_IP],
        "verify_steps": [config.VerificationStepType(name) for name in VERIFIED],
        "verify_input_npy": str(folder / "input.npy"),
        "verify_expected_output_npy": str(folder / "expected.npy"),
        **fields,
    }
    if FINN_PLUS:
        values["auto_fifo_strategy"] = config.AutoFIFOSizingMethod.FORCE_MINIMAL_FIFOS
    else:
        values["auto_fifo_depths"] = False
    return config.DataflowBuildConfig(**values)


class Build:
    """A build step by step; `log` records what each step did."""

    def __init__(self, folder: Path, **fields) -> None:
        self.model, self.log = network(), {}
        self.image = np.random.default_rng(2).integers(0, 4, (1, 6, 6, 4)).astype(np.float32)
        self.expected = self.outputs()
        folder.mkdir()
        np.save(folder / "input.npy", self.image)
        np.save(folder / "expected.npy", self.expected)
        (folder / "intermediate_models").mkdir()
        self.cfg = settings(folder, **fields)

    def outputs(self) -> np.ndarray:
        (source,), (sink,) = self.model.graph.input, self.model.graph.output
        return execute_onnx(in_python(self.model), {source.name: self.image})[sink.name]

    def __call__(self, step) -> None:
        if isinstance(step, str):
            from finn.builder import build_dataflow_steps

            step = getattr(build_dataflow_steps, step)
        before = self.model.model.SerializeToString()
        self.model = step(self.model, self.cfg)
        changed = self.model.model.SerializeToString() != before
        if changed:
            np.testing.assert_array_equal(self.outputs(), self.expected, err_msg=step_name(step))
        self.log[step_name(step)] = changed


@pytest.fixture
def vivado(finn, tmp_path, monkeypatch) -> None:
    vivado_on_path(tmp_path, monkeypatch)
    with contextlib.suppress(ModuleNotFoundError):  # finn-plus imports what only xsim brings
        import finn.xsi

        monkeypatch.setitem(vars(finn.xsi), "SimEngine", None)


def test_all_default_steps_of_an_rtl_graph(vivado, tmp_path):
    run = Build(tmp_path / "out")
    steps = imec_build_steps(config.default_build_dataflow_steps)
    for step in steps:
        run(step)
    names = [step_name(step) for step in steps]
    assert list(run.log) == names
    changed = {name for name, did in run.log.items() if did}
    assert not changed & NOT_ASKED_FOR
    assert {"step_convert_to_imec", "step_create_stitched_ip"} <= changed

    kinds = {node.op_type for node in run.model.graph.node}
    assert "IMECConv_rtl" in kinds and all(kind.endswith("_rtl") for kind in kinds)
    out = tmp_path / "out"
    cycles = json.loads((out / "report" / "estimate_layer_cycles.json").read_text())
    assert sorted(cycles) == ["IMECConv_rtl_0", "IMECConv_rtl_1"]
    verified = sorted(path.name for path in (out / "verification_output").glob("*.npy"))
    assert verified == sorted(f"verify_{step}_0_SUCCESS.npy" for step in VERIFIED)
    assert (out / "stitched_ip" / "make_project.tcl").is_file()

    # The stitched design once more, for its netlist
    design = stitched(run.model, tmp_path / "design").rtl
    first, last = (getCustomOp(run.model.graph.node[i]) for i in (0, -1))
    words = encode(run.image.astype(np.int64), first.get_input_datatype(), first.get_folded_input_shape()[-1])
    folded = last.get_folded_output_shape()
    stimulus = Stimulus({"s_axis_0": words}, {"m_axis_0": int(np.prod(folded[:-1]))})
    result = build([design]).run([stimulus])[0]
    got = decode(result.outputs["m_axis_0"], last.get_output_datatype(), folded[-1])
    np.testing.assert_array_equal(got.reshape(run.expected.shape), run.expected)


def test_default_steps_of_a_mixed_graph_up_to_vitis(vivado, tmp_path, monkeypatch):
    monkeypatch.delenv("XILINX_VITIS", raising=False)
    styles = tmp_path / "styles.json"
    styles.write_text('{"Defaults": {}, "IMECConv_1": {"preferred_impl_style": "hls"}}')
    run = Build(tmp_path / "out", specialize_layers_config_file=str(styles))
    steps = list(config.default_build_dataflow_steps)
    steps.insert(steps.index("step_specialize_layers"), step_convert_to_imec)
    steps = imec_build_steps(steps)
    names = [step_name(step) for step in steps]
    # finn-plus' step_generate_hardware is code generation, then IP and FIFOs
    end = next(i for i, n in enumerate(names) if n in ("step_hw_ipgen", "step_generate_hardware"))
    for step in steps[:end]:
        run(step)
    run("step_hw_codegen")
    assert [n.op_type for n in run.model.graph.node] == ["IMECConv_rtl", "IMECConv_hls"]
    code = [
        {path.suffix for path in Path(getCustomOp(node).get_nodeattr("code_gen_dir_ipgen")).iterdir()}
        for node in run.model.graph.node
    ]
    assert ".v" in code[0] and ".cpp" in code[1] and ".tcl" in code[1]
    with pytest.raises(Exception, match="(?i)vitis|hls"):
        run("step_hw_ipgen")
