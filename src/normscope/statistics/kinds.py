"""Kinds of images, and which of them count as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from normscope.statistics.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from normscope.statistics.per_image import PerImage

SIXTEEN_FROM_EIGHT = 257
"""65,535 / 255: an 8-bit pixel times this is the same share of 16 bits, exactly."""


class Kind(NamedTuple):
    """What an image is like before its values are looked at.

    Attributes:
        channels: How many channels it has.
        dtype: The name of its pixels' type.
    """

    channels: int
    dtype: str

    def __str__(self) -> str:
        names = {1: "grey", 3: "colour"}
        channels = names.get(self.channels, f"{self.channels} channels")
        return f"{channels} {self.dtype}"

    def factor_from(self, other: Kind) -> int:
        """What pixels of another kind are multiplied by to be of this one.

        Args:
            other: A kind that `common_kind` put together with others into this one.

        Returns:
            1, or 257 from 8 bits to 16.
        """
        return 1 if self.dtype == other.dtype else SIXTEEN_FROM_EIGHT

    def moments_from(self, other: Kind, moments: Moments) -> Moments:
        """Moments of another kind as of this one.

        Args:
            other: The kind they are of.
            moments: Exact sums.

        Returns:
            The same pixels' sums, grey repeated in each channel and 8 bits widened to 16.
        """
        if self.dtype != other.dtype:
            widened = np.zeros((len(moments.histogram), 65_536), np.int64)
            widened[:, ::SIXTEEN_FROM_EIGHT] = moments.histogram
            moments = Moments.from_histogram(widened, self.dtype)
        return Moments.side_by_side([moments] * (self.channels // other.channels))

    def per_image_from(self, other: Kind, sums: tuple[PerImage, ...]) -> tuple[PerImage, ...]:
        """Per-image sums of another kind as of this one."""
        factor = self.factor_from(other)
        rescaled = tuple(channel.rescaled(factor) for channel in sums)
        return rescaled * (self.channels // other.channels)

    def sums_from(
        self, other: Kind, sums: Iterable[tuple[Any, ...]]
    ) -> tuple[tuple[Any, ...], ...]:
        """Sums of another kind as of this one.

        Args:
            other: The kind they are of.
            sums: For each channel a count, a sum of numbers and one of their squares: of pixels
                ``(n, s, q)``, or of batches their means and variances.

        Returns:
            The same for each channel of this kind.
        """
        factor = self.factor_from(other)
        rescaled = tuple((n, s * factor, q * factor**2) for n, s, q in sums)
        return rescaled * (self.channels // other.channels)


def common_kind(kinds: Iterable[Kind]) -> Kind | None:
    """The kind that images of several kinds can all be seen as without losing anything.

    Grey counts as colour with three equal channels, and 8 bits as 16 with every value times 257.

    Args:
        kinds: The kinds that were met.

    Returns:
        The common kind, or None if there is none.

    Example:
        >>> common_kind([Kind(1, "uint8"), Kind(3, "uint8")])
        Kind(channels=3, dtype='uint8')
    """
    met = set(kinds)
    channels, types = {kind.channels for kind in met}, {kind.dtype for kind in met}
    if not met or not (len(channels) == 1 or channels == {1, 3}):
        return None
    if len(types) == 1:
        return Kind(max(channels), types.pop())
    return Kind(max(channels), "uint16") if types == {"uint8", "uint16"} else None
