"""FIFO depths by simulation: the model of a FIFO, the search, whole networks, the build, the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finn_imec.simulation import verilator
from finn_imec.simulation.stimulus import Stall, Stimulus
from finn_imec.streams.design import Design, Stream

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from finn_imec.partition import parts

RTL = Path(parts.__file__).parent / "rtl"

# ---- the model of a FIFO ------------------------------------------------------------------------

#: (depth, width, style) in each backing, at the edges of its sizes.
FIFOS = [
    *((depth, 8, "auto") for depth in (2, 6, 33, 64, 257, 258, 1100)),
    *((depth, 8, style) for depth, style in ((70, "shift"), (34, "block"), (1500, "block"))),
    *((depth, 8, "ultra") for depth in (34, 4700)),
    (300, 3, "auto"),
]
STALLS = [
    (Stall.none(), Stall.none()),
    (Stall.random(0.3, 1), Stall.random(0.3, 2)),
    (Stall.none(), Stall.pause(3, 6000)),
    (Stall.pause(7, 20), Stall.every(3)),
    (Stall.every(4), Stall.after_valid()),
]


@pytest.fixture(scope="module")
def fifos(finn, tmp_path_factory):
    """Of each of FIFOS, FINN's own and the model, in one Verilator model."""
    from finn_imec.baseline_rtl.patches import copy_patched
    from finn_imec.compat.finn import finn_rtllib

    folder = tmp_path_factory.mktemp("fifos")
    copy_patched([finn_rtllib() / "fifo" / "hdl" / "fifo.sv"], folder)
    wrapper = folder / "finns_fifo.sv"
    wrapper.write_text(FINNS_FIFO)
    designs = []
    for depth, width, style in FIFOS:
        finns = Design(
            "finns_fifo",
            (folder / "fifo.sv", wrapper),
            (Stream("in0_V", width),),
            (Stream("out0_V", width),),
            {"DEPTH": depth, "WIDTH": width, "RAM_STYLE": style},
        )
        ours = replace(
            finns,
            top="sim_fifo",
            sources=(RTL / "sim_fifo.sv",),
            parameters={"WIDTH": width, "RAM_STYLE": style},
            tied={"depth": (32, depth)},
        )
        designs += [finns, ours]
    return verilator.build(designs, optimized=False)


FINNS_FIFO = """
module finns_fifo #(int unsigned DEPTH, int unsigned WIDTH, RAM_STYLE = "auto")(
	input logic ap_clk, input logic ap_rst_n,
	input logic [WIDTH-1:0] in0_V_TDATA, input logic in0_V_TVALID, output logic in0_V_TREADY,
	output logic [WIDTH-1:0] out0_V_TDATA, output logic out0_V_TVALID, input logic out0_V_TREADY
);
	fifo #(.DEPTH(DEPTH), .DATA_WIDTH(WIDTH), .RAM_STYLE(RAM_STYLE)) fifo (
		.clk(ap_clk), .rst(!ap_rst_n), .count(), .maxcount(),
		.idat(in0_V_TDATA), .ivld(in0_V_TVALID), .irdy(in0_V_TREADY),
		.odat(out0_V_TDATA), .ovld(out0_V_TVALID), .ordy(out0_V_TREADY));
endmodule
"""


@pytest.mark.simulation
@pytest.mark.parametrize("stalls", range(len(STALLS)))
def test_model_of_a_fifo_is_finns(fifos, stalls):
    """Every word in the same cycle, at both ends."""
    rng = np.random.default_rng(stalls)
    stimuli = []
    for _, width, _ in FIFOS:
        words = rng.integers(0, 2**width, 5500).tolist()
        stimuli += [Stimulus({"in0_V": words}, {"out0_V": len(words)}, *STALLS[stalls], reset_at=(40,))] * 2
    results = fifos.run(stimuli)
    for case, finns, ours in zip(FIFOS, results[::2], results[1::2], strict=True):
        for ends in ("input_cycle", "output_cycle", "outputs"):
            (expected,), (found,) = (getattr(each, ends).values() for each in (finns, ours))
            np.testing.assert_array_equal(found, expected, err_msg=f"{case} {ends}")
