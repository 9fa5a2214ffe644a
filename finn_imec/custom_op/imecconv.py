"""The abstract IMECConv: its function, shapes and streams."""

from __future__ import annotations

import functools
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp
from finn.custom_op.fpgadataflow.matrixvectoractivation import MVAU
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.algorithms import direct, im2col
from finn_imec.algorithms.reference import reference
from finn_imec.compat.finn import words_per_line
from finn_imec.custom_op.estimates import NodeEstimates
from finn_imec.layer.core import DEFAULT_DSP_BLOCK, RES_TYPES, Operand
from finn_imec.layer.datapath import Datapath, smallest_datatype, weight_words
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.memories import MEM_MODES, RAM_STYLES
from finn_imec.layer.numbers import ROUNDING, whole_numbers
from finn_imec.layer.packing import DSP_BLOCKS
from finn_imec.layer.structure import MAX_PIPELINE
from finn_imec.streams.words import round_up_to_bytes
from finn_imec.util.errors import ImecError, UnsupportedError
from finn_imec.util.onnx_model import constant


class IMECConv(NodeEstimates, HWCustomOp):
    """Fused convolution: FINN's FMPadding, ConvolutionInputGenerator and MVAU as one streaming unit.

    Inputs: activations (N, H, W, C), which Padding extends to IFMDim; weights (MW, MH) in
    (kh, kw, c) row order; thresholds (MH or 1, steps) unless noActivation. Output: (N, OH, OW, MH).
    If depthwise, MW = K_h*K_w and output channel m is computed from input channel m alone. Streams:
    in0 carries SIMD_in channels per word (0: as many as a word of the line buffer has), out0 PE channels.
    SIMD divides MW: see finn_imec.layer.window if it is above C, finn_imec.layer.gearbox if it does not
    divide C.

    A node with a 1x1 kernel, stride 1 and no padding is also FINN's MVAU alone: input and output then have
    the leading dimensions numInputVectors, (N, C) -> (N, M) for a fully connected layer.

    mem_mode is FINN's MVAU's, where the weights are: internal_embedded in a ROM; internal_decoupled in FINN's
    memstream, writable through its AXI4-Lite port s_axilite if runtime_writeable_weights=1; external on the
    stream in1, PE*SIMD weights per word, all SF*NF words once per output pixel. Words are FINN's, with a
    gearbox of the rows of finn_imec.layer.gearbox.weight_rows. Unlike in FINN, runtime_writeable_weights=1
    requires internal_decoupled.
    """

    def get_nodeattr_types(self) -> dict[str, tuple]:
        """FINN's attributes of both nodes under FINN's names, and IMECConv's own."""
        return {
            **super().get_nodeattr_types(),
            # ConvolutionInputGenerator's; [height, width]
            "ConvKernelDim": ("ints", True, []),
            "IFMChannels": ("i", True, 0),
            "IFMDim": ("ints", True, []),
            "OFMDim": ("ints", True, []),
            "Stride": ("ints", True, [1, 1]),
            "Dilation": ("ints", True, [1, 1]),
            "depthwise": ("i", False, 0, {0, 1}),
            # FMPadding's; [top, left, bottom, right], part of IFMDim
            "Padding": ("ints", False, [0, 0, 0, 0]),
            # MVAU's
            "MW": ("i", True, 0),
            "MH": ("i", True, 0),
            "SIMD": ("i", True, 0),
            "PE": ("i", True, 0),
            "inputDataType": ("s", True, ""),
            "weightDataType": ("s", True, ""),
            "outputDataType": ("s", True, ""),
            "accDataType": ("s", False, "INT32"),
            "noActivation": ("i", False, 0, {0, 1}),
            "ActVal": ("i", False, 0),
            "binaryXnorMode": ("i", False, 0, {0, 1}),
            "numInputVectors": ("ints", False, [1]),
            "resType": ("s", False, "auto", set(RES_TYPES)),
            "mem_mode": ("s", False, "internal_embedded", set(MEM_MODES)),
            "runtime_writeable_weights": ("i", False, 0, {0, 1}),
            "ram_style": ("s", False, "auto", set(RAM_STYLES)),
            "dynamic_input": ("i", False, 0, {0}),  # of upstream FINN
            # FINN has the thresholds in a node of their own
            "standalone_thresholds": ("i", False, 0, {0, 1}),
            "ram_style_thresholds": ("s", False, "auto", set(RAM_STYLES)),
            # our own: level of pipelining (-1: as the target clock requires), input channels per stream word
            # (0: a line buffer word's), line buffer memory, DSP slice (set by generation, by the part)
            "pipeline": ("i", False, -1, set(range(-1, MAX_PIPELINE + 1))),
            "SIMD_in": ("i", False, 0),
            "buffer_ram_style": ("s", False, "auto", set(RAM_STYLES)),
            "dsp_block": ("s", False, DEFAULT_DSP_BLOCK, set(DSP_BLOCKS)),
        }

    # ---- what the node is -----------------------------------------------------------------------

    @property
    def geometry(self) -> ConvGeometry:
        """The layer and its folding; errors name the node."""
        try:
            geometry = ConvGeometry(
                kernel=tuple(self.get_nodeattr("ConvKernelDim")),
                ifm_dim=tuple(self.get_nodeattr("IFMDim")),
                ifm_channels=self.get_nodeattr("IFMChannels"),
                ofm_channels=self.get_nodeattr("MH"),
                stride=tuple(self.get_nodeattr("Stride")),
                dilation=tuple(self.get_nodeattr("Dilation")),
                simd=self.get_nodeattr("SIMD"),
                pe=self.get_nodeattr("PE"),
                simd_in=self.get_nodeattr("SIMD_in"),
                depthwise=bool(self.get_nodeattr("depthwise")),
                padding=tuple(self.get_nodeattr("Padding")),
                buffer_style=self.get_nodeattr("buffer_ram_style"),
            )
        except ImecError as err:
            raise type(err)(f"{self.onnx_node.name}: {err}") from err
        for name, expected in (("MW", geometry.mw), ("OFMDim", list(geometry.ofm_dim))):
            value = self.get_nodeattr(name)
            if (list(value) if name == "OFMDim" else value) != expected:
                raise UnsupportedError(
                    f"{self.onnx_node.name}: {name}={value} contradicts the other attributes, "
                    f"from which it is {expected}"
                )
        return _shared(geometry)

    @property
    def runtime_weights(self) -> bool:
        """True if weights may change while the design runs; errors name the node."""
        mode, writable = (self.get_nodeattr(n) for n in ("mem_mode", "runtime_writeable_weights"))
        if writable and mode != "internal_decoupled":
            raise UnsupportedError(
                f"{self.onnx_node.name}: runtime_writeable_weights=1 with mem_mode={mode}: accepted "
                "is mem_mode=internal_decoupled"
            )
        return bool(writable) or mode == "external"

    def datapath(self, weights: np.ndarray | None, thresholds: np.ndarray | None) -> Datapath:
        """The node's arithmetic on these weights (MW, MH) and thresholds; errors name the node."""
        try:
            return Datapath(
                self.geometry,
                self.get_input_datatype(0),
                self.get_input_datatype(1),
                self.get_output_datatype(),
                weights,
                None if self.get_nodeattr("noActivation") else thresholds,
                self.get_nodeattr("ActVal"),
                bool(self.get_nodeattr("binaryXnorMode")),
                self.runtime_weights,
                self.get_nodeattr("resType"),
                max(0, self.get_nodeattr("pipeline")),
                self.get_nodeattr("dsp_block"),
            )
        except UnsupportedError as err:
            raise UnsupportedError(f"{self.onnx_node.name}: {err}") from err

    def constant_datapath(self, model: Any) -> Datapath:
        """The node's arithmetic on the model's constants: thresholds, and weights unless external."""
        node, mode = self.onnx_node, self.get_nodeattr("mem_mode")
        parameters = [constant(model, name) for name in node.input[1:]]
        if any(p is None for p in (parameters[1:] if mode == "external" else parameters)):
            needed = "thresholds" if mode == "external" else "weights and thresholds"
            raise UnsupportedError(f"{node.name}: {needed} must be constants (mem_mode={mode})")
        return self.datapath(parameters[0], parameters[1] if len(parameters) > 1 else None)

    def get_nodeattr(self, name: str) -> Any:
        """FINN's, but UnsupportedError where SpecializeLayers asks for a variant that does not exist."""
        value = super().get_nodeattr(name)
        if name == "preferred_impl_style" and value == "hls":
            mode = super().get_nodeattr("mem_mode")
            if mode != "internal_embedded":
                raise UnsupportedError(
                    f"{self.onnx_node.name}: preferred_impl_style=hls with mem_mode={mode}: IMECConv_hls "
                    "accepts internal_embedded, IMECConv_rtl the others"
                )
        return value

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """QONNX datatype of the activations (0) or weights (1)."""
        return DataType[self.get_nodeattr(("inputDataType", "weightDataType")[ind])]

    def get_weight_datatype(self) -> BaseDataType:
        """QONNX datatype of the weights (name of FINN 0.10)."""
        return self.get_input_datatype(1)

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """QONNX datatype of the output."""
        return DataType[self.get_nodeattr("outputDataType")]

    def get_accumulator_datatype(self) -> BaseDataType:
        """QONNX datatype of the accumulators."""
        return DataType[self.get_nodeattr("accDataType")]

    def infer_node_datatype(self, model: Any) -> None:
        """Take the input datatype from the model, and set the output datatype in it."""
        node = self.onnx_node
        self.set_nodeattr("inputDataType", model.get_tensor_datatype(node.input[0]).name)
        model.set_tensor_datatype(node.output[0], self.get_output_datatype())

    def verify_node(self) -> list[str]:
        """Raise for contradictory attributes; otherwise report that there are none."""
        _ = self.geometry, self.runtime_weights
        expected = 2 if self.get_nodeattr("noActivation") else 3
        if len(self.onnx_node.input) != expected:
            raise UnsupportedError(
                f"{self.onnx_node.name}: {len(self.onnx_node.input)} inputs, expected {expected} "
                f"with noActivation={self.get_nodeattr('noActivation')}"
            )
        return ["All necessary attributes exist"]

    # ---- shapes and streams ---------------------------------------------------------------------

    def get_normal_input_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, H, W, C), without padding, or (*numInputVectors, C); or (MW, MH)."""
        geometry = self.geometry
        self._check_stream(ind)
        if ind == 0:
            return (*self._vectors, geometry.ifm_channels)
        return (geometry.mw, geometry.mh)

    @property
    def _vectors(self) -> tuple[int, ...]:
        """Leading dimensions of the input: (1, H, W), or numInputVectors of a node with a 1x1 kernel."""
        geometry = self.geometry
        given = tuple(map(int, self.get_nodeattr("numInputVectors")))
        image = (1, *geometry.input_dim)
        return given if geometry.pointwise and prod(given) == prod(image) else image

    def _check_stream(self, ind: int) -> None:
        if ind not in (0, 1):
            raise UnsupportedError(
                f"{self.onnx_node.name}: input {ind} is no stream: accepted are 0, pixels, and 1, weights"
            )

    def get_normal_output_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, OH, OW, M), or (*numInputVectors, M)."""
        geometry, vectors = self.geometry, self._vectors
        is_image = vectors == (1, *geometry.input_dim)
        return (*((1, *geometry.ofm_dim) if is_image else vectors), geometry.mh)

    def get_folded_input_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, H, W, C/SIMD_in, SIMD_in), or (OH*OW, SF*NF, PE*SIMD) for the weights."""
        g = self.geometry
        self._check_stream(ind)
        if ind == 0:
            return (*self._vectors, g.ifm_channels // g.simd_in, g.simd_in)
        return (g.windows, g.weight_words, g.pe * g.simd)

    def get_folded_output_shape(self, ind: int = 0) -> tuple[int, ...]:
        """(1, OH, OW, NF, PE)."""
        return (*self.get_normal_output_shape()[:-1], self.geometry.nf, self.geometry.pe)

    def get_number_output_values(self) -> int:
        """Output words per frame; FINN 0.10 leaves this and the next method to the node."""
        return self.geometry.windows * self.geometry.nf

    def make_shape_compatible_op(self, model: Any) -> Any:
        """A constant node of the output's shape, for QONNX' InferShapes."""
        return self.make_const_shape_op(self.get_normal_output_shape())

    def get_instream_width(self, ind: int = 0) -> int:
        """Bits of a word of activations (0) or weights (1); 0 for embedded weights."""
        g = self.geometry
        if ind == 0:
            return g.simd_in * self.get_input_datatype(0).bitwidth()
        if ind == 1 and self.get_nodeattr("mem_mode") != "internal_embedded":
            return g.pe * g.simd * self.get_input_datatype(1).bitwidth()
        return 0

    def get_instream_width_padded(self, ind: int = 0) -> int:
        """Bits of TDATA, rounded up to whole bytes; 0 for embedded weights (FINN 0.10 does not expect 0)."""
        return round_up_to_bytes(self.get_instream_width(ind))

    def get_outstream_width(self, ind: int = 0) -> int:
        """Bits of an output word."""
        return self.geometry.pe * self.get_output_datatype().bitwidth()

    def get_verilog_top_module_intf_names(self) -> dict[str, list]:
        """in0_V, out0_V; in1_V with external weights, s_axilite with writable weights.

        Spelled out because FINN 0.10 calls its own output streams out_V.
        """
        mode = self.get_nodeattr("mem_mode")
        streams = range(2 if mode == "external" else 1)  # internal weights stay inside
        writable = mode == "internal_decoupled" and self.runtime_weights
        return {
            "clk": ["ap_clk"],
            "rst": ["ap_rst_n"],
            "s_axis": [(f"in{i}_V", self.get_instream_width_padded(i)) for i in streams],
            "m_axis": [("out0_V", self.get_outstream_width_padded(0))],
            "aximm": [],
            "axilite": ["s_axilite"] if writable else [],
            "ap_none": [],
        }

    # ---- weights --------------------------------------------------------------------------------

    def weight_words(self, weights: np.ndarray) -> list[int]:
        """Weights (MW, MH) as words of PE*SIMD weights, in the order of reads."""
        wdt = self.get_input_datatype(1)
        return weight_words(self.geometry, Operand.of(wdt, "weightDataType"), weights)

    def make_weight_file(
        self, weights: np.ndarray, weight_file_mode: str, weight_file_name: str | Path
    ) -> None:
        """Write weights (MW, MH) in the format of FINN's MVAU, one hexadecimal word per line.

        weight_file_mode: decoupled_verilog_dat, one line per weight word; or decoupled_runtime, for FINN's
        driver, which writes each weight word to s_axilite as 32-bit words, lowest first.
        """
        accepted = ("decoupled_verilog_dat", "decoupled_runtime")
        if weight_file_mode not in accepted:
            raise UnsupportedError(
                f"{self.onnx_node.name}: weight_file_mode={weight_file_mode!r}: accepted are "
                f"{' and '.join(accepted)}"
            )
        words, bits = self.weight_words(weights), self.get_instream_width(1)
        if weight_file_mode == "decoupled_verilog_dat":
            lines = [f"{word:0{(bits + 3) // 4}x}" for word in words]
        else:
            shifts = range(0, 32 * words_per_line(bits), 32)
            lines = [f"{word >> shift & 0xFFFFFFFF:08x}" for word in words for shift in shifts]
        Path(weight_file_name).write_text("".join(f"{line}\n" for line in lines))

    # ---- execution ------------------------------------------------------------------------------

    def execute_node(self, context: dict, graph: Any) -> None:
        """Compute in numpy."""
        node = self.onnx_node
        ifm = self.integers(context)
        thresholds = context[node.input[2]] if len(node.input) > 2 else None
        datapath = self.datapath(context[node.input[1]], thresholds)
        self.set_output(context, convolve(datapath, ifm))

    def integers(self, context: dict) -> np.ndarray:
        """The node's input in an execution context, (N, H, W, C). int64.

        Raises UnsupportedError for other values.
        """
        name, geometry = self.onnx_node.input[0], self.geometry
        what = f"{self.onnx_node.name}: input {name}"
        values = whole_numbers(context[name], what, self.get_input_datatype(0), ROUNDING)
        return values.reshape(-1, *geometry.input_dim, geometry.ifm_channels)

    def set_output(self, context: dict, ofm: np.ndarray) -> None:
        """Put integers of N frames into an execution context, whose array tells the float type."""
        name, shape = self.onnx_node.output[0], self.get_normal_output_shape()
        ofm = ofm.reshape(ofm.size // prod(shape) * shape[0], *shape[1:])
        dtype = context[name].dtype if name in context else np.dtype(np.float32)
        context[name] = ofm.astype(dtype if dtype.kind == "f" else np.float32)

    # ---- minimization ---------------------------------------------------------------------------

    def minimize_accumulator_width(self, model: Any, datatype_only: bool = False) -> BaseDataType:
        """FINN's MVAU's choice, by its own code, which only reads attributes.

        Differs in binaryXnorMode, see hold_popcounts. Also fits the thresholds, because FINN's
        RoundAndClipThresholds knows only its own op types.
        """
        if self.get_nodeattr("binaryXnorMode"):
            hold_popcounts(self, model)
        else:
            # Upstream FINN has no such argument
            only = {"datatype_only": True} if datatype_only else {}
            MVAU.minimize_accumulator_width(self, model, **only)
        if not datatype_only:
            round_and_clip_thresholds(self, model)
        return self.get_accumulator_datatype()

    def get_hw_compatible_threshold_tensor(self, thresholds: np.ndarray) -> np.ndarray:
        """Thresholds, in any order: FINN v0.10.1's minimize_accumulator_width checks that they fit."""
        return thresholds

    def minimize_weight_bit_width(self, model: Any, *args: Any, **kwargs: Any) -> BaseDataType:
        """FINN's MVAU's choice."""
        return MVAU.minimize_weight_bit_width(self, model, *args, **kwargs)


@functools.lru_cache(maxsize=1024)
def _shared(geometry: ConvGeometry) -> ConvGeometry:
    """An equal geometry made before, with its cycles cached: stepping through them takes time."""
    return geometry


def hold_popcounts(inst: MVAU | IMECConv, model: Any) -> None:
    """Give a node in binaryXnorMode accumulators that hold its popcount, 0..MW.

    FINN's minimization bounds the dot product of the 0/1 inputs instead, one bit too few if MW is just above
    a power of two.
    """
    accumulator = smallest_datatype(0, inst.get_nodeattr("MW"))
    if inst.get_nodeattr("noActivation"):
        if model.find_direct_successors(inst.onnx_node) is None:  # like FINN: whole bytes at the graph's end
            accumulator = DataType[f"UINT{round_up_to_bytes(accumulator.bitwidth())}"]
        inst.set_nodeattr("outputDataType", accumulator.name)
    inst.set_nodeattr("accDataType", accumulator.name)


def round_and_clip_thresholds(inst: MVAU | IMECConv, model: Any) -> None:
    """Round thresholds, if any, to integers, and clip them to at most one beyond the accumulator's range.

    Like FINN's transformation/streamline/round_thresholds.py.
    """
    name = None if inst.get_nodeattr("noActivation") else inst.onnx_node.input[2]
    thresholds = constant(model, name) if name else None
    if thresholds is None:
        return
    accumulator = inst.get_accumulator_datatype()
    low, high = accumulator.min(), accumulator.max() + 1
    model.set_initializer(name, np.ceil(thresholds).clip(low, high).astype(np.float32))
    extreme = -high - 1 if accumulator.signed() else high  # one bit more: `high` must fit
    model.set_tensor_datatype(name, DataType.get_smallest_possible(extreme))


def convolve(datapath: Datapath, ifm: np.ndarray) -> np.ndarray:
    """The node's function: integers (N, H, W, C) -> integers (N, OH, OW, M), in numpy."""
    algorithm = direct if datapath.geometry.depthwise else im2col
    return reference(datapath, ifm, algorithm.convolve, np.float64)
