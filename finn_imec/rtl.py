"""Generation of a complete IMECConv top level: Verilog wrapper, SystemVerilog library, memories."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from finn_imec.datapath import Datapath
from finn_imec.errors import UnsupportedError
from finn_imec.simulation.verilator import Design, Stream, pack, unpack

#: Library files in compilation order.
LIBRARY = (
    "imec_pkg.sv",
    "imec_counter.sv",
    "imec_ring.sv",
    "imec_convert.sv",
    "imec_sequencer.sv",
    "imec_strip.sv",
    "imec_rom.sv",
    "imec_lut6.sv",
    "imec_counter6.sv",
    "imec_compress.sv",
    "imec_dot_planes.sv",
    "imec_dot_product.sv",
    "imec_threshold.sv",
    "imec_conv.sv",
)
RAM_STYLES = ("auto", "block", "distributed", "ultra")
#: "auto" is LUT memory up to these depths, block RAM beyond: 128 words are what two LUT6 and a MUXF7
#: hold as ROM, and about where FINN's memstream moves to block RAM; RAM256X1S is the deepest
#: single-port LUT memory of one slice.
AUTO_ROM_WORDS = 128
AUTO_STRIP_WORDS = 256


def library_path() -> Path:
    """Folder of the SystemVerilog library inside the installed package."""
    return Path(str(resources.files("finn_imec") / "rtllib"))


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


def stream_design(top: str, folder: Path, in_width: int, out_width: int) -> Design:
    """The design that `ImecRtl.generate` wrote into `folder`, for simulation and synthesis."""
    return Design(
        top=top,
        sources=(*(library_path() / name for name in LIBRARY), folder / f"{top}.v"),
        inputs=(Stream("in0_V", in_width),),
        outputs=(Stream("out0_V", out_width),),
        data_files=tuple(sorted(folder.glob(f"{top}_*.dat"))),
    )


@dataclass(frozen=True, eq=False)
class ImecRtl:
    """One IMECConv in RTL: what `generate` writes, and its ports.

    top: name of the top module and prefix of its files. ram_style: weight memory; buffer_ram_style:
    strip memory; each one of RAM_STYLES.
    """

    top: str
    datapath: Datapath
    ram_style: str = "auto"
    buffer_ram_style: str = "auto"

    def __post_init__(self) -> None:
        for name in ("ram_style", "buffer_ram_style"):
            if getattr(self, name) not in RAM_STYLES:
                raise UnsupportedError(
                    f"{name}={getattr(self, name)!r}: accepted are {', '.join(RAM_STYLES)}"
                )

    @property
    def resolved_ram_style(self) -> str:
        """ram_style, with "auto" decided by depth."""
        return resolved_style(self.ram_style, self.datapath.geometry.weight_words, AUTO_ROM_WORDS)

    @property
    def resolved_buffer_ram_style(self) -> str:
        """buffer_ram_style, with "auto" decided by depth."""
        return resolved_style(
            self.buffer_ram_style, self.datapath.geometry.strip_words, AUTO_STRIP_WORDS
        )

    @property
    def in_width(self) -> int:
        """Bits of in0_V_TDATA."""
        return padded(self.datapath.geometry.simd_in * self.datapath.activation.bits)

    @property
    def out_width(self) -> int:
        """Bits of out0_V_TDATA."""
        return padded(self.datapath.geometry.pe * self.datapath.output_bits)

    def generate(self, folder: Path) -> Design:
        """Write wrapper and memory files into `folder`; return the design, library files included."""
        folder = Path(folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        path, g = self.datapath, self.datapath.geometry
        images = {"weight": (path.weight_words(), g.pe * g.simd * path.weight.bits)}
        if path.steps:
            images["threshold"] = (path.threshold_words(), g.pe * path.steps * path.acc_bits)
        if path.biased:
            images["bias"] = (path.bias_words(), g.pe * path.acc_bits)
        files = {kind: folder / f"{self.top}_{kind}s.dat" for kind in images}
        for kind, (words, bits) in images.items():
            digits = (bits + 3) // 4
            files[kind].write_text("".join(f"{word:0{digits}x}\n" for word in words))

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(library_path()),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
        )
        wrapper = folder / f"{self.top}.v"
        wrapper.write_text(
            environment.get_template("imec_wrapper.v.j2").render(
                top=self.top,
                g=g,
                nest=g.loop_nest,
                d=path,
                in_width=self.in_width,
                out_width=self.out_width,
                ram_style=self.resolved_ram_style,
                buffer_ram_style=self.resolved_buffer_ram_style,
                **{f"{kind}_file": files.get(kind, "") for kind in ("weight", "threshold", "bias")},
            )
        )
        return stream_design(self.top, folder, self.in_width, self.out_width)


def resolved_style(style: str, words: int, most_distributed: int) -> str:
    """A ram_style, with "auto" decided by the memory's depth."""
    if style != "auto":
        return style
    return "distributed" if words <= most_distributed else "block"
