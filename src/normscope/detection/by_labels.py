"""Which normalization suits a network, by labelled images: for every classifier, ONNX too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from normscope.detection.all_pairs import all_pairs
from normscope.detection.answers import Asking
from normscope.detection.candidates import candidates
from normscope.detection.label_evidence import LabelEvidence, Labelled
from normscope.detection.ranking import PRIOR_KNOWN
from normscope.detection.refining import refine
from normscope.detection.tempering import tempered_likelihoods
from normscope.detection.usage import log_usage
from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.detection.answers import Network
    from normscope.detection.candidates import Candidate
    from normscope.detection.refining import Refined
    from normscope.normalization import Normalization

COVERAGE = 0.95
RESAMPLES = 2000
FEWEST_IMAGES = 20
FIRST_IMAGES, FIRST_SHARE = 50, 0.2
"""So many, or this share of the images, are shown under every candidate."""

COARSE_IMAGES = 100
"""However many images there are, they count as fewer than so many: the likelihood is not greatest
exactly where a network was trained, but often at a little less contrast.

A coarsened posterior (Miller and Dunson 2019, doi:10.1080/01621459.2018.1469995). SqueezeNet's
labels are 0.014 nats an image likelier with ``clip`` than with ``imagenet``, its own.
"""

CLEARLY_WORSE = 4.0
"""Candidates so many standard errors worse on the first images see no others."""

SMALLEST_SPREAD = 0.01
"""Standard deviation of pixels, where they hardly vary."""


@dataclass(frozen=True)
class _Tried:
    """Some candidates on some images: which are right, and how likely the labels are."""

    candidates: list[Candidate]
    correct: np.ndarray
    likelihoods: np.ndarray

    @classmethod
    def of(cls, chosen: list[Candidate], logs: list[np.ndarray], labels: np.ndarray) -> _Tried:
        correct = [~np.isnan(log[:, 0]) & (log.argmax(1) == labels) for log in logs]
        likelihoods = [tempered_likelihoods(log, labels) for log in logs]
        return cls(chosen, np.array(correct).T, np.array(likelihoods).T)

    @property
    def best(self) -> int:
        return int(self.likelihoods.mean(0).argmax())

    def contenders(self) -> list[int]:
        lost = self.likelihoods[:, [self.best]] - self.likelihoods
        errors = lost.std(0, ddof=1) / math.sqrt(len(lost))
        return [int(i) for i in np.flatnonzero(lost.mean(0) <= CLEARLY_WORSE * errors)]

    def resamples(self, generator: np.random.Generator) -> np.ndarray:
        images = len(self.correct)
        return generator.multinomial(images, np.full(images, 1 / images), RESAMPLES)


def weigh_by_labels(
    network: Network,
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    refined: bool = True,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> LabelEvidence:
    """Try every known normalization, in both orders of channels, on labelled images.

    Candidates are compared by the log likelihood of the labels, each at its best temperature, which
    tells them apart with a fraction of the images that accuracy needs. Confidences are averages of
    the posterior over resampled images (BayesBag; Huggins and Miller 2023, doi:10.1214/21-BA1301):
    a network's probabilities are not to be believed to the last digit, as a plain posterior does.

    Args:
        network: Takes a float batch of normalized pixels, shape ``(N, C, H, W)``, and gives logits
            or probabilities, shape ``(N, K)``: a module in evaluation mode or any callable.
        pixels: uint8, or floats in [0, 1], shape ``(N, C, H, W)``, as the network is to see them
            before any normalization; red first.
        labels: The output that is right for each, shape ``(N,)``.
        refined: Whether to look for the likeliest constants near the best candidate, which takes
            some ten passes over the images for each channel.
        seed: Of the resampling and of which images come first.
        on_progress: Called with how many candidates were tried and how many there are.

    Returns:
        The candidates, the most likely first.

    Raises:
        NormscopeError: If images or labels are too few or do not fit, or the network is no
            classifier.
    """
    _check(pixels, labels)
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    pixels, labels = pixels[shuffled], labels[shuffled].astype(np.int64)
    everyone = candidates(pixels.shape[1])
    # Too few images left over are no round of their own.
    first = max(FIRST_IMAGES, math.ceil(FIRST_SHARE * len(labels)))
    first = len(labels) if len(labels) < 2 * FIRST_IMAGES else first
    asking = Asking(network, pixels[:first])
    logs = []
    for done, candidate in enumerate(everyone, 1):
        logs.append(_answers(asking, candidate.normalization, candidate.order, labels))
        if on_progress is not None:
            on_progress(done, len(everyone))
    early = _Tried.of(everyone, logs, labels[:first])
    kept = early.contenders() if first < len(labels) else list(range(len(everyone)))
    asking = Asking(network, pixels[first:])
    for i in kept if first < len(labels) else []:
        more = _answers(asking, everyone[i].normalization, everyone[i].order, labels)
        logs[i] = np.concatenate([logs[i], more])
    full = _Tried.of([everyone[i] for i in kept], [logs[i] for i in kept], labels)
    found = None
    if refined:
        best, whole = full.candidates[full.best], Asking(network, pixels)
        found = refine(
            lambda n: tempered_likelihoods(whole.log_probabilities(n, best.order), labels),
            best.normalization,
            whole.pixels.std((0, 2, 3)).double().clamp(min=SMALLEST_SPREAD).numpy(),
        )
    confidences, none = _posterior(full, found, generator)
    first_one = full.candidates[int(confidences.argmax())]
    rows = _rows(full, first_one, confidences, generator)
    if len(kept) < len(everyone):
        others = _rows(early, first_one, np.zeros(len(everyone)), generator)
        rows += [row for row in others if row.candidate not in full.candidates]
    rows.sort(key=lambda row: (-row.confidence, row.nats_lost))
    return LabelEvidence(tuple(rows), none, found and found.fitted, len(labels))


def _answers(
    asking: Asking, normalization: Normalization, order: str, labels: np.ndarray
) -> np.ndarray:
    logs = asking.log_probabilities(normalization, order)
    if labels.max() >= logs.shape[1]:
        raise NormscopeError(
            f"labels must be below {logs.shape[1]}, as many as the network has outputs, got "
            f"{labels.max()}. Give each image the index of its output."
        )
    return logs


def _posterior(
    tried: _Tried, refined: Refined | None, generator: np.random.Generator
) -> tuple[np.ndarray, float | None]:
    """Bagged posterior of each candidate, and of none of them."""
    resamples = tried.resamples(generator)
    images = len(tried.correct)
    believed = COARSE_IMAGES / (COARSE_IMAGES + images)
    known = log_usage(tried.candidates) + math.log(PRIOR_KNOWN)
    logs = believed * resamples @ tried.likelihoods + known
    if refined is None:
        return softmax(logs, axis=1).mean(0), None
    unknown = (
        believed * resamples @ refined.likelihoods
        + refined.log_volume(believed)
        + math.log(1 - PRIOR_KNOWN)
    )
    shares = softmax(np.column_stack([logs, unknown]), axis=1).mean(0)
    return shares[:-1], float(shares[-1])


def _rows(
    tried: _Tried, first: Candidate, confidences: np.ndarray, generator: np.random.Generator
) -> list[Labelled]:
    resamples = tried.resamples(generator)
    # The two rounds of intervals share what may miss.
    coverage = (1 + COVERAGE) / 2
    accuracy = all_pairs(tried.correct.astype(float), resamples, coverage, counts=True)
    nats = all_pairs(tried.likelihoods, resamples, coverage, counts=False)
    at = tried.candidates.index(first)
    return [
        Labelled(
            candidate, float(confidence), float(accuracy.means[i]),
            *accuracy.lost(at, i), *nats.lost(at, i), len(tried.correct),
        )
        for i, (candidate, confidence) in enumerate(
            zip(tried.candidates, confidences, strict=True)
        )
    ]  # fmt: skip


def _check(pixels: np.ndarray, labels: np.ndarray) -> None:
    if len(pixels) != len(labels):
        raise NormscopeError(
            f"labels must be as many as images, got {len(labels)} for {len(pixels)}. Give one for "
            "each."
        )
    if len(labels) < FEWEST_IMAGES:
        raise NormscopeError(
            f"labelled images must be at least {FEWEST_IMAGES} to compare normalizations, got "
            f"{len(labels)}. Give more."
        )
    if labels.min() < 0:
        raise NormscopeError(
            f"labels must be 0 or more, got {labels.min()}. Give each image the index of its "
            "output."
        )
