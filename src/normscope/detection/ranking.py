"""All that is not known weighed together: candidate, order of channels and augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.candidates import KNOWN, RGB
from normscope.detection.system import typical_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.detection.augmented_views import AssumedAugmentation
    from normscope.detection.candidates import Candidate
    from normscope.detection.evidence import Evidence

PRIOR_KNOWN = 0.7
"""How likely it is, before anything is seen, that a known normalization was used."""

PRIOR_USUAL_ORDER = 0.8
"""How likely a known normalization is used with channels in its usual order."""

PRIOR_UNKNOWN_RGB = 0.95
"""How likely red comes first under constants of one's own, as nearly all decoders have it."""

PRIOR_CROPPED = 0.6
PRIOR_AFTER = 1 / 3
"""Of cropped images, how likely they were padded after the normalization."""


@dataclass(frozen=True)
class Hypothesis:
    """One order of channels under one augmentation.

    Attributes:
        order: ``rgb`` or ``bgr``.
        augmentation: What the network was shown of the images.
        candidates: Those of this order.
        evidence: What the system says of them, in their order.
        log_prior: Of the augmentation.
        channels: Of the images.
    """

    order: str
    augmentation: AssumedAugmentation
    candidates: tuple[Candidate, ...]
    evidence: Evidence
    log_prior: float
    channels: int

    @property
    def prior_unknown(self) -> float:
        """Log of the prior probability with a normalization that is none of the known."""
        order = _log_order_prior(self.order == RGB, self.channels, PRIOR_UNKNOWN_RGB)
        return self.log_prior + math.log(1 - PRIOR_KNOWN) + order

    @property
    def prior_known(self) -> np.ndarray:
        """Log of the prior probability with each candidate."""
        order = [
            _log_order_prior(c.usual, self.channels, PRIOR_USUAL_ORDER) for c in self.candidates
        ]
        return self.log_prior + math.log(PRIOR_KNOWN / len(KNOWN)) + np.array(order)

    @property
    def unknown(self) -> float:
        """Log of the joint probability with a normalization that is none of the known."""
        return self.prior_unknown + self.evidence.unknown

    @property
    def known(self) -> np.ndarray:
        """Log of the joint probability with each candidate."""
        return self.prior_known + self.evidence.known

    @property
    def by_noise(self) -> np.ndarray:
        """Log of the joint probability with each noise, shape ``(pairs, sizes)``."""
        known = self.prior_known[:, None, None] + self.evidence.of_known
        unknown = self.prior_unknown + self.evidence.of_unknown
        return np.logaddexp(unknown, np.logaddexp.reduce(known, axis=0, initial=-np.inf))

    @property
    def total(self) -> float:
        """Log of its joint probability with the statistics."""
        return float(np.logaddexp.reduce([*self.known, self.unknown]))


@dataclass(frozen=True)
class Ranked:
    """A candidate in its place.

    Attributes:
        candidate: A known normalization in one order of channels.
        score: How far BatchNorm's means (in running stds) and log stds typically are off, their
            average, under the augmentation that fits it best. Smaller is better.
        confidence: Probability that the network was trained with it.
    """

    candidate: Candidate
    score: float
    confidence: float


def log_prior(augmentation: AssumedAugmentation, tried: int) -> float:
    """How likely an augmentation is before anything is seen.

    Args:
        augmentation: One of those tried.
        tried: How many are.

    Returns:
        A log probability; 0 where only one is tried.
    """
    if tried == 1:
        return 0.0
    if not augmentation.margin:
        return math.log(1 - PRIOR_CROPPED)
    return math.log(PRIOR_CROPPED * (PRIOR_AFTER if augmentation.after else 1 - PRIOR_AFTER))


def rank(hypotheses: list[Hypothesis]) -> list[Ranked]:
    """The candidates by their probability."""
    total = np.logaddexp.reduce([hypothesis.total for hypothesis in hypotheses])
    logs: dict[Candidate, list[float]] = {}
    scores: dict[Candidate, list[float]] = {}
    for hypothesis in hypotheses:
        for candidate, log in zip(hypothesis.candidates, hypothesis.known, strict=True):
            halves = np.split(hypothesis.evidence.system.residual(candidate.unknowns), 2)
            logs.setdefault(candidate, []).append(log)
            scores.setdefault(candidate, []).append(
                float(np.mean([typical_size(half) for half in halves]))
            )
    order = sorted(logs, key=lambda candidate: -np.logaddexp.reduce(logs[candidate]))
    return [
        Ranked(c, min(scores[c]), float(np.exp(np.logaddexp.reduce(logs[c]) - total)))
        for c in order
    ]


def share(hypotheses: list[Hypothesis], wanted: Callable[[Hypothesis], bool]) -> float:
    """Probability of some of the hypotheses together.

    Args:
        hypotheses: Every order under every augmentation.
        wanted: Which.

    Returns:
        From 0 to 1.
    """
    totals = np.array([hypothesis.total for hypothesis in hypotheses])
    chosen = [total for total, h in zip(totals, hypotheses, strict=True) if wanted(h)]
    return (
        float(np.exp(np.logaddexp.reduce(chosen) - np.logaddexp.reduce(totals))) if chosen else 0.0
    )


def _log_order_prior(usual: bool, channels: int, prior: float) -> float:
    if channels != 3:
        return 0.0
    return math.log(prior if usual else 1 - prior)
