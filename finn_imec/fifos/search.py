"""The search for the smallest depths: which FIFOs can be lowered, and how far, by trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Depths = dict[str, int]

#: FINN's FIFO has places for five words at least, at any depth up to that.
LEAST = 2


class Search:
    """Lowers depths from some that are accepted.

    accepts: whether a set of depths is; deeper FIFOs never turn yes into no. limit: calls of it at most; then
    `complete` is False, and the depths found so far are accepted ones.
    """

    def __init__(self, accepts: Callable[[Depths], bool], limit: int) -> None:
        self.accepts = accepts
        self.limit = limit
        self.trials = 0
        self.complete = True
        self._good: list[Depths] = []
        self._bad: list[Depths] = []

    def cheapest(self, start: Depths, steps: Mapping[str, Sequence[int]]) -> Depths:
        """Depths of which no single one can be lowered by a step.

        start: accepted. steps: for each FIFO, ascending, the deepest depth of each cost, up to the start's.
        The first FIFOs of `steps` are lowered first.
        """
        self._good.append(start)
        return self._lower(start, list(steps), steps)

    def smallest(self, found: Depths, steps: Mapping[str, Sequence[int]]) -> Depths:
        """Depths of which no single one can be lowered by a word, from the cheapest ones.

        Only within steps: words that cost nothing in one FIFO are not saved at the cost of another.
        """
        for name in steps:
            below = max((step for step in steps[name] if step < found[name]), default=LEAST - 1)
            found = self._lowest(found, name, range(below + 1, found[name] + 1))
        return found

    def ok(self, depths: Depths) -> bool:
        """Whether these depths are accepted; False if the limit is reached and it would take a trial."""
        if any(_covers(depths, good) for good in self._good):
            return True
        if any(_covers(bad, depths) for bad in self._bad):
            return False
        if self.trials >= self.limit:
            self.complete = False
            return False
        self.trials += 1
        accepted = self.accepts(depths)
        (self._good if accepted else self._bad).append(depths)
        return accepted

    def _lower(self, now: Depths, names: Sequence[str], steps: Mapping[str, Sequence[int]]) -> Depths:
        """Several FIFOs to LEAST at once or, if that is too low, each half of them."""
        goal = now | dict.fromkeys(names, LEAST)
        if self.ok(goal):
            return goal
        if len(names) == 1:
            return self._lowest(now, names[0], steps[names[0]])
        half = len(names) // 2
        return self._lower(self._lower(now, names[:half], steps), names[half:], steps)

    def _lowest(self, now: Depths, name: str, depths: Sequence[int]) -> Depths:
        """The smallest accepted one of ascending depths of a FIFO, of which the present depth is the last."""
        low, high = 0, len(depths) - 1
        while low < high:
            middle = (low + high) // 2
            if self.ok(now | {name: depths[middle]}):
                high = middle
            else:
                low = middle + 1
        return now | {name: min(now[name], depths[high])} if depths else now


def _covers(deeper: Depths, depths: Depths) -> bool:
    return all(deeper[name] >= depth for name, depth in depths.items())
