"""Activation memory in a network, and the cycles a frame that it buys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, gcd, inf, log2
from typing import Any

from finn_imec.compat.finn import CLOCK_NS
from finn_imec.fifos.cost import LUTS_PER_BRAM, LUTS_PER_URAM
from finn_imec.fifos.search import LEAST
from finn_imec.fifos.sizing import FRAMES, LIMIT, PATIENCE, VERIFIED, Simulator, lowered, width_of
from finn_imec.layer.memories import LUT_BUFFER_WORDS, Memory, resolved_style
from finn_imec.layer.pair_estimate import AUTO_BITS, AUTO_WORDS, ram_luts
from finn_imec.layer.units import storage
from finn_imec.util.onnx_model import naming

#: Targets of a curve, as factors of the cycles a frame without limits.
FACTORS = (1.0, 1.02, 1.05, 1.1, 1.2, 1.4)


@dataclass(frozen=True)
class Amount:
    """Memory. bits: all that is held. lut: LUT sites; bram18, uram: blocks. Registers are in bits alone."""

    bits: int = 0
    lut: int = 0
    bram18: int = 0
    uram: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values())))

    @staticmethod
    def of(memories: Sequence[Memory], bits: int | None = None) -> Amount:
        """Of some memories; bits: in all, if registers hold some of them."""
        held = sum(memory.words * memory.bits for memory in memories) if bits is None else bits
        blocks = (sum(getattr(memory, kind) for memory in memories) for kind in ("bram18", "uram"))
        return Amount(held, sum(map(ram_luts, memories)), *blocks)


def node_memory(model: Any) -> dict[str, Amount]:
    """What a model's specialized nodes hold of activations, by node; FIFOs excluded.

    IMECConv's line buffer or window unit; of FINN's pair the generator's buffer, by FINN's own depth, and the
    replay buffer. The word that a width converter holds counts on both sides, since IMECConv has that in
    itself. The same formula gives the LUTs and blocks of both sides' memories.
    """
    from qonnx.custom_op.registry import getCustomOp

    found = {}
    for node in model.graph.node:
        with naming(node):
            inst = getCustomOp(node)
            if node.op_type.startswith("IMECConv"):
                found[node.name] = _imec(inst)
            elif node.op_type == "ConvolutionInputGenerator_rtl":
                found[node.name] = _generator(inst)
            elif node.op_type.startswith("MVAU"):
                found[node.name] = _replay(inst)
            elif node.op_type.startswith("StreamingDataWidthConverter"):
                found[node.name] = Amount(max(inst.get_nodeattr("inWidth"), inst.get_nodeattr("outWidth")))
    return {name: amount for name, amount in found.items() if amount.bits}


def _imec(inst: Any) -> Amount:
    """Of IMECConv: its storage and, if words come narrower or wider than they are stored, one of those."""
    g, bits = inst.geometry, inst.get_input_datatype(0).bitwidth()
    converted = max(g.simd_in, g.word_channels) if g.simd_in != g.word_channels else 0
    cut = g.simd + g.word_channels - gcd(g.simd, g.word_channels) if g.geared else 0
    memories = [*inst.structure.buffer_memories, *inst.structure.queue_memories]
    return Amount.of(memories, storage(g).bits(bits) + (converted + cut) * bits)


def _generator(inst: Any) -> Amount:
    """Of FINN's RTL generator: a ring or, with parallel_window, K_h - 1 lines; the rest is in registers."""
    word, depth = inst.get_nodeattr("SIMD") * inst.get_input_datatype(0).bitwidth(), inst.get_buffer_depth()
    count, words = 1, depth
    if inst.select_impl_style() == "parallel":
        (kh, kw), (dh, dw), (_, width) = map(inst.get_nodeattr, ("ConvKernelDim", "Dilation", "IFMDim"))
        count, words = kh - 1, max(1, dh * width - (kw - 1) * dw - 1)
    style = resolved_style(inst.get_nodeattr("ram_style"), words, LUT_BUFFER_WORDS)
    return Amount.of([Memory(words, word, style, 2)] * count, depth * word)


def _replay(inst: Any) -> Amount:
    """Of an MVAU: finn-rtllib/mvu/replay_buffer.sv has a power of two of words, HLS just the words."""
    words = inst.get_nodeattr("MW") // inst.get_nodeattr("SIMD")
    if inst.get_nodeattr("MH") == inst.get_nodeattr("PE"):
        return Amount()
    if inst.onnx_node.op_type == "MVAU_rtl":
        words = 2 ** ceil(log2(words))
    bits = inst.get_nodeattr("SIMD") * inst.get_input_datatype(0).bitwidth()
    block = words >= AUTO_WORDS and words * bits > AUTO_BITS
    return Amount.of([Memory(words, bits, "block" if block else "distributed", 2)])


@dataclass(frozen=True)
class Point:
    """bits, lut, bram18, uram: of line buffers, replay buffers, converted words and FIFOs, see `Amount`.

    interval: cycles a frame. depths: of the FIFOs. complete: see `Sizing`.
    """

    bits: int
    interval: int
    depths: Mapping[str, int]
    lut: int = 0
    bram18: int = 0
    uram: int = 0
    complete: bool = True

    @property
    def weight(self) -> int:
        """Its memory in LUTs: blocks as the LUTs that hold as many bits."""
        return self.lut + LUTS_PER_BRAM * self.bram18 + LUTS_PER_URAM * self.uram


def curve(
    model: Any,
    part: str,
    frames: int = FRAMES,
    limit: int = LIMIT,
    factors: Sequence[float] = FACTORS,
    stage: Callable[[str], None] = lambda name: None,
    clock_ns: float = CLOCK_NS,
    targets: Sequence[int] = (),
    fine: bool = True,
) -> tuple[Point, ...]:
    """What a network's cycles a frame are with ever less memory: the smallest FIFOs for ever slower targets.

    From the fastest, whose interval is that without limits, to the one with FIFOs of depth 2 or, if they
    deadlock, to the least that runs in PATIENCE times the cycles. limit: on trials, for each target.
    part, clock_ns: see `Simulator`. targets: more of them, in cycles a frame, such as another curve's
    intervals. fine: see `lowered`. Each point has fewer bits than the one before, whose depths are where its
    search begins.
    """
    simulator = Simulator(model, frames, part, stage, clock_ns)
    fixed = sum(node_memory(simulator.model).values(), Amount())
    points: list[Point] = []

    def add(interval: int, depths: Mapping[str, int], complete: bool = True) -> None:
        memory = sum((fifo_memory(simulator, name, depth) for name, depth in depths.items()), fixed)
        if not points or memory.bits < points[-1].bits:
            points.append(Point(interval=interval, depths=depths, complete=complete, **vars(memory)))

    def size(target: int | None) -> int:
        start = points[-1].depths if points else None
        found = lowered(simulator, target, frames, limit, start, fine)
        add(found.interval, found.depths, found.complete)
        return found.unlimited

    fastest = size(None)
    shallow = dict.fromkeys(simulator.fifos, LEAST)
    interval = simulator.interval(shallow, VERIFIED * frames)
    slowest = PATIENCE * fastest if interval is None else ceil(interval)
    wanted = {int(fastest * factor) for factor in factors} | {*targets}
    for target in sorted(each for each in wanted if fastest < each < slowest):
        size(target)
    if interval is None:
        size(slowest)
    else:
        add(slowest, shallow)
    return tuple(points)


def fifo_memory(simulator: Simulator, name: str, depth: int) -> Amount:
    """Of a FIFO of this depth: depth times width, as in FINN's reports, and its cost by FINN's estimates."""
    cost = simulator.costs[name](depth)
    return Amount(depth * width_of(simulator.fifos[name]), cost.lut, cost.bram, cost.uram)


def bits_of(point: Point) -> int:
    """A measure for `at_most`."""
    return point.bits


def luts_of(point: Point) -> int:
    """Likewise."""
    return point.weight


def at_most(points: Sequence[Point], most: int, measure: Callable[[Point], int] = bits_of) -> int | None:
    """The fewest cycles a frame of a curve with this much memory; None if it has no point so small."""
    return min((point.interval for point in points if measure(point) <= most), default=None)


def within(points: Sequence[Point], interval: int) -> Point | None:
    """The point with the fewest bits that takes at most so many cycles a frame; None if none is so fast."""
    return min((point for point in points if point.interval <= interval), key=bits_of, default=None)


def slower_at(
    mine: Sequence[Point], other: Sequence[Point], measure: Callable[[Point], int] = bits_of
) -> list[int]:
    """Sizes of memory of the other curve's points, with which mine takes more cycles a frame."""
    sizes = [(measure(point), point.interval) for point in other]
    return [most for most, cycles in sizes if (at_most(mine, most, measure) or inf) > cycles]
