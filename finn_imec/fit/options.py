"""How each node of a graph can be built: its foldings and memory styles, with cycles and estimates.

IMECConv, FINN's pairs and its MVAUs and VVAUs alone are estimated by finn_imec.layer, fitted to counts; other
nodes of FINN by their own methods. Where these know no LUTs, as of pooling, and for flip-flops, of which FINN
knows none, PORTS counts what streams in and out need. Each stream has a FIFO of FINN's least depth.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import ceil, gcd, prod
from typing import Any

import numpy as np
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from finn_imec.compat.finn import dsp_block
from finn_imec.fit.parts import BUDGETED
from finn_imec.fit.solver import Option, Vector, pareto
from finn_imec.layer.clock import period_ns, pipeline_for
from finn_imec.layer.core import Operand
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.pair_cycles import pair_cycles
from finn_imec.layer.pair_estimate import PairEstimate, converter
from finn_imec.layer.structure import Structure
from finn_imec.layer.units import storage
from finn_imec.transformation.pair import Pair
from finn_imec.util.onnx_model import constant

#: LUTs and flip-flops of a FIFO of depth 2 besides one for each bit, counted: 17 and 13 for 8 bits, 25 and 21
#: for 16, 41 and 37 for 32, 73 and 69 for 64.
FIFO_LUTS, FIFO_FFS = 9, 5
#: LUTs and flip-flops of a node of which FINN knows none, besides one for each bit of its streams: within 7 %
#: of two pooling nodes that were counted.
PORT_LUTS, PORT_FFS = 40, 80
#: Most bits of a stream in Vitis HLS.
HLS_BITS = 8191
#: Attributes by which FINN folds its nodes.
FOLDED_BY = ("PE", "SIMD")
STYLES = ("distributed", "block")
#: Part of its LUTs by which an option must be smaller than another that is as good otherwise: estimates are
#: much further off.
NEGLIGIBLE = 0.02
#: IMECConv's memories: line buffer, weights, searched thresholds.
IMEC_STYLES = ("buffer_ram_style", "ram_style", "ram_style_thresholds")


def vector(resources: Mapping[str, float]) -> Vector:
    """Resources in the order of a budget."""
    return tuple(resources[key] for key in BUDGETED)


def fifo(bits: int) -> Vector:
    """Resources of FINN's FIFO of the least depth."""
    return (bits + FIFO_LUTS, bits + FIFO_FFS, 0, 0, 0)


def width_converter(given: int, taken: int) -> Vector:
    """Resources of FINN's converter from words of `given` to words of `taken` bits, and of a second FIFO.

    If no width divides the other, there are two, with words of the least common multiple in between.
    """
    middle = given * taken // gcd(given, taken)
    widths = [pair for pair in ((given, middle), (middle, taken)) if pair[0] != pair[1]]
    return added(*((*converter(*pair), 0, 0, 0) for pair in widths), fifo(taken))


def added(*vectors: Vector) -> Vector:
    """The sum of resources."""
    return tuple(map(sum, zip(*vectors)))


def option(
    cycles: int,
    resources: Vector,
    words: Mapping[str, int],
    outputs: Mapping[str, int],
    attributes: Mapping[str, Mapping[str, Any]],
) -> Option:
    """An option with the FIFOs of its outputs; outputs: bits of a word of each."""
    return Option(int(cycles), added(resources, *map(fifo, outputs.values())), words, attributes)


# ---- IMECConv -----------------------------------------------------------------------------------


class ImecNode:
    """An IMECConv as a maker of options."""

    def __init__(self, model: ModelWrapper, node: NodeProto, part: str, clock_ns: float, uram: bool) -> None:
        inst = getCustomOp(node)
        self.name, self.source, self.target = node.name, node.input[0], node.output[0]
        self.clock_ns, self.uram = clock_ns, uram
        self.path = replace(inst.constant_datapath(model), dsp_block=dsp_block(part))
        self.mode, self.pipeline = inst.get_nodeattr("mem_mode"), inst.get_nodeattr("pipeline")
        self.given = {name: inst.get_nodeattr(name) for name in ("resType", *IMEC_STYLES)}
        self.in_bits, self.out_bits = (
            datatype.bitwidth() for datatype in (inst.get_input_datatype(0), inst.get_output_datatype())
        )
        self.movable = constant(model, node.input[1]) is not None
        self.bits = {self.source: self.in_bits, self.target: self.out_bits}

    def structure(self, geometry: ConvGeometry, res_type: str) -> Structure:
        """Of the node at a folding, with memories chosen automatically."""
        geometry = replace(geometry, buffer_style="auto")
        of: Structure = replace(self.path, geometry=geometry, res_type=res_type).structure
        return replace(of, mem_mode=self.mode)

    def styled(self, structure: Structure, styles: Mapping[str, str]) -> Structure:
        """The structure with these memories, and the registers that the clock needs."""
        ring, weights, thresholds = (styles[name] for name in IMEC_STYLES)
        structure = replace(
            structure,
            geometry=replace(structure.geometry, buffer_style=ring),
            ram_style=weights,
            ram_style_thresholds=thresholds,
        )
        level = pipeline_for(structure, self.clock_ns) if self.pipeline < 0 else self.pipeline
        return replace(structure, pipeline=level)

    def option(self, structure: Structure, cycles: int, res_type: str, styles: Mapping[str, str]) -> Option:
        """The option of a structure."""
        g = structure.geometry
        attributes = {"SIMD": g.simd, "PE": g.pe, "SIMD_in": g.simd_in, "resType": res_type, **styles}
        resources = vector(Estimate(structure).resources)
        words, outputs = {self.source: g.simd_in, self.target: g.pe}, {self.target: g.pe * self.out_bits}
        return option(cycles, resources, words, outputs, {self.name: attributes})

    def multipliers(self) -> list[str]:
        """resType values that make a difference."""
        unfolded = replace(self.path, geometry=self.path.geometry.with_folding(1, 1, 0), res_type="dsp")
        return ["lut", "dsp"] if unfolded.core.packing else ["lut"]

    def timely(self, found: Mapping[Option, Structure]) -> Mapping[Option, Structure]:
        """Those that are expected to meet the clock; all of them if none is."""
        fast = {option: each for option, each in found.items() if period_ns(each)[0] <= self.clock_ns}
        return fast or found

    def styles(self, structure: Structure) -> Iterator[dict[str, str]]:
        """Memory styles to try."""
        weights = ("auto",) if self.mode == "external" else STYLES
        buffers = (*STYLES, "ultra") if self.uram else STYLES
        thresholds = ("auto", *STYLES) if structure.search else ("auto",)
        for values in product(buffers, weights, thresholds):
            yield dict(zip(IMEC_STYLES, values, strict=True))


def imec_options(
    model: ModelWrapper, node: NodeProto, part: str, clock_ns: float, uram: bool, fixed: bool = False
) -> list[Option]:
    """Of an IMECConv: legal foldings, multipliers in LUTs or DSP slices, memory styles, words of its input.

    Foldings that another beats in multiplications per cycle and in LUTs and blocks, with memories chosen
    automatically, are left out before the styles are tried, and these before the words. So are those that are
    not expected to meet the clock, unless all are. A node whose weights come from another node keeps its
    folding. fixed: only what the node is now.
    """
    maker = ImecNode(model, node, part, clock_ns, uram)
    geometry, given = maker.path.geometry, maker.given
    if fixed:
        styles = {name: given[name] for name in IMEC_STYLES}
        now = maker.styled(maker.structure(geometry, given["resType"]), styles)
        return [maker.option(now, storage(now.geometry).cycles_per_frame, given["resType"], styles)]
    foldings = geometry.legal_foldings() if maker.movable else [(geometry.simd, geometry.pe)]
    automatic = dict.fromkeys(IMEC_STYLES, "auto")
    coarse: dict[Option, Structure] = {}
    for res_type in maker.multipliers():
        for simd, pe in foldings:
            built = maker.styled(maker.structure(geometry.with_folding(simd, pe, 0), res_type), automatic)
            made = maker.option(built, built.geometry.compute_cycles, res_type, automatic)
            coarse[replace(made, words={maker.target: pe})] = built
    styled: dict[Option, Structure] = {}
    for before in lean(list(maker.timely(coarse)), maker.bits):
        built, res_type = coarse[before], before.attributes[node.name]["resType"]
        for styles in maker.styles(built):
            chosen = maker.styled(built, styles)
            made = maker.option(chosen, chosen.geometry.compute_cycles, res_type, styles)
            styled[replace(made, words=before.words)] = chosen
    options: list[Option] = []
    cycles: dict[ConvGeometry, int] = {}
    for before in lean(list(maker.timely(styled)), maker.bits):
        chosen, attributes = styled[before], before.attributes[node.name]
        g, styles = chosen.geometry, {name: attributes[name] for name in IMEC_STYLES}
        pixels = prod(g.input_dim) * g.ifm_channels
        for word in divisors(g.ifm_channels):
            if pixels // word > g.compute_cycles and word != g.ifm_channels:
                continue  # the input would be the slower side
            moved = g.with_folding(g.simd, g.pe, word)
            same = g.with_folding(g.simd, g.pe, gcd(g.word_channels, word))  # takes as many cycles
            if same not in cycles:
                cycles[same] = storage(moved).cycles_per_frame
            structure = replace(chosen, geometry=moved)
            options.append(maker.option(structure, cycles[same], attributes["resType"], styles))
    return lean(options, maker.bits)


def lean(options: Sequence[Option], bits: Mapping[str, int]) -> list[Option]:
    """The options that no other beats, also with a width converter that gives it the same words.

    Fewer LUTs count only beyond NEGLIGIBLE of them. bits: of an element of each tensor, the output last.
    """
    compared = np.array([_compared(option) for option in options], dtype=float)
    kept: list[int] = []
    converters: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
    for i in np.lexsort((np.arange(len(options)), compared.sum(axis=1))):
        words = tuple(options[i].words.values())
        extra = np.zeros((len(kept), compared.shape[1]))
        for row, other in enumerate(kept):
            key = words, tuple(options[other].words.values())
            if key not in converters:
                converters[key] = _conversion(options[i].words, options[other].words, bits)[0]
            extra[row, 1] = converters[key]
        allowed = compared[i] * (1, 1 + NEGLIGIBLE, 1, 1, 1, 1)
        if not (compared[kept] + extra <= allowed).all(axis=1).any():
            kept.append(int(i))
    return [options[i] for i in sorted(kept)]


def _compared(option: Option) -> Vector:
    """Cycles and resources by which options are compared.

    A part has two flip-flops for each LUT, so that only those beyond two for each LUT can be what is missing.
    """
    luts, ffs, *blocks = option.resources
    return (option.cycles, luts, max(0, ffs - 2 * luts), *blocks)


def _conversion(wanted: Mapping[str, int], there: Mapping[str, int], bits: Mapping[str, int]) -> Vector:
    """Converters that make the words of an option those of another; the last tensor is the output."""
    total: Vector = (0,) * len(BUDGETED)
    last = list(bits)[-1]
    for tensor, width in bits.items():
        if tensor in wanted and wanted[tensor] != there[tensor]:
            ends = (there, wanted) if tensor == last else (wanted, there)
            given, taken = (side[tensor] * width for side in ends)
            total = added(total, width_converter(given, taken))
    return total


# ---- FINN's pairs, and its MVAUs and VVAUs alone ------------------------------------------------


def pair_options(pair: Pair, fixed: bool = False) -> list[Option]:
    """Of a pair that stays, or of an MVAU or VVAU alone: foldings, and styles of its memories.

    The generator has the words of the MVAU if they divide its pixels, else a pixel for each word. A unit
    whose weights come from another node keeps its folding. fixed: only what it is now.
    """
    unit, estimate, layer = pair.insts[2], pair.estimate, pair.geometry
    node, bits = pair.matrix_unit, unit.get_output_datatype().bitwidth()
    source, target = pair.insts[0].onnx_node.input[0], node.output[0]

    def built(cycles: int, each: PairEstimate, attributes: Mapping[str, Mapping[str, Any]]) -> Option:
        word = each.layer.simd_in
        words, outputs = {source: word, target: each.pe}, {target: each.pe * bits}
        return option(cycles, vector(each.resources), words, outputs, attributes)

    if fixed:
        return [built(pair.cycles, estimate, {})]
    kept = constant(pair.model, node.input[1]) is None
    foldings = [pair.folding] if kept else list(_unit_foldings(layer, node, estimate.weight.bits))
    streamed = unit.get_nodeattr("mem_mode") == "internal_decoupled"
    rings = STYLES if pair.generator is not node and layer.kernel != (1, 1) else (estimate.ring_style,)
    options = []
    for simd, pe in foldings:
        word = _word(layer, simd, pe) if pair.generator is not node else pe if layer.depthwise else simd
        folded = replace(layer, simd_in=word)
        cycles = _pair_cycles(pair, folded, simd, pe, word)
        for ring, weights in product(rings, STYLES if streamed else (estimate.weight_style,)):
            each = replace(
                estimate, layer=folded, simd=simd, pe=pe, word=word, ring_style=ring, weight_style=weights
            )
            attributes = {node.name: {"SIMD": simd, "PE": pe, "ram_style": weights}}
            if pair.generator is not node:
                attributes[pair.generator.name] = {"SIMD": word, "ram_style": ring}
            if pair.fmpadding is not None:
                attributes[pair.fmpadding.name] = {"SIMD": word}
            options.append(built(cycles, each, attributes))
    return pareto(options)


def _unit_foldings(layer: ConvGeometry, node: NodeProto, weight_bits: int) -> Iterator[tuple[int, int]]:
    """(SIMD, PE) of an MVAU or VVAU. FINN's VVAU reads several pixels at once only of all channels."""
    for simd, pe in product(divisors(layer.mw), divisors(layer.mh)):
        if layer.depthwise and simd > 1:
            continue
        if node.op_type.endswith("_hls") and simd * pe * weight_bits > HLS_BITS:
            continue
        yield simd, pe


def _word(layer: ConvGeometry, simd: int, pe: int) -> int:
    """Channels per word of the generator."""
    if layer.depthwise:
        return pe
    return simd if layer.ifm_channels % simd == 0 else layer.ifm_channels


def _pair_cycles(pair: Pair, layer: ConvGeometry, simd: int, pe: int, word: int) -> int:
    compute = layer.windows * (layer.mw // simd) * (layer.mh // pe)
    if pair.generator is pair.matrix_unit:
        return compute
    stepped = pair_cycles(layer, simd, pe, word, False)
    reads = max(prod(layer.ifm_dim), layer.windows * prod(layer.kernel)) * layer.ifm_channels // word
    return max(compute, reads) if stepped is None else stepped


# ---- other nodes of FINN ------------------------------------------------------------------------


def thresholding_resources(inst: Any) -> Vector:
    """Resources of FINN's Thresholding alone, by the part of a pair's estimate that is of thresholds."""
    pe, channels = inst.get_nodeattr("PE"), inst.get_nodeattr("NumChannels")
    operand = Operand(max(2, inst.get_input_datatype(0).bitwidth()), True, False)
    steps = inst.get_output_datatype().get_num_possible_values() - 1
    layer = ConvGeometry((1, 1), (1, 1), channels, channels)
    each = PairEstimate(
        layer, channels, pe, channels, operand, operand, operand.bits, steps,
        "lut", generator=False, streamed=True,
    )  # fmt: skip
    return (*each.thresholding, each.bram18, 0, 0)


def finn_options(nodes: list[NodeProto], part: str, fixed: bool = False) -> list[Option]:
    """Of one node of FINN, or of a generator and the pooling that reads its words, which are folded alike.

    Foldings are the divisors of the channels that the nodes take, by what their methods then say.
    fixed: only what they are now.
    """
    first, last = nodes[0], nodes[-1]
    folded = [name for name in FOLDED_BY if any(name in _types(node) for node in nodes)]
    values: Iterable[int | None] = [None]
    if folded and not fixed:
        values = divisors(int(getCustomOp(first).get_normal_input_shape()[-1]))
    styles: Iterable[str | None] = [None]
    if not fixed and first.op_type.startswith("ConvolutionInputGenerator"):
        styles = STYLES
    options = []
    for value, style in product(values, styles):
        twins, attributes = [], {}
        for node in nodes:
            twin = copy.deepcopy(node)
            chosen: dict[str, Any] = {name: value for name in folded if value and name in _types(node)}
            if style and "ram_style" in _types(node):
                chosen["ram_style"] = style
            for name, setting in chosen.items():
                getCustomOp(twin).set_nodeattr(name, setting)
            twins.append(twin)
            attributes[node.name] = chosen
        insts = [getCustomOp(twin) for twin in twins]
        if not fixed and not all(map(_is_legal, insts)):
            continue
        words, outputs = {}, {}
        for i, tensor in enumerate(first.input):
            if _streams(insts[0], i):
                words[tensor] = int(insts[0].get_folded_input_shape(i)[-1])
        for i, tensor in enumerate(last.output):
            words[tensor] = int(insts[-1].get_folded_output_shape(i)[-1])
            outputs[tensor] = int(insts[-1].get_outstream_width(i))
        cycles = max(int(inst.get_exp_cycles()) for inst in insts)
        resources = added(*(finn_resources(inst, part) for inst in insts))
        options.append(option(cycles, resources, words, outputs, {k: v for k, v in attributes.items() if v}))
    return pareto(options)


def finn_resources(inst: Any, part: str) -> Vector:
    """Resources of a node of FINN, by its own methods where they know."""
    if inst.onnx_node.op_type.startswith("Thresholding"):
        return thresholding_resources(inst)
    estimates: list[Callable[[str], float]] = [
        getattr(inst, f"{name}_estimation") for name in ("lut", "bram", "uram", "dsp")
    ]
    luts, bram, uram, dsp = (ceil(estimate(part)) for estimate in estimates)
    streams = range(len(inst.onnx_node.input))
    ports = sum(int(inst.get_instream_width(i)) for i in streams if _streams(inst, i))
    ports += sum(int(inst.get_outstream_width(i)) for i in range(len(inst.onnx_node.output)))
    return (luts or PORT_LUTS + ports, PORT_FFS + ports, bram, uram, dsp)


def _streams(inst: Any, index: int) -> bool:
    """True if an input is a stream of activations."""
    try:
        return bool(inst.get_instream_width(index)) and len(inst.get_folded_input_shape(index)) > 0
    except Exception:  # of any type: nodes do not say which inputs they have
        return False


def _is_legal(inst: Any) -> bool:
    """True if a folding divides the node's tensors, by its own methods."""
    try:
        sides = [(inst.get_folded_input_shape(), inst.get_normal_input_shape())]
        sides.append((inst.get_folded_output_shape(), inst.get_normal_output_shape()))
        return all(prod(words) == prod(shape) and all(words) for words, shape in sides)
    except Exception:  # of any type: FINN's nodes assert
        return False


def _types(node: NodeProto) -> Mapping[str, Any]:
    return getCustomOp(node).get_nodeattr_types()  # type: ignore[no-any-return]
