"""Compiled passes around the products of Winograd's convolution: from gradients to gradients.

Arrays are as in ``winograd_kernels.py``.
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
    from_gradients,
    to_gradients,
    unpool,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_tiles import Geometry


@cache
def spreading_pass(geometry: Geometry) -> Callable[..., None]:
    """Features' gradients to those of the products."""
    down, across = geometry.tiles
    height, width = geometry.pooled
    plane, block = geometry.rows * MAPS, TILE * MAPS

    @compiled
    def spread(gradient, which, out, images):
        between = np.empty(INPUTS * block, gradient.dtype)
        outputs = np.zeros(TILE * block, gradient.dtype)
        for n in range(images):
            for tile in range(down * across):
                i, j = tile // across, tile % across
                rows, columns = min(POOLED, height - POOLED * i), min(POOLED, width - POOLED * j)
                if rows < POOLED or columns < POOLED:
                    outputs[:] = 0
                for y in range(rows):
                    for x in range(columns):
                        at = (n * height + POOLED * i + y) * width + POOLED * j + x
                        unpool(gradient, which, at * MAPS, outputs, 2 * y * block + 2 * x * MAPS)
                for c in range(block):
                    m0, m1, m2, m3, m4, m5 = to_gradients(
                        outputs[c], outputs[block + c], outputs[2 * block + c],
                        outputs[3 * block + c],
                    )  # fmt: skip
                    between[c], between[block + c] = m0, m1
                    between[2 * block + c], between[3 * block + c] = m2, m3
                    between[4 * block + c], between[5 * block + c] = m4, m5
                row = (n * down * across + tile) * MAPS
                for a in range(INPUTS):
                    at, to = a * block, INPUTS * a * plane + row
                    for c in range(MAPS):
                        m0, m1, m2, m3, m4, m5 = to_gradients(
                            between[at + c], between[at + MAPS + c], between[at + 2 * MAPS + c],
                            between[at + 3 * MAPS + c],
                        )  # fmt: skip
                        out[to + c], out[to + plane + c] = m0, m1
                        out[to + 2 * plane + c], out[to + 3 * plane + c] = m2, m3
                        out[to + 4 * plane + c], out[to + 5 * plane + c] = m4, m5

    return spread


@cache
def gathering_pass(geometry: Geometry) -> Callable[..., None]:
    """Gradients of the products' inputs to those of the first layer's output, behind its ReLU."""
    down, across = geometry.tiles
    height, width = geometry.padded
    line, plane, block = width * HIDDEN, geometry.rows * HIDDEN, INPUTS * HIDDEN
    padded = height * line

    @compiled
    def gathered(inputs, hidden, out, images):
        between = np.empty(FREQUENCIES * HIDDEN, inputs.dtype)
        for n in range(images):
            start = n * padded
            for c in range(padded):
                out[start + c] = ZERO
            for tile in range(down * across):
                i, j = tile // across, tile % across
                row = (n * down * across + tile) * HIDDEN
                for a in range(INPUTS):
                    at, to = INPUTS * a * plane + row, a * block
                    for c in range(HIDDEN):
                        d0, d1, d2, d3, d4, d5 = from_gradients(
                            inputs[at + c], inputs[at + plane + c], inputs[at + 2 * plane + c],
                            inputs[at + 3 * plane + c], inputs[at + 4 * plane + c],
                            inputs[at + 5 * plane + c],
                        )  # fmt: skip
                        between[to + c], between[to + HIDDEN + c] = d0, d1
                        between[to + 2 * HIDDEN + c], between[to + 3 * HIDDEN + c] = d2, d3
                        between[to + 4 * HIDDEN + c], between[to + 5 * HIDDEN + c] = d4, d5
                to = start + TILE * i * line + TILE * j * HIDDEN
                for c in range(block):
                    d0, d1, d2, d3, d4, d5 = from_gradients(
                        between[c], between[block + c], between[2 * block + c],
                        between[3 * block + c], between[4 * block + c], between[5 * block + c],
                    )  # fmt: skip
                    out[to + c] += d0
                    out[to + line + c] += d1
                    out[to + 2 * line + c] += d2
                    out[to + 3 * line + c] += d3
                    out[to + 4 * line + c] += d4
                    out[to + 5 * line + c] += d5
            for c in range(padded):
                out[start + c] = out[start + c] if hidden[start + c] > ZERO else ZERO

    return gathered


@cache
def first_gradient_pass(geometry: Geometry) -> Callable[..., None]:
    """Gradients of the first layer's output added to those of its weight and bias."""
    channels = geometry.channels
    height, width = geometry.padded
    valid_down, valid_across = geometry.valid
    line, image, padded = geometry.width * channels, geometry.pixels, height * width * HIDDEN

    @compiled
    def first_gradient(of_hidden, pixels, weight, bias, images):
        for n in range(images):
            for y in range(valid_down):
                for x in range(valid_across):
                    at = n * padded + (y * width + x) * HIDDEN
                    for c in range(HIDDEN):
                        bias[c] += of_hidden[at + c]
                    for k in range(channels):
                        start, w = n * image + y * line + x * channels + k, k * TAPS * HIDDEN
                        p0, p1 = pixels[start], pixels[start + channels]
                        p2 = pixels[start + 2 * channels]
                        start += line
                        p3, p4 = pixels[start], pixels[start + channels]
                        p5 = pixels[start + 2 * channels]
                        start += line
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

    return first_gradient
