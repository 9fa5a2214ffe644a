"""Each RTL module against its definition, under stalls and resets; bad parameters; layouts of weights.

The benches are in benches.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from benches import (
    BENCHES,
    BY_LAYOUT,
    FRAMES,
    KINDS,
    LAYERS,
    WINDOWS,
    Bench,
    Kind,
    bench_id,
    beside_table,
    generator,
    layer,
    layer_by_layout,
    made_of,
    schedule,
    stimulus,
    ternary,
    window,
    windows_of,
)
from qonnx.core.datatype import DataType

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.storage import PIPELINE_STAGES
from finn_imec.rtl.generate import ImecRtl
from finn_imec.rtl.library import LIBRARY
from finn_imec.simulation.stimulus import SimulationError, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.words import encode

pytestmark = pytest.mark.simulation


@pytest.fixture(scope="module")
def run_bench(tmp_path_factory):
    """Function of a bench's index and the kind of run that returns its result.

    The benches of one module are one model, so that a change of the module recompiles one.
    """
    folder = tmp_path_factory.mktemp("benches")
    compiled, done = {}, {}

    def run(index: int, kind: str):
        model = BENCHES[index].module
        group = [i for i, bench in enumerate(BENCHES) if bench.module == model]
        if model not in compiled:
            designs = [BENCHES[i].design(folder / str(i)) for i in group]
            compiled[model] = build(designs, optimized=False)
        if (model, kind) not in done:
            stimuli = [stimulus(kind, BENCHES[i]) for i in group]
            results = compiled[model].run(stimuli, check=False)
            done[model, kind] = dict(zip(group, results, strict=True))
        return done[model, kind][index]

    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", range(len(BENCHES)), ids=map(bench_id, BENCHES))
def test_module_does_what_its_header_says(run_bench, index, kind):
    bench, result = BENCHES[index], run_bench(index, kind)
    got = [int.from_bytes(w.tobytes(), "little") for w in result.outputs["out0_V"]]
    assert got[bench.undefined :] == bench.outputs[bench.undefined :]
    assert (result.status, result.violations) == ("complete", ())
    assert result.extra == {"out0_V": bench.ahead}
    assert len(result.input_cycle["in0_V"]) == len(bench.inputs)


def test_every_module_has_benches():
    """Except the package; imec_conv, which test_verification.py tests; and imec_dot_heap and imec_dot_series,
    which are imec_dot_planes but for its BEHAVIOR.
    """
    tested = {f"{bench.module}.sv" for bench in BENCHES}
    assert tested == set(LIBRARY) - {
        "imec_pkg.sv", "imec_conv.sv", "imec_dot_heap.sv", "imec_dot_series.sv",
    }  # fmt: skip


def test_a_bench_compiles_what_its_module_is_made_of():
    """Package and primitives included; not what comments name, nor the rest of the library."""
    named = {path.name for path in made_of("imec_window")}
    assert named == {
        "imec_delay.sv", "imec_counter.sv", "imec_axis.sv", "imec_queue.sv", "imec_window.sv",
        "imec_window_tb.sv",
    }  # fmt: skip
    assert {"imec_pkg.sv", "DSP48E1.sv"} <= {path.name for path in made_of("imec_dot_dsp")}


@pytest.mark.parametrize("geometry", LAYERS, ids=str)
def test_sequencer_takes_the_cycles_of_the_model(run_bench, geometry):
    """The testbench has one of the engine's pipeline stages, that of the buffer."""
    index = next(
        i for i, b in enumerate(BENCHES)
        if b.module == "imec_sequencer" and b.parameters == schedule(geometry)
    )  # fmt: skip
    cycles = run_bench(index, "unstalled").cycles
    assert cycles == LineBuffer(geometry).total_cycles(FRAMES) - (PIPELINE_STAGES - 1)


@pytest.mark.parametrize("case", range(len(WINDOWS)))
def test_windows_come_in_the_cycles_of_the_model(run_bench, case):
    first = next(i for i, b in enumerate(BENCHES) if b.module == "imec_window")
    g, queues, _ = WINDOWS[case]
    result = run_bench(first + case, "unstalled")
    taken, last_reads = windows_of(g, queues).cycles(FRAMES)
    start = result.input_cycle["in0_V"][0]
    assert (result.input_cycle["in0_V"] - start).tolist() == taken.tolist()
    last_words = result.output_cycle["out0_V"][g.sf - 1 :: g.sf] - start
    assert last_words.tolist() == (last_reads + 1).tolist()


SEARCHES = [i for i, bench in enumerate(BENCHES) if bench.module == "imec_threshold_search"]


@pytest.mark.parametrize("index", SEARCHES)
def test_search_takes_the_cycles_of_its_steps(run_bench, index):
    parameters = BENCHES[index].parameters
    bits, each = parameters["STEPS"].bit_length(), parameters["PE"] // parameters["ENGINES"]
    read = 0 if parameters["FAST"] else parameters["READ"]
    cycles = each * ((read + 1) * bits + 1 if read else bits)
    result = run_bench(index, "unstalled")
    taken, offered = result.input_cycle["in0_V"], result.output_cycle["out0_V"]
    assert (offered - taken == cycles).all()
    assert (np.diff(taken) == cycles + 1).all()


@pytest.mark.parametrize("index", [i for i, b in enumerate(BENCHES) if b.module == "imec_pad"])
def test_padding_gives_a_word_every_cycle(run_bench, index):
    bench, result = BENCHES[index], run_bench(index, "unstalled")
    assert result.cycles == len(bench.outputs)
    assert result.input_cycle["in0_V"][0] == bench.parameters["FIRST"]


@pytest.mark.parametrize("index", [i for i, b in enumerate(BENCHES) if b.module == "imec_convert"])
def test_converter_passes_a_word_every_cycle(run_bench, index):
    bench = BENCHES[index]
    assert run_bench(index, "unstalled").cycles == max(len(bench.inputs), len(bench.outputs))


# ---------------------------------------------------------------------------------------------
# Bad parameters

SEQUENCE = schedule(replace(layer((2, 2), (4, 4)), buffer_ports=1))
PADDED = {"WIDTH": 1, "FIRST": 2, "RUN": 3, "RUNS": 2, "GAP": 1, "BETWEEN": 4}
PACKED = {
    "PE": 1, "SIMD": 1, "A_BITS": 8, "A_SIGNED": 0, "W_BITS": 5, "W_SIGNED": 1,
    "FIELDS": 2, "SPACING": 9, "FIELD_BITS": 9, "CHAINS": 1, "BIAS": 0, "CENTRED": 0,
}  # fmt: skip
PLANES = {"PE": 1, "SIMD": 2, **Kind(2).parameters("A"), **Kind(2).parameters("W")}


@pytest.mark.parametrize(
    ("module", "parameters", "in_bits", "out_bits", "message"),
    [
        ("imec_counter", {"N": 0}, 2, 2, "N=0 must be at least 1"),
        ("imec_ring", {"DEPTH": 3, "STEPS": 2, "STEP": 3 << 32}, 3, 2,
            r"STEP\[1\]=3 must be below DEPTH=3"),
        ("imec_convert", {"IN": 4, "OUT": 6, "BITS": 1}, 4, 6,
            "neither of IN=4 and OUT=6 divides the other"),
        ("imec_pad", {**PADDED, "RUN": 0}, 1, 1, "RUN=0 must be at least 1"),
        ("imec_pad", {**PADDED, "FIRST": 9}, 1, 1, "FIRST=9 must be at most BETWEEN=4"),
        ("imec_pad", {**PADDED, "GAP": 0}, 1, 1, "GAP=0 between RUNS=2 must be 1 to BETWEEN=4"),
        ("imec_pad", {**PADDED, "GAP": 5}, 1, 1, "GAP=5 between RUNS=2 must be 1 to BETWEEN=4"),
        ("imec_counter7", {"N": 8}, 8, 3, "N=8 must be 1 to 7"),
        ("imec_counter7", {"N": 7, "CHAIN": 0}, 7, 3, "N=7 must be 1 to 6"),
        ("imec_compress", {"COLS": 3, "HEIGHT": 5, "COUNTER": 5}, 5, 3, "COUNTER=5 must be 6 or 7"),
        ("imec_dot_planes", {**PLANES, "A_BIPOLAR": 1}, 8, 5,
            "bipolar activations are 1 bit without sign"),
        ("imec_dot_planes", {**PLANES, "W_BIPOLAR": 1}, 8, 5,
            "bipolar weights are 1 bit without sign"),
        ("imec_dot_planes", {**PLANES, "SERIES": 1, "PRIMITIVES": 1}, 8, 5, "SERIES=1 must be at least 2"),
        ("imec_dot_dsp", {**PACKED, "A_BITS": 18}, 23, 9, "A_BITS=18 exceeds the multiplier's 18 bits"),
        ("imec_dot_dsp", {**PACKED, "SPACING": 21}, 13, 9,
            "FIELDS=2 of SPACING=21 exceed the multiplier's 25 bits"),
        ("imec_dot_dsp", {**PACKED, "CHAINS": 2}, 13, 10, "CHAINS=2 must be 1 to 1, a channel's slices"),
        ("imec_dot_dsp", {**PACKED, "SPACING": 23, "VERSION": 2}, 13, 9,
            "FIELDS=2 of SPACING=23 exceed the multiplier's 27 bits"),
        ("imec_dot_dsp", {**PACKED, "LANES": 3}, 13, 9,
            "LANES=3 must be 1, or 3 with VERSION 3 and FIELDS 1"),
        ("imec_dot_dsp", {**PACKED, "VERSION": 4}, 13, 9, "VERSION=4 must be 1 to 3"),
        ("imec_dot_dsp", {**PACKED, "SPACING": 8}, 13, 9, "FIELD_BITS=9 exceeds SPACING=8"),
        ("imec_axis", {"N": 3, "SPAN": 4, "STRIDE": 1}, 2, 4, "SPAN=4 must be 1 to N=3"),
        ("imec_axis", {"N": 3, "SPAN": 2, "STRIDE": 0}, 2, 4, "STRIDE=0 must be at least 1"),
        ("imec_queue", {"DEPTH": 6, "WIDTH": 1}, 1, 1, "DEPTH=6 must be 0 or a power of two"),
        ("imec_window", {**window(*WINDOWS[0]).parameters, "SF": 5}, 8, 20,
            "SF=5 must divide the 72 bits of a window"),
        ("imec_sequencer", {**SEQUENCE, "LIVE": 1}, 16, 20, "LIVE=1 must be at least RUN=2"),
        ("imec_sequencer", {**SEQUENCE, "DEPTH": 5}, 16, 20, "DEPTH=5 must be at least LIVE=6"),
        ("imec_sequencer", {**SEQUENCE, "DEPTH": 7}, 16, 20, "DEPTH=7 must be LIVE=6 with one port"),
        ("imec_sequencer", {**SEQUENCE, "OW": 0}, 16, 20, "N=0 must be at least 1"),
        ("imec_sequencer", {**SEQUENCE, "DEPTHWISE": 1, "NF": 3}, 16, 20,
            "NF=3 folds of RUN=2 free more words than a window advances by"),
        ("imec_sequencer", {**SEQUENCE, "ADVANCE_ROW": 0}, 16, 20, "every window must advance"),
        ("imec_sequencer", {**SEQUENCE, "BANKED": 1}, 16, 20, "BANKED=1 must be 0 with one port"),
        ("imec_sequencer", {**SEQUENCE, "BANKED": 1, "DUAL_PORT": 1, "SKEW": 1}, 16, 20,
            "DEPTH=6 must be a multiple of 4, and at least 4"),
        ("imec_parts", {"DEPTH": 256, "WIDTH": 1}, 10, 1, "DEPTH=256 must be above 256"),
        ("imec_strip", {"DEPTH": 300, "WIDTH": 1, "DUAL_PORT": 1, "PARTED": 1}, 20, 1,
            "PARTED=1 must be 0 with two ports"),
        ("imec_rom", {"DEPTH": 2, "WIDTH": 1, "LAYOUT": "split"}, 1, 1,
            "DEPTH=2 must be above 2 to be split"),
        ("imec_banks", {"DEPTH": 5, "WIDTH": 1}, 8, 1, "DEPTH=5 must be even and at least 4"),
    ],
)  # fmt: skip
def test_bad_parameters_stop_with_the_modules_message(
    tmp_path, module, parameters, in_bits, out_bits, message
):
    bench = Bench(module, parameters, in_bits, out_bits, [], [])
    with pytest.raises(SimulationError, match=message):
        build([bench.design(tmp_path)]).run([stimulus("unstalled", bench)])


def test_accumulators_as_outputs_need_their_width(tmp_path):
    geometry = layer((1, 1), (2, 2))
    types = (DataType[name] for name in ("INT2", "INT2", "INT8"))
    design = ImecRtl("bad", Datapath(geometry, *types, np.ones((1, 1)))).generate(tmp_path)
    wrapper = tmp_path / "bad.v"
    wrapper.write_text(wrapper.read_text().replace(".O_BITS(8)", ".O_BITS(7)"))
    with pytest.raises(SimulationError, match="O_BITS=7 must equal ACC_BITS=8 without thresholds"):
        build([design]).run([Stimulus({"in0_V": []}, {"out0_V": 0})])


def test_weights_of_a_chain_need_as_many_memories(tmp_path):
    geometry = ConvGeometry((1, 1), (2, 2), 10, 1, simd=10)
    types = (DataType[name] for name in ("INT8", "INT8", "INT32"))
    path = Datapath(geometry, *types, np.ones((10, 1)), res_type="dsp")
    design = ImecRtl("bad", path).generate(tmp_path)
    wrapper = tmp_path / "bad.v"
    text = re.sub(r"\.CHAINS\(\d+\)", ".CHAINS(1)", wrapper.read_text())
    wrapper.write_text(text)
    with pytest.raises(SimulationError, match="SIMD=10 in CHAINS=1 has its weights in 5 memories"):
        build([design]).run([Stimulus({"in0_V": []}, {"out0_V": 0})])


# ---------------------------------------------------------------------------------------------
# Weights in each of imec_rom's layouts


#: A layer for each layout of weights: (channels, output channels, SIMD, PE). In "spilt", later memories'
@pytest.mark.parametrize("core", ["lut", "dsp"])
@pytest.mark.parametrize("layout", BY_LAYOUT)
def test_a_layer_reads_its_weights_from_each_layout(tmp_path, layout, core):
    check_layer(tmp_path, layer_by_layout(layout, core))


def check_layer(tmp_path, rtl):
    """Outputs and cycles of two frames."""
    path = rtl.datapath
    ifm = random_values(path.input_datatype, (2, *path.geometry.ifm_dim, path.geometry.ifm_channels),
        generator())  # fmt: skip
    words = encode(ifm, path.input_datatype, path.geometry.simd_in)
    expected = encode(reference(path, ifm), path.output_datatype, path.geometry.pe)
    stimulus = Stimulus({"in0_V": words}, {"out0_V": len(expected)})
    result = build([rtl.generate(tmp_path)]).run([stimulus])[0]
    assert (result.outputs["out0_V"] == expected).all()
    assert result.cycles == path.total_cycles(2)


@pytest.mark.parametrize("core", ["lut", "dsp"])
def test_a_table_holds_bits_of_weights_beside_block_ram(tmp_path, core):
    check_layer(tmp_path, beside_table(core))


@pytest.mark.parametrize("pipeline", [0, 3])
def test_three_ternary_weights_take_five_bits(tmp_path, pipeline):
    check_layer(tmp_path, ternary(pipeline=pipeline))


def test_a_memory_keeps_some_of_its_bits(tmp_path):
    design = layer_by_layout("spilt", "dsp").generate(tmp_path)
    wrapper = tmp_path / "top.v"
    wrapper.write_text(wrapper.read_text().replace(".WEIGHT_SPILL(12)", ".WEIGHT_SPILL(48)"))
    with pytest.raises(SimulationError, match="WEIGHT_SPILL=48 must be below the 48 bits of part 1"):
        build([design]).run([Stimulus({"in0_V": []}, {"out0_V": 0})])
