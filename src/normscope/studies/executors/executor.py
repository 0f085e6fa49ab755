"""What every place that runs trials offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec


class Executor(Protocol):
    """Runs trials, several at once where it can, and hands each over as it finishes.

    Attributes:
        slots: How many trials keep it busy.
    """

    slots: int

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial to run.

        Args:
            spec: The trial.
        """
        ...

    def next_finished(self) -> FinishedTrial:
        """Wait for a submitted trial to finish.

        Returns:
            The first to finish of those not yet handed over.
        """
        ...

    def close(self) -> None:
        """Stop at once; trials in flight are lost."""
        ...
