"""What a report printed, kept in the study's folder, so that asked again it is there at once.

To import what reads and draws a study takes seconds, to see that nothing has changed does not.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import normscope
from normscope._version import __version__
from normscope.cli.output import PlainTable
from normscope.errors import NormscopeError
from normscope.studies.snapshot import snapshot
from normscope.studies.study_file import (
    DATABASE,
    FIGURES,
    PAGE,
    SPECIFICATION,
    SUMMARY,
    TRIALS,
)
from normscope.writing import write_text

KEPT = ".report.json"


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


def fingerprint(
    folder: Path, margin: float | None = None, reference: str | None = None
) -> str | None:
    """What a report depends on: the study in its folder, the options, and normscope itself.

    Args:
        folder: The study's.
        margin: What ``--margin`` was given.
        reference: What ``--reference`` was given.

    Returns:
        A digest; None where the folder holds no trials that can be read.
    """
    package = Path(normscope.__file__).parent
    newest = max(path.stat().st_mtime_ns for path in package.rglob("*"))
    digest = hashlib.sha256(repr([__version__, newest, margin, reference]).encode())
    try:
        for name in (SPECIFICATION, TRIALS):
            if (folder / name).is_file():
                digest.update((folder / name).read_bytes())
        if (folder / DATABASE).is_file():
            # What it says: its bytes depend on when it was last closed.
            with closing(snapshot(folder / DATABASE)) as database:
                for line in database.iterdump():
                    digest.update(line.encode())
        elif not (folder / TRIALS).is_file():
            return None
    except (OSError, sqlite3.Error, UnicodeError, NormscopeError):
        return None  # what is wrong with it is told by whoever reads the study
    return digest.hexdigest()


def kept_report(folder: Path, asked: str | None) -> PrintedReport | None:
    """What was printed when the same was asked.

    Args:
        folder: The study's.
        asked: Its fingerprint.

    Returns:
        None where something has changed since, the written files among it.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        if asked is not None and kept["asked"] == asked and kept["files"] == _files(folder):
            tables = [PlainTable(**table) for table in kept["tables"]]
            return PrintedReport(kept["sentences"], tables, kept["counts"])
    return None


def keep_report(folder: Path, asked: str | None, printed: PrintedReport) -> None:
    """Keep what was printed, with the digests of the files that were written.

    Args:
        folder: The study's.
        asked: Its fingerprint before it was read.
        printed: What was printed.
    """
    if asked is not None:
        kept = {"asked": asked, "files": _files(folder), **asdict(printed)}
        write_text(folder / KEPT, json.dumps(kept, indent=2) + "\n")


def _files(folder: Path) -> dict[str, str]:
    paths = [folder / SUMMARY, folder / PAGE, *sorted((folder / FIGURES).iterdir())]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }
