"""A network without its BatchNorm."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from normscope.errors import NormscopeError


def has_batchnorm(model: nn.Module) -> bool:
    """Whether a network normalizes by the statistics of its batches."""
    return any(isinstance(module, AnyBatchNorm) for module in model.modules())


def leave_out_batchnorm(model: nn.Module, name: str) -> None:
    """Put the identity in the place of every BatchNorm, and give biases to what stands before.

    A convolution or linear layer in front of a BatchNorm usually has no bias of its own, since the
    BatchNorm has one; it gets a bias of zeros, so that the network can still represent a shift. The
    layer in front is the one registered last before the BatchNorm with as many outputs.

    Args:
        model: Changed in place.
        name: What it is called in errors.

    Raises:
        NormscopeError: If there is no BatchNorm to leave out.
    """
    if not has_batchnorm(model):
        raise NormscopeError(
            f"--no-batchnorm must be used with a network that has BatchNorm, got {name} without "
            "any. Leave the option out."
        )
    for parent in list(model.modules()):
        before: nn.Module | None = None
        for child_name, child in list(parent.named_children()):
            if isinstance(child, AnyBatchNorm):
                setattr(parent, child_name, nn.Identity())
                if before is not None and _outputs(before) == child.num_features:
                    _give_bias(before)
            before = child if _outputs(child) else before


def _outputs(module: nn.Module | None) -> int | None:
    if isinstance(module, nn.Conv2d):
        return module.out_channels
    return module.out_features if isinstance(module, nn.Linear) else None


def _give_bias(module: nn.Module) -> None:
    if getattr(module, "bias", None) is None:
        weight = module.get_parameter("weight")
        module.bias = nn.Parameter(weight.new_zeros(len(weight)))
