"""The store: a folder with one Optuna storage, in which every finished trial is kept at once."""

from __future__ import annotations

import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from normscope.errors import NormscopeError, SpecificationDiffers, StudyBusy
from normscope.studies.parameters import point_of
from normscope.studies.specification import ScanSpec
from normscope.studies.storage import written_ahead
from normscope.trials.result import FinishedTrial, TrialResult
from normscope.trials.spec import TrialSpec
from normscope.writing import check_no_file, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASE = "study.db"
SPECIFICATION = "study.toml"
LOCK = ".lock"


class Study:
    """A study in its folder, opened without torch.

    Attributes:
        folder: Where it lies.
        specification: What it is.
        optuna_study: The study as Optuna has it, for Optuna's own tools.
    """

    def __init__(self, folder: Path, specification: ScanSpec, optuna_study: optuna.Study) -> None:
        self.folder = folder
        self.specification = specification
        self.optuna_study = optuna_study

    @classmethod
    def create(cls, folder: Path, specification: ScanSpec) -> Study:
        """Begin a study in a folder, or open the one of the same specification there.

        Args:
            folder: Made where it does not exist.
            specification: What the study is.

        Returns:
            The study.

        Raises:
            NormscopeError: If the folder is a file, or cannot be written to.
            SpecificationDiffers: If it holds a study of another specification.
        """
        if folder.exists() and not folder.is_dir():
            raise NormscopeError(
                f"--out must be a folder, got the file {folder}. Choose another --out."
            )
        study = cls._load(folder)
        if study is not None:
            differences = specification.differences(study.specification)
            if differences:
                raise SpecificationDiffers(
                    f"{folder} must hold a study of the same specification, got another: "
                    f"{'; '.join(differences)}. Choose another --out or repeat the first call."
                )
            return study
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / SPECIFICATION, specification.to_toml())
        with _readable(folder):
            storage = _storage(folder)
            for name in optuna.get_all_study_names(storage):
                optuna.delete_study(study_name=name, storage=storage)
            optuna_study = optuna.create_study(
                storage=storage, study_name=folder.resolve().name, direction="maximize"
            )
            # Set last: a study without it was cut off while it was being created, and is begun
            # anew.
            optuna_study.set_user_attr("specification", specification.to_json())
        return cls(folder, specification, optuna_study)

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
        study = cls._load(folder)
        if study is None:
            raise NormscopeError(
                f"{folder} must be a study's folder, got none with a study in a {DATABASE}. "
                "Give the --out folder of a scan."
            )
        return study

    @classmethod
    def _load(cls, folder: Path) -> Study | None:
        if not (folder / DATABASE).is_file():
            return None
        with _readable(folder):
            storage = _storage(folder)
            for summary in optuna.get_all_study_summaries(storage, include_best_trial=False):
                fields = summary.user_attrs.get("specification")
                if fields is not None:
                    study = optuna.load_study(study_name=summary.study_name, storage=storage)
                    return cls(folder, ScanSpec.from_json(fields), study)
        return None

    def add(self, spec: TrialSpec, result: TrialResult) -> None:
        """Keep a finished trial; it is on disk when this returns.

        Args:
            spec: The trial.
            result: What it gave.
        """
        params, distributions = self._optuna_params(spec)
        trial = create_trial(
            state=TrialState.COMPLETE,
            value=result.accuracy,
            params=params,
            distributions=distributions,
            user_attrs=attributes_of(spec, result),
        )
        with _readable(self.folder):
            self.optuna_study.add_trial(trial)

    def trials(self) -> list[FinishedTrial]:
        """Every finished trial, in the order in which they finished.

        Returns:
            The trials with their results.
        """
        with _readable(self.folder):
            frozen = self.optuna_study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [finished_trial(trial) for trial in frozen]

    def _optuna_params(self, spec: TrialSpec) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        params: dict[str, Any] = {"seed": spec.seed}
        distributions: dict[str, BaseDistribution] = {
            "seed": IntDistribution(0, self.specification.seeds - 1)
        }
        values = [(axis, point_of(spec).value(axis.name)) for axis in self.specification.axes]
        for axis, value in values:
            if value is None:
                return {"seed": spec.seed}, {"seed": distributions["seed"]}
            low, high = min(*axis.values, value), max(*axis.values, value)
            params[axis.name] = value
            distributions[axis.name] = FloatDistribution(low, high, log=axis.log)
        return params, distributions


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
def locked(folder: Path) -> Iterator[None]:
    """Hold a study's folder against other processes.

    The lock is the kernel's, so it ends with the process, however that ends.

    Args:
        folder: Made where it does not exist.

    Yields:
        Nothing, while no other process holds the folder.

    Raises:
        NormscopeError: If the folder is a file.
        StudyBusy: If another process holds it.
    """
    check_no_file(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise StudyBusy(
            f"{folder} must be used by one process at a time, got another that works on it now. "
            "Wait for it, or choose another --out."
        ) from None


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


def _storage(folder: Path) -> optuna.storages.RDBStorage:
    return written_ahead(
        optuna.storages.RDBStorage(
            f"sqlite:///{(folder / DATABASE).resolve()}",
            engine_kwargs={"connect_args": {"timeout": 60}},
        )
    )


def attributes_of(spec: TrialSpec, result: TrialResult) -> dict[str, Any]:
    """What Optuna keeps with a finished trial.

    Two attributes rather than one per number: each is a row of its own, written in turn.

    Args:
        spec: The trial.
        result: What it gave.

    Returns:
        Plain values that ``finished_trial`` reads back.
    """
    return {"trial": spec.to_json(), "result": result.to_json()}


def finished_trial(trial: FrozenTrial) -> FinishedTrial:
    """What was kept with a finished trial.

    Args:
        trial: Optuna's.

    Returns:
        The trial with its result.
    """
    attributes = trial.user_attrs
    return FinishedTrial(
        TrialSpec.from_json(attributes["trial"]), TrialResult(**attributes["result"])
    )
