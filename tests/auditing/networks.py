"""Networks with fixed weights, and transforms, that audits in the tests name."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

TINTS = np.random.default_rng(1).uniform(80, 170, (6, 3))
"""The mean colour of each class."""

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def _drawn(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network


class NearestTint(nn.Module):
    """Finds the class of the nearest mean colour, and is led astray a little by the details."""

    def __init__(self, channels: int = 3, batchnorm: bool = False) -> None:
        super().__init__()
        convolution, rest = nn.Conv2d(channels, 12, 5, stride=2), nn.Conv2d(12, 12, 3)
        self.details = _drawn(
            nn.Sequential(
                convolution, nn.ReLU(), rest, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                nn.Linear(12, len(TINTS)),
            )
        )  # fmt: skip
        if batchnorm:
            self.details[1] = nn.Sequential(nn.BatchNorm2d(12), nn.ReLU())
        tints = torch.tensor((TINTS / 255 - MEAN) / STD)[:, :channels].float()
        self.register_buffer("tints", tints)

    def forward(self, images: Tensor) -> Tensor:
        colours = images.mean((2, 3))
        return 0.3 * self.details(images) - (colours[:, None] - self.tints).square().sum(2)


def small() -> nn.Module:
    """A network without BatchNorm."""
    return NearestTint()


def with_batchnorm() -> nn.Module:
    """One with a BatchNorm whose running statistics are 0 and 1."""
    return NearestTint(batchnorm=True)


def flat(classes: int = 6) -> nn.Module:
    """Takes images of 32 x 32 alone."""
    return _drawn(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes)))


def grey() -> nn.Module:
    """Takes one channel."""
    return NearestTint(1)


def picture(image_size: tuple[int, int]) -> nn.Module:
    """No classifier: gives an image."""
    return nn.Conv2d(3, 3, 1)


class Refusing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        raise RuntimeError("no image is good enough\nat all")


_prepare = [v2.ToImage(), v2.Resize(40, antialias=True), v2.CenterCrop(32)]
_scale = v2.ToDtype(torch.float32, scale=True)
right = v2.Compose([*_prepare, _scale, v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
copied = v2.Compose([*_prepare, _scale, v2.Normalize([0.485, 0.456, 0.406], [0.485, 0.456, 0.406])])
squashed = v2.Compose(
    [
        v2.ToImage(),
        v2.Resize((32, 32), antialias=True),
        _scale,
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
unnormalized = v2.Compose([*_prepare, _scale])
as_bytes = v2.Compose(_prepare)
larger = v2.Compose([v2.ToImage(), v2.Resize((50, 50), antialias=True), _scale])
flat_vector = v2.Compose([unnormalized, v2.Lambda(torch.flatten)])
NOT_CALLABLE = 3


def uneven(image) -> Tensor:
    """Gives tensors of various sizes."""
    return v2.functional.to_dtype(v2.functional.to_image(image), torch.float32, scale=True)


def failing(image) -> Tensor:
    raise ValueError("this transform is broken")


def not_a_number(image) -> Tensor:
    return uneven(image) / 0 * 0
