"""The build step for FINN's DataflowBuildConfig, finn-plus' and upstream's."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.errors import ModelError

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: The step behind which accumulator types, thresholds and folding are final.
FUSE_AFTER = "step_minimize_bit_width"

#: Written by step_convert_to_imec, relative to the build's output_dir.
REPORT = "report/imec_conversion.json"

# A child of the logger that FINN's builder sends to build_dataflow.log.
log = logging.getLogger("build_dataflow.imec")


def step_convert_to_imec(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Swap each ConvolutionInputGenerator + MVAU pair for one IMECConv.

    cfg: FINN's DataflowBuildConfig; only output_dir is read. Writes REPORT below it, one object
    per ConvolutionInputGenerator with the fields of PairReport: `imecconv` names the new node, or
    `reason` says why the pair stays. A model without a convertible pair passes unchanged, with a
    warning.
    """
    from finn_imec.transformation import InferIMECConv

    infer = InferIMECConv()
    model = model.transform(infer)
    for pair in infer.report:
        log.info(str(pair))
    if not any(pair.swapped for pair in infer.report):
        log.warning("no ConvolutionInputGenerator + MVAU pair became an IMECConv")

    path = Path(cfg.output_dir) / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps([vars(pair) for pair in infer.report], indent=2) + "\n")
    os.replace(scratch, path)
    return model


def step_name(step: str | Callable) -> str:
    """The name FINN calls a step by: of a function, a plain name or a dotted one."""
    return step.rpartition(".")[2] if isinstance(step, str) else step.__name__


def imec_build_steps(default_steps: Iterable[str | Callable]) -> list[str | Callable]:
    """A list of build steps with step_convert_to_imec right after step_minimize_bit_width.

    default_steps: functions, names, or dotted names, as in DataflowBuildConfig.steps; a list that
    holds step_convert_to_imec already is returned as it is. Raises ModelError if
    step_minimize_bit_width is missing or there twice.
    """
    steps = list(default_steps)
    names = [step_name(step) for step in steps]
    if step_convert_to_imec.__name__ in names:
        return steps
    if names.count(FUSE_AFTER) != 1:
        raise ModelError(
            f"step_convert_to_imec belongs right after {FUSE_AFTER}, which the build steps hold "
            f"{names.count(FUSE_AFTER)} times, not once: {', '.join(names) or 'no steps'}"
        )
    at = names.index(FUSE_AFTER) + 1
    return [*steps[:at], step_convert_to_imec, *steps[at:]]
