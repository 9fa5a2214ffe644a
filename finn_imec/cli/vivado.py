"""`finn-imec vivado`, the same comparison by Vivado."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from finn_imec.cli.options import (
    Activation,
    AsJson,
    Bits,
    Depthwise,
    Geometry,
    LayerSet,
    MacCore,
    Pe,
    Simd,
    Steps,
    Weight,
    chosen_layers,
)
from finn_imec.terminal import console, log, print_json, print_table, progress_bar


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
