"""Large images take much memory for each, so fewer are looked at together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from normscope.images.decoded import LabelledImages
from normscope.trials.running import run_trial

SIDE, IMAGES = 200, 40

tested: list[int] = []


class Counting(nn.Sequential):
    """Notes how many images it is tested on at a time."""

    def __init__(self, channels, classes):
        super().__init__(
            nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes)
        )

    def forward(self, x):
        if not self.training:
            tested.append(len(x))
        return super().forward(x)


@pytest.mark.parametrize("trainer", ["plain", "fast"])
@pytest.mark.parametrize("survival", [False, True])
def test_few_large_images_are_tested_together(digits, spec, trainer, survival):
    drawn = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, SIDE, SIDE), np.uint8)
    images = LabelledImages(drawn, np.arange(IMAGES) % 10)
    source = replace(digits, scale=255.0, train=images, validation=images, test=images)
    model = f"{__name__}:Counting"
    tested.clear()
    spec = replace(spec, model=model, trainer=trainer, survival=survival)
    run_trial(replace(spec, recipe=replace(spec.recipe, epochs=1)), source)
    assert sum(tested) >= 2 * IMAGES
    assert max(tested) * SIDE**2 <= 2**19
