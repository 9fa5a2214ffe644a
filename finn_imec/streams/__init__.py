"""Streaming designs: ports, words, and the packing of values into words."""

from finn_imec.streams.design import Design, Probe, Stream
from finn_imec.streams.words import as_words, decode, encode, pack, round_up_to_bytes, unpack

__all__ = [
    "Design",
    "Probe",
    "Stream",
    "as_words",
    "decode",
    "encode",
    "pack",
    "round_up_to_bytes",
    "unpack",
]
