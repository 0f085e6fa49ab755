"""What became of a training: whether it learned, and if not, how it failed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from normscope.margin import MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

Outcome = Literal["learned", "still learning", "stuck", "died", "diverged"]

FAILURES = ("stuck", "died", "diverged")
"""Outcomes of trainings that gave nothing to compare."""

CONFIDENCE = 0.999
"""Of the interval that an accuracy must leave chance by: a grid holds thousands of trainings."""

NOISE = 1.645
"""Standard errors that noise alone stays under in 95 % of cases."""


FEWEST_EPOCHS = 2
"""One epoch alone shows no rise and no rest."""


def judge(
    epochs: Sequence[float],
    *,
    accuracy: float,
    test_images: int,
    chance: float,
    epoch_images: int,
    margin: float = MARGIN,
    diverged: bool = False,
    died: bool = False,
) -> Outcome:
    """What became of a finished training: the first of these that holds.

    - ``diverged``: a loss or an output stopped being finite.
    - ``died``: it was proved that no further step can change how it sees images.
    - ``stuck``: it never left chance. The 99.9 % interval of its test accuracy reaches what the
      best constant answer gives.
    - ``still learning``: its curve has not settled. What the last third of its epochs gained
      exceeds the margin and what noise could feign, or one epoch is too little to tell.
    - ``learned``.

    Args:
        epochs: Accuracy at the end of each epoch, on the split that the recipe chooses on.
        accuracy: On the test images.
        test_images: How many those are.
        chance: Share of the most frequent class among the test labels.
        epoch_images: How many images the epochs' accuracies are counted on.
        margin: The smallest gain that matters.
        diverged: Whether a loss or an output stopped being finite.
        died: Whether its death was proved.

    Returns:
        One of the five.

    Example:
        >>> curve = [0.5, 0.9, 0.9, 0.9]
        >>> judge(curve, accuracy=0.9, test_images=1000, chance=0.1, epoch_images=1000)
        'learned'
    """
    if diverged:
        return "diverged"
    if died:
        return "died"
    if interval(round(accuracy * test_images), test_images)[0] <= chance:
        return "stuck"
    if len(epochs) < FEWEST_EPOCHS:
        return "still learning"
    gain, last = last_gain(epochs), epochs[-1]
    before = last - gain
    noise = NOISE * math.sqrt((before * (1 - before) + last * (1 - last)) / epoch_images)
    return "still learning" if gain > max(margin, noise) else "learned"


def last_gain(epochs: Sequence[float]) -> float:
    """What the last third of the epochs gained.

    Accuracy rises about as much with each doubling of the training, so half as many epochs again
    would gain about as much as the last third did. (An exponential fitted to the three thirds was
    tried: it takes the steep first epoch for the shape of the whole, and calls a LeNet settled
    after three epochs on MNIST.)

    Args:
        epochs: Accuracy at the end of each epoch, straight between them.

    Returns:
        In units of accuracy; negative where it fell.

    Example:
        >>> round(last_gain([0.5, 0.8, 0.9]), 3)
        0.1
    """
    ends = np.arange(1, len(epochs) + 1)
    return float(epochs[-1] - np.interp(2 * len(epochs) / 3, ends, epochs))


def interval(correct: int, images: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval for an accuracy, two-sided.

    Clopper and Pearson's (Biometrika 26, 1934, doi:10.1093/biomet/26.4.404).

    Args:
        correct: How many images were right.
        images: Of how many.
        confidence: How often it holds the accuracy on all such images.

    Returns:
        The lower and the upper end.

    Example:
        >>> low, high = interval(0, 100)
        >>> low, round(high, 4)
        (0.0, 0.0732)
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = betaincinv(correct, images - correct + 1, tail) if correct else 0.0
    high = betaincinv(correct + 1, images - correct, 1 - tail) if correct < images else 1.0
    return float(low), float(high)


def steps_to(curve: Sequence[Sequence[float]], accuracy: float) -> int | None:
    """The first step at which a curve reaches an accuracy, the curve straight between its points.

    Args:
        curve: Pairs of a step and the accuracy after it, by step.
        accuracy: The one to reach.

    Returns:
        The step; None where it is never reached.

    Example:
        >>> steps_to([[100, 0.5], [200, 0.9]], 0.7)
        150
    """
    previous: Sequence[float] | None = None
    for point in curve:
        if point[1] >= accuracy:
            if previous is None:
                return int(point[0])
            share = (accuracy - previous[1]) / (point[1] - previous[1])
            # Rounded first: 0.7 lies a hair beyond the middle of 0.5 and 0.9 in binary.
            return math.ceil(round(previous[0] + share * (point[0] - previous[0]), 6))
        previous = point
    return None


def share_of_most_frequent(labels: np.ndarray) -> float:
    """The accuracy of the best answer that is the same for every image.

    Args:
        labels: int, shape ``(N,)``.

    Returns:
        Above 0, at most 1.

    Example:
        >>> share_of_most_frequent(np.array([2, 0, 2, 1]))
        0.5
    """
    return float(np.bincount(labels).max() / len(labels))
