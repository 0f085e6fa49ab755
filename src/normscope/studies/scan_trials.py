"""A scan's trials, in a database that keeps each at once or read from an export."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

from optuna.trial import TrialState, create_trial

from normscope.errors import NormscopeError
from normscope.notebook_html import notebook_html
from normscope.studies.growing import as_trained
from normscope.studies.kept_trials import kept_trials
from normscope.studies.known_trials import KnownTrials, slot_of
from normscope.studies.options import GRACE_SECONDS
from normscope.studies.slot_claims import SLOT, Claims
from normscope.studies.stored_trial import attributes_of, kept_trial, point_for_optuna
from normscope.studies.study_file import DATABASE
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import optuna
    from optuna.trial import FrozenTrial

    from normscope.studies.specification import ScanSpec
    from normscope.studies.storage import Storage
    from normscope.trials.result import FinishedTrial, TrialResult
    from normscope.trials.spec import TrialSpec

SURVIVAL = " survival"
"""What the name of the Optuna study of survival trials ends in."""


class ScanTrials:
    """The trials of a scan.

    Attributes:
        folder: Where the scan's files lie.
        specification: What it is.
        storage: Where its trials are kept; None where the folder holds an export and no database.
        optuna_study: Its full trainings as Optuna has them, for Optuna's own tools; None likewise.
            Those of survival are in a study beside it.
    """

    def __init__(
        self,
        folder: Path,
        specification: ScanSpec,
        storage: Storage | None,
        name: str = "",
        *,
        exported: Iterable[FinishedTrial] = (),
    ) -> None:
        self.folder = folder
        self.specification = specification
        self.storage = storage
        self.optuna_study = storage.begun(name) if storage else None
        self._name = name
        # Opened once: to look for one asks the database for all names.
        self._begun: dict[bool, optuna.Study] = {}
        self._exported = list(exported)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self.folder}: {self._progress()}>"

    def _repr_html_(self) -> str:
        said_by = "normscope.summarize(study) says what they tell."
        return notebook_html(f"{self.folder}: {self._progress()}.", [said_by])

    def _progress(self) -> str:
        """How many trials have finished, of how many."""
        planned = counted(len(self.specification.trials()), "trial")
        try:
            return f"{len(self.every_trial()):,} of {planned} done"
        except NormscopeError:
            return f"{planned}, which cannot be read now"

    def add(self, spec: TrialSpec, result: TrialResult) -> None:
        """Keep a finished trial; it is on disk when this returns.

        Args:
            spec: The trial.
            result: What it gave.

        Raises:
            NormscopeError: If the study is an export, or its database cannot be written.
        """
        params, distributions = point_for_optuna(spec, self.specification)
        trial = create_trial(
            state=TrialState.COMPLETE,
            value=result.accuracy,
            params=params,
            distributions=distributions,
            user_attrs={SLOT: slot_of(spec), **attributes_of(spec, result)},
        )
        storage = self.database()
        with storage.answering():
            self._optuna(storage, survival=spec.survival).add_trial(trial)

    def adopt(self, trials: Iterable[FinishedTrial]) -> int:
        """Keep trials that were finished elsewhere.

        Args:
            trials: Of this study's specification; those that it does not plan, or has, are left.

        Returns:
            How many were new.
        """
        missing = {spec.key() for spec in self.specification.trials()}
        missing -= {trial.spec.key() for trial in self.every_trial()}
        new = 0
        for trial in trials:
            key = trial.spec.key()
            if key in missing:
                self.add(trial.spec, trial.result)
                missing.remove(key)
                new += 1
        return new

    def work(
        self, specs: Sequence[TrialSpec], *, alone: bool, grace_seconds: float = GRACE_SECONDS
    ) -> list[tuple[KnownTrials, Claims]]:
        """Some of the study's trials, to be driven one part after the other.

        Args:
            specs: The trials.
            alone: Whether no other process can work on the study.
            grace_seconds: How long a trial of another process may go unchanged.

        Returns:
            The full trainings and those of survival, where there are any, with their claims.
        """
        storage = self.database()
        point = partial(point_for_optuna, specification=self.specification)
        parts = []
        for survival in (False, True):
            part = [spec for spec in specs if spec.survival == survival]
            if part:
                kept_in = self._optuna(storage, survival=survival)
                claims = Claims(kept_in, storage.optuna, alone=alone, grace_seconds=grace_seconds)
                parts.append((KnownTrials(part, claims, point), claims))
        return parts

    def trials(self) -> list[FinishedTrial]:
        """Every finished full training, in the order in which they began."""
        return self._complete(survival=False)

    def survival_trials(self) -> list[FinishedTrial]:
        """Every finished trial of survival alone, in the order in which they began."""
        return self._complete(survival=True)

    def every_trial(self) -> list[FinishedTrial]:
        """The full trainings, then those of survival."""
        return [*self.trials(), *self.survival_trials()]

    def as_trained(self) -> Self:
        """The same with the floats that its trials were trained with, perhaps on another machine.

        Returns:
            Itself.
        """
        points = [point_for_optuna(t.spec, self.specification)[0] for t in self._exported]
        for survival in (False, True):
            points += [trial.params for trial in self._kept(survival=survival)]
        self.specification = as_trained(self.specification, points)
        return self

    def database(self) -> Storage:
        """Where trials can be kept.

        Returns:
            The storage.

        Raises:
            NormscopeError: If the study is an export.
        """
        if self.storage is None:
            raise NormscopeError(
                f"{self.folder} must hold a {DATABASE} to keep trials in, got an export alone. "
                "Run the scan on the folder to make one."
            )
        return self.storage

    def _complete(self, *, survival: bool) -> list[FinishedTrial]:
        if self.storage is None:
            return [trial for trial in self._exported if trial.spec.survival == survival]
        name, shown = self._name + SURVIVAL * survival, self.storage.shown
        return [kept_trial(trial, name, shown) for trial in self._kept(survival=survival)]

    def _kept(self, *, survival: bool) -> list[FrozenTrial]:
        """The finished trials in the database, as Optuna has them."""
        if self.storage is None:
            return []
        with self.storage.answering():
            if survival and self._name + SURVIVAL not in self.storage.names():
                return []
            kept_in = self._optuna(self.storage, survival=survival)
            return kept_trials(kept_in, self.storage.optuna, (TrialState.COMPLETE,))

    def _optuna(self, storage: Storage, *, survival: bool) -> optuna.Study:
        """Survival has an Optuna study of its own: its accuracies are no part of the other's."""
        if survival not in self._begun:
            self._begun[survival] = storage.begun(self._name + SURVIVAL * survival)
        return self._begun[survival]
