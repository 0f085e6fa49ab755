"""Sizes of Winograd's tiles over images of one size."""

from __future__ import annotations

from typing import NamedTuple

from normscope.models.stacked.winograd_matrices import POOLED, TILE


class Geometry(NamedTuple):
    """Sizes in pixels, which the kernels take for constants.

    Attributes:
        channels: Of the images.
        height: Of the images.
        width: Of the images.
        group: Images that the buffers between the passes hold.
    """

    channels: int
    height: int
    width: int
    group: int

    @property
    def pixels(self) -> int:
        """Numbers of an image."""
        return self.channels * self.height * self.width

    @property
    def pooled(self) -> tuple[int, int]:
        """Height and width behind the pooling."""
        return (self.height - 4) // 2, (self.width - 4) // 2

    @property
    def tiles(self) -> tuple[int, int]:
        """Tiles down and across that cover what is pooled."""
        down, across = self.pooled
        return -(-down // POOLED), -(-across // POOLED)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the first layer's output, with zeros up to whole tiles."""
        down, across = self.tiles
        return TILE * down + 2, TILE * across + 2

    @property
    def valid(self) -> tuple[int, int]:
        """Height and width of that part of it which is computed."""
        down, across = self.padded
        return min(self.height - 2, down), min(self.width - 2, across)

    @property
    def rows(self) -> int:
        """Rows of a group's matrices: tiles of all its images."""
        down, across = self.tiles
        return self.group * down * across
