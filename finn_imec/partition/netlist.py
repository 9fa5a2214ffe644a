"""The netlist of a partition: the RTL of every node, generated and connected by its ports.

s_axis_0 -> node -> FIFO -> node -> ... -> m_axis_0        a probe at every edge

With adjustable FIFOs, their depths are one more input: the only word of the stream DEPTHS, which a run gives.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from qonnx.core.datatype import DataType

from finn_imec.baseline_rtl.patches import copy_patched
from finn_imec.compat.finn import CLOCK_NS, finn_build_dir
from finn_imec.partition.graph import before_glue, with_own_names
from finn_imec.partition.parts import IMEC, PYTHON, Part, adjustable_fifo, check_supported, make_part
from finn_imec.streams.design import PINS, Design, Probe, Stream
from finn_imec.util import cache
from finn_imec.util.errors import ModelError, UnsupportedError, require
from finn_imec.util.onnx_model import naming
from finn_imec.util.templates import render

TOP = "finn_partition"
#: The stream of the FIFOs' depths, DEPTH_BITS each, the first FIFO's in the lowest bits; 0 is no limit.
DEPTHS = "fifo_depths"
DEPTH_BITS = 32


@dataclass(frozen=True)
class Edge:
    """A stream of the partition. producer, consumer: nodes, "" at the partition's ends.

    net: its name in the netlist. width: bits of TDATA. words: per frame.
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
    """A tensor at the partition's end: shape of a frame, elements per word, QONNX datatype."""

    tensor: str
    shape: tuple[int, ...]
    elems: int
    datatype: Any


@dataclass(frozen=True)
class Cell:
    """A node and its RTL.

    streams: (port of its module, tensor). expected_cycles: FINN's or IMECConv's cycles per frame.
    first_frame_cycles: exact cycles of an IMECConv's first frame. fifo_depth: words that a StreamingFIFO
    holds by its attribute. Both are None for other nodes.
    """

    name: str
    op_type: str
    part: Part
    streams: tuple[tuple[str, str], ...]
    expected_cycles: int
    fifo_depth: int | None
    first_frame_cycles: int | None = None


@dataclass(frozen=True)
class Netlist:
    """A graph of specialized nodes as RTL in `folder`, to be compiled or synthesized.

    inputs, outputs: the ends, in the order of the design's streams. adjustable: whether the depths of the
    FIFOs are an input of the design.
    """

    folder: Path
    cells: Mapping[str, Cell]
    edges: tuple[Edge, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    adjustable: bool = False

    @classmethod
    def of(
        cls,
        model: Any,
        folder: Path,
        in_python: Collection[str] = (),
        adjustable: bool = False,
        clock_ns: float = CLOCK_NS,
    ) -> Netlist:
        """Generate the RTL of all nodes into an existing folder.

        model: specialized hardware nodes only; it is not changed. in_python: names of nodes whose values
        come from outside: their inputs are outputs of the netlist, too, and their outputs inputs. adjustable:
        the model of a FIFO in place of FINN's, cycle by cycle the same at any depth. clock_ns: the period to
        meet, which decides on registers. Raises UnsupportedError or ModelError naming the node that cannot be
        simulated or the edge that cannot be connected.
        """
        require("finn.custom_op.fpgadataflow", "finn")
        from qonnx.custom_op.registry import getCustomOp

        from finn_imec.custom_op import register

        register()
        folder = Path(folder).resolve()
        model = with_own_names(model)
        nodes = list(model.graph.node)
        insts, cells = {}, {}
        for node in nodes:
            with naming(node):
                if node.name not in in_python:
                    check_supported(node)
                insts[node.name] = getCustomOp(node)
        with finn_build_dir(folder):
            for name, inst in insts.items():
                with naming(inst.onnx_node):
                    if name in in_python:
                        cells[name] = _python_cell(inst, model, folder / name)
                    else:
                        cells[name] = _cell(inst, model, folder / name, adjustable, clock_ns)
        edges, ports = zip(*_edges(model, insts, in_python))
        (folder / "finn").mkdir()
        return cls(
            folder,
            cells,
            edges,
            inputs=tuple(port for edge, port in zip(edges, ports) if not edge.producer),
            outputs=tuple(port for edge, port in zip(edges, ports) if not edge.consumer),
            adjustable=adjustable,
        )

    @property
    def fifos(self) -> tuple[Cell, ...]:
        """The FIFOs, in the order of the graph."""
        return tuple(cell for cell in self.cells.values() if cell.fifo_depth is not None)

    def design(self) -> Design:
        """All nodes; writes the top into the folder."""
        nets = {edge.tensor: edge.net for edge in self.edges}
        drained = dict([nets[tensor] for _, tensor in fifo.streams] for fifo in self.fifos)
        design = self._design(TOP, tuple(self.cells.values()), self.edges, drained)
        if not self.adjustable:
            return design
        return replace(design, inputs=(*design.inputs, Stream(DEPTHS, DEPTH_BITS * len(self.fifos))))

    def node_design(self, name: str) -> Design:
        """One node alone with its streams as ports, for synthesis; writes its top into the folder."""
        cell = self.cells[name]
        ends = ("producer", "consumer")
        edges = tuple(
            replace(edge, **{end: "" for end in ends if getattr(edge, end) != name})
            for edge in self.edges
            if name in (edge.producer, edge.consumer)
        )
        design = self._design(f"{TOP}_{name}", (cell,), edges, drained={})
        # Synthesis sees only these files.
        stored = (path for _, files in cell.part.folders for path in _stored(files))
        return replace(design, data_files=(*design.data_files, *stored))

    def _design(
        self, top: str, cells: Sequence[Cell], edges: Sequence[Edge], drained: Mapping[str, str]
    ) -> Design:
        """A design of these cells. drained: for each FIFO, net of its input -> net of its output."""
        parts = [cell.part for cell in cells]
        finn_sources = dict.fromkeys(path for part in parts for path in part.finn_sources)
        names = copy_patched(list(finn_sources), self.folder / "finn")
        inputs = tuple(Stream(edge.net, edge.width) for edge in edges if not edge.producer)
        outputs = tuple(Stream(edge.net, edge.width) for edge in edges if not edge.consumer)
        source = self.folder / f"{top}.sv"
        source.write_text(
            render(
                Path(__file__).with_name("partition_top.sv.j2"),
                top=top,
                edges=edges,
                inputs=inputs,
                outputs=outputs,
                cells=[self._instance(cell) for cell in cells],
                depths={"name": DEPTHS, "bits": DEPTH_BITS, "count": len(self.fifos)}
                if self.adjustable
                else None,
            )
        )
        sources = dict.fromkeys(path for part in parts for path in part.sources)
        return Design(
            top=top,
            sources=(*(self.folder / "finn" / name for name in names), *sources, source),
            inputs=inputs,
            outputs=outputs,
            data_files=tuple(path for part in parts for path in part.data_files),
            probes=tuple(Probe(edge.net, drained.get(edge.net)) for edge in edges),
        )

    def _instance(self, cell: Cell) -> dict[str, Any]:
        """A cell for the top's template: module, name, parameters, and pin -> connection."""
        part, nets = cell.part, {edge.tensor: edge.net for edge in self.edges}
        pins = {f"{stream}_{pin}": f"{nets[tensor]}_{pin}" for stream, tensor in cell.streams for pin in PINS}
        for vector, finn_pins in part.vectors.items():
            pins[vector] = f"{{ {', '.join(pins.pop(pin) for pin in finn_pins)} }}"
        pins |= dict.fromkeys(part.tied, "'0")
        if self.adjustable and cell in self.fifos:
            pins["depth"] = f"Depths[{self.fifos.index(cell)}]"
        folders = {parameter: f"{_stored(files)[0].parent}/" for parameter, files in part.folders}
        return {
            "module": part.module,
            "name": cell.name,
            "parameters": {**part.parameters, **folders},
            "pins": pins,
        }


def _cell(inst: Any, model: Any, folder: Path, adjustable: bool, clock_ns: float) -> Cell:
    node = inst.onnx_node
    is_fifo = node.op_type.startswith("StreamingFIFO")
    variable = adjustable and is_fifo
    part = adjustable_fifo(inst) if variable else make_part(inst, model, folder, clock_ns)
    return Cell(
        node.name,
        node.op_type,
        part,
        tuple((pin.stream, pin.tensor) for pin in _pins(inst)),
        int(inst.get_exp_cycles()),
        inst.get_nodeattr("depth") if is_fifo else None,
        inst.modeled_cycles(inst.constant_datapath(model)) if part.origin == IMEC else None,
    )


#: Nodes that reorder a frame, which have to see all of it first.
_REORDER = ("InnerShuffle", "OuterShuffle", "Shuffle")


def _python_cell(inst: Any, model: Any, folder: Path) -> Cell:
    """A node without RTL: its streams go to the test bench and come from it, at the node's pace."""
    node = inst.onnx_node
    pins = list(_pins(inst))
    for pin in pins:
        if not (pin.port.datatype.is_integer() or pin.port.datatype == DataType["FLOAT32"]):
            raise UnsupportedError(
                f"{node.name} ({node.op_type}): {pin.port.datatype.name} in stream {pin.stream}, tensor "
                f"{pin.tensor}: accepted are integers and FLOAT32; --per-layer simulates each IMECConv alone"
            )
    ends = {pin: _end_of_python(pin, node.name) for pin in pins}
    links = [(pin, ends[pin]) if pin.side == "in" else (ends[pin], pin) for pin in pins]
    sides = [pin.side for pin in pins]
    folder.mkdir()
    source = folder / f"{node.name}_python.sv"
    source.write_text(
        render(
            Path(__file__).with_name("python_node.sv.j2"),
            module=source.stem,
            node=node.name,
            op_type=node.op_type,
            whole=node.op_type.startswith(_REORDER),
            links=[[{"name": pin.stream, "width": pin.width} for pin in link] for link in links],
            inputs=[i for i, side in enumerate(sides) if side == "in"],
            outputs=[i for i, side in enumerate(sides) if side == "out"],
            words=[pin.words for pin in pins],
        )
    )
    streams = tuple((pin.stream, pin.tensor) for link in links for pin in link)
    return Cell(
        node.name,
        node.op_type,
        Part(source.stem, PYTHON, (source,)),
        streams,
        int(inst.get_exp_cycles()),
        None,
    )


# ---- streams ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pin:
    """A stream where it enters (side "in") or leaves ("out") a node or, if node is "", the graph.

    port: the node's tensor there, whose name is not always that of the stream's tensor.
    """

    node: str
    side: str
    stream: str
    tensor: str
    width: int
    words: int
    port: Port


def _pins(inst: Any) -> Iterator[_Pin]:
    """A node's streams, from the names of its ports: in<i>_V, out<i>_V."""
    names, node = inst.get_verilog_top_module_intf_names(), inst.onnx_node
    for kind, side, tensors in (("s_axis", "in", node.input), ("m_axis", "out", node.output)):
        for stream, width in names[kind]:
            i = int(re.search(r"\d+", stream)[0])
            kinds = (f"normal_{side}put_shape", f"folded_{side}put_shape", f"{side}put_datatype")
            shape, folded, datatype = (getattr(inst, f"get_{kind}")(i) for kind in kinds)
            port = Port(tensors[i], tuple(map(int, shape)), int(folded[-1]), datatype)
            yield _Pin(node.name, side, stream, tensors[i], int(width), int(prod(folded[:-1])), port)


def _end_of_python(pin: _Pin, node: str) -> _Pin:
    """The other end of a stream of a node whose values come from outside, at the test bench."""
    side, verb = ("out", "taken") if pin.side == "in" else ("in", "given")
    return replace(pin, side=side, stream=f"{verb}_{pin.stream}", tensor=f"{pin.tensor} {verb} by {node}")


def _edges(model: Any, insts: Mapping[str, Any], in_python: Collection[str]) -> Iterator[tuple[Edge, Port]]:
    """The streams between nodes and at the ends, in graph order, with the tensor at one of their nodes."""
    tensors: dict[str, list[_Pin]] = {}
    sources = [value.name for value in model.graph.input]
    sinks = [value.name for value in model.graph.output]
    for inst in insts.values():
        with naming(inst.onnx_node):
            pins = list(_pins(inst))
        if inst.onnx_node.name in in_python:
            ends = [_end_of_python(pin, inst.onnx_node.name) for pin in pins]
            pins += ends
            sources += [pin.tensor for pin in ends if pin.side == "in"]
            sinks += [pin.tensor for pin in ends if pin.side == "out"]
        for pin in pins:
            tensors.setdefault(pin.tensor, []).append(pin)
    for tensor, pins in tensors.items():
        port = pins[0].port
        if tensor not in model.get_all_tensor_names():  # between a node in Python and the test bench
            port = replace(port, tensor=before_glue(model, port.tensor))
        # The graph's input produces a stream like a node does, and its output consumes one.
        if tensor in sources:
            pins.append(replace(pins[0], node="", side="out", stream=f"s_axis_{sources.index(tensor)}"))
        if tensor in sinks:
            pins.append(replace(pins[0], node="", side="in", stream=f"m_axis_{sinks.index(tensor)}"))
        consumer, producer = _only(tensor, pins, "in"), _only(tensor, pins, "out")
        if (producer.width, producer.words) != (consumer.width, consumer.words):
            raise ModelError(
                f"{producer.node} -> {consumer.node} (stream {tensor}): {producer.words} words of "
                f"{producer.width} bits a frame meet {consumer.words} of {consumer.width}; a "
                "StreamingDataWidthConverter is missing"
            )
        net = f"{producer.node}_{producer.stream}"
        if not producer.node:
            net = producer.stream
        elif not consumer.node:
            net = consumer.stream
        yield Edge(tensor, producer.node, consumer.node, net, producer.width, producer.words), port


def _only(tensor: str, pins: Sequence[_Pin], side: str) -> _Pin:
    """The only producer (side "out") or consumer ("in") of a stream; ModelError if not exactly one."""
    what = {"out": "producer", "in": "consumer"}[side]
    found = [pin for pin in pins if pin.side == side]
    if not found:
        raise ModelError(f"stream {tensor} is not connected to a {what}")
    if len(found) > 1:
        raise ModelError(
            f"stream {tensor} has {len(found)} {what}s: "
            f"{', '.join(pin.node or 'the end of the graph' for pin in found)}; accepted is one "
            "(FINN's DuplicateStreams makes several of a stream)"
        )
    return found[0]


def _stored(files: Sequence[Path]) -> list[Path]:
    """Copies of the files in one folder of the cache, where a cached model finds them."""
    folder = cache.store({path.name: path.read_bytes() for path in files})
    return [folder / path.name for path in files]
