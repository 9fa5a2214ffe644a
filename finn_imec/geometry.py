"""Deprecated, for one release: these names are in finn_imec.layer."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "ConvGeometry": "finn_imec.layer.ConvGeometry",
        "LoopNest": "finn_imec.layer.geometry.LoopNest",
        "PaddingRuns": "finn_imec.layer.arrivals.PaddingRuns",
        "divisors": "finn_imec.layer.divisors",
    },
)
