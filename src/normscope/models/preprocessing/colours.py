"""A normalization read off from what something does to images of one colour."""

from __future__ import annotations

import numpy as np

from normscope.models.preprocessing.claim import BGR, RGB
from normscope.models.preprocessing.steps import BYTE
from normscope.normalization import Normalization

AGREES = 1e-4
"""The largest difference in a value, which float32 computes, relative to the largest of all."""

SMALL = 0.02
"""A std below it is of pixels left in 0..255, or nearly so."""

OTHERS = (255, 51, 102, 204)
"""White, and what a mixed colour's channels have: they tell whether the map is affine."""


def colours(channels: int) -> np.ndarray:
    """Black, the full value of each channel alone, white, and a mixed colour.

    Args:
        channels: Of the images.

    Returns:
        Integers of 0..255, shape ``(channels + 3, channels)``.
    """
    mixed = [OTHERS[1 + channel % 3] for channel in range(channels)]
    alone = np.eye(channels, dtype=int) * BYTE
    return np.vstack([np.zeros((1, channels), int), alone, np.full((1, channels), BYTE), [mixed]])


def fitted(answers: np.ndarray) -> tuple[Normalization, str] | None:
    """The normalization that gives such answers to colours.

    Args:
        answers: What each of ``colours`` became, shape ``(channels + 3, channels)``.

    Returns:
        In units of [0, 1] and in the order of the colours' channels, with the order in which they
        come out (``"rgb"``: unchanged); None where no normalization does that.

    Raises:
        NormscopeError: If a std is below 0.

    Example:
        >>> fitted((colours(3) / 255 - 0.5) / 0.25)
        (Normalization.parse('0.5,0.5,0.5/0.25,0.25,0.25'), 'rgb')
    """
    if not np.isfinite(answers).all():
        return None
    channels = answers.shape[1]
    for order in (RGB, BGR) if channels == 3 else (RGB,):
        own = answers[:, ::-1] if order == BGR else answers
        slope = np.diagonal(own[1 : channels + 1] - own[0])
        expected = own[0] + colours(channels) / BYTE * slope
        if np.abs(expected - own).max() > AGREES * max(1e-3, np.abs(own).max()) or not slope.all():
            continue
        with np.errstate(all="ignore"):  # what is not finite is refused below
            mean, std = 0.0 - own[0] / slope, 1 / slope
        return Normalization(mean.tolist(), std.tolist()), order
    return None


def rounded(normalization: Normalization, digits: int = 6) -> Normalization:
    """A normalization without the digits that float32 left in it.

    Args:
        normalization: Measured.
        digits: Significant ones that are kept.

    Returns:
        The rounded one, with one value where all channels have the same; a mean that is nothing
        beside its std is 0, and stds are rounded in units of 1/255 where they are that small.
    """
    means = [
        0.0 if abs(m) < AGREES * s else float(f"{m:.{digits}g}")
        for m, s in zip(normalization.mean, normalization.std, strict=True)
    ]
    stds = [
        float(f"{s * BYTE:.{digits}g}") / BYTE if s < SMALL else float(f"{s:.{digits}g}")
        for s in normalization.std
    ]
    if len({*means}) == len({*stds}) == 1:
        return Normalization(means[0], stds[0])
    return Normalization(means, stds)
