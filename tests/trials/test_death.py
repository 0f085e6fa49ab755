"""Proved deaths: real dead trainings, ended early and trained on, and those that only seem dead."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from torch import nn

from normscope.normalization import Normalization
from normscope.trials import death
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


NARROW = f"{__name__}:narrow_network"
NORMALIZING = f"{__name__}:normalizing_network"
EPOCHS = 16


@pytest.fixture
def far_off(spec):
    recipe = replace(spec.recipe, epochs=EPOCHS, batch_size=16)
    return replace(spec, normalization=FAR_OFF, recipe=recipe)


def dead(spec, source):
    """Trials of the first seeds that die."""
    seeds = [replace(spec, seed=seed) for seed in range(12)]
    results = [run_trial(one, source) for one in seeds]
    return [(s, r) for s, r in zip(seeds, results, strict=True) if r.outcome == "died"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("model", "trainer"),
    [("lenet", "fast"), ("lenet", "plain"), (NARROW, "fast"), (NARROW, "plain")],
)
def test_an_early_end_changes_nothing(
    few_digits, far_off, model, trainer, precision, monkeypatch
):
    if (trainer, precision) == ("plain", "bf16"):
        pytest.skip("the plain trainer has no bf16")
    trial = replace(far_off, model=model, trainer=trainer, precision=precision)
    found = dead(trial, few_digits)
    assert found
    monkeypatch.setattr(death, "SILENT_STEPS", math.inf)
    for one, early in found:
        whole = run_trial(one, few_digits)
        assert numbers(early) == numbers(whole)
        assert early.curve == whole.curve
        assert early.steps == whole.steps
        assert whole.died_at is None
        assert early.died_at < early.steps
        assert early.died_at % 16 == 0
