"""A stack's second convolution with its pooling, as kernels that never write the full maps.

A pooled value has one winner among four pixels, so the maps' gradient is known from the pooled
gradient and the winner's number (0 to 3): the maps, four fifths of a step's memory traffic, are
kept in registers forward and rebuilt in registers backward. Hidden images are laid out as
``(models, N, height, width, 32)``, pooled ones as ``(models, N, height / 2, width / 2, 64)``.
"""

# A kernel is launched with other arguments than its function names.
# pyright: reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def pooled_convolution(
    hidden, weight, bias, pooled, winners, positions, height, width, pooled_height, pooled_width,
    block: tl.constexpr, inner: tl.constexpr, outer: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    """Convolve, add the bias and keep the largest of each four, with its number."""
    model = tl.program_id(1).to(tl.int64)
    position = tl.program_id(0) * block + tl.arange(0, block)
    inside = position < positions
    image = position // (pooled_height * pooled_width)
    row = position // pooled_width % pooled_height
    column = position % pooled_width
    c_in, c_out = tl.arange(0, inner), tl.arange(0, outer)
    images = positions // (pooled_height * pooled_width)
    start = model * images * height * width * inner
    corner = ((image * height + 2 * row) * width + 2 * column) * inner
    best = tl.full((block, outer), float("-inf"), tl.float32)
    winner = tl.zeros((block, outer), tl.int32)
    for number in tl.static_range(4):
        total = tl.zeros((block, outer), tl.float32)
        for tap in range(9):
            y, x = number // 2 + tap // 3, number % 2 + tap % 3
            at = corner + (y * width + x) * inner
            pixels = tl.load(
                hidden + start + at[:, None] + c_in[None, :], mask=inside[:, None], other=0.0
            )
            taps = tl.load(
                weight + (model * 9 + tap) * inner * outer + c_in[:, None] * outer + c_out[None, :]
            )
            total += tl.dot(pixels, taps, input_precision=precision)
        better = total > best
        winner = tl.where(better, number, winner)
        # NaN must reach the loss, as it does in torch's pooling.
        best = tl.where(better | (total != total), total, best)
    best += tl.load(bias + model * outer + c_out)[None, :].to(tl.float32)
    at = (model * positions + position)[:, None] * outer + c_out[None, :]
    tl.store(pooled + at, best.to(pooled.dtype.element_ty), mask=inside[:, None])
    tl.store(winners + at, winner.to(tl.int8), mask=inside[:, None])


@triton.jit
def hidden_gradient(
    gradient, winners, weight, hidden, out, positions, height, width, pooled_height, pooled_width,
    block: tl.constexpr, inner: tl.constexpr, outer: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    """The gradient of the hidden images, zero where their ReLU was."""
    model = tl.program_id(1).to(tl.int64)
    position = tl.program_id(0) * block + tl.arange(0, block)
    inside = position < positions
    image = position // (height * width)
    row = position // width % height
    column = position % width
    c_in, c_out = tl.arange(0, inner), tl.arange(0, outer)
    images = positions // (height * width)
    start = model * images * pooled_height * pooled_width
    total = tl.zeros((block, inner), tl.float32)
    for tap in range(9):
        y, x = row - tap // 3, column - tap % 3
        reached = inside & (y >= 0) & (x >= 0) & (y < 2 * pooled_height) & (x < 2 * pooled_width)
        at = start + (image * pooled_height + y // 2) * pooled_width + x // 2
        at = at[:, None] * outer + c_out[None, :]
        won = tl.load(winners + at, mask=reached[:, None], other=4).to(tl.int32)
        g = tl.load(gradient + at, mask=reached[:, None], other=0.0)
        g = tl.where(won == (2 * (y % 2) + x % 2)[:, None], g, tl.zeros_like(g))
        taps = tl.load(
            weight + (model * 9 + tap) * inner * outer + c_in[None, :] * outer + c_out[:, None]
        )
        total += tl.dot(g, taps, input_precision=precision)
    at = (model * positions + position)[:, None] * inner + c_in[None, :]
    alive = tl.load(hidden + at, mask=inside[:, None], other=0.0) > 0
    total = tl.where(alive, total, 0.0)
    tl.store(out + at, total.to(out.dtype.element_ty), mask=inside[:, None])


@triton.jit
def weight_gradient(
    gradient, winners, hidden, out, positions, height, width, pooled_height, pooled_width, share,
    block: tl.constexpr, inner: tl.constexpr, outer: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    """One tap's gradient over one share of the positions; the caller sums the shares."""
    tap = tl.program_id(0)
    part = tl.program_id(1)
    model = tl.program_id(2).to(tl.int64)
    c_in, c_out = tl.arange(0, inner), tl.arange(0, outer)
    images = positions // (pooled_height * pooled_width)
    start = model * images * height * width
    total = tl.zeros((inner, outer), tl.float32)
    first = part * share
    for begin in range(first, tl.minimum(first + share, positions), block):
        position = begin + tl.arange(0, block)
        inside = position < tl.minimum(first + share, positions)
        image = position // (pooled_height * pooled_width)
        row = position // pooled_width % pooled_height
        column = position % pooled_width
        at = (model * positions + position)[:, None] * outer + c_out[None, :]
        won = tl.load(winners + at, mask=inside[:, None], other=4).to(tl.int32)
        g = tl.load(gradient + at, mask=inside[:, None], other=0.0)
        for number in tl.static_range(4):
            y, x = 2 * row + number // 2 + tap // 3, 2 * column + number % 2 + tap % 3
            pixel = start + (image * height + y) * width + x
            pixels = tl.load(
                hidden + pixel[None, :] * inner + c_in[:, None], mask=inside[None, :], other=0.0
            )
            chosen = tl.where(won == number, g, tl.zeros_like(g))
            total += tl.dot(pixels, chosen, input_precision=precision)
    parts = tl.num_programs(1)
    at = (((model * parts + part) * 9 + tap) * inner + c_in[:, None]) * outer + c_out[None, :]
    tl.store(out + at, total)
