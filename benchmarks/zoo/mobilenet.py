"""A MobileNet-v1-style network: depthwise separable convolutions, 4 bits, 16x16 images.

A padded, strided 3x3 stem; three blocks of a padded depthwise 3x3 and a 1x1 convolution, one of
them strided; global average pooling; one fully connected layer. Weights and activations have 4
bits, the image and the stem's weights 8.
"""

from __future__ import annotations

from finn_imec.networks import training
from finn_imec.networks.training import CLASSES, Progress, Trained, weight_quant
from finn_imec.util.errors import require

BITS = 4
FIRST_LAYER_BITS = 8
SCALE = 2  # 16x16 images
STEM = 16  # channels, 16x16 -> 8x8
BLOCKS = (  # output channels, stride
    (32, 1),  # 8x8
    (48, 2),  # 8x8 -> 4x4
    (64, 1),  # 4x4
)


def build_model():
    """Return the untrained torch module with Brevitas layers.

    Raises MissingToolError if torch or Brevitas is not installed.
    """
    torch = require("torch", "train")
    qnn = require("brevitas.nn", "train")

    def conv(in_channels, out_channels, kernel, stride=1, groups=1, bits=BITS):
        return [
            qnn.QuantConv2d(
                in_channels,
                out_channels,
                kernel,
                stride=stride,
                padding=kernel // 2,
                groups=groups,
                bias=False,
                **weight_quant(bits),
            ),
            torch.nn.BatchNorm2d(out_channels),
            qnn.QuantReLU(bit_width=BITS),
        ]

    channels = STEM
    stages = conv(1, channels, 3, stride=2, bits=FIRST_LAYER_BITS)
    for out_channels, stride in BLOCKS:
        stages += conv(channels, channels, 3, stride, groups=channels)
        stages += conv(channels, out_channels, 1)
        channels = out_channels
    stages += [
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        qnn.QuantLinear(channels, CLASSES, bias=False, **weight_quant(BITS)),
    ]
    return torch.nn.Sequential(*stages)


def train(seed: int = 0, epochs: int = 20, progress: Progress | None = None) -> Trained:
    """Train from scratch on 16x16 images of 8 bits; see `training.train`."""
    return training.train(build_model, seed, epochs, progress, FIRST_LAYER_BITS, SCALE)
