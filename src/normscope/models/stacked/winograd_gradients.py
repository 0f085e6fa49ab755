"""Compiled passes around the products of Winograd's convolution: from gradients to gradients.

They are the transposes of those in ``winograd_kernels.py``, where their conventions stand.
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
def spreading_pass(geometry: Geometry) -> Callable[..., None]:
    down, across = geometry.tiles
    height, width = geometry.pooled
    plane = geometry.rows * MAPS

    @compiled
    def spread(gradient, which, out, images):  # noqa: ANN001, ANN202
        between = np.empty(INPUTS * TILE * MAPS, gradient.dtype)
        tile = np.empty(TILE * TILE * MAPS, gradient.dtype)
        for n in range(images):
            for i in range(down):
                for j in range(across):
                    for y in range(HALF):
                        for x in range(HALF):
                            at = ((n * height + HALF * i + y) * width + HALF * j + x) * MAPS
                            to = (2 * y * TILE + 2 * x) * MAPS
                            inside = HALF * i + y < height and HALF * j + x < width
                            for c in range(MAPS):
                                g = gradient[at + c] if inside else 0
                                w = which[at + c] if inside else 0
                                tile[to + c] = g if w == 0 else 0
                                tile[to + MAPS + c] = g if w == 1 else 0
                                tile[to + TILE * MAPS + c] = g if w == 2 else 0
                                tile[to + (TILE + 1) * MAPS + c] = g if w == 3 else 0
                    for c in range(TILE * MAPS):
                        y0, y1 = tile[c], tile[TILE * MAPS + c]
                        y2, y3 = tile[2 * TILE * MAPS + c], tile[3 * TILE * MAPS + c]
                        s, d, t, e = y0 + y2, y1 + y3, y0 + FOUR * y2, TWO * y1 + EIGHT * y3
                        between[c] = y0
                        between[TILE * MAPS + c] = s + d
                        between[2 * TILE * MAPS + c] = s - d
                        between[3 * TILE * MAPS + c] = t + e
                        between[4 * TILE * MAPS + c] = t - e
                        between[5 * TILE * MAPS + c] = y3
                    row = ((n * down + i) * across + j) * MAPS
                    for a in range(INPUTS):
                        at, to = a * TILE * MAPS, INPUTS * a * plane + row
                        for c in range(MAPS):
                            y0, y1 = between[at + c], between[at + MAPS + c]
                            y2, y3 = between[at + 2 * MAPS + c], between[at + 3 * MAPS + c]
                            s, d, t, e = y0 + y2, y1 + y3, y0 + FOUR * y2, TWO * y1 + EIGHT * y3
                            out[to + c] = y0
                            out[to + plane + c] = s + d
                            out[to + 2 * plane + c] = s - d
                            out[to + 3 * plane + c] = t + e
                            out[to + 4 * plane + c] = t - e
                            out[to + 5 * plane + c] = y3

    return spread


@cache
def gathering_pass(geometry: Geometry) -> Callable[..., None]:
    channels, height, width, _ = geometry
    tiles_down, tiles_across = geometry.tiles
    down, across = geometry.padded
    valid_down, valid_across = geometry.valid
    plane, block, line = geometry.rows * HIDDEN, INPUTS * HIDDEN, across * HIDDEN
    padded, pixel_line, image = down * line, width * channels, height * width * channels

    @compiled
    def gathered(inputs, hidden, pixels, weight, bias, images):  # noqa: ANN001, ANN202
        between = np.empty(FREQUENCIES * HIDDEN, inputs.dtype)
        of_hidden = np.empty(padded, inputs.dtype)
        for n in range(images):
            of_hidden[:] = 0
            for i in range(tiles_down):
                for j in range(tiles_across):
                    row = ((n * tiles_down + i) * tiles_across + j) * HIDDEN
                    for a in range(INPUTS):
                        at, to = INPUTS * a * plane + row, a * block
                        for c in range(HIDDEN):
                            v0, v5 = inputs[at + c], inputs[at + 5 * plane + c]
                            v1, v2 = inputs[at + plane + c], inputs[at + 2 * plane + c]
                            v3, v4 = inputs[at + 3 * plane + c], inputs[at + 4 * plane + c]
                            s, d, t, e = v1 + v2, v1 - v2, v3 + v4, v3 - v4
                            between[to + c] = FOUR * v0
                            between[to + HIDDEN + c] = FOUR * (v5 - d) - TWO * e
                            between[to + 2 * HIDDEN + c] = -FIVE * v0 - FOUR * s - t
                            between[to + 3 * HIDDEN + c] = d + TWO * e - FIVE * v5
                            between[to + 4 * HIDDEN + c] = v0 + s + t
                            between[to + 5 * HIDDEN + c] = v5
                    to = TILE * i * line + TILE * j * HIDDEN
                    for c in range(block):
                        v0, v5 = between[c], between[5 * block + c]
                        v1, v2 = between[block + c], between[2 * block + c]
                        v3, v4 = between[3 * block + c], between[4 * block + c]
                        s, d, t, e = v1 + v2, v1 - v2, v3 + v4, v3 - v4
                        of_hidden[to + c] += FOUR * v0
                        of_hidden[to + line + c] += FOUR * (v5 - d) - TWO * e
                        of_hidden[to + 2 * line + c] += -FIVE * v0 - FOUR * s - t
                        of_hidden[to + 3 * line + c] += d + TWO * e - FIVE * v5
                        of_hidden[to + 4 * line + c] += v0 + s + t
                        of_hidden[to + 5 * line + c] += v5
            for c in range(padded):
                of_hidden[c] = of_hidden[c] if hidden[n * padded + c] > 0 else 0
            for y in range(valid_down):
                for x in range(valid_across):
                    at = (y * across + x) * HIDDEN
                    for c in range(HIDDEN):
                        bias[c] += of_hidden[at + c]
                    for k in range(channels):
                        start = n * image + y * pixel_line + x * channels + k
                        w = k * TAPS * HIDDEN
                        p0, p1 = pixels[start], pixels[start + channels]
                        p2 = pixels[start + 2 * channels]
                        start += pixel_line
                        p3, p4 = pixels[start], pixels[start + channels]
                        p5 = pixels[start + 2 * channels]
                        start += pixel_line
                        p6, p7 = pixels[start], pixels[start + channels]
                        p8 = pixels[start + 2 * channels]
                        for c in range(HIDDEN):
                            g = of_hidden[at + c]
                            weight[w + c] += g * p0
                            weight[w + HIDDEN + c] += g * p1
                            weight[w + 2 * HIDDEN + c] += g * p2
                            weight[w + 3 * HIDDEN + c] += g * p3
                            weight[w + 4 * HIDDEN + c] += g * p4
                            weight[w + 5 * HIDDEN + c] += g * p5
                            weight[w + 6 * HIDDEN + c] += g * p6
                            weight[w + 7 * HIDDEN + c] += g * p7
                            weight[w + 8 * HIDDEN + c] += g * p8

    return gathered
