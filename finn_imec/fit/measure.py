"""The nodes of a folded network, width converters and FIFOs between them included, counted by Yosys."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finn_imec.fit.parts import BUDGETED
from finn_imec.partition import Netlist, hardware_part, specialized
from finn_imec.streams.design import Design
from finn_imec.synthesis.yosys import SynthesisError, count, read_sources
from finn_imec.util.errors import one_line
from finn_imec.util.workers import each

#: Name of the sums.
SUM = "sum"


@dataclass(frozen=True)
class Node:
    """A node's design that another machine can count: its files by name, with their content.

    design: paths and parameters are those names. origin: of its RTL.
    """

    name: str
    origin: str
    design: Design
    files: Mapping[str, bytes]

    @staticmethod
    def of(netlist: Netlist, name: str) -> Node:
        """A node of a netlist, alone."""
        design = netlist.node_design(name)
        data = {str(path): Path(path).name for path in design.data_files}
        named = replace(
            design,
            sources=tuple(Path(path.name) for path in map(Path, design.sources)),
            data_files=tuple(map(Path, data.values())),
            include_dirs=(),
            parameters={key: data.get(str(value), value) for key, value in design.parameters.items()},
        )
        return Node(name, netlist.cells[name].part.origin, named, read_sources(design))

    def counted(self) -> dict[str, Any]:
        """Its resources and origin by Yosys, in one flow; or without figures and why it has none."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, content in self.files.items():
                (folder / file).write_bytes(content)
            here = replace(
                self.design,
                sources=tuple(folder / path for path in self.design.sources),
                data_files=tuple(folder / path for path in self.design.data_files),
                include_dirs=(folder,),
            )
            try:
                figures = count(here, flows=("default",))
            except SynthesisError as err:
                return {**dict.fromkeys(BUDGETED), "origin": self.origin, "reason": one_line(err)}
        numbers = {key: figures.get(key, 0) for key in BUDGETED}
        return {**numbers, "origin": self.origin, "reason": None}


def counted(
    path: Path, progress: Callable[[str], None] = lambda what: None, executor: Executor | None = None
) -> dict[str, dict[str, Any]]:
    """Node -> resources and origin of its RTL, then their SUM; for 7-series, one flow of Yosys each.

    path: the folded graph. Nodes that FINN has in HLS only are counted as the behavioral models that
    finn_imec simulates in their place. A node that Yosys does not read has a reason and no figures, and is
    not in the sum. progress: called with what is done. executor: counts the nodes, several at once; see
    finn_imec.util.workers.
    """
    from qonnx.core.modelwrapper import ModelWrapper

    with tempfile.TemporaryDirectory() as folder:
        netlist = Netlist.of(specialized(hardware_part(ModelWrapper(str(path)))), Path(folder))
        nodes = [Node.of(netlist, name) for name in netlist.cells]

    def finished(index: int, figures: dict[str, Any]) -> None:
        progress(f"Yosys: {index + 1} of {len(nodes)} nodes, {nodes[index].name}")

    progress(f"Yosys: {len(nodes)} nodes")
    figures = each(Node.counted, nodes, executor, finished)
    found = {node.name: numbers for node, numbers in zip(nodes, figures, strict=True)}
    sums = {key: sum(numbers[key] or 0 for numbers in found.values()) for key in BUDGETED}
    left = sum(numbers["reason"] is not None for numbers in found.values())
    return {**found, SUM: {**sums, "origin": "", "reason": f"{left} nodes left out" if left else None}}
