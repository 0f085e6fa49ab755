"""A convolution of 3 x 3 on a CPU by Winograd's algorithm, under autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from normscope.machine.parts import each, shares
from normscope.models.quick.conditions import VECTOR, is_3x3, is_plain
from normscope.models.quick.replacing import own_way, replace_forward
from normscope.models.winograd.factors import factors_of, weight_gradient
from normscope.models.winograd.matrices import TILE, TRANSFORMED
from normscope.models.winograd.passes import (
    gather_pass,
    gradient_pass,
    output_pass,
    transform_pass,
)
from normscope.models.winograd.tiles import Tiles, TransformedTiles, flat, flat_maps, groups

if TYPE_CHECKING:
    from torch import Tensor

GROUP_BYTES = 2 << 20
"""Transformed tiles that a core works on at a time, so that they stay in its caches."""

CHANNELS_A_TILE = 512
"""With more channels than this for each tile of an image, transforming the kernels costs more than
is gained over a batch of 64. The batch at hand does not count: no result may depend on its size."""

MOST_WASTE = 2
"""Outputs computed for each one wanted, where tiles reach beyond a small image."""

MOST_BYTES = 1 << 28
"""Gradients of transformed kernels, of which every thread sums its own."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``conv2d(x, weight, bias, stride=1, padding=1)``.

    It takes a quarter of the multiplications and sums in another order: in float32 the error is
    within 1e-5 of the largest number involved.

    Args:
        x: Shape ``(N, C, H, W)``, channels last in memory.
        weight: Shape ``(D, C, 3, 3)``.
        bias: Shape ``(D,)``.

    Returns:
        Shape ``(N, D, H, W)``, channels last.
    """
    result: Any = _Convolution.apply(x, weight, bias)
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        added = bias.contiguous() if bias is not None else weight.new_zeros(len(weight))
        shape = len(x), len(weight), *x.shape[2:]
        y = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
        factors = factors_of(weight)
        each(lambda part: _forward(x[part], factors, added, y[part]), shares(len(x)))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled():  # to be differentiated again
            return tuple(_gradients_by_torch(ctx, gradient))
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        wanted, factors = ctx.needs_input_grad[1], factors_of(weight)

        def of_part(part: slice) -> Tensor | None:
            of_maps = None if of_x is None else of_x[part]
            return _backward(x[part], factors, gradient[part], of_maps, wanted)

        of_factors = [found for found in each(of_part, shares(len(x))) if found is not None]
        of_weight = weight_gradient(torch.stack(of_factors).sum(0)) if of_factors else None
        return of_x, of_weight, of_bias


def _gradients_by_torch(ctx: Any, gradient: Tensor) -> list[Tensor | None]:
    x, weight = ctx.saved_tensors
    biases = [len(weight)] if ctx.biased else None
    one, none = [1, 1], [0, 0]
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, biases, one, one, one, False, none, 1, ctx.needs_input_grad
    )


def _tiles(x: Tensor, outs: int) -> Tiles:
    _, ins, height, width = x.shape
    tiles = Tiles.covering(height, width, border=1)
    of_map = TRANSFORMED * (ins + outs) * x.element_size() * tiles.rows
    return tiles._replace(group=max(1, GROUP_BYTES // of_map))


def _forward(x: Tensor, factors: Tensor, bias: Tensor, y: Tensor) -> None:
    outs, size, tiles = y.shape[1], x.shape[1:], _tiles(x, y.shape[1])
    inputs, products = (TransformedTiles(tiles, n, x.dtype) for n in (size[0], outs))
    transform, output = transform_pass(tiles, *size), output_pass(tiles, outs, *size[1:])
    maps, found, added = flat_maps(x), flat_maps(y), flat(bias)
    for first, count in groups(len(x), tiles.group):
        transform(maps, inputs.flat, first, count)
        torch.bmm(inputs.of(count), factors, out=products.matrices)
        output(products.flat, added, found, first, count)


def _backward(
    x: Tensor, factors: Tensor, gradient: Tensor, of_x: Tensor | None, wanted: bool
) -> Tensor | None:
    outs, size, tiles = gradient.shape[1], x.shape[1:], _tiles(x, gradient.shape[1])
    inputs, products = (TransformedTiles(tiles, n, x.dtype) for n in (size[0], outs))
    transform, spread = transform_pass(tiles, *size), gradient_pass(tiles, outs, *size[1:])
    gather = gather_pass(tiles, *size)
    maps, given = flat_maps(x), flat_maps(gradient)
    of_maps = None if of_x is None else flat_maps(of_x)
    of_factors = torch.zeros_like(factors) if wanted else None
    for first, count in groups(len(x), tiles.group):
        spread(given, products.flat, first, count)
        if of_factors is not None:
            transform(maps, inputs.flat, first, count)
            of_factors.baddbmm_(inputs.of(count).mT, products.of(count))
        if of_maps is not None:
            torch.bmm(products.of(count), factors.mT, out=inputs.matrices)
            gather(inputs.flat, of_maps, first, count)
    return of_factors


def suits(module: nn.Module) -> bool:
    """Whether a layer is a convolution that ``convolve`` can stand for."""
    return (
        is_3x3(module)
        and module.weight.dtype in {torch.float32, torch.float64}
        and module.stride == (1, 1)
        and module.in_channels % VECTOR == module.out_channels % VECTOR == 0
    )


def quicken(layer: nn.Conv2d) -> None:
    """Let a convolution that suits use compiled passes where that is quicker."""
    ordinary, dtype = own_way(layer), layer.weight.dtype

    def forward(layer: nn.Conv2d, input: Tensor) -> Tensor:  # noqa: A002 - as callers name it
        x, weight, bias = input, layer.weight, layer.bias
        if not (is_plain(x, weight, dtype) and _fits(x, weight) and _pays(x, len(weight))):
            return ordinary(layer, x)
        return convolve(x, weight, bias)

    replace_forward(layer, forward)


def _fits(x: Tensor, weight: Tensor) -> bool:
    outs, *window = weight.shape
    return outs % VECTOR == x.shape[1] % VECTOR == 0 and window == [x.shape[1], 3, 3]


def _pays(x: Tensor, outs: int) -> bool:
    _, ins, height, width = x.shape
    tiles = Tiles.covering(height, width).rows
    kernels = TRANSFORMED * ins * outs * x.element_size() * torch.get_num_threads()
    return (
        x.numel() > 0
        and tiles * TILE**2 <= MOST_WASTE * height * width
        and tiles * CHANNELS_A_TILE >= max(ins, outs)
        and kernels <= MOST_BYTES
    )
