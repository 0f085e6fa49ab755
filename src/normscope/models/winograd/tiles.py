"""How maps are cut into tiles, and the buffers between the passes over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from normscope.models.winograd.matrices import FREQUENCIES, TILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

EMPTY = 1
"""Rows of zeros behind each matrix: with a power of two from one matrix to the next all would share
a few places of the cache."""


class Tiles(NamedTuple):
    """Tiles that cover a map of outputs, which the passes take for constants.

    Attributes:
        down: How many, one below the other.
        across: How many, beside each other.
        border: Pixels of zeros around the inputs.
        group: Maps that the buffers hold.
    """

    down: int
    across: int
    border: int
    group: int

    @classmethod
    def covering(cls, height: int, width: int, *, border: int = 0, group: int = 1) -> Tiles:
        """Those for outputs of a size in pixels."""
        return cls(-(-height // TILE), -(-width // TILE), border, group)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the inputs, with zeros up to whole tiles."""
        return TILE * self.down + 2, TILE * self.across + 2

    @property
    def rows(self) -> int:
        """Rows of a group's matrices."""
        return self.group * self.down * self.across

    def plane(self, channels: int) -> int:
        """How far a group's matrices for one product lie from those for the next."""
        return (self.rows + EMPTY) * channels


class Products:
    """What the products of a group of maps are taken of, or what they give.

    Args:
        tiles: Of the maps.
        channels: Of each.
        dtype: Of the numbers.

    Attributes:
        matrices: Shape ``(36, rows, channels)``; the last row of each is zeros.
        flat: The same numbers, as the passes take them.
    """

    def __init__(self, tiles: Tiles, channels: int, dtype: torch.dtype) -> None:
        # Written to within and without inference mode.
        with torch.inference_mode(mode=False):
            self.matrices = torch.empty(FREQUENCIES, tiles.rows + EMPTY, channels, dtype=dtype)
        self.matrices[:, tiles.rows :] = 0
        self._tiles = tiles
        self.flat = flat(self.matrices)

    def of(self, maps: int) -> Tensor:
        """The matrices, with zeros behind the tiles of so many maps.

        Returns:
            All of them: another shape would be computed in another order, and what an image gets
            would depend on how many others there are.
        """
        if maps < self._tiles.group:
            self.matrices[:, maps * self._tiles.down * self._tiles.across :] = 0
        return self.matrices


def groups(maps: int, size: int) -> Iterator[tuple[int, int]]:
    """The first of each group of maps, and how many it has."""
    for first in range(0, maps, size):
        yield first, min(size, maps - first)


def flat(tensor: Tensor) -> np.ndarray:
    """A tensor's numbers one behind the other; without a copy if they lie so."""
    return tensor.detach().reshape(-1).numpy()


def flat_maps(images: Tensor) -> np.ndarray:
    """The numbers of images ``(N, C, H, W)``, channels beside each other as they lie in memory."""
    return flat(images.permute(0, 2, 3, 1))
