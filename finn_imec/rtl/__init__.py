"""RTL of an IMECConv: the SystemVerilog library and the generation of a top level."""

from finn_imec.rtl.generate import ImecRtl, mac_parameters, stream_design
from finn_imec.rtl.library import LIBRARY, library_path

__all__ = ["LIBRARY", "ImecRtl", "library_path", "mac_parameters", "stream_design"]
