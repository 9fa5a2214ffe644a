"""The network in a build's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finn_imec.builder.run import FAILED_LOG, MODEL, PARENT
from finn_imec.partition.graph import joined
from finn_imec.util.errors import ModelError, one_line, require
from finn_imec.util.onnx_model import load_onnx


def is_build(folder: str | Path) -> bool:
    """True of a folder that `build` wrote."""
    return (Path(folder) / MODEL).is_file()


def check_not_failed(folder: str | Path) -> None:
    """Raise ModelError naming the log if a folder holds that of a failed build and no earlier build."""
    log = Path(folder) / FAILED_LOG
    if log.is_file() and not is_build(folder):
        raise ModelError(f"{folder}: holds a build that failed, see {log}; build it again")


def model_of(folder: str | Path) -> Path:
    """The hardware layers in a build's folder; ModelError if it is none, or of a build that failed."""
    check_not_failed(folder)
    if not is_build(folder):
        raise ModelError(f"{folder}: holds no {MODEL}; expected the output folder of finn-imec build")
    return Path(folder) / MODEL


def load_build(folder: str | Path) -> Any:
    """The network of a build's folder, from the inputs to the outputs of the exported graph.

    The hardware layers are those of the build's last step; what FINN leaves to the host, such as the
    transposition of the input, is around them. A QONNX ModelWrapper. Raises ModelError naming the file that
    is missing or broken.
    """
    wrapper = require("qonnx.core.modelwrapper", "finn").ModelWrapper
    part, parent = model_of(folder), Path(folder) / PARENT
    try:
        model = wrapper(load_onnx(part))
        if not parent.is_file():
            return model
        return joined(wrapper(load_onnx(parent)), model)
    except ModelError:
        raise
    except Exception as err:  # of any type, by what is broken
        raise ModelError(f"{folder}: {one_line(err)}") from err
