"""BatchNorm in training on a CPU, under autograd."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from normscope.models.native.conditions import is_plain
from normscope.models.native.library import VECTOR, check, pointers

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def normalize(
    x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, library: ctypes.CDLL
) -> tuple[Tensor, Tensor, Tensor]:
    """What BatchNorm makes of a batch in training.

    Args:
        x: Shape ``(N, C, H, W)``, channels last in memory; ``C`` is a multiple of ``VECTOR``.
        weight: Shape ``(C,)``.
        bias: Likewise.
        epsilon: Added to the variance.
        library: For numbers of their type.

    Returns:
        The normalized numbers, and the batch's mean and biased variance.
    """
    result: Any = _BatchNorm.apply(x, weight, bias, epsilon, library)
    return result


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, library: Any
    ) -> tuple[Tensor, ...]:
        weight, bias = weight.contiguous(), bias.contiguous()
        y, mean, variance = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        numbers = pointers(x, weight, bias, y, mean, variance)
        check(library.batchnorm_forward(*numbers, *_sizes(x, epsilon)))
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.mark_non_differentiable(mean, variance)
        ctx.epsilon, ctx.library = epsilon, library
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled():  # to be differentiated again
            inverse = (variance + ctx.epsilon).rsqrt()
            wanted = ctx.needs_input_grad[:3]
            again = torch.ops.aten.native_batch_norm_backward
            return (
                *again(gradient, x, weight, None, None, mean, inverse, True, ctx.epsilon, wanted),
                None,
                None,
            )
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
    ordinary, dtype = layer.forward, layer.weight.dtype

    def forward(input: Tensor) -> Tensor:  # noqa: A002 - as callers name it
        x = input
        mean, variance, batches = layer.running_mean, layer.running_var, layer.num_batches_tracked
        count, momentum = x.numel() // layer.num_features, layer.momentum
        plain = layer.training and is_plain(x, layer.weight, dtype)
        if not plain or count <= 1 or momentum is None:
            return ordinary(x)
        if mean is None or variance is None or batches is None:
            return ordinary(x)
        y, mean_now, variance_now = normalize(x, layer.weight, layer.bias, layer.eps, library)
        with torch.no_grad():
            mean.lerp_(mean_now, momentum)
            variance.lerp_(variance_now * (count / (count - 1)), momentum)
            batches.add_(1)
        return y

    return forward
