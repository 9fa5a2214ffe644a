"""From a QONNX export to what FINN turns into hardware layers: checks, conversions, streamlining."""

from finn_imec.frontend.prepare import prepare
from finn_imec.frontend.streamline import streamline

__all__ = ["prepare", "streamline"]
