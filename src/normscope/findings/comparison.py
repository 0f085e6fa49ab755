"""Cells against a reference and against the best: how they differ, and what is proved equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from normscope.findings.seed_noise import row_noise

if TYPE_CHECKING:
    from normscope.findings.image_noise import ImageNoise

ERROR_RATE = 0.05

Verdict = Literal["equivalent", "better", "worse", "open"]

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

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % intervals, each by itself: lower and upper ends, shape ``(rows,)``."""
        half = self.se * stats.t.ppf(0.975, self.freedom)
        return np.clip(self.value - half, -1, 1), np.clip(self.value + half, -1, 1)


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


def verdict(equal: bool, apart: bool, value: float) -> Verdict:
    """The word for a difference: equal within the margin, else surely not 0, else open."""
    if equal:
        return "equivalent"
    if apart:
        return "better" if value > 0 else "worse"
    return "open"
