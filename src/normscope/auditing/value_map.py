"""What becomes of a pixel's channels on their way into a network: one affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.deploy.affine import Affine

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ValueMap:
    """``matrix @ pixel + shift``: every usual way to normalize, right or wrong, is one.

    Attributes:
        matrix: Shape ``(C, C)``, for pixels scaled to [0, 1].
        shift: Shape ``(C,)``.
    """

    matrix: np.ndarray
    shift: np.ndarray

    @classmethod
    def normalizing(cls, mean: ArrayLike, std: ArrayLike) -> ValueMap:
        """``(pixel - mean) / std``.

        Args:
            mean: One number per channel.
            std: Likewise.

        Returns:
            The map.

        Example:
            >>> ValueMap.normalizing([0.5], [0.25]).after(ValueMap.scaling(2, 1)).shift
            array([-2.])
        """
        each = Affine.normalizing(mean, std)
        return cls(np.diag(each.factor), each.offset)

    @classmethod
    def scaling(cls, factor: float, channels: int) -> ValueMap:
        """Every channel multiplied by one number."""
        return cls(factor * np.eye(channels), np.zeros(channels))

    @classmethod
    def reversing(cls, channels: int) -> ValueMap:
        """The channels in reverse order, as BGR for RGB."""
        return cls(np.eye(channels)[::-1], np.zeros(channels))

    def after(self, first: ValueMap) -> ValueMap:
        """This map applied to what another gives."""
        return ValueMap(self.matrix @ first.matrix, self.matrix @ first.shift + self.shift)

    def equals(self, other: ValueMap) -> bool:
        """Whether another map gives the same up to rounding."""
        scale = np.abs(self.matrix).max()
        return np.allclose(self.matrix, other.matrix, rtol=1e-9, atol=1e-9 * scale) and np.allclose(
            self.shift, other.shift, rtol=1e-9, atol=1e-9 * scale
        )

    def __call__(self, pixels: Tensor) -> Tensor:
        """Apply it to images.

        Args:
            pixels: Floating point in [0, 1], shape ``(N, C, H, W)``.

        Returns:
            The same shape and type.
        """
        import torch

        shift = pixels.new_tensor(self.shift).reshape(-1, 1, 1)
        if np.array_equal(self.matrix, np.diag(np.diag(self.matrix))):
            scale = pixels.new_tensor(np.diag(self.matrix)).reshape(-1, 1, 1)
            return torch.addcmul(shift, pixels, scale)
        return torch.einsum("ij,njhw->nihw", pixels.new_tensor(self.matrix), pixels).add_(shift)
