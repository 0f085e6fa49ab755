from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from normscope.errors import NormscopeError
from normscope.normalization import Normalization
from normscope.trials.course import Looks
from normscope.trials.outcome import share_of_most_frequent
from normscope.trials.recipe import FROZEN
from normscope.trials.result import FinishedTrial, TrialResult
from normscope.trials.running import run_trial
from normscope.trials.spec import TrialSpec
from tests.trials.test_train import numbers

OURS = "tests.trials.test_fast:small_network"
TRAINERS = [
    ("lenet", "plain"),
    ("lenet", "fast"),
    (OURS, "plain"),
    (OURS, "fast"),
    ("lenet-bn", "fast"),
]


@pytest.fixture(params=TRAINERS, ids=lambda p: f"{p[0].rpartition(':')[2]}-{p[1]}")
def trial(request, spec):
    model, trainer = request.param
    recipe = replace(spec.recipe, epochs=2, batch_size=16)
    return replace(spec, model=model, trainer=trainer, recipe=recipe)


def test_looking_changes_nothing(few_digits, trial, monkeypatch):
    looked = run_trial(trial, few_digits)
    monkeypatch.setattr(Looks, "due", lambda *_: False)
    unseen = run_trial(trial, few_digits)
    assert numbers(looked) == numbers(unseen)
    assert len(looked.curve) > len(unseen.curve) == 2


def test_the_curve_has_powers_of_two_and_the_ends_of_epochs(few_digits, trial):
    result = run_trial(trial, few_digits)
    an_epoch = -(-len(few_digits.train) // 16)
    within = [step for step in (8, 16, 32, 64) if step < an_epoch]
    assert [step for step, _ in result.curve] == [*within, an_epoch, 2 * an_epoch]
    ends = [epoch["validation_accuracy"] for epoch in result.history]
    assert [accuracy for _, accuracy in result.curve[-2:]] == ends
    assert result.steps == 2 * an_epoch
    assert result.chance == share_of_most_frequent(few_digits.test.labels)
    again = TrialResult(**json.loads(json.dumps(result.to_json())))
    assert again == result


def test_a_survival_trial_stops_once_it_has_left_chance(digits, spec):
    for trainer in ("plain", "fast"):
        short = replace(
            spec,
            trainer=trainer,
            survival=True,
            recipe=replace(spec.recipe, epochs=30, batch_size=64),
        )
        result = run_trial(short, digits)
        assert result.outcome == "still learning"
        assert result.steps % 16 == 0
        assert result.steps == result.curve[-1][0]
        assert result.steps < 30 * len(digits.train) // 64
        above = [a > result.chance for step, a in result.curve if step > result.steps - 48]
        assert len(above) >= 3
        assert all(above)


def test_a_survival_trial_that_never_learns_is_stuck_at_its_end(few_digits, spec):
    # A contrast of a hundred-thousandth leaves nothing to see in two epochs.
    blind = replace(
        spec,
        survival=True,
        normalization=Normalization(0.3, 1e5),
        recipe=replace(spec.recipe, epochs=2, batch_size=16),
    )
    result = run_trial(blind, few_digits)
    assert result.outcome == "stuck"
    assert len(result.history) == 2


def test_a_training_that_diverges_is_called_so(few_digits, spec):
    wild = replace(spec, recipe=replace(spec.recipe, optimizer="sgd", lr=1e30, epochs=2))
    for trainer in ("plain", "fast"):
        result = run_trial(replace(wild, trainer=trainer), few_digits)
        assert result.diverged
        assert result.outcome == "diverged"


def test_another_margin_judges_the_curve_anew(few_digits, spec):
    found = run_trial(spec, few_digits)
    rising = [{**found.history[0], "validation_accuracy": a} for a in (0.5, 0.6, 0.7)]
    result = replace(
        found,
        outcome="still learning",
        history=rising,
        accuracy=0.7,
        chance=0.1,
        test_images=1000,
        curve_images=1000,
    )
    assert FinishedTrial(spec, result).outcome(0.002) == "still learning"
    assert FinishedTrial(spec, result).outcome(0.2) == "learned"
    assert FinishedTrial(replace(spec, survival=True), result).outcome(0.2) == "still learning"
    old = replace(result, outcome=None, chance=None, curve=[], curve_images=None)
    assert FinishedTrial(spec, old).outcome(0.002) is None


def test_the_specification_of_a_survival_trial(spec):
    short = replace(spec, survival=True)
    assert "survival" not in spec.to_json()
    assert TrialSpec.from_json(json.loads(json.dumps(short.to_json()))) == short
    assert short.key() != spec.key()
    with pytest.raises(NormscopeError) as error:
        replace(short, recipe=FROZEN)
    assert str(error.value) == (
        "a survival trial must be used with a recipe that trains, got frozen. "
        "Choose another --recipe."
    )


def test_probes_take_images_of_every_class_in_a_sorted_split(few_digits, spec):
    looks = Looks(spec, few_digits)
    assert np.all(np.diff(looks.indices) > 0)
    assert looks.split == "validation"
    assert len(looks.indices) == min(256, len(few_digits.validation))
