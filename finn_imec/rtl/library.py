"""The SystemVerilog library inside the installed package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

#: Library files in compilation order.
LIBRARY = (
    "imec_pkg.sv",
    "imec_delay.sv",
    "imec_counter.sv",
    "imec_ring.sv",
    "imec_convert.sv",
    "imec_pad.sv",
    "imec_sequencer.sv",
    "imec_banks.sv",
    "imec_parts.sv",
    "imec_strip.sv",
    "imec_gearbox.sv",
    "imec_through.sv",
    "imec_axis.sv",
    "imec_queue.sv",
    "imec_window.sv",
    "imec_register.sv",
    "imec_output.sv",
    "imec_lut6.sv",
    "imec_lut6x2.sv",
    "imec_muxf.sv",
    "imec_table.sv",
    "imec_mux.sv",
    "imec_rom.sv",
    "imec_trits.sv",
    "imec_counter7.sv",
    "imec_compress.sv",
    "imec_dot_heap.sv",
    "imec_dot_series.sv",
    "imec_dot_planes.sv",
    "imec_gates.sv",
    "imec_add3.sv",
    "imec_tree.sv",
    "imec_dot_gates.sv",
    "imec_dot_shared.sv",
    "imec_add_subtract.sv",
    "imec_dot_product.sv",
    "imec_sum.sv",
    "imec_heap_sum.sv",
    "imec_dsp48.sv",
    "imec_dsp58.sv",
    "imec_dot_dsp.sv",
    "imec_threshold.sv",
    "imec_threshold_search.sv",
    "imec_threshold_stages.sv",
    "imec_pairs.sv",
    "imec_mac.sv",
    "imec_conv.sv",
)


def library_path() -> Path:
    """Folder of the SystemVerilog library inside the installed package."""
    return Path(str(resources.files("finn_imec") / "rtl" / "rtllib"))
