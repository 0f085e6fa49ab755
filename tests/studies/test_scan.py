from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import normscope
from normscope.errors import NormscopeError
from normscope.images.splits import with_train_images
from normscope.studies.estimate import estimate
from normscope.studies.options import Place
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import default_folder, plan_again, plan_scan
from normscope.studies.specification import ScanSpec
from normscope.studies.study import Study
from normscope.trials.running import run_trial
from tests.processes import is_running, wait_until, workers_that_train
from tests.studies.made_results import with_trial
from tests.trials.test_train import numbers


def everything(study: Study) -> dict[str, object]:
    """What each trial of a study says, without what it took."""
    return {trial.spec.key(): numbers(trial.result) for trial in study.trials()}


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Where a finished scan lies, of which each test gets a copy."""
    return tmp_path_factory.mktemp("scanned") / "study"


@pytest.fixture
def finished_scan(small_plan, scanned):
    if not scanned.exists():
        run_scan(replace(small_plan, out=scanned), Place(workers=1))
    shutil.copytree(scanned, small_plan.out)
    return Study.open(small_plan.out)


def test_every_cell_and_reference_is_trained_once(small_plan):
    seen = []
    study = run_scan(
        small_plan, Place(workers=1), on_progress=lambda done, total: seen.append((done, total))
    )
    planned = small_plan.specification.trials()
    assert seen == [(done, len(planned)) for done in range(len(planned) + 1)]
    assert {trial.spec for trial in study.trials()} == set(planned)


def test_called_again_it_trains_nothing(finished_scan, small_plan):
    before = [trial.result.environment["time"] for trial in finished_scan.trials()]
    again = run_scan(small_plan, Place(workers=1))
    assert [trial.result.environment["time"] for trial in again.trials()] == before


def test_worker_processes_give_the_same_numbers(finished_scan, small_plan, tmp_path):
    elsewhere = run_scan(replace(small_plan, out=tmp_path / "parallel"), Place(workers=2))
    assert everything(elsewhere) == everything(finished_scan)


def test_a_trial_gives_the_same_number_alone(finished_scan, small_plan):
    trial = finished_scan.trials()[3]
    assert numbers(run_trial(trial.spec, small_plan.source)) == numbers(trial.result)


def test_an_interrupted_scan_keeps_what_was_finished(small_plan):
    def interrupt(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_scan(small_plan, Place(workers=1), on_progress=interrupt)
    kept = everything(Study.open(small_plan.out))
    assert len(kept) == 3
    whole = everything(run_scan(small_plan, Place(workers=1)))
    assert kept.items() <= whole.items()
    assert len(whole) == len(small_plan.specification.trials())


def trials_in(database) -> int:
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return connection.execute(
                "SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'"
            ).fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        if "connection" in locals():
            connection.close()


@pytest.mark.thorough
def test_killed_and_started_again_at_once(tmp_path, small_options):
    # So many epochs that trials are left when the third is seen to be finished.
    small_plan = plan_scan(replace(small_options, epochs=5))
    out = tmp_path / "killed"
    command = [
        sys.executable, "-m", "normscope", "scan", "digits", "--mean", "0,0.5",
        "--std", "0.1:1:3:log", "--seeds", "2", "--epochs", "5", "--train-images", "100",
        "--workers", "2", "--out", str(out),
    ]  # fmt: skip
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL) as scan:
        deadline = time.monotonic() + 120
        while trials_in(out / "study.db") < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        scan.send_signal(signal.SIGKILL)
    kept = {trial.spec.key(): trial.result for trial in Study.open(out).trials()}
    assert 3 <= len(kept) < len(small_plan.specification.trials())
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    study = Study.open(out)
    assert len(study.trials()) == len(small_plan.specification.trials())
    for trial in study.trials():
        assert kept.get(trial.spec.key(), trial.result) == trial.result
    uninterrupted = run_scan(small_plan, Place(workers=1))
    assert everything(study) == everything(uninterrupted)
    assert (out / "summary.json").is_file()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_die_with_a_killed_parent(tmp_path):
    out = tmp_path / "orphans"
    command = [
        sys.executable, "-m", "normscope", "scan", "digits", "--epochs", "100000",
        "--workers", "2", "--seeds", "1", "--out", str(out),
    ]  # fmt: skip

    with subprocess.Popen(command, env=os.environ) as scan:
        try:
            workers = workers_that_train(scan.pid)
        finally:
            scan.kill()
    assert len(workers) == 2
    wait_until(lambda: not any(map(is_running, workers)), 30)


def test_a_specification_can_be_passed_back_in(finished_scan, small_plan, tmp_path):
    specification = ScanSpec.read_toml(small_plan.out / "study.toml")
    again = run_scan(plan_again(specification, tmp_path / "again"), Place(workers=1))
    assert everything(again) == everything(finished_scan)


def test_a_specification_of_other_images_is_refused(small_plan):
    changed = with_trial(small_plan.specification, fingerprint="0123456789abcdef")
    with pytest.raises(NormscopeError) as error:
        plan_again(changed)
    assert re.fullmatch(
        r"digits must hold the images that the specification was written for \(fingerprint "
        r"0123456789abcdef\), got others \([0-9a-f]{16}\)\. Leave out --spec to begin a new "
        r"study\.",
        str(error.value),
    )


def test_a_model_that_does_not_fit_leaves_no_folder(small_options):
    with pytest.raises(NormscopeError, match="^model factory no_such:model must import"):
        plan_scan(replace(small_options, model="no_such:model"))
    assert not small_options.out.exists()


def test_fewer_than_one_worker(small_plan):
    with pytest.raises(NormscopeError) as error:
        run_scan(small_plan, Place(workers=0))
    assert str(error.value) == "--workers must be at least 1, got 0. Give a larger number."


def test_a_diverging_cell_never_stops_a_scan(small_options):
    study = run_scan(
        plan_scan(replace(small_options, mean="0", std="1e-38,1", seeds=1)), Place(workers=1)
    )
    diverged = {trial.spec.normalization.std[0]: trial.result.diverged for trial in study.trials()}
    assert diverged[1e-38]
    assert not diverged[1.0]


def test_from_python(tmp_path):
    study = normscope.scan(
        "digits", mean="0,0.5", std="0.5,1", seeds=1, epochs=1, train_images=50, workers=1,
        out=tmp_path / "study",
    )  # fmt: skip
    assert len(study.trials()) == 5
    assert normscope.summarize(study).trials == 5


def test_default_folder_is_a_name_that_every_file_system_takes():
    assert default_folder("digits", "lenet").as_posix() == "runs/digits-lenet"
    assert default_folder("a b/c:d", "my.nets:Net").as_posix() == "runs/c-d-my.nets-Net"


def test_an_estimate_asks_whether_trials_are_stacked(small_plan, monkeypatch):
    # As on a GPU: one after another they would take what each takes alone.
    measured = []
    monkeypatch.setattr("normscope.studies.estimate.trains_stacked", lambda *_: True)
    monkeypatch.setattr(
        "normscope.trials.fast.rounds.train_many",
        lambda trials, images: measured.append(trials) or [run_trial(trials[0], images)],
    )
    stacked = estimate(small_plan, workers=1)
    cells = {t.normalization for t in small_plan.specification.trials()}
    assert [{t.normalization for t in trials} for trials in measured] == [cells, cells]
    monkeypatch.setattr("normscope.studies.estimate.trains_stacked", lambda *_: False)
    assert stacked.seconds < estimate(small_plan, workers=1).seconds


def test_an_estimate_is_near_what_a_scan_takes(small_plan):
    whole = replace(small_plan, source=with_train_images(small_plan.source, 100))
    before = estimate(whole, workers=1)
    assert (before.trials, before.finished, before.workers) == (14, 0, 1)
    assert before.to_json(whole.specification)["bytes"] == before.bytes_ > 0
    study = run_scan(whole, Place(workers=1))
    took = sum(trial.result.seconds for trial in study.trials())
    assert took / 10 < before.seconds < took * 10
    used = sum(path.stat().st_size for path in whole.out.iterdir())
    assert used / 3 < before.bytes_ < used * 10
    after = estimate(whole, workers=1)
    assert (after.trials, after.finished) == (0, 14)
