"""What layers and numbers must be for other ways to compute them to give the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import nn
from torch.autograd import forward_ad

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_AXES = 4

VECTOR = 8
"""Channels come in groups of so many, which are computed at once."""


def is_common(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a convolution of 3 x 3 with a border of one zero, and as torch made it."""
    return (
        type(module) is nn.Conv2d
        and "forward" not in vars(module)
        and module.kernel_size == (3, 3)
        and module.dilation == (1, 1)
        and module.padding in {(1, 1), "same"}
        and module.padding_mode == "zeros"
        and module.groups == 1
    )


def is_plain(x: Tensor, weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether numbers are those of images in memory, channels last, and computed in this type."""
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
