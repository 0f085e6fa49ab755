"""A convolution of 3 x 3 on a CPU by Winograd's algorithm, under autograd."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from normscope.models.native.conditions import is_common, is_plain
from normscope.models.native.library import VECTOR, check, pointers

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

TILE = 4
POINTS = 36
CHANNELS_A_TILE = 512
"""With more channels than this for each tile of an image, to transform the kernels takes longer
than is gained in a batch of 64. The batch at hand does not count: of its size no number may
depend."""

MOST_WASTE = 2
"""Outputs computed, for each one wanted, in tiles that reach beyond a small image."""

MOST_BYTES = 1 << 28
"""Of transformed kernels, of which every thread sums its own gradients."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, library: ctypes.CDLL) -> Tensor:
    """``conv2d(x, weight, bias, stride=1, padding=1)``.

    A quarter of the multiplications, and sums in another order: in float32 within 1e-5 of the
    largest number around.

    Args:
        x: Shape ``(N, C, H, W)``, channels last in memory.
        weight: Shape ``(D, C, 3, 3)``; ``C`` and ``D`` are multiples of ``VECTOR``.
        bias: Shape ``(D,)``.
        library: For numbers of their type.

    Returns:
        Shape ``(N, D, H, W)``, channels last.
    """
    result: Any = _Convolution.apply(x, weight, bias, library)
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, library: Any) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.library, ctx.biased = library, bias is not None
        strides = weight.stride()
        return _forward(library, x, weight.data_ptr(), strides, len(weight), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled():  # to be differentiated again
            return *_gradients_by_torch(ctx, gradient), None
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            # The same convolution by kernels turned around, from their last number backwards.
            outs, ins, rows, columns = weight.stride()
            last = weight.data_ptr() + 2 * (rows + columns) * weight.element_size()
            strides = (ins, outs, -rows, -columns)
            of_x = _forward(ctx.library, gradient, last, strides, x.shape[1], None)
        if ctx.needs_input_grad[1]:
            of_weight = torch.empty_like(weight)
            check(
                ctx.library.winograd_weight(
                    *pointers(x, gradient, of_weight), *_sizes(x, len(weight), of_weight.stride())
                )
            )
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias, None


def _gradients_by_torch(ctx: Any, gradient: Tensor) -> list[Tensor | None]:
    x, weight = ctx.saved_tensors
    biases = [len(weight)] if ctx.biased else None
    one, none = [1, 1], [0, 0]
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, biases, one, one, one, False, none, 1, ctx.needs_input_grad[:3]
    )


def _forward(
    library: ctypes.CDLL,
    x: Tensor,
    kernel: int,
    strides: tuple[int, ...],
    outs: int,
    bias: Tensor | None,
) -> Tensor:
    count, _, height, width = x.shape
    y = torch.empty((count, outs, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    bias = bias.contiguous() if bias is not None else None
    added = ctypes.c_void_p(bias.data_ptr() if bias is not None else None)
    x_at, y_at = pointers(x, y)
    check(
        library.winograd_forward(
            x_at, ctypes.c_void_p(kernel), added, y_at, *_sizes(x, outs, strides)
        )
    )
    return y


def _sizes(x: Tensor, outs: int, strides: tuple[int, ...]) -> list[Any]:
    count, ins, height, width = x.shape
    sizes = [ctypes.c_long(each) for each in (count, height, width, ins, outs)]
    return [*sizes, (ctypes.c_long * 4)(*strides), ctypes.c_int(torch.get_num_threads())]


def suits(module: nn.Module) -> bool:
    """Whether a layer is a convolution that ``convolve`` can stand for."""
    return (
        is_common(module)
        and module.stride == (1, 1)
        and module.in_channels % VECTOR == module.out_channels % VECTOR == 0
    )


def forward_by(library: ctypes.CDLL, layer: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    """What a convolution computes: by the library where that is quicker, else as it did.

    Args:
        library: For numbers of the layer's type.
        layer: One that suits.

    Returns:
        Its new forward.
    """
    ordinary, dtype = layer.forward, layer.weight.dtype

    def forward(input: Tensor) -> Tensor:  # noqa: A002 - as callers name it
        x = input
        weight, bias = layer.weight, layer.bias
        if not (is_plain(x, weight, dtype) and _pays(x, len(weight))):
            return ordinary(x)
        return convolve(x, weight, bias, library)

    return forward


def _pays(x: Tensor, outs: int) -> bool:
    _, ins, height, width = x.shape
    tiles = -(-height // TILE) * -(-width // TILE)
    kernels = POINTS * ins * outs * x.element_size() * torch.get_num_threads()
    return (
        x.numel() > 0
        and tiles * TILE**2 <= MOST_WASTE * height * width
        and tiles * CHANNELS_A_TILE >= max(ins, outs)
        and kernels <= MOST_BYTES
    )
