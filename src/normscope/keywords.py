"""What callers give: values of the types that annotations name, and possible paths."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from normscope.arguments import advice_on_code, named_for
from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import ndarray

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

KINDS: dict[str, tuple[Any, str]] = {
    "None": (NoneType, ""),
    "bool": (bool, "True or False"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "str": ((str, Path), "a text"),
    "Path": (Path, "a path"),
    "Size": (tuple, ""),
    "tuple[int, int]": (Integral, "a height and a width"),
    "Sequence[str]": (str, "a list of texts"),
    "Sequence[float]": (Real, "a list of numbers"),
    "Callable": (Callable, "a function"),
    "ndarray": ("ndarray", ""),  # a list of numbers by then
    "Normalization": ("Normalization", "a Normalization"),
    "nn.Module": ("Module", "a torch.nn.Module"),
    "Study": ("ScanTrials", "a Study"),
    "SearchStudy": ("SearchStudy", "a SearchStudy"),
}
"""What values may be whose annotation has such a part, or what their class is called, which need
not be imported for that; and how it is called."""

ADVICE = {
    "nn.Module": "Build the network first.",
    "Study": "Open its folder with normscope.Study.open; a search has summarize_search.",
    "SearchStudy": "Open its folder with normscope.SearchStudy.open; a scan has summarize.",
}
"""Where a value cannot be converted."""


def parts_of(annotation: Any) -> list[str]:
    """What an annotation allows, one by one; a function's own arguments say nothing here."""
    return re.sub(r"Callable\[\[[^]]*\], \w+\]", "Callable", str(annotation)).split(" | ")


def fitted(annotation: Any, value: Any) -> Any:
    """A value as what it is given for has it, where that loses nothing.

    Args:
        annotation: Its text. A path may stand for a text and a text for a path, whichever it
            names first; one text for a list of them, and an array for a list of numbers.
        value: Whatever a caller gave. A number or truth value of NumPy becomes Python's own, which
            can be written as JSON.

    Returns:
        The value, as it was where nothing is to be done.

    Example:
        >>> import numpy as np
        >>> fitted("Sequence[str]", "mean=0:1"), fitted("int | None", np.int64(3))
        (['mean=0:1'], 3)
    """
    parts = parts_of(annotation)
    listed = "Sequence[float]" in parts
    if type(value).__module__ == "numpy" and (listed or not hasattr(value, "__len__")):
        return value.tolist()
    first = next((part for part in parts if part in {"str", "Path"}), None)
    if isinstance(value, Path) and first == "str":
        return str(value)
    if isinstance(value, str) and value and first == "Path":
        return Path(value)
    if isinstance(value, str) and "Sequence[str]" in parts and "Any" not in parts:
        return [value]
    return value


def as_text(numbers: str | float | Sequence[float] | ndarray) -> str:
    """Numbers as the command line lists them.

    Args:
        numbers: One or several, or their text already.

    Returns:
        The text.

    Example:
        >>> as_text([0, 0.5])
        '0,0.5'
    """
    if isinstance(numbers, str):
        return numbers
    return ",".join(map(repr, numbers if isinstance(numbers, Sequence) else [numbers]))


def check_types(annotations: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse values of other types than their annotations name.

    Args:
        annotations: As texts, by name; those with other parts than ``KINDS`` allow everything.
        values: By the same names; a path is looked at as ``check_path`` does.

    Raises:
        NormscopeError: If one is of another type, or no path at all.
    """
    for name, value in values.items():
        parts = parts_of(annotations.get(name, ""))
        if not all(part in KINDS for part in parts):
            continue
        if not any(_is_one(value, part) for part in parts):
            words = list(dict.fromkeys(KINDS[part][1] for part in parts if KINDS[part][1]))
            advice = next((ADVICE[part] for part in parts if part in ADVICE), None)
            raise NormscopeError(
                f"{name} must be {' or '.join(words)}, got {' '.join(repr(value).split()):.80} of "
                f"type {type(value).__name__}. {advice or advice_on_code(value)}"
            )
        if "Path" in parts and value is not None:
            check_path(value, name)


def _is_one(value: Any, part: str) -> bool:
    kind = KINDS[part][0]
    if isinstance(kind, str):
        return any(each.__name__ == kind for each in type(value).__mro__)
    if "[" not in part:
        return isinstance(value, kind)
    several = isinstance(value, Sequence) and not isinstance(value, str)
    fits = several and all(isinstance(each, kind) for each in value)
    return fits and (len(value) == 2 or not part.startswith("tuple"))


def checked(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function refuse values of other types than its annotations name.

    Args:
        function: One whose annotations are texts.

    Returns:
        The same, which raises what ``check_types`` does.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        try:
            given = signature.bind(*args, **keywords).arguments
        except TypeError:
            return function(*args, **keywords)  # Python's own words for it
        check_types(function.__annotations__, given)
        with named_for(signature.parameters):
            return function(*args, **keywords)

    return call


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


def check_kept(values: Mapping[str, Any]) -> None:
    """Refuse names that the files and the database of a study cannot hold.

    Args:
        values: What was given, by name; only texts and paths are looked at.

    Raises:
        NormscopeError: If one has bytes that are no UTF-8, as file names on Linux may.
    """
    for name, value in values.items():
        text = str(value) if isinstance(value, (str, Path)) else ""
        if text != text.encode(errors="ignore").decode():
            option = name if name == "source" else f"--{name.replace('_', '-')}"
            raise NormscopeError(
                f"{option} must be UTF-8, since a study keeps its name, got {text}. Rename it, or "
                "give a link to it."
            )
