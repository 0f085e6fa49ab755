"""Sizes of a LeNet's maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from normscope.models.winograd.tiles import Tiles

POOLED = 2
"""Side of a tile behind the pooling, which halves it."""

FIRST, RIGHT, BELOW, CORNER = np.float32(0), np.float32(1), np.float32(2), np.float32(3)
"""Which of 2 x 2 outputs was the largest; floats, which are compared as quickly as the outputs."""

GROUP = 8
"""Images at a time: so few that what passes between layers stays in a core's caches."""


class Geometry(NamedTuple):
    """Sizes of images, which the passes take for constants.

    Attributes:
        channels: Of the images.
        height: In pixels.
        width: Likewise.
    """

    channels: int
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Numbers of an image."""
        return self.channels * self.height * self.width

    @property
    def pooled(self) -> tuple[int, int]:
        """Height and width behind the pooling."""
        return (self.height - 4) // 2, (self.width - 4) // 2

    @property
    def tiles(self) -> Tiles:
        """Tiles that cover what is pooled."""
        down, across = self.pooled
        return Tiles.covering(POOLED * down, POOLED * across, group=GROUP)

    @property
    def valid(self) -> tuple[int, int]:
        """Height and width of that part of the first layer's output which is computed."""
        down, across = self.tiles.padded
        return min(self.height - 2, down), min(self.width - 2, across)
