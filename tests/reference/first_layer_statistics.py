"""Mean and variance of a first layer's outputs, by running it on normalized images."""

from __future__ import annotations

import numpy as np
import torch

from normscope.detection.augmented_views import Views


def statistics_by_running(layer, images, augmentation, phi, order, batch_size):
    """What BatchNorm would see in batches of so many images, on average."""
    views = Views.of(images.double() / 255, augmentation, 0)
    mean, std = np.split(np.asarray(phi), 2)
    mean, std = torch.tensor(mean).reshape(-1, 1, 1), torch.tensor(np.exp(std)).reshape(-1, 1, 1)
    outputs = []
    for pixels, inside in zip(views.pixels, views.inside, strict=True):
        shown = torch.where(inside > 0, (pixels - mean) / std, 0.0)
        shown = shown.flip(1) if order == "bgr" else shown
        outputs.append(layer(shown).detach().movedim(1, 0).flatten(1).numpy())
    stacked = np.stack(outputs)
    of_images = stacked.mean(2)
    between = of_images.var(0, ddof=1)
    total = stacked.transpose(1, 0, 2).reshape(stacked.shape[1], -1)
    variance = total.var(1) + between / len(images) - between / batch_size
    return total.mean(1), variance
