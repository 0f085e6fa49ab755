"""The store of a scan: a folder, and its Optuna studies in it or in a shared database."""

from __future__ import annotations

import tomllib
from functools import partial
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState, create_trial

from normscope.errors import NormscopeError
from normscope.studies.compact import SPECIFICATION, TRIALS, read_trials, write_trials
from normscope.studies.growing import grown
from normscope.studies.known_trials import KnownTrials, slot_of
from normscope.studies.options import GRACE_SECONDS
from normscope.studies.slot_claims import SLOT, Claims
from normscope.studies.specification import ScanSpec
from normscope.studies.storage import open_file, open_storage, open_url
from normscope.studies.stored_trial import attributes_of, finished_trial, point_for_optuna
from normscope.writing import check_no_file, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import optuna

    from normscope.studies.storage import Storage
    from normscope.trials.result import FinishedTrial, TrialResult
    from normscope.trials.spec import TrialSpec

DATABASE = "study.db"
SURVIVAL = " survival"
"""What the name of the Optuna study of survival trials ends in."""


class Study:
    """A scan in its folder, opened without torch.

    Attributes:
        folder: Where its files lie.
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
        self._exported = list(exported)

    @classmethod
    def create(
        cls,
        folder: Path,
        specification: ScanSpec,
        storage_url: str | None = None,
        name: str | None = None,
    ) -> Study:
        """Begin a study in a folder, or open the one there, which may grow.

        Args:
            folder: Where its files lie; made where it does not exist.
            specification: What the study is; see ``growing.py`` for what it may add to one there.
            storage_url: A shared database; the folder's own by default.
            name: What the study is called in the database; the folder's name by default.

        Returns:
            The study. Its specification has the floats of the one there.

        Raises:
            NormscopeError: If the folder is a file, or cannot be written to, or the name is one
                that trials of survival have.
            SpecificationDiffers: If the folder or the database holds a study of another
                specification, or a larger one.
        """
        check_no_file(folder)
        name = name or folder.resolve().name
        if storage_url is not None and name.endswith(SURVIVAL):
            raise NormscopeError(
                f"--study must not end in '{SURVIVAL}', got '{name}': so are a scan's trials of "
                "survival called. Choose another name."
            )
        begun = cls.find(folder, storage_url, name)
        if begun is not None:
            specification = grown(specification, begun.specification, folder)
        if storage_url is not None and (folder / SPECIFICATION).is_file():
            held = ScanSpec.read_toml(folder / SPECIFICATION)
            specification = grown(specification, held, folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Before the database: cut off between them, the larger file passed back in makes it grow.
        _write_where_changed(folder / SPECIFICATION, specification.to_toml())
        storage = begun.storage if begun else None
        if begun is None or storage is None:
            storage = open_storage(folder / DATABASE, storage_url)
            with storage.answering():
                study = cls(folder, specification, storage, name)
            study.adopt(begun.every_trial() if begun is not None else ())
        else:
            study = begun
            study.specification = specification
        with storage.answering():
            # Last: a study without it was cut off while it was created, and is created further.
            _set_where_changed(study.optuna_study, specification.to_json())
        return study

    @classmethod
    def open(cls, folder: Path, storage_url: str | None = None, name: str | None = None) -> Study:
        """Open a study that exists.

        Args:
            folder: Its folder.
            storage_url: The shared database it was made with.
            name: What it is called there; the folder's name by default.

        Returns:
            The study.

        Raises:
            NormscopeError: If there is no study, or one that this version cannot read.
        """
        study = cls.find(folder, storage_url, name)
        if study is not None:
            return study
        if storage_url is not None:
            storage = open_url(storage_url)
            raise NormscopeError(
                f"{storage.shown} must hold the study '{name or folder.resolve().name}', got "
                f"{', '.join(sorted(storage.names())) or 'none'}. Name it by --study."
            )
        if (folder / SPECIFICATION).is_file():
            raise NormscopeError(
                f"{folder} must hold the trials of its scan in a {DATABASE}, got none. Run the "
                "scan, or give the URL of the database that they are in by --storage."
            )
        raise NormscopeError(
            f"{folder} must be a study's folder, got none with a study in a {DATABASE}. "
            "Give the --out folder of a scan."
        )

    @classmethod
    def find(
        cls, folder: Path, storage_url: str | None = None, name: str | None = None
    ) -> Study | None:
        """Open a study, if there is one.

        Args:
            folder: Any folder.
            storage_url: The shared database to look in; the folder's own by default.
            name: What it is called there; the folder's name by default.

        Returns:
            The study in the database, else the one exported to the folder; None where there is
            neither.

        Raises:
            NormscopeError: If there is one that this version cannot read.
        """
        if storage_url is not None:
            return cls._held(folder, open_url(storage_url), name or folder.resolve().name)
        if (folder / DATABASE).is_file():
            # A folder that was renamed still holds its one study.
            study = cls._held(folder, open_file(folder / DATABASE))
            if study is not None:
                return study
        if (folder / TRIALS).is_file() and (folder / SPECIFICATION).is_file():
            specification = ScanSpec.read_toml(folder / SPECIFICATION)
            return cls(folder, specification, None, exported=read_trials(folder / TRIALS))
        return None

    @classmethod
    def _held(cls, folder: Path, storage: Storage, name: str | None = None) -> Study | None:
        with storage.answering():
            for found in storage.names():
                study_id = storage.optuna.get_study_id_from_name(found)
                fields = storage.optuna.get_study_user_attrs(study_id).get("specification")
                if fields is not None and name in {None, found}:
                    return cls(folder, ScanSpec.from_json(fields), storage, found)
        return None

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
        """Every finished full training, in the order in which they began.

        Returns:
            The trials with their results.
        """
        return self._complete(survival=False)

    def survival_trials(self) -> list[FinishedTrial]:
        """Every finished trial of survival alone, in the order in which they began.

        Returns:
            The trials with their results.
        """
        return self._complete(survival=True)

    def every_trial(self) -> list[FinishedTrial]:
        """The full trainings, then those of survival.

        Returns:
            The trials with their results.
        """
        return [*self.trials(), *self.survival_trials()]

    def export(self, folder: Path) -> None:
        """Write the study to a folder that ``Study.open`` opens and ``scan`` goes on with.

        Nothing is dropped. The same trials give the same bytes.

        Args:
            folder: Made where it does not exist; an older export is replaced.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # First, since a larger specification with the older trials is a study that is not finished.
        write_text(folder / SPECIFICATION, self.specification.to_toml())
        write_trials(folder / TRIALS, self.every_trial())

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
        with self.storage.answering():
            if survival and self._name + SURVIVAL not in self.storage.names():
                return []
            kept_in = self._optuna(self.storage, survival=survival)
            complete = kept_in.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [finished_trial(trial) for trial in complete]

    def _optuna(self, storage: Storage, *, survival: bool) -> optuna.Study:
        """Survival has an Optuna study of its own: its accuracies are no part of the other's."""
        return storage.begun(self._name + SURVIVAL * survival)


def is_search(folder: Path) -> bool:
    """Whether a study's folder holds a search, and not a scan.

    Args:
        folder: Any folder.

    Returns:
        True where its specification says so.
    """
    path = folder / SPECIFICATION
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")).get("kind") == "search"
    except (OSError, ValueError):
        return False


def _write_where_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _set_where_changed(study: optuna.Study | None, fields: dict[str, Any]) -> None:
    if study is not None and study.user_attrs.get("specification") != fields:
        study.set_user_attr("specification", fields)
