"""What Python callers and command lines give: values of the right types, and possible paths."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KINDS: dict[str, tuple[Any, str]] = {
    "None": (NoneType, ""),
    "bool": (bool, "True or False"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "str": ((str, Path), "a text"),
    "Path": (Path, "a path"),
    "Size": (tuple, ""),
    "tuple[int, int]": (tuple, "a height and a width"),
    "Sequence[str]": (Sequence, "a list of texts"),
}
"""What values may be whose annotation has such a part, and how that is called."""


def plain(value: Any) -> Any:
    """A number or truth value of NumPy as Python's own, which can be written as JSON; all else."""
    return (
        value.item()
        if type(value).__module__ == "numpy" and not hasattr(value, "__len__")
        else value
    )


@contextmanager
def names_that_fit() -> Iterator[None]:
    """Say it in one sentence where a path is longer than the system allows.

    Yields:
        Nothing.

    Raises:
        NormscopeError: In place of the system's error.
        OSError: Every other one, as it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        path = str(error.filename2 or error.filename or "")
        raise NormscopeError(
            f"a path must have names that the system takes, got {path[:40]}...: too long. "
            "Shorten it."
        ) from None


def check_types(annotations: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse values of other types than their annotations name.

    Args:
        annotations: As texts, by name; those with other parts than ``KINDS`` allow everything.
        values: By the same names; a path is looked at as ``check_path`` does.

    Raises:
        NormscopeError: If one is of another type, or no path at all.
    """
    for name, value in values.items():
        parts = str(annotations.get(name, "")).split(" | ")
        if not all(part in KINDS for part in parts):
            continue
        if not any(_is_one(value, part) for part in parts):
            words = list(dict.fromkeys(KINDS[part][1] for part in parts if KINDS[part][1]))
            raise NormscopeError(
                f"{name} must be {' or '.join(words)}, got {value!r:.80} of type "
                f"{type(value).__name__}. Convert it."
            )
        if "Path" in parts and value is not None:
            check_path(value, name)


def _is_one(value: Any, part: str) -> bool:
    kind = KINDS[part][0]
    if kind is Sequence:
        several = isinstance(value, Sequence) and not isinstance(value, str)
        return several and all(isinstance(text, str) for text in value)
    return isinstance(value, kind)


def check_path(path: str | Path, name: str) -> None:
    """Refuse what no file or folder can be called.

    Args:
        path: As it was given.
        name: What it was given for, such as ``--out``.

    Raises:
        NormscopeError: If it is empty or has a NUL in it.
    """
    text = os.fspath(path)
    if not text:
        raise NormscopeError(
            f"{name} must name a file or folder, got an empty path. Write '.' for the current "
            "folder, or leave it out."
        )
    if "\0" in text:
        raise NormscopeError(
            f"{name} must be the path of a file or folder, got one with a NUL in it. Check it."
        )
