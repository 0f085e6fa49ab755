"""How far the fitted constants may lie from the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from normscope.detection.evidence import COMMON

if TYPE_CHECKING:
    from normscope.detection.evidence import Evidence


def bootstrap(evidence: Evidence, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Draw the unknowns as they would come out of other images and another training.

    Each draw takes one pair of noise sizes by its evidence; other images at hand; as many other
    images as BatchNorm's running averages stand on; noise of those sizes; and another prior mean,
    so that constants which the statistics leave open get wide intervals. The system is solved
    again by one Newton step from the solution (Schucany and Wang 1991,
    doi:10.1111/j.2517-6161.1991.tb01850.x).

    Args:
        evidence: Of the system.
        draws: How many.
        generator: Draws.

    Returns:
        Shape ``(draws, 2 C)``.
    """
    influence = evidence.influence
    count, averages = len(influence), evidence.system.averages
    seen = averages.batch_size * averages.batches
    even = np.full(count, 1 / count)
    at_hand = generator.multinomial(count, even, draws) / count
    trained = generator.multinomial(max(1, round(seen)), even, draws) / max(1, round(seen))
    changes = (trained - at_hand) @ influence
    shares = softmax([fit.unknown for fit in evidence.fits])
    chosen = generator.choice(len(evidence.fits), draws, p=shares)
    residuals = influence.shape[1]
    drawn = np.empty((draws, len(evidence.centre)))
    for index in np.unique(chosen):
        fit, rows = evidence.fits[index], np.flatnonzero(chosen == index)
        sizes = fit.noise.sizes(residuals) * evidence.inflation
        drift = generator.normal(size=(len(rows), residuals)) * sizes
        common = generator.normal(size=(len(rows), 1)) * COMMON * fit.noise.of_std
        drift[:, residuals // 2 :] += common
        prior = generator.normal(size=(len(rows), drawn.shape[1])) @ fit.prior_gain.T
        drawn[rows] = fit.phi + (changes[rows] + drift) @ fit.gain.T + prior
    return drawn
