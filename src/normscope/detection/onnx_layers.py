"""The first convolution of an ONNX file and the BatchNormalization that reads it, as torch's."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from normscope.deploy.affine import Affine
from normscope.deploy.entry import NoExactFold
from normscope.deploy.onnx_entry import find_graph_entry
from normscope.deploy.onnx_graph import Graph, attribute
from normscope.deploy.onnx_input import image_input
from normscope.deploy.onnx_padding import Nodes, convolution_widths
from normscope.models.files.onnx_file import read_graph

if TYPE_CHECKING:
    from onnx import NodeProto

    from normscope.deploy.onnx_entry import GraphEntry


class OnnxFirstLayers(nn.Sequential):
    """What of an ONNX file a detection needs.

    Args:
        layers: Padding, a convolution and a BatchNorm by their names in the file.
        notes: What its own nodes do to the pixels in front of them.
    """

    def __init__(self, layers: OrderedDict[str, nn.Module], notes: tuple[str, ...]) -> None:
        super().__init__(layers)
        self.notes = notes


def first_layers(name: str, channels: int, size: tuple[int, int]) -> OnnxFirstLayers | None:
    """Read the layers that tell a normalization off an ONNX file.

    Args:
        name: The file's path.
        channels: Channels of the images.
        size: Height and width in pixels.

    Returns:
        The layers, in evaluation mode; None where no BatchNormalization reads the first
        convolution, as in most exports, which have it folded into the convolution.
    """
    path = Path(name).expanduser()
    model = read_graph(path)
    graph = Graph(model)
    image = image_input(model, path, channels)
    try:
        entry = find_graph_entry(graph, image, channels, size)
        nothing = Affine(np.ones(channels), np.zeros(channels))
        # What the graph does itself is a part of the normalization that it was trained with.
        entry.features(nothing, axis=1)
    except NoExactFold:
        return None
    reader = _batch_norm(graph, entry.node)
    padded = any(node.op_type == "Pad" for node in entry.head)
    source = entry.reached[entry.node.input[0]][0]
    order = np.moveaxis(source, 1, 0).reshape(source.shape[1], -1)[:, 0]
    whole = sorted(order.tolist()) == list(range(channels))
    if reader is None or padded or not whole or attribute(entry.node, "group", 1) != 1:
        return None
    layers = _convolution(entry, order)
    layers[_name(reader)] = _as_torch(graph, reader)
    return OnnxFirstLayers(layers, _notes(entry, name)).eval()


def _batch_norm(graph: Graph, node: NodeProto) -> NodeProto | None:
    if node.op_type != "Conv":
        return None
    return next(
        (
            reader
            for reader in graph.model.graph.node
            if reader.op_type == "BatchNormalization"
            and reader.input[0] == node.output[0]
            and graph.constants.issuperset(reader.input[1:])
        ),
        None,
    )


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


def _as_torch(graph: Graph, node: NodeProto) -> nn.BatchNorm2d:
    weight, bias, mean, variance = (
        torch.from_numpy(graph.array(name).astype(np.float64)) for name in node.input[1:5]
    )
    layer = nn.BatchNorm2d(len(mean), eps=attribute(node, "epsilon", 1e-5))
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


def _notes(entry: GraphEntry, name: str) -> tuple[str, ...]:
    said = entry.own_said()
    if said is None:
        return ()
    return (f"{name} itself first computes {said}: the constants are those of all that is done.",)
