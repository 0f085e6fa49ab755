"""Runs trials together as stacks on this machine's GPU."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from normscope.studies.executors.executor import Executor
from normscope.trials.fast.rounds import train_rounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.decoded import DecodedSource
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec


class Stacked(Executor):
    """An executor that takes every trial of a study and hands them over round by round.

    Args:
        source: The trials' images.
        trials: How many there are.
    """

    def __init__(self, source: DecodedSource, trials: int) -> None:
        self.slots = trials
        self._source = source
        self._waiting: list[TrialSpec] = []
        self._finished: deque[FinishedTrial] = deque()
        self._rounds: Iterator[list[FinishedTrial]] = iter(())

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial to run."""
        self._waiting.append(spec)

    def next_finished(self) -> FinishedTrial:
        """Run a round where none of the last one's trials is left."""
        while not self._finished:
            finished = next(self._rounds, None)
            if finished is None:
                self._rounds = train_rounds(self._waiting, self._source)
                self._waiting = []
            else:
                self._finished.extend(finished)
        return self._finished.popleft()

    def close(self) -> None:
        """Forget the trials that wait."""
        self._waiting.clear()
        self._rounds = iter(())
