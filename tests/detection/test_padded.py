"""Padding in front of the first convolution is a part of the linear system."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import normscope
from normscope.detection.augmented_views import AssumedAugmentation
from normscope.detection.patches import response_moments
from normscope.detection.system import LinearSystem
from normscope.detection.target import find_target
from tests.reference.first_layer_statistics import statistics_by_running

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Padding(nn.Module):
    def __init__(self, *sides, value=0.0):
        super().__init__()
        self.sides, self.value = sides, value

    def forward(self, images):
        return functional.pad(images, self.sides, value=self.value)


FRONTS = {
    "a layer": [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 16, 3, 2)],
    "a function": [Padding(1, 2, 0, 1), nn.Conv2d(3, 16, 3, 2)],
    "a function, and its own": [Padding(0, 1, 0, 1), nn.Conv2d(3, 16, 3, 2, padding=1)],
}


def fronts():
    for name, layers in FRONTS.items():
        yield pytest.param(lambda layers=layers: layers, id=name)
    yield pytest.param(
        lambda: [pytest.importorskip("timm.layers").Conv2dSame(3, 16, 3, 2)], id="same"
    )


@pytest.mark.parametrize("front", list(fronts()))
def test_predictions_are_those_of_padding_and_layer(checkpoint, front):
    model = checkpoint(*IMAGENET, layers=front())
    images = torch.randint(256, (7, 3, 20, 20), dtype=torch.uint8)
    target = find_target(model, 3, (20, 20), 4)
    phi = np.r_[0.3, 0.5, 0.4, np.log([0.2, 0.3, 0.4])]
    mean, variance = statistics_by_running(model[:-2], images, 0, False, False, phi, "rgb", 4)
    first, second = response_moments(target.convolution, images, AssumedAugmentation())["rgb"]
    bias = target.convolution.bias.detach().numpy()
    system = LinearSystem(
        first, second, bias, type(target.averages)(mean, variance, batch_size=4, batches=19)
    )
    assert np.abs(system.residual(phi)).max() < 1e-10


@pytest.mark.parametrize("front", list(fronts()))
def test_the_network_is_not_run_for_it(checkpoint, coloured_images, front):
    model = checkpoint(*IMAGENET, layers=front())
    found = normscope.detect(
        model, coloured_images, batch_size=100, device="cpu", augmentation="none"
    )
    assert found.verdict == "imagenet"
    assert (found.layer, found.notes) == (str(len(model) - 3), ())
    assert np.allclose(found.fitted.normalization.std, IMAGENET[1], rtol=0.05)


def test_padding_by_another_value_is_measured(checkpoint):
    layers = [Padding(0, 1, 0, 1, value=0.5), nn.Conv2d(3, 16, 3, 2)]
    target = find_target(checkpoint(*IMAGENET, layers=layers), 3, (20, 20), 100)
    assert target.convolution is None
