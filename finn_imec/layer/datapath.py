"""Accumulator constants and memory images of one convolution, from its weights and thresholds.

imec_dot_planes.sv and imec_dot_gates.sv count the dot product up to constants (their headers have tables).
This module computes them from the weights, puts them where they cost nothing, and packs weights and
thresholds into memory words.

Integers only; QONNX datatypes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.layer.core import DEFAULT_DSP_BLOCK, Core, Operand, folded_weights
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import power_of_two
from finn_imec.layer.numbers import whole_numbers
from finn_imec.layer.structure import Search, Structure
from finn_imec.util.errors import UnsupportedError


@dataclass(frozen=True, eq=False)
class Datapath:
    """The arithmetic of one IMECConv node.

    weights: (MW, MH) integers in FINN's (kh, kw, c) row order. thresholds: (MH or 1, steps), or
    None to output accumulators. xnor: weights and activations are BINARY and stand for -1/+1; the accumulator
    is the popcount of their XNOR (FINN's binaryXnorMode). runtime_weights: `weights` are only the initial
    ones, or None; ranges and constants hold for all values of weight_datatype. res_type: one of RES_TYPES.
    pipeline: see Structure. dsp_block: the part's DSP slice, one of DSP_BLOCKS.

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
    dsp_block: str = DEFAULT_DSP_BLOCK

    def __post_init__(self) -> None:
        binary = DataType["BINARY"]
        if self.xnor and (self.input_datatype, self.weight_datatype) != (binary, binary):
            raise UnsupportedError(
                f"binaryXnorMode=1 needs BINARY inputs and weights, not "
                f"{self.input_datatype.name} and {self.weight_datatype.name}"
            )
        _ = self._operands  # raises for unsupported datatypes
        if any(self.geometry.padding) and not self.input_datatype.allowed(0):
            raise UnsupportedError(
                f"inputDataType={self.input_datatype.name} with Padding={list(self.geometry.padding)}: "
                "accepted are datatypes that hold 0, the value of padding"
            )
        if self.weights is not None or not self.runtime_weights:
            self._check_weights()
        if self.thresholds is None:
            self._check_output_range()
        else:
            self._check_thresholds()
        _ = self.structure  # raises for unsupported attributes

    def _check_weights(self) -> None:
        weights, expected = np.asarray(self.weights), (self.geometry.mw, self.geometry.mh)
        if weights.shape != expected:
            raise UnsupportedError(f"weights have shape {weights.shape}, expected (MW, MH)={expected}")
        whole = whole_numbers(
            weights, f"weights of weightDataType={self.weight_datatype.name}", self.weight_datatype
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

    # ---- structure ----------------------------------------------------------------------------

    @cached_property
    def core(self) -> Core:
        """Number formats, and the core that computes the dot products of these weights."""
        weights = None if self.runtime_weights else self.weights
        a, w = self._operands
        return Core.of(
            self.geometry, a, w, self.res_type, self.runtime_weights, weights,
            dsp_block=self.dsp_block, thresholds=self._steps > 0, sign=self._steps == 1,
        )  # fmt: skip

    @cached_property
    def structure(self) -> Structure:
        """The node's structure, with weights in a ROM, or in FINN's memstream if they may change."""
        return Structure(
            self.geometry,
            self.core,
            self.acc_bits,
            self._output_bits,
            self._steps,
            self._biased,
            self.pipeline,
            "internal_decoupled" if self.runtime_weights else "internal_embedded",
        )

    def total_cycles(self, frames: int = 1) -> int:
        """Structure.total_cycles: until the last output word of `frames` frames, unstalled."""
        return self.structure.total_cycles(frames)

    @cached_property
    def _operands(self) -> tuple[Operand, Operand]:
        """Activation and weight as stored."""
        return (
            Operand.of(self.input_datatype, "inputDataType", self.xnor),
            Operand.of(self.weight_datatype, "weightDataType", self.xnor),
        )

    @property
    def _output_bits(self) -> int:
        return int(self.output_datatype.bitwidth())

    @property
    def _steps(self) -> int:
        return 0 if self.thresholds is None else int(self.thresholds.shape[1])

    @property
    def _bipolar_output(self) -> bool:
        return self.thresholds is not None and self.output_datatype == DataType["BIPOLAR"]

    @property
    def _fixed_weights(self) -> np.ndarray:
        """The weights; __post_init__ made sure that they exist."""
        assert self.weights is not None
        return self.weights

    # ---- accumulator --------------------------------------------------------------------------

    @cached_property
    def accumulator_range(self) -> tuple[np.ndarray, np.ndarray]:
        """(lowest, highest) accumulator value that any input can produce, per channel. Shape (MH,)."""
        g = self.geometry
        if all(operand.bipolar for operand in self._operands):  # Core.counts_equal_bits
            return np.zeros(g.mh, np.int64), np.full(g.mh, g.mw)
        low, high = int(self.input_datatype.min()), int(self.input_datatype.max())
        if self.runtime_weights:
            least, most = int(self.weight_datatype.min()), int(self.weight_datatype.max())
            products = (least * low, least * high, most * low, most * high)
            lowest, highest = min(products) * g.mw, max(products) * g.mw
            return np.full(g.mh, lowest, np.int64), np.full(g.mh, highest, np.int64)
        extremes = np.stack([self._fixed_weights * low, self._fixed_weights * high])
        return extremes.min(axis=0).sum(axis=0), extremes.max(axis=0).sum(axis=0)

    @cached_property
    def offsets(self) -> np.ndarray:
        """acc - (2 if double else 1)*sum(y), per channel, over a whole window. Shape (MH,), int64."""
        core, mw, mh = self.core, self.geometry.mw, self.geometry.mh
        a, w = core.factors
        if core.packing:
            offsets = np.full(mh, -self.geometry.sf * core.packing.chains * core.packing.bias)
            if core.packing.centered:
                offsets = offsets + 2 ** (a.bits - 1) * self._fixed_weights.sum(axis=0)
            return offsets
        if core.counts_equal_bits or core.kind == "product":
            return np.zeros(mh, np.int64)
        if core.shared:
            return np.asarray(core.lowered * 2 ** (a.bits - 1) * self._fixed_weights.sum(axis=0))
        scale = 2 if core.double else 1
        if core.digits:
            digit = 2 ** (core.digits - 1)  # the negative one
            complements = digit * (2**a.bits - 1) * (self._fixed_weights < 0).sum(axis=0)
            center = 1 if a.bipolar else 2 ** (a.bits - 1) if a.signed else 0
            return np.asarray(-scale * complements - center * self._fixed_weights.sum(axis=0))
        negative_planes = sum(
            2 ** (i + j)
            for i in range(a.bits)
            for j in range(w.bits)
            if (a.signed and i == a.bits - 1) != (w.signed and j == w.bits - 1)
        )
        offsets = np.full(mh, -scale * mw * negative_planes, np.int64)
        if w.bipolar:
            complement = 1 if a.signed else 1 - 2**a.bits  # -a = ~a + complement
            offsets += complement * (self._fixed_weights < 0).sum(axis=0)
        elif a.bipolar:
            offsets -= self._fixed_weights.sum(axis=0)
        return offsets

    @cached_property
    def starts(self) -> np.ndarray:
        """Start value of each channel's accumulator. Shape (MH,), int64.

        Without thresholds it is the channel's offset, with one (Structure.sign) that minus the threshold, so
        that the accumulator's sign is the output. More thresholds all move with a common start value, which
        moves the lowest count to the lowest accumulator value, so that no bit is wasted.
        """
        if self._steps == 0:
            return self.offsets
        if self._steps == 1:
            return np.asarray(self.offsets - self._single_thresholds)
        low, _ = self._counted_range
        return np.full(self.geometry.mh, -(2 ** (self.acc_bits - 1)) - low)

    @property
    def init(self) -> int:
        """Start value of all accumulators, if it is the same: a constant costs no LUT of the adder."""
        return 0 if self._biased else int(self.starts[0])

    @property
    def _biased(self) -> bool:
        """True if each channel's accumulator starts from a constant of its own."""
        return bool((self.starts != self.starts[0]).any())

    @property
    def _single_thresholds(self) -> np.ndarray:
        """The threshold of each channel with one, no further from its accumulators than it matters."""
        assert self.thresholds is not None
        low, high = self.accumulator_range
        return np.asarray(self.thresholds[:, 0].clip(low, high + 1))

    @cached_property
    def _counted_range(self) -> tuple[int, int]:
        """Range over all channels of the accumulated counts, acc - offset."""
        low, high = self.accumulator_range
        return int((low - self.offsets).min()), int((high - self.offsets).max())

    @cached_property
    def acc_bits(self) -> int:
        """Width of the accumulators."""
        if self.thresholds is None:
            return self._output_bits
        if self._steps == 1:
            low, high = (limit - self._single_thresholds for limit in self.accumulator_range)
            return max(_signed_bits(int(low.min())), _signed_bits(int(high.max())))
        low, high = self._counted_range
        return max(1, (high + 1 - low).bit_length())  # high + 1: a threshold that is never reached

    # ---- memory images ------------------------------------------------------------------------

    def weight_words(self, lanes: slice = slice(None)) -> list[int]:
        """`weight_words` of the weights; for shared sums as imec_dot_shared has them."""
        if not self.core.shared:
            return weight_words(self.geometry, self.core.weight, self._fixed_weights, lanes)
        codes = stored_weights(self.geometry, self.core.weight, self._fixed_weights)
        codes[..., 1:] = codes[..., 1:] == codes[..., :1]
        return _pack(codes[..., lanes].reshape(len(codes), -1), 1)

    def trit_words(self) -> list[int]:
        """`weight_words` of ternary weights, packed as imec_trits has them."""
        codes = stored_weights(self.geometry, self.core.weight, self._fixed_weights)
        codes = codes.reshape(len(codes), -1)
        threes = codes.shape[1] // 3 * 3
        digits = np.minimum(codes[:, :threes], 2).reshape(len(codes), -1, 3)  # -1 is 3
        packed, left = _pack(digits @ (1, 3, 9), 5), _pack(codes[:, threes:], 2)
        return [low | high << threes // 3 * 5 for low, high in zip(packed, left, strict=True)]

    def threshold_words(self, search: Search | None) -> list[list[int]]:
        """Words of each threshold memory, in imec_conv's order: folds counted down.

        search: Structure.search of the node's memories. If searched, one memory per engine, in the order of
        imec_threshold_search: the c-th threshold of a channel at { fold, channel, c }. Otherwise a single
        memory, one word per fold. None with less than two thresholds per channel.
        """
        g, s = self.geometry, self.structure
        if s.steps < 2:
            return []
        low, high = self._counted_range
        start = int(self.starts[0])
        moved = (self.thresholds - self.offsets[:, None]).clip(low, high + 1) + start
        folds = (g.nf - 2 - np.arange(g.nf)) % g.nf
        if not search:
            words = moved.reshape(g.nf, -1)[folds]
            return [_pack(words, self.acc_bits)]
        engines, never = search.engines, high + 1 + start
        each = g.pe // engines
        padding = (0, 0), (1, 2**s.count_bits - 1 - s.steps)
        padded = np.pad(np.sort(moved, axis=1), padding, constant_values=never)
        folded = padded.reshape(g.nf, engines, each, -1)[folds]
        unused = power_of_two(each) - each
        folded = np.pad(folded, ((0, 0), (0, 0), (0, unused), (0, 0)), constant_values=never)
        return [_pack(words.reshape(-1, 1), self.acc_bits) for words in folded.transpose(1, 0, 2, 3)]

    def start_words(self) -> list[int]:
        """Words of the accumulators' start values, in imec_conv's order: folds counted down."""
        g = self.geometry
        return _pack(self.starts.reshape(g.nf, g.pe)[::-1], self.acc_bits)

    def rtl_act_val(self) -> int:
        """The lowest output code: ActVal, or 0 for a BIPOLAR output, whose codes are 0 and 1."""
        return 0 if self._bipolar_output else self.act_val

    # ---- reference ----------------------------------------------------------------------------

    def activate(self, accumulators: np.ndarray) -> np.ndarray:
        """Outputs for integer accumulators (..., MH): thresholds applied, or unchanged without any."""
        if self.thresholds is None:
            return accumulators
        reached = (accumulators[..., None] >= self.thresholds).sum(axis=-1)
        return np.asarray(2 * reached - 1 if self._bipolar_output else reached + self.act_val)


def stored_weights(geometry: ConvGeometry, operand: Operand, weights: np.ndarray) -> np.ndarray:
    """Weights (MW, MH) as unsigned codes of the operand, in the order of `folded_weights`. int64."""
    whole = whole_numbers(weights, "weights")
    low, high = (-1, 1) if operand.bipolar else operand.range
    if whole.size and not low <= whole.min() <= whole.max() <= high:
        raise UnsupportedError(
            f"weights hold values from {whole.min()} to {whole.max()}: accepted are {low} to {high}"
        )
    folded = folded_weights(geometry, whole)
    return (folded > 0).astype(np.int64) if operand.bipolar else folded & (2**operand.bits - 1)


def weight_words(
    geometry: ConvGeometry, operand: Operand, weights: np.ndarray, lanes: slice = slice(None)
) -> list[int]:
    """Words of the weight memory for weights (MW, MH), in FINN's order; all lanes or some.

    Address nf*SF + sf; lane l of PE p, stored as `operand`, at bit (p*SIMD + l)*bits.
    """
    stored = stored_weights(geometry, operand, weights)[..., lanes]
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
