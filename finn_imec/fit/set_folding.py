"""What FINN's own folding to a target, SetFolding, makes of a network within the same budget."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, isqrt

from qonnx.core.modelwrapper import ModelWrapper

from finn_imec.fit.network import network_of
from finn_imec.fit.solver import Choice, Vector

#: FINN's default of DataflowBuildConfig.mvau_wwidth_max.
WIDEST_WEIGHTS = 36
#: How near the targets are between which the search ends.
STEP = 1.02


@dataclass(frozen=True)
class FinnFolding:
    """A network as SetFolding folds it to a target, estimated like the choice beside it."""

    target: int
    choice: Choice
    fits: bool

    @property
    def cycles(self) -> int:
        """Of the slowest unit; more than the target where SetFolding does not reach it."""
        return self.choice.cycles


def folded_by_finn(
    pairs: ModelWrapper,
    target: int,
    part: str,
    clock_ns: float,
    budget: Vector,
    swap: Callable[[ModelWrapper], ModelWrapper] = lambda model: model,
) -> FinnFolding:
    """The network at a target of cycles per frame; swap: applied to it behind FINN's folding."""
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    with _quiet():
        model = swap(pairs.transform(SetFolding(target, mvau_wwidth_max=WIDEST_WEIGHTS)))
    network = network_of(model, part, clock_ns, fixed=True)
    choice = Choice(network, tuple(unit.options[0] for unit in network.units))
    return FinnFolding(target, choice, choice.fits(budget))


def fastest_by_finn(
    pairs: ModelWrapper,
    around: int,
    part: str,
    clock_ns: float,
    budget: Vector,
    swap: Callable[[ModelWrapper], ModelWrapper] = lambda model: model,
    progress: Callable[[int], None] = lambda cycles: None,
) -> FinnFolding | None:
    """The fastest that fits, by a search over targets; None if none does.

    around: cycles to begin at. Targets are halved or doubled from there until they enclose the limit, and
    then bisected to STEP. progress: called with each target.
    """

    def at(target: int) -> FinnFolding:
        progress(target)
        return folded_by_finn(pairs, target, part, clock_ns, budget, swap)

    best: FinnFolding | None = None
    slow, fast = around, 0  # a target that fits, and one that does not or that FINN does not reach
    found = at(around)
    while not found.fits and slow < 2**40:
        fast, slow = slow, 4 * slow
        # Where a target is not reached, a slower one may be no slower, but smaller.
        if (again := at(slow)).cycles == found.cycles <= fast:
            return None  # as slow as it gets
        found = again
    if not found.fits:
        return None
    best = found
    while fast == 0:
        found = at(max(1, slow // 4))
        if found.fits and found.cycles < best.cycles:
            best, slow = found, max(1, slow // 4)
        else:
            fast = max(1, slow // 4)
    while slow > ceil(fast * STEP):
        middle = max(fast + 1, isqrt(fast * slow))
        if middle >= slow:
            break
        found = at(middle)
        if found.fits:
            slow = middle
            if found.cycles < best.cycles:
                best = found
        else:
            fast = middle
    return best


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without FINN's warnings about targets that it does not reach."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
