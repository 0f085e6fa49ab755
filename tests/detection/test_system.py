from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from normscope.detection.augmented_views import AssumedAugmentation, Views, likely
from normscope.detection.candidates import candidates
from normscope.detection.measured import MeasuredSystem
from normscope.detection.patches import response_moments
from normscope.detection.solving import solve
from normscope.detection.system import Averages, LinearSystem
from normscope.detection.target import find_target
from normscope.errors import NormscopeError
from tests.reference.first_layer_statistics import statistics_by_running

PLAIN = AssumedAugmentation()


@settings(max_examples=30, deadline=None)
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    channels=st.sampled_from([1, 3]),
    order=st.sampled_from(["rgb", "bgr"]),
    margin=st.integers(0, 2),
    after=st.booleans(),
    flip=st.booleans(),
)
def test_predictions_are_those_of_the_layer_itself(
    kernel, stride, padding, dilation, mode, channels, order, margin, after, flip
):
    order = order if channels == 3 else "rgb"
    torch.manual_seed(0)
    layer = nn.Conv2d(
        channels, 5, kernel, stride, padding, dilation, padding_mode=mode, dtype=torch.float64
    )
    images = torch.randint(256, (7, channels, 11, 9), dtype=torch.uint8)
    augmentation = AssumedAugmentation(margin, after, flip)
    phi = np.r_[np.linspace(0.2, 0.6, channels), np.log(np.linspace(0.1, 0.5, channels))]
    mean, variance = statistics_by_running(layer, images, margin, after, flip, phi, order, 4)
    first, second = response_moments(layer, images, augmentation, (order,))[order]
    averages = Averages(mean, variance, batch_size=4, batches=19)
    system = LinearSystem(first, second, layer.bias.detach().numpy(), averages)
    assert np.abs(system.residual(phi)).max() < 1e-10


@pytest.fixture
def small_system(coloured_images, checkpoint):
    model = checkpoint((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
    target = find_target(model, 3, (20, 20), 100)
    images = torch.from_numpy(coloured_images)
    first, second = response_moments(target.convolution, images, PLAIN)["rgb"]
    bias = target.convolution.bias.detach().numpy()
    return LinearSystem(first, second, bias, target.averages), model, target, images


def test_jacobian_is_the_derivative(small_system):
    system = small_system[0]
    phi = np.r_[0.3, 0.4, 0.5, np.log([0.3, 0.2, 0.4])]
    steps = 1e-6 * np.eye(6)
    by_differences = [
        (system.residual(phi + step) - system.residual(phi - step)) / 2e-6 for step in steps
    ]
    assert np.allclose(system.jacobian(phi), np.stack(by_differences, 1), atol=1e-6)


def test_influence_is_what_leaving_an_image_out_changes(small_system):
    system, _, target, images = small_system
    phi = np.r_[0.3, 0.4, 0.5, np.log([0.3, 0.2, 0.4])]
    first, second = response_moments(target.convolution, images[1:], PLAIN)["rgb"]
    bias = target.convolution.bias.detach().numpy()
    without = LinearSystem(first, second, bias, target.averages)
    # Residuals are minus predictions, so that the image's influence comes back with its sign.
    change = (without.residual(phi) - system.residual(phi)) * (len(images) - 1)
    assert np.allclose(change, system.influence(phi)[0], atol=0.02)


def test_measured_and_linear_systems_agree(small_system):
    linear, model, target, images = small_system
    measured = MeasuredSystem(model, target, images, PLAIN, "rgb")
    phi = np.r_[0.3, 0.4, 0.5, np.log([0.3, 0.2, 0.4])]
    assert np.allclose(measured.residual(phi), linear.residual(phi), atol=1e-9)
    assert np.allclose(measured.jacobian(phi), linear.jacobian(phi), atol=0.02)
    assert np.allclose(measured.influence(phi), linear.influence(phi), atol=1e-9)


def test_the_truth_is_found_from_every_scale(checkpoint, coloured_images):
    images = torch.from_numpy(coloured_images)
    for std in (1 / 255, 0.05, 0.25, 1.0):
        model = checkpoint((0.4, 0.5, 0.6), (std, 1.2 * std, std))
        target = find_target(model, 3, (20, 20), 100)
        first, second = response_moments(target.convolution, images, PLAIN)["rgb"]
        bias = target.convolution.bias.detach().numpy()
        found = solve(LinearSystem(first, second, bias, target.averages))
        # What is left is that averages of two batches' variances miss that between the batches.
        assert np.allclose(found[:3], (0.4, 0.5, 0.6), atol=0.01)
        assert np.allclose(np.exp(found[3:]), (std, 1.2 * std, std), rtol=0.01)


def test_views_are_crops_of_padded_images():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.float64).reshape(2, 3, 4, 4)
    views = Views.of(images, AssumedAugmentation(1, after=True), 0)
    padded = nn.functional.pad(images, (1,) * 4)
    windows = padded.unfold(2, 4, 1).unfold(3, 4, 1).permute(0, 2, 3, 1, 4, 5).flatten(1, 2)
    for image, crops, inside in zip(windows, views.pixels, views.inside, strict=True):
        for crop, within in zip(crops, inside, strict=True):
            assert any((crop == window).all() for window in image)
            assert ((crop == 0) | (within == 1)).all()
    assert (Views.of(images, AssumedAugmentation(1), 0).inside == 1).all()


@pytest.mark.parametrize("text", ["none", "flip", "crop4", "crop4,flip", "crop12-after,flip"])
def test_augmentations_are_written_as_they_are_read(text):
    assert str(AssumedAugmentation.parse(text)) == text


@pytest.mark.parametrize("text", ["", "crop", "crop4,crop5", "rotate", "crop4,,flip"])
def test_other_augmentations_are_refused(text):
    with pytest.raises(NormscopeError, match=r"--augmentation must be none, or cropN"):
        AssumedAugmentation.parse(text)


def test_small_images_may_have_been_cropped():
    assert [str(a) for a in likely((32, 32))] == ["none", "crop4", "crop4-after"]
    assert [str(a) for a in likely((224, 224))] == ["none"]


def test_candidates_come_in_both_orders_for_colour_alone():
    names = [candidate.name for candidate in candidates(3)]
    assert {"imagenet", "imagenet, bgr", "caffe", "caffe, rgb", "centred 0..255"} <= set(names)
    assert len(set(names)) == len(names)
    grey = {candidate.name for candidate in candidates(1)}
    assert grey == {"half", "none", "0..255", "mnist", "centred 0..255", "fashion-mnist"}
