"""Workers that are forks of this process and so share what it has imported and decoded."""

from __future__ import annotations

import gc
import os
import signal
import stat
import sys
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.studies.executors.interrupts import without_interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator

File = tuple[int, int]
"""A file's device and its number there."""

OURS = Path("/proc/self")
"""What the kernel says of this process."""

STANDARD_ERROR = 2

ENDING_SECONDS = 0.2
"""How long to wait for threads that are about to end, such as that of a progress bar."""

BEARS_FORKS = "jemalloc_bg_thd"
"""The thread of pyarrow's allocator, which the allocator starts again in a fork."""


def can_fork() -> bool:
    """Whether a fork of this process would work as the process itself does.

    A fork has only the calling thread. Locks that another thread holds stay locked in it, and
    OpenMP waits there forever for threads that are gone. OpenBLAS ends its threads before a fork
    and starts new ones when it needs them, so only a trial fork shows which threads are in the way.

    Returns:
        False where there are other threads, where a GPU's driver may be in use, and off Linux,
        where system libraries do not survive forks.
    """
    if not sys.platform.startswith("linux") or _have_company():
        return False
    import torch

    if torch.cuda.is_available():
        return False
    # What a signal raises in the fork would let it go on as this process.
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
    """Silence Python's own warning about threads, which ``can_fork`` has looked at.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _have_company() -> bool:
    """Whether Python knows of other threads that do not end at once."""
    deadline = time.monotonic() + ENDING_SECONDS
    # Not joined: a thread that a library has started cannot be.
    while threading.active_count() > 1:
        if time.monotonic() > deadline:
            return True
        time.sleep(ENDING_SECONDS / 20)
    return False


def _name(task: Path) -> str:
    return (task / "comm").read_text(encoding="utf-8").strip()


@contextmanager
def sharing_memory() -> Iterator[None]:
    """Keep the garbage collector from writing to existing objects, which would copy their memory.

    Yields:
        Nothing.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def open_files() -> dict[int, File]:
    """The files that a fork would inherit, such as the lock on a study's folder.

    Returns:
        What each descriptor stands for, without the standard streams'.
    """
    # The one that lists them is closed by now, and a new file may get its number.
    found = {int(entry.name): _file(int(entry.name)) for entry in (OURS / "fd").iterdir()}
    return {number: file for number, file in found.items() if file and number > STANDARD_ERROR}


def _file(descriptor: int) -> File | None:
    """What an open file is.

    Returns:
        Its device and its number there. None of a closed one, and of those of no kind, as ``epoll``
        and ``eventfd`` make them: the kernel gives all of them the same number, so that nothing
        tells one that a library has made anew in a fork.
    """
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_IFMT(found.st_mode) else None


def leave_parent_behind(inherited: dict[int, File]) -> None:
    """Make a fork that has just begun independent of its parent's signal handlers and files.

    Args:
        inherited: What ``open_files`` gave before the fork. The numbers stay taken, so that an
            object of the parent's cannot close a newer file by its number. What is closed by
            now, which libraries do in forks, may have given its number to a file of the fork's.
    """
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    left = [number for number, file in inherited.items() if _file(number) == file]
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in left:
        os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)
