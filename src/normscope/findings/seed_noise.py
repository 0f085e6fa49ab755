"""The noise of each row's mean, where few seeds measure it: variances borrow from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special


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
    found = optimize.root_scalar(
        lambda log: float(special.polygamma(1, np.exp(log))) - excess, bracket=(-10, 25)
    )
    prior_half = float(np.exp(found.root))
    scale = float(np.exp(logs.mean() + special.digamma(prior_half) - np.log(prior_half)))
    return 2 * prior_half, scale
