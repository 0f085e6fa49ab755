"""How far single-seed accuracies of equal cells lie apart, and how alike two maps are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
DRAWS = 10_000


@dataclass(frozen=True)
class Spread:
    """What another seed does to the difference between two cells of one seed.

    Attributes:
        std: Of one accuracy, without what a seed adds to all cells alike.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    std: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """The least difference of two single accuracies that is beyond the noise."""
        return float(stats.norm.isf((1 - CONFIDENCE) / 2) * 2**0.5 * self.std)


def spread(accuracies: np.ndarray) -> Spread | None:
    """The noise between seeds, of cells in which every training learned.

    Args:
        accuracies: Shape ``(cells, seeds)``.

    Returns:
        What neither cells nor seeds explain, with a chi-square interval; None for one seed, or
        fewer than two cells.
    """
    cells, seeds = accuracies.shape
    if cells < 2 or seeds < 2:
        return None
    freedom = (cells - 1) * (seeds - 1)
    left = accuracies - accuracies.mean(1, keepdims=True) - accuracies.mean(0) + accuracies.mean()
    squares = float((left**2).sum())
    tails = ((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2)
    low, high = (float((squares / stats.chi2.ppf(tail, freedom)) ** 0.5) for tail in tails)
    return Spread((squares / freedom) ** 0.5, low, high)


def correlation(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Spearman's rank correlation over cells, with a percentile bootstrap interval over cells.

    Args:
        ours: One number a cell.
        theirs: Likewise.

    Returns:
        The correlation and the ends of its 95 % interval; 0 where either are all equal, which has
        no order to agree with.
    """

    def ranked(rows: np.ndarray) -> float:
        pairs = stats.rankdata([ours[rows], theirs[rows]], axis=1)
        return float(np.corrcoef(pairs)[0, 1]) if np.ptp(pairs, axis=1).all() else 0.0

    rng = np.random.default_rng(0)
    cells = np.arange(len(ours))
    drawn = [ranked(rng.choice(cells, len(cells))) for _ in range(DRAWS // 10)]
    low, high = np.percentile(drawn, (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)))
    return ranked(cells), float(low), float(high)


def beyond(accuracies: np.ndarray, noise: Spread) -> float:
    """The share of pairs of cells whose accuracies differ by more than noise does."""
    first, second = np.triu_indices(len(accuracies), 1)
    return float((np.abs(accuracies[first] - accuracies[second]) > noise.difference).mean())


def range_of_equals(cells: int, noise: Spread) -> tuple[float, float]:
    """How far the best and worst of equal cells lie apart: the median, and one grid in twenty."""
    drawn = np.random.default_rng(0).standard_normal((DRAWS, cells)) * noise.std
    median, most = np.quantile(np.ptp(drawn, axis=1), (0.5, CONFIDENCE))
    return float(median), float(most)
