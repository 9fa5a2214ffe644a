"""Register IMECConv whenever FINN's modules are imported, in any process.

A spawned worker process, or a fresh interpreter that loads a saved model, imports FINN but not finn_imec. The
file finn_imec.pth in site-packages imports this module at interpreter start; it imports nothing heavy itself.
What goes wrong here or there is a warning: neither Python's start nor FINN depends on this package.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

TYPE_CHECKING = False  # typing's own would import typing, at every interpreter start
if TYPE_CHECKING:
    from collections.abc import Sequence

_DOMAINS = (
    "finn.custom_op.fpgadataflow",
    "finn.custom_op.fpgadataflow.hls",
    "finn.custom_op.fpgadataflow.rtl",
)
_warned = False


class RegisterOnImport:
    """Meta path finder: loads FINN's domain modules as usual, then adds our classes to them."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _DOMAINS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            try:
                from finn_imec.custom_op import register_in

                register_in(module)
            except Exception as why:
                _warn(why)

        spec.loader.exec_module = execute_and_register
        return spec


def _warn(why: Exception) -> None:
    """Say once, for FINN's three domains, that FINN goes on without IMECConv."""
    global _warned
    if _warned:
        return
    _warned = True
    import warnings

    text = f"FINN does not know IMECConv, because finn-imec is damaged ({type(why).__name__}: {why})"
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=1)
    except RuntimeWarning:  # an error by the user's filters, but not one of FINN's
        print(f"warning: {text}", file=sys.stderr)


def install() -> None:
    """Put the finder on sys.meta_path, once."""
    if RegisterOnImport not in sys.meta_path:
        sys.meta_path.insert(0, RegisterOnImport)
