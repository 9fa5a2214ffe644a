"""The Verilator simulation: words, streams, stalls, resets, rules, errors and the cache."""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import shutil
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from finn_imec.simulation import verilator
from finn_imec.simulation.stimulus import SimulationError, Stall, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.design import Design, Stream
from finn_imec.streams.words import pack, round_up_to_bytes, unpack
from finn_imec.util import cache
from finn_imec.util.compiler import compiler
from finn_imec.util.errors import MissingToolError

RTL = Path(__file__).parent / "rtl" / "streams.sv"
FAULTS = ("withdraw", "change", "reset", "early", "wait", "hang", "repeat", "late", "stop")
WIDE = 4099
BYTE_STREAMS = {"inputs": (Stream("in0_V", 8),), "outputs": (Stream("out0_V", 8),)}

# ---------------------------------------------------------------------------------------------
# Words


@pytest.mark.parametrize(("bits", "rounded"), [(1, 8), (7, 8), (8, 8), (9, 16), (16, 16), (4099, 4104)])
def test_round_up_to_bytes(bits, rounded):
    assert round_up_to_bytes(bits) == rounded


@given(st.data(), st.integers(1, 64), st.booleans())
def test_unpack_inverts_pack(data, bits, signed):
    bits = min(bits, 64 if signed else 63)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=20))
    values = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(low, high)))
    words = pack(values, bits)
    assert words.shape == (shape[0], -(-shape[1] * bits // 8))
    np.testing.assert_array_equal(unpack(words, shape[1], bits, signed), values)


@given(st.data(), st.integers(1, 64))
def test_pack_is_the_sum_of_shifted_elements(data, bits):
    values = data.draw(st.lists(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1), min_size=1))
    expected = sum((value % (1 << bits)) << (bits * i) for i, value in enumerate(values))
    assert int.from_bytes(pack(np.array([values]), bits).tobytes(), "little") == expected


@pytest.mark.parametrize(
    "values, bits, message",
    [
        (np.array([[8]]), 3, "does not fit 3 bits"),
        (np.array([[-5]]), 3, "does not fit 3 bits"),
        (np.array([1, 2]), 3, "shape"),
        (np.array([[0.5]]), 3, "float64"),
        (np.array([[1]]), 0, "bits: 0"),
        (np.array([[1]]), 65, "bits: 65"),
    ],
)
def test_pack_rejects(values, bits, message):
    with pytest.raises(ValueError, match=message):
        pack(values, bits)


def test_unpack_rejects_words_of_another_size():
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(words, 2\)"):
        unpack(np.zeros((4, 3), np.uint8), 3, 5, signed=True)


# ---------------------------------------------------------------------------------------------
# One model for most tests


def register(width: int) -> Design:
    return Design(
        "stream_register",
        (RTL,),
        (Stream("in0_V", width),),
        (Stream("out0_V", width),),
        parameters={"W": width},
    )


ADDER = Design("stream_adder", (RTL,), (Stream("in0_V", 16), Stream("in1_V", 16)), (Stream("out0_V", 17),))
DESIGNS = {
    "register": register(8),
    "wide": register(WIDE),
    "adder": ADDER,
    "powerup": Design("stream_powerup", (RTL,), (Stream("in0_V", 32),), (Stream("out0_V", 32),)),
    **{mode: Design("stream_faulty", (RTL,), **BYTE_STREAMS, parameters={"MODE": mode}) for mode in FAULTS},
}


@pytest.fixture(scope="session")
def model():
    return build(list(DESIGNS.values()), trace="vcd")


@pytest.fixture
def run(model):
    """Run one design of the model on a stimulus while the others have nothing to do."""

    def run_one(name, inputs, n_outputs, check=True, seed=1, waves=None, **options):
        stimuli = [
            Stimulus({s.name: [] for s in d.inputs}, {s.name: 0 for s in d.outputs}) for d in DESIGNS.values()
        ]
        index = list(DESIGNS).index(name)
        inputs = inputs if isinstance(inputs, dict) else {"in0_V": inputs}
        options = {"timeout": 200, **options}
        stimuli[index] = Stimulus(inputs, {"out0_V": n_outputs}, **options)
        return model.run(stimuli, check=check, seed=seed, waves=waves)[index]

    return run_one


def words(n: int, width: int = 8, seed: int = 0) -> np.ndarray:
    raw = np.random.default_rng(seed).integers(0, 256, (n, -(-width // 8)), dtype=np.uint8)
    if width % 8:
        raw[:, -1] &= (1 << width % 8) - 1
    return raw


def test_cycles_and_words_of_a_register(run):
    sent = words(50)
    result = run("register", sent, 50)
    np.testing.assert_array_equal(result.outputs["out0_V"], sent)
    np.testing.assert_array_equal(result.input_cycle["in0_V"], np.arange(50))
    np.testing.assert_array_equal(result.output_cycle["out0_V"], np.arange(50) + 1)
    assert result.cycles == 51
    assert result.status == "complete" and not result.deadlock and result.stuck == ()
    assert result.violations == () and result.extra == {"out0_V": 0}


def test_words_of_thousands_of_bits(run):
    sent = words(40, WIDE)
    stalls = {"input_stall": Stall.random(0.5, 1), "output_stall": Stall.random(0.5, 2)}
    np.testing.assert_array_equal(run("wide", sent, 40, **stalls).outputs["out0_V"], sent)


def test_words_given_as_integers(run):
    sent = {"in0_V": [1, 2**16 - 1, 30000], "in1_V": np.array([2, 2**16 - 1, 40000])}
    result = run("adder", sent, 3)
    sums = unpack(result.outputs["out0_V"], 1, 17, signed=False)[:, 0]
    assert sums.tolist() == [3, 2**17 - 2, 70000]
    assert result.cycles == 3  # no register between input and output


@pytest.mark.parametrize(
    "stall, cycles",
    [
        (Stall.none(), [0, 1, 2, 3, 4, 5, 6, 7]),
        (Stall.duty(), [0, 1, 2, 4, 5, 6, 8, 9]),
        (Stall.duty(1, 3), [0, 3, 6, 9, 12, 15, 18, 21]),
        (Stall.every(4), [0, 4, 8, 12, 16, 20, 24, 28]),
        (Stall.pause(3, 10), [0, 1, 2, 13, 14, 15, 16, 17]),
        (Stall.pause(0, 10), [10, 11, 12, 13, 14, 15, 16, 17]),
    ],
)
def test_stall_patterns_cycle_by_cycle(run, stall, cycles):
    sent = words(8)
    result = run("register", sent, 8, input_stall=stall)
    assert result.input_cycle["in0_V"].tolist() == cycles
    assert result.output_cycle["out0_V"].tolist() == [cycle + 1 for cycle in cycles]
    np.testing.assert_array_equal(result.outputs["out0_V"], sent)
    both = {"in0_V": sent, "in1_V": np.zeros((8, 2), np.uint8)}
    both["in0_V"] = np.hstack([sent, sent])
    result = run("adder", both, 8, output_stall=stall)
    assert result.output_cycle["out0_V"].tolist() == cycles


def test_consumer_that_waits_for_tvalid(run):
    result = run("register", words(4), 4, output_stall=Stall.after_valid())
    assert result.output_cycle["out0_V"].tolist() == [2, 4, 6, 8]


@pytest.mark.parametrize("p_in", [0, 0.1, 0.9])
@pytest.mark.parametrize("p_out", [0, 0.1, 0.9])
def test_random_stalls_lose_nothing(run, p_in, p_out):
    sent = {"in0_V": words(300, 16, 1), "in1_V": words(300, 16, 2)}
    result = run(
        "adder",
        sent,
        300,
        input_stall={"in0_V": Stall.random(p_in, 3), "in1_V": Stall.random(p_in, 4)},
        output_stall={"out0_V": Stall.random(p_out, 5)},
    )
    a, b = (unpack(each, 1, 16, signed=False) for each in sent.values())
    np.testing.assert_array_equal(unpack(result.outputs["out0_V"], 1, 17, signed=False), a + b)


def test_random_stalls_have_their_probability_and_seed(run):
    def cycles(probability, seed):
        stall = Stall.random(probability, seed)
        return run("register", words(4000), 4000, input_stall=stall).input_cycle["in0_V"]

    first = cycles(0.25, 5)
    np.testing.assert_array_equal(first, cycles(0.25, 5))
    assert (first != cycles(0.25, 6)).any()
    assert 4000 / first[-1] == pytest.approx(0.75, abs=0.03)


def test_invalid_data_is_not_the_last_word(run):
    sent = words(20)
    result = run("late", sent, 20, input_stall=Stall.every(3))
    np.testing.assert_array_equal(result.outputs["out0_V"], 255 - sent)


# ---------------------------------------------------------------------------------------------
# Resets


def test_reset_starts_the_stimulus_over(run):
    sent = words(30)
    result = run("register", sent, 30, reset_at=(10, 0, 5), output_stall=Stall.duty())
    np.testing.assert_array_equal(result.outputs["out0_V"], sent)
    before = [before["out0_V"] for before in result.before_reset]
    assert [len(words) for words in before] == [7, 0, 3]
    np.testing.assert_array_equal(before[0], sent[:7])
    assert result.input_cycle["in0_V"][0] == 0 and result.cycles == 41


def test_restart_names_the_word_after_the_reset(run):
    sent = words(30)
    result = run("register", sent, 10, reset_at=(15,), restart={"in0_V": 20})
    np.testing.assert_array_equal(result.outputs["out0_V"], sent[20:])
    np.testing.assert_array_equal(result.before_reset[0]["out0_V"], sent[:10])


def test_runs_start_from_power_up(run):
    run("register", words(5), 4, check=False, output_stall=Stall.pause(4, 1), drain=1)
    assert len(run("register", [], 0).outputs["out0_V"]) == 0


def test_uninitialized_registers_are_random(run):
    def value(seed):
        return run("powerup", [0], 1, seed=seed).outputs["out0_V"]

    np.testing.assert_array_equal(value(1), value(1))
    assert (value(1) != value(2)).any()


# ---------------------------------------------------------------------------------------------
# Rules and errors of a run


@pytest.mark.parametrize(
    "mode, message",
    [
        ("withdraw", r"out0_V, cycle 4: TVALID went low before TREADY"),
        ("change", r"out0_V, cycle 4: TDATA changed while TVALID waited for TREADY"),
    ],
)
def test_broken_handshake(run, mode, message):
    stall = {"output_stall": Stall.pause(1, 3)}
    with pytest.raises(SimulationError, match=rf"stream_faulty \(design \d+\): {message}"):
        run(mode, words(6), 6, **stall)
    result = run(mode, words(6), 6, check=False, **stall)
    assert result.violations[0].cycle == 4 and result.violations[0].port == "out0_V"
    assert run(mode, words(6), 6).n_violations == 0  # not seen by a consumer that never waits


def test_tvalid_kept_through_a_reset(run):
    options = {"reset_at": (5,), "output_stall": Stall.pause(2, 50)}
    message = r"out0_V, cycle -4 after reset 1: TVALID is high during reset"
    with pytest.raises(SimulationError, match=message):
        run("reset", words(8), 8, **options)
    assert run("register", words(8), 8, **options).n_violations == 0


def test_tvalid_in_the_first_cycle_after_a_reset(run):
    message = r"out0_V, cycle -1 after reset 1: TVALID is high during reset or in the first cycle"
    with pytest.raises(SimulationError, match=message):
        run("early", words(8), 8, reset_at=(5,))
    assert run("early", words(8), 8).n_violations == 0


def test_tvalid_that_waits_for_tready(run):
    assert run("wait", words(6), 6).status == "complete"
    with pytest.raises(SimulationError, match="deadlock: stuck on in0_V, out0_V"):
        run("wait", words(6), 6, output_stall=Stall.after_valid())


def test_deadlock_names_streams_and_words(run):
    message = r"deadlock: stuck on in0_V, out0_V \(in0_V 5 of 9 words, out0_V 5 of 9 words\)"
    with pytest.raises(SimulationError, match=message):
        run("hang", words(9), 9)
    result = run("hang", words(9), 9, check=False)
    assert result.deadlock and result.stuck == ("in0_V", "out0_V") and result.cycles == 10


def test_missing_input_is_not_stuck_input(run):
    with pytest.raises(SimulationError, match=r"stuck on out0_V \(in0_V 3 of 3 words"):
        run("register", words(3), 4)


def test_a_wait_that_was_asked_for_is_no_deadlock(run):
    assert run("register", words(3), 3, input_stall=Stall.pause(1, 5000)).cycles == 5004
    assert run("register", words(3), 3, output_stall=Stall.every(5000)).cycles == 10002


def test_more_words_than_expected(run):
    with pytest.raises(SimulationError, match="out0_V: 2 words too many"):
        run("repeat", words(8), 8)
    assert run("repeat", words(8), 8, allow_extra=True).extra == {"out0_V": 2}


def test_max_cycles(run):
    with pytest.raises(SimulationError, match="out of cycles: stuck on in0_V, out0_V"):
        run("register", words(30), 30, output_stall=Stall.every(10), max_cycles=100)


def test_error_of_the_design(run):
    with pytest.raises(SimulationError, match=r"(?s)streams\.sv:\d+.*unlucky word"):
        run("stop", [1, 2, 13, 4], 4)
    assert run("stop", [1, 2, 14, 4], 4).status == "complete"


@pytest.mark.parametrize(
    "name, inputs, options, message",
    [
        ("register", [256], {}, r"words of in0_V: a value is not in 0 .. 2\*\*8 - 1"),
        ("register", [-1], {}, r"words of in0_V: a value is not in 0 .. 2\*\*8 - 1"),
        ("register", np.zeros((4, 2), np.uint8), {}, r"expected uint8 of shape \(words, 1\)"),
        ("register", np.zeros((4, 1), np.int64), {}, r"int64 .* expected uint8"),
        ("wide", [1 << WIDE], {}, r"not in 0 .. 2\*\*4099 - 1"),
        ("register", {"in1_V": []}, {}, r"inputs of stream_register: streams \['in1_V'\]"),
        ("register", [1], {"reset_cycles": 1}, "reset_cycles: 1; expected at least 2"),
        ("register", [1], {"reset_at": (-3,)}, "expected cycles from 0 on"),
        ("register", [1], {"restart": {"in0_V": 2}}, r"restart of in0_V: 2; expected 0 .. 1"),
        ("register", [1], {"input_stall": Stall.after_valid()}, "after_valid is for outputs only"),
        ("register", [1], {"output_stall": {"x": Stall()}}, r"output_stall of .* \['x'\]"),
    ],
)
def test_stimulus_rejects(run, name, inputs, options, message):
    with pytest.raises(ValueError, match=message):
        run(name, inputs, 1, **options)


def test_stall_rejects():
    for call in (
        lambda: Stall.random(1.0),
        lambda: Stall.duty(5, 4),
        lambda: Stall.every(0),
        lambda: Stall.pause(-1, 3),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


def test_waveforms(run, tmp_path):
    run("register", words(10), 10, waves=tmp_path / "waves.vcd")
    assert "out0_V_TVALID" in (tmp_path / "waves.vcd").read_text()
    with pytest.raises(SimulationError, match="cannot write"):
        run("register", words(10), 10, waves=tmp_path / "missing" / "waves.vcd")


@pytest.mark.parametrize("trace", ["vcd", "fst"])
def test_waveforms_that_find_no_room_are_an_error_and_removed(tmp_path, trace):
    """A limit on file size imitates a full disk."""
    if trace == "fst" and not Path("/usr/include/lz4.h").exists():
        pytest.skip("FST waveforms need lz4.h")
    waves = tmp_path / f"waves.{trace}"
    model = build([DESIGNS["register"]], trace=trace)
    stimulus = Stimulus({"in0_V": words(1000)}, {"out0_V": 1000}, timeout=200)
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 400, 1000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
        try:
            with pytest.raises(SimulationError, match=f"cannot write {waves}: .*File too large"):
                model.run([stimulus], waves=waves)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        assert not waves.exists()
    model.run([stimulus], waves=waves)
    assert waves.stat().st_size > 1000


# ---------------------------------------------------------------------------------------------
# Building and the cache


@pytest.fixture
def empty_cache(model, tmp_path, monkeypatch):
    """An empty cache, but for the compiled runtime that all models share."""
    path = tmp_path / "cache"
    for shared in (cache.root() / "verilator").glob("*/shared.o"):
        shutil.copytree(shared.parent, path / "verilator" / shared.parent.name)
    monkeypatch.setenv("FINN_IMEC_CACHE", str(path))
    return path


def table_design(folder: Path, data: str, **changes) -> Design:
    (folder / "values.dat").write_text(data)
    design = Design(
        "stream_table",
        (RTL,),
        (Stream("s", 4),),
        (Stream("m", 48),),
        parameters={"FILE": str(folder / "values.dat"), "OFFSET": 3 << 36},
        data_files=(folder / "values.dat",),
        clk="clk",
        rst_n="rst_n",
        tied={"mask": (48, 0xFFFFFFFFFFF0)},
    )
    return replace(design, **changes)


def table_values(model) -> list[int]:
    result = model.run([Stimulus({"s": range(16)}, {"m": 16})])[0]
    return unpack(result.outputs["m"], 1, 48, signed=False)[:, 0].tolist()


def test_data_files_parameters_and_ties(empty_cache, tmp_path):
    values = [(i * 0x123456789) % 2**40 for i in range(16)]
    text = "\n".join(f"{value:x}" for value in values)
    expected = [(value + (3 << 36)) & 0xFFFFFFFFFFF0 for value in values]
    design = table_design(tmp_path, text)
    first = build([design])
    assert not first.cached and table_values(first) == expected

    (tmp_path / "elsewhere").mkdir()
    moved = table_design(tmp_path / "elsewhere", text)
    (tmp_path / "values.dat").unlink()
    assert table_values(first) == expected  # the model has its own copy
    second = build([moved])
    assert second.cached and second.path == first.path and table_values(second) == expected

    for stored in (empty_cache / "data").glob("*/memory.dat"):
        stored.unlink()
    with pytest.raises(SimulationError, match="readmem file not found"):
        table_values(first)
    third = build([moved])
    assert third.cached and table_values(third) == expected

    changed = build([table_design(tmp_path, text.replace("\n", "\n0", 1) + "\n")])
    assert changed.path != first.path


def test_data_file_named_in_the_source(empty_cache, tmp_path):
    source = tmp_path / "named.sv"
    source.write_text(RTL.read_text().replace("table.dat", "./values.dat"))
    text = "\n".join(str(i) for i in range(10, 26))
    design = table_design(tmp_path, text, sources=(source,), parameters={}, tied={"mask": (48, 2**48 - 1)})
    assert table_values(build([design])) == [int(str(i), 16) for i in range(10, 26)]


def _build_and_run(queue) -> None:
    model = build([register(11)])
    sent = words(100, 11)
    result = model.run([Stimulus({"in0_V": sent}, {"out0_V": 100})])[0]
    queue.put((str(model.path), bool((result.outputs["out0_V"] == sent).all())))


def test_two_processes_build_the_same_model(empty_cache):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_build_and_run, args=(queue,)) for _ in range(2)]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert answers[0] == answers[1] and answers[0][1]
    assert build([register(11)]).cached
    assert sorted(path.name for path in empty_cache.iterdir()) == ["verilator"]
    entries = (empty_cache / "verilator").iterdir()
    assert all((path / "entry.json").is_file() for path in entries)


def test_headers_and_defines_are_part_of_the_key(empty_cache, tmp_path):
    (tmp_path / "top.sv").write_text(
        '`include "value.svh"\n'
        + RTL.read_text().replace("out0_V_TDATA <= in0_V_TDATA;", "out0_V_TDATA <= `VALUE + `D;")
    )

    def output(header: str, define: int):
        (tmp_path / "value.svh").write_text(f"`define VALUE {header}\n")
        design = replace(
            register(8),
            sources=(tmp_path / "top.sv",),
            include_dirs=(tmp_path,),
            defines={"D": define},
        )
        model = build([design])
        return int(model.run([Stimulus({"in0_V": [0]}, {"out0_V": 1})])[0].outputs["out0_V"][0, 0])

    assert output("8'd7", 1) == 8
    assert output("8'd9", 1) == 10


def test_compile_errors(empty_cache, tmp_path):
    (tmp_path / "bad.sv").write_text("module bad;\n  assign x = ;\nendmodule\n")
    bad = Design("bad", (tmp_path / "bad.sv",), **BYTE_STREAMS)
    with pytest.raises(SimulationError, match=r"%Error: .*bad\.sv:2.*\(log: (.*)\)") as caught:
        build([bad])
    log = Path(str(caught.value).split("(log: ")[1].rstrip(")"))
    assert "bad.sv:2" in log.read_text()

    narrow = replace(register(8), parameters={"W": 7})
    with pytest.raises(SimulationError, match="Warning-WIDTH"):
        build([narrow])
    with pytest.raises(SimulationError, match="PINNOTFOUND|Pin not found|in1_V"):
        build([replace(register(8), inputs=(Stream("in1_V", 8),))])
    assert not list(empty_cache.glob("*/*/model.so"))


def test_build_rejects(empty_cache, tmp_path):
    with pytest.raises(ValueError, match="designs: none"):
        build([])
    with pytest.raises(ValueError, match="missing.sv: No such file"):
        build([replace(register(8), sources=(tmp_path / "missing.sv",))])
    with pytest.raises(ValueError, match="different defines"):
        build([register(8), replace(register(9), defines={"A": 1})])
    with pytest.raises(ValueError, match="parameter W: 1.5"):
        build([replace(register(8), parameters={"W": 1.5})])
    with pytest.raises(ValueError, match="stream x: width 0"):
        Stream("x", 0)


def test_missing_tools(monkeypatch, tmp_path):
    verilator._tools.cache_clear()
    monkeypatch.delenv("CXX", raising=False)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "verilator", None)
        tools = tmp_path / "bin"
        tools.mkdir()
        (tools / "g++").symlink_to(shutil.which("g++"))
        patch.setenv("PATH", str(tools))
        with pytest.raises(MissingToolError, match=r"finn-imec\[sim\]"):
            build([register(8)])
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        with pytest.raises(MissingToolError, match="g\\+\\+"):
            build([register(8)])
    verilator._tools.cache_clear()


def test_old_verilator_on_the_path(monkeypatch, tmp_path):
    script = tmp_path / "verilator"
    script.write_text("#!/bin/sh\necho 'Verilator 5.006 2023-01-22'\n")
    script.chmod(0o755)
    (tmp_path / "g++").symlink_to(shutil.which("g++"))
    monkeypatch.setitem(sys.modules, "verilator", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    verilator._tools.cache_clear()
    with pytest.raises(MissingToolError, match=r"Verilator 5.006.* expected 5.022 or newer"):
        build([register(8)])
    verilator._tools.cache_clear()


def test_speed_and_progress():
    """A small design alone runs at several thousand kilocycles a second on an idle machine."""
    model = build([register(8)])
    seen = []
    sent = words(300_000)
    model.run([Stimulus({"in0_V": sent}, {"out0_V": 300_000})], progress=seen.append)
    assert model.kilocycles_per_second > 500
    assert len(seen) > 1 and seen == sorted(seen) and seen[-1] > 300_000


# ---------------------------------------------------------------------------------------------
# FINN's own RTL


def test_finn_padding(tmp_path):
    """FINN's FMPadding, one pixel on every side, under random stalls against numpy."""
    finn = importlib.util.find_spec("finn")
    roots = list(finn.submodule_search_locations or ()) if finn else []
    folders = [Path(root) / "finn-rtllib" / "fmpadding" / "hdl" for root in roots]
    hdl = next((folder for folder in folders if folder.exists()), None)
    if hdl is None:
        pytest.skip("finn-plus is not installed")
    height, width, channels, simd, bits = 5, 4, 6, 2, 4
    template = (hdl / "fmpadding_template.v").read_text()
    for name, value in {
        "TOP_MODULE_NAME": "padding",
        "XCOUNTER_BITS": 4,
        "YCOUNTER_BITS": 4,
        "NUM_CHANNELS": channels,
        "SIMD": simd,
        "ELEM_BITS": bits,
        "INIT_XON": 1,
        "INIT_XOFF": width + 1,
        "INIT_XEND": width + 1,
        "INIT_YON": 1,
        "INIT_YOFF": height + 1,
        "INIT_YEND": height + 1,
        "STREAM_BITS": 8,
    }.items():
        template = template.replace(f"${name}$", str(value))
    (tmp_path / "padding.v").write_text(template)
    idle = {"AWVALID": 1, "AWADDR": 5, "WVALID": 1, "WDATA": 32, "WSTRB": 4, "BREADY": 1}
    idle |= {"ARVALID": 1, "ARADDR": 5, "RREADY": 1}
    sources = [hdl / name for name in ("axi2we.sv", "fmpadding.sv", "fmpadding_axi.sv")]
    design = Design(
        "padding",
        (*sources, tmp_path / "padding.v"),
        **BYTE_STREAMS,
        tied={f"s_axilite_{name}": (width, 0) for name, width in idle.items()},
    )
    frames = np.random.default_rng(0).integers(-8, 8, (2, height, width, channels))
    padded = np.pad(frames, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(-1, simd)
    model = build([design])
    assert any("PINMISSING" in warning and "RDATA" in warning for warning in model.warnings)
    for probability in (0, 0.4):
        result = model.run(
            [
                Stimulus(
                    {"in0_V": pack(frames.reshape(-1, simd), bits)},
                    {"out0_V": len(padded)},
                    input_stall=Stall.random(probability, 1),
                    output_stall=Stall.random(probability, 2),
                    allow_extra=True,
                )
            ]
        )[0]
        np.testing.assert_array_equal(unpack(result.outputs["out0_V"], simd, bits, True), padded)


def test_units_of_compilation_are_bounded(tmp_path):
    """The compiler's memory grows with them: 100 convolutions are 8 MB of C++."""
    sources = []
    for i in range(40):
        sources.append(tmp_path / f"part{i}.cpp")
        sources[-1].write_text("/" * 100_000)
    units = verilator._join(tmp_path, "fast", sources, 2)
    included = [unit.read_text().split('"')[1::2] for unit in units]
    assert len(units) == 4 and sorted(chain(*included)) == sorted(map(str, sources))
    assert len(verilator._join(tmp_path, "fast", sources[:3], 2)) == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("false", "C[+][+] compiler 'false': '--version' ends with exit code 1; CXX may name another"),
        ("'", 'CXX="\'": No closing quotation'),
        ("/", "C[+][+] compiler '/' is not on the PATH"),
    ],
)
def test_compilers_that_are_none(monkeypatch, command, message):
    monkeypatch.setenv("CXX", command)
    with pytest.raises(MissingToolError, match=message):
        compiler()


def test_an_empty_name_of_a_compiler_is_none(monkeypatch):
    monkeypatch.setenv("CXX", "")
    command, version = compiler()
    assert command in (("g++",), ("clang++",)) and version
