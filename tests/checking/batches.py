"""Pictures, and what is said of batches of them."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from normscope import watch
from normscope.checking.guarding import NormalizationWarning
from normscope.normalization import IMAGENET

MEAN, STD = (torch.tensor(v)[:, None, None] for v in (IMAGENET.mean, IMAGENET.std))


def pictures(count=48, size=32):
    """Smooth pictures that are redder than blue, as ImageNet's are."""
    drawn = np.random.default_rng(0)
    tint = np.array([0.55, 0.46, 0.36])[:, None, None]
    coarse = drawn.normal(tint, 0.3, (count, 3, 6, 6))
    smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse), size, mode="bicubic")
    return smooth.clamp(0, 1).float()


def said_of_loader(images, norm="imagenet", batch_size=16):
    loader = DataLoader(TensorDataset(images, torch.zeros(len(images))), batch_size)
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        seen = list(watch(loader, norm))
    assert len(seen) == len(loader) == len(watch(loader, norm))
    assert all(w.category is NormalizationWarning for w in met)
    return [str(w.message) for w in met]


def said_of_batch(batch, norm="imagenet", **options):
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        assert all(seen is batch for seen in watch([batch] * 3, norm, **options))
    assert all(w.category is NormalizationWarning for w in met)
    return [str(w.message) for w in met]
