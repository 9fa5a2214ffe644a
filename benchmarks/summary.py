"""docs/results.md: every table from the files in benchmarks/results, or in --results.

    python benchmarks/summary.py > docs/results.md
    python benchmarks/summary.py --picture docs/assets/ratios.png > docs/results.md

LAYERS-CORE-BITSbit.json are of `finn-imec compare --json`, those in variants/ with FINN's compressor
tree or with weights of their whole range. demo.json is of `finn-imec demo --json`, throughput.json and
power-FOLDING.json are of throughput.py and power.py, routed.json of routed.py, networks/NAME.json of
networks.py or, if the name is that of a trained CNV, partition.py, all with --json.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from networks import FIFO_DEPTH, added
from pages import markdown
from throughput import summary as throughput_summary

from finn_imec.layer.core import Core, Operand
from finn_imec.layer.packing import DSP_BLOCKS, finn_slices
from finn_imec.report.chart import ratio_chart
from finn_imec.report.table import TITLES, number_text, ratio_text
from finn_imec.synthesis.layer_sets import CNV_FOLDS, cnv_layers
from finn_imec.synthesis.rows import Row, geometric_means
from finn_imec.util.templates import render

RESULTS = Path(__file__).parent / "results"
TABLE = {
    **{key: TITLES[key] for key in ("lut", "lut_paired", "memory")},
    "ff_own": "FF",
    **{key: TITLES[key] for key in ("bram18", "dsp")},
    "period_ns": "period",
    "cycles": "cycles",
    "activation_lut": "LUT of thresholds",
    "surround_lut": "LUT around MACs",
    "surround_ff": "FF around MACs",
}
PICTURE = ("lut", "memory", "ff_own", "bram18", "period_ns", "cycles")
SIMULATED = {
    "cycles_per_frame": "cycles per frame",
    "latency": "latency",
    "fifo_words": "words in FIFOs",
}
COUNTED = ("lut", "lut_paired", "memory", "ff", "bram18", "dsp")

#: Groups over which a network's nodes are summed.
PARTS = ("all", "convolutions", "FIFOs", "other nodes")

Figures = dict[str, Any]
Means = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Results:
    """Measurements, JSON files in a folder."""

    folder: Path

    def load(self, name: str) -> Any:
        """NAME.json."""
        return json.loads((self.folder / f"{name}.json").read_text())

    def rows(self, name: str) -> list[Row]:
        """The comparison in NAME.json."""
        return [Row.from_dict(row) for row in self.load(name)]

    def comparisons(self, clock: str = "", kind: str = "") -> dict[str, list[Row]]:
        """Rows of each comparison of CNV's layers, by folding, width and MAC core.

        clock: end of the files' names, "-10ns" for those at 10 ns instead of 5, "-xczu7ev" for that part.
        kind: their start, "compressor-" for FINN's side with its tree, "full-range-" for weights
        of their whole range.
        """
        tables, of = {}, "variants" if kind else "."
        for path in (self.folder / of).glob(f"{kind}cnv-*bit{clock}.json"):
            folding, core, bits = path.stem.removesuffix(clock).removeprefix(kind).rsplit("-", 2)
            tables[folding, core != "lut", int(bits.removesuffix("bit")), core] = path.stem
        return {
            f"{folding}, {bits} bit{'s' * (bits > 1)}, {core}": self.rows(f"{of}/{stem}")
            for (folding, _, bits, core), stem in sorted(tables.items())
        }

    def means(self, clock: str = "", kind: str = "") -> Means:
        """Geometric means of the ratios of each of comparisons()."""
        return {name: geometric_means(rows) for name, rows in self.comparisons(clock, kind).items()}

    def worst(self) -> dict[str, str]:
        """Of each comparison, IMECConv's longest path: layer, period, from and to what."""
        found = {}
        for name, rows in self.comparisons().items():
            row = max(rows, key=lambda row: row.imec.period_ns or 0)
            steps = [line.split() for line in row.imec.path.splitlines()]
            ends = f"{steps[0][2]} to {steps[-1][2]}" if steps else "-"
            found[name] = f"{row.layer}, {row.imec.period_ns:.2f} ns: {ends}"
        return found

    def networks(self) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
        """Of each network {side: {part: {figure: number}}}.

        part "network" has SIMULATED; PARTS have COUNTED, where Yosys was asked for.
        """
        found = {}
        for path in sorted((self.folder / "networks").glob("*.json")):
            rows = self.load(f"networks/{path.stem}")
            sides = _of_network(rows[0]) if "network" in rows[0] else _of_cnv(rows)
            found[path.stem] = {side: _parts(*parts) for side, parts in sides.items()}
        return found

    def refolded(self) -> str:
        """The number of pairs that the swap refolded, for each network with any."""
        counts = []
        for path in sorted((self.folder / "networks").glob("*.json")):
            pairs = [p for p in self.load(f"networks/{path.stem}")[0].get("pairs", ()) if p["imecconv"]]
            if count := sum(pair["refolded"] for pair in pairs):
                counts.append(f"{count} of {len(pairs)} pairs of {path.stem}")
        return ", ".join(counts) or "none"

    def page(self) -> str:
        """docs/results.md."""
        counted = {key: TITLES[key] for key in COUNTED}
        comparisons, networks = self.comparisons(), self.networks()
        most_cycles = max(row.ratio["cycles"] for rows in comparisons.values() for row in rows)
        rows = [row for table in comparisons.values() for row in table]
        clocks = sorted({row.clock_ns for row in rows if row.clock_ns})
        routed = self.load("routed")
        power = [
            row for path in sorted(self.folder.glob("power-*.json")) for row in self.load(path.stem)["rows"]
        ]
        return render(
            Path(__file__).with_name("results.md.j2"),
            nodes="both with thresholds" if all(row.steps for row in rows) else "both without thresholds",
            clock=" or ".join(f"{ns:g} ns" for ns in clocks),
            means=means_table(self.means()),
            means_10=means_table(self.means("-10ns")),
            compressor=means_table(self.means(kind="compressor-")),
            full_range=means_table(
                {
                    f"{name}, {core}": means
                    for core, kind in (("former core", "full-range-"), ("tree", "compressor-full-range-"))
                    for name, means in self.means(kind=kind).items()
                }
            ),
            activation=activation_table(self.load("activation")),
            routed=routed_table([Row.from_dict(row) for row in routed["rows"]]),
            agreement=routed["summary"],
            slices=slices_table(),
            ultrascale={name: layer_table(rows) for name, rows in self.comparisons("-xczu7ev").items()},
            cells=len(rows),
            met=sum(not row.misses_clock("imec") for row in rows),
            slower=sum((row.ratio["period_ns"] or 0) > 1 for row in rows),
            more_blocks=[
                f"{name} {row.layer.split()[-1]} {row.imec.bram18} for {row.finn.bram18}"
                for name, table in comparisons.items()
                for row in table
                if row.imec.bram18 > row.finn.bram18
            ],
            worst=self.worst(),
            most_cycles=f"{math.ceil(most_cycles * 1000) / 1000:.3f}",
            layers={name: layer_table(rows) for name, rows in comparisons.items()},
            padded=layer_table(self.rows("padded-auto-4bit")),
            demo=layer_table([Row.from_dict(row) for row in self.load("demo")["comparison"]]),
            throughput=throughput_summary(self.load("throughput")),
            fifo_depth=FIFO_DEPTH,
            refolded=self.refolded(),
            simulated=networks_table(networks, "network", SIMULATED),
            counted={part: networks_table(networks, part, counted) for part in PARTS},
            power=power_table(power),
            photo=self.load("networks/espcn")[0]["photo"],
        )


def _of_network(result: Figures) -> dict[str, tuple[Figures, Figures | None, Figures | None]]:
    """Of networks.py: {side: (simulation, sums of the convolutions, other nodes)}."""
    totals, rest = result.get("resources", {}).get("totals"), result.get("rest", {})
    return {
        side: (
            run,
            totals and {key: both[side] for key, both in totals.items()},
            rest.get(side),
        )
        for side, run in result["partition"].items()
    }


def _of_cnv(rows: list[Figures]) -> dict[str, tuple[Figures, Figures | None, Figures | None]]:
    """Of partition.py, in the same form."""
    return {
        side: (row, row.get("convolutions"), row.get("rest"))
        for side, row in zip(("finn", "imec"), rows, strict=True)
    }


def _parts(run: Figures, convolutions: Figures | None, rest: Figures | None) -> dict[str, dict[str, int]]:
    parts = {"network": {key: run[key] for key in SIMULATED}}
    if convolutions is not None and rest is not None:
        counted = {
            "convolutions": {key: convolutions[key] for key in COUNTED},
            "FIFOs": added(rest, COUNTED, lambda name: "FIFO" in name),
            "other nodes": added(rest, COUNTED, lambda name: "FIFO" not in name),
        }
        counted["all"] = {key: sum(part[key] for part in counted.values()) for key in COUNTED}
        parts |= counted
    return parts


# ---- Markdown ------------------------------------------------------------------------------------


def means_table(means: Means) -> str:
    """A row per comparison; empty without any."""
    rows = [[name, *_ratios(ratios)] for name, ratios in means.items()]
    return markdown(["layers, operands, MAC core", *TABLE.values()], rows) if rows else ""


def activation_table(tables: Mapping[str, Sequence[Figures]]) -> str:
    """A row per table: LUTs of the activation of all layers, both sides, and a layer's greatest ratio."""
    rows = []
    for name, layers in tables.items():
        finn, imec = (sum(layer[side] for layer in layers) for side in ("thresholding_rtl", "activation"))
        worst = max(layers, key=lambda layer: layer["ratio"])
        rows.append(
            [
                name,
                f"{layers[0]['steps']}",
                _both(finn, imec),
                f"{imec / finn:.2f}",
                f"{worst['ratio']:.2f}, {worst['layer'].split(',')[0].split()[-1]}",
            ]
        )
    return markdown(
        ["table", "thresholds", "LUTs, FINN / IMECConv", "ratio", "greatest ratio of a layer"], rows
    )


def routed_table(rows: Sequence[Row]) -> str:
    """A row per layer: both sides' clocks in MHz, modeled for 7-series and routed."""
    cells = []
    for row in rows:
        clocks = [row.finn.routed_mhz, row.imec.routed_mhz]
        modeled = [1000 / side.period_ns for side in (row.finn, row.imec)]
        both = (" / ".join(f"{mhz:.0f}" for mhz in sides) for sides in (modeled, clocks))
        cells.append([row.layer, row.bits, *both, f"{clocks[1] / clocks[0]:.2f}"])
    return markdown(["layer", "bits", "modeled for 7-series", "routed on an ECP5", "ratio"], cells)


def layer_table(rows: Sequence[Row]) -> str:
    """A row per layer, FINN's pair / IMECConv; the geometric means of the ratios last."""
    cells = [
        [
            *(row.layer, row.bits, f"{row.pe} x {row.simd}"),
            *(_both(row.finn[key], row.imec[key]) for key in TABLE),
        ]
        for row in rows
    ]
    cells.append(["mean of ratios", "", "", *_ratios(geometric_means(rows))])
    return markdown(["layer", "bits", "PE x SIMD", *TABLE.values()], cells)


@cache
def slices_table() -> str:
    """A row per folding and width of CNV: DSP slices of FINN's core and of IMECConv on each family."""
    rows = []
    for folding, bits in product(CNV_FOLDS, (4, 8)):
        sums = {name: [0, 0] for name in DSP_BLOCKS}
        for layer in cnv_layers(folding, bits):
            g, types, weights = layer.geometry, (layer.input_datatype, layer.weight_datatype), layer.weights
            operands = [Operand.of(each, layer.name) for each in types]
            narrow = bool(weights.min() > types[1].min())
            for name, block in DSP_BLOCKS.items():
                finn = finn_slices(g.pe, g.simd, operands[0].bits, operands[1].bits, narrow, block)
                packing = Core.of(g, *operands, "dsp", weights=weights, dsp_block=name).packing
                sums[name][0] += finn
                sums[name][1] += packing.slices(g.pe, g.simd) if packing else 0
        rows.append([f"{folding}, {bits} bits", *(_both(*both) for both in sums.values())])
    return markdown(["layers, operands", *DSP_BLOCKS], rows)


def networks_table(networks: dict[str, Figures], part: str, titles: dict[str, str]) -> str:
    """A row per network that has this part, FINN's pairs / IMECConv."""
    rows = [
        [name, *(_both(sides["finn"][part][key], sides["imec"][part][key]) for key in titles)]
        for name, sides in networks.items()
        if part in sides["finn"]
    ]
    return markdown(["FINN's pairs / IMECConv", *titles.values()], rows)


def power_table(rows: Sequence[Figures]) -> str:
    """A row per layer: toggles of signals in a frame."""
    cells = [
        [
            *(row["layer"], row["bits"]),
            *(number_text(row[side]["toggles"]) for side in ("finn", "imec")),
            ratio_text(row["ratio"]),
        ]
        for row in rows
    ]
    return markdown(["layer", "bits", "FINN's pair", "IMECConv", "ratio"], cells)


def _both(finn: float | None, imec: float | None) -> str:
    return " / ".join(f"{n:.2f}" if isinstance(n, float) else number_text(n) for n in (finn, imec))


def _ratios(ratios: dict[str, float | None]) -> list[str]:
    """Cells in TABLE's order; cycles with a digit more."""
    return [ratio_text(ratios[key]) if key != "cycles" else f"{ratios[key]:.3f}" for key in TABLE]


def main(
    results: Annotated[Path, typer.Option(help="Where the measurements are.")] = RESULTS,
    picture: Annotated[Path | None, typer.Option(help="Where to draw the means.")] = None,
) -> None:
    """Print the page; draw the picture."""
    measured = Results(results)
    print(measured.page(), end="")
    if picture:
        ratio_chart(measured.means(), {key: TABLE[key] for key in PICTURE}, picture)


if __name__ == "__main__":
    typer.run(main)
