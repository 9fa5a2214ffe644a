"""Memories of IMECConv nodes that go into LUTs, so that a swap takes no more block RAM than FINN's nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from finn_imec.layer.clock import period_ns, pipeline_for
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.structure import Structure
from finn_imec.layer.units import storage

#: Attributes that say where a memory of a node is, and what is in it.
MEMORIES = {
    "buffer_ram_style": "line buffer",
    "ram_style": "weights",
    "ram_style_thresholds": "thresholds",
}


@dataclass(frozen=True)
class Move:
    """Memories of a node in LUTs, by their attributes: RAMB18 that this saves, LUTs and cycles that it takes.

    after: the estimate of the node.
    """

    node: str
    attributes: tuple[str, ...]
    blocks: int
    luts: int
    cycles: int
    after: Estimate


def moves(
    node: str, memories: Sequence[str], before: Estimate, clock_ns: float, most_cycles: int
) -> list[Move]:
    """Each choice of a node's `memories`, by their attributes, whose move to LUTs saves block RAM.

    before: the node's estimate. None that makes its longest path longer than the clock,
    or with which it takes more cycles than most_cycles.
    """
    found = []
    slowest = max(clock_ns, period_ns(before.structure)[0])
    for names in (some for count in range(1, len(memories) + 1) for some in combinations(memories, count)):
        after = Estimate(_in_luts(before.structure, names, clock_ns))
        cycles = storage(after.structure.geometry).cycles_per_frame
        fits = cycles <= most_cycles and period_ns(after.structure)[0] <= slowest
        if fits and after.bram18 < before.bram18:
            blocks, luts = before.bram18 - after.bram18, after.luts - before.luts
            found.append(Move(node, names, blocks, luts, cycles, after))
    return found


def cheapest(choices: Sequence[Sequence[Move]], blocks: int, most_luts: int) -> tuple[Move, ...]:
    """At most one move of each node: those with the fewest LUTs that save so many RAMB18.

    Those that save the most blocks for at most most_luts LUTs, if so many would take more.
    """
    best: dict[int, tuple[int, tuple[Move, ...]]] = {0: (0, ())}
    for of_node in choices:
        for saved, (luts, taken) in list(best.items()):
            for move in of_node:
                total, cost = min(blocks, saved + move.blocks), luts + move.luts
                if cost <= most_luts and (total not in best or cost < best[total][0]):
                    best[total] = cost, (*taken, move)
    return best[max(best)][1]


def _in_luts(structure: Structure, names: tuple[str, ...], clock_ns: float) -> Structure:
    """The structure with these memories in LUTs, and the registers that the clock needs."""
    styles = dict.fromkeys(names, "distributed")
    buffer = styles.pop("buffer_ram_style", structure.geometry.buffer_style)
    styled = replace(structure, geometry=replace(structure.geometry, buffer_style=buffer), **styles)
    return replace(styled, pipeline=pipeline_for(styled, clock_ns))
