"""The random verification campaign of the RTL, and that it finds faults."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_imec import rtl
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import MEM_MODES
from finn_imec.layer.packing import DSP_BLOCKS
from finn_imec.layer.through import Through
from finn_imec.layer.units import storage
from finn_imec.streams.words import encode
from finn_imec.util.errors import UnsupportedError
from finn_imec.verification.campaign import (
    FRAMES,
    MEMSTREAM_START,
    VerificationError,
    _check,
    build_cases,
    reduce,
    run_cases,
    verify,
)
from finn_imec.verification.cases import (
    ACTIVATIONS,
    CAMPAIGN_MEM_MODES,
    WEIGHTS,
    Case,
    Parameters,
    random_case,
)

pytestmark = pytest.mark.simulation

SEED = 2022
CASES = 240
#: 16 pairs of stall patterns, 3 input rates, resets, ready after valid.
RUNS_PER_CASE = 21


def test_campaign():
    done = []
    pytest.importorskip("finn", reason="needs FINN's memstream: pip install 'finn-imec[finn]'")
    cases = [random_case(SEED, number, CAMPAIGN_MEM_MODES) for number in range(CASES)]
    assert {case.mem_mode for case in cases} == set(MEM_MODES)
    assert verify(cases, progress=done.append) == CASES * RUNS_PER_CASE
    assert sum(done) == CASES


def test_large_tables_and_split_memories_of_thresholds():
    """Rare among random layers."""
    split = ConvGeometry((3, 4), (4, 7), 2, 2, (3, 2), simd_in=1, depthwise=True, buffer_style="distributed")
    tables = ConvGeometry((3, 3), (5, 5), 4, 32, simd=1, pe=4)
    cases = [
        Case(Parameters(split, "UINT4", "INT16", output_datatype="INT8", steps=255, pipeline=5)),
        Case(Parameters(tables, "UINT4", "INT4", output_datatype="UINT4", steps=15)),
    ]
    searches = [case.datapath.structure.search for case in cases]
    assert searches[0].top and searches[1].memory.words > 256 and searches[1].memory.table
    assert verify(cases) == 2 * RUNS_PER_CASE


def test_cases_are_reproducible():
    first, again, other = (random_case(seed, 7) for seed in (1, 1, 2))
    assert str(first) == str(again) != str(other)
    np.testing.assert_array_equal(first.datapath.weights, again.datapath.weights)
    assert first.command == "finn-imec verify --seed 1 --case 7"
    given = Case(Parameters.from_json(first.parameters.json()))
    assert given.parameters == first.parameters
    np.testing.assert_array_equal(given.datapath.weights, first.datapath.weights)
    assert given.command == f"finn-imec verify --parameters '{first.parameters.json()}'"


@pytest.mark.parametrize("text", ["[1]", "{}", '{"geometry": {}}', '{"geometry": {"kernel": 1}}'])
def test_wrong_parameters_are_refused(text):
    with pytest.raises(UnsupportedError, match="accepted is JSON of geometry, input_datatype"):
        Parameters.from_json(text)


def test_cases_cover_what_they_should():
    cases = [random_case(SEED, number) for number in range(400)]
    paths = [case.datapath for case in cases]
    geometries = [case.geometry for case in cases]
    assert {path.input_datatype.name for path in paths} == set(ACTIVATIONS)
    assert {path.weight_datatype.name for path in paths} == set(WEIGHTS)
    seen = {
        "xnor": any(p.xnor for p in paths),
        "one threshold row": any(
            p.structure.steps and len(set(map(tuple, p.thresholds))) == 1 for p in paths
        ),
        "bipolar output": any(p.output_datatype == DataType["BIPOLAR"] for p in paths),
        "ActVal": any(p.act_val < 0 for p in paths),
        "biased": any(p.structure.biased for p in paths),
        "searched thresholds": any(p.structure.search for p in paths),
        "5 to 8-bit outputs in parallel": any(
            p.structure.steps > 15 and not p.structure.search for p in paths
        ),
        "ternary gates": any(p.core.digits == 1 and p.core.weight.bits > 1 for p in paths),
        "gates of several digits": any(p.core.digits > 1 for p in paths),
        "multipliers": any(p.core.kind == "product" for p in paths),
        "products in pairs": any(p.structure.pairs for p in paths),
        "chains": any(p.core.packing and p.core.packing.chains > 1 for p in paths),
        **{
            f"{block.name} of {n} products": any(
                p.core.packing and p.core.packing.block == block and (p.core.packing.lanes == 3) == (n == 3)
                for p in paths
            )
            for block in DSP_BLOCKS.values()
            for n in sorted({1, block.lanes})
        },
        "shared DSPs": any(p.core.packing and p.core.packing.fields > 1 for p in paths),
        "1x1 kernel": any(g.kernel == (1, 1) for g in geometries),
        "stride above kernel": any(max(np.subtract(g.stride, g.kernel)) > 0 for g in geometries),
        "dilation": any(max(g.dilation) > 1 for g in geometries),
        "one window": any(g.windows == 1 and g.mw > 1 for g in geometries),
        "narrow input": any(g.cycles_per_word > 1 for g in geometries),
        "wide input": any(g.simd_in > g.simd for g in geometries),
        "neither divides": any(g.simd % g.simd_in and g.simd_in % g.simd for g in geometries),
        "write-only cycles": any(getattr(storage(g), "write_only_cycles", 0) for g in geometries),
        "padding": any(any(g.padding) for g in geometries),
        "padding and narrow input": any(any(g.padding) and g.cycles_per_word > 1 for g in geometries),
        "windows of padding alone": any(Arrivals(g).runs_ahead for g in geometries),
        "gearbox, one port": any(g.geared and not storage(g).dual_port for g in geometries),
        "gearbox, two ports": any(g.geared and storage(g).dual_port for g in geometries),
        "two banks": any(storage(g).banked and not storage(g).skew for g in geometries),
        "two banks, pixels of an even number of words": any(
            storage(g).banked and storage(g).skew for g in geometries
        ),
        "windows": any(g.parallel_window and not any(storage(g).queues) for g in geometries),
        "windows and queues": any(g.parallel_window and any(storage(g).queues) for g in geometries),
        "no buffer": any(isinstance(storage(g), Through) and g.nf * g.sf > 1 for g in geometries),
        "no fold": any(g.nf == g.sf == 1 for g in geometries),
    }
    assert [what for what, found in seen.items() if not found] == []


# ---------------------------------------------------------------------------------------------
# It can fail


def small_case(thresholds: bool) -> Case:
    """With several folds, runs of several words, words replaced in place, below 500 cycles."""
    return next(
        case
        for case in (random_case(SEED, number) for number in count())
        if (case.datapath.structure.steps > 12) == thresholds
        and not case.datapath.structure.search
        and not any(case.geometry.padding)  # every weight counts
        and not (storage(case.geometry).dual_port or case.geometry.depthwise or case.geometry.parallel_window)
        and not case.datapath.xnor
        and case.datapath.weights.any(axis=0).all()
        and case.geometry.nf > 1
        and case.geometry.loop_nest.run > 1
        and min(case.geometry.ofm_dim) > 1
        and case.geometry.compute_cycles < 500
    )


CASE = small_case(thresholds=True)

MUTATIONS = {
    "words die in every fold": (
        "imec_sequencer.sv", "Dies <= (DEPTHWISE || fold_last) && Head", "Dies <= Head",
        "output words differ|deadlock"
    ),
    "words are never replaced in place": (
        # exact, but slower
        "imec_sequencer.sv", "(owing || (wvld && Vld && Dies))", "owing", "cycles, the model says"
    ),
    "thresholds are exclusive": (
        "imec_threshold.sv", "signed'(acc[p]) >= signed'", "signed'(acc[p]) > signed'",
        "output words differ"
    ),
    "TVALID does not wait for TREADY": (
        "imec_output.sv", "free = !Vld || ordy;", "free = 1'b1;",
        "TVALID went low before TREADY"
    ),
    "a result is overwritten before it is taken": (
        "imec_conv.sv", "rst || !next_ovld || next_taken;", "1'b1;",
        "output words differ|deadlock"
    ),
}  # fmt: skip


@pytest.fixture
def mutate(monkeypatch, tmp_path):
    """Function of a key of MUTATIONS that puts this fault into the library that is simulated."""

    def apply(what: str) -> None:
        name, right, wrong, _ = MUTATIONS[what]
        library = tmp_path / "rtllib"
        shutil.copytree(rtl.library_path(), library)
        source = (library / name).read_text()
        assert source.count(right) == 1
        source = source.replace(right, wrong)
        if wrong == "owing":
            source = source.replace("miss = rd && Dies && !ivld", "miss = rd && Dies")
        (library / name).write_text(source)
        monkeypatch.setattr("finn_imec.rtl.generate.library_path", lambda: library)

    return apply


@pytest.mark.parametrize("what", MUTATIONS)
def test_faults_in_the_rtl_are_found(what, mutate, tmp_path):
    mutate(what)
    with pytest.raises(VerificationError, match=MUTATIONS[what][3]) as caught:
        run_cases(build_cases([CASE], tmp_path), [CASE])
    assert CASE.command in str(caught.value)
    assert str(CASE.geometry) in str(caught.value)


def test_a_failure_is_reduced_to_the_simplest(mutate, tmp_path):
    mutate("thresholds are exclusive")
    with pytest.raises(VerificationError) as caught:
        run_cases(build_cases([CASE], tmp_path), [CASE])
    reduced = reduce(caught.value)
    small, parameters = reduced.case.geometry, reduced.case.parameters
    assert small.macs <= 2 < CASE.geometry.macs, small
    assert CASE.parameters.pipeline > parameters.pipeline == 0
    assert parameters.steps == CASE.parameters.steps  # fewer are searched, by another module
    assert reduced.case.command in str(reduced)
    again = Case(Parameters.from_json(reduced.case.command.split("'")[1]))
    with pytest.raises(VerificationError, match="output words differ"):
        run_cases(build_cases([again], tmp_path), [again])


def test_a_wrong_weight_is_found(tmp_path):
    """The RTL passes, and fails against a case that differs in one weight."""
    case = small_case(thresholds=False)
    model = build_cases([case], tmp_path)
    assert run_cases(model, [case]) == RUNS_PER_CASE

    path = case.datapath
    for channel in range(path.geometry.mh):
        weights = path.weights.copy()
        lane = np.flatnonzero(weights[:, channel])[0]
        weights[lane, channel] = -weights[lane, channel] if path.core.weight.bipolar else 0
        other = Case(case.parameters)
        other.__dict__["datapath"] = dataclasses.replace(path, weights=weights)
        with pytest.raises(VerificationError, match=re.escape(other.command)):
            run_cases(model, [other])


def test_a_memstream_that_starts_too_late_is_found():
    """A line buffer of a few words is full before memstream has started, which takes eight cycles at most."""
    g = ConvGeometry((3, 1), (12, 1), 3, 3, pe=3, depthwise=True)
    case = Case(Parameters(g, "UINT4", "INT4", mem_mode="internal_decoupled"))
    want = np.zeros((FRAMES * g.windows, 3))
    words = encode(want, case.datapath.output_datatype, g.pe)
    model = case.datapath.total_cycles(FRAMES)
    for late in (0, 1, MEMSTREAM_START):
        _check(case, "none/none", SimpleNamespace(outputs={"out0_V": words}, cycles=model + late), want)
    for late in (-1, MEMSTREAM_START + 1):
        with pytest.raises(VerificationError, match=f"{model + late} cycles, the model says {model}"):
            _check(case, "none/none", SimpleNamespace(outputs={"out0_V": words}, cycles=model + late), want)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_datatype": {}}, "input_datatype={} is no str"),
        ({"weight_datatype": "INT"}, "invalid literal"),
        ({"steps": True}, "steps=True is no int"),
        ({"steps": 2**40}, "steps=1099511627776: from 0 to 65535"),
        ({"seed": [-1]}, "seed=.* integers from 0 on"),
        ({"mem_mode": "nowhere"}, "mem_mode=nowhere: one of"),
        ({"geometry": 3}, "accepted is JSON of geometry"),
        (
            {"geometry": {"kernel": [1, 1], "ifm_dim": [1, 1], "ifm_channels": 9999, "ofm_channels": 9999}},
            "weights",
        ),
    ],
)
def test_parameters_that_are_no_layer(change, message):
    fields = json.loads(random_case(0, 0).parameters.json()) | change
    with pytest.raises(UnsupportedError, match=message):
        Parameters.from_json(json.dumps(fields))
