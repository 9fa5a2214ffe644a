"""Resources of a design counted by Yosys, and FINN's pair compared with IMECConv."""

from finn_imec.synthesis.comparison import Layer, compare, compare_layer, layers_of_model
from finn_imec.synthesis.layer_sets import named_layers
from finn_imec.synthesis.rows import Row, Side
from finn_imec.synthesis.yosys import SynthesisError, count

__all__ = [
    "Layer",
    "Row",
    "Side",
    "SynthesisError",
    "compare",
    "compare_layer",
    "count",
    "layers_of_model",
    "named_layers",
]
