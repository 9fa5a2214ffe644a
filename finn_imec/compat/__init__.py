"""What differs between FINN's branches, and how to use FINN's parts outside its own command."""

from finn_imec.compat.finn import (
    CLOCK_NS,
    FPGA_PART,
    axilite_address_bits,
    finn_build_dir,
    finn_rtllib,
    memstream_has_sets,
    memstream_sources,
    words_per_line,
)

__all__ = [
    "CLOCK_NS",
    "FPGA_PART",
    "axilite_address_bits",
    "finn_build_dir",
    "finn_rtllib",
    "memstream_has_sets",
    "memstream_sources",
    "words_per_line",
]
