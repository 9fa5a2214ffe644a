"""IMECConv -> [FMPadding +] ConvolutionInputGenerator + MVAU or VVAU, the inverse of InferIMECConv."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from finn_imec.custom_op import register
from finn_imec.transformation.constants import constant
from finn_imec.util.errors import UnsupportedError

_PLACE = ("slr", "partition_id", "device_id")
_TO_SWG = (
    *("ConvKernelDim", "IFMChannels", "IFMDim", "OFMDim", "Stride", "Dilation", "depthwise"),
    *("inputDataType", *_PLACE),
)
_TO_MVAU = (
    *("SIMD", "PE", "inputDataType", "weightDataType", "outputDataType", "accDataType"),
    *("noActivation", "ActVal", "binaryXnorMode", "ram_style", "resType", "outFIFODepths"),
    *("runtime_writeable_weights", "mem_port", "output_hook", *_PLACE),
)
#: MVAU_rtl has no embedded weights; FINN's default is its memstream.
_MVAU_MEM_MODE = {"internal_embedded": "internal_decoupled"}
#: MVAU has none in UltraRAM.
_MVAU_THRESHOLDS = {"ultra": "auto"}


class ExpandIMECConv(Transformation):
    """Give FINN's pair back for each IMECConv: abstract nodes, to be specialised as usual.

    names: of the nodes, if only some. Raises UnsupportedError for a depthwise node whose weights
    another node feeds.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        super().__init__()
        self.names = names

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        for node in [n for n in model.graph.node if n.op_type.startswith("IMECConv")]:
            if self.names is not None and node.name not in self.names:
                continue
            inst = getCustomOp(node)
            geometry, mem_mode = inst.geometry, inst.get_nodeattr("mem_mode")
            swg_simd = geometry.ifm_channels if geometry.parallel_window else geometry.simd_in
            window_size = math.prod(geometry.kernel) * geometry.ifm_channels
            windows = _new_tensor(model, inst, (1, *geometry.ofm_dim, window_size))
            common = {"domain": "finn.custom_op.fpgadataflow", "backend": "fpgadataflow"}
            nodes, image = [], node.input[0]
            fifo_depths = inst.get_nodeattr("inFIFODepths")
            if any(geometry.padding):
                padded = _new_tensor(model, inst, (1, *geometry.ifm_dim, geometry.ifm_channels))
                fmpadding = helper.make_node(
                    "FMPadding",
                    [image],
                    [padded],
                    name=f"FMPadding_of_{node.name}",
                    ImgDim=geometry.input_dim,
                    Padding=geometry.padding,
                    NumChannels=geometry.ifm_channels,
                    SIMD=geometry.simd_in,
                    inputDataType=inst.get_nodeattr("inputDataType"),
                    inFIFODepths=fifo_depths[:1],
                    **{name: inst.get_nodeattr(name) for name in _PLACE},
                    **common,
                )
                nodes, image, fifo_depths = [fmpadding], padded, [2, *fifo_depths[1:]]
            swg = helper.make_node(
                "ConvolutionInputGenerator",
                [image],
                [windows],
                name=f"ConvolutionInputGenerator_of_{node.name}",
                # A depthwise window interleaves channels by SIMD, and VVAU expects its PE there.
                SIMD=geometry.pe if geometry.depthwise else swg_simd,
                parallel_window=int(geometry.parallel_window),
                outputDataType=inst.get_nodeattr("inputDataType"),
                inFIFODepths=fifo_depths[:1],
                **({} if geometry.buffer_style == "auto" else {"ram_style": geometry.buffer_style}),
                **{name: inst.get_nodeattr(name) for name in _TO_SWG},
                **common,
            )
            unit, weights, own = "MVAU", node.input[1], {"MW": geometry.mw, "MH": geometry.mh}
            own["numInputVectors"] = [1, *geometry.ofm_dim]
            thresholds = inst.get_nodeattr("ram_style_thresholds")
            own["ram_style_thresholds"] = _MVAU_THRESHOLDS.get(thresholds, thresholds)
            if geometry.depthwise:
                unit, weights = "VVAU", model.make_new_valueinfo_name()
                own = {"Channels": geometry.mh, "Kernel": geometry.kernel, "Dim": geometry.ofm_dim}
                kernels = constant(model, node.input[1])
                if kernels is None:
                    raise UnsupportedError(
                        f"{node.name}: input {node.input[1]} is not a constant, and VVAU's weights "
                        "have another shape; expand it before its weights get a DMA"
                    )
                model.set_initializer(weights, kernels.T.reshape(geometry.mh, 1, *geometry.kernel))
                model.set_tensor_datatype(weights, inst.get_input_datatype(1))
            mvau = helper.make_node(
                unit,
                [windows, weights, *node.input[2:]],
                [node.output[0]],
                name=f"{unit}_of_{node.name}",
                **own,
                mem_mode=_MVAU_MEM_MODE.get(mem_mode, mem_mode),
                inFIFODepths=[2, *fifo_depths[1:]],
                **{name: inst.get_nodeattr(name) for name in _TO_MVAU},
                **common,
            )
            index = list(model.graph.node).index(node)
            for new in (mvau, swg, *nodes):
                model.graph.node.insert(index, new)
            model.graph.node.remove(node)
        for step in (GiveUniqueNodeNames(), InferShapes(), InferDataTypes()):
            model = model.transform(step)
        return model, False


def _new_tensor(model: ModelWrapper, inst: Any, shape: tuple[int, ...]) -> str:
    """The name of a new tensor of the node's input datatype."""
    tensor = helper.make_tensor_value_info(model.make_new_valueinfo_name(), TensorProto.FLOAT, shape)
    model.graph.value_info.append(tensor)
    model.set_tensor_datatype(tensor.name, inst.get_input_datatype(0))
    return tensor.name
