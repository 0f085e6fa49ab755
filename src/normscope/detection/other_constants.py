"""Constants that nobody uses, beside which known ones must look better."""

from __future__ import annotations

from scipy.stats import qmc

from normscope.detection.candidates import RGB, Candidate
from normscope.normalization import Normalization

OTHERS = 48
LEAST_STD = 1 / 255


def other_constants(channels: int) -> list[Candidate]:
    """Means from 0 to 1 and stds from 1/255 to 1, the same for all channels.

    Spread evenly over both and never at random (Halton 1960, doi:10.1007/BF01386213), so that a
    network is always judged alike.

    Args:
        channels: Of the images.

    Returns:
        As candidates, without a name.
    """
    means, heights = qmc.Halton(2, scramble=False).random(OTHERS + 1)[1:].T
    return [
        Candidate("", Normalization(mean, std).for_channels(channels), RGB, usual=True)
        for mean, std in zip(means.tolist(), (LEAST_STD ** (1 - heights)).tolist(), strict=True)
    ]
