"""Explanation of a deadlock in a partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from finn_imec.partition.netlist import Edge
from finn_imec.simulation.stimulus import Activity, SimulationError


class DeadlockError(SimulationError):
    """No word moves any more in a partition; names the stuck edges and nodes."""


def explain(seen: Sequence[tuple[Edge, Activity]]) -> str:
    """The stuck edges, and nodes that wait for each other in a ring or that are idle.

    seen: every edge with the activity of its probe until the end.
    """
    stuck = _stuck(seen)
    lines = [f"deadlock: no word moves after cycle {max(end.last for _, end in seen):,}"]
    shown = list(stuck.values())
    if ring := _ring(stuck):
        lines.append(f"these nodes wait for each other: {' -> '.join([*ring, ring[0]])}")
        shown = [stuck[pair] for pair in zip(ring, [*ring[1:], ring[0]])]
    elif idle := {whom for _, whom in stuck} - {who for who, _ in stuck} - {"input", "output"}:
        lines.append(f"these take and give nothing: {', '.join(sorted(idle))}")
    return "\n".join([*lines, *(f"  {line}" for line in shown)])


def _stuck(seen: Sequence[tuple[Edge, Activity]]) -> dict[tuple[str, str], str]:
    """(waiting node, node it waits for) -> description of the edge."""
    blocked = {edge.producer for edge, end in seen if end.valid and not end.ready}
    stuck: dict[tuple[str, str], str] = {}
    for edge, end in seen:
        giver, taker = edge.producer or "input", edge.consumer or "output"
        where = f"{edge} ({end.words:,} words passed)"
        if end.valid:
            stuck[giver, taker] = f"{where}: a word waits for {taker}"
        elif end.ready or edge.consumer not in blocked:
            stuck[taker, giver] = f"{where}: {taker} waits for a word"
    return stuck


def _ring(waits: Iterable[tuple[str, str]]) -> list[str]:
    """Nodes of which each waits for the next and the last for the first; empty if there is no ring."""
    graph: dict[str, set[str]] = {}
    for who, whom in waits:
        graph.setdefault(who, set()).add(whom)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        return err.args[1][:0:-1]  # the first node occurs twice
    return []
