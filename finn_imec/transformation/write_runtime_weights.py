"""Run-time writable weights of IMECConv nodes for FINN's PYNQ driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from finn_imec.custom_op import is_imec_conv, register
from finn_imec.util.errors import ModelError
from finn_imec.util.names import identifier
from finn_imec.util.onnx_model import constant


class WriteRuntimeWeights(Transformation):
    """Add IMECConv to the weights that FINN's PYNQ driver loads through s_axilite.

    Use it after FINN's MakePYNQDriver, which knows only its own op types. Rewrites the weight files
    runtime_weights/<partition>_<layer>_<node>.dat below driver_dir (default: the folder that MakePYNQDriver
    made); the layer number counts the writable layers of a partition in node order, IMECConv or not. In
    finn-plus also sets the switch in settings.json. Does nothing for a model without a writable IMECConv.

    Raises ModelError for a model without MakePYNQDriver applied.
    """

    def __init__(self, driver_dir: Path | None = None) -> None:
        super().__init__()
        self.driver_dir = driver_dir

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        register()
        driver = self.driver_dir or model.get_metadata_prop("pynq_driver_dir")
        if driver is None:
            raise ModelError("the model has no pynq_driver_dir; apply FINN's MakePYNQDriver first")
        weights = Path(driver) / "runtime_weights"
        changed = False
        for index, partition in enumerate(model.graph.node):
            inner = ModelWrapper(getCustomOp(partition).get_nodeattr("model"))
            nodes = [node for node in inner.graph.node if _writable(node)]
            if not any(map(is_imec_conv, nodes)):
                continue
            changed = True
            weights.mkdir(exist_ok=True)
            for stale in weights.glob(f"{index}_*.dat"):
                stale.unlink()
            for layer, node in enumerate(nodes):
                values = constant(inner, node.input[1])
                path = weights / f"{index}_{layer}_{identifier(node.name)}.dat"
                getCustomOp(node).make_weight_file(values, "decoupled_runtime", str(path))
        settings = Path(driver) / "settings.json"
        if changed and settings.is_file():
            content = json.loads(settings.read_text())
            content["driver_information"]["runtime_weights"] = True
            settings.write_text(json.dumps(content, indent=2))
        return model, False


def _writable(node: Any) -> bool:
    inst, name = getCustomOp(node), "runtime_writeable_weights"
    return name in inst.get_nodeattr_types() and inst.get_nodeattr(name) == 1
