"""Compiled passes over those of LeNet's features that are not 0, and their gradients.

After some dozen steps these are one in ten, behind ReLU and dropout. Arrays and arguments are as in
``winograd/passes.py``. Features of an image lie beside each other, and so do a feature's weights in
the first linear layer; the second convolution's lie in the order output, row, column, input.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from normscope.machine.compiling import compiled
from normscope.models.lenet import HIDDEN, KERNEL, MAPS
from normscope.models.stacked.winograd_geometry import POOLED
from normscope.models.winograd.matrices import TAPS, ZERO

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.stacked.winograd_geometry import Geometry

ROW = KERNEL * HIDDEN
"""Numbers of three pixels beside each other, and of the taps that meet them."""


@cache
def finding_pass(features: int) -> Callable[..., None]:
    """Where each image's numbers are not 0, and how many are before those of each image."""

    @compiled
    def find(numbers, places, starts, count):
        found = 0
        for n in range(count):
            starts[n] = found
            of = numbers[n * features :]
            for f in range(features):
                places[found] = f
                found += 1 if of[f] != ZERO else 0
        starts[count] = found

    return find


@cache
def sorting_pass(features: int) -> Callable[..., None]:
    """What was found, by feature: the images of each, and how many are before them."""

    @compiled
    def sort(places, starts, images, ends, count):
        ends[:] = 0
        for k in range(starts[count]):
            ends[places[k] + 1] += 1
        for f in range(features):
            ends[f + 1] += ends[f]
        # Counted up to the end of each feature, which is where the next one begins.
        for n in range(count):
            for k in range(starts[n], starts[n + 1]):
                f = places[k]
                images[ends[f]] = n
                ends[f] += 1

    return sort


@cache
def linear_pass(features: int, units: int) -> Callable[..., None]:
    """Features times their weights, added to each image's units."""

    @compiled
    def linear(numbers, weight, images, ends, out, first, last, factor):
        for f in range(first, last):
            row = weight[f * units :]
            for k in range(ends[f - 1] if f > 0 else 0, ends[f]):
                n = images[k]
                value = factor * numbers[n * features + f]
                to = out[n * units :]
                for j in range(units):
                    to[j] += value * row[j]

    return linear


@cache
def linear_gradient_pass(features: int, units: int) -> Callable[..., None]:
    """The gradients of units to those of the weights, and of the features that are not 0."""

    def linear_gradient(
        numbers, weight, images, ends, of_units, of_weight, of_features, first, last, factor
    ):
        for f in range(first, last):
            row = weight[f * units :]
            of_row = of_weight[f * units :]
            for j in range(units):
                of_row[j] = ZERO
            for k in range(ends[f - 1] if f > 0 else 0, ends[f]):
                n = images[k]
                value = factor * numbers[n * features + f]
                given = of_units[n * units :]
                total = ZERO
                for j in range(units):
                    total += row[j] * given[j]
                for j in range(units):
                    of_row[j] += value * given[j]
                of_features[n * features + f] = factor * total

    return compiled(linear_gradient, any_order=True)


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
                g, winner = gradient[n * features + f], int(which[n * features + f])
                y = POOLED * (at // width) + winner // POOLED
                x = POOLED * (at % width) + winner % POOLED
                corner = y * line + x * HIDDEN
                for row in range(KERNEL):
                    shown = hidden[n * padded + corner + row * line :]
                    to = of_hidden[image + corner + row * line :]
                    taps = weight[c * TAPS * HIDDEN + row * ROW :]
                    of_taps = of_weight[c * TAPS * HIDDEN + row * ROW :]
                    for j in range(ROW):
                        of_taps[j] += g * shown[j]
                    for j in range(ROW):
                        to[j] += g * taps[j]

    return second_gradient
