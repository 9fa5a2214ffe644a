"""`finn-imec simulate`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table

from finn_imec.cli.models import built, load_model
from finn_imec.cli.options import AsJson
from finn_imec.compat.finn import CLOCK_NS
from finn_imec.terminal import console, print_json, print_table, progress_bar
from finn_imec.util.errors import ImecError, ModelError

#: Cycles a frame over those of the slowest node, above which a line says how to get rid of the difference.
WAITS = 1.01


def simulate(
    model: Annotated[Path, typer.Argument(help="A build's folder, an .onnx of FINN layers, or a CNV .npz.")],
    input_file: Annotated[
        Path | None,
        typer.Option("--input", help="Frames, .npy: (N, ...) of the model's input; default: random ones."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="images.npz with photos and expected logits, for a CNV.")
    ] = None,
    frames: Annotated[int, typer.Option(help="Random frames, without --input.", min=1)] = 3,
    swap: Annotated[bool, typer.Option("--swap", help="Swap FINN's pairs for IMECConv first.")] = False,
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Swap the pairs and simulate each IMECConv separately.")
    ] = False,
    fifo_depth: Annotated[
        int | None,
        typer.Option(
            help="Minimum depth of the FIFOs inserted into a model without; default: 2, and a frame where "
            "branches join.",
            min=2,
        ),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="File for waveforms, .vcd or .fst.")] = None,
    trace_cycles: Annotated[
        tuple[int, int] | None,
        typer.Option(help="First cycle of the waveforms, and the one after the last; default: all.", min=0),
    ] = None,
    clock_ns: Annotated[
        float | None,
        typer.Option(help=f"Clock period in ns; default: that of the build, or {CLOCK_NS:g}.", min=0.01),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a whole partition in RTL; compare each output word with FINN's execution in Python."""
    from finn_imec.custom_op import imec_nodes
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    if trace_cycles and trace_cycles[0] >= trace_cycles[1]:
        raise typer.BadParameter(f"--trace-cycles {trace_cycles}: accepted are a first cycle and a later one")
    network = load_model(model)
    conversion = built(model)[1] if model.is_dir() else None
    clock_ns = clock_ns or (conversion and conversion.clock_ns) or CLOCK_NS
    if (swap or per_layer) and not imec_nodes(network):
        network = swap_pairs(network)
    inputs, photos = frames_for(network, model, frames, input_file, images)
    if per_layer:
        outputs, result = simulate_layers(network, inputs)
        lines = [layer_line(layer) for layer in result["layers"]]
    else:
        from finn_imec.partition import simulate as simulate_partition

        if fifo_depth and any(node.op_type.startswith("StreamingFIFO") for node in network.graph.node):
            raise ModelError(f"{model} has FIFOs; --fifo-depth is for a model without")
        with progress_bar("partition", None) as advance:
            run, _ = simulate_partition(
                network,
                inputs,
                fifo_depth,
                trace,
                trace_cycles,
                stage=lambda name: advance(0, label=name),
                clock_ns=clock_ns,
            )
        outputs, result = run.network_outputs, run.as_json(clock_ns)
        lines = [partition_table(run), partition_line(run, clock_ns)]
    result = {"model": str(model), "inputs": len(inputs), **result}
    exact = True
    if photos is not None:
        from finn_imec.networks.cnv import class_logits

        logits = class_logits(next(iter(outputs.values())))
        result["logits_exact"] = int((logits == photos.logits[model.stem]).all(axis=1).sum())
        result["classes"] = [photos.classes[i] for i in logits.argmax(axis=1)]
        exact = result["logits_exact"] == len(inputs)
        lines.append(
            f"{result['logits_exact']} of {len(inputs)} photos with exactly the expected logits: "
            f"{', '.join(result['classes'])}"
        )
    if model.is_dir():
        from finn_imec.partition.export import difference_from_export

        difference = difference_from_export(model, inputs, list(outputs.values()))
        if difference is not None:
            result["difference_from_export"] = difference
            ends = f", {len(outputs)} outputs each" if len(outputs) > 1 else ""
            lines.append(
                f"the export, executed by QONNX, computes the same for all {len(inputs)} frames{ends}: the "
                f"largest difference is {difference:.1g} of an output's largest value"
            )
    if as_json:
        print_json(result)
    else:
        for line in lines:
            (print_table if isinstance(line, Table) else console.print)(line)
    if not exact:
        raise ImecError("logits differ from the expected ones")


def frames_for(
    network: Any, path: Path, frames: int, input_file: Path | None, images: Path | None
) -> tuple[np.ndarray, Any]:
    """Inputs of the network, from a file, quantized photos or random; and the photos or None."""
    from finn_imec.partition.frames import random_frames, read_frames

    if not network.graph.input:
        raise ModelError(f"{path}: the model has no input")
    if input_file is not None:
        return read_frames(input_file, network), None
    if images is None:
        return random_frames(network, frames), None
    from finn_imec.networks import cnv

    photos = cnv.load_images(images)
    if path.stem not in photos.logits:
        raise ModelError(f"{images} has no logits for {path.stem}: it has {list(photos.logits)}")
    return cnv.quantize_images(photos.images), photos


def simulate_layers(network: Any, inputs: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Each IMECConv separately in RTL, other layers in Python: outputs, and a record per layer."""
    from finn_imec.partition.network import prepare_network, run_all_outputs

    with tempfile.TemporaryDirectory() as folder:
        with progress_bar("compiling the RTL", None):
            network = prepare_network(network, Path(folder))
        with progress_bar("input", len(inputs)) as advance:
            outputs, layers = run_all_outputs(network, inputs, lambda number: advance())
    return outputs, {"layers": layers}


def partition_table(run: Any) -> Table:
    """A simulated partition's streams, each as the input of a node."""
    caption = "blocked: a word waits for the node; starved: the node waits for a word"
    table = Table("input of", caption=caption, box=box.SIMPLE_HEAD)
    for column in ("words", "blocked", "starved", "depth", "peak"):
        table.add_column(column, justify="right")
    fifos = {fifo.node: fifo for fifo in run.fifos}
    for edge in run.edges:
        fifo = fifos.get(edge.consumer)
        held = (str(fifo.depth), str(fifo.peak)) if fifo else ()
        shares = (f"{edge.blocked:.1%}", f"{edge.starved:.1%}")
        table.add_row(edge.consumer or "output", f"{edge.words:,}", *shares, *held)
    return table


def partition_line(run: Any, clock_ns: float) -> str:
    """The results of a partition's simulation, in a few lines."""
    from finn_imec.partition.parts import IMEC

    slowest = max(run.nodes, key=lambda node: node.expected_cycles)
    by = "" if slowest.origin == IMEC else " by FINN's estimate"
    modeled = [node.node for node in run.nodes if node.origin == "behavioral model"]
    lines = [f"{run.frames} frames bit-exact; {run.latency:,} cycles latency"]
    if run.interval:
        lines.append(
            f"{run.interval:,} cycles per frame in steady state, {run.frames_per_second(clock_ns):,.0f} "
            f"frames/s at {1000 / clock_ns:,.0f} MHz; the slowest node, {slowest.node}, needs "
            f"{slowest.expected_cycles:,}{by}"
        )
        if run.interval > WAITS * slowest.expected_cycles:
            lines.append(
                "a frame takes more where nodes wait for each other at these FIFO depths: `finn-imec fifos` "
                "finds the smallest at which they do not"
            )
    for node in run.in_python:
        lines.append(f"in Python: {node}")
    if modeled:
        lines.append(f"behavioral models, one word per cycle, instead of HLS: {', '.join(modeled)}")
    return "\n".join(lines)


def layer_line(layer: dict[str, Any]) -> str:
    """The results of an IMECConv's RTL simulation, in one line."""
    return (
        f"{layer['node']}: {layer['words_checked']:,} output words bit-exact; "
        f"{layer['cycles_rtlsim']:,} cycles for one frame in RTL, {layer['cycles_model']:,} by the "
        f"model; {layer['cycles_per_frame']:,} per frame in steady state"
    )
