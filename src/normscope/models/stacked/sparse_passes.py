"""Compiled passes over those gradients of LeNet's features that are not 0.

After some dozen steps these are one in ten: pooling hands a gradient to one pixel of four, ReLU and
dropout let few of them through. Arrays and arguments are as in ``winograd/passes.py``; the second
convolution's weights lie in the order output, row, column, input.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from normscope.machine.compiling import compiled
from normscope.models.stacked.winograd_geometry import BELOW, CORNER, HIDDEN, MAPS, POOLED, RIGHT
from normscope.models.winograd.matrices import TAPS, ZERO

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_geometry import Geometry

SIDE = 3
ROW = SIDE * HIDDEN
"""Numbers of three pixels beside each other, and of the taps that meet them."""


@cache
def finding_pass(geometry: Geometry) -> Callable[..., None]:
    """Where each image's gradients are not 0, and how many are before those of each image."""
    height, width = geometry.pooled
    features = height * width * MAPS

    @compiled
    def find(gradient, places, starts, count):
        found = 0
        for n in range(count):
            starts[n] = found
            of = gradient[n * features :]
            for f in range(features):
                places[found] = f
                found += 1 if of[f] != ZERO else 0
        starts[count] = found

    return find


@cache
def second_gradient_pass(geometry: Geometry) -> Callable[..., None]:
    """The gradients of features to those of the second weights and of the first layer's outputs."""
    _, width = geometry.pooled
    height_in, width_in = geometry.tiles.padded
    features = geometry.pooled[0] * width * MAPS
    padded, line = height_in * width_in * HIDDEN, width_in * HIDDEN

    @compiled
    def second_gradient(
        gradient, which, places, starts, hidden, weight, of_weight, of_hidden, first, count
    ):
        for n in range(first, first + count):
            image = (n - first) * padded
            of_hidden[image : image + padded] = 0
            for k in range(starts[n], starts[n + 1]):
                f = places[k]
                at, c = f // MAPS, f % MAPS
                g, index = gradient[n * features + f], which[n * features + f]
                y = POOLED * (at // width) + (1 if index >= BELOW else 0)
                x = POOLED * (at % width) + (1 if index == RIGHT or index == CORNER else 0)
                corner = y * line + x * HIDDEN
                for row in range(SIDE):
                    shown = hidden[n * padded + corner + row * line :]
                    to = of_hidden[image + corner + row * line :]
                    taps = weight[c * TAPS * HIDDEN + row * ROW :]
                    of_taps = of_weight[c * TAPS * HIDDEN + row * ROW :]
                    for j in range(ROW):
                        of_taps[j] += g * shown[j]
                    for j in range(ROW):
                        to[j] += g * taps[j]

    return second_gradient
