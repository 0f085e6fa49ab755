"""Winograd's convolution of a tile, one column of numbers at a time, and its pooling.

F(4 x 4, 3 x 3) of Lavin and Gray (2016, CVPR, arXiv:1509.09308): outputs come in tiles of 4 x 4,
each from 6 x 6 inputs, for 36 multiplications in place of 144. Inputs go through the matrix ``B^T``
from both sides, products come back through ``A^T``, and gradients go through ``A`` and ``B``.

The compiled passes hold these parts. Who changes them deletes what numba keeps of the passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from normscope.machine.compiling import inlined

HIDDEN, MAPS = 32, 64
"""Channels behind the first and the second convolution."""

TAPS, TILE, INPUTS = 9, 4, 6
"""Weights of a kernel, and the sides of a tile of outputs and of its inputs."""

FIRST, RIGHT, BELOW, CORNER = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(3)
"""Places in what is pooled."""

FREQUENCIES = INPUTS * INPUTS
POOLED = TILE // 2

ZERO, TWO, FOUR = np.float32(0), np.float32(2), np.float32(4)
FIVE, EIGHT = np.float32(5), np.float32(8)
"""Exact, and of the smallest type, so that they do not change that of the arrays."""


@inlined
def to_products(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> Any:
    """``B^T`` times a column of inputs."""
    p, q, r, s = d4 - FOUR * d2, d3 - FOUR * d1, d4 - d2, TWO * (d3 - d1)
    first, last = FOUR * d0 - FIVE * d2 + d4, FOUR * d1 - FIVE * d3 + d5
    return first, p + q, p - q, r + s, r - s, last


@inlined
def from_products(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> Any:
    """``A^T`` times a column of products."""
    s, d, t, e = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + s + t, d + TWO * e, s + FOUR * t, d + EIGHT * e + m5


@inlined
def to_gradients(y0: Any, y1: Any, y2: Any, y3: Any) -> Any:
    """``A`` times a column of outputs' gradients."""
    s, d, t, e = y0 + y2, y1 + y3, y0 + FOUR * y2, TWO * y1 + EIGHT * y3
    return y0, s + d, s - d, t + e, t - e, y3


@inlined
def from_gradients(v0: Any, v1: Any, v2: Any, v3: Any, v4: Any, v5: Any) -> Any:
    """``B`` times a column of the gradients of products' inputs."""
    s, d, t, e = v1 + v2, v1 - v2, v3 + v4, v3 - v4
    return (
        FOUR * v0,
        FOUR * (v5 - d) - TWO * e,
        -FIVE * v0 - FOUR * s - t,
        d + TWO * e - FIVE * v5,
        v0 + s + t,
        v5,
    )


@inlined
def pool(tile: Any, at: int, bias: Any, features: Any, which: Any, to: int) -> None:
    """The largest of 2 x 2 in a tile, with the bias, and which it is; the first of equal ones."""
    for c in range(MAPS):
        best, right, below = tile[at + c], tile[at + MAPS + c], tile[at + TILE * MAPS + c]
        corner = tile[at + (TILE + 1) * MAPS + c]
        index = RIGHT if right > best else FIRST
        best = right if right > best else best
        index = BELOW if below > best else index
        best = below if below > best else best
        index = CORNER if corner > best else index
        best = corner if corner > best else best
        features[to + c] = best + bias[c]
        which[to + c] = index


@inlined
def unpool(gradient: Any, which: Any, at: int, tile: Any, to: int) -> None:
    """A pooled gradient handed to that one of 2 x 2 in a tile which it is of."""
    for c in range(MAPS):
        g, index = gradient[at + c], which[at + c]
        tile[to + c] = g if index == FIRST else ZERO
        tile[to + MAPS + c] = g if index == RIGHT else ZERO
        tile[to + TILE * MAPS + c] = g if index == BELOW else ZERO
        tile[to + (TILE + 1) * MAPS + c] = g if index == CORNER else ZERO
