"""The split of a data set that is meant, where splits have names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from normscope.errors import NormscopeError
from normscope.images.tree import SPLIT_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


def of_split(name: str, by_name: Mapping[str, T], split: str | None) -> list[T]:
    """The parts of a data set that belong to a split.

    Args:
        name: The data set, for errors.
        by_name: What there is, by names such as ``train`` or ``validation``.
        split: ``train``, ``val``, ``test``, ``all``, or None: train where there is one, else all.

    Returns:
        At least one part, in order, unless there are none at all.

    Raises:
        NormscopeError: If there is nothing of the split.
    """
    if split != "all":
        found = [part for key, part in by_name.items() if key in SPLIT_FOLDERS[split or "train"]]
        if found:
            return found
        if split is not None:
            raise NormscopeError(
                f"{name} must hold a split {split} for --split {split}, got "
                f"{', '.join(by_name) or 'none'}. Choose a split that is there, or all."
            )
    return list(by_name.values())
