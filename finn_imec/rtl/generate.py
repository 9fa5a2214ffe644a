"""Generation of a complete IMECConv top level: Verilog wrapper, SystemVerilog library, memories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finn_imec.compat.finn import axilite_address_bits, memstream_has_sets, memstream_sources
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.memories import (
    AUTO_ROM_WORDS,
    MEM_MODES,
    RAM_STYLES,
    resolved_style,
    rom_images,
    rom_layout,
    rom_spill,
    spilt,
)
from finn_imec.rtl.library import LIBRARY, library_path
from finn_imec.streams.design import Design, Stream
from finn_imec.streams.words import padded
from finn_imec.util.errors import UnsupportedError
from finn_imec.util.templates import render


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
