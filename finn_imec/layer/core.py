"""Number formats of a layer's operands, and the core that computes its dot products."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from math import prod

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.layer.adders import dot_luts, heap_luts, levels, shared_luts
from finn_imec.layer.compressor import partial_product_luts
from finn_imec.layer.gearbox import weight_rows
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.packing import DSP_BLOCKS, MAX_CHAIN, STREAMED_CHAIN, DspBlock, Packing
from finn_imec.util.errors import UnsupportedError

#: Most partial products (activation bits x weight bits) of a product that a compressor tree adds up. The tree
#: takes fewer LUTs and levels than Yosys' multiplier: at 8x8 bits 290 instead of 370 LUTs, for a whole layer
#: with two PEs.
MAX_PARTIAL_PRODUCTS = 64

#: Most levels of adders behind gated additions, besides one that adds two digits; beyond, a compressor tree.
MOST_LEVELS = 2

#: Lanes of dot products that are chosen from sums that all channels share (imec_dot_shared).
SHARED_LANES = range(2, 5)

#: FINN's resType: what computes the dot products. "auto" is "dsp" where FINN's own builder takes DSPs: both
#: operands have at least AUTO_DSP_BITS bits. "dsp" uses DSPs above LUT_PARTIAL_PRODUCTS partial products; up
#: to there, LUTs cost about as much as the sums of a DSP.
RES_TYPES = ("auto", "lut", "dsp")
AUTO_DSP_BITS = 4
LUT_PARTIAL_PRODUCTS = 4
#: The DSP slice where the part is not known.
DEFAULT_DSP_BLOCK = "DSP48E1"

#: Widest activation or weight that the datapath accepts, in bits.
MAX_OPERAND_BITS = 16


@dataclass(frozen=True)
class Operand:
    """How a datatype is stored and multiplied: `bits` wide, two's complement if signed.

    A bipolar operand is one bit, 0 for -1 and 1 for +1.
    """

    bits: int
    signed: bool
    bipolar: bool

    @property
    def range(self) -> tuple[int, int]:
        """(lowest, highest) plain value."""
        low = -(2 ** (self.bits - 1)) if self.signed else 0
        return low, low + 2**self.bits - 1

    @staticmethod
    def of(datatype: BaseDataType, what: str, xnor: bool = False) -> Operand:
        """The operand for a QONNX datatype; UnsupportedError unless an integer of at most 16 bits.

        xnor: FINN's binaryXnorMode, which stores BINARY but multiplies as bipolar. what: its name in errors.
        """
        accepted = re.fullmatch(r"BIPOLAR|BINARY|TERNARY|U?INT\d+", datatype.name)
        if not accepted or datatype.bitwidth() > MAX_OPERAND_BITS:
            raise UnsupportedError(
                f"{what}={datatype.name} is not supported: accepted are BIPOLAR, BINARY, TERNARY, "
                f"INT2..INT{MAX_OPERAND_BITS} and UINT2..UINT{MAX_OPERAND_BITS}"
            )
        if xnor or datatype == DataType["BIPOLAR"]:
            return Operand(1, False, True)
        return Operand(datatype.bitwidth(), bool(datatype.signed()), False)


@dataclass(frozen=True)
class Core:
    """The multiply-add core: operands as stored, and the packing of DSP slices (None: LUTs compute).

    runtime_weights: the weights may change while the design runs. digits: those of a weight in gated
    additions (imec_dot_gates), 1 if all weights are -1, 0 or 1; 0 if another core computes. heap: the
    additions' sums go through a compressor tree. shared: dot products are chosen from sums that all channels
    share (imec_dot_shared). lowered: of unsigned activations that are taken as signed, half their range
    lower. ternary: fixed weights of two bits are all -1, 0 or 1, some of them 0.
    """

    activation: Operand
    weight: Operand
    runtime_weights: bool
    packing: Packing | None
    digits: int = 0
    heap: bool = False
    shared: bool = False
    lowered: bool = False
    ternary: bool = False

    @staticmethod
    def of(
        geometry: ConvGeometry,
        activation: Operand,
        weight: Operand,
        res_type: str = "auto",
        runtime_weights: bool = False,
        weights: np.ndarray | None = None,
        dsp_block: str = DEFAULT_DSP_BLOCK,
        thresholds: bool = False,
        sign: bool = False,
    ) -> Core:
        """The core for weights (MW, MH), or for all values of the operand (None).

        thresholds: accumulators are compared with some, which take in constants of their channels. sign: with
        one each, from whose negative they start.

        Raises UnsupportedError unless res_type is one of RES_TYPES, and dsp_block one of DSP_BLOCKS.
        """
        if res_type not in RES_TYPES:
            raise UnsupportedError(f"resType={res_type!r}: accepted are {', '.join(RES_TYPES)}")
        if dsp_block not in DSP_BLOCKS:
            raise UnsupportedError(f"dsp_block={dsp_block!r}: accepted are {', '.join(DSP_BLOCKS)}")
        lut = Core(activation, weight, runtime_weights, None)
        if not runtime_weights:
            zeros = weights is not None and not weights.all()  # without, one bit of the two is constant
            ternary = zeros and _ternary(weights) and (weight.bits, weight.signed) == (2, True)
            lut = replace(lut, ternary=ternary)
            lut = _cheaper(lut, _digits(weight, weights), geometry, thresholds)
            if not (sign and geometry.nf > 1):  # each channel would need a start value in LUTs of its own
                lut = _shared(lut, geometry, thresholds)
        a, w = lut.factors
        widths = a.bits, w.bits
        few = {"auto": min(widths) < AUTO_DSP_BITS, "lut": True, "dsp": prod(widths) <= LUT_PARTIAL_PRODUCTS}
        if few[res_type] or min(widths) < 2:  # like mvu.sv, which takes at least two bits
            return lut
        pe = 1 if geometry.depthwise else geometry.pe  # depthwise PEs share no activation
        fixed, block = not runtime_weights, DSP_BLOCKS[dsp_block]
        if weights is None or runtime_weights:
            found = _packing_of_any(pe, geometry.simd, a, w, fixed, block)
        else:
            words = folded_weights(geometry, weights).reshape(-1, pe, geometry.simd)
            found = _packing_of(words, a, w, fixed, block)
        return Core(activation, weight, runtime_weights, found)

    @property
    def widen(self) -> bool:
        """True if bipolar values are multiplied as two-bit numbers.

        Counting them as one bit adds constants that depend on the weights (`Datapath.offsets`), unless both
        operands are bipolar.
        """
        return self.runtime_weights and self.activation.bipolar != self.weight.bipolar

    @property
    def factors(self) -> tuple[Operand, Operand]:
        """Activation and weight as they are multiplied."""
        if not self.widen:
            return self.activation, self.weight
        two_bits = Operand(2, True, False)
        a, w = (two_bits if stored.bipolar else stored for stored in (self.activation, self.weight))
        return a, w

    @property
    def kind(self) -> str:
        """Suffix of the RTL module imec_dot_*: "planes", "gates", "shared", "product" or "dsp"."""
        a, w = self.factors
        if self.packing:
            return "dsp"
        if self.digits:
            return "gates"
        if self.shared:
            return "shared"
        return "planes" if a.bits * w.bits <= MAX_PARTIAL_PRODUCTS or a.bipolar or w.bipolar else "product"

    @property
    def summed_bits(self) -> int:
        """Bits of an activation in imec_dot_shared's sums, where it is signed."""
        return self.activation.bits + (not self.activation.signed and not self.lowered)

    @property
    def double(self) -> bool:
        """True if the accumulator adds 2*y (bipolar activations, plain weights)."""
        a, w = self.factors
        return a.bipolar and not w.bipolar

    @property
    def counts_equal_bits(self) -> bool:
        """True if the accumulator is the popcount of the XNOR, (a*w + MW)/2, and not a*w.

        FINN's MVAU defines it this way for BIPOLAR inputs and weights, and in binaryXnorMode.
        """
        return self.activation.bipolar and self.weight.bipolar

    @property
    def channel_offsets(self) -> bool:
        """True if sums lack a constant that may differ between channels; see Datapath.offsets."""
        if self.runtime_weights:
            return False
        a, w = self.factors
        if self.shared:
            return self.lowered
        if self.digits and not self.counts_equal_bits:
            return a.signed or a.bipolar or w.signed or w.bipolar
        return self.packing.centered if self.packing else a.bipolar != w.bipolar

    def dot_luts(self, simd: int, chain: int = 0) -> int:
        """LUT sites of one PE's dot product without its accumulator, where neither DSP slices nor shared sums
        compute it. chain: full adders in series, see imec_dot_series."""
        a, w = self.factors
        if self.heap:
            return heap_luts(simd, a.bits, self.digits)
        if self.digits:
            return dot_luts(simd, a.bits, self.digits)
        if self.kind == "planes":
            return sum(partial_product_luts(simd, a.bits, w.bits, chain))
        return simd * (a.bits * w.bits + a.bits + w.bits)

    def weight_parts(self, simd: int) -> list[slice]:
        """Lanes of each of the core's weight memories."""
        return self.packing.weight_parts(simd) if self.packing else [slice(0, simd)]


def folded_weights(geometry: ConvGeometry, weights: np.ndarray) -> np.ndarray:
    """Weights (MW, MH) as words (NF*SF, PE, SIMD): FINN's order, with the rows of `weight_rows`."""
    g = geometry
    # (MW, MH) -> (SF, SIMD, NF, PE) -> (NF, SF, PE, SIMD)
    folded = weights[weight_rows(g)].reshape(g.sf, g.simd, g.nf, g.pe).transpose(2, 0, 3, 1)
    return np.asarray(folded.reshape(g.nf * g.sf, g.pe, g.simd))


def _digits(operand: Operand, weights: np.ndarray | None) -> int:
    """Digits of these weights, or of all weights of the operand, in gated additions."""
    return 1 if _ternary(weights) else operand.bits


def _ternary(weights: np.ndarray | None) -> bool:
    """True if these are all weights, and -1, 0 or 1."""
    return weights is not None and bool((np.abs(weights) <= 1).all())


def _cheaper(planes: Core, digits: int, geometry: ConvGeometry, thresholds: bool) -> Core:
    """This core, or that of gated additions if it takes fewer LUTs, those of its constants included."""
    a = planes.activation
    if a.bits == 1 or (digits > 1 and planes.kind == "product"):
        return planes
    # Trees of few adders have no more registers than a compressor tree.
    tree = len(levels(geometry.simd, a.bits, digits)) <= MOST_LEVELS + (digits == 2)
    gates = replace(planes, digits=digits, heap=not tree)
    if gates.channel_offsets and not planes.channel_offsets and not thresholds and geometry.nf > 1:
        return planes  # each channel would need a start value
    return gates if gates.dot_luts(geometry.simd) <= planes.dot_luts(geometry.simd) else planes


def _shared(lut: Core, geometry: ConvGeometry, thresholds: bool) -> Core:
    """This core, or that of shared sums if it takes fewer LUTs."""
    a, w = lut.activation, lut.weight
    pe, simd = geometry.pe, geometry.simd
    if (
        geometry.depthwise
        or simd not in SHARED_LANES
        or not w.bipolar
        or a.bits == 1
        or lut.kind == "product"
    ):
        return lut
    shared = Core(a, w, False, None, shared=True, lowered=thresholds and not a.signed)
    return shared if shared_luts(simd, shared.summed_bits, pe) < pe * lut.dot_luts(simd) else lut


@cache
def _packing_of_any(
    pe: int, simd: int, activation: Operand, weight: Operand, fixed: bool, block: DspBlock
) -> Packing | None:
    """The packing for all weights of the operand. Cached because folding asks for the same ones often."""
    extremes = np.broadcast_to(np.reshape(weight.range, (2, 1, 1)), (2, pe, 1))
    return _packing_of(extremes, activation, weight, fixed, block, simd)


def _packing_of(
    words: np.ndarray,
    activation: Operand,
    weight: Operand,
    fixed: bool,
    block: DspBlock,
    simd: int | None = None,
) -> Packing | None:
    w_bits = weight.bits + (not weight.signed)
    max_chain = MAX_CHAIN if fixed else STREAMED_CHAIN
    return Packing.of(words, w_bits, activation.bits, activation.signed, max_chain, fixed, simd, block)
