"""The choice of one option for each unit of a network, by integer programs (HiGHS, in scipy).

A unit is what is folded together: a node, or FINN's pair. Its options differ in cycles per frame, in
resources, and in the words of its streams. Between streams of different words FINN puts a width converter,
which costs resources, too.

One binary variable says whether an option is chosen. For each stream between two units, a variable for each
two widths says that these are its widths: the sums of them are the sums of the options with that width, so
that they are whole when the options are. The fastest network is found by bisection over the cycles that
options have, because an integer program of the slowest layer's cycles has a weak relaxation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from finn_imec.util.errors import ImecError, require

#: Resources of an option or a budget, in the order of fit.parts.BUDGETED.
Vector = tuple[float, ...]
#: (bits of the producer's word, of the consumer's) -> resources of what FINN puts between them.
Converter = Callable[[int, int], Vector]
#: Most seconds of one integer program.
SECONDS = 60.0
#: How near the cost of a choice is to the least.
GAP = 1e-3


@dataclass(frozen=True, eq=False)
class Option:
    """One way to build a unit.

    cycles: per frame. resources: as counted against the budget. words: tensor -> elements of it per word, of
    the unit's streams. attributes: node -> attribute -> value, that FINN is to be told.
    """

    cycles: int
    resources: Vector
    words: Mapping[str, int] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """What is folded together; inputs and outputs are its streams' tensors."""

    name: str
    options: tuple[Option, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def fastest(self) -> int:
        """The fewest cycles of any option."""
        return min(option.cycles for option in self.options)


@dataclass(frozen=True)
class Network:
    """Units, and the bits of an element of each tensor between two of them."""

    units: tuple[Unit, ...]
    bits: Mapping[str, int]
    converter: Converter

    def streams(self) -> list[tuple[str, int, int]]:
        """(tensor, number of the unit that makes it, of the unit that reads it)."""
        makers = {tensor: number for number, unit in enumerate(self.units) for tensor in unit.outputs}
        return [
            (tensor, makers[tensor], number)
            for number, unit in enumerate(self.units)
            for tensor in unit.inputs
            if tensor in makers
        ]

    def conversion(self, tensor: str, given: int, taken: int) -> Vector | None:
        """Resources of the converter of a stream whose words have so many elements; None without one."""
        if given == taken:
            return None
        return self.converter(given * self.bits[tensor], taken * self.bits[tensor])


@dataclass(frozen=True)
class Choice:
    """An option for each unit. resources: with width converters; converters: their number.

    proven: the solver has shown that no other is faster, or as fast and costs less.
    """

    network: Network
    options: tuple[Option, ...]
    proven: bool = True

    @property
    def cycles(self) -> int:
        """Of the slowest unit."""
        return max(option.cycles for option in self.options)

    @property
    def slowest(self) -> str:
        """Name of the slowest unit."""
        numbers = range(len(self.options))
        return self.network.units[max(numbers, key=lambda i: self.options[i].cycles)].name

    @property
    def conversions(self) -> list[Vector]:
        """Resources of each width converter."""
        found = [
            self.network.conversion(
                tensor, self.options[source].words[tensor], self.options[sink].words[tensor]
            )
            for tensor, source, sink in self.network.streams()
        ]
        return [each for each in found if each is not None]

    @property
    def resources(self) -> Vector:
        """Sums of all units and width converters."""
        vectors = [*(option.resources for option in self.options), *self.conversions]
        return tuple(float(value) for value in np.sum(vectors, axis=0))

    def fits(self, budget: Vector) -> bool:
        """True if it takes no more of anything than the budget has."""
        return all(used <= limit for used, limit in zip(self.resources, budget, strict=True))


class NoTime(ImecError):
    """The solver found nothing within SECONDS."""


def pareto(
    options: Sequence[Option], key: Callable[[Option], Vector] = lambda each: (each.cycles, *each.resources)
) -> list[Option]:
    """The options that no other with the same words beats: at most as large in all values of `key`.

    Of equal ones the first stays.
    """
    kept: list[Option] = []
    groups: dict[tuple[tuple[str, int], ...], list[Option]] = {}
    for option in options:
        groups.setdefault(tuple(sorted(option.words.items())), []).append(option)
    for group in groups.values():
        vectors = np.array([key(option) for option in group], dtype=float)
        order = np.lexsort((np.arange(len(group)), vectors.sum(axis=1)))
        best: list[int] = []
        for i in order:
            if not best or not (vectors[best] <= vectors[i]).all(axis=1).any():
                best.append(int(i))
        kept += [group[i] for i in sorted(best)]
    return kept


def cheapest(
    network: Network, cycles: float, prices: Vector, budget: Vector | None = None, any_: bool = False
) -> Choice | None:
    """The choice of the least cost whose units take at most `cycles`; None if there is none.

    prices: cost of each resource. budget: the most of each resource; None: no limit. any_: any choice will
    do. Raises NoTime if the solver neither finds one nor shows that there is none.
    """
    program = _Program(network, cycles)
    if program.empty:
        return None
    cost = np.zeros(program.size) if any_ else program.costs @ np.array(prices)
    limits = None if budget is None else np.array(budget)
    found = program.solve(cost, limits)
    return None if found is None else program.choice(*found)


def least_excess(network: Network, cycles: float, budget: Vector) -> Vector | None:
    """How much of each resource a choice takes beyond the budget, by the smallest sum of shares of it.

    Of a resource that the budget has none of, each one counts as a share of one. None if no choice takes so
    few cycles.
    """
    program = _Program(network, cycles)
    if program.empty:
        return None
    shares = np.array([1 / limit if limit > 0 else 1.0 for limit in budget])
    found = program.solve(np.zeros(program.size), np.array(budget), shares)
    if found is None:
        return None
    resources = program.choice(*found).resources
    return tuple(max(0.0, used - limit) for used, limit in zip(resources, budget))


def fastest(
    network: Network, budget: Vector, progress: Callable[[int], None] = lambda cycles: None
) -> tuple[int | None, bool]:
    """The fewest cycles of the slowest unit that the budget allows, and whether that is proven.

    None if it allows no choice. It is not proven if the solver ran out of time for a faster one. progress:
    called with the cycles that are tried next.
    """
    bound = max(unit.fastest for unit in network.units)
    levels = sorted({o.cycles for unit in network.units for o in unit.options if o.cycles >= bound})
    prices = tuple(0.0 for _ in budget)
    low, high, proven = 0, len(levels), True
    while low < high:
        middle = (low + high) // 2
        progress(levels[middle])
        try:
            found = cheapest(network, levels[middle], prices, budget, any_=True)
        except NoTime:
            found, proven = None, False
        if found is None:
            low = middle + 1
        else:
            high = middle
    return (levels[low] if low < len(levels) else None), proven


class _Program:
    """The integer program of a network whose units take at most so many cycles."""

    def __init__(self, network: Network, cycles: float) -> None:
        from scipy.sparse import csr_matrix

        self.network = network
        self.allowed = [
            pareto([o for o in unit.options if o.cycles <= cycles], key=lambda each: each.resources)
            for unit in network.units
        ]
        self.empty = not all(self.allowed)
        if self.empty:
            return
        first = np.cumsum([0, *map(len, self.allowed)])
        self.binaries = int(first[-1])
        rows: list[dict[int, float]] = []
        right: list[float] = []
        for number in range(len(self.allowed)):
            rows.append({int(i): 1.0 for i in range(first[number], first[number + 1])})
            right.append(1.0)
        costs = [option.resources for options in self.allowed for option in options]
        for tensor, source, sink in network.streams():
            given, taken = (self._by_width(number, first, tensor) for number in (source, sink))
            sums: dict[tuple[str, int], dict[int, float]] = {}
            for a in given:
                for b in taken:
                    column = len(costs)
                    costs.append(network.conversion(tensor, a, b) or (0.0,) * len(costs[0]))
                    sums.setdefault(("given", a), {})[column] = 1.0
                    sums.setdefault(("taken", b), {})[column] = 1.0
            for (side, width), row in sums.items():
                chosen = (given if side == "given" else taken)[width]
                rows.append(row | dict.fromkeys(chosen, -1.0))
                right.append(0.0)
        self.costs = np.array(costs, dtype=float)
        self.size = len(costs)
        entries = [(i, j, v) for i, row in enumerate(rows) for j, v in row.items()]
        i, j, v = zip(*entries)
        self.matrix = csr_matrix((v, (i, j)), shape=(len(rows), self.size))
        self.right = np.array(right)

    def _by_width(self, number: int, first: np.ndarray, tensor: str) -> dict[int, list[int]]:
        """Elements per word of a tensor -> columns of the unit's options with such words."""
        widths: dict[int, list[int]] = {}
        for i, option in enumerate(self.allowed[number], int(first[number])):
            widths.setdefault(option.words[tensor], []).append(i)
        return widths

    def solve(
        self, cost: np.ndarray, budget: np.ndarray | None, excess: np.ndarray | None = None
    ) -> tuple[np.ndarray, bool] | None:
        """Values of the variables, and whether they are proven to be the best; None if there are none.

        excess: cost of each resource beyond the budget; None: it is the limit.
        """
        optimize = require("scipy.optimize", "finn")
        from scipy.sparse import csr_matrix, hstack

        kinds = self.costs.shape[1]
        extra = 0 if excess is None else kinds
        wide = hstack([self.matrix, csr_matrix((self.matrix.shape[0], extra))]) if extra else self.matrix
        constraints = [optimize.LinearConstraint(wide, self.right, self.right)]
        if budget is not None:
            # A row for each resource, in shares of its limit, so that all have the same size
            scale = np.array([1 / limit if limit > 0 else 1.0 for limit in budget])
            use = (self.costs * scale).T
            if extra:
                use = np.hstack([use, -np.eye(kinds)])
            constraints.append(optimize.LinearConstraint(use, -np.inf, budget * scale))
        objective = cost if excess is None else np.concatenate([cost, excess / scale])
        whole = np.zeros(self.size + extra)
        whole[: self.binaries] = 1
        upper = np.ones(self.size + extra)
        upper[self.size :] = np.inf
        result = optimize.milp(
            objective,
            integrality=whole,
            bounds=optimize.Bounds(0, upper),
            constraints=constraints,
            options={"time_limit": SECONDS, "mip_rel_gap": GAP},
        )
        if result.status == 2:
            return None
        if result.x is None:
            raise NoTime(f"the solver found no folding in {SECONDS:g} s ({result.message})")
        return result.x[: self.binaries], result.status == 0

    def choice(self, values: np.ndarray, proven: bool) -> Choice:
        """The options whose variables are 1."""
        options, at = [], 0
        for allowed in self.allowed:
            options.append(allowed[int(values[at : at + len(allowed)].argmax())])
            at += len(allowed)
        return Choice(self.network, tuple(options), proven)
