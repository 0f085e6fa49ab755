"""What is done to an image between decoding and summing, the same for every image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.luma import check_channels, with_channels
from normscope.images.pixels import ALPHA_KEPT, Pixels, UnreadableImage, in_native_type
from normscope.images.size import LONGEST_SIDE, Size, as_resize

if TYPE_CHECKING:
    from normscope.statistics.groups import Groups
    from normscope.statistics.masks import Masks

LARGEST_FLOAT = 1e70
"""Standard errors need squares of sums of squares, which of larger floats no float holds."""

RESIZED_BYTES = 2**24
"""So many bytes of resized images are made at a time, however small the images were before."""

OUTLIERS, MOST_OUTLIERS = 10, 1000
ALPHAS = ("keep", "mask", "drop")
LARGEST_BATCH = 2**62


@dataclass(frozen=True)
class Reading:
    """How images are read.

    Attributes:
        channels: ``rgb`` or ``grey`` to convert every image, or None to take it as it is.
        nodata: The value of pixels that do not count, or None.
        resize: Length in pixels that the shorter side is brought to, a height and a width, or None.
        crop: Side in pixels of the square that is kept around the centre, or None.
        batch_size: Files per batch of the average over batches, or None.
        alpha: ``keep`` to count an alpha channel as a channel, ``mask`` to leave out the pixels
            where it is 0, ``drop`` to ignore it, or None for what the file's format means.
        above: Only pixels of a greater value count, or None for all.
        masks: Where the masks are whose pixels count alone, or None.
        groups: How images are sorted into groups, or None.
        outliers: How many images that are unlike the rest are looked for.

    Raises:
        NormscopeError: If a value is out of its range.
    """

    channels: str | None = None
    nodata: float | None = None
    resize: int | Size | None = None
    crop: int | None = None
    batch_size: int | None = None
    alpha: str | None = None
    above: float | None = None
    masks: Masks | None = None
    groups: Groups | None = None
    outliers: int = OUTLIERS

    def __post_init__(self) -> None:
        check_channels(self.channels)
        if self.alpha not in {None, *ALPHAS}:
            raise NormscopeError(
                f"--alpha must be {', '.join(ALPHAS)}, got '{self.alpha}'. Choose one of these."
            )
        object.__setattr__(self, "resize", as_resize(self.resize))
        sides = self.resize if isinstance(self.resize, Size) else (self.resize,)
        for name, size, most in (
            *(("resize", side, LONGEST_SIDE) for side in sides),
            ("crop", self.crop, LONGEST_SIDE),
            ("batch-size", self.batch_size, LARGEST_BATCH),
        ):
            if size is not None and not 1 <= size <= most:
                raise NormscopeError(
                    f"--{name} must be from 1 to {most}, got {size}. Give a whole number."
                )

        if not 0 <= self.outliers <= MOST_OUTLIERS:
            raise NormscopeError(
                f"--outliers must be from 0 to {MOST_OUTLIERS}, got {self.outliers}. "
                "Give a whole number."
            )
        if self.nodata is not None and math.isnan(self.nodata):
            raise NormscopeError(
                f"--nodata must be a number, got {self.nodata}. Leave it out: NaN never counts."
            )
        if self.above is not None and not math.isfinite(self.above):
            raise NormscopeError(f"--above must be a number, got {self.above}. Give a pixel value.")

    def prepare(self, pixels: Pixels) -> Pixels:
        """The values to sum, and which of them count.

        Args:
            pixels: As decoded.

        Returns:
            Images in native byte order, without NaN, whose number is told.
        """
        values, valid = self._with_alpha(pixels)
        values = in_native_type(values)
        if self.nodata is not None:
            counted = np.asarray(values != self.nodata)
            valid = counted if valid is None else np.asarray(valid & counted)
            if not math.isfinite(self.nodata):
                values = np.where(counted, values, values.dtype.type(0))
        if self.above is not None:
            # NaN is above nothing.
            above = np.asarray(values > self.above)
            valid = above if valid is None else np.asarray(valid & above)
        values, valid = with_channels(values, valid, self.channels)
        nan = 0
        if values.dtype.kind == "f":
            values, valid, nan = _without_nan(values, valid)
        if self.resize is not None or self.crop is not None:
            from normscope.images.resizing import resized

            values, valid = resized(values, valid, self.resize, self.crop)
        return Pixels(values, valid, nan=nan)

    def _with_alpha(self, pixels: Pixels) -> tuple[np.ndarray, np.ndarray | None]:
        values, valid, alpha = pixels.values, pixels.valid, pixels.alpha
        if self.alpha is None:
            return values, valid
        if ALPHA_KEPT in pixels.noticed and self.alpha != "keep":
            values, alpha = values[:, :-1], values[:, -1:]
            valid = valid if valid is None or valid.shape[1] == 1 else valid[:, :-1]
            if self.alpha == "mask":
                valid = alpha != 0 if valid is None else valid & (alpha != 0)
        elif alpha is not None and self.alpha != "mask":
            valid = None
            if self.alpha == "keep":
                values = np.concatenate([values, alpha], axis=1)
        return values, valid

    def images_at_once(self, values: np.ndarray) -> int:
        """How many images of an array may be prepared together without filling the memory.

        Args:
            values: Shape ``(N, C, H, W)``.

        Returns:
            At least 1.
        """
        if self.resize is None:
            return len(values)
        _, channels, height, width = values.shape
        if isinstance(self.resize, Size):
            pixels = self.resize.height * self.resize.width
        else:
            grown = (self.resize / min(height, width)) ** 2 if height and width else 0
            pixels = height * width * grown
        image = channels * pixels * values.dtype.itemsize
        return max(1, int(RESIZED_BYTES // max(image, 1)))


def _without_nan(
    values: np.ndarray, valid: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, int]:
    missing = np.isnan(values)
    nan = 0
    if missing.any():
        nan = int(np.count_nonzero(missing if valid is None else missing & valid))
        valid = ~missing if valid is None else valid & ~missing
        values = np.where(missing, values.dtype.type(0), values)
    counted = values if valid is None else np.where(valid, values, 0)
    if np.isinf(counted).any() or np.abs(counted).max() > np.float64(LARGEST_FLOAT):
        raise UnreadableImage("pixels that are infinite or too large to square")
    return values if valid is None else counted, valid, nan
