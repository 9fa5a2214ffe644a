"""Configuration files that set attributes of nodes by name, such as folding: obeyed, or an error.

FINN's steps only log what they do not find in the graph. A folding configuration is applied twice: by FINN's
own step to the layers before the swap, and by step_convert_to_imec to the IMECConv nodes that are there then.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.custom_op import imec_nodes
from finn_imec.util.errors import ModelError, one_line

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto
    from qonnx.core.modelwrapper import ModelWrapper
#: Entry for op types, not for a node.
DEFAULTS = "Defaults"
#: FINN's steps that apply such a file, by its field of DataflowBuildConfig.
APPLIED_IN = {
    "folding_config_file": "step_apply_folding_config",
    "specialize_layers_config_file": "step_specialize_layers",
}


def read(path: str | Path) -> dict[str, dict[str, Any]]:
    """Node names and their attributes. ModelError naming the file if it holds anything else."""
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as err:
        raise ModelError(f"{path}: cannot be read ({err.strerror})") from err
    except ValueError as err:
        raise ModelError(f"{path}: not readable as JSON ({one_line(err)})") from err
    if not isinstance(config, dict) or not all(isinstance(entry, dict) for entry in config.values()):
        raise ModelError(f"{path}: holds no JSON object of node names with an object of attributes each")
    return config


def unknown(name: str, accepted: Iterable[str]) -> str:
    """Half a sentence for a name that is not accepted: the closest one, or all of them."""
    accepted = list(dict.fromkeys(accepted))
    close = difflib.get_close_matches(str(name), accepted, n=1)
    return f"did you mean '{close[0]}'?" if close else f"accepted is {', '.join(accepted) or 'nothing'}"


def set_attributes(
    nodes: Mapping[str, NodeProto], config: Mapping[str, Mapping[str, Any]], path: Any
) -> None:
    """Set what `config` says about each of `nodes`, by name.

    Raises ModelError naming file, node, attribute and value if a node does not have the attribute or does not
    accept the value, also if its folding is not legal then.
    """
    from qonnx.custom_op.registry import getCustomOp

    for name, node in nodes.items():
        if not config.get(name):
            continue
        inst, values = getCustomOp(node), config[name]
        for attribute, value in values.items():
            if attribute not in inst.get_nodeattr_types():
                hint = unknown(attribute, inst.get_nodeattr_types())
                raise ModelError(f"{path}: {node.op_type} {name} has no attribute '{attribute}'; {hint}")
            try:
                inst.set_nodeattr(attribute, value)
            except Exception as err:  # of any type, by what is wrong
                raise ModelError(f"{path}: {name}: {attribute}={value!r} ({one_line(err)})") from err
        try:
            _check_folding(inst)
        except Exception as err:
            listed = ", ".join(f"{attribute}={value!r}" for attribute, value in values.items())
            raise ModelError(f"{path}: {name}: {listed} ({one_line(err)})") from err


def _check_folding(inst: Any) -> None:
    """Raise if a hardware layer's folding does not divide its tensors, which FINN finds later or never.

    Of FINN's layers that are not yet specialized, the window generator has no streams.
    """
    if inst.onnx_node.op_type == "ConvolutionInputGenerator":
        return
    for name in {"SIMD", "PE"} & set(inst.get_nodeattr_types()):
        if inst.get_nodeattr(name) < 1:
            raise ModelError(f"{name}={inst.get_nodeattr(name)}: accepted are integers of 1 or more")
    for side in ("input", "output"):
        if hasattr(inst, f"get_folded_{side}_shape"):
            words = getattr(inst, f"get_folded_{side}_shape")()
            shape = getattr(inst, f"get_normal_{side}_shape")()
            if prod(words) != prod(shape):
                raise ModelError(f"{side} words {tuple(words)} are not all of its {side} {tuple(shape)}")


def configure_imec(model: ModelWrapper, path: Path | None) -> list[NodeProto]:
    """Apply a folding configuration to the IMECConv nodes that it names, or whose op type; gives these.

    Raises ModelError if it names an IMECConv that is not there, unless FINN has yet to specialize the nodes,
    and so to name them.
    """
    from qonnx.custom_op.registry import getCustomOp

    if path is None:
        return []
    config, nodes = read(path), {node.name: node for node in imec_nodes(model)}
    specialized = all(node.op_type != "IMECConv" for node in nodes.values())
    for name in config:
        if name.startswith("IMECConv") and name not in nodes and specialized:
            raise _no_node(path, name, nodes)
    entries = {name: _defaults(config, node) | config.get(name, {}) for name, node in nodes.items()}
    set_attributes(nodes, entries, path)
    configured = [nodes[name] for name, entry in entries.items() if entry]
    for node in configured:
        inst = getCustomOp(node)
        inst.set_nodeattr("cycles_estimate", int(inst.get_exp_cycles()))
    return configured


def kept_units(path: Path | None) -> list[str]:
    """The MVAUs and VVAUs that a folding configuration names if it names IMECConv nodes, too.

    Such a file is of a graph after the swap, which may leave an MVAU alone at one folding and not at another:
    the names of the IMECConv nodes are those beside the MVAUs that stayed.
    """
    from finn_imec.transformation.pair import MATRIX_UNITS

    names = list(read(path)) if path is not None else []
    of_swapped = any(name.startswith("IMECConv") for name in names)
    return [name for name in names if of_swapped and name.startswith(MATRIX_UNITS)]


def _defaults(config: Mapping[str, Any], node: NodeProto) -> dict[str, Any]:
    """Values of "Defaults" for the node's op type, by attribute; "all" held for its pair already."""
    return {
        attribute: value
        for attribute, pairs in config.get(DEFAULTS, {}).items()
        for value, types in zip(pairs[::2], pairs[1::2], strict=True)
        if types != "all" and node.op_type in types
    }


def _check_defaults(config: Mapping[str, Any], path: Path) -> None:
    """Raise ModelError for a default of an op type or an attribute that FINN does not have."""
    from finn.custom_op import fpgadataflow
    from finn.custom_op.fpgadataflow import hls, rtl
    from onnx import helper

    known = fpgadataflow.custom_op | hls.custom_op | rtl.custom_op
    for attribute, pairs in config.get(DEFAULTS, {}).items():
        if not isinstance(pairs, list) or len(pairs) % 2 or not all(map(_op_types, pairs[1::2])):
            raise ModelError(
                f"{path}: {DEFAULTS}: {attribute}={pairs!r}; accepted is [value, [op type, ...]] or "
                '[value, "all"]'
            )
        for op_type in (each for types in pairs[1::2] if types != "all" for each in _op_types(types)):
            if op_type not in known:
                raise ModelError(
                    f"{path}: {DEFAULTS}: {attribute} is for '{op_type}', not an op type; "
                    f"{unknown(op_type, sorted(known))}"
                )
            attributes = known[op_type](helper.make_node(op_type, [], [])).get_nodeattr_types()
            if attribute not in attributes:
                raise ModelError(
                    f"{path}: {DEFAULTS}: {op_type} has no attribute '{attribute}'; "
                    f"{unknown(attribute, attributes)}"
                )


def _op_types(types: Any) -> list[str]:
    """Of one default: its op types; empty if that is no name and no list of names."""
    if isinstance(types, str):
        return [types]
    return types if isinstance(types, list) and all(isinstance(each, str) for each in types) else []


def _no_node(path: Path, name: str, accepted: Iterable[str]) -> ModelError:
    listed = ", ".join(accepted)
    return ModelError(
        f"{path}: '{name}' is not a node; accepted is {listed or 'none, as no pair was swapped'}"
    )


def all_nodes(graph: GraphProto, prefix: str = "") -> Iterator[tuple[str, NodeProto]]:
    """(name in a configuration, node) of a graph and the graphs in its nodes' attributes."""
    for node in graph.node:
        yield prefix + node.name, node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g, f"{prefix}{node.name}_{attribute.name}_")


def checked(steps: list[Callable], field: str, path: Path, ours: tuple[str, ...]) -> list[Callable]:
    """The steps of a build; those that apply the file of this field obey all of it, or fail.

    ours: this package's steps that apply it, too, to IMECConv nodes. Raises ModelError if no step does.
    """
    config = read(path)
    _check_defaults(config, path)
    finns = APPLIED_IN[field]
    applying = [i for i, step in enumerate(steps) if step.__name__ in (finns, *ours)]
    if not applying:
        raise ModelError(f"{field} is applied by {finns}, not a step of this build")
    names: dict[str, None] = {}

    def watch(step: Callable, last: bool) -> Callable:
        @functools.wraps(step)
        def run(model: ModelWrapper, cfg: Any) -> ModelWrapper:
            if step.__name__ == finns:
                from finn.transformation.qonnx.give_unique_node_names_recursive import (
                    GiveUniqueNodeNamesRecursive,
                )

                model = model.transform(GiveUniqueNodeNamesRecursive())  # as the step does
                nodes = {
                    name: node
                    for name, node in all_nodes(model.graph)
                    if node.domain.startswith(("finn.", "qonnx."))
                }
                set_attributes(nodes, config, path)
                names.clear()
                names.update(dict.fromkeys(nodes))
            model = step(model, cfg)
            if step.__name__ != finns:
                names.update(dict.fromkeys(node.name for node in imec_nodes(model)))
            for name in config if last else ():
                if name != DEFAULTS and name not in names:
                    raise _no_node(path, name, names)
            return model

        return run

    watched = list(steps)
    for i in applying:
        watched[i] = watch(steps[i], i == applying[-1])
    return watched
