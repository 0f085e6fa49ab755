from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional


@pytest.fixture(scope="session")
def coloured_images():
    """Smooth random colour images, uint8, whose channels differ as a photograph's do."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(200, 3, 5, 5, generator=generator)
    brightness = torch.rand(200, 1, 1, 1, generator=generator)
    mixed = 0.5 * coarse + 0.3 * coarse.mean(1, keepdim=True) + 0.2 * brightness
    levels = torch.tensor([0.9, 0.7, 0.5]).reshape(3, 1, 1)
    fine = functional.interpolate(mixed * levels, size=(20, 20), mode="bicubic")
    noise = 0.05 * torch.randn(fine.shape, generator=generator)
    return ((fine + noise).clamp(0, 1) * 255).round().to(torch.uint8).numpy()


@pytest.fixture
def checkpoint(coloured_images):
    """Builds a network whose running averages come from normalized images."""

    def build(mean, std, *, order="rgb", layers=None, filters=16, shown=None):
        torch.manual_seed(1)
        channels = len(mean)
        model = nn.Sequential(
            *(layers or [nn.Conv2d(channels, filters, 3, 2, 1)]), nn.BatchNorm2d(filters), nn.ReLU()
        )
        images = coloured_images[:, :channels] if shown is None else shown
        pixels = torch.from_numpy(np.array(images)).double() / 255
        mean, std = (torch.tensor(v, dtype=torch.float64).reshape(-1, 1, 1) for v in (mean, std))
        normalized = (pixels - mean) / std
        model.double().train()
        model[-2].momentum = None
        with torch.no_grad():
            for batch in (normalized.flip(1) if order == "bgr" else normalized).split(100):
                model(batch)
        model[-2].momentum = 0.1
        return model.eval()

    return build
