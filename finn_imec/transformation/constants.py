"""What of a graph is constant."""

from __future__ import annotations

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper


def constant(model: ModelWrapper, name: str) -> np.ndarray | None:
    """A tensor's values; None if it has none, or a node such as a DMA gives them."""
    return None if model.find_producer(name) is not None else model.get_initializer(name)
