"""The IMECConv nodes, and their registration in FINN's own domains.

FINN treats a node as hardware only if its domain is one of FINN's three (is_hls_node, is_rtl_node in
finn/util/fpgadataflow.py), so IMECConv joins them: `register` adds its classes to the `custom_op`
dictionaries in which QONNX looks up op types.
"""

from __future__ import annotations

import contextlib
import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: FINN domain (a Python module) -> (our module, class).
DOMAINS = {
    "finn.custom_op.fpgadataflow": ("finn_imec.custom_op.imecconv", "IMECConv"),
    "finn.custom_op.fpgadataflow.hls": ("finn_imec.custom_op.imecconv_hls", "IMECConv_hls"),
    "finn.custom_op.fpgadataflow.rtl": ("finn_imec.custom_op.imecconv_rtl", "IMECConv_rtl"),
}
#: The node's op type in each of its variants.
OP_TYPES = frozenset(name for _, name in DOMAINS.values())


def is_imec_conv(node: NodeProto) -> bool:
    """True for an IMECConv, in any variant."""
    return node.op_type in OP_TYPES


def imec_nodes(model: ModelWrapper | ModelProto) -> list[NodeProto]:
    """The IMECConv nodes of a graph in its order, in any variant."""
    return [node for node in model.graph.node if is_imec_conv(node)]


def register_in(domain: ModuleType) -> None:
    """Add our class for this FINN domain module to its dictionary. May be called repeatedly."""
    module, name = DOMAINS[domain.__name__]
    domain.custom_op[name] = getattr(importlib.import_module(module), name)


def register() -> None:
    """Add all our classes to FINN. Raises ModuleNotFoundError if FINN is not installed."""
    for domain in DOMAINS:
        register_in(importlib.import_module(domain))


# FINN first: the import hook needs our classes while FINN's modules load. A class whose own module started
# that import would not exist yet.
with contextlib.suppress(ModuleNotFoundError):
    for _domain in DOMAINS:
        importlib.import_module(_domain)
