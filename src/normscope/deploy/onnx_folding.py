"""Fold a normalization into the first layer of an ONNX graph, exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from normscope.deploy.before import Before, Fold
from normscope.deploy.onnx_entry import ARITHMETIC, find_graph_entry
from normscope.deploy.onnx_graph import Graph, attribute, named
from normscope.deploy.onnx_layers import folded_layer
from normscope.deploy.onnx_padding import Nodes, Widths, pad_channels
from normscope.deploy.onnx_pruning import drop_unused
from normscope.deploy.refusals import NoExactFold

if TYPE_CHECKING:
    from onnx import NodeProto

    from normscope.deploy.affine import Affine
    from normscope.deploy.onnx_entry import GraphEntry
    from normscope.deploy.onnx_input import GraphInput
    from normscope.normalization import Normalization


CONSTANTS_ALONE = 4
"""The version of the format from which constants need not be inputs too."""


@dataclass(frozen=True, kw_only=True, repr=False)
class FoldedGraph(Fold):
    """An ONNX model that takes raw pixels.

    Attributes:
        model: Gives for raw pixels what the original gives for normalized ones; a copy.
        image: Its input.
        weights: The type of the first layer's.
        layer: The name of the first layer's output, in the original and here.
        own: What the original's own nodes did to its input, merged too; None if nothing.
        merged: Those nodes.
    """

    model: onnx.ModelProto
    image: GraphInput
    weights: np.dtype
    layer: str
    own: Affine | None
    merged: tuple[str, ...]


def fold_graph(
    model: onnx.ModelProto,
    image: GraphInput,
    normalization: Normalization,
    *,
    to: Normalization | str = "uint8",
    channels: int,
    size: tuple[int, int],
    residual: bool = False,
) -> FoldedGraph:
    """Make an ONNX model take raw pixels.

    Its first layer's weights are scaled and its bias corrected; zeros that it pads with become the
    value of each channel that is normalized to zero; nodes in front that scale and shift are
    merged. Everything behind stays as it is.

    Args:
        model: Takes normalized images; not changed.
        image: Its input.
        normalization: What is applied before it, in units of [0, 1].
        to: What the new model takes, as ``normscope.fold`` does.
        channels: Channels of the images.
        size: Height and width in pixels of the images to follow through the graph.
        residual: Leave one scale for all channels to the runtime.

    Returns:
        The new model and what was done.

    Raises:
        NoExactFold: If none exists, with why.
    """
    before = Before.of(normalization, to, channels, residual=residual)
    graph = Graph(model)
    bytes_taken = before.takes == "uint8" and before.scale == 1
    try:
        entry = find_graph_entry(graph, image, channels, size)
        written = _Writing(entry, before.affine, bytes_taken=bytes_taken)
    except NoExactFold as error:
        # A BatchNormalization in front whose output others read takes the normalization itself.
        try:
            entry = find_graph_entry(graph, image, channels, size, through=False)
            if entry.node.op_type != "BatchNormalization":
                raise error
            written = _Writing(entry, before.affine, bytes_taken=bytes_taken)
        except NoExactFold:
            raise error from None
    merged = tuple(named(node) for node in entry.arithmetic if node.op_type != "Cast")
    return FoldedGraph(
        model=written.model,
        image=written.image,
        weights=written.weights,
        layer=written.layer,
        own=entry.own() if merged else None,
        merged=merged,
        normalization=normalization,
        takes=before.takes,
        scale=before.scale,
        changes={entry.node.name or entry.node.output[0]: {"kind": entry.node.op_type}},
        channels=channels,
        image_size=size,
    )


class _Writing:
    """The graph as it is written anew."""

    def __init__(self, entry: GraphEntry, before: Affine, *, bytes_taken: bool) -> None:
        self.entry, self.before = entry, before
        self.layer = entry.node.output[0]
        self.names = {name for node in entry.graph.model.graph.node for name in node.output}
        self.names |= set(entry.graph.initializers) | {entry.image.name}
        self.names |= {node.name for node in entry.graph.model.graph.node}
        self.weights = self._weights_type()
        taken = np.dtype(np.uint8) if bytes_taken else self.weights
        self.image = replace(entry.image, dtype=taken)
        self.alias: dict[str, str] = {}
        self.model = onnx.ModelProto()
        self.model.CopyFrom(entry.graph.model)
        with np.errstate(over="ignore"):  # infinite numbers are refused as such
            self._write()

    def _weights_type(self) -> np.dtype:
        node, graph = self.entry.node, self.entry.graph
        dtype = graph.array(node.input[1]).dtype
        if dtype not in {np.dtype(t) for t in (np.float16, np.float32, np.float64)}:
            raise NoExactFold(f"the weights of {named(node)} are of type {dtype}")
        return dtype

    def _fresh(self, word: str) -> str:
        count = 0
        while (name := f"normscope_{word}_{count}") in self.names:
            count += 1
        self.names.add(name)
        return name

    def _write(self) -> None:
        graph = self.model.graph
        kept = {v.name: v for v in graph.input}[self.image.name].type.tensor_type
        kept.elem_type = helper.np_dtype_to_tensor_dtype(self.image.dtype)
        to = Nodes(self._fresh, self.entry.graph.opset, [], [])
        if self.image.dtype != self.weights:
            cast = to.add("Cast", self.image.name, to=helper.np_dtype_to_tensor_dtype(self.weights))
            self.alias[self.image.name] = cast
        head = {id(node) for node in self.entry.head}
        for old, new in zip(self.entry.graph.model.graph.node, list(graph.node), strict=True):
            for index, name in enumerate(new.input):
                new.input[index] = self.alias.get(name, name)
            self._node(old, new, to, in_head=id(old) in head)
        del graph.node[:]
        graph.node.extend(to.nodes)
        graph.initializer.extend(to.constants)
        if self.model.ir_version < CONSTANTS_ALONE:
            graph.input.extend(
                helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in to.constants
            )
        kept_info = [v for v in graph.value_info if v.name not in self.entry.pixels]
        del graph.value_info[:]
        graph.value_info.extend(kept_info)
        drop_unused(self.model)

    def _node(self, old: NodeProto, new: NodeProto, to: Nodes, *, in_head: bool) -> None:
        if old is self.entry.node:
            self.layer = folded_layer(self.entry, self.before, new, to, self.weights)
        elif in_head and old.op_type in ARITHMETIC:
            (read,) = (i for i, name in enumerate(old.input) if name in self.entry.pixels)
            self._check_same_shape(old, old.input[read])
            self.alias[old.output[0]] = new.input[read]
        elif in_head and old.op_type == "Pad" and attribute(old, "mode", "constant") == "constant":
            self._pad(old, new, to)
        else:
            to.nodes.append(new)

    def _check_same_shape(self, node: NodeProto, read: str) -> None:
        # Broadcasting by a constant of more axes would be lost with it.
        shapes = [
            self.entry.elements(name, self.before)[0].shape for name in (read, node.output[0])
        ]
        if shapes[0] != shapes[1]:
            raise NoExactFold(f"{named(node)} changes the shape of the pixels")

    def _pad(self, old: NodeProto, new: NodeProto, to: Nodes) -> None:
        graph, value = self.entry.graph, attribute(old, "value", 0.0)
        read = [*new.input, "", "", ""][:4]
        if len(old.input) > 1:
            value = graph.array(old.input[2]).item() if read[2] else 0.0
        widths = Widths(tuple(attribute(old, "pads", ())), read[1], read[3])
        factor, offset = self.entry.elements(old.input[0], self.before)
        values, axis = _by_channel(factor, offset, value, old)
        if np.ptp(values) and self._pads(old, axis, factor.ndim):
            raise NoExactFold(f"{named(old)} adds channels")
        pad_channels(to, read[0], widths, values.astype(self.weights), axis, old.output[0])

    def _pads(self, node: NodeProto, axis: int, rank: int) -> bool:
        """Whether a Pad widens an axis."""
        names = [name for name in (*node.input[1:2], *node.input[3:4]) if name]
        sides, *axes = self.entry.values(names) or [np.array(attribute(node, "pads"))]
        at = list(range(rank)) if not axes else [int(a) % rank for a in axes[0]]
        return axis in at and bool(sides.reshape(2, -1)[:, at.index(axis)].any())


def _by_channel(
    factor: np.ndarray, offset: np.ndarray, value: float, node: NodeProto
) -> tuple[np.ndarray, int]:
    """What becomes the padding's value, for each index on the one axis along which it differs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = np.where(offset == value, 0.0, (value - offset) / factor)
    if not np.isfinite(raw).all():
        raise NoExactFold(f"{named(node)} pads a channel that the graph makes constant")
    for axis in range(1, raw.ndim):
        lines = np.moveaxis(raw, axis, 0).reshape(raw.shape[axis], -1)
        if (lines == lines[:, :1]).all():
            return lines[:, 0], axis
    raise NoExactFold(f"{named(node)} pads values that differ at each place")
