"""A stack's two convolutions with their pooling, and their gradients, as kernels of our own.

In fp32 what the second convolution multiplies is kept as two numbers in bf16, the second being what
the first leaves out, and a product as three: with 16 bits of the 24, which is what Winograd's
transforms leave on a CPU, at the rate of the matrix units. In bf16 there is the first number alone.

Hidden images are laid out as ``(models, N, height, width, 32)``, maps, which only their gradient is
written of, as ``(models, N, height - 2, width - 2, 64)``, and pooled ones as ``(models, N,
(height - 2) / 2, (width - 2) / 2, 64)``. A program works on one model's positions, whose offsets
fit 32 bits whatever the stack's size. A pooled value has one winner among four pixels, so its
number (0 to 3) tells where a gradient goes.
"""

# A kernel is launched with other arguments than its function names.
# pyright: reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _loaded(high, low, at, there, split: tl.constexpr):
    """Both numbers of what is loaded, or the one that there is twice."""
    first = tl.load(high + at, mask=there, other=0.0)
    return first, tl.load(low + at, mask=there, other=0.0) if split else first


@triton.jit
def _multiplied(left, left_low, right, right_low, total, split: tl.constexpr):
    """A product added to ``total``; the last bits' own product is beyond what fp32 keeps."""
    if split:
        total = tl.dot(left_low, right, total)
        total = tl.dot(left, right_low, total)
    return tl.dot(left, right, total)


@triton.jit
def _stored(high, low, at, there, value, split: tl.constexpr):
    first = value.to(high.dtype.element_ty)
    tl.store(high + at, first, mask=there)
    if split:
        rest = value - first.to(tl.float32)
        tl.store(low + at, rest.to(low.dtype.element_ty), mask=there)


@triton.jit
def first_convolution(
    patches, weight, bias, hidden, hidden_low, positions, columns,
    block: tl.constexpr, wide: tl.constexpr, inner: tl.constexpr, precision: tl.constexpr,
    split: tl.constexpr,
):  # fmt: skip
    """Multiply the pixels' patches, add the bias and keep what is above 0."""
    model = tl.program_id(1).to(tl.int64)
    position = tl.program_id(0) * block + tl.arange(0, block)
    k, c_in = tl.arange(0, wide), tl.arange(0, inner)
    inside = (position < positions)[:, None]
    pixels = tl.load(
        patches + position[:, None] * columns + k[None, :],
        mask=inside & (k < columns)[None, :], other=0.0,
    )  # fmt: skip
    kernels = tl.load(
        weight + model * columns * inner + k[:, None] * inner + c_in[None, :],
        mask=(k < columns)[:, None], other=0.0,
    )  # fmt: skip
    total = tl.dot(pixels, kernels, input_precision=precision)
    total += tl.load(bias + model * inner + c_in)[None, :].to(tl.float32)
    # NaN must reach the loss, as it does through torch's ReLU.
    total = tl.where(total < 0, 0.0, total)
    start = model * positions * inner
    at = position[:, None] * inner + c_in[None, :]
    _stored(hidden + start, hidden_low + start, at, inside, total, split)


@triton.jit
def pooled_convolution(
    hidden, hidden_low, weight, weight_low, bias, pooled, winners, images,
    height: tl.constexpr, width: tl.constexpr,
    pooled_height: tl.constexpr, pooled_width: tl.constexpr,
    block: tl.constexpr, inner: tl.constexpr, outer: tl.constexpr, split: tl.constexpr,
):  # fmt: skip
    """Convolve, add the bias and keep the largest of each four, with its number."""
    model = tl.program_id(1).to(tl.int64)
    positions = images * pooled_height * pooled_width
    position = tl.program_id(0) * block + tl.arange(0, block)
    inside = (position < positions)[:, None]
    image = position // (pooled_height * pooled_width)
    row, column = position // pooled_width % pooled_height, position % pooled_width
    c_in, c_out = tl.arange(0, inner), tl.arange(0, outer)
    start = model * images * height * width * inner
    high, low = hidden + start, hidden_low + start
    weight += model * 9 * inner * outer
    weight_low += model * 9 * inner * outer
    corner = ((image * height + 2 * row) * width + 2 * column) * inner
    at = corner[:, None] + c_in[None, :]
    tap_at = c_in[:, None] * outer + c_out[None, :]
    total0 = tl.zeros((block, outer), tl.float32)
    total1 = tl.zeros((block, outer), tl.float32)
    total2 = tl.zeros((block, outer), tl.float32)
    total3 = tl.zeros((block, outer), tl.float32)
    for tap in range(9):
        taps = tl.load(weight + tap * inner * outer + tap_at)
        taps_low = tl.load(weight_low + tap * inner * outer + tap_at) if split else taps
        shift = (tap // 3 * width + tap % 3) * inner
        pixels, rest = _loaded(high + shift, low + shift, at, inside, split)
        total0 = _multiplied(pixels, rest, taps, taps_low, total0, split)
        shift += inner
        pixels, rest = _loaded(high + shift, low + shift, at, inside, split)
        total1 = _multiplied(pixels, rest, taps, taps_low, total1, split)
        shift += (width - 1) * inner
        pixels, rest = _loaded(high + shift, low + shift, at, inside, split)
        total2 = _multiplied(pixels, rest, taps, taps_low, total2, split)
        shift += inner
        pixels, rest = _loaded(high + shift, low + shift, at, inside, split)
        total3 = _multiplied(pixels, rest, taps, taps_low, total3, split)
    best, winner = total0, tl.zeros((block, outer), tl.int8)
    best, winner = _better(best, winner, total1, 1)
    best, winner = _better(best, winner, total2, 2)
    best, winner = _better(best, winner, total3, 3)
    best += tl.load(bias + model * outer + c_out)[None, :].to(tl.float32)
    at = position[:, None] * outer + c_out[None, :]
    start = model * positions * outer
    tl.store(pooled + start + at, best.to(pooled.dtype.element_ty), mask=inside)
    tl.store(winners + start + at, winner, mask=inside)


@triton.jit
def _better(best, winner, total, number: tl.constexpr):
    better = total > best
    winner = tl.where(better, number, winner).to(tl.int8)
    # NaN must reach the loss, as it does in torch's pooling.
    return tl.where(better | (total != total), total, best), winner


@triton.jit
def maps_gradient(
    gradient, winners, maps, maps_low, images,
    height: tl.constexpr, width: tl.constexpr,
    pooled_height: tl.constexpr, pooled_width: tl.constexpr,
    block: tl.constexpr, outer: tl.constexpr, split: tl.constexpr,
):  # fmt: skip
    """Each pooled gradient at its winner, and 0 elsewhere, over positions of the maps."""
    model = tl.program_id(1).to(tl.int64)
    position = tl.program_id(0) * block + tl.arange(0, block)
    inside = position < images * (height - 2) * (width - 2)
    image = position // ((height - 2) * (width - 2))
    row, column = position // (width - 2) % (height - 2), position % (width - 2)
    c_out = tl.arange(0, outer)
    pooled = inside & (row // 2 < pooled_height) & (column // 2 < pooled_width)
    at = ((image * pooled_height + row // 2) * pooled_width + column // 2) * outer
    at = at[:, None] + c_out[None, :]
    start = model * images * pooled_height * pooled_width * outer
    won = tl.load(winners + start + at, mask=pooled[:, None], other=4)
    g = tl.load(gradient + start + at, mask=pooled[:, None], other=0.0).to(tl.float32)
    g = tl.where(won == (2 * (row % 2) + column % 2)[:, None], g, 0.0)
    start = model * images * (height - 2) * (width - 2) * outer
    at = position[:, None] * outer + c_out[None, :]
    _stored(maps + start, maps_low + start, at, inside[:, None], g, split)


@triton.jit
def first_gradient(
    maps, maps_low, weight, weight_low, hidden, patches, out, images, columns,
    height: tl.constexpr, width: tl.constexpr,
    block: tl.constexpr, wide: tl.constexpr, inner: tl.constexpr, outer: tl.constexpr,
    precision: tl.constexpr, split: tl.constexpr,
):  # fmt: skip
    """The first layer's gradients over a block of hidden pixels; the caller sums the blocks.

    The column behind the patches' is that of the bias.
    """
    model = tl.program_id(1).to(tl.int64)
    position = tl.program_id(0) * block + tl.arange(0, block)
    inside = position < images * height * width
    image = position // (height * width)
    row, column = position // width % height, position % width
    c_in, c_out, k = tl.arange(0, inner), tl.arange(0, outer), tl.arange(0, wide)
    start = model * images * (height - 2) * (width - 2) * outer
    high, low = maps + start, maps_low + start
    weight += model * 9 * inner * outer
    weight_low += model * 9 * inner * outer
    corner = ((image * (height - 2) + row) * (width - 2) + column) * outer
    at = corner[:, None] + c_out[None, :]
    tap_at = c_in[None, :] * outer + c_out[:, None]
    total = tl.zeros((block, inner), tl.float32)
    for tap in range(9):
        y, x = tap // 3, tap % 3
        reached = inside & (row >= y) & (row - y < height - 2)
        reached = (reached & (column >= x) & (column - x < width - 2))[:, None]
        shift = (y * (width - 2) + x) * outer
        g, rest = _loaded(high - shift, low - shift, at, reached, split)
        taps = tl.load(weight + tap * inner * outer + tap_at)
        taps_low = tl.load(weight_low + tap * inner * outer + tap_at) if split else taps
        total = _multiplied(g, rest, taps, taps_low, total, split)
    inside = inside[:, None]
    hidden += model * images * height * width * inner
    shown = tl.load(hidden + position[:, None] * inner + c_in[None, :], mask=inside, other=0.0)
    pixels = tl.load(
        patches + position[:, None] * columns + k[None, :],
        mask=inside & (k < columns)[None, :], other=0.0,
    ).to(tl.float32)  # fmt: skip
    pixels = tl.where((k == columns)[None, :], 1.0, pixels)
    total = tl.where(shown > 0, total, 0.0)
    sums = tl.dot(tl.trans(total), pixels, input_precision=precision)
    part = model * tl.num_programs(0) + tl.program_id(0)
    tl.store(out + part * inner * wide + c_in[:, None] * wide + k[None, :], sums)


@triton.jit
def weight_gradient(
    maps, maps_low, hidden, hidden_low, out, images, share,
    height: tl.constexpr, width: tl.constexpr,
    block: tl.constexpr, inner: tl.constexpr, outer: tl.constexpr, split: tl.constexpr,
):  # fmt: skip
    """One row of taps' gradients over one share of the positions; the caller sums the shares."""
    down = tl.program_id(0)
    part = tl.program_id(1)
    model = tl.program_id(2).to(tl.int64)
    positions = images * (height - 2) * (width - 2)
    c_in, c_out = tl.arange(0, inner), tl.arange(0, outer)
    maps += model * positions * outer
    maps_low += model * positions * outer
    start = model * images * height * width * inner + down * width * inner
    high, low = hidden + start, hidden_low + start
    total0 = tl.zeros((outer, inner), tl.float32)
    total1 = tl.zeros((outer, inner), tl.float32)
    total2 = tl.zeros((outer, inner), tl.float32)
    first = part * share
    last = tl.minimum(first + share, positions)
    for begin in range(first, last, block):
        position = begin + tl.arange(0, block)
        inside = (position < last)[:, None]
        image = position // ((height - 2) * (width - 2))
        row, column = position // (width - 2) % (height - 2), position % (width - 2)
        g, g_low = _loaded(
            maps, maps_low, position[:, None] * outer + c_out[None, :], inside, split
        )
        g, g_low = tl.trans(g), tl.trans(g_low)
        at = ((image * height + row) * width + column)[:, None] * inner + c_in[None, :]
        pixels, rest = _loaded(high, low, at, inside, split)
        total0 = _multiplied(g, g_low, pixels, rest, total0, split)
        pixels, rest = _loaded(high + inner, low + inner, at, inside, split)
        total1 = _multiplied(g, g_low, pixels, rest, total1, split)
        pixels, rest = _loaded(high + 2 * inner, low + 2 * inner, at, inside, split)
        total2 = _multiplied(g, g_low, pixels, rest, total2, split)
    at = c_out[:, None] * inner + c_in[None, :]
    out += ((model * tl.num_programs(1) + part) * 9 + 3 * down) * inner * outer
    tl.store(out + at, total0)
    tl.store(out + inner * outer + at, total1)
    tl.store(out + 2 * inner * outer + at, total2)
