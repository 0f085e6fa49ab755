from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from normscope.errors import NormscopeError
from normscope.init_scale import InitScale
from normscope.models.first_layer import (
    describe_first_layer,
    find_first_layer,
    scale_first_layer,
)
from normscope.models.lenet import LeNet


class Backwards(nn.Module):
    """Its modules are registered in the reverse of the order in which they are called."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2, 2)
        self.norm = nn.BatchNorm2d(3)
        self.first = nn.Conv2d(3, 2, 3, bias=False)

    def forward(self, images):
        return self.last(self.first(self.norm(images)).mean((2, 3)))


def test_found_by_running_not_by_name_or_order():
    model = Backwards()
    before = model.norm.running_mean.clone()
    assert find_first_layer(model, 3, (5, 5)) is model.first
    assert model.training
    torch.testing.assert_close(model.norm.running_mean, before)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_model_without_weights():
    with pytest.raises(NormscopeError) as error:
        find_first_layer(nn.Flatten(), 1, (4, 4))
    assert str(error.value) == (
        "the model must have a first layer with weights (a convolution or a linear layer), got "
        "none that an image meets. Check the model."
    )


def test_scaling_multiplies_weight_and_bias():
    layer = nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    scale_first_layer(layer, InitScale(0.5, 3))
    torch.testing.assert_close(layer.weight, nn.Parameter(weight * 0.5))
    torch.testing.assert_close(layer.bias, nn.Parameter(bias * 3))


def test_scaling_a_layer_without_bias():
    layer = nn.Conv2d(1, 1, 1, bias=False)
    weight = layer.weight.detach().clone()
    scale_first_layer(layer, InitScale(2, 2))
    torch.testing.assert_close(layer.weight, nn.Parameter(weight * 2))
    assert describe_first_layer(layer)["bias_mean"] is None


def test_description_is_mean_and_population_std():
    layer = LeNet().conv1
    described = describe_first_layer(layer)
    weight = layer.weight.detach().numpy().astype(np.float64)
    assert described["weight_mean"] == pytest.approx(weight.mean(), rel=1e-12)
    assert described["weight_std"] == pytest.approx(weight.std(), rel=1e-12)
