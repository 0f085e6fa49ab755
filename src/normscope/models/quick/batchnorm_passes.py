"""Compiled passes of BatchNorm in training and its ReLU; rows are the pixels of all images."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.machine.compiling import compiled, inlined

if TYPE_CHECKING:
    from collections.abc import Callable

TOGETHER = 128
"""Numbers worked on at a time, which are whole rows."""

CHUNK = 64
"""Blocks of so many numbers whose sums are kept in the numbers' own type before they are added up
in double precision."""

ZERO = np.float32(0)


def _block(channels: int) -> int:
    """The numbers of whole rows that are worked on at a time."""
    return max(1, TOGETHER // channels) * channels


@inlined
def _repeated(numbers: Any, count: int, channels: int) -> Any:
    out = np.empty(count, numbers.dtype)
    for c in range(count):
        out[c] = numbers[c % channels]
    return out


@inlined
def _move_sums(sums: Any, totals: Any, channels: int) -> None:
    """Add a block's sums to the totals of the channels, and begin again at 0."""
    for c in range(len(sums)):
        totals[c % channels] += sums[c]
    sums[:] = 0


@cache
def sums_pass(channels: int) -> Callable[..., None]:
    """The sums of ``x - shift`` and of its squares in each channel."""
    block = _block(channels)

    @compiled
    def sums(x, shift, first, second):
        shifts = _repeated(shift, block, channels)
        some, squares = np.zeros(block, x.dtype), np.zeros(block, x.dtype)
        blocks = (len(x) + block - 1) // block
        for k in range(blocks):
            given = x[k * block : (k + 1) * block]
            for c in range(len(given)):
                d = given[c] - shifts[c]
                some[c] += d
                squares[c] += d * d
            if (k + 1) % CHUNK == 0 or k + 1 == blocks:
                _move_sums(some, first, channels)
                _move_sums(squares, second, channels)

    return sums


@cache
def gradient_sums_pass(channels: int) -> Callable[..., None]:
    """The ``g`` that pass the ReLU, and each channel's sums of them and of ``g * (x - mean)``."""
    block = _block(channels)

    @compiled
    def gradient_sums(x, g, y, passed, mean, first, second):
        means = _repeated(mean, block, channels)
        some, products = np.zeros(block, x.dtype), np.zeros(block, x.dtype)
        blocks = (len(x) + block - 1) // block
        for k in range(blocks):
            place = slice(k * block, (k + 1) * block)
            given, gradient, output, to = x[place], g[place], y[place], passed[place]
            for c in range(len(given)):
                to[c] = ZERO if output[c] <= ZERO else gradient[c]
            for c in range(len(given)):
                some[c] += to[c]
                products[c] += to[c] * (given[c] - means[c])
            if (k + 1) % CHUNK == 0 or k + 1 == blocks:
                _move_sums(some, first, channels)
                _move_sums(products, second, channels)

    return gradient_sums


@cache
def normalize_pass(channels: int, added: bool) -> Callable[..., None]:
    """The ReLU of ``(x - mean) * scale + bias``, plus what is added before it."""
    block = _block(channels)

    @compiled
    def normalize(x, mean, scale, bias, more, y):
        means = _repeated(mean, block, channels)
        scales, biases = _repeated(scale, block, channels), _repeated(bias, block, channels)
        for k in range((len(x) + block - 1) // block):
            place = slice(k * block, (k + 1) * block)
            given, other, to = x[place], more[place], y[place]
            for c in range(len(given)):
                value = (given[c] - means[c]) * scales[c] + biases[c]
                if added:
                    value += other[c]
                # max() would lose NaN.
                to[c] = ZERO if value < ZERO else value

    return normalize


@cache
def gradient_pass(channels: int) -> Callable[..., None]:
    """``of_x = g * of_g + (x - mean) * of_centred + constant``."""
    block = _block(channels)

    @compiled
    def gradient(x, g, mean, of_g, of_centred, constant, of_x):
        means, p = _repeated(mean, block, channels), _repeated(of_g, block, channels)
        q, r = _repeated(of_centred, block, channels), _repeated(constant, block, channels)
        for k in range((len(x) + block - 1) // block):
            place = slice(k * block, (k + 1) * block)
            given, of, to = x[place], g[place], of_x[place]
            for c in range(len(given)):
                to[c] = of[c] * p[c] + ((given[c] - means[c]) * q[c] + r[c])

    return gradient
