"""Build steps that size FIFOs by simulation and insert them, without Vivado."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.builder.steps import write_report
from finn_imec.fifos.sizing import set_depths, size_fifos
from finn_imec.util.onnx_model import transformed

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: Written by step_size_fifos, relative to the build's output_dir: a fifo_config_file.
FIFO_CONFIG = "report/fifo_config.json"

# A child of the logger that FINN's builder sends to build_dataflow.log.
log = logging.getLogger("build_dataflow.imec")


def step_size_fifos(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Size the FIFOs by simulation in Verilator: see `size_fifos`.

    Use it right before finn-plus' step_set_fifo_depths or step_generate_hardware, or step_insert_fifos.
    cfg: FINN's DataflowBuildConfig. The target is its target_fps, or else the rate with FIFOs without limits.
    Writes FIFO_CONFIG below output_dir, sets the nodes' inFIFODepths and outFIFODepths, and lets the steps
    behind it take the depths from that file: auto_fifo_depths becomes False, fifo_config_file that file.
    """
    part, clock = cfg._resolve_fpga_part(), cfg._resolve_hls_clk_period()
    sizing = size_fifos(model, cfg._resolve_cycles_per_frame(), part, stage=log.info, clock_ns=clock)
    write_report(cfg, FIFO_CONFIG, sizing.config())
    cfg.auto_fifo_depths = False
    cfg.fifo_config_file = Path(cfg.output_dir) / FIFO_CONFIG
    return set_depths(model, sizing)


def step_insert_fifos(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Insert width converters and the FIFOs of cfg.fifo_config_file, and generate their code.

    What FINN's step_set_fifo_depths does with such a file, except that no other node is generated again: that
    needs Vitis HLS.
    """
    from finn.builder.build_dataflow_steps import step_hw_codegen
    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
    from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
    from finn.transformation.fpgadataflow.set_fifo_depths import ApplyFIFODepthsFromFile
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from finn.transformation.qonnx.give_unique_node_names_recursive import GiveUniqueNodeNamesRecursive
    from qonnx.transformation.general import GiveReadableTensorNames

    model = transformed(
        model,
        InsertDWC(),
        InsertFIFO(create_shallow_fifos=True),
        SpecializeLayers(cfg._resolve_fpga_part()),
        GiveUniqueNodeNamesRecursive(),
        GiveReadableTensorNames(),
        ApplyFIFODepthsFromFile(Path(cfg.fifo_config_file)),
    )
    return step_hw_codegen(model, cfg)
