"""What reads a study leaves its folder as it was, whoever works there or was killed there."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import xarray  # noqa: F401 - while Python's own files may be read

import normscope
from normscope.errors import NormscopeError
from normscope.studies.search_study import SearchStudy
from normscope.studies.snapshot import snapshot
from normscope.studies.specification import ScanSpec
from normscope.studies.study import TRIALS as TRIALS_FILE
from normscope.studies.study import Study
from tests.reports.conftest import made_up

NOBODY = 65534
TRIALS = 10
"""Five cells, one of them the data's own, with two seeds each."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "study"
    made_up(folder, mean="0,0.5", std="0.5,1", seeds=2, epochs=1)
    Study.create(folder, Study.open(folder).specification)
    (folder / TRIALS_FILE).unlink()
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "study")


def state(folder):
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("study.db*")
    }


def test_a_report_leaves_the_database_and_makes_nothing_beside_it(folder):
    before = state(folder)
    assert before.keys() == {"study.db"}
    normscope.report(folder)
    assert state(folder) == before
    assert (folder / "report.html").is_file()


@contextmanager
def as_nobody():
    """Without root's right to write anywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def read_only(folder):
    """A study that may be read by everybody and written by nobody."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        study = shutil.copytree(folder, Path(place) / "study")
        for path in study.iterdir():
            path.chmod(0o444)
        study.chmod(0o555)
        yield study
        study.chmod(0o755)


def test_a_folder_that_may_not_be_written(read_only, tmp_path):
    tmp_path.chmod(0o755)
    expected = len(Study.open(read_only).every_trial())
    with as_nobody():
        study = Study.open(read_only)
        assert len(study.every_trial()) == expected == TRIALS
        assert normscope.summarize(study).findings.seeds
        with pytest.raises(NormscopeError, match="summary.json must be writable"):
            normscope.report(read_only)
    assert {path.name for path in read_only.iterdir()} == {"study.db", "study.toml"}


@contextmanager
def written(folder, mode):
    """The database while one writes to it: a row that is committed, and many that are not."""
    with closing(sqlite3.connect(folder / "study.db", isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("PRAGMA cache_size=1")
        keep = "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (1, ?, ?)"
        database.execute(keep, ("committed", "1"))
        database.execute("BEGIN")
        for number in range(300):
            database.execute(keep, (f"not {number}", '"' + "x" * 900 + '"'))
        yield


@pytest.fixture(params=["wal", "wal without its index", "delete"])
def killed(request, folder, tmp_path):
    """What a process leaves that is killed while it writes."""
    left = tmp_path / "left"
    left.mkdir()
    with written(folder, request.param.split()[0]):
        for path in folder.iterdir():
            if path.is_file() and not (
                request.param.endswith("index") and path.suffix == ".db-shm"
            ):
                shutil.copyfile(path, left / path.name)
    return left


def attributes(database):
    return [key for (key,) in database.execute("SELECT key FROM study_system_attributes")]


def test_what_was_committed_is_read_beside_what_a_killed_process_left(killed):
    before = state(killed)
    assert any(name.endswith(("-wal", "-journal")) for name in before)
    with closing(snapshot(killed / "study.db")) as database:
        assert attributes(database) == ["committed"]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(Study.open(killed).every_trial()) == TRIALS
    normscope.report(killed)
    after = state(killed)
    assert after.keys() == before.keys()
    for name in before.keys() - {"study.db-shm"}:  # that of processes which have it open
        assert after[name] == before[name]
    # Who goes on with it gets the same.
    with closing(sqlite3.connect(killed / "study.db")) as database:
        assert attributes(database) == ["committed"]


def test_what_was_committed_is_read_beside_a_process_at_work(folder):
    with written(folder, "wal"), closing(snapshot(folder / "study.db")) as database:
        assert attributes(database) == ["committed"]


def test_a_study_that_was_opened_to_be_read_is_not_written(folder):
    study = Study.open(folder)
    trial = study.every_trial()[0]
    with pytest.raises(NormscopeError) as error:
        study.add(trial.spec, trial.result)
    assert str(error.value) == (
        f"{folder / 'study.db'} must be a database that can be read and written, got: attempt to "
        "write a readonly database. Check the file, and go on with a study by the scan or search "
        "that it is of."
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"no database at all, but long enough to be read as one",
            "must be a database that can be read, got: file is not a database. Check the file and "
            "its permissions.",
        ),
        (None, "must be a database of studies, got one of another program. Choose another file."),
    ],
)
def test_files_that_are_no_study(tmp_path, content, sentence):
    path = tmp_path / "study.db"
    if content is None:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE photos (name TEXT)")
    else:
        path.write_bytes(content)
    before = state(tmp_path)
    with pytest.raises(NormscopeError) as error:
        Study.open(tmp_path)
    assert str(error.value) == f"{path} {sentence}"
    assert state(tmp_path) == before


def test_an_empty_file_holds_no_study(tmp_path):
    (tmp_path / "study.db").touch()
    with pytest.raises(NormscopeError, match="must be a study's folder, got none with a study in"):
        Study.open(tmp_path)
    assert (tmp_path / "study.db").stat().st_size == 0


def test_a_search_killed_before_its_replicates_had_a_study(tmp_path):
    from normscope.studies.options import SearchOptions
    from normscope.studies.search import plan_search
    from normscope.studies.storage import open_file

    plan = plan_search(
        SearchOptions(over=["mean=-1:2"], trials=2, train_images=50, out=tmp_path / "s")
    )
    plan.out.mkdir()
    (plan.out / "study.toml").write_text(plan.specification.to_toml(), encoding="utf-8")
    open_file(plan.out / "study.db").begun("s")
    before = state(plan.out)
    study = SearchStudy.open(plan.out)
    assert (study.trials(), study.replicates()) == ([], [])
    assert state(plan.out) == before


def test_names_of_tables_that_are_no_text_end_in_a_sentence(folder):
    database = folder / "study.db"
    data = database.read_bytes()
    data = re.sub(rb"tablestudies(studies.)CREATE", b"table\xf4tudies\\1CR\xf4ATE", data)
    database.write_bytes(data)
    for call in (Study.open, lambda it: Study.create(it, whole_specification(it))):
        with pytest.raises(NormscopeError) as error:
            call(folder)
        assert str(error.value) == (
            f"{database} must be a database that can be read, got: a damaged list of tables. "
            "Check the file and its permissions."
        )


def whole_specification(folder):
    return ScanSpec.read_toml(folder / "study.toml")


def test_tables_that_cannot_be_read_end_in_a_sentence(folder):
    database = folder / "study.db"
    data = bytearray(database.read_bytes())
    data[100:200] = bytes(100)  # where the list of tables begins
    database.write_bytes(data)
    with pytest.raises(NormscopeError) as error:
        Study.open(folder)
    assert str(error.value) == (
        f"{database} must be a database that can be read, got: database disk image is malformed. "
        "Check the file and its permissions."
    )
