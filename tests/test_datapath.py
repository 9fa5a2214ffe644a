"""Datapath against plain integer arithmetic: counts, sums, comparisons and memories of the RTL."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import DataType
from strategies import geometries

from finn_imec.algorithms.reference import random_values
from finn_imec.layer.core import MAX_PARTIAL_PRODUCTS, RES_TYPES, Operand
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import trit_bits
from finn_imec.util.errors import UnsupportedError

KINDS = ("BIPOLAR", "BINARY", "TERNARY", "INT2", "INT3", "INT8", "UINT2", "UINT3", "UINT8")
PAIRS = st.one_of(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS), st.just(False)),
    st.just(("BINARY", "BINARY", True)),
)


def meaning(values: np.ndarray, xnor: bool) -> np.ndarray:
    """Values by which stored values multiply: BINARY stands for -1/+1 in XNOR mode."""
    return 2 * values - 1 if xnor else values


def exact(windows: np.ndarray, path: Datapath) -> np.ndarray:
    """Accumulators (n, MH) of windows (n, MW), as FINN's MVAU defines them.

    FINN counts agreements in XNOR mode and for BIPOLAR x BIPOLAR, execute_node in
    finn/custom_op/fpgadataflow/matrixvectoractivation.py.
    """
    products = meaning(windows, path.xnor) @ meaning(path.weights, path.xnor)
    bipolar = path.input_datatype == path.weight_datatype == DataType["BIPOLAR"]
    return (products + path.geometry.mw) // 2 if path.xnor or bipolar else products


def code(values: np.ndarray, operand: Operand) -> np.ndarray:
    """The bits that a memory or stream holds for these values, as unsigned integers."""
    return (values > 0) * 1 if operand.bipolar else values % 2**operand.bits


def counted(windows: np.ndarray, path: Datapath) -> np.ndarray:
    """Results of the core path.core.kind, summed over windows (n, MW) -> (n, MH).

    For "planes" bit by bit, from the header of imec_dot_planes.sv; for "gates" from its table of digits.
    """
    if path.core.kind == "dsp":
        biases = path.geometry.sf * path.core.packing.chains * path.core.packing.bias
        center = 2 ** (path.core.activation.bits - 1) if path.core.packing.centered else 0
        return (windows - center) @ path.weights + biases
    if path.core.kind == "product":
        return windows @ path.weights
    if path.core.kind == "shared":
        return (windows - (path.core.lowered << path.core.activation.bits - 1)) @ path.weights
    a, w = path.core.activation, path.core.weight
    if path.core.kind == "gates":
        codes, most = code(windows, a) ^ a.signed << a.bits - 1, 2**a.bits - 1
        if path.core.digits == 1:
            digits = [path.weights]
        else:
            bits = [code(path.weights, w) >> j & 1 for j in range(w.bits)]
            digits = [*bits[:-1], -bits[-1] if w.signed else bits[-1]]
        taken = [codes @ (digit > 0) + (most - codes) @ (digit < 0) for digit in digits]
        return sum(each << j for j, each in enumerate(taken))
    a_code, w_code = code(windows, a)[:, :, None], code(path.weights, w)[None]
    total = 0
    for i in range(a.bits):
        for j in range(w.bits):
            x, y = a_code >> i & 1, w_code >> j & 1
            plane = 1 - (x ^ y) if w.bipolar else x & y
            if (a.signed and i == a.bits - 1) != (w.signed and j == w.bits - 1):
                plane = 1 - plane
            total = total + (plane.sum(axis=1) << (i + j))
    return total


@st.composite
def datapaths(draw: st.DrawFn, activation: bool | None = None) -> Datapath:
    """Any small layer with any operands, with or without thresholds."""
    geometry = draw(geometries())
    idt, wdt, xnor = draw(PAIRS)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    idt, wdt = DataType[idt], DataType[wdt]
    weights = random_values(wdt, (geometry.mw, geometry.mh), rng)
    res_type = draw(st.sampled_from(RES_TYPES))
    plain = Datapath(geometry, idt, wdt, DataType["INT32"], weights, xnor=xnor, res_type=res_type)
    if not (draw(st.booleans()) if activation is None else activation):
        return plain
    low, high = (int(v) for v in (plain.accumulator_range[0].min(), plain.accumulator_range[1].max()))
    rows = draw(st.sampled_from([1, geometry.mh]))
    bipolar = draw(st.booleans())
    steps = 1 if bipolar else draw(st.integers(1, 7))
    thresholds = np.sort(rng.uniform(low - 2, high + 3, (rows, steps)), axis=1)
    if draw(st.booleans()):
        thresholds = np.rint(thresholds)
    act_val = 0 if bipolar else draw(st.integers(-4, 0))
    odt = "BIPOLAR" if bipolar else "INT4" if act_val < 0 else "UINT3"
    return replace(plain, output_datatype=DataType[odt], thresholds=thresholds, act_val=act_val)


def windows_of(path: Datapath, n: int = 20) -> np.ndarray:
    """Random windows (n, MW); the last ones drive each accumulator to its extremes."""
    idt = path.input_datatype
    rng = np.random.default_rng(0)
    random = random_values(idt, (n, path.geometry.mw), rng)
    low, high = int(idt.min()), int(idt.max())
    positive = meaning(path.weights, path.xnor).T > 0
    return np.concatenate([random, np.where(positive, high, low), np.where(positive, low, high)])


def unpack(word: int, elems: int, bits: int, signed: bool) -> list[int]:
    """Elements of a memory word, element 0 in the least significant bits."""
    values = [word >> (bits * i) & 2**bits - 1 for i in range(elems)]
    assert word >> (bits * elems) == 0
    return [v - 2**bits if signed and v >> (bits - 1) else v for v in values]


# ---------------------------------------------------------------------------------------------
# Arithmetic


@given(datapaths())
def test_counts_and_offsets_add_up_to_the_dot_product(path):
    windows = windows_of(path)
    scale = 2 if path.core.double else 1
    np.testing.assert_array_equal(scale * counted(windows, path) + path.offsets, exact(windows, path))


@pytest.mark.parametrize("idt", KINDS)
@pytest.mark.parametrize("wdt", KINDS)
@pytest.mark.parametrize("res_type", RES_TYPES)
def test_every_pair_of_operand_kinds(idt, wdt, res_type):
    geometry = ConvGeometry((2, 1), (2, 1), 3, 5)
    weights = random_values(DataType[wdt], (6, 5), np.random.default_rng(1))
    types = DataType[idt], DataType[wdt], DataType["INT32"]
    path = Datapath(geometry, *types, weights, res_type=res_type)
    windows = windows_of(path, 100)
    total = (2 if path.core.double else 1) * counted(windows, path) + path.offsets
    np.testing.assert_array_equal(total, exact(windows, path))
    a, w = path.core.activation.bits, path.core.weight.bits
    dsp = {"lut": False, "auto": min(a, w) >= 4, "dsp": min(a, w) >= 2 and a * w > 4}[res_type]
    lut = {"planes", "gates"} if "BIPOLAR" in (idt, wdt) or a * w <= MAX_PARTIAL_PRODUCTS else {"product"}
    assert path.core.kind in ({"dsp"} if dsp else lut)


@given(datapaths())
def test_accumulator_range_is_reached_and_never_left(path):
    values = exact(windows_of(path), path)
    low, high = path.accumulator_range
    assert low.shape == high.shape == (path.geometry.mh,)
    np.testing.assert_array_equal(values.max(axis=0), high)
    np.testing.assert_array_equal(values.min(axis=0), low)


@given(datapaths(activation=False))
def test_accumulators_without_thresholds(path):
    """From its start value an accumulator reaches the dot product, modulo its width."""
    assert path.structure.steps == 0
    assert path.acc_bits == path.structure.output_bits == 32
    g = path.geometry
    start = np.full(g.mh, path.init)
    if path.structure.biased:
        assert path.init == 0
        # imec_conv counts folds down from NF-1 and reads the word while fold nf starts.
        stored = [unpack(word, g.pe, 32, signed=True) for word in path.start_words()]
        start = np.concatenate([stored[g.nf - 1 - nf] for nf in range(g.nf)])
    windows = windows_of(path)
    total = start + (2 if path.core.double else 1) * counted(windows, path)
    np.testing.assert_array_equal(total, exact(windows, path))
    np.testing.assert_array_equal(path.activate(total), total)


@given(datapaths(activation=True))
def test_threshold_words_decide_as_the_thresholds(path):
    g, bits, search, steps = path.geometry, path.acc_bits, path.structure.search, path.structure.steps
    memories = path.threshold_words(search)
    # A fold's result is compared one step later in imec_conv's count down from NF-1.
    order = [(g.nf - 2 - nf) % g.nf for nf in range(g.nf)]
    if steps == 1:
        assert memories == []
        stored = np.zeros((g.mh, 1), int)  # the sign is the output
    elif search:
        each = g.pe // search.engines
        assert [len(words) for words in memories] == [search.memory.words] * search.engines
        rows = np.array([[unpack(w, 1, bits, signed=True) for w in words] for words in memories])
        rows = rows.reshape(search.engines, g.nf, -1, 2 ** steps.bit_length())
        stored = rows[:, order, :each, 1 : steps + 1].swapaxes(0, 1).reshape(g.mh, steps)
    else:
        (words,) = memories
        assert len(words) == g.nf
        stored = np.array([unpack(w, g.pe * steps, bits, signed=True) for w in words])
        stored = stored[order].reshape(g.mh, steps)

    windows = windows_of(path)
    exact_values = exact(windows, path)
    held = path.starts + (2 if path.core.double else 1) * counted(windows, path)
    assert -(2 ** (bits - 1)) <= held.min()
    assert held.max() < 2 ** (bits - 1)
    reached = (held[..., None] >= stored).sum(axis=-1)
    np.testing.assert_array_equal(reached, (exact_values[..., None] >= path.thresholds).sum(axis=-1))
    codes = reached + path.rtl_act_val()
    bipolar = path.output_datatype == DataType["BIPOLAR"]
    np.testing.assert_array_equal(2 * codes - 1 if bipolar else codes, path.activate(exact_values))


@given(datapaths(activation=True))
def test_accumulators_are_no_wider_than_needed(path):
    """The counts' range and one value above it, for a threshold never reached, need acc_bits; with one
    threshold per channel, their distances from it.
    """
    low, high = path.accumulator_range
    if path.structure.steps == 1:
        ends = np.array([low, high]) + path.starts - path.offsets
        bits = path.acc_bits
        assert ends.min() >= -(2 ** (bits - 1)) and ends.max() < 2 ** (bits - 1)
        assert bits == 1 or ends.min() < -(2 ** (bits - 2)) or ends.max() >= 2 ** (bits - 2)
        return
    span = int((high - path.offsets).max() - (low - path.offsets).min())
    assert path.acc_bits == max(1, math.ceil(math.log2(span + 2)))


@given(datapaths())
def test_weight_words_hold_each_weight_at_its_place(path):
    g, bits = path.geometry, path.core.weight.bits
    words = path.weight_words()
    assert len(words) == g.sf * g.nf
    stored = code(path.weights, path.core.weight)
    for address, word in enumerate(words):
        nf, sf = divmod(address, g.sf)
        lanes = unpack(word, g.pe * g.simd, bits, signed=False)
        expected = stored[sf * g.simd : (sf + 1) * g.simd, nf * g.pe : (nf + 1) * g.pe]
        assert lanes == expected.T.ravel().tolist()  # PE major, lane l of PE p at p*SIMD + l


@pytest.mark.parametrize(("simd", "pe"), [(1, 1), (2, 1), (3, 1), (4, 1), (2, 4), (3, 3)])
def test_words_of_ternary_weights_hold_three_in_five_bits(simd, pe):
    g = ConvGeometry((2, 1), (2, 1), 2 * simd, 3 * pe, simd=simd, pe=pe)
    weights = random_values(DataType["TERNARY"], (g.mw, g.mh), np.random.default_rng(simd + pe))
    path = Datapath(g, DataType["INT2"], DataType["INT2"], DataType["INT32"], weights)
    assert path.core.ternary
    n = simd * pe
    for plain, packed in zip(path.weight_words(), path.trit_words(), strict=True):
        codes = unpack(plain, n, 2, signed=False)
        assert packed < 2 ** trit_bits(n)
        for three in range(n // 3):
            number = packed >> 5 * three & 31
            assert [(0, 1, 3)[number // 3**i % 3] for i in range(3)] == codes[3 * three : 3 * three + 3]
        left = n - n % 3
        assert [packed >> 5 * (n // 3) + 2 * i & 3 for i in range(n % 3)] == codes[left:]


# ---------------------------------------------------------------------------------------------
# Thresholds and outputs

POINT = ConvGeometry((1, 1), (1, 1), 2, 3)
ONES = np.ones((2, 3), int)


def make(idt="INT4", wdt="INT2", odt="INT32", weights=ONES, thresholds=None, act_val=0, xnor=False):
    types = (DataType[each] for each in (idt, wdt, odt))
    return Datapath(POINT, *types, weights, thresholds, act_val, xnor)


@given(
    st.lists(st.floats(-40, 40, allow_nan=False, width=32), min_size=1, max_size=7),
    st.integers(-20, 20),
)
def test_non_integer_thresholds_are_reached_from_their_ceiling_on(thresholds, accumulator):
    steps = sorted(thresholds)
    path = make(odt="UINT3", thresholds=[steps])
    assert path.thresholds.tolist() == [[math.ceil(t) for t in steps]] * 3
    output = path.activate(np.full((1, 3), accumulator))
    assert output.tolist() == [[sum(accumulator >= t for t in steps)] * 3]


def test_infinite_thresholds_are_always_or_never_reached():
    path = make(odt="UINT2", thresholds=[[-math.inf, 0, math.inf]])
    np.testing.assert_array_equal(path.activate(np.array([[-16, 0, 14]])), [[1, 2, 2]])
    low = path.accumulator_range[0][0] - path.offsets[0] + path.init
    never, zero, always = unpack(path.threshold_words(None)[0][0], 3, path.acc_bits, signed=True)[::-1]
    assert always <= low
    assert never == 2 ** (path.acc_bits - 1) - 1 or never > 14 - path.offsets[0] + path.init
    assert zero == 0 - path.offsets[0] + path.init


def test_one_threshold_row_serves_all_channels():
    one = make(odt="UINT2", thresholds=[[-3, 0, 5]])
    each = make(odt="UINT2", thresholds=[[-3, 0, 5]] * 3)
    assert one.threshold_words(None) == each.threshold_words(None)
    assert one.structure.steps == 3
    np.testing.assert_array_equal(one.activate(np.array([[-4, -3, 7]])), [[0, 1, 3]])


def test_bipolar_output_ignores_act_val():
    path = make(odt="BIPOLAR", thresholds=[[1], [0], [9]], act_val=-7)
    assert path.structure.output_bits == 1
    assert path.rtl_act_val() == 0
    np.testing.assert_array_equal(path.activate(np.array([[1, -1, 8]])), [[1, -1, -1]])


@pytest.mark.parametrize(("odt", "act_val"), [("INT2", -2), ("TERNARY", -1), ("UINT4", 3), ("INT8", 5)])
def test_act_val_is_the_lowest_output(odt, act_val):
    steps = 3 if odt != "TERNARY" else 2
    path = make(odt=odt, thresholds=[[-1, 2, 4][:steps]], act_val=act_val)
    assert path.rtl_act_val() == act_val
    np.testing.assert_array_equal(
        path.activate(np.array([[-2, -1, 14]])), [[act_val, act_val + 1, act_val + steps]]
    )


# ---------------------------------------------------------------------------------------------
# Errors name the attribute, its value and what is accepted

SUPPORTED = r"accepted are BIPOLAR, BINARY, TERNARY, .*INT16 and .*UINT16"


@pytest.mark.parametrize("act", [{}, {"odt": "UINT2", "thresholds": np.zeros((3, 3))}])
@pytest.mark.parametrize("bad", ["FLOAT32", "INT32", "UINT17", "FIXED<8,4>", "SCALEDINT<8>"])
@pytest.mark.parametrize(("argument", "attribute"), [("idt", "inputDataType"), ("wdt", "weightDataType")])
def test_unsupported_operands_are_rejected_at_once(argument, attribute, bad, act):
    with pytest.raises(UnsupportedError, match=f"{attribute}={re.escape(bad)} .*{SUPPORTED}"):
        make(**{argument: bad}, **act)


@pytest.mark.parametrize("name", ["INT16", "UINT16", "BIPOLAR", "BINARY", "TERNARY"])
def test_widest_and_narrowest_operands_are_accepted(name):
    weights = random_values(DataType[name], (2, 3), np.random.default_rng(0))
    path = make(idt=name, wdt=name, odt="INT48", weights=weights)
    windows = windows_of(path)
    total = (2 if path.core.double else 1) * counted(windows, path) + path.offsets
    np.testing.assert_array_equal(total, exact(windows, path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": ONES.T}, r"weights have shape \(3, 2\), expected \(MW, MH\)=\(2, 3\)"),
        ({"weights": 2 * ONES}, "weights of weightDataType=INT2: the value 2: accepted are INT2"),
        ({"weights": 0.5 * ONES}, "weights of weightDataType=INT2: the value 0.5: accepted are INT2"),
        ({"wdt": "BIPOLAR", "weights": 0 * ONES}, "weights of weightDataType=BIPOLAR: the value 0: accepted"),
        ({"weights": math.nan * ONES}, "weights of weightDataType=INT2: the value nan"),
        (
            {"xnor": True, "wdt": "BINARY"},
            "binaryXnorMode=1 needs BINARY inputs and weights, not INT4 and BINARY",
        ),
        (
            {"xnor": True, "idt": "BINARY"},
            "binaryXnorMode=1 needs BINARY inputs and weights, not BINARY and INT2",
        ),
        (
            {"odt": "INT4"},
            r"outputDataType=INT4 cannot hold accumulators in \[-16, 14\]: accepted is e.g. INT5",
        ),
        (
            {"idt": "UINT4", "odt": "UINT4"},
            r"outputDataType=UINT4 cannot hold accumulators in \[0, 30\]: accepted is e.g. UINT5",
        ),
        ({"odt": "FLOAT32"}, "outputDataType=FLOAT32 .*accepted is e.g. INT5"),
        ({"odt": "BIPOLAR"}, "outputDataType=BIPOLAR .*accepted is e.g. INT5"),
        (
            {"odt": "UINT2", "thresholds": np.zeros(3)},
            r"thresholds have shape \(3,\), expected \(MH or 1, steps\) with MH=3",
        ),
        ({"odt": "UINT2", "thresholds": np.zeros((2, 3))}, r"thresholds have shape \(2, 3\)"),
        ({"odt": "UINT2", "thresholds": np.zeros((3, 1, 1))}, r"thresholds have shape \(3, 1, 1\)"),
        ({"odt": "UINT2", "thresholds": np.zeros((3, 0))}, "at least one step"),
        ({"odt": "UINT2", "thresholds": np.full((3, 3), math.nan)}, "thresholds"),
        (
            {"odt": "BIPOLAR", "thresholds": np.zeros((3, 2))},
            "outputDataType=BIPOLAR takes one threshold per channel, not 2",
        ),
        (
            {"odt": "UINT2", "thresholds": np.zeros((3, 4))},
            r"outputDataType=UINT2 cannot hold ActVal \+ 0..4 .*\[0, 4\]: accepted is e.g. UINT3",
        ),
        (
            {"odt": "UINT2", "thresholds": np.zeros((3, 3)), "act_val": -1},
            r"outputDataType=UINT2 .*\[-1, 2\]: accepted is e.g. INT3",
        ),
        (
            {"odt": "FLOAT32", "thresholds": np.zeros((3, 3))},
            "outputDataType=FLOAT32 .*accepted is e.g. UINT2",
        ),
    ],
)  # fmt: skip
def test_errors_name_attribute_value_and_what_is_accepted(arguments, message):
    with pytest.raises(UnsupportedError, match=message):
        make(**arguments)
