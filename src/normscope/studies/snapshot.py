"""A study's database as it is now, held in memory: what only reads leaves no trace beside it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from normscope.errors import NormscopeError
from normscope.studies.database_file import unreadable

PENDING = ("-wal", "-journal")
"""What SQLite calls its files beside a database that hold what is not yet, or no longer, in it."""

INDEX = "-shm"
"""What processes that have the database open share."""


def snapshot(path: Path) -> sqlite3.Connection:
    """Copy a database that other processes may be writing, or have left when they were killed.

    To open it in place, even to read, would make files beside it, which a folder that is only read
    does not allow; to open it for writing would move into it what a killed process left.

    Args:
        path: An SQLite file.

    Returns:
        A database in memory, with all that was committed.

    Raises:
        NormscopeError: If it cannot be read.
    """
    try:
        if not any(_beside(path, end) for end in PENDING):
            return _copied(path, "mode=ro&immutable=1")
        if _beside(path, INDEX) is not None:
            try:
                return _copied(path, "mode=ro")  # perhaps with a process at work
            except sqlite3.OperationalError:
                pass  # nobody may write where those are that it needs
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, path.name)
            for file in (path, *(_beside(path, end) for end in PENDING)):
                if file is not None:
                    shutil.copyfile(file, copy.with_name(file.name))
            return _copied(copy, "mode=rw")
    except (sqlite3.Error, OSError) as error:
        raise NormscopeError(unreadable(path, error)) from None


def _beside(path: Path, end: str) -> Path | None:
    """The file of that ending beside a database, unless it is absent or empty."""
    file = path.with_name(path.name + end)
    return file if file.is_file() and file.stat().st_size else None


def _copied(path: Path, how: str) -> sqlite3.Connection:
    held = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True)) as database:
            database.backup(held)
    except BaseException:
        held.close()
        raise
    return held
