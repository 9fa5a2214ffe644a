"""Memory and time of the PyTorch algorithms beside the library's own convolution, oneDNN or cuDNN.

    from finn_imec.algorithms.timing import measure
    row = measure("imec_row", geometry, device="cuda", dtype="float16", batch=32)

Memory is by the allocator's own counters, in a run of its own: `requested_bytes` and `allocated_bytes`
(torch.cuda.max_memory_allocated) of PyTorch's allocator on CUDA, on a CPU what its allocator reported
to the profiler. All that it hands out is in there: buffers, copies that an operator makes unseen, the
scratchpads and reordered operands of oneDNN, the workspaces of cuDNN. Not in there: what BLAS packs into
memory of its own, and the shared memory of a GPU's multiprocessors. `lowering_bytes` is the peak beyond
the operands and the output.

Time is that of a call from Python to its result, operands in memory: on CUDA between two events, with
what the host took to start the kernels. After warm-up; the median counts. On CUDA a second time,
`device_milliseconds`, is that of the same call's kernels alone, captured as a graph and replayed.
"""

from __future__ import annotations

import hashlib
import platform
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from finn_imec.algorithms import torch_backend
from finn_imec.algorithms.torch_backend import (
    TOLERANCES,
    group_count,
    sum_type,
    torch_module,
    type_name,
    unpack_weights,
    weight_rows,
)
from finn_imec.algorithms.torch_reference import difference, exact, library_convolve
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.util.errors import GeometryError, MissingToolError, UnsupportedError, require

#: The library's own convolution, on NHWC as all others and on NCHW; the Triton kernel with its windows
#: from the strip or from the caches.
LIBRARY, PLANAR, TRITON, CACHED = "library", "library_nchw", "imec_triton", "triton_cached"
DEVICES = ("cpu", "cuda")
#: Seconds of timed calls, how many of them at least, unless they take ten times as long, and at most.
SECONDS, FEWEST, MOST = 0.5, 5, 200
#: Slower calls have too many kernels for a graph.
LONGEST_CAPTURED_MS = 200.0


def names(device: str) -> list[str]:
    """What is compared on a device; on a CPU the Triton kernel, which is interpreted there, is not."""
    kernels = (TRITON, CACHED) if device == "cuda" else ()
    return [*torch_backend.ALGORITHMS, *kernels, LIBRARY, PLANAR]


def check_device(device: str) -> Any:
    """The torch.device; UnsupportedError for another name, or if there is no GPU that PyTorch can use."""
    if device not in DEVICES:
        raise UnsupportedError(f"device={device!r}: accepted are {', '.join(DEVICES)}")
    torch = torch_module()
    if device == "cuda" and not torch.cuda.is_available():
        raise UnsupportedError(
            "device='cuda': PyTorch finds no GPU here (torch.cuda.is_available() is false); accepted is cpu"
        )
    return torch.device(device)


def operands(
    geometry: ConvGeometry, batch: int, dtype: str, device: str, groups: int = 1, seed: int = 0
) -> tuple[Any, Any]:
    """Random ifm (N, H, W, C) and weights (K_h*K_w*C/groups, M): standard normal, or the whole of int8."""
    torch = torch_module()
    check_device(device)
    if dtype not in TOLERANCES:
        raise UnsupportedError(f"dtype={dtype!r}: accepted are {', '.join(TOLERANCES)}")
    for name, value, least in (("batch", batch, 1), ("seed", seed, 0)):
        if value < least:
            raise GeometryError(f"{name}={value}: must be at least {least}")
    shapes = (
        (batch, *geometry.input_dim, geometry.ifm_channels),
        (weight_rows(geometry, groups), geometry.ofm_channels),
    )
    generator = torch.Generator().manual_seed(seed)
    kind = getattr(torch, dtype)
    if kind == torch.int8:
        values = [torch.randint(-128, 128, s, dtype=kind, generator=generator) for s in shapes]
    else:
        values = [torch.randn(s, generator=generator).to(kind) for s in shapes]
    return tuple(value.to(device) for value in values)


def convolver(name: str, weights: Any, geometry: ConvGeometry, groups: int = 1) -> Callable:
    """ifm -> ofm by algorithm `name` or one of the above; the library's weights are in its order."""
    if name in (LIBRARY, PLANAR):
        if type_name(weights.dtype) == "int8":
            raise UnsupportedError(
                "dtype='int8': PyTorch's own convolution has no int32 sums; accepted by it are floats"
            )
        weight = unpack_weights(weights, geometry)
        if name == LIBRARY:
            weight = weight.contiguous(memory_format=torch_module().channels_last)
        groups = group_count(geometry, groups)
        return partial(library_convolve, weight=weight, geometry=geometry, groups=groups)  # fmt: skip
    if name in (TRITON, CACHED):
        require("triton", "torch")
        from finn_imec.algorithms import triton_kernel

        run = triton_kernel.algorithm("strip" if name == TRITON else "cache")
    else:
        torch_backend.get_algorithm(name)
        run = partial(torch_backend.convolve, name)
    return lambda ifm: run(ifm, weights, geometry, groups)


def _stored(name: str, ifm: Any) -> Any:
    """ifm, stored as the convolver `name` takes it: for PLANAR as (N, C, H, W), seen as (N, H, W, C)."""
    if name != PLANAR:
        return ifm
    return ifm.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)


# ---- memory ---------------------------------------------------------------------------------------


def peak_bytes(call: Callable[[], Any], device: str) -> tuple[Any, dict[str, int]]:
    """(result, {"requested", "allocated"}): bytes at the peak of a call, beyond those before it.

    Of the CPU's allocator both are the same; CUDA's rounds up what is requested.
    """
    torch = torch_module()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_stats()
        result = call()
        torch.cuda.synchronize()
        after = torch.cuda.memory_stats()
        return result, {
            kind: after[f"{kind}_bytes.all.peak"] - before[f"{kind}_bytes.all.current"]
            for kind in ("requested", "allocated")
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about further cycles, of which there are none
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        ) as profile:
            result = call()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    level = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        level += event.nbytes()
        peak = max(peak, level)
    return result, {"requested": peak, "allocated": peak}


# ---- time -----------------------------------------------------------------------------------------


def milliseconds(call: Callable[[], Any], device: str, seconds: float = SECONDS) -> list[float]:
    """Of each timed call, ascending, after one to warm up: as many as `seconds` hold, see FEWEST, MOST."""
    torch = torch_module()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    times: list[float] = []
    while len(times) < MOST and sum(times) < 1000 * seconds * (10 if len(times) < FEWEST else 1):
        if device == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            call()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end))
        else:
            start = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - start))
    return sorted(times)


def device_milliseconds(call: Callable[[], Any], seconds: float = SECONDS) -> float | None:
    """Median time of the kernels of a call, replayed as a CUDA graph; None if it cannot be captured."""
    torch = torch_module()
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    try:
        with torch.cuda.graph(graph, stream=stream):
            call()
    except RuntimeError:  # something in it waits for the device
        return None
    return median(milliseconds(graph.replay, "cuda", seconds))


# ---- both -----------------------------------------------------------------------------------------


def measure(
    name: str,
    geometry: ConvGeometry,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    batch: int = 1,
    groups: int = 1,
    seed: int = 0,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Run an algorithm of `names`, checked against float64, its memory and its time measured.

    Returns algorithm, difference (from float64, see `difference`), correct (no more than TOLERANCES),
    lowering_bytes and allocated_bytes (see above), formula_bytes (None for the library),
    milliseconds (median), device_milliseconds (None on a CPU), fastest, slowest, calls, tile (of the
    Triton kernel); or algorithm and unsupported, a sentence, if the device has no such operation.
    Raises UnsupportedError for an unknown name, device or dtype, GeometryError for sizes out of range.
    """
    torch = torch_module()
    ifm, weights = operands(geometry, batch, dtype, device, groups, seed)
    with torch.inference_mode(), _as_exact_as_float32():
        try:
            call = partial(convolver(name, weights, geometry, groups), _stored(name, ifm))
            ofm = call()
        except UnsupportedError as err:
            return {"algorithm": name, "unsupported": str(err)}
        error = difference(ofm, exact(ifm, weights, geometry, groups))
        del ofm
        ofm, peak = peak_bytes(call, device)
        output_bytes = ofm.numel() * ofm.element_size()
        del ofm
        times = milliseconds(call, device, seconds)
        kernels = None
        if device == "cuda" and median(times) < LONGEST_CAPTURED_MS:
            kernels = device_milliseconds(call, seconds)
    result = {
        "algorithm": name,
        "difference": error,
        "correct": error <= TOLERANCES[dtype],
        "lowering_bytes": peak["requested"] - output_bytes,
        "allocated_bytes": peak["allocated"] - output_bytes,
        "formula_bytes": formula_bytes(name, geometry, ifm.element_size(), groups),
        "milliseconds": median(times),
        "device_milliseconds": kernels,
        "fastest": times[0],
        "slowest": times[-1],
        "calls": len(times),
    }
    if name in (TRITON, CACHED):
        from finn_imec.algorithms.triton_kernel import best_tile

        windows = "strip" if name == TRITON else "cache"
        tile = best_tile(ifm, weights, geometry, group_count(geometry, groups), windows)
        result["tile"] = asdict(tile)
    return result


@contextmanager
def _as_exact_as_float32() -> Iterator[None]:
    """In this block float32 products of cuBLAS and cuDNN are no TF32, and cuDNN tries all that it has."""
    backends = torch_module().backends
    before = backends.cuda.matmul.allow_tf32
    backends.cuda.matmul.allow_tf32 = False
    try:
        with backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False):
            yield
    finally:
        backends.cuda.matmul.allow_tf32 = before


def formula_bytes(name: str, geometry: ConvGeometry, element_bytes: int, groups: int = 1) -> int | None:
    """Lowering memory by the closed formula; 0 for the Triton kernel, None for the library."""
    if name in (LIBRARY, PLANAR):
        return None
    if name in (TRITON, CACHED):
        return 0
    algorithm = torch_backend.get_algorithm(name)
    return element_bytes * algorithm.lowering_elements(geometry, group_count(geometry, groups))


def compare(
    layers: Mapping[str, ConvGeometry],
    *,
    device: str = "cpu",
    algorithms: Sequence[str] | None = None,
    progress: Callable[[str], None] = lambda label: None,
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """For each layer {layer, geometry, dtype, batch, groups, results: measure(...) of each algorithm}."""
    check_device(device)
    for layer, geometry in layers.items():
        results = []
        for name in algorithms or names(device):
            progress(f"{layer} {name}")
            results.append(measure(name, geometry, device=device, **options))
        yield {
            "layer": layer,
            "geometry": asdict(geometry),
            "dtype": options.get("dtype", "float32"),
            "batch": options.get("batch", 1),
            "groups": options.get("groups", 1),
            "results": results,
        }


def largest_image(
    name: str,
    geometry: ConvGeometry,
    memory_bytes: int,
    *,
    device: str = "cpu",
    dtype: str = "float32",
) -> dict[str, int | str]:
    """The largest square image that one run fits in so many bytes: operands, output, lowering, all.

    Measured: a run at this size takes `peak_bytes` <= memory_bytes, one at a row and a column more does
    not. Kernel, stride, dilation, channels and padding are the geometry's.
    """
    torch = torch_module()
    check_device(device)
    kind = getattr(torch, dtype)
    kh, kw = geometry.kernel
    least = max((kh - 1) * geometry.dilation[0], (kw - 1) * geometry.dilation[1]) + 1

    def layer(size: int) -> ConvGeometry:
        top, left, bottom, right = geometry.padding
        return ConvGeometry(
            geometry.kernel, (size + top + bottom, size + left + right), geometry.ifm_channels,
            geometry.ofm_channels, geometry.stride, geometry.dilation, padding=geometry.padding,
            depthwise=geometry.depthwise,
        )  # fmt: skip

    def peak(size: int) -> int:
        at = layer(size)

        def call() -> Any:
            order = (0, 2, 3, 1) if name == PLANAR else (0, 1, 2, 3)
            stored = (1, at.ifm_channels, size, size) if name == PLANAR else (1, size, size, at.ifm_channels)
            ifm = torch.zeros(stored, dtype=kind, device=device).permute(order)
            weights = torch.zeros(weight_rows(at), at.ofm_channels, dtype=kind, device=device)
            return convolver(name, weights, at)(ifm)

        call()  # what a library keeps from its first call on is not counted
        return peak_bytes(call, device)[1]["requested"]

    def by_formula(size: int) -> int:
        at, item = layer(size), kind.itemsize
        elements = size * size * at.ifm_channels + weight_rows(at) * at.ofm_channels
        lowering = formula_bytes(name, at, item) or 0
        return item * elements + lowering + at.windows * at.ofm_channels * sum_type(kind).itemsize

    with torch.inference_mode(), _as_exact_as_float32():
        guess = _last(lambda size: by_formula(size) <= memory_bytes, least, least)
        measured: dict[int, int] = {}

        def fits(size: int) -> bool:
            if size not in measured:
                measured[size] = peak(size)
            return measured[size] <= memory_bytes

        size = _last(fits, least, max(guess, least))
    if size < least:
        raise GeometryError(
            f"memory_bytes={memory_bytes}: the least image, {least}x{least}, takes {measured[least]}"
        )
    return {"algorithm": name, "size": size, "peak_bytes": measured[size]}


def _last(true: Callable[[int], bool], least: int, guess: int) -> int:
    """The last size >= least for which true, as true until there and false behind; else least - 1."""
    step = 1
    if true(guess):
        low, high = guess, guess + 1
        while true(high):
            step *= 2
            low, high = high, high + step
    else:
        low, high = guess - 1, guess
        while low >= least and not true(low):
            step *= 2
            low, high = low - step, low
        low = max(low, least - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if true(middle) else (low, middle)
    return low


# ---- what was measured ----------------------------------------------------------------------------


def environment(device: str) -> dict[str, Any]:
    """Device and versions, and a digest of the code, as a result is stamped with."""
    torch = torch_module()
    check_device(device)
    try:
        triton_version = require("triton", "torch").__version__
    except MissingToolError:
        triton_version = None
    stamp = {
        "device": _processor() if device == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads() if device == "cpu" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": triton_version,
        "code": digest(),
    }
    if device == "cuda":
        stamp |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    else:
        stamp |= {
            "onednn": torch.backends.mkldnn.is_available(),
            "mkl": torch.backends.mkl.is_available(),
        }
    return stamp


def _processor() -> str:
    """The CPU's name, by Linux."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def digest() -> str:
    """Of the code that is measured, its import lines left out: 16 digits of SHA-256."""
    folder = Path(__file__).parent
    text = hashlib.sha256()
    for name in ("torch_backend", "triton_kernel", "timing"):
        for line in (folder / f"{name}.py").read_text().splitlines():
            if not line.startswith(("import ", "from ")):
                text.update(line.encode() + b"\n")
    return text.hexdigest()[:16]
