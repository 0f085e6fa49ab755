"""Whether worker processes can be started here, and why not."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import contextmanager
from multiprocessing import util
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, WorkFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SOCKET = 107
"""Bytes in the name of a socket on Linux, without the zero at its end."""

SOCKET = "/listener-12345678"
"""As ``multiprocessing`` calls one in its folder for temporary files."""


@contextmanager
def startable(workers: int) -> Iterator[None]:
    """Say in a sentence why worker processes cannot be started.

    Args:
        workers: How many are wanted.

    Yields:
        Nothing, while they are started.

    Raises:
        NormscopeError: If this process may have none.
        WorkFailed: If a limit of the system is met.
        OSError: Where it names a file, or whoever starts them has died.
        RuntimeError: If it is not about threads.
    """
    if is_daemonic():
        raise NormscopeError(
            "several workers must be asked for by a process that may start others, got a daemonic "
            "one of multiprocessing. Give --workers 1."
        )
    try:
        yield
    except OSError as error:
        if error.filename or isinstance(error, ConnectionError):
            raise
        raise WorkFailed(_limit(workers, error.strerror or str(error))) from error
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        raise WorkFailed(_limit(workers, str(error))) from error


def _limit(workers: int, met: str) -> str:
    return (
        f"{workers} worker processes must be able to start, got: {met}. Raise the limit (ulimit -n "
        "for files, ulimit -u for processes, /dev/shm for shared memory), or give --workers 1."
    )


def is_daemonic() -> bool:
    """Whether this process is one of ``multiprocessing`` that may not have children."""
    return multiprocessing.current_process().daemon


def has_room_for_sockets() -> bool:
    """Whether the name of the folder for temporary files is short enough for a socket in it."""
    return len(os.fsencode(util.get_temp_dir() + SOCKET)) <= LONGEST_SOCKET
