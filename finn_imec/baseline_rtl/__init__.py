"""FINN's own pair of units as one design, for comparison."""

from finn_imec.baseline_rtl.finn_pair import FinnPair, copy_patched, generate

__all__ = ["FinnPair", "copy_patched", "generate"]
