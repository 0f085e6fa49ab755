"""Constants are measured in the images' own spread, however dark they are."""

from __future__ import annotations

import numpy as np
import torch

from normscope.detection.by_labels import spread


def test_darker_images_have_as_much_less():
    pixels = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    bright = spread(pixels)
    np.testing.assert_array_equal(bright, pixels.std((0, 2, 3)).double())
    np.testing.assert_array_equal(spread(pixels / 256), bright / 256)


def test_a_channel_that_hardly_varies_is_measured_in_part_of_another():
    pixels = torch.rand(4, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    pixels[:, 1] = 0.5
    found = spread(pixels)
    np.testing.assert_allclose(found[1], 0.03 * found[0])
    assert spread(pixels[:, 1:]).tolist() == [0.01]
