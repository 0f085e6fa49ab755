"""Cells against a reference and against the best: how they differ, and what is proved equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from normscope.findings.moderation import row_noise
from normscope.findings.paired import ERROR_RATE

if TYPE_CHECKING:
    from normscope.findings.image_noise import ImageNoise
    from normscope.findings.paired import Verdict

FEWEST_SEEDS = 3
"""With two seeds a row's own noise is one number: nothing is claimed from it."""


@dataclass(frozen=True)
class Means:
    """Mean accuracies with what is known of their noise.

    Attributes:
        mean: By row, shape ``(rows,)``; NaN where no training learned.
        seed_variance: Variance of each mean that more seeds would lower and that other rows do not
            share, shape ``(rows,)``.
        freedom: Its degrees of freedom, shape ``(rows,)``.
        shared: Covariance that more test images alone would lower, shape ``(rows, rows)``.
        seeds: How many seeds each row was trained with.
        trials: How many trainings each mean is over, shape ``(rows,)``.
        common: Variance that one seed adds to all rows alike.
        exact: Whether nothing is drawn at random, so that one seed is all there is.
    """

    mean: np.ndarray
    seed_variance: np.ndarray
    freedom: np.ndarray
    shared: np.ndarray
    seeds: int
    trials: np.ndarray
    common: float = 0.0
    exact: bool = False

    @property
    def enough(self) -> bool:
        """Whether there are enough seeds to claim anything."""
        return self.exact or self.seeds >= FEWEST_SEEDS

    @property
    def standard_error(self) -> np.ndarray:
        """Of each mean over seeds, what a seed does to all rows included, shape ``(rows,)``."""
        return np.sqrt(self.seed_variance + self.common / np.maximum(self.trials, 1))

    def first(self, count: int) -> Means:
        """The first rows alone.

        Args:
            count: How many.

        Returns:
            Their means; noise that was estimated from all rows stays as it is.
        """
        return Means(
            self.mean[:count],
            self.seed_variance[:count],
            self.freedom[:count],
            self.shared[:count, :count],
            self.seeds,
            self.trials[:count],
            self.common,
            self.exact,
        )

    def differences(self, other: int) -> Differences:
        """Every row less one of them.

        Args:
            other: The row that is subtracted.

        Returns:
            The differences and their standard errors.
        """
        seed = self.seed_variance + self.seed_variance[other]
        diagonal = np.diag(self.shared)
        images = np.maximum(diagonal + diagonal[other] - 2 * self.shared[other], 0)
        total = np.where(np.arange(len(seed)) == other, 0.0, seed + images)
        parts = self.seed_variance**2 / self.freedom
        doubt = np.maximum(parts + parts[other], np.finfo(float).tiny)
        # Satterthwaite; the images are so many that their part counts as known.
        freedom = np.maximum((seed + images) ** 2 / doubt, 1.0)
        return Differences(
            self.mean - self.mean[other], np.sqrt(total), np.sqrt(seed), np.sqrt(images), freedom
        )


@dataclass(frozen=True)
class Differences:
    """Rows less a reference, over shared seeds.

    Attributes:
        value: Shape ``(rows,)``.
        se: Standard error, of seeds and test images together; 0 for the reference itself.
        seed_se: The part that more seeds would lower.
        images_se: The part that only more test images would lower.
        freedom: Degrees of freedom.
    """

    value: np.ndarray
    se: np.ndarray
    seed_se: np.ndarray
    images_se: np.ndarray
    freedom: np.ndarray

    def p_below(self, bound: float) -> np.ndarray:
        """One-sided p-values for a difference below a bound.

        Args:
            bound: What the difference is to lie below.

        Returns:
            Small where the difference is surely below, shape ``(rows,)``.
        """
        return _p(bound - self.value, self.se, self.freedom)

    def p_above(self, bound: float) -> np.ndarray:
        """One-sided p-values for a difference above a bound.

        Args:
            bound: What the difference is to lie above.

        Returns:
            Small where the difference is surely above, shape ``(rows,)``.
        """
        return _p(self.value - bound, self.se, self.freedom)

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % intervals, each by itself.

        Returns:
            Lower and upper ends, shape ``(rows,)``.
        """
        half = self.se * stats.t.ppf(0.975, self.freedom)
        return self.value - half, self.value + half


def means(
    accuracies: np.ndarray,
    noise: ImageNoise,
    learned: np.ndarray | None = None,
    *,
    exact: bool = False,
) -> Means:
    """Mean accuracies of the trainings that learned, and their noise.

    Args:
        accuracies: Shape ``(rows, seeds)``, at least two of each.
        noise: What the draw of the test images adds.
        learned: bool, of that shape: the trainings that count; all by default.
        exact: Whether nothing is drawn at random; one seed is then enough.

    Returns:
        What comparisons are made from.
    """
    counted = np.ones(accuracies.shape, bool) if learned is None else learned
    trials = counted.sum(axis=1)
    if exact:
        none, known = np.zeros(len(trials)), np.full(len(trials), np.inf)
        return Means(accuracies.mean(axis=1), none, known, noise.shared, 1, trials, exact=True)
    between = row_noise(accuracies, counted)
    return Means(
        between.mean,
        between.variance / np.maximum(trials, 1),
        between.freedom,
        noise.shared,
        accuracies.shape[1],
        trials,
        between.common,
    )


def holm(p: np.ndarray, rate: float = ERROR_RATE) -> np.ndarray:
    """Which hypotheses are rejected, with the chance of any false rejection held.

    Args:
        p: p-values, shape ``(tests,)``.
        rate: The chance.

    Returns:
        bool, shape ``(tests,)``.

    Example:
        >>> holm(np.array([0.01, 0.2, 0.02]))
        array([ True, False,  True])
    """
    order = np.argsort(p, kind="stable")
    passed = p[order] <= rate / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def _p(excess: np.ndarray, se: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    known = se > 0
    t = excess / np.where(known, se, 1)
    p = np.where(known, stats.t.sf(t, freedom), np.where(excess > 0, 0.0, 1.0))
    # Nothing is proved of a row in which no training learned.
    return np.where(np.isnan(excess), 1.0, p)


def verdict(equal: bool, apart: bool, value: float) -> Verdict:
    """What two tests say of a difference.

    Args:
        equal: Whether it is proved to lie within the margin.
        apart: Whether it is proved not to be 0.
        value: The difference.

    Returns:
        The word for it; equivalence comes first.
    """
    if equal:
        return "equivalent"
    if apart:
        return "better" if value > 0 else "worse"
    return "open"
