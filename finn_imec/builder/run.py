"""Run finn-plus' builder from Python, on a machine without Vivado.

finn-plus' own command does not start without Vivado, although most of its steps do not need it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import importlib.util
import json
import logging
import os
import shutil
import sys
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.builder import node_config
from finn_imec.builder.conversion import REPORT, Conversion, load_conversion
from finn_imec.builder.front_end import NOTES, front_end_steps
from finn_imec.builder.steps import (
    FOLDING_REPORT,
    FUSE_AFTER,
    exact_popcounts,
    imec_build_steps,
    step_convert_to_imec,
    step_fold_imec,
    step_name,
)
from finn_imec.compat.finn import FPGA_PART, finn_build_dir
from finn_imec.util import interrupts
from finn_imec.util.errors import (
    ImecError,
    MissingToolError,
    ModelError,
    UnsupportedError,
    one_line,
    require,
)
from finn_imec.util.json_file import read_json
from finn_imec.util.onnx_model import load_onnx
from finn_imec.util.output import make_scratch, relocate, replace_files

if TYPE_CHECKING:
    from finn_imec.transformation.fold_imec_conv import FoldingReport
    from finn_imec.transformation.infer_imec_conv import PairReport

#: progress(number, steps, name): called when a step starts, number 1..steps.
Progress = Callable[[int, int, str], None]

LOG = "build_dataflow.log"
FAILED_LOG = "build_failed.log"
GENERATED = "generated"  # FINN_BUILD_DIR of the build: RTL, HLS code, memory images
MODEL = "model.onnx"
PARENT = "intermediate_models/dataflow_parent.onnx"
EXPORT = "export.onnx"  # what was built, in one file, with what ADDING puts before and behind it
#: How the names of FINN's steps begin that add a first or a last node to a network, such as a TopK.
ADDING = ("add_preproc", "add_postproc")

#: Of an earlier build, where this one has none: `compare` and `report` write the files.
_OF_A_BUILD = (Path(PARENT).parts[0], "comparison.json", "report.html")

#: Fields of DataflowBuildConfig that differ from finn-plus' defaults, which need Vivado.
DEFAULTS = {
    "generate_outputs": ["estimate_reports"],
    "auto_fifo_strategy": "force_minimal_fifos",
}
_INPUT_FILES = (
    *("folding_config_file", "specialize_layers_config_file", "fifo_config_file"),
    *("layouts_config_file", "vitis_floorplan_file"),
)
#: Output -> the step that makes it.
OUTPUT_STEPS = {
    "estimate_reports": "step_generate_estimate_reports",
    "stitched_ip": "step_create_stitched_ip",
    "rtlsim_performance": "step_measure_rtlsim_performance",
    "out_of_context_synth": "step_out_of_context_synthesis",
    "bitfile": "step_synthesize_bitfile",
    "pynq_driver": "step_make_driver",
    "cpp_driver": "step_make_driver",
    "deployment_package": "step_deployment_package",
}
#: The only ones that need no Vivado, or what only Vivado makes.
_WITHOUT_VIVADO = ("estimate_reports",)
#: Field -> the steps that read it; for files of node attributes see node_config.
_READ_IN = {
    "target_fps": ("step_target_fps_parallelization", "step_fold_imec"),
    "fifo_config_file": ("step_set_fifo_depths", "step_generate_hardware", "step_insert_fifos"),
    "layouts_config_file": ("step_passes_frontend",),
    "vitis_floorplan_file": ("step_prepare_synthesis",),
}


#: Sizing of FIFOs by simulation, in a part of the package behind this one, and the steps that need it.
_SIZE_FIFOS, _INSERT_FIFOS = (f"finn_imec.fifos.step_{name}_fifos" for name in ("size", "insert"))
_FIFO_STEPS = ("step_set_fifo_depths", "step_generate_hardware", "step_insert_fifos")


class BuildError(ImecError, RuntimeError):
    """A build step failed; names the step, its error and the log."""


@dataclass(frozen=True)
class BuildSettings:
    """What a build is for. target_cycles: per frame, from target_fps and the clock.

    folding: the folding configuration's file. defaults: fields of the configuration that it leaves to their
    defaults, of these. str() is two lines for a console.
    """

    part: str
    board: str | None
    clock_ns: float
    target_fps: int | None
    target_cycles: int | None
    folding: str | None
    defaults: tuple[str, ...]

    def __str__(self) -> str:
        def note(*fields: str) -> str:
            if not set(fields) <= set(self.defaults):
                return ""
            return f" (default; set {' or '.join(fields)})"

        board = f" of {self.board}" if self.board else ""
        lines = [
            f"part {self.part}{board}{note('board', 'fpga_part')}, "
            f"clock {self.clock_ns:g} ns{note('synth_clk_period_ns')}"
        ]
        if self.target_fps is not None:
            lines.append(f"target {self.target_fps:,} frames/s, {self.target_cycles:,} cycles per frame")
        if self.folding is not None:
            lines.append(f"folding as in {self.folding}")
        if len(lines) == 1:
            lines.append(
                "folding as in the model, SIMD=PE=1 if FINN's steps convert it: set target_fps or "
                "folding_config_file for a faster one"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class BuildResult:
    """The contents of a build's output folder.

    model: the graph after the last step. parent: FINN's graph around the hardware layers; its
    StreamingDataflowPartition refers to the layers at partitioning, before the swap. None if the build did
    not partition. conversion: what the conversion step swapped, and what that saves; pairs: one PairReport
    per ConvolutionInputGenerator. None and empty without that step.
    foldings: one FoldingReport per IMECConv, empty without step_fold_imec or target_fps. notes: a line
    for each conversion of step_prepare_network that changes shapes or costs. reports: the JSON files of
    report/ by name without suffix, e.g. estimate_layer_cycles. generated: folder with one folder of generated
    code per layer. log: FINN's log. seconds: wall time of each step by name, in step order. settings: what
    the build was for. export: a copy of the model that was built, in one file.
    """

    output_dir: Path
    model: Path
    parent: Path | None
    conversion: Conversion | None
    pairs: tuple[PairReport, ...]
    foldings: tuple[FoldingReport, ...]
    notes: tuple[str, ...]
    reports: dict[str, Path]
    generated: Path
    log: Path
    seconds: dict[str, float]
    settings: BuildSettings
    export: Path

    @property
    def slower_than_target(self) -> dict[str, int]:
        """Cycles a frame of the layers that take more than target_fps allows, by FINN's estimates."""
        target, path = self.settings.target_cycles, self.reports.get("estimate_layer_cycles")
        if target is None or path is None:
            return {}
        return {name: cycles for name, cycles in read_json(path, dict).items() if cycles > target}


def build(
    model_path: str | Path,
    config: str | Path | Mapping[str, Any],
    output_dir: str | Path | None = None,
    progress: Progress | None = None,
    allow_larger: bool = False,
    announce: Callable[[BuildSettings], None] | None = None,
    pointwise: bool = True,
    absorb_thresholds: bool = True,
) -> BuildResult:
    """Build a model with finn-plus' steps and step_convert_to_imec, without Vivado.

    model_path: QONNX or FINN-ONNX file that fits the first step. For a graph of hardware layers set
    start_step: step_create_dataflow_partition, or step_specialize_layers if it has hardware layers only.
    config: fields of finn-plus' DataflowBuildConfig, as a dictionary or a YAML or JSON file; see DEFAULTS.
    Default steps: finn-plus' own up to step_generate_hardware, of which only step_hw_codegen is run, with
    this package's front end (front_end_steps). They end with estimates and generated code, and need neither
    Vivado nor Vitis for any layer; without HLS layers, step_hw_ipgen and step_set_fifo_depths do not either.
    auto_fifo_depths, if the configuration sets it, sizes the FIFOs by simulation (finn_imec.fifos) before
    FINN's step that inserts them, or after the default steps.
    step_convert_to_imec is inserted after step_minimize_bit_width unless present; step_fold_imec is added if
    the conversion comes before FINN's folding (imec_build_steps). Accumulators in binaryXnorMode hold all
    popcounts, which FINN's minimization
    does not ensure (exact_popcounts). start_step: the first step, applied to model_path. Default part,
    without board and fpga_part: FPGA_PART. output_dir: new, empty, or from an earlier build, whose files are
    replaced once all steps have passed; None: the config's, relative to its file. A failed step leaves only
    its log there, FAILED_LOG. FINN's console output goes to the log. progress: called with the caller's
    sys.stdout and sys.stderr. Between calls they are FINN's, so anything that draws at other times (a
    rich.progress bar) needs a console with its own file. allow_larger, pointwise, absorb_thresholds: see
    InferIMECConv. announce: called once, before the first step.

    What the configuration asks for is done, or is an error before the first step: an output that no step
    makes or that needs a Vivado which is not there, a field that no step reads, a board or part that
    contradicts the other. Names and attributes in a folding or specialization file have to exist; those of
    IMECConv count after the swap.

    Raises ModelError naming the file or field if the model, config or output folder is unusable, or if no
    pair became an IMECConv; BuildError if a step fails; MissingToolError without finn-plus.
    """
    for module in ("qonnx", "finn", "psutil"):
        require(module, "finn")
    from onnx import save

    if importlib.util.find_spec("finn.util.settings") is None:
        raise MissingToolError(
            "build() runs finn-plus, which the installed FINN is not; give imec_build_steps(steps) "
            "to its own DataflowBuildConfig"
        )
    model_path = Path(model_path).absolute()
    options = {
        "allow_larger": allow_larger,
        "pointwise": pointwise,
        "absorb_thresholds": absorb_thresholds,
    }
    fields = _read_config(config)
    output = _output_folder(config, fields, output_dir)
    exported = load_onnx(model_path)
    scratch = make_scratch(output, {LOG, FAILED_LOG})
    try:
        run = _Run(progress)
        with _finn(scratch / GENERATED):
            steps, cfg = _configure(config, fields, scratch, model_path, options)
            settings = _settings(cfg, fields)
            if announce is not None:
                run.in_callers_console(announce, settings)
            run(model_path, steps, cfg)
        if run.error is None:
            run.model.save(str(scratch / MODEL))
            save(_with_added(exported, steps, cfg), str(scratch / EXPORT))
            relocate(scratch, output)
            replace_files(scratch, output, _OF_A_BUILD)
            (output / FAILED_LOG).unlink(missing_ok=True)
            return _result(output, run.seconds, settings)
        if not isinstance(run.error, Exception):  # KeyboardInterrupt, which FINN catches
            raise run.error
        log = output / FAILED_LOG
        os.replace(scratch / LOG, log)
        if isinstance(run.error, _NoPair):
            raise ModelError(f"{model_path}: {run.error}; log: {log}")
        raise BuildError(f"{run.step} failed: {one_line(run.error)}; log: {log}") from run.error
    except OSError as err:
        raise ModelError(f"output folder {output}: cannot be written ({err})") from err
    finally:
        interrupts.remove(scratch)


# ---- input --------------------------------------------------------------------------------------


def _read_config(config: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """The configuration's fields, unchecked."""
    if isinstance(config, Mapping):
        return dict(config)
    yaml = require("yaml", "finn")
    is_json = Path(config).suffix == ".json"
    try:
        text = Path(config).read_text(encoding="utf-8")
        fields = json.loads(text) if is_json else yaml.safe_load(text)
    except OSError as err:
        raise ModelError(f"{config}: cannot be read ({err.strerror})") from err
    except (yaml.YAMLError, ValueError) as err:  # ValueError: bad JSON or UTF-8
        kind = "JSON" if is_json else "YAML"
        raise ModelError(f"{config}: not readable as {kind} ({_one_line(err)})") from err
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise ModelError(f"{config}: holds a {type(fields).__name__}; fields and values are needed")
    return fields


def _output_folder(
    config: str | Path | Mapping[str, Any], fields: dict[str, Any], output_dir: str | Path | None
) -> Path:
    """The absolute output folder: the argument or the configuration's, which must not differ."""
    configured = fields.get("output_dir")
    if configured is None and output_dir is None:
        raise ModelError("no output folder: give one as output_dir, or --output on the command line")
    if configured is None:
        return Path(output_dir).absolute()
    start = Path() if isinstance(config, Mapping) else Path(config).absolute().parent
    folder = Path(os.path.abspath(start / str(configured)))
    if output_dir is not None and Path(os.path.abspath(output_dir)) != folder:
        raise ModelError(
            f"{_name(config)}: field 'output_dir' is '{configured}', which is {folder}, but "
            f"{Path(output_dir).absolute()} is asked for; accepted is one of them"
        )
    return folder


def _name(config: str | Path | Mapping[str, Any]) -> str:
    return "config" if isinstance(config, Mapping) else str(config)


def _configure(
    config: str | Path | Mapping[str, Any],
    fields: dict[str, Any],
    output: Path,
    model_path: Path,
    options: Mapping[str, Any],
) -> tuple[list[Callable], Any]:
    """The functions to run, and FINN's DataflowBuildConfig with output_dir=output."""
    from finn.util.exception import FINNError

    try:
        cfg = _finn_config(fields)
        if not isinstance(config, Mapping):
            cfg.config_path = Path(config).absolute()
            cfg.correct_paths()
        if cfg.model_path is not None:
            start = cfg.config_path.parent if cfg.config_path else Path()
            if Path(os.path.abspath(start / cfg.model_path)) != model_path:
                raise ModelError(f"field 'model_path' is '{cfg.model_path}', but the model is {model_path}")
        _check_files(cfg)
        _check_target(cfg)
        cfg.output_dir = str(output)
        steps = _select_steps(cfg)
        if fields.get("generate_outputs") is not None:
            _check_outputs(cfg, steps)
        _check_read(cfg, fields, steps)
        steps = [_keeping_parent(_with_options(step, options)) for step in steps]
        for name, ours in (
            ("folding_config_file", (step_convert_to_imec.__name__, step_fold_imec.__name__)),
            ("specialize_layers_config_file", ()),
        ):
            if getattr(cfg, name) is not None:
                steps = node_config.checked(steps, name, getattr(cfg, name), ours)
        return steps, cfg
    except UnsupportedError as err:
        raise UnsupportedError(f"{_name(config)}: {err}") from err
    except (ModelError, FINNError) as err:
        raise ModelError(f"{_name(config)}: {_one_line(err)}") from err


def _with_added(export: Any, steps: Sequence[Callable], cfg: Any) -> Any:
    """An export after those of the steps that add a first or a last node; without any, as it is."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    for step in steps:
        if step.__name__.startswith(ADDING):
            export = step(ModelWrapper(export).transform(InferShapes()), cfg).model
    return export


def _settings(cfg: Any, fields: dict[str, Any]) -> BuildSettings:
    names = ("board", "fpga_part", "synth_clk_period_ns", "target_fps", "folding_config_file")
    return BuildSettings(
        cfg._resolve_fpga_part(),
        cfg.board,
        cfg.synth_clk_period_ns,
        cfg.target_fps,
        cfg._resolve_cycles_per_frame(),
        None if cfg.folding_config_file is None else str(cfg.folding_config_file),
        tuple(name for name in names if fields.get(name) is None),
    )


def _check_names(fields: Mapping[str, Any], of: type, prefix: str = "") -> None:
    """Raise ModelError for a field that the configuration class `of`, or one nested in it, does not have."""
    types = typing.get_type_hints(of)
    for name, value in fields.items():
        if name not in types:
            close = difflib.get_close_matches(str(name), types, n=1)
            hint = f"did you mean '{prefix}{close[0]}'?" if close else f"accepted are {of.__name__}'s"
            raise ModelError(f"unknown field '{prefix}{name}'; {hint}")
        for nested in (types[name], *typing.get_args(types[name])):
            if dataclasses.is_dataclass(nested) and isinstance(value, Mapping):
                _check_names(value, nested, f"{prefix}{name}.")


def _finn_config(fields: dict[str, Any]) -> Any:
    """FINN's DataflowBuildConfig from checked fields, with this package's defaults."""
    from finn.builder.build_dataflow_config import (
        DataflowBuildConfig,
        LogLevel,
        default_build_dataflow_steps,
    )
    from mashumaro.exceptions import InvalidFieldValue

    _check_names(fields, DataflowBuildConfig)
    if fields.get("multi_dnn_config_path") is not None:
        raise UnsupportedError(
            "multi_dnn_config_path is not supported here; use finn-plus' own command with "
            "finn_imec.builder.step_convert_to_imec among the steps"
        )
    if fields.get("enable_build_pdb_debug"):
        raise UnsupportedError("enable_build_pdb_debug is not supported here: FINN's console goes to the log")
    if not isinstance(fields.get("steps"), list | tuple | None):
        raise ModelError(f"field 'steps' is {fields['steps']!r}; accepted is a list")
    for field in ("inject_steps_before", "inject_steps_after"):
        injected = fields.get(field) or {}
        if not isinstance(injected, Mapping):
            raise ModelError(f"field '{field}' is {injected!r}; accepted are names of steps with a list each")
        for name, steps in injected.items():
            if not isinstance(steps, list | tuple):
                raise ModelError(f"field '{field}.{name}' is {steps!r}; accepted is a list")
    defaults = dict(DEFAULTS)
    if fields.get("auto_fifo_depths"):
        del defaults["auto_fifo_strategy"]  # finn-plus' default: by simulation, which is then ours
    try:
        cfg = DataflowBuildConfig.from_dict({**defaults, **fields})
    except InvalidFieldValue as err:
        types = typing.get_args(err.field_type) or (err.field_type,)
        enums = [t for t in types if isinstance(t, type) and issubclass(t, Enum)]
        accepted = ", ".join(str(member.value) for t in enums for member in t)
        raise ModelError(
            f"field '{err.field_name}' is {err.field_value!r}; accepted is {accepted or err.field_type_name}"
        ) from err
    cfg.console_log_level = LogLevel.NONE
    if cfg.board is None and cfg.fpga_part is None:
        cfg.fpga_part = FPGA_PART
    if cfg.steps is None:
        end = default_build_dataflow_steps.index("step_generate_hardware")
        cfg.steps = front_end_steps([*default_build_dataflow_steps[:end], "step_hw_codegen"])
        if _sizes_fifos(cfg) or cfg.fifo_config_file is not None:
            cfg.steps.append(_INSERT_FIFOS)
    return cfg


def _sizes_fifos(cfg: Any) -> bool:
    """Whether the FIFO depths are to come from a simulation."""
    from finn.builder.build_dataflow_config import AutoFIFOSizingMethod

    return cfg.auto_fifo_depths and cfg.auto_fifo_strategy == AutoFIFOSizingMethod.DISTRIBUTED_SIMULATION


def _check_files(cfg: Any) -> None:
    names = [*_INPUT_FILES, *(("verify_input_npy", "verify_expected_output_npy") if cfg.verify_steps else ())]
    for name in names:
        path = getattr(cfg, name)
        if path is not None and not Path(path).is_file():
            raise ModelError(f"{name} is '{path}', which is not a file")
    if cfg.fifo_config_file is not None and cfg.auto_fifo_depths:
        raise ModelError("fifo_config_file is read only with 'auto_fifo_depths: false'")


def _check_target(cfg: Any) -> None:
    """Raise ModelError for no clock or frame rate, or a board that is unknown or has another part."""
    from finn.util.basic import part_map

    for name in ("synth_clk_period_ns", "hls_clk_period_ns", "target_fps"):
        value = getattr(cfg, name)
        if value is not None and not 0 < value < float("inf"):
            raise ModelError(f"field '{name}' is {value}; accepted is a number above 0")
    if cfg._resolve_cycles_per_frame() == 0:
        raise ModelError(
            f"field 'target_fps' is {cfg.target_fps}, which is less than a cycle per frame at a clock of "
            f"{cfg.synth_clk_period_ns:g} ns"
        )
    if cfg.board is None:
        return
    if cfg.board not in part_map:
        hint = node_config.unknown(cfg.board, part_map)
        raise ModelError(f"field 'board' is '{cfg.board}'; {hint}")
    if cfg.fpga_part not in (None, part_map[cfg.board]):
        raise ModelError(
            f"field 'fpga_part' is '{cfg.fpga_part}', but board {cfg.board} has {part_map[cfg.board]}; "
            "accepted is one of the fields"
        )


def _check_outputs(cfg: Any, steps: list[Callable]) -> None:
    """Raise ModelError for an output that this build does not make."""
    names = [step_name(step) for step in steps]
    for output in (output.value for output in cfg.generate_outputs):
        step = OUTPUT_STEPS[output]
        if output not in _WITHOUT_VIVADO and shutil.which("vivado") is None:
            raise ModelError(
                f"field 'generate_outputs' has '{output}', which needs Vivado, and 'vivado' is not on the "
                f"PATH; accepted without it is {', '.join(_WITHOUT_VIVADO)}"
            )
        if step not in names:
            made = ", ".join(o for o, s in OUTPUT_STEPS.items() if s in names)
            raise ModelError(
                f"field 'generate_outputs' has '{output}', which {step} makes, not a step of this build: add "
                f"it to 'steps', or leave the output out; accepted with these steps is {made or 'none'}"
            )


def _check_read(cfg: Any, fields: dict[str, Any], steps: list[Callable]) -> None:
    """Raise ModelError for a field that no step reads. The user's own steps may read any."""
    known = ("finn.builder.", "finn_imec.builder.", "finn_imec.fifos.")
    if not all(step.__module__.startswith(known) for step in steps):
        return
    names = {step_name(step) for step in steps}
    for field, readers in _READ_IN.items():
        if fields.get(field) is not None and not names & set(readers):
            raise ModelError(f"{field} is read by {' and '.join(readers)}, not among the steps of this build")


def _select_steps(cfg: Any) -> list[Callable]:
    """The configured step functions from start_step to stop_step, including this package's."""
    from finn.builder.build_dataflow import resolve_build_steps

    try:
        steps = imec_build_steps(resolve_build_steps(cfg, partial=False))
        inserting = [i for i, step in enumerate(steps) if step_name(step) in _FIFO_STEPS]
        if inserting and _sizes_fifos(cfg) and step_name(_SIZE_FIFOS) not in map(step_name, steps):
            sizing = resolve_build_steps(cfg, partial=False, list_as_input=[_SIZE_FIFOS])
            steps[inserting[0] : inserting[0]] = sizing
        steps = [exact_popcounts(s) if step_name(s).startswith(FUSE_AFTER) else s for s in steps]
    except AttributeError as err:  # a module without the function
        raise ModelError(str(err)) from err
    names = [step_name(step) for step in steps]
    for field in ("inject_steps_before", "inject_steps_after"):
        for name in getattr(cfg, field):
            if name not in names:
                raise ModelError(f"{field} names '{name}', not a step of this build")
    for field in ("start_step", "stop_step"):
        if getattr(cfg, field) not in (None, *names):
            raise ModelError(f"{field} is '{getattr(cfg, field)}'; accepted is {', '.join(names)}")
    first = names.index(cfg.start_step) if cfg.start_step else 0
    last = names.index(cfg.stop_step) if cfg.stop_step else len(steps) - 1
    if last < first:
        raise ModelError(f"stop_step {cfg.stop_step} comes before {cfg.start_step}")
    # Already applied. FINN's own start_step would look for an earlier build's files.
    cfg.inject_steps_before = cfg.inject_steps_after = {}
    cfg.start_step = cfg.stop_step = None
    return steps[first : last + 1]


def _with_options(step: Callable, options: Mapping[str, Any]) -> Callable:
    """A step that, if it is step_convert_to_imec, has these options."""
    if step_name(step) != step_convert_to_imec.__name__:
        return step

    @functools.wraps(step)
    def run(model: Any, cfg: Any) -> Any:
        return step(model, cfg, **options)

    return run


def _keeping_parent(step: Callable) -> Callable:
    """A step that, if it is the one that partitions, saves PARENT even without save_intermediate_models."""
    if step_name(step) != "step_create_dataflow_partition":
        return step

    @functools.wraps(step)
    def run(model: Any, cfg: Any) -> Any:
        asked, cfg.save_intermediate_models = cfg.save_intermediate_models, True
        try:
            return step(model, cfg)
        finally:
            cfg.save_intermediate_models = asked

    return run


# ---- running ------------------------------------------------------------------------------------


class _NoPair(Exception):
    """The conversion changed nothing; the message gives the reasons."""


class _Run:
    """Runs the steps, each wrapped to record its start, its result and its error.

    FINN's builder only logs errors and returns a number.
    """

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.console = sys.stdout, sys.stderr
        self.steps: list[Callable] = []
        self.step = "reading the model"
        self.model: Any = None
        self.seconds: dict[str, float] = {}
        self.error: BaseException | None = None

    def __call__(self, model_path: Path, steps: list[Callable], cfg: Any) -> None:
        """Run the steps; the outcome is in `model` and `error`."""
        from finn.builder.build_dataflow import build_dataflow_cfg

        self.steps = steps
        cfg.steps = [self._wrap(number, step) for number, step in enumerate(steps, 1)]
        try:
            code = build_dataflow_cfg(str(model_path), cfg)
        except Exception as err:  # FINN raises under pytest, and when its reports cannot be written
            self.error = self.error or err
        else:
            if code and self.error is None:
                self.error = RuntimeError(f"FINN's builder returned {code}")

    def _wrap(self, number: int, step: Callable) -> Callable:
        @functools.wraps(step)
        def run(model: Any, cfg: Any) -> Any:
            self.step = step_name(step)
            try:
                self._report(number)
                start = time.perf_counter()
                self.model = step(model, cfg)
                took = time.perf_counter() - start
                self.seconds[self.step] = self.seconds.get(self.step, 0) + took
                if self.step == step_convert_to_imec.__name__:
                    _check_converted(self.model, Path(cfg.output_dir))
            except BaseException as err:
                self.error = err
                raise
            return self.model

        return run

    def _report(self, number: int) -> None:
        if self.progress is not None:
            self.in_callers_console(self.progress, number, len(self.steps), self.step)

    def in_callers_console(self, function: Callable[..., None], *arguments: Any) -> None:
        out, err = self.console
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            function(*arguments)


def _check_converted(model: Any, output: Path) -> None:
    """Raise _NoPair unless the model holds an IMECConv."""
    from finn_imec.custom_op import imec_nodes

    if imec_nodes(model):
        return
    reasons = "; ".join(str(pair) for pair in _pairs(output)) or "no ConvolutionInputGenerator"
    raise _NoPair(f"no ConvolutionInputGenerator + MVAU pair became an IMECConv ({reasons})")


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())


class _NoSimEngine:
    """Replaces finn.xsi.SimEngine, which finn-plus' builder imports and only xsim provides."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise MissingToolError("simulation in xsim needs Vivado; set XILINX_VIVADO to its folder")


@contextlib.contextmanager
def _finn(build_dir: Path) -> Iterator[None]:
    """Make finn-plus start without Vivado, put its files below build_dir, keep it silent.

    FINN's builder takes over stdout, stderr, the root logger, Python's warnings and the environment; all are
    restored.
    """
    environment = dict(os.environ)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    build_dir.mkdir()
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        import finn.util.logging
        import finn.xsi

        from finn_imec.custom_op import register

        console = finn.util.logging.get_console()
        root.handlers.clear()  # FINN would close them
        try:
            with finn_build_dir(build_dir):
                try:
                    from finn.xsi import SimEngine  # noqa: F401 (FINN's builder does the same)
                except Exception:
                    finn.xsi.SimEngine = _NoSimEngine
                # FINN reads it when it reports the end of a build.
                os.environ.setdefault("XILINX_VIVADO", "no Vivado")
                register()
                yield
        finally:
            logging.captureWarnings(False)
            for handler in root.handlers:
                handler.close()
            root.handlers[:] = handlers
            root.setLevel(level)
            finn.util.logging.set_console(console)
            os.environ.clear()
            os.environ.update(environment)


# ---- output -------------------------------------------------------------------------------------


def _conversion(output: Path) -> Conversion | None:
    return load_conversion(output / REPORT) if (output / REPORT).is_file() else None


def _pairs(output: Path) -> tuple[PairReport, ...]:
    conversion = _conversion(output)
    return conversion.pairs if conversion else ()


def _entries(path: Path) -> list[Any]:
    return json.loads(path.read_text()) if path.is_file() else []


def _result(output: Path, seconds: dict[str, float], settings: BuildSettings) -> BuildResult:
    from finn_imec.transformation.fold_imec_conv import FoldingReport

    parent = output / PARENT
    return BuildResult(
        output_dir=output,
        model=output / MODEL,
        parent=parent if parent.is_file() else None,
        conversion=_conversion(output),
        pairs=_pairs(output),
        foldings=tuple(FoldingReport(**entry) for entry in _entries(output / FOLDING_REPORT)),
        notes=tuple(_entries(output / NOTES)),
        reports={path.stem: path for path in sorted((output / "report").glob("*.json"))},
        generated=output / GENERATED,
        log=output / LOG,
        seconds=seconds,
        settings=settings,
        export=output / EXPORT,
    )
