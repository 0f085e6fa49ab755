"""The residual network of 20 layers for images of CIFAR's size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

PLANES = (16, 32, 64)
BLOCKS = 3
"""Residual blocks of two convolutions at each of the three widths."""


class ResNet20(nn.Module):
    """ResNet-20 with shortcuts that have no weights: 0.27 million weights in all.

    He et al., "Deep residual learning for image recognition", 2016 (arXiv:1512.03385), section
    4.2, with its shortcuts A. The names of its parts are those of the usual published weights
    (https://github.com/akamaster/pytorch_resnet_cifar10), so that these load.

    Args:
        channels: Channels of the images.
        classes: How many outputs.
    """

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, PLANES[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(PLANES[0])
        self.layer1 = _stage(PLANES[0], PLANES[0], stride=1)
        self.layer2 = _stage(PLANES[0], PLANES[1], stride=2)
        self.layer3 = _stage(PLANES[1], PLANES[2], stride=2)
        self.linear = nn.Linear(PLANES[2], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of normalized images ``(N, C, H, W)``."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Block(nn.Module):
    """Two convolutions beside a shortcut without weights.

    Args:
        before: Channels of the input.
        planes: Channels of the output.
        stride: Of the first convolution and the shortcut; more than 1 where channels grow.
    """

    def __init__(self, before: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.stride, self.new_planes = stride, planes - before

    def forward(self, x: Tensor) -> Tensor:
        """The block's output for an input of shape ``(N, C, H, W)``."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(self.shortcut(x) + y)

    def shortcut(self, x: Tensor) -> Tensor:
        """``x``, or where the shape changes every second pixel of it beside channels of zeros."""
        if self.stride == 1:
            return x
        half = self.new_planes // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))


def _stage(before: int, planes: int, stride: int) -> nn.Sequential:
    blocks = [Block(before, planes, stride)]
    blocks += [Block(planes, planes, 1) for _ in range(BLOCKS - 1)]
    return nn.Sequential(*blocks)
