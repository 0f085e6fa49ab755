from __future__ import annotations

import lzma
import shutil
from dataclasses import replace

import pytest

from normscope.errors import NormscopeError
from normscope.studies.executors import in_process
from normscope.studies.options import Place, ScanOptions
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import plan_again, plan_scan
from normscope.studies.specification import ScanSpec
from normscope.studies.study import Study
from tests.studies.made_results import made_result


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a study that every test has a copy of."""
    options = ScanOptions(
        mean="0,0.5", std="0.1:1:3:log", seeds=2, epochs=1, train_images=100, survival=2,
        out=tmp_path_factory.mktemp("finished") / "study",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_process, "run_trial", made_result)
        run_scan(plan_scan(options), Place(workers=1))
    return options.out


@pytest.fixture
def study(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(in_process, "run_trial", made_result)
    return Study.open(shutil.copytree(finished, tmp_path / "study"))


@pytest.fixture
def exported(study, tmp_path):
    study.export(tmp_path / "exported")
    return tmp_path / "exported"


def test_nothing_is_dropped(study, exported):
    assert sorted(path.name for path in exported.iterdir()) == ["study.toml", "trials.jsonl.xz"]
    read = Study.open(exported)
    assert read.specification == study.specification
    assert read.trials() == study.trials()
    assert read.survival_trials() == study.survival_trials()
    assert not (exported / "study.db").exists()


def test_the_same_trials_give_the_same_bytes(study, exported, tmp_path):
    for source in (study, Study.open(exported)):
        source.export(tmp_path / "again")
        for name in ("study.toml", "trials.jsonl.xz"):
            assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes()


def test_a_scan_goes_on_with_an_export(study, exported, monkeypatch):
    before = Study.open(exported)
    ran = []
    monkeypatch.setattr(in_process, "run_trial", lambda s, _: ran.append(s) or made_result(s))
    same = run_scan(
        plan_again(ScanSpec.read_toml(exported / "study.toml"), exported), Place(workers=1)
    )
    assert (exported / "study.db").is_file()
    assert not ran
    assert same.every_trial() == before.every_trial() == study.every_trial()
    larger = run_scan(
        plan_again(replace(before.specification, seeds=3), exported), Place(workers=1)
    ).every_trial()
    assert len(ran) == 7
    assert len(larger) == len(before.every_trial()) + 7


def test_cut_off_while_an_export_becomes_a_database(study, exported, monkeypatch):
    plan = plan_again(study.specification, exported)
    added = []

    def cut(self, spec, result):
        added.append(spec)
        if len(added) == 5:
            raise KeyboardInterrupt
        return Study_add(self, spec, result)

    Study_add = Study.add  # noqa: N806 - the method itself
    with monkeypatch.context() as patch:
        patch.setattr(Study, "add", cut)
        with pytest.raises(KeyboardInterrupt):
            run_scan(plan, Place(workers=1))
    assert Study.open(exported).every_trial() == study.every_trial()
    assert run_scan(plan, Place(workers=1)).every_trial() == study.every_trial()


def test_an_export_takes_no_trials_itself(study, exported):
    trial = study.trials()[0]
    with pytest.raises(NormscopeError) as error:
        Study.open(exported).add(trial.spec, trial.result)
    assert str(error.value) == (
        f"{exported} must hold a study.db to keep trials in, got an export alone. Run the scan on "
        "the folder to make one."
    )


def test_trials_are_adopted_once_and_only_if_planned(study, tmp_path):
    fewer = Study.create(tmp_path / "fewer", replace(study.specification, seeds=1, survival=0))
    assert fewer.adopt(study.every_trial()) == 7
    assert fewer.adopt(study.every_trial()) == 0
    assert {trial.spec.seed for trial in fewer.every_trial()} == {0}


def test_a_file_that_is_cut(exported):
    path = exported / "trials.jsonl.xz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(NormscopeError) as error:
        Study.open(exported)
    assert str(error.value) == (
        f"{path} must hold a study's trials as normscope exported them, got: Compressed file ended "
        "before the end-of-stream marker was reached. Copy the file again."
    )


def test_without_its_specification_it_is_no_study(exported, tmp_path):
    (exported / "study.toml").unlink()
    with pytest.raises(NormscopeError, match="must be a study's folder, got none with a study"):
        Study.open(exported)
    shutil.rmtree(tmp_path / "exported")


@pytest.mark.parametrize("line", ["[" * 200_000, "[" + " " * 2000 + "]"])
def test_lines_that_are_deep_or_endless_are_refused(exported, monkeypatch, line):
    monkeypatch.setattr("normscope.studies.study.LONGEST_LINE", 300_000 if "[[" in line else 1000)
    path = exported / "trials.jsonl.xz"
    path.write_bytes(lzma.compress(line.encode()))
    with pytest.raises(NormscopeError) as error:
        Study.open(exported)
    assert str(error.value).startswith(
        f"{path} must hold a study's trials as normscope exported them, got: "
    )
    assert str(error.value).endswith(". Copy the file again.")
    assert ("Expecting" if " " in line else "recursion") in str(error.value)
