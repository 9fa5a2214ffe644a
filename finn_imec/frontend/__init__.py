"""From a QONNX export to what FINN turns into hardware layers: checks, conversions, streamlining."""

from finn_imec.frontend.hardware import attach_tail, check_hardware, detach_tail
from finn_imec.frontend.prepare import prepare
from finn_imec.frontend.streamline import convert_pooling, streamline

__all__ = ["attach_tail", "check_hardware", "convert_pooling", "detach_tail", "prepare", "streamline"]
