"""docs/results.md: every table from what is in benchmarks/results.

    python benchmarks/summary.py > docs/results.md
    python benchmarks/summary.py --picture docs/assets/ratios.png > docs/results.md

results/LAYERS-CORE-BITSbit.json are of `finn-imec compare --json`, demo.json is the comparison of
`finn-imec demo`, throughput.json and power-FOLDING.json are of throughput.py and power.py, networks/NAME.json
of networks.py or, if the name is that of a trained CNV, partition.py, all with --json.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from networks import added
from throughput import summary as throughput_summary

from finn_imec.report.chart import ratio_chart
from finn_imec.report.table import TITLES, number_text, ratio_text
from finn_imec.synthesis.compare import figure, geometric_means
from finn_imec.templates import render

RESULTS = Path(__file__).parent / "results"
TABLE = TITLES | {"surround_lut": "LUT around MACs", "surround_ff": "FF around MACs"}
PICTURE = ("lut", "memory", "ff", "bram18", "depth", "cycles")
SIMULATED = {
    "cycles_per_frame": "cycles per frame",
    "latency": "latency",
    "fifo_words": "words in FIFOs",
}
COUNTED = ("lut", "lut_paired", "memory", "ff", "bram18", "dsp")

#: What a network's nodes are added up by.
PARTS = ("all", "convolutions", "FIFOs", "other nodes")

Row = dict[str, Any]
Means = dict[str, dict[str, float | None]]


def load(name: str) -> Any:
    """results/`name`.json."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def comparisons() -> dict[str, list[Row]]:
    """Rows of each committed comparison of CNV's layers, by folding, width and MAC core."""
    tables = {}
    for path in RESULTS.glob("cnv-*bit.json"):
        folding, core, bits = path.stem.rsplit("-", 2)
        tables[folding, core != "lut", int(bits.removesuffix("bit")), core] = load(path.stem)
    return {
        f"{folding}, {bits} bit{'s' * (bits > 1)}, {core}": rows
        for (folding, _, bits, core), rows in sorted(tables.items())
    }


def means() -> Means:
    """Geometric means of the ratios of each of comparisons()."""
    return {name: geometric_means(rows) for name, rows in comparisons().items()}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ratios(ratios: dict[str, float | None]) -> list[str]:
    """Cells in TABLE's order; cycles with a digit more."""
    return [ratio_text(ratios[key]) if key != "cycles" else f"{ratios[key]:.3f}" for key in TABLE]


def means_table(means: Means) -> str:
    """A row per comparison."""
    rows = [[name, *_ratios(ratios)] for name, ratios in means.items()]
    return table(["layers, operands, MAC core", *TABLE.values()], rows)


def layer_table(rows: Sequence[Row]) -> str:
    """A row per layer, FINN's pair / IMECConv; the geometric means of the ratios last."""
    cells = [
        [
            *(row["layer"], row["bits"], f"{row['pe']} x {row['simd']}"),
            *(
                " / ".join(number_text(figure(row[side], key)) for side in ("finn", "imec"))
                for key in TABLE
            ),
        ]
        for row in rows
    ]
    cells.append(["mean of ratios", "", "", *_ratios(geometric_means(rows))])
    return table(["layer", "bits", "PE x SIMD", *TABLE.values()], cells)


def networks() -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    """Of each network {side: {part: {figure: number}}}.

    part "network" has SIMULATED; "convolutions", "FIFOs", "other nodes" and "all" have COUNTED, where Yosys
    was asked for.
    """
    found = {}
    for path in sorted((RESULTS / "networks").glob("*.json")):
        rows = json.loads(path.read_text())
        sides = _of_network(rows[0]) if "network" in rows[0] else _of_cnv(rows)
        found[path.stem] = {side: _parts(*parts) for side, parts in sides.items()}
    return found


def _of_network(result: Row) -> dict[str, tuple[Row, Row | None, Row | None]]:
    """Of networks.py: {side: (simulation, sums of the convolutions, other nodes)}."""
    totals, rest = result.get("resources", {}).get("totals"), result.get("rest", {})
    return {
        side: (
            run,
            totals and {key: both[side] for key, both in totals.items()},
            rest.get(side),
        )
        for side, run in result["partition"].items()
    }


def _of_cnv(rows: list[Row]) -> dict[str, tuple[Row, Row | None, Row | None]]:
    """Of partition.py, likewise."""
    return {
        side: (row, row.get("convolutions"), row.get("rest"))
        for side, row in zip(("finn", "imec"), rows, strict=True)
    }


def _parts(run: Row, convolutions: Row | None, rest: Row | None) -> dict[str, dict[str, int]]:
    parts = {"network": {key: run[key] for key in SIMULATED}}
    if convolutions is not None and rest is not None:
        counted = {
            "convolutions": {key: convolutions[key] for key in COUNTED},
            "FIFOs": added(rest, COUNTED, lambda name: "FIFO" in name),
            "other nodes": added(rest, COUNTED, lambda name: "FIFO" not in name),
        }
        counted["all"] = {key: sum(part[key] for part in counted.values()) for key in COUNTED}
        parts |= counted
    return parts


def networks_table(part: str, keys: dict[str, str]) -> str:
    """A row per network that has this part, FINN's pairs / IMECConv."""
    rows = [
        [
            name,
            *(
                " / ".join(number_text(sides[s][part][key]) for s in ("finn", "imec"))
                for key in keys
            ),
        ]
        for name, sides in networks().items()
        if part in sides["finn"]
    ]
    return table(["FINN's pairs / IMECConv", *keys.values()], rows)


def power_table() -> str:
    """A row per layer: toggles of signals in a frame."""
    rows = [
        [row["layer"], row["bits"], *(number_text(row[s]["toggles"]) for s in ("finn", "imec")),
         ratio_text(row["ratio"])]
        for path in sorted(RESULTS.glob("power-*.json"))
        for row in load(path.stem)["rows"]
    ]  # fmt: skip
    return table(["layer", "bits", "FINN's pair", "IMECConv", "ratio"], rows)


def page() -> str:
    """docs/results.md."""
    counted = {key: TITLES[key] for key in COUNTED}
    comparison = comparisons()
    most_cycles = max(row["ratio"]["cycles"] for rows in comparison.values() for row in rows)
    values: dict[str, Any] = {
        "means": means_table(means()),
        "most_cycles": f"{math.ceil(most_cycles * 1000) / 1000:.3f}",
        "layers": {name: layer_table(rows) for name, rows in comparison.items()},
        "padded": layer_table(load("padded-auto-4bit")),
        "demo": layer_table(load("demo")),
        "throughput": throughput_summary(load("throughput")),
        "simulated": networks_table("network", SIMULATED),
        "counted": {part: networks_table(part, counted) for part in PARTS},
        "power": power_table(),
        "photo": load("networks/espcn")[0]["photo"],
    }  # fmt: skip
    return render(RESULTS.parent / "results.md.j2", **values)


def main(picture: Annotated[Path | None, typer.Option(help="Where to draw them.")] = None) -> None:
    """Print the page; draw the picture of the means."""
    print(page(), end="")
    if picture:
        ratio_chart(means(), {key: TITLES[key] for key in PICTURE}, picture)


if __name__ == "__main__":
    typer.run(main)
