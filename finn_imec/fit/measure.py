"""The nodes of a folded network, width converters and FIFOs between them included, counted by Yosys."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finn_imec.fit.parts import BUDGETED
from finn_imec.partition import Netlist, hardware_part, specialized
from finn_imec.synthesis.yosys import SynthesisError, count
from finn_imec.util.errors import one_line

#: Name of the sums.
SUM = "sum"


def counted(path: Path, progress: Callable[[str], None] = lambda what: None) -> dict[str, dict[str, Any]]:
    """Node -> resources and origin of its RTL, then their SUM; for 7-series, one flow of Yosys each.

    path: the folded graph. Nodes that FINN has in HLS only are counted as the behavioral models that
    finn_imec simulates in their place. A node that Yosys does not read has a reason and no figures, and is
    not in the sum. progress: called with each name.
    """
    from qonnx.core.modelwrapper import ModelWrapper

    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        netlist = Netlist.of(specialized(hardware_part(ModelWrapper(str(path)))), Path(folder))
        for name, cell in netlist.cells.items():
            progress(f"Yosys: {name}")
            try:
                figures = count(netlist.node_design(name), flows=("default",))
            except SynthesisError as err:
                nothing = dict.fromkeys(BUDGETED)
                found[name] = {**nothing, "origin": cell.part.origin, "reason": one_line(err)}
            else:
                numbers = {key: figures.get(key, 0) for key in BUDGETED}
                found[name] = {**numbers, "origin": cell.part.origin, "reason": None}
    sums = {key: sum(each[key] or 0 for each in found.values()) for key in BUDGETED}
    left = sum(each["reason"] is not None for each in found.values())
    return {**found, SUM: {**sums, "origin": "", "reason": f"{left} nodes left out" if left else None}}
