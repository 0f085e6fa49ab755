"""The noise of each cell's mean, where few seeds measure it: variances borrow from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special


@dataclass(frozen=True)
class RowNoise:
    """The variance of one trial around its row's mean and its seed's effect.

    Attributes:
        variance: Of one trial, by row, shape ``(rows,)``.
        freedom: Degrees of freedom of each, shape ``(rows,)``.
    """

    variance: np.ndarray
    freedom: np.ndarray


def row_noise(accuracies: np.ndarray) -> RowNoise:
    """Estimate every row's variance between seeds, beyond what a seed does to all rows alike.

    Rows differ in noise (a cell whose training sometimes fails has far more), and three seeds say
    little about one row, so each row's variance is shrunk towards what all rows have in common, as
    far as they have it in common: empirical Bayes with a scaled inverse chi-square (Smyth, Stat.
    Appl. Genet. Mol. Biol. 3, 2004, doi:10.2202/1544-6115.1027, as in limma).

    Args:
        accuracies: Shape ``(rows, seeds)``, at least two of each.

    Returns:
        Moderated variances with their degrees of freedom.
    """
    rows, seeds = accuracies.shape
    centred = accuracies - accuracies.mean(axis=1, keepdims=True)
    # The median: a row that fails with one seed says nothing about what that seed does elsewhere.
    common = np.median(centred, axis=0) if rows > 2 else centred.mean(axis=0)
    residuals = centred - common + common.mean()
    own = seeds - 1
    variance = (residuals**2).sum(axis=1) / own * rows / (rows - 1)
    pooled = (rows - 1) * own
    prior_freedom, prior = _prior(variance, own)
    if np.isinf(prior_freedom):
        return RowNoise(np.full(rows, variance.mean()), np.full(rows, float(pooled)))
    moderated = (prior_freedom * prior + own * variance) / (prior_freedom + own)
    return RowNoise(moderated, np.full(rows, min(prior_freedom + own, float(pooled))))


def _prior(variance: np.ndarray, freedom: int) -> tuple[float, float]:
    """Degrees of freedom and scale of the prior, by the moments of the log variances."""
    positive = variance[variance > 0]
    if len(positive) < 2:
        return np.inf, float(variance.mean())
    half = freedom / 2
    logs = np.log(positive) - special.digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - special.polygamma(1, half))
    if excess <= 0:
        return np.inf, float(variance.mean())
    found = optimize.root_scalar(
        lambda log: float(special.polygamma(1, np.exp(log))) - excess, bracket=(-10, 25)
    )
    prior_half = float(np.exp(found.root))
    scale = float(np.exp(logs.mean() + special.digamma(prior_half) - np.log(prior_half)))
    return 2 * prior_half, scale
