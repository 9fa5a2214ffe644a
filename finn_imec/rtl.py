"""Generation of a complete IMECConv top level: Verilog wrapper, SystemVerilog library, memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from math import ceil
from pathlib import Path

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.compat import memstream_has_sets, memstream_sources
from finn_imec.datapath import Datapath
from finn_imec.errors import UnsupportedError
from finn_imec.geometry import RAM_STYLES, resolved_style
from finn_imec.simulation.verilator import Design, Stream, pack, unpack
from finn_imec.templates import render

#: Library files in compilation order.
LIBRARY = (
    "imec_pkg.sv",
    "imec_delay.sv",
    "imec_counter.sv",
    "imec_ring.sv",
    "imec_convert.sv",
    "imec_pad.sv",
    "imec_sequencer.sv",
    "imec_strip.sv",
    "imec_axis.sv",
    "imec_queue.sv",
    "imec_window.sv",
    "imec_lut6.sv",
    "imec_mux.sv",
    "imec_rom.sv",
    "imec_counter6.sv",
    "imec_compress.sv",
    "imec_dot_heap.sv",
    "imec_dot_planes.sv",
    "imec_dot_product.sv",
    "imec_sum.sv",
    "imec_dsp48.sv",
    "imec_dot_dsp.sv",
    "imec_threshold.sv",
    "imec_threshold_search.sv",
    "imec_mac.sv",
    "imec_conv.sv",
)
#: FINN's names of where the weights are: a ROM; FINN's memstream, whose contents may be written at run
#: time; a stream from outside.
MEM_MODES = ("internal_embedded", "internal_decoupled", "external")
#: A ROM's "auto" is LUTs up to this depth, block RAM beyond: 128 words are what two LUT6 and a MUXF7
#: hold, and about where FINN's memstream moves to block RAM. A strip's is geometry.LUT_STRIP_WORDS.
AUTO_ROM_WORDS = 128
#: ROMs in LUTs that are tables, see imec_rom: as many words are one or two LUT6 a bit, where fewer words
#: have bits in common that synthesis finds; and bits in all, which the wrapper passes as one parameter:
#: Vivado's limit of a variable (its message Synth 8-4556).
TABLE_WORDS = range(17, 81)
MOST_TABLE_BITS = 10**6
#: Words from which on ROMs in block RAM are banked, see imec_rom.
BANKED_WORDS = 4096


def library_path() -> Path:
    """Folder of the SystemVerilog library inside the installed package."""
    return Path(str(resources.files("finn_imec") / "rtllib"))


def rom_layout(depth: int, width: int, style: str) -> str:
    """imec_rom's LAYOUT of `depth` words of `width` bits in a resolved ram_style.

    Block RAM takes 2**n words. Depths up to a quarter beyond, such as the 9 * 2**n of 3x3 kernels, are
    worth a memory of its own for the rest.
    """
    if style == "distributed":
        return "table" if depth in TABLE_WORDS and depth * width <= MOST_TABLE_BITS else "plain"
    far = 1 << (depth - 1).bit_length()
    if style != "block" or depth > far * 5 // 8 or far <= 1024:
        return "plain"
    if depth > BANKED_WORDS:
        return "banked"
    return "paired" if width > 1 else "plain"


def rom_spill(depth: int, widths: Sequence[int], style: str, layout: str) -> int:
    """imec_conv's WEIGHT_SPILL for memories of `depth` words, widths[i] bits each.

    style: a resolved ram_style. A memory takes whole blocks of RAM, so that several may take more than
    their bits would in one. Where that is so, what the later ones have in their last block goes to the
    first.
    """
    if style != "block" or layout != "plain" or depth > 1024:
        return 0
    row = 36 if depth <= 512 else 18  # bits of a row of half a RAMB36E1 (UG473)

    def blocks(spill: int) -> int:
        return sum(ceil(width / row) for width in spilt_widths(widths, spill))

    candidates = {width % row for width in widths[1:] if width > row}
    return min(sorted({0, *candidates}), key=blocks)


def spilt_widths(widths: Sequence[int], spill: int) -> list[int]:
    """Bits of each memory's word after `spilt`."""
    first, *later = widths
    return [first + len(later) * spill, *(width - spill for width in later)]


def spilt(
    memories: Sequence[list[int]], widths: Sequence[int], spill: int
) -> tuple[list[list[int]], list[int]]:
    """Words and widths of memories with the `spill` highest bits of each later one in the first."""
    first, *later = memories
    first = list(first)
    low = [width - spill for width in widths]
    for i, words in enumerate(later):
        lsb = widths[0] + i * spill
        first = [v | (word >> low[i + 1]) << lsb for v, word in zip(first, words, strict=True)]
    rest = [[word & (1 << bits) - 1 for word in words] for words, bits in zip(later, low[1:], strict=True)]
    return [first, *rest], spilt_widths(widths, spill)


def rom_images(words: Sequence[int], width: int, layout: str) -> dict[str, tuple[list[int], int]]:
    """Contents of imec_rom's files, {"" or "_rest": (words, bits per word)}, see there."""
    depth = len(words)
    if layout == "banked":
        per_bank = 2048 if depth <= 2**15 else 4096
        banks = depth // per_bank
        rows = [
            sum(words[bank * per_bank + row] << bank * width for bank in range(banks))
            for row in range(per_bank)
        ]
        rest = _wrapped(words, banks * per_bank)
        return {"": (rows, banks * width)} | ({"_rest": (rest, width)} if rest else {})
    if layout == "paired":
        far, half = 1 << (depth - 1).bit_length(), (width + 1) // 2
        high = [word >> half for word in words]
        rows = [word & (1 << half) - 1 for word in words] + high[: far - depth][::-1]
        return {"": (rows, half), "_rest": (_wrapped(high, far - depth), half)}
    return {"": (list(words), width)}


def _wrapped(words: Sequence[int], first: int) -> list[int]:
    """words[first:] in 2**m rows, each at its index modulo 2**m."""
    rest = words[first:]
    rows = [0] * (1 << (len(rest) - 1).bit_length() if rest else 0)
    for i, word in enumerate(rest, first):
        rows[i % len(rows)] = word
    return rows


def padded(bits: int) -> int:
    """Width of an AXI4-Stream TDATA that carries `bits`: whole bytes."""
    return (bits + 7) // 8 * 8


def encode(values: np.ndarray, datatype: BaseDataType, elems: int) -> np.ndarray:
    """Integers in stream order -> stream words of `elems` values, as `simulation.verilator.pack`."""
    if datatype == DataType["BIPOLAR"]:
        values = values > 0
    return pack(np.asarray(values, np.int64).reshape(-1, elems), datatype.bitwidth())


def decode(words: np.ndarray, datatype: BaseDataType, elems: int) -> np.ndarray:
    """Inverse of `encode`: int64, shape (words, elems)."""
    bits, bipolar = datatype.bitwidth(), datatype == DataType["BIPOLAR"]
    signed = bool(datatype.signed()) and not bipolar
    values = unpack(words[:, : (elems * bits + 7) // 8], elems, bits, signed)
    return 2 * values - 1 if bipolar else values


def axilite_address_bits(words: int, width: int) -> int:
    """Bits of a byte address in FINN's memstream: a power of two of 32-bit words per weight word."""
    return (words * words_per_line(width) - 1).bit_length() + 2


def words_per_line(width: int) -> int:
    """32-bit words that FINN's memstream and its driver spend on a weight word of `width` bits."""
    return 1 << (ceil(width / 32) - 1).bit_length()


def stream_design(
    top: str,
    folder: Path,
    in_width: int,
    out_width: int,
    mem_mode: str = "internal_embedded",
    weight_width: int = 0,
    axilite_bits: int = 0,
) -> Design:
    """The design that `ImecRtl.generate` wrote into `folder`, for simulation and synthesis.

    weight_width: bits of in1_V_TDATA if mem_mode is external. axilite_bits: of an address of
    s_axilite, which the simulation ties off, or 0 without that port.
    """
    inputs = [Stream("in0_V", in_width)]
    sources = [library_path() / name for name in LIBRARY]
    if mem_mode == "external":
        inputs.append(Stream("in1_V", weight_width))
    if mem_mode == "internal_decoupled":
        sources.extend(memstream_sources())
    tied = {"AWVALID": 1, "AWPROT": 3, "AWADDR": axilite_bits, "WVALID": 1, "WDATA": 32, "WSTRB": 4}
    tied |= {"BREADY": 1, "ARVALID": 1, "ARPROT": 3, "ARADDR": axilite_bits, "RREADY": 1}
    return Design(
        top=top,
        sources=(*sources, folder / f"{top}.v"),
        inputs=tuple(inputs),
        outputs=(Stream("out0_V", out_width),),
        data_files=tuple(sorted(folder.glob(f"{top}_*.dat"))),
        tied={f"s_axilite_{pin}": (bits, 0) for pin, bits in tied.items()} if axilite_bits else {},
    )


@dataclass(frozen=True, eq=False)
class ImecRtl:
    """One IMECConv in RTL: what `generate` writes, and its ports.

    top: name of the top module and prefix of its files. ram_style: weight memory;
    ram_style_thresholds: threshold memory, if they are searched (`Datapath.search`); each one of
    RAM_STYLES; the strip's is ConvGeometry.strip_style. mem_mode: one of MEM_MODES.

    Weights that may change (`Datapath.runtime_weights`) are written through the AXI4-Lite port
    s_axilite (internal_decoupled) or arrive on in1_V, a word of PE*SIMD weights per strip read, all
    SF*NF words once per output pixel (external).
    """

    top: str
    datapath: Datapath
    ram_style: str = "auto"
    mem_mode: str = "internal_embedded"
    ram_style_thresholds: str = "auto"

    def __post_init__(self) -> None:
        if self.mem_mode not in MEM_MODES:
            raise UnsupportedError(f"mem_mode={self.mem_mode!r}: accepted are {', '.join(MEM_MODES)}")
        wanted = {"internal_embedded": False, "external": True}.get(self.mem_mode)
        if wanted not in (None, self.datapath.runtime_weights):
            raise UnsupportedError(
                f"mem_mode={self.mem_mode}: accepted is a Datapath with runtime_weights={wanted}"
            )
        for name in ("ram_style", "ram_style_thresholds"):
            if getattr(self, name) not in RAM_STYLES:
                raise UnsupportedError(
                    f"{name}={getattr(self, name)!r}: accepted are {', '.join(RAM_STYLES)}"
                )

    @property
    def resolved_ram_style(self) -> str:
        """ram_style, with "auto" decided by depth; FINN's memstream leaves it to Vivado."""
        if self.mem_mode == "internal_decoupled":
            return self.ram_style
        return resolved_style(self.ram_style, self.datapath.geometry.weight_words, AUTO_ROM_WORDS)

    @property
    def rom_layout(self) -> str:
        """imec_rom's LAYOUT of the weights, of all of a DSP core's parts the same."""
        g = self.datapath.geometry
        if self.mem_mode != "internal_embedded":
            return "plain"
        width = g.pe * g.simd * self.datapath.weight.bits
        return rom_layout(g.weight_words, width, self.resolved_ram_style)

    @property
    def rom_spill(self) -> int:
        """imec_conv's WEIGHT_SPILL."""
        depth = self.datapath.geometry.weight_words
        return rom_spill(depth, self._part_bits, self.resolved_ram_style, self.rom_layout)

    @property
    def _parts(self) -> list[slice]:
        """Lanes of each memory of weights."""
        embedded = self.mem_mode == "internal_embedded"
        return self.datapath.weight_parts if embedded else [slice(0, self.datapath.geometry.simd)]

    @property
    def _part_bits(self) -> list[int]:
        """Bits of a word of each of `_parts`."""
        lane = self.datapath.geometry.pe * self.datapath.weight.bits
        return [lane * (part.stop - part.start) for part in self._parts]

    @property
    def resolved_ram_style_thresholds(self) -> str:
        """ram_style_thresholds, with "auto" decided by depth."""
        depth = self.datapath.geometry.nf << self.datapath.count_bits
        return resolved_style(self.ram_style_thresholds, depth, AUTO_ROM_WORDS)

    @property
    def in_width(self) -> int:
        """Bits of in0_V_TDATA."""
        return padded(self.datapath.geometry.simd_in * self.datapath.activation.bits)

    @property
    def out_width(self) -> int:
        """Bits of out0_V_TDATA."""
        return padded(self.datapath.geometry.pe * self.datapath.output_bits)

    @property
    def weight_width(self) -> int:
        """Bits of in1_V_TDATA, and of a word of FINN's memstream."""
        g = self.datapath.geometry
        return padded(g.pe * g.simd * self.datapath.weight.bits)

    @property
    def axilite_bits(self) -> int:
        """Bits of an address of s_axilite; 0 without that port."""
        if self.mem_mode != "internal_decoupled" or not self.datapath.runtime_weights:
            return 0
        return axilite_address_bits(self.datapath.geometry.weight_words, self.weight_width)

    def generate(self, folder: Path) -> Design:
        """Write wrapper and memory files into `folder`; return the design, library files included."""
        folder = Path(folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        path, g = self.datapath, self.datapath.geometry
        images, table = {}, []
        files: dict[str, list[Path]] = {"weight": [], "threshold": [], "bias": []}
        if self.mem_mode != "external" and path.weights is not None:
            parts = [path.weight_words(part) for part in self._parts]
            if self.rom_layout == "table":
                lowest = [g.pe * part.start * path.weight.bits for part in self._parts]
                rows = zip(*parts, strict=True)
                table = [sum(v << lsb for v, lsb in zip(row, lowest, strict=True)) for row in rows]
            else:
                stored = spilt(parts, self._part_bits, self.rom_spill)
                for i, (words, bits) in enumerate(zip(*stored, strict=True)):
                    memories = rom_images(words, bits, self.rom_layout)
                    images |= {f"weight{i or ''}{name}": [image] for name, image in memories.items()}
        if path.steps:
            bits = path.acc_bits * (1 if path.search else g.pe * path.steps)
            images["threshold"] = [(words, bits) for words in path.threshold_words()]
        if path.biased:
            images["bias"] = [(path.bias_words(), g.pe * path.acc_bits)]
        for kind, memories in images.items():
            digits = len(str(len(memories) - 1))  # names of one length
            numbers = [f"{i:0{digits}}" for i in range(len(memories))] if memories[1:] else [""]
            files[kind] = [folder / f"{self.top}_{kind}s{number}.dat" for number in numbers]
            for file, (words, bits) in zip(files[kind], memories, strict=True):
                file.write_text("".join(f"{word:0{(bits + 3) // 4}x}\n" for word in words))

        decoupled = self.mem_mode == "internal_decoupled"
        wrapper = folder / f"{self.top}.v"
        wrapper.write_text(
            render(
                library_path() / "imec_wrapper.v.j2",
                top=self.top,
                g=g,
                nest=g.loop_nest,
                mac=mac_parameters(path),
                d=path,
                in_width=self.in_width,
                out_width=self.out_width,
                mem_mode=self.mem_mode,
                weight_width=self.weight_width,
                axilite_bits=self.axilite_bits,
                has_sets=decoupled and memstream_has_sets(memstream_sources()),
                ram_style=self.resolved_ram_style,
                rom_layout=self.rom_layout,
                spill=self.rom_spill,
                table=table,
                ram_style_thresholds=self.resolved_ram_style_thresholds,
                files=files,
            )
        )
        return stream_design(
            self.top,
            folder,
            self.in_width,
            self.out_width,
            self.mem_mode,
            self.weight_width,
            self.axilite_bits,
        )


def mac_parameters(datapath: Datapath) -> dict[str, int | str]:
    """Parameters of imec_mac, which imec_conv has under the same names."""
    g, a, w, packing = datapath.geometry, datapath.activation, datapath.weight, datapath.packing
    parameters = {
        "CORE": datapath.core, "PE": g.pe, "SIMD": g.simd, "DEPTHWISE": int(g.depthwise),
        "A_BITS": a.bits, "A_SIGNED": int(a.signed), "A_BIPOLAR": int(a.bipolar),
        "W_BITS": w.bits, "W_SIGNED": int(w.signed), "W_BIPOLAR": int(w.bipolar),
        "WIDEN": int(datapath.widen), "ACC_BITS": datapath.acc_bits, "DOUBLE": int(datapath.double),
        "PIPELINE": 0 if packing else datapath.pipeline,
    }  # fmt: skip
    if packing:
        parameters |= {
            "FIELDS": packing.fields, "SPACING": packing.spacing, "FIELD_BITS": packing.field_bits,
            "CHAINS": packing.chains, "CHAIN_BIAS": int(packing.bias),
            "CENTRED": int(packing.centred),
        }  # fmt: skip
    return parameters
