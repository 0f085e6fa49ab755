"""When a test may stop: how well the accuracy on all images is known from some of them."""

from __future__ import annotations

from bisect import bisect_left

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

    possible = range(correct, images - (tested - correct) + 1)
    tail = (1 - CONFIDENCE) / looks / 2

    def enough(right: int) -> bool:
        return bool(hypergeom.sf(correct - 1, images, right, tested) > tail)

    def too_many(right: int) -> bool:
        return bool(hypergeom.cdf(correct, images, right, tested) <= tail)

    # Both tails are monotone in the number of right images.
    low = possible[bisect_left(possible, True, key=enough)]
    high = possible[bisect_left(possible, True, key=too_many) - 1]
    return low / images, high / images


def doublings(batches: int) -> list[int]:
    """After which batches a test looks whether it may stop: each time as many again are tested.

    Args:
        batches: Of the whole test.

    Returns:
        Numbers of batches, the last of them all.

    Example:
        >>> doublings(10)
        [1, 2, 4, 8, 10]
    """
    return [*(2**k for k in range(batches.bit_length()) if 2**k < batches), batches]


def known_to(interval: tuple[float, float], accuracy: float) -> float:
    """How far the accuracy on all images may lie from the one at hand: the farther interval end."""
    return max(accuracy - interval[0], interval[1] - accuracy)
