"""The matrices of Winograd's convolution, applied to the columns of tiles.

F(4 x 4, 3 x 3) of Lavin and Gray (2016, CVPR, arXiv:1509.09308): outputs come in tiles of 4 x 4,
each computed from 6 x 6 inputs with 36 multiplications in place of 144. The inputs are multiplied
by ``B^T`` from both sides and the products by ``A^T``; gradients take the transposes.

All arrays are flat, and the channels of a pixel lie beside each other. A tile's pixels begin with
the first of an array, and their rows lie ``line`` apart; its transformed numbers lie ``plane``
apart. ``between`` has room for what one of the two multiplications gives.

The compiled passes contain these functions, but numba only sees that a pass has changed by the
pass's own file: after a change here, delete the passes that it has kept on disk.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from normscope.machine.compiling import inlined

TAPS, TILE, INPUTS = 9, 4, 6
"""Weights of a kernel, and the sides of a tile of outputs and of its inputs."""

TRANSFORMED = INPUTS * INPUTS
"""Numbers of a transformed tile, each of which has a matrix product of its own."""

ZERO, TWO, FOUR = np.float32(0), np.float32(2), np.float32(4)
FIVE, EIGHT = np.float32(5), np.float32(8)
"""Exact in the smallest type, so that results keep the type of the arrays."""


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
    """``A`` times a column of the outputs' gradients."""
    s, d, t, e = y0 + y2, y1 + y3, y0 + FOUR * y2, TWO * y1 + EIGHT * y3
    return y0, s + d, s - d, t + e, t - e, y3


@inlined
def from_gradients(v0: Any, v1: Any, v2: Any, v3: Any, v4: Any, v5: Any) -> Any:
    """``B`` times a column of the transformed inputs' gradients."""
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
def input_columns(x: Any, at: int, step: int, out: Any, to: int, gap: int, columns: int) -> None:
    """``to_products`` of columns that lie beside each other.

    Args:
        x: Flat.
        at: Where the first column begins.
        step: How far the numbers of a column lie apart.
        out: Flat.
        to: Where the first result begins.
        gap: How far the numbers of a result lie apart.
        columns: How many.
    """
    for c in range(columns):
        t0, t1, t2, t3, t4, t5 = to_products(
            x[at + c], x[at + step + c], x[at + 2 * step + c], x[at + 3 * step + c],
            x[at + 4 * step + c], x[at + 5 * step + c],
        )  # fmt: skip
        out[to + c], out[to + gap + c] = t0, t1
        out[to + 2 * gap + c], out[to + 3 * gap + c] = t2, t3
        out[to + 4 * gap + c], out[to + 5 * gap + c] = t4, t5


@inlined
def output_columns(x: Any, at: int, step: int, out: Any, to: int, gap: int, columns: int) -> None:
    """``from_products`` of such columns; see ``input_columns``."""
    for c in range(columns):
        y0, y1, y2, y3 = from_products(
            x[at + c], x[at + step + c], x[at + 2 * step + c], x[at + 3 * step + c],
            x[at + 4 * step + c], x[at + 5 * step + c],
        )  # fmt: skip
        out[to + c], out[to + gap + c] = y0, y1
        out[to + 2 * gap + c], out[to + 3 * gap + c] = y2, y3


@inlined
def gradient_columns(x: Any, at: int, step: int, out: Any, to: int, gap: int, columns: int) -> None:
    """``to_gradients`` of such columns; see ``input_columns``."""
    for c in range(columns):
        m0, m1, m2, m3, m4, m5 = to_gradients(
            x[at + c], x[at + step + c], x[at + 2 * step + c], x[at + 3 * step + c]
        )
        out[to + c], out[to + gap + c] = m0, m1
        out[to + 2 * gap + c], out[to + 3 * gap + c] = m2, m3
        out[to + 4 * gap + c], out[to + 5 * gap + c] = m4, m5


@inlined
def cut_window(
    image: Any, top: int, left: int, height: int, width: int, channels: int, window: Any
) -> None:
    """A tile's 6 x 6 pixels, with zeros beyond the sides of the image."""
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
    """A tile's pixels to its transformed inputs, ``B^T`` from both sides."""
    block = INPUTS * channels
    input_columns(maps, 0, line, between, 0, block, block)
    for a in range(INPUTS):
        input_columns(between, a * block, channels, out, INPUTS * a * plane, plane, channels)


@inlined
def outputs_of_tile(products: Any, plane: int, channels: int, between: Any, outputs: Any) -> None:
    """A tile's products to its outputs, ``A^T`` from both sides."""
    block = TILE * channels
    for a in range(INPUTS):
        output_columns(products, INPUTS * a * plane, plane, between, a * block, channels, channels)
    output_columns(between, 0, block, outputs, 0, block, block)


@inlined
def gradients_of_tile(outputs: Any, channels: int, between: Any, products: Any, plane: int) -> None:
    """The gradients of a tile's outputs to those of its products, ``A`` from both sides."""
    block = TILE * channels
    gradient_columns(outputs, 0, block, between, 0, block, block)
    for a in range(INPUTS):
        to = INPUTS * a * plane
        gradient_columns(between, a * block, channels, products, to, plane, channels)


@inlined
def add_inputs_of_tile(
    inputs: Any, plane: int, channels: int, between: Any, maps: Any, line: int
) -> None:
    """The gradients of a tile's transformed inputs added to those of its pixels, by ``B``."""
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
