"""The folding of a whole network for a part: fastest that fits, or smallest that is fast enough."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.builder import build
from finn_imec.builder.node_config import set_attributes
from finn_imec.compat.finn import CLOCK_NS, dsp_block
from finn_imec.fit.measure import SUM, counted
from finn_imec.fit.network import folding_of, network_of
from finn_imec.fit.parts import BUDGETED, Part
from finn_imec.fit.set_folding import FinnFolding, fastest_by_finn, folded_by_finn
from finn_imec.fit.solver import Choice, Network, Vector, cheapest, fastest, least_excess
from finn_imec.layer.estimate import MEAN_ERROR
from finn_imec.layer.pair_estimate import PAIR_MEAN_ERROR
from finn_imec.util.errors import ImecError, ModelError, require
from finn_imec.util.onnx_model import load_onnx
from finn_imec.util.output import output_folder

#: Files of a fit's folder.
FIT, FOLDING, BUILD_CONFIG, MODEL = "fit.json", "folding.json", "build.yaml", "model.onnx"
UTILIZATION = 0.7
#: Mean error of the estimates, of IMECConv and of FINN's pair the greater: a sum is not further off than its
#: parts are on average.
MARGIN: Mapping[str, float] = {key: max(MEAN_ERROR[key], PAIR_MEAN_ERROR[key]) for key in MEAN_ERROR}
#: Most attempts, where the folding decides which pairs are swapped.
ROUNDS = 3
#: Rows of the table of throughputs.
LEVELS = 12
#: Steps of FINN's from which the graph is folded, and to which.
_FOLDED_FROM, _END = "step_apply_folding_config", "step_convert_to_imec"
_FINN_DOMAIN = "finn.custom_op.fpgadataflow"

#: progress(what): called when something starts.
Progress = Callable[[str], None]


class InfeasibleError(ImecError):
    """No folding fits, or none is fast enough; says what is missing."""


@dataclass(frozen=True)
class Fit:
    """A folding that fits, and what it is compared with.

    choice: the options chosen. folding: FINN's folding configuration. table: choices of least cost at other
    throughputs, with no limit of resources, fastest first. finn: SetFolding's at the same budget, of FINN's
    pairs ("pairs") and of IMECConv in their place ("swapped"); None where nothing fits. seconds: of each
    stage. measured: node -> resources that Yosys counted, empty unless asked for.
    """

    part: Part
    clock_ns: float
    utilization: float
    budget: Vector
    fps: float | None
    choice: Choice
    folding: Mapping[str, Mapping[str, Any]]
    table: tuple[Choice, ...]
    finn: Mapping[str, FinnFolding | None]
    seconds: Mapping[str, float]
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def frames_per_second(self, cycles: int) -> float:
        """At the clock."""
        return 1e9 / self.clock_ns / cycles

    def point(self, choice: Choice) -> dict[str, Any]:
        """Cycles, frames/s and resources of a choice, and whether the budget allows it."""
        return {
            "cycles": choice.cycles,
            "fps": self.frames_per_second(choice.cycles),
            "slowest": choice.slowest,
            **{key: round(value) for key, value in zip(BUDGETED, choice.resources)},
            "converters": len(choice.conversions),
            "fits": choice.fits(self.budget),
        }

    @property
    def counted_beyond(self) -> dict[str, int]:
        """Resources of which Yosys counted more than may be used, and how many more; empty without counts."""
        sums = self.measured.get(SUM, {})
        most = {key: int(self.part.resources[key] * self.utilization) for key in BUDGETED}
        return {key: sums[key] - most[key] for key in BUDGETED if sums and sums[key] > most[key]}

    def as_dict(self) -> dict[str, Any]:
        """As in FIT."""
        return {
            "part": self.part.name,
            "resources": dict(self.part.resources),
            "utilization": self.utilization,
            "margin": dict(MARGIN),
            "budget": dict(zip(BUDGETED, map(int, self.budget))),
            "clock_ns": self.clock_ns,
            "target_fps": self.fps,
            "chosen": {**self.point(self.choice), "proven": self.choice.proven},
            "layers": [
                {
                    "name": unit.name,
                    "cycles": option.cycles,
                    **dict(zip(BUDGETED, map(int, option.resources))),
                    "attributes": {name: dict(values) for name, values in option.attributes.items()},
                }
                for unit, option in zip(self.choice.network.units, self.choice.options)
            ],
            "table": [self.point(choice) for choice in self.table],
            "finn": {
                side: found and {"target": found.target, **self.point(found.choice)}
                for side, found in self.finn.items()
            },
            "measured": {name: dict(figures) for name, figures in self.measured.items()},
            "counted_beyond": self.counted_beyond,
            "seconds": dict(self.seconds),
        }


def budget_of(part: Part, utilization: float) -> Vector:
    """The most that estimates may sum up to: the part's resources times utilization, less the margin."""
    return tuple(part.resources[key] * utilization / (1 + MARGIN.get(key, 0)) for key in BUDGETED)


def fit(
    model_path: str | Path,
    part: Part,
    output_dir: str | Path,
    fps: float | None = None,
    utilization: float = UTILIZATION,
    clock_ns: float = CLOCK_NS,
    measure: bool = False,
    command: str = "",
    progress: Progress = lambda what: None,
    executor: Executor | None = None,
) -> Fit:
    """Choose folding, multipliers and memory styles of all layers of a network for a part.

    model_path: a QONNX export, which runs the steps of `build` up to the swap; FINN's hardware layers, which
    begin with step_create_dataflow_partition; or the graph after these steps, with IMECConv. fps: frames per
    second to reach at least cost, the sum of the shares of the part; None: as many as fit. utilization: the
    part of each resource that may be used. measure: count the nodes of the choice in Yosys, one by one
    or, with an executor, several at once.

    Writes into output_dir, which is new, empty or of an earlier fit: FOLDING, FINN's folding configuration;
    BUILD_CONFIG for `finn-imec build MODEL --config`; the folded model, whose cycles are checked to be those
    promised; and FIT.

    Raises InfeasibleError if nothing fits, saying which resource is missing and by how much, or which layer
    is too slow; ModelError for a model that cannot be read or estimated.
    """
    for module in ("qonnx", "finn", "scipy"):
        require(module, "finn")
    if not 0 < utilization <= 1:
        raise ModelError(f"utilization {utilization:g}: accepted is more than 0 and at most 1")
    dsp_block(part.name)  # is it a part
    target = None if fps is None else _cycles(fps, clock_ns)
    budget = budget_of(part, utilization)
    with output_folder(Path(output_dir), marker=FIT) as scratch, tempfile.TemporaryDirectory() as work:
        flow = _Flow(Path(model_path), part.name, clock_ns, Path(work), scratch, progress)
        seconds = flow.seconds
        with _timed(seconds, "steps", progress, "FINN's steps"):
            model = flow.swapped()
        swapped_at: dict[str, Mapping[str, Any]] = {}  # folding of pairs that are swapped only there
        for _ in range(ROUNDS):
            with _timed(seconds, "estimates", progress, "options"):
                uram = bool(part.resources["uram"])
                network = network_of(model, part.name, clock_ns, uram, progress=progress)
            with _timed(seconds, "solver", progress, "solver"):
                choice = _solve(network, target, part, budget, clock_ns, utilization, progress)
            folding = swapped_at | folding_of(choice.options, flow.names(model))
            with _timed(seconds, "check", progress, "the folded graph"):
                folded = flow.folded(folding)
            if _names(folded) == _names(model):
                break
            now = {"Defaults", *flow.names(folded).values()}
            swapped_at = {
                name: values
                for name, values in folding.items()
                if name not in now and not name.startswith("IMECConv")
            }
            model = folded
        _check(choice, network_of(folded, part.name, clock_ns, fixed=True))
        flow.write(folding, folded)
        with _timed(seconds, "table", progress, "table"):
            table = _table(network, part)
        with _timed(seconds, "finn", progress, "SetFolding"):
            finn = flow.finn(choice.cycles, target, budget)
        measured: dict[str, dict[str, Any]] = {}
        if measure:
            with _timed(seconds, "yosys", progress, "Yosys"):
                measured = counted(scratch / MODEL, progress, executor)
        result = Fit(
            part, clock_ns, utilization, budget, fps, choice, folding, table, finn, seconds, measured
        )
        content = {"model": str(model_path), "command": command, **result.as_dict()}
        (scratch / FIT).write_text(json.dumps(content, indent=2) + "\n")
    return result


def _cycles(fps: float, clock_ns: float) -> int:
    """The most cycles per frame at which so many frames per second are reached."""
    cycles = int(1e9 / clock_ns / fps + 1e-9) if fps > 0 else 0
    if cycles < 1:
        raise ModelError(f"{fps:g} frames/s: accepted is more than 0 and at most one per cycle of the clock")
    return cycles


class _timed:
    """Seconds of a stage, by its name."""

    def __init__(self, seconds: dict[str, float], name: str, progress: Progress, what: str) -> None:
        self.seconds, self.name = seconds, name
        progress(what)

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds[self.name] = self.seconds.get(self.name, 0) + time.perf_counter() - self.start


# ---- choosing -----------------------------------------------------------------------------------


def _solve(
    network: Network,
    target: int | None,
    part: Part,
    budget: Vector,
    clock_ns: float,
    utilization: float,
    progress: Progress,
) -> Choice:
    cycles, proven = target, True
    if target is None:
        cycles, proven = fastest(network, budget, lambda level: progress(f"{level:,} cycles per frame"))
    else:
        slow = max(network.units, key=lambda unit: unit.fastest)
        if slow.fastest > target:
            raise InfeasibleError(
                f"{slow.name} takes at least {slow.fastest:,} cycles per frame, "
                f"{1e9 / clock_ns / slow.fastest:,.1f} frames/s at {clock_ns:g} ns; the target is {target:,}"
            )
    choice = None if cycles is None else cheapest(network, cycles, _prices(part), budget)
    if choice is None:
        raise InfeasibleError(_missing(network, target or np.inf, part, budget, utilization))
    return replace(choice, proven=choice.proven and proven)


def _prices(part: Part) -> Vector:
    """A choice costs the sum of the shares of the part; what the part has none of, cannot be chosen."""
    return tuple(1 / part.resources[key] if part.resources[key] else 1.0 for key in BUDGETED)


def _missing(network: Network, cycles: float, part: Part, budget: Vector, utilization: float) -> str:
    """Which resources are missing, and how many, where these are fewest."""
    excess = least_excess(network, cycles, budget)
    assert excess is not None  # the caller has looked at the cycles of each unit
    missing = [
        f"{limit + more:,.0f} {BUDGETED[key]}, {more:,.0f} more than {limit:,.0f} "
        f"({utilization:.0%} of {part.resources[key]:,}"
        + (f", less {MARGIN[key]:.1%} for the error of estimates)" if key in MARGIN else ")")
        for key, limit, more in zip(BUDGETED, budget, excess)
        if more > 0
    ]
    speed = "at any speed" if cycles == np.inf else f"at {cycles:,.0f} cycles per frame"
    return f"nothing fits {part.name} {speed}: it takes at least {'; '.join(missing)}"


def _table(network: Network, part: Part) -> tuple[Choice, ...]:
    """The cheapest choices at LEVELS throughputs, from the fastest down, without a limit of resources."""
    quick = max(unit.fastest for unit in network.units)
    slow = max(min(unit.options, key=lambda o: sum(o.resources)).cycles for unit in network.units)
    found: list[Choice] = []
    for level in np.geomspace(quick, max(slow, quick), LEVELS):
        choice = cheapest(network, int(np.ceil(level)), _prices(part))
        if choice is not None and (not found or choice.cycles > found[-1].cycles):
            found.append(choice)
    return tuple(found)


def _names(model: Any) -> list[str]:
    return [node.name for node in model.graph.node]


def _check(choice: Choice, folded: Network) -> None:
    """ImecError if the folded graph takes other cycles than the choice promises, or is another graph."""
    promised = {
        unit.name: option.cycles for unit, option in zip(choice.network.units, choice.options, strict=True)
    }
    found = {unit.name: unit.options[0].cycles for unit in folded.units}
    if found != promised:
        differ = sorted(name for name in {*found, *promised} if found.get(name) != promised.get(name))
        listed = "; ".join(
            f"{name}: {promised.get(name)} promised, {found.get(name)} found" for name in differ
        )
        raise ImecError(f"the folded graph has other cycles per frame: {listed}")


# ---- FINN's steps -------------------------------------------------------------------------------


class _Flow:
    """A model on its way through FINN's steps to the swap, and again with a folding."""

    def __init__(
        self, path: Path, part: str, clock_ns: float, work: Path, output: Path, progress: Progress
    ) -> None:
        self.path, self.part, self.clock_ns = path, part, clock_ns
        self.work, self.output, self.progress = work, output, progress
        self.seconds: dict[str, float] = {}
        nodes = load_onnx(path).graph.node
        self.converted = any(node.op_type.startswith("IMECConv") for node in nodes)
        hardware = any(node.domain.startswith(_FINN_DOMAIN) for node in nodes)
        self.fields: dict[str, Any] = {"fpga_part": part, "synth_clk_period_ns": clock_ns}
        if hardware:
            self.fields["start_step"] = "step_create_dataflow_partition"

    def _load(self, path: Path) -> Any:
        from qonnx.core.modelwrapper import ModelWrapper

        return ModelWrapper(str(path))

    def _after(self, step: str) -> Path:
        return self.work / "unfolded" / "intermediate_models" / f"{step}.onnx"

    def swapped(self) -> Any:
        """The graph after the swap, unfolded unless the model is folded."""
        if self.converted:
            return self._load(self.path)
        fields = {**self.fields, "stop_step": _END, "save_intermediate_models": True}
        result = build(
            self.path,
            fields,
            self.work / "unfolded",
            lambda number, steps, name: self.progress(f"FINN's steps: {name}"),
        )
        return self._load(result.model)

    def names(self, model: Any) -> dict[str, str]:
        """Names that the folding configuration has for nodes: FINN's own at its step that applies it."""
        if self.converted:
            return {}
        before = self._load(self._after(_FOLDED_FROM))
        names = {}
        for node in model.graph.node:
            maker = before.find_producer(node.output[0])
            if not node.op_type.startswith("IMECConv"):
                names[node.name] = maker.name
        return names

    def folded(self, folding: Mapping[str, Mapping[str, Any]]) -> Any:
        """The graph after the swap with a folding, by FINN's step that applies it."""
        given = self.work / FOLDING
        given.write_text(json.dumps(folding))
        if self.converted:
            from finn_imec.custom_op import register

            register()
            model = self._load(self.path)
            set_attributes({node.name: node for node in model.graph.node}, folding, given)
            return model
        fields = {**self.fields, "start_step": _FOLDED_FROM, "stop_step": _END}
        result = build(
            self._after("step_target_fps_parallelization"),
            {**fields, "folding_config_file": str(given)},
            self.work / "folded",
            lambda number, steps, name: self.progress(f"FINN's steps: {name}"),
        )
        return self._load(result.model)

    def write(self, folding: Mapping[str, Mapping[str, Any]], folded: Any) -> None:
        """The folding, the folded graph, and a configuration for `finn-imec build`."""
        (self.output / FOLDING).write_text(json.dumps(folding, indent=2) + "\n")
        folded.save(str(self.output / MODEL))
        if not self.converted:
            fields = {**self.fields, "folding_config_file": FOLDING}
            (self.output / BUILD_CONFIG).write_text("".join(f"{k}: {v}\n" for k, v in fields.items()))

    def finn(self, around: int, target: int | None, budget: Vector) -> dict[str, FinnFolding | None]:
        """SetFolding's result at the same budget or target, with FINN's pairs and swapped."""
        from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
        from finn_imec.transformation.infer_imec_conv import InferIMECConv

        if self.converted:
            from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
            from qonnx.transformation.general import SortGraph

            pairs = self._load(self.path).transform(ExpandIMECConv())
            pairs = pairs.transform(SpecializeLayers(self.part)).transform(SortGraph())
        else:
            pairs = self._load(self._after("step_minimize_bit_width"))

        def swap(model: Any) -> Any:
            return model.transform(InferIMECConv(clock_ns=self.clock_ns, fpgapart=self.part))

        sides: dict[str, FinnFolding | None] = {}
        for side, change in (("pairs", lambda model: model), ("swapped", swap)):
            options = self.part, self.clock_ns, budget, change
            if target is not None:
                sides[side] = folded_by_finn(pairs, target, *options)
            else:
                sides[side] = fastest_by_finn(
                    pairs, around, *options, lambda cycles: self.progress(f"SetFolding: {cycles:,} cycles")
                )
        return sides
