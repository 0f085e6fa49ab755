"""A convolution and the ReLU behind it as one operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.models.fused import has_hooks

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import GraphModule, Node


class ConvolutionReLU(nn.Module):
    """oneDNN's convolution, which keeps values above 0 as it writes them.

    What torch.compile makes of these two on a CPU. SqueezeNet takes a tenth less time so.

    Args:
        convolution: The convolution.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        how = (convolution.padding, convolution.stride, convolution.dilation)
        self._how = (*map(list, how), convolution.groups)

    def forward(self, x: Tensor) -> Tensor:
        """What the ReLU gives of ``x``, shape ``(N, C, H, W)``."""
        convolve = torch.ops.mkldnn._convolution_pointwise
        return convolve(x, self.weight, self.bias, *self._how, "relu", [], "")


def join_convolutions_and_relus(network: GraphModule) -> None:
    """Make one operation of each convolution that a ReLU alone follows.

    Args:
        network: A recorded network in float32 on a CPU; changed in place, and to be compiled anew.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for node in list(network.graph.nodes):
        if _is_relu(network, node):
            (before,) = node.all_input_nodes
            layer: Any = before.op == "call_module" and network.get_submodule(str(before.target))
            if (
                type(layer) is nn.Conv2d
                and len(before.users) == 1
                and layer.padding_mode == "zeros"
                and not isinstance(layer.padding, str)
                and not has_hooks(layer)
            ):
                name = f"{before.name}_relu"
                network.add_submodule(name, ConvolutionReLU(layer))
                before.target = name
                node.replace_all_uses_with(before)
                network.graph.erase_node(node)


def _is_relu(network: GraphModule, node: Node) -> bool:
    if node.op != "call_module":
        return node.target in {F.relu, torch.relu}
    layer = network.get_submodule(str(node.target))
    return type(layer) is nn.ReLU and not has_hooks(layer)
