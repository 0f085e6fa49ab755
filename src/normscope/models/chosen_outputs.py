"""A recorded network without the outputs that nobody asks for."""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from normscope.models.convolution_relu import RELUS
from normscope.models.fused import only_call
from normscope.models.hooks import has_hooks

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import GraphModule, Node

BY_CHANNEL = {nn.ReLU, nn.Dropout, nn.Identity}
"""Layers that treat every channel alike and by itself."""


def leave_out_other_outputs(network: GraphModule) -> None:
    """Where a network ends in a choice of its outputs, compute only these.

    SqueezeNet's last convolution is a quarter of its work, and gives 1,000 outputs where a folder
    may have 10 classes.

    Args:
        network: A recorded network in evaluation mode; changed in place, to be recompiled.
    """
    chosen = network.graph.output_node().all_input_nodes
    if len(chosen) != 1 or not _chooses_outputs(chosen[0]):
        return
    outputs, indices = chosen[0].all_input_nodes
    last = _layer_behind(network, outputs)
    if last is None:
        return
    which = operator.attrgetter(str(indices.target))(network)
    layer = network.get_submodule(str(last.target))
    network.add_submodule(str(last.target), _with_outputs(layer, which))
    chosen[0].replace_all_uses_with(outputs)
    network.graph.erase_node(chosen[0])


def _chooses_outputs(node: Node) -> bool:
    """Whether it is ``x[:, indices]`` with indices from a buffer."""
    if node.target is not operator.getitem or not isinstance(node.args[1], tuple):
        return False
    rows, *columns = node.args[1]
    if rows != slice(None) or len(columns) != 1:
        return False
    return isinstance(columns[0], fx.Node) and columns[0].op == "get_attr"


def _layer_behind(network: GraphModule, node: Node) -> Node | None:
    """The layer whose outputs become the network's, if all that follows takes each by itself."""
    flattened = False
    while len(node.users) == 1 and node.args and isinstance(node.args[0], fx.Node):
        before = node.args[0]
        if node.op == "call_module":
            module = network.get_submodule(str(node.target))
            if has_hooks(module):
                return None
            if type(module) is nn.Linear or (type(module) is nn.Conv2d and module.groups == 1):
                return node if only_call(network, node) and not flattened else None
            if type(module) is nn.AdaptiveAvgPool2d and module.output_size in {1, (1, 1)}:
                flattened = False
            elif type(module) not in BY_CHANNEL:
                return None
        elif node.target is torch.flatten and node.args[1:] == (1,):
            # What stands before it must give one value a channel.
            flattened = True
        elif node.target not in RELUS:
            return None
        node = before
    return None


def _with_outputs(layer: Any, which: Tensor) -> nn.Module:
    narrowed = copy.deepcopy(layer)
    narrowed.weight = nn.Parameter(layer.weight[which], requires_grad=False)
    if layer.bias is not None:
        narrowed.bias = nn.Parameter(layer.bias[which], requires_grad=False)
    return narrowed
