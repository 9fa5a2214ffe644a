"""The FINN nodes of a pair: their attributes, and their RTL as finn-plus generates it (no Vivado needed)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_imec.baseline_rtl.patches import WEIGHT_FILE
from finn_imec.compat import CLOCK_NS, FPGA_PART, keep_finn_plus_settings, memstream_sources
from finn_imec.layer.geometry import ConvGeometry

#: VVAU_rtl refuses all parts but Versal; its core is replaced.
_VVAU_PART = "xcvc1902-vsva2197-2MP-e-S"
_FIFO_DEPTH = 2


@dataclass(frozen=True)
class PairNodes:
    """Parameters of FINN's nodes.

    simd: of the MVAU or VVAU; acc_bits: of one accumulator; steps: thresholds per channel, 0 for none. alone:
    the MVAU or VVAU has no window generator, and none of what is around it.
    """

    geometry: ConvGeometry
    input_datatype: BaseDataType
    weight_datatype: BaseDataType
    simd: int
    acc_bits: int
    steps: int = 0
    alone: bool = False

    @property
    def accumulator(self) -> str:
        """Datatype of an accumulator: two's complement except for the XNOR popcount."""
        bipolar = self.input_datatype.name == self.weight_datatype.name == "BIPOLAR"
        return f"{'UINT' if bipolar else 'INT'}{self.acc_bits}"

    @property
    def out_bits(self) -> int:
        """Bits of an output element: an accumulator, or how many thresholds it reaches."""
        return self.steps.bit_length() or self.acc_bits

    @property
    def swg_simd(self) -> int:
        """Channels per input word of the window generator: all if it outputs whole windows."""
        g = self.geometry
        if g.parallel_window:
            return g.ifm_channels
        return g.pe if g.depthwise else g.simd_in

    def attributes(self) -> dict[str, dict[str, Any]]:
        """The stages of the pair in order, with FINN's node attributes for each."""
        g = self.geometry
        image = [1, *g.ifm_dim, g.ifm_channels]
        windows = [1, *g.ofm_dim, prod(g.kernel) * g.ifm_channels]
        given = g.mw if g.parallel_window else self.swg_simd
        taken = given if g.depthwise else self.simd
        stages = {}
        if any(g.padding):
            stages["padding"] = self._padding()
            stages["padding_fifo"] = self._fifo(image, g.simd_in)
        if g.simd_in != self.swg_simd:
            stages["in_dwc"] = self._converter(image, g.simd_in, self.swg_simd)
        if not self.alone:
            stages["swg"] = self._swg()
        if given != taken:
            stages["dwc"] = self._converter(windows, given, taken)
        if not self.alone:
            stages["fifo"] = self._fifo(windows, taken)
        stages["mvu"] = self._mvu()
        return stages | ({"thresholding": self._thresholding()} if self.steps else {})

    def _padding(self) -> dict[str, Any]:
        g, name = self.geometry, self.input_datatype.name
        return {
            "ImgDim": list(g.input_dim),
            "Padding": list(g.padding),
            "NumChannels": g.ifm_channels,
            "SIMD": g.simd_in,
            # binaryXnorMode pads with code 0, too
            "inputDataType": "BINARY" if name == "BIPOLAR" else name,
        }

    def _fifo(self, shape: list[int], elems: int) -> dict[str, Any]:
        """shape: of the tensor, `elems` elements per word."""
        return {
            "depth": _FIFO_DEPTH,
            "folded_shape": [*shape[:-1], shape[-1] // elems, elems],
            "normal_shape": shape,
            "dataType": self.input_datatype.name,
        }

    def _converter(self, shape: list[int], elems_in: int, elems_out: int) -> dict[str, Any]:
        bits = self.input_datatype.bitwidth()
        return {
            "inShape": shape,
            "outShape": shape,
            "inWidth": elems_in * bits,
            "outWidth": elems_out * bits,
            "dataType": self.input_datatype.name,
        }

    def _swg(self) -> dict[str, Any]:
        g, name = self.geometry, self.input_datatype.name
        return {
            "ConvKernelDim": list(g.kernel),
            "IFMChannels": g.ifm_channels,
            "IFMDim": list(g.ifm_dim),
            "OFMDim": list(g.ofm_dim),
            "Stride": list(g.stride),
            "Dilation": list(g.dilation),
            "SIMD": self.swg_simd,
            "inputDataType": name,
            "outputDataType": name,
            "depthwise": int(g.depthwise),
            "is1D": int(1 in g.ifm_dim),
            "ram_style": "distributed",
            "parallel_window": int(g.parallel_window),
        }

    def _mvu(self) -> dict[str, Any]:
        g, names = self.geometry, (self.input_datatype.name, self.weight_datatype.name)
        matrix = {"MW": g.mw, "MH": g.mh, "numInputVectors": [1, *g.ofm_dim]}
        if g.depthwise:
            matrix = {"Channels": g.mh, "Kernel": g.kernel, "Dim": g.ofm_dim}
        return {
            "SIMD": self.simd,
            "PE": g.pe,
            "inputDataType": names[0],
            "weightDataType": names[1],
            "outputDataType": self.accumulator,
            "accDataType": self.accumulator,
            "noActivation": 1,
            **matrix,
            "mem_mode": "internal_decoupled",
            "ram_style": "auto",
            "resType": "dsp",
        }

    def _thresholding(self) -> dict[str, Any]:
        g = self.geometry
        return {
            "NumChannels": g.mh,
            "PE": g.pe,
            "numSteps": self.steps,
            "numInputVectors": [1, *g.ofm_dim],
            "inputDataType": self.accumulator,
            "weightDataType": "INT32",
            "outputDataType": f"UINT{self.out_bits}",
        }

    def generate(
        self, folder: Path, weights: np.ndarray, thresholds: np.ndarray | None = None
    ) -> tuple[list[dict[str, Any]], list[Path]]:
        """Let finn-plus generate every node below `folder`; return the stages to stitch and all RTL files.

        thresholds: (MH or 1, steps) integers, ascending, if there are steps. A stage has name, module,
        in_width and out_width. The MVU's weights are in mvu/WEIGHT_FILE, the thresholds in `threshold_files`.
        """
        keep_finn_plus_settings()
        g = self.geometry
        if g.depthwise:
            weights = weights.T.reshape(-1, 1, *g.kernel)
        stages, rtl = [], []
        for name, attributes in self.attributes().items():
            code = folder / name
            code.mkdir(parents=True)
            cls = _node_class(name, g.depthwise)
            attributes = {**attributes, "code_gen_dir_ipgen": str(code)}
            constants = {"mvu": weights, "thresholding": thresholds}.get(name)
            node, model = _node(cls, f"finn_{name}", attributes, constants)
            if name == "thresholding":
                node.minimize_weight_bit_width(model)
            part = _VVAU_PART if name == "mvu" and g.depthwise else FPGA_PART
            node.generate_hdl(model, part, CLOCK_NS)
            rtl += [Path(file) for file in node.get_rtl_file_list(abspath=True)]
            stages.append(
                {
                    "name": name,
                    "module": node.get_nodeattr("gen_top_module"),
                    "in_width": node.get_instream_width_padded(),
                    "out_width": node.get_outstream_width_padded(),
                }
            )
        rtl += sorted((folder / "mvu").glob("*_memstream_wrapper.v"))
        rtl += memstream_sources()
        return stages, rtl


def weight_file(folder: Path) -> Path:
    """The MVU's weights below the folder of `PairNodes.generate`."""
    return folder / "mvu" / WEIGHT_FILE


def threshold_files(folder: Path) -> dict[str, bytes]:
    """Name and content of the thresholds' memory files below the folder of `PairNodes.generate`."""
    prefix = "finn_thresholding_"
    files = sorted((folder / "thresholding").glob(f"{prefix}threshs_*.dat"))
    return {path.name.removeprefix(prefix): path.read_bytes() for path in files}


def _node_class(stage: str, depthwise: bool) -> type:
    """FINN's class of a stage's node."""
    from finn.custom_op.fpgadataflow.rtl.convolutioninputgenerator_rtl import (
        ConvolutionInputGenerator_rtl,
    )
    from finn.custom_op.fpgadataflow.rtl.fmpadding_rtl import FMPadding_rtl
    from finn.custom_op.fpgadataflow.rtl.matrixvectoractivation_rtl import MVAU_rtl
    from finn.custom_op.fpgadataflow.rtl.streamingdatawidthconverter_rtl import (
        StreamingDataWidthConverter_rtl,
    )
    from finn.custom_op.fpgadataflow.rtl.streamingfifo_rtl import StreamingFIFO_rtl
    from finn.custom_op.fpgadataflow.rtl.thresholding_rtl import Thresholding_rtl
    from finn.custom_op.fpgadataflow.rtl.vectorvectoractivation_rtl import VVAU_rtl

    return {
        "padding": FMPadding_rtl,
        "padding_fifo": StreamingFIFO_rtl,
        "in_dwc": StreamingDataWidthConverter_rtl,
        "swg": ConvolutionInputGenerator_rtl,
        "dwc": StreamingDataWidthConverter_rtl,
        "fifo": StreamingFIFO_rtl,
        "mvu": VVAU_rtl if depthwise else MVAU_rtl,
        "thresholding": Thresholding_rtl,
    }[stage]


def _node(cls: type, name: str, attributes: dict[str, Any], constants: np.ndarray | None) -> tuple[Any, Any]:
    """A FINN node of class `cls`, and a model that holds only it; constants are its second input."""
    from onnx import TensorProto, helper
    from qonnx.core.modelwrapper import ModelWrapper

    node = helper.make_node(
        cls.__name__,
        [f"{name}_in"] if constants is None else [f"{name}_in", f"{name}_constants"],
        [f"{name}_out"],
        name=name,
        domain="finn.custom_op.fpgadataflow.rtl",
        backend="fpgadataflow",
        **attributes,
    )
    source, sink = (
        helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
        for tensor in (node.input[0], node.output[0])
    )
    model = ModelWrapper(helper.make_model(helper.make_graph([node], name, [source], [sink])))
    if constants is not None:
        model.set_initializer(node.input[1], constants.astype(np.float32))
    return cls(model.graph.node[0]), model
