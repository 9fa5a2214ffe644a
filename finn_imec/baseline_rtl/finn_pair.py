"""FINN's pair for one convolution, which IMECConv replaces, as one stitched RTL top.

    in0 -> [FMPadding_rtl -> StreamingFIFO_rtl] -> [StreamingDataWidthConverter_rtl]
        -> ConvolutionInputGenerator_rtl -> [StreamingDataWidthConverter_rtl] -> StreamingFIFO_rtl
        -> MVAU_rtl with its weight memstream and replay buffer [-> Thresholding_rtl] -> out0

finn-plus generates each part (`nodes`). `generate` copies the result and the finn-rtllib files it uses into a
folder, with the few edits that open tools need (`patches`), and adds a top. This package contains nothing of
FINN: the copies are made from the user's installation.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.baseline_rtl.nodes import PairNodes, threshold_files, weight_file
from finn_imec.baseline_rtl.patches import WEIGHT_FILE, copy_patched
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.streams.design import Design, Stream
from finn_imec.streams.words import round_up_to_bytes
from finn_imec.util import cache
from finn_imec.util.errors import UnsupportedError, require
from finn_imec.util.templates import render

TOP = "finn_pair"
CORES = ("dsp", "lut")


@dataclass(frozen=True)
class FinnPair:
    """A generated pair.

    design: for Verilator and Yosys. parts: its multiply-accumulate core and its Thresholding, for
    `yosys.count`. out_bits: width of an output element: an accumulator, two's complement except for the
    XNOR popcount, or how many thresholds it reaches, unsigned. An output word holds PE channels, the lowest
    in the low bits.
    """

    design: Design
    parts: Mapping[str, str]
    out_bits: int


def generate(
    out_dir: Path,
    geometry: ConvGeometry,
    input_datatype: BaseDataType,
    weight_datatype: BaseDataType,
    weights: np.ndarray,
    *,
    core: str = "dsp",
    finn_simd: int | None = None,
    acc_bits: int | None = None,
    thresholds: np.ndarray | None = None,
    alone: bool = False,
) -> FinnPair:
    """Generate FINN's pair for one convolution into the new folder `out_dir`.

    The geometry's `pe` and `simd` fold the MVAU, unless finn_simd, a divisor of MW = K_h*K_w*C, is its
    SIMD. Input words and the window generator's words have simd_in channels. If SIMD > C the generator takes
    whole pixels and outputs whole windows (FINN's parallel_window). A width converter is inserted where these
    words and the MVAU's differ, and an FMPadding before the generator for padding. weights: (MW, MH)
    integers, rows in (kh, kw, c) order. acc_bits=None takes the narrowest accumulator that these weights and
    this input type need, like FINN's minimize_accumulator_width.

    core: "dsp" is FINN's mvu.sv (operands of at least 2 bits). "lut" puts this package's `finn_lut_core`,
    which replaces the LUT core that FINN's rtllib used to have, into FINN's wrapper; it also takes BIPOLAR
    operands (1 bit, 1 stands for +1). If both are BIPOLAR the accumulator is the XNOR popcount (x.W + MW)/2,
    as in FINN's binaryXnorMode.

    Depthwise layers have FINN's VVAU in place of its MVAU, with SIMD 1 and PE channels per generator word.
    core must be "lut" (`finn_lut_vvu`), because FINN's VVAU has DSPs on Versal only.

    thresholds: (MH or 1, steps), in FINN's own Thresholding_rtl behind the MVAU, with its PE: rounded up and
    clipped like FINN's RoundAndClipThresholds, as narrow as FINN makes them. An output is then the number of
    thresholds that the accumulator reaches. None: accumulators.

    alone: of a pointwise geometry, the MVAU or VVAU has no window generator, as FINN builds it. Behind a
    width converter, where input words are not the MVAU's, it is all there is.

    Raises ValueError naming the field that cannot be folded or computed, MissingToolError without finn-plus,
    UnsupportedError if its RTL is not as expected.
    """
    require("finn.custom_op.fpgadataflow.rtl", "finn")
    simd = geometry.simd if finn_simd is None else finn_simd
    weights = np.asarray(weights)
    product = _product(core, input_datatype, weight_datatype)
    _check_weights(weights, geometry, weight_datatype)
    needed = _acc_bits(weights, input_datatype, weight_datatype, core, product)
    nodes = PairNodes(
        geometry,
        input_datatype,
        weight_datatype,
        simd,
        needed if acc_bits is None else acc_bits,
        0 if thresholds is None else np.shape(thresholds)[1],
        alone,
    )
    if alone and not geometry.pointwise:
        raise ValueError(f"alone={alone}: accepted are geometries whose windows are pixels, not {geometry}")
    _check_folding(nodes, core)
    if nodes.acc_bits < needed:
        raise ValueError(f"acc_bits={acc_bits}: these weights need at least {needed}")
    out_dir = Path(out_dir)
    if out_dir.exists():
        raise ValueError(f"out_dir={out_dir} exists already: name a new folder")
    whole = None if thresholds is None else _whole_thresholds(thresholds, DataType[nodes.accumulator])
    design = _write(out_dir, nodes, weights, whole, product if core == "lut" else None)
    parts = {"core": "mvu.*.core"} | ({"activation": "thresholding"} if nodes.steps else {})
    return FinnPair(design, parts, nodes.out_bits)


# ---- checks ---------------------------------------------------------------------------------------


def _product(core: str, idt: BaseDataType, wdt: BaseDataType) -> str:
    """finn_lut_core's PRODUCT for these types; checks that the core supports them."""
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


def _check_folding(nodes: PairNodes, core: str) -> None:
    g, simd, swg_simd = nodes.geometry, nodes.simd, nodes.swg_simd
    if g.depthwise and simd != 1:
        raise ValueError(f"finn_simd={simd} with depthwise: accepted is 1")
    if g.depthwise and core != "lut":
        raise UnsupportedError(f"core={core!r} with depthwise: accepted is 'lut'")
    if simd < 1 or g.mw % simd:
        raise ValueError(f"finn_simd={simd}: accepted are the divisors of K_h*K_w*C={g.mw}")
    if g.simd_in % swg_simd and swg_simd % g.simd_in:
        raise UnsupportedError(
            f"simd_in={g.simd_in}: accepted are values that divide {swg_simd}, the channels of the window "
            "generator's words, or that it divides, as FINN's width converter in RTL demands"
        )


def _check_weights(weights: np.ndarray, geometry: ConvGeometry, wdt: BaseDataType) -> None:
    expected = geometry.mw, geometry.mh
    if weights.shape != expected:
        raise ValueError(f"weights have shape {weights.shape}: expected (MW, MH)={expected}")
    if not all(map(wdt.allowed, np.unique(weights))):
        raise ValueError(f"weights: not all values are of weight_datatype={wdt.name}")


def _acc_bits(weights: np.ndarray, idt: BaseDataType, wdt: BaseDataType, core: str, product: str) -> int:
    """Bits of the narrowest accumulator (two's complement; unsigned for the XNOR popcount)."""
    from qonnx.util.basic import calculate_matvec_accumulator_range

    if product == "XNOR":
        return len(weights).bit_length()
    low, high = calculate_matvec_accumulator_range(weights.astype(np.float64), idt)
    needed = max(int(-low - 1).bit_length(), int(high).bit_length()) + 1
    if core == "dsp":  # mvu.sv accepts no accumulator narrower than a product
        needed = max(needed, wdt.bitwidth() + idt.bitwidth() - int(idt.signed()))
    return needed


def _whole_thresholds(thresholds: np.ndarray, accumulator: BaseDataType) -> np.ndarray:
    """Ascending integers, at most one beyond the accumulator's range."""
    low, high = accumulator.min(), accumulator.max() + 1
    return np.sort(np.ceil(thresholds).clip(low, high), axis=1)


# ---- files ----------------------------------------------------------------------------------------


def _write(
    out_dir: Path,
    nodes: PairNodes,
    weights: np.ndarray,
    thresholds: np.ndarray | None,
    lut_product: str | None,
) -> Design:
    """Generate, copy and stitch into out_dir, which is complete or absent."""
    depthwise = nodes.geometry.depthwise
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out_dir.name}_", dir=out_dir.parent) as scratch:
        work, pair = Path(scratch, "finn"), Path(scratch, "pair")
        stages, rtl = nodes.generate(work, weights, thresholds)
        pair.mkdir()
        names = copy_patched(rtl, pair, lut_product, depthwise)
        shutil.copy(weight_file(work), pair / WEIGHT_FILE)
        if lut_product is not None:
            for name in ("finn_lut_core.sv", *(["finn_lut_vvu.sv"] if depthwise else [])):
                (pair / name).write_bytes(files(__package__).joinpath(name).read_bytes())
                names.append(name)
        weight_bits = nodes.simd * nodes.geometry.pe * nodes.weight_datatype.bitwidth()
        # FINN names the files of the thresholds by their folder, which a cached model has to find.
        thresholds_folder, thresholds_files = None, ()
        if files_of_thresholds := threshold_files(work):
            thresholds_folder = cache.store(files_of_thresholds)
            thresholds_files = tuple(thresholds_folder / name for name in files_of_thresholds)
        (pair / f"{TOP}.sv").write_text(_render_top(stages, weight_bits, thresholds_folder))
        os.replace(pair, out_dir)
    return Design(
        top=TOP,
        sources=tuple(out_dir / name for name in (*names, f"{TOP}.sv")),
        inputs=(Stream("in0_V", stages[0]["in_width"]),),
        outputs=(Stream("out0_V", stages[-1]["out_width"]),),
        data_files=(out_dir / WEIGHT_FILE, *thresholds_files),
    )


def _render_top(stages: list[dict[str, Any]], weight_bits: int, thresholds: Path | None) -> str:
    return render(
        Path(__file__).with_name("finn_pair_top.sv.j2"),
        top=TOP,
        chain=" -> ".join(stage["name"] for stage in stages),
        stages=stages,
        in_width=stages[0]["in_width"],
        out_width=stages[-1]["out_width"],
        weight_width=round_up_to_bytes(weight_bits),
        memstream="finn_mvu_memstream_wrapper",
        init_file=WEIGHT_FILE,
        thresholds=thresholds,
    )
