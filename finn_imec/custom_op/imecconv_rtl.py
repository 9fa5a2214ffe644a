"""IMECConv in RTL: code generation, IP integration, simulation with Verilator."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.rtlbackend import RTLBackend
from finn.util.basic import is_versal

from finn_imec.compat.finn import axilite_address_bits, dsp_block
from finn_imec.custom_op.imecconv import IMECConv
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.clock import period_ns, pipeline_for
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.units import storage
from finn_imec.rtl.generate import ImecRtl, stream_design
from finn_imec.simulation.model import Model
from finn_imec.simulation.stimulus import Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.design import Design
from finn_imec.streams.words import as_words, decode, encode
from finn_imec.util.errors import UnsupportedError
from finn_imec.util.names import identifier, tcl_list


class IMECConv_rtl(IMECConv, RTLBackend):
    """IMECConv as SystemVerilog (finn_imec/rtl/rtllib); rtlsim runs in Verilator, never in xsim."""

    def get_nodeattr_types(self) -> dict[str, tuple]:
        """Attributes of IMECConv and of FINN's RTL backend."""
        return {**IMECConv.get_nodeattr_types(self), **RTLBackend.get_nodeattr_types(self)}

    # ---- generation -----------------------------------------------------------------------------

    def _rtl(self, datapath: Datapath) -> ImecRtl:
        """The node's RTL, with its memories where the attributes put them."""
        styles = map(self.get_nodeattr, ("ram_style", "mem_mode", "ram_style_thresholds"))
        return ImecRtl(self.get_verilog_top_module_name(), datapath, *styles)

    def modeled_cycles(self, datapath: Datapath, frames: int = 1) -> int:
        """Structure.total_cycles of the node's RTL, which cycles_rtlsim equals."""
        return self._rtl(datapath).structure.total_cycles(frames)

    def generate_hdl(self, model: Any, fpgapart: str, clk: float) -> None:
        """Write the top level and its memory files into code_gen_dir_ipgen."""
        self.set_nodeattr("dsp_block", dsp_block(fpgapart))  # stored because constants depend on it
        datapath = self.constant_datapath(model)
        if self.get_nodeattr("pipeline") < 0:  # stored because latency depends on it
            datapath = replace(datapath, pipeline=pipeline_for(self._rtl(datapath).structure, clk))
            self.set_nodeattr("pipeline", datapath.pipeline)
            period, path = period_ns(self._rtl(datapath).structure)
            if period > clk:
                warnings.warn(
                    f"{self.onnx_node.name}: {clk} ns is not expected to be met: {period:.1f} ns through the "
                    f"{path}; a slower clock or a smaller SIMD helps",
                    stacklevel=2,
                )
        folder = self.get_nodeattr("code_gen_dir_ipgen")
        mode = self.get_nodeattr("mem_mode")
        ram_style, threshold_style = map(self.get_nodeattr, ("ram_style", "ram_style_thresholds"))
        if not is_versal(fpgapart):
            cannot = f"UltraRAM of {fpgapart} cannot be initialized"
            if ram_style == "ultra" and mode != "external":
                if not self.runtime_weights:
                    raise UnsupportedError(
                        f"{self.onnx_node.name}: ram_style=ultra with mem_mode={mode}: {cannot}, "
                        "accepted is mem_mode=internal_decoupled with runtime_writeable_weights=1"
                    )
                datapath = replace(datapath, weights=None)
            if threshold_style == "ultra" and self._rtl(datapath).structure.search:
                raise UnsupportedError(
                    f"{self.onnx_node.name}: ram_style_thresholds=ultra: {cannot}, "
                    "accepted are auto, block, distributed"
                )
        rtl = self._rtl(datapath)
        rtl.generate(Path(folder))
        # Stored because FINN may rename the node later.
        self.set_nodeattr("gen_top_module", rtl.top)
        self.set_nodeattr("ipgen_path", folder)
        self.set_nodeattr("ip_path", folder)

    def design(self) -> Design:
        """The generated top level, its sources, memory files and streams."""
        top = self.get_nodeattr("gen_top_module")
        if not top:
            raise UnsupportedError(f"{self.onnx_node.name}: no RTL yet; apply FINN's PrepareIP first")
        return stream_design(
            top,
            Path(self.get_nodeattr("code_gen_dir_ipgen")),
            self.get_instream_width_padded(0),
            self.get_outstream_width_padded(0),
            self.get_nodeattr("mem_mode"),
            self.get_instream_width_padded(1),
            self._axilite_bits,
        )

    @property
    def _axilite_bits(self) -> int:
        if not self.get_verilog_top_module_intf_names()["axilite"]:
            return 0
        return axilite_address_bits(self.geometry.weight_words, self.get_instream_width_padded(1))

    def get_rtl_file_list(self, abspath: bool = False) -> list[str]:
        """All sources, library files first; bare names unless abspath."""
        return [str(path) if abspath else path.name for path in self.design().sources]

    def get_verilog_top_module_name(self) -> str:
        """The node's name, or one made from it that is an identifier."""
        return identifier(self.onnx_node.name)

    def code_generation_ipi(self) -> list[str]:
        """Vivado IP integrator commands that add the sources and instantiate the top level."""
        design = self.design()
        return [
            *(f"add_files -norecurse {tcl_list(path)}" for path in design.sources),
            f"create_bd_cell -type module -reference {design.top} {identifier(self.onnx_node.name)}",
        ]

    # ---- simulation -----------------------------------------------------------------------------

    def prepare_rtlsim(self, behav: bool = False) -> None:
        """Compile the node's Verilator model, or take it from the cache; sets rtlsim_so.

        With rtlsim_trace, runs write waveforms to a VCD file in place of FINN's .wdb.
        """
        self.set_nodeattr("rtlsim_so", str(self._build().path))

    def _build(self) -> Model:
        return build([self.design()], trace="vcd" if self.get_nodeattr("rtlsim_trace") else "")

    def get_rtlsim(self) -> Model:
        """The compiled model, from the cache."""
        path = Path(self.get_nodeattr("rtlsim_so"))
        if not path.is_file():
            raise UnsupportedError(
                f"{self.onnx_node.name}: no simulation model at rtlsim_so={str(path)!r}; apply "
                "FINN's PrepareRTLSim first"
            )
        return self._build()

    def reset_rtlsim(self, sim: Model) -> None:
        """Nothing to do: every run starts from reset."""

    def close_rtlsim(self, sim: Model) -> None:
        """Nothing to do: every run frees its simulation."""

    def rtlsim_multi_io(self, sim: Model, io_dict: dict, sname: str = "_V") -> None:
        """Run lists of integer words in FINN's io_dict; sets cycles_rtlsim."""
        inputs = {f"{name}_V": words for name, words in io_dict["inputs"].items()}
        frames = len(inputs["in0_V"]) // int(np.prod(self.get_folded_input_shape()[:-1]))
        out = self._run(sim, inputs, frames)
        io_dict["outputs"]["out0"] = [int.from_bytes(word.tobytes(), "little") for word in out]

    def _run(self, sim: Model, inputs: dict[str, Any], frames: int) -> np.ndarray:
        expected = frames * self.get_number_output_values()
        stimulus = Stimulus(inputs, {"out0_V": expected}, allow_extra=Arrivals(self.geometry).runs_ahead)
        waves = self.get_nodeattr("rtlsim_trace")
        waves = self.onnx_node.name if waves == "default" else waves
        result = sim.run([stimulus], waves=Path(waves).with_suffix(".vcd") if waves else None)[0]
        self.set_nodeattr("cycles_rtlsim", int(result.cycles))
        return result.outputs["out0_V"]

    def execute_node(self, context: dict, graph: Any) -> None:
        """Compute in numpy (exec_mode "" or "cppsim"), or in the Verilator model ("rtlsim")."""
        if self.get_nodeattr("exec_mode") != "rtlsim":
            IMECConv.execute_node(self, context, graph)
            return
        node, geometry = self.onnx_node, self.geometry
        ifm = self.integers(context)
        inputs = {"in0_V": encode(ifm, self.get_input_datatype(0), geometry.simd_in)}
        if self.get_nodeattr("mem_mode") == "external":
            words = self.weight_words(context[node.input[1]])
            words = as_words("in1_V", self.get_instream_width_padded(1), words)
            inputs["in1_V"] = np.tile(words, (geometry.windows * len(ifm), 1))
        out = self._run(self.get_rtlsim(), inputs, len(ifm))
        ofm = decode(out, self.get_output_datatype(), geometry.pe)
        self.set_output(context, ofm)

    # ---- FIFO sizing ----------------------------------------------------------------------------

    def characteristic(self, period: int) -> tuple[np.ndarray, np.ndarray]:
        """Words taken and words output up to each of 2*period cycles, one frame per period. int32.

        FINN's characteristic functions (DeriveCharacteristic of upstream FINN), from the exact schedule
        instead of rtlsim of one frame. Unlike in FINN, a frame may still be in progress when the next one
        starts. The pipeline has PIPELINE_STAGES registers here: more or fewer delay all words equally and
        change no FIFO. Raises UnsupportedError if period < get_exp_cycles().
        """
        if period < self.get_exp_cycles():
            raise UnsupportedError(
                f"{self.onnx_node.name}: period={period} cycles: accepted is at least {self.get_exp_cycles()}"
            )
        cycles = np.arange(2 * period)
        taken, given = (
            np.sort(np.append(moved, moved + period)) for moved in storage(self.geometry).stream_cycles()
        )
        return (
            np.searchsorted(taken, cycles, "right").astype(np.int32),
            np.searchsorted(given, cycles, "right").astype(np.int32),
        )

    def derive_characteristic_fxns(self, period: int, *args: Any, **kwargs: Any) -> None:
        """Set upstream FINN's attributes io_chrc_*; needs no simulation."""
        taken, given = self.characteristic(period)
        self.set_nodeattr("io_chrc_period", period)
        self.set_nodeattr("io_chrc_in", taken[np.newaxis])
        self.set_nodeattr("io_chrc_out", given[np.newaxis])
        self.set_nodeattr("io_chrc_pads_in", [0])
        self.set_nodeattr("io_chrc_pads_out", [0])
