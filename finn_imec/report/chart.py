"""Charts: the comparison as bars, memory and cycles per layer."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.synthesis.rows import Row
from finn_imec.util.figures import BLUE, GRAY, LIGHT, PALE, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from finn_imec.report.results import LayerMemory

_PANELS = {
    "lut": "LUTs",
    "ff": "flip-flops",
    "memory": "LUTs as memory",
    "cycles": "cycles per frame",
}


def comparison_chart(rows: Sequence[Row], path: Path) -> None:
    """Write a PNG or SVG with four panels: per layer a bar for FINN's pair and one for IMECConv."""
    positions = range(len(rows))
    sides = ((-0.2, "finn", GRAY, "FINN SWG + MVAU"), (0.2, "imec", BLUE, "IMECConv"))
    with figure(max(12, 2.6 * len(rows)), 7) as fig:
        for axes, (key, title) in zip(fig.subplots(2, 2).flat, _PANELS.items()):
            for shift, side, color, name in sides:
                values = [getattr(row, side)[key] for row in rows]
                bars = axes.bar([p + shift for p in positions], values, 0.4, color=color, label=name)
                axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
            axes.set_title(title)
            axes.set_xticks(list(positions), [f"{row.layer}\n{row.bits} bit" for row in rows])
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.margins(y=0.15)
        fig.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
        fig.savefig(path, dpi=120)


def ratio_chart(
    means: Mapping[str, Mapping[str, float | None]], titles: Mapping[str, str], path: Path
) -> None:
    """Write a PNG or SVG: a row of bars (IMECConv / FINN's pair) per comparison, a panel per figure.

    means: of each comparison, the geometric mean of each figure named in `titles`.
    """
    names = list(means)
    with figure(2.2 + 1.5 * len(titles), 1.1 + 0.26 * len(names)) as fig:
        panels = fig.subplots(1, len(titles), sharey=True)
        for axes, (key, title) in zip(panels, titles.items()):
            for at, name in enumerate(names):
                ratio = means[name][key]
                if ratio is None:
                    continue
                axes.barh(at, ratio, 0.62, color=BLUE)
                inside = ratio > 0.3
                where, color = ((-4, 0), "white") if inside else ((4, 0), "black")
                axes.annotate(
                    f"{ratio:.2f}", (ratio, at), where, textcoords="offset points", fontsize=8,
                    ha="right" if inside else "left", va="center", color=color,
                )  # fmt: skip
            axes.axvline(1, color=GRAY, linewidth=1.5)
            axes.margins(y=0.02)
            axes.set(xlim=(0, 1.05), xticks=[0, 0.5, 1], title=title)
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].invert_yaxis()
        fig.supxlabel(
            "IMECConv / FINN's pair (gray line), geometric mean of six layers: shorter is better", fontsize=9
        )
        fig.savefig(path, dpi=120)


def curve_chart(networks: Mapping[str, Mapping[str, Sequence[tuple[int, int, int]]]], path: Path) -> None:
    """Write a PNG or SVG: a column per network, cycles a frame against memory in bits and in LUTs.

    networks: of each, {"finn" or "imec": (bits, LUTs, cycles a frame) of each point, the fastest first}.
    """
    sides = {"finn": (GRAY, "o", "FINN's pairs"), "imec": (BLUE, "s", "IMECConv")}
    with figure(2.9 * len(networks), 4.8) as fig:
        rows = fig.subplots(2, len(networks), squeeze=False)
        for column, (name, curves) in enumerate(networks.items()):
            for row, unit in enumerate(("bits", "LUTs")):
                axes = rows[row][column]
                for side, (color, marker, label) in sides.items():
                    memory, cycles = zip(*_front((point[row], point[2]) for point in curves[side]))
                    style = {"color": color, "marker": marker, "markersize": 4, "label": label}
                    axes.step(memory, cycles, where="post", **style)
                axes.set(title=name if row == 0 else "", xlabel=f"{unit} of memory")
                axes.xaxis.set_major_formatter("{x:,.0f}")
                axes.yaxis.set_major_formatter("{x:,.0f}")
                axes.locator_params(axis="x", nbins=3)
                axes.locator_params(axis="y", integer=True)
        rows[0][0].set_ylabel("cycles a frame")
        rows[1][0].set_ylabel("cycles a frame")
        fig.legend(*rows[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        fig.savefig(path, dpi=120)


def _front(points: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of (memory, cycles) that have fewer cycles than all with less memory, ascending in memory."""
    found: list[tuple[int, int]] = []
    for memory, cycles in sorted(points):
        if not found or cycles < found[-1][1]:
            found.append((memory, cycles))
    return found


#: Colors of figures -> the page's CSS variables, so that charts follow its theme.
_THEME = {
    "#000000": "currentColor",
    GRAY: "var(--finn)",
    LIGHT: "var(--replay)",
    BLUE: "var(--imec)",
    PALE: "var(--weights)",
}


def inline_svg(figure: Figure, label: str) -> str:
    """The figure as an <svg> element of a page: without prolog, namespace URLs and background, in its theme.

    label: what a screen reader says of it, and what makes its ids unique.
    """
    text = io.StringIO()
    figure.patch.set_visible(False)
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    head, rest = svg.split(">", 1)
    head = re.sub(r' (xmlns(:xlink)?|width|height)="[^"]*"', "", head)
    for color, variable in _THEME.items():
        rest = rest.replace(color, variable)
    prefix = re.sub(r"\W+", "-", label.lower())
    rest = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", rest)
    return f'{head} role="img" aria-label="{label}">{rest}'


def memory_charts(
    memory: Mapping[str, LayerMemory], cycles: Mapping[str, tuple[int | None, int]]
) -> dict[str, str]:
    """Inline SVGs by title: activation memory, cycles and weights of each layer.

    memory, cycles: Results.memory and Results.cycles, of the same layers.
    """
    names = list(memory)
    at = range(len(names))
    charts = {}

    def draw(title: str, plot: Callable[[Any], None]) -> None:
        with figure(5.2, max(2.2, 0.9 + 0.32 * len(names))) as fig:
            axes = fig.subplots()
            axes.patch.set_visible(False)
            plot(axes)
            axes.set_yticks(list(at), [_short(n) for n in names])
            axes.invert_yaxis()
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.locator_params(axis="x", nbins=4)
            if axes.get_legend_handles_labels()[0]:
                fig.legend(loc="outside upper left", frameon=False, fontsize=8, ncols=3)
            charts[title] = inline_svg(fig, title)

    def buffers(axes: Any) -> None:
        line = [memory[n].line_buffer for n in names]
        axes.barh([y - 0.2 for y in at], line, 0.38, color=GRAY, label="FINN, line buffer")
        replay = [memory[n].replay for n in names]
        edge = {"color": LIGHT, "edgecolor": GRAY, "linewidth": 0.8}
        axes.barh([y - 0.2 for y in at], replay, 0.38, line, label="replay buffer", **edge)
        ours = [memory[n].strip for n in names]
        axes.barh([y + 0.2 for y in at], ours, 0.38, color=BLUE, label="IMECConv")

    def weights(axes: Any) -> None:
        axes.barh(at, [memory[n].weights for n in names], 0.6, color=PALE)

    def time(axes: Any) -> None:
        for shift, side, color, label in ((-0.2, 0, GRAY, "FINN"), (0.2, 1, BLUE, "IMECConv")):
            values = [cycles[n][side] for n in names]
            if None not in values:
                axes.barh([y + shift for y in at], values, 0.38, color=color, label=label)

    draw("Activation memory, bits", buffers)
    draw("Cycles per frame; the longest bar sets the frame rate", time)
    draw("Weights, bits, the same on both sides", weights)
    return charts


def _short(name: str, longest: int = 24) -> str:
    return name if len(name) <= longest else f"{name[: longest - 3]}..."
