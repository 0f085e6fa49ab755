"""BatchNorm in training on a CPU, under autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from normscope.models.quick.conditions import VECTOR, is_plain
from normscope.models.winograd.tiles import flat_maps

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


NO_NUMBERS = 3 * (None,)
"""What is given beside tensors has no gradients."""


def normalize(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
    *,
    relu: bool = False,
    added: Tensor | None = None,
    met: Callable[[Tensor, Tensor], None] = lambda _mean, _variance: None,
) -> Tensor:
    """What BatchNorm makes of a batch in training, and ReLU of that.

    Args:
        x: Shape ``(N, C, H, W)``, channels last in memory.
        weight: Shape ``(C,)``.
        bias: Likewise.
        epsilon: Added to the variance.
        relu: Whether only the positive part is wanted.
        added: Of the shape and layout of ``x``: added before the ReLU, which there must be.
        met: Called with the batch's mean and biased variance before autograd saves anything, as
            gradient checkpointing may end there what it computes again.

    Returns:
        The normalized numbers.
    """
    result: Any = _BatchNorm.apply(x, weight, bias, added, epsilon, relu, met)
    return result


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        added: Tensor | None,
        epsilon: float,
        relu: bool,
        met: Callable[[Tensor, Tensor], None],
    ) -> Tensor:
        channels, rows = x.shape[1], x.numel() // x.shape[1]
        # The first pixel's numbers are near the mean, compared with the deviation, or are as far
        # as any.
        shift = x[0, :, 0, 0].detach().clone()
        first, second = _summed(sums_pass(channels), (x,), shift) / rows
        # What rounding made negative is 0; what is not a number stays so.
        spread = second - first**2
        variance = torch.where(spread < 0, 0, spread)
        mean = (shift + first).to(x.dtype)
        scale = (weight.detach() / (variance + epsilon).sqrt()).to(x.dtype)
        y = torch.empty_like(x)
        run = normalize_pass(channels, relu, added is not None)
        constants = mean.numpy(), scale.numpy(), bias.detach().contiguous().numpy()

        def of_part(part: slice) -> None:
            given = flat_maps(x[part])
            more = given if added is None else flat_maps(added[part])
            run(given, *constants, more, flat_maps(y[part]))

        each(of_part, shares(len(x)))
        variance = variance.to(x.dtype)
        met(mean, variance)
        ctx.save_for_backward(x, y if relu else None, weight, mean, variance)
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
        if y is None:
            passed, given = gradient, (x, gradient, x, x)
        else:
            passed = of_x if of_added is None else of_added
            given = (x, gradient, y, passed)
        first, second = _summed(gradient_sums_pass(channels, y is not None), given, mean)
        inverse = (variance.double() + ctx.epsilon).rsqrt()
        scale = weight.detach() * inverse
        of_centred, constant = -scale * inverse**2 * second / rows, -scale * first / rows
        constants = [numbers.to(x.dtype).numpy() for numbers in (mean, scale, of_centred, constant)]
        run = gradient_pass(channels)

        def of_part(part: slice) -> None:
            run(flat_maps(x[part]), flat_maps(passed[part]), *constants, flat_maps(of_x[part]))

        each(of_part, shares(len(x)))
        return of_x, (second * inverse).to(x.dtype), first.to(x.dtype), of_added, *NO_NUMBERS


def _summed(run: Callable[..., None], tensors: tuple[Tensor, ...], shift: Tensor) -> Tensor:
    """Two sums of each channel in double precision, shape ``(2, C)``."""

    def of_part(part: slice) -> Tensor:
        found = torch.zeros(2, len(shift), dtype=torch.float64)
        numbers = [flat_maps(tensor[part]) for tensor in tensors]
        run(*numbers, shift.numpy(), found[0].numpy(), found[1].numpy())
        return found

    return torch.stack(each(of_part, shares(len(tensors[0])))).sum(0)


def _gradients_by_torch(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, y, weight, mean, variance = ctx.saved_tensors
    if y is not None:
        gradient = gradient * (y > 0)
    inverse, wanted = (variance + ctx.epsilon).rsqrt(), ctx.needs_input_grad[:3]
    found = torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, inverse, True, ctx.epsilon, wanted
    )
    return *found, gradient if ctx.needs_input_grad[3] else None, *NO_NUMBERS


def suits(module: nn.Module) -> bool:
    """Whether a layer is a BatchNorm of images that ``normalize`` can stand for."""
    return (
        type(module) is nn.BatchNorm2d
        and "forward" not in vars(module)
        and module.affine
        and module.track_running_stats
        and module.momentum is not None
        and module.num_features % VECTOR == 0
        and module.weight.dtype in {torch.float32, torch.float64}
    )


def trained(
    layer: nn.BatchNorm2d,
    x: Tensor,
    dtype: torch.dtype,
    *,
    relu: bool = False,
    added: Tensor | None = None,
) -> Tensor | None:
    """A BatchNorm's answer in training, with its running statistics moved.

    Args:
        layer: One that suits.
        x: What it meets.
        dtype: Of what it is made for.
        relu: As ``normalize`` takes it.
        added: Likewise.

    Returns:
        None where ``normalize`` is not made for this; nothing has happened then.
    """
    if not (layer.training and is_plain(x, layer.weight, dtype) and _fits(x, layer)):
        return None
    count, momentum = x.numel() // layer.num_features, layer.momentum
    mean, variance, batches = layer.running_mean, layer.running_var, layer.num_batches_tracked
    if count <= 1 or momentum is None or mean is None or variance is None or batches is None:
        return None

    def move(mean_now: Tensor, variance_now: Tensor) -> None:
        mean.lerp_(mean_now, momentum)
        variance.lerp_(variance_now * (count / (count - 1)), momentum)
        batches.add_(1)

    return normalize(x, layer.weight, layer.bias, layer.eps, relu=relu, added=added, met=move)


def relu_of(
    layer: nn.BatchNorm2d, x: Tensor, dtype: torch.dtype, added: Tensor | None = None
) -> Tensor:
    """ReLU of a BatchNorm, or of its sum with something.

    Args:
        layer: One that suits.
        x: What it meets.
        dtype: Of what it is made for.
        added: Of the shape of ``x``.

    Returns:
        By compiled passes where they are made for this, else as torch does it.
    """
    if added is None or (is_plain(added, layer.weight, dtype) and added.shape == x.shape):
        y = trained(layer, x, dtype, relu=True, added=added)
        if y is not None:
            return y
    y = layer(x)
    return F.relu(y if added is None else y + added)


def _fits(x: Tensor, layer: nn.BatchNorm2d) -> bool:
    channels = layer.num_features
    sizes = {channels, x.shape[1], layer.weight.numel(), layer.bias.numel()}
    return len(sizes) == 1 and channels % VECTOR == 0 and layer.eps > 0
