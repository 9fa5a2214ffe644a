"""Two dozen small Brevitas networks, one for each kind that users of FINN build, exported to QONNX.

Weights are random, batch norms and quantizers calibrated on random images: what counts is the graph. NETWORKS
has them by name; `shape` is that of the input.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from brevitas import nn as qnn
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat, SignedBinaryActPerTensorConst
from brevitas.quant import SignedBinaryWeightPerTensorConst as BinaryWeights
from torch import Tensor, nn


@dataclass(frozen=True)
class Network:
    """A maker of a module, its input's shape, and what it exercises."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    kind: str


NETWORKS: dict[str, Network] = {}


def network(*shape: int) -> Callable[[Callable[[], nn.Module]], Callable[[], nn.Module]]:
    """Register a function under its name; its docstring says what the network exercises."""

    def register(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        NETWORKS[make.__name__] = Network(make, shape, (make.__doc__ or "").rstrip("."))
        return make

    return register


# ---- parts --------------------------------------------------------------------------------------


def conv(inputs: int, outputs: int, kernel, bits: int = 4, **options) -> nn.Module:
    """A convolution of images without bias."""
    return qnn.QuantConv2d(inputs, outputs, kernel, **{"bias": False, "weight_bit_width": bits, **options})


def linear(inputs: int, outputs: int, bits: int = 4) -> nn.Module:
    return qnn.QuantLinear(inputs, outputs, bias=False, weight_bit_width=bits)


def relu(bits: int = 4) -> nn.Module:
    return qnn.QuantReLU(bit_width=bits)


def signed(bits: int = 4) -> nn.Module:
    """A quantizer of values of both signs; it says to Brevitas' layers what it did."""
    return qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)


def image() -> nn.Module:
    """The quantizer at a network's input."""
    return signed(8)


def block(inputs: int, outputs: int, kernel, bits: int = 4, **options) -> nn.Module:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(conv(inputs, outputs, kernel, bits, **options), nn.BatchNorm2d(outputs), relu())


def block1d(inputs: int, outputs: int, kernel: int, **options) -> nn.Module:
    layer = qnn.QuantConv1d(inputs, outputs, kernel, bias=False, weight_bit_width=4, **options)
    return nn.Sequential(layer, nn.BatchNorm1d(outputs), relu())


def classifier(inputs: int, outputs: int = 10) -> nn.Module:
    """Global average pooling and a fully connected layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear(inputs, outputs))


# ---- chains of layers ---------------------------------------------------------------------------


@network(1, 3, 24, 24)
def strides_beyond_kernels():
    """1x1 with stride 2 and 2x2 with stride 3."""
    layers = (block(3, 8, 3, stride=2, padding=1), block(8, 8, 1, stride=2), block(8, 8, 2, stride=3))
    return nn.Sequential(image(), *layers, conv(8, 4, 1))


@network(1, 1, 28, 28)
def lenet_with_bias():
    """Biases, max pooling, fully connected layers behind a Flatten."""
    features = [conv(1, 6, 5, padding=2, bias=True), relu(), nn.MaxPool2d(2)]
    features += [conv(6, 16, 5, bias=True), relu(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(image(), *features, linear(400, 120), relu(), linear(120, 10))


@network(1, 4, 64, 1)
def dilated_tcn():
    """Images of width 1, dilations to 8."""
    channels_and_dilations = ((4, 1), (16, 2), (16, 4), (16, 8))
    layers = [block(c, 16, (3, 1), padding=(d, 0), dilation=(d, 1)) for c, d in channels_and_dilations]
    return nn.Sequential(image(), *layers, conv(16, 4, 1))


@network(1, 3, 16, 16)
def strided_and_padded():
    """3x3 with stride 2 and padding to a 2x2 image."""
    layers = [block(3, 16, 3, padding=1)]
    layers += [block(channels, 32, 3, padding=1, stride=2) for channels in (16, 32)]
    return nn.Sequential(image(), *layers, conv(32, 10, 3, padding=1, stride=2))


@network(1, 3, 16, 16)
def per_channel_weights():
    """Weights with a scale for each output channel."""
    options = {"weight_quant": Int8WeightPerChannelFloat}
    layers = (block(3, 8, 3, **options), block(8, 16, 3, stride=2, padding=1, **options))
    return nn.Sequential(image(), *layers, conv(16, 10, 1))


@network(4, 3, 12, 12)
def batch_of_four():
    """Exported with a batch of 4 images."""
    return nn.Sequential(image(), block(3, 8, 3, padding=1), conv(8, 4, 3))


@network(1, 3, 12, 12)
def float_input():
    """No quantizer at the input."""
    return nn.Sequential(block(3, 8, 3, padding=1), block(8, 8, 3, padding=1), conv(8, 4, 1))


@network(1, 3, 32, 32)
def vgg():
    """Pairs of 3x3 convolutions, max pooling, two fully connected layers."""
    layers = [image()]
    for inputs, outputs in ((3, 8), (8, 16), (16, 32)):
        layers += [block(inputs, outputs, 3, padding=1), block(outputs, outputs, 3, padding=1)]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), linear(512, 64), relu(), linear(64, 10))


@network(1, 3, 16, 16)
def binary():
    """Bipolar weights and activations, as in BNN-PYNQ's networks."""

    def sign():
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, return_quant_tensor=True)

    def layer(inputs, outputs, **options):
        options["weight_quant"] = BinaryWeights
        return conv(inputs, outputs, 3, **options), nn.BatchNorm2d(outputs), sign()

    features = (*layer(3, 16), *layer(16, 16), nn.MaxPool2d(2), *layer(16, 32), nn.Flatten())
    last = qnn.QuantLinear(32 * 4 * 4, 10, bias=False, weight_quant=BinaryWeights)
    return nn.Sequential(image(), *features, last)


@network(1, 8, 12, 12)
def pointwise():
    """1x1 convolutions only, average pooling between them."""
    layers = (block(8, 16, 1), block(16, 16, 1), nn.AvgPool2d(2), signed(), block(16, 16, 1))
    return nn.Sequential(image(), *layers, conv(16, 6, 1, bias=True))


@network(1, 1, 20, 20)
def conv_mlp():
    """Two convolutions before a large perceptron with batch norms."""
    layers = [block(1, 4, 3), block(4, 8, 3, stride=2), nn.Flatten()]
    for inputs, outputs in ((8 * 8 * 8, 128), (128, 64), (64, 64)):
        layers += [linear(inputs, outputs, 2), nn.BatchNorm1d(outputs), relu(2)]
    return nn.Sequential(image(), *layers, linear(64, 10))


@network(1, 3, 24, 24)
def dilated_context():
    """Segmentation: dilations of 1, 2, 4 in both directions, scores for each pixel."""
    layers = [block(c, 16, 3, padding=d, dilation=d) for c, d in ((3, 1), (16, 1), (16, 2), (16, 4))]
    return nn.Sequential(image(), *layers, conv(16, 5, 1, bias=True))


# ---- groups -------------------------------------------------------------------------------------


@network(1, 3, 16, 16)
def grouped():
    """Convolution of 4 groups."""
    layers = (block(3, 16, 3, padding=1), block(16, 16, 3, padding=1, groups=4), block(16, 16, 1))
    return nn.Sequential(image(), *layers, classifier(16))


@network(1, 3, 16, 16)
def depthwise_multiplier():
    """Depthwise with two output channels for each input channel."""
    layers = (block(3, 8, 3, padding=1), block(8, 16, 3, padding=1, groups=8))
    return nn.Sequential(image(), *layers, conv(16, 10, 1))


@network(1, 1, 49, 10)
def keyword_spotting():
    """Depthwise separable, a 10x4 kernel, global pooling: the DS-CNN of MLPerf Tiny."""
    layers = [block(1, 16, (10, 4), 8, stride=2, padding=(5, 1))]
    for _ in range(2):
        layers += [block(16, 16, 3, padding=1, groups=16), block(16, 16, 1)]
    return nn.Sequential(image(), *layers, classifier(16, 12))


# ---- sequences ----------------------------------------------------------------------------------


@network(1, 2, 256)
def conv1d_radio():
    """Conv1d and MaxPool1d; a HardTanh quantizes the input: modulation classes of radio signals."""
    options = {"act_quant": Int8ActPerTensorFloat, "return_quant_tensor": True}
    layers = [qnn.QuantHardTanh(bit_width=8, max_val=2.0, min_val=-2.0, **options)]
    for inputs in (2, 32, 32, 32):
        layers += [block1d(inputs, 32, 3, padding=1), nn.MaxPool1d(2)]
    layers += [nn.Flatten(), linear(32 * 16, 32), nn.BatchNorm1d(32), relu()]
    return nn.Sequential(*layers, linear(32, 24))


class _CausalBlock(nn.Module):
    """A dilated convolution of the past, added to its input; the summands have quantizers of their own."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.pad = nn.ConstantPad1d((2 * dilation, 0), 0.0)
        self.layer = block1d(channels, channels, 3, dilation=dilation)
        self.add = signed(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.add(x + self.layer(self.pad(x)))


@network(1, 4, 48)
def causal_tcn():
    """Padding on one side, sums of values of different scales."""
    blocks = [_CausalBlock(8, dilation) for dilation in (1, 2, 4)]
    return nn.Sequential(image(), block1d(4, 8, 1), *blocks, nn.Flatten(), linear(384, 5))


# ---- branches -----------------------------------------------------------------------------------


class _Residual(nn.Module):
    """Two convolutions beside a shortcut; both summands pass one quantizer, and have its scale."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            block(inputs, outputs, 3, padding=1, stride=stride),
            conv(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs))
        self.summand, self.relu = signed(), relu()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.summand(self.main(x)) + self.summand(self.shortcut(x)))


@network(1, 3, 32, 32)
def tiny_resnet():
    """Residual blocks with and without a convolution in the shortcut, global pooling."""
    blocks = (_Residual(16, 16, 1), _Residual(16, 32, 2), _Residual(32, 64, 2))
    return nn.Sequential(image(), block(3, 16, 3, 8, padding=1), *blocks, classifier(64))


class _InvertedResidual(nn.Module):
    """1x1 to more channels, depthwise 3x3, 1x1 back without an activation."""

    def __init__(self, channels: int, outputs: int, stride: int, summand: nn.Module) -> None:
        super().__init__()
        wide = 4 * channels
        self.layers = nn.Sequential(
            block(channels, wide, 1),
            block(wide, wide, 3, padding=1, stride=stride, groups=wide),
            conv(wide, outputs, 1),
            nn.BatchNorm2d(outputs),
            summand,
        )
        self.add = signed() if stride == 1 and channels == outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return y if self.add is None else self.add(x + y)


@network(1, 3, 32, 32)
def mobilenet_v2():
    """Inverted residuals with linear bottlenecks."""
    summand = signed()
    stem = nn.Sequential(conv(3, 8, 3, 8, stride=2, padding=1), nn.BatchNorm2d(8), summand)
    blocks = (_InvertedResidual(8, 8, 1, summand), _InvertedResidual(8, 16, 2, signed()))
    return nn.Sequential(image(), stem, *blocks, block(16, 32, 1), classifier(32))


class _Inception(nn.Module):
    """Four branches side by side, concatenated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv(inputs, outputs, 1),
                nn.Sequential(block(inputs, outputs, 1), conv(outputs, outputs, 3, padding=1)),
                nn.Sequential(block(inputs, outputs, 1), conv(outputs, outputs, 5, padding=2)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(inputs, outputs, 1)),
            ]
        )
        self.relu = relu()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.relu(branch(x)) for branch in self.branches], dim=1)


@network(1, 3, 16, 16)
def inception():
    """Branches of 1x1, 3x3, 5x5 and padded pooling, concatenated with one scale."""
    return nn.Sequential(image(), block(3, 8, 3, stride=2, padding=1), _Inception(8, 8), classifier(32))


class _UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.pool, self.up = image(), nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        self.down0, self.down1 = block(3, 8, 3, padding=1), block(8, 16, 3, padding=1)
        self.bottom = block(16, 16, 3, padding=1)
        self.up1, self.up0 = block(32, 8, 3, padding=1), block(16, 8, 3, padding=1)
        self.join1, self.join0 = relu(), relu()  # the same scale for both parts of a concatenation
        self.out = conv(8, 2, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        skip0 = self.down0(self.image(x))
        skip1 = self.down1(self.pool(skip0))
        x = self.up(self.bottom(self.pool(skip1)))
        x = self.up(self.up1(torch.cat([self.join1(x), self.join1(skip1)], dim=1)))
        return self.out(self.up0(torch.cat([self.join0(x), self.join0(skip0)], dim=1)))


@network(1, 3, 16, 16)
def unet():
    """Nearest upsampling, concatenations with earlier layers, scores for each pixel."""
    return _UNet()


class _Yolo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first, second = block(3, 8, 3, 8, padding=1), block(8, 16, 3, padding=1)
        self.stem = nn.Sequential(image(), first, nn.MaxPool2d(2), second)
        self.deep = nn.Sequential(nn.MaxPool2d(2), block(16, 32, 3, padding=1), block(32, 16, 1))
        self.fine, self.coarse = conv(16, 18, 1, 8, bias=True), conv(16, 18, 1, 8, bias=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        return self.fine(x), self.coarse(self.deep(x))


@network(1, 3, 32, 32)
def yolo_heads():
    """Two outputs, each of a 1x1 convolution with bias."""
    return _Yolo()


@network(1, 1, 16, 16)
def autoencoder():
    """Strides down, upsampling and a transposed convolution up, a quantized sigmoid at the end."""
    encoder = (block(1, 8, 3, stride=2, padding=1), block(8, 4, 3, stride=2, padding=1))
    options = {"stride": 2, "padding": 1, "output_padding": 1, "bias": True, "weight_bit_width": 4}
    last = qnn.QuantConvTranspose2d(8, 1, 3, **options), qnn.QuantSigmoid(bit_width=8)
    decoder = (nn.Upsample(scale_factor=2, mode="nearest"), block(4, 8, 3, padding=1), *last)
    return nn.Sequential(image(), *encoder, *decoder)


class _SqueezeExcite(nn.Module):
    """Channels scaled by a gate that global pooling feeds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), signed(8))
        self.gate = nn.Sequential(
            conv(channels, 4, 1, bias=True),
            relu(),
            conv(4, channels, 1, bias=True),
            qnn.QuantSigmoid(bit_width=4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.pool(x))


@network(1, 3, 16, 16)
def squeeze_excite():
    """Global pooling, two 1x1 convolutions and a quantized sigmoid scale the channels."""
    first = block(3, 16, 3, stride=2, padding=1)
    return nn.Sequential(image(), first, _SqueezeExcite(16), signed(), block(16, 16, 3), classifier(16))


# ---- export -------------------------------------------------------------------------------------


def export(name: str, path: Path, dynamo: bool = True) -> None:
    """Calibrate a network on random images, from seed 0, and write it as QONNX.

    dynamo: with torch's newer exporter, Brevitas' default; False: with the older one, which is faster. Both
    write the same network in different nodes.
    """
    from brevitas.export import export_qonnx

    chosen = NETWORKS[name]
    torch.manual_seed(0)
    module = chosen.make().train()
    batch = max(2, chosen.shape[0])
    with torch.no_grad():
        for _ in range(3):
            module(torch.rand((batch, *chosen.shape[1:])))
        module.eval()
        options = {"opset_version": 13, "dynamo": dynamo}
        with contextlib.redirect_stdout(io.StringIO()):  # torch's progress
            export_qonnx(module, args=torch.rand(chosen.shape), export_path=str(path), **options)
