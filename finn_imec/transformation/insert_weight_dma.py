"""Weights from memory: FINN's IODMA before IMECConv nodes with mem_mode=external."""

from __future__ import annotations

import math

from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import SortGraph

from finn_imec.custom_op import register
from finn_imec.layer.gearbox import weight_rows
from finn_imec.util.errors import UnsupportedError
from finn_imec.util.onnx_model import constant


class InsertWeightDMA(Transformation):
    """Give each IMECConv with mem_mode=external an IODMA that streams its weights, if it has none.

    FINN's InsertIODMA does this for its own layers, which it knows by name; apply this one first. The weights
    become the DMA's memory image, where FINN's partitioning and drivers look for them. interface_bits:
    largest width of the memory interface, a power of two.

    Raises UnsupportedError naming the node if no interface of whole bytes divides its weights.
    """

    def __init__(self, interface_bits: int = 64) -> None:
        super().__init__()
        self.interface_bits = interface_bits

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        from finn.transformation.fpgadataflow.insert_iodma import InsertIODMA

        register()
        inserted = []
        for node in model.graph.node:
            if node.op_type not in ("IMECConv_rtl", "IMECConv_hls"):
                continue
            inst, name = getCustomOp(node), node.input[1]
            weights = constant(model, name)
            if weights is None or inst.get_nodeattr("mem_mode") != "external":
                continue
            datatype, g = inst.get_input_datatype(1), inst.geometry
            width = math.gcd(weights.size * datatype.bitwidth(), self.interface_bits)
            if width % 8:
                raise UnsupportedError(
                    f"{node.name}: {weights.size} weights of {datatype.bitwidth()} bits are no whole "
                    "number of bytes, which FINN's DMA moves"
                )
            image = InsertIODMA().get_mem_init(weights[weight_rows(g)], g.pe, g.simd)
            stream = model.make_new_valueinfo_name()
            model.graph.value_info.append(
                helper.make_tensor_value_info(stream, TensorProto.FLOAT, image.shape)
            )
            model.set_tensor_datatype(stream, datatype)
            model.set_initializer(stream, weights)  # removed when the graph is partitioned
            model.set_initializer(name, image)
            inserted.append(
                helper.make_node(
                    "IODMA_hls",
                    [name],
                    [stream],
                    domain="finn.custom_op.fpgadataflow.hls",
                    backend="fpgadataflow",
                    numInputVectors=[len(image)],
                    NumChannels=g.pe * g.simd,
                    dataType=datatype.name,
                    intfWidth=width,
                    streamWidth=inst.get_instream_width_padded(1),
                    direction="in",
                    burstMode="wrap",
                    device_id=inst.get_nodeattr("device_id"),
                )
            )
            node.input[1] = stream
            # A FIFO after the DMA, as deep as FINN's.
            inst.set_nodeattr("inFIFODepths", [inst.get_nodeattr("inFIFODepths")[0], 8])
        model.graph.node.extend(inserted)
        return model.transform(SortGraph()) if inserted else model, False
