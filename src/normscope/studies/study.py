"""A scan in its folder: begun, opened, grown and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.studies.growing import grown
from normscope.studies.scan_trials import SURVIVAL, ScanTrials
from normscope.studies.specification import ScanSpec
from normscope.studies.storage import open_storage, open_url
from normscope.studies.stored_trial import attributes_of, trial_of
from normscope.studies.study_file import DATABASE, SPECIFICATION, TRIALS
from normscope.writing import check_no_file, replacing, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import optuna

    from normscope.studies.storage import Storage
    from normscope.trials.result import FinishedTrial

LONGEST_LINE = 2**26
"""Of them in characters: a few bytes can unpack to gigabytes."""


class Study(ScanTrials):
    """A scan in its folder, opened without torch; the attributes are those of ``ScanTrials``."""

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
                f"--study must not end in '{SURVIVAL}', got '{name}', as a scan's trials of "
                "survival do. Choose another name."
            )
        begun = cls.find(folder, storage_url, name, begin=True)
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
            with storage.reading():
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
    def open(
        cls, folder: Path | str, storage_url: str | None = None, name: str | None = None
    ) -> Study:
        """Open a study that exists, to read what it is now; the scan itself goes on with it.

        Args:
            folder: Its folder, in which nothing is changed.
            storage_url: The shared database it was made with.
            name: What it is called there; the folder's name by default.

        Returns:
            The study.

        Raises:
            NormscopeError: If there is no study, or one that this version cannot read.
        """
        folder = Path(folder)
        study = cls.find(folder, storage_url, name)
        if study is not None:
            return study
        if storage_url is not None:
            raise open_url(storage_url, begin=False).lacks(name or folder.resolve().name)
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
        cls,
        folder: Path,
        storage_url: str | None = None,
        name: str | None = None,
        *,
        begin: bool = False,
    ) -> Study | None:
        """Open a study, if there is one.

        Args:
            folder: Any folder.
            storage_url: The shared database to look in; the folder's own by default.
            name: What it is called there; the folder's name by default.
            begin: Whether it is gone on with: its database can then be written, and a shared one
                is made where there is none.

        Returns:
            The study in the database, else the one exported to the folder; None where there is
            neither.

        Raises:
            NormscopeError: If there is one that this version cannot read.
        """
        if storage_url is not None:
            return cls._held(
                folder, open_url(storage_url, begin=begin), name or folder.resolve().name
            )
        if (folder / DATABASE).is_file():
            # A folder that was renamed still holds its one study.
            study = cls._held(folder, open_storage(folder / DATABASE, None, begin=begin))
            if study is not None:
                return study
        if (folder / TRIALS).is_file() and (folder / SPECIFICATION).is_file():
            specification = ScanSpec.read_toml(folder / SPECIFICATION)
            study = cls(folder, specification, None, exported=read_trials(folder / TRIALS))
            return study.as_trained()
        return None

    @classmethod
    def _held(cls, folder: Path, storage: Storage, name: str | None = None) -> Study | None:
        with storage.reading():
            for found in storage.names():
                study_id = storage.optuna.get_study_id_from_name(found)
                fields = storage.optuna.get_study_user_attrs(study_id).get("specification")
                if fields is not None and name in {None, found}:
                    return cls(folder, ScanSpec.from_json(fields), storage, found).as_trained()
        return None

    def export(self, folder: Path) -> None:
        """Write the study to a folder that ``Study.open`` opens and ``scan`` continues.

        Nothing is dropped. The same trials give the same bytes.

        Args:
            folder: Made where it does not exist; an older export is replaced.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # First, since a larger specification with the older trials is a study that is not finished.
        write_text(folder / SPECIFICATION, self.specification.to_toml())
        write_trials(folder / TRIALS, self.every_trial())


def _write_where_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _set_where_changed(study: optuna.Study | None, fields: dict[str, Any]) -> None:
    if study is not None and study.user_attrs.get("specification") != fields:
        study.set_user_attr("specification", fields)


def write_trials(path: Path, trials: Iterable[FinishedTrial]) -> None:
    """Write trials as compressed lines of JSON, in one step.

    Args:
        path: What the file is to be called.
        trials: In the order in which they are to be read back.
    """
    import lzma

    with replacing(path) as temporary, lzma.open(temporary, "wt", encoding="utf-8") as lines:
        for trial in trials:
            fields = attributes_of(trial.spec, trial.result)
            lines.write(json.dumps(fields, separators=(",", ":")) + "\n")


def read_trials(path: Path) -> list[FinishedTrial]:
    """Read what ``write_trials`` wrote.

    Returns:
        The trials, in their order.

    Raises:
        NormscopeError: If it is not whole.
    """
    import lzma

    try:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            # A longer line is cut, and no JSON any more.
            bounded = iter(lambda: lines.readline(LONGEST_LINE), "")
            return [trial_of(json.loads(line)) for line in bounded]
    except (
        OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, lzma.LZMAError
    ) as error:  # fmt: skip
        raise NormscopeError(
            f"{path} must hold a study's trials as normscope exported them, got: "
            f"{error or type(error).__name__}. Copy the file again."
        ) from None
