"""QONNX networks in the form that FINN's transformations take, one transformation for each difference.

All compute the same function as before, and leave what needs no change. `notes` says in a line what was done
where it changes shapes or costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from finn_imec.frontend.graph import (
    LAYERS,
    QUANTIZERS,
    attribute,
    axes_of,
    dynamic_inputs,
    forget_shapes,
    is_constant,
    label,
    on_the_way_to,
    quantizer,
    rank,
    set_attributes,
)
from finn_imec.util.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

WINDOWS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool")
#: Nodes that compute each value from values at the same place.
ELEMENTWISE = (
    *("Quant", "BipolarQuant", "Trunc", "Identity", "Dropout"),
    *("Relu", "Sigmoid", "Tanh", "Clip", "LeakyRelu"),
    *("Add", "Sub", "Mul", "Div", "BatchNormalization", "GlobalAveragePool", "GlobalMaxPool"),
)


class _Noting(Transformation):
    """A transformation that says what it did; notes: one line each."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []


class BatchOfOne(_Noting):
    """Change a batch of several images, or of any number, to one: FINN's streams carry one image at a time.

    Raises UnsupportedError naming the node if one mixes the images of a batch.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Change shapes of inputs and outputs, and the constants of Reshape nodes."""
        from onnx import numpy_helper

        batches = {}
        for tensor in model.graph.input:
            dimensions = tensor.type.tensor_type.shape.dim
            if model.get_initializer(tensor.name) is None and len(dimensions) > 1:
                batches[tensor.name] = dimensions[0].dim_value
        changed = {name: size for name, size in batches.items() if size != 1}
        if not changed:
            return model, False
        batch = max(changed.values())
        for node in model.graph.node:
            self._check(model, node, batch)
        for tensor in (*model.graph.input, *model.graph.output):
            dimensions = tensor.type.tensor_type.shape.dim
            if tensor.name in changed or (model.find_producer(tensor.name) is not None and dimensions):
                dimensions[0].Clear()
                dimensions[0].dim_value = 1
        constants = {node.output[0]: node for node in model.graph.node if node.op_type == "Constant"}
        for node in model.graph.node:
            if node.op_type != "Reshape":
                continue
            shape = model.get_initializer(node.input[1])
            if shape is None and node.input[1] in constants:
                shape = numpy_helper.to_array(attribute(constants[node.input[1]], "value"))
            if shape is not None and batch > 1 and shape.size and shape[0] == batch:
                name = model.make_new_valueinfo_name()
                model.set_initializer(name, np.array([1, *shape[1:]], dtype=np.int64))
                node.input[1] = name
        forget_shapes(model)
        for name, size in changed.items():
            self.notes.append(f"input {name}: its batch of {size or 'any number of'} images became 1")
        return model, False

    def _check(self, model: ModelWrapper, node: NodeProto, batch: int) -> None:
        axes = [attribute(node, "axis"), *(attribute(node, "axes") or [])]
        mixes = node.op_type in ("Concat", "Split", "Gather", "Softmax", "Flatten") and 0 in axes
        mixes |= node.op_type.startswith("Reduce") and 0 in axes
        mixes |= node.op_type == "Transpose" and attribute(node, "perm", [0])[0] != 0
        if node.op_type in ("Add", "Sub", "Mul", "Div") and batch > 1:
            constants = [model.get_initializer(name) for name in node.input]
            mixes |= any(c is not None and c.ndim > 1 and c.shape[0] == batch for c in constants)
        if mixes:
            raise UnsupportedError(
                f"{label(node)}: mixes the {batch or 'many'} images of a batch; accepted is a batch of 1: "
                "export the network with one image"
            )


class OwnParameters(Transformation):
    """Give each layer weights of its own, where several share a quantizer."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Copy quantizers of constants that have several consumers."""
        import copy

        for node in list(model.graph.node):
            if node.op_type not in QUANTIZERS or not is_constant(model, node.output[0]):
                continue
            for consumer in model.find_consumers(node.output[0])[1:]:
                twin = copy.deepcopy(node)
                twin.output[0] = model.make_new_valueinfo_name()
                twin.name = f"{node.name}_{twin.output[0]}" if node.name else ""
                model.set_tensor_shape(twin.output[0], model.get_tensor_shape(node.output[0]))
                for index, name in enumerate(consumer.input):
                    if name == node.output[0]:
                        consumer.input[index] = twin.output[0]
                model.graph.node.insert(list(model.graph.node).index(node), twin)
        return model, False


class FillAttributes(Transformation):
    """Write out attributes that ONNX lets out: FINN reads them all.

    kernel_shape, strides, dilations, group; pads, also those that auto_pad stands for; perm of a Transpose.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Set them on every Conv, MaxPool, AveragePool and Transpose."""
        for node in model.graph.node:
            if node.op_type == "Transpose" and attribute(node, "perm") is None:
                set_attributes(node, perm=list(range(rank(model, node.input[0])))[::-1])
            if node.op_type in WINDOWS:
                shape = model.get_tensor_shape(node.input[0])
                if shape is None or len(shape) < 3:
                    raise UnsupportedError(
                        f"{label(node)}: its input {node.input[0]} has shape {shape}; accepted is "
                        "(1, C, H, W)"
                    )
                self._fill(model, node, shape[2:])
        return model, False

    def _fill(self, model: ModelWrapper, node: NodeProto, image: list[int]) -> None:
        layer = node.op_type in LAYERS
        weights = model.get_tensor_shape(node.input[1]) if layer else None
        kernel = attribute(node, "kernel_shape") or list((weights or ())[2:])
        ones = [1] * len(image)
        strides = attribute(node, "strides", ones)
        dilations = attribute(node, "dilations", ones)
        values = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
        for name, value in values.items():
            if len(value) != len(image):
                raise UnsupportedError(
                    f"{label(node)}: {name} is {value}, for an image of {len(image)} dimensions"
                )
        pads = attribute(node, "pads", [0] * 2 * len(image))
        auto = attribute(node, "auto_pad", "NOTSET")
        if node.op_type == "ConvTranspose":
            set_attributes(node, output_padding=attribute(node, "output_padding", [0] * len(image)))
            if auto not in ("NOTSET", "VALID") or attribute(node, "output_shape") is not None:
                raise UnsupportedError(f"{label(node)}: auto_pad={auto} or output_shape; accepted are pads")
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
            total = [
                max(0, (-(-size // s) - 1) * s + span - size)
                for size, s, span in zip(image, strides, spans, strict=True)
            ]
            less, more = [each // 2 for each in total], [each - each // 2 for each in total]
            pads = less + more if auto == "SAME_UPPER" else more + less
        elif auto == "VALID":
            pads = [0] * 2 * len(image)
        set_attributes(node, **values, pads=pads, auto_pad=None)
        if layer:
            set_attributes(node, group=attribute(node, "group", 1))


class SequencesAsImages(_Noting):
    """Give sequences (1, C, L) a width of 1: FINN's convolutions and pooling work on images (1, C, L, 1).

    The network's input and output change their shapes alike. Raises UnsupportedError naming the node if one
    has no counterpart on images.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Lift each node from its input on, if a convolution or pooling works on sequences."""
        from qonnx.transformation.infer_shapes import InferShapes

        if not any(n.op_type in WINDOWS and rank(model, n.input[0]) == 3 for n in model.graph.node):
            return model, False
        ranks = {t: rank(model, t) for n in model.graph.node for t in (*n.input, *n.output) if t}
        for node in model.graph.node:
            flat = any(ranks[name] == 3 for name in (*dynamic_inputs(model, node), *node.output))
            if flat and quantizer(model, node.output[0]) is None:
                self._lift(model, node, ranks)
        for tensor in (*model.graph.input, *model.graph.output):
            if ranks.get(tensor.name) == 3 and model.get_initializer(tensor.name) is None:
                tensor.type.tensor_type.shape.dim.add().dim_value = 1
                shape = model.get_tensor_shape(tensor.name)
                self.notes.append(f"{tensor.name}: its shape {tuple(shape[:3])} became {tuple(shape)}")
        forget_shapes(model)
        return model.transform(InferShapes()), False

    def _lift(self, model: ModelWrapper, node: NodeProto, ranks: dict[str, int]) -> None:
        def append(name: str) -> None:
            """One more dimension for a constant or, if a quantizer makes it, for that one's constants."""
            made = quantizer(model, name)
            for each in (name,) if made is None else made.input[:3]:
                value = model.get_initializer(each)
                if value is not None and value.size > 1:
                    model.set_initializer(each, value[..., np.newaxis])

        def attributes(**lifted: int) -> None:
            for name, value in lifted.items():
                old = list(attribute(node, name))
                half = len(old) // 2
                new = [*old[:half], value, *old[half:], value] if name == "pads" else [*old, value]
                set_attributes(node, **{name: new})

        kind, before, after = node.op_type, ranks[node.input[0]], ranks[node.output[0]]
        if kind in WINDOWS:
            attributes(kernel_shape=1, strides=1, dilations=1, pads=0)
            if kind == "ConvTranspose":
                attributes(output_padding=0)
            if kind in LAYERS:
                weights = node.input[1]
                made = quantizer(model, weights)
                for each in (weights,) if made is None else made.input[:3]:
                    value = model.get_initializer(each)
                    if value is not None and value.ndim == 3:
                        model.set_initializer(each, value[..., np.newaxis])
        elif kind in ELEMENTWISE:
            if kind != "BatchNormalization":
                for name in node.input:
                    if name and is_constant(model, name):
                        append(name)
        elif kind == "Concat":
            set_attributes(node, axis=attribute(node, "axis") % 3)
        elif kind == "Transpose":
            set_attributes(node, perm=[*attribute(node, "perm"), 3])
        elif kind == "ReduceMean" and axes_of(model, node, 3) == [2]:
            self._set_axes(model, node, [2, 3])
        elif kind == "Flatten":
            set_attributes(node, axis=attribute(node, "axis", 1) % 3)
        elif kind == "Squeeze" and (before, after) == (3, 2) and axes_of(model, node, 3) == [2]:
            self._set_axes(model, node, [2, 3])
        elif kind in ("Resize", "Upsample"):
            for name in node.input[1:]:
                value = model.get_initializer(name) if name else None
                if value is not None and value.size == 3:
                    model.set_initializer(name, np.append(value, value.dtype.type(1)))
        elif kind == "Pad" and len(node.input) > 1:
            pads = model.get_initializer(node.input[1])
            model.set_initializer(node.input[1], np.array([*pads[:3], 0, *pads[3:], 0], dtype=np.int64))
        elif kind != "Reshape" or (before, after) != (3, 2):
            raise UnsupportedError(
                f"{label(node)}: works on sequences of shape {tuple(model.get_tensor_shape(node.input[0]))}, "
                "which become images (1, C, L, 1); it has no counterpart there"
            )

    @staticmethod
    def _set_axes(model: ModelWrapper, node: NodeProto, axes: list[int]) -> None:
        if attribute(node, "axes") is not None:
            set_attributes(node, axes=axes)
        else:
            name = model.make_new_valueinfo_name()
            model.set_initializer(name, np.array(axes, dtype=np.int64))
            node.input[1] = name


class OneZeroPoint(Transformation):
    """Write a quantizer's zero points, which are all 0, as one number: FINN reads no others."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Replace the zero points of each Quant that has one for each channel."""
        for node in model.graph.node:
            if node.op_type == "Quant" and model.get_initializer(node.input[2]).size > 1:
                node.input[2] = model.make_new_valueinfo_name()
                model.set_initializer(node.input[2], np.array(0, dtype=np.float32))
        return model, False


class PlainConstants(Transformation):
    """Write constants of sums and products as FINN reads them: as second input, with all dimensions.

    Raises UnsupportedError naming the node for a constant divided by values.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Reorder the inputs of each Add, Sub, Mul and Div with a constant, and reshape that."""
        from onnx import helper

        for node in list(model.graph.node):
            if node.op_type not in ("Add", "Sub", "Mul", "Div"):
                continue
            values = [model.get_initializer(name) for name in node.input]
            if values[0] is not None and values[1] is None:
                if node.op_type == "Div":
                    raise UnsupportedError(
                        f"{label(node)}: divides a constant by values of the network; accepted are values "
                        "divided by a constant"
                    )
                if node.op_type == "Sub":  # c - x = -x + c
                    minus, negative = model.make_new_valueinfo_name(), model.make_new_valueinfo_name()
                    model.set_initializer(minus, np.array(-1, dtype=np.float32))
                    model.set_tensor_shape(negative, model.get_tensor_shape(node.input[1]))
                    mul = helper.make_node("Mul", [node.input[1], minus], [negative])
                    model.graph.node.insert(list(model.graph.node).index(node), mul)
                    node.op_type, node.input[1] = "Add", negative
                node.input[:] = reversed(node.input)
            value, dimensions = model.get_initializer(node.input[1]), rank(model, node.output[0])
            if value is not None and value.size > 1 and value.ndim < dimensions:
                model.set_initializer(
                    node.input[1], value.reshape((1,) * (dimensions - value.ndim) + value.shape)
                )
        return model, False


class PaddingIntoWindows(Transformation):
    """Make a Pad with zeros part of the convolution after it.

    Raises UnsupportedError naming the node for other padding there.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Add its pads to those of each Conv that reads it; FillAttributes and ranks of 4 are needed."""
        for node in list(model.graph.node):
            if node.op_type != "Pad":
                continue
            pads = self._pads(model, node)
            value = attribute(node, "value", 0)  # up to opset 10
            if len(node.input) > 2 and node.input[2]:
                value = model.get_initializer(node.input[2])
            consumers = model.find_consumers(node.output[0])
            image = pads is not None and len(pads) == 8 and not np.any(pads[[0, 1, 4, 5]])
            zeros = (
                attribute(node, "mode", "constant") == "constant" and value is not None and not np.any(value)
            )
            convolved = [consumer.op_type == "Conv" for consumer in consumers or ()]
            if any(convolved) and not (image and zeros and np.all(pads >= 0)):
                raise UnsupportedError(
                    f"{label(node)}: mode={attribute(node, 'mode', 'constant')}, value {value}, pads "
                    f"{None if pads is None else pads.tolist()}; accepted before a convolution is padding of "
                    "height and width with zeros, e.g. torch.nn.ZeroPad2d"
                )
            if not any(convolved) or not all(convolved):
                if node.output[0] in on_the_way_to(model, (*LAYERS, *QUANTIZERS)):
                    reader = next(each for each in consumers if each.op_type != "Conv")
                    raise UnsupportedError(
                        f"{label(node)}: {label(reader)} reads what it pads; accepted is padding that only "
                        "convolutions read, with a quantizer before it"
                    )
                continue
            for consumer in consumers:
                own = attribute(consumer, "pads")
                added = [int(pads[i]) for i in (2, 3, 6, 7)]
                set_attributes(consumer, pads=[a + b for a, b in zip(own, added, strict=True)])
                consumer.input[0] = node.input[0]
            model.graph.node.remove(node)
        return model, False

    @staticmethod
    def _pads(model: ModelWrapper, node: NodeProto) -> np.ndarray | None:
        """Pads before and after each axis; None if they are computed in the network."""
        pads = attribute(node, "pads")  # up to opset 10
        if pads is None:
            pads = model.get_initializer(node.input[1])
        if pads is None or len(node.input) < 4 or not node.input[3]:
            return None if pads is None else np.array(pads)
        axes, dimensions = model.get_initializer(node.input[3]), rank(model, node.input[0])
        if axes is None:
            return None
        every = np.zeros((2, dimensions), dtype=np.int64)
        every[:, axes] = np.reshape(pads, (2, -1))
        return every.ravel()


class SplitChannels(Transformation):
    """Write slices that take a tensor's channels apart as one Split, and its sizes as constants."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert each group of Slice nodes, and each Split without sizes."""
        from onnx import helper
        from qonnx.transformation.infer_shapes import InferShapes

        for node in list(model.graph.node):
            source = node.input[0] if node.input else ""
            group = model.find_consumers(source) if node.op_type == "Slice" else []
            if group and node is group[0] and all(each.op_type == "Slice" for each in group):
                bounds = [self._channels(model, each) for each in group]
                if None in bounds:
                    continue
                order = sorted(range(len(group)), key=lambda index: bounds[index])
                ends = [0, *(bounds[index][1] for index in order)]
                whole = ends[-1] == model.get_tensor_shape(source)[1]
                if not whole or [bounds[index][0] for index in order] != ends[:-1]:
                    continue
                split = helper.make_node(
                    "Split", [source], [group[index].output[0] for index in order], node.name, axis=1
                )
                model.graph.node.insert(list(model.graph.node).index(node), split)
                for each in group:
                    model.graph.node.remove(each)
        for node in model.graph.node:
            if node.op_type == "Split" and len(node.input) < 2:
                axis = attribute(node, "axis", 0)
                sizes = [model.get_tensor_shape(name)[axis] for name in node.output]
                node.input.append(model.make_new_valueinfo_name())
                model.set_initializer(node.input[1], np.array(sizes, dtype=np.int64))
                set_attributes(node, num_outputs=None, split=None)
        return model.transform(InferShapes()), False

    @staticmethod
    def _channels(model: ModelWrapper, node: NodeProto) -> tuple[int, int] | None:
        """First channel of a Slice, and the one after its last; None if it takes others or more apart."""
        values = [model.get_initializer(name) for name in node.input[1:]]
        if any(value is None or value.size != 1 for value in values) or len(values) < 3:
            return None
        start, stop, axis, *step = (int(value.item()) for value in values)
        channels = model.get_tensor_shape(node.input[0])[1]
        if axis != 1 or step not in ([], [1]):
            return None
        return slice(start, stop).indices(channels)[:2]


class GlobalPooling(Transformation):
    """Write means over images as GlobalAveragePool, maxima as MaxPool: FINN has layers for these."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert ReduceMean over height and width, AveragePool over the image, and GlobalMaxPool."""
        from onnx import helper
        from qonnx.transformation.infer_shapes import InferShapes

        for node in model.graph.node:
            shape = model.get_tensor_shape(node.input[0])
            if shape is None or len(shape) != 4:
                continue
            if node.op_type == "ReduceMean" and axes_of(model, node, 4) == [2, 3]:
                flat = not attribute(node, "keepdims", 1)
            elif node.op_type == "AveragePool" and attribute(node, "kernel_shape") == shape[2:]:
                if any(attribute(node, "pads")):
                    continue
                flat = False
            elif node.op_type == "GlobalMaxPool":
                node.op_type = "MaxPool"
                ones = {name: [1, 1] for name in ("strides", "dilations")}
                set_attributes(node, kernel_shape=shape[2:], pads=[0] * 4, **ones)
                continue
            else:
                continue
            node.op_type = "GlobalAveragePool"
            del node.attribute[:], node.input[1:]
            if flat:
                result = node.output[0]
                node.output[0] = model.make_new_valueinfo_name()
                flatten = helper.make_node("Flatten", [node.output[0]], [result], axis=1)
                model.graph.node.insert(list(model.graph.node).index(node) + 1, flatten)
        return model.transform(InferShapes()), False


class RepeatedPixels(Transformation):
    """Write each Resize that repeats pixels with scales instead of sizes, the form that FINN has a layer for.

    Raises UnsupportedError naming the node for other modes and factors.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Try each Resize and Upsample of an image on numbered pixels."""
        for node in model.graph.node:
            if node.op_type not in ("Resize", "Upsample"):
                continue
            before, after = (model.get_tensor_shape(name) for name in (node.input[0], node.output[0]))
            factors = [a // b for a, b in zip(after, before, strict=True)]
            exact = len(before) == 4 and factors[:2] == [1, 1]
            exact &= all(b * f == a for a, b, f in zip(after, before, factors, strict=True))
            if exact:
                numbered = np.arange(np.prod(before), dtype=np.float32).reshape(before)
                repeated = numbered.repeat(factors[2], axis=2).repeat(factors[3], axis=3)
                exact = np.array_equal(self._run(model, node, numbered), repeated)
            if not exact:
                raise UnsupportedError(
                    f"{label(node)}: mode={attribute(node, 'mode', 'nearest')} from {tuple(before)} to "
                    f"{tuple(after)}; accepted is mode=nearest with whole factors of height and width, e.g. "
                    "torch.nn.Upsample(scale_factor=2, mode='nearest')"
                )
            constants = [np.array(factors, dtype=np.float32)]
            if node.op_type == "Resize":
                constants.insert(0, np.zeros(0, dtype=np.float32))  # the region, which only other modes read
            del node.input[1:]
            for value in constants:
                node.input.append(model.make_new_valueinfo_name())
                model.set_initializer(node.input[-1], value)
        return model, False

    @staticmethod
    def _run(model: ModelWrapper, node: NodeProto, values: np.ndarray) -> np.ndarray:
        """A Resize by onnxruntime: QONNX does not run nodes with an input left out."""
        import onnxruntime
        from onnx import helper, numpy_helper
        from qonnx.util.basic import qonnx_make_model

        constants = [
            numpy_helper.from_array(model.get_initializer(name), name) for name in node.input[1:] if name
        ]
        ends = [[model.get_tensor_valueinfo(name)] for name in (node.input[0], node.output[0])]
        graph = helper.make_graph([node], "one", *ends, constants)
        alone = qonnx_make_model(
            graph, opset_imports=[helper.make_opsetid("", model.get_opset_imports()[""])]
        )
        session = onnxruntime.InferenceSession(alone.SerializeToString())
        return session.run(None, {node.input[0]: values})[0]


class AveragesAsConvolutions(_Noting):
    """Write an average over windows as a depthwise convolution with equal weights.

    An average that a Trunc follows stays: FINN has a layer for both. Raises UnsupportedError naming the node
    if windows at the border have other divisors.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert each AveragePool; FillAttributes comes first."""
        from onnx import helper

        for node in model.graph.node:
            if node.op_type != "AveragePool":
                continue
            if self._is_truncated(model, node):
                if max(attribute(node, "dilations")) == 1:
                    set_attributes(node, dilations=None)  # ONNX knows none up to opset 18
                continue
            pads, ceil = attribute(node, "pads"), attribute(node, "ceil_mode", 0)
            if ceil or (any(pads) and not attribute(node, "count_include_pad", 0)):
                raise UnsupportedError(
                    f"{label(node)}: pads={list(pads)}, ceil_mode={ceil}, count_include_pad="
                    f"{attribute(node, 'count_include_pad', 0)}: windows at the border have other divisors; "
                    "accepted are count_include_pad=1 or no padding, and ceil_mode=0"
                )
            kernel = attribute(node, "kernel_shape")
            channels = model.get_tensor_shape(node.input[0])[1]
            self.notes.append(
                f"{label(node)}: averages of {'x'.join(map(str, kernel))} became a depthwise "
                "convolution with equal weights"
            )
            ones = np.ones((channels, 1, *kernel), dtype=np.float32)
            scale, zero, bits = (np.array(v, dtype=np.float32) for v in (1 / np.prod(kernel), 0, 2))
            inputs = []
            for value in (ones * scale, scale, zero, bits):
                inputs.append(model.make_new_valueinfo_name())
                model.set_initializer(inputs[-1], value)
            weights = model.make_new_valueinfo_name()
            model.set_tensor_shape(weights, ones.shape)
            quant = helper.make_node(
                "Quant", inputs, [weights], f"{node.name}_weights", domain="qonnx.custom_op.general",
                signed=1, narrow=1, rounding_mode="ROUND",
            )  # fmt: skip
            model.graph.node.insert(list(model.graph.node).index(node), quant)
            node.op_type = "Conv"
            node.input.append(weights)
            set_attributes(node, group=channels, ceil_mode=None, count_include_pad=None)
        return model, False

    @staticmethod
    def _is_truncated(model: ModelWrapper, node: NodeProto) -> bool:
        after = model.find_consumer(node.output[0])
        if after is not None and after.op_type == "Mul":
            after = model.find_consumer(after.output[0])
        return after is not None and after.op_type == "Trunc"


class DenseGroups(_Noting):
    """Write a grouped convolution as a dense one whose weights between groups are zero.

    FINN has dense and depthwise convolutions. The new weights are quantized as the old ones, and the layer
    takes `group` times their memory and multiplications. Raises UnsupportedError naming the node if its
    weights cannot be zero.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert each Conv with groups of several input or output channels."""
        for node in model.graph.node:
            if node.op_type != "Conv":
                continue
            group = attribute(node, "group")
            inputs = model.get_tensor_shape(node.input[0])[1]
            outputs = model.get_tensor_shape(node.input[1])[0]
            if group == 1 or group == inputs == outputs:
                continue
            made = quantizer(model, node.input[1])
            source = node.input[1] if made is None else made.input[0]
            weights = model.get_initializer(source)
            bipolar = made is not None and made.op_type == "BipolarQuant"
            if bipolar or not model.get_tensor_datatype(source).allowed(0):
                raise UnsupportedError(
                    f"{label(node)}: group={group} with {inputs} input channels, {outputs} output channels "
                    "and bipolar weights; accepted are group=1 and, depthwise, group = input channels = "
                    "output channels; with weights that can be zero, e.g. ternary, any group is accepted"
                )
            dense = np.zeros((outputs, inputs, *weights.shape[2:]), dtype=weights.dtype)
            own, wide = inputs // group, outputs // group
            for g in range(group):
                rows = slice(g * wide, (g + 1) * wide)
                dense[rows, g * own : (g + 1) * own] = weights[rows]
            model.set_initializer(source, dense)
            model.set_tensor_shape(node.input[1], dense.shape)
            set_attributes(node, group=1)
            self.notes.append(
                f"{label(node)}: its {group} groups ({inputs} to {outputs} channels) became a dense "
                f"convolution with zeros between groups, of {group} times the multiplications"
            )
        return model, False


class BiasesAsConstants(Transformation):
    """Replace quantizers of biases by what they give: biases go into thresholds, or to the host."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Compute the quantizer of input 2 of each layer."""
        from qonnx.core.onnx_exec import execute_node

        for layer in list(model.graph.node):
            if layer.op_type not in LAYERS or len(layer.input) < 3:
                continue
            quant = quantizer(model, layer.input[2])
            if quant is not None:
                context = {name: model.get_initializer(name) for name in quant.input}
                context[quant.output[0]] = np.zeros_like(context[quant.input[0]])
                execute_node(quant, context, model.graph, model.get_opset_imports()[""])
                name = model.make_new_valueinfo_name()
                model.set_initializer(name, context[quant.output[0]].astype(np.float32))
                layer.input[2] = name
                model.graph.node.remove(quant)
        return model, False


class UnsignedAfterRelu(Transformation):
    """Write a signed quantizer after a Relu as the unsigned one of one bit less: FINN takes no other."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert each; a Relu's values are not negative, so that both give the same."""
        for node in model.graph.node:
            if node.op_type != "Quant" or not attribute(node, "signed"):
                continue
            before = model.find_producer(node.input[0])
            if before is not None and before.op_type == "Relu":
                bits = model.get_initializer(node.input[3])
                name = model.make_new_valueinfo_name()
                model.set_initializer(name, np.asarray(bits - 1, dtype=np.float32))
                node.input[3] = name
                set_attributes(node, signed=0, narrow=0)
        return model, False


class UnitBipolarScale(Transformation):
    """Move the scale of a bipolar activation into a Mul after it: FINN takes scale 1 only."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Split each BipolarQuant of an activation whose scale is not 1."""
        from onnx import helper

        for node in list(model.graph.node):
            if node.op_type != "BipolarQuant" or is_constant(model, node.output[0]):
                continue
            scale = model.get_initializer(node.input[1])
            if np.all(scale == 1):
                continue
            one, result = model.make_new_valueinfo_name(), node.output[0]
            model.set_initializer(one, np.array(1, dtype=np.float32))
            signs = model.make_new_valueinfo_name()
            model.set_tensor_shape(signs, model.get_tensor_shape(result))
            mul = helper.make_node("Mul", [signs, node.input[1]], [result])
            node.input[1], node.output[0] = one, signs
            model.graph.node.insert(list(model.graph.node).index(node) + 1, mul)
        return model, False
