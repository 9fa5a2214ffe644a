"""Build steps that take QONNX exports which FINN's own first steps do not take, or leave half converted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.builder.steps import step_name, write_report
from finn_imec.util.json_file import read_json

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: Written by step_prepare_network, relative to the build's output_dir: a list of lines.
NOTES = "report/front_end.json"
#: FINN's first step.
FIRST = "step_qonnx_to_finn"

log = logging.getLogger("build_dataflow.imec")


def step_prepare_network(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Check a QONNX network and convert what FINN's steps do not take: finn_imec.frontend.prepare.

    The first step, before step_qonnx_to_finn. cfg: FINN's DataflowBuildConfig; output_dir and
    max_multithreshold_bit_width are read. Writes NOTES below output_dir, a line for each conversion that
    changes shapes or costs. Raises UnsupportedError naming the node that FINN cannot express.
    """
    from finn_imec.frontend import prepare

    model, notes = prepare(model, cfg.max_multithreshold_bit_width)
    for line in notes:
        log.warning(line)
    write_report(cfg, NOTES, notes)
    return model


def step_streamline(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Streamline a network that may have branches: finn_imec.frontend.streamline.

    In place of FINN's step of this name. cfg: FINN's DataflowBuildConfig, read for FINN's verification.
    """
    from finn.builder.build_dataflow_config import VerificationStepType
    from finn.builder.build_dataflow_steps import verify_step

    from finn_imec.frontend import streamline

    model = streamline(model)
    if VerificationStepType.STREAMLINED_PYTHON in cfg._resolve_verification_steps():
        verify_step(model, cfg, "streamlined_python", need_parent=False)
    return model


def step_convert_to_hw(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """FINN's step of this name, also for global pooling; scales of the outputs stay for the host.

    cfg: FINN's DataflowBuildConfig; output_dir is read. Adds a line to NOTES for each layer that combines
    branches in float32. Raises UnsupportedError naming each node between hardware layers for which FINN has
    none.
    """
    from finn.builder import build_dataflow_steps
    from qonnx.transformation.infer_shapes import InferShapes

    from finn_imec.frontend.hardware import attach_tail, check_hardware, detach_tail, float_layers
    from finn_imec.frontend.streamline import convert_pooling

    model = convert_pooling(model)
    tail = detach_tail(model)
    model = build_dataflow_steps.step_convert_to_hw(model, cfg)
    attach_tail(model, tail)
    model = model.transform(InferShapes())
    check_hardware(model)
    _add_notes(cfg, float_layers(model))
    return model


def _add_notes(cfg: Any, lines: list[str]) -> None:
    """More lines for NOTES, which step_prepare_network began, if it ran."""
    path = Path(cfg.output_dir) / NOTES
    before = read_json(path, list) if path.is_file() else []
    for line in lines:
        log.warning(line)
    write_report(cfg, NOTES, [*before, *(line for line in lines if line not in before)])


def front_end_steps(steps: Iterable[str | Callable]) -> list[str | Callable]:
    """FINN's list of build steps with this package's front end: one step before, and two in place of FINN's.

    steps: names or functions, such as finn-plus' default_build_dataflow_steps; steps that are not FINN's own
    stay, whatever their names.
    """
    own = {step.__name__: step for step in (step_streamline, step_convert_to_hw)}
    result: list[str | Callable] = []
    for step in steps:
        finns = "." not in step if isinstance(step, str) else step.__module__.startswith("finn.")
        if finns and step_name(step) == FIRST:
            result.append(step_prepare_network)
        result.append(own.get(step_name(step), step) if finns else step)
    return result
