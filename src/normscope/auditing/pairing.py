"""Two ways to prepare the same images: what the one loses against the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.95

Interval = tuple[float, float]


def accuracy_lost(
    reference: ArrayLike, other: ArrayLike, coverage: float = LEVEL
) -> tuple[float, Interval]:
    """How much accuracy is lost from one way to another, over the same images.

    The interval is Agresti and Min's for a difference of matched proportions, Wald's after half an
    image is added to each of the four counts (Statistics in Medicine 24, 2005, doi:10.1002/
    sim.1781). Images that both ways get right or wrong carry no information on the difference but
    their number, so pairing makes it narrower; and it does not shrink to a point where no image
    differs, as Wald's own does.

    Args:
        reference: Which images the reference gets right, shape ``(N,)``.
        other: The same images, the other way.
        coverage: How often the interval is to hold the truth.

    Returns:
        The accuracy lost, negative where the other way is better, and its interval.

    Example:
        >>> lost, (low, high) = accuracy_lost([True] * 10, [True] * 7 + [False] * 3)
        >>> round(lost, 1), round(low, 3), round(high, 3)
        (0.3, -0.044, 0.544)
    """
    first, second = np.asarray(reference, bool), np.asarray(other, bool)
    images = len(first)
    only_reference = int((first & ~second).sum())
    only_other = int((second & ~first).sum())
    difference, more = only_reference - only_other, images + 2
    spread = math.sqrt(only_reference + only_other + 1 - difference**2 / more)
    half = float(ndtri((1 + coverage) / 2)) * spread / more
    centre = difference / more
    return difference / images, (max(-1.0, centre - half), min(1.0, centre + half))


def share(counted: ArrayLike, coverage: float = LEVEL) -> tuple[float, Interval]:
    """A share of the images, with its interval.

    Wilson's score interval (J. Am. Stat. Assoc. 22, 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        counted: Which images count, shape ``(N,)``.
        coverage: How often the interval is to hold the truth.

    Returns:
        The share and its interval.
    """
    counted = np.asarray(counted, bool)
    images, hits = len(counted), int(counted.sum())
    found = hits / images
    # Its formula, since scipy.stats, which has it, takes half a second to import.
    z = float(ndtri((1 + coverage) / 2))
    twice = 2 * (images + z**2)
    centre = (2 * hits + z**2) / twice
    half = z / twice * math.sqrt(4 * hits * (1 - found) + z**2)
    # Only rounding would keep an end from exactly 0 or 1 here.
    return found, (centre - half if hits else 0.0, centre + half if hits < images else 1.0)


def for_the_greatest(found: float, images: int, looks: int) -> Interval:
    """The interval of the greatest share of several, which chance has helped to be the greatest."""
    return share(np.arange(images) < round(found * images), 1 - (1 - LEVEL) / looks)[1]


def for_the_worst(lost: float, interval: Interval, images: int, looks: int) -> Interval:
    """The interval of the greatest loss of several, which chance has helped to be the greatest.

    Args:
        lost: The accuracy lost.
        interval: Its own 95 % interval, as ``accuracy_lost`` gives it.
        images: How many images it is of.
        looks: Of how many losses it is the greatest.

    Returns:
        The interval at the level that holds for all of them together (Bonferroni).
    """
    centre = lost * images / (images + 2)
    half = max(interval[1] - centre, centre - interval[0])
    half *= float(ndtri((1 - LEVEL) / (2 * looks)) / ndtri((1 - LEVEL) / 2))
    return max(-1.0, centre - half), min(1.0, centre + half)
