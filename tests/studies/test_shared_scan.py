"""Scans of several processes on one database, killed and taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from optuna.trial import TrialState

import normscope
from normscope.cli.app import run as run_command
from normscope.errors import NormscopeError, SpecificationDiffers
from normscope.studies.options import Place, ScanOptions, SearchOptions
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import plan_scan
from normscope.studies.search import plan_search, run_search
from normscope.studies.study import Study
from tests.studies.made_results import made_result
from tests.studies.test_shared_search import wait_for

OPTIONS = {
    "mean": "-1:1:5", "std": "0.1:1:4:log", "seeds": 2, "survival": 3, "epochs": 1,
    "train_images": 50,
}  # fmt: skip
NAME = "digits-lenet"
"""What a scan is called in a shared database where nobody names it."""


def begin(out, url, seconds=0.05) -> subprocess.Popen:
    command = [
        sys.executable, "-m", "tests.studies.made_results", str(out), json.dumps(OPTIONS),
        str(seconds), url,
    ]  # fmt: skip
    return subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)


def finished(out, url) -> int:
    try:
        return len(Study.open(out, url, NAME).every_trial())
    except (NormscopeError, KeyError):  # not begun yet
        return 0


def check_whole(study: Study) -> None:
    """Every trial done once, with the result of its specification, and none left running."""
    done = Counter(trial.spec.key() for trial in study.every_trial())
    assert done == {spec.key(): 1 for spec in study.specification.trials()}
    for trial in study.every_trial():
        assert trial.result.correct == made_result(trial.spec).correct
    waiting = (TrialState.RUNNING, TrialState.WAITING)
    assert not study.optuna_study.get_trials(states=waiting)


@pytest.mark.thorough
def test_three_processes_on_postgresql_of_which_two_are_killed(tmp_path, postgresql):
    outs = [tmp_path / f"machine-{i}" for i in range(3)]
    processes = [begin(out, postgresql) for out in outs]
    for kill in range(2):
        wait_for(lambda least=25 * kill + 8: finished(outs[0], postgresql) >= least)
        processes[kill].send_signal(signal.SIGKILL)
        processes[kill].communicate()
    processes[1] = begin(outs[1], postgresql)
    for process in processes[1:]:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    study = Study.open(outs[0], postgresql, NAME)
    check_whole(study)
    assert len({t.result.seconds for t in study.every_trial()}) == len(study.every_trial())
    assert normscope.report(outs[2], storage=postgresql, name=NAME).trials == 42


@pytest.fixture
def shared(tmp_path):
    return f"sqlite:///{tmp_path}/shared.db"


def small(out, **more):
    return plan_scan(
        ScanOptions(
            **{"mean": "0,0.5", "std": "0.1,1", "seeds": 1, "epochs": 1, "train_images": 50,
               "out": out, **more}
        )
    )  # fmt: skip


def test_a_study_in_a_shared_database_grows_and_is_reported(tmp_path, shared, capsys):
    a, b = tmp_path / "a", tmp_path / "b"
    run_scan(small(a), Place(workers=1, storage=shared, study="one"))
    study = run_scan(small(b, seeds=2), Place(workers=1, storage=shared, study="one"))
    assert len(study.trials()) == 2 * len(study.specification.normalizations())
    assert study.specification == Study.open(a, shared, "one").specification
    assert not (b / "study.db").exists()
    assert run_command(["report", str(b), "--storage", shared, "--study", "one"]) == 0
    assert "10 of 10 trials" in capsys.readouterr().out
    for call, said in (
        (lambda: Study.open(b), f"{b} must hold the trials of its scan in a study.db, got none."),
        (lambda: Study.open(b, shared, "two"), f"{shared} must hold the study 'two', got one."),
        (
            lambda: run_scan(small(tmp_path / "c"), Place(storage=shared, study="a survival")),
            "--study must not end in ' survival'",
        ),
    ):
        with pytest.raises(NormscopeError) as error:
            call()
        assert str(error.value).startswith(said)


def test_another_study_in_the_database_or_the_folder_is_refused(tmp_path, shared):
    here = Place(workers=1, storage=shared, study="one")
    run_scan(small(tmp_path / "a"), here)
    other = small(tmp_path / "b", epochs=2)
    with pytest.raises(SpecificationDiffers, match=r"recipe\.epochs 2 \(begun with 1\)"):
        run_scan(other, here)
    assert not (tmp_path / "b" / "study.toml").exists()
    with pytest.raises(SpecificationDiffers, match=r"recipe\.epochs 2 \(begun with 1\)"):
        run_scan(small(tmp_path / "a", epochs=2), Place(workers=1, storage=shared, study="two"))
    options = SearchOptions(
        over=["mean=-1:1"], trials=1, replicates=0, epochs=1, train_images=50, out=tmp_path / "s"
    )
    with pytest.raises(NormscopeError, match="a search must have the specification of a search"):
        run_search(plan_search(options), here)
