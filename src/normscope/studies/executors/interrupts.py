"""Signals that wait until a process that is being started is known."""

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
    """Let SIGINT and SIGTERM wait until a worker that is being started is known to the pool.

    What they raise would leave one behind that nobody ends. Blocking them is not enough: another
    thread may receive them, and Python then calls the handler in this one all the same. But what
    is blocked here never reaches a process that is started meanwhile.
    """
    arrived: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {int(n): handler for n, handler in before.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        handled.clear()  # handlers run, and are set, in the main thread alone
    waiting = True

    def noted(number: int, frame: types.FrameType | None) -> None:
        # An interruption may leave it in place.
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
