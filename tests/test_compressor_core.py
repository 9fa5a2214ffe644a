"""FINN's compressor tree in FINN's pair: the bits that it gets, and a pair with a tree in its place.

FINN's own generator is not needed. With FINN_COMPRESSOR, a checkout of it, its trees are simulated, too.
"""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.synthesis.comparison import compare_layer, generate_both, random_layer, simulate_both
from finn_imec.synthesis.compressor_core import _columns, _gates, _small_luts_as_logic, with_compressor_core
from finn_imec.util.errors import ModelError, UnsupportedError

#: A generator with the functions of FINN's, whose trees are plain sums.
GENERATOR = '''
def generate_compressor(target, shape, name, depth, accumulate, width, gates, constants, path, *others):
    tables = [(c, int(g, 16)) for c, column in enumerate(gates) for g in column]
    terms = "".join(f" + ({{{width}{{1'b0}}}} + ((4'd{g} >> {{in_2[{i}], in[{i}]}}) & 1) * {2**c})"
                    for i, (c, g) in enumerate(tables))
    constant = sum(bit << i for i, bit in enumerate(constants))
    n = len(tables)
    open(path, "w").write(f"""
module {name}(input clk, en, rst, en_neg, input [{n-1}:0] in, in_2, output logic [{width-1}:0] out);
    logic [{width-1}:0] sum = 0, acc = 0;
    logic clear = 0, none = 1;
    always_ff @(posedge clk) if(en) begin
        sum <= {width}'({constant}{terms});
        clear <= rst; none <= en_neg;
        acc <= (cleared? 0 : acc) + (none? 0 : sum);
        cleared <= clear;
    end
    logic cleared = 1;
    assign out = acc;
endmodule
""")
    return 2
'''
OPERANDS = [
    (kind, a, w, signed)
    for kind, a, w in (("BIPOLAR", 1, 1), ("BIPOLAR", 3, 1), ("BIPOLAR_INPUT", 1, 3), ("XNOR", 1, 1))
    for signed in (False, True)
]


def value(bits: tuple[int, ...], signed: bool) -> int:
    whole = sum(bit << i for i, bit in enumerate(bits))
    return whole - (bits[-1] << len(bits)) if signed else whole


@pytest.mark.parametrize("kind, a_bits, w_bits, signed", OPERANDS)
def test_bits_of_bipolar_products_sum_up_to_the_product(kind, a_bits, w_bits, signed):
    lane = _columns(kind, a_bits, w_bits, signed)
    tables, constant = _gates(kind, a_bits, w_bits, signed)
    assert [len(column) for column in lane] == [len(column) for column in tables]
    for a, w in product(product((0, 1), repeat=a_bits), product((0, 1), repeat=w_bits)):
        bits = {"a": a, "w": w, None: (0,)}
        total = constant
        for power, (gates, column) in enumerate(zip(tables, lane)):
            for gate, ((low, i), (high, j)) in zip(gates, column):
                total += (int(gate, 16) >> (2 * bits[high][j] + bits[low][i]) & 1) << power
        expected = {
            "XNOR": int(a == w),
            "BIPOLAR": value(a, signed) * (1 if w[0] else -1),
            "BIPOLAR_INPUT": value(w, True) * (1 if a[0] else -1),
        }[kind]
        assert total == expected


@pytest.mark.parametrize("a_bits, w_bits, signed", product((2, 3, 5), (2, 4), (False, True)))
def test_bits_of_integer_products_sum_up_to_the_product(a_bits, w_bits, signed):
    """With a minus for each operand's sign bit; FINN's gates say the same with inverted bits."""
    lane = _columns("SIGNED", a_bits, w_bits, signed)
    narrow_signed = signed if w_bits >= a_bits else True
    height, width = min(a_bits, w_bits), max(a_bits, w_bits)
    pairs = [pair for column in lane for pair in column]
    # All pairs of bits once, and of a signed multiplier the sign bit for its negation.
    assert len(pairs) == height * width + (
        0 if not narrow_signed else 1 if (w_bits >= a_bits or signed) else 2
    )
    for power, column in enumerate(lane[: height + width - 1]):
        extra = 1 if narrow_signed and power == height else 0
        assert all(low[1] + high[1] == power for low, high in column[extra:])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    package = tmp_path / "finn" / "src" / "finn" / "compressor" / "src"
    (package / "utils").mkdir(parents=True)
    (package / "main.py").write_text(GENERATOR)
    (package / "dotp_finn.py").write_text(
        "def generate_comp_module(*options):\n    raise ValueError('no tree')\n"
    )
    (package / "target.py").write_text("def resolve_target(part):\n    return part\n")
    (package / "utils" / "shape.py").write_text("Shape = tuple\n")
    return tmp_path / "finn"


def layer(activation: str, weight: str, simd: int = 4):
    geometry = ConvGeometry((3, 3), (5, 5), simd, 4, simd=simd, pe=2)
    return random_layer("layer", geometry, activation, weight).with_random_thresholds(3)


@pytest.mark.parametrize("activation", ["BIPOLAR", "INT3", "UINT2"])
def test_pair_with_a_tree_computes_the_convolution(activation, checkout, tmp_path):
    one = layer(activation, "BIPOLAR")
    pair, imec = generate_both(one, "lut", tmp_path / "both")
    assert simulate_both(one, with_compressor_core(pair, checkout), imec)["finn"]["cycles"] > 0


@pytest.mark.skipif("FINN_COMPRESSOR" not in os.environ, reason="FINN_COMPRESSOR names no checkout of FINN")
@pytest.mark.parametrize(
    "types", [("INT2", "INT2"), ("UINT3", "INT2"), ("INT8", "BIPOLAR"), ("INT8", "INT2", 3)]
)
def test_pair_with_finns_tree_computes_the_convolution(types, tmp_path):
    one = layer(*types)
    pair, imec = generate_both(one, "lut", tmp_path / "both")
    pair = with_compressor_core(pair, Path(os.environ["FINN_COMPRESSOR"]))
    assert simulate_both(one, pair, imec)["finn"]["cycles"] > 0


def test_small_luts_are_formulas():
    tree = "module tree(output o, input a, b);\n\tLUT2 #(.INIT(4'h8)) l(.O(o), .I0(a), .I1(b));\nendmodule\n"
    text = _small_luts_as_logic(tree)
    assert "finn_compressor_lut2 #(.INIT(4'h8)) l(" in text and "LUT2 #" not in text
    assert "assign\tO = INIT[{ I1, I0 }];" in text and "lut5" not in text
    assert _small_luts_as_logic("LUT6 #(") == "LUT6 #("


def test_errors_name_checkout_core_and_part(checkout, tmp_path):
    one = layer("INT2", "INT2")
    pair, _ = generate_both(one, "lut", tmp_path / "lut")
    with pytest.raises(ModelError, match=r"checkout=.*none has no src/finn/compressor.*pull"):
        with_compressor_core(pair, tmp_path / "none")
    with pytest.raises(ModelError, match="its compressor generator failed: ValueError: no tree"):
        with_compressor_core(pair, checkout)
    dsp, _ = generate_both(layer("INT4", "INT4"), "dsp", tmp_path / "dsp")
    with pytest.raises(UnsupportedError, match="accepted are layers that are not depthwise, with core 'lut'"):
        with_compressor_core(dsp, checkout)
    with pytest.raises(UnsupportedError, match="accepted are parts of 7-series, not 'xczu7ev"):
        compare_layer(one, "lut", part="xczu7ev-ffvc1156-2-e", compressor=checkout)


def test_full_range_has_the_most_negative_weight():
    geometry = ConvGeometry((3, 3), (5, 5), 8, 8, simd=4, pe=2)
    full, narrow = (
        random_layer("layer", geometry, "INT2", "INT2", full_range=full).weights for full in (True, False)
    )
    assert (full.min(), narrow.min()) == (-2, -1)
    assert np.array_equal(np.maximum(full, -1), narrow)
