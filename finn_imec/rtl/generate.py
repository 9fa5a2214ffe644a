"""Generator of a complete IMECConv top level: Verilog wrapper, SystemVerilog library, memories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from finn_imec.compat.finn import axilite_address_bits, memstream_has_sets, memstream_sources
from finn_imec.layer.clock import adder_cuts, middle_bits, series
from finn_imec.layer.datapath import Datapath
from finn_imec.layer.memories import rom_images, spilled, split_images
from finn_imec.layer.structure import REGISTERS, Structure
from finn_imec.layer.window import Queues, WindowUnit
from finn_imec.rtl.library import LIBRARY, library_path
from finn_imec.streams.design import Design, Stream
from finn_imec.streams.words import round_up_to_bytes
from finn_imec.util.names import check_top
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

    weight_width: bits of in1_V_TDATA if mem_mode is external. axilite_bits: address bits of s_axilite, which
    the simulation ties off, or 0 without that port.
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
    """One IMECConv in RTL: its generated files and its ports.

    top: name of the top module and prefix of its files. ram_style, mem_mode, ram_style_thresholds: see
    Structure. The buffer's style is ConvGeometry.buffer_style.

    Run-time weights (`Datapath.runtime_weights`) are written through the AXI4-Lite port s_axilite
    (internal_decoupled) or arrive on in1_V (external), a word of PE*SIMD weights per read of the buffer, all
    SF*NF words once per output pixel.
    """

    top: str
    datapath: Datapath
    ram_style: str = "auto"
    mem_mode: str = "internal_embedded"
    ram_style_thresholds: str = "auto"

    def __post_init__(self) -> None:
        check_top(self.top)
        _ = self.structure  # raises for unsupported attributes

    @cached_property
    def structure(self) -> Structure:
        """The datapath's structure with its weights and thresholds in these memories."""
        return replace(
            self.datapath.structure,
            mem_mode=self.mem_mode,
            ram_style=self.ram_style,
            ram_style_thresholds=self.ram_style_thresholds,
        )

    @property
    def in_width(self) -> int:
        """Bits of in0_V_TDATA."""
        return round_up_to_bytes(self.structure.in_bits)

    @property
    def out_width(self) -> int:
        """Bits of out0_V_TDATA."""
        return round_up_to_bytes(self.structure.out_bits)

    @property
    def weight_width(self) -> int:
        """Bits of in1_V_TDATA, and of a word of FINN's memstream."""
        return round_up_to_bytes(self.structure.weight_bits)

    @property
    def axilite_bits(self) -> int:
        """Address bits of s_axilite; 0 without that port."""
        if not self.structure.axilite:
            return 0
        return axilite_address_bits(self.structure.geometry.weight_words, self.weight_width)

    def generate(self, folder: Path) -> Design:
        """Write wrapper and memory files into `folder`; return the design, library files included."""
        folder = Path(folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        files = self._write_memories(folder)
        wrapper = folder / f"{self.top}.v"
        wrapper.write_text(self._wrapper(files))
        return stream_design(
            self.top,
            folder,
            self.in_width,
            self.out_width,
            self.mem_mode,
            self.weight_width,
            self.axilite_bits,
        )

    def _wrapper(self, files: dict[str, list[Path]]) -> str:
        """Text of the top module. files: kind of memory -> its files."""
        structure, unit = self.structure, self.structure.storage
        queues = unit.queues if isinstance(unit, WindowUnit) else Queues(0, 0)
        return render(
            library_path() / "imec_wrapper.v.j2",
            top=self.top,
            g=structure.geometry,
            s=structure,
            unit=unit,
            queues=queues,
            nest=structure.geometry.loop_nest,
            mac=mac_parameters(structure),
            d=self.datapath,
            in_width=self.in_width,
            out_width=self.out_width,
            weight_width=self.weight_width,
            axilite_bits=self.axilite_bits,
            has_sets=self.mem_mode == "internal_decoupled" and memstream_has_sets(memstream_sources()),
            tables={
                "WEIGHT": (self._weight_table(), structure.weight_bits),
                "THRESHOLD": (
                    self._threshold_table(),
                    structure.search.engines * self._threshold_table_bits if structure.search else 1,
                ),
                "START": (self._start_table(), structure.geometry.pe * structure.acc_bits),
            },
            files=files,
        )

    # ---- memories -----------------------------------------------------------------------------

    @property
    def _has_weight_words(self) -> bool:
        return self.mem_mode != "external" and self.datapath.weights is not None

    def _weight_table(self) -> list[int]:
        """Words of the weight ROM if a table holds it, or some of its bits, else empty."""
        structure = self.structure
        in_table = structure.rom_layout == "table" or structure.rom_lut_bits
        if not in_table or not self._has_weight_words:
            return []
        lane = structure.geometry.pe * structure.core.weight.bits
        parts = [self.datapath.weight_words(part) for part in structure.weight_parts]
        rows = zip(*parts, strict=True)
        lowest = [lane * part.start for part in structure.weight_parts]
        return [sum(v << lsb for v, lsb in zip(row, lowest, strict=True)) for row in rows]

    def _threshold_table(self) -> list[int]:
        """Words of searched thresholds or of their top bits, all engines' side by side, if a parameter."""
        search = self.structure.search
        if not search or not (search.memory.table or search.top):
            return []
        rows = zip(*self.datapath.threshold_words(search), strict=True)
        bits = self._threshold_table_bits
        low = self.structure.acc_bits - bits
        return [sum(word >> low << e * bits for e, word in enumerate(row)) for row in rows]

    @property
    def _threshold_table_bits(self) -> int:
        """Bits of a searched threshold that are a parameter, if any are: the top ones or all."""
        search = self.structure.search
        return (search.top if search else 0) or self.structure.acc_bits

    def _start_table(self) -> list[int]:
        """Words of the start values if they are a parameter, else empty."""
        structure = self.structure
        return self.datapath.start_words() if structure.biased and structure.starts_in_table else []

    def _images(self) -> dict[str, list[tuple[list[int], int]]]:
        """Contents of the memory files: kind -> (words, bits per word) of each memory of that kind."""
        path, structure = self.datapath, self.structure
        g = structure.geometry
        images: dict[str, list[tuple[list[int], int]]] = {}
        if self._has_weight_words and structure.rom_trits:
            stored = split_images(path.trit_words(), structure.block_bits[0])
            images |= {f"weight{name}": memories for name, memories in stored.items()}
        elif self._has_weight_words and structure.rom_layout != "table":
            parts = [path.weight_words(part) for part in structure.weight_parts]
            widths, (*others, last) = structure.block_bits, parts
            in_blocks = [*others, [word & (1 << widths[-1]) - 1 for word in last]]
            rows = spilled(in_blocks, widths, structure.rom_spill)
            for i, (words, bits) in enumerate(zip(*rows, strict=True)):
                arranged = rom_images(words, bits, structure.rom_layout, structure.rom_bank)
                images |= {f"weight{i or ''}{name}": [image] for name, image in arranged.items()}
        search = structure.search
        if structure.steps > 1 and not (search and search.memory.table):
            bits = search.memory.bits if search else structure.acc_bits * g.pe * structure.steps
            searched = path.threshold_words(search)
            images["threshold"] = [([word & (1 << bits) - 1 for word in words], bits) for words in searched]
        if structure.biased and not structure.starts_in_table:
            images["start"] = [(path.start_words(), g.pe * structure.acc_bits)]
        return images

    def _write_memories(self, folder: Path) -> dict[str, list[Path]]:
        """Write the memory files, one hexadecimal word per line; kind -> files, empty for absent memories."""
        files: dict[str, list[Path]] = {"weight": [], "threshold": [], "start": []}
        for kind, memories in self._images().items():
            digits = len(str(len(memories) - 1))  # names of equal length
            numbers = [f"{i:0{digits}}" for i in range(len(memories))] if memories[1:] else [""]
            files[kind] = [folder / f"{self.top}_{kind}s{number}.dat" for number in numbers]
            for file, (words, bits) in zip(files[kind], memories, strict=True):
                file.write_text("".join(f"{word:0{(bits + 3) // 4}x}\n" for word in words))
        return files


def mac_parameters(structure: Structure) -> dict[str, int | str]:
    """Parameters of imec_mac; imec_conv has the same names."""
    g, core = structure.geometry, structure.core
    a, w, packing = core.activation, core.weight, core.packing
    parameters: dict[str, int | str] = {
        "CORE": core.kind, "PE": g.pe, "SIMD": g.simd, "DEPTHWISE": int(g.depthwise),
        "A_BITS": a.bits, "A_SIGNED": int(a.signed), "A_BIPOLAR": int(a.bipolar),
        "W_BITS": w.bits, "W_SIGNED": int(w.signed), "W_BIPOLAR": int(w.bipolar),
        "WIDEN": int(core.widen), "ACC_BITS": structure.acc_bits, "DOUBLE": int(core.double),
        "PIPELINE": 0 if packing else structure.pipeline,
    }  # fmt: skip
    if core.digits:
        cuts = 0 if core.heap else sum(1 << k for k in adder_cuts(structure))
        parameters |= {"DIGITS": core.digits, "CUTS": cuts, "HEAP": int(core.heap)}
    if core.shared:
        parameters["CENTRED"] = int(core.lowered)
    if structure.pairs:
        parameters["PAIRS"] = 1
    elif (core.kind == "planes" or core.heap) and REGISTERS[structure.pipeline].middle:
        parameters["MIDDLE"] = middle_bits(structure)
    if chain := series(structure):
        parameters["SERIES"] = chain
    if packing:
        parameters |= {
            "FIELDS": packing.fields, "SPACING": packing.spacing, "FIELD_BITS": packing.field_bits,
            "CHAINS": packing.chains, "CHAIN_BIAS": int(packing.bias),
            "CENTRED": int(packing.centered), "LANES": packing.lanes, "DSP_VERSION": packing.block.version,
        }  # fmt: skip
    return parameters
