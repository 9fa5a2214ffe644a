"""Tables and a chart of what finn_imec.algorithms.timing measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finn_imec.algorithms.im2col import lowering_elements as im2col_elements
from finn_imec.algorithms.mec import lowering_elements as mec_elements
from finn_imec.layer.geometry import ConvGeometry

#: What MEC's paper gives: bytes per element, and the memory of im2col and of MEC as formulas.
PUBLISHED_BYTES = 4
PUBLISHED = {"im2col": im2col_elements, "mec": mec_elements}

Table = tuple[str, list[str], list[list[str]]]
Result = dict[str, Any]


def algorithms_of(result: Result) -> list[str]:
    """Names of what was compared, in the order of the first layer."""
    return [each["algorithm"] for each in result["layers"][0]["results"]]


def wrong(result: Result) -> list[str]:
    """ "LAYER ALGORITHM" of every result beyond its tolerance."""
    return [
        f"{row['layer']} {each['algorithm']}"
        for row in result["layers"]
        for each in row["results"]
        if not each.get("correct", True)
    ]


def table(result: Result) -> list[Table]:
    """(title, header, rows): lowering memory beside the published formulas, time, differences.

    A cell is - where the device has no such operation, and "wrong" where the sums were.
    """
    names = algorithms_of(result)
    rows = result["layers"]
    tables = [
        (
            "Lowering memory, kB",
            ["layer", *(f"{name}, published" for name in PUBLISHED), *names],
            [
                [
                    row["layer"],
                    *_published(row),
                    *(_cell(each, _kilobytes) for each in row["results"]),
                ]
                for row in rows
            ],
        ),
        ("Time of a call, ms", *_times(rows, names, "milliseconds")),
    ]
    if any(each.get("device_milliseconds") for row in rows for each in row["results"]):
        tables.append(("Time of its kernels alone, ms", *_times(rows, names, "device_milliseconds")))
    else:
        tables.append(("Fastest call, ms", *_times(rows, names, "fastest")))
    header = ["", *names]
    worst = ["largest", *(_worst(rows, number) for number in range(len(names)))]
    tables.append(("Difference from float64", header, [worst]))
    return tables


def largest_table(result: Result) -> Table:
    """The largest images, as timing.largest_image found them."""
    largest = result["largest"]
    memory = f"{largest['memory_bytes'] / 2**20:,.0f} MiB"
    images = largest["images"]
    return (
        f"Largest image of {largest['layer']}'s kernel and channels in {memory}",
        ["", *(image["algorithm"] for image in images)],
        [
            ["pixels", *(f"{image['size']:,} x {image['size']:,}" for image in images)],
            [
                "times direct's",
                *(f"{(image['size'] / images[0]['size']) ** 2:.2f}" for image in images),
            ],
        ],
    )


def _times(rows: Sequence[Result], names: list[str], key: str) -> tuple[list[str], list[list[str]]]:
    lines = [
        [
            row["layer"],
            *(_cell(each, lambda each: _milliseconds(each[key])) for each in row["results"]),
        ]
        for row in rows
    ]
    return ["layer", *names], lines


def _cell(each: Result, text: Any) -> str:
    if "unsupported" in each:
        return "-"
    return text(each) if each["correct"] else "wrong"


def _kilobytes(each: Result) -> str:
    return f"{each['lowering_bytes'] / 1000:,.0f}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _published(row: Result) -> list[str]:
    geometry = ConvGeometry(**row["geometry"])
    if row["groups"] != 1 or geometry.depthwise:
        return ["-"] * len(PUBLISHED)
    return [f"{PUBLISHED_BYTES * of(geometry) / 1000:,.0f}" for of in PUBLISHED.values()]


def _worst(rows: Sequence[Result], number: int) -> str:
    found = [row["results"][number] for row in rows]
    values = [each["difference"] for each in found if "unsupported" not in each]
    return f"{max(values):.0e}" if values else "-"


def draw(result: Result, path: Path) -> None:
    """Write a PNG or SVG: lowering memory and time of each algorithm on each layer, both logarithmic."""
    from finn_imec.util.figures import figure

    rows, names = result["layers"], algorithms_of(result)
    device = any(each.get("device_milliseconds") for row in rows for each in row["results"])
    key = "device_milliseconds" if device else "milliseconds"
    panels = (
        ("lowering_bytes", 1e-3, "lowering memory, kB (nothing: no bar)"),
        (key, 1, "time of the kernels, ms" if device else "time, ms"),
    )
    width = 0.85 / len(names)
    with figure(max(7, 1.1 * len(rows)), 6.5) as fig:
        for axes, (of, scale, title) in zip(fig.subplots(2, 1), panels):
            for number, name in enumerate(names):
                found = [row["results"][number] for row in rows]
                values = [each[of] * scale if each.get("correct") and each[of] else 0 for each in found]
                places = [at + (number - (len(names) - 1) / 2) * width for at in range(len(rows))]
                axes.bar(places, values, width, label=name, color=f"C{number}")
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:,g}")
            axes.set_xticks(range(len(rows)), [row["layer"] for row in rows])
            axes.set_title(title)
        environment = result["environment"]
        first = rows[0]
        fig.suptitle(
            f"{environment['device']}, torch {environment['torch']}, {first['dtype']}, batch {first['batch']}"
        )
        fig.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(names))
        fig.savefig(path, dpi=120)
