"""The `finn-imec` command."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table

from finn_imec import __version__
from finn_imec.compat.finn import CLOCK_NS, FPGA_PART
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.terminal import Command, console, log, print_table, progress_bar
from finn_imec.util import interrupts
from finn_imec.util.errors import GeometryError, ImecError, ModelError, one_line, require
from finn_imec.util.onnx_model import load_onnx

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Memory-lean convolution hardware for quantized neural networks, in FINN.",
    rich_markup_mode="rich" if sys.stdout.isatty() and sys.stderr.isatty() else None,  # no boxes in a file
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
GEOMETRY_HELP = (
    "H,W,C,M,KH,KW[,SH,SW[,DH,DW[,PT,PL,PB,PR]]]: input height, width, channels, output channels, "
    "kernel, stride, dilation, padding at top, left, bottom, right."
)
# What `compare` and `vivado` measure
Geometry = Annotated[str | None, typer.Option(help=GEOMETRY_HELP)]
LayerSet = Annotated[str | None, typer.Option(help="cnv-w1a1, cnv-w2a2 or padded.")]
Bits = Annotated[str, typer.Option(help="Bit widths, comma separated, with --layers.")]
Simd = Annotated[int | None, typer.Option(help="With --geometry; default: all input channels.")]
Pe = Annotated[int | None, typer.Option(help="With --geometry; default: all output channels.")]
Depthwise = Annotated[bool, typer.Option(help="With --geometry: depthwise, with FINN's VVAU.")]
Activation = Annotated[str, typer.Option(help="Input datatype, with --geometry.")]
Weight = Annotated[str, typer.Option(help="Weight datatype, with --geometry.")]
MacCore = Annotated[str, typer.Option(help="FINN's multipliers: auto, lut or dsp.")]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Random thresholds per channel, 0 for none; default: those of MODEL, or as many as outputs as "
        "wide as the activations, at most 8 bits, need.",
        min=0,
    ),
]


def print_version(asked: bool) -> None:
    """Print the version and exit, if asked."""
    if asked:
        console.print(f"finn-imec {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def parse_geometry(
    text: str, simd: int | None = None, pe: int | None = None, depthwise: bool = False
) -> ConvGeometry:
    """The geometry of a --geometry option; unfolded unless simd or pe is given."""
    try:
        numbers = [int(v) for v in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (6, 8, 10, 14):
        raise typer.BadParameter(f"{text!r}: expected {GEOMETRY_HELP}")
    h, w, c, m, kh, kw, *rest = numbers
    sh, sw, dh, dw, *padding = rest + [1] * (4 - len(rest))
    top, left, bottom, right = padding or [0] * 4
    ifm_dim = h + top + bottom, w + left + right
    try:
        return ConvGeometry(
            (kh, kw), ifm_dim, c, m, (sh, sw), (dh, dw), simd or (1 if depthwise else c), pe or m,
            depthwise=depthwise, padding=(top, left, bottom, right),
        )  # fmt: skip
    except GeometryError as err:
        raise typer.BadParameter(str(err)) from err


def print_json(value: Any) -> None:
    """Indented JSON on standard output."""
    print(json.dumps(value, indent=2))


@app.command(cls=Command)
def algorithms(
    layer: Annotated[str | None, typer.Option(help="One of MEC's benchmark layers, cv1 to cv12.")] = None,
    geometry: Geometry = None,
    run: Annotated[bool, typer.Option(help="Also run, check and time each algorithm.")] = False,
    backend: Annotated[
        str, typer.Option(help="numpy: memory by formula; torch: measured memory and time.")
    ] = "numpy",
    device: Annotated[str, typer.Option(help="With torch: cpu or cuda.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="With torch: float32, float16, bfloat16 or int8.")] = "float32",
    batch: Annotated[int, typer.Option(help="With torch: images per batch.")] = 1,
    groups: Annotated[int, typer.Option(help="With torch: groups of channels.")] = 1,
    chart: Annotated[Path | None, typer.Option(help="With torch: chart to write, .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the lowering memory of im2col, MEC and IMEC, by default on all of MEC's layers."""
    from finn_imec.algorithms import ALGORITHMS
    from finn_imec.algorithms import run as run_algorithm
    from finn_imec.algorithms.mec_benchmark import LAYERS, memory_table

    if layer and geometry:
        raise typer.BadParameter("--layer and --geometry exclude each other")
    if layer and layer not in LAYERS:
        raise typer.BadParameter(f"--layer {layer}: accepted are {', '.join(LAYERS)}")
    layers = LAYERS
    if layer:
        layers = {layer: LAYERS[layer]}
    elif geometry:
        layers = {"layer": parse_geometry(geometry)}
    if backend not in ("numpy", "torch"):
        raise typer.BadParameter(f"--backend {backend}: accepted are numpy, torch")
    if backend == "torch":
        options = {"device": device, "dtype": dtype, "batch": batch, "groups": groups}
        measure_algorithms(layers, options, chart, as_json)
        return
    rows = memory_table(layers)
    if run:
        with progress_bar("running", len(layers) * len(ALGORITHMS)) as advance:
            for row in rows:
                row["runs"] = []
                for name in ALGORITHMS:
                    row["runs"].append(run_algorithm(name, layers[row["layer"]]))
                    advance()
    if as_json:
        print_json(rows)
    else:
        table = Table("layer", title="Lowering memory, kB at 4 B per element (times below im2col)")
        lowering = [name for name in ALGORITHMS if f"{name}_bytes" in rows[0]]
        for name in lowering:
            table.add_column(name, justify="right")
        for row in rows:
            cells = [f"{row[f'{name}_bytes'] / 1000:,.0f} ({row[f'{name}_ratio']:.2f})" for name in lowering]
            table.add_row(row["layer"], *cells)
        print_table(table)
        for row in rows:
            for result in row.get("runs", []):
                verdict = "correct" if result["correct"] else "WRONG"
                console.print(
                    f"{row['layer']} {result['algorithm']}: {verdict}, {result['seconds']:.2f} s, "
                    f"{result['lowering_bytes']:,} B allocated"
                )
    if any(not result["correct"] for row in rows for result in row.get("runs", [])):
        raise ImecError("an algorithm gave a wrong result")


def measure_algorithms(
    layers: Mapping[str, ConvGeometry], options: dict[str, Any], chart: Path | None, as_json: bool
) -> None:
    """`algorithms --backend torch`: measure, print, draw; ImecError if a result is wrong."""
    from finn_imec.algorithms.timing import compare as compare_algorithms
    from finn_imec.algorithms.timing import environment, names
    from finn_imec.algorithms.timing_report import draw, table, wrong

    device = options["device"]
    if chart is not None:
        require("matplotlib", "plot")
        if chart.suffix not in (".png", ".svg"):
            raise typer.BadParameter(f"--chart {chart}: accepted are names in .png and .svg")
    stamp = environment(device)
    with progress_bar("measuring", len(layers) * len(names(device))) as advance:
        rows = list(compare_algorithms(layers, progress=lambda label: advance(label=label), **options))
    result = {"environment": stamp, "layers": rows}
    if chart is not None:
        draw(result, chart)
    if as_json:
        print_json(result)
    else:
        for title, header, lines in table(result):
            shown = Table(*header[:1], title=title)
            for column in header[1:]:
                shown.add_column(column, justify="right", overflow="fold")
            for line in lines:
                shown.add_row(*line)
            print_table(shown)
        if device == "cpu":
            console.print("CPU only: --device cuda adds the Triton kernel, cuBLAS and cuDNN.")
    if bad := wrong(result):
        raise ImecError(f"wrong results: {', '.join(bad)}")


@app.command(cls=Command)
def compare(
    model: Annotated[
        Path | None, typer.Argument(help="Folder of a build, .onnx of FINN layers, or a CNV .npz.")
    ] = None,
    geometry: Geometry = None,
    layers: LayerSet = None,
    bits: Bits = "2",
    simd: Simd = None,
    pe: Pe = None,
    depthwise: Depthwise = False,
    activation: Activation = "INT2",
    weight: Weight = "INT2",
    steps: Steps = None,
    core: MacCore = "auto",
    same_folding: Annotated[
        bool,
        typer.Option(
            "--same-folding", help="With MODEL: FINN's pairs at IMECConv's folding, where theirs was another."
        ),
    ] = False,
    clock: Annotated[
        float | None,
        typer.Option(
            help="Period in ns to meet with fewest LUTs, by a model before placement; default: that of the "
            f"build, or {CLOCK_NS:g}.",
            min=0.1,
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(help="Device: of 7-series, or of UltraScale or UltraScale+, counted without a period."),
    ] = FPGA_PART,
    place: Annotated[
        bool, typer.Option("--place", help="Also place and route both sides, on an ECP5: minutes a layer.")
    ] = False,
    path: Annotated[bool, typer.Option("--path", help="Also print the longest path of each side.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for comparison.json; may be that of a build, and is if one is given.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare FINN's SWG + MVAU + Thresholding with IMECConv: resources by Yosys, cycles by Verilator.

    Each side of MODEL has its own folding: FINN's that of the pair that became the IMECConv.
    """
    from finn_imec.report.results import COMPARISON, comparison_folder, write_rows
    from finn_imec.report.table import comparison_table

    conversion = None
    if model is not None and model.is_dir():
        model, conversion = built(model)
        output = output or model.parent
    chosen = chosen_layers(
        model, geometry, layers, bits, simd, pe, depthwise, activation, weight, steps, core,
        conversion.pairs if conversion else (), not same_folding,
    )  # fmt: skip
    clock = clock or (conversion and conversion.clock_ns) or CLOCK_NS
    with comparison_folder(output) if output else nullcontext() as folder:
        rows = counted_rows(chosen, core, clock_ns=clock, routed=place, part=part)
        if folder is not None:
            write_rows(rows, shlex.join(["finn-imec", *sys.argv[1:]]), folder / COMPARISON)
    if as_json:
        print_json([row.as_dict() for row in rows])
    else:
        print_table(comparison_table(rows))
        if model is not None:
            console.print(which_folding(rows, same_folding), markup=False)
        for row in rows if path else ():
            for side in (row.finn, row.imec):
                console.print(f"{row.layer}, {'FINN' if side is row.finn else 'IMECConv'}:", markup=False)
                console.print(side.path, markup=False, highlight=False, soft_wrap=True)


def built(folder: Path) -> tuple[Path, Any]:
    """The model in a build's folder, and what the build says of its swap, or None."""
    from finn_imec.builder.conversion import REPORT, load_conversion
    from finn_imec.partition.load import model_of

    model, report = model_of(folder), folder / REPORT
    return model, load_conversion(report) if report.is_file() else None


def counted_rows(layers: Sequence[Any], core: str = "auto", **options: Any) -> list[Any]:
    """comparison.compare with a progress bar; rows with their geometry."""
    from finn_imec.synthesis import comparison

    with progress_bar("synthesis and simulation", len(layers)) as advance:
        rows = comparison.compare(
            layers,
            core,
            progress=lambda name: advance(label=name),
            stage=lambda name: advance(0, label=name),
            **options,
        )
    return [replace(row, geometry=layer.geometry) for row, layer in zip(rows, layers)]


def which_folding(rows: Sequence[Any], same_folding: bool) -> str:
    """At which folding `compare MODEL` counts FINN's side."""
    if same_folding:
        return "FINN's side is counted at IMECConv's folding; without --same-folding, at that of its pairs."
    other = sum(row.finn_folding is not None for row in rows)
    return (
        f"FINN's side is counted at the folding of its pairs, of which {other} of {len(rows)} differ from "
        "IMECConv's; --same-folding counts both sides at IMECConv's."
    )


def chosen_layers(
    model: Path | None,
    geometry: str | None,
    layers: str | None,
    bits: str,
    simd: int | None,
    pe: int | None,
    depthwise: bool,
    activation: str,
    weight: str,
    steps: int | None,
    core: str,
    pairs: Sequence[Any] = (),
    as_built: bool = False,
) -> list[Any]:
    """The layers that options of `compare` and `vivado` choose; BadParameter if that is not one choice."""
    from finn_imec.synthesis import comparison
    from finn_imec.synthesis.layer_sets import default_steps, named_layers

    if sum(v is not None for v in (model, geometry, layers)) != 1:
        raise typer.BadParameter("give one of MODEL, --geometry and --layers")
    if core not in ("auto", "lut", "dsp"):
        raise typer.BadParameter(f"--core {core}: accepted are auto, lut, dsp")
    if model is not None:
        chosen = comparison.layers_of_model(load_model(model), pairs, as_built)
        return chosen if steps is None else [layer.with_random_thresholds(steps) for layer in chosen]
    if geometry is not None:
        shape = parse_geometry(geometry, simd, pe, depthwise)
        layer = comparison.random_layer("layer", shape, *datatypes(activation, weight))
        if steps is None:
            steps = default_steps(layer.input_datatype.bitwidth())
        return [layer.with_random_thresholds(steps)]
    try:
        widths = [int(v) for v in bits.split(",")]
        return [layer for b in widths for layer in named_layers(layers, b, steps)]
    except ValueError as err:
        raise typer.BadParameter(f"--layers {layers} --bits {bits}: {err}") from err


@app.command(cls=Command)
def vivado(
    folder: Annotated[Path, typer.Argument(help="Folder for RTL, scripts and reports.")],
    model: Annotated[Path | None, typer.Option(help=".onnx of FINN layers, or a CNV .npz.")] = None,
    geometry: Geometry = None,
    layers: LayerSet = None,
    bits: Bits = "2",
    simd: Simd = None,
    pe: Pe = None,
    depthwise: Depthwise = False,
    activation: Activation = "INT2",
    weight: Weight = "INT2",
    steps: Steps = None,
    core: MacCore = "auto",
    part: Annotated[str | None, typer.Option(help="Device; default: xc7z020clg400-1.")] = None,
    clock: Annotated[
        float | None, typer.Option(help="Period to meet, in ns; default: 5.", min=0.1, max=1000)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare both sides in Vivado: write scripts, run them where Vivado is, read the reports.

    Without MODEL, --geometry and --layers it goes on in a FOLDER that it wrote: reports that are there, also
    from another machine, are read, and missing ones made.
    """
    import shutil

    from finn_imec.report.results import COMPARISON, comparison_folder, load_rows
    from finn_imec.report.table import vivado_table
    from finn_imec.report.vivado import merged
    from finn_imec.synthesis import vivado as tool

    settings = {"part": part, "clock_ns": clock}
    given = {key: value for key, value in settings.items() if value is not None}
    new = not all(v is None for v in (model, geometry, layers))
    if new:
        tool.check_part(part or tool.PART)
        chosen = chosen_layers(
            model, geometry, layers, bits, simd, pe, depthwise, activation, weight, steps, core
        )
        with comparison_folder(folder) as scratch:
            with progress_bar("RTL of both sides", len(chosen)) as advance:
                tool.write(chosen, scratch, core=core, progress=lambda name: advance(label=name), **given)
            tool.keep_reports(folder, scratch)
    written = tool.load(folder)
    program = shutil.which("vivado")
    if written.pending and program is not None:
        with progress_bar("Vivado", 2 * len(written.layers)) as advance:
            tool.run(written, program, lambda label: advance(label=label))
    if new and program is None and len(written.pending) == 4 * len(written.layers):
        if as_json:
            print_json(merged(written, None, ()))
        (log if as_json else console).print(
            f"Nothing was synthesized: 'vivado' is not on the PATH. The scripts are written. Run\n"
            f"  sh {shlex.quote(str(folder / tool.RUN_ALL))}\n"
            f"where Vivado is, then\n  finn-imec vivado {shlex.quote(str(folder))}\nto read the reports.",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
        return
    rows = load_rows(folder / COMPARISON) if (folder / COMPARISON).is_file() else ()
    result = merged(written, tool.results(written), rows)
    if as_json:
        print_json(result)
    else:
        print_table(vivado_table(result))


def datatypes(*names: str) -> Sequence[str]:
    """The names, checked: QONNX knows them all."""
    from qonnx.core.datatype import DataType

    for name in names:
        try:
            DataType[name]
        except (KeyError, ValueError) as err:
            raise typer.BadParameter(f"{name!r}: expected a QONNX datatype such as INT4") from err
    return names


def load_model(path: Path) -> Any:
    """A QONNX model from an .onnx file or a build's folder, or CNV from an .npz. ModelError if unreadable."""
    if path.is_dir():
        from finn_imec.partition.load import load_build

        return load_build(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected an .onnx or .npz")
    if path.suffix == ".npz":
        from finn_imec.networks.cnv import build_cnv

        return build_cnv(path)
    from qonnx.core.modelwrapper import ModelWrapper

    model = load_onnx(path)
    try:
        return ModelWrapper(model)
    except Exception as err:  # of any type, by what is broken
        raise ModelError(f"{path}: {one_line(err)}") from err


@app.command(cls=Command)
def build(
    model: Annotated[Path, typer.Argument(help="QONNX export, or what the first step accepts as .onnx.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the results; default: the output_dir of the config."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML or JSON: fields of FINN's DataflowBuildConfig.")
    ] = None,
    allow_larger: Annotated[
        bool,
        typer.Option(
            "--allow-larger",
            help="Also swap pairs whose IMECConv needs a folding that costs more LUTs or DSPs.",
        ),
    ] = False,
    pointwise: Annotated[
        bool,
        typer.Option(
            "--pointwise",
            help="Also swap MVAUs alone, of dense layers and 1x1 convolutions, where that saves LUTs.",
        ),
    ] = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Count both sides in Yosys, too, as compare does: minutes a layer."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run finn-plus' build steps, including the swap, without Vivado; show what the swap saves."""
    from finn_imec.builder import build as run_build
    from finn_imec.report.table import savings_table

    with progress_bar("build", None) as advance:
        result = run_build(
            model,
            config if config is not None else {},
            output,
            lambda number, steps, name: advance(label=name, total=steps),
            allow_larger,
            announce=lambda settings: log.print(str(settings), highlight=False, markup=False),
            pointwise=pointwise,
        )
    conversion = result.conversion
    rows = measured_build(result) if measure and conversion else []
    if as_json:
        print_json(
            {
                "output_dir": str(result.output_dir),
                "model": str(result.model),
                "settings": asdict(result.settings),
                "seconds": result.seconds,
                **(conversion.as_dict() if conversion else {"pairs": []}),
                "rows": [row.as_dict() for row in rows],
                "foldings": [asdict(folding) for folding in result.foldings],
                "notes": list(result.notes),
                "reports": {name: str(path) for name, path in result.reports.items()},
            }
        )
        return
    console.print(f"model: {result.model}")
    for name, path in result.reports.items():
        console.print(f"{name}: {path}")
    for line in (*result.notes, *result.foldings):
        console.print(str(line), markup=False)
    if conversion is None:
        return
    if conversion.total["finn"]:
        print_table(savings_table(conversion, rows))
    for pair in conversion.pairs:
        if pair.refolded or not pair.swapped or pair.padding_reason:
            console.print(str(pair), markup=False)
    console.print("next:")
    for command in conversion.next:
        console.print(f"  {command}", markup=False, soft_wrap=True)


def measured_build(result: Any) -> list[Any]:
    """Both sides of a build's swapped layers, counted, each at its own folding; written into its folder."""
    from finn_imec.report.results import COMPARISON, write_rows
    from finn_imec.synthesis import comparison

    folder, clock = result.output_dir, result.conversion.clock_ns
    layers = comparison.layers_of_model(load_model(result.model), result.pairs, as_built=True)
    rows = counted_rows(layers, clock_ns=clock)
    write_rows(rows, shlex.join(["finn-imec", "compare", str(folder)]), folder / COMPARISON)
    return rows


@app.command(cls=Command)
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
            run, outputs = simulate_partition(
                network,
                inputs,
                fifo_depth,
                trace,
                trace_cycles,
                stage=lambda name: advance(0, label=name),
            )
        result = run.as_json(clock_ns)
        lines = [partition_table(run), partition_line(run, clock_ns)]
    result = {"model": str(model), "inputs": len(inputs), **result}
    exact = True
    if photos is not None:
        from finn_imec.networks.cnv import class_logits

        logits = class_logits(outputs)
        result["logits_exact"] = int((logits == photos.logits[model.stem]).all(axis=1).sum())
        result["classes"] = [photos.classes[i] for i in logits.argmax(axis=1)]
        exact = result["logits_exact"] == len(inputs)
        lines.append(
            f"{result['logits_exact']} of {len(inputs)} photos with exactly the expected logits: "
            f"{', '.join(result['classes'])}"
        )
    if model.is_dir():
        from finn_imec.partition.export import difference_from_export

        difference = difference_from_export(model, inputs, outputs)
        if difference is not None:
            result["difference_from_export"] = difference
            ends = len(network.graph.output)
            first = f" first output, of {ends}," if ends > 1 else ""
            lines.append(
                f"the export, executed by QONNX, computes the same{first} for all {len(inputs)} frames: the "
                f"largest difference is {difference:.1g} of the largest output"
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


def simulate_layers(network: Any, inputs: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Each IMECConv separately in RTL, other layers in Python: outputs, and a record per layer."""
    from finn_imec.partition.network import prepare_network, run_network

    with tempfile.TemporaryDirectory() as folder:
        with progress_bar("compiling the RTL", None):
            network = prepare_network(network, Path(folder))
        with progress_bar("input", len(inputs)) as advance:
            outputs, layers = run_network(network, inputs, lambda number: advance())
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
    slowest = max(run.nodes, key=lambda node: node.expected_cycles)
    modeled = [node.node for node in run.nodes if node.origin == "behavioral model"]
    lines = [f"{run.frames} frames bit-exact; {run.latency:,} cycles latency"]
    if run.interval:
        lines.append(
            f"{run.interval:,} cycles per frame in steady state, {run.frames_per_second(clock_ns):,.0f} "
            f"frames/s at {1000 / clock_ns:,.0f} MHz; the slowest node, {slowest.node}, needs "
            f"{slowest.expected_cycles:,}"
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


@app.command(cls=Command)
def verify(
    cases: Annotated[int, typer.Option(help="Number of random cases.", min=1)] = 240,
    seed: Annotated[int, typer.Option(help="Seed of the campaign.", min=0)] = 0,
    case: Annotated[int | None, typer.Option(help="Run only the case of this number.", min=0)] = None,
    parameters: Annotated[str | None, typer.Option(help="Run only these parameters, in JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify random layers in RTL against plain convolution; reduce a case that fails."""
    from finn_imec.verification.campaign import VerificationError, reduce
    from finn_imec.verification.campaign import verify as run_campaign
    from finn_imec.verification.cases import CAMPAIGN_MEM_MODES, Case, Parameters, random_case

    numbers = range(cases) if case is None else [case]
    chosen = [random_case(seed, number, CAMPAIGN_MEM_MODES) for number in numbers]
    if parameters is not None:
        chosen = [Case(Parameters.from_json(parameters))]
    if len(chosen) == 1:
        log.print(str(chosen[0]))
    with progress_bar("cases", len(chosen)) as advance:
        try:
            runs = run_campaign(chosen, progress=advance)
        except VerificationError as err:
            log.print(f"{err}\nreducing it ...", markup=False)
            raise reduce(err) from err
    result = {"seed": seed, "cases": len(chosen), "runs": runs, "failures": 0}
    if as_json:
        print_json(result)
    else:
        console.print(f"{result['cases']} cases, {runs} runs, all bit-exact and cycle-exact")


@app.command(cls=Command)
def demo(
    output: Annotated[Path, typer.Option(help="Folder for models, RTL, tables and chart.")] = Path(
        "imec_demo"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the training.", min=0)] = 0,
    images: Annotated[int, typer.Option(help="Number of test images to run in RTL.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Train a small network, swap its convolutions for IMECConv, simulate and measure them."""
    from finn_imec.demo import run_demo
    from finn_imec.report.table import comparison_table
    from finn_imec.synthesis.rows import Row

    with progress_bar("demo", None) as advance:
        result = run_demo(
            output,
            seed,
            images,
            stage=lambda name: advance(0, label=name),
            log=lambda line: log.print(line, markup=False),
        )
    if as_json:
        print_json(result)
        return
    print_table(comparison_table([Row.from_dict(row) for row in result["comparison"]]))
    for layer in result["layers"]:
        console.print(layer_line(layer))
    accuracy = result["accuracy"]
    console.print(
        f"accuracy on {accuracy['test_images']} test images: {accuracy['brevitas']:.2%} in Brevitas, "
        f"{accuracy['finn']:.2%} with FINN's pairs, {accuracy['imec']:.2%} with IMECConv; "
        f"{accuracy['rtl_images']} images through RTL: logits identical"
    )
    console.print(f"everything is in {output}")


@app.command(cls=Command)
def report(
    folder: Annotated[Path, typer.Argument(help="Folder written by demo, build or compare --output.")],
    as_json: AsJson = False,
) -> None:
    """Write the results in a folder as one HTML page that works offline, report.html."""
    from finn_imec.report.page import write_report

    with progress_bar("report", None):
        result = write_report(folder)
    if as_json:
        print_json(result)
    else:
        console.print(result["page"], markup=False, soft_wrap=True)


@app.command(cls=Command)
def paper(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables, figures and JSON.")
    ] = Path("imec_paper"),
    results: Annotated[
        Path | None,
        typer.Option(help="Folder of measurements; default: those in the wheel."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Skip what takes hours.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the IMEC paper's tables and figures again: published, today's FINN, IMECConv."""
    from finn_imec.report.paper import reproduce

    with progress_bar("paper", None) as advance:
        result, tables = reproduce(output, results, quick, lambda name: advance(label=name))
    if as_json:
        print_json(result)
        return
    for each in tables:
        table = Table(*each.columns[:1], title=each.title, caption=each.note or None)
        for column in each.columns[1:]:
            table.add_column(column, justify="right")
        for line in each.lines:
            table.add_row(*line)
        print_table(table)
    for line in result["differences"]:
        console.print(f"- {line}", markup=False)
    console.print(f"everything is in {output}")


def main() -> None:
    """Entry point: every error is one line; exit code 2 for usage, 1 for failure.

    130, 143, 129 after SIGINT, SIGTERM, SIGHUP: outputs are complete or absent, and a rerun uses the caches.
    """
    interrupts.install()
    try:
        os.getcwd()
    except OSError:
        fail("the current folder does not exist any more")
    try:
        with interrupts.session():
            app()
    except ImecError as err:
        fail(str(err))
    except OSError as err:
        what = err.strerror or one_line(err)
        fail(f"{err.filename}: {what}" if err.filename else what)
    except Exception as err:
        fail(f"unforeseen: {one_line(err)}; {_log_of(err)}")


def _log_of(err: Exception) -> str:
    """Where the traceback is, for a report of the error."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="finn_imec_error_", suffix=".log", delete=False, encoding="utf-8", errors="replace"
        ) as log:
            log.write(shlex.join(sys.argv) + "\n\n")
            traceback.print_exception(err, file=log)
    except OSError as why:
        return f"its log cannot be written: {why.strerror or why}"
    return f"log: {log.name}"


def fail(message: str) -> None:
    """Print the message and exit with code 1."""
    log.print("[bold red]error:[/]", end=" ")
    log.print(message, markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
