"""[FMPadding +] ConvolutionInputGenerator + MVAU or VVAU [+ Thresholding] -> IMECConv."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import prod

from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames

from finn_imec.compat.finn import CLOCK_NS, dsp_block
from finn_imec.custom_op import imec_nodes, register
from finn_imec.layer.core import DEFAULT_DSP_BLOCK
from finn_imec.layer.storage import FULL_SPEED
from finn_imec.transformation.block_ram import MEMORIES, cheapest, moves
from finn_imec.transformation.pair import MATRIX_UNITS, SAVING, MatrixUnit, NotEligible, Pair, lone_units
from finn_imec.util.deprecation import renamed_argument
from finn_imec.util.errors import ModelError, one_line
from finn_imec.util.onnx_model import check_no_ring, transformed

#: Most cycles of an IMECConv relative to its pair's: part of the line buffer is refilled between two frames,
#: which FINN's pair hides during the replay of its last window.
CYCLE_TOLERANCE = 1.02


@dataclass(frozen=True)
class PairReport:
    """The outcome for one sliding window unit: its pair's names, and the new node or the reason.

    Of an MVAU without such a unit, swg is None.

    folding_before, folding_after: [SIMD, PE] of the MVAU or VVAU and of the new node, also its simd and pe.
    multipliers_before, multipliers_after: their products. refolded: whether they differ; why_refolded: why.
    pair_cycles: cycles per frame of the pair; cycles: exact, of the new node. finn, imec: estimated resources
    (lut, ff, memory, bram18, uram, dsp; memory: LUTs used as memory) of the pair, its thresholds included,
    and of the new node. fmpadding: the FMPadding that the new node also replaces; padding_reason: why an
    FMPadding stays. thresholding, thresholding_reason: likewise of a Thresholding behind the pair, whose
    resources finn has if it is replaced. whole_windows, generator_simd: parallel_window and SIMD of its
    generator. in_luts: memories of the new node that are in LUTs to save block RAM. None is what is not
    known, as of a pair that stays.
    """

    swg: str | None
    mvau: str | None
    imecconv: str | None
    reason: str | None
    simd: int | None = None
    pe: int | None = None
    refolded: bool = False
    pair_cycles: int | None = None
    cycles: int | None = None
    fmpadding: str | None = None
    padding_reason: str | None = None
    folding_before: list[int] | None = None
    folding_after: list[int] | None = None
    multipliers_before: int | None = None
    multipliers_after: int | None = None
    why_refolded: str | None = None
    finn: dict[str, int] | None = None
    imec: dict[str, int] | None = None
    whole_windows: bool = False
    generator_simd: int | None = None
    thresholding: str | None = None
    thresholding_reason: str | None = None
    in_luts: list[str] = field(default_factory=list)

    @property
    def swapped(self) -> bool:
        """True if the pair became an IMECConv."""
        return self.imecconv is not None

    def __str__(self) -> str:
        names = (self.fmpadding, self.swg, self.mvau, self.thresholding)
        pair = " + ".join(name for name in names if name)
        if not self.swapped:
            return f"{pair}: left as it is, {self.reason}"
        note = ""
        if self.refolded:
            simd, pe = self.folding_before or ("?", "?")
            note = f", refolded from SIMD={simd}, PE={pe}: {self.why_refolded}"
        if self.in_luts:
            note += f"; {' and '.join(self.in_luts)} in LUTs, to save block RAM"
        stays = "".join(f"; {line}" for line in self.stays)
        return f"{pair}: swapped for {self.imecconv} (SIMD={self.simd}, PE={self.pe}{note}){stays}"

    @property
    def stays(self) -> tuple[str, ...]:
        """What of a swapped pair's surroundings stays, and why."""
        reasons = {"padding": self.padding_reason, "thresholding": self.thresholding_reason}
        return tuple(f"the {what} stays, {why}" for what, why in reasons.items() if why)


class InferIMECConv(Transformation):
    """Swap each ConvolutionInputGenerator + MVAU (depthwise: VVAU) pair for one IMECConv.

    Accepts pairs that are abstract or specialized, folded or not, with or without a FIFO or data width
    converter in between, with or without parallel_window. A specialized pair becomes IMECConv_rtl. Keeps the
    MVAU's folding if IMECConv accepts it and takes at most cycle_tolerance times the pair's cycles. Else it
    takes the folding with the fewest multipliers that does so and costs no more than the pair, also where
    SIMD > C does not speed up a pair without parallel_window. Other pairs are not changed. A folding at which
    an IMECConv would need more than 1.003 times the cycles of the slowest pair gives way to another of no
    more multipliers, if one is fast enough and cycle_tolerance is not above the default. `report` then has
    one PairReport per ConvolutionInputGenerator.

    pointwise: an MVAU without a sliding window unit, of a fully connected layer or a 1x1 convolution, also
    becomes an IMECConv if that saves LUTs by both estimates, as does a VVAU with a 1x1 kernel; `report` then
    has one PairReport for each of these, too.

    absorb_thresholds: a standalone Thresholding behind the pair, or behind an MVAU alone, becomes the
    IMECConv's activation, unless other nodes need the accumulators, or IMECConv and Thresholding apart take
    fewer LUTs, block RAMs or DSPs by the estimates.

    Weights that do not change at run time become internal_embedded, the leanest mem_mode, whether the MVAU
    had them embedded or decoupled; writable and external ones keep their mode. Memories that an MVAU alone
    has in LUTs are in LUTs here, too, if the node would otherwise take more block RAM than the MVAU, and so
    takes no more LUTs.

    Where the new nodes together take more block RAM than what they replace, by the estimates, memories of
    style "auto" go into LUTs: those that cost the fewest LUTs, as long as the swap still saves LUTs and no
    node is more than 0.3 % slower than its pair for it.

    absorb_padding: the IMECConv also replaces an FMPadding before the pair, unless other nodes need its
    output. allow_larger: another folding may cost more LUTs or DSP slices than the pair, and the new nodes
    more block RAM. clock_ns, fpgapart: period and part of the estimates; without a part, its DSP slices are
    DSP48E1. keep: names of MVAUs and VVAUs alone that stay.
    """

    @renamed_argument("max_slowdown", "cycle_tolerance")
    def __init__(
        self,
        cycle_tolerance: float = CYCLE_TOLERANCE,
        absorb_padding: bool = True,
        allow_larger: bool = False,
        clock_ns: float = CLOCK_NS,
        pointwise: bool = True,
        fpgapart: str | None = None,
        absorb_thresholds: bool = True,
        keep: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.keep = keep
        self.dsp_block = dsp_block(fpgapart) if fpgapart else DEFAULT_DSP_BLOCK
        self.pointwise = pointwise
        self.absorb_thresholds = absorb_thresholds
        self.cycle_tolerance = cycle_tolerance
        self.absorb_padding = absorb_padding
        self.allow_larger = allow_larger
        self.clock_ns = clock_ns
        self.report: list[PairReport] = []
        self._frame = 0

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        check_no_ring(model.graph)
        generators = [n for n in model.graph.node if n.op_type.startswith("ConvolutionInputGenerator")]
        self._frame = self._slowest(model, generators) if self.cycle_tolerance <= CYCLE_TOLERANCE else 0
        self.report = [self._swap(model, generator, self._pair) for generator in generators]
        if self.pointwise:
            self.report += [self._swap(model, unit, self._unit) for unit in lone_units(model)]
        if any(pair.swapped for pair in self.report):
            before = {node.output[0]: node.name for node in imec_nodes(model)}
            model = model.transform(GiveUniqueNodeNames())
            now = {before[n.output[0]]: n.name for n in imec_nodes(model)}
            self.report = [
                replace(pair, imecconv=now.get(pair.imecconv, pair.imecconv)) for pair in self.report
            ]
            if not self.allow_larger:
                self._save_block_ram(model)
        return model, False

    def _save_block_ram(self, model: ModelWrapper) -> None:
        """Move memories to LUTs until the new nodes take no more block RAM than what they replace."""
        swapped = {pair.imecconv: pair for pair in self.report if pair.swapped}
        more = sum(pair.imec["bram18"] - pair.finn["bram18"] for pair in swapped.values())
        if more <= 0:
            return
        luts = int(sum(SAVING * pair.finn["lut"] - pair.imec["lut"] for pair in swapped.values()))
        insts = {name: getCustomOp(model.get_node_from_name(name)) for name in swapped}
        choices = []
        for name, pair in swapped.items():
            if pair.imec["bram18"]:
                before = insts[name].estimate_for(model, self.clock_ns)
                cycles = max(pair.cycles or 0, int(FULL_SPEED * (pair.pair_cycles or 0)))
                open_memories = [memory for memory in MEMORIES if insts[name].get_nodeattr(memory) == "auto"]
                choices.append(moves(name, open_memories, before, self.clock_ns, cycles))
        for move in cheapest(choices, more, luts):
            for attribute in move.attributes:
                insts[move.node].set_nodeattr(attribute, "distributed")
            swapped[move.node] = replace(
                swapped[move.node],
                imec=move.after.resources,
                cycles=move.cycles,
                in_luts=[MEMORIES[attribute] for attribute in move.attributes],
            )
        self.report = [swapped.get(pair.imecconv, pair) for pair in self.report]

    def _slowest(self, model: ModelWrapper, generators: Sequence[NodeProto]) -> int:
        """Cycles per frame of the slowest pair or MVAU alone, 0 if there is none."""
        cycles = [0]
        found = [(self._pair, generator) for generator in generators]
        found += [(self._unit, unit) for unit in lone_units(model)] if self.pointwise else []
        for find, node in found:
            with suppress(Exception):  # _swap says why
                cycles.append(find(model, node).cycles)
        return max(cycles)

    def _unit(self, model: ModelWrapper, unit: NodeProto) -> Pair:
        if unit.name in self.keep:
            raise NotEligible("the folding configuration names it beside IMECConv nodes")
        return MatrixUnit.of(model, unit)

    def _pair(self, model: ModelWrapper, generator: NodeProto) -> Pair:
        return Pair.find(model, generator, self.absorb_padding)

    def _swap(
        self, model: ModelWrapper, first: NodeProto, find: Callable[[ModelWrapper, NodeProto], Pair]
    ) -> PairReport:
        """Swap what `find` finds from a node on, if possible; whatever FINN raises is why it stays."""
        pair = None
        try:
            pair = replace(find(model, first), dsp_block=self.dsp_block)
            pair, node, report = self._with_thresholds(pair) if self.absorb_thresholds else self._one(pair)
        except Exception as err:
            is_unit = first.op_type.startswith(MATRIX_UNITS)
            swg = None if is_unit else first.name
            unit = first.name if is_unit else pair and pair.matrix_unit.name
            return PairReport(swg, unit, None, one_line(err))
        pair.replace_by(node)
        model.set_tensor_datatype(node.output[0], getCustomOp(node).get_output_datatype())
        return report

    def _with_thresholds(self, pair: Pair) -> tuple[Pair, NodeProto, PairReport]:
        """What a pair becomes, with the Thresholding behind it if there is one and that saves."""
        try:
            whole = pair.with_thresholding()
            if whole is None:
                return self._one(pair)
            found = self._one(whole)
        except Exception as err:
            pair, node, report = self._one(pair)
            return pair, node, replace(report, thresholding_reason=one_line(err))
        try:
            apart, node, report = self._one(pair)
        except Exception:
            return found
        why = _why_apart(found[2], report)
        return (apart, node, replace(report, thresholding_reason=why)) if why else found

    def _one(self, pair: Pair) -> tuple[Pair, NodeProto, PairReport]:
        """A pair's IMECConv, not yet in the graph, and the report of both; NotEligible without one."""
        pair.check()
        folding, why = pair.choose_folding(self.cycle_tolerance, self.allow_larger, self._frame)
        if isinstance(pair, MatrixUnit):  # of pairs, only the sum counts
            pair = pair.with_memories(*folding, self.cycle_tolerance, self.clock_ns)
        node = pair.imecconv(*folding)
        getCustomOp(node).verify_node()
        report = replace(report_of(pair, node, self.clock_ns), why_refolded=why)
        if isinstance(pair, MatrixUnit):
            pair.check_saving(report.finn, report.imec)
        return pair, node, report


def _why_apart(whole: PairReport, apart: PairReport) -> str | None:
    """Why thresholds stay out of an IMECConv: what that costs more, by the estimates; None if nothing."""
    more = []
    for name in ("lut", "bram18", "uram", "dsp"):
        thresholding = whole.finn[name] - apart.finn[name]
        if whole.imec[name] > apart.imec[name] + thresholding:
            more.append(f"{whole.imec[name]} {name} in place of {apart.imec[name] + thresholding}")
    return (
        f"an IMECConv with these thresholds would take more by the estimates: {', '.join(more)}"
        if more
        else None
    )


def report_of(pair: Pair, node: NodeProto, clock_ns: float) -> PairReport:
    """What a pair is, and the IMECConv in its place; whyever it is folded as it is."""
    inst = getCustomOp(node)
    folding = inst.get_nodeattr("SIMD"), inst.get_nodeattr("PE")
    return PairReport(
        None if pair.generator is pair.matrix_unit else pair.generator.name,
        pair.matrix_unit.name,
        node.name,
        None,
        *folding,
        refolded=folding != pair.folding,
        pair_cycles=pair.cycles,
        cycles=inst.get_exp_cycles(),
        fmpadding=pair.fmpadding and pair.fmpadding.name,
        thresholding=pair.thresholding and pair.thresholding.name,
        padding_reason=pair.padding_reason,
        folding_before=list(pair.folding),
        folding_after=list(folding),
        multipliers_before=prod(pair.folding),
        multipliers_after=prod(folding),
        finn=pair.estimate.resources,
        imec=pair.imecconv_estimate(*folding, clock_ns).resources,
        whole_windows=pair.whole_windows,
        generator_simd=pair.word,
    )


def folded_again(
    report: PairReport, model: ModelWrapper, node: NodeProto, pair: Pair | None, clock_ns: float
) -> PairReport:
    """The report of an IMECConv that has another folding since.

    pair: as FINN now folds it; None if it is as it was.
    """
    inst = getCustomOp(node)
    pair = pair and replace(pair, dsp_block=inst.get_nodeattr("dsp_block"))
    before = report.folding_before if pair is None else list(pair.folding)
    after = [inst.get_nodeattr("SIMD"), inst.get_nodeattr("PE")]
    if (before, after) == (report.folding_before, report.folding_after):
        why = report.why_refolded
    else:
        why = None if before == after else "the cheapest that meets the target" if pair else "as configured"
    return replace(
        report,
        simd=after[0],
        pe=after[1],
        refolded=before != after,
        pair_cycles=report.pair_cycles if pair is None else pair.cycles,
        cycles=inst.get_exp_cycles(),
        folding_before=before,
        folding_after=after,
        multipliers_before=before and prod(before),
        multipliers_after=prod(after),
        why_refolded=why,
        finn=report.finn if pair is None else pair.estimate.resources,
        imec=inst.estimate_for(model, clock_ns).resources,
        whole_windows=report.whole_windows if pair is None else pair.whole_windows,
        generator_simd=report.generator_simd if pair is None else pair.word,
    )


def swap_pairs(model: ModelWrapper) -> ModelWrapper:
    """InferIMECConv of pairs alone, but ModelError with every reason if the model then holds no IMECConv."""
    return swapped(model)[0]


def swapped(model: ModelWrapper, pointwise: bool = False) -> tuple[ModelWrapper, list[PairReport]]:
    """The model of swap_pairs, and what became of its pairs. pointwise: see InferIMECConv."""
    infer = InferIMECConv(pointwise=pointwise)
    model = transformed(model, infer)
    if not imec_nodes(model):
        reasons = "; ".join(str(pair) for pair in infer.report) or "no ConvolutionInputGenerator"
        raise ModelError(f"the model has no convertible pair: {reasons}")
    return model, infer.report
