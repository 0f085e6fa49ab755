"""What each normalization may cost at most, what a study can resolve, and what it would take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from normscope.findings.paired import ERROR_RATE
from normscope.findings.seeds_needed import MOST_SEEDS, POWER

if TYPE_CHECKING:
    from normscope.findings.comparison import Means

DRAWS = 400


@dataclass(frozen=True)
class Losses:
    """How far below the best each row may lie, and how the reference differs from each.

    Attributes:
        bound: The largest loss against the best row, whichever that is, that cannot be excluded:
            one-sided 95 %, for all rows at once, shape ``(rows,)``; NaN where nothing learned.
        least: What a row surely loses against the reference, of all rows at once (95 %); negative
            where it is not sure to lose anything.
        gain: What a row surely has more than the reference, likewise.
    """

    bound: np.ndarray
    least: np.ndarray
    gain: np.ndarray


def losses(rows: Means, reference: int) -> Losses:
    """Bound every loss at once.

    The best row is not known, and the one with the highest mean owes part of that to luck. So a row
    is set beside every other: its loss against row ``j`` is at most their difference and ``t``
    standard errors, and its loss against the best at most the largest of these. Only comparisons
    with the truly best row can be wrong, so the correction is for the number of rows, not of pairs
    (Hsu, Ann. Stat. 12, 1984, doi:10.1214/aos/1176346732); it is Sidak's, since differences from
    one row are positively correlated.

    Args:
        rows: The means.
        reference: The row of the reference.

    Returns:
        The bounds.
    """
    alive = ~np.isnan(rows.mean)
    count = max(int(alive.sum()) - 1, 1)
    bound = np.full(len(alive), np.nan)
    t = _all_pairs(rows, (1 - ERROR_RATE) ** (1 / count))
    high = rows.mean[None, :] - rows.mean[:, None] + t
    bound[alive] = np.maximum(0.0, np.nanmax(np.where(alive[None, :], high, np.nan)[alive], axis=1))
    both = _all_pairs(rows, (1 - ERROR_RATE) ** (1 / (2 * count)))[:, reference]
    difference = rows.mean[reference] - rows.mean
    least, gain = difference - both, -difference - both
    least[reference] = gain[reference] = 0.0
    return Losses(bound, least, gain)


def resolution(rows: Means, usual: np.ndarray, images: int, seeds: int | None = None) -> float:
    """The loss that a study can exclude.

    If no usual normalization lost anything, the study would show with a power of 80 % that none
    loses more than this. It comes from drawing means without any difference and bounding their
    losses as those of the study are.

    Args:
        rows: The means.
        usual: bool, the rows that are to be cleared, shape ``(rows,)``.
        images: Test images; no study resolves less than one.
        seeds: As if the study had so many; its own number by default.

    Returns:
        In units of accuracy.
    """
    alive = ~np.isnan(rows.mean)
    cleared = np.flatnonzero(alive & usual)
    if not cleared.size or alive.sum() < 2:
        return 1 / images
    factor = 1.0 if seeds is None else rows.seeds / seeds
    level = (1 - ERROR_RATE) ** (1 / (int(alive.sum()) - 1))
    t = _all_pairs(rows, level, factor)[np.ix_(cleared, np.flatnonzero(alive))]
    shared = rows.shared[np.ix_(alive, alive)]
    covariance = np.diag(rows.seed_variance[alive] * factor) + shared
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    normal = np.random.default_rng(0).standard_normal((DRAWS, int(alive.sum())))
    place = np.searchsorted(np.flatnonzero(alive), cleared)
    worst = [
        float((drawn[None, :] - drawn[place][:, None] + t).max()) for drawn in normal @ root.T
    ]
    return max(1 / images, float(np.quantile(worst, POWER)))


def seeds_to_resolve(rows: Means, usual: np.ndarray, images: int, margin: float) -> int | None:
    """How many seeds would resolve a margin.

    Args:
        rows: The means.
        usual: bool, the rows that are to be cleared.
        images: Test images.
        margin: In units of accuracy.

    Returns:
        The fewest; None where 1,000 would not do, because the test images are too few.
    """
    if rows.exact or resolution(rows, usual, images, MOST_SEEDS) > margin:
        return None
    low, high = rows.seeds, MOST_SEEDS
    while low < high:
        middle = (low + high) // 2
        if resolution(rows, usual, images, middle) <= margin:
            high = middle
        else:
            low = middle + 1
    return low


def _all_pairs(rows: Means, level: float, factor: float = 1.0) -> np.ndarray:
    """Half-widths of one-sided intervals of every difference of two rows, ``(rows, rows)``."""
    variance = rows.seed_variance * factor
    seed = variance[:, None] + variance[None, :]
    diagonal = np.diag(rows.shared)
    images = np.maximum(diagonal[:, None] + diagonal[None, :] - 2 * rows.shared, 0)
    parts = variance**2 / rows.freedom
    doubt = np.maximum(parts[:, None] + parts[None, :], np.finfo(float).tiny)
    # Satterthwaite; the images are so many that their part counts as known.
    freedom = np.maximum((seed + images) ** 2 / doubt, 1.0)
    half = np.sqrt(seed + images) * stats.t.ppf(level, freedom)
    np.fill_diagonal(half, 0.0)
    return half
