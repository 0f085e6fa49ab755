"""What became of a training: whether it learned, and if not, how it failed."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Outcome = Literal["learned", "still learning", "stuck", "died", "diverged"]

MARGIN = 0.002
"""A difference of accuracy that nobody minds, unless the user says otherwise."""

CONFIDENCE = 0.999
"""Of the interval that an accuracy must leave chance by: a grid holds thousands of trainings."""

NOISE = 1.645
"""Standard errors that noise alone stays under in 95 % of cases."""

LARGEST_RATIO = 0.8
"""Of two gains in succession: a larger one would extrapolate noise without bound."""

FEWEST_POINTS = 3


def judge(
    curve: Sequence[Sequence[float]],
    *,
    accuracy: float,
    test_images: int,
    chance: float,
    curve_images: int,
    margin: float = MARGIN,
    diverged: bool = False,
    died: bool = False,
) -> Outcome:
    """What became of a finished training: the first of these that holds.

    - ``diverged``: a loss or an output stopped being finite.
    - ``died``: it was proved that no further step can change how it sees images.
    - ``stuck``: it never left chance. The 99.9 % interval of its test accuracy reaches what the
      best constant answer gives.
    - ``still learning``: its curve has not settled. What it would still gain (``gain_left``)
      exceeds the margin and what noise could feign, or the curve is too short to tell.
    - ``learned``.

    Args:
        curve: Pairs of a step and the accuracy after it, by step.
        accuracy: On the test images.
        test_images: How many those are.
        chance: Share of the most frequent class among the test labels.
        curve_images: How many images the curve's last accuracies are counted on.
        margin: The smallest gain that matters.
        diverged: Whether a loss or an output stopped being finite.
        died: Whether its death was proved.

    Returns:
        One of the five.

    Example:
        >>> curve = [[100, 0.5], [200, 0.9], [300, 0.9], [400, 0.9]]
        >>> judge(curve, accuracy=0.9, test_images=1000, chance=0.1, curve_images=1000)
        'learned'
    """
    if diverged:
        return "diverged"
    if died:
        return "died"
    if interval(round(accuracy * test_images), test_images)[0] <= chance:
        return "stuck"
    if len(curve) < FEWEST_POINTS:
        return "still learning"
    _, before, last = means_of_thirds(curve)
    noise = NOISE * math.sqrt((before * (1 - before) + last * (1 - last)) / curve_images)
    return "still learning" if gain_left(curve) > max(margin, noise) else "learned"


def gain_left(curve: Sequence[Sequence[float]]) -> float:
    """What a training would still gain if it went on as it did.

    With the mean accuracies of the three thirds of its steps, the last third gained ``g3`` on the
    second, which gained ``g2`` on the first. Gains that go on shrinking by the ratio ``r = g3 /
    g2`` sum to ``g3 r / (1 - r)``, with ``r`` kept between 0 and 0.8. Where the second third
    gained nothing there is no ratio, and the last gain itself stands for what is left.

    Args:
        curve: Pairs of a step and the accuracy after it, by step.

    Returns:
        In units of accuracy; negative where the accuracy falls.

    Example:
        >>> round(gain_left([[0, 0.0], [1, 0.0], [1, 0.4], [2, 0.4], [2, 0.6], [3, 0.6]]), 6)
        0.2
    """
    first, second, third = means_of_thirds(curve)
    earlier, last = second - first, third - second
    if earlier <= 0:
        return last
    ratio = min(max(last / earlier, 0.0), LARGEST_RATIO)
    return last * ratio / (1 - ratio)


def means_of_thirds(curve: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Mean accuracy over each third of the steps, the curve straight between its points.

    Args:
        curve: Pairs of a step and the accuracy after it, by step. Before the first it is flat.

    Returns:
        Of the first, second and last third.
    """
    steps, accuracies = np.array(curve, float).T
    bounds = np.linspace(0, steps[-1], 4)
    means = []
    for start, stop in itertools.pairwise(bounds):
        # A jump, two points at one step, counts from both sides.
        inside = (steps > start) & (steps < stop)
        x = np.concatenate([[start], steps[inside], [stop]])
        ends = np.interp([start, stop], steps, accuracies)
        y = np.concatenate([ends[:1], accuracies[inside], ends[1:]])
        means.append(float(np.trapezoid(y, x) / (stop - start)))
    return means[0], means[1], means[2]


def interval(correct: int, images: int) -> tuple[float, float]:
    """The exact interval for an accuracy, two-sided, at 99.9 %.

    Clopper and Pearson's (Biometrika 26, 1934, doi:10.1093/biomet/26.4.404).

    Args:
        correct: How many images are right.
        images: Of how many.

    Returns:
        The lower and the upper end.

    Example:
        >>> low, high = interval(0, 100)
        >>> low, round(high, 4)
        (0.0, 0.0732)
    """
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
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
