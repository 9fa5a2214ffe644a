"""A whole FINN dataflow partition in one Verilator model.

`Partition` compiles a `Netlist` and runs frames through it. `simulate` goes from a model to a checked run: it
extracts and specializes the hardware nodes (`graph`), connects them (`netlist`), compiles and runs them, and
compares every output value with FINN's execution in Python.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from qonnx.core.datatype import DataType

from finn_imec.compat.finn import CLOCK_NS, finn_build_dir
from finn_imec.layer.numbers import ROUNDING, whole_numbers
from finn_imec.partition.deadlock import DeadlockError, explain
from finn_imec.partition.exact import execute
from finn_imec.partition.graph import (
    PythonNode,
    hardware_part,
    in_python,
    rtl_part,
    specialized_layers,
    with_fifos,
    with_own_names,
)
from finn_imec.partition.netlist import DEPTH_BITS, DEPTHS, Edge, Netlist, Port
from finn_imec.partition.parts import why_no_rtl
from finn_imec.partition.run import EdgeReport, FifoReport, NodeReport, Run, interval_of
from finn_imec.simulation.stimulus import Activity, Result, SimulationError, Stall, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.words import decode, encode
from finn_imec.util.errors import UnsupportedError
from finn_imec.util.onnx_model import free_inputs

#: A deadlock is this many cycles without a handshake, plus those of the slowest node for a frame.
_PATIENCE = 1000
#: Cycles that an IMECConv may be busy beyond its model: its registers on the way in and out.
_SLACK = 16


class OutOfCyclesError(SimulationError):
    """A partition was not done after as many cycles as were allowed."""


class Partition:
    """A compiled netlist.

    trace: "vcd" or "fst" if runs are to write waveforms.
    """

    def __init__(self, netlist: Netlist, trace: str = "") -> None:
        self.netlist = netlist
        self.design = netlist.design()
        start = time.perf_counter()
        self.model = build([self.design], trace=trace)
        self.compile_s = time.perf_counter() - start

    def run(
        self,
        frames: Mapping[str, np.ndarray],
        waves: Path | None = None,
        waves_cycles: tuple[int, int] | None = None,
        progress: Callable[[int], None] | None = None,
        depths: Mapping[str, int] | None = None,
        period: int = 0,
        max_cycles: int | None = None,
    ) -> Run:
        """Simulate frames, tensor -> integers (frames, ...), back to back.

        waves, waves_cycles, progress: see `Model.run`. depths: of the FIFOs by name, if they are adjustable;
        0 is no limit. period: cycles from the first word of a frame to that of the next one, at least.
        max_cycles: of the whole run.
        Raises DeadlockError naming the stuck edges and nodes, OutOfCyclesError after max_cycles,
        SimulationError for a violation of AXI4-Stream or surplus words.
        """
        counts = {len(values) for values in frames.values()}
        if len(counts) != 1 or 0 in counts:
            raise ValueError(f"frames: {sorted(counts)} of them; expected as many for each tensor")
        (count,) = counts
        stimulus = self._stimulus(frames, count, depths or {}, period, max_cycles)
        start = time.perf_counter()
        (result,) = self.model.run(
            [stimulus], check=False, waves=waves, waves_cycles=waves_cycles, progress=progress
        )
        simulate_s = time.perf_counter() - start
        self._check(result, stimulus)
        self._check_cycles(result, count)
        return self._report(result, count, simulate_s)

    def _stimulus(
        self,
        frames: Mapping[str, np.ndarray],
        count: int,
        depths: Mapping[str, int],
        period: int,
        max_cycles: int | None,
    ) -> Stimulus:
        cells, ends = self.netlist.cells.values(), list(zip(self.design.inputs, self.netlist.inputs))
        inputs: dict[str, Any] = {
            stream.name: encode(frames[port.tensor], port.datatype, port.elems) for stream, port in ends
        }
        words = {edge.net: edge.words for edge in self.netlist.edges if not edge.producer}
        stalls = {name: Stall.duty(each, period) for name, each in words.items() if each < period}
        if self.netlist.adjustable:
            given = [depths[fifo.name] << DEPTH_BITS * i for i, fifo in enumerate(self.netlist.fifos)]
            inputs[DEPTHS] = [sum(given)]
        return Stimulus(
            inputs,
            {edge.net: count * edge.words for edge in self.netlist.edges if not edge.consumer},
            input_stall=stalls,
            timeout=_PATIENCE + max(cell.expected_cycles for cell in cells) + period,
            # FINN's FMPadding outputs the upper border of a frame before the frame arrives.
            allow_extra=any("Padding" in cell.op_type for cell in cells),
            max_cycles=max_cycles,
        )

    def _check(self, result: Result, stimulus: Stimulus) -> None:
        if result.status == "out of cycles":
            raise OutOfCyclesError(f"{result.status}: {stimulus.max_cycles:,} cycles were allowed")
        if result.status != "complete":
            raise DeadlockError(explain(self._seen(result)))
        if result.n_violations:
            first = result.violations[0]
            raise SimulationError(f"{first.port}, cycle {first.cycle}: {first.rule}")
        extra = {name: n for name, n in result.extra.items() if n}
        if extra and not stimulus.allow_extra:
            name, n = next(iter(extra.items()))
            raise SimulationError(f"{name}: {n} words too many")

    def _check_cycles(self, result: Result, count: int) -> None:
        """Raise SimulationError if an IMECConv took longer than its model, waits for others aside."""
        seen = self._seen(result)
        for cell in self.netlist.cells.values():
            if cell.first_frame_cycles is None:
                continue
            starved = sum(end.starved for edge, end in seen if edge.consumer == cell.name)
            blocked = sum(end.blocked for edge, end in seen if edge.producer == cell.name)
            busy = result.cycles - starved - blocked
            modeled = cell.first_frame_cycles + (count - 1) * cell.expected_cycles
            if busy > modeled + _SLACK:
                raise SimulationError(
                    f"{cell.name} was busy for {busy:,} cycles in {count} frames, without waits for other "
                    f"nodes; its model says {modeled:,}"
                )

    def _seen(self, result: Result) -> list[tuple[Edge, Activity]]:
        return [(edge, result.activity[edge.net]) for edge in self.netlist.edges]

    def _report(self, result: Result, count: int, simulate_s: float) -> Run:
        cells, seen = self.netlist.cells, self._seen(result)
        ends = list(zip(self.design.outputs, self.netlist.outputs, strict=True))
        # The cycle of each frame's last output word.
        last = [result.output_cycle[stream.name].reshape(count, -1)[:, -1] for stream, _ in ends]
        done = np.max(last, axis=0)
        outputs = {
            port.tensor: decode(result.outputs[stream.name], port.datatype, port.elems).reshape(
                count, *port.shape[1:]
            )
            for stream, port in ends
        }
        shares = [
            (edge, end.words, end.blocked / result.cycles, end.starved / result.cycles) for edge, end in seen
        ]
        into_fifos = ((cells[edge.consumer], end) for edge, end in seen if edge.consumer)
        return Run(
            frames=count,
            outputs=outputs,
            cycles=result.cycles,
            latency=int(done[0]) + 1,
            interval=interval_of(done.tolist()),
            nodes=tuple(
                NodeReport(cell.name, cell.op_type, cell.part.origin, cell.expected_cycles)
                for cell in cells.values()
            ),
            edges=tuple(EdgeReport(edge.producer, edge.consumer, edge.net, *rest) for edge, *rest in shares),
            fifos=tuple(
                FifoReport(cell.name, cell.fifo_depth, end.peak)
                for cell, end in into_fifos
                if cell.fifo_depth is not None
            ),
            compile_s=self.compile_s,
            simulate_s=simulate_s,
            frames_out=tuple(done.tolist()),
        )


@dataclass(frozen=True)
class Prepared:
    """The hardware part of a model, compiled, with frames and what its outputs have to be for them.

    frames: tensor -> integers (N, ...) of the partition's inputs; expected: likewise of its outputs.
    network_outputs: likewise of the model's, host nodes included. in_python: nodes without RTL.
    """

    partition: Partition
    frames: Mapping[str, np.ndarray]
    expected: Mapping[str, np.ndarray]
    network_outputs: Mapping[str, np.ndarray]
    in_python: tuple[PythonNode, ...]

    def run(self, count: int | None = None, **options: Any) -> Run:
        """Simulate `count` frames, which repeat, or all once; options: of `Partition.run`.

        Raises SimulationError naming frame and output if a word differs from FINN's execution in Python.
        """
        given = len(next(iter(self.frames.values())))
        wanted = np.arange(given if count is None else count) % given
        frames = {tensor: values[wanted] for tensor, values in self.frames.items()}
        run = self.partition.run(frames, **options)
        for tensor, values in self.expected.items():
            _check_equal(tensor, run.outputs[tensor], values[wanted])
        outputs = {name: values[wanted] for name, values in self.network_outputs.items()}
        return replace(run, in_python=self.in_python, network_outputs=outputs)


def prepare(
    model: Any,
    inputs: np.ndarray,
    fifo_depth: int | Mapping[str, int] | None = None,
    trace: str = "",
    stage: Callable[[str], None] = lambda name: None,
    adjustable: bool = False,
    clock_ns: float = CLOCK_NS,
) -> Prepared:
    """Generate and compile the hardware part of a model, and execute values (N, ...) of its first input.

    Nodes without RTL run in Python: those at the ends, and with a warning in the result those in between.
    fifo_depth: see `with_fifos`. trace: see `Partition`. adjustable, clock_ns: see `Netlist.of`. stage:
    called with a readable description of each stage.
    """
    given = free_inputs(model)
    if len(given) != 1:
        raise UnsupportedError(f"the model has {len(given)} inputs, {', '.join(given)}: accepted is one")
    stage("generating the RTL")
    with tempfile.TemporaryDirectory() as folder:
        with finn_build_dir(Path(folder)):
            part = with_own_names(specialized_layers(hardware_part(model)))
            reasons = {node.name: why for node in part.graph.node if (why := why_no_rtl(node))}
            part, no_rtl = rtl_part(part, reasons)
            part = with_fifos(part, fifo_depth)
        between = {node.node for node in no_rtl if node.place == "between"}
        netlist = Netlist.of(part, Path(folder), between, adjustable, clock_ns)
        stage("compiling the RTL")
        partition = Partition(netlist, trace)
    ports = (*netlist.inputs, *netlist.outputs)
    sinks = [value.name for value in model.graph.output]
    values = _in_python(model, given[0], inputs, {*(port.tensor for port in ports), *sinks}, stage)
    frames, expected = (
        {port.tensor: _stream_values(values[port.tensor], port) for port in side}
        for side in (netlist.inputs, netlist.outputs)
    )
    return Prepared(partition, frames, expected, {name: values[name] for name in sinks}, no_rtl)


def simulate(
    model: Any,
    inputs: np.ndarray,
    fifo_depth: int | Mapping[str, int] | None = None,
    waves: Path | None = None,
    waves_cycles: tuple[int, int] | None = None,
    stage: Callable[[str], None] = lambda name: None,
    clock_ns: float = CLOCK_NS,
) -> tuple[Run, np.ndarray]:
    """Simulate the hardware part of a model on values (N, ...) of its first input, and check it.

    Arguments and nodes without RTL: see `prepare`. waves: file for waveforms, .vcd or .fst. waves_cycles: see
    `Model.run`. Returns the run and the model's first output (N, ...), host nodes included;
    `Run.network_outputs` has all. Raises SimulationError naming frame and output if a word differs from
    FINN's execution in Python.
    """
    if waves is not None and waves.suffix not in (".vcd", ".fst"):
        raise UnsupportedError(f"trace {waves}: accepted are files .vcd and .fst")
    prepared = prepare(model, inputs, fifo_depth, waves.suffix[1:] if waves else "", stage, clock_ns=clock_ns)
    run = prepared.run(
        waves=waves,
        waves_cycles=waves_cycles,
        progress=lambda cycles: stage(f"simulating, cycle {cycles:,}"),
    )
    return run, next(iter(run.network_outputs.values()))


def _in_python(
    model: Any, source: str, inputs: np.ndarray, names: set[str], stage: Callable[[str], None]
) -> dict[str, np.ndarray]:
    """FINN's execution of inputs (N, ...): tensor -> (N, ...) for these tensors."""
    abstract = in_python(model)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for number, frame in enumerate(inputs, 1):
        stage(f"frame {number}/{len(inputs)} in Python")
        feed = {source: frame[np.newaxis].astype(np.float32)}
        context = execute(abstract, feed)
        for name, values in found.items():
            values.append(np.asarray(context[name]))
    return {name: np.concatenate(values) for name, values in found.items()}


def _stream_values(values: np.ndarray, port: Port) -> np.ndarray:
    """A tensor's values of all frames as the partition's streams carry them: integers, or float32."""
    if port.datatype == DataType["FLOAT32"]:
        return values.reshape(-1, *port.shape[1:])
    whole = whole_numbers(values, f"tensor {port.tensor}", port.datatype, ROUNDING)
    return whole.reshape(-1, *port.shape[1:])


def _check_equal(tensor: str, values: np.ndarray, expected: np.ndarray) -> None:
    wrong = np.argwhere(values != expected)
    if len(wrong):
        raise SimulationError(
            f"output {tensor}: {len(wrong):,} of {expected.size:,} values differ from FINN's "
            f"execution in Python, the first in frame {wrong[0][0] + 1} at {wrong[0][1:].tolist()}"
        )
