"""Workers that are forks of this process: what it has imported and decoded is theirs too."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.studies.executors.interrupts import without_interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = Path("/proc/self")

STANDARD_ERROR = 2

ENDING_SECONDS = 0.2
"""How long the thread of a progress bar that is gone may go on."""

BEARS_FORKS = "jemalloc_bg_thd"
"""The thread of pyarrow's allocator, which starts it again in a fork."""


def can_fork() -> bool:
    """Whether a fork of this process works as the process does.

    A fork has the calling thread alone. What another thread had locked stays locked in it, and
    OpenMP waits there for ever for threads that are gone. OpenBLAS ends its own before a fork, and
    begins new ones when it needs them, so that only a fork shows which threads are in the way.

    Returns:
        False where there are others, where a GPU's driver may be in use, and elsewhere than on
        Linux, where system libraries do not bear forks.
    """
    if not sys.platform.startswith("linux") or _have_company():
        return False
    import torch

    if torch.cuda.is_available():
        return False
    # What a signal raises would let the fork go on as this process.
    with suppress(OSError), without_interrupts(), unwarned():
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        others = [_name(task) for task in (OURS / "task").iterdir()]
        return len([name for name in others if name != BEARS_FORKS]) == 1
    return False


@contextmanager
def unwarned() -> Iterator[None]:
    """Leave out Python's own warning of threads beside a fork, of which more is known here.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _have_company() -> bool:
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(ENDING_SECONDS)
    return threading.active_count() > 1


def _name(task: Path) -> str:
    return (task / "comm").read_text(encoding="utf-8").strip()


@contextmanager
def sharing_memory() -> Iterator[None]:
    """Keep the collector from writing to what exists now, which would copy it into each fork.

    Yields:
        Nothing.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def open_files() -> list[int]:
    """The files that a fork would inherit, such as the lock on a study's folder.

    Returns:
        Their descriptors, without those of standard streams.
    """
    found = [int(entry.name) for entry in (OURS / "fd").iterdir()]
    return [number for number in found if number > STANDARD_ERROR and _is_open(number)]


def _is_open(number: int) -> bool:
    # What listed them is open no more, and a new file may get its number.
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def leave_parent_behind(inherited: list[int]) -> None:
    """Be a process of one's own, in a fork that has just begun.

    Args:
        inherited: What ``open_files`` said before the fork. Their numbers stay taken, so that an
            object of the parent's cannot close another file by its number.
    """
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in inherited:
        os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)
