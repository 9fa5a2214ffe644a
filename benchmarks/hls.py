"""CNV with every convolution as IMECConv_hls in cppsim: exact logits, compile and wall times.

    python benchmarks/hls.py CNV.npz images.npz [--json]

Prints, per convolution, the seconds to generate and to compile its simulation program (empty cache)
and the seconds it takes per photo, and for the network how many photos have exactly the expected
logits and the wall time of one. Exit code 1 if a logit differs.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from finn_imec.synthesis.stamp import code_digest


def seconds(function, *arguments):
    """(seconds, result) of a call."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(network: Path, images: Path) -> dict:
    """All figures, as the command's --json prints them."""
    from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
    from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.custom_op.registry import getCustomOp

    from finn_imec.cli.models import load_model
    from finn_imec.compat.finn import finn_build_dir
    from finn_imec.custom_op.imecconv_hls import IMECConv_hls
    from finn_imec.networks import cnv
    from finn_imec.transformation.infer_imec_conv import swap_pairs

    model = swap_pairs(load_model(network))
    nodes = [node for node in model.graph.node if node.op_type == "IMECConv"]
    for node in nodes:
        node.op_type, node.domain = "IMECConv_hls", "finn.custom_op.fpgadataflow.hls"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FINN_IMEC_CACHE"] = f"{folder}/cache"
        (Path(folder) / "build").mkdir()
        with finn_build_dir(Path(folder) / "build"):
            generate, model = seconds(lambda m: m.transform(PrepareCppSim()), model)
            nodes = [node for node in model.graph.node if node.op_type == "IMECConv_hls"]
            rows = [
                {"node": node.name, "compile_s": seconds(getCustomOp(node).compile_singlenode_code)[0]}
                for node in nodes
            ]
            again, model = seconds(lambda m: m.transform(CompileCppSim(num_workers=1)), model)
            model = model.transform(SetExecMode("cppsim"))
        photos = cnv.load_images(images)
        times, spent = [], {row["node"]: 0.0 for row in rows}
        execute = IMECConv_hls.execute_node

        def timed(self, context, graph):
            spent[self.onnx_node.name] += seconds(execute, self, context, graph)[0]

        IMECConv_hls.execute_node = timed
        outputs, source = [], model.graph.input[0].name
        for photo in cnv.quantize_images(photos.images):
            elapsed, result = seconds(execute_onnx, model, {source: photo[None].astype(np.float32)})
            times.append(elapsed)
            outputs.append(result[model.graph.output[0].name][0])
        IMECConv_hls.execute_node = execute
    exact = (cnv.class_logits(np.stack(outputs)) == photos.logits[network.stem]).all(axis=1)
    for row in rows:
        row["seconds_per_photo"] = spent[row["node"]] / len(times)
    return {
        "network": network.stem,
        "generate_s": generate,
        "compile_again_s": again,
        "nodes": rows,
        "code": code_digest(),
        "photos": len(times),
        "logits_exact": int(exact.sum()),
        "photo_s": float(np.mean(times)),
    }


def main(network: Path, images: Path, as_json: bool = typer.Option(False, "--json")) -> None:
    result = measure(network, images)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        table = Table("node", "compile, s", "s per photo", title=result["network"])
        for row in result["nodes"]:
            table.add_row(row["node"], f"{row['compile_s']:.1f}", f"{row['seconds_per_photo']:.2f}")
        console = Console()
        console.print(table)
        console.print(
            f"{result['logits_exact']} of {result['photos']} photos with exactly the expected logits, "
            f"{result['photo_s']:.2f} s each; sources generated in {result['generate_s']:.1f} s, compiled "
            f"again from the cache in {result['compile_again_s']:.1f} s"
        )
    if result["logits_exact"] != result["photos"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
