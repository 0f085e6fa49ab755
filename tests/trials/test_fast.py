"""The fast trainer's trials: complete, repeatable, and the plain one's experiment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from normscope.errors import WorkFailed
from normscope.init_scale import InitScale
from normscope.normalization import NONE, Normalization
from normscope.studies.executors.opening import open_executor
from normscope.studies.executors.stacked import Stacked
from normscope.studies.options import ScanOptions
from normscope.studies.scan_planning import plan_scan
from normscope.trials.fast import rounds
from normscope.trials.fast.rounds import train_many, train_rounds
from normscope.trials.fast.training import train_fast
from normscope.trials.recipe import LENET_ARTICLE, LENET_STEPLR
from normscope.trials.running import run_trial
from normscope.trials.train import train
from tests.trials.test_train import numbers


def small_network(channels: int, classes: int) -> nn.Module:
    """Without dropout, so that both trainers see the same numbers."""
    network = nn.Sequential(
        nn.Conv2d(channels, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, classes),
    )
    network.unused = nn.Parameter(torch.ones(2))
    return network


@pytest.fixture
def two_epochs(spec):
    return replace(spec, recipe=replace(spec.recipe, epochs=2))


def test_the_same_specification_gives_the_same_bits(few_digits, two_epochs):
    state, count = torch.get_rng_state(), torch.get_num_threads()
    first = run_trial(two_epochs, few_digits)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == count
    torch.rand(3)
    assert numbers(run_trial(two_epochs, few_digits)) == numbers(first)
    assert numbers(first) != numbers(run_trial(replace(two_epochs, seed=1), few_digits))


def test_initialization_is_the_plain_trainers(few_digits, two_epochs):
    scaled = replace(two_epochs, init_scale=InitScale(2.0, 0.5))
    fast, plain = train_fast(scaled, few_digits), train(scaled, few_digits)
    assert fast.first_layer["initial"] == plain.first_layer["initial"]
    assert fast.history[0].keys() == plain.history[0].keys()
    assert len(fast.history) == 2
    assert fast.correct_images().mean() == fast.accuracy
    assert fast.first_layer["final"] != fast.first_layer["initial"]


def test_it_learns_as_the_plain_trainer_does(digits, spec):
    spec = replace(spec, recipe=replace(LENET_STEPLR, epochs=4))
    ours = [run_trial(replace(spec, seed=seed), digits) for seed in range(4)]
    theirs = [train(replace(spec, seed=seed), digits) for seed in range(4)]
    for epoch in range(4):
        mine = np.array([result.history[epoch]["train_loss"] for result in ours])
        wanted = np.array([result.history[epoch]["train_loss"] for result in theirs])
        assert mine.mean() == pytest.approx(wanted.mean(), rel=0.15)
    assert min(result.accuracy for result in ours) > 0.9


def test_epochs_are_handed_over_and_tested_on(few_digits, spec):
    source = replace(few_digits, validation=None)
    seen = []
    article = replace(spec, recipe=replace(LENET_ARTICLE, epochs=2))
    result = run_trial(article, source, seen.append)
    assert [epoch.to_json() for epoch in seen] == result.history
    assert result.history[-1]["test_accuracy"] == result.accuracy
    assert result.history[-1]["test_loss"] == pytest.approx(result.loss)
    assert result.history[-1]["validation_accuracy"] is None


def test_bf16_learns(digits, spec):
    spec = replace(spec, precision="bf16", recipe=replace(LENET_STEPLR, epochs=3))
    result = run_trial(spec, digits)
    assert result.precision == "bf16"
    assert result.accuracy > 0.8


def test_a_diverged_trial_stops_and_leaves_its_neighbours(few_digits, two_epochs):
    wild = replace(two_epochs, init_scale=InitScale(1e38))
    alone = run_trial(two_epochs, few_digits)
    calm, diverged = train_many([two_epochs, wild], few_digits)
    assert diverged.diverged
    assert diverged.loss is None
    assert len(diverged.history) == 1
    assert not calm.diverged
    assert len(calm.history) == 2
    assert calm.accuracy == pytest.approx(alone.accuracy, abs=0.05)


def test_stacked_trials_are_those_trained_alone(few_digits, two_epochs):
    specs = [
        replace(two_epochs, normalization=n, seed=seed)
        for n in (NONE, Normalization(3.0, 2.0), Normalization(0.5, 0.1))
        for seed in (0, 1)
    ]
    stacked = train_many(specs, few_digits)
    for spec, together in zip(specs, stacked, strict=True):
        alone = train_fast(spec, few_digits)
        assert together.first_layer["initial"] == alone.first_layer["initial"]
        for mine, wanted in zip(together.history, alone.history, strict=True):
            # The same draws and the same sums, in another order.
            assert mine["train_loss"] == pytest.approx(wanted["train_loss"], rel=1e-3)


@pytest.fixture
def stacks(monkeypatch):
    """Stands in for a device with room for two trials."""
    sizes = []
    real = rounds.train_stack

    def train_stack(specs, source, trunk, on_epoch=None):
        sizes.append(len(specs))
        if len(specs) > 2:
            raise torch.OutOfMemoryError
        return real(specs, source, trunk, on_epoch)

    monkeypatch.setattr(rounds, "train_stack", train_stack)
    return sizes


def test_rounds_shrink_to_the_memory_and_lose_no_trial(few_digits, spec, stacks):
    specs = [
        replace(spec, normalization=Normalization(mean, 0.5), seed=seed)
        for seed in (0, 1)
        for mean in range(5)
    ]
    with pytest.warns(RuntimeWarning) as warned:
        results = train_many(specs, few_digits)
    assert [str(one.message) for one in warned] == [
        "cpu ran out of memory; going on with rounds of at most 2 trials"
    ]
    assert stacks == [5, 2, 2, 1, 2, 2, 1]
    assert len(results) == 10
    assert len({result.first_layer["initial"]["weight_mean"] for result in results}) == 2


def test_a_trial_that_never_fits(few_digits, spec, monkeypatch):
    def train_stack(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(rounds, "train_stack", train_stack)
    with pytest.raises(WorkFailed) as error:
        list(train_rounds([spec], few_digits))
    assert str(error.value) == (
        "a trial must fit the memory of cpu, got one that does not. "
        "Free memory on the device, or use --device cpu."
    )


def test_a_stacked_executor_hands_over_every_trial(few_digits, spec):
    specs = [replace(spec, normalization=Normalization(mean, 0.5)) for mean in range(3)]
    executor = Stacked(few_digits, trials=2)
    assert executor.slots == 2
    for one in specs[:2]:
        executor.submit(one)
    finished = [executor.next_finished()]
    executor.submit(specs[2])
    finished += [executor.next_finished() for _ in range(2)]
    executor.close()
    assert [trial.spec for trial in finished] == specs


def test_a_gpu_study_trains_stacked(few_digits):
    plan = plan_scan(ScanOptions(mean="0", std="1"))
    on_gpu = replace(plan.specification.trial, device="cuda")
    with open_executor(few_digits, on_gpu, trials=7, workers=None) as executor:
        assert isinstance(executor, Stacked)
    plain = replace(on_gpu, trainer="plain")
    with open_executor(few_digits, plain, trials=7, workers=None) as executor:
        assert not isinstance(executor, Stacked)


def test_any_model_trains_as_the_plain_trainer_trains_it(few_digits, two_epochs):
    spec = replace(two_epochs, model=f"{__name__}:small_network")
    fast, plain = run_trial(spec, few_digits), run_trial(replace(spec, trainer="plain"), few_digits)
    assert fast.first_layer["initial"] == plain.first_layer["initial"]
    for mine, wanted in zip(fast.history, plain.history, strict=True):
        assert mine["train_loss"] == pytest.approx(wanted["train_loss"], rel=1e-3)
    assert fast.accuracy == pytest.approx(plain.accuracy, abs=0.05)


def test_any_model_trains_in_bf16(few_digits, spec):
    spec = replace(spec, model=f"{__name__}:small_network", precision="bf16")
    assert np.isfinite(run_trial(replace(spec, recipe=LENET_STEPLR), few_digits).loss)


def test_a_trial_does_without_the_compiler(run_beside_torch, tmp_path):
    script = (
        "import sys; import normscope; normscope.train(epochs=1, train_images=64); "
        "print('torch._dynamo' in sys.modules)"
    )
    assert run_beside_torch(script, tmp_path)[0] == "False\n"
