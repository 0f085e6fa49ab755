"""Differences between many ways to show the same images, with intervals that hold for all of them.

Whichever is found best was chosen because it did best. Intervals that hold for all pairs at once
hold for the one that was chosen too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

Interval = tuple[float, float]


@dataclass(frozen=True)
class AllPairs:
    """Every difference of means between ways, over the same images.

    Attributes:
        means: Shape ``(ways,)``.
        errors: Standard error of the difference of each pair, shape ``(ways, ways)``.
        factor: By how many standard errors the intervals of all pairs reach to either side.
    """

    means: np.ndarray
    errors: np.ndarray
    factor: float

    def lost(self, best: int, other: int) -> tuple[float, Interval]:
        """What one way loses against another, and its interval."""
        lost = float(self.means[best] - self.means[other])
        half = float(self.factor * self.errors[best, other])
        return lost, (lost - half, lost + half)


def all_pairs(
    values: np.ndarray, weights: np.ndarray, coverage: float, *, counts: bool
) -> AllPairs:
    """Compare every pair of ways by the bootstrap of the greatest studentized difference.

    Westfall and Young (1993), *Resampling-Based Multiple Testing*, chapter 2.

    Args:
        values: What each image gives in each way, shape ``(N, ways)``.
        weights: How often each image occurs in each resample, shape ``(resamples, N)``.
        coverage: How often all intervals together are to hold the truth.
        counts: Whether the values are zeros and ones. Half an image is then added to each of the
            four counts (Agresti and Min 2005, doi:10.1002/sim.1781), so that pairs that differ in
            no image have an interval too.

    Returns:
        All differences.
    """
    images = len(values)
    means = values.mean(0)
    centred = values - means
    products = centred.T @ centred
    squares = products.diagonal()[:, None] + products.diagonal() - 2 * products
    more = images + 2 * counts
    errors = np.sqrt(np.maximum(squares, 0) + counts) / more
    resampled = weights @ centred / images
    differences = np.abs(resampled[:, :, None] - resampled[:, None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        studentized = np.where(errors > 0, differences / errors, 0.0)
    # Where hardly any image differs, resamples do not either: no less than one pair alone needs.
    factor = max(np.quantile(studentized.max((1, 2)), coverage), norm.ppf((1 + coverage) / 2))
    return AllPairs(means, errors, float(factor))
