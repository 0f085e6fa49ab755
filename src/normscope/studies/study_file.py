"""What a study is, as a file that people read and that can be passed back in."""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import tomli_w

from normscope.errors import NormscopeError
from normscope.regular_files import read_text
from normscope.trials.plain_data import reading

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


SPECIFICATION = "study.toml"
"""What the file is called in a study's folder."""

DATABASE, TRIALS = "study.db", "trials.jsonl.xz"
"""What holds its trials there, and those of an export."""

SUMMARY, PAGE, FIGURES = "summary.json", "report.html", "figures"
"""What a report's files and the folder of its pictures are called there."""

SCHEMA = 1
"""Version of what a study's folder holds; raised when an older normscope could not read it."""


class WrittenSpecification(ABC):
    """A specification that can be written, read back and compared field by field."""

    kind: ClassVar[str]
    """What it specifies, in a word."""

    run_only: ClassVar[tuple[str, ...]] = ()
    """Fields that say how far a study goes, which is no part of what it is."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Every field as JSON and TOML have it; what is None is left out."""

    @classmethod
    @abstractmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave, without schema and kind."""

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave.

        Returns:
            The specification.

        Raises:
            NormscopeError: If it is of another kind or schema, or not whole.
        """
        rest = dict(fields)
        schema, kind = rest.pop("schema", None), rest.pop("kind", None)
        if kind != cls.kind:
            raise NormscopeError(
                f"a {cls.kind} must have the specification of a {cls.kind}, got one of a {kind}. "
                "Choose another folder or file."
            )
        if schema != SCHEMA:
            raise NormscopeError(
                f"a {cls.kind}'s specification must have schema {SCHEMA}, got {schema}. "
                "Use the normscope that wrote it."
            )
        try:
            with reading():
                return cls._from_fields(rest)
        except (KeyError, TypeError) as error:
            raise NormscopeError(
                f"a {cls.kind}'s specification must name every field with its kind of value, "
                f"got a fault at {error}. Use a study.toml as normscope wrote it."
            ) from None

    def to_toml(self) -> str:
        """The specification as TOML, which ``read_toml`` reads back."""
        return tomli_w.dumps(self.to_json())

    @classmethod
    def read_toml(cls, path: Path) -> Self:
        """Read a ``study.toml``.

        Returns:
            The specification.

        Raises:
            NormscopeError: If it cannot be read as one.
        """
        try:
            fields = tomllib.loads(read_text(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise NormscopeError(
                f"{path} must be a readable study.toml, got: {reason}. "
                f"Pass the file that a {cls.kind} wrote."
            ) from None
        return cls.from_json(fields)

    def differences(self, begun: Self, apart_from: Collection[str] = ()) -> list[str]:
        """What differs from the specification that a study was begun with.

        Args:
            begun: The study's own.
            apart_from: Fields that may differ.

        Returns:
            A phrase for each field that differs; how far the study goes does not count.
        """
        mine, theirs = flat(self.to_json()), flat(begun.to_json())
        return [
            f"{name} {mine.get(name, 'not given')} (begun with {theirs.get(name, 'not given')})"
            for name in dict.fromkeys([*mine, *theirs])
            if mine.get(name) != theirs.get(name) and name not in {*self.run_only, *apart_from}
        ]


def flat(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, their names joined by dots, as ``recipe.epochs``."""
    found = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = ", ".join(value) if isinstance(value, list) else value
    return found


def is_search(folder: Path) -> bool:
    """Whether a study's folder holds a search, and not a scan."""
    path = folder / SPECIFICATION
    try:
        return tomllib.loads(read_text(path)).get("kind") == "search"
    except (OSError, ValueError):
        return False
