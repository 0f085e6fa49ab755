"""A normalization moved into a first layer that meets raw pixels, and gradients moved back out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.normalization import Normalization


@dataclass(frozen=True)
class Fold:
    """The normalization of each model of a stack, ready to be folded.

    A convolution without padding is the same function before and after: with ``r`` the raw pixel,
    ``w ((r / scale) - mean) / std + b`` is ``(w slope) r + (b - sum(w offset))``. Training the
    folded weights themselves would be another experiment: an optimizer that looks at the size of
    gradients, as Adadelta does, takes another path there. So the gradient is taken through the
    fold.

    Attributes:
        slope: ``1 / (scale std)``, shape ``(models, 1, channels, 1, 1)``.
        offset: ``mean / std``, of the same shape.
    """

    slope: Tensor
    offset: Tensor

    @classmethod
    def of(
        cls,
        normalizations: Sequence[Normalization],
        channels: int,
        scale: float,
        like: Tensor,
    ) -> Fold:
        """Prepare the normalizations of a stack.

        Args:
            normalizations: One a model.
            channels: Channels of the images.
            scale: Divides a pixel to bring it to [0, 1].
            like: Gives the type and the device.

        Returns:
            The fold.
        """
        each = [normalization.for_channels(channels) for normalization in normalizations]
        shape = (len(each), 1, channels, 1, 1)
        mean = torch.tensor([n.mean for n in each], dtype=torch.float64).view(shape)
        std = torch.tensor([n.std for n in each], dtype=torch.float64).view(shape)
        return cls((1 / (scale * std)).to(like), (mean / std).to(like))

    def of_models(self, indices: Sequence[int]) -> Fold:
        """Those of some of the models."""
        kept = list(indices)
        return Fold(self.slope[kept], self.offset[kept])

    def into(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Fold.

        Args:
            weight: Of the first layers, shape ``(models, out, channels, height, width)``.
            bias: Shape ``(models, out)``.

        Returns:
            The weight and bias that raw pixels meet.
        """
        return weight * self.slope, bias - (weight * self.offset).sum((2, 3, 4))

    def gradient(self, weight: Tensor, bias: Tensor) -> Tensor:
        """The gradient of the unfolded weight; that of the bias is the same on both sides.

        Args:
            weight: Gradient of the folded weight.
            bias: Gradient of the folded bias.

        Returns:
            Shape of ``weight``.
        """
        return weight * self.slope - bias[:, :, None, None, None] * self.offset
