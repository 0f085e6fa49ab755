"""Compiled passes around the products of Winograd's convolution: from pixels to features.

Every array is flat and begins with an image. All distances between the numbers of a loop are known
when it is compiled: only so does the compiler see that what is read and what is written do not
overlap, and computes eight or sixteen channels at a time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from normscope.machine.compiling import compiled
from normscope.models.stacked.winograd_matrices import (
    FREQUENCIES,
    HIDDEN,
    INPUTS,
    MAPS,
    POOLED,
    TAPS,
    TILE,
    ZERO,
    from_products,
    pool,
    to_products,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_tiles import Geometry


@cache
def hidden_pass(geometry: Geometry) -> Callable[..., None]:
    """Pixels to the first layer's output: convolution, bias and ReLU."""
    channels, width = geometry.channels, geometry.width
    last = channels - 1
    down, across = geometry.padded
    valid_down, valid_across = geometry.valid
    line, image, padded = width * channels, geometry.pixels, down * across * HIDDEN

    @compiled
    def hidden(pixels, weight, bias, out, images):
        for n in range(images):
            for y in range(valid_down):
                for x in range(valid_across):
                    to = n * padded + (y * across + x) * HIDDEN
                    for k in range(channels):
                        at = n * image + y * line + x * channels + k
                        w = k * TAPS * HIDDEN
                        p0, p1, p2 = pixels[at], pixels[at + channels], pixels[at + 2 * channels]
                        at += line
                        p3, p4, p5 = pixels[at], pixels[at + channels], pixels[at + 2 * channels]
                        at += line
                        p6, p7, p8 = pixels[at], pixels[at + channels], pixels[at + 2 * channels]
                        for c in range(HIDDEN):
                            value = (
                                (bias[c] if k == 0 else out[to + c])
                                + weight[w + c] * p0
                                + weight[w + HIDDEN + c] * p1
                                + weight[w + 2 * HIDDEN + c] * p2
                                + weight[w + 3 * HIDDEN + c] * p3
                                + weight[w + 4 * HIDDEN + c] * p4
                                + weight[w + 5 * HIDDEN + c] * p5
                                + weight[w + 6 * HIDDEN + c] * p6
                                + weight[w + 7 * HIDDEN + c] * p7
                                + weight[w + 8 * HIDDEN + c] * p8
                            )
                            # Not the larger of two, which would lose what is not a number.
                            out[to + c] = ZERO if k == last and value < ZERO else value

    return hidden


@cache
def transform_pass(geometry: Geometry) -> Callable[..., None]:
    """The first layer's output to the inputs of the products."""
    down, across = geometry.tiles
    height, width = geometry.padded
    line, plane, block = width * HIDDEN, geometry.rows * HIDDEN, INPUTS * HIDDEN
    image = height * line

    @compiled
    def transformed(hidden, out, images):
        between = np.empty(FREQUENCIES * HIDDEN, hidden.dtype)
        for n in range(images):
            for tile in range(down * across):
                i, j = tile // across, tile % across
                at = n * image + TILE * i * line + TILE * j * HIDDEN
                for c in range(block):
                    t0, t1, t2, t3, t4, t5 = to_products(
                        hidden[at + c], hidden[at + line + c], hidden[at + 2 * line + c],
                        hidden[at + 3 * line + c], hidden[at + 4 * line + c],
                        hidden[at + 5 * line + c],
                    )  # fmt: skip
                    between[c], between[block + c] = t0, t1
                    between[2 * block + c], between[3 * block + c] = t2, t3
                    between[4 * block + c], between[5 * block + c] = t4, t5
                row = (n * down * across + tile) * HIDDEN
                for a in range(INPUTS):
                    at, to = a * block, INPUTS * a * plane + row
                    for c in range(HIDDEN):
                        t0, t1, t2, t3, t4, t5 = to_products(
                            between[at + c], between[at + HIDDEN + c],
                            between[at + 2 * HIDDEN + c], between[at + 3 * HIDDEN + c],
                            between[at + 4 * HIDDEN + c], between[at + 5 * HIDDEN + c],
                        )  # fmt: skip
                        out[to + c], out[to + plane + c] = t0, t1
                        out[to + 2 * plane + c], out[to + 3 * plane + c] = t2, t3
                        out[to + 4 * plane + c], out[to + 5 * plane + c] = t4, t5

    return transformed


@cache
def pooling_pass(geometry: Geometry) -> Callable[..., None]:
    """Products and bias to features, and which of four each of them is."""
    down, across = geometry.tiles
    height, width = geometry.pooled
    plane, block = geometry.rows * MAPS, TILE * MAPS

    @compiled
    def pooled(products, bias, features, which, images):
        between = np.empty(INPUTS * block, products.dtype)
        outputs = np.empty(TILE * block, products.dtype)
        for n in range(images):
            for tile in range(down * across):
                i, j = tile // across, tile % across
                row = (n * down * across + tile) * MAPS
                for a in range(INPUTS):
                    at, to = INPUTS * a * plane + row, a * block
                    for c in range(MAPS):
                        y0, y1, y2, y3 = from_products(
                            products[at + c], products[at + plane + c],
                            products[at + 2 * plane + c], products[at + 3 * plane + c],
                            products[at + 4 * plane + c], products[at + 5 * plane + c],
                        )  # fmt: skip
                        between[to + c], between[to + MAPS + c] = y0, y1
                        between[to + 2 * MAPS + c], between[to + 3 * MAPS + c] = y2, y3
                for c in range(block):
                    y0, y1, y2, y3 = from_products(
                        between[c], between[block + c], between[2 * block + c],
                        between[3 * block + c], between[4 * block + c], between[5 * block + c],
                    )  # fmt: skip
                    outputs[c], outputs[block + c] = y0, y1
                    outputs[2 * block + c], outputs[3 * block + c] = y2, y3
                for y in range(min(POOLED, height - POOLED * i)):
                    for x in range(min(POOLED, width - POOLED * j)):
                        to = (n * height + POOLED * i + y) * width + POOLED * j + x
                        pool(
                            outputs, 2 * y * block + 2 * x * MAPS, bias, features, which, to * MAPS
                        )

    return pooled
