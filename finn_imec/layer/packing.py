"""Packing of a layer's channels into DSP slices for imec_dot_dsp.sv, by the range of its weights.

Adjacent fields of a product can be recovered exactly if none exceeds its width. FINN's mvu.sv lets them
overlap and corrects each product. Here a bias keeps every field positive, and the weights determine how many
products fit into a field, so a whole chain of slices is summed before its fields are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

#: Multiplier input for the weights, and accumulator, in bits (DSP48E1, UG479).
WEIGHT_PORT_BITS, PRODUCT_BITS = 25, 48
#: Longest cascade, in slices. Each slice adds a cycle of latency, each pair a weight memory.
MAX_CHAIN = 8
#: Longest cascade for weights from outside: the slices' own registers provide the delay.
STREAMED_CHAIN = 2


def finn_fields(a_bits: int, w_bits: int, narrow: bool) -> int:
    """Channels per slice in FINN's mvu.sv (NUM_LANES), signed weights.

    narrow: no weight has the most negative value.
    """
    return 1 + (WEIGHT_PORT_BITS - (not narrow) - w_bits) // (a_bits + w_bits - 1)


@dataclass(frozen=True)
class Packing:
    """Parameters of imec_dot_dsp: `fields` channels per slice, `spacing` bits apart.

    Each of `chains` chains returns its sum plus `bias` in `field_bits` bits. centered: half the range is
    subtracted from unsigned activations, so that they are multiplied as signed numbers.
    """

    fields: int
    spacing: int
    field_bits: int
    chains: int
    bias: int
    centered: bool = False

    def slices(self, pe: int, simd: int) -> int:
        """DSP slices."""
        return ceil(pe / self.fields) * simd

    def steps(self, simd: int) -> int:
        """Registers from activations to dot products (imec_pkg::dsp_steps)."""
        return 3 + (simd - 1) // self.chains + ((self.chains - 1).bit_length() + 1) // 2

    def weight_parts(self, simd: int) -> list[slice]:
        """Lanes of each weight memory, starting with the first two slices of all chains (imec_conv.sv)."""
        ends = [*range(((simd - 1) // self.chains - 1) * self.chains, 0, -2 * self.chains), 0]
        return [slice(low, high) for low, high in zip(ends, [simd, *ends], strict=False)]

    @staticmethod
    def of(
        weights: np.ndarray,
        w_bits: int,
        a_bits: int,
        a_signed: bool,
        max_chain: int,
        may_center: bool,
        simd: int | None = None,
    ) -> Packing | None:
        """The packing with the fewest chains for weight words of shape (words, PE, SIMD).

        With `simd`, the shape is (words, PE, 1), and any of the `simd` lanes may have any of these weights.
        w_bits: width of a weight in two's complement. max_chain: most slices per chain. may_center: the
        constants that `centered` adds to each channel's sum are known.

        Never takes more slices than FINN's mvu.sv, so the spacing may be as narrow as a product of signed
        numbers. Unsigned activations are then centered; None if they must not be.
        """
        pe, simd = weights.shape[1], simd or weights.shape[2]
        narrow = int(weights.min()) > -(2 ** (w_bits - 1))
        columns = ceil(pe / finn_fields(a_bits, w_bits, narrow))
        fields = ceil(pe / columns)
        spacing = _widest_spacing(weights, fields, w_bits)
        for centered in (False, True) if may_center and not a_signed else (False,):
            least = -(2 ** (a_bits - 1)) if a_signed or centered else 0
            products = np.stack([weights * least, weights * (least + 2**a_bits - 1)])
            low, high = products.min(axis=0), products.max(axis=0)
            for chains in range(ceil(simd / max_chain), simd + 1):
                lowest = int(_chained(low, simd, chains).min())
                highest = int(_chained(high, simd, chains).max())
                field_bits = max(1, (highest - lowest).bit_length())
                if field_bits <= spacing:
                    return Packing(fields, spacing, field_bits, chains, -lowest, centered)
        return None


def _chained(products: np.ndarray, simd: int, chains: int) -> np.ndarray:
    """Sums of products (..., SIMD or 1) over the lanes of each chain, which are `chains` apart."""
    if products.shape[-1] < simd:
        return np.asarray(products * ceil(simd / chains))
    filled = np.pad(products, [(0, 0)] * (products.ndim - 1) + [(0, -simd % chains)])
    return np.asarray(filled.reshape(*products.shape[:-1], -1, chains).sum(axis=-2))


def _widest_spacing(weights: np.ndarray, fields: int, w_bits: int) -> int:
    """Largest spacing of fields with which all weight words (words, PE, SIMD) fit the port."""
    if fields == 1:
        return PRODUCT_BITS
    words, pe, simd = weights.shape
    filled = np.pad(weights, ((0, 0), (0, -pe % fields), (0, 0))).reshape(words, -1, fields, simd)
    spacing = (WEIGHT_PORT_BITS - w_bits) // (fields - 1)
    limit = 2 ** (WEIGHT_PORT_BITS - 1)
    while True:
        shifted = filled << spacing * np.arange(fields).reshape(-1, 1)
        packed = shifted.sum(axis=2)
        if -limit <= packed.min() and packed.max() < limit:
            return spacing
        spacing -= 1
