"""Recorded networks, with BatchNorms folded into convolutions, against the plain ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from normscope.models.batchnorm import has_batchnorm
from normscope.models.fused import batchnorms, fold, fused, traced
from normscope.models.resnet20 import ResNet20


def settled(network):
    """With running statistics that are not 0 and 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network.eval()


def agree(network, other, shape=(2, 3, 16, 16)):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images), other(images), rtol=1e-4, atol=1e-4)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_batchnorm_is_folded():
    model = settled(ResNet20())
    folded = fused(model)
    assert not has_batchnorm(folded)
    assert has_batchnorm(model)
    agree(folded, model)


def test_a_network_without_batchnorm_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    assert fused(model) is model


def test_what_cannot_be_recorded_stays_as_it_is():
    class Deciding(nn.Module):
        def __init__(self):
            super().__init__()
            self.bn = nn.BatchNorm2d(3)

        def forward(self, x):
            return self.bn(x) if x.sum() > 0 else x

    model = Deciding().eval()
    assert traced(model) is None
    assert fused(model) is model


def test_recording_leaves_nothing_in_the_network():
    class Keeping(nn.Module):
        seen = None

        def forward(self, x):
            self.seen = x
            return x + 1

    model = Keeping()
    assert traced(model) is not None
    assert model.seen is None


def doubled(_, given, kwargs):
    return (given[0] * 2,), kwargs


@pytest.mark.parametrize(
    "hook",
    [
        lambda model: model.register_forward_pre_hook(lambda _, given: (given[0] * 2,)),
        lambda model: model.register_forward_pre_hook(doubled, with_kwargs=True),
        lambda model: model.register_forward_hook(lambda _, given, y: y * 2),
        lambda model: model.register_forward_hook(
            lambda _, given, kwargs, y: y * 2, with_kwargs=True
        ),
    ],
    ids=["before", "before, keywords", "after", "after, keywords"],
)
def test_a_recorded_network_has_the_hooks_of_the_plain_one(hook):
    model = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    hook(model)
    folded = fused(model)
    assert not has_batchnorm(folded)
    agree(folded, model)


class Twice(nn.Module):
    """One convolution with two BatchNorms behind it."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.second(self.convolution(self.first(self.convolution(x))))


class Needed(nn.Module):
    """A convolution that something else needs too."""

    def __init__(self):
        super().__init__()
        self.convolution, self.batchnorm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.convolution(x)
        return self.batchnorm(y) + y


class Named(nn.BatchNorm2d):
    """A BatchNorm of another library, which does more."""

    def forward(self, x):
        return super().forward(x).relu()


def hooked():
    convolution = nn.Conv2d(3, 4, 3)
    convolution.register_forward_pre_hook(lambda _, given: (given[0] + 1,))
    return nn.Sequential(convolution, nn.BatchNorm2d(4))


@pytest.mark.parametrize(
    "build",
    [Twice, Needed, hooked, lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Named(4))],
    ids=["called-twice", "needed", "hooked", "named"],
)
def test_what_cannot_be_folded_is_kept(build):
    model = settled(build())
    network = traced(model)
    found = list(batchnorms(network))
    assert found
    assert [fold(network, node) for node, _ in found] == [None] * len(found)
    agree(fused(model), model)


def test_several_threads_run_one_recorded_network():
    model = settled(ResNet20())
    network = fused(model)
    images = torch.rand(24, 3, 16, 16)
    with torch.inference_mode():
        expected = network(images)
        with ThreadPoolExecutor(4) as pool:
            found = torch.cat(list(pool.map(network, images.split(3))))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
