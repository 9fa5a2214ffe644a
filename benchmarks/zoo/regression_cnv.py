"""BNN-PYNQ's trained CNVs as finn-plus has them before it specializes layers: pixels in, class out.

`finn_imec.networks.cnv` has the layers between; here come FINN's Thresholding that quantizes pixels, and its
LabelSelect behind the ten classes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.general import GiveUniqueNodeNames
from qonnx.util.basic import qonnx_make_model

from finn_imec.networks import cnv

DOMAIN = "finn.custom_op.fpgadataflow"
FILES = {"cnv-w1a1": "cnvW1A1", "cnv-w1a2": "cnvW1A2", "cnv-w2a2": "cnvW2A2"}


def weights(name: str, folder: Path) -> Path | None:
    """The file of a network's trained weights, if there is one."""
    path = folder / f"{FILES.get(name, name)}.npz"
    return path if path.is_file() else None


def export(npz: Path, path: Path) -> None:
    """Write the network of an .npz as hardware layers: (1, 32, 32, 3) UINT8 -> (1, 1), the class."""
    layers = _hardware(npz)
    pixels, label = "pixels", "label"
    source, sink = layers.graph.input[0].name, _accumulators(layers)
    classes = layers.get_tensor_shape(sink)[-1]
    thresholds, shape = _quantizer(), layers.get_tensor_shape(source)
    quantize = helper.make_node(
        "Thresholding", [pixels, "quantizer"], [source], domain=DOMAIN, backend="fpgadataflow",
        NumChannels=shape[-1], PE=1, numSteps=len(thresholds), numInputVectors=shape[:-1],
        inputDataType="UINT8", weightDataType="UINT8", outputDataType="INT8", ActVal=-128,
    )  # fmt: skip
    select = helper.make_node(
        "LabelSelect", [sink], [label], domain=DOMAIN, backend="fpgadataflow", Labels=classes, PE=1, K=1,
        inputDataType=layers.get_tensor_datatype(sink).name, outputDataType="UINT4", numInputVectors=[1],
    )  # fmt: skip
    nodes = [quantize, *(n for n in layers.graph.node if n.domain == DOMAIN), select]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        for name, dims in ((pixels, shape), (label, (1, 1)))
    ]
    given = [layers.graph.input[0], *layers.graph.value_info, layers.graph.output[0]]
    made = {name for node in nodes for name in node.output} - {label}
    inner = [value for value in given if value.name in made]
    model = ModelWrapper(
        qonnx_make_model(helper.make_graph(nodes, "cnv", ends[:1], ends[1:], value_info=inner))
    )
    for node in nodes[1:-1]:
        for name in node.input[1:]:
            model.set_initializer(name, layers.get_initializer(name))
        for name in node.input:
            model.set_tensor_datatype(name, layers.get_tensor_datatype(name))
    model.set_initializer("quantizer", thresholds[np.newaxis])
    for name, datatype in (
        *((pixels, "UINT8"), ("quantizer", "UINT8"), (label, "UINT4")),
        (sink, layers.get_tensor_datatype(sink).name),
    ):
        model.set_tensor_datatype(name, DataType[datatype])
    model.transform(GiveUniqueNodeNames()).save(str(path))


def _hardware(npz: Path) -> ModelWrapper:
    """The layers with as many outputs as there are classes, unfolded in the last: finn-plus folds it."""
    with np.load(npz) as archive:
        arrays = dict(archive)
    arrays["W8"] = arrays["W8"][: cnv.CLASSES]
    arrays["fold8"] = np.array([1, 1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / npz.name
        np.savez(path, **arrays)
        return cnv.build_cnv(path)


def _accumulators(model: ModelWrapper) -> str:
    """The output of the last hardware layer: what comes behind keeps the order of the classes."""
    return [node for node in model.graph.node if node.domain == DOMAIN][-1].output[0]


def _quantizer() -> np.ndarray:
    """Thresholds of `cnv.quantize_images`: the pixel from which on each step is reached."""
    codes = cnv.quantize_images(np.arange(256, dtype=np.uint8)).astype(int)
    return np.array([np.argmax(codes >= step) for step in range(-127, 128)], dtype=np.float32)
