"""Resource estimates of IMECConv, with constants from this project's own Yosys measurements.

`finn-imec compare` measures; this only predicts, for FINN's estimate reports. The constants are read
off the CNV layers at 1x1 and 2x2 bits (benchmarks/results); wider operands and thresholds are
extrapolated from the same structure.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from finn_imec.geometry import ConvGeometry
from finn_imec.packing import Packing

if TYPE_CHECKING:
    from finn_imec.custom_op.imecconv import IMECConv

#: LUTs per one-bit product that is counted: a third of two for the first level, the rest above it.
LUTS_PER_PLANE_BIT = 2.0
#: Sequencer, handshake and pipeline control.
CONTROL_LUTS = 130
#: RAMB18 shapes, depth x width.
RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
#: A slice has two registers for each LUT.
LUTS_PER_FF = 0.5
#: Bits that FINN reckons per RAMB18 and per UltraRAM.
RAMB18_BITS, URAM_BITS = 512 * 36, 4096 * 72
#: What a block is worth in LUTs: the device's LUTs over its blocks. XC7Z020; UltraRAM: XCZU7EV.
LUTS_PER_RAMB18, LUTS_PER_DSP, LUTS_PER_URAM = 53200 // 280, 53200 // 220, 230400 // 96


def memory_luts(words: int, bits: int) -> int:
    """LUT sites of a single-port LUT memory or ROM: 64 words of one bit each."""
    return ceil(words / 64) * bits


def memory_bram18(words: int, bits: int) -> int:
    """RAMB18 blocks of a memory, in the shape that takes fewest."""
    return min(ceil(words / depth) * ceil(bits / width) for depth, width in RAMB18)


def queue_luts(words: int, bits: int) -> int:
    """LUT sites of a LUT memory with two ports, of up to 64 words: four hold six or three bits of each."""
    return 4 * ceil(bits / (6 if words <= 32 else 3)) if words else 0


def window_luts(geometry: ConvGeometry, act_bits: int) -> int:
    """LUTs of imec_window beside the line memory: its queues, and the choice of a window's word."""
    kh, _ = geometry.kernel
    queues = geometry.window.queues
    column = queue_luts(queues.columns, kh * geometry.ifm_channels * act_bits)
    window = queue_luts(queues.windows, geometry.mw * act_bits)
    choice = ceil((geometry.sf - 1) / 3) * geometry.simd * act_bits  # four to one in a LUT
    return column + window + choice


def dot_luts(geometry: ConvGeometry, act_bits: int, weight_bits: int) -> int:
    """LUTs of PE dot products over SIMD lanes, by bit planes."""
    products = geometry.simd * act_bits * weight_bits
    return ceil(geometry.pe * LUTS_PER_PLANE_BIT * products)


def dsp_luts(geometry: ConvGeometry, packing: Packing) -> int:
    """LUTs that add the chains of PE dot products in DSP slices."""
    return geometry.pe * (packing.chains - 1) * (packing.field_bits + 1)


def threshold_luts(geometry: ConvGeometry, steps: int, acc_bits: int) -> int:
    """LUTs of the comparators (two bits a LUT), their thresholds' ROM and the count."""
    rom = memory_luts(geometry.nf, acc_bits) if geometry.nf > 1 else 0
    return geometry.pe * steps * (ceil(acc_bits / 2) + rom + 1)


def lut_equivalents(node: IMECConv) -> int:
    """The node's estimates as one number, to compare foldings by: its blocks priced in LUTs.

    Registers come with the LUTs of what they stand behind, but for those of whole windows.
    """
    g = node.geometry
    registers = g.window.register_pixels * g.ifm_channels if g.window else 0
    return (
        node.lut_estimation()
        + ceil(LUTS_PER_FF * registers * node.get_input_datatype(0).bitwidth())
        + LUTS_PER_RAMB18 * node.bram_estimation()
        + LUTS_PER_DSP * node.dsp_estimation()
        + LUTS_PER_URAM * node.uram_estimation()
    )
