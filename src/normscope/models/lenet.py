"""The notebook's LeNet, for images of any size and number of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from torch import Tensor

KERNEL = 3
"""Side of both convolutions' kernels."""

HIDDEN, MAPS = 32, 64
"""Channels behind the first and the second convolution."""

SMALLEST = 6
"""Two valid 3 x 3 convolutions and a 2 x 2 pooling leave nothing of fewer pixels."""


class LeNet(nn.Module):
    """Two convolutions and two linear layers with dropout: 1.2 million weights on MNIST.

    The network of the PyTorch MNIST example (https://github.com/pytorch/examples, ``mnist``),
    which the notebook trains (Perrinet, 2024, doi:10.5281/zenodo.14602370).

    Args:
        channels: Channels of the images.
        classes: How many outputs.
        image_size: Height and width in pixels.
        batchnorm: Whether a BatchNorm follows each convolution: ``lenet-bn``, which starts from
            the same weights.

    Raises:
        NormscopeError: If the images are smaller than 6 x 6.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        image_size: tuple[int, int] = (28, 28),
        *,
        batchnorm: bool = False,
    ) -> None:
        super().__init__()
        height, width = image_size
        if min(height, width) < SMALLEST:
            raise NormscopeError(
                f"lenet must be given images of at least {SMALLEST} x {SMALLEST} pixels, "
                f"got {width} x {height}. Enlarge the images or choose another --model."
            )
        self.conv1 = nn.Conv2d(channels, HIDDEN, KERNEL)
        self.conv2 = nn.Conv2d(HIDDEN, MAPS, KERNEL)
        self.bn1 = nn.BatchNorm2d(HIDDEN) if batchnorm else nn.Identity()
        self.bn2 = nn.BatchNorm2d(MAPS) if batchnorm else nn.Identity()
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(MAPS * ((height - 4) // 2) * ((width - 4) // 2), 128)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities ``(N, classes)`` of normalized images ``(N, C, H, W)``."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.dropout1(F.max_pool2d(x, 2)).flatten(1)
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)
