"""A small quantized CNN for scikit-learn's handwritten digits, trained in well under a minute.

The bit widths and geometries of the convolutions differ; see `LAYERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from finn_imec.networks import training
from finn_imec.networks.training import (
    CLASSES,
    Progress,
    Trained,
    export_qonnx,
    load_data,
    logits,
    weight_quant,
)
from finn_imec.util.errors import require

__all__ = ["LAYERS", "build_model", "export_qonnx", "load_data", "logits", "train"]


@dataclass(frozen=True)
class ConvSpec:
    """One convolution, followed by batch normalization and a quantized ReLU (per-tensor scales)."""

    in_channels: int
    out_channels: int
    stride: int
    padding: int
    weight_bits: int  # signed, narrow range; 1 is bipolar
    act_bits: int  # unsigned, so 2**act_bits - 1 thresholds per channel
    kernel: int = 3


LAYERS = (
    ConvSpec(1, 16, stride=1, padding=1, weight_bits=4, act_bits=2),  # 8x8 -> 8x8
    ConvSpec(16, 32, stride=1, padding=0, weight_bits=2, act_bits=2),  # 8x8 -> 6x6
    ConvSpec(32, 32, stride=2, padding=1, weight_bits=2, act_bits=3),  # 6x6 -> 3x3
    ConvSpec(32, 64, stride=1, padding=0, weight_bits=1, act_bits=2),  # 3x3 -> 1x1
)
CLASSIFIER_BITS = 4


def build_model() -> Any:
    """Return the untrained torch module with Brevitas layers.

    Raises MissingToolError if torch or Brevitas is not installed.
    """
    torch = require("torch", "train")
    qnn = require("brevitas.nn", "train")

    stages = []
    for spec in LAYERS:
        stages += [
            qnn.QuantConv2d(
                spec.in_channels,
                spec.out_channels,
                spec.kernel,
                stride=spec.stride,
                padding=spec.padding,
                bias=False,
                **weight_quant(spec.weight_bits),
            ),
            torch.nn.BatchNorm2d(spec.out_channels),
            qnn.QuantReLU(bit_width=spec.act_bits),
        ]
    stages += [
        torch.nn.Flatten(),
        qnn.QuantLinear(LAYERS[-1].out_channels, CLASSES, bias=False, **weight_quant(CLASSIFIER_BITS)),
    ]
    return torch.nn.Sequential(*stages)


def train(seed: int = 0, epochs: int = 20, progress: Progress | None = None) -> Trained:
    """Train from scratch on 8x8 images of 4 bits; see `training.train`."""
    return training.train(build_model, seed, epochs, progress)
