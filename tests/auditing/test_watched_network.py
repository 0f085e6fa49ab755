"""Recorded networks: an audit finds of them what the plain ones give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import normscope
from normscope.auditing import audited_network
from normscope.auditing.audited_network import AuditedNetwork
from normscope.auditing.drift import InputMoments, moments, remembered
from normscope.auditing.mistakes import correct_values
from normscope.auditing.watched_network import WatchedNetwork
from normscope.models.convolution_relu import ConvolutionReLU
from normscope.normalization import IMAGENET

from . import networks
from .by_hand import by_hand, drift_by_hand, opened

HERE = "tests.auditing.networks"
NETWORKS = ["residual", "fire", "hard_to_fold", "shared", "deciding", "flattening"]
NETWORKS += ["in_place", "deciding_in_place", "hooked"]


def audited(images, factory):
    return normscope.audit(f"{HERE}:{factory}", images=images, norm="imagenet", resize=40, crop=32)


def watched(model, *, folds=True):
    network = WatchedNetwork.of(model.eval(), set(remembered(model)), folds=folds)
    assert network is not None
    return network


@pytest.mark.parametrize("factory", NETWORKS)
def test_prices_and_drift_are_those_of_the_plain_network(photos, factory):
    found = audited(photos, factory)
    images = opened(photos)
    labels = np.array([label for _, label in images])
    model = getattr(networks, factory)()
    expected, inputs = by_hand(model, images, "reference")
    assert len(set(expected)) > 1
    assert found.reference.accuracy == pytest.approx((expected == labels).mean())
    assert found.reference.drift == pytest.approx(drift_by_hand(model, inputs), rel=1e-4)
    costs = {mistake.name: mistake.cost for mistake in found.priced}
    for name in ("none", "0..255", "divided-twice", "bgr-pixels", "grey", "bicubic", "exif"):
        given, inputs = by_hand(model, images, name)
        assert costs[name].accuracy == pytest.approx((given == labels).mean()), name
        assert costs[name].disagreement == pytest.approx((given != expected).mean()), name
        drift = drift_by_hand(model, inputs)
        assert list(costs[name].drift) == list(drift)
        assert costs[name].drift == pytest.approx(drift, rel=1e-4), name
    if factory == "residual":
        assert len(found.reference.drift) == 19


def test_the_number_of_cores_changes_no_digit(photos, monkeypatch):
    threads = torch.get_num_threads()
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(audited_network, "usable_threads", lambda cores=cores: cores)
        found.append(audited(photos, "residual"))
    assert found[0].reference == found[1].reference
    assert found[0].mistakes == found[1].mistakes
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("factory", "cores", "expected"),
    [
        ("residual", 3, (3, 1)),
        ("fire", 3, (3, 1)),
        ("fire", 40, (16, 2)),
        ("hard_to_fold", 1, (1, 1)),
        ("deciding", 3, (1, 3)),
        ("in_place", 3, (3, 1)),
        ("hooked", 3, (1, 3)),
    ],
)
def test_what_can_be_recorded_is_asked_in_several_threads(factory, cores, expected, monkeypatch):
    monkeypatch.setattr(audited_network, "usable_threads", lambda: cores)
    network = AuditedNetwork(getattr(networks, factory)().eval(), "cpu", "fp32")
    pixels = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    assert network.prepare(pixels, correct_values(IMAGENET)) == expected


def layers(network, kind):
    recorded = network._network
    called = [node.target for node in recorded.graph.nodes if node.op == "call_module"]
    return sum(isinstance(recorded.get_submodule(str(target)), kind) for target in called)


@pytest.mark.parametrize(
    ("factory", "left"), [("residual", 3), ("hard_to_fold", 2), ("shared", 3), ("flattening", 1)]
)
def test_a_batchnorm_is_folded_where_what_it_meets_can_be_found_again(factory, left):
    assert layers(watched(getattr(networks, factory)()), torch.nn.BatchNorm2d) == left


def test_a_batchnorm_that_divides_by_zero_is_not_folded():
    model = networks.hard_to_fold()
    model[7].eps = model[7].running_var[2] = 0
    pixels = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    network, met = AuditedNetwork(model.eval(), "cpu", "fp32"), InputMoments()
    network.prepare(pixels, correct_values(IMAGENET))
    network.answers(pixels, correct_values(IMAGENET), met)
    assert network._watched is not None
    assert network.drift(met)["7"] == np.inf


def test_no_layer_computes_what_nobody_asks_for():
    network = watched(networks.fire())
    assert layers(network, ConvolutionReLU) == 5
    widths = [m.weight.shape[0] for m in network._network.modules() if type(m) is ConvolutionReLU]
    assert widths[-1] == len(networks.TINTS)


class Softmax(torch.nn.Module):
    """Cannot be narrowed: every output depends on all of them."""

    def __init__(self):
        super().__init__()
        self.model = torch.nn.Sequential(networks.Fire(), torch.nn.Softmax(1))
        self.register_buffer("indices", torch.tensor([0, 3, 5]))

    def forward(self, images):
        return self.model(images)[:, self.indices]


class Corners(torch.nn.Module):
    """Cannot be narrowed: a channel has four outputs."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 4, 3)
        self.pool = torch.nn.AdaptiveAvgPool2d(2)
        self.register_buffer("indices", torch.tensor([0, 3, 5]))

    def forward(self, images):
        return torch.flatten(self.pool(self.convolution(images)), 1)[:, self.indices]


@pytest.mark.parametrize("kind", [Softmax, Corners])
def test_outputs_that_need_the_others_are_computed_with_them(kind):
    torch.manual_seed(0)
    model = kind().eval()
    network = watched(model)
    images = torch.randn(3, 3, 32, 32)
    assert network.agrees(model, images)
    assert network(images, None).shape == (3, 3)
    assert any(node.name == "getitem" for node in network._network.graph.nodes)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", [slice(None), 2])
def test_outputs_that_are_no_numbers_are_compared_all_the_same(wrong, where):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.LazyLinear(6),
    ).eval()
    images = torch.randn(3, 3, 8, 8)
    model(images)
    with torch.no_grad():
        model[3].bias[where] = wrong
    network, other = watched(model), torch.nn.Sequential(model, torch.nn.Tanh())
    assert network.agrees(model, images)
    assert not network.agrees(other, images) or where == slice(None)
    recorded = AuditedNetwork(model, "cpu", "fp32")
    pixels = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    recorded.prepare(pixels, correct_values(IMAGENET))
    assert recorded._watched is not None
    assert (recorded.answers(pixels, correct_values(IMAGENET), None) == -1).all()


def test_a_network_that_was_recorded_wrongly_is_found_out():
    class Counting(torch.nn.Module):
        """Gives something else whenever it is called, as the recorded one cannot."""

        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, images):
            self.calls += 1
            return images.mean((2, 3)) + self.calls

    model = Counting().eval()
    network = watched(model)
    assert network.agrees(model, torch.zeros(2, 3, 8, 8))
    assert not network.agrees(model, torch.zeros(2, 3, 8, 8))


@pytest.mark.parametrize(
    "shape", [(7, 5), (4, 6, 9), (5, 16, 8, 6), (2, 3, 1, 1), (3, 4, 2, 3, 5), (64, 16, 32, 32)]
)
@pytest.mark.parametrize("layout", ["first", "last"])
def test_moments_are_those_in_float64(shape, layout):
    generator = torch.Generator().manual_seed(0)
    # Nearly constant, as pixels that are divided twice: short of digits if summed carelessly.
    inputs = 3 + 0.01 * torch.randn(shape, generator=generator)
    if layout == "last" and len(shape) == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    number, mean, variance = moments(inputs)
    values = inputs.double().transpose(0, 1).flatten(1)
    assert number == values.shape[1]
    # With one thread, sums of 2,048 floats are rounded on the way.
    assert torch.allclose(mean, values.mean(1), rtol=1e-6)
    assert torch.allclose(variance, values.var(1, correction=0), rtol=1e-4)


def test_parts_are_counted_as_the_whole():
    inputs = 1 + torch.randn((10, 4, 6, 6), generator=torch.Generator().manual_seed(0))
    whole, merged = InputMoments(), InputMoments()
    whole.add("layer", moments(inputs))
    for part in inputs.split(3):
        one = InputMoments()
        one.add("layer", moments(part))
        merged.merge(one)
    for found, expected in zip(merged.of("layer"), whole.of("layer"), strict=True):
        assert found == pytest.approx(expected, rel=1e-6)
