"""Fixtures for tests that need FINN, or one layer as FINN's pair of nodes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import settings

from finn_imec.layer.datapath import Datapath

DOMAIN = "finn.custom_op.fpgadataflow"

#: Examples that are drawn take as long as they take: a busy machine is no failure.
settings.register_profile("finn_imec", deadline=None)
settings.load_profile("finn_imec")


@pytest.fixture(scope="session")
def finn(tmp_path_factory):
    """FINN, finn-plus or upstream, with a build folder of this test run; IMECConv registered."""
    reason = "needs FINN: pip install 'finn-imec[finn]'"
    pytest.importorskip("finn.custom_op.fpgadataflow", reason=reason)
    from finn_imec.compat.finn import finn_build_dir
    from finn_imec.custom_op import register

    with finn_build_dir(tmp_path_factory.mktemp("finn_build")):
        register()
        yield


@pytest.fixture(scope="session")
def make_pair_model(finn):
    """Builder of the model input -> [FMPadding ->] ConvolutionInputGenerator -> MVAU -> output."""

    def make(
        path: Datapath,
        between=(),
        backend: str = "",
        swg: dict | None = None,
        mvau: dict | None = None,
        fmpadding: dict | None = None,
        fifo_after_padding: bool = False,
    ):
        """FINN's pair for a Datapath, after an FMPadding if its geometry is padded.

        between: op types, StreamingFIFO or StreamingDataWidthConverter, between the two nodes.
        backend: "" for abstract nodes, "rtl" or "hls". swg, mvau, fmpadding: attributes that differ
        from the Datapath's. Tensors: ifm (1, H, W, C), ofm (1, OH, OW, M), weights, thresholds.
        """
        from onnx import TensorProto, helper
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.util.basic import qonnx_make_model

        g = path.geometry
        swg_backend = "rtl" if backend else ""  # FINN has these in RTL
        windows = (1, *g.ofm_dim, g.kernel[0] * g.kernel[1] * g.ifm_channels)
        tensors = [f"windows{i}" for i in range(len(between) + 1)]
        idt, wdt, odt = (
            each.name for each in (path.input_datatype, path.weight_datatype, path.output_datatype)
        )

        def node(op_type, inputs, outputs, backend="", **attributes):
            op_type = f"{op_type}_{backend}" if backend else op_type
            return helper.make_node(
                op_type,
                inputs,
                outputs,
                name=f"{op_type}_0",
                domain=f"{DOMAIN}.{backend}" if backend else DOMAIN,
                backend="fpgadataflow",
                **attributes,
            )

        def tensor(name, shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        streaming = {
            "StreamingFIFO": {
                "depth": 4, "folded_shape": [1, *g.ofm_dim, g.mw // g.simd_in, g.simd_in],
                "normal_shape": windows, "dataType": idt,
            },
            "StreamingDataWidthConverter": {
                "inShape": windows, "outShape": windows, "dataType": idt,
                "inWidth": (g.mw if g.parallel_window else g.simd_in) * path.core.activation.bits,
                "outWidth": g.simd * path.core.activation.bits,
            },
        }  # fmt: skip
        front, image = [], "ifm"
        if any(g.padding):
            attributes = {
                "ImgDim": g.input_dim, "Padding": g.padding, "NumChannels": g.ifm_channels,
                "SIMD": g.simd_in, "inputDataType": idt, **(fmpadding or {}),
            }  # fmt: skip
            front.append(node("FMPadding", ["ifm"], ["padded0"], swg_backend, **attributes))
            image = "padded0"
            if fifo_after_padding:
                folded = [1, *g.ifm_dim, g.ifm_channels // g.simd_in, g.simd_in]
                fifo = {"depth": 4, "folded_shape": folded, "dataType": idt}
                fifo["normal_shape"] = [1, *g.ifm_dim, g.ifm_channels]
                front.append(node("StreamingFIFO", [image], ["padded1"], swg_backend, **fifo))
                image = "padded1"
        parameters = {"weights": path.weights}
        unit, shape = "MVAU", {"MW": g.mw, "MH": g.mh, "numInputVectors": [1, *g.ofm_dim]}
        if g.depthwise:
            unit, shape = "VVAU", {"Channels": g.mh, "Kernel": g.kernel, "Dim": g.ofm_dim}
            parameters["weights"] = path.weights.T.reshape(g.mh, 1, *g.kernel)
        if path.thresholds is not None:
            parameters["thresholds"] = path.thresholds
        nodes = [
            *front,
            node(
                "ConvolutionInputGenerator",
                [image],
                [tensors[0]],
                swg_backend,
                **{
                    "ConvKernelDim": g.kernel,
                    "IFMChannels": g.ifm_channels,
                    "IFMDim": g.ifm_dim,
                    "OFMDim": g.ofm_dim,
                    "Stride": g.stride,
                    "Dilation": g.dilation,
                    "SIMD": g.pe if g.depthwise else g.ifm_channels if g.parallel_window else g.simd_in,
                    "inputDataType": idt,
                    "outputDataType": idt,
                    "depthwise": int(g.depthwise),
                    "parallel_window": int(g.parallel_window),
                    **(swg or {}),
                },
            ),
            *(
                node(op_type, [tensors[i]], [tensors[i + 1]], swg_backend, **streaming[op_type])
                for i, op_type in enumerate(between)
            ),
            node(
                unit,
                [tensors[-1], *parameters],
                ["ofm"],
                backend,
                **{
                    **shape,
                    "SIMD": g.simd,
                    "PE": g.pe,
                    "inputDataType": idt,
                    "weightDataType": wdt,
                    "outputDataType": odt,
                    "noActivation": int(path.thresholds is None),
                    "ActVal": path.act_val,
                    "binaryXnorMode": int(path.xnor),
                    **(mvau or {}),
                },
            ),
        ]
        graph = helper.make_graph(
            nodes,
            "pair",
            [tensor("ifm", (1, *g.input_dim, g.ifm_channels))],
            [tensor("ofm", (1, *g.ofm_dim, g.mh))],
            value_info=[
                *(tensor(each.output[0], (1, *g.ifm_dim, g.ifm_channels)) for each in front),
                *(tensor(name, windows) for name in tensors),
            ],
        )
        model = ModelWrapper(qonnx_make_model(graph))
        for name, datatype in (
            *((name, path.input_datatype) for name in ("ifm", *(n.output[0] for n in front), *tensors)),
            ("ofm", path.output_datatype),
            ("weights", path.weight_datatype),
        ):
            model.set_tensor_datatype(name, datatype)
        for name, values in parameters.items():
            model.set_initializer(name, np.asarray(values, np.float32))
        return model

    return make


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="needs pip install 'finn-imec[dev]'")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("needs a headless Chromium: apt-get install chromium")
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
