from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import optuna
import pytest

from normscope.errors import NormscopeError
from normscope.findings.fresh_seeds import honestly_chosen
from normscope.findings.good_configurations import good_configurations
from normscope.findings.search_answer import reasons
from normscope.findings.search_summary import summarize_search
from normscope.reports.search_writing import write_search_report
from normscope.studies.executors import in_process
from normscope.studies.options import Place, SearchOptions
from normscope.studies.ranges import Range
from normscope.studies.search import plan_search, run_search
from normscope.studies.search_study import SearchStudy, SearchTrial
from tests.studies.function_in_place_of_training import evaluate


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A finished search of 40 trials and 3 replicates over a function."""
    out = tmp_path_factory.mktemp("searched") / "study"
    options = SearchOptions(
        over=["mean=-1:2", "std=0.05:1:log"], trials=40, replicates=3, epochs=1, out=out
    )
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_process, "run_trial", evaluate)
        study = run_search(plan_search(options), Place(workers=1))
    optuna.logging.set_verbosity(before)
    return study


def test_the_honest_value_is_the_mean_of_fresh_seeds(searched):
    summary = summarize_search(searched)
    trials = searched.trials()
    best = max(trials, key=lambda trial: trial.score)
    assert summary.best == {
        "values": best.values, "score": best.score, "accuracy": best.accuracy,
        "number": best.number,
    }  # fmt: skip
    fresh = {}
    for trial in searched.replicates():
        fresh.setdefault(trial.spec.normalization, {})[trial.spec.seed] = trial.result.accuracy
    assert all(sorted(seeds) == [1, 2, 3] for seeds in fresh.values())
    assert len(summary.repeated) == 5
    for row in summary.repeated:
        (trial,) = [t for t in trials if t.values == row["values"]]
        seeds = np.array(list(fresh[trial.spec.normalization].values()))
        assert row["accuracy"] == pytest.approx(seeds.mean())
        assert row["se"] == pytest.approx(seeds.std(ddof=1) / np.sqrt(3))
        assert row["optimistic"] == trial.score
    honest = summary.honest_best
    (row,) = [row for row in summary.repeated if row["values"] == honest["values"]]
    assert (honest["accuracy"], honest["se"]) == (row["accuracy"], row["se"])
    assert honest["accuracy"] == max(row["accuracy"] for row in summary.repeated)
    assert honest["interval"][0] < row["interval"][0]
    assert honest["interval"][1] == pytest.approx(row["interval"][1])
    assert honest["leave_one_out"]["accuracy"] <= honest["accuracy"]
    again = summary.repeated[0]["accuracy"] / 0.9
    assert honest["optimism"] == pytest.approx(best.score - again)
    for known in summary.references.values():
        assert known["difference"] == pytest.approx(honest["accuracy"] - known["accuracy"])
    assert honest["score"] == pytest.approx(honest["accuracy"] / 0.9)
    assert summary.references.keys() == {"data", "half"}
    half = evaluate(dataclasses.replace(best.spec, seed=1), None)
    assert half.accuracy in fresh[best.spec.normalization].values()
    assert summary.references["half"]["verdict"] == "better"
    assert "0.5/0.5" in summary.sentence
    mean, std = (f"{honest['values'][name]:.3g}" for name in ("mean", "std"))
    known = summary.references[summary.decided_by]["accuracy"]
    assert summary.answer.startswith(
        f"Yes: use mean {mean} and std {std}; accuracy {honest['accuracy']:.3f}, against "
        f"{known:.3f} for "
    )
    assert len(summary.answer.split()) <= 25
    assert len(summary.reasons) <= 5
    assert sum(summary.importance.values()) == pytest.approx(1)
    json.dumps(summary.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("optimism", "reason"),
    [
        (
            0.0125,
            "Of the search's best score, 0.957 on validation, 0.013 was luck: with fresh seeds the "
            "same values score 0.945.",
        ),
        (
            -0.025,
            "The search's own seed was unlucky: its best score is 0.957 on validation; with fresh "
            "seeds the same values score 0.982.",
        ),
    ],
)
def test_the_searchs_own_seed_may_be_lucky_or_not(searched, optimism, reason):
    summary = summarize_search(searched)
    honest = {**summary.honest_best, "optimism": optimism}
    found = dataclasses.replace(summary, best={**summary.best, "score": 0.957}, honest_best=honest)
    assert reasons(searched.specification, found)[1] == reason
    honest["optimism"] = -summary.margin / 2
    assert "luck" not in " ".join(reasons(searched.specification, found))


def test_importance_is_by_the_method_that_is_named(searched, monkeypatch):
    import optuna

    asked = []
    method = optuna.importance.PedAnovaImportanceEvaluator
    whole = method.evaluate
    monkeypatch.setattr(
        method,
        "evaluate",
        lambda self, study, **given: asked.append(1) or whole(self, study, **given),
    )
    shares = summarize_search(searched).importance
    assert asked
    assert sum(shares.values()) == pytest.approx(1)


def test_unfinished_searches(searched, tmp_path):
    few = dataclasses.replace(searched.specification, trials=3, replicates=0)
    (tmp_path / "none").mkdir()
    empty = SearchStudy.create(tmp_path / "none", few)
    with pytest.raises(NormscopeError, match="at least one finished trial, got none"):
        summarize_search(empty)
    options = SearchOptions(
        over=["mean=-1:2"], trials=3, replicates=0, epochs=1, out=tmp_path / "few"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_process, "run_trial", evaluate)
        run_search(plan_search(options), Place(workers=1))
    summary = write_search_report(SearchStudy.open(tmp_path / "few"))
    assert (summary.honest_best, summary.references, summary.importance) == (None, {}, None)
    assert (summary.verdict, summary.answer) == (
        "unsettled",
        "Not settled: without fresh seeds nobody knows how much of the best of 3 trials was luck; "
        "repeat it with some.",
    )
    names = {path.name for path in (tmp_path / "few" / "figures").iterdir()}
    assert names == {"history.png"}
    one = SearchOptions(
        over=["mean=-1:2", "std=0.1:1"], trials=1, replicates=0, epochs=1, out=tmp_path / "one"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_process, "run_trial", evaluate)
        run_search(plan_search(one), Place(workers=1))
    write_search_report(SearchStudy.open(tmp_path / "one"))
    assert [path.name for path in (tmp_path / "one" / "figures").iterdir()] == ["history.png"]


def test_an_honest_choice_is_unbiased_where_a_maximum_is_not():
    # Ten configurations that are equally good: whatever is chosen is worth 0.9.
    rng = np.random.default_rng(0)
    tables = 0.9 + rng.normal(0, 0.01, (2000, 10, 4))
    seeds = np.arange(4)
    honest = np.mean([table[honestly_chosen(table)[1], seeds].mean() for table in tables])
    naive = np.mean([table.mean(axis=1).max() for table in tables])
    assert honest == pytest.approx(0.9, abs=0.0006)
    assert naive > 0.905
    assert honestly_chosen(np.array([[0.1], [0.9]]))[0] == 0


def test_where_the_good_ones_lie():
    over = (Range("mean", 0, 1), Range("std", 0.01, 1, log=True))
    rng = np.random.default_rng(0)
    trials = []
    for number in range(100):
        good = number < 10
        mean = 0.5 + 0.01 * rng.random() if good else rng.random()
        std = 0.01 ** rng.random()
        accuracy = 0.9 if good else 0.5
        trials.append(SearchTrial(number, {"mean": mean, "std": std}, accuracy, 0.1, None))
    found = good_configurations(trials, over)
    assert (found.trials, found.score_from) == (10, 0.9)
    # A tenth of all that were asked, and no more than there are.
    assert good_configurations(trials, over, trials).trials == 20
    assert good_configurations(trials, over, 20 * trials).trials == 100
    mean, std = found.parameters["mean"], found.parameters["std"]
    assert (mean.pattern, std.pattern) == ("converges", "scatters")
    assert 0.5 <= mean.low <= mean.median <= mean.high <= 0.51
    assert std.asked_spread == pytest.approx(1, abs=0.1)


def test_a_search_is_read_without_torch(searched):
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'torchvision'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import normscope; from pathlib import Path\n"
        "study = normscope.SearchStudy.open(Path(sys.argv[1]))\n"
        "print(normscope.summarize_search(study).trials)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(searched.folder)], capture_output=True, text=True
    )
    assert done.stdout == "40\n", done.stderr
