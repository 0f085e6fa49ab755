import numpy as np
import pytest
import torch

from normscope.images.decoded import LabelledImages
from normscope.normalization import Normalization
from normscope.trials.augmentation import MARGIN, Augmentation
from normscope.trials.pixels import ResidentImages


def slow_crops(pixels, padding, normalization, seed):
    """The same crops image by image, with padding in memory."""
    generator = torch.Generator().manual_seed(seed)
    count, _, height, width = pixels.shape
    places = torch.randint(-MARGIN, MARGIN + 1, (2, count, 1), generator=generator)[..., 0]
    flips = torch.rand(count, 1, generator=generator)[:, 0] < 0.5
    out = []
    for image, row, column, flip in zip(pixels, *places.tolist(), flips.tolist(), strict=True):
        values = image / 255
        if padding == "after":
            values = normalization.normalize(values)
        margin = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)]
        values = np.pad(values, margin)
        values = values[:, MARGIN + row :, MARGIN + column :][:, :height, :width]
        values = values[:, :, ::-1] if flip else values
        out.append(normalization.normalize(values) if padding == "before" else values)
    return np.stack(out)


@pytest.mark.parametrize("padding", ["before", "after"])
def test_crops_are_those_of_a_slow_loop(spec, padding):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 7, 9), np.uint8)
    normalization = Normalization((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    from dataclasses import replace

    trial = replace(spec, normalization=normalization)
    images = ResidentImages(LabelledImages(pixels, np.arange(20)), 255.0, trial)
    augmentation = Augmentation(padding, torch.Generator().manual_seed(4))
    batch, labels = images.batch(torch.arange(20), augmentation)
    np.testing.assert_array_equal(labels, np.arange(20))
    expected = slow_crops(pixels, padding, normalization, seed=4)
    np.testing.assert_allclose(batch.numpy(), expected, rtol=1e-5, atol=1e-6)
