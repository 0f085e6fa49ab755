"""What every place that runs trials offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec


class Executor(ABC):
    """Runs trials, several at once where it can, and hands each over as it finishes.

    Attributes:
        slots: How many trials keep it busy.
    """

    slots: int

    @abstractmethod
    def submit(self, spec: TrialSpec) -> None:
        """Take a trial to run."""

    @abstractmethod
    def next_finished(self) -> FinishedTrial:
        """Wait for a submitted trial: the first to finish of those not yet handed over."""

    @abstractmethod
    def close(self) -> None:
        """Stop at once; trials in flight are lost."""
