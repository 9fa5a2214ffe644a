"""A built network beside the export that it was built from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.builder.run import EXPORT
from finn_imec.util.errors import ImecError, ModelError, one_line, require
from finn_imec.util.onnx_model import free_inputs, load_onnx

#: Largest difference, as a fraction of the largest output, that float arithmetic in another order explains.
TOLERANCE = 1e-3


class DifferenceError(ImecError):
    """A built network does not compute what its export does."""


def difference_from_export(folder: str | Path, frames: np.ndarray, outputs: np.ndarray) -> float | None:
    """How far a built network's outputs are from its export's, at most, as a fraction of the largest output.

    folder: of a build. frames, outputs: (N, ...), of the built network, whose shapes may differ from the
    export's by sizes of 1. Only the first output counts. None if the folder has no export: it is of a build
    by an older version. Raises DifferenceError naming the frame beyond TOLERANCE, ModelError naming the file
    if the export cannot be executed.
    """
    path = Path(folder) / EXPORT
    if not path.is_file():
        return None
    wrapper = require("qonnx.core.modelwrapper", "finn").ModelWrapper
    onnx_exec = require("qonnx.core.onnx_exec", "finn")
    infer_shapes = require("qonnx.transformation.infer_shapes", "finn").InferShapes
    try:
        model = wrapper(load_onnx(path)).transform(infer_shapes())
        expected = [_execute(model, frame, onnx_exec.execute_onnx) for frame in frames]
    except ImecError:
        raise
    except Exception as err:  # of any type, by what QONNX does not execute
        raise ModelError(f"{path}: {one_line(err)}") from err
    worst = 0.0
    for number, (mine, theirs) in enumerate(zip(outputs, expected, strict=True), 1):
        if mine.size != theirs.size:
            raise DifferenceError(
                f"the built network's output has shape {mine.shape}, that of {path} {theirs.shape}"
            )
        scale = float(np.abs(theirs).max(initial=0)) or 1.0
        difference = float(np.abs(mine.ravel() - theirs.ravel()).max(initial=0)) / scale
        if not difference <= TOLERANCE:  # also where one is no number
            raise DifferenceError(
                f"frame {number}: the built network differs from {path} by {difference:.2g} of the largest "
                f"output; accepted is {TOLERANCE:g}. A float input exactly on a step of its quantizer may be "
                "rounded either way; other differences are faults of the conversion"
            )
        worst = max(worst, difference)
    return worst


def _execute(model: Any, frame: np.ndarray, execute: Any) -> np.ndarray:
    """The first output of the export for one frame, or for the first of a batch of equal ones."""
    source, *_ = free_inputs(model)
    batch, *rest = model.get_tensor_shape(source)
    shape = (batch or 1, *rest)  # 0: any number
    if frame.size != np.prod(rest):
        raise ModelError(f"input {source} has shape {shape}, a frame of the built network {frame.shape}")
    images = np.broadcast_to(frame.reshape(1, *rest), shape).astype(np.float32)
    result = execute(model, {source: images})[model.graph.output[0].name]
    return result[0]
