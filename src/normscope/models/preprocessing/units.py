"""Whether what a model does itself is meant for pixels of 0..255 or of [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

from normscope.models.preprocessing.between import same
from normscope.models.preprocessing.steps import BYTE
from normscope.normalization import BYTES, NONE, Normalization

LARGE = 20.0
"""A mean or std above it is in units of 0..255."""

RAW_MEAN = (-0.1, 1.1)
RAW_STD = 1.5
"""Where the mean, and below what the std, of pixels of [0, 1] must lie; torchvision's
``transform_input``, for one, takes pixels that are normalized already, and has a std above 2."""


@dataclass(frozen=True)
class InsideRead:
    """What a model's own first steps are.

    Attributes:
        normalization: For pixels of [0, 1]; None if they are not meant for pixels.
        takes: What the model is to be given, of 0..255 or [0, 1]; None where that is not known.
        nothing: Whether the steps change no value.
    """

    normalization: Normalization | None
    takes: Normalization | None
    nothing: bool = False


def in_units_of_01(done: Normalization | None, *, of_bytes: bool) -> InsideRead:
    """Read a map of the values that a model is given.

    Args:
        done: The map, as it is on images of 0..255 whose values are counted in 255ths; None where
            nothing is done.
        of_bytes: Whether the model takes integers.

    Returns:
        What that means for pixels of [0, 1].
    """
    takes = BYTES if of_bytes else None
    if done is None or same(done, BYTES):
        return InsideRead(None, takes, nothing=True)
    # In the units of the values themselves.
    means = [value * BYTE for value in done.mean]
    stds = [value * BYTE for value in done.std]
    if of_bytes or max(map(abs, [*means, *stds])) > LARGE:
        return InsideRead(done, BYTES)
    if all(RAW_MEAN[0] <= m <= RAW_MEAN[1] for m in means) and max(stds) < RAW_STD:
        return InsideRead(Normalization(means, stds), NONE)
    return InsideRead(None, None)
