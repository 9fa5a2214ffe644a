"""FINN's pair of units as one design, for comparison."""

from finn_imec.baseline_rtl.finn_pair import FinnPair, generate
from finn_imec.baseline_rtl.patches import copy_patched

__all__ = ["FinnPair", "copy_patched", "generate"]
