"""What happens to each channel of the pixels before the first layer: a factor and an offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from normscope.normalization import Normalization


@dataclass(frozen=True)
class Affine:
    """The map ``factor * pixel + offset``, channel by channel, in float64.

    Attributes:
        factor: Shape ``(C,)``.
        offset: Shape ``(C,)``.
    """

    factor: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, normalization: Normalization, channels: int) -> Affine:
        """The map that a normalization is.

        Args:
            normalization: With one value, or one per channel.
            channels: Channels of the images.

        Returns:
            ``pixel / std - mean / std``.
        """
        each = normalization.for_channels(channels)
        return cls.normalizing(each.mean, each.std)

    @classmethod
    def normalizing(cls, mean: ArrayLike, std: ArrayLike) -> Affine:
        """The map ``(pixel - mean) / std``.

        Args:
            mean: One number per channel.
            std: Likewise; it need not be above 0.

        Returns:
            The map.

        Example:
            >>> Affine.normalizing([0.5], [0.25])
            Affine(factor=array([4.]), offset=array([-2.]))
        """
        factor = 1 / np.asarray(std, float)
        return cls(factor, -np.asarray(mean, float) * factor)

    def then(self, later: Affine) -> Affine:
        """This map followed by another."""
        return Affine(later.factor * self.factor, later.factor * self.offset + later.offset)

    def behind(self, other: Affine) -> Affine:
        """The map of what another map makes of pixels that does to it what this does to pixels.

        Args:
            other: A map that is applied first, and stays.

        Returns:
            The map ``m`` for which ``m(other(pixel))`` is ``other(self(pixel))``.

        Example:
            >>> two, three = np.array([2.0]), np.array([3.0])
            >>> Affine(two, three).behind(Affine(three, two))
            Affine(factor=array([2.]), offset=array([7.]))
        """
        offset = other.factor * self.offset + other.offset * (1 - self.factor)
        return Affine(self.factor, offset)

    def is_close(self, other: Affine) -> bool:
        """Whether another map of as many channels is the same, but for rounding."""
        return bool(
            np.allclose(self.factor, other.factor) and np.allclose(self.offset, other.offset)
        )

    def take(self, channels: Sequence[int]) -> Affine:
        """The map of some channels by their indices, in their order; an index may be repeated."""
        chosen = list(channels)
        return Affine(self.factor[chosen], self.offset[chosen])

    def into(self, weight: np.ndarray, groups: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The weights of a layer that does this map itself, and what its bias gains.

        Args:
            weight: Shape ``(K, C / groups, ...)``: outputs, inputs and a kernel's places.
            groups: Parts of the inputs that different outputs read.

        Returns:
            float64, the weights' shape and ``(K,)``.

        Example:
            >>> Affine.normalizing([0.5], [0.25]).into(np.array([[[1.0, 2.0]]]))
            (array([[[4., 8.]]]), array([-6.]))
        """
        wide = np.asarray(weight, np.float64)
        each = wide.reshape(groups, len(wide) // groups, wide.shape[1], -1)
        factor, offset = (v.reshape(groups, 1, -1, 1) for v in (self.factor, self.offset))
        return (each * factor).reshape(wide.shape), (each * offset).sum((2, 3)).ravel()

    def becoming(self, value: float) -> np.ndarray:
        """The pixel value that becomes a number in each channel; not finite where none does."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.offset == value, 0.0, (value - self.offset) / self.factor)

    @property
    def zeros(self) -> np.ndarray:
        """The pixel value that becomes zero in each channel."""
        return self.becoming(0.0)

    def __str__(self) -> str:
        """A formula of ``x``, one number where all channels have the same."""
        if (self.factor > 0).all():
            return f"(x - ({_listed(-self.offset / self.factor)})) / ({_listed(1 / self.factor)})"
        return f"x * ({_listed(self.factor)}) + ({_listed(self.offset)})"


def _listed(values: np.ndarray) -> str:
    shown = values[:1] if not np.ptp(values) else values
    return ", ".join(f"{value + 0:.6g}" for value in shown.tolist())
