"""A network as the list of its operations, with BatchNorms folded into convolutions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from normscope.models.batchnorm import has_batchnorm
from normscope.models.hooks import has_hooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.fx import GraphModule, Node

CONVOLUTIONS = {
    nn.BatchNorm1d: nn.Conv1d,
    nn.BatchNorm2d: nn.Conv2d,
    nn.BatchNorm3d: nn.Conv3d,
}
"""The layer that each kind of BatchNorm can be folded into."""

HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
)
"""Where torch keeps what is done before and after a network."""


class _Tracer(fx.Tracer):
    """Leaves every BatchNorm whole, even a library's own kind."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, AnyBatchNorm) or super().is_leaf_module(m, module_qualified_name)


def traced(model: nn.Module) -> GraphModule | None:
    """A copy of a network as torch.fx records it: its operations without any decisions.

    It keeps nothing between calls, so that several threads can run it at once.

    Args:
        model: In evaluation mode; it stays as it is.

    Returns:
        The recorded network, or None where it cannot be recorded.
    """
    tracer = _Tracer()
    try:
        # A network whose code keeps what passes through it would keep the trace's stand-ins.
        own: Any = copy.deepcopy(model)
        network = fx.GraphModule(own, tracer.trace(own), type(model).__name__)
    except Exception:  # noqa: BLE001 - a stranger's network may fail in any way
        return None
    for hooks in HOOKS:  # which the trace does not see
        getattr(network, hooks).update(getattr(own, hooks))
    return network.eval()


def batchnorms(network: GraphModule) -> Iterator[tuple[Node, AnyBatchNorm]]:
    """Where a recorded network calls a BatchNorm, in the order of the calls."""
    for node in list(network.graph.nodes):
        if node.op == "call_module":
            module = network.get_submodule(node.target)
            if isinstance(module, AnyBatchNorm):
                yield node, module


def fold(network: GraphModule, node: Node) -> Node | None:
    """Fold a BatchNorm into the convolution before it, if nothing else uses that.

    Args:
        network: A recorded network in evaluation mode; changed in place.
        node: Where it calls the BatchNorm.

    Returns:
        The convolution, which now gives what the BatchNorm gave; None where nothing was changed.
    """
    before = node.args[0] if node.args else None
    if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
        return None
    batchnorm: Any = network.get_submodule(str(node.target))
    convolution: Any = network.get_submodule(str(before.target))
    if (
        type(convolution) is not CONVOLUTIONS.get(type(batchnorm))
        or batchnorm.running_mean is None
        or not only_call(network, before)
        or has_hooks(convolution)
        or has_hooks(batchnorm)
    ):
        return None
    network.add_submodule(str(before.target), fuse_conv_bn_eval(convolution, batchnorm))
    node.replace_all_uses_with(before)
    network.graph.erase_node(node)
    return before


def fused(model: nn.Module) -> nn.Module:
    """The network with each BatchNorm folded into the convolution before it, where it can be.

    Args:
        model: In evaluation mode; it stays as it is.

    Returns:
        A recorded network, or the given one where it has no BatchNorm or cannot be recorded.
    """
    if not has_batchnorm(model):
        return model
    network = traced(model)
    if network is None:
        return model
    for node, _ in batchnorms(network):
        fold(network, node)
    network.delete_all_unused_submodules()
    network.recompile()
    return network


def only_call(network: GraphModule, node: Node) -> bool:
    """Whether a recorded network calls a layer nowhere else."""
    return sum(other.target == node.target for other in network.graph.nodes) == 1
