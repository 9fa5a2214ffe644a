"""Number formats, accumulator constants and memory images of one convolution.

What imec_dot_planes.sv counts differs from the true dot product by constants (its header has the table).
This module works them out from the weights, places them where they cost nothing, and packs weights
and thresholds into the words that the memories hold. Integers only; QONNX datatypes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from math import ceil, log2, prod

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.layer.geometry import PIPELINE_STAGES, ConvGeometry
from finn_imec.layer.packing import MAX_CHAIN, STREAMED_CHAIN, Packing
from finn_imec.util.errors import UnsupportedError

#: Most bit planes (activation bits x weight bits) that are counted: these take fewer LUTs than what
#: Yosys makes of *, and fewer levels; of 8x8 bits 290 for 370 LUTs, a whole layer with two PEs.
MAX_PLANES = 64

#: FINN's names of what the dot products are made of. "auto" is "dsp" where FINN's own builder takes
#: DSPs: both operands from AUTO_DSP_BITS bits on. "dsp" uses them for all that have more planes than
#: LUT_PLANES: LUTs count those at about what a DSP's sums cost.
RES_TYPES = ("auto", "lut", "dsp")
AUTO_DSP_BITS = 4
LUT_PLANES = 4

#: Most registers inside the dot products of LUTs (imec_dot_heap), and what a LUT and its net are
#: reckoned at, in ns: 7-series, speed grade -1, where no placement says otherwise.
MAX_PIPELINE = 2
LEVEL_NS = 0.9

#: Most thresholds per channel that are compared in parallel if a fold leaves time to search.
MAX_PARALLEL_STEPS = 15

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
    def of(datatype: BaseDataType, what: str) -> Operand:
        """The operand for a QONNX datatype; UnsupportedError if it is no integer of <= 16 bits."""
        accepted = re.fullmatch(r"BIPOLAR|BINARY|TERNARY|U?INT\d+", datatype.name)
        if not accepted or datatype.bitwidth() > MAX_OPERAND_BITS:
            raise UnsupportedError(
                f"{what}={datatype.name} is not supported: accepted are BIPOLAR, BINARY, TERNARY, "
                f"INT2..INT{MAX_OPERAND_BITS} and UINT2..UINT{MAX_OPERAND_BITS}"
            )
        if datatype == DataType["BIPOLAR"]:
            return Operand(1, False, True)
        return Operand(datatype.bitwidth(), bool(datatype.signed()), False)


@dataclass(frozen=True, eq=False)
class Datapath:
    """The arithmetic of one IMECConv node.

    weights: (MW, MH) integers in FINN's (kh, kw, c) row order. thresholds: (MH or 1, steps), or
    None to output accumulators. xnor: weights and activations are BINARY and stand for -1/+1, the
    accumulator is the popcount of their XNOR (FINN's binaryXnorMode). runtime_weights: `weights`
    are only the first ones, or None; ranges and constants hold for all that weight_datatype allows.
    res_type: one of RES_TYPES. pipeline: registers inside dot products of LUTs, 0 to MAX_PIPELINE;
    those of DSPs have their own.

    Raises UnsupportedError naming the attribute for datatypes, shapes or ranges that do not fit.
    """

    geometry: ConvGeometry
    input_datatype: BaseDataType
    weight_datatype: BaseDataType
    output_datatype: BaseDataType
    weights: np.ndarray | None
    thresholds: np.ndarray | None = None
    act_val: int = 0
    xnor: bool = False
    runtime_weights: bool = False
    res_type: str = "auto"
    pipeline: int = 0

    def __post_init__(self) -> None:
        _ = self.activation, self.weight  # raise for unsupported datatypes
        if any(self.geometry.padding) and not self.input_datatype.allowed(0):
            raise UnsupportedError(
                f"inputDataType={self.input_datatype.name} with Padding={list(self.geometry.padding)}: "
                "accepted are datatypes that hold 0, the value of padding"
            )
        if self.res_type not in RES_TYPES:
            raise UnsupportedError(f"resType={self.res_type!r}: accepted are {', '.join(RES_TYPES)}")
        if not 0 <= self.pipeline <= MAX_PIPELINE:
            raise UnsupportedError(f"pipeline={self.pipeline}: accepted are 0 to {MAX_PIPELINE}")
        if self.weights is not None or not self.runtime_weights:
            self._check_weights()
        binary = DataType["BINARY"]
        if self.xnor and (self.input_datatype, self.weight_datatype) != (binary, binary):
            raise UnsupportedError(
                f"binaryXnorMode=1 needs BINARY inputs and weights, not "
                f"{self.input_datatype.name} and {self.weight_datatype.name}"
            )
        if self.thresholds is None:
            self._check_output_range()
        else:
            self._check_thresholds()

    def _check_weights(self) -> None:
        weights, expected = np.asarray(self.weights), (self.geometry.mw, self.geometry.mh)
        if weights.shape != expected:
            raise UnsupportedError(f"weights have shape {weights.shape}, expected (MW, MH)={expected}")
        whole = np.rint(weights).astype(np.int64)
        if not (whole == weights).all() or not all(self.weight_datatype.allowed(v) for v in np.unique(whole)):
            raise UnsupportedError(
                f"weights hold values that weightDataType={self.weight_datatype.name} does not allow"
            )
        object.__setattr__(self, "weights", whole)

    def _check_output_range(self) -> None:
        low, high = (int(v) for v in (self.accumulator_range[0].min(), self.accumulator_range[1].max()))
        odt = self.output_datatype
        if not odt.is_integer() or low < odt.min() or high > odt.max():
            raise UnsupportedError(
                f"outputDataType={odt.name} cannot hold accumulators in [{low}, {high}]: accepted "
                f"is e.g. {smallest_datatype(low, high).name}"
            )

    def _check_thresholds(self) -> None:
        thresholds = np.asarray(self.thresholds, dtype=np.float64)
        rows = thresholds.shape[0] if thresholds.ndim == 2 else None
        if rows not in (1, self.geometry.mh) or thresholds.shape[1] < 1:
            raise UnsupportedError(
                f"thresholds have shape {thresholds.shape}, expected (MH or 1, steps) with "
                f"MH={self.geometry.mh} and at least one step"
            )
        if np.isnan(thresholds).any():
            raise UnsupportedError("thresholds hold NaN: accepted are numbers")
        # Accumulators are integers: acc >= t exactly if acc >= ceil(t).
        whole = np.ceil(thresholds).clip(-(2.0**62), 2.0**62).astype(np.int64)
        object.__setattr__(self, "thresholds", np.broadcast_to(whole, (self.geometry.mh, whole.shape[1])))
        odt, steps = self.output_datatype, whole.shape[1]
        low, high = (-1, 1) if self._bipolar_output else (self.act_val, self.act_val + steps)
        if self._bipolar_output and steps != 1:
            raise UnsupportedError(f"outputDataType=BIPOLAR takes one threshold per channel, not {steps}")
        if not odt.is_integer() or low < odt.min() or high > odt.max():
            raise UnsupportedError(
                f"outputDataType={odt.name} cannot hold ActVal + 0..{steps} thresholds, "
                f"[{low}, {high}]: accepted is e.g. {smallest_datatype(low, high).name}"
            )

    # ---- operands -----------------------------------------------------------------------------

    @cached_property
    def activation(self) -> Operand:
        """Storage of an activation. XNOR mode stores BINARY but multiplies as bipolar."""
        return Operand(1, False, True) if self.xnor else Operand.of(self.input_datatype, "inputDataType")

    @cached_property
    def weight(self) -> Operand:
        """Storage of a weight."""
        return Operand(1, False, True) if self.xnor else Operand.of(self.weight_datatype, "weightDataType")

    @property
    def widen(self) -> bool:
        """True if bipolar values are multiplied as two-bit numbers.

        Counting them as one bit adds constants that depend on the weights (`offsets`), unless both
        operands are bipolar.
        """
        return self.runtime_weights and self.activation.bipolar != self.weight.bipolar

    @cached_property
    def factors(self) -> tuple[Operand, Operand]:
        """Activation and weight as they are multiplied."""
        two_bits = Operand(2, True, False)
        return tuple(
            two_bits if self.widen and stored.bipolar else stored for stored in (self.activation, self.weight)
        )

    @property
    def _bipolar_output(self) -> bool:
        return self.thresholds is not None and self.output_datatype == DataType["BIPOLAR"]

    # ---- accumulator --------------------------------------------------------------------------

    @cached_property
    def accumulator_range(self) -> tuple[np.ndarray, np.ndarray]:
        """(lowest, highest) accumulator value that inputs can produce, per channel. Shape (MH,)."""
        if self.counts_equal_bits:
            return np.zeros(self.geometry.mh, np.int64), np.full(self.geometry.mh, self.geometry.mw)
        low, high = int(self.input_datatype.min()), int(self.input_datatype.max())
        if self.runtime_weights:
            least, most = int(self.weight_datatype.min()), int(self.weight_datatype.max())
            products = (least * low, least * high, most * low, most * high)
            ends = min(products) * self.geometry.mw, max(products) * self.geometry.mw
            return tuple(np.full(self.geometry.mh, end, np.int64) for end in ends)
        extremes = np.stack([self.weights * low, self.weights * high])
        return extremes.min(axis=0).sum(axis=0), extremes.max(axis=0).sum(axis=0)

    @cached_property
    def offsets(self) -> np.ndarray:
        """acc - (2 if double else 1)*sum(y), per channel, over a whole window. Shape (MH,), int64."""
        (a, w), mw, mh = self.factors, self.geometry.mw, self.geometry.mh
        if self.packing:
            offsets = np.full(mh, -self.geometry.sf * self.packing.chains * self.packing.bias)
            centre = 2 ** (a.bits - 1) * self.weights.sum(axis=0) if self.packing.centred else 0
            return offsets + centre
        if self.counts_equal_bits or self.core == "product":
            return np.zeros(mh, np.int64)
        scale = 2 if self.double else 1
        negative_planes = sum(
            2 ** (i + j)
            for i in range(a.bits)
            for j in range(w.bits)
            if (a.signed and i == a.bits - 1) != (w.signed and j == w.bits - 1)
        )
        offsets = np.full(mh, -scale * mw * negative_planes, np.int64)
        if w.bipolar:
            complement = 1 if a.signed else 1 - 2**a.bits  # -a = ~a + complement
            offsets += complement * (self.weights < 0).sum(axis=0)
        elif a.bipolar:
            offsets -= self.weights.sum(axis=0)
        return offsets

    @property
    def core(self) -> str:
        """What computes dot products: imec_dot_... "planes", "product" or "dsp"."""
        a, w = self.factors
        if self.packing:
            return "dsp"
        return "planes" if a.bits * w.bits <= MAX_PLANES or a.bipolar or w.bipolar else "product"

    @cached_property
    def packing(self) -> Packing | None:
        """Parameters of imec_dot_dsp, None for the other cores."""
        fixed = not self.runtime_weights
        weights = self.weights if fixed else None
        return packing(self.geometry, *self.factors, self.res_type, weights, fixed)

    @property
    def double(self) -> bool:
        """True if the accumulator takes 2*y (bipolar activations, plain weights)."""
        a, w = self.factors
        return a.bipolar and not w.bipolar

    @property
    def counts_equal_bits(self) -> bool:
        """True if the accumulator is the popcount of the XNOR, (a*w + MW)/2, and not a*w.

        So FINN's MVAU defines it for BIPOLAR inputs and weights, and in binaryXnorMode.
        """
        return self.activation.bipolar and self.weight.bipolar

    @cached_property
    def init(self) -> int:
        """What every accumulator starts from; a constant costs nothing in the adder's LUTs.

        Without thresholds it is the channels' common offset. With thresholds it moves the lowest
        count to the lowest accumulator value, so that no bit is wasted; the thresholds move along.
        """
        if self.thresholds is None:
            return 0 if self.biased else int(self.offsets[0])
        low, _ = self._counted_range
        return -(2 ** (self.acc_bits - 1)) - low

    @property
    def biased(self) -> bool:
        """True if accumulators start from a constant of their own channel."""
        return self.thresholds is None and bool((self.offsets != self.offsets[0]).any())

    @cached_property
    def _counted_range(self) -> tuple[int, int]:
        """Range over all channels of the accumulated counts, acc - offset."""
        low, high = self.accumulator_range
        return int((low - self.offsets).min()), int((high - self.offsets).max())

    @cached_property
    def acc_bits(self) -> int:
        """Width of the accumulators."""
        if self.thresholds is None:
            return self.output_bits
        low, high = self._counted_range
        return max(1, (high + 1 - low).bit_length())  # high + 1: a threshold never reached

    @property
    def pipeline_stages(self) -> int:
        """Registers from a strip read to the output word that its window fold ends in."""
        dot = self.packing.steps(self.geometry.simd) if self.packing else 1 + self.pipeline
        return PIPELINE_STAGES - 1 + dot + (self.count_bits if self.search else 0)

    def pipeline_for(self, clk_ns: float) -> int:
        """Fewest registers inside the dot products that let a clock of this period be expected.

        A step may take clk_ns/LEVEL_NS LUTs in a row. imec_dot_heap has one for the products, one per
        halving of the highest column of its heap, down to two rows, and an addition.
        """
        a, w = self.factors
        highest = self.geometry.simd * min(a.bits, w.bits) * (1 if a.bits * w.bits == 1 else 2) / 3
        counters = max(0, ceil(log2(highest / 2))) if self.core == "planes" else a.bits + w.bits
        stages = ((1 + counters + 1,), (1 + counters, 1), (1, counters, 1))
        fast = (n for n, levels in enumerate(stages) if max(levels) * LEVEL_NS <= clk_ns)
        return 0 if self.packing else next(fast, MAX_PIPELINE)

    def total_cycles(self, frames: int = 1) -> int:
        """ConvGeometry.total_cycles with this datapath's pipeline_stages."""
        return self.geometry.total_cycles(frames, self.pipeline_stages)

    @property
    def output_bits(self) -> int:
        """Width of an output element."""
        return int(self.output_datatype.bitwidth())

    @property
    def steps(self) -> int:
        """Thresholds per channel; 0 for none."""
        return 0 if self.thresholds is None else self.thresholds.shape[1]

    @property
    def count_bits(self) -> int:
        """Bits that count the thresholds reached, 0..steps."""
        return self.steps.bit_length()

    @property
    def search(self) -> bool:
        """True if imec_threshold_search activates, in a cycle per bit while the next fold accumulates.

        Up to 15 thresholds, or in shorter folds, imec_threshold compares with all at once.
        """
        return self.steps > MAX_PARALLEL_STEPS and self.geometry.sf >= self.count_bits

    # ---- memory images ------------------------------------------------------------------------

    def weight_words(self, lanes: slice = slice(None)) -> list[int]:
        """`weight_words` of the weights."""
        return weight_words(self.geometry, self.weight, self.weights, lanes)

    @property
    def weight_parts(self) -> list[slice]:
        """Lanes of each weight memory of the core."""
        simd = self.geometry.simd
        return self.packing.weight_parts(simd) if self.packing else [slice(0, simd)]

    def threshold_words(self) -> list[list[int]]:
        """Words of each threshold memory in the order in which imec_conv counts folds down.

        With `search` one memory per PE, 2**count_bits words per fold: its channel's c-th threshold at c.
        Else a single one, a word per fold.
        """
        g = self.geometry
        low, high = self._counted_range
        moved = (self.thresholds - self.offsets[:, None]).clip(low, high + 1) + self.init
        if self.search:
            never = high + 1 + self.init
            padding = (0, 0), (1, 2**self.count_bits - 1 - self.steps)
            moved = np.pad(np.sort(moved, axis=1), padding, constant_values=never)
        folded = moved.reshape(g.nf, g.pe, -1)[(g.nf - 2 - np.arange(g.nf)) % g.nf]
        memories = folded.transpose(1, 0, 2) if self.search else folded[np.newaxis]
        per_word = 1 if self.search else g.pe * self.steps
        return [_pack(words.reshape(-1, per_word), self.acc_bits) for words in memories]

    def bias_words(self) -> list[int]:
        """Words of the bias memory in the order in which imec_conv counts folds down."""
        g = self.geometry
        return _pack(self.offsets.reshape(g.nf, g.pe)[::-1], self.acc_bits)

    def rtl_act_val(self) -> int:
        """The lowest output code: ActVal, or 0 for a BIPOLAR output, whose codes are 0 and 1."""
        return 0 if self._bipolar_output else self.act_val

    # ---- reference ----------------------------------------------------------------------------

    def activate(self, accumulators: np.ndarray) -> np.ndarray:
        """Outputs for integer accumulators of shape (..., MH): thresholds, or unchanged."""
        if self.thresholds is None:
            return accumulators
        reached = (accumulators[..., None] >= self.thresholds).sum(axis=-1)
        return 2 * reached - 1 if self._bipolar_output else reached + self.act_val


def packing(
    geometry: ConvGeometry,
    activation: Operand,
    weight: Operand,
    res_type: str,
    weights: np.ndarray | None,
    fixed: bool,
) -> Packing | None:
    """How imec_dot_dsp computes with weights (MW, MH), or with any (None); None if LUTs compute.

    fixed: the weights do not change at run time.
    """
    widths = activation.bits, weight.bits
    few = {"auto": min(widths) < AUTO_DSP_BITS, "lut": True, "dsp": prod(widths) <= LUT_PLANES}
    if few[res_type] or min(widths) < 2:  # as mvu.sv, which takes two bits and more
        return None
    pe, simd = 1 if geometry.depthwise else geometry.pe, geometry.simd  # depthwise shares no activation
    if weights is None:
        return _packing_of_any(pe, simd, activation, weight, fixed)
    return _packing_of(_folded(geometry, weights).reshape(-1, pe, simd), activation, weight, fixed)


@cache
def _packing_of_any(pe: int, simd: int, activation: Operand, weight: Operand, fixed: bool) -> Packing | None:
    """`packing` for all weights that the operand has. Folding asks for the same ones again and again."""
    extremes = np.broadcast_to(np.reshape(weight.range, (2, 1, 1)), (2, pe, 1))
    return _packing_of(extremes, activation, weight, fixed, simd)


def _packing_of(
    words: np.ndarray, activation: Operand, weight: Operand, fixed: bool, simd: int | None = None
) -> Packing | None:
    w_bits = weight.bits + (not weight.signed)
    max_chain = MAX_CHAIN if fixed else STREAMED_CHAIN
    return Packing.of(words, w_bits, activation.bits, activation.signed, max_chain, fixed, simd)


def _folded(geometry: ConvGeometry, weights: np.ndarray) -> np.ndarray:
    """Weights (MW, MH) as words (NF*SF, PE, SIMD), in FINN's order."""
    g = geometry
    # (MW, MH) -> (SF, SIMD, NF, PE) -> (NF, SF, PE, SIMD)
    folded = weights.reshape(g.sf, g.simd, g.nf, g.pe).transpose(2, 0, 3, 1)
    return folded.reshape(g.nf * g.sf, g.pe, g.simd)


def weight_words(
    geometry: ConvGeometry, operand: Operand, weights: np.ndarray, lanes: slice = slice(None)
) -> list[int]:
    """Words of the weight memory for weights (MW, MH), in FINN's order, of all lanes or some.

    Address nf*SF + sf; lane l of PE p, stored as `operand`, at bit (p*SIMD + l)*bits.
    """
    folded = _folded(geometry, np.rint(weights).astype(np.int64))[..., lanes]
    stored = (folded > 0) if operand.bipolar else folded & (2**operand.bits - 1)
    return _pack(stored.reshape(len(stored), -1), operand.bits)


def _signed_bits(value: int) -> int:
    """Bits of the shortest two's complement number that holds value."""
    return (value if value >= 0 else ~value).bit_length() + 1


def smallest_datatype(low: int, high: int) -> BaseDataType:
    """The narrowest QONNX integer type that holds [low, high]."""
    if low >= 0:
        return DataType[f"UINT{max(1, high.bit_length())}"]
    return DataType[f"INT{max(2, _signed_bits(low), _signed_bits(high))}"]


def _pack(rows: np.ndarray, bits: int) -> list[int]:
    """Each row of integers as one big integer, element 0 in the least significant bits."""
    codes = rows.astype(np.int64) & (2**bits - 1)
    planes = (codes[..., None] >> np.arange(bits)) & 1
    packed = np.packbits(planes.reshape(len(rows), -1).astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
