"""IMECConv -> IMECConv_rtl, for models whose other layers stay abstract."""

from __future__ import annotations

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation


class SpecializeIMECConv(Transformation):
    """Make every abstract IMECConv an IMECConv_rtl, FINN's SpecializeLayers' default."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in model.graph.node:
            if node.op_type == "IMECConv":
                node.op_type = "IMECConv_rtl"
                node.domain = "finn.custom_op.fpgadataflow.rtl"
        return model, False
