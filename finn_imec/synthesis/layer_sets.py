"""The named sets of layers that `finn-imec compare --layers` and the benchmarks measure."""

from __future__ import annotations

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.synthesis.comparison import Layer, random_layer
from finn_imec.util.errors import UnsupportedError

#: BNN-PYNQ's CNV: (image size, input channels, output channels) of the six convolutions, and (PE,
#: SIMD) of the networks with 1-bit and with 2-bit weights and activations.
CNV_SHAPES = (
    (32, 3, 64),
    (30, 64, 64),
    (14, 64, 128),
    (12, 128, 128),
    (5, 128, 256),
    (3, 256, 256),
)
CNV_FOLDS = {
    "cnv-w1a1": ((16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32)),
    "cnv-w2a2": ((8, 3), (16, 16), (8, 16), (8, 16), (4, 8), (1, 8)),
}
#: Padded 3x3 layers with the sizes of ResNet and MobileNet for CIFAR: (image size, input channels, output
#: channels, stride, depthwise), (PE, SIMD).
PADDED = (
    ((32, 16, 16, 1, False), (8, 8)),
    ((32, 16, 32, 2, False), (8, 8)),
    ((8, 64, 64, 1, False), (4, 8)),
    ((32, 32, 32, 1, True), (4, 1)),
    ((32, 64, 64, 2, True), (8, 1)),
    ((8, 128, 128, 1, True), (2, 1)),
)
LAYER_SETS = (*CNV_FOLDS, "padded")


def named_layers(name: str, bits: int, steps: int | None = None, full_range: bool = False) -> list[Layer]:
    """One of LAYER_SETS at `bits` per weight and activation, with random weights and thresholds.

    steps: thresholds per channel, 0 for none; None: default_steps. full_range: see random_layer. Raises
    UnsupportedError naming the accepted values.
    """
    if name not in LAYER_SETS:
        raise UnsupportedError(f"layers={name!r}: accepted are {', '.join(LAYER_SETS)}")
    least = 2 if name == "padded" else 1  # BIPOLAR has no 0 to pad with
    if not least <= bits <= 16:
        raise UnsupportedError(f"bits={bits} of {name}: accepted are {least} to 16")
    layers = padded_layers(bits, full_range) if name == "padded" else cnv_layers(name, bits, full_range)
    steps = default_steps(bits) if steps is None else steps
    return [layer.with_random_thresholds(steps, seed) for seed, layer in enumerate(layers)]


def default_steps(bits: int) -> int:
    """Thresholds per channel of outputs as wide as the operands, at most 8 bits."""
    return 2 ** min(bits, 8) - 1


def padded_layers(bits: int, full_range: bool = False) -> list[Layer]:
    """PADDED with unsigned activations, as after a ReLU, and random weights, without thresholds."""
    layers = []
    for i, ((size, channels, outputs, stride, depthwise), (pe, simd)) in enumerate(PADDED):
        geometry = ConvGeometry(
            (3, 3), (size + 2, size + 2), channels, outputs, (stride, stride), simd=simd, pe=pe,
            depthwise=depthwise, padding=(1, 1, 1, 1),
        )  # fmt: skip
        kind = f"{size}x{size}x{channels}" + (" depthwise" if depthwise else f" to {outputs}")
        types = f"UINT{bits}", f"INT{bits}"
        layers.append(random_layer(f"{kind}, stride {stride}", geometry, *types, i, full_range))
    return layers


def cnv_layers(folding: str, bits: int, full_range: bool = False) -> list[Layer]:
    """CNV's six convolutions with random weights, without thresholds.

    folding is one of CNV_FOLDS; the first input is INT8 as in BNN-PYNQ.
    """
    datatype = "BIPOLAR" if bits == 1 else f"INT{bits}"
    layers = []
    for i, (shape, (pe, simd)) in enumerate(zip(CNV_SHAPES, CNV_FOLDS[folding], strict=True)):
        size, channels, outputs = shape
        geometry = ConvGeometry((3, 3), (size, size), channels, outputs, simd=simd, pe=pe)
        idt = datatype if i else "INT8"
        layers.append(random_layer(f"{folding} L{i}", geometry, idt, datatype, i, full_range))
    return layers
