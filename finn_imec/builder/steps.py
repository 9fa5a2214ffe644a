"""Build steps for the DataflowBuildConfig of finn-plus and of upstream FINN."""

from __future__ import annotations

import copy
import functools
import json
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finn_imec.builder.conversion import REPORT, Conversion, load_conversion, next_commands
from finn_imec.builder.node_config import configure_imec, kept_units
from finn_imec.compat.transformations import apply_config, auto_folding_config
from finn_imec.util.errors import ModelError, UnsupportedError
from finn_imec.util.onnx_model import constant

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

    from finn_imec.transformation.fold_imec_conv import FoldingReport

#: The step after which accumulator types, thresholds and folding are final.
FUSE_AFTER = "step_minimize_bit_width"
#: FINN's step that folds its own layers to target_fps.
FINN_FOLDS_IN = "step_target_fps_parallelization"
#: The step that makes the PYNQ driver, in finn-plus and in upstream FINN.
DRIVER_STEPS = ("step_make_driver", "step_make_pynq_driver")

#: The first step that inserts DMAs, in finn-plus and in upstream FINN.
DMA_STEPS = ("step_prepare_synthesis", "step_synthesize_bitfile")
#: finn-plus' multi-DNN mode in which layers have one set of weights per network.
SELECTABLE = "SelectableWeights"
#: Memory interface width of FINN's DMAs on Zynq, in bits.
ZYNQ_DMA_BITS = 64

#: Written by step_fold_imec, relative to the build's output_dir.
FOLDING_REPORT = "report/imec_folding.json"

#: Attributes in auto_folding_config.json: those that FINN's step writes, and IMECConv's.
FOLDING_ATTRIBUTES = (
    *("PE", "SIMD", "EmbFold", "SeqFold", "parallel_window", "ram_style", "ram_style_thresholds"),
    *("ram_style_mask", "depth", "impl_style", "resType", "mac_resource", "mem_mode"),
    *("runtime_writeable_weights", "depth_trigger_uram", "depth_trigger_bram"),
    *("SIMD_in", "buffer_ram_style"),
)

# A child of the logger that FINN's builder sends to build_dataflow.log.
log = logging.getLogger("build_dataflow.imec")


def step_convert_to_imec(
    model: ModelWrapper,
    cfg: Any,
    allow_larger: bool = False,
    pointwise: bool = True,
    absorb_thresholds: bool = True,
) -> ModelWrapper:
    """Swap each ConvolutionInputGenerator + MVAU pair, and MVAUs alone, for one IMECConv.

    cfg: FINN's DataflowBuildConfig; output_dir, part, clock, folding_config_file and multi_dnn_config_path
    are read. What the folding configuration says about the new nodes, by their names or as a default of their
    op type, is applied to them: FINN's step before the swap did not find them. MVAUs alone that it names
    beside IMECConv nodes stay, as they did when it was written. Writes REPORT below output_dir, a Conversion
    as JSON: part and clock, `pairs`, one object per ConvolutionInputGenerator and per MVAU or VVAU alone with
    the fields of PairReport (`imecconv` names the new node, or `reason` says why the pair stays), the `total`
    of their estimates, and the `next` commands. A model without a convertible pair passes unchanged, with a
    warning. allow_larger, pointwise, absorb_thresholds: see InferIMECConv. Raises ModelError if the folding
    configuration names an IMECConv that is not there, or what a node does not accept; UnsupportedError for
    finn-plus' multi-DNN builds with SelectableWeights, which refer by name to the layers whose weights they
    select.
    """
    from finn_imec.transformation.infer_imec_conv import InferIMECConv, folded_again

    networks = getattr(cfg, "multi_dnn_config_path", None)
    if networks and json.loads(Path(networks).read_text())["Generation"]["mode"] == SELECTABLE:
        raise UnsupportedError(
            f"step_convert_to_imec: mode {SELECTABLE} in {networks} is not supported: IMECConv would keep "
            "the first network's weights"
        )
    clock = cfg.synth_clk_period_ns
    part = cfg._resolve_fpga_part() if cfg.board or cfg.fpga_part else None
    infer = InferIMECConv(
        allow_larger=allow_larger,
        clock_ns=clock,
        pointwise=pointwise,
        fpgapart=part,
        absorb_thresholds=absorb_thresholds,
        keep=kept_units(cfg.folding_config_file),
    )
    model = model.transform(infer)
    configured = {node.name: node for node in configure_imec(model, cfg.folding_config_file)}
    pairs = [
        folded_again(pair, model, configured[pair.imecconv], None, clock)
        if pair.imecconv in configured
        else pair
        for pair in infer.report
    ]
    for pair in pairs:
        log.info(str(pair))
    if not any(pair.swapped for pair in pairs):
        log.warning("no ConvolutionInputGenerator + MVAU pair became an IMECConv")
    conversion = Conversion(tuple(pairs), part, clock, next_commands(cfg.output_dir))
    write_report(cfg, REPORT, conversion.as_dict())
    return model


def step_fold_imec(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Fold a graph that holds IMECConv to cfg.target_fps, then apply cfg.folding_config_file.

    If step_convert_to_imec comes first, use this after step_target_fps_parallelization or in its place:
    FINN's folding does not know IMECConv, and slows all other layers down to an unfolded one. Here FINN folds
    the graph with its pairs in place of the IMECConv nodes, and all other layers keep that result. Each
    IMECConv then gets its cheapest folding that meets the target, or that is as fast as the slowest layer if
    cfg.folding_two_pass_relaxation relaxes the others to that. If there is none and the pair is faster, the
    pair comes back; so does an MVAU alone, if its IMECConv at this folding saves too little (InferIMECConv).

    It may also come after a later step_convert_to_imec: the other layers keep their folding, and each
    IMECConv may get a cheaper one than its pair's. The configuration file may name IMECConv nodes in both
    cases.

    cfg: FINN's DataflowBuildConfig. With target_fps, writes FOLDING_REPORT below output_dir, one
    object per IMECConv with the fields of FoldingReport, and FINN's auto_folding_config.json again. Brings
    REPORT up to date.
    """
    target, pairs = cfg._resolve_cycles_per_frame(), None
    if target is not None:
        from qonnx.util.config import extract_model_config_to_json

        model, pairs, lines = _fold_to_target(model, cfg, target)
        write_report(cfg, FOLDING_REPORT, [vars(line) for line in lines])
        path = auto_folding_config(Path(cfg.output_dir))
        extract_model_config_to_json(model, str(path), FOLDING_ATTRIBUTES)
    if cfg.folding_config_file is not None:
        apply = apply_config(cfg.folding_config_file)
        model = model.transform(apply, apply_to_subgraphs=True)
    _update_report(model, pairs, cfg)
    return model


def _update_report(model: ModelWrapper, pairs: ModelWrapper | None, cfg: Any) -> None:
    """Write REPORT again, if it is there, for IMECConv nodes folded anew.

    pairs: the model with FINN's pairs as FINN folds them; None if they are as they were.
    """
    from finn_imec.custom_op import imec_nodes
    from finn_imec.transformation.infer_imec_conv import folded_again
    from finn_imec.transformation.pair import unit_behind

    path = Path(cfg.output_dir) / REPORT
    if not path.is_file():
        return
    conversion, nodes = load_conversion(path), {node.name: node for node in imec_nodes(model)}
    reports = []
    for report in conversion.pairs:
        node = nodes.get(report.imecconv)
        if node is None and report.swapped:
            faster = "as a pair it is folded to be faster"
            why = faster if report.swg else "as an MVAU alone it is folded to be faster, or to cost no more"
            report = replace(report, imecconv=None, reason=why)
        elif node is not None:
            twin = pairs and unit_behind(pairs, node.output[0])
            report = folded_again(report, model, node, twin, cfg.synth_clk_period_ns)
        reports.append(report)
    write_report(cfg, REPORT, replace(conversion, pairs=tuple(reports)).as_dict())


def _fold_to_target(
    model: ModelWrapper, cfg: Any, target: int
) -> tuple[ModelWrapper, ModelWrapper, list[FoldingReport]]:
    """The folded model, the same with FINN's pairs, and step_fold_imec's report."""
    from finn.analysis.fpgadataflow.dataflow_performance import dataflow_performance
    from finn.transformation.fpgadataflow.set_folding import SetFolding
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.transformation.fold_imec_conv import FoldIMECConv
    from finn_imec.transformation.pair import unit_behind

    pairs = _expand(model, cfg).transform(
        SetFolding(
            target,
            mvau_wwidth_max=cfg.mvau_wwidth_max,
            two_pass_relaxation=cfg.folding_two_pass_relaxation,
        )
    )
    limit = target
    if cfg.folding_two_pass_relaxation:
        limit = max(target, pairs.analysis(dataflow_performance)["max_cycles"])
    model = copy.deepcopy(model)
    for node in model.graph.node:
        twin = pairs.find_producer(node.output[0])
        if twin.op_type == node.op_type:
            del node.attribute[:]
            node.attribute.extend(twin.attribute)

    fold = FoldIMECConv(limit)
    model = model.transform(fold)
    lines, back = [], {}
    for line in fold.report:
        node = model.get_node_from_name(line.imecconv)
        inst = getCustomOp(node)
        twin = replace(unit_behind(pairs, node.output[0]), dsp_block=inst.get_nodeattr("dsp_block"))
        line = replace(line, pair_cycles=twin.cycles)
        resources = inst.estimate_for(model, cfg.synth_clk_period_ns).resources
        if line.cycles > max(limit, twin.cycles) or not twin.is_saved_by(resources):
            back[node.output[0]] = line
        else:
            lines.append(line)
    if back:
        names = [line.imecconv for line in back.values()]
        model, pairs, lines = _fold_to_target(_expand(model, cfg, names), cfg, target)
        for tensor, line in back.items():
            names = unit_behind(model, tensor).names
            lines.append(replace(line, imecconv=None, expanded=names))
            log.warning(str(lines[-1]))
    return model, pairs, lines


def _expand(model: ModelWrapper, cfg: Any, names: list[str] | None = None) -> ModelWrapper:
    """The model with all or some IMECConv nodes expanded to FINN's pairs, specialized as FINN does."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.transformation.general import SortGraph

    from finn_imec.transformation.expand_imec_conv import ExpandIMECConv

    model = model.transform(ExpandIMECConv(names))
    model = model.transform(SpecializeLayers(cfg._resolve_fpga_part()))
    # FINN inserts the new nodes at wrong positions if others are already specialized.
    return model.transform(SortGraph())


def exact_popcounts(step: Callable) -> Callable:
    """FINN's step_minimize_bit_width, corrected for MVAUs in binaryXnorMode.

    FINN may give these accumulators that do not hold all popcounts, and clips their thresholds
    (custom_op.imecconv.hold_popcounts). No other layer changes.
    """

    @functools.wraps(step)
    def run(model: ModelWrapper, cfg: Any) -> ModelWrapper:
        from qonnx.custom_op.registry import getCustomOp
        from qonnx.transformation.infer_datatypes import InferDataTypes

        from finn_imec.custom_op.imecconv import hold_popcounts, round_and_clip_thresholds

        mvaus = [n for n in model.graph.node if n.op_type.startswith("MVAU")]
        mvaus = [n for n in mvaus if getCustomOp(n).get_nodeattr("binaryXnorMode")]
        before = {n.output[0]: [constant(model, t) for t in n.input[2:]] for n in mvaus}
        model = step(model, cfg)
        if not cfg.minimize_bit_width:
            return model
        for tensor, thresholds in before.items():
            node = model.find_producer(tensor)
            hold_popcounts(getCustomOp(node), model)
            for name, values in zip(node.input[2:], thresholds, strict=True):
                model.set_initializer(name, values)
            round_and_clip_thresholds(getCustomOp(node), model)
        return model.transform(InferDataTypes())

    return run


def step_write_runtime_weights(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Add weights of IMECConv nodes with runtime_writeable_weights=1 to those FINN's PYNQ driver loads.

    Use it after step_make_driver (finn-plus) or step_make_pynq_driver (upstream FINN), which know only FINN's
    own layers. Works on output_dir/driver; does nothing if no driver was made. cfg: FINN's
    DataflowBuildConfig; only output_dir is read.
    """
    from finn_imec.transformation.write_runtime_weights import WriteRuntimeWeights

    if model.get_metadata_prop("pynq_driver_dir") is None:
        return model
    return model.transform(WriteRuntimeWeights(Path(cfg.output_dir) / "driver"))


def step_insert_weight_dma(model: ModelWrapper, cfg: Any) -> ModelWrapper:
    """Give IMECConv nodes with mem_mode=external a DMA for their weights, if a bitfile is requested.

    Use it before step_prepare_synthesis (finn-plus) or step_synthesize_bitfile (upstream FINN), where FINN
    does this for its own layers. cfg: FINN's DataflowBuildConfig.
    """
    from finn.builder.build_dataflow_config import DataflowOutputType, ShellFlowType

    from finn_imec.transformation.insert_weight_dma import InsertWeightDMA

    if DataflowOutputType.BITFILE not in cfg.generate_outputs:
        return model
    if cfg.shell_flow_type != ShellFlowType.VITIS_ALVEO:
        return model.transform(InsertWeightDMA(ZYNQ_DMA_BITS))
    return model.transform(InsertWeightDMA(getattr(cfg, "vitis_iodma_intf_max_width", 512)))


def write_report(cfg: Any, name: str, content: Any) -> None:
    """Write a report below the build's output_dir, complete or not at all."""
    path = Path(cfg.output_dir) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(scratch, path)


def step_name(step: str | Callable) -> str:
    """FINN's name of a step given as a function, a plain name or a dotted one."""
    return step.rpartition(".")[2] if isinstance(step, str) else step.__name__


def imec_build_steps(default_steps: Iterable[str | Callable]) -> list[str | Callable]:
    """A list of build steps with this plugin's steps inserted in the right places.

    step_convert_to_imec goes right after step_minimize_bit_width, unless the list has it already; if FINN
    folds its layers later than that, step_fold_imec goes after step_target_fps_parallelization.
    step_insert_weight_dma goes before the step that inserts FINN's DMAs and step_write_runtime_weights after
    the one that makes the PYNQ driver, if the list has these.

    default_steps: functions, names, or dotted names, as in DataflowBuildConfig.steps. Steps that the list
    already has stay where they are. Raises ModelError if step_convert_to_imec is missing and
    step_minimize_bit_width does not occur exactly once.
    """
    steps = list(default_steps)

    def names() -> list[str]:
        return [step_name(step) for step in steps]

    def insert(step: Callable, after: str) -> None:
        if step.__name__ not in names() and after in names():
            steps.insert(names().index(after) + 1, step)

    convert = step_convert_to_imec.__name__
    if convert not in names() and names().count(FUSE_AFTER) != 1:
        raise ModelError(
            f"{convert} belongs right after {FUSE_AFTER}, which the build steps hold "
            f"{names().count(FUSE_AFTER)} times, not once: {', '.join(names()) or 'no steps'}"
        )
    insert(step_convert_to_imec, FUSE_AFTER)
    if FINN_FOLDS_IN in names()[names().index(convert) :]:
        insert(step_fold_imec, FINN_FOLDS_IN)
    first = next((name for name in DMA_STEPS if name in names()), None)
    if first and step_insert_weight_dma.__name__ not in names():
        steps.insert(names().index(first), step_insert_weight_dma)
    for driver in DRIVER_STEPS:
        insert(step_write_runtime_weights, driver)
    return steps
