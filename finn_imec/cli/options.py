"""Options that several commands have, and the layers that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from finn_imec.cli.models import load_model
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
GEOMETRY_HELP = (
    "H,W,C,M,KH,KW[,SH,SW[,DH,DW[,PT,PL,PB,PR]]]: input height, width, channels, output channels, "
    "kernel, stride, dilation, padding at top, left, bottom, right."
)
Jobs = Annotated[int, typer.Option(help="Tasks at once on this machine.", min=1)]
Cluster = Annotated[str | None, typer.Option(help="Run the tasks on the workers of this dask scheduler.")]
# What `compare` and `vivado` measure
Geometry = Annotated[str | None, typer.Option(help=GEOMETRY_HELP)]
LayerSet = Annotated[str | None, typer.Option(help="cnv-w1a1, cnv-w2a2 or padded.")]
Bits = Annotated[str, typer.Option(help="Bit widths, comma separated, with --layers.")]
Simd = Annotated[int | None, typer.Option(help="With --geometry; default: all input channels.")]
Pe = Annotated[int | None, typer.Option(help="With --geometry; default: all output channels.")]
Depthwise = Annotated[bool, typer.Option(help="With --geometry: depthwise, with FINN's VVAU.")]
Activation = Annotated[str, typer.Option(help="Input datatype, with --geometry.")]
Weight = Annotated[str, typer.Option(help="Weight datatype, with --geometry.")]
FullRange = Annotated[
    bool, typer.Option("--full-range", help="Random weights also of the most negative value of their type.")
]
MacCore = Annotated[str, typer.Option(help="FINN's multipliers: auto, lut or dsp.")]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Random thresholds per channel, 0 for none; default: those of MODEL, or as many as outputs as "
        "wide as the activations, at most 8 bits, need.",
        min=0,
    ),
]


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
    full_range: bool = False,
) -> list[Any]:
    """The layers that options of `compare` and `vivado` choose; BadParameter if that is not one choice."""
    from finn_imec.synthesis import comparison
    from finn_imec.synthesis.layer_sets import default_steps, named_layers

    if sum(v is not None for v in (model, geometry, layers)) != 1:
        raise typer.BadParameter("give one of MODEL, --geometry and --layers")
    if core not in ("auto", "lut", "dsp"):
        raise typer.BadParameter(f"--core {core}: accepted are auto, lut, dsp")
    if model is not None:
        if full_range:
            raise typer.BadParameter("--full-range is for random weights: accepted with --layers, --geometry")
        chosen = comparison.layers_of_model(load_model(model), pairs, as_built)
        return chosen if steps is None else [layer.with_random_thresholds(steps) for layer in chosen]
    if geometry is not None:
        shape = parse_geometry(geometry, simd, pe, depthwise)
        layer = comparison.random_layer("layer", shape, *datatypes(activation, weight), full_range=full_range)
        if steps is None:
            steps = default_steps(layer.input_datatype.bitwidth())
        return [layer.with_random_thresholds(steps)]
    try:
        widths = [int(v) for v in bits.split(",")]
        return [layer for b in widths for layer in named_layers(layers, b, steps, full_range)]
    except ValueError as err:
        raise typer.BadParameter(f"--layers {layers} --bits {bits}: {err}") from err


def datatypes(*names: str) -> Sequence[str]:
    """The names, checked: QONNX knows them all."""
    from qonnx.core.datatype import DataType

    for name in names:
        try:
            DataType[name]
        except (KeyError, ValueError) as err:
            raise typer.BadParameter(f"{name!r}: expected a QONNX datatype such as INT4") from err
    return names
