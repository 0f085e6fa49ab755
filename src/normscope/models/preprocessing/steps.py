"""What libraries do to bytes, step by step, as one normalization."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Sequence

BYTE = 255
ROUNDED = 1e-6
"""How far 255 times a factor is from a whole number where it was written in few digits."""


@dataclass(frozen=True)
class Steps:
    """Bytes are multiplied, shifted, normalized and divided once more, in this order.

    Attributes:
        factor: What bytes of 0..255 are multiplied by.
        offset: What is added then.
        mean: What is subtracted then, one number or one per channel.
        std: What that is divided by.
        again: What that is divided by.
    """

    factor: float = 1 / BYTE
    offset: float = 0.0
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    again: float | Sequence[float] = 1.0

    def normalization(self) -> Normalization:
        """All of it as one normalization of pixels of [0, 1].

        Returns:
            ``(pixel - mean) / std`` with the same result.

        Raises:
            NormscopeError: If a value is not finite, the factor is 0, or a std is not above 0.
            ChannelMismatch: If the numbers of channels differ.

        Example:
            >>> str(Steps(factor=1 / 127.5, offset=-1).normalization())
            '0.5/0.5'
        """
        scale = BYTE * self.factor
        if not 0 < abs(scale) < math.inf:
            raise NormscopeError(
                f"pixels must be rescaled by a number that is not 0, got {self.factor}. Mend it."
            )
        if abs(scale - round(scale)) < ROUNDED * scale:
            scale = round(scale)
        given = Normalization(self.mean, self.std)
        again = Normalization(0.0, self.again).for_channels(given.channels).std
        with np.errstate(all="ignore"):  # what is not finite is refused below
            means = (np.asarray(given.mean) - self.offset) / scale
            stds = np.asarray(given.std) * again / scale
        return Normalization(means.tolist(), stds.tolist())
