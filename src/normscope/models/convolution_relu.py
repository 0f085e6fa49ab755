"""A convolution and the ReLU that follows it as one operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.models.hooks import has_hooks

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import GraphModule, Node


RELUS = {F.relu, torch.relu}


class ConvolutionReLU(nn.Module):
    """oneDNN's convolution, which writes 0 for what is below.

    torch.compile makes the same of these two on a CPU. It saves SqueezeNet a tenth of its time.

    Args:
        convolution: Its weights are shared.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        pixels = (convolution.padding, convolution.stride, convolution.dilation)
        self._options = (*map(list, pixels), convolution.groups)

    def forward(self, x: Tensor) -> Tensor:
        """What the ReLU gives of ``x``, shape ``(N, C, H, W)``."""
        convolve = torch.ops.mkldnn._convolution_pointwise
        return convolve(x, self.weight, self.bias, *self._options, "relu", [], "")


def join_convolutions_and_relus(network: GraphModule) -> None:
    """Make one operation of each convolution that only a ReLU follows.

    Args:
        network: A recorded network in float32 on a CPU; changed in place, to be recompiled.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for node in list(network.graph.nodes):
        if _is_relu(network, node):
            (before,) = node.all_input_nodes
            convolution = _joinable(network, before)
            if convolution is not None:
                name = f"{before.name}_relu"
                network.add_submodule(name, ConvolutionReLU(convolution))
                before.target = name
                node.replace_all_uses_with(before)
                network.graph.erase_node(node)


def _is_relu(network: GraphModule, node: Node) -> bool:
    if node.op != "call_module":
        return node.target in RELUS
    layer = network.get_submodule(str(node.target))
    return type(layer) is nn.ReLU and not has_hooks(layer)


def _joinable(network: GraphModule, node: Node) -> nn.Conv2d | None:
    """The convolution that is called here, if oneDNN computes such and nothing else uses it."""
    if node.op != "call_module" or len(node.users) > 1:
        return None
    layer = network.get_submodule(str(node.target))
    if (
        type(layer) is nn.Conv2d
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and not has_hooks(layer)
    ):
        return layer
    return None
