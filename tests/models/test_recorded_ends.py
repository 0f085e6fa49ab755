"""Recorded networks with operations joined and outputs left out, against the plain ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from normscope.models.chosen_outputs import leave_out_other_outputs
from normscope.models.convolution_relu import ConvolutionReLU, join_convolutions_and_relus
from normscope.models.fused import traced
from normscope.models.outputs import SelectedOutputs

INDICES = [4, 0, 2]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def changed(model, change):
    """A recorded network after a change, which must give the same outputs."""
    network = traced(model.eval())
    change(network)
    network.recompile()
    images = torch.randn(2, 4, 9, 8)
    torch.testing.assert_close(network(images), model(images), rtol=1e-5, atol=1e-5)
    return network


class Functional(nn.Module):
    def __init__(self, relu=F.relu, again=False):
        super().__init__()
        self.convolution, self.relu, self.again = nn.Conv2d(4, 4, 3), relu, again

    def forward(self, x):
        y = self.convolution(x)
        return self.relu(y) + y if self.again else self.relu(y)


def hooked(*layers, which=0):
    network = nn.Sequential(*layers)
    network[which].register_forward_hook(lambda module, given, y: y + 1)
    return network


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0), bias=False), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(4, 6, 3, dilation=2, groups=2), nn.ReLU()),
        Functional(F.relu),
        Functional(torch.relu),
    ],
    ids=str,
)
def test_a_convolution_and_its_relu_become_one(model):
    network = changed(model, join_convolutions_and_relus)
    _, joined, output = network.graph.nodes
    assert isinstance(network.get_submodule(joined.target), ConvolutionReLU)
    assert output.all_input_nodes == [joined]


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(4, 6, 3, padding="same"), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), nn.ReLU()),
        hooked(nn.Conv2d(4, 6, 3), nn.ReLU()),
        hooked(nn.Conv2d(4, 6, 3), nn.ReLU(), which=1),
        nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU6()),
        nn.Sequential(nn.Identity(), nn.ReLU()),
        Functional(again=True),
    ],
    ids=["same", "circular", "hooked", "hooked relu", "relu6", "no convolution", "needed"],
)
def test_others_stay_apart(model):
    network = changed(model, join_convolutions_and_relus)
    assert not any(isinstance(module, ConvolutionReLU) for module in network.modules())


class Flattened(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))

    def forward(self, x):
        return torch.flatten(self.layers(x), 1)


class TwiceLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(self.linear(x.mean((1, 2))))


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(288, 5)),
        nn.Sequential(nn.Flatten(), nn.Linear(288, 5, bias=False), nn.Dropout(), nn.ReLU()),
        Flattened(nn.Conv2d(4, 5, 3), nn.ReLU()),
    ],
    ids=["linear", "linear and relu", "convolution"],
)
def test_only_wanted_outputs_are_computed(model):
    network = changed(SelectedOutputs(model, INDICES), leave_out_other_outputs)
    widths = [m.weight.shape[0] for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert widths == [3]
    assert next(model.parameters()).shape[0] == 5


@pytest.mark.parametrize(
    "model",
    [
        hooked(nn.Flatten(), nn.Linear(288, 5), which=1),
        TwiceLinear(),
        Flattened(nn.Conv2d(4, 8, 3, groups=2)),
        nn.Sequential(nn.Flatten(), nn.Linear(288, 5), nn.Softmax(1)),
    ],
    ids=["hooked", "called twice", "groups", "softmax"],
)
def test_outputs_stay_where_others_need_them(model):
    before = [tuple(parameter.shape) for parameter in model.parameters()]
    network = changed(SelectedOutputs(model, INDICES), leave_out_other_outputs)
    assert [tuple(parameter.shape) for parameter in network.parameters()] == before
