"""Training of small Brevitas networks on scikit-learn's handwritten digits, and their export.

The data (1797 gray images, 8x8, gray levels 0..16) ships inside scikit-learn, so training works
offline, and takes seconds. The networks are in `digits`, `mobilenet` and `resnet`.
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

from finn_imec.util.errors import require

CLASSES = 10
IMAGE = 8  # height and width of scikit-learn's images
GRAY_BITS = 4  # of scikit-learn's gray levels, except the highest, 16
# Layers this small gain little from a second thread, and lose a lot on a busy machine.
THREADS = 1


@dataclass(frozen=True)
class Trained:
    """A trained network with its test images.

    model: torch module, float32 (N, C, H, W) holding gray levels -> logits (N, 10).
    x_test: uint8 (N, H, W, C), NHWC gray levels 0..2**input_bits - 1, as the hardware takes them.
    y_test: int64 (N,), the digit on each image.
    accuracy: share of x_test that the model classifies correctly, 0..1.
    """

    model: Any
    x_test: np.ndarray
    y_test: np.ndarray
    accuracy: float
    input_bits: int


Progress = Callable[[int, int, float, float], None]


def load_data(
    seed: int = 0, bits: int = GRAY_BITS, scale: int = 1, channels: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (x_train, y_train, x_test, y_test); x uint8 (N, H, W, C), one image in five is test.

    bits: of a gray level; the data's highest, 16, is clipped to 2**bits - 1 after scaling. scale: H and W in
    multiples of 8, interpolated bilinearly. channels: C, all with the same gray levels.

    Raises MissingToolError if torch or scikit-learn is not installed.
    """
    torch = require("torch", "train")
    datasets = require("sklearn.datasets", "train")
    selection = require("sklearn.model_selection", "train")
    digits = datasets.load_digits()
    images = torch.from_numpy(digits.images)[:, np.newaxis]
    images = torch.nn.functional.interpolate(images, scale_factor=scale, mode="bilinear").numpy()
    x = np.minimum(np.round(images * 2 ** (bits - GRAY_BITS)), 2**bits - 1).astype(np.uint8)
    x_train, x_test, y_train, y_test = selection.train_test_split(
        x.transpose(0, 2, 3, 1).repeat(channels, axis=3),
        digits.target,
        test_size=0.2,
        random_state=seed,
        stratify=digits.target,
    )
    return x_train, y_train, x_test, y_test


def weight_quant(bits: int) -> dict[str, Any]:
    """Arguments of a Brevitas layer: signed weights, narrow range, one scale; 1 bit is bipolar."""
    quant = require("brevitas.quant", "train")
    if bits == 1:
        return {"weight_quant": quant.SignedBinaryWeightPerTensorConst}
    return {"weight_quant": quant.Int8WeightPerTensorFloat, "weight_bit_width": bits}


def _to_torch(x: np.ndarray) -> Any:
    """uint8 NHWC -> float32 NCHW tensor."""
    torch = require("torch", "train")
    return torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32))


def logits(model: Any, x: np.ndarray) -> np.ndarray:
    """Logits (N, 10), float32, of the torch module for uint8 NHWC images (N, H, W, C)."""
    torch = require("torch", "train")
    model.eval()
    with torch.no_grad():
        return model(_to_torch(x)).numpy()


def train(
    build_model: Callable[[], Any],
    seed: int = 0,
    epochs: int = 20,
    progress: Progress | None = None,
    bits: int = GRAY_BITS,
    scale: int = 1,
    channels: int = 1,
) -> Trained:
    """Train from scratch; the same seed and epochs give the same network on one machine.

    build_model() returns the untrained torch module. bits, scale, channels: see `load_data`.
    progress(epoch, epochs, loss, accuracy) is called after each epoch (1-based) with the mean
    training loss and the accuracy (0..1) on the test images.

    Raises ValueError for epochs < 1, MissingToolError without torch, Brevitas or scikit-learn.
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; at least 1 is needed")
    torch = require("torch", "train")
    x_train, y_train, x_test, y_test = load_data(seed, bits, scale, channels)
    images, labels = _to_torch(x_train), torch.from_numpy(y_train)

    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Named tensors")  # from inside Brevitas
            torch.manual_seed(seed)
            model = build_model()
            optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
            batches = torch.utils.data.DataLoader(
                torch.utils.data.TensorDataset(images, labels), batch_size=64, shuffle=True
            )
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, max_lr=1e-2, epochs=epochs, steps_per_epoch=len(batches)
            )
            for epoch in range(1, epochs + 1):
                model.train()
                total = 0.0
                for x, y in batches:
                    optimizer.zero_grad()
                    loss = torch.nn.functional.cross_entropy(model(x), y)
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    total += loss.item() * len(x)
                accuracy = float((logits(model, x_test).argmax(1) == y_test).mean())
                if progress is not None:
                    progress(epoch, epochs, total / len(images), accuracy)
    finally:
        torch.set_num_threads(threads)
    return Trained(model, x_test, y_test, accuracy, bits)


def export_qonnx(trained: Trained, path: str | Path) -> Path:
    """Write the network as a cleaned-up QONNX file (input `global_in`, (1, C, H, W), unsigned).

    The file appears only when complete. Raises MissingToolError without Brevitas or qonnx.
    """
    torch = require("torch", "train")
    export = require("brevitas.export", "train")
    core = require("qonnx.core.modelwrapper", "finn")
    datatype = require("qonnx.core.datatype", "finn")
    cleanup = require("qonnx.util.cleanup", "finn")

    path = Path(path)
    trained.model.eval()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".qonnx-") as scratch:
        raw, clean = os.path.join(scratch, "raw.onnx"), os.path.join(scratch, "clean.onnx")
        # The TorchScript exporter gives the Flatten and MatMul that FINN's streamlining expects.
        image = torch.zeros_like(_to_torch(trained.x_test[:1]))
        export.export_qonnx(trained.model, image, export_path=raw, dynamo=False)
        model = cleanup.cleanup_model(core.ModelWrapper(raw))
        # The graph input is plain gray levels: no quantizer before the first layer.
        unsigned = datatype.DataType[f"UINT{trained.input_bits}"]
        model.set_tensor_datatype(model.graph.input[0].name, unsigned)
        model.save(clean)
        os.replace(clean, path)
    return path
