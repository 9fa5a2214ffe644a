"""The twelve layers on which MEC was evaluated, and the lowering memory of every algorithm on them.

Cho and Brand, MEC: Memory-efficient Convolution for Deep Neural Network, ICML 2017, arXiv
1706.06873: benchmark layers cv1 to cv12, all square, inputs already padded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finn_imec.algorithms import ALGORITHMS
from finn_imec.layer.geometry import ConvGeometry


def _layer(ifm_dim: int, channels: int, ofm_channels: int, kernel: int, stride: int = 1) -> ConvGeometry:
    return ConvGeometry(
        kernel=(kernel, kernel),
        ifm_dim=(ifm_dim, ifm_dim),
        ifm_channels=channels,
        ofm_channels=ofm_channels,
        stride=(stride, stride),
    )


LAYERS: dict[str, ConvGeometry] = {
    "cv1": _layer(227, 3, 96, 11, 4),
    "cv2": _layer(231, 3, 96, 11, 4),
    "cv3": _layer(227, 3, 64, 7, 2),
    "cv4": _layer(224, 64, 64, 7, 2),
    "cv5": _layer(24, 96, 256, 5),
    "cv6": _layer(12, 256, 512, 3),
    "cv7": _layer(224, 3, 64, 3),
    "cv8": _layer(112, 64, 128, 3),
    "cv9": _layer(56, 64, 64, 3),
    "cv10": _layer(28, 128, 128, 3),
    "cv11": _layer(14, 256, 256, 3),
    "cv12": _layer(7, 512, 512, 3),
}


def memory_table(layers: Mapping[str, ConvGeometry] = LAYERS, element_bytes: int = 4) -> list[dict[str, Any]]:
    """One row per layer: its geometry, and lowering memory by formula.

    Keys: layer, ifm_dim, ifm_channels, ofm_channels, kernel, stride, dilation, and for every
    registered algorithm but direct `<name>_bytes`, at `element_bytes` per element (4 in the paper),
    and `<name>_ratio`: im2col's memory over its own.
    """
    shape = ("ifm_dim", "ifm_channels", "ofm_channels", "kernel", "stride", "dilation")
    rows = []
    for layer, geometry in layers.items():
        row: dict[str, Any] = {"layer": layer} | {f: getattr(geometry, f) for f in shape}
        elements = {
            name: algorithm.lowering_elements(geometry)
            for name, algorithm in ALGORITHMS.items()
            if name != "direct"
        }
        for name, count in elements.items():
            row[f"{name}_bytes"] = count * element_bytes
            row[f"{name}_ratio"] = elements["im2col"] / count
        rows.append(row)
    return rows
