"""What an IMECConv tells FINN of its cost: cycles, operations, resources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from finn.custom_op.fpgadataflow.matrixvectoractivation import MVAU

from finn_imec.compat.finn import dsp_block
from finn_imec.layer.clock import pipeline_for
from finn_imec.layer.core import Operand
from finn_imec.layer.estimate import LUTS_PER_DSP, RAMB18_BITS, URAM_BITS, Estimate
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.structure import Structure
from finn_imec.layer.units import storage


class NodeEstimates:
    """FINN's methods for estimates, from the node's attributes alone."""

    geometry: ConvGeometry
    runtime_weights: bool

    def get_exp_cycles(self) -> int:
        """Exact cycles per frame in steady state."""
        return storage(self.geometry).cycles_per_frame

    def get_op_and_param_counts(self) -> dict[str, int]:
        """Operations and parameters per frame, as FINN's MVAU counts them."""
        return MVAU.get_op_and_param_counts(self)

    def calc_wmem(self) -> int:
        """Depth of the weight memory in words of PE*SIMD weights."""
        return self.geometry.weight_words

    def calc_tmem(self) -> int:
        """Depth of the threshold memory in words of PE channels."""
        return 0 if self.get_nodeattr("noActivation") else self.geometry.nf

    @property
    def structure(self) -> Structure:
        """The node's structure by its attributes, for all weights and thresholds of its datatypes."""
        return self._structure_on(self.get_nodeattr("dsp_block"))

    def _structure_on(self, block: str) -> Structure:
        xnor = bool(self.get_nodeattr("binaryXnorMode"))
        activation, weight = (
            Operand.of(self.get_input_datatype(i), name, xnor)
            for i, name in enumerate(("inputDataType", "weightDataType"))
        )
        output = self.get_output_datatype()
        return Structure.of_any_weights(
            self.geometry,
            activation,
            weight,
            self.get_accumulator_datatype().bitwidth(),
            output.bitwidth(),
            0 if self.get_nodeattr("noActivation") else output.get_num_possible_values() - 1,
            self.runtime_weights,
            self.get_nodeattr("resType"),
            block,
            pipeline=max(0, self.get_nodeattr("pipeline")),
            **{name: self.get_nodeattr(name) for name in ("mem_mode", "ram_style", "ram_style_thresholds")},
        )

    @property
    def estimate(self) -> Estimate:
        """Resource estimates by the node's structure."""
        return Estimate(self.structure)

    def _estimate_on(self, fpgapart: str | None) -> Estimate:
        """Estimates with the part's DSP slice, or without a part, which upstream FINN may not name."""
        return Estimate(self._structure_on(dsp_block(fpgapart))) if fpgapart else self.estimate

    def estimate_for(self, model: Any, clock_ns: float) -> Estimate:
        """Resources for the weights and thresholds of a model, with the registers that a clock needs."""
        names = ("mem_mode", "ram_style", "ram_style_thresholds")
        structure = replace(
            self.constant_datapath(model).structure, **{name: self.get_nodeattr(name) for name in names}
        )
        return Estimate(replace(structure, pipeline=pipeline_for(structure, clock_ns)))

    def bram_estimation(self, fpgapart: str | None = None) -> int:
        """RAMB18 of weights, line buffer and searched thresholds whose ram_style is or resolves to block."""
        return self._estimate_on(fpgapart).bram18

    def lut_estimation(self, fpgapart: str | None = None) -> int:
        """LUT sites, by coefficients fitted to measurements; error: see finn_imec/layer/estimate.py."""
        return self._estimate_on(fpgapart).luts

    def core_estimation(self) -> int:
        """LUT sites of dot products and accumulators, with DSP slices priced in LUTs."""
        estimate = self.estimate
        return estimate.core_luts + LUTS_PER_DSP * estimate.dsp

    def uram_estimation(self, fpgapart: str | None = None) -> int:
        """UltraRAM blocks (4096 x 72) of memories whose ram_style is ultra."""
        return self._estimate_on(fpgapart).uram

    def bram_efficiency_estimation(self, fpgapart: str | None = None) -> float:
        """Bits in block RAM over the bits of those blocks; 1 without any, as FINN's MVAU says."""
        estimate = self._estimate_on(fpgapart)
        blocks = estimate.bram18
        return estimate.stored_bits("block") / (blocks * RAMB18_BITS) if blocks else 1

    def uram_efficiency_estimation(self, fpgapart: str | None = None) -> float:
        """Bits in UltraRAM over the bits of those blocks; 1 without any, as FINN's MVAU says."""
        estimate = self._estimate_on(fpgapart)
        blocks = estimate.uram
        return estimate.stored_bits("ultra") / (blocks * URAM_BITS) if blocks else 1

    def dsp_estimation(self, fpgapart: str | None = None) -> int:
        """DSP slices of the dot products; never more than FINN's MVAU_rtl takes."""
        return self._estimate_on(fpgapart).dsp
