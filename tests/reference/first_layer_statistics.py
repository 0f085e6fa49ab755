"""Mean and variance of a first layer's outputs, by running it on normalized images.

The views of an image are cut here, in NumPy; only the places are drawn as the code under test says
that it draws them.
"""

from __future__ import annotations

import numpy as np
import torch

VIEWS = 8
"""Of every image where crops are drawn."""


def statistics_by_running(layer, images, margin, after, flip, phi, order, batch_size):
    """What BatchNorm would see in batches of so many images, on average."""
    mean, std = np.split(np.asarray(phi), 2)
    mean, std = mean.reshape(-1, 1, 1), np.exp(std).reshape(-1, 1, 1)
    outputs = []
    for image, places in zip(images.numpy() / 255, _places(len(images), margin, flip), strict=True):
        shown = np.stack(
            [
                _view(image, mean, std, margin, after, place, mirrored=flip and number % 2 == 1)
                for number, place in enumerate(places)
            ]
        )
        shown = shown[:, ::-1].copy() if order == "bgr" else shown
        outputs.append(layer(torch.from_numpy(shown)).detach().movedim(1, 0).flatten(1).numpy())
    stacked = np.stack(outputs)
    of_images = stacked.mean(2)
    between = of_images.var(0, ddof=1)
    total = stacked.transpose(1, 0, 2).reshape(stacked.shape[1], -1)
    variance = total.var(1) + between / len(images) - between / batch_size
    return total.mean(1), variance


def _places(images, margin, flip):
    views = VIEWS if margin else 1 + flip
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 2 * margin + 1, (images, views, 2), generator=generator).tolist()


def _view(image, mean, std, margin, after, place, *, mirrored):
    """Pad with black and normalize, or normalize and pad with zeros; then crop."""
    first, later = (0, margin) if after else (margin, 0)
    padded = np.pad((np.pad(image, _around(first)) - mean) / std, _around(later))
    height, width = image.shape[1:]
    row, column = place
    crop = padded[:, row : row + height, column : column + width]
    return crop[:, :, ::-1] if mirrored else crop


def _around(margin):
    return (0, 0), (margin, margin), (margin, margin)
