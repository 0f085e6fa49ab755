"""Compiled passes around the products of Winograd's convolution: from pixels to features.

F(4 x 4, 3 x 3) of Lavin and Gray (2016, CVPR, arXiv:1509.09308): outputs come in tiles of 4 x 4,
each from 6 x 6 inputs, for 36 multiplications in place of 144. Inputs go through its matrix
``B^T`` from both sides, products come back through ``A^T``.

All arrays are flat and start at an image, and all distances between the numbers of a loop are
known when it is compiled: only so does the compiler see that what is read and what is written do
not overlap, and computes eight or sixteen channels at a time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from normscope.machine.compiling import compiled
from normscope.models.stacked.winograd_geometry import (
    EIGHT,
    FIVE,
    FOUR,
    FREQUENCIES,
    HALF,
    HIDDEN,
    INPUTS,
    MAPS,
    TAPS,
    TILE,
    TWO,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_geometry import Geometry


@cache
def hidden_pass(geometry: Geometry) -> Callable[..., None]:
    channels, height, width, _ = geometry
    down, across = geometry.padded
    valid_down, valid_across = geometry.valid
    line, image, padded = width * channels, height * width * channels, down * across * HIDDEN

    @compiled
    def hidden(pixels, weight, bias, out, images):  # noqa: ANN001, ANN202
        for n in range(images):
            for y in range(valid_down):
                for x in range(valid_across):
                    to = n * padded + (y * across + x) * HIDDEN
                    for c in range(HIDDEN):
                        out[to + c] = bias[c]
                    for k in range(channels):
                        at = n * image + y * line + x * channels + k
                        w = k * TAPS * HIDDEN
                        p0, p1, p2 = pixels[at], pixels[at + channels], pixels[at + 2 * channels]
                        at += line
                        p3, p4, p5 = pixels[at], pixels[at + channels], pixels[at + 2 * channels]
                        at += line
                        p6, p7, p8 = pixels[at], pixels[at + channels], pixels[at + 2 * channels]
                        for c in range(HIDDEN):
                            out[to + c] += (
                                weight[w + c] * p0
                                + weight[w + HIDDEN + c] * p1
                                + weight[w + 2 * HIDDEN + c] * p2
                                + weight[w + 3 * HIDDEN + c] * p3
                                + weight[w + 4 * HIDDEN + c] * p4
                                + weight[w + 5 * HIDDEN + c] * p5
                                + weight[w + 6 * HIDDEN + c] * p6
                                + weight[w + 7 * HIDDEN + c] * p7
                                + weight[w + 8 * HIDDEN + c] * p8
                            )
                at = n * padded + y * across * HIDDEN
                for c in range(valid_across * HIDDEN):
                    out[at + c] = max(out[at + c], 0)

    return hidden


@cache
def transform_pass(geometry: Geometry) -> Callable[..., None]:
    down, across = geometry.tiles
    _, width = geometry.padded
    image = geometry.padded[0] * width * HIDDEN
    line, plane, block = width * HIDDEN, geometry.rows * HIDDEN, INPUTS * HIDDEN

    @compiled
    def transformed(hidden, out, images):  # noqa: ANN001, ANN202
        between = np.empty(FREQUENCIES * HIDDEN, hidden.dtype)
        for n in range(images):
            for i in range(down):
                for j in range(across):
                    at = n * image + TILE * i * line + TILE * j * HIDDEN
                    for c in range(block):
                        d0, d1, d2 = (
                            hidden[at + c],
                            hidden[at + line + c],
                            hidden[at + 2 * line + c],
                        )
                        d3, d4 = hidden[at + 3 * line + c], hidden[at + 4 * line + c]
                        d5 = hidden[at + 5 * line + c]
                        p, q, r, s = d4 - FOUR * d2, d3 - FOUR * d1, d4 - d2, TWO * (d3 - d1)
                        between[c] = FOUR * d0 - FIVE * d2 + d4
                        between[block + c] = p + q
                        between[2 * block + c] = p - q
                        between[3 * block + c] = r + s
                        between[4 * block + c] = r - s
                        between[5 * block + c] = FOUR * d1 - FIVE * d3 + d5
                    row = ((n * down + i) * across + j) * HIDDEN
                    for a in range(INPUTS):
                        at, to = a * block, INPUTS * a * plane + row
                        for c in range(HIDDEN):
                            d0, d1 = between[at + c], between[at + HIDDEN + c]
                            d2, d3 = between[at + 2 * HIDDEN + c], between[at + 3 * HIDDEN + c]
                            d4, d5 = between[at + 4 * HIDDEN + c], between[at + 5 * HIDDEN + c]
                            p, q, r, s = d4 - FOUR * d2, d3 - FOUR * d1, d4 - d2, TWO * (d3 - d1)
                            out[to + c] = FOUR * d0 - FIVE * d2 + d4
                            out[to + plane + c] = p + q
                            out[to + 2 * plane + c] = p - q
                            out[to + 3 * plane + c] = r + s
                            out[to + 4 * plane + c] = r - s
                            out[to + 5 * plane + c] = FOUR * d1 - FIVE * d3 + d5

    return transformed


@cache
def pooling_pass(geometry: Geometry) -> Callable[..., None]:
    down, across = geometry.tiles
    height, width = geometry.pooled
    plane = geometry.rows * MAPS

    @compiled
    def pooled(products, bias, features, which, images):  # noqa: ANN001, ANN202
        between = np.empty(INPUTS * TILE * MAPS, products.dtype)
        tile = np.empty(TILE * TILE * MAPS, products.dtype)
        for n in range(images):
            for i in range(down):
                for j in range(across):
                    row = ((n * down + i) * across + j) * MAPS
                    for a in range(INPUTS):
                        at, to = INPUTS * a * plane + row, a * MAPS
                        for c in range(MAPS):
                            m0, m5 = products[at + c], products[at + 5 * plane + c]
                            m1, m2 = products[at + plane + c], products[at + 2 * plane + c]
                            m3, m4 = products[at + 3 * plane + c], products[at + 4 * plane + c]
                            s, d, t, e = m1 + m2, m1 - m2, m3 + m4, m3 - m4
                            between[to + c] = m0 + s + t
                            between[to + INPUTS * MAPS + c] = d + TWO * e
                            between[to + 2 * INPUTS * MAPS + c] = s + FOUR * t
                            between[to + 3 * INPUTS * MAPS + c] = d + EIGHT * e + m5
                    for a in range(TILE):
                        at, to = a * INPUTS * MAPS, a * MAPS
                        for c in range(MAPS):
                            m0, m5 = between[at + c], between[at + 5 * MAPS + c]
                            m1, m2 = between[at + MAPS + c], between[at + 2 * MAPS + c]
                            m3, m4 = between[at + 3 * MAPS + c], between[at + 4 * MAPS + c]
                            s, d, t, e = m1 + m2, m1 - m2, m3 + m4, m3 - m4
                            tile[to + c] = m0 + s + t
                            tile[to + TILE * MAPS + c] = d + TWO * e
                            tile[to + 2 * TILE * MAPS + c] = s + FOUR * t
                            tile[to + 3 * TILE * MAPS + c] = d + EIGHT * e + m5
                    for y in range(min(HALF, height - HALF * i)):
                        for x in range(min(HALF, width - HALF * j)):
                            at = (2 * y * TILE + 2 * x) * MAPS
                            to = ((n * height + HALF * i + y) * width + HALF * j + x) * MAPS
                            for c in range(MAPS):
                                best, index = tile[at + c], 0
                                right = tile[at + MAPS + c]
                                below = tile[at + TILE * MAPS + c]
                                last_one = tile[at + (TILE + 1) * MAPS + c]
                                index = 1 if right > best else index
                                best = max(right, best)
                                index = 2 if below > best else index
                                best = max(below, best)
                                index = 3 if last_one > best else index
                                best = max(last_one, best)
                                features[to + c] = best + bias[c]
                                which[to + c] = index

    return pooled
