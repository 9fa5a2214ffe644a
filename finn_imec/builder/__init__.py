"""FINN's builder: the step that swaps pairs for IMECConv, and builds that need no Vivado."""

from finn_imec.builder.run import BuildError, BuildResult, build
from finn_imec.builder.steps import imec_build_steps, step_convert_to_imec

__all__ = ["BuildError", "BuildResult", "build", "imec_build_steps", "step_convert_to_imec"]
