"""FINN's builder: steps that swap pairs for IMECConv and fold it, and builds without Vivado."""

from finn_imec.builder.conversion import Conversion, load_conversion
from finn_imec.builder.front_end import (
    front_end_steps,
    step_convert_to_hw,
    step_prepare_network,
    step_streamline,
)
from finn_imec.builder.run import BuildError, BuildResult, BuildSettings, build
from finn_imec.builder.steps import (
    exact_popcounts,
    imec_build_steps,
    step_convert_to_imec,
    step_fold_imec,
    step_insert_weight_dma,
    step_write_runtime_weights,
)

__all__ = [
    "BuildError",
    "BuildResult",
    "BuildSettings",
    "Conversion",
    "build",
    "exact_popcounts",
    "front_end_steps",
    "imec_build_steps",
    "load_conversion",
    "step_convert_to_hw",
    "step_convert_to_imec",
    "step_fold_imec",
    "step_insert_weight_dma",
    "step_prepare_network",
    "step_streamline",
    "step_write_runtime_weights",
]
