"""Small ONNX graphs to fold, each made of the nodes that a case is about."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NEWEST = 25
"""The newest opset that the oldest supported onnxruntime of this year's releases runs."""

RANDOM = np.random.default_rng(0)
IMAGENET_BYTES = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])


def weights(*shape, dtype=np.float32):
    return (RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(dtype)


def channels(values, dtype=np.float32):
    return np.array(values, dtype).reshape(1, -1, 1, 1)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], name=f"{kind}_{output}", **attributes)


def save(path, nodes, constants, shape, *, opset=NEWEST, kind=TensorProto.FLOAT, outputs=("y",),
         rank=4, ir=None, old_inputs=False):  # fmt: skip
    """Write a graph from ``x`` to ``y`` whose constants are given by name."""
    tensors = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    if old_inputs:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    ends = [helper.make_tensor_value_info(n, _floats(kind), [None] * rank) for n in outputs]
    graph = helper.make_graph(nodes, "made", inputs, ends, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir or min(model.ir_version, 10)
    helper.set_model_props(model, {"made": "for a test"})
    onnx.save(model, path)
    return path


def _floats(kind):
    return TensorProto.FLOAT if kind == TensorProto.UINT8 else kind


def convolution(kernel=(3, 3), *, inputs=3, outputs=6, bias=True, group=1, read="x", **attributes):
    """A convolution from ``read`` to ``c``, and what is done to its output."""
    constants = {"w": weights(outputs, inputs // group, *kernel)}
    if bias:
        constants["b"] = weights(outputs, 1).ravel()
    nodes = [
        node("Conv", f"{read} w b" if bias else f"{read} w", "c", group=group, **attributes),
        node("Relu", "c", "y"),
    ]
    return nodes, constants
