"""PyTorch's own convolution of a layer, and how far a result is from it."""

from __future__ import annotations

from typing import Any

from finn_imec.algorithms.torch_backend import group_count, torch_module, unpack_weights
from finn_imec.layer.geometry import ConvGeometry


def library_convolve(ifm: Any, weight: Any, geometry: ConvGeometry, groups: int) -> Any:
    """torch.nn.functional.conv2d on the memory of ifm: NHWC is its channels_last."""
    functional = torch_module().nn.functional
    top, left, bottom, right = geometry.padding
    image = ifm.permute(0, 3, 1, 2)
    padding: Any = (top, left)
    if (top, left) != (bottom, right):
        image, padding = functional.pad(image, (left, right, top, bottom)), 0
    result = functional.conv2d(
        image,
        weight,
        stride=geometry.stride,
        padding=padding,
        dilation=geometry.dilation,
        groups=groups,
    )
    return result.permute(0, 2, 3, 1)


def exact(ifm: Any, weights: Any, geometry: ConvGeometry, groups: int = 1) -> Any:
    """torch.nn.functional.conv2d in float64, (N, OH, OW, M); of int8 every sum is exact."""
    weight = unpack_weights(weights.double(), geometry)
    return library_convolve(ifm.double(), weight, geometry, group_count(geometry, groups))


def difference(ofm: Any, expected: Any) -> float:
    """||ofm - expected|| / ||expected||, in float64; 0 if both are 0."""
    distance = (ofm.double() - expected).norm().item()
    return distance / expected.norm().item() if distance else 0.0
