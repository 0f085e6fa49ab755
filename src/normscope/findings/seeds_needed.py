"""How many seeds would settle what is open."""

from __future__ import annotations

import math

from scipy import stats

from normscope.findings.paired import ERROR_RATE

POWER = 0.8
MOST_SEEDS = 1000


def seeds_to_tell(
    distance: float, std: float, images_se: float, rate: float = ERROR_RATE
) -> int | None:
    """Seeds with which a one-sided test would find a mean on its side of a bound.

    Args:
        distance: How far the mean is from the bound, as far as is known now.
        std: Standard deviation of one seed's difference.
        images_se: Standard error that no number of seeds lowers.
        rate: The test's error rate.

    Returns:
        The fewest seeds that succeed 8 times in 10; None where 1,000 would not do, because the mean
        is too near the bound or the test images are too few.

    Example:
        >>> seeds_to_tell(1.0, 1.0, 0.0)
        8
    """
    enough = float(stats.norm.ppf(POWER))
    low, high = 3, MOST_SEEDS

    def tells(seeds: int) -> bool:
        se = math.sqrt(std**2 / seeds + images_se**2)
        return distance >= (float(stats.t.ppf(1 - rate, seeds - 1)) + enough) * se

    if distance <= 0 or not tells(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if tells(middle) else (middle + 1, high)
    return low
