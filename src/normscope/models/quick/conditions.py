"""What layers and their inputs must be for other ways of computing to give the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard, TypeVar

import torch
from torch import nn
from torch.autograd import forward_ad

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_AXES = 4

VECTOR = 8
"""Compiled passes take channels in multiples of this, a vector of float32 at a time."""

STRIDES = {(1, 1), (2, 2)}
"""Those of the convolutions that are made into single products."""

Kind = TypeVar("Kind", bound=nn.Module)


def is_exactly(module: nn.Module, kind: type[Kind]) -> TypeGuard[Kind]:
    """Whether a module is of this very class, and computes as the class does."""
    return type(module) is kind and "forward" not in vars(module)


def is_3x3(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a plain convolution of 3 x 3 with a border of one zero."""
    return (
        is_exactly(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.dilation == (1, 1)
        and module.padding in {(1, 1), "same"}
        and module.padding_mode == "zeros"
        and module.groups == 1
    )


def is_plain(x: Tensor, weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether inputs are images on the CPU, channels last, and computed with in this type."""
    return (
        not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
        and torch._C._get_tracing_state() is None
        and type(x) is torch.Tensor
        and type(weight) in {torch.Tensor, nn.Parameter}
        and x.dtype == weight.dtype == dtype
        and x.device.type == weight.device.type == "cpu"
        and x.ndim == IMAGE_AXES
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )
