"""FINN's pair in a graph, and its IMECConv.

[FMPadding +] ConvolutionInputGenerator + MVAU or VVAU [+ Thresholding]
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from onnx import NodeProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.base import CustomOp
from qonnx.custom_op.registry import getCustomOp

from finn_imec.layer.clock import pipeline_for
from finn_imec.layer.core import DEFAULT_DSP_BLOCK
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.estimate import Estimate
from finn_imec.layer.geometry import ConvGeometry, divisors
from finn_imec.layer.memories import MEM_MODES
from finn_imec.layer.packing import DSP_BLOCKS
from finn_imec.layer.pair_cycles import pair_cycles
from finn_imec.layer.pair_estimate import PairEstimate
from finn_imec.layer.storage import FULL_SPEED
from finn_imec.layer.structure import Structure
from finn_imec.layer.units import cheapest_folding, storage
from finn_imec.transformation.block_ram import MEMORIES, moves
from finn_imec.util.errors import ImecError
from finn_imec.util.onnx_model import constant

#: Attributes that IMECConv and FINN's nodes share, by name and meaning.
PLACE = ("slr", "partition_id", "device_id")
OF_GENERATOR = ("ConvKernelDim", "IFMChannels", "IFMDim", "OFMDim", "Stride", "Dilation", "depthwise")
OF_MATRIX_UNIT = (
    *("SIMD", "PE", "inputDataType", "weightDataType", "outputDataType", "accDataType"),
    *("noActivation", "ActVal", "binaryXnorMode", "ram_style", "resType"),
    *("runtime_writeable_weights", "outFIFODepths", "mem_port", "output_hook", *PLACE),
)

DOMAIN = "finn.custom_op.fpgadataflow"
#: First letters of op_types
MATRIX_UNITS = ("MVAU", "VVAU")
#: An MVAU alone is swapped if that leaves at most this part of its LUTs: nine of ten estimates are at most
#: 6 % off, and 9 % on FINN's side.
SAVING = 0.88
_FMPADDING = ("FMPadding", "FMPadding_rtl", "FMPadding_hls")
_BETWEEN = ("StreamingFIFO", "StreamingDataWidthConverter")
_THRESHOLDING = ("Thresholding", "Thresholding_rtl", "Thresholding_hls")
#: Styles of the window generator's buffer that the user must have chosen; "distributed" is FINN's default,
#: also for buffers that should be in block RAM.
_CHOSEN_STYLES = ("block", "ultra")


class NotEligible(ImecError):
    """Why a pair is not swapped."""


@dataclass
class Pair:
    """A sliding window unit, the MVAU or VVAU that it feeds, and the IMECConv that replaces them.

    front: the nodes before the generator, from its FMPadding on; empty if there is none or it stays. between:
    FIFOs and width converters inside the pair. padding_reason: why an FMPadding stays. dsp_block: the part's
    DSP slice. behind: the nodes after the matrix unit, up to its Thresholding; empty if there is none or it
    stays. in_luts: of a MatrixUnit, attributes of memories that the IMECConv has in LUTs although the unit
    leaves that open.
    """

    model: ModelWrapper
    generator: NodeProto
    matrix_unit: NodeProto
    between: list[NodeProto]
    front: list[NodeProto]
    padding_reason: str | None = None
    dsp_block: str = DEFAULT_DSP_BLOCK
    behind: list[NodeProto] = field(default_factory=list)
    in_luts: tuple[str, ...] = ()

    @classmethod
    def find(cls, model: ModelWrapper, generator: NodeProto, absorb_padding: bool = True) -> Pair:
        """The pair of a sliding window unit, its FMPadding included if absorb_padding.

        Raises NotEligible if it is not the only source of one MVAU or VVAU.
        """
        front: list[NodeProto] = []
        padding_reason = None
        if absorb_padding:
            try:
                front = _find_padding(model, generator)
            except NotEligible as why:
                padding_reason = str(why)
        *between, matrix_unit = _find_matrix_unit(model, generator)
        return cls(model, generator, matrix_unit, between, front, padding_reason)

    def with_thresholding(self) -> Pair | None:
        """The same with the standalone Thresholding behind it; None without one.

        Raises NotEligible if an IMECConv cannot replace that, too.
        """
        behind = _find_thresholding(self.model, self.matrix_unit)
        if not behind:
            return None
        whole = replace(self, behind=behind)
        whole._check_thresholding()
        return whole

    # ---- what the pair is -----------------------------------------------------------------------

    @property
    def thresholding(self) -> NodeProto | None:
        """The standalone Thresholding that the IMECConv also replaces."""
        return self.behind[-1] if self.behind else None

    @property
    def parameters(self) -> list[str]:
        """The tensors of weights and thresholds."""
        thresholds = self.thresholding.input[1:] if self.thresholding else ()
        return [*self.matrix_unit.input[1:], *thresholds]

    @property
    def fmpadding(self) -> NodeProto | None:
        """The FMPadding that the IMECConv also replaces."""
        return self.front[0] if self.front else None

    @cached_property
    def insts(self) -> tuple[CustomOp, CustomOp, CustomOp]:
        """FINN's objects for the first node (FMPadding or generator), the generator, the matrix unit."""
        nodes = (self.fmpadding or self.generator, self.generator, self.matrix_unit)
        return tuple(getCustomOp(node) for node in nodes)

    @property
    def mem_mode(self) -> str:
        """The leanest mem_mode for IMECConv that does what the pair's does."""
        mode, writable = map(self.insts[2].get_nodeattr, ("mem_mode", "runtime_writeable_weights"))
        return "internal_embedded" if mode == "internal_decoupled" and not writable else mode

    @cached_property
    def geometry(self) -> ConvGeometry:
        """The layer, unfolded except for SIMD_in, which is the first node's."""
        first, _, unit = self.insts
        a = self.attributes
        return ConvGeometry(
            a["ConvKernelDim"],
            a["IFMDim"],
            a["IFMChannels"],
            unit.get_normal_output_shape()[-1],
            a["Stride"],
            a["Dilation"],
            simd_in=first.get_nodeattr("SIMD"),
            depthwise=a["depthwise"],
            padding=a.get("Padding", (0, 0, 0, 0)),
            buffer_style=a["buffer_ram_style"],
        )

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """All attributes that the IMECConv takes over from the pair's nodes, folding included."""
        first, generator, unit = self.insts
        attributes = {name: _plain(generator.get_nodeattr(name)) for name in OF_GENERATOR}
        attributes |= {name: _plain(unit.get_nodeattr(name)) for name in OF_MATRIX_UNIT}
        if "ram_style_thresholds" in unit.get_nodeattr_types():
            attributes["ram_style_thresholds"] = unit.get_nodeattr("ram_style_thresholds")
        style = generator.get_nodeattr("ram_style")
        attributes["buffer_ram_style"] = style if style in _CHOSEN_STYLES else "auto"
        attributes["inFIFODepths"] = _plain(first.get_nodeattr("inFIFODepths"))
        if self.fmpadding is not None:
            attributes["Padding"] = _plain(first.get_nodeattr("Padding"))
        attributes |= {"mem_mode": self.mem_mode, "numInputVectors": [1, *attributes["OFMDim"]]}
        if self.mem_mode == "external":
            weight_fifo = _plain(unit.get_nodeattr("inFIFODepths"))[1:2] or [2]
            attributes["inFIFODepths"] = attributes["inFIFODepths"][:1] + weight_fifo
        return attributes | self._activation

    @property
    def _activation(self) -> dict[str, Any]:
        """Attributes that come from a standalone Thresholding."""
        if self.thresholding is None:
            return {}
        inst = getCustomOp(self.thresholding)
        return {
            "noActivation": 0,
            "standalone_thresholds": 1,
            "accDataType": self.insts[2].get_nodeattr("outputDataType"),
            **{n: _plain(inst.get_nodeattr(n)) for n in ("ActVal", "outputDataType", "outFIFODepths")},
        }

    @property
    def folding(self) -> tuple[int, int]:
        """SIMD and PE of the matrix unit."""
        return self.attributes["SIMD"], self.attributes["PE"]

    @property
    def _folded(self) -> ConvGeometry:
        """The layer with the pair's folding, if IMECConv accepts it."""
        return self.geometry.with_folding(*self.folding)

    @cached_property
    def keeps_folding(self) -> bool:
        """True if IMECConv accepts the pair's folding."""
        # SIMD > C needs whole windows. Without them the pair is limited by its window generator.
        geometry = self.geometry
        if self.folding not in geometry.legal_foldings() or (self._folded.geared and self._weight_source):
            return False
        return self.whole_windows or self.folding[0] <= geometry.ifm_channels or geometry.depthwise

    @property
    def _weight_source(self) -> str | None:
        """What streams the weights, in words of the pair's folding; None if they are constants."""
        name = self.matrix_unit.input[1]
        if constant(self.model, name) is not None:
            return None
        maker = self.model.find_producer(name)
        return (maker.name or maker.op_type) if maker else f"input {name}"

    @property
    def word(self) -> int:
        """Channels per word of its generator."""
        return int(self.insts[1].get_nodeattr("SIMD"))

    @property
    def whole_windows(self) -> bool:
        """True if its generator has parallel_window."""
        return bool(_value(self.insts[1], "parallel_window"))

    @cached_property
    def cycles(self) -> int:
        """Cycles per frame that the pair takes, abstract or specialized, its Thresholding included.

        Of a layer that is too large to step through, a lower bound: what its input, its windows and its
        multiplications take.
        """
        behind = getCustomOp(self.thresholding).get_exp_cycles() if self.thresholding else 0
        return max(self._cycles, int(behind))

    @property
    def _cycles(self) -> int:
        """Cycles per frame up to the matrix unit."""
        g = self.geometry
        stepped = pair_cycles(g, *self.folding, self.word, self.whole_windows)
        if stepped is not None:
            return stepped
        pixels = max(prod(g.ifm_dim), 0 if self.whole_windows else g.windows * prod(g.kernel))
        return int(max(pixels * g.ifm_channels // self.word, self.insts[2].get_exp_cycles()))

    @cached_property
    def estimate(self) -> PairEstimate:
        """Resources of the pair, with its thresholds if the MVAU has them or a Thresholding is part of it."""
        structure = self._structure(1, 1)
        weights, datatype = self._datapath.weights, self.insts[2].get_input_datatype(1)
        return PairEstimate(
            self.geometry,
            *self.folding,
            self.word,
            structure.core.activation,
            structure.core.weight,
            structure.acc_bits,
            structure.steps,
            self.attributes["resType"],
            narrow=weights is not None and weights.min() > datatype.min(),
            whole_windows=self.whole_windows,
            streamed=self.insts[2].get_nodeattr("mem_mode") == "external",
            ring_style=self.insts[1].get_nodeattr("ram_style"),
            weight_style=self.attributes["ram_style"],
            dsp_block=self.dsp_block,
            threshold_pe=getCustomOp(self.thresholding).get_nodeattr("PE") if self.thresholding else None,
        )

    # ---- what it becomes ------------------------------------------------------------------------

    def check(self) -> None:
        """Raise NotEligible if IMECConv does not support the pair."""
        _, generator, unit = self.insts
        self._check_folding()
        self._check_datatypes()
        for inst, name, accepted in (
            (generator, "dynamic_mode", (0,)),
            (unit, "pumpedCompute", (0,)),
            (unit, "pumpedMemory", (0,)),
            (unit, "TH", (0, 1)),
            (unit, "dynamic_input", (0,)),
            (unit, "mem_mode", MEM_MODES),
        ):
            if _value(inst, name) not in accepted:
                raise NotEligible(
                    f"{name}={_value(inst, name)} is not supported: accepted is "
                    f"{' or '.join(str(v) for v in accepted)}"
                )
        # VVAU's weights are reshaped, streamed or not.
        streamed = self.mem_mode == "external" and not self.geometry.depthwise
        for name in self.parameters[1 if streamed else 0 :]:
            if constant(self.model, name) is None:
                raise NotEligible(f"input {name} of {self.matrix_unit.name} is not a constant")
        self._check_input()
        _ = self._datapath

    def _check_thresholding(self) -> None:
        inst, unit = getCustomOp(self.thresholding), self.insts[2]
        bipolar = inst.get_nodeattr("outputDataType") == "BIPOLAR"
        channels = unit.get_normal_output_shape()[-1]
        for name, accepted in (
            ("runtime_writeable_weights", 0),
            ("mlo_max_iter", 0),
            ("inputDataType", unit.get_nodeattr("outputDataType")),
            ("NumChannels", channels),
            *((("ActVal", 0),) if bipolar else ()),
        ):
            if _value(inst, name) != accepted:
                raise NotEligible(
                    f"{name}={_value(inst, name)} of {self.thresholding.name} is not supported: accepted is "
                    f"{accepted}"
                )
        folds = inst.get_nodeattr("PE")
        if folds < 1 or channels % folds:
            raise NotEligible(
                f"PE={folds} of {self.thresholding.name} is no folding of NumChannels={channels}: accepted "
                f"are {divisors(channels)}"
            )

    def _check_folding(self) -> None:
        """FINN checks a folding only when it generates code, and its estimates are then meaningless."""
        first, generator, unit = self.insts
        geometry, (simd, pe), words = self.geometry, self.folding, ("IFMChannels", self.geometry.ifm_channels)
        rows, columns = ("Kernel", "Channels") if geometry.depthwise else ("MW", "MH")
        for inst, name, fold, (whole, count) in (
            (first, "SIMD", first.get_nodeattr("SIMD"), words),
            (generator, "SIMD", generator.get_nodeattr("SIMD"), words),
            (unit, "SIMD", simd, (rows, geometry.mw)),
            (unit, "PE", pe, (columns, geometry.mh)),
        ):
            if fold < 1 or count % fold:
                raise NotEligible(
                    f"{name}={fold} of {inst.onnx_node.name} is no folding of {whole}={count}: accepted are "
                    f"{divisors(count)}"
                )
        if not geometry.depthwise and unit.get_nodeattr("MW") != geometry.mw:
            raise NotEligible(
                f"MW={unit.get_nodeattr('MW')} of {unit.onnx_node.name}: accepted is K_h*K_w*C={geometry.mw}"
            )

    def _check_datatypes(self) -> None:
        for name in ("inputDataType", "weightDataType", "outputDataType", "accDataType"):
            value = self.attributes[name]
            try:
                DataType[value]
            except (KeyError, ValueError, AssertionError) as err:
                raise NotEligible(f"{name}={value!r}: accepted are QONNX datatypes, e.g. INT4") from err
        accumulator = self.attributes["accDataType"]
        if accumulator == "BIPOLAR" or not DataType[accumulator].is_integer():
            raise NotEligible(f"accDataType={accumulator}: accepted are integers other than BIPOLAR")

    def _check_input(self) -> None:
        """The tensor decides, not what the generator says of it: it is what arrives."""
        tensor, inst = self.insts[0].onnx_node.input[0], self.insts[0]
        for shape in (inst.get_normal_input_shape(), self.model.get_tensor_shape(tensor)):
            if shape is not None and tuple(shape) != (
                1,
                *self.geometry.input_dim,
                self.geometry.ifm_channels,
            ):
                raise NotEligible(f"its input shape is {tuple(shape)}, not (1, H, W, C) of its attributes")
        self._check_annotation(tensor)

    def _check_annotation(self, tensor: str) -> None:
        annotated = self.model.get_tensor_datatype(tensor).name
        if annotated != self.attributes["inputDataType"]:
            raise NotEligible(
                f"its input {tensor} is annotated as {annotated}, its inputDataType is "
                f"{self.attributes['inputDataType']}: accepted is the same datatype"
            )

    def choose_folding(
        self, cycle_tolerance: float, allow_larger: bool, frame: int = 0
    ) -> tuple[tuple[int, int], str | None]:
        """SIMD and PE, and why they are not the pair's if so.

        The pair's if at most cycle_tolerance times as slow, else those with the fewest multipliers that are
        and, unless allow_larger, cost no more LUTs and no more DSP slices than the pair, by both estimates.

        frame: cycles of the network's slowest pair, 0 if that does not matter. A folding that would slow the
        network down by more than FULL_SPEED gives way to one of no more multipliers that does not.

        Raises NotEligible if there are none, or if a stream feeds weights made for the pair's folding.
        """
        limit = int(self.cycles * cycle_tolerance)
        own = storage(self._folded).cycles_per_frame if self.keeps_folding else None
        if own is not None and own <= limit:
            most = int(frame * FULL_SPEED)
            if not frame or own <= most or self._weight_source is not None:
                return self.folding, None
            faster = cheapest_folding(self.geometry, most, self._is_no_larger)
            if faster is None or prod(faster) > prod(self.folding):
                return self.folding, None
            simd, pe = self.folding
            why = f"at SIMD={simd}, PE={pe} IMECConv would need {own} cycles, the slowest pair needs {frame}"
            return faster, why
        why, geometry = self._why_not_as_it_is(), self.geometry
        if self._weight_source is not None:
            simd, pe = self.folding
            raise NotEligible(
                f"{why}, and its weights come from {self._weight_source}, made for SIMD={simd} and PE={pe}"
            )
        folding = cheapest_folding(geometry, limit, None if allow_larger else self._is_no_larger)
        if folding is not None:
            return folding, None if folding == self.folding else why
        fast = cheapest_folding(geometry, limit)
        if fast is None:
            raise NotEligible(
                f"{why}, and no folding with SIMD in {geometry.legal_simd} and PE in {geometry.legal_pe} "
                f"needs at most {limit}, {cycle_tolerance:g} times the pair's {self.cycles} cycles"
            )
        larger, pair = Estimate(self._structure(*fast)), self.estimate
        raise NotEligible(
            f"{why}, and no folding that is as fast costs no more: SIMD={fast[0]}, PE={fast[1]} takes about "
            f"{larger.luts} LUTs and {larger.dsp} DSP slices, the pair {pair.luts} and {pair.dsp}"
        )

    def _is_no_larger(self, folded: ConvGeometry) -> bool:
        """True if an IMECConv at this folding costs no more LUTs and DSP slices than the pair."""
        imec, pair = Estimate(self._structure(folded.simd, folded.pe)), self.estimate
        return imec.luts <= pair.luts and imec.dsp <= pair.dsp

    def _why_not_as_it_is(self) -> str:
        geometry, (simd, pe) = self.geometry, self.folding
        if self.keeps_folding:
            return (
                f"at SIMD={simd}, PE={pe} IMECConv would need {storage(self._folded).cycles_per_frame} "
                f"cycles, the pair needs {self.cycles}"
            )
        if simd in geometry.legal_simd and self._folded.geared:
            return f"SIMD={simd} takes the weights of a window in another order than FINN"
        if simd in geometry.legal_simd:
            channels = geometry.ifm_channels
            return f"SIMD={simd} of {channels} channels does not speed up a pair without parallel_window"
        return f"SIMD={simd} is not in {geometry.legal_simd}"

    def imecconv(self, simd: int, pe: int) -> NodeProto:
        """The IMECConv for this pair, not yet in the graph; IMECConv_rtl if FINN specialized the pair."""
        unit, geometry = self.matrix_unit, self.geometry
        specialized = unit.domain.endswith((".hls", ".rtl"))
        own = {"MW": geometry.mw, "MH": geometry.mh, "SIMD": simd, "PE": pe, "SIMD_in": geometry.simd_in}
        multipliers = {"dsp_block": self.dsp_block, "resType": self._res_type}
        return helper.make_node(
            "IMECConv_rtl" if specialized else "IMECConv",
            inputs=[self.insts[0].onnx_node.input[0], *self.parameters],
            outputs=[(self.thresholding or unit).output[0]],
            name=f"IMECConv_of_{unit.name}",
            domain=DOMAIN + (".rtl" if specialized else ""),
            backend="fpgadataflow",
            **self.attributes | own | multipliers,
        )

    @property
    def _res_type(self) -> str:
        """The IMECConv's resType: "auto" takes no DSP slices where FINN's VVAU has none, but on Versal."""
        own = self.attributes["resType"]
        has_none = self.attributes["depthwise"] and DSP_BLOCKS[self.dsp_block].lanes == 1
        return "lut" if own == "auto" and has_none else own

    @cached_property
    def _datapath(self) -> Datapath:
        """The layer's arithmetic, unfolded; NotEligible if an IMECConv cannot compute it."""
        node = self.imecconv(1, 1)
        weights, *thresholds = (constant(self.model, name) for name in self.parameters)
        try:
            return getCustomOp(node).datapath(self._reshaped(weights), thresholds[0] if thresholds else None)
        except ImecError as err:
            raise NotEligible(str(err).removeprefix(f"{node.name}: ")) from err

    def _reshaped(self, weights: np.ndarray | None) -> np.ndarray | None:
        """Weights (MW, MH); VVAU's are (C, 1, K_h, K_w)."""
        if weights is None or not self.geometry.depthwise:
            return weights
        return weights.reshape(self.geometry.mh, self.geometry.mw).T

    def _structure(self, simd: int, pe: int) -> Structure:
        """The structure of the IMECConv at this folding."""
        path = replace(self._datapath, geometry=self.geometry.with_folding(simd, pe))
        styles = {name: self.attributes.get(name, "auto") for name in ("ram_style", "ram_style_thresholds")}
        return replace(path.structure, mem_mode=self.mem_mode, **styles)

    def imecconv_estimate(self, simd: int, pe: int, clock_ns: float) -> Estimate:
        """Resources of the IMECConv at this folding, with the registers that a clock needs."""
        structure = self._structure(simd, pe)
        return Estimate(replace(structure, pipeline=pipeline_for(structure, clock_ns)))

    def is_saved_by(self, imec: dict[str, int]) -> bool:
        """True if an IMECConv of these estimated resources may replace the pair: it may cost anything."""
        return True

    def replace_by(self, node: NodeProto) -> None:
        """Put the node into the graph in place of the pair, with its weights as (MW, MH)."""
        graph = self.model.graph
        if self.geometry.depthwise:
            weights = self._reshaped(constant(self.model, self.matrix_unit.input[1]))
            node.input[1] = self.model.make_new_valueinfo_name()
            self.model.set_initializer(node.input[1], weights)
            self.model.set_tensor_datatype(node.input[1], self.insts[2].get_input_datatype(1))
        graph.node.insert(list(graph.node).index(self.matrix_unit), node)
        for old in self.nodes:
            graph.node.remove(old)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the generator and the matrix unit."""
        return tuple(dict.fromkeys((self.generator.name, self.matrix_unit.name)))

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """All nodes that the IMECConv replaces."""
        return (*self.front, self.generator, *self.between, self.matrix_unit, *self.behind)


class MatrixUnit(Pair):
    """An MVAU or VVAU without a sliding window unit: a convolution with a 1x1 kernel.

    Fully connected layers are of this kind, and convolutions whose kernel is 1x1 and whose stride is 1. Each
    vector is a pixel.
    """

    @classmethod
    def of(cls, model: ModelWrapper, unit: NodeProto) -> MatrixUnit:
        """The unit of an MVAU, or a VVAU with a 1x1 kernel.

        Raises NotEligible for another VVAU, whose windows no IMECConv takes.
        """
        if unit.op_type.startswith("VVAU"):
            kernel = _plain(getCustomOp(unit).get_nodeattr("Kernel"))
            if kernel != [1, 1]:
                raise NotEligible(f"Kernel={kernel} without a sliding window unit: accepted is [1, 1]")
        return cls(model, unit, unit, [], [])

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """The unit, and its Thresholding if that is part of it."""
        return (self.matrix_unit, *self.behind)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """As a pair's, with those of the sliding window unit that there would be."""
        unit = self.insts[2]
        depthwise = self.matrix_unit.op_type.startswith("VVAU")
        vectors = [1, *_plain(unit.get_nodeattr("Dim"))] if depthwise else self._vectors
        image = [prod(vectors[:-1]), vectors[-1]]
        attributes: dict[str, Any] = {
            **{name: [1, 1] for name in ("ConvKernelDim", "Stride", "Dilation")},
            "IFMDim": image,
            "OFMDim": image,
            "IFMChannels": unit.get_nodeattr("Channels" if depthwise else "MW"),
            "depthwise": int(depthwise),
            "numInputVectors": vectors,
            "buffer_ram_style": "auto",
            "mem_mode": self.mem_mode,
        }
        attributes |= {name: _plain(unit.get_nodeattr(name)) for name in OF_MATRIX_UNIT}
        if "ram_style_thresholds" in unit.get_nodeattr_types():
            attributes["ram_style_thresholds"] = unit.get_nodeattr("ram_style_thresholds")
        depths = _plain(unit.get_nodeattr("inFIFODepths"))
        attributes["inFIFODepths"] = depths if self.mem_mode == "external" else depths[:1]
        return attributes | self._activation | dict.fromkeys(self.in_luts, "distributed")

    def with_memories(self, simd: int, pe: int, cycle_tolerance: float, clock_ns: float) -> MatrixUnit:
        """The same with memories in LUTs if the IMECConv would take more block RAM than the unit.

        Only memories that the unit has in LUTs, too, and only if the IMECConv then takes no more LUTs than
        the unit, at most cycle_tolerance times its cycles, and a path as short as the clock asks (`moves`).
        Of these choices, the nearest to the unit's blocks, with the fewest LUTs.
        """
        unit, before = self.estimate, self.imecconv_estimate(simd, pe, clock_ns)
        if before.bram18 <= unit.bram18:
            return self
        limit = int(self.cycles * cycle_tolerance)
        choices = moves(self.matrix_unit.name, self._open_memories, before, clock_ns, limit)
        fitting = [move for move in choices if move.after.luts <= unit.luts]
        if not fitting:
            return self
        best = min(fitting, key=lambda move: (max(0, move.after.bram18 - unit.bram18), move.after.luts))
        return replace(self, in_luts=best.attributes)

    @property
    def _open_memories(self) -> list[str]:
        """Memories that the unit has in LUTs and that nobody asks to be elsewhere."""
        unit = self.estimate
        in_memories = sum(memory.bram18 for memory in unit.memories)
        elsewhere = set()
        if self.mem_mode != "internal_embedded" or unit.memories[-1].style != "distributed":
            elsewhere.add("ram_style")
        if unit.bram18 != in_memories:
            elsewhere.add("ram_style_thresholds")
        return [name for name in MEMORIES if name not in elsewhere and self.attributes.get(name) == "auto"]

    @property
    def _vectors(self) -> list[int]:
        """Leading dimensions of the output; of numInputVectors, FINN only uses the product."""
        given = _plain(self.insts[2].get_nodeattr("numInputVectors"))
        shape = self.model.get_tensor_shape(self.matrix_unit.output[0])
        leading = list(shape[:-1]) if shape else given
        return leading if prod(leading) == prod(given) else given

    @cached_property
    def geometry(self) -> ConvGeometry:
        """The layer, unfolded except for SIMD_in: the words that the unit takes."""
        a = self.attributes
        word = a["PE"] if a["depthwise"] else a["SIMD"]
        if word < 1 or a["IFMChannels"] % word:  # _check_folding says so
            word = 1
        outputs = self.insts[2].get_normal_output_shape()[-1]
        return ConvGeometry(
            (1, 1), a["IFMDim"], a["IFMChannels"], outputs, simd_in=word, depthwise=a["depthwise"]
        )

    @property
    def word(self) -> int:
        """Channels per word of the unit."""
        return self.geometry.simd_in

    @property
    def _cycles(self) -> int:
        """Cycles per frame of the unit."""
        return self._folded.compute_cycles

    @cached_property
    def estimate(self) -> PairEstimate:
        """Resources of the unit, its weights and its thresholds."""
        return replace(super().estimate, generator=False)

    def _check_input(self) -> None:
        """The order of values counts, not their shape: FINN drops a Flatten before a dense layer."""
        tensor = self.matrix_unit.input[0]
        vectors = self.attributes["numInputVectors"]
        shape, expected = self.model.get_tensor_shape(tensor), (*vectors, self.geometry.ifm_channels)
        if shape is not None and prod(shape) != prod(expected):
            raise NotEligible(f"its input shape is {tuple(shape)}, not {expected} of its attributes")
        self._check_annotation(tensor)

    def is_saved_by(self, imec: dict[str, int]) -> bool:
        """True unless check_saving raises."""
        try:
            self.check_saving(self.estimate.resources, imec)
        except NotEligible:
            return False
        return True

    @staticmethod
    def check_saving(unit: dict[str, int], imec: dict[str, int]) -> None:
        """Raise NotEligible unless an IMECConv saves LUTs, and nothing else grows, by these estimates."""
        more = [name for name in ("bram18", "uram", "dsp") if imec[name] > unit[name]]
        if more or imec["lut"] > SAVING * unit["lut"]:
            what = ", ".join(f"{imec[name]} {name} in place of {unit[name]}" for name in ("lut", *more))
            raise NotEligible(f"an IMECConv would save too little by the estimates: {what}")


def unit_behind(model: ModelWrapper, tensor: str) -> Pair:
    """The pair, or the MVAU or VVAU alone, that computes a tensor, with a Thresholding at its end."""
    unit = model.find_producer(tensor)
    thresholds = unit.op_type in _THRESHOLDING
    if thresholds:
        unit = model.find_producer(unit.input[0])
    before = model.find_producer(unit.input[0])
    windows = before is not None and before.op_type.startswith("ConvolutionInputGenerator")
    pair = Pair.find(model, before) if windows else MatrixUnit.of(model, unit)
    return (thresholds and pair.with_thresholding()) or pair


# ---- finding it ---------------------------------------------------------------------------------


def lone_units(model: ModelWrapper) -> list[NodeProto]:
    """MVAUs and VVAUs that no sliding window unit feeds."""
    found = []
    for unit in model.graph.node:
        node = unit
        while node is not None and (node is unit or node.op_type.startswith(_BETWEEN)):
            node = model.find_producer(node.input[0])
        fed = node is not None and node.op_type.startswith("ConvolutionInputGenerator")
        if unit.op_type.startswith(MATRIX_UNITS) and not fed:
            found.append(unit)
    return found


def _find_padding(model: ModelWrapper, generator: NodeProto) -> list[NodeProto]:
    """The nodes before a sliding window unit, from its FMPadding on; empty without one.

    Raises NotEligible if the FMPadding must stay.
    """
    path: list[NodeProto] = []
    node = model.find_producer(generator.input[0])
    while node is not None and node.op_type.startswith(_BETWEEN):
        path.append(node)
        node = model.find_producer(node.input[0])
    if node is None or node.op_type not in _FMPADDING:
        return []
    path.append(node)
    for each in path:
        _only_consumer(model, each)
    if _value(getCustomOp(node), "dynamic_mode"):
        raise NotEligible(f"dynamic_mode=1 of {node.name} is not supported: accepted is 0")
    return path[::-1]


def _find_matrix_unit(model: ModelWrapper, generator: NodeProto) -> list[NodeProto]:
    """The nodes after a sliding window unit, up to its MVAU (depthwise: VVAU)."""
    wanted = "VVAU" if getCustomOp(generator).get_nodeattr("depthwise") else "MVAU"
    path = [_only_consumer(model, generator)]
    while not path[-1].op_type.startswith(wanted):
        if not path[-1].op_type.startswith(_BETWEEN):
            raise NotEligible(f"it feeds {path[-1].name} ({path[-1].op_type}), not {wanted}")
        path.append(_only_consumer(model, path[-1]))
    return path


def _find_thresholding(model: ModelWrapper, unit: NodeProto) -> list[NodeProto]:
    """The nodes after a matrix unit without activation, up to its Thresholding; empty without one.

    Raises NotEligible if other nodes need what is in between, too.
    """
    if not getCustomOp(unit).get_nodeattr("noActivation"):
        return []
    path, node = [], unit
    while not path or node.op_type.startswith(_BETWEEN):
        following = model.find_consumers(node.output[0])
        if not any(each.op_type.startswith((*_THRESHOLDING, *_BETWEEN)) for each in following):
            return []
        node = _only_consumer(model, node)
        path.append(node)
    return path


def _only_consumer(model: ModelWrapper, node: NodeProto) -> NodeProto:
    """The only node that reads a node's output; NotEligible if others need it, too."""
    if node.output[0] in (output.name for output in model.graph.output):
        raise NotEligible(f"{node.name} feeds a graph output")
    consumers = model.find_consumers(node.output[0])
    if len(consumers) != 1:
        raise NotEligible(f"{node.name} feeds {len(consumers)} nodes, not one")
    return consumers[0]


# ---- attributes ---------------------------------------------------------------------------------


def _value(inst: CustomOp, name: str) -> Any:
    """A node attribute; 0 if this FINN does not have it."""
    return inst.get_nodeattr(name) if name in inst.get_nodeattr_types() else 0


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays as int and list, because ONNX attributes are type-strict."""
    if isinstance(value, str):
        return value
    return [int(v) for v in value] if hasattr(value, "__len__") else int(value)
