"""Brevitas' CNV of its BNN-PYNQ examples at any bit width, trained on digits instead of CIFAR-10.

The topology is that of `cnv`; weights and activations are signed and narrow, at one constant scale.
The data is scikit-learn's, at CNV's size: 32x32 images of three equal channels, so that accuracies
say nothing about CIFAR-10. The image enters as UINT8; the input quantizer becomes a Thresholding.
"""

from __future__ import annotations

from functools import partial

from finn_imec.networks import training
from finn_imec.networks.cnv import IMAGE, IMAGE_CHANNELS
from finn_imec.networks.training import CLASSES, Progress, Trained
from finn_imec.networks.training import IMAGE as DIGIT
from finn_imec.util.errors import require

INPUT_BITS = 8
#: (SIMD, PE) of the MVAUs: BNN-PYNQ's 2-bit CNV, but for the last layer, which has 10 rows here.
FOLDING = {
    **{0: (3, 8), 1: (16, 16), 2: (16, 8), 3: (16, 8), 4: (8, 4), 5: (8, 1)},
    **{6: (2, 1), 7: (2, 2), 8: (1, 2)},
}


def build_model(bits: int):
    """Return the untrained torch module, from pixels 0..255 to logits.

    Raises MissingToolError if torch or Brevitas, with its examples, is not installed.
    """
    torch = require("torch", "train")
    examples = require("brevitas_examples.bnn_pynq.models.CNV", "train")

    class Unit(torch.nn.Module):
        """0..255 to 0..1, which CNV takes."""

        def forward(self, x):
            return x / 255

    return torch.nn.Sequential(Unit(), examples.CNV(CLASSES, bits, bits, INPUT_BITS, IMAGE_CHANNELS))


def train(bits: int, seed: int = 0, epochs: int = 5, progress: Progress | None = None) -> Trained:
    """Train with `bits` per weight and activation on 32x32 images of 8 bits; see `training.train`."""
    scale = IMAGE // DIGIT
    model = partial(build_model, bits)
    return training.train(model, seed, epochs, progress, INPUT_BITS, scale, IMAGE_CHANNELS)
