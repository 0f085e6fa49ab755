"""What is done to images before they are kept: resize, crop and the number of channels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from normscope.errors import NormscopeError
from normscope.images.choosing import Choice
from normscope.images.luma import check_channels
from normscope.images.scale import check_scale
from normscope.images.size import Size, as_resize, check_length, shorter_side


@dataclass(frozen=True)
class ImageTransform:
    """A transform of images, as torchvision's evaluation presets have it.

    Attributes:
        resize: Length of the shorter side in pixels, or a height and a width; None leaves the size.
        crop: Side of the central square in pixels; None keeps everything.
        channels: ``"rgb"`` gives grey images three equal channels, ``"grey"`` colour ones their
            luma; None takes images as they are, and among colour ones grey as ``"rgb"`` does.
        select: Which images are taken, as of ``Choice``; None takes all.
        bands: Which files together are one image, as there; None takes each for one.
        scale: What brings pixels to [0, 1]; None means their type's maximum, and 1 for floats.

    Raises:
        NormscopeError: If a number is out of range, or the crop is larger than the resize.
    """

    resize: int | Size | None = None
    crop: int | None = None
    channels: str | None = None
    scale: float | None = None
    select: str | None = None
    bands: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "resize", as_resize(self.resize))
        least = None if self.resize is None else shorter_side(self.resize)
        check_length("--resize", self.resize)
        check_length("--crop", self.crop)
        if least and self.crop and least < self.crop:
            raise NormscopeError(
                f"--crop must be no larger than --resize, got {self.crop} and {self.resize}. "
                "Resize to more pixels, or crop to fewer."
            )
        check_scale(self.scale)
        _ = self.choice  # which checks itself
        check_channels(self.channels)

    @property
    def choice(self) -> Choice:
        """Which images it is done to."""
        return Choice(self.select, self.bands)

    def to_json(self) -> dict[str, Any]:
        """The fields that are set.

        Returns:
            A mapping that ``ImageTransform(**mapping)`` reads back; empty where nothing is done.
        """
        fields = dataclasses.asdict(self)
        return {
            name: str(value) if isinstance(value, Size) else value
            for name, value in fields.items()
            if value is not None
        }


UNCHANGED = ImageTransform()
