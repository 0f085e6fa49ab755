"""Dark images, such as reflectances, of which the whole scale is little used.

Their std tells, and so does that of constants, which is the images' own. The two are told by bounds
of their own: a tolerance shrinks by degrees from the first, while below the second a prior of
photographs is left, which no photographs may be (those of SVHN have a std of 0.198).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from normscope.normalization import Normalization

OF_SPREAD = 5
"""Tolerances of means are meant of images whose std is 0.2 or more. Of darker ones the constants
have the images' own std, and a mean may lie so much less far off."""

OF_UNITS = 10
"""A mean of 0, or farther from 0 than so many stds, shows that a std is of the pixels' units, such
as 1 / 255, and not of images."""

USUAL_SPREAD = 0.15
"""Photographs and digits have at least this std, of all channels' the mean."""


def used_by_constants(normalization: Normalization) -> np.ndarray:
    """How much of [0, 1] images with such constants use.

    Args:
        normalization: Whose stds are those of images, or of the pixels' units.

    Returns:
        At most 1 for each channel, and less where they are of dark images.

    Example:
        >>> from normscope.normalization import HALF, Normalization
        >>> used = used_by_constants(Normalization(0.06, 0.04))
        >>> float(used_by_constants(HALF)[0]), float(used[0])
        (1.0, 0.2)
    """
    mean, std = np.asarray(normalization.mean), np.asarray(normalization.std)
    of_units = (mean == 0) | (np.abs(mean) > OF_UNITS * std)
    return np.where(of_units, 1.0, np.minimum(1, OF_SPREAD * std))


def used_by_images(std: np.ndarray) -> float:
    """How large differences of brightness of images are beside those of photographs.

    Args:
        std: Of the images' pixels of [0, 1], by channel.

    Returns:
        At most 1, and less of dark images.

    Example:
        >>> used_by_images(np.array([0.3])), used_by_images(np.array([0.03, 0.06]))
        (1.0, 0.3)
    """
    return min(1.0, float(std.mean()) / USUAL_SPREAD)
