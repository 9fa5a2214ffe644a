"""finn-plus' regression networks, as FINN builds them and with the swap.

    python benchmarks/regression.py [NAME ...] [--finn-regression DIR] [--out benchmarks/out/regression]
                                    [--cnv DIR] [--rtl] [--measure] [--again] [--json]
    python benchmarks/regression.py --page > docs/regression.md

All networks of zoo/regression.py, if none is named. DIR, by default finn-regression in the folder that
FINN_IMEC_DATA names, holds finn-plus' NAME_folding.json and NAME_specialize.json, and vivado_board.json with
what Vivado and a board gave. --cnv, by default cnv-cifar10 in the same folder, has BNN-PYNQ's trained
cnvW1A1.npz and so on; without them the CNVs have random weights, as all other networks do.

Each network goes through finn-plus' own steps at these foldings, step_convert_to_imec among them (`finn-imec
build`). Then all tensors that the graphs before and after the swap have in common are computed in Python on
one random frame, and compared. --rtl adds a simulation of the whole partition, on both sides; --measure has
Yosys count both sides of the swapped nodes, equal ones once, and with --rtl all other nodes, with FIFOs as
deep as they were filled. FINN's HLS nodes are simulated and counted as behavioral models, but MVAU_hls and
VVAU_hls counted as FINN's RTL with its former LUT core.

Of each network, NAME.json in --out says what was done so far, and is written after each stage: a stage that
is there and of this code is not run again. --page prints the documentation's page of all that is in --out, by
default benchmarks/results/regression then, and runs nothing. Exit code 1 if a tensor differs, or a network
does not build.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from pages import markdown
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from zoo import regression as zoo
from zoo import regression_cnv

from finn_imec.report.table import number_text, ratio_text
from finn_imec.synthesis.stamp import code_digest
from finn_imec.util.errors import ImecError
from finn_imec.util.templates import render

Stage = Callable[[str], None]
RESULTS, OUT = (Path(__file__).parent / folder / "regression" for folder in ("results", "out"))
CLOCK_NS, BOARD = 10.0, "RFSoC2x2"
FRAMES = 6  # of a simulation: the last three give the interval
FIFO_DEPTH = 512
WIDTH = 100  # of the table
#: Where the environment says that data is which is not part of the repository.
DATA = Path(os.environ.get("FINN_IMEC_DATA", "."))
SIDES = ("finn", "imec")
RESOURCES = {"lut": "LUT", "ff": "FF", "memory": "LUT memory", "bram18": "BRAM18", "dsp": "DSP"}


# ---- building -----------------------------------------------------------------------------------


def configured(name: str, kind: str, files: Path, folder: Path) -> Path:
    """finn-plus' configuration of a network, with today's names and without nodes of later steps."""
    entries = json.loads((files / f"{name}_{kind}.json").read_text()).items()
    named = ((zoo.NETWORKS[name].today(node), attributes) for node, attributes in entries)
    found = {node: attributes for node, attributes in named if node}
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(found))
    return path


def built(name: str, files: Path, cnv: Path, folder: Path, stage: Stage) -> dict[str, Any]:
    """Build a network below `folder`: part, seconds of the swap, pairs, total, nodes of both graphs.

    What the steps before the swap made in an earlier run is used again.
    """
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.builder import build

    recipe, trained = zoo.NETWORKS[name], regression_cnv.weights(name, cnv)
    folded = folder / f"folded_{'trained' if trained else 'random'}.onnx"
    if recipe.folded and not folded.is_file():
        stage("graph")
        recipe.folded(files, part_of(BOARD)).save(str(folded))
    fields: dict[str, Any] = {"board": BOARD, "synth_clk_period_ns": CLOCK_NS, **recipe.fields}
    if folded.is_file():
        model, fields["steps"] = folded, [*zoo.SWAP]
    else:
        model, fields["steps"] = folder / f"{name}.onnx", recipe.steps
        fields["folding_config_file"] = str(configured(name, "folding", files, folder))
        fields["specialize_layers_config_file"] = str(configured(name, "specialize", files, folder))
        stage("export")
        if trained:
            regression_cnv.export(trained, model)
            fields["steps"] = [*zoo.BACK_END[1:]]
        else:
            zoo.export(name, model)
    result = build(model, fields, folder / "build", lambda number, steps, step: stage(step))
    if model != folded:
        shutil.copy(models(folder)[0].with_name("step_apply_folding_config.onnx"), folded)
    before, after = (ModelWrapper(str(path)) for path in models(folder))
    conversion = result.conversion
    return {
        "weights": "trained" if trained else "random",
        "part": conversion.part,
        "clock_ns": CLOCK_NS,
        "swap_s": result.seconds["step_convert_to_imec"],
        "pairs": [asdict(pair) for pair in conversion.pairs],
        "total": conversion.total,
        "nodes": {"finn": op_types(before), "imec": op_types(after)},
        "cycles": cycles(before, after, conversion.pairs),
    }


def part_of(board: str) -> str:
    """The FPGA of a board, by FINN's name."""
    from finn.util.basic import part_map

    return str(part_map[board])


def models(folder: Path) -> tuple[Path, Path]:
    """The graphs before and after the swap."""
    build = folder / "build"
    return build / "intermediate_models" / "step_minimize_bit_width.onnx", build / "model.onnx"


def op_types(model: Any) -> dict[str, int]:
    """How many nodes of each kind a graph has."""
    types = [node.op_type for node in model.graph.node]
    return {kind: types.count(kind) for kind in sorted(set(types))}


def cycles(before: Any, after: Any, pairs: Any) -> dict[str, dict[str, Any]]:
    """{side: cycles per frame and name of the slowest node}, by FINN's estimates, pairs by their model."""
    from qonnx.custom_op.registry import getCustomOp

    taken = {
        side: {node.name: int(getCustomOp(node).get_exp_cycles()) for node in model.graph.node}
        for side, model in (("finn", before), ("imec", after))
    }
    taken["finn"] |= {pair.mvau: pair.pair_cycles for pair in pairs if pair.swapped}
    slowest = {side: max(nodes, key=nodes.get) for side, nodes in taken.items()}
    return {side: {"node": name, "cycles": taken[side][name]} for side, name in slowest.items()}


# ---- checking -----------------------------------------------------------------------------------


def compared(folder: Path, stage: Stage) -> dict[str, Any]:
    """Both graphs in Python on one random frame: tensors and values in common, and those that differ."""
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.partition import in_python
    from finn_imec.partition.exact import execute
    from finn_imec.partition.frames import random_frames

    contexts = []
    for path in models(folder):
        model = ModelWrapper(str(path))
        stage(f"{len(model.graph.node)} nodes in Python")
        frame = random_frames(model, 1).astype(np.float32)
        made = [name for node in model.graph.node for name in node.output]
        context = execute(in_python(model), {model.graph.input[0].name: frame})
        contexts.append({name: context[name] for name in made})
    before, after = contexts
    common = [name for name in before if name in after]
    wrong = [name for name in common if not np.array_equal(before[name], after[name])]
    return {
        "tensors": len(common),
        "values": sum(before[name].size for name in common),
        "distinct": min((len(np.unique(before[name])) for name in common[:-1]), default=0),
        "different": wrong,
    }


def simulated(folder: Path, stage: Stage) -> dict[str, Any]:
    """Both graphs in one RTL simulation each: {side: cycles per frame, latency, words in FIFOs}."""
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.partition import simulate
    from finn_imec.partition.frames import random_frames

    sides = {}
    for side, path in zip(("finn", "imec"), models(folder), strict=True):
        model = ModelWrapper(str(path))
        run, _ = simulate(
            model,
            random_frames(model, FRAMES),
            FIFO_DEPTH,
            stage=lambda what, side=side: stage(f"{side}, {what}"),
        )
        sides[side] = {
            "cycles_per_frame": run.interval,
            "latency": run.latency,
            "fifo_words": sum(fifo.peak for fifo in run.fifos),
            "fifo_depths": {fifo.node: max(2, fifo.peak) for fifo in run.fifos},
            "in_python": [str(node) for node in run.in_python],
            "behavioral_models": [node.node for node in run.nodes if node.origin == "behavioral model"],
        }
    return sides


# ---- counting -----------------------------------------------------------------------------------


def measured(
    folder: Path, done: dict[str, Any], save: Callable[[dict[str, Any]], None], stage: Stage
) -> None:
    """Yosys' figures of both sides of each swapped pair or MVAU alone, added to `done` one by one."""
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.builder.conversion import pairs_of
    from finn_imec.synthesis.comparison import layers_of_model

    pairs = pairs_of(done["pairs"], folder)
    if not any(pair.swapped for pair in pairs):
        return
    rows, same = done.setdefault("rows", {}), {}
    layers = layers_of_model(ModelWrapper(str(models(folder)[1])), pairs, as_built=True)
    for number, layer in enumerate(layers, 1):
        weights = layer.weights.shape, layer.weights.min(), layer.weights.max()
        thresholds = layer.thresholds is not None and layer.thresholds.shape
        key = repr((replace(layer, name="", weights=None, thresholds=None), weights, thresholds))
        if layer.name not in rows:
            at = f"{number}/{len(layers)}"
            if key not in same:
                row = counted(layer, lambda what, at=at: stage(f"{at}, {what}"))
            else:
                row = rows[same[key]] | {"layer": layer.name}
            rows[layer.name] = row
            save(done)
        same.setdefault(key, layer.name)


def rest_counted(
    folder: Path, done: dict[str, Any], save: Callable[[dict[str, Any]], None], stage: Stage
) -> None:
    """Yosys' figures of all nodes of both graphs that are not in `rows`, added to `done` one by one.

    FIFOs are as deep as they were filled in the simulation. HLS nodes are behavioral models on both sides.
    """
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.compat.finn import finn_build_dir
    from finn_imec.partition import Netlist
    from finn_imec.partition.graph import hardware_part, rtl_part, specialized_layers, with_fifos
    from finn_imec.partition.parts import why_no_rtl

    for side, path in zip(SIDES, models(folder), strict=True):
        rest = done.setdefault("rest", {}).setdefault(side, {})
        with tempfile.TemporaryDirectory() as scratch, finn_build_dir(Path(scratch)):
            part = specialized_layers(hardware_part(ModelWrapper(str(path))))
            reasons = {node.name: why for node in part.graph.node if (why := why_no_rtl(node))}
            part, no_rtl = rtl_part(part, reasons)
            part = with_fifos(part, done["rtl"][side]["fifo_depths"])
            between = {node.node for node in no_rtl if node.place == "between"}
            netlist = Netlist.of(part, Path(scratch), between, clock_ns=CLOCK_NS)
            others = [name for name in netlist.cells if name not in in_rows(part, done) | between]
            for number, name in enumerate(others, 1):
                if name not in rest:
                    stage(f"{side}, {number}/{len(others)}, {name} in Yosys")
                    rest[name] = node_figures(netlist, name)
                    save(done)


def in_rows(part: Any, done: Mapping[str, Any]) -> set[str]:
    """Nodes of a graph that a row counts: IMECConv nodes, or what each replaced with the FIFOs in between."""
    swapped = [pair for pair in done["pairs"] if pair["imecconv"] in counted_names(done)]
    names = {pair["imecconv"] for pair in swapped}
    for pair in swapped:
        of_pair = {pair[key] for key in ("fmpadding", "swg", "mvau", "thresholding")}
        names |= of_pair
        for node in part.graph.node:
            ends = (part.find_producer(node.input[0]), part.find_consumer(node.output[0]))
            if node.op_type.startswith(zoo.LATER) and all(_reaches(part, end, of_pair) for end in ends):
                names.add(node.name)
    return names


def _reaches(part: Any, node: Any, names: set[str]) -> bool:
    """True if from a node FIFOs and width converters alone, if any, lead to these in both directions."""
    forth, back = node, node
    while forth is not None and forth.op_type.startswith(zoo.LATER):
        forth = part.find_consumer(forth.output[0])
    while back is not None and back.op_type.startswith(zoo.LATER):
        back = part.find_producer(back.input[0])
    return all(end is not None and end.name in names for end in (forth, back))


def node_figures(netlist: Any, name: str) -> dict[str, Any]:
    """Of one node: its resources and origin; origin and reason where Yosys does not read it."""
    from finn_imec.synthesis.yosys import SynthesisError, count

    origin = netlist.cells[name].part.origin
    try:
        figures = count(netlist.node_design(name), flows=("default",))
    except SynthesisError as err:
        return {"origin": origin, "reason": str(err).partition("; log:")[0]}
    figures["memory"] = figures["lutram"] + figures["srl"]
    return {key: figures[key] for key in RESOURCES} | {"origin": origin}


def counted(layer: Any, stage: Stage) -> dict[str, Any]:
    """A row of both sides; {layer, reason} where one of them cannot be counted."""
    from finn_imec.synthesis.comparison import compare_layer

    try:
        return compare_layer(layer, clock_ns=CLOCK_NS, stage=stage).as_dict()
    except ImecError as err:
        return {"layer": layer.name, "reason": str(err)}


# ---- results ------------------------------------------------------------------------------------


def measure(
    name: str, files: Path, cnv: Path, out: Path, rtl: bool, yosys: bool, again: bool, stage: Stage
) -> dict[str, Any]:
    """What NAME.json says after all stages that are asked for."""
    path, folder = out / f"{name}.json", out / "builds" / name
    code = code_digest()
    known = json.loads(path.read_text()) if path.is_file() and not again else {}
    done: dict[str, Any] = known if known.get("code") == code else {"network": name, "code": code}

    def save(result: Mapping[str, Any]) -> None:
        scratch = path.with_suffix(".part")
        scratch.write_text(json.dumps(result, indent=1) + "\n")
        os.replace(scratch, path)

    if "pairs" not in done or not models(folder)[1].is_file():
        folder.mkdir(parents=True, exist_ok=True)
        done |= built(name, files, cnv, folder, stage)
        done["vivado"] = vivado(name, files)
        save(done)
    if "python" not in done:
        done["python"] = compared(folder, stage)
        save(done)
    if rtl and "rtl" not in done:
        done["rtl"] = simulated(folder, stage)
        save(done)
    if yosys:
        measured(folder, done, save, stage)
        if "rtl" in done:
            rest_counted(folder, done, save, stage)
    return done


def vivado(name: str, files: Path) -> dict[str, Any] | None:
    """What Vivado and a board gave for FINN's whole design, by finn-plus."""
    path = files / "vivado_board.json"
    for entry in json.loads(path.read_text()) if path.is_file() else ():
        if entry["network"] == name or entry["model"].startswith(f"{name}_"):
            return {"synth": entry["synth"], "measured": entry.get("measured")}
    return None


def sides_of(result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, int]]]:
    """{by: {side: {resource: sum over the swapped nodes}}}: by the estimates, and by Yosys where counted."""
    found, total = {}, result["total"]
    if total["finn"] and total["imec"]:
        found["estimated"] = {side: {key: total[side][key] for key in RESOURCES} for side in SIDES}
    if rows := counted_rows(result):
        found["Yosys"] = {
            side: {key: sum(row[side][key] or 0 for row in rows) for key in RESOURCES} for side in SIDES
        }
    return found


def counted_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Yosys' rows of swapped nodes, of those of which both sides are counted."""
    return [row for row in result.get("rows", {}).values() if "reason" not in row]


def counted_names(result: Mapping[str, Any]) -> set[str]:
    """The IMECConv nodes of these rows."""
    return {row["layer"] for row in counted_rows(result)}


def partition_of(result: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """{side: sums of the complete partition, LUTs of its behavioral models, nodes that Yosys does not read}.

    None if it is not counted.
    """
    swapped = {pair["imecconv"] for pair in result["pairs"] if pair["imecconv"]}
    if "rest" not in result or swapped - counted_names(result):
        return None
    found = {}
    for side in SIDES:
        rest = result["rest"][side].values()
        counted = [node for node in rest if "reason" not in node]
        nodes = [*counted, *(row[side] for row in counted_rows(result))]
        found[side] = {key: sum(node[key] or 0 for node in nodes) for key in RESOURCES} | {
            "behavioral": sum(node["lut"] for node in counted if node["origin"] == "behavioral model"),
            "unread": [name for name, node in result["rest"][side].items() if "reason" in node],
        }
    return found


def cycles_of(result: Mapping[str, Any]) -> dict[str, int]:
    """{side: cycles per frame}: simulated, or of the slowest node."""
    simulated = result.get("rtl", {})
    return {
        side: simulated[side]["cycles_per_frame"] if simulated else result["cycles"][side]["cycles"]
        for side in SIDES
    }


def why_nodes_stay(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """Reason -> the MVAUs, VVAUs and Thresholdings that stay for it, figures in reasons left out."""
    found: dict[str, list[str]] = {}
    for pair in eligible(result):
        reason, node = pair["reason"], pair["mvau"]
        if pair["thresholding_reason"]:
            reason, node = pair["thresholding_reason"], f"the Thresholding behind {pair['mvau']}"
        if reason:
            found.setdefault(reason.partition(": ")[0], []).append(node)
    return found


def show(console: Console, results: list[dict[str, Any]]) -> None:
    """A table of the networks: both sides and their ratio; then what stays."""
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("network", "swapped", "", "cycles", *RESOURCES.values()):
        table.add_column(title, no_wrap=True)
    for result in results:
        swapped = [pair for pair in eligible(result) if pair["imecconv"]]
        first, taken = [result["network"], f"{len(swapped)} of {len(eligible(result))}"], cycles_of(result)
        for by, figures in sides_of(result).items():
            for side in SIDES:
                values = [number_text(figures[side][key]) for key in RESOURCES]
                table.add_row(*(first or ["", ""]), f"{side}, {by}", number_text(taken[side]), *values)
                first = []
            ratios = [ratio(figures, key) for key in RESOURCES]
            table.add_row("", "", "ratio", f"{taken['imec'] / taken['finn']:.3f}", *ratios)
        table.add_section()
    console.print(table)
    for result in results:
        for reason, nodes in why_nodes_stay(result).items():
            console.print(f"{result['network']}: {', '.join(nodes)}: {reason}", highlight=False, markup=False)


def ratio(figures: Mapping[str, Mapping[str, int]], key: str) -> str:
    """IMECConv's over FINN's, as a text."""
    return ratio_text(ratio_of(figures, key) if figures["finn"][key] else None)


def ratio_of(figures: Mapping[str, Mapping[str, int]], key: str) -> float:
    """IMECConv's over FINN's."""
    return figures["imec"][key] / figures["finn"][key]


# ---- the page -----------------------------------------------------------------------------------


def load(folder: Path) -> list[dict[str, Any]]:
    """The results in a folder, in the order of zoo.NETWORKS."""
    paths = (folder / f"{name}.json" for name in zoo.NETWORKS)
    return [json.loads(path.read_text()) for path in paths if path.is_file()]


def page(results: list[dict[str, Any]]) -> str:
    """docs/regression.md."""
    return render(
        Path(__file__).with_suffix(".md.j2"),
        clock=f"{CLOCK_NS:g} ns",
        board=BOARD,
        swapped=swapped_table(results, "estimated"),
        counted=swapped_table(results, "Yosys"),
        complete=partition_table(results),
        vivado=vivado_table(results),
        checked=checked_table(results),
        stays=[
            (result["network"], reason, listed(nodes))
            for result in results
            for reason, nodes in why_nodes_stay(result).items()
        ],
        heavy=[(result["network"], nodes) for result in results if (nodes := heaviest(result))],
        refolded=[
            (result["network"], len(pairs), len(eligible(result)))
            for result in results
            if (pairs := [pair for pair in eligible(result) if pair["imecconv"] and pair["refolded"]])
        ],
    )


def heaviest(result: Mapping[str, Any], most: float = 0.5, count: int = 3) -> list[str]:
    """The nodes with the most LUTs, FINN's / IMECConv's, if the swap leaves more than this part of them."""
    if ratio_of(sides_of(result)["estimated"], "lut") <= most:
        return []
    swapped = sorted(
        (pair for pair in eligible(result) if pair["imecconv"]), key=lambda pair: -pair["imec"]["lut"]
    )
    return [
        f"`{pair['mvau']}` {number_text(pair['finn']['lut'])} / {number_text(pair['imec']['lut'])}"
        for pair in swapped[:count]
    ]


def listed(nodes: list[str]) -> str:
    """The first few of some names."""
    few = ", ".join(f"`{node}`" if " " not in node else node for node in nodes[:3])
    return few if len(nodes) <= 3 else f"{few} and {len(nodes) - 3} more"


def swapped_table(results: list[dict[str, Any]], by: str) -> str:
    """A row per network: swapped nodes, cycles, resources of both sides, their ratio; empty without any."""
    rows = []
    for result in results:
        if by not in (found := sides_of(result)):
            continue
        figures, taken = found[by], cycles_of(result)
        swapped = sum(bool(pair["imecconv"]) for pair in eligible(result))
        nodes = (
            (swapped, len(eligible(result))) if by == "estimated" else (len(counted_rows(result)), swapped)
        )
        cells = [result["network"], "{} of {}".format(*nodes)]
        cells.append(f"{number_text(taken['finn'])} / {number_text(taken['imec'])}")
        for key in RESOURCES:
            both = " / ".join(number_text(figures[side][key]) for side in SIDES)
            cells.append(f"{both} ({ratio(figures, key)})" if figures["finn"][key] else both)
        rows.append(cells)
    nodes = "swapped" if by == "estimated" else "counted"
    return markdown(["network", nodes, "cycles", *RESOURCES.values()], rows) if rows else ""


def partition_table(results: list[dict[str, Any]]) -> str:
    """A row per network whose complete partition is counted; empty without any."""
    rows = []
    for result in results:
        if (sides := partition_of(result)) is None:
            continue
        cells = [result["network"]]
        for key in RESOURCES:
            both = " / ".join(number_text(sides[side][key]) for side in SIDES)
            cells.append(f"{both} ({ratio(sides, key)})" if sides["finn"][key] else both)
        cells.append(" / ".join(number_text(sides[side]["behavioral"]) for side in SIDES))
        cells.append(
            ", ".join(dict.fromkeys(name for side in SIDES for name in sides[side]["unread"])) or "none"
        )
        rows.append(cells)
    header = ["network", *RESOURCES.values(), "LUTs in behavioral models", "not read by Yosys"]
    return markdown(header, rows) if rows else ""


def vivado_table(results: list[dict[str, Any]]) -> str:
    """A row per network that Vivado has implemented: its figure, and that of the nodes that are swapped."""
    rows = []
    for result in results:
        if not result["vivado"]:
            continue
        synth, board = result["vivado"]["synth"], result["vivado"]["measured"]
        whole = [synth[key] for key in ("LUT", "FF", "SRL")]
        whole += [synth["BRAM_18K"] + 2 * synth["BRAM_36K"], synth["DSP"]]
        ours = sides_of(result)["estimated"]["finn"].values()
        cells = [" / ".join(map(number_text, both)) for both in zip(whole, ours, strict=True)]
        frame = (board or {}).get("interval_cycles"), cycles_of(result)["finn"]
        complete = (partition_of(result) or {}).get("finn", {}).get("lut")
        rows.append([result["network"], *cells, " / ".join(map(number_text, frame)), number_text(complete)])
    header = ["network", "LUT", "FF", "SRL / LUT memory", "BRAM18", "DSP", "cycles"]
    return markdown([*header, "LUT of the partition, Yosys"], rows)


def checked_table(results: list[dict[str, Any]]) -> str:
    """A row per network: what was compared, and how long the build and the swap in it took."""
    rows = []
    for result in results:
        python, simulated = result["python"], result.get("rtl")
        equal = "all" if not python["different"] else f"all but {len(python['different'])} tensors"
        values = f"{python['tensors']}, {number_text(python['values'])}"
        cells = [result["network"], result["weights"], values, str(python["distinct"]), equal]
        cells.append(f"{FRAMES} frames, every word equal" if simulated else "not run")
        cells.append(f"{result['swap_s']:.1f} s")
        rows.append(cells)
    header = ["network", "weights", "tensors, values", "fewest different values of a tensor", "equal"]
    header += ["whole partition in RTL", "swap"]
    return markdown(header, rows)


def eligible(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pairs and lone units: all but the generators of pooling nodes."""
    return [pair for pair in result["pairs"] if pair["mvau"]]


def main(
    networks: Annotated[list[str] | None, typer.Argument()] = None,
    finn_regression: Path = DATA / "finn-regression",
    out: Path | None = None,
    cnv: Path = DATA / "cnv-cifar10",
    rtl: Annotated[bool, typer.Option("--rtl")] = False,
    measure_: Annotated[bool, typer.Option("--measure")] = False,
    again: Annotated[bool, typer.Option("--again")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    page_: Annotated[bool, typer.Option("--page")] = False,
) -> None:
    if page_:
        print(page(load(out or RESULTS)), end="")
        return
    out = out or OUT
    log = Console(stderr=True)
    results, failed = [], []
    names = networks or list(zoo.NETWORKS)
    if unknown := set(names) - set(zoo.NETWORKS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: accepted are {', '.join(zoo.NETWORKS)}")
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Brevitas, torch and FINN, about parts of theirs

            def stage(what: str, name: str = name) -> None:
                log.print(f"{name}: {what}", highlight=False, markup=False)

            try:
                results.append(measure(name, finn_regression, cnv, out, rtl, measure_, again, stage))
            except ImecError as err:
                failed.append(name)
                log.print(f"{name} failed: {err}", highlight=False, markup=False)
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        console = Console()
        console.width = max(console.width, WIDTH)
        show(console, results)
    if failed or any(result["python"]["different"] for result in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
