"""The numpy convolution algorithms: results, and the memory that they lower into."""

from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import geometries

from finn_imec.algorithms import ALGORITHMS, lowering_elements, run
from finn_imec.algorithms.base import Algorithm, ConvResult
from finn_imec.algorithms.mec_benchmark import LAYERS, memory_table
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, UnsupportedError

each_algorithm = pytest.mark.parametrize("name", ALGORITHMS)

#: Not square in anything.
LAYER = ConvGeometry(
    kernel=(2, 3),
    ifm_dim=(9, 11),
    ifm_channels=4,
    ofm_channels=5,
    stride=(1, 2),
    dilation=(3, 1),
)


def six_loops(ifm: np.ndarray, weights: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """Convolution by definition, on Python's unbounded integers: int64 (N, OH, OW, M)."""
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    channels = geometry.ifm_channels
    oh = len(range(0, geometry.ifm_dim[0] - (kh - 1) * dh, sh))
    ow = len(range(0, geometry.ifm_dim[1] - (kw - 1) * dw, sw))
    x, w = ifm.tolist(), weights.tolist()
    ofm = [
        [
            [
                [
                    sum(
                        x[n][r * sh + i * dh][q * sw + j * dw][c] * w[(i * kw + j) * channels + c][m]
                        for i, j, c in product(range(kh), range(kw), range(channels))
                    )
                    for m in range(geometry.ofm_channels)
                ]
                for q in range(ow)
            ]
            for r in range(oh)
        ]
        for n in range(len(x))
    ]
    return np.array(ofm, np.int64).reshape(len(x), oh, ow, geometry.ofm_channels)


def random_operands(
    geometry: ConvGeometry, batch: int, seed: int, dtype: type = np.int8
) -> tuple[np.ndarray, np.ndarray]:
    """IFM and weights over the whole range of an integer type, as int8 products in a float type."""
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype if np.issubdtype(dtype, np.integer) else np.int8)
    shapes = (batch, *geometry.ifm_dim, geometry.ifm_channels), (geometry.mw, geometry.mh)
    ifm, weights = (rng.integers(info.min, info.max, s, endpoint=True) for s in shapes)
    return ifm.astype(dtype), weights.astype(dtype)


@settings(max_examples=150)
@given(geometry=geometries(), batch=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_all_algorithms_equal_six_loops(geometry, batch, seed):
    ifm, weights = random_operands(geometry, batch, seed)
    expected = six_loops(ifm, weights, geometry)
    for name, algorithm in ALGORITHMS.items():
        result = algorithm(ifm, weights, geometry)
        assert result.ofm.dtype == np.int64, name
        np.testing.assert_array_equal(result.ofm, expected, err_msg=name)
        assert result.lowering_bytes == lowering_elements(name, geometry) * result.element_bytes


@each_algorithm
@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param(ConvGeometry((1, 1), (4, 5), 3, 2), id="pointwise"),
        pytest.param(ConvGeometry((1, 1), (7, 8), 3, 2, (3, 2)), id="pointwise-strided"),
        pytest.param(ConvGeometry((4, 5), (4, 5), 3, 2), id="one-output-pixel"),
        pytest.param(ConvGeometry((2, 5), (7, 5), 3, 2), id="one-output-column"),
        pytest.param(ConvGeometry((1, 5), (1, 12), 3, 2, (1, 2)), id="one-row"),
        pytest.param(ConvGeometry((5, 1), (12, 1), 3, 2, (1, 1), (2, 1)), id="one-column-dilated"),
        pytest.param(ConvGeometry((2, 2), (11, 9), 3, 2, (4, 3)), id="stride-above-kernel"),
        pytest.param(ConvGeometry((2, 2), (15, 15), 1, 2, (9, 9)), id="stride-above-strip"),
        pytest.param(ConvGeometry((3, 2), (12, 9), 3, 2, (2, 1), (2, 3)), id="strided-dilated"),
        pytest.param(ConvGeometry((1, 1), (1, 1), 1, 1), id="one-multiplication"),
    ],
)
def test_corner_geometries(name, geometry):
    ifm, weights = random_operands(geometry, batch=2, seed=3)
    np.testing.assert_array_equal(
        ALGORITHMS[name](ifm, weights, geometry).ofm, six_loops(ifm, weights, geometry)
    )


@each_algorithm
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_accumulator_types(name, dtype):
    """No integer type overflows; floats stay floats of their own width."""
    ifm, weights = random_operands(LAYER, batch=2, seed=0, dtype=dtype)
    if dtype == np.int32:  # sums of two full-range products of this type exceed int64
        weights >>= 8
    ofm = ALGORITHMS[name](ifm, weights, LAYER).ofm
    assert ofm.dtype == (np.int64 if np.issubdtype(dtype, np.integer) else dtype)
    np.testing.assert_array_equal(ofm, six_loops(ifm.astype(int), weights.astype(int), LAYER))


@each_algorithm
def test_fractions_and_mixed_types(name):
    rng = np.random.default_rng(5)
    ifm = rng.normal(size=(2, *LAYER.ifm_dim, LAYER.ifm_channels)).astype(np.float32)
    weights = rng.integers(-9, 9, (LAYER.mw, LAYER.mh), dtype=np.int8)
    ofm = ALGORITHMS[name](ifm, weights, LAYER).ofm
    assert ofm.dtype == np.float32
    expected = ALGORITHMS["direct"](ifm.astype(np.float64), weights, LAYER).ofm
    np.testing.assert_allclose(ofm, expected, rtol=1e-4, atol=1e-4)


def test_lowering_formulas():
    """LAYER has OH, OW = 6, 5 and spans 4 rows."""
    assert LAYER.ofm_dim == (6, 5)
    assert {name: lowering_elements(name, LAYER) for name in ALGORITHMS} == {
        "direct": 0,
        "im2col": 6 * 5 * 2 * 3 * 4,
        "mec": 5 * 9 * 3 * 4,
        "imec_row": 2 * 3 * 5 * 4,
        "imec_gather": (1 * 3 * 11 + 2 * 1 + 1) * 4,
        "imec_scatter": 4 * 5 * 5,
    }


@each_algorithm
def test_allocated_memory_is_the_lowering_memory(name):
    """What Python's allocator saw, less the output, is the lowering and one row's products."""
    geometry = ConvGeometry((3, 3), (20, 60), 64, 64)
    rng = np.random.default_rng(0)
    ifm = rng.integers(-8, 8, (2, 20, 60, 64))
    weights = np.asfortranarray(rng.integers(-8, 8, (geometry.mw, geometry.mh)))
    ALGORITHMS[name](ifm, weights, geometry)  # what NumPy imports and caches is not counted
    tracemalloc.start()
    try:
        result = ALGORITHMS[name](ifm, weights, geometry)
        allocated = tracemalloc.get_traced_memory()[1] - result.ofm.nbytes
    finally:
        tracemalloc.stop()
    # The slack is below the least lowering memory here, so a second copy of any is seen.
    slack = geometry.ofm_dim[1] * geometry.mh * 8 + 16384
    assert result.lowering_bytes == lowering_elements(name, geometry) * 8
    assert result.lowering_bytes <= allocated <= result.lowering_bytes + slack
    assert name == "direct" or slack < result.lowering_bytes


@settings(max_examples=100)
@given(geometry=geometries(max_kernel=4, max_extra=9))
def test_scatter_holds_no_more_rows_than_are_live(geometry):
    """A row of partial sums lives from the first to the last input row of its windows."""
    (kh, _), (sh, _), (dh, _) = geometry.kernel, geometry.stride, geometry.dilation
    (oh, ow) = geometry.ofm_dim
    lives = [range(m * sh, m * sh + (kh - 1) * dh + 1) for m in range(oh)]
    most = max(sum(y in live for live in lives) for y in range(geometry.ifm_dim[0]))
    assert lowering_elements("imec_scatter", geometry) == most * ow * geometry.mh


@each_algorithm
def test_wrong_shapes_and_types_are_refused(name):
    ifm, weights = random_operands(LAYER, batch=1, seed=0)
    algorithm = ALGORITHMS[name]
    with pytest.raises(GeometryError, match=r"ifm has shape \(9, 11, 4\).*\(N, 9, 11, 4\)"):
        algorithm(ifm[0], weights, LAYER)
    with pytest.raises(GeometryError, match=r"ifm has shape \(1, 8, 11, 4\)"):
        algorithm(ifm[:, 1:], weights, LAYER)
    with pytest.raises(GeometryError, match=r"weights have shape \(5, 24\).*\(24, 5\)"):
        algorithm(ifm, weights.T, LAYER)
    with pytest.raises(UnsupportedError, match="ifm has dtype complex128: accepted are floats"):
        algorithm(ifm.astype(complex), weights, LAYER)
    with pytest.raises(UnsupportedError, match="weights has dtype uint64"):
        algorithm(ifm, weights.astype(np.uint64), LAYER)


@each_algorithm
def test_run(name):
    report = run(name, LAYER, batch=2, seed=7)
    assert report["correct"] is True
    assert report["reference"] != name
    assert report["lowering_bytes"] == report["formula_bytes"]
    assert (report["algorithm"], report["batch"], report["seed"]) == (name, 2, 7)
    assert ConvGeometry(**report["geometry"]) == LAYER
    assert report["seconds"] > 0


def test_run_refuses_what_it_cannot_run():
    with pytest.raises(UnsupportedError, match="algorithm='fft': accepted are direct, im2col, mec"):
        run("fft", LAYER)
    with pytest.raises(GeometryError, match="batch=0: must be at least 1"):
        run("mec", LAYER, batch=0)
    with pytest.raises(GeometryError, match="seed=-1: must be at least 0"):
        run("mec", LAYER, seed=-1)


def test_run_judges_an_algorithm_of_the_user(monkeypatch):
    """Right and within its formula, right but larger, and wrong."""

    def by_row(ifm, weights, geometry):
        """One im2col per output row."""
        lowered = np.empty((geometry.ofm_dim[1], geometry.mw), ifm.dtype)
        ofm = np.empty((len(ifm), *geometry.ofm_dim, geometry.mh), weights.dtype)
        (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
        for n, y, x in np.ndindex(ofm.shape[:3]):
            rows, columns = slice(y * sh, y * sh + kh * dh, dh), slice(x * sw, x * sw + kw * dw, dw)
            lowered[x] = ifm[n, rows, columns].ravel()
            if x == geometry.ofm_dim[1] - 1:
                ofm[n, y] = lowered @ weights
        return ConvResult.of(ofm, lowered)

    def off_by_one(ifm, weights, geometry):
        right = by_row(ifm, weights, geometry)
        return ConvResult(right.ofm + 1, right.lowering_bytes, right.element_bytes)

    def elements(geometry):
        return geometry.ofm_dim[1] * geometry.mw

    monkeypatch.setitem(ALGORITHMS, "right", Algorithm(by_row, elements))
    monkeypatch.setitem(ALGORITHMS, "larger", Algorithm(by_row, lambda g: elements(g) - 1))
    monkeypatch.setitem(ALGORITHMS, "wrong", Algorithm(off_by_one, elements))
    assert [run(n, LAYER, batch=2)["correct"] for n in ("right", "larger", "wrong")] == [
        True,
        False,
        False,
    ]


@each_algorithm
@pytest.mark.parametrize("layer", ["cv6", "cv10", "cv12"])
def test_mec_layers(name, layer):
    assert run(name, LAYERS[layer])["correct"]


def test_mec_memory_table():
    """Ratios of the MEC paper, to two decimals."""
    table = memory_table()
    assert [row["layer"] for row in table] == [f"cv{i}" for i in range(1, 13)]
    ratios = " ".join(f"{row['mec_ratio']:.2f}" for row in table)
    assert ratios == "2.67 2.67 3.42 3.41 4.17 2.50 2.97 2.95 2.89 2.79 2.57 2.14"
    cv5 = table[4]
    assert cv5["im2col_bytes"] == 20 * 20 * 5 * 5 * 96 * 4
    assert cv5["imec_gather_bytes"] == (4 * 24 + 5) * 96 * 4
    assert (cv5["ifm_dim"], cv5["kernel"], cv5["stride"]) == ((24, 24), (5, 5), (1, 1))
    assert "direct_bytes" not in cv5
    assert memory_table({"a": LAYER}, element_bytes=1)[0]["mec_bytes"] == 540


def test_imec_needs_less_than_mec_on_every_mec_layer():
    for row in memory_table():
        ordered = [row[f"{name}_bytes"] for name in ("imec_gather", "imec_row", "mec", "im2col")]
        assert ordered == sorted(ordered), row["layer"]
