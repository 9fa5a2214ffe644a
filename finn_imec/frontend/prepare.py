"""All checks and conversions of a QONNX network, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finn_imec.frontend import attributes, check, convert

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

_QONNX_DOMAIN = "qonnx.custom_op.general"


def prepare(model: ModelWrapper, most_bits: int = 8) -> tuple[ModelWrapper, list[str]]:
    """A QONNX network as FINN's steps take it, and a line for each conversion that changes shapes or costs.

    most_bits: of activations, as in DataflowBuildConfig.max_multithreshold_bit_width. The result computes the
    same function; nodes keep their names. Raises UnsupportedError that names the node, its attribute and
    value, what is accepted, and what to do.
    """
    from qonnx.transformation.fold_constants import FoldConstants
    from qonnx.transformation.general import (
        GiveUniqueParameterTensors,
        RemoveStaticGraphInputs,
        RemoveUnusedTensors,
    )
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.transformation.quant_constant_folding import FoldTransposeIntoQuantInit

    for node in model.graph.node:  # Brevitas' own domain in older exports
        if node.op_type == "IntQuant":  # QONNX' other name
            node.op_type = "Quant"
        if node.op_type in ("Quant", "Trunc", "BipolarQuant"):
            node.domain = _QONNX_DOMAIN
    notes: list[str] = []
    for step in (
        attributes.CheckAttributes(),
        convert.BatchOfOne(),
        InferShapes(),
        attributes.CheckShapes(),
        FoldConstants(),
        attributes.CheckConstants(),
        convert.OwnParameters(),
        GiveUniqueParameterTensors(),
        FoldTransposeIntoQuantInit(),
        RemoveUnusedTensors(),
        RemoveStaticGraphInputs(),
        check.CheckRanks(),
        check.CheckQuantizers(most_bits),
        convert.OneZeroPoint(),
        convert.FillAttributes(),
        attributes.CheckWindows(),
        convert.SequencesAsImages(),
        convert.PlainConstants(),
        attributes.CheckSums(),
        attributes.CheckTopK(),
        check.CheckLayers(),
        check.CheckOutputs(),
        check.CheckPooling(),
        check.CheckTransposed(),
        convert.PaddingIntoWindows(),
        convert.GlobalPooling(),
        convert.SplitChannels(),
        check.CheckNodes(),
        convert.RepeatedPixels(),
        convert.AveragesAsConvolutions(),
        check.CheckPadding(),
        convert.DenseGroups(),
        convert.BiasesAsConstants(),
        convert.UnsignedAfterRelu(),
        convert.UnitBipolarScale(),
        InferShapes(),
    ):
        model = model.transform(step)
        notes += getattr(step, "notes", [])
    return model, notes
