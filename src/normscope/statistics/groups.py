"""Which group an image belongs to, by its folder or by a table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, UnknownName
from normscope.images.encoded import stamp
from normscope.regular_files import open_regular
from normscope.statistics.names import Roots

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER, SERIES = "folder", "series"
MOST_GROUPS = 1000
"""More groups are no groups any more, and each keeps sums of its own."""


@dataclass(frozen=True)
class Groups:
    """How images are sorted into groups.

    A table is named, not held, so that workers elsewhere are told in a few bytes; each reads it
    once.

    Attributes:
        by: ``folder``, ``series`` or ``FILE.csv:COLUMN``.
        roots: What images are named relative to.
        split: What is read of an archive.
        stamp: The table's size and time of change, so that another one is not taken for it.
    """

    by: str
    roots: Roots
    split: str | None = None
    stamp: tuple[int, int | str] | None = None

    @classmethod
    def of(cls, by: str, source: Any, split: str | None) -> Groups:
        """Groups of a source's images.

        Args:
            by: ``folder``, ``series`` or ``FILE.csv:COLUMN``.
            source: As of ``stats``.
            split: As of ``stats``.

        Returns:
            The groups.

        Raises:
            NormscopeError: If the source's images have no paths, or the table cannot be read.
        """
        if by == SERIES:
            return cls(by, Roots(()), split)
        roots = Roots.of(source, "--by")
        if by == FOLDER:
            return cls(by, roots.of_split(split), split)
        path, _, _ = by.rpartition(":")
        groups = cls(by, roots, split, stamp(path))
        groups._table()
        return groups

    def group_of(self, path: str, series: str = "") -> str | None:
        """The group of an image.

        Args:
            path: The image's, or nothing where it has none.
            series: Its DICOM series, or nothing.

        Returns:
            The group's name; None where the image is in none.
        """
        if self.by == SERIES:
            return series or None
        if not path:
            return None
        if self.by == FOLDER:
            return self.roots.first_folder(path, self.split) or None
        return self._table().get(self.roots.relative(path))

    def _table(self) -> Mapping[str, str]:
        path, _, column = self.by.rpartition(":")
        return _read_table(path, column, self.by, self.stamp)


@lru_cache(maxsize=4)
def _read_table(
    path: str,
    column: str,
    by: str,
    stamp: tuple[int, int | str] | None,  # noqa: ARG001 - tells a changed file from the one in the cache
) -> Mapping[str, str]:
    if not path or not column:
        raise NormscopeError(
            f"--by must be folder, series or FILE.csv:COLUMN, got '{by}'. Write it as "
            "sites.csv:site, where the first column of sites.csv has the images' paths."
        )
    try:
        raw = io.BufferedReader(open_regular(path))
        with io.TextIOWrapper(raw, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if len(header) < 2:
                raise NormscopeError(
                    f"--by must name a table with commas between its columns, got {path} with "
                    f"{len(header)} in its first line. Write path,{column} there."
                )
            if column not in header[1:]:
                raise UnknownName(f"the column of --by {path}", column, header[1:])
            at = header.index(column, 1)
            return {
                row[0].removeprefix("./"): row[at].strip()
                for row in rows
                if len(row) > at and row[at].strip()
            }
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NormscopeError(
            f"--by must name a readable CSV file, got {path}: {reason}. Check the path."
        ) from None
