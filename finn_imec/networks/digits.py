"""A small quantised CNN for scikit-learn's handwritten digits, trained in well under a minute.

The data (1797 grey images, 8x8, grey levels 0..16) ships inside scikit-learn, so training works
offline. Every convolution has another bit width and geometry; see `LAYERS`.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finn_imec.errors import require

CLASSES = 10
INPUT_BITS = 4  # grey level 16 is clipped to 15
# Layers this small gain little from a second thread, and lose much by it on a busy machine.
THREADS = 1


@dataclass(frozen=True)
class ConvSpec:
    """One convolution, followed by batch normalisation and a quantised ReLU (per-tensor scales)."""

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


@dataclass(frozen=True)
class TrainedDigits:
    """A trained network with the images it has not seen.

    model: torch module, float32 (N, 1, 8, 8) holding grey levels 0..15 -> logits (N, 10).
    x_test: uint8 (N, 8, 8, 1), NHWC grey levels 0..15, as the hardware takes them.
    y_test: int64 (N,), the digit on each image.
    accuracy: share of x_test that the model classifies correctly, 0..1.
    """

    model: Any
    x_test: np.ndarray
    y_test: np.ndarray
    accuracy: float


Progress = Callable[[int, int, float, float], None]


def load_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (x_train, y_train, x_test, y_test); x uint8 (N, 8, 8, 1), one image in five is test.

    Raises MissingToolError if scikit-learn is not installed.
    """
    datasets = require("sklearn.datasets", "train")
    selection = require("sklearn.model_selection", "train")
    digits = datasets.load_digits()
    x = np.minimum(digits.images, 2**INPUT_BITS - 1).astype(np.uint8)[..., np.newaxis]
    x_train, x_test, y_train, y_test = selection.train_test_split(
        x, digits.target, test_size=0.2, random_state=seed, stratify=digits.target
    )
    return x_train, y_train, x_test, y_test


def build_model():
    """Return the untrained torch module with Brevitas layers.

    Raises MissingToolError if torch or Brevitas is not installed.
    """
    torch = require("torch", "train")
    qnn = require("brevitas.nn", "train")
    quant = require("brevitas.quant", "train")

    def weight_quant(bits: int) -> dict[str, Any]:
        if bits == 1:
            return {"weight_quant": quant.SignedBinaryWeightPerTensorConst}
        return {"weight_quant": quant.Int8WeightPerTensorFloat, "weight_bit_width": bits}

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
        qnn.QuantLinear(
            LAYERS[-1].out_channels, CLASSES, bias=False, **weight_quant(CLASSIFIER_BITS)
        ),
    ]
    return torch.nn.Sequential(*stages)


def _to_torch(x: np.ndarray):
    """uint8 NHWC -> float32 NCHW tensor."""
    torch = require("torch", "train")
    return torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32))


def logits(model, x: np.ndarray) -> np.ndarray:
    """Logits (N, 10), float32, of the torch module for uint8 NHWC images (N, 8, 8, 1)."""
    torch = require("torch", "train")
    model.eval()
    with torch.no_grad():
        return model(_to_torch(x)).numpy()


def train(seed: int = 0, epochs: int = 20, progress: Progress | None = None) -> TrainedDigits:
    """Train from scratch; the same seed and epochs give the same network on one machine.

    progress(epoch, epochs, loss, accuracy) is called after each epoch (1-based) with the mean
    training loss and the accuracy (0..1) on the test images.

    Raises ValueError for epochs < 1, MissingToolError without torch, Brevitas or scikit-learn.
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; at least 1 is needed")
    torch = require("torch", "train")
    x_train, y_train, x_test, y_test = load_data(seed)
    images, labels = _to_torch(x_train), torch.from_numpy(y_train)

    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Named tensors")  # Brevitas' own affair
            torch.manual_seed(seed)
            model = build_model()
            optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
            batches = torch.utils.data.DataLoader(
                torch.utils.data.TensorDataset(images, labels), batch_size=64, shuffle=True
            )
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, max_lr=1e-2, epochs=epochs, steps_per_epoch=len(batches)
            )
            for epoch in range(1, epochs + 1):
                model.train()
                total = 0.0
                for x, y in batches:
                    optimiser.zero_grad()
                    loss = torch.nn.functional.cross_entropy(model(x), y)
                    loss.backward()
                    optimiser.step()
                    schedule.step()
                    total += loss.item() * len(x)
                accuracy = float((logits(model, x_test).argmax(1) == y_test).mean())
                if progress is not None:
                    progress(epoch, epochs, total / len(images), accuracy)
    finally:
        torch.set_num_threads(threads)
    return TrainedDigits(model, x_test, y_test, accuracy)


def export_qonnx(trained: TrainedDigits, path: str | Path) -> Path:
    """Write the network as a cleaned-up QONNX file (input `global_in`, (1, 1, 8, 8), UINT4).

    The file appears only once it is complete. Raises MissingToolError without Brevitas or qonnx.
    """
    torch = require("torch", "train")
    export = require("brevitas.export", "train")
    core = require("qonnx.core.modelwrapper", "finn")
    datatype = require("qonnx.core.datatype", "finn")
    cleanup = require("qonnx.util.cleanup", "finn")

    path = Path(path)
    trained.model.eval()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".digits-") as scratch:
        raw, clean = os.path.join(scratch, "raw.onnx"), os.path.join(scratch, "clean.onnx")
        # The TorchScript exporter gives the Flatten and MatMul that FINN's streamlining expects.
        image = torch.zeros(1, 1, 8, 8)
        export.export_qonnx(trained.model, image, export_path=raw, dynamo=False)
        model = cleanup.cleanup_model(core.ModelWrapper(raw))
        # The graph input carries plain grey levels: no quantiser in front of the first layer.
        model.set_tensor_datatype(model.graph.input[0].name, datatype.DataType[f"UINT{INPUT_BITS}"])
        model.save(clean)
        os.replace(clean, path)
    return path
