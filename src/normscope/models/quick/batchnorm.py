"""BatchNorm in training and the ReLU that follows it, on a CPU under autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.machine.parts import each, shares
from normscope.models.quick.batchnorm_passes import (
    gradient_pass,
    gradient_sums_pass,
    normalize_pass,
    sums_pass,
)
from normscope.models.quick.conditions import VECTOR, is_exactly, is_plain
from normscope.models.winograd.tiles import flat_maps

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


NO_GRADIENTS = None, None
"""Of what is given beside tensors."""


def batchnorm_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
    added: Tensor | None = None,
    met: Callable[[Tensor, Tensor], None] = lambda _mean, _variance: None,
) -> Tensor:
    """The ReLU of BatchNorm in training, or of its sum with something.

    Args:
        x: Shape ``(N, C, H, W)``, channels last in memory.
        weight: Shape ``(C,)``.
        bias: Likewise.
        epsilon: Added to the variance.
        added: Of the shape and layout of ``x``.
        met: Called with the batch's mean and biased variance before autograd saves anything, where
            gradient checkpointing may end what it computes again.

    Returns:
        The outputs.
    """
    result: Any = _BatchNormReLU.apply(x, weight, bias, added, epsilon, met)
    return result


class _BatchNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        added: Tensor | None,
        epsilon: float,
        met: Callable[[Tensor, Tensor], None],
    ) -> Tensor:
        channels, rows = x.shape[1], x.numel() // x.shape[1]
        # Squares around any value of a channel keep digits that squares around 0 would lose.
        shift = x[0, :, 0, 0].detach().clone()
        first, second = _summed(sums_pass(channels), (x,), shift) / rows
        # What rounding made negative becomes 0, while NaN stays.
        spread = second - first**2
        variance = torch.where(spread < 0, 0, spread)
        mean = (shift + first).to(x.dtype)
        scale = (weight.detach() / (variance + epsilon).sqrt()).to(x.dtype)
        y = torch.empty_like(x)
        run = normalize_pass(channels, added is not None)
        constants = mean.numpy(), scale.numpy(), bias.detach().contiguous().numpy()

        def of_part(part: slice) -> None:
            given = flat_maps(x[part])
            more = given if added is None else flat_maps(added[part])
            run(given, *constants, more, flat_maps(y[part]))

        each(of_part, shares(len(x)))
        variance = variance.to(x.dtype)
        met(mean, variance)
        ctx.save_for_backward(x, y, weight, mean, variance)
        ctx.epsilon = epsilon
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, y, weight, mean, variance = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled():  # to be differentiated again
            return _gradients_by_torch(ctx, gradient)
        channels, rows = x.shape[1], x.numel() // x.shape[1]
        of_x = torch.empty_like(x)
        of_added = torch.empty_like(x) if ctx.needs_input_grad[3] else None
        passed = of_x if of_added is None else of_added
        given = (x, gradient, y, passed)
        first, second = _summed(gradient_sums_pass(channels), given, mean)
        inverse = (variance.double() + ctx.epsilon).rsqrt()
        scale = weight.detach() * inverse
        of_centred, constant = -scale * inverse**2 * second / rows, -scale * first / rows
        constants = [numbers.to(x.dtype).numpy() for numbers in (mean, scale, of_centred, constant)]
        run = gradient_pass(channels)

        def of_part(part: slice) -> None:
            run(flat_maps(x[part]), flat_maps(passed[part]), *constants, flat_maps(of_x[part]))

        each(of_part, shares(len(x)))
        return of_x, (second * inverse).to(x.dtype), first.to(x.dtype), of_added, *NO_GRADIENTS


def _summed(run: Callable[..., None], tensors: tuple[Tensor, ...], shift: Tensor) -> Tensor:
    """A pass's two sums of each channel in double precision, shape ``(2, C)``."""

    def of_part(part: slice) -> Tensor:
        found = torch.zeros(2, len(shift), dtype=torch.float64)
        numbers = [flat_maps(tensor[part]) for tensor in tensors]
        run(*numbers, shift.numpy(), found[0].numpy(), found[1].numpy())
        return found

    return torch.stack(each(of_part, shares(len(tensors[0])))).sum(0)


def _gradients_by_torch(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, y, weight, mean, variance = ctx.saved_tensors
    gradient = gradient * (y > 0)
    inverse, wanted = (variance + ctx.epsilon).rsqrt(), ctx.needs_input_grad[:3]
    found = torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, inverse, True, ctx.epsilon, wanted
    )
    return *found, gradient if ctx.needs_input_grad[3] else None, *NO_GRADIENTS


def suits(module: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    """Whether a layer is a BatchNorm of images that ``batchnorm_relu`` can stand for."""
    return (
        is_exactly(module, nn.BatchNorm2d)
        and module.weight is not None
        and module.bias is not None
        and module.track_running_stats
        and module.running_mean is not None
        and module.momentum is not None
        and module.num_features % VECTOR == 0
        and module.weight.dtype in {torch.float32, torch.float64}
    )


def relu_of(
    layer: nn.BatchNorm2d, x: Tensor, dtype: torch.dtype, added: Tensor | None = None
) -> Tensor:
    """The ReLU of a BatchNorm's output, or of its sum with something.

    Args:
        layer: One that suits.
        x: Its input.
        dtype: The one that its passes are compiled for.
        added: Of the shape of ``x``.

    Returns:
        Computed by compiled passes where they can stand for torch's layers, else by these.
    """
    fits = added is None or (is_plain(added, layer.weight, dtype) and added.shape == x.shape)
    if not (fits and _takes(layer, x, dtype)):
        y = layer(x)
        return F.relu(y if added is None else y + added)
    count = x.numel() // layer.num_features

    def remember(mean: Tensor, variance: Tensor) -> None:
        _remember(layer, mean, variance, count)

    return batchnorm_relu(x, layer.weight, layer.bias, layer.eps, added, remember)


def _takes(layer: nn.BatchNorm2d, x: Tensor, dtype: torch.dtype) -> bool:
    return (
        layer.training
        and suits(layer)
        and is_plain(x, layer.weight, dtype)
        and x.shape[1] == layer.num_features == len(layer.weight) == len(layer.bias)
        and x.numel() > layer.num_features
        and layer.eps > 0
    )


def _remember(layer: Any, mean: Tensor, variance: Tensor, count: int) -> None:
    layer.running_mean.lerp_(mean, layer.momentum)
    layer.running_var.lerp_(variance * (count / (count - 1)), layer.momentum)
    layer.num_batches_tracked.add_(1)
