"""Keeps an executor busy with work that other processes may share."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from normscope.errors import StudyBusy
from normscope.keywords import check_kept
from normscope.ray_connection import ray_cluster
from normscope.studies.storage import open_url
from normscope.studies.study_file import PAGE, SUMMARY
from normscope.writing import check_no_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from normscope.studies.executors.executor import Executor
    from normscope.studies.options import Place
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

POLL_SECONDS = 0.5
LOCK = ".lock"


class Work(Protocol):
    """Trials to run, each exactly once.

    Attributes:
        total: How many there are.
    """

    total: int

    def claim(self) -> TrialSpec | None:
        """A trial that nobody has; None where all are finished or in other processes' hands."""
        ...

    def finish(self, finished: FinishedTrial) -> None:
        """Keep a trial that was claimed before."""
        ...

    def finished(self) -> int:
        """How many are finished, by this process or another."""
        ...


@contextmanager
def at_work(folder: Path, place: Place) -> Iterator[None]:
    """Hold a study's folder and its cluster while a block runs.

    A database or a cluster that cannot be reached is found before a folder is made for the study.

    Yields:
        Nothing.

    Raises:
        StudyBusy: If another process works on the folder.
    """
    if place.storage is not None:
        open_url(place.storage)
    with ray_cluster(place.ray) if place.ray else nullcontext(), locked(folder):
        yield


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a study's folder against other processes.

    The lock is the kernel's, so it ends with the process, however that ends.

    Args:
        folder: Made where it does not exist.

    Yields:
        Nothing, while no other process holds the folder.

    Raises:
        NormscopeError: If the folder is a file, holds somebody else's page or summary, or has a
            path that is no UTF-8.
        StudyBusy: If another process holds it.
    """
    check_kept({"out": folder.resolve()})
    check_no_file(folder, SUMMARY, PAGE)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise StudyBusy(
            f"{folder} must be used by one process at a time, got another that works on it now. "
            "Wait for it, or choose another --out."
        ) from None


def drive(work: Work, executor: Executor, on_progress: Callable[[int, int], None]) -> None:
    """Run work until all of it is finished, here or elsewhere.

    Args:
        work: What to do.
        executor: Where to do it. One trial more than it runs at once is claimed, so that no worker
            waits while the next is chosen; a single slot is not worth an earlier choice.
        on_progress: Called with the finished and the total number of trials, whenever more are
            finished than when it was called last.
    """
    ahead = executor.slots + (executor.slots > 1)
    in_flight, done = 0, work.finished()
    while True:
        while in_flight < ahead and (spec := work.claim()) is not None:
            executor.submit(spec)
            in_flight += 1
        if in_flight:
            work.finish(executor.next_finished())
            in_flight -= 1
        elif done < work.total:
            # The rest is in other processes' hands, which may die.
            time.sleep(POLL_SECONDS)
        else:
            return
        before, done = done, work.finished()
        if done != before:
            on_progress(done, work.total)
