"""Silence of libraries' warnings, in any number of threads."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = threading.Lock()
_HELD: list[warnings.catch_warnings] = []
_INSIDE: list[None] = []


@contextmanager
def without_warnings(kind: type[Warning] = Warning) -> Iterator[None]:
    """Let libraries not warn for a while, as of metadata that changes no pixel.

    Python's own ``catch_warnings`` is the process's: of two threads in it at once, the one that
    leaves last may put back what the other had silenced, for good.

    Args:
        kind: Which of them.

    Yields:
        Nothing; when the last thread leaves, warnings are as before the first came.
    """
    with _LOCK:
        if not _INSIDE:
            _HELD.append(warnings.catch_warnings())
            _HELD[0].__enter__()
        warnings.simplefilter("ignore", kind)
        _INSIDE.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE.pop()
            if not _INSIDE:
                _HELD.pop().__exit__(None, None, None)
