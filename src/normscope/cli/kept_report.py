"""What a report printed, kept in the study's folder, so that asked again it is there at once.

To import what reads and draws a study takes seconds, to see that nothing has changed does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import normscope
from normscope._version import __version__
from normscope.cli.output import PlainTable
from normscope.errors import NormscopeError
from normscope.regular_files import digest, is_special, read_text
from normscope.studies.snapshot import snapshot
from normscope.studies.study_file import (
    DATABASE,
    FIGURES,
    PAGE,
    SPECIFICATION,
    SUMMARY,
    TRIALS,
)
from normscope.writing import write_numbers

KEPT = ".report.json"

FILES = (SPECIFICATION, TRIALS)
"""What a study is read of, beside its database."""

PADDINGS = (0, 1)
"""What tables have."""


@dataclass(frozen=True)
class PrintedReport:
    """What a report prints.

    Attributes:
        sentences: The answer and its reasons.
        tables: What follows them.
        counts: How many trials it speaks of, as a sentence; may be empty.
    """

    sentences: list[str]
    tables: list[PlainTable]
    counts: str = ""

    def written_into(self, folder: Path) -> str:
        """The last line: what it speaks of, and what was written."""
        written = f"Written: {folder / SUMMARY}, {folder / PAGE}, {folder / FIGURES}/"
        return f"{self.counts} {written}".lstrip()

    @classmethod
    def read(cls, fields: dict[str, Any]) -> PrintedReport:
        """Read what ``asdict`` gave, in a file that may be anybody's.

        Returns:
            The report.

        Raises:
            TypeError: If there are values of other types.
            ValueError: If a table has no columns, or a row of another length.
            KeyError: If something is missing.
        """
        tables = []
        for table in fields["tables"]:
            headings = _texts(table["headings"])
            rows = [_texts(row) for row in table["rows"]]
            padding = table["padding"]
            if not headings or any(len(row) != len(headings) for row in rows):
                raise ValueError(headings)
            if padding not in PADDINGS:
                raise ValueError(padding)
            tables.append(PlainTable(headings, rows, padding))
        return cls(_texts(fields["sentences"]), tables, *_texts([fields["counts"]]))


def _texts(found: Any) -> list[str]:
    if not (isinstance(found, list) and all(isinstance(text, str) for text in found)):
        raise TypeError(found)
    return found


def fingerprint(
    folder: Path, margin: float | None = None, reference: str | None = None
) -> str | None:
    """What a report depends on: the study in its folder, the options, and normscope itself.

    Args:
        folder: The study's.
        margin: What ``--margin`` was given.
        reference: What ``--reference`` was given.

    Returns:
        A digest; None where the folder holds no trials that can be read, or where nothing tells
        whether normscope itself has changed.
    """
    try:
        code = _code()
        found = {name: digest(folder / name) for name in FILES if (folder / name).is_file()}
        if (folder / DATABASE).is_file():
            found[DATABASE] = _content(folder / DATABASE)
    except (OSError, sqlite3.Error, UnicodeError, NormscopeError):
        return None  # what is wrong with it is told by whoever reads the study
    if not code or not found.keys() & {DATABASE, TRIALS}:
        return None
    depends_on = [__version__, code, margin, reference, found]
    return hashlib.sha256(repr(depends_on).encode()).hexdigest()


def _code() -> list[tuple[str, int, int]]:
    """What tells this normscope from another of the same version.

    Returns:
        Each of its files with size and time, since one may be replaced by an older one. What Python
        compiles does not count: to read a study compiles more. Of a package in a zip there are
        none.
    """
    package = Path(normscope.__file__).parent
    found = []
    for folder, folders, names in os.walk(package):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for path in (Path(folder, name) for name in names):
            held = path.stat()
            found.append((str(path.relative_to(package)), held.st_size, held.st_mtime_ns))
    return sorted(found)


def _content(database: Path) -> str:
    """A digest of what a database says: its bytes depend on when it was last closed."""
    found = hashlib.sha256()
    with closing(snapshot(database)) as held:
        for line in held.iterdump():
            found.update(line.encode())
    return found.hexdigest()


def kept_report(folder: Path, asked: str | None) -> tuple[PrintedReport, dict[str, Any]] | None:
    """What was printed when the same was asked.

    Args:
        folder: The study's.
        asked: Its fingerprint.

    Returns:
        What was printed, and the summary that was written; None where something has changed
        since, the written files among it.
    """
    if asked is None:
        return None
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        kept = json.loads(read_text(folder / KEPT))
        if kept["asked"] == asked and _are_there(folder, kept["files"]):
            summary = json.loads(read_text(folder / SUMMARY))
            return PrintedReport.read(kept), summary
    return None


def keep_report(
    folder: Path, asked: str | None, printed: PrintedReport, files: dict[str, str]
) -> None:
    """Keep what was printed; where that cannot be, the report is made again when it is asked for.

    Args:
        folder: The study's.
        asked: Its fingerprint before it was read.
        printed: What was printed.
        files: The digests of what was written.
    """
    if asked is None or is_special(folder / KEPT):
        return
    with suppress(OSError, NormscopeError):
        kept = {"asked": asked, "files": files, **asdict(printed)}
        write_numbers(folder / KEPT, kept)


def _are_there(folder: Path, files: dict[str, str]) -> bool:
    """Whether the files of a report are as they were written; none that it has not."""
    names = [name for name in files if Path(name).parent == Path(FIGURES)]
    return files.keys() == {SUMMARY, PAGE, *names} and all(
        digest(folder / name) == written for name, written in files.items()
    )
