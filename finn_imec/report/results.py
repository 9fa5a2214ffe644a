"""Results folders of `finn-imec demo`, `build` and `compare`, read and checked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.builder.conversion import REPORT as CONVERSION
from finn_imec.builder.conversion import Conversion, load_conversion, pairs_of
from finn_imec.builder.run import MODEL as BUILD_MODEL
from finn_imec.builder.steps import FUSE_AFTER, step_convert_to_imec
from finn_imec.layer import baseline
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.units import storage
from finn_imec.partition.load import check_not_failed
from finn_imec.synthesis.rows import FIGURES, Row
from finn_imec.synthesis.vivado import SETTINGS as VIVADO
from finn_imec.transformation.infer_imec_conv import PairReport
from finn_imec.util.errors import ModelError, require
from finn_imec.util.json_file import read_json
from finn_imec.util.onnx_model import load_onnx
from finn_imec.util.output import output_folder

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

DEMO, COMPARISON = "demo.json", "comparison.json"
#: File that identifies a results folder -> the command that writes it.
WRITTEN_BY = {
    DEMO: "finn-imec demo --output {folder}",
    CONVERSION: "finn-imec build MODEL --output {folder}",
    COMPARISON: "finn-imec compare MODEL --output {folder}",
}
#: (before the swap, after it), relative to the folder.
DEMO_MODELS = ("digits_finn.onnx", "digits_imec.onnx")
BUILD_STEPS = Path("intermediate_models")


@dataclass(frozen=True)
class LayerMemory:
    """On-chip bits of one convolution by formula, and its work per frame."""

    line_buffer: int
    replay: int
    strip: int
    weights: int
    macs: int
    macs_per_cycle: int

    @classmethod
    def of(cls, geometry: ConvGeometry, act_bits: int, weight_bits: int) -> LayerMemory:
        """For activations of act_bits and weights of weight_bits bits."""
        return cls(
            line_buffer=baseline.generator_bits(geometry, act_bits),
            replay=baseline.replay_bits(geometry, act_bits),
            strip=storage(geometry).bits(act_bits),
            weights=geometry.mw * geometry.mh * weight_bits,
            macs=geometry.macs,
            macs_per_cycle=geometry.simd * geometry.pe,
        )

    @property
    def finn(self) -> int:
        """Activation bits in FINN's pair."""
        return self.line_buffer + self.replay


@dataclass(frozen=True)
class Node:
    """A graph node as the report lists it; folding: e.g. "SIMD=4, PE=2", if it has one."""

    name: str
    op_type: str
    folding: str


@dataclass(frozen=True)
class Results:
    """The content of a results folder; None for anything that its command does not write.

    command: the one that wrote it. conversion: a build's swap, and what it saves. pairs: of a build's or a
    demo's swap. graph: rows of (nodes before the swap, nodes after it) that compute the same tensor. memory:
    by layer name. cycles: (FINN's pair, IMECConv) per frame, by layer name. accuracy: as in demo.json.
    """

    folder: Path
    command: str
    files: tuple[str, ...]
    rows: tuple[Row, ...] | None
    conversion: Conversion | None
    pairs: tuple[PairReport, ...] | None
    graph: tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...] | None
    memory: Mapping[str, LayerMemory]
    cycles: Mapping[str, tuple[int | None, int]]
    accuracy: Mapping[str, Any] | None


def load_results(folder: str | Path) -> Results:
    """Read a results folder.

    Raises ModelError naming the missing or damaged file and the command that writes it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
    marker = next((name for name in WRITTEN_BY if (folder / name).is_file()), None)
    if marker is None:
        check_not_failed(folder)
        wanted = "; ".join(f"{name} (`{_command(name, folder)}`)" for name in WRITTEN_BY)
        raise ModelError(f"{folder}: holds no results; needed is one of {wanted}")
    command = _command(marker, folder)
    rows = conversion = pairs = graph = accuracy = None
    after: ModelProto | None = None
    if marker == DEMO:
        demo = read_json(folder / DEMO, dict)
        rows = check_rows(demo.get("comparison"), folder / DEMO)
        accuracy = demo.get("accuracy")
        if "pairs" in demo:
            pairs = pairs_of(demo["pairs"], folder / DEMO)
        before, after = (_load(folder / name, command) for name in DEMO_MODELS)
        graph = align(before, after)
    elif marker == CONVERSION:
        conversion = load_conversion(folder / CONVERSION)
        pairs = conversion.pairs
        after = _load(folder / BUILD_MODEL, command)
        graph = _build_graph(folder)
    files = [marker]
    if marker != DEMO and (folder / COMPARISON).is_file():
        rows = load_rows(folder / COMPARISON)
        files = list(dict.fromkeys([marker, COMPARISON]))
        if marker == COMPARISON:
            command = _read_comparison(folder / COMPARISON).get("command", command)

    memory, cycles = {}, {}
    if after is not None:
        memory, cycles = _layers(after, pairs or ())
        _check_same_build(rows or (), memory, folder / files[-1])
    names = [row.layer for row in rows or ()]
    for row in rows or ():
        name = f"{row.layer}, {row.bits} bit" if names.count(row.layer) > 1 else row.layer
        if row.geometry is not None:
            memory[name] = LayerMemory.of(row.geometry, *row.operand_bits)
        cycles[name] = row.finn.cycles, row.imec.cycles
    return Results(folder, command, tuple(files), rows, conversion, pairs, graph, memory, cycles, accuracy)


def _command(marker: str, folder: Path) -> str:
    return WRITTEN_BY[marker].format(folder=shlex.quote(str(folder)))


# ---- JSON ---------------------------------------------------------------------------------------


def comparison_folder(folder: Path) -> AbstractContextManager[Path]:
    """output_folder for COMPARISON: a new or empty folder, or one with results or of `finn-imec vivado`."""
    marker = next((name for name in (*WRITTEN_BY, VIVADO) if (folder / name).is_file()), COMPARISON)
    return output_folder(folder, marker=Path(marker).parts[0])


def write_rows(rows: Sequence[Row], command: str, path: Path) -> None:
    """Write rows of compare() and the command that measured them."""
    content = {"command": command, "rows": [row.as_dict() for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n")


def load_rows(path: Path) -> tuple[Row, ...]:
    """Rows from a file with the output of `finn-imec compare --json`, or from --output."""
    return check_rows(_read_comparison(path).get("rows"), path)


def network_totals(path: Path) -> dict[str, tuple[int, int]]:
    """Each of FIGURES and "memory" of a whole network, (FINN, IMECConv), summed over all nodes.

    path: output of benchmarks/partition.py --resources --json, a row per side. Raises ModelError if it lacks
    the resources.
    """
    sides = read_json(path, list)
    try:
        return {
            key: tuple(
                side["convolutions"][key] + sum(node[key] for node in side["rest"].values()) for side in sides
            )
            for key in (*FIGURES, "memory")
            if key != "depth"
        }
    except (KeyError, TypeError) as err:
        raise ModelError(f"{path}: {err} is missing; expected resources of every node") from err


def toggles(path: Path, layers: int) -> tuple[int, int]:
    """Signal toggles over all layers, from benchmarks/power.py --json: (FINN, IMECConv).

    Raises ModelError if their number is not `layers`, or without toggles.
    """
    content = read_json(path, dict)
    try:
        rows = content["rows"]
        if len(rows) != layers:
            raise ModelError(f"{path}: holds {len(rows)} layers, expected {layers}")
        finn, imec = (sum(row[side]["toggles"] for row in rows) for side in ("finn", "imec"))
    except (KeyError, TypeError) as err:
        raise ModelError(f"{path}: {err} is missing; expected toggles of each layer") from err
    return finn, imec


def _read_comparison(path: Path) -> dict[str, Any]:
    content = read_json(path, (list, dict))
    return content if isinstance(content, dict) else {"rows": content}


def check_rows(rows: Any, path: Path) -> tuple[Row, ...]:
    """The rows of a file's JSON; ModelError naming file, row and entry if one is invalid."""
    if not isinstance(rows, list) or not rows:
        raise ModelError(f"{path}: holds no rows of `finn-imec compare --json`")
    try:
        return tuple(Row.from_dict(row, f"row {number}") for number, row in enumerate(rows))
    except ModelError as err:
        raise ModelError(f"{path}: {err}; write the file anew") from err


def _check_same_build(rows: Sequence[Row], memory: Mapping[str, LayerMemory], path: Path) -> None:
    """Raise ModelError if a row's layer or folding is not in the folder's model."""
    for row in rows:
        layer = memory.get(row.layer)
        if layer is None or layer.macs_per_cycle != row.simd * row.pe:
            raise ModelError(
                f"{path}: layer {row.layer} with SIMD={row.simd}, PE={row.pe} is not in the "
                f"folder's model; the file is of another run, write it anew"
            )


# ---- graphs -------------------------------------------------------------------------------------


def _load(path: Path, command: str) -> ModelProto:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; `{command}` writes it")
    return load_onnx(path, external_data=False)


def _build_graph(folder: Path) -> tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...] | None:
    """The graphs around step_convert_to_imec, if the build kept its intermediate models."""
    converted = folder / BUILD_STEPS / f"{step_convert_to_imec.__name__}.onnx"
    times = folder / "report" / "time_per_step.json"
    steps = list(read_json(times, dict)) if times.is_file() else []
    at = steps.index(converted.stem) if converted.stem in steps else 0
    before = converted.with_stem(steps[at - 1] if at else FUSE_AFTER)
    if not (converted.is_file() and before.is_file()):
        return None
    return align(_load(before, ""), _load(converted, ""))


def align(before: ModelProto, after: ModelProto) -> tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...]:
    """Rows of nodes that compute the same tensor, in the order of the graph after the swap.

    A node of `before` whose output no longer exists belongs to the row of the node it feeds.
    """
    kept = {name for node in after.graph.node for name in node.output}
    readers = {name: node for node in before.graph.node for name in node.input}
    sources: dict[str, list[Node]] = {}
    for node in before.graph.node:
        last, seen = node, set()
        while last.output[0] not in kept and last.output[0] in readers and last.name not in seen:
            seen.add(last.name)
            last = readers[last.output[0]]
        sources.setdefault(last.output[0], []).append(_node(node))
    rows = [(tuple(sources.pop(n.output[0], ())), (_node(n),)) for n in after.graph.node]
    return (*rows, *((tuple(nodes), ()) for nodes in sources.values()))


def _node(node: NodeProto) -> Node:
    attributes = {a.name: a.i for a in node.attribute if a.name in ("SIMD", "PE")}
    folding = ", ".join(f"{k}={attributes[k]}" for k in ("SIMD", "PE") if k in attributes)
    return Node(node.name, node.op_type, folding)


def _layers(
    model: ModelProto, pairs: Sequence[PairReport]
) -> tuple[dict[str, LayerMemory], dict[str, tuple[int | None, int]]]:
    """Memory and cycles of the IMECConv nodes; FINN's cycles are from the swap's report."""
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.custom_op import imec_nodes, register

    require("finn.custom_op.fpgadataflow", "finn")
    register()
    finn_cycles = {pair.imecconv: pair.pair_cycles for pair in pairs}
    memory, cycles = {}, {}
    for node in imec_nodes(model):
        inst = getCustomOp(node)
        bits = (inst.get_input_datatype(i).bitwidth() for i in (0, 1))
        memory[node.name] = LayerMemory.of(inst.geometry, *bits)
        cycles[node.name] = finn_cycles.get(node.name), inst.get_exp_cycles()
    return memory, cycles
