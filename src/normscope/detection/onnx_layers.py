"""The first BatchNormalization of an ONNX file and what stands in front of it, as torch's."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from onnx import ModelProto, ValueInfoProto
from torch import nn

from normscope.deploy.affine import Affine
from normscope.deploy.onnx_entry import find_graph_entry
from normscope.deploy.onnx_graph import Graph, attribute
from normscope.deploy.onnx_input import image_input
from normscope.deploy.onnx_padding import Nodes, convolution_widths
from normscope.deploy.onnx_pruning import drop_unused
from normscope.deploy.refusals import NoExactFold
from normscope.models.files.onnx_file import read_graph
from normscope.models.files.onnx_network import OnnxNetwork
from normscope.models.preprocessing.colours import rounded
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from onnx import NodeProto
    from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

    from normscope.deploy.onnx_entry import GraphEntry


class OnnxFirstLayers(nn.Sequential):
    """What of an ONNX file a detection needs.

    Args:
        layers: Padding, a convolution and a BatchNorm by their names in the file, or all that is
            in front of the BatchNorm as one.
        own: What its nodes do to the pixels in front of these layers; None if nothing, or if it
            is none for each channel.
        notes: The same in a sentence.
    """

    def __init__(
        self,
        layers: OrderedDict[str, nn.Module],
        own: Affine | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(layers)
        self.own, self.notes = own, notes

    def left(self, normalization: Normalization) -> Normalization | None:
        """What is to be done in front of the file, of all that is done to the pixels.

        Args:
            normalization: All of it, one value for each channel.

        Returns:
            The part that the file does not do itself; None where that is no normalization.
        """
        if self.own is None:
            return None if self.notes else normalization
        whole = Affine.of(normalization, len(self.own.factor))
        factor = whole.factor / self.own.factor
        if not (np.isfinite(factor).all() and (factor > 0).all()):
            return None
        offset = (whole.offset - self.own.offset) / self.own.factor
        return rounded(Normalization((-offset / factor).tolist(), (1 / factor).tolist()))


def first_layers(name: str, channels: int, size: tuple[int, int]) -> OnnxFirstLayers | None:
    """Read the layers that tell a normalization off an ONNX file.

    Args:
        name: The file's path.
        channels: Channels of the images.
        size: Height and width in pixels.

    Returns:
        The layers, in evaluation mode; None where no BatchNormalization is left, as in most
        exports, which have it folded into the convolution.
    """
    path = Path(name).expanduser()
    model = read_graph(path)
    graph = Graph(model)
    image = image_input(model, path, channels)
    nodes = _batch_norms(graph)
    if not nodes:
        return None
    try:
        entry = find_graph_entry(graph, image, channels, size)
        nothing = Affine(np.ones(channels), np.zeros(channels))
        # What the graph does itself is a part of the normalization that it was trained with.
        entry.features(nothing, axis=1)
    except NoExactFold:
        entry = None
    layers = None if entry is None else _read_directly(entry, name, nodes)
    return layers or _run(graph, path, nodes[0], (1, channels, *size))


def _batch_norms(graph: Graph) -> list[NodeProto]:
    return [
        node
        for node in graph.model.graph.node
        if node.op_type == "BatchNormalization"
        and node.input[0] not in graph.constants
        and graph.constants.issuperset(node.input[1:])
    ]


def _read_directly(entry: GraphEntry, name: str, nodes: list[NodeProto]) -> OnnxFirstLayers | None:
    """The first convolution and what reads it; None where no BatchNormalization does."""
    reader = next((node for node in nodes if node.input[0] == entry.node.output[0]), None)
    padded = any(node.op_type == "Pad" for node in entry.head)
    source = entry.reached[entry.node.input[0]][0]
    order = np.moveaxis(source, 1, 0).reshape(source.shape[1], -1)[:, 0]
    whole = sorted(order.tolist()) == list(range(entry.channels))
    grouped = attribute(entry.node, "group", 1) != 1
    if reader is None or entry.node.op_type != "Conv" or padded or not whole or grouped:
        return None
    layers = _convolution(entry, order)
    layers[_name(reader)] = _as_torch(entry.graph, reader, nn.BatchNorm2d)
    said = entry.own_said()
    if said is None:
        return OnnxFirstLayers(layers).eval()
    note = f"{name} itself first computes {said}: the constants are those of all that is done."
    return OnnxFirstLayers(layers, entry.own(), (note,)).eval()


def _run(graph: Graph, path: Path, node: NodeProto, shape: tuple[int, ...]) -> OnnxFirstLayers:
    """A BatchNormalization behind other layers, which are run as they are."""
    front = ModelProto()
    front.CopyFrom(graph.model)
    del front.graph.output[:]
    front.graph.output.append(ValueInfoProto(name=node.input[0]))
    drop_unused(front)
    network = OnnxNetwork(path, part=front)
    axes = network(torch.zeros(shape)).ndim
    kind = {4: nn.BatchNorm2d, 5: nn.BatchNorm3d}.get(axes, nn.BatchNorm1d)
    name, batchnorm = _name(node), _as_torch(graph, node, kind)
    return OnnxFirstLayers(OrderedDict([("front", network), (name, batchnorm)])).eval()


def _convolution(entry: GraphEntry, order: np.ndarray) -> OrderedDict[str, nn.Module]:
    node, graph = entry.node, entry.graph
    weight = graph.array(node.input[1]).astype(np.float64)
    in_order = np.empty_like(weight)
    in_order[:, order] = weight
    biased = len(node.input) > 2 and bool(node.input[2])
    rank = len(weight.shape) - 2
    layer = nn.Conv2d(
        weight.shape[1], weight.shape[0], weight.shape[2:],  # type: ignore[arg-type]
        stride=tuple(attribute(node, "strides", [1] * rank)),
        dilation=tuple(attribute(node, "dilations", [1] * rank)), bias=biased,
    )  # fmt: skip
    state = {"weight": torch.from_numpy(in_order)}
    if biased:
        state["bias"] = torch.from_numpy(graph.array(node.input[2]).astype(np.float64))
    layer.load_state_dict(state)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    shape = entry.reached[node.input[0]][0].shape[2:]
    unwritten = Nodes(str, graph.opset, [], [])
    widths = convolution_widths(unwritten, node, node.input[0], weight.shape[2:], shape)
    if widths is not None:
        (top, left), (bottom, right) = widths.known[2:4], widths.known[6:8]
        if (top, left) == (bottom, right):
            layer.padding = (top, left)
            layer._reversed_padding_repeated_twice = [left, right, top, bottom]
        else:
            layers["padding"] = nn.ZeroPad2d((left, right, top, bottom))
    layers[_name(node)] = layer
    return layers


def _as_torch(graph: Graph, node: NodeProto, kind: type[BatchNorm]) -> BatchNorm:
    weight, bias, mean, variance = (
        torch.from_numpy(graph.array(name).astype(np.float64)) for name in node.input[1:5]
    )
    layer = kind(len(mean), eps=attribute(node, "epsilon", 1e-5))
    layer.load_state_dict(
        {
            "weight": weight, "bias": bias, "running_mean": mean, "running_var": variance,
            "num_batches_tracked": torch.tensor(0),
        }
    )  # fmt: skip
    return layer


def _name(node: NodeProto) -> str:
    # Dots part the names of torch's modules.
    return (node.name or node.output[0]).replace(".", "_")
