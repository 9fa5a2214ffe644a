"""Random layers in RTL, checked against plain convolution."""

from finn_imec.verification.campaign import VerificationError, reduce, verify
from finn_imec.verification.cases import CAMPAIGN_MEM_MODES, Case, Parameters, random_case

__all__ = [
    "CAMPAIGN_MEM_MODES",
    "Case",
    "Parameters",
    "VerificationError",
    "random_case",
    "reduce",
    "verify",
]
