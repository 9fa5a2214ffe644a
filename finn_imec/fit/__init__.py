"""Folding of a whole network for a part."""

from finn_imec.fit.parts import Part, part_named, part_with
from finn_imec.fit.run import Fit, InfeasibleError, fit

__all__ = ["Fit", "InfeasibleError", "Part", "fit", "part_named", "part_with"]
