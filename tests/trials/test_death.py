"""Proved deaths: real dead trainings, ended early and trained on, and those that only seem dead."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normscope.images.decoded import LabelledImages
from normscope.models.stacked import lenet
from normscope.models.stacked.silence import Silence
from normscope.normalization import Normalization
from normscope.trials import death, network_death
from normscope.trials.fast.rounds import train_many
from normscope.trials.running import run_trial
from tests.trials.test_train import numbers

FAR_OFF = Normalization(3.0, 0.02)


def narrow_network(channels: int, classes: int) -> nn.Module:
    """Another network than LeNet, with few ways for an image to pass."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 16),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(16, classes),
    )


def normalizing_network(channels: int, classes: int) -> nn.Module:
    network = narrow_network(channels, classes)
    network.insert(2, nn.BatchNorm2d(4))
    return network


class Drawing(nn.Module):
    """Dropout that no module tells of, of what depends on the image."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = narrow_network(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.body(F.dropout(images, 0.5, self.training))


NARROW = f"{__name__}:narrow_network"
DRAWING = f"{__name__}:Drawing"
NORMALIZING = f"{__name__}:normalizing_network"
EPOCHS = 12


@pytest.fixture
def far_off(spec):
    recipe = replace(spec.recipe, epochs=EPOCHS, batch_size=16)
    return replace(spec, normalization=FAR_OFF, recipe=recipe)


def dead(spec, source):
    """The first trial that dies, by seed."""
    for seed in range(20):
        one = replace(spec, seed=seed)
        result = run_trial(one, source)
        if result.outcome == "died":
            return one, result
    raise AssertionError("none of twenty died")


@pytest.mark.parametrize("model", ["lenet", NARROW])
@pytest.mark.parametrize(
    ("trainer", "precision"), [("fast", "fp32"), ("fast", "bf16"), ("plain", "fp32")]
)
def test_an_early_end_changes_nothing(few_digits, far_off, model, trainer, precision, monkeypatch):
    trial = replace(far_off, model=model, trainer=trainer, precision=precision)
    one, early = dead(trial, few_digits)
    monkeypatch.setattr(death, "SILENT_STEPS", math.inf)
    monkeypatch.setattr(lenet, "SPARE_SILENT", False)
    whole = run_trial(one, few_digits)
    assert numbers(early) == numbers(whole)
    assert early.curve == whole.curve
    assert early.steps == whole.steps
    assert whole.died_at is None
    assert early.died_at < early.steps
    assert early.died_at % 16 == 0


@pytest.mark.parametrize(("model", "trainer"), [("lenet", "fast"), (NARROW, "plain")])
def test_images_of_the_test_need_not_be_silent(few_digits, far_off, model, trainer, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, few_digits.test.pixels.shape, np.uint8)
    odd = replace(few_digits, test=LabelledImages(noise, few_digits.test.labels))
    spared = []
    for owner, name in ((lenet.StackedLeNet, "silence"), (network_death.NetworkDeath, "_hold")):
        ordinary = getattr(owner, name)

        def spy(*given, tests, ordinary=ordinary):
            spared.append(tests)
            ordinary(*given, tests=tests)

        monkeypatch.setattr(owner, name, spy)
    trial = replace(far_off, model=model, trainer=trainer)
    one, early = dead(trial, odd)
    assert False in spared
    monkeypatch.setattr(death, "SILENT_STEPS", math.inf)
    monkeypatch.setattr(lenet, "SPARE_SILENT", False)
    whole = run_trial(one, odd)
    assert numbers(early) == numbers(whole)
    assert early.curve == whole.curve


def test_a_survival_trial_ends_with_its_death(few_digits, far_off):
    for model, trainer in (("lenet", "fast"), (NARROW, "plain")):
        trial = replace(far_off, model=model, trainer=trainer, survival=True)
        _, result = dead(trial, few_digits)
        assert result.steps == result.died_at


def test_the_dead_of_a_stack_are_those_that_die_alone(few_digits, far_off):
    one, _ = dead(far_off, few_digits)
    beside = [one, replace(one, normalization=Normalization(0.3, 0.4))]
    gone, living = train_many(beside, few_digits)
    assert gone.outcome == "died"
    assert living.outcome != "died"
    assert living.died_at is None
    assert len(living.history) == len(gone.history) == EPOCHS


@pytest.mark.parametrize("trainer", ["fast", "plain"])
def test_where_more_than_gradients_moves_weights_nothing_is_proved(few_digits, far_off, trainer):
    trial = replace(far_off, model=NARROW, trainer=trainer)
    one, _ = dead(trial, few_digits)
    # The same death under gradient descent: its momentum must have come to rest.
    sgd = replace(one.recipe, optimizer="sgd", lr=0.1, epochs=40)
    resting = run_trial(replace(one, recipe=sgd), few_digits)
    assert resting.outcome == "died"
    assert resting.died_at > 100
    decaying = replace(sgd, weight_decay=1e-4)
    assert run_trial(replace(one, recipe=decaying), few_digits).died_at is None
    normalized = replace(one, model=NORMALIZING)
    assert run_trial(normalized, few_digits).died_at is None


def test_a_training_that_learns_nothing_is_not_dead(few_digits, far_off):
    still = replace(far_off, recipe=replace(far_off.recipe, lr=1e-12, epochs=4))
    result = run_trial(still, few_digits)
    assert result.outcome == "stuck"
    assert result.died_at is None


def test_what_is_drawn_on_the_way_in_forbids_a_proof(few_digits, far_off):
    for seed in range(4):
        result = run_trial(replace(far_off, model=DRAWING, seed=seed), few_digits)
        assert result.died_at is None


def test_bounds_hold_for_all_bytes_and_sweeps_for_the_images_at_hand():
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    pixels = torch.randint(0, 256, (40, 1, 12, 12), generator=generator).float()
    answers = []
    for number in range(0, 60, 4):
        weights = draw(32, 1, 3, 3) / 255, draw(32), draw(64, 32, 3, 3) / 9, draw(64) - number / 3
        hidden = F.relu(F.conv2d(pixels.double(), weights[0].double(), weights[1].double()))
        features = F.conv2d(hidden, weights[2].double(), weights[3].double())
        holds = Silence(*weights).holds(pixels)
        largest = float(features.amax())
        assert holds == (largest < 0) or abs(largest) < 0.01
        answers.append(holds)
    assert 0 < sum(answers) < len(answers)
