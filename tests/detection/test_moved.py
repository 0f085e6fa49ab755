"""The linear system is of the image itself; networks that move its pixels first are measured."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

import normscope
from normscope.detection.target import find_target
from normscope.errors import NormscopeError
from tests.deploy.test_entries import StandardizedWeights

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Does(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images)


@pytest.mark.parametrize(
    "front",
    [
        nn.ReflectionPad2d(2),
        Does(lambda images: images[..., ::2, ::2]),
        Does(lambda images: images[..., 3:-3, 3:-3]),
        Does(lambda images: images.mT),
        Does(lambda images: images / 2 + 1),
    ],
)
def test_moved_pixels_are_measured(checkpoint, front):
    model = checkpoint(*IMAGENET, layers=[front, nn.Conv2d(3, 16, 3, 2)])
    target = find_target(model, 3, (20, 20), 100)
    assert (target.name, target.convolution) == ("2", None)


def test_pixels_in_another_order_are_not(checkpoint):
    layers = [Does(lambda images: images.flip(1)), nn.Conv2d(3, 16, 3, 2)]
    target = find_target(checkpoint(*IMAGENET, layers=layers), 3, (20, 20), 100)
    assert target.convolution_name == "1"


def test_subsampled_pixels_tell_their_normalization(checkpoint, coloured_images):
    # Neighbours of what the convolution reads differ by more than neighbours of the image do.
    layers = [Does(lambda images: images[..., ::4, ::4]), nn.Conv2d(3, 16, 3)]
    found = normscope.detect(
        checkpoint(*IMAGENET, layers=layers), coloured_images, batch_size=100, device="cpu",
        augmentation="none",
    )  # fmt: skip
    assert found.verdict == "imagenet"
    assert np.allclose(found.fitted.normalization.std, IMAGENET[1], rtol=0.05)


def test_standardized_weights_are_those_that_are_met(checkpoint, coloured_images):
    model = checkpoint(*IMAGENET, layers=[StandardizedWeights(3, 16, 3, 2)])
    found = normscope.detect(
        model, coloured_images, batch_size=100, device="cpu", augmentation="none"
    )
    assert (found.verdict, found.layer, found.notes) == ("imagenet", "0", ())
    assert np.allclose(found.fitted.normalization.std, IMAGENET[1], rtol=0.05)


def refuse(images):
    raise AssertionError(f"Input height ({images.shape[2]}) doesn't match model (224)")


def test_what_a_network_says_of_a_size_is_passed_on(coloured_images):
    model = nn.Sequential(Does(refuse), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(NormscopeError) as caught:
        normscope.detect(model, coloured_images, device="cpu")
    assert str(caught.value) == (
        "the model must take images of shape (3, 20, 20), got: Input height (20) doesn't match "
        "model (224). Give resize and crop as in its evaluation, and channels='rgb' for grey "
        "images of a colour network."
    )
