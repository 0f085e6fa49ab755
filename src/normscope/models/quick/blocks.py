"""Residual blocks whose BatchNorms, sums and ReLUs are computed together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from normscope.models.hooks import has_hooks
from normscope.models.quick import batchnorm
from normscope.models.quick.batchnorm import relu_of
from normscope.models.quick.replacing import own_way, replace_forward
from normscope.models.resnet20 import Block

if TYPE_CHECKING:
    from torch import Tensor

TORCHVISION = "torchvision.models.resnet"
STAGES = {(TORCHVISION, "BasicBlock"): 2, (TORCHVISION, "Bottleneck"): 3}
"""How many convolutions ``conv1``, ``conv2``... a block has, each before its BatchNorm ``bn1``... A
ReLU follows each BatchNorm but the last, to whose output the shortcut is added before one more."""


def suits(module: nn.Module) -> bool:
    """Whether a module is a known residual block, as its library made it."""
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


def quicken(block: nn.Module) -> None:
    """Let a block use compiled passes in training.

    Args:
        block: One that suits.
    """
    ordinary, made = own_way(block), [type(part) for part in _parts(block)]
    dtype = _parts(block)[0].get_parameter("weight").dtype

    def forward(block: nn.Module, x: Tensor) -> Tensor:
        parts = _parts(block)
        changed = [type(part) for part in parts] != made
        if not block.training or changed or any(has_hooks(part) for part in parts):
            return ordinary(block, x)
        y, stages = x, _stages(block)
        for stage in range(1, stages):
            y = getattr(block, f"conv{stage}")(y)
            y = relu_of(getattr(block, f"bn{stage}"), y, dtype)
        y = getattr(block, f"conv{stages}")(y)
        return relu_of(getattr(block, f"bn{stages}"), y, dtype, _shortcut(block, x))

    replace_forward(block, forward)


def _shortcut(block: Any, x: Tensor) -> Tensor:
    if isinstance(block, Block):
        return block.shortcut(x)
    return x if block.downsample is None else block.downsample(x)


def _parts(block: Any) -> list[nn.Module]:
    """The modules that a quickened block does not call."""
    norms = [getattr(block, f"bn{stage + 1}") for stage in range(_stages(block))]
    return norms if isinstance(block, Block) else [*norms, block.relu]
