from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from normscope.errors import NormscopeError
from normscope.images.decoded import LabelledImages
from normscope.models.building import build_model
from normscope.studies.executors.opening import worker_count
from normscope.trials import enough_memory, outline
from normscope.trials.enough_memory import check_memory, least_bytes
from normscope.trials.outline import check_weights_fit, outlined
from normscope.trials.recipe import RESNET_FINETUNE
from normscope.trials.running import run_trial
from normscope.trials.step_memory import _Held, step_bytes

SIDE, IMAGES = 48, 32


@pytest.fixture
def source(digits):
    drawn = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, SIDE, SIDE), np.uint8)
    images = LabelledImages(drawn, np.arange(IMAGES) % 10)
    few = images.take(np.arange(2))
    return replace(digits, scale=255.0, train=images, validation=few, test=few)


@pytest.fixture
def trial(spec):
    return replace(spec, recipe=replace(spec.recipe, epochs=2, batch_size=16))


@pytest.fixture
def free(monkeypatch):
    """Says how much memory is free."""

    def say(bytes_):
        for module in (enough_memory, outline):
            monkeypatch.setattr(module, "free_memory", lambda: bytes_)

    return say


def held_by(trial, source):
    """What a real training holds at most, by every tensor that it makes."""
    with _Held(set()) as counted:
        run_trial(trial, source)
    return counted.most


@pytest.mark.parametrize(
    ("model", "trainer", "recipe"),
    [
        ("lenet", "fast", {}),
        ("lenet", "plain", {}),
        ("lenet-bn", "plain", {"optimizer": "sgd"}),
    ],
)
def test_no_training_holds_less_than_the_least(trial, source, free, model, trainer, recipe):
    free(1)
    trial = replace(
        trial, model=model, trainer=trainer, recipe=replace(trial.recipe, **recipe), threads=1
    )
    least = sum(least_bytes(trial, source))
    assert least <= held_by(trial, source) <= 1.5 * least


def test_a_step_leaves_the_network_as_it_was():
    network = build_model("lenet-bn", channels=1, classes=10, image_size=(SIDE, SIDE)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert step_bytes(network, (4, 1, SIDE, SIDE), 10) > 4 * 32 * 46 * 46 * 4
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(bool((before[name] == v).all()) for name, v in network.state_dict().items())


def test_what_cannot_fit_is_refused(trial, source, free):
    free(20_000_000)
    with pytest.raises(NormscopeError) as refused:
        check_memory(replace(trial, model="lenet"), source)
    assert str(refused.value) == (
        "a training of lenet on images of 48 x 48 pixels must fit the 0.02 GB of memory that are "
        "free, got one that needs at least 0.0916 GB: 0.0634 GB for its weights, their gradients "
        "and the optimizer, 0.0281 GB for a batch of 16 images. Use smaller images (--resize, "
        "--crop) or another --model, such as resnet18."
    )


def test_what_hardly_fits_is_said(trial, source, free):
    free(100_000_000)
    with pytest.warns(RuntimeWarning, match=r"0\.1 GB are free, and the system may end it\. Use"):
        check_memory(trial, source)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bytes_", [150_000_000, None])
def test_what_fits_or_is_not_known_passes(trial, source, free, bytes_):
    free(bytes_)
    check_memory(trial, source)


def test_no_more_workers_than_the_memory_holds(trial, source, free, monkeypatch):
    monkeypatch.setattr("normscope.studies.executors.opening.available_cores", lambda: 8)
    trial = replace(trial, threads=1)
    free(350_000_000)
    assert worker_count(trial, 20, None, source) == 3
    assert worker_count(trial, 20, 5, source) == 5
    free(10_000)
    assert worker_count(trial, 20, None, source) == 1
    free(None)
    assert worker_count(trial, 20, None, source) == 8


def test_networks_of_too_many_weights_are_refused_before_they_are_built(spec, free):
    free(10**10)
    shape = {"channels": 1, "classes": 2, "image_size": (4096, 4096)}
    with pytest.raises(NormscopeError) as refused:
        check_weights_fit(outlined("lenet", spec.options, shape), "lenet", (4096, 4096))
    assert str(refused.value) == (
        "lenet must fit the 10 GB of memory that are free, got one of 137 GB for images of "
        "4096 x 4096 pixels. Use smaller images (--resize, --crop) or another --model, such as "
        "resnet18."
    )


def test_a_fine_tuned_network_is_followed_through_a_step(trial, source, free):
    free(1)
    trial = replace(trial, model=f"{__name__}:small", recipe=RESNET_FINETUNE, trainer="fast")
    weights, batch = least_bytes(trial, source)
    assert weights == 3 * 4 * (32 * 10 + 32 * 10 + 10)
    assert batch >= IMAGES * 32 * 46 * 46 * 4


def small(channels, classes):
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(channels, 32, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes)
    )
