"""What a network was shown of an image in training: crops, mirrored or not, and where they end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from torch import Tensor

VIEWS_PER_IMAGE = 8
"""Crops drawn per image: what they add to the noise is small beside that of the images."""

LARGEST_CROPPED = 64
"""Side in pixels up to which padded crops are tried unasked: of CIFAR's size, or a little more."""

SHARE_PADDED = 8
"""An image is padded by its side divided by this (4 pixels at 32): He et al. (2016), 4.2."""


@dataclass(frozen=True)
class AssumedAugmentation:
    """How the images were augmented in training.

    Attributes:
        margin: Pixels of zeros that were put around an image before it was cropped to its size.
        after: Whether they were put there after the normalization, not before.
        flip: Whether every second view is mirrored.
    """

    margin: int = 0
    after: bool = False
    flip: bool = False

    @classmethod
    def parse(cls, text: str) -> AssumedAugmentation:
        """Read the form that the command line takes.

        Args:
            text: ``none``, or any of ``cropN`` (padded by N pixels before the normalization),
                ``cropN-after`` and ``flip``, with commas.

        Returns:
            The augmentation.

        Raises:
            NormscopeError: If a part is something else, or there are two crops.

        Example:
            >>> AssumedAugmentation.parse("crop4,flip")
            AssumedAugmentation(margin=4, after=False, flip=True)
        """
        if text == "none":
            return cls()
        parts = text.split(",")
        crops = [re.fullmatch(r"crop(\d{1,3})(-after)?", part) for part in parts]
        if sum(match is not None for match in crops) > 1 or any(
            match is None and part != "flip" for match, part in zip(crops, parts, strict=True)
        ):
            raise NormscopeError(
                "--augmentation must be none, or cropN (padded by N pixels before normalizing), "
                f"cropN-after or flip, with commas, got '{text}'. Write it like crop4,flip."
            )
        crop = next(filter(None, crops), None)
        return cls(
            margin=int(crop[1]) if crop else 0,
            after=bool(crop and crop[2]),
            flip="flip" in parts,
        )

    def __str__(self) -> str:
        crop = f"crop{self.margin}{'-after' * self.after}" if self.margin else ""
        return ",".join(part for part in (crop, "flip" * self.flip) if part) or "none"


def likely(size: tuple[int, int]) -> tuple[AssumedAugmentation, ...]:
    """What is tried where the augmentation is not known.

    Args:
        size: Height and width of the images in pixels.

    Returns:
        None at all, and for images of CIFAR's size crops padded before and after normalizing.
    """
    plain = AssumedAugmentation()
    if max(size) > LARGEST_CROPPED:
        return (plain,)
    margin = max(1, max(size) // SHARE_PADDED)
    return plain, AssumedAugmentation(margin), AssumedAugmentation(margin, after=True)


@dataclass(frozen=True)
class Views:
    """Some views of every image.

    Attributes:
        pixels: Shape ``(N, R, C, H, W)``, in [0, 1], 0 where a view leaves its image.
        inside: Shape ``(N, R, 1, H, W)``: 1 where pixels are normalized, 0 where they are zero
            whatever the normalization.
    """

    pixels: Tensor
    inside: Tensor

    @classmethod
    def of(cls, images: Tensor, augmentation: AssumedAugmentation, seed: int) -> Views:
        """Draw the views.

        Args:
            images: Shape ``(N, C, H, W)``.
            augmentation: How.
            seed: Of the places.

        Returns:
            One view without augmentation, two for mirrored ones alone, else some crops.
        """
        count, _, height, width = images.shape
        if augmentation == AssumedAugmentation():
            return cls(images[:, None], images.new_ones(1, 1, 1, 1, 1).expand(
                count, 1, 1, height, width
            ))  # fmt: skip
        margin = augmentation.margin
        views = VIEWS_PER_IMAGE if margin else 2
        generator = torch.Generator().manual_seed(seed)
        places = torch.randint(0, 2 * margin + 1, (count, views, 2), generator=generator).tolist()
        outside = 0.0 if augmentation.after else 1.0
        padded = F.pad(images, (margin,) * 4)
        inside = F.pad(images.new_ones(1, height, width), (margin,) * 4, value=outside)

        def cropped(values: Tensor, place: list[int], view: int) -> Tensor:
            row, column = place
            crop = values[:, row : row + height, column : column + width]
            return crop.flip(-1) if augmentation.flip and view % 2 else crop

        def all_views(of_image: list[Tensor]) -> Tensor:
            crops = [
                cropped(values, place, view)
                for values, row in zip(of_image, places, strict=True)
                for view, place in enumerate(row)
            ]
            return torch.stack(crops).reshape(count, views, -1, height, width)

        return cls(all_views(list(padded)), all_views([inside] * count))
