"""What a FIFO costs, by FINN's estimates."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from finn_imec.fifos.search import LEAST

#: LUTs that hold as many bits as a block RAM of 18 kbit, and as an UltraRAM: the weights of the search.
LUTS_PER_BRAM, LUTS_PER_URAM = 18 * 1024 // 64, 288 * 1024 // 64


@dataclass(frozen=True)
class Cost:
    """lut: LUT sites, shift registers and memories included. bram: of 18 kbit. style: FINN's ram_style."""

    lut: int
    bram: int
    uram: int
    style: str

    @property
    def weight(self) -> int:
        """In LUTs."""
        return self.lut + LUTS_PER_BRAM * self.bram + LUTS_PER_URAM * self.uram

    def __str__(self) -> str:
        rams = [f"{n} {what}" for n, what in ((self.bram, "BRAM18"), (self.uram, "URAM")) if n]
        return ", ".join([f"{self.lut} LUT", *rams])


def cost_of(node: Any, part: str) -> Callable[[int], Cost]:
    """depth -> cost of a StreamingFIFO_rtl node, on an FPGA part."""
    from qonnx.custom_op.registry import getCustomOp

    inst = getCustomOp(copy.deepcopy(node))

    def cost(depth: int) -> Cost:
        inst.set_nodeattr("depth", depth)
        lut, bram, uram = (int(getattr(inst, f"{kind}_estimation")(part)) for kind in ("lut", "bram", "uram"))
        return Cost(lut, bram, uram, inst.resolve_ram_style())

    return cost


def steps(cost: Callable[[int], Cost], most: int) -> list[int]:
    """Ascending depths up to `most` or more: the deepest of each cost, none dearer than a deeper one."""
    candidates = {LEAST, *range(33, 258, 32), 64, 2028}
    for bits in range(2, most.bit_length() + 1):
        candidates |= {2**bits - 1, 2**bits + 1, *(2**bits + 2**low + 1 for low in range(9, bits))}
    enough = min(depth for depth in candidates if depth >= most)
    found: list[int] = []
    cheapest = None
    for depth in sorted((d for d in candidates if d <= enough), reverse=True):
        weight = cost(depth).weight
        if cheapest is None or weight < cheapest:
            found.append(depth)
            cheapest = weight
    return found[::-1]
