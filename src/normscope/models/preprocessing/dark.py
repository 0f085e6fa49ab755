"""Constants of dark images, such as reflectances, of which the whole scale is little used."""

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


def unit_of(normalization: Normalization) -> np.ndarray:
    """How much of [0, 1] images with such constants use.

    Args:
        normalization: Whose stds are those of images, or of the pixels' units.

    Returns:
        At most 1 for each channel, and less where they are of dark images.

    Example:
        >>> from normscope.normalization import HALF, Normalization
        >>> float(unit_of(HALF)[0]), float(unit_of(Normalization(0.06, 0.04))[0])
        (1.0, 0.2)
    """
    mean, std = np.asarray(normalization.mean), np.asarray(normalization.std)
    of_units = (mean == 0) | (np.abs(mean) > OF_UNITS * std)
    return np.where(of_units, 1.0, np.minimum(1, OF_SPREAD * std))
