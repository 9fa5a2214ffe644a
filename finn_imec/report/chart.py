"""The comparison as a bar chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finn_imec.errors import require

_PANELS = {"lut": "LUTs", "ff": "flip-flops", "memory": "LUTs as memory", "cycles": "cycles per frame"}


def comparison_chart(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a PNG or SVG: per layer a bar for FINN's pair and one for IMECConv, four panels."""
    require("matplotlib", "plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    positions = range(len(rows))
    for axes, (key, title) in zip(figure.subplots(2, 2).flat, _PANELS.items()):
        for shift, side, name in ((-0.2, "finn", "FINN SWG + MVAU"), (0.2, "imec", "IMECConv")):
            values = [row[side][key] for row in rows]
            bars = axes.bar([p + shift for p in positions], values, 0.4, label=name)
            axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
        axes.set_title(title)
        axes.set_xticks(list(positions), [f"{row['layer']}\n{row['bits']} bit" for row in rows])
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(y=0.15)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=120)

