"""ConvGeometry against brute force: windows, addresses, cycles, folding, memory."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise, product, takewhile

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from strategies import geometries

from finn_imec.layer import baseline
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.line_buffer import FINN_QUEUE_BITS, LineBuffer
from finn_imec.layer.memories import address_bits
from finn_imec.layer.storage import PIPELINE_STAGES
from finn_imec.layer.through import Through
from finn_imec.layer.units import cheapest_folding, storage
from finn_imec.layer.window import WindowUnit
from finn_imec.util.errors import GeometryError

layers = partial(geometries, with_depthwise=True)
padded_layers = partial(layers, with_padding=True)

LAYER = {"kernel": (3, 3), "ifm_dim": (8, 9), "ifm_channels": 4, "ofm_channels": 6}


@cache
def buffered(geometry: ConvGeometry) -> LineBuffer | WindowUnit:
    """What reads a layer's windows from a memory, also where none is needed."""
    return WindowUnit(geometry) if geometry.parallel_window else LineBuffer(geometry)


def window_origins(geometry: ConvGeometry) -> list[tuple[int, int]]:
    """(row, column) of the first pixel of every window that lies in the input, raster order."""

    def starts(axis: int) -> list[int]:
        size, stride = geometry.ifm_dim[axis], geometry.stride[axis]
        span = range(0, geometry.kernel[axis] * geometry.dilation[axis], geometry.dilation[axis])
        return list(takewhile(lambda at: at + span[-1] < size, range(0, size, stride)))

    return list(product(starts(0), starts(1)))


def window_words(geometry: ConvGeometry, row: int, column: int, fold: int = 0) -> list[int]:
    """Position in the frame's word stream of each word a fold reads, in (kh, kw, c) order."""
    return [
        ((row + i * geometry.dilation[0]) * geometry.ifm_dim[1] + column + j * geometry.dilation[1])
        * geometry.cf
        + c
        for i in range(geometry.kernel[0])
        for j in range(geometry.kernel[1])
        for c in ([fold] if geometry.depthwise else range(geometry.cf))
    ]


def first_words(geometry: ConvGeometry, frames: int) -> list[int]:
    """Position in the stream of `frames` frames of the first word of every window."""
    frame_words = geometry.ifm_dim[0] * geometry.ifm_dim[1] * geometry.cf
    return [
        frame * frame_words + window_words(geometry, *origin)[0]
        for frame in range(frames)
        for origin in window_origins(geometry)
    ]


# ---- shapes and addresses ---------------------------------------------------------------------


@settings(max_examples=200)
@given(layers(max_kernel=4, max_extra=9))
def test_output_dimensions(geometry):
    origins = window_origins(geometry)
    rows, columns = ({o[axis] for o in origins} for axis in (0, 1))
    assert geometry.ofm_dim == (len(rows), len(columns))
    assert geometry.windows == len(origins)
    assert geometry.macs == len(origins) * geometry.mh * geometry.sf * geometry.simd
    assert geometry.compute_cycles * geometry.simd * geometry.pe == geometry.macs


@settings(max_examples=200)
@given(layers(max_kernel=4))
def test_window_walk(geometry):
    """Offsets, and the loop nest that generates them, match the window in memory."""
    words = window_words(geometry, 0, 0)
    assert geometry.read_offsets().tolist() == words
    last_fold = window_words(geometry, 0, 0, geometry.nf - 1)
    assert geometry.read_offsets(geometry.nf - 1).tolist() == last_fold
    assert geometry.live_words == last_fold[-1] - words[0] + 1
    if geometry.nf > 1:
        to_next = window_words(geometry, 0, 0, 1)[0] - words[-1]
        assert buffered(geometry).fold_step == to_next % buffered(geometry).words

    nest, walk, at = geometry.loop_nest, [], 0
    for outer in range(nest.outer):
        at += nest.outer_step if outer else 0
        for inner in range(nest.inner):
            at += nest.inner_step if inner else 0
            for run in range(nest.run):
                at += 1 if run else 0
                walk.append(at)
    assert walk == words


@settings(max_examples=200)
@given(layers(max_kernel=4))
def test_first_run_is_as_long_as_it_can_be(geometry):
    """in_place_words relies on it: the walk leaves raster order only after `run` words."""
    words = window_words(geometry, 0, 0)
    steps = [b - a for a, b in pairwise(words)]
    raster = len(list(takewhile(lambda step: step == 1, steps))) + 1
    assert geometry.loop_nest.run == raster


@settings(max_examples=200)
@given(layers(max_kernel=4, max_extra=9))
def test_advance(geometry):
    """Each step from window to window, in two frames, matches advance_words and window_steps."""
    column, row, frame = geometry.advance_words
    oh, ow = geometry.ofm_dim
    first = first_words(geometry, frames=2)
    kinds = [frame if i % (oh * ow) == 0 else row if i % ow == 0 else column for i in range(1, 2 * oh * ow)]
    assert [b - a for a, b in pairwise(first)] == kinds
    counts = geometry.window_steps
    frame_words = geometry.ifm_dim[0] * geometry.ifm_dim[1] * geometry.cf
    assert sum(n * words for n, words in zip(counts, geometry.advance_words)) == frame_words


# ---- cycles -----------------------------------------------------------------------------------


def run_one_port(geometry: ConvGeometry, frames: int) -> tuple[int, int, list[int]]:
    """Run the schedule on a single-port memory of word numbers; check every word that is read.

    A cycle is a read, a write, or a read and a write at one address. Returns the cycle of the first
    window's first complete sum, the cycle of the last read, and each frame's last read.
    """
    depth = geometry.live_words
    offsets = [geometry.read_offsets(fold).tolist() for fold in range(geometry.nf)]
    memory = list(range(depth))  # the fill: word i at address i
    written = cycle = depth
    first_sum, ends = cycle + geometry.sf, []
    first = first_words(geometry, frames)
    oh, ow = geometry.ofm_dim
    for window, base in enumerate(first):
        kind = 2 if (window + 1) % (oh * ow) == 0 else 1 if (window + 1) % ow == 0 else 0
        advance, in_place = geometry.advance_words[kind], buffered(geometry).in_place_words[kind]
        for fold in range(geometry.nf):
            for read, offset in enumerate(offsets[fold]):
                cycle += 1
                address = (base + offset) % depth
                assert memory[address] == base + offset
                dying = in_place // geometry.nf if geometry.depthwise else in_place
                if (geometry.depthwise or fold == geometry.nf - 1) and read < dying:
                    assert address == written % depth, "a single port has one address"
                    memory[address] = written
                    written += 1
        if kind == 2:
            ends.append(cycle)
        if window + 1 < len(first):
            for _ in range(advance - in_place):
                cycle += 1
                memory[written % depth] = written
                written += 1
    return first_sum, cycle, ends


@settings(max_examples=100)
@given(layers())
def test_schedule_on_a_single_port_memory(geometry):
    geometry = replace(geometry, simd_in=geometry.word_channels, buffer_ports=1)
    first_sum, last_read, ends = run_one_port(geometry, frames=3)
    assert buffered(geometry).first_output_latency() == first_sum + PIPELINE_STAGES
    assert buffered(geometry).total_cycles(3) == last_read + PIPELINE_STAGES
    assert buffered(geometry).total_cycles(1) == ends[0] + PIPELINE_STAGES
    assert buffered(geometry).cycles_per_frame == ends[1] - ends[0] == ends[2] - ends[1]
    assert (
        buffered(geometry).write_only_cycles == buffered(geometry).cycles_per_frame - geometry.compute_cycles
    )


@settings(max_examples=100)
@given(padded_layers())
def test_formula_equals_stepping(geometry):
    """Where a formula exists, stepping the sequencer's rules gives the same cycles.

    A single word of padding runs ahead of the first frame, which may then end early.
    """
    geometry = replace(geometry, simd_in=geometry.word_channels, buffer_ports=1)
    assert geometry.cycles_per_word == 1
    folds = geometry.windows * geometry.nf
    last = [int(cycle) + 1 for cycle in buffered(geometry).cycles(4)[1][folds - 1 :: folds]]
    early = Arrivals(geometry).runs.first == 1
    assert [b - a for a, b in pairwise(last[early:])] == [buffered(geometry).cycles_per_frame] * (3 - early)
    assert buffered(geometry).total_cycles(4) == last[-1] + PIPELINE_STAGES


def words_of_padding(geometry: ConvGeometry) -> list[bool]:
    """For each word of a padded frame, whether it is padding."""
    (h, w), (top, left, bottom, right) = geometry.ifm_dim, geometry.padding
    rows, columns = range(top, h - bottom), range(left, w - right)
    return [y not in rows or x not in columns for y in range(h) for x in range(w) for _ in range(geometry.cf)]


@settings(max_examples=200)
@given(padded_layers())
def test_padding_runs(geometry):
    """Two frames of runs are the words of the padded frames, then the next one's upper padding."""
    order, frame = Arrivals(geometry).runs, words_of_padding(geometry)
    words = [True] * order.first
    for run in range(2 * order.runs):
        words += [False] * order.run
        words += [True] * (order.between if run % order.runs == order.runs - 1 else order.gap)
    assert words == [*frame, *frame, *frame[: order.first]]
    assert not any(frame[order.first : order.first + 1])
    h, w = geometry.input_dim
    assert h * w * geometry.cf == frame.count(False)


@settings(max_examples=200)
@given(padded_layers())
@example(ConvGeometry((2, 2), (5, 5), 2, 1, padding=(1, 2, 0, 0)))  # just filled
@example(ConvGeometry((2, 2), (5, 5), 2, 1, padding=(1, 1, 0, 0)))  # but for a pixel
def test_a_window_of_padding_alone_runs_ahead(geometry):
    first_window = words_of_padding(geometry)[: geometry.live_words]
    assert Arrivals(geometry).runs_ahead == all(first_window)


@settings(max_examples=100)
@given(padded_layers())
def test_padding_costs_no_cycles(geometry):
    """Its words are available in every cycle, from the first after reset on."""
    dense = replace(geometry, simd_in=geometry.word_channels, padding=(0, 0, 0, 0))
    padded = replace(dense, padding=geometry.padding)
    assert buffered(padded).cycles_per_frame == buffered(dense).cycles_per_frame
    early = buffered(dense).total_cycles(3) - buffered(padded).total_cycles(3)
    first = Arrivals(padded).runs.first
    assert early == min(2, first) or (early, first) == (2, 1)  # a fold is read before the first input word
    whole_image = replace(geometry, padding=(0, 0, 0, 0))
    assert buffered(geometry).cycles_per_frame <= buffered(whole_image).cycles_per_frame


@settings(max_examples=100)
@given(padded_layers())
def test_stream_cycles(geometry):
    """Every input word once, in order; the frames end when total_cycles says."""
    taken, given_ = buffered(geometry).stream_cycles(2)
    h, w = geometry.input_dim
    assert len(taken) == 2 * h * w * geometry.ifm_channels // geometry.simd_in
    assert (taken[1:] > taken[:-1]).all()
    assert taken[0] >= 0
    last = given_[geometry.windows * geometry.nf - 1 :: geometry.windows * geometry.nf] + 1
    assert last.tolist() == [cycle + PIPELINE_STAGES for cycle in buffered(geometry).last_reads(2)]


def every_cycle(unit: LineBuffer, frames: int) -> tuple[list[int], list[int]]:
    """LineBuffer.cycles by the rules of imec_sequencer.sv, cycle by cycle."""
    g, arrivals = unit.layer, Arrivals(unit.layer)
    words = frames * g.input_dim[0] * g.input_dim[1] * g.cf
    coming = arrivals.words(frames)
    padding = next(coming, None)
    complete_at = g.cycles_per_word - 1
    reads = g.nf * g.sf
    folds_before = g.nf - unit._retiring_folds
    oh, ow = g.ofm_dim
    row = [0] * (ow - 1)
    steps = iter(([*row, 1] * (oh - 1) + [*row, 2]) * frames)
    step = next(steps, None)
    free = unit.words
    written: list[int] = []
    folds: list[int] = []
    read, collected, cycle = 0, arrivals.start, arrivals.start
    corners = iter(  # of the windows, in words since reset
        ((frame * g.ifm_dim[0] + y * g.stride[0]) * g.ifm_dim[1] + x * g.stride[1]) * g.cf
        for frame in range(frames)
        for y in range(oh)
        for x in range(ow)
    )
    corner, arrived = next(corners), 0
    while step is not None or len(written) < words:
        complete = padding or (padding is False and collected == complete_at)
        starts = step is not None and (read > 0 or free <= unit.slack_words)
        advance = g.advance_words[step or 0]
        if unit.dual_port:
            reads_now, write = starts, complete and free > 0
            if unit.banked and reads_now:
                fold, place = divmod(read, g.sf)
                at = corner + int(g.read_offsets(fold)[place])
                write = write and (at // g.cf + at % g.cf) % 2 != (arrived // g.cf + arrived % g.cf) % 2
            freed = advance * (reads_now and read == reads - g.sf)
        else:
            in_place = unit.in_place_words[step or 0]
            fold, place = divmod(read, g.sf)
            write_only = complete and free > 0
            reads_now = starts and not write_only
            in_run = place < in_place // unit._retiring_folds
            retires = reads_now and fold >= folds_before and in_run
            write = write_only or (complete and retires)
            freed = retires + (advance - in_place) * (reads_now and read == reads - 1)
        free += freed - write
        collected = 0 if write and not padding else min(collected + 1, complete_at)
        if write:
            arrived += 1
            if not padding:
                written.append(cycle)
            padding = next(coming, None)
        if reads_now:
            read += 1
            if read % g.sf == 0:
                folds.append(cycle)
            if read == reads:
                read, step, corner = 0, next(steps, None), next(corners, 0)
        cycle += 1
    return written, folds


@settings(max_examples=100)
@given(padded_layers(max_extra=14))
@example(ConvGeometry((1, 2), (7, 17), 4, 2, (3, 1), simd=2, pe=2, padding=(1, 3, 0, 0), simd_in=1))
@example(ConvGeometry((3, 2), (13, 11), 6, 1, (1, 2), simd=6, padding=(1, 0, 1, 2), simd_in=1))
def test_windows_that_are_alike_are_skipped_exactly(geometry):
    """Rows and columns that are counted at once take what they take cycle by cycle."""
    for ports, banks in ((1, 1), (2, 1), (2, 2)):
        style = "distributed" if banks == 2 else "auto"
        unit = buffered(replace(geometry, buffer_ports=ports, buffer_banks=banks, buffer_style=style))
        written, folds = every_cycle(unit, 3)
        assert [cycles.tolist() for cycles in unit.cycles(3)] == [written, folds]
        assert unit.cycles(3, geometry.cf)[0].tolist() == written[geometry.cf - 1 :: geometry.cf]
        of_a_frame = geometry.windows * geometry.nf
        assert unit.last_reads(3) == [cycle + 1 for cycle in folds[of_a_frame - 1 :: of_a_frame]]


@pytest.mark.parametrize(
    "geometry",
    [
        ConvGeometry((7, 7), (224, 224), 3, 64, (2, 2), simd=3, pe=64),
        ConvGeometry((3, 3), (512, 512), 3, 32, simd=3, pe=32),
        ConvGeometry((3, 3), (514, 514), 3, 32, simd=1, pe=8, padding=(1, 1, 1, 1)),
        ConvGeometry((3, 3), (514, 514), 3, 32, simd=27, pe=32, padding=(1, 1, 1, 1)),
        ConvGeometry((3, 3), (512, 512), 512, 8, (4, 4), simd=2, pe=4, simd_in=512),
    ],
    ids=str,
)
def test_cycles_of_large_images_take_no_time(geometry):
    """Measured 0.1 s at most; stepping through every cycle takes 1.4 to 60 s."""
    start = time.process_time()
    unit = LineBuffer(geometry) if not geometry.parallel_window else WindowUnit(geometry)
    assert len(unit.stream_cycles()[1]) == geometry.windows * geometry.nf
    assert time.process_time() - start < 1


def test_foldings_of_many_channels_take_no_time():
    """And counts beyond what RTL counts in are refused at once."""
    start = time.process_time()
    assert divisors(1) == [1]
    assert divisors(2**31 - 1) == [1, 2**31 - 1]
    most = ConvGeometry((1, 1), (1, 1), 2**31 - 1, 720_720)
    assert len(most.legal_foldings()) == 2 * 240
    for change in (
        {"ofm_channels": 2**31},
        {"ifm_dim": (2**31 - 1, 2**31 - 1)},
        {"kernel": (2**20, 2**20), "ifm_dim": (2**20, 2**20)},
    ):
        with pytest.raises(GeometryError, match="at most 2147483647"):
            replace(most, **change)
    assert time.process_time() - start < 0.1


@given(st.integers(1, 3000))
def test_divisors(n):
    assert divisors(n) == [d for d in range(1, n + 1) if n % d == 0]


def run_two_ports(geometry: ConvGeometry, frames: int) -> list[int]:
    """Run the schedule cycle by cycle on a memory of word numbers with a write port of its own.

    A window's retired words may be replaced from the cycle after the first read of its last fold on. Checks
    every word that is read; returns the cycle of each frame's last read.
    """
    depth, padding = buffered(geometry).words, words_of_padding(geometry)
    pieces = start = -2 if padding[0] else 0  # input is there from cycle 0 on
    offsets = [geometry.read_offsets(fold).tolist() for fold in range(geometry.nf)]
    memory, written, cycle, ends = [None] * depth, 0, start, []
    first = first_words(geometry, frames + 1)

    def write(released: int) -> None:
        """One cycle of the write port; words before `released` are retired."""
        nonlocal pieces, written
        pieces += 1
        of_padding = padding[written % len(padding)]
        arrived = of_padding or pieces >= geometry.cycles_per_word
        if arrived and written < released + depth:
            memory[written % depth] = written
            written += 1
            pieces = pieces if of_padding else 0

    for window, base in enumerate(first[: frames * geometry.windows]):
        while written < base + geometry.live_words:
            write(base)
            cycle += 1
        for fold in range(geometry.nf):
            for read, offset in enumerate(offsets[fold]):
                assert memory[(base + offset) % depth] == base + offset
                last_fold = fold == geometry.nf - 1 and read > 0
                write(first[window + 1] if last_fold else base)
                cycle += 1
        if (window + 1) % geometry.windows == 0:
            ends.append(cycle)
    return ends


@settings(max_examples=100)
@given(padded_layers())
def test_schedule_on_a_memory_with_two_ports(geometry):
    geometry = replace(geometry, buffer_ports=2)
    ends = run_two_ports(geometry, frames=5)
    assert buffered(geometry).total_cycles(5) == ends[4] + PIPELINE_STAGES
    assert buffered(geometry).total_cycles(1) == ends[0] + PIPELINE_STAGES
    assert buffered(geometry).cycles_per_frame == ends[2] - ends[1] == ends[3] - ends[2]


@settings(max_examples=100)
@given(layers())
def test_a_second_port_is_there_when_it_pays(geometry):
    one, two = (replace(geometry, buffer_ports=ports) for ports in (1, 2))
    fastest = min(buffered(one).cycles_per_frame, buffered(two).cycles_per_frame)
    assert buffered(geometry).cycles_per_frame <= max(
        fastest * 1.0005, baseline.pair_cycles(geometry) * 1.003
    )


@settings(max_examples=100)
@given(layers(), st.sampled_from(("distributed", "block")))
@example(ConvGeometry((1, 1), (16, 16), 32, 32, (2, 2), pe=8), "distributed")  # wants far more
@example(ConvGeometry((3, 3), (10, 10), 32, 32, (2, 2), simd=2, pe=16), "block")
def test_slack_costs_no_more_than_finns_buffers(geometry, style):
    """And with one memory primitive less it would be slower than FINN's pair, or there is only one."""
    two = replace(geometry, buffer_ports=2, buffer_style=style)
    finn_words = (baseline.generator_bits(two, 1) + baseline.replay_bits(two, 1)) // two.word_channels
    granule = 32 if buffered(two).words <= 32 else 64
    if style == "block":
        granule = 512
    else:
        finn_words += FINN_QUEUE_BITS * (1 + two.pe / 4)  # FIFO; weights
    assert buffered(two).words % granule == 0
    assert buffered(two).words < max(two.live_words, finn_words) + granule
    if buffered(two).slack_words >= granule:
        less = LineBuffer(two)
        vars(less)["slack_words"] = buffered(two).slack_words - granule
        assert less.cycles_per_frame > baseline.pair_cycles(two)


@pytest.mark.parametrize(("channels", "words"), [(31, 32), (32, 32), (33, 64), (64, 64), (65, 128)])
def test_slack_fills_the_lut_memories_that_are_there(channels, words):
    """RAM32M holds 32 words, RAM64M 64. With 16 neuron folds more than the live ones are not needed."""
    layer = ConvGeometry((1, 1), (8, 8), channels, 16, buffer_ports=2, buffer_style="distributed")
    assert layer.live_words == channels
    assert buffered(layer).words == words


@pytest.mark.parametrize("size, style, resolved", [
    (8, "auto", "distributed"), (30, "auto", "block"), (30, "distributed", "distributed"),
    (8, "block", "block"), (8, "ultra", "ultra"),
])  # fmt: skip
def test_auto_decides_a_line_buffer_by_its_depth(size, style, resolved):
    geometry = ConvGeometry((3, 3), (size, size), 8, 8, buffer_style=style)
    assert buffered(geometry).style == resolved


def test_an_unknown_style_is_refused():
    with pytest.raises(GeometryError, match="buffer_style='lut': accepted are auto, block, dist"):
        ConvGeometry((3, 3), (8, 8), 8, 8, buffer_style="lut")


@settings(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(layers())
def test_narrow_stream(geometry):
    """Steady from the second frame on; no faster than compute or input, nor slower than both."""
    assume(geometry.cycles_per_word > 1)
    h, w = geometry.ifm_dim
    input_cycles = h * w * geometry.cf * geometry.cycles_per_word
    last = buffered(geometry).last_reads(8)
    intervals = [b - a for a, b in pairwise(last)]
    assert max(geometry.compute_cycles, input_cycles) <= buffered(geometry).cycles_per_frame
    assert buffered(geometry).cycles_per_frame <= geometry.compute_cycles + input_cycles
    # After the last frame nothing is left to take in, so its reads are never held up.
    assert intervals[1:-1] == [buffered(geometry).cycles_per_frame] * 5
    assert intervals[-1] <= buffered(geometry).cycles_per_frame
    assert buffered(geometry).total_cycles(8) == last[-1] + PIPELINE_STAGES


def test_total_cycles_needs_a_frame():
    with pytest.raises(GeometryError, match="frames=0: must be at least 1"):
        buffered(ConvGeometry(**LAYER)).total_cycles(0)


# ---- folding ----------------------------------------------------------------------------------


@settings(max_examples=50)
@given(layers(), st.floats(0.5, 40))
@example(ConvGeometry((3, 3), (5, 5), 12, 12), 1.0)
def test_cheapest_folding(geometry, slack):
    """Brute force: every legal folding that is fast enough has at least as many multipliers."""
    channels, ofm_channels = geometry.ifm_channels, geometry.ofm_channels
    folds = {}
    most_simd = 1 if geometry.depthwise else geometry.mw
    for simd, pe in product(range(1, most_simd + 1), range(1, ofm_channels + 1)):
        if geometry.mw % simd == 0 and ofm_channels % pe == 0:
            folds[simd, pe] = buffered(geometry.with_folding(simd, pe)).cycles_per_frame
    assert set(geometry.legal_foldings()) == set(folds)

    budget = int(min(folds.values()) * slack)
    fast = [fold for fold, cycles in folds.items() if cycles <= budget]
    chosen = cheapest_folding(geometry, budget)
    if not fast:
        assert chosen is None
        return
    multipliers = min(simd * pe for simd, pe in fast)
    assert chosen in fast
    assert chosen[0] * chosen[1] == multipliers
    simds = [simd for simd, pe in fast if simd * pe == multipliers]
    assert chosen[0] == max([simd for simd in simds if simd <= channels] or simds)


def test_with_folding():
    geometry = ConvGeometry(**LAYER, stride=(2, 1), simd=4, pe=3, simd_in=2)
    assert geometry.with_folding(1, 6) == ConvGeometry(**LAYER, stride=(2, 1), simd=1, pe=6, simd_in=2)
    assert geometry.with_folding(4, 3, simd_in=4).cycles_per_word == 1
    assert geometry.cycles_per_word == 2


@pytest.mark.parametrize("n", [1, 2, 7, 12, 36, 97])
def test_divisors_and_address_bits(n):
    assert divisors(n) == [d for d in range(1, n + 1) if n // d * d == n]
    assert 2 ** address_bits(n) >= n
    assert address_bits(n) == 1 or 2 ** (address_bits(n) - 1) < n


# ---- memory -----------------------------------------------------------------------------------

#: CNV's six convolutions: (W, C, M, PE, SIMD, activation bits), folded as in BNN-PYNQ's cnvW1A1.
CNV_1BIT = [
    (32, 3, 64, 16, 3, 8),
    (30, 64, 64, 32, 32, 1),
    (14, 64, 128, 16, 32, 1),
    (12, 128, 128, 16, 32, 1),
    (5, 128, 256, 4, 32, 1),
    (3, 256, 256, 1, 32, 1),
]


def test_cnv_memory_of_finns_pair():
    """FINN's line buffers hold 15,048 bits over CNV-1bit, of 8 in the first layer.

    Its replay buffers hold one window each, 5,976 bits, in memories of a power of two of words.
    """
    layers = [
        (ConvGeometry((3, 3), (w, w), c, m, pe=pe, simd=simd), bits) for w, c, m, pe, simd, bits in CNV_1BIT
    ]
    assert [baseline.generator_bits(g, bits) for g, bits in layers] == [1608, 4032, 1984, 3456, 1664, 2304]
    assert sum(baseline.generator_bits(g, bits) for g, bits in layers) == 15_048
    assert sum(g.live_words * g.simd * bits for g, bits in layers) == 15_048
    assert sum(g.mw * bits for g, bits in layers if g.nf > 1) == 5_976
    # SF = 9, 18, 18, 36, 36, 72 words of 24, 32, 32, 32, 32, 32 bits, rounded up
    assert [baseline.replay_bits(g, bits) for g, bits in layers] == [384, 1024, 1024, 2048, 2048, 4096]
    assert all(baseline.replay_bits(g.with_folding(g.simd, g.mh), bits) == 0 for g, bits in layers)


def test_a_vvau_replays_nothing():
    """Of its window words, each is multiplied by weights of its own channels alone."""
    depthwise = ConvGeometry((3, 3), (8, 8), 8, 8, pe=2, depthwise=True)
    assert depthwise.nf == 4
    assert baseline.replay_bits(depthwise, 4) == 0
    dense = replace(depthwise, depthwise=False)
    assert baseline.replay_bits(dense, 4) == 128 * 4  # 72 words of SIMD = 1, in a power of two


@pytest.fixture(scope="module")
def finn_swg():
    """FINN's own class; the comparison needs the extra that installs it."""
    module = pytest.importorskip("finn.custom_op.fpgadataflow.rtl.convolutioninputgenerator_rtl")
    helper = pytest.importorskip("onnx.helper")

    def depth(geometry: ConvGeometry) -> int:
        node = helper.make_node(
            "ConvolutionInputGenerator_rtl",
            ["in"],
            ["out"],
            domain="finn.custom_op.fpgadataflow.rtl",
            ConvKernelDim=list(geometry.kernel),
            IFMChannels=geometry.ifm_channels,
            IFMDim=list(geometry.ifm_dim),
            OFMDim=list(geometry.ofm_dim),
            SIMD=geometry.simd,
            Stride=list(geometry.stride),
            Dilation=list(geometry.dilation),
            inputDataType="INT4",
            outputDataType="INT4",
            parallel_window=0,
        )
        return module.ConvolutionInputGenerator_rtl(node).get_buffer_depth()

    return depth


@settings(max_examples=100)
@given(geometry=geometries(max_kernel=4, max_extra=9))
def test_swg_bits_are_finns(finn_swg, geometry):
    """The RTL SWG's own buffer depth, in words of SIMD elements, where it takes that style."""
    assume(geometry.kernel != (1, 1))  # FINN's "parallel" style
    assume(all(s <= n for s, n in zip(geometry.stride, geometry.ifm_dim, strict=True)))  # illegal
    assert baseline.generator_bits(geometry, 4) == finn_swg(geometry) * geometry.simd * 4


# ---- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": 3}, r"kernel=3: expected \(height, width\)"),
        ({"ifm_dim": (8, 8, 8)}, r"ifm_dim=\(8, 8, 8\): expected \(height, width\)"),
        ({"stride": (0, 1)}, r"stride=\(0, 1\): expected .*, every value at least 1"),
        ({"dilation": (1, -1)}, r"dilation=\(1, -1\): expected .*, every value at least 1"),
        ({"ifm_channels": 0}, r"ifm_channels=0: expected .*, every value at least 1"),
        ({"pe": 0}, r"pe=0: expected .*, every value at least 1"),
        ({"simd": -2}, r"simd=-2: expected .*, every value at least 1"),
        ({"kernel": (9, 3)}, r"spans 9 in height, more than ifm_dim=\(8, 9\)"),
        ({"dilation": (1, 5)}, r"dilation=\(1, 5\) spans 11 in width, more than ifm_dim=\(8, 9\)"),
        (
            {"simd": 5},
            r"simd=5 does not divide MW=36: accepted are \[1, 2, 3, 4, 6, 9, 12, 18, 36\]",
        ),
        ({"simd_in": 3}, r"simd_in=3 does not divide ifm_channels=4: accepted are \[1, 2, 4\]"),
        ({"pe": 4}, r"pe=4 does not divide ofm_channels=6: accepted are \[1, 2, 3, 6\]"),
        ({"padding": (1, 1)}, r"padding=\(1, 1\): expected \(top, left, bottom, right\)"),
        ({"padding": (0, -1, 0, 0)}, r"padding=\(0, -1, 0, 0\): expected .*, every value at least 0"),
        (
            {"padding": (0, 4, 1, 5)},
            r"padding=\(0, 4, 1, 5\) leaves nothing of ifm_dim=\(8, 9\).*what leaves a pixel",
        ),
    ],
)
def test_errors_name_the_field_and_what_is_accepted(change, message):
    with pytest.raises(GeometryError, match=message):
        ConvGeometry(**{**LAYER, **change})


def test_refolding_is_checked_too():
    with pytest.raises(GeometryError, match="pe=5 does not divide ofm_channels=6"):
        ConvGeometry(**LAYER).with_folding(1, 5)


@pytest.mark.parametrize(
    ("simd", "pe", "simd_in", "depthwise"),
    [(6, 4, 3, 0), (2, 4, 3, 0), (3, 4, 6, 0), (1, 2, 2, 1), (1, 4, 1, 1)],
)
def test_words_that_are_read_once_need_no_buffer(simd, pe, simd_in, depthwise):
    """They are read when they arrive: a cycle for each, or for each of their pieces."""
    channels = 4 if depthwise else 6
    layer = ConvGeometry((1, 1), (3, 2), channels, 4, simd=simd, pe=pe, simd_in=simd_in, depthwise=depthwise)
    unit = storage(layer)
    assert isinstance(unit, Through) and unit.bits(4) == unit.words == 0
    words = 2 * 6 * channels // layer.word_channels
    arrive = [layer.cycles_per_word * (word + 1) - 1 for word in range(words)]
    written, folds = unit.cycles(2)
    assert written.tolist() == arrive and folds.tolist() == arrive[layer.sf - 1 :: layer.sf]
    assert unit.last_reads(2) == [arrive[words // 2 - 1] + 1, arrive[-1] + 1]
    assert unit.cycles_per_frame == arrive[-1] - arrive[words // 2 - 1]
    assert unit.cycles_per_frame <= buffered(layer).cycles_per_frame


def test_words_that_are_read_again_or_out_of_order_are_buffered():
    once = ConvGeometry((1, 1), (3, 3), 4, 4, simd=2, pe=4)
    for other in ({"pe": 2}, {"stride": (2, 2)}, {"kernel": (1, 2)}, {"padding": (1, 0, 0, 0)}):
        assert isinstance(storage(replace(once, **other)), LineBuffer), other
