"""Searches on a function with a known optimum in place of training."""

from __future__ import annotations

import dataclasses
import warnings

import optuna
import pytest
from optuna.trial import TrialState

from normscope.errors import ChannelMismatch, NormscopeError, SpecificationDiffers
from normscope.findings.search_summary import summarize_search
from normscope.init_scale import InitScale
from normscope.normalization import HALF, Normalization
from normscope.reports.search_writing import write_search_report
from normscope.studies.executors import in_process
from normscope.studies.options import Place, SearchOptions
from normscope.studies.ranges import parse_ranges
from normscope.studies.samplers import SAMPLERS, make_sampler
from normscope.studies.search import plan_search, run_search, search
from normscope.studies.search_specification import SearchSpec
from normscope.studies.search_study import SearchStudy
from normscope.studies.search_work import best_configurations, references, repeated
from normscope.trials.recipe import FROZEN, LENET_ARTICLE
from tests.studies.function_in_place_of_training import BEST, evaluate

OVER = ("mean=-1:2", "std=0.05:1:log")
HERE = Place(workers=1)


@pytest.fixture(autouse=True)
def function_in_place_of_training(monkeypatch, quiet_optuna):
    monkeypatch.setattr(in_process, "run_trial", evaluate)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    out = tmp_path_factory.mktemp("plan") / "study"
    return plan_search(SearchOptions(over=OVER, trials=40, replicates=1, epochs=1, out=out))


def planned(plan, out, **changes):
    return dataclasses.replace(
        plan, specification=dataclasses.replace(plan.specification, **changes), out=out
    )


def values(study):
    return [trial.values for trial in study.trials()]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_keeps_to_the_ranges_and_comes_near_the_optimum(plan, tmp_path, sampler):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = run_search(
            planned(plan, tmp_path / "a", sampler=sampler, trials=25, replicates=0), HERE
        )
    assert len(study.trials()) == 25
    for trial in study.optuna_study.get_trials(states=(TrialState.COMPLETE,)):
        assert -1 <= trial.params["mean"] <= 2
        assert 0.05 <= trial.params["std"] <= 1
        assert trial.distributions["std"].log
        assert not trial.distributions["mean"].log
    best = study.optuna_study.best_trial
    assert best.value > 0.85
    assert abs(best.params["mean"] - BEST["mean"]) < 0.5
    again = run_search(
        planned(plan, tmp_path / "b", sampler=sampler, trials=13, replicates=0), HERE
    )
    assert values(again) == values(study)[:13]


def test_choices_look_at_validation_and_never_at_test(plan, tmp_path, monkeypatch):
    def misleading(spec, source, on_epoch=None):
        seen = evaluate(spec, source)
        return dataclasses.replace(seen, accuracy=1 - seen.accuracy)

    monkeypatch.setattr(in_process, "run_trial", misleading)
    study = run_search(planned(plan, tmp_path / "a", replicates=2), HERE)
    trials = study.trials()
    best = max(trials, key=lambda trial: trial.score)
    assert best.accuracy == pytest.approx(1 - 0.9 * best.score)
    assert study.optuna_study.best_trial.number == best.number
    assert best_configurations(trials)[0] == best
    summary = summarize_search(study)
    assert summary.chosen_on == "validation"
    assert summary.best["values"] == best.values
    assert summary.honest_best["accuracy"] < 0.5 < summary.honest_best["score"]
    assert "on validation" in summary.sentence
    # The published protocol holds no images back, and chooses on test.
    article = dataclasses.replace(plan.specification.trial, recipe=LENET_ARTICLE)
    of_article = run_search(planned(plan, tmp_path / "b", trial=article, trials=8), HERE)
    assert all(trial.score == trial.accuracy for trial in of_article.trials())
    assert summarize_search(of_article).chosen_on == "test"


def test_another_seed_is_another_search(plan, tmp_path):
    trial = dataclasses.replace(plan.specification.trial, seed=1)
    first = run_search(planned(plan, tmp_path / "a", trials=8, replicates=0), HERE)
    other = run_search(planned(plan, tmp_path / "b", trials=8, trial=trial), HERE)
    assert values(first) != values(other)
    assert {trial.spec.seed for trial in other.trials()} == {1}
    assert {trial.spec.seed for trial in other.replicates()} == {2}


def test_samplers_differ_between_slots_of_one_seed():
    drawn = []
    for slot in range(3):
        study = optuna.create_study(sampler=make_sampler("random", 0, slot))
        drawn.append(study.ask().suggest_float("x", 0, 1))
    assert len(set(drawn)) == 3


def test_a_resumed_search_asks_again_what_was_running(plan, tmp_path, monkeypatch):
    asked = []

    def interrupted(spec, source, on_epoch=None):
        asked.append(spec)
        if len(asked) == 6:
            raise KeyboardInterrupt
        return evaluate(spec, source)

    here = planned(plan, tmp_path / "a", sampler="random", trials=12)
    monkeypatch.setattr(in_process, "run_trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_search(here, HERE)
    assert len(SearchStudy.open(here.out).trials()) == 5
    run_search(here, HERE)
    assert asked[6] == asked[5]
    whole = run_search(planned(plan, tmp_path / "b", sampler="random", trials=12), HERE)
    resumed = SearchStudy.open(here.out)
    assert values(resumed) == values(whole)
    # Nor do equal scores rank in another order, though Optuna counted the one that was cut off.
    assert [t.number for t in resumed.trials()] == [t.number for t in whole.trials()]
    assert {t.number for t in resumed.optuna_study.trials} > {t.number for t in whole.trials()}


def test_a_longer_call_goes_on_and_a_shorter_one_trains_nothing(plan, tmp_path):
    run_search(planned(plan, tmp_path / "a", trials=10), HERE)
    longer = run_search(planned(plan, tmp_path / "a", trials=15), HERE)
    assert len(longer.trials()) == 15
    seen = []
    run_search(
        planned(plan, tmp_path / "a", trials=15), HERE, lambda done, total: seen.append(done)
    )
    assert min(seen) == 15


def test_progress_ends_at_the_whole(plan, tmp_path):
    seen = []
    run_search(planned(plan, tmp_path / "a", trials=6), HERE, lambda *numbers: seen.append(numbers))
    assert seen[0] == (0, 6 + 5 + 2)
    assert seen[-1] == (13, 13)


def test_decoding_is_told_of_too(class_folders, tmp_path):
    seen = []
    plan_search(
        SearchOptions(str(class_folders), over=OVER, resize=28, crop=28, out=tmp_path / "study"),
        lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (24, 24)


def test_a_renamed_folder_is_gone_on_with(plan, tmp_path, monkeypatch):
    run_search(planned(plan, tmp_path / "before", trials=6), HERE)
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.setattr(in_process, "run_trial", lambda spec, source: pytest.fail("it trains"))
    study = run_search(planned(plan, tmp_path / "after", trials=6), HERE)
    assert len(study.trials()) == 6


def test_a_name_that_replicates_have_is_refused(plan, tmp_path):
    shared = Place(workers=1, storage=f"sqlite:///{tmp_path}/s.db", study="one replicates")
    with pytest.raises(NormscopeError, match="--study must not end in ' replicates'"):
        run_search(planned(plan, tmp_path / "a", trials=6), shared)


def test_a_cluster_that_is_not_there_leaves_no_folder(plan, tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(NormscopeError, match="--ray must be the address of a running cluster"):
        run_search(planned(plan, tmp_path / "a"), Place(ray="127.0.0.1:1"))
    assert not (tmp_path / "a").exists()


def test_a_range_of_many_magnitudes(plan, tmp_path):
    over = parse_ranges(["std=1e-300:1e300:log"])
    study = run_search(planned(plan, tmp_path / "a", trials=3, over=over, replicates=0), HERE)
    found = write_search_report(study).good.parameters["std"]
    assert 0 < found.spread < 2


def test_another_specification_is_refused(plan, tmp_path):
    run_search(planned(plan, tmp_path / "a", trials=6), HERE)
    with pytest.raises(SpecificationDiffers) as error:
        run_search(planned(plan, tmp_path / "a", trials=6, sampler="random"), HERE)
    assert str(error.value) == (
        f"{tmp_path / 'a'} must hold a search of the same specification, got another: sampler "
        "random (begun with tpe). Choose another --out or repeat the first call."
    )
    shared = Place(workers=1, storage=f"sqlite:///{tmp_path}/shared.db", study="one")
    run_search(planned(plan, tmp_path / "b", trials=6), shared)
    with pytest.raises(SpecificationDiffers) as error:
        run_search(planned(plan, tmp_path / "c", trials=6, sampler="random"), shared)
    assert str(error.value) == (
        f"study 'one' in sqlite:///{tmp_path}/shared.db must hold a search of the same "
        "specification, got another: sampler random (begun with tpe). Choose another --study or "
        "repeat the first call."
    )
    assert len(SearchStudy.open(tmp_path / "b", shared.storage).trials()) == 6
    with pytest.raises(NormscopeError, match="they are in a shared database"):
        SearchStudy.open(tmp_path / "b")
    with pytest.raises(NormscopeError, match="must hold the study 'two', got one, one replicates"):
        SearchStudy.open(tmp_path / "b", shared.storage, "two")


def test_a_specification_reads_back(plan, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(plan.specification.to_toml(), encoding="utf-8")
    assert SearchSpec.read_toml(path) == plan.specification
    with pytest.raises(NormscopeError) as error:
        SearchSpec.from_json({"schema": 1, "kind": "scan"})
    assert str(error.value) == (
        "a search must have the specification of a search, got one of a scan. Choose another "
        "folder or file."
    )
    with pytest.raises(NormscopeError, match="got a fault at 'trial'"):
        SearchSpec.from_json({"schema": 1, "kind": "search", "chosen_on": "test"})
    # A search that chose on test is not gone on with.
    before = plan.specification.to_json()
    assert before.pop("chosen_on") == "validation"
    with pytest.raises(NormscopeError, match="got one of an older normscope, which chose on test"):
        SearchSpec.from_json(before)
    with pytest.raises(NormscopeError, match="must be a readable study.toml"):
        SearchSpec.read_toml(tmp_path / "none.toml")


def test_what_is_fixed_and_what_it_is_compared_with(tmp_path):
    options = SearchOptions(preset="lenet-init", epochs=1, out=tmp_path)
    specification = plan_search(options).specification
    assert specification.trial.normalization == Normalization(-1, 0.1)
    assert references(specification) == {"default": specification.trial}
    worst = plan_search(dataclasses.replace(options, at=["mean=-0.5714,std=0.02"])).specification
    assert worst.trial.normalization == Normalization(-0.5714, 0.02)
    at = specification.trial_at({"weight-init": 0.3, "bias-init": 5.5})
    assert at.init_scale == InitScale(0.3, 5.5)
    of_recipe = plan_search(
        SearchOptions(over=["lr=0.1:2:log", "epochs=1:3"], norm="half", out=tmp_path)
    ).specification
    trial = of_recipe.trial_at({"lr": 0.5, "epochs": 2})
    assert (trial.recipe.lr, trial.recipe.epochs, trial.normalization) == (0.5, 2, HALF)


def test_the_best_of_different_values_are_repeated(plan, tmp_path):
    study = run_search(planned(plan, tmp_path / "a", trials=8, replicates=0), HERE)
    trials = study.trials()
    twice = [*trials, dataclasses.replace(trials[0], number=99)]
    best = best_configurations(twice)
    assert [t.score for t in best] == sorted((t.score for t in trials), reverse=True)[:5]
    assert 99 not in {t.number for t in best}
    specs = repeated(dataclasses.replace(plan.specification, replicates=3), trials)
    assert len(specs) == len(set(specs)) == 3 * (5 + 2)
    # The database says which values were best, and nothing else of what is run.
    changed = [
        dataclasses.replace(t, spec=dataclasses.replace(t.spec, model="stranger:net"))
        for t in trials
    ]
    assert repeated(dataclasses.replace(plan.specification, replicates=3), changed) == specs


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"over": OVER, "sampler": "tp"},
            "sampler must be one of tpe, gp, qmc, random, cmaes, got 'tp'. Did you mean 'tpe'?",
        ),
        (
            {"over": OVER[:1], "sampler": "cmaes"},
            "sampler='cmaes' must be given at least two parameters, got one. Use sampler='tpe'.",
        ),
        ({"over": OVER, "trials": 0}, "trials must be at least 1, got 0. Give a larger number."),
        (
            {"over": OVER, "replicates": -1},
            "replicates must be at least 0, got -1. Give a larger number.",
        ),
        (
            {"over": ["std=0:1"]},
            "std must be finite and > 0 in every channel, got 0: channel 0 is 0.0. "
            "Give a std above 0.",
        ),
        (
            {"over": OVER, "at": ["mean=0"]},
            "a parameter must be varied or fixed, got mean in both over and at. "
            "Leave it out of one.",
        ),
        (
            {"over": OVER, "preset": "lenet"},
            "what varies must be given once, got preset and also over. "
            "Leave one of them out.",
        ),
        (
            {"preset": "lenet-inti"},
            "preset must be one of lenet, lenet-init, resnet, rgb-coarse, rgb-fine, got "
            "'lenet-inti'. Did you mean 'lenet-init'?",
        ),
        (
            {"over": ["mean=-1e308:1e308"]},
            "over must span less than floats can hold, got 'mean=-1e308:1e308'. "
            "Narrow the range.",
        ),
        ({"over": ["epochs=0:3"]}, "epochs must be at least 1, got 0. Give a larger number."),
    ],
)  # fmt: skip
def test_searches_that_cannot_be(tmp_path, options, sentence):
    with pytest.raises(NormscopeError) as error:
        search(**options, out=tmp_path / "none")
    assert str(error.value) == sentence
    assert not (tmp_path / "none").exists()


def test_channels_that_do_not_fit(tmp_path):
    with pytest.raises(ChannelMismatch, match="normalization must have 1 channel to fit"):
        plan_search(SearchOptions(preset="rgb-fine", out=tmp_path))


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({"workers": 0}, "--workers must be at least 1, got 0. Give a larger number."),
        ({"grace_seconds": 0}, "--grace must be > 0 seconds, got 0. Give a larger number."),
        (
            {"study": "x"},
            "--study must be given with --storage, got it alone. Leave it out: a folder holds one "
            "study.",
        ),
    ],
)
def test_places_that_cannot_be(place, sentence):
    with pytest.raises(NormscopeError) as error:
        Place(**place)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("changes", "met"), [({"halving": True}, "--halving"), ({"over": ["lr=0.1:1"]}, "lr")]
)
def test_a_frozen_network_is_not_searched_by_training(plan, changes, met):
    frozen = dataclasses.replace(
        plan.specification, trial=dataclasses.replace(plan.specification.trial, recipe=FROZEN)
    )
    if "over" in changes:
        changes = {"over": parse_ranges(changes["over"])}
    with pytest.raises(NormscopeError) as error:
        dataclasses.replace(frozen, **changes)
    assert str(error.value) == (
        "--recipe frozen trains nothing, so only means and stds can be searched, to the end, got "
        f"{met}. Leave it out, or choose another --recipe."
    )
