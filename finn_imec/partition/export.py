"""A built network beside the export that it was built from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.builder.run import EXPORT
from finn_imec.util.errors import ImecError, ModelError, one_line, require
from finn_imec.util.onnx_model import free_inputs, load_onnx

#: Largest difference that float arithmetic in another order explains, as a fraction of the largest value.
TOLERANCE = 1e-3


class DifferenceError(ImecError):
    """A built network does not compute what its export does."""


def difference_from_export(
    folder: str | Path, frames: np.ndarray, outputs: Sequence[np.ndarray]
) -> float | None:
    """How far a built network's outputs are from its export's, at most, as a fraction of the largest value.

    folder: of a build. frames, and each of outputs: (N, ...), of the built network, whose shapes may differ
    from the export's by sizes of 1. outputs: all of them, in the export's order. None if the folder has no
    export: it is of a build by an older version. Raises DifferenceError naming frame and output beyond
    TOLERANCE, ModelError naming the file if the export cannot be executed.
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
    names = [value.name for value in model.graph.output]
    if len(outputs) != len(names):
        raise DifferenceError(f"the built network has {len(outputs)} outputs, {path} {len(names)}")
    return max(
        _difference(mine[frame], theirs, f"frame {frame + 1}, output {name}", path)
        for frame, values in enumerate(expected)
        for name, mine, theirs in zip(names, outputs, values, strict=True)
    )


def _difference(mine: np.ndarray, theirs: np.ndarray, where: str, path: Path) -> float:
    """Of one output of a frame, as a fraction of its largest value."""
    if mine.size != theirs.size:
        raise DifferenceError(
            f"{where}: that of the built network has shape {mine.shape}, that of {path} {theirs.shape}"
        )
    scale = float(np.abs(theirs).max(initial=0)) or 1.0
    difference = float(np.abs(mine.ravel() - theirs.ravel()).max(initial=0)) / scale
    if not difference <= TOLERANCE:  # also where one is no number
        raise DifferenceError(
            f"{where}: the built network differs from {path} by {difference:.2g} of the largest value; "
            f"accepted is {TOLERANCE:g}. A float input exactly on a step of its quantizer may be rounded "
            "either way; other differences are faults of the conversion"
        )
    return difference


def _execute(model: Any, frame: np.ndarray, execute: Any) -> list[np.ndarray]:
    """The outputs of the export for one frame, or for the first of a batch of equal ones."""
    source, *_ = free_inputs(model)
    batch, *rest = model.get_tensor_shape(source)
    shape = (batch or 1, *rest)  # 0: any number
    if frame.size != np.prod(rest):
        raise ModelError(f"input {source} has shape {shape}, a frame of the built network {frame.shape}")
    images = np.broadcast_to(frame.reshape(1, *rest), shape).astype(np.float32)
    results = execute(model, {source: images})
    return [results[value.name][0] for value in model.graph.output]
