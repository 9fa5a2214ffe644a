"""A whole FINN dataflow partition in one Verilator model.

`hardware_part` cuts the hardware nodes out of a model, `specialized` makes RTL and HLS nodes with
width converters and FIFOs of them, `Partition` generates every node's RTL (`parts`), wires it by its
ports and compiles it, `simulate` does all of this and compares every output word with FINN's
execution in Python.

    s_axis_0 -> node -> FIFO -> node -> ... -> m_axis_0        a probe at every edge
"""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from graphlib import CycleError, TopologicalSorter
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.compat.finn import FPGA_PART, finn_build_dir
from finn_imec.partition.parts import FINN, Part, check_supported, make_part, other_inputs
from finn_imec.simulation.stimulus import Activity, Result, SimulationError, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.design import PINS, Design, Probe, Stream
from finn_imec.streams.words import decode, encode
from finn_imec.util import cache
from finn_imec.util.errors import ModelError, UnsupportedError, require
from finn_imec.util.templates import render

TOP = "finn_partition"
FINN_DOMAIN = "finn.custom_op.fpgadataflow"
#: Cycles without any handshake, beyond those that the slowest node needs for a frame: a deadlock.
_PATIENCE = 1000


class DeadlockError(SimulationError):
    """A partition in which no word moves any more; names the edges and nodes that are stuck."""


@dataclass(frozen=True)
class Edge:
    """A stream of the partition. producer, consumer: nodes, "" at the partition's ends.

    net: its name in the netlist; width: bits of TDATA; words: per frame.
    """

    tensor: str
    producer: str
    consumer: str
    net: str
    width: int
    words: int

    def __str__(self) -> str:
        return f"{self.producer or 'input'} -> {self.consumer or 'output'}"


@dataclass(frozen=True)
class Port:
    """A tensor at the partition's end: shape of a frame, as words, and its QONNX datatype."""

    tensor: str
    shape: tuple[int, ...]
    elems: int
    datatype: Any


@dataclass(frozen=True)
class NodeReport:
    """origin: whose RTL it is. expected_cycles: what FINN or IMECConv says of a frame."""

    node: str
    op_type: str
    origin: str
    expected_cycles: int


@dataclass(frozen=True)
class EdgeReport:
    """A stream and what passed in all frames. producer, consumer: nodes, "" at the ends.

    stream: its name in waveforms. blocked, starved: share of the cycles in which a word waits for
    the consumer, or the consumer for a word.
    """

    producer: str
    consumer: str
    stream: str
    words: int
    blocked: float
    starved: float


@dataclass(frozen=True)
class FifoReport:
    """depth: as the node says; peak: most words that were in it, its output register included."""

    node: str
    depth: int
    peak: int


@dataclass(frozen=True)
class Run:
    """What a partition did with `frames` frames given as fast as it takes them.

    outputs: tensor -> (frames, ...), integers. latency: cycles from the first input word offered to
    the last output word of the first frame. interval: cycles from the last word of the last but one
    frame to that of the last, None with one frame. cycles: of the whole run.
    """

    frames: int
    outputs: dict[str, np.ndarray]
    cycles: int
    latency: int
    interval: int | None
    nodes: tuple[NodeReport, ...]
    edges: tuple[EdgeReport, ...]
    fifos: tuple[FifoReport, ...]

    def frames_per_second(self, clock_ns: float) -> float | None:
        """In steady state; None with one frame."""
        return None if self.interval is None else 1e9 / (clock_ns * self.interval)

    def as_json(self, clock_ns: float) -> dict[str, Any]:
        """All but the outputs, and frames per second."""
        fields = {k: v for k, v in vars(self).items() if k != "outputs"}
        lists = {k: [asdict(each) for each in fields[k]] for k in ("nodes", "edges", "fifos")}
        per_second = self.frames_per_second(clock_ns)
        return {**fields, "clock_ns": clock_ns, "frames_per_second": per_second, **lists}


# ---- from a model to a partition -------------------------------------------------------------------


def _in_hardware(node: Any) -> bool:
    return node.domain.startswith(FINN_DOMAIN)


def hardware_part(model: Any) -> Any:
    """The hardware nodes of a model as a model of their own; others may stand before and behind.

    Raises ModelError if there are none, or one that is no hardware node stands between them.
    """
    nodes = list(model.graph.node)
    hardware = [node for node in nodes if _in_hardware(node)]
    if not hardware:
        raise ModelError("no FINN hardware layer in the model; expected a dataflow partition")
    behind = {name for node in hardware for name in node.output}
    for node in nodes:
        if set(node.input) & behind and not _in_hardware(node):
            behind.update(node.output)
    for node in hardware:
        for name in node.input:
            producer = model.find_producer(name)
            if name in behind and not _in_hardware(producer):
                raise ModelError(
                    f"{producer.name} ({producer.op_type}) stands between hardware layers; accepted "
                    "are other nodes before the first and behind the last"
                )

    made = {name for node in hardware for name in node.output}
    constants = {each.name for each in model.graph.initializer}
    used = {name for node in nodes if not _in_hardware(node) for name in node.input}
    used |= {value.name for value in model.graph.output}
    taken = [n for node in hardware for n in node.input if n not in made | constants]
    given = [n for node in hardware for n in node.output if n in used]
    part = copy.deepcopy(model)
    _replace(part.graph.node, filter(_in_hardware, part.graph.node))
    inner = (value for value in part.graph.value_info if value.name not in {*taken, *given})
    _replace(part.graph.value_info, inner)
    for values, names in ((part.graph.input, taken), (part.graph.output, given)):
        infos = map(model.get_tensor_valueinfo, dict.fromkeys(names))
        _replace(values, (info for info in infos if info is not None))
    return part


def _replace(values: Any, by: Iterable[Any]) -> None:
    """Give a repeated field of a protobuf message other elements, which may be some of its own."""
    kept = [copy.deepcopy(value) for value in by]
    del values[:]
    values.extend(kept)


def specialized(model: Any, fifo_depth: int | Mapping[str, int] = 2) -> Any:
    """FINN's RTL and HLS nodes for abstract ones, with width converters and FIFOs between them.

    FIFOs are as deep as the nodes' inFIFODepths and outFIFODepths say, and at least fifo_depth; or as
    fifo_depth says for each by its name. A model without abstract nodes is returned as it is. Raises
    ModelError with what FINN objects to.
    """
    if not any(node.domain == FINN_DOMAIN for node in model.graph.node):
        return model
    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
    from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.general import GiveUniqueNodeNames

    for transformation in (
        SpecializeLayers(FPGA_PART),
        InsertDWC(),
        InsertFIFO(create_shallow_fifos=True),
        SpecializeLayers(FPGA_PART),
        GiveUniqueNodeNames(),
    ):
        try:
            model = model.transform(transformation)
        except Exception as err:  # FINN's checks raise whatever they like
            raise ModelError(f"FINN's {type(transformation).__name__}: {err}") from err
    for fifo in model.get_nodes_by_op_type("StreamingFIFO_rtl"):
        inst = getCustomOp(fifo)
        if isinstance(fifo_depth, Mapping):
            inst.set_nodeattr("depth", fifo_depth[fifo.name])
        else:
            inst.set_nodeattr("depth", max(fifo_depth, inst.get_nodeattr("depth")))
    return model


def in_python(model: Any) -> Any:
    """The same model with abstract nodes, which FINN executes in Python."""
    model = copy.deepcopy(model)
    for node in model.graph.node:
        if _in_hardware(node):
            node.op_type = re.sub("_(rtl|hls)$", "", node.op_type)
            node.domain = FINN_DOMAIN
    return model


# ---- the model of a partition ----------------------------------------------------------------------


class Partition:
    """A graph of specialized nodes, generated and compiled.

    model: hardware nodes only, specialized; it is left as it is. folder: where to generate, an
    existing one. trace: "vcd" or "fst" if runs shall write waveforms. compiled: False for synthesis only.

    Raises UnsupportedError or ModelError naming the node that cannot be simulated, the edge that
    cannot be wired.
    """

    def __init__(self, model: Any, folder: Path, trace: str = "", compiled: bool = True) -> None:
        require("finn.custom_op.fpgadataflow", "finn")
        from qonnx.custom_op.registry import getCustomOp

        from finn_imec.custom_op import register

        register()
        folder = Path(folder).resolve()
        model = copy.deepcopy(model)
        nodes = list(model.graph.node)
        _check_names(nodes)
        for node in nodes:
            check_supported(node)
        self._insts = {node.name: getCustomOp(node) for node in nodes}
        with finn_build_dir(folder):
            parts = {name: make_part(inst, model, folder / name) for name, inst in self._insts.items()}
        self.edges = tuple(_edges(model, self._insts))
        self.inputs = tuple(self._port(edge) for edge in self.edges if not edge.producer)
        self.outputs = tuple(self._port(edge) for edge in self.edges if not edge.consumer)
        self.nodes = tuple(
            NodeReport(name, inst.onnx_node.op_type, parts[name].origin, int(inst.get_exp_cycles()))
            for name, inst in self._insts.items()
        )
        self._parts, self._folder = parts, folder
        self._finn_folder = folder / "finn"
        self._finn_folder.mkdir()
        self.design = self._design()
        self.model = build([self.design], trace=trace) if compiled else None

    def _port(self, edge: Edge) -> Port:
        inst, side = self._insts[edge.consumer or edge.producer], "in" if edge.consumer else "out"
        i = list(getattr(inst.onnx_node, f"{side}put")).index(edge.tensor)
        kinds = (f"normal_{side}put_shape", f"folded_{side}put_shape", f"{side}put_datatype")
        shape, folded, datatype = (getattr(inst, f"get_{kind}")(i) for kind in kinds)
        return Port(edge.tensor, tuple(map(int, shape)), int(folded[-1]), datatype)

    # ---- netlist --------------------------------------------------------------------------------

    def node_design(self, name: str) -> Design:
        """One node alone, its streams as ports, for synthesis. slang refuses FINN's Thresholding."""
        return self._design(name)

    def _design(self, only: str = "") -> Design:
        """RTL of all nodes or one."""
        from finn_imec.baseline_rtl.finn_pair import copy_patched

        parts = {only: self._parts[only]} if only else self._parts
        edges = self.edges
        if only:
            edges = tuple(
                replace(
                    edge,
                    **{end: "" for end in ("producer", "consumer") if getattr(edge, end) != only},
                )
                for edge in edges
                if only in (edge.producer, edge.consumer)
            )
        finn_sources = dict.fromkeys(path for part in parts.values() for path in part.finn_sources)
        names = copy_patched(list(finn_sources), self._finn_folder, None)
        inputs, outputs = (
            tuple(Stream(edge.net, edge.width) for edge in edges if not getattr(edge, end))
            for end in ("producer", "consumer")
        )
        top = f"{TOP}_{only}" if only else TOP
        source = self._folder / f"{top}.sv"
        source.write_text(
            render(
                Path(__file__).with_name("partition_top.sv.j2"),
                top=top,
                edges=edges,
                inputs=inputs,
                outputs=outputs,
                cells=[self._cell(name, part) for name, part in parts.items()],
            )
        )
        sources = dict.fromkeys(path for part in parts.values() for path in part.sources)
        files = [path for part in parts.values() for path in part.data_files]
        if only:  # for synthesis, which sees no other files
            files += [path for _, given in parts[only].folders for path in _stored(given)]
        nets = {edge.tensor: edge.net for edge in edges}
        drained = {nets[fifo.input[0]]: nets[fifo.output[0]] for fifo in self._fifos if not only}
        return Design(
            top=top,
            sources=(*(self._finn_folder / name for name in names), *sources, source),
            inputs=inputs,
            outputs=outputs,
            data_files=tuple(files),
            probes=tuple(Probe(edge.net, drained.get(edge.net)) for edge in edges),
        )

    @property
    def _fifos(self) -> list[Any]:
        nodes = [inst.onnx_node for inst in self._insts.values()]
        return [node for node in nodes if node.op_type.startswith("StreamingFIFO")]

    def _cell(self, name: str, part: Part) -> dict[str, Any]:
        """One instance: module, name, parameters, and pin -> what it is connected to."""
        node, nets = self._insts[name].onnx_node, {edge.tensor: edge.net for edge in self.edges}
        pins = {
            f"{stream}_{pin}": f"{nets[tensor]}_{pin}"
            for stream, tensor in _streams(self._insts[name])
            for pin in PINS
        }
        for vector, finn_pins in part.vectors.items():
            pins[vector] = f"{{ {', '.join(pins.pop(pin) for pin in finn_pins)} }}"
        if part.origin == FINN and node.op_type not in ("MVAU_rtl", "VVAU_rtl"):
            streams = tuple(stream for stream, _ in _streams(self._insts[name]))
            (source,) = (p for p in part.finn_sources if p.stem in (part.module, f"{part.module}_wrapper"))
            text = (self._finn_folder / source.name).read_text()
            pins |= dict.fromkeys(other_inputs(text, part.module, streams), "'0")
        parameters = dict(part.parameters)
        for parameter, files in part.folders:
            parameters[parameter] = f"{_stored(files)[0].parent}/"
        return {"module": part.module, "name": name, "parameters": parameters, "pins": pins}

    # ---- runs -----------------------------------------------------------------------------------

    def run(
        self,
        frames: Mapping[str, np.ndarray],
        waves: Path | None = None,
        waves_cycles: tuple[int, int] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Run:
        """Simulate frames, tensor -> integers (frames, ...), one after the other without a pause.

        waves, waves_cycles, progress: see `Model.run`.
        Raises DeadlockError naming the edges and nodes that are stuck, SimulationError for a broken
        rule of AXI4-Stream or words too many.
        """
        counts = {len(values) for values in frames.values()}
        if len(counts) != 1 or 0 in counts:
            raise ValueError(f"frames: {sorted(counts)} of them; expected as many for each tensor")
        (count,) = counts
        inputs = {
            stream.name: encode(frames[port.tensor], port.datatype, port.elems)
            for stream, port in zip(self.design.inputs, self.inputs, strict=True)
        }
        words = {edge.net: edge.words for edge in self.edges if not edge.consumer}
        # FINN's FMPadding gives the upper border of a frame that has not come yet.
        pads = any("Padding" in node.op_type for node in self.nodes)
        stimulus = Stimulus(
            inputs,
            {net: count * per_frame for net, per_frame in words.items()},
            timeout=_PATIENCE + max(node.expected_cycles for node in self.nodes),
            allow_extra=pads,
        )
        (result,) = self.model.run(
            [stimulus], check=False, waves=waves, waves_cycles=waves_cycles, progress=progress
        )
        self._check(result, stimulus)
        ends = np.max([result.output_cycle[net].reshape(count, -1)[:, -1] for net in words], axis=0)
        return Run(
            frames=count,
            outputs={
                port.tensor: decode(result.outputs[stream.name], port.datatype, port.elems).reshape(
                    count, *port.shape[1:]
                )
                for stream, port in zip(self.design.outputs, self.outputs, strict=True)
            },
            cycles=result.cycles,
            latency=int(ends[0]) + 1,
            interval=int(ends[-1] - ends[-2]) if count > 1 else None,
            nodes=self.nodes,
            edges=tuple(
                EdgeReport(
                    edge.producer,
                    edge.consumer,
                    edge.net,
                    seen.words,
                    seen.blocked / result.cycles,
                    seen.starved / result.cycles,
                )
                for edge, seen in self._seen(result)
            ),
            fifos=tuple(
                FifoReport(edge.consumer, self._insts[edge.consumer].get_nodeattr("depth"), seen.peak)
                for edge, seen in self._seen(result)
                if edge.consumer in {fifo.name for fifo in self._fifos}
            ),
        )

    def _seen(self, result: Result) -> list[tuple[Edge, Activity]]:
        return [(edge, result.activity[edge.net]) for edge in self.edges]

    def _check(self, result: Result, stimulus: Stimulus) -> None:
        if result.status != "complete":
            raise DeadlockError(self._explain(result))
        if result.n_violations:
            first = result.violations[0]
            raise SimulationError(f"{first.port}, cycle {first.cycle}: {first.rule}")
        extra = {name: n for name, n in result.extra.items() if n}
        if extra and not stimulus.allow_extra:
            name, n = next(iter(extra.items()))
            raise SimulationError(f"{name}: {n} words too many")

    def _explain(self, result: Result) -> str:
        """Which edges are stuck, and which nodes wait for each other in a ring or for nobody."""
        seen = self._seen(result)
        blocked = {edge.producer for edge, end in seen if end.valid and not end.ready}
        stuck: dict[tuple[str, str], str] = {}  # (who waits, for whom) -> the edge
        for edge, end in seen:
            giver, taker = edge.producer or "input", edge.consumer or "output"
            where = f"{edge} ({end.words:,} words passed)"
            if end.valid:
                stuck[giver, taker] = f"{where}: a word waits for {taker}"
            elif end.ready or edge.consumer not in blocked:
                stuck[taker, giver] = f"{where}: {taker} waits for a word"
        lines = [f"deadlock: no word moves after cycle {max(end.last for _, end in seen):,}"]
        shown = list(stuck.values())
        if ring := _ring(stuck):
            lines.append(f"these nodes wait for each other: {' -> '.join([*ring, ring[0]])}")
            shown = [stuck[pair] for pair in zip(ring, [*ring[1:], ring[0]])]
        elif idle := {whom for _, whom in stuck} - {who for who, _ in stuck} - {"input", "output"}:
            lines.append(f"these take and give nothing: {', '.join(sorted(idle))}")
        return "\n".join([*lines, *(f"  {line}" for line in shown)])


def _ring(waits: Iterable[tuple[str, str]]) -> list[str]:
    """Nodes that wait for each other, the first for the second and so on, or none."""
    graph: dict[str, set[str]] = {}
    for who, whom in waits:
        graph.setdefault(who, set()).add(whom)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        return err.args[1][:0:-1]  # the first node is there twice
    return []


def _check_names(nodes: Sequence[Any]) -> None:
    names = [node.name for node in nodes]
    for node in nodes:
        if not re.fullmatch(r"[A-Za-z_]\w*", node.name) or names.count(node.name) > 1:
            raise ModelError(
                f"node name {node.name!r} ({node.op_type}): accepted are different names of letters, "
                "digits and underscores, as QONNX' GiveUniqueNodeNames gives"
            )


def _streams(inst: Any) -> Iterator[tuple[str, str]]:
    """(stream, tensor) of a node, by the names of its ports: in<i>_V, out<i>_V."""
    names = inst.get_verilog_top_module_intf_names()
    for kind, tensors in (("s_axis", inst.onnx_node.input), ("m_axis", inst.onnx_node.output)):
        for stream, _ in names[kind]:
            yield stream, tensors[int(re.search(r"\d+", stream)[0])]


def _edges(model: Any, insts: Mapping[str, Any]) -> Iterator[Edge]:
    """The streams between the nodes, and those at the ends; in the order of the graph."""
    ends: dict[str, dict[str, list[tuple[str, str, int, int]]]] = {}
    for name, inst in insts.items():
        ports = inst.get_verilog_top_module_intf_names()
        for kind, side in (("s_axis", "in"), ("m_axis", "out")):
            tensors = inst.onnx_node.input if side == "in" else inst.onnx_node.output
            for stream, width in ports[kind]:
                i = int(re.search(r"\d+", stream)[0])
                folded = getattr(inst, f"get_folded_{side}put_shape")(i)
                sides = ends.setdefault(tensors[i], {"in": [], "out": []})
                sides[side].append((name, stream, int(width), int(prod(folded[:-1]))))
    graph_ends = {
        "in": [value.name for value in model.graph.output],
        "out": [value.name for value in model.graph.input],
    }
    for tensor, sides in ends.items():
        for side, what in (("in", "consumer"), ("out", "producer")):
            if tensor in graph_ends[side]:
                sides[side].append(("", "", *(sides["out"] or sides["in"])[0][2:]))
            found = [name or "the end of the graph" for name, *_ in sides[side]]
            if not found:
                raise ModelError(f"stream {tensor} is not connected to a {what}")
            if len(found) > 1:
                raise ModelError(
                    f"stream {tensor} has {len(found)} {what}s: {', '.join(found)}; accepted is one "
                    "(FINN's DuplicateStreams makes several of a stream)"
                )
        producer, stream, width, words = sides["out"][0]
        consumer, _, width_in, words_in = sides["in"][0]
        if (width, words) != (width_in, words_in):
            raise ModelError(
                f"{producer} -> {consumer} (stream {tensor}): {words} words of {width} bits a frame "
                f"meet {words_in} of {width_in}; a StreamingDataWidthConverter is missing"
            )
        net = f"{producer}_{stream}"
        if not producer:
            net = f"s_axis_{graph_ends['out'].index(tensor)}"
        elif not consumer:
            net = f"m_axis_{graph_ends['in'].index(tensor)}"
        yield Edge(tensor, producer, consumer, net, width, words)


def _stored(files: Sequence[Path]) -> list[Path]:
    """Copies of the files in one folder of the cache, where a cached model finds them later."""
    folder = cache.store({path.name: path.read_bytes() for path in files})
    return [folder / path.name for path in files]


# ---- all at once -----------------------------------------------------------------------------------


def simulate(
    model: Any,
    inputs: np.ndarray,
    fifo_depth: int | Mapping[str, int] = 2,
    waves: Path | None = None,
    waves_cycles: tuple[int, int] | None = None,
    stage: Callable[[str], None] = lambda name: None,
) -> tuple[Run, np.ndarray]:
    """Simulate the hardware part of a model on inputs (N, ...) of its first input, and check it.

    fifo_depth: see `specialized`. waves: file for waveforms, .vcd or .fst. waves_cycles: see `Model.run`.
    stage: told what is being done.
    Returns the run, and the model's outputs (N, ...), those of nodes for the host included.
    Raises SimulationError naming frame and output if a word differs from FINN's execution in Python.
    """
    from qonnx.core.onnx_exec import execute_onnx

    if waves is not None and waves.suffix not in (".vcd", ".fst"):
        raise UnsupportedError(f"trace {waves}: accepted are files .vcd and .fst")
    given = [v.name for v in model.graph.input if model.get_initializer(v.name) is None]
    if len(given) != 1:
        raise UnsupportedError(f"the model has {len(given)} inputs, {', '.join(given)}: accepted is one")
    stage("generating the RTL")
    with tempfile.TemporaryDirectory() as folder:
        with finn_build_dir(Path(folder)):
            part = specialized(hardware_part(model), fifo_depth)
        stage("compiling the RTL")
        partition = Partition(part, Path(folder), waves.suffix[1:] if waves else "")

    reference, contexts = in_python(model), []
    (source,), sink = given, model.graph.output[0].name
    for number, frame in enumerate(inputs, 1):
        stage(f"frame {number}/{len(inputs)} in Python")
        feed = {source: frame[np.newaxis].astype(np.float32)}
        contexts.append(execute_onnx(reference, feed, return_full_exec_context=True))

    def tensor(port: Port) -> np.ndarray:
        values = np.concatenate([np.asarray(context[port.tensor]) for context in contexts])
        return np.rint(values).astype(np.int64).reshape(len(inputs), *port.shape[1:])

    run = partition.run(
        {port.tensor: tensor(port) for port in partition.inputs},
        waves,
        waves_cycles,
        lambda cycles: stage(f"simulating, cycle {cycles:,}"),
    )
    for port in partition.outputs:
        expected = tensor(port)
        wrong = np.argwhere(run.outputs[port.tensor] != expected)
        if len(wrong):
            raise SimulationError(
                f"output {port.tensor}: {len(wrong):,} of {expected.size:,} values differ from FINN's "
                f"execution in Python, the first in frame {wrong[0][0] + 1} at {wrong[0][1:].tolist()}"
            )
    return run, np.concatenate([context[sink] for context in contexts])
