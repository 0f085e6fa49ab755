"""Searches of several processes, killed at random moments, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from optuna.trial import TrialState

from normscope.errors import NormscopeError
from normscope.studies.known_trials import slot_of
from normscope.studies.search_study import SearchStudy
from tests.studies.function_in_place_of_training import evaluate

TRIALS = 120


def begin(out, *, storage=None, seconds=0.0, trials=TRIALS, halving=False) -> subprocess.Popen:
    command = [
        sys.executable, "-m", "tests.studies.function_in_place_of_training", str(out), str(trials),
        str(seconds), *([storage] if storage else []), *(["halving"] if halving else []),
    ]  # fmt: skip
    return subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)


def finished(out, storage=None) -> int:
    try:
        study = SearchStudy.open(out, storage)
        return len(study.trials()) + len(study.stopped())
    except (NormscopeError, KeyError):  # not begun yet
        return 0


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)


def check_exact(study: SearchStudy, trials: int = TRIALS) -> None:
    """Every slot done once, every stored value reproduced by its stored specification."""
    complete = study.optuna_study.get_trials(states=(TrialState.COMPLETE,))
    assert Counter(t.user_attrs["slot"] for t in complete) == {str(i): 1 for i in range(trials)}
    assert not study.optuna_study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    for trial in study.results():
        assert trial.result.accuracy == evaluate(trial.spec, None).accuracy
    assert len({t.spec.normalization for t in study.trials()}) == trials
    repeated = study.optuna_replicates.get_trials(states=(TrialState.COMPLETE,))
    assert len(repeated) == (5 + 2) * 2
    slots = [slot_of(t.spec) for t in study.replicates()]
    assert sorted(slots) == sorted({t.user_attrs["slot"] for t in repeated})


@pytest.mark.thorough
def test_all_trials_after_three_kills_in_a_folder(tmp_path):
    out, moments = tmp_path / "study", random.Random(0)
    for kill in range(3):
        process = begin(out)
        wait_for(lambda least=30 * kill + 10: finished(out) >= least)
        time.sleep(moments.random() / 2)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert finished(out) < TRIALS
    last = begin(out)
    _, errors = last.communicate(timeout=120)
    assert last.returncode == 0, errors
    check_exact(SearchStudy.open(out))


@pytest.mark.thorough
def test_all_trials_of_three_processes_each_killed_on_postgresql(tmp_path, postgresql):
    moments = random.Random(1)
    outs = [tmp_path / f"machine-{i}" for i in range(3)]
    processes = [begin(out, storage=postgresql, seconds=0.05) for out in outs]
    for kill in range(3):
        wait_for(lambda least=30 * kill + 10: finished(outs[0], postgresql) >= least)
        time.sleep(moments.random() / 2)
        processes[kill].send_signal(signal.SIGKILL)
        processes[kill].communicate()
        if kill < 2:  # the last one's trials are taken up by the others
            processes[kill] = begin(outs[kill], storage=postgresql, seconds=0.05)
    for process in processes[:2]:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    study = SearchStudy.open(outs[0], postgresql)
    check_exact(study)
    assert study.specification == SearchStudy.open(outs[1], postgresql).specification


def test_processes_that_begin_at_once_share_one_study(tmp_path, postgresql):
    processes = [begin(tmp_path / str(i), storage=postgresql, trials=30) for i in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    check_exact(SearchStudy.open(tmp_path / "0", postgresql), 30)


@pytest.mark.thorough
def test_halving_with_a_process_killed_on_postgresql(tmp_path, postgresql):
    outs = [tmp_path / f"machine-{i}" for i in range(2)]
    calls = {"storage": postgresql, "seconds": 0.05, "trials": 60, "halving": True}
    first, second = (begin(out, **calls) for out in outs)
    wait_for(lambda: finished(outs[0], postgresql) >= 15)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    _, errors = second.communicate(timeout=200)
    assert second.returncode == 0, errors
    study = SearchStudy.open(outs[1], postgresql)
    ended = study.optuna_study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    assert Counter(t.user_attrs["slot"] for t in ended) == {str(i): 1 for i in range(60)}
    assert not study.optuna_study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert len(study.stopped()) > len(study.trials()) > 0
    for trial in [*study.trials(), *study.stopped()]:
        assert trial.accuracy == evaluate(trial.spec, None).accuracy
    epochs = {trial.spec.recipe.epochs for trial in study.stopped()}
    assert epochs <= {1, 3, 9}
    assert {trial.spec.recipe.epochs for trial in study.trials()} == {30}
