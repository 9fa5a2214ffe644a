"""Packing of a layer's channels into DSP slices for imec_dot_dsp.sv, by the range of its weights.

Adjacent fields of a product can be recovered exactly if none exceeds its width. FINN's mvu.sv lets them
overlap and corrects each product. Here a bias keeps every field positive, and the weights determine how many
products fit into a field, so a whole chain of slices is summed before its fields are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np


@dataclass(frozen=True)
class DspBlock:
    """A family's DSP slice.

    version: its number in FINN's mvu.sv. weight_bits: of the multiplier's input for the weights, behind the
    pre-adder; sum_bits: of the sums. lanes: products of DOT_BITS that it adds in mode INT8; 1 without.
    """

    name: str
    version: int
    weight_bits: int
    sum_bits: int
    lanes: int = 1


#: 7-series (UG479), UltraScale and UltraScale+ (UG579), Versal (AM004).
DSP48E1 = DspBlock("DSP48E1", 1, 25, 48)
DSP48E2 = DspBlock("DSP48E2", 2, 27, 48)
DSP58 = DspBlock("DSP58", 3, 27, 58, 3)
#: By the names of FINN's get_dsp_block.
DSP_BLOCKS = {block.name: block for block in (DSP48E1, DSP48E2, DSP58)}
#: Widest signed activation and weight of DspBlock.lanes.
DOT_BITS = 9, 8
#: Distance of a slice's only channel to the next one; no sum of a chain is as wide.
ALONE_BITS = 48
#: Longest cascade, in slices. Each slice adds a cycle of latency, each pair a weight memory.
MAX_CHAIN = 8
#: Longest cascade for weights from outside: the slices' own registers provide the delay.
STREAMED_CHAIN = 2


def finn_fields(a_bits: int, w_bits: int, narrow: bool, block: DspBlock = DSP48E1) -> int:
    """Channels per slice in FINN's mvu.sv (NUM_LANES), signed weights.

    narrow: no weight has the most negative value.
    """
    return 1 + max(0, block.weight_bits - (not narrow) - w_bits) // (a_bits + w_bits - 1)


def finn_slices(pe: int, simd: int, a_bits: int, w_bits: int, narrow: bool, block: DspBlock = DSP48E1) -> int:
    """DSP slices of FINN's MVAU_rtl: of mvu.sv, or by mvu_vvu_axi.sv's rule of mvu_vvu_8sx9_dsp58.sv."""
    fields, (most_a, most_w) = finn_fields(a_bits, w_bits, narrow, block), DOT_BITS
    if block.lanes > 1 and fields <= block.lanes and a_bits <= most_a and w_bits <= most_w:
        return pe * ceil(simd / block.lanes)
    return ceil(pe / fields) * simd


@dataclass(frozen=True)
class Packing:
    """Parameters of imec_dot_dsp: `fields` channels per slice, `spacing` bits apart, of `lanes` activations.

    Each of `chains` chains returns its sum plus `bias` in `field_bits` bits. centered: half the range is
    subtracted from unsigned activations, so that they are multiplied as signed numbers.
    """

    fields: int
    spacing: int
    field_bits: int
    chains: int
    bias: int
    centered: bool = False
    lanes: int = 1
    block: DspBlock = DSP48E1

    def slices(self, pe: int, simd: int) -> int:
        """DSP slices."""
        return ceil(pe / self.fields) * ceil(simd / self.lanes)

    def steps(self, simd: int) -> int:
        """Registers from activations to dot products (imec_pkg::dsp_steps)."""
        return 3 + (simd - 1) // self._step + ((self.chains - 1).bit_length() + 1) // 2

    def weight_parts(self, simd: int) -> list[slice]:
        """Lanes of each weight memory, starting with the first two slices of all chains (imec_conv.sv)."""
        step = self._step
        ends = [*range(((simd - 1) // step - 1) * step, 0, -2 * step), 0]
        return [slice(low, high) for low, high in zip(ends, [simd, *ends], strict=False)]

    @property
    def _step(self) -> int:
        """Lanes from a slice to the next one of its chain."""
        return self.chains * self.lanes

    @staticmethod
    def of(
        weights: np.ndarray,
        w_bits: int,
        a_bits: int,
        a_signed: bool,
        max_chain: int,
        may_center: bool,
        simd: int | None = None,
        block: DspBlock = DSP48E1,
    ) -> Packing | None:
        """The packing with the fewest slices, then chains, for weight words of shape (words, PE, SIMD).

        With `simd`, the shape is (words, PE, 1), and any of the `simd` lanes may have any of these weights.
        w_bits: width of a weight in two's complement. max_chain: most slices per chain. may_center: the
        constants that `centered` adds to each channel's sum are known.

        Never takes more slices than FINN's mvu.sv, so the spacing may be as narrow as a product of signed
        numbers. Unsigned activations are then centered; None if they must not be.
        """
        pe, simd = weights.shape[1], simd or weights.shape[2]
        narrow = int(weights.min()) > -(2 ** (w_bits - 1))
        columns = ceil(pe / finn_fields(a_bits, w_bits, narrow, block))
        fields = ceil(pe / columns)
        packed = Packing(fields, _widest_spacing(weights, fields, w_bits, block), 0, 0, 0, block=block)
        alone = Packing(1, ALONE_BITS, 0, 0, 0, lanes=block.lanes, block=block)
        found = []
        for centered in (False, True) if may_center and not a_signed else (False,):
            signed = a_signed or centered
            least = -(2 ** (a_bits - 1)) if signed else 0
            products = np.stack([weights * least, weights * (least + 2**a_bits - 1)])
            low, high = products.min(axis=0), products.max(axis=0)
            dots = block.lanes > 1 and a_bits + (not signed) <= DOT_BITS[0] and w_bits <= DOT_BITS[1]
            for shape in (alone, packed) if dots else (packed,):
                fewest = replace(shape, centered=centered)._with_fewest_chains(low, high, simd, max_chain)
                found += [fewest] if fewest else []
        return min(found, key=lambda packing: packing.slices(pe, simd), default=None)

    def _with_fewest_chains(
        self, low: np.ndarray, high: np.ndarray, simd: int, max_chain: int
    ) -> Packing | None:
        """With chains, field_bits and bias for products of these ranges, (words, PE, SIMD or 1)."""
        slices = ceil(simd / self.lanes)
        low, high = (_sliced(products, simd, self.lanes) for products in (low, high))
        widest = min(self.spacing, self.block.sum_bits - (self.fields - 1) * self.spacing)
        for chains in range(ceil(slices / max_chain), slices + 1):
            lowest = int(_chained(low, slices, chains).min())
            highest = int(_chained(high, slices, chains).max())
            field_bits = max(1, (highest - lowest).bit_length())
            if field_bits <= widest:
                return replace(self, field_bits=field_bits, chains=chains, bias=-lowest)
        return None


def _sliced(products: np.ndarray, simd: int, lanes: int) -> np.ndarray:
    """Sums of products (..., SIMD or 1) over the lanes of each slice, which are adjacent."""
    if products.shape[-1] < simd:
        return np.asarray(products * min(simd, lanes))
    return np.asarray(_filled(products, lanes).sum(axis=-1))


def _chained(products: np.ndarray, slices: int, chains: int) -> np.ndarray:
    """Sums of products (..., slices or 1) over the slices of each chain, which are `chains` apart."""
    if products.shape[-1] < slices:
        return np.asarray(products * ceil(slices / chains))
    return np.asarray(_filled(products, chains).sum(axis=-2))


def _filled(products: np.ndarray, columns: int) -> np.ndarray:
    """Products (..., n) with zeros behind, (..., rows, columns)."""
    width = [(0, 0)] * (products.ndim - 1) + [(0, -products.shape[-1] % columns)]
    return np.pad(products, width).reshape(*products.shape[:-1], -1, columns)


def _widest_spacing(weights: np.ndarray, fields: int, w_bits: int, block: DspBlock) -> int:
    """Largest spacing of fields with which all weight words (words, PE, SIMD) fit the port."""
    if fields == 1:
        return ALONE_BITS
    words, pe, simd = weights.shape
    filled = np.pad(weights, ((0, 0), (0, -pe % fields), (0, 0))).reshape(words, -1, fields, simd)
    spacing = (block.weight_bits - w_bits) // (fields - 1)
    limit = 2 ** (block.weight_bits - 1)
    while True:
        shifted = filled << spacing * np.arange(fields).reshape(-1, 1)
        packed = shifted.sum(axis=2)
        if -limit <= packed.min() and packed.max() < limit:
            return spacing
        spacing -= 1
