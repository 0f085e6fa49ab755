from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace

import optuna
import pytest

from normscope.errors import NormscopeError, SpecificationDiffers, StudyBusy
from normscope.normalization import IMAGENET, NONE
from normscope.studies.axis import Axis
from normscope.studies.study import Study
from normscope.studies.work_loop import locked
from normscope.trials.result import TrialResult
from tests.studies.made_results import with_trial


@pytest.fixture
def result():
    return TrialResult(
        accuracy=0.75,
        loss=None,
        diverged=True,
        seconds=1.5,
        precision="fp32",
        device="cpu",
        history=[{"epoch": 1, "train_loss": None, "validation_accuracy": 0.5, "seconds": 1.0}],
        correct="4A==",
        test_images=4,
        first_layer={"initial": {"weight_mean": 0.1}, "final": {"weight_mean": 0.2}},
        environment={"torch": "2.15"},
    )


def test_what_is_added_is_read_back(small_plan, result):
    study = Study.create(small_plan.out, small_plan.specification)
    spec = small_plan.specification.trials()[0]
    study.add(spec, result)
    (finished,) = Study.open(small_plan.out).trials()
    assert (finished.spec, finished.result) == (spec, result)


def test_optunas_own_tools_see_the_axes(small_plan, result, optunas_own):
    study = Study.create(small_plan.out, small_plan.specification)
    trial = small_plan.specification.trials()[-1]
    study.add(trial, result)
    storage = optunas_own(f"sqlite:///{small_plan.out}/study.db")
    loaded = optuna.load_study(study_name=None, storage=storage)
    assert loaded.best_trial.params == {"mean": 0.5, "std": 1.0, "seed": 1}
    assert loaded.best_value == 0.75
    assert loaded.user_attrs["specification"]["schema"] == 1


def test_a_reference_of_several_channels_has_no_point_on_the_axes(small_plan, result):
    study = Study.create(small_plan.out, small_plan.specification)
    study.add(small_plan.specification.trial_at(IMAGENET, 0), result)
    assert study.optuna_study.trials[0].params == {"seed": 0}
    assert study.trials()[0].spec.normalization == IMAGENET


def test_no_normalization_has_no_point_on_a_mean_axis_by_logarithms(small_plan, result):
    by_logarithms = replace(small_plan.specification, mean=Axis.parse("mean", "0.1:1:3:log"))
    study = Study.create(small_plan.out, by_logarithms)
    none = next(t for t in by_logarithms.trials() if t.normalization == NONE)
    study.add(none, result)
    assert study.optuna_study.trials[0].params == {"seed": none.seed}
    assert study.trials()[0].spec.normalization == NONE


def test_the_same_specification_opens_the_study_again(small_plan, result):
    study = Study.create(small_plan.out, small_plan.specification)
    study.add(small_plan.specification.trials()[0], result)
    assert len(Study.create(small_plan.out, small_plan.specification).trials()) == 1


def test_making_and_opening_a_study_says_nothing(small_plan, result, capfd):
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        capfd.readouterr()
        study = Study.create(small_plan.out, small_plan.specification)
        study.add(small_plan.specification.trials()[0], result)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
        assert len(Study.open(small_plan.out).every_trial()) == 1
        assert capfd.readouterr().err == ""
    finally:
        optuna.logging.set_verbosity(before)


def test_another_specification_is_refused(small_plan):
    Study.create(small_plan.out, small_plan.specification)
    with pytest.raises(SpecificationDiffers) as error:
        Study.create(small_plan.out, with_trial(small_plan.specification, threads=3))
    assert str(error.value) == (
        f"{small_plan.out} must hold a study of the same specification, got another: threads 3 "
        "(begun with 1). Choose another --out or repeat the first call."
    )


def test_a_study_cut_off_while_it_was_created_is_begun_anew(small_plan, optunas_own):
    small_plan.out.mkdir()
    storage = optunas_own(f"sqlite:///{small_plan.out}/study.db")
    optuna.create_study(storage=storage, study_name="study")
    study = Study.create(small_plan.out, small_plan.specification)
    assert study.trials() == []
    assert Study.open(small_plan.out).specification == small_plan.specification


def test_no_study(tmp_path):
    with pytest.raises(NormscopeError) as error:
        Study.open(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} must be a study's folder, got none with a study in a study.db. "
        "Give the --out folder of a scan."
    )


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "study.db").write_bytes(b"no database at all, but long enough to be read as one")
    with pytest.raises(NormscopeError) as error:
        Study.open(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'study.db'} must be a database that can be read, got: file "
        "is not a database. Check the file and its permissions."
    )


def test_a_trial_that_cannot_be_stored(small_plan, result):
    study = Study.create(small_plan.out, small_plan.specification)
    with sqlite3.connect(small_plan.out / "study.db") as database:
        database.execute("DROP TABLE trial_user_attributes")
    database.close()
    with pytest.raises(NormscopeError, match="no such table: trial_user_attributes"):
        study.add(small_plan.specification.trials()[0], result)


def test_a_file_in_place_of_the_folder(small_plan):
    small_plan.out.touch()
    sentence = f"--out must be a folder, got the file {small_plan.out}. Choose another --out."
    with pytest.raises(NormscopeError) as error:
        Study.create(small_plan.out, small_plan.specification)
    assert str(error.value) == sentence
    with pytest.raises(NormscopeError) as error, locked(small_plan.out):
        pass
    assert str(error.value) == sentence


def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path):
    hold = (
        "import sys; from pathlib import Path; from normscope.studies.work_loop import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StudyBusy) as error, locked(tmp_path):
            pass
        assert str(error.value) == (
            f"{tmp_path} must be used by one process at a time, got another that works on it now. "
            "Wait for it, or choose another --out."
        )
        other.kill()
    with locked(tmp_path):
        assert (tmp_path / ".lock").exists()
