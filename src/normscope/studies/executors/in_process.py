"""Runs trials here, one after another: the whole interface without a second process."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from normscope.studies.executors.executor import Executor
from normscope.trials.result import FinishedTrial
from normscope.trials.running import run_trial

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec


class InProcess(Executor):
    """An executor that trains when it is asked for the next finished trial.

    Args:
        source: The trials' images.
    """

    slots = 1

    def __init__(self, source: DecodedSource) -> None:
        self._source = source
        self._waiting: deque[TrialSpec] = deque()

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial to run."""
        self._waiting.append(spec)

    def next_finished(self) -> FinishedTrial:
        """Run the trial that has waited longest."""
        spec = self._waiting.popleft()
        return FinishedTrial(spec, run_trial(spec, self._source))

    def close(self) -> None:
        """Forget the trials that wait."""
        self._waiting.clear()
