"""finn-plus' regression networks, as FINN builds them and with the swap.

    python benchmarks/regression.py [NAME ...] --finn-regression DIR [--out benchmarks/out/regression]
                                    [--cnv DIR] [--rtl] [--measure] [--again] [--json]

All networks of zoo/regression.py, if none is named. DIR holds finn-plus' NAME_folding.json and
NAME_specialize.json, and vivado_board.json with what Vivado and a board gave. --cnv: folder of BNN-PYNQ's
trained cnvW1A1.npz and so on; without it the CNVs have random weights, as all other networks do.

Each network goes through finn-plus' own steps at these foldings, step_convert_to_imec among them (`finn-imec
build`). Then all tensors that the graphs before and after the swap have in common are computed in Python on
one random frame, and compared. --rtl adds a simulation of the whole partition, on both sides, of networks
whose frames simulate in reasonable time; --measure has Yosys count both sides of the swapped pairs, equal
ones once. FINN's HLS nodes are simulated as behavioral models, and counted as FINN's RTL with its former LUT
core.

Of each network, NAME.json in --out says what was done so far, and is written after each stage: a stage that
is there and of this code is not run again. Exit code 1 if a tensor differs, or a network does not build.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from zoo import regression as zoo
from zoo import regression_cnv

from finn_imec.report.table import number_text, ratio_text
from finn_imec.synthesis.stamp import code_digest
from finn_imec.util.errors import ImecError

Stage = Callable[[str], None]
CLOCK_NS, BOARD = 10.0, "RFSoC2x2"
#: FINN's nodes that a build of today inserts only after the folding.
LATER = ("StreamingFIFO", "StreamingDataWidthConverter")
FRAMES = 2  # of a simulation: the second gives the interval
FIFO_DEPTH = 512
RESOURCES = {"lut": "LUT", "ff": "FF", "memory": "LUT memory", "bram18": "BRAM18", "dsp": "DSP"}


# ---- building -----------------------------------------------------------------------------------


def configured(name: str, kind: str, files: Path, folder: Path) -> Path:
    """finn-plus' configuration of a network, with today's names and without nodes of later steps."""
    renamed = zoo.NETWORKS[name].renamed
    found = {}
    for node, attributes in json.loads((files / f"{name}_{kind}.json").read_text()).items():
        op_type, _, number = node.rpartition("_")
        base = op_type.removesuffix("_hls").removesuffix("_rtl")
        if base not in LATER:
            found[f"{renamed.get(base, base)}{op_type.removeprefix(base)}_{number}" if base else node] = (
                attributes
            )
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(found))
    return path


def built(name: str, files: Path, cnv: Path | None, folder: Path, stage: Stage) -> dict[str, Any]:
    """Build a network below `folder`: settings, seconds, pairs, total, nodes of both graphs."""
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.builder import build

    recipe, model = zoo.NETWORKS[name], folder / f"{name}.onnx"
    stage("export")
    fields: dict[str, Any] = {"steps": recipe.steps}
    trained = cnv and regression_cnv.weights(name, cnv)
    if trained:
        regression_cnv.export(trained, model)
        fields = {"steps": zoo.BACK_END[1:]}
    else:
        zoo.export(name, model)
    started = time.perf_counter()
    result = build(
        model,
        {
            **{**fields, "board": BOARD, "synth_clk_period_ns": CLOCK_NS, **recipe.fields},
            "folding_config_file": str(configured(name, "folding", files, folder)),
            "specialize_layers_config_file": str(configured(name, "specialize", files, folder)),
        },
        folder / "build",
        lambda number, steps, step: stage(step),
    )
    before, after = (ModelWrapper(str(path)) for path in models(folder))
    conversion = result.conversion
    return {
        "weights": "trained" if trained else "random",
        "part": conversion.part,
        "clock_ns": CLOCK_NS,
        "seconds": {**result.seconds, "all": time.perf_counter() - started},
        "pairs": [asdict(pair) for pair in conversion.pairs],
        "total": conversion.total,
        "nodes": {"finn": op_types(before), "imec": op_types(after)},
        "cycles": cycles(before, after, conversion.pairs),
    }


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
            "in_python": [str(node) for node in run.in_python],
            "behavioral_models": [node.node for node in run.nodes if node.origin == "behavioral model"],
        }
    return sides


# ---- counting -----------------------------------------------------------------------------------


def measured(
    folder: Path, done: dict[str, Any], save: Callable[[dict[str, Any]], None], stage: Stage
) -> None:
    """Yosys' figures of both sides of each swapped pair, added to `done` one by one."""
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.builder.conversion import pairs_of
    from finn_imec.synthesis.comparison import layers_of_model

    pairs = pairs_of(done["pairs"], folder)
    if not any(pair.swapped and pair.swg for pair in pairs):
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


def counted(layer: Any, stage: Stage) -> dict[str, Any]:
    """A row of both sides; {layer, reason} where one of them cannot be counted."""
    from finn_imec.synthesis.comparison import compare_layer

    try:
        return compare_layer(layer, clock_ns=CLOCK_NS, stage=stage).as_dict()
    except ImecError as err:
        return {"layer": layer.name, "reason": str(err)}


# ---- results ------------------------------------------------------------------------------------


def measure(
    name: str, files: Path, cnv: Path | None, out: Path, rtl: bool, yosys: bool, again: bool, stage: Stage
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
    if rtl and "rtl" not in done and zoo.NETWORKS[name].rtl:
        done["rtl"] = simulated(folder, stage)
        save(done)
    if yosys:
        measured(folder, done, save, stage)
    return done


def vivado(name: str, files: Path) -> dict[str, Any] | None:
    """What Vivado and a board gave for FINN's whole design, by finn-plus."""
    path = files / "vivado_board.json"
    for entry in json.loads(path.read_text()) if path.is_file() else ():
        if entry["network"] == name or entry["model"].startswith(f"{name}_"):
            return {"synth": entry["synth"], "measured": entry.get("measured")}
    return None


def sums(result: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """{side: {resource: sum over the swapped pairs}}, by the estimates; empty if nothing was swapped."""
    total = result["total"]
    return total if total["finn"] and total["imec"] else {}


def counted_sums(result: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The same by Yosys, over the pairs that were counted."""
    rows = [row for row in result.get("rows", {}).values() if "reason" not in row]
    if not rows:
        return {}
    return {
        side: {key: sum(row[side][key] or 0 for row in rows) for key in RESOURCES}
        for side in ("finn", "imec")
    }


def show(console: Console, results: list[dict[str, Any]]) -> None:
    """A table of the networks: both sides and their ratio."""
    table = Table("network", "swapped", "", "cycles", *RESOURCES.values())
    for result in results:
        swapped = [pair for pair in result["pairs"] if pair["imecconv"]]
        first = [result["network"], f"{len(swapped)} of {len(eligible(result))}"]
        for by, figures in (("estimated", sums(result)), ("Yosys", counted_sums(result))):
            if not figures:
                continue
            for side in ("finn", "imec"):
                taken = (result.get("rtl") or {}).get(side, {}).get("cycles_per_frame")
                taken = taken or result["cycles"][side]["cycles"]
                values = [number_text(figures[side][key]) for key in RESOURCES]
                table.add_row(*(first or ["", ""]), f"{side}, {by}", number_text(taken), *values)
                first = []
            ratios = [
                ratio_text(figures["imec"][k] / figures["finn"][k] if figures["finn"][k] else None)
                for k in RESOURCES
            ]
            table.add_row("", "", "ratio", "", *ratios)
        table.add_section()
    console.print(table)
    for result in results:
        for pair in eligible(result):
            if not pair["imecconv"]:
                console.print(
                    f"{result['network']}: {pair['mvau'] or pair['swg']} stays, {pair['reason']}",
                    markup=False,
                )


def eligible(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pairs and lone units: all but the generators of pooling nodes."""
    return [pair for pair in result["pairs"] if pair["mvau"]]


def main(
    networks: Annotated[list[str] | None, typer.Argument()] = None,
    finn_regression: Annotated[Path, typer.Option(envvar="FINN_REGRESSION", exists=True)] = Path(
        "finn-regression"
    ),
    out: Path = Path(__file__).parent / "out" / "regression",
    cnv: Annotated[Path | None, typer.Option(exists=True)] = None,
    rtl: Annotated[bool, typer.Option("--rtl")] = False,
    measure_: Annotated[bool, typer.Option("--measure")] = False,
    again: Annotated[bool, typer.Option("--again")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
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
        show(Console(), results)
    if failed or any(result["python"]["different"] for result in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
