"""ResNet-50 of finn-plus' regression, w1a2: as hardware layers with random weights, at the file's folding.

The graph is scale.py's, which has no classifier, and a window generator in place of FINN's DownSampler.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scale import STAGES, resnet50


def folded(files: Path, part: str) -> Any:
    """The graph, specialized for a part and folded as resnet50_folding.json says.

    The file numbers the MVAUs of a block with a shortcut: first convolution, shortcut, second, third; the
    graph has the shortcut last.
    """
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.custom_op.registry import getCustomOp

    entries = json.loads((files / "resnet50_folding.json").read_text())
    order, first = [0], 1
    for _, blocks, _ in STAGES:
        for shortcut in (True, *[False] * (blocks - 1)):
            order += [first + k for k in ((0, 2, 3, 1) if shortcut else (0, 1, 2))]
            first += 4 if shortcut else 3
    model = resnet50("BIPOLAR", "UINT2", "INT8")
    mvaus = 0
    for node in model.graph.node:
        inst = getCustomOp(node)
        if node.op_type == "MVAU":
            entry = entries[f"MVAU_hls_{order[mvaus]}"]
            wanted = {name: entry[name] for name in ("SIMD", "PE", "ram_style", "resType", "mem_mode")}
            mvaus += 1
        elif node.op_type in ("ConvolutionInputGenerator", "FMPadding"):
            wanted = {"SIMD": 4 if mvaus else 3}
        else:
            wanted = {"PE": 4 if node.op_type == "Pool" else 2}
        for name, value in wanted.items():
            inst.set_nodeattr(name, value)
    return model.transform(SpecializeLayers(part))
