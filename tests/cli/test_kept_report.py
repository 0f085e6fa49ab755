"""A report that is asked for again, with and without a change between."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import normscope
from normscope.cli.kept_report import KEPT
from normscope.reports import writing
from normscope.studies.study import Study

ASK = """
import sys
from normscope.cli.app import run
status = run(["report", *sys.argv[1:]])
slow = {"matplotlib", "optuna", "scipy", "torch", "xarray"}
print(sorted(slow & {*sys.modules}), file=sys.stderr)
sys.exit(status)
"""


def test_it_says_the_same_without_what_takes_time_to_import(folder, said):
    (folder / KEPT).unlink()
    first = said(folder).out
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (first, "[]\n")


def test_as_json_too(folder, said, reads, tmp_path):
    (folder / KEPT).unlink()
    first = said(folder, "--json", "-").out
    again = said(folder, "--json", "-").out
    assert len(reads) == 1
    assert json.loads(again) == json.loads(first)
    assert said(folder, "--json", tmp_path / "a.json").out == said(folder).out
    assert (tmp_path / "a.json").read_text() == first
    assert len(reads) == 1


def test_other_options_are_another_report(folder, said, reads):
    first = said(folder).out
    assert said(folder, "--margin", "0.3").out != first
    # The files are now those of the other margin.
    assert said(folder).out == first
    assert len(reads) == 2


def test_one_more_trial_is_read(folder, said, reads):
    assert "12 of 15 trials" in said(folder).out
    study = Study.find(folder, begin=True)
    assert study is not None
    done = study.trials()
    missing = {spec.key(): spec for spec in study.specification.trials()}
    missing = [missing[key] for key in missing.keys() - {trial.spec.key() for trial in done}]
    study.add(missing[0], done[0].result)
    assert "13 of 15 trials" in said(folder).out
    assert "13 of 15 trials" in said(folder).out
    assert len(reads) == 1


@pytest.mark.parametrize("name", ["report.html", "summary.json", "figures/accuracy_map.png", KEPT])
@pytest.mark.parametrize("change", ["gone", "cut off"])
def test_a_file_that_is_not_as_it_was_written_is_written_again(folder, said, reads, name, change):
    first = said(folder).out
    path = folder / name
    whole = path.read_bytes()
    path.unlink()
    if change == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    assert said(folder).out == first
    assert path.read_bytes() == whole
    assert len(reads) == 1


def test_another_normscope_reads_it_anew(folder, said, reads, monkeypatch):
    first = said(folder).out
    monkeypatch.setattr("normscope.cli.kept_report.__version__", "9.9")
    assert said(folder).out == first
    assert len(reads) == 1


def test_what_is_damaged_is_not_hidden_by_what_was_kept(folder, said):
    said(folder)
    database = folder / "study.db"
    database.write_bytes(b"no database at all" * 1000)
    assert "database" in said(folder, status=2).err


def test_a_folder_that_was_moved_says_where_it_is(folder, said, reads, tmp_path):
    first = said(folder).out
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert said(moved).out == first.replace(str(folder), str(moved))
    assert len(reads) == 0


def test_nothing_is_kept_of_a_shared_database(folder, said, reads):
    (folder / KEPT).unlink()
    url = f"sqlite:///{folder / 'study.db'}"
    said(folder, "--storage", url)
    assert not (folder / KEPT).exists()
    said(folder)
    said(folder, "--storage", url)
    assert len(reads) == 3


def test_other_files_among_the_figures_are_not_its_own(folder, said, reads):
    (folder / KEPT).unlink()
    (folder / "figures" / "mine").mkdir(parents=True)
    os.mkfifo(folder / "figures" / "pipe")
    (folder / "figures" / "lost").symlink_to("nowhere")
    first = said(folder).out
    assert said(folder).out == first
    assert len(reads) == 1


def test_of_two_reports_at_once_neither_is_kept_with_files_of_the_other(folder, said, monkeypatch):
    first = said(folder).out
    summary = (folder / "summary.json").read_text()
    (folder / KEPT).unlink()
    write_files = writing.write_files

    def overtaken(*given):
        write_files(*given)
        monkeypatch.setattr(writing, "write_files", write_files)
        said(folder, "--margin", "0.3")

    monkeypatch.setattr(writing, "write_files", overtaken)
    said(folder)
    assert (folder / "summary.json").read_text() != summary
    assert said(folder).out == first
    assert (folder / "summary.json").read_text() == summary


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Two files that stand for those of normscope, the second one newer."""
    package = tmp_path / "normscope"
    package.mkdir()
    for second, name in enumerate(("__init__.py", "newest.py")):
        (package / name).write_text("")
        os.utime(package / name, (second, second))
    monkeypatch.setattr(normscope, "__file__", str(package / "__init__.py"))
    return package


def test_a_file_of_normscope_that_is_not_its_newest_counts(folder, said, reads, package):
    said(folder)
    (package / "__init__.py").write_text("changed = True")
    os.utime(package / "__init__.py", (0, 0))
    said(folder)
    assert len(reads) == 2


def test_what_python_compiles_of_normscope_does_not_count(folder, said, reads, package):
    said(folder)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "newest.pyc").write_text("")
    said(folder)
    assert len(reads) == 1


def test_in_an_archive_nothing_tells_one_normscope_from_another(
    folder, said, reads, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        normscope, "__file__", str(tmp_path / "a.zip" / "normscope" / "__init__.py")
    )
    first = said(folder).out
    assert said(folder).out == first
    assert len(reads) == 2
