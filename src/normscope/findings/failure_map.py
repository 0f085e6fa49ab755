"""How often trainings fail over the whole grid, each cell borrowing from those around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize
from scipy.special import expit, gammaln

LENGTHS = (0.08, 3.0)
"""Bounds of the correlation lengths, in units of the grid's whole range."""

SCALES = (0.5, 8.0)
"""Bounds of the standard deviation of the log odds over the grid."""

RARE = -4.0
"""Log odds that the model falls back to where nothing is near: about 2 failures in 100."""

NEWTON_STEPS = 60


@dataclass(frozen=True)
class FailureMap:
    """A smooth map of the share of trainings that fail.

    Attributes:
        share: At each place, shape ``(rows,)``.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def failure_map(places: np.ndarray, failures: np.ndarray, trainings: np.ndarray) -> FailureMap | None:
    """Fit a logistic Gaussian process to counts of failures.

    Failures have a boundary in the plane of offset and contrast, not a value of their own in each
    cell, so a cell's share is known better together with its neighbours'. The log odds are a
    Gaussian process with a Matern 5/2 kernel, one length for each axis, and its counts are binomial;
    the posterior is Laplace's approximation, and the lengths and the height maximize the evidence
    (Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, sections 3.4 and 5.5).

    Args:
        places: Where each row lies, shape ``(rows, 2)``, each axis scaled to [0, 1].
        failures: How many trainings failed there, shape ``(rows,)``.
        trainings: Of how many, of that shape.

    Returns:
        The map, or None where no training failed or each did: there is then no boundary to find.
    """
    if not 0 < failures.sum() < trainings.sum():
        return None
    apart = np.abs(places[:, None, :] - places[None, :, :])
    counts = (failures.astype(float), trainings.astype(float))

    def loss(logs: np.ndarray) -> float:
        return -_laplace(_kernel(apart, logs), *counts)[0]

    bounds = [tuple(np.log(SCALES)), *[tuple(np.log(LENGTHS))] * 2]
    starts = [np.log([3.0, 0.3, 0.3]), np.log([3.0, 0.3, 1.5]), np.log([3.0, 1.5, 0.3])]
    best = min(
        (optimize.minimize(loss, s, method="L-BFGS-B", bounds=bounds, options={"maxiter": 30}) for s in starts),
        key=lambda found: found.fun,
    )
    _, centre, variance = _laplace(_kernel(apart, best.x), *counts)
    half = 1.96 * np.sqrt(variance)
    return FailureMap(expit(centre), expit(centre - half), expit(centre + half))


def _kernel(apart: np.ndarray, logs: np.ndarray) -> np.ndarray:
    scale, *lengths = np.exp(logs)
    distance = np.sqrt(5 * ((apart / np.array(lengths)) ** 2).sum(axis=2))
    kernel = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return scale**2 * kernel + 1e-6 * np.eye(len(apart))


def _laplace(
    kernel: np.ndarray, failures: np.ndarray, trainings: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log evidence, and mean and variance of the log odds."""
    latent = np.full(len(kernel), RARE)
    for _ in range(NEWTON_STEPS):
        share = expit(latent)
        weight = trainings * share * (1 - share) + 1e-9
        root = np.sqrt(weight)
        factor = linalg.cho_factor(np.eye(len(kernel)) + root[:, None] * kernel * root, lower=True)
        b = weight * (latent - RARE) + failures - trainings * share
        a = b - root * linalg.cho_solve(factor, root * (kernel @ b))
        moved = RARE + kernel @ a
        step = float(np.abs(moved - latent).max())
        # Full Newton steps can overshoot where shares are near 0 or 1.
        latent = latent + (moved - latent) * min(1.0, 4.0 / max(step, 1e-12))
        if step < 1e-6:
            break
    choose = gammaln(trainings + 1) - gammaln(failures + 1) - gammaln(trainings - failures + 1)
    likelihood = float((choose + failures * latent - trainings * np.logaddexp(0, latent)).sum())
    a = linalg.solve(kernel, latent - RARE, assume_a="pos")
    evidence = likelihood - 0.5 * float(a @ (latent - RARE)) - float(np.log(np.diag(factor[0])).sum())
    solved = linalg.cho_solve(factor, root[:, None] * kernel)
    variance = np.maximum(np.diag(kernel) - (root[:, None] * kernel * solved).sum(axis=0), 1e-12)
    return evidence, latent, variance
