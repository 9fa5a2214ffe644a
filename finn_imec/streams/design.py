"""Description of streaming designs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Port names of an AXI4-Stream, after its name and an underscore.
PINS = ("TDATA", "TVALID", "TREADY")


@dataclass(frozen=True)
class Stream:
    """One AXI4-Stream of a design: ports <name>_TDATA, _TVALID, _TREADY.

    width: bits of TDATA as the design declares it.
    """

    name: str
    width: int

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"stream {self.name}: width {self.width}; expected at least 1 bit")


@dataclass(frozen=True)
class Probe:
    """A stream inside a design that is watched; see `Activity`.

    drained_by: the probe of the stream that empties what this one fills, such as the output of the FIFO whose
    input this is; None if no fill level is wanted.
    """

    name: str
    drained_by: str | None = None


@dataclass(frozen=True)
class Design:
    """One top module with AXI4-Streams, one clock and one active-low synchronous reset.

    parameters: overrides of the top module's parameters: integers from -2**31 on, or strings.
    defines, include_dirs: as for a Verilog tool; the same for all designs of one model.
    data_files: files that `$readmemh` reads; see `finn_imec.simulation.verilator`.
    tied: constant inputs, name -> (width in bits, value).
    probes: watched inner streams. The top module then has two outputs, probe_tvalid and
        probe_tready, with one bit per probe, the first in bit 0.
    """

    top: str
    sources: tuple[Path, ...]
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    defines: Mapping[str, str | int | None] = field(default_factory=dict)
    include_dirs: tuple[Path, ...] = ()
    data_files: tuple[Path, ...] = ()
    clk: str = "ap_clk"
    rst_n: str = "ap_rst_n"
    tied: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
