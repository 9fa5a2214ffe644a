"""Folding of IMECConv to a target, like FINN's SetFolding for FINN's own nodes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from finn_imec.custom_op import imec_nodes, register
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.structure import Structure
from finn_imec.util.errors import GeometryError
from finn_imec.util.onnx_model import constant

if TYPE_CHECKING:
    from finn_imec.custom_op.imecconv import IMECConv

# A child of the logger that FINN's builder sends to build_dataflow.log.
log = logging.getLogger("build_dataflow.imec")


@dataclass(frozen=True)
class FoldingReport:
    """The folding of one IMECConv: target and actual cycles per frame.

    step_fold_imec adds pair_cycles, of the pair as FINN folds it to the same target, and, if the pair came
    back because it is faster, or an MVAU alone because it costs no more, the names; imecconv is None then.
    """

    imecconv: str | None
    simd: int
    pe: int
    simd_in: int
    target: int
    cycles: int
    pair_cycles: int | None = None
    expanded: tuple[str, ...] | None = None

    @property
    def met(self) -> bool:
        """True if the node meets the target."""
        return self.cycles <= self.target

    def __str__(self) -> str:
        folding = f"SIMD={self.simd}, PE={self.pe}, SIMD_in={self.simd_in}"
        if self.met and self.expanded:
            return f"{' + '.join(self.expanded)}: no IMECConv, which would save too little with {folding}"
        if self.met:
            return f"{self.imecconv}: {folding}, {self.cycles} cycles per frame of {self.target}"
        why = (
            f"no folding needs at most {self.target} cycles per frame; the fastest, {folding}, needs "
            f"{self.cycles}"
        )
        if self.expanded:
            return f"{' + '.join(self.expanded)}: a pair again, {self.pair_cycles} cycles; {why}"
        return f"{self.imecconv}: {why}"


class FoldIMECConv(Transformation):
    """Give each IMECConv, in any variant, the cheapest folding that meets the target.

    target_cycles_per_frame: like SetFolding's. The cheapest folding is by the node's own resource estimates,
    in LUTs (Estimate.lut_equivalents). The stream word SIMD_in is the producer's if that is fast enough, so
    that FINN needs no width converter, else the narrowest fast enough. A node that cannot meet the target
    gets the cheapest of its fastest foldings, and a warning. A node whose weights come from a DMA, or from an
    input of the graph, keeps the folding that they were made for. Sets cycles_estimate; does not touch other
    nodes. `report` then has one FoldingReport per node.
    """

    def __init__(self, target_cycles_per_frame: int) -> None:
        super().__init__()
        if target_cycles_per_frame < 1:
            raise GeometryError(f"target_cycles_per_frame={target_cycles_per_frame}: must be at least 1")
        self.target = target_cycles_per_frame
        self.report: list[FoldingReport] = []

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        self.report = []
        foldings: dict[tuple[Structure, int | None], ConvGeometry] = {}  # of equal nodes
        for node in imec_nodes(model):
            inst = getCustomOp(node)
            if constant(model, node.input[1]) is not None:
                key = inst.structure, _producers_word(model, node.input[0])
                if key not in foldings:
                    foldings[key] = self._folded(inst, key[1])
                _set(inst, foldings[key].simd, foldings[key].pe, foldings[key].simd_in)
            geometry, cycles = inst.geometry, int(inst.get_exp_cycles())
            inst.set_nodeattr("cycles_estimate", cycles)
            line = FoldingReport(node.name, geometry.simd, geometry.pe, geometry.simd_in, self.target, cycles)
            self.report.append(line)
            (log.info if line.met else log.warning)(str(line))
        return model, False

    def _folded(self, inst: IMECConv, word: int | None) -> ConvGeometry:
        """The node's layer at the folding that it gets. word: channels of the producer's."""
        if not _fold(inst, self.target, word):
            geometry = inst.geometry
            _set(inst, max(geometry.legal_simd), max(geometry.legal_pe), geometry.ifm_channels)
            _fold(inst, inst.get_exp_cycles(), word)
        return inst.geometry


def _set(inst: IMECConv, simd: int, pe: int, simd_in: int) -> None:
    for name, value in (("SIMD", simd), ("PE", pe), ("SIMD_in", simd_in)):
        inst.set_nodeattr(name, value)


def _producers_word(model: ModelWrapper, tensor: str) -> int | None:
    """Channels per word of the stream that feeds `tensor`; None if FINN does not tell."""
    producer = model.find_producer(tensor)
    if producer is None or not producer.domain.startswith("finn."):
        return None
    return int(getCustomOp(producer).get_folded_output_shape()[-1])


def _fold(inst: IMECConv, target: int, word: int | None) -> bool:
    """Set the cheapest folding that takes at most `target` cycles; False, without change, if none does.

    Branch and bound: in order of the cost of dot products, until that alone exceeds the best total.
    The cycles of a folding also decide on the ports of its line buffer, and take longest to compute.
    They are left out where it costs more than the best with one port and with two.
    """
    geometry, before = inst.geometry, inst.geometry
    candidates = []
    for simd, pe in geometry.legal_foldings():
        folded = geometry.with_folding(simd, pe)
        if folded.compute_cycles <= target:
            _set(inst, simd, pe, before.simd_in)
            candidates.append((inst.core_estimation(), -simd, pe))
    channels = geometry.ifm_channels
    pixels = geometry.input_dim[0] * geometry.input_dim[1]
    words = [w for w in divisors(channels) if pixels * channels // w <= target]
    best, least = None, None
    for bound, negative_simd, pe in sorted(candidates):
        if least is not None and bound >= least:
            break
        simd = -negative_simd
        if least is not None and all(_least_cost(inst, simd, pe, w) >= least for w in words):
            continue
        buffer = geometry.with_folding(simd, pe).word_channels
        # A word narrower than the buffer's is tried last, unless it is the producer's.
        for simd_in in sorted(words, key=lambda w: (w != word, w != buffer, w)):
            _set(inst, simd, pe, simd_in)
            if inst.get_exp_cycles() <= target:
                cost = inst.estimate.lut_equivalents
                if least is None or cost < least:
                    best, least = (simd, pe, simd_in), cost
                break
    if best is None:
        _set(inst, before.simd, before.pe, before.simd_in)
        return False
    for simd_in in words if best[2] != word else [word]:
        _set(inst, *best[:2], simd_in)
        if inst.get_exp_cycles() <= target and inst.estimate.lut_equivalents <= least:
            break
    return True


def _least_cost(inst: IMECConv, simd: int, pe: int, simd_in: int) -> int:
    """The cost of a folding with one port of the line buffer or with two, whichever is less."""
    _set(inst, simd, pe, simd_in)
    structure = inst.structure
    with_ports = (replace(structure.geometry, buffer_ports=ports) for ports in (1, 2))
    return min(Estimate(replace(structure, geometry=g)).lut_equivalents for g in with_ports)
