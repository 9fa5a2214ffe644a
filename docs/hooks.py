"""What the documentation takes from the code itself, so that it cannot go stale.

MkDocs calls `on_page_markdown`; a line `<!-- generated: NAME -->` becomes what GENERATORS[NAME] returns.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

from finn_imec.rtl import library_path

#: What an attribute of IMECConv's own means; one without an entry here is an error.
MEANINGS = {
    "ConvKernelDim": "kernel, [height, width]",
    "IFMChannels": "input channels C",
    "IFMDim": "input size, [height, width], padding included",
    "OFMDim": "output size, [height, width]",
    "Padding": "zeros that the node adds, [top, left, bottom, right]",
    "Stride": "[vertical, horizontal]",
    "Dilation": "[vertical, horizontal]",
    "depthwise": "1: each output channel sees its own input channel only",
    "dynamic_input": "0: weights do not come from another layer",
    "MW": "rows of the weight matrix, K_h * K_w * C",
    "MH": "columns of the weight matrix, output channels",
    "SIMD": "input channels read per cycle; divides C, or is a larger divisor of MW",
    "PE": "output channels computed per cycle; divides MH",
    "inputDataType": "QONNX datatype of the activations",
    "weightDataType": "QONNX datatype of the weights",
    "outputDataType": "QONNX datatype of the output",
    "accDataType": "QONNX datatype of the accumulators, as FINN minimized it",
    "noActivation": "1: accumulators are the output, there is no threshold input",
    "ActVal": "added to the number of thresholds reached",
    "binaryXnorMode": "1: BINARY inputs and weights stand for -1 and +1",
    "numInputVectors": "kept for FINN's reports",
    "resType": "multipliers in LUTs or DSP slices",
    "mem_mode": "where the weights are stored",
    "runtime_writeable_weights": "1: weights can be written over AXI4-Lite",
    "ram_style": "memory of the weights; auto decides by depth",
    "standalone_thresholds": "1: FINN has the thresholds in a node of their own, which expanding gives back",
    "ram_style_thresholds": "memory of searched thresholds; auto takes the cheapest",
    "pipeline": "level of pipelining, 0 to 5; -1: the one with fewest registers for the target clock",
    "SIMD_in": "input channels per stream word; 0: as many as a word of the line buffer has",
    "buffer_ram_style": "memory of the line buffer; auto decides by depth",
    "dsp_block": "the part's DSP slice; set when RTL is generated",
}
_TYPES = {"i": "int", "ints": "ints", "s": "string", "f": "float", "t": "tensor"}


def node_attributes() -> str:
    """IMECConv's attributes as a table, from get_nodeattr_types."""
    from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp
    from onnx import helper

    from finn_imec.custom_op.imecconv import IMECConv

    node = IMECConv(helper.make_node("IMECConv", [], [], domain="finn.custom_op.fpgadataflow"))
    attributes, inherited = node.get_nodeattr_types(), HWCustomOp.get_nodeattr_types(node)
    lines = ["| attribute | type | default | accepted | meaning |", "|---|---|---|---|---|"]
    for name, (kind, required, default, *accepted) in attributes.items():
        if name in inherited:
            continue
        if name not in MEANINGS:
            raise KeyError(f"docs/hooks.py: no meaning for node attribute {name}")
        values = ", ".join(f"`{v}`" for v in sorted(accepted[0])) if accepted else ""
        default = "required" if required else f"`{default}`"
        lines.append(f"| `{name}` | {_TYPES[kind]} | {default} | {values} | {MEANINGS[name]} |")
    return "\n".join(lines)


def inherited_attributes() -> str:
    """The names of what the node has from FINN's HWCustomOp."""
    from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp

    return ", ".join(f"`{name}`" for name in HWCustomOp.get_nodeattr_types(None))


def command_line() -> str:
    """The help of every command, by Typer's own generator."""
    command = [
        sys.executable,
        "-m",
        "typer",
        "finn_imec.cli",
        "utils",
        "docs",
        "--name",
        "finn-imec",
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return unescape(text.partition("\n## ")[1] + text.partition("\n## ")[2]).lstrip()


def rtl_modules() -> str:
    """The RTL library as a table: each file's @brief."""
    lines = ["| file | what it is |", "|---|---|"]
    for path in sorted(library_path().glob("*.sv")):
        brief = re.search(r"@brief\s+(.*?)\n \*\s*\n", path.read_text(), re.DOTALL)
        text = re.sub(r"\s*\n \*\s*", " ", brief[1]) if brief else Path(path).stem
        lines.append(f"| `{path.name}` | {text} |")
    return "\n".join(lines)


#: Construct that front ends differ on -> (pattern of code without comments, what a front end has to do).
#: `tests/test_front_end.py` checks that the library has no other of these kinds.
CONSTRUCTS = {
    "string parameter": (
        r"\bparameter string\b",
        "compare it in constant expressions; take it from a literal",
    ),
    "parameter without a type that holds text": (
        r"\bparameter\s+\w+\s*(=\s*\"|[,)])",
        "keep the text's own width, for `$bits`, part selects, and `==` with a literal of another length",
    ),
    "cast `string'(...)`": (r"\bstring'\(", "evaluate it in a constant expression"),
    "array parameter": (
        r"^\s*(?:heights_t|(?:bit|logic)\s*\[[^\]]*\]\s*\[[^\]]*\])\s+[A-Z][A-Z0-9_]*\s*[,=]",
        "take packed arrays of two dimensions as parameters, also of a package's type",
    ),
    "parameter without a default": (
        r"^\s*(?:parameter\s+string|parameter|(?:int\s+unsigned|bit|logic|heights_t)\s*(?:\[.*\])?)\s+[A-Z][A-Z0-9_]*"
        r"\s*(?:,|\n\))",
        "accept it, and refuse an instance that does not set it",
    ),
    "localparam among a module's parameters": (r"#\([^;]*?\blocalparam\b", "accept it, as a constant"),
    "import in a module's header": (r"\bmodule \w+ import\b", "see the package's names in the parameters"),
    "recursive module": (
        r"\bmodule (\w+)\b[\s\S]*?(?<!module )\b\1 #\(",
        "end the recursion by generate-if",
    ),
    "recursive function": (
        r"\bfunction [^;(]*?(\w+)\s*\((?:(?!endfunction)[\s\S])*?\breturn\b[^;]*\b\1\(",
        "evaluate it at compile time",
    ),
    "constant function": (
        r"\bfunction\b",
        "evaluate loops and local variables at compile time; some read the module's parameters",
    ),
    "function without `automatic`": (
        r"\bfunction (?!automatic\b)",
        "evaluate it at compile time all the same",
    ),
    "`$error` outside a procedure": (
        r"^\t*if\([^;]*\)\s*\$error\(",
        "end elaboration with this message (IEEE 1800, 20.10)",
    ),
    "generate-if without a named block": (
        r"^\t+(?:else )?if\([^;]*?\)\s+(?:assign\b|imec_\w+ #)",
        "accept it; hierarchical names inside are never used",
    ),
    "`$readmemh` of a name in a parameter": (r"\$readmemh\((?!\")", "read it at compile time, into a memory"),
    "`$sformatf` for the name of a file": (r"\$sformatf\b", "evaluate it at compile time"),
    "attribute whose value is a parameter": (r"\(\* \w+ = [A-Z]", "pass its text to inference"),
    "`uwire`, also with a value": (r"\buwire\b", "one driver for each bit; slices may have different ones"),
    "power-up value of a register": (
        r"^\t+(?:logic|\w+_t)\b[^;()=]*\s[A-Z]\w*[a-z]\w*\s*=",
        "keep it: it is the state before reset",
    ),
    "implicit port connection": (r"[(,]\s*\.\w+\s*[,)]", "connect `.clk` to `clk`"),
    "cast to a width": (r"(?:\b[A-Z][A-Z0-9_]*|\d|\))'\(", "accept constant expressions as width"),
    "cast to a local type": (r"\b\w+_t'\(", "accept types that depend on parameters"),
    "packed struct": (
        r"\bstruct packed\b",
        "take an array of it from a constant function, and a field of an element behind an index",
    ),
    "variable in a loop of `always_comb`": (
        r"\balways_comb\b(?:(?!\bend : gen|\balways_ff\b)[\s\S])*?\bautomatic\b",
        "treat it as a wire",
    ),
}


def library_code(path: Path) -> str:
    """A file of the RTL library without comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)


def uses(construct: str) -> list[str]:
    """Names of the modules that use a construct, without "imec_"."""
    pattern = re.compile(CONSTRUCTS[construct][0], re.MULTILINE)
    files = sorted(library_path().glob("*.sv"))
    return [path.stem.removeprefix("imec_") for path in files if pattern.search(library_code(path))]


def constructs() -> str:
    """CONSTRUCTS as a table, with where they are."""
    most = len(list(library_path().glob("*.sv"))) // 2
    lines = ["| construct | in `imec_*` | a front end has to |", "|---|---|---|"]
    for construct, (_, needed) in CONSTRUCTS.items():
        where = uses(construct)
        if not where:
            raise KeyError(f"docs/hooks.py: no module has the construct {construct!r}")
        text = "most modules" if len(where) > most else ", ".join(where)
        lines.append(f"| {construct} | {text} | {needed} |")
    return "\n".join(lines)


GENERATORS: dict[str, Callable[[], str]] = {
    "node attributes": node_attributes,
    "inherited attributes": inherited_attributes,
    "command line": command_line,
    "rtl modules": rtl_modules,
    "constructs": constructs,
}


def on_page_markdown(markdown: str, **_) -> str:
    """MkDocs' hook: fill in what is generated."""
    return re.sub(r"<!-- generated: (.*?) -->", lambda found: GENERATORS[found[1]](), markdown)
