"""Common interface of the two units that hold a layer's live pixels: ports, memory, cycles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import gcd

import numpy as np

from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError

#: Registers that a word passes: input, buffer and weight, one in the dot product, accumulator, output.
PIPELINE_STAGES = 5
#: Extra memory for speed is spent only if the layer would otherwise take more than this factor of the cycles
#: of FINN's pair.
FULL_SPEED = 1.003


@dataclass(frozen=True)
class Storage(ABC):
    """The unit between a layer's input stream and its multipliers.

    Cycle 0 is the first one in which the input register may hold a word, 1 after the first in which input may
    arrive. `stages` is the number of registers from input to output, see
    `finn_imec.layer.structure.Structure.pipeline_stages`.
    """

    layer: ConvGeometry

    # ---- memory -------------------------------------------------------------------------------

    @property
    @abstractmethod
    def dual_port(self) -> bool:
        """True if the memory has a separate write port with its own address."""

    @property
    def banked(self) -> bool:
        """True if these two ports are those of two banks with one port each, see imec_banks.sv."""
        return False

    @property
    def parted(self) -> bool:
        """True if a memory of one port in LUTs is in parts, see imec_parts.sv."""
        return False

    @property
    @abstractmethod
    def style(self) -> str:
        """Type of the memory: one of RAM_STYLES except "auto"."""

    @property
    @abstractmethod
    def words(self) -> int:
        """Depth of the memory."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Channels per word of the memory; 0 without one."""

    @property
    @abstractmethod
    def fold_step(self) -> int:
        """Address step from the last word of a neuron fold to the first word of the next, modulo `words`."""

    @abstractmethod
    def bits(self, act_bits: int) -> int:
        """Bits of all memories and registers that hold pixels, for activations of act_bits bits."""

    # ---- cycles -------------------------------------------------------------------------------

    @property
    @abstractmethod
    def cycles_per_frame(self) -> int:
        """Exact steady-state interval between frames: input always valid, output always ready."""

    @abstractmethod
    def last_reads(self, frames: int) -> list[int]:
        """Cycle, from 1, of each frame's last read, frames back to back."""

    @abstractmethod
    def cycles(self, frames: int, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Cycle of every `each`-th word's write (padding excluded), and of each fold's last read. int64.

        each: a divisor of the words per pixel.
        """

    @property
    def arrivals(self) -> Arrivals:
        """The order in which words arrive."""
        return Arrivals(self.layer)

    def total_cycles(self, frames: int = 1, stages: int = PIPELINE_STAGES) -> int:
        """Exact cycles from the first in which input may arrive until the last output word is taken.

        Unstalled, `frames` frames back to back; equals FINN's cycles_rtlsim attribute for a batch.
        """
        if frames < 1:
            raise GeometryError(f"frames={frames}: must be at least 1")
        return self.last_reads(frames)[-1] + stages

    def first_output_latency(self, stages: int = PIPELINE_STAGES) -> int:
        """Cycles from the first input word taken to the first output word offered, inclusive."""
        taken, offered = self.stream_cycles(1, stages)
        return int(offered[0] - taken[0]) + 1

    def stream_cycles(self, frames: int = 1, stages: int = PIPELINE_STAGES) -> tuple[np.ndarray, np.ndarray]:
        """Cycle in which each input word is taken and each output word is offered. int64.

        Unstalled, `frames` frames back to back, every word as soon as possible, from the first cycle in which
        input may arrive. The last output word is offered in the last of total_cycles(frames, stages).
        """
        g = self.layer
        per_input = g.simd_in // gcd(g.word_channels, g.simd_in)
        if g.cycles_per_word == 1:  # an input word is taken with the last of its buffer words
            used, read = self.cycles(frames, per_input)
            return self._into_register(used), read + stages
        written, read = self.cycles(frames)
        # Input and buffer words consist of pieces of gcd(SIMD_in, word_channels) channels. The last piece of
        # a buffer word is taken when the word is written, the others right after the previous word.
        pieces = np.repeat(written[:, np.newaxis], g.cycles_per_word, axis=1)
        others = g.cycles_per_word - 1
        pieces[:, :others] = np.append(0, written[:-1] + 1)[:, np.newaxis] + np.arange(others)
        return self._into_register(pieces.ravel()[per_input - 1 :: per_input]), read + stages

    @staticmethod
    def _into_register(used: np.ndarray) -> np.ndarray:
        """When the input register takes each word: as soon as the one before leaves it, in cycle `used`."""
        return np.append(0, used[:-1] + 1)
