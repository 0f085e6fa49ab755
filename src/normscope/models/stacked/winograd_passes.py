"""Compiled passes of one LeNet, beside those of Winograd's convolution.

Arrays and arguments are as in ``winograd/passes.py``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.machine.compiling import compiled, inlined
from normscope.models.lenet import HIDDEN, MAPS
from normscope.models.stacked.winograd_geometry import (
    BELOW,
    CORNER,
    FIRST,
    POOLED,
    RIGHT,
)
from normscope.models.winograd.matrices import (
    INPUTS,
    TAPS,
    TILE,
    ZERO,
    gradients_of_tile,
    outputs_of_tile,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_geometry import Geometry


@inlined
def window(pixels: Any, line: int, channels: int) -> Any:
    """One channel of 3 x 3 pixels, from the first of them on."""
    return (
        pixels[0], pixels[channels], pixels[2 * channels],
        pixels[line], pixels[line + channels], pixels[line + 2 * channels],
        pixels[2 * line], pixels[2 * line + channels], pixels[2 * line + 2 * channels],
    )  # fmt: skip


@cache
def hidden_pass(geometry: Geometry) -> Callable[..., None]:
    """Pixels to the first layer's outputs: convolution, bias and ReLU."""
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
                        p0, p1, p2, p3, p4, p5, p6, p7, p8 = window(at, line, channels)
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
                            # max() would lose NaN.
                            to[c] = ZERO if k == last and value < ZERO else value

    return hidden


@inlined
def pool(tile: Any, bias: Any, mask: Any, masked: Any, features: Any, which: Any) -> None:
    """The largest of 2 x 2 outputs plus the bias, and which one it is: the first among equals.

    With a mask, what ReLU and the mask leave of it.
    """
    for c in range(MAPS):
        best, right, below = tile[c], tile[MAPS + c], tile[TILE * MAPS + c]
        corner = tile[(TILE + 1) * MAPS + c]
        index = RIGHT if right > best else FIRST
        best = right if right > best else best
        index = BELOW if below > best else index
        best = below if below > best else best
        index = CORNER if corner > best else index
        best = corner if corner > best else best
        best += bias[c]
        if masked:
            kept = mask[c]
            best = ZERO if best < ZERO else best
            best = best if kept else ZERO
        features[c] = best
        which[c] = index


@cache
def pooling_pass(geometry: Geometry, masked: bool) -> Callable[..., None]:
    """Products and a bias to features, and which of four outputs each of them is."""
    down, across = geometry.tiles.down, geometry.tiles.across
    height, width = geometry.pooled
    plane, block = geometry.tiles.plane(MAPS), TILE * MAPS

    @compiled
    def pooled(products, bias, mask, features, which, first, count):
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
                            pool(tile, bias, mask[where:], masked, features[where:], which[where:])

    return pooled


@inlined
def unpool(gradient: Any, which: Any, tile: Any) -> None:
    """A feature's gradient to the one of 2 x 2 outputs that it was; zeros to the others."""
    for c in range(MAPS):
        g, index = gradient[c], which[c]
        tile[c] = g if index == FIRST else ZERO
        tile[MAPS + c] = g if index == RIGHT else ZERO
        tile[TILE * MAPS + c] = g if index == BELOW else ZERO
        tile[(TILE + 1) * MAPS + c] = g if index == CORNER else ZERO


@cache
def spreading_pass(geometry: Geometry) -> Callable[..., None]:
    """The gradients of features to those of products."""
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
                    rows = min(POOLED, height - POOLED * i)
                    columns = min(POOLED, width - POOLED * j)
                    if rows < POOLED or columns < POOLED:
                        outputs[:] = 0
                    for y in range(rows):
                        for x in range(columns):
                            at = ((first + n) * height + POOLED * i + y) * width + POOLED * j + x
                            tile = outputs[2 * (y * block + x * MAPS) :]
                            unpool(gradient[at * MAPS :], which[at * MAPS :], tile)
                    to = products[((n * down + i) * across + j) * MAPS :]
                    gradients_of_tile(outputs, MAPS, between, to, plane)

    return spread


@cache
def first_gradient_pass(geometry: Geometry) -> Callable[..., None]:
    """The gradients of the first layer's outputs, through ReLU, added to those of its weights."""
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
                        p0, p1, p2, p3, p4, p5, p6, p7, p8 = window(at, line, channels)
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
