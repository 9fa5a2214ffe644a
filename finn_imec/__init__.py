"""Memory-lean convolution hardware for quantized neural networks, as a FINN plugin.

What most users need is here; the packages below list their public names in `__all__`. Names are imported on
first use, because this module is loaded at every interpreter start.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would import typing, at every interpreter start
if TYPE_CHECKING:
    from finn_imec.builder import build, imec_build_steps, step_convert_to_imec
    from finn_imec.layer import ConvGeometry, Datapath
    from finn_imec.transformation import ExpandIMECConv, FoldIMECConv, InferIMECConv
    from finn_imec.util.errors import ImecError

__version__ = "0.2.0"

__all__ = [
    "ConvGeometry",
    "Datapath",
    "ExpandIMECConv",
    "FoldIMECConv",
    "ImecError",
    "InferIMECConv",
    "build",
    "imec_build_steps",
    "step_convert_to_imec",
]

_PACKAGES = {
    "ConvGeometry": "layer",
    "Datapath": "layer",
    "ExpandIMECConv": "transformation",
    "FoldIMECConv": "transformation",
    "ImecError": "util.errors",
    "InferIMECConv": "transformation",
    "build": "builder",
    "imec_build_steps": "builder",
    "step_convert_to_imec": "builder",
}


def __getattr__(name: str) -> object:
    import importlib

    if name not in _PACKAGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PACKAGES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
