"""The CIFAR-10 networks of BNN-PYNQ (CNV) as FINN hardware layers, from integer weights.

The weights of cnvW1A1, cnvW1A2 and cnvW2A2 (Xilinx/BNN-PYNQ, BSD-3) come as .npz files:

    W0..W8     int8  (M, MW)     rows in (kh, kw, c) order; 0-5 convolutions, 6-8 fully connected
    T0..T7     int32 (M, steps)  activation = number of thresholds t with t < acc
    fold0..8   int   (2,)        [PE, SIMD] of the published accelerator

Layers: conv0 conv1 pool conv2 conv3 pool conv4 conv5 fc6 fc7 fc8; convolutions 3x3, stride 1, no padding,
pooling 2x2, input 32x32. Layer 8 has 64 rows, as published, so that its PE divides them; the first 10 are the
classes (`class_logits`).

Datatypes, as FINN infers them for these networks:

    input               INT8, q = clip(round((x / 255 * 2 - 1) * 128), -128, 127)
    weights             BIPOLAR where all are -1 or 1, else INT2 (W2A2 holds -1, 0, 1)
    1-step activations  BINARY, standing for -1 and 1; after layer 0 the MVAUs run in
                        binaryXnorMode with BINARY weights and count equal bits
    2-step activations  INT2 (ActVal -1: values -1, 0, 1)

FINN's step_minimize_bit_width would widen BIPOLAR weights to INT2; they are kept BIPOLAR here.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finn_imec.networks import lowering
from finn_imec.util.errors import ModelError, require

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

IMAGE = 32  # height and width of the input
IMAGE_CHANNELS = 3
KERNEL = 3
CONVS = 6
LAYERS = 9
POOL_BEHIND = (1, 3)
POOL = 2
CLASSES = 10
NETWORKS = ("cnvW1A1", "cnvW1A2", "cnvW2A2")

# What np.load raises for a missing, truncated or damaged archive, a pickle, and a plain .npy.
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Images:
    """Photographs with the expected logits of each network.

    images: uint8 (N, 32, 32, 3) RGB. names: the true class name of each. classes: the 10 class names in logit
    order. logits: {network name: int32 (N, 10)}.
    """

    images: np.ndarray
    names: tuple[str, ...]
    classes: tuple[str, ...]
    logits: dict[str, np.ndarray]


@dataclass(frozen=True)
class Layer:
    """One layer of the .npz: weights (M, MW), thresholds (M, steps) or None, folding."""

    weights: np.ndarray
    thresholds: np.ndarray | None
    pe: int
    simd: int


def _read(path: str | Path, names: list[str]) -> dict[str, np.ndarray]:
    """The arrays of an .npz, which must hold `names`."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {name: archive[name] for name in archive.files}
    except UNREADABLE as err:
        raise ModelError(f"{path}: not a readable .npz file ({err})") from err
    missing = [name for name in names if name not in data]
    if missing:
        raise ModelError(f"{path}: array {', '.join(missing)} is missing")
    return data


def load_images(path: str | Path) -> Images:
    """Read images.npz: images, names, classes and logits_<network>.

    Raises ModelError if the file cannot be read, or naming the array that is missing or misshapen.
    """
    data = _read(path, ["images", "names", "classes", *(f"logits_{name}" for name in NETWORKS)])
    images = data["images"]
    if images.dtype != np.uint8 or images.shape[1:] != (IMAGE, IMAGE, IMAGE_CHANNELS):
        raise ModelError(
            f"{path}: images is {images.dtype} {images.shape}; "
            f"expected uint8 (N, {IMAGE}, {IMAGE}, {IMAGE_CHANNELS})"
        )
    logits = {name: data[f"logits_{name}"] for name in NETWORKS}
    for name, values in logits.items():
        if values.shape != (len(images), CLASSES):
            raise ModelError(
                f"{path}: logits_{name} has shape {values.shape}; expected {(len(images), CLASSES)}"
            )
    return Images(
        images=images,
        names=tuple(data["names"].tolist()),
        classes=tuple(data["classes"].tolist()),
        logits=logits,
    )


def load_layers(path: str | Path) -> list[Layer]:
    """Read and check the nine layers of a network's .npz.

    Channel counts are taken from the file; the topology is CNV's. Raises ModelError naming the array that is
    missing, misshapen or out of range.
    """
    names = [f"W{i}" for i in range(LAYERS)]
    names += [f"T{i}" for i in range(LAYERS - 1)]
    names += [f"fold{i}" for i in range(LAYERS)]
    data = _read(path, names)

    def check(name: str, ok: bool, expected: str) -> None:
        if not ok:
            array = data[name]
            raise ModelError(f"{path}: {name} is {array.dtype} {array.shape}; expected {expected}")

    layers = []
    channels = IMAGE_CHANNELS
    steps = data["T0"].shape[-1] if data["T0"].ndim else 0
    # 1-bit activations use XNOR and popcount, which have no zero weight.
    values = (-1, 1) if steps == 1 else (-1, 0, 1)
    for i in range(LAYERS):
        weights, folding = data[f"W{i}"], data[f"fold{i}"]
        width = channels * KERNEL**2 if i < CONVS else channels
        check(
            f"W{i}",
            weights.ndim == 2 and weights.shape[1] == width and np.isin(weights, values).all(),
            f"(M, {width}) with values {values}",
        )
        channels = len(weights)
        check(
            f"fold{i}",
            folding.shape == (2,) and np.issubdtype(folding.dtype, np.integer) and (folding > 0).all(),
            "[PE, SIMD], positive integers",
        )
        pe, simd = folding.tolist()
        check(
            f"fold{i}",
            channels % pe == 0 and width % simd == 0,
            f"[PE, SIMD] with PE a divisor of {channels} and SIMD a divisor of {width}",
        )
        thresholds = data[f"T{i}"] if i < LAYERS - 1 else None
        if thresholds is not None:
            check(
                f"T{i}",
                thresholds.shape == (channels, steps)
                and steps in (1, 2)
                and np.issubdtype(thresholds.dtype, np.integer),
                f"integers ({channels}, {steps if steps in (1, 2) else '1 or 2'})",
            )
        layers.append(Layer(weights, thresholds, pe, simd))
    check(f"W{LAYERS - 1}", channels >= CLASSES, f"at least {CLASSES} rows")
    return layers


def quantize_images(images: np.ndarray) -> np.ndarray:
    """uint8 RGB (..., 3) -> int8 of the same shape: clip(round((x / 255 * 2 - 1) * 128)).

    Raises ModelError for another dtype.
    """
    if images.dtype != np.uint8:
        raise ModelError(f"images are {images.dtype}; uint8 is needed")
    scaled = np.round((images / 255 * 2 - 1) * 128)
    return np.clip(scaled, -128, 127).astype(np.int8)


def class_logits(output: np.ndarray) -> np.ndarray:
    """The 10 class logits, int32 (N, 10), of the network's output (N, M8)."""
    return np.round(output[:, :CLASSES]).astype(np.int32)


def finn_thresholds(thresholds: np.ndarray, first_layer: bool) -> np.ndarray:
    """Turn "t < acc" into FINN's "acc >= T", exactly, for integer accumulators.

    In the first layer the published accumulator is 2 * (W.q), and FINN's MVAU computes W.q:
    t < 2a is a >= floor(t / 2) + 1.
    """
    return (thresholds // 2 if first_layer else thresholds) + 1


def build_cnv(path: str | Path) -> ModelWrapper:
    """Build a CNV network of FINN's hardware layers from its .npz, folded as published.

    Convolutions are ConvolutionInputGenerator -> MVAU, max pooling is FINN's depthwise
    ConvolutionInputGenerator -> Pool, fully connected layers are MVAUs; thresholds are fused,
    accumulators minimal. Input: NHWC INT8 (1, 32, 32, 3), see `quantize_images`. Output (1, M8):
    the logits W8.x of all rows of layer 8, see `class_logits`. With 1-bit activations the last MVAU counts
    equal bits, followed by a Mul and an Add for the host (logit = 2 * count - MW), as in FINN's own lowering
    of such networks.

    Raises ModelError for a bad file, MissingToolError without finn-plus.
    """
    layers = load_layers(path)
    require("qonnx", "finn")
    model = lowering.convert_to_hw(_streamlined(layers))
    model = lowering.fold(model, {i: (layer.simd, layer.pe) for i, layer in enumerate(layers)})
    return lowering.minimize_bit_widths(model, weights=False)


def _streamlined(layers: list[Layer]) -> ModelWrapper:
    """The network as FINN's streamlining leaves it: integer Im2Col, MatMul, MultiThreshold, ..."""
    from onnx import TensorProto, helper
    from qonnx.core import data_layout
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.general import GiveUniqueNodeNames
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.util.basic import qonnx_make_model

    binary = layers[0].thresholds.shape[1] == 1
    bipolar = not any((layer.weights == 0).any() for layer in layers)

    general = "qonnx.custom_op.general"
    nodes, tensors, constants, types = [], [], {}, {}

    def add(
        op_type: str,
        source: str,
        name: str,
        shape: Sequence[int],
        constant: np.ndarray | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node that reads `source` (and a constant) and writes `name`; return `name`."""
        inputs = [source]
        if constant is not None:
            inputs.append(f"{name}_param")
            constants[inputs[1]] = np.asarray(constant, dtype=np.float32)
        nodes.append(helper.make_node(op_type, inputs, [name], domain=domain, **attributes))
        tensors.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    x, shape = "global_in", (1, IMAGE, IMAGE, IMAGE_CHANNELS)
    source = helper.make_tensor_value_info(x, TensorProto.FLOAT, shape)
    for i, layer in enumerate(layers):
        rows, width = layer.weights.shape
        if i < CONVS:
            _, size, _, channels = shape
            shape = (1, size - KERNEL + 1, size - KERNEL + 1)
            x = add(
                "Im2Col",
                x,
                f"im2col{i}",
                (*shape, width),
                domain=general,
                kernel_size=[KERNEL, KERNEL],
                stride=[1, 1],
                input_shape=f"(1,{size},{size},{channels})",
            )
        elif i == CONVS:
            shape = (1,)
            x = add("Flatten", x, "flatten", (*shape, width), axis=1)
        else:
            shape = (1,)
        shape = (*shape, rows)

        matrix = layer.weights.T
        if binary and i > 0:
            x = add("XnorPopcountMatMul", x, f"acc{i}", shape, (matrix + 1) // 2, general)
            types[f"acc{i}_param"] = "BINARY"
        else:
            x = add("MatMul", x, f"acc{i}", shape, matrix)
            types[f"acc{i}_param"] = "BIPOLAR" if bipolar else "INT2"

        if layer.thresholds is not None:
            x = add(
                "MultiThreshold",
                x,
                f"act{i}",
                shape,
                finn_thresholds(layer.thresholds, first_layer=i == 0),
                general,
                out_dtype="BINARY" if binary else "INT2",
                out_bias=0.0 if binary else -1.0,
                data_layout="NHWC" if i < CONVS else "NC",
            )
            types[f"act{i}_param"] = "INT32"
        if i in POOL_BEHIND:
            shape = (1, shape[1] // POOL, shape[2] // POOL, rows)
            x = add(
                "MaxPoolNHWC",
                x,
                f"pool{i}",
                shape,
                domain=general,
                kernel_shape=[POOL, POOL],
                strides=[POOL, POOL],
                pads=[0, 0, 0, 0],
            )
    if binary:
        x = add("Mul", x, "doubled", shape, 2)
        x = add("Add", x, "logits", shape, -width)

    graph = helper.make_graph(nodes, "cnv", [source], [tensors.pop()], value_info=tensors)
    model = ModelWrapper(qonnx_make_model(graph, producer_name="finn-imec"))
    for name, values in constants.items():
        model.set_initializer(name, values)
    model.set_tensor_datatype("global_in", DataType["INT8"])
    model.set_tensor_layout("global_in", data_layout.NHWC)
    for name, datatype in types.items():
        model.set_tensor_datatype(name, DataType[datatype])
    model.rename_tensor(x, "global_out")
    return model.transform(GiveUniqueNodeNames()).transform(InferDataTypes())
