"""Graph transformations: pairs to IMECConv and back."""

from finn_imec.transformation.expand_imec_conv import ExpandIMECConv
from finn_imec.transformation.fold_imec_conv import FoldIMECConv, FoldingReport
from finn_imec.transformation.infer_imec_conv import InferIMECConv, PairReport, swap_pairs
from finn_imec.transformation.insert_weight_dma import InsertWeightDMA
from finn_imec.transformation.specialize_imec_conv import SpecializeIMECConv
from finn_imec.transformation.write_runtime_weights import WriteRuntimeWeights
from finn_imec.util.deprecation import deprecated_names

__all__ = [
    "ExpandIMECConv",
    "FoldIMECConv",
    "FoldingReport",
    "InferIMECConv",
    "InsertWeightDMA",
    "PairReport",
    "SpecializeIMECConv",
    "WriteRuntimeWeights",
    "swap_pairs",
]
__getattr__ = deprecated_names(__name__, {"SpecialiseIMECConv": f"{__name__}.SpecializeIMECConv"})
