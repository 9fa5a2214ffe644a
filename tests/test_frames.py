"""Inputs of a network for a simulation, and a network in a build's folder."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")

from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.basic import qonnx_make_model

from finn_imec.builder.run import EXPORT, FAILED_LOG, MODEL, PARENT
from finn_imec.partition.export import TOLERANCE, DifferenceError, difference_from_export
from finn_imec.partition.frames import random_frames, read_frames
from finn_imec.partition.graph import joined
from finn_imec.partition.load import is_build, load_build
from finn_imec.report.results import load_results
from finn_imec.util.errors import ImecError, ModelError, UnsupportedError


def graph(nodes, shape, datatype="FLOAT32", constants=()):
    """x -> nodes -> y, tensors of one shape."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    inner = {name for node in nodes for name in node.output} - {"y"}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in sorted(inner)]
    model = ModelWrapper(
        qonnx_make_model(helper.make_graph(nodes, "g", values[:1], values[1:], value_info=infos))
    )
    for name, value in constants:
        model.set_initializer(name, np.asarray(value, np.float32))
    model.set_tensor_datatype("x", DataType[datatype])
    return model


def node(op_type, inputs, output, name, **attributes):
    return helper.make_node(op_type, inputs, [output], name=name, **attributes)


@pytest.mark.parametrize("datatype", ["UINT8", "INT3", "BIPOLAR"])
def test_random_integers(datatype):
    frames = random_frames(graph([node("Identity", ["x"], "y", "a")], (1, 4, 4, 3), datatype), 50)
    kind = DataType[datatype]
    assert frames.shape == (50, 4, 4, 3) and frames.dtype == np.int64
    assert (frames.min(), frames.max()) == (kind.min(), kind.max())


def test_random_floats_cover_the_networks_own_quantizer():
    """Also behind a transposition; values beyond both ends."""
    levels = np.linspace(10, 30, 15)[np.newaxis]
    nodes = [
        node("Transpose", ["x"], "t", "a", perm=[0, 1, 2, 3]),
        node("MultiThreshold", ["t", "levels"], "y", "b", domain="qonnx.custom_op.general"),
    ]
    frames = random_frames(graph(nodes, (1, 4, 4, 3), constants=[("levels", levels)]), 50)
    assert frames.dtype == np.float32
    assert 8 <= frames.min() < 9 and 31 < frames.max() <= 32
    plain = random_frames(graph([node("Relu", ["x"], "y", "a")], (1, 4, 4, 3)), 50)
    assert abs(plain.mean()) < 0.1 and 0.9 < plain.std() < 1.1


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("shape", [(5, 4, 3), (4, 3)], ids=["frames", "one frame"])
def test_frames_of_a_file(tmp_path, suffix, shape):
    model = graph([node("Identity", ["x"], "y", "a")], (1, 4, 3), "UINT8")
    values = np.arange(np.prod(shape)).reshape(shape)
    path = tmp_path / f"x{suffix}"
    np.save(path, values) if suffix == ".npy" else np.savez(path, values)
    frames = read_frames(path, model)
    np.testing.assert_array_equal(frames, values.reshape(-1, 4, 3))
    assert frames.dtype == np.int64


@pytest.mark.parametrize(
    "values, message",
    [
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\): accepted is \(N, 4, 3\), N >= 1, of input x"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\): accepted is"),
        (np.full((1, 4, 3), 0.5), "the value 0.5: accepted are UINT8"),
        (np.full((1, 4, 3), 256), "the value 256: accepted are UINT8"),
        (np.full((1, 4, 3), np.nan), "a value is infinite or no number"),
        (np.full((1, 4, 3), "a"), "values of type <U1: accepted are numbers"),
        (np.full((1, 4, 3), None), "not readable as .npy or .npz"),
    ],
)
def test_unusable_frames(tmp_path, values, message):
    path = tmp_path / "x.npy"
    np.save(path, values, allow_pickle=True)
    model = graph([node("Identity", ["x"], "y", "a")], (1, 4, 3), "UINT8")
    with pytest.raises(ImecError, match=message) as caught:
        read_frames(path, model)
    assert isinstance(caught.value, ModelError | UnsupportedError) and str(path) in str(caught.value)


def test_files_that_are_no_arrays(tmp_path):
    model = graph([node("Identity", ["x"], "y", "a")], (1, 4, 3), "UINT8")
    np.savez(tmp_path / "two.npz", a=np.zeros((4, 3)), b=np.zeros((4, 3)))
    with pytest.raises(ModelError, match=r"holds the arrays \['a', 'b'\]: accepted is one"):
        read_frames(tmp_path / "two.npz", model)
    (tmp_path / "text.npy").write_text("0 1 2")
    for name in ("text.npy", "absent.npy"):
        with pytest.raises(ModelError, match=f"{name}: not readable"):
            read_frames(tmp_path / name, model)


# ---- a build's folder ----------------------------------------------------------------------------


def parent(holders=1):
    """x -> Neg -> partition -> Neg -> y; the names t and u also occur inside the partition."""
    hold = [
        node(
            "StreamingDataflowPartition", ["t"], "u", f"p{i}", domain="finn.custom_op.fpgadataflow", model="m"
        )
        for i in range(holders)
    ]
    return graph([node("Neg", ["x"], "t", "a"), *hold, node("Neg", ["u"], "y", "b")], (1, 2))


def part():
    """x -> Add 1 -> u -> Mul c -> y."""
    nodes = [node("Add", ["x", "one"], "u", "a"), node("Mul", ["u", "t"], "y", "b")]
    return graph(nodes, (1, 2), "INT4", [("one", [[1, 1]]), ("t", [[3, 5]])])


def test_partition_in_its_parent():
    whole = joined(parent(), part())
    feed = {"x": np.array([[1, 2]], np.float32)}
    np.testing.assert_array_equal(execute_onnx(whole, feed)["y"], [[0 * -3, -1 * -5]])
    assert [n.op_type for n in whole.graph.node] == ["Neg", "Add", "Mul", "Neg"]
    assert whole.get_tensor_datatype("t") == DataType["INT4"]
    for model in (parent(0), parent(2)):
        with pytest.raises(ModelError, match=r"\d StreamingDataflowPartition nodes, not one"):
            joined(model, part())
    more = part()
    more.graph.output.append(helper.make_tensor_value_info("u", TensorProto.FLOAT, (1, 2)))
    with pytest.raises(ModelError, match=r"the partition has 2 ends \['y', 'u'\], its parent \['u'\]"):
        joined(parent(), more)


def test_folder_of_a_build(tmp_path):
    assert not is_build(tmp_path)
    with pytest.raises(ModelError, match=f"holds no {MODEL}; expected the output folder of finn-imec build"):
        load_build(tmp_path)
    (tmp_path / FAILED_LOG).write_text("why")
    for load in (load_build, load_results):
        with pytest.raises(ModelError, match=f"a build that failed, see .*{FAILED_LOG}; build it again"):
            load(tmp_path)
    part().save(str(tmp_path / MODEL))
    assert is_build(tmp_path) and len(load_build(tmp_path).graph.node) == 2
    (tmp_path / PARENT).parent.mkdir()
    parent().save(str(tmp_path / PARENT))
    assert len(load_build(tmp_path).graph.node) == 4
    (tmp_path / PARENT).write_bytes(b"no model")
    with pytest.raises(ModelError, match=PARENT):
        load_build(tmp_path)


# ---- the export ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(1, 4, 3), (5, 4, 3), ("N", 4, 3)], ids=["one image", "a batch", "a batch of any size"]
)
def test_outputs_beside_the_exports(tmp_path, shape):
    """Frames may have more dimensions of size 1 than the export's input."""
    frames = np.arange(24).reshape(2, 4, 3, 1)
    assert difference_from_export(tmp_path, frames, [frames]) is None  # of an older build
    graph([node("Neg", ["x"], "y", "a")], shape).save(str(tmp_path / EXPORT))
    assert difference_from_export(tmp_path, frames, [-frames]) == 0
    near = -frames * (1 + TOLERANCE / 2)
    assert 0 < difference_from_export(tmp_path, frames, [near]) < TOLERANCE
    far = -frames.astype(float)
    far[1, 0, 0, 0] += 24 * TOLERANCE
    with pytest.raises(
        DifferenceError, match=f"frame 2, output y: the built network differs from .*{EXPORT} by 0.001"
    ):
        difference_from_export(tmp_path, frames, [far])


def test_outputs_that_are_no_numbers_or_too_few(tmp_path):
    frames = np.ones((2, 4, 3), np.float32)
    graph([node("Neg", ["x"], "y", "a")], (1, 4, 3)).save(str(tmp_path / EXPORT))
    unknown = -frames
    unknown[1, 0, 0] = np.nan
    with pytest.raises(DifferenceError, match="frame 2, output y: the built network differs"):
        difference_from_export(tmp_path, frames, [unknown])
    with pytest.raises(DifferenceError, match=r"output y: .* has shape \(4,\), that of .* \(4, 3\)"):
        difference_from_export(tmp_path, frames, [-frames[..., 0]])


def test_every_output_is_held_to_the_export(tmp_path):
    frames = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    export = graph([node("Neg", ["x"], "y", "a"), node("Abs", ["x"], "z", "b")], (1, 4, 3))
    export.graph.output.append(export.graph.value_info.pop())
    export.save(str(tmp_path / EXPORT))
    assert difference_from_export(tmp_path, frames, [-frames, frames]) == 0
    with pytest.raises(DifferenceError, match="frame 1, output z: the built network differs"):
        difference_from_export(tmp_path, frames, [-frames, -frames])
    with pytest.raises(DifferenceError, match="the built network has 1 outputs, .* 2"):
        difference_from_export(tmp_path, frames, [-frames])


def test_export_that_does_not_run(tmp_path):
    graph([node("Neg", ["x"], "y", "a")], (1, 4, 3)).save(str(tmp_path / EXPORT))
    with pytest.raises(
        ModelError, match=r"input x has shape \(1, 4, 3\), a frame of the built network \(4, 4\)"
    ):
        difference_from_export(tmp_path, np.zeros((2, 4, 4)), [np.zeros((2, 4, 4))])
    (tmp_path / EXPORT).write_bytes(b"no model")
    with pytest.raises(ModelError, match=EXPORT):
        difference_from_export(tmp_path, np.zeros((2, 4, 3)), [np.zeros((2, 4, 3))])
