"""A ResNet-style network: two residual blocks, 4 bits, 16x16 images.

A padded, strided 3x3 stem; a block whose shortcut is its input; a strided block with a 1x1
convolution in its shortcut; global average pooling; one fully connected layer. Weights and
activations have 4 bits, the image and the stem's weights 8.

Both summands of an addition pass the same quantizer, as in Brevitas' ResNet for FINN: equal scales, which
streamlining can move past the addition.
"""

from __future__ import annotations

from finn_imec.networks import training
from finn_imec.networks.training import CLASSES, Progress, Trained, weight_quant
from finn_imec.util.errors import require

BITS = 4
FIRST_LAYER_BITS = 8
SCALE = 2  # 16x16 images
CHANNELS = (16, 32)  # of the two blocks: 8x8, and 8x8 -> 4x4


def build_model():
    """Return the untrained torch module with Brevitas layers.

    Raises MissingToolError if torch or Brevitas is not installed.
    """
    torch = require("torch", "train")
    qnn = require("brevitas.nn", "train")

    def activation():
        return qnn.QuantReLU(bit_width=BITS)

    def conv(in_channels, out_channels, kernel, stride=1, bits=BITS):
        return torch.nn.Sequential(
            qnn.QuantConv2d(
                in_channels,
                out_channels,
                kernel,
                stride=stride,
                padding=kernel // 2,
                bias=False,
                **weight_quant(bits),
            ),
            torch.nn.BatchNorm2d(out_channels),
        )

    class Block(torch.nn.Module):
        """Two convolutions beside a shortcut; summand: the quantizer of what is added."""

        def __init__(self, in_channels, out_channels, stride, summand) -> None:
            super().__init__()
            self.first = conv(in_channels, out_channels, 3, stride)
            self.middle = activation()
            self.second = conv(out_channels, out_channels, 3)
            self.summand = summand
            self.shortcut = None if stride == 1 else conv(in_channels, out_channels, 1, stride)
            self.last = activation()

        def forward(self, x):
            y = self.summand(self.second(self.middle(self.first(x))))
            if self.shortcut is not None:
                x = self.summand(self.shortcut(x))
            return self.last(y + x)

    stem = activation()
    return torch.nn.Sequential(
        conv(1, CHANNELS[0], 3, stride=2, bits=FIRST_LAYER_BITS),
        stem,
        Block(CHANNELS[0], CHANNELS[0], 1, summand=stem),
        Block(CHANNELS[0], CHANNELS[1], 2, summand=activation()),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        qnn.QuantLinear(CHANNELS[1], CLASSES, bias=False, **weight_quant(BITS)),
    )


def train(seed: int = 0, epochs: int = 20, progress: Progress | None = None) -> Trained:
    """Train from scratch on 16x16 images of 8 bits; see `training.train`."""
    return training.train(build_model, seed, epochs, progress, FIRST_LAYER_BITS, SCALE)
