"""A graph of hardware layers as units with options, and the folding that a choice of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from finn_imec.custom_op import register
from finn_imec.fit.options import finn_options, imec_options, pair_options, width_converter
from finn_imec.fit.solver import Network, Option, Unit
from finn_imec.transformation.pair import MATRIX_UNITS, MatrixUnit, Pair
from finn_imec.util.errors import ModelError, one_line

#: Nodes that FINN inserts between layers; a folding decides anew where they are.
_BETWEEN = ("StreamingFIFO", "StreamingDataWidthConverter")


def network_of(
    model: ModelWrapper,
    part: str,
    clock_ns: float,
    uram: bool = False,
    fixed: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> Network:
    """The specialized hardware layers of a graph as units.

    part: for FINN's estimates. uram: the part has UltraRAM. fixed: each unit has one option, what it is now.
    progress: called with the name of each unit. Raises ModelError naming the node that is no hardware layer,
    or that has no legal folding.
    """
    register()
    units, bits = [], {}
    for nodes, options in _groups(model, part, clock_ns, uram, fixed):
        name = " + ".join(node.name for node in nodes)
        progress(name)
        try:
            found = options()
        except Exception as err:  # of any type, by what is wrong with a node
            raise ModelError(f"{name}: cannot be estimated ({one_line(err)})") from err
        if not found:
            raise ModelError(f"{name}: FINN accepts none of the divisors of its channels as folding")
        inputs = tuple(tensor for tensor in nodes[0].input if tensor in found[0].words)
        outputs = tuple(tensor for tensor in nodes[-1].output if tensor in found[0].words)
        units.append(Unit(name, tuple(found), inputs, outputs))
        for tensor in (*inputs, *outputs):
            bits[tensor] = int(model.get_tensor_datatype(tensor).bitwidth())
    return Network(tuple(units), bits, width_converter)


def _groups(
    model: ModelWrapper, part: str, clock_ns: float, uram: bool, fixed: bool
) -> list[tuple[list[NodeProto], Callable[[], list[Option]]]]:
    """The nodes of each unit, in the graph's order, and what makes its options."""
    done: set[str] = set()
    groups = []
    for node in model.graph.node:
        if node.name in done:
            continue
        if not node.domain.startswith("finn.custom_op.fpgadataflow"):
            raise ModelError(
                f"{node.name} ({node.op_type}) is no hardware layer; accepted are graphs after FINN's "
                "step_create_dataflow_partition"
            )
        if node.op_type.startswith(_BETWEEN):
            raise ModelError(
                f"{node.name}: accepted are graphs before FIFOs and width converters are inserted"
            )
        group, options = _unit_at(model, node, part, clock_ns, uram, fixed)
        done.update(each.name for each in group)
        groups.append((group, options))
    return groups


def _unit_at(
    model: ModelWrapper, node: NodeProto, part: str, clock_ns: float, uram: bool, fixed: bool
) -> tuple[list[NodeProto], Callable[[], list[Option]]]:
    """The unit that begins with a node."""
    if node.op_type.startswith("IMECConv"):
        return [node], lambda: imec_options(model, node, clock_ns, uram, fixed)
    pair = _pair_at(model, node)
    if pair is not None:
        return list(pair.nodes), lambda: pair_options(pair, fixed)
    if node.op_type.startswith("ConvolutionInputGenerator"):
        reader = model.find_consumer(node.output[0])
        if reader is not None and reader.op_type.startswith("Pool"):
            return [node, reader], lambda: finn_options([node, reader], part, fixed)
    return [node], lambda: finn_options([node], part, fixed)


def _pair_at(model: ModelWrapper, node: NodeProto) -> Pair | None:
    """The pair, or the MVAU or VVAU alone, that begins with a node and can be estimated."""
    try:
        pair: Pair
        if node.op_type.startswith(MATRIX_UNITS):
            pair = MatrixUnit.of(model, node)
        else:
            generator = model.find_consumer(node.output[0]) if node.op_type.startswith("FMPadding") else node
            if generator is None or not generator.op_type.startswith("ConvolutionInputGenerator"):
                return None
            pair = Pair.find(model, generator, absorb_padding=generator is not node)
            if pair.nodes[0] is not node:
                return None
        _ = pair.estimate
    except Exception:  # of any type: FINN's methods estimate it then
        return None
    return pair


def folding_of(options: tuple[Option, ...], names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """FINN's folding configuration of a choice; names: of nodes in it, where they differ from the graph's."""
    config: dict[str, dict[str, Any]] = {"Defaults": {}}
    for option in options:
        for node, attributes in option.attributes.items():
            config[names.get(node, node)] = dict(attributes)
    return config


def cycles_of(model: ModelWrapper) -> dict[str, int]:
    """Cycles per frame that each node says it takes."""
    register()
    return {node.name: int(getCustomOp(node).get_exp_cycles()) for node in model.graph.node}
