"""Small networks with fixed weights, for the recorded runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _drawn(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network


def plain(classes: int = 3) -> nn.Module:
    """A convolution with a border, and a linear layer."""
    return _drawn(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(8, classes),
        )
    )  # fmt: skip


def images() -> Tensor:
    """Smooth random colour images, uint8, shape ``(48, 3, 24, 24)``."""
    generator = torch.Generator().manual_seed(7)
    coarse = torch.rand(48, 3, 4, 4, generator=generator)
    levels = torch.tensor([0.9, 0.7, 0.5]).reshape(3, 1, 1)
    fine = nn.functional.interpolate(coarse * levels, size=(24, 24), mode="bilinear")
    noise = 0.05 * torch.randn(fine.shape, generator=generator)
    return ((fine + noise).clamp(0, 1) * 255).round().to(torch.uint8)


def met_half(classes: int = 3) -> nn.Module:
    """A network whose BatchNorm's running averages come from ``images`` under 0.5/0.5."""
    network = _drawn(
        nn.Sequential(
            nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, classes),
        )
    )  # fmt: skip
    network[1].momentum = None
    with torch.no_grad():
        shown = (images() / 255 - 0.5) / 0.5
        network.train()(shown)
        network[1].momentum = 0.1
        # No class is the answer to every image.
        network[-1].bias -= network.eval()(shown).mean(0)
    return network
