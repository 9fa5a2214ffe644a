"""Bits of activation memory in a network, and the cycles a frame that they buy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

from finn_imec.compat.finn import CLOCK_NS
from finn_imec.fifos.sizing import FRAMES, LIMIT, Simulator, Sizing, sized
from finn_imec.layer.units import storage
from finn_imec.util.onnx_model import naming

#: Targets of a curve, as factors of the cycles a frame without limits.
FACTORS = (1.0, 1.02, 1.05, 1.1, 1.2, 1.4)


def node_bits(model: Any) -> dict[str, int]:
    """Bits of the line buffers and replay buffers in a model's specialized nodes, by node; FIFOs excluded.

    IMECConv's line buffer; of FINN's pair the generator's buffer, by FINN's own depth, and the replay buffer.
    """
    from qonnx.custom_op.registry import getCustomOp

    bits = {}
    for node in model.graph.node:
        with naming(node):
            inst = getCustomOp(node)
            if node.op_type.startswith("IMECConv"):
                bits[node.name] = storage(inst.geometry).bits(inst.get_input_datatype(0).bitwidth())
            elif node.op_type == "ConvolutionInputGenerator_rtl":
                word = inst.get_nodeattr("SIMD") * inst.get_input_datatype(0).bitwidth()
                bits[node.name] = inst.get_buffer_depth() * word
            elif node.op_type.startswith("MVAU"):
                bits[node.name] = _replay_bits(inst)
    return {name: count for name, count in bits.items() if count}


def _replay_bits(inst: Any) -> int:
    """Of an MVAU: finn-rtllib/mvu/replay_buffer.sv has a power of two of words, HLS just the words."""
    words = inst.get_nodeattr("MW") // inst.get_nodeattr("SIMD")
    if inst.get_nodeattr("MH") == inst.get_nodeattr("PE"):
        return 0
    if inst.onnx_node.op_type == "MVAU_rtl":
        words = 2 ** ceil(log2(words))
    return int(words * inst.get_nodeattr("SIMD") * inst.get_input_datatype(0).bitwidth())


@dataclass(frozen=True)
class Point:
    """bits: of line buffers, replay buffers and FIFOs together. interval: cycles a frame."""

    bits: int
    interval: int
    depths: Mapping[str, int]


def curve(
    model: Any,
    part: str,
    frames: int = FRAMES,
    limit: int = LIMIT,
    factors: tuple[float, ...] = FACTORS,
    stage: Callable[[str], None] = lambda name: None,
    clock_ns: float = CLOCK_NS,
) -> tuple[Point, ...]:
    """What a network's cycles a frame are with ever less memory: the smallest FIFOs for ever slower targets.

    From the fastest, whose interval is that without limits, to the one with FIFOs of depth 2, if they do not
    deadlock. limit: on trials, for each target. part, clock_ns: see `Simulator`. Each point has fewer bits
    than the one before.
    """
    simulator = Simulator(model, frames, part, stage, clock_ns)
    fixed = sum(node_bits(simulator.model).values())
    points: list[Point] = []

    def add(sizing: Sizing) -> None:
        bits = fixed + sum(fifo.bits for fifo in sizing.fifos)
        if not points or bits < points[-1].bits:
            points.append(Point(bits, sizing.interval, sizing.depths))

    first = sized(simulator, None, frames, limit)
    add(first)
    for factor in factors[1:]:
        add(sized(simulator, int(first.unlimited * factor), frames, limit))
    slowest = simulator.interval(dict.fromkeys(first.depths, 2), frames)
    if slowest is not None:
        add(sized(simulator, ceil(slowest), frames, limit))
    return tuple(points)


def at_most(points: tuple[Point, ...], bits: int) -> int | None:
    """The fewest cycles a frame of a curve with this much memory; None if it has no point so small."""
    return min((point.interval for point in points if point.bits <= bits), default=None)
