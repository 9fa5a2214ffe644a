"""[FMPadding +] ConvolutionInputGenerator + MVAU or VVAU -> IMECConv."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames

from finn_imec.custom_op import imec_nodes, register
from finn_imec.transformation.pair import Pair
from finn_imec.util.deprecation import renamed_argument
from finn_imec.util.errors import ModelError, one_line
from finn_imec.util.onnx_model import transformed

#: Most cycles of an IMECConv relative to its pair's: part of the line buffer is refilled between two frames,
#: which FINN's pair hides during the replay of its last window.
CYCLE_TOLERANCE = 1.02


@dataclass(frozen=True)
class PairReport:
    """The outcome for one sliding window unit: its pair's names, and the new node or the reason.

    simd, pe: folding of the new node; refolded: whether it differs from the MVAU's. pair_cycles: the slowest
    of FINN's estimates; cycles: exact, of the new node. fmpadding: the FMPadding that the new node also
    replaces; padding_reason: why an FMPadding stays.
    """

    swg: str
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

    @property
    def swapped(self) -> bool:
        """True if the pair became an IMECConv."""
        return self.imecconv is not None

    def __str__(self) -> str:
        pair = " + ".join(name for name in (self.fmpadding, self.swg, self.mvau) if name)
        if not self.swapped:
            return f"{pair}: left as it is, {self.reason}"
        note = ", refolded" if self.refolded else ""
        stays = f"; the padding stays, {self.padding_reason}" if self.padding_reason else ""
        return f"{pair}: swapped for {self.imecconv} (SIMD={self.simd}, PE={self.pe}{note}){stays}"


class InferIMECConv(Transformation):
    """Swap each ConvolutionInputGenerator + MVAU (depthwise: VVAU) pair for one IMECConv.

    Accepts pairs that are abstract or specialized, folded or not, with or without a FIFO or data width
    converter in between, with or without parallel_window. A specialized pair becomes IMECConv_rtl. Keeps the
    MVAU's folding if IMECConv accepts it and takes at most cycle_tolerance times the pair's cycles, else
    takes the cheapest folding that does; SIMD > C is kept only for pairs with parallel_window. Other pairs
    are not changed. `report` then has one PairReport per ConvolutionInputGenerator.

    Weights that do not change at run time become internal_embedded, the leanest mem_mode, whether the MVAU
    had them embedded or decoupled; writable and external ones keep their mode.

    absorb_padding: the IMECConv also replaces an FMPadding before the pair, unless other nodes need its
    output.
    """

    @renamed_argument("max_slowdown", "cycle_tolerance")
    def __init__(self, cycle_tolerance: float = CYCLE_TOLERANCE, absorb_padding: bool = True) -> None:
        super().__init__()
        self.cycle_tolerance = cycle_tolerance
        self.absorb_padding = absorb_padding
        self.report: list[PairReport] = []

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        generators = [n for n in model.graph.node if n.op_type.startswith("ConvolutionInputGenerator")]
        self.report = [self._swap(model, generator) for generator in generators]
        if any(pair.swapped for pair in self.report):
            before = {node.output[0]: node.name for node in imec_nodes(model)}
            model = model.transform(GiveUniqueNodeNames())
            now = {before[n.output[0]]: n.name for n in imec_nodes(model)}
            self.report = [
                replace(pair, imecconv=now.get(pair.imecconv, pair.imecconv)) for pair in self.report
            ]
        return model, False

    def _swap(self, model: ModelWrapper, generator: NodeProto) -> PairReport:
        """Swap the pair of this sliding window unit, if possible; whatever FINN raises is why it stays."""
        pair = None
        try:
            pair = Pair.find(model, generator, self.absorb_padding)
            node = pair.imecconv(self.cycle_tolerance)
            inst = getCustomOp(node)
            inst.verify_node()
            cycles, pair_cycles = inst.get_exp_cycles(), pair.cycles
        except Exception as why:
            unit = pair.matrix_unit.name if pair else None
            return PairReport(generator.name, unit, None, one_line(why))
        pair.replace_by(node)
        model.set_tensor_datatype(node.output[0], inst.get_output_datatype())
        folding = inst.get_nodeattr("SIMD"), inst.get_nodeattr("PE")
        return PairReport(
            generator.name,
            pair.matrix_unit.name,
            node.name,
            None,
            *folding,
            refolded=folding != pair.folding,
            pair_cycles=pair_cycles,
            cycles=cycles,
            fmpadding=pair.fmpadding and pair.fmpadding.name,
            padding_reason=pair.padding_reason,
        )


def folded_again(report: PairReport, node: NodeProto) -> PairReport:
    """The report of an IMECConv that has another folding since."""
    inst = getCustomOp(node)
    simd, pe = inst.get_nodeattr("SIMD"), inst.get_nodeattr("PE")
    refolded = report.refolded or (simd, pe) != (report.simd, report.pe)
    return replace(report, simd=simd, pe=pe, refolded=refolded, cycles=inst.get_exp_cycles())


def swap_pairs(model: ModelWrapper) -> ModelWrapper:
    """InferIMECConv, but ModelError with every reason if the model then holds no IMECConv."""
    infer = InferIMECConv()
    model = transformed(model, infer)
    if not imec_nodes(model):
        reasons = "; ".join(str(pair) for pair in infer.report) or "no ConvolutionInputGenerator"
        raise ModelError(f"the model has no convertible pair: {reasons}")
    return model
