"""Convolutions of maps so small that every pixel meets every other, as one product each way."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import nn

from normscope.models.quick.conditions import STRIDES, is_3x3, is_plain
from normscope.models.quick.replacing import own_way, replace_forward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

LARGEST = 2
"""Pixels on a side: the window of 3 x 3 around each of them holds all the others."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """``conv2d(x, weight, bias, stride, padding=1)`` of maps of at most 2 x 2 pixels.

    Most of a kernel meets the border alone, where torch's gradients of kernels waste their time
    (512 channels of one pixel: 129 ms, and 4 this way).

    Args:
        x: Shape ``(N, C, H, W)``, channels last in memory.
        weight: Shape ``(D, C, 3, 3)``.
        bias: Shape ``(D,)``.
        stride: 1 or 2.

    Returns:
        Shape ``(N, D, 1 + (H - 1) // stride, 1 + (W - 1) // stride)``, channels last.
    """
    y: Tensor = _SmallMap.apply(x, weight, stride)  # pyright: ignore[reportAssignmentType]
    return y if bias is None else y + bias[:, None, None]


class _SmallMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        height, width = (1 + (size - 1) // stride for size in x.shape[2:])
        matrix = _matrix(weight, x, stride)
        ctx.save_for_backward(x, weight, matrix)
        ctx.stride = stride
        return _as_images(torch.mm(_as_rows(x), matrix.T), len(weight), height, width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, matrix = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_x = of_weight = None
        if torch.is_grad_enabled():  # to be differentiated again
            matrix = _matrix(weight, x, ctx.stride)
        if ctx.needs_input_grad[0]:
            of_x = _as_images(torch.mm(_as_rows(gradient), matrix), *x.shape[1:])
        if ctx.needs_input_grad[1]:
            of_matrix = torch.mm(_as_rows(gradient).T, _as_rows(x))
            of_weight = torch.zeros_like(weight)
            for tap, block in _blocks(of_matrix, x, weight, ctx.stride):
                of_weight[:, :, *tap] += block
        return of_x, of_weight, None


def _matrix(weight: Tensor, x: Tensor, stride: int) -> Tensor:
    """The kernels as one matrix, from all pixels and channels of an input to all of an output."""
    height, width = x.shape[2:]
    pixels = (1 + (height - 1) // stride) * (1 + (width - 1) // stride)
    outs, ins = weight.shape[:2]
    matrix = weight.new_empty(pixels * outs, height * width * ins)
    for tap, block in _blocks(matrix, x, weight, stride):
        block.copy_(weight[:, :, *tap])
    return matrix


def _blocks(
    matrix: Tensor, x: Tensor, weight: Tensor, stride: int
) -> Iterator[tuple[tuple[int, int], Tensor]]:
    """The blocks of such a matrix, each with the tap of the kernel that it holds."""
    (height, width), (outs, ins) = x.shape[2:], weight.shape[:2]
    centres = product(range(0, height, stride), range(0, width, stride))
    for row, (i, j) in enumerate(centres):
        of_pixel = matrix[row * outs : (row + 1) * outs]
        for column, (k, m) in enumerate(product(range(height), range(width))):
            yield (k - i + 1, m - j + 1), of_pixel[:, column * ins : (column + 1) * ins]


def _as_rows(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).reshape(len(images), -1)


def _as_images(rows: Tensor, channels: int, height: int, width: int) -> Tensor:
    images = rows.view(len(rows), height, width, channels).permute(0, 3, 1, 2)
    # The strides of a single pixel say nothing, but the next layer looks at them.
    return images.contiguous(memory_format=torch.channels_last)


def suits(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a convolution that ``convolve`` can stand for, given a small map."""
    return is_3x3(module) and module.stride in STRIDES


def quicken(layer: nn.Conv2d) -> None:
    """Let a convolution that suits compute small maps as one product."""
    ordinary = own_way(layer)

    def forward(layer: nn.Conv2d, input: Tensor) -> Tensor:  # noqa: A002 - as callers name it
        x, weight = input, layer.weight
        plain = is_plain(x, weight, weight.dtype) and x.shape[1] == weight.shape[1]
        if not plain or not 0 < max(x.shape[2:]) <= LARGEST:
            return ordinary(layer, x)
        return convolve(x, weight, layer.bias, layer.stride[0])

    replace_forward(layer, forward)
