"""What a MODEL argument names: a file or a build's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finn_imec.util.errors import ModelError, one_line, require
from finn_imec.util.onnx_model import load_onnx


def load_model(path: Path) -> Any:
    """A QONNX model from an .onnx file or a build's folder, or CNV from an .npz. ModelError if unreadable."""
    require("finn.custom_op.fpgadataflow", "finn")  # QONNX comes without
    if path.is_dir():
        from finn_imec.partition.load import load_build

        return load_build(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a build's folder, an .onnx or an .npz")
    if path.suffix == ".npz":
        from finn_imec.networks.cnv import build_cnv

        return build_cnv(path)
    from qonnx.core.modelwrapper import ModelWrapper

    model = load_onnx(path)
    try:
        return ModelWrapper(model)
    except Exception as err:  # of any type, by what is broken
        raise ModelError(f"{path}: {one_line(err)}") from err


def built(folder: Path) -> tuple[Path, Any]:
    """The model in a build's folder, and what the build says of its swap, or None."""
    from finn_imec.builder.conversion import REPORT, load_conversion
    from finn_imec.partition.load import model_of

    model, report = model_of(folder), folder / REPORT
    return model, load_conversion(report) if report.is_file() else None
