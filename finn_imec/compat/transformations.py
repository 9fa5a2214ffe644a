"""FINN's transformations whose place or name differs between finn-plus and upstream FINN."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

_CONVERT = "finn.transformation.fpgadataflow.convert_to_hw"


def is_upstream() -> bool:
    """True if the installed FINN is Xilinx/finn and not finn-plus."""
    return importlib.util.find_spec(f"{_CONVERT}_layers") is not None


def infer_layer(name: str, module: str = "", *arguments: Any) -> Any:
    """FINN's transformation `name` to a hardware layer; module: its place in finn-plus."""
    module = f"{_CONVERT}_layers" if is_upstream() else f"{_CONVERT}.{module}"
    return getattr(importlib.import_module(module), name)(*arguments)


def infer_stream_additions() -> Any:
    """The transformation that adds two streams: to AddStreams upstream, to ElementwiseAdd in finn-plus."""
    if is_upstream():
        return infer_layer("InferAddStreamsLayer")

    def adds_streams(model: Any, node: Any) -> bool:
        return node.op_type == "Add" and all(model.get_initializer(i) is None for i in node.input)

    operation = "InferElementwiseBinaryOperation"
    return infer_layer(operation, "elementwise_binary_operation", adds_streams)


def apply_config(config: Any) -> Any:
    """ApplyConfig(config), from finn-plus or, for upstream FINN, from QONNX."""
    try:
        from finn.transformation.general import ApplyConfig
    except ImportError:
        from qonnx.transformation.general import ApplyConfig
    return ApplyConfig(config)


def auto_folding_config(output_dir: Path) -> Path:
    """The file to which step_target_fps_parallelization writes the folding that it chose."""
    upstream = output_dir / "auto_folding_config.json"
    return upstream if upstream.is_file() else output_dir / "report" / "auto_folding_config.json"
