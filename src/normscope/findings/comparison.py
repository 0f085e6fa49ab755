"""Cells against a reference and against the best: how they differ, and what is proved equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from normscope.findings.distributions import inverse_trigamma, t_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from normscope.findings.image_noise import ImageNoise, Shared

ERROR_RATE = 0.05

Verdict = Literal["equivalent", "better", "worse", "open"]

IN_WORDS: Mapping[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "equivalent": "as good",
    "open": "not settled",
}
"""The verdicts as pages and sentences have them."""

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
        shared: Covariance that more test images alone would lower.
        seeds: How many seeds each row was trained with.
        trials: How many trainings each mean is over, shape ``(rows,)``.
        common: Variance that one seed adds to all rows alike.
        exact: Whether nothing is drawn at random, so that one seed is all there is.
    """

    mean: np.ndarray
    seed_variance: np.ndarray
    freedom: np.ndarray
    shared: Shared
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
        """Every row less one of them."""
        seed = self.seed_variance + self.seed_variance[other]
        diagonal = self.shared.diagonal
        images = np.maximum(diagonal + diagonal[other] - 2 * self.shared.of_row(other), 0)
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
        half = self.se * t_quantile(0.975, self.freedom)
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


@dataclass(frozen=True)
class RowNoise:
    """The variance of one trial around its row's mean and its seed's effect.

    Attributes:
        mean: Of each row, as if it had been trained with every seed, shape ``(rows,)``; NaN where
            no training counts.
        variance: Of one trial, by row, shape ``(rows,)``.
        freedom: Degrees of freedom of each, shape ``(rows,)``.
        common: Variance of what a seed does to all rows alike.
    """

    mean: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    common: float


def row_noise(accuracies: np.ndarray, learned: np.ndarray | None = None) -> RowNoise:
    """Estimate every row's variance between seeds, beyond what a seed does to all rows alike.

    Rows differ in noise, and three seeds say little about one row, so each row's variance is shrunk
    towards what all rows have in common, as far as they have it in common: empirical Bayes with a
    scaled inverse chi-square (Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004,
    doi:10.2202/1544-6115.1027, as in limma).

    Args:
        accuracies: Shape ``(rows, seeds)``, at least two of each.
        learned: bool, of that shape: the trials that count; all by default.

    Returns:
        Means and moderated variances with their degrees of freedom.
    """
    counted = np.ones(accuracies.shape, bool) if learned is None else learned
    trials = counted.sum(axis=1)
    effect = _seed_effects(accuracies, counted)
    adjusted = np.where(counted, accuracies - effect, np.nan)
    mean = np.full(len(trials), np.nan)
    mean[trials > 0] = np.nanmean(adjusted[trials > 0], axis=1)
    own = np.maximum(trials - 1, 0)
    whole = int((trials == accuracies.shape[1]).sum())
    squares = np.nansum((adjusted - mean[:, None]) ** 2, axis=1)
    # The seeds' effects were taken from the rows themselves, which takes some of their noise off.
    variance = np.divide(squares, own, out=np.zeros(len(own)), where=own > 0)
    variance *= whole / (whole - 1) if whole > 1 else 1.0
    common = float(effect.var(ddof=1)) if len(effect) > 1 else 0.0
    pooled_freedom = float(max(own.sum() - (accuracies.shape[1] - 1), 1))
    pooled = float((variance * own).sum() / max(own.sum(), 1))
    measured = own > 0
    prior_freedom, prior = _prior(variance[measured], own[measured], pooled)
    if np.isinf(prior_freedom):
        every = np.full(len(own), pooled)
        return RowNoise(mean, every, np.full(len(own), pooled_freedom), common)
    moderated = (prior_freedom * prior + own * variance) / (prior_freedom + own)
    freedom = np.minimum(prior_freedom + own, pooled_freedom)
    return RowNoise(mean, moderated, freedom, common)


def _seed_effects(accuracies: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """What each seed does to all rows alike, around 0, from the rows that have every seed."""
    rows = accuracies[counted.all(axis=1)]
    if len(rows) < 2:
        return np.zeros(accuracies.shape[1])
    centred = rows - rows.mean(axis=1, keepdims=True)
    # The median: a row that is far off with one seed says nothing of what that seed does elsewhere.
    effect = np.median(centred, axis=0) if len(rows) > 2 else centred.mean(axis=0)
    return effect - effect.mean()


def _prior(variance: np.ndarray, freedom: np.ndarray, pooled: float) -> tuple[float, float]:
    """Degrees of freedom and scale of the prior, by the moments of the log variances."""
    positive = variance > 0
    if positive.sum() < 2:
        return np.inf, pooled
    half = freedom[positive] / 2
    logs = np.log(variance[positive]) - special.digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - special.polygamma(1, half).mean())
    if excess <= 0:
        return np.inf, pooled
    prior_half = inverse_trigamma(excess)
    scale = float(np.exp(logs.mean() + special.digamma(prior_half) - np.log(prior_half)))
    return 2 * prior_half, scale
