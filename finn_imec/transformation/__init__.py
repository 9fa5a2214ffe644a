"""Graph transformations: pairs to IMECConv and back."""

from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
from finn_imec.transformation.fold_imec_conv import FoldIMECConv, FoldingReport
from finn_imec.transformation.infer_imec_conv import InferIMECConv, PairReport, swap_pairs
from finn_imec.transformation.insert_weight_dma import InsertWeightDMA
from finn_imec.transformation.specialise_imec_conv import SpecialiseIMECConv
from finn_imec.transformation.write_runtime_weights import WriteRuntimeWeights

__all__ = [
    "ExpandIMECConv",
    "FoldIMECConv",
    "FoldingReport",
    "InferIMECConv",
    "InsertWeightDMA",
    "PairReport",
    "SpecialiseIMECConv",
    "WriteRuntimeWeights",
    "swap_pairs",
]
