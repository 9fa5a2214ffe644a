"""FIFO depths of a partition by simulation: the smallest ones that keep its rate.

One Verilator model, in which depths are an input, runs a few frames with FIFOs without limits, again with
the frames as far apart as the target, which tells how full each FIFO gets at most, and then once for each
trial of the search.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from finn_imec.compat.finn import CLOCK_NS, FPGA_PART, finn_build_dir
from finn_imec.fifos.cost import Cost, cost_of, steps
from finn_imec.fifos.search import LEAST, Depths, Search
from finn_imec.partition.deadlock import DeadlockError
from finn_imec.partition.frames import random_frames
from finn_imec.partition.graph import hardware_part, specialized_layers, with_all_fifos, with_own_names
from finn_imec.partition.partition import OutOfCyclesError, Prepared, prepare
from finn_imec.partition.run import Run
from finn_imec.simulation.stimulus import SimulationError
from finn_imec.util import cache
from finn_imec.util.onnx_model import naming

#: Frames of a trial, of which the second half counts, and how many times as many run with the depths found.
FRAMES, VERIFIED = 4, 3
#: Most trials, unless the caller says otherwise.
LIMIT = 500
#: Rounds with twice the frames of the one before, if more frames turn out slower.
_ROUNDS = 3
#: A trial may take this many times the cycles of the run without limits.
PATIENCE = 2


@dataclass(frozen=True)
class FifoSize:
    """A FIFO. producer, consumer: nodes, "" at the ends. width: bits. words: of a frame.

    fill: most words that are in it without a limit, frames as far apart as the target. cost: of the depth.
    """

    node: str
    producer: str
    consumer: str
    width: int
    words: int
    fill: int
    depth: int
    cost: Cost

    @property
    def bits(self) -> int:
        """That FINN's reports count: depth times width."""
        return self.depth * self.width


@dataclass(frozen=True)
class Sizing:
    """FIFO depths and what was measured with them, over `frames` frames of random values, all of them exact.

    interval: cycles a frame in steady state with these depths; unlimited: without limits; target: the most
    allowed. latency: of the first frame. simulations: trials. complete: no single FIFO can be lowered, by
    the same trials; False if the search ended at its limit. others: depths of FIFOs between nodes that run in
    Python, such as one that quantizes floats; they stay.
    """

    fifos: tuple[FifoSize, ...]
    interval: int
    unlimited: int
    target: int
    latency: int
    frames: int
    simulations: int
    complete: bool
    part: str
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def depths(self) -> Depths:
        """By FIFO."""
        return {fifo.node: fifo.depth for fifo in self.fifos}

    def config(self) -> dict[str, Any]:
        """A fifo_config_file's content, as FINN's step_set_fifo_depths writes it, and the measurement."""
        depths = {**self.depths, **self.others}
        effective = {fifo.node: fifo.width * ceil(fifo.depth / 32) * 32 for fifo in self.fifos}
        return {
            "fifo_depths": depths,
            "fifo_sizes": {fifo.node: fifo.bits for fifo in self.fifos},
            "fifo_sizes_effective": effective,
            "impl_style": dict.fromkeys(depths, "rtl"),
            "ram_style": dict.fromkeys(depths, "auto"),
            "total_fifo_size_kiB": sum(fifo.bits for fifo in self.fifos) / 8192,
            "total_fifo_size_effective_kiB": sum(effective.values()) / 8192,
            "simulation": {k: v for k, v in vars(self).items() if k not in ("fifos", "others")},
        }


@dataclass(frozen=True)
class Seen:
    """Of a run: cycles in which each frame ended, latency of the first, cycles, most words in each FIFO."""

    ends: Sequence[int]
    latency: int
    cycles: int
    peaks: Mapping[str, int]

    @staticmethod
    def of(run: Run) -> Seen:
        """What is in the cache."""
        peaks = {fifo.node: fifo.peak for fifo in run.fifos}
        return Seen([int(end) for end in run.frames_out], run.latency, run.cycles, peaks)


class Simulator:
    """A partition whose FIFOs can have any depths; keeps the result of every run in the cache.

    model: the hardware part of a network, with FIFOs or, where it has none, with those that FINN inserts.
    part: FPGA, for the costs. clock_ns: the period that the nodes are generated for.
    """

    def __init__(
        self,
        model: Any,
        frames: int = FRAMES,
        part: str = FPGA_PART,
        stage: Callable[[str], None] = lambda name: None,
        clock_ns: float = CLOCK_NS,
    ) -> None:
        self.model = with_inserted_fifos(model)
        self.part = part
        self.stage = stage
        self.runs = 0
        values = random_frames(self.model, frames)
        self.prepared: Prepared = prepare(self.model, values, stage=stage, adjustable=True, clock_ns=clock_ns)
        netlist = self.prepared.partition.netlist
        nodes = {node.name: node for node in self.model.graph.node}
        self.fifos = {cell.name: nodes[cell.name] for cell in netlist.fifos}
        self.costs: dict[str, Callable[[int], Cost]] = {}
        for name, node in self.fifos.items():
            with naming(node):
                self.costs[name] = cost_of(node, part)
        self._unlimited = (0, 1)  # cycles, frames

    @property
    def others(self) -> dict[str, int]:
        """Depths of the FIFOs between nodes that are not simulated."""
        from qonnx.custom_op.registry import getCustomOp

        fifos = [n for n in self.model.graph.node if n.op_type.startswith("StreamingFIFO")]
        return {n.name: int(getCustomOp(n).get_nodeattr("depth")) for n in fifos if n.name not in self.fifos}

    def run(self, depths: Mapping[str, int], frames: int, period: int = 0) -> Run | None:
        """Frames with these depths; None on a deadlock, or if it takes much longer than without limits.

        period: cycles from a frame to the next, at least; then there is no limit of cycles.
        """
        self.runs += 1
        cycles, of = self._unlimited
        limit = 0 if period else ceil(PATIENCE * cycles * frames / of)
        try:
            return self.prepared.run(frames, depths=depths, period=period, max_cycles=limit or None)
        except (DeadlockError, OutOfCyclesError):
            return None

    def seen(self, depths: Mapping[str, int], frames: int, period: int = 0) -> Seen | None:
        """What matters of `run`. From the cache if there."""

        def simulate() -> Any:
            run = self.run(depths, frames, period)
            return run and vars(Seen.of(run))

        found = self._cached(simulate, depths=dict(depths), frames=frames, period=period)
        return found and Seen(**found)

    def interval(self, depths: Depths, frames: int) -> float | None:
        """Cycles a frame in steady state with these depths; None on a deadlock. From the cache if there."""

        def simulate() -> float | None:
            run = self.run(depths, frames)
            return None if run is None else pace(run.frames_out)

        result: float | None = self._cached(simulate, depths=depths, frames=frames)
        return result

    def _cached(self, simulate: Callable[[], Any], **key: Any) -> Any:
        values = [array.tobytes() for _, array in sorted(self.prepared.frames.items())]
        model = self.prepared.partition.model.path.parent.name

        def write(folder: Path) -> None:
            (folder / "interval.json").write_text(json.dumps(simulate()))

        entry = cache.get_or_build("fifos", cache.digest(model=model, values=values, **key), write)
        return json.loads((entry.folder / "interval.json").read_text())

    def unlimited(self, frames: int) -> int:
        """Cycles a frame in steady state with FIFOs without limits."""
        seen = self.seen(dict.fromkeys(self.fifos, 0), frames)
        if seen is None:
            raise SimulationError("the partition stops even with FIFOs without limits; simulate tells where")
        self._unlimited = seen.cycles, frames
        return ceil(pace(seen.ends))

    def fills(self, frames: int, period: int) -> dict[str, int]:
        """Most words in each FIFO without limits, frames `period` cycles apart."""
        seen = self.seen(dict.fromkeys(self.fifos, 0), frames, period)
        if seen is None:
            raise SimulationError(
                "the partition stops with frames that come one by one; simulate tells where"
            )
        return dict(seen.peaks)


def pace(ends: Sequence[int]) -> float:
    """Cycles a frame over the second half of some frames, from the cycles of their ends."""
    first = (len(ends) - 1) // 2
    return (ends[-1] - ends[first]) / (len(ends) - 1 - first)


def with_inserted_fifos(model: Any) -> Any:
    """The hardware part of a model with FIFOs, named and ordered as FINN's step_set_fifo_depths does."""
    with tempfile.TemporaryDirectory() as folder, finn_build_dir(Path(folder)):
        return with_all_fifos(with_own_names(specialized_layers(hardware_part(model))))


def size_fifos(
    model: Any,
    target: int | None = None,
    part: str = FPGA_PART,
    frames: int = FRAMES,
    limit: int = LIMIT,
    stage: Callable[[str], None] = lambda name: None,
    clock_ns: float = CLOCK_NS,
) -> Sizing:
    """The smallest FIFO depths with which a partition keeps its rate.

    model: with hardware layers; FIFOs that it has get new depths. target: cycles a frame that are fast
    enough; None or less than without limits: as fast as without limits. part: for the costs. frames: of a
    trial. limit: on trials. stage: called with a readable description of each stage. clock_ns: the period
    that the nodes are generated for. Every trial is in the cache, so an interrupted search goes on where it
    was. Raises ModelError, UnsupportedError or
    SimulationError naming the node that cannot be simulated.
    """
    if frames < 3:
        raise ValueError(f"frames={frames}: accepted are at least 3")
    return sized(Simulator(model, frames, part, stage, clock_ns), target, frames, limit)


def sized(simulator: Simulator, target: int | None, frames: int, limit: int) -> Sizing:
    """`size_fifos` with a compiled simulator."""
    found = lowered(simulator, target, frames, limit)
    return _sizing(simulator, found)


@dataclass(frozen=True)
class Lowered:
    """What a search found: depths, a run with them, and the fills or depths that it began with.

    unlimited, target: cycles a frame; trials, complete: see `Sizing`.
    """

    depths: Depths
    run: Seen
    fills: Mapping[str, int]
    unlimited: int
    target: int
    trials: int
    complete: bool

    @property
    def interval(self) -> int:
        """Cycles a frame in steady state."""
        return ceil(pace(self.run.ends))


def lowered(
    simulator: Simulator,
    target: int | None,
    frames: int,
    limit: int,
    start: Mapping[str, int] | None = None,
    fine: bool = True,
) -> Lowered:
    """The search of `size_fifos`.

    start: depths to begin with, which are fast enough; None: the fills. fine: each FIFO gets the smallest
    depth within FINN's cost step, by several trials, and VERIFIED times the frames have to reach the target;
    False: it gets as many words as are ever in it, and the interval is what so many frames take.
    """
    stage, costs = simulator.stage, simulator.costs
    trials, fills = 0, dict(start or {})
    for _ in range(_ROUNDS):
        stage(f"{VERIFIED * frames} frames with FIFOs without limits")
        unlimited = simulator.unlimited(VERIFIED * frames)
        goal = max(unlimited, target or 0)

        def accepts(depths: Depths, frames: int = frames, goal: int = goal) -> bool:
            nonlocal trials
            trials += 1
            sum_now = sum(costs[name](depth).weight for name, depth in depths.items())
            stage(f"trial {trials}: FIFOs of {sum_now:,} LUTs, block RAM as LUTs")
            interval = simulator.interval(depths, frames)
            return interval is not None and interval <= goal

        if start is None:
            fills = simulator.fills(frames, goal)
            first = _accepted(accepts, costs, fills)
        else:
            first = dict(start)
        ladder = {name: steps(costs[name], first[name]) for name in _dearest_first(first, costs)}
        search = Search(accepts, limit - trials)
        found = search.cheapest(first, ladder)
        stage(f"{VERIFIED * frames} frames with the depths found")
        if fine:
            interval = simulator.interval(found, VERIFIED * frames)
            if interval is not None and interval <= goal:
                found = search.smallest(found, ladder)
                stage(f"{VERIFIED * frames} frames with the smallest depths")
                run = simulator.seen(found, VERIFIED * frames)
                if run is not None and pace(run.ends) <= goal:
                    break
        else:
            run = simulator.seen(found, VERIFIED * frames)
            if run is not None:
                found = {name: min(depth, max(LEAST, run.peaks[name])) for name, depth in found.items()}
                break
        frames *= 2
    else:
        raise SimulationError(
            f"{VERIFIED * frames // 2} frames with the depths found are slower than {frames // 2}: there is "
            "no steady state"
        )
    return Lowered(found, run, fills, unlimited, goal, trials, search.complete)


def _accepted(
    accepts: Callable[[Depths], bool], costs: Mapping[str, Callable[[int], Cost]], most: Mapping[str, int]
) -> Depths:
    """Depths that hold these words, or twice as many, and so on, until they are accepted."""
    for times in (1, 2, 4, 8, 16):
        start = {name: steps(costs[name], max(LEAST, times * fill))[-1] for name, fill in most.items()}
        if accepts(start):
            return start
    raise SimulationError("no depths of the FIFOs reach the rate that the partition has without limits")


def _dearest_first(start: Depths, costs: Mapping[str, Callable[[int], Cost]]) -> list[str]:
    """FIFOs in the order of what they may save."""
    saving = {name: costs[name](depth).weight - costs[name](LEAST).weight for name, depth in start.items()}
    return sorted(start, key=lambda name: -saving[name])


def _sizing(simulator: Simulator, search: Lowered) -> Sizing:
    found = search.depths
    edges = simulator.prepared.partition.netlist.edges
    into = {edge.consumer: edge for edge in edges if edge.consumer in found}
    out_of = {edge.producer: edge for edge in edges if edge.producer in found}
    fifos = (
        FifoSize(
            name,
            into[name].producer,
            out_of[name].consumer,
            width_of(node),
            into[name].words,
            search.fills[name],
            found[name],
            simulator.costs[name](found[name]),
        )
        for name, node in simulator.fifos.items()
    )
    return Sizing(
        fifos=tuple(fifos),
        interval=search.interval,
        unlimited=search.unlimited,
        target=search.target,
        latency=search.run.latency,
        frames=len(search.run.ends),
        simulations=search.trials,
        complete=search.complete,
        part=simulator.part,
        others=simulator.others,
    )


def width_of(node: Any) -> int:
    """Bits of a FIFO's words."""
    from qonnx.custom_op.registry import getCustomOp

    return int(getCustomOp(node).get_instream_width())


def set_depths(model: Any, sizing: Sizing) -> Any:
    """A copy of a model without FIFOs whose nodes' inFIFODepths and outFIFODepths are these depths.

    FINN's InsertFIFO then inserts FIFOs of them; those on both sides of a width converter it inserts as well.
    """
    from qonnx.custom_op.registry import getCustomOp

    with_them, model = with_inserted_fifos(model), copy.deepcopy(model)
    depths = sizing.depths
    for node in model.graph.node:
        twin = with_them.get_node_from_name(node.name)
        if twin is None:
            continue
        before = [with_them.find_producer(name) for name in twin.input]
        behind = [with_them.find_consumer(name) for name in twin.output]
        with naming(node):
            inst = getCustomOp(node)
            inst.set_nodeattr("inFIFODepths", [depths.get(f.name, 2) if f else 2 for f in before])
            inst.set_nodeattr("outFIFODepths", [depths.get(f.name, 2) if f else 2 for f in behind])
    return model


def with_depths(model: Any, sizing: Sizing) -> Any:
    """The hardware part of a model with FIFOs of these depths."""
    from qonnx.custom_op.registry import getCustomOp

    part = with_inserted_fifos(model)
    for node in part.graph.node:
        if node.name in sizing.depths:
            getCustomOp(node).set_nodeattr("depth", sizing.depths[node.name])
    return part
