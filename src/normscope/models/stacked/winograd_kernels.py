"""Compiled passes of one LeNet from pixels to features, beside those of Winograd's convolution.

Arrays are as in ``winograd/passes.py``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.machine.compiling import compiled, inlined
from normscope.models.stacked.winograd_geometry import (
    BELOW,
    CORNER,
    FIRST,
    HIDDEN,
    MAPS,
    POOLED,
    RIGHT,
)
from normscope.models.winograd.matrices import INPUTS, TAPS, TILE, ZERO, outputs_of_tile

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_geometry import Geometry


@cache
def hidden_pass(geometry: Geometry) -> Callable[..., None]:
    """Pixels to the first layer's output: convolution, bias and ReLU."""
    channels, width = geometry.channels, geometry.width
    last = channels - 1
    down, across = geometry.tiles.padded
    valid_down, valid_across = geometry.valid
    line, image, padded = width * channels, geometry.pixels, down * across * HIDDEN

    @compiled
    def hidden(pixels, weight, bias, out, first, count):
        for n in range(first, first + count):
            for y in range(valid_down):
                for x in range(valid_across):
                    to = out[n * padded + (y * across + x) * HIDDEN :]
                    for k in range(channels):
                        w = k * TAPS * HIDDEN
                        at = pixels[n * image + y * line + x * channels + k :]
                        p0, p1, p2 = at[0], at[channels], at[2 * channels]
                        p3, p4, p5 = at[line], at[line + channels], at[line + 2 * channels]
                        p6, p7 = at[2 * line], at[2 * line + channels]
                        p8 = at[2 * line + 2 * channels]
                        for c in range(HIDDEN):
                            value = (
                                (bias[c] if k == 0 else to[c])
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
                            to[c] = ZERO if k == last and value < ZERO else value

    return hidden


@inlined
def pool(tile: Any, bias: Any, features: Any, which: Any) -> None:
    """The largest of 2 x 2 in a tile, with the bias, and which it is; the first of equal ones."""
    for c in range(MAPS):
        best, right, below = tile[c], tile[MAPS + c], tile[TILE * MAPS + c]
        corner = tile[(TILE + 1) * MAPS + c]
        index = RIGHT if right > best else FIRST
        best = right if right > best else best
        index = BELOW if below > best else index
        best = below if below > best else best
        index = CORNER if corner > best else index
        best = corner if corner > best else best
        features[c] = best + bias[c]
        which[c] = index


@cache
def pooling_pass(geometry: Geometry) -> Callable[..., None]:
    """Products and bias to features, and which of four each of them is."""
    down, across = geometry.tiles.down, geometry.tiles.across
    height, width = geometry.pooled
    plane, block = geometry.tiles.plane(MAPS), TILE * MAPS

    @compiled
    def pooled(products, bias, features, which, first, count):
        between = np.empty(INPUTS * block, products.dtype)
        outputs = np.empty(TILE * block, products.dtype)
        for n in range(count):
            for i in range(down):
                for j in range(across):
                    of = products[((n * down + i) * across + j) * MAPS :]
                    outputs_of_tile(of, plane, MAPS, between, outputs)
                    for y in range(min(POOLED, height - POOLED * i)):
                        for x in range(min(POOLED, width - POOLED * j)):
                            to = ((first + n) * height + POOLED * i + y) * width + POOLED * j + x
                            where, tile = to * MAPS, outputs[2 * (y * block + x * MAPS) :]
                            pool(tile, bias, features[where:], which[where:])

    return pooled
