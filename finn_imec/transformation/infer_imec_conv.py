"""[FMPadding +] ConvolutionInputGenerator + MVAU or VVAU -> IMECConv."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from finn_imec.custom_op import register
from finn_imec.layer import baseline
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import MEM_MODES
from finn_imec.layer.units import cheapest_folding, storage
from finn_imec.transformation.constants import constant
from finn_imec.util.errors import ImecError, ModelError

#: An IMECConv may need this much of its pair's cycles: part of the strip is refilled between two
#: frames, which FINN's pair hides behind the replay of its last window.
MAX_SLOWDOWN = 1.02

_FMPADDING = ("FMPadding", "FMPadding_rtl", "FMPadding_hls")
_BETWEEN = ("StreamingFIFO", "StreamingDataWidthConverter")

_FROM_SWG = (*("ConvKernelDim", "IFMChannels", "IFMDim", "OFMDim", "Stride", "Dilation", "depthwise"),)
#: Styles of the window generator's buffer that are the user's; "distributed" is FINN's default, also for
#: buffers that are better off in block RAM.
_CHOSEN_STYLES = ("block", "ultra")
_FROM_MVAU = (
    *("SIMD", "PE", "inputDataType", "weightDataType", "outputDataType", "accDataType"),
    *("noActivation", "ActVal", "binaryXnorMode", "ram_style", "resType"),
    *("outFIFODepths", "slr", "mem_port", "partition_id", "device_id", "output_hook"),
)


@dataclass(frozen=True)
class PairReport:
    """What became of one sliding window unit: its pair's names, and the new node or the reason.

    simd, pe: folding of the new node; refolded: whether it differs from the MVAU's. pair_cycles: the
    slowest of FINN's estimates; cycles: the new node's, exact. fmpadding: the FMPadding that the new
    node takes the place of, too; padding_reason: why one stays in front.
    """

    swg: str
    mvau: str | None
    imecconv: str | None
    reason: str | None
    simd: int | None = None
    pe: int | None = None
    refolded: bool = False
    pair_cycles: int | None = None
    cycles: int | None = None
    fmpadding: str | None = None
    padding_reason: str | None = None

    @property
    def swapped(self) -> bool:
        """True if the pair became an IMECConv."""
        return self.imecconv is not None

    def __str__(self) -> str:
        pair = " + ".join(name for name in (self.fmpadding, self.swg, self.mvau) if name)
        if not self.swapped:
            return f"{pair}: left as it is, {self.reason}"
        note = ", refolded" if self.refolded else ""
        stays = f"; the padding stays, {self.padding_reason}" if self.padding_reason else ""
        return f"{pair}: swapped for {self.imecconv} (SIMD={self.simd}, PE={self.pe}{note}){stays}"


class _NotEligible(Exception):
    """Why a pair stays as it is."""


class InferIMECConv(Transformation):
    """Swap each ConvolutionInputGenerator + MVAU (or, depthwise, VVAU) pair for one IMECConv.

    Takes pairs that are abstract or specialised, folded or not, with a FIFO or a data width
    converter between the two or not, with or without parallel_window. A specialised pair becomes
    IMECConv_rtl. Keeps the MVAU's folding where IMECConv accepts it and needs at most max_slowdown
    times the pair's cycles, else takes the cheapest one that does; SIMD > C is kept of pairs with
    parallel_window only. Other pairs are left untouched. `report` then holds one PairReport per
    ConvolutionInputGenerator.

    Weights that do not change at run time become internal_embedded, the leanest mem_mode, whether
    the MVAU had them embedded or decoupled; writable and external ones stay what they are.

    absorb_padding: the IMECConv takes the place of an FMPadding in front of the pair as well, unless
    other nodes need that one's output.
    """

    def __init__(self, max_slowdown: float = MAX_SLOWDOWN, absorb_padding: bool = True) -> None:
        super().__init__()
        self.max_slowdown = max_slowdown
        self.absorb_padding = absorb_padding
        self.report: list[PairReport] = []

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        self.report = []
        generators = [n for n in model.graph.node if n.op_type.startswith("ConvolutionInputGenerator")]
        for swg in generators:
            path: list[NodeProto] = [swg]
            mvau = padding_reason = None
            front: list[NodeProto] = []
            if self.absorb_padding:
                try:
                    front = _find_padding(model, swg)
                except _NotEligible as why:
                    padding_reason = str(why)
            fmpadding = front[-1] if front else None
            try:
                mvau = _find_mvau(model, swg, path)
                node, refolded, pair_cycles = _fuse(model, fmpadding, swg, mvau, self.max_slowdown)
            except _NotEligible as why:
                self.report.append(PairReport(swg.name, mvau and mvau.name, None, str(why)))
                continue
            except ImecError as err:
                reason = str(err).removeprefix(f"{_new_name(mvau)}: ")
                self.report.append(PairReport(swg.name, mvau.name, None, reason))
                continue
            model.graph.node.insert(list(model.graph.node).index(mvau), node)
            for old in (*front, *path):
                model.graph.node.remove(old)
            inst = getCustomOp(node)
            folding = inst.get_nodeattr("SIMD"), inst.get_nodeattr("PE")
            self.report.append(
                PairReport(
                    swg.name,
                    mvau.name,
                    node.name,
                    None,
                    *folding,
                    refolded,
                    pair_cycles,
                    inst.get_exp_cycles(),
                    fmpadding and fmpadding.name,
                    padding_reason,
                )
            )
        if any(pair.swapped for pair in self.report):
            before = {node.output[0]: node.name for node in model.graph.node}
            for step in (GiveUniqueNodeNames(), InferShapes(), InferDataTypes()):
                model = model.transform(step)
            now = {before[n.output[0]]: n.name for n in model.graph.node if n.output[0] in before}
            self.report = [
                PairReport(**{**vars(pair), "imecconv": now.get(pair.imecconv, pair.imecconv)})
                for pair in self.report
            ]
        return model, False


def swap_pairs(model: ModelWrapper) -> ModelWrapper:
    """InferIMECConv, but ModelError with every reason if the model then holds no IMECConv."""
    infer = InferIMECConv()
    model = model.transform(infer)
    if not any(node.op_type.startswith("IMECConv") for node in model.graph.node):
        reasons = "; ".join(str(pair) for pair in infer.report) or "no ConvolutionInputGenerator"
        raise ModelError(f"the model has no convertible pair: {reasons}")
    return model


def _find_padding(model: ModelWrapper, swg: NodeProto) -> list[NodeProto]:
    """The nodes before a sliding window unit up to its FMPadding; none if it has none.

    Raises _NotEligible if the FMPadding has to stay.
    """
    path: list[NodeProto] = []
    node = model.find_producer(swg.input[0])
    while node is not None and node.op_type.startswith(_BETWEEN):
        path.append(node)
        node = model.find_producer(node.input[0])
    if node is None or node.op_type not in _FMPADDING:
        return []
    path.append(node)
    for each in path:
        if each.output[0] in (output.name for output in model.graph.output):
            raise _NotEligible(f"{each.name} feeds a graph output")
        consumers = model.find_consumers(each.output[0])
        if len(consumers) != 1:
            raise _NotEligible(f"{each.name} feeds {len(consumers)} nodes, not one")
    if _value(getCustomOp(node), "dynamic_mode"):
        raise _NotEligible(f"dynamic_mode=1 of {node.name} is not supported: accepted is 0")
    return path


def _find_mvau(model: ModelWrapper, swg: NodeProto, path: list[NodeProto]) -> NodeProto:
    """The MVAU, or VVAU, behind a sliding window unit; appends all nodes up to it to `path`."""
    wanted = "VVAU" if getCustomOp(swg).get_nodeattr("depthwise") else "MVAU"
    node = swg
    while True:
        if node.output[0] in (output.name for output in model.graph.output):
            raise _NotEligible(f"{node.name} feeds a graph output")
        consumers = model.find_consumers(node.output[0])
        if len(consumers) != 1:
            raise _NotEligible(f"{node.name} feeds {len(consumers)} nodes, not one")
        node = consumers[0]
        path.append(node)
        if node.op_type.startswith(wanted):
            return node
        if not node.op_type.startswith(_BETWEEN):
            raise _NotEligible(f"it feeds {node.name} ({node.op_type}), not {wanted}")


def _new_name(mvau: NodeProto) -> str:
    return f"IMECConv_of_{mvau.name}"


def _fuse(
    model: ModelWrapper,
    fmpadding: NodeProto | None,
    swg: NodeProto,
    mvau: NodeProto,
    max_slowdown: float,
) -> tuple[NodeProto, bool, int]:
    """The IMECConv node for a pair, whether its folding had to change, and the pair's cycles."""
    swg_inst, mvau_inst = getCustomOp(swg), getCustomOp(mvau)
    first_inst = getCustomOp(fmpadding) if fmpadding is not None else swg_inst
    _check_attributes(swg_inst, mvau_inst)
    mem_mode = _mem_mode(mvau_inst)
    external = mem_mode["mem_mode"] == "external"
    depthwise = bool(swg_inst.get_nodeattr("depthwise"))
    for name in mvau.input[2 if external and not depthwise else 1 :]:  # VVAU's weights are reshaped
        if constant(model, name) is None:
            raise _NotEligible(f"input {name} of {mvau.name} is not a constant")

    attributes = {name: _plain(swg_inst.get_nodeattr(name)) for name in _FROM_SWG}
    attributes |= {name: _plain(mvau_inst.get_nodeattr(name)) for name in _FROM_MVAU}
    if "ram_style_thresholds" in mvau_inst.get_nodeattr_types():
        attributes["ram_style_thresholds"] = mvau_inst.get_nodeattr("ram_style_thresholds")
    style = swg_inst.get_nodeattr("ram_style")
    attributes["buffer_ram_style"] = style if style in _CHOSEN_STYLES else "auto"
    attributes["inFIFODepths"] = _plain(first_inst.get_nodeattr("inFIFODepths"))
    if fmpadding is not None:
        attributes["Padding"] = _plain(first_inst.get_nodeattr("Padding"))
    attributes |= mem_mode | {"numInputVectors": [1, *attributes["OFMDim"]]}
    if external:
        weight_fifo = _plain(mvau_inst.get_nodeattr("inFIFODepths"))[1:2] or [2]
        attributes["inFIFODepths"] = attributes["inFIFODepths"][:1] + weight_fifo
    if len(swg_inst.get_normal_input_shape()) != 4 or swg_inst.get_normal_input_shape()[0] != 1:
        raise _NotEligible(f"its input shape is {swg_inst.get_normal_input_shape()}, not (1, H, W, C)")
    geometry = ConvGeometry(
        attributes["ConvKernelDim"], attributes["IFMDim"], attributes["IFMChannels"],
        mvau_inst.get_normal_output_shape()[-1], attributes["Stride"], attributes["Dilation"],
        simd_in=first_inst.get_nodeattr("SIMD"), depthwise=attributes["depthwise"],
        padding=attributes.get("Padding", (0, 0, 0, 0)), buffer_style=attributes["buffer_ram_style"],
    )  # fmt: skip
    attributes |= {"MW": geometry.mw, "MH": geometry.mh}
    pair = attributes["SIMD"], attributes["PE"]
    cycles = max(inst.get_exp_cycles() for inst in (first_inst, swg_inst, mvau_inst))
    # SIMD > C is for whole windows. Without them the pair is bound by its window generator.
    whole_windows = bool(_value(swg_inst, "parallel_window"))
    legal = pair in geometry.legal_foldings() and (
        whole_windows or pair[0] <= geometry.ifm_channels or geometry.depthwise
    )
    folded = geometry.with_folding(*pair) if legal else None
    # FINN's estimate of the window generator leaves out what passes between two frames
    if folded and folded.parallel_window:
        cycles = max(cycles, baseline.pair_cycles(folded))
    limit = int(cycles * max_slowdown)
    if legal and storage(geometry.with_folding(*pair)).cycles_per_frame <= limit:
        folding = pair
    else:
        folding = cheapest_folding(geometry, limit)
    maker = model.find_producer(mvau.input[1])
    if maker is not None and folding != pair:
        raise _NotEligible(
            f"its weights come from {maker.name or maker.op_type}, made for SIMD={pair[0]} and PE={pair[1]}, "
            f"with which IMECConv is not within {max_slowdown:g} times the pair's {cycles} cycles"
        )
    if folding is None:
        if legal:
            why = f"IMECConv would need {storage(geometry.with_folding(*pair)).cycles_per_frame} cycles"
        elif pair[0] in geometry.legal_simd:
            why = f"SIMD={pair[0]} of {geometry.ifm_channels} channels needs parallel_window=1"
        else:
            why = f"SIMD={pair[0]} is not in {geometry.legal_simd}"
        raise _NotEligible(
            f"{why}, and no folding with SIMD in {geometry.legal_simd} and PE in {geometry.legal_pe} "
            f"needs at most {limit}, {max_slowdown:g} times the pair's {cycles} cycles"
        )
    attributes["SIMD"], attributes["PE"] = folding
    specialised = mvau.domain.endswith((".hls", ".rtl"))
    node = helper.make_node(
        "IMECConv_rtl" if specialised else "IMECConv",
        inputs=[first_inst.onnx_node.input[0], *mvau.input[1:]],
        outputs=[mvau.output[0]],
        name=_new_name(mvau),
        domain="finn.custom_op.fpgadataflow" + (".rtl" if specialised else ""),
        backend="fpgadataflow",
        SIMD_in=geometry.simd_in,
        **attributes,
    )
    # What the node cannot compute is an error here, not when RTL is generated.
    parameters = [model.get_initializer(name) for name in mvau.input[1:]]
    if geometry.depthwise:  # VVAU's weights are (C, 1, K_h, K_w)
        parameters[0] = parameters[0].reshape(geometry.mh, geometry.mw).T
    getCustomOp(node).datapath(parameters[0], parameters[1] if len(parameters) > 1 else None)
    if geometry.depthwise:
        node.input[1] = model.make_new_valueinfo_name()
        model.set_initializer(node.input[1], parameters[0])
        model.set_tensor_datatype(node.input[1], mvau_inst.get_input_datatype(1))
    return node, folding != pair, cycles


def _mem_mode(mvau) -> dict[str, str | int]:
    """The new node's mem_mode and runtime_writeable_weights."""
    mode, writable = (mvau.get_nodeattr(n) for n in ("mem_mode", "runtime_writeable_weights"))
    if mode == "internal_decoupled" and not writable:
        mode = "internal_embedded"
    return {"mem_mode": mode, "runtime_writeable_weights": writable}


def _check_attributes(swg, mvau) -> None:
    """Raise _NotEligible for what IMECConv does not take over."""
    for inst, name, accepted in (
        (swg, "dynamic_mode", (0,)),
        (mvau, "pumpedCompute", (0,)),
        (mvau, "pumpedMemory", (0,)),
        (mvau, "TH", (0, 1)),
        (mvau, "dynamic_input", (0,)),
        (mvau, "mem_mode", MEM_MODES),
    ):
        if _value(inst, name) not in accepted:
            raise _NotEligible(
                f"{name}={_value(inst, name)} is not supported: accepted is "
                f"{' or '.join(str(v) for v in accepted)}"
            )


def _value(inst, name: str):
    """A node attribute, 0 where this FINN does not have it."""
    return inst.get_nodeattr(name) if name in inst.get_nodeattr_types() else 0


def _plain(value):
    """ONNX attributes are type-strict: numpy scalars and arrays as int and list."""
    if isinstance(value, str):
        return value
    return [int(v) for v in value] if hasattr(value, "__len__") else int(value)
