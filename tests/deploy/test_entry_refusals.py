"""Networks whose pixels enter in ways that no exact fold has, and what is said of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from normscope.deploy.folding import fold
from normscope.errors import NormscopeError
from tests.deploy.refusals import no_fold
from tests.deploy.test_entries import By, convolution
from tests.deploy.test_folding import RGB


def hooked():
    layer = convolution()
    layer.register_forward_hook(lambda _, __, answer: answer.relu())
    return nn.Sequential(layer)


def turned():
    layer = convolution()
    layer.register_forward_pre_hook(lambda _, given: (given[0].flip(1),))
    return nn.Sequential(layer)


class Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = convolution()
        self.steps = [self.conv, torch.relu]

    def forward(self, images):
        for step in self.steps:
            images = step(images)
        return images


def asking(network, images):
    assert isinstance(network.conv, nn.Conv2d), "a Conv2d is needed"
    return network.conv(images)


class Gain(nn.Conv2d):
    def forward(self, images):
        answer = functional.conv2d(images, self.weight, self.bias, padding=self.padding)
        return answer.mul_(0.3)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (hooked(), "a hook changes what 0 gives"),
        (hooked()[0], "a hook changes what the model gives"),
        (turned(), "0 gives something else once it is changed"),
        (Hidden(), "conv gives something else once it is changed"),
        (
            By(asking, conv=convolution()),
            "the network no longer runs once conv is changed: a Conv2d is needed",
        ),
        (
            By(lambda m, x: m.conv(x / x.shape[2]), conv=convolution()),
            "what the network does to the pixels depends on the size of the image",
        ),
        (Gain(3, 4, 3, padding=1), "the network computes with the pixels by 'Gain'"),
        (
            By(
                lambda m, x: functional.conv_transpose2d(m.conv(x), m.conv.weight),
                conv=convolution(),
            ),
            "the weights of conv are used elsewhere too",
        ),
        (
            By(lambda m, x: m.conv(x) * (x[0, 0, 0, 0].item() > 1), conv=convolution()),
            "the network computes with the pixels by '_local_scalar_dense'",
        ),
        (
            By(lambda m, x: m.conv(x.int().float()), conv=convolution()),
            "the network computes with the pixels by '_to_copy'",
        ),
        (
            By(lambda m, x: m.conv(x) + m.conv(x[:, [2, 1, 0]]), conv=convolution()),
            "conv is used 2 times, each time for other channels",
        ),
        (
            By(lambda m, x: m.conv(x - torch.arange(8.0)), conv=convolution()),
            "channels meet in one of its features",
        ),
        (
            By(lambda m, x: m.conv(x[:, :, :1] - x[:, :, :1] * 2), conv=convolution()),
            "the network computes with the pixels by 'sub'",
        ),
    ],
)
def test_other_entries_are_refused_with_why(model, why):
    with pytest.raises(NormscopeError) as caught:
        fold(model, RGB, image_size=8)
    assert str(caught.value) == no_fold(why)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript_is_sent_to_its_file():
    with pytest.raises(NormscopeError) as caught:
        fold(torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8)), RGB, image_size=8)
    assert str(caught.value) == (
        "the model must have layers that can be replaced, got a TorchScript program. Save it and "
        "fold its file: normscope fold FILE.pt."
    )


def test_lazy_layers_are_refused():
    with pytest.raises(NormscopeError) as caught:
        fold(nn.Sequential(nn.LazyConv2d(4, 3)), RGB, image_size=8)
    assert str(caught.value) == (
        "the model's weights must be there, got lazy layers that have met no image. Run the model "
        "on one image first."
    )
