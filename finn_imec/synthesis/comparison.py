"""FINN's pair and IMECConv side by side for one layer: resources by Yosys, cycles by Verilator."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.algorithms.reference import random_values, reference
from finn_imec.baseline_rtl import finn_pair
from finn_imec.baseline_rtl.finn_pair import FinnPair
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.datapath import Datapath, smallest_datatype
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.numbers import whole_numbers
from finn_imec.layer.structure import MAX_PIPELINE
from finn_imec.rtl.generate import ImecRtl, mac_parameters
from finn_imec.simulation.stimulus import SimulationError, Stimulus
from finn_imec.simulation.verilator import build
from finn_imec.streams.design import CoreSpec, Design
from finn_imec.streams.words import encode, round_up_to_bytes, unpack
from finn_imec.synthesis.rows import FIGURES, PART_FIGURES, PARTS, Row, Side
from finn_imec.synthesis.yosys import FLOWS, count
from finn_imec.util.errors import ImecError

FRAMES = 3
#: Least operand width for which FINN's DSP core is the default; below it FINN builds LUTs.
DSP_BITS = 4


@dataclass(frozen=True)
class ImecSide:
    """A generated IMECConv, like FinnPair: design, MAC core, bits of an output element."""

    design: Design
    core: CoreSpec
    acc_bits: int


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution to compare. weights: (MW, MH). finn_simd: the MVAU's SIMD, if it differs."""

    name: str
    geometry: ConvGeometry
    input_datatype: BaseDataType
    weight_datatype: BaseDataType
    weights: np.ndarray
    xnor: bool = False
    finn_simd: int | None = None

    def datapath(self) -> Datapath:
        """The layer's arithmetic without activation, with the narrowest accumulator."""
        wide = Datapath(
            self.geometry, self.input_datatype, self.weight_datatype,
            DataType["INT62"], self.weights, xnor=self.xnor,
        )  # fmt: skip
        low, high = wide.accumulator_range
        return replace(wide, output_datatype=smallest_datatype(int(low.min()), int(high.max())))

    @property
    def bits(self) -> str:
        """Activation x weight bits, e.g. "2x1"."""
        return f"{self.input_datatype.bitwidth()}x{self.weight_datatype.bitwidth()}"


def layers_of_model(model: Any) -> list[Layer]:
    """The layers of all IMECConv nodes of a QONNX model, after its pairs are swapped.

    Raises ModelError with the reasons if there is neither an IMECConv nor a pair that can be swapped.
    """
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.custom_op import imec_nodes
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    model = swap_pairs(model)
    layers = []
    for node in imec_nodes(model):
        inst = getCustomOp(node)
        layers.append(
            Layer(
                node.name,
                inst.geometry,
                inst.get_input_datatype(0),
                inst.get_input_datatype(1),
                whole_numbers(model.get_initializer(node.input[1]), f"weights of {node.name}"),
                bool(inst.get_nodeattr("binaryXnorMode")),
            )
        )
    return layers


def random_layer(
    name: str, geometry: ConvGeometry, input_datatype: str, weight_datatype: str, seed: int = 0
) -> Layer:
    """A layer with random weights, without the most negative value of a signed type.

    Quantized training gives such weights (Brevitas' narrow_range), and mvu.sv packs more of them in a DSP.
    """
    idt, wdt = DataType[input_datatype], DataType[weight_datatype]
    weights = random_values(wdt, (geometry.mw, geometry.mh), np.random.default_rng(seed))
    if wdt.signed():
        weights = np.maximum(weights, -int(wdt.max()))
    return Layer(name, geometry, idt, wdt, weights)


def default_core(layer: Layer) -> str:
    """FINN's MAC core for a layer: "dsp" if operands have at least DSP_BITS bits, else "lut".

    Depthwise layers are always "lut", because FINN's VVAU has DSPs on Versal only.
    """
    if layer.geometry.depthwise:
        return "lut"
    widths = layer.input_datatype.bitwidth(), layer.weight_datatype.bitwidth()
    return "dsp" if min(widths) >= DSP_BITS else "lut"


def generate_both(layer: Layer, core: str, folder: Path) -> tuple[FinnPair, ImecSide]:
    """RTL of both sides of a layer below `folder`: FINN's pair with this core, and IMECConv.

    core: resType of both, "dsp" or "lut".
    """
    bipolar = DataType["BIPOLAR"]
    types = (bipolar, bipolar) if layer.xnor else (layer.input_datatype, layer.weight_datatype)
    weights = 2 * layer.weights - 1 if layer.xnor else layer.weights
    folder.mkdir(parents=True, exist_ok=True)
    pair = finn_pair.generate(
        folder / "finn", layer.geometry, *types, weights, core=core, finn_simd=layer.finn_simd
    )
    return pair, generate_imec(layer, core, folder / "imec")


def generate_imec(layer: Layer, core: str, folder: Path, pipeline: int = 0) -> ImecSide:
    """RTL of IMECConv below `folder`. pipeline: registers inside its dot products (Datapath.pipeline)."""
    g = replace(layer.geometry, buffer_style="distributed")
    path = replace(layer.datapath(), geometry=g, res_type=core, pipeline=pipeline)
    design = ImecRtl("imecconv", path).generate(folder)
    tied = {"en": (1, 1)}
    if not path.structure.biased:
        start = sum((path.init % 2**path.acc_bits) << p * path.acc_bits for p in range(g.pe))
        tied["start"] = (g.pe * path.acc_bits, start)
    spec = CoreSpec("imec_mac", mac_parameters(path.structure), tied)
    return ImecSide(design, spec, path.structure.output_bits)


def simulate_both(layer: Layer, pair: FinnPair, imec: ImecSide) -> dict[str, dict[str, float]]:
    """{finn: {...}, imec: {...}} of a layer: steady-state cycles and kilocycles_per_second.

    Both sides run FRAMES back-to-back frames in Verilator, unstalled; every output is checked
    against plain convolution. Raises SimulationError naming the side with a wrong output.
    """
    datapath, g = layer.datapath(), layer.geometry
    ifm = random_values(
        layer.input_datatype, (FRAMES, *g.input_dim, g.ifm_channels), np.random.default_rng(1)
    )
    words = encode(ifm, layer.input_datatype, g.simd_in)
    expected = reference(datapath, ifm).reshape(-1, g.pe)
    words_per_frame = g.windows * g.nf
    sides = {}
    for side, of, bits in (
        ("finn", pair.design, pair.acc_bits),
        ("imec", imec.design, imec.acc_bits),
    ):
        model = build([of])
        stimulus = Stimulus(
            {"in0_V": words}, {"out0_V": len(expected)}, timeout=20_000, allow_extra=Arrivals(g).runs_ahead
        )
        result = model.run([stimulus])[0]
        out = result.outputs["out0_V"][:, : round_up_to_bytes(g.pe * bits) // 8]
        signed = bool(datapath.output_datatype.signed())
        if (unpack(out, g.pe, bits, signed) != expected).any():
            raise SimulationError(f"{side} output differs from plain convolution")
        last = result.output_cycle["out0_V"][words_per_frame - 1 :: words_per_frame]
        sides[side] = {
            "cycles": int(last[-1] - last[-2]),
            "kilocycles_per_second": model.kilocycles_per_second,
        }
    return sides


def compare_layer(
    layer: Layer, core: str = "auto", flows: Sequence[str] = FLOWS, clock_ns: float | None = None
) -> Row:
    """Both sides of one layer, resources by Yosys and cycles by Verilator; see simulate_both.

    core: resType of both, "dsp", "lut" or "auto" (default_core). IMECConv gets the fewest registers inside
    its dot products, most often none, with which it has no more LUT levels than FINN's pair. The line buffers
    of both sides are in LUT memory, weights where each side's own rule puts them. clock_ns: of each side's
    flows the one with fewest LUTs that meets this period, by the model of `timing`; see yosys.count.
    """
    core = default_core(layer) if core == "auto" else core
    with tempfile.TemporaryDirectory() as folder:
        pair, conv = generate_both(layer, core, Path(folder))
        # Keep a LUT core in LUTs: no DSP for a multiplier written with *.
        finn, imec = (_resources(side, flows, core == "dsp", clock_ns) for side in (pair, conv))
        pipeline = 0
        registered = replace(layer.datapath(), res_type=core).core.packing is None
        while registered and imec["depth"] > finn["depth"] and pipeline < MAX_PIPELINE:
            pipeline += 1
            conv = generate_imec(layer, core, Path(folder) / f"imec{pipeline}", pipeline)
            imec = _resources(conv, flows, core == "dsp", clock_ns)
        measured = simulate_both(layer, pair, conv)
    cycles = {side: int(figures["cycles"]) for side, figures in measured.items()}
    return Row(
        layer.name,
        layer.bits,
        layer.geometry.simd,
        layer.geometry.pe,
        core,
        pipeline,
        Side(**finn, cycles=cycles["finn"]),
        Side(**imec, cycles=cycles["imec"]),
    )


def _resources(
    side: FinnPair | ImecSide, flows: Sequence[str], dsp: bool, clock_ns: float | None
) -> dict[str, Any]:
    """All figures of a Side except cycles."""
    counted = count(side.design, core=side.core, flows=tuple(flows), dsp=dsp, clock_ns=clock_ns, jobs=1)
    parts = {f"{part}_{key}": counted[part][key] for part in PARTS for key in PART_FIGURES}
    modeled = {key: counted[key] for key in ("ff_absorbable", "period_ns", "path")}
    return {**{key: counted[key] for key in FIGURES}, **parts, **modeled}


def compare(
    layers: Sequence[Layer],
    core: str = "auto",
    flows: Sequence[str] = FLOWS,
    jobs: int = 2,
    progress: Callable[[str], None] | None = None,
    clock_ns: float | None = None,
) -> list[Row]:
    """compare_layer for each layer, `jobs` in parallel, in order; progress gets each finished name."""

    def one(layer: Layer) -> Row:
        try:
            result = compare_layer(layer, core, flows, clock_ns)
        except ImecError as err:
            raise type(err)(f"{layer.name}: {err}") from err
        if progress:
            progress(layer.name)
        return result

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, layers))
