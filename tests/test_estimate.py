"""Resource estimates against what Yosys counted: benchmarks/results."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finn_imec.layer.adders import dot_luts
from finn_imec.layer.compressor import partial_product_luts, product_heights
from finn_imec.layer.core import Operand
from finn_imec.layer.estimate import (
    FF_COEFFICIENTS,
    LUT_COEFFICIENTS,
    MEAN_ERROR,
    RAMB18_BITS,
    Estimate,
    chain_ffs,
    chain_luts,
    compressor_luts,
    sum_ffs,
    sum_luts,
)
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import MEM_MODES, Memory
from finn_imec.layer.pair_estimate import PAIR_FFS, PAIR_LUTS, PAIR_MEAN_ERROR
from finn_imec.layer.structure import Structure
from finn_imec.synthesis.layer_sets import named_layers

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/estimates.py as a module."""
    spec = importlib.util.spec_from_file_location("estimates", BENCHMARKS / "estimates.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sample(benchmark):
    return benchmark.Sample(benchmark.load())


# ---- the fitted sample --------------------------------------------------------------------------


def test_blocks_of_the_sample(sample):
    assert sample.exact("dsp") == 1
    assert sample.exact("bram18") > 0.9
    measured = {key: sum(row[key] > 0 for row in sample.rows) for key in ("dsp", "bram18")}
    assert min(measured.values()) > len(sample.rows) / 5


def test_blocks_hold_what_is_stored(sample):
    for found in sample.estimates:
        assert found.stored_bits("block") <= found.bram18 * RAMB18_BITS
        assert (found.stored_bits("block") > 0) == (found.bram18 > 0)
        assert found.stored_bits("ultra") == found.uram == 0


def test_the_sample_is_what_the_benchmark_draws(benchmark):
    """Also the layers that took too long."""
    for number, row in enumerate(benchmark.load()):
        parameters, ram_style = benchmark.random_layer(number)
        assert row["number"] == number
        assert row["parameters"] == json.loads(parameters.json())
        assert row.get("ram_style", "auto") == ram_style


# ---- both sides ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs(benchmark):
    return benchmark.PairSample(benchmark.load(benchmark.PAIRS))


@pytest.fixture(scope="module")
def fits(benchmark, sample, pairs):
    pytest.importorskip("scipy", reason="needs scipy, which comes with finn-plus")
    return {name: fit for name, (_, fit) in benchmark.fits(sample, pairs).items()}


@pytest.mark.parametrize(
    ("name", "coefficients", "mean", "worst"),
    [
        ("LUT_COEFFICIENTS", LUT_COEFFICIENTS, 0.045, 0.2),
        ("FF_COEFFICIENTS", FF_COEFFICIENTS, 0.045, 0.25),
        ("PAIR_LUTS", PAIR_LUTS, 0.045, 0.2),
        ("PAIR_FFS", PAIR_FFS, 0.045, 0.2),
    ],
)
def test_coefficients_and_their_errors(fits, name, coefficients, mean, worst):
    """On layers that are not fitted to."""
    fit = fits[name]
    assert list(coefficients) == fit.names
    assert list(coefficients.values()) == pytest.approx(fit.coefficients(), abs=2e-3)
    errors = np.abs(fit.held_out_errors())
    assert errors.mean() < mean and errors.max() < worst
    assert np.quantile(errors, 0.9) < 0.1


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("LUT_COEFFICIENTS", MEAN_ERROR["lut"]),
        ("FF_COEFFICIENTS", MEAN_ERROR["ff"]),
        ("PAIR_LUTS", PAIR_MEAN_ERROR["lut"]),
        ("PAIR_FFS", PAIR_MEAN_ERROR["ff"]),
    ],
)
def test_the_stated_mean_errors_are_those_of_the_fits(fits, name, stated):
    assert np.abs(fits[name].held_out_errors()).mean() == pytest.approx(stated, abs=6e-4)


@pytest.mark.parametrize(
    ("side", "key", "mean"),
    [("finn", "lut", 0.027), ("finn", "ff", 0.024), ("imec", "lut", 0.045), ("imec", "ff", 0.022)],
)
def test_tables_that_nothing_is_fitted_to(benchmark, side, key, mean):
    """docs/limits.md states these."""
    sample = benchmark.PairSample([], held_out=True)
    assert len(sample.counts[side]) == 12
    assert np.abs(sample.errors(side, key)).mean() == pytest.approx(mean, abs=6e-4)


@pytest.fixture(scope="module")
def on_ultrascale(benchmark):
    return benchmark.ultrascale_sample()


@pytest.mark.parametrize(
    ("side", "key", "mean"),
    [("finn", "lut", 0.03), ("finn", "ff", 0.027), ("imec", "lut", 0.037), ("imec", "ff", 0.018)],
)
def test_layers_on_ultrascale(on_ultrascale, side, key, mean):
    """Counts for that family, which nothing is fitted to; docs/limits.md states the errors."""
    assert len(on_ultrascale.counts[side]) == 20
    assert np.abs(on_ultrascale.errors(side, key)).mean() == pytest.approx(mean, abs=6e-4)
    assert not on_ultrascale.errors(side, "dsp").any()


@pytest.mark.parametrize("side", ["finn", "imec"])
def test_memories_and_blocks_of_both_sides(pairs, side):
    assert not pairs.errors(side, "dsp").any()
    assert (pairs.errors(side, "bram18") == 0).mean() > 0.88
    assert np.abs(pairs.errors(side, "memory")).mean() < 0.05


def test_the_pairs_are_what_the_benchmark_draws(benchmark):
    for number, row in enumerate(benchmark.load(benchmark.PAIRS)):
        layer, core = benchmark.random_pair(number)
        assert row["number"] == number
        if "geometry" in row:
            assert ConvGeometry(**row["geometry"]) == layer.geometry
            assert (row["core"], row["steps"]) == (core, layer.steps)


# ---- CNV, which is not in the sample ------------------------------------------------------------

CNV = [
    (layer, row)
    for folding, bits in (("cnv-w1a1", 1), ("cnv-w2a2", 2))
    for layer, row in zip(
        named_layers(folding, bits),
        json.loads((BENCHMARKS / "results" / f"{folding}-lut-{bits}bit.json").read_text()),
        strict=True,
    )
]


def estimate(layer, row) -> Estimate:
    """As `finn-imec compare` builds the layer: line buffer in LUTs, thresholds, the counted registers."""
    path = replace(layer.datapath(), pipeline=row["pipeline"])
    return Estimate(replace(path, geometry=replace(path.geometry, buffer_style="distributed")).structure)


@pytest.mark.parametrize(("layer", "row"), CNV, ids=[layer.name for layer, _ in CNV])
def test_cnv(layer, row):
    """Blocks and LUT memories exactly, LUTs to an eighth."""
    found, counted = estimate(layer, row), row["imec"]
    assert (found.bram18, found.dsp, found.uram) == (counted["bram18"], counted["dsp"], 0)
    assert sum(memory.ram_luts for memory in found.structure.memories) == counted["lutram"]
    assert found.luts == pytest.approx(counted["lut"], rel=0.125)
    if not found.structure.sign:  # start values are counted with the accumulators
        assert found.core_luts == counted["core"]["lut"]
    assert found.core_luts < found.luts


def test_cnv_on_average():
    errors = [abs(estimate(layer, row).luts / row["imec"]["lut"] - 1) for layer, row in CNV]
    assert np.mean(errors) < 0.03


# ---- structure ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "blocks"),
    [
        (Memory(512, 36, "block"), 1),
        (Memory(513, 36, "block"), 2),
        (Memory(4096, 9, "block"), 2),
        (Memory(4096, 64, "block"), 15),  # seven RAMB36 of 9 bits, and a bit
        (Memory(9216, 2, "block"), 2),
        (Memory(4096, 64, "distributed"), 0),
    ],
)
def test_block_rams(memory, blocks):
    assert memory.bram18 == blocks


@pytest.mark.parametrize(
    ("words", "bits", "ports", "luts"),
    [
        (1, 8, 1, 0), (32, 8, 1, 4), (32, 6, 2, 4), (33, 4, 1, 4), (64, 3, 2, 4), (100, 5, 1, 10),
    ],
)  # fmt: skip
def test_lut_rams(words, bits, ports, luts):
    """A register; RAM32M and RAM64M, of one port and of two; RAM128X1S."""
    assert Memory(words, bits, "distributed", ports).ram_luts == luts
    assert Memory(words, bits, "block", ports).ram_luts == 0


def test_compressor_by_hand():
    """Five to seven bits: a 7:3 counter. Eight: the last one is added. Three: a 2:2 counter."""
    assert compressor_luts((5,)) == compressor_luts((7,)) == (2, 0)
    assert compressor_luts((8,)) == (2, 1)
    assert compressor_luts((3,)) == (1, 1)
    assert compressor_luts((2, 2, 1)) == (0, 2)
    assert compressor_luts((6,), counter=6) == (3, 0)
    assert compressor_luts((7,), counter=6) == (3, 1)


def test_adders_in_series_by_hand():
    """A LUT for two products, with a carry each; of two in series one sum. One product has no carry."""
    assert product_heights(32, 1, 1) == (11, 11)
    assert product_heights(32, 1, 1, 2) == (8, 16) and product_heights(32, 1, 1, 3) == (6, 16)
    assert product_heights(5, 1, 1, 2) == (2, 3)
    assert product_heights(1, 2, 2, 2) == (1, 1, 1 + 1, 0)
    assert sum(partial_product_luts(32, 1, 1)) == 36
    assert partial_product_luts(32, 1, 1, 2) == (16 + 10, 3)
    assert partial_product_luts(4, 1, 1, 2) == (2, 1)  # and the addition of two carries


@pytest.mark.parametrize(
    ("simd", "a_bits", "digits", "luts"),
    [
        (3, 2, 2, 11),
        (3, 3, 3, 26),
        (3, 4, 4, 48),
        (8, 2, 2, 32),
        (16, 2, 2, 67),
        (16, 2, 1, 31),
        (3, 8, 1, 16),
    ],
)
def test_gated_additions_as_counted(simd, a_bits, digits, luts):
    """By Yosys, less the accumulator's LUT per bit."""
    assert dot_luts(simd, a_bits, digits) == luts


def test_sums_by_hand():
    """Four numbers of 8 bits: two additions of 8 bits, one of 9; a fifth is added in a second step."""
    assert [sum_luts(n, 8) for n in (1, 2, 3, 4)] == [0, 8, 8 + 3, 8 + 3 + 8]
    assert sum_luts(5, 8) == 19 + 10


def test_sums_of_many_chains_are_compressed():
    """Of 32 words of 7 bits Yosys counts 124 LUTs and 82 flip-flops; imec_sum has 243 and 106."""
    assert (chain_luts(4, 7), chain_ffs(4, 7)) == (sum_luts(4, 7), sum_ffs(4, 7))
    assert chain_luts(16, 7) == 64 < sum_luts(16, 7)
    assert chain_luts(32, 7) == pytest.approx(124, abs=1)
    assert chain_ffs(32, 7) == pytest.approx(82, abs=4)


@pytest.mark.parametrize(("style", "block", "each"), [("block", "bram18", 4), ("ultra", "uram", 1)])
def test_where_weights_and_thresholds_are(style, block, each):
    """In the requested style; external weights take no memory.

    144 words of 256 bits; 16 * 256 thresholds of 16 bits for each of four PE.
    """
    layer = ConvGeometry((3, 3), (8, 8), 16, 64, simd=16, pe=4)
    int4 = Operand(4, True, False)
    styles = {"ram_style": style, "ram_style_thresholds": style}

    def blocks(mode: str, steps: int) -> int:
        outside = mode == "external"
        structure = Structure.of_any_weights(
            layer, int4, int4, 16, 8, steps, outside, "lut", mem_mode=mode, **styles
        )
        return getattr(Estimate(structure), block)

    weights = [blocks(mode, 0) for mode in MEM_MODES]
    assert weights == [2 * each if style == "block" else 4, 2 * each if style == "block" else 4, 0]
    assert [blocks(mode, 255) - n for mode, n in zip(MEM_MODES, weights, strict=True)] == [4 * each] * 3


# ---- nodes --------------------------------------------------------------------------------------


def test_the_nodes_of_the_sample(benchmark, make_pair_model):
    """A node's own estimates are those compared with Yosys' counts of its layer."""
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.transformation.infer_imec_conv import InferIMECConv
    from finn_imec.verification.cases import Parameters

    checked = 0
    for row in benchmark.load()[:40]:
        parameters = Parameters.from_json(json.dumps(row["parameters"]))
        if parameters.mem_mode != "internal_embedded":
            continue
        path = parameters.datapath()
        model = make_pair_model(path, backend="rtl").transform(InferIMECConv(100))
        if model.graph.node[0].op_type != "IMECConv_rtl":  # FINN's window generator is faster
            continue
        inst = getCustomOp(model.graph.node[0])
        attributes = {"ram_style": row.get("ram_style", "auto")}
        attributes["buffer_ram_style"] = path.geometry.buffer_style
        attributes |= {"resType": path.res_type, "accDataType": f"INT{path.acc_bits}"}
        attributes["SIMD_in"] = path.geometry.simd_in
        for name, value in attributes.items():
            inst.set_nodeattr(name, value)
        expected = benchmark.estimate(row)
        assert inst.estimate == expected, row["number"]
        found = inst.node_res_estimation("xc7z020clg400-1")
        assert (found["LUT"], found["BRAM_18K"]) == (expected.luts, expected.bram18)
        assert (found["DSP"], found["URAM"]) == (expected.dsp, expected.uram)
        checked += 1
    assert checked > 10
