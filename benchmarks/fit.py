"""finn-imec fit on CNV, a MobileNet- and a ResNet-style network, on two parts, beside FINN's SetFolding.

    python benchmarks/fit.py [CNV.npz] [--part PART ...] [--json]

Prints frames/s, estimated resources and seconds of each fit, and what SetFolding reaches at the same budget
by the same estimates, with FINN's pairs and with the swap behind it. The networks are of zoo/exports.py;
CNV's layers if its weights are given. Exit code 1 if SetFolding is faster anywhere.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from finn_imec.fit import fit, part_named

NETWORKS = ("mobilenet_v2", "tiny_resnet")
PARTS = ("xc7z020clg400-1", "xczu3eg-sbva484-1-e")


def models(folder: Path, cnv: Path | None) -> dict[str, Path]:
    """Name -> file of each network."""
    from zoo.exports import export

    found = {}
    if cnv is not None:
        from finn_imec.networks.cnv import build_cnv

        found[cnv.stem] = folder / f"{cnv.stem}.onnx"
        build_cnv(cnv).save(str(found[cnv.stem]))
    for name in NETWORKS:
        found[name] = folder / f"{name}.onnx"
        export(name, found[name], dynamo=False)
    return found


def main(
    cnv: Annotated[Path | None, typer.Argument()] = None,
    part: Annotated[list[str] | None, typer.Option()] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in models(Path(folder), cnv).items():
            for each in part or PARTS:
                result = fit(path, part_named(each), Path(folder) / f"{name}-{each}").as_dict()
                sides = {"fit": result["chosen"], **result["finn"]}
                rows.append({"network": name, "part": each, "sides": sides, "seconds": result["seconds"]})
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        table = Table("network", "part", "folding", "frames/s", "LUT", "FF", "BRAM18", "DSP", "seconds")
        for row in rows:
            for side, point in row["sides"].items():
                figures = ("-",) * 5
                if point is not None:
                    figures = (f"{point[key]:,.0f}" for key in ("fps", "lut", "ff", "bram18", "dsp"))
                seconds = f"{sum(row['seconds'].values()):.0f}" if side == "fit" else ""
                table.add_row(row["network"], row["part"], side, *figures, seconds)
        Console().print(table)
    slower = [
        row for row in rows
        if any(point and point["cycles"] < row["sides"]["fit"]["cycles"] for point in row["sides"].values())
    ]  # fmt: skip
    raise SystemExit(bool(slower))


if __name__ == "__main__":
    typer.run(main)
