"""Residual blocks whose BatchNorms, sums and ReLUs are computed in one pass each way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.models.quick import batchnorm
from normscope.models.quick.conditions import is_plain
from normscope.models.resnet20 import Block

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

TORCHVISION = "torchvision.models.resnet"
STAGES = {(TORCHVISION, "BasicBlock"): 2, (TORCHVISION, "Bottleneck"): 3}
"""Convolutions ``conv1`` and so on, each before a BatchNorm ``bn1`` and so on: ReLU follows all but
the last, to which the shortcut is added before one more ReLU."""


def suits(module: nn.Module) -> bool:
    """Whether a module is a residual block that is known, as its library made it."""
    stages = _stages(module)
    norms = [getattr(module, f"bn{stage + 1}") for stage in range(stages)]
    return (
        stages > 0
        and "forward" not in vars(module)
        and all(batchnorm.suits(norm) for norm in norms)
        and (isinstance(module, Block) or type(module.relu) is nn.ReLU)
    )


def _stages(module: nn.Module) -> int:
    kind = type(module)
    return 2 if kind is Block else STAGES.get((kind.__module__, kind.__qualname__), 0)


def forward_of(block: nn.Module) -> Callable[[Tensor], Tensor]:
    """What a block computes: in training with compiled passes, else as it did.

    Args:
        block: One that suits.

    Returns:
        Its new forward.
    """
    ordinary, made = block.forward, _parts(block)
    dtype = made[0].get_parameter("weight").dtype

    def after(norm: nn.BatchNorm2d, x: Tensor, added: Tensor | None = None) -> Tensor:
        """ReLU of a BatchNorm, or of its sum with something."""
        if added is None or (added.shape == x.shape and is_plain(added, norm.weight, dtype)):
            y = batchnorm.trained(norm, x, dtype, relu=True, added=added)
            if y is not None:
                return y
        y = norm(x)
        return F.relu(y if added is None else y + added)

    def forward(x: Tensor) -> Tensor:
        parts = _parts(block)
        if not block.training or parts != made or any(_is_watched(part) for part in parts):
            return ordinary(x)
        y, stages = x, _stages(block)
        for stage in range(1, stages):
            y = after(getattr(block, f"bn{stage}"), getattr(block, f"conv{stage}")(y))
        y = getattr(block, f"conv{stages}")(y)
        return after(getattr(block, f"bn{stages}"), y, _shortcut(block, x))

    return forward


def _shortcut(block: Any, x: Tensor) -> Tensor:
    if isinstance(block, Block):
        return block.shortcut(x)
    return x if block.downsample is None else block.downsample(x)


def _parts(block: Any) -> list[nn.Module]:
    """The modules that are not called any more."""
    norms = [getattr(block, f"bn{stage + 1}") for stage in range(_stages(block))]
    return norms if isinstance(block, Block) else [*norms, block.relu]


def _is_watched(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
