"""Convolutions over Winograd's tiles against those of the library."""

from __future__ import annotations

import pytest
import torch

from normscope.machine.cores import threads
from normscope.models.lenet import LeNet
from normscope.models.stacked.fold import Fold
from normscope.models.stacked.silence import Silence
from normscope.models.stacked.trunks import open_trunk
from normscope.models.winograd.factors import factors_of, weight_gradient
from normscope.normalization import Normalization

pytest.importorskip("numba", reason="the extra fast is not installed")


def layers(channels, dtype=torch.float64):
    shapes = ((32, channels, 3, 3), (32,), (64, 32, 3, 3), (64,))
    return [torch.randn(1, *shape, dtype=dtype) / 10 for shape in shapes]


@pytest.mark.parametrize("kept", [1.0, 0.1], ids=["dense", "sparse"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("images", "channels", "height", "width"),
    [(19, 3, 11, 6), (8, 3, 11, 6), (5, 1, 13, 17)],
    ids=["parts of groups", "one group", "odd tiles"],
)
def test_features_and_gradients_are_those_of_the_library(
    images, channels, height, width, count, kept
):
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (images, channels, height, width)).double() / 64
    given = layers(channels)
    with threads(count):
        mine, theirs = open_trunk("winograd"), open_trunk("channels-last")
        found, right = mine.forward(pixels, *given), theirs.forward(pixels, *given)
        torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-12)
        gradient = torch.randn_like(right) * (torch.rand_like(right) < kept)
        for name, a, b in zip(
            ("weight1", "bias1", "weight2", "bias2"),
            mine.backward(gradient.clone()),
            theirs.backward(gradient.clone()),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: n + m)
        assert torch.get_num_threads() == count


@pytest.mark.parametrize("count", [1, 2])
def test_relu_and_dropout_are_those_of_the_library(count):
    torch.manual_seed(0)
    given = [torch.cat(pair) for pair in zip(layers(3), layers(3), strict=True)]
    given[2][1, 5] = float("nan")
    pixels = torch.randn(19, 3, 11, 6, dtype=torch.float64)
    with threads(count):
        trunk = open_trunk("winograd")
        features = trunk.forward(pixels, *given)
        mask = torch.rand(19, features.shape[2]) < 0.5
        expected = torch.where(mask, features.relu(), 0)
        found = trunk.kept(pixels, *given, mask=mask)
    assert found.isnan().any()
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_a_trunk_goes_from_tests_to_training_and_between_sizes_of_batches():
    torch.manual_seed(0)
    given = layers(3)
    trunk = open_trunk("winograd")
    with threads(2):
        for images in (19, 3, 40):
            pixels = torch.rand(images, 3, 11, 6, dtype=torch.float64)
            with torch.inference_mode():
                tested = trunk.forward(pixels, *given)
            torch.testing.assert_close(tested, trunk.forward(pixels, *given), rtol=0, atol=0)
            assert trunk.backward(tested.clone()).weight2.isfinite().all()


def test_what_is_not_a_number_is_not_lost():
    given = layers(3)
    given[2][0, 5, 1, 1, 1] = float("nan")
    features = open_trunk("winograd").forward(torch.ones(2, 3, 11, 6, dtype=torch.float64), *given)
    by_map = features.unflatten(2, (-1, 64))
    assert by_map[..., 5].isnan().all()
    assert by_map[..., 6].isfinite().all()
    given = layers(3)
    given[0][0, 4] = float("nan")
    features = open_trunk("winograd").forward(torch.ones(2, 3, 11, 6, dtype=torch.float64), *given)
    assert features.isnan().all()


def test_the_gradient_of_factors_is_their_transpose():
    torch.manual_seed(0)
    weight = torch.randn(64, 32, 3, 3, dtype=torch.float64, requires_grad=True)
    given = torch.randn(36, 32, 64, dtype=torch.float64)
    factors_of(weight).backward(given)
    torch.testing.assert_close(weight_gradient(given), weight.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-2.0, 0.02), (3.0, 0.02)])
def test_rounding_is_less_than_proofs_of_death_allow_for(seed, mean, std):
    torch.manual_seed(seed)
    network = LeNet()
    normalization = Normalization((mean,), (std,))
    weights = [network.conv1.weight, network.conv1.bias, network.conv2.weight, network.conv2.bias]
    weights = [weight.detach()[None] for weight in weights]
    fold = Fold.of([normalization], 1, 255, weights[0])
    given = [*fold.into(*weights[:2]), *weights[2:]]
    pixels = torch.randint(0, 256, (16, 1, 28, 28)).float()
    pixels[:, :, 10:20] = 255
    found = open_trunk("winograd").forward(pixels, *given)
    exact = open_trunk("channels-last").forward(pixels.double(), *(each.double() for each in given))
    allowed = Silence(*(each[0] for each in given))._margin
    assert (found - exact).abs().max() < allowed / 4
