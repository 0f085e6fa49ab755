"""What an ONNX graph does to its pixels before its first layer, and what its metadata say.

The nodes between the input and the first layer are run on colours, so that any way of writing a
normalization is read: with constants before or behind, channel by channel, transposed or flipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.models.preprocessing.claim import BGR, Claim
from normscope.models.preprocessing.colours import colours, fitted, rounded
from normscope.models.preprocessing.metadata import metadata_claims
from normscope.models.preprocessing.units import in_units_of_01
from normscope.normalization import BYTES

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

POINTWISE = frozenset({
    "Add", "Cast", "Clip", "Concat", "DequantizeLinear", "Div", "Gather", "Identity", "ImageScaler",
    "Mul", "Neg", "Slice", "Split", "Squeeze", "Sub", "Transpose",
    "Unsqueeze",
})  # fmt: skip
"""What may stand in front of a network without being a part of it."""

BY_ITSELF = frozenset({
    "InstanceNormalization", "LpNormalization", "MeanVarianceNormalization", "Normalizer",
})  # fmt: skip
"""What normalizes each image by its own values."""

MAKING_CONSTANTS = frozenset({
    "Cast", "Constant", "Identity", "Reshape", "Squeeze", "Unsqueeze",
})  # fmt: skip
"""Nodes behind constants that are run; others could make a constant of any size."""

MOST_NODES = 64
MOST_JOINS = 4
MOST_NUMBERS = 1 << 24
"""What nodes in front of a network stay below: a file must not decide how much memory is used."""

CHANNELS = (1, 3, 4)
SIDE = 8
"""Of the images that the nodes are run on where the graph leaves the size open."""


def onnx_claims(model: ModelProto, name: str) -> tuple[list[Claim], list[str]]:
    """What a graph says of its preprocessing.

    Args:
        model: Read, with its small constants inside.
        name: The file, for the reader.

    Returns:
        What the graph itself does, what its input's type and its metadata say, and what is wrong
        there.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    claims, faults = metadata_claims(metadata, name)
    pixels = image_input(model.graph)
    if pixels is None:
        return claims, faults
    own = _graph_claim(model, pixels, name)
    return [*([own] if own else []), *claims], faults


def image_input(graph: GraphProto) -> ValueInfoProto | None:
    """The input that takes images: the only one of four dimensions; None if there is none."""
    constants = {initializer.name for initializer in graph.initializer}
    found = [
        value
        for value in graph.input
        if value.name not in constants and len(value.type.tensor_type.shape.dim) == 4
    ]
    return found[0] if len(found) == 1 else None


def channel_axis(shape: list[int]) -> int | None:
    """Where a shape of four dimensions, 0 where open, has its channels; None if nowhere."""
    return next((axis for axis in (1, 3) if shape[axis] in CHANNELS), None)


def _graph_claim(model: ModelProto, pixels: ValueInfoProto, name: str) -> Claim | None:
    import onnx

    shape = [dim.dim_value for dim in pixels.type.tensor_type.shape.dim]
    axis = channel_axis(shape)
    if axis is None:
        return None
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(pixels.type.tensor_type.elem_type))
    front, last, reader = leading_nodes(model.graph, pixels.name)
    if reader is not None and reader.op_type in BY_ITSELF:
        return Claim(f"{name}, {reader.op_type}: each image by its own values", inside=True)
    of_bytes = dtype == np.uint8
    source = f"{name}, {', '.join(dict.fromkeys(node.op_type for node in front))}"
    answers = _answers(model, front, pixels, last, (shape, axis, dtype)) if front else None
    if answers is not None:
        try:
            seen = fitted(answers)
        except NormscopeError:
            seen = None
        if seen is None:
            return Claim(f"{source}, which is no normalization by channel", inside=True)
        read, flipped = in_units_of_01(seen[0], of_bytes=of_bytes), seen[1] == BGR
        if flipped or not read.nothing:
            return Claim(
                f"{source}{', which reverse the channels' if flipped else ''}",
                rounded(read.normalization) if read.normalization else None,
                inside=True,
                takes=read.takes,
            )
    if of_bytes:
        return Claim(f"{name}, uint8 input", BYTES)
    return None


def leading_nodes(graph: GraphProto, pixels: str) -> tuple[list[NodeProto], str, NodeProto | None]:
    """The nodes that pixels pass before the first layer.

    Args:
        graph: Any.
        pixels: The name of its input.

    Returns:
        The nodes in order, with those that make their constants left out; the tensor that the
        first layer reads; and that layer's node. No nodes where several tensors are read.
    """
    constants = {initializer.name for initializer in graph.initializer} | {""}
    cone = {pixels}
    front: list[NodeProto] = []
    beyond: list[tuple[str, NodeProto]] = []
    for node in graph.node:
        if all(name in constants for name in node.input):
            constants |= set(node.output)
        elif not cone & set(node.input):
            continue
        elif node.op_type in POINTWISE and all(n in cone or n in constants for n in node.input):
            front.append(node)
            cone |= set(node.output)
        else:
            beyond += [(name, node) for name in node.input if name in cone]
    read = {name for name, _ in beyond}
    if len(read) != 1:
        return [], pixels, None
    last, reader = beyond[0]
    return front, last, reader


def _answers(
    model: ModelProto,
    front: list[NodeProto],
    pixels: ValueInfoProto,
    last: str,
    layout: tuple[list[int], int, np.dtype],
) -> np.ndarray | None:
    import onnx
    from onnxruntime import InferenceSession

    shape, axis, dtype = layout
    channels = shape[axis]
    size = [1, *(dim or SIDE for dim in shape[1:])]
    if not _modest(model.graph, front, int(np.prod(size, dtype=np.float64))):
        return None
    graph = onnx.helper.make_graph(
        _with_constants(model.graph, front),
        "front",
        [onnx.helper.make_tensor_value_info(
            pixels.name, pixels.type.tensor_type.elem_type, [None] * 4)],
        [onnx.helper.make_empty_tensor_value_info(last)],
        _initializers(model.graph, front),
    )  # fmt: skip
    part = onnx.helper.make_model(
        graph, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
    answers = []
    try:
        session = InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
        for colour in colours(channels):
            value = colour.reshape([channels if i == axis else 1 for i in range(4)])
            image = np.broadcast_to(value, size).astype(dtype)
            (out,) = session.run(None, {pixels.name: image})
            answers.append(_one_colour(np.asarray(out), channels, axis))
    except Exception:  # noqa: BLE001 - nodes that cannot be run say nothing
        return None
    return np.array(answers)


def _modest(graph: GraphProto, front: list[NodeProto], numbers: int) -> bool:
    # Whether running the nodes needs no more memory than an image of so many numbers.
    nodes = _with_constants(graph, front)
    chosen = {id(node) for node in front}
    making = {node.op_type for node in nodes if id(node) not in chosen}
    constants = [tuple(constant.dims) for constant in _initializers(graph, front)]
    return (
        numbers <= MOST_NUMBERS
        and len(nodes) <= MOST_NODES
        and sum(node.op_type == "Concat" for node in front) <= MOST_JOINS
        and making <= MAKING_CONSTANTS
        and all(len(dims) <= 4 and np.prod(dims) <= numbers for dims in constants)
    )


def _one_colour(out: np.ndarray, channels: int, axis: int) -> np.ndarray:
    # Nan where the nodes do not treat all pixels alike, as with an image that is subtracted.
    nothing = np.full(channels, np.nan)
    if out.ndim != 4:
        return nothing
    found = axis if out.shape[axis] == channels else next(
        (other for other in (1, 3) if out.shape[other] == channels), None
    )  # fmt: skip
    if found is None:
        return nothing
    flat = np.moveaxis(out, found, -1).reshape(-1, channels).astype(np.float64)
    return flat[0] if np.ptp(flat, axis=0).max() == 0 else nothing


def _with_constants(graph: GraphProto, front: list[NodeProto]) -> list[NodeProto]:
    # With the nodes that make the front's constants, in the graph's order.
    wanted = {name for node in front for name in node.input}
    chosen = {id(node) for node in front}
    for node in reversed(graph.node):
        if id(node) not in chosen and wanted & set(node.output):
            chosen.add(id(node))
            wanted |= set(node.input)
    return [node for node in graph.node if id(node) in chosen]


def _initializers(graph: GraphProto, front: list[NodeProto]) -> list[Any]:
    wanted = {name for node in _with_constants(graph, front) for name in node.input}
    return [constant for constant in graph.initializer if constant.name in wanted]
