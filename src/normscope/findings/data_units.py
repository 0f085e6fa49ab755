"""Normalizations in the images' own units: the offset and the contrast of what the network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from normscope.normalization import Normalization

USUAL_OFFSET = 3.0
"""Of the usual range, in stds of the images: how far the mean lies from theirs."""

USUAL_CONTRAST = 4.0
"""Of the usual range, as a factor: how far the std lies from theirs, either way.

Every constant that people copy from one data set of [0, 1] images to another, and no normalization
at all, lies within both. What lies outside, such as pixels of 0..255 with constants for [0, 1], is
an edge.
"""


@dataclass(frozen=True)
class DataUnits:
    """What a network sees of images with mean ``m`` and std ``s`` under ``(x - mean) / std``.

    Attributes:
        offset: ``(m - mean) / std``, their mean after normalizing.
        contrast: ``s / std``, their std after normalizing.
        distance: How many of the images' stds the mean lies from theirs, ``(m - mean) / s``, which
            is the offset over the contrast; the farthest channel.
        factor: ``s / std`` of the channel where that is farthest from 1.
    """

    offset: float
    contrast: float
    distance: float
    factor: float

    @property
    def usual(self) -> bool:
        """Whether it lies where people's constants lie; see ``USUAL_OFFSET``."""
        return (
            abs(self.distance) <= USUAL_OFFSET
            and 1 / USUAL_CONTRAST <= self.factor <= USUAL_CONTRAST
        )


def data_units(normalization: Normalization, data: Normalization) -> DataUnits:
    """Express a normalization in the images' own units.

    Args:
        normalization: What images are normalized with.
        data: The images' own mean and std.

    Returns:
        Offset and contrast, averaged over channels, and the farthest channel's place.

    Example:
        >>> from normscope.normalization import Normalization
        >>> data_units(Normalization(0.5, 0.25), Normalization(0.25, 0.5)).offset
        -1.0
    """
    channels = max(data.channels, normalization.channels)
    own, tried = data.for_channels(channels), normalization.for_channels(channels)
    m, s = np.array(own.mean), np.array(own.std)
    mean, std = np.array(tried.mean), np.array(tried.std)
    distance, factor = (m - mean) / s, s / std
    return DataUnits(
        offset=float(((m - mean) / std).mean()),
        contrast=float(factor.mean()),
        distance=float(distance[np.abs(distance).argmax()]),
        factor=float(factor[np.abs(np.log(factor)).argmax()]),
    )
