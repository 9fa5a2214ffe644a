"""Networks through FINN's builder with the swap, every output compared.

    python benchmarks/networks.py [digits] [mobilenet] [resnet] [cnv4] [cnv8] [espcn] [--images 20]
                                  [--epochs N] [--target-fps 100000] [--partition] [--resources]
                                  [--png espcn.png] [--json]

All, if none is named. digits, mobilenet, resnet, and Brevitas' CNV at 4 and 8 bits are trained on
scikit-learn's digits; espcn is the trained super-resolution network that qonnx brings, on a photo that
scikit-learn brings. Each is lowered to FINN's hardware layers and built, the first three with FINN's
folding for the target.

The images go through the network itself (Brevitas; espcn: its QONNX graph in double precision, since
float32 rounds a few values to the other side), through FINN's graph before the swap, and through the graph
after it, in Python. Then the first --images go through the RTL of every IMECConv, node by node, every word of
each compared with plain convolution, and, of the small networks, through the C++ of every IMECConv that
imec.hpp takes.

--partition adds the whole network in one RTL simulation, with FINN's pairs and with IMECConv; and again
with FIFOs only as deep as they were filled.
--resources adds Yosys' figures of all convolutions, both sides at IMECConv's folding, and their sums; with
--partition also of everything else: FIFOs of these depths, and all other nodes. FINN's HLS-only nodes are
counted as their RTL models, the same on both sides. espcn writes what the RTL makes of the photo to --png.

Prints a line per network and one per pair. Exit code 1 if an output after the swap differs from FINN's
graph before it. That graph itself, lowered by FINN in float32, differs from cnv8 as trained in the last
digits of its logits.
"""

from __future__ import annotations

import copy
import importlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from finn_imec.report.table import COLUMNS, comparison_table, number_text
from finn_imec.synthesis.rows import FIGURES, SIDES, Row, totals
from finn_imec.synthesis.stamp import code_digest

SMALL = ("digits", "mobilenet", "resnet")
CNV_BITS = {"cnv4": 4, "cnv8": 8}
ESPCN = "espcn"
NETWORKS = (*SMALL, *CNV_BITS, ESPCN)
#: Images of CNV that go through FINN's graphs in Python, at some seconds each.
CNV_IMAGES = 4
FRAMES = 2  # of the whole partition: the second gives the interval
FIFO_DEPTH = 512


@dataclass(frozen=True)
class Network:
    """A network as QONNX file, with images uint8 (N, H, W, C) and its own outputs (N, ...) on them.

    labels: (N,), or None. folding: of the MVAUs, (SIMD, PE); None: FINN folds to the target.
    in_python: how many images go through FINN's graphs.
    """

    qonnx: Path
    images: np.ndarray
    outputs: np.ndarray
    labels: np.ndarray | None
    folding: dict[int, tuple[int, int]] | None
    in_python: int


def load(name: str, epochs: int | None, folder: Path) -> Network:
    """One of NETWORKS, trained unless it comes trained; its file below `folder`."""
    path = folder / "qonnx.onnx"
    if name == ESPCN:
        return load_espcn(path)
    from finn_imec.networks import training

    options = {} if epochs is None else {"epochs": epochs}
    if name in CNV_BITS:
        from zoo import cnv_brevitas

        trained = cnv_brevitas.train(CNV_BITS[name], **options)
        folding, in_python = cnv_brevitas.FOLDING, CNV_IMAGES
    else:
        trained = importlib.import_module(f"finn_imec.networks.{name}").train(**options)
        folding, in_python = None, len(trained.x_test)
    logits = training.logits(trained.model, trained.x_test)
    training.export_qonnx(trained, path)
    return Network(path, trained.x_test, logits, trained.y_test, folding, in_python)


def load_espcn(path: Path) -> Network:
    """ESPCN and its photo."""
    from zoo import espcn

    model = espcn.load()
    model.save(str(path))
    photo, _ = espcn.photo()
    outputs = espcn.exact(model, photo)[np.newaxis]
    return Network(path, photo[np.newaxis], outputs, None, espcn.FOLDING, in_python=1)


def measure(
    name: str,
    images: int,
    epochs: int | None,
    target_fps: int,
    folder: Path,
    partition: bool,
    resources: bool,
    png: Path,
) -> dict[str, Any]:
    """All figures of one network, as --json prints them; `folder` is for intermediate files."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.builder import build
    from finn_imec.compat.finn import CLOCK_NS
    from finn_imec.networks import lowering
    from finn_imec.partition import in_python
    from finn_imec.partition.network import prepare_network, run_network

    network = load(name, epochs, folder)
    hardware = lowering.to_hardware(ModelWrapper(str(network.qonnx)))
    config = {"start_step": "step_create_dataflow_partition", "synth_clk_period_ns": CLOCK_NS}
    if network.folding is None:
        config["target_fps"] = target_fps
    else:
        hardware = lowering.fold(hardware, network.folding)
    hardware.save(str(folder / "hardware.onnx"))
    built = build(folder / "hardware.onnx", config, folder / "build")
    before = built.output_dir / "intermediate_models" / "step_minimize_bit_width.onnx"
    models = {"finn": ModelWrapper(str(before)), "imec": ModelWrapper(str(built.model))}
    slowest = {
        side: max(int(getCustomOp(node).get_exp_cycles()) for node in model.graph.node)
        for side, model in models.items()
    }

    result: dict[str, Any] = {"network": name}
    x = network.images[: network.in_python]
    outputs = {}
    for side, model in models.items():
        models[side] = in_python(model)
        outputs[side] = lowering.execute(models[side], x)
    if name in SMALL:
        compiled = in_cppsim(models["imec"], folder / "cpp")
        outputs["cppsim"] = lowering.execute(compiled, x[:images])
    (folder / "rtl").mkdir()
    model = prepare_network(models["imec"], folder / "rtl")
    outputs["rtl"], result["layers"] = run_network(model, x[:images])

    host, step = after_hardware(hardware)
    outputs = {side: lowering.execute(host, values) for side, values in outputs.items()}
    result["sides"] = {
        side: compare_outputs(values, outputs["finn"], network, step)
        for side, values in {"network": network.outputs, **outputs}.items()
    }
    result["code"] = code_digest()
    result["slowest_layer_cycles"] = slowest
    result["pairs"] = [vars(pair) for pair in built.pairs]
    if name == ESPCN:
        result["photo"] = save_photo(outputs["rtl"][0], network.outputs[0], png)
    if partition:
        frames = np.resize(network.images, (FRAMES, *network.images.shape[1:]))
        result["partition"] = in_one_simulation(models["finn"], frames)
    if resources:
        result["resources"] = count_resources(models["imec"])
    if partition and resources:
        depths = {side: run["fifo_depths"] for side, run in result["partition"].items()}
        result["rest"] = count_rest(models["finn"], depths)
    return result


def compare_outputs(values: np.ndarray, finn: np.ndarray, network: Network, step: float) -> dict[str, Any]:
    """Outputs of the first images beside FINN's graph and the network's own, equal within half a step."""

    def equal_to(others: np.ndarray) -> int:
        count = min(len(values), len(others))
        equal = np.rint((values[:count] - others[:count]) / step) == 0
        return int(equal.reshape(count, -1).all(axis=1).sum())

    accuracy = None
    if network.labels is not None:
        right = values.reshape(len(values), -1).argmax(axis=1) == network.labels[: len(values)]
        accuracy = float(right.mean())
    return {
        "images": len(values),
        "accuracy": accuracy,
        "equal_to_finn": equal_to(finn),
        "equal_to_network": equal_to(network.outputs),
    }


def after_hardware(model: Any) -> tuple[Any, float]:
    """The nodes after a lowered model's hardware layers, and the scale of the hardware's integers.

    Raises ValueError if the host does more than to scale, shift and move values.
    """
    from finn_imec.networks.lowering import FINN_DOMAIN

    host = copy.deepcopy(model)
    count = sum(node.domain == FINN_DOMAIN for node in host.graph.node)
    source = host.get_tensor_valueinfo(host.graph.node[count - 1].output[0])
    host.graph.input[0].CopyFrom(source)
    host.graph.value_info.remove(source)
    del host.graph.node[:count]
    other = {n.op_type for n in host.graph.node} - {"Mul", "Add", "Transpose", "DepthToSpace"}
    if other:
        raise ValueError(f"after the hardware layers: {', '.join(sorted(other))}")
    scales = (host.get_initializer(n.input[1]) for n in host.graph.node if n.op_type == "Mul")
    return host, prod(float(scale.item()) for scale in scales)


def in_cppsim(model: Any, folder: Path) -> Any:
    """A copy in which every IMECConv that imec.hpp takes is a compiled IMECConv_hls."""
    from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
    from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.compat.finn import finn_build_dir

    model = copy.deepcopy(model)
    for node in model.graph.node:
        if node.op_type == "IMECConv" and not getCustomOp(node).geometry.parallel_window:
            node.op_type, node.domain = "IMECConv_hls", "finn.custom_op.fpgadataflow.hls"
    folder.mkdir()
    with finn_build_dir(folder):
        for step in (PrepareCppSim(), CompileCppSim(), SetExecMode("cppsim")):
            model = model.transform(step)
    return model


def in_one_simulation(pairs: Any, frames: np.ndarray) -> dict[str, dict[str, Any]]:
    """The whole partition in RTL with FINN's pairs and with IMECConv; every word compared."""
    from finn_imec.compat.finn import CLOCK_NS
    from finn_imec.partition import simulate
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    sides = {}
    for side, model in (("finn", pairs), ("imec", swap_pairs(pairs))):
        run, _ = simulate(model, frames, FIFO_DEPTH)
        depths = {fifo.node: max(2, fifo.peak) for fifo in run.fifos}
        fitted, _ = simulate(model, frames, depths)
        sides[side] = {
            "latency": run.latency,
            "cycles_per_frame": run.interval,
            "frames_per_second": run.frames_per_second(CLOCK_NS),
            "fifo_words": sum(fifo.peak for fifo in run.fifos),
            "fifo_depths": depths,
            "cycles_per_frame_at_these_depths": fitted.interval,
            "behavioral_models": [node.node for node in run.nodes if node.origin == "behavioral model"],
        }
    return sides


def count_rest(pairs: Any, depths: dict[str, dict[str, int]]) -> dict[str, dict[str, Any]]:
    """Yosys' figures of what is not a convolution, node by node: {finn, imec: {node: figures}}.

    depths: of each side's FIFOs. On FINN's side, compare() counts the FIFO, width converter and padding
    inside a pair. A node that Yosys does not read, FINN's Thresholding, is left out: {"reason": ..}.
    """
    from finn_imec.partition import Netlist, hardware_part, specialized
    from finn_imec.synthesis.yosys import SynthesisError, count
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    def figures_of(origin: str, design: Any) -> dict[str, Any]:
        try:
            figures = count(design, flows=("default",))
        except SynthesisError as err:
            reason, *_ = str(err).partition("; log:")
            return {"origin": origin, "reason": reason}
        memory = figures["lutram"] + figures["srl"]
        return {**{key: figures[key] for key in FIGURES}, "memory": memory, "origin": origin}

    sides = {}
    for side, model in (("finn", pairs), ("imec", swap_pairs(pairs))):
        with tempfile.TemporaryDirectory() as folder:
            part = specialized(hardware_part(model), depths[side])
            netlist = Netlist.of(part, Path(folder))
            counted = convolutions(part)
            designs = {
                name: (cell.part.origin, netlist.node_design(name))
                for name, cell in netlist.cells.items()
                if name not in counted
            }
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                figures = pool.map(lambda node: figures_of(*node), designs.values())
                sides[side] = dict(zip(designs, figures, strict=True))
    return sides


def convolutions(model: Any) -> set[str]:
    """Nodes that compare() counts: IMECConv, or FINN's pair with all between its ends."""
    from finn_imec.custom_op import imec_nodes

    names = {node.name for node in imec_nodes(model)}
    for swg in model.graph.node:
        if not swg.op_type.startswith("ConvolutionInputGenerator"):
            continue
        pair = [swg]
        while pair[-1].op_type.startswith(("ConvolutionInputGenerator", "Streaming")):
            pair.append(model.find_consumer(pair[-1].output[0]))
        if not pair[-1].op_type.startswith(("MVAU", "VVAU")):  # a pooling window
            continue
        names |= {node.name for node in pair}
        before = model.find_producer(swg.input[0])
        while before is not None and before.op_type.startswith("Streaming"):
            between, before = before, model.find_producer(before.input[0])
            if before is not None and before.op_type.startswith("FMPadding"):
                names |= {between.name, before.name}
    return names


def count_resources(model: Any) -> dict[str, Any]:
    """Rows of compare() for all convolutions, and their sums."""
    from finn_imec.synthesis.comparison import compare, layers_of_model

    rows = compare(layers_of_model(model))
    keys = [key for key in (*FIGURES, "memory") if key != "depth"]
    return {
        "rows": [row.as_dict() for row in rows],
        "totals": {key: dict(zip(SIDES, totals(rows, key), strict=True)) for key in keys},
    }


def save_photo(rtl: np.ndarray, exact: np.ndarray, png: Path) -> dict[str, Any]:
    """Write the RTL's image to `png`; how near it is to the network's images and to the original."""
    from PIL import Image
    from zoo import espcn

    from finn_imec.networks import lowering

    small, original = espcn.photo()
    in_qonnx = lowering.execute(espcn.load(), small.transpose(2, 0, 1)[np.newaxis])[0]
    image, exact, in_qonnx = map(espcn.to_pixels, (rtl, exact, in_qonnx))
    Image.fromarray(image).save(png)
    enlarged = espcn.resized(small, *original.shape[:2])
    return {
        "png": png.name,
        "pixels": image.shape[0] * image.shape[1],
        "equal_in_double_precision": int((image == exact).all(axis=-1).sum()),
        "equal_in_qonnx": int((image == in_qonnx).all(axis=-1).sum()),
        "psnr_db_to_qonnx": espcn.psnr(image, in_qonnx),
        "psnr_db_to_original": espcn.psnr(image, original),
        "psnr_db_bicubic_to_original": espcn.psnr(enlarged, original),
    }


def show(console: Console, results: list[dict[str, Any]]) -> None:
    """A table of the networks, and one of each network's pairs."""
    table = Table(
        *("network", "run by", "images", "equal to FINN's graph", "to the network"),
        *("accuracy", "slowest layer, cycles"),
    )
    for result in results:
        for side, values in result["sides"].items():
            accuracy = "-" if values["accuracy"] is None else f"{values['accuracy']:.2%}"
            table.add_row(
                *(result["network"], side, str(values["images"]), str(values["equal_to_finn"])),
                *(
                    str(values["equal_to_network"]),
                    accuracy,
                    str(result["slowest_layer_cycles"].get(side, "")),
                ),
            )
    console.print(table)
    for result in results:
        show_pairs(console, result)
        if "photo" in result:
            console.print(*(f"{key}: {value}" for key, value in result["photo"].items()), sep="\n")
        if "partition" in result:
            table = Table(
                *("", "latency", "cycles per frame", "with FIFOs of the peaks", "frames/s"),
                "words in FIFOs, peaks",
                title=f"{result['network']}: the whole partition in one RTL simulation",
            )
            for side, run in result["partition"].items():
                keys = ("latency", "cycles_per_frame", "cycles_per_frame_at_these_depths")
                numbers = (*(run[key] for key in keys), round(run["frames_per_second"]))
                table.add_row(side, *map(number_text, (*numbers, run["fifo_words"])))
            console.print(table)
        if "resources" in result:
            counted = result["resources"]
            console.print(comparison_table([Row.from_dict(row) for row in counted["rows"]]))
            totals, rest = counted["totals"], result.get("rest", {})
            sides = {
                side: ({key: both[side] for key, both in totals.items()}, rest.get(side))
                for side in ("finn", "imec")
            }
            show_sums(console, result["network"], sides)


def show_sums(
    console: Console,
    network: str,
    sides: dict[str, tuple[dict[str, int], dict[str, dict[str, Any]] | None]],
) -> None:
    """A table of each side's convolutions and, if there are any, count_rest's nodes."""
    keys = [key for key in COLUMNS if all(key in convolutions for convolutions, _ in sides.values())]
    table = Table("", *(COLUMNS[key] for key in keys), title=f"{network}: sums")
    for side, (convolutions, rest) in sides.items():
        left_out = [name for name, figures in (rest or {}).items() if "reason" in figures]
        if left_out:
            console.print(f"{side}: not read by Yosys, left out: {', '.join(left_out)}")
        sums = {"convolutions": {key: convolutions[key] for key in keys}}
        if rest is not None:
            sums["FIFOs"] = added(rest, keys, lambda name: "FIFO" in name)
            sums["other nodes"] = added(rest, keys, lambda name: "FIFO" not in name)
            sums["all"] = {key: sum(each[key] for each in sums.values()) for key in keys}
        for what, figures in sums.items():
            table.add_row(f"{side}: {what}", *(number_text(figures[k]) for k in keys))
    console.print(table)


def added(nodes: dict[str, dict[str, Any]], keys: list[str], chosen: Callable[[str], bool]) -> dict[str, int]:
    """Sums of figures over the nodes whose names are chosen."""
    found = [node for name, node in nodes.items() if chosen(name) and "reason" not in node]
    return {key: sum(node[key] for node in found) for key in keys}


def show_pairs(console: Console, result: dict[str, Any]) -> None:
    table = Table(
        *("pair of", "node", "padding", "SIMD x PE", "FINN", "IMECConv", "first frame"),
        title=f"{result['network']}: cycles per frame, FINN's estimate, model, first frame in RTL",
    )
    first = {layer["node"]: layer["cycles_rtlsim"] for layer in result["layers"]}
    for pair in result["pairs"]:
        padding = pair["padding_reason"] or ("absorbed" if pair["fmpadding"] else "none")
        table.add_row(
            *(pair["mvau"] or pair["swg"], pair["imecconv"] or pair["reason"], padding),
            f"{pair['simd']} x {pair['pe']}{', refolded' if pair['refolded'] else ''}",
            *(str(pair["pair_cycles"]), str(pair["cycles"]), str(first.get(pair["imecconv"]))),
        )
    console.print(table)


def main(
    networks: Annotated[list[str] | None, typer.Argument()] = None,
    images: Annotated[int, typer.Option(min=1)] = 20,
    epochs: int | None = None,
    target_fps: int = 100_000,
    partition: Annotated[bool, typer.Option("--partition")] = False,
    resources: Annotated[bool, typer.Option("--resources")] = False,
    png: Path = Path("espcn.png"),
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    logging.getLogger("torch").setLevel(logging.ERROR)
    results = []
    for name in networks or NETWORKS:
        if name not in NETWORKS:
            raise typer.BadParameter(f"{name}: accepted are {', '.join(NETWORKS)}")
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Brevitas and torch, about optional parts of theirs
            results.append(measure(name, images, epochs, target_fps, Path(folder), partition, resources, png))
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        show(Console(), results)
    swapped = [r["sides"][side] for r in results for side in r["sides"] if side != "network"]
    if any(side["equal_to_finn"] != side["images"] for side in swapped):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
