"""Reading ONNX files, and the constants of a graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from finn_imec.transformation import InferIMECConv
from finn_imec.util.errors import ModelError
from finn_imec.util.onnx_model import constant, load_onnx


def model() -> onnx.ModelProto:
    """y = (a + b) + c with constants a and b; the sum of them is named `sum`."""
    values = [numpy_helper.from_array(np.full(300, v, np.float32), name) for name, v in zip("ab", (1, 2))]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (300,)) for name in "cy"]
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Add", ["sum", "c"], ["y"])]
    return helper.make_model(helper.make_graph(nodes, "g", info[:1], info[1:], values))


def test_a_model_comes_back(tmp_path):
    onnx.save(model(), tmp_path / "m.onnx")
    assert load_onnx(tmp_path / "m.onnx") == model()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"", "not an ONNX model, or one without nodes"),
        (b"\x08\x0a\x12\x04finn:\xff\xff", "not an ONNX model, or truncated"),
    ],
)
def test_what_is_no_model(tmp_path, content, message):
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=f"^{path}: {message}"):
        load_onnx(path)


@pytest.mark.parametrize(("inputs", "named"), [(("y", "c"), "second"), (("sum", "c"), "first, second")])
def test_a_ring(tmp_path, inputs, named):
    """Of one node, and of two: what looks for producers one after the other would not end."""
    ring = model()
    ring.graph.node[0].name, ring.graph.node[1].name = "first", "second"
    ring.graph.node[1].input[:] = inputs
    if named != "second":
        ring.graph.node[0].input[0] = "y"
    onnx.save(ring, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=f"m.onnx: the graph has a ring: what {named} takes in depends"):
        load_onnx(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="has a ring"):
        ModelWrapper(ring).transform(InferIMECConv())


def test_tensors_in_another_file(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save_model(model(), path, save_as_external_data=True, location="tensors.bin")
    assert constant(ModelWrapper(load_onnx(path)), "b")[0] == 2
    (tmp_path / "tensors.bin").unlink()
    assert len(load_onnx(path, external_data=False).graph.node) == 2
    with pytest.raises(ModelError, match=rf"^{path}: .*tensors\.bin"):
        load_onnx(path)


def test_constants_are_tensors_that_no_node_gives():
    wrapper = ModelWrapper(model())
    wrapper.set_initializer("sum", np.zeros(300, np.float32))  # as FINN leaves beside a DMA's stream
    assert constant(wrapper, "a")[0] == 1
    assert constant(wrapper, "sum") is None
    assert constant(wrapper, "c") is None


@pytest.mark.parametrize("name", ["", "\u00e9", "INT", "UINT-4x"])
def test_datatypes_that_qonnx_does_not_know(tmp_path, name):
    wrapper = ModelWrapper(model())
    wrapper.set_tensor_datatype("c", DataType["INT4"])
    wrapper.save(str(tmp_path / "m.onnx"))
    assert load_onnx(tmp_path / "m.onnx")
    wrapper.graph.quantization_annotation[0].quant_parameter_tensor_names[0].value = name
    wrapper.save(str(tmp_path / "m.onnx"))
    with pytest.raises(
        ModelError, match=f"m.onnx: tensor 'c': its datatype annotation is {name!r}: accepted"
    ):
        load_onnx(tmp_path / "m.onnx")
