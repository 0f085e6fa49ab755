"""The constants that fit best, and which of those that were given cannot be these."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from normscope.detection.detection_result import LEVEL, Fitted
from normscope.detection.evidence import OWN_IMAGES
from normscope.detection.intervals import bootstrap
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from normscope.detection.ranking import Hypothesis, Ranked

CLEARLY_FOREIGN = 10
"""Odds from which on images are taken for unlike the training's where constants are unknown."""

STILL_BELIEVED = 0.01
"""Share that is left of the belief in given constants that lie well off the fit."""

DRAWS = 2000


def fit(fitting: list[Hypothesis], by_noise: list[np.ndarray], seed: int) -> Fitted:
    """The constants that fit best, with their intervals.

    Args:
        fitting: Hypotheses.
        by_noise: Of each the log probability with each noise, shape ``(pairs, sizes)``.
        seed: Of the bootstrap.

    Returns:
        Those of the likeliest; intervals are over all of them.
    """
    generator = np.random.default_rng(seed)
    totals = [np.logaddexp.reduce(logs, axis=None) for logs in by_noise]
    # Each order and augmentation has its share: where they cannot be told, the ends lie apart.
    draws = generator.multinomial(DRAWS, softmax(totals))
    drawn = np.concatenate(
        [
            bootstrap(hypothesis.evidence, softmax(logs), count, generator)
            for hypothesis, logs, count in zip(fitting, by_noise, draws.tolist(), strict=True)
        ]
    )
    best = int(np.argmax(totals))
    likeliest = np.unravel_index(by_noise[best].argmax(), by_noise[best].shape)
    mean, log_std = np.split(fitting[best].evidence.weighed.phi[likeliest], 2)
    ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0).T
    mean_ends, log_std_ends = np.split(ends, 2)
    return Fitted(
        Normalization(mean.tolist(), np.exp(log_std).tolist()),
        tuple((float(low), float(high)) for low, high in mean_ends),
        tuple((float(low), float(high)) for low, high in np.exp(log_std_ends)),
    )


def off_the_fit(ranked: list[Ranked], fitting: list[Hypothesis], seed: int) -> list[Ranked]:
    """Given constants that are not believed, since they lie well off what fits without them.

    A point beside a broad prior gains with each channel, and may win though it lies off the fit,
    where the images are supposed to be unlike the training's and nothing else says so.

    Args:
        ranked: All candidates.
        fitting: The hypotheses that the fit is of.
        seed: Of the bootstrap.

    Returns:
        They, with what is left of their confidence.
    """
    given = [each for each in ranked if each.candidate.given]
    if not given:
        return []
    noise = [hypothesis.unknown_by_noise.copy() for hypothesis in fitting]
    own, foreign = (
        np.logaddexp.reduce([np.logaddexp.reduce(logs[:, part], axis=None) for logs in noise])
        for part in (slice(OWN_IMAGES), slice(OWN_IMAGES, None))
    )
    if foreign < own + math.log(CLEARLY_FOREIGN):
        for logs in noise:
            logs[:, OWN_IMAGES:] = -np.inf
    alone = fit(fitting, noise, seed)
    return [
        replace(each, confidence=STILL_BELIEVED * each.confidence)
        for each in given
        if not alone.allows(each.candidate.normalization)
    ]
