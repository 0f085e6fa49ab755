"""Intervals of the fitted constants: what else could have come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.expansion import images_averaged
from normscope.detection.foreign import SIZES, SURE_OF_FOREIGN

if TYPE_CHECKING:
    from normscope.detection.evidence import Evidence


def bootstrap(
    evidence: Evidence, shares: np.ndarray, draws: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw the unknowns as they would come out of other images and another training.

    Each draw takes one noise by its share; other images at hand; as many other images as
    BatchNorm's running averages stand on; drift of those sizes; images that are as foreign; and
    another prior mean, so that constants which the statistics leave open get wide intervals. The
    system is solved again by one Newton step from the solution (Schucany and Wang 1991,
    doi:10.1111/j.2517-6161.1991.tb01850.x).

    Args:
        evidence: Of the system.
        shares: Probability of each noise, shape ``(pairs, sizes)``.
        draws: How many.
        generator: Draws.

    Returns:
        Shape ``(draws, 2 C)``.
    """
    expansion = evidence.expansion
    influence = expansion.influence
    count = len(influence)
    seen = max(1, round(images_averaged(evidence.system.averages)))
    even = np.full(count, 1 / count)
    at_hand = generator.multinomial(count, even, draws) / count
    trained = generator.multinomial(seen, even, draws) / seen
    changes = (trained - at_hand) @ influence
    chosen = generator.choice(shares.size, draws, p=shares.ravel())
    residuals = influence.shape[1]
    drawn = np.empty((draws, len(expansion.centre)))
    for noise in np.unique(chosen):
        rows = np.flatnonzero(chosen == noise)
        pair, index = divmod(int(noise), len(SIZES))
        size = SIZES[index]
        gain, prior_gain = expansion.gain(pair, size)
        ways = (residuals, 1, expansion.foreign.shape[1], len(gain))
        each, common, foreign, prior = (generator.normal(size=(len(rows), n)) for n in ways)
        drift = each * expansion.drift(pair) + common * expansion.common(pair)
        shift = changes[rows] + drift + foreign * expansion.scales(size) @ expansion.foreign.T
        # A log probability that counts for less is that of a wider normal distribution.
        wider = SURE_OF_FOREIGN**-0.5 if size.any() else 1.0
        step = wider * (shift @ gain.T + prior @ prior_gain.T)
        drawn[rows] = evidence.weighed.phi[pair, index] + step
    return drawn
