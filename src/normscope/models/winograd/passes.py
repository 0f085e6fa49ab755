"""Compiled passes around the products of Winograd's convolution.

Maps have a height and a width in pixels. Every array is flat, and the channels of a pixel lie
beside each other. A pass takes ``count`` maps from the map ``first`` on; their tiles come first
among the transformed ones. All distances between the numbers of a loop are known when it is
compiled, and every index is counted from the start of its array: only then does the compiler see
that what is read and what is written do not overlap, and computes eight or sixteen channels at a
time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from normscope.machine.compiling import compiled
from normscope.models.winograd.matrices import (
    INPUTS,
    TILE,
    TRANSFORMED,
    add_inputs_of_tile,
    cut_window,
    gradients_of_tile,
    inputs_of_tile,
    outputs_of_tile,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.winograd.tiles import Tiles


@cache
def transform_pass(tiles: Tiles, channels: int, height: int, width: int) -> Callable[..., None]:
    """Maps to transformed inputs."""
    down, across, border, _ = tiles
    line, plane, block = width * channels, tiles.plane(channels), INPUTS * channels

    @compiled
    def transform(maps, out, first, count):
        between = np.empty(INPUTS * block, maps.dtype)
        window = np.empty(INPUTS * block, maps.dtype)
        for n in range(count):
            for i in range(down):
                for j in range(across):
                    to = out[((n * down + i) * across + j) * channels :]
                    y, x = TILE * i - border, TILE * j - border
                    whole = y >= 0 and x >= 0 and y + INPUTS <= height and x + INPUTS <= width
                    if whole:
                        pixels = maps[((first + n) * height + y) * line + x * channels :]
                        inputs_of_tile(pixels, line, channels, between, to, plane)
                    else:
                        image = maps[(first + n) * height * line :]
                        cut_window(image, y, x, height, width, channels, window)
                        inputs_of_tile(window, block, channels, between, to, plane)

    return transform


@cache
def gather_pass(tiles: Tiles, channels: int, height: int, width: int) -> Callable[..., None]:
    """The gradients of transformed inputs to those of maps."""
    down, across, border, _ = tiles
    rows, columns = tiles.padded
    line, plane = columns * channels, tiles.plane(channels)
    kept_rows, kept = min(height, rows - border), min(width, columns - border) * channels
    direct = (height, width) == (rows, columns)
    size = rows * line

    @compiled
    def gather(inputs, maps, first, count):
        between = np.empty(TRANSFORMED * channels, inputs.dtype)
        own = np.empty(size, inputs.dtype)
        for n in range(count):
            padded = maps[(first + n) * size : (first + n + 1) * size] if direct else own
            padded[:] = 0
            for i in range(down):
                for j in range(across):
                    of = inputs[((n * down + i) * across + j) * channels :]
                    pixels = padded[TILE * i * line + TILE * j * channels :]
                    add_inputs_of_tile(of, plane, channels, between, pixels, line)
            for y in range(0 if direct else kept_rows):
                to = maps[((first + n) * height + y) * width * channels :]
                found = padded[(border + y) * line + border * channels :]
                for c in range(kept):
                    to[c] = found[c]

    return gather


@cache
def output_pass(tiles: Tiles, channels: int, height: int, width: int) -> Callable[..., None]:
    """Products and a bias to maps."""
    down, across, _, _ = tiles
    plane, block, line = tiles.plane(channels), TILE * channels, width * channels

    @compiled
    def output(products, bias, maps, first, count):
        between = np.empty(INPUTS * block, products.dtype)
        outputs = np.empty(TILE * block, products.dtype)
        biases = np.empty(block, products.dtype)
        for c in range(block):
            biases[c] = bias[c % channels]
        for n in range(count):
            for i in range(down):
                for j in range(across):
                    of = products[((n * down + i) * across + j) * channels :]
                    outputs_of_tile(of, plane, channels, between, outputs)
                    columns = min(TILE, width - TILE * j)
                    for y in range(min(TILE, height - TILE * i)):
                        to = maps[
                            ((first + n) * height + TILE * i + y) * line + TILE * j * channels :
                        ]
                        found = outputs[y * block :]
                        for c in range(columns * channels):
                            to[c] = found[c] + biases[c]

    return output


@cache
def gradient_pass(tiles: Tiles, channels: int, height: int, width: int) -> Callable[..., None]:
    """The gradients of maps to those of products."""
    down, across, _, _ = tiles
    plane, block, line = tiles.plane(channels), TILE * channels, width * channels

    @compiled
    def gradient(maps, products, first, count):
        between = np.empty(INPUTS * block, maps.dtype)
        outputs = np.empty(TILE * block, maps.dtype)
        for n in range(count):
            for i in range(down):
                for j in range(across):
                    rows, columns = min(TILE, height - TILE * i), min(TILE, width - TILE * j)
                    if rows < TILE or columns < TILE:
                        outputs[:] = 0
                    for y in range(rows):
                        at = maps[
                            ((first + n) * height + TILE * i + y) * line + TILE * j * channels :
                        ]
                        given = outputs[y * block :]
                        for c in range(columns * channels):
                            given[c] = at[c]
                    to = products[((n * down + i) * across + j) * channels :]
                    gradients_of_tile(outputs, channels, between, to, plane)

    return gradient
