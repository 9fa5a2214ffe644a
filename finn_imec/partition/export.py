"""A built network beside the export that it was built from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.builder.conversion import REPORT, load_conversion
from finn_imec.builder.run import EXPORT
from finn_imec.frontend.convert import BatchOfOne
from finn_imec.partition.exact import execute
from finn_imec.partition.frames import random_frames
from finn_imec.partition.graph import in_hardware, in_python
from finn_imec.partition.load import load_build
from finn_imec.util.errors import ImecError, ModelError, UnsupportedError, one_line, require
from finn_imec.util.onnx_model import free_inputs, load_onnx, naming
from finn_imec.util.output import write_text

#: Largest difference that float arithmetic in another order explains, as a fraction of the largest value.
TOLERANCE = 1e-3
#: Multiplications in a frame up to which a build executes it in Python: about 10^8 take a second.
MOST_MULTIPLICATIONS = 2_000_000_000


class DifferenceError(ImecError):
    """A built network does not compute what its export does."""


def check_build(folder: str | Path, limit: int = MOST_MULTIPLICATIONS) -> str:
    """Execute a built network and its export on a random frame in Python, and compare; a line that says so.

    limit: multiplications in a frame beyond which nothing is executed. A network that QONNX or FINN do not
    execute is not compared, either; the line says why. Line and verdict are also `export_check` and
    `equals_export` of the build's REPORT. Raises DifferenceError naming the output that differs.
    """
    network = load_build(folder)
    equal: bool | None = None
    try:
        if (count := multiplications(network)) > limit:
            raise UnsupportedError(f"{count:,} multiplications in a frame, of which {limit:,} run in Python")
        frames = random_frames(network, 1)
        difference = difference_from_export(folder, frames, python_outputs(network, frames))
        if difference is None:
            raise UnsupportedError(f"there is no {EXPORT} in {folder}")
        equal = True
        tail = f", but for float32 rounding: {difference:.1g} of the largest value" if difference else ""
        line = f"output equals the export's, for a random frame in Python{tail}"
    except DifferenceError as err:
        equal, line = False, str(err)
    except ImecError as err:
        line = f"output not compared with the export's: {err}"
    path = Path(folder) / REPORT
    if path.is_file():
        report = replace(load_conversion(path), equals_export=equal, export_check=line)
        write_text(path, json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n")
    if equal is False:
        raise DifferenceError(line)
    return line


def multiplications(network: Any) -> int:
    """Of the hardware layers for one frame. Raises ModelError naming the node that FINN cannot count."""
    from qonnx.custom_op.registry import getCustomOp

    total = 0
    for node in filter(in_hardware, network.graph.node):
        with naming(node):
            counts = getattr(getCustomOp(node), "get_op_and_param_counts", dict)()
        total += sum(int(n) for name, n in counts.items() if name.startswith("op_mac"))
    return total


def python_outputs(network: Any, frames: np.ndarray) -> list[np.ndarray]:
    """The outputs (N, ...) of a network of load_build for frames (N, ...) of its only input, in Python."""
    given, layers = free_inputs(network), in_python(network)
    if len(given) != 1:
        raise UnsupportedError(f"the model has {len(given)} inputs, {', '.join(given)}: accepted is one")
    contexts = [execute(layers, {given[0]: frame[np.newaxis].astype(np.float32)}) for frame in frames]
    return [np.concatenate([each[out.name] for each in contexts]) for out in network.graph.output]


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
        model = wrapper(load_onnx(path))
        if not all(model.get_tensor_shape(name)[0] for name in free_inputs(model)):  # batches of any size
            model = model.transform(BatchOfOne())
        model = model.transform(infer_shapes())
        run = onnx_exec.execute_onnx
        if any(map(in_hardware, model.graph.node)):  # the build began with layers
            model, run = in_python(model), execute
        expected = [_execute(model, frame, run) for frame in frames]
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


def _execute(model: Any, frame: np.ndarray, run: Any) -> list[np.ndarray]:
    """The outputs of the export for one frame, or for the first of a batch of equal ones."""
    source, *_ = free_inputs(model)
    shape = tuple(model.get_tensor_shape(source))
    rest = shape[1:]
    if frame.size != np.prod(rest):
        raise ModelError(f"input {source} has shape {shape}, a frame of the built network {frame.shape}")
    images = np.broadcast_to(frame.reshape(1, *rest), shape).astype(np.float32)
    results = run(model, {source: images})
    return [results[value.name][0] for value in model.graph.output]
