"""How maps are cut into tiles, and the buffers between the passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from normscope.models.winograd.matrices import TILE, TRANSFORMED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

ZERO_ROWS = 1
"""Rows of zeros behind each matrix: a power of two from one matrix to the next would put them all
in the same few sets of the cache."""


class Tiles(NamedTuple):
    """Tiles that cover a map of outputs, which the passes take for constants.

    Attributes:
        down: Rows of tiles.
        across: Columns of tiles.
        border: Pixels of zeros around the inputs.
        group: Maps that the buffers hold.
    """

    down: int
    across: int
    border: int
    group: int

    @classmethod
    def covering(cls, height: int, width: int, *, border: int = 0, group: int = 1) -> Tiles:
        """Tiles for outputs of a size in pixels."""
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
        """Numbers from the start of one of a group's matrices to the next."""
        return (self.rows + ZERO_ROWS) * channels


class TransformedTiles:
    """The transformed inputs of a group of maps, or their products: a matrix for each number.

    Args:
        tiles: Of the maps.
        channels: Of each.
        dtype: Of the numbers.

    Attributes:
        matrices: Shape ``(36, rows, channels)``; the last row of each is zeros.
        flat: The same memory, as the passes take it.
    """

    def __init__(self, tiles: Tiles, channels: int, dtype: torch.dtype) -> None:
        # It is written to in inference mode and outside of it.
        with torch.inference_mode(mode=False):
            self.matrices = torch.empty(TRANSFORMED, tiles.rows + ZERO_ROWS, channels, dtype=dtype)
        self.matrices[:, tiles.rows :] = 0
        self._tiles = tiles
        self.flat = flat(self.matrices)

    def of(self, maps: int) -> Tensor:
        """The matrices, with zeros behind the tiles of so many maps.

        Returns:
            Whole matrices: the library would sum those of another shape in another order, and an
            image's outputs would depend on how many others there are.
        """
        if maps < self._tiles.group:
            self.matrices[:, maps * self._tiles.down * self._tiles.across :] = 0
        return self.matrices


def groups(maps: int, size: int) -> Iterator[tuple[int, int]]:
    """The first of each group of maps, and how many it has."""
    for first in range(0, maps, size):
        yield first, min(size, maps - first)


def flat(tensor: Tensor) -> np.ndarray:
    """A tensor's numbers one behind the other, without a copy if they lie like that."""
    return tensor.detach().reshape(-1).numpy()


def flat_maps(images: Tensor) -> np.ndarray:
    """The numbers of images ``(N, C, H, W)``, channels beside each other as they lie in memory."""
    return flat(images.permute(0, 2, 3, 1))
