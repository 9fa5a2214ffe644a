"""Folding of IMECConv to a target, as FINN's SetFolding folds FINN's own nodes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from finn_imec.custom_op import register
from finn_imec.errors import GeometryError
from finn_imec.estimate import core_luts, lut_equivalents
from finn_imec.geometry import divisors

if TYPE_CHECKING:
    from finn_imec.custom_op.imecconv import IMECConv

# A child of the logger that FINN's builder sends to build_dataflow.log.
log = logging.getLogger("build_dataflow.imec")


@dataclass(frozen=True)
class FoldingReport:
    """The folding of one IMECConv: cycles per frame that were asked for, and that it takes."""

    imecconv: str
    simd: int
    pe: int
    simd_in: int
    target: int
    cycles: int

    @property
    def met(self) -> bool:
        """True if the node is as fast as asked."""
        return self.cycles <= self.target

    def __str__(self) -> str:
        folding = f"SIMD={self.simd}, PE={self.pe}, SIMD_in={self.simd_in}"
        if self.met:
            return f"{self.imecconv}: {folding}, {self.cycles} cycles per frame of {self.target}"
        return (
            f"{self.imecconv}: no folding needs at most {self.target} cycles per frame; the fastest, "
            f"{folding}, needs {self.cycles}"
        )


class FoldIMECConv(Transformation):
    """Give each IMECConv, in any variant, the cheapest folding that meets the target.

    target_cycles_per_frame: as SetFolding's. Cheapest by the node's own resource estimates, in LUTs
    (estimate.lut_equivalents). The stream word SIMD_in is the producer's if that is fast enough, so
    that FINN needs no width converter, else SIMD, else the narrowest. A node that cannot meet the
    target gets the cheapest of its fastest foldings, and a warning. Sets cycles_estimate; leaves all
    other nodes alone. `report` then holds one FoldingReport per node.
    """

    def __init__(self, target_cycles_per_frame: int) -> None:
        super().__init__()
        if target_cycles_per_frame < 1:
            raise GeometryError(
                f"target_cycles_per_frame={target_cycles_per_frame}: must be at least 1"
            )
        self.target = target_cycles_per_frame
        self.report: list[FoldingReport] = []

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        self.report = []
        for node in [n for n in model.graph.node if n.op_type.startswith("IMECConv")]:
            inst = getCustomOp(node)
            word = _producers_word(model, node.input[0])
            if not _fold(inst, self.target, word):
                channels = inst.get_nodeattr("IFMChannels")
                _set(inst, max(inst.geometry.legal_simd), inst.get_nodeattr("MH"), channels)
                _fold(inst, inst.get_exp_cycles(), word)
            geometry, cycles = inst.geometry, int(inst.get_exp_cycles())
            inst.set_nodeattr("cycles_estimate", cycles)
            line = FoldingReport(
                node.name, geometry.simd, geometry.pe, geometry.simd_in, self.target, cycles
            )
            self.report.append(line)
            (log.info if line.met else log.warning)(str(line))
        return model, False


def _set(inst: IMECConv, simd: int, pe: int, simd_in: int) -> None:
    for name, value in (("SIMD", simd), ("PE", pe), ("SIMD_in", simd_in)):
        inst.set_nodeattr(name, value)


def _producers_word(model: ModelWrapper, tensor: str) -> int | None:
    """Channels per word of the stream that feeds `tensor`; None if FINN does not say."""
    producer = model.find_producer(tensor)
    if producer is None or not producer.domain.startswith("finn."):
        return None
    return int(getCustomOp(producer).get_folded_output_shape()[-1])


def _fold(inst: IMECConv, target: int, word: int | None) -> bool:
    """Set the cheapest folding that takes at most `target` cycles; False, and no change, if none.

    Branch and bound: in the order of the dot products' LUTs, until those alone exceed the best.
    """
    geometry, before = inst.geometry, inst.geometry
    widths = [inst.get_input_datatype(i).bitwidth() for i in (0, 1)]
    widths.append(inst.get_accumulator_datatype().bitwidth())
    candidates = []
    for simd, pe in geometry.legal_foldings():
        folded = geometry.with_folding(simd, pe)
        if folded.compute_cycles <= target:
            candidates.append((core_luts(folded, *widths), -simd, pe))
    channels = geometry.ifm_channels
    pixels = geometry.ifm_dim[0] * geometry.ifm_dim[1]
    words = [w for w in divisors(channels) if pixels * channels // w <= target]
    best, least = None, None
    for bound, negative_simd, pe in sorted(candidates):
        if least is not None and bound >= least:
            break
        simd = -negative_simd
        for simd_in in sorted(words, key=lambda w: (w != word, w != simd, w)):
            _set(inst, simd, pe, simd_in)
            if inst.get_exp_cycles() <= target:
                cost = lut_equivalents(inst)
                if least is None or cost < least:
                    best, least = (simd, pe, simd_in), cost
                break
    _set(inst, *(best or (before.simd, before.pe, before.simd_in)))
    return best is not None
