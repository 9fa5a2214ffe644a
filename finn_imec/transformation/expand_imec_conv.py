"""The inverse of InferIMECConv.

IMECConv -> [FMPadding +] ConvolutionInputGenerator + MVAU or VVAU [+ Thresholding]
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from onnx import NodeProto, TensorProto, helper
from qonnx.core.datatype import BaseDataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from finn_imec.custom_op import imec_nodes, register
from finn_imec.transformation.pair import OF_GENERATOR, OF_MATRIX_UNIT, PLACE
from finn_imec.util.errors import UnsupportedError
from finn_imec.util.onnx_model import constant

if TYPE_CHECKING:
    from finn_imec.custom_op.imecconv import IMECConv

#: MVAU_rtl has no embedded weights; FINN's default is the memstream.
_MVAU_MEM_MODE = {"internal_embedded": "internal_decoupled"}
#: MVAU has no thresholds in UltraRAM.
_MVAU_THRESHOLDS = {"ultra": "auto"}


class ExpandIMECConv(Transformation):
    """Replace each IMECConv by FINN's pair: abstract nodes, to be specialized as usual.

    A Thresholding that InferIMECConv made part of the node comes back with the node's PE.

    names: of the nodes to expand, default all. Raises UnsupportedError for a node that is depthwise or has a
    gearbox and whose weights another node or an input of the graph streams.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        super().__init__()
        self.names = names

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        for node in imec_nodes(model):
            if self.names is None or node.name in self.names:
                _expand(model, node)
        for step in (GiveUniqueNodeNames(), InferShapes(), InferDataTypes()):
            model = model.transform(step)
        return model, False


def _expand(model: ModelWrapper, node: NodeProto) -> None:
    """Replace one IMECConv by FINN's nodes."""
    inst = getCustomOp(node)
    if inst.get_nodeattr("standalone_thresholds"):
        _split_thresholds(model, inst)
    geometry, fifo_depths = inst.geometry, list(inst.get_nodeattr("inFIFODepths"))
    make = _vvau if geometry.depthwise else _mvau
    index = list(model.graph.node).index(node)
    if geometry.pointwise:
        model.graph.node.remove(node)
        model.graph.node.insert(index, make(model, inst, node.input[0], fifo_depths))
        return
    shape = 1, *geometry.ofm_dim, math.prod(geometry.kernel) * geometry.ifm_channels
    windows = _new_tensor(model, shape, inst.get_input_datatype(0))
    nodes, image = [], node.input[0]
    if any(geometry.padding):
        shape = 1, *geometry.ifm_dim, geometry.ifm_channels
        padded = _new_tensor(model, shape, inst.get_input_datatype(0))
        nodes.append(_fmpadding(inst, image, padded, fifo_depths[:1]))
        image, fifo_depths[:1] = padded, [2]
    nodes.append(_generator(inst, image, windows, fifo_depths[:1]))
    nodes.append(make(model, inst, windows, [2, *fifo_depths[1:]]))
    model.graph.node.remove(node)
    for new in reversed(nodes):
        model.graph.node.insert(index, new)


def _split_thresholds(model: ModelWrapper, inst: IMECConv) -> None:
    """Leave the accumulators to an IMECConv, and its thresholds to a Thresholding behind it."""
    node, accumulator = inst.onnx_node, inst.get_accumulator_datatype()
    shape, name = inst.get_normal_output_shape(), node.input[2]
    thresholds = model.get_initializer(name)
    sums = _new_tensor(model, shape, accumulator)
    thresholding = _node(
        "Thresholding",
        inst,
        [sums, name],
        node.output[0],
        ("PE", "ActVal", "outputDataType", "outFIFODepths", *PLACE),
        NumChannels=shape[-1],
        numSteps=thresholds.shape[1],
        numInputVectors=list(shape[:-1]),
        inputDataType=accumulator.name,
        weightDataType=model.get_tensor_datatype(name).name,
    )
    model.graph.node.insert(list(model.graph.node).index(node) + 1, thresholding)
    node.output[0] = sums
    del node.input[2]
    for attribute, value in (
        *(("noActivation", 1), ("ActVal", 0), ("standalone_thresholds", 0), ("outFIFODepths", [2])),
        ("outputDataType", accumulator.name),
    ):
        inst.set_nodeattr(attribute, value)


def _fmpadding(inst: IMECConv, image: str, padded: str, fifo_depths: list[int]) -> NodeProto:
    geometry = inst.geometry
    return _node(
        "FMPadding",
        inst,
        [image],
        padded,
        PLACE,
        ImgDim=geometry.input_dim,
        Padding=geometry.padding,
        NumChannels=geometry.ifm_channels,
        SIMD=geometry.simd_in,
        inputDataType=inst.get_nodeattr("inputDataType"),
        inFIFODepths=fifo_depths,
    )


def _generator(inst: IMECConv, image: str, windows: str, fifo_depths: list[int]) -> NodeProto:
    geometry = inst.geometry
    simd = geometry.ifm_channels if geometry.parallel_window else geometry.simd_in
    style = geometry.buffer_style
    return _node(
        "ConvolutionInputGenerator",
        inst,
        [image],
        windows,
        (*OF_GENERATOR, "inputDataType", *PLACE),
        # A depthwise window interleaves channels by SIMD; VVAU expects it to be its PE.
        SIMD=geometry.pe if geometry.depthwise else simd,
        parallel_window=int(geometry.parallel_window),
        outputDataType=inst.get_nodeattr("inputDataType"),
        inFIFODepths=fifo_depths,
        **({} if style == "auto" else {"ram_style": style}),
    )


def _mvau(model: ModelWrapper, inst: IMECConv, windows: str, fifo_depths: list[int]) -> NodeProto:
    geometry, thresholds = inst.geometry, inst.get_nodeattr("ram_style_thresholds")
    name = inst.onnx_node.input[1]
    if geometry.geared and constant(model, name) is None:
        raise UnsupportedError(
            f"{inst.onnx_node.name}: input {name} is not a constant, and with SIMD={geometry.simd} MVAU "
            "takes its weights in another order; expand it before its weights get a DMA"
        )
    return _matrix_unit(
        "MVAU",
        inst,
        [windows, *inst.onnx_node.input[1:]],
        fifo_depths,
        MW=geometry.mw,
        MH=geometry.mh,
        numInputVectors=list(inst.get_normal_output_shape()[:-1]),
        ram_style_thresholds=_MVAU_THRESHOLDS.get(thresholds, thresholds),
    )


def _vvau(model: ModelWrapper, inst: IMECConv, windows: str, fifo_depths: list[int]) -> NodeProto:
    """The VVAU, with reshaped weights: FINN's are (C, 1, K_h, K_w)."""
    node, geometry = inst.onnx_node, inst.geometry
    kernels = constant(model, node.input[1])
    if kernels is None:
        raise UnsupportedError(
            f"{node.name}: input {node.input[1]} is not a constant, and VVAU's weights "
            "have another shape; expand it before its weights get a DMA"
        )
    weights = model.make_new_valueinfo_name()
    model.set_initializer(weights, kernels.T.reshape(geometry.mh, 1, *geometry.kernel))
    model.set_tensor_datatype(weights, inst.get_input_datatype(1))
    return _matrix_unit(
        "VVAU",
        inst,
        [windows, weights, *node.input[2:]],
        fifo_depths,
        Channels=geometry.mh,
        Kernel=geometry.kernel,
        Dim=geometry.ofm_dim,
    )


def _matrix_unit(
    op_type: str, inst: IMECConv, inputs: list[str], fifo_depths: list[int], **attributes: Any
) -> NodeProto:
    """The attributes that MVAU and VVAU share."""
    mem_mode = inst.get_nodeattr("mem_mode")
    return _node(
        op_type,
        inst,
        inputs,
        inst.onnx_node.output[0],
        OF_MATRIX_UNIT,
        mem_mode=_MVAU_MEM_MODE.get(mem_mode, mem_mode),
        inFIFODepths=fifo_depths,
        **attributes,
    )


def _node(
    op_type: str, inst: IMECConv, inputs: list[str], output: str, same: Iterable[str], **attributes: Any
) -> NodeProto:
    """One of FINN's nodes. same: attributes copied from the IMECConv."""
    return helper.make_node(
        op_type,
        inputs,
        [output],
        name=f"{op_type}_of_{inst.onnx_node.name}",
        domain="finn.custom_op.fpgadataflow",
        backend="fpgadataflow",
        **{name: inst.get_nodeattr(name) for name in same},
        **attributes,
    )


def _new_tensor(model: ModelWrapper, shape: tuple[int, ...], datatype: BaseDataType) -> str:
    """The name of a new tensor."""
    tensor = helper.make_tensor_value_info(model.make_new_valueinfo_name(), TensorProto.FLOAT, shape)
    model.graph.value_info.append(tensor)
    model.set_tensor_datatype(tensor.name, datatype)
    return tensor.name
