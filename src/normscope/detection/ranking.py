"""All that is not known weighed together: candidate, order of channels and augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from normscope.detection.candidates import KNOWN, RGB
from normscope.detection.foreign import DOUBTED_MISFIT, SURE_OF_FOREIGN
from normscope.detection.system import typical_size

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from normscope.detection.augmented_views import AssumedAugmentation
    from normscope.detection.candidates import Candidate
    from normscope.detection.evidence import Evidence

PRIOR_KNOWN = 0.7
"""How likely it is, before anything is seen, that a known normalization was used."""

PRIOR_GIVEN = 0.15
"""Likewise of constants that somebody gives, beside the known ones and all others: half as likely
as these others together, so that the images decide."""

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
        used = [PRIOR_GIVEN if c.given else PRIOR_KNOWN / len(KNOWN) for c in self.candidates]
        return self.log_prior + np.log(used) + np.array(order)

    @property
    def unknown(self) -> np.ndarray:
        """Log of the joint probability with a normalization that is none of the known.

        Shape ``(2,)``: and with the training's own images, or with foreign ones.
        """
        return self.prior_unknown + self.evidence.unknown

    @property
    def known(self) -> np.ndarray:
        """Likewise with each candidate, shape ``(candidates, 2)``."""
        return self.prior_known[:, None] + self.evidence.known

    @property
    def by_noise(self) -> np.ndarray:
        """Log of the joint probability with each noise, shape ``(pairs, sizes)``."""
        known = self.prior_known[:, None, None] + self.evidence.weighed.of_known
        unknown = self.unknown_by_noise
        return np.logaddexp(unknown, np.logaddexp.reduce(known, axis=0, initial=-np.inf))

    @property
    def unknown_by_noise(self) -> np.ndarray:
        """The same with none of the candidates."""
        return self.prior_unknown + self.evidence.weighed.of_unknown

    def without(self, candidates: Collection[Candidate]) -> Hypothesis:
        """The same where some candidates are not weighed."""
        kept = [index for index, c in enumerate(self.candidates) if c not in candidates]
        weighed = self.evidence.weighed
        return replace(
            self,
            candidates=tuple(self.candidates[index] for index in kept),
            evidence=replace(
                self.evidence, weighed=weighed._replace(of_known=weighed.of_known[kept])
            ),
        )

    @property
    def misfit(self) -> float:
        """How far BatchNorm's log stds typically are off where the constants fit best."""
        residual = self.evidence.expansion.residual
        return typical_size(residual[len(residual) // 2 :])

    @property
    def total(self) -> float:
        """Log of its joint probability with the statistics."""
        return float(np.logaddexp.reduce(self.by_noise, axis=None))


@dataclass(frozen=True)
class Ranked:
    """A candidate in its place.

    Attributes:
        candidate: A known normalization in one order of channels.
        misfit: How far BatchNorm's means (in running stds) and log stds typically are off, their
            average, under the augmentation that fits it best. Smaller is better.
        confidence: Probability that the network was trained with it.
    """

    candidate: Candidate
    misfit: float
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
    logs: dict[Candidate, list[np.ndarray]] = {}
    priors: dict[Candidate, list[float]] = {}
    misfits: dict[Candidate, list[float]] = {}
    for hypothesis in hypotheses:
        for candidate, log, prior in zip(
            hypothesis.candidates, hypothesis.known, hypothesis.prior_known, strict=True
        ):
            halves = np.split(hypothesis.evidence.system.residual(candidate.unknowns), 2)
            logs.setdefault(candidate, []).append(log)
            priors.setdefault(candidate, []).append(prior)
            misfits.setdefault(candidate, []).append(
                float(np.mean([typical_size(half) for half in halves]))
            )
    unknown = [hypothesis.unknown for hypothesis in hypotheses]
    prior_unknown = [hypothesis.prior_unknown for hypothesis in hypotheses]
    confidences = _confidences(
        np.array([np.logaddexp.reduce(each) for each in (unknown, *logs.values())]),
        np.array([np.logaddexp.reduce(each) for each in (prior_unknown, *priors.values())]),
        max(hypotheses, key=lambda hypothesis: hypothesis.total).misfit,
    )[1:]
    ranked = [
        Ranked(candidate, min(misfits[candidate]), float(confidence))
        for candidate, confidence in zip(logs, confidences, strict=True)
    ]
    return sorted(ranked, key=lambda each: -each.confidence)


def own_images(hypotheses: list[Hypothesis]) -> float:
    """Probability that the images are the training's, and its augmentation is among those tried."""
    by_size = np.logaddexp.reduce([np.logaddexp.reduce(h.by_noise) for h in hypotheses])
    return float(np.exp(by_size[0] - np.logaddexp.reduce(by_size)))


def _confidences(logs: np.ndarray, log_prior: np.ndarray, misfit: float) -> np.ndarray:
    """Probabilities of none of the known, which comes first, and of each known one.

    Args:
        logs: Log joint probabilities with own and with foreign images, shape ``(N, 2)``.
        log_prior: Shape ``(N,)``.
        misfit: Of the likeliest hypothesis.

    Returns:
        Shape ``(N,)``.
    """
    shares = softmax(np.logaddexp.reduce(logs))
    own, foreign = (shares * softmax(logs * [1, SURE_OF_FOREIGN], axis=0)).T
    # What then speaks against all known ones says nothing: each is as likely as before.
    doubted = foreign[0] * misfit**2 / (misfit**2 + DOUBTED_MISFIT**2)
    foreign[0] -= doubted
    return own + foreign + doubted * softmax(log_prior)


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
