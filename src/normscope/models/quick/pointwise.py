"""Convolutions of 1 x 1 as one product each way, where torch's take longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.models.quick.conditions import STRIDES, is_exactly, is_plain
from normscope.models.quick.replacing import own_way, replace_forward

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 64
"""Pixels of a map. On larger ones oneDNN is about as quick, unless its stride skips pixels."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """``conv2d(x, weight, bias, stride)`` with kernels of one pixel.

    Args:
        x: Shape ``(N, C, H, W)``, channels last in memory.
        weight: Shape ``(D, C, 1, 1)``.
        bias: Shape ``(D,)``.
        stride: 1 or more.

    Returns:
        Shape ``(N, D, 1 + (H - 1) // stride, 1 + (W - 1) // stride)``, channels last.
    """
    pixels = x[:, :, ::stride, ::stride].permute(0, 2, 3, 1)
    return F.linear(pixels, weight.flatten(1), bias).permute(0, 3, 1, 2)


def suits(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a convolution that ``convolve`` can stand for."""
    return (
        is_exactly(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.padding in {(0, 0), "valid", "same"}
        and module.stride in STRIDES
        and module.groups == 1
    )


def quicken(layer: nn.Conv2d) -> None:
    """Let a convolution that suits take one product where that is quicker."""
    ordinary, stride = own_way(layer), layer.stride[0]

    def forward(layer: nn.Conv2d, input: Tensor) -> Tensor:  # noqa: A002 - as callers name it
        weight = layer.weight
        plain = is_plain(input, weight, weight.dtype) and input.shape[1] == weight.shape[1]
        if not plain or not input.numel():
            return ordinary(layer, input)
        height, width = input.shape[2:]
        if stride == 1 and height * width > SMALL:
            return ordinary(layer, input)
        return convolve(input, weight, layer.bias, stride)

    replace_forward(layer, forward)
