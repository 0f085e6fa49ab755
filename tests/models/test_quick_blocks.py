"""Residual blocks and sequences with compiled passes, against themselves as they were made."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.checkpoint import checkpoint
from torchvision.models.resnet import BasicBlock, Bottleneck

from normscope.models.quick import batchnorm
from normscope.models.quick.layers import quicken
from normscope.models.resnet20 import Block

from .quick_images import images, needs_compiled_layers

pytestmark = needs_compiled_layers

FUSED = "_BatchNormReLUBackward"


class OwnBlock(BasicBlock):
    pass


def shortened(planes):
    return nn.Sequential(nn.Conv2d(16, planes, 1, 2, bias=False), nn.BatchNorm2d(planes))


BLOCKS = {
    "ours": lambda: Block(16, 16, 1),
    "ours, smaller": lambda: Block(16, 32, 2),
    "basic": lambda: BasicBlock(16, 16),
    "basic, smaller": lambda: BasicBlock(16, 24, 2, shortened(24)),
    "bottleneck": lambda: Bottleneck(32, 8),
    "bottleneck, smaller": lambda: Bottleneck(16, 8, 2, shortened(32)),
}


def images_of(channels, **options):
    return images(4, channels, 12, 12, **options)


@pytest.fixture(params=BLOCKS)
def block(request):
    torch.manual_seed(0)
    made = BLOCKS[request.param]().double()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return made


def quickened(block):
    quick = copy.deepcopy(block)
    quicken(quick, compiled=True)
    assert "forward" in vars(quick)
    return quick


def test_outputs_gradients_and_statistics_are_the_blocks(block):
    quick, found = quickened(block), []
    for each in (block, quick):
        x = images_of(each.conv1.in_channels).requires_grad_()
        y = each(x)
        inputs = [x, *each.parameters()]
        plainly = torch.autograd.grad((y**3).sum(), inputs, retain_graph=True)
        first = torch.autograd.grad((y**3).sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), inputs)
        found.append([y, *plainly, *first, *second, *each.buffers()])
    assert y.grad_fn.name() == FUSED
    for right, mine in zip(*found, strict=True):
        scale = right.detach().abs().max().item()
        torch.testing.assert_close(mine, right, rtol=0, atol=1e-11 * scale)


def test_blocks_are_tested_as_before(block):
    quick = quickened(block)
    x = images_of(block.conv1.in_channels)
    torch.testing.assert_close(quick.eval()(x), block.eval()(x), rtol=1e-12, atol=1e-12)
    assert quick(x).grad_fn.name() != FUSED


def test_hooks_see_what_they_saw(block):
    quick, seen = quickened(block), []
    for each in (block, quick):
        each.bn1.register_forward_hook(lambda module, given, y: seen.append(y.min().item()))
        each(images_of(block.conv1.in_channels))
    assert seen[0] < 0
    assert seen[1] == pytest.approx(seen[0])


def test_backward_hooks_see_what_they_saw():
    torch.manual_seed(0)
    plain, seen = Block(16, 16, 1).double(), []
    for each in (plain, quickened(plain)):
        each.bn1.register_full_backward_hook(lambda module, of_x, of_y: seen.append(of_y[0].norm()))
        (each(images_of(16)) ** 2).sum().backward()
    torch.testing.assert_close(*seen, rtol=1e-9, atol=0)


def test_hooks_of_all_modules_see_what_they_saw(block):
    quick, seen = quickened(block), []
    for each in (block, quick):
        called = []
        hook = register_module_forward_hook(lambda module, *_, to=called: to.append(type(module)))
        try:
            each(images_of(block.conv1.in_channels))
        finally:
            hook.remove()
        seen.append(called)
    assert nn.BatchNorm2d in seen[0]
    assert seen[1] == seen[0]


def test_running_statistics_move_as_often_where_activations_are_computed_again(block):
    quick = quickened(block)
    for each in (block, quick):
        x = images_of(block.conv1.in_channels).requires_grad_()
        (checkpoint(each, x, use_reentrant=False) ** 2).sum().backward()
    for (name, right), mine in zip(block.named_buffers(), quick.buffers(), strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-11, atol=1e-11, msg=name)


class Blocked(torch.autograd.Function):
    """Passes numbers on, and no gradient back."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return None


def test_a_gradient_may_be_missing(block):
    quick = quickened(block)
    x = images_of(block.conv1.in_channels).requires_grad_()
    y = quick(x)
    assert y.grad_fn.name() == FUSED
    (Blocked.apply(y).sum() + x.sum()).backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_an_epsilon_of_zero_is_torchs_affair(block):
    quick = quickened(block)
    said = []
    for each in (block, quick):
        each.bn1.eps = 0.0
        try:
            y = each(images_of(block.conv1.in_channels))
        except ValueError as error:  # newer torch refuses it
            said.append(str(error))
        else:
            said.append(y.sum().item())
    assert said[1] == (pytest.approx(said[0]) if isinstance(said[0], float) else said[0])


def tangent(network, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(network(forward_ad.make_dual(x, torch.ones_like(x)))).tangent


def traced(network, x):
    return torch.jit.trace(network, x, check_trace=False)(x)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("asked", [tangent, traced])
def test_derivatives_forwards_and_traces_go_the_ordinary_way(block, asked):
    x = images_of(block.conv1.in_channels)
    torch.testing.assert_close(asked(quickened(block), x), asked(block, x), rtol=1e-9, atol=1e-9)


def sequence():
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(8, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(8),
    ]
    return nn.Sequential(*layers).double()


def test_sequences_are_what_they_were():
    plain, found = sequence(), []
    for each in (plain, quickened(plain)):
        x = images_of(8).requires_grad_()
        y = each(input=x)
        found.append([y, *torch.autograd.grad((y**3).sum(), [x, *each.parameters()])])
        found[-1] += [*each.buffers(), each.eval()(x)]
    for right, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-9, atol=1e-9)


def test_sequences_call_what_is_watched():
    quick, seen = quickened(sequence()), []
    quick[2].register_forward_hook(lambda module, given, y: seen.append(given[0].min().item()))
    quick(images_of(8))
    assert seen[0] < 0


def test_a_frozen_batchnorm_in_a_sequence_stays_frozen():
    plain, found = sequence(), []
    for each in (plain, quickened(plain)):
        each[1].eval()
        found.append(each(images_of(8)))
        assert each[1].num_batches_tracked == 0
    torch.testing.assert_close(*found, rtol=1e-11, atol=1e-11)


def unbiased(channels):
    """As torch makes it of ``bias=False``, which only newer versions take."""
    batchnorm = nn.BatchNorm2d(channels)
    batchnorm.bias = None
    return batchnorm


@pytest.mark.parametrize("other", [unbiased(8), nn.BatchNorm2d(8, affine=False)], ids=str)
def test_a_longer_sequence_is_computed_whole(other):
    plain = sequence()
    quick = quickened(plain)
    for each in (plain, quick):
        each.append(nn.Flatten())
        each[1] = copy.deepcopy(other).double()
    torch.testing.assert_close(quick(images_of(8)), plain(images_of(8)), rtol=1e-11, atol=1e-11)


def test_another_batchnorm_is_not_passed_over():
    quick = quickened(BasicBlock(16, 16).double())
    quick.bn2 = nn.Identity()
    assert quick(images_of(16)).grad_fn.name() != FUSED


def test_nan_is_not_lost():
    quick = quickened(Block(16, 16, 1).double())
    x = images_of(16)
    x[0, 3, 4, 4] = torch.nan
    assert quick(x).isnan().all()


def test_float32_keeps_the_digits_of_values_far_from_0():
    x = 1000 + images_of(8, dtype=torch.float32)
    one = torch.ones(8)
    found = []
    y = batchnorm.batchnorm_relu(x, one, 0 * one, 1e-5, met=lambda *met: found.extend(met))
    mean, variance = found
    exact = nn.functional.batch_norm(x.double(), None, None, training=True, eps=1e-5).relu()
    torch.testing.assert_close(y.double(), exact, rtol=0, atol=2e-4)
    torch.testing.assert_close(mean.double(), x.double().mean((0, 2, 3)), rtol=1e-7, atol=0)
    expected = x.double().var((0, 2, 3), correction=0)
    torch.testing.assert_close(variance.double(), expected, rtol=1e-5, atol=0)


def test_an_infinite_sum_is_not_cut_off():
    x, one = images_of(8), torch.ones(8, dtype=torch.float64)
    added = torch.full_like(x, torch.inf)
    y = batchnorm.batchnorm_relu(x, one, one, 1e-5, added)
    assert (y == torch.inf).all()


@pytest.mark.parametrize(
    "block",
    [
        OwnBlock(16, 16),
        BasicBlock(16, 16, norm_layer=nn.InstanceNorm2d),
        BasicBlock(16, 16, norm_layer=unbiased),
        BasicBlock(16, 12, 2, shortened(12)),
    ],
    ids=["a subclass", "another norm", "no biases", "twelve channels"],
)
def test_other_blocks_stay(block):
    quicken(block, compiled=True)
    assert "forward" not in vars(block)
