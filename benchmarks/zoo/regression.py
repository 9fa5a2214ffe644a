"""The networks of finn-plus' regression builds, and the build steps of each, with the swap's place in them.

The topologies are those of the folding files: layers, channels and bit widths. Weights are random, batch
norms and quantizers calibrated on random images; only the CNVs may come with trained weights
(`regression_cnv`). NETWORKS has them by name.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from zoo import regression_resnet50

LIBRARY = "finn.builder.custom_step_library"
SCALED, TOP1 = f"{LIBRARY}.general.add_preproc_divide_by_255", f"{LIBRARY}.general.add_postproc_top1"
IMPORT = ("step_qonnx_to_finn", "step_tidy_up")
STANDARD = (*IMPORT, "step_streamline", "step_convert_to_hw")
#: From the partition on, the same for all; step_convert_to_imec comes behind step_minimize_bit_width.
SWAP = ("step_minimize_bit_width", "step_generate_estimate_reports")
BACK_END = (
    "step_create_dataflow_partition",
    "step_specialize_layers",
    "step_apply_folding_config",
    *SWAP,
)
#: FINN's nodes that a build of today inserts only after the folding.
LATER = ("StreamingFIFO", "StreamingDataWidthConverter")
CONV1D, MOBILENET, RESNET = (f"{LIBRARY}.{name}" for name in ("conv1d", "mobilenet", "resnet"))


@dataclass(frozen=True)
class Recipe:
    """How a network is made and built.

    make: its torch module. shape, datatype: of its input. front: the build's steps up to hardware layers.
    renamed: op types in the folding and specialization files -> those of today's finn-plus. fields: of the
    build's configuration. folded: in place of module and front, makes folded hardware layers of a folder of
    these files and a part.
    """

    make: Callable[[], Any] | None
    shape: tuple[int, ...]
    front: tuple[str, ...]
    datatype: str = "UINT8"
    renamed: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    folded: Callable[[Path, str], Any] | None = None

    def today(self, name: str) -> str | None:
        """What a node in the files is called today; None for nodes that a build inserts only later."""
        op_type, _, number = name.rpartition("_")
        base = op_type.removesuffix("_hls").removesuffix("_rtl")
        if base in LATER:
            return None
        if not base:
            return name
        return f"{self.renamed.get(base, base)}{op_type.removeprefix(base)}_{number}"

    @property
    def steps(self) -> list[str]:
        """All steps of the build."""
        return [*self.front, *BACK_END]


# ---- modules ------------------------------------------------------------------------------------


def tfc(weight_bits: int, bits: int) -> Any:
    """784 -> 64 -> 64 -> 64 -> 10, the image in as many bits as the activations have."""
    from brevitas_examples.bnn_pynq.models.FC import FC

    return FC(10, weight_bits, bits, bits, 1, [64, 64, 64])


def cnv(weight_bits: int, bits: int, classes: int = 10) -> Any:
    """The six convolutions and three fully connected layers of BNN-PYNQ."""
    from brevitas_examples.bnn_pynq.models.CNV import CNV

    return CNV(classes, weight_bits, bits, 8, 3)


def kws(bits: int = 3) -> Any:
    """490 features -> 256 -> 256 -> 256 -> 12 keywords."""
    from brevitas import nn as qnn
    from torch import nn

    layers: list[Any] = [qnn.QuantIdentity(bit_width=8)]
    for inputs, outputs in ((490, 256), (256, 256), (256, 256)):
        layers += [
            qnn.QuantLinear(inputs, outputs, bias=False, weight_bit_width=bits),
            nn.BatchNorm1d(outputs),
            qnn.QuantReLU(bit_width=bits),
        ]
    return nn.Sequential(*layers, qnn.QuantLinear(256, 12, bias=False, weight_bit_width=bits))


def vgg10(bits: int = 4, channels: int = 32) -> Any:
    """Seven convolutions over 1,024 samples of a radio signal, each with a max-pool; three dense layers."""
    from brevitas import nn as qnn
    from brevitas.quant import Int32Bias
    from torch import nn

    layers: list[Any] = []
    for inputs in (2, *[channels] * 6):
        layers += [
            qnn.QuantConv1d(inputs, channels, 3, padding=1, bias=False, weight_bit_width=bits),
            nn.BatchNorm1d(channels),
            qnn.QuantReLU(bit_width=bits),
            nn.MaxPool1d(2),
        ]
    layers.append(nn.Flatten())
    for inputs in (channels * 8, 128):
        dense = qnn.QuantLinear(inputs, 128, bias=False, weight_bit_width=bits)
        layers += [dense, nn.BatchNorm1d(128), qnn.QuantReLU(bit_width=bits, return_quant_tensor=True)]
    return nn.Sequential(*layers, qnn.QuantLinear(128, 24, weight_bit_width=bits, bias_quant=Int32Bias))


def mobilenetv1(bits: int = 4) -> Any:
    """MobileNet-v1 of Brevitas, 8 bits in its first layer's weights, on a normalized image."""
    from brevitas_examples.imagenet_classification.models.mobilenetv1 import quant_mobilenet_v1
    from torch import nn

    class Normalize(nn.Module):
        def forward(self, x: Any) -> Any:
            return (x - x.new_tensor((0.485, 0.456, 0.406)).reshape(1, 3, 1, 1)) / 0.226

    config = _config(model={"WIDTH_SCALE": 1.0}, quant={"BIT_WIDTH": bits, "ROUND_AVG_POOL": False})
    return nn.Sequential(Normalize(), quant_mobilenet_v1(config))


def resnet18(bits: int = 3, classes: int = 100) -> Any:
    """ResNet-18 of Brevitas for images of 32x32, 8 bits in the first and last layer's weights."""
    from brevitas import nn as qnn
    from brevitas_examples.bnn_pynq.models.resnet import quant_resnet18
    from torch import nn

    quant = {"WEIGHT_BIT_WIDTH": bits, "ACT_BIT_WIDTH": bits}
    image = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
    return nn.Sequential(image, quant_resnet18(_config(model={"NUM_CLASSES": classes}, quant=quant)))


def _config(**sections: Mapping[str, Any]) -> ConfigParser:
    """What Brevitas' examples read their parameters from."""
    config = ConfigParser()
    config.read_dict({name.upper(): values for name, values in sections.items()})
    return config


NETWORKS: dict[str, Recipe] = {
    **{
        f"tfc-w{w}a{a}": Recipe(partial(tfc, w, a), (1, 1, 28, 28), (SCALED, TOP1, *STANDARD))
        for w, a in ((1, 1), (1, 2), (2, 2))
    },
    "kws": Recipe(kws, (1, 490), (TOP1, *STANDARD), "INT8"),
    **{
        f"cnv-w{w}a{a}": Recipe(partial(cnv, w, a), (1, 3, 32, 32), (SCALED, TOP1, *STANDARD))
        for w, a in ((1, 1), (1, 2), (2, 2))
    },
    "gtsrb": Recipe(partial(cnv, 1, 1, 44), (1, 3, 32, 32), (SCALED, TOP1, *STANDARD)),
    "vgg10": Recipe(
        vgg10,
        (1, 2, 1024),
        (
            TOP1,
            *IMPORT,
            f"{CONV1D}.step_pre_streamline",
            "step_streamline",
            f"{CONV1D}.step_pre_streamline",  # only now is the scale right before TopK
            "step_convert_to_hw",
            f"{CONV1D}.step_convert_final_layers",
        ),
        "INT8",
        {"ChannelwiseOp": "ElementwiseAdd"},
        {"standalone_thresholds": True},
    ),
    "mobilenetv1": Recipe(
        mobilenetv1,
        (1, 3, 224, 224),
        (
            SCALED,
            TOP1,
            *IMPORT,
            f"{CONV1D}.step_pre_streamline",  # the scale of the last layer's bias goes into TopK
            f"{MOBILENET}.step_mobilenet_streamline",
            f"{MOBILENET}.step_mobilenet_lower_convs",
            f"{MOBILENET}.step_mobilenet_convert_to_hw_layers_separate_th",
        ),
        renamed={"ChannelwiseOp": "ElementwiseAdd"},
    ),
    "resnet18": Recipe(
        resnet18,
        (1, 3, 32, 32),
        (
            *IMPORT,
            f"{RESNET}.step_resnet_tidy",
            f"{RESNET}.step_resnet_streamline",
            "step_convert_to_hw",
            f"{RESNET}.step_resnet_convert_to_hw",
        ),
        "INT8",
        {"ReplicateStream": "DuplicateStreams"},
        {"standalone_thresholds": True},
    ),
    "resnet50": Recipe(None, (1, 3, 224, 224), (), folded=regression_resnet50.folded),
}


# ---- export -------------------------------------------------------------------------------------


def export(name: str, path: Path) -> None:
    """Calibrate a network on random inputs, from seed 0, and write it as QONNX without surplus nodes."""
    import torch
    from brevitas.export import export_qonnx
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    recipe = NETWORKS[name]
    low, high = DataType[recipe.datatype].min(), DataType[recipe.datatype].max()
    scaled = SCALED in recipe.front

    def batch(count: int) -> Any:
        values = torch.randint(int(low), int(high) + 1, (count, *recipe.shape[1:])).float()
        return values / 255 if scaled else values

    torch.manual_seed(0)
    module = recipe.make().train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.momentum = None  # the mean of all batches, not the start value's share
    raw = path.with_suffix(".raw")
    with torch.no_grad():
        for _ in range(3):
            module(batch(8))
        with contextlib.redirect_stdout(io.StringIO()):  # torch's progress
            export_qonnx(module.eval(), args=batch(1), export_path=str(raw), opset_version=13, dynamo=False)
    model = cleanup_model(ModelWrapper(str(raw)))
    model.set_tensor_datatype(model.graph.input[0].name, DataType[recipe.datatype])
    model.save(str(path))
    raw.unlink()
