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
import sys
import time
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.builder.front_end import NOTES, front_end_steps
from finn_imec.builder.steps import (
    FOLDING_REPORT,
    FUSE_AFTER,
    REPORT,
    exact_popcounts,
    imec_build_steps,
    step_convert_to_imec,
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

#: Fields of DataflowBuildConfig that differ from finn-plus' defaults, which need Vivado.
DEFAULTS = {
    "generate_outputs": ["estimate_reports"],
    "auto_fifo_strategy": "force_minimal_fifos",
}
_INPUT_FILES = (
    *("folding_config_file", "specialize_layers_config_file", "fifo_config_file"),
    *("layouts_config_file", "vitis_floorplan_file"),
)


class BuildError(ImecError, RuntimeError):
    """A build step failed; names the step, its error and the log."""


@dataclass(frozen=True)
class BuildResult:
    """The contents of a build's output folder.

    model: the graph after the last step. parent: FINN's graph around the hardware layers; its
    StreamingDataflowPartition refers to the layers at partitioning, before the swap. None if the build did
    not partition. pairs: one PairReport per ConvolutionInputGenerator, empty without the conversion step.
    foldings: one FoldingReport per IMECConv, empty without step_fold_imec or target_fps. notes: a line
    for each conversion of step_prepare_network that changes shapes or costs. reports: the JSON files of
    report/ by name without suffix, e.g. estimate_layer_cycles. generated: folder with one folder of generated
    code per layer. log: FINN's log. seconds: wall time of each step by name, in step order.
    """

    output_dir: Path
    model: Path
    parent: Path | None
    pairs: tuple[PairReport, ...]
    foldings: tuple[FoldingReport, ...]
    notes: tuple[str, ...]
    reports: dict[str, Path]
    generated: Path
    log: Path
    seconds: dict[str, float]


def build(
    model_path: str | Path,
    config: str | Path | Mapping[str, Any],
    output_dir: str | Path,
    progress: Progress | None = None,
) -> BuildResult:
    """Build a model with finn-plus' steps and step_convert_to_imec, without Vivado.

    model_path: QONNX or FINN-ONNX file that fits the first step. For a graph of hardware layers set
    start_step: step_create_dataflow_partition, or step_specialize_layers if it has hardware layers only.
    config: fields of finn-plus' DataflowBuildConfig, as a dictionary or a YAML or JSON file; see DEFAULTS.
    Default steps: finn-plus' own up to step_generate_hardware, of which only step_hw_codegen is run. They end
    with estimates and generated code, and need neither Vivado nor Vitis for any layer; without HLS layers,
    step_hw_ipgen and step_set_fifo_depths do not either. step_convert_to_imec is inserted after
    step_minimize_bit_width unless present; step_fold_imec is added if the conversion comes before FINN's
    folding (imec_build_steps). Accumulators in binaryXnorMode hold all popcounts, which FINN's minimization
    does not ensure (exact_popcounts). start_step: the first step, applied to model_path. Default part,
    without board and fpga_part: FPGA_PART. output_dir: new, empty, or from an earlier build, whose files are
    replaced once all steps have passed. A failed step leaves only its log there, FAILED_LOG. FINN's console
    output goes to the log. progress: called with the caller's sys.stdout and sys.stderr. Between calls they
    are FINN's, so anything that draws at other times (a rich.progress bar) needs a console with its own file.

    Raises ModelError naming the file or field if the model, config or output folder is unusable, or if no
    pair became an IMECConv; BuildError if a step fails; MissingToolError without finn-plus.
    """
    for module in ("qonnx", "finn", "psutil"):
        require(module, "finn")
    if importlib.util.find_spec("finn.util.settings") is None:
        raise MissingToolError(
            "build() runs finn-plus, which the installed FINN is not; give imec_build_steps(steps) "
            "to its own DataflowBuildConfig"
        )
    output = Path(output_dir).absolute()
    model_path = Path(model_path).absolute()
    fields = _read_config(config)
    load_onnx(model_path)
    scratch = make_scratch(output, {LOG, FAILED_LOG})
    try:
        run = _Run(progress)
        with _finn(scratch / GENERATED):
            run(model_path, *_configure(config, fields, scratch))
        if run.error is None:
            run.model.save(str(scratch / MODEL))
            relocate(scratch, output)
            replace_files(scratch, output)
            (output / FAILED_LOG).unlink(missing_ok=True)
            return _result(output, run.seconds)
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


def _configure(
    config: str | Path | Mapping[str, Any], fields: dict[str, Any], output: Path
) -> tuple[list[Callable], Any]:
    """The functions to run, and FINN's DataflowBuildConfig with output_dir=output."""
    from finn.util.exception import FINNError

    where = "config" if isinstance(config, Mapping) else str(config)
    try:
        cfg = _finn_config(fields)
        if not isinstance(config, Mapping):
            cfg.config_path = Path(config).absolute()
            cfg.correct_paths()
        for name in _INPUT_FILES:
            path = getattr(cfg, name)
            if path is not None and not Path(path).is_file():
                raise ModelError(f"{name} is '{path}', which is not a file")
        cfg.output_dir = str(output)
        cfg._resolve_fpga_part()
        return _select_steps(cfg), cfg
    except UnsupportedError as err:
        raise UnsupportedError(f"{where}: {err}") from err
    except (ModelError, FINNError) as err:
        raise ModelError(f"{where}: {_one_line(err)}") from err


def _finn_config(fields: dict[str, Any]) -> Any:
    """FINN's DataflowBuildConfig from checked fields, with this package's defaults."""
    from finn.builder.build_dataflow_config import (
        DataflowBuildConfig,
        LogLevel,
        default_build_dataflow_steps,
    )
    from mashumaro.exceptions import InvalidFieldValue

    known = [field.name for field in dataclasses.fields(DataflowBuildConfig)]
    for name in fields:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else "accepted are DataflowBuildConfig's"
            raise ModelError(f"unknown field '{name}'; {hint}")
    if fields.get("multi_dnn_config_path") is not None:
        raise UnsupportedError(
            "multi_dnn_config_path is not supported here; use finn-plus' own command with "
            "finn_imec.builder.step_convert_to_imec among the steps"
        )
    if not isinstance(fields.get("steps"), list | tuple | None):
        raise ModelError(f"field 'steps' is {fields['steps']!r}; accepted is a list")
    try:
        cfg = DataflowBuildConfig.from_dict({**DEFAULTS, **fields})
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
    return cfg


def _select_steps(cfg: Any) -> list[Callable]:
    """The configured step functions from start_step to stop_step, including this package's."""
    from finn.builder.build_dataflow import resolve_build_steps

    try:
        steps = imec_build_steps(resolve_build_steps(cfg, partial=False))
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
            out, err = self.console
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self.progress(number, len(self.steps), self.step)


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


def _pairs(output: Path) -> tuple[PairReport, ...]:
    from finn_imec.transformation.infer_imec_conv import PairReport

    return tuple(PairReport(**entry) for entry in _entries(output / REPORT))


def _entries(path: Path) -> list[Any]:
    return json.loads(path.read_text()) if path.is_file() else []


def _result(output: Path, seconds: dict[str, float]) -> BuildResult:
    from finn_imec.transformation.fold_imec_conv import FoldingReport

    parent = output / PARENT
    return BuildResult(
        output_dir=output,
        model=output / MODEL,
        parent=parent if parent.is_file() else None,
        pairs=_pairs(output),
        foldings=tuple(FoldingReport(**entry) for entry in _entries(output / FOLDING_REPORT)),
        notes=tuple(_entries(output / NOTES)),
        reports={path.stem: path for path in sorted((output / "report").glob("*.json"))},
        generated=output / GENERATED,
        log=output / LOG,
        seconds=seconds,
    )
