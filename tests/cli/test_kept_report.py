"""A report that is asked for again, with and without a change between."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from normscope.cli.app import run
from normscope.cli.kept_report import KEPT
from normscope.studies.study import Study

ASK = """
import sys
from normscope.cli.app import run
status = run(["report", *sys.argv[1:]])
slow = {"matplotlib", "optuna", "scipy", "torch", "xarray"}
print(sorted(slow & {*sys.modules}), file=sys.stderr)
sys.exit(status)
"""


@pytest.fixture
def study(made_study, tmp_path):
    made = made_study("0,0.5", "0.5,1", np.arange(12).reshape(2, 2, 3) / 12)
    study = Study.create(tmp_path / "study", made.specification)
    study.adopt(made.trials())
    return study


@pytest.fixture
def said(capsys):
    def ask(*arguments, status=0):
        assert run(["report", *map(str, arguments)]) == status
        return capsys.readouterr()

    return ask


@pytest.fixture
def reads(monkeypatch):
    """How often a study was read, and not what was kept of it."""
    from normscope.reports import writing

    read, counted = writing.read_summary, []
    monkeypatch.setattr(
        writing, "read_summary", lambda *given: counted.append(given) or read(*given)
    )
    return counted


def test_it_says_the_same_without_what_takes_time_to_import(study, said):
    first = said(study.folder).out
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(study.folder)],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (first, "[]\n")


def test_as_json_too(study, said, reads, tmp_path):
    first = said(study.folder, "--json", "-").out
    again = said(study.folder, "--json", "-").out
    assert len(reads) == 1
    assert json.loads(again) == json.loads(first)
    assert said(study.folder, "--json", tmp_path / "a.json").out == said(study.folder).out
    assert (tmp_path / "a.json").read_text() == first
    assert len(reads) == 1


def test_other_options_are_another_report(study, said, reads):
    first = said(study.folder).out
    assert said(study.folder, "--margin", "0.3").out != first
    # The files are now those of the other margin.
    assert said(study.folder).out == first
    assert len(reads) == 3


def test_one_more_trial_is_read(study, said, reads):
    assert "12 of 15 trials" in said(study.folder).out
    done = study.trials()
    missing = {spec.key(): spec for spec in study.specification.trials()}
    missing = [missing[key] for key in missing.keys() - {trial.spec.key() for trial in done}]
    study.add(missing[0], done[0].result)
    assert "13 of 15 trials" in said(study.folder).out
    assert "13 of 15 trials" in said(study.folder).out
    assert len(reads) == 2


@pytest.mark.parametrize("name", ["report.html", "summary.json", "figures/accuracy_map.png", KEPT])
@pytest.mark.parametrize("change", ["gone", "cut off"])
def test_a_file_that_is_not_as_it_was_written_is_written_again(study, said, reads, name, change):
    first = said(study.folder).out
    path = study.folder / name
    whole = path.read_bytes()
    path.unlink()
    if change == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    assert said(study.folder).out == first
    assert path.read_bytes() == whole
    assert len(reads) == 2


def test_another_normscope_reads_it_anew(study, said, reads, monkeypatch):
    first = said(study.folder).out
    monkeypatch.setattr("normscope.cli.kept_report.__version__", "9.9")
    assert said(study.folder).out == first
    assert len(reads) == 2


def test_what_is_damaged_is_not_hidden_by_what_was_kept(study, said):
    said(study.folder)
    database = study.folder / "study.db"
    database.write_bytes(b"no database at all" * 1000)
    assert "database" in said(study.folder, status=2).err


def test_a_folder_that_was_moved_says_where_it_is(study, said, reads, tmp_path):
    first = said(study.folder).out
    moved = tmp_path / "moved"
    study.folder.rename(moved)
    assert said(moved).out == first.replace(str(study.folder), str(moved))
    assert len(reads) == 1


def test_nothing_is_kept_of_a_shared_database(study, said, reads):
    url = f"sqlite:///{study.folder / 'study.db'}"
    said(study.folder, "--storage", url)
    assert not (study.folder / KEPT).exists()
    said(study.folder)
    said(study.folder, "--storage", url)
    assert len(reads) == 3
