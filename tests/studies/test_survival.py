from __future__ import annotations

from dataclasses import replace

import optuna
import pytest

from normscope.errors import NormscopeError
from normscope.studies.estimate import estimate
from normscope.studies.executors import opening
from normscope.studies.options import Place
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import plan_scan
from normscope.studies.specification import SURVIVAL_SEEDS, ScanSpec
from normscope.studies.study import Study
from normscope.trials.fast.rounds import train_many
from normscope.trials.fast.stack_plan import PLAIN
from normscope.trials.recipe import FROZEN
from normscope.trials.running import run_trial
from normscope.trials.spec import TrialSpec
from tests.studies.made_results import made_result, with_trial
from tests.studies.test_scan import everything


def test_they_come_after_the_full_trainings_and_share_no_seed(small_plan):
    specification = replace(small_plan.specification, survival=3)
    full, survival = specification.full_trials(), specification.survival_trials()
    assert specification.trials() == [*full, *survival]
    assert full == small_plan.specification.trials()
    assert [trial.seed for trial in survival] == [
        SURVIVAL_SEEDS + seed for seed in range(3) for _ in range(7)
    ]
    assert {trial.normalization for trial in survival} == {trial.normalization for trial in full}
    assert all(trial.survival for trial in survival)
    assert not any(trial.survival for trial in full)
    assert TrialSpec.from_json(survival[0].to_json()) == survival[0]
    assert "survival" not in full[0].to_json()


def test_only_what_is_asked_for_is_written(small_plan):
    assert not {"survival", "first_seed"} & set(small_plan.specification.to_json())
    specification = with_trial(replace(small_plan.specification, survival=3), seed=1998)
    assert ScanSpec.from_json(specification.to_json()) == specification
    assert [trial.seed for trial in specification.full_trials()] == [1998] * 7 + [1999] * 7


def test_they_are_kept_apart(small_options, optunas_own):
    study = run_scan(plan_scan(replace(small_options, survival=2)), Place(workers=1))
    for found in (study, Study.open(small_options.out)):
        assert [len(found.trials()), len(found.survival_trials())] == [14, 14]
        assert not any(trial.spec.survival for trial in found.trials())
        assert all(trial.spec.survival for trial in found.survival_trials())
    # Those of the whole recipe are the same with them and without.
    alone = run_scan(
        plan_scan(replace(small_options, out=small_options.out / "alone")), Place(workers=2)
    )
    assert everything(alone) == everything(study)
    # Optuna's own tools see a study of each kind.
    storage = optunas_own(f"sqlite:///{small_options.out}/study.db")
    assert sorted(optuna.get_all_study_names(storage)) == ["study", "study survival"]
    one = optuna.load_study(study_name="study survival", storage=storage).trials[-1]
    assert one.params == {"mean": 0.5, "std": 1.0, "seed": SURVIVAL_SEEDS + 1}


def test_survival_alone(small_options):
    plan = plan_scan(replace(small_options, seeds=0, survival=1))
    before = estimate(plan, workers=1)
    assert (before.trials, before.finished) == (7, 0)
    study = run_scan(plan, Place(workers=1))
    assert (len(study.trials()), len(study.survival_trials())) == (0, 7)
    assert plan.remaining(study) == []
    assert estimate(plan, workers=1).trials == 0


def test_a_trial_of_survival_is_estimated_by_its_steps(small_options):
    """By 150 steps of 64 images, where the whole training has many more."""
    epochs = 200
    full = plan_scan(replace(small_options, seeds=1, epochs=epochs))
    short = plan_scan(replace(small_options, seeds=0, survival=1, epochs=epochs))
    ratio = estimate(short, workers=1).seconds / estimate(full, workers=1).seconds
    images = epochs * (len(full.source.train) + len(full.source.validation))
    tested = len(full.source.test)
    assert ratio == pytest.approx((150 * 64 + tested) / (images + tested), rel=0.7)


def test_stacked_where_full_trainings_are(small_options, monkeypatch):
    """On a GPU trials train together, those of survival too, but never both in one stack."""
    plan = plan_scan(replace(small_options, survival=1))
    plan = replace(plan, specification=with_trial(plan.specification, device="cuda"))
    assert opening.trains_stacked(plan.specification.trial, plan.source)
    stacks = []

    def together(specs, _source, _trunk):
        stacks.append(specs)
        return [made_result(spec) for spec in specs]

    monkeypatch.setattr("normscope.trials.fast.rounds.train_stack", together)
    monkeypatch.setattr("normscope.trials.fast.rounds.choose_plan", lambda *_: PLAIN)
    monkeypatch.setattr("normscope.trials.fast.rounds.models_that_fit", lambda *_: 100)
    study = run_scan(plan, Place(workers=1))
    assert [len(specs) for specs in stacks] == [7, 7, 7]
    assert all(len({(spec.seed, spec.survival) for spec in specs}) == 1 for specs in stacks)
    assert plan.remaining(study) == []


def test_a_stack_gives_what_each_trial_gives_alone(small_options):
    plan = plan_scan(replace(small_options, seeds=0, survival=1))
    specs = plan.specification.trials()
    for one, together in zip(
        (run_trial(spec, plan.source) for spec in specs),
        train_many(specs, plan.source),
        strict=True,
    ):
        assert one.outcome == together.outcome
        assert len(one.history) == len(together.history)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"survival": -1}, "--survival must be at least 0, got -1. Give a larger number."),
        (
            {"seeds": -1, "survival": 2},
            "--seeds must be at least 0, got -1. Give a larger number.",
        ),
        (
            {"seed": -1},
            "seed must lie between 0 and 9223372036854775807, got -1. Give a number in that range.",
        ),
        (
            {"seed": 999_999},
            "seeds must lie below 1000000, where those of --survival begin, got 2 from 999999 on. "
            "Take fewer, or a lower --first-seed.",
        ),
        (
            {"recipe": FROZEN, "seeds": 1, "survival": 5},
            "--survival must be 0 with --recipe frozen, which draws nothing at random, got 5. "
            "Leave it out.",
        ),
        (
            {"recipe": FROZEN, "seeds": 1, "seed": 5},
            "--first-seed must be 0 with --recipe frozen, which draws nothing at random, got 5. "
            "Leave it out.",
        ),
        (
            {"recipe": FROZEN, "seeds": 0, "survival": 5},
            "--seeds must be 1 with --recipe frozen, which draws nothing at random, got 0. "
            "Leave it out.",
        ),
    ],
)
def test_numbers_that_mean_nothing(small_plan, changes, sentence):
    with pytest.raises(NormscopeError) as error:
        of_trials = {n: changes.pop(n) for n in ("recipe", "seed") if n in changes}
        trial = replace(small_plan.specification.trial, **of_trials)
        replace(small_plan.specification, trial=trial, **changes)
    assert str(error.value) == sentence
