"""FINN's pair and IMECConv side by side for one layer: resources by Yosys, cycles by Verilator.

Both are for one part, whose family decides the DSP slices and how Yosys counts: 7-series, or UltraScale and
UltraScale+, for which there is no period.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.baseline_rtl import finn_pair
from finn_imec.baseline_rtl.finn_pair import FinnPair
from finn_imec.compat.finn import CLOCK_NS, FPGA_PART, dsp_block
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.clock import pipeline_for
from finn_imec.layer.datapath import Datapath, smallest_datatype
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.numbers import whole_numbers
from finn_imec.layer.packing import DSP_BLOCKS
from finn_imec.rtl.generate import ImecRtl
from finn_imec.simulation.stimulus import SimulationError, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.design import Design
from finn_imec.streams.words import encode, round_up_to_bytes, unpack
from finn_imec.synthesis import ultrascale, yosys
from finn_imec.synthesis.compressor_core import with_compressor_core
from finn_imec.synthesis.place import Routed, check_core, place
from finn_imec.synthesis.rows import FIGURES, PART_FIGURES, PARTS, Row, Side
from finn_imec.synthesis.stamp import code_digest
from finn_imec.synthesis.yosys import FLOWS
from finn_imec.util.errors import ImecError, UnsupportedError
from finn_imec.util.workers import each

if TYPE_CHECKING:
    from finn_imec.transformation.infer_imec_conv import PairReport

FRAMES = 3
#: Least operand width for which FINN's DSP core is the default; below it FINN builds LUTs.
DSP_BITS = 4
#: The DSP slices of the families that Yosys maps to.
COUNTED_BLOCKS = ("DSP48E1", "DSP48E2")


@dataclass(frozen=True)
class ImecSide:
    """A generated IMECConv, like FinnPair: design, its parts, bits of an output element.

    pipeline: level of its pipelining, see Structure.
    """

    design: Design
    parts: Mapping[str, str]
    out_bits: int
    pipeline: int


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution to compare.

    weights: (MW, MH). thresholds: (MH or 1, steps), or None to output accumulators; an output is the number
    of thresholds that are reached, without FINN's ActVal. finn_geometry: FINN's side, if its folding differs;
    finn_simd: the MVAU's SIMD, if it differs from that. res_type: where the multipliers of both sides are,
    one of RES_TYPES. alone: FINN's side is an MVAU or VVAU without a window generator.
    """

    name: str
    geometry: ConvGeometry
    input_datatype: BaseDataType
    weight_datatype: BaseDataType
    weights: np.ndarray
    xnor: bool = False
    finn_simd: int | None = None
    thresholds: np.ndarray | None = None
    finn_geometry: ConvGeometry | None = None
    res_type: str = "auto"
    alone: bool = False

    @property
    def finn(self) -> ConvGeometry:
        """The geometry of FINN's side."""
        return self.finn_geometry or self.geometry

    @property
    def finn_folding(self) -> tuple[int, int]:
        """SIMD and PE of FINN's MVAU or VVAU."""
        return self.finn_simd or self.finn.simd, self.finn.pe

    @property
    def steps(self) -> int:
        """Thresholds per channel, 0 for none."""
        return 0 if self.thresholds is None else self.thresholds.shape[1]

    def datapath(self) -> Datapath:
        """The layer's arithmetic with the narrowest output datatype."""
        wide = self._with_accumulators()
        low, high = wide.accumulator_range
        narrow = (0, self.steps) if self.steps else (int(low.min()), int(high.max()))
        return replace(wide, output_datatype=smallest_datatype(*narrow), thresholds=self.thresholds)

    def _with_accumulators(self) -> Datapath:
        """The layer's arithmetic without activation."""
        return Datapath(
            self.geometry, self.input_datatype, self.weight_datatype,
            DataType["INT62"], self.weights, xnor=self.xnor,
        )  # fmt: skip

    def with_random_thresholds(self, steps: int, seed: int = 0) -> Layer:
        """The layer with `steps` random thresholds per channel in place of its own, 0 for none.

        Each channel's lie in the range of its accumulators, so that a lowest and a highest output exist, and
        differ if that range holds so many.
        """
        if steps == 0:
            return replace(self, thresholds=None)
        rng = np.random.default_rng(seed)
        thresholds = [
            np.sort(low + 1 + rng.choice(high - low, steps, replace=high - low < steps))
            if high > low
            else np.full(steps, high)
            for low, high in zip(*self._with_accumulators().accumulator_range)
        ]
        return replace(self, thresholds=np.stack(thresholds))

    @property
    def bits(self) -> str:
        """Activation x weight bits, e.g. "2x1"."""
        return f"{self.input_datatype.bitwidth()}x{self.weight_datatype.bitwidth()}"


def layers_of_model(model: Any, pairs: Sequence[PairReport] = (), as_built: bool = False) -> list[Layer]:
    """The layers of all IMECConv nodes of a QONNX model, after its pairs are swapped, with their thresholds.

    In a model without such nodes MVAUs alone are swapped, too, where that saves.

    as_built: FINN's side has the folding of the pair that became the node, where this is known: of pairs that
    this function swaps, and of `pairs`; a VVAU with SIMD > 1, which is not counted, has IMECConv's. Both
    sides have the node's resType. Without it, both sides have IMECConv's folding and the default resType.

    Nodes whose windows are pixels were MVAUs or VVAUs alone, and are compared with these.

    Raises ModelError with the reasons if there is neither an IMECConv nor a pair that can be swapped.
    """
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.custom_op import imec_nodes
    from finn_imec.transformation.infer_imec_conv import swapped

    model, report = swapped(model, pointwise=not imec_nodes(model))
    known = {pair.imecconv: pair for pair in (*pairs, *report) if pair.swapped and as_built}
    layers = []
    for node in imec_nodes(model):
        inst = getCustomOp(node)
        layers.append(
            Layer(
                node.name,
                inst.geometry,
                inst.get_input_datatype(0),
                inst.get_input_datatype(1),
                whole_numbers(model.get_initializer(node.input[1]), f"weights of {node.name}"),
                bool(inst.get_nodeattr("binaryXnorMode")),
                thresholds=(
                    None if inst.get_nodeattr("noActivation") else model.get_initializer(node.input[2])
                ),
                res_type=inst.get_nodeattr("resType") if as_built else "auto",
                alone=inst.geometry.pointwise,
                **_finn_side(inst.geometry, known.get(node.name)),
            )
        )
    return layers


def _finn_side(geometry: ConvGeometry, pair: PairReport | None) -> dict[str, Any]:
    """finn_geometry and finn_simd of a Layer, from the pair that it was."""
    if pair is None or pair.folding_before is None:
        return {}
    simd, pe = pair.folding_before
    if geometry.depthwise and simd > 1:
        return {}
    if pair.whole_windows or geometry.depthwise:
        return {"finn_geometry": geometry.with_folding(simd, pe)}
    word = pair.generator_simd or geometry.simd_in
    if (simd, pe, word) == (geometry.simd, geometry.pe, geometry.simd_in) and not geometry.parallel_window:
        return {}
    # FINN's FMPadding has the generator's words here, whatever it has in the build.
    return {"finn_geometry": geometry.with_folding(1, pe, word), "finn_simd": simd}


def random_layer(
    name: str,
    geometry: ConvGeometry,
    input_datatype: str,
    weight_datatype: str,
    seed: int = 0,
    full_range: bool = False,
) -> Layer:
    """A layer with random weights, without the most negative value of a signed type unless full_range.

    Quantized training gives such weights (Brevitas' narrow_range), and mvu.sv packs more of them in a DSP.
    """
    idt, wdt = DataType[input_datatype], DataType[weight_datatype]
    weights = random_values(wdt, (geometry.mw, geometry.mh), np.random.default_rng(seed))
    if wdt.signed() and not full_range:
        weights = np.maximum(weights, -int(wdt.max()))
    return Layer(name, geometry, idt, wdt, weights)


def default_core(layer: Layer) -> str:
    """FINN's MAC core for a layer: its res_type; "auto" is "dsp" for operands of at least DSP_BITS bits.

    Depthwise layers are always "lut", because FINN's VVAU has DSPs on Versal only, and so are one-bit
    operands.
    """
    narrow = min(layer.input_datatype.bitwidth(), layer.weight_datatype.bitwidth())
    if layer.geometry.depthwise or narrow < 2 or layer.res_type == "lut":
        return "lut"
    return "dsp" if layer.res_type == "dsp" or narrow >= DSP_BITS else "lut"


def counted_block(part: str) -> str:
    """The DSP slice of a part whose family Yosys maps to; UnsupportedError for Versal."""
    block = dsp_block(part)
    if block not in COUNTED_BLOCKS:
        raise UnsupportedError(
            f"part={part!r} has {block}: accepted are parts of 7-series, UltraScale and UltraScale+, "
            "for which Yosys synthesizes"
        )
    return block


def generate_both(
    layer: Layer, core: str, folder: Path, clock_ns: float = CLOCK_NS, part: str = FPGA_PART
) -> tuple[FinnPair, ImecSide]:
    """RTL of both sides of a layer below `folder`: FINN's pair with this core, and IMECConv for this clock.

    core: resType of both, "dsp" or "lut". Raises UnsupportedError for a part of Versal.
    """
    block = counted_block(part)
    bipolar = DataType["BIPOLAR"]
    types = (bipolar, bipolar) if layer.xnor else (layer.input_datatype, layer.weight_datatype)
    weights = 2 * layer.weights - 1 if layer.xnor else layer.weights
    folder.mkdir(parents=True, exist_ok=True)
    pair = finn_pair.generate(
        folder / "finn", layer.finn, *types, weights, core=core, finn_simd=layer.finn_simd,
        thresholds=layer.thresholds, alone=layer.alone,
    )  # fmt: skip
    if core == "dsp":
        _choose_version(pair, DSP_BLOCKS[block].version)
    return pair, generate_imec(layer, core, folder / "imec", clock_ns, part)


def _choose_version(pair: FinnPair, version: int) -> None:
    """Give FINN's MVAU, generated for 7-series, the core of another DSP slice, as generation by part does."""
    for source in pair.design.sources:
        text = source.read_text()
        chosen = re.sub(r"(\bparameter\s+VERSION = )1\b", rf"\g<1>{version}", text)
        if chosen != text:
            source.write_text(chosen)


def generate_imec(
    layer: Layer, core: str, folder: Path, clock_ns: float = CLOCK_NS, part: str = FPGA_PART
) -> ImecSide:
    """RTL of IMECConv below `folder`, with the registers that this clock needs and the part's DSP slices."""
    g = replace(layer.geometry, buffer_style="distributed")
    path = replace(layer.datapath(), geometry=g, res_type=core, dsp_block=dsp_block(part))
    path = replace(path, pipeline=pipeline_for(path.structure, clock_ns))
    design = ImecRtl("imecconv", path).generate(folder)
    parts = {"core": "conv*.mac"} | ({"activation": "conv*.threshold"} if layer.steps > 1 else {})
    return ImecSide(design, parts, path.structure.output_bits, path.pipeline)


def simulate_both(layer: Layer, pair: FinnPair, imec: ImecSide) -> dict[str, dict[str, float]]:
    """{finn: {...}, imec: {...}} of a layer: steady-state cycles and kilocycles_per_second.

    Both sides run FRAMES back-to-back frames in Verilator, unstalled; every output is checked
    against plain convolution and thresholds. Raises SimulationError naming the side with a wrong output.
    """
    datapath, g = layer.datapath(), layer.geometry
    ifm = random_values(
        layer.input_datatype, (FRAMES, *g.input_dim, g.ifm_channels), np.random.default_rng(1)
    )
    ofm, runs_ahead = reference(datapath, ifm), Arrivals(g).runs_ahead
    sides = {}
    for side, of, bits, g in (
        ("finn", pair.design, pair.out_bits, layer.finn),
        ("imec", imec.design, imec.out_bits, layer.geometry),
    ):
        words = encode(ifm, layer.input_datatype, g.simd_in)
        expected, words_per_frame = ofm.reshape(-1, g.pe), g.windows * g.nf
        model = build([of])
        stimulus = Stimulus(
            {"in0_V": words}, {"out0_V": len(expected)}, timeout=20_000, allow_extra=runs_ahead
        )
        result = model.run([stimulus])[0]
        out = result.outputs["out0_V"][:, : round_up_to_bytes(g.pe * bits) // 8]
        signed = bool(datapath.output_datatype.signed())
        if (unpack(out, g.pe, bits, signed) != expected).any():
            raise SimulationError(f"{side} output differs from plain convolution")
        last = result.output_cycle["out0_V"][words_per_frame - 1 :: words_per_frame]
        sides[side] = {
            "cycles": int(last[-1] - last[-2]),
            "kilocycles_per_second": model.kilocycles_per_second,
        }
    return sides


def compare_layer(
    layer: Layer,
    core: str = "auto",
    flows: Sequence[str] = FLOWS,
    clock_ns: float = CLOCK_NS,
    routed: bool = False,
    stage: Callable[[str], None] = lambda name: None,
    part: str = FPGA_PART,
    compressor: Path | None = None,
) -> Row:
    """Both sides of one layer, resources by Yosys and cycles by Verilator; see simulate_both.

    core: resType of both, "dsp", "lut" or "auto" (default_core). clock_ns: period to meet, by the model of
    `timing`: IMECConv has the registers that it needs for it, and of each side's flows the one with fewest
    LUTs that meets it counts, or the one with fewest LUTs if none does. routed: place and route both sides,
    too, see place. stage: called with the name of what starts. part: of 7-series, or of UltraScale and
    UltraScale+, of which fewest LUTs count. The line buffers of both sides are in LUT memory, weights where
    each side's own rule puts them. compressor: checkout of FINN whose compressor tree is FINN's LUT core, see
    with_compressor_core; layers that have none raise its errors.
    """
    core = default_core(layer) if core == "auto" else core
    if routed:
        check_core(core)
    with tempfile.TemporaryDirectory() as folder:
        pair, conv = generate_both(layer, core, Path(folder), clock_ns, part)
        if compressor is not None:
            if dsp_block(part) != "DSP48E1":
                raise UnsupportedError(
                    f"FINN's compressor tree: accepted are parts of 7-series, not {part!r}"
                )
            pair = with_compressor_core(pair, compressor)
        # Keep a LUT core in LUTs: no DSP for a multiplier written with *.
        stage("FINN's side in Yosys")
        finn = _resources(pair, flows, core == "dsp", clock_ns, part)
        stage("IMECConv in Yosys")
        imec = _resources(conv, flows, core == "dsp", clock_ns, part)
        stage("simulation of both")
        measured = simulate_both(layer, pair, conv)
        if routed:
            stage("place and route of both")
        clocks = place_both(pair, conv) if routed else {}
    mhz = {side: clock.median_mhz for side, clock in clocks.items()}
    cycles = {side: int(figures["cycles"]) for side, figures in measured.items()}
    return Row(
        layer.name,
        layer.bits,
        layer.geometry.simd,
        layer.geometry.pe,
        core,
        conv.pipeline,
        layer.steps,
        Side(**finn, cycles=cycles["finn"], routed_mhz=mhz.get("finn")),
        Side(**imec, cycles=cycles["imec"], routed_mhz=mhz.get("imec")),
        clock_ns=clock_ns,
        code=code_digest(),
        finn_folding=layer.finn_folding,
        part=part,
        finn_core="" if compressor is None else "compressor",
    )


def place_both(pair: FinnPair, imec: ImecSide) -> dict[str, Routed]:
    """{finn: .., imec: ..}: both sides placed and routed on one ECP5."""
    generic = replace(imec.design, parameters={**imec.design.parameters, "PRIMITIVES": 1})
    return place({"finn": pair.design, "imec": generic})


def _resources(
    side: FinnPair | ImecSide, flows: Sequence[str], dsp: bool, clock_ns: float, part: str
) -> dict[str, Any]:
    """All figures of a Side except cycles: of the flow with fewest LUTs that meets the clock, or of all."""
    options = {"parts": side.parts, "flows": tuple(flows), "dsp": dsp}
    if dsp_block(part) == "DSP48E2":
        counted = ultrascale.count(side.design, **options)
    else:
        fast, smallest = (yosys.count(side.design, clock_ns=clock, **options) for clock in (clock_ns, None))
        counted = fast if fast["period_ns"] <= clock_ns else smallest
    parts = {f"{part}_{key}": counted[part][key] for part in PARTS if part in counted for key in PART_FIGURES}
    timed = ("ff_absorbable", "period_ns", "path", "lut_by_flow") if "period_ns" in counted else ()
    modeled = {key: counted[key] for key in timed}
    return {**{key: counted[key] for key in FIGURES}, **parts, **modeled}


def compare(
    layers: Sequence[Layer],
    core: str = "auto",
    flows: Sequence[str] = FLOWS,
    jobs: int = 2,
    progress: Callable[[str], None] | None = None,
    clock_ns: float = CLOCK_NS,
    routed: bool = False,
    stage: Callable[[str], None] | None = None,
    executor: Executor | None = None,
    part: str = FPGA_PART,
    compressor: Path | None = None,
    refused: dict[str, str] | None = None,
) -> list[Row]:
    """compare_layer for each layer, in order: `jobs` in parallel here, or all that `executor` runs.

    progress gets each finished name, stage what starts here, with the layer's name. refused: gets the
    reasons, by name, why layers are not counted whose error is an UnsupportedError, unless it is that of all;
    without it the first such error is raised.
    """
    here = stage if executor is None else None
    options = {"core": core, "flows": flows, "clock_ns": clock_ns, "routed": routed, "part": part}
    options["compressor"] = compressor
    one = partial(_row_or_reason, stage=here, **options)

    def finished(index: int, row: Row | UnsupportedError) -> None:
        if refused is None and isinstance(row, UnsupportedError):
            raise row
        if progress:
            progress(layers[index].name)

    # Threads do: the work is in processes of Yosys and Verilator.
    with nullcontext(executor) if executor else ThreadPoolExecutor(jobs) as pool:
        results = each(one, layers, pool, finished)
    reasons = {layer.name: r for layer, r in zip(layers, results) if isinstance(r, UnsupportedError)}
    rows = [row for row in results if isinstance(row, Row)]
    if reasons and not rows:
        raise next(iter(reasons.values()))
    if refused is not None:
        refused |= {name: str(err).removeprefix(f"{name}: ") for name, err in reasons.items()}
    return rows


def _row_or_reason(layer: Layer, **options: Any) -> Row | UnsupportedError:
    """_compare_named, or what it cannot count."""
    try:
        return _compare_named(layer, **options)
    except UnsupportedError as err:
        return err


def _compare_named(layer: Layer, *, stage: Callable[[str], None] | None, **options: Any) -> Row:
    """compare_layer; its errors name the layer, and so do its stages."""

    def started(name: str) -> None:
        if stage:
            stage(f"{layer.name}, {name}")

    try:
        return compare_layer(layer, **options, stage=started)
    except ImecError as err:
        raise type(err)(f"{layer.name}: {err}") from err
