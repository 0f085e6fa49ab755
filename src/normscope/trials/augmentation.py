"""Random crops and flips, made where the images are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.trials.recipe import Padding

MARGIN = 4
"""Pixels of zeros around an image of CIFAR's size: He et al. (2016, arXiv:1512.03385), 4.2."""


class Augmentation:
    """Crops of padded images at random places, every second one mirrored on average.

    Nothing is padded in memory: a pixel that lies outside its image is read from the border and
    marked, so that it can be set to zero before or after the normalization.

    Args:
        padding: Whether zeros are added before or after the normalization.
        generator: Draws places and flips, on the CPU.
    """

    def __init__(self, padding: Padding, generator: torch.Generator) -> None:
        self.padding = padding
        self._generator = generator

    def cropped(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """A random crop of every image.

        Args:
            pixels: Shape ``(B, C, H, W)``.

        Returns:
            As many pixels, channels last in memory, and which of them lie inside their image, bool
            of shape ``(B, 1, H, W)``.
        """
        count, _, height, width = pixels.shape
        device, generator = pixels.device, self._generator
        places = torch.randint(-MARGIN, MARGIN + 1, (2, count, 1), generator=generator).to(device)
        flips = torch.rand(count, 1, generator=generator).to(device) < 0.5
        rows = torch.arange(height, device=device) + places[0]
        columns = torch.arange(width, device=device) + places[1]
        columns = torch.where(flips, columns.flip(1), columns)
        inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
        image = torch.arange(count, device=device)[:, None, None]
        row = rows.clamp(0, height - 1)[:, :, None]
        column = columns.clamp(0, width - 1)[:, None, :]
        crops = pixels.permute(0, 2, 3, 1)[image, row, column]
        return crops.permute(0, 3, 1, 2), inside[:, None]


def _within(positions: Tensor, length: int) -> Tensor:
    return (positions >= 0) & (positions < length)
