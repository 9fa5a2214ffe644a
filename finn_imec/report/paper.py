"""The IMEC paper's tables and figures, measured again: published beside today's FINN and IMECConv.

Paper: Wadhwa, Khandelwal and Shreejith, ASAP 2022, DOI 10.1109/ASAP54787.2022.00027, whose
baseline is BNN-PYNQ's CNV with finn-hlslib's sliding window unit of 2019.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finn_imec.algorithms import ALGORITHMS
from finn_imec.algorithms.mec_benchmark import memory_table
from finn_imec.layer import baseline
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.units import storage
from finn_imec.report.results import load_rows, network_totals, toggles
from finn_imec.report.table import number_text, ratio_text
from finn_imec.synthesis import comparison
from finn_imec.synthesis.layer_sets import cnv_layers, named_layers
from finn_imec.synthesis.rows import Row, totals
from finn_imec.synthesis.yosys import count
from finn_imec.util.errors import ModelError
from finn_imec.util.figures import BLUE, GRAY, LIGHT, figure
from finn_imec.util.output import output_folder

#: Figures of Table III, and what they are called.
TABLE3 = {
    "lut": "LUT",
    "lut_paired": "LUT, paired",
    "lutram": "LUTRAM",
    "memory": "LUTs as memory, with SRLs",
    "ff": "FF",
    "dsp": "DSP",
    "bram18": "BRAM18",
    "power": "power, W",
    "toggles": "signal toggles per frame",
}
PAPER_JSON, PAPER_MD = "paper.json", "paper.md"
#: Where a wheel has what `reproduce` takes of the repository's benchmarks/results; see hatch_build.py.
SHIPPED = Path(__file__).with_name("measured")

#: What the paper prints. Per figure (FINN, IMEC); Vivado HLS 2019.2, XC7Z020, 200 MHz.
PUBLISHED: dict[str, Any] = {
    "doi": "10.1109/ASAP54787.2022.00027",
    # Memory of the convolution layers.
    "claims": {"memory": -0.33},
    # Fig. 5, LUTRAM of a layer with i_w=7, k=3, c=1 by activation bits; read by eye.
    "fig5": {
        "source": "Fig. 5, read by eye",
        "lutram": {"1": (12, 8), "2": (18, 12), "4": (24, 16), "6": (36, 24), "8": (48, 32)},
    },
    # Fig. 4, five convolution layers of the 1-bit CNV.
    "fig4": {
        "source": "Fig. 4",
        "lut": ((2339, 1817), (1873, 1414), (945, 743), (1874, 1571), (795, 550)),
        "lutram": ((129, 87), (64, 48), (0, 0), (0, 0), (0, 0)),
    },
    # Table III, whole networks on XC7Z020. power in W.
    "table3": {
        "source": "Table III",
        "1": {"lut": (29635, 23744), "lutram": (2438, 2322), "ff": (42053, 38110), "dsp": (24, 24),
              "power": (1.793, 1.764)},
        "2": {"lut": (40022, 35001), "lutram": (7598, 7273), "ff": (51321, 43738), "dsp": (32, 32),
              "power": (1.863, 1.828)},
    },
}  # fmt: skip

DIFFERENCES = (
    "Published figures are Vivado's after implementation; ours are Yosys' after synthesis for the same "
    "device family, without placement. Compare ratios, not counts.",
    "The paper's baseline is finn-hlslib's sliding window unit of 2019 in Vivado HLS, which keeps "
    "(K/S+1)*S image rows. Ours is the harder one of today's finn-plus in RTL, which keeps (K-1) rows and K "
    "pixels. FINN's pair here includes multipliers by the rule of `finn-imec compare` (below 4 bits "
    "a re-creation of its former LUT core), weight streamer, replay buffer and FIFO.",
    "Table III is of whole networks with DMA. Ours have no DMA, FIFOs as deep as a simulation filled them, "
    "and RTL behavioral models, on both sides, of what FINN has in HLS only (pooling, fully connected "
    "layers); their convolutions are counted without thresholds. Fig. 4 shows five layers without naming "
    "them, so they are not compared with ours one by one; ours {thresholds} on both sides.",
    "Power is not measured here. Signal toggles in RTL simulation are a proxy for the dynamic part, without "
    "capacitances and placement; the published power is that of the whole device.",
)

Progress = Callable[[str], None]


def differences(rows: Iterable[Row]) -> list[str]:
    """How the paper's experiment and that of the rows differ."""
    complete = all(row.steps for row in rows)
    thresholds = "include their thresholds" if complete else "have no thresholds"
    return [line.replace("{thresholds}", thresholds) for line in DIFFERENCES]


def hls_swg_bits(geometry: ConvGeometry, act_bits: int) -> int:
    """Bits of the line buffer of finn-hlslib's sliding window unit of 2019: (K/S+1)*S rows."""
    stride = geometry.stride[0]
    rows = (geometry.kernel[0] // stride + 1) * stride
    return rows * geometry.ifm_dim[1] * geometry.ifm_channels * act_bits


# ---- Fig. 5 -------------------------------------------------------------------------------------


def fig5_layer(act_bits: int) -> comparison.Layer:
    """The layer of Fig. 5, i_w=7, k=3, c=1, with 1-bit weights.

    Two output channels on one PE, so that FINN's MVU needs its replay buffer; the paper does not say.
    """
    geometry = ConvGeometry((3, 3), (7, 7), 1, 2, simd=1, pe=1)
    activation = "BIPOLAR" if act_bits == 1 else f"INT{act_bits}"
    return comparison.random_layer(f"{act_bits} bit", geometry, activation, "BIPOLAR")


def fig5_row(act_bits: int) -> dict[str, int]:
    """LUTs used as memory (LUTRAM and shift registers) at one activation width, by Yosys.

    Keys: act_bits, strip_bits (IMECConv's line buffer); swg and replay, FINN's two activation memories
    without their control; pair, everything in FINN's SWG + MVAU; imec, everything in IMECConv,
    which is its line buffer.
    """
    layer = fig5_layer(act_bits)
    g = layer.geometry
    with tempfile.TemporaryDirectory() as folder:
        pair, imec = comparison.generate_both(layer, comparison.default_core(layer), Path(folder))
        replay = {"LEN": g.sf, "REP": g.nf, "W": g.simd * act_bits}
        designs = {
            "swg": replace(pair.design, top="finn_swg"),
            "replay": replace(pair.design, top="replay_buffer", parameters=replay),
            "pair": pair.design,
            "imec": imec.design,
        }
        counts = {name: count(d, flows=("default",)) for name, d in designs.items()}
    memory = {name: c["lutram"] + c["srl"] for name, c in counts.items()}
    return {"act_bits": act_bits, "strip_bits": storage(g).bits(act_bits), **memory}


# ---- CNV ----------------------------------------------------------------------------------------


def cnv_rows(
    rows: Iterable[Row],
    bits: int,
    measure: Callable[[Sequence[comparison.Layer]], Sequence[Row]],
) -> tuple[list[Row], list[str]]:
    """Rows of CNV's six convolutions at `bits` per weight and activation, and the names of missing ones.

    Uses the given rows with BNN-PYNQ's folding and the rule's MAC core. measure: gives the rows of layers
    that are not among them.
    """
    layers = named_layers(f"cnv-w{bits}a{bits}", bits)
    known = {(row.layer, row.bits, row.core): row for row in rows}
    found = {
        layer.name: known.get((layer.name, layer.bits, comparison.default_core(layer))) for layer in layers
    }
    absent = [layer for layer in layers if found[layer.name] is None]
    found |= {row.layer: row for row in measure(absent)} if absent else {}
    return (
        [row for row in found.values() if row is not None],
        [name for name, row in found.items() if row is None],
    )


def cnv_memory(bits: int) -> list[dict[str, Any]]:
    """Bits of activation memory of CNV's six convolutions by formula."""
    lines = []
    for layer in cnv_layers(f"cnv-w{bits}a{bits}", bits):
        g, act_bits = layer.geometry, layer.input_datatype.bitwidth()
        lines.append(
            {
                "layer": layer.name,
                "hls_swg": hls_swg_bits(g, act_bits),
                "rtl_swg": baseline.generator_bits(g, act_bits),
                "replay": baseline.replay_bits(g, act_bits),
                "strip": storage(g).bits(act_bits),
            }
        )
    return lines


# ---- all of it ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A table of text cells for terminal and Markdown; the first column is left-aligned."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """As GitHub's Markdown, with a heading."""
        rule = ("---", *("---:" for _ in self.columns[1:]))
        rows = [f"| {' | '.join(line)} |" for line in (self.columns, rule, *self.lines)]
        return "\n".join([f"## {self.title}", "", *rows, *(("", self.note) if self.note else ())])


def reproduce(
    output: Path,
    results: Path | None = None,
    quick: bool = False,
    progress: Progress = lambda name: None,
) -> tuple[dict[str, Any], list[Table]]:
    """Measure, and write PAPER_JSON, PAPER_MD and the figures as PNG and SVG into `output`.

    results: folder with the outputs of `finn-imec compare --layers ... --json` (NAMEbit.json),
    benchmarks/partition.py --resources --json (networks/cnvW1A1.json, cnvW2A2.json) and
    benchmarks/power.py --json (power-cnv-w1a1.json, -w2a2); default: those in the wheel. Missing CNV
    layers are measured, which takes hours; missing networks and toggles are left out. quick: missing
    layers are left out too, and Fig. 5 has only its first and last width.
    progress gets the name of what has been measured.

    Returns the content of PAPER_JSON, and its tables. Raises ModelError for an unusable file or
    folder, MissingToolError without finn-plus, Yosys, Verilator or matplotlib.
    """
    measured = shipped_results() if results is None else results
    files = sorted(measured.glob("*bit.json"))
    if not files:
        raise ModelError(f"{measured}: holds no NAMEbit.json of `finn-imec compare --json`")
    rows = [row for path in files for row in load_rows(path)]
    with output_folder(output, marker=PAPER_JSON) as folder:
        result: dict[str, Any] = {
            "published": PUBLISHED,
            "differences": differences(rows),
            "rows_files": [path.name for path in files],
            "mec_memory": memory_table(),
            "fig5": _fig5(quick, progress),
            "cnv": {bits: _cnv(rows, measured, int(bits), quick, progress) for bits in ("1", "2")},
        }
        tables = _tables(result)
        progress("figures")
        figures = _figures(result, folder)
        (folder / PAPER_JSON).write_text(json.dumps(result, indent=2) + "\n")
        (folder / PAPER_MD).write_text(_markdown(tables, figures, result["differences"]))
    return result, tables


def shipped_results() -> Path:
    """The measurements that came with this installation; ModelError if it has none."""
    if not SHIPPED.is_dir():
        raise ModelError(
            "no measurements are installed: a wheel of finn-imec brings them, a checkout has them in "
            "benchmarks/results; give --results FOLDER"
        )
    return SHIPPED


def _fig5(quick: bool, progress: Progress) -> list[dict[str, int]]:
    widths = [int(bits) for bits in PUBLISHED["fig5"]["lutram"]]
    widths = [widths[0], widths[-1]] if quick else widths

    def one(bits: int) -> dict[str, int]:
        row = fig5_row(bits)
        progress(f"Fig. 5, {bits} bit")
        return row

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, widths))


def _cnv(rows: Sequence[Row], results: Path, bits: int, quick: bool, progress: Progress) -> dict[str, Any]:
    def measure(layers: Sequence[comparison.Layer]) -> list[Row]:
        return [] if quick else comparison.compare(layers, progress=progress)

    found, lacking = cnv_rows(rows, bits, measure)
    network = results / "networks" / f"cnvW{bits}A{bits}.json"
    whole = network_totals(network) if network.exists() else {}
    power = results / f"power-cnv-w{bits}a{bits}.json"
    return {
        "layers": [row.as_dict() for row in found],
        "lacking": lacking,
        "totals": {key: totals(found, key) for key in TABLE3 if key not in ("power", "toggles")}
        | ({"toggles": toggles(power, len(found) + len(lacking))} if power.exists() else {}),
        "whole": {key: whole[key] for key in TABLE3 if key in whole},
        "memory_bits": cnv_memory(bits),
    }


def _both(finn: int, imec: int) -> tuple[str, str, str]:
    return number_text(finn), number_text(imec), ratio_text(imec / finn) if finn else "-"


def _tables(result: Mapping[str, Any]) -> list[Table]:
    lowering = [name for name in ALGORITHMS if f"{name}_bytes" in result["mec_memory"][0]]
    lutram = PUBLISHED["fig5"]["lutram"]
    tables = [
        Table(
            "Lowering memory on MEC's layers, kB at 4 B per element (times below im2col)",
            ("layer", *lowering),
            tuple(
                (row["layer"],)
                + tuple(f"{row[f'{n}_bytes'] / 1000:,.0f} ({row[f'{n}_ratio']:.1f})" for n in lowering)
                for row in result["mec_memory"]
            ),
            "im2col and MEC by the published formulas; imec_gather is what IMECConv's line buffer holds.",
        ),
        Table(
            "Fig. 5: LUTs used as memory by activation width, i_w=7, k=3, c=1",
            ("bits", "published FINN", "published IMEC", "ratio", "SWG today", "replay today",
             "all of FINN's pair", "IMECConv", "IMECConv / SWG", "IMECConv / SWG + replay"),
            tuple(
                (
                    str(row["act_bits"]),
                    *_both(*lutram[str(row["act_bits"])]),
                    *(number_text(row[key]) for key in ("swg", "replay", "pair", "imec")),
                    ratio_text(row["imec"] / row["swg"]),
                    ratio_text(row["imec"] / (row["swg"] + row["replay"])),
                )
                for row in result["fig5"]
            ),
            f"Published: {PUBLISHED['fig5']['source']}. Memories this small take whole RAM32M primitives, "
            "four LUTs for six bits.",
        ),
        _fig4_published(),
    ]  # fmt: skip
    for bits, cnv in result["cnv"].items():
        tables += [_memory_table(bits, cnv["memory_bits"]), *_cnv_tables(bits, cnv)]
    return tables


def _fig4_published() -> Table:
    lut, lutram = PUBLISHED["fig4"]["lut"], PUBLISHED["fig4"]["lutram"]
    lines = [
        (str(i), *_both(*a), *_both(*b)) for i, (a, b) in enumerate(zip(lut, lutram), start=1)
    ]  # fmt: skip
    sums = (tuple(map(sum, zip(*pairs))) for pairs in (lut, lutram))
    return Table(
        "Fig. 4 as published: convolution layers of the 1-bit CNV",
        ("layer", "LUT FINN", "LUT IMEC", "ratio", "LUTRAM FINN", "LUTRAM IMEC", "ratio"),
        (*lines, ("sum", *(text for pair in sums for text in _both(*pair)))),
    )


def _memory_table(bits: str, lines: Sequence[Mapping[str, Any]]) -> Table:
    keys = ("hls_swg", "rtl_swg", "replay", "strip")
    total = {"layer": "sum"} | {key: sum(line[key] for line in lines) for key in keys}
    return Table(
        f"Activation memory of the {bits}-bit CNV's convolutions, bits by formula",
        ("layer", "SWG of 2019 (HLS)", "SWG today (RTL)", "replay buffer today", "IMECConv's line buffer",
         "IMECConv / SWG of 2019", "IMECConv / SWG today", "IMECConv / both today"),
        tuple(
            (
                line["layer"],
                *(number_text(line[key]) for key in keys),
                *(
                    ratio_text(line["strip"] / whole)
                    for whole in (line["hls_swg"], line["rtl_swg"], line["rtl_swg"] + line["replay"])
                ),
            )
            for line in (*lines, total)
        ),
        f"The paper claims {PUBLISHED['claims']['memory']:+.0%} of memory, compared with FINN's buffer in "
        "the first column.",
    )  # fmt: skip


def _cnv_tables(bits: str, cnv: Mapping[str, Any]) -> list[Table]:
    titles = {"lut": "LUT", "memory": "LUTs as memory", "ff": "FF"}
    columns = [f"{title} {side}" for title in titles.values() for side in ("FINN", "IMECConv", "ratio")]
    lacking = f"Not measured: {', '.join(cnv['lacking'])}." if cnv["lacking"] else ""
    per_layer = Table(
        f"Fig. 4 today: convolutions of the {bits}-bit CNV",
        ("layer", *columns),
        tuple(
            (row["layer"], *(t for k in titles for t in _both(row["finn"][k], row["imec"][k])))
            for row in cnv["layers"]
        ),
        lacking,
    )
    published = PUBLISHED["table3"][bits]
    convolutions = {} if lacking else cnv["totals"]
    dash = ("-",) * 3
    whole = Table(
        f"Table III: {bits}-bit CNV, published beside the whole network and its six convolutions today",
        ("", "published FINN", "published IMEC", "ratio", "FINN today", "IMECConv", "ratio",
         "FINN's convolutions", "IMECConv's", "ratio"),
        tuple(
            (
                name,
                *(_published(published[key]) if key in published else dash),
                *(_both(*cnv["whole"][key]) if key in cnv["whole"] else dash),
                *(_both(*convolutions[key]) if key in convolutions else dash),
            )
            for key, name in TABLE3.items()
        ),
        lacking,
    )  # fmt: skip
    return [per_layer, whole] if cnv["layers"] else [whole]


def _published(pair: tuple[float, float]) -> tuple[str, str, str]:
    return f"{pair[0]:,}", f"{pair[1]:,}", ratio_text(pair[1] / pair[0])


def _markdown(tables: Sequence[Table], figures: Sequence[str], differences: Sequence[str]) -> str:
    parts = [
        "# The IMEC paper, measured again",
        f"Published figures: DOI {PUBLISHED['doi']}. Ratios are IMEC over FINN.",
        "\n".join(f"- {line}" for line in differences),
        *(table.markdown() for table in tables),
        *(f"![{name}]({name}.svg)" for name in figures),
    ]
    return "\n\n".join(parts) + "\n"


# ---- figures ------------------------------------------------------------------------------------


def _figures(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Write each figure as PNG and SVG; their names."""
    drawn = {
        "mec_memory": (_draw_memory, result["mec_memory"]),
        "fig5": (_draw_fig5, result["fig5"]),
    }
    for bits, cnv in result["cnv"].items():
        if cnv["layers"]:
            drawn[f"cnv_{bits}bit"] = _draw_cnv, {"bits": bits, **cnv}
    for name, (draw, data) in drawn.items():
        with figure(9, 4) as fig:
            draw(fig.subplots(), data)
            for suffix, options in (("png", {"dpi": 130}), ("svg", {"metadata": {"Date": None}})):
                fig.savefig(folder / f"{name}.{suffix}", **options)
    return list(drawn)


def _draw_memory(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    lines = {"im2col": GRAY, "mec": LIGHT, "imec_gather": BLUE}
    for shift, (name, color) in enumerate(lines.items()):
        at = [i + 0.27 * (shift - 1) for i in range(len(rows))]
        axes.bar(at, [row[f"{name}_bytes"] / 1000 for row in rows], 0.26, color=color, label=name)
    axes.set_xticks(range(len(rows)), [row["layer"] for row in rows])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_ylabel("lowering memory, kB")
    axes.legend(frameon=False, ncols=3, loc="upper right")


def _draw_fig5(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    bits = [row["act_bits"] for row in rows]
    published = [PUBLISHED["fig5"]["lutram"][str(b)] for b in bits]
    axes.plot(bits, [p[0] for p in published], "o--", color=GRAY, label="published, FINN 2019")
    axes.plot(bits, [p[1] for p in published], "o--", color=BLUE, label="published, IMEC")
    both = [row["swg"] + row["replay"] for row in rows]
    axes.plot(bits, both, "s-", color=LIGHT, label="FINN today, SWG + replay")
    hollow = {"fillstyle": "none", "markersize": 11}
    axes.plot(bits, [row["swg"] for row in rows], "s-", color=GRAY, label="FINN today, SWG", **hollow)
    axes.plot(bits, [row["imec"] for row in rows], "s-", color=BLUE, label="IMECConv")
    axes.set_xticks(bits)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("activation bits")
    axes.set_ylabel("LUTs used as memory")
    axes.legend(frameon=False)


def _draw_cnv(axes: Any, cnv: Mapping[str, Any]) -> None:
    rows = cnv["layers"]
    for shift, side, color, name in (
        (-0.2, "finn", GRAY, "FINN today"),
        (0.2, "imec", BLUE, "IMECConv"),
    ):
        at = [i + shift for i in range(len(rows))]
        bars = axes.bar(at, [row[side]["lut"] for row in rows], 0.38, color=color, label=name)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
    axes.set_xticks(range(len(rows)), [row["layer"] for row in rows])
    axes.set_ylabel("LUT")
    wholes = {"published": PUBLISHED["table3"][cnv["bits"]]["lut"], "today": cnv["whole"].get("lut")}
    ratios = [f"{name} {ratio_text(both[1] / both[0])}" for name, both in wholes.items() if both]
    axes.set_title(f"{cnv['bits']}-bit CNV; whole network, IMEC / FINN: {', '.join(ratios)}")
    axes.legend(frameon=False)
