"""What the histogram of a channel tells of its pixels: their values, or between which they lie."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from normscope.statistics.histogram import bin_values

if TYPE_CHECKING:
    from normscope.statistics.moments import Moments


@dataclass(frozen=True)
class KnownValues:
    """The pixels of one channel in rising order, as far as they are known.

    Integers of up to 16 bits, and floats or wider integers that are whole numbers in the range of
    int16, are known themselves. Of all others the leading 16 bits as float32 are, so that two
    numbers within 0.8 % of each other bound each.

    Attributes:
        low: At most the value of each run of pixels, in the pixels' own units, rising.
        high: At least the value of each run; the same array where values are known.
        counts: int64, how many pixels each run has, at least 1.
    """

    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether each value is known."""
        return self.low is self.high

    @property
    def middle(self) -> np.ndarray:
        """The middle between the two bounds of each run."""
        return self.low if self.exact else (self.low + self.high) / 2

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    def percentile(self, percent: Fraction) -> tuple[float, float]:
        """Between which numbers a percentile lies, which NumPy's default rule defines.

        It interpolates linearly between the two nearest pixels (Hyndman and Fan, Sample quantiles
        in statistical packages, 1996, definition 7).

        Args:
            percent: From 0 to 100.

        Returns:
            Two bounds, equal where the values are known.
        """
        last = int(self.counts.sum()) - 1
        place = last * percent / 100
        below = place.numerator // place.denominator
        first, second = np.searchsorted(self._ends, [below, min(below + 1, last)], "right")
        share = place - below
        low, high = (
            float((1 - share) * Fraction(of[first].item()) + share * Fraction(of[second].item()))
            for of in (self.low, self.high)
        )
        return low, high


def known_values(moments: Moments) -> tuple[KnownValues, ...]:
    """What is known of each channel's pixels.

    Args:
        moments: With at least one pixel in every channel.

    Returns:
        One entry per channel.
    """
    dtype = np.dtype(moments.dtype)
    if moments.whole is not None or (dtype.kind in "iub" and dtype.itemsize <= 2):
        return _exact(*moments.finest)
    low, high = _bounds(dtype)
    found = []
    for counts, least, most in zip(
        moments.histogram, moments.minimum, moments.maximum, strict=True
    ):
        met = np.flatnonzero(counts)
        ends = float(least or 0), float(most or 0)
        found.append(KnownValues(low[met].clip(*ends), high[met].clip(*ends), counts[met]))
    return tuple(found)


def _exact(values: np.ndarray, histogram: np.ndarray) -> tuple[KnownValues, ...]:
    found = []
    for counts in histogram:
        met = np.flatnonzero(counts)
        present = values[met]
        found.append(KnownValues(present, present, counts[met]))
    return tuple(found)


def _bounds(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    # A bin is named by its least magnitude, so that of negative numbers reaches down to the next.
    named = bin_values(dtype)
    with np.errstate(invalid="ignore"):
        low, high = np.append(-np.inf, named)[:-1], np.append(named, np.inf)[1:]
        negative = np.arange(len(named)) < len(named) // 2
        low, high = np.where(negative, low, named), np.where(negative, named, high)
        low[np.isnan(low)], high[np.isnan(high)] = -np.inf, np.inf
        if dtype != np.float32:
            # What float32 does not hold was rounded, perhaps into the next bin.
            low = np.nextafter(low.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
            high = np.nextafter(high.astype(np.float32), np.float32(np.inf)).astype(np.float64)
    return low, high
