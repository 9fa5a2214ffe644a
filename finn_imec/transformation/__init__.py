"""Graph transformations: pairs to IMECConv and back."""

from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
from finn_imec.transformation.infer_imec_conv import InferIMECConv, PairReport, swap_pairs
from finn_imec.transformation.specialise_imec_conv import SpecialiseIMECConv

__all__ = ["ExpandIMECConv", "InferIMECConv", "PairReport", "SpecialiseIMECConv", "swap_pairs"]
