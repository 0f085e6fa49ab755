"""What a folder holds, apart from times: equal for two runs that did the same."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from normscope.cli.kept_report import KEPT
from normscope.errors import NormscopeError
from normscope.studies.search_study import SearchStudy
from normscope.studies.stored_trial import attributes_of
from normscope.studies.study import Study
from normscope.studies.study_file import SPECIFICATION, is_search
from tests.torture.cases import SHARED

if TYPE_CHECKING:
    from pathlib import Path

    import optuna

    from normscope.trials.result import FinishedTrial

NO_CONTENT = re.compile(r".*\.lock|.+\.db-(wal|shm|journal)")
"""Locks, and the parts of a database beside it, which are read with it."""

TIMES = re.compile(
    rb"<dt>(duration|run)</dt><dd>.*?</dd>|\d{4}-\d\d-\d\dT[\d:]+\+00:00|\d[\d,]* s of trials"
)
"""What pages say of when and how long."""


def contents(place: Path) -> dict[str, Any]:
    """Every file that a command left, apart from its inputs and temporary files.

    Args:
        place: The folder in which it was called.

    Returns:
        What each says, by its path.
    """
    return {
        str(path.relative_to(place)): _content(path)
        for kept in sorted(place.iterdir())
        if kept.name not in {"in", "tmp"}
        for path in sorted((kept, *kept.rglob("*")))
        if path.is_file() and not NO_CONTENT.fullmatch(path.name)
    }


def _content(path: Path) -> Any:
    if path.name == SHARED:
        begun = [folder for folder in path.parent.glob("out?") if (folder / SPECIFICATION).exists()]
        return trials_in(begun[0], f"sqlite:///{path}", "one") if begun else {}
    if path.name == "study.db":
        try:
            return trials_in(path.parent)
        except NormscopeError as error:
            return {"damage": str(error)}
    if path.suffix == ".html":
        return TIMES.sub(b"", path.read_bytes())
    if path.suffix == ".json":
        with suppress(ValueError):  # of a file that is not whole
            said = timeless(json.loads(path.read_text(encoding="utf-8")))
            return (
                {k: v for k, v in said.items() if k not in DIGESTS} if path.name == KEPT else said
            )
    if path.suffix == ".pt2":
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    return path.read_bytes()


DIGESTS = {"asked", "files"}
"""What a kept report has of files with times in them."""

TIMED = {"seconds", "seconds_per_trial", "time", "images_per_second"}


def timeless(value: Any) -> Any:
    """A value without what took time."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in TIMED}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def trials_in(folder: Path, url: str | None = None, name: str | None = None) -> dict[str, Any]:
    """Every trial of a study by its digest, each with how often it is there.

    Args:
        folder: The study's.
        url: Of a shared database.
        name: What the study is called in it.

    Returns:
        What each says; empty where the study was not begun.
    """
    search = is_search(folder)
    study = SearchStudy.open(folder, url, name) if search else Study.find(folder, url, name)
    if study is None or study.storage is None:
        return {}
    finished = (
        [*study.results(), *study.replicates()]
        if isinstance(study, SearchStudy)
        else study.every_trial()
    )
    states = {name: _states(study.storage.begun(name)) for name in study.storage.names()}
    return {**_said(finished), "states": states}


def _said(finished: list[FinishedTrial]) -> dict[str, Any]:
    times = Counter(trial.spec.key() for trial in finished)
    return {
        trial.spec.key(): [times[trial.spec.key()], timeless(attributes_of(*vars(trial).values()))]
        for trial in finished
    }


def _states(study: optuna.Study) -> Any:
    trials = study.get_trials(deepcopy=False)
    left = [t.number for t in trials if t.state in {TrialState.RUNNING, TrialState.WAITING}]
    slots = Counter(t.user_attrs.get("slot") for t in trials if t.state == TrialState.COMPLETE)
    return [left, sorted(slots.items(), key=str)]
