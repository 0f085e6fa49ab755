"""The sums of an image that comes in parts: those of the whole, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.images.pixels import UnreadableImage
from normscope.statistics.exact import exact_variance
from normscope.statistics.image_sums import ImageSums, sum_images
from normscope.statistics.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.images.pixels import Pixels
    from normscope.statistics.reading import Reading


@dataclass
class WindowSums:
    """The sums over some parts of one image.

    Attributes:
        channels: How many it has.
        dtype: Its pixels' type.
        pixels: How many, counted or not.
        totals: As ``sum_images`` gives them.
        noticed: What was noticed of any part.
        names: Of the channels, where the file says them.
        most: As of ``Pixels``.
        nan: How many values are NaN, as of ``Pixels``.
    """

    channels: int
    dtype: np.dtype
    pixels: int
    totals: np.ndarray | Moments
    noticed: set[str]
    names: tuple[str, ...]
    most: int | None
    nan: int

    def merge(self, other: WindowSums) -> WindowSums:
        """The sums over both sets of parts."""
        mine, theirs = self.totals, other.totals
        if isinstance(mine, Moments) or isinstance(theirs, Moments):
            assert isinstance(mine, Moments)
            assert isinstance(theirs, Moments)
            totals = mine.merge(theirs)
        else:
            totals = mine + theirs
        return replace(
            self,
            pixels=self.pixels + other.pixels,
            totals=totals,
            noticed=self.noticed | other.noticed,
            nan=self.nan + other.nan,
        )

    def of_image(self) -> ImageSums:
        """What ``sum_images`` gives of the whole image by itself.

        Returns:
            The sums of one image.

        Raises:
            UnreadableImage: If the squares add up to more than 64 bits hold.
        """
        wide, totals = isinstance(self.totals, Moments), self.totals
        if isinstance(totals, Moments):
            moments = totals
        else:
            moments = Moments.from_histogram(totals, self.dtype)
        if not wide and max(moments.squares) >= 2**63:
            raise UnreadableImage("so many bright pixels that their squares exceed 64 bits")
        kind = np.float64 if wide else np.int64
        n = np.array([moments.n], np.int64)
        s, q = (
            np.array([[kind(value) for value in values]], kind)
            for values in (moments.sums, moments.squares)
        )
        return ImageSums(n, s, q, np.array([_variances(moments)]) if wide else None)


def sum_windows(parts: Iterable[Pixels], reading: Reading) -> WindowSums:
    """Sum the parts of an image one after another.

    Args:
        parts: At least one.
        reading: How each is read.

    Returns:
        The sums over all of them.

    Raises:
        UnreadableImage: If there is none.
    """
    so_far: WindowSums | None = None
    for part in parts:
        prepared = reading.prepare(part)
        values = prepared.values
        totals, _ = sum_images(values, prepared.valid)
        pixels = values.shape[2] * values.shape[3]
        found = WindowSums(
            values.shape[1], values.dtype, pixels, totals, set(part.noticed), part.names,
            part.most, prepared.nan,
        )  # fmt: skip
        so_far = found if so_far is None else so_far.merge(found)
    if so_far is None:
        raise UnreadableImage("an image without pixels")
    return so_far


def _variances(moments: Moments) -> list[float]:
    return [
        float(exact_variance(n, s, q)) if n else 0.0
        for n, s, q in zip(moments.n, moments.sums, moments.squares, strict=True)
    ]
