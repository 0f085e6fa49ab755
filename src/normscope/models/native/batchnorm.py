"""BatchNorm in training on a CPU, under autograd."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from normscope.models.native.library import VECTOR, check, is_plain, pointers

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, library: Any
    ) -> tuple[Tensor, ...]:
        y, mean, variance = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        numbers = pointers(x, weight, bias, y, mean, variance)
        check(library.batchnorm_forward(*numbers, *_sizes(x, epsilon)))
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.mark_non_differentiable(mean, variance)
        ctx.epsilon, ctx.library = epsilon, library
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_x = torch.empty_like(x)
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(weight)
        numbers = pointers(x, gradient, weight, mean, variance, of_x, of_weight, of_bias)
        check(ctx.library.batchnorm_backward(*numbers, *_sizes(x, ctx.epsilon)))
        return of_x, of_weight, of_bias, None, None


def _sizes(x: Tensor, epsilon: float) -> list[Any]:
    channels = x.shape[1]
    rows = ctypes.c_long(x.numel() // channels)
    return [rows, ctypes.c_long(channels), ctypes.c_double(epsilon), torch.get_num_threads()]


def suits(module: nn.Module) -> bool:
    """Whether a layer is a BatchNorm of images that the library has."""
    return (
        type(module) is nn.BatchNorm2d
        and "forward" not in vars(module)
        and module.affine
        and module.track_running_stats
        and module.momentum is not None
        and module.num_features % VECTOR == 0
    )


def forward_by(library: ctypes.CDLL, layer: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    """What a BatchNorm computes: in training by the library, else as it did.

    Args:
        library: For numbers of the layer's type.
        layer: One that suits.

    Returns:
        Its new forward.
    """
    ordinary = layer.forward

    def forward(x: Tensor) -> Tensor:
        mean, variance = layer.running_mean, layer.running_var
        count = x.numel() // x.shape[1] if x.ndim > 1 and x.numel() else 0
        if not (layer.training and is_plain(x, layer.weight.dtype) and mean is not None and count > 1):
            return ordinary(x)
        result: Any = _BatchNorm.apply(x, layer.weight, layer.bias, layer.eps, library)
        with torch.no_grad():
            assert layer.momentum is not None
            mean.lerp_(result[1], layer.momentum)
            variance.lerp_(result[2] * (count / (count - 1)), layer.momentum)
            layer.num_batches_tracked.add_(1)
        return result[0]

    return forward
