"""Every kind of generated wrapper in a second front end, slang; and what of the language the library takes.

test_lint.py looks for warnings in random layers. Here each kind of layer is elaborated for certain.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from benches import TESTBENCHES, beside_table, layer_by_layout, ternary
from qonnx.core.datatype import DataType

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.memories import MEM_MODES, RAM_STYLES
from finn_imec.layer.structure import MAX_PIPELINE
from finn_imec.layer.window import QUEUES, WindowUnit
from finn_imec.rtl.generate import ImecRtl
from finn_imec.rtl.library import LIBRARY, library_path
from finn_imec.synthesis import yosys
from finn_imec.verification.cases import Parameters

pyslang = pytest.importorskip("pyslang", reason="needs slang: pip install 'finn-imec[dev]'")

DOCS = Path(__file__).parents[1] / "docs"
#: Values of the wrapper's parameter PRIMITIVES, and the vendor's modules that the last one needs.
VIEWS = {"behavior": 0, "generic": 1, "xilinx": 2}
PRIMITIVES = (
    Path(yosys.__file__).with_name("xilinx_primitives.sv"),
    *(TESTBENCHES / f"{name}.sv" for name in ("DSP48E2", "DSP58")),
)
LAYER = ConvGeometry((3, 3), (6, 6), 4, 8, simd=2, pe=4)
#: SIMD is more than the channels of a pixel.
WINDOW = ConvGeometry((3, 3), (9, 9), 2, 2, simd=18, pe=2)


def layer(
    geometry: ConvGeometry = LAYER, activation: str = "UINT2", weight: str = "INT2", **options: object
) -> ImecRtl:
    """An IMECConv of random weights. options: of Parameters, ram_style, ram_style_thresholds, runtime."""
    memories = {key: options.pop(key) for key in ("ram_style", "ram_style_thresholds") if key in options}
    runtime = options.pop("runtime", False)
    parameters = Parameters(geometry, activation, weight, **options)
    path = parameters.datapath()
    if runtime:
        path = replace(path, runtime_weights=True, output_datatype=DataType["INT64"])
    return ImecRtl("top", path, mem_mode=parameters.mem_mode, **memories)


def kinds() -> Iterator[tuple[str, Callable[[], ImecRtl]]]:
    """(name, maker) of each kind."""
    for mem_mode in MEM_MODES:
        yield mem_mode, lambda mode=mem_mode: layer(mem_mode=mode)
    yield "written weights", lambda: layer(mem_mode="internal_decoupled", runtime=True)
    yield "streamed bipolar weights", lambda: layer(activation="INT4", weight="BIPOLAR", mem_mode="external")
    for style in RAM_STYLES:
        yield f"weights {style}", lambda style=style: layer(ram_style=style)
        for ports in (1, 2):
            g = replace(LAYER, buffer_style=style, buffer_ports=ports)
            yield f"buffer {style} of {ports} ports", lambda g=g: layer(g)
        g = replace(WINDOW, buffer_style=style)
        yield f"lines {style}", lambda g=g: layer(g)
        searched = {"output_datatype": "UINT5", "steps": 31, "ram_style_thresholds": style}
        yield f"searched thresholds {style}", lambda searched=searched: layer(**searched)
    for layout in ("table", "paired", "through", "banked", "spilt", "spilt thrice"):
        core = "dsp" if layout.startswith("spilt") else "lut"
        yield f"weights {layout}", lambda layout=layout, core=core: layer_by_layout(layout, core)
    yield "two thresholds at once", lambda: layer(WINDOW, output_datatype="UINT2", steps=2)
    yield "ternary weights in five bits", ternary
    yield "weights beside a table", lambda: beside_table("dsp")
    for stages in range(MAX_PIPELINE + 1):
        yield (
            f"planes, {stages} registers",
            lambda n=stages: layer(activation="BINARY", output_datatype="UINT2", steps=3, pipeline=n),
        )
        yield (
            f"gates, {stages} registers",
            lambda n=stages: layer(output_datatype="UINT2", steps=3, pipeline=n),
        )
        yield (
            f"product, {stages} registers",
            lambda n=stages: layer(activation="INT8", weight="INT9", res_type="lut", pipeline=n),
        )
    for activation, weight in (
        ("BIPOLAR", "BIPOLAR"),
        ("BIPOLAR", "INT3"),
        ("INT3", "BIPOLAR"),
        ("INT2", "TERNARY"),
    ):
        yield f"{activation} by {weight}", lambda a=activation, w=weight: layer(activation=a, weight=w)
    yield "xnor", lambda: layer(activation="BINARY", weight="BINARY", xnor=True)
    for bits in (3, 4, 8):
        yield (
            f"dsp of {bits} bits",
            lambda b=bits: layer(activation=f"INT{b}", weight=f"INT{b}", res_type="dsp"),
        )
    for bits, block in ((4, "DSP48E2"), (4, "DSP58"), (8, "DSP58")):
        yield (
            f"{block} of {bits} bits",
            lambda b=bits, d=block: layer(activation=f"INT{b}", weight=f"INT{b}", dsp_block=d),
        )
    for res_type in ("lut", "dsp"):
        g = replace(LAYER, buffer_style="block")
        options = {"res_type": res_type, "ram_style": "block", "pipeline": 3}
        yield (
            f"block RAM with output registers, {res_type}",
            lambda g=g, o=options: layer(g, "INT4", "INT4", **o),
        )
    g = replace(WINDOW, buffer_style="block")
    yield "lines with output registers", lambda g=g: layer(g, ram_style="block", pipeline=3)
    yield (
        "dsp, written weights",
        lambda: layer(activation="INT4", weight="INT4", mem_mode="internal_decoupled", runtime=True),
    )
    depthwise = ConvGeometry((3, 3), (6, 6), 8, 8, simd=1, pe=4, depthwise=True)
    yield "depthwise", lambda: layer(depthwise)
    yield "depthwise, dsp", lambda: layer(depthwise, "UINT4", "INT4", res_type="dsp")
    yield "padded", lambda: layer(replace(LAYER, ifm_dim=(8, 8), padding=(1, 1, 1, 1)))
    yield "padded unevenly", lambda: layer(replace(LAYER, ifm_dim=(8, 9), padding=(2, 0, 0, 3)))
    yield "strided", lambda: layer(replace(LAYER, ifm_dim=(9, 9), stride=(2, 3)))
    yield "dilated", lambda: layer(replace(LAYER, ifm_dim=(9, 9), dilation=(2, 2)))
    yield "one word", lambda: layer(ConvGeometry((1, 1), (3, 3), 2, 2, simd=2, pe=2))
    yield "wide input words", lambda: layer(replace(LAYER, simd_in=4))
    yield "narrow input words", lambda: layer(replace(LAYER, simd=4, simd_in=1))
    yield (
        "incommensurable input words",
        lambda: layer(ConvGeometry((3, 3), (6, 6), 6, 8, simd=2, pe=4, simd_in=3)),
    )
    for simd in (2 * 3, 2 * 9):
        yield f"window unit of SIMD {simd}", lambda simd=simd: layer(replace(WINDOW, simd=simd))
    yield "window unit, several folds", lambda: layer(replace(WINDOW, pe=1))
    yield "window unit, strided", lambda: layer(replace(WINDOW, stride=(2, 2)))
    yield (
        "window unit, long queue of columns",
        lambda: layer(ConvGeometry((4, 4), (36, 52), 1, 1, simd=8, pe=1)),
    )
    yield "window unit, queue of windows", lambda: layer(ConvGeometry((3, 3), (12, 5), 1, 2, simd=9, pe=1))
    yield "window unit, one column", lambda: layer(ConvGeometry((3, 1), (9, 1), 2, 2, simd=6, pe=2))
    for steps, bits in ((1, 1), (3, 2), (15, 4)):
        kind = "BINARY" if bits == 1 else f"UINT{bits}"
        yield f"{steps} thresholds", lambda k=kind, n=steps: layer(output_datatype=k, steps=n)
    many = ConvGeometry((1, 1), (2, 2), 2, 512, simd=2, pe=1)
    yield "1 threshold, many folds", lambda: layer(many, output_datatype="BINARY", steps=1)
    yield "thresholds with ActVal", lambda: layer(output_datatype="INT4", steps=15)
    yield "shared thresholds", lambda: layer(output_datatype="UINT2", steps=3, one_row=True)
    deep = ConvGeometry((1, 1), (2, 2), 64, 512, simd=1, pe=1)
    yield "deep thresholds", lambda: layer(deep, output_datatype="UINT4", steps=15)
    yield "255 thresholds", lambda: layer(output_datatype="UINT8", steps=255)
    fast = replace(LAYER, simd=4)  # a word a fold for each bit, and one more
    yield "255 thresholds, short folds", lambda: layer(fast, output_datatype="UINT8", steps=255)
    short = ConvGeometry((1, 1), (3, 3), 2, 4, simd=2, pe=2)
    yield "parallel thresholds", lambda: layer(short, output_datatype="UINT2", steps=3)


KINDS = dict(kinds())


@cache
def made(kind: str) -> ImecRtl:
    return KINDS[kind]()


def errors(folder: Path, kind: str, view: str) -> list[str]:
    """What slang says is wrong with the wrapper of this kind, elaborated with all it instantiates."""
    if made(kind).mem_mode == "internal_decoupled" and importlib.util.find_spec("finn") is None:
        pytest.skip("needs FINN's memstream: pip install 'finn-imec[finn]'")
    sources = (*made(kind).generate(folder).sources, *PRIMITIVES)
    options = [
        "slang",
        "--std",
        "1800-2017",
        "--top",
        "top",
        "--timescale",
        "1ns/1ps",
        f"-GPRIMITIVES={VIEWS[view]}",
    ]
    if made(kind).mem_mode == "internal_decoupled":
        options.append("--allow-use-before-declare")  # of FINN's axilite.sv
    slang = pyslang.driver.Driver()
    slang.addStandardArgs()
    assert slang.parseCommandLine(" ".join([*options, *map(str, sources)]))
    assert slang.processOptions() and slang.parseAllSources()
    compilation = slang.createCompilation()
    assert [str(instance.name) for instance in compilation.getRoot().topInstances] == ["top"]
    engine = pyslang.DiagnosticEngine(slang.sourceManager)
    return [
        f"{slang.sourceManager.getFileName(each.location)}: {engine.formatMessage(each)}"
        for each in compilation.getAllDiagnostics()
        if each.isError()
    ]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", KINDS)
def test_slang_elaborates(tmp_path, kind, view):
    assert errors(tmp_path, kind, view) == []


def test_slang_sees_an_error_inside(tmp_path, monkeypatch):
    """In a module below the wrapper, for parameters that it refuses."""
    wrapper = ImecRtl._wrapper
    monkeypatch.setattr(
        ImecRtl,
        "_wrapper",
        lambda self, files: wrapper(self, files).replace('.CORE("planes")', '.CORE("plain")'),
    )
    found = errors(tmp_path, "internal_embedded", "behavior")
    assert any("imec_mac.sv" in each and "must be" in each for each in found)


def test_every_kind_is_there():
    """Of each choice that a structure makes, every outcome."""
    structures = [made(kind).structure for kind in KINDS]

    def outcomes(of: Callable) -> set:
        return {of(structure) for structure in structures}

    assert outcomes(lambda s: s.mem_mode) == set(MEM_MODES)
    assert outcomes(lambda s: s.axilite) == {True, False}
    assert outcomes(lambda s: s.rom_layout) == {"plain", "table", "paired", "through", "banked", "split"}
    assert outcomes(lambda s: s.rom_trits) == {True, False}
    assert outcomes(lambda s: s.storage.parted) == {True, False}
    assert outcomes(lambda s: bool(s.rom_spill)) == {True, False}
    assert outcomes(lambda s: bool(s.rom_lut_bits)) == {True, False}
    assert outcomes(lambda s: len(s.weight_parts)) >= {1, 2, 4}
    assert outcomes(lambda s: s.resolved_ram_style) >= set(RAM_STYLES)
    assert outcomes(lambda s: (s.core.kind, s.pipeline)) >= {
        *(("planes", n) for n in range(MAX_PIPELINE + 1)),
        *(("gates", n) for n in range(MAX_PIPELINE + 1)),
        *(("product", n) for n in range(MAX_PIPELINE + 1)),
        ("dsp", 0),
    }
    assert outcomes(lambda s: (s.core.activation.bipolar, s.core.weight.bipolar)) == {
        (a, w) for a in (True, False) for w in (True, False)
    }
    assert outcomes(lambda s: s.core.widen) == {True, False}
    assert outcomes(lambda s: s.core.double) == {True, False}
    assert outcomes(lambda s: (min(s.steps, 2), bool(s.search))) == {
        *((0, False), (1, False), (2, False), (2, True))
    }
    searches = [s.search for s in structures if s.search]
    assert {search.memory.style for search in searches} == set(RAM_STYLES) - {"auto"}
    reads = {(search.read, search.fast) for search in searches}
    assert reads == {(0, False), (1, False), (1, True), (2, False)}
    assert {search.engines == s.geometry.pe for s in structures if (search := s.search)} == {True, False}
    assert outcomes(lambda s: (s.biased, s.starts_in_table)) >= {(True, True), (True, False), (False, True)}
    assert outcomes(lambda s: s.memory_steps) == {1, 2}
    assert outcomes(lambda s: s.output_words) == {1, 2}
    assert outcomes(lambda s: (s.geometry.depthwise, s.core.kind)) >= {(True, "planes"), (True, "dsp")}
    assert outcomes(lambda s: any(s.geometry.padding)) == {True, False}
    buffers = [s.storage for s in structures if isinstance(s.storage, LineBuffer)]
    windows = [s.storage for s in structures if isinstance(s.storage, WindowUnit)]
    styles = set(RAM_STYLES) - {"auto"}
    assert {(b.style, b.dual_port) for b in buffers} >= {(s, p) for s in styles for p in (True, False)}
    assert 1 in {b.words for b in buffers}
    assert {w.style for w in windows} >= styles
    assert {w.queues for w in windows} == set(QUEUES)


# ---- the language -------------------------------------------------------------------------------------

#: All keywords and system names of the library. A new one is either understood alike everywhere, and is added
#: here, or is a construct that docs/hooks.py has to list, too.
PLAIN = {
    *("module", "endmodule", "package", "endpackage", "import", "input", "output", "localparam", "parameter"),
    *("logic", "bit", "int", "unsigned", "signed", "typedef", "string", "uwire", "automatic"),
    *("struct", "packed"),
    *("assign", "always_ff", "always_comb", "initial", "posedge", "begin", "end", "if", "else"),
    *("for", "genvar", "function", "endfunction", "return"),
    *("$clog2", "$bits", "$countones", "$error", "$readmemh", "$sformatf"),
}


def parsed(path: Path) -> tuple[list, list]:
    """Syntax nodes and tokens of a file."""
    nodes, tokens = [], []
    tree = pyslang.syntax.SyntaxTree.fromFile(str(path))
    assert not [each for each in tree.diagnostics if each.isError()]
    tree.root.visit(
        lambda each: (nodes if isinstance(each, pyslang.syntax.SyntaxNode) else tokens).append(each)
    )
    return nodes, tokens


def found_in(nodes: list) -> set[str]:
    """Constructs of docs/hooks.py in a file, by its syntax tree."""
    found = set()

    def text(node: object) -> str:
        return re.sub(r"/\*.*?\*/|//[^\n]*", "", str(node), flags=re.DOTALL).strip()

    def inside(node: object, kind: str) -> list:
        inner = []
        node.visit(lambda each: inner.append(each))
        return [each for each in inner if getattr(each, "kind", None) and each.kind.name == kind]

    for node in nodes:
        kind = node.kind.name
        if kind == "ParameterPortList":
            for each in inside(node, "ParameterDeclaration"):
                if text(each.keyword) == "localparam":
                    found.add("localparam among a module's parameters")
                    continue
                dimensions = len(inside(each.type, "VariableDimension"))
                if each.type.kind.name == "StringType":
                    found.add("string parameter")
                if each.type.kind.name == "ImplicitType":
                    found.add("parameter without a type that holds text")
                if each.type.kind.name == "NamedType" or dimensions > 1:
                    found.add("array parameter")
                if "=" not in text(each):
                    found.add("parameter without a default")
        elif kind == "ModuleHeader" and text(node).partition("(")[0].count("import"):
            found.add("import in a module's header")
        elif kind == "ModuleDeclaration":
            name = text(node.header.name)
            if any(text(each.type) == name for each in inside(node, "HierarchyInstantiation")):
                found.add("recursive module")
        elif kind == "FunctionDeclaration":
            found.add("constant function")
            name = text(node.prototype.name)
            if any(text(each.left) == name for each in inside(node, "InvocationExpression")):
                found.add("recursive function")
            if text(node.prototype.lifetime) != "automatic":
                found.add("function without `automatic`")
        elif kind == "ElabSystemTask":
            found.add("`$error` outside a procedure")
        elif kind == "IfGenerate":
            branches = [node.block, *([node.elseClause.clause] if node.elseClause else [])]
            if any(b.kind.name in ("ContinuousAssign", "HierarchyInstantiation") for b in branches):
                found.add("generate-if without a named block")
        elif kind == "InvocationExpression":
            name = text(node.left)
            if name == "$sformatf":
                found.add("`$sformatf` for the name of a file")
            if name == "$readmemh" and not text(node.arguments).startswith('("'):
                found.add("`$readmemh` of a name in a parameter")
        elif kind == "AttributeSpec" and node.value and not text(node.value.expr).startswith('"'):
            found.add("attribute whose value is a parameter")
        elif kind == "NetDeclaration":
            assert text(node.netType) == "uwire"
            found.add("`uwire`, also with a value")
        elif kind == "DataDeclaration" and node.parent.kind.name != "SequentialBlockStatement":
            declarators = inside(node, "Declarator")
            if not text(node).startswith("automatic") and any(each.initializer for each in declarators):
                found.add("power-up value of a register")
        elif kind == "NamedPortConnection" and "(" not in text(node):
            found.add("implicit port connection")
        elif kind == "CastExpression":
            left = text(node.left)
            if left == "string":
                found.add("cast `string'(...)`")
            elif left.endswith("_t"):
                found.add("cast to a local type")
            elif left != "int":
                found.add("cast to a width")
        elif kind == "StructType":
            found.add("packed struct")
        elif kind == "AlwaysCombBlock" and "automatic" in text(node):
            found.add("variable in a loop of `always_comb`")
    return found


@cache
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LIBRARY)
def test_constructs_are_listed(name):
    """The documentation's patterns find in each file what the syntax tree has, and nothing else."""
    nodes, tokens = parsed(library_path() / name)
    module = name.removesuffix(".sv").removeprefix("imec_")
    listed = {construct for construct in hooks().CONSTRUCTS if module in hooks().uses(construct)}
    assert listed == found_in(nodes)
    words = {each.rawText for each in tokens if each.kind.name.endswith("Keyword")}
    words |= {each.rawText for each in tokens if each.kind.name == "SystemIdentifier"}
    assert words <= PLAIN
    assert "`" not in hooks().library_code(library_path() / name)  # no directives


def test_each_construct_is_somewhere():
    assert all(hooks().uses(construct) for construct in hooks().CONSTRUCTS)
    page = (DOCS / "reference" / "node.md").read_text()
    assert "<!-- generated: constructs -->" in page
    table = hooks().constructs()
    assert all(f"| {construct} |" in table for construct in hooks().CONSTRUCTS)


@pytest.mark.parametrize("name", LIBRARY)
def test_one_clock_and_synchronous_reset(name):
    """Every register is of the one clock, and no reset is in a list of events."""
    code = hooks().library_code(library_path() / name)
    assert set(re.findall(r"\balways\w*[ \t]*(?:@ *\([^)]*\))?", code)) <= {
        "always_ff @(posedge clk)",
        "always_comb ",
    }
    clocks = set(re.findall(r"\.(?:clk|CLK)\(([^)]*)\)", code))
    assert clocks <= {"clk", "1'b0"}  # 1'b0: a compressor tree without registers
