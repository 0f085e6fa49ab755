"""Compiled passes of one LeNet from gradients to gradients, beside those of Winograd's convolution.

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
from normscope.models.winograd.matrices import INPUTS, TAPS, TILE, ZERO, gradients_of_tile

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_geometry import Geometry


@inlined
def unpool(gradient: Any, which: Any, tile: Any) -> None:
    """A pooled gradient handed to that one of 2 x 2 in a tile which it is of."""
    for c in range(MAPS):
        g, index = gradient[c], which[c]
        tile[c] = g if index == FIRST else ZERO
        tile[MAPS + c] = g if index == RIGHT else ZERO
        tile[TILE * MAPS + c] = g if index == BELOW else ZERO
        tile[(TILE + 1) * MAPS + c] = g if index == CORNER else ZERO


@cache
def spreading_pass(geometry: Geometry) -> Callable[..., None]:
    """Features' gradients to those of the products."""
    down, across = geometry.tiles.down, geometry.tiles.across
    height, width = geometry.pooled
    plane, block = geometry.tiles.plane(MAPS), TILE * MAPS

    @compiled
    def spread(gradient, which, products, first, count):
        between = np.empty(INPUTS * block, gradient.dtype)
        outputs = np.zeros(TILE * block, gradient.dtype)
        for n in range(count):
            for i in range(down):
                for j in range(across):
                    rows, columns = (
                        min(POOLED, height - POOLED * i),
                        min(POOLED, width - POOLED * j),
                    )
                    if rows < POOLED or columns < POOLED:
                        outputs[:] = 0
                    for y in range(rows):
                        for x in range(columns):
                            at = ((first + n) * height + POOLED * i + y) * width + POOLED * j + x
                            tile = outputs[2 * (y * block + x * MAPS) :]
                            unpool(gradient[at * MAPS :], which[at * MAPS :], tile)
                    to = products[((n * down + i) * across + j) * MAPS :]
                    gradients_of_tile(outputs, between, to, plane, MAPS)

    return spread


@cache
def first_gradient_pass(geometry: Geometry) -> Callable[..., None]:
    """A group's gradients of the first outputs, through ReLU, added to those of the weights."""
    channels = geometry.channels
    height, width = geometry.tiles.padded
    valid_down, valid_across = geometry.valid
    line, image, padded = geometry.width * channels, geometry.pixels, height * width * HIDDEN

    @compiled
    def first_gradient(of_hidden, hidden, pixels, weight, bias, first, count):
        for n in range(count):
            for y in range(valid_down):
                for x in range(valid_across):
                    place = (y * width + x) * HIDDEN
                    given = of_hidden[n * padded + place :]
                    output = hidden[(first + n) * padded + place :]
                    for c in range(HIDDEN):
                        g = given[c] if output[c] > ZERO else ZERO
                        given[c] = g
                        bias[c] += g
                    for k in range(channels):
                        w = k * TAPS * HIDDEN
                        at = pixels[(first + n) * image + y * line + x * channels + k :]
                        p0, p1, p2 = at[0], at[channels], at[2 * channels]
                        p3, p4, p5 = at[line], at[line + channels], at[line + 2 * channels]
                        p6, p7 = at[2 * line], at[2 * line + channels]
                        p8 = at[2 * line + 2 * channels]
                        for c in range(HIDDEN):
                            g = given[c]
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
