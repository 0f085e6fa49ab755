from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import normscope
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.reports.page_data import _curves
from normscope.reports.search_writing import write_search_report
from normscope.studies.options import Place, ScanOptions, SearchOptions
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import plan_scan
from normscope.studies.search import plan_search, run_search
from normscope.studies.search_study import SearchStudy
from normscope.studies.study import Study
from normscope.trials.spec import TrialSpec

WITHOUT_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Refuse())
from normscope.cli.app import run
sys.exit(run(["report", sys.argv[1], "--json", "-"]))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    options = ScanOptions(
        mean="0,0.5", std="0.5,1", seeds=2, epochs=1, train_images=50,
        out=tmp_path_factory.mktemp("study"),
    )  # fmt: skip
    run_scan(plan_scan(options), Place(workers=1))
    return options.out


def test_a_page_is_the_same_in_whatever_order_trials_finished(made_study):
    trials = made_study("0,0.5", "0.5,1", np.arange(12).reshape(2, 2, 3) / 12).trials()
    curves = json.dumps(_curves(trials))
    assert json.dumps(_curves(trials[::-1])) == curves
    assert json.dumps(_curves(trials[5:] + trials[:5])) == curves


def test_it_writes_the_summary_and_the_figures(finished):
    summary = normscope.report(finished)
    written = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(summary.to_json()))
    figures = sorted(path.name for path in (finished / "figures").iterdir())
    assert figures == ["accuracy_map.png", "best_95_percent.png"]


def test_it_redraws_them_without_torch(finished):
    assert run(["report", str(finished)]) == 0
    expected = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    (finished / "summary.json").unlink()
    for path in (finished / "figures").iterdir():
        path.unlink()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(finished)],
        env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
    assert json.loads((finished / "summary.json").read_text(encoding="utf-8")) == expected
    assert len(list((finished / "figures").iterdir())) == 2


def test_a_study_without_a_whole_seed(tmp_path):
    options = ScanOptions(
        mean="0", std="1", seeds=1, epochs=1, train_images=50, out=tmp_path / "study"
    )
    plan = plan_scan(replace(options))

    def stop(done: int, _total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_scan(plan, Place(workers=1), on_progress=stop)
    with pytest.raises(NormscopeError) as error:
        normscope.report(plan.out)
    (done,) = Study.open(plan.out).trials()
    so_far = "1 failed"
    if done.result.outcome in {"learned", "still learning"}:
        accuracy = f"{done.result.accuracy:.3f}"
        so_far = f"0 failed and the others reach {accuracy} to {accuracy}"
    assert str(error.value) == (
        f"{plan.out} must hold a scan with at least one seed finished in every cell, got 1 of 2 "
        f"trials, of which {so_far}. Run the scan again to finish it."
    )


@pytest.fixture
def parsed(monkeypatch):
    """How often each trial's specification was read, by its text."""
    times = Counter()
    whole = TrialSpec.from_json.__func__

    def counting(cls, fields):
        spec = whole(cls, fields)
        times[spec.key()] += 1
        return spec

    monkeypatch.setattr(TrialSpec, "from_json", classmethod(counting))
    return times


def test_a_report_reads_every_trial_once(finished, parsed):
    study = Study.open(finished)
    keys = {trial.spec.key() for trial in study.every_trial()}
    assert len(keys) == 10
    parsed.clear()
    normscope.report(finished)
    # The trial that all others are made from is read with the study, and may be one of them.
    parsed.subtract([study.specification.trial.key()])
    assert {parsed[key] for key in keys} == {1}


def test_a_searchs_report_reads_every_trial_once(tmp_path, parsed):
    options = SearchOptions(
        over=["mean=-1:2", "std=0.1:1"], trials=4, replicates=1, epochs=1, train_images=50,
        out=tmp_path / "search",
    )  # fmt: skip
    run_search(plan_search(options))
    parsed.clear()
    write_search_report(SearchStudy.open(options.out))
    # Of the search, once; the specification that all share is read with the study.
    trials = SearchStudy.open(options.out)
    keys = {t.spec.key() for t in (*trials.results(), *trials.replicates())}
    parsed.subtract(keys)  # read just now
    assert {parsed[key] for key in keys} == {1}


def test_python_writes_a_searchs_report_too(tmp_path):
    search = normscope.search(
        "digits", over="mean=-1:2", at="std=1", trials=2, replicates=0, epochs=1, train_images=100,
        out=tmp_path / "search", workers=1,
    )  # fmt: skip
    assert repr(normscope.report(str(search.folder))) == repr(normscope.summarize_search(search))
    assert (search.folder / "report.html").is_file()
    with pytest.raises(NormscopeError, match=r"^study must be a Study, got <SearchStudy in "):
        normscope.summarize(search)


def test_a_reference_may_be_written_as_text(made_study):
    study = made_study("0,1", "1,2", np.linspace(0.5, 0.9, 12).reshape(2, 2, 3))
    found = normscope.summarize(study, reference="1/2").to_json()
    asked = normscope.summarize(study, reference=normscope.Normalization(1, 2)).to_json()
    assert found == asked != normscope.summarize(study, reference="none").to_json()


def test_an_accuracy_of_zero_is_an_accuracy(made_study):
    study = made_study("0,1", "1,2", np.full((2, 2, 1), 0.5))
    trials = study.trials()
    for trial in trials:
        trial.result.history[:] = [{"epoch": 1, "train_loss": 2.0, "validation_accuracy": 0.0}]
    curves = _curves(trials)
    assert [run["accuracy"] for runs in curves.values() for run in runs] == [[0.0]] * 4
