"""Successive halving, on a function in place of training and on real trainings."""

from __future__ import annotations

import dataclasses

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from normscope.errors import NormscopeError, WorkFailed
from normscope.findings.search_summary import summarize_search
from normscope.reports.search_writing import write_search_report
from normscope.studies.executors import in_process
from normscope.studies.halving import SuccessiveHalving, at_rung, rungs
from normscope.studies.options import Place, SearchOptions
from normscope.studies.search import plan_search, run_search, search
from normscope.studies.search_specification import SearchSpec
from normscope.trials.running import run_trial
from tests.studies.function_in_place_of_training import evaluate

EPOCHS = 16
HERE = Place(workers=1)


@pytest.fixture
def options(tmp_path, quiet_optuna):
    return SearchOptions(
        over=("mean=-1:2", "std=0.05:1:log"), trials=40, sampler="random", replicates=1,
        epochs=EPOCHS, out=tmp_path / "study", halving=True,
    )  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """Every trial that the function was called with."""
    called = []

    def note(spec, source, on_epoch=None):
        called.append(spec)
        return evaluate(spec, source)

    monkeypatch.setattr(in_process, "run_trial", note)
    return called


def survives(score: float, earlier: list[float]) -> bool:
    """Among the best third of those at the rung so far; the best of fewer than three."""
    place = sum(other >= score for other in earlier)
    return place < max(1, (len(earlier) + 1) // 3)


def reference(wholes: list) -> dict[str, int]:
    """Trials by where they ended, decided one after another."""
    at: dict[int, list[float]] = {1: [], 3: [], 9: []}
    ended: dict[str, int] = {}
    for whole in wholes:
        for rung, scores in at.items():
            score = evaluate(at_rung(whole, rung), None).history[-1]["validation_accuracy"]
            goes_on = survives(score, scores)
            scores.append(score)
            if not goes_on:
                ended[str(whole.normalization)] = rung
                break
        else:
            ended[str(whole.normalization)] = EPOCHS
    return ended


def test_trials_end_where_asynchronous_halving_says(options, trained):
    study = run_search(plan_search(options), HERE)
    trials = sorted(study.optuna_study.trials, key=lambda trial: trial.number)
    assert len(trials) == 40
    wholes = [study.specification.trial_at(trial.params) for trial in trials]
    ended = {}
    for trial, whole in zip(trials, wholes, strict=True):
        epochs = trial.user_attrs["trial"]["recipe"]["epochs"]
        ended[str(whole.normalization)] = epochs
        assert trial.state == (TrialState.COMPLETE if epochs == EPOCHS else TrialState.PRUNED)
        assert sorted(trial.intermediate_values) == [r for r in (1, 3, 9) if r <= epochs]
    assert ended == reference(wholes)
    assert set(ended.values()) == {1, 3, 9, EPOCHS}
    of_the_search = [spec.recipe.epochs for spec in trained if spec.seed == 0]
    assert sum(of_the_search) < 0.4 * 40 * EPOCHS
    assert all(spec.recipe.epochs == EPOCHS for spec in trained if spec.seed != 0)


def test_the_summary_counts_what_was_stopped(options, trained):
    study = run_search(plan_search(options), HERE)
    summary = summarize_search(study)
    assert summary.trials + summary.stopped_early == 40
    assert summary.stopped_early > 20
    assert "the best of 40 trials" in summary.answer
    assert f"{summary.stopped_early} were stopped early for being poor" in summary.sentence
    best = max(study.trials(), key=lambda trial: trial.score)
    assert summary.best["score"] == best.score == study.optuna_study.best_value
    before = len(trained)
    run_search(plan_search(options), HERE)
    assert len(trained) == before


@pytest.mark.parametrize("cut_off_after", [3, 11, 26])
def test_an_interrupted_search_goes_on_to_the_same_number(
    options, trained, monkeypatch, cut_off_after
):
    def interrupted(spec, source, on_epoch=None):
        trained.append(spec)
        if len(trained) == cut_off_after:
            raise KeyboardInterrupt
        return evaluate(spec, source)

    monkeypatch.setattr(in_process, "run_trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_search(plan_search(options), HERE)
    study = run_search(plan_search(options), HERE)
    done = [t for t in study.optuna_study.trials if t.state != TrialState.FAIL]
    assert len(done) == len({t.user_attrs["slot"] for t in done}) == 40
    assert len(study.trials()) + len(study.stopped()) == 40


def test_a_dead_process_leaves_nothing_to_compete_with(tmp_path):
    study = optuna.create_study(direction="maximize", pruner=SuccessiveHalving())

    def decide(score, *, dies=False):
        trial = study.ask()
        trial.report(score, 1)
        stops = trial.should_prune()
        if dies:
            study.tell(trial, state=TrialState.FAIL)
        return stops

    for _ in range(3):
        decide(0.9, dies=True)
    assert [decide(score) for score in (0.9, 0.5, 0.5, 0.5, 0.5, 0.85)] == [
        False, True, True, True, True, False,
    ]  # fmt: skip
    assert decide(float("nan"))
    # Chance is chance: of equal trials those that come later stop.
    assert [decide(0.1) for _ in range(6)] == [True] * 6


def test_where_every_trial_diverges(options, monkeypatch, capsys):
    monkeypatch.setattr(
        in_process, "run_trial",
        lambda spec, source: dataclasses.replace(evaluate(spec, source), diverged=True),
    )  # fmt: skip
    study = run_search(plan_search(dataclasses.replace(options, replicates=0)), HERE)
    assert study.trials() == []
    with pytest.raises(WorkFailed) as error:
        write_search_report(study)
    assert str(error.value) == (
        f"{study.folder} must hold a trial that was trained to the end, got 40 that diverged "
        "before. Choose other ranges, or a lower --at lr=."
    )


def test_a_diverged_trial_goes_no_further(options, monkeypatch):
    def diverged(spec, source, on_epoch=None):
        return dataclasses.replace(evaluate(spec, source), diverged=spec.normalization.mean[0] < 1)

    monkeypatch.setattr(in_process, "run_trial", diverged)
    study = run_search(plan_search(options), HERE)
    assert all(trial.values["mean"] >= 1 for trial in study.trials())
    below = [trial for trial in study.optuna_study.trials if trial.params["mean"] < 1]
    summary = summarize_search(study)
    assert summary.diverged == len(below) > 0
    asked = [t.params["mean"] / 3 for t in study.optuna_study.trials]
    assert summary.good.parameters["mean"].asked_spread == pytest.approx(np.std(asked) * 12**0.5)
    assert len(study.trials()) + len(study.stopped()) == 40


def test_real_trials_that_are_stopped_give_what_their_specification_gives(tmp_path, quiet_optuna):
    options = SearchOptions(
        over=("mean=-2:3", "std=0.02:2:log"), trials=6, sampler="random", replicates=0, epochs=4,
        train_images=400, out=tmp_path / "real", halving=True,
    )  # fmt: skip
    plan = plan_search(options)
    study = run_search(plan, Place(workers=2))
    assert study.stopped()
    for trial in study.optuna_study.trials:
        spec = study.specification.trial_at(trial.params)
        again = run_trial(spec, plan.source)
        seen = [epoch["validation_accuracy"] for epoch in again.history]
        # The schedule is the same for any number of epochs, so a rung is the start of the whole.
        assert trial.intermediate_values[1] == seen[0]
        if trial.state == TrialState.COMPLETE:
            assert trial.value == seen[-1]
            assert trial.user_attrs["result"]["accuracy"] == again.accuracy


def test_rungs_pay_for_themselves():
    for epochs in range(1, 200):
        # What a trial costs at most, against a third of them trained to the end.
        for rung in rungs(epochs):
            assert rung + epochs / 3 < epochs


def test_a_specification_with_halving_reads_back(options, tmp_path):
    specification = plan_search(options).specification
    path = tmp_path / "study.toml"
    path.write_text(specification.to_toml(), encoding="utf-8")
    assert SearchSpec.read_toml(path) == specification
    whole = dataclasses.replace(specification, halving=False)
    assert whole.differences(specification) == ["halving not given (begun with True)"]


def test_trials_too_short_to_stop(tmp_path):
    with pytest.raises(NormscopeError) as error:
        search(over=["mean=0:1"], halving=True, out=tmp_path / "none", epochs=1)
    assert str(error.value) == (
        "halving must have trials of at least 2 epochs to stop early, "
        "got 1. Leave it out, or give more epochs."
    )
