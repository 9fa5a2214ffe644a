"""Differences between FINN's branches, and use of FINN's parts outside its own command."""

from finn_imec.compat.finn import (
    CLOCK_NS,
    FPGA_PART,
    axilite_address_bits,
    dsp_block,
    finn_build_dir,
    finn_rtllib,
    keep_finn_plus_settings,
    memstream_has_sets,
    memstream_sources,
    words_per_line,
)
from finn_imec.compat.transformations import (
    apply_config,
    auto_folding_config,
    infer_layer,
    infer_stream_additions,
    is_upstream,
)

__all__ = [
    "CLOCK_NS",
    "FPGA_PART",
    "apply_config",
    "auto_folding_config",
    "axilite_address_bits",
    "dsp_block",
    "finn_build_dir",
    "finn_rtllib",
    "infer_layer",
    "infer_stream_additions",
    "is_upstream",
    "keep_finn_plus_settings",
    "memstream_has_sets",
    "memstream_sources",
    "words_per_line",
]
