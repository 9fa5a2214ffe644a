"""Old public names and arguments, which work for one more release with a warning."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def deprecated_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that still resolves old names.

    module: its __name__. names: old name -> dotted new name, e.g. {"old": "finn_imec.package.new"}.
    Each use gives a DeprecationWarning that names the new one.
    """

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_deprecated(f"{module}.{name}", names[name])
        owner, _, attribute = names[name].rpartition(".")
        return getattr(importlib.import_module(owner), attribute)

    return __getattr__


def renamed_argument(old: str, new: str) -> Callable[[F], F]:
    """A decorator: the function also accepts keyword `old` for `new`, with a DeprecationWarning.

    Raises TypeError if a call gives both.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            if old in keywords:
                warn_deprecated(f"{old} of {function.__qualname__}", new)
                if new in keywords:
                    raise TypeError(f"{function.__qualname__}: {old} is the old name of {new}; give one")
                keywords[new] = keywords.pop(old)
            return function(*arguments, **keywords)

        return cast(F, call)

    return decorate


def warn_deprecated(old: str, new: str) -> None:
    """Warn at the caller of the function that calls this."""
    warnings.warn(f"{old} is deprecated, use {new}", DeprecationWarning, stacklevel=3)
