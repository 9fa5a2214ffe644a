"""Numbers of one convolution: shapes, folding, schedule, memories, arithmetic, estimates."""

from finn_imec.layer import baseline
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.core import RES_TYPES, Core, Operand
from finn_imec.layer.datapath import Datapath, smallest_datatype
from finn_imec.layer.deprecated import install as install_deprecated
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.memories import MEM_MODES, RAM_STYLES
from finn_imec.layer.packing import DSP_BLOCKS, Packing
from finn_imec.layer.structure import Structure
from finn_imec.layer.units import cheapest_folding, storage
from finn_imec.layer.window import WindowUnit

install_deprecated()

__all__ = [
    "DSP_BLOCKS",
    "MEM_MODES",
    "RAM_STYLES",
    "RES_TYPES",
    "Arrivals",
    "ConvGeometry",
    "Core",
    "Datapath",
    "Estimate",
    "LineBuffer",
    "Operand",
    "Packing",
    "Structure",
    "WindowUnit",
    "baseline",
    "cheapest_folding",
    "divisors",
    "smallest_datatype",
    "storage",
]
