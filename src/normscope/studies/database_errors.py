"""What a database says when it fails, as one sentence without a password."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import PendingRollbackError, SQLAlchemyError

from normscope.errors import NormscopeError, WorkFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from logging import LogRecord

FULL = "disk is full"
"""What SQLite says when it is: the call was right."""


@contextmanager
def answering(shown: str, advice: str, secret: str = "") -> Iterator[None]:
    """Say in one sentence that a database failed, where it does within a block.

    Args:
        shown: What the database is called.
        advice: What to do.
        secret: Its password; empty where there is none.

    Yields:
        Nothing.

    Raises:
        NormscopeError: If the database cannot be read or written.
        WorkFailed: If the disk is full.
    """
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = reason_without(secret, _first(error.__cause__ or error))
        kind = WorkFailed if FULL in reason else NormscopeError
        raise kind(
            f"{shown} must be a database that can be read and written, got: {reason}. {advice}"
        ) from None


def reason_without(secret: str, error: BaseException) -> str:
    """The first line of an error, without a password.

    Args:
        secret: The password; empty where there is none.
        error: What was raised.

    Returns:
        One line without a full stop.

    Example:
        >>> reason_without("tulip", ValueError("cannot use 'tulip' here."))
        "cannot use '***' here"
    """
    line = next((part.strip() for part in str(error).splitlines() if part.strip()), "no answer")
    line = re.sub(r"^\([\w.]+\) ", "", line)  # the name of the driver's exception
    return (line.replace(secret, "***") if secret else line).rstrip(".")


def _first(error: BaseException) -> BaseException:
    """Why a transaction could not be gone on with, which SQLAlchemy itself does not say."""
    while isinstance(error, PendingRollbackError) and error.__context__ is not None:
        error = error.__context__
    return error


def without_fallback(record: LogRecord) -> bool:
    """A filter for Optuna's log, which prints a whole query where it tries another.

    If that fails too, we say why.

    Returns:
        Whether it is another message.
    """
    return "Falling back to a slower" not in record.getMessage()
