"""The store of a search: a folder, and two Optuna studies in it or in a shared database."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from normscope.errors import NormscopeError, SpecificationDiffers
from normscope.notebook_html import notebook_html
from normscope.studies.kept_trials import kept_trials
from normscope.studies.options import GRACE_SECONDS
from normscope.studies.search_specification import SearchSpec
from normscope.studies.slot_claims import SLOT, Claims
from normscope.studies.storage import Storage, open_storage
from normscope.studies.stored_trial import kept_trial
from normscope.studies.study_file import DATABASE, SPECIFICATION
from normscope.wording import counted
from normscope.writing import write_text

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

REPLICATES = " replicates"
"""Repeated trials have a study of their own, which no sampler sees."""


@dataclass(frozen=True)
class SearchTrial:
    """A finished trial of a search.

    Attributes:
        number: From 0, in the order in which a single process chooses them. Optuna's own numbers
            also count what was cut off, and would be others after an interruption.
        values: What was chosen, by parameter.
        score: What the sampler saw, in [0, 1]: the accuracy on the specification's ``chosen_on``.
        accuracy: On test, in [0, 1].
        spec: The trial's full specification.
        diverged: Whether its training did.
    """

    number: int
    values: dict[str, float]
    score: float
    accuracy: float
    spec: TrialSpec
    diverged: bool = False


class SearchStudy:
    """A search in its folder, opened without torch.

    Attributes:
        folder: Where its files lie.
        specification: What it is.
        storage: Where its trials are kept.
        optuna_study: The search as Optuna has it.
        optuna_replicates: The repeated trials.
    """

    def __init__(
        self, folder: Path, specification: SearchSpec, storage: Storage, name: str
    ) -> None:
        self.folder = folder
        self.specification = specification
        self.storage = storage
        self._finished: dict[str, list[tuple[FrozenTrial, FinishedTrial]]] | None = None
        with storage.reading():
            self.optuna_study = storage.begun(name)
            self.optuna_replicates = storage.begun(name + REPLICATES)

    @classmethod
    def create(
        cls,
        folder: Path,
        specification: SearchSpec,
        storage_url: str | None = None,
        name: str | None = None,
    ) -> SearchStudy:
        """Begin a search, or open the one of the same specification.

        Args:
            folder: Where its files lie; made where it does not exist.
            specification: What the search is.
            storage_url: A shared database; the folder's own by default.
            name: What the study is called in the database; the folder's name by default.

        Returns:
            The search.

        Raises:
            NormscopeError: If the name is one that replicates of another search have.
            SpecificationDiffers: If the folder or the database holds another under the same name.
        """
        if name is not None and name.endswith(REPLICATES):
            raise NormscopeError(
                f"--study must not end in '{REPLICATES}', got '{name}', as a search's repeated "
                "trials do. Choose another name."
            )
        path = folder / SPECIFICATION
        if path.is_file():
            _check_same(specification, SearchSpec.read_toml(path), str(folder), "--out")
        storage = open_storage(folder / DATABASE, storage_url)
        with storage.reading():
            # A folder that was renamed still holds its one search.
            held = _only_search(storage.names())
        own = held if storage_url is None else None
        name = name or own or folder.resolve().name
        study = cls(folder, specification, storage, name)
        with storage.reading():
            if "specification" not in study.optuna_study.user_attrs:
                study.optuna_study.set_user_attr("specification", specification.to_json())
            begun = SearchSpec.from_json(study.optuna_study.user_attrs["specification"])
        _check_same(specification, begun, f"study '{name}' in {storage.shown}", "--study")
        write_text(path, specification.to_toml())
        return study

    @classmethod
    def open(
        cls, folder: Path | str, storage_url: str | None = None, name: str | None = None
    ) -> SearchStudy:
        """Open a search that exists, to read what it is now; ``search`` itself goes on with it.

        Args:
            folder: Its folder, in which nothing is changed.
            storage_url: The shared database it was made with.
            name: What it is called there; the folder's name by default.

        Returns:
            The search.

        Raises:
            NormscopeError: If there is none.
        """
        folder = Path(folder)
        specification = SearchSpec.read_toml(folder / SPECIFICATION)
        if storage_url is None and not (folder / DATABASE).is_file():
            raise NormscopeError(
                f"{folder} must hold the trials of its search in a {DATABASE}, got none: they are "
                "in a shared database. Give its URL by --storage."
            )
        storage = open_storage(folder / DATABASE, storage_url, begin=False)
        with storage.reading():
            names = storage.names()
        name = name or _only_search(names) or folder.resolve().name
        if name not in names:
            raise storage.lacks(name)
        return cls(folder, specification, storage, name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self.folder}: {self._progress()}>"

    def _repr_html_(self) -> str:
        said_by = "normscope.summarize_search(study) says what they tell."
        return notebook_html(f"{self.folder}: {self._progress()}.", [said_by])

    def _progress(self) -> str:
        """How many trials have ended, of how many."""
        wanted = counted(self.specification.trials, "trial")
        try:
            return f"{len(self.trials()) + len(self.stopped()):,} of {wanted} done"
        except NormscopeError:
            return f"{wanted}, which cannot be read now"

    def claims(self, *, alone: bool, grace_seconds: float = GRACE_SECONDS) -> tuple[Claims, Claims]:
        """The slots of the search and of its replicates.

        Args:
            alone: Whether no other process can work on the study.
            grace_seconds: How long a trial of another process may go unchanged.

        Returns:
            Both.
        """
        search, repeated = (
            Claims(study, self.storage.optuna, alone=alone, grace_seconds=grace_seconds)
            for study in (self.optuna_study, self.optuna_replicates)
        )
        return search, repeated

    def read(self) -> SearchStudy:
        """Read every trial once, for all that is to be said and drawn of them.

        Returns:
            The search as it is now; trials that finish later are no part of it.
        """
        once = copy.copy(self)
        once._finished = {}
        return once

    def trials(self) -> list[SearchTrial]:
        """Every finished trial of the search.

        Returns:
            The trials by number.
        """
        return [_search_trial(*pair) for pair in self._complete(self.optuna_study)]

    def stopped(self) -> list[SearchTrial]:
        """Every trial of the search that was stopped before its last epoch, with ``--halving``.

        Returns:
            The trials by number, as they were when they were stopped.
        """
        stopped = self._in_state(self.optuna_study, TrialState.PRUNED)
        name, shown = self.optuna_study.study_name, self.storage.shown
        return [_search_trial(trial, kept_trial(trial, name, shown)) for trial in stopped]

    def results(self) -> list[FinishedTrial]:
        """Every finished trial of the search with all it gave.

        Returns:
            The trials by number.
        """
        return [finished for _, finished in self._complete(self.optuna_study)]

    def replicates(self) -> list[FinishedTrial]:
        """Every finished repeated trial.

        Returns:
            The trials by number.
        """
        return [finished for _, finished in self._complete(self.optuna_replicates)]

    def _complete(self, study: Study) -> list[tuple[FrozenTrial, FinishedTrial]]:
        kept = self._finished
        if kept is not None and study.study_name in kept:
            return kept[study.study_name]
        complete = self._in_state(study, TrialState.COMPLETE)
        name, shown = study.study_name, self.storage.shown
        finished = [(trial, kept_trial(trial, name, shown)) for trial in complete]
        if kept is not None:
            kept[study.study_name] = finished
        return finished

    def _in_state(self, study: Study, state: TrialState) -> list[FrozenTrial]:
        with self.storage.answering():
            trials = kept_trials(study, self.storage.optuna, (state,))
        # Not as they finished: equal ones would be ranked in another order after an interruption.
        return sorted(trials, key=lambda trial: (len(_slot(trial)), _slot(trial)))


def _slot(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get(SLOT, trial.number))


def _number(trial: FrozenTrial) -> int:
    slot = _slot(trial)
    return int(slot) if slot.isdecimal() else trial.number


def _search_trial(trial: FrozenTrial, finished: FinishedTrial) -> SearchTrial:
    return SearchTrial(
        _number(trial),
        dict(trial.params),
        finished.score,
        finished.result.accuracy,
        finished.spec,
        finished.result.diverged,
    )


def _only_search(names: list[str]) -> str | None:
    searches = [name for name in names if not name.endswith(REPLICATES)]
    return searches[0] if len(searches) == 1 else None


def _check_same(mine: SearchSpec, begun: SearchSpec, where: str, option: str) -> None:
    differences = mine.differences(begun)
    if differences:
        raise SpecificationDiffers(
            f"{where} must hold a search of the same specification, got another: "
            f"{'; '.join(differences)}. Choose another {option} or repeat the first call."
        )
