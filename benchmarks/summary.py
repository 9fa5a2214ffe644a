"""All comparisons in benchmarks/results: the README's table of their means, and its picture.

    python benchmarks/summary.py [--picture docs/assets/ratios.png]
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from finn_imec.report.chart import ratio_chart
from finn_imec.report.table import TITLES, ratio_text
from finn_imec.synthesis.compare import geometric_means

RESULTS = Path(__file__).parent / "results"
TABLE = TITLES | {"surround_lut": "LUT around MACs", "surround_ff": "FF around MACs"}
PICTURE = ("lut", "memory", "ff", "bram18", "depth", "cycles")

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


def main(picture: Annotated[Path | None, typer.Option(help="Where to draw them.")] = None) -> None:
    """Print the table; draw the picture."""
    print(markdown(means()), end="")
    if picture:
        ratio_chart(means(), {key: TITLES[key] for key in PICTURE}, picture)


if __name__ == "__main__":
    typer.run(main)
