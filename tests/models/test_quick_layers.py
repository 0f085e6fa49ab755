"""Compiled convolutions against torch's own, in float64 and by torch's autograd."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from normscope.machine.cores import threads
from normscope.models.quick import convolution
from normscope.models.quick.layers import quicken
from normscope.models.resnet20 import Block, ResNet20

from .quick_images import images, needs_compiled_layers

pytestmark = needs_compiled_layers

LAST = torch.channels_last
OURS = "_ConvolutionBackward"


def both(layer, x, dtype=torch.float64):
    """Outputs and input gradients of a layer and of its quickened copy, and the two layers."""
    layer, quick = copy.deepcopy(layer), copy.deepcopy(layer)
    assert quicken(quick, compiled=True) == 1
    answers, gradients = [], []
    for each in (layer, quick):
        given = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = each(given)
        (y * images(*y.shape, seed=1, dtype=dtype)).sum().backward()
        answers.append(y)
        gradients.append(given.grad)
    assert answers[1].grad_fn.name() == OURS
    assert answers[1].is_contiguous(memory_format=LAST)
    return answers, gradients, (layer, quick)


def assert_same(found, tolerance):
    (right, mine), (right_x, mine_x), (layer, quick) = found
    pairs = [(right, mine), (right_x, mine_x)]
    named = zip(layer.named_parameters(), quick.named_parameters(), strict=True)
    pairs += [(p.grad, q.grad) for (_, p), (_, q) in named]
    pairs += list(zip(layer.buffers(), quick.buffers(), strict=True))
    for expected, got in pairs:
        scale = expected.detach().abs().max().clamp(min=1e-30).item()
        torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("cores", [1, 2, 3])
# Whole tiles and parts of them; every other size takes seconds to compile.
@pytest.mark.parametrize("shape", [(2, 40, 8, 4, 4), (3, 16, 24, 9, 14), (5, 8, 72, 12, 7)])
def test_convolutions_are_torchs(shape, cores):
    count, ins, outs, height, width = shape
    torch.manual_seed(0)
    layer = nn.Conv2d(ins, outs, 3, padding=1, bias=ins < outs).double()
    with threads(cores):
        assert_same(both(layer, images(count, ins, height, width)), 1e-13)
        assert_same(both(layer.to(memory_format=LAST), images(count, ins, height, width)), 1e-13)


def test_convolutions_in_float32_are_within_rounding():
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 128, 3, padding="same")
    assert_same(both(layer, images(4, 64, 9, 9, dtype=torch.float32), torch.float32), 2e-5)


def test_a_whole_network_trains_as_the_plain_one():
    torch.manual_seed(0)
    plain = ResNet20().double()
    quick = copy.deepcopy(plain).to(memory_format=LAST)
    assert quicken(quick, compiled=True, spared=[quick.conv1]) == 27
    labels = torch.arange(16) % 10
    networks = (plain, quick)
    optimizers = [torch.optim.SGD(n.parameters(), lr=0.05, momentum=0.9) for n in networks]
    for step in range(6):
        x = images(16, 3, 12, 12, seed=step)  # as the blocks' tests have them: compiled once
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x), labels).backward()
            optimizer.step()
    for mine, right in zip(quick.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-9, atol=1e-9)
    quick.eval()
    plain.eval()
    torch.testing.assert_close(quick(x), plain(x), rtol=1e-9, atol=1e-9)


class OwnConvolution(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3),
        nn.Conv2d(8, 8, 3, stride=3, padding=1),
        nn.Conv2d(8, 8, 3, dilation=2, padding="same"),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(8, 8, 3, padding=1, groups=2),
        OwnConvolution(8, 8, 3, padding=1),
        parametrizations.spectral_norm(nn.Conv2d(8, 8, 3, padding=1)),
        nn.BatchNorm2d(8),
    ],
    ids=str,
)
def test_other_layers_stay(layer):
    assert quicken(layer, compiled=True) == 0
    assert "forward" not in vars(layer)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1).bfloat16(),
    ],
    ids=str,
)
def test_other_convolutions_stay_but_for_small_maps(layer):
    quicken(layer, compiled=True)
    x = images(4, layer.in_channels, 8, 8, dtype=layer.weight.dtype)
    assert layer(x).grad_fn.name() == "ConvolutionBackward0"


def convolving():
    layer = nn.Conv2d(8, 8, 3, padding=1)
    quicken(layer, compiled=True)
    return layer


def test_other_inputs_go_the_ordinary_way():
    layer = convolving()
    x = images(4, 8, 8, 8, dtype=torch.float32)
    assert layer(x).grad_fn.name() == OURS
    thin, none = images(4, 8, 64, 1, dtype=torch.float32), x[:0]
    for other in (x.contiguous(), x[:, :, ::2], thin, none, x[0], nn.Parameter(x)):
        expected = nn.functional.conv2d(other, layer.weight, layer.bias, padding=1)
        y = layer(other)
        assert y.grad_fn.name() != OURS
        assert torch.equal(y, expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    with pytest.raises(RuntimeError, match="expected scalar type|should be the same|dtype"):
        layer(x.double())
    layer.double()
    assert layer(x.double()).grad_fn.name() != OURS


@pytest.mark.parametrize(
    ("layer", "size", "said"),
    [
        (nn.Conv2d(8, 8, 3, padding=1), 8, "expected input.* to have 8 channels, but got 16"),
        (nn.Conv2d(8, 8, 3, padding=1), 2, "expected input.* to have 8 channels, but got 16"),
        (nn.Conv2d(8, 8, 1), 8, "expected input.* to have 8 channels, but got 16"),
    ],
)
def test_a_wrong_number_of_channels_is_torchs_error(layer, size, said):
    quicken(layer, compiled=True)
    with pytest.raises(RuntimeError, match=said):
        layer(images(4, 16, size, size, dtype=torch.float32))


def test_hooks_see_what_they_saw():
    layer, seen = convolving(), []
    layer.register_forward_hook(lambda module, given, y: seen.append(y.shape))
    layer(input=images(4, 8, 8, 8, dtype=torch.float32))
    assert seen == [(4, 8, 8, 8)]


def test_gradients_of_gradients_are_torchs():
    layer = nn.Conv2d(8, 8, 3, padding=1).double()
    quick = copy.deepcopy(layer)
    quicken(quick, compiled=True)
    found = []
    for each in (layer, quick):
        x = images(2, 8, 12, 12).requires_grad_()
        first = torch.autograd.grad((each(x) ** 3).sum(), [x, each.weight], create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), [x, each.weight])
        found.append([*first, *second])
    for right, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(("ins", "outs", "size"), [(8, 8, 8), (64, 128, 9)])
def test_an_image_gets_one_answer_wherever_it_is(cores, ins, outs, size):
    """Proofs of death rest on it."""
    layer, x = nn.Conv2d(ins, outs, 3, padding=1), images(1, ins, size, size, dtype=torch.float32)
    quicken(layer, compiled=True)
    with threads(cores):
        y = layer(x.expand(97, -1, -1, -1).contiguous(memory_format=LAST))
        assert torch.equal(y, layer(x).expand_as(y))


@pytest.mark.parametrize("without", ["numba", "the instructions"])
def test_elsewhere_convolutions_are_not_compiled(monkeypatch, without):
    if without == "numba":
        monkeypatch.setattr("normscope.models.quick.layers.has_numba", lambda: False)
    else:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    layer, x = convolving(), images(4, 8, 8, 8, dtype=torch.float32)
    assert layer(x).grad_fn.name() == "ConvolutionBackward0"


def test_kernels_too_many_for_the_memory_go_the_ordinary_way(monkeypatch):
    monkeypatch.setattr(convolution, "MOST_BYTES", 36 * 64 * 4 - 1)
    assert convolving()(images(4, 8, 8, 8, dtype=torch.float32)).grad_fn.name() != OURS


def test_transforms_of_functions_go_the_ordinary_way():
    layer, x = convolving(), images(4, 8, 8, 8, dtype=torch.float32)
    expected = nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
    each = torch.func.vmap(lambda image: layer(image[None])[0])(x)
    torch.testing.assert_close(each, expected)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)),
        Block(8, 8, 1),
    ],
    ids=["layers", "a block"],
)
def test_a_copy_computes_with_its_own_weights(network):
    quicken(network, compiled=True)
    copied, x = copy.deepcopy(network), images(4, 8, 8, 8, dtype=torch.float32)
    expected = copied(x)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    assert torch.equal(copied(x), expected)
    copied(x).sum().backward()
    assert all(weight.grad is None for weight in network.parameters())
    assert all(weight.grad is not None for weight in copied.parameters())


def test_what_needs_no_gradient_gets_none():
    layer = convolving()
    x = images(4, 8, 8, 8, dtype=torch.float32)
    layer.weight.requires_grad_(False)
    given = x.clone(memory_format=torch.preserve_format).requires_grad_()
    layer(given).sum().backward()
    assert layer.weight.grad is None
    assert given.grad is not None
