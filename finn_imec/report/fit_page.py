"""What `finn-imec fit` found, as a chart and as one self-contained HTML page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from finn_imec import __version__
from finn_imec.fit.parts import BUDGETED
from finn_imec.fit.run import BUILD_CONFIG, FIT
from finn_imec.report.chart import inline_svg
from finn_imec.report.page import PAGE, environment
from finn_imec.util.errors import ModelError
from finn_imec.util.figures import BLUE, GRAY, LIGHT, PALE, figure
from finn_imec.util.json_file import read_json
from finn_imec.util.output import output_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHART = "fit.png"
#: What a fit is compared with, by its names in FIT.
FINN_SIDES = {"pairs": "SetFolding, FINN's pairs", "swapped": "SetFolding, then the swap"}
#: Line of each resource.
_LINES = {
    "lut": {"color": BLUE, "marker": "o"},
    "ff": {"color": GRAY, "marker": "s"},
    "bram18": {"color": "#000000", "marker": "^"},
    "uram": {"color": LIGHT, "marker": "v"},
    "dsp": {"color": PALE, "marker": "D"},
}


def is_fit(folder: str | Path) -> bool:
    """True of a folder that `finn-imec fit` wrote."""
    return (Path(folder) / FIT).is_file()


def write_fit_report(folder: str | Path) -> dict[str, Any]:
    """Write CHART and PAGE into a folder of `finn-imec fit`; returns its FIT and the page's path.

    Raises ModelError naming the file if it is missing or damaged, or if the folder cannot be written.
    """
    folder = Path(folder)
    found = read_json(folder / FIT, dict)
    try:
        with output_folder(folder, marker=FIT) as scratch:
            with figure(7, 4) as fig:
                _draw(fig, found)
                fig.savefig(scratch / CHART, dpi=120)
            (scratch / PAGE).write_text(render(found, folder), encoding="utf-8")
    except (KeyError, TypeError) as err:
        raise ModelError(f"{folder / FIT}: {err} is missing; finn-imec fit writes it") from err
    return {**found, "page": str(folder / PAGE), "chart": str(folder / CHART)}


def render(found: Mapping[str, Any], folder: Path) -> str:
    """The page of a fit."""
    with figure(7, 4) as fig:
        _draw(fig, found)
        chart = inline_svg(fig, "Share of the part at each throughput")
    return (
        environment()
        .get_template("fit.html.j2")
        .render(
            version=__version__,
            fit=found,
            folder=folder.name,
            resources=used(found),
            beside=beside(found),
            chart=Markup(chart),
            commands=[command for command in (found["command"], *next_commands(found, folder)) if command],
        )
    )


def next_commands(found: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """Commands that go on with a fit's folder: a build too, if the fit wrote a configuration for it."""
    name = str(folder)
    going_on = [["simulate", name], ["report", name]]
    if (folder / BUILD_CONFIG).is_file():
        going_on.insert(0, ["build", found["model"], "--config", f"{name}/{BUILD_CONFIG}", "--output", "OUT"])
    return tuple(shlex.join(["finn-imec", *words]) for words in going_on)


def used(found: Mapping[str, Any]) -> dict[str, str]:
    """Resources to show, key -> title: those that the part has, or that the choice takes."""
    return {key: title for key, title in BUDGETED.items() if found["resources"][key] or found["chosen"][key]}


def beside(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any] | None]:
    """The choice and FINN's results, by what they are."""
    return {"fit": found["chosen"]} | {title: found["finn"][side] for side, title in FINN_SIDES.items()}


def _draw(fig: Figure, found: Mapping[str, Any]) -> None:
    """Frames/s and the share of each resource, of the cheapest choices."""
    axes = fig.subplots()
    axes.patch.set_visible(False)
    table, resources = found["table"], found["resources"]
    rates = [row["fps"] for row in table]
    for key, title in used(found).items():
        if resources[key]:
            shares = [100 * row[key] / resources[key] for row in table]
            axes.plot(rates, shares, label=title, markersize=4, **_LINES[key])
    axes.axhline(100 * found["utilization"], color=GRAY, linewidth=1, linestyle="--")
    marks = [("chosen", found["chosen"]), ("SetFolding", found["finn"]["pairs"])]
    for text, point in marks:
        if point is not None:
            axes.axvline(point["fps"], color=BLUE if text == "chosen" else GRAY, linewidth=1)
            axes.annotate(
                text, (point["fps"], 1), (3, -3), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top", fontsize=8,
            )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="frames/s", ylabel=f"% of {found['part']}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="lower right", fontsize=8)
