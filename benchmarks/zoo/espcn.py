"""ESPCN, a super-resolution network, as qonnx ships it: trained on BSD300, 4 bits, twice the size.

Efficient Sub-Pixel Convolution Network (Shi et al., CVPR 2016), quantized by Colbert et al. with
Brevitas: a padded 5x5 convolution of 8 bits, two padded 3x3 of 4 bits, one of 8 bits, and
DepthToSpace. It convolves an image of any size.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finn_imec.util.errors import ModelError, require

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

UPSCALING = 2
CHANNELS = 3
LEVELS = 255  # of a pixel, which the network knows as 0..1
#: (SIMD, PE) of the four convolutions: 50 to 72 cycles a pixel.
FOLDING = {0: (3, 32), 1: (32, 16), 2: (32, 8), 3: (16, 4)}
_FILE = Path("data", "onnx", "bsd300x3-espcn", "subpixel", "quant_model.onnx")


def load(height: int = 128, width: int = 128) -> ModelWrapper:
    """The network for images of this size: UINT8 (1, 3, height, width) to (1, 3, 2*height, 2*width).

    It computes what the file computes. The division of pixels by LEVELS is in the graph; and the
    output's quantizer, which acts on each value alone, stands before DepthToSpace, so that FINN's
    last MVAU takes it as thresholds. The output is 0..1 in steps of 1 / LEVELS, see `to_pixels`.

    Raises ModelError if qonnx brings no such file, MissingToolError without qonnx.
    """
    qonnx = require("qonnx", "finn")
    from onnx import helper
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.util.cleanup import cleanup_model

    path = Path(qonnx.__file__).parent / _FILE
    if not path.is_file():
        raise ModelError(f"{path}: not in this version of qonnx; 1.0 has it")
    model = cleanup_model(ModelWrapper(str(path)))
    graph = model.graph
    source, result = graph.input[0].name, graph.output[0].name

    to_space, relu, quantizer = list(graph.node)[-3:]
    relu.input[0] = to_space.input[0]
    quantizer.output[0] = to_space.input[0] = "pixels"
    to_space.output[0] = result
    graph.node.remove(to_space)
    graph.node.append(to_space)

    model.find_consumer(source).input[0] = "scaled"
    graph.node.insert(0, helper.make_node("Mul", [source, "unit"], ["scaled"]))
    model.set_initializer("unit", np.array(1 / LEVELS, dtype=np.float32))

    del graph.value_info[:]
    model.set_tensor_shape(source, (1, CHANNELS, height, width))
    model.set_tensor_shape(result, (1, CHANNELS, UPSCALING * height, UPSCALING * width))
    model.set_tensor_datatype(source, DataType["UINT8"])
    return model.transform(InferShapes())


def exact(model: ModelWrapper, image: np.ndarray) -> np.ndarray:
    """What `load`'s network makes of a uint8 image (height, width, 3): float64 (3, 2*H, 2*W).

    In double precision: qonnx computes in float32, whose rounding turns a few values of an image by
    a step where a sum lies next to the middle between two.
    """
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun
    from qonnx.custom_op.general.quant import quant

    class Quant(OpRun):
        op_domain = "qonnx.custom_op.general"

        def _run(self, x, scale, zero_point, bits, narrow, rounding_mode, signed):
            return (quant(x, scale, zero_point, bits, signed, narrow, rounding_mode),)

    proto = copy.deepcopy(model.model)
    # onnx's reference takes an older BatchNormalization for one in training.
    proto.opset_import[0].version = 15
    proto.opset_import.append(helper.make_opsetid(Quant.op_domain, 1))
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float64), tensor.name))
    feed = {model.graph.input[0].name: image.transpose(2, 0, 1)[np.newaxis].astype(np.float64)}
    (output,) = ReferenceEvaluator(proto, new_ops=[Quant]).run(None, feed)
    return output[0]


def photo(height: int = 128, width: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A part of scikit-learn's photo of a flower, uint8 RGB: at half its size, and as it is.

    Returns (height, width, 3), reduced bicubically, and (2*height, 2*width, 3).
    Raises ModelError if the photo is smaller, MissingToolError without scikit-learn or Pillow.
    """
    datasets = require("sklearn.datasets", "train")
    whole = datasets.load_sample_image("flower.jpg")
    size = UPSCALING * height, UPSCALING * width
    top, left = ((have - want) // 2 for have, want in zip(whole.shape, size, strict=False))
    if top < 0 or left < 0:
        raise ModelError(f"photo of {size[0]} x {size[1]}: at most {whole.shape[:2]} are there")
    original = whole[top : top + size[0], left : left + size[1]]
    return resized(original, height, width), original


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A uint8 RGB image at another size, bicubic. Raises MissingToolError without Pillow."""
    pillow = require("PIL.Image", "train")
    size = (width, height)
    return np.asarray(pillow.fromarray(image).resize(size, pillow.Resampling.BICUBIC))


def to_pixels(output: np.ndarray) -> np.ndarray:
    """An output of the network (3, H, W), 0..1, as uint8 RGB (H, W, 3)."""
    return np.rint(output * LEVELS).astype(np.uint8).transpose(1, 2, 0)


def psnr(image: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images in dB; infinite if they are equal."""
    error = np.mean((image.astype(float) - original) ** 2)
    return float(10 * np.log10(LEVELS**2 / error)) if error else float("inf")
