"""Mean and std moved to where the labels are likeliest, with intervals.

The network is a black box: slopes are measured image by image, with each constant moved a little up
and down. The slopes' products say how the constants hang together (Berndt, Hall, Hall and Hausman
1974), the second differences how sharply each is bent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from normscope.detection.detection_result import LEVEL, Fitted
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Callable

    Likelihoods = Callable[[Normalization], np.ndarray]

STEP = 0.15
"""How far constants are moved to measure slopes: means in stds of the pixels, and log stds."""

WIDTH = 1.5
"""Prior standard deviation, in the same units, of constants about the known ones nearby."""

ROUNDS = 3
FARTHEST = 0.7
ENOUGH = 0.2
"""A round that gains less, in nats of all images together, was the last one."""

SMALLEST_BEND = 0.1


@dataclass(frozen=True)
class Refined:
    """The likeliest constants near a known normalization.

    Attributes:
        fitted: The constants with intervals.
        likelihoods: Log likelihood of each image's label there, shape ``(N,)``.
        step: How far they lie from the known ones, in units of the prior's width, shape ``(2 C,)``.
        bends: How fast the log likelihood falls about them, in the same units, shape
            ``(2 C, 2 C)``.
    """

    fitted: Fitted
    likelihoods: np.ndarray
    step: np.ndarray
    bends: np.ndarray

    def log_volume(self, believed: float) -> float:
        """What a Bayesian charges for the freedom to choose constants.

        Args:
            believed: By what the log likelihood is multiplied.

        Returns:
            Log of the share of the prior that fits as well (Laplace's method).
        """
        precision = believed * self.bends + np.eye(len(self.step))
        return float(-0.5 * np.linalg.slogdet(precision)[1] - 0.5 * self.step @ self.step)


def refine(likelihoods: Likelihoods, start: Normalization, spread: np.ndarray) -> Refined:
    """Climb to the likeliest constants.

    Args:
        likelihoods: Log likelihood of each image's label under a normalization, shape ``(N,)``.
        start: The best known normalization, with one value for each channel.
        spread: Standard deviation of the pixels, in [0, 1], shape ``(C,)``.

    Returns:
        The constants.
    """
    unit = _Units(start, spread)
    at = np.zeros(2 * start.channels)
    products = hessian = prior = np.eye(len(at)) / WIDTH**2
    here = likelihoods(start)
    for _ in range(ROUNDS):
        slopes, bends = _slopes(likelihoods, unit, at, here)
        products = slopes.T @ slopes
        hessian = _hessian(products, bends) + prior
        step = np.linalg.solve(hessian, slopes.sum(0) - at / WIDTH**2)
        step *= FARTHEST / max(FARTHEST, np.abs(step).max())
        gained = 0.0
        for shorter in (1.0, 0.5, 0.25):
            tried = at + shorter * step
            there = likelihoods(unit.normalization(tried))
            gained = _total(there, tried) - _total(here, at)
            if gained > 0:
                at, here = tried, there
                break
        if gained < ENOUGH:
            break
    bread = np.linalg.inv(hessian)
    covariance = bread @ (products + prior) @ bread
    return Refined(unit.fitted(at, covariance), here, at / WIDTH, (hessian - prior) * WIDTH**2)


@dataclass(frozen=True)
class _Units:
    """Constants as steps from known ones: means in stds of the pixels, and log stds."""

    start: Normalization
    spread: np.ndarray

    def normalization(self, at: np.ndarray) -> Normalization:
        means, logs = np.split(at, 2)
        return Normalization(
            (np.array(self.start.mean) + self.spread * means).tolist(),
            (np.array(self.start.std) * np.exp(logs)).tolist(),
        )

    def fitted(self, at: np.ndarray, covariance: np.ndarray) -> Fitted:
        half = stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(covariance.diagonal())
        low, high = self.normalization(at - half), self.normalization(at + half)
        return Fitted(
            self.normalization(at),
            tuple(zip(low.mean, high.mean, strict=True)),
            tuple(zip(low.std, high.std, strict=True)),
        )


def _total(likelihoods: np.ndarray, at: np.ndarray) -> float:
    return float(likelihoods.sum() - 0.5 * (at @ at) / WIDTH**2)


def _slopes(
    likelihoods: Likelihoods, unit: _Units, at: np.ndarray, here: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    slopes, bends = [], []
    for direction in STEP * np.eye(len(at)):
        up, down = (likelihoods(unit.normalization(at + s * direction)) for s in (1, -1))
        slopes.append((up - down) / (2 * STEP))
        bends.append(-(up + down - 2 * here).sum() / STEP**2)
    return np.array(slopes).T, np.array(bends)


def _hessian(products: np.ndarray, bends: np.ndarray) -> np.ndarray:
    diagonal = np.maximum(products.diagonal(), 1e-12)
    scale = np.sqrt(np.maximum(bends, SMALLEST_BEND * diagonal) / diagonal)
    return products * np.outer(scale, scale)
