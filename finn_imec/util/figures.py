"""Figures of matplotlib in the project's style."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from finn_imec.util.errors import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: FINN's pair, its replay buffer, IMECConv, weights.
GRAY, LIGHT, BLUE, PALE = "#8a8f98", "#c3c7ce", "#0b6e99", "#e8e4da"


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure, width and height in inches; in its block node names are plain text, not formulas."""
    require("matplotlib", "plot")
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = {
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "finn_imec",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        result = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(result)
        yield result
