"""Candidates on more and more labelled images; those that have clearly lost see no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.all_pairs import AllPairs, Interval, all_pairs
from normscope.detection.tempering import tempered_likelihoods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.detection.candidates import Candidate

FIRST_IMAGES = 40
COVERAGE = 0.95


@dataclass(frozen=True)
class Tried:
    """Some candidates on some images.

    Attributes:
        candidates: Which.
        correct: Whether each image is answered rightly, shape ``(N, candidates)``.
        likelihoods: Log likelihood of each image's label, likewise.
    """

    candidates: list[Candidate]
    correct: np.ndarray
    likelihoods: np.ndarray

    @classmethod
    def of(cls, chosen: list[Candidate], logs: list[np.ndarray], labels: np.ndarray) -> Tried:
        """From log probabilities, shape ``(N, K)`` for each candidate."""
        correct = [~np.isnan(log[:, 0]) & (log.argmax(1) == labels) for log in logs]
        likelihoods = [tempered_likelihoods(log, labels) for log in logs]
        return cls(chosen, np.array(correct).T, np.array(likelihoods).T)

    @property
    def best(self) -> int:
        """Under which the labels are likeliest."""
        return int(self.likelihoods.mean(0).argmax())

    def resamples(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """How often each image occurs in each of so many resamples."""
        images = len(self.correct)
        return generator.multinomial(images, np.full(images, 1 / images), count)


@dataclass(frozen=True)
class Difference:
    """What one candidate loses against another, over the same images.

    Attributes:
        accuracy_lost: Share of the images.
        accuracy_interval: Of that loss; all pairs of candidates together are held with 95 %, so
            that it holds for a pair that was chosen for what it shows.
        nats_lost: How much smaller the log likelihood of the labels is, in nats an image, each at
            the temperature that fits best.
        nats_interval: As for the accuracy.
        images: How many.
    """

    accuracy_lost: float
    accuracy_interval: Interval
    nats_lost: float
    nats_interval: Interval
    images: int


@dataclass(frozen=True)
class Compared:
    """All pairs of the candidates of one round.

    Attributes:
        names: Of the candidates.
        images: How many each has seen.
        accuracy: Differences of accuracy.
        nats: Differences of log likelihood.
    """

    names: tuple[str, ...]
    images: int
    accuracy: AllPairs
    nats: AllPairs

    def against(self, name: str, other: str) -> Difference:
        """What one loses against another."""
        i, j = self.names.index(name), self.names.index(other)
        return Difference(*self.accuracy.lost(j, i), *self.nats.lost(j, i), self.images)


def rounds(images: int) -> list[int]:
    """How many images have been shown after each round: twice as many as before.

    Args:
        images: All there are.

    Returns:
        The numbers; too few images left over are no round of their own.

    Example:
        >>> rounds(50), rounds(100), rounds(300)
        ([50], [40, 100], [40, 80, 160, 300])
    """
    ends = []
    end = FIRST_IMAGES
    while images >= 1.5 * end:
        ends.append(end)
        end *= 2
    return [*ends, images]


def compared(tried: Tried, resamples: np.ndarray, of_rounds: int) -> Compared:
    """Compare all candidates of a round.

    Args:
        tried: What they did.
        resamples: From ``Tried.resamples``.
        of_rounds: How many rounds there are, which share what intervals may miss.

    Returns:
        All pairs.
    """
    coverage = 1 - (1 - COVERAGE) / of_rounds
    return Compared(
        tuple(candidate.name for candidate in tried.candidates), len(tried.correct),
        all_pairs(tried.correct.astype(float), resamples, coverage, counts=True),
        all_pairs(tried.likelihoods, resamples, coverage, counts=False),
    )  # fmt: skip


def last_with(tables: Sequence[Compared], name: str, other: str) -> Compared:
    """The last round that two candidates were both in."""
    return next(t for t in reversed(tables) if {name, other} <= set(t.names))
