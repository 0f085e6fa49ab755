"""When a test may stop: how well the accuracy on all images is known from some of them."""

from __future__ import annotations

import numpy as np

CONFIDENCE = 0.99


def exact_interval(correct: int, tested: int, images: int, looks: int) -> tuple[float, float]:
    """An interval for the accuracy on all images, from the first ones of a random order.

    Images are drawn without replacement, so how many are right among the tested is hypergeometric
    in how many are right among all. The interval holds every such number that both tails leave
    possible (Clopper and Pearson's construction, Biometrika 26, 1934,
    doi:10.1093/biomet/26.4.404, for a finite population). Its error is divided by the number of
    looks, so that all intervals of one test hold together with the confidence (Bonferroni).

    Args:
        correct: How many of the tested images are right.
        tested: How many images are tested so far.
        images: How many there are.
        looks: How many intervals the whole test would make.

    Returns:
        The lower and the upper end.

    Example:
        >>> exact_interval(3, 4, 4, looks=1)
        (0.75, 0.75)
    """
    from scipy.stats import hypergeom

    possible = np.arange(correct, images - (tested - correct) + 1)
    tail = (1 - CONFIDENCE) / looks / 2
    at_least = hypergeom.sf(correct - 1, images, possible, tested)
    at_most = hypergeom.cdf(correct, images, possible, tested)
    kept = possible[(at_least > tail) & (at_most > tail)]
    return float(kept[0] / images), float(kept[-1] / images)


def known_to(interval: tuple[float, float], accuracy: float) -> float:
    """How far the accuracy on all images may lie from the one at hand.

    Args:
        interval: What ``exact_interval`` gave.
        accuracy: On the images tested so far.

    Returns:
        The larger of the distances to the interval's ends.
    """
    return max(accuracy - interval[0], interval[1] - accuracy)
