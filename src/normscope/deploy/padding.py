"""Padding that a network does itself in front of its first convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Padding:
    """Values put around the pixels.

    Attributes:
        sides: As ``torch.nn.functional.pad`` takes them: the last dimension's two sides first.
        value: What is put there.
        module: The name of the layer that does it, where one does that and nothing else.
        inside: Whether the convolution does it itself.
        same: Whether the sides follow from the image's size by TensorFlow's rule, not always the
            same.
    """

    sides: tuple[int, ...]
    value: float
    module: str | None = None
    inside: bool = False
    same: bool = False


def same_sides(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    """How wide TensorFlow's ``same`` pads, the odd pixel at the end.

    Args:
        size: Of the image's dimensions, in their order.
        kernel: Of the convolution.
        stride: Likewise.
        dilation: Likewise.

    Returns:
        The sides as ``torch.nn.functional.pad`` takes them.

    Example:
        >>> same_sides([224, 5], [3, 3], [2, 2], [1, 1])
        [1, 1, 0, 1]
    """
    sides: list[int] = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        sides = [total // 2, total - total // 2, *sides]
    return sides


def with_edges(images: Tensor, sides: Sequence[int]) -> Tensor:
    """Images padded by their own last rows and columns, or cropped where a side is negative.

    Args:
        images: Such as ``(N, C, H, W)``.
        sides: As ``torch.nn.functional.pad`` takes them.

    Returns:
        Larger images.
    """
    for axis, (first, last) in enumerate(zip(sides[::2], sides[1::2], strict=True), start=1):
        length = images.shape[-axis]
        places = torch.arange(-first, length + last, device=images.device)
        images = images.index_select(-axis, places.clamp(0, length - 1))
    return images
