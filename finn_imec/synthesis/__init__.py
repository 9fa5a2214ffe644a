"""Resources of a design counted by Yosys, and FINN's pair beside IMECConv."""

from finn_imec.synthesis.comparison import Layer, compare, compare_layer, layers_of_model
from finn_imec.synthesis.yosys import SynthesisError, count

__all__ = ["Layer", "SynthesisError", "compare", "compare_layer", "count", "layers_of_model"]
