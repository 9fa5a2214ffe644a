"""What is in benchmarks/results as the README tells it: means of all comparisons, whole networks.

    python benchmarks/summary.py [--picture docs/assets/ratios.png]

results/FOLDING-CORE-BITSbit.json are of `finn-imec compare --json`, results/networks/NAME.json of
networks.py or, if the name is that of a trained CNV, partition.py, both with --json.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from finn_imec.report.chart import ratio_chart
from finn_imec.report.table import TITLES, number_text, ratio_text
from finn_imec.synthesis.compare import geometric_means

RESULTS = Path(__file__).parent / "results"
TABLE = TITLES | {"surround_lut": "LUT around MACs", "surround_ff": "FF around MACs"}
PICTURE = ("lut", "memory", "ff", "bram18", "depth", "cycles")
SIMULATED = {
    "cycles_per_frame": "cycles per frame",
    "latency": "latency",
    "fifo_words": "words in FIFOs",
}
COUNTED = ("lut", "memory", "ff", "bram18", "dsp")

Means = dict[str, dict[str, float | None]]


def means() -> Means:
    """Geometric means of the ratios of each table, by folding, width and MAC core."""
    tables = {}
    for path in RESULTS.glob("cnv-*.json"):
        folding, core, bits = path.stem.rsplit("-", 2)
        tables[folding, core != "lut", int(bits.removesuffix("bit")), core] = path
    return {
        f"{folding}, {bits} bit{'s' * (bits > 1)}, {core}": geometric_means(
            json.loads(path.read_text())
        )
        for (folding, _, bits, core), path in sorted(tables.items())
    }


def markdown(means: Means) -> str:
    """A row per table; cycles with a digit more."""
    keys = [key for key in TABLE if key != "cycles"]
    header = ["layers, operands, MAC core", *(TABLE[key] for key in (*keys, "cycles"))]
    text = f"| {' | '.join(header)} |\n|{'---|' * len(header)}\n"
    for name, ratios in means.items():
        cells = [name, *(ratio_text(ratios[key]) for key in keys), f"{ratios['cycles']:.3f}"]
        text += f"| {' | '.join(cells)} |\n"
    return text


def networks() -> dict[str, dict[str, tuple[int, int]]]:
    """Of each network {figure: (FINN's pairs, IMECConv)}; those of COUNTED where Yosys was asked for."""
    found = {}
    for path in sorted((RESULTS / "networks").glob("*.json")):
        rows = json.loads(path.read_text())
        found[path.stem] = _of_network(rows[0]) if "network" in rows[0] else _of_cnv(rows)
    return found


def _of_cnv(rows: list[dict]) -> dict[str, tuple[int, int]]:
    """Figures of partition.py."""
    figures = {key: tuple(row[key] for row in rows) for key in SIMULATED}
    for key in COUNTED if "rest" in rows[0] else ():
        figures[key] = tuple(row["convolutions"][key] + _sum(row["rest"], key) for row in rows)
    return figures


def _of_network(result: dict) -> dict[str, tuple[int, int]]:
    """Figures of networks.py."""
    sides = "finn", "imec"
    figures = {key: tuple(result["partition"][side][key] for side in sides) for key in SIMULATED}
    for key, totals in result.get("resources", {}).get("totals", {}).items():
        figures[key] = tuple(totals[side] + _sum(result["rest"][side], key) for side in sides)
    return figures


def _sum(rest: dict[str, dict], key: str) -> int:
    """Of all nodes that Yosys reads."""
    return sum(node.get(key, 0) for node in rest.values())


def networks_markdown(networks: dict[str, dict[str, tuple[int, int]]]) -> str:
    """A row per network, FINN's pairs / IMECConv."""
    titles = SIMULATED | {key: TITLES[key] for key in COUNTED}
    text = f"| FINN's pairs / IMECConv | {' | '.join(titles.values())} |\n|{'---|' * (len(titles) + 1)}\n"
    for name, figures in networks.items():
        cells = [
            " / ".join(map(number_text, figures[key])) if key in figures else "" for key in titles
        ]
        text += f"| {' | '.join([name, *cells])} |\n"
    return text


def main(picture: Annotated[Path | None, typer.Option(help="Where to draw them.")] = None) -> None:
    """Print the table; draw the picture."""
    print(markdown(means()), networks_markdown(networks()), sep="\n", end="")
    if picture:
        ratio_chart(means(), {key: TITLES[key] for key in PICTURE}, picture)


if __name__ == "__main__":
    typer.run(main)
