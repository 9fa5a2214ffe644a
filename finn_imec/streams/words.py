"""Stream words as bytes, and conversion from and to integers.

A stream word of `width` bits is ceil(width / 8) bytes, least significant byte first; the unused
bits of the last byte are zero. A sequence of words is a uint8 array (words, ceil(width / 8)).
`round_up_to_bytes(width)` is its size in bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType


def round_up_to_bytes(bits: int) -> int:
    """`bits`, rounded up to whole bytes: the width of an AXI4-Stream TDATA that carries them."""
    return (bits + 7) // 8 * 8


def pack(values: np.ndarray, bits: int) -> np.ndarray:
    """Pack integers into stream words, two's complement, element 0 in the least significant bits.

    values: integers, shape (words, elems), each in [-2**(bits-1), 2**bits - 1]; bits: 1..64.
    Returns uint8, shape (words, ceil(elems * bits / 8)), least significant byte first.
    Raises ValueError for another shape or type, or a value that does not fit.
    """
    values = np.asarray(values)
    _check_bits(bits)
    if values.ndim != 2 or values.dtype.kind not in "iub":
        raise ValueError(
            f"values: {values.dtype} array of shape {values.shape}; expected integers of shape (words, elems)"
        )
    words, elems = values.shape
    if values.size and not (-(1 << bits - 1) <= int(values.min()) and int(values.max()) < 1 << bits):
        raise ValueError(
            f"values: range {values.min()} .. {values.max()} does not fit {bits} bits; "
            f"expected {-(1 << bits - 1)} .. {(1 << bits) - 1}"
        )
    size = _storage_bytes(bits)
    raw = np.ascontiguousarray(values.astype(f"<u{size}")).view(np.uint8)
    if bits == 8 * size:
        return raw.reshape(words, elems * size)
    raw = raw.reshape(words, elems, size)
    ones = np.unpackbits(raw, axis=-1, count=bits, bitorder="little")
    return np.packbits(ones.reshape(words, elems * bits), axis=-1, bitorder="little")


def unpack(words: np.ndarray, elems: int, bits: int, signed: bool) -> np.ndarray:
    """Inverse of `pack`: the integers of stream words.

    words: uint8, shape (words, ceil(elems * bits / 8)); bits: 1..64, or 1..63 if not signed.
    Returns int64, shape (words, elems). Raises ValueError for another shape or type.
    """
    words = np.asarray(words)
    _check_bits(bits if signed else bits + 1)
    n_bytes = round_up_to_bytes(elems * bits) // 8
    if words.dtype != np.uint8 or words.ndim != 2 or words.shape[1] != n_bytes:
        raise ValueError(
            f"words: {words.dtype} array of shape {words.shape}; expected uint8 of shape (words, {n_bytes})"
        )
    size = _storage_bytes(bits)
    if bits == 8 * size:
        raw = np.ascontiguousarray(words)
    else:
        ones = np.unpackbits(words, axis=-1, count=elems * bits, bitorder="little")
        ones = ones.reshape(len(words), elems, bits)
        raw = np.zeros((len(words), elems, size), np.uint8)
        raw[..., : round_up_to_bytes(bits) // 8] = np.packbits(ones, axis=-1, bitorder="little")
    values = raw.view(f"<u{size}").reshape(len(words), elems).astype(np.uint64).view(np.int64)
    if signed:
        values = values << (64 - bits) >> (64 - bits)
    return values


def as_words(name: str, width: int, values: Any) -> np.ndarray:
    """The words of stream `name`: uint8, shape (words, ceil(width / 8)), contiguous.

    values: an array of that shape, or non-negative integers below 2**width.
    Raises ValueError for another shape or type, or a word that does not fit.
    """
    n_bytes = round_up_to_bytes(width) // 8
    if isinstance(values, np.ndarray) and values.ndim == 2:
        if values.dtype != np.uint8 or values.shape[1] != n_bytes:
            raise ValueError(
                f"words of {name}: {values.dtype} array of shape {values.shape}; expected uint8 "
                f"of shape (words, {n_bytes})"
            )
        words = np.ascontiguousarray(values)
    else:
        try:
            data = b"".join(int(value).to_bytes(n_bytes, "little") for value in values)
        except OverflowError:
            raise ValueError(f"words of {name}: a value is not in 0 .. 2**{width} - 1") from None
        words = np.frombuffer(data, np.uint8).reshape(-1, n_bytes)
    if width % 8 and len(words) and int(words[:, -1].max()) >> width % 8:
        raise ValueError(f"words of {name}: a value is not in 0 .. 2**{width} - 1")
    return words


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= 64:
        raise ValueError(f"bits: {bits}; expected 1 .. 64 (63 for unsigned results)")


def _storage_bytes(bits: int) -> int:
    return next(size for size in (1, 2, 4, 8) if bits <= 8 * size)


def encode(values: np.ndarray, datatype: BaseDataType, elems: int) -> np.ndarray:
    """Values in stream order -> stream words of `elems` values, as `simulation.verilator.pack`.

    values: integers, or float32 if the datatype is FLOAT32.
    """
    if datatype == DataType["FLOAT32"]:
        values = np.ascontiguousarray(values, "<f4").view("<u4")
    if datatype == DataType["BIPOLAR"]:
        values = values > 0
    return pack(np.asarray(values, np.int64).reshape(-1, elems), datatype.bitwidth())


def decode(words: np.ndarray, datatype: BaseDataType, elems: int) -> np.ndarray:
    """Inverse of `encode`: int64, or float32 if the datatype is FLOAT32, shape (words, elems)."""
    if datatype == DataType["FLOAT32"]:
        return unpack(words, elems, 32, False).astype("<u4").view("<f4")
    bits, bipolar = datatype.bitwidth(), datatype == DataType["BIPOLAR"]
    signed = bool(datatype.signed()) and not bipolar
    values = unpack(words[:, : round_up_to_bytes(elems * bits) // 8], elems, bits, signed)
    return 2 * values - 1 if bipolar else values
