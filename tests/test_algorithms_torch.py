"""The convolution algorithms on PyTorch tensors, the Triton kernel in its interpreter, what is measured."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import geometries

pytest.importorskip("torch", reason="needs pip install 'finn-imec[torch]'")

import torch

from finn_imec.algorithms import ALGORITHMS as NUMPY_ALGORITHMS
from finn_imec.algorithms import timing, timing_report
from finn_imec.algorithms.mec_benchmark import LAYERS
from finn_imec.algorithms.torch_backend import (
    ALGORITHMS,
    TOLERANCES,
    convolve,
    pack_weights,
    unpack_weights,
)
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, MissingToolError, UnsupportedError

ROOT = Path(__file__).parents[1]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
each_algorithm = pytest.mark.parametrize("name", ALGORITHMS)
each_type = pytest.mark.parametrize("dtype", TOLERANCES)

#: Not square in anything, padded on one side more than on the other.
LAYER = ConvGeometry((2, 3), (12, 14), 4, 6, (1, 2), (3, 1), padding=(1, 0, 2, 3))


def conv2d(ifm, weight, geometry: ConvGeometry, groups: int = 1):
    """torch's own, on NCHW, in float64: (N, OH, OW, M)."""
    top, left, bottom, right = geometry.padding
    image = torch.nn.functional.pad(ifm.double().permute(0, 3, 1, 2), (left, right, top, bottom))
    return torch.nn.functional.conv2d(
        image, weight.double(), None, geometry.stride, 0, geometry.dilation, groups
    ).permute(0, 2, 3, 1)


def assert_close(ofm, expected, dtype: str, note: object) -> None:
    assert ofm.shape == expected.shape, note
    assert ofm.dtype == (torch.int32 if dtype == "int8" else getattr(torch, dtype)), note
    if dtype == "int8":
        assert torch.equal(ofm.double(), expected), note
    else:
        assert timing.difference(ofm, expected) <= TOLERANCES[dtype], note


@settings(max_examples=60, deadline=None)
@given(
    geometry=geometries(with_depthwise=True, with_padding=True),
    groups=st.sampled_from([1, 2, 3]),
    batch=st.integers(1, 3),
    dtype=st.sampled_from(list(TOLERANCES)),
    seed=st.integers(0, 2**31),
)
def test_all_algorithms_equal_conv2d(geometry, groups, batch, dtype, seed):
    if geometry.depthwise:
        groups = 1
    else:
        channels = geometry.ifm_channels * groups, geometry.ofm_channels * groups
        geometry = replace(
            geometry, ifm_channels=channels[0], ofm_channels=channels[1], simd=1, pe=1, simd_in=0
        )
    ifm, weights = timing.operands(geometry, batch, dtype, "cpu", groups, seed)
    of = geometry.ifm_channels if geometry.depthwise else groups
    expected = conv2d(ifm, unpack_weights(weights, geometry), geometry, of)
    for name in ALGORITHMS:
        ofm = convolve(name, ifm, weights, geometry, groups)
        assert_close(ofm, expected, dtype, (name, geometry))


@pytest.mark.parametrize("device", DEVICES)
@each_type
@each_algorithm
def test_a_layer_of_the_benchmark(name, dtype, device):
    result = timing.measure(name, LAYERS["cv12"], device=device, dtype=dtype, seconds=0.01)
    assert result.get("correct", "unsupported" in result), result
    assert device == "cuda" or "unsupported" not in result


def test_sums_are_those_of_the_numpy_algorithms():
    geometry = ConvGeometry((3, 2), (9, 8), 3, 5, (2, 1), (1, 2))
    ifm, weights = timing.operands(geometry, 2, "int8", "cpu")
    for name in ALGORITHMS:
        expected = NUMPY_ALGORITHMS[name](ifm.numpy(), weights.numpy(), geometry).ofm
        assert (convolve(name, ifm, weights, geometry).numpy() == expected).all()


def test_weights_are_packed_and_unpacked():
    weight = torch.arange(6 * 2 * 3 * 4).reshape(6, 2, 3, 4)
    geometry = ConvGeometry((3, 4), (5, 5), 4, 6)
    packed = pack_weights(weight)
    assert packed.shape == (3 * 4 * 2, 6)
    assert packed[(1 * 4 + 2) * 2 + 1, 5] == weight[5, 1, 1, 2]
    assert torch.equal(unpack_weights(packed, geometry), weight)


# ---- memory and time ------------------------------------------------------------------------------


@each_algorithm
@pytest.mark.parametrize("groups", [1, 2])
def test_allocated_is_what_the_formula_says(name, groups):
    """Not a byte more, padded, dilated, batched and grouped as well."""
    result = timing.measure(name, LAYER, batch=3, groups=groups, seconds=0.01)
    assert result["lowering_bytes"] == result["allocated_bytes"] == result["formula_bytes"]
    assert result["correct"]


def test_formulas_are_those_of_numpy():
    geometry = ConvGeometry((2, 3), (12, 14), 4, 6, (1, 2), (3, 1))
    for name in ("im2col", "mec", "imec_row"):
        expected = NUMPY_ALGORITHMS[name].lowering_elements(geometry)
        assert ALGORITHMS[name].lowering_elements(geometry, 1) == expected
    assert ALGORITHMS["imec_gather"].lowering_elements(geometry, 1) == 4 * 14 * 4


def test_peak_sees_what_is_freed_again():
    def call():
        torch.empty(1000, dtype=torch.float32)
        return torch.empty(10, dtype=torch.float32)

    result, peak = timing.peak_bytes(call, "cpu")
    assert result.shape == (10,)
    assert peak == {"requested": 4000, "allocated": 4000}


def test_the_library_is_measured_as_it_is():
    for name in (timing.LIBRARY, timing.PLANAR):
        result = timing.measure(name, LAYER, batch=2, groups=2, seconds=0.01)
        assert result["correct"] and result["formula_bytes"] is None
    with timing._as_exact_as_float32():
        assert torch.backends.cudnn.enabled and not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert "no int32 sums" in timing.measure("library", LAYER, dtype="int8")["unsupported"]


def test_milliseconds_are_those_of_a_call():
    import time

    times = timing.milliseconds(lambda: time.sleep(0.02), "cpu", seconds=0.05)
    assert len(times) == timing.FEWEST and times == sorted(times)
    assert 20 <= times[0] < 200


@pytest.mark.parametrize("name", ["direct", "im2col", "library"])
def test_largest_image_fits_and_a_larger_one_does_not(name):
    geometry, memory = ConvGeometry((3, 3), (9, 9), 4, 8), 200_000
    found = timing.largest_image(name, geometry, memory)
    assert found["peak_bytes"] <= memory < timing.largest_image(name, geometry, memory + 40_000)["peak_bytes"]
    if name == "im2col":

        def total(size):
            windows = (size - 2) ** 2
            return 4 * (4 * size**2 + 36 * 8 + 8 * windows + 36 * windows)

        assert found["peak_bytes"] == total(found["size"])
        assert total(found["size"] + 1) > memory


@pytest.mark.parametrize(("limit", "guess"), [(1, 1), (5, 2), (77, 500), (0, 3), (64, 64)])
def test_last(limit, guess):
    assert timing._last(lambda size: size <= limit, 1, guess) == limit


# ---- bad input ------------------------------------------------------------------------------------


def test_what_is_refused():
    ifm, weights = timing.operands(LAYER, 1, "float32", "cpu")
    with pytest.raises(UnsupportedError, match="algorithm='fft': accepted are direct, im2col, mec"):
        convolve("fft", ifm, weights, LAYER)
    with pytest.raises(GeometryError, match=r"ifm has shape .*expected \(N, H, W, C\) = \(N, 9, 11, 4\)"):
        convolve("mec", ifm[:, 1:], weights, LAYER)
    with pytest.raises(GeometryError, match=r"weights have shape \(24, 5\).*= \(24, 6\)"):
        convolve("mec", ifm, weights[:, 1:], LAYER)
    with pytest.raises(UnsupportedError, match=r"weights torch.int32: accepted is one of float32"):
        convolve("mec", ifm, weights.int(), LAYER)
    with pytest.raises(GeometryError, match="groups=3 does not divide ifm_channels=4"):
        convolve("mec", ifm, weights, LAYER, groups=3)
    with pytest.raises(UnsupportedError, match="dtype='float8': accepted are float32"):
        timing.measure("mec", LAYER, dtype="float8")
    with pytest.raises(UnsupportedError, match="device='tpu': accepted are cpu, cuda"):
        timing.measure("mec", LAYER, device="tpu")
    with pytest.raises(GeometryError, match="batch=0: must be at least 1"):
        timing.measure("mec", LAYER, batch=0)
    depthwise = ConvGeometry((3, 3), (5, 5), 4, 4, depthwise=True)
    with pytest.raises(GeometryError, match="groups=2 with depthwise=True"):
        timing.measure("mec", depthwise, groups=2)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingToolError, match=r"'torch' is not installed.*finn-imec\[torch\]"):
        timing.measure("mec", LAYER)


# ---- Triton ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def triton_kernel():
    pytest.importorskip("triton", reason="comes with PyTorch on Linux")
    from finn_imec.algorithms import triton_kernel

    return triton_kernel


#: (geometry, groups): small layers that reach every branch of the kernel.
KERNEL_LAYERS = {
    "padded": (ConvGeometry((3, 3), (9, 21), 5, 7, padding=(1, 2, 0, 1)), 1),
    "strided-dilated": (ConvGeometry((2, 3), (9, 42), 3, 40, (2, 2), (3, 2)), 1),
    "many-channels": (ConvGeometry((2, 2), (4, 10), 35, 33), 1),
    "grouped": (ConvGeometry((3, 3), (6, 18), 8, 6, padding=(1, 1, 1, 1)), 2),
    "depthwise": (ConvGeometry((3, 3), (6, 9), 3, 3, depthwise=True), 1),
    "pointwise": (ConvGeometry((1, 1), (3, 17), 4, 5, (2, 1)), 1),
    "cv3-small": (ConvGeometry((7, 7), (13, 21), 3, 64, (2, 2)), 1),
}


@pytest.mark.slow  # in the interpreter
@each_type
@pytest.mark.parametrize("layer", KERNEL_LAYERS)
def test_kernel_equals_conv2d(triton_kernel, layer, dtype):
    """One tile by kernel rows, one with the whole strip of several output rows; windows from both."""
    geometry, groups = KERNEL_LAYERS[layer]
    ifm, weights = timing.operands(geometry, 2, dtype, "cpu", groups)
    of = geometry.ifm_channels if geometry.depthwise else groups
    expected = conv2d(ifm, unpack_weights(weights, geometry), geometry, of)
    tiles = triton_kernel.TILES[0], triton_kernel.Tile(4, 8, 32, 64, 32, whole=True)
    for windows in triton_kernel.WINDOWS:
        for tile in tiles:
            ofm = triton_kernel.convolve(ifm, weights, geometry, groups, windows, tile)
            assert_close(ofm, expected, dtype, (windows, tile))


def test_kernel_allocates_the_output_only(triton_kernel):
    ifm, weights = timing.operands(LAYER, 1, "float32", "cpu")
    ofm, peak = timing.peak_bytes(lambda: triton_kernel.convolve(ifm, weights, LAYER), "cpu")
    assert peak["requested"] == ofm.numel() * 4


def test_kernel_without_gpu_is_interpreted_and_says_what_it_refuses(triton_kernel):
    ifm, weights = timing.operands(LAYER, 1, "float32", "cpu")
    with pytest.raises(UnsupportedError, match="windows='registers': accepted are strip, cache"):
        triton_kernel.convolve(ifm, weights, LAYER, windows="registers")
    wide = ConvGeometry((1, 3), (1, 5000), 64, 8, dilation=(1, 2400))
    with pytest.raises(UnsupportedError, match=r"the least strip has \d+ B; accepted are 65536"):
        triton_kernel.tiles(wide, 1, 4)
    assert triton_kernel.tiles(wide, 1, 4, "cache")


def test_a_wrong_or_unfinished_tile_is_seen(triton_kernel):
    ofm, expected = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 3.0]]).double()

    def writes(*values):
        return lambda tile: [ofm[at].fill_(value) for at, value in values]

    tile = triton_kernel.TILES[0]
    right = [((slice(None), k), k + 1) for k in range(3)]
    assert triton_kernel.is_right(writes(*right), tile, ofm, expected)
    assert not triton_kernel.is_right(writes(*right, ((0, 0), 1.01)), tile, ofm, expected)
    assert not triton_kernel.is_right(writes(*right[:2]), tile, ofm, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@each_type
def test_kernel_on_a_gpu(triton_kernel, dtype):
    for layer in ("cv3", "cv10"):
        for name in (timing.TRITON, timing.CACHED):
            result = timing.measure(name, LAYERS[layer], device="cuda", dtype=dtype, seconds=0.01)
            assert result["correct"] and result["lowering_bytes"] == 0


# ---- command line, results, documentation ---------------------------------------------------------


def finn_imec(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "finn_imec", "algorithms", *arguments],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip


def test_command_measures_and_draws(tmp_path):
    pytest.importorskip("matplotlib")
    chart = tmp_path / "chart.png"
    run = finn_imec(
        "--backend", "torch", "--geometry", "9,8,4,6,3,3,1,1,1,1,1,1,1,1", "--groups", "2",
        "--dtype", "int8", "--batch", "2", "--chart", str(chart), "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["environment"]["torch"] == torch.__version__
    (layer,) = result["layers"]
    assert (layer["dtype"], layer["batch"], layer["groups"]) == ("int8", 2, 2)
    by_name = {each["algorithm"]: each for each in layer["results"]}
    assert by_name["mec"]["correct"] and by_name["mec"]["milliseconds"] > 0
    assert "unsupported" in by_name["library"]
    assert chart.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--backend", "jax"], 2, "accepted are numpy, torch"),
        (["--batch", "2"], 2, "--batch is used only with --backend torch"),
        (["--backend", "torch", "--dtype", "int4"], 1, "dtype='int4': accepted are float32"),
        (["--backend", "torch", "--chart", "x.doc"], 2, "in .png and .svg"),
        (["--backend", "torch", "--device", "tpu"], 1, "device='tpu': accepted are cpu, cuda"),
    ],
)
def test_command_refuses(arguments, code, message):
    run = finn_imec("--layer", "cv12", *arguments)
    assert run.returncode == code and message in " ".join(run.stderr.replace("│", "").split())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_command_without_gpu_says_so():
    run = finn_imec("--backend", "torch", "--device", "cuda", "--layer", "cv12")
    assert run.returncode == 1 and "PyTorch finds no GPU here" in run.stderr
    assert not run.stdout


def test_a_wrong_result_is_named():
    row = {"algorithm": "mec", "correct": False, "difference": 1.0, "lowering_bytes": 1}
    row |= {"milliseconds": 1.0, "device_milliseconds": None, "fastest": 1.0}
    layer = {"layer": "cv9", "groups": 1, "geometry": LAYERS["cv9"].__dict__, "results": [row]}
    result = {"layers": [layer]}
    assert timing_report.wrong(result) == ["cv9 mec"]
    assert timing_report.table(result)[0][2] == [["cv9", "6,718", "2,322", "wrong"]]


RESULTS = ROOT / "benchmarks" / "results" / "algorithms"


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_results_are_whole(path):
    """All layers, memory by the formula in float32, and which device and code it was."""
    result = json.loads(path.read_text())
    assert [row["layer"] for row in result["layers"]] == list(LAYERS)
    assert {"device", "torch", "triton", "code"} <= result["environment"].keys()
    assert path.stem == f"{result['device']}-{result['dtype']}-{result['batch']}"
    for row in result["layers"]:
        assert ConvGeometry(**row["geometry"]) == LAYERS[row["layer"]]
        assert [each["algorithm"] for each in row["results"]] == timing.names(result["device"])
        for each in row["results"]:
            if "unsupported" not in each:
                assert each["correct"] == (each["difference"] <= TOLERANCES[result["dtype"]])
                if result["dtype"] == "float32" and each["formula_bytes"] is not None:
                    assert each["lowering_bytes"] == each["formula_bytes"]


def test_the_documentation_tells_these_results():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RESULTS.parents[1]))
        program = runpy.run_path(str(RESULTS.parents[1] / "algorithms.py"))
    assert (ROOT / "docs" / "algorithms.md").read_text() == program["page_text"]()
