"""The database of a study: a file in its folder, or a shared one whose password is never shown."""

from __future__ import annotations

import sqlite3
import time
import weakref
from contextlib import ExitStack, closing, contextmanager
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna import create_study, get_all_study_names, load_study, logging
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage, get_storage
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from normscope.errors import MissingExtra, NormscopeError
from normscope.studies.database_errors import answering, reason_without, without_fallback
from normscope.studies.database_file import (
    OPTUNAS_TABLES,
    check_not_special,
    check_ours,
    check_tables,
    unreadable,
)
from normscope.studies.snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna import Study
    from sqlalchemy.engine.interfaces import DBAPIConnection

CONNECT_SECONDS = 10
ATTEMPTS = 5
"""Processes that begin at once on an empty database make its tables at once, and all but one of
them fail; by the next attempt the tables are there."""

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Storage:
    """An Optuna storage with the name that errors call it by.

    Its connections are closed when nothing uses it any more.

    Attributes:
        optuna: What Optuna's own calls take.
        shown: Its place without a password.
    """

    def __init__(
        self, rdb: RDBStorage, shown: str, advice: str, secret: str = "", *, only_read: bool = False
    ) -> None:
        self.optuna = get_storage(rdb)
        self.shown = shown
        self._advice = advice
        self._secret = secret
        self._only_read = only_read
        weakref.finalize(self, rdb.engine.dispose)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Say in one sentence that the database failed, where it does within a block.

        Yields:
            Nothing.

        Raises:
            NormscopeError: If the database cannot be read or written.
        """
        with answering(self.shown, self._advice, self._secret):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """The same of what was stored, which may be damaged.

        Yields:
            Nothing.

        Raises:
            NormscopeError: If the database cannot be read, or holds other than Optuna wrote.
        """
        with self.answering():
            try:
                yield
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise NormscopeError(
                    f"{self.shown} must hold studies as Optuna wrote them, got damage: "
                    f"{reason_without(self._secret, error)}. Restore the database."
                ) from None

    def names(self) -> list[str]:
        """What the studies in it are called."""
        # Not by the studies' summaries: to make those, Optuna reads all trials.
        return get_all_study_names(self.optuna)

    def lacks(self, name: str) -> NormscopeError:
        """What is said where it holds no study of that name."""
        with self.reading():
            held = ", ".join(sorted(self.names())) or "none"
        return NormscopeError(
            f"{self.shown} must hold the study '{name}', got {held}. Name it by --study."
        )

    def begun(self, name: str) -> Study:
        """A study, made where there is none of that name; in what is only read, beside it."""
        if name in self.names():  # else Optuna tells that it uses the one there
            return load_study(storage=self.optuna, study_name=name)
        kept_in = None if self._only_read else self.optuna
        before = logging.get_verbosity()
        logging.set_verbosity(max(before, logging.WARNING))  # else Optuna tells that it made one
        try:
            return create_study(
                storage=kept_in, study_name=name, direction="maximize", load_if_exists=True
            )
        finally:
            logging.set_verbosity(before)


def open_storage(folder_file: Path, url: str | None, *, begin: bool = True) -> Storage:
    """Where a study is kept.

    Args:
        folder_file: The SQLite file in the study's folder, made where it does not exist.
        url: A shared database in its place, if there is one.
        begin: As for ``open_url``; without it a folder's file is read as it is now.

    Returns:
        The storage, which has answered.
    """
    if url is not None:
        return open_url(url, begin=begin)
    return open_file(folder_file) if begin else read_file(folder_file)


def open_file(path: Path) -> Storage:
    """The storage in a study's folder: an SQLite file, made where it does not exist."""
    url = URL.create("sqlite", database=str(path.resolve()))
    advice = "Check the file, its permissions and the free space."
    check_ours(path, begin=True)
    with answering(str(path), advice):
        return Storage(written_ahead(_connect(url)), str(path), advice)


def read_file(path: Path) -> Storage:
    """The storage in a study's folder, as it is now; nothing is written to it or beside it.

    Args:
        path: An SQLite file.

    Returns:
        The storage, which refuses to be written.

    Raises:
        NormscopeError: If the file cannot be read, or is another program's.
    """
    check_not_special(path)
    advice = "Check the file, and go on with a study by the scan or search that it is of."
    with ExitStack() as on_errors:
        held = on_errors.enter_context(closing(snapshot(path)))
        try:
            check_tables(held, path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise NormscopeError(unreadable(path, error)) from None
        options = {"creator": lambda: held, "poolclass": StaticPool}
        with answering(str(path), advice):
            rdb = _ClosedOnErrors("sqlite://", options)
            held.execute("PRAGMA query_only=ON")
            storage = Storage(rdb, str(path), advice, only_read=True)
        on_errors.pop_all()
    return storage


def open_url(text: str, *, begin: bool = True) -> Storage:
    """The storage at a URL.

    Args:
        text: As SQLAlchemy has it, such as ``postgresql://user:password@host:5432/database``.
        begin: Whether a file or the tables in a database are made where there are none.

    Returns:
        The storage, which has answered.

    Raises:
        MissingExtra: If the driver for PostgreSQL is not installed.
        NormscopeError: If the URL cannot be read, has another driver that is not installed, or
            nothing answers.
    """
    try:
        url = make_url(text)
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    except (ArgumentError, ValueError):
        raise NormscopeError(
            "--storage must be a database's URL, got one that cannot be read. Write it like "
            "postgresql://user@host:5432/database or sqlite:///file.db."
        ) from None
    if url.get_backend_name() == "sqlite" and url.database:
        check_ours(Path(url.database), begin=begin)
    shown = url.render_as_string(hide_password=True)
    secret = str(url.password or "")
    try:
        if not begin:
            _check_begun(url, shown)
        return Storage(
            _connect(url), shown, "Check that the database runs and may be written to.", secret
        )
    except (ImportError, NoSuchModuleError):
        if url.drivername in DRIVERS.values():
            raise MissingExtra("psycopg", "--storage") from None
        raise NormscopeError(
            f"--storage must have its database driver installed, got no {url.drivername}. "
            "Install its driver."
        ) from None
    except (SQLAlchemyError, StorageInternalError) as error:
        raise NormscopeError(
            f"--storage must be a database that answers, got {shown}: "
            f"{reason_without(secret, error.__cause__ or error)}. "
            "Check the address, the name, the password and that the database runs."
        ) from None


def _check_begun(url: URL, shown: str) -> None:
    """Look before Optuna makes its tables: what only reads must not write."""
    engine = create_engine(url, connect_args=_waits(url))
    try:
        tables = set(inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if not tables >= OPTUNAS_TABLES:
        raise NormscopeError(f"{shown} must be a database of studies, got none. Check --storage.")


def written_ahead(rdb: RDBStorage) -> RDBStorage:
    """Let an SQLite storage keep a log written ahead (https://sqlite.org/wal.html).

    Each commit would otherwise wait for the disk, and a trial has up to a dozen. A process that is
    killed still loses nothing that was committed; a machine that loses its power may lose the last
    moments, and never the file.

    Returns:
        The same, for all connections from now on.
    """
    event.listen(rdb.engine, "connect", _write_ahead)
    rdb.engine.dispose()
    return rdb


def _write_ahead(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


class _ClosedOnErrors(RDBStorage):
    """Optuna's storage, which leaves no connection open where it cannot be made."""

    def __init__(self, url: str, engine_kwargs: dict[str, Any]) -> None:
        try:
            super().__init__(url, engine_kwargs)
        except BaseException:
            if "engine" in vars(self):
                self.engine.dispose()
            raise


def _connect(url: URL) -> RDBStorage:
    getLogger(RDBStorage.__module__).addFilter(without_fallback)
    options = {"pool_pre_ping": True, "connect_args": _waits(url)}
    text = url.render_as_string(hide_password=False)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _ClosedOnErrors(text, options)
        except RuntimeError as error:
            # The tables of another Optuna.
            raise StorageInternalError(str(error)) from error
        except (SQLAlchemyError, StorageInternalError) as error:
            if attempt == ATTEMPTS or not _tables_made_twice(error):
                raise
            time.sleep(0.2 * attempt)
    raise AssertionError


def _waits(url: URL) -> dict[str, int]:
    waits = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": CONNECT_SECONDS}}
    return waits.get(url.get_backend_name(), {})


def _tables_made_twice(error: Exception) -> bool:
    text = str(error.__cause__ or error).lower()
    return "already exists" in text or "duplicate key" in text or "unique constraint" in text
