"""How deep the files' pixels are, how much of it they use, and which value is white."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.images.decode import decode_for_networks
from normscope.images.pixels import UnreadableImage
from normscope.images.scale import white_of

if TYPE_CHECKING:
    from normscope.images.originals import Originals

FURTHEST = 20
"""Standard deviations that no normalized pixel lies further from 0."""

OVERSHOOT = 2.0
"""Floats of [0, 1] reach no further where they are resized, sharpened, or calibrated."""

UNDERSHOOT = -0.3
"""The same below 0."""

NORMALIZED_MEAN, NORMALIZED_STD = 1.0, (0.1, 2.5)
"""Of normalized pixels: how far their mean lies from 0 at most, and how wide they spread."""

TIMES = 4
"""What is said to be white is believed within this factor of the largest value."""


@dataclass(frozen=True)
class Depth:
    """How deep pixels are, and how much of it they use.

    Attributes:
        limit: The largest value that their type holds; 1 for floats.
        top: The largest value that is met.
        low: The smallest.
        whole: Whether all are whole numbers.
        mean: Of the values.
        std: Of the values.
        said: What the user divides them by, or None.
    """

    limit: float = 255
    top: float = 255
    low: float = 0
    whole: bool = True
    mean: float = 0
    std: float = 0
    said: float | None = None

    @property
    def deep(self) -> bool:
        """Whether they are of more than 8 bits."""
        return self.limit != 255

    @property
    def full(self) -> float:
        """The value of white: what is said, or the largest of as many bits as are used."""
        told = self._likely
        if self.said is None or told == 255 or abs(told / self.said - 1) < 1 / 64:
            return told
        return self.said if self.top / TIMES <= self.said <= TIMES * self.top else told

    @property
    def _likely(self) -> float:
        if self.limit != 1:
            return self.limit if 2 * self.top > self.limit else white_of(self.top, self.limit)
        if self.top <= OVERSHOOT:
            return 1.0
        # Bytes as floats; resized ones are no whole numbers.
        return 255.0 if 127 < self.top <= 256 else white_of(self.top, math.inf)

    @property
    def cut(self) -> bool:
        """Whether floats of [0, 1] leave it by a little."""
        return self.full == self.limit == 1 and not 0 <= self.low <= self.top <= 1

    @property
    def unknown(self) -> bool:
        """Whether nothing tells which value is white."""
        beyond = self.limit == 1 and self.top > OVERSHOOT and self._likely != 255
        return beyond and not self.whole and self.said is None

    @property
    def usual(self) -> bool:
        """Whether white is that of bits that cameras have."""
        return self.limit == 1 or int(self.top).bit_length() in {*range(9), 10, 12, 14, 16}

    @property
    def no_pixels(self) -> bool:
        """Whether they cannot be what a camera or a scanner counts."""
        return self.low < (UNDERSHOOT if self.limit == 1 and self.top <= OVERSHOOT else 0)

    @property
    def normalized_already(self) -> bool:
        """Whether they are as close to 0, and as wide, as normalized pixels."""
        least, most = NORMALIZED_STD
        near = max(-self.low, self.top) <= FURTHEST and abs(self.mean) <= NORMALIZED_MEAN
        return self.no_pixels and self.limit == 1 and near and least <= self.std <= most

    @property
    def in_words(self) -> str:
        """Such as ``16 bits, of which 12 are used (values to 4095)``."""
        if self.limit == 1:
            return f"floats from {self.low:.4g} to {self.top:.4g}"
        if self.no_pixels:
            return f"integers from {self.low:g} to {self.top:g}"
        bits, used = int(self.limit).bit_length(), int(self.top).bit_length()
        signed = bits % 2 == 1
        some = f", of which {used} are used (values to {self.top:g})" if used < bits else ""
        return f"{'signed ' * signed}{bits + signed} bits{some}"


def depth_of(originals: Originals, said: float | None = None) -> Depth:
    """How deep the images are; where the first is of 8 bits, no other is read.

    Args:
        originals: The images.
        said: What the user divides them by, or None.

    Returns:
        Their depth.
    """
    limit, top, low, whole = 255.0, -math.inf, math.inf, True
    sums = np.zeros(3)
    for image in originals.images:
        try:
            decoded = decode_for_networks(image.read())
        except UnreadableImage:
            continue
        values = decoded.values
        if values.dtype == np.uint8:
            break
        if not np.isfinite(values).all():
            continue  # it will be skipped
        if decoded.valid is not None:
            values = values[np.broadcast_to(decoded.valid, values.shape)]
        if not values.size:
            continue
        integers = values.dtype.kind in "iu"
        limit = float(np.iinfo(values.dtype).max) if integers else 1.0
        top, low = max(top, float(values.max())), min(low, float(values.min()))
        whole = whole and (integers or bool((values == np.rint(values)).all()))
        floats = values.astype(np.float64)
        sums += [floats.size, floats.sum(), np.square(floats).sum()]
    if limit == 255:
        return Depth()
    mean = sums[1] / sums[0]
    std = math.sqrt(max(0.0, sums[2] / sums[0] - mean**2))
    return Depth(limit, top, low, whole, float(mean), std, said)
