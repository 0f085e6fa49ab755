"""How long servers of files are waited for: one may accept a connection and stay silent."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_SECONDS, READ_SECONDS = 10, 30
"""For a connection, and for each further part of an answer."""

_ONE_AT_A_TIME = threading.RLock()
"""Else one thread would bring back the limit that another has set."""


@contextmanager
def patient() -> Iterator[None]:
    """Let libraries that would wait for ever wait so long, as Python's own ``urlopen`` does.

    Yields:
        Nothing; meanwhile it is so for every thread, but where a library has a limit of its own.
    """
    with _ONE_AT_A_TIME:
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(READ_SECONDS)
        try:
            yield
        finally:
            socket.setdefaulttimeout(before)
