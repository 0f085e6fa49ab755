"""How often trainings fail under each normalization, by themselves and over the whole grid."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, gammaln, ndtr
from threadpoolctl import threadpool_limits

from normscope.findings.comparison import ERROR_RATE
from normscope.findings.distributions import binomial_tail, largest_share

if TYPE_CHECKING:
    from normscope.findings.trial_table import TrialTable

TOLERATED = 0.05
"""The share of failing trainings that nobody minds: one in twenty."""

SCALES = (1.0, 2.5, 6.0)
"""Standard deviations of the log odds over the grid that are averaged over."""

LENGTHS = (0.1, 0.3, 0.9, 2.5)
"""Correlation lengths likewise, in units of the grid's whole range."""

RARE = -4.0
"""Log odds that the model falls back to where nothing is near: about 2 failures in 100."""

NEWTON_STEPS = 60

MOST_PLACES, BINS = 1000, 25
"""Of more rows those that lie within a 25th of both axes, well below the shortest length, are one
place: the work grows with the third power of the places, and would take days for 7,000."""


@dataclass(frozen=True)
class Interval:
    """A share with the ends of its 95 % interval."""

    share: float
    low: float
    high: float


@cache  # Most cells of a study have failed equally often: never.
def binomial_interval(failures: int, trainings: int) -> Interval:
    """The share of trainings that fail, with its exact interval.

    Clopper and Pearson (Biometrika 26, 1934, doi:10.1093/biomet/26.4.404): it covers the true share
    in at least 95 % of studies whatever that is, so of 3 trainings without a failure it says 0 to
    71 %.

    Args:
        failures: How many failed.
        trainings: Of how many, at least one.

    Returns:
        The share and its interval.

    Example:
        >>> round(binomial_interval(0, 3).high, 3)
        0.708
    """
    high = largest_share(failures, trainings, ERROR_RATE / 2)
    low = 1 - largest_share(trainings - failures, trainings, ERROR_RATE / 2)
    return Interval(failures / trainings, low, high)


@dataclass(frozen=True)
class Region:
    """The failures of several rows together.

    Attributes:
        trainings: How many trainings the rows had.
        failures: How many of them failed.
        fails: Whether it is proved that trainings somewhere in it fail more often than one in
            twenty.
        worst: Failures and trainings of the row, slice or whole that proves most.
        bound: The largest mean share of failures that its trainings leave possible (one-sided
            95 %); 1 without any training.
    """

    trainings: int
    failures: int
    fails: bool
    worst: tuple[int, int]
    bound: float


def region(table: TrialTable, rows: np.ndarray, slices: list[np.ndarray], looks: int) -> Region:
    """What is known of failures in a part of the grid.

    Few seeds cannot prove one cell to fail, but a whole column of them can. So the rows alone, the
    slices of the grid (all its cells of one mean, or of one std) within the region, and the region
    itself are each tested against one failure in twenty, corrected for the number of tests
    (Bonferroni).

    Args:
        table: The trainings.
        rows: bool, shape ``(rows,)``: which belong to the region.
        slices: bool masks of the grid's slices, each of that shape.
        looks: How many regions share the 5 %.

    Returns:
        Its failures.
    """
    parts = list(np.eye(len(rows), dtype=bool)[rows])
    parts += [part for s in slices if (part := s & rows).any()]
    parts.append(rows)
    rate = ERROR_RATE / (looks * len(parts))
    failures = np.array([table.failures[part].sum() for part in parts])
    trainings = np.array([table.trainings[part].sum() for part in parts])
    p = binomial_tail(failures, trainings, TOLERATED)
    total, failed, first = int(trainings[-1]), int(failures[-1]), int(p.argmin())
    bound = largest_share(failed, total, ERROR_RATE)
    worst = (int(failures[first]), int(trainings[first]))
    return Region(total, failed, bool((p <= rate).any()), worst, bound)


def failure_map(
    places: np.ndarray, failures: np.ndarray, trainings: np.ndarray
) -> list[Interval] | None:
    """Fit a logistic Gaussian process to counts of failures.

    Failures have a boundary in the plane of offset and contrast, not a value of their own in each
    cell, so a cell's share is known better together with its neighbours'. The log odds are a
    Gaussian process with a Matern 5/2 kernel, one length for each axis, and its counts are
    binomial. The posterior is Laplace's approximation, averaged over lengths and heights by their
    evidence (Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, sections 3.4
    and 5.2). Of more than 1,000 rows, near neighbours count as one place. It treats runs as
    independent: where the same seeds fail in all cells its intervals are too short, so no verdict
    rests on it.

    Args:
        places: Where each row lies, shape ``(rows, 2)``, each axis scaled to [0, 1].
        failures: How many trainings failed there, shape ``(rows,)``.
        trainings: Of how many, of that shape.

    Returns:
        The share at each place, or None where no training failed or each did: there is then no
        boundary to find.
    """
    if not 0 < failures.sum() < trainings.sum():
        return None
    if len(places) > MOST_PLACES:
        bins = np.minimum((places * BINS).astype(int), BINS - 1)
        _, place = np.unique(bins, axis=0, return_inverse=True)
        place = place.reshape(-1)

        def added(values: np.ndarray) -> np.ndarray:
            return np.bincount(place, values)

        middles = np.stack([added(axis) for axis in places.T], axis=1) / np.bincount(place)[:, None]
        found = failure_map(middles, added(failures), added(trainings))
        return found and [found[k] for k in place]
    apart = np.abs(places[:, None, :] - places[None, :, :])
    counts = (failures.astype(float), trainings.astype(float))
    # Along an axis of one value no length can be told from another.
    lengths = [LENGTHS if np.ptp(axis) > 0 else LENGTHS[:1] for axis in places.T]
    # Threads take five to ten times the processor time of one on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        fits = [
            _laplace(_kernel(apart, scale, one), *counts)
            for scale, *one in itertools.product(SCALES, *lengths)
        ]
    evidence = np.array([fit[0] for fit in fits])
    weight = np.exp(evidence - evidence.max())
    weight = weight[:, None] / weight.sum()
    centre, spread = np.array([f[1] for f in fits]), np.sqrt(np.array([f[2] for f in fits]))

    def quantile(level: float) -> np.ndarray:
        low, high = np.full(len(places), -40.0), np.full(len(places), 40.0)
        for _ in range(50):
            middle = (low + high) / 2
            below = (weight * ndtr((middle - centre) / spread)).sum(axis=0) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return expit(low)

    ends = zip(*(quantile(level).tolist() for level in (0.5, 0.025, 0.975)), strict=True)
    return [Interval(*each) for each in ends]


def _kernel(apart: np.ndarray, scale: float, lengths: list[float]) -> np.ndarray:
    distance = np.sqrt(5 * ((apart / np.array(lengths)) ** 2).sum(axis=2))
    kernel = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return scale**2 * kernel + 1e-6 * np.eye(len(apart))


def _laplace(
    kernel: np.ndarray, failures: np.ndarray, trainings: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log evidence, and mean and variance of the log odds."""
    from scipy import linalg  # studies without failures do not wait for it

    latent = np.full(len(kernel), RARE)

    def curvature() -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, bool]]:
        share = expit(latent)
        weight = trainings * share * (1 - share) + 1e-9
        root = np.sqrt(weight)
        inner = np.eye(len(kernel)) + root[:, None] * kernel * root
        return share, weight, root, linalg.cho_factor(inner, lower=True)

    share, weight, root, factor = curvature()
    for _ in range(NEWTON_STEPS):
        b = weight * (latent - RARE) + failures - trainings * share
        a = b - root * linalg.cho_solve(factor, root * (kernel @ b))
        moved = RARE + kernel @ a
        step = float(np.abs(moved - latent).max())
        # Full Newton steps can overshoot where shares are near 0 or 1.
        latent = latent + (moved - latent) * min(1.0, 4.0 / max(step, 1e-12))
        share, weight, root, factor = curvature()
        if step < 1e-6:
            break
    choose = gammaln(trainings + 1) - gammaln(failures + 1) - gammaln(trainings - failures + 1)
    likelihood = float((choose + failures * latent - trainings * np.logaddexp(0, latent)).sum())
    a = linalg.solve(kernel, latent - RARE, assume_a="pos")
    evidence = (
        likelihood - 0.5 * float(a @ (latent - RARE)) - float(np.log(np.diag(factor[0])).sum())
    )
    solved = linalg.cho_solve(factor, root[:, None] * kernel)
    variance = np.maximum(np.diag(kernel) - (root[:, None] * kernel * solved).sum(axis=0), 1e-12)
    return evidence, latent, variance
