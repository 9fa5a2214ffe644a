"""RTL of an IMECConv: the SystemVerilog library and the generator of the top level."""

from finn_imec.rtl.generate import ImecRtl, mac_parameters, stream_design
from finn_imec.rtl.library import LIBRARY, library_path
from finn_imec.util.deprecation import deprecated_names

__all__ = ["LIBRARY", "ImecRtl", "library_path", "mac_parameters", "stream_design"]

__getattr__ = deprecated_names(
    __name__, {"encode": "finn_imec.streams.encode", "decode": "finn_imec.streams.decode"}
)
