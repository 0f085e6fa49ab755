"""Convolutions of small maps or of single pixels as products, against torch's own in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from normscope.models.quick import small_maps
from normscope.models.quick.layers import quicken

from .quick_images import images

NAMES = ("_SmallMapBackward", "AddBackward0")


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("last", [False, True])
def test_they_are_torchs(size, stride, last):
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 7, 3, stride, padding=1, bias=last).double()
    if last:
        layer = layer.to(memory_format=torch.channels_last)
    quick = copy.deepcopy(layer)
    assert quicken(quick, compiled=True) == 1
    x, found = images(6, 5, *size), []
    for each in (layer, quick):
        given = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = each(given)
        inputs = [given, *each.parameters()]
        first = torch.autograd.grad((y**3).sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), inputs, allow_unused=True)
        found.append([y, *first, *(g for g in second if g is not None)])
        plainly = torch.autograd.grad((each(given) ** 3).sum(), inputs)
        found[-1] += plainly
    assert y.grad_fn.name() in NAMES
    assert y.is_contiguous(memory_format=torch.channels_last)
    for right, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("size", "stride"), [((8, 8), 1), ((9, 12), 2), ((1, 1), 1)])
@pytest.mark.parametrize("bias", [False, True])
def test_single_pixels_are_torchs(size, stride, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 7, 1, stride, bias=bias).double().to(memory_format=torch.channels_last)
    quick = copy.deepcopy(layer)
    assert quicken(quick, compiled=True) == 1
    found = []
    for each in (layer, quick):
        x = images(6, 5, *size).requires_grad_()
        y = each(x)
        found.append([y, *torch.autograd.grad((y**3).sum(), [x, *each.parameters()])])
    assert y.grad_fn.name() == "PermuteBackward0"
    assert y.is_contiguous(memory_format=torch.channels_last)
    for right, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-12, atol=1e-12)
    assert quick(images(2, 5, 8, 9)[:, :, :, :9]).grad_fn.name() == (
        "ConvolutionBackward0" if stride == 1 else "PermuteBackward0"
    )


def test_larger_maps_go_the_ordinary_way():
    layer = nn.Conv2d(5, 7, 3, padding=1).double()
    quicken(layer, compiled=True)
    for x in (images(4, 5, 2, 3), images(4, 5, 3, 1)):
        assert layer(x).grad_fn.name() not in NAMES


def test_weights_that_need_no_gradient_get_none():
    layer = nn.Conv2d(5, 7, 3, padding=1).double()
    quicken(layer, compiled=True)
    layer.weight.requires_grad_(False)
    x = images(4, 5, 2, 2).requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None


def test_only_common_convolutions_suit():
    assert small_maps.suits(nn.Conv2d(5, 7, 3, padding=1))
    for options in ({"padding": 0}, {"padding": 1, "stride": 3}, {"padding": 1, "groups": 5}):
        assert not small_maps.suits(nn.Conv2d(5, 5, 3, **options))
