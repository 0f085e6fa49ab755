"""What every implementation of a stack's two convolutions and pooling offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.models.stacked.sparse_features import SparseFeatures


class TrunkGradients(NamedTuple):
    """Gradients of a stack's convolutions, each of shape ``(models, ...)``.

    Attributes:
        weight1: Of the folded first weight.
        bias1: Of the folded first bias.
        weight2: Of the second weight.
        bias2: Of the second bias.
    """

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor


class Trunk(ABC):
    """Convolution, ReLU, convolution, pooling: from raw pixels to features before their ReLU.

    Pooling before ReLU gives what ReLU before pooling does, on a quarter of the numbers: both
    are monotone, and where a pooled value is not above 0 neither lets a gradient through.

    Features come in the order height, width, channel.
    """

    def __init__(self) -> None:
        self._saved: tuple[Tensor, ...] = ()

    @abstractmethod
    def forward(
        self, pixels: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        """Features of every image by every model.

        Args:
            pixels: Raw, shape ``(N, C, H, W)``, channels-last in memory.
            weight1: Folded, shape ``(models, 32, C, 3, 3)``.
            bias1: Folded, shape ``(models, 32)``.
            weight2: Shape ``(models, 64, 32, 3, 3)``.
            bias2: Shape ``(models, 64)``.

        Returns:
            Shape ``(models, N, features)``, which the caller may overwrite.
        """

    def kept(self, pixels: Tensor, *layers: Tensor, mask: Tensor) -> Tensor:
        """Features behind ReLU and dropout, which leaves its factor to what follows.

        Args:
            pixels: As for ``forward``.
            layers: Weights and biases, likewise.
            mask: What dropout keeps, bool, shape ``(N, features)``.

        Returns:
            As ``forward``.
        """
        return keep_(self.forward(pixels, *layers).relu_(), mask)

    def few(self, features: Tensor) -> SparseFeatures | None:  # noqa: ARG002 - for those that can
        """Features of which few are not 0, for products over these alone.

        Args:
            features: Behind ReLU and dropout, shape ``(models, N, features)``.

        Returns:
            None where the products over all are quicker.
        """
        return None

    def forget(self) -> None:
        """Free what the last ``forward`` keeps for gradients that nobody will ask for."""
        self._saved = ()

    @abstractmethod
    def backward(self, gradient: Tensor) -> TrunkGradients:
        """Gradients at the last ``forward``, once.

        Args:
            gradient: Of the features, shape ``(models, N, features)``.

        Returns:
            Those of the weights and biases.
        """


def keep_(numbers: Tensor, mask: Tensor) -> Tensor:
    """Multiply numbers by a mask, in place."""
    # The same product as with the mask itself, for which a CPU takes four times as long.
    return numbers.mul_(mask.view(torch.uint8))
