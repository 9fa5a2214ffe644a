"""FINN's own pair for one convolution: the design that IMECConv replaces, as one stitched RTL top.

    in0 -> [FMPadding_rtl -> StreamingFIFO_rtl] -> ConvolutionInputGenerator_rtl
        -> [StreamingDataWidthConverter_rtl] -> StreamingFIFO_rtl
        -> MVAU_rtl with its weight memstream and replay buffer -> out0

finn-plus generates each part (no Vivado needed); `generate` copies what it generated and the
finn-rtllib files it uses into a folder, with the few edits that let open tools read them, and adds
a top. Nothing of FINN is kept in this package: the copies are made from the user's installation.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from math import gcd, prod
from pathlib import Path

import numpy as np

from finn_imec.compat.finn import CLOCK_NS, FPGA_PART
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.streams.design import CoreSpec, Design, Stream
from finn_imec.streams.words import round_up_to_bytes
from finn_imec.util.errors import UnsupportedError, require
from finn_imec.util.templates import render

#: VVAU_rtl refuses all parts but Versal; its core is replaced.
VVAU_PART = "xcvc1902-vsva2197-2MP-e-S"
TOP = "finn_pair"
CORES = ("dsp", "lut")
_WEIGHT_FILE = "memblock.dat"
_FIFO_DEPTH = 2


@dataclass(frozen=True)
class FinnPair:
    """A generated pair.

    design: what Verilator and Yosys read. core: the multiply-accumulate module in it, for
    `yosys.count(..., core=...)`. acc_bits: width of one accumulator, two's complement but for the
    XNOR popcount. An output word holds the accumulators of PE channels, the lowest in the low bits.
    """

    design: Design
    core: CoreSpec
    acc_bits: int


def generate(
    out_dir: Path,
    *,
    kernel: tuple[int, int],
    ifm_dim: tuple[int, int],
    ifm_channels: int,
    ofm_channels: int,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    simd: int,
    pe: int,
    swg_simd: int | None = None,
    in_simd: int | None = None,
    parallel_window: bool = False,
    depthwise: bool = False,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    input_datatype: str,
    weight_datatype: str,
    acc_bits: int | None = None,
    weights: np.ndarray,
    core: str = "dsp",
) -> FinnPair:
    """Generate FINN's pair for one convolution into the new folder `out_dir`.

    kernel, ifm_dim, stride, dilation are (height, width). `simd` and `pe` fold the MVU (simd
    divides MW = K_h*K_w*C, pe divides ofm_channels); `swg_simd` folds the sliding window generator
    and divides C (None: the largest such value that divides simd). parallel_window: it gives whole
    windows, and takes whole pixels; swg_simd is then C. in_simd: channels of an input word (None:
    swg_simd). FINN's width converter is put where these, the generator's words and the MVU's differ.
    padding (top, left, bottom, right) is part of ifm_dim, and an
    FMPadding in front. The datatypes are FINN names. `weights` has shape (MW, MH), rows in
    (kh, kw, c) order. acc_bits=None takes the narrowest accumulator that these weights and this
    input type need, as FINN's minimize_accumulator_width.

    core: "dsp" is FINN's mvu.sv (operands of 2 bits and more). "lut" puts this package's
    `finn_lut_core`, a stand-in for the LUT core that FINN's rtllib used to have, into FINN's
    wrapper; it also takes BIPOLAR operands (1 bit, 1 stands for +1). With both BIPOLAR the
    accumulator is the XNOR popcount (x.W + MW)/2, as in FINN's binaryXnorMode.

    depthwise: each output channel of the input channel of its number, by FINN's VVAU instead of its
    MVAU. simd is 1, MW K_h*K_w, the generator's words are PE channels, and core is "lut",
    `finn_lut_vvu`: FINN's VVAU has DSPs on Versal only.

    Thresholds are not part of the pair: finn-plus builds them as a separate Thresholding node.

    Raises GeometryError or ValueError naming the field for what cannot be folded or computed,
    MissingToolError without finn-plus, UnsupportedError when its RTL is not as expected.
    """
    require("finn.custom_op.fpgadataflow.rtl", "finn")
    if swg_simd is None:
        swg_simd = ifm_channels if parallel_window else pe if depthwise else gcd(simd, ifm_channels)
    if depthwise and (swg_simd, simd) != (pe, 1):
        raise ValueError(f"swg_simd={swg_simd}, simd={simd} with depthwise: accepted are pe={pe} and 1")
    if depthwise and core != "lut":
        raise UnsupportedError(f"core={core!r} with depthwise: accepted is 'lut'")
    if parallel_window and swg_simd != ifm_channels:
        raise ValueError(f"swg_simd={swg_simd} with parallel_window: accepted is ifm_channels={ifm_channels}")
    geometry = ConvGeometry(
        kernel, ifm_dim, ifm_channels, ofm_channels, stride, dilation,
        simd=1 if depthwise else swg_simd, pe=pe, simd_in=in_simd or swg_simd,
        depthwise=depthwise, padding=padding,
    )  # fmt: skip
    if geometry.simd_in % swg_simd and swg_simd % geometry.simd_in:
        raise UnsupportedError(
            f"in_simd={in_simd}: accepted are values that divide swg_simd={swg_simd}, or that it divides, "
            "as FINN's width converter in RTL demands"
        )
    if simd < 1 or geometry.mw % simd:
        raise ValueError(f"simd={simd}: accepted are the divisors of K_h*K_w*C={geometry.mw}")
    idt = _datatype("input_datatype", input_datatype)
    wdt = _datatype("weight_datatype", weight_datatype)
    product = _product(core, idt, wdt)
    weights = np.asarray(weights)
    if weights.shape != (geometry.mw, ofm_channels):
        raise ValueError(
            f"weights have shape {weights.shape}: expected (MW, MH)={(geometry.mw, ofm_channels)}"
        )
    if not np.vectorize(wdt.allowed)(weights).all():
        raise ValueError(f"weights: not all values are of weight_datatype={weight_datatype}")
    needed = _acc_bits(weights, idt, product)
    if core == "dsp":
        needed = max(needed, wdt.bitwidth() + idt.bitwidth() - int(idt.signed()))  # mvu.sv
    acc_bits = needed if acc_bits is None else acc_bits
    if acc_bits < needed:
        raise ValueError(f"acc_bits={acc_bits}: these weights need at least {needed}")

    out_dir = Path(out_dir)
    if out_dir.exists():
        raise ValueError(f"out_dir={out_dir} exists already: name a new folder")
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}_", dir=out_dir.parent))
    try:
        plan = _plan(geometry, simd, parallel_window, idt, wdt, acc_bits)
        tensor = weights.T.reshape(-1, 1, *kernel) if depthwise else weights
        stages, generated = _generate_nodes(work / "finn", plan, tensor)
        pair = work / "pair"
        pair.mkdir()
        names = copy_patched(generated, pair, product if core == "lut" else None, depthwise)
        shutil.copy(work / "finn" / "mvu" / _WEIGHT_FILE, pair / _WEIGHT_FILE)
        if core == "lut":
            for name in ("finn_lut_core.sv", *(["finn_lut_vvu.sv"] if depthwise else [])):
                (pair / name).write_bytes(files(__package__).joinpath(name).read_bytes())
                names.append(name)
        (pair / f"{TOP}.sv").write_text(_render_top(stages, simd * pe * wdt.bitwidth()))
        names.append(f"{TOP}.sv")
        os.replace(pair, out_dir)
    finally:
        shutil.rmtree(work)

    parameters = {
        "PE": pe,
        "SIMD": simd,
        "WEIGHT_WIDTH": wdt.bitwidth(),
        "ACTIVATION_WIDTH": idt.bitwidth(),
        "ACCU_WIDTH": acc_bits,
        "SIGNED_ACTIVATIONS": int(idt.signed()),
    }
    if core == "lut":
        module = "finn_lut_vvu" if depthwise else "finn_lut_core"
        spec = CoreSpec(module, {"PRODUCT": product, **parameters}, tied={"en": (1, 1)})
    else:
        narrow = int(weights.min() > wdt.min())  # as MVAU_rtl decides
        spec = CoreSpec("mvu", {**parameters, "NARROW_WEIGHTS": narrow}, tied={"en": (1, 1)})
    design = Design(
        top=TOP,
        sources=tuple(out_dir / name for name in names),
        inputs=(Stream("in0_V", stages[0]["in_width"]),),
        outputs=(Stream("out0_V", stages[-1]["out_width"]),),
        data_files=(out_dir / _WEIGHT_FILE,),
    )
    return FinnPair(design, spec, acc_bits)


def _datatype(field: str, name: str):
    from qonnx.core.datatype import DataType

    try:
        return DataType[name]
    except (KeyError, ValueError):
        raise ValueError(f"{field}={name!r}: accepted are FINN's, such as INT4 or BIPOLAR") from None


def _product(core: str, idt, wdt) -> str:
    """finn_lut_core's PRODUCT for these qonnx datatypes; checks that the core can compute them."""
    if core not in CORES:
        raise ValueError(f"core={core!r}: accepted are {CORES}")
    for field, dtype in (("input_datatype", idt), ("weight_datatype", wdt)):
        if not dtype.is_integer():
            raise UnsupportedError(f"{field}={dtype.name}: accepted are integer datatypes")
        if core == "dsp" and dtype.bitwidth() < 2:
            raise UnsupportedError(
                f"{field}={dtype.name}: FINN's mvu.sv takes 2 bits and more; use core='lut'"
            )
    if not wdt.signed():
        raise UnsupportedError(f"weight_datatype={wdt.name}: accepted are signed ones and BIPOLAR")
    bipolar = (idt.name == "BIPOLAR", wdt.name == "BIPOLAR")
    return {
        (False, False): "SIGNED",
        (False, True): "BIPOLAR",
        (True, False): "BIPOLAR_INPUT",
        (True, True): "XNOR",
    }[bipolar]


def _acc_bits(weights: np.ndarray, idt, product: str) -> int:
    """Bits of the narrowest accumulator (two's complement; unsigned for the XNOR popcount)."""
    from qonnx.util.basic import calculate_matvec_accumulator_range

    if product == "XNOR":
        return int(weights.shape[0]).bit_length()
    low, high = calculate_matvec_accumulator_range(weights.astype(np.float64), idt)
    return max(int(-low - 1).bit_length(), int(high).bit_length()) + 1


def _plan(
    geometry: ConvGeometry, simd: int, parallel_window: bool, idt, wdt, acc_bits: int
) -> dict[str, dict]:
    """The stages of the pair in their order, with FINN's node attributes for each."""
    swg_simd = geometry.word_channels
    swg_word = geometry.mw if parallel_window else swg_simd
    mw, mh = geometry.mw, geometry.ofm_channels
    windows = [1, *geometry.ofm_dim, prod(geometry.kernel) * geometry.ifm_channels]
    word = swg_word if geometry.depthwise else simd  # of the MVU's input
    adt = f"UINT{acc_bits}" if idt.name == wdt.name == "BIPOLAR" else f"INT{acc_bits}"
    matrix = {"MW": mw, "MH": mh, "numInputVectors": windows[:-1]}
    if geometry.depthwise:
        matrix = {"Channels": mh, "Kernel": geometry.kernel, "Dim": geometry.ofm_dim}

    def converter(shape: list[int], elems_in: int, elems_out: int) -> dict:
        widths = {"inWidth": elems_in * idt.bitwidth(), "outWidth": elems_out * idt.bitwidth()}
        return {"inShape": shape, "outShape": shape, **widths, "dataType": idt.name}

    plan = {
        "swg": {
            "ConvKernelDim": list(geometry.kernel),
            "IFMChannels": geometry.ifm_channels,
            "IFMDim": list(geometry.ifm_dim),
            "OFMDim": list(geometry.ofm_dim),
            "Stride": list(geometry.stride),
            "Dilation": list(geometry.dilation),
            "SIMD": swg_simd,
            "inputDataType": idt.name,
            "outputDataType": idt.name,
            "depthwise": int(geometry.depthwise),
            "is1D": int(1 in geometry.ifm_dim),
            "ram_style": "distributed",
            "parallel_window": int(parallel_window),
        },
        "dwc": converter(windows, swg_word, word),
        "fifo": {
            "depth": _FIFO_DEPTH,
            "folded_shape": [*windows[:-1], windows[-1] // word, word],
            "normal_shape": windows,
            "dataType": idt.name,
        },
        "mvu": {
            "SIMD": simd,
            "PE": geometry.pe,
            "inputDataType": idt.name,
            "weightDataType": wdt.name,
            "outputDataType": adt,
            "accDataType": adt,
            "noActivation": 1,
            **matrix,
            "mem_mode": "internal_decoupled",
            "ram_style": "auto",
            "resType": "dsp",
        },
    }
    if word == swg_word:
        del plan["dwc"]
    image = [1, *geometry.ifm_dim, geometry.ifm_channels]
    if geometry.simd_in != swg_simd:
        plan = {"in_dwc": converter(image, geometry.simd_in, swg_simd), **plan}
    if any(geometry.padding):
        padding = {
            "ImgDim": list(geometry.input_dim),
            "Padding": list(geometry.padding),
            "NumChannels": geometry.ifm_channels,
            "SIMD": geometry.simd_in,
            # binaryXnorMode pads with the code 0, too
            "inputDataType": "BINARY" if idt.name == "BIPOLAR" else idt.name,
        }
        folded = [*image[:-1], geometry.ifm_channels // geometry.simd_in, geometry.simd_in]
        fifo = plan["fifo"] | {"folded_shape": folded, "normal_shape": image}
        plan = {"padding": padding, "padding_fifo": fifo, **plan}
    return plan


def _generate_nodes(work: Path, plan: dict[str, dict], weights: np.ndarray) -> tuple[list[dict], list[Path]]:
    """Let finn-plus generate every node below `work`: the stages to stitch, and all RTL files."""
    from finn.custom_op.fpgadataflow.rtl.convolutioninputgenerator_rtl import (
        ConvolutionInputGenerator_rtl,
    )
    from finn.custom_op.fpgadataflow.rtl.fmpadding_rtl import FMPadding_rtl
    from finn.custom_op.fpgadataflow.rtl.matrixvectoractivation_rtl import MVAU_rtl
    from finn.custom_op.fpgadataflow.rtl.streamingdatawidthconverter_rtl import (
        StreamingDataWidthConverter_rtl,
    )
    from finn.custom_op.fpgadataflow.rtl.streamingfifo_rtl import StreamingFIFO_rtl
    from finn.custom_op.fpgadataflow.rtl.vectorvectoractivation_rtl import VVAU_rtl
    from finn.util.settings import get_settings

    _initialize_finn()
    depthwise = "Kernel" in plan["mvu"]
    classes = {
        "padding": FMPadding_rtl,
        "padding_fifo": StreamingFIFO_rtl,
        "in_dwc": StreamingDataWidthConverter_rtl,
        "swg": ConvolutionInputGenerator_rtl,
        "dwc": StreamingDataWidthConverter_rtl,
        "fifo": StreamingFIFO_rtl,
        "mvu": VVAU_rtl if depthwise else MVAU_rtl,
    }
    stages, rtl = [], []
    for name, attributes in plan.items():
        code = work / name
        code.mkdir(parents=True)
        attributes = {**attributes, "code_gen_dir_ipgen": str(code)}
        node, model = _node(classes[name], f"finn_{name}", attributes, weights)
        node.generate_hdl(model, VVAU_PART if classes[name] is VVAU_rtl else FPGA_PART, CLOCK_NS)
        rtl += [Path(file) for file in node.get_rtl_file_list(abspath=True)]
        stages.append(
            {
                "name": name,
                "module": node.get_nodeattr("gen_top_module"),
                "in_width": node.get_instream_width_padded(),
                "out_width": node.get_outstream_width_padded(),
            }
        )
    rtllib = Path(get_settings().finn_rtllib)
    rtl += sorted((work / "mvu").glob("*_memstream_wrapper.v"))
    rtl += [rtllib / "memstream" / "hdl" / name for name in ("memstream_axi.sv", "memstream.sv")]
    rtl.append(rtllib / "axi" / "hdl" / "axilite.sv")
    return stages, rtl


def _initialize_finn() -> None:
    """finn-plus' code generation asks a global settings object; make one unless FINN runs us."""
    from finn.util.exception import FINNUserError
    from finn.util.settings import get_settings, initialize_dummy_settings

    try:
        get_settings()
    except FINNUserError:
        initialize_dummy_settings()


def _node(cls: type, name: str, attributes: dict, weights: np.ndarray):
    """A FINN node of class `cls` in a model of its own; weights are its second input."""
    from onnx import TensorProto, helper
    from qonnx.core.modelwrapper import ModelWrapper

    node = helper.make_node(
        cls.__name__,
        [f"{name}_in", f"{name}_weights"] if cls.__name__ in ("MVAU_rtl", "VVAU_rtl") else [f"{name}_in"],
        [f"{name}_out"],
        name=name,
        domain="finn.custom_op.fpgadataflow.rtl",
        backend="fpgadataflow",
        **attributes,
    )
    ends = [helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in ("in", "out")]
    ends[0].name, ends[1].name = node.input[0], node.output[0]
    model = ModelWrapper(helper.make_model(helper.make_graph([node], name, ends[:1], ends[1:])))
    if len(node.input) > 1:
        model.set_initializer(node.input[1], weights.astype(np.float32))
    return cls(model.graph.node[0]), model


def _render_top(stages: list[dict], weight_bits: int) -> str:
    return render(
        Path(__file__).with_name("finn_pair_top.sv.j2"),
        top=TOP,
        chain=" -> ".join(stage["name"] for stage in stages),
        stages=stages,
        in_width=stages[0]["in_width"],
        out_width=stages[-1]["out_width"],
        weight_width=round_up_to_bytes(weight_bits),
        memstream="finn_mvu_memstream_wrapper",
        init_file=_WEIGHT_FILE,
    )


# ---- FINN's RTL through open tools --------------------------------------------------------------

#: Simulation-only sources, and a core for another device.
_LEFT_OUT = ("fifo_gauge.sv", "mvu_vvu_8sx9_dsp58.sv")


def copy_patched(
    sources: list[Path], folder: Path, lut_product: str | None, depthwise: bool = False
) -> list[str]:
    """Copy RTL into `folder` with the edits below; file names, packages first.

    lut_product: PRODUCT of the stand-in core in FINN's place, finn_lut_vvu's if depthwise.
    """
    patches = {
        "add_multi.sv": _patch_add_multi,
        "fifo.sv": _patch_fifo,
        "mvu.sv": _patch_mvu,
        "thresholding.sv": _patch_thresholding,
    }
    if lut_product is not None:
        patches["mvu_vvu_axi.sv"] = partial(_patch_wrapper, lut_product, depthwise)
    names = []
    for source in sources:
        if source.name in (*_LEFT_OUT, *names):  # two FIFOs have the same source
            continue
        text = source.read_text()
        # A directive inside a module body is an error to slang and to Verilator.
        text = re.sub(r"^\s*`default_nettype.*\n", "", text, flags=re.MULTILINE)
        # A default that the top overrides: a path in the scratch folder, new each time.
        text = re.sub(rf'"[^"]*/{_WEIGHT_FILE}"', f'"{_WEIGHT_FILE}"', text)
        if source.name in patches:
            text = patches[source.name](text)
        (folder / source.name).write_text(text)
        names.append(source.name)
    return sorted(names, key=lambda name: not name.endswith("_pkg.sv"))


def _substitute(pattern: str, replacement: str | Callable, text: str, file: str) -> str:
    """Replace exactly one match, or say that this finn-rtllib is not the one known here."""
    text, matches = re.subn(pattern, replacement, text, flags=re.DOTALL)
    if matches != 1:
        raise UnsupportedError(
            f"finn-rtllib's {file} is not as in finn-plus 1.6.1 (no unique match of {pattern!r})"
        )
    return text


def _patch_add_multi(text: str) -> str:
    """Move the constant function out of the generate block that uses it."""
    cut: list[str] = []

    def take(match: re.Match) -> str:
        cut.append(match[0])
        return ""

    pattern = r"\n\t\t// Compute the count of.*?LEAF_LOAD = init_leaf_loads\(\);\n"
    text = _substitute(pattern, take, text, "add_multi.sv")
    return _substitute(r"\n\tuwire \[SUM_WIDTH-1:0\]  sum0;", lambda m: cut[0] + m[0], text, "add_multi.sv")


def _patch_fifo(text: str) -> str:
    """Pack the struct that a constant function returns; Verilator evaluates only packed ones."""
    return _substitute(r"typedef struct \{", "typedef struct packed {", text, "fifo.sv")


def _patch_mvu(text: str) -> str:
    """Drop the start-up watchdog and the check of narrow weights, both for simulation only."""
    text = _substitute(r"\tif\(1\) begin : blkRecoveryWatch.*?end : blkRecoveryWatch\n", "", text, "mvu.sv")
    return _substitute(
        r"\n(\t+)if\(NARROW_WEIGHTS\) begin : genNarrowCheck.*?\n\1end\n", "\n", text, "mvu.sv"
    )


def _patch_thresholding(text: str) -> str:
    """Shift where the first stage's range of bits would be [M-1:M], which slang refuses."""
    return _substitute(r"p\.ptr\[M-1:SN\+1\] <", "(p.ptr[M-1:0] >> (SN+1)) <", text, "thresholding.sv")


def _patch_wrapper(product: str, depthwise: bool, text: str) -> str:
    """Instantiate the stand-in where FINN's core stands, and size the output queue for its latency."""
    core, stand_in = ("mvu_vvu_8sx9_dsp58", "vvu") if depthwise else ("mvu", "core")
    text = _substitute(
        rf"\b{core} #\(",
        f'finn_lut_{stand_in} #(\n\t\t\t\t.PRODUCT("{product}"),',
        text,
        "mvu_vvu_axi.sv",
    )
    return _substitute(r"CORE_PIPELINE_DEPTH =.*?;", "CORE_PIPELINE_DEPTH = 2;", text, "mvu_vvu_axi.sv")
