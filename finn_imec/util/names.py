"""Names of nodes, files and folders in generated text: identifiers, Tcl words, string literals, comments."""

from __future__ import annotations

import hashlib
import re

from finn_imec.util.errors import UnsupportedError

#: Longest identifier that is kept; file names have 255 bytes, with suffixes.
_LONGEST = 100
#: Words that are valid as names but mean something to Verilog, SystemVerilog, VHDL or C++.
_RESERVED = frozenset(
    """
    abs accept_on access after alias alignas alignof all always always_comb always_ff always_latch and
    and_eq architecture array asm assert assign assume attribute auto automatic before begin bind bins
    binsof bit bitand bitor block body bool break buf buffer bufif0 bufif1 bus byte case casex casez
    catch cell chandle char char16_t char32_t char8_t checker class clocking cmos co_await co_return
    co_yield compl component concept config configuration const const_cast constant consteval constexpr
    constinit constraint context continue cover covergroup coverpoint cross deassign decltype default
    defparam delete design disable disconnect dist do double downto dynamic_cast edge else elsif end
    endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface
    endmodule endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask
    entity enum event eventually exit expect explicit export extends extern false file final first_match
    float for force foreach forever fork forkjoin friend function generate generic genvar global goto
    group guarded highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import impure
    in incdir include inertial initial inline inout input inside instance int integer interconnect
    interface intersect is join join_any join_none label large let liblist library linkage literal local
    localparam logic long longint loop macromodule main map matches medium mod modport module mutable
    namespace nand negedge nettype new next nexttime nmos noexcept nor noshowcancelled not not_eq notif0
    notif1 null nullptr of on open operator or or_eq others out output package packed parameter pmos
    port posedge postponed primitive priority private procedure process program property protected
    public pull0 pull1 pulldown pullup pure rand randc randcase randsequence range rcmos real realtime
    record ref reg register reinterpret_cast reject reject_on release rem repeat report requires
    restrict return rnmos rol ror rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime s_until
    s_until_with scalared select sequence severity shared short shortint shortreal showcancelled signal
    signed sizeof sla sll small soft solve specify specparam sra srl static static_assert static_cast
    std string strong strong0 strong1 struct subtype super supply0 supply1 switch sync_accept_on
    sync_reject_on table tagged task template then this thread_local throughout throw time timeprecision
    timeunit to tran tranif0 tranif1 transport tri tri0 tri1 triand trior trireg true try type typedef
    typeid typename unaffected union unique unique0 units unsigned until until_with untyped use using
    uwire var variable vectored virtual void volatile wait wait_order wand wchar_t weak weak0 weak1 when
    while wildcard wire with within wor xnor xor xor_eq
    """.split()  # noqa: SIM905 (readable)
)
_TCL_SPECIAL = re.compile(r'([\s\\"$\[\]{};#])')


def is_identifier(name: str) -> bool:
    """True if a name is one in Verilog, VHDL, C++ and Tcl, and the start of a file name."""
    return (
        re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) is not None
        and len(name) <= _LONGEST
        and name.lower() not in _RESERVED
    )


def identifier(name: str) -> str:
    """The name itself if it is an identifier, else one of its own: what is readable of it, and a hash."""
    if is_identifier(name):
        return name
    readable = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    code = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"n_{readable}_{code}" if readable else f"n_{code}"


def check_top(name: str) -> None:
    """Raise UnsupportedError unless a name can be a module, a function and the start of a file name."""
    if not is_identifier(name):
        raise UnsupportedError(
            f"top={name!r}: accepted are letters, digits and underscores after a letter, {_LONGEST} at most, "
            "and no word of Verilog, VHDL or C++"
        )


def tcl_word(text: object) -> str:
    """The text as one word of Tcl, in which nothing is substituted."""
    escaped = _TCL_SPECIAL.sub(r"\\\1", str(text)).replace("\n", "n").replace("\t", "t").replace("\r", "r")
    return escaped or "{}"


def tcl_list(text: object) -> str:
    """The text as a list of one element: Vivado and Vitis HLS read files as lists."""
    return tcl_word(tcl_word(text)) if _TCL_SPECIAL.search(str(text)) else tcl_word(text)


def literal(text: object) -> str:
    """The text as a string literal of Verilog and C++."""
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def comment(text: object) -> str:
    """The text for a comment of one line, which it cannot end."""
    escaped = str(text).encode("unicode_escape").decode()
    return escaped.replace("*/", "*\\/").rstrip("\\")
