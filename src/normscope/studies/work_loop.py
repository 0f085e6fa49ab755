"""Keeps an executor busy with work that other processes may share."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from normscope.ray_connection import ray_cluster
from normscope.studies.locking import locked
from normscope.studies.storage import open_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from normscope.studies.executors.executor import Executor
    from normscope.studies.options import Place
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

POLL_SECONDS = 0.5


class Work(Protocol):
    """Trials to run, each exactly once.

    Attributes:
        total: How many there are.
    """

    total: int

    def claim(self) -> TrialSpec | None:
        """Take a trial that nobody has.

        Returns:
            The trial; None where every other is finished or in another process's hands.
        """
        ...

    def finish(self, finished: FinishedTrial) -> None:
        """Keep a trial that was claimed before.

        Args:
            finished: The trial with its result.
        """
        ...

    def finished(self) -> int:
        """How many are finished, by this process or another.

        Returns:
            ``total`` when all is done.
        """
        ...


@contextmanager
def at_work(folder: Path, place: Place) -> Iterator[None]:
    """Hold a study's folder and its cluster while a block runs.

    A database or a cluster that cannot be reached is found before a folder is made for the study.

    Args:
        folder: The study's, which no other process may use meanwhile.
        place: Where the study runs and is kept.

    Yields:
        Nothing.

    Raises:
        StudyBusy: If another process works on the folder.
    """
    if place.storage is not None:
        open_url(place.storage)
    with ray_cluster(place.ray) if place.ray else nullcontext(), locked(folder):
        yield


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
