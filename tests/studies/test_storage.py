from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from logging import getLogger

import pytest
from optuna.storages import RDBStorage
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import OperationalError, PendingRollbackError

from normscope.errors import NormscopeError
from normscope.studies.database_errors import reason_without
from normscope.studies.storage import open_file, open_url
from normscope.studies.study import Study
from tests.postgresql import PASSWORD


def test_a_database_that_does_not_answer():
    with pytest.raises(NormscopeError) as error:
        open_url("postgresql://me:tulip@127.0.0.1:1/studies")
    said = str(error.value)
    assert said.startswith(
        "--storage must be a database that answers, got "
        "postgresql+psycopg://me:***@127.0.0.1:1/studies: "
    )
    assert said.endswith("Check the address, the name, the password and that the database runs.")
    assert "tulip" not in said
    assert "\n" not in said


def test_a_wrong_password_is_not_shown(postgresql):
    with pytest.raises(NormscopeError) as error:
        open_url(postgresql.replace(PASSWORD, "tulip"))
    assert "password authentication failed" in str(error.value)
    assert "tulip" not in str(error.value)


@pytest.mark.parametrize("url", ["not a url", "postgresql://me:tulip@host:port/x", ""])
def test_what_is_no_url(url):
    with pytest.raises(NormscopeError) as error:
        open_url(url)
    assert str(error.value) == (
        "--storage must be a database's URL, got one that cannot be read. Write it like "
        "postgresql://user@host:5432/database or sqlite:///file.db."
    )


def test_drivers_that_are_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NormscopeError) as error:
        open_url("postgresql://me@127.0.0.1/studies")
    assert str(error.value) == (
        "psycopg must be installed for --storage, got none. "
        "Run: pip install 'normscope[postgresql]'"
    )
    with pytest.raises(NormscopeError) as error:
        open_url("nonesuch://me@127.0.0.1/studies")
    assert str(error.value) == (
        "--storage must have its database driver installed, got no nonesuch. Install its driver."
    )


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "study.db"
    path.write_bytes(b"no database at all, but long enough to be read as one")
    with pytest.raises(NormscopeError) as error:
        open_file(path)
    assert str(error.value) == (
        f"{path} must be a database that can be read and written, got: file is not a database. "
        "Check the file, its permissions and the free space."
    )


@pytest.mark.parametrize("opened", [open_file, lambda path: open_url(f"sqlite:///{path}")])
def test_another_programs_database_is_left_as_it_is(tmp_path, opened):
    path = tmp_path / "study.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE photos (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(NormscopeError) as error:
        opened(path)
    assert str(error.value) == (
        f"{path} must be a database of studies, got one of another program. Choose another file."
    )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_reading_makes_no_database(tmp_path):
    url = f"sqlite:///{tmp_path}/none.db"
    for read in (lambda: open_url(url, begin=False), lambda: Study.open(tmp_path, url)):
        with pytest.raises(NormscopeError) as error:
            read()
        assert str(error.value) == (
            f"{tmp_path}/none.db must be a database of studies, got none. Check --storage."
        )
    assert list(tmp_path.iterdir()) == []


def test_reading_makes_no_tables(postgresql, tmp_path):
    shown = postgresql.replace(PASSWORD, "***").replace("postgresql:", "postgresql+psycopg:")
    for read in (
        lambda: open_url(postgresql, begin=False),
        lambda: Study.open(tmp_path, postgresql, "none"),
    ):
        with pytest.raises(NormscopeError) as error:
            read()
        assert str(error.value) == (
            f"{shown} must be a database of studies, got none. Check --storage."
        )
    engine = create_engine(postgresql.replace("postgresql:", "postgresql+psycopg:"))
    assert inspect(engine).get_table_names() == []
    open_url(postgresql)
    assert open_url(postgresql, begin=False).names() == []
    engine.dispose()


def test_tables_that_are_refused_leave_no_connection_open(postgresql):
    url = postgresql.replace("postgresql:", "postgresql+psycopg:")
    open_url(postgresql)
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text("UPDATE version_info SET schema_version = 11"))
            connection.execute(text("UPDATE alembic_version SET version_num = 'v9.9.9.a'"))
        with pytest.raises(NormscopeError, match="--storage must be a database that answers"):
            open_url(postgresql)
        with engine.connect() as connection:
            others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert connection.execute(text(others)).scalar() == 1
    finally:
        engine.dispose()


def test_reading_makes_no_tables_in_memory():
    with pytest.raises(NormscopeError) as error:
        open_url("sqlite://", begin=False)
    assert str(error.value) == (
        "sqlite:// must be a database of studies, got none. Check --storage."
    )


def test_a_file_whose_tables_were_cut_off_is_gone_on_with(tmp_path):
    # SQLite commits each table by itself, and a process may be killed after any.
    from optuna.storages._rdb.models import BaseModel

    whole = BaseModel.metadata.sorted_tables
    for count in (1, 2, 5, len(whole)):
        path = tmp_path / f"{count}.db"
        engine = create_engine(f"sqlite:///{path}")
        BaseModel.metadata.create_all(engine, tables=whole[:count])
        engine.dispose()
        storage = open_file(path)
        storage.begun("one")
        assert storage.names() == ["one"]
    path = tmp_path / "others.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE trials (name TEXT)")
        database.execute("INSERT INTO trials VALUES ('mine')")
    with pytest.raises(NormscopeError, match="got one of another program"):
        open_file(path)


def test_a_database_that_goes_away(tmp_path):
    storage = open_file(tmp_path / "study.db")
    (tmp_path / "study.db").write_bytes(b"overwritten by somebody" * 99)
    with (
        pytest.raises(NormscopeError, match="study.db must be a database that can be read"),
        storage.answering(),
    ):
        storage.optuna.get_all_studies()


def test_a_database_that_goes_away_within_a_transaction(tmp_path, capsys):
    storage = open_file(tmp_path / "study.db")

    def fail():
        try:
            raise OperationalError("SELECT 1", {}, Exception("server closed the connection."))
        except OperationalError:
            getLogger(RDBStorage.__module__).warning(
                "Caught an error from sqlalchemy: SELECT 1. Falling back to a slower alternative."
            )
            raise PendingRollbackError("Please rollback() fully before proceeding") from None

    with pytest.raises(NormscopeError) as error, storage.answering():
        fail()
    assert str(error.value) == (
        f"{tmp_path / 'study.db'} must be a database that can be read and written, got: server "
        "closed the connection. Check the file, its permissions and the free space."
    )
    assert not capsys.readouterr().err


def test_a_reason_is_one_line_without_the_secret():
    assert reason_without("tulip", ValueError("\nno tulip here.\nmore")) == "no *** here"
    assert reason_without("", ValueError("")) == "no answer"
