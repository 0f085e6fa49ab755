"""A file that is to hold studies, looked at before anything in it is altered."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.regular_files import is_special

if TYPE_CHECKING:
    from pathlib import Path

OPTUNAS_TABLES = {"studies", "trials", "version_info"}
BOOKKEEPING = {"alembic_version", "version_info"}


def check_ours(path: Path, *, begin: bool) -> None:
    """Refuse what is no database of studies, before Optuna makes its tables in it.

    Args:
        path: The file.
        begin: Whether it is made where there is none.

    Raises:
        NormscopeError: If it is another program's, a pipe or a device; or is not there and is not
            to be made.
    """
    check_not_special(path)
    if not path.is_file() or not path.stat().st_size:
        if begin:
            return
        raise NormscopeError(f"{path} must be a database of studies, got none. Check --storage.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            check_tables(database, path)
    except UnicodeDecodeError as error:
        raise NormscopeError(unreadable(path, error)) from None
    except sqlite3.Error:
        return  # what is wrong with it is told where it is opened


def check_not_special(path: Path) -> None:
    """Refuse what keeps a reader waiting.

    Args:
        path: The file.

    Raises:
        NormscopeError: If it is a pipe or a device.
    """
    if is_special(path):
        raise NormscopeError(
            f"{path} must be a database of studies, got a pipe or a device. Choose another file."
        )


def unreadable(path: Path, error: Exception) -> str:
    """The sentence that says that a database cannot be read.

    Args:
        path: The file.
        error: What was raised.

    Returns:
        What must hold, what was met, and what to do.
    """
    if isinstance(error, UnicodeDecodeError):  # SQLite's own sentence, with names in it
        reason = "a damaged list of tables"
    else:
        reason = getattr(error, "strerror", None) or str(error)
    return (
        f"{path} must be a database that can be read, got: {reason}. Check the file and its "
        "permissions."
    )


def check_tables(database: sqlite3.Connection, path: Path) -> None:
    """Refuse another program's database; one without tables may become ours.

    Args:
        database: What is in the file.
        path: The file.

    Raises:
        NormscopeError: If it has other tables than Optuna's.
    """
    found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    tables = {name for (name,) in found}
    if not (tables >= OPTUNAS_TABLES or _cut_off(database, tables)):
        raise NormscopeError(
            f"{path} must be a database of studies, got one of another program. "
            "Choose another file."
        )


def _cut_off(database: sqlite3.Connection, tables: set[str]) -> bool:
    """Whether it is as a process leaves it that is killed while Optuna makes its tables."""
    if not tables:
        return True
    from optuna.storages._rdb.models import BaseModel

    return tables <= {*BaseModel.metadata.tables, *BOOKKEEPING} and not any(
        database.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()  # noqa: S608 - a known name
        for name in tables - BOOKKEEPING
    )
