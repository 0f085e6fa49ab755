"""Where the pixels enter an ONNX graph, and what its own nodes do to them before that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from normscope.deploy.affine import Affine
from normscope.deploy.onnx_graph import FLOATS, ONNX_DOMAINS, attribute, inputs_of, named
from normscope.deploy.refusals import NoExactFold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto

    from normscope.deploy.onnx_graph import Graph
    from normscope.deploy.onnx_input import GraphInput

MOVES = frozenset(
    {
        "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "Identity", "Reshape",
        "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operations that put pixels elsewhere without changing them."""

ARITHMETIC = frozenset({"Add", "BatchNormalization", "Cast", "Div", "Mul", "Neg", "Sub"})
"""Operations that are a factor and an offset where their other inputs are constant."""

MEASURES = frozenset({"Shape", "Size"})
LAYERS = frozenset({"BatchNormalization", "Conv", "Gemm", "MatMul"})
QUANTIZED = ("quantize", "qlinear", "integer")
"""In the names of operations on integers that stand for floats."""


@dataclass
class GraphEntry:
    """The one node that the pixels meet first, behind moves and arithmetic.

    Attributes:
        graph: The graph.
        image: Its input.
        node: A convolution, matrix product or BatchNormalization.
        pixels: The names of all values that are pixels, moved, scaled or shifted.
        head: The nodes that make them, in their order.
        channels: Channels of the image.
        size: Its height and width in pixels.
        reached: Of each value that was asked for, which channel of the image each of its elements
            comes from, and by what factor and offset.
    """

    graph: Graph
    image: GraphInput
    node: NodeProto
    pixels: set[str]
    head: list[NodeProto]
    channels: int
    size: tuple[int, int]
    reached: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def arithmetic(self) -> list[NodeProto]:
        """The nodes of the head that scale and shift."""
        return [node for node in self.head if node.op_type in ARITHMETIC]

    def elements(self, name: str, before: Affine) -> tuple[np.ndarray, np.ndarray]:
        """What has become of a raw pixel in each element of a value.

        Args:
            name: In ``pixels``.
            before: What is done to the image's channels before the graph.

        Returns:
            Factors and offsets, of the value's shape for one image.
        """
        if name not in self.reached:
            self.reached[name] = self._probe(name)
        source, factor, offset = self.reached[name]
        return factor * before.factor[source], factor * before.offset[source] + offset

    def features(self, before: Affine, axis: int) -> Affine:
        """The map of each feature that the layer reads.

        Args:
            before: What is done to the image's channels before the graph.
            axis: Of the features.

        Returns:
            The map from raw pixels to what the layer reads.

        Raises:
            NoExactFold: If it differs within a feature.
        """
        rows = [
            np.moveaxis(each, axis, 0).reshape(each.shape[axis], -1)
            for each in self.elements(self.node.input[0], before)
        ]
        if any((row != row[:, :1]).any() for row in rows):
            raise NoExactFold("other values are added or multiplied at other places of a channel")
        return Affine(rows[0][:, 0], rows[1][:, 0])

    def open_size(self, name: str) -> tuple[int | None, ...]:
        """Height and width of a value, None where the file leaves them open."""
        if None in self.image.size:
            return None, None
        return self.reached[name][0].shape[2:]

    def own(self) -> Affine | None:
        """What the graph itself does to each channel of its input; None where it mixes them up."""
        nothing = Affine(np.ones(self.channels), np.zeros(self.channels))
        factor, offset = self.elements(self.node.input[0], nothing)
        source = self.reached[self.node.input[0]][0]
        found = Affine(np.empty(self.channels), np.empty(self.channels))
        for channel in range(self.channels):
            here = source == channel
            if not here.any() or np.ptp(factor[here]) or np.ptp(offset[here]):
                return None
            found.factor[channel], found.offset[channel] = factor[here][0], offset[here][0]
        return found

    def values(self, names: Sequence[str]) -> list[np.ndarray]:
        """Values that the graph computes from an image's shape."""
        return self.graph.run(names, {self.image.name: self._black()}) if names else []

    def own_said(self) -> str | None:
        """What the graph itself computes of its input before the layer; None if nothing."""
        nodes = ", ".join(named(node) for node in self.arithmetic if node.op_type != "Cast")
        own = self.own()
        if not nodes:
            return None
        return f"{'other values' if own is None else own} of its input ({nodes})"

    def _black(self) -> np.ndarray:
        black = np.zeros((self.image.shape[0] or 1, self.channels, *self.size))
        return self.image.arranged(black)

    def _probe(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # One image black, one for each channel with ones in it.
        answers = []
        for channel in (None, *range(self.channels)):
            image = self._black().astype(np.float64)
            if channel is not None:
                np.moveaxis(image, self.image.axis, 0)[channel] = 1
            (found,) = self.graph.run([name], {self.image.name: image}, wide=True)
            if len(found) != len(image):
                raise NoExactFold("the graph takes the images of a batch apart")
            answers.append(found[:1])
        offset = answers[0]
        change = np.stack(answers[1:]) - offset
        if ((change != 0).sum(0) > 1).any():
            raise NoExactFold("channels meet in one of its features")
        source = np.abs(change).argmax(0)
        return source, np.take_along_axis(change, source[None], 0)[0], offset


def find_graph_entry(
    graph: Graph, image: GraphInput, channels: int, size: tuple[int, int], *, through: bool = True
) -> GraphEntry:
    """The node through which every pixel enters a graph.

    Args:
        graph: The graph.
        image: Its input.
        channels: Channels of the images.
        size: Height and width in pixels.
        through: Whether a BatchNormalization counts as arithmetic in front, not as the layer.

    Returns:
        The node, and what lies before it.

    Raises:
        NoExactFold: If anything but one convolution, matrix product or BatchNormalization
            reads the pixels, or its weights are not constant.
    """
    pixels, measured = {image.name}, set(graph.constants)
    head, readers = [], []
    for node in graph.model.graph.node:
        names = [name for name in inputs_of(node) if name]
        met = pixels.intersection(names)
        if not met:
            if names and measured.issuperset(names):
                measured |= set(node.output)
        elif node.op_type in MEASURES and node.domain in ONNX_DOMAINS:
            measured |= set(node.output)
        elif _keeps_apart(node, pixels, measured, through):
            head.append(node)
            pixels |= set(node.output)
        else:
            readers.append(node)
    node = _only_reader(graph, readers, pixels)
    return GraphEntry(graph, image, node, pixels, head, channels, size)


def _keeps_apart(node: NodeProto, pixels: set[str], measured: set[str], through: bool) -> bool:
    """Whether each value that a node gives is one pixel's, scaled and shifted at most."""
    if node.domain not in ONNX_DOMAINS:
        return False
    kind = node.op_type
    if kind == "Concat":
        return pixels.issuperset(node.input)
    met = [name in pixels for name in node.input]
    known = all(name in pixels or name in measured or not name for name in node.input)
    if sum(met) != 1 or not known:
        return False
    if kind in {"Add", "Mul", "Sub"}:
        return True
    if not met[0]:
        return False
    if kind == "Cast":
        return attribute(node, "to") in FLOATS
    if kind == "BatchNormalization":
        return through and len(node.output) == 1 and not attribute(node, "training_mode", 0)
    return kind in MOVES or kind in ARITHMETIC or kind == "Pad"


def _only_reader(graph: Graph, readers: list[NodeProto], pixels: set[str]) -> NodeProto:
    if graph.outputs & pixels:
        raise NoExactFold("the graph gives the pixels themselves as an output")
    foreign = [n for n in readers if n.op_type not in LAYERS or n.domain not in ONNX_DOMAINS]
    if any(map(_is_quantized, foreign)):
        raise NoExactFold(f"the first layer is quantized, by {named(foreign[0])}")
    if foreign:
        raise NoExactFold(f"the graph computes with the pixels by {named(foreign[0])}")
    if not readers:
        raise NoExactFold("no layer reads the pixels")
    if len(readers) > 1:
        names = ", ".join(map(named, readers))
        raise NoExactFold(f"{len(readers)} nodes do, where a file may have one ({names})")
    (node,) = readers
    if node.input[0] not in pixels or pixels.intersection(node.input[1:]):
        raise NoExactFold(f"{named(node)} multiplies by them")
    if not graph.constants.issuperset(name for name in node.input[1:] if name):
        makers = [graph.producers[name] for name in node.input[1:] if name in graph.producers]
        if any(map(_is_quantized, makers)):
            raise NoExactFold(f"the weights of {named(node)} are quantized")
        raise NoExactFold(f"the weights of {named(node)} are computed while it runs")
    return node


def _is_quantized(node: NodeProto) -> bool:
    return any(word in node.op_type.lower() for word in QUANTIZED)
