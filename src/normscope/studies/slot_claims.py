"""Who does what: slots of a study, each done exactly once by any number of processes."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from normscope.studies.kept_trials import kept_trials
from normscope.studies.options import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from optuna.distributions import BaseDistribution

SLOT = "slot"
BEAT = "normscope:beat"
BEATS_PER_GRACE = 6
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
LIVE = (TrialState.RUNNING, *DONE)


@dataclass(frozen=True)
class Claim:
    """A slot that this process works on.

    Attributes:
        slot: Which.
        trial: Optuna's trial, running.
    """

    slot: str
    trial: optuna.Trial


@dataclass
class _Seen:
    beat: Any
    since: float = field(default_factory=time.monotonic)


class Claims:
    """The slots of one Optuna study.

    A slot is done when a complete trial carries its name, or one that was stopped early. To claim
    one is to create a running trial with its name; where two processes do so at once, the trial of
    the lower number stands and the other is closed. Optuna numbers trials under a lock, so every
    process sees the same order. A process that works on a trial changes an attribute of it now and
    then. One whose trials do not change for a while is taken for dead: they are closed, and their
    slots are free again. What it still finishes after that is refused by the storage, since its
    trial is closed.

    Optuna's own heartbeat is made for ``Study.optimize`` and never takes up a trial whose process
    died before its first beat.

    Args:
        study: Optuna's study.
        storage: Its storage.
        alone: Whether no other process can work on the study, so that what runs is dead.
        grace_seconds: How long a trial may go unchanged.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: optuna.storages.BaseStorage,
        *,
        alone: bool,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.study = study
        self.alone = alone
        self.grace_seconds = grace_seconds
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._mine: dict[int, int] = {}
        self._seen: dict[int, _Seen] = {}
        self._closed: list[FrozenTrial] = []

    def finished(self, slots: Iterable[str]) -> int:
        """How many slots are done.

        Args:
            slots: Their names, each once.

        Returns:
            The number of those with a trial that is complete or was stopped early.
        """
        done = {t.user_attrs.get(SLOT) for t in self._trials(DONE)}
        return sum(slot in done for slot in slots)

    def free(self, slots: Iterable[str]) -> list[str]:
        """The slots that are neither done nor worked on; trials of dead processes are closed."""
        trials = self._trials()
        dead = self._close_dead(trials)
        live = {
            trial.user_attrs.get(SLOT)
            for trial in trials
            if trial.state in LIVE and trial.number not in dead
        }
        self._closed = [t for t in trials if t.state == TrialState.FAIL or t.number in dead]
        return [slot for slot in slots if slot not in live]

    def take(
        self,
        slot: str,
        params: Mapping[str, Any] | None = None,
        distributions: Mapping[str, BaseDistribution] | None = None,
    ) -> Claim | None:
        """Claim a free slot.

        Args:
            slot: Its name.
            params: Values that the trial has from the start; others are asked for.
            distributions: Where the values come from.

        Returns:
            The claim, or None where another process was quicker.
        """
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(params or {}),
            distributions=dict(distributions or {}),
            user_attrs={SLOT: slot},
        )
        trial_id = self._storage.create_new_trial(self._study_id, template)
        trial = optuna.Trial(self.study, trial_id)
        self._mine[trial.number] = trial_id
        if self.alone or not any(
            other.user_attrs.get(SLOT) == slot and other.number < trial.number
            for other in self._trials(LIVE)
        ):
            return Claim(slot, trial)
        self._close(trial.number)
        return None

    def stops(self, claim: Claim, step: int, value: float) -> bool:
        """Ask the study's pruner whether a trial is worth going on with.

        Args:
            claim: The trial's slot.
            step: How far the trial is.
            value: How it does there.

        Returns:
            True where it is not, or where another process has closed the trial.
        """
        try:
            claim.trial.report(value, step)
            return claim.trial.should_prune()
        except UpdateFinishedTrialError:
            return True

    def finish(
        self,
        claim: Claim,
        value: float,
        attributes: Mapping[str, Any],
        state: TrialState = TrialState.COMPLETE,
        *,
        sampled: bool = True,
    ) -> bool:
        """Keep what a slot gave; it is in the storage when this returns.

        Args:
            claim: The slot's.
            value: What Optuna's samplers see.
            attributes: Kept with the trial.
            state: ``PRUNED`` for a trial that was stopped early.
            sampled: Whether a sampler chose the trial, and wants to be told.

        Returns:
            False where the trial had been closed by another process, which took this one for dead.
        """
        trial_id = self._mine.pop(claim.trial.number)
        try:
            for name, attribute in attributes.items():
                self._storage.set_trial_user_attr(trial_id, name, attribute)
            if not sampled:
                return self._storage.set_trial_state_values(trial_id, state, [value])
            # A stopped trial has the value that it last reported.
            values = value if state == TrialState.COMPLETE else None
            told = self.study.tell(claim.trial.number, values, state, skip_if_finished=True)
        except UpdateFinishedTrialError:
            return False
        return told.state == state

    def release(self) -> None:
        """Close every trial that this process works on, so that others need not wait."""
        for number in list(self._mine):
            # Where the database is away, the others find out by themselves.
            with suppress(SQLAlchemyError, StorageInternalError):
                self._close(number)

    def last_params(self, slot: str, names: Iterable[str]) -> dict[str, Any] | None:
        """What was asked for a slot before its process died.

        Args:
            slot: Its name, of those last seen free.
            names: Every parameter's name.

        Returns:
            The values of the last closed trial that has all of them, or None.
        """
        wanted = set(names)
        closed = [
            trial.params
            for trial in self._closed
            if trial.user_attrs.get(SLOT) == slot and wanted <= trial.params.keys()
        ]
        return closed[-1] if closed else None

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Show other processes that this one lives, while a block runs.

        Yields:
            Nothing. However the block ends, what it leaves unfinished is closed.
        """
        stop = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(stop,), daemon=True)
        if not self.alone:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            if not self.alone:
                thread.join()
            self.release()

    def _beat_until(self, stop: threading.Event) -> None:
        beats = 0
        while not stop.wait(self.grace_seconds / BEATS_PER_GRACE):
            beats += 1
            for trial_id in list(self._mine.values()):
                # Closed, or the database is away for a moment; if it stays away, the next trial
                # that is stored says so.
                with suppress(UpdateFinishedTrialError, SQLAlchemyError, StorageInternalError):
                    self._storage.set_trial_system_attr(trial_id, BEAT, beats)

    def _close_dead(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Close the trials of dead processes, and return their numbers."""
        now = time.monotonic()
        dead = set()
        for trial in trials:
            if trial.state != TrialState.RUNNING or trial.number in self._mine:
                continue
            seen = self._seen.get(trial.number)
            beat = trial.system_attrs.get(BEAT)
            if seen is None or seen.beat != beat:
                seen = self._seen[trial.number] = _Seen(beat)
            if self.alone or now - seen.since > self.grace_seconds:
                self._close(trial.number)
                dead.add(trial.number)
        return dead

    def _close(self, number: int) -> None:
        trial_id = self._mine.pop(number, None)
        if trial_id is None:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def _trials(self, states: tuple[TrialState, ...] | None = None) -> list[FrozenTrial]:
        return kept_trials(self.study, self._storage, states)
