"""What is believed of constants that nobody knows, before a network is looked at.

Photographs have means near 0.45 and stds near 0.3, and constants of one's own are of that size too.
Of dark images, such as reflectances, of which the whole scale is little used, most have the images'
own size: a prior of photographs is then so broad that any known point beats it, and fits far off
are taken for the images' being foreign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from normscope.detection.patches import as_unit_range
from normscope.models.preprocessing.dark import used_by_images

if TYPE_CHECKING:
    from torch import Tensor

SCALES = ((0.7, np.log(0.3), 0.7), (0.3, np.log(10 / 255), 1.2))
"""Prior of an unknown log std: weight, mean and standard deviation of two normals.

The first is for pixels of [0, 1], the second for pixels of 0..255.
"""

MEAN_PRIOR = (0.45, 0.3)

OF_IMAGES = (0.5, 1.2, 0.7)
"""Of dark images: how likely constants have their size, how far a mean then lies from theirs, in
stds, and a log std. As wide, beside photographs, as the prior above."""


class Believed(NamedTuple):
    """One of several normal priors.

    Attributes:
        weight: Of it among all.
        centre: Means and log stds, shape ``(2 C,)``.
        precision: Likewise.
    """

    weight: float
    centre: np.ndarray
    precision: np.ndarray


class Sizes(NamedTuple):
    """Mean and std of images, by channel, on the scale of [0, 1]."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, images: Tensor) -> Sizes:
        """Of images, uint8 or in [0, 1], shape ``(N, C, H, W)``."""
        channels = (as_unit_range(channel) for channel in images.unbind(1))
        each = np.array([[float(channel.mean()), float(channel.std())] for channel in channels])
        return cls(*each.T)

    @property
    def used(self) -> float:
        """How large differences of brightness are beside those of photographs: at most 1."""
        return used_by_images(self.std)

    @property
    def prior(self) -> list[Believed]:
        """What is believed of unknown constants of such images."""
        channels = len(self.mean)
        usual = [
            Believed(
                weight,
                np.repeat([MEAN_PRIOR[0], centre], channels),
                np.repeat([MEAN_PRIOR[1] ** -2, spread**-2], channels),
            )
            for weight, centre, spread in SCALES
        ]
        if self.used == 1:
            return usual
        share, of_mean, of_log_std = OF_IMAGES
        return [
            *(each._replace(weight=(1 - share) * each.weight) for each in usual),
            Believed(
                share,
                np.concatenate([self.mean, np.log(self.std)]),
                np.concatenate([(of_mean * self.std) ** -2.0, np.full(channels, of_log_std**-2)]),
            ),
        ]
