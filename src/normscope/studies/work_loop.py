"""Keeps an executor busy with work that other processes may share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.studies.executors.executor import Executor
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


def drive(work: Work, executor: Executor, on_progress: Callable[[int, int], None]) -> None:
    """Run work until all of it is finished, here or elsewhere.

    Args:
        work: What to do.
        executor: Where to do it. One trial more than it runs at once is claimed, so that no worker
            waits while the next is chosen; a single slot is not worth an earlier choice.
        on_progress: Called with the finished and the total number of trials.
    """
    ahead = executor.slots + (executor.slots > 1)
    in_flight = 0
    on_progress(work.finished(), work.total)
    while True:
        while in_flight < ahead and (spec := work.claim()) is not None:
            executor.submit(spec)
            in_flight += 1
        if in_flight:
            work.finish(executor.next_finished())
            in_flight -= 1
            on_progress(work.finished(), work.total)
        elif work.finished() >= work.total:
            on_progress(work.total, work.total)
            return
        else:
            # The rest is in other processes' hands, which may die.
            time.sleep(POLL_SECONDS)
