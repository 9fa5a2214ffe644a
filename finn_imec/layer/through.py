"""Words that are read once, as they arrive, imec_through.sv: no line buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.storage import Storage


def passes_through(layer: ConvGeometry) -> bool:
    """True if each word of the input is read once, in the order of arrival.

    Windows are pixels, and one neuron fold reads all of it, or, if depthwise, each fold its own channels.
    """
    once = layer.depthwise or layer.nf == 1
    return layer.pointwise and once and not layer.parallel_window and not layer.geared


@dataclass(frozen=True)
class Through(Storage):
    """What takes the place of the line buffer of a layer that `passes_through`."""

    # ---- memory -------------------------------------------------------------------------------

    @property
    def dual_port(self) -> bool:
        """False: there is no memory."""
        return False

    @property
    def style(self) -> str:
        """That of no memory."""
        return "distributed"

    @property
    def words(self) -> int:
        """0: there is no memory."""
        return 0

    @property
    def channels(self) -> int:
        """0: there is no memory."""
        return 0

    @property
    def fold_step(self) -> int:
        """0: there are no addresses."""
        return 0

    def bits(self, act_bits: int) -> int:
        """0: a word is in the pipeline, not in a memory."""
        return 0

    # ---- cycles -------------------------------------------------------------------------------

    @property
    def cycles_per_frame(self) -> int:
        """Exact steady-state interval between frames, in cycles: each word is read when it arrives."""
        return self.arrivals.frame_words * self.layer.cycles_per_word

    def last_reads(self, frames: int) -> list[int]:
        """Cycle, from 1, of each frame's last read."""
        return [frame * self.cycles_per_frame for frame in range(1, frames + 1)]

    def cycles(self, frames: int, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Cycle in which every `each`-th word is taken, and that of each fold's last one. int64."""
        g = self.layer
        words = np.arange(1, frames * self.arrivals.frame_words + 1, dtype=np.int64) * g.cycles_per_word - 1
        return words[each - 1 :: each], words[g.sf - 1 :: g.sf]
