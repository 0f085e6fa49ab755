"""The matrices of Winograd's convolution, applied to one column of numbers at a time.

F(4 x 4, 3 x 3) of Lavin and Gray (2016, CVPR, arXiv:1509.09308): outputs come in tiles of 4 x 4,
each from 6 x 6 inputs, for 36 multiplications in place of 144. Inputs go through the matrix ``B^T``
from both sides, products come back through ``A^T``, and gradients go through ``A`` and ``B``.

The compiled passes hold these parts. Who changes them deletes what numba keeps of the passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from normscope.machine.compiling import inlined

TAPS, TILE, INPUTS = 9, 4, 6
"""Weights of a kernel, and the sides of a tile of outputs and of its inputs."""

FREQUENCIES = INPUTS * INPUTS

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
def cut_window(
    image: Any, top: int, left: int, height: int, width: int, channels: int, window: Any
) -> None:
    """A tile's 6 x 6 pixels of an image beyond whose sides there are zeros."""
    window[:] = 0
    before = max(0, -left)
    some = (min(INPUTS, width - left) - before) * channels
    for y in range(max(0, -top), min(INPUTS, height - top)):
        to = window[(y * INPUTS + before) * channels :]
        pixels = image[((top + y) * width + left + before) * channels :]
        for c in range(some):
            to[c] = pixels[c]


@inlined
def inputs_of_tile(maps: Any, line: int, channels: int, between: Any, out: Any, plane: int) -> None:
    """A tile's pixels to what its products are taken of, both ways through ``B^T``.

    Args:
        maps: Flat, from the first of its 6 x 6 pixels on.
        line: How far each row of pixels lies from the next.
        channels: Beside each other.
        between: Room for 6 x 6 pixels.
        out: The first number is left first.
        plane: How far the others lie from each other.
    """
    block = INPUTS * channels
    for c in range(block):
        t0, t1, t2, t3, t4, t5 = to_products(
            maps[c], maps[line + c], maps[2 * line + c], maps[3 * line + c], maps[4 * line + c],
            maps[5 * line + c],
        )  # fmt: skip
        between[c], between[block + c] = t0, t1
        between[2 * block + c], between[3 * block + c] = t2, t3
        between[4 * block + c], between[5 * block + c] = t4, t5
    for a in range(INPUTS):
        at, to = a * block, INPUTS * a * plane
        for c in range(channels):
            t0, t1, t2, t3, t4, t5 = to_products(
                between[at + c], between[at + channels + c], between[at + 2 * channels + c],
                between[at + 3 * channels + c], between[at + 4 * channels + c],
                between[at + 5 * channels + c],
            )  # fmt: skip
            out[to + c], out[to + plane + c] = t0, t1
            out[to + 2 * plane + c], out[to + 3 * plane + c] = t2, t3
            out[to + 4 * plane + c], out[to + 5 * plane + c] = t4, t5


@inlined
def outputs_of_tile(products: Any, plane: int, channels: int, between: Any, outputs: Any) -> None:
    """A tile's products to its outputs, both ways through ``A^T``.

    Args:
        products: Flat, from the first one on.
        plane: How far each lies from the next.
        channels: Beside each other.
        between: Room for 6 x 4 pixels.
        outputs: For 4 x 4, which are left there.
    """
    block = TILE * channels
    for a in range(INPUTS):
        at, to = INPUTS * a * plane, a * block
        for c in range(channels):
            y0, y1, y2, y3 = from_products(
                products[at + c], products[at + plane + c], products[at + 2 * plane + c],
                products[at + 3 * plane + c], products[at + 4 * plane + c],
                products[at + 5 * plane + c],
            )  # fmt: skip
            between[to + c], between[to + channels + c] = y0, y1
            between[to + 2 * channels + c], between[to + 3 * channels + c] = y2, y3
    for c in range(block):
        y0, y1, y2, y3 = from_products(
            between[c], between[block + c], between[2 * block + c], between[3 * block + c],
            between[4 * block + c], between[5 * block + c],
        )  # fmt: skip
        outputs[c], outputs[block + c] = y0, y1
        outputs[2 * block + c], outputs[3 * block + c] = y2, y3


@inlined
def gradients_of_tile(outputs: Any, between: Any, products: Any, plane: int, channels: int) -> None:
    """The gradients of a tile's outputs to those of its products, both ways through ``A``.

    Args:
        outputs: Of 4 x 4 pixels.
        between: Room for 6 x 4.
        products: Flat; the first gradient is left first.
        plane: How far the others lie from each other.
        channels: Beside each other.
    """
    block = TILE * channels
    for c in range(block):
        m0, m1, m2, m3, m4, m5 = to_gradients(
            outputs[c], outputs[block + c], outputs[2 * block + c], outputs[3 * block + c]
        )
        between[c], between[block + c] = m0, m1
        between[2 * block + c], between[3 * block + c] = m2, m3
        between[4 * block + c], between[5 * block + c] = m4, m5
    for a in range(INPUTS):
        at, to = a * block, INPUTS * a * plane
        for c in range(channels):
            m0, m1, m2, m3, m4, m5 = to_gradients(
                between[at + c], between[at + channels + c], between[at + 2 * channels + c],
                between[at + 3 * channels + c],
            )  # fmt: skip
            products[to + c], products[to + plane + c] = m0, m1
            products[to + 2 * plane + c], products[to + 3 * plane + c] = m2, m3
            products[to + 4 * plane + c], products[to + 5 * plane + c] = m4, m5


@inlined
def add_inputs_of_tile(
    inputs: Any, plane: int, channels: int, between: Any, maps: Any, line: int
) -> None:
    """The gradients of what a tile's products are taken of, added to its pixels' through ``B``.

    Args:
        inputs: Flat, from the first one on.
        plane: How far each lies from the next.
        channels: Beside each other.
        between: Room for 6 x 6 pixels.
        maps: Flat, from the first of the tile's pixels on.
        line: How far each row of pixels lies from the next.
    """
    block = INPUTS * channels
    for a in range(INPUTS):
        at, to = INPUTS * a * plane, a * block
        for c in range(channels):
            d0, d1, d2, d3, d4, d5 = from_gradients(
                inputs[at + c], inputs[at + plane + c], inputs[at + 2 * plane + c],
                inputs[at + 3 * plane + c], inputs[at + 4 * plane + c], inputs[at + 5 * plane + c],
            )  # fmt: skip
            between[to + c], between[to + channels + c] = d0, d1
            between[to + 2 * channels + c], between[to + 3 * channels + c] = d2, d3
            between[to + 4 * channels + c], between[to + 5 * channels + c] = d4, d5
    for c in range(block):
        d0, d1, d2, d3, d4, d5 = from_gradients(
            between[c], between[block + c], between[2 * block + c], between[3 * block + c],
            between[4 * block + c], between[5 * block + c],
        )  # fmt: skip
        maps[c] += d0
        maps[line + c] += d1
        maps[2 * line + c] += d2
        maps[3 * line + c] += d3
        maps[4 * line + c] += d4
        maps[5 * line + c] += d5
