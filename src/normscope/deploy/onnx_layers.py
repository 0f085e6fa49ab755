"""The first layer of an ONNX graph, written anew with a map of its input's channels in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.deploy.onnx_graph import attribute, named
from normscope.deploy.onnx_padding import convolution_widths, pad_channels
from normscope.deploy.refusals import NoExactFold

if TYPE_CHECKING:
    from onnx import NodeProto

    from normscope.deploy.affine import Affine
    from normscope.deploy.onnx_entry import GraphEntry
    from normscope.deploy.onnx_padding import Nodes


def folded_layer(
    entry: GraphEntry, before: Affine, node: NodeProto, to: Nodes, dtype: np.dtype
) -> str:
    """Write the layer and what it needs.

    Args:
        entry: Says which it is.
        before: What is done to the image's channels before the graph.
        node: A copy of the layer's node that reads raw pixels already.
        to: Where it is written.
        dtype: Of its weights.

    Returns:
        The name of its output, which is the original's.
    """
    writers = {
        "Conv": _convolution, "Gemm": _gemm, "MatMul": _matrix, "BatchNormalization": _batch_norm,
    }  # fmt: skip
    writers[node.op_type](entry, before, node, to, dtype)
    return entry.node.output[0]


def _array(entry: GraphEntry, index: int) -> np.ndarray | None:
    read = entry.node.input
    name = read[index] if len(read) > index else ""
    return entry.graph.array(name).astype(np.float64) if name else None


def _read(node: NodeProto, to: Nodes, dtype: np.dtype, **values: np.ndarray) -> None:
    """Let a node read constants after its pixels, in the order given."""
    del node.input[1:]
    for word, array in values.items():
        node.input.append(to.constant(word, array.astype(dtype)))


def _convolution(
    entry: GraphEntry, before: Affine, node: NodeProto, to: Nodes, dtype: np.dtype
) -> None:
    weight, bias = _array(entry, 1), _array(entry, 2)
    assert weight is not None
    affine = entry.features(before, axis=1)
    scaled, shift = affine.into(weight, int(attribute(node, "group", 1)))  # type: ignore[call-overload]
    _read(node, to, dtype, weight=scaled, bias=shift if bias is None else shift + bias)
    size = entry.open_size(entry.node.input[0])
    widths = convolution_widths(to, entry.node, node.input[0], weight.shape[2:], size)
    kept = [a for a in node.attribute if a.name not in {"auto_pad", "pads"}]
    del node.attribute[:]
    node.attribute.extend(kept)
    if widths is not None:
        if not np.isfinite(affine.zeros).all():
            raise NoExactFold(f"{named(node)} pads a channel that the graph makes constant")
        node.input[0] = pad_channels(to, node.input[0], widths, affine.zeros.astype(dtype), axis=1)
    to.nodes.append(node)


def _gemm(entry: GraphEntry, before: Affine, node: NodeProto, to: Nodes, dtype: np.dtype) -> None:
    weight, bias = _array(entry, 1), _array(entry, 2)
    assert weight is not None
    if attribute(node, "transA", 0):
        raise NoExactFold(f"{named(node)} turns its input over")
    turned = bool(attribute(node, "transB", 0))
    by_output = weight if turned else weight.T
    scaled, shift = entry.features(before, axis=1).into(by_output)
    shift *= float(attribute(node, "alpha", 1.0))  # type: ignore[arg-type]
    if bias is not None:
        shift = shift + bias * float(attribute(node, "beta", 1.0))  # type: ignore[arg-type]
    _read(node, to, dtype, weight=scaled if turned else scaled.T, bias=shift)
    kept = [a for a in node.attribute if a.name != "beta"]
    del node.attribute[:]
    node.attribute.extend(kept)
    to.nodes.append(node)


def _matrix(entry: GraphEntry, before: Affine, node: NodeProto, to: Nodes, dtype: np.dtype) -> None:
    weight = _array(entry, 1)
    assert weight is not None
    if weight.ndim != 2:
        raise NoExactFold(f"{named(node)} multiplies by {weight.ndim} axes of weights, not 2")
    rank = entry.elements(entry.node.input[0], before)[0].ndim
    scaled, shift = entry.features(before, axis=rank - 1).into(weight.T)
    _read(node, to, dtype, weight=scaled.T)
    product = to.fresh("product")
    out, node.output[0] = node.output[0], product
    to.nodes.append(node)
    to.add("Add", product, to.constant("shift", shift.astype(dtype)), out=out)


def _batch_norm(
    entry: GraphEntry, before: Affine, node: NodeProto, to: Nodes, dtype: np.dtype
) -> None:
    affine = entry.features(before, axis=1)
    scale, bias, mean, variance = (_array(entry, index) for index in range(1, 5))
    assert scale is not None
    assert bias is not None
    assert mean is not None
    assert variance is not None
    _read(
        node, to, dtype, scale=scale * affine.factor, bias=bias,
        mean=(mean - affine.offset) / affine.factor, variance=variance,
    )  # fmt: skip
    to.nodes.append(node)
