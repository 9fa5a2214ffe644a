"""C++ of an IMECConv for Vitis HLS, and its simulation with any compiler."""

from finn_imec.hls.cppsim import HlsError, build, run
from finn_imec.hls.generate import ImecHls, library_path

__all__ = ["HlsError", "ImecHls", "build", "library_path", "run"]
