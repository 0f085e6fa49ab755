"""Padding in front of the first convolution, by a layer, a function or the convolution itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from normscope.deploy.folding import fold
from normscope.errors import NormscopeError
from tests.deploy.test_folding import RGB, assert_folds, normalized, raw


class Padded(nn.Module):
    """``functional.pad`` in front, as many networks have it that came from TensorFlow."""

    def __init__(self, *sides, value=0.0, **options):
        super().__init__()
        self.sides, self.value = sides, value
        self.layer = nn.Conv2d(3, 4, 3, stride=2, **options)

    def forward(self, images):
        return self.layer(functional.pad(images, self.sides, value=self.value))


class StaticSame(nn.Conv2d):
    """As the EfficientNets of lukemelas have it."""

    def __init__(self):
        super().__init__(3, 4, 3, stride=2)
        self.static_padding = nn.ZeroPad2d((0, 1, 0, 1))

    def forward(self, images):
        images = self.static_padding(images)
        return functional.conv2d(images, self.weight, self.bias, self.stride)


NETWORKS = {
    "a layer": nn.Sequential(nn.ZeroPad2d((0, 1, 2, 1)), nn.Conv2d(3, 4, 3, stride=2)),
    "a layer, and its own": nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, padding=1)
    ),
    "a value": nn.Sequential(nn.ConstantPad2d((0, 1, 2, 1), -0.7), nn.Conv2d(3, 4, 3)),
    "a function": Padded(0, 1, 0, 1),
    "a function, and its own": Padded(0, 1, 2, 1, padding=1),
    "a function with a value": Padded(2, 1, 0, 1, value=0.3),
    "a function that crops": Padded(-1, 1, 0, -2),
    "in the convolution": StaticSame(),
    "same of even kernels": nn.Conv2d(3, 4, 4, padding="same"),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", NETWORKS)
def test_padding_in_front_is_folded(name):
    folded = assert_folds(NETWORKS[name], RGB, 3, (13, 10))
    assert "PaddedConvolution" in {plan["kind"] for plan in folded.changes.values()}


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 3), (2, 1)])
def test_tensorflow_s_same_follows_the_size(kernel, stride):
    layers = pytest.importorskip("timm.layers")
    model = nn.Sequential(layers.Conv2dSame(3, 4, kernel, stride), nn.ReLU()).double().eval()
    folded = fold(model, RGB, image_size=(14, 14))
    for size in ((14, 14), (15, 14), (17, 16)):
        pixels = raw(3, *size)
        with torch.no_grad():
            expected = model(normalized(pixels, RGB, 3))
            found = folded.model(pixels)
        assert expected.std() > 0
        assert (found - expected).abs().max() < 1e-10


def test_a_layer_that_pads_twice_stays():
    pad = nn.ZeroPad2d(1)
    model = nn.Sequential(pad, nn.Conv2d(3, 3, 3), pad, nn.Conv2d(3, 3, 3))
    assert_folds(model, RGB, 3, (9, 9))


class ByHalf(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, images):
        return self.layer(functional.pad(images, [images.shape[-1] // 2] * 4))


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3)

    def forward(self, images):
        padded = functional.pad(images, [1] * 4)
        return self.layer(padded) + padded[..., 1:-1, 1:-1]


class WithAnswer(nn.Conv2d):
    def forward(self, images):
        return functional.conv2d(images, self.weight, self.bias).relu()


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (ByHalf(), "padding in front of layer depends on the size of the image"),
        (Both(), "the network computes with the pixels by 'add'"),
        (WithAnswer(3, 4, 3), "the network computes with the pixels by 'WithAnswer'"),
    ],
)
def test_other_padding_is_refused_with_why(model, why):
    with pytest.raises(NormscopeError) as caught:
        fold(model, RGB, image_size=7)
    assert str(caught.value) == (
        "only convolutions, linear layers and BatchNorms whose weights can be changed may read the "
        f"pixels, for an exact fold; here {why}. Keep the normalization outside the model."
    )
