"""The store: a folder with one Optuna storage, in which every finished trial is kept at once."""

from __future__ import annotations

import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from normscope.errors import NormscopeError
from normscope.studies.compact import SPECIFICATION, TRIALS, read_trials
from normscope.studies.growing import grown
from normscope.studies.specification import ScanSpec
from normscope.studies.storage import written_ahead
from normscope.studies.stored_trial import attributes_of, finished_trial, point_for_optuna
from normscope.writing import check_no_file, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from normscope.trials.result import FinishedTrial, TrialResult
    from normscope.trials.spec import TrialSpec

DATABASE = "study.db"
SURVIVAL = " survival"
"""What the name of the Optuna study of survival trials ends in."""


class Study:
    """A study in its folder, opened without torch.

    Attributes:
        folder: Where it lies.
        specification: What it is.
        optuna_study: Its full trainings as Optuna has them, for Optuna's own tools; None where
            the folder holds an export and no database. Those of survival are in a study beside it.
    """

    def __init__(
        self,
        folder: Path,
        specification: ScanSpec,
        optuna_study: optuna.Study | None,
        *,
        storage: RDBStorage | None = None,
        exported: Iterable[FinishedTrial] = (),
    ) -> None:
        self.folder = folder
        self.specification = specification
        self.optuna_study = optuna_study
        self._storage = storage
        self._optuna_survival: optuna.Study | None = None
        self._exported = list(exported)

    @classmethod
    def create(cls, folder: Path, specification: ScanSpec) -> Study:
        """Begin a study in a folder, or open the one there, which may grow.

        Args:
            folder: Made where it does not exist.
            specification: What the study is; see ``growing.py`` for what it may add to one there.

        Returns:
            The study. Its specification has the floats of the one there.

        Raises:
            NormscopeError: If the folder is a file, or cannot be written to.
            SpecificationDiffers: If it holds a study of another specification, or a larger one.
        """
        check_no_file(folder)
        begun = cls.find(folder)
        if begun is not None:
            specification = grown(specification, begun.specification, folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Before the database: cut off between them, the larger file passed back in makes it grow.
        _write_where_changed(folder / SPECIFICATION, specification.to_toml())
        if begun is not None and begun.optuna_study is not None:
            if specification != begun.specification:
                with _readable(folder):
                    begun.optuna_study.set_user_attr("specification", specification.to_json())
                begun.specification = specification
            return begun
        with _readable(folder):
            storage = _storage(folder)
            for name in optuna.get_all_study_names(storage):
                optuna.delete_study(study_name=name, storage=storage)
            optuna_study = optuna.create_study(
                storage=storage, study_name=folder.resolve().name, direction="maximize"
            )
            study = cls(folder, specification, optuna_study, storage=storage)
            study.adopt(begun.every_trial() if begun is not None else ())
            # Set last: a study without it was cut off while it was being created, and is begun
            # anew.
            optuna_study.set_user_attr("specification", specification.to_json())
        return study

    @classmethod
    def open(cls, folder: Path) -> Study:
        """Open a study that exists.

        Args:
            folder: Its folder.

        Returns:
            The study.

        Raises:
            NormscopeError: If there is no study, or one that this version cannot read.
        """
        study = cls.find(folder)
        if study is None:
            raise NormscopeError(
                f"{folder} must be a study's folder, got none with a study in a {DATABASE}. "
                "Give the --out folder of a scan."
            )
        return study

    @classmethod
    def find(cls, folder: Path) -> Study | None:
        """Open the study in a folder, if there is one.

        Args:
            folder: Any folder.

        Returns:
            The study in its database, else the one exported to it; None where there is neither.

        Raises:
            NormscopeError: If there is one that this version cannot read.
        """
        if (folder / DATABASE).is_file():
            with _readable(folder):
                storage = _storage(folder)
                # Not by the studies' summaries: to make those, Optuna reads all trials.
                for name in optuna.get_all_study_names(storage):
                    study_id = storage.get_study_id_from_name(name)
                    fields = storage.get_study_user_attrs(study_id).get("specification")
                    if fields is not None:
                        study = optuna.load_study(study_name=name, storage=storage)
                        read = ScanSpec.from_json(fields)
                        return cls(folder, read, study, storage=storage)
        if (folder / TRIALS).is_file() and (folder / SPECIFICATION).is_file():
            specification = ScanSpec.read_toml(folder / SPECIFICATION)
            return cls(folder, specification, None, exported=read_trials(folder / TRIALS))
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
            user_attrs=attributes_of(spec, result),
        )
        with _readable(self.folder):
            kept_in = self._survival(create=True) if spec.survival else self.optuna_study
            if kept_in is None:
                raise NormscopeError(
                    f"{self.folder} must hold a {DATABASE} to keep trials in, got an export alone. "
                    "Run the scan on the folder to make one."
                )
            kept_in.add_trial(trial)

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

    def trials(self) -> list[FinishedTrial]:
        """Every finished full training, in the order in which they finished.

        Returns:
            The trials with their results.
        """
        if self.optuna_study is None:
            return [trial for trial in self._exported if not trial.spec.survival]
        return self._complete(self.optuna_study)

    def survival_trials(self) -> list[FinishedTrial]:
        """Every finished trial of survival alone, in the order in which they finished.

        Returns:
            The trials with their results.
        """
        if self.optuna_study is None:
            return [trial for trial in self._exported if trial.spec.survival]
        with _readable(self.folder):
            survival = self._survival(create=False)
        return self._complete(survival) if survival else []

    def every_trial(self) -> list[FinishedTrial]:
        """The full trainings, then those of survival.

        Returns:
            The trials with their results.
        """
        return [*self.trials(), *self.survival_trials()]

    def _complete(self, optuna_study: optuna.Study) -> list[FinishedTrial]:
        with _readable(self.folder):
            frozen = optuna_study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [finished_trial(trial) for trial in frozen]

    def _survival(self, *, create: bool) -> optuna.Study | None:
        """Survival's own Optuna study, so that its accuracies are no part of the other's."""
        storage = self._storage
        if self._optuna_survival is None and self.optuna_study is not None and storage is not None:
            name = self.optuna_study.study_name + SURVIVAL
            if name in optuna.get_all_study_names(storage):
                self._optuna_survival = optuna.load_study(study_name=name, storage=storage)
            elif create:
                self._optuna_survival = optuna.create_study(
                    storage=storage, study_name=name, direction="maximize"
                )
        return self._optuna_survival


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


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        reason = (str(error.__cause__ or error).splitlines() or ["unknown"])[0]
        raise NormscopeError(
            f"{folder / DATABASE} must be a study's database that can be read and written, "
            f"got: {reason}. Check the file, its permissions and the free space."
        ) from error


def _write_where_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _storage(folder: Path) -> RDBStorage:
    return written_ahead(
        RDBStorage(
            f"sqlite:///{(folder / DATABASE).resolve()}",
            engine_kwargs={"connect_args": {"timeout": 60}},
        )
    )
