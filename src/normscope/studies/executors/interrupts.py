"""Signals that wait until a starting process is known."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until a starting worker is known to the pool.

    What they raise would leave a worker behind that nobody ends. Blocking them is not enough:
    another thread may receive them, and Python then calls the handler in this one all the same.
    SIGINT is blocked too, so that it never reaches a process that starts meanwhile.

    Yields:
        Nothing. A signal that arrived is sent again at the end.
    """
    arrived: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {int(n): handler for n, handler in before.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        handled.clear()  # handlers run, and can be set, in the main thread only
    waiting = True

    def noted(number: int, frame: types.FrameType | None) -> None:
        # A signal between two restored handlers may leave this one in place.
        if waiting:
            arrived.append(number)
        else:
            handled[number](number, frame)

    try:
        for number in handled:
            signal.signal(number, noted)
        if hasattr(signal, "pthread_sigmask"):
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                yield
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        else:
            yield
    finally:
        waiting = False
        for number, handler in handled.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)
